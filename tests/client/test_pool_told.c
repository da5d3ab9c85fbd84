/* SPDX-License-Identifier: MIT */
/*
 * test_pool_told.c - what a pool tells besides outcomes: how long an answer took, when a server that
 * is away is tried again
 */
#include "client/pool_test.h"

#include <sched.h>

/* ---- the time of an answer -------------------------------------------------------------- */

static void
take_all(lw_pool *p, lw_completion *done, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        lw_completion one;

        assert_int_equal(lw_pool_next(p, LW_FOREVER, &one), LW_OK);
        lw_report_free(one.report);
        done[(uintptr_t)one.tag] = one;
    }
}

/* each is given to the connection when the one before it was answered, however long it has waited */
static void
test_completion__time_begins_when_a_connection_has_it(void **state)
{
    enum { N = 20 };
    crowd *c = crowd_new(LOCK_STEP_EHLO);
    lw_completion done[N];
    pool_aim a;
    lw_pool *p;

    (void)state;
    crowd_start(c);
    pool_aim_at(&a, c->port);
    a.opts.connections = 1;
    p = pool_open(&a);
    for (unsigned n = 0; n < N; n++)
        assert_int_equal(pool_give(p, "ok", n, NULL, true, NULL), LW_OK);
    take_all(p, done, N);
    for (unsigned n = 0; n < N; n++) {
        assert_true(done[n].began_ns > 0);
        assert_true(done[n].began_ns <= done[n].ended_ns);
        if (n > 0)
            assert_true(done[n - 1].ended_ns <= done[n].began_ns);
    }
    lw_pool_close(p);
    crowd_stop(c);
    free(c);
}

typedef struct fetched {
    lw_pool *p;
    lw_completion done[2];
    unsigned n;
} fetched;

static bool
has_fetched_both(void *ctx)
{
    fetched *f = ctx;
    lw_completion one;

    for (; lw_pool_next(f->p, 0, &one) == LW_OK; f->n++) {
        lw_report_free(one.report);
        f->done[(uintptr_t)one.tag] = one;
    }
    return f->n == 2;
}

/* the first is put off, the second goes before it is tried again: both wait when the loop begins */
static void
test_completion__time_is_of_the_last_attempt(void **state)
{
    crowd *c = crowd_new(LOCK_STEP_EHLO);
    fetched f = { .n = 0 };
    uv_loop_t loop;
    pool_aim a;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    c->deferrals = 1;
    crowd_start(c);
    pool_aim_at(&a, c->port);
    a.opts.connections = 1;
    a.opts.loop = &loop;
    f.p = pool_open(&a);
    assert_int_equal(pool_give(f.p, "defer", 0, NULL, false, NULL), LW_OK);
    assert_int_equal(pool_give(f.p, "ok", 1, NULL, false, NULL), LW_OK);
    pool_run_until(&loop, has_fetched_both, &f);
    assert_int_equal(f.done[0].attempts, 2);
    assert_int_equal(f.done[1].attempts, 1);
    assert_true(f.done[1].ended_ns <= f.done[0].began_ns);
    assert_true(f.done[0].began_ns <= f.done[0].ended_ns);
    lw_pool_close(f.p);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    crowd_stop(c);
    free(c);
}

static void
test_completion__without_a_connection_there_is_no_time(void **state)
{
    lw_completion done;
    pool_aim a;
    lw_pool *p;

    (void)state;
    pool_aim_at(&a, closed_port());
    a.opts.retry.attempts = 1;
    p = pool_open(&a);
    assert_int_equal(pool_give(p, "ok", 0, NULL, true, NULL), LW_OK);
    take_all(p, &done, 1);
    assert_int_equal(done.attempts, 0);
    assert_int_equal(done.began_ns, 0);
    assert_int_equal(done.ended_ns, 0);
    lw_pool_close(p);
}

/* ---- a server that is away -------------------------------------------------------------- */

static uint64_t
next_try(lw_pool *p)
{
    lw_pool_stats s;

    lw_pool_stats_get(p, &s);
    return s.next_try_ms;
}

static void
test_stats__server_away_next_try_is_told(void **state)
{
    pool_aim a;
    lw_pool *p;

    (void)state;
    pool_aim_at(&a, closed_port());
    a.opts.retry.first_ms = a.opts.retry.max_ms = 3600000;
    p = pool_open(&a);
    assert_int_equal(next_try(p), 0);
    assert_int_equal(pool_give(p, "ok", 0, NULL, true, NULL), LW_OK);
    while (next_try(p) == 0)
        sched_yield();
    assert_in_range(next_try(p), 1, 3600000);
    lw_pool_close(p);
}

static void
test_stats__server_up_there_is_no_next_try(void **state)
{
    crowd *c = crowd_new(LOCK_STEP_EHLO);
    lw_completion done;
    pool_aim a;
    lw_pool *p;

    (void)state;
    crowd_start(c);
    pool_aim_at(&a, c->port);
    p = pool_open(&a);
    assert_int_equal(pool_give(p, "ok", 0, NULL, true, NULL), LW_OK);
    take_all(p, &done, 1);
    assert_int_equal(next_try(p), 0);
    lw_pool_close(p);
    crowd_stop(c);
    free(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_completion__time_begins_when_a_connection_has_it),
        cmocka_unit_test(test_completion__time_is_of_the_last_attempt),
        cmocka_unit_test(test_completion__without_a_connection_there_is_no_time),
        cmocka_unit_test(test_stats__server_away_next_try_is_told),
        cmocka_unit_test(test_stats__server_up_there_is_no_next_try),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
