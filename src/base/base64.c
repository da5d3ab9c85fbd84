/* SPDX-License-Identifier: MIT */
/*
 * base/base64.c - base64 of RFC 4648 section 4, for logins and for MIME bodies
 */
#include "base/base.h"

/* Two characters for every 12 bits: half the look-ups, and no shifts by 6.  ROW is the 64 pairs
 * that begin with a. */
#define QUARTER(a, b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15)     \
    { a, b0 }, { a, b1 }, { a, b2 }, { a, b3 }, { a, b4 }, { a, b5 }, { a, b6 }, { a, b7 },  \
    { a, b8 }, { a, b9 }, { a, b10 }, { a, b11 }, { a, b12 }, { a, b13 }, { a, b14 }, { a, b15 }
#define ROW(a)                                                                               \
    QUARTER(a, 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P'), \
    QUARTER(a, 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'a', 'b', 'c', 'd', 'e', 'f'), \
    QUARTER(a, 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v'), \
    QUARTER(a, 'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '+', '/')

static const char pairs[4096][2] = {
    ROW('A'), ROW('B'), ROW('C'), ROW('D'), ROW('E'), ROW('F'), ROW('G'), ROW('H'),
    ROW('I'), ROW('J'), ROW('K'), ROW('L'), ROW('M'), ROW('N'), ROW('O'), ROW('P'),
    ROW('Q'), ROW('R'), ROW('S'), ROW('T'), ROW('U'), ROW('V'), ROW('W'), ROW('X'),
    ROW('Y'), ROW('Z'), ROW('a'), ROW('b'), ROW('c'), ROW('d'), ROW('e'), ROW('f'),
    ROW('g'), ROW('h'), ROW('i'), ROW('j'), ROW('k'), ROW('l'), ROW('m'), ROW('n'),
    ROW('o'), ROW('p'), ROW('q'), ROW('r'), ROW('s'), ROW('t'), ROW('u'), ROW('v'),
    ROW('w'), ROW('x'), ROW('y'), ROW('z'), ROW('0'), ROW('1'), ROW('2'), ROW('3'),
    ROW('4'), ROW('5'), ROW('6'), ROW('7'), ROW('8'), ROW('9'), ROW('+'), ROW('/'),
};

size_t
lw_base64_encode(char *dst, const void *src, size_t n)
{
    const unsigned char *s = src;
    char *d = dst;

    for (; n >= 3; n -= 3, s += 3, d += 4) {
        uint32_t v = (uint32_t)s[0] << 16 | (uint32_t)s[1] << 8 | s[2];
        memcpy(d, pairs[v >> 12], 2);
        memcpy(d + 2, pairs[v & 4095], 2);
    }
    if (n > 0) {
        uint32_t v = (uint32_t)s[0] << 16 | (n == 2 ? (uint32_t)s[1] << 8 : 0);
        memcpy(d, pairs[v >> 12], 2);
        d[2] = n == 2 ? pairs[v & 4095][0] : '=';
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
