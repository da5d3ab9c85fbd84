/* SPDX-License-Identifier: MIT */
#include "support/test.h"

static void
test_utf8__valid_and_broken(void **state)
{
    static const struct { const char *text; bool ok; } cases[] = {
        { "", true }, { "abc", true }, { "\xc3\xa9", true }, { "\xe6\xb5\x8b", true },
        { "\xf0\x9f\x93\xa7", true }, { "\xf4\x8f\xbf\xbf", true },
        { "\x80", false }, { "\xc0\xaf", false }, { "\xc1\x81", false }, { "\xe0\x80\x80", false },
        { "\xed\xa0\x80", false }, { "\xf4\x90\x80\x80", false }, { "\xf8\x88\x80\x80\x80", false },
        { "\xe6\xb5", false }, { "\xe6", false }, { "\xff", false },
    };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(cases); i++)
        if (lw_utf8_valid(lw_span_str(cases[i].text)) != cases[i].ok)
            fail_msg("case %zu", i);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_utf8__valid_and_broken) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
