/* SPDX-License-Identifier: MIT */
/* test_late.c - a library is bound whole or not at all, and a failure is not remembered */
#include "support/test.h"

#include "late/late.h"

#include <errno.h>
#include <sys/resource.h>

typedef struct maths {
    double (*cosine)(double);
    double (*root)(double);
} maths;

static const char *trouble; /* what the library's own check says */

static const char *
check(void)
{
    return trouble;
}

static void
test_late__there_is_bound_once(void **state)
{
    static const char *const names[] = { "cos", "sqrt" };
    maths m = { NULL, NULL };
    lw_late l = { LW_LATE("libm.so.6", names, m) };
    lw_error err;

    (void)state;
    assert_int_equal(lw_late_load(&l, LW_STAGE_TLS, "this", &err), LW_OK);
    assert_true(m.cosine(0) == 1 && m.root(4) == 2);
    l.library = "not looked for again";
    assert_int_equal(lw_late_load(&l, LW_STAGE_TLS, "this", &err), LW_OK);
}

static void
test_late__missing_is_told_and_tried_again(void **state)
{
    static const char *const names[] = { "cos", "sqrt" };
    maths m = { NULL, NULL };
    lw_late l = { LW_LATE("libnowhere.so.9", names, m) };
    lw_error err;

    (void)state;
    assert_int_equal(lw_late_load(&l, LW_STAGE_AUTH, "sailing needs wind", &err), LW_ECONFIG);
    assert_int_equal(err.stage, LW_STAGE_AUTH);
    assert_non_null(strstr(err.text, "sailing needs wind, and libnowhere.so.9 is not installed"));
    assert_int_equal(lw_late_load(&l, LW_STAGE_AUTH, "x", NULL), LW_ECONFIG);
    l.library = "libm.so.6";
    assert_int_equal(lw_late_load(&l, LW_STAGE_AUTH, "x", &err), LW_OK);
    assert_non_null(m.root);
}

static void
test_late__a_function_missing_leaves_the_table_alone(void **state)
{
    static const char *const names[] = { "cos", "square_the_circle" };
    maths m = { NULL, NULL };
    lw_late l = { LW_LATE("libm.so.6", names, m) };
    lw_error err;

    (void)state;
    assert_int_equal(lw_late_load(&l, LW_STAGE_TLS, "this", &err), LW_ECONFIG);
    assert_non_null(strstr(err.text, "square_the_circle"));
    assert_null(m.cosine);
}

static void
test_late__unfit_is_told_and_tried_again(void **state)
{
    static const char *const names[] = { "cos", "sqrt" };
    maths m = { NULL, NULL };
    lw_late l = { LW_LATE("libm.so.6", names, m), .problem = check };
    lw_error err;

    (void)state;
    trouble = "it is too old";
    assert_int_equal(lw_late_load(&l, LW_STAGE_TLS, "this needs it", &err), LW_ECONFIG);
    assert_string_equal(err.text, "this needs it, and it is too old");
    trouble = NULL;
    assert_int_equal(lw_late_load(&l, LW_STAGE_TLS, "this needs it", &err), LW_OK);
}

/* descriptors that have run out are neither told as its absence nor remembered */
static void
test_late__out_of_descriptors_retry_later(void **state)
{
    static const char *const names[] = { "anything" };
    struct { unsigned (*version)(void); } m = { NULL };
    lw_late l = { LW_LATE("libnowhere.so.9", names, m) };
    struct rlimit before, none;
    lw_error err;
    lw_code rc;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    rc = lw_late_load(&l, LW_STAGE_TLS, "this", &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(rc, LW_ENOMEM);
    assert_int_equal(err.os_err, EMFILE);
    assert_int_equal(err.retry, LW_RETRY_LATER);
    assert_int_equal(lw_late_load(&l, LW_STAGE_TLS, "this", &err), LW_ECONFIG);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late__there_is_bound_once),
        cmocka_unit_test(test_late__missing_is_told_and_tried_again),
        cmocka_unit_test(test_late__a_function_missing_leaves_the_table_alone),
        cmocka_unit_test(test_late__unfit_is_told_and_tried_again),
        cmocka_unit_test(test_late__out_of_descriptors_retry_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
