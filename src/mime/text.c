/* SPDX-License-Identifier: MIT */
/*
 * mime/text.c - the text of a body, made canonical once, when it is set
 *
 * Every line ends with CRLF afterwards, so encoders and pulls need not look at line ends, and
 * the encodings that it may leave in and their exact sizes are known.
 */
#include "mime/mime_int.h"

/* a line that old gateways or mailboxes change: RFC 3156 3 on spaces at its end and on "From " */
static bool
is_fragile(const char *line, size_t len)
{
    return len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t' ||
                       (len >= 5 && memcmp(line, "From ", 5) == 0));
}

/* RFC 2045 2.7 and 2.8: lines of at most 998 octets, no NUL; we take no other control either.
 * 7bit holds no octet above 127. */
static unsigned
judge(lw_text *t)
{
    unsigned seen = 0;
    size_t longest = 0;

    for (lw_span rest = { t->ptr, t->len }; rest.len > 0;) {
        size_t len = lw_span_find(rest, '\r');
        seen |= lw_mime_octets((lw_span){ rest.ptr, len });
        longest = len > longest ? len : longest;
        t->is_fragile = t->is_fragile || is_fragile(rest.ptr, len);
        rest = (lw_span){ rest.ptr + len + 2, rest.len - len - 2 };
    }
    t->is_8bit = !(seen & LW_OCTET_ODD) && longest <= LW_LINE_MAX;
    t->is_7bit = t->is_8bit && !(seen & LW_OCTET_HIGH);
    return seen;
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

/* CR or LF may become two octets, and the last line may want an end.  Most lines are long: the room
 * for the others is asked for when they come. */
static lw_code
make_canonical(lw_text *t, const lw_alloc *alloc, lw_span s)
{
    size_t most = s.len * 2 + 2, cap = s.len + s.len / 16 + 16;
    lw_lines lines = { .in_line = false };
    char *end, *more;

    if (s.len > SIZE_MAX / 2 - 1 || (end = t->ptr = lw_malloc(alloc, cap)) == NULL)
        return LW_ENOMEM;
    while (!lw_lines_encode(&lines, &s, true, &end, t->ptr + cap)) {
        if (LW_NEVER(cap == most))
            return LW_EBUG;
        if ((more = lw_resize(alloc, t->ptr, most)) == NULL)
            return LW_ENOMEM;
        end = more + (end - t->ptr);
        t->ptr = more;
        cap = most;
    }
    t->len = (size_t)(end - t->ptr);
    return LW_OK;
}

lw_code
lw_text_set(lw_text *t, const lw_alloc *alloc, lw_span s, const char *field, lw_error *err)
{
    lw_text made = { .ptr = NULL };
    size_t bad = s.len;
    lw_code rc = make_canonical(&made, alloc, s);

    if (rc < 0)
        lw_fail(err, rc, LW_STAGE_COMPOSE, "%s: %s", field, lw_code_text(rc));
    else if ((judge(&made) & LW_OCTET_HIGH) && (bad = first_broken(s)) < s.len)
        rc = lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "%s: not valid UTF-8 at octet %zu", field,
                     bad + 1);
    if (rc < 0) {
        lw_release(alloc, made.ptr);
        return rc;
    }
    if (!made.is_7bit) {
        made.qp_size = qp_size(&made);
        made.base64_size = lw_base64_lines_size(made.len);
    }
    lw_release(alloc, t->ptr);
    *t = made;
    return LW_OK;
}
