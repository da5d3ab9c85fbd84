/* SPDX-License-Identifier: MIT */
/*
 * mime/complete.c - bare names in an address list get a domain, all else stays as it is
 *
 * One pass.  The octets that were read are copied as they are; only where a member ends and was
 * one word without an @ (not a phrase, not a group's name) the domain is put behind the word, or
 * an address in its place.  Where the text cannot be a list (a quote or a comment that does not
 * end), the rest is left alone: whoever parses the result says what is wrong.
 */
#include "mime/mime_int.h"

#define OUT_MAX ((size_t)1 << 26)

/** What is known of a member outside its angle brackets, or inside. */
typedef struct words {
    size_t n, begin, end; /* how many; where the last one is */
    bool has_at;
} words;

typedef struct completer {
    lw_span in;
    size_t pos, copied;    /* read so far; of that, copied to out */
    lw_span domain;
    bool replaces;         /* domain is an address that takes the name's place */
    bool in_angle, in_group, had_angle;
    words outer, inner;
    size_t n_members;
    lw_buf out;
} completer;

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* to the end of a comment or quoted string that begins here; false if it has none */
static bool
skip_enclosed(completer *c, char open, char close)
{
    size_t depth = 0;

    for (; c->pos < c->in.len; c->pos++) {
        char now = c->in.ptr[c->pos];
        if (now == '\\')
            c->pos++;
        else if (now == close && (depth == 1 || open == close) && depth > 0)
            return c->pos++, true;
        else if (now == open)
            depth++;
        else if (now == close && depth > 0)
            depth--;
    }
    return false;
}

/* a word: atoms, dots and quoted strings with nothing between them */
static bool
word(completer *c)
{
    words *w = c->in_angle ? &c->inner : &c->outer;
    size_t begin = c->pos;

    while (c->pos < c->in.len && !is_space(c->in.ptr[c->pos])
           && memchr("<>@,:;()[", c->in.ptr[c->pos], 9) == NULL) {
        if (c->in.ptr[c->pos] != '"')
            c->pos++;
        else if (!skip_enclosed(c, '"', '"'))
            return false;
    }
    w->n++;
    w->begin = begin;
    w->end = c->pos;
    return true;
}

static void
end_member(completer *c)
{
    const words *w = c->had_angle ? &c->inner : &c->outer;

    if (c->had_angle || c->outer.n > 0 || c->outer.has_at)
        c->n_members++;
    if (w->n == 1 && !w->has_at) {
        size_t upto = c->replaces ? w->begin : w->end;
        lw_buf_add(&c->out, (lw_span){ c->in.ptr + c->copied, upto - c->copied });
        if (!c->replaces)
            lw_buf_add_char(&c->out, '@');
        lw_buf_add(&c->out, c->domain);
        c->copied = w->end;
    }
    c->in_angle = c->had_angle = false;
    c->outer = c->inner = (words){ 0 };
}

/* a character that stands for itself */
static void
special(completer *c, char now)
{
    c->pos++;
    if (now == '@') {
        (c->in_angle ? &c->inner : &c->outer)->has_at = true;
    } else if (now == '<') {
        c->in_angle = c->had_angle = true;
    } else if (now == '>') {
        c->in_angle = false;
    } else if (now == ':' && c->in_angle) {
        c->inner = (words){ 0 }; /* behind the route of RFC 5322 4.4 the address begins */
    } else if (now == ':') {
        c->in_group = true;
        c->outer = (words){ 0 };
    }
}

static bool
step(completer *c)
{
    char now = c->in.ptr[c->pos];

    if (is_space(now)) {
        c->pos++;
    } else if (now == '(') {
        return skip_enclosed(c, '(', ')');
    } else if (now == '[') {
        return skip_enclosed(c, '[', ']');
    } else if ((now == ',' && !c->in_angle) || (now == ';' && c->in_group)) {
        end_member(c);
        c->in_group = c->in_group && now != ';';
        c->pos++;
    } else if (memchr("<>@:,;)", now, 7) != NULL) {
        special(c, now);
    } else {
        return word(c);
    }
    return true;
}

static lw_code
complete(completer *c, char **out)
{
    bool is_list = true;

    while (c->pos < c->in.len && is_list)
        is_list = step(c);
    if (is_list)
        end_member(c);
    else
        c->n_members++; /* what it is, the parser says */
    lw_buf_add(&c->out, (lw_span){ c->in.ptr + c->copied, c->in.len - c->copied });
    if (lw_buf_finish(&c->out) < 0)
        return lw_buf_finish(&c->out);
    *out = lw_buf_take(&c->out);
    return *out == NULL ? LW_ENOMEM : LW_OK;
}

lw_code
lw_addresses_complete(lw_span list, const char *domain, char **out, size_t *n)
{
    completer c = { .in = list, .domain = lw_span_str(domain) };
    lw_code rc;

    if (out == NULL)
        return LW_EUSAGE;
    *out = NULL;
    if ((list.ptr == NULL && list.len > 0) || domain == NULL || domain[0] == '\0' || lw_span_has_eol(c.domain)
        || lw_span_find(list, '\0') < list.len)
        return LW_EUSAGE;
    c.replaces = lw_span_find(c.domain, '@') < c.domain.len;
    lw_buf_init(&c.out, NULL, OUT_MAX);
    rc = complete(&c, out);
    lw_buf_deinit(&c.out);
    if (n != NULL)
        *n = c.n_members;
    return rc;
}
