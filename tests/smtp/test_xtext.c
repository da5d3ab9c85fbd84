/* SPDX-License-Identifier: MIT */
/* tests/smtp/test_xtext.c - RFC 3461 4 in both directions */
#include "support/test.h"

#include "smtp/xtext.h"

#include <sys/mman.h>
#include <unistd.h>

static const struct {
    const char *name, *plain, *encoded;
} both_ways[] = {
    { "empty", "", "" },
    { "ascii", "QQ314159", "QQ314159" },
    { "plus and equals", "a+b=c", "a+2Bb+3Dc" },
    { "space", "a b", "a+20b" },
    { "edges of the range", "!~\x7f", "!~+7F" },
    { "utf-8", "Zo\xc3\xab", "Zo+C3+AB" },
    { "rfc 4954 example", "e+mc2@example.com", "e+2Bmc2@example.com" },
};

static const struct {
    const char *name, *encoded;
} malformed[] = {
    { "lower case digits", "a+2b" }, { "no digits", "a+" },   { "one digit", "a+2" },
    { "not a digit", "a+2G" },       { "raw equals", "a=b" }, { "raw space", "a b" },
    { "raw control", "a\tb" },       { "raw 8-bit", "\xc3" }, { "raw delete", "\x7f" },
};

/* A copy of s that ends at an unreadable page. */
static lw_span
guarded(const char *s, size_t n, char **map)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(*map != MAP_FAILED);
    assert_int_equal(mprotect(*map + page, page, PROT_NONE), 0);
    if (n > 0)
        memcpy(*map + page - n, s, n);
    return (lw_span){ *map + page - n, n };
}

static void
unguard(char *map)
{
    munmap(map, 2 * (size_t)sysconf(_SC_PAGESIZE));
}

static void
test_xtext__good_values_round_trip(void **state)
{
    for (size_t i = 0; i < LW_COUNT(both_ways); i++) {
        char *map, got[64];
        lw_span in = guarded(both_ways[i].encoded, strlen(both_ways[i].encoded), &map);
        size_t n = lw_xtext_encode(got, sizeof got, lw_span_str(both_ways[i].plain));

        print_message("case: %s\n", both_ways[i].name);
        assert_span(((lw_span){ got, n }), both_ways[i].encoded);
        assert_true(lw_xtext_decode(got, sizeof got, in, &n));
        assert_span(((lw_span){ got, n }), both_ways[i].plain);
        unguard(map);
    }
}

static void
test_xtext__malformed_values_are_refused(void **state)
{
    for (size_t i = 0; i < LW_COUNT(malformed); i++) {
        char *map, got[64];
        size_t n;

        print_message("case: %s\n", malformed[i].name);
        assert_false(lw_xtext_decode(
            got, sizeof got, guarded(malformed[i].encoded, strlen(malformed[i].encoded), &map),
            &n));
        unguard(map);
    }
}

static void
test_xtext__capacity_is_exact(void **state)
{
    char got[8];
    size_t n;

    assert_int_equal(lw_xtext_encode(got, 4, LW_LIT("a+")), 4);
    assert_true(lw_xtext_encode(got, 3, LW_LIT("a+")) == SIZE_MAX);
    assert_true(lw_xtext_decode(got, 2, LW_LIT("a+2B"), &n));
    assert_int_equal(n, 2);
    assert_false(lw_xtext_decode(got, 1, LW_LIT("a+2B"), &n));
}

static void
test_xtext__every_octet_round_trips(void **state)
{
    char plain[256], enc[768], dec[256];
    size_t n, m;

    for (int i = 0; i < 256; i++)
        plain[i] = (char)i;
    n = lw_xtext_encode(enc, sizeof enc, (lw_span){ plain, sizeof plain });
    assert_true(n != SIZE_MAX);
    assert_true(lw_xtext_decode(dec, sizeof dec, (lw_span){ enc, n }, &m));
    assert_int_equal(m, sizeof plain);
    assert_memory_equal(dec, plain, sizeof plain);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xtext__good_values_round_trip),
        cmocka_unit_test(test_xtext__malformed_values_are_refused),
        cmocka_unit_test(test_xtext__capacity_is_exact),
        cmocka_unit_test(test_xtext__every_octet_round_trips),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
