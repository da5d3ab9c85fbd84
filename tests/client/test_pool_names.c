/* SPDX-License-Identifier: MIT */
/*
 * test_pool_names.c - a server's name with several addresses: the connections of a pool are spread,
 * and an address where no session comes to be is passed by, also by a session
 *
 * Three crowds on 127.0.0.1, .2 and .3 are "many.test"; the test looks the name up.  Each connection
 * may carry one message in a thousand seconds, so there are as many connections as messages.  The
 * pool runs on the test's own loop, which does not run before the look-up is set.
 */
#include "client/pool_test.h"

#define LW_LATE_TABLE_ONLY
#include "client/pool_int.h"
#include "net/net_int.h"
#include "support/memory.h"

enum { N_ADDRESSES = 3, N = 6 };

typedef struct name {
    lw_lookup answer;
    crowd *c[N_ADDRESSES];
    bool is_up[N_ADDRESSES];
} name;

static const char says_554[] = "554 5.3.2 no mail service here\r\n";
static const char says_421[] = "421 4.3.2 too busy\r\n";
static const char nobody[] = ""; /* listens there */
static const char *const all_up[N_ADDRESSES], *const last_refuses[N_ADDRESSES] = { [2] = nobody };

static void
tell_answer(void *ctx, const char *host, uint16_t port, lw_lookup *found)
{
    const name *n = ctx;

    (void)port;
    if (strcmp(host, "many.test") == 0)
        *found = n->answer;
}

/* greetings: of each, NULL = 220 */
static void
name_open(name *n, const char *const greetings[N_ADDRESSES])
{
    static const char *const hosts[N_ADDRESSES] = { "127.0.0.1", "127.0.0.2", "127.0.0.3" };

    memset(n, 0, sizeof *n);
    for (size_t i = 0; i < N_ADDRESSES; i++) {
        uint16_t port;

        n->c[i] = crowd_new(CHUNKING_EHLO);
        n->c[i]->address = hosts[i];
        n->c[i]->greeting = greetings[i];
        n->is_up[i] = greetings[i] != nobody;
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

/* N messages over N connections, so many attempts each; the last error goes to text */
static void
run_at(name *n, const char *url, unsigned attempts, lw_pool_stats *stats, char *text)
{
    pool_tally *t = pool_tally_new();
    uv_loop_t loop;
    pool_aim a;
    lw_pool *p;

    assert_int_equal(uv_loop_init(&loop), 0);
    pool_aim_at(&a, 0);
    snprintf(a.url, sizeof a.url, "%s", url);
    a.opts.loop = &loop;
    a.opts.connections = N;
    a.opts.rates.messages_per_connection = 0.001;
    a.opts.retry.attempts = attempts;
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
    if (text != NULL)
        memcpy(text, t->text, sizeof t->text);
    free(t);
}

static void
run_messages(name *n, lw_pool_stats *stats)
{
    run_at(n, "plain://many.test", 1, stats, NULL);
}

static void
test_pool__connections_are_spread_over_the_addresses_of_a_name(void **state)
{
    lw_pool_stats stats;
    name n;

    (void)state;
    name_open(&n, all_up);
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
    name_open(&n, last_refuses);
    run_messages(&n, &stats);
    assert_int_equal(stats.accepted, N);
    assert_int_equal(stats.retries, 0);
    assert_int_equal(n.c[0]->messages + n.c[1]->messages, N);
    assert_in_range(n.c[0]->messages, 2, 4);
    assert_int_equal(n.c[2]->messages, 0);
    name_close(&n);
}

/* ---- no session comes to be ------------------------------------------------------------- */

/* it is met by the first connection, which comes up elsewhere; no other one goes there */
static void
test_pool__address_that_greets_with_a_refusal_is_passed_by(void **state)
{
    static const struct {
        const char *what, *greetings[N_ADDRESSES];
    } rows[] = {
        { "554", { says_554, NULL, NULL } },
        { "421", { says_421, NULL, NULL } },
        { "two of three", { says_554, says_421, NULL } },
        { "two of three, turned", { says_421, says_554, NULL } },
    };
    lw_pool_stats stats;
    name n;

    (void)state;
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        print_message("  %s\n", rows[i].what);
        name_open(&n, rows[i].greetings);
        run_messages(&n, &stats);
        assert_int_equal(stats.accepted, N);
        assert_int_equal(stats.retries, 0);
        for (size_t k = 0; k < N_ADDRESSES; k++)
            if (rows[i].greetings[k] != NULL)
                assert_int_equal(n.c[k]->connections, 1);
        name_close(&n);
    }
}

static void
test_pool__address_that_ends_the_session_at_ehlo_is_passed_by(void **state)
{
    lw_pool_stats stats;
    name n;

    (void)state;
    name_open(&n, all_up);
    n.c[0]->ehlo = says_421;
    run_messages(&n, &stats);
    assert_int_equal(stats.accepted, N);
    assert_int_equal(stats.retries, 0);
    assert_int_equal(n.c[0]->connections, 1);
    name_close(&n);
}

/* The server has failed when each of its addresses has.  What lasts is asked of all of them; where it
 * may pass, those that failed a moment ago are left alone. */
static void
test_pool__server_has_failed_when_all_its_addresses_have(void **state)
{
    static const struct {
        const char *what, *url, *greetings[N_ADDRESSES], *told;
        unsigned attempts, connections[N_ADDRESSES];
    } rows[] = {
        { "554", "plain://many.test", { says_554, says_554, says_554 }, "554 no mail service",
          3, { 1, 1, 1 } },
        { "421", "plain://many.test", { says_421, says_421, says_421 }, "421 too busy",
          2, { 1, 2, 1 } },
        { "one is only busy", "plain://many.test", { says_554, says_421, says_554 },
          "421 too busy", 2, { 1, 2, 1 } },
        { "no STARTTLS", "smtp://many.test", { NULL, NULL, NULL }, "does not offer STARTTLS",
          3, { 1, 1, 1 } },
        { "no TLS", "smtps://many.test", { NULL, NULL, NULL }, "use smtp://", 3, { 1, 1, 1 } },
    };
    char text[LW_ERROR_TEXT_MAX + 64];
    lw_pool_stats stats;
    name n;

    (void)state;
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        print_message("  %s\n", rows[i].what);
        name_open(&n, rows[i].greetings);
        run_at(&n, rows[i].url, rows[i].attempts, &stats, text);
        assert_int_equal(stats.unsent, N);
        assert_int_equal(stats.connected, 0);
        if (strstr(text, rows[i].told) == NULL)
            fail_msg("%s: %s", rows[i].what, text);
        for (size_t k = 0; k < N_ADDRESSES; k++)
            assert_int_equal(n.c[k]->connections, rows[i].connections[k]);
        name_close(&n);
    }
}

/* what is not there may come back: 554 of the others does not end at once what waits */
static void
test_pool__refusals_with_one_address_down_are_not_lasting(void **state)
{
    static const char *const greetings[N_ADDRESSES] = { says_554, says_554, nobody };
    char text[LW_ERROR_TEXT_MAX + 64];
    lw_pool_stats stats;
    name n;

    (void)state;
    name_open(&n, greetings);
    run_at(&n, "plain://many.test", 2, &stats, text);
    assert_int_equal(stats.unsent, N);
    assert_int_equal(n.c[0]->connections, 2);
    assert_int_equal(n.c[1]->connections, 2);
    assert_non_null(strstr(text, "554 no mail service here"));
    name_close(&n);
}

/* ---- sessions --------------------------------------------------------------------------- */

static lw_session *
session_to(name *n, const lw_alloc *alloc)
{
    static const char *const server = "plain://many.test";
    lw_session *s = NULL;
    lw_send_opts o;
    lw_error err;

    lw_send_opts_init(&o);
    o.servers = &server;
    o.n_servers = 1;
    o.alloc = alloc;
    assert_int_equal(lw_session_new(&o, &s, &err), LW_OK);
    s->setup.lookup = tell_answer;
    s->setup.lookup_ctx = n;
    return s;
}

static void
test_session__address_that_greets_with_a_refusal_is_passed_by(void **state)
{
    static const char *const greetings[N_ADDRESSES] = { says_554, says_421, NULL };
    lw_rcpt rcpt = { .address = "ok-1@example.org" };
    lw_envelope env = { .from = "ann@example.com", .rcpts = &rcpt, .n_rcpts = 1 };
    lw_body body = { .next = pool_next_span, .rewind = pool_rewind,
                     .size = sizeof pool_text - 1, .is_canonical = true };
    lw_report *r = NULL;
    lw_session *s;
    name n;

    (void)state;
    name_open(&n, greetings);
    s = session_to(&n, NULL);
    assert_int_equal(lw_session_send_raw(s, &env, &body, &r), LW_OK);
    assert_string_equal(lw_report_server(r)->address, "127.0.0.3");
    assert_int_equal(n.c[2]->messages, 1);
    assert_int_equal(n.c[0]->connections, 1);
    assert_int_equal(n.c[1]->connections, 1);
    lw_report_free(r);
    lw_session_close(s);
    name_close(&n);
}

/* what may pass is told of all, with what another said */
static void
test_session__all_addresses_refuse(void **state)
{
    static const char *const greetings[N_ADDRESSES] = { says_554, says_421, says_554 };
    lw_session *s;
    lw_error err;
    name n;

    (void)state;
    name_open(&n, greetings);
    s = session_to(&n, NULL);
    lw_session_begin_call(s);
    lw_error_clear(&err);
    assert_int_equal(lw_session_connect(s, &err), LW_EREPLY);
    assert_int_equal(err.reply_code, 421);
    assert_int_equal(err.stage, LW_STAGE_GREETING);
    assert_non_null(strstr(err.text, "421 too busy"));
    assert_non_null(strstr(err.text, "; another address: many.test port 25: "));
    assert_non_null(strstr(err.text, "554 no mail service here"));
    for (size_t i = 0; i < N_ADDRESSES; i++)
        assert_int_equal(n.c[i]->connections, 1);
    lw_session_close(s);
    name_close(&n);
}

/* each request for memory fails once: a session, or a reason, and nothing is left behind */
static void
test_session__no_memory_on_the_way_to_the_next_address(void **state)
{
    static const char *const greetings[N_ADDRESSES] = { says_554, says_421, NULL };
    long n_tried = 0;
    test_memory mem;
    name n;

    (void)state;
    name_open(&n, greetings);
    do {
        lw_session *s;
        lw_error err;
        lw_code rc;

        test_memory_init(&mem, -1);
        s = session_to(&n, &mem.alloc);
        mem.left = n_tried++;
        mem.once = true;
        lw_session_begin_call(s);
        lw_error_clear(&err);
        rc = lw_session_connect(s, &err);
        assert_true(rc == LW_OK || mem.has_failed);
        assert_int_equal(rc, err.code);
        lw_session_close(s);
        assert_int_equal(mem.n_out, 0);
    } while (mem.has_failed);
    assert_in_range(n_tried, 10, 1000);
    name_close(&n);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool__connections_are_spread_over_the_addresses_of_a_name),
        cmocka_unit_test(test_pool__address_that_refuses_is_passed_by),
        cmocka_unit_test(test_pool__address_that_greets_with_a_refusal_is_passed_by),
        cmocka_unit_test(test_pool__address_that_ends_the_session_at_ehlo_is_passed_by),
        cmocka_unit_test(test_pool__server_has_failed_when_all_its_addresses_have),
        cmocka_unit_test(test_pool__refusals_with_one_address_down_are_not_lasting),
        cmocka_unit_test(test_session__address_that_greets_with_a_refusal_is_passed_by),
        cmocka_unit_test(test_session__all_addresses_refuse),
        cmocka_unit_test(test_session__no_memory_on_the_way_to_the_next_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
