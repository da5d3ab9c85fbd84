/* SPDX-License-Identifier: MIT */
/* tests/net/test_conn.c - plain connections: reading, writing, watching, closing */
#include "world.h"

#include <netinet/tcp.h>

static void
test_adopt__octets_arrive_both_ways(void **state)
{
    world w;
    end a, b;

    world_open(&w);
    pair_open(&w, &a, &b);
    end_start_reading(&a);
    end_start_reading(&b);
    end_say(&a, "EHLO there\r\n");
    end_say(&b, "220 here\r\n");
    RUN_UNTIL(&w, a.in.len == 10 && b.in.len == 12);
    assert_span(lw_buf_span(&a.in), "220 here\r\n");
    assert_span(lw_buf_span(&b.in), "EHLO there\r\n");
    assert_false(lw_conn_tls_facts(a.c)->active);
    pair_close(&w, &a, &b);
}

static void
test_watch__level_triggered_until_all_is_read(void **state)
{
    world w;
    end a, b;

    world_open(&w);
    pair_open(&w, &a, &b);
    b.read_max = 1;
    end_say(&a, "0123456789");
    end_start_reading(&b);
    RUN_UNTIL(&w, b.in.len == 10);
    assert_int_equal(b.told[LW_CONN_READABLE], 10);
    pair_close(&w, &a, &b);
}

static void
test_watch__off_nothing_is_told(void **state)
{
    world w;
    end a, b;

    world_open(&w);
    pair_open(&w, &a, &b);
    end_say(&a, "x");
    end_say(&b, "y");
    end_start_reading(&a);
    IN(lw_conn_watch(b.c, true, true));
    IN(lw_conn_watch(b.c, false, false));
    RUN_UNTIL(&w, a.in.len == 1);
    assert_int_equal(b.told[LW_CONN_READABLE] + b.told[LW_CONN_WRITABLE], 0);
    pair_close(&w, &a, &b);
}

static void
test_read__nothing_yet_again(void **state)
{
    world w;
    end a, b;
    char buf[8];
    size_t n = 9;
    lw_code rc;

    world_open(&w);
    pair_open(&w, &a, &b);
    IN(rc = lw_conn_read(a.c, buf, sizeof buf, &n));
    assert_int_equal(rc, LW_AGAIN);
    assert_int_equal(n, 0);
    pair_close(&w, &a, &b);
}

static void
test_shutdown__peer_reads_the_end_and_may_still_write(void **state)
{
    world w;
    end a, b;
    lw_slice s = { "x", 1, LW_SLICE_COMMAND };
    size_t n;
    lw_code rc;

    world_open(&w);
    pair_open(&w, &a, &b);
    end_say(&a, "last");
    IN(lw_conn_shutdown(a.c));
    IN(lw_conn_shutdown(a.c)); /* once is enough, twice is fine */
    end_start_reading(&a);
    end_start_reading(&b);
    RUN_UNTIL(&w, b.has_ended);
    assert_span(lw_buf_span(&b.in), "last");
    end_say(&b, "answer");
    RUN_UNTIL(&w, a.in.len == 6);
    IN(rc = lw_conn_write(a.c, &s, 1, &n));
    assert_int_equal(rc, LW_EUSAGE);
    pair_close(&w, &a, &b);
}

/* ---- lost connections ----------------------------------------------------------------------------- */

/* a TCP connection: e, and the test's own end of it */
static int
tcp_open(world *w, end *e)
{
    lw_addr a;
    int listener = listen_on(&a, "127.0.0.1", 1), fd, mine;

    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, &a.u.sa, a.len), 0);
    mine = accept(listener, NULL, NULL);
    assert_true(mine >= 0);
    close(listener);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    end_adopt(w, e, fd);
    return mine;
}

static void
reset(int fd)
{
    struct linger now = { 1, 0 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

static void
test_reset__read_is_lost(void **state)
{
    world w;
    end e;
    int fd;

    world_open(&w);
    fd = tcp_open(&w, &e);
    assert_string_equal(lw_conn_address(e.c), "127.0.0.1");
    assert_string_equal(lw_conn_local_address(e.c), "127.0.0.1");
    end_start_reading(&e);
    reset(fd);
    RUN_UNTIL(&w, e.failed < 0);
    assert_int_equal(e.failed, LW_ELOST);
    assert_int_equal(lw_conn_error(e.c)->code, LW_ELOST);
    assert_int_equal(lw_conn_error(e.c)->os_err, ECONNRESET);
    assert_int_equal(lw_conn_error(e.c)->retry, LW_RETRY_LATER);
    assert_says(lw_conn_error(e.c), "lost");
    end_free(&e);
    world_close(&w);
}

/* SIGPIPE would end the test */
static void
test_reset__write_is_lost_without_a_signal(void **state)
{
    world w;
    end e;
    lw_slice s = { "x", 1, LW_SLICE_COMMAND };
    size_t n;
    lw_code rc;

    world_open(&w);
    reset(tcp_open(&w, &e));
    do
        IN(rc = lw_conn_write(e.c, &s, 1, &n));
    while (rc == LW_OK);
    assert_int_equal(rc, LW_ELOST);
    assert_int_equal(n, 0);
    IN(rc = lw_conn_write(e.c, &s, 1, &n));
    assert_int_equal(rc, LW_ELOST);
    end_free(&e);
    world_close(&w);
}

/* here the first failure is EPIPE already */
static void
test_peer_gone__write_is_lost_without_a_signal(void **state)
{
    world w;
    end a, b;
    lw_slice s = { "x", 1, LW_SLICE_COMMAND };
    size_t n;
    lw_code rc;

    world_open(&w);
    pair_open(&w, &a, &b);
    end_close(&b);
    IN(rc = lw_conn_write(a.c, &s, 1, &n));
    assert_int_equal(rc, LW_ELOST);
    assert_int_equal(lw_conn_error(a.c)->os_err, EPIPE);
    pair_close(&w, &a, &b);
}

/* "554 go away" must not be lost because we were still writing */
static void
test_write_lost__last_words_can_be_read(void **state)
{
    world w;
    end e;
    lw_slice s = { "x", 1, LW_SLICE_COMMAND };
    size_t n;
    int fd;
    lw_code rc;

    world_open(&w);
    fd = tcp_open(&w, &e);
    assert_int_equal(send(fd, "554 go away\r\n", 13, 0), 13);
    end_say(&e, "not read by the peer: its close becomes a reset");
    close(fd);
    do
        IN(rc = lw_conn_write(e.c, &s, 1, &n));
    while (rc == LW_OK);
    assert_int_equal(rc, LW_ELOST);
    end_start_reading(&e);
    RUN_UNTIL(&w, e.in.len == 13);
    assert_span(lw_buf_span(&e.in), "554 go away\r\n");
    end_free(&e);
    world_close(&w);
}

static void
test_watch_write__told_when_lost(void **state)
{
    world w;
    end e;

    world_open(&w);
    reset(tcp_open(&w, &e));
    IN(lw_conn_watch(e.c, false, true));
    RUN_UNTIL(&w, e.told[LW_CONN_WRITABLE] >= 3); /* level-triggered after an error, too */
    IN(lw_conn_watch(e.c, true, false));
    RUN_UNTIL(&w, e.told[LW_CONN_READABLE] >= 3);
    end_free(&e);
    world_close(&w);
}

static void
test_adopt__tcp_does_not_wait_to_fill_segments(void **state)
{
    world w;
    end e;
    int on = 0, fd;
    socklen_t len = sizeof on;

    world_open(&w);
    fd = tcp_open(&w, &e);
    assert_int_equal(getsockopt(e.c->fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_int_not_equal(on, 0);
    close(fd);
    end_free(&e);
    world_close(&w);
}

/* ---- closing ------------------------------------------------------------------------------------------ */

static void
test_close__inside_each_callback(void **state)
{
    for (lw_conn_event what = LW_CONN_READABLE; what <= LW_CONN_WRITABLE; what++) {
        world w;
        end a, b;

        world_open(&w);
        pair_open(&w, &a, &b);
        end_say(&a, "x");
        b.close_when[what] = true;
        IN(lw_conn_watch(b.c, true, true)); /* both are due in the same turn */
        RUN_UNTIL(&w, b.c == NULL);
        uv_run(&w.loop, UV_RUN_NOWAIT);
        assert_int_equal(b.told[what], 1);
        pair_close(&w, &a, &b);
    }
}

static void
test_close__before_the_loop_ran(void **state)
{
    world w;
    end a, b;

    world_open(&w);
    pair_open(&w, &a, &b);
    IN(lw_conn_watch(a.c, true, true));
    pair_close(&w, &a, &b);
}

static void
test_adopt__failed_leaves_the_socket_to_the_caller(void **state)
{
    world w;
    end e;
    int fd[2];

    world_open(&w);
    end_init(&e);
    socket_pair(fd);
    for (int n = 0;; n++) {
        short_memory m = { .left = n };
        lw_alloc alloc = { short_resize, &m };
        lw_code rc;

        IN(rc = lw_conn_adopt(&w.loop, &alloc, fd[0], end_cb, &e, &e.c));
        if (rc == LW_OK)
            end_close(&e);
        uv_run(&w.loop, UV_RUN_NOWAIT);
        assert_int_equal(m.held, 0);
        if (rc == LW_OK)
            break;
        assert_int_equal(rc, LW_ENOMEM);
        assert_true(fcntl(fd[0], F_GETFD) >= 0);
    }
    assert_int_equal(fcntl(fd[0], F_GETFD), -1); /* the connection's, closed with it */
    close(fd[1]);
    world_close(&w);
}

/* ---- large gathers ----------------------------------------------------------------------------------------- */

#define LARGE_BYTES (1u << 20)

typedef struct writer {
    const char *data;
    size_t at;
    uint32_t seed;
} writer;

/* up to 100 slices of random lengths, some empty */
static void
write_some(end *e, lw_conn_event what)
{
    writer *k = e->user;
    lw_slice v[100];
    size_t at = k->at, n;
    int count = 0;
    lw_code rc;

    if (what != LW_CONN_WRITABLE)
        return;
    while (count < 100 && at < LARGE_BYTES) {
        size_t len = next_random(&k->seed) % 700;

        len = len > LARGE_BYTES - at ? LARGE_BYTES - at : len;
        v[count++] = (lw_slice){ k->data + at, len, LW_SLICE_BODY };
        at += len;
    }
    IN(rc = lw_conn_write(e->c, v, count, &n));
    assert_true(rc == LW_OK || rc == LW_AGAIN);
    assert_true(n <= at - k->at && (n > 0) == (rc == LW_OK));
    k->at += n;
    IN(lw_conn_watch(e->c, false, k->at < LARGE_BYTES));
}

static void
test_write__short_writes_arrive_octet_by_octet(void **state)
{
    static char data[LARGE_BYTES];
    writer k = { .data = data, .seed = 7 };
    int small = 4096;
    world w;
    end a, b;

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)next_random(&k.seed);
    world_open(&w);
    pair_open(&w, &a, &b);
    setsockopt(a.c->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    a.user = &k;
    a.on = write_some;
    b.read_max = 3000;
    end_start_reading(&b);
    IN(lw_conn_watch(a.c, false, true));
    RUN_UNTIL(&w, b.in.len == LARGE_BYTES);
    assert_memory_equal(b.in.ptr, data, LARGE_BYTES);
    pair_close(&w, &a, &b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adopt__octets_arrive_both_ways),
        cmocka_unit_test(test_watch__level_triggered_until_all_is_read),
        cmocka_unit_test(test_watch__off_nothing_is_told),
        cmocka_unit_test(test_read__nothing_yet_again),
        cmocka_unit_test(test_shutdown__peer_reads_the_end_and_may_still_write),
        cmocka_unit_test(test_reset__read_is_lost),
        cmocka_unit_test(test_reset__write_is_lost_without_a_signal),
        cmocka_unit_test(test_peer_gone__write_is_lost_without_a_signal),
        cmocka_unit_test(test_write_lost__last_words_can_be_read),
        cmocka_unit_test(test_watch_write__told_when_lost),
        cmocka_unit_test(test_adopt__tcp_does_not_wait_to_fill_segments),
        cmocka_unit_test(test_close__inside_each_callback),
        cmocka_unit_test(test_close__before_the_loop_ran),
        cmocka_unit_test(test_adopt__failed_leaves_the_socket_to_the_caller),
        cmocka_unit_test(test_write__short_writes_arrive_octet_by_octet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
