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
#define URI_MAX 900     /* one that is never encoded: its line stays under 998 */

typedef enum field_kind {
    FIELD_TEXT,      /* as often as wanted               */
    FIELD_ONCE,      /* unstructured here, once          */
    FIELD_ADDRESSES, /* a list, once                     */
    FIELD_MAILBOX,   /* one mailbox, once                */
    FIELD_RESENT,    /* a list, as often as wanted       */
    FIELD_IDS,       /* message identifiers, once        */
    FIELD_URIS,      /* RFC 2369: <URI>, <URI>; once     */
    FIELD_LIST_ID,   /* RFC 2919, once                   */
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
    { "In-Reply-To", FIELD_IDS },
    { "References", FIELD_IDS },
    { "Auto-Submitted", FIELD_ONCE },
    { "Feedback-ID", FIELD_ONCE },
    { "Importance", FIELD_ONCE },
    { "Priority", FIELD_ONCE },
    { "X-Priority", FIELD_ONCE },
    { "List-Id", FIELD_LIST_ID },
    { "List-Help", FIELD_URIS },
    { "List-Unsubscribe", FIELD_URIS },
    { "List-Unsubscribe-Post", FIELD_ONCE },
    { "List-Subscribe", FIELD_URIS },
    { "List-Post", FIELD_URIS },
    { "List-Owner", FIELD_URIS },
    { "List-Archive", FIELD_URIS },
    { "Archived-At", FIELD_URIS },
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

static bool
has_custom(const lw_message *m, lw_span name)
{
    for (size_t i = 0; i < m->n_customs; i++)
        if (lw_span_eq_nocase(lw_span_str(m->customs[i].name), name))
            return true;
    return false;
}

/** One of the two arrays of a message that hold headers. */
typedef struct custom_list {
    lw_custom **items;
    size_t *n, *cap;
} custom_list;

static lw_code
refuse(lw_error *err, const char *name, const char *why)
{
    return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE, "header %s: %s", name, why);
}

/* [RFC2369 2] "The contents of the list header fields mostly consist of angle-bracket ('<', '>')
 * enclosed URLs, with internal whitespace being ignored."  Commas stand between them; or NO */
static bool
is_uris(lw_span s)
{
    if (lw_span_eq_nocase(s, LW_LIT("NO")))
        return true;
    for (;;) {
        size_t close = lw_span_find(s, '>'), colon = lw_span_find((lw_span){ s.ptr, close }, ':');
        if (s.len == 0 || s.ptr[0] != '<' || close == s.len || colon < 2 || colon + 1 >= close
            || close > URI_MAX)
            return false;
        for (size_t i = 1; i < close; i++)
            if (s.ptr[i] <= ' ' || s.ptr[i] > '~' || s.ptr[i] == '<')
                return false;
        s = lw_span_trim((lw_span){ s.ptr + close + 1, s.len - close - 1 });
        if (s.len == 0)
            return true;
        if (s.ptr[0] != ',')
            return false;
        s = lw_span_trim((lw_span){ s.ptr + 1, s.len - 1 });
    }
}

/* [RFC2919 3] "list-id-header = "List-ID:" [phrase] "<" list-id ">" CRLF" */
static bool
is_list_id(lw_span s)
{
    size_t open = s.len;

    while (open > 0 && s.ptr[open - 1] != '<')
        open--;
    if (open == 0 || s.ptr[s.len - 1] != '>')
        return false;
    lw_span id = { s.ptr + open, s.len - open - 1 };
    return lw_span_is_ascii(id) && id.len <= LW_DOMAIN_MAX && lw_span_find(id, '.') < id.len
        && !lw_addr_wants_quotes(id);
}

/* without an @ it is what old programs write into In-Reply-To: taken, if no line gets too long */
static bool
is_verbatim(lw_span s)
{
    lw_span word;

    for (lw_span rest = s; lw_span_token(&rest, ' ', &word);)
        if (word.len > URI_MAX)
            return false;
    return lw_span_is_ascii(s);
}

static lw_code
check_form(lw_custom *c, field_kind kind, lw_span value, lw_error *err)
{
    if (kind == FIELD_URIS && !is_uris(value))
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "%s: \"%.60s\" is not of the form "
                       "<https://...>, <mailto:...> (each at most %d characters)", c->name,
                       value.ptr, URI_MAX);
    if (kind == FIELD_LIST_ID && !is_list_id(value))
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "%s: \"%.60s\" is not of the form "
                       "Name <list.example.com>", c->name, value.ptr);
    c->is_phrase = kind == FIELD_LIST_ID;
    c->is_verbatim = kind == FIELD_URIS || (kind == FIELD_IDS && is_verbatim(value));
    return LW_OK;
}

static lw_code
fill_custom(lw_message *m, lw_custom *c, field_kind kind, lw_span value, lw_error *err)
{
    lw_code rc;

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
    if ((rc = check_form(c, kind, value, err)) < 0)
        return rc;
    c->value = lw_arena_span(&m->arena, value);
    return c->value != NULL ? LW_OK
        : lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "%s: out of memory", c->name);
}

static lw_code
add_custom(lw_message *m, custom_list *list, lw_custom *c, lw_error *err)
{
    void *items = *list->items;

    if (!lw_arena_grow(&m->arena, &items, *list->n, list->cap, sizeof *c))
        return lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "%s: out of memory", c->name);
    *list->items = items;
    (*list->items)[(*list->n)++] = *c;
    return LW_OK;
}

/* a field of this name and kind for list; without a value it stands for a removed one */
static lw_code
make_custom(lw_message *m, custom_list list, const char *name, field_kind kind,
            const char *value, lw_error *err)
{
    lw_arena before = m->arena;
    lw_custom c = { .name = lw_arena_str(&m->arena, name) };
    lw_code rc = LW_OK;

    lw_mailboxes_init(&c.list, &m->arena);
    if (c.name == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "%s: out of memory", name);
    if (value != NULL)
        rc = fill_custom(m, &c, kind, lw_span_trim(lw_span_str(value)), err);
    if (rc >= 0)
        rc = add_custom(m, &list, &c, err);
    if (rc < 0)
        lw_arena_rewind(&m->arena, &before);
    return rc;
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
    is_set = lw_span_eq_nocase(name, LW_LIT("Subject")) ? m->subject.text != NULL
        : lw_span_eq_nocase(name, LW_LIT("Date")) ? m->has_date
        : lw_span_eq_nocase(name, LW_LIT("From")) ? m->from.n > 0
        : m->message_id.text != NULL;
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
    lw_span n = lw_span_str(name);
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
        rc = make_custom(m, (custom_list){ &m->customs, &m->n_customs, &m->cap_customs }, name,
                         kind, value, &e);
    return lw_message_keep(m, rc, &e);
}

/* fields that have setters of their own, where a ready message holds them */
static field_kind
kind_in_ready(lw_span name)
{
    static const struct {
        const char *name;
        field_kind kind;
    } setters[] = { { "From", FIELD_ADDRESSES }, { "To", FIELD_ADDRESSES }, { "Cc", FIELD_ADDRESSES },
                    { "Reply-To", FIELD_ADDRESSES }, { "Message-ID", FIELD_IDS } };
    field_kind kind = kind_of(name);

    for (size_t i = 0; kind == FIELD_SETTER && i < LW_COUNT(setters); i++)
        if (lw_span_eq_nocase(name, lw_span_str(setters[i].name)))
            return setters[i].kind;
    return kind == FIELD_SETTER ? FIELD_TEXT : kind;
}

static lw_code
check_change(lw_span name, const char *value, lw_error *err)
{
    int64_t unix_s;
    int zone;
    lw_code rc = check_name(name, err);

    if (rc < 0)
        return rc;
    if (kind_of(name) == FIELD_OWNED)
        return refuse(err, name.ptr, "it tells how the body is to be read, and the body stays");
    if (kind_of(name) == FIELD_HIDDEN)
        return refuse(err, name.ptr, "it is removed in any case");
    if (value != NULL && lw_span_eq_nocase(name, LW_LIT("Date"))
        && !lw_date_parse(lw_span_str(value), &unix_s, &zone))
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "Date: \"%.60s\" is not a date as in "
                       "\"Tue, 1 Jul 2025 10:52:37 +0200\"", value);
    if (value != NULL && lw_span_eq_nocase(name, LW_LIT("Message-ID"))
        && !lw_message_is_id(lw_span_trim(lw_span_str(value))))
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE,
                       "Message-ID: \"%.60s\" is not of the form <left@right>", value);
    return LW_OK;
}

lw_code
lw_message_raw_header(lw_message *m, const char *name, const char *value)
{
    lw_error e;
    lw_code rc = lw_message_not_null(m, name, "header");

    if (rc < 0)
        return rc;
    if ((rc = check_change(lw_span_str(name), value, &e)) >= 0)
        rc = make_custom(m, (custom_list){ &m->changes, &m->n_changes, &m->cap_changes }, name,
                         kind_in_ready(lw_span_str(name)), value, &e);
    return lw_message_keep(m, rc, &e);
}
