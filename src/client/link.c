/* SPDX-License-Identifier: MIT */
/*
 * client/link.c - one connection and its engine on a loop: octets in both directions
 *
 * Order of work: events before everything (what they point to dies with the next call of the
 * engine), then input that is at hand, then output; when neither moves, the owner's loop must
 * run.  Reading goes on while writing is blocked, so that no pair of full buffers can stop both
 * sides (RFC 2920 3.1).
 */
#include "client/client_int.h"

#include <stdio.h>

/* ---- life ---------------------------------------------------------------------------------- */

lw_code
lw_link_init(lw_link *l, uv_loop_t *loop, const lw_alloc *alloc, lw_transcript *transcript)
{
    *l = (lw_link){ .alloc = alloc, .loop = loop, .transcript = transcript };
    if ((l->in = lw_malloc(alloc, LW_LINK_IN_BYTES)) == NULL ||
        (l->timer = lw_zalloc(alloc, sizeof *l->timer + sizeof *alloc)) == NULL)
        return LW_ENOMEM;
    (void)uv_timer_init(loop, l->timer);
    /* the memory of a handle is given back when the loop says so, maybe after its owner's end */
    memcpy(l->timer + 1, alloc, sizeof *alloc);
    l->timer->data = l;
    return LW_OK;
}

static void
free_timer(uv_handle_t *timer)
{
    lw_alloc alloc;

    memcpy(&alloc, (uv_timer_t *)timer + 1, sizeof alloc);
    lw_release(&alloc, timer);
}

void
lw_link_disconnect(lw_link *l)
{
    if (l->transcript != NULL)
        lw_transcript_flush(l->transcript);
    if (l->timer != NULL)
        (void)uv_timer_stop(l->timer);
    lw_smtp_free(l->engine);
    l->engine = NULL;
    if (l->conn != NULL) {
        lw_conn_shutdown(l->conn);
        lw_conn_close(l->conn);
    }
    l->conn = NULL;
    l->in_at = l->in_len = 0;
    l->is_over = l->is_readable = l->is_write_blocked = l->has_happened = false;
}

void
lw_link_deinit(lw_link *l)
{
    lw_link_disconnect(l);
    if (l->timer != NULL)
        uv_close((uv_handle_t *)l->timer, free_timer);
    if (l->in != NULL)
        lw_wipe(l->in, LW_LINK_IN_BYTES);
    lw_release(l->alloc, l->in);
    l->in = NULL;
    l->timer = NULL;
}

/* ---- what the loop tells ------------------------------------------------------------------------ */

static void
wake(const lw_link *l)
{
    if (l->wake != NULL)
        l->wake(l->ctx);
}

static void
on_timer(uv_timer_t *timer)
{
    wake(timer->data); /* polling tells the engine the time */
}

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
        break;
    case LW_CONN_READABLE:
        l->is_readable = true;
        break;
    case LW_CONN_WRITABLE:
        l->is_write_blocked = false;
        break;
    }
    wake(l);
}

/* ---- connecting ---------------------------------------------------------------------------------- */

static void
note_tls(lw_link *l)
{
    const lw_tls_facts *f = lw_conn_tls_facts(l->conn);

    lw_transcript_note(l->transcript, "%s, %s, %s%s%s", f->version, f->cipher,
                       f->verified ? "certificate verified" : "certificate NOT verified",
                       f->problem != NULL ? ": " : "", f->problem != NULL ? f->problem : "");
}

static void
note_connected(lw_link *l)
{
    if (lw_conn_port(l->conn) != 0)
        lw_transcript_note(l->transcript, "connected to %s port %u", lw_conn_address(l->conn),
                           lw_conn_port(l->conn));
    else
        lw_transcript_note(l->transcript, "connected to %s", lw_conn_address(l->conn));
}

lw_code
lw_link_open(lw_link *l, const lw_conn_opts *where, lw_error *err)
{
    lw_link_disconnect(l);
    l->n_first = 0;
    return lw_conn_open(l->loop, where, on_conn, l, &l->conn, err);
}

lw_code
lw_link_start_tls(lw_link *l, lw_tls_ctx *ctx, const char *host, lw_error *err)
{
    l->has_happened = false;
    return lw_conn_start_tls(l->conn, ctx, false, host, err);
}

lw_code
lw_link_opened(lw_link *l, lw_error *err)
{
    if (!l->has_happened)
        return LW_AGAIN;
    l->has_happened = false;
    if (l->happened != LW_CONN_FAILED)
        return LW_OK;
    *err = *lw_conn_error(l->conn);
    return err->code;
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

lw_code
lw_link_begin(lw_link *l, const lw_smtp_opts *how, bool has_tls, lw_error *err)
{
    char literal[80];
    lw_smtp_opts opts = *how;
    lw_code rc;

    note_connected(l);
    if (has_tls)
        note_tls(l);
    if (opts.ehlo_name == NULL) {
        hello_literal(l, literal, sizeof literal);
        opts.ehlo_name = literal;
    }
    if ((rc = lw_smtp_new(&opts, uv_now(l->loop), &l->engine)) < 0)
        return lw_fail(err, rc == LW_EUSAGE ? LW_ECONFIG : rc, LW_STAGE_NONE, "%s",
                       rc == LW_EUSAGE ? "the EHLO name or a limit is malformed"
                                       : lw_code_text(rc));
    l->now_ms = uv_now(l->loop);
    lw_conn_watch(l->conn, true, false);
    return has_tls ? lw_smtp_tls_done(l->engine) : LW_OK;
}

lw_code
lw_link_secured(lw_link *l)
{
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
    lw_transcript_flush(l->transcript);
    lw_transcript_note(l->transcript, "%s",
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
        lw_transcript_came(l->transcript, (lw_span){ l->in, l->in_len });
        return;
    }
    l->in_len = 0;
    if (rc != LW_AGAIN)
        lost(l);
}

/* Nothing can be written any more: what the server said before it went (a 421) is the reason. */
static void
hear_last_words(lw_link *l)
{
    read_some(l);
    if (l->in_len == 0 && !l->is_over)
        lost(l);
}

/* false: there was nothing to write after all */
static bool
write_some(lw_link *l)
{
    lw_slice v[LW_LINK_SLICES];
    int count = lw_smtp_out(l->engine, v, LW_LINK_SLICES);
    size_t n = 0;
    lw_code rc;

    if (count == 0) /* a body that failed shows as an event */
        return (lw_smtp_want(l->engine) & LW_WANT_EVENT) != 0;
    rc = lw_conn_write(l->conn, v, count, &n);
    if (rc < 0) {
        hear_last_words(l);
        return true;
    }
    l->is_write_blocked = rc == LW_AGAIN;
    if (rc == LW_OK) {
        lw_transcript_sent(l->transcript, v, count, n);
        lw_smtp_sent(l->engine, n);
    }
    return true;
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

/* nothing can be moved: watch for what would change that */
static void
watch(lw_link *l)
{
    uint64_t at = lw_smtp_deadline(l->engine), now = uv_now(l->loop);

    lw_conn_watch(l->conn, true, l->is_write_blocked);
    if (at == l->timer_at_ms && uv_is_active((uv_handle_t *)l->timer))
        return;
    l->timer_at_ms = at;
    if (at == UINT64_MAX)
        (void)uv_timer_stop(l->timer);
    else
        (void)uv_timer_start(l->timer, on_timer, at > now ? at - now : 0, 0);
}

/* one step of moving; what it brings shows in lw_smtp_want().  False: nothing moves */
static bool
step(lw_link *l, unsigned want)
{
    if (l->in_at < l->in_len)
        feed_some(l);
    else if (l->is_readable && (want & LW_WANT_READ))
        read_some(l);
    else
        return (want & LW_WANT_WRITE) && !l->is_write_blocked && write_some(l);
    return true;
}

void
lw_link_tell_time(lw_link *l)
{
    uint64_t now_ms = uv_now(l->loop);

    if (l->engine == NULL || now_ms == l->now_ms)
        return;
    l->now_ms = now_ms;
    lw_smtp_set_now(l->engine, now_ms);
    if (now_ms >= lw_smtp_deadline(l->engine))
        l->is_readable = true; /* perhaps the reply is there, and only we were late */
}

lw_code
lw_link_poll(lw_link *l, lw_event *ev)
{
    bool is_judged = false;

    if (l->engine == NULL)
        return LW_AGAIN;
    lw_link_tell_time(l);
    for (;;) {
        unsigned want = lw_smtp_want(l->engine);

        if (want & LW_WANT_EVENT)
            return lw_smtp_next(l->engine, ev);
        if (want == 0)
            return LW_DONE;
        if ((want & LW_WANT_TLS) == 0 && step(l, want))
            continue;
        if (is_judged)
            break;
        (void)lw_smtp_tick(l->engine, l->now_ms);
        is_judged = true;
    }
    watch(l);
    return LW_AGAIN;
}

bool
lw_link_is_idle(const lw_link *l)
{
    return l->engine != NULL && (lw_smtp_want(l->engine) & LW_WANT_CALLER) != 0 &&
           l->in_at == l->in_len;
}

void
lw_link_fail(lw_link *l, lw_code code, const char *text)
{
    if (l->engine != NULL)
        lw_smtp_fail(l->engine, code, text);
}

bool
lw_link_is_alive(lw_link *l)
{
    if (l->engine == NULL || l->is_over)
        return false;
    lw_link_tell_time(l);
    if (l->in_at == l->in_len)
        read_some(l);
    return !l->is_over && l->in_len == 0;
}
