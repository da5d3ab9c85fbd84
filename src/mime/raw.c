/* SPDX-License-Identifier: MIT */
/*
 * mime/raw.c - a ready message: looked at once, sent unchanged but for line ends and Bcc; with binary
 * parts that line ends would alter, unchanged but for Bcc
 *
 * The header (bounded) is kept from the look and leaves from memory, without its Bcc fields;
 * the body is read again while it is sent.
 */
#include "mime/scan.h"

/* what only a composed message can have */
static lw_code
refuse_parts(const lw_message *m, lw_error *err)
{
    const char *what = m->subject.text != NULL ? "subject" : m->text.ptr != NULL ? "text"
        : m->html.ptr != NULL ? "html" : m->attached.n > 0 ? "attachment"
        : m->reply_to.n > 0 ? "reply-to" : m->n_customs > 0 ? m->customs[0].name
        : m->message_id.text != NULL ? "message-id" : m->has_date ? "date" : NULL;

    return what == NULL ? LW_OK : lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE,
        "%s: a ready message is sent as it is, nothing can be added to it", what);
}

static bool
is_named(const lw_scan_line *f, const char *name)
{
    return lw_span_eq_nocase(f->name, lw_span_str(name));
}

/* the value in one line: [RFC5322 2.2.3] unfolding removes "any CRLF that is immediately followed
 * by WSP" */
static void
unfold(lw_buf *b, lw_span value)
{
    lw_buf_reset(b);
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] != '\r' && value.ptr[i] != '\n')
            lw_buf_add_char(b, value.ptr[i]);
}

static lw_code
find_sender(lw_rendering *r, lw_span value, lw_error *err)
{
    lw_mailboxes l;
    lw_code rc;

    lw_mailboxes_init(&l, &r->arena);
    if ((rc = lw_mailboxes_parse(&l, value, "From", err)) >= 0)
        r->found_from = l.items[0].addr;
    return rc;
}

/* do those who get it stand in the message alone? */
static bool
wants_recipients(const lw_message *m)
{
    return m->envelope_to.n + m->to.n + m->cc.n + m->bcc.n == 0 && m->resending == NULL;
}

static bool
wants_sender(const lw_rendering *r)
{
    const lw_message *m = r->message;

    return m->envelope_from.text == NULL && m->from.n == 0 && m->resending == NULL && r->found_from == NULL;
}

/* what the envelope and the report need to know of one field */
static lw_code
learn(lw_rendering *r, const lw_scan_line *f, lw_buf *scratch, lw_error *err)
{
    bool wants_to = wants_recipients(r->message), wants_from = wants_sender(r);
    bool is_to = is_named(f, "To") || is_named(f, "Cc") || is_named(f, "Bcc");
    bool is_id = is_named(f, "Message-ID") && r->message_id == NULL;

    if (!(wants_to && is_to) && !(wants_from && is_named(f, "From")) && !is_id)
        return LW_OK;
    unfold(scratch, f->value);
    if (lw_buf_finish(scratch) < 0)
        return LW_ENOMEM;
    lw_span value = lw_span_trim(lw_buf_span(scratch));
    if (is_id) {
        r->message_id = lw_arena_span(&r->arena, value);
        return r->message_id == NULL ? LW_ENOMEM : LW_OK;
    }
    if (!is_to)
        return find_sender(r, value, err);
    return lw_mailboxes_parse_with(&r->found, value, is_named(f, "To") ? "To"
                                   : is_named(f, "Cc") ? "Cc" : "Bcc", LW_LIST_MAY_BE_EMPTY, err);
}

static bool
is_changed(const lw_message *m, const lw_scan_line *f)
{
    for (size_t i = 0; i < m->n_changes; i++)
        if (is_named(f, m->changes[i].name))
            return true;
    return false;
}

static lw_code
copy_list(lw_mailboxes *to, const lw_mailboxes *from)
{
    lw_code rc = LW_OK;

    for (size_t i = 0; i < from->n && rc >= 0; i++)
        rc = lw_mailboxes_add(to, LW_LIT(""), lw_span_str(from->items[i].addr));
    return rc;
}

/* what the envelope and the report need to know of a field that is written anew */
static lw_code
learn_change(lw_rendering *r, const lw_custom *c)
{
    const lw_scan_line f = { .name = lw_span_str(c->name) };
    bool wants_to = wants_recipients(r->message), wants_from = wants_sender(r);

    if (wants_to && (is_named(&f, "To") || is_named(&f, "Cc")))
        return copy_list(&r->found, &c->list);
    if (wants_from && is_named(&f, "From"))
        r->found_from = c->list.items[0].addr;
    if (is_named(&f, "Message-ID") && r->message_id == NULL)
        r->message_id = c->value;
    return LW_OK;
}

/* the fields written anew stand behind the others */
static lw_code
put_changes(lw_rendering *r)
{
    const lw_message *m = r->message;
    lw_code rc = LW_OK;

    for (size_t i = 0; i < m->n_changes && rc >= 0; i++) {
        const lw_custom *c = &m->changes[i];
        if (c->value == NULL && !c->is_list)
            continue;
        lw_render_custom(&r->literal, c);
        rc = learn_change(r, c);
    }
    return rc;
}

static lw_code
take_header(lw_rendering *r, const lw_scan *s, lw_error *err)
{
    lw_span rest = lw_buf_span(&s->header);
    lw_scan_line f;
    lw_buf scratch;
    lw_code rc = LW_OK;

    /* [RFC5322 3.6.6] "Each new set of resent fields is prepended to the message" */
    if (r->message->resending != NULL)
        rc = lw_render_resent(r);
    lw_buf_init(&scratch, &r->alloc, LW_MIME_VALUE_MAX);
    while (rc >= 0 && lw_scan_field(&rest, &f)) {
        if (is_changed(r->message, &f))
            continue;
        rc = learn(r, &f, &scratch, err);
        if (!is_named(&f, "Bcc") && !is_named(&f, "Resent-Bcc"))
            lw_buf_add(&r->literal, f.whole);
    }
    if (rc >= 0)
        rc = put_changes(r);
    lw_buf_add(&r->literal, rest);
    lw_buf_deinit(&scratch);
    return rc;
}

/* BINARYMIME (RFC 3030 3): the octets behind the CRLF of the empty line as they are */
static lw_code
put_binary(lw_rendering *r, const lw_content *c, const lw_scan *s)
{
    lw_piece body = { .kind = LW_PIECE_COPY, .content = c->has_source ? c : NULL,
                      .skip = s->header_in + s->body_after_cr };

    if (LW_NEVER(body.skip > s->total)) /* an LF was taken for granted */
        return LW_EBUG;
    body.size_in = body.size_out = s->total - body.skip;
    if (!c->has_source)
        body.memory = (lw_span){ c->memory.ptr + body.skip, (size_t)body.size_in };
    r->envelope.body_type = LW_BODY_BINARYMIME;
    return lw_render_piece(r, &body);
}

lw_code
lw_render_raw(lw_rendering *r, lw_error *err)
{
    const lw_content *c = &r->message->raw;
    bool is_binary;
    lw_scan s;
    lw_code rc;

    if ((rc = refuse_parts(r->message, err)) < 0)
        return rc;
    lw_scan_init(&s, &r->alloc, c->label != NULL ? c->label : "the message");
    if ((rc = lw_scan_content(&s, c, err)) < 0 || (rc = lw_scan_settle(&s, c, &is_binary, err)) < 0
        || (rc = take_header(r, &s, err)) < 0)
        goto out;
    /* a header that is no UTF-8 is outside every standard; SMTPUTF8 would not make it right */
    lw_span header = lw_buf_span(&r->literal);
    if (!lw_span_is_ascii(header)) {
        r->envelope.needs_smtputf8 = lw_utf8_valid(header);
        r->envelope.body_type = LW_BODY_8BITMIME;
    }
    if (s.has_8bit_body)
        r->envelope.body_type = LW_BODY_8BITMIME;
    if (is_binary)
        rc = put_binary(r, c, &s);
    else if (s.total > s.header_in) {
        lw_piece body = { .kind = LW_PIECE_LINES, .content = c->has_source ? c : NULL,
                          .skip = s.header_in, .after_cr = s.body_after_cr,
                          .size_in = s.total - s.header_in, .size_out = s.body_out };
        if (!c->has_source)
            body.memory = (lw_span){ c->memory.ptr + s.header_in, (size_t)body.size_in };
        rc = lw_render_piece(r, &body);
    }
out:
    lw_scan_deinit(&s);
    return rc;
}
