/* SPDX-License-Identifier: MIT */
/* tests/mime/test_bounce.c - reports of RFC 3464, 6533, 8098, 5965 and of the world */
#include "mime/read_int.h"
#include "mime/support.h"

#include "support/guard.h"

#include <letterwing/bounce.h>

static void
value(lw_buf *out, const char *name, lw_bounce_value v)
{
    if (v.text != NULL)
        lw_buf_add_fmt(out, " %s=%s;%s", name, v.type, v.text);
}

static void
text(lw_buf *out, const char *name, const char *s)
{
    if (s != NULL)
        lw_buf_add_fmt(out, " %s=%s", name, s);
}

static void
status(lw_buf *out, const char *name, lw_enhanced e)
{
    if (e.klass != 0)
        lw_buf_add_fmt(out, " %s=%u.%u.%u", name, e.klass, e.subject, e.detail);
}

/* the report in one line, a line a recipient */
static void
tell(lw_buf *out, const lw_bounce_report *r)
{
    lw_buf_add_fmt(out, "%s%s", lw_bounce_kind_name(r->kind), r->is_utf8 ? " utf8" : "");
    text(out, "envid", r->envelope_id);
    value(out, "mta", r->reporting_mta);
    value(out, "gateway", r->dsn_gateway);
    value(out, "received", r->received_from_mta);
    text(out, "arrival", r->arrival_date);
    text(out, "ua", r->reporting_ua);
    text(out, "disposition", r->disposition);
    text(out, "feedback", r->feedback_type);
    text(out, "ip", r->source_ip);
    text(out, "id", r->message_id);
    text(out, "from", r->from);
    text(out, "to", r->to);
    text(out, "subject", r->subject);
    lw_buf_add_str(out, "\n");
    for (size_t i = 0; i < r->n_rcpts; i++) {
        const lw_bounce_rcpt *p = &r->rcpts[i];
        lw_buf_add_fmt(out, "- %s", lw_bounce_action_name(p->action));
        status(out, "status", p->status);
        value(out, "original", p->original);
        value(out, "final", p->final_rcpt);
        value(out, "mta", p->remote_mta);
        value(out, "diagnostic", p->diagnostic);
        if (p->reply_code != 0)
            lw_buf_add_fmt(out, " reply=%d", p->reply_code);
        status(out, "enhanced", p->reply_enhanced);
        text(out, "attempt", p->last_attempt);
        text(out, "retry", p->will_retry_until);
        text(out, "log", p->final_log_id);
        lw_buf_add_str(out, "\n");
    }
}

static lw_code
parse(const lw_bounce_opts *o, lw_span in, size_t piece, lw_buf *out)
{
    const lw_bounce_report *report = NULL;
    lw_bounce *b;
    lw_code rc = lw_bounce_new(o, &b);

    for (size_t at = 0; rc >= 0 && at < in.len; at += piece)
        rc = lw_bounce_feed(b, in.ptr + at, in.len - at < piece ? in.len - at : piece);
    if (b != NULL) {
        lw_code rc2 = lw_bounce_end(b, &report);
        assert_true(rc >= 0 || rc2 == rc);
        rc = rc2;
    }
    assert_int_equal(rc == LW_OK, report != NULL);
    if (report != NULL)
        tell(out, report);
    lw_bounce_free(b);
    return rc;
}

#define HEAD(type) "From: <MAILER-DAEMON@cs.utk.edu>\r\nSubject: Returned mail\r\n" \
    "Content-Type: multipart/report; report-type=" type ";\r\n    boundary=\"B/x\"\r\n\r\n"
#define HUMAN "--B/x\r\n\r\nThe original message was received\r\n\r\n"
#define STATUS "--B/x\r\ncontent-type: message/delivery-status\r\n\r\n"
#define ORIGINAL "--B/x\r\ncontent-type: message/rfc822\r\n\r\nMessage-ID: <1@a>\r\n" \
    "Subject: =?utf-8?q?gr=C3=BC?=\r\nFrom: Ann <ann@a>\r\nTo: bob@b\r\n\r\nX: y\r\nMessage-ID: <2@a>\r\n"
#define TAIL "--B/x--\r\n"

static const struct {
    const char *name, *in, *want;
} reports[] = {
    /* RFC 3464 appendix E */
    { "simple DSN", HEAD("delivery-status") HUMAN STATUS
      "Reporting-MTA: dns; cs.utk.edu\r\n\r\n"
      "Original-Recipient: rfc822;louisl@larry.slip.umd.edu\r\n"
      "Final-Recipient: rfc822;louisl@larry.slip.umd.edu\r\nAction: failed\r\nStatus: 4.0.0\r\n"
      "Diagnostic-Code: smtp; 426 connection timed out\r\n"
      "Last-Attempt-Date: Thu, 7 Jul 1994 17:15:49 -0400\r\n\r\n"
      "--B/x\r\ncontent-type: message/rfc822\r\n\r\n[original message goes here]\r\n\r\n" TAIL,
      "delivery mta=dns;cs.utk.edu\n"
      "- failed status=4.0.0 original=rfc822;louisl@larry.slip.umd.edu "
      "final=rfc822;louisl@larry.slip.umd.edu diagnostic=smtp;426 connection timed out reply=426 "
      "attempt=Thu, 7 Jul 1994 17:15:49 -0400\n" },
    { "multi-recipient DSN", HEAD("delivery-status") HUMAN STATUS
      "Reporting-MTA: dns; cs.utk.edu\r\n\r\n"
      "Original-Recipient: rfc822;arathib@vnet.ibm.com\r\nFinal-Recipient: rfc822;arathib@vnet.ibm.com\r\n"
      "Action: failed\r\nStatus: 5.0.0 (permanent failure)\r\n"
      "Diagnostic-Code: smtp;  550 'arathib@vnet.IBM.COM' is not a\r\n registered gateway user\r\n"
      "Remote-MTA: dns; vnet.ibm.com\r\n\r\n"
      "Original-Recipient: rfc822;johnh@hpnjld.njd.hp.com\r\n"
      "Final-Recipient: rfc822;johnh@hpnjld.njd.hp.com\r\nAction: delayed\r\n"
      "Status: 4.0.0 (hpnjld.njd.jp.com: host name lookup failure)\r\n\r\n"
      "Original-Recipient: rfc822;wsnell@sdcc13.ucsd.edu\r\n"
      "Final-Recipient: rfc822;wsnell@sdcc13.ucsd.edu\r\nAction: failed\r\nStatus: 5.0.0\r\n"
      "Diagnostic-Code: smtp; 550 user unknown\r\nRemote-MTA: dns; sdcc13.ucsd.edu\r\n\r\n"
      "--B/x\r\ncontent-type: message/rfc822\r\n\r\n[original message goes here]\r\n\r\n" TAIL,
      "delivery mta=dns;cs.utk.edu\n"
      "- failed status=5.0.0 original=rfc822;arathib@vnet.ibm.com final=rfc822;arathib@vnet.ibm.com "
      "mta=dns;vnet.ibm.com diagnostic=smtp;550 'arathib@vnet.IBM.COM' is not a registered gateway user "
      "reply=550\n"
      "- delayed status=4.0.0 original=rfc822;johnh@hpnjld.njd.hp.com "
      "final=rfc822;johnh@hpnjld.njd.hp.com\n"
      "- failed status=5.0.0 original=rfc822;wsnell@sdcc13.ucsd.edu "
      "final=rfc822;wsnell@sdcc13.ucsd.edu mta=dns;sdcc13.ucsd.edu diagnostic=smtp;550 user unknown "
      "reply=550\n" },
    { "DSN from a gateway", HEAD("delivery-status") HUMAN STATUS
      "Reporting-MTA: mailbus; SYS30\r\n\r\nFinal-Recipient: unknown; nair_s\r\n"
      "Status: 5.0.0 (unknown permanent failure)\r\nAction: failed\r\n\r\n" TAIL,
      "delivery mta=mailbus;SYS30\n- failed status=5.0.0 final=unknown;nair_s\n" },
    { "delayed DSN", HEAD("delivery-status") HUMAN STATUS
      "Reporting-MTA: dns; sun2.nsfnet-relay.ac.uk\r\n\r\n"
      "Final-Recipient: rfc822;thomas@de-montfort.ac.uk\r\n"
      "Status: 4.0.0 (unknown temporary failure)\r\nAction: delayed\r\n\r\n" TAIL,
      "delivery mta=dns;sun2.nsfnet-relay.ac.uk\n"
      "- delayed status=4.0.0 final=rfc822;thomas@de-montfort.ac.uk\n" },
    /* every field; the header that came back */
    { "all fields", HEAD("delivery-status") HUMAN STATUS
      "Original-Envelope-Id: QQ314159\r\nReporting-MTA: dns; a (comment)\r\nDSN-Gateway: dns; g\r\n"
      "Received-From-MTA: dns; r ([192.0.2.1])\r\nArrival-Date: Thu, 7 Jul 1994 17:15:49 -0400\r\n"
      "X-Postfix-Queue-ID: 4XyZ\r\n\r\n"
      "Final-Recipient: RFC822; <bob@b>\r\nOriginal-Recipient: rfc822;b2@b\r\nAction: FAILED (x)\r\n"
      "Status: 5.1.1\r\nRemote-MTA: dns; mx.b\r\nDiagnostic-Code: smtp; 550-5.1.1 no\r\n such user\r\n"
      "Will-Retry-Until: x\r\nFinal-Log-ID: 12 34\r\n\r\n" ORIGINAL TAIL,
      "delivery envid=QQ314159 mta=dns;a (comment) gateway=dns;g received=dns;r ([192.0.2.1]) "
      "arrival=Thu, 7 Jul 1994 17:15:49 -0400 id=<1@a> from=Ann <ann@a> to=bob@b subject=gr\xc3\xbc\n"
      "- failed status=5.1.1 original=rfc822;b2@b final=rfc822;bob@b mta=dns;mx.b "
      "diagnostic=smtp;550-5.1.1 no such user reply=550 enhanced=5.1.1 retry=x log=12 34\n" },
    { "base64, headers only, in another order", HEAD("delivery-status")
      "--B/x\r\ncontent-type: text/rfc822-headers\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
      "Message-ID:=20<1@a>\r\n"
      "--B/x\r\ncontent-type: message/delivery-status\r\nContent-Transfer-Encoding: base64\r\n\r\n"
      "UmVwb3J0aW5nLU1UQTogZG5zOyBhCgpGaW5hbC1SZWNpcGllbnQ6IHJmYzgyMjsg\r\nYkBiCkFjdGlvbjogZmFpbGVk"
      "CgpGaW5hbC1SZWNpcGllbnQ6IHJmYzgyMjsgY0BiCg==\r\n" TAIL,
      "delivery mta=dns;a id=<1@a>\n- failed final=rfc822;b@b\n- unknown final=rfc822;c@b\n" },
    { "no empty lines", HEAD("delivery-status") STATUS
      "Reporting-MTA: dns;a\r\nFinal-Recipient: rfc822;b@b\r\nAction: failed\r\n"
      "Final-Recipient: rfc822;c@c\r\nAction: relayed\r\n" TAIL,
      "delivery mta=dns;a\n- failed final=rfc822;b@b\n- relayed final=rfc822;c@c\n" },
    { "too many empty lines, and noise", HEAD("delivery-status") STATUS
      "\r\n\r\nReporting-MTA: dns;a\r\n\r\n\r\nnoise\r\nFinal-Recipient: b@b\r\nAction: exploded\r\n"
      "Status: 5.1\r\nDiagnostic-Code: 550 no\r\n\r\n\r\n" TAIL,
      "delivery mta=dns;a\n- unknown final=;b@b diagnostic=;550 no reply=550\n" },
    { "no recipient", HEAD("delivery-status") STATUS "Reporting-MTA: dns;a\r\n" TAIL,
      "delivery mta=dns;a\n" },
    { "the quotes of an address", HEAD("delivery-status") STATUS
      "Final-Recipient: rfc822;\"a (b)\"@c (d)\r\n" TAIL, "delivery\n- unknown final=rfc822;\"a (b)\"@c\n" },
    { "cut", HEAD("delivery-status") STATUS "Final-Recipient: rfc822;b@b\r\nAction: fai",
      "delivery\n- unknown final=rfc822;b@b\n" },
    /* RFC 6533 */
    { "UTF-8 DSN", HEAD("delivery-status") "--B/x\r\n"
      "content-type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
      "Reporting-MTA: dns; a\r\n\r\nOriginal-Recipient: utf-8;gr\\x{FC}n+x@b\\x{FC}cher.example\r\n"
      "Final-Recipient: utf-8; gr\xc3\xbcn@b\xc3\xbc" "cher.example\r\nAction: failed\r\n"
      "Diagnostic-Code: smtp; 550 5.1.1 kein gr\xc3\xbcner\r\n\r\n"
      "Final-Recipient: utf-8;\\x{1F44D}\\x{d800}\\x{5C}\\x{2}\\x{10@a\r\n\r\n"
      "--B/x\r\ncontent-type: message/global-headers\r\n\r\nSubject: gr\xc3\xbcn\r\n" TAIL,
      "delivery utf8 mta=dns;a subject=gr\xc3\xbcn\n"
      "- failed original=utf-8;gr\xc3\xbcn+x@b\xc3\xbc" "cher.example "
      "final=utf-8;gr\xc3\xbcn@b\xc3\xbc" "cher.example diagnostic=smtp;550 5.1.1 kein gr\xc3\xbcner "
      "reply=550 enhanced=5.1.1\n"
      "- unknown final=utf-8;\xf0\x9f\x91\x8d\\x{d800}\\\\x{2}\\x{10@a\n" },
    /* RFC 8098 section 9 */
    { "MDN", HEAD("disposition-notification") HUMAN
      "--B/x\r\nContent-Type: message/disposition-notification\r\n\r\n"
      "Reporting-UA: joes-pc.cs.example.com; Foomail 97.1\r\n"
      "Original-Recipient: rfc822;Joe_Recipient@example.com\r\n"
      "Final-Recipient: rfc822;Joe_Recipient@example.com\r\n"
      "Original-Message-ID: <199509192301.23456@example.org>\r\n"
      "Disposition: manual-action/MDN-sent-manually; displayed\r\n\r\n" TAIL,
      "disposition ua=joes-pc.cs.example.com; Foomail 97.1 "
      "disposition=manual-action/MDN-sent-manually; displayed id=<199509192301.23456@example.org>\n"
      "- unknown original=rfc822;Joe_Recipient@example.com final=rfc822;Joe_Recipient@example.com\n" },
    /* RFC 5965 appendix B.2 */
    { "ARF", HEAD("feedback-report") HUMAN "--B/x\r\nContent-Type: message/feedback-report\r\n\r\n"
      "Feedback-Type: abuse\r\nUser-Agent: SomeGenerator/1.0\r\nVersion: 1\r\n"
      "Original-Mail-From: <somespammer@example.net>\r\nOriginal-Rcpt-To: <user@example.com>\r\n"
      "Original-Rcpt-To: <other@example.com>\r\nArrival-Date: Thu, 8 Mar 2005 14:00:00 EDT\r\n"
      "Reporting-MTA: dns; mail.example.com\r\nSource-IP: 192.0.2.1\r\n\r\n" TAIL,
      "feedback mta=dns;mail.example.com arrival=Thu, 8 Mar 2005 14:00:00 EDT feedback=abuse ip=192.0.2.1 "
      "from=somespammer@example.net\n- unknown original=rfc822;user@example.com\n"
      "- unknown original=rfc822;other@example.com\n" },
    { "not in a multipart", "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns;a\r\n",
      "delivery mta=dns;a\n" },
};

static void
test_report__all_forms_in_any_split(void **state)
{
    for (size_t i = 0; i < LW_COUNT(reports); i++) {
        lw_span in = lw_span_str(reports[i].in);
        lw_bounce_opts o;
        guard g;
        lw_bounce_opts_init(&o);
        guard_open(&g, in.len);
        in.ptr = guard_put(&g, in.ptr, in.len);
        for (size_t piece = 1; piece <= in.len; piece += piece < 9 ? 1 : in.len / 5) {
            lw_buf out;
            lw_buf_init(&out, NULL, 1 << 20);
            assert_int_equal(parse(&o, in, piece, &out), LW_OK);
            if (strcmp(lw_buf_cstr(&out), reports[i].want) != 0)
                fail_msg("%s in pieces of %zu:\n%s--- want\n%s", reports[i].name, piece,
                         lw_buf_cstr(&out), reports[i].want);
            lw_buf_deinit(&out);
        }
        guard_close(&g);
    }
}

static void
test_report__none_there_refused(void **state)
{
    static const char *const others[] = {
        "", "Subject: x\r\n\r\ny\r\n",
        HEAD("delivery-status") HUMAN TAIL,
        "Subject: failure notice\r\n\r\nHi. This is the qmail-send program.\r\n",
        "Content-Type: text/plain\r\n\r\nReporting-MTA: dns; a\r\n\r\nFinal-Recipient: rfc822;b@b\r\n",
    };
    lw_bounce_opts o;
    lw_buf out;

    lw_bounce_opts_init(&o);
    lw_buf_init(&out, NULL, 100);
    for (size_t i = 0; i < LW_COUNT(others); i++)
        assert_int_equal(parse(&o, lw_span_str(others[i]), 7, &out), LW_EMESSAGE);
}

static void
test_bounds__at_each_and_one_more(void **state)
{
    lw_span in = lw_span_str(reports[1].in);
    lw_bounce_opts o;
    lw_buf out;

    lw_buf_init(&out, NULL, 1 << 20);
    lw_bounce_opts_init(&o);
    o.max_rcpts = 3;
    assert_int_equal(parse(&o, in, in.len, &out), LW_OK);
    o.max_rcpts = 2;
    assert_int_equal(parse(&o, in, in.len, &out), LW_ELIMIT);
    o.max_rcpts = 0;
    o.max_bytes = 1;
    while (parse(&o, in, in.len, &out) == LW_ELIMIT)
        o.max_bytes++;
    assert_in_range(o.max_bytes, 300, 600);
    assert_int_equal(parse(&o, in, in.len, &out), LW_OK);
    lw_buf_deinit(&out);
}

static void
test_memory__out_at_each_step_no_leak(void **state)
{
    for (size_t i = 4; i < 6; i++)
        for (int once = 0; once < 2; once++) {
            bool more = true;
            for (long n = 0; more; n++) {
                test_memory m;
                lw_bounce_opts o;
                lw_buf out;
                test_memory_init(&m, n);
                m.once = once;
                lw_bounce_opts_init(&o);
                o.alloc = &m.alloc;
                lw_buf_init(&out, NULL, 1 << 20);
                lw_code rc = parse(&o, lw_span_str(reports[i].in), 50, &out);
                assert_int_equal(rc, m.has_failed ? LW_ENOMEM : LW_OK);
                assert_int_equal(m.n_out, 0);
                more = m.has_failed;
                lw_buf_deinit(&out);
            }
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report__all_forms_in_any_split),
        cmocka_unit_test(test_report__none_there_refused),
        cmocka_unit_test(test_bounds__at_each_and_one_more),
        cmocka_unit_test(test_memory__out_at_each_step_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
