/* SPDX-License-Identifier: MIT */
/*
 * mime/text.c - the text of a body, made canonical once, when it is set
 *
 * Every line ends with CRLF afterwards, so encoders and pulls need not look at line ends, and
 * the encoding and its exact size are known.
 */
#include "mime/mime_int.h"

static size_t
count(lw_span s, char c)
{
    size_t n = 0, at;

    for (; (at = lw_span_find(s, c)) < s.len; n++)
        s = (lw_span){ s.ptr + at + 1, s.len - at - 1 };
    return n;
}

/* octets that 7bit text does not hold: 8-bit ones, and controls but HTAB, CR and LF */
static const unsigned char is_odd[256] = {
    [0 ... 0x08] = 1, [0x0b ... 0x0c] = 1, [0x0e ... 0x1f] = 1, [0x7f ... 0xff] = 1,
};

/* RFC 2045 2.7, 7bit: lines of at most 998 octets, no octet above 127, no NUL; we take no other
 * control either */
static bool
is_7bit(const lw_text *t)
{
    unsigned odd = 0;

    for (size_t i = 0; i < t->len; i++)
        odd |= is_odd[(unsigned char)t->ptr[i]];
    for (lw_span rest = { t->ptr, t->len }; odd == 0 && rest.len > 0;) {
        size_t n = lw_span_find(rest, '\r');
        if (n > LW_LINE_MAX)
            return false;
        rest = (lw_span){ rest.ptr + n + 2, rest.len - n - 2 };
    }
    return odd == 0;
}

static uint64_t
qp_size(const lw_text *t)
{
    char scratch[1024];
    lw_qp q = { 0, 0 };
    uint64_t n = 0;

    while (q.pos < t->len)
        n += lw_qp_encode(&q, (lw_span){ t->ptr, t->len }, scratch, sizeof scratch);
    return n;
}

static void
choose_encoding(lw_text *t)
{
    t->encoding = LW_ENCODING_7BIT;
    t->encoded_size = t->len;
    if (is_7bit(t))
        return;
    uint64_t qp = qp_size(t), base64 = lw_base64_lines_size(t->len);
    t->encoding = qp <= base64 ? LW_ENCODING_QP : LW_ENCODING_BASE64;
    t->encoded_size = qp <= base64 ? qp : base64;
}

/* where s stops being UTF-8, or its length */
static size_t
first_broken(lw_span s)
{
    uint32_t cp;
    size_t n;

    if (lw_utf8_valid(s))
        return s.len;
    for (size_t i = 0; i < s.len; i += n)
        if ((n = lw_utf8_next((lw_span){ s.ptr + i, s.len - i }, &cp)) == 0)
            return i;
    return s.len;
}

lw_code
lw_text_set(lw_text *t, const lw_alloc *alloc, lw_span s, const char *field, lw_error *err)
{
    lw_lines lines = { .in_line = false };
    char *p, *end;
    size_t cap, bad;

    if ((bad = first_broken(s)) < s.len)
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "%s: not valid UTF-8 at octet %zu",
                       field, bad + 1);
    /* each CR or LF may become two octets, and the last line may want an end */
    cap = s.len + count(s, '\n') + count(s, '\r') + 2;
    if ((p = end = lw_malloc(alloc, cap)) == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "%s: out of memory", field);
    if (LW_NEVER(!lw_lines_encode(&lines, &s, true, &end, p + cap))) {
        lw_release(alloc, p);
        return LW_EBUG;
    }
    lw_release(alloc, t->ptr);
    *t = (lw_text){ .ptr = p, .len = (size_t)(end - p) };
    choose_encoding(t);
    return LW_OK;
}
