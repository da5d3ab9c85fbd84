/* SPDX-License-Identifier: MIT */
/*
 * sink/session.c - one connection: moves octets between its lw_conn and its engine
 *
 * lw_sink_pump() goes round until nothing can be done: events first (what they point to dies
 * with the next call), then input that was held back, then output, then the socket.  The
 * engine stops wanting input while its output is full, so a peer that does not read its
 * replies stops us from reading: memory stays bounded.
 */
#include "sink/sink_int.h"

#include <stdio.h>
#include <unistd.h>

#define READS_PER_TURN 16 /* then other connections get their turn */

void
lw_sink_note(lw_sink_session *c, const char *fmt, ...)
{
    char raw[512], line[600];
    va_list ap;
    int n;

    if (c->sink->opts.on_note == NULL)
        return;
    n = snprintf(raw, sizeof raw, "%s: ", c->peer);
    va_start(ap, fmt);
    vsnprintf(raw + n, sizeof raw - (size_t) n, fmt, ap);
    va_end(ap);
    lw_print_safe(line, sizeof line, lw_span_str(raw));
    c->sink->opts.on_note(c->sink->opts.ctx, line);
}

void
lw_sink_session_end(lw_sink_session *c)
{
    lw_sink *s = c->sink;

    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        s->sessions = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    s->n_sessions--;
    lw_sink_mail_reset(c);
    lw_buf_deinit(&c->mail.data);
    lw_sink_login_reset(c);
    lw_smtp_server_free(c->engine);
    if (c->conn != NULL)
        lw_conn_close(c->conn);
    lw_release(s->alloc, c->held);
    lw_release(s->alloc, c->auth_user);
    lw_release(s->alloc, c->hello);
    lw_release(s->alloc, c->peer);
    lw_release(s->alloc, c);
    lw_sink_session_gone(s);
}

/* Everything is said.  Closing at once could destroy our last reply: octets of the peer that
 * nobody has read make the kernel send a reset.  So the end is announced and awaited. */
static void
linger(lw_sink_session *c)
{
    lw_conn_shutdown(c->conn);
    c->phase = LW_SINK_LINGER;
    c->phase_deadline = uv_now(&c->sink->loop) + SINK_LINGER_MS;
    lw_conn_watch(c->conn, true, false);
}

static void
drop_input(lw_sink_session *c)
{
    size_t n;
    lw_code rc = LW_OK;

    for (int i = 0; i < READS_PER_TURN && rc == LW_OK; i++)
        rc = lw_conn_read(c->conn, c->sink->read_buf, SINK_READ_BYTES, &n);
    if (rc != LW_OK && rc != LW_AGAIN)
        lw_sink_session_end(c);
}

static void
start_tls(lw_sink_session *c)
{
    lw_error err;

    c->phase = LW_SINK_HANDSHAKE;
    c->phase_deadline = uv_now(&c->sink->loop) + SINK_HANDSHAKE_MS;
    lw_conn_watch(c->conn, false, false);
    if (lw_conn_start_tls(c->conn, c->sink->tls, true, NULL, &err) < 0) {
        lw_sink_note(c, "TLS cannot be started: %s", err.text);
        c->phase_deadline = 0; /* ended by the next sweep: callers still hold c */
    }
}

/* The connection is lost: the engine is told, what it still says is taken and forgotten. */
static void
lost(lw_sink_session *c)
{
    lw_server_event ev;

    (void) lw_smtp_server_eof(c->engine);
    while (lw_smtp_server_next(c->engine, &ev) == LW_OK) {
        if (ev.kind == LW_SERVER_CLOSED && ev.code < 0)
            lw_sink_note(c, "connection lost: %s", lw_code_text(ev.code));
    }
    lw_sink_session_end(c);
}

typedef enum step { IDLE, MOVED, GONE } step; /* GONE: the session is freed */

static step
handle_event(lw_sink_session *c)
{
    lw_server_event ev;

    if (lw_smtp_server_next(c->engine, &ev) != LW_OK)
        return IDLE;
    if (ev.kind == LW_SERVER_START_TLS)
        start_tls(c);
    else
        lw_sink_decide(c, &ev);
    return MOVED;
}

/* gives input to the engine; what it does not take now is kept in c->held */
static step
feed(lw_sink_session *c, const char *p, size_t n, bool is_held)
{
    size_t used = 0;
    lw_code rc = lw_smtp_server_feed(c->engine, p, n, &used);

    if (is_held)
        c->held_at += used;
    if (rc < 0) {
        lw_sink_note(c, "%s", lw_code_text(rc));
        c->held_at = c->held_len;
        return MOVED; /* the engine says the rest by events */
    }
    return used > 0 ? MOVED : IDLE;
}

static step
feed_held(lw_sink_session *c)
{
    step done = feed(c, c->held + c->held_at, c->held_len - c->held_at, true);

    if (c->held_at == c->held_len && !(lw_smtp_server_want(c->engine) & LW_WANT_EVENT)) {
        lw_release(c->sink->alloc, c->held);
        c->held = NULL;
        c->held_len = c->held_at = 0;
    }
    return done;
}

static step
write_out(lw_sink_session *c)
{
    lw_slice v[16];
    size_t n = 0;
    int count = lw_smtp_server_out(c->engine, v, LW_COUNT(v));
    lw_code rc;

    if (count == 0)
        return IDLE;
    rc = lw_conn_write(c->conn, v, count, &n);
    if (rc < 0) {
        lost(c);
        return GONE;
    }
    c->is_write_blocked = rc == LW_AGAIN;
    if (rc != LW_OK)
        return IDLE;
    lw_smtp_server_sent(c->engine, n);
    return MOVED;
}

/* takes the events that wait; false when there was none */
static bool
drain_events(lw_sink_session *c)
{
    bool any = false;

    while (c->phase == LW_SINK_TALK && (lw_smtp_server_want(c->engine) & LW_WANT_EVENT)
           && handle_event(c) == MOVED)
        any = true;
    return any;
}

/* feeds what was read, events in between; the rest is held */
static step
take_input(lw_sink_session *c, const char *p, size_t n)
{
    size_t used = 0, at = 0;
    bool is_moving = true;

    while (at < n && is_moving && c->phase == LW_SINK_TALK) {
        lw_code rc = lw_smtp_server_feed(c->engine, p + at, n - at, &used);

        at += used;
        if (rc < 0) {
            lw_sink_note(c, "%s", lw_code_text(rc));
            return MOVED; /* the engine says the rest by events */
        }
        is_moving = drain_events(c) || used > 0;
    }
    if (at == n)
        return MOVED;
    if ((c->held = lw_malloc(c->sink->alloc, n - at)) == NULL) {
        lost(c);
        return GONE;
    }
    memcpy(c->held, p + at, n - at);
    c->held_len = n - at;
    c->held_at = 0;
    return MOVED;
}

static step
read_in(lw_sink_session *c)
{
    size_t n = 0;
    lw_code rc = lw_conn_read(c->conn, c->sink->read_buf, SINK_READ_BYTES, &n);

    if (rc == LW_AGAIN)
        return IDLE;
    if (rc == LW_OK)
        return take_input(c, c->sink->read_buf, n);
    lost(c);
    return GONE;
}

static step
one_step(lw_sink_session *c, unsigned want, unsigned *reads)
{
    step done = IDLE;

    if (want & LW_WANT_EVENT)
        return handle_event(c);
    if ((want & LW_WANT_READ) && c->held != NULL)
        done = feed_held(c);
    if (done == IDLE && (want & LW_WANT_WRITE) && !c->is_write_blocked)
        done = write_out(c);
    if (done == IDLE && (want & LW_WANT_READ) && c->held == NULL && *reads > 0) {
        --*reads;
        done = read_in(c);
    }
    return done;
}

void
lw_sink_pump(lw_sink_session *c)
{
    unsigned want, reads = READS_PER_TURN;
    step done;

    (void) lw_smtp_server_tick(c->engine, uv_now(&c->sink->loop));
    for (;;) {
        if (c->phase == LW_SINK_HANDSHAKE)
            return;
        if ((want = lw_smtp_server_want(c->engine)) == 0) {
            linger(c);
            return;
        }
        done = one_step(c, want, &reads);
        if (done == GONE)
            return;
        if (done == IDLE)
            break;
    }
    lw_conn_watch(c->conn, (want & LW_WANT_READ) && c->held == NULL,
                  c->is_write_blocked);
}

/* ---- the beginning of a connection ------------------------------------------------------ */

static lw_code
make_engine(lw_sink_session *c, bool tls_active)
{
    lw_smtp_server_opts opts = c->sink->engine_opts;

    opts.tls_active = tls_active;
    return lw_smtp_server_new(&opts, uv_now(&c->sink->loop), &c->engine);
}

static void
tls_is_up(lw_sink_session *c)
{
    const lw_tls_facts *facts = lw_conn_tls_facts(c->conn);
    lw_code rc;

    lw_sink_note(c, "%s, %s", facts->version, facts->cipher);
    if (c->engine == NULL)
        rc = make_engine(c, true);
    else
        rc = lw_smtp_server_tls_done(c->engine);
    if (rc < 0) {
        lw_sink_note(c, "%s", lw_code_text(rc));
        lw_sink_session_end(c);
        return;
    }
    c->phase = LW_SINK_TALK;
    lw_sink_pump(c);
}

static void
on_conn(void *ctx, lw_conn *conn, lw_conn_event what)
{
    lw_sink_session *c = ctx;

    switch (what) {
    case LW_CONN_TLS:
        tls_is_up(c);
        return;
    case LW_CONN_FAILED:
        lw_sink_note(c, "%s", lw_conn_error(conn)->text);
        lw_sink_session_end(c);
        return;
    case LW_CONN_WRITABLE:
        c->is_write_blocked = false;
        break;
    case LW_CONN_OPEN:
    case LW_CONN_READABLE:
        break;
    }
    if (c->phase == LW_SINK_LINGER)
        drop_input(c);
    else if (c->phase == LW_SINK_TALK)
        lw_sink_pump(c);
}

static lw_sink_session *
new_session(lw_sink *s, const char *peer)
{
    lw_sink_session *c = lw_zalloc(s->alloc, sizeof *c);

    if (c == NULL)
        return NULL;
    c->sink = s;
    c->phase = LW_SINK_TALK;
    lw_buf_init(&c->mail.data, s->alloc, (size_t) s->opts.size_max);
    if ((c->peer = lw_strdup(s->alloc, peer)) == NULL) {
        lw_release(s->alloc, c);
        return NULL;
    }
    if ((c->next = s->sessions) != NULL)
        c->next->prev = c;
    s->sessions = c;
    s->n_sessions++;
    return c;
}

void
lw_sink_accept(void *sink, int fd, const char *peer)
{
    lw_sink *s = sink;
    lw_sink_session *c = new_session(s, peer);

    if (c == NULL) {
        close(fd);
        return;
    }
    c->is_refused = s->n_sessions > s->opts.max_connections;
    if (lw_conn_adopt(&s->loop, s->alloc, fd, on_conn, c, &c->conn) < 0) {
        close(fd);
        lw_sink_session_end(c);
        return;
    }
    lw_sink_note(c, "connected");
    if (s->opts.implicit_tls) {
        start_tls(c);
        return;
    }
    if (make_engine(c, false) < 0) {
        lw_sink_note(c, "out of memory");
        lw_sink_session_end(c);
        return;
    }
    lw_sink_pump(c);
}

void
lw_sink_session_sweep(lw_sink_session *c, uint64_t now_ms)
{
    switch (c->phase) {
    case LW_SINK_HANDSHAKE:
        if (now_ms < c->phase_deadline)
            return;
        if (c->phase_deadline > 0)
            lw_sink_note(c, "the TLS handshake took too long");
        lw_sink_session_end(c);
        return;
    case LW_SINK_LINGER:
        if (now_ms >= c->phase_deadline)
            lw_sink_session_end(c);
        return;
    case LW_SINK_TALK:
        if (c->sink->is_finishing && now_ms >= c->sink->finish_deadline)
            lw_smtp_server_close(c->engine, "shutting down");
        else if (lw_smtp_server_deadline(c->engine) > now_ms)
            return;
        lw_sink_pump(c); /* it tells the time first */
        return;
    }
}
