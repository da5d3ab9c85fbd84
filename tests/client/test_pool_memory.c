/* SPDX-License-Identifier: MIT */
/*
 * test_pool_memory.c - the n-th allocation of a pool fails, once or from then on
 *
 * Whatever fails: a job that was taken is told of once, what it says is true, and nothing is
 * left allocated.  The pool runs on the test's own loop, so that every run is the same.
 */
#include "client/pool_test.h"

#include "support/memory.h"

enum { JOBS = 6 };

/* what was told, and of how many jobs the pool had no memory for a report */
typedef struct run {
    pool_tally *t;
    unsigned n_taken;
    bool was_open;
} run;

static void
work(lw_pool *p, uv_loop_t *loop, run *r)
{
    for (unsigned n = 0; n < JOBS; n++)
        r->n_taken += pool_give(p, n == 3 ? "defer" : "ok", n, r->t, false, NULL) == LW_OK;
    pool_run_until_told(loop, r->t, r->n_taken);
}

static void
run_with(const crowd *c, test_memory *memory, run *r)
{
    lw_pool *p = NULL;
    uv_loop_t loop;
    lw_error err;
    pool_aim a;

    r->t = pool_tally_new();
    r->n_taken = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    pool_aim_at(&a, c->port);
    a.send.alloc = &memory->alloc;
    a.opts.loop = &loop;
    a.opts.connections = 2;
    a.send.window = 2;
    r->was_open = lw_pool_open(&a.opts, &p, &err) == LW_OK;
    if (r->was_open)
        work(p, &loop, r);
    lw_pool_close(p);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(memory->n_out, 0);
}

/* a report that there was no memory for has no outcome: then nothing was sent */
static void
check_run(const crowd *c, const run *r, const unsigned *stored_before)
{
    assert_int_equal(r->t->n_told, r->n_taken);
    for (unsigned n = 0; n < JOBS; n++) {
        unsigned stored = c->stored[n] - stored_before[n];

        assert_in_range(r->t->told[n], 0, 1);
        if (r->t->told[n] == 0)
            assert_int_equal(stored, 0);
        else if (r->t->outcome[n] == LW_OUTCOME_ACCEPTED)
            assert_int_equal(stored, 1);
        else
            assert_int_equal(stored, 0);
    }
}

static void
fail_each(bool once)
{
    crowd *c = crowd_new(CHUNKING_EHLO);
    long at = 0;
    bool has_failed = true;

    c->deferrals = 1;
    crowd_start(c);
    for (; has_failed; at++) {
        unsigned before[JOBS];
        test_memory memory;
        run r;

        for (unsigned n = 0; n < JOBS; n++)
            before[n] = c->stored[n];
        test_memory_init(&memory, at);
        memory.once = once;
        run_with(c, &memory, &r);
        check_run(c, &r, before);
        has_failed = memory.has_failed;
        free(r.t);
    }
    assert_in_range(at, 30, 400);
    crowd_stop(c);
    free(c);
}

static void
test_pool__each_allocation_fails_once(void **state)
{
    (void)state;
    fail_each(true);
}

static void
test_pool__each_allocation_fails_and_all_later(void **state)
{
    (void)state;
    fail_each(false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool__each_allocation_fails_once),
        cmocka_unit_test(test_pool__each_allocation_fails_and_all_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
