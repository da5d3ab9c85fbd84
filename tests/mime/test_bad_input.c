/* SPDX-License-Identifier: MIT */
/*
 * tests/mime/test_bad_input.c - each kind of bad input to a message: the code, the exact sentence
 *
 * Addresses of other malformed kinds stand in test_address.c, ready messages in test_raw.c, what is sent
 * on in test_resent.c.
 */
#include "mime/support.h"

/* one octet more than any value may have */
static char huge[LW_MIME_VALUE_MAX + 2];

static const char *
long_text(size_t n)
{
    memset(huge, 'x', n);
    huge[n] = '\0';
    return huge;
}

static int n_bad;

static void
check(const lw_message *m, const char *name, lw_code rc, lw_code code, const char *want)
{
    const lw_error *e = lw_message_error(m);

    if (rc == code && e->code == code && strcmp(e->text, want) == 0)
        return;
    print_error("%s: %d, %d\n  got  %s\n  want %s\n", name, (int)rc, (int)e->code, e->text, want);
    n_bad++;
}

typedef struct one {
    lw_code (*set)(lw_message *, const char *);
    const char *value;
    lw_code code;
    const char *want;
} one;

static void
check_all(const one *rows, size_t n)
{
    n_bad = 0;
    for (size_t i = 0; i < n; i++) {
        lw_message *m = lw_message_new();
        check(m, rows[i].want, rows[i].set(m, rows[i].value), rows[i].code, rows[i].want);
        lw_message_free(m);
    }
    assert_int_equal(n_bad, 0);
}

static void
test_addresses__bad_ones_said(void **state)
{
    static const one rows[] = {
        { lw_message_from, "a@b.de, c@d.de", LW_EADDRESS, "from: one sender is needed, 2 were given" },
        { lw_message_from, "", LW_EADDRESS, "from: no address in \"\"" },
        { lw_message_to, "a@[]", LW_EADDRESS, "to: member 1 \"a@[]\" at column 3: nothing between [ and ]" },
        { lw_message_to, "a@[x:\xc3\xbc]", LW_EADDRESS,
          "to: member 1 \"a@[x:\xc3\xbc]\" at column 3: [...] holds a character that is not allowed there" },
        { lw_message_to, "a@[x:]", LW_EADDRESS, "to: member 1 \"a@[x:]\" at column 3: [...] holds no address" },
        { lw_message_to, "a@[1.2\\.3.4]", LW_EADDRESS,
          "to: member 1 \"a@[1.2\\.3.4]\" at column 7: a backslash is not allowed between [ and ]" },
        { lw_message_to, "\"a\tb\"@c.de", LW_EADDRESS,
          "to: member 1 \"\"a b\"@c.de\" at column 1: a tab before the @" },
        { lw_message_to, "A <a@b.de c>", LW_EADDRESS,
          "to: member 1 \"A <a@b.de c>\" at column 11: unexpected text before the >" },
        { lw_message_to, "a)b@c.de", LW_EADDRESS,
          "to: member 1 \"a)b@c.de\" at column 2: a character that is not allowed here" },
        { lw_message_cc, "a@b.de\nBcc: c@d.de", LW_EADDRESS,
          "cc: a line break is not allowed (header injection), at column 7" },
        { lw_message_reply_to, "a@b\r.de", LW_EADDRESS,
          "reply-to: a line break is not allowed (header injection), at column 4" },
        { lw_message_bcc, "\x7f@b.de", LW_EADDRESS, "bcc: a control character is not allowed, at column 1" },
        { lw_message_sender, "a@b.de, c@d.de", LW_EADDRESS, "Sender: one address is needed, 2 were given" },
        { lw_message_envelope_from, "a@b.de ", LW_EADDRESS,
          "envelope-from: \"a@b.de\" at column 7: a bare address without spaces and comments is needed" },
        { lw_message_envelope_to, "", LW_EADDRESS, "envelope-to: the address is empty" },
        { lw_message_envelope_to, "<a@b.de>", LW_EADDRESS,
          "envelope-to: \"<a@b.de>\" at column 1: a character that is not allowed here" },
        { lw_message_envelope_to, "a@b.de\r\nRCPT TO:<c@d.de>", LW_EADDRESS,
          "envelope-to: a line break is not allowed (header injection), at column 7" },
        { lw_message_to, NULL, LW_EUSAGE, "to: NULL was given" },
    };

    check_all(rows, LW_COUNT(rows));
}

static void
test_values__bad_ones_said(void **state)
{
    static const one rows[] = {
        { lw_message_subject, "x\r\nBcc: a@b.de", LW_EMESSAGE,
          "subject: a line break is not allowed (header injection), at column 2" },
        { lw_message_subject, "\xc3\xbc\x1b[2J", LW_EMESSAGE, "subject: a control character is not allowed, at column 2" },
        { lw_message_subject, "Gr\xfc\xdf" "e", LW_EMESSAGE, "subject: not valid UTF-8, at column 3" },
        { lw_message_text, "x\n\xff", LW_EMESSAGE, "text: not valid UTF-8 at octet 3" },
        { lw_message_html, "<p>\xed\xa0\x80", LW_EMESSAGE, "html: not valid UTF-8 at octet 4" },
        { lw_message_amp, "\x80", LW_EMESSAGE, "amp: not valid UTF-8 at octet 1" },
        { lw_message_calendar, "BEGIN:VEVENT\nMETHOD:REQUEST\n", LW_EMESSAGE,
          "calendar: it does not begin with BEGIN:VCALENDAR" },
        { lw_message_calendar, "BEGIN:VCALENDAR\nEND:VCALENDAR\n", LW_EMESSAGE,
          "calendar: there is no METHOD in it, as in METHOD:REQUEST, that says what the receiver shall do" },
        { lw_message_calendar, "BEGIN:VCALENDAR\nMETHOD:REQUEST\nSUMMARY:\xfc\n", LW_EMESSAGE,
          "calendar: not valid UTF-8 at octet 40" },
        { lw_message_id, "a@b", LW_EMESSAGE, "message-id: \"a@b\" is not of the form <left@right>" },
        { lw_message_id, "<a@b>\n", LW_EMESSAGE, "message-id: a line break is not allowed (header injection), at column 6" },
        { lw_message_in_reply_to, "x", LW_EMESSAGE, "In-Reply-To: \"x\" is not of the form <left@right>" },
        { lw_message_references, "<a@b> c", LW_EMESSAGE, "References: \"<a@b> c\" is not of the form <left@right>" },
        { lw_message_references, "", LW_EMESSAGE, "References: \"\" is not of the form <left@right>" },
        { lw_message_auto_submitted, "yes", LW_EMESSAGE,
          "auto-submitted: \"yes\" is not auto-generated, auto-replied or no" },
        { lw_message_list_id, "news", LW_EMESSAGE, "List-Id: \"news\" is not of the form Name <list.example.com>" },
        { lw_message_list_id, "News <news>", LW_EMESSAGE,
          "List-Id: \"News <news>\" is not of the form Name <list.example.com>" },
        { lw_message_feedback_id, "a:b:c:d:e", LW_EMESSAGE,
          "feedback-id: \"a:b:c:d:e\" is not of the form campaign:customer:type:sender" },
        { lw_message_subject, NULL, LW_EUSAGE, "subject: NULL was given" },
    };
    lw_message *m = lw_message_new();

    check_all(rows, LW_COUNT(rows));
    check(m, "long", lw_message_subject(m, long_text(LW_MIME_VALUE_MAX + 1)), LW_ELIMIT,
          "subject: longer than 1048576 octets");
    lw_message_free(m);
    m = lw_message_new();
    assert_int_equal(lw_message_subject(m, long_text(LW_MIME_VALUE_MAX)), LW_OK);
    check(m, "priority", lw_message_priority(m, (lw_priority)3), LW_EUSAGE, "priority: \"?\" is not LOW, NORMAL or HIGH");
    lw_message_free(m);
    m = lw_message_new();
    check(m, "zone", lw_message_date(m, 0, 1440), LW_EMESSAGE,
          "date: the year must be in 1900..9999 and the zone within a day");
    lw_message_free(m);
    assert_int_equal(n_bad, 0);
}

static void
test_unsubscribe__bad_ones_said(void **state)
{
    static const struct {
        const char *https, *mailto;
        lw_code code;
        const char *want;
    } rows[] = {
        { NULL, NULL, LW_EUSAGE, "unsubscribe: NULL was given" },
        { "http://x.example/", NULL, LW_EMESSAGE, "unsubscribe: \"http://x.example/\" is not of the form https://..." },
        { "https://x.example/>,<x", NULL, LW_EMESSAGE,
          "unsubscribe: \"https://x.example/>,<x\" is not of the form https://..." },
        { "https://x.example/", "a@b.de", LW_EMESSAGE, "unsubscribe: \"a@b.de\" is not of the form mailto:..." },
        { "https://x.example/ y", NULL, LW_EMESSAGE, "List-Unsubscribe: \"<https://x.example/ y>\" is not of the form "
          "<https://...>, <mailto:...> (each at most 900 characters)" },
        { "https://x.example/\r\nBcc: a@b.de", NULL, LW_EMESSAGE,
          "List-Unsubscribe: a line break is not allowed (header injection), at column 20" },
    };

    n_bad = 0;
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_message *m = lw_message_new();
        check(m, rows[i].want, lw_message_unsubscribe(m, rows[i].https, rows[i].mailto), rows[i].code, rows[i].want);
        lw_message_free(m);
    }
    assert_int_equal(n_bad, 0);
}

static void
test_headers__bad_ones_said(void **state)
{
    static const struct {
        const char *name, *value;
        lw_code code, raw_code;
        const char *want, *raw; /* of a composed message, of a ready one; NULL = taken */
    } rows[] = {
        { "X Y", "z", LW_EUSAGE, LW_EUSAGE,
          "header: \"X Y\" is no header name: printable ASCII without spaces and colons is needed",
          "header: \"X Y\" is no header name: printable ASCII without spaces and colons is needed" },
        { "X\r\nBcc", "z", LW_EUSAGE, LW_EUSAGE,
          "header: \"X? Bcc\" is no header name: printable ASCII without spaces and colons is needed",
          "header: \"X? Bcc\" is no header name: printable ASCII without spaces and colons is needed" },
        { "A2345678901234567890123456789012345678901234567890123456789012345678901234567", "z", LW_EUSAGE, LW_EUSAGE,
          "header: the name \"A2345678901234567890...\" is longer than 76 characters",
          "header: the name \"A2345678901234567890...\" is longer than 76 characters" },
        { "X-A", "b\nc", LW_EMESSAGE, LW_EMESSAGE, "X-A: a line break is not allowed (header injection), at column 2",
          "X-A: a line break is not allowed (header injection), at column 2" },
        { "MIME-Version", "1.0", LW_EUSAGE, LW_EUSAGE, "header MIME-Version: the composer writes it itself",
          "header MIME-Version: it tells how the body is to be read, and the body stays" },
        { "Content-Type", "a/b", LW_EUSAGE, LW_EUSAGE, "header Content-Type: the composer writes it itself",
          "header Content-Type: it tells how the body is to be read, and the body stays" },
        { "Bcc", "a@b.de", LW_EUSAGE, LW_EUSAGE, "header Bcc: it would show the hidden recipients; use bcc instead",
          "header Bcc: it is removed in any case" },
        { "Date", "today", LW_EMESSAGE, LW_EMESSAGE,
          "date: \"today\" is not a date as in \"Tue, 1 Jul 2025 10:52:37 +0200\"",
          "Date: \"today\" is not a date as in \"Tue, 1 Jul 2025 10:52:37 +0200\"" },
        { "Message-ID", "x", LW_EMESSAGE, LW_EMESSAGE, "message-id: \"x\" is not of the form <left@right>",
          "Message-ID: \"x\" is not of the form <left@right>" },
        { "List-Post", "x", LW_EMESSAGE, LW_EMESSAGE, "List-Post: \"x\" is not of the form <https://...>, "
          "<mailto:...> (each at most 900 characters)", "List-Post: \"x\" is not of the form <https://...>, "
          "<mailto:...> (each at most 900 characters)" },
        { "X-A", NULL, LW_EUSAGE, LW_OK, "header: NULL was given", NULL },
    };
    lw_message *m;

    n_bad = 0;
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        m = lw_message_new();
        check(m, rows[i].want, lw_message_header(m, rows[i].name, rows[i].value), rows[i].code, rows[i].want);
        lw_message_free(m);
        m = lw_message_new();
        check(m, rows[i].want, lw_message_raw_header(m, rows[i].name, rows[i].value), rows[i].raw_code,
              rows[i].raw == NULL ? "" : rows[i].raw);
        lw_message_free(m);
    }
    m = lw_message_new();
    assert_int_equal(lw_message_header(m, "X-Priority", "1"), LW_OK);
    check(m, "twice", lw_message_header(m, "x-priority", "2"), LW_EUSAGE,
          "header x-priority: it is set already, and a message has one only");
    lw_message_free(m);
    m = lw_message_new();
    check(m, "long", lw_message_header(m, "X-A", long_text(LW_MIME_VALUE_MAX + 1)), LW_ELIMIT,
          "X-A: longer than 1048576 octets");
    lw_message_free(m);
    assert_int_equal(n_bad, 0);
}

static void
test_attachments__bad_ones_said(void **state)
{
    static const struct {
        lw_attachment how;
        lw_code code;
        const char *want;
    } rows[] = {
        { { .type = "pdf" }, LW_EMESSAGE, "attachment type: \"pdf\" is not of the form type/subtype" },
        { { .type = "a/b\r\nX: y" }, LW_EMESSAGE,
          "attachment type: a line break is not allowed (header injection), at column 4" },
        { { .type = "multipart/mixed" }, LW_EMESSAGE,
          "attachment type: multipart/mixed must not be encoded as an attachment is; leave the type out" },
        { { .cid = "a b" }, LW_EMESSAGE,
          "cid: printable ASCII without spaces, < and > is needed, at most 256 characters" },
        { { .cid = "a>" }, LW_EMESSAGE,
          "cid: printable ASCII without spaces, < and > is needed, at most 256 characters" },
        { { .cid = "a>\r\nX: y" }, LW_EMESSAGE, "cid: a line break is not allowed (header injection), at column 3" },
        { { .name = "a\nb" }, LW_EMESSAGE,
          "attachment name: a line break is not allowed (header injection), at column 2" },
        { { .name = "\xff" }, LW_EMESSAGE, "attachment name: not valid UTF-8, at column 1" },
    };
    lw_attachment how = { .name = long_text(1025) };
    lw_message *m;

    n_bad = 0;
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        m = lw_message_new();
        check(m, rows[i].want, lw_message_attach_memory(m, "x", 1, &rows[i].how), rows[i].code, rows[i].want);
        lw_message_free(m);
    }
    m = lw_message_new();
    check(m, "long name", lw_message_attach_memory(m, "x", 1, &how), LW_EMESSAGE,
          "attachment name: longer than 1024 octets");
    lw_message_free(m);
    m = lw_message_new();
    check(m, "NULL", lw_message_attach_memory(m, NULL, 1, NULL), LW_EUSAGE, "attachment: NULL was given");
    lw_message_free(m);
    m = lw_message_new();
    check(m, "NULL", lw_message_raw_memory(m, NULL, 1), LW_EUSAGE, "message: NULL was given");
    lw_message_free(m);
    m = lw_message_new();
    assert_int_equal(lw_message_raw_memory(m, "X: y\n", 5), LW_OK);
    check(m, "twice", lw_message_raw_memory(m, "X: y\n", 5), LW_EUSAGE, "message: a ready message was given already");
    lw_message_free(m);
    assert_int_equal(n_bad, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses__bad_ones_said),
        cmocka_unit_test(test_values__bad_ones_said),
        cmocka_unit_test(test_unsubscribe__bad_ones_said),
        cmocka_unit_test(test_headers__bad_ones_said),
        cmocka_unit_test(test_attachments__bad_ones_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
