/* SPDX-License-Identifier: MIT */
/* The client engine against scripted octets: the flights, byte by byte, and the outcomes. */
#include "support/test.h"

#include <letterwing/smtp.h>

typedef struct memory_body {
    lw_span text;
    size_t step, at; /* octets a span, 0 = all */
    lw_body body;
} memory_body;

static lw_code
memory_next(void *ctx, lw_span *span)
{
    memory_body *m = ctx;
    size_t n = m->text.len - m->at;

    if (m->step != 0 && n > m->step)
        n = m->step;
    *span = (lw_span){ m->text.ptr + m->at, n };
    m->at += n;
    return m->at == m->text.len ? LW_DONE : LW_OK;
}

static lw_code
memory_rewind(void *ctx)
{
    ((memory_body *)ctx)->at = 0;
    return LW_OK;
}

static void
memory_init(memory_body *m, const char *text, size_t step)
{
    *m = (memory_body){ .text = lw_span_str(text), .step = step };
    m->body = (lw_body){ memory_next, memory_rewind, m, m->text.len, false };
}

/* everything that the engine wants to write, as one text */
static char *
drain(lw_smtp *e, char *buf, size_t cap, size_t portion)
{
    size_t len = 0;

    while (lw_smtp_want(e) & LW_WANT_WRITE) {
        lw_slice v[4];
        int n = lw_smtp_out(e, v, 4);
        if (n == 0)
            break;
        size_t take = v[0].len < portion ? v[0].len : portion;
        assert_true(len + take < cap);
        memcpy(buf + len, v[0].ptr, take);
        len += take;
        lw_smtp_sent(e, take);
    }
    buf[len] = '\0';
    return buf;
}

/* events as words, "rcpt0:accepted:250 done " */
static void
collect(lw_smtp *e, char *log, size_t cap)
{
    static const char *const names[] = { "greeting", "ready", "start_tls", "no_tls", "challenge",
                                         "auth", "reply", "rcpt", "done", "closed" };
    lw_event ev;

    while (lw_smtp_next(e, &ev) == LW_OK) {
        size_t len = strlen(log);
        if (ev.kind == LW_EVENT_RCPT)
            snprintf(log + len, cap - len, "rcpt%zu:%s:%d ", ev.rcpt, lw_outcome_name(ev.outcome),
                     ev.reply.code);
        else
            snprintf(log + len, cap - len, "%s:%s ", names[ev.kind], lw_code_name(ev.code));
    }
}

static void
feed(lw_smtp *e, const char *text, size_t portion, char *log, size_t cap)
{
    size_t n = strlen(text), at = 0;

    while (at < n) {
        size_t used = 0, part = n - at < portion ? n - at : portion;
        lw_code rc = lw_smtp_feed(e, text + at, part, &used);
        at += used;
        if (rc < 0 || (rc == LW_OK && used < part)) {
            collect(e, log, cap);
            return;
        }
        collect(e, log, cap);
    }
}

typedef struct world {
    lw_smtp *e;
    char log[4096], out[65536];
    size_t portion;
} world;

static void
world_open(world *w, const lw_smtp_opts *opts, const char *ehlo, size_t portion)
{
    *w = (world){ .portion = portion };
    assert_int_equal(lw_smtp_new(opts, 0, &w->e), LW_OK);
    feed(w->e, "220 mx.example ESMTP\r\n", portion, w->log, sizeof w->log);
    drain(w->e, w->out, sizeof w->out, portion);
    feed(w->e, ehlo, portion, w->log, sizeof w->log);
    assert_string_equal(w->log, "greeting:OK ready:OK ");
    w->log[0] = '\0';
}

static void
say(world *w, const char *server, const char *client)
{
    char *at = w->out;

    feed(w->e, server, w->portion, w->log, sizeof w->log);
    do {
        drain(w->e, at, sizeof w->out - (size_t)(at - w->out), w->portion);
        at += strlen(at);
        collect(w->e, w->log, sizeof w->log);
    } while (lw_smtp_want(w->e) & LW_WANT_WRITE);
    assert_string_equal(w->out, client);
}

static const size_t portions[] = { 100000, 1, 3, 7 };

#define FOR_EACH_PORTION(w) for (size_t p_ = 0; p_ < LW_COUNT(portions); p_++)

static void
test_client__pipelining_sends_envelope_in_one_flight(void **state)
{
    (void)state;
    FOR_EACH_PORTION(w) {
        world w;
        memory_body m;
        lw_smtp_opts o;
        lw_rcpt r[] = { { .address = "a@x.example" }, { .address = "b@y.example" } };
        lw_envelope env = { .from = "me@x.example", .rcpts = r, .n_rcpts = 2 };

        lw_smtp_opts_init(&o);
        world_open(&w, &o, "250-mx\r\n250-PIPELINING\r\n250 SIZE 1000\r\n", portions[p_]);
        memory_init(&m, "Subject: x\n\n.\n..b\r\nend", portions[p_]);
        assert_int_equal(lw_smtp_submit(w.e, &env, &m.body, NULL), LW_OK);
        assert_int_equal(lw_smtp_quit(w.e), LW_OK);
        say(&w, "", "MAIL FROM:<me@x.example> SIZE=22\r\nRCPT TO:<a@x.example>\r\n"
                    "RCPT TO:<b@y.example>\r\nDATA\r\n");
        say(&w, "250 ok\r\n550 5.1.1 no such user\r\n250 ok\r\n354 go\r\n",
            "Subject: x\r\n\r\n..\r\n...b\r\nend\r\n.\r\nQUIT\r\n");
        assert_string_equal(w.log, "rcpt0:rejected:550 ");
        say(&w, "250 2.0.0 queued\r\n221 bye\r\n", "");
        assert_string_equal(w.log, "rcpt0:rejected:550 rcpt1:accepted:250 done:OK closed:OK ");
        assert_int_equal(lw_smtp_want(w.e), 0);
        lw_smtp_free(w.e);
    }
}

static void
test_client__chunking_sends_all_in_one_flight(void **state)
{
    (void)state;
    FOR_EACH_PORTION(w) {
        world w;
        memory_body m;
        lw_smtp_opts o;
        lw_rcpt r[] = { { .address = "a@x.example" } };
        lw_envelope env = { .from = "", .rcpts = r, .n_rcpts = 1 };

        lw_smtp_opts_init(&o);
        world_open(&w, &o, "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n", portions[p_]);
        memory_init(&m, "A: b\r\n\r\n.\r\nx\ry", 0);
        assert_int_equal(lw_smtp_submit(w.e, &env, &m.body, NULL), LW_OK);
        assert_int_equal(lw_smtp_quit(w.e), LW_OK);
        say(&w, "", "MAIL FROM:<>\r\nRCPT TO:<a@x.example>\r\nBDAT 17 LAST\r\n"
                    "A: b\r\n\r\n.\r\nx\r\ny\r\nQUIT\r\n");
        say(&w, "250 ok\r\n250 ok\r\n250 ok\r\n221 bye\r\n", "");
        assert_string_equal(w.log, "rcpt0:accepted:250 done:OK closed:OK ");
        lw_smtp_free(w.e);
    }
}

static void
test_client__without_extensions_each_command_waits(void **state)
{
    (void)state;
    FOR_EACH_PORTION(w) {
        world w;
        memory_body m, m2;
        lw_smtp_opts o;
        lw_rcpt r[] = { { .address = "a@x.example" }, { .address = "b@x.example" } };
        lw_envelope env = { .from = "me@x.example", .rcpts = r, .n_rcpts = 2 };
        lw_rcpt r2[] = { { .address = "c@x.example" } };
        lw_envelope env2 = { .from = "me@x.example", .rcpts = r2, .n_rcpts = 1 };

        lw_smtp_opts_init(&o);
        world_open(&w, &o, "250 mx\r\n", portions[p_]);
        memory_init(&m, "", 0);
        memory_init(&m2, "x\r\n", 0);
        assert_int_equal(lw_smtp_submit(w.e, &env, &m.body, NULL), LW_OK);
        assert_int_equal(lw_smtp_submit(w.e, &env2, &m2.body, NULL), LW_OK);
        say(&w, "", "MAIL FROM:<me@x.example>\r\n");
        say(&w, "250 ok\r\n", "RCPT TO:<a@x.example>\r\n");
        say(&w, "550 no\r\n", "RCPT TO:<b@x.example>\r\n");
        say(&w, "450 no\r\n", "RSET\r\n");
        assert_string_equal(w.log, "rcpt0:rejected:550 rcpt1:deferred:450 done:OK ");
        say(&w, "250 ok\r\n", "MAIL FROM:<me@x.example>\r\n");
        say(&w, "250 ok\r\n", "RCPT TO:<c@x.example>\r\n");
        say(&w, "250 ok\r\n", "DATA\r\n");
        say(&w, "354 go\r\n", "x\r\n.\r\n");
        w.log[0] = '\0';
        assert_int_equal(lw_smtp_eof(w.e), LW_ELOST);
        collect(w.e, w.log, sizeof w.log);
        assert_string_equal(w.log, "rcpt0:uncertain:0 done:ELOST closed:ELOST ");
        lw_smtp_free(w.e);
    }
}

static void
test_client__window_sends_transactions_back_to_back(void **state)
{
    (void)state;
    FOR_EACH_PORTION(w) {
        world w;
        memory_body m[3];
        lw_smtp_opts o;
        lw_rcpt r[] = { { .address = "a@x.example" }, { .address = "b@x.example" },
                        { .address = "c@x.example" } };
        lw_envelope env[3];

        lw_smtp_opts_init(&o);
        o.window = 8;
        world_open(&w, &o, "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n", portions[p_]);
        for (int i = 0; i < 3; i++) {
            env[i] = (lw_envelope){ .from = "", .rcpts = &r[i], .n_rcpts = 1 };
            memory_init(&m[i], "x\r\n", 0);
            assert_int_equal(lw_smtp_submit(w.e, &env[i], &m[i].body, NULL), LW_OK);
        }
        say(&w, "",
            "MAIL FROM:<>\r\nRCPT TO:<a@x.example>\r\nBDAT 3 LAST\r\nx\r\n"
            "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<b@x.example>\r\nBDAT 3 LAST\r\nx\r\n"
            "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<c@x.example>\r\nBDAT 3 LAST\r\nx\r\n");
        say(&w, "250 ok\r\n550 no\r\n503 none\r\n250 rset\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 rset\r\n",
            "");
        assert_string_equal(w.log, "rcpt0:rejected:550 done:OK rcpt0:accepted:250 done:OK ");
        w.log[0] = '\0';
        lw_smtp_fail(w.e, LW_ECANCELED, "canceled");
        collect(w.e, w.log, sizeof w.log);
        assert_string_equal(w.log, "rcpt0:uncertain:0 done:ECANCELED closed:ECANCELED ");
        lw_smtp_free(w.e);
    }
}

/* the second transaction is done while the first needs another one: its place is not free yet */
static void
test_client__room_comes_back_in_order(void **state)
{
    (void)state;
    FOR_EACH_PORTION(w) {
        world w;
        memory_body m[3];
        lw_smtp_opts o;
        lw_rcpt r[] = { { .address = "a@x.example" }, { .address = "b@x.example" },
                        { .address = "c@x.example" }, { .address = "d@x.example" } };
        lw_envelope env[] = { { .from = "", .rcpts = r, .n_rcpts = 2 },
                              { .from = "", .rcpts = r + 2, .n_rcpts = 1 },
                              { .from = "", .rcpts = r + 3, .n_rcpts = 1 } };

        lw_smtp_opts_init(&o);
        o.window = 8;
        o.max_transactions = 2;
        world_open(&w, &o, "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n", portions[p_]);
        for (int i = 0; i < 3; i++)
            memory_init(&m[i], "x\r\n", 0);
        for (uint32_t i = 0; i < 2; i++) {
            assert_int_equal(lw_smtp_room(w.e), 2 - i);
            assert_int_equal(lw_smtp_submit(w.e, &env[i], &m[i].body, NULL), LW_OK);
        }
        say(&w, "",
            "MAIL FROM:<>\r\nRCPT TO:<a@x.example>\r\nRCPT TO:<b@x.example>\r\n"
            "BDAT 3 LAST\r\nx\r\n"
            "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<c@x.example>\r\nBDAT 3 LAST\r\nx\r\n");
        say(&w, "250 ok\r\n250 ok\r\n452 too many\r\n250 ok\r\n250 ok\r\n250 ok\r\n"
            "250 ok\r\n250 ok\r\n",
            "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<b@x.example>\r\nBDAT 3 LAST\r\nx\r\n");
        assert_string_equal(w.log, "rcpt0:accepted:250 rcpt0:accepted:250 done:OK ");
        assert_int_equal(lw_smtp_room(w.e), 0);
        assert_int_equal(lw_smtp_submit(w.e, &env[2], &m[2].body, NULL), LW_AGAIN);
        say(&w, "250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n", "");
        assert_int_equal(lw_smtp_room(w.e), 2);
        assert_int_equal(lw_smtp_submit(w.e, &env[2], &m[2].body, NULL), LW_OK);
        lw_smtp_fail(w.e, LW_ECANCELED, "canceled");
        assert_int_equal(lw_smtp_room(w.e), 0);
        lw_smtp_free(w.e);
    }
}

/* a line of data by hand awaits no reply, but it must leave in time (block_ms) */
static void
test_client__line_without_reply_has_a_deadline(void **state)
{
    lw_smtp_opts o;
    lw_smtp *e = NULL;
    char buf[200], log[400] = "";
    size_t used;

    (void)state;
    lw_smtp_opts_init(&o);
    o.is_by_hand = true;
    assert_int_equal(lw_smtp_new(&o, 1000, &e), LW_OK);
    assert_int_equal(lw_smtp_feed(e, "220 x\r\n", 7, &used), LW_OK);
    collect(e, log, sizeof log);
    assert_true(lw_smtp_deadline(e) == UINT64_MAX);
    assert_int_equal(lw_smtp_tick(e, 900000), LW_OK);
    assert_int_equal(lw_smtp_command(e, LW_LIT("text"), 0, NULL), LW_OK);
    assert_true(lw_smtp_deadline(e) == 900000 + 180000);
    assert_string_equal(drain(e, buf, sizeof buf, 100), "text\r\n");
    assert_true(lw_smtp_deadline(e) == UINT64_MAX);
    lw_smtp_free(e);
}

/* between the 220 of STARTTLS and the handshake, and at a challenge, QUIT cannot be said: who ends
 * the session must not wait for its reply */
static void
test_client__quit_where_it_cannot_be_said_is_refused(void **state)
{
    lw_smtp_opts o;
    lw_smtp *e = NULL;
    char log[400] = "", buf[200];
    size_t used;

    (void)state;
    lw_smtp_opts_init(&o);
    assert_int_equal(lw_smtp_new(&o, 0, &e), LW_OK);
    assert_int_equal(lw_smtp_feed(e, "220 x\r\n", 7, &used), LW_OK);
    collect(e, log, sizeof log);
    drain(e, buf, sizeof buf, 100);
    assert_int_equal(lw_smtp_feed(e, "250-x\r\n250 STARTTLS\r\n", 21, &used), LW_OK);
    collect(e, log, sizeof log);
    assert_int_equal(lw_smtp_starttls(e), LW_OK);
    drain(e, buf, sizeof buf, 100);
    assert_int_equal(lw_smtp_feed(e, "220 go\r\n", 8, &used), LW_OK);
    collect(e, log, sizeof log);
    assert_int_equal(lw_smtp_quit(e), LW_EUSAGE);
    lw_smtp_fail(e, LW_ETLS, "no TLS");
    collect(e, log, sizeof log);
    assert_int_equal(lw_smtp_want(e), 0);
    lw_smtp_free(e);
}

static void
test_shown__credentials_of_auth_are_not(void **state)
{
    static const struct {
        const char *line;
        size_t shown;
    } rows[] = {
        { "", 0 }, { "NOOP", 4 }, { "MAIL FROM:<a@b>", 15 }, { "AUTHOR x y", 10 },
        { "AUTH", 4 }, { "AUTH LOGIN", 10 }, { "AUTH PLAIN AGFubgBz", 11 },
        { "auth plain AGFubgBz", 11 }, { " \tAUTH  PLAIN \tAGFubgBz", 15 },
        { "AUTH\tPLAIN\tAGFubgBz more", 11 }, { "AUTH PLAIN ", 11 },
    };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(rows); i++)
        if (lw_smtp_shown(lw_span_str(rows[i].line)) != rows[i].shown)
            fail_msg("\"%s\": %zu", rows[i].line, lw_smtp_shown(lw_span_str(rows[i].line)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client__pipelining_sends_envelope_in_one_flight),
        cmocka_unit_test(test_client__chunking_sends_all_in_one_flight),
        cmocka_unit_test(test_client__without_extensions_each_command_waits),
        cmocka_unit_test(test_client__window_sends_transactions_back_to_back),
        cmocka_unit_test(test_client__room_comes_back_in_order),
        cmocka_unit_test(test_client__line_without_reply_has_a_deadline),
        cmocka_unit_test(test_shown__credentials_of_auth_are_not),
        cmocka_unit_test(test_client__quit_where_it_cannot_be_said_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
