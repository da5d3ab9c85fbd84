/* SPDX-License-Identifier: MIT */
/* tests/mime/test_resent.c - ready messages sent on: RFC 5322 3.6.6 and A.3 */
#include "mime/support.h"

#define HELLO                                                                                          \
    "From: John Doe <jdoe@machine.example>\r\n"                                                        \
    "To: Mary Smith <mary@example.net>\r\n"                                                            \
    "Subject: Saying Hello\r\n"                                                                        \
    "Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n"                                                        \
    "Message-ID: <1234@local.machine.example>\r\n"                                                     \
    "\r\n"                                                                                             \
    "This is a message just to say hello.\r\n"                                                         \
    "So, \"Hello\".\r\n"

#define RESENT                                                                                         \
    "Resent-From: Mary Smith <mary@example.net>\r\n"                                                   \
    "Resent-To: Jane Brown <j-brown@other.example>\r\n"                                                \
    "Resent-Date: Mon, 24 Nov 1997 14:22:01 -0800\r\n"                                                 \
    "Resent-Message-ID: <78910@example.net>\r\n"

/* A.3 */
static const lw_resent mary = { .from = "Mary Smith <mary@example.net>",
                                .to = "Jane Brown <j-brown@other.example>",
                                .message_id = "<78910@example.net>",
                                .has_date = true, .date_s = 880410121, .zone_minutes = -480 };

/* who is in the envelope: "from: to to" */
static char *
send_on(lw_message *m, const lw_resent *how, char *envelope, size_t cap, lw_error *e)
{
    lw_render_opts o = test_opts(1);
    lw_rendering *r;
    char *all = NULL;
    size_t len, spans;
    lw_code rc;

    (void)lw_message_resent(m, how);
    if ((rc = lw_rendering_new(m, &o, &r, e)) < 0)
        return NULL;
    const lw_envelope *env = lw_rendering_envelope(r);
    snprintf(envelope, cap, "%s:", env->from);
    for (size_t i = 0; i < env->n_rcpts; i++)
        snprintf(envelope + strlen(envelope), cap - strlen(envelope), " %s", env->rcpts[i].address);
    all = test_pull_all(r, &len, &rc, &spans);
    assert_int_equal(rc, LW_DONE);
    assert_int_equal(len, lw_rendering_body(r)->size);
    lw_rendering_free(r);
    return all;
}

static void
test_resent__appendix_a3_octet_by_octet(void **state)
{
    static const char wanted[] = RESENT HELLO;
    char envelope[500];
    lw_error e;

    for (size_t chunk = 0; chunk < 40; chunk++) {
        lw_message *m = lw_message_new();
        test_source s;
        if (chunk == 0) {
            assert_int_equal(lw_message_raw_memory(m, HELLO, sizeof HELLO - 1), LW_OK);
        } else {
            lw_source source = test_source_of(&s, HELLO, sizeof HELLO - 1);
            s.chunk = chunk;
            assert_int_equal(lw_message_raw_source(m, source, "mail.eml"), LW_OK);
        }
        char *all = send_on(m, &mary, envelope, sizeof envelope, &e);
        assert_string_equal(all, wanted);
        assert_string_equal(envelope, "mary@example.net: j-brown@other.example");
        free(all);
        lw_message_free(m);
    }
}

/* "If Jane, in turn, wished to resend this message to another person, she would prepend her own set
 * of resent header fields to the above and send that." */
static void
test_resent__newest_block_stands_first(void **state)
{
    static const char before[] = "Received: from a by b; 21 Nov 1997 10:05:43 -0600\r\n" RESENT HELLO;
    lw_resent how = { .from = "j-brown@other.example", .sender = "\"J. B.\" <j-brown@other.example>",
                      .cc = "Zoë <z@example.org>", .bcc = "hidden@example.org" };
    lw_message *m = lw_message_new();
    char envelope[500], *all;
    lw_error e;

    assert_int_equal(lw_message_raw_memory(m, before, sizeof before - 1), LW_OK);
    all = send_on(m, &how, envelope, sizeof envelope, &e);
    assert_string_equal(envelope, "j-brown@other.example: z@example.org hidden@example.org");
    /* a sender who is from is not written */
    static const char block[] = "Resent-From: j-brown@other.example\r\n"
        "Resent-Cc: =?UTF-8?Q?Zo=C3=AB?= <z@example.org>\r\n"
        "Resent-Date: Tue, 14 Nov 2023 23:13:20 +0100\r\n"
        "Resent-Message-ID: <rsz82ttbzfhfpn7pqqfqr771gw@other.example>\r\n";
    assert_memory_equal(all, block, sizeof block - 1);
    assert_string_equal(all + sizeof block - 1, before);
    free(all);
    lw_message_free(m);
}

typedef struct case_of_envelope {
    const char *name;
    void (*set)(lw_message *);
    lw_resent how;
    const char *envelope, *holds;
} case_of_envelope;

static void
nothing(lw_message *m)
{
    (void)m;
}

static void
envelope_of_its_own(lw_message *m)
{
    assert_int_equal(lw_message_envelope_to(m, "x@example.org"), LW_OK);
    assert_int_equal(lw_message_envelope_from(m, ""), LW_OK);
}

static void
more_people(lw_message *m)
{
    assert_int_equal(lw_message_to(m, "more@example.org, j@example.org"), LW_OK);
    assert_int_equal(lw_message_from(m, "bounces@example.org"), LW_OK);
}

static void
other_from(lw_message *m)
{
    assert_int_equal(lw_message_raw_header(m, "From", "new@example.org"), LW_OK);
    assert_int_equal(lw_message_raw_header(m, "To", "new-to@example.org"), LW_OK);
}

static void
test_resent__envelope_of_who_sends_it_on(void **state)
{
    static const case_of_envelope rows[] = {
        { "sender goes before from", nothing,
          { .from = "a@example.org, b@example.org", .sender = "S <s@example.org>", .to = "j@example.org" },
          "s@example.org: j@example.org", "Resent-From: a@example.org, b@example.org\r\n"
          "Resent-Sender: S <s@example.org>\r\nResent-To: j@example.org\r\n" },
        { "hidden alone", nothing, { .from = "a@example.org", .bcc = "h@example.org, i@example.org" },
          "a@example.org: h@example.org i@example.org", "Resent-From: a@example.org\r\nResent-Date: " },
        { "the envelope's own", envelope_of_its_own, { .from = "a@example.org", .to = "j@example.org" },
          ": x@example.org", "Resent-To: j@example.org\r\n" },
        { "more recipients, each once", more_people, { .from = "a@example.org", .to = "j@example.org" },
          "bounces@example.org: more@example.org j@example.org", "Resent-To: j@example.org\r\n" },
        { "fields written anew are not its recipients", other_from,
          { .from = "a@example.org", .to = "j@example.org" }, "a@example.org: j@example.org",
          "From: new@example.org\r\nTo: new-to@example.org\r\n" },
        { "a group, flattened", nothing, { .from = "a@example.org", .to = "Pals: j@example.org, k@example.org;" },
          "a@example.org: j@example.org k@example.org", "Resent-To: j@example.org, k@example.org\r\n" },
    };
    char envelope[500];
    lw_error e;

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_message *m = lw_message_new();
        assert_int_equal(lw_message_raw_memory(m, HELLO, sizeof HELLO - 1), LW_OK);
        rows[i].set(m);
        char *all = send_on(m, &rows[i].how, envelope, sizeof envelope, &e);
        if (all == NULL)
            fail_msg("%s: %s", rows[i].name, e.text);
        if (strcmp(envelope, rows[i].envelope) != 0 || strstr(all, rows[i].holds) == NULL
            || strstr(all, "Resent-Bcc") != NULL || strstr(all, "h@example.org") != NULL)
            fail_msg("%s: %s\n%s", rows[i].name, envelope, all);
        free(all);
        lw_message_free(m);
    }
}

static void
test_resent__bad_input_said(void **state)
{
    static const struct {
        lw_resent how;
        lw_code code;
        const char *want;
    } rows[] = {
        { { .to = "a@b.de" }, LW_EUSAGE, "resent-from: NULL was given" },
        { { .from = "a@b.de" }, LW_EMESSAGE, "resent-to: no recipient was given" },
        { { .from = "a@b.de", .to = "" }, LW_EADDRESS, "resent-to: no address in \"\"" },
        { { .from = "a", .to = "c@d.de" }, LW_EADDRESS,
          "resent-from: member 1 \"a\" at column 1: there is no @ and no domain in it" },
        { { .from = "a@b.de", .to = "c@d.de, e" }, LW_EADDRESS,
          "resent-to: member 2 \"e\" at column 9: there is no @ and no domain in it" },
        { { .from = "a@b.de", .cc = "c@d.de\r\nBcc: x@y.de" }, LW_EADDRESS,
          "resent-cc: a line break is not allowed (header injection), at column 7" },
        { { .from = "a@b.de", .bcc = "c@" }, LW_EADDRESS,
          "resent-bcc: member 1 \"c@\" at column 3: nothing after the @" },
        { { .from = "a@b.de, c@d.de", .to = "e@f.de" }, LW_EADDRESS,
          "resent-from: more than one sends it on, so resent-sender has to name who does it" },
        { { .from = "a@b.de", .sender = "a@b.de, c@d.de", .to = "e@f.de" }, LW_EADDRESS,
          "resent-sender: one address is needed, more were given" },
        { { .from = "a@b.de", .to = "c@d.de", .message_id = "x" }, LW_EMESSAGE,
          "resent-message-id: \"x\" is not of the form <left@right>" },
        { { .from = "a@b.de", .to = "c@d.de", .message_id = "<a@b>\r\nX: y" }, LW_EMESSAGE, NULL },
        { { .from = "a@b.de", .to = "c@d.de", .has_date = true, .zone_minutes = 1440 }, LW_EMESSAGE,
          "resent-date: the year must be in 1900..9999 and the zone within a day" },
    };

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_message *m = lw_message_new();
        assert_int_equal(lw_message_resent(m, &rows[i].how), rows[i].code);
        if (rows[i].want != NULL)
            assert_string_equal(lw_message_error(m)->text, rows[i].want);
        lw_message_free(m);
    }
    lw_message *m = lw_message_new();
    assert_int_equal(lw_message_resent(m, &mary), LW_OK);
    assert_int_equal(lw_message_resent(m, &mary), LW_EUSAGE);
    assert_string_equal(lw_message_error(m)->text,
                        "resent: it is set already, and a message is sent on once at a time");
    lw_message_free(m);
}

static void
test_resent__of_a_composed_message_refused(void **state)
{
    lw_message *m = lw_message_new();
    char envelope[100];
    lw_error e;

    assert_int_equal(lw_message_from(m, "a@b.de"), LW_OK);
    assert_int_equal(lw_message_to(m, "c@d.de"), LW_OK);
    assert_int_equal(lw_message_text(m, "x"), LW_OK);
    assert_null(send_on(m, &mary, envelope, sizeof envelope, &e));
    assert_int_equal(e.code, LW_EUSAGE);
    assert_string_equal(e.text, "resent: there is no ready message to send on");
    lw_message_free(m);
}

/* addresses that are added to a ready message may make it need SMTPUTF8 */
static void
test_resent__need_of_smtputf8_known(void **state)
{
    lw_resent how = { .from = "a@b.de", .to = "c@d.de", .cc = "ü@d.de" };

    for (int with_change = 0; with_change < 2; with_change++) {
        lw_message *m = lw_message_new();
        lw_render_opts o = test_opts(1);
        lw_rendering *r;
        lw_error e, why;
        assert_int_equal(lw_message_raw_memory(m, HELLO, sizeof HELLO - 1), LW_OK);
        if (with_change)
            assert_int_equal(lw_message_raw_header(m, "Reply-To", "ü@d.de"), LW_OK);
        else
            assert_int_equal(lw_message_resent(m, &how), LW_OK);
        assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
        assert_true(lw_rendering_envelope(r)->needs_smtputf8);
        assert_int_equal(lw_rendering_envelope(r)->body_type, LW_BODY_8BITMIME);
        assert_true(lw_rendering_smtputf8(r, &why));
        assert_string_equal(why.text, with_change ? "Reply-To: \"ü@d.de\" is not ASCII before the @"
                            : "resent-cc: \"ü@d.de\" is not ASCII before the @");
        lw_rendering_free(r);
        lw_message_free(m);
    }
}

static void
test_resent__memory_runs_out_no_leak(void **state)
{
    lw_resent how = { .from = "A <a@b.de>, b@b.de", .sender = "s@b.de", .to = "c@d.de", .cc = "e@f.de",
                      .bcc = "g@h.de" };
    bool done = false;

    for (long n = 0; !done; n++) {
        lw_render_opts o = test_opts(1);
        lw_rendering *r = NULL;
        test_memory t;
        lw_error e;
        test_memory_init(&t, n);
        how.message_id = n % 2 == 0 ? NULL : "<a@b>";
        lw_message *m = lw_message_new_with(&t.alloc);
        (void)lw_message_raw_memory(m, HELLO, sizeof HELLO - 1);
        (void)lw_message_resent(m, &how);
        lw_code rc = lw_rendering_new(m, &o, &r, &e);
        assert_true(rc == LW_OK || rc == LW_ENOMEM);
        done = rc == LW_OK;
        lw_rendering_free(r);
        lw_message_free(m);
        assert_int_equal(t.n_out, 0);
        assert_true(n < 200);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resent__appendix_a3_octet_by_octet),
        cmocka_unit_test(test_resent__newest_block_stands_first),
        cmocka_unit_test(test_resent__envelope_of_who_sends_it_on),
        cmocka_unit_test(test_resent__bad_input_said),
        cmocka_unit_test(test_resent__of_a_composed_message_refused),
        cmocka_unit_test(test_resent__need_of_smtputf8_known),
        cmocka_unit_test(test_resent__memory_runs_out_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
