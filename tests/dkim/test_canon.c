/* SPDX-License-Identifier: MIT */
/* tests/dkim/test_canon.c - canonical forms: RFC 6376 3.4, every split, against a plain reference */
#include "dkim/support.h"
#include "support/guard.h"

static guard g;

static void
digest_of(lw_span s, unsigned char digest[LW_DKIM_DIGEST])
{
    assert_int_equal(EVP_Digest(s.ptr, s.len, digest, NULL, EVP_sha256(), NULL), 1);
}

static void
canon_body(lw_dkim_canon canon, lw_span body, size_t max_span, uint64_t seed, unsigned char *digest, uint64_t *n)
{
    lw_dkim_hash h;
    lw_dkim_body b = { .canon = canon, .out = &h };
    test_memory m;
    lw_body in = test_body(&m, body, max_span, seed);
    lw_span s;
    lw_code rc;

    assert_true(lw_dkim_hash_init(&h));
    lw_dkim_hash_begin(&h, UINT64_MAX);
    do {
        rc = in.next(in.ctx, &s);
        lw_dkim_body_feed(&b, (lw_span){ guard_put(&g, s.ptr, s.len), s.len });
    } while (rc == LW_OK);
    lw_dkim_body_end(&b);
    *n = h.n;
    assert_int_equal(lw_dkim_hash_end(&h, digest), LW_OK);
    lw_dkim_hash_deinit(&h);
}

static void
check_body(const char *name, lw_dkim_canon canon, lw_span body, lw_span want)
{
    unsigned char wanted[LW_DKIM_DIGEST], got[LW_DKIM_DIGEST];
    uint64_t n;

    digest_of(want, wanted);
    for (uint64_t seed = 0; seed < 40; seed++) {
        canon_body(canon, body, seed == 0 ? 0 : seed < 10 ? 1 : (size_t)seed / 4, seed, got, &n);
        if (n != want.len || memcmp(got, wanted, sizeof got) != 0)
            fail_msg("%s, %s, seed %llu: %llu octets, %zu wanted", name,
                     canon == LW_DKIM_SIMPLE ? "simple" : "relaxed", (unsigned long long)seed,
                     (unsigned long long)n, want.len);
    }
}

static void
test_body__rows(void **state)
{
    static const struct {
        const char *name, *body, *relaxed, *simple;
    } rows[] = {
        { "RFC 6376 3.4.5", " C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n", " C \r\nD \t E\r\n" },
        { "empty", "", "", "\r\n" },
        { "one line end", "\r\n", "", "\r\n" },
        { "line ends only", "\r\n\r\n\r\n", "", "\r\n" },
        { "spaces only", " \t ", "", " \t \r\n" },
        { "lines of spaces only", "  \r\n\t\r\n", "", "  \r\n\t\r\n" },
        { "no last line end", "a", "a\r\n", "a\r\n" },
        { "spaces and no last line end", "a \t", "a\r\n", "a \t\r\n" },
        { "last line of spaces only", "a\r\n  ", "a\r\n", "a\r\n  \r\n" },
        { "empty lines inside stay", "\r\n\r\na\r\n\r\n\r\nb", "\r\n\r\na\r\n\r\n\r\nb\r\n", "\r\n\r\na\r\n\r\n\r\nb\r\n" },
        { "a dot alone", ".\r\n..\r\n", ".\r\n..\r\n", ".\r\n..\r\n" },
        { "a lone CR is an octet", "a\rb\r\r\n", "a\rb\r\r\n", "a\rb\r\r\n" },
        { "a CR at the end", "a\r", "a\r\r\n", "a\r\r\n" },
        { "a space before a lone CR", "a \r b\r\n", "a \r b\r\n", "a \r b\r\n" },
        { "a lone LF is an octet", "a\n \nb\r\n", "a\n \nb\r\n", "a\n \nb\r\n" },
        { "8 bit", "\xe9 \xc3\xa9\r\n", "\xe9 \xc3\xa9\r\n", "\xe9 \xc3\xa9\r\n" },
    };

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        check_body(rows[i].name, LW_DKIM_RELAXED, lw_span_str(rows[i].body), lw_span_str(rows[i].relaxed));
        check_body(rows[i].name, LW_DKIM_SIMPLE, lw_span_str(rows[i].body), lw_span_str(rows[i].simple));
    }
}

/* the values that RFC 6376 3.4.3 and 3.4.4 print */
static void
test_body__empty_has_the_hashes_of_the_rfc(void **state)
{
    static const char *const wanted[] = { "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
                                          "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=" };
    for (int canon = 0; canon < 2; canon++) {
        unsigned char digest[LW_DKIM_DIGEST];
        char text[LW_BASE64_LEN(LW_DKIM_DIGEST) + 1] = "";
        uint64_t n;

        canon_body((lw_dkim_canon)canon, LW_LIT(""), 0, 0, digest, &n);
        lw_base64_encode(text, digest, sizeof digest);
        assert_string_equal(text, wanted[canon]);
    }
}

/* The same by the letter of the RFC, on the whole body at once: (a) whitespace, line by line,
 * (b) empty lines at the end. */
static void
reference(lw_dkim_canon canon, lw_span in, lw_buf *out)
{
    size_t i = 0;

    lw_buf_reset(out);
    while (i < in.len) {
        size_t end = i, stop;

        while (end < in.len && !(in.ptr[end] == '\r' && end + 1 < in.len && in.ptr[end + 1] == '\n'))
            end++;
        stop = end;
        while (canon == LW_DKIM_RELAXED && stop > i && strchr(" \t", in.ptr[stop - 1]) != NULL && in.ptr[stop - 1])
            stop--;
        for (; i < stop; i++) {
            bool wsp = in.ptr[i] == ' ' || in.ptr[i] == '\t';
            if (canon == LW_DKIM_SIMPLE || !wsp)
                lw_buf_add_char(out, in.ptr[i]);
            else if (in.ptr[i + 1] != ' ' && in.ptr[i + 1] != '\t')
                lw_buf_add_char(out, ' ');
        }
        if (end < in.len)
            lw_buf_add(out, LW_LIT("\r\n"));
        i = end + 2;
    }
    while (out->len >= 2 && memcmp(out->ptr + out->len - 2, "\r\n", 2) == 0)
        out->len -= 2;
    if (out->len > 0 || canon == LW_DKIM_SIMPLE)
        lw_buf_add(out, LW_LIT("\r\n"));
}

static void
test_body__random_bodies_as_the_reference(void **state)
{
    static const char *const pieces[] = { " ", "\t", "\r\n", "\r\n", "\r", "\n", "a", "word", ".", "\xe9",
                                          "abcdefghijklmnopqrstuvwxyz", "\r\n\r\n", "  ", " \r\n",
                                          "a b of words and some more 12345678 ", "1234567 1234567 1234567  1",
                                          "a line of words\r\nand one more\r\n \x01 " };
    test_random r = { 42 };
    lw_buf body, want;

    lw_buf_init(&body, NULL, 1 << 20);
    lw_buf_init(&want, NULL, 1 << 20);
    for (int round = 0; round < 600; round++) {
        size_t n = (size_t)test_next(&r, 60);

        lw_buf_reset(&body);
        for (size_t i = 0; i < n; i++)
            lw_buf_add_str(&body, pieces[test_next(&r, LW_COUNT(pieces))]);
        for (int canon = 0; canon < 2; canon++) {
            reference((lw_dkim_canon)canon, lw_buf_span(&body), &want);
            check_body("random", (lw_dkim_canon)canon, lw_buf_span(&body), lw_buf_span(&want));
        }
    }
    lw_buf_deinit(&body);
    lw_buf_deinit(&want);
}

static void
check_field(const char *name, lw_dkim_canon canon, const char *field, const char *want)
{
    unsigned char wanted[LW_DKIM_DIGEST], got[LW_DKIM_DIGEST];
    size_t n = strlen(field);
    lw_dkim_hash h;

    assert_true(lw_dkim_hash_init(&h));
    lw_dkim_hash_begin(&h, UINT64_MAX);
    lw_dkim_canon_field(canon, (lw_span){ guard_put(&g, field, n), n }, &h);
    assert_int_equal(lw_dkim_hash_end(&h, got), LW_OK);
    lw_dkim_hash_deinit(&h);
    digest_of(lw_span_str(want), wanted);
    if (memcmp(got, wanted, sizeof got) != 0)
        fail_msg("%s: not \"%s\"", name, want);
}

static void
test_field__rows(void **state)
{
    static const struct {
        const char *name, *field, *relaxed;
    } rows[] = {
        { "RFC 6376 3.4.5 A", "A: X", "a:X" },
        { "RFC 6376 3.4.5 B", "B : Y\t\r\n\tZ  ", "b:Y Z" },
        { "RFC 6376 3.4.2", "SUBJect: AbC", "subject:AbC" },
        { "empty", "Subject:", "subject:" },
        { "spaces only", "Subject: \t ", "subject:" },
        { "folded before the value", "Subject:\r\n x", "subject:x" },
        { "folded many times", "S: a\r\n  \r\n\tb\r\n c", "s:a b c" },
        { "colons in the value", "S: a:b : c", "s:a:b : c" },
        { "8 bit", "S: \xc3\xa9  \xe9", "s:\xc3\xa9 \xe9" },
    };

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        check_field(rows[i].name, LW_DKIM_RELAXED, rows[i].field, rows[i].relaxed);
        check_field(rows[i].name, LW_DKIM_SIMPLE, rows[i].field, rows[i].field);
    }
}

/* octets past the limit count and are not hashed, wherever the buffer is flushed */
static void
test_hash__limit_on_both_sides(void **state)
{
    static char body[20000];
    unsigned char want[LW_DKIM_DIGEST], got[LW_DKIM_DIGEST];
    lw_dkim_hash h;

    memset(body, 'x', sizeof body);
    assert_true(lw_dkim_hash_init(&h));
    for (size_t limit = 0; limit <= sizeof body; limit += limit < 5 ? 1 : 1021) {
        lw_dkim_hash_begin(&h, limit);
        for (size_t at = 0, n; at < sizeof body; at += n) {
            n = at % 3 == 0 ? 7000 : 11;
            n = n > sizeof body - at ? sizeof body - at : n;
            lw_dkim_hash_add(&h, body + at, n);
        }
        assert_int_equal(h.n, sizeof body);
        assert_int_equal(lw_dkim_hash_end(&h, got), LW_OK);
        digest_of((lw_span){ body, limit }, want);
        assert_memory_equal(got, want, sizeof got);
    }
    lw_dkim_hash_deinit(&h);
}

static void
test_sum__same_for_any_split_other_for_any_change(void **state)
{
    char text[167];
    lw_dkim_sum whole = { .n = 0 };
    test_random r = { 7 };

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)test_next(&r, 256);
    lw_dkim_sum_add(&whole, (lw_span){ text, sizeof text });
    for (size_t cut = 0; cut <= sizeof text; cut++) {
        lw_dkim_sum s = { .n = 0 };
        lw_dkim_sum_add(&s, (lw_span){ text, cut });
        lw_dkim_sum_add(&s, (lw_span){ text + cut, sizeof text - cut });
        assert_true(lw_dkim_sum_eq(&s, &whole));
        s = (lw_dkim_sum){ .n = 0 };
        lw_dkim_sum_add(&s, (lw_span){ text, cut });
        assert_true(lw_dkim_sum_eq(&s, &whole) == (cut == sizeof text));
    }
    for (size_t i = 0; i < sizeof text * 8; i++) {
        lw_dkim_sum s = { .n = 0 };
        text[i / 8] ^= (char)(1 << i % 8);
        lw_dkim_sum_add(&s, (lw_span){ text, sizeof text });
        assert_false(lw_dkim_sum_eq(&s, &whole));
        text[i / 8] ^= (char)(1 << i % 8);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body__rows),
        cmocka_unit_test(test_body__empty_has_the_hashes_of_the_rfc),
        cmocka_unit_test(test_body__random_bodies_as_the_reference),
        cmocka_unit_test(test_field__rows),
        cmocka_unit_test(test_hash__limit_on_both_sides),
        cmocka_unit_test(test_sum__same_for_any_split_other_for_any_change),
    };
    guard_open(&g, 1 << 16);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
