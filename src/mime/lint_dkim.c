/* SPDX-License-Identifier: MIT */
/*
 * mime/lint_dkim.c - DKIM signatures that a message has: what can be said without a key
 *
 * Alignment (RFC 7489 3.1.1) compares organisational domains, which only the public suffix list
 * knows.  Here two domains are aligned if they are equal or one is inside the other and the outer
 * has two labels at least: news.example.org and example.org are, a.example.org and b.example.org
 * are not though DMARC would say so, and co.uk counts as a domain though it is none.
 */
#include "mime/lint_int.h"

/* [RFC6376 3.2] "tag-spec  =  [FWS] tag-name [FWS] "=" [FWS] tag-value [FWS]"; false: no such tag */
static bool
find_tag(lw_span list, const char *name, lw_span *value)
{
    lw_span spec;

    while (lw_span_token(&list, ';', &spec)) {
        size_t equals = lw_span_find(spec, '=');
        if (equals == spec.len
            || !lw_span_eq(lw_span_trim((lw_span){ spec.ptr, equals }), lw_span_str(name)))
            continue;
        *value = lw_span_trim((lw_span){ spec.ptr + equals + 1, spec.len - equals - 1 });
        return true;
    }
    return false;
}

static bool
covers(lw_span signed_fields, lw_span name)
{
    lw_span field;

    while (lw_span_token(&signed_fields, ':', &field))
        if (lw_span_eq_nocase(lw_span_trim(field), name))
            return true;
    return false;
}

static void
check_tags(lw_lint *l, const lw_read_event *ev)
{
    static const char *const required[] = { "v", "a", "b", "bh", "d", "h", "s" };
    lw_span value;

    for (size_t i = 0; i < LW_COUNT(required); i++)
        if (!find_tag(ev->raw, required[i], &value) || value.len == 0)
            lw_lint_add(l, LW_LINT_DKIM_SYNTAX, ev->name, "a signature without %s=: verifiers ignore "
                        "it", required[i]);
    /* [RFC8301 3.1] "rsa-sha1 MUST NOT be used for signing or verifying." */
    if (find_tag(ev->raw, "a", &value) && lw_span_eq_nocase(value, LW_LIT("rsa-sha1")))
        lw_lint_add(l, LW_LINT_DKIM_SHA1, ev->name, "a signature with rsa-sha1: verifiers ignore it");
    if (find_tag(ev->raw, "l", &value))
        lw_lint_add(l, LW_LINT_DKIM_LENGTH, ev->name, "a signature with l=: anybody can append to the "
                    "body, and receivers know that");
    /* [RFC6376 5.4] "The From header field MUST be signed" */
    if (find_tag(ev->raw, "h", &value) && value.len > 0 && !covers(value, LW_LIT("From")))
        lw_lint_add(l, LW_LINT_DKIM_FROM, ev->name, "a signature whose h= does not name From");
}

void
lw_lint_signature_field(lw_lint *l, const lw_read_event *ev)
{
    lw_lint_signature *s;
    lw_span d, h;

    check_tags(l, ev);
    if (l->n_signatures == LW_LINT_SIGNATURES || !find_tag(ev->raw, "d", &d) || d.len == 0)
        return;
    s = &l->signatures[l->n_signatures];
    memset(s, 0, sizeof *s);
    if ((s->domain = lw_arena_span(&l->arena, d)) == NULL) {
        lw_lint_no_memory(l);
        return;
    }
    l->n_signatures++;
    if (find_tag(ev->raw, "h", &h)) {
        s->covers_list = covers(h, LW_LIT("List-Unsubscribe"));
        s->covers_post = covers(h, LW_LIT("List-Unsubscribe-Post"));
    }
}

/* is inner the same as outer, or inside it? */
static bool
is_inside(lw_span inner, lw_span outer)
{
    lw_span tail;

    if (inner.len < outer.len || lw_span_find(outer, '.') == outer.len)
        return lw_span_eq_nocase(inner, outer);
    tail = (lw_span){ inner.ptr + inner.len - outer.len, outer.len };
    return lw_span_eq_nocase(tail, outer)
        && (inner.len == outer.len || inner.ptr[inner.len - outer.len - 1] == '.');
}

void
lw_lint_alignment(lw_lint *l)
{
    lw_span from = lw_span_str(l->from_domain);

    /* a U-label would have to become an A-label first, as d= is one (RFC 6376 3.5) */
    if (l->n_signatures == 0 || from.len == 0 || !lw_span_is_ascii(from))
        return;
    for (size_t i = 0; i < l->n_signatures; i++) {
        lw_span d = lw_span_str(l->signatures[i].domain);
        if (is_inside(d, from) || is_inside(from, d))
            return;
    }
    lw_lint_add_whole(l, LW_LINT_DKIM_ALIGNMENT, "no DKIM signature is of From's domain %.*s (d=%.100s): "
                      "DMARC does not count them", (int)(from.len < 100 ? from.len : 100), from.ptr,
                      l->signatures[0].domain);
}
