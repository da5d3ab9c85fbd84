/* SPDX-License-Identifier: MIT */
/* tests/mime/test_header.c - folding, encoded words (RFC 2047), parameters (RFC 2231), dates */
#include "mime/support.h"

/* a writer's field "Name: ..." as text */
typedef enum what { TEXT, PHRASE, LIST, PARAM, WORDS_PARAM } what;

static char *
write_field(what kind, const char *value)
{
    lw_field_writer w;
    lw_arena arena;
    lw_mailboxes l;
    lw_error e;
    lw_buf b;

    lw_buf_init(&b, NULL, 1 << 24);
    lw_field_begin(&w, &b, LW_LIT("Subject"));
    switch (kind) {
    case TEXT:
        lw_field_text(&w, lw_span_str(value));
        break;
    case PHRASE:
        lw_field_phrase(&w, lw_span_str(value));
        break;
    case LIST:
        lw_arena_init(&arena, NULL);
        lw_mailboxes_init(&l, &arena);
        assert_int_equal(lw_mailboxes_parse(&l, lw_span_str(value), "to", &e), LW_OK);
        lw_field_mailboxes(&w, &l);
        lw_arena_deinit(&arena);
        break;
    case PARAM:
        lw_field_param(&w, "filename", lw_span_str(value));
        break;
    case WORDS_PARAM:
        lw_field_param_words(&w, "name", lw_span_str(value));
        break;
    }
    lw_field_end(&w);
    return lw_buf_take(&b);
}

static void
test_field__written_as_expected(void **state)
{
    static const struct {
        const char *name;
        what kind;
        const char *value, *want;
    } rows[] = {
        { "plain", TEXT, "Hello", "Subject: Hello\r\n" },
        { "empty", TEXT, "", "Subject: \r\n" },
        { "spaces inside stay", TEXT, "a  b\tc", "Subject: a  b\tc\r\n" },
        { "spaces outside go", TEXT, "  a ", "Subject: a\r\n" },
        { "all words", TEXT, "Zoë", "Subject: =?UTF-8?Q?Zo=C3=AB?=\r\n" },
        { "b is shorter", TEXT, "测试邮件", "Subject: =?UTF-8?B?5rWL6K+V6YKu5Lu2?=\r\n" },
        { "plain around", TEXT, "Re: Zoë here", "Subject: Re: =?UTF-8?Q?Zo=C3=AB?= here\r\n" },
        { "plain between is taken in", TEXT, "é a é", "Subject: =?UTF-8?B?w6kgYSDDqQ==?=\r\n" },
        { "more spaces beside", TEXT, "a  é  b", "Subject: a =?UTF-8?Q?_=C3=A9_?= b\r\n" },
        { "looks like a word", TEXT, "=?x?Q?a?=", "Subject: =?UTF-8?B?PT94P1E/YT89?=\r\n" },
        { "q specials", TEXT, "é_=?", "Subject: =?UTF-8?B?w6lfPT8=?=\r\n" },
        { "atoms", PHRASE, "John Doe", "Subject: John Doe\r\n" },
        { "dots", PHRASE, "Joe Q. Public", "Subject: \"Joe Q. Public\"\r\n" },
        { "escapes", PHRASE, "a \"b\" \\c", "Subject: \"a \\\"b\\\" \\\\c\"\r\n" },
        { "two spaces", PHRASE, "a  b", "Subject: \"a  b\"\r\n" },
        { "phrase words", PHRASE, "Zoë, Q.", "Subject: =?UTF-8?B?Wm/DqywgUS4=?=\r\n" },
        { "phrase looks", PHRASE, "=?x?", "Subject: =?UTF-8?B?PT94Pw==?=\r\n" },
        { "list", LIST, "a@b.de, C <c@d.de>", "Subject: a@b.de, C <c@d.de>\r\n" },
        { "token", PARAM, "a.txt", "Subject:; filename=a.txt\r\n" },
        { "quoted", PARAM, "a \"b\".txt", "Subject:; filename=\"a \\\"b\\\".txt\"\r\n" },
        { "rfc 2231", PARAM, "é b.txt", "Subject:; filename*=UTF-8''%C3%A9%20b.txt\r\n" },
        { "outlook", WORDS_PARAM, "é.txt", "Subject:; name=\"=?UTF-8?B?w6kudHh0?=\"\r\n" },
    };
    int bad = 0;

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        char *got = write_field(rows[i].kind, rows[i].value);
        if (strcmp(got, rows[i].want) != 0) {
            print_error("%s:\n  got  %s  want %s", rows[i].name, got, rows[i].want);
            bad++;
        }
        free(got);
    }
    assert_int_equal(bad, 0);
}

/* The reader's side, as small as it can be: unfold, then take encoded words apart. */
static int
hex(char c)
{
    return c >= 'a' ? c - 'a' + 10 : c >= 'A' ? c - 'A' + 10 : c - '0';
}

static size_t
decode_word(const char *p, size_t n, char *out)
{
    size_t used = 0;

    if (p[0] == 'B' && lw_base64_decode(out, (lw_span){ p + 2, n - 2 }, &used))
        return used;
    for (size_t i = 2; i < n; i++, used++) {
        out[used] = p[i] == '_' ? ' ' : p[i];
        if (p[i] == '=') {
            out[used] = (char)(hex(p[i + 1]) << 4 | hex(p[i + 2]));
            i += 2;
        }
    }
    return used;
}

/* checks every encoded word for RFC 2047's bounds and whole characters; decodes in place */
static char *
decode_field(const char *field)
{
    size_t n = strlen(field), used = 0;
    char *flat = malloc(n + 1), *out = malloc(n + 1);

    for (size_t i = 8; i < n; i++)
        if (field[i] != '\r' && field[i] != '\n')
            flat[used++] = field[i];
    flat[used] = '\0';
    size_t len = 0;
    for (const char *p = flat + (flat[0] == ' '); *p != '\0';) {
        const char *end;
        if (strncmp(p, "=?UTF-8?", 8) != 0) {
            out[len++] = *p++;
            continue;
        }
        end = strstr(p + 10, "?=");
        assert_non_null(end);
        assert_true(end + 2 - p <= 75);
        size_t k = decode_word(p + 8, (size_t)(end - p) - 8, out + len);
        assert_true(lw_utf8_valid((lw_span){ out + len, k }));
        len += k;
        p = end + 2;
        if (strncmp(p, " =?UTF-8?", 9) == 0)
            p++;
    }
    out[len] = '\0';
    free(flat);
    return out;
}

/* no line over 998; none over 78 (76 with encoded words) unless it has no place to fold; no
 * line of white space alone */
static void
check_lines(const char *field, size_t longest_token)
{
    const char *end;

    for (const char *p = field; *p != '\0'; p = end + 2) {
        /* not strstr: under ASan it measures all that is left, line after line */
        end = memmem(p, strnlen(p, 1000), "\r\n", 2);
        assert_non_null(end); /* a line of at most 998 */
        size_t len = (size_t)(end - p), i = 0;
        while (i < len && (p[i] == ' ' || p[i] == '\t'))
            i++;
        assert_true(i < len);
        if (longest_token < 60)
            assert_true(len <= 78);
        bool has_word = memmem(p, len, "=?UTF-8?", 8) != NULL;
        if (has_word && longest_token < 60)
            assert_true(len <= 76);
    }
}

static void
test_text__random_values_come_back(void **state)
{
    static const char *const pieces[] = { "a", "word", " ", "  ", "\t", "é", "张", "𝄞", "=?", "?=", "_",
                                          "=", "?", ".", "\"", "longerwordthanmost" };
    char value[2048];

    srand(7);
    for (int round = 0; round < 3000; round++) {
        size_t n = 0, token = 0, longest = 0;
        value[n++] = 'x';
        for (int k = rand() % 60; k > 0; k--) {
            const char *s = pieces[(size_t)rand() % LW_COUNT(pieces)];
            /* a tab beside an encoded word becomes a space: see mixed_words() */
            if (s[0] == '\t' && round % 2 == 0)
                continue;
            memcpy(value + n, s, strlen(s));
            n += strlen(s);
            token = s[0] == ' ' || s[0] == '\t' ? 0 : token + strlen(s);
            longest = token > longest ? token : longest;
        }
        value[n++] = 'y';
        value[n] = '\0';
        char *field = write_field(TEXT, value);
        check_lines(field, longest);
        if (round % 2 == 0) {
            char *back = decode_field(field);
            assert_string_equal(back, value);
            free(back);
        }
        free(field);
    }
}

static void
test_text__huge_words_stay_legal(void **state)
{
    size_t n = 1 << 20;
    char *value = malloc(n + 1);

    for (int kind = 0; kind < 3; kind++) {
        memset(value, kind == 1 ? ' ' : 'x', n);
        value[0] = value[n - 1] = 'y';
        value[n] = '\0';
        char *field = write_field(kind == 2 ? PHRASE : TEXT, value);
        check_lines(field, 998);
        char *back = decode_field(field);
        assert_string_equal(back, value);
        free(back);
        free(field);
    }
    free(value);
}

static void
test_text__word_of_900_stays_and_901_is_encoded(void **state)
{
    char value[1000];

    for (int n = 900; n <= 901; n++) {
        memset(value, 'x', (size_t)n);
        value[n] = '\0';
        char *field = write_field(TEXT, value);
        assert_int_equal(strstr(field, "=?UTF-8?") != NULL, n == 901);
        check_lines(field, 998);
        free(field);
    }
}

static void
test_list__folds_between_members(void **state)
{
    char list[40 * 40] = "";

    for (int i = 0; i < 40; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%sNäme%d <user%d@example.org>",
                 i > 0 ? ", " : "", i, i);
    char *field = write_field(LIST, list);
    check_lines(field, 10);
    free(field);
}

static void
test_param__long_names_continue(void **state)
{
    char name[1025];
    size_t n = 0;

    while (n + 3 < sizeof name) {
        memcpy(name + n, "张", 3);
        n += 3;
    }
    name[n] = '\0';
    char *field = write_field(PARAM, name), *at = field;
    char joined[4096] = "";
    check_lines(field, 10);
    for (int i = 0; at != NULL && *at != '\0'; i++) {
        char mark[32];
        snprintf(mark, sizeof mark, i == 0 ? "filename*0*=UTF-8''" : "filename*%d*=", i);
        if ((at = strstr(at, mark)) == NULL)
            break;
        at += strlen(mark);
        strncat(joined, at, strcspn(at, ";\r"));
    }
    assert_int_equal(strlen(joined), n * 3);
    for (size_t i = 0; i < n; i++)
        assert_int_equal((char)(hex(joined[3 * i + 1]) << 4 | hex(joined[3 * i + 2])), name[i]);
    free(field);
    field = write_field(WORDS_PARAM, name);
    check_lines(field, 10);
    free(field);
}

static void
test_date__written_and_read(void **state)
{
    static const struct {
        int64_t unix_s;
        int zone;
        const char *want;
    } rows[] = {
        { 0, 0, "Thu, 1 Jan 1970 00:00:00 +0000" },
        { 951782400, 0, "Tue, 29 Feb 2000 00:00:00 +0000" },
        { 1700000000, 60, "Tue, 14 Nov 2023 23:13:20 +0100" },
        { 1700000000, -210, "Tue, 14 Nov 2023 18:43:20 -0330" },
        { 1709251199, 0, "Thu, 29 Feb 2024 23:59:59 +0000" },
        { 4107542400, 0, "Mon, 1 Mar 2100 00:00:00 +0000" },
        { -1, 0, "Wed, 31 Dec 1969 23:59:59 +0000" },
        { INT64_C(253402214400), 0, "Fri, 31 Dec 9999 00:00:00 +0000" },
        { INT64_C(-2208902400), 0, "Tue, 2 Jan 1900 00:00:00 +0000" },
    };
    lw_field_writer w;
    lw_buf b;

    lw_buf_init(&b, NULL, 1000);
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        int64_t s;
        int zone;
        lw_buf_reset(&b);
        lw_field_begin(&w, &b, LW_LIT("Date"));
        lw_field_date(&w, rows[i].unix_s, rows[i].zone);
        assert_string_equal(lw_buf_cstr(&b) + 6, rows[i].want);
        assert_true(lw_date_parse(lw_span_str(rows[i].want), &s, &zone));
        assert_int_equal(s, rows[i].unix_s);
        assert_int_equal(zone, rows[i].zone);
    }
    lw_buf_deinit(&b);
}

static void
test_date__odd_forms_read_and_wrong_ones_refused(void **state)
{
    static const char *const good[] = {
        "14 Nov 2023 22:13:20 GMT", "Tue, 14 Nov 2023 22:13:20 UT", "14 nov 2023 17:13:20 EST",
        "Tue,14 Nov 2023 23:13:20 +0100 (CET)",
    };
    static const char *const bad[] = {
        "", "today", "31 Feb 2024 00:00:00 +0000", "29 Feb 2023 00:00:00 +0000",
        "1 Jan 24 00:00:00 +0000", "1 Jan 2024 24:00:00 +0000", "1 Jan 2024 00:60:00 +0000",
        "1 Jan 2024 00:00:00", "1 Jan 2024 00:00:00 Z", "1 Jan 2024 00:00:00 +0060",
        "1 Jan 2024 00:00:00 +0000 x", "0 Jan 2024 00:00:00 +0000", "1 Foo 2024 00:00:00 +0000",
        "1 Jan 1899 00:00:00 +0000", "1 Jan 2024 00:00:00:00 +0000",
    };
    int64_t s;
    int zone;

    for (size_t i = 0; i < LW_COUNT(good); i++) {
        if (!lw_date_parse(lw_span_str(good[i]), &s, &zone) || s != 1700000000)
            fail_msg("\"%s\"", good[i]);
    }
    for (size_t i = 0; i < LW_COUNT(bad); i++)
        if (lw_date_parse(lw_span_str(bad[i]), &s, &zone))
            fail_msg("\"%s\"", bad[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_field__written_as_expected),
        cmocka_unit_test(test_text__random_values_come_back),
        cmocka_unit_test(test_text__huge_words_stay_legal),
        cmocka_unit_test(test_text__word_of_900_stays_and_901_is_encoded),
        cmocka_unit_test(test_list__folds_between_members),
        cmocka_unit_test(test_param__long_names_continue),
        cmocka_unit_test(test_date__written_and_read),
        cmocka_unit_test(test_date__odd_forms_read_and_wrong_ones_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
