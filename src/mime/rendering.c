/* SPDX-License-Identifier: MIT */
/*
 * mime/rendering.c - the life of a rendering: everything is allocated and checked in new
 */
#include "mime/mime_int.h"

/* octets of all pieces; unknown if one is */
static uint64_t
total_size(const lw_rendering *r)
{
    uint64_t n = 0;

    for (size_t i = 0; i < r->n_pieces; i++) {
        if (r->pieces[i].size_out == LW_SIZE_UNKNOWN)
            return LW_SIZE_UNKNOWN;
        n += r->pieces[i].size_out;
    }
    return n;
}

/* A small message gets a buffer that just holds it: one span.  128 is more than any encoder
 * wants to see before it goes on. */
static lw_code
make_room(lw_rendering *r)
{
    size_t cap = r->body.size < LW_OUT_MAX - 128 ? (size_t)r->body.size + 128 : LW_OUT_MAX;
    bool has_source = false;
    char *out;

    for (size_t i = 0; i < r->n_pieces; i++)
        has_source = has_source || r->pieces[i].content != NULL;
    if (cap > r->out_cap) {
        if ((out = lw_resize(&r->alloc, r->out, cap)) == NULL)
            return LW_ENOMEM;
        r->out = out;
        r->out_cap = cap;
    }
    if (has_source && r->in == NULL)
        r->in = lw_malloc(&r->alloc, LW_IN_MAX);
    return has_source && r->in == NULL ? LW_ENOMEM : LW_OK;
}

/* [RFC6531 1] 8BITMIME is "used with "BODY=8BITMIME" by the SMTPUTF8-aware SMTP client" */
static void
settle_body_type(lw_rendering *r)
{
    if (r->envelope.needs_smtputf8 && r->envelope.body_type == LW_BODY_7BIT)
        r->envelope.body_type = LW_BODY_8BITMIME;
    r->body.is_canonical = r->envelope.body_type != LW_BODY_BINARYMIME;
}

static lw_code
build(lw_rendering *r, lw_error *err)
{
    lw_code rc = r->message->is_raw ? lw_render_raw(r, err) : lw_render_composed(r, err);

    if (rc < 0 || (rc = lw_render_flush(r)) < 0 || (rc = lw_render_envelope(r, err)) < 0)
        return rc;
    r->body = (lw_body){ .next = lw_pull_next, .rewind = lw_pull_rewind, .ctx = r,
                         .size = total_size(r) };
    settle_body_type(r);
    return make_room(r);
}

/* would the message leave otherwise if the peer takes most, than it does now? */
static bool
is_fit(const lw_rendering *r, lw_body_type most)
{
    if (r->message->is_raw || r->message->is_7bit || most == r->transport)
        return true;
    return most > r->transport && !r->is_encoded;
}

lw_code
lw_rendering_fit(lw_rendering *r, lw_body_type most, lw_error *err)
{
    bool needs_smtputf8 = r->envelope.needs_smtputf8; /* recipients have their part in it */
    lw_code rc;

    lw_pull_rewind(r);
    if (is_fit(r, most))
        return LW_OK;
    lw_buf_reset(&r->literal);
    r->n_pieces = r->flushed = 0;
    r->is_encoded = false;
    r->transport = most;
    r->envelope.body_type = LW_BODY_7BIT;
    if ((rc = lw_render_composed(r, err)) < 0 || (rc = lw_render_flush(r)) < 0)
        return rc;
    r->envelope.needs_smtputf8 = needs_smtputf8;
    r->body.size = total_size(r);
    settle_body_type(r);
    return make_room(r);
}

lw_code
lw_rendering_new(lw_message *m, const lw_render_opts *opts, lw_rendering **out, lw_error *err)
{
    lw_rendering *r;
    lw_error e;
    lw_code rc;

    *out = NULL;
    lw_error_clear(&e);
    if (m == NULL || m->error.code != LW_OK) {
        if (err != NULL)
            *err = *lw_message_error(m);
        return lw_message_error(m)->code;
    }
    if ((r = lw_malloc(&m->alloc, sizeof *r)) == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "message: out of memory");
    memset(r, 0, offsetof(lw_rendering, room));
    r->alloc = m->alloc;
    lw_arena_init(&r->arena, &r->alloc);
    lw_arena_lend(&r->arena, r->room, sizeof r->room);
    r->message = m;
    r->kept = *opts;
    r->opts = &r->kept;
    lw_mailboxes_init(&r->found, &r->arena);
    lw_buf_init(&r->literal, &r->alloc, LW_MIME_HEADER_MAX);
    (void)lw_buf_space(&r->literal, LW_LITERAL_ROOM - 1); /* a failure stays in it */
    rc = build(r, &e);
    r->kept.host = NULL;
    if (rc < 0) {
        if (e.code == LW_OK)
            lw_fail(&e, rc, LW_STAGE_COMPOSE, "message: %s", lw_code_text(rc));
        if (err != NULL)
            *err = e;
        lw_rendering_free(r);
        return rc;
    }
    *out = r;
    return LW_OK;
}

void
lw_rendering_free(lw_rendering *r)
{
    if (r == NULL)
        return;
    lw_alloc alloc = r->alloc;
    lw_pull_rewind(r);
    lw_arena_deinit(&r->arena);
    lw_buf_deinit(&r->literal);
    lw_release(&alloc, r->out);
    lw_release(&alloc, r->in);
    lw_release(&alloc, r);
}

lw_envelope *
lw_rendering_envelope(lw_rendering *r)
{
    return &r->envelope;
}

lw_body *
lw_rendering_body(lw_rendering *r)
{
    return &r->body;
}

const char *
lw_rendering_message_id(const lw_rendering *r)
{
    return r->message_id == NULL ? "" : r->message_id;
}

const lw_error *
lw_rendering_error(const lw_rendering *r)
{
    return &r->error;
}
