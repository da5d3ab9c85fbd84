/* SPDX-License-Identifier: MIT */
/*
 * client/pool.c - the pool's life, and the calls that may wait
 *
 * Who waits is woken only when there is something for it; for room, only when a quarter of it is
 * free, so that a thread that submits and the pool's do not wake each other for every job.  No call
 * waits on a thread that the pool works on: it would wait for itself.
 */
#include "client/pool_int.h"

#include <pthread.h>

#define THREADS_MAX 64u
#define CONNECTIONS_MAX 1000000u
#define WINDOW_MAX 65535u
#define WINDOW_DEFAULT 8u
#define TIME_MAX_MS 31536000000u /* a year: added to any time, it does not overflow */

/* ---- options ---------------------------------------------------------------------------- */

static lw_code
check_options(const lw_pool_opts *given, lw_pool_opts *o, lw_send_opts *send,
              lw_error *err)
{
    if (lw_opts_copy(o, sizeof *o, given) < 0)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_NONE,
                       "the options were not set by lw_pool_opts_init()");
    if (lw_opts_copy(send, sizeof *send, o->send) < 0 ||
        (send->servers == NULL && send->n_servers > 0))
        return lw_fail(err, LW_EUSAGE, LW_STAGE_NONE,
                       "opts.send is NULL, or was not set by lw_send_opts_init()");
    o->send = NULL; /* the caller's */
    if (o->connections == 0 || o->connections > CONNECTIONS_MAX || o->threads == 0 ||
        o->threads > THREADS_MAX || o->max_waiting == 0 || o->retry.attempts == 0 ||
        send->window > WINDOW_MAX)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_NONE,
                       "connections, threads, window, max_waiting or attempts is out of range");
    return LW_OK;
}

static void
bound_time(uint64_t *ms)
{
    if (*ms > TIME_MAX_MS)
        *ms = TIME_MAX_MS;
}

static void
take_options(lw_pool *p, const lw_pool_opts *o, const lw_send_opts *send)
{
    uint64_t *times[] = { &p->opts.max_age_ms, &p->opts.idle_ms, &p->opts.stop_ms,
                          &p->opts.retry.first_ms, &p->opts.retry.max_ms };

    p->opts = *o;
    p->send = *send;
    for (size_t i = 0; i < LW_COUNT(times); i++)
        bound_time(times[i]);
    if (p->send.window == 0)
        p->send.window = WINDOW_DEFAULT;
    p->is_callers_loop = o->loop != NULL;
    p->n_workers = p->is_callers_loop ? 1 : o->threads;
    if (p->n_workers > o->connections)
        p->n_workers = o->connections;
    p->limit = o->connections;
    p->usual_window = p->send.window;
    p->line_interval_ns = lw_rate_interval(o->rates.messages_per_connection);
    p->n_servers = send->n_servers;
    atomic_init(&p->state, LW_POOL_RUNS);
}

/* ---- life ------------------------------------------------------------------------------- */

static lw_code
make_room(lw_pool *p)
{
    lw_list_init(&p->canceled);
    lw_list_init(&p->finished);
    if (lw_queue_init(&p->queue, &p->alloc, &p->opts.rates) < 0 ||
        (p->servers = lw_zalloc_array(&p->alloc, p->n_servers, sizeof *p->servers)) == NULL ||
        (p->workers = lw_zalloc_array(&p->alloc, p->n_workers, sizeof *p->workers)) == NULL)
        return LW_ENOMEM;
    if (uv_mutex_init(&p->lock) != 0)
        return LW_ENOMEM;
    p->has_lock = true;
    while (p->n_conds < LW_WAITS && uv_cond_init(&p->conds[p->n_conds]) == 0)
        p->n_conds++;
    return p->n_conds == LW_WAITS ? LW_OK : LW_ENOMEM;
}

static lw_code
open_workers(lw_pool *p, lw_error *err)
{
    lw_code rc;

    for (uint32_t i = 0; i < p->n_workers; i++) {
        lw_pool_worker *w = &p->workers[i];

        w->pool = p;
        w->index = i;
        w->loop = p->opts.loop;
        p->n_open = i + 1;
        if ((rc = lw_worker_open(w, err)) < 0)
            return rc;
    }
    for (uint32_t i = 0; i < p->n_workers && !p->is_callers_loop; i++)
        if (lw_worker_start(&p->workers[i]) < 0)
            return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "no thread can be started");
    p->send.servers = NULL; /* the caller's; each worker has copies */
    return LW_OK;
}

void
lw_pool_free(lw_pool *p)
{
    lw_alloc alloc = p->alloc;
    lw_node *node;

    for (uint32_t i = 0; i < p->n_open; i++)
        lw_worker_close(&p->workers[i]);
    while ((node = lw_list_pop(&p->finished)) != NULL)
        lw_pool_job_free((lw_pool_job *)node);
    lw_queue_deinit(&p->queue, &p->alloc);
    while (p->n_conds > 0)
        uv_cond_destroy(&p->conds[--p->n_conds]);
    if (p->has_lock)
        uv_mutex_destroy(&p->lock);
    lw_release(&alloc, p->workers);
    lw_release(&alloc, p->servers);
    lw_release(&alloc, p);
}

/* all of what is left: threads end, or the caller's loop gives the rest back */
static void
end_workers(lw_pool *p)
{
    bool is_left = false;

    if (p->n_conds == LW_WAITS) {
        uv_mutex_lock(&p->lock);
        lw_pool_stop_locked(p, LW_POOL_CLOSES, false);
        uv_mutex_unlock(&p->lock);
    }
    for (uint32_t i = 0; i < p->n_open; i++) {
        lw_pool_worker *w = &p->workers[i];

        if (w->has_thread)
            (void)uv_thread_join(&w->thread);
        if (p->is_callers_loop && w->has_async) {
            lw_worker_cut_all(w, "the pool was closed");
            lw_worker_work(w);
            lw_worker_close_handles(w);
            is_left = true;
        }
    }
    if (!is_left)
        lw_pool_free(p);
}

lw_code
lw_pool_open(const lw_pool_opts *opts, lw_pool **out, lw_error *err)
{
    lw_error own;
    lw_pool_opts o;
    lw_send_opts send;
    lw_pool *p;
    lw_code rc;

    err = err == NULL ? &own : err;
    if (out == NULL)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_NONE, "there is nowhere to put the pool");
    *out = NULL;
    lw_error_clear(err);
    if ((rc = check_options(opts, &o, &send, err)) < 0)
        return rc;
    if ((p = lw_zalloc(lw_alloc_or_default(send.alloc), sizeof *p)) == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "out of memory");
    p->alloc = *lw_alloc_or_default(send.alloc);
    p->stop_at_ms = UINT64_MAX;
    take_options(p, &o, &send);
    if ((rc = make_room(p)) < 0)
        lw_fail(err, rc, LW_STAGE_NONE, "out of memory");
    else
        rc = open_workers(p, err);
    if (rc < 0)
        end_workers(p);
    else
        *out = p;
    return rc;
}

void
lw_pool_close(lw_pool *p)
{
    if (p != NULL)
        end_workers(p);
}

/* ---- waking ----------------------------------------------------------------------------- */

static bool
has_much_room(const lw_pool *p)
{
    const lw_pool_queue *q = &p->queue;
    uint64_t bytes = p->opts.max_waiting_bytes;

    return q->n_waiting == 0 || lw_pool_is_stopping(p) || p->finished.n > 0 ||
           (q->n_waiting <= p->opts.max_waiting - p->opts.max_waiting / 4 &&
            q->bytes <= bytes - bytes / 4);
}

void
lw_pool_signal(lw_pool *p)
{
    if (p->n_waiters[LW_WAIT_ROOM] > 0 && has_much_room(p))
        uv_cond_broadcast(&p->conds[LW_WAIT_ROOM]);
    if (p->n_waiters[LW_WAIT_NEXT] > 0 && (p->finished.n > 0 || p->n_alive == 0))
        uv_cond_broadcast(&p->conds[LW_WAIT_NEXT]);
    if (p->n_waiters[LW_WAIT_DRAINED] > 0 && p->n_alive == 0)
        uv_cond_broadcast(&p->conds[LW_WAIT_DRAINED]);
}

static void
wake(lw_pool_worker *w)
{
    if (w->is_ended)
        return;
    w->is_asleep = false;
    (void)uv_async_send(&w->async);
}

/* every job that is added asks: where all connections are open the clock need not be read */
static bool
may_open(lw_pool *p, const lw_pool_worker *w)
{
    return p->n_lines < p->opts.connections && lw_pool_may_open(p, w, lw_pool_now());
}

bool
lw_pool_wake(lw_pool *p)
{
    for (uint32_t n = 0; n < p->n_workers; n++) {
        lw_pool_worker *w = &p->workers[(p->next_worker + n) % p->n_workers];

        if (!w->is_asleep || (w->n_room == 0 && !may_open(p, w)))
            continue;
        p->next_worker = (w->index + 1) % p->n_workers;
        wake(w);
        return true;
    }
    return false;
}

/* A job was added.  If nobody can take it now (a server is left alone, a rate is reached), somebody
 * must look at the first one all the same, to know when; the others wait behind it. */
static void
wake_for_job(lw_pool *p)
{
    if (!lw_pool_wake(p) && p->queue.waiting.n == 1)
        wake(&p->workers[p->next_worker]);
}

void
lw_pool_wake_all(lw_pool *p)
{
    for (uint32_t i = 0; i < p->n_open; i++)
        if (p->workers[i].has_async)
            wake(&p->workers[i]);
}

/* ---- stopping --------------------------------------------------------------------------- */

void
lw_pool_stop_locked(lw_pool *p, lw_pool_state state, bool is_patient)
{
    uint64_t at_ms = UINT64_MAX;

    if (!is_patient && __builtin_add_overflow(lw_pool_now(), p->opts.stop_ms, &at_ms))
        at_ms = UINT64_MAX;
    if (atomic_load(&p->state) < (int)state)
        atomic_store(&p->state, (int)state);
    if (at_ms < p->stop_at_ms)
        p->stop_at_ms = at_ms;
    lw_pool_wake_all(p);
    lw_pool_signal(p);
}

void
lw_pool_finish(lw_pool *p)
{
    if (p == NULL)
        return;
    uv_mutex_lock(&p->lock);
    lw_pool_stop_locked(p, LW_POOL_STOPS, true);
    uv_mutex_unlock(&p->lock);
}

void
lw_pool_stop(lw_pool *p)
{
    if (p == NULL)
        return;
    uv_mutex_lock(&p->lock);
    lw_pool_stop_locked(p, LW_POOL_STOPS, false);
    uv_mutex_unlock(&p->lock);
}

/* ---- waiting ---------------------------------------------------------------------------- */

/* this thread is one that the pool works on; lock held */
static bool
is_own_thread(const lw_pool *p)
{
    for (uint32_t i = 0; i < p->n_workers; i++)
        if (p->workers[i].is_known && pthread_equal(p->workers[i].who, pthread_self()))
            return true;
    return false;
}

/* false: the time is over, or this thread must not wait; lock held */
static bool
wait_for(lw_pool *p, lw_wait what, uint64_t at_ms)
{
    uint64_t now = lw_pool_now();
    int rc = 0;

    if (now >= at_ms || is_own_thread(p))
        return false;
    p->n_waiters[what]++;
    if (at_ms == UINT64_MAX)
        uv_cond_wait(&p->conds[what], &p->lock);
    else
        rc = uv_cond_timedwait(&p->conds[what], &p->lock, (at_ms - now) * 1000000);
    p->n_waiters[what]--;
    return rc == 0;
}

lw_code
lw_pool_drain(lw_pool *p)
{
    lw_code rc;

    if (p == NULL)
        return LW_EUSAGE;
    uv_mutex_lock(&p->lock);
    while (p->n_alive > 0 && wait_for(p, LW_WAIT_DRAINED, UINT64_MAX))
        ;
    rc = p->n_alive > 0 ? LW_AGAIN : p->was_canceled ? LW_ECANCELED : LW_OK;
    uv_mutex_unlock(&p->lock);
    return rc;
}

static void
fetch(lw_pool *p, lw_completion *out)
{
    lw_pool_job *j = (lw_pool_job *)lw_list_pop(&p->finished);

    *out = lw_pool_job_completion(j);
    lw_queue_unregister(&p->queue, j);
    lw_pool_job_free(j);
    lw_pool_signal(p);
}

lw_code
lw_pool_next(lw_pool *p, uint64_t timeout_ms, lw_completion *out)
{
    uint64_t at = UINT64_MAX;
    lw_code rc = LW_OK;

    if (p == NULL || out == NULL)
        return LW_EUSAGE;
    if (timeout_ms <= TIME_MAX_MS)
        at = lw_pool_now() + timeout_ms;
    uv_mutex_lock(&p->lock);
    while (p->finished.n == 0 && p->n_alive > 0 && wait_for(p, LW_WAIT_NEXT, at))
        ;
    if (p->finished.n > 0)
        fetch(p, out);
    else
        rc = p->n_alive > 0 ? LW_AGAIN : LW_DONE;
    uv_mutex_unlock(&p->lock);
    return rc;
}

/* ---- submitting ------------------------------------------------------------------------- */

static bool
is_full(const lw_pool *p, uint64_t bytes)
{
    const lw_pool_queue *q = &p->queue;

    return q->n_waiting + p->finished.n >= p->opts.max_waiting ||
           (q->n_waiting > 0 && (q->bytes >= p->opts.max_waiting_bytes ||
                                 bytes > p->opts.max_waiting_bytes - q->bytes));
}

/* lock held */
static lw_code
wait_for_room(lw_pool *p, uint64_t bytes, bool waits, lw_error *err)
{
    while (!lw_pool_is_stopping(p) && is_full(p, bytes)) {
        /* what nobody fetches never makes room */
        if (!waits || p->finished.n > 0 || !wait_for(p, LW_WAIT_ROOM, UINT64_MAX))
            return lw_fail(err, LW_AGAIN, LW_STAGE_NONE,
                           "as many messages wait as the pool may hold");
    }
    if (lw_pool_is_stopping(p))
        return lw_fail(err, LW_ECANCELED, LW_STAGE_NONE, "the pool was stopped");
    return LW_OK;
}

/* lock held */
static lw_code
add(lw_pool *p, lw_pool_job *j, lw_job_id *id, lw_error *err)
{
    if (lw_queue_register(&p->queue, &p->alloc, j) < 0)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "out of memory");
    if (id != NULL)
        *id = j->id;
    lw_queue_add(&p->queue, j);
    p->n_alive++;
    p->stats.submitted++;
    wake_for_job(p);
    return LW_OK;
}

static lw_code
submit(lw_pool *p, const lw_job *given, bool waits, lw_job_id *id, lw_error *err)
{
    lw_pool_job *j;
    lw_job job;
    lw_code rc = LW_OK;

    if (p == NULL || lw_opts_copy(&job, sizeof job, given) < 0)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE,
                       "there is no pool, or the job was not set by lw_job_init()");
    if (job.message != NULL) { /* it is not rendered only to hear that there is no room */
        uv_mutex_lock(&p->lock);
        rc = wait_for_room(p, 0, waits, err);
        uv_mutex_unlock(&p->lock);
    }
    if (rc != LW_OK || (rc = lw_pool_job_new(&p->alloc, &job, &j, err)) < 0)
        return rc;
    uv_mutex_lock(&p->lock);
    if ((rc = wait_for_room(p, j->size_bytes, waits, err)) == LW_OK)
        rc = add(p, j, id, err);
    uv_mutex_unlock(&p->lock);
    if (rc == LW_OK)
        return LW_OK;
    lw_pool_job_keep(j);
    lw_pool_job_free(j);
    return rc;
}

lw_code
lw_pool_submit(lw_pool *p, const lw_job *job, lw_job_id *id, lw_error *err)
{
    return submit(p, job, false, id, err);
}

lw_code
lw_pool_submit_wait(lw_pool *p, const lw_job *job, lw_job_id *id, lw_error *err)
{
    return submit(p, job, true, id, err);
}

void
lw_pool_take_back(lw_pool *p, lw_pool_job *j)
{
    lw_queue_remove(&p->queue, j);
    j->place = LW_JOB_CANCELED;
    lw_list_push(&p->canceled, &j->node);
}

lw_code
lw_pool_cancel(lw_pool *p, lw_job_id id)
{
    lw_pool_job *j;
    lw_code rc = LW_OK;

    if (p == NULL)
        return LW_EUSAGE;
    uv_mutex_lock(&p->lock);
    j = lw_queue_find(&p->queue, id);
    if (j == NULL || j->place == LW_JOB_FINISHED || j->place == LW_JOB_CANCELED) {
        rc = LW_DONE;
    } else if (j->place == LW_JOB_WORKED) {
        atomic_store(&j->is_canceled, true);
        rc = LW_AGAIN;
    } else {
        lw_pool_take_back(p, j);
        lw_pool_wake_all(p);
    }
    uv_mutex_unlock(&p->lock);
    return rc;
}

/* ---- looking ---------------------------------------------------------------------------- */

void
lw_pool_stats_get(lw_pool *p, lw_pool_stats *out)
{
    if (p == NULL || out == NULL)
        return;
    uv_mutex_lock(&p->lock);
    *out = p->stats;
    out->waiting_bytes = p->queue.bytes;
    out->waiting = (uint32_t)p->queue.n_waiting;
    out->in_flight = (uint32_t)(p->n_alive - p->queue.n_waiting - p->canceled.n);
    out->finished = (uint32_t)p->finished.n;
    out->connecting = p->n_connecting;
    out->open = p->n_up;
    out->idle = 0;
    for (uint32_t i = 0; i < p->n_workers; i++)
        out->idle += p->workers[i].n_idle;
    out->connection_limit = p->limit;
    out->next_try_ms = lw_pool_next_try(p, lw_pool_now());
    uv_mutex_unlock(&p->lock);
}
