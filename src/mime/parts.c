/* SPDX-License-Identifier: MIT */
/*
 * mime/parts.c - the structure of a composed message: multiparts, boundaries, bodies
 *
 * The nesting is fixed, from outside: multipart/mixed (attachments), multipart/alternative (text,
 * AMP, HTML, invitation), multipart/related (HTML and what it shows).  A level that holds one
 * part only is left out.  No content ends with the CRLF that belongs to the boundary behind it
 * (RFC 2046 5.1.1), so every part is followed by CRLF and the boundary.
 */
#include "mime/parts.h"

/* ---- boundaries ------------------------------------------------------------------------------- */

static void
put_boundary(lw_composer *c, unsigned number)
{
    /* "=_" cannot occur in quoted-printable or base64 (RFC 2045 6.7) */
    lw_buf_add(c->b, LW_LIT("=_"));
    lw_buf_add(c->b, (lw_span){ c->token, LW_TOKEN_LEN });
    lw_buf_add_char(c->b, (char)('0' + number));
}

static bool
holds_token(const lw_text *t, const char *token)
{
    return t->ptr != NULL && memmem(t->ptr, t->len, token, LW_TOKEN_LEN) != NULL;
}

/* in text that is not encoded a boundary could occur: then the random part is changed until it
 * does not */
static void
choose_token(lw_composer *c)
{
    const lw_message *m = c->r->message;
    unsigned char random[17];

    memcpy(random, c->r->opts->random + 15, sizeof random);
    do {
        lw_random_text(c->token, LW_TOKEN_LEN, random);
        for (size_t i = 0; i < sizeof random && ++random[i] == 0; i++)
            ;
    } while (holds_token(c->text, c->token) || holds_token(&m->html, c->token)
             || holds_token(&m->amp, c->token) || holds_token(&m->calendar, c->token));
}

/* the header of a multipart, up to its empty line */
static void
open_multipart(lw_composer *c, lw_span subtype)
{
    lw_buf_add(c->b, LW_LIT("Content-Type: multipart/"));
    lw_buf_add(c->b, subtype);
    lw_buf_add(c->b, LW_LIT(";\r\n boundary=\""));
    if (c->n_made == 0)
        choose_token(c);
    c->open[c->depth++] = ++c->n_made;
    put_boundary(c, c->n_made);
    lw_buf_add(c->b, LW_LIT("\"\r\n"));
}

static void
next_part(lw_composer *c)
{
    lw_buf_add(c->b, LW_LIT("\r\n--"));
    put_boundary(c, c->open[c->depth - 1]);
    lw_buf_add(c->b, LW_LIT("\r\n"));
}

static void
close_multipart(lw_composer *c)
{
    lw_buf_add(c->b, LW_LIT("\r\n--"));
    put_boundary(c, c->open[--c->depth]);
    lw_buf_add(c->b, LW_LIT("--"));
}

/* ---- text ---------------------------------------------------------------------------------------- */

/* a body of text: its header, an empty line, its octets */
static lw_code
put_text_part(lw_composer *c, const lw_text *t, const char *type)
{
    static const lw_piece_kind kinds[] = {
        [LW_ENCODING_7BIT] = LW_PIECE_COPY,
        [LW_ENCODING_8BIT] = LW_PIECE_COPY,
        [LW_ENCODING_BINARY] = LW_PIECE_COPY,
        [LW_ENCODING_QP] = LW_PIECE_QP,
        [LW_ENCODING_BASE64] = LW_PIECE_BASE64,
    };
    lw_encoding e = lw_text_encoding(t, c->r->transport, c->r->message->secure != NULL);

    lw_buf_add(c->b, LW_LIT("Content-Type: "));
    lw_buf_add_str(c->b, type);
    lw_buf_add(c->b, LW_LIT("; charset=utf-8"));
    if (t == &c->r->message->calendar) {
        /* [RFC6047 2.4] "The value MUST be the same (ignoring case) as the value of the "METHOD"
         * property within the iCalendar object." */
        lw_buf_add(c->b, LW_LIT("; method="));
        lw_buf_add_str(c->b, c->r->message->calendar_method);
    }
    if (c->is_flowed && t == c->text)
        lw_buf_add(c->b, LW_LIT("; format=flowed"));
    lw_buf_add(c->b, LW_LIT("\r\nContent-Transfer-Encoding: "));
    lw_buf_add_str(c->b, lw_encoding_name(e));
    lw_buf_add(c->b, LW_LIT("\r\n\r\n"));
    if (t->len == 0)
        return LW_OK;
    lw_parts_use(c->r, e);
    return lw_render_piece(c->r, &(lw_piece){
        .kind = kinds[e], .memory = { t->ptr, t->len }, .size_in = t->len,
        .size_out = lw_text_encoded_size(t, e) });
}

/* ---- structure --------------------------------------------------------------------------------------- */

/* the attached whose place is in multipart/related (inline) or in multipart/mixed */
static lw_code
put_all_attached(lw_composer *c, bool want_inline, bool has_related, lw_error *err)
{
    const lw_list_of_attached *l = &c->r->message->attached;
    lw_code rc = LW_OK;

    for (size_t i = 0; i < l->n && rc >= 0; i++) {
        bool in_related = has_related && l->items[i].is_inline;
        if (in_related != want_inline)
            continue;
        next_part(c);
        rc = lw_parts_attached(c, &l->items[i], &c->r->facts[i], err);
    }
    return rc;
}

static lw_code
put_html(lw_composer *c, lw_error *err)
{
    const lw_message *m = c->r->message;
    lw_code rc;

    if (m->n_inline == 0)
        return put_text_part(c, &m->html, "text/html");
    /* [RFC2387 3.1] "The type parameter must be specified and its value is the MIME media type
     * of the "root" body part." */
    open_multipart(c, LW_LIT("related; type=\"text/html\""));
    next_part(c);
    if ((rc = put_text_part(c, &m->html, "text/html")) < 0
        || (rc = put_all_attached(c, true, true, err)) < 0)
        return rc;
    close_multipart(c);
    return LW_OK;
}

/** What the bodies of an alternative are, in their order. */
typedef struct alternative {
    const lw_text *text;
    const char *type;
} alternative;

/* [RFC2046 5.1.4] "the alternatives appear in an order of increasing faithfulness to the original
 * content"; an invitation last, where the programs that act on it look for it */
static size_t
list_bodies(const lw_composer *c, alternative list[4])
{
    const lw_message *m = c->r->message;
    const alternative all[] = { { c->text, "text/plain" }, { &m->amp, "text/x-amp-html" },
                                { &m->html, "text/html" }, { &m->calendar, "text/calendar" } };
    size_t n = 0;

    for (size_t i = 0; i < LW_COUNT(all); i++)
        if (all[i].text->ptr != NULL)
            list[n++] = all[i];
    return n;
}

static lw_code
put_body(lw_composer *c, lw_error *err)
{
    alternative bodies[4];
    size_t n = list_bodies(c, bodies);
    lw_code rc;

    if (n == 0)
        return put_text_part(c, c->text, "text/plain");
    if (n > 1)
        open_multipart(c, LW_LIT("alternative"));
    for (size_t i = 0; i < n; i++) {
        if (n > 1)
            next_part(c);
        rc = bodies[i].text == &c->r->message->html ? put_html(c, err)
            : put_text_part(c, bodies[i].text, bodies[i].type);
        if (rc < 0)
            return rc;
    }
    if (n > 1)
        close_multipart(c);
    return LW_OK;
}

/* the invitation once more, for programs that only know files */
static lw_code
put_invitation_file(lw_composer *c, lw_error *err)
{
    const lw_text *t = &c->r->message->calendar;
    lw_attached a = { .content = { .memory = { t->ptr, t->len } }, .name = "invite.ics", .type = "application/ics" };
    lw_part_facts facts = { .is_known = true, .size = t->len };

    if (t->ptr == NULL)
        return LW_OK;
    next_part(c);
    return lw_parts_attached(c, &a, &facts, err);
}

static lw_code
put_everything(lw_composer *c, lw_error *err)
{
    const lw_message *m = c->r->message;
    bool has_related = m->html.ptr != NULL && m->n_inline > 0;
    bool has_mixed = m->attached.n > (has_related ? m->n_inline : 0) || m->calendar.ptr != NULL;
    alternative unused[4];
    lw_code rc;

    if (!has_mixed)
        return put_body(c, err);
    open_multipart(c, LW_LIT("mixed"));
    if (list_bodies(c, unused) > 0) {
        next_part(c);
        if ((rc = put_body(c, err)) < 0)
            return rc;
    }
    if ((rc = put_all_attached(c, false, has_related, err)) < 0
        || (rc = put_invitation_file(c, err)) < 0)
        return rc;
    close_multipart(c);
    return LW_OK;
}

lw_code
lw_render_parts(lw_rendering *r, lw_error *err)
{
    lw_message *m = r->message;
    lw_composer c = { .r = r, .b = &r->literal, .is_flowed = m->is_flowed };
    lw_code rc;

    if (m->amp.ptr != NULL && m->html.ptr == NULL && m->text.ptr == NULL)
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE,
                       "amp: a text or HTML is needed beside it, for the others");
    if ((rc = lw_message_plain_text(m, &c.text, err)) < 0)
        return rc;
    if (r->facts == NULL && m->attached.n > 0
        && (r->facts = lw_arena_array(&r->arena, m->attached.n, sizeof *r->facts)) == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "attachment: out of memory");
    return put_everything(&c, err);
}
