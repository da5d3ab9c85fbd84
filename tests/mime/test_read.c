/* SPDX-License-Identifier: MIT */
/* tests/mime/test_read.c - the reader: parts, fields, bodies, defects, bounds */
#include "read_support.h"

#define CRLF "\r\n"

typedef struct row {
    const char *name, *in, *want;
} row;

static void
check(const row *rows, size_t n, const lw_reader_opts *opts)
{
    for (size_t i = 0; i < n; i++) {
        lw_code rc;
        char *got = read_all_ways(rows[i].name, opts, lw_span_str(rows[i].in), &rc);
        if (rc != LW_DONE || strcmp(got, rows[i].want) != 0) {
            print_error("%s: result %d\n--- got\n%s--- want\n%s", rows[i].name, rc, got,
                        rows[i].want);
            fail();
        }
        free(got);
    }
}

static lw_reader_opts
options(void)
{
    lw_reader_opts o;

    lw_reader_opts_init(&o);
    o.enter_messages = true;
    return o;
}

#define TEXT(body) "is text/plain 7bit" "\n" body "end 0\n"

static void
test_header__any_form_fields(void **state)
{
    static const row rows[] = {
        { "nothing", "", "part 0 in 0 depth 0\n" TEXT("") },
        { "one field", "A: b" CRLF CRLF "x" CRLF,
          "part 0 in 0 depth 0\n1 A=b\n" TEXT("body x\\r\\n\n") },
        { "LF", "A: b\nC:d\n\nx\n", "part 0 in 0 depth 0\n1 A=b\n2 C=d\n" TEXT("body x\\n\n") },
        { "CR", "A: b\rC:d\r\rx\r", "part 0 in 0 depth 0\n1 A=b\n2 C=d\n" TEXT("body x\\r\n") },
        { "no end", "A: b", "part 0 in 0 depth 0\n1 A=b\n" TEXT("") },
        { "header only", "A: b" CRLF, "part 0 in 0 depth 0\n1 A=b\n" TEXT("") },
        { "no empty line at the end", "A: b" CRLF "C: d", "part 0 in 0 depth 0\n1 A=b\n2 C=d\n" TEXT("") },
        { "folded", "A: b" CRLF " c" CRLF "\td " CRLF "E:" CRLF " f" CRLF CRLF,
          "part 0 in 0 depth 0\n1 A=b c\\x09d\n4 E=f\n" TEXT("") },
        { "folded with an empty-looking line", "A: b" CRLF " " CRLF " c" CRLF CRLF "x",
          "part 0 in 0 depth 0\n1 A=b  c\n" TEXT("body x\n") },
        { "space before the colon", "A : b" CRLF "C\t:d" CRLF CRLF,
          "part 0 in 0 depth 0\n1 A=b\n2 C=d\n" TEXT("") },
        { "empty value", "A:" CRLF "B: " CRLF CRLF, "part 0 in 0 depth 0\n1 A=\n2 B=\n" TEXT("") },
        { "mailbox line", "From a@b Mon Nov 1 10:00:00 2026\nA: b\n\nx\n",
          "part 0 in 0 depth 0\n! mbox-from in 0 line 1\n2 A=b\n" TEXT("body x\\n\n") },
        { "begins folded", " x" CRLF "A: b" CRLF CRLF,
          "part 0 in 0 depth 0\n! stray-fold in 0 line 1\n2 A=b\n" TEXT("") },
        { "colon first", ": x" CRLF "A: b" CRLF CRLF,
          "part 0 in 0 depth 0\n! bad-field in 0 line 1\n2 A=b\n" TEXT("") },
        { "no separator", "A: b" CRLF "just text" CRLF CRLF "x" CRLF,
          "part 0 in 0 depth 0\n1 A=b\nis text/plain 7bit\n"
          "! no-separator in 0 line 2\nbody just text\\r\\n\\r\\nx\\r\\n\nend 0\n" },
        { "no header", "just text, and: more" CRLF,
          "part 0 in 0 depth 0\nis text/plain 7bit\n"
          "! no-separator in 0 line 1\nbody just text, and: more\\r\\n\nend 0\n" },
        { "no separator, no end", "text", "part 0 in 0 depth 0\nis text/plain 7bit\n"
          "! no-separator in 0 line 1\nbody text\nend 0\n" },
        { "8 bit", "A: gr\xc3\xbc\xc3\x9f" CRLF "B: gr\xfc" CRLF CRLF,
          "part 0 in 0 depth 0\n1 A=gr\xc3\xbc\xc3\x9f\n! header-8bit in 0 line 1\n"
          "2 B=gr\xef\xbf\xbd\n! header-not-utf8 in 0 line 2\n" TEXT("") },
        { "control", "A: b\x01" "c" CRLF CRLF, "part 0 in 0 depth 0\n1 A=b\xef\xbf\xbd" "c\n"
          "! header-control in 0 line 1\n" TEXT("") },
    };
    lw_reader_opts o = options();

    check(rows, LW_COUNT(rows), &o);
}

#define MULTI "Content-Type: multipart/mixed; boundary=b" CRLF CRLF
#define MULTI_IS "part 0 in 0 depth 0\n1 Content-Type=multipart/mixed; boundary=b\n" \
    "is multipart/mixed 7bit (parts)\n"
#define PART1 "part 1 in 0 depth 1\n"
#define PLAIN1 PART1 "is text/plain 7bit\n"

static void
test_multipart__boundaries_anywhere_parts(void **state)
{
    static const row rows[] = {
        { "two parts", MULTI "--b" CRLF CRLF "one" CRLF "--b" CRLF "Content-Type: text/html" CRLF
          CRLF "two" CRLF CRLF "--b--" CRLF,
          MULTI_IS PLAIN1 "body one\nend 1\npart 2 in 0 depth 1\n7 Content-Type=text/html\n"
          "is text/html 7bit\nbody two\\r\\n\nend 2\nend 0\n" },
        { "LF", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n",
          MULTI_IS PLAIN1 "body one\nend 1\nend 0\n" },
        { "no end of the last line", MULTI "--b" CRLF CRLF "one" CRLF "--b--",
          MULTI_IS PLAIN1 "body one\nend 1\nend 0\n" },
        { "preamble and epilogue", MULTI "hello" CRLF CRLF "--b" CRLF CRLF "one" CRLF "--b--" CRLF
          CRLF "bye" CRLF "--b" CRLF "no part" CRLF,
          MULTI_IS "! preamble in 0 line 3\n" PLAIN1 "body one\nend 1\n! epilogue in 0 line 10\nend 0\n" },
        { "white space behind a boundary", MULTI "--b \t" CRLF CRLF "one" CRLF "--b-- " CRLF,
          MULTI_IS PLAIN1 "body one\nend 1\nend 0\n" },
        { "nearly boundaries", MULTI "--b" CRLF CRLF "--" CRLF "--bx" CRLF "-- b" CRLF "--b-" CRLF
          "--b- -" CRLF "-" CRLF " --b" CRLF "x--b" CRLF "--b--" CRLF,
          MULTI_IS PLAIN1 "body --\\r\\n--bx\\r\\n-- b\\r\\n--b-\\r\\n--b- -\\r\\n-\\r\\n --b\\r\\nx--b\n"
          "end 1\nend 0\n" },
        { "empty body", MULTI "--b" CRLF CRLF "--b--" CRLF, MULTI_IS PLAIN1 "end 1\nend 0\n" },
        { "no header and no empty line", MULTI "--b" CRLF "--b--" CRLF,
          MULTI_IS PART1 "is text/plain 7bit\n! no-separator in 1 line 4\nend 1\nend 0\n" },
        { "header and no empty line", MULTI "--b" CRLF "A: b" CRLF "--b--" CRLF,
          MULTI_IS PART1 "4 A=b\nis text/plain 7bit\n! no-separator in 1 line 5\nend 1\nend 0\n" },
        { "header folded onto the boundary", MULTI "--b" CRLF "A: b" CRLF " --b--" CRLF,
          MULTI_IS PART1 "4 A=b --b--\nis text/plain 7bit\nend 1\n! not-closed in 0 line 6\nend 0\n" },
        { "never closed", MULTI "--b" CRLF CRLF "one" CRLF,
          MULTI_IS PLAIN1 "body one\\r\\n\nend 1\n! not-closed in 0 line 6\nend 0\n" },
        { "cut in the boundary", MULTI "--b" CRLF CRLF "one" CRLF "--",
          MULTI_IS PLAIN1 "body one\\r\\n--\nend 1\n! not-closed in 0 line 6\nend 0\n" },
        { "boundary never comes", MULTI "one" CRLF, MULTI_IS
          "! preamble in 0 line 3\n! no-parts in 0 line 4\nend 0\n" },
        { "no boundary", "Content-Type: multipart/mixed" CRLF CRLF "--b" CRLF "x" CRLF,
          "part 0 in 0 depth 0\n1 Content-Type=multipart/mixed\nis multipart/mixed 7bit\n"
          "! no-boundary in 0 line 1\nbody --b\\r\\nx\\r\\n\nend 0\n" },
        { "a boundary that begins with the outer one",
          MULTI "--b" CRLF "Content-Type: multipart/mixed; boundary=bb" CRLF CRLF "--bb" CRLF CRLF
          "one" CRLF "--bb--" CRLF "--b--" CRLF,
          MULTI_IS PART1 "4 Content-Type=multipart/mixed; boundary=bb\nis multipart/mixed 7bit (parts)\n"
          "part 2 in 1 depth 2\nis text/plain 7bit\nbody one\nend 2\nend 1\nend 0\n" },
        { "the inner one is not closed",
          MULTI "--b" CRLF "Content-Type: multipart/mixed; boundary=c" CRLF CRLF "--c" CRLF CRLF
          "one" CRLF "--b" CRLF CRLF "two" CRLF "--b--" CRLF,
          MULTI_IS PART1 "4 Content-Type=multipart/mixed; boundary=c\nis multipart/mixed 7bit (parts)\n"
          "part 2 in 1 depth 2\nis text/plain 7bit\nbody one\nend 2\n! not-closed in 1 line 10\nend 1\n"
          "part 3 in 0 depth 1\nis text/plain 7bit\nbody two\nend 3\nend 0\n" },
        { "a message inside", "Content-Type: message/rfc822" CRLF CRLF "A: b" CRLF CRLF "x" CRLF,
          "part 0 in 0 depth 0\n1 Content-Type=message/rfc822\nis message/rfc822 7bit (parts)\n"
          "part 1 in 0 depth 1\n3 A=b\nis text/plain 7bit\nbody x\\r\\n\nend 1\nend 0\n" },
        { "a message without header inside", "Content-Type: message/rfc822" CRLF "no field" CRLF "x",
          "part 0 in 0 depth 0\n1 Content-Type=message/rfc822\nis message/rfc822 7bit (parts)\n"
          "! no-separator in 0 line 2\npart 1 in 0 depth 1\nis text/plain 7bit\n"
          "! no-separator in 1 line 2\nbody no field\\r\\nx\nend 1\nend 0\n" },
        { "a coded message inside", "Content-Type: message/rfc822" CRLF
          "Content-Transfer-Encoding: base64" CRLF CRLF "QTogYg==" CRLF,
          "part 0 in 0 depth 0\n1 Content-Type=message/rfc822\n2 Content-Transfer-Encoding=base64\n"
          "is message/rfc822 base64\n! encoded-message in 0 line 1\nbody A: b\nend 0\n" },
        { "a digest", "Content-Type: multipart/digest; boundary=b" CRLF CRLF "--b" CRLF CRLF "A: b"
          CRLF CRLF "x" CRLF "--b--" CRLF,
          "part 0 in 0 depth 0\n1 Content-Type=multipart/digest; boundary=b\n"
          "is multipart/digest 7bit (parts)\n" PART1 "is message/rfc822 7bit (parts)\n"
          "part 2 in 1 depth 2\n5 A=b\nis text/plain 7bit\nbody x\nend 2\nend 1\nend 0\n" },
        { "a coded multipart", "Content-Transfer-Encoding: base64" CRLF MULTI "--b" CRLF CRLF "x" CRLF
          "--b--" CRLF,
          "part 0 in 0 depth 0\n1 Content-Transfer-Encoding=base64\n"
          "2 Content-Type=multipart/mixed; boundary=b\nis multipart/mixed base64 (parts)\n"
          "! encoded-multipart in 0 line 1\n" PLAIN1 "body x\nend 1\nend 0\n" },
        { "bad type", "Content-Type: text" CRLF CRLF, "part 0 in 0 depth 0\n1 Content-Type=text\n"
          "is text/plain 7bit\n! bad-type in 0 line 1\nend 0\n" },
        { "unknown encoding", "Content-Transfer-Encoding: x-new" CRLF CRLF "a=41" CRLF,
          "part 0 in 0 depth 0\n1 Content-Transfer-Encoding=x-new\nis text/plain x-new\n"
          "! bad-encoding in 0 line 1\nbody a=41\\r\\n\nend 0\n" },
        { "comments", "Content-Type: (a) text/HTML (b); (c;) charset=UTF-8 (d)" CRLF
          "Content-Transfer-Encoding: (x) 8Bit (y)" CRLF "Content-ID: <i@x>" CRLF
          "Content-Disposition: ATTACHMENT (z); filename=\"a b\"" CRLF CRLF,
          "part 0 in 0 depth 0\n1 Content-Type=(a) text/HTML (b); (c;) charset=UTF-8 (d)\n"
          "2 Content-Transfer-Encoding=(x) 8Bit (y)\n3 Content-ID=<i@x>\n"
          "4 Content-Disposition=ATTACHMENT (z); filename=\"a b\"\n"
          "is text/html 8bit charset utf-8 attachment name a b id i@x\nend 0\n" },
    };
    lw_reader_opts o = options();

    check(rows, LW_COUNT(rows), &o);
}

static void
test_body__encodings_decoded(void **state)
{
    static const struct {
        const char *name, *encoding, *in, *want, *defect;
    } rows[] = {
        { "soft breaks", "quoted-printable", "a=" CRLF "b= " CRLF "c" CRLF, "abc\\r\\n", "" },
        { "hex", "quoted-printable", "=41=6a=6A", "Ajj", "" },
        { "trailing white space", "quoted-printable", "a \t" CRLF "b =20" CRLF "c ", "a\\r\\nb  \\r\\nc", "" },
        { "RFC 2045 example", "Quoted-Printable", "Now's the time =" CRLF
          "for all folk to come=" CRLF " to the aid of their country." CRLF,
          "Now's the time for all folk to come to the aid of their country.\\r\\n", "" },
        { "no hex", "quoted-printable", "a=XYb=4Gc=" CRLF, "a=XYb=4Gc", "bad-quoted-printable" },
        { "equals in a row", "quoted-printable", "==41=3", "=A=3", "bad-quoted-printable" },
        { "equals and space", "quoted-printable", "a= b=  =41", "a= b=  A", "bad-quoted-printable" },
        { "equals at the end", "quoted-printable", "a=", "a", "" },
        { "raw 8 bit", "quoted-printable", "gr\xfc", "gr\xfc", "bad-quoted-printable" },
        { "base64", "base64", "SGVsbG8s" CRLF "IHdvcmxk" CRLF "IQ==" CRLF, "Hello, world!", "" },
        { "one pad", "BASE64", "YWI=", "ab", "" },
        { "spaces and odd splits", "base64", "S GV\tsb" CRLF CRLF "G8=" CRLF, "Hello", "" },
        { "what is not base64", "base64", "SG*Vs!bG8=", "Hello", "bad-base64" },
        { "behind the padding", "base64", "SGk=SGk=", "Hi", "bad-base64" },
        { "no padding", "base64", "SGk", "Hi", "bad-base64" },
        { "one character over", "base64", "SGVsb", "Hel", "bad-base64" },
        { "8 bit in 7 bit", "7bit", "gr\xc3\xbc", "gr\xc3\xbc", "body-8bit" },
        { "8 bit", "8bit", "gr\xc3\xbc", "gr\xc3\xbc", "" },
        { "binary", "binary", "a\x01\r\r\n\n", "a\\x01\\r\\r\\n\\n", "" },
    };
    lw_reader_opts o = options();

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_buf in;
        lw_code rc;
        lw_buf_init(&in, NULL, 4096);
        lw_buf_add_fmt(&in, "Content-Transfer-Encoding: %s" CRLF CRLF "%s", rows[i].encoding, rows[i].in);
        char *got = read_all_ways(rows[i].name, &o, lw_buf_span(&in), &rc);
        char *body = strstr(got, "body "), *defect = strstr(got, "! ");
        body = body == NULL ? got + strlen(got) : body;
        size_t n = strcspn(body, "\n"), want = strlen(rows[i].want);
        if (rc != LW_DONE || n != want + 5 || memcmp(body + 5, rows[i].want, want) != 0
            || (rows[i].defect[0] == '\0') != (defect == NULL)
            || (defect != NULL && strncmp(defect + 2, rows[i].defect, strlen(rows[i].defect)) != 0))
            fail_msg("%s:\n%s", rows[i].name, got);
        free(got);
        lw_buf_deinit(&in);
    }
}

static void
test_nul__in_text_told_in_binary_not(void **state)
{
    static const char text[] = "A: b" CRLF CRLF "x\0y" CRLF;
    static const char binary[] = "Content-Transfer-Encoding: binary" CRLF CRLF "x\0y\r\n\0\r";
    lw_reader_opts o = options();
    lw_code rc;
    char *got = read_all_ways("text", &o, (lw_span){ text, sizeof text - 1 }, &rc);

    assert_string_equal(got, "part 0 in 0 depth 0\n1 A=b\nis text/plain 7bit\n! nul in 0 line 3\n"
                        "body x\\x00y\\r\\n\nend 0\n");
    free(got);
    got = read_all_ways("binary", &o, (lw_span){ binary, sizeof binary - 1 }, &rc);
    assert_string_equal(got, "part 0 in 0 depth 0\n1 Content-Transfer-Encoding=binary\n"
                        "is text/plain binary\nbody x\\x00y\\r\\n\\x00\\r\nend 0\n");
    free(got);
}

static void
test_options__flat_raw_and_closed_messages(void **state)
{
    static const char in[] = MULTI "--b" CRLF "Content-Transfer-Encoding: base64" CRLF CRLF "YQ==" CRLF
        "--b" CRLF "Content-Type: message/rfc822" CRLF CRLF "A: b" CRLF CRLF "--b--" CRLF;
    lw_reader_opts o = options();
    lw_code rc;
    char *got;

    o.raw_bodies = true;
    o.enter_messages = false;
    got = read_all_ways("raw", &o, lw_span_str(in), &rc);
    assert_string_equal(got, MULTI_IS PART1 "4 Content-Transfer-Encoding=base64\n"
                        "is text/plain base64\nbody YQ==\nend 1\npart 2 in 0 depth 1\n"
                        "8 Content-Type=message/rfc822\nis message/rfc822 7bit\nbody A: b\\r\\n\n"
                        "end 2\nend 0\n");
    free(got);
    o.is_flat = true;
    got = read_all_ways("flat", &o, lw_span_str(in), &rc);
    assert_non_null(strstr(got, "is multipart/mixed 7bit\nbody --b\\r\\nContent-T"));
    free(got);
}

/* ---- bounds ---------------------------------------------------------------------------------- */

/* n multiparts inside one another, closed */
static char *
nested(size_t n)
{
    lw_buf b;

    lw_buf_init(&b, NULL, SIZE_MAX / 2);
    for (size_t i = 0; i < n; i++)
        lw_buf_add_fmt(&b, "Content-Type: multipart/mixed; boundary=b%zu" CRLF CRLF "--b%zu" CRLF, i, i);
    lw_buf_add_str(&b, CRLF "x" CRLF);
    for (size_t i = n; i > 0; i--)
        lw_buf_add_fmt(&b, "--b%zu--" CRLF, i - 1);
    return lw_buf_take(&b);
}

static void
test_depth__at_the_bound_and_one_more(void **state)
{
    lw_reader_opts o = options();
    lw_reader *r;

    o.max_depth = 3;
    for (size_t n = 3; n <= 4; n++) {
        char *in = nested(n);
        lw_code rc;
        char *got = read_all_ways("depth", &o, lw_span_str(in), &rc);
        assert_int_equal(rc, LW_DONE);
        assert_int_equal(strstr(got, "! too-deep in 3") != NULL, n == 4);
        if (n == 4)
            assert_non_null(strstr(got, "body --b3\\r\\n\\r\\nx\\r\\n--b3--\nend 3\n"));
        free(got);
        free(in);
    }
    o.max_depth = LW_DEPTH_MAX + 1;
    assert_int_equal(lw_reader_new(&o, &r), LW_EUSAGE);
    assert_null(r);
}

static void
test_parts__at_the_bound_and_one_more(void **state)
{
    lw_reader_opts o = options();
    lw_code rc;
    char *in = nested(2);

    o.max_parts = 3;
    free(read_all_ways("parts", &o, lw_span_str(in), &rc));
    assert_int_equal(rc, LW_DONE);
    o.max_parts = 2;
    free(read_all_ways("parts", &o, lw_span_str(in), &rc));
    assert_int_equal(rc, LW_ELIMIT);
    free(in);
}

static void
test_header_bytes__at_the_bound_and_one_more(void **state)
{
    static const char in[] = "A: b" CRLF "C: d" CRLF CRLF "a long body that does not count" CRLF;
    lw_reader_opts o = options();
    lw_reader *r;
    lw_code rc;
    size_t used;

    o.max_header_bytes = 14;
    free(read_all_ways("header", &o, lw_span_str(in), &rc));
    assert_int_equal(rc, LW_DONE);
    o.max_header_bytes = 10;
    free(read_all_ways("header", &o, lw_span_str(in), &rc));
    assert_int_equal(rc, LW_ELIMIT);
    /* closed: it says why, and stays so */
    assert_int_equal(lw_reader_new(&o, &r), LW_OK);
    lw_read_event ev;
    do {
        while (lw_reader_next(r, &ev) == LW_OK)
            ;
        rc = lw_reader_feed(r, "Aaaaaaaaaaaaaaaaa: b", 20, &used);
    } while (rc >= 0);
    assert_int_equal(rc, LW_ELIMIT);
    assert_string_equal(lw_reader_error(r)->text, "line 1: a header is longer than allowed");
    assert_int_equal(lw_reader_next(r, &ev), LW_ELIMIT);
    lw_reader_free(r);
}

static void
test_lines__998_octets_and_one_more(void **state)
{
    lw_reader_opts o = options();
    char in[2100], *got;
    lw_code rc;

    for (int n = 998; n <= 999; n++) {
        snprintf(in, sizeof in, "A: %0*d" CRLF CRLF "%0*d" CRLF, n - 3, 1, n, 1);
        got = read_all_ways("long", &o, lw_span_str(in), &rc);
        assert_int_equal(rc, LW_DONE);
        assert_int_equal(strstr(got, "! long-header-line in 0 line 1\n") != NULL, n == 999);
        assert_int_equal(strstr(got, "! long-line in 0 line 3\n") != NULL, n == 999);
        free(got);
        in[strlen(in) - 2] = '\0'; /* the last line has no end */
        got = read_all_ways("long, no end", &o, lw_span_str(in), &rc);
        assert_int_equal(strstr(got, "! long-line in 0 line 3\n") != NULL, n == 999);
        free(got);
    }
}

static void
test_boundary__longest_and_one_more(void **state)
{
    lw_reader_opts o = options();
    char in[2100], *got;
    lw_code rc;

    for (int n = LW_BOUNDARY_MAX; n <= LW_BOUNDARY_MAX + 1; n++) {
        snprintf(in, sizeof in, "Content-Type: multipart/mixed; boundary=%0*d" CRLF CRLF "--%0*d" CRLF
                 CRLF "x" CRLF "--%0*d--" CRLF, n, 1, n, 1, n, 1);
        got = read_all_ways("boundary", &o, lw_span_str(in), &rc);
        assert_int_equal(rc, LW_DONE);
        assert_int_equal(strstr(got, "! no-boundary") != NULL, n > LW_BOUNDARY_MAX);
        assert_int_equal(strstr(got, "body x\nend 1\n") != NULL, n == LW_BOUNDARY_MAX);
        free(got);
    }
}

static void
test_counts__line_ends_by_kind(void **state)
{
    static const char in[] = "A: b\r\nC: d\n\r\nx\ry\r\nz\n\r";
    lw_reader_opts o = options();

    for (int split = 0; split < 2; split++) {
        lw_reader *r;
        lw_read_event ev;
        size_t at = 0, used;
        assert_int_equal(lw_reader_new(&o, &r), LW_OK);
        while (at < sizeof in - 1) {
            assert_true(lw_reader_feed(r, in + at, split ? 1 : sizeof in - 1 - at, &used) >= 0);
            at += used;
            while (lw_reader_next(r, &ev) == LW_OK)
                ;
        }
        lw_reader_eof(r);
        while (lw_reader_next(r, &ev) == LW_OK)
            ;
        const lw_read_counts *c = lw_reader_counts(r);
        assert_int_equal(c->octets, sizeof in - 1);
        assert_int_equal(c->lines, 7);
        assert_int_equal(c->n_crlf, 3);
        assert_int_equal(c->n_lf, 2);
        assert_int_equal(c->n_cr, 2);
        assert_int_equal(c->first_lf, 2);
        assert_int_equal(c->first_cr, 4);
        assert_int_equal(c->longest_line, 4);
        assert_int_equal(c->n_parts, 1);
        assert_int_equal(lw_reader_feed(r, "x", 1, &used), LW_EUSAGE);
        lw_reader_free(r);
    }
}

static void
test_memory__out_at_each_step_no_leak(void **state)
{
    static const char in[] = "Subject: =?utf-8?B?4oKs?= x" CRLF MULTI "--b" CRLF
        "Content-Type: text/plain; charset=utf-8; name*0*=utf-8''a%20; name*1=b" CRLF
        "Content-Disposition: attachment; filename=\"=?x-odd?q?a?=\"" CRLF
        "Content-Transfer-Encoding: base64" CRLF "Content-ID: <a@b>" CRLF CRLF "YQ==" CRLF
        "--b" CRLF "no field" CRLF "--b--" CRLF;

    for (int once = 0; once < 2; once++) {
        bool more = true;
        for (long n = 0; more; n++) {
            test_memory m;
            lw_reader_opts o = options();
            lw_reader *r;
            lw_read_event ev;
            size_t used, left = sizeof in - 1;
            lw_code rc;
            test_memory_init(&m, n);
            m.once = once;
            o.alloc = &m.alloc;
            rc = lw_reader_new(&o, &r);
            assert_true(rc == LW_OK || (rc == LW_ENOMEM && r == NULL));
            while (rc >= 0 && left > 0) {
                rc = lw_reader_feed(r, in + sizeof in - 1 - left, left, &used);
                left -= used;
                while (rc >= 0 && (rc = lw_reader_next(r, &ev)) == LW_OK)
                    ;
            }
            if (rc >= 0) {
                lw_reader_eof(r);
                while ((rc = lw_reader_next(r, &ev)) == LW_OK)
                    ;
            }
            assert_int_equal(rc, m.has_failed ? LW_ENOMEM : LW_DONE);
            lw_reader_free(r);
            assert_int_equal(m.n_out, 0);
            more = m.has_failed;
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header__any_form_fields),
        cmocka_unit_test(test_multipart__boundaries_anywhere_parts),
        cmocka_unit_test(test_body__encodings_decoded),
        cmocka_unit_test(test_nul__in_text_told_in_binary_not),
        cmocka_unit_test(test_options__flat_raw_and_closed_messages),
        cmocka_unit_test(test_depth__at_the_bound_and_one_more),
        cmocka_unit_test(test_parts__at_the_bound_and_one_more),
        cmocka_unit_test(test_header_bytes__at_the_bound_and_one_more),
        cmocka_unit_test(test_lines__998_octets_and_one_more),
        cmocka_unit_test(test_boundary__longest_and_one_more),
        cmocka_unit_test(test_counts__line_ends_by_kind),
        cmocka_unit_test(test_memory__out_at_each_step_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
