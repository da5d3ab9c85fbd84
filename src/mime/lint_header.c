/* SPDX-License-Identifier: MIT */
/* mime/lint_header.c - header fields: there, once, well-formed, readable */
#include "mime/lint_int.h"

/* ---- fields that stand once ------------------------------------------------------------------- */

enum { DATE, FROM, TO, CC, BCC, SUBJECT, MESSAGE_ID, MIME_VERSION };

/* [RFC5322 3.6] "The following table indicates limits on the number of times each field may occur in
 * the header section of a message"; RFC 2045, 2369, 2919, 8058 for the rest */
static const char *const once[LW_LINT_ONCE] = {
    "Date", "From", "To", "Cc", "Bcc", "Subject", "Message-ID", "MIME-Version", "Sender",
    "Reply-To", "In-Reply-To", "References", "Content-Type", "Content-Transfer-Encoding",
    "List-Unsubscribe", "List-Unsubscribe-Post",
};

static bool
is_named(const lw_read_event *ev, const char *name)
{
    return lw_span_eq_nocase(ev->name, lw_span_str(name));
}

static void
count_once(lw_lint *l, const lw_read_event *ev)
{
    for (size_t i = 0; i < LW_LINT_ONCE; i++)
        if (is_named(ev, once[i]) && ++l->n_once[i] == 2)
            lw_lint_add(l, LW_LINT_DUPLICATE_HEADER, ev->name, "a second %s: it may stand once, and "
                        "readers differ about which counts", once[i]);
}

static void
check_presence(lw_lint *l)
{
    static const char *const needed[] = { "Date", "From" };

    for (size_t i = 0; i < LW_COUNT(needed); i++)
        if (l->n_once[i] == 0)
            lw_lint_add_whole(l, LW_LINT_MISSING_HEADER, "there is no %s", needed[i]);
    if (l->n_once[MESSAGE_ID] == 0)
        lw_lint_add_whole(l, LW_LINT_MISSING_RECOMMENDED, "there is no Message-ID: some servers refuse "
                          "that, others make one up");
    if (l->n_once[SUBJECT] == 0)
        lw_lint_add_whole(l, LW_LINT_MISSING_RECOMMENDED, "there is no Subject");
    if (l->n_once[TO] + l->n_once[CC] + l->n_once[BCC] == 0)
        lw_lint_add_whole(l, LW_LINT_MISSING_RECOMMENDED, "there is neither To nor Cc nor Bcc: spam "
                          "filters count that");
    /* [RFC2045 4] "Messages composed in accordance with this document MUST include such a header
     * field" */
    if (l->has_mime_field && l->n_once[MIME_VERSION] == 0)
        lw_lint_add_whole(l, LW_LINT_MISSING_MIME_VERSION, "there are Content- fields but no "
                          "MIME-Version: readers may show the message as plain text");
}

/* ---- values ---------------------------------------------------------------------------------------- */

/* the longest encoded word, and whether one has a space in it */
static void
measure_words(lw_span s, size_t *longest, bool *has_space)
{
    *longest = 0;
    *has_space = false;
    while (s.len > 1) {
        const char *at = memmem(s.ptr, s.len, "=?", 2);
        size_t n = 2, marks = 0;
        if (at == NULL)
            return;
        s = (lw_span){ at, s.len - (size_t)(at - s.ptr) };
        for (; n < s.len && marks < 3; n++)
            marks += s.ptr[n] == '?';
        if (marks == 3 && n < s.len && s.ptr[n] == '=') {
            lw_span word = { s.ptr, n + 1 };
            *longest = word.len > *longest ? word.len : *longest;
            *has_space = *has_space || lw_span_find(word, ' ') < word.len;
            n++;
        } else {
            n = 2;
        }
        s = (lw_span){ s.ptr + n, s.len - n };
    }
}

static void
check_words(lw_lint *l, const lw_read_event *ev)
{
    lw_buf b;
    size_t longest;
    bool has_space, is_utf8 = true, is_good;

    lw_buf_init(&b, &l->alloc, LW_READ_VALUE_MAX);
    is_good = lw_words_decode(&b, ev->raw, NULL, &is_utf8);
    if (lw_buf_finish(&b) == LW_ENOMEM)
        lw_lint_no_memory(l);
    lw_buf_deinit(&b);
    measure_words(ev->raw, &longest, &has_space);
    if (!is_utf8)
        lw_lint_add(l, LW_LINT_HEADER_8BIT, ev->name, "octets above 127 that are not even UTF-8");
    else if (!lw_span_is_ascii(ev->raw))
        lw_lint_add(l, LW_LINT_HEADER_UTF8, ev->name, "UTF-8 without encoded words: every server on "
                    "the way must offer SMTPUTF8");
    else if (!is_good)
        lw_lint_add(l, LW_LINT_BAD_ENCODED_WORD, ev->name, "an encoded word that readers may not "
                    "decode: unknown character set, unknown encoding, or cut");
    /* [RFC2047 2] "An 'encoded-word' may not be more than 75 characters long" */
    if (longest > 75)
        lw_lint_add(l, LW_LINT_BAD_ENCODED_WORD, ev->name, "an encoded word of %zu characters; at "
                    "most 75 are allowed", longest);
    if (has_space)
        lw_lint_add(l, LW_LINT_BAD_ENCODED_WORD, ev->name, "a space inside an encoded word: strict "
                    "readers do not decode it");
}

static void
keep_from(lw_lint *l, const lw_mailboxes *boxes)
{
    l->n_from += boxes->n;
    if (l->from_domain != NULL || boxes->n == 0)
        return;
    l->from_domain = lw_arena_span(&l->arena, lw_addr_domain(boxes->items[0].addr));
    if (l->from_domain == NULL)
        lw_lint_no_memory(l);
}

/* the parser's sentence without the field's name, which a finding has of its own */
static const char *
behind_name(const char *text)
{
    const char *colon = strstr(text, ": ");

    return colon == NULL ? text : colon + 2;
}

static void
check_addresses(lw_lint *l, const lw_read_event *ev, const char *name)
{
    bool is_from = strcmp(name, "From") == 0, is_bcc = strcmp(name, "Bcc") == 0;
    bool may_be_empty = is_bcc || strcmp(name, "To") == 0 || strcmp(name, "Cc") == 0;
    lw_arena arena;
    lw_mailboxes boxes;
    lw_error err;
    lw_code rc;

    lw_arena_init(&arena, &l->alloc);
    lw_mailboxes_init(&boxes, &arena);
    lw_error_clear(&err);
    rc = lw_mailboxes_parse_with(&boxes, ev->raw, name, may_be_empty ? LW_LIST_MAY_BE_EMPTY : 0, &err);
    if (rc == LW_ENOMEM)
        lw_lint_no_memory(l);
    else if (rc < 0)
        lw_lint_add(l, LW_LINT_BAD_ADDRESS, ev->name, "%s", behind_name(err.text));
    else if (strcmp(name, "Sender") == 0 && boxes.n > 1)
        lw_lint_add(l, LW_LINT_BAD_ADDRESS, ev->name, "Sender: %zu mailboxes; it takes one", boxes.n);
    if (is_from && rc >= 0)
        keep_from(l, &boxes);
    if (is_bcc)
        lw_lint_add(l, LW_LINT_BCC_SHOWN, ev->name, "a Bcc field: everybody sees it unless it is "
                    "removed before sending, as letterwing send does");
    lw_arena_deinit(&arena);
}

static void
check_date(lw_lint *l, const lw_read_event *ev)
{
    int64_t unix_s;
    int zone;

    if (!lw_date_parse(ev->raw, &unix_s, &zone))
        lw_lint_add(l, LW_LINT_BAD_DATE, ev->name, "\"%.*s\" is no date such as Wed, 25 Nov 2026 "
                    "10:00:00 +0000", (int)(ev->value.len < 60 ? ev->value.len : 60), ev->value.ptr);
}

/* [RFC5322 3.6.4] "msg-id          =   [CFWS] "<" id-left "@" id-right ">" [CFWS]" */
static void
check_message_id(lw_lint *l, const lw_read_event *ev)
{
    lw_span s = ev->raw;
    size_t at = lw_span_find(s, '@');
    bool is_good = s.len > 4 && s.ptr[0] == '<' && s.ptr[s.len - 1] == '>' && at > 1 && at + 2 < s.len
        && lw_span_find(s, ' ') == s.len && lw_span_find(s, '\t') == s.len
        && lw_span_find(s, '>') == s.len - 1;

    if (!is_good)
        lw_lint_add(l, LW_LINT_BAD_MESSAGE_ID, ev->name, "\"%.*s\" is not of the form <left@right>",
                    (int)(ev->value.len < 80 ? ev->value.len : 80), ev->value.ptr);
}

static void
check_mime_version(lw_lint *l, const lw_read_event *ev)
{
    if (!lw_span_eq(lw_param_head(ev->raw), LW_LIT("1.0")))
        lw_lint_add(l, LW_LINT_BAD_MIME_VERSION, ev->name, "\"%.*s\" is not 1.0",
                    (int)(ev->value.len < 20 ? ev->value.len : 20), ev->value.ptr);
}

/* ---- each field, and all of them ------------------------------------------------------------------------ */

static const char *
address_field(const lw_read_event *ev)
{
    static const char *const names[] = { "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Resent-From",
                                         "Resent-Sender", "Resent-To", "Resent-Cc", "Resent-Bcc" };

    for (size_t i = 0; i < LW_COUNT(names); i++)
        if (is_named(ev, names[i]))
            return names[i];
    return NULL;
}

void
lw_lint_field(lw_lint *l, const lw_read_event *ev)
{
    const char *addresses = address_field(ev);

    check_words(l, ev);
    if (ev->part->number != 0)
        return;
    count_once(l, ev);
    l->has_mime_field = l->has_mime_field || lw_span_starts_nocase(ev->name, LW_LIT("Content-"));
    l->has_sender = l->has_sender || is_named(ev, "Sender");
    if (addresses != NULL)
        check_addresses(l, ev, addresses);
    else if (is_named(ev, "Date") || is_named(ev, "Resent-Date"))
        check_date(l, ev);
    else if (is_named(ev, "Message-ID"))
        check_message_id(l, ev);
    else if (is_named(ev, "MIME-Version"))
        check_mime_version(l, ev);
    else if (is_named(ev, "List-Unsubscribe"))
        lw_lint_unsubscribe(l, ev);
    else if (is_named(ev, "List-Unsubscribe-Post"))
        lw_lint_one_click(l, ev);
    else if (is_named(ev, "DKIM-Signature"))
        lw_lint_signature_field(l, ev);
}

void
lw_lint_header_end(lw_lint *l)
{
    check_presence(l);
    /* [RFC5322 3.6.2] "If the from field contains more than one mailbox specification in the
     * mailbox-list, then the sender field, containing the field name "Sender" and a single mailbox
     * specification, MUST appear in the message." */
    if (l->n_from > 1 && !l->has_sender)
        lw_lint_add_whole(l, LW_LINT_NO_SENDER, "From names %zu mailboxes, and there is no Sender",
                          l->n_from);
    lw_lint_list_end(l);
    lw_lint_alignment(l);
}
