/* SPDX-License-Identifier: MIT */
/* tests/net/test_listen.c - where a listener may listen, and what it accepts */
#include "world.h"

#include <sys/resource.h>
#include <sys/stat.h>

typedef struct seen {
    int fd[16];
    int n;
    char peer[64];
    lw_listener *close_it; /* from inside the callback                                       */
} seen;

static void
on_accepted(void *ctx, int fd, const char *peer)
{
    seen *s = ctx;

    assert_true(s->n < 16);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    s->fd[s->n++] = fd;
    snprintf(s->peer, sizeof s->peer, "%s", peer);
    if (s->close_it != NULL)
        lw_listener_close(s->close_it);
}

static void
forget(seen *s)
{
    for (int i = 0; i < s->n; i++)
        close(s->fd[i]);
    s->n = 0;
}

static lw_listener *
listen_at(world *w, const char *where, seen *s)
{
    lw_error err = { .code = LW_OK };
    lw_listener *l;

    memset(s, 0, sizeof *s);
    if (lw_listener_open(&w->loop, NULL, where, on_accepted, s, &l, &err) < 0)
        fail_msg("%s", err.text);
    return l;
}

static int
dial(const lw_addr *a)
{
    int fd = socket(a->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &a->u.sa, a->len), 0);
    return fd;
}

static int
dial_port(const char *host, uint16_t port)
{
    lw_addr a;

    assert_true(lw_addr_literal(&a, host, port));
    return dial(&a);
}

static void
test_listen__any_port_accepts_many(void **state)
{
    world w;
    seen s;
    lw_listener *l;
    char want[32];
    int fd[10];

    world_open(&w);
    l = listen_at(&w, "127.0.0.1:0", &s);
    assert_int_not_equal(lw_listener_port(l), 0);
    snprintf(want, sizeof want, "127.0.0.1:%u", (unsigned)lw_listener_port(l));
    assert_string_equal(lw_listener_address(l), want);
    for (int i = 0; i < 10; i++)
        fd[i] = dial_port("127.0.0.1", lw_listener_port(l));
    RUN_UNTIL(&w, s.n == 10);
    assert_string_equal(s.peer, "127.0.0.1");
    for (int i = 0; i < 10; i++)
        close(fd[i]);
    forget(&s);
    lw_listener_close(l);
    world_close(&w);
}

static void
test_listen__localhost_and_ipv6(void **state)
{
    world w;
    seen s;
    lw_listener *l;
    lw_error err;

    world_open(&w);
    l = listen_at(&w, "LOCALHOST:0", &s);
    assert_memory_equal(lw_listener_address(l), "127.0.0.1:", 10);
    lw_listener_close(l);
    if (lw_listener_open(&w.loop, NULL, "[::1]:0", on_accepted, &s, &l, &err) == LW_OK) {
        int fd = dial_port("::1", lw_listener_port(l));

        assert_memory_equal(lw_listener_address(l), "[::1]:", 6);
        RUN_UNTIL(&w, s.n == 1);
        assert_string_equal(s.peer, "::1");
        close(fd);
        forget(&s);
        lw_listener_close(l);
    } else {
        assert_int_equal(err.code, LW_ECONNECT); /* a machine without IPv6 */
    }
    world_close(&w);
}

static void
test_listen__both_families_show_ipv4_as_such(void **state)
{
    world w;
    seen s;
    lw_listener *l;
    lw_error err;

    world_open(&w);
    memset(&s, 0, sizeof s);
    if (lw_listener_open(&w.loop, NULL, "[::]:0", on_accepted, &s, &l, &err) == LW_OK) {
        int fd = dial_port("127.0.0.1", lw_listener_port(l));

        RUN_UNTIL(&w, s.n == 1);
        assert_string_equal(s.peer, "127.0.0.1");
        close(fd);
        forget(&s);
        lw_listener_close(l);
    }
    world_close(&w);
}

#define LONG_PATH                                                                        \
    "unix:/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"    \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void
test_listen__malformed_is_configuration(void **state)
{
    static const char *const wheres[] = {
        "", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1",
        ":25", "mail.example:25", "::1:25", "[::1]", "[::1", "[]:25", "[::1]25", "[127.0.0.1:25",
        "unix:", "256.0.0.1:25",
        "[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]:1",
        LONG_PATH,
    };
    world w;

    world_open(&w);
    for (size_t i = 0; i < LW_COUNT(wheres); i++) {
        lw_error err = { .code = LW_OK };
        lw_listener *l;

        if (lw_listener_open(&w.loop, NULL, wheres[i], on_accepted, NULL, &l, &err) != LW_ECONFIG)
            fail_msg("\"%s\": %s", wheres[i], err.text);
        assert_null(l);
        assert_says(&err, "write 127.0.0.1:2525");
    }
    world_close(&w);
}

static void
test_listen__cannot_says_why(void **state)
{
    world w;
    seen s;
    lw_listener *l, *second;
    lw_error err;
    char where[32];

    world_open(&w);
    l = listen_at(&w, "127.0.0.1:0", &s);
    snprintf(where, sizeof where, "127.0.0.1:%u", (unsigned)lw_listener_port(l));
    assert_int_equal(lw_listener_open(&w.loop, NULL, where, on_accepted, &s, &second, &err),
                     LW_ECONNECT);
    assert_null(second);
    assert_int_equal(err.os_err, EADDRINUSE);
    assert_says(&err, "another server listens there");
    assert_says(&err, where);
    assert_int_equal(lw_listener_open(&w.loop, NULL, "192.0.2.1:0", on_accepted, &s, &second, &err),
                     LW_ECONNECT);
    assert_says(&err, "no such address");
    assert_int_equal(lw_listener_open(&w.loop, NULL, "unix:/tmp/lw-no-such-folder/x", on_accepted,
                                      &s, &second, &err),
                     LW_ECONNECT);
    assert_int_equal(err.os_err, ENOENT);
    lw_listener_close(l);
    world_close(&w);
}

/* ---- Unix sockets ----------------------------------------------------------------------------------- */

typedef struct place {
    char dir[64], path[80], where[96];
    lw_addr addr;
} place;

static void
place_open(place *p)
{
    snprintf(p->dir, sizeof p->dir, "/tmp/lw-listen-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->path, sizeof p->path, "%s/lmtp", p->dir);
    snprintf(p->where, sizeof p->where, "unix:%s", p->path);
    assert_true(lw_addr_unix(&p->addr, p->path));
}

static void
test_unix__accepts_and_cleans_up(void **state)
{
    world w;
    seen s;
    place p;
    lw_listener *l;
    int fd;

    place_open(&p);
    world_open(&w);
    l = listen_at(&w, p.where, &s);
    assert_int_equal(lw_listener_port(l), 0);
    assert_string_equal(lw_listener_address(l), p.where);
    fd = dial(&p.addr);
    RUN_UNTIL(&w, s.n == 1);
    assert_string_equal(s.peer, "unix");
    close(fd);
    forget(&s);
    lw_listener_close(l);
    world_close(&w);
    assert_int_equal(rmdir(p.dir), 0);
}

static void
test_unix__stale_file_is_replaced(void **state)
{
    world w;
    seen s;
    place p;
    lw_listener *l;
    int fd;

    place_open(&p);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, &p.addr.u.sa, p.addr.len), 0);
    assert_int_equal(listen(fd, 1), 0);
    close(fd); /* the server died, its file stays */
    world_open(&w);
    l = listen_at(&w, p.where, &s);
    fd = dial(&p.addr);
    RUN_UNTIL(&w, s.n == 1);
    close(fd);
    forget(&s);
    lw_listener_close(l);
    world_close(&w);
    assert_int_equal(rmdir(p.dir), 0);
}

static void
test_unix__live_one_and_other_files_stay(void **state)
{
    world w;
    seen s;
    place p;
    lw_listener *l, *second;
    lw_error err;
    struct stat st;
    int fd;

    place_open(&p);
    world_open(&w);
    l = listen_at(&w, p.where, &s);
    assert_int_equal(lw_listener_open(&w.loop, NULL, p.where, on_accepted, &s, &second, &err),
                     LW_ECONNECT);
    assert_says(&err, "another server listens there");
    fd = dial(&p.addr); /* the first one still does */
    RUN_UNTIL(&w, s.n >= 1);
    close(fd);
    forget(&s);
    lw_listener_close(l);
    fd = open(p.path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(lw_listener_open(&w.loop, NULL, p.where, on_accepted, &s, &second, &err),
                     LW_ECONNECT);
    assert_int_equal(stat(p.path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    unlink(p.path);
    world_close(&w);
    assert_int_equal(rmdir(p.dir), 0);
}

/* ---- limits ----------------------------------------------------------------------------------------------- */

static void
test_close__inside_the_callback_accepts_no_more(void **state)
{
    world w;
    seen s;
    lw_listener *l;
    int first, second;

    world_open(&w);
    l = listen_at(&w, "127.0.0.1:0", &s);
    s.close_it = l;
    first = dial_port("127.0.0.1", lw_listener_port(l));
    second = dial_port("127.0.0.1", lw_listener_port(l));
    RUN_UNTIL(&w, s.n > 0);
    uv_run(&w.loop, UV_RUN_NOWAIT);
    assert_int_equal(s.n, 1);
    close(first);
    close(second);
    forget(&s);
    world_close(&w);
}

static void
test_accept__no_descriptors_left_then_goes_on(void **state)
{
    struct rlimit before, now;
    world w;
    seen s;
    lw_listener *l;
    int fd, next;

    world_open(&w);
    l = listen_at(&w, "127.0.0.1:0", &s);
    fd = dial_port("127.0.0.1", lw_listener_port(l));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    next = dup(fd);
    close(next);
    now = before;
    now.rlim_cur = (rlim_t)next; /* no descriptor that is still free may be given out */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    for (int i = 0; i < 10; i++)
        uv_run(&w.loop, UV_RUN_NOWAIT);
    assert_int_equal(s.n, 0);
    assert_true(uv_backend_timeout(&w.loop) > 0); /* it rests, and not for long */
    assert_true(uv_backend_timeout(&w.loop) < GUARD_MS / 2);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    RUN_UNTIL(&w, s.n == 1); /* the client waited in the kernel's queue */
    close(fd);
    forget(&s);
    lw_listener_close(l);
    world_close(&w);
}

static void
test_listen__out_of_memory_nothing_leaks(void **state)
{
    lw_code rc = LW_ENOMEM;
    world w;
    seen s;

    world_open(&w);
    for (int n = 0; rc != LW_OK; n++) {
        short_memory m = { .left = n };
        lw_alloc alloc = { short_resize, &m };
        lw_listener *l;

        rc = lw_listener_open(&w.loop, &alloc, "127.0.0.1:0", on_accepted, &s, &l, NULL);
        assert_true(rc == LW_OK || rc == LW_ENOMEM);
        lw_listener_close(l);
        uv_run(&w.loop, UV_RUN_NOWAIT);
        assert_int_equal(m.held, 0);
    }
    world_close(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listen__any_port_accepts_many),
        cmocka_unit_test(test_listen__localhost_and_ipv6),
        cmocka_unit_test(test_listen__both_families_show_ipv4_as_such),
        cmocka_unit_test(test_listen__malformed_is_configuration),
        cmocka_unit_test(test_listen__cannot_says_why),
        cmocka_unit_test(test_unix__accepts_and_cleans_up),
        cmocka_unit_test(test_unix__stale_file_is_replaced),
        cmocka_unit_test(test_unix__live_one_and_other_files_stay),
        cmocka_unit_test(test_close__inside_the_callback_accepts_no_more),
        cmocka_unit_test(test_accept__no_descriptors_left_then_goes_on),
        cmocka_unit_test(test_listen__out_of_memory_nothing_leaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
