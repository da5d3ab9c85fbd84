/* SPDX-License-Identifier: MIT */
/*
 * secure/secured.c - the message that is sent: octets before the content, the content, octets behind
 *
 * Content that is only signed is pulled from the message again.  A digest of each pass is held
 * against that of the first, and what belongs behind it (the signature) is given only when they are
 * the same: a source that changed ends in an error, never in a complete message with a broken
 * signature.
 */
#include "secure/secure_int.h"

static int
rewind_sum(lw_secured *b)
{
    return EVP_DigestInit_ex2(b->sum, b->md, NULL);
}

static lw_code
rewind_all(void *ctx)
{
    lw_secured *b = ctx;

    b->phase = 0;
    b->to_skip = b->skip;
    b->n_content = 0;
    lw_error_clear(&b->error);
    if (b->spool != NULL) {
        lw_spool_rewind(b->spool);
        return LW_OK;
    }
    if (rewind_sum(b) != 1)
        return lw_secure_no_memory(&b->error);
    return b->inner->rewind(b->inner->ctx);
}

/* ---- the content ------------------------------------------------------------------------------- */

static lw_code
changed(lw_secured *b)
{
    return lw_fail(&b->error, LW_ESOURCE, LW_STAGE_DATA, "the message changed after it was signed: was "
                   "a file of it written to?");
}

/* the content has ended: as it did the first time? */
static lw_code
end_pass(lw_secured *b)
{
    unsigned char digest[LW_SECURE_DIGEST];

    if (EVP_DigestFinal_ex(b->sum, digest, NULL) != 1)
        return lw_secure_no_memory(&b->error);
    if (b->has_expected)
        return memcmp(digest, b->expected, sizeof digest) == 0 ? LW_DONE : changed(b);
    memcpy(b->expected, digest, sizeof digest);
    b->n_expected = b->n_content;
    b->has_expected = true;
    return LW_DONE;
}

static lw_code
pull_inner(lw_secured *b, lw_span *span)
{
    lw_code rc = b->inner->next(b->inner->ctx, span);

    if (rc < 0)
        return rc;
    size_t n = span->len < b->to_skip ? span->len : (size_t)b->to_skip;
    *span = (lw_span){ span->ptr + n, span->len - n };
    b->to_skip -= n;
    b->n_content += span->len;
    if (EVP_DigestUpdate(b->sum, span->ptr, span->len) != 1)
        return lw_secure_no_memory(&b->error);
    if ((b->has_expected && b->n_content > b->n_expected) || (rc == LW_DONE && b->to_skip > 0))
        return changed(b);
    return rc == LW_DONE ? end_pass(b) : LW_OK;
}

static lw_code
next(void *ctx, lw_span *span)
{
    lw_secured *b = ctx;
    lw_code rc;

    *span = LW_LIT("");
    if (b->error.code < 0)
        return b->error.code;
    switch (b->phase) {
    case 0:
        b->phase = 1;
        *span = lw_buf_span(&b->pre);
        return LW_OK;
    case 1:
        rc = b->spool != NULL ? lw_spool_next(b->spool, span, &b->error) : pull_inner(b, span);
        if (rc != LW_DONE)
            return rc;
        b->phase = 2;
        return b->post.len > 0 ? LW_OK : LW_DONE;
    case 2:
        b->phase = 3;
        *span = lw_buf_span(&b->post);
        return LW_DONE;
    default:
        return LW_DONE;
    }
}

/* ---- making it ---------------------------------------------------------------------------------- */

lw_code
lw_secured_new(const lw_alloc *alloc, lw_body *body, lw_secured **out, lw_error *err)
{
    lw_secured *b = *out = lw_zalloc(alloc, sizeof *b);

    if (b == NULL)
        return lw_secure_no_memory(err);
    b->alloc = *lw_alloc_or_default(alloc);
    b->inner = body;
    lw_buf_init(&b->pre, &b->alloc, 2 * LW_SECURE_HEADER_MAX + LW_SECURE_EXTRA_MAX);
    lw_buf_init(&b->post, &b->alloc, LW_SECURE_EXTRA_MAX);
    b->body = (lw_body){ .next = next, .rewind = rewind_all, .ctx = b, .size = LW_SIZE_UNKNOWN,
                         .is_canonical = true };
    b->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    b->sum = EVP_MD_CTX_new();
    if (b->md != NULL && b->sum != NULL && rewind_sum(b) == 1)
        return LW_OK;
    lw_secured_free(b);
    *out = NULL;
    return lw_secure_no_memory(err);
}

lw_code
lw_secured_prepend(lw_secured *b, lw_span text, lw_error *err)
{
    if (lw_buf_space(&b->pre, text.len) != NULL && text.len > 0) {
        lw_buf_used(&b->pre, text.len);
        memmove(b->pre.ptr + text.len, b->pre.ptr, b->pre.len - text.len);
        memcpy(b->pre.ptr, text.ptr, text.len);
    }
    return lw_buf_finish(&b->pre) < 0 ? lw_secure_no_memory(err) : LW_OK;
}

lw_code
lw_secured_settle(lw_secured *b, lw_error *err)
{
    lw_code rc = rewind_all(b);

    if (rc < 0 || (rc = lw_buf_finish(&b->pre)) < 0 || (rc = lw_buf_finish(&b->post)) < 0)
        return lw_secure_fail(err, rc, "the message could not be read again: %s", lw_code_text(rc));
    b->body.size = LW_SIZE_UNKNOWN;
    if (b->spool != NULL)
        b->body.size = b->pre.len + b->post.len + lw_spool_size(b->spool);
    else if (b->has_expected)
        b->body.size = b->pre.len + b->post.len + b->n_expected;
    return LW_OK;
}

lw_code
lw_secured_each(lw_secured *b, lw_code (*give)(void *ctx, lw_span octets, lw_error *err), void *ctx,
                lw_error *err)
{
    lw_code rc, given;
    lw_span span;

    do {
        if ((rc = next(b, &span)) < 0) {
            if (err != NULL && b->error.code < 0)
                *err = b->error;
            return b->error.code < 0 ? rc : lw_secure_fail(err, rc, "the message could not be read: %s",
                                                           lw_code_text(rc));
        }
        if ((given = give(ctx, span, err)) < 0)
            return given;
    } while (rc != LW_DONE);
    return lw_secured_settle(b, err);
}

lw_body *
lw_secured_body(lw_secured *b)
{
    return b == NULL ? NULL : &b->body;
}

const lw_error *
lw_secured_error(const lw_secured *b)
{
    return b == NULL ? &lw_error_of_null : &b->error;
}

void
lw_secured_free(lw_secured *b)
{
    if (b == NULL)
        return;
    lw_alloc alloc = b->alloc;
    lw_spool_free(b->spool);
    EVP_MD_CTX_free(b->sum);
    EVP_MD_free(b->md);
    lw_buf_deinit(&b->pre);
    lw_buf_deinit(&b->post);
    lw_release(&alloc, b);
}

/* ---- multiparts ------------------------------------------------------------------------------------- */

static void
put_boundary(lw_buf *b, const char *boundary)
{
    lw_buf_add(b, LW_LIT("--"));
    lw_buf_add_str(b, boundary);
}

/* [RFC2045 6.7] a boundary with "=_" cannot occur in quoted-printable or base64; 128 random bits are
 * in nothing else either */
bool
lw_multipart_begin(lw_buf *b, char boundary[LW_BOUNDARY_LEN + 1], const char *type)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char random[16];
    size_t n = 0;

    boundary[0] = '\0';
    if (RAND_bytes(random, sizeof random) != 1)
        return false;
    boundary[n++] = '=';
    boundary[n++] = '_';
    for (size_t i = 0; i < sizeof random; i++) {
        boundary[n++] = hex[random[i] >> 4];
        boundary[n++] = hex[random[i] & 15];
    }
    boundary[n] = '\0';
    lw_buf_add(b, LW_LIT("Content-Type: multipart/"));
    lw_buf_add_str(b, type);
    lw_buf_add(b, LW_LIT(";\r\n boundary=\""));
    lw_buf_add_str(b, boundary);
    lw_buf_add(b, LW_LIT("\"\r\n\r\n"));
    put_boundary(b, boundary);
    lw_buf_add(b, LW_LIT("\r\n"));
    return true;
}

void
lw_multipart_next(lw_buf *b, const char *boundary)
{
    lw_buf_add(b, LW_LIT("\r\n"));
    put_boundary(b, boundary);
    lw_buf_add(b, LW_LIT("\r\n"));
}

void
lw_multipart_end(lw_buf *b, const char *boundary)
{
    lw_buf_add(b, LW_LIT("\r\n"));
    put_boundary(b, boundary);
    lw_buf_add(b, LW_LIT("--\r\n"));
}

lw_code
lw_secured_wrap(lw_secured *b, const char *type, const lw_buf *part, lw_error *err)
{
    char boundary[LW_BOUNDARY_LEN + 1];
    lw_buf head;
    lw_code rc;

    lw_buf_init(&head, &b->alloc, LW_SECURE_EXTRA_MAX);
    if (!lw_multipart_begin(&head, boundary, type))
        rc = lw_secure_openssl_failed("find randomness", err);
    else if ((rc = lw_buf_finish(&head)) < 0 || (rc = lw_buf_finish(part)) < 0)
        lw_secure_fail(err, rc, "the signature: %s", lw_code_text(rc));
    else
        rc = lw_secured_prepend(b, lw_buf_span(&head), err);
    lw_buf_deinit(&head);
    if (rc < 0)
        return rc;
    lw_multipart_next(&b->post, boundary);
    lw_buf_add(&b->post, lw_buf_span(part));
    lw_multipart_end(&b->post, boundary);
    return lw_secured_settle(b, err);
}
