/* SPDX-License-Identifier: MIT */
/* base/span.c - text that somebody else owns: compare, split, check; ASCII, no locale */
#include "base/base.h"

lw_span
lw_span_str(const char *s)
{
    return s == NULL ? LW_LIT("") : (lw_span){ s, strlen(s) };
}

bool
lw_span_eq(lw_span a, lw_span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool
lw_span_eq_nocase(lw_span a, lw_span b)
{
    return a.len == b.len && lw_span_starts_nocase(a, b);
}

bool
lw_span_starts_nocase(lw_span s, lw_span prefix)
{
    if (s.len < prefix.len)
        return false;
    for (size_t i = 0; i < prefix.len; i++)
        if (lw_lower(s.ptr[i]) != lw_lower(prefix.ptr[i]))
            return false;
    return true;
}

lw_span
lw_span_trim(lw_span s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

bool
lw_span_token(lw_span *rest, char sep, lw_span *token)
{
    if (rest->ptr == NULL)
        return false;
    size_t n = lw_span_find(*rest, sep);
    *token = (lw_span){ rest->ptr, n };
    if (n == rest->len)
        *rest = LW_NO_SPAN;
    else
        *rest = (lw_span){ rest->ptr + n + 1, rest->len - n - 1 };
    return true;
}

bool
lw_span_uint(lw_span s, uint64_t max, uint64_t *value)
{
    uint64_t v = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!lw_is_digit(s.ptr[i]))
            return false;
        uint64_t digit = (uint64_t)(s.ptr[i] - '0');
        if (v > (max - digit) / 10 || digit > max)
            return false;
        v = v * 10 + digit;
    }
    *value = v;
    return true;
}

size_t
lw_uint_write(char dst[LW_UINT_DIGITS], uint64_t n)
{
    char digits[LW_UINT_DIGITS];
    size_t i = sizeof digits;

    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    memcpy(dst, digits + i, sizeof digits - i);
    return sizeof digits - i;
}

size_t
lw_span_find(lw_span s, char c)
{
    const char *p = s.len > 0 ? memchr(s.ptr, c, s.len) : NULL;
    return p == NULL ? s.len : (size_t)(p - s.ptr);
}

char *
lw_span_dup(const lw_alloc *alloc, lw_span s)
{
    char *p = lw_malloc(alloc, s.len + 1);
    if (p == NULL)
        return NULL;
    if (s.len > 0)
        memcpy(p, s.ptr, s.len);
    p[s.len] = '\0';
    return p;
}

bool
lw_span_has_ctl(lw_span s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
            return true;
    return false;
}

bool
lw_span_has_eol(lw_span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == '\r' || s.ptr[i] == '\n' || s.ptr[i] == '\0')
            return true;
    return false;
}

bool
lw_span_is_ascii(lw_span s)
{
    uint64_t all = 0, w;
    size_t i = 0;

    for (; i + sizeof w <= s.len; i += sizeof w) {
        memcpy(&w, s.ptr + i, sizeof w);
        all |= w;
    }
    for (; i < s.len; i++)
        all |= (unsigned char)s.ptr[i];
    return (all & UINT64_C(0x8080808080808080)) == 0;
}

int
lw_hex_value(char c)
{
    if (lw_is_digit(c))
        return c - '0';
    c = lw_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
