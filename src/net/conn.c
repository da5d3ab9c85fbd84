/* SPDX-License-Identifier: MIT */
/*
 * net/conn.c - a connection: read, write, watch, and when its owner is called
 *
 * The owner is called from two places only, both on the loop: on_poll (the socket can do
 * something) and on_soon (something is to be told that no socket tells: a failure found at
 * once, octets that are decrypted already).  A call of the owner may close the connection:
 * nothing of it is touched afterwards but its state, and the memory stays until the loop has
 * closed the handles.
 */
#include "net/net_int.h"

#include <netinet/tcp.h>

#include <errno.h>
#include <unistd.h>

#define IOV_COUNT 128
#define PATH_HOST "localhost" /* who answers at a path of this machine */

static void update(lw_conn *c);

/* ---- telling the owner -------------------------------------------------------------------- */

/* true: the connection is still there */
static bool
call(lw_conn *c, lw_conn_event what)
{
    c->cb(c->cb_ctx, c, what);
    return c->state != LW_CONN_S_CLOSED;
}

static void
on_soon(uv_idle_t *idle)
{
    lw_conn *c = idle->data;

    if (c->has_told) {
        c->has_told = false;
        if (!call(c, c->told))
            return;
    }
    if (c->state == LW_CONN_S_OPEN && c->want_read && c->tls != NULL &&
        lw_tls_has_input(c->tls) && !call(c, LW_CONN_READABLE))
        return;
    update(c);
}

static void
tell_soon(lw_conn *c, lw_conn_event what)
{
    c->has_told = true;
    c->told = what;
    uv_idle_start(&c->soon, on_soon);
}

void
lw_conn_tell_now(lw_conn *c)
{
    if (c->has_told && c->state != LW_CONN_S_CLOSED)
        on_soon(&c->soon);
}

/* ---- the handshake ---------------------------------------------------------------------------- */

/* The handshake goes on; what became of it is told by tell_soon. */
static void
shake(lw_conn *c)
{
    lw_code rc = lw_tls_handshake(c->tls);

    if (rc == LW_AGAIN)
        return;
    if (c->has_timers)
        uv_timer_stop(&c->deadline);
    c->state = rc == LW_OK ? LW_CONN_S_OPEN : LW_CONN_S_FAILED;
    if (rc < 0)
        tell_soon(c, LW_CONN_FAILED);
    else
        tell_soon(c, c->tls->is_starttls ? LW_CONN_TLS : LW_CONN_OPEN);
}

static lw_code
begin_tls(lw_conn *c, const lw_tls_start *start)
{
    lw_code rc = lw_tls_new(c->alloc, start, &c->tls);

    if (rc < 0)
        return rc;
    c->state = LW_CONN_S_HANDSHAKE;
    shake(c);
    update(c);
    return LW_OK;
}

lw_code
lw_conn_start_tls(lw_conn *c, lw_tls_ctx *ctx, bool as_server, const char *host,
                  lw_error *err)
{
    lw_tls_start start = { .ctx = ctx, .fd = c->fd, .is_server = as_server,
                           .is_starttls = true, .host = host, .port = c->port,
                           .err = &c->err };
    lw_code rc;

    if (ctx == NULL || c->state != LW_CONN_S_OPEN || c->tls != NULL)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_TLS, "TLS cannot begin here");
    if (host == NULL && c->path != NULL)
        start.host = PATH_HOST;
    if ((rc = begin_tls(c, &start)) < 0 && err != NULL)
        *err = c->err;
    return rc;
}

/* ---- what the socket tells --------------------------------------------------------------------- */

static void
on_readable(lw_conn *c)
{
    if (c->state == LW_CONN_S_HANDSHAKE)
        shake(c);
    else if (c->state == LW_CONN_S_OPEN && c->want_read)
        call(c, LW_CONN_READABLE);
}

static void
on_writable(lw_conn *c)
{
    if (c->tls != NULL && lw_tls_has_output(c->tls)) {
        lw_code rc = lw_tls_flush(c->tls);

        if (rc == LW_AGAIN || (rc < 0 && c->state == LW_CONN_S_HANDSHAKE))
            return; /* a handshake learns of the failure when it reads */
    }
    if (c->state == LW_CONN_S_OPEN && c->want_write)
        call(c, LW_CONN_WRITABLE);
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
    lw_conn *c = ((lw_attempt *)poll->data)->conn;

    if (status < 0) { /* libuv has stopped the handle: an error waits to be read */
        c->polled = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    if (events & UV_WRITABLE)
        on_writable(c);
    if ((events & (UV_READABLE | UV_DISCONNECT)) && c->state != LW_CONN_S_CLOSED)
        on_readable(c);
    if (c->state == LW_CONN_S_CLOSED)
        return;
    update(c);
    lw_conn_tell_now(c);
}

static int
events_wanted(const lw_conn *c)
{
    bool has_output = c->tls != NULL && lw_tls_has_output(c->tls);

    if (c->poll == NULL || c->fd < 0)
        return 0;
    if (c->state == LW_CONN_S_HANDSHAKE)
        return UV_READABLE | (has_output ? UV_WRITABLE : 0);
    if (c->has_told) /* told before the next poll, and then this is asked again */
        return c->polled;
    if (c->state != LW_CONN_S_OPEN)
        return 0;
    return (c->want_read ? UV_READABLE : 0) |
           (c->want_write || has_output ? UV_WRITABLE : 0);
}

/* makes poll and soon fit the state; after every change of it */
static void
update(lw_conn *c)
{
    int events = events_wanted(c);
    bool has_input = c->state == LW_CONN_S_OPEN && c->want_read && c->tls != NULL &&
                     lw_tls_has_input(c->tls);

    if (c->has_told || has_input)
        uv_idle_start(&c->soon, on_soon);
    else
        uv_idle_stop(&c->soon);
    if (events == c->polled)
        return;
    c->polled = events;
    if (events == 0)
        uv_poll_stop(c->poll);
    else
        uv_poll_start(c->poll, events, on_poll);
}

void
lw_conn_watch(lw_conn *c, bool read, bool write)
{
    c->want_read = read;
    c->want_write = write;
    if (c->state != LW_CONN_S_CLOSED)
        update(c);
}

/* ---- reading and writing -------------------------------------------------------------------------- */

/* why a call on the connection cannot be done; LW_OK if it can */
static lw_code
check_open(const lw_conn *c, lw_code direction)
{
    if (direction < 0)
        return direction;
    if (c->state == LW_CONN_S_FAILED)
        return c->err.code;
    return c->state == LW_CONN_S_OPEN ? LW_OK : LW_AGAIN;
}

/* The first failure is the one that is told. */
static lw_code
lost(lw_conn *c, int os_err)
{
    char text[64];

    if (c->err.code < 0)
        return LW_ELOST;
    lw_fail(&c->err, LW_ELOST, LW_STAGE_NONE, "the connection was lost: %s",
            lw_os_text(os_err, text, sizeof text));
    c->err.retry = LW_RETRY_LATER;
    c->err.os_err = os_err;
    return LW_ELOST;
}

static lw_code
read_plain(lw_conn *c, char *buf, size_t cap, size_t *n)
{
    ssize_t got;

    do
        got = recv(c->fd, buf, cap, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        *n = (size_t)got;
        return LW_OK;
    }
    if (got == 0)
        return LW_DONE;
    return errno == EAGAIN || errno == EWOULDBLOCK ? LW_AGAIN : lost(c, errno);
}

lw_code
lw_conn_read(lw_conn *c, char *buf, size_t cap, size_t *n)
{
    lw_code rc;

    *n = 0;
    if ((rc = check_open(c, c->read_rc)) != LW_OK)
        return rc;
    if (cap == 0)
        return LW_EUSAGE;
    rc = c->tls == NULL ? read_plain(c, buf, cap, n) : lw_tls_read(c->tls, buf, cap, n);
    if (rc < 0)
        c->read_rc = rc;
    if (c->tls != NULL)
        update(c); /* input left, or output of its own (a key update) */
    return rc;
}

static lw_code
write_plain(lw_conn *c, const lw_slice *v, int count, size_t *n)
{
    struct iovec iov[IOV_COUNT];
    struct msghdr msg = { .msg_iov = iov };
    ssize_t sent;

    for (int i = 0; i < count && i < IOV_COUNT; i++) {
        iov[i].iov_base = (void *)(uintptr_t)v[i].ptr;
        iov[i].iov_len = v[i].len;
        msg.msg_iovlen++;
    }
    do
        sent = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? LW_AGAIN : lost(c, errno);
    *n = (size_t)sent;
    return sent > 0 ? LW_OK : LW_AGAIN;
}

lw_code
lw_conn_write(lw_conn *c, const lw_slice *v, int count, size_t *n)
{
    lw_code rc;

    *n = 0;
    if ((rc = check_open(c, c->write_rc)) != LW_OK)
        return rc;
    if (c->is_shut)
        return LW_EUSAGE;
    rc = c->tls == NULL ? write_plain(c, v, count, n) : lw_tls_write(c->tls, v, count, n);
    if (rc < 0)
        c->write_rc = rc;
    if (c->tls != NULL)
        update(c);
    return rc;
}

void
lw_conn_shutdown(lw_conn *c)
{
    if (c->state != LW_CONN_S_OPEN || c->is_shut)
        return;
    c->is_shut = true;
    if (c->tls != NULL)
        lw_tls_shutdown(c->tls);
    else
        shutdown(c->fd, SHUT_WR);
    update(c);
}

/* ---- facts --------------------------------------------------------------------------------------- */

const lw_error *
lw_conn_error(const lw_conn *c)
{
    return &c->err;
}

const char *
lw_conn_address(const lw_conn *c)
{
    return c->address;
}

uint16_t
lw_conn_port(const lw_conn *c)
{
    return c->port;
}

const char *
lw_conn_local_address(const lw_conn *c)
{
    return c->local;
}

const lw_tls_facts *
lw_conn_tls_facts(const lw_conn *c)
{
    static const lw_tls_facts none;

    return c->tls == NULL ? &none : &c->tls->facts;
}

/* ---- beginning and end ------------------------------------------------------------------------------ */

lw_code
lw_conn_make(uv_loop_t *loop, const lw_alloc *alloc, lw_conn_cb cb, void *ctx, lw_conn **out)
{
    lw_conn *c = lw_zalloc(alloc, sizeof *c);

    *out = NULL;
    if (c == NULL)
        return LW_ENOMEM;
    c->alloc_copy = *lw_alloc_or_default(alloc);
    c->alloc = &c->alloc_copy;
    c->loop = loop;
    c->cb = cb;
    c->cb_ctx = ctx;
    c->fd = -1;
    uv_idle_init(loop, &c->soon);
    c->soon.data = c;
    c->n_handles = 1;
    *out = c;
    return LW_OK;
}

static void
set_addresses(lw_conn *c)
{
    lw_addr a = { .len = sizeof a.u };

    if (getpeername(c->fd, &a.u.sa, &a.len) == 0) {
        lw_addr_text(&a, c->address, sizeof c->address);
        if (lw_addr_port(&a) != 0)
            c->port = lw_addr_port(&a);
    }
    a.len = sizeof a.u;
    if (getsockname(c->fd, &a.u.sa, &a.len) == 0 && a.u.sa.sa_family != AF_UNIX)
        lw_addr_text(&a, c->local, sizeof c->local);
}

void
lw_conn_connected(lw_conn *c, lw_attempt *a)
{
    lw_tls_start start = { .ctx = c->tls_ctx, .fd = a->fd, .err = &c->err };

    c->fd = a->fd;
    c->state = LW_CONN_S_OPEN;
    set_addresses(c);
    start.host = c->path != NULL ? PATH_HOST : c->host;
    start.port = c->port;
    if (c->implicit_tls) {
        if (begin_tls(c, &start) < 0)
            lw_conn_fail(c);
        return;
    }
    if (c->has_timers)
        uv_timer_stop(&c->deadline);
    tell_soon(c, LW_CONN_OPEN);
    update(c);
}

void
lw_conn_fail(lw_conn *c)
{
    if (c->has_timers)
        uv_timer_stop(&c->deadline);
    c->state = LW_CONN_S_FAILED;
    tell_soon(c, LW_CONN_FAILED);
    update(c);
}

lw_code
lw_conn_adopt(uv_loop_t *loop, const lw_alloc *alloc, int fd, lw_conn_cb cb, void *ctx,
              lw_conn **out)
{
    static const int on = 1;
    lw_attempt *a;
    lw_conn *c;
    lw_code rc = lw_conn_make(loop, alloc, cb, ctx, out);

    if (rc < 0)
        return rc;
    c = *out;
    *out = NULL;
    a = c->attempts = lw_zalloc(c->alloc, sizeof *c->attempts);
    if (a == NULL || uv_poll_init(loop, &a->poll, fd) != 0) {
        lw_conn_close(c);
        return LW_ENOMEM;
    }
    c->n_handles++;
    c->n_attempts = 1;
    a->conn = c;
    a->fd = fd;
    a->has_poll = true;
    a->poll.data = a;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* fails on a Unix socket */
    c->fd = fd;
    c->poll = &a->poll;
    c->state = LW_CONN_S_OPEN;
    set_addresses(c);
    *out = c;
    return LW_OK;
}

void
lw_conn_handle_closed(uv_handle_t *h)
{
    lw_conn *c = h->data;
    lw_alloc alloc = c->alloc_copy;

    if (--c->n_handles > 0)
        return;
    lw_release(&alloc, c->attempts);
    lw_release(&alloc, c->found);
    lw_release(&alloc, c->host);
    lw_release(&alloc, c->path);
    lw_release(&alloc, c);
}

void
lw_conn_close(lw_conn *c)
{
    if (c == NULL || c->state == LW_CONN_S_CLOSED)
        return;
    c->state = LW_CONN_S_CLOSED;
    lw_tls_free(c->tls);
    c->tls = NULL;
    c->fd = -1;
    lw_race_end(c); /* the socket is one of the attempts' */
    uv_close((uv_handle_t *)&c->soon, lw_conn_handle_closed);
}
