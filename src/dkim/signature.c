/* SPDX-License-Identifier: MIT */
/*
 * dkim/signature.c - what the tags of a DKIM-Signature mean (RFC 6376 3.5, 6.1.1)
 *
 * What is malformed or of an unknown kind is "neutral"; what can never verify is "permerror"
 * (RFC 8601 2.7.1).
 */
#include "dkim/dkim_int.h"

static void
reject(lw_dkim_parsed *p, lw_dkim_status status, const char *problem)
{
    if (p->problem != NULL)
        return; /* the first one tells */
    p->status = status;
    p->problem = problem;
}

/* The value of a required tag. */
static lw_span
need(lw_dkim_parsed *p, const lw_dkim_tags *t, const char *name, const char *problem)
{
    const lw_dkim_tag *tag = lw_dkim_tags_find(t, name);

    if (tag != NULL)
        return tag->value;
    /* [RFC6376 6.1.1] "return PERMFAIL (signature missing required tag)" */
    reject(p, LW_DKIM_NEUTRAL, problem);
    return LW_LIT("");
}

static void
read_algorithm(lw_dkim_parsed *p, lw_span a)
{
    if (lw_span_eq(a, LW_LIT("rsa-sha256")))
        p->pub.algorithm = LW_DKIM_RSA;
    else if (lw_span_eq(a, LW_LIT("ed25519-sha256")))
        p->pub.algorithm = LW_DKIM_ED25519;
    else if (lw_span_eq(a, LW_LIT("rsa-sha1")))
        /* [RFC8301 3.1] "rsa-sha1 MUST NOT be used for signing or verifying." */
        reject(p, LW_DKIM_PERMERROR, "a=rsa-sha1 is not trusted any more (RFC 8301)");
    else
        reject(p, LW_DKIM_NEUTRAL, "a= names an unknown algorithm");
}

static bool
read_canon(lw_span s, lw_dkim_canon *canon)
{
    *canon = lw_span_eq(s, LW_LIT("simple")) ? LW_DKIM_SIMPLE : LW_DKIM_RELAXED;
    return *canon == LW_DKIM_SIMPLE || lw_span_eq(s, LW_LIT("relaxed"));
}

/* [RFC6376 3.5] "If only one algorithm is named, that algorithm is used for the header and "simple"
 * is used for the body." */
static void
read_canons(lw_dkim_parsed *p, const lw_dkim_tag *c)
{
    size_t slash;

    p->pub.header_canon = p->pub.body_canon = LW_DKIM_SIMPLE;
    if (c == NULL)
        return;
    slash = lw_span_find(c->value, '/');
    if (!read_canon((lw_span){ c->value.ptr, slash }, &p->pub.header_canon) ||
        (slash < c->value.len &&
         !read_canon((lw_span){ c->value.ptr + slash + 1, c->value.len - slash - 1 },
                     &p->pub.body_canon)))
        reject(p, LW_DKIM_NEUTRAL, "c= names an unknown canonical form");
}

/* [RFC6376 6.1.1] 'If the "h=" tag does not include the From header field, the Verifier MUST ignore
 * the DKIM-Signature header field' */
static void
read_headers(lw_dkim_parsed *p, lw_span h)
{
    bool has_from = false;
    size_t n = 0;
    lw_span name;

    p->pub.headers = h;
    while (lw_dkim_fws_token(&h, ':', &name)) {
        if (!lw_dkim_is_field_name(name)) {
            reject(p, LW_DKIM_NEUTRAL, "h= is malformed");
            return;
        }
        has_from = has_from || lw_span_eq_nocase(name, LW_LIT("From"));
        n++;
    }
    if (n > LW_DKIM_NAMES_MAX)
        reject(p, LW_DKIM_NEUTRAL, "h= names too many fields");
    if (!has_from)
        reject(p, LW_DKIM_PERMERROR, "h= does not cover From");
}

/* [RFC6376 3.5] "default is an empty local-part followed by an "@" followed by the domain from the
 * "d=" tag" */
static void
read_identity(lw_dkim_parsed *p, const lw_dkim_tag *i)
{
    lw_span v = i == NULL ? LW_LIT("") : i->value;
    size_t at = v.len;

    p->pub.identity = v;
    p->identity_domain = p->pub.domain;
    if (i == NULL)
        return;
    while (at > 0 && v.ptr[at - 1] != '@')
        at--;
    p->identity_domain = (lw_span){ v.ptr + at, v.len - at };
    if (at == 0 || !lw_dkim_is_domain(p->identity_domain))
        reject(p, LW_DKIM_NEUTRAL, "i= is no identity");
    else if (!lw_dkim_is_in_domain(p->identity_domain, p->pub.domain))
        reject(p, LW_DKIM_PERMERROR, "i= is not in the domain of d=");
}

static int64_t
read_time(lw_dkim_parsed *p, const lw_dkim_tag *tag, const char *problem)
{
    uint64_t v = 0;

    if (tag == NULL)
        return -1;
    if (tag->value.len > 12 || !lw_span_uint(tag->value, UINT64_C(999999999999), &v))
        reject(p, LW_DKIM_NEUTRAL, problem);
    return (int64_t)v;
}

static void
read_times(lw_dkim_parsed *p, const lw_dkim_tags *t)
{
    p->pub.time_s = read_time(p, lw_dkim_tags_find(t, "t"), "t= is no time");
    p->pub.expires_s = read_time(p, lw_dkim_tags_find(t, "x"), "x= is no time");
    /* [RFC6376 3.5] 'The value of the "x=" tag MUST be greater than the value of the "t=" tag if both
     * are present.' */
    if (p->pub.time_s >= 0 && p->pub.expires_s >= 0 &&
        p->pub.expires_s <= p->pub.time_s)
        reject(p, LW_DKIM_NEUTRAL, "x= is not after t=");
}

static void
read_limit(lw_dkim_parsed *p, const lw_dkim_tag *l)
{
    p->pub.body_limit = UINT64_MAX;
    if (l != NULL && (l->value.len > 76 ||
                      !lw_span_uint(l->value, UINT64_MAX - 1, &p->pub.body_limit)))
        reject(p, LW_DKIM_NEUTRAL, "l= is no length");
}

static void
read_values(lw_dkim_parsed *p, const lw_dkim_tags *t)
{
    const lw_dkim_tag *b = lw_dkim_tags_find(t, "b");
    size_t n = 0;

    if (!lw_dkim_base64(need(p, t, "bh", "bh= is missing"), p->body_hash,
                        LW_DKIM_DIGEST, &n) ||
        n != LW_DKIM_DIGEST)
        reject(p, LW_DKIM_NEUTRAL, "bh= is no SHA-256 in base64");
    if (!lw_dkim_base64(need(p, t, "b", "b= is missing"), p->sig, LW_DKIM_SIG_MAX,
                        &p->sig_len) ||
        p->sig_len == 0)
        reject(p, LW_DKIM_NEUTRAL, "b= is no base64");
    if (b != NULL)
        p->b_raw = b->raw;
}

static void
read_domain(lw_dkim_parsed *p, const lw_dkim_tags *t)
{
    p->pub.domain = need(p, t, "d", "d= is missing");
    p->pub.selector = need(p, t, "s", "s= is missing");
    if (!lw_dkim_is_domain(p->pub.domain))
        reject(p, LW_DKIM_NEUTRAL, "d= is no domain");
    if (!lw_dkim_is_selector(p->pub.selector))
        reject(p, LW_DKIM_NEUTRAL, "s= is no selector");
}

void
lw_dkim_signature_parse(lw_dkim_parsed *p, lw_span value)
{
    const lw_dkim_tag *q;
    const char *problem;
    lw_dkim_tags t;

    memset(p, 0, sizeof *p);
    p->pub.time_s = p->pub.expires_s = -1;
    p->pub.body_limit = UINT64_MAX;
    if ((problem = lw_dkim_tags_parse(&t, value)) != NULL) {
        reject(p, LW_DKIM_NEUTRAL, problem);
        return;
    }
    /* [RFC6376 3.5] "It MUST have the value "1"" */
    if (!lw_span_eq(need(p, &t, "v", "v= is missing"), LW_LIT("1")))
        reject(p, LW_DKIM_NEUTRAL, "v= is not 1");
    read_domain(p, &t);
    read_algorithm(p, need(p, &t, "a", "a= is missing"));
    read_canons(p, lw_dkim_tags_find(&t, "c"));
    read_headers(p, need(p, &t, "h", "h= is missing"));
    read_identity(p, lw_dkim_tags_find(&t, "i"));
    read_times(p, &t);
    read_limit(p, lw_dkim_tags_find(&t, "l"));
    read_values(p, &t);
    if ((q = lw_dkim_tags_find(&t, "q")) != NULL &&
        !lw_dkim_has_item(q->value, "dns/txt", NULL))
        reject(p, LW_DKIM_NEUTRAL, "q= does not name dns/txt");
    p->pub.is_valid = p->problem == NULL;
}
