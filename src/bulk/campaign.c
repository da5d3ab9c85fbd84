/* SPDX-License-Identifier: MIT */
/*
 * bulk/campaign.c - rows out, answers in
 *
 * The order that nothing is lost by: a batch of rows is written to the journal and synced, then
 * handed to the pool; answers are written as they come, and synced with the next batch.
 *
 * A list may have no row now, a pipe above all.  What was read leaves, answers are taken, what was
 * deferred is tried again, and the list is asked again every 20 ms.
 */
#include "bulk/campaign_int.h"

#include <time.h>

#define ASK_AGAIN_MS 20   /* the pause before a list that has no row now is asked again */
#define ROWS_A_STEP 10000 /* so that a step over rows that are done already ends */

/* ---- out ---------------------------------------------------------------------------------------- */

static lw_code
fill_batch(lw_campaign *c)
{
    lw_code rc = LW_OK;

    for (int n = 0; n < ROWS_A_STEP && rc >= 0 && rc != LW_DONE &&
                    c->counts.in_flight + c->n_batch < c->opts.window; n++)
        rc = lw_campaign_next_row(c);
    return rc < 0 ? rc : LW_OK;
}

static lw_code
add_batch(lw_campaign *c)
{
    lw_code rc = LW_OK;

    for (size_t i = 0; i < c->n_batch && rc == LW_OK; i++) {
        const lw_slot *s = c->batch[i];

        rc = lw_journal_add(c->journal, s->number,
                            (lw_entry){ .mark = LW_MARK_OFFERED, .print = (uint32_t)s->print,
                                        .attempt = (unsigned char)s->attempt });
    }
    return rc;
}

/* What waited before was written with the answers: a batch that fails can be dropped. */
static lw_code
journal_batch(lw_campaign *c)
{
    lw_error err = { .code = LW_OK };
    lw_code rc;

    if (c->journal == NULL || c->n_batch == 0)
        return LW_OK;
    /* offered and answered, for these and for all that is on its way */
    rc = lw_journal_reserve(c->journal, 2 * c->n_batch + (size_t)c->counts.in_flight, &err);
    if (rc < 0)
        return lw_campaign_fail(c, rc, &err);
    if ((rc = add_batch(c)) < 0 || (rc = lw_journal_sync(c->journal, &err)) < 0) {
        lw_journal_drop(c->journal);
        return lw_campaign_fail(c, rc, err.code < 0 ? &err : NULL);
    }
    return LW_OK;
}

/* the pool is gone (stopped, out of memory): the row is as it was */
static lw_code
not_taken(lw_campaign *c, lw_slot *s, lw_code rc, const lw_error *why)
{
    lw_completion done = { .tag = s };

    c->counts.in_flight++;
    if (rc != LW_ECANCELED)
        lw_campaign_fail(c, rc, why);
    c->is_stopped = true;
    return lw_campaign_answer(c, &done);
}

static lw_code
hand_over(lw_campaign *c, lw_slot *s)
{
    lw_error err = { .code = LW_OK };
    lw_job job;
    lw_code rc;

    lw_job_init(&job);
    job.message = s->message;
    job.tag = s;
    rc = lw_pool_submit(c->opts.pool, &job, NULL, &err);
    if (rc == LW_OK) {
        s->message = NULL;
        c->counts.in_flight++;
        return LW_OK;
    }
    if (rc == LW_ECANCELED || rc == LW_ENOMEM || rc == LW_AGAIN || rc == LW_EUSAGE)
        return not_taken(c, s, rc == LW_AGAIN ? LW_ELIMIT : rc, &err);
    return lw_campaign_refused(c, s, &err);
}

static lw_code
hand_over_batch(lw_campaign *c)
{
    lw_code rc = LW_OK, one;

    for (size_t i = 0; i < c->n_batch; i++)
        if ((one = hand_over(c, c->batch[i])) < 0 && rc == LW_OK)
            rc = one;
    c->n_batch = 0;
    return rc;
}

/* Nothing of it has left: what waited before waits again, the rest is as if it had not been read. */
static void
drop_batch(lw_campaign *c)
{
    for (size_t i = 0; i < c->n_batch; i++) {
        if (c->batch[i]->attempt > 1)
            lw_campaign_put_back(c, c->batch[i]);
        else
            lw_slot_free(c, c->batch[i]);
    }
    c->n_batch = 0;
}

/* Rows leave in groups of half a window, so that a sync serves many. */
static bool
wants_rows(const lw_campaign *c)
{
    return !c->is_stopped && c->failed == LW_OK && c->counts.in_flight <= c->opts.window / 2;
}

static lw_code
offer(lw_campaign *c)
{
    lw_code rc;

    if (!wants_rows(c))
        return LW_OK;
    rc = fill_batch(c);
    if (rc < 0 || journal_batch(c) < 0) {
        drop_batch(c);
        return c->failed;
    }
    return hand_over_batch(c);
}

/* ---- in -------------------------------------------------------------------------------------------- */

static lw_code
take_answers(lw_campaign *c, uint64_t timeout_ms)
{
    lw_completion done;
    lw_error err;
    lw_code rc = LW_OK;

    while (rc >= 0 && lw_pool_next(c->opts.pool, timeout_ms, &done) == LW_OK) {
        rc = lw_campaign_answer(c, &done);
        lw_report_free(done.report);
        timeout_ms = 0;
    }
    if (c->journal != NULL && lw_journal_write(c->journal, &err) < 0)
        return lw_campaign_fail(c, LW_EOUTPUT, &err);
    return rc;
}

static bool
is_over(const lw_campaign *c)
{
    bool has_more = !c->is_stopped && c->failed == LW_OK &&
                    (c->counts.waiting > 0 || lw_campaign_has_rows(c));

    return c->counts.in_flight == 0 && c->n_batch == 0 && !has_more;
}

/* how long nothing but answers can be waited for: until rows are at hand, asked for again, or due */
static uint64_t
patience(const lw_campaign *c, uint64_t timeout_ms)
{
    uint64_t now = lw_campaign_now_ns() / 1000000, due = lw_campaign_next_due(c);

    if (!wants_rows(c)) /* then answers come first, whatever is due */
        return timeout_ms;
    if (lw_campaign_has_rows(c)) {
        uint64_t most = c->rows_say == LW_AGAIN ? ASK_AGAIN_MS : 0;

        timeout_ms = timeout_ms < most ? timeout_ms : most;
    }
    if (due == UINT64_MAX)
        return timeout_ms;
    return due <= now ? 0 : due - now < timeout_ms ? due - now : timeout_ms;
}

/* Where no answer is due time passes all the same; a signal ends it. */
static void
wait_for_answers(lw_campaign *c, uint64_t ms)
{
    struct timespec pause = { .tv_sec = (time_t)(ms / 1000),
                              .tv_nsec = (long)(ms % 1000) * 1000000 };
    bool is_idle = c->counts.in_flight == 0;

    (void)take_answers(c, is_idle ? 0 : ms);
    if (is_idle && ms > 0)
        nanosleep(&pause, NULL);
}

lw_code
lw_campaign_step(lw_campaign *c, uint64_t timeout_ms, lw_error *err)
{
    if (c == NULL)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_NONE, "campaign: a pointer is NULL");
    (void)offer(c);
    if (!is_over(c))
        wait_for_answers(c, patience(c, timeout_ms));
    if (!is_over(c))
        return LW_OK;
    lw_campaign_end(c);
    if (c->failed == LW_OK)
        return LW_DONE;
    if (err != NULL)
        *err = c->failure;
    return c->failed;
}

void
lw_campaign_stop(lw_campaign *c)
{
    if (c != NULL)
        c->is_stopped = true;
}

lw_campaign_counts
lw_campaign_count(const lw_campaign *c)
{
    lw_campaign_counts counts = { .rows = 0 };
    uint64_t now_ms, due_ms;

    if (c == NULL)
        return counts;
    counts = c->counts;
    now_ms = lw_campaign_now_ns() / 1000000;
    due_ms = lw_campaign_next_due(c);
    counts.next_try_ms = due_ms == UINT64_MAX || due_ms <= now_ms ? 0 : due_ms - now_ms;
    return counts;
}

/* ---- life -------------------------------------------------------------------------------------------- */

/* Counted here and not where a row is met: a run may stop before the rows that are done. */
static void
count_before(lw_campaign *c)
{
    uint64_t n[LW_MARK_SYNCED];

    lw_journal_counts(c->journal, n);
    c->counts.rejected_before = n[LW_MARK_REJECTED];
    c->counts.done_before = n[LW_MARK_ACCEPTED] + n[LW_MARK_REJECTED];
    if (!c->opts.resend_uncertain)
        c->counts.uncertain_before = n[LW_MARK_OFFERED] + n[LW_MARK_UNCERTAIN];
}

static lw_code
open_journal(lw_campaign *c, lw_error *err)
{
    lw_identity who;
    lw_code rc;

    if (c->opts.journal == NULL)
        return LW_OK;
    lw_mailing_identity(c->opts.mailing, who.mail);
    memcpy(who.list, c->opts.list, sizeof who.list);
    rc = lw_journal_open(c->opts.journal, &who, &c->alloc, &c->journal, err);
    if (rc == LW_OK)
        count_before(c);
    return rc;
}

static lw_code
set_up(lw_campaign *c, lw_error *err)
{
    for (size_t i = 0; i < c->opts.n_retries; i++)
        c->retry_ms[i] = c->opts.retry_ms[i];
    c->seen = lw_seen_new(&c->alloc);
    c->batch = lw_zalloc_array(&c->alloc, c->opts.window, sizeof *c->batch);
    if (c->seen == NULL || c->batch == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "campaign: out of memory");
    return open_journal(c, err);
}

lw_code
lw_campaign_new(const lw_campaign_opts *opts, lw_campaign **out, lw_error *err)
{
    const lw_alloc *alloc;
    lw_campaign_opts o;
    lw_campaign *c;
    lw_code rc;

    if (out == NULL)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_NONE, "campaign: a pointer is NULL");
    *out = NULL;
    if (lw_opts_copy(&o, sizeof o, opts) < 0 || o.rows.next == NULL || o.mailing == NULL ||
        o.pool == NULL || o.n_retries > LW_CAMPAIGN_RETRIES || o.window > 1000000 ||
        (o.retry_ms == NULL && o.n_retries > 0))
        return lw_fail(err, LW_EUSAGE, LW_STAGE_NONE, "campaign: options are out of range");
    alloc = lw_alloc_or_default(o.alloc);
    if ((c = lw_zalloc(alloc, sizeof *c)) == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "campaign: out of memory");
    c->alloc = *alloc;
    c->opts = o;
    if (c->opts.window == 0)
        c->opts.window = LW_CAMPAIGN_WINDOW;
    if ((rc = set_up(c, err)) < 0) {
        lw_campaign_free(c, NULL);
        return rc;
    }
    *out = c;
    return LW_OK;
}

lw_code
lw_campaign_free(lw_campaign *c, lw_error *err)
{
    lw_code rc;

    if (c == NULL)
        return LW_OK;
    lw_alloc alloc = c->alloc;
    if (c->counts.in_flight > 0)
        lw_pool_stop(c->opts.pool);
    for (uint64_t before = 0; c->counts.in_flight != before;) {
        before = c->counts.in_flight;
        (void)take_answers(c, LW_FOREVER); /* the pool answers for each within its stop_ms */
    }
    drop_batch(c);
    lw_campaign_free_aside(c);
    lw_campaign_end(c);
    rc = lw_journal_close(c->journal, err);
    lw_seen_free(c->seen);
    lw_release(&alloc, c->batch);
    lw_release(&alloc, c);
    return rc;
}
