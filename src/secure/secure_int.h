/* SPDX-License-Identifier: MIT */
/*
 * secure/secure_int.h - inside secure: what is to be done, the parts of a message, where it waits
 *
 * The way of a message: entity.c takes its header apart; people.c finds who signs and who reads;
 * cms.c or pgp.c gives a signature, or encrypted octets into a spool; secured.c puts it together
 * and is what is sent.
 */
#ifndef LW_SECURE_SECURE_INT_H
#define LW_SECURE_SECURE_INT_H

#include <letterwing/secure.h>

#include "base/base.h"
#include "mime/mime.h"
#include "secure/openssl_late.h"

/** lw_secure_fail - set *err (may be NULL) to code and a sentence; returns code */
lw_code lw_secure_fail(lw_error *err, lw_code code, const char *fmt, ...) LW_PRINTF(3, 4);
lw_code lw_secure_no_memory(lw_error *err);
/** lw_secure_openssl_load - have OpenSSL's functions; LW_ECONFIG otherwise */
LW_MUST_USE lw_code lw_secure_openssl_load(lw_error *err);
/** lw_secure_openssl_failed - what OpenSSL's last failure means: LW_ENOMEM, or LW_ECONFIG and what it was */
lw_code lw_secure_openssl_failed(const char *what, lw_error *err);

/* ---- certificates: cert.c ----------------------------------------------------------------- */

/** One certificate, and what people call it. */
typedef struct lw_cert {
    X509 *x509;
    STACK_OF(OPENSSL_STRING) *addresses; /* NULL = none                                 */
    bool is_used;                        /* by the message of now                       */
    char name[100];                      /* its first mail address, or the common name */
} lw_cert;

typedef struct lw_certs {
    lw_cert *items;
    size_t n, cap;
} lw_certs;

typedef enum lw_cert_use { LW_CERT_SIGNS, LW_CERT_DECRYPTS } lw_cert_use;

void lw_certs_truncate(lw_certs *l, size_t n);
void lw_certs_deinit(lw_certs *l, const lw_alloc *alloc);
/** lw_certs_parse - all certificates of a PEM text, added; LW_ECONFIG if there is none */
LW_MUST_USE lw_code lw_certs_parse(lw_certs *l, const lw_alloc *alloc, lw_span pem, lw_error *err);
/** lw_cert_key - the private key of a PEM text, and whether it is the certificate's */
LW_MUST_USE lw_code lw_cert_key(const lw_cert *c, lw_span pem, EVP_PKEY **key, lw_error *err);
/** lw_cert_check - may it be used so?  LW_OK, or LW_ECONFIG and why not */
LW_MUST_USE lw_code lw_cert_check(const lw_cert *c, lw_cert_use use, lw_error *err);
/** lw_cert_check_time - is it valid now?  LW_OK, or LW_ECONFIG and why not */
LW_MUST_USE lw_code lw_cert_check_time(const lw_cert *c, int64_t now_s, lw_error *err);
/** lw_cert_n_addresses - mail addresses in it; lw_cert_is_for - is this one among them? */
size_t lw_cert_n_addresses(const lw_cert *c);
bool lw_cert_is_for(const lw_cert *c, const char *address);
/** lw_same_address - ASCII case does not count, as hardly any host lets it */
bool lw_same_address(const char *a, const char *b);

/* ---- what is to be done: secure.c ----------------------------------------------------------- */

typedef enum lw_secure_kind { LW_SECURE_NONE, LW_SECURE_SMIME, LW_SECURE_PGP } lw_secure_kind;

struct lw_secure {
    lw_alloc alloc;
    lw_secure_kind kind;
    bool signs, encrypts;
    char *temp_dir;
    lw_certs signer; /* the first signs, the others go with it */
    EVP_PKEY *key;
    lw_certs readers;
    lw_smime_cipher cipher;
    char *pgp_key, *pgp_home;
};
/** lw_secure_choose - S/MIME or OpenPGP: the first choice counts */
LW_MUST_USE lw_code lw_secure_choose(lw_secure *s, lw_secure_kind kind, lw_error *err);

/* ---- a message taken apart: entity.c --------------------------------------------------------- */

/** The header of a message: what stays outside, and what goes with the body. */
typedef struct lw_entity {
    lw_buf outer, inner;     /* whole fields; inner: Content-*                             */
    uint64_t header_len;     /* octets of the message before its body                      */
    lw_arena people;         /* senders and visible                                         */
    lw_mailboxes senders;    /* From and Sender                                             */
    lw_mailboxes visible;    /* To and Cc                                                   */
} lw_entity;
void lw_entity_init(lw_entity *e, const lw_alloc *alloc);
void lw_entity_deinit(lw_entity *e);
/** lw_entity_read - from the beginning of body, which is left anywhere */
LW_MUST_USE lw_code lw_entity_read(lw_entity *e, lw_body *body, lw_error *err);

/** What a signature would not survive, looked for while octets go by. */
typedef struct lw_fragile {
    size_t line_len;
    uint64_t n_lines;
    unsigned char before; /* the last octet of the line so far */
    bool after_cr;
    bool allows_spaces; /* S/MIME does; RFC 3156 does not */
} lw_fragile;
LW_MUST_USE lw_code lw_fragile_feed(lw_fragile *f, lw_span octets, lw_error *err);

/* ---- octets that wait: spool.c ------------------------------------------------------------------ */

typedef enum lw_spool_form {
    LW_SPOOL_BASE64, /* lines of 76 characters, each with CRLF */
    LW_SPOOL_LINES   /* text: LF becomes CRLF                  */
} lw_spool_form;

typedef struct lw_spool lw_spool;
/** lw_spool_new - empty; dir is borrowed */
lw_spool *lw_spool_new(const lw_alloc *alloc, lw_spool_form form, const char *dir);
void lw_spool_free(lw_spool *s);
LW_MUST_USE lw_code lw_spool_write(lw_spool *s, lw_span octets, lw_error *err);
/** lw_spool_finish - all is written: the last line, and from now on next and rewind */
LW_MUST_USE lw_code lw_spool_finish(lw_spool *s, lw_error *err);
uint64_t lw_spool_size(const lw_spool *s);
LW_MUST_USE lw_code lw_spool_next(lw_spool *s, lw_span *span, lw_error *err);
void lw_spool_rewind(lw_spool *s);

/* ---- the message that is sent: secured.c --------------------------------------------------------- */

#define LW_SECURE_DIGEST 32
#define LW_SECURE_EXTRA_MAX ((size_t)2 << 20) /* a signature with its certificates, as it is sent */

/** Octets before the content, the content, octets behind it. */
struct lw_secured {
    lw_alloc alloc;
    lw_body body, *inner;
    lw_buf pre, post;
    lw_spool *spool;      /* the content; NULL: inner from skip on */
    uint64_t skip;        /* octets of inner that are not content  */
    EVP_MD *md;
    EVP_MD_CTX *sum;      /* of the content from inner, pass by pass */
    unsigned char expected[LW_SECURE_DIGEST];
    bool has_expected;
    int phase;            /* 0: pre is next, 1: content, 2: post, 3: all given */
    uint64_t to_skip, n_content, n_expected;
    lw_error error;
};
/** lw_secured_new - body is all content so far; borrowed */
LW_MUST_USE lw_code lw_secured_new(const lw_alloc *alloc, lw_body *body, lw_secured **out, lw_error *err);
/** lw_secured_each - pull all of b through give and rewind it */
LW_MUST_USE lw_code lw_secured_each(lw_secured *b, lw_code (*give)(void *ctx, lw_span octets, lw_error *err),
                                    void *ctx, lw_error *err);
/** lw_secured_settle - pre, post and spool have changed: the size is right again, and it is rewound */
LW_MUST_USE lw_code lw_secured_settle(lw_secured *b, lw_error *err);
/** lw_secured_prepend - text before what pre holds */
LW_MUST_USE lw_code lw_secured_prepend(lw_secured *b, lw_span text, lw_error *err);

/** Whom one message is from and for: people.c. */
typedef struct lw_people {
    const lw_envelope *env;
    const lw_entity *entity;
    int64_t now_s;
} lw_people;

/** lw_people_check_hidden - LW_EMESSAGE if encryption would show a recipient to others */
LW_MUST_USE lw_code lw_people_check_hidden(const lw_people *p, lw_error *err);

/** What a kind of protection does.  Both: b gives the MIME entity (fields and body), and shall give
 *  the protected one afterwards. */
typedef struct lw_secure_method {
    bool signs_inside; /* encrypt does both at once where both are wanted */
    lw_code (*check)(lw_secure *s, const lw_people *p, lw_error *err);
    lw_code (*sign)(lw_secure *s, lw_secured *b, const lw_people *p, lw_error *err);
    lw_code (*encrypt)(lw_secure *s, lw_secured *b, const lw_people *p, lw_error *err);
} lw_secure_method;
extern const lw_secure_method lw_secure_smime, lw_secure_pgp;

/** lw_multipart_begin - "Content-Type: multipart/TYPE; boundary=..." with a fresh boundary, and the
 *  line that opens the first part; false without randomness.  _next and _end write the other lines. */
#define LW_BOUNDARY_LEN 34
bool lw_multipart_begin(lw_buf *b, char boundary[LW_BOUNDARY_LEN + 1], const char *type);
/** lw_secured_wrap - what b gives becomes the first part of a multipart/TYPE, part (its header and
 *  octets) the second */
LW_MUST_USE lw_code lw_secured_wrap(lw_secured *b, const char *type, const lw_buf *part, lw_error *err);
void lw_multipart_next(lw_buf *b, const char *boundary);
void lw_multipart_end(lw_buf *b, const char *boundary);

/** lw_pgp_available - GPGME and gpg are there; LW_ECONFIG otherwise */
LW_MUST_USE lw_code lw_pgp_available(lw_error *err);

#endif
