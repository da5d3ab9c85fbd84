/* SPDX-License-Identifier: MIT */
/* mime/bodies.c - the bodies of a message: text, HTML, AMP, an invitation */
#include "mime/mime_int.h"

static lw_code
set_text(lw_message *m, lw_text *t, const char *text, const char *field)
{
    lw_error e;
    lw_code rc = lw_message_not_null(m, text, field);

    if (rc < 0)
        return rc;
    rc = lw_text_set(t, &m->alloc, lw_span_str(text), field, &e);
    m->has_derived = false;
    return lw_message_keep(m, rc, &e);
}

lw_code
lw_message_text(lw_message *m, const char *text)
{
    return set_text(m, m == NULL ? NULL : &m->text, text, "text");
}

lw_code
lw_message_html(lw_message *m, const char *html)
{
    return set_text(m, m == NULL ? NULL : &m->html, html, "html");
}

lw_code
lw_message_amp(lw_message *m, const char *amp)
{
    return set_text(m, m == NULL ? NULL : &m->amp, amp, "amp");
}

lw_code
lw_message_auto_text(lw_message *m, bool is_wanted)
{
    if (m == NULL)
        return LW_ENOMEM;
    m->has_no_auto_text = !is_wanted;
    return LW_OK;
}

lw_code
lw_message_flowed(lw_message *m, bool is_wanted)
{
    if (m == NULL)
        return LW_ENOMEM;
    m->is_flowed = is_wanted;
    m->has_derived = false;
    return LW_OK;
}

lw_code
lw_message_only_7bit(lw_message *m, bool is_wanted)
{
    if (m == NULL)
        return LW_ENOMEM;
    m->is_7bit = is_wanted;
    return LW_OK;
}

/* [RFC5545 3.1] "contentline   = name *(";" param ) ":" value CRLF": the value of the first line
 * with this name, white space around it gone */
static lw_span
property(lw_span ics, lw_span name)
{
    lw_span line;

    while (lw_span_token(&ics, '\n', &line)) {
        size_t colon = lw_span_find(line, ':');
        char after = name.len < line.len ? line.ptr[name.len] : '\0';
        if (colon == line.len || !lw_span_starts_nocase(line, name) || (after != ':' && after != ';'))
            continue;
        line = (lw_span){ line.ptr + colon + 1, line.len - colon - 1 };
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        return lw_span_trim(line);
    }
    return LW_NO_SPAN;
}

static lw_code
check_calendar(lw_message *m, lw_span ics, lw_error *err)
{
    lw_span method = property(ics, LW_LIT("METHOD"));
    bool ok = method.len > 0 && method.len < sizeof m->calendar_method;

    if (!lw_span_eq_nocase(property(ics, LW_LIT("BEGIN")), LW_LIT("VCALENDAR")))
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE,
                       "calendar: it does not begin with BEGIN:VCALENDAR");
    for (size_t i = 0; i < method.len; i++)
        ok = ok && (lw_is_alnum(method.ptr[i]) || method.ptr[i] == '-');
    if (!ok)
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "calendar: there is no METHOD in it, as in "
                       "METHOD:REQUEST, that says what the receiver shall do");
    memcpy(m->calendar_method, method.ptr, method.len);
    m->calendar_method[method.len] = '\0';
    return LW_OK;
}

lw_code
lw_message_calendar(lw_message *m, const char *ics)
{
    lw_error e;
    lw_code rc = lw_message_not_null(m, ics, "calendar");

    if (rc >= 0 && (rc = check_calendar(m, lw_span_str(ics), &e)) < 0)
        return lw_message_keep(m, rc, &e);
    return rc < 0 ? rc : set_text(m, &m->calendar, ics, "calendar");
}
