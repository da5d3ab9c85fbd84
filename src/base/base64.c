/* SPDX-License-Identifier: MIT */
/*
 * base/base64.c - base64 of RFC 4648 section 4, for logins and for MIME bodies
 */
#include "base/base.h"

static const char alphabet[64] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t
lw_base64_encode(char *dst, const void *src, size_t n)
{
    const unsigned char *s = src;
    char *d = dst;

    for (; n >= 3; n -= 3, s += 3, d += 4) {
        uint32_t v = (uint32_t)s[0] << 16 | (uint32_t)s[1] << 8 | s[2];
        d[0] = alphabet[v >> 18];
        d[1] = alphabet[v >> 12 & 63];
        d[2] = alphabet[v >> 6 & 63];
        d[3] = alphabet[v & 63];
    }
    if (n > 0) {
        uint32_t v = (uint32_t)s[0] << 16 | (n == 2 ? (uint32_t)s[1] << 8 : 0);
        d[0] = alphabet[v >> 18];
        d[1] = alphabet[v >> 12 & 63];
        d[2] = n == 2 ? alphabet[v >> 6 & 63] : '=';
        d[3] = '=';
        d += 4;
    }
    return (size_t)(d - dst);
}

static int
value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (lw_is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool
lw_base64_decode(char *dst, lw_span s, size_t *n)
{
    size_t out = 0;

    if (s.len % 4 != 0)
        return false;
    for (size_t i = 0; i < s.len; i += 4) {
        const char *p = s.ptr + i;
        bool last = i + 4 == s.len;
        int pad = last && p[3] == '=' ? (p[2] == '=' ? 2 : 1) : 0;
        int a = value(p[0]), b = value(p[1]);
        int c = pad == 2 ? 0 : value(p[2]), d = pad >= 1 ? 0 : value(p[3]);
        if (a < 0 || b < 0 || c < 0 || d < 0)
            return false;
        /* [RFC4648 3.5] pad bits "MUST be set to zero by conforming encoders" */
        if ((pad == 2 && (b & 15) != 0) || (pad == 1 && (c & 3) != 0))
            return false;
        dst[out++] = (char)(a << 2 | b >> 4);
        if (pad < 2)
            dst[out++] = (char)(b << 4 | c >> 2);
        if (pad < 1)
            dst[out++] = (char)(c << 6 | d);
    }
    *n = out;
    return true;
}
