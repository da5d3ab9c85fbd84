/* SPDX-License-Identifier: MIT */
/*
 * client/pool_worker.c - a loop with its lines: who gets work, what is opened, what is closed
 *
 * lw_worker_work() does all there is to do and then goes to sleep, which it may do only when
 * nothing is left that it could do: that is looked at under the lock, so that no job can come
 * between looking and sleeping.  If something is left that only another worker can do, that one
 * is woken.  What wakes it: its sockets, its timer, and uv_async_send().
 */
#include "client/pool_int.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

/* ---- telling ---------------------------------------------------------------------------- */

static void
count_outcomes(lw_pool_stats *s, const lw_pool_job *j)
{
    s->completed++;
    if (j->report == NULL) {
        s->unsent += j->n_rcpts;
        return;
    }
    for (size_t i = 0; i < j->report->n; i++)
        switch (j->report->results[i].outcome) {
        case LW_OUTCOME_ACCEPTED: s->accepted++; break;
        case LW_OUTCOME_REJECTED: s->rejected++; break;
        case LW_OUTCOME_DEFERRED: s->deferred++; break;
        case LW_OUTCOME_UNCERTAIN: s->uncertain++; break;
        case LW_OUTCOME_PENDING:
        case LW_OUTCOME_UNSENT: s->unsent++; break;
        }
}

static void
tell(lw_pool_job *j, lw_pool_stats *counts)
{
    lw_completion c;

    count_outcomes(counts, j);
    lw_pool_job_end(j);
    if (j->done == NULL)
        return;
    c = lw_pool_job_completion(j);
    j->done(j->ctx, &c);
}

static void
add_counts(lw_pool_stats *to, const lw_pool_stats *n)
{
    to->completed += n->completed;
    to->accepted += n->accepted;
    to->rejected += n->rejected;
    to->deferred += n->deferred;
    to->unsent += n->unsent;
    to->uncertain += n->uncertain;
}

/* the jobs that were told of leave the pool, or wait to be fetched; lock held */
static void
retire(lw_pool *p, lw_list *told, lw_list *dead)
{
    lw_pool_job *j;

    p->n_alive -= told->n;
    while ((j = (lw_pool_job *)lw_list_pop(told)) != NULL) {
        if (j->done == NULL) {
            j->place = LW_JOB_FINISHED;
            lw_list_push(&p->finished, &j->node);
            continue;
        }
        lw_queue_unregister(&p->queue, j);
        lw_list_push(dead, &j->node);
    }
}

/* it waits again, unless it was canceled after it was judged; lock held */
static void
waits_again(lw_pool *p, lw_pool_job *j)
{
    if (atomic_load(&j->is_canceled))
        lw_pool_take_back(p, j);
    else
        p->stats.retries++;
}

/* lock held */
static void
put_back(lw_pool_worker *w)
{
    lw_pool *p = w->pool;
    uint64_t now = uv_now(w->loop);
    lw_node *node;

    while ((node = lw_list_last(&w->again_now)) != NULL) {
        lw_pool_job *j = (lw_pool_job *)node;

        lw_list_remove(&w->again_now, node);
        lw_queue_add_first(&p->queue, j);
        waits_again(p, j);
    }
    while ((node = lw_list_pop(&w->again_later)) != NULL) {
        lw_pool_job *j = (lw_pool_job *)node;

        lw_queue_add_at(&p->queue, j, now + lw_pool_pause(&p->opts.retry, j->n_spent));
        waits_again(p, j);
    }
}

static void
look_at_clock(lw_pool_worker *w)
{
    uv_update_time(w->loop);
    w->now_ns = uv_hrtime();
}

void
lw_worker_flush(lw_pool_worker *w)
{
    lw_pool_stats counts = { .completed = 0 };
    lw_list told, dead;
    lw_node *node;

    if (w->finished.n + w->again_now.n + w->again_later.n == 0 && w->new_flights == 0)
        return;
    lw_list_init(&told);
    lw_list_init(&dead);
    lw_list_move(&told, &w->finished);
    for (node = lw_list_first(&told); node != NULL && node != &told.head; node = node->next)
        tell((lw_pool_job *)node, &counts);
    if (told.n > 0) /* what was called may have taken its time, and none of it is a server's */
        look_at_clock(w);
    uv_mutex_lock(&w->pool->lock);
    add_counts(&w->pool->stats, &counts);
    w->pool->stats.flights += w->new_flights;
    w->new_flights = 0;
    put_back(w);
    retire(w->pool, &told, &dead);
    lw_pool_signal(w->pool);
    uv_mutex_unlock(&w->pool->lock);
    while ((node = lw_list_pop(&dead)) != NULL)
        lw_pool_job_free((lw_pool_job *)node);
}

/* they end as they stand, for this reason */
static void
fail_all(lw_pool_worker *w, lw_list *jobs, const lw_error *err)
{
    lw_pool_job *j;

    while ((j = (lw_pool_job *)lw_list_pop(jobs)) != NULL) {
        lw_pool_job_fail(j, err, w->now_ns);
        if (j->report != NULL)
            lw_report_close(j->report, NULL, w->now_ns);
        lw_list_push(&w->finished, &j->node);
    }
}

/* ---- lines come and go ------------------------------------------------------------------ */

static void
connecting_ends(lw_line *l)
{
    lw_pool *p = l->worker->pool;

    p->n_connecting--;
    l->worker->n_connecting--;
    p->servers[l->server].n_connecting--;
}

void
lw_worker_came_up(lw_line *l)
{
    lw_pool *p = l->worker->pool;

    uv_mutex_lock(&p->lock);
    connecting_ends(l);
    p->n_up++;
    p->stats.connected++;
    lw_pool_server_is_up(p, l);
    uv_mutex_unlock(&p->lock);
}

void
lw_worker_failed(lw_line *l, const lw_error *err)
{
    lw_pool_worker *w = l->worker;
    lw_pool *p = w->pool;
    lw_list lost;

    lw_list_init(&lost);
    uv_mutex_lock(&p->lock);
    connecting_ends(l);
    p->n_lines--;
    w->n_lines--;
    lw_pool_server_failed(p, l, err, uv_now(w->loop), &lost);
    uv_mutex_unlock(&p->lock);
    fail_all(w, &lost, err);
}

void
lw_worker_is_gone(lw_line *l)
{
    lw_pool_worker *w = l->worker;
    lw_pool *p = w->pool;

    uv_mutex_lock(&p->lock);
    p->n_lines--;
    w->n_lines--;
    if (l->place == LW_LINE_CONNECTING) {
        connecting_ends(l);
    } else {
        p->n_up--;
        p->stats.lost += l->place != LW_LINE_QUITTING;
        lw_pool_server_is_gone(p, l, uv_now(w->loop));
    }
    uv_mutex_unlock(&p->lock);
}

/* ---- work for lines --------------------------------------------------------------------- */

#define CACHE_LINE 64u

/* It may have waited so long that it is in no cache: it comes, with the envelope behind it, while
 * others are taken. */
static void
prefetch(const lw_pool_job *j)
{
    for (size_t at = CACHE_LINE; at < sizeof *j + 2 * CACHE_LINE; at += CACHE_LINE)
        __builtin_prefetch((const char *)j + at);
}

uint32_t
lw_worker_feed(lw_line *l)
{
    lw_pool *p = l->worker->pool;
    uint32_t room = lw_line_room(l), n = 0;
    lw_list jobs;
    lw_node *node;

    if (room == 0 || lw_pool_is_stopping(p))
        return 0;
    lw_list_init(&jobs);
    uv_mutex_lock(&p->lock);
    for (; n < room; n++) {
        lw_pool_job *j = lw_queue_take(&p->queue, uv_now(l->worker->loop));

        if (j == NULL)
            break;
        lw_list_push(&jobs, &j->node);
        prefetch(j);
    }
    if (n > 0)
        lw_pool_signal(p);
    uv_mutex_unlock(&p->lock);
    if (n > 0)
        l->worker->now_ns = uv_hrtime();
    while ((node = lw_list_pop(&jobs)) != NULL)
        lw_line_give(l, (lw_pool_job *)node);
    return n;
}

static void
end_rests(lw_pool_worker *w)
{
    lw_line *l;

    while ((l = (lw_line *)lw_list_first(&w->lines[LW_LINE_RESTING])) != NULL &&
           lw_line_rests_until(l) <= uv_now(w->loop)) {
        lw_line_settle(l);
        if (l->place == LW_LINE_ENDING)
            lw_line_run(l);
    }
}

/* the one that is at work already, else the one that was last: the others may become idle */
static lw_line *
next_line(lw_pool_worker *w)
{
    lw_node *node = lw_list_first(&w->lines[LW_LINE_ROOM]);

    return (lw_line *)(node != NULL ? node : lw_list_last(&w->lines[LW_LINE_IDLE]));
}

/* false: no job is ready */
static bool
use_line(lw_line *l)
{
    bool is_idle = l->place == LW_LINE_IDLE;

    if (lw_line_room(l) == 0) {
        lw_line_settle(l);
        if (l->place == LW_LINE_ENDING)
            lw_line_run(l);
        return true;
    }
    /* it may have died in its sleep: better met now than by a message */
    if (is_idle && !lw_link_is_alive(&l->channel.link)) {
        lw_line_end(l);
        return true;
    }
    if (lw_worker_feed(l) == 0)
        return false;
    lw_line_run(l);
    return true;
}

static bool
has_ready_job(lw_pool_worker *w)
{
    uint64_t at;
    bool has;

    uv_mutex_lock(&w->pool->lock);
    has = lw_queue_ready(&w->pool->queue, uv_now(w->loop), &at);
    uv_mutex_unlock(&w->pool->lock);
    return has;
}

static void
use_lines(lw_pool_worker *w)
{
    lw_line *l;

    end_rests(w);
    while ((l = next_line(w)) != NULL && has_ready_job(w) && use_line(l))
        ;
}

/* ---- opening and closing lines ---------------------------------------------------------- */

/* a place for one more line, LW_NO_SERVER = none is needed or allowed */
static uint32_t
reserve(lw_pool_worker *w, uint32_t *round)
{
    lw_pool *p = w->pool;
    uint64_t now = uv_now(w->loop), at;
    uint32_t i = LW_NO_SERVER;

    uv_mutex_lock(&p->lock);
    if (lw_queue_ready(&p->queue, now, &at) && lw_pool_may_open(p, w, now) &&
        (i = lw_pool_choose_server(p, now)) != LW_NO_SERVER) {
        p->n_lines++;
        p->n_connecting++;
        w->n_lines++;
        w->n_connecting++;
        p->servers[i].n_connecting++;
        *round = p->servers[i].n_rounds;
        if (p->opts.spread)
            p->next_server = (i + 1) % (uint32_t)p->n_servers;
    }
    uv_mutex_unlock(&p->lock);
    return i;
}

/* there is no memory for a line: as if it had failed to connect */
static void
fail_without_line(lw_pool_worker *w, uint32_t server, uint32_t round)
{
    lw_error err = { .code = LW_ENOMEM, .retry = LW_RETRY_LATER, .text = "out of memory" };
    lw_line none = { .worker = w, .server = server, .round = round };

    lw_worker_failed(&none, &err);
}

static void
open_lines(lw_pool_worker *w)
{
    uint32_t server, round = 0;

    while ((server = reserve(w, &round)) != LW_NO_SERVER) {
        lw_line *l = lw_line_new(w, server, round);

        if (l == NULL)
            fail_without_line(w, server, round);
        else
            lw_line_open(l);
    }
}

static void
close_idle(lw_pool_worker *w)
{
    uint64_t limit = w->pool->opts.idle_ms;
    lw_line *l;

    while ((l = (lw_line *)lw_list_first(&w->lines[LW_LINE_IDLE])) != NULL &&
           uv_now(w->loop) - l->idle_ms >= limit)
        lw_line_end(l);
}

static void
end_lines(lw_pool_worker *w)
{
    for (unsigned i = 0; i < LW_LINE_ENDING; i++) {
        lw_node *node;

        while ((node = lw_list_first(&w->lines[i])) != NULL)
            lw_line_end((lw_line *)node);
    }
}

void
lw_worker_cut_all(lw_pool_worker *w, const char *why)
{
    w->now_ns = uv_hrtime(); /* it may have slept until now */
    for (unsigned i = 0; i < LW_LINE_PLACES; i++) {
        lw_node *node;

        while ((node = lw_list_first(&w->lines[i])) != NULL)
            lw_line_cut((lw_line *)node, why);
    }
}

/* ---- stopping --------------------------------------------------------------------------- */

/* jobs that were taken back, and with a pool that stops all that wait */
static void
tell_canceled(lw_pool_worker *w)
{
    lw_pool *p = w->pool;
    lw_error err;
    lw_list canceled;

    lw_list_init(&canceled);
    uv_mutex_lock(&p->lock);
    w->who = pthread_self(); /* a caller's loop may be run by one thread now, by another later */
    w->is_known = true;
    lw_list_move(&canceled, &p->canceled);
    if (lw_pool_is_stopping(p))
        lw_queue_take_all(&p->queue, &canceled);
    uv_mutex_unlock(&p->lock);
    if (canceled.n == 0)
        return;
    lw_pool_say_canceled(&err);
    fail_all(w, &canceled, &err);
}

static void
stop_lines(lw_pool_worker *w)
{
    uint64_t stop_at;

    if (!lw_pool_is_stopping(w->pool))
        return;
    uv_mutex_lock(&w->pool->lock);
    stop_at = w->pool->stop_at_ms;
    uv_mutex_unlock(&w->pool->lock);
    end_lines(w);
    if (uv_now(w->loop) >= stop_at)
        lw_worker_cut_all(w, "the pool was stopped, and the server did not answer in time");
}

static bool
is_at_its_end(const lw_pool_worker *w)
{
    const lw_pool *p = w->pool;

    return atomic_load(&((lw_pool *)(uintptr_t)p)->state) == LW_POOL_CLOSES &&
           w->n_lines == 0 && p->queue.n_waiting == 0 && p->canceled.n == 0;
}

/* ---- sleep ------------------------------------------------------------------------------ */

static void
on_timer(uv_timer_t *timer)
{
    lw_worker_work(timer->data);
}

static uint64_t
sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t
lines_next_ms(const lw_pool_worker *w)
{
    const lw_line *idle = (const lw_line *)lw_list_first(&w->lines[LW_LINE_IDLE]);
    const lw_line *rests = (const lw_line *)lw_list_first(&w->lines[LW_LINE_RESTING]);
    uint64_t at = idle == NULL ? UINT64_MAX : idle->idle_ms + w->pool->opts.idle_ms;

    return rests == NULL ? at : sooner(at, lw_line_rests_until(rests));
}

static void
set_timer(lw_pool_worker *w, uint64_t at_ms)
{
    uint64_t now = uv_now(w->loop);

    if (at_ms == w->timer_at_ms && (at_ms == UINT64_MAX || uv_is_active((uv_handle_t *)&w->timer)))
        return;
    w->timer_at_ms = at_ms;
    if (at_ms == UINT64_MAX)
        (void)uv_timer_stop(&w->timer);
    else
        (void)uv_timer_start(&w->timer, on_timer, at_ms > now ? at_ms - now : 0, 0);
}

/* what the queue has for this worker; lock held.  true: it can do something now */
static bool
can_act(lw_pool_worker *w, uint64_t now, uint64_t *at)
{
    lw_pool *p = w->pool;

    if (lw_pool_is_stopping(p)) {
        *at = w->n_lines > 0 ? p->stop_at_ms : UINT64_MAX;
        return p->queue.n_waiting + p->canceled.n > 0;
    }
    if (lw_queue_ready(&p->queue, now, at)) {
        if (w->n_room > 0 || lw_pool_may_open(p, w, now))
            return true;
        *at = lw_pool_next_chance(p, now); /* perhaps another's, who is woken then */
        (void)lw_pool_wake(p);
    }
    return p->canceled.n > 0;
}

/* false: there is more to do */
static bool
go_to_sleep(lw_pool_worker *w)
{
    lw_pool *p = w->pool;
    uint64_t at = UINT64_MAX;
    bool sleeps;

    uv_mutex_lock(&p->lock);
    w->n_idle = (uint32_t)w->lines[LW_LINE_IDLE].n;
    w->n_room = (uint32_t)w->lines[LW_LINE_ROOM].n + w->n_idle;
    sleeps = !can_act(w, uv_now(w->loop), &at);
    w->is_asleep = sleeps;
    w->is_ended = is_at_its_end(w);
    uv_mutex_unlock(&p->lock);
    if (sleeps)
        set_timer(w, sooner(at, lines_next_ms(w)));
    return sleeps;
}

void
lw_worker_work(lw_pool_worker *w)
{
    w->now_ns = uv_hrtime();
    do {
        tell_canceled(w);
        use_lines(w);
        open_lines(w);
        close_idle(w);
        stop_lines(w);
        lw_worker_flush(w);
    } while (!go_to_sleep(w));
    if (w->is_ended && !w->pool->is_callers_loop)
        lw_worker_close_handles(w);
}

/* ---- life ------------------------------------------------------------------------------- */

static void
on_async(uv_async_t *async)
{
    lw_worker_work(async->data);
}

static void
on_cancel(uv_poll_t *watch, int status, int events)
{
    lw_pool_worker *w = watch->data;
    lw_pool *p = w->pool;

    (void)status;
    (void)events;
    (void)uv_poll_stop(watch); /* the switch stays readable for ever */
    uv_mutex_lock(&p->lock);
    p->was_canceled = true;
    lw_pool_stop_locked(p, LW_POOL_STOPS, false);
    uv_mutex_unlock(&p->lock);
    lw_worker_work(w);
}

/* its own descriptor: several pools of one loop may watch the same switch */
static lw_code
watch_cancel(lw_pool_worker *w)
{
    const lw_cancel *cancel = w->setup.opts.cancel;

    if (cancel == NULL || w->index != 0)
        return LW_OK;
    if ((w->cancel_fd = fcntl(lw_cancel_fd(cancel), F_DUPFD_CLOEXEC, 0)) < 0)
        return LW_ENOMEM;
    if (uv_poll_init(w->loop, &w->cancel_watch, w->cancel_fd) != 0)
        return LW_ENOMEM;
    w->cancel_watch.data = w;
    w->has_cancel_watch = true;
    w->n_handles++;
    return uv_poll_start(&w->cancel_watch, UV_READABLE, on_cancel) == 0 ? LW_OK : LW_ENOMEM;
}

static lw_code
make_handles(lw_pool_worker *w)
{
    w->cancel_fd = -1;
    w->timer_at_ms = UINT64_MAX;
    w->is_asleep = true;
    for (unsigned i = 0; i < LW_LINE_PLACES; i++)
        lw_list_init(&w->lines[i]);
    lw_list_init(&w->finished);
    lw_list_init(&w->again_now);
    lw_list_init(&w->again_later);
    if (w->loop == NULL) {
        if (lw_loop_init(&w->own_loop) < 0)
            return LW_ENOMEM;
        w->has_loop = true;
        w->loop = &w->own_loop;
    }
    if (uv_async_init(w->loop, &w->async, on_async) != 0)
        return LW_ENOMEM;
    w->has_async = true;
    w->n_handles = 2;
    (void)uv_timer_init(w->loop, &w->timer);
    w->async.data = w->timer.data = w;
    return watch_cancel(w);
}

lw_code
lw_worker_open(lw_pool_worker *w, lw_error *err)
{
    lw_pool *p = w->pool;
    lw_code rc = lw_setup_init(&w->setup, &p->alloc, &p->send, err);

    if (rc < 0)
        return rc;
    /* workers count for themselves, so each begins with another address */
    if (lw_setup_rotate(&w->setup, w->index) < 0)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "out of memory");
    w->setup.max_transactions = p->send.window;
    w->who = pthread_self();
    w->is_known = p->is_callers_loop;
    if (make_handles(w) < 0)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "out of memory or descriptors");
    return LW_OK;
}

static void
run_thread(void *arg)
{
    lw_pool_worker *w = arg;

    (void)uv_run(w->loop, UV_RUN_DEFAULT);
}

/* the program's signal handlers must not run on a thread that it does not know of */
lw_code
lw_worker_start(lw_pool_worker *w)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = uv_thread_create(&w->thread, run_thread, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    w->has_thread = rc == 0;
    return rc == 0 ? LW_OK : LW_ENOMEM;
}

static void
on_closed(uv_handle_t *h)
{
    lw_pool_worker *w = h->data;

    if (--w->n_handles == 0 && w->pool->is_callers_loop)
        lw_pool_free(w->pool);
}

void
lw_worker_close_handles(lw_pool_worker *w)
{
    if (!w->has_async || w->is_closed)
        return;
    w->is_closed = true;
    uv_close((uv_handle_t *)&w->async, on_closed);
    uv_close((uv_handle_t *)&w->timer, on_closed);
    if (w->has_cancel_watch)
        uv_close((uv_handle_t *)&w->cancel_watch, on_closed);
    if (w->cancel_fd >= 0)
        close(w->cancel_fd);
    w->cancel_fd = -1;
}

void
lw_worker_close(lw_pool_worker *w)
{
    if (w->has_loop) {
        lw_worker_close_handles(w);
        (void)uv_run(&w->own_loop, UV_RUN_DEFAULT); /* only closing is left */
        (void)uv_loop_close(&w->own_loop);
    }
    lw_setup_deinit(&w->setup);
}
