/* SPDX-License-Identifier: MIT */
/*
 * test_pool_queue.c - rates as arithmetic, the table of domains, the queue's order, retry pauses:
 * with a clock that the test turns
 */
#include "support/test.h"

#include "client/pool_int.h"

#define S 1000u /* ms */

/* ---- rates ------------------------------------------------------------------------------------- */

static void
test_rate__interval_of_odd_rates(void **state)
{
    (void)state;
    assert_int_equal(lw_rate_interval(0), 0);
    assert_int_equal(lw_rate_interval(-1), 0);
    assert_int_equal(lw_rate_interval(1), 1000000000);
    assert_int_equal(lw_rate_interval(0.5), 2000000000);
    assert_int_equal(lw_rate_interval(1e-9), 1000000000000);
    assert_int_equal(lw_rate_interval(1e12), 0); /* faster than the clock: no limit */
}

/* taken whenever it may be, every millisecond: the mean is exact, whatever the rate */
static void
test_rate__mean_is_exact(void **state)
{
    static const double rates[] = { 0.5, 1, 7, 49, 51, 1000, 33333, 1e6 };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(rates); i++) {
        uint64_t interval = lw_rate_interval(rates[i]), tat = 0, taken = 0;

        for (uint64_t ms = 1; ms <= 100 * S; ms++)
            for (uint64_t n = lw_rate_room(interval, tat, ms * 1000000); n > 0; n--) {
                lw_rate_take(interval, &tat, ms * 1000000, 1);
                taken++;
            }
        assert_in_range(taken, (uint64_t)(rates[i] * 99.9),
                        (uint64_t)(rates[i] * 100.1) + 1);
    }
}

static void
test_rate__unused_time_is_not_saved_up(void **state)
{
    uint64_t interval = lw_rate_interval(10), tat = 0;

    (void)state;
    assert_int_equal(lw_rate_room(interval, tat, (uint64_t)3600 * 1000000000), 1);
    lw_rate_take(interval, &tat, 5000000000, 3);
    assert_int_equal(tat, 5300000000);
    assert_int_equal(lw_rate_room(interval, tat, 5000000000), 0);
    assert_int_equal(lw_rate_ready_at(interval, tat), 5280000000);
}

static void
test_rate__absurd_amount_does_not_wrap(void **state)
{
    uint64_t interval = lw_rate_interval(1e-9), tat = 0;

    (void)state;
    lw_rate_take(interval, &tat, 1, SIZE_MAX);
    assert_true(tat == UINT64_MAX);
    assert_int_equal(lw_rate_room(interval, tat, 1), 0);
}

/* ---- domains -------------------------------------------------------------------------------------- */

static void
test_domains__same_domain_any_case_same_entry(void **state)
{
    lw_domains d;

    (void)state;
    assert_int_equal(lw_domains_init(&d, &lw_alloc_default, 1), LW_OK);
    assert_ptr_equal(lw_domains_find(&d, "a@Example.ORG", 0),
                     lw_domains_find(&d, "\"b@c\"@example.org", 0));
    assert_ptr_not_equal(lw_domains_find(&d, "a@example.org", 0),
                         lw_domains_find(&d, "a@example.net", 0));
    lw_domains_deinit(&d, &lw_alloc_default);
}

/* 100,000 domains go through the table; those whose time is past make room for others */
static void
test_domains__table_is_bounded_and_gives_places_away(void **state)
{
    lw_domains d;
    char address[64];
    unsigned shared = 0;

    (void)state;
    assert_int_equal(lw_domains_init(&d, &lw_alloc_default, 1000), LW_OK);
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t now = (uint64_t)i * 10000000;
        lw_pool_domain *e;

        snprintf(address, sizeof address, "x@d%u.example", i);
        e = lw_domains_find(&d, address, now);
        assert_in_range(e - d.table, 0, LW_DOMAINS - 1);
        shared += e->tat_ns > now;
        lw_rate_take(d.interval_ns, &e->tat_ns, now, 1);
    }
    assert_int_equal(shared, 0);
    lw_domains_deinit(&d, &lw_alloc_default);
}

static void
test_domains__all_busy_shares_and_never_fails(void **state)
{
    lw_domains d;
    char address[64];

    (void)state;
    assert_int_equal(lw_domains_init(&d, &lw_alloc_default, 1), LW_OK);
    for (unsigned i = 0; i < 5000; i++) {
        lw_pool_domain *e;

        snprintf(address, sizeof address, "x@d%u.example", i);
        e = lw_domains_find(&d, address, 1);
        lw_rate_take(d.interval_ns, &e->tat_ns, 1, 1);
        assert_in_range(e - d.table, 0, LW_DOMAINS - 1);
    }
    lw_domains_deinit(&d, &lw_alloc_default);
}

/* ---- the queue ----------------------------------------------------------------------------------------- */

typedef struct line_up {
    lw_pool_queue q;
    lw_pool_job *jobs;
    lw_rcpt *rcpts;
    unsigned n;
} line_up;

static void
line_up_init(line_up *u, unsigned cap, const lw_pool_rates *rates)
{
    assert_int_equal(lw_queue_init(&u->q, &lw_alloc_default, rates), LW_OK);
    u->jobs = calloc(cap, sizeof *u->jobs);
    u->rcpts = calloc(cap, 2 * sizeof *u->rcpts);
    u->n = 0;
}

static lw_pool_job *
add(line_up *u, const char *to, const char *cc)
{
    lw_pool_job *j = &u->jobs[u->n];
    lw_rcpt *r = &u->rcpts[2 * u->n++];

    r[0].address = to;
    r[1].address = cc;
    j->env = (lw_envelope){ .from = "", .rcpts = r, .n_rcpts = cc == NULL ? 1 : 2 };
    j->size_bytes = 10;
    assert_int_equal(lw_queue_register(&u->q, &lw_alloc_default, j), LW_OK);
    lw_queue_add(&u->q, j);
    return j;
}

static void
line_up_deinit(line_up *u)
{
    assert_int_equal(u->q.n_waiting, 0);
    assert_int_equal(u->q.bytes, 0);
    lw_queue_deinit(&u->q, &lw_alloc_default);
    free(u->jobs);
    free(u->rcpts);
}

static void
test_queue__first_in_first_out_and_ids(void **state)
{
    lw_pool_rates none = { .messages = 0 };
    lw_job_id old;
    line_up u;

    (void)state;
    line_up_init(&u, 300, &none);
    for (unsigned i = 0; i < 200; i++)
        add(&u, "a@x", NULL);
    for (unsigned i = 0; i < 200; i++) {
        assert_ptr_equal(lw_queue_find(&u.q, u.jobs[i].id), &u.jobs[i]);
        assert_ptr_equal(lw_queue_take(&u.q, 5), &u.jobs[i]);
    }
    assert_null(lw_queue_take(&u.q, 5));
    old = u.jobs[7].id;
    lw_queue_unregister(&u.q, &u.jobs[7]);
    assert_null(lw_queue_find(&u.q, old));
    add(&u, "b@x", NULL); /* has the place, not the id */
    assert_null(lw_queue_find(&u.q, old));
    assert_true(u.jobs[200].id != old && u.jobs[200].id != 0);
    assert_non_null(lw_queue_take(&u.q, 5));
    line_up_deinit(&u);
}

static void
test_queue__delayed_come_in_the_order_of_their_time(void **state)
{
    lw_pool_rates none = { .messages = 0 };
    unsigned seed = 3;
    uint64_t at, before = 0;
    line_up u;

    (void)state;
    line_up_init(&u, 500, &none);
    for (unsigned i = 0; i < 500; i++) {
        lw_pool_job *j = add(&u, "a@x", NULL);

        lw_queue_remove(&u.q, j);
        seed = seed * 1103515245u + 12345u;
        lw_queue_add_at(&u.q, j, (seed >> 8) % 10000);
    }
    for (unsigned i = 0; i < 500; i += 3) /* some are taken back from the middle */
        lw_queue_remove(&u.q, &u.jobs[i]);
    while (u.q.n_waiting > 0) {
        lw_pool_job *j;

        assert_false(lw_queue_ready(&u.q, before, &at));
        assert_true(at > before && at < 10000);
        while ((j = lw_queue_take(&u.q, at)) != NULL)
            assert_int_equal(j->due_ms, at);
        before = at;
    }
    line_up_deinit(&u);
}

/* how many of n jobs of one message each leave in the first seconds */
static unsigned
taken_until(line_up *u, uint64_t ms)
{
    unsigned taken = 0;

    for (uint64_t now = 1; now <= ms; now++)
        while (lw_queue_take(&u->q, now) != NULL)
            taken++;
    return taken;
}

static void
test_queue__messages_and_recipients_a_second(void **state)
{
    lw_pool_rates messages = { .messages = 10 }, recipients = { .recipients = 10 };
    lw_list rest;
    line_up u;

    (void)state;
    lw_list_init(&rest);
    line_up_init(&u, 1000, &messages);
    for (unsigned i = 0; i < 1000; i++)
        add(&u, "a@x", "b@y");
    assert_in_range(taken_until(&u, 10 * S), 99, 102);
    lw_queue_take_all(&u.q, &rest);
    line_up_deinit(&u);
    lw_list_init(&rest);
    line_up_init(&u, 1000, &recipients);
    for (unsigned i = 0; i < 1000; i++)
        add(&u, "a@x", "b@y");
    assert_in_range(taken_until(&u, 10 * S), 49, 52);
    lw_queue_take_all(&u.q, &rest);
    line_up_deinit(&u);
}

/* 1,000 jobs for a slow domain do not hold up those for others, and keep their own order and rate;
 * each moves a few times only */
static void
test_queue__domain_rate_holds_up_nobody_else(void **state)
{
    lw_pool_rates rates = { .recipients_per_domain = 20 };
    unsigned slow = 0, quick = 0;
    lw_pool_job *j, *last = NULL;
    line_up u;

    (void)state;
    line_up_init(&u, 1100, &rates);
    for (unsigned i = 0; i < 1000; i++)
        add(&u, "a@slow.example", NULL);
    for (unsigned i = 0; i < 20; i++)
        add(&u, i % 2 == 0 ? "b@quick.example" : "b@fast.example", NULL);
    for (uint64_t now = 1; now <= 10 * S; now++)
        while ((j = lw_queue_take(&u.q, now)) != NULL) {
            if (strstr(j->env.rcpts[0].address, "slow") == NULL) {
                quick++;
                assert_in_range(now, 1, 1 * S);
                continue;
            }
            slow++;
            assert_true(last == NULL || j > last);
            last = j;
        }
    assert_int_equal(quick, 20);
    assert_in_range(slow, 199, 202);
    for (uint64_t now = 10 * S; u.q.n_waiting > 0; now++)
        slow += lw_queue_take(&u.q, now) != NULL;
    assert_int_equal(slow, 1000);
    line_up_deinit(&u);
}

/* Jobs for one domain, for the other, and for both always wait, so many of each: each kind gets on,
 * and no domain gets more than its rate. */
static void
check_all_get_on(unsigned n_one, unsigned n_two, unsigned n_both)
{
    enum { CAP = 2000, ONE, TWO, BOTH };
    lw_pool_rates rates = { .recipients_per_domain = 10 };
    unsigned kind_of[CAP], sent[BOTH + 1] = { 0 };
    lw_list rest;
    lw_pool_job *j;
    line_up u;

    line_up_init(&u, CAP, &rates);
    for (unsigned i = 0; i < n_one + n_two + n_both; i++) {
        kind_of[u.n] = i < n_one ? ONE : i < n_one + n_two ? TWO : BOTH;
        add(&u, i < n_one ? "a@one.example" : "b@two.example",
            kind_of[i] == BOTH ? "c@one.example" : NULL);
    }
    for (uint64_t now = 1; now <= 50 * S; now++)
        while ((j = lw_queue_take(&u.q, now)) != NULL) {
            unsigned kind = kind_of[j - u.jobs];

            sent[kind]++;
            kind_of[u.n] = kind;
            add(&u, j->env.rcpts[0].address, j->env.n_rcpts == 2 ? j->env.rcpts[1].address : NULL);
        }
    assert_in_range(sent[ONE] + sent[BOTH], 490, 505);
    assert_in_range(sent[TWO] + sent[BOTH], 490, 505);
    for (unsigned kind = ONE; kind <= BOTH; kind++)
        assert_in_range(sent[kind], 50, 450);
    lw_list_init(&rest);
    lw_queue_take_all(&u.q, &rest);
    line_up_deinit(&u);
}

static void
test_queue__jobs_for_two_busy_domains_get_on(void **state)
{
    (void)state;
    check_all_get_on(5, 5, 1);
    check_all_get_on(1, 1, 5);
    check_all_get_on(5, 1, 3);
}

/* recipients at two domains wait for both; canceling whoever leads lets the next one lead */
static void
test_queue__two_domains_and_cancels_all_leave(void **state)
{
    static const char *const at[] = { "a@one.example", "b@two.example", "c@three.example" };
    lw_pool_rates rates = { .recipients_per_domain = 100 };
    unsigned seed = 11, taken = 0, removed = 0;
    line_up u;

    (void)state;
    line_up_init(&u, 600, &rates);
    for (unsigned i = 0; i < 600; i++)
        add(&u, at[i % 3], i % 5 == 0 ? at[(i + 1) % 3] : NULL);
    for (uint64_t now = 1; u.q.n_waiting > 0 && now < 60 * S; now++) {
        while (lw_queue_take(&u.q, now) != NULL)
            taken++;
        seed = seed * 1103515245u + 12345u;
        if (now % 20 == 0 && u.q.n_waiting > 0) {
            lw_pool_job *j = &u.jobs[(seed >> 8) % 600];

            if (j->place == LW_JOB_WAITING || j->place == LW_JOB_DELAYED ||
                j->place == LW_JOB_BEHIND) {
                lw_queue_remove(&u.q, j);
                removed++;
            }
        }
    }
    assert_int_equal(taken + removed, 600);
    assert_true(removed > 10);
    line_up_deinit(&u);
}

static void
test_queue__take_all_meets_everybody(void **state)
{
    lw_pool_rates rates = { .recipients_per_domain = 1 };
    lw_list all;
    line_up u;

    (void)state;
    lw_list_init(&all);
    line_up_init(&u, 100, &rates);
    for (unsigned i = 0; i < 100; i++)
        add(&u, i % 2 == 0 ? "a@x.example" : "a@y.example", NULL);
    assert_non_null(lw_queue_take(&u.q, 1));
    lw_queue_take_all(&u.q, &all);
    assert_int_equal(all.n, 99);
    line_up_deinit(&u);
}

static void
test_queue__spend_ends_those_without_attempts(void **state)
{
    lw_pool_rates none = { .messages = 0 };
    lw_list spent;
    line_up u;

    (void)state;
    lw_list_init(&spent);
    line_up_init(&u, 10, &none);
    for (unsigned i = 0; i < 10; i++)
        add(&u, "a@x", NULL)->n_spent = i % 2;
    lw_queue_spend(&u.q, 2, &spent);
    assert_int_equal(spent.n, 5);
    assert_int_equal(u.q.n_waiting, 5);
    lw_queue_spend(&u.q, 2, &spent);
    assert_int_equal(spent.n, 10);
    line_up_deinit(&u);
}

/* ---- pauses -------------------------------------------------------------------------------------------- */

static void
test_pause__grows_and_is_capped(void **state)
{
    lw_pool_retry p = { .first_ms = 1000, .factor = 4, .max_ms = 60000 };
    lw_pool_retry even = { .first_ms = 500, .factor = 1, .max_ms = 60000 };
    lw_pool_retry huge = { .first_ms = UINT64_MAX / 2, .factor = 100, .max_ms = UINT64_MAX };

    (void)state;
    assert_int_equal(lw_pool_pause(&p, 1), 1000);
    assert_int_equal(lw_pool_pause(&p, 2), 4000);
    assert_int_equal(lw_pool_pause(&p, 3), 16000);
    assert_int_equal(lw_pool_pause(&p, 4), 60000);
    assert_int_equal(lw_pool_pause(&p, 4000000000u), 60000);
    assert_int_equal(lw_pool_pause(&even, 1), 500);
    assert_int_equal(lw_pool_pause(&even, 4000000000u), 500);
    assert_true(lw_pool_pause(&huge, 3) >= UINT64_MAX / 2);
}

static void
test_may_retry__by_outcome_and_reason(void **state)
{
    lw_pool_retry p = { .attempts = 3 }, all = { .uncertain = true };

    (void)state;
    assert_true(lw_pool_may_retry(&p, LW_OUTCOME_DEFERRED, LW_OK));
    assert_true(lw_pool_may_retry(&p, LW_OUTCOME_UNSENT, LW_ELOST));
    assert_true(lw_pool_may_retry(&p, LW_OUTCOME_UNSENT, LW_ELIMIT));
    assert_false(lw_pool_may_retry(&p, LW_OUTCOME_UNSENT, LW_ECAPABILITY));
    assert_false(lw_pool_may_retry(&p, LW_OUTCOME_UNSENT, LW_ESOURCE));
    assert_false(lw_pool_may_retry(&p, LW_OUTCOME_UNCERTAIN, LW_ELOST));
    assert_true(lw_pool_may_retry(&all, LW_OUTCOME_UNCERTAIN, LW_ELOST));
    assert_false(lw_pool_may_retry(&all, LW_OUTCOME_ACCEPTED, LW_OK));
    assert_false(lw_pool_may_retry(&all, LW_OUTCOME_REJECTED, LW_ELOST));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rate__interval_of_odd_rates),
        cmocka_unit_test(test_rate__mean_is_exact),
        cmocka_unit_test(test_rate__unused_time_is_not_saved_up),
        cmocka_unit_test(test_rate__absurd_amount_does_not_wrap),
        cmocka_unit_test(test_domains__same_domain_any_case_same_entry),
        cmocka_unit_test(test_domains__table_is_bounded_and_gives_places_away),
        cmocka_unit_test(test_domains__all_busy_shares_and_never_fails),
        cmocka_unit_test(test_queue__first_in_first_out_and_ids),
        cmocka_unit_test(test_queue__delayed_come_in_the_order_of_their_time),
        cmocka_unit_test(test_queue__messages_and_recipients_a_second),
        cmocka_unit_test(test_queue__domain_rate_holds_up_nobody_else),
        cmocka_unit_test(test_queue__jobs_for_two_busy_domains_get_on),
        cmocka_unit_test(test_queue__two_domains_and_cancels_all_leave),
        cmocka_unit_test(test_queue__take_all_meets_everybody),
        cmocka_unit_test(test_queue__spend_ends_those_without_attempts),
        cmocka_unit_test(test_pause__grows_and_is_capped),
        cmocka_unit_test(test_may_retry__by_outcome_and_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
