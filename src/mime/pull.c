/* SPDX-License-Identifier: MIT */
/*
 * mime/pull.c - pieces become spans: one buffer is filled again and again
 *
 * lw_pull_next() fills r->out from piece after piece until it is full or the message has ended;
 * a message that fits is one span, given with LW_DONE.  Only one source is open at a time.  A
 * piece ends only after its source has said that there is no more, and with exactly the octets
 * that were promised: otherwise the pull fails, and keeps failing until it is rewound, so that a
 * truncated message cannot be taken for a whole one.  Nothing is allocated here.
 */
#include "mime/mime_int.h"

#define STEP_MIN 128 /* room in which every encoder gets on */

static const char *
label_of(const lw_piece *piece)
{
    return piece->content != NULL && piece->content->label != NULL ? piece->content->label
        : "attachment";
}

static lw_code
fail(lw_rendering *r, const lw_piece *piece, const char *what)
{
    return lw_fail(&r->error, LW_ESOURCE, LW_STAGE_DATA,
                   "%s became %s while it was read (%llu octets were expected)", label_of(piece),
                   what, (unsigned long long)(piece->size_in + piece->skip));
}

static void
close_source(lw_rendering *r)
{
    if (!r->pull.is_open)
        return;
    const lw_source *s = &r->pieces[r->pull.piece].content->source;
    s->close(s->ctx);
    r->pull.is_open = false;
}

static lw_code
begin(lw_rendering *r, const lw_piece *piece)
{
    lw_pull *p = &r->pull;
    uint64_t size;
    lw_code rc;

    *p = (lw_pull){ .piece = p->piece, .has_begun = true, .skip = piece->skip,
                    .lines = { .after_cr = piece->after_cr } };
    if (piece->content == NULL) {
        p->window = piece->kind == LW_PIECE_LITERAL
            ? (lw_span){ r->literal.ptr + piece->offset, (size_t)piece->size_in }
            : piece->memory;
        p->at_end = true;
        p->n_in = piece->size_in;
        return LW_OK;
    }
    if ((rc = lw_content_open(piece->content, &size, &r->error)) < 0)
        return rc;
    p->is_open = true;
    if (size != LW_SIZE_UNKNOWN && piece->size_in != LW_SIZE_UNKNOWN
        && size != piece->size_in + piece->skip)
        return fail(r, piece, size < piece->size_in + piece->skip ? "shorter" : "longer");
    return LW_OK;
}

/* the source's own sentence if it has one */
static lw_code
read_failed(lw_rendering *r, const lw_piece *piece, lw_code rc, const lw_error *e)
{
    if (e->code != LW_OK && e->text[0] != '\0') {
        r->error = *e;
        return rc;
    }
    return lw_fail(&r->error, rc, LW_STAGE_DATA, "%s: cannot be read", label_of(piece));
}

/* one read behind what waits in the window, which is moved to the front of r->in */
static lw_code
read_more(lw_rendering *r, const lw_piece *piece)
{
    lw_pull *p = &r->pull;
    const lw_source *s = &piece->content->source;
    size_t n = 0;
    lw_error e;
    lw_code rc;

    lw_error_clear(&e);
    if (p->window.len > 0)
        memmove(r->in, p->window.ptr, p->window.len);
    p->window.ptr = r->in;
    rc = s->read(s->ctx, r->in + p->window.len, LW_IN_MAX - p->window.len, &n, &e);
    if (rc < 0)
        return read_failed(r, piece, rc, &e);
    if (n == 0) {
        p->at_end = true;
        return piece->size_in != LW_SIZE_UNKNOWN && p->n_in + p->skip != piece->size_in
            ? fail(r, piece, "shorter") : LW_OK;
    }
    size_t skipped = n < p->skip ? n : (size_t)p->skip;
    if (skipped > 0) {
        memmove(r->in + p->window.len, r->in + p->window.len + skipped, n - skipped);
        p->skip -= skipped;
    }
    p->window.len += n - skipped;
    p->n_in += n - skipped;
    return piece->size_in != LW_SIZE_UNKNOWN && p->n_in > piece->size_in
        ? fail(r, piece, "longer") : LW_OK;
}

/* at least want octets in the window, or the end */
static lw_code
refill(lw_rendering *r, const lw_piece *piece, size_t want)
{
    lw_code rc = LW_OK;

    while (!r->pull.at_end && r->pull.window.len < want && rc >= 0)
        rc = read_more(r, piece);
    return rc;
}

static void
take(lw_pull *p, size_t n)
{
    p->window = (lw_span){ p->window.ptr + n, p->window.len - n };
}

static void
step_copy(lw_pull *p, char **dst, const char *end)
{
    size_t room = (size_t)(end - *dst), n = p->window.len < room ? p->window.len : room;

    memcpy(*dst, p->window.ptr, n);
    *dst += n;
    take(p, n);
}

static void
step_qp(lw_pull *p, const lw_piece *piece, char **dst, const char *end)
{
    *dst += lw_qp_encode(&p->qp, piece->memory, *dst, (size_t)(end - *dst));
    p->window.len = piece->memory.len - p->qp.pos;
}

/* Whole lines as long as more follows; a CRLF stands before every line but the first. */
static void
step_base64(lw_pull *p, char **dst, const char *end)
{
    size_t lines = (size_t)(end - *dst) / 78, n = lines * LW_BASE64_IN;
    bool is_first = p->n_out == 0;

    if (n > p->window.len)
        n = p->at_end ? p->window.len : p->window.len / LW_BASE64_IN * LW_BASE64_IN;
    if (n == 0)
        return;
    if (!is_first) {
        memcpy(*dst, "\r\n", 2);
        *dst += 2;
    }
    *dst += lw_base64_lines(*dst, p->window.ptr, n);
    take(p, n);
}

/* one step of the current piece; *done when it has given everything */
static lw_code
step(lw_rendering *r, const lw_piece *piece, char **dst, const char *end, bool *done)
{
    lw_pull *p = &r->pull;
    char *from = *dst;
    lw_code rc;

    if (!p->has_begun && (rc = begin(r, piece)) < 0)
        return rc;
    if ((rc = refill(r, piece, LW_IN_MAX / 2)) < 0)
        return rc;
    *done = p->at_end;
    switch (piece->kind) {
    case LW_PIECE_LITERAL:
    case LW_PIECE_COPY:
        step_copy(p, dst, end);
        break;
    case LW_PIECE_QP:
        step_qp(p, piece, dst, end);
        break;
    case LW_PIECE_BASE64:
        step_base64(p, dst, end);
        break;
    case LW_PIECE_LINES:
        *done = lw_lines_encode(&p->lines, &p->window, p->at_end, dst, end) && p->at_end;
        break;
    }
    *done = *done && p->window.len == 0;
    p->n_out += (uint64_t)(*dst - from);
    return LW_OK;
}

/* a piece has ended: its source too, and with what was promised */
static lw_code
end_piece(lw_rendering *r, const lw_piece *piece)
{
    lw_pull *p = &r->pull;

    close_source(r);
    if (piece->size_out != LW_SIZE_UNKNOWN && p->n_out != piece->size_out)
        return lw_fail(&r->error, LW_ESOURCE, LW_STAGE_DATA,
                       "%s was changed while it was read", label_of(piece));
    p->piece++;
    p->has_begun = false;
    return LW_OK;
}

lw_code
lw_pull_next(void *ctx, lw_span *span)
{
    lw_rendering *r = ctx;
    char *dst = r->out;
    const char *end = r->out + r->out_cap;
    lw_code rc = r->error.code;

    *span = LW_NO_SPAN;
    while (rc >= 0 && r->pull.piece < r->n_pieces && end - dst >= STEP_MIN) {
        const lw_piece *piece = &r->pieces[r->pull.piece];
        bool done = false;
        if ((rc = step(r, piece, &dst, end, &done)) >= 0 && done)
            rc = end_piece(r, piece);
    }
    if (rc < 0) {
        close_source(r);
        return rc;
    }
    *span = (lw_span){ r->out, (size_t)(dst - r->out) };
    return r->pull.piece == r->n_pieces ? LW_DONE : LW_OK;
}

lw_code
lw_pull_rewind(void *ctx)
{
    lw_rendering *r = ctx;

    close_source(r);
    r->pull = (lw_pull){ .piece = 0 };
    lw_error_clear(&r->error);
    return LW_OK;
}
