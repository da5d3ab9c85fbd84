/* SPDX-License-Identifier: MIT */
/* base/utf8.c - UTF-8 as RFC 3629 section 4 defines it: no overlong forms, no surrogates */
#include "base/base.h"

size_t
lw_utf8_next(lw_span s, uint32_t *cp)
{
    static const uint32_t smallest[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    unsigned char c;
    size_t n;
    uint32_t v;

    if (s.len == 0)
        return 0;
    c = (unsigned char)s.ptr[0];
    if (c < 0x80) {
        *cp = c;
        return 1;
    }
    n = c >= 0xf0 && c < 0xf8 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 0;
    if (n == 0 || s.len < n)
        return 0;
    v = c & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        unsigned char t = (unsigned char)s.ptr[i];
        if ((t & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (t & 0x3fu);
    }
    if (v < smallest[n] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
        return 0;
    *cp = v;
    return n;
}

/* does every octet of the next eight stand for itself? */
static bool
is_ascii8(const char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return (v & UINT64_C(0x8080808080808080)) == 0;
}

bool
lw_utf8_valid(lw_span s)
{
    uint32_t cp;

    while (s.len > 0) {
        size_t n = s.len >= 8 && is_ascii8(s.ptr) ? 8 : lw_utf8_next(s, &cp);
        if (n == 0)
            return false;
        s.ptr += n;
        s.len -= n;
    }
    return true;
}
