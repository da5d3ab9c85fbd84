/* SPDX-License-Identifier: MIT */
/* dkim/dkim_int.h - inside dkim: canonical octets into hashes, fields, tags, keys */
#ifndef LW_DKIM_DKIM_INT_H
#define LW_DKIM_DKIM_INT_H

#include <letterwing/dkim.h>

#include "base/base.h"
#include "dkim/openssl_late.h"

/** lw_dkim_fail - set *err (may be NULL) to code and "dkim: " with a sentence; returns code */
lw_code lw_dkim_fail(lw_error *err, lw_code code, const char *fmt, ...) LW_PRINTF(3, 4);
lw_code lw_dkim_no_memory(lw_error *err);

/** lw_dkim_openssl_load - have OpenSSL's functions (openssl.c).  LW_ECONFIG: it is not there,
 *  LW_ENOMEM: no file descriptor is free at present; then none of them may be called */
LW_MUST_USE lw_code lw_dkim_openssl_load(lw_error *err);

/* ---- hash.c: octets into SHA-256, through a buffer so that short runs cost little  */

#define LW_DKIM_DIGEST 32

typedef struct lw_dkim_hash {
    EVP_MD *md; /* fetched once: OpenSSL 3 looks names up under a lock */
    EVP_MD_CTX *ctx;
    uint64_t n, limit; /* octets given; those past limit do not count (l=) */
    size_t held;
    bool failed;
    char buf[4096];
} lw_dkim_hash;

/** lw_dkim_hash_init - false when out of memory; deinit is right in either case */
bool lw_dkim_hash_init(lw_dkim_hash *h);
void lw_dkim_hash_deinit(lw_dkim_hash *h);
void lw_dkim_hash_begin(lw_dkim_hash *h, uint64_t limit);
void lw_dkim_hash_add(lw_dkim_hash *h, const char *p, size_t n);
LW_MUST_USE lw_code lw_dkim_hash_end(lw_dkim_hash *h,
                                     unsigned char digest[LW_DKIM_DIGEST]);

/** A checksum that does not depend on how octets are split; against accidents, not forgers. */
#define LW_DKIM_LANES 4

typedef struct lw_dkim_sum {
    uint64_t n, lanes[LW_DKIM_LANES];
    char tail[8]; /* n % 8 octets that are no word yet */
} lw_dkim_sum;

void lw_dkim_sum_add(lw_dkim_sum *s, lw_span octets);
bool lw_dkim_sum_eq(const lw_dkim_sum *a, const lw_dkim_sum *b);

/* ---- canon.c: RFC 6376 3.4 ------------------------------------------------------- */

/** A body on its way into a hash; zero but for canon and out is the beginning. */
typedef struct lw_dkim_body {
    lw_dkim_canon canon;
    lw_dkim_hash *out;
    uint64_t n_crlf; /* line ends seen since the last octet that was given on */
    bool after_cr, after_wsp, has_content;
} lw_dkim_body;

void lw_dkim_body_feed(lw_dkim_body *b, lw_span octets);
void lw_dkim_body_end(lw_dkim_body *b);

/** lw_dkim_canon_field - one header field ("Name: value", folded or not, without its last CRLF);
 *  the CRLF is not given on either */
void lw_dkim_canon_field(lw_dkim_canon canon, lw_span field, lw_dkim_hash *out);

/* ---- fields.c: a message's header, split from its body, as fields ---------------- */

typedef struct lw_dkim_field {
    lw_span whole; /* without the last CRLF                                */
    size_t name_len; /* 0 = no header field                                 */
    uint32_t key; /* of the name in lower case; equal names, equal keys   */
    uint32_t mark; /* of the selection that has used it                    */
} lw_dkim_field;

typedef struct lw_dkim_header {
    lw_buf octets; /* up to and without the empty line */
    lw_dkim_field *fields;
    size_t n, cap, scanned;
    uint32_t selection;
    bool is_complete, after_cr;
} lw_dkim_header;

void lw_dkim_header_init(lw_dkim_header *h, const lw_alloc *alloc);
void lw_dkim_header_deinit(lw_dkim_header *h);
/** lw_dkim_header_reset - empty again, memory kept */
void lw_dkim_header_reset(lw_dkim_header *h);
/** lw_dkim_header_feed - takes the header from *octets and leaves the body in it */
LW_MUST_USE lw_code lw_dkim_header_feed(lw_dkim_header *h, lw_span *octets,
                                        lw_error *err);
/** lw_dkim_header_end - the header is complete: split it into fields */
LW_MUST_USE lw_code lw_dkim_header_end(lw_dkim_header *h, lw_error *err);
uint32_t lw_dkim_name_key(lw_span name);
lw_span lw_dkim_field_name(const lw_dkim_field *f);
/** lw_dkim_header_count - how many fields have this name */
size_t lw_dkim_header_count(const lw_dkim_header *h, lw_span name);
/** lw_dkim_header_select - begin a selection: lw_dkim_header_last starts at the bottom again */
void lw_dkim_header_select(lw_dkim_header *h);
/** lw_dkim_header_last - the last field of this name that the selection has not had; NULL = none */
const lw_dkim_field *lw_dkim_header_last(lw_dkim_header *h, lw_span name);

/* ---- names.c: which fields are signed -------------------------------------------- */

#define LW_DKIM_NAMES_MAX 1000 /* in h=; each is looked up among all fields */

/** lw_dkim_names_choose - the names of h= for this header, separated by colons; out is reset */
void lw_dkim_names_choose(const lw_dkim_header *h, const char *const *extra,
                          size_t n_extra, lw_buf *out);
/** lw_dkim_is_field_name - RFC 5322 ftext, and no semicolon (it would end the tag) */
bool lw_dkim_is_field_name(lw_span s);

/* ---- key.c ----------------------------------------------------------------------- */

#define LW_DKIM_RSA_MIN                                                                \
    1024 /* [RFC8301 3.2] "Signers MUST use RSA keys of at least 1024 bits" */
#define LW_DKIM_RSA_WISE 2048
#define LW_DKIM_RSA_SAFE 4096
#define LW_DKIM_RSA_MAX 8192 /* beyond it only costs the verifier time */
#define LW_DKIM_SIG_MAX (LW_DKIM_RSA_MAX / 8)
#define LW_DKIM_DER_MAX (LW_DKIM_SIG_MAX + 64) /* of a public key */

LW_MUST_USE lw_code lw_dkim_key_sign(lw_dkim_key *key,
                                     const unsigned char digest[LW_DKIM_DIGEST],
                                     unsigned char sig[LW_DKIM_SIG_MAX], size_t *len,
                                     lw_error *err);
/** lw_dkim_verify_digest - 1 good, 0 not, negative: out of memory */
int lw_dkim_verify_digest(EVP_PKEY *key, lw_dkim_algorithm algorithm,
                          const unsigned char digest[LW_DKIM_DIGEST],
                          const unsigned char *sig, size_t len);
/** lw_dkim_public_key - the key in a record's p= (decoded); NULL = malformed */
EVP_PKEY *lw_dkim_public_key(lw_dkim_algorithm algorithm, lw_span der);

/* ---- sign.c ---------------------------------------------------------------------- */

const lw_alloc *lw_dkim_signer_alloc(const lw_dkim_signer *s);

/* ---- tags.c: RFC 6376 3.2 -------------------------------------------------------- */

#define LW_DKIM_TAGS_MAX 64

typedef struct lw_dkim_tag {
    lw_span name, value; /* value without FWS at both ends                     */
    lw_span raw; /* value with it: what is between "=" and ";"         */
} lw_dkim_tag;

typedef struct lw_dkim_tags {
    lw_dkim_tag items[LW_DKIM_TAGS_MAX];
    size_t n;
} lw_dkim_tags;

/** lw_dkim_tags_parse - NULL, or what is wrong (static text); spans borrow from list */
const char *lw_dkim_tags_parse(lw_dkim_tags *t, lw_span list);
/** lw_dkim_tags_find - NULL = absent */
const lw_dkim_tag *lw_dkim_tags_find(const lw_dkim_tags *t, const char *name);
/** lw_dkim_fws_token - the next element up to sep without FWS around it; false at the end */
bool lw_dkim_fws_token(lw_span *rest, char sep, lw_span *token);
/** lw_dkim_has_item - a list separated by colons holds this word (or the other) */
bool lw_dkim_has_item(lw_span list, const char *word, const char *other);
/** lw_dkim_base64 - FWS left out, then strict; at most cap octets.  False if malformed or longer. */
bool lw_dkim_base64(lw_span s, unsigned char *dst, size_t cap, size_t *n);
/** lw_dkim_is_domain, lw_dkim_is_selector - RFC 6376 3.5, 3.1; may hold U-labels (RFC 8616 5) */
bool lw_dkim_is_domain(lw_span s);
bool lw_dkim_is_selector(lw_span s);
/** lw_dkim_is_in_domain - s is domain or below it */
bool lw_dkim_is_in_domain(lw_span s, lw_span domain);

/* ---- signature.c, record.c: what tags mean --------------------------------------- */

/** A DKIM-Signature, understood. */
typedef struct lw_dkim_parsed {
    lw_dkim_signature pub;
    lw_dkim_status status; /* when not valid */
    const char *problem; /* static text; NULL = valid */
    lw_span b_raw; /* the value of b= with all whitespace: what is not hashed */
    lw_span identity_domain;
    size_t sig_len;
    unsigned char body_hash[LW_DKIM_DIGEST];
    unsigned char sig[LW_DKIM_SIG_MAX];
} lw_dkim_parsed;

/** lw_dkim_signature_parse - value: all behind the colon of the field */
void lw_dkim_signature_parse(lw_dkim_parsed *p, lw_span value);

/** A key record, understood. */
typedef struct lw_dkim_keyrecord {
    EVP_PKEY *key;
    unsigned bits;
    bool is_testing, is_strict; /* t=y, t=s */
} lw_dkim_keyrecord;

/** lw_dkim_record_parse - for a signature of this algorithm; NULL, or what is wrong (PERMERROR) */
const char *lw_dkim_record_parse(lw_dkim_keyrecord *k, lw_dkim_algorithm algorithm,
                                 lw_span record);
void lw_dkim_record_deinit(lw_dkim_keyrecord *k);

#endif
