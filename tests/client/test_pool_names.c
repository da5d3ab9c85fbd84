/* SPDX-License-Identifier: MIT */
/*
 * test_pool_names.c - a server's name with several addresses: the connections of a pool are spread
 *
 * Three crowds on 127.0.0.1, .2 and .3 are "many.test"; the test looks the name up.  Each connection
 * may carry one message in a thousand seconds, so there are as many connections as messages.  The
 * pool runs on the test's own loop, which does not run before the look-up is set.
 */
#include "client/pool_test.h"

#define LW_LATE_TABLE_ONLY
#include "client/pool_int.h"
#include "net/net_int.h"

enum { N_ADDRESSES = 3, N = 6 };

typedef struct name {
    lw_lookup answer;
    crowd *c[N_ADDRESSES];
    bool is_up[N_ADDRESSES];
} name;

static void
tell_answer(void *ctx, const char *host, uint16_t port, lw_lookup *found)
{
    const name *n = ctx;

    (void)port;
    if (strcmp(host, "many.test") == 0)
        *found = n->answer;
}

/* refuses: nobody listens at the last address */
static void
name_open(name *n, bool last_refuses)
{
    static const char *const hosts[N_ADDRESSES] = { "127.0.0.1", "127.0.0.2", "127.0.0.3" };

    memset(n, 0, sizeof *n);
    for (size_t i = 0; i < N_ADDRESSES; i++) {
        uint16_t port;

        n->c[i] = crowd_new(CHUNKING_EHLO);
        n->c[i]->address = hosts[i];
        n->is_up[i] = !last_refuses || i + 1 < N_ADDRESSES;
        if (n->is_up[i])
            crowd_start(n->c[i]);
        port = n->is_up[i] ? n->c[i]->port : closed_port_at(hosts[i]);
        assert_true(lw_addr_literal(&n->answer.addrs[i], hosts[i], port));
    }
    n->answer.n = N_ADDRESSES;
}

static void
name_close(name *n)
{
    for (size_t i = 0; i < N_ADDRESSES; i++) {
        if (n->is_up[i])
            crowd_stop(n->c[i]);
        free(n->c[i]);
    }
}

/* N messages over N connections */
static void
run_messages(name *n, lw_pool_stats *stats)
{
    pool_tally *t = pool_tally_new();
    uv_loop_t loop;
    pool_aim a;
    lw_pool *p;

    assert_int_equal(uv_loop_init(&loop), 0);
    pool_aim_at(&a, 0);
    snprintf(a.url, sizeof a.url, "plain://many.test");
    a.opts.loop = &loop;
    a.opts.connections = N;
    a.opts.rates.messages_per_connection = 0.001;
    a.opts.retry.attempts = 1;
    p = pool_open(&a);
    p->workers[0].setup.lookup = tell_answer;
    p->workers[0].setup.lookup_ctx = n;
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(pool_give(p, "ok", i, t, false, NULL), LW_OK);
    pool_run_until_told(&loop, t, N);
    lw_pool_stats_get(p, stats);
    lw_pool_close(p);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    free(t);
}

static void
test_pool__connections_are_spread_over_the_addresses_of_a_name(void **state)
{
    lw_pool_stats stats;
    name n;

    (void)state;
    name_open(&n, false);
    run_messages(&n, &stats);
    assert_int_equal(stats.accepted, N);
    assert_int_equal(stats.connected, N);
    for (size_t i = 0; i < N_ADDRESSES; i++) {
        assert_int_equal(n.c[i]->connections, N / N_ADDRESSES);
        assert_int_equal(n.c[i]->messages, N / N_ADDRESSES);
    }
    name_close(&n);
}

/* the others share what would have been its part; no message pays for it */
static void
test_pool__address_that_refuses_is_passed_by(void **state)
{
    lw_pool_stats stats;
    name n;

    (void)state;
    name_open(&n, true);
    run_messages(&n, &stats);
    assert_int_equal(stats.accepted, N);
    assert_int_equal(stats.retries, 0);
    assert_int_equal(n.c[0]->messages + n.c[1]->messages, N);
    assert_in_range(n.c[0]->messages, 2, 4);
    assert_int_equal(n.c[2]->messages, 0);
    name_close(&n);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool__connections_are_spread_over_the_addresses_of_a_name),
        cmocka_unit_test(test_pool__address_that_refuses_is_passed_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
