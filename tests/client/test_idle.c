/* SPDX-License-Identifier: MIT */
/*
 * test_idle.c - time that passes while nothing is under way, or while we are held up: no time-out
 * counts it
 *
 * Nobody tells an engine the time then.  So what passed is taken from its clock, and no test has to
 * wait.  And time that passed before a wait begins: that wait has an end, too.
 */
#include "client/pool_int.h"
#include "client/pool_test.h"
#include "smtp/client_int.h"

#include "support/peer.h"

static void
let_pass(lw_link *l, uint64_t ms)
{
    lw_smtp *e = l->engine;

    assert_true(e->began_ms > ms);
    e->now_ms -= ms;
    e->since_ms -= ms;
    e->began_ms -= ms;
    l->now_ms = e->judged_ms = 0;
}

static void
test_session__idle_longer_than_a_stage_may_take(void **none)
{
    crowd *c = crowd_new(CHUNKING_EHLO);
    lw_report *r = NULL;
    lw_session *s;
    lw_error err;
    pool_aim a;

    (void)none;
    crowd_start(c);
    pool_aim_at(&a, c->port);
    a.send.timeouts.block_ms = 5000;
    assert_int_equal(lw_session_open(&a.send, &s, &err), LW_OK);
    for (unsigned i = 0; i < 3; i++) {
        lw_rcpt rcpt = { .address = "bob-1@example.org" };
        lw_envelope env = { .from = "ann@example.com", .rcpts = &rcpt, .n_rcpts = 1 };
        lw_body body = { .next = pool_next_span, .rewind = pool_rewind,
                         .size = sizeof pool_text - 1, .is_canonical = true };

        let_pass(&s->channel.link, a.send.timeouts.block_ms + 1);
        if (lw_session_send_raw(s, &env, &body, &r) != LW_OK)
            fail_msg("%s", lw_report_text(r));
        lw_report_free(r);
    }
    lw_session_close(s);
    crowd_stop(c);
    assert_int_equal(c->connections, 1);
    free(c);
}

/* ---- time that passes before a wait begins ------------------------------------------------ */

#define SILENT_EHLO "250-peer\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
#define SILENT_GREETING "220 peer ESMTP\r\n" /* as peer.h says it */

static void
stall(void *ctx)
{
    (void)ctx;
}

/* the body takes longer than any time-out of the test: each is over when the wait begins */
static lw_code
next_span_late(void *ctx, lw_span *span)
{
    const uint64_t began = uv_hrtime();

    while (uv_hrtime() - began < 10 * 1000000u)
        sched_yield();
    return pool_next_span(ctx, span);
}

/* sends to a server that says nothing more, and never would */
static lw_code
send_to_silent(lw_session *s, lw_report **r)
{
    lw_rcpt rcpt = { .address = "bob-1@example.org" };
    lw_envelope env = { .from = "ann@example.com", .rcpts = &rcpt, .n_rcpts = 1 };
    lw_body body = { .next = next_span_late, .rewind = pool_rewind,
                     .size = sizeof pool_text - 1, .is_canonical = true };

    return lw_session_send_raw(s, &env, &body, r);
}

/* the time of the call, or of each stage, with nothing else that would end the wait */
static void
test_session__time_over_before_the_wait_ends_it(void **none)
{
    (void)none;
    for (unsigned of_call = 0; of_call < 2; of_call++) {
        peer p = { .ehlo = SILENT_EHLO, .act = PEER_STALLS, .on_stall = stall,
                   .budget = sizeof SILENT_GREETING - 1 + sizeof SILENT_EHLO - 1 };
        lw_report *r = NULL;
        lw_session *s;
        lw_error err;
        pool_aim a;

        peer_start(&p);
        pool_aim_at(&a, p.port);
        if (!of_call)
            a.send.timeouts.mail_ms = a.send.timeouts.rcpt_ms = a.send.timeouts.data_ms =
                a.send.timeouts.block_ms = a.send.timeouts.final_ms = 1;
        a.send.timeouts.quit_ms = 1;
        if (lw_session_open(&a.send, &s, &err) != LW_OK)
            fail_msg("%s", err.text);
        if (of_call)
            s->setup.opts.timeout_ms = 1;
        assert_int_equal(send_to_silent(s, &r), LW_ETIMEOUT);
        lw_report_free(r);
        lw_session_close(s);
        peer_stop(&p);
    }
}

/* ---- a pool ------------------------------------------------------------------------------- */

typedef struct rest {
    pool_told told;
    const lw_list *idle;
} rest;

static bool
is_told_and_idle(void *ctx)
{
    rest *r = ctx;

    return pool_has_told(&r->told) && r->idle->n > 0;
}

static void
test_pool__idle_longer_than_a_stage_may_take(void **none)
{
    enum { N = 3 };
    crowd *c = crowd_new(CHUNKING_EHLO);
    pool_tally *t = pool_tally_new();
    uv_loop_t loop;
    lw_pool *p;
    pool_aim a;

    (void)none;
    assert_int_equal(uv_loop_init(&loop), 0);
    crowd_start(c);
    pool_aim_at(&a, c->port);
    a.send.timeouts.block_ms = 5000;
    a.opts.loop = &loop;
    a.opts.connections = 1;
    a.opts.retry.attempts = 1;
    p = pool_open(&a);
    for (unsigned i = 0; i < N; i++) {
        lw_list *idle = &p->workers[0].lines[LW_LINE_IDLE];
        rest r = { { t, i + 1 }, idle };

        if (i > 0)
            let_pass(&((lw_line *)lw_list_first(idle))->channel.link,
                     a.send.timeouts.block_ms + 1);
        assert_int_equal(pool_give(p, "ok", i, t, false, NULL), LW_OK);
        pool_run_until(&loop, is_told_and_idle, &r);
    }
    lw_pool_close(p);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    crowd_stop(c);
    pool_check(t, c, N);
    assert_int_equal(pool_count(t, N, LW_OUTCOME_ACCEPTED), N);
    assert_int_equal(c->connections, 1);
    free(t);
    free(c);
}

/* The reply came in time, and we look too late: we were stopped, or held up by the program. */
static void
test_pool__reply_that_has_come_was_in_time(void **none)
{
    crowd *c = crowd_new(CHUNKING_EHLO);
    pool_tally *t = pool_tally_new();
    uv_loop_t loop;
    lw_line *line;
    lw_pool *p;
    pool_aim a;
    int fd;

    (void)none;
    c->is_first_late = true;
    assert_int_equal(uv_loop_init(&loop), 0);
    crowd_start(c);
    pool_aim_at(&a, c->port);
    a.send.timeouts.mail_ms = a.send.timeouts.rcpt_ms = a.send.timeouts.final_ms = 5000;
    a.opts.loop = &loop;
    a.opts.connections = 1;
    a.opts.retry.attempts = 1;
    p = pool_open(&a);
    assert_int_equal(pool_give(p, "ok", 0, t, false, NULL), LW_OK);
    while (c->messages == 0)
        uv_run(&loop, UV_RUN_NOWAIT);
    line = (lw_line *)lw_list_first(&p->workers[0].lines[LW_LINE_FULL]);
    assert_non_null(line);
    fd = crowd_dial(c); /* the late reply is said when another one comes */
    while (c->late_replies == 0)
        sched_yield();
    let_pass(&line->channel.link, a.send.timeouts.final_ms + 1);
    while (t->n_told == 0)
        uv_run(&loop, UV_RUN_ONCE);
    close(fd);
    lw_pool_close(p);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    crowd_stop(c);
    pool_check(t, c, 1);
    assert_int_equal(t->outcome[0], LW_OUTCOME_ACCEPTED);
    free(t);
    free(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session__idle_longer_than_a_stage_may_take),
        cmocka_unit_test(test_session__time_over_before_the_wait_ends_it),
        cmocka_unit_test(test_pool__idle_longer_than_a_stage_may_take),
        cmocka_unit_test(test_pool__reply_that_has_come_was_in_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
