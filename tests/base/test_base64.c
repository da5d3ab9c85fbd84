/* SPDX-License-Identifier: MIT */
#include "support/test.h"

static void
test_base64__rfc4648_section_10_vectors(void **state)
{
    static const char *const cases[][2] = {
        { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
    };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(cases); i++) {
        char text[16], back[16];
        size_t n = lw_base64_encode(text, cases[i][0], strlen(cases[i][0])), m = 0;
        assert_span(((lw_span){ text, n }), cases[i][1]);
        assert_true(lw_base64_decode(back, (lw_span){ text, n }, &m));
        assert_span(((lw_span){ back, m }), cases[i][0]);
    }
}

static void
test_base64__malformed_is_refused(void **state)
{
    static const char *const cases[] = { "Z", "Zg", "Zg=", "Zg=a", "=g==", "Zh==", "Zm9=", "Zg==Zg==",
                                         "Zm 9v", "Zm9v\n", "====" };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(cases); i++) {
        char back[16];
        size_t n;
        if (lw_base64_decode(back, lw_span_str(cases[i]), &n))
            fail_msg("case \"%s\" was taken", cases[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64__rfc4648_section_10_vectors),
        cmocka_unit_test(test_base64__malformed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
