/* SPDX-License-Identifier: MIT */
/*
 * mime/words_decode.c - encoded words of RFC 2047, undone
 *
 * Words are found anywhere, of any length.  A run is words of one character set with nothing but
 * white space between them: its octets are joined before they become characters, because many
 * writers split characters.  Each octet is looked at a bounded number of times: a word holds no
 * "?" but its four, so that a failed look ends at the fourth.
 */
#include "mime/read_int.h"

typedef struct word {
    lw_span charset, text;
    bool is_base64;
    size_t len; /* of the whole word */
} word;

typedef struct run {
    lw_buf *out;
    const lw_charset_hook *hook;
    lw_buf octets;
    lw_span charset, source; /* source: the words as they stand; len 0 = no run */
    bool is_good;
} run;

/* [RFC2047 2] "encoded-word = "=?" charset "?" encoding "?" encoded-text "?="".  False: this is
 * none; *looks_so: but somebody meant it to be one. */
static bool
parse_word(lw_span s, word *w, bool *looks_so)
{
    lw_span rest = { s.ptr + 2, s.len - 2 }, encoding;
    size_t star;

    *looks_so = false;
    if (!lw_span_token(&rest, '?', &w->charset) || w->charset.len == 0 || rest.ptr == NULL)
        return false;
    for (size_t i = 0; i < w->charset.len; i++)
        if (!lw_mime_is_token((lw_span){ w->charset.ptr + i, 1 }))
            return false;
    if (!lw_span_token(&rest, '?', &encoding) || encoding.len != 1 || rest.ptr == NULL)
        return false;
    *looks_so = true;
    if (!lw_span_token(&rest, '?', &w->text) || rest.len == 0 || rest.ptr[0] != '=')
        return false;
    /* [RFC2231 7] "encoded-word := "=?" charset ["*" language] "?" encoded-text "?="" */
    star = lw_span_find(w->charset, '*');
    w->charset.len = star;
    w->len = (size_t)(rest.ptr + 1 - s.ptr);
    w->is_base64 = lw_lower(encoding.ptr[0]) == 'b';
    return star > 0 && (w->is_base64 || lw_lower(encoding.ptr[0]) == 'q');
}

static void
add_q(lw_buf *out, lw_span s)
{
    for (size_t i = 0; i < s.len; i++) {
        int high = i + 2 < s.len ? lw_hex_value(s.ptr[i + 1]) : -1;
        int low = i + 2 < s.len ? lw_hex_value(s.ptr[i + 2]) : -1;
        if (s.ptr[i] == '=' && high >= 0 && low >= 0) {
            lw_buf_add_char(out, (char)(high << 4 | low));
            i += 2;
        } else {
            /* [RFC2047 4.2] "the "_" always represents hexadecimal 20" */
            lw_buf_add_char(out, s.ptr[i] == '_' ? ' ' : s.ptr[i]);
        }
    }
}

static bool
add_b(lw_buf *out, lw_span s)
{
    lw_decoder d = { .kind = LW_DECODING_BASE64 };
    char *dst = lw_buf_space(out, s.len + LW_DECODE_HELD);
    size_t n;

    if (dst == NULL)
        return true; /* out keeps its failure */
    n = lw_decode(&d, s, dst);
    if (d.is_bad || d.n_bits == 1)
        return false;
    lw_buf_used(out, n + lw_decode_end(&d, dst + n));
    return true;
}

static void
flush(run *r)
{
    if (r->source.len == 0)
        return;
    if (!lw_charset_add(r->out, r->charset, lw_buf_span(&r->octets), r->hook)) {
        lw_utf8_repair(r->out, r->source);
        r->is_good = false;
    }
    if (lw_buf_finish(&r->octets) < 0)
        r->out->code = lw_buf_finish(&r->octets);
    lw_buf_reset(&r->octets);
    r->source.len = 0;
}

/* text that is no encoded word */
static void
plain(run *r, lw_span text, bool *is_utf8)
{
    flush(r);
    if (!lw_utf8_repair(r->out, text))
        *is_utf8 = false;
}

/* false: the word cannot be decoded and stays text */
static bool
add_word(run *r, const word *w, const char *at)
{
    size_t len = r->octets.len;

    if (r->source.len > 0 && !lw_span_eq_nocase(r->charset, w->charset)) {
        flush(r);
        len = 0;
    }
    if (w->is_base64 && !add_b(&r->octets, w->text)) {
        r->octets.len = len;
        return false;
    }
    if (!w->is_base64)
        add_q(&r->octets, w->text);
    if (r->source.len == 0) {
        r->source.ptr = at;
        r->charset = w->charset;
    }
    r->source.len = (size_t)(at + w->len - r->source.ptr);
    return true;
}

static const char *
find_start(const char *from, const char *end)
{
    const char *at = from < end ? memmem(from, (size_t)(end - from), "=?", 2) : NULL;
    return at == NULL ? end : at;
}

bool
lw_words_decode(lw_buf *out, lw_span value, const lw_charset_hook *hook, bool *is_utf8)
{
    const char *text, *at, *end;
    run r = { .out = out, .hook = hook, .is_good = true };
    bool utf8 = true, looks_so;
    word w;

    if (value.len == 0)
        return true;
    text = value.ptr;
    end = text + value.len;
    lw_buf_init(&r.octets, out->alloc, LW_READ_VALUE_MAX);
    for (at = find_start(text, end); at < end; at = find_start(at, end)) {
        lw_span between = { text, (size_t)(at - text) };
        bool is_word = parse_word((lw_span){ at, (size_t)(end - at) }, &w, &looks_so);
        /* [RFC2047 6.2] "any 'linear-white-space' that separates a pair of adjacent
         * 'encoded-word's is ignored" */
        if (is_word && (r.source.len == 0 || lw_span_trim(between).len > 0))
            plain(&r, between, &utf8);
        if (is_word)
            text = at;
        if (is_word && add_word(&r, &w, at)) {
            text = at += w.len;
        } else {
            r.is_good = r.is_good && !looks_so;
            at += 2;
        }
    }
    plain(&r, (lw_span){ text, (size_t)(end - text) }, &utf8);
    lw_buf_deinit(&r.octets);
    if (is_utf8 != NULL)
        *is_utf8 = utf8;
    return r.is_good && utf8;
}

/* what a public call gives: from malloc, freed by lw_free() */
static lw_code
take(lw_buf *b, char **out)
{
    *out = lw_buf_take(b);
    return *out == NULL ? LW_ENOMEM : LW_OK;
}

lw_code
lw_header_text(lw_span value, const lw_charset_hook *hook, char **out)
{
    lw_buf b;

    if (out == NULL || (value.ptr == NULL && value.len > 0))
        return LW_EUSAGE;
    lw_buf_init(&b, NULL, LW_READ_VALUE_MAX);
    (void)lw_words_decode(&b, value, hook, NULL);
    return take(&b, out);
}

lw_code
lw_header_param(lw_span value, const char *name, const lw_charset_hook *hook, char **out)
{
    lw_buf b;

    if (out == NULL || name == NULL || (value.ptr == NULL && value.len > 0))
        return LW_EUSAGE;
    lw_buf_init(&b, NULL, LW_READ_VALUE_MAX);
    if (lw_param_find(&b, value, lw_span_str(name), hook) || lw_buf_finish(&b) < 0)
        return take(&b, out);
    lw_buf_deinit(&b);
    *out = NULL;
    return LW_OK;
}
