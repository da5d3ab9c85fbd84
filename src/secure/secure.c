/* SPDX-License-Identifier: MIT */
/*
 * secure/secure.c - what is to be done to messages, and the order in which it is done
 *
 * [RFC8551 3.7] "When signing first, the signatories are then securely obscured by the enveloping."
 */
#include "secure/secure_int.h"

lw_code
lw_secure_fail(lw_error *err, lw_code code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    lw_vfail(err, code, LW_STAGE_COMPOSE, fmt, ap);
    va_end(ap);
    return code;
}

lw_code
lw_secure_no_memory(lw_error *err)
{
    return lw_secure_fail(err, LW_ENOMEM, "out of memory");
}

lw_code
lw_secure_openssl_failed(const char *what, lw_error *err)
{
    unsigned long last = ERR_peek_last_error();

    if (last == 0 || ERR_GET_REASON(last) == ERR_R_MALLOC_FAILURE)
        return lw_secure_no_memory(err);
    return lw_secure_fail(err, LW_ECONFIG, "smime: OpenSSL could not %s (error %d of library %d)",
                          what, ERR_GET_REASON(last), ERR_GET_LIB(last));
}

/* ---- life ------------------------------------------------------------------------------------ */

lw_secure *
lw_secure_new(const lw_alloc *alloc)
{
    lw_secure *s = lw_zalloc(alloc, sizeof *s);

    if (s != NULL)
        s->alloc = *lw_alloc_or_default(alloc);
    return s;
}

void
lw_secure_free(lw_secure *s)
{
    if (s == NULL)
        return;
    lw_alloc alloc = s->alloc;
    lw_certs_deinit(&s->signer, &alloc);
    lw_certs_deinit(&s->readers, &alloc);
    if (s->key != NULL)
        EVP_PKEY_free(s->key);
    lw_release(&alloc, s->temp_dir);
    lw_release(&alloc, s->pgp_key);
    lw_release(&alloc, s->pgp_home);
    lw_release(&alloc, s);
}

/* ---- setting it ------------------------------------------------------------------------------ */

lw_code
lw_secure_choose(lw_secure *s, lw_secure_kind kind, lw_error *err)
{
    if (s->kind != LW_SECURE_NONE && s->kind != kind)
        return lw_secure_fail(err, LW_EUSAGE, "a message is either S/MIME or OpenPGP: choose one");
    s->kind = kind;
    return LW_OK;
}

static lw_code
keep_text(lw_secure *s, char **slot, const char *text, const char *what, lw_error *err)
{
    char *copy;

    if (text == NULL || text[0] == '\0')
        return lw_secure_fail(err, LW_EUSAGE, "%s: nothing was given", what);
    if ((copy = lw_strdup(&s->alloc, text)) == NULL)
        return lw_secure_no_memory(err);
    lw_release(&s->alloc, *slot);
    *slot = copy;
    return LW_OK;
}

lw_code
lw_secure_temp_dir(lw_secure *s, const char *path, lw_error *err)
{
    if (s == NULL)
        return lw_secure_fail(err, LW_EUSAGE, "a pointer is NULL");
    return keep_text(s, &s->temp_dir, path, "folder for temporary files", err);
}

/* the first certificate signs; a second copy of one (a chain file often has it) says nothing more */
static lw_code
set_signer(lw_secure *s, lw_span certs, lw_span key, lw_error *err)
{
    lw_code rc;

    if ((rc = lw_certs_parse(&s->signer, &s->alloc, certs, err)) < 0 ||
        (rc = lw_cert_check(&s->signer.items[0], LW_CERT_SIGNS, err)) < 0)
        return rc;
    return lw_cert_key(&s->signer.items[0], key.len > 0 ? key : certs, &s->key, err);
}

lw_code
lw_secure_smime_sign(lw_secure *s, lw_span certs, lw_span key, lw_error *err)
{
    lw_code rc;

    if (s == NULL || (certs.ptr == NULL && certs.len > 0) || (key.ptr == NULL && key.len > 0))
        return lw_secure_fail(err, LW_EUSAGE, "a pointer is NULL");
    if (s->key != NULL)
        return lw_secure_fail(err, LW_EUSAGE, "smime: a certificate to sign with was given already");
    if ((rc = lw_secure_choose(s, LW_SECURE_SMIME, err)) < 0 ||
        (rc = lw_secure_openssl_load(err)) < 0)
        return rc;
    ERR_set_mark();
    rc = set_signer(s, certs, key, err);
    ERR_pop_to_mark();
    if (rc < 0)
        lw_certs_deinit(&s->signer, &s->alloc);
    s->signs = rc >= 0;
    return rc;
}

lw_code
lw_secure_smime_cert(lw_secure *s, lw_span certs, lw_error *err)
{
    size_t before;
    lw_code rc;

    if (s == NULL || (certs.ptr == NULL && certs.len > 0))
        return lw_secure_fail(err, LW_EUSAGE, "a pointer is NULL");
    before = s->readers.n;
    if ((rc = lw_secure_openssl_load(err)) < 0)
        return rc;
    ERR_set_mark();
    rc = lw_certs_parse(&s->readers, &s->alloc, certs, err);
    ERR_pop_to_mark();
    for (size_t i = before; rc >= 0 && i < s->readers.n; i++)
        if (lw_cert_n_addresses(&s->readers.items[i]) == 0)
            rc = lw_secure_fail(err, LW_ECONFIG, "smime: the certificate of %s has no mail address",
                                s->readers.items[i].name);
    if (rc < 0)
        lw_certs_truncate(&s->readers, before);
    return rc;
}

lw_code
lw_secure_smime_encrypt(lw_secure *s, lw_smime_cipher cipher, lw_error *err)
{
    lw_code rc;

    if (s == NULL)
        return lw_secure_fail(err, LW_EUSAGE, "a pointer is NULL");
    if (cipher != LW_SMIME_AES_256_CBC && cipher != LW_SMIME_AES_256_GCM)
        return lw_secure_fail(err, LW_EUSAGE, "smime: cipher %d is neither "
                              "LW_SMIME_AES_256_CBC nor LW_SMIME_AES_256_GCM", (int)cipher);
    if ((rc = lw_secure_choose(s, LW_SECURE_SMIME, err)) < 0)
        return rc;
    s->cipher = cipher;
    s->encrypts = true;
    return LW_OK;
}

lw_code
lw_secure_pgp_sign(lw_secure *s, const char *key, lw_error *err)
{
    lw_code rc;

    if (s == NULL)
        return lw_secure_fail(err, LW_EUSAGE, "a pointer is NULL");
    if ((rc = lw_secure_choose(s, LW_SECURE_PGP, err)) < 0 || (rc = lw_pgp_available(err)) < 0 ||
        (key != NULL && (rc = keep_text(s, &s->pgp_key, key, "pgp: key", err)) < 0))
        return rc;
    s->signs = true;
    return LW_OK;
}

lw_code
lw_secure_pgp_encrypt(lw_secure *s, lw_error *err)
{
    lw_code rc;

    if (s == NULL)
        return lw_secure_fail(err, LW_EUSAGE, "a pointer is NULL");
    if ((rc = lw_secure_choose(s, LW_SECURE_PGP, err)) < 0 || (rc = lw_pgp_available(err)) < 0)
        return rc;
    s->encrypts = true;
    return LW_OK;
}

lw_code
lw_secure_pgp_home(lw_secure *s, const char *path, lw_error *err)
{
    if (s == NULL)
        return lw_secure_fail(err, LW_EUSAGE, "a pointer is NULL");
    return keep_text(s, &s->pgp_home, path, "pgp: folder of keys", err);
}

/* ---- a message ------------------------------------------------------------------------------- */

static lw_code
protect(lw_secure *s, lw_secured *b, const lw_people *p, lw_error *err)
{
    const lw_secure_method *m = s->kind == LW_SECURE_SMIME ? &lw_secure_smime : &lw_secure_pgp;
    lw_code rc;

    if ((rc = m->check(s, p, err)) < 0)
        return rc;
    if (s->signs && !(s->encrypts && m->signs_inside) && (rc = m->sign(s, b, p, err)) < 0)
        return rc;
    return s->encrypts ? m->encrypt(s, b, p, err) : LW_OK;
}

/* What leaves is 7bit, but for a header that the message had so. */
static void
settle_envelope(lw_envelope *env, const lw_entity *e)
{
    if (!env->needs_smtputf8 && lw_span_is_ascii(lw_buf_span(&e->outer)))
        env->body_type = LW_BODY_7BIT;
}

static lw_code
build(lw_secure *s, lw_secured *b, lw_entity *e, lw_people *p, lw_error *err)
{
    lw_code rc;

    if ((rc = lw_entity_read(e, b->inner, err)) < 0)
        return rc;
    b->skip = e->header_len;
    if ((rc = lw_secured_prepend(b, LW_LIT("\r\n"), err)) < 0 ||
        (rc = lw_secured_prepend(b, lw_buf_span(&e->inner), err)) < 0 ||
        (rc = lw_secured_settle(b, err)) < 0 || (rc = protect(s, b, p, err)) < 0 ||
        (rc = lw_secured_prepend(b, LW_LIT("MIME-Version: 1.0\r\n"), err)) < 0 ||
        (rc = lw_secured_prepend(b, lw_buf_span(&e->outer), err)) < 0)
        return rc;
    return lw_secured_settle(b, err);
}

lw_code
lw_secure_body(lw_secure *s, lw_body *body, lw_envelope *env, int64_t now_s, lw_secured **out,
               lw_error *err)
{
    lw_people p = { .env = env, .now_s = now_s };
    lw_secured *b;
    lw_entity e;
    lw_code rc;

    if (out == NULL)
        return lw_secure_fail(err, LW_EUSAGE, "a pointer is NULL");
    *out = NULL;
    if (s == NULL || body == NULL || body->next == NULL || env == NULL)
        return lw_secure_fail(err, LW_EUSAGE, "a pointer is NULL");
    if (!s->signs && !s->encrypts)
        return lw_secure_fail(err, LW_EUSAGE, "neither signing nor encrypting was asked for");
    if (body->rewind == NULL)
        return lw_secure_fail(err, LW_EUSAGE, "the message cannot be read twice, as signing needs");
    if ((rc = lw_secure_openssl_load(err)) < 0)
        return rc;
    lw_entity_init(&e, &s->alloc);
    p.entity = &e;
    ERR_set_mark();
    if ((rc = lw_secured_new(&s->alloc, body, &b, err)) >= 0 && (rc = build(s, b, &e, &p, err)) >= 0) {
        settle_envelope(env, &e);
        *out = b;
        b = NULL;
    }
    ERR_pop_to_mark();
    lw_secured_free(b);
    lw_entity_deinit(&e);
    return rc;
}
