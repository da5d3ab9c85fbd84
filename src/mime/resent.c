/* SPDX-License-Identifier: MIT */
/*
 * mime/resent.c - a ready message sent on: the block of Resent- fields before all others
 *
 * RFC 5322 3.6.6.  The envelope goes to those named here; the message itself stays as it is.
 */
#include "mime/mime_int.h"

static lw_resending *
new_resending(lw_arena *arena)
{
    lw_resending *s = lw_arena_array(arena, 1, sizeof *s);

    if (s == NULL)
        return NULL;
    lw_mailboxes_init(&s->from, arena);
    lw_mailboxes_init(&s->sender, arena);
    lw_mailboxes_init(&s->to, arena);
    lw_mailboxes_init(&s->cc, arena);
    lw_mailboxes_init(&s->bcc, arena);
    return s;
}

static lw_code
parse_lists(lw_resending *s, const lw_resent *how, lw_error *err)
{
    const struct {
        lw_mailboxes *list;
        const char *value, *field;
    } rows[] = { { &s->from, how->from, "resent-from" }, { &s->sender, how->sender, "resent-sender" },
                 { &s->to, how->to, "resent-to" }, { &s->cc, how->cc, "resent-cc" },
                 { &s->bcc, how->bcc, "resent-bcc" } };
    lw_code rc = LW_OK;

    for (size_t i = 0; i < LW_COUNT(rows) && rc >= 0; i++)
        if (rows[i].value != NULL)
            rc = lw_mailboxes_parse(rows[i].list, lw_span_str(rows[i].value), rows[i].field, err);
    return rc;
}

static lw_code
refuse(lw_error *err, lw_code code, const char *what)
{
    return lw_fail(err, code, LW_STAGE_COMPOSE, "%s", what);
}

static lw_code
fill(lw_resending *s, lw_arena *arena, const lw_resent *how, lw_error *err)
{
    lw_span id = lw_span_trim(lw_span_str(how->message_id));
    lw_code rc = parse_lists(s, how, err);

    if (rc < 0)
        return rc;
    if (s->sender.n > 1)
        return refuse(err, LW_EADDRESS, "resent-sender: one address is needed, more were given");
    /* as RFC 5322 3.6.2 has it for From and Sender */
    if (s->from.n > 1 && s->sender.n == 0)
        return refuse(err, LW_EADDRESS, "resent-from: more than one sends it on, so resent-sender "
                                        "has to name who does it");
    if (s->to.n + s->cc.n + s->bcc.n == 0)
        return refuse(err, LW_EMESSAGE, "resent-to: no recipient was given");
    if (how->message_id != NULL && !lw_message_is_id(id))
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "resent-message-id: \"%.60s\" is not of the "
                       "form <left@right>", how->message_id);
    if (how->has_date && !lw_date_ok(how->date_s, how->zone_minutes))
        return refuse(err, LW_EMESSAGE, "resent-date: the year must be in 1900..9999 and the zone "
                                        "within a day");
    if (how->message_id != NULL && (s->message_id = lw_arena_span(arena, id)) == NULL)
        return refuse(err, LW_ENOMEM, "resent-message-id: out of memory");
    s->has_date = how->has_date;
    s->date_s = how->date_s;
    s->zone_minutes = how->zone_minutes;
    return LW_OK;
}

lw_code
lw_message_resent(lw_message *m, const lw_resent *how)
{
    lw_resending *s;
    lw_arena before;
    lw_error e;
    lw_code rc;

    if ((rc = lw_message_not_null(m, how, "resent")) < 0
        || (rc = lw_message_not_null(m, how->from, "resent-from")) < 0)
        return rc;
    before = m->arena;
    if (m->resending != NULL)
        rc = refuse(&e, LW_EUSAGE, "resent: it is set already, and a message is sent on once at a time");
    else if ((s = new_resending(&m->arena)) == NULL)
        rc = refuse(&e, LW_ENOMEM, "resent: out of memory");
    else if ((rc = fill(s, &m->arena, how, &e)) >= 0)
        m->resending = s;
    if (rc < 0)
        lw_arena_rewind(&m->arena, &before);
    return lw_message_keep(m, rc, &e);
}

const lw_mailboxes *
lw_resending_sender(const lw_resending *s)
{
    return s->sender.n > 0 ? &s->sender : &s->from;
}

/* [RFC5322 3.6.6] "When resent fields are used, the "Resent-From:" and "Resent-Date:" fields MUST be
 * sent.  The "Resent-Message-ID:" field SHOULD be sent." */
lw_code
lw_render_resent(lw_rendering *r)
{
    const lw_resending *s = r->message->resending;
    const lw_mailboxes *sender = lw_resending_sender(s);
    const char *id = s->message_id != NULL ? s->message_id
        : lw_render_new_id(r, sender->items[0].addr);
    lw_buf *b = &r->literal;
    lw_field_writer w;

    if (id == NULL)
        return LW_ENOMEM;
    lw_render_mailboxes(b, LW_LIT("Resent-From"), &s->from);
    /* [RFC5322 3.6.6] ""Resent-Sender:" SHOULD NOT be used if "Resent-Sender:" would be identical to
     * "Resent-From:"." */
    if (s->from.n > 1 || (s->sender.n > 0 && strcmp(s->sender.items[0].addr, s->from.items[0].addr) != 0))
        lw_render_mailboxes(b, LW_LIT("Resent-Sender"), &s->sender);
    lw_render_mailboxes(b, LW_LIT("Resent-To"), &s->to);
    lw_render_mailboxes(b, LW_LIT("Resent-Cc"), &s->cc);
    lw_field_begin(&w, b, LW_LIT("Resent-Date"));
    lw_field_date(&w, s->has_date ? s->date_s : r->opts->now_s,
                  s->has_date ? s->zone_minutes : r->opts->zone_minutes);
    lw_field_end(&w);
    lw_field_begin(&w, b, LW_LIT("Resent-Message-ID"));
    lw_field_verbatim(&w, lw_span_str(id));
    lw_field_end(&w);
    return lw_buf_finish(b);
}
