/* SPDX-License-Identifier: MIT */
/*
 * mime/message.c - what the setters keep
 *
 * Every value passes the gate (gate.c) or the address parser where it enters; what is stored is
 * ready to be written.  The first failure stays in the message; a NULL message (out of memory
 * when it was made) fails with LW_ENOMEM everywhere.
 */
#include "mime/mime_int.h"

static const lw_error no_message = {
    .code = LW_ENOMEM, .stage = LW_STAGE_COMPOSE, .text = "there is no message: out of memory"
};

lw_message *
lw_message_new_with(const lw_alloc *alloc)
{
    lw_message *m = lw_malloc(alloc, sizeof *m);

    if (m == NULL)
        return NULL;
    memset(m, 0, offsetof(lw_message, room));
    m->alloc = *lw_alloc_or_default(alloc);
    lw_arena_init(&m->arena, &m->alloc);
    lw_arena_lend(&m->arena, m->room, sizeof m->room);
    lw_mailboxes_init(&m->from, &m->arena);
    lw_mailboxes_init(&m->to, &m->arena);
    lw_mailboxes_init(&m->cc, &m->arena);
    lw_mailboxes_init(&m->bcc, &m->arena);
    lw_mailboxes_init(&m->reply_to, &m->arena);
    lw_mailboxes_init(&m->envelope_to, &m->arena);
    lw_buf_init(&m->types, &m->alloc, LW_MIME_VALUE_MAX);
    return m;
}

lw_message *
lw_message_new(void)
{
    return lw_message_new_with(NULL);
}

void
lw_message_free(lw_message *m)
{
    if (m == NULL)
        return;
    lw_alloc alloc = m->alloc;
    lw_release(&alloc, m->text.ptr);
    lw_release(&alloc, m->html.ptr);
    lw_release(&alloc, m->amp.ptr);
    lw_release(&alloc, m->calendar.ptr);
    lw_release(&alloc, m->derived.ptr);
    for (size_t i = 0; i < m->attached.n; i++)
        lw_content_deinit(&m->attached.items[i].content);
    lw_content_deinit(&m->raw);
    lw_buf_deinit(&m->types);
    lw_arena_deinit(&m->arena);
    lw_release(&alloc, m);
}

const lw_error *
lw_message_error(const lw_message *m)
{
    return m == NULL ? &no_message : &m->error;
}

lw_code
lw_message_keep(lw_message *m, lw_code rc, const lw_error *err)
{
    if (rc < 0 && m->error.code == LW_OK)
        m->error = *err;
    return rc;
}

lw_code
lw_message_fail(lw_message *m, const lw_error *err)
{
    return m == NULL ? LW_ENOMEM : lw_message_keep(m, err->code, err);
}

const lw_alloc *
lw_message_alloc(const lw_message *m)
{
    return m == NULL ? &lw_alloc_default : &m->alloc;
}

lw_buf *
lw_message_types(lw_message *m)
{
    return &m->types;
}

/* a NULL argument is the caller's mistake, said with the field's name */
lw_code
lw_message_not_null(lw_message *m, const void *value, const char *field)
{
    lw_error e;

    if (m == NULL)
        return LW_ENOMEM;
    if (value != NULL)
        return LW_OK;
    lw_fail(&e, LW_EUSAGE, LW_STAGE_COMPOSE, "%s: NULL was given", field);
    return lw_message_keep(m, LW_EUSAGE, &e);
}

static lw_code
add_list(lw_message *m, lw_mailboxes *l, const char *list, const char *field)
{
    lw_error e;
    lw_code rc = lw_message_not_null(m, list, field);

    if (rc < 0)
        return rc;
    rc = lw_mailboxes_parse(l, lw_span_str(list), field, &e);
    return lw_message_keep(m, rc, &e);
}

lw_code
lw_mailboxes_parse(lw_mailboxes *l, lw_span list, const char *field, lw_error *err)
{
    return lw_mailboxes_parse_with(l, list, field, 0, err);
}

/* NUL-terminated text into a slot; what was there stays if memory runs out */
static lw_code
set_slot(lw_message *m, lw_arena_slot *slot, lw_span s, const char *field, lw_error *err)
{
    char *room = lw_arena_replace(&m->arena, slot, s.len + 1);

    if (room == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "%s: out of memory", field);
    if (s.len > 0)
        memcpy(room, s.ptr, s.len);
    room[s.len] = '\0';
    return LW_OK;
}

static lw_code
set_sender(lw_message *m, const lw_mailboxes *one, lw_error *err)
{
    lw_span name = lw_span_str(one->items[0].name), addr = lw_span_str(one->items[0].addr);
    char *room;

    if (one->n > 1)
        return lw_fail(err, LW_EADDRESS, LW_STAGE_COMPOSE,
                       "from: one sender is needed, %zu were given", one->n);
    room = lw_arena_replace(&m->arena, &m->sender_text, lw_mailbox_size(name, addr));
    if (room == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "from: out of memory");
    m->sender = lw_mailbox_write(room, name, addr);
    m->from.items = &m->sender;
    m->from.n = 1;
    return LW_OK;
}

lw_code
lw_message_from(lw_message *m, const char *mailbox)
{
    char room[512];
    lw_arena scratch;
    lw_mailboxes one;
    lw_error e;
    lw_code rc = lw_message_not_null(m, mailbox, "from");

    if (rc < 0)
        return rc;
    lw_arena_init(&scratch, &m->alloc);
    lw_arena_lend(&scratch, room, sizeof room);
    lw_mailboxes_init(&one, &scratch);
    if ((rc = lw_mailboxes_parse(&one, lw_span_str(mailbox), "from", &e)) >= 0)
        rc = set_sender(m, &one, &e);
    lw_arena_deinit(&scratch);
    return lw_message_keep(m, rc, &e);
}

lw_code
lw_message_to(lw_message *m, const char *list)
{
    return add_list(m, m == NULL ? NULL : &m->to, list, "to");
}

lw_code
lw_message_cc(lw_message *m, const char *list)
{
    return add_list(m, m == NULL ? NULL : &m->cc, list, "cc");
}

lw_code
lw_message_bcc(lw_message *m, const char *list)
{
    return add_list(m, m == NULL ? NULL : &m->bcc, list, "bcc");
}

lw_code
lw_message_reply_to(lw_message *m, const char *list)
{
    return add_list(m, m == NULL ? NULL : &m->reply_to, list, "reply-to");
}

lw_code
lw_message_envelope_from(lw_message *m, const char *address)
{
    char addr[LW_ADDR_MAX + 1] = "";
    lw_error e;
    lw_code rc = lw_message_not_null(m, address, "envelope-from");

    if (rc < 0)
        return rc;
    if (address[0] != '\0')
        rc = lw_addr_parse(lw_span_str(address), "envelope-from", addr, &e);
    if (rc >= 0)
        rc = set_slot(m, &m->envelope_from, lw_span_str(addr), "envelope-from", &e);
    return lw_message_keep(m, rc, &e);
}

lw_code
lw_message_envelope_to(lw_message *m, const char *address)
{
    char addr[LW_ADDR_MAX + 1];
    lw_error e;
    lw_code rc = lw_message_not_null(m, address, "envelope-to");

    if (rc < 0)
        return rc;
    rc = lw_addr_parse(lw_span_str(address), "envelope-to", addr, &e);
    if (rc >= 0) {
        rc = lw_mailboxes_add(&m->envelope_to, LW_LIT(""), lw_span_str(addr));
        if (rc < 0)
            lw_fail(&e, rc, LW_STAGE_COMPOSE, "envelope-to: out of memory");
    }
    return lw_message_keep(m, rc, &e);
}

lw_code
lw_message_subject(lw_message *m, const char *subject)
{
    lw_span s = lw_span_str(subject);
    lw_error e;
    lw_code rc = lw_message_not_null(m, subject, "subject");

    if (rc < 0)
        return rc;
    rc = lw_mime_gate(s, "subject", LW_EMESSAGE, &e);
    if (rc >= 0 && s.len > LW_MIME_VALUE_MAX)
        rc = lw_fail(&e, LW_ELIMIT, LW_STAGE_COMPOSE, "subject: longer than %zu octets",
                     LW_MIME_VALUE_MAX);
    if (rc >= 0)
        rc = set_slot(m, &m->subject, s, "subject", &e);
    return lw_message_keep(m, rc, &e);
}

lw_code
lw_message_dkim(lw_message *m, lw_dkim_signer *signer)
{
    if (m == NULL)
        return LW_ENOMEM;
    m->dkim = signer;
    return LW_OK;
}

lw_code
lw_message_secure(lw_message *m, lw_secure *secure)
{
    if (m == NULL)
        return LW_ENOMEM;
    m->secure = secure;
    return LW_OK;
}

lw_secure *
lw_message_protection(const lw_message *m)
{
    return m->secure;
}

lw_dkim_signer *
lw_message_dkim_signer(const lw_message *m)
{
    return m->dkim;
}

lw_code
lw_message_date(lw_message *m, int64_t unix_s, int offset_minutes)
{
    lw_error e;

    if (m == NULL)
        return LW_ENOMEM;
    if (!lw_date_ok(unix_s, offset_minutes)) {
        lw_fail(&e, LW_EMESSAGE, LW_STAGE_COMPOSE,
                "date: the year must be in 1900..9999 and the zone within a day");
        return lw_message_keep(m, LW_EMESSAGE, &e);
    }
    m->has_date = true;
    m->date_s = unix_s;
    m->zone_minutes = offset_minutes;
    return LW_OK;
}

/* msg-id = "<" id-left "@" id-right ">" of printable ASCII without spaces; what stands in the
 * wild is looser than dot-atom-text, so more is not asked */
bool
lw_message_is_id(lw_span s)
{
    size_t at = lw_span_find(s, '@');

    if (s.len < 5 || s.len > 500 || s.ptr[0] != '<' || s.ptr[s.len - 1] != '>' || at < 2
        || at + 2 >= s.len)
        return false;
    for (size_t i = 1; i + 1 < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~' || s.ptr[i] == '<' || s.ptr[i] == '>')
            return false;
    return true;
}

lw_code
lw_message_id(lw_message *m, const char *message_id)
{
    lw_span s = lw_span_trim(lw_span_str(message_id));
    lw_error e;
    lw_code rc = lw_message_not_null(m, message_id, "message-id");

    if (rc < 0)
        return rc;
    rc = lw_mime_gate(s, "message-id", LW_EMESSAGE, &e);
    if (rc >= 0 && !lw_message_is_id(s))
        rc = lw_fail(&e, LW_EMESSAGE, LW_STAGE_COMPOSE,
                     "message-id: \"%.60s\" is not of the form <left@right>", message_id);
    if (rc >= 0)
        rc = set_slot(m, &m->message_id, s, "message-id", &e);
    return lw_message_keep(m, rc, &e);
}
