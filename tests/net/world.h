/* SPDX-License-Identifier: MIT */
/*
 * tests/net/world.h - a loop, connections on it, and what they were told
 *
 * Nothing sleeps: the loop runs until what the test waits for has happened; a guard timer fails
 * a test that waits in vain.  An owner must never be called from inside an lw_conn_* call: IN()
 * wraps the calls and the callback checks it.
 */
#ifndef LW_TESTS_NET_WORLD_H
#define LW_TESTS_NET_WORLD_H

#include "support/test.h"

#define LW_LATE_TABLE_ONLY /* the tests are linked with OpenSSL and call it directly */
#include "net/net_int.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define GUARD_MS 30000

typedef struct world {
    uv_loop_t loop;
    uv_timer_t guard;
    bool is_late;
} world;

typedef struct end end;
struct end {
    lw_conn *c;
    unsigned told[LW_CONN_FAILED + 1];
    bool is_reading;   /* takes what comes                                                  */
    size_t read_max;   /* octets a read at most; 0 = all                                    */
    lw_buf in;
    bool has_ended;    /* the peer ended                                                    */
    lw_code failed;    /* of a read or write                                                */
    bool close_when[LW_CONN_FAILED + 1];
    void (*on)(end *e, lw_conn_event what);
    void *user;
};

static bool in_call;
/* an lw_conn_* call, during which nobody may be called */
#define IN(x)                                                                                    \
    do {                                                                                         \
        in_call = true;                                                                          \
        x;                                                                                       \
        in_call = false;                                                                         \
    } while (0)

static inline void
on_guard(uv_timer_t *timer)
{
    world *w = timer->data;

    w->is_late = true;
}

static inline void
world_open(world *w)
{
    memset(w, 0, sizeof *w);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    uv_timer_init(&w->loop, &w->guard);
    w->guard.data = w;
    uv_timer_start(&w->guard, on_guard, GUARD_MS, 0);
}

static inline void
turn(world *w)
{
    uv_run(&w->loop, UV_RUN_ONCE);
    if (w->is_late)
        fail_msg("waited in vain");
}

#define RUN_UNTIL(w, condition)                                                                  \
    do                                                                                           \
        while (!(condition))                                                                     \
            turn(w);                                                                             \
    while (0)

/* every handle must have been closed: the loop ends by itself */
static inline void
world_close(world *w)
{
    uv_close((uv_handle_t *)&w->guard, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
}

static inline void
end_close(end *e)
{
    lw_conn *c = e->c;

    e->c = NULL;
    if (c != NULL)
        IN(lw_conn_close(c));
}

static inline void
end_read(end *e)
{
    char buf[65536];
    size_t cap = e->read_max == 0 ? sizeof buf : e->read_max, n = 0;
    lw_code rc;

    IN(rc = lw_conn_read(e->c, buf, cap, &n));
    if (rc == LW_OK) {
        assert_true(n > 0 && n <= cap);
        lw_buf_add(&e->in, (lw_span){ buf, n });
        return;
    }
    assert_int_equal(n, 0);
    if (rc == LW_AGAIN)
        return;
    e->has_ended = rc == LW_DONE;
    e->failed = rc < 0 ? rc : e->failed;
    IN(lw_conn_watch(e->c, false, false));
}

static inline void
end_cb(void *ctx, lw_conn *c, lw_conn_event what)
{
    end *e = ctx;

    assert_false(in_call);
    assert_true(e->c == c);
    e->told[what]++;
    if (e->close_when[what]) {
        end_close(e);
        return;
    }
    if (e->on != NULL)
        e->on(e, what);
    if (e->c != NULL && e->is_reading && what == LW_CONN_READABLE)
        end_read(e);
}

static inline void
end_init(end *e)
{
    memset(e, 0, sizeof *e);
    lw_buf_init(&e->in, &lw_alloc_default, 64u << 20);
}

static inline void
end_free(end *e)
{
    end_close(e);
    lw_buf_deinit(&e->in);
}

static inline void
end_start_reading(end *e)
{
    e->is_reading = true;
    IN(lw_conn_watch(e->c, true, false));
}

static inline void
end_adopt(world *w, end *e, int fd)
{
    lw_code rc;

    end_init(e);
    IN(rc = lw_conn_adopt(&w->loop, NULL, fd, end_cb, e, &e->c));
    assert_int_equal(rc, LW_OK);
}

static inline void
open_conn(world *w, end *e, const lw_conn_opts *o)
{
    lw_error err = { .code = LW_OK };
    lw_code rc;

    end_init(e);
    IN(rc = lw_conn_open(&w->loop, o, end_cb, e, &e->c, &err));
    if (rc != LW_OK)
        fail_msg("%s", err.text);
}

static inline bool
is_told(const end *e)
{
    return e->told[LW_CONN_OPEN] + e->told[LW_CONN_FAILED] > 0;
}

static inline void
socket_pair(int fd[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd), 0);
}

/* two connections with each other */
static inline void
pair_open(world *w, end *a, end *b)
{
    int fd[2];

    socket_pair(fd);
    end_adopt(w, a, fd[0]);
    end_adopt(w, b, fd[1]);
}

static inline void
pair_close(world *w, end *a, end *b)
{
    end_free(a);
    end_free(b);
    world_close(w);
}

/* all of text in one call; short texts always fit */
static inline void
end_say(end *e, const char *text)
{
    lw_slice s = { text, strlen(text), LW_SLICE_COMMAND };
    size_t n;
    lw_code rc;

    IN(rc = lw_conn_write(e->c, &s, 1, &n));
    assert_int_equal(rc, LW_OK);
    assert_int_equal(n, s.len);
}

static inline void
assert_says(const lw_error *err, const char *word)
{
    if (strstr(err->text, word) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err->text, word);
}

/* the time of the connection is up now */
static inline void
time_is_up(end *e)
{
    uv_timer_set_repeat(&e->c->deadline, 1);
    uv_timer_again(&e->c->deadline);
}

/* random octets that are the same every time */
static inline uint32_t
next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* ---- the n-th allocation fails ------------------------------------------------------------------ */

typedef struct short_memory {
    int left, held;
} short_memory;

static inline void *
short_resize(void *ctx, void *p, size_t n)
{
    short_memory *m = ctx;

    if (n == 0) {
        m->held -= p != NULL;
        free(p);
        return NULL;
    }
    if (m->left-- <= 0)
        return NULL;
    m->held += p == NULL;
    return realloc(p, n);
}

/* ---- addresses and listening sockets of the test itself --------------------------------------- */

/* a listening socket on a free loopback port */
static inline int
listen_on(lw_addr *a, const char *host, int backlog)
{
    int fd;

    assert_true(lw_addr_literal(a, host, 0));
    fd = socket(a->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &a->u.sa, a->len), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, &a->u.sa, &a->len), 0);
    return fd;
}

/* an address where nobody listens: bound, so that nobody else takes it meanwhile */
static inline int
refusing(lw_addr *a, const char *host)
{
    int fd;

    assert_true(lw_addr_literal(a, host, 0));
    fd = socket(a->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, &a->u.sa, a->len), 0);
    assert_int_equal(getsockname(fd, &a->u.sa, &a->len), 0);
    return fd;
}

/* an address that does not answer: a listening socket whose queue is full */
typedef struct silent {
    int listener, crowd[8];
    lw_addr addr;
} silent;

/* the kernel keeps one connection more than the queue holds, and drops what comes then */
static inline void
silent_open(silent *s)
{
    s->listener = listen_on(&s->addr, "127.0.0.1", 0);
    for (size_t i = 0; i < LW_COUNT(s->crowd); i++) {
        s->crowd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(connect(s->crowd[i], &s->addr.u.sa, s->addr.len) == 0 ||
                    errno == EINPROGRESS);
    }
}

static inline void
silent_close(silent *s)
{
    for (size_t i = 0; i < LW_COUNT(s->crowd); i++)
        close(s->crowd[i]);
    close(s->listener);
}

#endif
