/* SPDX-License-Identifier: MIT */
/*
 * tests/net/test_resolve.c - how many names are looked up at a time
 *
 * The look-ups are the test's own: each waits until it is let through.
 */
#include "world.h"

#include <pthread.h>

#define N_MORE 4

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned n_running, n_peak, n_done; /* under lock */
static bool is_open, dropped_was_asked;

static void
slow_lookup(void *ctx, const char *host, uint16_t port, lw_lookup *found)
{
    (void)ctx, (void)port, (void)found;
    pthread_mutex_lock(&lock);
    dropped_was_asked = dropped_was_asked || strcmp(host, "dropped.example") == 0;
    if (++n_running > n_peak)
        n_peak = n_running;
    pthread_cond_broadcast(&changed);
    while (!is_open)
        pthread_cond_wait(&changed, &lock);
    n_running--;
    n_done++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* until *what is n */
static void
wait_for(const unsigned *what, unsigned n)
{
    pthread_mutex_lock(&lock);
    while (*what != n)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void
open_gate(void)
{
    pthread_mutex_lock(&lock);
    is_open = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void
on_answer(uv_async_t *async)
{
    (void)async;
}

static lw_resolve *
begin(uv_async_t *async, const char *host)
{
    lw_resolve_query q = { .host = host, .port = 25, .fn = slow_lookup, .async = async };
    lw_resolve *r;

    assert_int_equal(lw_resolve_start(&q, &r), LW_OK);
    return r;
}

static void
test_lookups__more_than_the_limit_wait_in_turn(void **state)
{
    lw_resolve *first[LW_LOOKUPS_MAX], *more[N_MORE], *dropped;
    uv_async_t async;
    world w;

    (void)state;
    world_open(&w);
    assert_int_equal(uv_async_init(&w.loop, &async, on_answer), 0);
    for (unsigned i = 0; i < LW_LOOKUPS_MAX; i++)
        first[i] = begin(&async, "first.example");
    wait_for(&n_running, LW_LOOKUPS_MAX);
    more[0] = begin(&async, "more.example");
    dropped = begin(&async, "dropped.example");
    for (unsigned i = 1; i < N_MORE; i++)
        more[i] = begin(&async, "more.example");
    lw_resolve_drop(dropped);
    for (unsigned i = 0; i < LW_LOOKUPS_MAX; i++)
        lw_resolve_drop(first[i]); /* the threads go on */
    open_gate();
    wait_for(&n_done, LW_LOOKUPS_MAX + N_MORE);
    assert_int_equal(n_peak, LW_LOOKUPS_MAX);
    assert_false(dropped_was_asked);
    for (unsigned i = 0; i < N_MORE; i++)
        lw_resolve_drop(more[i]);
    uv_close((uv_handle_t *)&async, NULL);
    world_close(&w);
}

/* the last one of the queue leaves it, and another one joins */
static void
test_lookups__queue_is_whole_after_its_ends_left(void **state)
{
    lw_resolve *first[LW_LOOKUPS_MAX], *more[N_MORE];
    uv_async_t async;
    world w;

    (void)state;
    n_peak = n_done = 0;
    is_open = false;
    world_open(&w);
    assert_int_equal(uv_async_init(&w.loop, &async, on_answer), 0);
    for (unsigned i = 0; i < LW_LOOKUPS_MAX; i++)
        first[i] = begin(&async, "first.example");
    wait_for(&n_running, LW_LOOKUPS_MAX);
    for (unsigned i = 0; i < N_MORE; i++)
        more[i] = begin(&async, "more.example");
    lw_resolve_drop(more[N_MORE - 1]);
    lw_resolve_drop(more[0]);
    more[0] = begin(&async, "more.example");
    open_gate();
    wait_for(&n_done, LW_LOOKUPS_MAX + N_MORE - 1);
    for (unsigned i = 0; i < LW_LOOKUPS_MAX; i++)
        lw_resolve_drop(first[i]);
    for (unsigned i = 0; i < N_MORE - 1; i++)
        lw_resolve_drop(more[i]);
    uv_close((uv_handle_t *)&async, NULL);
    world_close(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookups__more_than_the_limit_wait_in_turn),
        cmocka_unit_test(test_lookups__queue_is_whole_after_its_ends_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
