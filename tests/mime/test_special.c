/* SPDX-License-Identifier: MIT */
/* headers with a meaning of their own, and changes to a ready message */
#include "mime/support.h"

static lw_message *
simple(void)
{
    lw_message *m = lw_message_new();

    lw_message_from(m, "ann@example.com");
    lw_message_to(m, "bob@example.org");
    lw_message_text(m, "x");
    return m;
}

static void
expect(lw_message *m, const char *want)
{
    size_t len;
    char *all;

    if (lw_message_error(m)->code != LW_OK)
        fail_msg("%s", lw_message_error(m)->text);
    all = test_render(m, &len);
    if (strstr(all, want) == NULL)
        fail_msg("no \"%s\" in \"%s\"", want, all);
    free(all);
    lw_message_free(m);
}

static void
test_header__of_each_call_written(void **state)
{
    lw_message *m = simple();

    lw_message_in_reply_to(m, "<1@x.example>");
    expect(m, "In-Reply-To: <1@x.example>\r\nReferences: <1@x.example>\r\n");
    m = simple();
    lw_message_references(m, "<1@x.example> <2@x.example>");
    lw_message_in_reply_to(m, "<2@x.example>");
    expect(m, "References: <1@x.example> <2@x.example>\r\nIn-Reply-To: <2@x.example>\r\nMIME");
    m = simple();
    lw_message_priority(m, LW_PRIORITY_HIGH);
    expect(m, "X-Priority: 1 (Highest)\r\nImportance: High\r\nPriority: urgent\r\n");
    m = simple();
    lw_message_auto_submitted(m, "AUTO-generated");
    expect(m, "Auto-Submitted: auto-generated\r\n");
    m = simple();
    lw_message_list_id(m, "Zoë's, list <l.example.com>");
    expect(m, "List-Id: =?UTF-8?B?Wm/DqydzLCBsaXN0?= <l.example.com>\r\n");
    m = simple();
    lw_message_list_id(m, "<l.example.com>");
    expect(m, "List-Id: <l.example.com>\r\n");
    m = simple();
    lw_message_unsubscribe(m, "https://x.example/u?a==?b", "mailto:u@x.example?subject=x");
    expect(m, "List-Unsubscribe: <https://x.example/u?a==?b>, <mailto:u@x.example?subject=x>\r\n"
           "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
    m = simple();
    lw_message_feedback_id(m, "c1:u2:news:sender");
    expect(m, "Feedback-ID: c1:u2:news:sender\r\n");
    m = simple();
    lw_message_sender(m, "Zoë <z@x.example>");
    expect(m, "Sender: =?UTF-8?Q?Zo=C3=AB?= <z@x.example>\r\n");
    m = simple();
    lw_message_header(m, "Resent-To", "a@b.de, c@d.de");
    expect(m, "Resent-To: a@b.de, c@d.de\r\n");
}

static lw_code
one_click(lw_message *m, const char *https)
{
    return lw_message_unsubscribe(m, https, NULL);
}

static lw_code
archive(lw_message *m, const char *value)
{
    return lw_message_header(m, "List-Archive", value);
}

static void
test_header__bad_value_refused_with_the_sentence(void **state)
{
    static char long_uri[1000] = "https://";
    const struct {
        lw_code (*set)(lw_message *, const char *);
        const char *value;
        lw_code code;
        const char *text; /* its beginning */
    } rows[] = {
        { lw_message_in_reply_to, "1@x", LW_EMESSAGE, "In-Reply-To: \"1@x\" is not of the form <left@right>" },
        { lw_message_in_reply_to, "", LW_EMESSAGE, "In-Reply-To: \"\" is not of the form" },
        { lw_message_references, "<1@x> <2>", LW_EMESSAGE, "References: \"<1@x> <2>\" is not" },
        { lw_message_references, "<1@x>\r\nBcc: y", LW_EMESSAGE, "References: " },
        { lw_message_auto_submitted, "yes", LW_EMESSAGE,
          "auto-submitted: \"yes\" is not auto-generated, auto-replied or no" },
        { lw_message_list_id, "list", LW_EMESSAGE, "List-Id: \"list\" is not of the form Name <list.example.com>" },
        { lw_message_list_id, "<list>", LW_EMESSAGE, "List-Id: " },
        { lw_message_list_id, "<a b.c>", LW_EMESSAGE, "List-Id: " },
        { lw_message_list_id, "\n<a.b>", LW_EMESSAGE, "List-Id: a line break" },
        { one_click, "http://x.example/", LW_EMESSAGE,
          "unsubscribe: \"http://x.example/\" is not of the form https://..." },
        { one_click, "https://x.example/a b", LW_EMESSAGE, "List-Unsubscribe: " },
        { one_click, "https://x.example/>,<x:y", LW_EMESSAGE, "unsubscribe: " },
        { one_click, "https://x.example/\r\nX: y", LW_EMESSAGE, "List-Unsubscribe: a line break" },
        { one_click, long_uri, LW_EMESSAGE, "List-Unsubscribe: " },
        { one_click, NULL, LW_EUSAGE, "unsubscribe: NULL was given" },
        { lw_message_feedback_id, "a:b:c:d:e", LW_EMESSAGE, "feedback-id: " },
        { lw_message_feedback_id, "a:", LW_EMESSAGE, "feedback-id: " },
        { lw_message_feedback_id, "a b", LW_EMESSAGE, "feedback-id: " },
        { archive, "x", LW_EMESSAGE, "List-Archive: \"x\" is not of the form <https://...>" },
        { archive, "<>", LW_EMESSAGE, "List-Archive: " },
        { archive, "<a:b> c", LW_EMESSAGE, "List-Archive: " },
        { archive, "<a:b>,", LW_EMESSAGE, "List-Archive: " },
        { archive, "no", LW_OK, "" },
        { archive, "<a:b> , <c:d>", LW_OK, "" },
    };

    memset(long_uri + 8, 'x', sizeof long_uri - 9);
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_message *m = simple();
        lw_code rc = rows[i].set(m, rows[i].value);
        const char *text = lw_message_error(m)->text;
        if (rc != rows[i].code || (rc < 0 && strncmp(text, rows[i].text, strlen(rows[i].text)) != 0))
            fail_msg("row %zu: %d \"%s\"", i, (int)rc, text);
        lw_message_free(m);
    }
}

static void
test_header__twice_refused(void **state)
{
    lw_message *m = simple();

    assert_int_equal(lw_message_priority(m, LW_PRIORITY_LOW), LW_OK);
    assert_int_equal(lw_message_priority(m, LW_PRIORITY_LOW), LW_EUSAGE);
    assert_int_equal(lw_message_priority(NULL, LW_PRIORITY_LOW), LW_ENOMEM);
    assert_int_equal(lw_message_priority(m, (lw_priority)7), LW_EUSAGE);
    lw_message_free(m);
}

/* a header of a thousand identifiers is folded, never encoded, and read back as it was */
static void
test_references__long_folded(void **state)
{
    lw_message *m = simple();
    char ids[30000] = "", *all;
    size_t len;

    for (int i = 0; i < 1000; i++)
        snprintf(ids + strlen(ids), sizeof ids - strlen(ids), "%s<%d=?utf-8?@x.example>", i ? " " : "", i);
    assert_int_equal(lw_message_references(m, ids), LW_OK);
    all = test_render(m, &len);
    const char *p = strstr(all, "References: ") + 12;
    for (const char *q = ids; *q != '\0'; p++)
        if (p[0] == '\r')
            p++;
        else
            assert_int_equal(*p, *q++);
    free(all);
    lw_message_free(m);
}

/* ---- a ready message with changes ------------------------------------------------------------------- */

#define RAW "From: a@b.de\r\nTo: c@d.de\r\nX-A: 1\r\nx-a : 2\r\n 3\r\nMessage-ID: <1@b.de>\r\n\r\nbody\r\n"

static void
test_raw_header__written_anew_or_removed(void **state)
{
    static const struct {
        const char *label, *name, *value, *want, *rcpt, *from, *id;
    } rows[] = {
        { "removed", "X-A", NULL, "From: a@b.de\r\nTo: c@d.de\r\nMessage-ID: <1@b.de>\r\n\r\nbody\r\n",
          "c@d.de", "a@b.de", "<1@b.de>" },
        { "anew", "x-A", "Grüße", "From: a@b.de\r\nTo: c@d.de\r\nMessage-ID: <1@b.de>\r\n"
          "x-A: =?UTF-8?B?R3LDvMOfZQ==?=\r\n\r\nbody\r\n", "c@d.de", "a@b.de", "<1@b.de>" },
        { "to", "To", "Zoë <z@x.example>", "From: a@b.de\r\nX-A: 1\r\nx-a : 2\r\n 3\r\nMessage-ID: <1@b.de>\r\n"
          "To: =?UTF-8?Q?Zo=C3=AB?= <z@x.example>\r\n\r\nbody\r\n", "z@x.example", "a@b.de", "<1@b.de>" },
        { "from", "From", "n@x.example", "To: c@d.de\r\nX-A: 1\r\nx-a : 2\r\n 3\r\nMessage-ID: <1@b.de>\r\n"
          "From: n@x.example\r\n\r\nbody\r\n", "c@d.de", "n@x.example", "<1@b.de>" },
        { "id", "Message-ID", "<2@x>", "From: a@b.de\r\nTo: c@d.de\r\nX-A: 1\r\nx-a : 2\r\n 3\r\n"
          "Message-ID: <2@x>\r\n\r\nbody\r\n", "c@d.de", "a@b.de", "<2@x>" },
        { "not there", "X-B", NULL, RAW, "c@d.de", "a@b.de", "<1@b.de>" },
    };

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_message *m = lw_message_new();
        lw_render_opts o = test_opts(1);
        lw_rendering *r;
        lw_error e;
        size_t len;
        lw_message_raw_memory(m, RAW, sizeof RAW - 1);
        assert_int_equal(lw_message_raw_header(m, rows[i].name, rows[i].value), LW_OK);
        char *all = test_render(m, &len);
        if (strcmp(all, rows[i].want) != 0)
            fail_msg("%s: \"%s\"", rows[i].label, all);
        free(all);
        assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
        assert_string_equal(lw_rendering_envelope(r)->rcpts[0].address, rows[i].rcpt);
        assert_string_equal(lw_rendering_envelope(r)->from, rows[i].from);
        assert_string_equal(lw_rendering_message_id(r), rows[i].id);
        lw_rendering_free(r);
        lw_message_free(m);
    }
}

static void
test_raw_header__bad_change_refused(void **state)
{
    static const struct {
        const char *name, *value;
        lw_code code;
    } rows[] = {
        { "Content-Type", "text/html", LW_EUSAGE }, { "MIME-Version", NULL, LW_EUSAGE },
        { "Bcc", "x@y.de", LW_EUSAGE }, { "a b", "x", LW_EUSAGE }, { NULL, "x", LW_EUSAGE },
        { "Subject", "a\r\nb", LW_EMESSAGE }, { "To", "nobody", LW_EADDRESS },
        { "Date", "yesterday", LW_EMESSAGE }, { "Message-ID", "1", LW_EMESSAGE },
    };

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_message *m = lw_message_new();
        if (lw_message_raw_header(m, rows[i].name, rows[i].value) != rows[i].code)
            fail_msg("row %zu: %s", i, lw_message_error(m)->text);
        lw_message_free(m);
    }
    lw_message *m = simple();
    lw_render_opts o = test_opts(1);
    lw_rendering *r;
    lw_error e;
    assert_int_equal(lw_message_raw_header(m, "X", "y"), LW_OK);
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_EUSAGE);
    assert_string_equal(e.text, "header X: there is no ready message to change it in");
    lw_message_free(m);
}

static void
test_message__memory_runs_out_no_leak(void **state)
{
    for (int once = 0; once < 2; once++)
        for (long n = 0, done = 0; !done; n++) {
            test_memory t;
            lw_render_opts o = test_opts(1);
            lw_rendering *r = NULL;
            lw_error e;
            test_memory_init(&t, n);
            t.once = once;
            lw_message *m = lw_message_new_with(&t.alloc);
            lw_message_from(m, "ann@example.com");
            lw_message_to(m, "bob@example.org");
            lw_message_unsubscribe(m, "https://x.example/u", "mailto:x@x.example");
            lw_message_in_reply_to(m, "<1@x>");
            lw_message_list_id(m, "ü <a.b>");
            lw_message_priority(m, LW_PRIORITY_LOW);
            lw_code rc = lw_rendering_new(m, &o, &r, &e);
            done = !t.has_failed;
            assert_int_equal(rc, done ? LW_OK : LW_ENOMEM);
            lw_rendering_free(r);
            lw_message_free(m);
            assert_int_equal(t.n_out, 0);
            test_memory_init(&t, n);
            t.once = once;
            m = lw_message_new_with(&t.alloc);
            lw_message_raw_memory(m, RAW, sizeof RAW - 1);
            lw_message_raw_header(m, "To", "z@x.example");
            lw_message_raw_header(m, "X-A", NULL);
            rc = lw_rendering_new(m, &o, &r, &e);
            assert_int_equal(rc, t.has_failed ? LW_ENOMEM : LW_OK);
            done = done && !t.has_failed;
            lw_rendering_free(r);
            lw_message_free(m);
            assert_int_equal(t.n_out, 0);
            assert_true(n < 500);
        }
}

static void
test_markdown__gives_both_bodies(void **state)
{
    lw_message *m = lw_message_new();
    size_t len;

    lw_message_from(m, "ann@example.com");
    lw_message_to(m, "bob@example.org");
    if (lw_message_markdown(m, "# Hi\n\n*you* | <https://x.example/>\n") == LW_ECAPABILITY) {
        printf("skipped: %s\n", lw_message_error(m)->text);
        lw_message_free(m);
        skip();
    }
    char *all = test_render(m, &len);
    assert_non_null(strstr(all, "\r\n\r\n# Hi\r\n\r\n*you*"));
    assert_non_null(strstr(all, "<h1>Hi</h1>\r\n<p><em>you</em>"));
    assert_non_null(strstr(all, "multipart/alternative"));
    free(all);
    lw_message_free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header__of_each_call_written),
        cmocka_unit_test(test_header__bad_value_refused_with_the_sentence),
        cmocka_unit_test(test_header__twice_refused),
        cmocka_unit_test(test_references__long_folded),
        cmocka_unit_test(test_raw_header__written_anew_or_removed),
        cmocka_unit_test(test_raw_header__bad_change_refused),
        cmocka_unit_test(test_message__memory_runs_out_no_leak),
        cmocka_unit_test(test_markdown__gives_both_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
