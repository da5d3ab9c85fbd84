/* SPDX-License-Identifier: MIT */
#include "support/test.h"

static void
test_span__compare_ignores_ascii_case_only(void **state)
{
    (void)state;
    assert_true(lw_span_eq_nocase(LW_LIT("PipeLining"), LW_LIT("PIPELINING")));
    assert_false(lw_span_eq_nocase(LW_LIT("k"), LW_LIT("\xe2\x84\xaa")));
    assert_true(lw_span_starts_nocase(LW_LIT("Size 100"), LW_LIT("SIZE")));
    assert_false(lw_span_starts_nocase(LW_LIT("SI"), LW_LIT("SIZE")));
    assert_true(lw_span_eq(LW_NO_SPAN, LW_LIT("")));
}

static void
test_span__token_gives_empty_last_member(void **state)
{
    lw_span rest = LW_LIT("a,,b,"), t;

    (void)state;
    assert_true(lw_span_token(&rest, ',', &t));
    assert_span(t, "a");
    assert_true(lw_span_token(&rest, ',', &t));
    assert_span(t, "");
    assert_true(lw_span_token(&rest, ',', &t));
    assert_span(t, "b");
    assert_true(lw_span_token(&rest, ',', &t));
    assert_span(t, "");
    assert_false(lw_span_token(&rest, ',', &t));
}

static void
test_span__uint_stops_at_its_maximum(void **state)
{
    static const struct { const char *text; uint64_t max; bool ok; uint64_t value; } cases[] = {
        { "0", 10, true, 0 },       { "10", 10, true, 10 },   { "11", 10, false, 0 },
        { "", 10, false, 0 },       { "+1", 10, false, 0 },   { "1 ", 10, false, 0 },
        { "9", 5, false, 0 },       { "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
        { "18446744073709551616", UINT64_MAX, false, 0 },
        { "99999999999999999999999", UINT64_MAX, false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(cases); i++) {
        uint64_t v = 0;
        bool ok = lw_span_uint(lw_span_str(cases[i].text), cases[i].max, &v);
        if (ok != cases[i].ok || v != cases[i].value)
            fail_msg("case \"%s\" max %llu", cases[i].text, (unsigned long long)cases[i].max);
    }
}

static void
test_uint__written_as_it_is_read(void **state)
{
    static const uint64_t cases[] = { 0, 9, 10, 99, 100, 4294967296u, UINT64_MAX - 1, UINT64_MAX };
    char digits[LW_UINT_DIGITS];

    (void)state;
    for (size_t i = 0; i < LW_COUNT(cases); i++) {
        uint64_t v = 1;
        size_t n = lw_uint_write(digits, cases[i]);
        assert_true(lw_span_uint((lw_span){ digits, n }, UINT64_MAX, &v));
        assert_true(v == cases[i]);
        assert_true(n == 1 || digits[0] != '0');
    }
}

static void
test_span__line_ends_and_controls_are_found(void **state)
{
    (void)state;
    assert_true(lw_span_has_eol((lw_span){ "a\0b", 3 }));
    assert_true(lw_span_has_eol(LW_LIT("a\r")));
    assert_false(lw_span_has_eol(LW_LIT("a\tb")));
    assert_true(lw_span_has_ctl(LW_LIT("a\tb")));
    assert_true(lw_span_has_ctl(LW_LIT("\x7f")));
    assert_false(lw_span_has_ctl(LW_LIT("\xc3\xa9")));
    assert_false(lw_span_is_ascii(LW_LIT("\xc3\xa9")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_span__compare_ignores_ascii_case_only),
        cmocka_unit_test(test_span__token_gives_empty_last_member),
        cmocka_unit_test(test_span__uint_stops_at_its_maximum),
        cmocka_unit_test(test_uint__written_as_it_is_read),
        cmocka_unit_test(test_span__line_ends_and_controls_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
