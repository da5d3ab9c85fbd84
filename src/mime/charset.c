/* SPDX-License-Identifier: MIT */
/*
 * mime/charset.c - octets of a character set as UTF-8
 *
 * Built in: UTF-8, US-ASCII, ISO-8859-1, windows-1252, and of the other ISO-8859 and windows-125x
 * sets the half that is ASCII.  All else is the caller's hook: tables belong into iconv.
 */
#include "mime/read_int.h"

#define REPLACEMENT LW_LIT("\xef\xbf\xbd")

/* 0x80..0x9f of windows-1252; 0 = not assigned */
static const uint16_t windows_1252[32] = {
    0x20ac, 0, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039,
    0x0152, 0, 0x017d, 0, 0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc,
    0x2122, 0x0161, 0x203a, 0x0153, 0, 0x017e, 0x0178,
};

static bool
is_control(uint32_t cp)
{
    return (cp < 0x20 && cp != '\t') || cp == 0x7f;
}

bool
lw_utf8_repair(lw_buf *out, lw_span s)
{
    bool is_whole = true;

    while (s.len > 0) {
        uint32_t cp = 0;
        size_t n = 0, k;

        while (n < s.len && (k = lw_utf8_next((lw_span){ s.ptr + n, s.len - n }, &cp)) > 0
               && !is_control(cp))
            n += k;
        lw_buf_add(out, (lw_span){ s.ptr, n });
        s = (lw_span){ s.ptr + n, s.len - n };
        if (s.len == 0)
            break;
        /* a control, or one octet of what is no UTF-8 */
        is_whole = is_whole && lw_utf8_next(s, &cp) > 0;
        lw_buf_add(out, REPLACEMENT);
        s = (lw_span){ s.ptr + 1, s.len - 1 };
    }
    return is_whole;
}

/* cp below 0x10000 */
static void
add_character(lw_buf *out, uint32_t cp)
{
    char c[3] = { (char)(0xe0 | cp >> 12), (char)(0x80 | (cp >> 6 & 63)), (char)(0x80 | (cp & 63)) };

    if (cp == 0 || is_control(cp))
        lw_buf_add(out, REPLACEMENT);
    else if (cp < 0x80)
        lw_buf_add_char(out, (char)cp);
    else if (cp < 0x800)
        lw_buf_add(out, (lw_span){ (char[]){ (char)(0xc0 | cp >> 6), c[2] }, 2 });
    else
        lw_buf_add(out, (lw_span){ c, 3 });
}

static void
add_western(lw_buf *out, lw_span s, bool is_windows)
{
    for (size_t i = 0; i < s.len; i++) {
        uint32_t cp = (unsigned char)s.ptr[i];
        if (is_windows && cp >= 0x80 && cp < 0xa0)
            cp = windows_1252[cp - 0x80];
        add_character(out, cp);
    }
}

static bool
is_one_of(lw_span name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (lw_span_eq_nocase(name, lw_span_str(names[i])))
            return true;
    return false;
}

static bool
add_from_hook(lw_buf *out, lw_span charset, lw_span octets, const lw_charset_hook *hook)
{
    size_t cap, n = 0;
    lw_buf tmp;
    char *dst;
    bool known;

    if (hook == NULL || hook->convert == NULL || !lw_mul_size(&cap, octets.len + 4, 4))
        return false;
    lw_buf_init(&tmp, out->alloc, LW_READ_VALUE_MAX);
    dst = lw_buf_space(&tmp, cap);
    known = dst == NULL || hook->convert(hook->ctx, charset, octets, dst, cap, &n);
    if (dst == NULL)
        out->code = lw_buf_finish(&tmp);
    else if (known)
        lw_utf8_repair(out, (lw_span){ dst, n < cap ? n : cap });
    lw_buf_deinit(&tmp);
    return known;
}

bool
lw_charset_add(lw_buf *out, lw_span charset, lw_span octets, const lw_charset_hook *hook)
{
    static const char *const utf8[] = { "utf-8", "utf8", "us-ascii", "ascii", "ansi_x3.4-1968",
                                        "unicode-1-1-utf-8", "" };
    static const char *const latin1[] = { "iso-8859-1", "iso8859-1", "latin1", "iso_8859-1", "l1" };
    static const char *const western[] = { "windows-1252", "cp1252", "cp-1252" };

    if (is_one_of(charset, utf8, LW_COUNT(utf8)))
        lw_utf8_repair(out, octets); /* ASCII that is not: most often UTF-8 all the same */
    else if (is_one_of(charset, latin1, LW_COUNT(latin1)))
        add_western(out, octets, false);
    else if (is_one_of(charset, western, LW_COUNT(western)))
        add_western(out, octets, true);
    else if (add_from_hook(out, charset, octets, hook))
        return true;
    else if (lw_span_is_ascii(octets) && (lw_span_starts_nocase(charset, LW_LIT("iso-8859-"))
                                          || lw_span_starts_nocase(charset, LW_LIT("windows-125"))))
        lw_utf8_repair(out, octets);
    else
        return false;
    return true;
}
