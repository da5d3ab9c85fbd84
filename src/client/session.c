/* SPDX-License-Identifier: MIT */
/*
 * client/session.c - the blocking calls' session: servers in order, waiting, time and cancel
 *
 * It owns a loop and one channel, and runs the loop until the channel has something.  Three
 * things end every wait: the channel, the time of the call, and the cancel switch.
 */
#include "client/client_int.h"

#include <stdio.h>

/* ---- making ----------------------------------------------------------------------------------- */

/* UV_RUN_ONCE runs the timers that are due before it polls: without this the poll would wait though
 * what it waits for has come, and nothing else may ever come.  Who waited looks at the time. */
static void
on_timer(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

/* the same for what the channel hears */
static void
on_wake(void *ctx)
{
    lw_session *s = ctx;

    uv_stop(&s->loop);
}

static void
on_cancel(uv_poll_t *watch, int status, int events)
{
    (void)watch;
    (void)status;
    (void)events;
}

static lw_code
watch_cancel(lw_session *s, const lw_cancel *cancel)
{
    if (cancel == NULL)
        return LW_OK;
    if (uv_poll_init(&s->loop, &s->cancel_watch, lw_cancel_fd(cancel)) != 0)
        return LW_ENOMEM;
    s->has_cancel_watch = true;
    return uv_poll_start(&s->cancel_watch, UV_READABLE, on_cancel) == 0 ? LW_OK : LW_ENOMEM;
}

static lw_code
make_loop(lw_session *s, const lw_cancel *cancel, lw_error *err)
{
    if (lw_loop_init(&s->loop) < 0)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "out of memory or descriptors");
    s->has_loop = true;
    (void)uv_timer_init(&s->loop, &s->timer);
    if (lw_channel_init(&s->channel, &s->setup, &s->loop, &s->transcript) < 0 ||
        watch_cancel(s, cancel) < 0)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "out of memory or descriptors");
    s->channel.link.wake = on_wake;
    s->channel.link.ctx = s;
    return LW_OK;
}

lw_code
lw_session_new(const lw_send_opts *opts, lw_session **out, lw_error *err)
{
    lw_send_opts o;
    lw_session *s;
    lw_code rc;

    *out = NULL;
    if ((rc = lw_setup_opts(&o, opts, err)) < 0)
        return rc;
    if ((s = lw_zalloc(lw_alloc_or_default(o.alloc), sizeof *s)) == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "out of memory");
    s->alloc = *lw_alloc_or_default(o.alloc);
    s->deadline_ms = UINT64_MAX;
    s->setup.max_transactions = 1;
    lw_transcript_init(&s->transcript, &s->alloc, &o);
    if ((rc = lw_setup_init(&s->setup, &s->alloc, &o, err)) < 0 ||
        (rc = make_loop(s, o.cancel, err)) < 0) {
        lw_session_close(s);
        return rc;
    }
    *out = s;
    return LW_OK;
}

void
lw_session_begin_call(lw_session *s)
{
    uint64_t limit = s->setup.opts.timeout_ms, now;

    uv_update_time(&s->loop);
    now = uv_now(&s->loop);
    s->deadline_ms = limit == 0 || limit > UINT64_MAX - now ? UINT64_MAX : now + limit;
    lw_link_tell_time(&s->channel.link);
}

const lw_server_facts *
lw_session_server(const lw_session *s)
{
    return s == NULL ? NULL : &s->channel.facts;
}

lw_smtp *
lw_session_engine(const lw_session *s)
{
    return s->channel.link.engine;
}

/* ---- waiting ------------------------------------------------------------------------------------ */

/* LW_OK, or why the call must not go on: then the engine knows it too */
static lw_code
run_loop(lw_session *s, lw_error *err)
{
    const lw_cancel *cancel = s->setup.opts.cancel;
    uint64_t now = uv_now(&s->loop);

    if (s->deadline_ms != UINT64_MAX)
        (void)uv_timer_start(&s->timer, on_timer, s->deadline_ms > now ? s->deadline_ms - now : 0,
                             0);
    if (!lw_cancel_is_set(cancel))
        (void)uv_run(&s->loop, UV_RUN_ONCE);
    (void)uv_timer_stop(&s->timer);
    if (lw_cancel_is_set(cancel))
        lw_fail(err, LW_ECANCELED, LW_STAGE_CONNECT, "canceled");
    else if (uv_now(&s->loop) >= s->deadline_ms)
        lw_fail(err, LW_ETIMEOUT, LW_STAGE_CONNECT, "the time allowed was over");
    else
        return LW_OK;
    err->retry = LW_RETRY_LATER;
    lw_link_fail(&s->channel.link, err->code, err->text);
    return err->code;
}

/* an engine that was ended knows at which stage; without one it was connecting, or TLS */
static lw_code
ended(lw_session *s, lw_error *err)
{
    lw_channel *c = &s->channel;
    lw_stage stage = c->phase == LW_CHANNEL_HANDSHAKE ? LW_STAGE_TLS : LW_STAGE_CONNECT;
    lw_code code = err->code;
    char name[300];

    if (c->link.engine != NULL && c->phase != LW_CHANNEL_HANDSHAKE) {
        (void)lw_channel_lost(c, err);
        lw_channel_explain(c, err);
        return err->code;
    }
    lw_channel_name(c, name, sizeof name);
    lw_fail(err, code, stage, "%s: %s before %s was done", name,
            code == LW_ECANCELED ? "canceled" : "the time allowed was over",
            stage == LW_STAGE_TLS ? "the TLS handshake" : "connecting");
    err->retry = LW_RETRY_LATER;
    return code;
}

lw_code
lw_session_settle(lw_session *s, lw_error *err)
{
    lw_code rc;

    while ((rc = lw_channel_step(&s->channel, err)) == LW_AGAIN)
        if (run_loop(s, err) < 0)
            return ended(s, err);
    return rc;
}

lw_code
lw_session_next(lw_session *s, lw_event *ev)
{
    lw_link *l = &s->channel.link;
    lw_error err;
    lw_code rc;

    if (l->engine == NULL)
        return LW_DONE;
    while ((rc = lw_link_poll(l, ev)) == LW_AGAIN && !lw_link_is_idle(l))
        (void)run_loop(s, &err); /* if it must not go on, the engine tells */
    return rc;
}

/* ---- servers in order -------------------------------------------------------------------------------- */

static lw_code
attempt(lw_session *s, const lw_url *url, lw_error *err)
{
    lw_code rc = lw_channel_open(&s->channel, url, err);

    return rc < 0 ? rc : lw_session_settle(s, err);
}

static void
note_failure(lw_session *s, const lw_error *err)
{
    lw_transcript_note(&s->transcript, "%s", err->text);
    s->skipped = *err;
    lw_channel_name(&s->channel, s->skipped_name, sizeof s->skipped_name);
}

lw_code
lw_session_connect(lw_session *s, lw_error *err)
{
    lw_code rc = LW_ECONFIG;

    lw_error_clear(&s->skipped);
    for (size_t i = 0; i < s->setup.n_urls; i++) {
        if ((rc = attempt(s, &s->setup.urls[i], err)) >= 0)
            return LW_OK;
        lw_session_hang_up(s);
        if (!lw_result_other_host(err) || i + 1 == s->setup.n_urls)
            return rc;
        note_failure(s, err);
    }
    return rc;
}

lw_code
lw_session_open(const lw_send_opts *opts, lw_session **out, lw_error *err)
{
    lw_error own;
    lw_code rc;

    err = err == NULL ? &own : err;
    lw_error_clear(err);
    if (out == NULL)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_NONE, "there is nowhere to put the session");
    if ((rc = lw_session_new(opts, out, err)) < 0)
        return rc;
    lw_session_begin_call(*out);
    if ((rc = lw_session_connect(*out, err)) >= 0)
        return LW_OK;
    lw_session_close(*out);
    *out = NULL;
    return rc;
}

/* ---- the end ---------------------------------------------------------------------------------------- */

void
lw_session_hang_up(lw_session *s)
{
    lw_channel *c = &s->channel;
    lw_event ev;

    if (c->link.engine != NULL && !c->link.is_over && lw_smtp_quit(c->link.engine) == LW_OK)
        while (lw_session_next(s, &ev) == LW_OK)
            ;
    if (c->setup != NULL)
        lw_channel_close(c);
}

void
lw_session_close(lw_session *s)
{
    lw_alloc alloc;

    if (s == NULL)
        return;
    alloc = s->alloc;
    if (s->has_loop) {
        s->deadline_ms = UINT64_MAX; /* that of the last call has nothing to say here */
        lw_session_hang_up(s);
        lw_channel_deinit(&s->channel);
        if (s->has_cancel_watch)
            uv_close((uv_handle_t *)&s->cancel_watch, NULL);
        uv_close((uv_handle_t *)&s->timer, NULL);
        while (uv_run(&s->loop, UV_RUN_DEFAULT) != 0)
            ; /* only closing is left: it does not wait */
        (void)uv_loop_close(&s->loop);
    }
    lw_transcript_deinit(&s->transcript);
    lw_setup_deinit(&s->setup);
    lw_release(&alloc, s);
}
