/* SPDX-License-Identifier: MIT */
/* tests/bulk/test_tally.c - sums over a campaign, and the page that shows them */
#include "bulk/tally_int.h"

#include "support/memory.h"
#include "support/test.h"

static void
add(lw_tally *t, const char *address, lw_outcome outcome, int code, const char *text, double seconds)
{
    lw_row_event ev = { .fate = LW_FATE_SENT, .address = lw_span_str(address), .outcome = outcome,
                        .code = code, .text = text, .seconds = seconds };

    lw_tally_add(t, &ev, 0.5);
}

static void
test_domains__most_frequent_first_in_one_case(void **state)
{
    lw_tally *t = lw_tally_new(NULL);
    lw_tally_domain d[3];

    for (int i = 0; i < 9; i++)
        add(t, i % 2 ? "a@Example.org" : "b@example.ORG", LW_OUTCOME_ACCEPTED, 250, "", 0.1);
    for (int i = 0; i < 4; i++)
        add(t, "\"@\"@b.example", LW_OUTCOME_DEFERRED, 451, "", 0.1);
    for (int i = 0; i < 5; i++)
        add(t, "x@c.example", i == 0 ? LW_OUTCOME_REJECTED : LW_OUTCOME_UNCERTAIN, 0, "", 0.1);
    add(t, "x@d.example", LW_OUTCOME_ACCEPTED, 250, "", 0.1);
    assert_int_equal(lw_tally_domains(t, d, 3), 3);
    assert_string_equal(d[0].name, "example.org");
    assert_int_equal(d[0].counts.n[LW_OUTCOME_ACCEPTED], 9);
    assert_string_equal(d[1].name, "c.example");
    assert_int_equal(d[1].counts.n[LW_OUTCOME_UNCERTAIN], 4);
    assert_string_equal(d[2].name, "b.example");
    lw_tally_free(t);
}

static void
test_domains__beyond_the_table_they_are_others(void **state)
{
    lw_tally *t = lw_tally_new(NULL);
    lw_tally_domain *d = calloc(LW_TALLY_DOMAINS + 1, sizeof *d);
    char address[40];

    for (int i = 0; i < LW_TALLY_DOMAINS + 7; i++) {
        snprintf(address, sizeof address, "a@d%d.example", i);
        add(t, address, LW_OUTCOME_ACCEPTED, 250, "", 0.1);
    }
    assert_int_equal(lw_tally_domains(t, d, LW_TALLY_DOMAINS + 1), LW_TALLY_DOMAINS + 1);
    assert_int_equal(d[0].counts.n[LW_OUTCOME_ACCEPTED], 1); /* seven together are no domain */
    assert_string_equal(d[LW_TALLY_DOMAINS].name, "(others)");
    assert_int_equal(d[LW_TALLY_DOMAINS].counts.n[LW_OUTCOME_ACCEPTED], 7);
    free(d);
    lw_tally_free(t);
}

static void
test_domains__without_a_place_they_are_counted(void **state)
{
    lw_tally *t = lw_tally_new(NULL);
    char address[40], text[40];

    assert_int_equal(lw_tally_domains(t, NULL, 0), 0);
    assert_int_equal(lw_tally_refusals(t, NULL, 0), 0);
    for (int i = 0; i < LW_TALLY_DOMAINS + 7; i++) {
        snprintf(address, sizeof address, "a@d%d.example", i);
        snprintf(text, sizeof text, "no %d", i);
        add(t, address, LW_OUTCOME_REJECTED, 550, text, 0.1);
    }
    assert_int_equal(lw_tally_domains(t, NULL, 0), LW_TALLY_DOMAINS + 1);
    assert_int_equal(lw_tally_refusals(t, NULL, 0), LW_TALLY_REFUSALS + 1);
    lw_tally_free(t);
}

static void
test_refusals__the_address_does_not_make_reasons_differ(void **state)
{
    lw_tally *t = lw_tally_new(NULL);
    lw_tally_refusal r[3];
    char address[40], text[100];

    for (int i = 0; i < 20; i++) {
        snprintf(address, sizeof address, "u%d@a.example", i);
        snprintf(text, sizeof text, "<%s>: no such\nuser\x1b", address);
        add(t, address, LW_OUTCOME_REJECTED, 550, text, 0.1);
    }
    add(t, "a@b.example", LW_OUTCOME_DEFERRED, 451, "later", 0.1);
    assert_int_equal(lw_tally_refusals(t, r, 3), 2);
    assert_string_equal(r[0].text, "<*>: no such user?");
    assert_int_equal(r[0].n, 20);
    assert_int_equal(r[1].code, 451);
    lw_tally_free(t);
}

/* what is tried again no more was told of before: its reason does not count twice */
static void
test_refusals__row_that_waited_counts_once(void **state)
{
    lw_tally *t = lw_tally_new(NULL);
    lw_row_event ev = { .fate = LW_FATE_RETRY, .address = LW_LIT("a@b.example"), .code = 451,
                        .outcome = LW_OUTCOME_DEFERRED, .text = "later", .seconds = 0.1 };
    lw_tally_refusal r[2];
    lw_tally_domain d[1];

    lw_tally_add(t, &ev, 0.5);
    assert_int_equal(lw_tally_domains(t, NULL, 0), 0);
    ev.fate = LW_FATE_ENDED;
    ev.text = "the run ended";
    lw_tally_add(t, &ev, 0.6);
    assert_int_equal(lw_tally_refusals(t, r, 2), 1);
    assert_string_equal(r[0].text, "later");
    assert_int_equal(r[0].n, 1);
    assert_int_equal(lw_tally_domains(t, d, 1), 1);
    assert_int_equal(d[0].counts.n[LW_OUTCOME_DEFERRED], 1);
    lw_tally_free(t);
}

static void
test_latency__within_an_eighth(void **state)
{
    static const double seconds[] = { 1e-7, 1e-6, 0.00005, 0.0033, 0.25, 1, 7, 600, 1e6 };
    lw_tally *t;

    for (size_t i = 0; i < LW_COUNT(seconds); i++) {
        double got;

        t = lw_tally_new(NULL);
        assert_true(lw_tally_latency(t, 0.5) < 0);
        add(t, "a@b.example", LW_OUTCOME_ACCEPTED, 250, "", seconds[i]);
        got = lw_tally_latency(t, 0.5);
        if (seconds[i] >= 1e-6 && seconds[i] < 4000)
            assert_true(got > seconds[i] && got <= seconds[i] * 1.1251);
        lw_tally_free(t);
    }
    t = lw_tally_new(NULL);
    for (int i = 0; i < 100; i++)
        add(t, "a@b.example", LW_OUTCOME_ACCEPTED, 250, "", i < 90 ? 0.01 : 1.0);
    assert_true(lw_tally_latency(t, 0.5) < 0.0113);
    assert_true(lw_tally_latency(t, 0.95) > 1);
    lw_tally_free(t);
}

/* a server that says 421 in place of a greeting has answered no message */
static void
test_latency__of_rows_that_a_connection_had(void **state)
{
    lw_tally *t = lw_tally_new(NULL);

    add(t, "a@b.example", LW_OUTCOME_UNSENT, 421, "too busy", 0);
    assert_true(lw_tally_latency(t, 0.5) < 0);
    add(t, "a@b.example", LW_OUTCOME_ACCEPTED, 250, "", 0.25);
    assert_true(lw_tally_latency(t, 0.5) > 0.25);
    lw_tally_free(t);
}

static void
test_points__halve_when_time_runs_out_and_lose_none(void **state)
{
    lw_tally *t = lw_tally_new(NULL);
    lw_row_event ev = { .fate = LW_FATE_SENT, .outcome = LW_OUTCOME_ACCEPTED, .text = "",
                        .address = LW_LIT("a@b") };
    uint64_t sum = 0;

    for (int i = 0; i < 5000; i++)
        lw_tally_add(t, &ev, i);
    for (size_t i = 0; i < LW_TALLY_POINTS; i++)
        sum += t->accepted[i];
    assert_int_equal(sum, 5000);
    assert_true(t->point_s == 32);
    assert_int_equal(t->n_points, 5000 / 32 + 1);
    lw_tally_free(t);
}

static lw_code
keep(void *ctx, const char *p, size_t n)
{
    lw_buf_add(ctx, (lw_span){ p, n });
    return lw_buf_finish(ctx);
}

static void
test_page__foreign_text_is_escaped_and_no_memory_is_an_error(void **state)
{
    lw_tally_about about = { .title = "<b>\"T\"", .note = "a & b", .unix_s = 0, .seconds = 2 };
    test_memory m;
    lw_tally *t;
    lw_buf page;

    test_memory_init(&m, -1);
    t = lw_tally_new(&m.alloc);
    lw_buf_init(&page, &lw_alloc_default, 1 << 20);
    add(t, "a@<script>", LW_OUTCOME_REJECTED, 550, "<img src=x>", 0.1);
    assert_int_equal(lw_tally_page(t, &about, keep, &page), LW_OK);
    assert_non_null(strstr(lw_buf_cstr(&page), "&lt;b&gt;&quot;T&quot;"));
    assert_non_null(strstr(lw_buf_cstr(&page), "a &amp; b"));
    assert_non_null(strstr(lw_buf_cstr(&page), "<svg class=\"mix\""));
    assert_non_null(strstr(lw_buf_cstr(&page), "&lt;img src=x&gt;"));
    assert_null(strstr(lw_buf_cstr(&page), "<script"));
    assert_null(strstr(lw_buf_cstr(&page), "<img"));
    m.left = 0;
    assert_int_equal(lw_tally_page(t, &about, keep, &page), LW_ENOMEM);
    lw_buf_deinit(&page);
    lw_tally_free(t);
    assert_int_equal(m.n_out, 0);
}

/* 21 domains: the last one is folded up, and there */
static void
test_page__has_all_domains_and_refusals(void **state)
{
    lw_tally_about about = { .seconds = 2 };
    lw_tally *t = lw_tally_new(NULL);
    char address[40], text[40];
    const char *rest;
    lw_buf page;

    lw_buf_init(&page, &lw_alloc_default, 1 << 20);
    for (int i = 0; i < 22; i++) {
        snprintf(address, sizeof address, "a@d%d.example", i);
        snprintf(text, sizeof text, "no %d", i < 21 ? i : 0);
        add(t, address, LW_OUTCOME_REJECTED, 550, text, 0.1);
    }
    assert_int_equal(lw_tally_page(t, &about, keep, &page), LW_OK);
    assert_non_null(rest = strstr(lw_buf_cstr(&page), "and 2 more domains</summary>"));
    assert_null(strstr(rest, "d19.example"));
    assert_non_null(strstr(rest, "d20.example"));
    assert_non_null(strstr(rest, "d21.example"));
    assert_non_null(rest = strstr(lw_buf_cstr(&page), "and 1 more text</summary>"));
    assert_non_null(strstr(rest, "no 20"));
    lw_buf_deinit(&page);
    lw_tally_free(t);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_domains__most_frequent_first_in_one_case),
        cmocka_unit_test(test_domains__beyond_the_table_they_are_others),
        cmocka_unit_test(test_domains__without_a_place_they_are_counted),
        cmocka_unit_test(test_refusals__the_address_does_not_make_reasons_differ),
        cmocka_unit_test(test_refusals__row_that_waited_counts_once),
        cmocka_unit_test(test_latency__within_an_eighth),
        cmocka_unit_test(test_latency__of_rows_that_a_connection_had),
        cmocka_unit_test(test_points__halve_when_time_runs_out_and_lose_none),
        cmocka_unit_test(test_page__foreign_text_is_escaped_and_no_memory_is_an_error),
        cmocka_unit_test(test_page__has_all_domains_and_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
