/* SPDX-License-Identifier: MIT */
/* invitations, AMP, messages in messages, and how the parts leave for what a peer takes */
#include "mime/support.h"

#define ICS "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
#define INNER "From: a@b.de\r\nSubject: inner\r\n\r\nhello\r\n"

static lw_message *
simple(void)
{
    lw_message *m = lw_message_new();

    lw_message_from(m, "ann@example.com");
    lw_message_to(m, "bob@example.org");
    return m;
}

/* the content types of all parts in order, without their parameters */
static void
outline(const char *message, char *out, size_t cap)
{
    out[0] = '\0';
    for (const char *p = message; (p = strstr(p, "Content-Type: ")) != NULL; p++) {
        size_t n = strcspn(p + 14, ";\r");
        snprintf(out + strlen(out), cap - strlen(out), "%s%.*s", out[0] ? " " : "", (int)n, p + 14);
    }
}

/* rendered for a peer that takes most */
static char *
fitted(lw_message *m, lw_body_type most, lw_envelope *env, size_t *len)
{
    lw_render_opts o = test_opts(1);
    lw_rendering *r;
    lw_error e;
    lw_code rc;
    size_t spans;

    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
    if (lw_rendering_fit(r, most, &e) != LW_OK)
        fail_msg("%s", e.text);
    char *all = test_pull_all(r, len, &rc, &spans);
    assert_int_equal(rc, LW_DONE);
    assert_int_equal(*len, lw_rendering_body(r)->size);
    *env = *lw_rendering_envelope(r);
    assert_int_equal(lw_rendering_body(r)->is_canonical, env->body_type != LW_BODY_BINARYMIME);
    lw_rendering_free(r);
    return all;
}

static void
test_structure__invitation_and_amp_in_their_places(void **state)
{
    static const char *const want[8] = { /* text 1, html 2, amp 4; the invitation always */
        "multipart/mixed text/calendar application/ics",
        "multipart/mixed multipart/alternative text/plain text/calendar application/ics",
        "multipart/mixed multipart/alternative text/plain text/html text/calendar application/ics",
        "multipart/mixed multipart/alternative text/plain text/html text/calendar application/ics",
        NULL,
        "multipart/mixed multipart/alternative text/plain text/x-amp-html text/calendar application/ics",
        "multipart/mixed multipart/alternative text/plain text/x-amp-html text/html text/calendar application/ics",
        "multipart/mixed multipart/alternative text/plain text/x-amp-html text/html text/calendar application/ics",
    };
    char got[512];
    size_t len;

    for (int i = 0; i < 8; i++) {
        lw_message *m = simple();
        assert_int_equal(lw_message_calendar(m, ICS), LW_OK);
        if (i & 1)
            lw_message_text(m, "text");
        if (i & 2)
            lw_message_html(m, "<p>html");
        if (i & 4)
            lw_message_amp(m, "<!doctype html><html amp4email>");
        if (want[i] != NULL) {
            char *all = test_render(m, &len);
            outline(all, got, sizeof got);
            assert_string_equal(got, want[i]);
            assert_non_null(strstr(all, "text/calendar; charset=utf-8; method=REQUEST\r\n"));
            assert_non_null(strstr(all, "filename=invite.ics"));
            free(all);
        }
        lw_message_free(m);
    }
}

static void
test_amp__alone_refused(void **state)
{
    lw_message *m = simple();
    lw_render_opts o = test_opts(1);
    lw_rendering *r;
    lw_error e;

    lw_message_amp(m, "<html amp4email>");
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_EMESSAGE);
    assert_string_equal(e.text, "amp: a text or HTML is needed beside it, for the others");
    lw_message_free(m);
}

static void
test_calendar__method_read_and_checked(void **state)
{
    static const struct {
        const char *ics, *method; /* NULL = refused */
    } rows[] = {
        { ICS, "REQUEST" },
        { "begin:vcalendar\nmethod:cancel\nend:vcalendar\n", "cancel" },
        { "BEGIN:VCALENDAR\nMETHOD;X=\"a\":REPLY\n", "REPLY" },
        { "BEGIN:VCALENDAR\nMETHODS:REPLY\n", NULL },
        { "BEGIN:VCALENDAR\nVERSION:2.0\n", NULL },
        { "BEGIN:VCALENDAR\nMETHOD:\n", NULL },
        { "BEGIN:VCALENDAR\nMETHOD:A B\n", NULL },
        { "BEGIN:VCALENDAR\nMETHOD:AAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", NULL },
        { "METHOD:REQUEST\n", NULL },
        { "BEGIN:VCALENDAR", NULL },
        { "", NULL },
    };

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_message *m = simple();
        lw_code rc = lw_message_calendar(m, rows[i].ics);
        if (rc != (rows[i].method != NULL ? LW_OK : LW_EMESSAGE))
            fail_msg("row %zu: %d", i, (int)rc);
        if (rows[i].method != NULL)
            assert_string_equal(m->calendar_method, rows[i].method);
        lw_message_free(m);
    }
}

/* ---- messages in messages ------------------------------------------------------------------------- */

static void
test_attached_message__never_encoded(void **state)
{
    static const struct {
        const char *label, *data, *name, *type;
        const char *want; /* Content-Type, encoding */
        lw_body_type body_type;
    } rows[] = {
        { "by its name", INNER, "x.eml", NULL, "message/rfc822; name=x.eml\r\nContent-Transfer-Encoding: 7bit", 0 },
        { "by its type", INNER, "x", "message/rfc822", "message/rfc822; name=x\r\nContent-Transfer-Encoding: 7bit", 0 },
        { "8 bit", INNER "\xc3\xa9\n", "x.eml", NULL,
          "message/rfc822; name=x.eml\r\nContent-Transfer-Encoding: 8bit", LW_BODY_8BITMIME },
        { "UTF-8 header", "Subject: \xc3\xa9\n" INNER, "x.eml", NULL,
          "message/global; name=x.eml\r\nContent-Transfer-Encoding: base64", 0 },
        { "no message", "\x01\x02", "x.eml", NULL,
          "application/octet-stream; name=x.eml\r\nContent-Transfer-Encoding: base64", 0 },
        { "a NUL", "From: a@b.de\n\nx", "x.txt", NULL,
          "text/plain; name=x.txt\r\nContent-Transfer-Encoding: base64", 0 },
    };

    for (size_t i = 0; i < LW_COUNT(rows); i++)
        for (int from_source = 0; from_source < 2; from_source++) {
            lw_message *m = simple();
            lw_attachment how = { .name = rows[i].name, .type = rows[i].type };
            test_source s;
            lw_envelope env;
            size_t len, n = strlen(rows[i].data);
            if (from_source)
                assert_int_equal(lw_message_attach_source(m, test_source_of(&s, rows[i].data, n),
                                                          rows[i].name, &how), LW_OK);
            else
                lw_message_attach_memory(m, rows[i].data, n, &how);
            char *all = fitted(m, LW_BODY_7BIT, &env, &len);
            if (strstr(all, rows[i].want) == NULL)
                fail_msg("%s: %s", rows[i].label, all);
            assert_int_equal(env.body_type, rows[i].body_type);
            free(all);
            lw_message_free(m);
        }
}

static void
test_attached_message__line_ends_made_crlf(void **state)
{
    lw_message *m = simple();
    lw_attachment how = { .name = "x.eml" };
    size_t len;

    lw_message_attach_memory(m, "A: b\n\nx\ry", 9, &how);
    char *all = test_render(m, &len);
    assert_non_null(strstr(all, "\r\n\r\nA: b\r\n\r\nx\r\ny\r\n\r\n--=_"));
    free(all);
    lw_message_free(m);
}

static void
test_attached_message__that_is_none_refused_when_typed(void **state)
{
    lw_message *m = simple();
    lw_attachment how = { .name = "x.bin", .type = "message/rfc822" };
    lw_render_opts o = test_opts(1);
    lw_rendering *r;
    lw_error e;

    lw_message_attach_memory(m, "no header", 9, &how);
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_EMESSAGE);
    assert_string_equal(e.text, "x.bin has no header: line 1 \"no header\" is not of the form Name: value");
    lw_message_free(m);
}

/* ---- sources of the caller's own ------------------------------------------------------------------ */

static void
test_callback__pulled_rewound_freed_once(void **state)
{
    lw_message *m = simple();
    test_source s;
    lw_source source = test_source_of(&s, "hello\xff", 6), broken = { .open = source.open };
    size_t len;

    assert_int_equal(lw_message_attach_callback(m, &source, &(lw_attachment){ .name = "x.bin" }), LW_OK);
    char *all = test_render(m, &len); /* pulls twice */
    assert_non_null(strstr(all, "aGVsbG//"));
    free(all);
    assert_int_equal(s.n_open, 0);
    assert_int_equal(lw_message_attach_callback(m, &broken, NULL), LW_EUSAGE);
    assert_int_equal(lw_message_attach_callback(m, NULL, NULL), LW_EUSAGE);
    assert_string_equal(lw_message_error(m)->text, "attachment: a source needs open, read and close");
    assert_int_equal(lw_message_attach_callback(NULL, &source, NULL), LW_ENOMEM);
    lw_message_free(m);
    assert_int_equal(s.n_freed, 1);
}

static void
test_callback__of_unknown_size_and_ready_message(void **state)
{
    lw_message *m = simple();
    test_source s;
    lw_source source = test_source_of(&s, INNER, sizeof INNER - 1);
    lw_envelope env;
    size_t len;

    s.said = s.said_later = LW_SIZE_UNKNOWN;
    assert_int_equal(lw_message_raw_callback(m, &source), LW_OK);
    lw_message_free(m);
    assert_int_equal(s.n_freed, 1);
    m = lw_message_new();
    lw_message_to(m, "x@y.de");
    source = test_source_of(&s, INNER, sizeof INNER - 1);
    assert_int_equal(lw_message_raw_callback(m, &source), LW_OK);
    char *all = fitted(m, LW_BODY_BINARYMIME, &env, &len);
    assert_string_equal(all, INNER);
    free(all);
    lw_message_free(m);
}

/* ---- what a peer takes ------------------------------------------------------------------------------- */

static const struct {
    const char *label, *text;
    bool has_file;
    lw_body_type types[3];  /* for a peer that takes 7bit, 8bit, binary */
    const char *encodings[3];
} fits[] = {
    { "ascii", "hello", false, { LW_BODY_7BIT, LW_BODY_7BIT, LW_BODY_7BIT }, { "7bit", "7bit", "7bit" } },
    { "utf-8", "hello and all good wishes, grüße", false, { LW_BODY_7BIT, LW_BODY_8BITMIME, LW_BODY_8BITMIME },
      { "quoted-printable", "8bit", "8bit" } },
    { "chinese", "测试邮件测试邮件", false, { LW_BODY_7BIT, LW_BODY_8BITMIME, LW_BODY_8BITMIME },
      { "base64", "8bit", "8bit" } },
    { "control", "a\x01", false, { LW_BODY_7BIT, LW_BODY_7BIT, LW_BODY_BINARYMIME },
      { "quoted-printable", "quoted-printable", "binary" } },
    { "file", "hello", true, { LW_BODY_7BIT, LW_BODY_7BIT, LW_BODY_BINARYMIME },
      { "base64", "base64", "binary" } },
    { "both", "grüße", true, { LW_BODY_7BIT, LW_BODY_8BITMIME, LW_BODY_BINARYMIME },
      { "base64", "base64", "binary" } },
};

static void
test_fit__encoding_by_content_and_peer(void **state)
{
    static const char data[] = "\r\0\n.\r\n\xff";
    char want[80];

    for (size_t i = 0; i < LW_COUNT(fits); i++)
        for (int most = 0; most < 3; most++) {
            lw_message *m = simple();
            lw_envelope env;
            size_t len;
            lw_message_text(m, fits[i].text);
            if (fits[i].has_file)
                lw_message_attach_memory(m, data, sizeof data, NULL);
            char *all = fitted(m, (lw_body_type)most, &env, &len);
            snprintf(want, sizeof want, "Content-Transfer-Encoding: %s\r\n", fits[i].encodings[most]);
            if (env.body_type != fits[i].types[most] || strstr(all, want) == NULL)
                fail_msg("%s for %d: %d %s", fits[i].label, most, (int)env.body_type, all);
            if (env.body_type == LW_BODY_BINARYMIME) {
                assert_null(strstr(all, "base64"));
                if (fits[i].has_file)
                    assert_non_null(memmem(all, len, data, sizeof data));
            }
            free(all);
            lw_message_free(m);
        }
}

/* Message-ID, Date and boundaries stay, whatever was rendered before */
static void
test_fit__header_and_boundaries_stay(void **state)
{
    static const lw_body_type order[] = { LW_BODY_8BITMIME, LW_BODY_BINARYMIME, LW_BODY_7BIT, LW_BODY_7BIT,
                                          LW_BODY_BINARYMIME, LW_BODY_8BITMIME, LW_BODY_7BIT };
    lw_message *m = simple();
    lw_render_opts o = test_opts(1);
    lw_rendering *r;
    test_source s;
    lw_error e;
    lw_code rc;
    size_t len, spans, first_len;

    lw_message_text(m, "grüße");
    assert_int_equal(lw_message_attach_source(m, test_source_of(&s, "abc\xff", 4), "f", NULL), LW_OK);
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
    char *first = test_pull_all(r, &first_len, &rc, &spans);
    for (size_t i = 0; i < LW_COUNT(order); i++) {
        assert_int_equal(lw_rendering_fit(r, order[i], &e), LW_OK);
        char *all = test_pull_all(r, &len, &rc, &spans);
        size_t n = (size_t)(strstr(first, "\r\n\r\n") - first);
        assert_int_equal(len, lw_rendering_body(r)->size);
        assert_memory_equal(all, first, n);
        if (order[i] == LW_BODY_7BIT)
            assert_string_equal(all, first);
        assert_int_equal(lw_rendering_envelope(r)->n_rcpts, 1);
        free(all);
    }
    assert_int_equal(s.n_open, 0);
    free(first);
    lw_rendering_free(r);
    lw_message_free(m);
}

static void
test_fit__only_7bit_kept(void **state)
{
    lw_message *m = simple();
    lw_envelope env;
    size_t len;

    lw_message_text(m, "grüße");
    lw_message_only_7bit(m, true);
    char *all = fitted(m, LW_BODY_BINARYMIME, &env, &len);
    assert_int_equal(env.body_type, LW_BODY_7BIT);
    free(all);
    lw_message_free(m);
}

/* the n-th request fails, once or from then on: no leak, no half message */
static void
test_fit__memory_runs_out_no_leak(void **state)
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
            lw_message_from(m, "ann@münchen.example");
            lw_message_to(m, "bob@example.org");
            lw_message_html(m, "<p>Grüße <a href=\"https://x.example/\">x</a>");
            lw_message_flowed(m, true);
            lw_message_calendar(m, ICS);
            lw_message_attach_memory(m, "A: b\n\nc", 7, &(lw_attachment){ .name = "x.eml" });
            lw_message_attach_memory(m, "x", 1, &(lw_attachment){ .name = "ü.pdf" });
            lw_code rc = lw_rendering_new(m, &o, &r, &e);
            if (rc == LW_OK)
                rc = lw_rendering_fit(r, LW_BODY_BINARYMIME, &e);
            assert_true(rc == LW_OK || rc == LW_ENOMEM);
            done = !t.has_failed;
            assert_int_equal(rc == LW_OK, done);
            lw_rendering_free(r);
            lw_message_free(m);
            assert_int_equal(t.n_out, 0);
            assert_true(n < 500);
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structure__invitation_and_amp_in_their_places),
        cmocka_unit_test(test_amp__alone_refused),
        cmocka_unit_test(test_calendar__method_read_and_checked),
        cmocka_unit_test(test_attached_message__never_encoded),
        cmocka_unit_test(test_attached_message__line_ends_made_crlf),
        cmocka_unit_test(test_attached_message__that_is_none_refused_when_typed),
        cmocka_unit_test(test_callback__pulled_rewound_freed_once),
        cmocka_unit_test(test_callback__of_unknown_size_and_ready_message),
        cmocka_unit_test(test_fit__encoding_by_content_and_peer),
        cmocka_unit_test(test_fit__header_and_boundaries_stay),
        cmocka_unit_test(test_fit__only_7bit_kept),
        cmocka_unit_test(test_fit__memory_runs_out_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
