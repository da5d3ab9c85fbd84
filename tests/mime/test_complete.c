/* SPDX-License-Identifier: MIT */
/* tests/mime/test_complete.c - bare names of an address list get a domain, all else stays */
#include "mime/support.h"
#include "support/guard.h"

static guard g;

typedef struct row {
    const char *name, *list, *want; /* want NULL = unchanged */
    size_t n;
} row;

static void
check_rows(const row *rows, size_t n_rows, const char *domain)
{
    int bad = 0;

    for (size_t i = 0; i < n_rows; i++) {
        size_t len = strlen(rows[i].list), n = 99;
        lw_span list = { guard_put(&g, rows[i].list, len), len };
        const char *want = rows[i].want != NULL ? rows[i].want : rows[i].list;
        char *got = NULL;
        lw_code rc = lw_addresses_complete(list, domain, &got, &n);

        if (rc != LW_OK || strcmp(got, want) != 0 || n != rows[i].n) {
            print_error("%s: %s\n  got  %s (%zu)\n  want %s (%zu)\n", rows[i].name,
                        lw_code_name(rc), got != NULL ? got : "", n, want, rows[i].n);
            bad++;
        }
        lw_free(got);
    }
    assert_int_equal(bad, 0);
}

static void
test_complete__forms_of_members(void **state)
{
    static const row rows[] = {
        { "empty", "", NULL, 0 },
        { "space", " \t", NULL, 0 },
        { "one name", "root", "root@x.test", 1 },
        { "two names", "root,ann", "root@x.test,ann@x.test", 2 },
        { "spaces stay", " root , ann ", " root@x.test , ann@x.test ", 2 },
        { "complete ones stay", "a@b.test, C <c@d.test>", NULL, 2 },
        { "mixed", "a@b.test, root", "a@b.test, root@x.test", 2 },
        { "with dots", "ann.bee", "ann.bee@x.test", 1 },
        { "comment behind", "root (Cron Daemon)", "root@x.test (Cron Daemon)", 1 },
        { "comment before", "(the boss) root", "(the boss) root@x.test", 1 },
        { "comma in a comment", "root (a, b (c, d) \\) e)", "root@x.test (a, b (c, d) \\) e)", 1 },
        { "in angles", "Root <root>", "Root <root@x.test>", 1 },
        { "angles alone", "<root>", "<root@x.test>", 1 },
        { "spaces in angles", "R < root >", "R < root@x.test >", 1 },
        { "quoted name", "\"a, b\" <root>", "\"a, b\" <root@x.test>", 1 },
        { "quoted local part", "\"a b\"", "\"a b\"@x.test", 1 },
        { "quoted with escapes", "\"a\\\"b,\"", "\"a\\\"b,\"@x.test", 1 },
        { "word of pieces", "\"a\".b", "\"a\".b@x.test", 1 },
        { "folded", "root,\r\n ann", "root@x.test,\r\n ann@x.test", 2 },
        { "folded with LF", "root,\n ann\n", "root@x.test,\n ann@x.test\n", 2 },
        { "group", "g: root, a@b.test;", "g: root@x.test, a@b.test;", 2 },
        { "group, then more", "g: root; , ann", "g: root@x.test; , ann@x.test", 2 },
        { "empty group", "undisclosed-recipients:;", NULL, 0 },
        { "empty group with words", "no one at all: ;", NULL, 0 },
        { "empty members", ",, root,,", ",, root@x.test,,", 1 },
        { "route", "<@a.test,@b.test:root@c.test>", NULL, 1 },
        { "route to a name", "<@a.test:root>", "<@a.test:root@x.test>", 1 },
        { "domain literal", "root@[192.0.2.1]", NULL, 1 },
        { "UTF-8", "邮件", "邮件@x.test", 1 },
        { "encoded word name", "=?utf-8?q?A?= <root>", "=?utf-8?q?A?= <root@x.test>", 1 },
        { "8-bit that is no UTF-8", "\xff", "\xff@x.test", 1 },
        { "option-like", "-X/tmp/x", "-X/tmp/x@x.test", 1 },
    };
    check_rows(rows, LW_COUNT(rows), "x.test");
}

static void
test_complete__what_is_no_list_stays(void **state)
{
    static const row rows[] = {
        { "several words", "my dear friend", NULL, 1 },
        { "two words in angles", "<a b>", NULL, 1 },
        { "nothing in angles", "A <>", NULL, 1 },
        { "quote without end", "root, \"ann", "root@x.test, \"ann", 2 },
        { "comment without end", "root (", NULL, 1 },
        { "backslash at the end", "\"\\", NULL, 1 },
        { "literal without end", "a@[1", NULL, 1 },
        { "at alone", "@", NULL, 1 },
        { "nothing before the at", "@b.test", NULL, 1 },
        { "space around the at", "a @ b.test", NULL, 1 },
        { "angle without end", "A <root", "A <root@x.test", 1 },
    };
    check_rows(rows, LW_COUNT(rows), "x.test");
}

static void
test_complete__address_replaces_the_name(void **state)
{
    static const row rows[] = {
        { "one name", "root", "me@y.test", 1 },
        { "in angles", "Root <root> (x), a@b.test", "Root <me@y.test> (x), a@b.test", 2 },
        { "comment", "root (Cron)", "me@y.test (Cron)", 1 },
        { "several", "a,b,c@d.test", "me@y.test,me@y.test,c@d.test", 3 },
    };
    check_rows(rows, LW_COUNT(rows), "me@y.test");
}

static void
test_complete__result_is_what_the_parser_reads(void **state)
{
    static const char list[] = "Root <root>, g: ann (x), \"b c\";, d@e.test";
    lw_arena arena;
    lw_mailboxes l;
    lw_error err;
    char *out;

    assert_int_equal(lw_addresses_complete(lw_span_str(list), "x.test", &out, NULL), LW_OK);
    lw_arena_init(&arena, NULL);
    lw_mailboxes_init(&l, &arena);
    assert_int_equal(lw_mailboxes_parse(&l, lw_span_str(out), "to", &err), LW_OK);
    assert_int_equal(l.n, 4);
    assert_string_equal(l.items[0].addr, "root@x.test");
    assert_string_equal(l.items[1].addr, "ann@x.test");
    assert_string_equal(l.items[2].addr, "\"b c\"@x.test");
    assert_string_equal(l.items[3].addr, "d@e.test");
    lw_arena_deinit(&arena);
    lw_free(out);
}

static void
test_complete__bad_calls_refused(void **state)
{
    char *out;

    assert_int_equal(lw_addresses_complete(LW_LIT("a"), NULL, &out, NULL), LW_EUSAGE);
    assert_int_equal(lw_addresses_complete(LW_LIT("a"), "", &out, NULL), LW_EUSAGE);
    assert_int_equal(lw_addresses_complete(LW_LIT("a"), "x\r\nBcc: y", &out, NULL), LW_EUSAGE);
    assert_int_equal(lw_addresses_complete((lw_span){ "a\0b", 3 }, "x", &out, NULL), LW_EUSAGE);
    assert_null(out);
}

/* 64 MiB of result: on both sides of the bound */
static void
test_complete__limit(void **state)
{
    static char list[1 << 19]; /* "a,a,...": 2^18 members */
    char domain[258];
    char *out;

    for (size_t i = 0; i < sizeof list; i++)
        list[i] = i % 2 == 0 ? 'a' : ',';
    memset(domain, 'd', sizeof domain);
    domain[253] = '\0'; /* 2^18 * (2 + 1 + 253) = 2^26 */
    assert_int_equal(lw_addresses_complete((lw_span){ list, sizeof list }, domain, &out, NULL),
                     LW_OK);
    assert_int_equal(strlen(out), (size_t)1 << 26);
    lw_free(out);
    domain[253] = 'd';
    domain[254] = '\0';
    assert_int_equal(lw_addresses_complete((lw_span){ list, sizeof list }, domain, &out, NULL),
                     LW_ELIMIT);
    assert_null(out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete__forms_of_members),
        cmocka_unit_test(test_complete__what_is_no_list_stays),
        cmocka_unit_test(test_complete__address_replaces_the_name),
        cmocka_unit_test(test_complete__result_is_what_the_parser_reads),
        cmocka_unit_test(test_complete__bad_calls_refused),
        cmocka_unit_test(test_complete__limit),
    };

    guard_open(&g, 4096);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
