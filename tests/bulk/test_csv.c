/* SPDX-License-Identifier: MIT */
/* tests/bulk/test_csv.c - lists in CSV: what RFC 4180 says, what the world writes, and bad rows */
#include <letterwing/bulk.h>

#include "support/guard.h"
#include "support/memory.h"
#include "support/test.h"

/* octets given in pieces; whole files end at an unreadable page */
typedef struct pieces {
    lw_span left;
    size_t piece; /* 0 = random sizes, and pauses */
    unsigned seed;
    bool fails;   /* after all that */
    bool has_failed;
} pieces;

static lw_code
read_piece(void *ctx, char *buf, size_t cap, size_t *n, lw_error *err)
{
    pieces *p = ctx;
    size_t most = p->piece;

    if (most == 0) {
        p->seed = p->seed * 1103515245u + 12345u;
        most = 1 + (p->seed >> 16) % 9;
        if ((p->seed >> 24) % 3 == 0)
            return LW_AGAIN;
    }
    *n = most < p->left.len ? most : p->left.len;
    *n = *n < cap ? *n : cap;
    if (*n == 0 && p->fails) {
        assert_false(p->has_failed); /* it is not asked again */
        p->has_failed = true;
        return lw_fail(err, LW_ESOURCE, LW_STAGE_COMPOSE, "people.csv: it broke");
    }
    memcpy(buf, p->left.ptr, *n);
    p->left.ptr += *n;
    p->left.len -= *n;
    return LW_OK;
}

/* the rows: "1@2 a|b" is row 1 in line 2 with two values, "1@2 ! why" a bad one */
static void
tell_rows(lw_buf *out, lw_rows rows)
{
    lw_error err;
    lw_row row;
    lw_code rc;

    for (;;) {
        lw_error_clear(&err);
        rc = rows.next(rows.ctx, &row, &err);
        if (rc == LW_AGAIN)
            continue;
        if (rc == LW_DONE)
            return;
        if (rc < 0 && rc != LW_EMESSAGE) {
            lw_buf_add_fmt(out, "failed: %s\n", err.text);
            return;
        }
        lw_buf_add_fmt(out, "%d@%d ", (int)row.number, (int)row.line);
        if (rc == LW_EMESSAGE)
            lw_buf_add_fmt(out, "! %s", err.text);
        for (size_t i = 0; i < row.n; i++) {
            lw_buf_add_str(out, i > 0 ? "|" : "");
            lw_buf_add(out, row.values[i]);
        }
        lw_buf_add_str(out, "\n");
    }
}

static void
tell(lw_buf *out, pieces p, size_t max_row)
{
    lw_csv_opts o;
    lw_csv *c;
    lw_error err = { .text = "" };
    const char *const *names;
    lw_rows rows;
    size_t n;

    lw_buf_init(out, &lw_alloc_default, 1 << 20);
    lw_csv_opts_init(&o);
    o.read = read_piece;
    o.ctx = &p;
    o.name = "people.csv";
    o.max_row_bytes = max_row;
    if (lw_csv_open(&o, &c, &err) < 0) {
        lw_buf_add_fmt(out, "%s\n", err.text);
        return;
    }
    rows = lw_csv_rows(c);
    names = rows.columns(rows.ctx, &n);
    for (size_t i = 0; i < n; i++)
        lw_buf_add_fmt(out, "%s%s", i > 0 ? "|" : "", names[i]);
    lw_buf_add_str(out, "\n");
    tell_rows(out, rows);
    lw_csv_close(c);
}

static const struct {
    const char *name, *text, *want;
} cases[] = {
    { "RFC 4180 2.1: CRLF", "a,b\r\naaa,bbb\r\nzzz,yyy\r\n", "a|b\n1@2 aaa|bbb\n2@3 zzz|yyy\n" },
    { "RFC 4180 2.2: no end of the last line", "a,b\r\naaa,bbb\r\nzzz,yyy",
      "a|b\n1@2 aaa|bbb\n2@3 zzz|yyy\n" },
    { "LF", "a,b\nc,d\n", "a|b\n1@2 c|d\n" },
    { "byte order mark", "\xef\xbb\xbf" "a,b\nc,d\n", "a|b\n1@2 c|d\n" },
    { "RFC 4180 2.5: quoted", "\"a\",\"b\"\r\n\"aaa\",\"bbb\"\r\nzzz,yyy", "a|b\n1@2 aaa|bbb\n2@3 zzz|yyy\n" },
    { "RFC 4180 2.6: line break in quotes", "a,b\r\n\"b\r\nb\",\"c,\nd\"\r\nx,y\r\n",
      "a|b\n1@2 b\r\nb|c,\nd\n2@5 x|y\n" },
    { "RFC 4180 2.7: quotes twice", "a\n\"b\"\"bb\"\n\"\"\"\"\n", "a\n1@2 b\"bb\n2@3 \"\n" },
    { "RFC 4180 2.4: spaces belong to a field", "a,b\n c , d \n", "a|b\n1@2  c | d \n" },
    { "empty fields", "a,b,c\n,,\n\"\",x,\"\"\n", "a|b|c\n1@2 ||\n2@3 |x|\n" },
    { "empty lines are no rows", "a,b\n\n\r\nc,d\n\n", "a|b\n1@4 c|d\n" },
    { "semicolon", "a;b\nc,;d\n", "a|b\n1@2 c,|d\n" },
    { "tab", "a\tb\nc;\td\n", "a|b\n1@2 c;|d\n" },
    { "a delimiter in quotes does not count", "\"x;y\",z\n1,2\n", "x;y|z\n1@2 1|2\n" },
    { "one column", "mail\na@b.c\n", "mail\n1@2 a@b.c\n" },
    { "ambiguous", "a;b,c\n1,2\n", "people.csv: more than one of comma, semicolon and tab stands in the first line: say which one separates fields\n" },
    { "a line end in the first line", "a,\"b\n;c\"\n1,2\n", "people.csv: the first line must name the "
      "columns, and column 2 has a name that is no UTF-8, too long, or with controls\n" },
    { "ambiguous behind a line end", "a,\"b\n\";c\n1,2\n", "people.csv: more than one of comma, "
      "semicolon and tab stands in the first line: say which one separates fields\n" },
    { "names trimmed", " a , b\n1,2\n", "a|b\n1@2 1|2\n" },
    { "Chinese", "邮箱,姓名\na@b.c,\"王,小明\"\n", "邮箱|姓名\n1@2 a@b.c|王,小明\n" },
    { "quote inside a plain field", "a,b\n5\" disk,x\"\"y\n", "a|b\n1@2 5\" disk|x\"\"y\n" },
    { "CR inside a plain field", "a\nb\rc\n", "a\n1@2 b\rc\n" },
    { "empty file", "", "people.csv: it is empty: the first line must name the columns\n" },
    { "only a mark", "\xef\xbb\xbf", "people.csv: it is empty: the first line must name the columns\n" },
    { "only line ends", "\n\r\n", "people.csv: it is empty: the first line must name the columns\n" },
    { "no rows", "a,b\n", "a|b\n" },
    { "column without a name", "a,,b\n", "people.csv: the first line must name the columns, and column 2 has no name\n" },
    { "column twice", "a,b,a\n", "people.csv: two columns are named \"a\"\n" },
    { "first line not closed", "a,\"b\n", "people.csv: the first line is bad: no closing quote\n" },
    { "too few", "a,b\n1\n1,2\n", "a|b\n1@2 ! it has 1 field, and there are 2 columns\n2@3 1|2\n" },
    { "too many", "a,b\n1,2,3,\"4\n5\",6\n7,8\n", "a|b\n1@2 ! it has more fields than there are columns\n2@4 7|8\n" },
    { "octets behind a quote", "a,b\n\"1\"x,2\n3,4\n", "a|b\n1@2 ! octets behind a closing quote\n2@3 3|4\n" },
    { "CR behind a quote", "a,b\n1,\"2\"\rx\n3,\"4\"\r\n", "a|b\n1@2 ! octets behind a closing quote\n2@3 3|4\n" },
    { "quote not closed", "a,b\n1,2\n3,\"4\n5,6\n", "a|b\n1@2 1|2\n2@3 ! no closing quote\n" },
    { "no UTF-8", "a,b\n1,\xff\n3,4\n", "a|b\n1@2 ! column \"b\" is not UTF-8\n2@3 3|4\n" },
    { "column not UTF-8", "a,\xd0\xd5\n", "people.csv: the first line must name the columns, and column 2 has a name that is no UTF-8, too long, or with controls\n" },
};

static void
test_csv__whole_by_octet_and_at_random_the_same_rows(void **state)
{
    guard g;

    guard_open(&g, 4096);
    for (size_t i = 0; i < LW_COUNT(cases); i++) {
        size_t n = strlen(cases[i].text);
        const char *text = guard_put(&g, cases[i].text, n);

        print_message("%s\n", cases[i].name);
        for (unsigned k = 0; k < 40; k++) {
            pieces p = { { text, n }, k == 0 ? n : k == 1 ? 1 : 0, k, .fails = false };
            lw_buf got;

            tell(&got, p, 0);
            assert_string_equal(lw_buf_cstr(&got), cases[i].want);
            lw_buf_deinit(&got);
        }
    }
    guard_close(&g);
}

static void
test_csv__a_nul_makes_its_row_bad(void **state)
{
    lw_buf got;

    tell(&got, (pieces){ LW_LIT("a,b\n1,\0\n3,4\n"), 2, 0, .fails = false }, 0);
    assert_string_equal(lw_buf_cstr(&got), "a|b\n1@2 ! a NUL octet\n2@3 3|4\n");
    lw_buf_deinit(&got);
    tell(&got, (pieces){ LW_LIT("a\0,b\n"), 2, 0, .fails = false }, 0);
    assert_string_equal(lw_buf_cstr(&got), "people.csv: the first line is bad: a NUL octet\n");
    lw_buf_deinit(&got);
}

static void
test_csv__a_row_as_long_as_allowed_is_good_one_octet_more_is_bad(void **state)
{
    static const struct {
        const char *text, *want;
    } bounds[] = {
        { "a,b\n1234,5678\n1,2\n", "a|b\n1@2 1234|5678\n2@3 1|2\n" },
        { "a,b\n12345,5678\n1,2\n", "a|b\n1@2 ! it is longer than a row may be\n2@3 1|2\n" },
        { "a,b\n\"12\n345\",5678\n1,2\n", "a|b\n1@2 ! it is longer than a row may be\n2@4 1|2\n" },
        { "a,b\n\"1234567\n\n\n\n1,2\n", "a|b\n1@2 ! a field in quotes makes it longer than a row may "
          "be: is the closing quote missing?\n2@6 1|2\n" },
    };

    for (size_t i = 0; i < LW_COUNT(bounds); i++) {
        for (size_t piece = 0; piece < 3; piece++) {
            lw_buf got;

            tell(&got, (pieces){ lw_span_str(bounds[i].text), piece, 7, .fails = false }, 8);
            assert_string_equal(lw_buf_cstr(&got), bounds[i].want);
            lw_buf_deinit(&got);
        }
    }
}

static void
test_csv__failure_of_the_source_ends_the_list(void **state)
{
    lw_buf got;

    tell(&got, (pieces){ LW_LIT("a,b\n1,2\n3,"), 1, 0, .fails = true }, 0);
    assert_string_equal(lw_buf_cstr(&got), "a|b\n1@2 1|2\nfailed: people.csv: it broke\n");
    lw_buf_deinit(&got);
    tell(&got, (pieces){ LW_LIT("a,"), 1, 0, .fails = true }, 0);
    assert_string_equal(lw_buf_cstr(&got), "people.csv: it broke\n");
    lw_buf_deinit(&got);
}

static void
test_csv__each_allocation_may_fail(void **state)
{
    for (long n = 0, done = 0; !done; n++) {
        pieces p = { LW_LIT("a,b\n\"1\n\",2\n"), 3, 0, .fails = false };
        lw_csv_opts o;
        lw_csv *c;
        lw_row row;
        test_memory m;
        lw_code rc;

        test_memory_init(&m, n);
        lw_csv_opts_init(&o);
        o.alloc = &m.alloc;
        o.read = read_piece;
        o.ctx = &p;
        rc = lw_csv_open(&o, &c, NULL);
        if (rc == LW_OK) {
            lw_rows rows = lw_csv_rows(c);
            rc = rows.next(rows.ctx, &row, NULL);
        }
        assert_int_equal(rc, m.has_failed ? LW_ENOMEM : LW_OK);
        done = rc == LW_OK;
        lw_csv_close(c);
        assert_int_equal(m.n_out, 0);
        assert_true(n < 100);
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv__whole_by_octet_and_at_random_the_same_rows),
        cmocka_unit_test(test_csv__a_nul_makes_its_row_bad),
        cmocka_unit_test(test_csv__a_row_as_long_as_allowed_is_good_one_octet_more_is_bad),
        cmocka_unit_test(test_csv__failure_of_the_source_ends_the_list),
        cmocka_unit_test(test_csv__each_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
