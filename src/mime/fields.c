/* SPDX-License-Identifier: MIT */
/*
 * mime/fields.c - headers of the caller's own
 *
 * A name is looked up in one table: fields that the composer writes go to their setters, fields
 * that hold addresses are parsed, those that only the composer may write are refused, the rest
 * is unstructured text.  RFC 5322 3.6: what may stand once only is refused the second time.
 */
#include "mime/mime_int.h"

#define NAME_MAX_LEN 76 /* so that a folded line always holds it */

typedef enum field_kind {
    FIELD_TEXT,      /* as often as wanted               */
    FIELD_ONCE,      /* unstructured here, once          */
    FIELD_ADDRESSES, /* a list, once                     */
    FIELD_MAILBOX,   /* one mailbox, once                */
    FIELD_RESENT,    /* a list, as often as wanted       */
    FIELD_OWNED,     /* the composer's                   */
    FIELD_HIDDEN,    /* must not be seen by recipients   */
    FIELD_SETTER     /* has a call of its own            */
} field_kind;

static const struct {
    const char *name;
    field_kind kind;
} known[] = {
    { "Subject", FIELD_SETTER },
    { "Date", FIELD_SETTER },
    { "From", FIELD_SETTER },
    { "To", FIELD_SETTER },
    { "Cc", FIELD_SETTER },
    { "Reply-To", FIELD_SETTER },
    { "Message-ID", FIELD_SETTER },
    { "Bcc", FIELD_HIDDEN },
    { "Resent-Bcc", FIELD_HIDDEN },
    { "MIME-Version", FIELD_OWNED },
    { "Sender", FIELD_MAILBOX },
    { "In-Reply-To", FIELD_ONCE },
    { "References", FIELD_ONCE },
    { "Resent-From", FIELD_RESENT },
    { "Resent-Sender", FIELD_RESENT },
    { "Resent-To", FIELD_RESENT },
    { "Resent-Cc", FIELD_RESENT },
    { "Disposition-Notification-To", FIELD_ADDRESSES },
    { "Return-Receipt-To", FIELD_ADDRESSES },
    { "Errors-To", FIELD_ADDRESSES },
    { "Mail-Followup-To", FIELD_ADDRESSES },
    { "Mail-Reply-To", FIELD_ADDRESSES },
};

static field_kind
kind_of(lw_span name)
{
    if (lw_span_starts_nocase(name, LW_LIT("Content-")))
        return FIELD_OWNED;
    for (size_t i = 0; i < LW_COUNT(known); i++)
        if (lw_span_eq_nocase(name, lw_span_str(known[i].name)))
            return known[i].kind;
    return FIELD_TEXT;
}

/* field-name = 1*ftext; ftext is printable ASCII but ":" (RFC 5322 2.2, 3.6.8) */
static lw_code
check_name(lw_span name, lw_error *err)
{
    bool ok = name.len > 0;

    for (size_t i = 0; i < name.len; i++)
        ok = ok && name.ptr[i] > ' ' && name.ptr[i] <= '~' && name.ptr[i] != ':';
    if (!ok)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE,
                       "header: \"%.*s\" is no header name: printable ASCII without spaces and "
                       "colons is needed", (int)(name.len < 76 ? name.len : 76), name.ptr);
    if (name.len > NAME_MAX_LEN)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE,
                       "header: the name \"%.20s...\" is longer than %d characters", name.ptr,
                       NAME_MAX_LEN);
    return LW_OK;
}

void
lw_custom_deinit(const lw_alloc *alloc, lw_custom *c)
{
    lw_release(alloc, c->name);
    lw_release(alloc, c->value);
    lw_mailboxes_deinit(&c->list);
}

static bool
has_custom(const lw_message *m, lw_span name)
{
    for (size_t i = 0; i < m->n_customs; i++)
        if (lw_span_eq_nocase(lw_span_str(m->customs[i].name), name))
            return true;
    return false;
}

static lw_code
refuse(lw_error *err, const char *name, const char *why)
{
    return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE, "header %s: %s", name, why);
}

static lw_code
fill_custom(lw_message *m, lw_custom *c, field_kind kind, lw_span value, lw_error *err)
{
    lw_code rc;

    lw_mailboxes_init(&c->list, &m->alloc);
    c->is_list = kind == FIELD_ADDRESSES || kind == FIELD_MAILBOX || kind == FIELD_RESENT;
    if (c->is_list) {
        rc = lw_mailboxes_parse(&c->list, value, c->name, err);
        if (rc >= 0 && kind == FIELD_MAILBOX && c->list.n > 1)
            rc = lw_fail(err, LW_EADDRESS, LW_STAGE_COMPOSE,
                         "%s: one address is needed, %zu were given", c->name, c->list.n);
        return rc;
    }
    if ((rc = lw_mime_gate(value, c->name, LW_EMESSAGE, err)) < 0)
        return rc;
    if (value.len > LW_MIME_VALUE_MAX)
        return lw_fail(err, LW_ELIMIT, LW_STAGE_COMPOSE, "%s: longer than %zu octets", c->name,
                       LW_MIME_VALUE_MAX);
    c->value = lw_span_dup(&m->alloc, value);
    return c->value != NULL ? LW_OK
        : lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "%s: out of memory", c->name);
}

static lw_code
add_custom(lw_message *m, const char *name, field_kind kind, lw_span value, lw_error *err)
{
    void *items = m->customs;
    lw_custom c = { .name = lw_strdup(&m->alloc, name) };
    lw_code rc = LW_ENOMEM;

    if (c.name == NULL
        || !lw_array_room(&m->alloc, &items, m->n_customs, &m->cap_customs, sizeof c)) {
        lw_release(&m->alloc, c.name);
        return lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "%s: out of memory", name);
    }
    m->customs = items;
    if ((rc = fill_custom(m, &c, kind, value, err)) < 0) {
        lw_custom_deinit(&m->alloc, &c);
        return rc;
    }
    m->customs[m->n_customs++] = c;
    return LW_OK;
}

static lw_code
set_date(lw_message *m, const char *value)
{
    int64_t unix_s;
    int zone;
    lw_error e;

    if (lw_date_parse(lw_span_str(value), &unix_s, &zone))
        return lw_message_date(m, unix_s, zone);
    lw_fail(&e, LW_EMESSAGE, LW_STAGE_COMPOSE,
            "date: \"%.60s\" is not a date as in \"Tue, 1 Jul 2025 10:52:37 +0200\"", value);
    return lw_message_keep(m, LW_EMESSAGE, &e);
}

/* the fields that have calls of their own; those that may stand once are refused when set */
static lw_code
call_setter(lw_message *m, lw_span name, const char *value)
{
    bool is_set = false;
    lw_error e;

    if (lw_span_eq_nocase(name, LW_LIT("To")))
        return lw_message_to(m, value);
    if (lw_span_eq_nocase(name, LW_LIT("Cc")))
        return lw_message_cc(m, value);
    if (lw_span_eq_nocase(name, LW_LIT("Reply-To")))
        return lw_message_reply_to(m, value);
    is_set = lw_span_eq_nocase(name, LW_LIT("Subject")) ? m->subject != NULL
        : lw_span_eq_nocase(name, LW_LIT("Date")) ? m->has_date
        : lw_span_eq_nocase(name, LW_LIT("From")) ? m->from.n > 0
        : m->message_id != NULL;
    if (is_set)
        return lw_message_keep(m, refuse(&e, name.ptr, "it is set already, and a message has "
                                         "one only"), &e);
    if (lw_span_eq_nocase(name, LW_LIT("Subject")))
        return lw_message_subject(m, value);
    if (lw_span_eq_nocase(name, LW_LIT("Date")))
        return set_date(m, value);
    if (lw_span_eq_nocase(name, LW_LIT("From")))
        return lw_message_from(m, value);
    return lw_message_id(m, value);
}

lw_code
lw_message_header(lw_message *m, const char *name, const char *value)
{
    lw_span n = lw_span_str(name), v = lw_span_trim(lw_span_str(value));
    field_kind kind = kind_of(n);
    lw_error e;
    lw_code rc;

    if (m == NULL)
        return LW_ENOMEM;
    if (name == NULL || value == NULL) {
        rc = lw_fail(&e, LW_EUSAGE, LW_STAGE_COMPOSE, "header: NULL was given");
        return lw_message_keep(m, rc, &e);
    }
    if ((rc = check_name(n, &e)) < 0)
        return lw_message_keep(m, rc, &e);
    if (kind == FIELD_SETTER)
        return call_setter(m, n, value);
    if (kind == FIELD_OWNED)
        rc = refuse(&e, name, "the composer writes it itself");
    else if (kind == FIELD_HIDDEN)
        rc = refuse(&e, name, "it would show the hidden recipients; use bcc instead");
    else if (kind != FIELD_TEXT && kind != FIELD_RESENT && has_custom(m, n))
        rc = refuse(&e, name, "it is set already, and a message has one only");
    else
        rc = add_custom(m, name, kind, v, &e);
    return lw_message_keep(m, rc, &e);
}
