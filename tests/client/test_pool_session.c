/* SPDX-License-Identifier: MIT */
/*
 * test_pool_session.c - the ends of sessions: by age, by the server's limits, in their sleep, by a
 * time-out, with a message unanswered
 *
 * Where it matters what happens first, the pool runs on the test's own loop.
 */
#include "client/pool_test.h"

#include <inttypes.h>

/* a crowd, and a pool on a loop that only the test runs */
typedef struct scene {
    crowd *c;
    pool_tally *t;
    uv_loop_t loop;
    pool_aim a;
    lw_pool *p;
} scene;

/* set what the crowd and the pool shall do, then scene_begin() */
static void
scene_init(scene *s, const char *ehlo)
{
    memset(s, 0, sizeof *s);
    s->c = crowd_new(ehlo);
    s->t = pool_tally_new();
    assert_int_equal(uv_loop_init(&s->loop), 0);
    pool_aim_at(&s->a, 0);
    s->a.opts.loop = &s->loop;
    s->a.opts.connections = 1;
}

static void
scene_begin(scene *s)
{
    crowd_start(s->c);
    snprintf(s->a.url, sizeof s->a.url, "smtp://127.0.0.1:%u", s->c->port);
    s->p = pool_open(&s->a);
}

static void
scene_give(scene *s, const char *kind, unsigned n)
{
    assert_int_equal(pool_give(s->p, kind, n, s->t, false, NULL), LW_OK);
}

static void
run_until_told(scene *s, unsigned n)
{
    pool_run_until_told(&s->loop, s->t, n);
}

/* the numbers before its end; everything of n jobs must be true */
static void
scene_end(scene *s, unsigned n, lw_pool_stats *stats)
{
    lw_pool_stats_get(s->p, stats);
    lw_pool_close(s->p);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&s->loop), 0);
    crowd_stop(s->c);
    assert_int_equal(s->t->n_told, n);
}

static void
scene_free(scene *s)
{
    free(s->t);
    free(s->c);
}

/* ---- age -------------------------------------------------------------------------------- */

/* the loop's clock goes on by at least a millisecond */
static void
let_time_pass(uv_loop_t *loop)
{
    uint64_t before;

    uv_update_time(loop);
    before = uv_now(loop);
    while (uv_now(loop) == before)
        uv_update_time(loop);
}

static void
test_age__idle_session_is_renewed_before_the_next_message(void **state)
{
    enum { N = 5 };
    static const struct {
        uint64_t max_age_ms;
        unsigned connections;
    } rows[] = { { 1, N }, { 3600000, 1 }, { 0, 1 } };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_pool_stats stats;
        scene s;

        scene_init(&s, CHUNKING_EHLO);
        s.a.opts.max_age_ms = rows[i].max_age_ms;
        scene_begin(&s);
        for (unsigned n = 0; n < N; n++) {
            scene_give(&s, "ok", n);
            run_until_told(&s, n + 1);
            let_time_pass(&s.loop);
        }
        scene_end(&s, N, &stats);
        pool_check(s.t, s.c, N);
        assert_int_equal(stats.accepted, N);
        assert_int_equal(stats.retries, 0);
        assert_int_equal(stats.lost, 0); /* each ended with QUIT */
        assert_int_equal(s.c->connections, rows[i].connections);
        scene_free(&s);
    }
}

enum { AGED = 60 };

/* true: all were told.  It is asked in each turn of the loop, and makes the session too old. */
static bool
ages_until_told(void *ctx)
{
    scene *s = ctx;

    let_time_pass(&s->loop);
    return s->t->n_told == AGED;
}

/* each turn of the loop makes the session too old: it takes no more, what is on it is answered */
static void
test_age__session_with_work_takes_no_more_and_loses_nothing(void **state)
{
    enum { N = AGED, WINDOW = 8 };
    static const char *const ehlos[] = { CHUNKING_EHLO, PIPELINING_EHLO, LOCK_STEP_EHLO };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(ehlos); i++) {
        lw_pool_stats stats;
        scene s;

        scene_init(&s, ehlos[i]);
        s.a.send.window = WINDOW;
        s.a.opts.max_age_ms = 1;
        scene_begin(&s);
        for (unsigned n = 0; n < N; n++)
            scene_give(&s, "ok", n);
        pool_run_until(&s.loop, ages_until_told, &s);
        scene_end(&s, N, &stats);
        pool_check(s.t, s.c, N);
        assert_int_equal(stats.accepted, N);
        assert_int_equal(stats.retries, 0);
        assert_int_equal(stats.lost, 0);
        assert_true(s.c->connections >= N / WINDOW);
        assert_int_equal(s.c->most_conns, 1);
        scene_free(&s);
    }
}

/* ---- limits of a session ---------------------------------------------------------------- */

#define DOMAINS_EHLO(n) \
    "250-crowd\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 LIMITS RCPTDOMAINMAX=" #n "\r\n"

static void
give_at(scene *s, unsigned n, unsigned domain)
{
    char to[64];
    lw_rcpt rcpt = { .address = to };
    lw_envelope env = { .from = "ann@example.com", .rcpts = &rcpt, .n_rcpts = 1 };

    snprintf(to, sizeof to, "ok-%u@d%u.example", n, domain);
    assert_int_equal(pool_give_to(s->p, &env, n, s->t, false, NULL), LW_OK);
}

/* messages for seven domains in turn, three a session: the server never sees a fourth, and no
 * message pays for the renewal, though each has one attempt only */
static void
test_rcptdomainmax__sessions_are_renewed_in_time(void **state)
{
    enum { N = 70 };
    lw_pool_stats stats;
    scene s;

    (void)state;
    scene_init(&s, DOMAINS_EHLO(3));
    s.c->domain_max = 3;
    s.a.opts.retry.attempts = 1;
    scene_begin(&s);
    for (unsigned n = 0; n < N; n++)
        give_at(&s, n, n % 7);
    run_until_told(&s, N);
    scene_end(&s, N, &stats);
    pool_check(s.t, s.c, N);
    assert_int_equal(stats.accepted, N);
    assert_int_equal(stats.lost, 0);
    assert_int_equal(s.c->over_domain_max, 0);
    assert_true(s.c->connections >= 3);
    scene_free(&s);
}

/* one message for five domains, two a session: three sessions, each recipient once */
static void
test_rcptdomainmax__message_for_more_domains_goes_in_parts(void **state)
{
    enum { N = 5 };
    char to[N][64];
    lw_rcpt rcpts[N];
    lw_envelope env = { .from = "ann@example.com", .rcpts = rcpts, .n_rcpts = N };
    lw_pool_stats stats;
    scene s;

    (void)state;
    memset(rcpts, 0, sizeof rcpts);
    for (unsigned i = 0; i < N; i++) {
        snprintf(to[i], sizeof to[i], "ok-%u@d%u.example", i, i);
        rcpts[i].address = to[i];
    }
    scene_init(&s, DOMAINS_EHLO(2));
    s.c->domain_max = 2;
    s.a.opts.retry.attempts = 1;
    scene_begin(&s);
    assert_int_equal(pool_give_to(s.p, &env, 0, s.t, false, NULL), LW_OK);
    run_until_told(&s, 1);
    scene_end(&s, 1, &stats);
    assert_int_equal(stats.accepted, N);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(s.c->stored[i], 1);
    assert_int_equal(s.c->over_domain_max, 0);
    assert_int_equal(s.c->connections, 3);
    scene_free(&s);
}

#define EXIM_EHLO "250-crowd Hello client.example [127.0.0.1]\r\n"

/* Exim counts RSET, and ends a connection for too many, also with messages on their way: none may be
 * lost for that, however many are refused one behind the other, and each has one attempt only. */
static void
test_exim__refused_recipients_cost_no_other_message(void **state)
{
    enum { N = 240 };
    static const struct {
        unsigned first, every;
    } refused[] = { { 0, 10 }, { 0, 2 }, { 0, 1 }, { 150, 1 } };
    static const uint32_t windows[] = { 1, 3, 16, 64 };
    static const char *const ehlos[] = {
        EXIM_EHLO "250-PIPELINING\r\n250-CHUNKING\r\n250 HELP\r\n",
        EXIM_EHLO "250-PIPELINING\r\n250 HELP\r\n",
        EXIM_EHLO "250 HELP\r\n",
    };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(refused) * LW_COUNT(windows) * LW_COUNT(ehlos); i++) {
        size_t row = i / LW_COUNT(ehlos), list = row % LW_COUNT(refused);
        unsigned n_bad = 0;
        lw_pool_stats stats;
        scene s;

        scene_init(&s, ehlos[i % LW_COUNT(ehlos)]);
        s.c->nonmail_max = 10;
        s.a.send.window = windows[row / LW_COUNT(refused)];
        s.a.opts.retry.attempts = 1;
        scene_begin(&s);
        for (unsigned n = 0; n < N; n++) {
            bool is_bad = n >= refused[list].first && n % refused[list].every == 0;

            n_bad += is_bad;
            scene_give(&s, is_bad ? "bad" : "ok", n);
        }
        run_until_told(&s, N);
        scene_end(&s, N, &stats);
        pool_check(s.t, s.c, N);
        if (s.c->over_nonmail_max != 0 || stats.rejected != n_bad || stats.accepted != N - n_bad)
            fail_msg("offer %zu, list %zu, window %u: %u too many, %" PRIu64 " accepted, %" PRIu64
                     " rejected", i % LW_COUNT(ehlos), list, s.a.send.window,
                     s.c->over_nonmail_max, stats.accepted, stats.rejected);
        assert_int_equal(stats.lost, 0);
        scene_free(&s);
    }
}

/* ---- messages in parts ------------------------------------------------------------------ */

static void
give_to_many(scene *s, unsigned n, unsigned n_rcpts)
{
    char to[CROWD_RCPTS][64];
    lw_rcpt rcpts[CROWD_RCPTS];
    lw_envelope env = { .from = "ann@example.com", .rcpts = rcpts, .n_rcpts = n_rcpts };

    assert_true(n_rcpts <= CROWD_RCPTS);
    memset(rcpts, 0, sizeof rcpts);
    for (unsigned i = 0; i < n_rcpts; i++) {
        snprintf(to[i], sizeof to[i], "ok-%u@example.org", i == 0 ? n : 1000 + i);
        rcpts[i].address = to[i];
    }
    assert_int_equal(pool_give_to(s->p, &env, n, s->t, false, NULL), LW_OK);
}

/* One message goes in 20 transactions, and keeps its place in the engine while those behind it
 * are done: they have no more room than the engine has, and nobody ends unsent for that. */
static void
test_parts__message_in_many_transactions_hurts_no_other(void **state)
{
    enum { N = 40, PARTS = 20 };
    static const char *const ehlos[] = { CHUNKING_EHLO, PIPELINING_EHLO, LOCK_STEP_EHLO };
    static const uint32_t windows[] = { 1, 2, 3, 8, 64 };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(ehlos) * LW_COUNT(windows); i++) {
        lw_pool_stats stats;
        scene s;

        scene_init(&s, ehlos[i % LW_COUNT(ehlos)]);
        s.c->rcpt_max = 1;
        s.a.send.window = windows[i / LW_COUNT(ehlos)];
        s.a.opts.retry.attempts = 1;
        scene_begin(&s);
        for (unsigned n = 0; n < N; n++)
            if (n == 1)
                give_to_many(&s, n, PARTS);
            else
                scene_give(&s, "ok", n);
        run_until_told(&s, N);
        scene_end(&s, N, &stats);
        if (s.t->text[0] != '\0')
            fail_msg("window %u: %s", s.a.send.window, s.t->text);
        pool_check(s.t, s.c, N);
        assert_int_equal(stats.accepted, N - 1 + PARTS);
        for (unsigned k = 1; k < PARTS; k++)
            assert_int_equal(s.c->stored[1000 + k], 1);
        assert_int_equal(stats.retries, 0);
        assert_int_equal(s.c->connections, 1);
        scene_free(&s);
    }
}

/* A connection takes one message of one recipient: each part goes over the next one, which is not
 * asked again once it has said that it is full. */
static void
test_parts__each_over_a_connection_that_is_full_after_it(void **state)
{
    enum { PARTS = 6 };
    lw_pool_stats stats;
    scene s;

    (void)state;
    scene_init(&s, CHUNKING_EHLO);
    s.c->rcpt_max = s.c->mail_max = 1;
    s.a.opts.retry.attempts = 1;
    scene_begin(&s);
    give_to_many(&s, 0, PARTS);
    run_until_told(&s, 1);
    scene_end(&s, 1, &stats);
    pool_check(s.t, s.c, 1);
    assert_int_equal(stats.accepted, PARTS);
    assert_int_equal(s.c->connections, PARTS);
    assert_int_equal(s.c->over_mail_max, PARTS - 1);
    scene_free(&s);
}

/* ---- canceled ---------------------------------------------------------------------------- */

typedef struct cancelling {
    lw_pool *p;
    lw_job_id next;
    lw_code code;
} cancelling;

static void
cancel_next(void *ctx, const lw_completion *c)
{
    cancelling *k = ctx;

    k->code = lw_pool_cancel(k->p, k->next);
    lw_report_free(c->report);
}

/* The connection dies under two messages, and the next one too. Who hears of the first takes back
 * the second, which is judged and not yet waiting again. */
static void
test_cancel__job_that_goes_again_is_taken_back(void **state)
{
    lw_rcpt rcpt = { .address = "die-1@example.org" };
    lw_envelope env = { .from = "ann@example.com", .rcpts = &rcpt, .n_rcpts = 1 };
    lw_pool_stats stats;
    cancelling k;
    lw_error err;
    lw_job job;
    scene s;

    (void)state;
    scene_init(&s, PIPELINING_EHLO);
    s.a.opts.retry.attempts = 1;
    scene_begin(&s);
    scene_give(&s, "ok", 0);
    run_until_told(&s, 1);
    k.p = s.p;
    lw_job_init(&job);
    job.envelope = &env;
    job.body = (lw_body){ .next = pool_next_span, .rewind = pool_rewind,
                          .size = sizeof pool_text - 1, .is_canonical = true };
    job.done = cancel_next;
    job.ctx = &k;
    assert_int_equal(lw_pool_submit(s.p, &job, NULL, &err), LW_OK);
    assert_int_equal(pool_give(s.p, "ok", 2, s.t, false, &k.next), LW_OK);
    run_until_told(&s, 2);
    scene_end(&s, 2, &stats);
    assert_int_equal(k.code, LW_AGAIN);
    assert_int_equal(s.t->outcome[2], LW_OUTCOME_UNSENT);
    assert_int_equal(s.c->stored[2], 0);
    assert_int_equal(s.c->connections, 2);
    assert_int_equal(stats.retries, 2);
    scene_free(&s);
}

/* What is on a connection is answered, however late; what waits is unsent. */
static void
test_finish__waits_for_answers_and_sends_no_more(void **state)
{
    lw_pool_stats stats;
    scene s;

    (void)state;
    scene_init(&s, CHUNKING_EHLO);
    s.c->is_first_late = true; /* the server has one message, and is to be asked no more */
    s.a.opts.stop_ms = 0;
    scene_begin(&s);
    scene_give(&s, "ok", 0);
    scene_give(&s, "ok", 1); /* waits: the first one goes alone */
    while (s.c->messages == 0)
        uv_run(&s.loop, UV_RUN_NOWAIT);
    lw_pool_finish(s.p);
    run_until_told(&s, 1);
    assert_int_equal(s.t->outcome[1], LW_OUTCOME_UNSENT);
    close(crowd_dial(s.c));
    run_until_told(&s, 2);
    scene_end(&s, 2, &stats);
    assert_int_equal(s.t->outcome[0], LW_OUTCOME_ACCEPTED);
    assert_int_equal(s.c->messages, 1);
    scene_free(&s);
}

/* ---- connections that die in their sleep ------------------------------------------------ */

typedef enum death {
    SEEN,       /* the pool hears of it, then a message comes                                 */
    UNSEEN,     /* a message comes, and the loop has not run yet                              */
    TOO_LATE    /* it dies when the message has been submitted and is not yet on it           */
} death;

static bool
has_no_connection(void *ctx)
{
    const scene *s = ctx;
    lw_pool_stats stats;

    lw_pool_stats_get(s->p, &stats);
    return stats.open == 0;
}

static void
die_and_give(scene *s, death when, unsigned n)
{
    if (when == TOO_LATE) {
        uv_run(&s->loop, UV_RUN_NOWAIT); /* old readiness is forgotten: the message comes first */
        scene_give(s, "ok", n);
    }
    crowd_hang_up(s->c);
    if (when == SEEN)
        pool_run_until(&s->loop, has_no_connection, s);
    if (when != TOO_LATE)
        scene_give(s, "ok", n);
}

/* closed, with and without a word, or reset: the next message has one attempt, and is accepted */
static void
test_idle__connection_that_died_costs_nothing(void **state)
{
    enum { N = 6 };
    static const struct {
        const char *name, *farewell;
        bool resets;
    } rows[] = { { "closed", NULL, false },
                 { "said 421", "421 4.4.2 idle for too long\r\n", false },
                 { "reset", NULL, true } };

    (void)state;
    for (unsigned i = 0; i < LW_COUNT(rows) * 3; i++) {
        death when = (death)(i % 3);
        lw_pool_stats stats;
        scene s;

        scene_init(&s, CHUNKING_EHLO);
        s.c->farewell = rows[i / 3].farewell;
        s.c->resets = rows[i / 3].resets;
        s.a.opts.retry.attempts = 1;
        s.a.opts.retry.first_ms = s.a.opts.retry.max_ms = 3600000; /* a pause would not end */
        scene_begin(&s);
        scene_give(&s, "ok", 0);
        for (unsigned n = 1; n < N; n++) {
            run_until_told(&s, n);
            die_and_give(&s, when, n);
        }
        run_until_told(&s, N);
        scene_end(&s, N, &stats);
        pool_check(s.t, s.c, N);
        if (stats.accepted != N || s.t->text[0] != '\0')
            fail_msg("%s, %u: %s", rows[i / 3].name, (unsigned)when, s.t->text);
        for (unsigned n = 0; n < N; n++)
            assert_int_equal(s.t->attempts[n], 1);
        assert_int_equal(stats.retries, 0);
        assert_int_equal(s.c->connections, N);
        scene_free(&s);
    }
}

/* ---- replies that come too late --------------------------------------------------------- */

/* The reply to the first message comes when its time is up and another connection stands: "250",
 * where the second message is refused.  It must not be taken for an answer to the second one. */
static void
test_timeout__late_reply_answers_nothing(void **state)
{
    static const char *const ehlos[] = { PIPELINING_EHLO, LOCK_STEP_EHLO, CHUNKING_EHLO };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(ehlos); i++) {
        lw_pool_stats stats;
        scene s;

        scene_init(&s, ehlos[i]);
        s.c->is_first_late = true;
        s.a.send.timeouts.final_ms = 1; /* the second message has no data to be answered */
        s.a.send.no_chunking = true;
        scene_begin(&s);
        scene_give(&s, "ok", 0);
        scene_give(&s, "bad", 1);
        run_until_told(&s, 2);
        scene_end(&s, 2, &stats);
        pool_check(s.t, s.c, 2);
        assert_int_equal(s.t->outcome[0], LW_OUTCOME_UNCERTAIN);
        assert_int_equal(s.t->outcome[1], LW_OUTCOME_REJECTED);
        assert_int_equal(s.c->late_replies, 1);
        assert_int_equal(s.c->connections, 2);
        assert_int_equal(stats.retries, 0);
        scene_free(&s);
    }
}

/* ---- what is uncertain ------------------------------------------------------------------ */

/* the server stores a message and closes the connection in place of an answer */
static void
test_uncertain__sent_again_only_if_asked(void **state)
{
    static const char *const ehlos[] = { CHUNKING_EHLO, PIPELINING_EHLO, LOCK_STEP_EHLO };
    static const struct {
        bool again;
        unsigned attempts, drops, stored;
        lw_outcome outcome;
    } rows[] = {
        { false, 3, 1, 1, LW_OUTCOME_UNCERTAIN },
        { true, 1, 1, 1, LW_OUTCOME_UNCERTAIN },
        { true, 2, 1, 2, LW_OUTCOME_ACCEPTED },
        { true, 3, 9, 3, LW_OUTCOME_UNCERTAIN },
    };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(rows) * LW_COUNT(ehlos); i++) {
        size_t row = i / LW_COUNT(ehlos);
        lw_pool_stats stats;
        scene s;

        scene_init(&s, ehlos[i % LW_COUNT(ehlos)]);
        s.c->drops = rows[row].drops;
        s.a.opts.retry.uncertain = rows[row].again;
        s.a.opts.retry.attempts = rows[row].attempts;
        scene_begin(&s);
        scene_give(&s, "ok", 0);
        run_until_told(&s, 1);
        scene_end(&s, 1, &stats);
        assert_int_equal(s.t->outcome[0], rows[row].outcome);
        assert_int_equal(s.t->attempts[0], rows[row].stored);
        assert_int_equal(s.c->stored[0], rows[row].stored);
        assert_int_equal(stats.retries, rows[row].stored - 1);
        scene_free(&s);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_age__idle_session_is_renewed_before_the_next_message),
        cmocka_unit_test(test_age__session_with_work_takes_no_more_and_loses_nothing),
        cmocka_unit_test(test_rcptdomainmax__sessions_are_renewed_in_time),
        cmocka_unit_test(test_rcptdomainmax__message_for_more_domains_goes_in_parts),
        cmocka_unit_test(test_exim__refused_recipients_cost_no_other_message),
        cmocka_unit_test(test_parts__message_in_many_transactions_hurts_no_other),
        cmocka_unit_test(test_parts__each_over_a_connection_that_is_full_after_it),
        cmocka_unit_test(test_cancel__job_that_goes_again_is_taken_back),
        cmocka_unit_test(test_finish__waits_for_answers_and_sends_no_more),
        cmocka_unit_test(test_idle__connection_that_died_costs_nothing),
        cmocka_unit_test(test_timeout__late_reply_answers_nothing),
        cmocka_unit_test(test_uncertain__sent_again_only_if_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
