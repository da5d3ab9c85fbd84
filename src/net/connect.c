/* SPDX-License-Identifier: MIT */
/*
 * net/connect.c - from a name to a connected socket: look up, then race the addresses
 *
 * Happy Eyeballs as RFC 8305 tells it: one attempt after another, each begun when the one
 * before has failed or has not succeeded within the Connection Attempt Delay; the first that
 * connects wins and the others are closed.  When all have failed, one sentence names them all.
 * Those that have not failed are kept until the winner has shown to be of use.
 */
#include "net/net_int.h"

#include <netinet/tcp.h>

#include <netdb.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define TIMEOUT_MS 30000u
#define ATTEMPT_DELAY_MS 250u
#define ATTEMPT_DELAY_MIN_MS 10u
#define TOLD_MAX 6 /* addresses named in a sentence */

static void begin_next(lw_conn *c);
static void stop_race(lw_conn *c);

/* ---- failures ----------------------------------------------------------------------------------- */

/* "mail.example port 587", "/run/lmtp" */
static void
target(const lw_conn *c, char *dst, size_t cap)
{
    if (c->path != NULL)
        snprintf(dst, cap, "%s", c->path);
    else
        snprintf(dst, cap, "%s port %u", c->host, (unsigned)c->port);
}

static void
fail(lw_conn *c, lw_code code, lw_stage stage, lw_retry retry, const char *text)
{
    char where[320];

    target(c, where, sizeof where);
    lw_fail(&c->err, code, stage, "no connection to %s: %s", where, text);
    c->err.retry = retry;
    stop_race(c);
    lw_conn_fail(c);
}

static void
describe_attempt(const lw_conn *c, size_t i, lw_buf *b)
{
    char address[LW_ADDR_TEXT_MAX], why[64];
    const lw_attempt *a = &c->attempts[i];

    lw_addr_text(&c->found->addrs[i], address, sizeof address);
    if (c->path == NULL)
        lw_buf_add_fmt(b, "%s: ", address);
    if (a->os_err == ECONNREFUSED && c->path == NULL)
        lw_buf_add_str(b, "connection refused, nothing listens there");
    else if (a->os_err == ECONNREFUSED)
        lw_buf_add_str(b, "connection refused, the server that made this socket is gone");
    else if (a->os_err == EAGAIN && c->path != NULL)
        lw_buf_add_str(b, "the server does not take connections fast enough");
    else if (a->os_err != 0)
        lw_buf_add_str(b, lw_os_text(a->os_err, why, sizeof why));
    else
        lw_buf_add_str(b, i < c->n_begun ? "no answer" : "not tried");
}

/* all addresses and what became of them; b's text may be cut short, never missing */
static void
describe_attempts(const lw_conn *c, lw_buf *b)
{
    for (size_t i = 0; i < c->n_attempts && i < TOLD_MAX; i++) {
        if (i > 0)
            lw_buf_add_str(b, "; ");
        describe_attempt(c, i, b);
    }
    if (c->n_attempts > TOLD_MAX)
        lw_buf_add_fmt(b, "; and %zu addresses more", c->n_attempts - TOLD_MAX);
}

static void
fail_attempts(lw_conn *c)
{
    const char *text;
    int os_err = c->attempts[c->n_attempts - 1].os_err;
    lw_buf b;

    lw_buf_init(&b, c->alloc, LW_ERROR_TEXT_MAX);
    describe_attempts(c, &b);
    text = lw_buf_cstr(&b);
    fail(c, LW_ECONNECT, LW_STAGE_CONNECT, LW_RETRY_OTHER_HOST,
         text == NULL ? "no address answered" : text);
    c->err.os_err = os_err;
    lw_buf_deinit(&b);
}

/* those begun before this one that have not answered */
static void
note_overtaken(const lw_conn *c, size_t by)
{
    for (size_t i = 0; i < by; i++)
        if (c->attempts[i].has_poll)
            lw_rotation_failed(c->rotation, &c->found->addrs[i], uv_now(c->loop));
}

static void
fail_late(lw_conn *c)
{
    const char *text = NULL;
    lw_buf b;

    note_overtaken(c, c->state == LW_CONN_S_CONNECT ? c->n_begun : 0);
    lw_buf_init(&b, c->alloc, LW_ERROR_TEXT_MAX);
    lw_buf_add_fmt(&b, "no answer within %.6g s", (double)c->timeout_ms / 1000.0);
    switch (c->state) {
    case LW_CONN_S_RESOLVE:
        lw_buf_add_str(&b, " from the name service; is this machine online?");
        break;
    case LW_CONN_S_CONNECT:
        lw_buf_add_str(&b, " (");
        describe_attempts(c, &b);
        lw_buf_add_str(&b, ")");
        break;
    case LW_CONN_S_HANDSHAKE:
        lw_buf_add_fmt(&b, " to the TLS handshake; does port %u begin with TLS?  If it speaks "
                       "plain text first, use smtp://", (unsigned)c->port);
        break;
    case LW_CONN_S_OPEN:
    case LW_CONN_S_FAILED:
    case LW_CONN_S_CLOSED:
        break;
    }
    text = lw_buf_cstr(&b);
    fail(c, LW_ETIMEOUT,
         c->state == LW_CONN_S_RESOLVE   ? LW_STAGE_RESOLVE
         : c->state == LW_CONN_S_CONNECT ? LW_STAGE_CONNECT
                                         : LW_STAGE_TLS,
         LW_RETRY_OTHER_HOST, text == NULL ? "no answer in time" : text);
    lw_buf_deinit(&b);
}

static void
on_deadline(uv_timer_t *timer)
{
    fail_late(timer->data);
    lw_conn_tell_now(timer->data);
}

/* ---- attempts -------------------------------------------------------------------------------------- */

static void
on_attempt_closed(uv_handle_t *h)
{
    lw_attempt *a = h->data;

    h->data = a->conn;
    lw_conn_handle_closed(h);
}

static void
give_up(lw_attempt *a)
{
    if (!a->has_poll)
        return;
    a->has_poll = false;
    uv_close((uv_handle_t *)&a->poll, on_attempt_closed);
    close(a->fd); /* libuv has forgotten it */
    a->fd = -1;
}

/* close what is under way, but not the attempt that won */
static void
stop_race(lw_conn *c)
{
    if (c->has_timers)
        uv_timer_stop(&c->next_attempt);
    for (size_t i = 0; i < c->n_attempts; i++)
        if (&c->attempts[i].poll != c->poll)
            give_up(&c->attempts[i]);
}

static void
forget_addresses(lw_conn *c)
{
    lw_release(c->alloc, c->found); /* 4 KiB, and nobody asks again */
    c->found = NULL;
}

/* no session may come to be with the winner: then it is the turn of those that have not failed */
static void
keep_the_rest(lw_conn *c, size_t winner)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n_attempts; i++)
        if (i != winner && c->attempts[i].os_err == 0)
            c->found->addrs[n++] = c->found->addrs[i];
    c->found->n = n;
    if (n == 0)
        forget_addresses(c);
}

/* [RFC8305 5] "all other connections attempts that have not yet succeeded SHOULD be canceled" */
static void
win(lw_attempt *a, int polled)
{
    lw_conn *c = a->conn;
    size_t i = (size_t)(a - c->attempts);

    note_overtaken(c, i);
    c->poll = &a->poll;
    c->polled = polled;
    stop_race(c);
    keep_the_rest(c, i);
    lw_conn_connected(c, a);
}

static void
lose(lw_attempt *a, int os_err)
{
    lw_conn *c = a->conn;

    lw_rotation_failed(c->rotation, &c->found->addrs[a - c->attempts], uv_now(c->loop));
    a->os_err = os_err;
    c->n_failed++;
    give_up(a);
}

static void
on_attempt(uv_poll_t *poll, int status, int events)
{
    lw_attempt *a = poll->data;
    lw_conn *c = a->conn;
    int os_err = 0;
    socklen_t len = sizeof os_err;

    (void)events;
    if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &os_err, &len) != 0)
        os_err = errno;
    if (os_err == 0 && status < 0)
        os_err = -status;
    if (os_err == 0) {
        win(a, status < 0 ? 0 : UV_WRITABLE);
    } else {
        lose(a, os_err);
        begin_next(c);
    }
    lw_conn_tell_now(c);
}

/* 0: connected or under way; else errno */
static int
open_socket(lw_attempt *a, const lw_addr *addr)
{
    static const int on = 1;
    int family = addr->u.sa.sa_family;

    a->fd = lw_fd_above_stdio(
        socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (a->fd < 0)
        return errno;
    if (uv_poll_init(a->conn->loop, &a->poll, a->fd) != 0) {
        close(a->fd);
        a->fd = -1;
        return ENOMEM;
    }
    a->has_poll = true;
    a->poll.data = a;
    a->conn->n_handles++;
    /* a flight leaves in one write: waiting to fill a segment only costs a round trip */
    if (family != AF_UNIX)
        setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return 0;
}

/* false: it failed at once */
static bool
begin(lw_attempt *a, const lw_addr *addr)
{
    int os_err = open_socket(a, addr);

    if (os_err == 0 && connect(a->fd, &addr->u.sa, addr->len) == 0) {
        win(a, 0);
        return true;
    }
    if (os_err == 0)
        os_err = errno;
    /* a signal does not end an attempt: it goes on like any other */
    if (a->has_poll && (os_err == EINPROGRESS || os_err == EINTR)) {
        uv_poll_start(&a->poll, UV_WRITABLE, on_attempt);
        return true;
    }
    lose(a, os_err);
    return false;
}

static void
on_next_attempt(uv_timer_t *timer)
{
    begin_next(timer->data);
    lw_conn_tell_now(timer->data);
}

/* [RFC8305 5] "one connection attempt to a single address is started first, followed by the
 * others in the list, one at a time" */
static void
begin_next(lw_conn *c)
{
    bool has_begun = false;

    uv_timer_stop(&c->next_attempt);
    while (!has_begun && c->n_begun < c->n_attempts) {
        size_t i = c->n_begun++;

        has_begun = begin(&c->attempts[i], &c->found->addrs[i]);
    }
    if (c->n_failed == c->n_attempts)
        fail_attempts(c);
    else if (c->state == LW_CONN_S_CONNECT && c->n_begun < c->n_attempts)
        uv_timer_start(&c->next_attempt, on_next_attempt, c->attempt_delay_ms, 0);
}

static void
race(lw_conn *c)
{
    c->state = LW_CONN_S_CONNECT;
    c->n_attempts = c->found->n;
    if ((c->attempts = lw_zalloc_array(c->alloc, c->n_attempts, sizeof *c->attempts)) == NULL) {
        c->n_attempts = 0;
        fail(c, LW_ENOMEM, LW_STAGE_CONNECT, LW_RETRY_LATER, "out of memory");
        return;
    }
    for (size_t i = 0; i < c->n_attempts; i++) {
        c->attempts[i].conn = c;
        c->attempts[i].fd = -1;
    }
    begin_next(c);
}

/* ---- what came of it ------------------------------------------------------------------------------- */

/* false: nothing was reached, or a path */
static bool
reached(const lw_conn *c, lw_addr *a)
{
    return c->address[0] != '\0' && lw_addr_literal(a, c->address, c->port);
}

void
lw_conn_settle(lw_conn *c)
{
    lw_addr a;

    if (!reached(c, &a))
        return;
    lw_rotation_worked(c->rotation, &a);
    forget_addresses(c);
}

lw_lookup *
lw_conn_pass_by(lw_conn *c, bool only_promising)
{
    lw_lookup *rest = c->found;
    lw_addr a;

    if (!reached(c, &a))
        return NULL;
    lw_rotation_failed(c->rotation, &a, uv_now(c->loop));
    if (rest == NULL)
        return NULL;
    lw_rotation_rest(c->rotation, rest, uv_now(c->loop), only_promising);
    if (rest->n == 0)
        return NULL;
    c->found = NULL;
    return rest;
}

bool
lw_conn_some_failed(const lw_conn *c)
{
    return c->n_failed > 0;
}

/* ---- names --------------------------------------------------------------------------------------------- */

static void
fail_lookup(lw_conn *c, const lw_lookup *found)
{
    char why[96], os[64];

    switch (found->gai_err) {
    case 0:
    case EAI_NONAME:
#ifdef EAI_NODATA
    case EAI_NODATA:
    case EAI_ADDRFAMILY: /* none of a family that this machine has */
#endif
        fail(c, LW_EHOST, LW_STAGE_RESOLVE, LW_RETRY_NO,
             "no such host is known; is its name spelled right?");
        return;
    case EAI_AGAIN:
        fail(c, LW_EHOST, LW_STAGE_RESOLVE, LW_RETRY_LATER,
             "the name service does not answer; is this machine online?");
        return;
    case EAI_MEMORY:
        fail(c, LW_ENOMEM, LW_STAGE_RESOLVE, LW_RETRY_LATER, "out of memory");
        return;
    default:
        snprintf(why, sizeof why, "the name service failed (%s)",
                 found->os_err != 0 ? lw_os_text(found->os_err, os, sizeof os) : "no details");
        fail(c, LW_EHOST, LW_STAGE_RESOLVE, LW_RETRY_LATER, why);
        c->err.os_err = found->os_err;
    }
}

static void
drop_lookup(lw_conn *c)
{
    lw_resolve_drop(c->resolve);
    c->resolve = NULL;
    if (c->has_async)
        uv_close((uv_handle_t *)&c->resolved, lw_conn_handle_closed);
    c->has_async = false;
}

static void
order(lw_conn *c)
{
    if (c->rotation != NULL)
        lw_rotation_order(c->rotation, c->found, uv_now(c->loop));
    else
        lw_addrs_interleave(c->found);
}

static void
on_resolved(uv_async_t *async)
{
    lw_conn *c = async->data;

    if (c->resolve == NULL || c->state != LW_CONN_S_RESOLVE)
        return;
    *c->found = *lw_resolve_found(c->resolve);
    drop_lookup(c);
    if (c->found->n > LW_ADDRS_MAX || c->found->n == 0) {
        fail_lookup(c, c->found);
    } else {
        order(c);
        race(c);
    }
    lw_conn_tell_now(c);
}

static lw_code
look_up(lw_conn *c, const lw_conn_opts *opts, lw_error *err)
{
    lw_resolve_query query = { .host = c->host, .port = c->port, .fn = opts->lookup,
                               .fn_ctx = opts->lookup_ctx, .async = &c->resolved };
    lw_code rc;

    if (uv_async_init(c->loop, &c->resolved, on_resolved) != 0)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_RESOLVE, "no descriptors are left");
    c->resolved.data = c;
    c->has_async = true;
    c->n_handles++;
    c->state = LW_CONN_S_RESOLVE;
    if ((rc = lw_resolve_start(&query, &c->resolve)) == LW_EHOST)
        return lw_fail(err, rc, LW_STAGE_RESOLVE, "the host name is too long");
    if (rc < 0)
        return lw_fail(err, rc, LW_STAGE_RESOLVE, "no thread can be started to look up a name");
    return LW_OK;
}

/* localhost is this machine, without a name service and its cost */
static void
add_localhost(lw_lookup *l, uint16_t port)
{
    if (lw_addr_literal(&l->addrs[0], "::1", port) &&
        lw_addr_literal(&l->addrs[1], "127.0.0.1", port))
        l->n = 2;
}

static bool
is_localhost(const char *host)
{
    return lw_host_is_loopback(host) && lw_lower(host[0]) == 'l';
}

/* ---- beginning and end -------------------------------------------------------------------------------- */

static lw_code
copy_opts(lw_conn *c, const lw_conn_opts *opts)
{
    c->port = opts->port;
    c->tls_ctx = opts->tls;
    c->implicit_tls = opts->implicit_tls;
    c->rotation = opts->rotation;
    c->timeout_ms = opts->timeout_ms == 0 ? TIMEOUT_MS : opts->timeout_ms;
    /* [RFC8305 5] "One recommended value for a default delay is 250 milliseconds." */
    c->attempt_delay_ms =
        opts->attempt_delay_ms == 0 ? ATTEMPT_DELAY_MS : opts->attempt_delay_ms;
    /* [RFC8305 5] "a subsequent connection MUST NOT be started within 10 milliseconds of the
     * previous attempt" (one that has failed is not waited for) */
    if (c->attempt_delay_ms < ATTEMPT_DELAY_MIN_MS)
        c->attempt_delay_ms = ATTEMPT_DELAY_MIN_MS;
    if (opts->host != NULL)
        c->host = lw_strdup(c->alloc, opts->host);
    else
        c->path = lw_strdup(c->alloc, opts->path);
    if (c->host == NULL && c->path == NULL)
        return LW_ENOMEM;
    c->found = opts->rest != NULL ? opts->rest : lw_zalloc(c->alloc, sizeof *c->found);
    return c->found == NULL ? LW_ENOMEM : LW_OK;
}

static void
start_timers(lw_conn *c)
{
    uv_timer_init(c->loop, &c->deadline);
    uv_timer_init(c->loop, &c->next_attempt);
    c->deadline.data = c->next_attempt.data = c;
    c->has_timers = true;
    c->n_handles += 2;
    uv_update_time(c->loop); /* the loop may not have run for long */
    uv_timer_start(&c->deadline, on_deadline, c->timeout_ms, 0);
}

static lw_code
begin_race(lw_conn *c, const lw_conn_opts *opts, lw_error *err)
{
    if (copy_opts(c, opts) < 0)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_CONNECT, "out of memory");
    if (c->path != NULL && !lw_addr_unix(&c->found->addrs[0], c->path))
        return lw_fail(err, LW_ECONFIG, LW_STAGE_CONNECT, "the socket path is too long");
    start_timers(c);
    if (opts->rest == NULL) {
        if (c->path != NULL || lw_addr_literal(&c->found->addrs[0], c->host, c->port))
            c->found->n = 1;
        else if (is_localhost(c->host) && opts->lookup == NULL)
            add_localhost(c->found, c->port);
        else
            return look_up(c, opts, err);
        order(c);
    }
    race(c);
    return LW_OK;
}

lw_code
lw_conn_open(uv_loop_t *loop, const lw_conn_opts *opts, lw_conn_cb cb, void *ctx,
             lw_conn **out, lw_error *err)
{
    lw_conn *c;
    lw_code rc;

    *out = NULL;
    if ((opts->host == NULL && opts->path == NULL) || (opts->implicit_tls && opts->tls == NULL))
        return lw_fail(err, LW_EUSAGE, LW_STAGE_CONNECT, "a connection needs a host or a path");
    if ((rc = lw_conn_make(loop, opts->alloc, cb, ctx, &c)) < 0)
        return lw_fail(err, rc, LW_STAGE_CONNECT, "out of memory");
    if ((rc = begin_race(c, opts, err)) < 0) {
        lw_conn_close(c);
        return rc;
    }
    *out = c;
    return LW_OK;
}

void
lw_race_end(lw_conn *c)
{
    c->poll = NULL;
    stop_race(c);
    drop_lookup(c);
    if (c->has_timers) {
        uv_close((uv_handle_t *)&c->deadline, lw_conn_handle_closed);
        uv_close((uv_handle_t *)&c->next_attempt, lw_conn_handle_closed);
    }
    c->has_timers = false;
}
