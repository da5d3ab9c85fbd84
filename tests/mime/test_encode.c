/* SPDX-License-Identifier: MIT */
/* tests/mime/test_encode.c - quoted-printable, base64 lines, line ends, the choice for a text */
#include "mime/support.h"

static char *
qp(const char *text, size_t n, size_t cap)
{
    size_t len = 0;
    char *out = malloc(n * 4 + 64);
    lw_qp q = { 0, 0 };

    do
        len += lw_qp_encode(&q, (lw_span){ text, n }, out + len, cap);
    while (q.pos < n);
    out[len] = '\0';
    return out;
}

static void
test_qp__vectors(void **state)
{
    static const struct {
        const char *name, *text, *want;
    } rows[] = {
        { "plain", "abc\r\n", "abc\r\n" },
        { "equal sign", "a=b\r\n", "a=3Db\r\n" },
        { "8 bit", "é\r\n", "=C3=A9\r\n" },
        { "space before the end", "a \r\nb\t\r\n", "a=20\r\nb=09\r\n" },
        { "space inside", "a b\tc\r\n", "a b\tc\r\n" },
        { "dot alone", ".\r\n..\r\n.a\r\n", "=2E\r\n..\r\n.a\r\n" },
        { "from", "From x\r\n>From x\r\nFromage\r\n", "=46rom x\r\n>From x\r\nFromage\r\n" },
        { "control", "\001\r\n", "=01\r\n" },
        { "bare cr", "a\rb\r\n", "a=0Db\r\n" },
        { "76 columns fit", "1234567890123456789012345678901234567890123456789012345678901234567890123456\r\n",
          "1234567890123456789012345678901234567890123456789012345678901234567890123456\r\n" },
        { "77 do not", "12345678901234567890123456789012345678901234567890123456789012345678901234567\r\n",
          "123456789012345678901234567890123456789012345678901234567890123456789012345=\r\n67\r\n" },
        { "no end", "a ", "a=20" },
    };

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        char *got = qp(rows[i].text, strlen(rows[i].text), 1000);
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("%s: \"%s\"", rows[i].name, got);
        free(got);
    }
}

static size_t
decode_qp(const char *s, char *out)
{
    size_t n = 0;

    for (; *s != '\0'; s++) {
        if (*s != '=')
            out[n++] = *s;
        else if (s[1] == '\r')
            s += 2;
        else {
            out[n++] = (char)(lw_hex_value(s[1]) << 4 | lw_hex_value(s[2]));
            s += 2;
        }
    }
    return n;
}

static void
test_qp__random_octets_come_back_at_any_split(void **state)
{
    char text[600], back[600];

    srand(3);
    for (int round = 0; round < 2000; round++) {
        size_t n = 0, want = (size_t)rand() % 500;
        while (n < want) {
            int k = rand() % 8;
            if (k == 0) {
                memcpy(text + n, "\r\n", 2);
                n += 2;
            } else {
                text[n++] = k == 1 ? ' ' : k == 2 ? '.' : k == 3 ? (char)(rand() % 256) : 'x';
            }
        }
        char *whole = qp(text, n, 100000), *split = qp(text, n, LW_QP_STEP + (size_t)rand() % 20);
        assert_string_equal(split, whole);
        assert_int_equal(decode_qp(whole, back), n);
        assert_memory_equal(back, text, n);
        for (const char *p = whole, *end; *p != '\0'; p = end) {
            end = strstr(p, "\r\n");
            size_t line = end == NULL ? strlen(p) : (size_t)(end - p);
            assert_true(line <= 76);
            assert_true(line == 0 || (p[line - 1] != ' ' && p[line - 1] != '\t'));
            end = end == NULL ? p + line : end + 2;
        }
        free(whole);
        free(split);
    }
}

static void
test_base64_lines__exact_size_and_octets(void **state)
{
    char in[600], out[1000], joined[1000], back[1000];
    size_t got;

    for (size_t n = 0; n < sizeof in; n++) {
        in[n] = (char)(n * 7);
        size_t len = lw_base64_lines(out, in, n), k = 0;
        assert_int_equal(len, lw_base64_lines_size(n));
        for (size_t i = 0; i < len; i++)
            if (i % 78 == 76 || i % 78 == 77)
                assert_int_equal(out[i], i % 78 == 76 ? '\r' : '\n');
            else
                joined[k++] = out[i];
        assert_true(lw_base64_decode(back, (lw_span){ joined, k }, &got));
        assert_int_equal(got, n);
        assert_memory_equal(back, in, n);
    }
    assert_int_equal(lw_base64_lines_size(UINT64_C(1) << 40), UINT64_C(1504594859064));
}

/* lines of s with chunks of in octets and room for out octets at a time */
static size_t
lines(lw_span s, size_t in, size_t out, char *dst, size_t cap)
{
    lw_lines l = { .in_line = false };
    char *d = dst;
    bool done;

    do {
        lw_span chunk = { s.ptr, s.len < in ? s.len : in };
        char *end = d + out < dst + cap ? d + out : dst + cap;
        done = lw_lines_encode(&l, &chunk, chunk.len == s.len, &d, end);
        s.len -= (size_t)(chunk.ptr - s.ptr);
        s.ptr = chunk.ptr;
    } while (!done || s.len > 0);
    return (size_t)(d - dst);
}

static void
test_lines__every_kind_at_every_split(void **state)
{
    static const struct {
        const char *in, *want;
    } rows[] = {
        { "", "" }, { "a", "a\r\n" }, { "a\r\n", "a\r\n" }, { "a\n", "a\r\n" }, { "a\r", "a\r\n" },
        { "\n", "\r\n" }, { "\r\r\n\n", "\r\n\r\n\r\n" }, { "a\n\nb\r\rc\r\n\r\nd", "a\r\n\r\nb\r\n\r\nc\r\n\r\nd\r\n" },
        { "a\n\r", "a\r\n\r\n" }, { ".\n.\r\n.", ".\r\n.\r\n.\r\n" },
    };
    char out[100];

    for (size_t i = 0; i < LW_COUNT(rows); i++)
        for (size_t in = 1; in < 20; in++)
            for (size_t room = 2; room < 20; room++) {
                size_t n = lines(lw_span_str(rows[i].in), in, room, out, sizeof out);
                if (n != strlen(rows[i].want) || memcmp(out, rows[i].want, n) != 0)
                    fail_msg("row %zu by %zu into %zu", i, in, room);
            }
}

static void
test_text__encoding_chosen_by_content(void **state)
{
    char *line = malloc(1000);
    lw_text t = { .ptr = NULL };
    lw_error e;

    memset(line, 'x', 999);
    line[999] = '\0';
    const struct {
        const char *name;
        lw_span text;
        lw_encoding want;
    } rows[] = {
        { "empty", LW_LIT(""), LW_ENCODING_7BIT },
        { "ascii", LW_LIT("a\tb \n"), LW_ENCODING_7BIT },
        { "998 octets", { line, 998 }, LW_ENCODING_7BIT },
        { "999 octets", { line, 999 }, LW_ENCODING_QP },
        { "control", LW_LIT("a\fb and more of it\n"), LW_ENCODING_QP },
        { "del", LW_LIT("a\177b and more of it\n"), LW_ENCODING_QP },
        { "nul", LW_LIT("a\0b and more of it\n"), LW_ENCODING_QP },
        { "some 8 bit", LW_LIT("Grüße aus Köln am Rhein, und viel mehr davon\n"), LW_ENCODING_QP },
        { "much 8 bit", LW_LIT("测试邮件"), LW_ENCODING_BASE64 },
    };
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        assert_int_equal(lw_text_set(&t, NULL, rows[i].text, "text", &e), LW_OK);
        if (lw_text_encoding(&t, LW_BODY_7BIT, false) != rows[i].want)
            fail_msg("%s: %s", rows[i].name, lw_encoding_name(lw_text_encoding(&t, LW_BODY_7BIT, false)));
    }
    assert_int_equal(lw_text_set(&t, NULL, LW_LIT("12345678\xff"), "text", &e), LW_EMESSAGE);
    assert_string_equal(e.text, "text: not valid UTF-8 at octet 9");
    free(t.ptr);
    free(line);
}

static void
test_text__to_be_signed_keeps_nothing_that_is_changed_on_the_way(void **state)
{
    static const struct {
        const char *text, *name;
        lw_encoding want;
        uint64_t size;
    } rows[] = {
        { "x\r\n", "plain", LW_ENCODING_7BIT, 3 },
        { "", "empty", LW_ENCODING_7BIT, 0 },
        { "From\r\n\r\n From me\r\n", "no mbox line", LW_ENCODING_7BIT, 18 },
        { "-- \r\n", "space at the end", LW_ENCODING_QP, 7 },
        { "a\r\nb\t\r\nc\r\n", "tab at the end", LW_ENCODING_QP, 12 },
        { "a\r\nFrom me\r\n", "mbox line", LW_ENCODING_QP, 14 },
    };
    lw_text t = { .ptr = NULL };
    lw_error e;

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        assert_int_equal(lw_text_set(&t, NULL, lw_span_str(rows[i].text), "text", &e), LW_OK);
        if (lw_text_encoding(&t, LW_BODY_8BITMIME, true) != rows[i].want)
            fail_msg("%s", rows[i].name);
        assert_int_equal(lw_text_encoding(&t, LW_BODY_7BIT, false), LW_ENCODING_7BIT);
        assert_int_equal(lw_text_encoded_size(&t, rows[i].want), rows[i].size);
    }
    free(t.ptr);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text__to_be_signed_keeps_nothing_that_is_changed_on_the_way),
        cmocka_unit_test(test_qp__vectors),
        cmocka_unit_test(test_qp__random_octets_come_back_at_any_split),
        cmocka_unit_test(test_base64_lines__exact_size_and_octets),
        cmocka_unit_test(test_lines__every_kind_at_every_split),
        cmocka_unit_test(test_text__encoding_chosen_by_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
