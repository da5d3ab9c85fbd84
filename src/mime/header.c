/* SPDX-License-Identifier: MIT */
/*
 * mime/header.c - header fields on paper: folding, unstructured text, address lists
 *
 * A field is written as tokens; before each stands one space or a fold (CRLF and a space).  A
 * line is folded at 78 columns where a token allows it and never gets over 998 octets: what
 * could, becomes encoded words (words.c).  RFC 5322 2.2.3, RFC 2047 5.
 */
#include "mime/mime_int.h"

/* words longer than this are encoded, because no fold can bring them under 998 */
#define WORD_MAX 900
#define QUOTED_WORD_MAX 450 /* each octet may need a backslash */

void
lw_field_begin(lw_field_writer *w, lw_buf *b, lw_span name)
{
    *w = (lw_field_writer){ .b = b, .col = name.len + 1, .is_first = true };
    lw_buf_add(b, name);
    lw_buf_add_char(b, ':');
}

void
lw_field_end(lw_field_writer *w)
{
    lw_buf_add(w->b, LW_LIT("\r\n"));
}

void
lw_field_fold(lw_field_writer *w)
{
    lw_buf_add(w->b, LW_LIT("\r\n"));
    w->col = 0;
    w->has_words = false;
}

void
lw_field_glue(lw_field_writer *w, lw_span s)
{
    lw_buf_add(w->b, s);
    w->col += s.len;
}

/* A first token that is too long for any line stays beside its name.
 * [RFC2047 2] "each line of a header field that contains one or more 'encoded-word's is limited
 * to 76 characters" */
void
lw_field_gap(lw_field_writer *w, lw_span space, size_t len)
{
    size_t limit = w->has_words ? LW_WORD_LINE : LW_FOLD_COLUMN;
    bool fits = w->col + space.len + len <= limit;

    if (!fits && !(w->is_first && space.len + len > limit))
        lw_field_fold(w);
    w->is_first = false;
    lw_field_glue(w, space);
}

void
lw_field_token(lw_field_writer *w, lw_span token)
{
    lw_field_gap(w, LW_LIT(" "), token.len);
    lw_field_glue(w, token);
}

/* does text need encoded words?  Also what a reader would take for one. */
static bool
wants_words(lw_span s, size_t max)
{
    if (!lw_span_is_ascii(s))
        return true;
    for (size_t i = 0; i + 1 < s.len; i++)
        if (s.ptr[i] == '=' && s.ptr[i + 1] == '?')
            return true;
    return s.len > max;
}

static bool
is_wsp(char c)
{
    return c == ' ' || c == '\t';
}

/* the next run of white space and the word behind it, moved out of *rest */
static bool
next_word(lw_span *rest, lw_span *space, lw_span *word)
{
    size_t i = 0, j;

    while (i < rest->len && is_wsp(rest->ptr[i]))
        i++;
    for (j = i; j < rest->len && !is_wsp(rest->ptr[j]); j++)
        ;
    *space = (lw_span){ rest->ptr, i };
    *word = (lw_span){ rest->ptr + i, j - i };
    *rest = (lw_span){ rest->ptr + j, rest->len - j };
    return word->len > 0;
}

/* where the words that need encoding begin and end; false: none does */
static bool
encoded_range(lw_span value, size_t max, size_t *from, size_t *to)
{
    lw_span rest = value, space, word;
    bool any = false;

    if (value.len <= LW_FOLD_COLUMN && !wants_words(value, max)) /* most values, at once */
        return false;
    while (next_word(&rest, &space, &word)) {
        if (!wants_words(word, max) && space.len <= LW_FOLD_COLUMN)
            continue;
        if (!any)
            *from = (size_t)(word.ptr - value.ptr);
        any = true;
        *to = (size_t)(word.ptr + word.len - value.ptr);
    }
    return any;
}

/* words of s, which has no white space around it; what fits is one token */
static void
plain_words(lw_field_writer *w, lw_span s, bool is_first)
{
    lw_span space, word;

    if (is_first && s.len > 0 && !w->has_words && w->col + 1 + s.len <= LW_FOLD_COLUMN) {
        lw_field_token(w, s);
        return;
    }
    while (next_word(&s, &space, &word)) {
        lw_field_gap(w, is_first ? LW_LIT(" ") : space, word.len);
        lw_field_glue(w, word);
        is_first = false;
    }
}

/* Only the stretch from the first to the last word that needs it is encoded.  The white space
 * at its sides becomes one space: what is longer would be lost, so the rest goes into the words. */
static void
mixed_words(lw_field_writer *w, lw_span value, size_t from, size_t to)
{
    size_t head = from, tail = to;

    while (head > 0 && is_wsp(value.ptr[head - 1]))
        head--;
    while (tail < value.len && is_wsp(value.ptr[tail]))
        tail++;
    if (from - head > 1)
        from = head + 1;
    if (tail - to > 1)
        to = tail - 1;
    plain_words(w, (lw_span){ value.ptr, head }, true);
    lw_words_encode(w, (lw_span){ value.ptr + from, to - from }, 0);
    plain_words(w, (lw_span){ value.ptr + to, value.len - to }, false);
}

void
lw_field_verbatim(lw_field_writer *w, lw_span value)
{
    plain_words(w, lw_span_trim(value), true);
}

void
lw_field_text(lw_field_writer *w, lw_span value)
{
    size_t from, to;

    value = lw_span_trim(value);
    if (value.len == 0)
        lw_field_glue(w, LW_LIT(" "));
    else if (encoded_range(value, WORD_MAX, &from, &to))
        mixed_words(w, value, from, to);
    else
        plain_words(w, value, true);
}

static bool
is_atoms(lw_span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!lw_mime_is_atext(s.ptr[i]) && (s.ptr[i] != ' ' || i == 0 || s.ptr[i - 1] == ' '))
            return false;
    return true;
}

size_t
lw_quoted_len(lw_span s)
{
    size_t n = s.len;

    for (size_t i = 0; i < s.len; i++)
        n += s.ptr[i] == '"' || s.ptr[i] == '\\';
    return n;
}

/* [RFC5322 3.2.4] "the CRLF in any FWS/CFWS that appears within the quoted-string" is not part
 * of it: so a quoted string folds at its spaces */
static void
quoted_phrase(lw_field_writer *w, lw_span name)
{
    lw_span space, word;
    bool is_first = true;

    for (; next_word(&name, &space, &word); is_first = false) {
        lw_field_gap(w, is_first ? LW_LIT(" \"") : space, lw_quoted_len(word) + 2);
        for (size_t i = 0; i < word.len; i++) {
            if (word.ptr[i] == '"' || word.ptr[i] == '\\')
                lw_field_glue(w, LW_LIT("\\"));
            lw_field_glue(w, (lw_span){ word.ptr + i, 1 });
        }
    }
    lw_field_glue(w, LW_LIT("\""));
}

void
lw_field_phrase(lw_field_writer *w, lw_span name)
{
    size_t from, to;

    name = lw_span_trim(name);
    if (encoded_range(name, QUOTED_WORD_MAX, &from, &to))
        lw_words_encode(w, name, LW_WORDS_PHRASE);
    else if (is_atoms(name))
        plain_words(w, name, true);
    else
        quoted_phrase(w, name);
}

void
lw_field_mailboxes(lw_field_writer *w, const lw_mailboxes *l)
{
    for (size_t i = 0; i < l->n; i++) {
        const lw_mailbox *m = &l->items[i];
        lw_span addr = lw_span_str(m->addr);
        if (m->name == NULL) {
            lw_field_gap(w, LW_LIT(" "), addr.len + 1);
            lw_field_glue(w, addr);
        } else {
            lw_field_phrase(w, lw_span_str(m->name));
            lw_field_gap(w, LW_LIT(" "), addr.len + 3);
            lw_field_glue(w, LW_LIT("<"));
            lw_field_glue(w, addr);
            lw_field_glue(w, LW_LIT(">"));
        }
        if (i + 1 < l->n)
            lw_field_glue(w, LW_LIT(","));
    }
}
