/* SPDX-License-Identifier: MIT */
/*
 * mime/words.c - encoded words of RFC 2047
 *
 * A character is never split between two words, a word has at most 75 characters and its
 * line at most 76.
 */
#include "mime/mime_int.h"

#define WORD_MAX 75
#define OVERHEAD 12 /* =?UTF-8?B??= */

/* [RFC2047 5] "(3) As a replacement for a 'word' entity within a 'phrase'": Q may hold letters,
 * digits and "!", "*", "+", "-", "/" only; elsewhere printable ASCII but "=", "?", "_" */
static bool
is_q_literal(char c, unsigned flags)
{
    if (lw_is_alnum(c))
        return true;
    if (flags != 0)
        return c == '!' || c == '*' || c == '+' || c == '-' || c == '/';
    return c > ' ' && c < 0x7f && c != '=' && c != '?' && c != '_';
}

static size_t
q_size(lw_span s, unsigned flags)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++)
        n += s.ptr[i] == ' ' || is_q_literal(s.ptr[i], flags) ? 1 : 3;
    return n;
}

static void
put_q(lw_field_writer *w, lw_span s, unsigned flags)
{
    static const char hex[16] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        char coded[3] = { '=', hex[c >> 4], hex[c & 15] };
        if (c == ' ')
            lw_field_glue(w, LW_LIT("_"));
        else if (is_q_literal(s.ptr[i], flags))
            lw_field_glue(w, (lw_span){ s.ptr + i, 1 });
        else
            lw_field_glue(w, (lw_span){ coded, 3 });
    }
}

static void
put_b(lw_field_writer *w, lw_span s)
{
    char *p = lw_buf_space(w->b, LW_BASE64_LEN(s.len));

    if (p == NULL)
        return;
    lw_buf_used(w->b, lw_base64_encode(p, s.ptr, s.len));
    w->col += LW_BASE64_LEN(s.len);
}

/* how many octets of s, in whole characters, fit into room characters of coded text */
static size_t
fitting(lw_span s, size_t room, bool is_q, unsigned flags)
{
    size_t n = 0, size = 0;

    while (n < s.len) {
        uint32_t cp;
        lw_span rest = { s.ptr + n, s.len - n };
        size_t k = lw_utf8_next(rest, &cp);
        rest.len = k = k == 0 ? 1 : k;
        size = is_q ? size + q_size(rest, flags) : LW_BASE64_LEN(n + k);
        if (size > room)
            break;
        n += k;
    }
    return n;
}

/* room for coded text on this line, after a space; 0 if it is hardly worth beginning there */
static size_t
line_room(const lw_field_writer *w, unsigned flags)
{
    size_t line = flags & LW_WORDS_IN_QUOTES ? LW_WORD_LINE - 2 : LW_WORD_LINE;
    size_t used = w->col + 1 + OVERHEAD;
    size_t room = used < line ? line - used : 0;

    if (room < 16)
        return 0;
    return room > WORD_MAX - OVERHEAD ? WORD_MAX - OVERHEAD : room;
}

void
lw_words_encode(lw_field_writer *w, lw_span s, unsigned flags)
{
    bool is_q = q_size(s, flags) <= LW_BASE64_LEN(s.len);
    bool is_glued = (flags & LW_WORDS_IN_QUOTES) != 0;

    while (s.len > 0) {
        size_t n = fitting(s, line_room(w, flags), is_q, flags);
        if (n == 0) {
            lw_field_fold(w);
            n = fitting(s, line_room(w, flags), is_q, flags);
        }
        lw_span part = { s.ptr, n };
        lw_field_glue(w, is_glued ? LW_LIT("") : LW_LIT(" "));
        lw_field_glue(w, is_q ? LW_LIT("=?UTF-8?Q?") : LW_LIT("=?UTF-8?B?"));
        if (is_q)
            put_q(w, part, flags);
        else
            put_b(w, part);
        lw_field_glue(w, LW_LIT("?="));
        s = (lw_span){ s.ptr + n, s.len - n };
        is_glued = false;
        w->is_first = false;
        w->has_words = true;
    }
}
