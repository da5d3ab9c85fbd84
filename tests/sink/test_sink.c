/* SPDX-License-Identifier: MIT */
/*
 * tests/sink/test_sink.c - the capture server in a thread, with a raw client
 *
 * The client is a blocking socket that writes what the test says and reads replies line by
 * line; nothing sleeps, nothing asks the clock.
 */
#include "support/test.h"

#include <letterwing/sink.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- what the sink captured ------------------------------------------------------------------ */

typedef struct seen {
    lw_sink *sink;
    int n;
    char data[4096], json[4096], path[512];
    size_t len;
    int verdict; /* what on_message answers */
} seen;

static int
on_message(void *ctx, const lw_captured *m, const char **text)
{
    seen *s = ctx;
    char *json = lw_captured_json(m);

    s->n++;
    s->len = m->len;
    if (m->data != NULL && m->len < sizeof s->data) {
        memcpy(s->data, m->data, m->len);
        s->data[m->len] = '\0';
    }
    snprintf(s->json, sizeof s->json, "%s", json);
    snprintf(s->path, sizeof s->path, "%s", m->path == NULL ? "" : m->path);
    lw_free(json);
    *text = "the test says so";
    return s->verdict;
}

static lw_sink_opts
options(seen *s)
{
    lw_sink_opts o;

    memset(s, 0, sizeof *s);
    lw_sink_opts_init(&o);
    o.on_message = on_message;
    o.ctx = s;
    return o;
}

static void
start(seen *s, const lw_sink_opts *o)
{
    lw_error err = { .code = LW_OK };

    if (lw_sink_open(o, &s->sink, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(lw_sink_start(s->sink), LW_OK);
}

static void
stop(seen *s)
{
    lw_sink_free(s->sink);
    s->sink = NULL;
}

/* ---- the client ----------------------------------------------------------------------------------- */

static int
dial(const seen *s)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(lw_sink_port(s->sink)) };
    struct timeval patience = { .tv_sec = 60 };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void
put(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

        assert_true(n > 0);
        text += n;
        len -= (size_t)n;
    }
}

/* one line without CRLF into line; false at the end */
static bool
get_line(int fd, char line[1024])
{
    size_t n = 0;
    char c;

    while (n < 1023) {
        ssize_t got = recv(fd, &c, 1, 0);

        if (got <= 0)
            return false;
        if (c == '\n')
            break;
        line[n++] = c;
    }
    if (n > 0 && line[n - 1] == '\r')
        n--;
    line[n] = '\0';
    return true;
}

/* the last line of the next reply must start with want */
static void
expect(int fd, const char *want)
{
    char line[1024] = "";

    do {
        if (!get_line(fd, line))
            fail_msg("the connection ended instead of \"%s\"", want);
    } while (strlen(line) > 3 && line[3] == '-');
    if (strncmp(line, want, strlen(want)) != 0)
        fail_msg("\"%s\" instead of \"%s\"", line, want);
}

static void
say(int fd, const char *line, const char *want)
{
    put(fd, line, strlen(line));
    put(fd, "\r\n", 2);
    expect(fd, want);
}

static void
expect_end(int fd)
{
    char c;

    assert_int_equal(recv(fd, &c, 1, 0), 0);
    close(fd);
}

static void
hang_up(int fd)
{
    say(fd, "QUIT", "221 ");
    expect_end(fd);
}

static int
greeted(const seen *s)
{
    int fd = dial(s);

    expect(fd, "220 sink.letterwing.test");
    say(fd, "EHLO client.test", "250 ");
    return fd;
}

static void
deliver(int fd, const char *body, const char *want)
{
    say(fd, "MAIL FROM:<ann@example.com>", "250 ");
    say(fd, "RCPT TO:<bob@example.org>", "250 ");
    say(fd, "DATA", "354 ");
    put(fd, body, strlen(body));
    say(fd, ".", want);
}

/* ---- tests ------------------------------------------------------------------------------------------- */

static void
test_data__dots_and_octets_as_sent(void **state)
{
    seen s;
    lw_sink_opts o = options(&s);
    int fd;

    start(&s, &o);
    fd = greeted(&s);
    deliver(fd, "A: b\r\n\r\n..\r\n...\r\n\x80\xff\r\n", "250 2.0.0 captured as message 1");
    assert_int_equal(s.len, strlen("A: b\r\n\r\n.\r\n..\r\n\x80\xff\r\n"));
    assert_string_equal(s.data, "A: b\r\n\r\n.\r\n..\r\n\x80\xff\r\n");
    deliver(fd, "", "250 2.0.0 captured as message 2");
    assert_int_equal(s.len, 0);
    hang_up(fd);
    stop(&s);
}

static void
test_bdat__chunks_joined(void **state)
{
    static const char flight[] = "MAIL FROM:<> BODY=BINARYMIME\r\n"
                                 "RCPT TO:<bob@example.org> NOTIFY=NEVER\r\n"
                                 "BDAT 4\r\nA: bBDAT 3 LAST\r\n\0\r.";
    seen s;
    lw_sink_opts o = options(&s);
    int fd;

    start(&s, &o);
    fd = greeted(&s);
    put(fd, flight, sizeof flight - 1);
    for (int i = 0; i < 4; i++)
        expect(fd, "250 ");
    assert_int_equal(s.n, 1);
    assert_int_equal(s.len, 7);
    assert_memory_equal(s.data, "A: b\0\r.", 7);
    assert_non_null(strstr(s.json, "\"bdat\":true"));
    assert_non_null(strstr(s.json, "\"body\":\"BINARYMIME\""));
    assert_non_null(strstr(s.json, "\"notify\":[\"never\"]"));
    hang_up(fd);
    stop(&s);
}

static void
test_split__byte_by_byte_same(void **state)
{
    static const char session[] = "EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n"
                                  "DATA\r\nA: b\r\n\r\n..x\r\n.\r\nQUIT\r\n";
    seen s;
    lw_sink_opts o = options(&s);
    int fd, one = 1;

    start(&s, &o);
    fd = dial(&s);
    setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof one);
    for (size_t i = 0; i + 1 < sizeof session; i++)
        put(fd, session + i, 1);
    expect(fd, "220 ");
    for (int i = 0; i < 3; i++)
        expect(fd, "250 ");
    expect(fd, "354 ");
    expect(fd, "250 ");
    expect(fd, "221 ");
    expect_end(fd);
    assert_string_equal(s.data, "A: b\r\n\r\n.x\r\n");
    stop(&s);
}

/* the peer sends everything, RFC 2920 style, and reads nothing until the end */
static void
test_flood__replies_unread_nothing_lost(void **state)
{
    static const char one[] = "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 3 LAST\r\nx\r\n";
    enum { N = 2000 };
    seen s;
    lw_sink_opts o = options(&s);
    int fd;

    start(&s, &o);
    fd = greeted(&s);
    for (int i = 0; i < N; i++)
        put(fd, one, sizeof one - 1);
    for (int i = 0; i < 3 * N; i++)
        expect(fd, "250 ");
    assert_int_equal(s.n, N);
    hang_up(fd);
    stop(&s);
}

static void
test_reject__recipient_refused_others_go_on(void **state)
{
    seen s;
    lw_sink_opts o = options(&s);
    int fd;

    o.reject = "eve@example.net, Bad@Example.org";
    start(&s, &o);
    fd = greeted(&s);
    say(fd, "MAIL FROM:<ann@example.com>", "250 ");
    say(fd, "RCPT TO:<bad@example.org>", "550 5.1.1 ");
    say(fd, "RCPT TO:<eve@example.net>", "550 5.1.1 ");
    say(fd, "RCPT TO:<adam@example.net>", "250 ");
    say(fd, "DATA", "354 ");
    say(fd, ".", "250 ");
    assert_non_null(strstr(s.json, "adam@example.net"));
    assert_null(strstr(s.json, "eve@example.net"));
    hang_up(fd);
    stop(&s);
}

static void
test_verdict__refused_by_the_caller_not_counted(void **state)
{
    seen s;
    lw_sink_opts o = options(&s);
    int fd;

    start(&s, &o);
    s.verdict = 554;
    fd = greeted(&s);
    deliver(fd, "x\r\n", "554 ");
    s.verdict = 0;
    deliver(fd, "x\r\n", "250 2.0.0 captured as message 1");
    hang_up(fd);
    stop(&s);
}

static void
test_memory__full_is_temporary_and_given_back(void **state)
{
    seen s;
    lw_sink_opts o = options(&s);
    int fd;

    o.memory_max = 10;
    start(&s, &o);
    fd = greeted(&s);
    deliver(fd, "12345678\r\n", "250 "); /* 10 octets: at the bound */
    deliver(fd, "123456789\r\n", "452 ");
    deliver(fd, "12345678\r\n", "250 ");
    assert_int_equal(s.n, 2);
    hang_up(fd);
    stop(&s);
}

static void
test_size__above_the_limit_refused(void **state)
{
    seen s;
    lw_sink_opts o = options(&s);
    int fd;

    o.size_max = 10;
    start(&s, &o);
    fd = greeted(&s);
    say(fd, "MAIL FROM:<a@b.test> SIZE=11", "552 ");
    deliver(fd, "12345678\r\n", "250 ");
    deliver(fd, "123456789\r\n", "552 ");
    assert_int_equal(s.n, 1);
    hang_up(fd);
    stop(&s);
}

static void
test_limit__one_connection_too_many_gets_421(void **state)
{
    seen s;
    lw_sink_opts o = options(&s);
    int first, second;

    o.max_connections = 1;
    start(&s, &o);
    first = greeted(&s);
    second = dial(&s);
    expect(second, "421 ");
    expect_end(second);
    hang_up(first);
    stop(&s);
}

static void
test_timeout__idle_client_gets_421(void **state)
{
    seen s;
    lw_sink_opts o = options(&s);
    int fd;

    o.timeout_ms = 20;
    start(&s, &o);
    fd = dial(&s);
    expect(fd, "220 ");
    expect(fd, "421 ");
    expect_end(fd);
    stop(&s);
}

static void
test_stop__connected_client_gets_421(void **state)
{
    seen s;
    lw_sink_opts o = options(&s);
    int fd;

    start(&s, &o);
    fd = greeted(&s);
    lw_sink_stop(s.sink);
    expect(fd, "421 ");
    close(fd);
    stop(&s);
}

static void
test_finish__session_ends_in_order(void **state)
{
    seen s;
    lw_sink_opts o = options(&s);
    int fd, other;

    start(&s, &o);
    fd = greeted(&s);
    other = greeted(&s);
    say(fd, "MAIL FROM:<a@b.test>", "250 ");
    lw_sink_finish(s.sink);
    say(other, "NOOP", "250 ");
    hang_up(other);
    say(fd, "RCPT TO:<c@d.test>", "250 ");
    say(fd, "DATA", "354 ");
    say(fd, ".", "250 ");
    say(fd, "MAIL FROM:<a@b.test>", "421 ");
    expect_end(fd);
    stop(&s);
    assert_int_equal(s.n, 1);
}

static void
test_life__opened_and_freed_without_running(void **state)
{
    seen s;
    lw_sink_opts o = options(&s);
    lw_error err;

    assert_int_equal(lw_sink_open(&o, &s.sink, &err), LW_OK);
    assert_int_not_equal(lw_sink_port(s.sink), 0);
    assert_null(lw_sink_certificate(s.sink));
    lw_sink_free(s.sink);
    lw_sink_free(NULL);
}

static void
test_life__stopped_before_running_ends_at_once(void **state)
{
    seen s;
    lw_sink_opts o = options(&s);
    lw_error err;

    assert_int_equal(lw_sink_open(&o, &s.sink, &err), LW_OK);
    lw_sink_stop(s.sink);
    assert_int_equal(lw_sink_run(s.sink), LW_OK);
    assert_int_equal(lw_sink_run(s.sink), LW_EUSAGE);
    lw_sink_free(s.sink);
}

static void
test_login__plain_right_and_wrong(void **state)
{
    seen s;
    lw_sink_opts o = options(&s);
    int fd;

    o.user = "ann";
    o.password = "secret";
    o.mechanisms = "PLAIN LOGIN";
    o.require_auth = true;
    start(&s, &o);
    fd = greeted(&s);
    say(fd, "MAIL FROM:<a@b.test>", "530 ");
    say(fd, "AUTH CRAM-MD5", "504 ");
    say(fd, "AUTH PLAIN AGFubgB3cm9uZw==", "535 ");
    say(fd, "AUTH LOGIN", "334 ");
    say(fd, "*", "501 ");
    say(fd, "AUTH LOGIN", "334 ");
    say(fd, "YW5u", "334 ");
    say(fd, "d3Jvbmc=", "535 ");
    say(fd, "AUTH PLAIN AGFubgBzZWNyZXQ=", "235 ");
    deliver(fd, "x\r\n", "250 ");
    assert_non_null(strstr(s.json, "\"auth\":{\"mechanism\":\"PLAIN\",\"user\":\"ann\"}"));
    hang_up(fd);
    stop(&s);
}

static void
test_lmtp__one_answer_per_recipient_one_message(void **state)
{
    char folder[] = "/tmp/lw-sink-XXXXXX", where[64];
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    seen s;
    lw_sink_opts o = options(&s);
    int fd;

    assert_non_null(mkdtemp(folder));
    snprintf(where, sizeof where, "unix:%s/lmtp", folder);
    snprintf(a.sun_path, sizeof a.sun_path, "%s/lmtp", folder);
    o.listen = where;
    o.protocol = LW_PROTOCOL_LMTP;
    o.reject = "no@example.org";
    start(&s, &o);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    expect(fd, "220 ");
    say(fd, "LHLO client.test", "250 ");
    say(fd, "MAIL FROM:<ann@example.com>", "250 ");
    say(fd, "RCPT TO:<one@example.org>", "250 ");
    say(fd, "RCPT TO:<no@example.org>", "550 ");
    say(fd, "RCPT TO:<two@example.org>", "250 ");
    say(fd, "DATA", "354 ");
    say(fd, ".", "250 ");
    expect(fd, "250 ");
    assert_int_equal(s.n, 1);
    s.verdict = 451;
    say(fd, "MAIL FROM:<ann@example.com>", "250 ");
    say(fd, "RCPT TO:<one@example.org>", "250 ");
    say(fd, "RCPT TO:<two@example.org>", "250 ");
    say(fd, "DATA", "354 ");
    say(fd, ".", "451 ");
    expect(fd, "451 ");
    hang_up(fd);
    stop(&s);
    unlink(a.sun_path);
    assert_int_equal(rmdir(folder), 0);
}

/* ---- saving ----------------------------------------------------------------------------------------- */

static int
count_files(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *e;
    int n = 0;

    assert_non_null(dir);
    while ((e = readdir(dir)) != NULL)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(dir);
    return n;
}

static void
remove_file(const char *folder, const char *name)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(unlink(path), 0);
}

static void
test_save__files_appear_and_refused_ones_vanish(void **state)
{
    char folder[] = "/tmp/lw-sink-XXXXXX", text[64] = "";
    seen s;
    lw_sink_opts o = options(&s);
    FILE *f;
    int fd;

    assert_non_null(mkdtemp(folder));
    o.save_dir = folder;
    start(&s, &o);
    fd = greeted(&s);
    deliver(fd, "A: b\r\n\r\nx\r\n", "250 ");
    assert_int_equal(count_files(folder), 2);
    assert_non_null(f = fopen(s.path, "r"));
    assert_int_equal(fread(text, 1, sizeof text, f), 11);
    fclose(f);
    assert_memory_equal(text, "A: b\r\n\r\nx\r\n", 11);
    s.verdict = 550;
    deliver(fd, "A: b\r\n\r\nx\r\n", "550 ");
    assert_int_equal(count_files(folder), 2);
    hang_up(fd);
    stop(&s);
    remove_file(folder, "00001.eml");
    remove_file(folder, "00001.json");
    assert_int_equal(rmdir(folder), 0);
}

static void
test_save__folder_gone_refused_with_452(void **state)
{
    char folder[] = "/tmp/lw-sink-XXXXXX";
    seen s;
    lw_sink_opts o = options(&s);
    int fd;

    assert_non_null(mkdtemp(folder));
    o.save_dir = folder;
    start(&s, &o);
    assert_int_equal(rmdir(folder), 0);
    fd = greeted(&s);
    deliver(fd, "x\r\n", "452 ");
    assert_int_equal(s.n, 0);
    hang_up(fd);
    stop(&s);
}

/* what a process that was killed and had our number has left behind */
static void
test_save__leftover_hidden_file_is_passed_over(void **state)
{
    char folder[] = "/tmp/lw-sink-XXXXXX", hidden[64], path[128];
    seen s;
    lw_sink_opts o = options(&s);
    FILE *f;
    int fd;

    assert_non_null(mkdtemp(folder));
    snprintf(hidden, sizeof hidden, ".00001.%ld.tmp", (long)getpid());
    snprintf(path, sizeof path, "%s/%s", folder, hidden);
    assert_non_null(f = fopen(path, "w"));
    fclose(f);
    o.save_dir = folder;
    start(&s, &o);
    fd = greeted(&s);
    deliver(fd, "x\r\n", "250 ");
    deliver(fd, "y\r\n", "250 ");
    hang_up(fd);
    stop(&s);
    remove_file(folder, hidden);
    remove_file(folder, "00002.eml");
    remove_file(folder, "00002.json");
    remove_file(folder, "00003.eml");
    remove_file(folder, "00003.json");
    assert_int_equal(rmdir(folder), 0);
}

/* ---- several threads ----------------------------------------------------------------------------------- */

#define N_STOPPERS 8

static void *
stop_it(void *sink)
{
    assert_string_not_equal(lw_sink_address(sink), "");
    lw_sink_stop(sink);
    assert_int_not_equal(lw_sink_port(sink), 0); /* copies: the listener is gone */
    return NULL;
}

static void
test_stop__from_several_threads_at_once(void **state)
{
    for (int round = 0; round < 20; round++) {
        pthread_t threads[N_STOPPERS];
        seen s;
        lw_sink_opts o = options(&s);

        start(&s, &o);
        for (int i = 0; i < N_STOPPERS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, stop_it, s.sink), 0);
        for (int i = 0; i < N_STOPPERS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        stop(&s);
    }
}

/* ---- options --------------------------------------------------------------------------------------------- */

static void
test_open__wrong_options_refused(void **state)
{
    static const struct {
        const char *name;
        lw_sink_opts opts;
        lw_code want;
    } cases[] = {
        { "both kinds of TLS", { .starttls = true, .implicit_tls = true }, LW_ECONFIG },
        { "TLS required, none offered", { .require_tls = true }, LW_ECONFIG },
        { "login required, no user", { .require_auth = true }, LW_ECONFIG },
        { "user without password", { .user = "ann" }, LW_ECONFIG },
        { "save and discard", { .save_dir = "/tmp", .discard = true }, LW_ECONFIG },
        { "key without certificate", { .starttls = true, .key_file = "x" }, LW_ECONFIG },
        { "no such folder", { .save_dir = "/nonexistent/folder" }, LW_EOUTPUT },
        { "no such certificate", { .starttls = true, .cert_file = "/nonexistent" }, LW_ECONFIG },
        { "no address", { .listen = "nowhere" }, LW_ECONFIG },
    };

    for (size_t i = 0; i < LW_COUNT(cases); i++) {
        lw_sink_opts o = cases[i].opts;
        lw_sink *sink = (lw_sink *)&o;
        lw_error err = { .code = LW_OK };
        lw_code rc;

        o.size = sizeof o;
        rc = lw_sink_open(&o, &sink, &err);
        if (rc != cases[i].want || err.code != rc || err.text[0] == '\0' || sink != NULL)
            fail_msg("%s: %s \"%s\"", cases[i].name, lw_code_name(rc), err.text);
    }
}

static void
test_json__foreign_octets_escaped(void **state)
{
    lw_server_rcpt rcpt = { .address = "b\xff@c", .notify = LW_NOTIFY_SUCCESS | LW_NOTIFY_DELAY };
    lw_captured m = { .number = 7, .peer = "p\x7f\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0", .hello = "a\"b\\c\x01\xc3\xa9",
                      .mail = { .from = "" }, .rcpts = &rcpt, .n_rcpts = 1 };
    char *json = lw_captured_json(&m);

    assert_non_null(json);
    assert_non_null(strstr(json, "{\"number\":7,\"peer\":\"p"));
    assert_non_null(strstr(json, "\"hello\":\"a\\\"b\\\\c\\u0001\xc3\xa9\""));
    assert_non_null(strstr(json, "\"peer\":\"p\\u007f\\u0080\\u009b\\u009f\xc2\xa0\""));
    assert_non_null(strstr(json, "\"address\":\"b\xef\xbf\xbd@c\",\"notify\":[\"success\",\"delay\"]"));
    lw_free(json);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data__dots_and_octets_as_sent),
        cmocka_unit_test(test_bdat__chunks_joined),
        cmocka_unit_test(test_split__byte_by_byte_same),
        cmocka_unit_test(test_flood__replies_unread_nothing_lost),
        cmocka_unit_test(test_reject__recipient_refused_others_go_on),
        cmocka_unit_test(test_verdict__refused_by_the_caller_not_counted),
        cmocka_unit_test(test_memory__full_is_temporary_and_given_back),
        cmocka_unit_test(test_size__above_the_limit_refused),
        cmocka_unit_test(test_limit__one_connection_too_many_gets_421),
        cmocka_unit_test(test_timeout__idle_client_gets_421),
        cmocka_unit_test(test_stop__connected_client_gets_421),
        cmocka_unit_test(test_finish__session_ends_in_order),
        cmocka_unit_test(test_life__opened_and_freed_without_running),
        cmocka_unit_test(test_life__stopped_before_running_ends_at_once),
        cmocka_unit_test(test_login__plain_right_and_wrong),
        cmocka_unit_test(test_lmtp__one_answer_per_recipient_one_message),
        cmocka_unit_test(test_save__files_appear_and_refused_ones_vanish),
        cmocka_unit_test(test_save__folder_gone_refused_with_452),
        cmocka_unit_test(test_save__leftover_hidden_file_is_passed_over),
        cmocka_unit_test(test_stop__from_several_threads_at_once),
        cmocka_unit_test(test_open__wrong_options_refused),
        cmocka_unit_test(test_json__foreign_octets_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
