/* SPDX-License-Identifier: MIT */
/* what a text may leave as: every octet at every place of a word, and line lengths */
#include "mime/support.h"

enum { LEN = 20 };

/* one character of UTF-8 at a place of a text of LEN octets */
static lw_text
text_with(uint32_t cp, size_t at)
{
    char octets[LEN];
    lw_text t = { .ptr = NULL };
    lw_error err;

    memset(octets, 'a', sizeof octets);
    octets[at] = (char)cp;
    if (cp >= 0x80) {
        octets[at] = (char)(0xc0 | cp >> 6);
        octets[at + 1] = (char)(0x80 | (cp & 0x3f));
    }
    if (lw_text_set(&t, lw_alloc_or_default(NULL), (lw_span){ octets, LEN }, "text", &err) < 0)
        fail_msg("U+%04X at %zu: %s", cp, at, err.text);
    return t;
}

static void
test_text__each_octet_at_each_place_is_judged(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp < 0x800; cp++)
        for (size_t at = 0; at + 1 < LEN; at++) {
            lw_text t = text_with(cp, at);
            bool is_control = (cp < 0x20 && cp != '\t' && cp != '\r' && cp != '\n') || cp == 0x7f;

            if (t.is_8bit != !is_control || t.is_7bit != (!is_control && cp < 0x80))
                fail_msg("U+%04X at %zu: 7bit %d, 8bit %d", cp, at, t.is_7bit, t.is_8bit);
            lw_free(t.ptr);
        }
}

static void
test_text__lines_up_to_998_octets_need_no_encoding(void **state)
{
    static char octets[2100];
    lw_error err;

    (void)state;
    memset(octets, 'a', sizeof octets);
    for (size_t before = 0; before < 9; before++)
        for (size_t n = 996; n < 1001; n++) {
            lw_text t = { .ptr = NULL };
            lw_span s = { octets, before + 1 + n };

            octets[before] = '\n';
            assert_int_equal(lw_text_set(&t, lw_alloc_or_default(NULL), s, "text", &err), LW_OK);
            assert_int_equal(t.is_7bit, n <= 998);
            lw_free(t.ptr);
            octets[before] = 'a';
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text__each_octet_at_each_place_is_judged),
        cmocka_unit_test(test_text__lines_up_to_998_octets_need_no_encoding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
