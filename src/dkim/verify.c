/* SPDX-License-Identifier: MIT */
/*
 * dkim/verify.c - the verifier: one pass over a message, then each signature by its key record
 *
 * When the header is complete its signatures are read; those that want the same hash of the body
 * share it.  After the end each is judged as RFC 6376 6.1 says, any number of times.
 */
#include "dkim/dkim_int.h"

typedef struct body_hash {
    lw_dkim_hash hash;
    lw_dkim_body body;
    uint64_t total; /* octets of the canonical body, once it has ended */
    unsigned char digest[LW_DKIM_DIGEST];
} body_hash;

typedef struct signature {
    lw_dkim_parsed parsed;
    const lw_dkim_field *field;
    size_t body; /* index of its hash */
} signature;

struct lw_dkim_verifier {
    lw_alloc alloc;
    lw_dkim_header header;
    lw_dkim_hash header_hash;
    lw_buf scratch;
    signature *signatures;
    body_hash *bodies[LW_DKIM_SIGNATURES_MAX]; /* made when first needed, kept */
    size_t n, n_bodies;
    bool has_ended, has_failed;
};

lw_dkim_verifier *
lw_dkim_verifier_new(const lw_alloc *alloc)
{
    lw_dkim_verifier *v = lw_zalloc(alloc, sizeof *v);

    if (v == NULL)
        return NULL;
    v->alloc = *lw_alloc_or_default(alloc);
    lw_dkim_header_init(&v->header, &v->alloc);
    lw_buf_init(&v->scratch, &v->alloc, LW_DKIM_HEADER_MAX);
    v->signatures =
        lw_zalloc_array(&v->alloc, LW_DKIM_SIGNATURES_MAX, sizeof *v->signatures);
    if (lw_dkim_hash_init(&v->header_hash) && v->signatures != NULL)
        return v;
    lw_dkim_verifier_free(v);
    return NULL;
}

void
lw_dkim_verifier_free(lw_dkim_verifier *v)
{
    if (v == NULL)
        return;
    lw_alloc alloc = v->alloc;
    for (size_t i = 0; i < LW_COUNT(v->bodies); i++) {
        if (v->bodies[i] != NULL)
            lw_dkim_hash_deinit(&v->bodies[i]->hash);
        lw_release(&alloc, v->bodies[i]);
    }
    lw_dkim_hash_deinit(&v->header_hash);
    lw_dkim_header_deinit(&v->header);
    lw_buf_deinit(&v->scratch);
    lw_release(&alloc, v->signatures);
    lw_release(&alloc, v);
}

void
lw_dkim_verifier_reset(lw_dkim_verifier *v)
{
    if (v == NULL)
        return;
    lw_dkim_header_reset(&v->header);
    v->n = v->n_bodies = 0;
    v->has_ended = v->has_failed = false;
}

/* ---- the message ----------------------------------------------------------------- */

/* the hash of the body that this signature wants, shared with an earlier one where it can be */
static lw_code
want_body(lw_dkim_verifier *v, signature *s)
{
    const lw_dkim_signature *want = &s->parsed.pub;
    body_hash *b;

    for (s->body = 0; s->body < v->n_bodies; s->body++)
        if (v->bodies[s->body]->body.canon == want->body_canon &&
            v->bodies[s->body]->hash.limit == want->body_limit)
            return LW_OK;
    if ((b = v->bodies[s->body]) == NULL) {
        if ((b = lw_zalloc(&v->alloc, sizeof *b)) == NULL)
            return LW_ENOMEM;
        v->bodies[s->body] = b;
        if (!lw_dkim_hash_init(&b->hash)) {
            lw_dkim_hash_deinit(&b->hash);
            lw_release(&v->alloc, b);
            v->bodies[s->body] = NULL;
            return LW_ENOMEM;
        }
    }
    v->n_bodies++;
    b->body = (lw_dkim_body){ .canon = want->body_canon, .out = &b->hash };
    lw_dkim_hash_begin(&b->hash, want->body_limit);
    return LW_OK;
}

static lw_code
find_signatures(lw_dkim_verifier *v, lw_error *err)
{
    lw_code rc = lw_dkim_header_end(&v->header, err);

    for (size_t i = 0; rc >= 0 && i < v->header.n && v->n < LW_DKIM_SIGNATURES_MAX;
         i++) {
        const lw_dkim_field *f = &v->header.fields[i];
        signature *s = &v->signatures[v->n];
        size_t colon;

        if (!lw_span_eq_nocase(lw_dkim_field_name(f), LW_LIT("DKIM-Signature")))
            continue;
        colon = lw_span_find(f->whole, ':') + 1;
        lw_dkim_signature_parse(&s->parsed, (lw_span){ f->whole.ptr + colon,
                                                       f->whole.len - colon });
        s->field = f;
        v->n++;
        if (s->parsed.pub.is_valid && want_body(v, s) < 0)
            rc = lw_dkim_no_memory(err);
    }
    return rc;
}

static lw_code
failed(lw_dkim_verifier *v, lw_code rc)
{
    v->has_failed = true;
    v->n = v->n_bodies = 0;
    return rc;
}

lw_code
lw_dkim_verifier_feed(lw_dkim_verifier *v, lw_span octets, lw_error *err)
{
    bool was_complete;
    lw_code rc;

    if (v == NULL || (octets.ptr == NULL && octets.len > 0))
        return lw_dkim_fail(err, LW_EUSAGE, "a pointer is NULL");
    was_complete = v->header.is_complete;
    if (v->has_ended || v->has_failed)
        return lw_dkim_fail(err, LW_EUSAGE,
                            "the message has ended already: begin the next by a reset");
    if ((rc = lw_dkim_header_feed(&v->header, &octets, err)) < 0)
        return failed(v, rc);
    if (v->header.is_complete && !was_complete && (rc = find_signatures(v, err)) < 0)
        return failed(v, rc);
    for (size_t i = 0; i < v->n_bodies; i++)
        lw_dkim_body_feed(&v->bodies[i]->body, octets);
    return LW_OK;
}

lw_code
lw_dkim_verifier_end(lw_dkim_verifier *v, lw_error *err)
{
    lw_code rc;

    if (v == NULL)
        return lw_dkim_fail(err, LW_EUSAGE, "a pointer is NULL");
    if (v->has_ended || v->has_failed)
        return lw_dkim_fail(err, LW_EUSAGE,
                            "the message has ended already: begin the next by a reset");
    if (!v->header.is_complete && (rc = find_signatures(v, err)) < 0)
        return failed(v, rc);
    for (size_t i = 0; i < v->n_bodies; i++) {
        body_hash *b = v->bodies[i];

        lw_dkim_body_end(&b->body);
        b->total = b->hash.n;
        if (lw_dkim_hash_end(&b->hash, b->digest) < 0)
            return failed(v, lw_dkim_no_memory(err));
    }
    v->has_ended = true;
    return LW_OK;
}

size_t
lw_dkim_verifier_n(const lw_dkim_verifier *v)
{
    return v == NULL ? 0 : v->n;
}

const lw_dkim_signature *
lw_dkim_verifier_signature(const lw_dkim_verifier *v, size_t i)
{
    return v != NULL && i < v->n ? &v->signatures[i].parsed.pub : NULL;
}

/* ---- judging --------------------------------------------------------------------- */

const char *
lw_dkim_status_name(lw_dkim_status status)
{
    switch (status) {
#define NAME(name, text)                                                               \
    case LW_DKIM_##name:                                                               \
        return text;
        LW_DKIM_STATUS_MAP(NAME)
#undef NAME
    }
    return "?";
}

static lw_code
judge(lw_dkim_result *out, lw_dkim_status status, const char *reason)
{
    out->status = status;
    lw_print_safe(out->reason, sizeof out->reason, lw_span_str(reason));
    return LW_OK;
}

/* [RFC6376 3.7] 'with the value of the "b=" tag (including all surrounding whitespace) deleted' */
static lw_code
hash_own_field(lw_dkim_verifier *v, const signature *s)
{
    lw_span whole = s->field->whole, b = s->parsed.b_raw;
    size_t before = (size_t)(b.ptr - whole.ptr);

    lw_buf_reset(&v->scratch);
    lw_buf_add(&v->scratch, (lw_span){ whole.ptr, before });
    lw_buf_add(&v->scratch, (lw_span){ b.ptr + b.len, whole.len - before - b.len });
    if (lw_buf_finish(&v->scratch) < 0)
        return LW_ENOMEM;
    lw_dkim_canon_field(s->parsed.pub.header_canon, lw_buf_span(&v->scratch),
                        &v->header_hash);
    return LW_OK;
}

static lw_code
hash_header(lw_dkim_verifier *v, const signature *s,
            unsigned char digest[LW_DKIM_DIGEST])
{
    lw_span names = s->parsed.pub.headers, name;

    lw_dkim_hash_begin(&v->header_hash, UINT64_MAX);
    lw_dkim_header_select(&v->header);
    while (lw_dkim_fws_token(&names, ':', &name)) {
        const lw_dkim_field *f = lw_dkim_header_last(&v->header, name);

        if (f == s->field) /* h= may name other signatures, this one is hashed below */
            f = lw_dkim_header_last(&v->header, name);
        if (f == NULL)
            continue;
        lw_dkim_canon_field(s->parsed.pub.header_canon, f->whole, &v->header_hash);
        lw_dkim_hash_add(&v->header_hash, "\r\n", 2);
    }
    if (hash_own_field(v, s) < 0)
        return LW_ENOMEM;
    return lw_dkim_hash_end(&v->header_hash, digest);
}

/* more From fields than h= covers: which one a reader sees is anybody's guess (RFC 6376 8.15) */
static bool
has_unsigned_from(const lw_dkim_verifier *v, lw_span names)
{
    size_t n = 0;
    lw_span name;

    while (lw_dkim_fws_token(&names, ':', &name))
        n += lw_span_eq_nocase(name, LW_LIT("From"));
    return lw_dkim_header_count(&v->header, LW_LIT("From")) > n;
}

/* what is right by its mathematics and still not to be relied on */
static lw_code
judge_good(const lw_dkim_verifier *v, const signature *s, int64_t now_s,
           lw_dkim_result *out)
{
    const lw_dkim_signature *pub = &s->parsed.pub;

    if (now_s >= 0 && pub->expires_s >= 0 && now_s > pub->expires_s)
        return judge(out, LW_DKIM_POLICY, "the signature has expired (x=)");
    /* clocks differ: a few minutes ahead are none of the signer's doing */
    if (now_s >= 0 && pub->time_s > now_s + 300)
        return judge(out, LW_DKIM_POLICY, "the signature is from the future (t=)");
    if (v->bodies[s->body]->total > pub->body_limit)
        return judge(out, LW_DKIM_POLICY, "l= leaves the end of the body unsigned");
    if (has_unsigned_from(v, pub->headers))
        return judge(out, LW_DKIM_POLICY, "there is a From that is not signed");
    return judge(out, LW_DKIM_PASS, "");
}

static lw_code
judge_with_key(lw_dkim_verifier *v, const signature *s, const lw_dkim_keyrecord *key,
               int64_t now_s, lw_dkim_result *out)
{
    const lw_dkim_parsed *p = &s->parsed;
    const body_hash *b = v->bodies[s->body];
    unsigned char digest[LW_DKIM_DIGEST];
    int good;

    /* [RFC6376 3.6.1] 'the "i=" domain MUST NOT be a subdomain of "d="' */
    if (key->is_strict && !lw_span_eq_nocase(p->identity_domain, p->pub.domain))
        return judge(out, LW_DKIM_PERMERROR, "the key allows no subdomain in i= (t=s)");
    /* [RFC6376 3.5] l= "MUST NOT be larger than the actual number of octets" */
    if (p->pub.body_limit != UINT64_MAX && b->total < p->pub.body_limit)
        return judge(out, LW_DKIM_FAIL, "the body is shorter than l= says");
    if (memcmp(b->digest, p->body_hash, LW_DKIM_DIGEST) != 0)
        return judge(out, LW_DKIM_FAIL, "the body is not the one that was signed");
    if (hash_header(v, s, digest) < 0 ||
        (good = lw_dkim_verify_digest(key->key, p->pub.algorithm, digest, p->sig,
                                      p->sig_len)) < 0)
        return LW_ENOMEM;
    if (!good)
        return judge(out, LW_DKIM_FAIL,
                     "the header is not the one that was signed, or the key another");
    return judge_good(v, s, now_s, out);
}

lw_code
lw_dkim_verifier_check(lw_dkim_verifier *v, size_t i, lw_dkim_answer answer,
                       lw_span record, int64_t now_s, lw_dkim_result *out)
{
    const signature *s;
    lw_dkim_keyrecord key;
    const char *problem;
    lw_code rc;

    if (out == NULL)
        return LW_EUSAGE;
    memset(out, 0, sizeof *out);
    if (v == NULL || (record.ptr == NULL && record.len > 0) || !v->has_ended || i >= v->n)
        return LW_EUSAGE;
    s = &v->signatures[i];
    if (!s->parsed.pub.is_valid)
        return judge(out, s->parsed.status, s->parsed.problem);
    if (answer == LW_DKIM_NO_ANSWER)
        return judge(out, LW_DKIM_TEMPERROR, "the key record could not be asked for");
    if (answer == LW_DKIM_NO_RECORD)
        return judge(out, LW_DKIM_PERMERROR, "there is no key record");
    problem = lw_dkim_record_parse(&key, s->parsed.pub.algorithm, record);
    out->is_testing = key.is_testing;
    out->key_bits = key.bits;
    rc = problem != NULL ? judge(out, LW_DKIM_PERMERROR, problem)
                         : judge_with_key(v, s, &key, now_s, out);
    lw_dkim_record_deinit(&key);
    return rc;
}
