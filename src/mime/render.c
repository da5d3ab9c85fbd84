/* SPDX-License-Identifier: MIT */
/*
 * mime/render.c - a composed message becomes headers, boundaries and parts: a flat list of pieces
 *
 * The nesting is fixed, from outside: multipart/mixed (attachments), multipart/alternative (text
 * and HTML), multipart/related (HTML and what it shows).  A level that holds one part only is
 * left out.  No content ends with the CRLF that belongs to the boundary behind it (RFC 2046
 * 5.1.1), so every part is followed by CRLF and the boundary.
 */
#include "mime/mime_int.h"

#define TOKEN_LEN 26 /* characters of a boundary's random part, 130 bits */
#define LEVELS_MAX 3

/** The multiparts that are open, and the random part that their boundaries share. */
typedef struct composer {
    lw_rendering *r;
    lw_buf *b;
    char token[TOKEN_LEN + 1];
    unsigned n_made;              /* each boundary gets its own number */
    unsigned open[LEVELS_MAX];
    unsigned depth;
} composer;

/* n characters of 5 bits each: letters and digits that no case folding confuses */
static void
random_text(char *dst, size_t n, const unsigned char *random, size_t n_random)
{
    static const char alphabet[32] = "0123456789abcdefghjkmnpqrstvwxyz";

    for (size_t i = 0; i < n; i++) {
        size_t bit = i * 5, at = bit / 8;
        unsigned pair = (unsigned)random[at % n_random] << 8 | random[(at + 1) % n_random];
        dst[i] = alphabet[pair >> (11 - bit % 8) & 31];
    }
    dst[n] = '\0';
}

/* ---- headers of the message --------------------------------------------------------------- */

static lw_code
make_message_id(lw_rendering *r, lw_error *err)
{
    lw_span domain = lw_addr_domain(r->message->from.items[0].addr);
    const char *host = r->opts->host;
    char left[TOKEN_LEN + 1];
    lw_buf b;

    if (r->message->message_id != NULL) {
        r->message_id = lw_strdup(&r->alloc, r->message->message_id);
    } else {
        /* the domain of From is ours to name; a host is the next best where it is not ASCII */
        if (!lw_span_is_ascii(domain) && host != NULL && host[0] != '\0'
            && lw_addr_domain_problem(lw_span_str(host)) == NULL)
            domain = lw_span_str(host);
        random_text(left, TOKEN_LEN, r->opts->random, 17);
        lw_buf_init(&b, &r->alloc, LW_LINE_MAX);
        lw_buf_add_char(&b, '<');
        lw_buf_add(&b, (lw_span){ left, TOKEN_LEN });
        lw_buf_add_char(&b, '@');
        lw_buf_add(&b, domain);
        lw_buf_add_char(&b, '>');
        r->message_id = lw_buf_take(&b);
    }
    return r->message_id != NULL ? LW_OK
        : lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "message-id: out of memory");
}

static void
put_mailboxes(lw_buf *b, lw_span name, const lw_mailboxes *l)
{
    lw_field_writer w;

    if (l->n == 0)
        return;
    lw_field_begin(&w, b, name);
    lw_field_mailboxes(&w, l);
    lw_field_end(&w);
}

static void
put_text(lw_buf *b, lw_span name, lw_span value)
{
    lw_field_writer w;

    lw_field_begin(&w, b, name);
    lw_field_text(&w, value);
    lw_field_end(&w);
}

static void
put_date(lw_buf *b, const lw_message *m, const lw_render_opts *opts)
{
    lw_field_writer w;

    lw_field_begin(&w, b, LW_LIT("Date"));
    if (m->has_date)
        lw_field_date(&w, m->date_s, m->zone_minutes);
    else
        lw_field_date(&w, opts->now_s, opts->zone_minutes);
    lw_field_end(&w);
}

static void
put_headers(lw_rendering *r, lw_buf *b)
{
    const lw_message *m = r->message;

    put_date(b, m, r->opts);
    put_mailboxes(b, LW_LIT("From"), &m->from);
    put_mailboxes(b, LW_LIT("To"), &m->to);
    put_mailboxes(b, LW_LIT("Cc"), &m->cc);
    if (m->to.n == 0 && m->cc.n == 0)
        lw_buf_add(b, LW_LIT("To: undisclosed-recipients:;\r\n"));
    put_mailboxes(b, LW_LIT("Reply-To"), &m->reply_to);
    if (m->subject != NULL)
        put_text(b, LW_LIT("Subject"), lw_span_str(m->subject));
    put_text(b, LW_LIT("Message-ID"), lw_span_str(r->message_id));
    for (size_t i = 0; i < m->n_customs; i++) {
        const lw_custom *c = &m->customs[i];
        if (c->is_list)
            put_mailboxes(b, lw_span_str(c->name), &c->list);
        else
            put_text(b, lw_span_str(c->name), lw_span_str(c->value));
    }
    lw_buf_add(b, LW_LIT("MIME-Version: 1.0\r\n"));
}

/* ---- boundaries ------------------------------------------------------------------------------- */

static void
put_boundary(composer *c, unsigned number)
{
    /* "=_" cannot occur in quoted-printable or base64 (RFC 2045 6.7) */
    lw_buf_add(c->b, LW_LIT("=_"));
    lw_buf_add(c->b, (lw_span){ c->token, TOKEN_LEN });
    lw_buf_add_char(c->b, (char)('0' + number));
}

/* in 7bit text a boundary could occur: then the random part is changed until it does not */
static void
choose_token(composer *c)
{
    const lw_message *m = c->r->message;
    unsigned char random[17];

    memcpy(random, c->r->opts->random + 15, sizeof random);
    do {
        random_text(c->token, TOKEN_LEN, random, sizeof random);
        for (size_t i = 0; i < sizeof random && ++random[i] == 0; i++)
            ;
    } while ((m->text.ptr != NULL && memmem(m->text.ptr, m->text.len, c->token, TOKEN_LEN) != NULL)
             || (m->html.ptr != NULL
                 && memmem(m->html.ptr, m->html.len, c->token, TOKEN_LEN) != NULL));
}

/* the header of a multipart, up to its empty line */
static void
open_multipart(composer *c, lw_span subtype)
{
    lw_buf_add(c->b, LW_LIT("Content-Type: multipart/"));
    lw_buf_add(c->b, subtype);
    lw_buf_add(c->b, LW_LIT(";\r\n boundary=\""));
    c->open[c->depth++] = ++c->n_made;
    put_boundary(c, c->n_made);
    lw_buf_add(c->b, LW_LIT("\"\r\n"));
}

static void
next_part(composer *c)
{
    lw_buf_add(c->b, LW_LIT("\r\n--"));
    put_boundary(c, c->open[c->depth - 1]);
    lw_buf_add(c->b, LW_LIT("\r\n"));
}

static void
close_multipart(composer *c)
{
    lw_buf_add(c->b, LW_LIT("\r\n--"));
    put_boundary(c, c->open[--c->depth]);
    lw_buf_add(c->b, LW_LIT("--"));
}

/* ---- pieces -------------------------------------------------------------------------------------- */

lw_code
lw_render_flush(lw_rendering *r)
{
    void *pieces = r->pieces;
    size_t n = r->literal.len - r->flushed;

    if (lw_buf_finish(&r->literal) < 0)
        return lw_buf_finish(&r->literal);
    if (n == 0)
        return LW_OK;
    if (!lw_array_room(&r->alloc, &pieces, r->n_pieces, &r->cap_pieces, sizeof *r->pieces))
        return LW_ENOMEM;
    r->pieces = pieces;
    r->pieces[r->n_pieces++] = (lw_piece){
        .kind = LW_PIECE_LITERAL, .offset = r->flushed, .size_in = n, .size_out = n };
    r->flushed = r->literal.len;
    return LW_OK;
}

lw_code
lw_render_piece(lw_rendering *r, const lw_piece *piece)
{
    void *pieces;
    lw_code rc = lw_render_flush(r);

    if (rc < 0)
        return rc;
    pieces = r->pieces;
    if (!lw_array_room(&r->alloc, &pieces, r->n_pieces, &r->cap_pieces, sizeof *r->pieces))
        return LW_ENOMEM;
    r->pieces = pieces;
    r->pieces[r->n_pieces++] = *piece;
    return LW_OK;
}

/* text or HTML: its header, an empty line, its octets */
static lw_code
put_text_part(composer *c, const lw_text *t, lw_span subtype)
{
    static const lw_piece_kind kinds[] = {
        [LW_ENCODING_7BIT] = LW_PIECE_COPY,
        [LW_ENCODING_QP] = LW_PIECE_QP,
        [LW_ENCODING_BASE64] = LW_PIECE_BASE64,
    };

    lw_buf_add(c->b, LW_LIT("Content-Type: text/"));
    lw_buf_add(c->b, subtype);
    lw_buf_add(c->b, LW_LIT("; charset=utf-8\r\nContent-Transfer-Encoding: "));
    lw_buf_add_str(c->b, lw_encoding_name(t->encoding));
    lw_buf_add(c->b, LW_LIT("\r\n\r\n"));
    if (t->len == 0)
        return LW_OK;
    return lw_render_piece(c->r, &(lw_piece){
        .kind = kinds[t->encoding], .memory = { t->ptr, t->len }, .size_in = t->len,
        .size_out = t->encoded_size });
}

/* Content-Type with the name as old readers want it, Content-Disposition as RFC 2183 and 2231 do */
static void
put_attachment_headers(lw_buf *b, const lw_attached *a, bool is_inline)
{
    lw_span name = lw_span_str(a->name);
    lw_field_writer w;

    lw_field_begin(&w, b, LW_LIT("Content-Type"));
    lw_field_token(&w, lw_span_str(a->type));
    if (name.len > 0 && !lw_param_is_plain(name))
        lw_field_param_words(&w, "name", name);
    else if (name.len > 0)
        lw_field_param(&w, "name", name);
    lw_field_end(&w);
    lw_buf_add(b, LW_LIT("Content-Transfer-Encoding: base64\r\n"));
    lw_field_begin(&w, b, LW_LIT("Content-Disposition"));
    lw_field_token(&w, is_inline ? LW_LIT("inline") : LW_LIT("attachment"));
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

/* Opening it once tells its size, and that it can be opened, before anything is sent. */
static lw_code
put_attachment(composer *c, const lw_attached *a, bool is_inline, lw_error *err)
{
    uint64_t size = a->content.memory.len;
    lw_code rc;

    if (a->content.has_source) {
        if ((rc = lw_content_open(&a->content, &size, err)) < 0)
            return rc;
        a->content.source.close(a->content.source.ctx);
    }
    put_attachment_headers(c->b, a, is_inline);
    return lw_render_piece(c->r, &(lw_piece){
        .kind = LW_PIECE_BASE64, .memory = a->content.memory,
        .content = a->content.has_source ? &a->content : NULL, .size_in = size,
        .size_out = size == LW_SIZE_UNKNOWN ? size : lw_base64_lines_size(size) });
}

/* ---- structure --------------------------------------------------------------------------------------- */

/* the attached whose place is in multipart/related (inline) or in multipart/mixed */
static lw_code
put_all_attached(composer *c, bool want_inline, bool has_related, lw_error *err)
{
    const lw_list_of_attached *l = &c->r->message->attached;
    lw_code rc = LW_OK;

    for (size_t i = 0; i < l->n && rc >= 0; i++) {
        bool in_related = has_related && l->items[i].is_inline;
        if (in_related != want_inline)
            continue;
        next_part(c);
        rc = put_attachment(c, &l->items[i], l->items[i].is_inline, err);
    }
    return rc;
}

static lw_code
put_html(composer *c, lw_error *err)
{
    const lw_message *m = c->r->message;
    lw_code rc;

    if (m->n_inline == 0)
        return put_text_part(c, &m->html, LW_LIT("html"));
    /* [RFC2387 3.1] "The type parameter must be specified and its value is the MIME media type
     * of the "root" body part." */
    open_multipart(c, LW_LIT("related; type=\"text/html\""));
    next_part(c);
    if ((rc = put_text_part(c, &m->html, LW_LIT("html"))) < 0
        || (rc = put_all_attached(c, true, true, err)) < 0)
        return rc;
    close_multipart(c);
    return LW_OK;
}

/* text, HTML, or both: the best alternative comes last (RFC 2046 5.1.4) */
static lw_code
put_body(composer *c, lw_error *err)
{
    const lw_message *m = c->r->message;
    lw_code rc;

    if (m->html.ptr == NULL)
        return put_text_part(c, &m->text, LW_LIT("plain"));
    if (m->text.ptr == NULL)
        return put_html(c, err);
    open_multipart(c, LW_LIT("alternative"));
    next_part(c);
    if ((rc = put_text_part(c, &m->text, LW_LIT("plain"))) < 0)
        return rc;
    next_part(c);
    if ((rc = put_html(c, err)) < 0)
        return rc;
    close_multipart(c);
    return LW_OK;
}

static lw_code
put_everything(composer *c, lw_error *err)
{
    const lw_message *m = c->r->message;
    bool has_related = m->html.ptr != NULL && m->n_inline > 0;
    bool has_mixed = m->attached.n > (has_related ? m->n_inline : 0);
    bool has_body = m->text.ptr != NULL || m->html.ptr != NULL;
    lw_code rc;

    if (!has_mixed)
        return put_body(c, err);
    open_multipart(c, LW_LIT("mixed"));
    if (has_body) {
        next_part(c);
        if ((rc = put_body(c, err)) < 0)
            return rc;
    }
    if ((rc = put_all_attached(c, false, has_related, err)) < 0)
        return rc;
    close_multipart(c);
    return LW_OK;
}

/* Does what is composed end with CRLF?  A closing boundary and base64 do not. */
static bool
ends_with_crlf(const lw_rendering *r)
{
    if (r->literal.len == r->flushed)
        return r->pieces[r->n_pieces - 1].kind != LW_PIECE_BASE64;
    return memcmp(r->literal.ptr + r->literal.len - 2, "\r\n", 2) == 0;
}

lw_code
lw_render_composed(lw_rendering *r, lw_error *err)
{
    composer c = { .r = r, .b = &r->literal };
    lw_code rc;

    if (r->message->from.n == 0)
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "from: no sender was given");
    if ((rc = make_message_id(r, err)) < 0)
        return rc;
    put_headers(r, c.b);
    choose_token(&c);
    if ((rc = put_everything(&c, err)) < 0)
        return rc;
    if (lw_buf_finish(&r->literal) < 0)
        return lw_buf_finish(&r->literal);
    if (!ends_with_crlf(r))
        lw_buf_add(c.b, LW_LIT("\r\n"));
    r->envelope.needs_smtputf8 = lw_message_needs_smtputf8(r->message, NULL);
    return LW_OK;
}
