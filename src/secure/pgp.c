/* SPDX-License-Identifier: MIT */
/*
 * secure/pgp.c - OpenPGP/MIME (RFC 3156) by GPGME, which runs gpg
 *
 * gpg reads the message through a pipe, piece by piece, and keeps none of it.  Keys come from its own
 * ring; whether a key is trusted is gpg's decision.  Signing and encrypting in one is the combined
 * method of RFC 3156 6.2.
 */
#include <signal.h>

#include "secure/pgp_int.h"

#ifdef LW_HAVE_GPGME
#include <errno.h>

/** One run of gpg: what it reads, and where its answer goes. */
typedef struct run {
    lw_secured *b;
    lw_span rest;
    bool at_end, is_signed;
    lw_fragile fragile;
    lw_buf *text;      /* a signature goes here,           */
    lw_spool *spool;   /* encrypted octets there           */
    lw_code rc;        /* the first failure on our side    */
    lw_error error;
} run;

/* ---- octets to gpg and back -------------------------------------------------------------------------- */

static ssize_t
fail_run(run *r, lw_code rc)
{
    r->rc = rc;
    errno = EIO;
    return -1;
}

static lw_code
pull(run *r)
{
    lw_code rc = r->b->body.next(r->b->body.ctx, &r->rest);

    if (rc < 0) {
        r->error = *lw_secured_error(r->b);
        return r->error.code < 0 ? rc : lw_secure_fail(&r->error, rc, "the message could not be read: %s",
                                                       lw_code_text(rc));
    }
    r->at_end = rc == LW_DONE;
    return r->is_signed ? lw_fragile_feed(&r->fragile, r->rest, &r->error) : LW_OK;
}

static ssize_t
give(void *handle, void *buf, size_t cap)
{
    run *r = handle;
    lw_code rc;

    while (r->rest.len == 0 && !r->at_end)
        if ((rc = pull(r)) < 0)
            return fail_run(r, rc);
    size_t n = r->rest.len < cap ? r->rest.len : cap;
    memcpy(buf, r->rest.ptr, n);
    r->rest = (lw_span){ r->rest.ptr + n, r->rest.len - n };
    return (ssize_t)n;
}

/* gpg's lines end as this system's do */
static ssize_t
take(void *handle, const void *buf, size_t n)
{
    run *r = handle;
    const char *p = buf;
    lw_code rc = LW_OK;

    if (r->spool != NULL)
        rc = lw_spool_write(r->spool, (lw_span){ p, n }, &r->error);
    for (size_t i = 0; r->text != NULL && i < n; i++)
        if (p[i] == '\n')
            lw_buf_add(r->text, LW_LIT("\r\n"));
        else if (p[i] != '\r')
            lw_buf_add_char(r->text, p[i]);
    return rc < 0 ? fail_run(r, rc) : (ssize_t)n;
}

static const struct gpgme_data_cbs giving = { .read = give };
static const struct gpgme_data_cbs taking = { .write = take };

typedef struct streams {
    gpgme_data_t in, out;
} streams;

static gpgme_error_t
open_streams(streams *s, run *r)
{
    gpgme_error_t e;

    *s = (streams){ NULL, NULL };
    if ((e = gpgme_data_new_from_cbs(&s->in, (gpgme_data_cbs_t)&giving, r)) == 0)
        e = gpgme_data_new_from_cbs(&s->out, (gpgme_data_cbs_t)&taking, r);
    return e;
}

static void
close_streams(streams *s)
{
    if (s->in != NULL)
        gpgme_data_release(s->in);
    if (s->out != NULL)
        gpgme_data_release(s->out);
}

/* ---- failures ------------------------------------------------------------------------------------------ */

static bool
wants_password(gpgme_err_code_t code)
{
    return code == GPG_ERR_NO_PIN_ENTRY || code == GPG_ERR_PIN_ENTRY || code == GPG_ERR_CANCELED ||
        code == GPG_ERR_BAD_PASSPHRASE || code == GPG_ERR_NO_PASSPHRASE || code == GPG_ERR_FULLY_CANCELED;
}

static lw_code
gpg_failed(gpgme_error_t e, const char *what, lw_error *err)
{
    char why[120] = "";

    if (gpgme_err_code(e) == GPG_ERR_ENOMEM)
        return lw_secure_no_memory(err);
    if (wants_password(gpgme_err_code(e)))
        return lw_secure_fail(err, LW_ECONFIG, "pgp: gpg needs a password to %s, and none is asked for here: "
                              "let gpg-agent know it, or use a key without one", what);
    gpgme_strerror_r(e, why, sizeof why);
    return lw_secure_fail(err, LW_ECONFIG, "pgp: gpg could not %s: %s", what, why);
}

/* our own failure is the reason of gpg's */
static lw_code
run_failed(const run *r, gpgme_error_t e, const char *what, lw_error *err)
{
    if (r->rc >= 0)
        return gpg_failed(e, what, err);
    if (err != NULL)
        *err = r->error;
    return r->rc;
}

/* ---- keys ---------------------------------------------------------------------------------------------- */

static gpgme_error_t
open_context(const lw_secure *s, gpgme_ctx_t *ctx)
{
    gpgme_error_t e = gpgme_new(ctx);

    if (e == 0)
        e = gpgme_set_protocol(*ctx, GPGME_PROTOCOL_OpenPGP);
    if (e == 0 && s->pgp_home != NULL)
        e = gpgme_ctx_set_engine_info(*ctx, GPGME_PROTOCOL_OpenPGP, NULL, s->pgp_home);
    if (e == 0)
        e = gpgme_set_pinentry_mode(*ctx, GPGME_PINENTRY_MODE_ERROR);
    if (e != 0)
        return e;
    gpgme_set_armor(*ctx, 1);
    gpgme_set_offline(*ctx, 1);
    return 0;
}

/* NULL = it can be used */
static const char *
key_problem(gpgme_key_t key, bool signs)
{
    if (key->revoked)
        return "is revoked";
    if (key->expired)
        return "is expired";
    if (key->disabled || key->invalid)
        return "is disabled or invalid";
    if (signs ? !key->can_sign : !key->can_encrypt)
        return signs ? "is not for signing" : "is not for encrypting";
    return NULL;
}

/* an address is looked for as a whole, anything else as gpg understands it */
static void
make_pattern(char *pattern, size_t cap, const char *who)
{
    bool is_address = strchr(who, '@') != NULL && strchr(who, '<') == NULL;
    snprintf(pattern, cap, is_address ? "<%s>" : "%s", who);
}

/* the first usable key; *problem: why none is, NULL = there is none at all */
static gpgme_error_t
find_key(gpgme_ctx_t ctx, const char *who, bool signs, gpgme_key_t *key, const char **problem)
{
    char pattern[400];
    gpgme_error_t e;

    *key = NULL;
    *problem = NULL;
    make_pattern(pattern, sizeof pattern, who);
    if ((e = gpgme_op_keylist_start(ctx, pattern, signs)) != 0)
        return e;
    while ((e = gpgme_op_keylist_next(ctx, key)) == 0) {
        if ((*problem = key_problem(*key, signs)) == NULL)
            break;
        gpgme_key_unref(*key);
        *key = NULL;
    }
    gpgme_op_keylist_end(ctx);
    return gpgme_err_code(e) == GPG_ERR_EOF ? 0 : e;
}

static lw_code
want_key(gpgme_ctx_t ctx, const char *who, bool signs, gpgme_key_t *key, lw_error *err)
{
    const char *problem;
    gpgme_error_t e = find_key(ctx, who, signs, key, &problem);

    if (e != 0)
        return gpg_failed(e, "look for keys", err);
    if (*key != NULL)
        return LW_OK;
    return problem == NULL
        ? lw_secure_fail(err, LW_ECONFIG, "pgp: gpg has no %s of %s: nothing was sent",
                         signs ? "secret key" : "key", who)
        : lw_secure_fail(err, LW_ECONFIG, "pgp: the key of %s %s: nothing was sent", who, problem);
}

static lw_code
add_signer(const lw_secure *s, gpgme_ctx_t ctx, const lw_people *p, lw_error *err)
{
    const lw_mailboxes *l = &p->entity->senders;
    const char *who = s->pgp_key != NULL ? s->pgp_key : l->n > 0 ? l->items[0].addr : NULL;
    gpgme_key_t key;
    gpgme_error_t e;
    lw_code rc;

    if (who == NULL)
        return lw_secure_fail(err, LW_EMESSAGE, "pgp: the message names no sender whose key "
                              "could sign: name the key");
    if ((rc = want_key(ctx, who, true, &key, err)) < 0)
        return rc;
    gpgme_signers_clear(ctx);
    e = gpgme_signers_add(ctx, key);
    gpgme_key_unref(key);
    return e == 0 ? LW_OK : gpg_failed(e, "use the key", err);
}

static void
free_keys(const lw_secure *s, gpgme_key_t *keys)
{
    for (size_t i = 0; keys != NULL && keys[i] != NULL; i++)
        gpgme_key_unref(keys[i]);
    lw_release(&s->alloc, keys);
}

/* the keys of all recipients, and of the sender if gpg has one; NULL after the last */
static lw_code
find_readers(const lw_secure *s, gpgme_ctx_t ctx, const lw_people *p, gpgme_key_t **out, lw_error *err)
{
    const lw_mailboxes *l = &p->entity->senders;
    size_t n = p->env->n_rcpts;
    gpgme_key_t *keys = lw_zalloc_array(&s->alloc, n + 2, sizeof *keys);
    const char *ignored;
    lw_code rc = LW_OK;

    *out = keys;
    if (keys == NULL)
        return lw_secure_no_memory(err);
    for (size_t i = 0; rc >= 0 && i < n; i++)
        rc = want_key(ctx, p->env->rcpts[i].address, false, &keys[i], err);
    if (rc >= 0 && l->n > 0 && find_key(ctx, l->items[0].addr, false, &keys[n], &ignored) != 0)
        keys[n] = NULL;
    return rc;
}

/* ---- signing -------------------------------------------------------------------------------------------- */

/* [RFC3156 5] "Hash-symbols are constructed from the text names registered in [1] or according to the
 * mechanism defined in that document by converting the text name to lower case and prefixing it with
 * the four characters "pgp-"." */
static lw_code
hash_symbol(gpgme_ctx_t ctx, char symbol[32], lw_error *err)
{
    gpgme_sign_result_t r = gpgme_op_sign_result(ctx);
    const char *name = r == NULL || r->signatures == NULL ? NULL
        : gpgme_hash_algo_name(r->signatures->hash_algo);
    size_t n = 4;

    if (name == NULL)
        return lw_secure_fail(err, LW_ECONFIG, "pgp: gpg signed with an unknown hash");
    memcpy(symbol, "pgp-", n);
    while (*name != '\0' && n < 31)
        symbol[n++] = lw_lower(*name++);
    symbol[n] = '\0';
    return LW_OK;
}

static lw_code
run_sign(gpgme_ctx_t ctx, lw_secured *b, lw_buf *signature, lw_error *err)
{
    run r = { .b = b, .is_signed = true, .text = signature };
    gpgme_error_t e;
    streams s;

    if ((e = open_streams(&s, &r)) == 0)
        e = gpgme_op_sign(ctx, s.in, s.out, GPGME_SIG_MODE_DETACH);
    close_streams(&s);
    if (e != 0 || r.rc < 0)
        return run_failed(&r, e, "sign", err);
    return lw_secured_settle(b, err);
}

/* [RFC3156 5] "The multipart/signed body MUST consist of exactly two parts." */
static lw_code
sign_with(lw_secure *s, gpgme_ctx_t ctx, lw_secured *b, const lw_people *p, lw_error *err)
{
    char symbol[32], type[100];
    lw_buf signature;
    lw_code rc;

    lw_buf_init(&signature, &s->alloc, LW_SECURE_EXTRA_MAX);
    lw_buf_add(&signature, LW_LIT("Content-Type: application/pgp-signature; name=\"signature.asc\"\r\n"
                                  "Content-Description: OpenPGP digital signature\r\n\r\n"));
    if ((rc = add_signer(s, ctx, p, err)) >= 0 && (rc = run_sign(ctx, b, &signature, err)) >= 0 &&
        (rc = hash_symbol(ctx, symbol, err)) >= 0) {
        snprintf(type, sizeof type, "signed; protocol=\"application/pgp-signature\";\r\n micalg=%s", symbol);
        rc = lw_secured_wrap(b, type, &signature, err);
    }
    lw_buf_deinit(&signature);
    return rc;
}

/* ---- encrypting ------------------------------------------------------------------------------------------- */

/* gpg names the key that it would not use */
static lw_code
encrypt_failed(gpgme_ctx_t ctx, const run *r, gpgme_error_t e, lw_error *err)
{
    gpgme_encrypt_result_t result = gpgme_op_encrypt_result(ctx);
    gpgme_invalid_key_t bad = result == NULL ? NULL : result->invalid_recipients;

    if (r->rc >= 0 && gpgme_err_code(e) == GPG_ERR_UNUSABLE_PUBKEY)
        return lw_secure_fail(err, LW_ECONFIG, "pgp: gpg does not trust the key%s%.60s of a recipient: if it "
                              "is his, say so with gpg --lsign-key; nothing was sent",
                              bad != NULL ? " " : "", bad != NULL && bad->fpr != NULL ? bad->fpr : "");
    return run_failed(r, e, "encrypt", err);
}

static lw_code
run_encrypt(lw_secure *s, gpgme_ctx_t ctx, gpgme_key_t *keys, run *r, lw_error *err)
{
    gpgme_error_t e;
    streams io;

    if ((e = open_streams(&io, r)) == 0)
        e = s->signs ? gpgme_op_encrypt_sign(ctx, keys, 0, io.in, io.out)
                     : gpgme_op_encrypt(ctx, keys, 0, io.in, io.out);
    close_streams(&io);
    if (e != 0 || r->rc < 0)
        return encrypt_failed(ctx, r, e, err);
    return lw_spool_finish(r->spool, err);
}

/* [RFC3156 4] "The multipart/encrypted MIME body MUST consist of exactly two body parts, the first with
 * content type "application/pgp-encrypted"." */
static lw_code
wrap_encrypted(lw_secured *b, lw_spool *spool, lw_error *err)
{
    char boundary[LW_BOUNDARY_LEN + 1];

    b->spool = spool;
    lw_buf_reset(&b->pre);
    lw_buf_reset(&b->post);
    if (!lw_multipart_begin(&b->pre, boundary, "encrypted; protocol=\"application/pgp-encrypted\""))
        return lw_secure_no_memory(err);
    lw_buf_add(&b->pre, LW_LIT("Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"));
    lw_multipart_next(&b->pre, boundary);
    lw_buf_add(&b->pre, LW_LIT("Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\n"
                               "Content-Disposition: inline; filename=\"encrypted.asc\"\r\n\r\n"));
    lw_multipart_end(&b->post, boundary);
    return lw_secured_settle(b, err);
}

static lw_code
encrypt_with(lw_secure *s, gpgme_ctx_t ctx, lw_secured *b, const lw_people *p, lw_error *err)
{
    run r = { .b = b, .is_signed = s->signs };
    gpgme_key_t *keys = NULL;
    lw_code rc = s->signs ? add_signer(s, ctx, p, err) : LW_OK;

    if (rc >= 0 && (rc = find_readers(s, ctx, p, &keys, err)) >= 0) {
        r.spool = lw_spool_new(&s->alloc, LW_SPOOL_LINES, s->temp_dir);
        rc = r.spool == NULL ? lw_secure_no_memory(err) : run_encrypt(s, ctx, keys, &r, err);
    }
    free_keys(s, keys);
    if (rc >= 0)
        return wrap_encrypted(b, r.spool, err);
    lw_spool_free(r.spool);
    return rc;
}

/* ---- the method --------------------------------------------------------------------------------------------- */

typedef lw_code action(lw_secure *s, gpgme_ctx_t ctx, lw_secured *b, const lw_people *p, lw_error *err);

static lw_code
with_context(action *act, lw_secure *s, lw_secured *b, const lw_people *p, lw_error *err)
{
    gpgme_ctx_t ctx = NULL;
    lw_no_sigpipe held;
    gpgme_error_t e;
    lw_code rc;

    lw_sigpipe_hold(&held);
    e = open_context(s, &ctx);
    rc = e == 0 ? act(s, ctx, b, p, err) : gpg_failed(e, "be started", err);
    if (ctx != NULL)
        gpgme_release(ctx);
    lw_sigpipe_release(&held);
    return rc;
}

static lw_code
sign(lw_secure *s, lw_secured *b, const lw_people *p, lw_error *err)
{
    return with_context(sign_with, s, b, p, err);
}

static lw_code
encrypt(lw_secure *s, lw_secured *b, const lw_people *p, lw_error *err)
{
    return with_context(encrypt_with, s, b, p, err);
}

#else

static lw_code
sign(lw_secure *s, lw_secured *b, const lw_people *p, lw_error *err)
{
    return lw_pgp_available(err);
}

static lw_code
encrypt(lw_secure *s, lw_secured *b, const lw_people *p, lw_error *err)
{
    return lw_pgp_available(err);
}

#endif

static lw_code
check(lw_secure *s, const lw_people *p, lw_error *err)
{
    return s->encrypts ? lw_people_check_hidden(p, err) : LW_OK;
}

const lw_secure_method lw_secure_pgp = { .signs_inside = true, .check = check, .sign = sign,
                                         .encrypt = encrypt };
