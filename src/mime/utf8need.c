/* SPDX-License-Identifier: MIT */
/*
 * mime/utf8need.c - does a message need SMTPUTF8 (RFC 6531), and what for?
 *
 * Text in headers never does: it leaves as encoded words.  Addresses do, if their local part is
 * not ASCII or their domain could not be converted (idn.c), and a Message-ID of the caller's own.
 */
#include "mime/mime_int.h"

static const char *
first_utf8(const lw_mailboxes *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (!lw_span_is_ascii(lw_span_str(l->items[i].addr)))
            return l->items[i].addr;
    return NULL;
}

static bool
tell(lw_error *why, const char *field, const char *addr)
{
    size_t at = (size_t)(lw_addr_domain(addr).ptr - addr);
    bool is_local = !lw_span_is_ascii((lw_span){ addr, at });

    lw_fail(why, LW_OK, LW_STAGE_COMPOSE, "%s: \"%.80s\" is not ASCII %s the @", field, addr,
            is_local ? "before" : "after");
    return true;
}

typedef struct named_list {
    const char *field;
    const lw_mailboxes *list;
} named_list;

static bool
one_needs_it(const named_list *lists, size_t n, lw_error *why)
{
    const char *addr;

    for (size_t i = 0; i < n; i++)
        if ((addr = first_utf8(lists[i].list)) != NULL)
            return tell(why, lists[i].field, addr);
    return false;
}

static bool
resent_needs_it(const lw_resending *s, lw_error *why)
{
    const named_list lists[] = { { "resent-from", &s->from }, { "resent-sender", &s->sender },
                                 { "resent-to", &s->to }, { "resent-cc", &s->cc },
                                 { "resent-bcc", &s->bcc } };

    return one_needs_it(lists, LW_COUNT(lists), why);
}

static bool
lists_need_it(const lw_message *m, lw_error *why)
{
    const named_list lists[] = { { "from", &m->from }, { "to", &m->to }, { "cc", &m->cc },
                                 { "bcc", &m->bcc }, { "reply-to", &m->reply_to },
                                 { "envelope-to", &m->envelope_to } };
    const char *addr;

    if (one_needs_it(lists, LW_COUNT(lists), why))
        return true;
    for (size_t i = 0; i < m->n_customs; i++)
        if ((addr = first_utf8(&m->customs[i].list)) != NULL)
            return tell(why, m->customs[i].name, addr);
    for (size_t i = 0; i < m->n_changes; i++)
        if ((addr = first_utf8(&m->changes[i].list)) != NULL)
            return tell(why, m->changes[i].name, addr);
    return m->resending != NULL && resent_needs_it(m->resending, why);
}

bool
lw_message_needs_smtputf8(const lw_message *m, lw_error *why)
{
    if (why != NULL)
        lw_error_clear(why);
    if (m == NULL)
        return false;
    if (lists_need_it(m, why))
        return true;
    return m->envelope_from.text != NULL && !lw_span_is_ascii(lw_span_str(m->envelope_from.text))
        && tell(why, "envelope-from", m->envelope_from.text);
}

bool
lw_rendering_smtputf8(const lw_rendering *r, lw_error *why)
{
    if (!r->envelope.needs_smtputf8 || lw_message_needs_smtputf8(r->message, why))
        return r->envelope.needs_smtputf8;
    for (size_t i = 0; i < r->envelope.n_rcpts; i++)
        if (!lw_span_is_ascii(lw_span_str(r->envelope.rcpts[i].address)))
            return tell(why, "the message", r->envelope.rcpts[i].address);
    if (!lw_span_is_ascii(lw_span_str(r->envelope.from)))
        return tell(why, "the message", r->envelope.from);
    lw_fail(why, LW_OK, LW_STAGE_COMPOSE, "the header of the message is not ASCII");
    return true;
}
