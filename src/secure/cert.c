/* SPDX-License-Identifier: MIT */
/*
 * secure/cert.c - certificates and keys as PEM text: read, named, and checked for their purpose
 *
 * Whether a chain of certificates leads to a root that somebody trusts is for the reader to
 * decide; here it is only seen to that no reader must refuse what we make.
 */
#include "secure/secure_int.h"

#include <time.h>

#define PEM_MAX ((size_t)1 << 20)
#define RSA_BITS_MIN 2048

bool
lw_same_address(const char *a, const char *b)
{
    return lw_span_eq_nocase(lw_span_str(a), lw_span_str(b));
}

/* ---- lists ------------------------------------------------------------------------------------ */

void
lw_certs_truncate(lw_certs *l, size_t n)
{
    while (l->n > n) {
        lw_cert *c = &l->items[--l->n];
        X509_email_free(c->addresses);
        X509_free(c->x509);
    }
}

void
lw_certs_deinit(lw_certs *l, const lw_alloc *alloc)
{
    lw_certs_truncate(l, 0);
    lw_release(alloc, l->items);
    *l = (lw_certs){ .items = NULL };
}

static const char *
address_at(const lw_cert *c, size_t i)
{
    return OPENSSL_sk_value((const OPENSSL_STACK *)c->addresses, (int)i);
}

size_t
lw_cert_n_addresses(const lw_cert *c)
{
    int n = OPENSSL_sk_num((const OPENSSL_STACK *)c->addresses);
    return n > 0 ? (size_t)n : 0;
}

bool
lw_cert_is_for(const lw_cert *c, const char *address)
{
    for (size_t i = 0; i < lw_cert_n_addresses(c); i++)
        if (lw_same_address(address_at(c, i), address))
            return true;
    return false;
}

/* takes x509, also when it fails; one that is there already is dropped */
static lw_code
add(lw_certs *l, const lw_alloc *alloc, X509 *x509, lw_error *err)
{
    char name[sizeof l->items->name] = "somebody";
    lw_cert *items = l->items;

    for (size_t i = 0; i < l->n; i++) {
        if (X509_cmp(items[i].x509, x509) == 0) {
            X509_free(x509);
            return LW_OK;
        }
    }
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 4 : l->cap * 2;
        if (l->n >= LW_SECURE_CERTS_MAX ||
            (items = lw_resize(alloc, items, cap * sizeof *items)) == NULL) {
            X509_free(x509);
            return l->n < LW_SECURE_CERTS_MAX ? lw_secure_no_memory(err)
                : lw_secure_fail(err, LW_ELIMIT, "smime: more than %d certificates",
                                 LW_SECURE_CERTS_MAX);
        }
        l->items = items;
        l->cap = cap;
    }
    lw_cert *c = &l->items[l->n++];
    *c = (lw_cert){ .x509 = x509, .addresses = X509_get1_email(x509) };
    if (lw_cert_n_addresses(c) > 0)
        lw_print_safe(c->name, sizeof c->name, lw_span_str(address_at(c, 0)));
    else {
        X509_NAME_get_text_by_NID(X509_get_subject_name(x509), NID_commonName, name, sizeof name);
        lw_print_safe(c->name, sizeof c->name, lw_span_str(name));
    }
    return LW_OK;
}

static bool
is_out_of_memory(void)
{
    return ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
}

/* nobody is asked for a password; *asked tells that one would be needed */
static int
no_password(char *buf, int size, int rwflag, void *asked)
{
    (void)buf, (void)size, (void)rwflag;
    *(bool *)asked = true;
    return -1;
}

static lw_code
open_pem(lw_span pem, BIO **bio, lw_error *err)
{
    *bio = NULL;
    if (pem.len > PEM_MAX)
        return lw_secure_fail(err, LW_ECONFIG, "smime: more than 1 MiB is no certificate and no key");
    *bio = BIO_new_mem_buf(pem.len > 0 ? pem.ptr : "", (int)pem.len);
    return *bio == NULL ? lw_secure_no_memory(err) : LW_OK;
}

lw_code
lw_certs_parse(lw_certs *l, const lw_alloc *alloc, lw_span pem, lw_error *err)
{
    size_t before = l->n, n_read = 0;
    bool asked = false, is_at_end;
    X509 *x509;
    BIO *bio;
    lw_code rc;

    if ((rc = open_pem(pem, &bio, err)) < 0)
        return rc;
    while (rc >= 0 && (x509 = PEM_read_bio_X509(bio, NULL, no_password, &asked)) != NULL) {
        rc = add(l, alloc, x509, err);
        n_read++;
    }
    BIO_free(bio);
    /* a file ends with "no start line"; what breaks off earlier is damaged */
    is_at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (rc >= 0 && is_out_of_memory())
        rc = lw_secure_no_memory(err);
    else if (rc >= 0 && !is_at_end)
        rc = lw_secure_fail(err, LW_ECONFIG, "smime: certificate %zu of the PEM text is "
                            "damaged", n_read + 1);
    else if (rc >= 0 && n_read == 0)
        rc = lw_secure_fail(err, LW_ECONFIG, "smime: there is no PEM certificate "
                            "(-----BEGIN CERTIFICATE-----)");
    if (rc < 0)
        lw_certs_truncate(l, before);
    return rc;
}

/* ---- the key ------------------------------------------------------------------------------------ */

/* [RFC8551 4.2] "key size <= 2047 : SHOULD NOT" */
static lw_code
check_key(const lw_cert *c, EVP_PKEY *key, lw_error *err)
{
    bool is_rsa = EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS");

    if (!is_rsa && !EVP_PKEY_is_a(key, "EC"))
        return lw_secure_fail(err, LW_ECONFIG, "smime: the key of %s is neither RSA nor EC, which is "
                              "what readers of mail know", c->name);
    if (is_rsa && EVP_PKEY_get_bits(key) < RSA_BITS_MIN)
        return lw_secure_fail(err, LW_ECONFIG, "smime: the RSA key of %s has %d bits, %d are needed",
                              c->name, EVP_PKEY_get_bits(key), RSA_BITS_MIN);
    return LW_OK;
}

lw_code
lw_cert_key(const lw_cert *c, lw_span pem, EVP_PKEY **key, lw_error *err)
{
    bool asked = false;
    BIO *bio;
    lw_code rc;

    *key = NULL;
    if ((rc = open_pem(pem, &bio, err)) < 0)
        return rc;
    *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, &asked);
    BIO_free(bio);
    if (*key == NULL && is_out_of_memory())
        return lw_secure_no_memory(err);
    if (*key == NULL)
        return lw_secure_fail(err, LW_ECONFIG, asked
            ? "smime: the key of %s is encrypted: decrypt it with openssl pkey -in FILE -out PLAIN"
            : "smime: there is no private key of %s (-----BEGIN PRIVATE KEY-----)", c->name);
    if (X509_check_private_key(c->x509, *key) == 1)
        return LW_OK;
    EVP_PKEY_free(*key);
    *key = NULL;
    return lw_secure_fail(err, LW_ECONFIG, "smime: the private key does not belong to the certificate "
                          "of %s", c->name);
}

/* ---- what it may be used for ----------------------------------------------------------------------- */

lw_code
lw_cert_check(const lw_cert *c, lw_cert_use use, lw_error *err)
{
    uint32_t purposes = X509_get_extended_key_usage(c->x509), usage = X509_get_key_usage(c->x509);
    EVP_PKEY *key = X509_get0_pubkey(c->x509);
    uint32_t wanted = KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION;
    lw_code rc;

    if (key == NULL)
        return lw_secure_fail(err, LW_ECONFIG, "smime: the certificate of %s has no key that is known "
                              "here", c->name);
    if ((rc = check_key(c, key, err)) < 0)
        return rc;
    if (use == LW_CERT_DECRYPTS)
        wanted = EVP_PKEY_is_a(key, "EC") ? KU_KEY_AGREEMENT : KU_KEY_ENCIPHERMENT;
    /* UINT32_MAX: the certificate does not say, and may be used for everything */
    if (!(purposes & (XKU_SMIME | XKU_ANYEKU)))
        return lw_secure_fail(err, LW_ECONFIG, "smime: the certificate of %s is not for mail (its "
                              "extended key usage is without emailProtection)", c->name);
    if (!(usage & wanted))
        return lw_secure_fail(err, LW_ECONFIG, "smime: the certificate of %s is not for %s (by its key "
                              "usage)", c->name, use == LW_CERT_SIGNS ? "signing" : "encrypting");
    return LW_OK;
}

static void
print_day(const ASN1_TIME *t, char day[11])
{
    struct tm tm;

    if (ASN1_TIME_to_tm(t, &tm) != 1 || strftime(day, 11, "%Y-%m-%d", &tm) == 0)
        memcpy(day, "?", 2);
}

lw_code
lw_cert_check_time(const lw_cert *c, int64_t now_s, lw_error *err)
{
    const ASN1_TIME *from = X509_get0_notBefore(c->x509), *until = X509_get0_notAfter(c->x509);
    time_t now = (time_t)now_s;
    char day[11];

    if (X509_cmp_time(from, &now) >= 0) { /* 0: it cannot be read */
        print_day(from, day);
        return lw_secure_fail(err, LW_ECONFIG, "smime: the certificate of %s is not valid before %s",
                              c->name, day);
    }
    if (X509_cmp_time(until, &now) <= 0) {
        print_day(until, day);
        return lw_secure_fail(err, LW_ECONFIG, "smime: the certificate of %s expired on %s", c->name,
                              day);
    }
    return LW_OK;
}
