/* SPDX-License-Identifier: MIT */
/*
 * test_pool.c - jobs over several connections: each told of once and truly, whatever servers do
 */
#include "client/pool_test.h"

#include <sched.h>

/* ---- many messages ---------------------------------------------------------------------- */

typedef struct mode {
    const char *name, *ehlo;
    uint32_t window, connections, threads;
} mode;

static const mode modes[] = {
    { "lock step", LOCK_STEP_EHLO, 8, 3, 1 },
    { "pipelining", PIPELINING_EHLO, 8, 4, 1 },
    { "chunking", CHUNKING_EHLO, 8, 4, 1 },
    { "window 1", CHUNKING_EHLO, 1, 8, 2 },
    { "window 64, three threads", CHUNKING_EHLO, 64, 12, 3 },
};

static void
test_pool__many_messages_each_arrives_once(void **state)
{
    enum { N = 2000 };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(modes); i++) {
        crowd *c = crowd_new(modes[i].ehlo);
        pool_tally *t = pool_tally_new();
        lw_pool_stats s;
        pool_aim a;
        lw_pool *p;

        crowd_start(c);
        pool_aim_at(&a, c->port);
        a.send.window = modes[i].window;
        a.opts.connections = modes[i].connections;
        a.opts.threads = modes[i].threads;
        a.opts.max_waiting = 500;
        p = pool_open(&a);
        for (unsigned n = 0; n < N; n++)
            assert_int_equal(pool_give(p, "ok", n, t, true, NULL), LW_OK);
        assert_int_equal(lw_pool_drain(p), LW_OK);
        lw_pool_stats_get(p, &s);
        assert_int_equal(s.submitted, N);
        assert_int_equal(s.completed, N);
        assert_int_equal(s.accepted, N);
        assert_int_equal(s.waiting + s.in_flight + s.finished, 0);
        assert_int_equal(s.retries, 0);
        lw_pool_close(p);
        crowd_stop(c);
        pool_check(t, c, N);
        assert_int_equal(pool_count(t, N, LW_OUTCOME_ACCEPTED), N);
        assert_int_equal(c->messages, N);
        assert_in_range(c->most_conns, 1, modes[i].connections);
        free(t);
        free(c);
    }
}

/* ---- servers that lose commands --------------------------------------------------------- */

static void run_jobs(const pool_aim *a, const char *kind, unsigned n, pool_tally *t,
                     lw_pool_stats *s);

/* The server loses the command behind MAIL if they come in one piece.  The first message shows it,
 * and goes once more, like all others, over connections in lock step. */
static void
test_pool__server_that_loses_commands_gets_one_at_a_time(void **state)
{
    static const char *const ehlos[] = { PIPELINING_EHLO, CHUNKING_EHLO };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(ehlos); i++) {
        crowd *c = crowd_new(ehlos[i]);
        pool_tally *t = pool_tally_new();
        lw_pool_stats s;
        pool_aim a;

        c->swallows = true;
        crowd_start(c);
        pool_aim_at(&a, c->port);
        a.opts.connections = 1;
        run_jobs(&a, "ok", 50, t, &s);
        crowd_stop(c);
        pool_check(t, c, 50);
        assert_int_equal(pool_count(t, 50, LW_OUTCOME_ACCEPTED), 50);
        assert_int_equal(c->swallowed, 1);
        assert_int_equal(c->connections, 2);
        free(t);
        free(c);
    }
}

/* Its PIPELINING has worked: 503 is the answer to the one recipient that gets it, whatever else is on
 * its way over that connection. */
static void
test_pool__503_behind_proven_pipelining_ends_no_session(void **state)
{
    static const char *const ehlos[] = { PIPELINING_EHLO, CHUNKING_EHLO };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(ehlos); i++) {
        crowd *c = crowd_new(ehlos[i]);
        pool_tally *t = pool_tally_new();
        lw_pool_stats s;
        pool_aim a;

        c->refuses_first = true;
        crowd_start(c);
        pool_aim_at(&a, c->port);
        a.opts.connections = 1;
        a.opts.max_messages = 10;
        run_jobs(&a, "ok", 100, t, &s);
        crowd_stop(c);
        pool_check(t, c, 100);
        assert_int_equal(pool_count(t, 100, LW_OUTCOME_REJECTED), 9);
        assert_int_equal(pool_count(t, 100, LW_OUTCOME_ACCEPTED), 91);
        assert_int_equal(c->connections, 10);
        assert_int_equal(s.lost, 0);
        free(t);
        free(c);
    }
}

/* 503 because a command was lost, and then the server cannot be reached: nobody was refused */
static void
test_pool__503_whose_second_try_fails_is_unsent(void **state)
{
    static const char *const ehlos[] = { PIPELINING_EHLO, CHUNKING_EHLO };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(ehlos); i++) {
        crowd *c = crowd_new(ehlos[i]);
        pool_tally *t = pool_tally_new();
        lw_pool_stats s;
        pool_aim a;

        c->swallows = c->leaves = true;
        crowd_start(c);
        pool_aim_at(&a, c->port);
        a.opts.connections = 1;
        a.opts.retry.attempts = 1;
        run_jobs(&a, "ok", 1, t, &s);
        crowd_stop(c);
        pool_check(t, c, 1);
        assert_int_equal(c->swallowed, 1);
        assert_int_equal(t->outcome[0], LW_OUTCOME_UNSENT);
        assert_non_null(strstr(t->text, "connect"));
        free(t);
        free(c);
    }
}

static void
stop_the_pool(void *ctx)
{
    lw_pool_stop(ctx);
}

/* the same, and there is no second try because the pool stops */
static void
test_pool__503_without_second_try_is_unsent(void **state)
{
    crowd *c = crowd_new(CHUNKING_EHLO);
    pool_tally *t = pool_tally_new();
    pool_aim a;
    lw_pool *p;

    (void)state;
    c->swallows = true;
    crowd_start(c);
    pool_aim_at(&a, c->port);
    p = pool_open(&a);
    c->on_swallow = stop_the_pool;
    c->swallow_ctx = p;
    assert_int_equal(pool_give(p, "ok", 0, t, true, NULL), LW_OK);
    assert_int_equal(lw_pool_drain(p), LW_OK);
    lw_pool_close(p);
    crowd_stop(c);
    pool_check(t, c, 1);
    assert_int_equal(t->outcome[0], LW_OUTCOME_UNSENT);
    assert_non_null(strstr(t->text, "canceled"));
    free(t);
    free(c);
}

/* an option, or the URL, says so from the start */
static void
test_pool__no_pipelining_is_obeyed(void **state)
{
    (void)state;
    for (int by_url = 0; by_url < 2; by_url++) {
        crowd *c = crowd_new(CHUNKING_EHLO);
        pool_tally *t = pool_tally_new();
        lw_pool_stats s;
        pool_aim a;

        c->swallows = true;
        crowd_start(c);
        pool_aim_at(&a, c->port);
        if (by_url)
            snprintf(a.url, sizeof a.url, "smtp://127.0.0.1:%u?pipelining=no", c->port);
        else
            a.send.no_pipelining = true;
        run_jobs(&a, "ok", 20, t, &s);
        crowd_stop(c);
        pool_check(t, c, 20);
        assert_int_equal(s.accepted, 20);
        assert_int_equal(c->swallowed, 0);
        free(t);
        free(c);
    }
}

/* ---- servers that limit ----------------------------------------------------------------- */

/* fills a pool with n jobs of this kind, waits for all, closes it */
static void
run_jobs(const pool_aim *a, const char *kind, unsigned n, pool_tally *t, lw_pool_stats *s)
{
    lw_pool *p = pool_open(a);

    for (unsigned i = 0; i < n; i++)
        assert_int_equal(pool_give(p, kind, i, t, true, NULL), LW_OK);
    assert_int_equal(lw_pool_drain(p), LW_OK);
    lw_pool_stats_get(p, s);
    lw_pool_close(p);
}

/* the server closes after each fifth message without a word: what was behind it goes over the
 * next connection, at no cost, and nobody hears of it.  With CHUNKING what was behind it in the
 * window had left whole: that is uncertain, and is not sent again. */
static void
test_pool__server_closes_after_k_nothing_lost(void **state)
{
    enum { N = 300 };

    (void)state;
    for (uint32_t round = 0; round < 12; round++) {
        bool has_chunking = round >= 6;
        crowd *c = crowd_new(has_chunking ? CHUNKING_EHLO : PIPELINING_EHLO);
        pool_tally *t = pool_tally_new();
        lw_pool_stats s;
        pool_aim a;

        c->close_after = 5;
        crowd_start(c);
        pool_aim_at(&a, c->port);
        a.send.window = 1u << round % 6;
        a.opts.retry.attempts = 20; /* one job may be the sixth on many connections, one after another */
        run_jobs(&a, "ok", N, t, &s);
        crowd_stop(c);
        pool_check(t, c, N);
        assert_int_equal(pool_count(t, N, LW_OUTCOME_UNSENT), 0);
        if (!has_chunking)
            assert_int_equal(pool_count(t, N, LW_OUTCOME_ACCEPTED), N);
        free(t);
        free(c);
    }
}

static void
test_pool__mailmax_sessions_are_renewed(void **state)
{
    crowd *c = crowd_new("250-crowd\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 LIMITS MAILMAX=7\r\n");
    pool_tally *t = pool_tally_new();
    lw_pool_stats s;
    pool_aim a;

    (void)state;
    crowd_start(c);
    pool_aim_at(&a, c->port);
    run_jobs(&a, "ok", 100, t, &s);
    crowd_stop(c);
    pool_check(t, c, 100);
    assert_int_equal(s.accepted, 100);
    assert_int_equal(s.retries, 0);
    assert_true(c->connections >= 15);
    free(t);
    free(c);
}

/* As OpenSMTPD does after 100 messages, without having said so: the next connection takes what this
 * one does not, at once and at no cost, so one attempt is enough. */
static void
test_pool__mail_put_off_after_k_sessions_are_renewed(void **state)
{
    static const char *const ehlos[] = { LOCK_STEP_EHLO, PIPELINING_EHLO, CHUNKING_EHLO };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(ehlos); i++) {
        crowd *c = crowd_new(ehlos[i]);
        pool_tally *t = pool_tally_new();
        lw_pool_stats s;
        pool_aim a;

        c->mail_max = 7;
        crowd_start(c);
        pool_aim_at(&a, c->port);
        a.opts.retry.attempts = 1;
        run_jobs(&a, "ok", 100, t, &s);
        crowd_stop(c);
        pool_check(t, c, 100);
        assert_int_equal(s.accepted, 100);
        assert_true(c->connections >= 15);
        free(t);
        free(c);
    }
}

/* a server that takes no more from anybody is not asked over ever new connections */
static void
test_pool__mail_put_off_for_all_connections_stay(void **state)
{
    crowd *c = crowd_new(CHUNKING_EHLO);
    pool_tally *t = pool_tally_new();
    lw_pool_stats s;
    pool_aim a;

    (void)state;
    c->mail_max_in_all = 10;
    crowd_start(c);
    pool_aim_at(&a, c->port);
    a.opts.connections = 1;
    a.opts.retry.attempts = 2;
    a.opts.retry.first_ms = 1;
    run_jobs(&a, "ok", 60, t, &s);
    crowd_stop(c);
    pool_check(t, c, 60);
    assert_int_equal(s.accepted, 10);
    assert_int_equal(pool_count(t, 60, LW_OUTCOME_DEFERRED), 50);
    assert_int_equal(c->connections, 2);
    free(t);
    free(c);
}

/* The end of the session comes with the answer to EHLO: such a connection was never up. */
static void
test_pool__session_ended_with_the_ehlo_reply_costs_attempts(void **state)
{
    crowd *c = crowd_new("250-crowd\r\n250 PIPELINING\r\n421 4.3.2 not now\r\n");
    pool_tally *t = pool_tally_new();
    lw_pool_stats s;
    pool_aim a;

    (void)state;
    crowd_start(c);
    pool_aim_at(&a, c->port);
    a.opts.connections = 1;
    a.opts.retry.attempts = 3;
    a.opts.retry.first_ms = 1;
    run_jobs(&a, "ok", 5, t, &s);
    crowd_stop(c);
    pool_check(t, c, 5);
    assert_int_equal(pool_count(t, 5, LW_OUTCOME_UNSENT), 5);
    assert_int_equal(c->connections, 3);
    assert_non_null(strstr(t->text, "the server ended the session with 421 not now"));
    free(t);
    free(c);
}

static void
test_pool__max_messages_sessions_are_renewed(void **state)
{
    crowd *c = crowd_new(CHUNKING_EHLO);
    pool_tally *t = pool_tally_new();
    lw_pool_stats s;
    pool_aim a;

    (void)state;
    crowd_start(c);
    pool_aim_at(&a, c->port);
    a.opts.connections = 1;
    a.opts.max_messages = 10;
    run_jobs(&a, "ok", 95, t, &s);
    crowd_stop(c);
    pool_check(t, c, 95);
    assert_int_equal(s.accepted, 95);
    assert_int_equal(c->connections, 10);
    assert_int_equal(s.lost, 0);
    free(t);
    free(c);
}

/* more than two connections get a 421 at the greeting: the pool keeps to two, and no job pays */
static void
test_pool__too_many_connections_keeps_to_fewer(void **state)
{
    crowd *c = crowd_new(CHUNKING_EHLO);
    pool_tally *t = pool_tally_new();
    lw_pool_stats s;
    pool_aim a;

    (void)state;
    c->max_conns = 2;
    crowd_start(c);
    pool_aim_at(&a, c->port);
    a.opts.connections = 8;
    a.send.window = 1;
    a.opts.retry.attempts = 1;
    run_jobs(&a, "ok", 1000, t, &s);
    crowd_stop(c);
    pool_check(t, c, 1000);
    assert_int_equal(s.accepted, 1000);
    assert_true(c->refused > 0 && c->refused < 50);
    assert_in_range(s.connection_limit, 1, 2);
    free(t);
    free(c);
}

/* each connection may carry one message in a thousand seconds: three messages need three */
static void
test_pool__rate_of_a_connection_opens_more(void **state)
{
    crowd *c = crowd_new(CHUNKING_EHLO);
    pool_tally *t = pool_tally_new();
    lw_pool_stats s;
    pool_aim a;

    (void)state;
    crowd_start(c);
    pool_aim_at(&a, c->port);
    a.opts.rates.messages_per_connection = 0.001;
    run_jobs(&a, "ok", 3, t, &s);
    crowd_stop(c);
    pool_check(t, c, 3);
    assert_int_equal(s.accepted, 3);
    assert_int_equal(s.open, 3);
    assert_int_equal(c->connections, 3);
    free(t);
    free(c);
}

/* ---- outcomes and retries --------------------------------------------------------------- */

static void
test_pool__refused_recipients_rejected_once(void **state)
{
    crowd *c = crowd_new(CHUNKING_EHLO);
    pool_tally *t = pool_tally_new();
    lw_pool_stats s;
    pool_aim a;

    (void)state;
    crowd_start(c);
    pool_aim_at(&a, c->port);
    run_jobs(&a, "bad", 50, t, &s);
    crowd_stop(c);
    pool_check(t, c, 50);
    assert_int_equal(s.rejected, 50);
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(c->offered[i], 1);
    assert_non_null(strstr(t->text, "no such user"));
    free(t);
    free(c);
}

static void
test_pool__deferred_is_tried_again_as_often_as_asked(void **state)
{
    static const struct { unsigned deferrals, attempts; lw_outcome outcome; } cases[] = {
        { 1, 1, LW_OUTCOME_DEFERRED }, { 1, 2, LW_OUTCOME_ACCEPTED },
        { 2, 3, LW_OUTCOME_ACCEPTED }, { 3, 3, LW_OUTCOME_DEFERRED },
    };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(cases); i++) {
        crowd *c = crowd_new(CHUNKING_EHLO);
        pool_tally *t = pool_tally_new();
        lw_pool_stats s;
        pool_aim a;

        c->deferrals = cases[i].deferrals;
        crowd_start(c);
        pool_aim_at(&a, c->port);
        a.opts.retry.attempts = cases[i].attempts;
        run_jobs(&a, "defer", 20, t, &s);
        crowd_stop(c);
        pool_check(t, c, 20);
        assert_int_equal(pool_count(t, 20, cases[i].outcome), 20);
        for (unsigned n = 0; n < 20; n++)
            assert_int_equal(t->attempts[n], cases[i].deferrals < cases[i].attempts
                                                 ? cases[i].deferrals + 1 : cases[i].attempts);
        free(t);
        free(c);
    }
}

/* of six recipients two are deferred, one is refused: only the two are offered again, and the
 * report has everybody at his place */
static void
test_pool__only_deferred_recipients_are_offered_again(void **state)
{
    static const char *const to[] = { "ok-1@x.org", "defer-2@x.org", "bad-3@x.org",
                                      "ok-4@x.org", "defer-5@x.org", "ok-6@x.org" };
    crowd *c = crowd_new(CHUNKING_EHLO);
    lw_rcpt rcpts[LW_COUNT(to)];
    lw_envelope env = { .from = "", .rcpts = rcpts, .n_rcpts = LW_COUNT(to) };
    lw_completion done;
    lw_error err;
    pool_aim a;
    lw_pool *p;
    lw_job job;

    (void)state;
    memset(rcpts, 0, sizeof rcpts);
    for (size_t i = 0; i < LW_COUNT(to); i++)
        rcpts[i].address = to[i];
    c->deferrals = 1;
    crowd_start(c);
    pool_aim_at(&a, c->port);
    p = pool_open(&a);
    lw_job_init(&job);
    job.envelope = &env;
    job.body = (lw_body){ .next = pool_next_span, .rewind = pool_rewind,
                          .size = sizeof pool_text - 1, .is_canonical = true };
    assert_int_equal(lw_pool_submit(p, &job, NULL, &err), LW_OK);
    assert_int_equal(lw_pool_next(p, LW_FOREVER, &done), LW_OK);
    assert_int_equal(lw_pool_next(p, LW_FOREVER, &(lw_completion){ .id = 0 }), LW_DONE);
    assert_int_equal(done.attempts, 2);
    assert_string_equal(lw_report_outcome(done.report), "partial");
    for (size_t i = 0; i < LW_COUNT(to); i++) {
        const lw_result *r = lw_report_result(done.report, i);

        assert_string_equal(r->address, to[i]);
        assert_int_equal(r->outcome, i == 2 ? LW_OUTCOME_REJECTED : LW_OUTCOME_ACCEPTED);
        assert_int_equal(c->offered[i + 1], i == 1 || i == 4 ? 2 : 1);
        assert_int_equal(c->stored[i + 1], i == 2 ? 0 : 1);
    }
    lw_report_free(done.report);
    lw_pool_close(p);
    crowd_stop(c);
    free(c);
}

/* the server closes the connection at one recipient, always: only that job fails */
static void
test_pool__job_that_kills_connections_hurts_nobody_else(void **state)
{
    crowd *c = crowd_new(CHUNKING_EHLO);
    pool_tally *t = pool_tally_new();
    pool_aim a;
    lw_pool *p;

    (void)state;
    crowd_start(c);
    pool_aim_at(&a, c->port);
    a.opts.retry.uncertain = true; /* what was behind it had left, and was not taken */
    a.opts.connections = 1;
    p = pool_open(&a);
    for (unsigned n = 0; n < 40; n++)
        assert_int_equal(pool_give(p, n == 17 ? "die" : "ok", n, t, true, NULL), LW_OK);
    assert_int_equal(lw_pool_drain(p), LW_OK);
    lw_pool_close(p);
    crowd_stop(c);
    assert_int_equal(t->n_told, 40);
    for (unsigned n = 0; n < 40; n++) { /* with retry.uncertain some may be stored twice */
        assert_int_equal(t->told[n], 1);
        if (n != 17)
            assert_int_equal(t->outcome[n], LW_OUTCOME_ACCEPTED);
        assert_true(n == 17 || c->stored[n] > 0);
    }
    assert_int_equal(t->outcome[17], LW_OUTCOME_UNCERTAIN);
    free(t);
    free(c);
}

/* ---- failures that do not pass ---------------------------------------------------------- */

static void
test_pool__refused_login_fails_all_with_one_try(void **state)
{
    crowd *c = crowd_new("250-crowd\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n");
    pool_tally *t = pool_tally_new();
    pool_aim a;
    lw_pool *p;

    (void)state;
    c->auth_reply = "535 5.7.8 wrong\r\n";
    crowd_start(c);
    pool_aim_at(&a, c->port);
    snprintf(a.url, sizeof a.url, "plain://ann:secret@127.0.0.1:%u", c->port);
    a.opts.connections = 20;
    a.opts.retry.first_ms = a.opts.retry.max_ms = 3600000;
    p = pool_open(&a);
    for (unsigned n = 0; n < 20; n++)
        assert_int_equal(pool_give(p, "ok", n, t, true, NULL), LW_OK);
    while (t->n_told == 0)
        sched_yield();
    lw_pool_stop(p); /* jobs that came after the refusal would wait for an hour */
    assert_int_equal(lw_pool_drain(p), LW_OK);
    lw_pool_close(p);
    crowd_stop(c);
    pool_check(t, c, 20);
    assert_int_equal(pool_count(t, 20, LW_OUTCOME_UNSENT), 20);
    assert_int_equal(c->logins, 1);
    assert_null(strstr(t->text, "secret"));
    free(t);
    free(c);
}

static void
test_pool__nobody_listens_attempts_are_spent(void **state)
{
    pool_tally *t = pool_tally_new();
    crowd *c = crowd_new(LOCK_STEP_EHLO);
    lw_pool_stats s;
    pool_aim a;

    (void)state;
    pool_aim_at(&a, closed_port());
    run_jobs(&a, "ok", 10, t, &s);
    pool_check(t, c, 10);
    assert_int_equal(pool_count(t, 10, LW_OUTCOME_UNSENT), 10);
    assert_non_null(strstr(t->text, "connection refused"));
    free(t);
    free(c);
}

/* what is submitted while the only server is left alone waits for its pause, and not for ever: the
 * worker that sleeps then has no reason of its own to wake up */
static void
test_pool__submitted_in_the_pause_of_a_server_is_told_of(void **state)
{
    enum { N = 40 };
    pool_tally *t = pool_tally_new();
    crowd *c = crowd_new(LOCK_STEP_EHLO);
    pool_aim a;
    lw_pool *p;

    (void)state;
    pool_aim_at(&a, closed_port());
    a.opts.retry.attempts = 1;
    a.opts.retry.first_ms = a.opts.retry.max_ms = 5;
    p = pool_open(&a);
    for (unsigned n = 0; n < N; n++) {
        assert_int_equal(pool_give(p, "ok", n, t, true, NULL), LW_OK);
        assert_int_equal(lw_pool_drain(p), LW_OK);
    }
    lw_pool_close(p);
    pool_check(t, c, N);
    assert_int_equal(pool_count(t, N, LW_OUTCOME_UNSENT), N);
    free(t);
    free(c);
}

/* a job that comes while the server is left alone waits for the end of the pause, not for ever */
static void
test_pool__job_that_comes_in_a_pause_is_told_of(void **state)
{
    (void)state;
    for (uint32_t threads = 1; threads <= 3; threads++) {
        lw_completion done;
        pool_aim a;
        lw_pool *p;

        pool_aim_at(&a, closed_port());
        a.opts.threads = threads;
        a.opts.retry.attempts = 1;
        a.opts.retry.first_ms = a.opts.retry.max_ms = 20;
        p = pool_open(&a);
        for (unsigned n = 0; n < 5; n++) {
            assert_int_equal(pool_give(p, "ok", n, NULL, true, NULL), LW_OK);
            assert_int_equal(lw_pool_next(p, 60000, &done), LW_OK);
            assert_string_equal(lw_report_outcome(done.report), "unsent");
            lw_report_free(done.report);
        }
        lw_pool_close(p);
    }
}

/* the first server cannot be reached: the second has all, and no job pays for it */
static void
test_pool__next_server_when_the_first_fails(void **state)
{
    crowd *c = crowd_new(CHUNKING_EHLO);
    pool_tally *t = pool_tally_new();
    const char *servers[2];
    lw_pool_stats s;
    pool_aim a;
    char first[64];

    (void)state;
    snprintf(first, sizeof first, "smtp://127.0.0.1:%u", closed_port());
    crowd_start(c);
    pool_aim_at(&a, c->port);
    servers[0] = first;
    servers[1] = a.url;
    a.send.servers = servers;
    a.send.n_servers = 2;
    a.opts.retry.attempts = 1;
    a.opts.retry.first_ms = a.opts.retry.max_ms = 3600000;
    run_jobs(&a, "ok", 100, t, &s);
    crowd_stop(c);
    pool_check(t, c, 100);
    assert_int_equal(s.accepted, 100);
    assert_int_equal(s.retries, 0);
    free(t);
    free(c);
}

static void
test_pool__spread_uses_all_servers(void **state)
{
    crowd *c[2] = { crowd_new(CHUNKING_EHLO), crowd_new(CHUNKING_EHLO) };
    pool_tally *t = pool_tally_new();
    const char *servers[2];
    lw_pool_stats s;
    char urls[2][64];
    pool_aim a;

    (void)state;
    pool_aim_at(&a, 1);
    for (int i = 0; i < 2; i++) {
        crowd_start(c[i]);
        snprintf(urls[i], sizeof urls[i], "smtp://127.0.0.1:%u", c[i]->port);
        servers[i] = urls[i];
    }
    a.send.servers = servers;
    a.send.n_servers = 2;
    a.opts.spread = true;
    a.opts.rates.messages_per_connection = 0.001; /* six messages, six connections */
    a.opts.connections = 6;
    run_jobs(&a, "ok", 6, t, &s);
    crowd_stop(c[0]);
    crowd_stop(c[1]);
    assert_int_equal(s.accepted, 6);
    assert_int_equal(c[0]->messages + c[1]->messages, 6);
    assert_in_range(c[0]->messages, 2, 4);
    free(t);
    free(c[0]);
    free(c[1]);
}

/* a connection without work is closed with QUIT, and another opened when there is some */
static void
test_pool__idle_connection_is_closed_in_time(void **state)
{
    crowd *c = crowd_new(CHUNKING_EHLO);
    lw_completion done;
    lw_pool_stats s;
    pool_aim a;
    lw_pool *p;

    (void)state;
    crowd_start(c);
    pool_aim_at(&a, c->port);
    a.opts.idle_ms = 0;
    p = pool_open(&a);
    for (unsigned n = 1; n <= 5; n++) {
        assert_int_equal(pool_give(p, "ok", n, NULL, true, NULL), LW_OK);
        assert_int_equal(lw_pool_next(p, LW_FOREVER, &done), LW_OK);
        assert_string_equal(lw_report_outcome(done.report), "accepted");
        lw_report_free(done.report);
        do
            lw_pool_stats_get(p, &s);
        while (s.open > 0);
    }
    assert_int_equal(s.lost, 0);
    lw_pool_close(p);
    crowd_stop(c);
    assert_int_equal(c->connections, 5);
    free(c);
}

/* ---- rates and queues, without a clock: see test_pool_queue.c; threads: ----------------- */

static void
test_pool__full_queue_says_again(void **state)
{
    crowd *c = crowd_new(CHUNKING_EHLO);
    pool_tally *t = pool_tally_new();
    pool_aim a;
    lw_pool *p;

    (void)state;
    pool_aim_at(&a, closed_port());
    a.opts.max_waiting = 3;
    a.opts.retry.attempts = 1000000;
    a.opts.retry.first_ms = 3600000;
    a.opts.retry.max_ms = 3600000;
    p = pool_open(&a);
    for (unsigned n = 0; n < 3; n++)
        assert_int_equal(pool_give(p, "ok", n, t, false, NULL), LW_OK);
    assert_int_equal(pool_give(p, "ok", 3, t, false, NULL), LW_AGAIN);
    assert_int_equal(t->n_bodies, 0); /* what was not taken is the caller's */
    lw_pool_close(p);
    pool_check(t, c, 3);
    free(t);
    free(c);
}

static void
test_pool__bytes_are_bounded_one_job_is_always_taken(void **state)
{
    pool_tally *t = pool_tally_new();
    lw_pool_stats s;
    pool_aim a;
    lw_pool *p;

    (void)state;
    pool_aim_at(&a, closed_port());
    a.opts.max_waiting_bytes = 1;
    a.opts.retry.attempts = 1000000;
    a.opts.retry.first_ms = a.opts.retry.max_ms = 3600000;
    p = pool_open(&a);
    assert_int_equal(pool_give(p, "ok", 0, t, false, NULL), LW_OK);
    assert_int_equal(pool_give(p, "ok", 1, t, false, NULL), LW_AGAIN);
    lw_pool_stats_get(p, &s);
    assert_int_equal(s.waiting, 1);
    assert_int_equal(s.waiting_bytes, sizeof pool_text - 1);
    lw_pool_close(p);
    assert_int_equal(t->n_told, 1);
    free(t);
}

/* completions that nobody fetches fill the pool: waiting for room would never end */
static void
test_pool__unfetched_completions_fill_it(void **state)
{
    crowd *c = crowd_new(CHUNKING_EHLO);
    lw_completion done;
    unsigned n = 0, fetched = 0;
    pool_aim a;
    lw_pool *p;
    lw_code rc;

    (void)state;
    crowd_start(c);
    pool_aim_at(&a, c->port);
    a.opts.max_waiting = 5;
    p = pool_open(&a);
    while (n < 200) {
        if ((rc = pool_give(p, "ok", n, NULL, true, NULL)) == LW_OK) {
            n++;
            continue;
        }
        assert_int_equal(rc, LW_AGAIN);
        assert_int_equal(lw_pool_next(p, 0, &done), LW_OK);
        assert_string_equal(lw_report_outcome(done.report), "accepted");
        lw_report_free(done.report);
        fetched++;
    }
    while (lw_pool_next(p, LW_FOREVER, &done) == LW_OK) {
        lw_report_free(done.report);
        fetched++;
    }
    assert_int_equal(fetched, 200);
    lw_pool_close(p);
    crowd_stop(c);
    free(c);
}

static void
test_pool__cancel_waiting_job_is_unsent(void **state)
{
    crowd *c = crowd_new(CHUNKING_EHLO);
    pool_tally *t = pool_tally_new();
    lw_job_id id[3];
    pool_aim a;
    lw_pool *p;

    (void)state;
    pool_aim_at(&a, closed_port());
    a.opts.retry.attempts = 1000000;
    a.opts.retry.first_ms = a.opts.retry.max_ms = 3600000;
    p = pool_open(&a);
    for (unsigned n = 0; n < 3; n++)
        assert_int_equal(pool_give(p, "ok", n, t, false, &id[n]), LW_OK);
    assert_int_equal(lw_pool_cancel(p, id[1]), LW_OK);
    while (t->n_told == 0)
        sched_yield();
    assert_int_equal(lw_pool_cancel(p, id[1]), LW_DONE);
    assert_int_equal(lw_pool_cancel(p, 12345), LW_DONE);
    assert_int_equal(t->n_told, 1);
    assert_int_equal(t->told[1], 1);
    assert_int_equal(t->outcome[1], LW_OUTCOME_UNSENT);
    assert_non_null(strstr(t->text, "canceled"));
    lw_pool_close(p);
    pool_check(t, c, 3);
    free(t);
    free(c);
}

/* the server takes the message and never answers: stopping cuts, and says what it must */
static void
test_pool__stop_in_flight_is_uncertain_waiting_is_unsent(void **state)
{
    crowd *c = crowd_new(CHUNKING_EHLO);
    pool_tally *t = pool_tally_new();
    pool_aim a;
    lw_pool *p;

    (void)state;
    c->is_silent = true;
    crowd_start(c);
    pool_aim_at(&a, c->port);
    a.opts.connections = 1;
    a.send.window = 4;
    a.opts.stop_ms = 0;
    p = pool_open(&a);
    for (unsigned n = 0; n < 11; n++)
        assert_int_equal(pool_give(p, "ok", n, t, true, NULL), LW_OK);
    while (c->unanswered < 4) /* the first message went alone, and was answered */
        sched_yield();
    lw_pool_stop(p);
    assert_int_equal(pool_give(p, "ok", 11, t, true, NULL), LW_ECANCELED);
    assert_int_equal(lw_pool_drain(p), LW_OK);
    lw_pool_close(p);
    crowd_stop(c);
    pool_check(t, c, 11);
    assert_int_equal(pool_count(t, 11, LW_OUTCOME_ACCEPTED), 1);
    assert_int_equal(pool_count(t, 11, LW_OUTCOME_UNCERTAIN), 4);
    assert_int_equal(pool_count(t, 11, LW_OUTCOME_UNSENT), 6);
    free(t);
    free(c);
}

static void
test_pool__cancel_switch_ends_it(void **state)
{
    pool_tally *t = pool_tally_new();
    lw_cancel *cancel = lw_cancel_new();
    pool_aim a;
    lw_pool *p;

    (void)state;
    pool_aim_at(&a, closed_port());
    a.send.cancel = cancel;
    a.opts.max_waiting = 2;
    a.opts.retry.attempts = 1000000;
    a.opts.retry.first_ms = a.opts.retry.max_ms = 3600000;
    p = pool_open(&a);
    assert_int_equal(pool_give(p, "ok", 0, t, true, NULL), LW_OK);
    assert_int_equal(pool_give(p, "ok", 1, t, true, NULL), LW_OK);
    lw_cancel_now(cancel);
    assert_int_equal(pool_give(p, "ok", 2, t, true, NULL), LW_ECANCELED); /* it waited */
    assert_int_equal(lw_pool_drain(p), LW_ECANCELED);
    assert_int_equal(t->n_told, 2);
    lw_pool_close(p);
    lw_cancel_free(cancel);
    free(t);
}

/* stopped, closed, canceled at moments that nobody chose */
static void
test_pool__stop_and_cancel_at_random_moments(void **state)
{
    enum { N = 200 };
    unsigned seed = 7;

    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        crowd *c = crowd_new(round % 2 == 0 ? CHUNKING_EHLO : PIPELINING_EHLO);
        pool_tally *t = pool_tally_new();
        unsigned at, given = 0;
        lw_job_id id;
        pool_aim a;
        lw_pool *p;

        crowd_start(c);
        pool_aim_at(&a, c->port);
        a.opts.threads = 1 + round % 3;
        a.send.window = 1 + round % 16;
        p = pool_open(&a);
        seed = seed * 1103515245u + 12345u;
        at = (seed >> 8) % N;
        for (; given < N; given++) {
            if (given == at)
                lw_pool_stop(p);
            if (pool_give(p, "ok", given, t, true, &id) != LW_OK)
                break;
            if (given % 7 == 0)
                (void)lw_pool_cancel(p, id);
        }
        assert_int_equal(given, at);
        if (round % 4 < 2)
            assert_int_equal(lw_pool_drain(p), LW_OK);
        lw_pool_close(p);
        crowd_stop(c);
        pool_check(t, c, given);
        free(t);
        free(c);
    }
}

/* ---- connections that die at any octet -------------------------------------------------- */

static void
test_pool__cut_at_random_octets_outcomes_are_true(void **state)
{
    enum { N = 120 };
    static const char *const ehlos[] = { CHUNKING_EHLO, PIPELINING_EHLO, LOCK_STEP_EHLO };

    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        crowd *c = crowd_new(ehlos[round % 3]);
        pool_tally *t = pool_tally_new();
        lw_pool_stats s;
        pool_aim a;

        c->seed = 1000 + round;
        c->cut_below = 3000;
        crowd_start(c);
        pool_aim_at(&a, c->port);
        a.send.window = 1u << round % 6;
        a.opts.threads = 1 + round % 2;
        a.opts.retry.attempts = 1 + round % 4;
        run_jobs(&a, "ok", N, t, &s);
        crowd_stop(c);
        pool_check(t, c, N);
        free(t);
        free(c);
    }
}

static unsigned
dice(unsigned *seed, unsigned n)
{
    *seed = *seed * 1103515245u + 12345u;
    return (*seed >> 8) % n;
}

/* limits, cuts, closes, pauses, rates, threads, a dead server and cancels at once: everybody is
 * told of in the end, and truly */
static void
test_pool__everything_at_once_ends(void **state)
{
    enum { N = 150, ROUNDS = 60 };
    static const char *const ehlos[] = { CHUNKING_EHLO, PIPELINING_EHLO, LOCK_STEP_EHLO };
    uint16_t closed = closed_port();
    unsigned seed = 42;

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        crowd *c = crowd_new(ehlos[dice(&seed, 3)]);
        pool_tally *t = pool_tally_new();
        const char *servers[2];
        char dead[64];
        lw_job_id id;
        pool_aim a;
        lw_pool *p;

        c->max_conns = dice(&seed, 4);
        c->close_after = dice(&seed, 3) == 0 ? 1 + dice(&seed, 5) : 0;
        c->seed = dice(&seed, 2) * (1 + round);
        c->cut_below = 4000;
        c->deferrals = 1;
        crowd_start(c);
        pool_aim_at(&a, c->port);
        snprintf(dead, sizeof dead, "smtp://127.0.0.1:%u", closed);
        servers[0] = dead;
        servers[1] = a.url;
        if (dice(&seed, 3) == 0) {
            a.send.servers = servers;
            a.send.n_servers = 2;
        }
        a.opts.spread = dice(&seed, 2);
        a.opts.threads = 1 + dice(&seed, 4);
        a.opts.connections = 1 + dice(&seed, 8);
        a.send.window = 1 + dice(&seed, 12);
        a.opts.max_waiting = 1 + dice(&seed, 60);
        a.opts.max_messages = dice(&seed, 2) * 7;
        a.opts.idle_ms = dice(&seed, 3);
        a.opts.retry.first_ms = dice(&seed, 4);
        a.opts.retry.max_ms = 4;
        a.opts.rates.messages = dice(&seed, 3) == 0 ? 5000 : 0;
        a.opts.rates.recipients_per_domain = dice(&seed, 3) == 0 ? 4000 : 0;
        a.opts.rates.messages_per_connection = dice(&seed, 3) == 0 ? 3000 : 0;
        p = pool_open(&a);
        for (unsigned n = 0; n < N; n++) {
            assert_int_equal(pool_give(p, dice(&seed, 5) == 0 ? "defer" : "ok", n, t, true, &id),
                             LW_OK);
            if (dice(&seed, 10) == 0)
                (void)lw_pool_cancel(p, id);
        }
        assert_int_equal(lw_pool_drain(p), LW_OK);
        lw_pool_close(p);
        crowd_stop(c);
        pool_check(t, c, N);
        free(t);
        free(c);
    }
}

/* ---- the caller's loop ------------------------------------------------------------------ */

typedef struct looped {
    pool_tally *t;
    lw_pool *pool;
    unsigned n_given;
} looped;

static void
on_idle(uv_idle_t *idle)
{
    looped *l = idle->data;

    while (l->n_given < 300 && pool_give(l->pool, "ok", l->n_given, l->t, true, NULL) == LW_OK)
        l->n_given++;
    if (l->t->n_told < 300)
        return;
    uv_idle_stop(idle);
    assert_int_equal(lw_pool_drain(l->pool), LW_OK);
    lw_pool_close(l->pool);
}

static void
test_pool__callers_loop_no_thread(void **state)
{
    crowd *c = crowd_new(CHUNKING_EHLO);
    looped l = { .t = pool_tally_new() };
    uv_loop_t loop;
    uv_idle_t idle;
    pool_aim a;

    (void)state;
    crowd_start(c);
    assert_int_equal(uv_loop_init(&loop), 0);
    uv_idle_init(&loop, &idle);
    idle.data = &l;
    pool_aim_at(&a, c->port);
    a.opts.loop = &loop;
    a.opts.max_waiting = 20;
    l.pool = pool_open(&a);
    /* waiting on the loop's own thread would never end */
    for (unsigned n = 0; n < 20; n++)
        assert_int_equal(pool_give(l.pool, "ok", l.n_given++, l.t, true, NULL), LW_OK);
    assert_int_equal(pool_give(l.pool, "ok", 20, l.t, true, NULL), LW_AGAIN);
    assert_int_equal(lw_pool_drain(l.pool), LW_AGAIN);
    uv_idle_start(&idle, on_idle);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&idle, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    crowd_stop(c);
    pool_check(l.t, c, 300);
    free(l.t);
    free(c);
}

/* ---- messages --------------------------------------------------------------------------- */

static void
test_pool__message_is_taken_on_success_only(void **state)
{
    crowd *c = crowd_new(CHUNKING_EHLO);
    lw_message *m = lw_message_new();
    lw_completion done;
    lw_error err;
    pool_aim a;
    lw_pool *p;
    lw_job job;

    (void)state;
    crowd_start(c);
    pool_aim_at(&a, c->port);
    p = pool_open(&a);
    lw_job_init(&job);
    assert_int_equal(lw_pool_submit(p, &job, NULL, &err), LW_EUSAGE);
    job.message = m;
    (void)lw_message_from(m, "ann@example.com");
    assert_true(lw_pool_submit(p, &job, NULL, &err) < 0);
    assert_non_null(strstr(err.text, "no recipient"));
    (void)lw_message_to(m, "ok-1@example.org, ok-2@example.org");
    (void)lw_message_text(m, "text\n");
    assert_int_equal(lw_pool_submit(p, &job, NULL, &err), LW_OK);
    assert_int_equal(lw_pool_next(p, LW_FOREVER, &done), LW_OK);
    assert_string_equal(lw_report_outcome(done.report), "accepted");
    assert_int_equal(lw_report_n_results(done.report), 2);
    assert_true(strlen(lw_report_message_id(done.report)) > 5);
    assert_non_null(lw_report_server(done.report)->greeting);
    lw_report_free(done.report);
    lw_pool_close(p);
    crowd_stop(c);
    assert_int_equal(c->stored[1] + c->stored[2], 2);
    free(c);
}

/* what the peer takes decides, as in a session: not known before there is a connection */
static void
test_pool__message_is_encoded_for_what_the_server_takes(void **state)
{
    static const struct {
        const char *ehlo;
        unsigned taken_as;
    } rows[] = { { PIPELINING_EHLO, LW_BODY_7BIT },
                 { "250-crowd\r\n250 8BITMIME\r\n", LW_BODY_8BITMIME },
                 { "250-crowd\r\n250-8BITMIME\r\n250-CHUNKING\r\n250 BINARYMIME\r\n",
                   LW_BODY_BINARYMIME } };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        crowd *c = crowd_new(rows[i].ehlo);
        lw_completion done;
        pool_aim a;
        lw_pool *p;
        lw_job job;

        c->deferrals = 1; /* the second attempt is encoded anew */
        crowd_start(c);
        pool_aim_at(&a, c->port);
        p = pool_open(&a);
        lw_job_init(&job);
        job.message = lw_message_new();
        (void)lw_message_from(job.message, "ann@example.com");
        (void)lw_message_to(job.message, "defer-1@example.org");
        (void)lw_message_text(job.message, "gr\xc3\xbcn\n");
        (void)lw_message_attach_memory(job.message, "\0\xff", 2, &(lw_attachment){ .name = "x.bin" });
        assert_int_equal(lw_pool_submit(p, &job, NULL, NULL), LW_OK);
        assert_int_equal(lw_pool_next(p, LW_FOREVER, &done), LW_OK);
        assert_string_equal(lw_report_outcome(done.report), "accepted");
        assert_int_equal(done.attempts, 2);
        lw_report_free(done.report);
        lw_pool_close(p);
        crowd_stop(c);
        assert_int_equal(c->last_body, rows[i].taken_as);
        free(c);
    }
}

static void
test_open__wrong_options_named(void **state)
{
    pool_aim a;
    lw_pool *p;
    lw_error err;

    (void)state;
    pool_aim_at(&a, 25);
    a.opts.size++;
    assert_int_equal(lw_pool_open(&a.opts, &p, &err), LW_EUSAGE);
    pool_aim_at(&a, 25);
    a.opts.connections = 0;
    assert_int_equal(lw_pool_open(&a.opts, &p, &err), LW_EUSAGE);
    pool_aim_at(&a, 25);
    a.servers[0] = "nonsense";
    assert_int_equal(lw_pool_open(&a.opts, &p, &err), LW_ECONFIG);
    assert_null(p);
    pool_aim_at(&a, 25);
    a.send.n_servers = 0;
    assert_int_equal(lw_pool_open(&a.opts, &p, &err), LW_ECONFIG);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool__many_messages_each_arrives_once),
        cmocka_unit_test(test_pool__server_closes_after_k_nothing_lost),
        cmocka_unit_test(test_pool__server_that_loses_commands_gets_one_at_a_time),
        cmocka_unit_test(test_pool__503_behind_proven_pipelining_ends_no_session),
        cmocka_unit_test(test_pool__503_whose_second_try_fails_is_unsent),
        cmocka_unit_test(test_pool__503_without_second_try_is_unsent),
        cmocka_unit_test(test_pool__no_pipelining_is_obeyed),
        cmocka_unit_test(test_pool__mailmax_sessions_are_renewed),
        cmocka_unit_test(test_pool__mail_put_off_after_k_sessions_are_renewed),
        cmocka_unit_test(test_pool__mail_put_off_for_all_connections_stay),
        cmocka_unit_test(test_pool__session_ended_with_the_ehlo_reply_costs_attempts),
        cmocka_unit_test(test_pool__max_messages_sessions_are_renewed),
        cmocka_unit_test(test_pool__too_many_connections_keeps_to_fewer),
        cmocka_unit_test(test_pool__rate_of_a_connection_opens_more),
        cmocka_unit_test(test_pool__refused_recipients_rejected_once),
        cmocka_unit_test(test_pool__deferred_is_tried_again_as_often_as_asked),
        cmocka_unit_test(test_pool__only_deferred_recipients_are_offered_again),
        cmocka_unit_test(test_pool__job_that_kills_connections_hurts_nobody_else),
        cmocka_unit_test(test_pool__refused_login_fails_all_with_one_try),
        cmocka_unit_test(test_pool__nobody_listens_attempts_are_spent),
        cmocka_unit_test(test_pool__submitted_in_the_pause_of_a_server_is_told_of),
        cmocka_unit_test(test_pool__job_that_comes_in_a_pause_is_told_of),
        cmocka_unit_test(test_pool__next_server_when_the_first_fails),
        cmocka_unit_test(test_pool__spread_uses_all_servers),
        cmocka_unit_test(test_pool__idle_connection_is_closed_in_time),
        cmocka_unit_test(test_pool__full_queue_says_again),
        cmocka_unit_test(test_pool__bytes_are_bounded_one_job_is_always_taken),
        cmocka_unit_test(test_pool__unfetched_completions_fill_it),
        cmocka_unit_test(test_pool__cancel_waiting_job_is_unsent),
        cmocka_unit_test(test_pool__stop_in_flight_is_uncertain_waiting_is_unsent),
        cmocka_unit_test(test_pool__cancel_switch_ends_it),
        cmocka_unit_test(test_pool__stop_and_cancel_at_random_moments),
        cmocka_unit_test(test_pool__cut_at_random_octets_outcomes_are_true),
        cmocka_unit_test(test_pool__everything_at_once_ends),
        cmocka_unit_test(test_pool__callers_loop_no_thread),
        cmocka_unit_test(test_pool__message_is_taken_on_success_only),
        cmocka_unit_test(test_pool__message_is_encoded_for_what_the_server_takes),
        cmocka_unit_test(test_open__wrong_options_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
