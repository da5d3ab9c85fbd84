/* SPDX-License-Identifier: MIT */
/*
 * test_rotation.c - which address of a name a connection begins with
 *
 * Orders are text: a letter an address, IPv6 in capitals.  Names are looked up by the test.
 */
#include "world.h"

/* ---- orders ----------------------------------------------------------------------------- */

static lw_addr
address_of(char letter)
{
    char text[32];
    lw_addr a;

    if (letter >= 'a')
        snprintf(text, sizeof text, "192.0.2.%u", (unsigned)letter);
    else
        snprintf(text, sizeof text, "2001:db8::%u", (unsigned)letter);
    assert_true(lw_addr_literal(&a, text, 25));
    return a;
}

static void
assert_order(lw_rotation *r, const char *before, uint64_t now_ms, const char *after)
{
    lw_lookup l = { .n = strlen(before) };
    char have[LW_ADDRS_MAX + 1] = "";

    for (size_t i = 0; i < l.n; i++)
        l.addrs[i] = address_of(before[i]);
    lw_rotation_order(r, &l, now_ms);
    assert_int_equal(l.n, strlen(before));
    for (size_t i = 0; i < l.n; i++)
        for (const char *c = before; *c != '\0'; c++) {
            lw_addr a = address_of(*c);

            if (a.len == l.addrs[i].len && memcmp(&a.u, &l.addrs[i].u, a.len) == 0)
                have[i] = *c;
        }
    assert_string_equal(have, after);
}

static void
failed(lw_rotation *r, char letter, uint64_t now_ms)
{
    lw_addr a = address_of(letter);

    lw_rotation_failed(r, &a, now_ms);
}

static void
test_rotation__each_begins_once_family_of_the_resolver_first(void **state)
{
    static const struct {
        const char *before, *after[4];
    } rows[] = {
        { "", { "", "", "", "" } },
        { "a", { "a", "a", "a", "a" } },
        { "abc", { "abc", "bca", "cab", "abc" } },
        { "ABC", { "ABC", "BCA", "CAB", "ABC" } },
        { "ABab", { "AaBb", "BbAa", "AaBb", "BbAa" } },
        { "abAB", { "aAbB", "bBaA", "aAbB", "bBaA" } },
        { "Aabc", { "Aabc", "Abca", "Acab", "Aabc" } },
    };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_rotation r = { .next = 0 };

        for (size_t k = 0; k < 4; k++)
            assert_order(&r, rows[i].before, 0, rows[i].after[k]);
    }
}

static void
test_rotation__count_wraps(void **state)
{
    lw_rotation r = { .next = UINT32_MAX }; /* = 0 modulo 3 */

    (void)state;
    assert_order(&r, "abc", 0, "abc");
    assert_order(&r, "abc", 0, "abc");
    assert_order(&r, "abc", 0, "bca");
}

static void
test_rotation__failed_comes_last_until_its_time_is_over(void **state)
{
    lw_rotation r = { .next = 0 };
    lw_addr b = address_of('b');

    (void)state;
    failed(&r, 'b', 1000);
    assert_order(&r, "abc", 1000, "acb");
    assert_order(&r, "abc", 1000 + LW_AVOIDED_MS - 1, "cab");
    r.next = 1;
    assert_order(&r, "abc", 1000 + LW_AVOIDED_MS, "bca");
    failed(&r, 'b', 2000);
    failed(&r, 'b', 3000); /* again: from then on */
    r.next = 1;
    assert_order(&r, "abc", 2000 + LW_AVOIDED_MS, "cab");
    lw_rotation_worked(&r, &b);
    r.next = 1;
    assert_order(&r, "abc", 3000, "bca");
}

/* a family whose addresses have all failed is behind the other one; when nothing else is left the
 * failed ones are tried, in turn */
static void
test_rotation__failed_family_and_all_failed(void **state)
{
    lw_rotation r = { .next = 0 };

    (void)state;
    failed(&r, 'A', 0);
    failed(&r, 'B', 0);
    assert_order(&r, "ABab", 0, "abAB");
    failed(&r, 'a', 0);
    failed(&r, 'b', 0);
    r.next = 0;
    assert_order(&r, "ABab", 0, "AaBb");
    assert_order(&r, "ABab", 0, "BbAa");
}

/* more failures than are remembered: the oldest is forgotten, no address is lost */
static void
test_rotation__oldest_failure_makes_room(void **state)
{
    static const char all[] = "abcdefghij";
    lw_rotation r = { .next = 0 };

    (void)state;
    assert_int_equal(LW_AVOIDED_MAX, 8);
    for (unsigned i = 0; i < 9; i++)
        failed(&r, all[i], 1000 + i);
    assert_order(&r, all, 2000, "ajbcdefghi");
}

static void
test_rotation__none_and_paths_are_fine(void **state)
{
    lw_rotation r = { .next = 0 }, zero = { .next = 0 };
    lw_addr a = address_of('a'), path;

    (void)state;
    assert_true(lw_addr_unix(&path, "/run/lmtp"));
    lw_rotation_failed(NULL, &a, 0);
    lw_rotation_worked(NULL, &a);
    lw_rotation_failed(&r, &path, 0);
    lw_rotation_worked(&r, &path);
    assert_memory_equal(&r, &zero, sizeof r);
}

/* ---- connections ------------------------------------------------------------------------ */

/* a name with three addresses of this machine */
typedef struct named {
    world w;
    lw_lookup answer;
    lw_conn_opts o;
    lw_rotation r;
    int fds[3];
} named;

static void
tell_answer(void *ctx, const char *host, uint16_t port, lw_lookup *found)
{
    (void)host, (void)port;
    *found = *(const lw_lookup *)ctx;
}

/* listens: which of 127.0.0.1, .2, .3 take connections; the others refuse them */
static void
named_open(named *n, const bool listens[3])
{
    static const char *const hosts[] = { "127.0.0.1", "127.0.0.2", "127.0.0.3" };

    memset(n, 0, sizeof *n);
    world_open(&n->w);
    for (size_t i = 0; i < 3; i++)
        n->fds[i] = listens[i] ? listen_on(&n->answer.addrs[i], hosts[i], 16)
                               : refusing(&n->answer.addrs[i], hosts[i]);
    n->answer.n = 3;
    n->o = (lw_conn_opts){ .host = "many.test", .port = 25, .lookup = tell_answer,
                           .lookup_ctx = &n->answer, .rotation = &n->r,
                           .attempt_delay_ms = 3600000 };
}

/* one connection: where it went, and after how many attempts */
static void
assert_goes(named *n, const char *to, size_t attempts)
{
    end e;

    open_conn(&n->w, &e, &n->o);
    RUN_UNTIL(&n->w, is_told(&e));
    assert_int_equal(e.told[LW_CONN_OPEN], 1);
    assert_string_equal(lw_conn_address(e.c), to);
    assert_int_equal(e.c->n_begun, attempts);
    end_free(&e);
}

static void
named_close(named *n)
{
    for (size_t i = 0; i < 3; i++)
        close(n->fds[i]);
    world_close(&n->w);
}

static void
test_connections__go_to_the_addresses_in_turn(void **state)
{
    static const bool all[] = { true, true, true };
    named n;

    (void)state;
    named_open(&n, all);
    for (int round = 0; round < 2; round++) {
        assert_goes(&n, "127.0.0.1", 1);
        assert_goes(&n, "127.0.0.2", 1);
        assert_goes(&n, "127.0.0.3", 1);
    }
    n.o.rotation = NULL;
    assert_goes(&n, "127.0.0.1", 1);
    assert_goes(&n, "127.0.0.1", 1);
    named_close(&n);
}

/* the one that refuses is met once, then the other two share */
static void
test_connections__pass_by_an_address_that_refused(void **state)
{
    static const bool some[] = { true, false, true };
    named n;

    (void)state;
    named_open(&n, some);
    assert_goes(&n, "127.0.0.1", 1);
    assert_goes(&n, "127.0.0.3", 2);
    assert_goes(&n, "127.0.0.1", 1);
    assert_goes(&n, "127.0.0.3", 1);
    assert_goes(&n, "127.0.0.1", 1);
    named_close(&n);
}

/* ---- addresses that are of no use ------------------------------------------------------- */

/* connected is not yet of use: who says so is its owner */
static void
reach(named *n, end *e, const char *to)
{
    open_conn(&n->w, e, &n->o);
    n->o.rest = NULL;
    RUN_UNTIL(&n->w, is_told(e));
    assert_int_equal(e->told[LW_CONN_OPEN], 1);
    assert_string_equal(lw_conn_address(e->c), to);
}

/* the next one begins with what has not failed: neither those passed by nor one that refused */
static void
test_connections__passed_by_go_on_to_the_rest(void **state)
{
    static const bool some[] = { true, false, true };
    named n;
    end e;

    (void)state;
    named_open(&n, some);
    n.r.next = 1;
    reach(&n, &e, "127.0.0.3");
    n.o.rest = lw_conn_pass_by(e.c, false);
    assert_non_null(n.o.rest);
    assert_int_equal(n.o.rest->n, 1);
    end_free(&e);
    reach(&n, &e, "127.0.0.1");
    assert_null(lw_conn_pass_by(e.c, false));
    end_free(&e);
    /* all have failed: as if none had */
    n.r.next = 2;
    reach(&n, &e, "127.0.0.3");
    lw_conn_settle(e.c);
    end_free(&e);
    assert_goes(&n, "127.0.0.3", 1);
    named_close(&n);
}

static void
test_connections__promising_rest_is_without_those_that_come_last(void **state)
{
    static const bool all[] = { true, true, true };
    named n;
    end e;

    (void)state;
    named_open(&n, all);
    lw_rotation_failed(&n.r, &n.answer.addrs[1], uv_now(&n.w.loop));
    reach(&n, &e, "127.0.0.1");
    n.o.rest = lw_conn_pass_by(e.c, true);
    assert_non_null(n.o.rest);
    assert_int_equal(n.o.rest->n, 1);
    end_free(&e);
    reach(&n, &e, "127.0.0.3");
    assert_null(lw_conn_pass_by(e.c, true));
    end_free(&e);
    n.r.next = 0;
    reach(&n, &e, "127.0.0.1"); /* all come last */
    assert_null(lw_conn_pass_by(e.c, true));
    n.o.rest = lw_conn_pass_by(e.c, false);
    assert_null(n.o.rest); /* left out is left out */
    end_free(&e);
    named_close(&n);
}

static void
test_connections__settled_have_no_rest(void **state)
{
    static const bool all[] = { true, true, true };
    named n;
    end e;

    (void)state;
    named_open(&n, all);
    n.o.rotation = NULL;
    reach(&n, &e, "127.0.0.1");
    lw_conn_settle(e.c);
    assert_null(lw_conn_pass_by(e.c, false));
    end_free(&e);
    reach(&n, &e, "127.0.0.1");
    n.o.rest = lw_conn_pass_by(e.c, true); /* without a rotation nothing comes last */
    assert_non_null(n.o.rest);
    assert_int_equal(n.o.rest->n, 2);
    end_free(&e);
    reach(&n, &e, "127.0.0.2");
    end_free(&e);
    named_close(&n);
}

/* ---- addresses that do not answer ------------------------------------------------------- */

/* overtaken once; later connections that began with it would wait for an hour */
static void
test_connections__pass_by_an_address_that_was_overtaken(void **state)
{
    static const bool all[] = { true, true, true };
    named n;
    silent s;

    (void)state;
    named_open(&n, all);
    silent_open(&s);
    n.answer.addrs[0] = s.addr;
    n.o.attempt_delay_ms = 10;
    assert_goes(&n, "127.0.0.2", 2);
    n.o.attempt_delay_ms = 3600000;
    for (int i = 0; i < 4; i++)
        assert_goes(&n, i % 2 == 0 ? "127.0.0.3" : "127.0.0.2", 1);
    silent_close(&s);
    named_close(&n);
}

static void
test_connections__pass_by_an_address_that_took_all_the_time(void **state)
{
    static const bool all[] = { true, true, true };
    silent s;
    named n;
    end e;

    (void)state;
    named_open(&n, all);
    silent_open(&s);
    n.answer.addrs[0] = s.addr;
    n.answer.n = 1;
    open_conn(&n.w, &e, &n.o);
    RUN_UNTIL(&n.w, e.c->n_begun == 1);
    time_is_up(&e);
    RUN_UNTIL(&n.w, e.told[LW_CONN_FAILED] == 1);
    end_free(&e);
    n.answer.n = 3;
    n.r.next = 0;
    assert_goes(&n, "127.0.0.2", 1);
    silent_close(&s);
    named_close(&n);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rotation__each_begins_once_family_of_the_resolver_first),
        cmocka_unit_test(test_rotation__count_wraps),
        cmocka_unit_test(test_rotation__failed_comes_last_until_its_time_is_over),
        cmocka_unit_test(test_rotation__failed_family_and_all_failed),
        cmocka_unit_test(test_rotation__oldest_failure_makes_room),
        cmocka_unit_test(test_rotation__none_and_paths_are_fine),
        cmocka_unit_test(test_connections__go_to_the_addresses_in_turn),
        cmocka_unit_test(test_connections__pass_by_an_address_that_refused),
        cmocka_unit_test(test_connections__passed_by_go_on_to_the_rest),
        cmocka_unit_test(test_connections__promising_rest_is_without_those_that_come_last),
        cmocka_unit_test(test_connections__settled_have_no_rest),
        cmocka_unit_test(test_connections__pass_by_an_address_that_was_overtaken),
        cmocka_unit_test(test_connections__pass_by_an_address_that_took_all_the_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
