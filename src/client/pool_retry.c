/* SPDX-License-Identifier: MIT */
/*
 * client/pool_retry.c - policy: what is tried again and when, and what a failure to connect means
 *
 * What the loss of a connection costs: a server answers in order, so only the first job that it
 * left unanswered can have been the reason.  That one pays an attempt (unless the connection had
 * served others before: then its age may be the reason, a few times); those behind it were only
 * waiting there, and go over the next connection at once and at no cost.
 *
 * A server that loses commands of a group costs the job that met it nothing but time: what it refused
 * as out of sequence goes once more, over a connection without PIPELINING.
 *
 * Some servers take so many messages over a connection, do not say so, and then put off each MAIL
 * (OpenSMTPD: 100).  So a 4yz to MAIL on a connection that has taken one before ends the connection,
 * and costs nothing, as often as there may be connections that are full.  One that has taken none
 * yet is no better than the next: there it is an ordinary deferral.
 *
 * A server's name may have several addresses: it has failed when all of them have (channel.c).
 * What a failure to connect costs: nothing while other connections to that server are up; they
 * show that it takes only so many, so the pool keeps to fewer for a while.  Otherwise the server
 * is left alone for a pause, and when no server can be reached every waiting job has lost an
 * attempt.  What does not pass (a refused login, a bad certificate) ends them all at once.
 */
#include "client/pool_int.h"

#define FREE_TRIES_MAX 4u

/* ---- jobs ------------------------------------------------------------------------------- */

uint64_t
lw_pool_pause(const lw_pool_retry *policy, unsigned n)
{
    uint64_t pause = policy->first_ms;

    while (n-- > 1 && pause < policy->max_ms)
        if (__builtin_mul_overflow(pause, policy->factor, &pause) || policy->factor <= 1)
            break;
    return pause < policy->max_ms ? pause : policy->max_ms;
}

bool
lw_pool_may_retry(const lw_pool_retry *policy, lw_outcome outcome, lw_code reason)
{
    switch (outcome) {
    case LW_OUTCOME_DEFERRED: return true;
    case LW_OUTCOME_UNSENT: return lw_result_may_pass(reason);
    case LW_OUTCOME_UNCERTAIN: return policy->uncertain;
    case LW_OUTCOME_PENDING:
    case LW_OUTCOME_ACCEPTED:
    case LW_OUTCOME_REJECTED: return false;
    }
    return false;
}

/* the session has ended under the job: does another bear it? */
static bool
is_free_of_blame(lw_pool_job *j, lw_line *l)
{
    bool was_blamed = l->is_blamed;

    l->is_blamed = true;
    if (was_blamed)
        return true;
    return l->n_done > 0 && j->n_free_tries++ < FREE_TRIES_MAX;
}

/* The connection is at a limit that the server has not told: another may take the job.  This ends:
 * no more goes over this one, and a new one must have taken a message before it can do so again. */
static bool
shows_that_it_is_full(const lw_pool_job *j, lw_line *l)
{
    if (!l->has_taken || !lw_pool_job_put_off_at_mail(j))
        return false;
    l->max_given = l->n_given;
    return true;
}

void
lw_pool_say_canceled(lw_error *err)
{
    lw_fail(err, LW_ECANCELED, LW_STAGE_NONE, "canceled before it was sent");
    err->retry = LW_RETRY_LATER;
}

/* the 503 of a server that has lost commands is no answer, also if nobody can ask again */
static void
cancel_out_of_sequence(lw_pool_job *j)
{
    if (lw_pool_job_narrow(j, &(lw_pool_retry){ 0 }, true))
        lw_pool_say_canceled(&j->report->error);
}

lw_verdict
lw_pool_judge(lw_pool_job *j, lw_line *l)
{
    const lw_pool *p = l->worker->pool;
    bool is_lost = lw_smtp_error(l->channel.link.engine)->code < 0;
    size_t n_offered = j->env.n_rcpts;
    bool is_out = lw_channel_lost_commands(&l->channel) && !j->was_out_of_sequence;
    bool is_canceled, is_free, is_full, goes_on;

    if (j->report->error.code == LW_OK && !is_out && !lw_report_has_deferred(j->report))
        return LW_VERDICT_FINISHED; /* accepted or refused: the usual case */
    is_free = is_lost && is_free_of_blame(j, l);
    is_full = !is_lost && shows_that_it_is_full(j, l);
    is_canceled = atomic_load(&j->is_canceled) || lw_pool_is_stopping(p);
    if (is_canceled && is_out)
        cancel_out_of_sequence(j);
    goes_on = !is_canceled && j->body->rewind != NULL &&
              lw_pool_job_narrow(j, &p->opts.retry, is_out);
    if (!goes_on)
        return LW_VERDICT_FINISHED;
    /* a limit of the session: others used it up, who need not be answered yet, or the job itself
     * has gone in part.  The next session has room for it */
    if (!is_lost && j->report->error.code == LW_ELIMIT)
        is_free = !j->is_first_on_line || j->env.n_rcpts < n_offered;
    j->was_out_of_sequence |= is_out;
    if (is_free || is_full || is_out) {
        j->n_spent--;
        return LW_VERDICT_AT_ONCE;
    }
    return j->n_spent < p->opts.retry.attempts ? LW_VERDICT_LATER : LW_VERDICT_FINISHED;
}

/* ---- servers ---------------------------------------------------------------------------- */

static bool
is_usable(const lw_pool_server *s, uint64_t now_ms)
{
    /* the first connection shows whether the login works: 20 refused ones could lock it */
    return now_ms >= s->not_before_ms && (s->is_proven || s->n_connecting == 0);
}

uint32_t
lw_pool_choose_server(lw_pool *p, uint64_t now_ms)
{
    for (uint32_t n = 0; n < p->n_servers; n++) {
        uint32_t i = (p->next_server + n) % (uint32_t)p->n_servers;

        if (is_usable(&p->servers[i], now_ms))
            return i;
    }
    return LW_NO_SERVER;
}

static uint32_t
share_of(const lw_pool *p, const lw_pool_worker *w)
{
    return p->limit / p->n_workers + (w->index < p->limit % p->n_workers);
}

static void
raise_limit(lw_pool *p, uint64_t now_ms)
{
    while (p->limit < p->opts.connections && now_ms >= p->raise_at_ms) {
        p->limit++;
        p->raise_at_ms += LW_LIMIT_RAISE_MS;
        if (p->raise_at_ms <= now_ms)
            p->raise_at_ms = now_ms + LW_LIMIT_RAISE_MS;
    }
}

uint64_t
lw_pool_next_chance(lw_pool *p, uint64_t now_ms)
{
    uint64_t at = UINT64_MAX;

    raise_limit(p, now_ms);
    if (p->limit < p->opts.connections)
        at = p->raise_at_ms;
    for (size_t i = 0; i < p->n_servers; i++)
        if (p->servers[i].not_before_ms > now_ms && p->servers[i].not_before_ms < at)
            at = p->servers[i].not_before_ms;
    return at;
}

uint64_t
lw_pool_next_try(const lw_pool *p, uint64_t now_ms)
{
    uint64_t at = UINT64_MAX;

    for (size_t i = 0; i < p->n_servers; i++)
        if (p->servers[i].not_before_ms < at)
            at = p->servers[i].not_before_ms;
    return p->n_up + p->n_connecting > 0 || at <= now_ms ? 0 : at - now_ms;
}

bool
lw_pool_may_open(lw_pool *p, const lw_pool_worker *w, uint64_t now_ms)
{
    uint64_t expected = (uint64_t)p->n_connecting * p->usual_window;

    if (lw_pool_is_stopping(p) || p->queue.waiting.n <= expected ||
        w->n_connecting >= LW_CONNECTING_MAX)
        return false;
    raise_limit(p, now_ms);
    return p->n_lines < p->limit && w->n_lines < share_of(p, w) &&
           lw_pool_choose_server(p, now_ms) != LW_NO_SERVER;
}

/* ---- failures to connect ---------------------------------------------------------------- */

static void
lower_limit(lw_pool *p, uint64_t now_ms)
{
    if (p->n_up < p->limit)
        p->limit = p->n_up;
    p->raise_at_ms = now_ms + LW_LIMIT_RAISE_MS;
}

static bool
all_have_failed(const lw_pool *p, bool for_good)
{
    for (size_t i = 0; i < p->n_servers; i++)
        if (p->servers[i].n_failures == 0 || (for_good && !p->servers[i].is_hopeless))
            return false;
    return true;
}

static void
leave_alone(lw_pool *p, lw_pool_server *s, uint64_t now_ms)
{
    uint64_t pause = lw_pool_pause(&p->opts.retry, ++s->n_failures);

    s->n_rounds++;
    s->is_proven = false;
    /* not at once, however short the pause: the next server has its turn */
    s->not_before_ms = now_ms + (pause > 0 ? pause : 1);
}

void
lw_pool_server_failed(lw_pool *p, const lw_line *l, const lw_error *err, uint64_t now_ms,
                      lw_list *lost)
{
    lw_pool_server *s = &p->servers[l->server];
    bool is_lasting = lw_result_is_lasting(err);

    if (s->n_up > 0) {
        lower_limit(p, now_ms);
        return;
    }
    if (l->round != s->n_rounds) /* several were under way: it is one failure */
        return;
    leave_alone(p, s, now_ms);
    s->is_hopeless = is_lasting;
    if (p->n_up > 0)
        return;
    if (is_lasting && (!lw_result_other_host(err) || all_have_failed(p, true)))
        lw_queue_take_all(&p->queue, lost);
    else if (all_have_failed(p, false))
        lw_queue_spend(&p->queue, p->opts.retry.attempts, lost);
}

void
lw_pool_server_is_up(lw_pool *p, const lw_line *l)
{
    lw_pool_server *s = &p->servers[l->server];

    s->n_up++;
    s->n_failures = 0;
    s->is_proven = true;
    s->is_hopeless = false;
    p->usual_window = l->window.most;
}

void
lw_pool_server_is_gone(lw_pool *p, const lw_line *l, uint64_t now_ms)
{
    lw_pool_server *s = &p->servers[l->server];

    s->n_up--;
    /* it took a job and answered nothing: there is no point in doing that again at once */
    if (l->place != LW_LINE_QUITTING && l->n_given > 0 && l->n_done == 0)
        leave_alone(p, s, now_ms);
}
