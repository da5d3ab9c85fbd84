/* SPDX-License-Identifier: MIT */
/*
 * letterwing/dkim.h - sign messages (DKIM), and check signatures
 *
 * A key is parsed once, a signer made once; both serve any number of messages.  A message is
 * hashed as it streams by: its header is kept (bounded), its body is not.  So a body of any size
 * is signed in two passes over its source, not over a copy: one pass to hash, one to send.
 *
 *     lw_dkim_key_file(NULL, "/etc/letterwing/mail2026.pem", &key, &err);
 *     lw_dkim_opts_init(&o);
 *     o.domain = "example.com", o.selector = "mail2026", o.key = key;
 *     signer = lw_dkim_signer_new(NULL);
 *     lw_dkim_signer_add(signer, &o, &err);          (once more for an Ed25519 key)
 *     lw_message_dkim(message, signer);              and lw_send() as ever; or, for any lw_body:
 *     lw_dkim_sign_body(signer, body, now_s, &signed_body, &err);
 *     ...lw_dkim_signed_body(signed_body) is what to send.
 *
 * The clock and DNS are the caller's.  Nothing is global; an
 * object is used in one thread at a time, a key by the signers of one thread.  OpenSSL takes its
 * own memory; all else comes from the allocator of the object.
 *
 * Sources: RFC 6376, 8301 (SHA-256 only, key sizes), 8463 (Ed25519), 8616, 8601 (result words).
 */
#ifndef LETTERWING_DKIM_H
#define LETTERWING_DKIM_H

#include <letterwing/base.h>
#include <letterwing/message.h>
#include <letterwing/smtp.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- keys --------------------------------------------------------------------------------- */

typedef enum lw_dkim_algorithm { LW_DKIM_RSA, LW_DKIM_ED25519 } lw_dkim_algorithm;

/** lw_dkim_algorithm_name - "rsa-sha256" or "ed25519-sha256"; static text */
LW_API const char *lw_dkim_algorithm_name(lw_dkim_algorithm algorithm);

typedef struct lw_dkim_key lw_dkim_key;

/**
 * lw_dkim_key_parse - a key from the text of a PEM file
 *
 * @alloc  NULL = malloc; copied
 * @pem    PRIVATE KEY (PKCS#8), RSA PRIVATE KEY (PKCS#1) or PUBLIC KEY; text before it is
 *         skipped; borrowed for this call
 * @out    out: the key, NULL on failure; end it with lw_dkim_key_free()
 *
 * LW_OK; LW_ECONFIG: no key in it, encrypted, neither RSA nor Ed25519, or RSA of less than 1024
 * or more than 8192 bits (the sentence in err says which); LW_ENOMEM.
 * Never asks for a password.  Source: RFC 6376 3.3.3, RFC 8301 3.2, RFC 8463.
 */
LW_API LW_MUST_USE lw_code lw_dkim_key_parse(const lw_alloc *alloc, lw_span pem, lw_dkim_key **out,
                                             lw_error *err);

/** lw_dkim_key_file - the same from a file of at most 64 KiB; the one call here that reads one.
 *  LW_ECONFIG also when it cannot be read. */
LW_API LW_MUST_USE lw_code lw_dkim_key_file(const lw_alloc *alloc, const char *path,
                                            lw_dkim_key **out, lw_error *err);

/**
 * lw_dkim_key_generate - a new private key
 *
 * @algorithm  LW_DKIM_RSA or LW_DKIM_ED25519
 * @bits       RSA: 1024..8192, 0 = 2048; Ed25519: 0
 * LW_OK; LW_EUSAGE: bits out of range; LW_ENOMEM, also when OpenSSL has no randomness.
 */
LW_API LW_MUST_USE lw_code lw_dkim_key_generate(const lw_alloc *alloc, lw_dkim_algorithm algorithm,
                                                unsigned bits, lw_dkim_key **out, lw_error *err);

/**
 * A signing function of the caller: a key that lives elsewhere (a HSM, an agent).
 *
 * @digest  SHA-256 of the header, 32 octets.  RSA: sign it by RSASSA-PKCS1-v1_5 with SHA-256 (the
 *          DigestInfo is yours to add); Ed25519: these 32 octets are the message to sign.
 * @sig     where the signature goes, at most cap octets; *len: how many
 * Negative results end the signing with this result.
 */
typedef lw_code (*lw_dkim_sign_fn)(void *ctx, const unsigned char digest[32], unsigned char *sig,
                                   size_t cap, size_t *len);
/** lw_dkim_key_callback - a key that signs by calling sign; it has no PEM and no record.
 *  LW_OK, LW_EUSAGE (no function), LW_ENOMEM. */
LW_API LW_MUST_USE lw_code lw_dkim_key_callback(const lw_alloc *alloc, lw_dkim_algorithm algorithm,
                                                lw_dkim_sign_fn sign, void *ctx, lw_dkim_key **out);
LW_API void lw_dkim_key_free(lw_dkim_key *key);

LW_API lw_dkim_algorithm lw_dkim_key_algorithm(const lw_dkim_key *key);
/** lw_dkim_key_bits - size of the RSA modulus, 256 for Ed25519, 0 for a callback */
LW_API unsigned lw_dkim_key_bits(const lw_dkim_key *key);
/** lw_dkim_key_can_sign - false: only a public key */
LW_API bool lw_dkim_key_can_sign(const lw_dkim_key *key);
/** lw_dkim_key_advice - what is unwise about this key, one sentence; "" = nothing; static text.
 *  RFC 8301 3.2 asks for 2048 bits of RSA and lets verifiers refuse more than 4096. */
LW_API const char *lw_dkim_key_advice(const lw_dkim_key *key);
/** lw_dkim_key_pem - the private key as PKCS#8 PEM, NUL-terminated, from the key's allocator (with
 *  the default one: wipe it, then lw_free()).  LW_OK, LW_EUSAGE (no private key in it), LW_ENOMEM. */
LW_API LW_MUST_USE lw_code lw_dkim_key_pem(const lw_dkim_key *key, char **pem);
/** lw_dkim_key_record - the text of the TXT record, "v=DKIM1; k=rsa; p=...", NUL-terminated, from
 *  the key's allocator.  DNS holds it in strings of at most 255 octets each (RFC 6376 3.6.2.2).
 *  LW_OK, LW_EUSAGE (a callback), LW_ENOMEM. */
LW_API LW_MUST_USE lw_code lw_dkim_key_record(const lw_dkim_key *key, char **record);

/* ---- signing ------------------------------------------------------------------------------ */

typedef enum lw_dkim_canon { LW_DKIM_RELAXED, LW_DKIM_SIMPLE } lw_dkim_canon;

/** One signature that a signer shall make.  Set by lw_dkim_opts_init() first. */
typedef struct lw_dkim_opts {
    size_t size;
    const char *domain;         /* d=: "example.com"; IDN as A-label ("xn--...")             */
    const char *selector;       /* s=: the record is SELECTOR._domainkey.DOMAIN              */
    lw_dkim_key *key;           /* borrowed: must live as long as the signer                 */
    const char *identity;       /* i=: "@example.com", "ann@mail.example.com"; NULL = left out */
    lw_dkim_canon header_canon; /* c=; relaxed survives folding and spaces changed on the way */
    lw_dkim_canon body_canon;
    uint64_t lifetime_s;        /* x= is t= plus this; 0 = no x=                             */
    const char *const *headers; /* names to sign besides the usual ones, where they occur    */
    size_t n_headers;
} lw_dkim_opts;

static inline void lw_dkim_opts_init(lw_dkim_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
}

#define LW_DKIM_SIGNATURES_MAX 16                  /* of one signer; tried in one message     */
#define LW_DKIM_HEADER_MAX ((size_t)16 << 20)      /* octets of a header                      */
#define LW_DKIM_FIELDS_MAX 10000                   /* fields of a header                      */

/** lw_dkim_signer_new - a signer without signatures; NULL when out of memory, or OpenSSL
 *  cannot be loaded */
LW_API lw_dkim_signer *lw_dkim_signer_new(const lw_alloc *alloc);
LW_API void lw_dkim_signer_free(lw_dkim_signer *s);
/**
 * lw_dkim_signer_add - one more signature for every message; they share the hashing of the body
 *
 * @o  borrowed; its texts are copied, its key is not
 * LW_OK; LW_EUSAGE: domain, selector, identity or a header name is malformed, identity is not in
 * domain, or the key cannot sign; LW_ELIMIT: LW_DKIM_SIGNATURES_MAX are there; LW_ENOMEM.
 */
LW_API LW_MUST_USE lw_code lw_dkim_signer_add(lw_dkim_signer *s, const lw_dkim_opts *o,
                                              lw_error *err);

/*
 * A message by octets, as it will leave (after encoding, before dot-stuffing):
 * begin, feed in any split, finish.  The header fields that finish gives go before the first.
 */
/** lw_dkim_sign_begin - a new message; unix_s becomes t= (0..999,999,999,999).  LW_OK; LW_EUSAGE:
 *  the signer has no signatures, or the time is out of range; LW_ENOMEM. */
LW_API LW_MUST_USE lw_code lw_dkim_sign_begin(lw_dkim_signer *s, int64_t unix_s, lw_error *err);
/**
 * lw_dkim_sign_feed - octets of the message, borrowed for this call
 *
 * LW_OK; LW_EMESSAGE: a CR or LF that is not part of a CRLF (whoever sends it would have to change
 * it, and break the signature); LW_ELIMIT: LW_DKIM_HEADER_MAX was reached; LW_ENOMEM.
 * Constant memory for the body.
 */
LW_API LW_MUST_USE lw_code lw_dkim_sign_feed(lw_dkim_signer *s, lw_span octets, lw_error *err);
/**
 * lw_dkim_sign_finish - the DKIM-Signature fields, each ended by CRLF, in the order of _add
 *
 * @fields  out: owned by the signer until the next begin
 * LW_OK; LW_EMESSAGE: no From, or a line that is no header field; LW_ELIMIT: more than
 * LW_DKIM_FIELDS_MAX fields; what a signing function returned; LW_ENOMEM.
 * The fields h= covers: see lw_dkim_header_names() and opts.headers.  l= is never written.
 */
LW_API LW_MUST_USE lw_code lw_dkim_sign_finish(lw_dkim_signer *s, lw_span *fields, lw_error *err);

/**
 * lw_dkim_header_names - the header fields that are signed, NULL after the last
 *
 * @i           0..
 * @is_sealed   out: also signed as absent, so that nobody can add it later.  A field that is there
 *              is always listed once more than it occurs, against further ones.
 */
LW_API const char *lw_dkim_header_names(size_t i, bool *is_sealed);

/* ---- a body that is signed on its way out ----------------------------------------------------- */

typedef struct lw_dkim_signed lw_dkim_signed;
/**
 * lw_dkim_sign_body - pull a message once to hash it, and make a body that gives it with its
 * DKIM-Signature fields in front
 *
 * @s     used until this call returns; free for other messages afterwards
 * @body  must have rewind, and give the same octets again; borrowed until the result is freed
 * @unix_s  the time, for t=
 * @out   out: end it with lw_dkim_signed_free()
 *
 * LW_OK; LW_EUSAGE: body cannot rewind; what body's next returned; what lw_dkim_sign_feed and
 * _finish return.  Nothing of body is kept: sending pulls it a second time.  Should it then give
 * other octets than were signed (a file was written to), next fails with LW_ESOURCE before the
 * end, so that no message with a broken signature is ever complete.
 */
LW_API LW_MUST_USE lw_code lw_dkim_sign_body(lw_dkim_signer *s, lw_body *body, int64_t unix_s,
                                             lw_dkim_signed **out, lw_error *err);
/** lw_dkim_signed_body - header fields and message; size is exact; it can rewind */
LW_API lw_body *lw_dkim_signed_body(lw_dkim_signed *b);
/** lw_dkim_signed_fields - the DKIM-Signature fields alone; owned by b */
LW_API lw_span lw_dkim_signed_fields(const lw_dkim_signed *b);
/** lw_dkim_signed_error - why next failed with LW_ESOURCE; code LW_OK: it did not, or the source
 *  has the reason itself */
LW_API const lw_error *lw_dkim_signed_error(const lw_dkim_signed *b);
LW_API void lw_dkim_signed_free(lw_dkim_signed *b);

/* ---- verifying -------------------------------------------------------------------------------- */

/** The words of RFC 8601 2.7.1. */
#define LW_DKIM_STATUS_MAP(X)                                                              \
    X(PASS, "pass")           /* the signature is good                                  */ \
    X(FAIL, "fail")           /* body or header is not what was signed                  */ \
    X(POLICY, "policy")       /* good, but not to be relied on: expired, l=, extra From */ \
    X(NEUTRAL, "neutral")     /* the field is malformed or of an unknown kind           */ \
    X(TEMPERROR, "temperror") /* no record now: try later                               */ \
    X(PERMERROR, "permerror") /* no key, revoked, malformed or too weak                 */

typedef enum lw_dkim_status {
#define LW_DKIM_STATUS_ENUM(name, text) LW_DKIM_##name,
    LW_DKIM_STATUS_MAP(LW_DKIM_STATUS_ENUM)
#undef LW_DKIM_STATUS_ENUM
} lw_dkim_status;

/** lw_dkim_status_name - "pass" for LW_DKIM_PASS; static text */
LW_API const char *lw_dkim_status_name(lw_dkim_status status);

/** One DKIM-Signature of a message.  Spans are owned by the verifier until it begins again; they
 *  are foreign text: made of printable ASCII or UTF-8, without controls. */
typedef struct lw_dkim_signature {
    bool is_valid;       /* well-formed; false: the reason is in the result, the rest may be empty */
    lw_dkim_algorithm algorithm;
    lw_span domain;      /* d=                                                               */
    lw_span selector;    /* s=                                                               */
    lw_span identity;    /* i= as written, empty = absent                                    */
    lw_span headers;     /* h= as written                                                    */
    lw_dkim_canon header_canon, body_canon;
    int64_t time_s;      /* t=, -1 = absent                                                  */
    int64_t expires_s;   /* x=, -1 = absent                                                  */
    uint64_t body_limit; /* l=, UINT64_MAX = absent                                          */
} lw_dkim_signature;

/** What DNS said to SELECTOR._domainkey.DOMAIN. */
typedef enum lw_dkim_answer {
    LW_DKIM_RECORD,    /* this text: all strings of the TXT record put together             */
    LW_DKIM_NO_RECORD, /* there is none                                                     */
    LW_DKIM_NO_ANSWER  /* it could not be asked                                             */
} lw_dkim_answer;

typedef struct lw_dkim_result {
    lw_dkim_status status;
    bool is_testing;   /* the record says t=y: treat the message as if it were unsigned       */
    unsigned key_bits; /* 0 = no key                                                         */
    char reason[160];  /* one clause, NUL-terminated, printable; "" for a plain pass          */
} lw_dkim_result;

typedef struct lw_dkim_verifier lw_dkim_verifier;
/** lw_dkim_verifier_new - ready for a first message; NULL when out of memory, or OpenSSL
 *  cannot be loaded */
LW_API lw_dkim_verifier *lw_dkim_verifier_new(const lw_alloc *alloc);
LW_API void lw_dkim_verifier_free(lw_dkim_verifier *v);
/** lw_dkim_verifier_reset - ready for another message; memory is kept */
LW_API void lw_dkim_verifier_reset(lw_dkim_verifier *v);
/**
 * lw_dkim_verifier_feed - octets of the message in any split, with CRLF line ends
 *
 * LW_OK; LW_EMESSAGE: a bare CR or LF in the header; LW_ELIMIT: header too long, or too many
 * fields; LW_ENOMEM; LW_EUSAGE: after the end.  Constant memory for the body.
 */
LW_API LW_MUST_USE lw_code lw_dkim_verifier_feed(lw_dkim_verifier *v, lw_span octets, lw_error *err);
/** lw_dkim_verifier_end - the message is complete.  LW_OK, or as lw_dkim_verifier_feed. */
LW_API LW_MUST_USE lw_code lw_dkim_verifier_end(lw_dkim_verifier *v, lw_error *err);
/** lw_dkim_verifier_n - signatures found, at most LW_DKIM_SIGNATURES_MAX (from the top); after the
 *  header has been fed.  0 is the result "none" of RFC 8601. */
LW_API size_t lw_dkim_verifier_n(const lw_dkim_verifier *v);
/** lw_dkim_verifier_signature - the i-th, from the top; NULL beyond the last */
LW_API const lw_dkim_signature *lw_dkim_verifier_signature(const lw_dkim_verifier *v, size_t i);
/**
 * lw_dkim_verifier_check - judge one signature by a key record; after lw_dkim_verifier_end
 *
 * @answer  what became of the question for the record
 * @record  its text, for LW_DKIM_RECORD; borrowed for this call
 * @now_s   the time, to hold against x= and t=; negative = do not look
 * @out     out: the result
 * May be called again with another record.  LW_OK whatever the result; LW_EUSAGE; LW_ENOMEM.
 */
LW_API LW_MUST_USE lw_code lw_dkim_verifier_check(lw_dkim_verifier *v, size_t i,
                                                  lw_dkim_answer answer, lw_span record,
                                                  int64_t now_s, lw_dkim_result *out);

#ifdef __cplusplus
}
#endif
#endif
