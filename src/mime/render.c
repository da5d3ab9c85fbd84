/* SPDX-License-Identifier: MIT */
/*
 * mime/render.c - a composed message becomes a header, and then its parts (parts.c)
 *
 * The first time, Message-ID, Date and boundaries are fixed; made again for what a peer can take
 * (lw_rendering_fit), the message keeps them.
 */
#include "mime/mime_int.h"

/* n characters of 5 bits each: letters and digits that no case folding confuses */
void
lw_random_text(char *dst, size_t n, const unsigned char *random)
{
    static const char alphabet[32] = "0123456789abcdefghjkmnpqrstvwxyz";
    unsigned bits = 0, n_bits = 0;

    for (size_t i = 0; i < n; i++) {
        if (n_bits < 5) {
            bits = bits << 8 | *random++;
            n_bits += 8;
        }
        n_bits -= 5;
        dst[i] = alphabet[bits >> n_bits & 31];
    }
    dst[n] = '\0';
}

/* ---- headers of the message --------------------------------------------------------------- */

bool
lw_message_wants_host(const lw_message *m)
{
    bool makes_id = !m->is_raw && m->message_id.text == NULL && m->from.n > 0;
    const char *addr = m->resending != NULL ? lw_resending_sender(m->resending)->items[0].addr
        : makes_id ? m->from.items[0].addr : "";

    return !lw_span_is_ascii(lw_addr_domain(addr));
}

const char *
lw_render_new_id(lw_rendering *r, const char *addr)
{
    lw_span domain = lw_addr_domain(addr);
    const char *host = r->opts->host;
    char left[LW_TOKEN_LEN + 1], id[LW_LINE_MAX];
    lw_buf b;

    /* the domain of the sender is ours to name; a host is the next best where it is not ASCII */
    if (!lw_span_is_ascii(domain) && host != NULL && host[0] != '\0'
        && lw_addr_domain_problem(lw_span_str(host)) == NULL)
        domain = lw_span_str(host);
    lw_random_text(left, LW_TOKEN_LEN, r->opts->random);
    lw_buf_init_over(&b, id, sizeof id);
    lw_buf_add_char(&b, '<');
    lw_buf_add(&b, (lw_span){ left, LW_TOKEN_LEN });
    lw_buf_add_char(&b, '@');
    lw_buf_add(&b, domain);
    lw_buf_add_char(&b, '>');
    return lw_arena_span(&r->arena, lw_buf_span(&b));
}

static lw_code
make_message_id(lw_rendering *r, lw_error *err)
{
    r->message_id = r->message->message_id.text != NULL
        ? r->message->message_id.text
        : lw_render_new_id(r, r->message->from.items[0].addr);
    return r->message_id != NULL ? LW_OK
        : lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "message-id: out of memory");
}

void
lw_render_mailboxes(lw_buf *b, lw_span name, const lw_mailboxes *l)
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

void
lw_render_custom(lw_buf *b, const lw_custom *c)
{
    lw_span value = lw_span_str(c->value), name = value;
    lw_field_writer w;

    lw_field_begin(&w, b, lw_span_str(c->name));
    if (c->is_list) {
        lw_field_mailboxes(&w, &c->list);
    } else if (c->is_phrase) {
        while (name.len > 0 && name.ptr[name.len - 1] != '<')
            name.len--;
        lw_span id = { value.ptr + name.len - 1, value.len - name.len + 1 };
        name.len--;
        if (lw_span_trim(name).len > 0)
            lw_field_phrase(&w, name);
        lw_field_token(&w, id);
    } else if (c->is_verbatim) {
        lw_field_verbatim(&w, value);
    } else {
        lw_field_text(&w, value);
    }
    lw_field_end(&w);
}

/* [RFC5322 3.6.4] "The "References:" field will contain the contents of the parent's "References:"
 * field (if any) followed by the contents of the parent's "Message-ID:" field (if any)." */
static void
put_references(lw_buf *b, const lw_message *m)
{
    const lw_custom *parent = NULL;

    for (size_t i = 0; m->adds_references && i < m->n_customs; i++) {
        if (lw_span_eq_nocase(lw_span_str(m->customs[i].name), LW_LIT("References")))
            return;
        if (lw_span_eq_nocase(lw_span_str(m->customs[i].name), LW_LIT("In-Reply-To")))
            parent = &m->customs[i];
    }
    if (parent != NULL)
        lw_render_custom(b, &(lw_custom){ .name = "References", .value = parent->value,
                                          .is_verbatim = true });
}

static void
put_headers(lw_rendering *r, lw_buf *b)
{
    const lw_message *m = r->message;

    put_date(b, m, r->opts);
    lw_render_mailboxes(b, LW_LIT("From"), &m->from);
    lw_render_mailboxes(b, LW_LIT("To"), &m->to);
    lw_render_mailboxes(b, LW_LIT("Cc"), &m->cc);
    if (m->to.n == 0 && m->cc.n == 0)
        lw_buf_add(b, LW_LIT("To: undisclosed-recipients:;\r\n"));
    lw_render_mailboxes(b, LW_LIT("Reply-To"), &m->reply_to);
    if (m->subject.text != NULL)
        put_text(b, LW_LIT("Subject"), lw_span_str(m->subject.text));
    put_text(b, LW_LIT("Message-ID"), lw_span_str(r->message_id));
    for (size_t i = 0; i < m->n_customs; i++)
        lw_render_custom(b, &m->customs[i]);
    put_references(b, m);
    lw_buf_add(b, LW_LIT("MIME-Version: 1.0\r\n"));
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
    lw_code rc;

    if (r->message->from.n == 0)
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "from: no sender was given");
    if (r->message->n_changes > 0)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE, "header %s: there is no ready message to "
                       "change it in", r->message->changes[0].name);
    if (r->message->resending != NULL)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE, "resent: there is no ready message to send on");
    if (r->message_id == NULL && (rc = make_message_id(r, err)) < 0)
        return rc;
    put_headers(r, &r->literal);
    if ((rc = lw_render_parts(r, err)) < 0)
        return rc;
    if (lw_buf_finish(&r->literal) < 0)
        return lw_buf_finish(&r->literal);
    if (!ends_with_crlf(r))
        lw_buf_add(&r->literal, LW_LIT("\r\n"));
    r->envelope.needs_smtputf8 = lw_message_needs_smtputf8(r->message, NULL);
    return LW_OK;
}
