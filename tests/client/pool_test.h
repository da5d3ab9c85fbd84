/* SPDX-License-Identifier: MIT */
/* pool_test.h - a pool, a server for it, and a tally of what became of each job */
#ifndef LW_TESTS_POOL_TEST_H
#define LW_TESTS_POOL_TEST_H

#include "support/test.h"

#include <letterwing/pool.h>
#include <uv.h>

#include "support/crowd.h"

#define CHUNKING_EHLO "250-crowd\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250 CHUNKING\r\n"
#define PIPELINING_EHLO "250-crowd\r\n250-ENHANCEDSTATUSCODES\r\n250 PIPELINING\r\n"
#define LOCK_STEP_EHLO "250-crowd\r\n250 ENHANCEDSTATUSCODES\r\n"

static const char pool_text[] = "Subject: test\r\n\r\none\r\n.two\r\n";

static lw_code
pool_next_span(void *ctx, lw_span *span)
{
    (void)ctx;
    *span = (lw_span){ pool_text, sizeof pool_text - 1 };
    return LW_DONE;
}

static lw_code
pool_rewind(void *ctx)
{
    (void)ctx;
    return LW_OK;
}

/* what the completions said, by job number */
typedef struct pool_tally {
    atomic_uint told[CROWD_IDS], outcome[CROWD_IDS], attempts[CROWD_IDS];
    atomic_uint n_told, n_bodies;
    char text[LW_ERROR_TEXT_MAX + 64]; /* of the last one that was not accepted */
    pthread_mutex_t lock;
} pool_tally;

static void
pool_done(void *ctx, const lw_completion *c)
{
    pool_tally *t = ctx;
    uintptr_t n = (uintptr_t)c->tag;
    const lw_result *r = lw_report_result(c->report, 0);

    t->told[n]++;
    t->attempts[n] = c->attempts;
    t->outcome[n] = r == NULL ? LW_OUTCOME_PENDING : r->outcome;
    pthread_mutex_lock(&t->lock);
    if (lw_report_error(c->report)->code != LW_OK)
        snprintf(t->text, sizeof t->text, "%s", lw_report_text(c->report));
    pthread_mutex_unlock(&t->lock);
    lw_report_free(c->report);
    t->n_told++;
}

static void
pool_body_free(void *ctx)
{
    ((pool_tally *)ctx)->n_bodies++;
}

typedef struct pool_aim {
    char url[64];
    const char *servers[1];
    lw_send_opts send;
    lw_pool_opts opts;
} pool_aim;

static inline void
pool_aim_at(pool_aim *a, uint16_t port)
{
    memset(a, 0, sizeof *a);
    lw_pool_opts_init(&a->opts);
    snprintf(a->url, sizeof a->url, "smtp://127.0.0.1:%u", port);
    a->servers[0] = a->url;
    lw_send_opts_init(&a->send);
    a->opts.send = &a->send;
    a->send.servers = a->servers;
    a->send.n_servers = 1;
    a->opts.retry.first_ms = 0; /* nobody sleeps here */
}

static inline lw_pool *
pool_open(const pool_aim *a)
{
    lw_pool *p = NULL;
    lw_error err;

    if (lw_pool_open(&a->opts, &p, &err) != LW_OK)
        fail_msg("%s", err.text);
    return p;
}

/* job n for these recipients; t NULL: to be fetched */
static inline lw_code
pool_give_to(lw_pool *p, const lw_envelope *env, unsigned n, pool_tally *t, bool waits,
             lw_job_id *id)
{
    lw_error err;
    lw_job job;

    lw_job_init(&job);
    job.envelope = env;
    job.body = (lw_body){ .next = pool_next_span, .rewind = pool_rewind, .ctx = t,
                          .size = sizeof pool_text - 1, .is_canonical = true };
    job.tag = (void *)(uintptr_t)n;
    if (t != NULL) {
        job.done = pool_done;
        job.ctx = t;
        job.body_free = pool_body_free;
    }
    return waits ? lw_pool_submit_wait(p, &job, id, &err) : lw_pool_submit(p, &job, id, &err);
}

/* job n for "<kind>-<n>@example.org" */
static inline lw_code
pool_give(lw_pool *p, const char *kind, unsigned n, pool_tally *t, bool waits, lw_job_id *id)
{
    char to[64];
    lw_rcpt rcpt = { .address = to };
    lw_envelope env = { .from = "ann@example.com", .rcpts = &rcpt, .n_rcpts = 1 };

    snprintf(to, sizeof to, "%s-%u@example.org", kind, n);
    return pool_give_to(p, &env, n, t, waits, id);
}

/* where nobody listens: it stays bound until the process ends, or another one's server took it */
static inline uint16_t
closed_port_at(const char *address)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(address) };
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    return ntohs(a.sin_port);
}

static inline uint16_t
closed_port(void)
{
    return closed_port_at("127.0.0.1");
}

/* ---- a loop that the test runs ---------------------------------------------------------- */

typedef struct pool_wait {
    uv_prepare_t before_poll;
    bool (*is_over)(void *ctx);
    void *ctx;
} pool_wait;

static inline void
pool_before_poll(uv_prepare_t *h)
{
    const pool_wait *w = h->data;

    if (w->is_over(w->ctx))
        uv_stop(h->loop);
}

static inline void
pool_wait_closed(uv_handle_t *h)
{
    free(h->data);
}

/* UV_RUN_ONCE runs timers that are due before it polls, and what is told there may be the last that
 * ever happens.  So is_over() is asked before each poll, too: then it does not wait. */
static inline void
pool_run_until(uv_loop_t *loop, bool (*is_over)(void *ctx), void *ctx)
{
    pool_wait *w = calloc(1, sizeof *w);

    assert_non_null(w);
    w->is_over = is_over;
    w->ctx = ctx;
    assert_int_equal(uv_prepare_init(loop, &w->before_poll), 0);
    w->before_poll.data = w;
    assert_int_equal(uv_prepare_start(&w->before_poll, pool_before_poll), 0);
    while (!is_over(ctx))
        uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&w->before_poll, pool_wait_closed);
}

typedef struct pool_told {
    const pool_tally *t;
    unsigned n;
} pool_told;

static inline bool
pool_has_told(void *ctx)
{
    const pool_told *told = ctx;

    return told->t->n_told >= told->n;
}

static inline void
pool_run_until_told(uv_loop_t *loop, const pool_tally *t, unsigned n)
{
    pool_told told = { t, n };

    pool_run_until(loop, pool_has_told, &told);
}

static inline pool_tally *
pool_tally_new(void)
{
    pool_tally *t = calloc(1, sizeof *t);

    assert_non_null(t);
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

/* every job 0..n-1 has one completion, and what it says is true of the server */
static inline void
pool_check(const pool_tally *t, const crowd *c, unsigned n)
{
    assert_int_equal(t->n_told, n);
    assert_int_equal(t->n_bodies, n);
    for (unsigned i = 0; i < n; i++) {
        unsigned stored = c->stored[i];

        assert_int_equal(t->told[i], 1);
        switch ((lw_outcome)t->outcome[i]) {
        case LW_OUTCOME_ACCEPTED: assert_int_equal(stored, 1); break;
        case LW_OUTCOME_UNCERTAIN: assert_in_range(stored, 0, 1); break;
        case LW_OUTCOME_UNSENT:
        case LW_OUTCOME_REJECTED:
        case LW_OUTCOME_DEFERRED: assert_int_equal(stored, 0); break;
        case LW_OUTCOME_PENDING: fail_msg("job %u has no outcome", i);
        }
    }
}

static inline unsigned
pool_count(const pool_tally *t, unsigned n, lw_outcome outcome)
{
    unsigned found = 0;

    for (unsigned i = 0; i < n; i++)
        found += t->outcome[i] == (unsigned)outcome;
    return found;
}

#endif
