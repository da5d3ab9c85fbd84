/* SPDX-License-Identifier: MIT */
/*
 * test_null.c - every public function is given NULL, and gives LW_EUSAGE, NULL, 0 or a static text
 *
 * One function a header.  The test check_null (tests/headers) holds that none is missing.
 */
#include "support/test.h"

#include <letterwing/bounce.h>
#include <letterwing/bulk.h>
#include <letterwing/dkim.h>
#include <letterwing/letterwing.h>
#include <letterwing/lint.h>
#include <letterwing/pool.h>
#include <letterwing/read.h>
#include <letterwing/secure.h>
#include <letterwing/sink.h>

#ifndef IS /* what a call gives */
#define IS(value, call) assert_int_equal(call, value)
#define NIL(call) assert_null(call)
#define TEXT(call) assert_non_null(call)
#define RUN(call) (void)(call)
#endif
#define USAGE(call) IS(LW_EUSAGE, call)
#define FAILS(call) IS(true, (call) < 0)

static const lw_span some = { "a", 1 }, broken = { NULL, 1 };

static void
test_base__null_is_fine(void **state)
{
    (void)state;
    TEXT(lw_version());
    TEXT(lw_code_name((lw_code)99));
    TEXT(lw_code_text((lw_code)99));
    TEXT(lw_stage_name((lw_stage)99));
    TEXT(lw_outcome_name((lw_outcome)99));
    RUN(lw_free(NULL));
}

static void
test_bounce__null_is_a_wrong_call(void **state)
{
    lw_bounce_opts o;
    lw_bounce *b = NULL;
    const lw_bounce_report *report;

    (void)state;
    lw_bounce_opts_init(&o);
    TEXT(lw_bounce_kind_name((lw_bounce_kind)99));
    TEXT(lw_bounce_action_name((lw_bounce_action)99));
    USAGE(lw_bounce_new(NULL, &b));
    USAGE(lw_bounce_new(&o, NULL));
    USAGE(lw_bounce_feed(NULL, "a", 1));
    USAGE(lw_bounce_end(NULL, &report));
    IS(LW_OK, lw_bounce_new(&o, &b));
    USAGE(lw_bounce_feed(b, NULL, 1));
    IS(LW_OK, lw_bounce_feed(b, NULL, 0));
    USAGE(lw_bounce_end(b, NULL));
    RUN(lw_bounce_free(b));
    RUN(lw_bounce_free(NULL));
}

static void
test_bulk__null_is_a_wrong_call(void **state)
{
    lw_template_opts o;
    lw_csv_opts c;
    lw_template *t = NULL;
    lw_csv *csv;
    lw_row row;
    lw_span out;
    size_t n;

    (void)state;
    lw_template_opts_init(&o);
    lw_csv_opts_init(&c);
    USAGE(lw_template_new(NULL, some, &t, NULL));
    USAGE(lw_template_new(&o, some, NULL, NULL));
    USAGE(lw_template_new(&o, broken, &t, NULL));
    IS(0, lw_template_n_fields(NULL));
    NIL(lw_template_field_at(NULL, 0));
    USAGE(lw_template_bind(NULL, NULL, 0, NULL));
    USAGE(lw_template_render(NULL, NULL, 0, &out, NULL));
    IS(LW_OK, lw_template_new(&o, some, &t, NULL));
    USAGE(lw_template_bind(t, NULL, 1, NULL));
    USAGE(lw_template_render(t, NULL, 1, &out, NULL));
    USAGE(lw_template_render(t, NULL, 0, NULL, NULL));
    RUN(lw_template_free(t));
    lw_seen *seen = lw_seen_new(NULL);
    bool was;
    USAGE(lw_seen_add(NULL, some, &was));
    RUN(lw_seen_has(NULL, some));
    RUN(lw_seen_free(seen));
    RUN(lw_seen_free(NULL));
    RUN(lw_template_free(NULL));
    USAGE(lw_csv_open(NULL, &csv, NULL));
    USAGE(lw_csv_open(&c, NULL, NULL));
    USAGE(lw_csv_open(&c, &csv, NULL));
    IS(true, lw_csv_rows(NULL).next(NULL, &row, NULL) == LW_EUSAGE);
    NIL(lw_csv_rows(NULL).columns(NULL, &n));
    RUN(lw_csv_close(NULL));
}

static void
test_mailing__null_is_a_wrong_call(void **state)
{
    static const char *const columns[] = { "email" };
    lw_mailing_opts o;
    lw_mailing *m = NULL;
    lw_message *message;
    lw_digest d;
    lw_row row = { .values = &some, .n = 1 };
    unsigned char id[16];

    (void)state;
    RUN(lw_digest_init(NULL));
    RUN(lw_digest_add(NULL, "a", 1));
    RUN(lw_digest_end(NULL, id));
    RUN(lw_digest_init(&d));
    RUN(lw_digest_add(&d, NULL, 1));
    RUN(lw_digest_end(&d, NULL));
    lw_mailing_opts_init(&o);
    USAGE(lw_mailing_new(NULL, columns, 1, &m, NULL));
    USAGE(lw_mailing_new(&o, columns, 1, &m, NULL));
    o.from = "a@b.test";
    o.text = "text";
    USAGE(lw_mailing_new(&o, NULL, 1, &m, NULL));
    USAGE(lw_mailing_new(&o, columns, 1, NULL, NULL));
    RUN(lw_mailing_identity(NULL, id));
    IS(0, lw_mailing_address(NULL, &row).len);
    USAGE(lw_mailing_compose(NULL, &row, &message, NULL));
    IS(LW_OK, lw_mailing_new(&o, columns, 1, &m, NULL));
    RUN(lw_mailing_identity(m, NULL));
    IS(0, lw_mailing_address(m, NULL).len);
    USAGE(lw_mailing_compose(m, NULL, &message, NULL));
    USAGE(lw_mailing_compose(m, &row, NULL, NULL));
    RUN(lw_mailing_free(m));
    RUN(lw_mailing_free(NULL));
}

static void
test_campaign__null_is_a_wrong_call(void **state)
{
    lw_campaign_opts o;
    lw_campaign *c;
    lw_tally *t = lw_tally_new(NULL);
    lw_tally_about about = { 0 };
    lw_row_event ev = { 0 };
    lw_tally_domain domains[1];
    lw_tally_refusal refusals[1];

    (void)state;
    lw_campaign_opts_init(&o);
    USAGE(lw_campaign_new(NULL, &c, NULL));
    USAGE(lw_campaign_new(&o, &c, NULL));
    USAGE(lw_campaign_new(&o, NULL, NULL));
    USAGE(lw_campaign_step(NULL, 0, NULL));
    RUN(lw_campaign_stop(NULL));
    IS(0, lw_campaign_count(NULL).rows);
    IS(LW_OK, lw_campaign_free(NULL, NULL));
    RUN(lw_tally_add(NULL, &ev, 0));
    RUN(lw_tally_add(t, NULL, 0));
    IS(0, lw_tally_domains(NULL, domains, 1));
    IS(0, lw_tally_domains(t, NULL, 1));
    IS(0, lw_tally_refusals(NULL, refusals, 1));
    IS(0, lw_tally_refusals(t, NULL, 1));
    IS(true, lw_tally_latency(NULL, 0.5) < 0);
    USAGE(lw_tally_page(NULL, &about, NULL, NULL));
    USAGE(lw_tally_page(t, NULL, NULL, NULL));
    USAGE(lw_tally_page(t, &about, NULL, NULL));
    RUN(lw_tally_free(t));
    RUN(lw_tally_free(NULL));
}

static void
test_dkim_keys__null_is_a_wrong_call(void **state)
{
    lw_dkim_key *key;
    char *text;

    (void)state;
    TEXT(lw_dkim_algorithm_name((lw_dkim_algorithm)99));
    TEXT(lw_dkim_status_name((lw_dkim_status)99));
    USAGE(lw_dkim_key_parse(NULL, some, NULL, NULL));
    USAGE(lw_dkim_key_parse(NULL, broken, &key, NULL));
    USAGE(lw_dkim_key_file(NULL, NULL, &key, NULL));
    USAGE(lw_dkim_key_file(NULL, "/dev/null", NULL, NULL));
    USAGE(lw_dkim_key_generate(NULL, LW_DKIM_ED25519, 0, NULL, NULL));
    USAGE(lw_dkim_key_callback(NULL, LW_DKIM_RSA, NULL, NULL, &key));
    USAGE(lw_dkim_key_callback(NULL, LW_DKIM_RSA, NULL, NULL, NULL));
    RUN(lw_dkim_key_free(NULL));
    RUN(lw_dkim_key_algorithm(NULL));
    IS(0, lw_dkim_key_bits(NULL));
    IS(false, lw_dkim_key_can_sign(NULL));
    TEXT(lw_dkim_key_advice(NULL));
    USAGE(lw_dkim_key_pem(NULL, &text));
    USAGE(lw_dkim_key_record(NULL, &text));
    IS(LW_OK, lw_dkim_key_generate(NULL, LW_DKIM_ED25519, 0, &key, NULL));
    USAGE(lw_dkim_key_pem(key, NULL));
    USAGE(lw_dkim_key_record(key, NULL));
    RUN(lw_dkim_key_free(key));
}

static void
test_dkim_signer__null_is_a_wrong_call(void **state)
{
    lw_dkim_signer *s = lw_dkim_signer_new(NULL);
    lw_dkim_signed *b;
    lw_dkim_opts o;
    lw_body body = { .next = NULL };
    lw_span fields;

    (void)state;
    lw_dkim_opts_init(&o);
    USAGE(lw_dkim_signer_add(NULL, &o, NULL));
    USAGE(lw_dkim_signer_add(s, NULL, NULL));
    USAGE(lw_dkim_signer_add(s, &o, NULL));
    USAGE(lw_dkim_sign_begin(NULL, 0, NULL));
    USAGE(lw_dkim_sign_feed(NULL, some, NULL));
    USAGE(lw_dkim_sign_feed(s, broken, NULL));
    USAGE(lw_dkim_sign_finish(NULL, &fields, NULL));
    USAGE(lw_dkim_sign_finish(s, NULL, NULL));
    USAGE(lw_dkim_sign_body(NULL, &body, 0, &b, NULL));
    USAGE(lw_dkim_sign_body(s, NULL, 0, &b, NULL));
    USAGE(lw_dkim_sign_body(s, &body, 0, &b, NULL));
    USAGE(lw_dkim_sign_body(s, &body, 0, NULL, NULL));
    NIL(lw_dkim_signed_body(NULL));
    IS(0, lw_dkim_signed_fields(NULL).len);
    USAGE(lw_dkim_signed_error(NULL)->code);
    RUN(lw_dkim_signed_free(NULL));
    RUN(lw_dkim_signer_free(s));
    RUN(lw_dkim_signer_free(NULL));
    TEXT(lw_dkim_header_names(0, NULL));
}

static void
test_dkim_verifier__null_is_a_wrong_call(void **state)
{
    lw_dkim_verifier *v = lw_dkim_verifier_new(NULL);
    lw_dkim_result result;

    (void)state;
    RUN(lw_dkim_verifier_reset(NULL));
    USAGE(lw_dkim_verifier_feed(NULL, some, NULL));
    USAGE(lw_dkim_verifier_feed(v, broken, NULL));
    USAGE(lw_dkim_verifier_end(NULL, NULL));
    IS(0, lw_dkim_verifier_n(NULL));
    NIL(lw_dkim_verifier_signature(NULL, 0));
    USAGE(lw_dkim_verifier_check(NULL, 0, LW_DKIM_NO_RECORD, some, -1, &result));
    USAGE(lw_dkim_verifier_check(v, 0, LW_DKIM_NO_RECORD, some, -1, NULL));
    RUN(lw_dkim_verifier_free(v));
    RUN(lw_dkim_verifier_free(NULL));
}

static void
test_lint__null_is_a_wrong_call(void **state)
{
    lw_lint_opts o;
    lw_lint *l = NULL;

    (void)state;
    lw_lint_opts_init(&o);
    TEXT(lw_lint_severity_name((lw_lint_severity)99));
    USAGE(lw_lint_new(NULL, &l));
    USAGE(lw_lint_new(&o, NULL));
    USAGE(lw_lint_feed(NULL, "a", 1));
    USAGE(lw_lint_end(NULL));
    NIL(lw_lint_finding_at(NULL, 0));
    IS(0, lw_lint_count(NULL, LW_LINT_ERROR));
    IS(LW_OK, lw_lint_new(&o, &l));
    USAGE(lw_lint_feed(l, NULL, 1));
    IS(0, lw_lint_count(l, (lw_lint_severity)99));
    RUN(lw_lint_free(l));
    RUN(lw_lint_free(NULL));
}

/* a setter keeps its failure: what follows it is LW_EUSAGE or the same again, never a crash */
static void
test_message__null_for_its_values_is_a_wrong_call(void **state)
{
    lw_message *m = lw_message_new_with(NULL);
    lw_source source = { 0 };

    (void)state;
    USAGE(lw_message_from(m, NULL));
    USAGE(lw_message_to(m, NULL));
    USAGE(lw_message_cc(m, NULL));
    USAGE(lw_message_bcc(m, NULL));
    USAGE(lw_message_reply_to(m, NULL));
    USAGE(lw_message_envelope_from(m, NULL));
    USAGE(lw_message_envelope_to(m, NULL));
    RUN(lw_message_needs_smtputf8(m, NULL));
    USAGE(lw_message_subject(m, NULL));
    USAGE(lw_message_text(m, NULL));
    USAGE(lw_message_html(m, NULL));
    USAGE(lw_message_markdown(m, NULL));
    USAGE(lw_message_amp(m, NULL));
    USAGE(lw_message_calendar(m, NULL));
    USAGE(lw_message_header(m, NULL, "a"));
    USAGE(lw_message_header(m, "a", NULL));
    USAGE(lw_message_sender(m, NULL));
    USAGE(lw_message_in_reply_to(m, NULL));
    USAGE(lw_message_references(m, NULL));
    USAGE(lw_message_priority(m, (lw_priority)99));
    USAGE(lw_message_auto_submitted(m, NULL));
    USAGE(lw_message_list_id(m, NULL));
    USAGE(lw_message_unsubscribe(m, NULL, NULL));
    USAGE(lw_message_feedback_id(m, NULL));
    USAGE(lw_message_id(m, NULL));
    USAGE(lw_message_attach_file(m, NULL));
    USAGE(lw_message_attach_file_as(m, NULL, NULL));
    USAGE(lw_message_attach_memory(m, NULL, 1, NULL));
    RUN(lw_message_attach_fd(m, -1, NULL)); /* found when it is read */
    USAGE(lw_message_attach_callback(m, NULL, NULL));
    USAGE(lw_message_attach_callback(m, &source, NULL));
    USAGE(lw_message_raw_callback(m, NULL));
    USAGE(lw_message_raw_callback(m, &source));
    USAGE(lw_message_raw_file(m, NULL));
    USAGE(lw_message_raw_memory(m, NULL, 1));
    RUN(lw_message_raw_fd(m, -1));
    USAGE(lw_message_raw_header(m, NULL, NULL));
    USAGE(lw_message_resent(m, NULL));
    USAGE(lw_message_resent(m, &(lw_resent){ .to = "a@b.test" }));
    IS(LW_OK, lw_message_dkim(m, NULL));
    IS(LW_OK, lw_message_secure(m, NULL));
    USAGE(lw_message_write(m, NULL, NULL, NULL));
    USAGE(lw_message_error(m)->code);
    RUN(lw_message_free(m));
}

static void
test_message__null_message_is_one_that_could_not_be_made(void **state)
{
    lw_source source = { 0 };

    (void)state;
    IS(LW_ENOMEM, lw_message_error(NULL)->code);
    IS(LW_ENOMEM, lw_message_from(NULL, "a@b.test"));
    IS(LW_ENOMEM, lw_message_to(NULL, "a@b.test"));
    IS(LW_ENOMEM, lw_message_cc(NULL, "a@b.test"));
    IS(LW_ENOMEM, lw_message_bcc(NULL, "a@b.test"));
    IS(LW_ENOMEM, lw_message_reply_to(NULL, "a@b.test"));
    IS(LW_ENOMEM, lw_message_envelope_from(NULL, "a@b.test"));
    IS(LW_ENOMEM, lw_message_envelope_to(NULL, "a@b.test"));
    IS(false, lw_message_needs_smtputf8(NULL, NULL));
    IS(LW_ENOMEM, lw_message_subject(NULL, "a"));
    IS(LW_ENOMEM, lw_message_text(NULL, "a"));
    IS(LW_ENOMEM, lw_message_html(NULL, "a"));
    IS(LW_ENOMEM, lw_message_auto_text(NULL, true));
    IS(LW_ENOMEM, lw_message_flowed(NULL, true));
    IS(LW_ENOMEM, lw_message_markdown(NULL, "a"));
    IS(LW_ENOMEM, lw_message_amp(NULL, "a"));
    IS(LW_ENOMEM, lw_message_calendar(NULL, "a"));
    IS(LW_ENOMEM, lw_message_only_7bit(NULL, true));
    IS(LW_ENOMEM, lw_message_header(NULL, "a", "a"));
    IS(LW_ENOMEM, lw_message_sender(NULL, "a@b.test"));
    IS(LW_ENOMEM, lw_message_in_reply_to(NULL, "<a@b.test>"));
    IS(LW_ENOMEM, lw_message_references(NULL, "<a@b.test>"));
    IS(LW_ENOMEM, lw_message_priority(NULL, LW_PRIORITY_HIGH));
    IS(LW_ENOMEM, lw_message_auto_submitted(NULL, "no"));
    IS(LW_ENOMEM, lw_message_list_id(NULL, "<a.test>"));
    IS(LW_ENOMEM, lw_message_unsubscribe(NULL, "https://a.test/", NULL));
    IS(LW_ENOMEM, lw_message_feedback_id(NULL, "a"));
    IS(LW_ENOMEM, lw_message_date(NULL, 0, 0));
    IS(LW_ENOMEM, lw_message_id(NULL, "<a@b.test>"));
    FAILS(lw_message_attach_file(NULL, "a"));
    FAILS(lw_message_attach_file_as(NULL, "a", NULL));
    IS(LW_ENOMEM, lw_message_attach_memory(NULL, "a", 1, NULL));
    FAILS(lw_message_attach_fd(NULL, 0, NULL));
    IS(LW_ENOMEM, lw_message_attach_callback(NULL, &source, NULL));
    IS(LW_ENOMEM, lw_message_raw_callback(NULL, &source));
    FAILS(lw_message_raw_file(NULL, "a"));
    IS(LW_ENOMEM, lw_message_raw_memory(NULL, "a", 1));
    FAILS(lw_message_raw_fd(NULL, 0));
    IS(LW_ENOMEM, lw_message_raw_header(NULL, "a", "a"));
    IS(LW_ENOMEM, lw_message_resent(NULL, NULL));
    IS(LW_ENOMEM, lw_message_dkim(NULL, NULL));
    IS(LW_ENOMEM, lw_message_secure(NULL, NULL));
    IS(LW_ENOMEM, lw_message_write(NULL, NULL, NULL, NULL));
    RUN(lw_message_free(NULL));
    RUN(lw_message_free(lw_message_new()));
}

static void
test_addresses__null_is_a_wrong_call(void **state)
{
    char *text;

    (void)state;
    USAGE(lw_addresses_complete(some, NULL, &text, NULL));
    USAGE(lw_addresses_complete(some, "b.test", NULL, NULL));
    USAGE(lw_addresses_complete(broken, "b.test", &text, NULL));
}

static void
test_pool__null_is_a_wrong_call(void **state)
{
    const char *const url = "smtp://127.0.0.1:1";
    lw_send_opts send;
    lw_pool_opts o;
    lw_pool *p = NULL;
    lw_completion c;
    lw_job job;
    lw_pool_stats stats;

    (void)state;
    lw_send_opts_init(&send);
    lw_pool_opts_init(&o);
    lw_job_init(&job);
    USAGE(lw_pool_open(NULL, &p, NULL));
    USAGE(lw_pool_open(&o, NULL, NULL));
    USAGE(lw_pool_open(&o, &p, NULL));
    send.n_servers = 1;
    o.send = &send;
    USAGE(lw_pool_open(&o, &p, NULL));
    RUN(lw_pool_stop(NULL));
    RUN(lw_pool_finish(NULL));
    USAGE(lw_pool_drain(NULL));
    USAGE(lw_pool_submit(NULL, &job, NULL, NULL));
    USAGE(lw_pool_submit_wait(NULL, &job, NULL, NULL));
    USAGE(lw_pool_next(NULL, 0, &c));
    USAGE(lw_pool_cancel(NULL, 1));
    RUN(lw_pool_stats_get(NULL, &stats));
    RUN(lw_pool_close(NULL));
    send.servers = &url;
    IS(LW_OK, lw_pool_open(&o, &p, NULL));
    USAGE(lw_pool_submit(p, NULL, NULL, NULL));
    USAGE(lw_pool_submit(p, &job, NULL, NULL));
    USAGE(lw_pool_submit_wait(p, NULL, NULL, NULL));
    USAGE(lw_pool_next(p, 0, NULL));
    RUN(lw_pool_stats_get(p, NULL));
    RUN(lw_pool_close(p));
}

static void
test_read__null_is_a_wrong_call(void **state)
{
    lw_reader_opts o;
    lw_reader *r = NULL;
    lw_read_event ev;
    size_t used = 1;
    char *text;

    (void)state;
    lw_reader_opts_init(&o);
    TEXT(lw_defect_id((lw_defect)99));
    TEXT(lw_defect_text((lw_defect)99));
    USAGE(lw_reader_new(NULL, &r));
    USAGE(lw_reader_new(&o, NULL));
    USAGE(lw_reader_feed(NULL, "a", 1, &used));
    RUN(lw_reader_eof(NULL));
    USAGE(lw_reader_next(NULL, &ev));
    NIL(lw_reader_counts(NULL));
    USAGE(lw_reader_error(NULL)->code);
    IS(LW_OK, lw_reader_new(&o, &r));
    USAGE(lw_reader_feed(r, NULL, 1, &used));
    USAGE(lw_reader_feed(r, "a", 1, NULL));
    USAGE(lw_reader_next(r, NULL));
    RUN(lw_reader_free(r));
    RUN(lw_reader_free(NULL));
    USAGE(lw_header_text(some, NULL, NULL));
    USAGE(lw_header_text(broken, NULL, &text));
    USAGE(lw_header_param(some, NULL, NULL, &text));
    USAGE(lw_header_param(some, "a", NULL, NULL));
    USAGE(lw_header_param(broken, "a", NULL, &text));
}

static void
test_report__null_is_one_without_memory(void **state)
{
    (void)state;
    TEXT(lw_report_outcome(NULL));
    IS(LW_ENOMEM, lw_report_error(NULL)->code);
    TEXT(lw_report_text(NULL));
    IS(0, lw_report_n_results(NULL));
    NIL(lw_report_result(NULL, 0));
    NIL(lw_report_reply(NULL));
    NIL(lw_report_server(NULL));
    TEXT(lw_report_message_id(NULL));
    IS(0, lw_report_size(NULL));
    IS(LW_BODY_7BIT, lw_report_body_type(NULL));
    IS(0, lw_report_flights(NULL));
    IS(0, (int)lw_report_seconds(NULL));
    IS(71, lw_report_exit_code(NULL)); /* EX_OSERR */
    IS(70, lw_exit_code(NULL));        /* EX_SOFTWARE */
    IS(0, lw_report_n_notes(NULL));
    NIL(lw_report_note(NULL, 0));
    RUN(lw_report_free(NULL));
}

static void
test_send__null_is_a_wrong_call(void **state)
{
    lw_message *m = lw_message_new();
    lw_send_opts o;
    lw_session *s;
    lw_probe *p = NULL;
    lw_probe_opts look;
    lw_report *r = NULL;

    (void)state;
    lw_send_opts_init(&o);
    lw_probe_opts_init(&look);
    RUN(lw_cancel_now(NULL));
    RUN(lw_cancel_free(NULL));
    RUN(lw_cancel_free(lw_cancel_new()));
    FAILS(lw_send(NULL, m, NULL)); /* of two failures, the message's is told */
    IS(LW_ENOMEM, lw_send("smtp://127.0.0.1:1", NULL, NULL));
    USAGE(lw_send_with(NULL, m, &r));
    NIL(r);
    o.n_servers = 1;
    FAILS(lw_send_with(&o, m, NULL));
    USAGE(lw_session_open(&o, &s, NULL));
    USAGE(lw_session_open(&o, NULL, NULL));
    USAGE(lw_session_open(NULL, &s, NULL));
    USAGE(lw_session_send(NULL, m, NULL));
    USAGE(lw_session_send_raw(NULL, NULL, NULL, NULL));
    NIL(lw_session_server(NULL));
    RUN(lw_session_close(NULL));
    USAGE(lw_probe_run(NULL, &p));
    USAGE(lw_probe_run(&look, NULL));
    USAGE(lw_probe_run(&look, &p)); /* no options for sending */
    RUN(lw_probe_free(p));
    RUN(lw_free(lw_sendmail(NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL)));
    RUN(lw_message_free(m));
}

static void
test_talk__null_is_a_wrong_call(void **state)
{
    lw_send_opts o;
    lw_talk *t;
    lw_talk_reply reply;
    bool has_reply;

    (void)state;
    lw_send_opts_init(&o);
    USAGE(lw_talk_open(NULL, &t, NULL));
    USAGE(lw_talk_open(&o, NULL, NULL));
    USAGE(lw_talk_open_bare(NULL, &t, NULL));
    USAGE(lw_talk_open_bare(&o, NULL, NULL));
    USAGE(lw_talk_say(NULL, some, &has_reply, &reply, NULL));
    USAGE(lw_talk_more(NULL, &reply, NULL));
    NIL(lw_talk_server(NULL));
    RUN(lw_talk_close(NULL));
}

static void
test_secure__null_is_a_wrong_call(void **state)
{
    lw_secure *s = lw_secure_new(NULL);
    lw_secured *b;
    lw_body body = { .next = NULL };
    lw_envelope env = { .from = NULL };

    (void)state;
    FAILS(lw_secure_temp_dir(NULL, "/tmp", NULL));
    FAILS(lw_secure_temp_dir(s, NULL, NULL));
    FAILS(lw_secure_smime_sign(NULL, some, some, NULL));
    FAILS(lw_secure_smime_sign(s, broken, broken, NULL));
    FAILS(lw_secure_smime_sign_file(NULL, "/dev/null", NULL, NULL));
    FAILS(lw_secure_smime_sign_file(s, NULL, NULL, NULL));
    FAILS(lw_secure_smime_cert(NULL, some, NULL));
    FAILS(lw_secure_smime_cert(s, broken, NULL));
    FAILS(lw_secure_smime_cert_file(NULL, "/dev/null", NULL));
    FAILS(lw_secure_smime_cert_file(s, NULL, NULL));
    FAILS(lw_secure_smime_encrypt(NULL, LW_SMIME_AES_256_CBC, NULL));
    FAILS(lw_secure_pgp_sign(NULL, NULL, NULL));
    FAILS(lw_secure_pgp_encrypt(NULL, NULL));
    FAILS(lw_secure_pgp_home(NULL, "/tmp", NULL));
    FAILS(lw_secure_body(NULL, &body, &env, 0, &b, NULL));
    FAILS(lw_secure_body(s, NULL, &env, 0, &b, NULL));
    FAILS(lw_secure_body(s, &body, NULL, 0, &b, NULL));
    FAILS(lw_secure_body(s, &body, &env, 0, NULL, NULL));
    NIL(lw_secured_body(NULL));
    FAILS(lw_secured_error(NULL)->code);
    RUN(lw_secured_free(NULL));
    RUN(lw_secure_free(s));
    RUN(lw_secure_free(NULL));
}

static void
test_server__null_is_a_wrong_call(void **state)
{
    lw_smtp_server_opts o;
    lw_smtp_server *e = NULL;
    lw_server_event ev;
    lw_slice v[1];
    size_t used = 0;

    (void)state;
    lw_smtp_server_opts_init(&o);
    USAGE(lw_smtp_server_new(NULL, 0, &e));
    USAGE(lw_smtp_server_new(&o, 0, NULL));
    IS(0, lw_smtp_server_want(NULL));
    IS(0, lw_smtp_server_out(NULL, v, 1));
    RUN(lw_smtp_server_sent(NULL, 1));
    USAGE(lw_smtp_server_feed(NULL, "a", 1, &used));
    USAGE(lw_smtp_server_eof(NULL));
    USAGE(lw_smtp_server_next(NULL, &ev));
    USAGE(lw_smtp_server_reply(NULL, 250, NULL, "ok"));
    USAGE(lw_smtp_server_accept(NULL));
    USAGE(lw_smtp_server_challenge(NULL, some));
    USAGE(lw_smtp_server_tls_done(NULL));
    RUN(lw_smtp_server_close(NULL, "bye"));
    IS(-1, (int64_t)lw_smtp_server_deadline(NULL));
    USAGE(lw_smtp_server_tick(NULL, 0));
    IS(LW_OK, lw_smtp_server_new(&o, 0, &e));
    IS(0, lw_smtp_server_out(e, NULL, 1));
    USAGE(lw_smtp_server_feed(e, NULL, 1, &used));
    USAGE(lw_smtp_server_feed(e, "a", 1, NULL));
    USAGE(lw_smtp_server_next(e, NULL));
    USAGE(lw_smtp_server_reply(e, 220, NULL, NULL));
    USAGE(lw_smtp_server_challenge(e, broken));
    RUN(lw_smtp_server_close(e, NULL));
    RUN(lw_smtp_server_free(e));
    RUN(lw_smtp_server_free(NULL));
}

static void
test_sink__null_is_a_wrong_call(void **state)
{
    lw_sink_opts o;
    lw_sink *s;
    lw_captured empty = { 0 };

    (void)state;
    lw_sink_opts_init(&o);
    NIL(lw_captured_json(NULL));
    RUN(lw_free(lw_captured_json(&empty)));
    empty.n_rcpts = 1;
    NIL(lw_captured_json(&empty));
    USAGE(lw_sink_open(NULL, &s, NULL));
    USAGE(lw_sink_open(&o, NULL, NULL));
    IS(0, lw_sink_port(NULL));
    TEXT(lw_sink_address(NULL));
    NIL(lw_sink_certificate(NULL));
    USAGE(lw_sink_run(NULL));
    USAGE(lw_sink_start(NULL));
    RUN(lw_sink_stop(NULL));
    RUN(lw_sink_finish(NULL));
    RUN(lw_sink_free(NULL));
}

static lw_code
no_octets(void *ctx, lw_span *span)
{
    (void)ctx;
    *span = LW_NO_SPAN;
    return LW_DONE;
}

static void
test_smtp__null_is_a_wrong_call(void **state)
{
    lw_smtp_opts o;
    lw_smtp *e = NULL;
    lw_event ev;
    lw_slice v[1];
    size_t used = 0;
    lw_rcpt rcpt = { .address = NULL };
    lw_envelope env = { .from = "", .n_rcpts = 1 };
    lw_body body = { .next = no_octets };

    (void)state;
    lw_smtp_opts_init(&o);
    USAGE(lw_smtp_new(NULL, 0, &e));
    USAGE(lw_smtp_new(&o, 0, NULL));
    IS(0, lw_smtp_want(NULL));
    IS(0, lw_smtp_out(NULL, v, 1));
    RUN(lw_smtp_sent(NULL, 1));
    USAGE(lw_smtp_feed(NULL, "a", 1, &used));
    USAGE(lw_smtp_eof(NULL));
    RUN(lw_smtp_fail(NULL, LW_ELOST, "a"));
    IS(-1, (int64_t)lw_smtp_deadline(NULL));
    USAGE(lw_smtp_tick(NULL, 0));
    RUN(lw_smtp_set_now(NULL, 0));
    USAGE(lw_smtp_next(NULL, &ev));
    NIL(lw_smtp_capabilities(NULL));
    IS(0, lw_smtp_flights(NULL));
    IS(LW_PIPELINING_UNTRIED, lw_smtp_pipelining(NULL));
    TEXT(lw_smtp_state_name(NULL));
    USAGE(lw_smtp_starttls(NULL));
    USAGE(lw_smtp_tls_done(NULL));
    USAGE(lw_smtp_auth(NULL, "PLAIN", some));
    USAGE(lw_smtp_auth_answer(NULL, some));
    USAGE(lw_smtp_auth_cancel(NULL));
    USAGE(lw_smtp_submit(NULL, &env, &body, NULL));
    IS(0, lw_smtp_room(NULL));
    USAGE(lw_smtp_command(NULL, some, 1, NULL));
    assert_int_equal(lw_smtp_shown((lw_span){ NULL, 0 }), 0);
    USAGE(lw_smtp_quit(NULL));
    USAGE(lw_smtp_error(NULL)->code);
    IS(LW_OK, lw_smtp_new(&o, 0, &e));
    IS(0, lw_smtp_out(e, NULL, 1));
    USAGE(lw_smtp_feed(e, NULL, 1, &used));
    USAGE(lw_smtp_feed(e, "a", 1, NULL));
    USAGE(lw_smtp_next(e, NULL));
    USAGE(lw_smtp_submit(e, NULL, &body, NULL));
    USAGE(lw_smtp_submit(e, &env, NULL, NULL));
    USAGE(lw_smtp_submit(e, &env, &body, NULL)); /* no array of recipients */
    env.rcpts = &rcpt;
    USAGE(lw_smtp_submit(e, &env, &body, NULL)); /* no address */
    rcpt.address = "a@b.test";
    env.from = NULL;
    USAGE(lw_smtp_submit(e, &env, &body, NULL));
    USAGE(lw_smtp_auth(e, NULL, some));
    USAGE(lw_smtp_command(e, broken, 1, NULL));
    RUN(lw_smtp_fail(e, LW_ELOST, NULL));
    RUN(lw_smtp_free(e));
    RUN(lw_smtp_free(NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base__null_is_fine),
        cmocka_unit_test(test_bounce__null_is_a_wrong_call),
        cmocka_unit_test(test_bulk__null_is_a_wrong_call),
        cmocka_unit_test(test_mailing__null_is_a_wrong_call),
        cmocka_unit_test(test_campaign__null_is_a_wrong_call),
        cmocka_unit_test(test_dkim_keys__null_is_a_wrong_call),
        cmocka_unit_test(test_dkim_signer__null_is_a_wrong_call),
        cmocka_unit_test(test_dkim_verifier__null_is_a_wrong_call),
        cmocka_unit_test(test_lint__null_is_a_wrong_call),
        cmocka_unit_test(test_message__null_for_its_values_is_a_wrong_call),
        cmocka_unit_test(test_message__null_message_is_one_that_could_not_be_made),
        cmocka_unit_test(test_addresses__null_is_a_wrong_call),
        cmocka_unit_test(test_pool__null_is_a_wrong_call),
        cmocka_unit_test(test_read__null_is_a_wrong_call),
        cmocka_unit_test(test_report__null_is_one_without_memory),
        cmocka_unit_test(test_send__null_is_a_wrong_call),
        cmocka_unit_test(test_talk__null_is_a_wrong_call),
        cmocka_unit_test(test_secure__null_is_a_wrong_call),
        cmocka_unit_test(test_server__null_is_a_wrong_call),
        cmocka_unit_test(test_sink__null_is_a_wrong_call),
        cmocka_unit_test(test_smtp__null_is_a_wrong_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
