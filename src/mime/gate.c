/* SPDX-License-Identifier: MIT */
/*
 * mime/gate.c - the one check of everything that gets into a header, and character classes
 *
 * Header injection is impossible because no value reaches a header writer without having
 * passed here where it entered.  RFC 5322 2.2, RFC 6532 3.
 */
#include "mime/mime_int.h"

size_t
lw_mime_column(lw_span s, size_t offset)
{
    size_t column = 1;

    for (size_t i = 0; i < offset && i < s.len; i++)
        if (((unsigned char)s.ptr[i] & 0xc0) != 0x80)
            column++;
    return column;
}

static const unsigned char kinds[256] = {
    [0 ... 0x08] = LW_OCTET_ODD, ['\n'] = LW_OCTET_EOL, [0x0b ... 0x0c] = LW_OCTET_ODD,
    ['\r'] = LW_OCTET_EOL, [0x0e ... 0x1f] = LW_OCTET_ODD, [0x7f] = LW_OCTET_ODD,
    [0x80 ... 0xff] = LW_OCTET_HIGH,
};

#define EACH(octet) (UINT64_MAX / 255 * (octet))

/* A top bit for each octet that is not printable ASCII: set above 127; by + 1 also at 127; by - 32
 * also below 32.  Carries and borrows begin at such octets only, so none is overlooked. */
static inline uint64_t
unprintable(const char *p)
{
    uint64_t w;

    memcpy(&w, p, sizeof w);
    return (w | (w + EACH(0x01)) | (w - EACH(0x20))) & EACH(0x80);
}

unsigned
lw_mime_octets(lw_span s)
{
    unsigned seen = 0;
    size_t i = 0;

    while (i < s.len) {
        size_t end = i + 8 <= s.len ? i + 8 : s.len;

        /* the last eight overlap those before */
        if (end >= 8 && unprintable(s.ptr + end - 8) == 0)
            i = end;
        for (; i < end; i++)
            seen |= kinds[(unsigned char)s.ptr[i]];
    }
    return seen;
}

lw_code
lw_mime_gate(lw_span value, const char *field, lw_code code, lw_error *err)
{
    if (lw_mime_octets(value) == 0)
        return LW_OK;
    for (size_t i = 0; i < value.len;) {
        uint32_t cp = 0;
        size_t n = lw_utf8_next((lw_span){ value.ptr + i, value.len - i }, &cp);
        const char *what = n == 0 ? "not valid UTF-8"
            : cp == '\r' || cp == '\n' ? "a line break is not allowed (header injection)"
            : cp == 0 ? "a NUL octet is not allowed"
            : (cp < 0x20 && cp != '\t') || cp == 0x7f ? "a control character is not allowed"
            : NULL;
        if (what != NULL)
            return lw_fail(err, code, LW_STAGE_COMPOSE, "%s: %s, at column %zu", field, what,
                           lw_mime_column(value, i));
        i += n;
    }
    return LW_OK;
}

bool
lw_mime_is_atext(char c)
{
    static const bool is_atext[256] = {
        ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, [0x80 ... 0xff] = true,
        ['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true, ['\''] = true,
        ['*'] = true, ['+'] = true, ['-'] = true, ['/'] = true, ['='] = true, ['?'] = true,
        ['^'] = true, ['_'] = true, ['`'] = true, ['{'] = true, ['|'] = true, ['}'] = true,
        ['~'] = true,
    };

    return is_atext[(unsigned char)c];
}

bool
lw_mime_is_token(lw_span s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c <= ' ' || c == 0x7f || strchr("()<>@,;:\\\"/[]?=", c) != NULL)
            return false;
    }
    return s.len > 0;
}
