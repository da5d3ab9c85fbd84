/* SPDX-License-Identifier: MIT */
/* tests/mime/test_message.c - the setters: what they refuse, with which sentence, what they route */
#include "mime/support.h"

typedef lw_code (*setter)(lw_message *, const char *);

static void
test_setter__injection_refused_with_the_fields_name(void **state)
{
    static const struct {
        const char *name;
        setter set;
        const char *good; /* the bad octet is put behind it */
        lw_code code;
    } rows[] = {
        { "from", lw_message_from, "a@b.de", LW_EADDRESS },
        { "to", lw_message_to, "a@b.de", LW_EADDRESS },
        { "cc", lw_message_cc, "a@b.de", LW_EADDRESS },
        { "bcc", lw_message_bcc, "a@b.de", LW_EADDRESS },
        { "reply-to", lw_message_reply_to, "a@b.de", LW_EADDRESS },
        { "envelope-from", lw_message_envelope_from, "a@b.de", LW_EADDRESS },
        { "envelope-to", lw_message_envelope_to, "a@b.de", LW_EADDRESS },
        { "subject", lw_message_subject, "Hello", LW_EMESSAGE },
        { "message-id", lw_message_id, "<a@b>", LW_EMESSAGE },
    };
    char value[64];

    for (size_t i = 0; i < LW_COUNT(rows); i++)
        for (const char *bad = "\r\n\001\177\377"; *bad != '\0'; bad++) {
            lw_message *m = lw_message_new();
            assert_int_equal(rows[i].set(m, rows[i].good), LW_OK);
            snprintf(value, sizeof value, "%s%cBcc: x@y.de", rows[i].good, *bad);
            if (rows[i].set(m, value) != rows[i].code)
                fail_msg("%s took octet %d", rows[i].name, *bad);
            assert_int_equal(strncmp(lw_message_error(m)->text, rows[i].name, strlen(rows[i].name)), 0);
            if (*bad == '\n')
                assert_non_null(strstr(lw_message_error(m)->text, "a line break is not allowed (header injection)"));
            lw_message_free(m);
        }
}

static void
test_setter__sentences(void **state)
{
    static const struct {
        const char *name, *value, *want;
        lw_code code;
    } headers[] = {
        { "X-A", "b\nc", "X-A: a line break is not allowed (header injection), at column 2", LW_EMESSAGE },
        { "X A", "b", "header: \"X A\" is no header name: printable ASCII without spaces and colons is needed", LW_EUSAGE },
        { "X:", "b", "header: \"X:\" is no header name: printable ASCII without spaces and colons is needed", LW_EUSAGE },
        { "", "b", "header: \"\" is no header name: printable ASCII without spaces and colons is needed", LW_EUSAGE },
        { "Bcc", "a@b.de", "header Bcc: it would show the hidden recipients; use bcc instead", LW_EUSAGE },
        { "resent-bcc", "a@b.de", "header resent-bcc: it would show the hidden recipients; use bcc instead", LW_EUSAGE },
        { "MIME-version", "1.0", "header MIME-version: the composer writes it itself", LW_EUSAGE },
        { "Content-Foo", "1.0", "header Content-Foo: the composer writes it itself", LW_EUSAGE },
        { "Subject", "again", "header Subject: it is set already, and a message has one only", LW_EUSAGE },
        { "References", "<x@y>", "header References: it is set already, and a message has one only", LW_EUSAGE },
        { "From", "b@c.de", "header From: it is set already, and a message has one only", LW_EUSAGE },
        { "Date", "yesterday", "date: \"yesterday\" is not a date as in \"Tue, 1 Jul 2025 10:52:37 +0200\"", LW_EMESSAGE },
        { "Message-ID", "x", "message-id: \"x\" is not of the form <left@right>", LW_EMESSAGE },
        { "To", "bob", "to: member 1 \"bob\" at column 1: there is no @ and no domain in it", LW_EADDRESS },
        { "Sender", "a@b.de, c@d.de", "Sender: one address is needed, 2 were given", LW_EADDRESS },
        { "Resent-To", "bob@", "Resent-To: member 1 \"bob@\" at column 5: nothing after the @", LW_EADDRESS },
    };

    for (size_t i = 0; i < LW_COUNT(headers); i++) {
        lw_message *m = lw_message_new();
        assert_int_equal(lw_message_from(m, "a@b.de"), LW_OK);
        assert_int_equal(lw_message_subject(m, "x"), LW_OK);
        assert_int_equal(lw_message_header(m, "references", "<a@b>"), LW_OK);
        lw_code rc = lw_message_header(m, headers[i].name, headers[i].value);
        assert_string_equal(lw_message_error(m)->text, headers[i].want);
        assert_int_equal(rc, headers[i].code);
        lw_message_free(m);
    }
}

static void
test_setter__first_failure_sticks(void **state)
{
    lw_render_opts o = test_opts(1);
    lw_message *m = lw_message_new();
    lw_rendering *r;
    lw_error e;

    assert_int_equal(lw_message_error(m)->code, LW_OK);
    assert_int_equal(lw_message_from(m, "a@b.de, c@d.de"), LW_EADDRESS);
    assert_int_equal(lw_message_subject(m, "a\nb"), LW_EMESSAGE);
    assert_int_equal(lw_message_from(m, "a@b.de"), LW_OK);
    assert_string_equal(lw_message_error(m)->text, "from: one sender is needed, 2 were given");
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_EADDRESS);
    assert_null(r);
    assert_string_equal(e.text, "from: one sender is needed, 2 were given");
    lw_message_free(m);
}

static void
test_setter__null_is_said_not_crashed(void **state)
{
    static const lw_attachment how = { .name = "x" };
    lw_render_opts o = test_opts(1);
    lw_rendering *r;
    lw_message *m = lw_message_new();
    lw_error e;

    assert_int_equal(lw_message_to(m, NULL), LW_EUSAGE);
    assert_string_equal(lw_message_error(m)->text, "to: NULL was given");
    assert_int_equal(lw_message_header(m, NULL, "x"), LW_EUSAGE);
    assert_int_equal(lw_message_attach_memory(m, NULL, 3, &how), LW_EUSAGE);
    assert_int_equal(lw_message_raw_memory(m, NULL, 3), LW_EUSAGE);
    lw_message_free(m);
    assert_int_equal(lw_message_to(NULL, "a@b.de"), LW_ENOMEM);
    assert_int_equal(lw_message_date(NULL, 0, 0), LW_ENOMEM);
    assert_int_equal(lw_message_header(NULL, "a", "b"), LW_ENOMEM);
    assert_int_equal(lw_message_attach_memory(NULL, "x", 1, NULL), LW_ENOMEM);
    assert_int_equal(lw_message_error(NULL)->code, LW_ENOMEM);
    assert_int_equal(lw_rendering_new(NULL, &o, &r, &e), LW_ENOMEM);
    lw_message_free(NULL);
    lw_rendering_free(NULL);
}

static void
test_setter__date_and_id_bounds(void **state)
{
    static const char *const bad_ids[] = { "", "a@b", "<a>", "<@b>", "<a@>", "<a b@c>", "<a@b>x", "<a@b><c@d>" };
    lw_message *m = lw_message_new();

    assert_int_equal(lw_message_date(m, 0, 1439), LW_OK);
    assert_int_equal(lw_message_date(m, 0, 1440), LW_EMESSAGE);
    assert_int_equal(lw_message_date(m, INT64_MAX, 0), LW_EMESSAGE);
    assert_int_equal(lw_message_date(m, INT64_MIN, 0), LW_EMESSAGE);
    assert_int_equal(lw_message_id(m, " <a.b@[192.0.2.1]> "), LW_OK);
    for (size_t i = 0; i < LW_COUNT(bad_ids); i++)
        assert_int_equal(lw_message_id(m, bad_ids[i]), LW_EMESSAGE);
    lw_message_free(m);
}

static void
test_attachment__names_types_and_cids_checked(void **state)
{
    static const struct {
        const char *label;
        lw_attachment how;
        lw_code code;
    } rows[] = {
        { "nothing", { .name = NULL }, LW_OK },
        { "name", { .name = "a \"b\".txt" }, LW_OK },
        { "type", { .type = "text/csv; charset=utf-8" }, LW_OK },
        { "cid", { .cid = "a@b" }, LW_OK },
        { "name with line break", { .name = "a\nb" }, LW_EMESSAGE },
        { "type without slash", { .type = "pdf" }, LW_EMESSAGE },
        { "type with space", { .type = "a b/c" }, LW_EMESSAGE },
        { "type with line break", { .type = "a/b;\r\nX: y" }, LW_EMESSAGE },
        { "type with open end", { .type = "a/b; " }, LW_EMESSAGE },
        { "message", { .type = "message/rfc822" }, LW_OK },
        { "part of a message", { .type = "message/partial" }, LW_EMESSAGE },
        { "multipart", { .type = "Multipart/Mixed" }, LW_EMESSAGE },
        { "cid in brackets", { .cid = "<a@b>" }, LW_EMESSAGE },
        { "cid with space", { .cid = "a b" }, LW_EMESSAGE },
        { "empty cid", { .cid = "" }, LW_EMESSAGE },
    };

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_message *m = lw_message_new();
        if (lw_message_attach_memory(m, "x", 1, &rows[i].how) != rows[i].code)
            fail_msg("%s: %s", rows[i].label, lw_message_error(m)->text);
        lw_message_free(m);
    }
}

static void
test_attachment__refused_source_stays_the_callers(void **state)
{
    test_source s;
    lw_source source = test_source_of(&s, "x", 1);
    lw_message *m = lw_message_new();

    assert_int_equal(lw_message_attach_source(m, source, "a", &(lw_attachment){ .type = "x" }), LW_EMESSAGE);
    assert_int_equal(s.n_freed, 0);
    assert_int_equal(lw_message_attach_source(m, source, "a", NULL), LW_OK);
    lw_message_free(m);
    assert_int_equal(s.n_freed, 1);
}

static void
test_mediatype__by_extension(void **state)
{
    static const struct {
        const char *name, *type;
    } rows[] = {
        { "a.pdf", "application/pdf" }, { "A.PDF", "application/pdf" }, { "a.tar.gz", "application/gzip" },
        { "a", "application/octet-stream" }, { "", "application/octet-stream" },
        { ".", "application/octet-stream" }, { "a.", "application/octet-stream" },
        { "dir.pdf/a", "application/octet-stream" }, { "a.unknown", "application/octet-stream" },
        { "x.html", "text/html" }, { "x.webp", "image/webp" }, { "x.7z", "application/x-7z-compressed" },
    };

    for (size_t i = 0; i < LW_COUNT(rows); i++)
        assert_string_equal(lw_mediatype_by_name(lw_span_str(rows[i].name)), rows[i].type);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_setter__injection_refused_with_the_fields_name),
        cmocka_unit_test(test_setter__sentences),
        cmocka_unit_test(test_setter__first_failure_sticks),
        cmocka_unit_test(test_setter__null_is_said_not_crashed),
        cmocka_unit_test(test_setter__date_and_id_bounds),
        cmocka_unit_test(test_attachment__names_types_and_cids_checked),
        cmocka_unit_test(test_attachment__refused_source_stays_the_callers),
        cmocka_unit_test(test_mediatype__by_extension),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
