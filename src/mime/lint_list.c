/* SPDX-License-Identifier: MIT */
/* mime/lint_list.c - unsubscribing: List-Unsubscribe (RFC 2369) and one click (RFC 8058) */
#include "mime/lint_int.h"

/* one member: "<" URI ">"; *s is moved behind it and its comma; NULL = fine, else what is wrong */
static const char *
next_uri(lw_span *s, lw_span *uri)
{
    size_t end = lw_span_find(*s, '>');

    if (s->len == 0 || s->ptr[0] != '<')
        return "an address that is not in angle brackets: readers ignore it";
    if (end == s->len)
        return "the > is missing";
    *uri = (lw_span){ s->ptr + 1, end - 1 };
    for (size_t i = 0; i < uri->len; i++)
        if (uri->ptr[i] <= ' ' || uri->ptr[i] > '~' || uri->ptr[i] == '<')
            return "a URI with a space or another character that is not allowed in it";
    *s = lw_comment_skip((lw_span){ s->ptr + end + 1, s->len - end - 1 });
    if (s->len == 0)
        return NULL;
    if (s->ptr[0] != ',')
        return "text behind a URI";
    *s = lw_comment_skip((lw_span){ s->ptr + 1, s->len - 1 });
    return NULL;
}

static const char *
see_uri(lw_lint *l, lw_span uri)
{
    if (lw_span_starts_nocase(uri, LW_LIT("https://")) && uri.len > 8)
        l->has_https = true;
    else if (lw_span_starts_nocase(uri, LW_LIT("mailto:")) && lw_span_find(uri, '@') < uri.len)
        l->has_mailto = true;
    else if (lw_span_find(uri, ':') == uri.len || uri.len == 0)
        return "a URI without a scheme";
    else if (lw_span_starts_nocase(uri, LW_LIT("mailto:")))
        return "a mailto: without an address";
    return NULL;
}

/* [RFC2369 2] "The contents of the list header fields mostly consist of angle-bracket ('<', '>')
 * enclosed URLs, with internal whitespace being ignored." */
void
lw_lint_unsubscribe(lw_lint *l, const lw_read_event *ev)
{
    lw_span s = lw_comment_skip(ev->raw), uri;
    const char *problem = s.len == 0 ? "nothing in it" : NULL;

    l->has_unsubscribe = true;
    l->unsubscribe_line = l->line;
    while (problem == NULL && s.len > 0)
        if ((problem = next_uri(&s, &uri)) == NULL)
            problem = see_uri(l, uri);
    if (problem != NULL)
        lw_lint_add(l, LW_LINT_LIST_UNSUBSCRIBE, ev->name, "%s", problem);
    else
        l->unsubscribe_ok = true;
}

/* [RFC8058 3.1] "The List-Unsubscribe-Post header MUST contain the single key/value pair
 * "List-Unsubscribe=One-Click"." */
void
lw_lint_one_click(lw_lint *l, const lw_read_event *ev)
{
    l->has_post = true;
    l->post_line = l->line;
    if (!lw_span_eq(ev->raw, LW_LIT("List-Unsubscribe=One-Click")))
        lw_lint_add(l, LW_LINT_ONE_CLICK, ev->name, "the value must be List-Unsubscribe=One-Click, "
                    "nothing else");
}

static bool
is_covered(const lw_lint *l)
{
    for (size_t i = 0; i < l->n_signatures; i++)
        if (l->signatures[i].covers_list && l->signatures[i].covers_post)
            return true;
    return false;
}

static void
check_signed(lw_lint *l)
{
    /* [RFC8058 4] "The List-Unsubscribe and List-Unsubscribe-Post headers MUST be covered by the
     * signature" */
    if (l->n_signatures == 0)
        lw_lint_add(l, LW_LINT_ONE_CLICK_TO_SIGN, LW_LIT("List-Unsubscribe-Post"), "one click counts "
                    "only with a DKIM signature over both List-Unsubscribe fields; there is none yet");
    else if (!is_covered(l))
        lw_lint_add(l, LW_LINT_ONE_CLICK_UNSIGNED, LW_LIT("List-Unsubscribe-Post"), "no DKIM "
                    "signature covers both List-Unsubscribe and List-Unsubscribe-Post");
}

void
lw_lint_list_end(lw_lint *l)
{
    l->part = 0;
    l->line = l->has_post ? l->post_line : l->unsubscribe_line;
    /* [RFC8058 3.1] "The List-Unsubscribe header field MUST contain one HTTPS URI." */
    if (l->has_post && !l->has_unsubscribe)
        lw_lint_add(l, LW_LINT_ONE_CLICK, LW_LIT("List-Unsubscribe-Post"), "one click without a "
                    "List-Unsubscribe field: it needs both");
    else if (l->has_post && !l->has_https)
        lw_lint_add(l, LW_LINT_ONE_CLICK, LW_LIT("List-Unsubscribe"), "one click needs an https:// "
                    "URI in List-Unsubscribe");
    else if (l->has_post)
        check_signed(l);
    else if (l->unsubscribe_ok && l->has_https)
        lw_lint_add(l, LW_LINT_ONE_CLICK_MISSING, LW_LIT("List-Unsubscribe"), "an https:// URI "
                    "without List-Unsubscribe-Post: Gmail and Yahoo ask bulk senders for one click");
    else if (l->unsubscribe_ok)
        lw_lint_add(l, LW_LINT_ONE_CLICK_MISSING, LW_LIT("List-Unsubscribe"), "no https:// URI: Gmail "
                    "and Yahoo ask bulk senders for one click");
}
