/* SPDX-License-Identifier: MIT */
/* tests/mime/test_render.c - headers in order, structure, envelope, memory that runs out */
#include "mime/support.h"

static lw_message *
simple(void)
{
    lw_message *m = lw_message_new();

    assert_int_equal(lw_message_from(m, "Ann <ann@example.com>"), LW_OK);
    assert_int_equal(lw_message_to(m, "bob@example.org"), LW_OK);
    return m;
}

static void
test_headers__in_order_and_complete(void **state)
{
    lw_message *m = simple();
    size_t len;

    lw_message_header(m, "X-Mailer", "x/1");
    lw_message_header(m, "Sender", "Zoë <zoe@example.net>");
    lw_message_header(m, "Cc", "c@example.net");
    lw_message_header(m, "date", "Tue, 1 Jul 2025 10:52:37 +0200");
    lw_message_reply_to(m, "r@example.net");
    lw_message_subject(m, "Hi");
    lw_message_id(m, "<1@example.com>");
    lw_message_text(m, "Hello\n");
    assert_int_equal(lw_message_error(m)->code, LW_OK);
    char *got = test_render(m, &len);
    assert_string_equal(got,
        "Date: Tue, 1 Jul 2025 10:52:37 +0200\r\n"
        "From: Ann <ann@example.com>\r\n"
        "To: bob@example.org\r\n"
        "Cc: c@example.net\r\n"
        "Reply-To: r@example.net\r\n"
        "Subject: Hi\r\n"
        "Message-ID: <1@example.com>\r\n"
        "X-Mailer: x/1\r\n"
        "Sender: =?UTF-8?Q?Zo=C3=AB?= <zoe@example.net>\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 7bit\r\n"
        "\r\n"
        "Hello\r\n");
    free(got);
    lw_message_free(m);
}

static void
test_bcc__in_the_envelope_only(void **state)
{
    lw_message *m = lw_message_new();
    lw_render_opts o = test_opts(1);
    lw_rendering *r;
    lw_error e;
    size_t len;

    lw_message_from(m, "ann@example.com");
    lw_message_bcc(m, "hidden@example.org");
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
    assert_int_equal(lw_rendering_envelope(r)->n_rcpts, 1);
    assert_string_equal(lw_rendering_envelope(r)->rcpts[0].address, "hidden@example.org");
    lw_rendering_free(r);
    char *got = test_render(m, &len);
    assert_null(strstr(got, "hidden"));
    assert_non_null(strstr(got, "To: undisclosed-recipients:;\r\n"));
    free(got);
    lw_message_free(m);
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

static void
test_structure__of_every_combination(void **state)
{
    static const char *const want[16] = { /* text 1, html 2, inline 4, attachment 8 */
        "text/plain", "text/plain", "text/html", "multipart/alternative text/plain text/html",
        "multipart/mixed image/png", "multipart/mixed text/plain image/png",
        "multipart/related text/html image/png",
        "multipart/alternative text/plain multipart/related text/html image/png",
        "multipart/mixed application/pdf", "multipart/mixed text/plain application/pdf",
        "multipart/mixed text/html application/pdf",
        "multipart/mixed multipart/alternative text/plain text/html application/pdf",
        "multipart/mixed image/png application/pdf",
        "multipart/mixed text/plain image/png application/pdf",
        "multipart/mixed multipart/related text/html image/png application/pdf",
        ("multipart/mixed multipart/alternative text/plain multipart/related text/html image/png "
         "application/pdf"),
    };
    char got[512];
    size_t len;

    for (int i = 0; i < 16; i++) {
        lw_message *m = simple();
        lw_message_auto_text(m, false);
        if (i & 1)
            lw_message_text(m, "text");
        if (i & 2)
            lw_message_html(m, "<p>é");
        if (i & 4)
            lw_message_attach_memory(m, "png", 3, &(lw_attachment){ .name = "l.png", .is_inline = true });
        if (i & 8)
            lw_message_attach_memory(m, "pdf", 3, &(lw_attachment){ .name = "r.pdf" });
        char *all = test_render(m, &len);
        outline(all, got, sizeof got);
        assert_string_equal(got, want[i]);
        free(all);
        lw_message_free(m);
    }
}

static void
test_boundary__not_in_the_text(void **state)
{
    lw_message *m = simple();
    lw_render_opts o = test_opts(1);
    lw_rendering *r;
    lw_error e;
    lw_code rc;
    size_t len, spans;
    char line[128];

    lw_message_html(m, "x");
    lw_message_text(m, "y");
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
    char *first = test_pull_all(r, &len, &rc, &spans);
    lw_rendering_free(r);
    char *b = strstr(first, "boundary=\"");
    assert_non_null(b);
    /* the same randomness, and a text that tries to end the part */
    snprintf(line, sizeof line, "--%.29s\nevil\n", b + 10);
    lw_message_text(m, line);
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
    char *second = test_pull_all(r, &len, &rc, &spans);
    lw_rendering_free(r);
    char *b2 = strstr(second, "boundary=\"");
    assert_non_null(b2);
    assert_memory_not_equal(b + 10, b2 + 10, 28);
    free(first);
    free(second);
    lw_message_free(m);
}

static void
test_small_message__is_one_span(void **state)
{
    lw_message *m = simple();
    lw_render_opts o = test_opts(1);
    lw_rendering *r;
    lw_error e;
    lw_code rc;
    size_t len, spans;

    lw_message_text(m, "x");
    lw_message_attach_memory(m, "abc", 3, NULL);
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
    char *all = test_pull_all(r, &len, &rc, &spans);
    assert_int_equal(rc, LW_DONE);
    assert_int_equal(spans, 1);
    free(all);
    lw_rendering_free(r);
    lw_message_free(m);
}

static void
test_envelope__each_address_once_in_order(void **state)
{
    static const char *const want[] = { "b@x.org", "B@x.org", "c@y.org", "d@z.org" };
    lw_message *m = lw_message_new();
    lw_render_opts o = test_opts(1);
    lw_rendering *r;
    lw_error e;

    lw_message_from(m, "ann@example.com");
    lw_message_to(m, "b@x.org, b@X.ORG, B@x.org");
    lw_message_cc(m, "c@y.org, b@x.org");
    lw_message_bcc(m, "d@z.org, C <c@Y.org>");
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
    lw_envelope *env = lw_rendering_envelope(r);
    assert_int_equal(env->n_rcpts, LW_COUNT(want));
    for (size_t i = 0; i < LW_COUNT(want); i++)
        assert_string_equal(env->rcpts[i].address, want[i]);
    assert_string_equal(env->from, "ann@example.com");
    assert_int_equal(env->body_type, LW_BODY_7BIT);
    assert_false(env->needs_smtputf8);
    lw_rendering_free(r);
    /* once a recipient of the envelope is named, the others are headers only */
    assert_int_equal(lw_message_envelope_to(m, "only@x.org"), LW_OK);
    assert_int_equal(lw_message_envelope_from(m, ""), LW_OK);
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
    assert_int_equal(lw_rendering_envelope(r)->n_rcpts, 1);
    assert_string_equal(lw_rendering_envelope(r)->from, "");
    lw_rendering_free(r);
    lw_message_free(m);
}

static void
test_envelope__utf8_known_to_be_needed(void **state)
{
    static const struct {
        const char *from, *to, *sender;
        bool want;
    } rows[] = {
        { "Zoë <zoe@example.net>", "b@x.org", "s@x.org", false },
        { "ë@example.net", "b@x.org", "s@x.org", true },
        { "a@example.net", "ä@x.org", "s@x.org", true },
        { "a@example.net", "b@x.org", "ß@x.org", true },
    };
    lw_render_opts o = test_opts(1);

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_message *m = lw_message_new();
        lw_rendering *r;
        lw_error e;
        lw_message_from(m, rows[i].from);
        lw_message_to(m, rows[i].to);
        lw_message_header(m, "Sender", rows[i].sender);
        lw_message_subject(m, "Grüße");
        assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
        assert_int_equal(lw_rendering_envelope(r)->needs_smtputf8, rows[i].want);
        assert_int_equal(lw_rendering_envelope(r)->body_type,
                         rows[i].want ? LW_BODY_8BITMIME : LW_BODY_7BIT);
        lw_rendering_free(r);
        lw_message_free(m);
    }
}

static void
test_envelope__a_hundred_thousand_recipients(void **state)
{
    size_t n = 100000, len;
    char *list = malloc(n * 24), *at = list;
    lw_message *m = lw_message_new();

    for (size_t i = 0; i < n; i++)
        at += snprintf(at, 24, "u%zu@example.org,", i);
    lw_message_from(m, "ann@example.com");
    assert_int_equal(lw_message_to(m, list), LW_OK);
    assert_int_equal(lw_message_cc(m, list), LW_OK);
    lw_render_opts o = test_opts(1);
    lw_rendering *r;
    lw_error e;
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
    assert_int_equal(lw_rendering_envelope(r)->n_rcpts, n);
    lw_rendering_free(r);
    free(test_render(m, &len));
    lw_message_free(m);
    free(list);
}

static void
test_message_id__right_side_is_froms_domain(void **state)
{
    static const struct {
        const char *from, *right;
    } rows[] = {
        { "a@example.com", "@example.com>" },
        { "a@[192.0.2.1]", "@[192.0.2.1]>" },
        { "ä@ä.de", "@host.example>" },
    };
    char seen[3][300];

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_message *m = lw_message_new();
        lw_render_opts o = test_opts((unsigned)i);
        lw_rendering *r;
        lw_error e;
        lw_message_from(m, rows[i].from);
        lw_message_to(m, "b@x.org");
        assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
        snprintf(seen[i], sizeof seen[i], "%s", lw_rendering_message_id(r));
        assert_string_equal(strchr(seen[i], '@'), rows[i].right);
        lw_rendering_free(r);
        lw_message_free(m);
    }
    assert_memory_not_equal(seen[0], seen[1], 20);
}

static void
test_rendering__what_lacks_is_said(void **state)
{
    lw_render_opts o = test_opts(1);
    lw_message *m = lw_message_new();
    lw_rendering *r;
    lw_error e;

    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_EMESSAGE);
    assert_string_equal(e.text, "from: no sender was given");
    lw_message_from(m, "a@b.de");
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_EMESSAGE);
    assert_string_equal(e.text, "to: no recipient was given");
    assert_int_equal(lw_message_error(m)->code, LW_OK);
    lw_message_free(m);
}

/* everything that a message can have, with this memory; what the first failure was */
static lw_code
compose_all(const lw_alloc *alloc, test_source *s)
{
    lw_message *m = lw_message_new_with(alloc);
    lw_source source = test_source_of(s, "source", 6);
    lw_render_opts o = test_opts(1);
    lw_rendering *r = NULL;
    lw_error e;
    lw_code rc;
    size_t len, spans;

    lw_message_from(m, "\"A. nn\" <ann@example.com>");
    lw_message_to(m, "b@x.org, Zoë <c@x.org>, d@x.org, e@x.org, f@x.org");
    lw_message_cc(m, "g@x.org");
    lw_message_bcc(m, "h@x.org");
    lw_message_reply_to(m, "r@x.org");
    lw_message_envelope_from(m, "bounce@x.org");
    lw_message_subject(m, "Grüße");
    lw_message_text(m, "text");
    lw_message_html(m, "<p>é");
    lw_message_header(m, "Sender", "s@x.org");
    for (int i = 0; i < 40; i++) { /* more than the message has room for at first */
        lw_message_header(m, "X-A", "a value of some length");
        lw_message_header(m, "Resent-To", "\"B. ob\" <bob@example.org>, c@x.org");
        lw_message_envelope_to(m, "bob@example.org");
        lw_message_attach_memory(m, "abc", 3, NULL);
    }
    lw_message_attach_memory(m, "abc", 3, &(lw_attachment){ .name = "é.png", .is_inline = true });
    bool moved = lw_message_attach_source(m, source, "dir/name.txt", NULL) == LW_OK;
    rc = lw_rendering_new(m, &o, &r, &e);
    if (rc == LW_OK) {
        free(test_pull_all(r, &len, &rc, &spans));
        assert_int_equal(rc, LW_DONE);
        assert_int_equal(len, lw_rendering_body(r)->size);
    } else {
        assert_null(r);
        assert_int_equal(e.code, rc);
        assert_true(strlen(e.text) > 0);
    }
    lw_rendering_free(r);
    lw_message_free(m);
    assert_int_equal(s->n_freed, moved);
    assert_int_equal(s->n_open, 0);
    return rc;
}

static void
test_memory__any_failing_request_leaks_nothing(void **state)
{
    for (int once = 0; once < 2; once++)
        for (long n = 0;; n++) {
            test_memory t;
            test_source s;
            test_memory_init(&t, n);
            t.once = once != 0;
            lw_code rc = compose_all(&t.alloc, &s);
            assert_int_equal(t.n_out, 0);
            assert_int_equal(rc, t.has_failed ? LW_ENOMEM : LW_DONE);
            if (!t.has_failed) {
                assert_true(n > 20);
                break;
            }
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers__in_order_and_complete),
        cmocka_unit_test(test_bcc__in_the_envelope_only),
        cmocka_unit_test(test_structure__of_every_combination),
        cmocka_unit_test(test_boundary__not_in_the_text),
        cmocka_unit_test(test_small_message__is_one_span),
        cmocka_unit_test(test_envelope__each_address_once_in_order),
        cmocka_unit_test(test_envelope__utf8_known_to_be_needed),
        cmocka_unit_test(test_envelope__a_hundred_thousand_recipients),
        cmocka_unit_test(test_message_id__right_side_is_froms_domain),
        cmocka_unit_test(test_rendering__what_lacks_is_said),
        cmocka_unit_test(test_memory__any_failing_request_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
