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

lw_code
lw_mime_gate(lw_span value, const char *field, lw_code code, lw_error *err)
{
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
    return lw_is_alnum(c) || (unsigned char)c > 0x7f
        || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
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
