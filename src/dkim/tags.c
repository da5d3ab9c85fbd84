/* SPDX-License-Identifier: MIT */
/*
 * dkim/tags.c - tag=value lists (RFC 6376 3.2), strictly
 *
 * [RFC6376 6.1.1] 'Being "liberal in what you accept" is definitely a bad strategy in this security
 * context.'
 */
#include "dkim/dkim_int.h"

static bool
is_fws(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static lw_span
trim(lw_span s)
{
    while (s.len > 0 && is_fws(s.ptr[0]))
        s = (lw_span){ s.ptr + 1, s.len - 1 };
    while (s.len > 0 && is_fws(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

/* tag-name = ALPHA *ALNUMPUNC */
static bool
is_tag_name(lw_span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!lw_is_alnum(s.ptr[i]) && s.ptr[i] != '_')
            return false;
    return s.len > 0 && lw_is_alpha(s.ptr[0]);
}

/* Printable ASCII, UTF-8 (RFC 8616), and FWS: a CRLF with WSP behind it.  A CRLF at the very end
 * has nothing behind it, and is no FWS. */
static bool
is_tag_text(lw_span s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];

        if (c == '\r') {
            if (s.len - i < 3 || s.ptr[i + 1] != '\n' ||
                (s.ptr[i + 2] != ' ' && s.ptr[i + 2] != '\t'))
                return false;
            i += 2;
        } else if ((c >= 0 && c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return lw_utf8_valid(s);
}

/* tag-spec = [FWS] tag-name [FWS] "=" [FWS] tag-value [FWS] */
static const char *
parse_tag(lw_dkim_tag *t, lw_span spec)
{
    size_t equals = lw_span_find(spec, '=');

    if (equals == spec.len)
        return "a tag has no \"=\"";
    t->name = trim((lw_span){ spec.ptr, equals });
    t->raw = (lw_span){ spec.ptr + equals + 1, spec.len - equals - 1 };
    t->value = trim(t->raw);
    return is_tag_name(t->name) ? NULL : "a tag has no proper name";
}

const char *
lw_dkim_tags_parse(lw_dkim_tags *t, lw_span list)
{
    const char *problem;
    lw_span spec;

    t->n = 0;
    if (!is_tag_text(list))
        return "it holds a control character or broken UTF-8";
    while (lw_span_token(&list, ';', &spec)) {
        lw_dkim_tag *tag = &t->items[t->n];

        if (list.ptr == NULL && trim(spec).len == 0 && t->n > 0)
            break; /* the list may end with a semicolon */
        if (t->n == LW_DKIM_TAGS_MAX)
            return "it has too many tags";
        if ((problem = parse_tag(tag, spec)) != NULL)
            return problem;
        /* [RFC6376 3.2] "if a tag name does occur more than once, the entire tag-list is invalid." */
        for (size_t i = 0; i < t->n; i++)
            if (lw_span_eq(t->items[i].name, tag->name))
                return "a tag occurs twice";
        t->n++;
    }
    return t->n > 0 ? NULL : "it is empty";
}

/* [RFC6376 3.2] "Tags MUST be interpreted in a case-sensitive manner." */
const lw_dkim_tag *
lw_dkim_tags_find(const lw_dkim_tags *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (lw_span_eq(t->items[i].name, lw_span_str(name)))
            return &t->items[i];
    return NULL;
}

bool
lw_dkim_fws_token(lw_span *rest, char sep, lw_span *token)
{
    if (!lw_span_token(rest, sep, token))
        return false;
    *token = trim(*token);
    return true;
}

bool
lw_dkim_has_item(lw_span list, const char *word, const char *other)
{
    lw_span item;

    while (lw_dkim_fws_token(&list, ':', &item))
        if (lw_span_eq(item, lw_span_str(word)) ||
            (other != NULL && lw_span_eq(item, lw_span_str(other))))
            return true;
    return false;
}

bool
lw_dkim_base64(lw_span s, unsigned char *dst, size_t cap, size_t *n)
{
    char text[LW_BASE64_LEN(LW_DKIM_DER_MAX)], octets[sizeof text];
    size_t len = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (is_fws(s.ptr[i]))
            continue;
        if (len == sizeof text)
            return false;
        text[len++] = s.ptr[i];
    }
    if (!lw_base64_decode(octets, (lw_span){ text, len }, n) || *n > cap)
        return false;
    memcpy(dst, octets, *n);
    return true;
}

/* ---- domains --------------------------------------------------------------------- */

/* sub-domain of RFC 5321 4.1.2: Let-dig [Ldh-str], or a U-label; the underscore occurs in selectors,
 * where DNS takes it and the grammar does not */
static bool
is_label(lw_span s, bool may_underscore)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (!lw_is_alnum((char)c) && c != '-' && c < 0x80 &&
            !(may_underscore && c == '_'))
            return false;
    }
    return s.len > 0 && s.len <= 63 * 4 && s.ptr[0] != '-' && s.ptr[s.len - 1] != '-';
}

static size_t
count_labels(lw_span s, bool may_underscore)
{
    size_t n = 0;
    lw_span label;

    if (s.len > 253 * 4 || (lw_span_is_ascii(s) && s.len > 253) || !lw_utf8_valid(s))
        return 0;
    for (; lw_span_token(&s, '.', &label); n++)
        if (!is_label(label, may_underscore) ||
            (lw_span_is_ascii(label) && label.len > 63))
            return 0;
    return n;
}

/* domain-name = sub-domain 1*("." sub-domain) */
bool
lw_dkim_is_domain(lw_span s)
{
    return count_labels(s, false) >= 2;
}

/* selector = sub-domain *( "." sub-domain ) */
bool
lw_dkim_is_selector(lw_span s)
{
    return count_labels(s, true) >= 1;
}

bool
lw_dkim_is_in_domain(lw_span s, lw_span domain)
{
    if (s.len < domain.len)
        return false;
    lw_span end = { s.ptr + s.len - domain.len, domain.len };
    return lw_span_eq_nocase(end, domain) &&
           (s.len == domain.len || end.ptr[-1] == '.');
}
