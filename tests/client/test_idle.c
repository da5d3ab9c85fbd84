/* SPDX-License-Identifier: MIT */
/*
 * test_idle.c - time that passes while nothing is under way: no time-out counts it
 *
 * Nobody tells an engine the time while it is idle.  So what passed is taken from its clock, and
 * no test has to wait.
 */
#include "client/pool_int.h"
#include "client/pool_test.h"
#include "smtp/client_int.h"

static void
let_pass(lw_smtp *e)
{
    const uint64_t ms = e->opts.timeouts.block_ms + 1;

    assert_true(e->began_ms > ms);
    e->now_ms -= ms;
    e->since_ms -= ms;
    e->began_ms -= ms;
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

        let_pass(lw_session_engine(s));
        if (lw_session_send_raw(s, &env, &body, &r) != LW_OK)
            fail_msg("%s", lw_report_text(r));
        lw_report_free(r);
    }
    lw_session_close(s);
    crowd_stop(c);
    assert_int_equal(c->connections, 1);
    free(c);
}

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
            let_pass(((lw_line *)lw_list_first(idle))->channel.link.engine);
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session__idle_longer_than_a_stage_may_take),
        cmocka_unit_test(test_pool__idle_longer_than_a_stage_may_take),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
