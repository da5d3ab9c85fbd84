/* SPDX-License-Identifier: MIT */
/*
 * client/pool_line.c - one connection of the pool: a channel, and the jobs that are on it
 *
 *   CONNECTING -> IDLE <-> ROOM <-> FULL, RESTING -> [ENDING ->] QUITTING -> gone
 *
 * A line takes jobs up to its window, moves octets while there are any, then takes more: so the
 * replies that came together are followed by one flight.  It ends when its engine does; a time-out
 * or a reply that makes no sense ends the engine, so no old reply is ever taken for a new one.
 */
#include "client/pool_int.h"

#define NO_CHUNKING_WINDOW 3u /* "." and DATA wait for replies: one at its end, one in its data,
                                 and the next, so that its MAIL leaves behind the dot */
#define WINDOW_FIRST 8u       /* of jobs; then as the replies come */

/* ---- life ------------------------------------------------------------------------------- */

static void
on_wake(void *ctx)
{
    lw_line *l = ctx;
    lw_pool_worker *w = l->worker;

    w->now_ns = uv_hrtime();
    lw_line_run(l);
    lw_worker_work(w);
}

lw_line *
lw_line_new(lw_pool_worker *w, uint32_t server, uint32_t round)
{
    lw_line *l = lw_zalloc(w->setup.alloc, sizeof *l);

    if (l == NULL)
        return NULL;
    l->worker = w;
    l->server = server;
    l->round = round;
    lw_transcript_init(&l->transcript, w->setup.alloc, &w->setup.opts);
    if (lw_channel_init(&l->channel, &w->setup, w->loop, &l->transcript) < 0) {
        lw_channel_deinit(&l->channel);
        lw_release(w->setup.alloc, l);
        return NULL;
    }
    l->channel.link.wake = on_wake;
    l->channel.link.ctx = l;
    return l;
}

static void
free_line(lw_line *l)
{
    const lw_alloc *alloc = l->worker->setup.alloc;

    if (l->node.next != NULL)
        lw_list_remove(&l->worker->lines[l->place], &l->node);
    lw_channel_deinit(&l->channel);
    lw_transcript_deinit(&l->transcript);
    lw_release(alloc, l);
}

static void
move_to(lw_line *l, lw_line_place to)
{
    if (l->node.next != NULL)
        lw_list_remove(&l->worker->lines[l->place], &l->node);
    l->place = to;
    lw_list_push(&l->worker->lines[to], &l->node);
}

static void
fail(lw_line *l, const lw_error *err)
{
    lw_transcript_note(&l->transcript, "%s", err->text);
    lw_worker_failed(l, err);
    free_line(l);
}

static void
go(lw_line *l)
{
    lw_worker_is_gone(l);
    free_line(l);
}

/* ---- room ------------------------------------------------------------------------------- */

static bool
is_spent(const lw_line *l)
{
    uint64_t age_ms = l->worker->pool->opts.max_age_ms;

    return l->n_given >= l->max_given ||
           (age_ms != 0 && uv_now(l->worker->loop) - l->up_ms >= age_ms);
}

uint64_t
lw_line_rests_until(const lw_line *l)
{
    uint64_t at = lw_rate_ready_at(l->worker->pool->line_interval_ns, l->tat_ns);

    return at / 1000000 + (at % 1000000 != 0);
}

/* how many jobs its own rate allows now */
static uint64_t
rate_room(const lw_line *l)
{
    return lw_rate_room(l->worker->pool->line_interval_ns, l->tat_ns,
                        uv_now(l->worker->loop) * 1000000);
}

/* What the window leaves, and the engine: a job in many transactions keeps its place there, and
 * those that were done before it keep theirs behind it. */
static uint32_t
window_room(const lw_line *l)
{
    uint32_t engine = lw_smtp_room(l->channel.link.engine);
    uint32_t window = l->n_jobs < l->window.now ? l->window.now - l->n_jobs : 0;

    return window < engine ? window : engine;
}

uint32_t
lw_line_room(const lw_line *l)
{
    uint64_t room = window_room(l), rate = rate_room(l), left;

    if ((l->place != LW_LINE_IDLE && l->place != LW_LINE_ROOM && l->place != LW_LINE_FULL &&
         l->place != LW_LINE_RESTING) || is_spent(l))
        return 0;
    left = l->max_given - l->n_given;
    room = room < rate ? room : rate;
    return (uint32_t)(room < left ? room : left);
}

static lw_line_place
place_of(const lw_line *l)
{
    if (is_spent(l))
        return LW_LINE_ENDING;
    if (window_room(l) == 0)
        return LW_LINE_FULL;
    if (rate_room(l) == 0)
        return LW_LINE_RESTING;
    return l->n_jobs == 0 ? LW_LINE_IDLE : LW_LINE_ROOM;
}

void
lw_line_settle(lw_line *l)
{
    lw_line_place to;

    if (l->place == LW_LINE_QUITTING || l->place == LW_LINE_CONNECTING)
        return;
    to = l->place == LW_LINE_ENDING || lw_pool_is_stopping(l->worker->pool) ? LW_LINE_ENDING
                                                                          : place_of(l);
    if (to == LW_LINE_IDLE && l->place != LW_LINE_IDLE)
        l->idle_ms = uv_now(l->worker->loop);
    if (to != l->place)
        move_to(l, to);
}

/* of this connection's engine: it takes no 503 for a sign of lost commands any more */
static bool
pipelining_works(const lw_line *l)
{
    return lw_smtp_pipelining(l->channel.link.engine) == LW_PIPELINING_WORKS;
}

static lw_window
window_of(const lw_line *l)
{
    const lw_channel *c = &l->channel;
    bool has_chunking = (lw_smtp_capabilities(c->link.engine)->flags & LW_CAP_CHUNKING) != 0 &&
                        !c->setup->opts.no_chunking;
    uint32_t most = l->worker->pool->send.window;
    lw_window w;

    if (!lw_channel_pipelines(c))
        most = 1;
    else if (!has_chunking && most > NO_CHUNKING_WINDOW)
        most = NO_CHUNKING_WINDOW;
    /* a server's first message goes alone: if it loses commands, no other one is hurt */
    lw_window_init(&w, pipelining_works(l) ? WINDOW_FIRST : 1, most, c->round_trip_ms);
    return w;
}

/* ---- jobs on it ------------------------------------------------------------------------- */

static void
hand_back(lw_line *l, lw_pool_job *j)
{
    lw_pool_worker *w = l->worker;

    switch (lw_pool_judge(j, l)) {
    case LW_VERDICT_FINISHED:
        lw_report_close(j->report, &l->channel, w->now_ns);
        lw_list_push(&w->finished, &j->node);
        return;
    case LW_VERDICT_AT_ONCE:
        lw_list_push(&w->again_now, &j->node);
        return;
    case LW_VERDICT_LATER:
        lw_report_take_server(j->report, &l->channel);
        lw_list_push(&w->again_later, &j->node);
        return;
    }
}

static lw_transaction
transaction_of(lw_pool_job *j)
{
    return (lw_transaction){ .env = &j->env, .body = j->body, .report = j->report, .tag = j,
                             .out = j->message == NULL ? NULL : &j->out };
}

static void
finish_job(lw_line *l, lw_pool_job *j, const lw_event *ev)
{
    lw_smtp *engine = l->channel.link.engine;
    lw_transaction t = transaction_of(j);

    j->ended_ns = l->worker->now_ns;
    j->report->flights += lw_smtp_flights(engine) - j->flights_before;
    lw_channel_finish(&l->channel, &t);
    l->n_jobs--;
    if (!l->is_proven && pipelining_works(l)) {
        l->is_proven = true;
        l->window = window_of(l);
    } else if (l->is_proven) {
        lw_window_done(&l->window, uv_now(l->worker->loop));
    }
    /* the server's limit is reached, or it loses commands: no more over this one */
    if (ev->code == LW_ELIMIT || lw_channel_lost_commands(&l->channel))
        l->max_given = l->n_given;
    l->has_taken |= lw_pool_job_passed_mail(j);
    hand_back(l, j);
    if (lw_smtp_error(engine)->code >= 0)
        l->n_done++;
}

static void
take_event(lw_line *l, const lw_event *ev)
{
    if (ev->kind != LW_EVENT_RCPT && ev->kind != LW_EVENT_DONE)
        return;
    lw_pool_job_event(ev->tag, ev);
    if (ev->kind == LW_EVENT_DONE)
        finish_job(l, ev->tag, ev);
}

void
lw_line_give(lw_line *l, lw_pool_job *j)
{
    lw_channel *c = &l->channel;
    static const lw_error no_memory = { .code = LW_ENOMEM, .text = "out of memory" };
    uint64_t now_ns = l->worker->now_ns;
    lw_code rc;

    if (LW_NEVER(lw_smtp_room(c->link.engine) == 0)) { /* no reason for a job to end */
        lw_list_push(&l->worker->again_now, &j->node);
        return;
    }
    rc = lw_pool_job_begin(j, &l->worker->setup.opts, now_ns);
    j->is_first_on_line = l->n_given == 0;
    l->n_given++;
    lw_rate_take(l->worker->pool->line_interval_ns, &l->tat_ns,
                 uv_now(l->worker->loop) * 1000000, 1);
    if (rc == LW_OK) {
        lw_transaction t = transaction_of(j);

        rc = lw_channel_submit(c, &t);
    }
    if (rc == LW_OK) {
        j->flights_before = c->is_fresh ? 0 : lw_smtp_flights(c->link.engine);
        c->is_fresh = false;
        j->began_ns = now_ns;
        l->n_jobs++;
        lw_window_given(&l->window, l->n_jobs, uv_now(l->worker->loop));
        return;
    }
    if (rc == LW_ENOMEM)
        lw_pool_job_fail(j, &no_memory, now_ns);
    if (j->report != NULL)
        lw_report_close(j->report, NULL, now_ns);
    lw_list_push(&l->worker->finished, &j->node);
}

static void
count_flights(lw_line *l)
{
    unsigned flights = lw_smtp_flights(l->channel.link.engine);

    l->worker->new_flights += flights - l->flights;
    l->flights = flights;
}

/* LW_AGAIN, or LW_DONE: the session is over and no job is on it */
static lw_code
move_octets(lw_line *l)
{
    lw_event ev;
    lw_code rc;

    while ((rc = lw_link_poll(&l->channel.link, &ev)) == LW_OK)
        take_event(l, &ev);
    count_flights(l);
    return rc;
}

/* ---- coming up -------------------------------------------------------------------------- */

static uint64_t
most_jobs(const lw_line *l)
{
    uint64_t ours = l->worker->pool->opts.max_messages;
    uint32_t theirs = lw_smtp_capabilities(l->channel.link.engine)->mail_max;

    if (ours == 0)
        ours = UINT64_MAX;
    return theirs != 0 && theirs < ours ? theirs : ours;
}

/* false: not yet, or it has failed and is gone */
static bool
come_up(lw_line *l)
{
    lw_error err;
    lw_code rc;

    lw_error_clear(&err);
    rc = lw_channel_step(&l->channel, &err);
    if (rc == LW_AGAIN)
        return false;
    /* a server that ends the session behind its last answer was never up: no job would bear it */
    if (rc == LW_OK && move_octets(l) != LW_AGAIN) {
        rc = lw_channel_lost(&l->channel, &err);
        lw_channel_explain(&l->channel, &err);
    }
    if (rc < 0) {
        fail(l, &err);
        return false;
    }
    l->is_proven = pipelining_works(l);
    l->window = window_of(l);
    l->max_given = most_jobs(l);
    l->up_ms = l->idle_ms = uv_now(l->worker->loop);
    move_to(l, LW_LINE_IDLE);
    lw_worker_came_up(l);
    return true;
}

void
lw_line_open(lw_line *l)
{
    lw_error err;

    lw_error_clear(&err);
    move_to(l, LW_LINE_CONNECTING);
    if (lw_channel_open(&l->channel, &l->worker->setup.urls[l->server], &err) < 0)
        fail(l, &err);
}

/* ---- running ---------------------------------------------------------------------------- */

static bool
should_quit(const lw_line *l)
{
    return l->place == LW_LINE_ENDING && l->n_jobs == 0;
}

void
lw_line_run(lw_line *l)
{
    lw_code rc;

    if (l->place == LW_LINE_CONNECTING && !come_up(l))
        return;
    do
        rc = move_octets(l);
    while (rc == LW_AGAIN && lw_worker_feed(l) > 0);
    if (rc == LW_AGAIN)
        lw_line_settle(l);
    if (rc == LW_AGAIN && should_quit(l)) {
        move_to(l, LW_LINE_QUITTING);
        (void)lw_smtp_quit(l->channel.link.engine);
        rc = move_octets(l);
    }
    if (rc != LW_AGAIN)
        go(l);
}

void
lw_line_end(lw_line *l)
{
    if (l->place == LW_LINE_CONNECTING) {
        lw_worker_is_gone(l);
        free_line(l);
        return;
    }
    if (l->place == LW_LINE_QUITTING)
        return;
    move_to(l, LW_LINE_ENDING);
    lw_line_run(l);
}

void
lw_line_cut(lw_line *l, const char *why)
{
    if (l->place == LW_LINE_CONNECTING) {
        lw_line_end(l);
        return;
    }
    lw_link_fail(&l->channel.link, LW_ECANCELED, why);
    (void)move_octets(l); /* only events are left */
    go(l);
}
