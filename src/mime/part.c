/* SPDX-License-Identifier: MIT */
/*
 * mime/part.c - pieces, and one attachment: its header, and how its octets leave
 *
 * Files leave as base64, or as they are where the peer takes binary (RFC 3030).  A message
 * (message/rfc822) is looked at and leaves as 7bit or 8bit, never encoded (RFC 2046 5.2.1).
 */
#include "mime/parts.h"
#include "mime/scan.h"

/* ---- pieces ---------------------------------------------------------------------------------------- */

static lw_code
add_piece(lw_rendering *r, const lw_piece *piece)
{
    void *pieces = r->pieces;

    if (!lw_arena_grow(&r->arena, &pieces, r->n_pieces, &r->cap_pieces, sizeof *r->pieces))
        return LW_ENOMEM;
    r->pieces = pieces;
    r->pieces[r->n_pieces++] = *piece;
    return LW_OK;
}

lw_code
lw_render_flush(lw_rendering *r)
{
    size_t n = r->literal.len - r->flushed;
    lw_piece literal = { .kind = LW_PIECE_LITERAL, .offset = r->flushed, .size_in = n, .size_out = n };

    if (lw_buf_finish(&r->literal) < 0)
        return lw_buf_finish(&r->literal);
    r->flushed = r->literal.len;
    return n == 0 ? LW_OK : add_piece(r, &literal);
}

lw_code
lw_render_piece(lw_rendering *r, const lw_piece *piece)
{
    lw_code rc = lw_render_flush(r);

    return rc < 0 ? rc : add_piece(r, piece);
}

void
lw_parts_use(lw_rendering *r, lw_encoding e)
{
    lw_body_type needs = e == LW_ENCODING_BINARY ? LW_BODY_BINARYMIME
        : e == LW_ENCODING_8BIT ? LW_BODY_8BITMIME : LW_BODY_7BIT;

    if (r->envelope.body_type < needs)
        r->envelope.body_type = needs;
    r->is_encoded = r->is_encoded || e == LW_ENCODING_QP || e == LW_ENCODING_BASE64;
}

/* ---- what an attachment is ----------------------------------------------------------------------------- */

lw_code
lw_content_open(const lw_content *c, uint64_t *size, lw_error *err)
{
    lw_error e;
    lw_code rc;

    lw_error_clear(&e);
    rc = c->source.open(c->source.ctx, size, &e);
    if (rc >= 0)
        return rc;
    if (e.code != LW_OK && e.text[0] != '\0') {
        if (err != NULL)
            *err = e;
        return rc;
    }
    return lw_fail(err, rc, LW_STAGE_COMPOSE, "%s: cannot be opened",
                   c->label != NULL ? c->label : "attachment");
}

/* a message in a message: can it leave as it is, and how? */
static lw_code
look_at_message(lw_rendering *r, const lw_attached *a, lw_part_facts *f, lw_error *err)
{
    lw_scan s;
    lw_code rc;

    lw_scan_init(&s, &r->alloc, a->content.label != NULL ? a->content.label
                 : a->name != NULL ? a->name : "the attached message");
    bool is_binary = false;
    if ((rc = lw_scan_content(&s, &a->content, err)) >= 0
        && (rc = lw_scan_settle(&s, &a->content, &is_binary, err)) >= 0 && is_binary)
        rc = lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "%s: a message with a binary part can be attached "
                     "as a file only (application/octet-stream)", s.label);
    if (rc >= 0) {
        lw_span header = lw_buf_span(&s.header);
        f->is_message = true;
        f->size = s.total;
        f->size_out = header.len + s.body_out;
        f->has_8bit = s.has_8bit_body || !lw_span_is_ascii(header);
        f->has_utf8_header = !lw_span_is_ascii(header) && lw_utf8_valid(header);
    }
    lw_scan_deinit(&s);
    return rc;
}

/* Opening it once tells its size, and that it can be opened, before anything is sent. */
static lw_code
find_facts(lw_rendering *r, const lw_attached *a, lw_part_facts *f, lw_error *err)
{
    lw_code rc;

    if (f->is_known)
        return LW_OK;
    f->size = a->content.memory.len;
    if (a->is_message) {
        rc = look_at_message(r, a, f, err);
        if (rc != LW_EMESSAGE || a->has_type)
            goto out;
        lw_error_clear(err); /* named .eml and no message: a file like others */
    }
    if (a->content.has_source) {
        if ((rc = lw_content_open(&a->content, &f->size, err)) < 0)
            return rc;
        a->content.source.close(a->content.source.ctx);
    }
    rc = LW_OK;
out:
    f->is_known = rc >= 0;
    return rc;
}

/* message/global may have any encoding (RFC 6532 3.7), message/rfc822 none (RFC 2046 5.2.1) */
static const char *
type_of(const lw_attached *a, const lw_part_facts *f)
{
    if (f->is_message)
        return f->has_utf8_header ? "message/global" : "message/rfc822";
    return a->is_message ? "application/octet-stream" : a->type;
}

static lw_encoding
encoding_of(const lw_rendering *r, const lw_part_facts *f)
{
    if (f->is_message && !f->has_utf8_header)
        return f->has_8bit ? LW_ENCODING_8BIT : LW_ENCODING_7BIT;
    if (r->transport == LW_BODY_BINARYMIME)
        return LW_ENCODING_BINARY;
    return LW_ENCODING_BASE64;
}

/* ---- its header and octets ---------------------------------------------------------------------------------- */

/* Content-Type with the name as old readers want it, Content-Disposition as RFC 2183 and 2231 do */
static void
put_headers(lw_buf *b, const lw_attached *a, const char *type, lw_encoding e)
{
    lw_span name = lw_span_str(a->name);
    lw_field_writer w;

    lw_field_begin(&w, b, LW_LIT("Content-Type"));
    lw_field_token(&w, lw_span_str(type));
    if (name.len > 0 && !lw_param_is_plain(name))
        lw_field_param_words(&w, "name", name);
    else if (name.len > 0)
        lw_field_param(&w, "name", name);
    lw_field_end(&w);
    lw_buf_add(b, LW_LIT("Content-Transfer-Encoding: "));
    lw_buf_add_str(b, lw_encoding_name(e));
    lw_buf_add(b, LW_LIT("\r\n"));
    lw_field_begin(&w, b, LW_LIT("Content-Disposition"));
    lw_field_token(&w, a->is_inline ? LW_LIT("inline") : LW_LIT("attachment"));
    if (name.len > 0)
        lw_field_param(&w, "filename", name);
    lw_field_end(&w);
    if (a->cid != NULL) {
        lw_buf_add(b, LW_LIT("Content-ID: <"));
        lw_buf_add_str(b, a->cid);
        lw_buf_add(b, LW_LIT(">\r\n"));
    }
    lw_buf_add(b, LW_LIT("\r\n"));
}

lw_code
lw_parts_attached(lw_composer *c, const lw_attached *a, lw_part_facts *f, lw_error *err)
{
    lw_piece piece = { .memory = a->content.memory,
                       .content = a->content.has_source ? &a->content : NULL };
    lw_encoding e;
    lw_code rc;

    if ((rc = find_facts(c->r, a, f, err)) < 0)
        return rc;
    e = encoding_of(c->r, f);
    put_headers(c->b, a, type_of(a, f), e);
    piece.size_in = f->size;
    if (e == LW_ENCODING_BASE64) {
        piece.kind = LW_PIECE_BASE64;
        piece.size_out = f->size == LW_SIZE_UNKNOWN ? f->size : lw_base64_lines_size(f->size);
    } else {
        piece.kind = f->is_message ? LW_PIECE_LINES : LW_PIECE_COPY;
        piece.size_out = f->is_message ? f->size_out : f->size;
    }
    lw_parts_use(c->r, e);
    return lw_render_piece(c->r, &piece);
}
