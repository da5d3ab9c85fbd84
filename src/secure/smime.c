/* SPDX-License-Identifier: MIT */
/*
 * secure/smime.c - S/MIME (RFC 8551) by OpenSSL's CMS
 *
 * The message goes through in pieces, both ways: a signature is detached, so that only its digest
 * is kept; encrypted content leaves as BER of indefinite length, piece by piece into the spool.
 */
#include "secure/secure_int.h"

#define PIECE_MAX ((size_t)1 << 16) /* what OpenSSL gets at once */
#define FLAGS (CMS_PARTIAL | CMS_STREAM | CMS_BINARY)

/* ---- who ------------------------------------------------------------------------------------------- */

/* A reader holds the certificate against From and Sender (RFC 8550 3), if it has addresses at all. */
static lw_code
check_signer(const lw_secure *s, const lw_people *p, lw_error *err)
{
    const lw_cert *c = &s->signer.items[0];
    const lw_mailboxes *l = &p->entity->senders;
    lw_code rc;

    if ((rc = lw_cert_check_time(c, p->now_s, err)) < 0)
        return rc;
    for (size_t i = 0; i < l->n; i++)
        if (lw_cert_is_for(c, l->items[i].addr))
            return LW_OK;
    if (lw_cert_n_addresses(c) == 0)
        return LW_OK;
    return lw_secure_fail(err, LW_ECONFIG, "smime: the certificate of %s is not that of the sender, %s",
                          c->name, l->n > 0 ? l->items[0].addr : "who is not named");
}

/* may it be used for encryption now? */
static lw_code
check_reader(const lw_cert *c, const lw_people *p, lw_error *err)
{
    lw_code rc = lw_cert_check(c, LW_CERT_DECRYPTS, err);
    return rc < 0 ? rc : lw_cert_check_time(c, p->now_s, err);
}

/* the certificate of an address is marked as used; the first that is good counts */
static lw_code
choose_reader(lw_certs *l, const char *address, const lw_people *p, lw_error *err)
{
    lw_code rc = LW_AGAIN;

    for (size_t i = 0; i < l->n; i++) {
        if (!lw_cert_is_for(&l->items[i], address))
            continue;
        if ((rc = check_reader(&l->items[i], p, err)) >= 0) {
            l->items[i].is_used = true;
            return LW_OK;
        }
    }
    return rc < 0 ? rc : lw_secure_fail(err, LW_ECONFIG, "smime: there is no certificate for %s: nobody "
                                        "else may read it, so nothing was sent", address);
}

/* [RFC8551 3.3] "a copy of the CEK SHOULD be encrypted for the originator": where his certificate is at
 * hand, his own or one of the readers', and good for that */
static void
choose_originators(lw_secure *s, const lw_people *p)
{
    const lw_mailboxes *l = &p->entity->senders;
    lw_error ignored;

    for (size_t i = 0; i < l->n; i++) {
        (void)!choose_reader(&s->readers, l->items[i].addr, p, &ignored);
        if (s->signer.n > 0 && lw_cert_is_for(&s->signer.items[0], l->items[i].addr) &&
            check_reader(&s->signer.items[0], p, &ignored) >= 0)
            s->signer.items[0].is_used = true;
    }
}

static void
forget_readers(lw_certs *l)
{
    for (size_t i = 0; i < l->n; i++)
        l->items[i].is_used = false;
}

static lw_code
check(lw_secure *s, const lw_people *p, lw_error *err)
{
    lw_code rc = s->signs ? check_signer(s, p, err) : LW_OK;

    if (rc < 0 || !s->encrypts)
        return rc;
    forget_readers(&s->readers);
    forget_readers(&s->signer);
    for (size_t i = 0; rc >= 0 && i < p->env->n_rcpts; i++)
        rc = choose_reader(&s->readers, p->env->rcpts[i].address, p, err);
    if (rc < 0 || (rc = lw_people_check_hidden(p, err)) < 0)
        return rc;
    choose_originators(s, p);
    return LW_OK;
}

/* ---- signing ------------------------------------------------------------------------------------------ */

typedef struct digesting {
    BIO *chain;
    lw_fragile fragile;
} digesting;

static lw_code
write_all(BIO *to, lw_span in, const char *what, lw_error *err)
{
    while (in.len > 0) {
        size_t n = in.len < PIECE_MAX ? in.len : PIECE_MAX;
        if (BIO_write(to, in.ptr, (int)n) != (int)n)
            return lw_secure_openssl_failed(what, err);
        in = (lw_span){ in.ptr + n, in.len - n };
    }
    return LW_OK;
}

static lw_code
digest(void *ctx, lw_span octets, lw_error *err)
{
    digesting *d = ctx;
    lw_code rc = lw_fragile_feed(&d->fragile, octets, err);

    return rc < 0 ? rc : write_all(d->chain, octets, "hash the message", err);
}

/* [RFC8551 2.5.1] "Sending agents MUST encode signing time through the year 2049 as UTCTime": as
 * ASN1_TIME_set does */
static bool
set_time(CMS_SignerInfo *signer, int64_t now_s)
{
    ASN1_TIME *t = ASN1_TIME_set(NULL, (time_t)now_s);
    bool ok = t != NULL &&
        CMS_signed_add1_attr_by_NID(signer, NID_pkcs9_signingTime, t->type, t, -1) == 1;

    ASN1_TIME_free(t);
    return ok;
}

/* [RFC8551 2.1] "MUST support SHA-256." */
static CMS_ContentInfo *
begin_signature(const lw_secure *s, int64_t now_s)
{
    CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, FLAGS | CMS_DETACHED);
    CMS_SignerInfo *signer = cms == NULL ? NULL
        : CMS_add1_signer(cms, s->signer.items[0].x509, s->key, EVP_sha256(), FLAGS | CMS_DETACHED);
    bool ok = signer != NULL && set_time(signer, now_s);

    for (size_t i = 1; ok && i < s->signer.n; i++)
        ok = CMS_add1_cert(cms, s->signer.items[i].x509) == 1;
    if (ok)
        return cms;
    CMS_ContentInfo_free(cms);
    return NULL;
}

/* What was made is read and verified before it is given: OpenSSL does not tell each failure of its
 * memory, and a fault in a computation of RSA would give the key away.  chain still has the digest. */
static bool
is_good(const lw_secure *s, lw_span der, BIO *chain)
{
    BIO *in = BIO_new_mem_buf(der.ptr, (int)der.len);
    CMS_ContentInfo *cms = in == NULL ? NULL : d2i_CMS_bio(in, NULL);
    const OPENSSL_STACK *all = cms == NULL ? NULL : (const OPENSSL_STACK *)CMS_get0_SignerInfos(cms);
    CMS_SignerInfo *signer = all == NULL || OPENSSL_sk_num(all) != 1 ? NULL : OPENSSL_sk_value(all, 0);
    bool ok = signer != NULL;

    if (ok) {
        CMS_SignerInfo_set1_signer_cert(signer, s->signer.items[0].x509);
        ok = CMS_SignerInfo_verify(signer) == 1 && CMS_SignerInfo_verify_content(signer, chain) == 1;
    }
    CMS_ContentInfo_free(cms);
    BIO_free(in);
    return ok;
}

static void
put_base64(lw_buf *out, lw_span der)
{
    char *text;

    for (size_t n; der.len > 0; der = (lw_span){ der.ptr + n, der.len - n }) {
        n = der.len < 57 ? der.len : 57;
        if ((text = lw_buf_space(out, LW_BASE64_LEN(n))) == NULL)
            return; /* the failure sticks */
        lw_buf_used(out, lw_base64_encode(text, der.ptr, n));
        lw_buf_add(out, LW_LIT("\r\n"));
    }
}

/* the signature as base64 lines */
static lw_code
put_signature(const lw_secure *s, lw_buf *out, CMS_ContentInfo *cms, BIO *chain, lw_error *err)
{
    BIO *mem = BIO_new(BIO_s_mem());
    lw_code rc = LW_OK;
    lw_span der;
    char *p;

    if (mem == NULL || i2d_CMS_bio(mem, cms) != 1) {
        rc = lw_secure_openssl_failed("write the signature", err);
    } else {
        der.len = (size_t)BIO_get_mem_data(mem, &p);
        der.ptr = p;
        if (is_good(s, der, chain))
            put_base64(out, der);
        else
            rc = lw_secure_openssl_failed("make a signature that verifies", err);
    }
    BIO_free(mem);
    return rc;
}

static lw_code
make_signature(lw_secure *s, lw_secured *b, const lw_people *p, lw_buf *out, lw_error *err)
{
    digesting d = { .fragile = { .allows_spaces = true } };
    CMS_ContentInfo *cms = begin_signature(s, p->now_s);
    lw_code rc;

    d.chain = cms == NULL ? NULL : CMS_dataInit(cms, NULL);
    if (d.chain == NULL)
        rc = lw_secure_openssl_failed("begin a signature", err);
    else
        rc = lw_secured_each(b, digest, &d, err);
    if (rc >= 0 && (BIO_flush(d.chain) != 1 || CMS_dataFinal(cms, d.chain) != 1))
        rc = lw_secure_openssl_failed("sign", err);
    if (rc >= 0)
        rc = put_signature(s, out, cms, d.chain, err);
    BIO_free_all(d.chain);
    CMS_ContentInfo_free(cms);
    return rc;
}

/* [RFC8551 3.5.3] "The first part contains the MIME entity that is signed; the second part contains
 * the "detached signature" CMS SignedData object" */
static lw_code
sign(lw_secure *s, lw_secured *b, const lw_people *p, lw_error *err)
{
    lw_buf signature;
    lw_code rc;

    lw_buf_init(&signature, &s->alloc, LW_SECURE_EXTRA_MAX);
    lw_buf_add(&signature, LW_LIT("Content-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n"
                                  "Content-Transfer-Encoding: base64\r\n"
                                  "Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n"));
    if ((rc = make_signature(s, b, p, &signature, err)) >= 0)
        rc = lw_secured_wrap(b, "signed; protocol=\"application/pkcs7-signature\";\r\n micalg=sha-256",
                             &signature, err);
    lw_buf_deinit(&signature);
    return rc;
}

/* ---- encrypting ------------------------------------------------------------------------------------------ */

typedef struct sealing {
    BIO *mem, *chain; /* chain ends in mem, which is emptied into the spool */
    lw_spool *spool;
} sealing;

static lw_code
drain(sealing *e, lw_error *err)
{
    char *der;
    long n = BIO_get_mem_data(e->mem, &der);
    lw_code rc = n > 0 ? lw_spool_write(e->spool, (lw_span){ der, (size_t)n }, err) : LW_OK;

    (void)BIO_reset(e->mem);
    return rc;
}

static lw_code
seal(void *ctx, lw_span octets, lw_error *err)
{
    sealing *e = ctx;
    lw_code rc = LW_OK;

    while (rc >= 0 && octets.len > 0) {
        size_t n = octets.len < PIECE_MAX ? octets.len : PIECE_MAX;
        if ((rc = write_all(e->chain, (lw_span){ octets.ptr, n }, "encrypt the message", err)) >= 0)
            rc = drain(e, err);
        octets = (lw_span){ octets.ptr + n, octets.len - n };
    }
    return rc;
}

static bool
add_readers(CMS_ContentInfo *cms, const lw_certs *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->items[i].is_used && CMS_add1_recipient_cert(cms, l->items[i].x509, 0) == NULL)
            return false;
    return true;
}

/* the originator's certificate may stand among the readers' too */
static bool
signer_is_apart(const lw_secure *s)
{
    if (s->signer.n == 0 || !s->signer.items[0].is_used)
        return false;
    for (size_t i = 0; i < s->readers.n; i++)
        if (s->readers.items[i].is_used && X509_cmp(s->readers.items[i].x509, s->signer.items[0].x509) == 0)
            return false;
    return true;
}

static CMS_ContentInfo *
begin_envelope(const lw_secure *s)
{
    const EVP_CIPHER *cipher = s->cipher == LW_SMIME_AES_256_GCM ? EVP_aes_256_gcm() : EVP_aes_256_cbc();
    CMS_ContentInfo *cms = CMS_encrypt(NULL, NULL, cipher, FLAGS);

    if (cms != NULL && add_readers(cms, &s->readers) &&
        (!signer_is_apart(s) || CMS_add1_recipient_cert(cms, s->signer.items[0].x509, 0) != NULL))
        return cms;
    CMS_ContentInfo_free(cms);
    return NULL;
}

/* pops what stands above mem */
static void
free_chain(sealing *e)
{
    while (e->chain != NULL && e->chain != e->mem) {
        BIO *below = BIO_pop(e->chain);
        BIO_free(e->chain);
        e->chain = below;
    }
    BIO_free(e->mem);
}

static lw_code
fill_spool(lw_secure *s, lw_secured *b, lw_spool *spool, lw_error *err)
{
    CMS_ContentInfo *cms = begin_envelope(s);
    sealing e = { .spool = spool, .mem = BIO_new(BIO_s_mem()) };
    lw_code rc;

    e.chain = cms == NULL || e.mem == NULL ? NULL : BIO_new_CMS(e.mem, cms);
    if (e.chain == NULL)
        rc = lw_secure_openssl_failed("begin to encrypt", err);
    else
        rc = lw_secured_each(b, seal, &e, err);
    if (rc >= 0 && BIO_flush(e.chain) != 1)
        rc = lw_secure_openssl_failed("end encrypting", err);
    if (rc >= 0 && (rc = drain(&e, err)) >= 0)
        rc = lw_spool_finish(spool, err);
    free_chain(&e);
    CMS_ContentInfo_free(cms);
    return rc;
}

/* [RFC8551 3.2.1] "the use of the filename base "smime" SHOULD be used to indicate that the MIME entity
 * is associated with S/MIME." */
static const char *
envelope_header(lw_smime_cipher cipher)
{
    return cipher == LW_SMIME_AES_256_GCM
        ? "Content-Type: application/pkcs7-mime; smime-type=authEnveloped-data;\r\n"
          " name=\"smime.p7m\"\r\nContent-Transfer-Encoding: base64\r\n"
          "Content-Disposition: attachment; filename=\"smime.p7m\"\r\n\r\n"
        : "Content-Type: application/pkcs7-mime; smime-type=enveloped-data;\r\n"
          " name=\"smime.p7m\"\r\nContent-Transfer-Encoding: base64\r\n"
          "Content-Disposition: attachment; filename=\"smime.p7m\"\r\n\r\n";
}

static lw_code
encrypt(lw_secure *s, lw_secured *b, const lw_people *p, lw_error *err)
{
    lw_spool *spool = lw_spool_new(&s->alloc, LW_SPOOL_BASE64, s->temp_dir);
    lw_code rc;

    if (spool == NULL)
        return lw_secure_no_memory(err);
    if ((rc = fill_spool(s, b, spool, err)) < 0) {
        lw_spool_free(spool);
        return rc;
    }
    b->spool = spool;
    lw_buf_reset(&b->pre);
    lw_buf_reset(&b->post);
    lw_buf_add_str(&b->pre, envelope_header(s->cipher));
    return lw_secured_settle(b, err);
}

const lw_secure_method lw_secure_smime = { .check = check, .sign = sign, .encrypt = encrypt };
