/* SPDX-License-Identifier: MIT */
/*
 * client/link.c - one connection and its engine, moved by blocking calls until something happens
 *
 * Order of work in each turn: events before everything (what they point to dies with the next
 * call of the engine), then input that is at hand, then output, and only then is anybody waited
 * for.  Reading goes on while writing is blocked, so that no pair of full buffers can stop both
 * sides (RFC 2920 3.1).
 *
 * The deadline of the call, that of the engine and the cancel switch end every wait.
 */
#include "client/client_int.h"

#include <stdio.h>

/* ---- life ---------------------------------------------------------------------------------- */

static void
on_timer(uv_timer_t *timer)
{
    (void)timer; /* the wait is over; who waited looks at the time */
}

static void
on_cancel(uv_poll_t *watch, int status, int events)
{
    (void)watch;
    (void)status;
    (void)events;
}

static lw_code
watch_cancel(lw_link *l)
{
    if (l->cancel == NULL)
        return LW_OK;
    if (uv_poll_init(&l->loop, &l->cancel_watch, lw_cancel_fd(l->cancel)) != 0)
        return LW_ENOMEM;
    l->has_cancel_watch = true;
    return uv_poll_start(&l->cancel_watch, UV_READABLE, on_cancel) == 0 ? LW_OK : LW_ENOMEM;
}

lw_code
lw_link_init(lw_link *l, const lw_alloc *alloc, const lw_send_opts *o)
{
    *l = (lw_link){ .alloc = alloc, .cancel = o->cancel, .deadline_ms = UINT64_MAX };
    lw_transcript_init(&l->transcript, o);
    if (uv_loop_init(&l->loop) != 0)
        return LW_ENOMEM;
    l->has_loop = true;
    (void)uv_timer_init(&l->loop, &l->timer);
    if ((l->in = lw_malloc(alloc, LW_LINK_IN_BYTES)) == NULL)
        return LW_ENOMEM;
    return watch_cancel(l);
}

void
lw_link_disconnect(lw_link *l)
{
    lw_transcript_flush(&l->transcript);
    lw_smtp_free(l->engine);
    l->engine = NULL;
    if (l->conn != NULL) {
        lw_conn_shutdown(l->conn);
        lw_conn_close(l->conn);
    }
    l->conn = NULL;
    l->in_at = l->in_len = 0;
    l->is_over = l->is_readable = l->is_write_blocked = false;
}

void
lw_link_deinit(lw_link *l)
{
    lw_link_disconnect(l);
    lw_transcript_deinit(&l->transcript);
    if (l->has_cancel_watch)
        uv_close((uv_handle_t *)&l->cancel_watch, NULL);
    if (l->has_loop) {
        uv_close((uv_handle_t *)&l->timer, NULL);
        uv_run(&l->loop, UV_RUN_DEFAULT); /* only closing is left: it does not wait */
        (void)uv_loop_close(&l->loop);
    }
    if (l->in != NULL)
        lw_wipe(l->in, LW_LINK_IN_BYTES);
    lw_release(l->alloc, l->in);
    l->in = NULL;
    l->has_loop = l->has_cancel_watch = false;
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void
on_conn(void *ctx, lw_conn *conn, lw_conn_event what)
{
    lw_link *l = ctx;

    (void)conn;
    switch (what) {
    case LW_CONN_OPEN:
    case LW_CONN_TLS:
    case LW_CONN_FAILED:
        l->happened = what;
        l->has_happened = true;
        return;
    case LW_CONN_READABLE:
        l->is_readable = true;
        return;
    case LW_CONN_WRITABLE:
        l->is_write_blocked = false;
        return;
    }
}

/* sleeps until something happens or the time has come */
static void
wait_until(lw_link *l, uint64_t at_ms)
{
    uint64_t now = uv_now(&l->loop);

    if (l->deadline_ms < at_ms)
        at_ms = l->deadline_ms;
    if (at_ms != UINT64_MAX)
        (void)uv_timer_start(&l->timer, on_timer, at_ms > now ? at_ms - now : 0, 0);
    (void)uv_run(&l->loop, UV_RUN_ONCE);
    (void)uv_timer_stop(&l->timer);
}

static bool
is_canceled(const lw_link *l)
{
    return lw_cancel_is_set(l->cancel);
}

static bool
is_late(const lw_link *l)
{
    return uv_now(&l->loop) >= l->deadline_ms;
}

static lw_code
fail_canceled(lw_error *err, lw_stage stage)
{
    return lw_fail(err, LW_ECANCELED, stage, "canceled");
}

/* for OPEN, TLS or FAILED; the connection's own time-outs end it too */
static lw_code
wait_for_conn(lw_link *l, lw_stage stage, lw_error *err)
{
    l->has_happened = false;
    while (!l->has_happened) {
        if (is_canceled(l))
            return fail_canceled(err, stage);
        if (is_late(l)) {
            lw_fail(err, LW_ETIMEOUT, stage, "the time allowed was over before %s was done",
                    stage == LW_STAGE_TLS ? "the TLS handshake" : "connecting");
            err->retry = LW_RETRY_LATER;
            return LW_ETIMEOUT;
        }
        wait_until(l, UINT64_MAX);
    }
    if (l->happened != LW_CONN_FAILED)
        return LW_OK;
    *err = *lw_conn_error(l->conn);
    return err->code;
}

/* ---- connecting ---------------------------------------------------------------------------------- */

static void
note_tls(lw_link *l)
{
    const lw_tls_facts *f = lw_conn_tls_facts(l->conn);

    lw_transcript_note(&l->transcript, "%s, %s, %s%s%s", f->version, f->cipher,
                       f->verified ? "certificate verified" : "certificate NOT verified",
                       f->problem != NULL ? ": " : "", f->problem != NULL ? f->problem : "");
}

static void
note_connected(lw_link *l)
{
    if (lw_conn_port(l->conn) != 0)
        lw_transcript_note(&l->transcript, "connected to %s port %u",
                           lw_conn_address(l->conn), lw_conn_port(l->conn));
    else
        lw_transcript_note(&l->transcript, "connected to %s", lw_conn_address(l->conn));
}

/* [RFC5321 4.1.1.1] "the client SHOULD send an address literal" where it has no name */
static void
hello_literal(const lw_link *l, char *dst, size_t cap)
{
    const char *address = lw_conn_local_address(l->conn);

    if (address[0] == '\0' || address[0] == '/')
        snprintf(dst, cap, "localhost");
    else
        snprintf(dst, cap, strchr(address, ':') != NULL ? "[IPv6:%s]" : "[%s]", address);
}

static lw_code
make_engine(lw_link *l, const lw_smtp_opts *how, bool has_tls, lw_error *err)
{
    char literal[80];
    lw_smtp_opts opts = *how;
    lw_code rc;

    if (opts.ehlo_name == NULL) {
        hello_literal(l, literal, sizeof literal);
        opts.ehlo_name = literal;
    }
    if ((rc = lw_smtp_new(&opts, uv_now(&l->loop), &l->engine)) < 0)
        return lw_fail(err, rc == LW_EUSAGE ? LW_ECONFIG : rc, LW_STAGE_NONE, "%s",
                       rc == LW_EUSAGE ? "the EHLO name or a limit is malformed"
                                       : lw_code_text(rc));
    return has_tls ? lw_smtp_tls_done(l->engine) : LW_OK;
}

lw_code
lw_link_connect(lw_link *l, const lw_conn_opts *where, const lw_smtp_opts *how, lw_error *err)
{
    lw_code rc;

    lw_link_disconnect(l);
    l->n_first = 0;
    uv_update_time(&l->loop);
    if ((rc = lw_conn_open(&l->loop, where, on_conn, l, &l->conn, err)) < 0)
        return rc;
    if ((rc = wait_for_conn(l, LW_STAGE_CONNECT, err)) < 0)
        return rc;
    note_connected(l);
    if (where->implicit_tls)
        note_tls(l);
    if ((rc = make_engine(l, how, where->implicit_tls, err)) < 0)
        return rc;
    lw_conn_watch(l->conn, true, false);
    return LW_OK;
}

lw_code
lw_link_start_tls(lw_link *l, lw_tls_ctx *ctx, const char *host, lw_error *err)
{
    lw_code rc = lw_conn_start_tls(l->conn, ctx, false, host, err);

    if (rc >= 0)
        rc = wait_for_conn(l, LW_STAGE_TLS, err);
    if (rc < 0) {
        l->is_over = true;
        lw_smtp_fail(l->engine, rc, err->text);
        return rc;
    }
    note_tls(l);
    l->is_write_blocked = false;
    lw_conn_watch(l->conn, true, false);
    return lw_smtp_tls_done(l->engine);
}

/* ---- moving octets --------------------------------------------------------------------------------- */

static void
lost(lw_link *l)
{
    const lw_error *e = lw_conn_error(l->conn);

    l->is_over = true;
    lw_transcript_flush(&l->transcript);
    lw_transcript_note(&l->transcript, "%s",
                       e->code < 0 ? e->text : "the server closed the connection");
    if (e->code < 0)
        lw_smtp_fail(l->engine, e->code, e->text);
    else
        (void)lw_smtp_eof(l->engine);
}

static void
remember_first(lw_link *l, lw_span s)
{
    for (size_t i = 0; i < s.len && l->n_first < sizeof l->first; i++)
        l->first[l->n_first++] = (unsigned char)s.ptr[i];
}

static void
read_some(lw_link *l)
{
    lw_code rc = lw_conn_read(l->conn, l->in, LW_LINK_IN_BYTES, &l->in_len);

    l->in_at = 0;
    l->is_readable = rc == LW_OK && l->in_len == LW_LINK_IN_BYTES;
    if (rc == LW_OK) {
        remember_first(l, (lw_span){ l->in, l->in_len });
        lw_transcript_came(&l->transcript, (lw_span){ l->in, l->in_len });
        return;
    }
    l->in_len = 0;
    if (rc != LW_AGAIN)
        lost(l);
}

static void
write_some(lw_link *l)
{
    lw_slice v[LW_LINK_SLICES];
    int count = lw_smtp_out(l->engine, v, LW_LINK_SLICES);
    size_t n = 0;
    lw_code rc;

    if (count == 0)
        return;
    rc = lw_conn_write(l->conn, v, count, &n);
    if (rc < 0) {
        lost(l);
        return;
    }
    l->is_write_blocked = rc == LW_AGAIN;
    if (rc != LW_OK)
        return;
    lw_transcript_sent(&l->transcript, v, count, n);
    lw_smtp_sent(l->engine, n);
}

static void
feed_some(lw_link *l)
{
    size_t used = 0;
    lw_code rc = lw_smtp_feed(l->engine, l->in + l->in_at, l->in_len - l->in_at, &used);

    l->in_at += used;
    if (rc < 0 || l->in_at == l->in_len)
        l->in_at = l->in_len = 0; /* what follows an error is of no use */
}

/* the reasons to give up that are neither the server's nor the network's */
static void
check_time_and_cancel(lw_link *l)
{
    if (is_canceled(l))
        lw_smtp_fail(l->engine, LW_ECANCELED, "canceled");
    else if (is_late(l))
        lw_smtp_fail(l->engine, LW_ETIMEOUT, "the time allowed was over");
    else
        (void)lw_smtp_tick(l->engine, uv_now(&l->loop));
}

static void
wait_for_peer(lw_link *l)
{
    lw_conn_watch(l->conn, true, l->is_write_blocked);
    wait_until(l, lw_smtp_deadline(l->engine));
    check_time_and_cancel(l);
}

/* one step of moving; what it brings shows in lw_smtp_want() */
static void
step(lw_link *l, unsigned want)
{
    if (l->in_at < l->in_len)
        feed_some(l);
    else if (l->is_readable && (want & LW_WANT_READ))
        read_some(l);
    else if ((want & LW_WANT_WRITE) && !l->is_write_blocked)
        write_some(l);
    else
        wait_for_peer(l);
}

lw_code
lw_link_next(lw_link *l, lw_event *ev)
{
    for (;;) {
        unsigned want = lw_smtp_want(l->engine);

        if (want & LW_WANT_EVENT)
            return lw_smtp_next(l->engine, ev);
        if (want == 0)
            return LW_DONE;
        if (want & (LW_WANT_CALLER | LW_WANT_TLS))
            return LW_AGAIN;
        step(l, want);
    }
}

bool
lw_link_is_alive(lw_link *l)
{
    if (l->engine == NULL || l->is_over)
        return false;
    if (l->in_at == l->in_len) {
        l->is_readable = false;
        read_some(l);
    }
    uv_update_time(&l->loop);
    return !l->is_over && l->in_len == 0;
}
