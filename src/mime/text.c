/* SPDX-License-Identifier: MIT */
/*
 * mime/text.c - the text of a body, made canonical once, when it is set
 *
 * Every line ends with CRLF afterwards, so encoders and pulls need not look at line ends, and
 * the encodings that it may leave in and their exact sizes are known.
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

enum { ODD = 1, HIGH = 2 };
/* controls but HTAB, CR and LF; octets above 127 */
static const unsigned char kinds[256] = {
    [0 ... 0x08] = ODD, [0x0b ... 0x0c] = ODD, [0x0e ... 0x1f] = ODD, [0x7f] = ODD,
    [0x80 ... 0xff] = HIGH,
};

#define EACH(octet) (UINT64_MAX / 255 * (octet))

/* all kinds of octets in s; most words hold printable ASCII only */
static unsigned
kinds_of(lw_span s)
{
    unsigned seen = 0;
    size_t i = 0;
    uint64_t w;

    while (i < s.len) {
        size_t end = i + 8 <= s.len ? i + 8 : s.len;

        if (end == i + 8) {
            /* The top bit of each octet: set above 127; by + 1 also at 127; by - 32 also below
             * 32.  Carries and borrows begin at such octets only, so none is overlooked. */
            memcpy(&w, s.ptr + i, sizeof w);
            if (((w | (w + EACH(0x01)) | (w - EACH(0x20))) & EACH(0x80)) == 0)
                i = end;
        }
        for (; i < end; i++)
            seen |= kinds[(unsigned char)s.ptr[i]];
    }
    return seen;
}

/* a line that old gateways or mailboxes change: RFC 3156 3 on spaces at its end and on "From " */
static bool
is_fragile(const char *line, size_t len)
{
    return len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t' ||
                       (len >= 5 && memcmp(line, "From ", 5) == 0));
}

/* RFC 2045 2.7 and 2.8: lines of at most 998 octets, no NUL; we take no other control either.
 * 7bit holds no octet above 127. */
static void
judge(lw_text *t)
{
    unsigned seen = kinds_of((lw_span){ t->ptr, t->len });
    size_t len = 0;

    for (lw_span rest = { t->ptr, t->len }; !(seen & ODD) && len <= LW_LINE_MAX && rest.len > 0;) {
        len = lw_span_find(rest, '\r');
        t->is_fragile = t->is_fragile || is_fragile(rest.ptr, len);
        rest = (lw_span){ rest.ptr + len + 2, rest.len - len - 2 };
    }
    t->is_8bit = !(seen & ODD) && len <= LW_LINE_MAX;
    t->is_7bit = t->is_8bit && !(seen & HIGH);
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

lw_encoding
lw_text_encoding(const lw_text *t, lw_body_type most, bool must_survive)
{
    if (t->is_7bit && t->is_fragile && must_survive)
        return LW_ENCODING_QP;
    if (t->is_7bit)
        return LW_ENCODING_7BIT;
    if (most != LW_BODY_7BIT && t->is_8bit)
        return LW_ENCODING_8BIT;
    if (most == LW_BODY_BINARYMIME)
        return LW_ENCODING_BINARY;
    return t->qp_size <= t->base64_size ? LW_ENCODING_QP : LW_ENCODING_BASE64;
}

uint64_t
lw_text_encoded_size(const lw_text *t, lw_encoding e)
{
    if (e == LW_ENCODING_QP && t->is_7bit)
        return qp_size(t);
    return e == LW_ENCODING_QP ? t->qp_size : e == LW_ENCODING_BASE64 ? t->base64_size : t->len;
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
    judge(t);
    if (!t->is_7bit) {
        t->qp_size = qp_size(t);
        t->base64_size = lw_base64_lines_size(t->len);
    }
    return LW_OK;
}
