/* SPDX-License-Identifier: MIT */
#include "support.h"

/* ---- certificates ------------------------------------------------------------------------------- */

static void
add_ext(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *ext = value == NULL ? NULL : X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    if (value == NULL)
        return;
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(cert, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

static EVP_PKEY *
make_key(const char *kind)
{
    if (kind == NULL || strcmp(kind, "EC") == 0)
        return EVP_EC_gen("P-256");
    if (strcmp(kind, "ED25519") == 0)
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)strtoul(kind + 4, NULL, 10));
}

static char *
take_text(BIO *bio)
{
    char *p, *copy;
    long n = BIO_get_mem_data(bio, &p);

    copy = lw_span_dup(NULL, (lw_span){ p, (size_t)n });
    BIO_free(bio);
    return copy;
}

char *
encrypted_key(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_256_cbc(), "secret", 6, NULL, NULL), 1);
    return take_text(bio);
}

static void
write_pem(identity *id)
{
    BIO *cert = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());

    assert_int_equal(PEM_write_bio_X509(cert, id->x509), 1);
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(key, id->key, NULL, NULL, 0, NULL, NULL), 1);
    id->cert_pem = take_text(cert);
    id->key_pem = take_text(key);
}

identity
make_identity(const wish *w)
{
    static long serial = 1;
    identity id = { .key = make_key(w->key), .x509 = X509_new() };
    bool is_ed = w->key != NULL && strcmp(w->key, "ED25519") == 0;
    char email[200];

    assert_true(id.key != NULL && id.x509 != NULL);
    X509_set_version(id.x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(id.x509), serial++);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(id.x509), "CN", MBSTRING_UTF8,
                               (const unsigned char *)(w->name != NULL ? w->name : "Somebody"), -1, -1, 0);
    X509_set_issuer_name(id.x509, X509_get_subject_name(id.x509));
    ASN1_TIME_set(X509_getm_notBefore(id.x509), w->from_s != 0 ? w->from_s : NOW - DAY);
    ASN1_TIME_set(X509_getm_notAfter(id.x509), w->until_s != 0 ? w->until_s : NOW + DAY);
    X509_set_pubkey(id.x509, id.key);
    snprintf(email, sizeof email, "email:%s", w->address == NULL ? "" : w->address);
    add_ext(id.x509, NID_subject_alt_name, w->address == NULL ? NULL : email);
    add_ext(id.x509, NID_key_usage, w->usage);
    add_ext(id.x509, NID_ext_key_usage, w->purpose);
    assert_true(X509_sign(id.x509, id.key, is_ed ? NULL : EVP_sha256()) > 0);
    write_pem(&id);
    return id;
}

void
drop_identity(identity *id)
{
    EVP_PKEY_free(id->key);
    X509_free(id->x509);
    free(id->cert_pem);
    free(id->key_pem);
}

/* ---- bodies -------------------------------------------------------------------------------------- */

static lw_code
seams_next(void *ctx, lw_span *span)
{
    seams *s = ctx;
    const char *text = s->n_rewinds > 0 && s->changed != NULL ? s->changed : s->text;
    size_t n = s->len - s->at < s->max ? s->len - s->at : s->max;

    *span = (lw_span){ guard_put(&s->page, text + s->at, n), n };
    s->at += n;
    return s->at == s->len ? LW_DONE : LW_OK;
}

static lw_code
seams_rewind(void *ctx)
{
    seams *s = ctx;

    s->at = 0;
    s->n_rewinds += 1;
    return LW_OK;
}

lw_body
open_seams(seams *s, lw_span text, size_t max)
{
    *s = (seams){ .text = text.ptr, .len = text.len, .max = max };
    guard_open(&s->page, max < text.len ? max : text.len);
    return (lw_body){ .next = seams_next, .rewind = seams_rewind, .ctx = s, .size = text.len,
                      .is_canonical = true };
}

void
close_seams(seams *s)
{
    guard_close(&s->page);
}

char *
pull(lw_body *b, size_t *len, lw_code *rc)
{
    lw_span span;
    lw_buf out;

    lw_buf_init(&out, NULL, (size_t)1 << 26);
    do {
        *rc = b->next(b->ctx, &span);
        if (*rc >= 0)
            lw_buf_add(&out, span);
    } while (*rc == LW_OK);
    *len = out.len;
    return lw_buf_take(&out);
}

/* ---- reading what came out ------------------------------------------------------------------------- */

lw_span
body_of(lw_span message)
{
    const char *p = memmem(message.ptr, message.len, "\r\n\r\n", 4);

    assert_non_null(p);
    return (lw_span){ p + 4, message.len - (size_t)(p + 4 - message.ptr) };
}

/* base64 lines into a memory BIO */
static BIO *
decode(lw_span lines)
{
    BIO *mem = BIO_new(BIO_s_mem());
    lw_span line;

    while (lw_span_token(&lines, '\n', &line)) {
        char out[100];
        size_t n;
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (line.len == 0)
            continue;
        assert_true(line.len <= 76);
        assert_true(lw_base64_decode(out, line, &n));
        BIO_write(mem, out, (int)n);
    }
    return mem;
}

/* the octets before needle, moved out of *rest with it; the end if it is not there */
static lw_span
upto(lw_span *rest, const char *needle)
{
    const char *p = memmem(rest->ptr, rest->len, needle, strlen(needle));
    size_t n = p == NULL ? rest->len : (size_t)(p - rest->ptr), skip = p == NULL ? 0 : strlen(needle);
    lw_span before = { rest->ptr, n };

    *rest = (lw_span){ rest->ptr + n + skip, rest->len - n - skip };
    return before;
}

lw_span
verify_smime(lw_span message, X509 *x509)
{
    lw_span rest = message, entity;
    char separator[100];

    upto(&rest, "boundary=\"");
    lw_span boundary = upto(&rest, "\"");
    snprintf(separator, sizeof separator, "\r\n--%.*s", (int)boundary.len, boundary.ptr);
    upto(&rest, separator + 2);
    upto(&rest, "\r\n");
    entity = upto(&rest, separator);
    upto(&rest, "\r\n\r\n");

    BIO *der = decode(upto(&rest, separator)), *content = BIO_new_mem_buf(entity.ptr, (int)entity.len);
    CMS_ContentInfo *cms = d2i_CMS_bio(der, NULL);
    STACK_OF(X509) *signers = sk_X509_new_null();
    sk_X509_push(signers, x509);
    bool ok = cms != NULL &&
        CMS_verify(cms, signers, NULL, content, NULL,
                   CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY | CMS_NOINTERN) == 1;
    sk_X509_free(signers);
    CMS_ContentInfo_free(cms);
    BIO_free(der);
    BIO_free(content);
    return ok ? entity : LW_NO_SPAN;
}

char *
decrypt_smime(lw_span message, const identity *id, size_t *len)
{
    BIO *der = decode(body_of(message)), *out = BIO_new(BIO_s_mem());
    CMS_ContentInfo *cms = d2i_CMS_bio(der, NULL);
    char *text = NULL, *p;

    assert_non_null(cms);
    *len = 0;
    if (CMS_decrypt(cms, id->key, id->x509, NULL, out, CMS_BINARY) == 1) {
        *len = (size_t)BIO_get_mem_data(out, &p);
        text = lw_span_dup(NULL, (lw_span){ p, *len });
    }
    CMS_ContentInfo_free(cms);
    BIO_free(der);
    BIO_free(out);
    return text;
}
