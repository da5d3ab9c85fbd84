/* SPDX-License-Identifier: MIT */
/*
 * smtp/xtext.c - xtext, RFC 3461 4: how ENVID=, ORCPT= and AUTH= carry any text
 *
 * Strict in both directions: what must be encoded is refused unencoded, and the
 * hexadecimal digits are upper case.
 */
#include "smtp/xtext.h"

/* [RFC3461 4] "any ASCII CHAR between "!" (33) and "~" (126) inclusive, except for "+" and "="" */
static bool
is_xchar(char c)
{
    return c >= '!' && c <= '~' && c != '+' && c != '=';
}

/* [RFC3461 4] "ASCII "+" immediately followed by two upper case hexadecimal digits" */
static int
upper_hex(char c)
{
    return c >= 'a' && c <= 'f' ? -1 : lw_hex_value(c);
}

size_t
lw_xtext_encode(char *dst, size_t cap, lw_span s)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        size_t need = is_xchar((char)c) ? 1 : 3;

        if (cap - n < need)
            return SIZE_MAX;
        if (need == 1) {
            dst[n++] = (char)c;
            continue;
        }
        dst[n++] = '+';
        dst[n++] = digits[c >> 4];
        dst[n++] = digits[c & 15];
    }
    return n;
}

bool
lw_xtext_decode(char *dst, size_t cap, lw_span s, size_t *n)
{
    size_t i = 0;

    for (*n = 0; i < s.len; ++*n) {
        char c = s.ptr[i++];

        if (*n == cap)
            return false;
        if (c == '+') {
            int hi = i + 1 < s.len ? upper_hex(s.ptr[i]) : -1;
            int lo = i + 1 < s.len ? upper_hex(s.ptr[i + 1]) : -1;

            if (hi < 0 || lo < 0)
                return false;
            c = (char)(hi << 4 | lo);
            i += 2;
        } else if (!is_xchar(c)) {
            return false;
        }
        dst[*n] = c;
    }
    return true;
}
