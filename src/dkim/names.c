/* SPDX-License-Identifier: MIT */
/*
 * dkim/names.c - which header fields are signed, in one table
 *
 * A field that occurs n times is listed n + 1 times: [RFC6376 5.4] "A header field name need only be
 * listed once more than the actual number of that header field in a message at the time of signing
 * in order to prevent any further additions."  Sealed ones are listed although absent.
 */
#include "dkim/dkim_int.h"

/* Not here: what the way to the reader adds or changes by right (Received, Return-Path, Comments,
 * Keywords, DKIM-Signature, Bcc).  Not sealed: what a submission server or a list may add by right
 * (RFC 6409 8, RFC 2369): Date, Message-ID, Sender, List-*, Resent-*. */
static const struct {
    const char *name;
    bool is_sealed;
} names[] = {
    { "From", true },
    { "To", true },
    { "Cc", true },
    { "Reply-To", true },
    { "Subject", true },
    { "Date", false },
    { "Message-ID", false },
    { "In-Reply-To", true },
    { "References", true },
    { "MIME-Version", true },
    { "Content-Type", true },
    { "Content-Transfer-Encoding", true },
    { "Content-Disposition", false },
    { "Content-Description", false },
    { "Content-ID", false },
    { "Content-Language", false },
    { "Sender", false },
    { "Resent-Date", false },
    { "Resent-From", false },
    { "Resent-Sender", false },
    { "Resent-To", false },
    { "Resent-Cc", false },
    { "Resent-Message-ID", false },
    { "List-Id", false },
    { "List-Help", false },
    { "List-Unsubscribe", false },
    { "List-Unsubscribe-Post", false }, /* RFC 8058 4: both MUST be covered */
    { "List-Subscribe", false },
    { "List-Post", false },
    { "List-Owner", false },
    { "List-Archive", false },
    { "Auto-Submitted", false },
    { "Feedback-ID", false },
    { "Importance", false },
    { "Priority", false },
    { "X-Priority", false },
    { "Disposition-Notification-To", false },
    { "Organization", false },
    { "Autocrypt", false },
    { "OpenPGP", false },
};

const char *
lw_dkim_header_names(size_t i, bool *is_sealed)
{
    if (i >= LW_COUNT(names))
        return NULL;
    if (is_sealed != NULL)
        *is_sealed = names[i].is_sealed;
    return names[i].name;
}

bool
lw_dkim_is_field_name(lw_span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] >= 0x7f || s.ptr[i] == ':' || s.ptr[i] == ';')
            return false;
    return s.len > 0;
}

static void
add(const lw_dkim_header *h, lw_span name, bool is_sealed, lw_buf *out)
{
    size_t n = lw_dkim_header_count(h, name);

    if (n == 0 && !is_sealed)
        return;
    for (size_t i = 0; i <= n; i++) {
        if (out->len > 0)
            lw_buf_add_char(out, ':');
        lw_buf_add(out, name);
    }
}

static bool
is_in_table(lw_span name)
{
    for (size_t i = 0; i < LW_COUNT(names); i++)
        if (lw_span_eq_nocase(name, lw_span_str(names[i].name)))
            return true;
    return false;
}

void
lw_dkim_names_choose(const lw_dkim_header *h, const char *const *extra, size_t n_extra,
                     lw_buf *out)
{
    lw_buf_reset(out);
    for (size_t i = 0; i < LW_COUNT(names); i++)
        add(h, lw_span_str(names[i].name), names[i].is_sealed, out);
    for (size_t i = 0; i < n_extra; i++)
        if (!is_in_table(lw_span_str(extra[i])))
            add(h, lw_span_str(extra[i]), false, out);
}
