/* SPDX-License-Identifier: MIT */
/*
 * net/tls_server.c - the accepting side's context; a throw-away certificate if none is given
 *
 * The throw-away one is self-signed, P-256, made in memory and never written anywhere; clients
 * trust it by its PEM text (lw_tls_ctx_pem).
 */
#include "net/net_int.h"

#include <arpa/inet.h>

#define HOUR_S 3600L
#define VALID_DAYS 30
#define SERIAL_BYTES 16

static lw_code
cannot_make(lw_error *err)
{
    char reason[128];

    return lw_fail(err, LW_ETLS, LW_STAGE_TLS, "a throw-away certificate cannot be made: %s",
                   lw_tls_reason(reason, sizeof reason));
}

/* ---- the names in the certificate ---------------------------------------------------------------- */

/* takes value in, also on failure */
static bool
push_name(GENERAL_NAMES *names, int type, ASN1_STRING *value)
{
    GENERAL_NAME *name = GENERAL_NAME_new();

    if (name == NULL || value == NULL) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value);
        return false;
    }
    GENERAL_NAME_set0_value(name, type, value);
    if (sk_GENERAL_NAME_push(names, name) > 0)
        return true;
    GENERAL_NAME_free(name);
    return false;
}

static bool
add_name(GENERAL_NAMES *names, const char *host)
{
    lw_addr a;
    const void *octets = host;
    size_t len = strlen(host);
    bool is_address = lw_addr_literal(&a, host, 0);
    ASN1_STRING *value;

    if (is_address && a.u.sa.sa_family == AF_INET) {
        octets = &a.u.in4.sin_addr;
        len = sizeof a.u.in4.sin_addr;
    } else if (is_address) {
        octets = &a.u.in6.sin6_addr;
        len = sizeof a.u.in6.sin6_addr;
    }
    value = ASN1_STRING_type_new(is_address ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
    if (value != NULL && ASN1_STRING_set(value, octets, (int)len) != 1) {
        ASN1_STRING_free(value);
        value = NULL;
    }
    return push_name(names, is_address ? GEN_IPADD : GEN_DNS, value);
}

static bool
add_names(X509 *cert, const char *name)
{
    static const char *const always[] = { "localhost", "127.0.0.1", "::1" };
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    bool ok = names != NULL && add_name(names, name);

    for (size_t i = 0; ok && i < LW_COUNT(always); i++)
        ok = strcmp(always[i], name) == 0 || add_name(names, always[i]);
    ok = ok && X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
    return ok;
}

/* ---- the certificate -------------------------------------------------------------------------------- */

static bool
set_serial(X509 *cert)
{
    unsigned char octets[SERIAL_BYTES];
    BIGNUM *n = NULL;
    bool ok;

    if (RAND_bytes(octets, sizeof octets) != 1)
        return false;
    octets[0] = (unsigned char)((octets[0] & 0x7f) | 0x40); /* positive, of fixed length */
    n = BN_bin2bn(octets, sizeof octets, NULL);
    ok = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL;
    BN_free(n);
    return ok;
}

static bool
set_subject(X509 *cert, const char *name)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    lw_span cn = lw_span_str(name);

    if (cn.len > 64) /* ub-common-name; the whole name stands among the other names */
        cn.len = 64;
    return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                      (const unsigned char *)cn.ptr, (int)cn.len, -1, 0) == 1 &&
           X509_set_issuer_name(cert, subject) == 1;
}

static bool
add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;
    bool ok;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}

static bool
fill(X509 *cert, EVP_PKEY *key, const char *name)
{
    return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
           set_subject(cert, name) &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -HOUR_S) != NULL && /* clocks differ */
           X509_gmtime_adj(X509_getm_notAfter(cert), VALID_DAYS * 24 * HOUR_S) != NULL &&
           X509_set_pubkey(cert, key) == 1 && add_names(cert, name) &&
           add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
           add_extension(cert, NID_ext_key_usage, "serverAuth") &&
           add_extension(cert, NID_subject_key_identifier, "hash") &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

static lw_code
use_throw_away(lw_tls_ctx *c, const char *name, lw_error *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    bool ok = key != NULL && cert != NULL && fill(cert, key, name) &&
              SSL_CTX_use_certificate(c->ssl, cert) == 1 &&
              SSL_CTX_use_PrivateKey(c->ssl, key) == 1;

    X509_free(cert);
    EVP_PKEY_free(key);
    return ok ? LW_OK : cannot_make(err);
}

/* ---- the context -------------------------------------------------------------------------------------- */

static lw_code
set_pem(lw_tls_ctx *c, lw_error *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long len;

    if (bio != NULL && PEM_write_bio_X509(bio, SSL_CTX_get0_certificate(c->ssl)) == 1) {
        len = BIO_get_mem_data(bio, &text);
        c->pem = lw_span_dup(c->alloc, (lw_span){ text, (size_t)len });
    }
    BIO_free(bio);
    ERR_clear_error();
    return c->pem != NULL ? LW_OK
                          : lw_fail(err, LW_ENOMEM, LW_STAGE_TLS, "out of memory for TLS");
}

lw_code
lw_tls_server_new(const lw_alloc *alloc, const char *name, const char *cert_file,
                  const char *key_file, lw_tls_ctx **out, lw_error *err)
{
    static const unsigned char id[] = "letterwing";
    lw_tls_ctx *c;
    lw_code rc;

    *out = NULL;
    if (cert_file == NULL && key_file != NULL)
        return lw_fail(err, LW_ECONFIG, LW_STAGE_TLS,
                       "a key file is given but no certificate file");
    if ((rc = lw_tls_ctx_make(alloc, true, &c, err)) < 0)
        return rc;
    SSL_CTX_set_session_id_context(c->ssl, id, sizeof id - 1);
    if (cert_file != NULL)
        rc = lw_tls_ctx_use_files(c, cert_file, key_file, err);
    else
        rc = use_throw_away(c, name == NULL || name[0] == '\0' ? "localhost" : name, err);
    if (rc < 0 || (rc = set_pem(c, err)) < 0) {
        lw_tls_ctx_free(c);
        return rc;
    }
    *out = c;
    return LW_OK;
}

const char *
lw_tls_ctx_pem(const lw_tls_ctx *c)
{
    return c->pem;
}
