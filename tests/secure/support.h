/* SPDX-License-Identifier: MIT */
/* tests/secure/support.h - certificates made in memory, bodies with seams, readers of what comes out */
#ifndef LW_TESTS_SECURE_SUPPORT_H
#define LW_TESTS_SECURE_SUPPORT_H

#include "support/guard.h"
#include "support/test.h"

#define LW_LATE_TABLE_ONLY /* the tests are linked with OpenSSL and call it directly */
#include "secure/secure_int.h"

#define NOW 1700000000
#define DAY 86400
#define HEAD "From: Ann <ann@example.com>\r\nTo: bob@example.com\r\nSubject: Hi\r\n"

/** What a certificate says; zero is a good one of EC, valid now, for everything. */
typedef struct wish {
    const char *address, *name, *usage, *purpose; /* NULL = the certificate does not say */
    int64_t from_s, until_s;                      /* 0 = yesterday, tomorrow             */
    const char *key;                              /* "EC", "RSA 1024", "ED25519"; NULL = EC */
} wish;

typedef struct identity {
    EVP_PKEY *key;
    X509 *x509;
    char *cert_pem, *key_pem; /* NUL-terminated */
} identity;
identity make_identity(const wish *w);
void drop_identity(identity *id);
/** encrypted_key - the key as PEM with a password, to be freed */
char *encrypted_key(EVP_PKEY *key);

/** A body that gives spans of at most max octets, each flush against an unreadable page. */
typedef struct seams {
    guard page;
    const char *text;
    size_t len, at, max;
    unsigned n_rewinds;
    const char *changed; /* what it gives from the second pass on; NULL = the same */
} seams;
lw_body open_seams(seams *s, lw_span text, size_t max);
void close_seams(seams *s);

/** pull - everything, NUL-terminated, to be freed; rc: the last result */
char *pull(lw_body *b, size_t *len, lw_code *rc);

/** verify_smime - the entity that a multipart/signed message has signed by x509, a part of message;
 *  len 0 and NULL if the signature is not good */
lw_span verify_smime(lw_span message, X509 *x509);
/** decrypt_smime - what id can read of it, to be freed; NULL = nothing */
char *decrypt_smime(lw_span message, const identity *id, size_t *len);
/** body_of - the octets behind the header */
lw_span body_of(lw_span message);

#endif
