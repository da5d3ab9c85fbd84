/* SPDX-License-Identifier: MIT */
/*
 * test_session.c - sessions over real connections: reuse, reconnection, servers in order, logins,
 * the tutorial's function
 */
#include "support/test.h"

#include <letterwing/letterwing.h>
#include <letterwing/sink.h>

#include <sys/wait.h>

#include "support/crowd.h"
#include "support/peer.h"

#define PLAIN_EHLO "250-peer\r\n250-PIPELINING\r\n250 CHUNKING\r\n"

static lw_message *
compose(const char *to)
{
    lw_message *m = lw_message_new();

    assert_non_null(m);
    (void)lw_message_from(m, "ann@example.com");
    (void)lw_message_to(m, to);
    (void)lw_message_text(m, "text\n");
    assert_int_equal(lw_message_error(m)->code, LW_OK);
    return m;
}

typedef struct target {
    char text[2][64];
    const char *servers[2];
    lw_send_opts opts;
} target;

static void
aim(target *t, uint16_t port)
{
    memset(t, 0, sizeof *t);
    lw_send_opts_init(&t->opts);
    snprintf(t->text[0], sizeof t->text[0], "smtp://127.0.0.1:%u", port);
    t->servers[0] = t->text[0];
    t->opts.servers = t->servers;
    t->opts.n_servers = 1;
}

static lw_report *
send_one(lw_session *s, const char *to)
{
    lw_message *m = compose(to);
    lw_report *r = NULL;

    (void)lw_session_send(s, m, &r);
    lw_message_free(m);
    assert_non_null(r);
    return r;
}

static void
expect(lw_session *s, const char *to, const char *outcome)
{
    lw_report *r = send_one(s, to);

    assert_string_equal(lw_report_outcome(r), outcome);
    lw_report_free(r);
}

static lw_session *
open_session(const target *t)
{
    lw_session *s = NULL;
    lw_error err;

    if (lw_session_open(&t->opts, &s, &err) != LW_OK)
        fail_msg("%s", err.text);
    return s;
}

/* ---- reuse ------------------------------------------------------------------------------------ */

/* n messages over one session, all accepted */
static void
send_many(peer *p, unsigned n)
{
    target t;
    lw_session *s;

    peer_start(p);
    aim(&t, p->port);
    s = open_session(&t);
    for (unsigned i = 1; i <= n; i++) {
        expect(s, "bob@example.org", "accepted");
        while (p->close_after != 0 && p->closed < i / p->close_after)
            sched_yield();
    }
    lw_session_close(s);
    peer_stop(p);
    assert_int_equal(p->stored, n);
}

static void
test_session__many_messages_one_connection(void **state)
{
    peer p = { .ehlo = PLAIN_EHLO, .budget = SIZE_MAX };

    (void)state;
    send_many(&p, 20);
    assert_int_equal(p.connections, 1);
}

/* the server loses the command behind MAIL if they come in one piece: it is told from the 503, and
 * the message goes once more, one command at a time */
static void
test_session__server_that_loses_commands_gets_one_at_a_time(void **state)
{
    crowd *c = crowd_new(PLAIN_EHLO);
    target t;
    lw_session *s;

    (void)state;
    c->swallows = true;
    crowd_start(c);
    aim(&t, c->port);
    s = open_session(&t);
    for (unsigned i = 0; i < 3; i++)
        expect(s, "bob-1@example.org", "accepted");
    lw_session_close(s);
    crowd_stop(c);
    assert_int_equal(c->stored[1], 3);
    assert_int_equal(c->swallowed, 1);
    assert_int_equal(c->connections, 2);
    free(c);
}

/* Exim ends a session for too many RSETs, and one is needed behind each refused message: the session
 * is renewed in time, and who is behind it does not notice */
static void
test_session__exim_refuses_many_and_takes_the_next(void **state)
{
    crowd *c = calloc(1, sizeof *c);
    target t;
    lw_session *s;

    (void)state;
    assert_non_null(c);
    c->ehlo = "250-crowd Hello client.example [127.0.0.1]\r\n250 HELP\r\n";
    c->nonmail_max = 10;
    crowd_start(c);
    aim(&t, c->port);
    s = open_session(&t);
    for (unsigned i = 0; i < 30; i++)
        expect(s, "bad-2@example.org", "rejected");
    expect(s, "bob-1@example.org", "accepted");
    lw_session_close(s);
    crowd_stop(c);
    assert_int_equal(c->stored[1], 1);
    assert_int_equal(c->offered[2], 30);
    assert_int_equal(c->over_nonmail_max, 0);
    assert_int_equal(c->connections, 4);
    free(c);
}

/* and then it cannot be reached: nobody was refused */
static void
test_session__503_whose_second_try_fails_is_unsent(void **state)
{
    crowd *c = crowd_new(PLAIN_EHLO);
    target t;
    lw_session *s;
    lw_report *r;

    (void)state;
    c->swallows = c->leaves = true;
    crowd_start(c);
    aim(&t, c->port);
    s = open_session(&t);
    r = send_one(s, "bob-1@example.org");
    assert_string_equal(lw_report_outcome(r), "unsent");
    assert_int_equal(lw_report_error(r)->code, LW_ECONNECT);
    assert_int_equal(lw_report_result(r, 0)->code, 0);
    assert_string_equal(lw_report_result(r, 0)->text, lw_report_text(r));
    assert_null(lw_report_reply(r));
    lw_report_free(r);
    lw_session_close(s);
    crowd_stop(c);
    assert_int_equal(c->swallowed, 1);
    assert_int_equal(c->stored[1], 0);
    free(c);
}

/* one of two recipients gets 503: what became of the other one is told by the server */
static void
test_session__503_to_one_recipient_ends_nothing(void **state)
{
    static const char *const ehlos[] = { PLAIN_EHLO, "250-peer\r\n250 PIPELINING\r\n" };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(ehlos); i++) {
        crowd *c = crowd_new(ehlos[i]);
        target t;
        lw_session *s;
        lw_message *m = compose("bob-1@example.org");
        lw_report *r = NULL;

        (void)lw_message_to(m, "seq-2@example.org");
        crowd_start(c);
        aim(&t, c->port);
        s = open_session(&t);
        (void)lw_session_send(s, m, &r);
        assert_string_equal(lw_report_outcome(r), "partial");
        assert_int_equal(lw_report_result(r, 0)->outcome, LW_OUTCOME_ACCEPTED);
        assert_int_equal(lw_report_result(r, 1)->outcome, LW_OUTCOME_REJECTED);
        lw_report_free(r);
        lw_message_free(m);
        expect(s, "bob-3@example.org", "accepted");
        lw_session_close(s);
        crowd_stop(c);
        assert_int_equal(c->stored[1], 1);
        assert_int_equal(c->connections, 1);
        free(c);
    }
}

/* the server closes after each second message without a word: no message is lost, none is sent
 * twice, and nobody hears of it */
static void
test_session__server_closes_when_idle_reconnects(void **state)
{
    peer p = { .ehlo = PLAIN_EHLO, .budget = SIZE_MAX, .close_after = 2 };

    (void)state;
    send_many(&p, 9);
    assert_int_equal(p.connections, 5);
}

static void
test_session__mailmax_reached_new_session(void **state)
{
    peer p = { .ehlo = "250-peer\r\n250-PIPELINING\r\n250 LIMITS MAILMAX=3\r\n",
               .budget = SIZE_MAX };

    (void)state;
    send_many(&p, 7);
    assert_int_equal(p.connections, 3);
}

/* The server says why it goes, and goes, while megabytes are on their way to it: the write fails,
 * and the reason is what it said, not "broken pipe". */
static void
test_send__server_hangs_up_in_the_data_last_words_are_heard(void **state)
{
    static char big[8 << 20];
    peer p = { .ehlo = PLAIN_EHLO, .budget = SIZE_MAX,
               .mail_reply = "421 4.3.2 the disk is full\r\n" };
    lw_message *m = compose("bob@example.org");
    lw_report *r = NULL;
    target t;

    (void)state;
    memset(big, 'x', sizeof big);
    assert_int_equal(lw_message_attach_memory(m, big, sizeof big, NULL), LW_OK);
    for (int round = 0; round < 20; round++) {
        peer_start(&p);
        aim(&t, p.port);
        assert_true(lw_send_with(&t.opts, m, &r) < 0);
        peer_stop(&p);
        assert_int_equal(p.stored, 0);
        assert_int_equal(lw_report_error(r)->reply_code, 421);
        assert_non_null(strstr(lw_report_text(r), "the disk is full"));
        assert_int_equal(lw_report_exit_code(r), 75);
        lw_report_free(r);
    }
    lw_message_free(m);
}

static int
count_message(void *ctx, const lw_captured *m, const char **text)
{
    (void)text;
    *(unsigned *)ctx += (unsigned)m->n_rcpts;
    return 0;
}

static void
test_session__refused_recipient_leaves_it_usable(void **state)
{
    lw_sink *sink = NULL;
    lw_sink_opts so;
    unsigned n = 0;
    lw_error err;
    target t;
    lw_session *s;
    lw_report *r;

    (void)state;
    lw_sink_opts_init(&so);
    so.reject = "bad@example.org";
    so.on_message = count_message;
    so.ctx = &n;
    assert_int_equal(lw_sink_open(&so, &sink, &err), LW_OK);
    assert_int_equal(lw_sink_start(sink), LW_OK);
    aim(&t, lw_sink_port(sink));
    s = open_session(&t);
    r = send_one(s, "bob@example.org, bad@example.org, eve@example.org");
    assert_string_equal(lw_report_outcome(r), "partial");
    assert_int_equal(lw_report_result(r, 0)->outcome, LW_OUTCOME_ACCEPTED);
    assert_int_equal(lw_report_result(r, 1)->outcome, LW_OUTCOME_REJECTED);
    assert_int_equal(lw_report_result(r, 1)->stage, LW_STAGE_RCPT);
    assert_int_equal(lw_report_result(r, 1)->code, 550);
    assert_int_equal(lw_report_result(r, 2)->outcome, LW_OUTCOME_ACCEPTED);
    assert_int_equal(lw_report_exit_code(r), 69);
    assert_non_null(strstr(lw_report_text(r), "bad@example.org was rejected"));
    lw_report_free(r);
    expect(s, "bad@example.org", "rejected");
    expect(s, "bob@example.org", "accepted");
    lw_session_close(s);
    lw_sink_stop(sink);
    lw_sink_free(sink);
    assert_int_equal(n, 3);
}

/* ---- servers in order ---------------------------------------------------------------------------- */

/* the first server refuses at its greeting, the second takes the message; a note tells */
static void
test_send__first_server_unusable_next_is_tried(void **state)
{
    peer dead = { .ehlo = "421 4.3.2 not now\r\n", .budget = SIZE_MAX };
    peer good = { .ehlo = PLAIN_EHLO, .budget = SIZE_MAX };
    lw_message *m = compose("bob@example.org");
    lw_report *r = NULL;
    target t;

    (void)state;
    peer_start(&dead);
    peer_start(&good);
    aim(&t, dead.port);
    snprintf(t.text[1], sizeof t.text[1], "smtp://127.0.0.1:%u", good.port);
    t.servers[1] = t.text[1];
    t.opts.n_servers = 2;
    assert_int_equal(lw_send_with(&t.opts, m, &r), LW_OK);
    assert_int_equal(lw_report_server(r)->port, good.port);
    assert_int_equal(lw_report_n_notes(r), 1);
    assert_non_null(strstr(lw_report_note(r, 0), "not now"));
    lw_report_free(r);
    lw_message_free(m);
    peer_stop(&dead);
    peer_stop(&good);
    assert_int_equal(good.stored, 1);
    assert_int_equal(dead.connections, 1);
}

/* a refused message is the message's fault: no other server is asked */
static void
test_send__refused_login_no_other_server(void **state)
{
    peer first = { .ehlo = "250-peer\r\n250 AUTH PLAIN\r\n", .budget = SIZE_MAX };
    peer second = { .ehlo = PLAIN_EHLO, .budget = SIZE_MAX };
    lw_message *m = compose("bob@example.org");
    lw_report *r = NULL;
    target t;

    (void)state;
    peer_start(&first);
    peer_start(&second);
    aim(&t, first.port);
    snprintf(t.text[0], sizeof t.text[0], "plain://ann:secret@127.0.0.1:%u", first.port);
    snprintf(t.text[1], sizeof t.text[1], "smtp://127.0.0.1:%u", second.port);
    t.servers[1] = t.text[1];
    t.opts.n_servers = 2;
    assert_int_equal(lw_send_with(&t.opts, m, &r), LW_EAUTH);
    assert_int_equal(lw_report_error(r)->reply_code, 535);
    assert_int_equal(lw_report_exit_code(r), 77);
    assert_null(strstr(lw_report_text(r), "secret"));
    lw_report_free(r);
    lw_message_free(m);
    peer_stop(&first);
    peer_stop(&second);
    assert_int_equal(second.connections, 0);
}

/* ---- what a caller or a server can do wrong --------------------------------------------------------- */

/* libuv aborts the process when it is to close descriptor 0, 1 or 2 */
static void
test_send__standard_descriptors_closed_message_accepted(void **state)
{
    peer p = { .ehlo = PLAIN_EHLO, .budget = SIZE_MAX };
    lw_message *m = compose("bob@example.org");
    target t;

    (void)state;
    peer_start(&p);
    aim(&t, p.port);
    for (int fd = 0; fd < 3; fd++) {
        int status;
        pid_t pid = fork();

        if (pid == 0) {
            close(fd);
            t.opts.cancel = lw_cancel_new();
            _exit(lw_send_with(&t.opts, m, NULL) == LW_OK ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    lw_message_free(m);
    peer_stop(&p);
    assert_int_equal(p.stored, 3);
}

/* 334 after 334, also after the "*" that ends the exchange */
static void
test_login__endless_challenges_are_an_end(void **state)
{
    static const char *const mechanisms[] = { "LOGIN", "SCRAM-SHA-256", "CRAM-MD5" };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(mechanisms); i++) {
        char ehlo[80];
        peer p = { .ehlo = ehlo, .budget = SIZE_MAX, .auth_reply = "334 Zm9v\r\n",
                   .always_asks = true };
        lw_message *m = compose("bob@example.org");
        lw_report *r = NULL;
        target t;

        snprintf(ehlo, sizeof ehlo, "250-peer\r\n250 AUTH %s\r\n", mechanisms[i]);
        peer_start(&p);
        aim(&t, p.port);
        snprintf(t.text[0], sizeof t.text[0], "plain://ann:secret@127.0.0.1:%u", p.port);
        assert_true(lw_send_with(&t.opts, m, &r) < 0);
        assert_int_equal(lw_report_result(r, 0)->outcome, LW_OUTCOME_UNSENT);
        lw_report_free(r);
        lw_message_free(m);
        peer_stop(&p);
    }
}

typedef struct said {
    char auth[200]; /* mechanisms, in the order in which they were tried */
} said;

static void
note_auth(void *ctx, const lw_transcript_line *line)
{
    said *s = ctx;
    lw_span rest = line->text, word;
    size_t n = strlen(s->auth);

    if (line->direction == LW_TRANSCRIPT_CLIENT && lw_span_token(&rest, ' ', &word) &&
        lw_span_eq(word, LW_LIT("AUTH")) && lw_span_token(&rest, ' ', &word))
        snprintf(s->auth + n, sizeof s->auth - n, "%.*s ", (int)word.len, word.ptr);
}

/* After a refusal, another mechanism is tried where the answer may be another: 535 to a proof, and
 * the password itself may pass; 504 and 534 ask for another.  The same secret in the same kind of
 * exchange would only bring the account nearer to its lock; 454 is for later. */
static void
test_login__refused_next_mechanism_where_it_can_help(void **state)
{
    static const struct {
        const char *reply, *tried;
    } rows[] = {
        { "535 5.7.8 no\r\n", "CRAM-MD5 PLAIN " },
        { "504 5.5.4 no\r\n", "CRAM-MD5 PLAIN LOGIN " },
        { "534 5.7.9 no\r\n", "CRAM-MD5 PLAIN LOGIN " },
        { "454 4.7.0 later\r\n", "CRAM-MD5 " },
    };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        peer p = { .ehlo = "250-peer\r\n250 AUTH LOGIN PLAIN CRAM-MD5\r\n", .budget = SIZE_MAX,
                   .auth_reply = rows[i].reply };
        lw_message *m = compose("bob@example.org");
        said s = { .auth = "" };
        lw_report *r = NULL;
        target t;

        peer_start(&p);
        aim(&t, p.port);
        snprintf(t.text[0], sizeof t.text[0], "plain://ann:secret@127.0.0.1:%u", p.port);
        t.opts.transcript = note_auth;
        t.opts.transcript_ctx = &s;
        assert_int_equal(lw_send_with(&t.opts, m, &r), LW_EAUTH);
        if (strcmp(s.auth, rows[i].tried) != 0)
            fail_msg("%s: tried %s", rows[i].reply, s.auth);
        lw_report_free(r);
        lw_message_free(m);
        peer_stop(&p);
    }
}

static void
set_canceled(void *ctx)
{
    lw_cancel_now(ctx);
}

/* before anything was begun, and in a TLS handshake that does not go on */
static void
test_send__canceled_before_and_in_a_handshake(void **state)
{
    static const char *const schemes[] = { "smtp", "smtps" };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(schemes); i++) {
        lw_cancel *c = lw_cancel_new();
        peer p = { .ehlo = PLAIN_EHLO, .budget = 0, .act = PEER_STALLS, .on_stall = set_canceled,
                   .ctx = c };
        lw_message *m = compose("bob@example.org");
        lw_report *r = NULL;
        target t;

        peer_start(&p);
        aim(&t, p.port);
        snprintf(t.text[0], sizeof t.text[0], "%s://127.0.0.1:%u", schemes[i], p.port);
        t.opts.cancel = c;
        if (i == 0)
            lw_cancel_now(c);
        assert_int_equal(lw_send_with(&t.opts, m, &r), LW_ECANCELED);
        assert_string_equal(lw_report_outcome(r), "unsent");
        assert_int_equal(lw_report_exit_code(r), 75);
        assert_non_null(strstr(lw_report_text(r), "127.0.0.1"));
        lw_report_free(r);
        lw_message_free(m);
        peer_stop(&p);
        lw_cancel_free(c);
    }
}

/* a pin, a CA file and REQUIRETLS mean TLS, also where the URL would take what it gets */
static void
test_send__insists_on_tls_nothing_sent_in_clear(void **state)
{
    static const char *const urls[] = { "smtp", "plain" };
    peer p = { .ehlo = PLAIN_EHLO, .budget = SIZE_MAX };
    lw_message *m = compose("bob@example.org");
    target t;

    (void)state;
    peer_start(&p);
    for (int wish = 0; wish < 2; wish++)
        for (size_t i = 0; i < LW_COUNT(urls); i++) {
            lw_report *r = NULL;

            aim(&t, p.port);
            snprintf(t.text[0], sizeof t.text[0], "%s://127.0.0.1:%u", urls[i], p.port);
            t.opts.require_tls = wish == 0;
            t.opts.tls_pin = wish == 1 ? "sha256:0000000000000000000000000000000000000000"
                                         "000000000000000000000000" : NULL;
            assert_true(lw_send_with(&t.opts, m, &r) < 0);
            assert_string_equal(lw_report_outcome(r), "unsent");
            lw_report_free(r);
        }
    lw_message_free(m);
    peer_stop(&p);
    assert_int_equal(p.stored, 0);
}

static void
test_send__require_tls_unverified_certificate_nothing_sent(void **state)
{
    lw_message *m = compose("bob@example.org");
    lw_report *r = NULL;
    lw_sink *sink = NULL;
    lw_sink_opts o;
    unsigned n = 0;
    lw_error err;
    target t;

    (void)state;
    lw_sink_opts_init(&o);
    o.starttls = true;
    o.on_message = count_message;
    o.ctx = &n;
    assert_int_equal(lw_sink_open(&o, &sink, &err), LW_OK);
    assert_int_equal(lw_sink_start(sink), LW_OK);
    aim(&t, lw_sink_port(sink));
    t.opts.require_tls = true;
    assert_int_equal(lw_send_with(&t.opts, m, &r), LW_ETLS);
    lw_report_free(r);
    lw_message_free(m);
    lw_sink_stop(sink);
    lw_sink_free(sink);
    assert_int_equal(n, 0);
}

/* the allocator belongs to the caller, who may let it go: objects keep a copy */
static void *
plain_resize(void *ctx, void *p, size_t n)
{
    (void)ctx;
    if (n > 0)
        return realloc(p, n);
    free(p);
    return NULL;
}

static lw_session *
open_with_short_lived_allocator(const target *t)
{
    lw_alloc *alloc = malloc(sizeof *alloc);
    target own = *t;
    lw_session *s;

    assert_non_null(alloc);
    *alloc = (lw_alloc){ plain_resize, NULL };
    own.opts.servers = own.servers;
    own.servers[0] = own.text[0];
    own.opts.alloc = alloc;
    s = open_session(&own);
    memset(alloc, 0xa5, sizeof *alloc);
    free(alloc);
    return s;
}

static void
test_session__allocator_may_go(void **state)
{
    peer p = { .ehlo = PLAIN_EHLO, .budget = SIZE_MAX };
    lw_session *s;
    target t;

    (void)state;
    peer_start(&p);
    aim(&t, p.port);
    s = open_with_short_lived_allocator(&t);
    expect(s, "bob@example.org", "accepted");
    lw_session_close(s);
    peer_stop(&p);
}

static void
test_send__endless_timeout_is_no_timeout(void **state)
{
    peer p = { .ehlo = PLAIN_EHLO, .budget = SIZE_MAX };
    target t;
    lw_session *s;

    (void)state;
    peer_start(&p);
    aim(&t, p.port);
    t.opts.timeout_ms = UINT64_MAX;
    s = open_session(&t);
    expect(s, "bob@example.org", "accepted");
    lw_session_close(s);
    peer_stop(&p);
}

/* whoever does not take all replies of LMTP does not get out of step */
static void
test_talk__replies_left_are_passed_over(void **state)
{
    static const char *const lines[] = { "MAIL FROM:<>", "RCPT TO:<a@x.example>",
                                         "RCPT TO:<b@x.example>", "DATA", "Subject: x", "", "." };
    lw_sink *sink = NULL;
    lw_sink_opts o;
    lw_talk_reply reply;
    lw_talk *talk = NULL;
    bool has_reply;
    lw_error err;
    target t;

    (void)state;
    lw_sink_opts_init(&o);
    o.protocol = LW_PROTOCOL_LMTP;
    assert_int_equal(lw_sink_open(&o, &sink, &err), LW_OK);
    assert_int_equal(lw_sink_start(sink), LW_OK);
    aim(&t, lw_sink_port(sink));
    snprintf(t.text[0], sizeof t.text[0], "lmtp://127.0.0.1:%u", lw_sink_port(sink));
    assert_int_equal(lw_talk_open(&t.opts, &talk, &err), LW_OK);
    for (size_t i = 0; i < LW_COUNT(lines); i++)
        assert_int_equal(lw_talk_say(talk, lw_span_str(lines[i]), &has_reply, &reply, &err), LW_OK);
    assert_int_equal(reply.reply.code, 250);
    assert_int_equal(lw_talk_say(talk, LW_LIT("NOOP"), &has_reply, &reply, &err), LW_OK);
    assert_int_equal(reply.reply.code, 250);
    assert_int_equal(lw_talk_say(talk, LW_LIT("FOO"), &has_reply, &reply, &err), LW_OK);
    assert_int_equal(reply.reply.code, 500);
    assert_int_equal(lw_talk_more(talk, &reply, &err), LW_DONE);
    lw_talk_close(talk);
    lw_sink_stop(sink);
    lw_sink_free(sink);
}

/* ---- the tutorial's function ------------------------------------------------------------------------ */

typedef struct letterbox {
    char text[8192], rcpts[512];
    bool used_tls, has_login;
} letterbox;

static int
keep(void *ctx, const lw_captured *m, const char **text)
{
    letterbox *b = ctx;
    size_t n = m->len < sizeof b->text - 1 ? m->len : sizeof b->text - 1;

    (void)text;
    memcpy(b->text, m->data, n);
    b->text[n] = '\0';
    for (size_t i = 0; i < m->n_rcpts; i++) {
        strncpy(b->rcpts + strlen(b->rcpts), m->rcpts[i].address, 100);
        b->rcpts[strlen(b->rcpts)] = ' ';
    }
    b->used_tls = m->used_tls;
    b->has_login = m->auth_user != NULL;
    return 0;
}

static lw_sink *
start_sink(letterbox *box, bool starttls, bool implicit_tls)
{
    lw_sink *sink = NULL;
    lw_sink_opts o;
    lw_error err;

    memset(box, 0, sizeof *box);
    lw_sink_opts_init(&o);
    o.starttls = starttls;
    o.implicit_tls = implicit_tls;
    o.user = "ann@example.com";
    o.password = "s3cret";
    o.on_message = keep;
    o.ctx = box;
    assert_int_equal(lw_sink_open(&o, &sink, &err), LW_OK);
    assert_int_equal(lw_sink_start(sink), LW_OK);
    return sink;
}

static char *
tutorial(const lw_sink *sink, const char *scheme, const char *user)
{
    char server[64];

    snprintf(server, sizeof server, "%s127.0.0.1", scheme);
    return lw_sendmail(server, lw_sink_port(sink), user, "s3cret",
                       "bob@example.org, Zoë <zoe@example.net>", "测试邮件",
                       "<h1>你好</h1>\n.\n", "carla@example.net,dan@example.net");
}

static void
stop_sink(lw_sink *sink)
{
    lw_sink_stop(sink);
    lw_sink_free(sink);
}

static void
has(const char *text, const char *part)
{
    if (text == NULL || strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in:\n%s", part, text == NULL ? "(nothing)" : text);
}

static void
test_sendmail__in_clear_because_typed_so_logs_in(void **state)
{
    letterbox box;
    lw_sink *sink = start_sink(&box, false, false);
    char *dialogue = tutorial(sink, "plain://", "ann@example.com");

    (void)state;
    has(dialogue, "C: QUIT\n");
    has(dialogue, "* outcome: accepted");
    assert_null(strstr(dialogue, "s3cret"));
    has(dialogue, "<redacted>");
    stop_sink(sink);
    assert_true(box.has_login);
    assert_string_equal(box.rcpts, "bob@example.org zoe@example.net carla@example.net "
                                   "dan@example.net ");
    has(box.text, "MIME-Version: 1.0\r\n");
    has(box.text, "Content-Type: text/html; charset=utf-8\r\n");
    has(box.text, "From: ann@example.com\r\n");
    has(box.text, "Cc: carla@example.net, dan@example.net\r\n");
    has(box.text, "Subject: =?UTF-8?");
    has(box.text, "X-Mailer: ");
    has(box.text, "Date: ");
    has(box.text, "\r\nMessage-ID: <");
    has(box.text, "\r\nTo: bob@example.org, =?UTF-8?");
    lw_free(dialogue);
}

static void
test_sendmail__no_scheme_login_in_clear_refused(void **state)
{
    letterbox box;
    lw_sink *sink = start_sink(&box, false, false);
    char *dialogue = lw_sendmail("127.0.0.1", lw_sink_port(sink), "ann@example.com", "s3cret",
                                 "bob@example.org", "x", "x", NULL);

    (void)state;
    stop_sink(sink);
    has(dialogue, "* outcome: unsent");
    has(dialogue, "in clear");
    assert_null(strstr(dialogue, "C: AUTH"));
    assert_null(strstr(dialogue, "s3cret"));
    lw_free(dialogue);
}

static void
test_sendmail__no_user_no_login(void **state)
{
    letterbox box;
    lw_sink *sink = start_sink(&box, true, false);
    char *dialogue = tutorial(sink, "", NULL);

    (void)state;
    stop_sink(sink);
    has(dialogue, "* outcome: accepted");
    has(dialogue, "C: STARTTLS\n");
    assert_null(strstr(dialogue, "C: AUTH"));
    assert_true(box.used_tls);
    assert_false(box.has_login);
    has(box.text, "From: bob@example.org\r\n");
    lw_free(dialogue);
}

/* a throw-away certificate is nobody's: ssl:// and tls:// send nothing */
static void
test_sendmail__untrusted_certificate_nothing_sent(void **state)
{
    static const struct {
        const char *scheme;
        bool is_implicit;
    } rows[] = { { "ssl://", true }, { "tls://", false } };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        letterbox box;
        lw_sink *sink = start_sink(&box, !rows[i].is_implicit, rows[i].is_implicit);
        char *dialogue = tutorial(sink, rows[i].scheme, "ann@example.com");

        stop_sink(sink);
        has(dialogue, "* outcome: unsent");
        has(dialogue, "certificate");
        assert_null(strstr(dialogue, "MAIL FROM"));
        lw_free(dialogue);
    }
}

/* NUL, ESC and a bare CR of a server must neither cut the dialogue nor paint over it; a dialogue of
 * any length ends with the outcome */
static void
test_sendmail__outcome_is_always_told(void **state)
{
    char rcpts[20 * 400 + 1] = "", *dialogue;
    peer p = { .ehlo = "250 \x1b[2Jx\ry\r\n", .budget = SIZE_MAX, .long_replies = 15000 };
    size_t n = 0;

    (void)state;
    for (int i = 0; i < 320; i++)
        n += (size_t)snprintf(rcpts + n, sizeof rcpts - n, "%sb%d@x.example", i > 0 ? "," : "", i);
    peer_start(&p);
    dialogue = lw_sendmail("plain://127.0.0.1", p.port, NULL, NULL, rcpts, "x", "x", NULL);
    peer_stop(&p);
    assert_non_null(dialogue);
    has(dialogue, "left out\n* outcome: accepted");
    assert_null(strchr(dialogue, '\x1b'));
    assert_null(strchr(dialogue, '\r'));
    lw_free(dialogue);
}

static void
test_sendmail__injection_and_bad_arguments_refused(void **state)
{
    static const struct {
        const char *name, *server;
        int port;
        const char *to, *subject, *cc;
    } rows[] = {
        { "subject", "127.0.0.1", 1, "bob@example.org", "x\r\nBcc: eve@example.net", NULL },
        { "to", "127.0.0.1", 1, "bob@example.org\r\nBcc: eve@example.net", "x", NULL },
        { "cc", "127.0.0.1", 1, "bob@example.org", "x", "a@b.example\nX: y" },
        { "empty to", "127.0.0.1", 1, "", "x", NULL },
        { "null to", "127.0.0.1", 1, NULL, "x", NULL },
        { "port", "127.0.0.1", 70000, "bob@example.org", "x", NULL },
        { "no server", "", 1, "bob@example.org", "x", NULL },
        { "null server", NULL, 1, "bob@example.org", "x", NULL },
        { "scheme", "gopher://127.0.0.1", 1, "bob@example.org", "x", NULL },
    };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        char *dialogue = lw_sendmail(rows[i].server, rows[i].port, NULL, NULL, rows[i].to,
                                     rows[i].subject, "x", rows[i].cc);

        assert_non_null(dialogue);
        if (strncmp(dialogue, "* outcome: unsent: ", 19) != 0)
            fail_msg("%s: %s", rows[i].name, dialogue);
        lw_free(dialogue);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session__many_messages_one_connection),
        cmocka_unit_test(test_session__server_that_loses_commands_gets_one_at_a_time),
        cmocka_unit_test(test_session__exim_refuses_many_and_takes_the_next),
        cmocka_unit_test(test_session__503_whose_second_try_fails_is_unsent),
        cmocka_unit_test(test_session__503_to_one_recipient_ends_nothing),
        cmocka_unit_test(test_session__server_closes_when_idle_reconnects),
        cmocka_unit_test(test_session__mailmax_reached_new_session),
        cmocka_unit_test(test_send__server_hangs_up_in_the_data_last_words_are_heard),
        cmocka_unit_test(test_session__refused_recipient_leaves_it_usable),
        cmocka_unit_test(test_send__first_server_unusable_next_is_tried),
        cmocka_unit_test(test_send__refused_login_no_other_server),
        cmocka_unit_test(test_send__standard_descriptors_closed_message_accepted),
        cmocka_unit_test(test_login__endless_challenges_are_an_end),
        cmocka_unit_test(test_login__refused_next_mechanism_where_it_can_help),
        cmocka_unit_test(test_send__canceled_before_and_in_a_handshake),
        cmocka_unit_test(test_send__insists_on_tls_nothing_sent_in_clear),
        cmocka_unit_test(test_send__require_tls_unverified_certificate_nothing_sent),
        cmocka_unit_test(test_session__allocator_may_go),
        cmocka_unit_test(test_send__endless_timeout_is_no_timeout),
        cmocka_unit_test(test_talk__replies_left_are_passed_over),
        cmocka_unit_test(test_sendmail__outcome_is_always_told),
        cmocka_unit_test(test_sendmail__in_clear_because_typed_so_logs_in),
        cmocka_unit_test(test_sendmail__no_scheme_login_in_clear_refused),
        cmocka_unit_test(test_sendmail__no_user_no_login),
        cmocka_unit_test(test_sendmail__untrusted_certificate_nothing_sent),
        cmocka_unit_test(test_sendmail__injection_and_bad_arguments_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
