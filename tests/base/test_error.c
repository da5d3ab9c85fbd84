/* SPDX-License-Identifier: MIT */
#include "support/test.h"

static void
test_error__sentence_is_printable(void **state)
{
    lw_error err;

    (void)state;
    assert_int_equal(lw_fail(&err, LW_EPROTO, LW_STAGE_EHLO, "got \"%s\"", "a\x1b[31m\r\n\xff\xc3\xa9"),
                     LW_EPROTO);
    assert_string_equal(err.text, "got \"a?[31m? ?\xc3\xa9\"");
    assert_int_equal(err.stage, LW_STAGE_EHLO);
    lw_error_clear(&err);
    assert_int_equal(err.code, LW_OK);
    assert_int_equal(lw_fail(NULL, LW_ELOST, LW_STAGE_NONE, "x"), LW_ELOST);
}

static void
test_error__names_of_one_list(void **state)
{
    (void)state;
    assert_string_equal(lw_code_name(LW_EPROTO), "EPROTO");
    assert_string_equal(lw_code_name((lw_code)-99), "?");
    assert_string_equal(lw_stage_name(LW_STAGE_RCPT), "rcpt");
    assert_string_equal(lw_outcome_name(LW_OUTCOME_UNCERTAIN), "uncertain");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error__sentence_is_printable),
        cmocka_unit_test(test_error__names_of_one_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
