/* SPDX-License-Identifier: MIT */
/*
 * mime/bounce_field.c - the fields of a report (RFC 3464 2.2, 2.3; RFC 8098 3.2; RFC 5965 3)
 *
 * A table says where each goes.  A recipient begins with the first of its fields in a group, or
 * with a second Final-Recipient in one, because some reporters forget the empty line.
 */
#include "mime/bounce_int.h"

/* ---- values -------------------------------------------------------------------------------------- */

static void
add_codepoint(lw_buf *b, uint32_t cp)
{
    if (cp < 0x80) {
        lw_buf_add_char(b, (char)cp);
        return;
    }
    if (cp >= 0x10000)
        lw_buf_add_char(b, (char)(0xf0 | cp >> 18));
    if (cp >= 0x800)
        lw_buf_add_char(b, (char)(cp >= 0x10000 ? 0x80 | (cp >> 12 & 63) : 0xe0 | cp >> 12));
    lw_buf_add_char(b, (char)(cp >= 0x800 ? 0x80 | (cp >> 6 & 63) : 0xc0 | cp >> 6));
    lw_buf_add_char(b, (char)(0x80 | (cp & 63)));
}

/* [RFC6533 3] "This encoding avoids the need to use the xtext encoding": \x{HEXPOINT}, HEXPOINT "is
 * 2 to 6 hexadecimal digits"; length of the one at s, 0 = none */
static size_t
unitext(lw_span s, uint32_t *cp)
{
    size_t i = 3;

    *cp = 0;
    if (s.len < 6 || memcmp(s.ptr, "\\x{", 3) != 0)
        return 0;
    for (; i < s.len && i < 9 && lw_hex_value(s.ptr[i]) >= 0; i++)
        *cp = *cp << 4 | (uint32_t)lw_hex_value(s.ptr[i]);
    if (i < 5 || i == s.len || s.ptr[i] != '}' || *cp > 0x10ffff || (*cp >= 0xd800 && *cp < 0xe000))
        return 0;
    return i + 1;
}

static void
add_unitext(lw_buf *b, lw_span s)
{
    for (size_t i = 0, n; i < s.len; i += n) {
        uint32_t cp;
        n = unitext((lw_span){ s.ptr + i, s.len - i }, &cp);
        if (n > 0)
            add_codepoint(b, cp);
        else
            lw_buf_add_char(b, s.ptr[i]);
        n = n == 0 ? 1 : n;
    }
}

/* s up to a comment behind white space, outside quotes */
static lw_span
without_comment(lw_span s)
{
    bool quoted = false;

    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"')
            quoted = !quoted;
        else if (!quoted && s.ptr[i] == '(' && (i == 0 || s.ptr[i - 1] == ' ' || s.ptr[i - 1] == '\t'))
            s.len = i;
    }
    return lw_span_trim(s);
}

/* an address as it is meant: without < > and, of the type utf-8, without its encoding */
static void
keep_address(lw_bounce *b, const char **slot, lw_span s, bool is_utf8)
{
    lw_buf decoded, clean;

    s = without_comment(s);
    if (s.len > 1 && s.ptr[0] == '<' && s.ptr[s.len - 1] == '>')
        s = (lw_span){ s.ptr + 1, s.len - 2 };
    lw_buf_init(&decoded, &b->alloc, LW_READ_VALUE_MAX);
    lw_buf_init(&clean, &b->alloc, LW_READ_VALUE_MAX);
    if (is_utf8)
        add_unitext(&decoded, s);
    lw_utf8_repair(&clean, is_utf8 ? lw_buf_span(&decoded) : s);
    if (lw_buf_finish(&decoded) < 0 || lw_buf_finish(&clean) < 0)
        b->failed = LW_ENOMEM;
    lw_bounce_keep(b, slot, lw_buf_span(&clean));
    lw_buf_deinit(&decoded);
    lw_buf_deinit(&clean);
}

/* how a value is read */
enum { TEXT, ADDRESS, TYPED_TEXT, TYPED_ADDRESS };

/* "type; value" */
static void
keep_typed(lw_bounce *b, lw_bounce_value *v, lw_span s, int how)
{
    size_t semicolon = lw_span_find(s, ';');
    lw_span type = without_comment((lw_span){ s.ptr, semicolon });
    char lower[32] = "";
    size_t n = 0;

    if (v->text != NULL)
        return;
    if (semicolon == s.len || type.len >= sizeof lower || !lw_mime_is_token(type))
        type.len = 0;
    else
        s = lw_span_trim((lw_span){ s.ptr + semicolon + 1, s.len - semicolon - 1 });
    for (; n < type.len; n++)
        lower[n] = lw_lower(type.ptr[n]);
    lw_bounce_keep(b, &v->type, (lw_span){ lower, n });
    if (how == TYPED_ADDRESS)
        keep_address(b, &v->text, s, strcmp(lower, "utf-8") == 0);
    else
        lw_bounce_keep(b, &v->text, s);
}

/* [RFC3463 2] "status-code = class "." subject "." detail"; comments may follow (RFC 3464 2.3.4) */
static lw_enhanced
parse_enhanced(lw_span s)
{
    uint64_t v[3];
    lw_span part;

    s.len = lw_span_find(s, ' ') < s.len ? lw_span_find(s, ' ') : s.len;
    for (int i = 0; i < 3; i++)
        if (!lw_span_token(&s, '.', &part) || part.len > 3 || !lw_span_uint(part, 999, &v[i]))
            return (lw_enhanced){ 0, 0, 0 };
    if (s.ptr != NULL || (v[0] != 2 && v[0] != 4 && v[0] != 5))
        return (lw_enhanced){ 0, 0, 0 };
    return (lw_enhanced){ (uint16_t)v[0], (uint16_t)v[1], (uint16_t)v[2] };
}

/* the reply that a diagnostic of SMTP is: "550 5.1.1 no such user", "550-5.1.1 ..." */
static void
parse_reply(lw_bounce_rcpt *r)
{
    lw_span s = lw_span_str(r->diagnostic.text);
    uint64_t code;

    if (s.len < 3 || !lw_span_uint((lw_span){ s.ptr, 3 }, 599, &code) || code < 200
        || (s.len > 3 && s.ptr[3] != ' ' && s.ptr[3] != '-'))
        return;
    r->reply_code = (int)code;
    if (s.len > 4)
        r->reply_enhanced = parse_enhanced((lw_span){ s.ptr + 4, s.len - 4 });
}

static lw_bounce_action
parse_action(lw_span s)
{
    s = without_comment(s);
    for (int a = LW_BOUNCE_ACTION_FAILED; a <= LW_BOUNCE_ACTION_EXPANDED; a++)
        if (lw_span_eq_nocase(s, lw_span_str(lw_bounce_action_name((lw_bounce_action)a))))
            return (lw_bounce_action)a;
    return LW_BOUNCE_ACTION_UNKNOWN;
}

/* ---- where they go ---------------------------------------------------------------------------------- */

typedef struct rule {
    const char *name;
    size_t offset;
    int how;
} rule;

#define R(member) offsetof(lw_bounce_report, member)
#define P(member) offsetof(lw_bounce_rcpt, member)

static const rule of_message[] = {
    { "Original-Envelope-Id", R(envelope_id), TEXT },
    { "Reporting-MTA", R(reporting_mta), TYPED_TEXT },
    { "DSN-Gateway", R(dsn_gateway), TYPED_TEXT },
    { "Received-From-MTA", R(received_from_mta), TYPED_TEXT },
    { "Arrival-Date", R(arrival_date), TEXT },
    { "Received-Date", R(arrival_date), TEXT }, /* RFC 5965 knows both */
    { "Reporting-UA", R(reporting_ua), TEXT },
    { "Disposition", R(disposition), TEXT },
    { "Original-Message-ID", R(message_id), TEXT },
    { "X-Original-Message-ID", R(message_id), TEXT }, /* Postfix */
    { "Feedback-Type", R(feedback_type), TEXT },
    { "Source-IP", R(source_ip), TEXT },
    { "Original-Mail-From", R(from), ADDRESS },
};

static const rule of_rcpt[] = {
    { "Original-Recipient", P(original), TYPED_ADDRESS },
    { "Final-Recipient", P(final_rcpt), TYPED_ADDRESS },
    { "Remote-MTA", P(remote_mta), TYPED_TEXT },
    { "Diagnostic-Code", P(diagnostic), TYPED_TEXT },
    { "Last-Attempt-Date", P(last_attempt), TEXT },
    { "Will-Retry-Until", P(will_retry_until), TEXT },
    { "Final-Log-ID", P(final_log_id), TEXT },
    { "Original-Rcpt-To", P(original.text), ADDRESS }, /* RFC 5965 */
    { "Action", 0, 0 },
    { "Status", 0, 0 },
};

static const rule of_original[] = {
    { "Message-ID", R(message_id), TEXT },
    { "From", R(from), TEXT },
    { "To", R(to), TEXT },
    { "Subject", R(subject), TEXT },
    { "Date", R(date), TEXT },
};

static const rule *
find(const rule *rules, size_t n, lw_span name)
{
    for (size_t i = 0; i < n; i++)
        if (lw_span_eq_nocase(name, lw_span_str(rules[i].name)))
            return &rules[i];
    return NULL;
}

static void
apply(lw_bounce *b, void *target, const rule *r, const lw_read_event *ev)
{
    void *slot = (char *)target + r->offset;

    switch (r->how) {
    case TEXT: lw_bounce_keep(b, slot, ev->value); break;
    case ADDRESS: keep_address(b, slot, ev->raw, false); break;
    case TYPED_TEXT: keep_typed(b, slot, ev->value, r->how); break;
    case TYPED_ADDRESS: keep_typed(b, slot, ev->raw, r->how); break;
    }
}

/* does a field that stands once only come again? */
static bool
begins_another(const lw_bounce_rcpt *last, const rule *r)
{
    if (r->how == TYPED_ADDRESS)
        return ((const lw_bounce_value *)((const char *)last + r->offset))->text != NULL;
    return r->how == ADDRESS && last->original.text != NULL;
}

/* the recipient that a field belongs to; NULL: no room */
static lw_bounce_rcpt *
rcpt_of(lw_bounce *b, const rule *r)
{
    lw_bounce_rcpt *last = b->in_rcpt ? &b->report.rcpts[b->report.n_rcpts - 1] : NULL;
    void *items = b->report.rcpts;

    if (last != NULL && !begins_another(last, r))
        return last;
    if (b->report.n_rcpts == b->opts.max_rcpts) {
        b->failed = LW_ELIMIT;
        return NULL;
    }
    if (!lw_arena_grow(&b->arena, &items, b->report.n_rcpts, &b->cap_rcpts,
                       sizeof *b->report.rcpts)) {
        b->failed = LW_ENOMEM;
        return NULL;
    }
    b->report.rcpts = items;
    b->in_rcpt = true;
    last = &b->report.rcpts[b->report.n_rcpts++];
    memset(last, 0, sizeof *last);
    return last;
}

void
lw_bounce_field(lw_bounce *b, const lw_read_event *ev)
{
    const rule *r = find(of_message, LW_COUNT(of_message), ev->name);
    lw_bounce_rcpt *rcpt;

    if (r != NULL) {
        apply(b, &b->report, r, ev);
        return;
    }
    if ((r = find(of_rcpt, LW_COUNT(of_rcpt), ev->name)) == NULL || (rcpt = rcpt_of(b, r)) == NULL)
        return;
    if (strcmp(r->name, "Action") == 0)
        rcpt->action = parse_action(ev->raw);
    else if (strcmp(r->name, "Status") == 0)
        rcpt->status = parse_enhanced(ev->raw);
    else
        apply(b, rcpt, r, ev);
    if (r->how == ADDRESS)
        lw_bounce_keep(b, &rcpt->original.type, LW_LIT("rfc822"));
    if (r->offset == P(diagnostic) && rcpt->diagnostic.text != NULL)
        parse_reply(rcpt);
}

void
lw_bounce_original(lw_bounce *b, const lw_read_event *ev)
{
    const rule *r = find(of_original, LW_COUNT(of_original), ev->name);

    if (r != NULL)
        apply(b, &b->report, r, ev);
}
