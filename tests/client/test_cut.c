/* SPDX-License-Identifier: MIT */
/*
 * test_cut.c - a server that closes, falls silent or raves at every octet of a session
 *
 * Whatever it does: the call returns, every recipient has exactly one outcome, what is accepted
 * was stored, what is `unsent` was not, and only what may have been stored is `uncertain`.
 */
#include "support/test.h"

#include <letterwing/letterwing.h>

#include "support/peer.h"

typedef struct mode {
    const char *name, *scheme, *ehlo;
    bool is_lock_step; /* the end of the data leaves after everything else was answered */
} mode;

static const mode modes[] = {
    { "lock step", "smtp", "250-peer\r\n250 8BITMIME\r\n", true },
    { "pipelining", "smtp", "250-peer\r\n250-PIPELINING\r\n250 SIZE 100000\r\n", true },
    { "chunking", "smtp", "250-peer\r\n250 CHUNKING\r\n", true },
    { "one flight", "smtp", "250-peer\r\n250-PIPELINING\r\n250 CHUNKING\r\n", false },
    { "lmtp", "lmtp", "250-peer\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES\r\n", true },
};

static lw_message *
compose(void)
{
    lw_message *m = lw_message_new();

    assert_non_null(m);
    (void)lw_message_from(m, "ann@example.com");
    (void)lw_message_to(m, "bob@example.org");
    (void)lw_message_subject(m, "cut");
    (void)lw_message_text(m, "one\n.\ntwo\n");
    assert_int_equal(lw_message_error(m)->code, LW_OK);
    return m;
}

static void
cancel(void *ctx)
{
    lw_cancel_now(ctx);
}

/* one message; the report is the caller's */
static lw_report *
send_to(const peer *p, const mode *how, lw_cancel *c)
{
    char url[64];
    const char *servers[] = { url };
    lw_message *m = compose();
    lw_report *r = NULL;
    lw_send_opts o;

    snprintf(url, sizeof url, "%s://127.0.0.1:%u", how->scheme, p->port);
    lw_send_opts_init(&o);
    o.servers = servers;
    o.n_servers = 1;
    o.cancel = c;
    (void)lw_send_with(&o, m, &r);
    lw_message_free(m);
    assert_non_null(r);
    return r;
}

static void
check(const mode *how, const peer *p, const lw_report *r)
{
    const lw_result *one = lw_report_result(r, 0);
    unsigned stored = p->stored;

    assert_int_equal(lw_report_n_results(r), 1);
    assert_true(stored <= 1);
    switch (one->outcome) {
    case LW_OUTCOME_ACCEPTED:
        assert_int_equal(stored, 1);
        assert_int_equal(lw_report_error(r)->code, LW_OK);
        return;
    case LW_OUTCOME_UNSENT:
        assert_int_equal(stored, 0);
        break;
    case LW_OUTCOME_UNCERTAIN:
        if (how->is_lock_step)
            assert_int_equal(stored, 1);
        break;
    case LW_OUTCOME_PENDING:
    case LW_OUTCOME_REJECTED:
    case LW_OUTCOME_DEFERRED:
        fail_msg("outcome %s: nobody refused", lw_outcome_name(one->outcome));
    }
    assert_true(lw_report_error(r)->code < 0);
    assert_true(strlen(lw_report_text(r)) > 10);
    assert_true(strlen(one->text) > 0);
}

/* octets that a whole session says */
static size_t
length_of(const mode *how)
{
    peer p = { .ehlo = how->ehlo, .budget = SIZE_MAX };
    lw_report *r;

    peer_start(&p);
    r = send_to(&p, how, NULL);
    peer_stop(&p);
    assert_int_equal(lw_report_result(r, 0)->outcome, LW_OUTCOME_ACCEPTED);
    assert_int_equal(p.stored, 1);
    lw_report_free(r);
    return p.said;
}

static void
cut_at_each_octet(peer_act act)
{
    for (size_t i = 0; i < LW_COUNT(modes); i++) {
        size_t n = length_of(&modes[i]);

        for (size_t at = 0; at < n; at++) {
            lw_cancel *c = lw_cancel_new();
            peer p = { .ehlo = modes[i].ehlo, .budget = at, .act = act, .on_stall = cancel,
                       .ctx = c };
            lw_report *r;

            peer_start(&p);
            r = send_to(&p, &modes[i], c);
            peer_stop(&p);
            check(&modes[i], &p, r);
            lw_report_free(r);
            lw_cancel_free(c);
        }
    }
}

static void
test_send__peer_closes_at_each_octet_outcome_true(void **state)
{
    (void)state;
    cut_at_each_octet(PEER_CLOSES);
}

static void
test_send__peer_stalls_at_each_octet_canceled(void **state)
{
    (void)state;
    cut_at_each_octet(PEER_STALLS);
}

static void
test_send__peer_raves_at_each_octet_outcome_true(void **state)
{
    (void)state;
    cut_at_each_octet(PEER_RAVES);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send__peer_closes_at_each_octet_outcome_true),
        cmocka_unit_test(test_send__peer_stalls_at_each_octet_canceled),
        cmocka_unit_test(test_send__peer_raves_at_each_octet_outcome_true),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
