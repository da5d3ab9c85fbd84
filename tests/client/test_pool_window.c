/* SPDX-License-Identifier: MIT */
/*
 * test_pool_window.c - the window against links that are only arithmetic
 *
 * A link has a round trip, and a server that takes so long for each message, one after the other.
 * As each answer is followed by another message, a job waits for the link, or for those before it.
 */
#include "support/test.h"

#include "client/pool_int.h"

typedef struct link_case {
    const char *name;
    uint64_t round_trip_ms;
    uint64_t message_us;     /* at the server */
    uint32_t most;
    uint32_t low, high;      /* where the window must end up */
} link_case;

/* the jobs that are answered in a round trip and 10 ms, and two */
static const link_case cases[] = {
    { "near and fast: all that is allowed", 0, 10, 64, 64, 64 },
    { "near, 5 ms a message: no more than keep it busy", 0, 5000, 64, 3, 5 },
    { "near, 100 ms a message", 0, 100000, 64, 3, 4 },
    { "50 ms away and fast", 50, 10, 64, 64, 64 },
    { "50 ms away, 5 ms a message", 50, 5000, 64, 12, 16 },
    { "50 ms away, 1 ms a message", 50, 1000, 256, 55, 66 },
    { "200 ms away, 1 ms a message, 32 allowed", 200, 1000, 32, 32, 32 },
    { "one allowed", 50, 10, 1, 1, 1 },
    { "three allowed, slow", 0, 50000, 3, 3, 3 },
};

/* one round: a full window, all answered */
static uint64_t
play(lw_window *w, const link_case *c, uint64_t now_ms, uint64_t late_ms)
{
    uint32_t n = w->now;
    uint64_t served_us = n * c->message_us, link_us = c->round_trip_ms * 1000 + c->message_us;
    uint64_t took_ms = (served_us > link_us ? served_us : link_us) / 1000 + late_ms;

    for (uint32_t i = 1; i <= n; i++)
        lw_window_given(w, i, now_ms);
    for (uint32_t i = 0; i < n; i++)
        lw_window_done(w, now_ms + took_ms);
    return now_ms + took_ms;
}

static void
test_window__is_what_the_link_needs(void **state)
{
    (void)state;
    for (size_t i = 0; i < LW_COUNT(cases); i++) {
        const link_case *c = &cases[i];
        uint64_t now = 1000;
        lw_window w;

        lw_window_init(&w, 8, c->most, c->round_trip_ms);
        assert_int_equal(w.now, c->most < 8 ? c->most : 8);
        for (int round = 0; round < 60; round++)
            now = play(&w, c, now, 0);
        if (w.now < c->low || w.now > c->high)
            fail_msg("%s: %u, not %u to %u", c->name, w.now, c->low, c->high);
    }
}

static void
test_window__one_late_reply_costs_half_and_is_made_good(void **state)
{
    const link_case *c = &cases[3];
    uint64_t now = 0;
    lw_window w;

    (void)state;
    lw_window_init(&w, 64, 64, c->round_trip_ms);
    now = play(&w, c, now, 5000);
    assert_in_range(w.now, 32, 40);
    for (int round = 0; round < 10; round++)
        now = play(&w, c, now, 0);
    assert_int_equal(w.now, 64);
}

/* few messages say nothing of the link */
static void
test_window__that_is_not_full_stays(void **state)
{
    lw_window w;

    (void)state;
    lw_window_init(&w, 8, 64, 0);
    for (uint64_t now = 0; now < 100000; now += 1000) {
        lw_window_given(&w, 1, now);
        lw_window_given(&w, 2, now);
        lw_window_done(&w, now + 900);
        lw_window_done(&w, now + 900);
    }
    assert_int_equal(w.now, 8);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window__is_what_the_link_needs),
        cmocka_unit_test(test_window__one_late_reply_costs_half_and_is_made_good),
        cmocka_unit_test(test_window__that_is_not_full_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
