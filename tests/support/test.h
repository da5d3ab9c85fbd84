/* SPDX-License-Identifier: MIT */
/* tests/support/test.h - cmocka and what every test needs before it */
#ifndef LW_TESTS_TEST_H
#define LW_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>

#define assert_span(s, text)                                                             \
    do {                                                                                 \
        lw_span s_ = (s);                                                                \
        assert_int_equal(s_.len, strlen(text));                                          \
        if (s_.len > 0)                                                                  \
            assert_memory_equal(s_.ptr, text, s_.len);                                   \
    } while (0)

#endif
