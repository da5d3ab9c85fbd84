/* SPDX-License-Identifier: MIT */
/*
 * mime/encode.c - base64 in lines of 76 and quoted-printable (RFC 2045 6.7, 6.8)
 *
 * Both are exact in size beforehand and may stop and go on anywhere: they write what fits.
 */
#include "mime/mime_int.h"

#define LINE 76

const char *
lw_encoding_name(lw_encoding e)
{
    switch (e) {
    case LW_ENCODING_7BIT: return "7bit";
    case LW_ENCODING_8BIT: return "8bit";
    case LW_ENCODING_BINARY: return "binary";
    case LW_ENCODING_QP: return "quoted-printable";
    case LW_ENCODING_BASE64: return "base64";
    }
    return "?";
}

uint64_t
lw_base64_lines_size(uint64_t n)
{
    uint64_t chars = (n + 2) / 3 * 4;
    return n == 0 ? 0 : chars + (chars - 1) / LINE * 2;
}

size_t
lw_base64_lines(char *dst, const char *src, size_t n)
{
    char *d = dst;

    while (n > LW_BASE64_IN) {
        d += lw_base64_encode(d, src, LW_BASE64_IN);
        *d++ = '\r';
        *d++ = '\n';
        src += LW_BASE64_IN;
        n -= LW_BASE64_IN;
    }
    d += lw_base64_encode(d, src, n);
    return (size_t)(d - dst);
}

static bool
is_eol(lw_span s, size_t at)
{
    return at + 1 < s.len && s.ptr[at] == '\r' && s.ptr[at + 1] == '\n';
}

/* May the octet at i stand for itself?  [RFC2045 6.7] "Octets with values of 9 and 32 MAY be
 * represented as US-ASCII TAB (HT) and SPACE characters, respectively, but MUST NOT be so
 * represented at the end of an encoded line." */
static bool
is_qp_literal(lw_span s, size_t i, size_t col)
{
    unsigned char c = (unsigned char)s.ptr[i];
    bool ends = i + 1 == s.len || is_eol(s, i + 1);

    if (c == ' ' || c == '\t')
        return !ends;
    if (c < 0x21 || c > 0x7e || c == '=')
        return false;
    if (col > 0)
        return true;
    /* [RFC2049 3] "using "=46rom " in place of "From " at the start of a line, and "=2E" in
     * place of "." alone on a line" */
    return !(c == '.' && ends) && !(c == 'F' && s.len - i >= 5 && memcmp(s.ptr + i, "From ", 5) == 0);
}

size_t
lw_qp_encode(lw_qp *q, lw_span s, char *dst, size_t cap)
{
    static const char hex[16] = "0123456789ABCDEF";
    char *d = dst;

    while (q->pos < s.len && cap - (size_t)(d - dst) >= LW_QP_STEP) {
        size_t i = q->pos;
        if (is_eol(s, i)) {
            *d++ = '\r';
            *d++ = '\n';
            q->pos += 2;
            q->col = 0;
            continue;
        }
        bool literal = is_qp_literal(s, i, q->col);
        bool ends = i + 1 == s.len || is_eol(s, i + 1);
        size_t width = literal ? 1 : 3;
        /* [RFC2045 6.7] "(Soft Line Breaks) The Quoted-Printable encoding REQUIRES that encoded
         * lines be no more than 76 characters long." */
        if (q->col + width > (ends ? LINE : LINE - 1)) {
            memcpy(d, "=\r\n", 3);
            d += 3;
            q->col = 0;
            literal = is_qp_literal(s, i, 0);
            width = literal ? 1 : 3;
        }
        unsigned char c = (unsigned char)s.ptr[i];
        if (literal) {
            *d++ = (char)c;
        } else {
            *d++ = '=';
            *d++ = hex[c >> 4];
            *d++ = hex[c & 15];
        }
        q->pos++;
        q->col += width;
    }
    return (size_t)(d - dst);
}
