/* SPDX-License-Identifier: MIT */
/*
 * dkim/key.c - RSA and Ed25519 keys: parsed once, used often
 *
 * OpenSSL's queue of errors belongs to the thread, so each function leaves it as it was.
 */
#include "dkim/dkim_int.h"

struct lw_dkim_key {
    lw_alloc alloc;
    lw_dkim_algorithm algorithm;
    unsigned bits;
    bool is_private;
    EVP_PKEY *pkey; /* NULL: a callback */
    EVP_PKEY_CTX *rsa; /* ready to sign; Ed25519 has no such context in OpenSSL 3.0 */
    lw_dkim_sign_fn sign;
    void *ctx;
};

/* OpenSSL's last word; where a caller inside it has added another one, memory cannot be told from
 * a bad key or signature */
static bool
is_out_of_memory(void)
{
    return ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
}

const char *
lw_dkim_algorithm_name(lw_dkim_algorithm algorithm)
{
    switch (algorithm) {
    case LW_DKIM_RSA:
        return "rsa-sha256";
    case LW_DKIM_ED25519:
        return "ed25519-sha256";
    }
    return "?";
}

/* [RFC6376 3.3.2] "PKCS#1 version 1.5": what both sides set; NULL = out of memory */
static EVP_PKEY_CTX *
rsa_context(EVP_PKEY *key, int (*init)(EVP_PKEY_CTX *))
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);

    if (ctx != NULL && init(ctx) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
        EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1)
        return ctx;
    EVP_PKEY_CTX_free(ctx);
    return NULL;
}

/* ---- making keys ----------------------------------------------------------------- */

static lw_code
check_kind(lw_dkim_key *key, lw_error *err)
{
    if (EVP_PKEY_is_a(key->pkey, "RSA"))
        key->algorithm = LW_DKIM_RSA;
    else if (EVP_PKEY_is_a(key->pkey, "ED25519"))
        key->algorithm = LW_DKIM_ED25519;
    else
        return lw_dkim_fail(err, LW_ECONFIG,
                            "the key is a%s key, DKIM takes RSA and Ed25519",
                            EVP_PKEY_is_a(key->pkey, "EC") ? "n EC" : "nother kind of");
    key->bits =
        key->algorithm == LW_DKIM_RSA ? (unsigned)EVP_PKEY_get_bits(key->pkey) : 256;
    if (key->algorithm == LW_DKIM_RSA &&
        (key->bits < LW_DKIM_RSA_MIN || key->bits > LW_DKIM_RSA_MAX))
        return lw_dkim_fail(err, LW_ECONFIG,
                            "the RSA key has %u bits, use %d (%d at least, "
                            "%d at most)",
                            key->bits, LW_DKIM_RSA_WISE, LW_DKIM_RSA_MIN,
                            LW_DKIM_RSA_MAX);
    return LW_OK;
}

/* takes pkey, also when it fails */
static lw_code
make(const lw_alloc *alloc, EVP_PKEY *pkey, bool is_private, lw_dkim_key **out,
     lw_error *err)
{
    lw_dkim_key *key = lw_zalloc(alloc, sizeof *key);
    lw_code rc;

    *out = NULL;
    if (key == NULL) {
        EVP_PKEY_free(pkey);
        return lw_dkim_no_memory(err);
    }
    key->alloc = *lw_alloc_or_default(alloc);
    key->pkey = pkey;
    key->is_private = is_private;
    if ((rc = check_kind(key, err)) == LW_OK && is_private &&
        key->algorithm == LW_DKIM_RSA &&
        (key->rsa = rsa_context(pkey, EVP_PKEY_sign_init)) == NULL)
        rc = lw_dkim_no_memory(err);
    if (rc == LW_OK)
        *out = key;
    else
        lw_dkim_key_free(key);
    return rc;
}

/* no password is known here, and a library asks nobody on a terminal; *asked tells */
static int
no_password(char *buf, int size, int rwflag, void *asked)
{
    (void)buf, (void)size, (void)rwflag;
    *(bool *)asked = true;
    return -1;
}

typedef EVP_PKEY *(*pem_reader)(BIO *, EVP_PKEY **, pem_password_cb *, void *);

static EVP_PKEY *
read_pem(lw_span pem, pem_reader reader, bool *asked, bool *no_memory)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = NULL;

    *no_memory = bio == NULL;
    if (bio != NULL)
        key = reader(bio, NULL, no_password, asked);
    *no_memory = *no_memory || is_out_of_memory();
    BIO_free(bio);
    return key;
}

static lw_code
no_key(bool asked, bool no_memory, lw_error *err)
{
    if (no_memory)
        return lw_dkim_no_memory(err);
    if (asked)
        return lw_dkim_fail(err, LW_ECONFIG,
                            "the key is encrypted: decrypt it with "
                            "openssl pkey -in FILE -out PLAIN");
    return lw_dkim_fail(err, LW_ECONFIG, "the PEM text holds no key, or a damaged one");
}

lw_code
lw_dkim_key_parse(const lw_alloc *alloc, lw_span pem, lw_dkim_key **out, lw_error *err)
{
    bool asked = false, no_memory = false, is_private = true;
    EVP_PKEY *pkey = NULL;
    lw_code rc;

    if (out == NULL || (pem.ptr == NULL && pem.len > 0))
        return lw_dkim_fail(err, LW_EUSAGE, "a pointer is NULL");
    *out = NULL;
    if ((rc = lw_dkim_openssl_load(err)) < 0)
        return rc;
    if (pem.len > 1 << 20)
        return lw_dkim_fail(err, LW_ECONFIG, "more than 1 MiB is no key in PEM");
    if (pem.len == 0 || memmem(pem.ptr, pem.len, "-----BEGIN ", 11) == NULL)
        return lw_dkim_fail(err, LW_ECONFIG,
                            "there is no PEM key (-----BEGIN PRIVATE KEY-----)");
    ERR_set_mark();
    pkey = read_pem(pem, PEM_read_bio_PrivateKey, &asked, &no_memory);
    if (pkey == NULL && !asked && !no_memory) {
        is_private = false;
        pkey = read_pem(pem, PEM_read_bio_PUBKEY, &asked, &no_memory);
    }
    ERR_pop_to_mark();
    if (pkey == NULL)
        return no_key(asked, no_memory, err);
    ERR_set_mark();
    rc = make(alloc, pkey, is_private, out, err);
    ERR_pop_to_mark();
    return rc;
}

lw_code
lw_dkim_key_generate(const lw_alloc *alloc, lw_dkim_algorithm algorithm, unsigned bits,
                     lw_dkim_key **out, lw_error *err)
{
    EVP_PKEY *pkey;
    lw_code rc;

    if (out == NULL)
        return lw_dkim_fail(err, LW_EUSAGE, "a pointer is NULL");
    *out = NULL;
    if (algorithm == LW_DKIM_RSA && bits == 0)
        bits = LW_DKIM_RSA_WISE;
    if (algorithm == LW_DKIM_RSA ? bits < LW_DKIM_RSA_MIN || bits > LW_DKIM_RSA_MAX
                                 : bits != 0)
        return lw_dkim_fail(err, LW_EUSAGE,
                            algorithm == LW_DKIM_RSA
                                ? "an RSA key has %d to %d bits: 2048 is a good size"
                                : "an Ed25519 key has one size only: name none",
                            LW_DKIM_RSA_MIN, LW_DKIM_RSA_MAX);
    if ((rc = lw_dkim_openssl_load(err)) < 0)
        return rc;
    rc = LW_ENOMEM;
    ERR_set_mark();
    pkey = algorithm == LW_DKIM_RSA ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits)
                                    : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (pkey != NULL)
        rc = make(alloc, pkey, true, out, err);
    else
        lw_dkim_fail(err, rc,
                     "OpenSSL could not make a key: no memory or no randomness");
    ERR_pop_to_mark();
    return rc;
}

lw_code
lw_dkim_key_callback(const lw_alloc *alloc, lw_dkim_algorithm algorithm,
                     lw_dkim_sign_fn sign, void *ctx, lw_dkim_key **out)
{
    lw_dkim_key *key;

    if (out == NULL)
        return LW_EUSAGE;
    *out = NULL;
    if (sign == NULL || (algorithm != LW_DKIM_RSA && algorithm != LW_DKIM_ED25519))
        return LW_EUSAGE;
    if ((key = lw_zalloc(alloc, sizeof *key)) == NULL)
        return LW_ENOMEM;
    key->alloc = *lw_alloc_or_default(alloc);
    key->algorithm = algorithm;
    key->sign = sign;
    key->ctx = ctx;
    *out = key;
    return LW_OK;
}

void
lw_dkim_key_free(lw_dkim_key *key)
{
    if (key == NULL)
        return;
    lw_alloc alloc = key->alloc;
    if (key->rsa != NULL)
        EVP_PKEY_CTX_free(key->rsa);
    if (key->pkey != NULL)
        EVP_PKEY_free(key->pkey);
    lw_release(&alloc, key);
}

/* ---- asking keys ----------------------------------------------------------------- */

lw_dkim_algorithm
lw_dkim_key_algorithm(const lw_dkim_key *key)
{
    return key == NULL ? LW_DKIM_RSA : key->algorithm;
}

unsigned
lw_dkim_key_bits(const lw_dkim_key *key)
{
    return key == NULL ? 0 : key->bits;
}

bool
lw_dkim_key_can_sign(const lw_dkim_key *key)
{
    return key != NULL && (key->is_private || key->sign != NULL);
}

const char *
lw_dkim_key_advice(const lw_dkim_key *key)
{
    if (key == NULL || key->algorithm != LW_DKIM_RSA || key->pkey == NULL)
        return "";
    /* [RFC8301 3.2] "Signers SHOULD use RSA keys of at least 2048 bits." */
    if (key->bits < LW_DKIM_RSA_WISE)
        return "an RSA key of less than 2048 bits is weak: RFC 8301 asks for 2048";
    /* [RFC8301 3.2] "Verifiers MUST be able to validate signatures with keys ranging from 1024 bits
     * to 4096 bits" */
    if (key->bits > LW_DKIM_RSA_SAFE)
        return "an RSA key of more than 4096 bits is not understood by every verifier";
    return "";
}

/* what a memory BIO holds, NUL-terminated, in the key's allocator */
static lw_code
take_bio(const lw_dkim_key *key, BIO *bio, char **text)
{
    char *data;
    long n = BIO_get_mem_data(bio, &data);

    *text = lw_span_dup(&key->alloc, (lw_span){ data, n > 0 ? (size_t)n : 0 });
    if (n > 0)
        lw_wipe(data, (size_t)n);
    return *text == NULL ? LW_ENOMEM : LW_OK;
}

lw_code
lw_dkim_key_pem(const lw_dkim_key *key, char **pem)
{
    lw_code rc = LW_ENOMEM;
    BIO *bio;

    if (pem == NULL)
        return LW_EUSAGE;
    *pem = NULL;
    if (key == NULL || !key->is_private)
        return LW_EUSAGE;
    ERR_set_mark();
    bio = BIO_new(BIO_s_mem());
    if (bio != NULL &&
        PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) == 1)
        rc = take_bio(key, bio, pem);
    BIO_free(bio);
    ERR_pop_to_mark();
    return rc;
}

/* The octets of p=.  RSA: a SubjectPublicKeyInfo, as Appendix C of RFC 6376 and everybody publishes
 * (the RSAPublicKey of its 3.6.1 is what that holds).  [RFC8463 4.2] "The p= value in the key record
 * is the Ed25519 public key encoded in base64." */
static lw_code
public_octets(const lw_dkim_key *key, unsigned char **der, size_t *len)
{
    if (key->algorithm == LW_DKIM_ED25519) {
        *len = 32;
        if ((*der = OPENSSL_malloc(*len)) == NULL ||
            EVP_PKEY_get_raw_public_key(key->pkey, *der, len) != 1)
            return LW_ENOMEM;
        return LW_OK;
    }
    int n = i2d_PUBKEY(key->pkey, der);
    *len = n > 0 ? (size_t)n : 0;
    return n > 0 ? LW_OK : LW_ENOMEM;
}

lw_code
lw_dkim_key_record(const lw_dkim_key *key, char **record)
{
    unsigned char *der = NULL;
    size_t len = 0;
    char *space;
    lw_buf b;

    if (record == NULL)
        return LW_EUSAGE;
    *record = NULL;
    if (key == NULL || key->pkey == NULL)
        return LW_EUSAGE;
    ERR_set_mark();
    lw_buf_init(&b, &key->alloc, 4096);
    lw_buf_add_str(&b, key->algorithm == LW_DKIM_RSA ? "v=DKIM1; k=rsa; p="
                                                     : "v=DKIM1; k=ed25519; p=");
    if (public_octets(key, &der, &len) == LW_OK &&
        (space = lw_buf_space(&b, LW_BASE64_LEN(len))) != NULL) {
        lw_buf_used(&b, lw_base64_encode(space, der, len));
        *record = lw_buf_take(&b);
    }
    lw_buf_deinit(&b);
    OPENSSL_free(der);
    ERR_pop_to_mark();
    return *record == NULL ? LW_ENOMEM : LW_OK;
}

/* ---- signing and verifying 32 octets --------------------------------------------- */

static lw_code
sign_ed25519(EVP_PKEY *key, const unsigned char *digest, unsigned char *sig,
             size_t *len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
              EVP_DigestSign(ctx, sig, len, digest, LW_DKIM_DIGEST) == 1;

    EVP_MD_CTX_free(ctx);
    return ok ? LW_OK : LW_ENOMEM;
}

lw_code
lw_dkim_key_sign(lw_dkim_key *key, const unsigned char digest[LW_DKIM_DIGEST],
                 unsigned char sig[LW_DKIM_SIG_MAX], size_t *len, lw_error *err)
{
    lw_code rc;

    *len = LW_DKIM_SIG_MAX;
    if (key->sign != NULL) {
        rc = key->sign(key->ctx, digest, sig, LW_DKIM_SIG_MAX, len);
        if (rc == LW_OK && (*len == 0 || *len > LW_DKIM_SIG_MAX))
            rc = LW_EUSAGE;
        return rc < 0 ? lw_dkim_fail(err, rc, "the signing function failed: %s",
                                     lw_code_text(rc))
                      : LW_OK;
    }
    ERR_set_mark();
    if (key->algorithm == LW_DKIM_ED25519)
        rc = sign_ed25519(key->pkey, digest, sig, len);
    else
        rc = EVP_PKEY_sign(key->rsa, sig, len, digest, LW_DKIM_DIGEST) == 1 ? LW_OK
                                                                            : LW_ENOMEM;
    ERR_pop_to_mark();
    return rc < 0 ? lw_dkim_fail(err, rc, "OpenSSL could not sign") : LW_OK;
}

int
lw_dkim_verify_digest(EVP_PKEY *key, lw_dkim_algorithm algorithm,
                      const unsigned char digest[LW_DKIM_DIGEST],
                      const unsigned char *sig, size_t len)
{
    int result = -1;

    ERR_set_mark();
    if (algorithm == LW_DKIM_RSA) {
        EVP_PKEY_CTX *ctx = rsa_context(key, EVP_PKEY_verify_init);
        if (ctx != NULL)
            result = EVP_PKEY_verify(ctx, sig, len, digest, LW_DKIM_DIGEST) == 1;
        EVP_PKEY_CTX_free(ctx);
    } else {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        if (ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1)
            result = EVP_DigestVerify(ctx, sig, len, digest, LW_DKIM_DIGEST) == 1;
        EVP_MD_CTX_free(ctx);
    }
    if (result == 0 && is_out_of_memory())
        result = -1;
    ERR_pop_to_mark();
    return result;
}

/* RFC 6376 3.6.1 asks for a DER-encoded RSAPublicKey: some publish that, most a SubjectPublicKeyInfo
 * with it inside.  No octet may be left over. */
static EVP_PKEY *
rsa_from_der(lw_span der)
{
    const unsigned char *start = (const unsigned char *)der.ptr, *p = start;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)der.len);

    if (key == NULL) {
        p = start;
        key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long)der.len);
    }
    if (key != NULL && (p != start + der.len || !EVP_PKEY_is_a(key, "RSA"))) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

EVP_PKEY *
lw_dkim_public_key(lw_dkim_algorithm algorithm, lw_span der)
{
    EVP_PKEY *key = NULL;

    if (lw_dkim_openssl_load(NULL) < 0)
        return NULL;
    ERR_set_mark();
    if (algorithm == LW_DKIM_RSA)
        key = rsa_from_der(der);
    else if (der.len == 32)
        key = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL,
                                             (const unsigned char *)der.ptr, 32);
    ERR_pop_to_mark();
    return key;
}
