/* SPDX-License-Identifier: MIT */
/*
 * dkim/sign.c - the signer: one pass over a message, one DKIM-Signature a configured key
 *
 * The body is hashed once for each canonical form in use, whatever the number of signatures.  A new
 * field ends with "b=", is hashed so, and then gets its value: what is signed is what is sent.
 */
#include "dkim/dkim_int.h"

/* [RFC5322 2.1.1] "SHOULD be no more than 78 characters, excluding the CRLF" */
#define LINE_WIDTH 78
#define IDENTITY_MAX 320 /* RFC 5321 4.5.3.1: 64 octets, an at-sign, 255 octets */

typedef struct config {
    char *domain, *selector, *identity; /* identity: encoded as it will stand in i= */
    lw_dkim_key *key;
    lw_dkim_canon header_canon, body_canon;
    uint64_t lifetime_s;
    char **headers;
    size_t n_headers;
} config;

struct lw_dkim_signer {
    lw_alloc alloc;
    config configs[LW_DKIM_SIGNATURES_MAX];
    size_t n;
    lw_dkim_header header;
    lw_dkim_hash hashes[2]; /* of the body, by its canonical form */
    lw_dkim_hash header_hash;
    lw_dkim_body bodies[2];
    bool is_used[2], is_begun, has_body_cr;
    int64_t time_s;
    lw_buf names, fields;
};

lw_dkim_signer *
lw_dkim_signer_new(const lw_alloc *alloc)
{
    lw_dkim_signer *s = lw_zalloc(alloc, sizeof *s);
    bool ok;

    if (s == NULL)
        return NULL;
    s->alloc = *lw_alloc_or_default(alloc);
    lw_dkim_header_init(&s->header, &s->alloc);
    lw_buf_init(&s->names, &s->alloc, LW_DKIM_HEADER_MAX);
    lw_buf_init(&s->fields, &s->alloc, LW_DKIM_HEADER_MAX);
    ok = lw_dkim_hash_init(&s->hashes[0]);
    ok = lw_dkim_hash_init(&s->hashes[1]) && ok;
    ok = lw_dkim_hash_init(&s->header_hash) && ok;
    if (ok)
        return s;
    lw_dkim_signer_free(s);
    return NULL;
}

static void
config_deinit(lw_dkim_signer *s, config *c)
{
    for (size_t i = 0; c->headers != NULL && i < c->n_headers; i++)
        lw_release(&s->alloc, c->headers[i]);
    lw_release(&s->alloc, c->headers);
    lw_release(&s->alloc, c->domain);
    lw_release(&s->alloc, c->selector);
    lw_release(&s->alloc, c->identity);
    memset(c, 0, sizeof *c);
}

void
lw_dkim_signer_free(lw_dkim_signer *s)
{
    if (s == NULL)
        return;
    lw_alloc alloc = s->alloc;
    for (size_t i = 0; i < s->n; i++)
        config_deinit(s, &s->configs[i]);
    for (size_t i = 0; i < LW_COUNT(s->hashes); i++)
        lw_dkim_hash_deinit(&s->hashes[i]);
    lw_dkim_hash_deinit(&s->header_hash);
    lw_dkim_header_deinit(&s->header);
    lw_buf_deinit(&s->names);
    lw_buf_deinit(&s->fields);
    lw_release(&alloc, s);
}

/* ---- what a signature is made of ------------------------------------------------- */

/* [RFC6376 2.11] "All control characters (those with values < %x20), 8-bit characters (values >
 * %x7F), and the characters DEL (%x7F), SPACE (%x20), and semicolon (";", %x3B) MUST be encoded." */
static char *
encode_identity(const lw_alloc *alloc, lw_span s)
{
    lw_buf b;

    lw_buf_init(&b, alloc, 3 * IDENTITY_MAX);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == ';' || c == '=')
            lw_buf_add_fmt(&b, "=%02X", c);
        else
            lw_buf_add_char(&b, (char)c);
    }
    return lw_buf_take(&b);
}

static lw_code
check_identity(lw_span identity, lw_span domain, lw_error *err)
{
    size_t at = identity.len;

    while (at > 0 && identity.ptr[at - 1] != '@')
        at--;
    lw_span right = { identity.ptr + at, identity.len - at };
    if (at == 0 || identity.len > IDENTITY_MAX || lw_span_has_ctl(identity) ||
        !lw_dkim_is_domain(right) || !lw_span_is_ascii(right))
        return lw_dkim_fail(err, LW_EUSAGE,
                            "identity \"%.*s\" is neither @domain nor an address",
                            (int)(identity.len < 200 ? identity.len : 200),
                            identity.ptr);
    /* [RFC6376 3.5] "The domain part of the address MUST be the same as, or a subdomain of, the value
     * of the "d=" tag." */
    if (!lw_dkim_is_in_domain(right, domain))
        return lw_dkim_fail(err, LW_EUSAGE,
                            "identity \"%.*s\" is not in the domain \"%.*s\"",
                            (int)identity.len, identity.ptr, (int)domain.len,
                            domain.ptr);
    return LW_OK;
}

static lw_code
check_headers(const lw_dkim_opts *o, lw_error *err)
{
    if (o->headers == NULL && o->n_headers > 0)
        return lw_dkim_fail(err, LW_EUSAGE, "a pointer is NULL");
    for (size_t i = 0; i < o->n_headers; i++) {
        lw_span name = lw_span_str(o->headers[i]);

        if (!lw_dkim_is_field_name(name) || name.len > 76)
            return lw_dkim_fail(err, LW_EUSAGE,
                                "\"%.100s\" cannot be signed: it is no header name "
                                "of at most 76 characters",
                                name.len == 0 ? "" : name.ptr);
        if (lw_span_eq_nocase(name, LW_LIT("DKIM-Signature")))
            return lw_dkim_fail(err, LW_EUSAGE,
                                "DKIM-Signature cannot be signed: it is what is made");
    }
    return LW_OK;
}

static lw_code
check_opts(const lw_dkim_opts *o, lw_error *err)
{
    lw_span domain = lw_span_str(o->domain), selector = lw_span_str(o->selector);
    lw_code rc;

    /* [RFC6376 3.5] "Internationalized domain names MUST be encoded as A-labels"; they stay valid
     * under RFC 8616 */
    if (!lw_dkim_is_domain(domain) || !lw_span_is_ascii(domain))
        return lw_dkim_fail(err, LW_EUSAGE,
                            "\"%.200s\" is no domain such as example.com%s",
                            o->domain == NULL ? "" : o->domain,
                            lw_span_is_ascii(domain)
                                ? ""
                                : ": write it as A-labels (xn--...)");
    if (!lw_dkim_is_selector(selector) || !lw_span_is_ascii(selector))
        return lw_dkim_fail(err, LW_EUSAGE,
                            "\"%.200s\" is no selector: letters, digits, -, _ and dots",
                            o->selector == NULL ? "" : o->selector);
    if (o->key == NULL)
        return lw_dkim_fail(err, LW_EUSAGE, "no key was given to sign for %.200s",
                            o->domain);
    if (!lw_dkim_key_can_sign(o->key))
        return lw_dkim_fail(err, LW_EUSAGE,
                            "the key of %.200s cannot sign: it is a public one, the "
                            "private one is needed",
                            o->domain);
    if ((rc = check_headers(o, err)) < 0)
        return rc;
    return o->identity == NULL ? LW_OK
                               : check_identity(lw_span_str(o->identity), domain, err);
}

static bool
copy_opts(lw_dkim_signer *s, config *c, const lw_dkim_opts *o)
{
    bool ok;

    c->domain = lw_strdup(&s->alloc, o->domain);
    c->selector = lw_strdup(&s->alloc, o->selector);
    ok = c->domain != NULL && c->selector != NULL;
    if (o->identity != NULL) {
        c->identity = encode_identity(&s->alloc, lw_span_str(o->identity));
        ok = ok && c->identity != NULL;
    }
    if (o->n_headers > 0) {
        c->headers = lw_zalloc_array(&s->alloc, o->n_headers, sizeof *c->headers);
        ok = ok && c->headers != NULL;
    }
    for (; ok && c->n_headers < o->n_headers; c->n_headers++) {
        char *copy = lw_strdup(&s->alloc, o->headers[c->n_headers]);

        c->headers[c->n_headers] = copy;
        ok = copy != NULL;
    }
    return ok;
}

lw_code
lw_dkim_signer_add(lw_dkim_signer *s, const lw_dkim_opts *given, lw_error *err)
{
    lw_dkim_opts copy, *o = &copy;
    config *c;
    lw_code rc;

    if (s == NULL || lw_opts_copy(o, sizeof *o, given) < 0)
        return lw_dkim_fail(err, LW_EUSAGE,
                            "no signer, or options that lw_dkim_opts_init() did "
                            "not set");
    c = &s->configs[s->n];
    if (s->n == LW_DKIM_SIGNATURES_MAX)
        return lw_dkim_fail(err, LW_ELIMIT, "at most %d signatures for a message",
                            LW_DKIM_SIGNATURES_MAX);
    if ((rc = check_opts(o, err)) < 0)
        return rc;
    *c = (config){ .key = o->key,
                   .header_canon = o->header_canon,
                   .body_canon = o->body_canon,
                   .lifetime_s = o->lifetime_s };
    if (!copy_opts(s, c, o)) {
        config_deinit(s, c);
        return lw_dkim_no_memory(err);
    }
    s->n++;
    s->is_begun = false;
    return LW_OK;
}

/* ---- a message by octets --------------------------------------------------------- */

lw_code
lw_dkim_sign_begin(lw_dkim_signer *s, int64_t unix_s, lw_error *err)
{
    if (s == NULL || s->n == 0)
        return lw_dkim_fail(err, LW_EUSAGE, "the signer has no key yet: add one first");
    if (unix_s < 0 || unix_s > INT64_C(999999999999))
        return lw_dkim_fail(err, LW_EUSAGE,
                            "the time %lld is not within 0 to 999999999999 seconds "
                            "since 1970",
                            (long long)unix_s);
    lw_dkim_header_reset(&s->header);
    s->time_s = unix_s;
    s->is_begun = true;
    s->has_body_cr = false;
    for (size_t i = 0; i < LW_COUNT(s->bodies); i++) {
        s->is_used[i] = false;
        s->bodies[i] =
            (lw_dkim_body){ .canon = (lw_dkim_canon)i, .out = &s->hashes[i] };
        lw_dkim_hash_begin(&s->hashes[i], UINT64_MAX);
    }
    for (size_t i = 0; i < s->n; i++)
        s->is_used[s->configs[i].body_canon] = true;
    return LW_OK;
}

static lw_code
bare(const char *what, lw_error *err)
{
    return lw_dkim_fail(
        err, LW_EMESSAGE,
        "the body has a bare %s: bring line ends to CRLF before signing", what);
}

/* [RFC6376 5.3] "bare CR or LF characters (used by some systems as a local line separator
 * convention) MUST be converted to the SMTP-standard CRLF sequence before the message is signed." */
static lw_code
check_line_ends(lw_dkim_signer *s, lw_span body, lw_error *err)
{
    while (body.len > 0) {
        size_t lf = lw_span_find(body, '\n'),
               cr = lw_span_find((lw_span){ body.ptr, lf }, '\r');
        bool has_lf = lf < body.len, ends_in_cr = cr < lf && cr == lf - 1;

        if (s->has_body_cr && lf > 0)
            return bare("CR", err);
        if (cr < lf && !ends_in_cr)
            return bare("CR", err);
        if (has_lf && !ends_in_cr && !(s->has_body_cr && lf == 0))
            return bare("LF", err);
        s->has_body_cr = !has_lf && ends_in_cr;
        lf += has_lf;
        body = (lw_span){ body.ptr + lf, body.len - lf };
    }
    return LW_OK;
}

lw_code
lw_dkim_sign_feed(lw_dkim_signer *s, lw_span octets, lw_error *err)
{
    lw_code rc;

    if (s == NULL || (octets.ptr == NULL && octets.len > 0))
        return lw_dkim_fail(err, LW_EUSAGE, "a pointer is NULL");
    if (!s->is_begun)
        return lw_dkim_fail(err, LW_EUSAGE,
                            "no message was begun, or it has failed: begin one first");
    if ((rc = lw_dkim_header_feed(&s->header, &octets, err)) < 0 ||
        (rc = check_line_ends(s, octets, err)) < 0) {
        s->is_begun = false;
        return rc;
    }
    for (size_t i = 0; i < LW_COUNT(s->bodies); i++)
        if (s->is_used[i])
            lw_dkim_body_feed(&s->bodies[i], octets);
    return LW_OK;
}

/* ---- the field ------------------------------------------------------------------- */

/* adds text of a field that may be folded before it; *column is the line's length so far */
static void
add_folded(lw_buf *out, size_t *column, lw_span text)
{
    if (*column + 1 + text.len > LINE_WIDTH) {
        lw_buf_add(out, LW_LIT("\r\n "));
        *column = 1;
    } else {
        lw_buf_add_char(out, ' ');
        *column += 1;
    }
    lw_buf_add(out, text);
    *column += text.len;
}

static void
add_tag(lw_buf *out, size_t *column, const char *name, const char *value)
{
    char tag[IDENTITY_MAX * 3 + 8];
    int n = snprintf(tag, sizeof tag, "%s=%s;", name, value);

    lw_assert(n > 0 && (size_t)n < sizeof tag);
    add_folded(out, column, (lw_span){ tag, (size_t)n });
}

/* h= may be folded behind any colon */
static void
add_names(lw_buf *out, size_t *column, lw_span names)
{
    lw_span name;

    lw_buf_add(out, LW_LIT("\r\n h="));
    *column = 3;
    while (lw_span_token(&names, ':', &name)) {
        if (*column + name.len + 1 > LINE_WIDTH) {
            lw_buf_add(out, LW_LIT("\r\n  "));
            *column = 2;
        }
        lw_buf_add(out, name);
        lw_buf_add_char(out, names.ptr == NULL ? ';' : ':');
        *column += name.len + 1;
    }
}

static void
add_base64(lw_buf *out, const unsigned char *p, size_t n, size_t column)
{
    char text[LW_BASE64_LEN(LW_DKIM_SIG_MAX)];
    size_t len = lw_base64_encode(text, p, n), at = 0;

    while (at < len) {
        size_t run = len - at < LINE_WIDTH - column ? len - at : LINE_WIDTH - column;
        lw_buf_add(out, (lw_span){ text + at, run });
        at += run;
        column = 2;
        if (at < len)
            lw_buf_add(out, LW_LIT("\r\n  "));
    }
}

static void
add_times(lw_buf *out, size_t *column, const lw_dkim_signer *s, const config *c)
{
    char text[32];

    snprintf(text, sizeof text, "%llu", (unsigned long long)s->time_s);
    add_tag(out, column, "t", text);
    if (c->lifetime_s == 0)
        return;
    uint64_t x =
        (uint64_t)s->time_s + c->lifetime_s; /* at most 12 digits: RFC 6376 3.5 */
    snprintf(text, sizeof text, "%llu",
             x > UINT64_C(999999999999) || x < c->lifetime_s ? 999999999999ULL
                                                             : (unsigned long long)x);
    add_tag(out, column, "x", text);
}

/* everything up to and with "b=" */
static void
add_field(lw_dkim_signer *s, const config *c,
          const unsigned char body_hash[LW_DKIM_DIGEST])
{
    static const char *const canons[] = { "relaxed", "simple" };
    lw_buf *out = &s->fields;
    size_t column = 15;
    char text[32];

    lw_buf_add(out, LW_LIT("DKIM-Signature:"));
    add_tag(out, &column, "v", "1");
    add_tag(out, &column, "a", lw_dkim_algorithm_name(lw_dkim_key_algorithm(c->key)));
    snprintf(text, sizeof text, "%s/%s", canons[c->header_canon],
             canons[c->body_canon]);
    add_tag(out, &column, "c", text);
    add_tag(out, &column, "d", c->domain);
    add_tag(out, &column, "s", c->selector);
    add_times(out, &column, s, c);
    if (c->identity != NULL)
        add_tag(out, &column, "i", c->identity);
    add_names(out, &column, lw_buf_span(&s->names));
    lw_buf_add(out, LW_LIT("\r\n bh="));
    add_base64(out, body_hash, LW_DKIM_DIGEST, 4);
    lw_buf_add(out, LW_LIT(";\r\n b="));
}

/* [RFC6376 3.7] step 2: the fields of h= in that order, then this one "without a trailing CRLF" */
static lw_code
hash_header(lw_dkim_signer *s, const config *c, lw_span own,
            unsigned char digest[LW_DKIM_DIGEST])
{
    lw_span names = lw_buf_span(&s->names), name;

    lw_dkim_hash_begin(&s->header_hash, UINT64_MAX);
    lw_dkim_header_select(&s->header);
    while (lw_span_token(&names, ':', &name)) {
        const lw_dkim_field *f = lw_dkim_header_last(&s->header, name);
        if (f == NULL)
            continue; /* "nonexistent header fields do not contribute", RFC 6376 3.5 */
        lw_dkim_canon_field(c->header_canon, f->whole, &s->header_hash);
        lw_dkim_hash_add(&s->header_hash, "\r\n", 2);
    }
    lw_dkim_canon_field(c->header_canon, own, &s->header_hash);
    return lw_dkim_hash_end(&s->header_hash, digest);
}

static lw_code
sign_one(lw_dkim_signer *s, const config *c,
         const unsigned char body_hash[LW_DKIM_DIGEST], lw_error *err)
{
    unsigned char digest[LW_DKIM_DIGEST], sig[LW_DKIM_SIG_MAX];
    size_t start = s->fields.len, len, n_names = 1;
    lw_code rc;

    lw_dkim_names_choose(&s->header, (const char *const *)c->headers, c->n_headers,
                         &s->names);
    for (size_t i = 0; i < s->names.len; i++)
        n_names += s->names.ptr[i] == ':';
    if (n_names > LW_DKIM_NAMES_MAX)
        return lw_dkim_fail(err, LW_ELIMIT, "more than %d header fields to sign",
                            LW_DKIM_NAMES_MAX);
    add_field(s, c, body_hash);
    if ((rc = lw_buf_finish(&s->names)) < 0 || (rc = lw_buf_finish(&s->fields)) < 0 ||
        (rc = hash_header(s, c,
                          (lw_span){ s->fields.ptr + start, s->fields.len - start },
                          digest)) < 0)
        return lw_dkim_fail(err, rc, "%s", lw_code_text(rc));
    if ((rc = lw_dkim_key_sign(c->key, digest, sig, &len, err)) < 0)
        return rc;
    add_base64(&s->fields, sig, len, 3);
    lw_buf_add(&s->fields, LW_LIT("\r\n"));
    if ((rc = lw_buf_finish(&s->fields)) < 0)
        return lw_dkim_fail(err, rc, "%s", lw_code_text(rc));
    return LW_OK;
}

/* what cannot be signed, or would be changed on the way: a line that is no field */
static lw_code
check_header(const lw_dkim_header *h, lw_error *err)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->fields[i].name_len == 0)
            return lw_dkim_fail(
                err, LW_EMESSAGE,
                "field %zu of the header is no header "
                "field: \"%.*s\"",
                i + 1, (int)(h->fields[i].whole.len < 60 ? h->fields[i].whole.len : 60),
                h->fields[i].whole.ptr);
    /* [RFC6376 5.4] "The From header field MUST be signed" */
    if (lw_dkim_header_count(h, LW_LIT("From")) == 0)
        return lw_dkim_fail(err, LW_EMESSAGE,
                            "the message has no From, which every signature must "
                            "cover");
    return LW_OK;
}

static lw_code
finish_bodies(lw_dkim_signer *s, unsigned char digests[2][LW_DKIM_DIGEST],
              lw_error *err)
{
    if (s->has_body_cr)
        return bare("CR", err);
    for (size_t i = 0; i < LW_COUNT(s->bodies); i++) {
        if (!s->is_used[i])
            continue;
        lw_dkim_body_end(&s->bodies[i]);
        if (lw_dkim_hash_end(&s->hashes[i], digests[i]) < 0)
            return lw_dkim_no_memory(err);
    }
    return LW_OK;
}

lw_code
lw_dkim_sign_finish(lw_dkim_signer *s, lw_span *fields, lw_error *err)
{
    unsigned char digests[2][LW_DKIM_DIGEST];
    lw_code rc;

    if (s == NULL || fields == NULL)
        return lw_dkim_fail(err, LW_EUSAGE, "a pointer is NULL");
    *fields = LW_NO_SPAN;
    if (!s->is_begun)
        return lw_dkim_fail(err, LW_EUSAGE,
                            "no message was begun, or it has failed: begin one first");
    s->is_begun = false;
    lw_buf_reset(&s->fields);
    if ((rc = finish_bodies(s, digests, err)) < 0 ||
        (rc = lw_dkim_header_end(&s->header, err)) < 0 ||
        (rc = check_header(&s->header, err)) < 0)
        return rc;
    for (size_t i = 0; i < s->n; i++)
        if ((rc = sign_one(s, &s->configs[i], digests[s->configs[i].body_canon], err)) <
            0)
            return rc;
    *fields = lw_buf_span(&s->fields);
    return LW_OK;
}

const lw_alloc *
lw_dkim_signer_alloc(const lw_dkim_signer *s)
{
    return &s->alloc;
}
