/* SPDX-License-Identifier: MIT */
/* tests/net/certs.h - certificates of the tests, made in memory; files in a folder of the test */
#ifndef LW_TESTS_NET_CERTS_H
#define LW_TESTS_NET_CERTS_H

#include "world.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define DAY_S (24 * 3600L)

typedef struct identity {
    EVP_PKEY *key;
    X509 *cert;
} identity;

/** What a certificate says; issuer NULL = signed by itself. */
typedef struct wish {
    const char *subject;
    const char *names;     /* "DNS:a.example,IP:127.0.0.1"; NULL = none                       */
    long from_days, until_days; /* from now                                                 */
    bool is_ca;
    const identity *issuer;
} wish;

static inline void
add_ext(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(ext);
    assert_int_equal(X509_add_ext(cert, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

static inline identity
make_identity(const wish *w)
{
    static long serial = 1;
    identity id = { EVP_EC_gen("P-256"), X509_new() };
    const identity *issuer = w->issuer == NULL ? &id : w->issuer;

    assert_true(id.key != NULL && id.cert != NULL);
    X509_set_version(id.cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(id.cert), serial++);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(id.cert), "CN", MBSTRING_UTF8,
                               (const unsigned char *)w->subject, -1, -1, 0);
    X509_set_issuer_name(id.cert, X509_get_subject_name(issuer->cert));
    X509_gmtime_adj(X509_getm_notBefore(id.cert), w->from_days * DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(id.cert), w->until_days * DAY_S);
    X509_set_pubkey(id.cert, id.key);
    add_ext(id.cert, NID_basic_constraints, w->is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (w->names != NULL)
        add_ext(id.cert, NID_subject_alt_name, w->names);
    assert_true(X509_sign(id.cert, issuer->key, EVP_sha256()) > 0);
    return id;
}

static inline void
drop_identity(identity *id)
{
    EVP_PKEY_free(id->key);
    X509_free(id->cert);
    *id = (identity){ NULL, NULL };
}

static inline void
write_pem(const char *path, const identity *id, bool with_key)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, id->cert), 1);
    if (with_key)
        assert_int_equal(PEM_write_PrivateKey(f, id->key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(f), 0);
}

static inline void
write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

#endif
