/* SPDX-License-Identifier: MIT */
/* tests/mime/test_read_header.c - values of header fields: encoded words, parameters, character sets */
#include "mime/read_int.h"
#include "mime/support.h"

#include "support/guard.h"

/* ISO-8859-8 and -2 as far as the tests need them, and a set that gives broken UTF-8 */
static bool
convert(void *ctx, lw_span charset, lw_span octets, char *dst, size_t cap, size_t *n)
{
    bool is_hebrew = lw_span_eq_nocase(charset, LW_LIT("iso-8859-8"));

    *n = 0;
    if (lw_span_eq_nocase(charset, LW_LIT("x-broken"))) {
        memcpy(dst, "a\xff\n", *n = 3);
        return true;
    }
    if (!is_hebrew)
        return false;
    for (size_t i = 0; i < octets.len; i++) {
        unsigned char c = (unsigned char)octets.ptr[i];
        assert_true(*n + 2 <= cap);
        if (c >= 0xe0) {
            dst[(*n)++] = (char)0xd7;
            dst[(*n)++] = (char)(c - 0xe0 + 0x90);
        } else {
            dst[(*n)++] = (char)c;
        }
    }
    return true;
}

static const lw_charset_hook hook = { convert, NULL };

static void
test_words__tables_of_the_rfcs_and_the_world_decoded(void **state)
{
    static const struct {
        const char *name, *in, *want;
    } rows[] = {
        { "nothing", "", "" },
        { "plain", "Re: RFC-HDR care and feeding", "Re: RFC-HDR care and feeding" },
        /* RFC 2047 section 8 */
        { "8 from", "=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>" },
        { "8 to", "=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?= <keld@dkuug.dk>",
          "Keld J\xc3\xb8rn Simonsen <keld@dkuug.dk>" },
        { "8 cc", "=?ISO-8859-1?Q?Andr=E9?= Pirard <PIRARD@vm1.ulg.ac.be>",
          "Andr\xc3\xa9 Pirard <PIRARD@vm1.ulg.ac.be>" },
        { "8 subject", "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= "
          "=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
          "If you can read this you understand the example." },
        { "8 olle", "=?ISO-8859-1?Q?Olle_J=E4rnefors?= <ojarnef@admin.kth.se>",
          "Olle J\xc3\xa4rnefors <ojarnef@admin.kth.se>" },
        { "8 patrik", "=?ISO-8859-1?Q?Patrik_F=E4ltstr=F6m?= <paf@nada.kth.se>",
          "Patrik F\xc3\xa4ltstr\xc3\xb6m <paf@nada.kth.se>" },
        { "8 nathaniel", "Nathaniel Borenstein <nsb@thumper.bellcore.com> (=?iso-8859-8?b?7eXs+SDv4SDp7Oj08A==?=)",
          "Nathaniel Borenstein <nsb@thumper.bellcore.com> (\xd7\x9d\xd7\x95\xd7\x9c\xd7\xa9 "
          "\xd7\x9f\xd7\x91 \xd7\x99\xd7\x9c\xd7\x98\xd7\xa4\xd7\xa0)" },
        { "8 a", "(=?ISO-8859-1?Q?a?=)", "(a)" },
        { "8 a b", "(=?ISO-8859-1?Q?a?= b)", "(a b)" },
        { "8 ab", "(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)" },
        { "8 ab, two spaces", "(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)" },
        { "8 ab, folded", "(=?ISO-8859-1?Q?a?=     =?ISO-8859-1?Q?b?=)", "(ab)" },
        { "8 a_b", "(=?ISO-8859-1?Q?a_b?=)", "(a b)" },
        { "8 a _b", "(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)" },
        /* RFC 2231 section 5 */
        { "language", "From: =?US-ASCII*EN?Q?Keith_Moore?= <moore@cs.utk.edu>",
          "From: Keith Moore <moore@cs.utk.edu>" },
        /* the world */
        { "a character split between words", "=?utf-8?q?gr=C3?= =?UTF-8?Q?=BC=C3?= =?utf-8?b?nw==?=",
          "gr\xc3\xbc\xc3\x9f" },
        { "without white space between", "x=?utf-8?q?a?==?utf-8?q?b?=y", "xaby" },
        { "text between", "=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c" },
        { "windows-1252", "=?windows-1252?q?=80_=93x=94?=", "\xe2\x82\xac \xe2\x80\x9cx\xe2\x80\x9d" },
        { "spaces in Q", "=?utf-8?q?a b?=", "a b" },
        { "base64 without padding", "=?utf-8?b?4oKs?= =?utf-8?b?YQ?=", "\xe2\x82\xac" "a" },
        { "empty word", "a =?utf-8?q?" "?= b", "a  b" },
        { "broken hex", "=?utf-8?q?a=4=zz=?=", "a=4=zz=" },
        { "longer than 75", "=?utf-8?q?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          "aaaaaaaaaaaaaaaaaaaaaaa?=", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          "aaaaaaaaaaaaaaaaaaaaaaa" },
        { "unknown set", "=?x-odd?q?a=FF?= b", "=?x-odd?q?a=FF?= b" },
        { "unknown set, then a known one", "=?x-odd?q?a?= =?utf-8?q?b?=", "=?x-odd?q?a?=b" },
        { "unknown encoding", "=?utf-8?x?a?=", "=?utf-8?x?a?=" },
        { "no base64", "=?utf-8?b?a*b?= x", "=?utf-8?b?a*b?= x" },
        { "cut", "=?utf-8?q?a", "=?utf-8?q?a" },
        { "cut short", "=?", "=?" },
        { "only the end", "a?= b", "a?= b" },
        { "a question mark inside", "=?utf-8?q?a?b?=", "=?utf-8?q?a?b?=" },
        { "controls do not get out", "=?utf-8?q?a=0D=0ABcc:_x=00?=",
          "a\xef\xbf\xbd\xef\xbf\xbd" "Bcc: x\xef\xbf\xbd" },
        { "broken UTF-8", "=?utf-8?q?a=FFb?=", "a\xef\xbf\xbd" "b" },
        { "broken UTF-8 outside", "a\xff" "b", "a\xef\xbf\xbd" "b" },
        { "broken UTF-8 of a hook", "=?x-broken?q?x?=", "a\xef\xbf\xbd\xef\xbf\xbd" },
        { "said ASCII, is UTF-8", "=?us-ascii?q?=C3=BC?=", "\xc3\xbc" },
    };

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_span in = lw_span_str(rows[i].in);
        char *got;
        guard g;
        guard_open(&g, in.len);
        in.ptr = guard_put(&g, in.ptr, in.len);
        assert_int_equal(lw_header_text(in, &hook, &got), LW_OK);
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", rows[i].name, got, rows[i].want);
        lw_free(got);
        guard_close(&g);
    }
}

static void
test_params__tables_of_the_rfcs_and_the_world_read(void **state)
{
    static const struct {
        const char *name, *value, *param, *want;
    } rows[] = {
        { "none", "text/plain", "charset", NULL },
        { "empty value", "", "charset", NULL },
        { "token", "text/plain; charset=us-ascii", "charset", "us-ascii" },
        { "case", "text/plain; CHARSET=us-ascii", "Charset", "us-ascii" },
        { "quoted", "text/plain; charset=\"us-ascii\"", "charset", "us-ascii" },
        { "comment", "text/plain; charset=us-ascii (Plain text)", "charset", "us-ascii" },
        { "comments all over", "text/plain (a;b=c) ; (x) charset (y) = (z) \"q\" (w); b=c", "b", "c" },
        { "quotes in quotes", "a/b; name=\"x\\\"y\\\\z;w\"; c=d", "name", "x\"y\\z;w" },
        { "quotes not closed", "a/b; name=\"x y", "name", "x y" },
        { "backslash at the end", "a/b; name=\"x\\", "name", "x\\" },
        { "spaces without quotes", "a/b; name=my file (1).pdf; c=d", "name", "my file (1).pdf" },
        { "spaces around", "a/b ; name = x ; c=d", "name", "x" },
        { "empty", "a/b; name=; c=d", "name", "" },
        { "empty quotes", "a/b; name=\"\"", "name", "" },
        { "the first counts", "a/b; name=x; name=y", "name", "x" },
        { "no equals", "a/b; name; name=y", "name", "y" },
        { "semicolons", "a/b;;; ;name=y;", "name", "y" },
        { "not a prefix", "a/b; names=x", "name", NULL },
        { "encoded word in quotes", "a/b; name=\"=?utf-8?q?=E2=82=AC?= =?utf-8?q?.pdf?=\"", "name",
          "\xe2\x82\xac.pdf" },
        { "raw UTF-8", "a/b; name=\"\xe2\x82\xac\"", "name", "\xe2\x82\xac" },
        { "raw latin-1", "a/b; name=\"\xfc\"", "name", "\xef\xbf\xbd" },
        /* RFC 2231 section 3, 4, 4.1 */
        { "3", "message/external-body; access-type=URL; URL*0=\"ftp://\"; "
          "URL*1=\"cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar\"", "url",
          "ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar" },
        { "4", "application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", "title",
          "This is ***fun***" },
        { "4.1", "application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20; "
          "title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"", "title",
          "This is even more ***fun*** isn't it!" },
        { "any order", "a/b; n*2=c; n*0=a; n*1=b", "n", "abc" },
        { "a gap", "a/b; n*0=a; n*2=c", "n", "a" },
        { "no first section", "a/b; n*1=b; n=x", "n", "x" },
        { "sections go before plain", "a/b; n=x; n*=utf-8''%E2%82%AC", "n", "\xe2\x82\xac" },
        { "a character split between sections", "a/b; n*0*=utf-8''%E2; n*1*=%82%AC", "n", "\xe2\x82\xac" },
        { "latin-1", "a/b; n*=iso-8859-1''%FC", "n", "\xc3\xbc" },
        { "no set", "a/b; n*=''a%20b", "n", "a b" },
        { "no quotes at all", "a/b; n*=a%20b", "n", "a b" },
        { "unknown set, plain form beside it", "a/b; n*=x-odd''%FF; n=x", "n", "x" },
        { "unknown set alone", "a/b; n*=x-odd''%FF", "n", "%FF" },
        { "broken percent", "a/b; n*=utf-8''%4%zz%", "n", "%4%zz%" },
        { "number too large", "a/b; n*99999999999999999999=x; n*4000000=y; n=z", "n", "z" },
        { "apostrophe in the value", "a/b; n*=utf-8''it's", "n", "it's" },
        { "control", "a/b; n*=utf-8''a%0Ab", "n", "a\xef\xbf\xbd" "b" },
    };

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_span in = lw_span_str(rows[i].value);
        char *got;
        guard g;
        guard_open(&g, in.len);
        in.ptr = guard_put(&g, in.ptr, in.len);
        assert_int_equal(lw_header_param(in, rows[i].param, &hook, &got), LW_OK);
        if ((got == NULL) != (rows[i].want == NULL)
            || (got != NULL && strcmp(got, rows[i].want) != 0))
            fail_msg("%s: \"%s\", not \"%s\"", rows[i].name, got == NULL ? "(none)" : got,
                     rows[i].want == NULL ? "(none)" : rows[i].want);
        lw_free(got);
        guard_close(&g);
    }
}

/* each set of characters through the writer and back (the writer makes a tab a space) */
static void
test_words__what_we_write_read_back(void **state)
{
    static const char *const pieces[] = {
        "plain", " ", "  ", "gr\xc3\xbc\xc3\x9f", "\xe6\xb5\x8b\xe8\xaf\x95", "\xf0\x9f\x91\x8d", "=?",
        "?=", "=?utf-8?q?x?=", "_", "=41", "\"", "\\", "(", ")", "a,b", "x@y", "<", ">", ";",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d", "*", "'", "%", "%20",
    };
    uint32_t seed = 7;

    for (int round = 0; round < 4000; round++) {
        lw_buf text, field, got;
        lw_field_writer w;
        lw_buf_init(&text, NULL, 1 << 20);
        lw_buf_init(&field, NULL, 1 << 20);
        lw_buf_init(&got, NULL, 1 << 20);
        seed = seed * 1664525u + 1013904223u;
        for (unsigned n = seed >> 28; n > 0; n--) {
            seed = seed * 1664525u + 1013904223u;
            lw_buf_add_str(&text, pieces[(seed >> 16) % LW_COUNT(pieces)]);
        }
        lw_span want = lw_span_trim(lw_buf_span(&text));
        lw_field_begin(&w, &field, LW_LIT("Content-Disposition"));
        if (round % 2 == 0)
            lw_field_text(&w, want);
        else
            lw_field_param(&w, "filename", want);
        lw_field_end(&w);
        /* unfolded as the reader does it */
        lw_reader_opts o;
        lw_reader *r;
        lw_read_event ev;
        size_t used;
        lw_reader_opts_init(&o);
        assert_int_equal(lw_reader_new(&o, &r), LW_OK);
        assert_int_equal(lw_reader_next(r, &ev), LW_OK);
        assert_int_equal(lw_reader_feed(r, field.ptr, field.len, &used), LW_OK);
        lw_reader_eof(r);
        while (lw_reader_next(r, &ev) == LW_OK)
            if (round % 2 == 0 && ev.kind == LW_READ_FIELD)
                lw_buf_add(&got, ev.value);
            else if (round % 2 == 1 && ev.kind == LW_READ_CONTENT && want.len > 0)
                lw_buf_add_str(&got, ev.part->name);
        if (!lw_span_eq(lw_buf_span(&got), want))
            fail_msg("round %d: wrote \"%.*s\"\nas %.*sread \"%.*s\"", round, (int)want.len, want.ptr,
                     (int)field.len, field.ptr, (int)got.len, got.ptr);
        lw_reader_free(r);
        lw_buf_deinit(&text);
        lw_buf_deinit(&field);
        lw_buf_deinit(&got);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words__tables_of_the_rfcs_and_the_world_decoded),
        cmocka_unit_test(test_params__tables_of_the_rfcs_and_the_world_read),
        cmocka_unit_test(test_words__what_we_write_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
