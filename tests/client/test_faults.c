/* SPDX-License-Identifier: MIT */
/*
 * test_faults.c - the n-th read or write of a send is short, interrupted or fails; the n-th
 * allocation fails
 *
 * recv() and sendmsg() of the library go through the wrappers below (linked with --wrap).  A
 * short or interrupted call changes nothing that anybody sees; one that fails gives outcomes
 * that are true; after each run nothing is left allocated.
 */
#include "support/test.h"

#include <letterwing/letterwing.h>

#include <errno.h>

#include "support/peer.h"

/* ---- faults ----------------------------------------------------------------------------------- */

typedef enum fault { FAULT_NONE, FAULT_SHORT, FAULT_INTERRUPT, FAULT_BLOCK, FAULT_RESET } fault;

static struct {
    fault kind;
    bool always;        /* from the n-th call on, else the n-th alone */
    unsigned at, n;
    pthread_t thread;   /* the peer's calls go through the same wrappers: they are left alone */
} plan;

ssize_t __real_recv(int fd, void *buf, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t n, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);

static fault
next_fault(void)
{
    if (plan.kind == FAULT_NONE || !pthread_equal(pthread_self(), plan.thread))
        return FAULT_NONE;
    plan.n++;
    return plan.n == plan.at || (plan.always && plan.n > plan.at) ? plan.kind : FAULT_NONE;
}

static ssize_t
fail_with(int code)
{
    errno = code;
    return -1;
}

ssize_t
__wrap_recv(int fd, void *buf, size_t n, int flags)
{
    switch (next_fault()) {
    case FAULT_SHORT: return __real_recv(fd, buf, 1, flags);
    case FAULT_INTERRUPT: return fail_with(EINTR);
    case FAULT_BLOCK: return fail_with(EAGAIN);
    case FAULT_RESET: return fail_with(ECONNRESET);
    case FAULT_NONE: break;
    }
    return __real_recv(fd, buf, n, flags);
}

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
    struct msghdr one = *m;
    struct iovec iov = m->msg_iov[0];

    switch (next_fault()) {
    case FAULT_SHORT:
        iov.iov_len = 1;
        one.msg_iov = &iov;
        one.msg_iovlen = 1;
        return __real_sendmsg(fd, &one, flags);
    case FAULT_INTERRUPT: return fail_with(EINTR);
    case FAULT_BLOCK: return fail_with(EAGAIN);
    case FAULT_RESET: return fail_with(ECONNRESET);
    case FAULT_NONE: break;
    }
    return __real_sendmsg(fd, m, flags);
}

/* ---- memory ----------------------------------------------------------------------------------- */

typedef struct heap {
    size_t calls, fail_at, live;
    bool stays;
} heap;

static void *
resize(void *ctx, void *p, size_t n)
{
    heap *h = ctx;
    void *q;

    if (n == 0) {
        h->live -= p != NULL;
        free(p);
        return NULL;
    }
    h->calls++;
    if (h->fail_at != 0 && (h->calls == h->fail_at || (h->stays && h->calls > h->fail_at)))
        return NULL;
    if ((q = realloc(p, n)) != NULL)
        h->live += p == NULL;
    return q;
}

/* ---- one send ------------------------------------------------------------------------------------- */

static const char *const ehlos[] = {
    "250-peer\r\n250 8BITMIME\r\n",
    "250-peer\r\n250 PIPELINING\r\n",
    "250-peer\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
};

typedef struct sent {
    lw_code code;
    lw_outcome outcome;
    bool has_report;
    unsigned stored;
} sent;

static lw_message *
compose(const lw_alloc *alloc)
{
    lw_message *m = lw_message_new_with(alloc);

    if (m == NULL)
        return NULL;
    (void)lw_message_from(m, "Änn <ann@example.com>");
    (void)lw_message_to(m, "bob@example.org");
    (void)lw_message_subject(m, "fäults");
    (void)lw_message_text(m, "one\n.\ntwo\n");
    (void)lw_message_attach_memory(m, "attached", 8, NULL);
    return m;
}

static sent
send_one(const char *ehlo, heap *h)
{
    peer p = { .ehlo = ehlo, .budget = SIZE_MAX };
    lw_alloc alloc = { resize, h };
    char url[64];
    const char *servers[] = { url };
    lw_report *r = NULL;
    lw_send_opts o;
    lw_message *m;
    sent s = { .code = LW_ENOMEM };

    peer_start(&p);
    snprintf(url, sizeof url, "smtp://127.0.0.1:%u", p.port);
    lw_send_opts_init(&o);
    o.servers = servers;
    o.n_servers = 1;
    o.alloc = &alloc;
    plan.thread = pthread_self();
    plan.n = 0;
    if ((m = compose(&alloc)) != NULL)
        s.code = lw_send_with(&o, m, &r);
    lw_message_free(m);
    peer_stop(&p);
    s.stored = p.stored;
    s.has_report = lw_report_n_results(r) == 1;
    if (s.has_report)
        s.outcome = lw_report_result(r, 0)->outcome;
    lw_report_free(r);
    assert_int_equal(h->live, 0);
    return s;
}

/* how many reads and writes a send makes */
static unsigned
count_calls(const char *ehlo)
{
    heap h = { .calls = 0 };

    plan.kind = FAULT_BLOCK;
    plan.at = UINT32_MAX;
    plan.always = false;
    assert_int_equal(send_one(ehlo, &h).code, LW_OK);
    return plan.n;
}

static void
at_each_call(fault kind, bool always)
{
    for (size_t i = 0; i < LW_COUNT(ehlos); i++) {
        unsigned n = count_calls(ehlos[i]);

        assert_in_range(n, 4, 100);
        for (unsigned at = 1; at <= n; at++) {
            heap h = { .calls = 0 };
            sent s;

            plan.kind = kind;
            plan.at = at;
            plan.always = always;
            s = send_one(ehlos[i], &h);
            assert_true(s.has_report);
            if (kind != FAULT_RESET) {
                assert_int_equal(s.code, LW_OK);
                assert_int_equal(s.stored, 1);
            } else if (s.outcome == LW_OUTCOME_ACCEPTED) {
                assert_int_equal(s.stored, 1);
            } else if (s.outcome == LW_OUTCOME_UNSENT) {
                assert_int_equal(s.stored, 0);
            } else {
                assert_int_equal(s.outcome, LW_OUTCOME_UNCERTAIN);
            }
        }
    }
    plan.kind = FAULT_NONE;
}

static void
test_send__each_call_short_nothing_changes(void **state)
{
    (void)state;
    at_each_call(FAULT_SHORT, false);
    at_each_call(FAULT_SHORT, true);
}

static void
test_send__each_call_interrupted_nothing_changes(void **state)
{
    (void)state;
    at_each_call(FAULT_INTERRUPT, false);
}

static void
test_send__each_call_would_block_nothing_changes(void **state)
{
    (void)state;
    at_each_call(FAULT_BLOCK, false);
}

static void
test_send__each_call_reset_outcome_true(void **state)
{
    (void)state;
    at_each_call(FAULT_RESET, true);
}

static void
fail_each_allocation(bool stays)
{
    heap h = { .calls = 0 };
    size_t n;

    plan.kind = FAULT_NONE;
    assert_int_equal(send_one(ehlos[2], &h).code, LW_OK);
    n = h.calls;
    assert_in_range(n, 10, 1000);
    for (size_t at = 1; at <= n; at++) {
        heap bad = { .fail_at = at, .stays = stays };
        sent s = send_one(ehlos[2], &bad);

        /* a text that found no room is no reason to fail */
        if (s.code != LW_OK)
            assert_int_equal(s.code, LW_ENOMEM);
        assert_int_equal(s.stored, s.code == LW_OK ? 1 : 0);
    }
}

static void
test_send__each_allocation_fails_once_no_leak(void **state)
{
    (void)state;
    fail_each_allocation(false);
}

static void
test_send__each_allocation_fails_from_then_on_no_leak(void **state)
{
    (void)state;
    fail_each_allocation(true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send__each_call_short_nothing_changes),
        cmocka_unit_test(test_send__each_call_interrupted_nothing_changes),
        cmocka_unit_test(test_send__each_call_would_block_nothing_changes),
        cmocka_unit_test(test_send__each_call_reset_outcome_true),
        cmocka_unit_test(test_send__each_allocation_fails_once_no_leak),
        cmocka_unit_test(test_send__each_allocation_fails_from_then_on_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
