/* SPDX-License-Identifier: MIT */
/*
 * tests/mime/test_property.c - parse(write(x)) = x, and what holds of every line written
 *
 * Values from seeds: address lists, unstructured text, phrases, parameters, bodies in each
 * encoding.  A failure prints its seed and round.
 */
#include "mime/read_support.h"

#define ROUNDS 2500

static uint64_t rng;
static unsigned round_now;

/* xorshift64*: the same on every machine */
static uint32_t
next_random(void)
{
    rng ^= rng >> 12;
    rng ^= rng << 25;
    rng ^= rng >> 27;
    return (uint32_t)((rng * UINT64_C(2685821657736338717)) >> 32);
}

static unsigned
below(unsigned n)
{
    return next_random() % n;
}

static void
begin_round(unsigned round)
{
    round_now = round;
    rng = UINT64_C(0x9e3779b97f4a7c15) * (round + 1);
    next_random();
}

static const char *
one_of(const char *const *all, size_t n)
{
    return all[below((unsigned)n)];
}
#define ONE_OF(all) one_of(all, LW_COUNT(all))

/* ---- values ---------------------------------------------------------------------------------------- */

static void
add_code_point(lw_buf *b, uint32_t c)
{
    if (c < 0x80) {
        lw_buf_add_char(b, (char)c);
    } else if (c < 0x800) {
        lw_buf_add_char(b, (char)(0xc0 | c >> 6));
        lw_buf_add_char(b, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        lw_buf_add_char(b, (char)(0xe0 | c >> 12));
        lw_buf_add_char(b, (char)(0x80 | (c >> 6 & 0x3f)));
        lw_buf_add_char(b, (char)(0x80 | (c & 0x3f)));
    } else {
        lw_buf_add_char(b, (char)(0xf0 | c >> 18));
        lw_buf_add_char(b, (char)(0x80 | (c >> 12 & 0x3f)));
        lw_buf_add_char(b, (char)(0x80 | (c >> 6 & 0x3f)));
        lw_buf_add_char(b, (char)(0x80 | (c & 0x3f)));
    }
}

/* any character from U+00A0 on, of each length in UTF-8 */
static void
add_wide(lw_buf *b)
{
    uint32_t c;

    switch (below(3)) {
    case 0: c = 0xa0 + below(0x760); break;
    case 1: c = 0x800 + below(0xd800 - 0x800); break;
    default: c = 0x10000 + below(0x100000); break;
    }
    add_code_point(b, c);
}

/* words of one kind with single spaces between, none outside */
static void
add_words(lw_buf *b, unsigned most)
{
    static const char *const hostile[] = { "=?", "?=", "=?UTF-8?Q?x?=", "=?utf-8?b?YQ==?=", "=", "\\", "\"",
                                           "(", ")", "<", ">", "@", ",", ";", ":", "[x]", ".", "=20", "_", "?" };
    unsigned n = 1 + below(most), kind = below(5);

    for (unsigned i = 0; i < n; i++) {
        if (i > 0)
            lw_buf_add_char(b, ' ');
        unsigned which = kind < 4 ? kind : below(4), len = 1 + below(below(8) == 0 ? 60 : 9);
        for (unsigned k = 0; k < len; k++) {
            if (which == 0)
                lw_buf_add_char(b, (char)('a' + below(26)));
            else if (which == 1)
                lw_buf_add_char(b, (char)('!' + below('~' - '!' + 1)));
            else if (which == 2)
                add_wide(b);
        }
        if (which == 3)
            lw_buf_add_str(b, ONE_OF(hostile));
    }
}

/* an addr-spec in canonical form */
static void
add_address(lw_buf *b)
{
    static const char atext[] = "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789!#$%&'*+-/=?^_`{|}~";
    static const char *const domains[] = {
        "example.com", "x.test", "a-b.c_d.example", "[192.0.2.1]", "[IPv6:2001:db8::1]", "[IPv6:::ffff:192.0.2.1]",
        "[x400:abc;d=\"e\"]", "localhost", "xn--mnchen-3ya.example",
        "a-long-label-of-a-long-domain.another-long-label-of-it.and-one-more-label-of-it.example.org",
    };
    bool is_utf8 = below(5) == 0, is_quoted = below(3) == 0;
    size_t begin = b->len;

    if (is_quoted) {
        lw_buf_add_char(b, '"');
        lw_buf_add_char(b, below(2) == 0 ? ' ' : '@'); /* so that it needs its quotes */
        for (unsigned n = below(7) + is_utf8; n > 0; n--) {
            char c = (char)(' ' + below('~' - ' ' + 1));
            if (c == '"' || c == '\\')
                lw_buf_add_char(b, '\\');
            lw_buf_add_char(b, c);
            if (is_utf8)
                add_wide(b);
        }
        lw_buf_add_char(b, '"');
    } else {
        for (unsigned n = 1 + below(3); n > 0; n--) {
            for (unsigned k = 1 + below(is_utf8 ? 3 : 18); k > 0; k--)
                lw_buf_add_char(b, atext[below(sizeof atext - 1)]);
            if (is_utf8)
                add_wide(b);
            if (n > 1)
                lw_buf_add_char(b, '.');
        }
    }
    assert_true(b->len - begin <= 64);
    lw_buf_add_char(b, '@');
    /* U-labels stay where the address is UTF-8 anyway; with spaces in it all fits into a line */
    lw_buf_add_str(b, is_utf8 && below(2) == 0 ? "b\xc3\xbc" "cher.example"
                   : one_of(domains, LW_COUNT(domains) - is_quoted));
}

/* ---- what holds of a field -------------------------------------------------------------------------- */

/* each encoded word has at most 75 characters and holds whole characters */
static bool
has_good_words(lw_span line, bool *has_word)
{
    static const char mark[] = "=?UTF-8?";

    *has_word = false;
    for (const char *p = line.ptr; (p = memmem(p, (size_t)(line.ptr + line.len - p), mark, 8)) != NULL;) {
        const char *end = memmem(p + 10, (size_t)(line.ptr + line.len - p - 10), "?=", 2);
        char *text;
        if (end == NULL || end + 2 - p > 75)
            return false;
        assert_int_equal(lw_header_text((lw_span){ p, (size_t)(end + 2 - p) }, NULL, &text), LW_OK);
        /* a character that is split would be two words with U+FFFD in them */
        bool is_whole = strstr(text, "\xef\xbf\xbd") == NULL;
        lw_free(text);
        if (!is_whole)
            return false;
        *has_word = true;
        p = end + 2;
    }
    return true;
}

/* No line over 998; over 78 (76 beside an encoded word) only if it has no place to fold: a space
 * that is neither at its beginning nor behind the name.  No line of white space alone. */
static void
check_lines(lw_span field, bool folds_at_spaces)
{
    for (lw_span rest = field; rest.len > 0;) {
        size_t len = lw_span_find(rest, '\n') - 1, from = rest.ptr == field.ptr ? lw_span_find(rest, ':') + 2 : 1;
        lw_span line = { rest.ptr, len };
        bool has_word;
        assert_true(len < rest.len && rest.ptr[len] == '\r');
        bool is_good = has_good_words(line, &has_word) && len <= 998 && lw_span_trim(line).len > 0;
        size_t most = has_word ? 76 : 78, space = len;
        if (from < len)
            space = from + lw_span_find((lw_span){ line.ptr + from, len - from }, ' ');
        if (len > most && folds_at_spaces && space < len)
            is_good = false;
        if (!is_good)
            fail_msg("round %u: a line of %zu octets in\n%.*s", round_now, len, (int)field.len, field.ptr);
        rest = (lw_span){ rest.ptr + len + 2, rest.len - len - 2 };
    }
}

/* the value without name and folds */
static void
unfold(lw_buf *out, lw_span field)
{
    lw_buf_reset(out);
    for (size_t i = lw_span_find(field, ':') + 1; i < field.len; i++)
        if (field.ptr[i] != '\r' && field.ptr[i] != '\n')
            lw_buf_add_char(out, field.ptr[i]);
}

typedef struct bufs {
    lw_buf in, field, flat;
} bufs;

static void
bufs_init(bufs *b)
{
    lw_buf_init(&b->in, NULL, 1 << 24);
    lw_buf_init(&b->field, NULL, 1 << 24);
    lw_buf_init(&b->flat, NULL, 1 << 24);
}

static void
bufs_deinit(bufs *b)
{
    lw_buf_deinit(&b->in);
    lw_buf_deinit(&b->field);
    lw_buf_deinit(&b->flat);
}

/* ---- addresses ----------------------------------------------------------------------------------------- */

static void
same_lists(const lw_mailboxes *a, const lw_mailboxes *b, lw_span text)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        lw_span x = lw_span_str(a->items[i].name), y = lw_span_str(b->items[i].name);
        if (!lw_span_eq(x, y) || strcmp(a->items[i].addr, b->items[i].addr) != 0)
            fail_msg("round %u: \"%.*s\" <%s>, not \"%.*s\" <%s>, of\n%.*s", round_now, (int)y.len, y.ptr,
                     b->items[i].addr, (int)x.len, x.ptr, a->items[i].addr, (int)text.len, text.ptr);
    }
}

static void
write_list(lw_buf *field, const lw_mailboxes *l)
{
    lw_field_writer w;

    lw_buf_reset(field);
    lw_field_begin(&w, field, LW_LIT("Reply-To"));
    lw_field_mailboxes(&w, l);
    lw_field_end(&w);
    assert_int_equal(lw_buf_finish(field), LW_OK);
}

/* as a reader does it: raw value, parsed, and then the names decoded */
static void
read_list(lw_mailboxes *out, lw_span raw)
{
    lw_arena arena;
    lw_mailboxes l;
    lw_error e;

    lw_arena_init(&arena, NULL);
    lw_mailboxes_init(&l, &arena);
    if (lw_mailboxes_parse(&l, raw, "reply-to", &e) < 0)
        fail_msg("round %u: %s", round_now, e.text);
    for (size_t i = 0; i < l.n; i++) {
        char *name = NULL;
        if (l.items[i].name != NULL)
            assert_int_equal(lw_header_text(lw_span_str(l.items[i].name), NULL, &name), LW_OK);
        assert_int_equal(lw_mailboxes_add(out, lw_span_str(name), lw_span_str(l.items[i].addr)), LW_OK);
        lw_free(name);
    }
    lw_arena_deinit(&arena);
}

static void
test_addresses__written_and_parsed_are_the_same(void **state)
{
    bufs b;

    bufs_init(&b);
    for (unsigned round = 0; round < ROUNDS; round++) {
        lw_arena arena;
        lw_mailboxes want, got;
        begin_round(round);
        lw_arena_init(&arena, NULL);
        lw_mailboxes_init(&want, &arena);
        lw_mailboxes_init(&got, &arena);
        for (unsigned n = 1 + below(below(10) == 0 ? 60 : 4); n > 0; n--) {
            lw_buf_reset(&b.in);
            lw_buf_reset(&b.flat);
            add_address(&b.in);
            if (below(3) > 0)
                add_words(&b.flat, below(6) == 0 ? 40 : 4);
            assert_int_equal(lw_mailboxes_add(&want, lw_buf_span(&b.flat), lw_buf_span(&b.in)), LW_OK);
        }
        write_list(&b.field, &want);
        check_lines(lw_buf_span(&b.field), true);
        unfold(&b.flat, lw_buf_span(&b.field));
        read_list(&got, lw_buf_span(&b.flat));
        same_lists(&want, &got, lw_buf_span(&b.field));
        lw_arena_deinit(&arena);
    }
    bufs_deinit(&b);
}

/* what a person may write: comments, groups, needless quotes, U-labels, spaces; then once more */
static void
test_addresses__parsed_written_and_parsed_are_the_same(void **state)
{
    static const char *const before[] = { "", " ", "\t", "(c) ", "(c(d)\\)) ", "Pals: " };
    static const char *const boxes[] = {
        "ann@example.com", "<ann@example.com>", "\"ann\"@example.com", "Ann <ann@example.com>",
        "\"A. \\\"B\\\" C\" <@r.example:ann@example.com>", "Ann B. (c) C <ann (x) @ example (y) . com>",
        "Zo\xc3\xab <zoe@m\xc3\xbcnchen.example>", "\xc3\xbc@m\xc3\xbcnchen.example", "a.\"b c\".d@[ 192.0.2.1 ]",
        "\"\"@example.com", "=?UTF-8?Q?Zo=C3=AB?= <zoe@example.com>",
    };
    bufs b;
    lw_error e;

    bufs_init(&b);
    for (unsigned round = 0; round < ROUNDS; round++) {
        lw_arena arena;
        lw_mailboxes once, twice;
        bool in_group = false;
        begin_round(round);
        lw_buf_reset(&b.in);
        for (unsigned n = 1 + below(6); n > 0; n--) {
            const char *s = ONE_OF(before);
            bool begins_group = strcmp(s, "Pals: ") == 0;
            if (!(in_group && begins_group))
                lw_buf_add_str(&b.in, s);
            in_group = in_group || begins_group;
            lw_buf_add_str(&b.in, ONE_OF(boxes));
            if (in_group && below(2) == 0) {
                lw_buf_add(&b.in, LW_LIT(" ;"));
                in_group = false;
            }
            lw_buf_add_str(&b.in, n > 1 ? below(4) == 0 ? " ,, " : "," : "");
        }
        lw_buf_add_str(&b.in, in_group ? ";" : "");
        lw_arena_init(&arena, NULL);
        lw_mailboxes_init(&once, &arena);
        lw_mailboxes_init(&twice, &arena);
        if (lw_mailboxes_parse(&once, lw_buf_span(&b.in), "to", &e) < 0)
            fail_msg("round %u: %s", round, e.text);
        write_list(&b.field, &once);
        unfold(&b.flat, lw_buf_span(&b.field));
        assert_int_equal(lw_mailboxes_parse(&twice, lw_buf_span(&b.flat), "to", &e), LW_OK);
        /* a name that holds an encoded word already is one word more, for the reader to undo */
        for (size_t i = 0; i < once.n; i++)
            if (once.items[i].name != NULL) {
                char *name;
                assert_int_equal(lw_header_text(lw_span_str(twice.items[i].name), NULL, &name), LW_OK);
                assert_string_equal(name, once.items[i].name);
                lw_free(name);
            }
        assert_int_equal(once.n, twice.n);
        for (size_t i = 0; i < once.n; i++)
            assert_string_equal(once.items[i].addr, twice.items[i].addr);
        lw_arena_deinit(&arena);
    }
    bufs_deinit(&b);
}

/* ---- text and phrases ------------------------------------------------------------------------------------ */

static void
check_text(bufs *b, bool is_phrase)
{
    lw_field_writer w;
    char *got;

    lw_buf_reset(&b->field);
    lw_field_begin(&w, &b->field, LW_LIT("Subject"));
    if (is_phrase)
        lw_field_phrase(&w, lw_buf_span(&b->in));
    else
        lw_field_text(&w, lw_buf_span(&b->in));
    lw_field_end(&w);
    check_lines(lw_buf_span(&b->field), true);
    unfold(&b->flat, lw_buf_span(&b->field));
    lw_span flat = lw_span_trim(lw_buf_span(&b->flat));
    if (is_phrase && flat.ptr[0] == '"') { /* quoted: take the quotes and backslashes off */
        size_t n = 0;
        char *p = b->flat.ptr + (flat.ptr - b->flat.ptr);
        for (size_t i = 1; i + 1 < flat.len; i++)
            p[n++] = flat.ptr[i] == '\\' ? flat.ptr[++i] : flat.ptr[i];
        flat.len = n;
    }
    assert_int_equal(lw_header_text(flat, NULL, &got), LW_OK);
    if (!lw_span_eq(lw_span_str(got), lw_buf_span(&b->in)))
        fail_msg("round %u: \"%s\", not \"%.*s\", of\n%.*s", round_now, got, (int)b->in.len, b->in.ptr,
                 (int)b->field.len, b->field.ptr);
    lw_free(got);
}

static void
test_text__written_and_decoded_is_the_same(void **state)
{
    bufs b;

    bufs_init(&b);
    for (unsigned round = 0; round < 2 * ROUNDS; round++) {
        begin_round(round);
        lw_buf_reset(&b.in);
        add_words(&b.in, below(10) == 0 ? 300 : 12);
        check_text(&b, round % 2 == 1);
    }
    bufs_deinit(&b);
}

/* ---- parameters --------------------------------------------------------------------------------------------- */

static void
test_parameter__written_and_read_is_the_same(void **state)
{
    bufs b;

    bufs_init(&b);
    for (unsigned round = 0; round < 2 * ROUNDS; round++) {
        lw_field_writer w;
        char *got, *other;
        bool is_words = round % 2 == 1;
        begin_round(round);
        lw_buf_reset(&b.in);
        lw_buf_reset(&b.field);
        add_words(&b.in, below(10) == 0 ? 60 : 5);
        lw_field_begin(&w, &b.field, LW_LIT("Content-Disposition"));
        lw_field_token(&w, LW_LIT("attachment"));
        if (is_words)
            lw_field_param_words(&w, "name", lw_buf_span(&b.in));
        else
            lw_field_param(&w, "name", lw_buf_span(&b.in));
        lw_field_param(&w, "other", LW_LIT("x; name=y"));
        lw_field_end(&w);
        check_lines(lw_buf_span(&b.field), false);
        unfold(&b.flat, lw_buf_span(&b.field));
        assert_int_equal(lw_header_param(lw_buf_span(&b.flat), "name", NULL, &got), LW_OK);
        assert_int_equal(lw_header_param(lw_buf_span(&b.flat), "other", NULL, &other), LW_OK);
        assert_string_equal(other, "x; name=y");
        if (got == NULL || !lw_span_eq(lw_span_str(got), lw_buf_span(&b.in)))
            fail_msg("round %u: \"%s\", not \"%.*s\", of\n%.*s", round, got, (int)b.in.len, b.in.ptr,
                     (int)b.field.len, b.field.ptr);
        lw_free(got);
        lw_free(other);
    }
    bufs_deinit(&b);
}

/* ---- bodies --------------------------------------------------------------------------------------------------- */

static void
add_line(lw_buf *b)
{
    static const char *const starts[] = { "", "", "", " ", "  ", ".", "..", "From ", "from ", "> ", ">> ", "-- ", "--",
                                          "=", "\t" };
    static const char *const ends[] = { "", "", "", " ", "  ", "\t", ".", "=", ">" };
    size_t begin;

    lw_buf_add_str(b, ONE_OF(starts));
    begin = b->len;
    for (unsigned n = below(below(6) == 0 ? 60 : 4); n > 0; n--) {
        unsigned kind = below(6);
        for (unsigned k = 1 + below(below(20) == 0 ? 400 : 12); kind < 4 && k > 0; k--) {
            if (kind == 3)
                add_wide(b);
            else
                lw_buf_add_char(b, (char)(kind == 2 ? '!' + below('~' - '!' + 1) : 'a' + below(26)));
        }
        lw_buf_add_str(b, kind == 4 ? ">" : kind == 5 ? "--" : "");
        lw_buf_add_char(b, ' ');
    }
    if (b->len > begin)
        b->len--;
    lw_buf_add_str(b, ONE_OF(ends));
}

static void
add_text(lw_buf *b)
{
    for (unsigned n = below(12); n > 0; n--) {
        add_line(b);
        lw_buf_add(b, LW_LIT("\r\n"));
    }
}

/* the body of the only part, decoded, and its encoding; *is_flowed: as its type says */
static void
read_body(lw_buf *out, lw_span message, char *encoding, size_t cap, bool *is_flowed)
{
    lw_reader_opts o;
    lw_read_event ev;
    lw_reader *r;
    size_t used;

    lw_reader_opts_init(&o);
    assert_int_equal(lw_reader_new(&o, &r), LW_OK);
    lw_buf_reset(out);
    for (bool at_end = false; !at_end;) {
        if (message.len > 0) {
            lw_code rc = lw_reader_feed(r, message.ptr, message.len, &used);
            assert_true(rc == LW_OK || rc == LW_AGAIN);
            message = (lw_span){ message.ptr + used, message.len - used };
        } else {
            lw_reader_eof(r);
            at_end = true;
        }
        while (lw_reader_next(r, &ev) == LW_OK) {
            if (ev.kind == LW_READ_DEFECT)
                fail_msg("round %u: %s", round_now, lw_defect_id(ev.defect));
            if (ev.kind == LW_READ_CONTENT) {
                snprintf(encoding, cap, "%s", ev.part->encoding);
                *is_flowed = ev.part->content_type != NULL && strstr(ev.part->content_type, "flowed") != NULL;
            }
            if (ev.kind == LW_READ_BODY)
                lw_buf_add(out, ev.body);
        }
    }
    lw_reader_free(r);
}

/* the text through a message for a peer that takes most, and back */
static void
through_message(bufs *b, lw_body_type most, bool is_flowed, char *encoding, size_t cap)
{
    lw_message *m = lw_message_new();
    lw_render_opts o = test_opts(1);
    lw_rendering *r;
    lw_error e;
    lw_code rc;
    size_t len, spans;
    bool says_flowed = false;

    assert_int_equal(lw_message_from(m, "a@b.example"), LW_OK);
    assert_int_equal(lw_message_to(m, "c@d.example"), LW_OK);
    assert_int_equal(lw_message_flowed(m, is_flowed), LW_OK);
    if (lw_message_text(m, lw_buf_cstr(&b->in)) < 0)
        fail_msg("round %u: %s", round_now, lw_message_error(m)->text);
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
    assert_int_equal(lw_rendering_fit(r, most, &e), LW_OK);
    char *all = test_pull_all(r, &len, &rc, &spans);
    assert_int_equal(rc, LW_DONE);
    read_body(&b->flat, (lw_span){ all, len }, encoding, cap, &says_flowed);
    assert_int_equal(says_flowed, is_flowed);
    free(all);
    lw_rendering_free(r);
    lw_message_free(m);
}

static void
test_body__composed_and_read_is_the_same(void **state)
{
    static const char *const names[] = { "7bit", "8bit", "binary", "quoted-printable", "base64" };
    unsigned seen[LW_COUNT(names)] = { 0 };
    bufs b;

    bufs_init(&b);
    for (unsigned round = 0; round < ROUNDS; round++) {
        char encoding[40];
        begin_round(round);
        lw_buf_reset(&b.in);
        add_text(&b.in);
        through_message(&b, (lw_body_type)(round % 3), false, encoding, sizeof encoding);
        if (!lw_span_eq(lw_buf_span(&b.in), lw_buf_span(&b.flat)))
            fail_msg("round %u (%s): \"%.*s\", not \"%.*s\"", round, encoding, (int)b.flat.len, b.flat.ptr,
                     (int)b.in.len, b.in.ptr);
        for (size_t i = 0; i < LW_COUNT(names); i++)
            seen[i] += strcmp(encoding, names[i]) == 0;
    }
    for (size_t i = 0; i < LW_COUNT(names); i++)
        if (seen[i] < 20)
            fail_msg("only %u bodies of %d were %s", seen[i], ROUNDS, names[i]);
    bufs_deinit(&b);
}

/* as RFC 3676 4.1 to 4.5 has it: quotes counted, stuffing off, flowed lines joined */
static void
unflow(lw_buf *out, lw_span text)
{
    size_t depth_before = 0;
    bool goes_on = false;

    lw_buf_reset(out);
    while (text.len > 0) {
        size_t n = lw_span_find(text, '\r'), depth = 0;
        lw_span line = { text.ptr, n }, content;
        text = (lw_span){ text.ptr + n + 2, text.len - n - 2 };
        while (depth < line.len && line.ptr[depth] == '>')
            depth++;
        content = (lw_span){ line.ptr + depth, line.len - depth };
        bool is_more = goes_on && depth == depth_before;
        if ((depth == 0 || is_more) && content.len > 0 && content.ptr[0] == ' ')
            content = (lw_span){ content.ptr + 1, content.len - 1 };
        if (goes_on && depth != depth_before)
            lw_buf_add(out, LW_LIT("\r\n"));
        bool is_signature = lw_span_eq(content, LW_LIT("-- "));
        if (!is_more)
            lw_buf_add(out, (lw_span){ line.ptr, depth });
        lw_buf_add(out, content);
        goes_on = content.len > 0 && content.ptr[content.len - 1] == ' ' && !is_signature;
        depth_before = depth;
        if (!goes_on)
            lw_buf_add(out, LW_LIT("\r\n"));
    }
}

/* lines lose the spaces at their ends, but for "-- " */
static void
strip_ends(lw_buf *b)
{
    lw_span rest = lw_buf_span(b);
    size_t n = 0;

    while (rest.len > 0) {
        size_t end = lw_span_find(rest, '\r'), keep = end;
        if (!lw_span_eq((lw_span){ rest.ptr, end }, LW_LIT("-- ")))
            while (keep > 0 && rest.ptr[keep - 1] == ' ')
                keep--;
        memmove(b->ptr + n, rest.ptr, keep);
        memcpy(b->ptr + n + keep, "\r\n", 2);
        n += keep + 2;
        rest = (lw_span){ rest.ptr + end + 2, rest.len - end - 2 };
    }
    b->len = n;
}

static void
test_body__flowed_and_read_is_the_same(void **state)
{
    lw_buf joined;
    bufs b;

    bufs_init(&b);
    lw_buf_init(&joined, NULL, 1 << 24);
    for (unsigned round = 0; round < ROUNDS; round++) {
        char encoding[40];
        begin_round(round);
        lw_buf_reset(&b.in);
        add_text(&b.in);
        strip_ends(&b.in);
        through_message(&b, (lw_body_type)(round % 3), true, encoding, sizeof encoding);
        unflow(&joined, lw_buf_span(&b.flat));
        if (!lw_span_eq(lw_buf_span(&b.in), lw_buf_span(&joined)))
            fail_msg("round %u: \"%.*s\", not\n\"%.*s\", of\n\"%.*s\"", round, (int)joined.len, joined.ptr,
                     (int)b.in.len, b.in.ptr, (int)b.flat.len, b.flat.ptr);
    }
    lw_buf_deinit(&joined);
    bufs_deinit(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses__written_and_parsed_are_the_same),
        cmocka_unit_test(test_addresses__parsed_written_and_parsed_are_the_same),
        cmocka_unit_test(test_text__written_and_decoded_is_the_same),
        cmocka_unit_test(test_parameter__written_and_read_is_the_same),
        cmocka_unit_test(test_body__composed_and_read_is_the_same),
        cmocka_unit_test(test_body__flowed_and_read_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
