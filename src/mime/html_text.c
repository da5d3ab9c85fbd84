/* SPDX-License-Identifier: MIT */
/*
 * mime/html_text.c - HTML as plain text, for the reader who has no HTML
 *
 * One pass over the octets, a fixed state, nothing recursive.  White space collapses as in a
 * browser; paragraphs get an empty line, list items a dash or their number, cells of a row " | "
 * between them, links their address in <> behind the text, pictures their alt text, quotations
 * "> ".  What is written waits for the text behind it: line ends, a space, a bullet are asked
 * for, and put when an octet of text comes, so that none is left over.
 */
#include "mime/html.h"

#define LISTS_MAX 8

typedef struct html {
    lw_buf *out;
    lw_span in;             /* what is left                                   */
    unsigned breaks;        /* line ends that the next text gets before it    */
    bool wants_space, wants_cell, wants_bullet;
    bool at_line_start;
    bool in_pre, row_has_text;
    bool is_all_text;       /* a tag without an end was met: no more tags     */
    unsigned quotes;        /* of <blockquote>, at most LISTS_MAX             */
    unsigned n_lists;       /* depth, of which LISTS_MAX are remembered       */
    unsigned numbers[LISTS_MAX]; /* of the next item; 0 = no numbers          */
    lw_span href;           /* of the <a> that is open; ptr NULL = none       */
    size_t link_start;      /* where its text begins in out                   */
} html;

/* ---- writing ------------------------------------------------------------------------------------- */

static unsigned
at_most(unsigned n, unsigned max)
{
    return n < max ? n : max;
}

static void
begin_line(html *h)
{
    unsigned depth = at_most(h->n_lists, LISTS_MAX);

    for (unsigned i = 0; i < h->quotes; i++)
        lw_buf_add(h->out, LW_LIT("> "));
    for (unsigned i = h->wants_bullet; i < depth; i++)
        lw_buf_add(h->out, LW_LIT("  "));
    if (h->wants_bullet && depth > 0 && h->numbers[depth - 1] > 0) {
        lw_buf_add_uint(h->out, h->numbers[depth - 1]++);
        lw_buf_add(h->out, LW_LIT(". "));
    } else if (h->wants_bullet) {
        lw_buf_add(h->out, LW_LIT("- "));
    }
    h->wants_bullet = false;
    h->at_line_start = false;
}

static void
end_lines(html *h)
{
    if (h->out->len > 0)
        for (; h->breaks > 0; h->breaks--)
            lw_buf_add_char(h->out, '\n');
    h->breaks = 0;
    h->at_line_start = true;
}

/* octets of text; white space and line ends that were asked for come first */
static void
put(html *h, lw_span s)
{
    if (h->breaks > 0 || h->out->len == 0)
        end_lines(h);
    if (h->at_line_start)
        begin_line(h);
    else if (h->wants_cell)
        lw_buf_add(h->out, LW_LIT(" | "));
    else if (h->wants_space)
        lw_buf_add_char(h->out, ' ');
    h->wants_space = h->wants_cell = false;
    h->row_has_text = true;
    lw_buf_add(h->out, s);
}

static void
ask_break(html *h, unsigned n)
{
    h->breaks = h->breaks > n ? h->breaks : n;
    h->wants_space = h->wants_cell = false;
}

static void
put_character(html *h, uint32_t cp)
{
    char c[4];
    size_t n = 0;

    if (cp == 0xa0) {
        h->wants_space = true;
        return;
    }
    /* soft hyphen, grapheme joiner, zero-width space, byte order mark: nothing to see */
    if (cp < 0x20 || cp == 0x7f || cp == 0xad || cp == 0x34f || cp == 0x200b || cp == 0xfeff)
        return;
    if (cp < 0x80) {
        c[n++] = (char)cp;
    } else if (cp < 0x800) {
        c[n++] = (char)(0xc0 | cp >> 6);
        c[n++] = (char)(0x80 | (cp & 63));
    } else {
        c[n++] = (char)(cp < 0x10000 ? 0xe0 | cp >> 12 : 0xf0 | cp >> 18);
        if (cp >= 0x10000)
            c[n++] = (char)(0x80 | (cp >> 12 & 63));
        c[n++] = (char)(0x80 | (cp >> 6 & 63));
        c[n++] = (char)(0x80 | (cp & 63));
    }
    put(h, (lw_span){ c, n });
}

/* ASCII that stands for itself */
static bool
is_plain(char c)
{
    return c > ' ' && c < 0x7f && c != '&' && c != '<';
}

/* octets at the front of s that are copied as they are: words with one space between them */
static size_t
plain(lw_span s)
{
    size_t n = 0;

    while (n < s.len && (is_plain(s.ptr[n]) || (n > 0 && s.ptr[n] == ' ' && n + 1 < s.len &&
                                                is_plain(s.ptr[n + 1]))))
        n++;
    return n;
}

/* one character, reference or run of text from the front of *s */
static void
put_next(html *h, lw_span *s)
{
    uint32_t cp = (unsigned char)s->ptr[0];
    size_t n = plain(*s);

    if (n > 0) {
        put(h, (lw_span){ s->ptr, n });
        *s = (lw_span){ s->ptr + n, s->len - n };
        return;
    }
    n = 1;
    if (h->in_pre && cp == '\n')
        h->breaks++;
    else if (h->in_pre && (cp == ' ' || cp == '\t'))
        put(h, (lw_span){ s->ptr, 1 });
    else if (cp == ' ' || (cp >= '\t' && cp <= '\r'))
        h->wants_space = h->wants_space || !h->in_pre;
    else if (cp == '&' && (n = lw_html_entity(*s, &cp)) > 0)
        put_character(h, cp);
    else if (cp >= 0x80 && (n = lw_utf8_next(*s, &cp)) > 0)
        put_character(h, cp);
    else if (cp < 0x80)
        put_character(h, (unsigned char)s->ptr[0]);
    n = n == 0 ? 1 : n;
    *s = (lw_span){ s->ptr + n, s->len - n };
}

/* ---- tags ---------------------------------------------------------------------------------------- */

typedef enum tag_kind {
    TAG_INLINE, TAG_LINE, TAG_PARAGRAPH, TAG_BREAK, TAG_RULE, TAG_LIST, TAG_NUMBERED, TAG_ITEM,
    TAG_ROW, TAG_CELL, TAG_LINK, TAG_PICTURE, TAG_PRE, TAG_QUOTE, TAG_HIDDEN
} tag_kind;

#define TAG(name, kind) { sizeof name - 1, name, TAG_##kind }
static const struct {
    unsigned char len;
    char name[11];
    tag_kind kind;
} tags[] = {
    TAG("a", LINK), TAG("address", LINE), TAG("article", LINE), TAG("aside", LINE),
    TAG("blockquote", QUOTE), TAG("br", BREAK), TAG("caption", LINE), TAG("center", LINE),
    TAG("dd", LINE), TAG("div", LINE), TAG("dl", PARAGRAPH), TAG("dt", LINE),
    TAG("figcaption", LINE), TAG("figure", PARAGRAPH), TAG("footer", LINE),
    TAG("form", LINE), TAG("h1", PARAGRAPH), TAG("h2", PARAGRAPH), TAG("h3", PARAGRAPH),
    TAG("h4", PARAGRAPH), TAG("h5", PARAGRAPH), TAG("h6", PARAGRAPH), TAG("header", LINE),
    TAG("hr", RULE), TAG("img", PICTURE), TAG("li", ITEM), TAG("main", LINE),
    TAG("nav", LINE), TAG("ol", NUMBERED), TAG("p", PARAGRAPH), TAG("pre", PRE),
    TAG("script", HIDDEN), TAG("section", LINE), TAG("style", HIDDEN),
    TAG("table", PARAGRAPH), TAG("td", CELL), TAG("template", HIDDEN), TAG("th", CELL),
    TAG("title", HIDDEN), TAG("tr", ROW), TAG("ul", LIST),
};

static tag_kind
kind_of(lw_span name)
{
    char first = name.len > 0 ? lw_lower(name.ptr[0]) : '\0';

    for (size_t i = 0; i < LW_COUNT(tags); i++)
        if (tags[i].len == name.len && tags[i].name[0] == first &&
            lw_span_eq_nocase(name, (lw_span){ tags[i].name, name.len }))
            return tags[i].kind;
    return TAG_INLINE;
}

static bool
is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* the next attribute of a tag, moved out of *rest */
static bool
next_attribute(lw_span *rest, lw_span *name, lw_span *value)
{
    const char *p = rest->ptr, *end = p + rest->len;

    while (p < end && (is_space(*p) || *p == '/' || *p == '='))
        p++;
    *name = (lw_span){ p, 0 };
    *value = LW_NO_SPAN;
    while (p < end && !is_space(*p) && *p != '=' && *p != '/')
        p++;
    name->len = (size_t)(p - name->ptr);
    while (p < end && is_space(*p))
        p++;
    if (p < end && *p == '=') {
        for (p++; p < end && is_space(*p); p++)
            ;
        char quote = p < end && (*p == '"' || *p == '\'') ? *p++ : '\0';
        *value = (lw_span){ p, 0 };
        while (p < end && (quote != '\0' ? *p != quote : !is_space(*p)))
            p++;
        value->len = (size_t)(p - value->ptr);
        p += p < end && quote != '\0';
    }
    *rest = (lw_span){ p, (size_t)(end - p) };
    return name->len > 0;
}

static lw_span
attribute(lw_span rest, lw_span wanted)
{
    lw_span name, value;

    while (next_attribute(&rest, &name, &value))
        if (lw_span_eq_nocase(name, wanted))
            return value;
    return LW_NO_SPAN;
}

static bool
is_address(lw_span href)
{
    return lw_span_starts_nocase(href, LW_LIT("http://"))
        || lw_span_starts_nocase(href, LW_LIT("https://"))
        || lw_span_starts_nocase(href, LW_LIT("ftp://"))
        || lw_span_starts_nocase(href, LW_LIT("mailto:"))
        || lw_span_starts_nocase(href, LW_LIT("tel:"));
}

/* does the text of the link show its address already? */
static bool
is_shown(lw_span href, lw_span text)
{
    size_t n = lw_span_find(href, ':') + 1;
    lw_span rest = { href.ptr + n, href.len - n };

    while (rest.len > 0 && rest.ptr[0] == '/')
        rest = (lw_span){ rest.ptr + 1, rest.len - 1 };
    while (rest.len > 0 && rest.ptr[rest.len - 1] == '/')
        rest.len--;
    text = lw_span_trim(text);
    while (text.len > 0 && text.ptr[text.len - 1] == '/')
        text.len--;
    return text.len >= rest.len
        && lw_span_eq_nocase((lw_span){ text.ptr + text.len - rest.len, rest.len }, rest);
}

static void
end_link(html *h)
{
    lw_span href = h->href, text = lw_buf_span(h->out);

    h->href = LW_NO_SPAN;
    if (!is_address(href) || lw_buf_finish(h->out) < 0)
        return;
    text = (lw_span){ text.ptr + h->link_start, text.len - h->link_start };
    if (is_shown(href, text))
        return;
    h->wants_space = true;
    put(h, LW_LIT("<"));
    while (href.len > 0)
        put_next(h, &href);
    put(h, LW_LIT(">"));
}

static void
begin_link(html *h, lw_span rest)
{
    end_link(h);
    h->href = lw_span_trim(attribute(rest, LW_LIT("href")));
    h->link_start = h->out->len;
}

static void
change_list(html *h, bool is_end, bool has_numbers)
{
    ask_break(h, h->n_lists > (is_end ? 1 : 0) ? 1 : 2);
    if (is_end) {
        h->n_lists -= h->n_lists > 0;
        return;
    }
    if (h->n_lists < LISTS_MAX)
        h->numbers[h->n_lists] = has_numbers;
    h->n_lists++;
}

static void
put_rule(html *h)
{
    ask_break(h, 1);
    put(h, LW_LIT("--------------------"));
    ask_break(h, 1);
}

/* what is not to be seen ends with its end tag, or never */
static void
skip_hidden(html *h, lw_span name)
{
    for (size_t n; (n = lw_span_find(h->in, '<')) < h->in.len;) {
        h->in = (lw_span){ h->in.ptr + n, h->in.len - n };
        if (h->in.len > 1 && h->in.ptr[1] == '/'
            && lw_span_starts_nocase((lw_span){ h->in.ptr + 2, h->in.len - 2 }, name))
            return;
        h->in = (lw_span){ h->in.ptr + 1, h->in.len - 1 };
    }
    h->in.len = 0;
}

static void
put_picture(html *h, lw_span rest)
{
    lw_span alt = lw_span_trim(attribute(rest, LW_LIT("alt")));

    while (alt.len > 0)
        put_next(h, &alt);
}

static void
take_tag(html *h, lw_span name, lw_span rest, bool is_end)
{
    switch (kind_of(name)) {
    case TAG_INLINE:
        break;
    case TAG_LINE:
        ask_break(h, 1);
        break;
    case TAG_PARAGRAPH:
        ask_break(h, 2);
        break;
    case TAG_BREAK:
        h->breaks++;
        h->wants_space = false;
        break;
    case TAG_RULE:
        put_rule(h);
        break;
    case TAG_LIST:
    case TAG_NUMBERED:
        change_list(h, is_end, kind_of(name) == TAG_NUMBERED);
        break;
    case TAG_ITEM:
        ask_break(h, 1);
        h->wants_bullet = !is_end;
        break;
    case TAG_ROW:
        ask_break(h, 1);
        h->row_has_text = false;
        break;
    case TAG_CELL:
        h->wants_cell = h->wants_cell || (!is_end && h->row_has_text && h->breaks == 0);
        break;
    case TAG_LINK:
        if (is_end)
            end_link(h);
        else
            begin_link(h, rest);
        break;
    case TAG_PICTURE:
        put_picture(h, rest);
        break;
    case TAG_PRE:
        ask_break(h, 2);
        h->in_pre = !is_end;
        break;
    case TAG_QUOTE:
        ask_break(h, 2);
        h->quotes = is_end ? h->quotes - (h->quotes > 0) : at_most(h->quotes + 1, LISTS_MAX);
        break;
    case TAG_HIDDEN:
        if (!is_end)
            skip_hidden(h, name);
        break;
    }
}

/* the '>' that ends the tag, outside quotes of values; in.len if there is none */
static size_t
tag_end(lw_span in)
{
    char quote = '\0', before = '\0';

    for (size_t i = 1; i < in.len; i++) {
        char c = in.ptr[i];
        if (quote != '\0')
            quote = c == quote ? '\0' : quote;
        else if (c == '>')
            return i;
        else if ((c == '"' || c == '\'') && before == '=')
            quote = c;
        if (!is_space(c))
            before = c;
    }
    return in.len;
}

static void
skip_comment(html *h)
{
    const char *end = memmem(h->in.ptr, h->in.len, "-->", 3);
    size_t n = end == NULL ? h->in.len : (size_t)(end - h->in.ptr) + 3;

    h->in = (lw_span){ h->in.ptr + n, h->in.len - n };
}

/* a '<' that begins a tag, a comment or a declaration; false: it is text */
static bool
tag(html *h)
{
    lw_span in = h->in, name;
    char c = in.len > 1 ? in.ptr[1] : '\0';
    bool is_end = c == '/';
    size_t n;

    if (h->is_all_text || (!lw_is_alpha(c) && c != '/' && c != '!' && c != '?'))
        return false;
    if (lw_span_starts_nocase(in, LW_LIT("<!--"))) {
        skip_comment(h);
        return true;
    }
    if ((n = tag_end(in)) == in.len) {
        h->is_all_text = true; /* so that no tag is looked for twice */
        return false;
    }
    h->in = (lw_span){ in.ptr + n + 1, in.len - n - 1 };
    name = (lw_span){ in.ptr + 1 + is_end, 0 };
    while (name.len < 12 && lw_is_alnum(name.ptr[name.len]))
        name.len++;
    take_tag(h, name, (lw_span){ name.ptr + name.len, (size_t)(in.ptr + n - name.ptr) - name.len },
             is_end);
    return true;
}

void
lw_html_to_text(lw_buf *out, lw_span in)
{
    html h = { .out = out, .in = in, .at_line_start = true };

    while (h.in.len > 0)
        if (h.in.ptr[0] != '<' || !tag(&h))
            put_next(&h, &h.in);
    end_link(&h);
    if (out->len > 0)
        lw_buf_add_char(out, '\n');
}
