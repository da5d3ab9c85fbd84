/* SPDX-License-Identifier: MIT */
/*
 * sink/sink.c - the life of a capture server: open, run or start, stop, free
 *
 * States: opened (listening, nobody serves) -> used (lw_sink_run or the thread is in the
 * loop) -> stopped.  Stopping closes every handle; the loop ends because none is left.
 * lw_sink_stop() and lw_sink_finish() may come from other threads: each sends one uv_async_t.
 */
#include "sink/sink_int.h"

static void
sweep(uv_timer_t *timer)
{
    lw_sink *s = timer->data;
    lw_sink_session *next;
    uint64_t now = uv_now(&s->loop);

    for (lw_sink_session *c = s->sessions; c != NULL; c = next) {
        next = c->next;
        lw_sink_session_sweep(c, now);
    }
}

static void
close_listener(lw_sink *s)
{
    if (s->listener != NULL)
        lw_listener_close(s->listener);
    s->listener = NULL;
}

/* 421 if the socket takes it at once: a client should not have to guess */
static void
say_goodbye(lw_sink_session *c)
{
    lw_slice v[8];
    size_t n;
    int count;

    if (c->engine == NULL || c->phase != LW_SINK_TALK)
        return;
    lw_smtp_server_close(c->engine, "shutting down");
    count = lw_smtp_server_out(c->engine, v, LW_COUNT(v));
    if (count > 0 && lw_conn_write(c->conn, v, count, &n) == LW_OK)
        lw_smtp_server_sent(c->engine, n);
}

static void
shut_down(lw_sink *s)
{
    if (s->is_stopping)
        return;
    s->is_stopping = true;
    close_listener(s);
    while (s->sessions != NULL) {
        say_goodbye(s->sessions);
        lw_sink_session_end(s->sessions);
    }
    uv_close((uv_handle_t *) &s->sweep, NULL);
    uv_close((uv_handle_t *) &s->stop, NULL);
    uv_close((uv_handle_t *) &s->finish, NULL);
}

static void
on_stop(uv_async_t *async)
{
    shut_down(async->data);
}

static void
on_finish(uv_async_t *async)
{
    lw_sink *s = async->data;

    if (s->is_stopping || s->is_finishing)
        return;
    s->is_finishing = true;
    s->finish_deadline = uv_now(&s->loop) + SINK_FINISH_MS;
    close_listener(s);
    lw_sink_session_gone(s);
}

void
lw_sink_session_gone(lw_sink *s)
{
    if (s->is_finishing && s->n_sessions == 0)
        shut_down(s);
}

static int
open_asyncs(lw_sink *s)
{
    int rc = uv_async_init(&s->loop, &s->stop, on_stop);

    if (rc != 0)
        return rc;
    if ((rc = uv_async_init(&s->loop, &s->finish, on_finish)) == 0)
        return 0;
    uv_close((uv_handle_t *) &s->stop, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    return rc;
}

static lw_code
open_loop(lw_sink *s, lw_error *err)
{
    int rc;

    if (lw_loop_init(&s->loop) < 0)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE,
                       "the event loop cannot be made: out of memory or descriptors");
    if ((rc = open_asyncs(s)) != 0) {
        uv_loop_close(&s->loop);
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "the event loop cannot be made: %s",
                       uv_strerror(rc));
    }
    uv_timer_init(&s->loop, &s->sweep);
    s->stop.data = s->finish.data = s->sweep.data = s;
    uv_timer_start(&s->sweep, sweep, SINK_SWEEP_MS, SINK_SWEEP_MS);
    s->has_loop = true;
    return LW_OK;
}

static lw_code
keep_address(lw_sink *s, lw_error *err)
{
    s->port = lw_listener_port(s->listener);
    s->address = lw_strdup(s->alloc, lw_listener_address(s->listener));
    s->has_lock = uv_mutex_init(&s->join_lock) == 0;
    if (s->address == NULL || !s->has_lock)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "out of memory");
    return LW_OK;
}

lw_code
lw_sink_open(const lw_sink_opts *opts, lw_sink **out, lw_error *err)
{
    const lw_alloc *alloc;
    lw_sink_opts o;
    lw_sink *s;
    lw_code rc;

    lw_error_clear(err);
    if (out == NULL)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_NONE, "there is nowhere to put the server");
    *out = NULL;
    if ((rc = lw_opts_copy(&o, sizeof o, opts)) < 0)
        return lw_fail(err, rc, LW_STAGE_NONE, "lw_sink_opts was not set by lw_sink_opts_init()");
    alloc = lw_alloc_or_default(o.alloc);
    if ((s = lw_zalloc(alloc, sizeof *s)) == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "out of memory");
    s->alloc_copy = *alloc;
    s->alloc = &s->alloc_copy;
    if ((rc = lw_sink_configure(s, &o, err)) < 0)
        goto out;
    if (s->opts.save_dir != NULL && (rc = lw_sink_save_check(s, err)) < 0)
        goto out;
    if (s->opts.starttls || s->opts.implicit_tls) {
        rc = lw_tls_server_new(s->alloc, s->opts.name, s->opts.cert_file,
                               s->opts.key_file, &s->tls, err);
        if (rc < 0)
            goto out;
    }
    if ((rc = open_loop(s, err)) < 0)
        goto out;
    rc = lw_listener_open(&s->loop, s->alloc, s->opts.listen, lw_sink_accept, s,
                          &s->listener, err);
    if (rc < 0 || (rc = keep_address(s, err)) < 0)
        goto out;
    *out = s;
    s = NULL;
out:
    lw_sink_free(s);
    return rc;
}

/* copies of the listener's: that one is closed on the loop's thread */
uint16_t
lw_sink_port(const lw_sink *s)
{
    return s == NULL ? 0 : s->port;
}

const char *
lw_sink_address(const lw_sink *s)
{
    return s == NULL || s->address == NULL ? "" : s->address;
}

const char *
lw_sink_certificate(const lw_sink *s)
{
    return s == NULL || s->tls == NULL ? NULL : lw_tls_ctx_pem(s->tls);
}

lw_code
lw_sink_run(lw_sink *s)
{
    if (s == NULL || s->is_used)
        return LW_EUSAGE;
    s->is_used = true;
    uv_run(&s->loop, UV_RUN_DEFAULT);
    return LW_OK;
}

static void
thread_main(void *arg)
{
    lw_sink *s = arg;

    uv_run(&s->loop, UV_RUN_DEFAULT);
}

lw_code
lw_sink_start(lw_sink *s)
{
    if (s == NULL || s->is_used)
        return LW_EUSAGE;
    if (uv_thread_create(&s->thread, thread_main, s) != 0)
        return LW_ENOMEM;
    s->is_used = s->has_thread = true;
    return LW_OK;
}

void
lw_sink_stop(lw_sink *s)
{
    uv_thread_t self;

    if (s == NULL)
        return;
    uv_async_send(&s->stop);
    if (!s->has_thread) /* lw_sink_run: no lock in a signal handler */
        return;
    self = uv_thread_self();
    if (uv_thread_equal(&self, &s->thread))
        return; /* from a callback: lw_sink_free() joins */
    uv_mutex_lock(&s->join_lock); /* one of several joins, the others wait for it */
    if (!s->is_joined)
        uv_thread_join(&s->thread);
    s->is_joined = true;
    uv_mutex_unlock(&s->join_lock);
}

void
lw_sink_finish(lw_sink *s)
{
    if (s != NULL)
        uv_async_send(&s->finish);
}

void
lw_sink_free(lw_sink *s)
{
    lw_alloc alloc;

    if (s == NULL)
        return;
    alloc = s->alloc_copy; /* it is needed to free what holds it */
    if (s->has_thread)
        lw_sink_stop(s);
    if (s->has_loop) {
        shut_down(s);
        uv_run(&s->loop, UV_RUN_DEFAULT);
        uv_loop_close(&s->loop);
    }
    if (s->has_lock)
        uv_mutex_destroy(&s->join_lock);
    lw_tls_ctx_free(s->tls);
    lw_sink_deconfigure(s);
    lw_release(&alloc, s->address);
    lw_release(&alloc, s);
}
