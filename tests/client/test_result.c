/* SPDX-License-Identifier: MIT */
/* test_result.c - the verdict on many outcomes: one word, an error, an exit code */
#include "support/test.h"

#include "client/client_int.h"

typedef struct row {
    const char *name;
    lw_outcome outcomes[3]; /* PENDING ends the list */
    lw_code error;          /* of the session, before the verdict */
    const char *word;
    lw_code code;
    int exit_code;
} row;

#define A LW_OUTCOME_ACCEPTED
#define R LW_OUTCOME_REJECTED
#define D LW_OUTCOME_DEFERRED
#define U LW_OUTCOME_UNSENT
#define Q LW_OUTCOME_UNCERTAIN

static const row rows[] = {
    { "all accepted", { A, A }, LW_OK, "accepted", LW_OK, 0 },
    { "accepted, then lost", { A }, LW_ELOST, "accepted", LW_OK, 0 },
    { "one rejected", { A, R }, LW_OK, "partial", LW_EREPLY, 69 },
    { "one deferred", { A, D, A }, LW_OK, "partial", LW_EREPLY, 69 },
    { "all rejected", { R, R }, LW_OK, "rejected", LW_EREPLY, 67 },
    { "the only one rejected", { R }, LW_OK, "rejected", LW_EREPLY, 67 },
    { "all deferred", { D, D }, LW_OK, "deferred", LW_EREPLY, 75 },
    { "deferred and rejected", { R, D }, LW_OK, "deferred", LW_EREPLY, 75 },
    { "uncertain", { Q }, LW_ELOST, "uncertain", LW_ELOST, 75 },
    { "uncertain after nonsense", { Q }, LW_EPROTO, "uncertain", LW_EPROTO, 75 },
    { "uncertain weighs most", { R, Q, U }, LW_ELOST, "uncertain", LW_ELOST, 75 },
    { "unsent: lost", { U, U }, LW_ELOST, "unsent", LW_ELOST, 75 },
    { "unsent: no such host", { U }, LW_EHOST, "unsent", LW_EHOST, 68 },
    { "unsent: refused connection", { U }, LW_ECONNECT, "unsent", LW_ECONNECT, 69 },
    { "unsent: TLS", { U }, LW_ETLS, "unsent", LW_ETLS, 77 },
    { "unsent: login", { U }, LW_EAUTH, "unsent", LW_EAUTH, 77 },
    { "unsent: protocol", { U }, LW_EPROTO, "unsent", LW_EPROTO, 76 },
    { "unsent: source", { U }, LW_ESOURCE, "unsent", LW_ESOURCE, 65 },
    { "unsent: capability", { U }, LW_ECAPABILITY, "unsent", LW_ECAPABILITY, 69 },
    { "unsent and rejected", { U, R }, LW_ELOST, "unsent", LW_ELOST, 75 },
    { "no recipients: bad address", { LW_OUTCOME_PENDING }, LW_EADDRESS, "unsent", LW_EADDRESS, 65 },
};

static lw_report *
make(const row *t)
{
    static const struct {
        int code;
        lw_enhanced enhanced;
    } replies[] = { [A] = { 250, { 2, 0, 0 } }, [R] = { 550, { 5, 1, 1 } },
                    [D] = { 451, { 4, 7, 1 } }, [U] = { 0, { 0, 0, 0 } },
                    [Q] = { 0, { 0, 0, 0 } } };
    lw_rcpt rcpts[3] = { { .address = "a@x.example" }, { .address = "b@x.example" },
                         { .address = "c@x.example" } };
    lw_envelope env = { .from = "", .rcpts = rcpts };
    lw_report *r;

    while (env.n_rcpts < 3 && t->outcomes[env.n_rcpts] != LW_OUTCOME_PENDING)
        env.n_rcpts++;
    r = lw_report_new(NULL, &env, 0);
    assert_non_null(r);
    for (size_t i = 0; i < env.n_rcpts; i++) {
        lw_outcome o = t->outcomes[i];
        lw_event ev = { .kind = LW_EVENT_RCPT, .rcpt = i, .outcome = o,
                        .stage = o == R || o == D ? LW_STAGE_RCPT : LW_STAGE_DATA,
                        .text = "lost",
                        .reply = { .code = replies[o].code, .enhanced = replies[o].enhanced,
                                   .text = LW_LIT("said so") } };
        lw_report_event(r, &ev, NULL);
    }
    if (t->error != LW_OK)
        lw_fail(&r->error, t->error, LW_STAGE_DATA, "what happened");
    lw_report_close(r, NULL, 0);
    return r;
}

static void
test_judge__outcomes_word_code_exit(void **state)
{
    (void)state;
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        const row *t = &rows[i];
        lw_report *r = make(t);

        if (strcmp(lw_report_outcome(r), t->word) != 0 || lw_report_error(r)->code != t->code ||
            lw_report_exit_code(r) != t->exit_code)
            fail_msg("%s: %s, %s, exit %d", t->name, lw_report_outcome(r),
                     lw_code_name(lw_report_error(r)->code), lw_report_exit_code(r));
        assert_true(strlen(lw_report_text(r)) > 0);
        lw_report_free(r);
    }
}

static void
test_judge__refusal_sentence_names_who_where_what(void **state)
{
    static const row t = { "", { A, R }, LW_OK, "", LW_OK, 0 };
    lw_report *r = make(&t);

    (void)state;
    assert_string_equal(lw_report_text(r),
                        "1 of 2 recipients failed; b@x.example was rejected by the server at "
                        "RCPT: 550 5.1.1 said so");
    assert_int_equal(lw_report_reply(r)->code, 250);
    lw_report_free(r);
}

static void
test_explain__foreign_speakers_are_named(void **state)
{
    static const struct {
        const char *first, *word;
    } t[] = { { "\x15\x03\x01\x00\x02\x02\x46", "smtps://" },
              { "HTTP/1.1 400", "HTTP" },
              { "SSH-2.0-x", "SSH" },
              { "* OK IMAP4", "IMAP" },
              { "+OK pop", "POP3" },
              { "what?", "is that a mail server?" } };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(t); i++) {
        lw_link l = { .n_first = strlen(t[i].first) < 8 ? strlen(t[i].first) : 8 };
        lw_error err;

        memcpy(l.first, t[i].first, l.n_first);
        lw_fail(&err, LW_EPROTO, LW_STAGE_GREETING, "garbage");
        lw_result_explain(&err, "mail.example.com port 25", &l);
        if (strstr(err.text, t[i].word) == NULL || strstr(err.text, "mail.example.com") == NULL)
            fail_msg("%s: %s", t[i].first, err.text);
        assert_int_equal(err.code, LW_EPROTO);
    }
}

/* what a report keeps of a reply of `at` octets "a", the text `middle`, and a thousand "b" */
static const char *
kept(lw_report **r, size_t at, const char *middle)
{
    static char said[4096];
    lw_rcpt rcpt = { .address = "a@x.example" };
    lw_envelope env = { .from = "", .rcpts = &rcpt, .n_rcpts = 1 };
    lw_event ev = { .kind = LW_EVENT_RCPT, .outcome = R, .stage = LW_STAGE_RCPT, .text = "" };

    memset(said, 'a', at);
    memcpy(said + at, middle, strlen(middle));
    memset(said + at + strlen(middle), 'b', 1000);
    ev.reply.code = 550;
    ev.reply.text = (lw_span){ said, at + strlen(middle) + 1000 };
    assert_non_null(*r = lw_report_new(NULL, &env, 0));
    lw_report_event(*r, &ev, NULL);
    return lw_report_result(*r, 0)->text;
}

/* 1,020 octets and " ..." */
static void
test_report__long_reply_is_cut_between_characters(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        const char *middle;
        size_t len;
    } cases[] = {
        { "as long as may be", 24, "", 1024 },   { "one octet longer", 25, "", 1024 },
        { "two octets, whole", 1018, "\xc3\xa9", 1024 },
        { "two octets, cut", 1019, "\xc3\xa9", 1023 },
        { "three octets, cut behind two", 1018, "\xe2\x82\xac", 1022 },
        { "four octets, cut behind three", 1017, "\xf0\x9f\x98\x80", 1021 },
        { "no UTF-8", 1015, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", 1024 },
    };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(cases); i++) {
        lw_report *r;
        const char *text = kept(&r, cases[i].at, cases[i].middle);
        bool is_cut = cases[i].at + strlen(cases[i].middle) + 1000 > 1024;

        if (strlen(text) != cases[i].len ||
            (strcmp(text + cases[i].len - 4, " ...") == 0) != is_cut)
            fail_msg("%s: %zu octets, end \"%s\"", cases[i].name, strlen(text),
                     text + strlen(text) - 8);
        lw_report_free(r);
    }
}

static void
test_report__null_is_harmless(void **state)
{
    (void)state;
    assert_string_equal(lw_report_text(NULL), "out of memory");
    assert_int_equal(lw_report_error(NULL)->code, LW_ENOMEM);
    assert_string_equal(lw_report_outcome(NULL), "unsent");
    assert_int_equal(lw_report_exit_code(NULL), 71);
    assert_int_equal(lw_report_n_results(NULL), 0);
    assert_null(lw_report_result(NULL, 0));
    assert_null(lw_report_reply(NULL));
    lw_report_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judge__outcomes_word_code_exit),
        cmocka_unit_test(test_judge__refusal_sentence_names_who_where_what),
        cmocka_unit_test(test_explain__foreign_speakers_are_named),
        cmocka_unit_test(test_report__long_reply_is_cut_between_characters),
        cmocka_unit_test(test_report__null_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
