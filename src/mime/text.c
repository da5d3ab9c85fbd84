/* SPDX-License-Identifier: MIT */
/*
 * mime/text.c - the text of a body, made canonical once, when it is set
 *
 * Every line ends with CRLF afterwards, so encoders and pulls need not look at line ends, and
 * the encoding and its exact size are known.
 */
#include "mime/mime_int.h"

/* octets that s has with CRLF line ends, the last line included */
static size_t
canonical_size(lw_span s)
{
    size_t n = s.len;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '\n' && (i == 0 || s.ptr[i - 1] != '\r'))
            n++;
        else if (c == '\r' && (i + 1 == s.len || s.ptr[i + 1] != '\n'))
            n++;
    }
    if (s.len > 0 && s.ptr[s.len - 1] != '\n' && s.ptr[s.len - 1] != '\r')
        n += 2;
    return n;
}

static void
make_canonical(char *d, lw_span s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '\n' && i > 0 && s.ptr[i - 1] == '\r')
            continue;
        if (c == '\n' || c == '\r') {
            *d++ = '\r';
            *d++ = '\n';
        } else {
            *d++ = c;
        }
    }
    if (s.len > 0 && s.ptr[s.len - 1] != '\n' && s.ptr[s.len - 1] != '\r')
        memcpy(d, "\r\n", 2);
}

/* RFC 2045 2.7, 7bit: lines of at most 998 octets, no octet above 127, no NUL; we take no other
 * control either */
static bool
is_7bit(const lw_text *t)
{
    size_t line = 0;

    for (size_t i = 0; i < t->len; i++) {
        unsigned char c = (unsigned char)t->ptr[i];
        if (c == '\r') {
            line = 0;
            i++;
        } else if (c > 0x7e || (c < 0x20 && c != '\t') || ++line > LW_LINE_MAX) {
            return false;
        }
    }
    return true;
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

lw_code
lw_text_set(lw_text *t, const lw_alloc *alloc, lw_span s, const char *field, lw_error *err)
{
    uint32_t cp;
    size_t n, len;

    for (size_t i = 0; i < s.len; i += n) {
        n = lw_utf8_next((lw_span){ s.ptr + i, s.len - i }, &cp);
        if (n == 0)
            return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE,
                           "%s: not valid UTF-8 at octet %zu", field, i + 1);
    }
    len = canonical_size(s);
    char *p = lw_malloc(alloc, len + 1);
    if (p == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "%s: out of memory", field);
    make_canonical(p, s);
    lw_release(alloc, t->ptr);
    *t = (lw_text){ .ptr = p, .len = len };
    choose_encoding(t);
    return LW_OK;
}
