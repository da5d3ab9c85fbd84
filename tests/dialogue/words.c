/* SPDX-License-Identifier: MIT */
/* tests/dialogue/words.c - lines of words: those of a script, and those an event is told in */
#include "dialogue/bytes.h"

#include <stdarg.h>

static word *
new_word(words *w)
{
    if ((w->v = realloc(w->v, (w->n + 1) * sizeof *w->v)) == NULL)
        abort();
    w->v[w->n] = (word){ NULL, 0, false };
    return &w->v[w->n++];
}

static void
take_bytes(words *w, bytes *b)
{
    word *to = new_word(w);

    bytes_add(b, "", 0);
    to->ptr = b->ptr;
    to->len = b->len;
}

/* one word: plain and quoted pieces that touch each other */
static const char *
read_word(bytes *b, const char **line)
{
    const char *p = *line, *why = NULL;
    bool quoted = false, no_end = false;

    while (*p != '\0' && (quoted || *p != ' ') && why == NULL) {
        const char *from = p;
        if (*p == '"') {
            quoted = !quoted;
            p++;
            continue;
        }
        while (*p != '\0' && *p != '"' && (quoted || *p != ' '))
            p += *p == '\\' && p[1] != '\0' ? 2 : 1;
        why = bytes_unescape(b, NULL, from, (size_t)(p - from), &no_end);
    }
    *line = p;
    if (why == NULL && (quoted || no_end))
        why = quoted ? "a quote is not closed" : "a backslash at the end";
    return why;
}

const char *
words_split(words *w, const char *line)
{
    for (;;) {
        bytes b = { NULL, 0, 0 };
        const char *why;

        while (*line == ' ')
            line++;
        if (*line == '\0')
            return NULL;
        why = read_word(&b, &line);
        take_bytes(w, &b);
        if (why != NULL)
            return why;
    }
}

void
words_add(words *w, const char *fmt, ...)
{
    char text[1024];
    bytes b = { NULL, 0, 0 };
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof text)
        abort();
    bytes_add(&b, text, (size_t)n);
    take_bytes(w, &b);
}

void
words_add_octets(words *w, const char *before, lw_span s)
{
    bytes b = { NULL, 0, 0 };

    bytes_add(&b, before, strlen(before));
    bytes_add(&b, s.ptr, s.len);
    take_bytes(w, &b);
}

void
words_optional(words *w)
{
    w->v[w->n - 1].is_optional = true;
}

static bool
needs_quotes(const word *w)
{
    return w->len == 0 || memchr(w->ptr, ' ', w->len) != NULL;
}

void
words_show(bytes *b, const words *w)
{
    for (size_t i = 0; i < w->n; i++) {
        const char *quote = needs_quotes(&w->v[i]) ? "\"" : "";
        bytes_printf(b, "%s%s", i == 0 ? "" : " ", quote);
        bytes_show(b, w->v[i].ptr, w->v[i].len);
        bytes_printf(b, "%s", quote);
    }
}

void
words_free(words *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->v[i].ptr);
    free(w->v);
    *w = (words){ NULL, 0 };
}

bool
words_match(const words *wanted, const words *got)
{
    size_t at = 0;

    for (size_t i = 0; i < got->n; i++) {
        const word *g = &got->v[i];
        if (at < wanted->n && wanted->v[at].len == g->len &&
            memcmp(wanted->v[at].ptr, g->ptr, g->len) == 0)
            at++;
        else if (!g->is_optional)
            return false;
    }
    return at == wanted->n;
}

bool
word_is(const words *w, size_t i, const char *text)
{
    return i < w->n && strcmp(w->v[i].ptr, text) == 0;
}

const char *
word_value(const words *w, size_t i, const char *key)
{
    size_t n = strlen(key);

    if (i >= w->n || strncmp(w->v[i].ptr, key, n) != 0 || w->v[i].ptr[n] != '=')
        return NULL;
    return w->v[i].ptr + n + 1;
}
