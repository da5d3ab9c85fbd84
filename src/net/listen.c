/* SPDX-License-Identifier: MIT */
/*
 * net/listen.c - the accepting side: a listening socket, TCP or Unix
 *
 * When descriptors run out the listener rests for a while and clients wait in the kernel's
 * queue; a level-triggered poll would otherwise turn without end.
 */
#include "net/net_int.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 1024
#define ACCEPTS_PER_TURN 64
#define REST_MS 50

struct lw_listener {
    const lw_alloc *alloc;
    lw_alloc alloc_copy;
    void (*accepted)(void *ctx, int fd, const char *peer);
    void *ctx;
    int fd;
    lw_addr addr;
    bool is_bound_path; /* the socket file is ours                                           */
    bool is_closed;
    char address[LW_ADDR_TEXT_MAX + 16];
    uv_poll_t poll;
    uv_timer_t rest;
    unsigned n_handles;
};

/* ---- "127.0.0.1:0", "[::1]:25", "localhost:2525", "unix:/path" ------------------------------------- */

static lw_code
bad_where(const char *where, lw_error *err)
{
    return lw_fail(err, LW_ECONFIG, LW_STAGE_NONE, "cannot listen on \"%s\": write "
                   "127.0.0.1:2525, [::1]:2525 or unix:/path", where);
}

/* the host part, without its [ ] */
static bool
split_host(lw_span where, lw_span *host, lw_span *port)
{
    size_t colon = where.len;

    while (colon > 0 && where.ptr[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return false;
    *host = (lw_span){ where.ptr, colon - 1 };
    *port = (lw_span){ where.ptr + colon, where.len - colon };
    if (host->len < 2 || host->ptr[0] != '[')
        return lw_span_find(*host, ':') == host->len;
    if (host->ptr[host->len - 1] != ']')
        return false;
    *host = (lw_span){ host->ptr + 1, host->len - 2 };
    return true;
}

static bool
parse_tcp(lw_addr *a, lw_span where)
{
    char text[INET6_ADDRSTRLEN + 16];
    lw_span host, port;
    uint64_t number;

    if (!split_host(where, &host, &port) || !lw_span_uint(port, 65535, &number))
        return false;
    if (lw_span_eq_nocase(host, LW_LIT("localhost")))
        host = LW_LIT("127.0.0.1");
    if (host.len >= sizeof text)
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    return lw_addr_literal(a, text, (uint16_t)number);
}

static bool
parse_where(lw_addr *a, const char *where)
{
    lw_span s = lw_span_str(where);

    if (lw_span_starts_nocase(s, LW_LIT("unix:")))
        return lw_addr_unix(a, where + 5);
    return parse_tcp(a, s);
}

/* ---- binding ------------------------------------------------------------------------------------------ */

/* A socket file whose server has died: nobody answers there.  A file that is no socket, or a
 * server that lives, stays. */
static bool
is_stale(const lw_addr *a)
{
    struct stat st;
    int fd, rc;

    if (lstat(a->u.un.sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
        return false;
    rc = connect(fd, &a->u.sa, a->len) == 0 ? 0 : errno;
    close(fd);
    return rc == ECONNREFUSED;
}

/* 0 or errno */
static int
bind_socket(lw_listener *l)
{
    bool is_unix = l->addr.u.sa.sa_family == AF_UNIX;
    int os_err = bind(l->fd, &l->addr.u.sa, l->addr.len) == 0 ? 0 : errno;

    if (os_err == EADDRINUSE && is_unix && is_stale(&l->addr) &&
        unlink(l->addr.u.un.sun_path) == 0)
        os_err = bind(l->fd, &l->addr.u.sa, l->addr.len) == 0 ? 0 : errno;
    if (os_err != 0)
        return os_err;
    l->is_bound_path = is_unix;
    return listen(l->fd, BACKLOG) == 0 ? 0 : errno;
}

/* 0 or errno */
static int
open_socket(lw_listener *l)
{
    static const int on = 1;
    int family = l->addr.u.sa.sa_family;

    l->fd = lw_fd_above_stdio(
        socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (l->fd < 0)
        return errno;
    if (family != AF_UNIX) /* a restart need not wait for old connections to be forgotten */
        setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind_socket(l);
}

static lw_code
bind_failed(const char *where, int os_err, lw_error *err)
{
    char text[64];
    const char *why = lw_os_text(os_err, text, sizeof text);

    if (os_err == EADDRINUSE)
        why = "another server listens there";
    else if (os_err == EADDRNOTAVAIL)
        why = "this machine has no such address";
    else if (os_err == EACCES)
        why = "permission denied (ports below 1024 need a privilege)";
    lw_fail(err, LW_ECONNECT, LW_STAGE_NONE, "cannot listen on %s: %s", where, why);
    if (err != NULL)
        err->os_err = os_err;
    return LW_ECONNECT;
}

static void
set_address(lw_listener *l)
{
    char text[LW_ADDR_TEXT_MAX];

    l->addr.len = sizeof l->addr.u;
    getsockname(l->fd, &l->addr.u.sa, &l->addr.len);
    lw_addr_text(&l->addr, text, sizeof text);
    if (l->addr.u.sa.sa_family == AF_UNIX)
        snprintf(l->address, sizeof l->address, "unix:%s", text);
    else
        snprintf(l->address, sizeof l->address,
                 l->addr.u.sa.sa_family == AF_INET ? "%s:%u" : "[%s]:%u", text,
                 (unsigned)lw_addr_port(&l->addr));
}

/* ---- accepting ----------------------------------------------------------------------------------------- */

static void on_poll(uv_poll_t *poll, int status, int events);

static void
on_rested(uv_timer_t *timer)
{
    lw_listener *l = timer->data;

    uv_poll_start(&l->poll, UV_READABLE, on_poll);
}

static void
rest(lw_listener *l)
{
    uv_poll_stop(&l->poll);
    uv_timer_start(&l->rest, on_rested, REST_MS, 0);
}

/* false: nobody waits, or the listener must rest or was closed */
static bool
accept_one(lw_listener *l)
{
    char peer[LW_ADDR_TEXT_MAX];
    lw_addr a = { .len = sizeof a.u };
    int fd = lw_fd_above_stdio(
        accept4(l->fd, &a.u.sa, &a.len, SOCK_NONBLOCK | SOCK_CLOEXEC));

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            rest(l);
        return errno == EINTR || errno == ECONNABORTED || errno == EPROTO;
    }
    lw_addr_text(&a, peer, sizeof peer);
    l->accepted(l->ctx, fd, peer[0] == '\0' ? "unix" : peer);
    return !l->is_closed;
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
    lw_listener *l = poll->data;

    (void)events;
    if (status < 0) { /* libuv has stopped the handle */
        rest(l);
        return;
    }
    for (int i = 0; i < ACCEPTS_PER_TURN; i++)
        if (!accept_one(l))
            return;
}

/* ---- beginning and end ------------------------------------------------------------------------------------ */

static void
on_closed(uv_handle_t *h)
{
    lw_listener *l = h->data;
    lw_alloc alloc = l->alloc_copy;

    if (--l->n_handles == 0)
        lw_release(&alloc, l);
}

static void
close_socket(lw_listener *l)
{
    if (l->is_bound_path)
        unlink(l->addr.u.un.sun_path);
    if (l->fd >= 0)
        close(l->fd);
    l->is_bound_path = false;
    l->fd = -1;
}

static lw_code
start(lw_listener *l, uv_loop_t *loop)
{
    if (uv_poll_init(loop, &l->poll, l->fd) != 0)
        return LW_ENOMEM;
    uv_timer_init(loop, &l->rest);
    l->poll.data = l->rest.data = l;
    l->n_handles = 2;
    uv_poll_start(&l->poll, UV_READABLE, on_poll);
    return LW_OK;
}

lw_code
lw_listener_open(uv_loop_t *loop, const lw_alloc *alloc, const char *where,
                 void (*accepted)(void *ctx, int fd, const char *peer), void *ctx,
                 lw_listener **out, lw_error *err)
{
    lw_listener *l;
    lw_addr addr;
    int os_err;

    *out = NULL;
    if (!parse_where(&addr, where))
        return bad_where(where, err);
    if ((l = lw_zalloc(alloc, sizeof *l)) == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "out of memory");
    l->alloc_copy = *lw_alloc_or_default(alloc);
    l->alloc = &l->alloc_copy;
    l->accepted = accepted;
    l->ctx = ctx;
    l->addr = addr;
    if ((os_err = open_socket(l)) == 0) {
        set_address(l);
        os_err = start(l, loop) == LW_OK ? 0 : ENOMEM;
    }
    if (os_err != 0) {
        close_socket(l);
        lw_release(alloc, l);
        return bind_failed(where, os_err, err);
    }
    *out = l;
    return LW_OK;
}

uint16_t
lw_listener_port(const lw_listener *l)
{
    return lw_addr_port(&l->addr);
}

const char *
lw_listener_address(const lw_listener *l)
{
    return l->address;
}

void
lw_listener_close(lw_listener *l)
{
    if (l == NULL || l->is_closed)
        return;
    l->is_closed = true;
    uv_close((uv_handle_t *)&l->poll, on_closed);
    uv_close((uv_handle_t *)&l->rest, on_closed);
    close_socket(l);
}
