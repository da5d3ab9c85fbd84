/* SPDX-License-Identifier: MIT */
#include "support/test.h"

static void *
failing_resize(void *ctx, void *p, size_t n)
{
    int *left = ctx;

    if (n == 0) {
        free(p);
        return NULL;
    }
    return (*left)-- > 0 ? realloc(p, n) : NULL;
}

static void
test_buf__maximum_holds_exactly(void **state)
{
    lw_buf b;

    (void)state;
    lw_buf_init(&b, NULL, 5);
    lw_buf_add(&b, LW_LIT("12345"));
    assert_int_equal(lw_buf_finish(&b), LW_OK);
    assert_string_equal(lw_buf_cstr(&b), "12345");
    lw_buf_add_char(&b, '6');
    assert_int_equal(lw_buf_finish(&b), LW_ELIMIT);
    lw_buf_reset(&b);
    lw_buf_add_fmt(&b, "%s-%d", "ab", 12);
    assert_string_equal(lw_buf_cstr(&b), "ab-12");
    lw_buf_deinit(&b);
}

static void
test_buf__first_failure_sticks(void **state)
{
    int left = 1;
    lw_alloc alloc = { failing_resize, &left };
    lw_buf b;

    (void)state;
    lw_buf_init(&b, &alloc, 1 << 20);
    lw_buf_add(&b, LW_LIT("kept"));
    for (int i = 0; i < 100; i++)
        lw_buf_add(&b, LW_LIT("0123456789"));
    lw_buf_add(&b, LW_LIT(""));
    assert_int_equal(lw_buf_finish(&b), LW_ENOMEM);
    assert_null(lw_buf_cstr(&b));
    assert_null(lw_buf_take(&b));
}

static void
test_buf__numbers_and_taking(void **state)
{
    lw_buf b;
    char *p;

    (void)state;
    lw_buf_init(&b, NULL, 100);
    lw_buf_add_uint(&b, 0);
    lw_buf_add_char(&b, ' ');
    lw_buf_add_uint(&b, UINT64_MAX);
    p = lw_buf_take(&b);
    assert_string_equal(p, "0 18446744073709551615");
    lw_release(NULL, p);
    assert_int_equal(b.len, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf__maximum_holds_exactly),
        cmocka_unit_test(test_buf__first_failure_sticks),
        cmocka_unit_test(test_buf__numbers_and_taking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
