/* SPDX-License-Identifier: MIT */
/*
 * mime/decode.c - quoted-printable and base64 of bodies, undone (RFC 2045 6.7, 6.8)
 *
 * Both stop and go on anywhere and take what is malformed as the RFC advises.  What quoted-
 * printable holds back: white space that may be at a line's end, or a "=" and what follows it.
 */
#include "mime/read_int.h"

/* ---- quoted-printable ------------------------------------------------------------------------ */

static size_t
give_held(lw_decoder *d, char *dst)
{
    size_t n = d->n_held;

    memcpy(dst, d->held, n);
    d->n_held = 0;
    return n;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* octet c behind a held "=": three give an octet; white space may lead to a soft break */
static size_t
after_equals(lw_decoder *d, char c, char *dst)
{
    bool is_hex = lw_hex_value(c) >= 0;

    if (is_blank(c) && (d->n_held == 1 || is_blank(d->held[1])) && d->n_held < LW_DECODE_HELD) {
        d->held[d->n_held++] = c;
        return 0;
    }
    if (is_hex && d->n_held == 1) {
        d->held[d->n_held++] = c;
        return 0;
    }
    if (is_hex && d->n_held == 2 && !is_blank(d->held[1])) {
        dst[0] = (char)(lw_hex_value(d->held[1]) << 4 | lw_hex_value(c));
        d->n_held = 0;
        return 1;
    }
    /* [RFC2045 6.7] "reasonable approach by a robust implementation might be to include the "="
     * character and the following character in the decoded data without any transformation" */
    d->is_bad = true;
    size_t n = give_held(d, dst);
    d->held[0] = c;
    d->n_held = c == '=' || is_blank(c);
    dst[n] = c;
    return n + (d->n_held == 0);
}

static size_t
qp(lw_decoder *d, lw_span s, char *dst)
{
    char *out = dst;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (d->n_held > 0 && d->held[0] == '=') {
            out += after_equals(d, c, out);
        } else if (c == '=' || is_blank(c)) {
            if (d->n_held > 0 && (c == '=' || d->n_held == LW_DECODE_HELD))
                out += give_held(d, out);
            d->held[d->n_held++] = c;
        } else {
            out += give_held(d, out);
            *out++ = c;
            d->is_bad = d->is_bad || (unsigned char)c < 0x20 || (unsigned char)c > 0x7e;
        }
    }
    return (size_t)(out - dst);
}

static size_t
qp_eol(lw_decoder *d, lw_span eol, char *dst)
{
    size_t n = 0;

    if (d->n_held > 0 && d->held[0] == '=') {
        bool is_soft = d->n_held == 1 || is_blank(d->held[1]);
        if (is_soft) {
            d->n_held = 0;
            return 0;
        }
        d->is_bad = true;
        n = give_held(d, dst);
    }
    /* [RFC2045 6.7] "any trailing white space on a line must be deleted" */
    d->n_held = 0;
    memcpy(dst + n, eol.ptr, eol.len);
    return n + eol.len;
}

/* ---- base64 -------------------------------------------------------------------------------------- */

/* 0..63; 64: white space, skipped in silence; 65: "="; 66: skipped, but not in silence */
static const unsigned char values[256] = {
    66, 66, 66, 66, 66, 66, 66, 66, 66, 64, 64, 66, 66, 64, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    64, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 62, 66, 66, 66, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 66, 66, 66, 65, 66, 66,
    66,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 66, 66, 66, 66, 66,
    66, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
};

/* the octets of a quantum that did not become whole */
static size_t
base64_rest(lw_decoder *d, char *dst)
{
    size_t n = d->n_bits > 1 ? d->n_bits - 1 : 0;

    if (n > 0)
        dst[0] = (char)(d->n_bits == 2 ? d->bits >> 4 : d->bits >> 10);
    if (n > 1)
        dst[1] = (char)(d->bits >> 2);
    d->is_bad = d->is_bad || d->n_bits == 1;
    d->n_bits = 0;
    d->bits = 0;
    return n;
}

static bool
whole_quantum(const unsigned char *p, char *dst)
{
    uint32_t a = values[p[0]], b = values[p[1]], c = values[p[2]], e = values[p[3]];

    if ((a | b | c | e) > 63)
        return false;
    uint32_t v = a << 18 | b << 12 | c << 6 | e;
    dst[0] = (char)(v >> 16);
    dst[1] = (char)(v >> 8);
    dst[2] = (char)v;
    return true;
}

static size_t
base64_octet(lw_decoder *d, char c, char *dst)
{
    unsigned v = values[(unsigned char)c];

    /* [RFC2045 6.8] "All line breaks or other characters not found in Table 1 must be ignored by
     * decoding software." */
    if (v == 64)
        return 0;
    if (v == 66 || (d->is_padded && v != 65)) {
        d->is_bad = true;
        return 0;
    }
    /* [RFC2045 6.8] "the occurrence of any "=" characters may be taken as evidence that the end
     * of the data has been reached" */
    if (v == 65) {
        d->is_bad = d->is_bad || (!d->is_padded && d->n_bits < 2);
        d->is_padded = true;
        return base64_rest(d, dst);
    }
    d->bits = d->bits << 6 | v;
    if (++d->n_bits < 4)
        return 0;
    dst[0] = (char)(d->bits >> 16);
    dst[1] = (char)(d->bits >> 8);
    dst[2] = (char)d->bits;
    d->n_bits = 0;
    d->bits = 0;
    return 3;
}

static size_t
base64(lw_decoder *d, lw_span s, char *dst)
{
    char *out = dst;

    for (size_t i = 0; i < s.len;) {
        if (d->n_bits == 0 && !d->is_padded && s.len - i >= 4
            && whole_quantum((const unsigned char *)s.ptr + i, out)) {
            out += 3;
            i += 4;
        } else {
            out += base64_octet(d, s.ptr[i++], out);
        }
    }
    return (size_t)(out - dst);
}

/* ---- both -------------------------------------------------------------------------------------------- */

size_t
lw_decode(lw_decoder *d, lw_span s, char *dst)
{
    switch (d->kind) {
    case LW_DECODING_QP: return qp(d, s, dst);
    case LW_DECODING_BASE64: return base64(d, s, dst);
    case LW_DECODING_NONE: break;
    }
    if (s.len > 0)
        memcpy(dst, s.ptr, s.len);
    return s.len;
}

size_t
lw_decode_eol(lw_decoder *d, lw_span eol, char *dst)
{
    switch (d->kind) {
    case LW_DECODING_QP: return qp_eol(d, eol, dst);
    case LW_DECODING_BASE64: return 0;
    case LW_DECODING_NONE: break;
    }
    memcpy(dst, eol.ptr, eol.len);
    return eol.len;
}

size_t
lw_decode_end(lw_decoder *d, char *dst)
{
    switch (d->kind) {
    case LW_DECODING_QP: return qp_eol(d, LW_LIT(""), dst);
    case LW_DECODING_BASE64:
        /* characters without their padding: what they hold is given all the same */
        d->is_bad = d->is_bad || d->n_bits > 0;
        return base64_rest(d, dst);
    case LW_DECODING_NONE: break;
    }
    return 0;
}
