/* SPDX-License-Identifier: MIT */
/* mime/special.c - headers with a meaning of their own: threads, priority, lists, automatic mail */
#include "mime/mime_int.h"

static lw_code
refuse(lw_message *m, lw_code code, const char *field, const char *value, const char *want)
{
    lw_error e;

    lw_fail(&e, code, LW_STAGE_COMPOSE, "%s: \"%.60s\" is not %s", field, value, want);
    return lw_message_keep(m, code, &e);
}

lw_code
lw_message_sender(lw_message *m, const char *mailbox)
{
    return lw_message_header(m, "Sender", mailbox);
}

/* RFC 5322 3.6.4: one msg-id or more */
static lw_code
set_ids(lw_message *m, const char *name, const char *ids)
{
    lw_span rest = lw_span_str(ids), word;
    lw_code rc = lw_message_not_null(m, ids, name);
    size_t n = 0;

    if (rc < 0)
        return rc;
    while (lw_span_token(&rest, ' ', &word)) {
        if (word.len == 0)
            continue;
        if (!lw_message_is_id(word))
            return refuse(m, LW_EMESSAGE, name, ids, "of the form <left@right>");
        n++;
    }
    if (n == 0)
        return refuse(m, LW_EMESSAGE, name, ids, "of the form <left@right>");
    return lw_message_header(m, name, ids);
}

lw_code
lw_message_in_reply_to(lw_message *m, const char *message_id)
{
    lw_code rc = set_ids(m, "In-Reply-To", message_id);

    if (rc >= 0)
        m->adds_references = true;
    return rc;
}

lw_code
lw_message_references(lw_message *m, const char *message_ids)
{
    return set_ids(m, "References", message_ids);
}

lw_code
lw_message_priority(lw_message *m, lw_priority priority)
{
    static const struct {
        const char *x_priority, *importance, *priority;
    } words[] = {
        [LW_PRIORITY_LOW] = { "5 (Lowest)", "Low", "non-urgent" },
        [LW_PRIORITY_NORMAL] = { "3 (Normal)", "Normal", "normal" },
        [LW_PRIORITY_HIGH] = { "1 (Highest)", "High", "urgent" },
    };
    lw_code rc;

    if (m == NULL)
        return LW_ENOMEM;
    if ((unsigned)priority >= LW_COUNT(words))
        return refuse(m, LW_EUSAGE, "priority", "?", "LOW, NORMAL or HIGH");
    if ((rc = lw_message_header(m, "X-Priority", words[priority].x_priority)) < 0
        || (rc = lw_message_header(m, "Importance", words[priority].importance)) < 0)
        return rc;
    return lw_message_header(m, "Priority", words[priority].priority);
}

lw_code
lw_message_auto_submitted(lw_message *m, const char *how)
{
    static const char *const words[] = { "no", "auto-generated", "auto-replied" };
    lw_code rc = lw_message_not_null(m, how, "auto-submitted");

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < LW_COUNT(words); i++)
        if (lw_span_eq_nocase(lw_span_str(how), lw_span_str(words[i])))
            return lw_message_header(m, "Auto-Submitted", words[i]);
    return refuse(m, LW_EMESSAGE, "auto-submitted", how, "auto-generated, auto-replied or no");
}

lw_code
lw_message_list_id(lw_message *m, const char *list_id)
{
    return lw_message_header(m, "List-Id", list_id);
}

/* [RFC8058 3.1] "The List-Unsubscribe header field MUST contain one HTTPS URI." */
lw_code
lw_message_unsubscribe(lw_message *m, const char *https, const char *mailto)
{
    lw_buf b;
    lw_code rc = lw_message_not_null(m, https, "unsubscribe");

    if (rc < 0)
        return rc;
    if (!lw_span_starts_nocase(lw_span_str(https), LW_LIT("https://")) || strpbrk(https, "<>"))
        return refuse(m, LW_EMESSAGE, "unsubscribe", https, "of the form https://...");
    if (mailto != NULL && (!lw_span_starts_nocase(lw_span_str(mailto), LW_LIT("mailto:"))
                           || strpbrk(mailto, "<>")))
        return refuse(m, LW_EMESSAGE, "unsubscribe", mailto, "of the form mailto:...");
    lw_buf_init(&b, &m->alloc, LW_MIME_VALUE_MAX);
    lw_buf_add_char(&b, '<');
    lw_buf_add_str(&b, https);
    lw_buf_add(&b, mailto != NULL ? LW_LIT(">, <") : LW_LIT(">"));
    if (mailto != NULL) {
        lw_buf_add_str(&b, mailto);
        lw_buf_add_char(&b, '>');
    }
    if (lw_buf_cstr(&b) == NULL) {
        lw_error e;
        rc = lw_fail(&e, lw_buf_finish(&b) < 0 ? lw_buf_finish(&b) : LW_ENOMEM, LW_STAGE_COMPOSE,
                     "unsubscribe: out of memory");
        rc = lw_message_keep(m, rc, &e);
    } else {
        rc = lw_message_header(m, "List-Unsubscribe", lw_buf_cstr(&b));
    }
    lw_buf_deinit(&b);
    /* [RFC8058 3.1] "The List-Unsubscribe-Post header MUST contain the single key/value pair
     * "List-Unsubscribe=One-Click"." */
    return rc < 0 ? rc
        : lw_message_header(m, "List-Unsubscribe-Post", "List-Unsubscribe=One-Click");
}

/* up to three names of the sender's own choice and the sender's, between colons */
lw_code
lw_message_feedback_id(lw_message *m, const char *id)
{
    lw_span s = lw_span_str(id);
    size_t n_colons = 0;
    bool ok = s.len > 0 && s.len <= 200 && s.ptr[s.len - 1] != ':';
    lw_code rc = lw_message_not_null(m, id, "feedback-id");

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < s.len; i++) {
        ok = ok && s.ptr[i] > ' ' && s.ptr[i] <= '~';
        n_colons += s.ptr[i] == ':';
    }
    if (!ok || n_colons > 3)
        return refuse(m, LW_EMESSAGE, "feedback-id", id, "of the form campaign:customer:type:sender");
    return lw_message_header(m, "Feedback-ID", id);
}
