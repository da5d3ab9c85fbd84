/* SPDX-License-Identifier: MIT */
/* Replies whole, by octet, at every split in two, and against an unreadable page. */
#include "support/guard.h"
#include "support/test.h"

#include "smtp/reply.h"

typedef struct reply_case {
    const char *name, *input;
    size_t used;          /* octets of the first reply */
    lw_code rc;
    int code;
    unsigned enhanced[3], n_lines;
    const char *text;
} reply_case;

/* RFC 5321 4.2, 4.2.1, RFC 3463 2, RFC 2034 4 */
static const reply_case cases[] = {
    { "one line", "250 ok\r\n", 8, LW_OK, 250, { 0 }, 1, "ok" },
    { "code alone", "250\r\n", 5, LW_OK, 250, { 0 }, 1, "" },
    { "code and space", "250 \r\n", 6, LW_OK, 250, { 0 }, 1, "" },
    { "bare LF", "250 ok\n", 7, LW_OK, 250, { 0 }, 1, "ok" },
    { "bare CR stays text", "250 a\rb\r\n", 9, LW_OK, 250, { 0 }, 1, "a\rb" },
    { "8-bit text stays", "250 \xc3\xa9\xff\r\n", 9, LW_OK, 250, { 0 }, 1, "\xc3\xa9\xff" },
    { "several lines", "250-a\r\n250-b\r\n250 c\r\n", 21, LW_OK, 250, { 0 }, 3, "a\nb\nc" },
    { "empty lines", "250-\r\n250-\r\n250 \r\n", 18, LW_OK, 250, { 0 }, 3, "\n\n" },
    { "last line is code alone", "250-a\r\n250\r\n", 12, LW_OK, 250, { 0 }, 2, "a\n" },
    { "codes of one class differ", "250-a\r\n251 b\r\n", 14, LW_OK, 251, { 0 }, 2, "a\nb" },
    { "codes contradict", "250-a\r\n550 b\r\n", 14, LW_EPROTO, 0, { 0 }, 0, NULL },
    { "enhanced", "250 2.1.5 ok\r\n", 14, LW_OK, 250, { 2, 1, 5 }, 1, "ok" },
    { "enhanced alone", "550 5.1.1\r\n", 11, LW_OK, 550, { 5, 1, 1 }, 1, "" },
    { "enhanced of another class", "550 4.1.1 x\r\n", 13, LW_OK, 550, { 0 }, 1, "4.1.1 x" },
    { "enhanced three digits", "550 5.123.456 x\r\n", 17, LW_OK, 550, { 5, 123, 456 }, 1, "x" },
    { "enhanced too long", "550 5.1234.1 x\r\n", 16, LW_OK, 550, { 0 }, 1, "5.1234.1 x" },
    { "version is no code", "250 2.1 x\r\n", 11, LW_OK, 250, { 0 }, 1, "2.1 x" },
    { "enhanced each line", "550-5.7.1 a\r\n550 5.7.1 b\r\n", 26, LW_OK, 550, { 5, 7, 1 }, 2, "a\nb" },
    { "next reply stays", "250 a\r\n354 b\r\n", 7, LW_OK, 250, { 0 }, 1, "a" },
    { "HTTP", "HTTP/1.1 400 Bad Request\r\n", 26, LW_EPROTO, 0, { 0 }, 0, NULL },
    { "empty line", "\r\n", 2, LW_EPROTO, 0, { 0 }, 0, NULL },
    { "1yz", "150 x\r\n", 7, LW_EPROTO, 0, { 0 }, 0, NULL },
    { "6yz", "650 x\r\n", 7, LW_EPROTO, 0, { 0 }, 0, NULL },
    { "no separator", "250x\r\n", 6, LW_EPROTO, 0, { 0 }, 0, NULL },
    { "two digits", "25 x\r\n", 6, LW_EPROTO, 0, { 0 }, 0, NULL },
    { "letters", "2a0 x\r\n", 7, LW_EPROTO, 0, { 0 }, 0, NULL },
};

static guard page;

/* feed in pieces of the given sizes (the last one repeats), each against the guard page */
static lw_code
run(lw_reply_parser *p, const char *input, size_t first, size_t then, size_t *total)
{
    size_t n = strlen(input), at = 0, part = first;
    lw_code rc = LW_AGAIN;
    lw_error err;

    *total = 0;
    while (at < n && rc == LW_AGAIN) {
        size_t used = 0;
        if (part > n - at)
            part = n - at;
        rc = lw_reply_feed(p, (lw_span){ guard_put(&page, input + at, part), part }, &used, &err);
        at += used;
        part = then;
    }
    *total = at;
    return rc;
}

static void
check_case(const reply_case *c, size_t first, size_t then)
{
    char buf[200];
    lw_reply_parser p;
    size_t used;

    lw_reply_parser_init(&p, buf, sizeof buf);
    lw_code rc = run(&p, c->input, first, then, &used);
    const lw_reply *r = &p.reply;
    if (rc != c->rc || used != c->used)
        fail_msg("%s: %s after %zu octets (split %zu, %zu)", c->name, lw_code_name(rc), used,
                 first, then);
    if (rc < 0)
        return;
    if (r->code != c->code || r->n_lines != c->n_lines || r->enhanced.klass != c->enhanced[0] ||
        r->enhanced.subject != c->enhanced[1] || r->enhanced.detail != c->enhanced[2])
        fail_msg("%s: code %d, %u lines, %u.%u.%u", c->name, r->code, r->n_lines,
                 r->enhanced.klass, r->enhanced.subject, r->enhanced.detail);
    assert_span(r->text, c->text);
}

static void
test_reply__any_split_same_result(void **state)
{
    (void)state;
    guard_open(&page, 4096);
    for (size_t i = 0; i < LW_COUNT(cases); i++) {
        size_t n = strlen(cases[i].input);
        check_case(&cases[i], n, n);
        check_case(&cases[i], 1, 1);
        for (size_t split = 1; split < n; split++)
            check_case(&cases[i], split, n);
    }
    guard_close(&page);
}

/* a NUL that the server sent is not the end of the line */
static void
test_reply__nul_in_the_line_is_text(void **state)
{
    static const struct {
        lw_span line;
        lw_code rc;
        size_t text_len;
    } lines[] = {
        { LW_LIT("250 2.1.5\0 ok\r\n"), LW_OK, 9 },
        { LW_LIT("250 2.1\0.5 ok\r\n"), LW_OK, 9 },
        { LW_LIT("250 \0\r\n"), LW_OK, 1 },
        { LW_LIT("25\0 ok\r\n"), LW_EPROTO, 0 },
        { LW_LIT("250\0\r\n"), LW_EPROTO, 0 },
    };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(lines); i++) {
        char buf[32];
        lw_reply_parser p;
        lw_error err;
        size_t used;

        lw_reply_parser_init(&p, buf, sizeof buf);
        assert_int_equal(lw_reply_feed(&p, lines[i].line, &used, &err), lines[i].rc);
        if (lines[i].rc != LW_OK)
            continue;
        assert_int_equal(p.reply.enhanced.klass, 0);
        assert_int_equal(p.reply.text.len, lines[i].text_len);
        assert_memory_equal(p.reply.text.ptr, lines[i].line.ptr + 4, lines[i].text_len);
    }
}

static void
test_reply__bounds_hold_on_both_sides(void **state)
{
    char buf[32];
    lw_reply_parser p;
    lw_error err;
    size_t used;

    (void)state;
    lw_reply_parser_init(&p, buf, sizeof buf);
    /* a line with its CR and the separator fills the buffer */
    assert_int_equal(lw_reply_feed(&p, LW_LIT("250 12345678901234567890123456\r\n"), &used, &err), LW_OK);
    assert_int_equal(lw_reply_feed(&p, LW_LIT("250 123456789012345678901234567\r\n"), &used, &err),
                     LW_ELIMIT);
    lw_reply_parser_init(&p, buf, sizeof buf);
    for (int i = 0; i < 31; i++)
        assert_int_equal(lw_reply_feed(&p, LW_LIT("2"), &used, &err), LW_AGAIN);
    assert_int_equal(lw_reply_feed(&p, LW_LIT("2"), &used, &err), LW_ELIMIT);
}

static void
test_reply__endless_continuation_ends(void **state)
{
    char buf[8192];
    lw_reply_parser p;
    lw_error err;
    lw_code rc = LW_AGAIN;
    size_t used;
    int n = 0;

    (void)state;
    lw_reply_parser_init(&p, buf, sizeof buf);
    while (rc == LW_AGAIN && n++ < 100000)
        rc = lw_reply_feed(&p, LW_LIT("250-\r\n"), &used, &err);
    assert_int_equal(rc, LW_ELIMIT);
    assert_int_equal(n, LW_REPLY_MAX_LINES);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reply__any_split_same_result),
        cmocka_unit_test(test_reply__nul_in_the_line_is_text),
        cmocka_unit_test(test_reply__bounds_hold_on_both_sides),
        cmocka_unit_test(test_reply__endless_continuation_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
