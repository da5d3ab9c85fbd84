/* SPDX-License-Identifier: MIT */
/*
 * mime/param.c - parameters of Content-Type and Content-Disposition
 *
 * RFC 2045 5.1 for short ASCII; RFC 2231 4 (charset) and 3 (continuations) for the rest.
 */
#include "mime/mime_int.h"

#define PLAIN_MAX 200 /* a longer ASCII value is written in continuations */
#define PIECE_MAX 76

/* A token may hold more, but there are readers that stumble over it's.txt without quotes. */
static bool
wants_quotes(lw_span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!lw_is_alnum(s.ptr[i]) && s.ptr[i] != '.' && s.ptr[i] != '-' && s.ptr[i] != '_')
            return true;
    return s.len == 0;
}

static void
plain_param(lw_field_writer *w, const char *name, lw_span value)
{
    bool quoted = wants_quotes(value);

    lw_field_gap(w, LW_LIT(" "), strlen(name) + lw_quoted_len(value) + 4);
    lw_field_glue(w, lw_span_str(name));
    lw_field_glue(w, quoted ? LW_LIT("=\"") : LW_LIT("="));
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '"' || value.ptr[i] == '\\')
            lw_field_glue(w, LW_LIT("\\"));
        lw_field_glue(w, (lw_span){ value.ptr + i, 1 });
    }
    if (quoted)
        lw_field_glue(w, LW_LIT("\""));
}

/* [RFC2231 7] "attribute-char := <any (US-ASCII) CHAR except SPACE, CTLs, "*", "'", "%", or
 * tspecials>" */
static bool
is_attribute_char(char c)
{
    return (unsigned char)c < 0x80 && c != '*' && c != '\'' && c != '%'
        && lw_mime_is_token((lw_span){ &c, 1 });
}

/* one percent-coded piece of at most room characters, whole UTF-8 sequences; returns octets taken */
static size_t
coded_piece(lw_buf *out, lw_span s, size_t room)
{
    static const char hex[16] = "0123456789ABCDEF";
    size_t i = 0, used = 0;

    while (i < s.len) {
        uint32_t cp;
        size_t k = lw_utf8_next((lw_span){ s.ptr + i, s.len - i }, &cp);
        k = k == 0 ? 1 : k;
        size_t size = k == 1 && is_attribute_char(s.ptr[i]) ? 1 : k * 3;
        if (used + size > room)
            break;
        for (size_t j = 0; j < k; j++) {
            unsigned char c = (unsigned char)s.ptr[i + j];
            char coded[3] = { '%', hex[c >> 4], hex[c & 15] };
            lw_buf_add(out, size == 1 ? (lw_span){ s.ptr + i, 1 } : (lw_span){ coded, 3 });
        }
        used += size;
        i += k;
    }
    return i;
}

static size_t
coded_size(lw_span s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++)
        n += is_attribute_char(s.ptr[i]) ? 1 : 3;
    return n;
}

/* [RFC2231 4] "Asterisks ("*") are reused to provide the indicator that language and character
 * set information is present and encoding is being used" */
static void
coded_param(lw_field_writer *w, const char *name, lw_span value)
{
    bool whole = strlen(name) + 12 + coded_size(value) <= PIECE_MAX;

    for (unsigned n = 0; value.len > 0; n++) {
        size_t begin = w->b->len, room;
        if (n > 0)
            lw_field_glue(w, LW_LIT(";"));
        if (!whole || w->col + strlen(name) + 12 + coded_size(value) > PIECE_MAX)
            lw_field_fold(w);
        w->is_first = false;
        begin = w->b->len;
        lw_buf_add_char(w->b, ' ');
        lw_buf_add_str(w->b, name);
        if (!whole) {
            lw_buf_add_char(w->b, '*');
            lw_buf_add_uint(w->b, n);
        }
        lw_buf_add(w->b, n == 0 ? LW_LIT("*=UTF-8''") : LW_LIT("*="));
        if (lw_buf_finish(w->b) < 0)
            return;
        room = PIECE_MAX - (w->b->len - begin);
        size_t taken = coded_piece(w->b, value, room);
        w->col += w->b->len - begin;
        value = (lw_span){ value.ptr + taken, value.len - taken };
    }
}

bool
lw_param_is_plain(lw_span value)
{
    for (size_t i = 0; i + 1 < value.len; i++)
        if (value.ptr[i] == '=' && value.ptr[i + 1] == '?')
            return false;
    return lw_span_is_ascii(value) && value.len <= PLAIN_MAX;
}

void
lw_field_param(lw_field_writer *w, const char *name, lw_span value)
{
    lw_field_glue(w, LW_LIT(";"));
    if (lw_param_is_plain(value))
        plain_param(w, name, value);
    else
        coded_param(w, name, value);
}

void
lw_field_param_words(lw_field_writer *w, const char *name, lw_span value)
{
    lw_field_glue(w, LW_LIT(";"));
    lw_field_gap(w, LW_LIT(" "), strlen(name) + 48);
    lw_field_glue(w, lw_span_str(name));
    lw_field_glue(w, LW_LIT("=\""));
    lw_words_encode(w, value, LW_WORDS_PHRASE | LW_WORDS_IN_QUOTES);
    lw_field_glue(w, LW_LIT("\""));
}
