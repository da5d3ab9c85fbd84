/* SPDX-License-Identifier: MIT */
/*
 * dkim/body.c - a body signed on its way out: pulled once to be hashed, and again to be sent
 *
 * Nothing of the message is kept but its signatures and a checksum.  The last span is given only
 * after the checksum of the second pass equals that of the first: a source that changed between
 * them ends in an error, never in a complete message with a broken signature.
 */
#include "dkim/dkim_int.h"

/* A first span of at most this many octets is copied behind the signatures, so that a small
 * message stays one span (one BDAT chunk). */
#define JOIN_MAX ((size_t)16 << 10)

struct lw_dkim_signed {
    lw_alloc alloc;
    lw_body body, *inner;
    lw_buf out; /* n_fields octets of DKIM-Signature, and behind them what was joined */
    size_t n_fields;
    lw_dkim_sum signed_sum, sent_sum;
    bool is_started, has_held;
    lw_span held; /* the inner body's first span, when it was not joined */
    lw_code held_rc;
    lw_error error;
};

static lw_code
changed(lw_dkim_signed *b)
{
    return lw_fail(&b->error, LW_ESOURCE, LW_STAGE_DATA,
                   "dkim: the message changed after it was signed (it had "
                   "%llu octets, %llu were read again): was a file of it written to?",
                   (unsigned long long)b->signed_sum.n,
                   (unsigned long long)b->sent_sum.n);
}

/* the next span of the inner body, held against the first pass */
static lw_code
pull(lw_dkim_signed *b, lw_span *span)
{
    lw_code rc = b->inner->next(b->inner->ctx, span);

    if (rc < 0)
        return rc;
    lw_dkim_sum_add(&b->sent_sum, *span);
    if (b->sent_sum.n > b->signed_sum.n ||
        (rc == LW_DONE && !lw_dkim_sum_eq(&b->sent_sum, &b->signed_sum)))
        return changed(b);
    return rc;
}

static lw_code
next(void *ctx, lw_span *span)
{
    lw_dkim_signed *b = ctx;
    lw_code rc;

    *span = LW_LIT("");
    if (b->has_held) {
        b->has_held = false;
        *span = b->held;
        return b->held_rc;
    }
    if ((rc = pull(b, span)) < 0 || b->is_started)
        return rc;
    b->is_started = true;
    if (span->len <= JOIN_MAX) {
        lw_buf_add(&b->out, *span); /* there is room: see make_room() */
        *span = lw_buf_span(&b->out);
        return lw_buf_finish(&b->out) < 0 ? lw_buf_finish(&b->out) : rc;
    }
    b->has_held = true;
    b->held = *span;
    b->held_rc = rc;
    *span = lw_buf_span(&b->out);
    return LW_OK;
}

static lw_code
rewind_body(void *ctx)
{
    lw_dkim_signed *b = ctx;

    b->out.len = b->n_fields;
    b->is_started = b->has_held = false;
    b->sent_sum = (lw_dkim_sum){ .n = 0 };
    lw_error_clear(&b->error);
    return b->inner->rewind(b->inner->ctx);
}

/* ---- the first pass -------------------------------------------------------------- */

static lw_code
hash_all(lw_dkim_signed *b, lw_dkim_signer *s, lw_error *err)
{
    lw_span span;
    lw_code rc, fed;

    do {
        if ((rc = b->inner->next(b->inner->ctx, &span)) < 0)
            return lw_dkim_fail(err, rc, "the message could not be read: %s",
                                lw_code_text(rc));
        if ((fed = lw_dkim_sign_feed(s, span, err)) < 0)
            return fed;
        lw_dkim_sum_add(&b->signed_sum, span);
    } while (rc != LW_DONE);
    return LW_OK;
}

static lw_code
keep_fields(lw_dkim_signed *b, lw_span fields)
{
    size_t room = b->signed_sum.n < JOIN_MAX ? (size_t)b->signed_sum.n : JOIN_MAX;

    (void)lw_buf_space(&b->out, fields.len + room); /* a failure sticks */
    lw_buf_add(&b->out, fields);
    b->n_fields = fields.len;
    return lw_buf_finish(&b->out);
}

static lw_code
sign(lw_dkim_signed *b, lw_dkim_signer *s, int64_t unix_s, lw_error *err)
{
    lw_span fields;
    lw_code rc;

    if ((rc = lw_dkim_sign_begin(s, unix_s, err)) < 0 ||
        (rc = hash_all(b, s, err)) < 0 ||
        (rc = lw_dkim_sign_finish(s, &fields, err)) < 0)
        return rc;
    if ((rc = keep_fields(b, fields)) < 0)
        return lw_dkim_fail(err, rc, "out of memory");
    if ((rc = b->inner->rewind(b->inner->ctx)) < 0)
        return lw_dkim_fail(err, rc, "the message could not be read again: %s",
                            lw_code_text(rc));
    b->body = (lw_body){ .next = next,
                         .rewind = rewind_body,
                         .ctx = b,
                         .size = b->n_fields + b->signed_sum.n,
                         .is_canonical = b->inner->is_canonical };
    return LW_OK;
}

lw_code
lw_dkim_sign_body(lw_dkim_signer *s, lw_body *body, int64_t unix_s,
                  lw_dkim_signed **out, lw_error *err)
{
    lw_dkim_signed *b;
    lw_code rc;

    if (out == NULL)
        return lw_dkim_fail(err, LW_EUSAGE, "a pointer is NULL");
    *out = NULL;
    if (s == NULL || body == NULL || body->next == NULL)
        return lw_dkim_fail(err, LW_EUSAGE, "a pointer is NULL");
    if (body->rewind == NULL)
        return lw_dkim_fail(err, LW_EUSAGE,
                            "the message cannot be read twice, as signing needs");
    if ((b = lw_zalloc(lw_dkim_signer_alloc(s), sizeof *b)) == NULL)
        return lw_dkim_no_memory(err);
    b->alloc = *lw_dkim_signer_alloc(s);
    b->inner = body;
    lw_buf_init(&b->out, &b->alloc, LW_DKIM_HEADER_MAX + JOIN_MAX);
    if ((rc = sign(b, s, unix_s, err)) == LW_OK)
        *out = b;
    else
        lw_dkim_signed_free(b);
    return rc;
}

lw_body *
lw_dkim_signed_body(lw_dkim_signed *b)
{
    return b == NULL ? NULL : &b->body;
}

lw_span
lw_dkim_signed_fields(const lw_dkim_signed *b)
{
    return b == NULL ? LW_NO_SPAN : (lw_span){ b->out.ptr, b->n_fields };
}

const lw_error *
lw_dkim_signed_error(const lw_dkim_signed *b)
{
    return b == NULL ? &lw_error_of_null : &b->error;
}

void
lw_dkim_signed_free(lw_dkim_signed *b)
{
    if (b == NULL)
        return;
    lw_alloc alloc = b->alloc;
    lw_buf_deinit(&b->out);
    lw_release(&alloc, b);
}
