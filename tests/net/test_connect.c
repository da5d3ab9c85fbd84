/* SPDX-License-Identifier: MIT */
/*
 * tests/net/test_connect.c - names, addresses, the race (RFC 8305), failures, closing at any time
 *
 * Names are looked up by the test (fake), never by a name service.
 */
#include "world.h"

#include <netdb.h>
#include <sys/stat.h>

/* ---- a name service of the test's own ---------------------------------------------------------- */

typedef struct fake {
    lw_lookup answer;
    char asked[64];
    uint16_t port;
    uv_sem_t *begun, *may_go_on, *ended; /* NULL = does not wait                            */
} fake;

static void
fake_lookup(void *ctx, const char *host, uint16_t port, lw_lookup *found)
{
    fake *f = ctx;

    snprintf(f->asked, sizeof f->asked, "%s", host);
    f->port = port;
    if (f->begun != NULL) {
        uv_sem_post(f->begun);
        uv_sem_wait(f->may_go_on);
    }
    *found = f->answer;
    if (f->ended != NULL)
        uv_sem_post(f->ended);
}

static void
add_address(fake *f, const lw_addr *a)
{
    f->answer.addrs[f->answer.n++] = *a;
}

static lw_conn_opts
by_name(fake *f)
{
    memset(f, 0, sizeof *f);
    return (lw_conn_opts){ .host = "race.test", .port = 587, .lookup = fake_lookup,
                           .lookup_ctx = f };
}

static void
close_all(world *w, end *e)
{
    end_free(e);
    world_close(w);
}

/* ---- literal addresses, paths -------------------------------------------------------------------------- */

static void
test_open__literal_ipv4_connects(void **state)
{
    world w;
    end e;
    lw_addr a;
    int fd = listen_on(&a, "127.0.0.1", 4);
    lw_conn_opts o = { .host = "127.0.0.1", .port = lw_addr_port(&a) };

    world_open(&w);
    open_conn(&w, &e, &o);
    assert_string_equal(lw_conn_address(e.c), "");
    RUN_UNTIL(&w, is_told(&e));
    assert_int_equal(e.told[LW_CONN_OPEN], 1);
    assert_string_equal(lw_conn_address(e.c), "127.0.0.1");
    assert_string_equal(lw_conn_local_address(e.c), "127.0.0.1");
    assert_int_equal(lw_conn_port(e.c), lw_addr_port(&a));
    assert_false(uv_is_active((uv_handle_t *)&e.c->deadline));
    close(fd);
    close_all(&w, &e);
}

/* a container may be without IPv6 */
static bool
has_ipv6(void)
{
    lw_addr a;
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool has = fd >= 0 && lw_addr_literal(&a, "::1", 0) && bind(fd, &a.u.sa, a.len) == 0;

    close(fd);
    return has;
}

static void
test_open__literal_ipv6_connects(void **state)
{
    world w;
    end e;
    lw_addr a;
    int fd;
    lw_conn_opts o = { .host = "::1" };

    if (!has_ipv6())
        skip();
    fd = listen_on(&a, "::1", 4);
    o.port = lw_addr_port(&a);
    world_open(&w);
    open_conn(&w, &e, &o);
    RUN_UNTIL(&w, is_told(&e));
    assert_int_equal(e.told[LW_CONN_OPEN], 1);
    assert_string_equal(lw_conn_address(e.c), "::1");
    close(fd);
    close_all(&w, &e);
}

/* whoever asked for a name would learn it from the fake */
static void
test_open__literal_asks_no_name_service(void **state)
{
    world w;
    end e;
    fake f;
    lw_addr a;
    int fd = listen_on(&a, "127.0.0.1", 4);
    lw_conn_opts o = by_name(&f);

    o.host = "127.0.0.1";
    o.port = lw_addr_port(&a);
    world_open(&w);
    open_conn(&w, &e, &o);
    RUN_UNTIL(&w, is_told(&e));
    assert_int_equal(e.told[LW_CONN_OPEN], 1);
    assert_string_equal(f.asked, "");
    close(fd);
    close_all(&w, &e);
}

static void
test_open__localhost_is_this_machine(void **state)
{
    world w;
    end e;
    lw_addr a;
    int fd = listen_on(&a, "127.0.0.1", 4);
    lw_conn_opts o = { .host = "LocalHost.", .port = lw_addr_port(&a) };

    world_open(&w);
    open_conn(&w, &e, &o);
    RUN_UNTIL(&w, is_told(&e));
    assert_int_equal(e.told[LW_CONN_OPEN], 1);
    assert_string_equal(lw_conn_address(e.c), "127.0.0.1"); /* after ::1 was refused */
    close(fd);
    close_all(&w, &e);
}

static void
test_open__refused_one_sentence(void **state)
{
    world w;
    end e;
    lw_addr a;
    int fd = refusing(&a, "127.0.0.1");
    lw_conn_opts o = { .host = "127.0.0.1", .port = lw_addr_port(&a) };
    const lw_error *err;

    world_open(&w);
    open_conn(&w, &e, &o);
    RUN_UNTIL(&w, is_told(&e));
    assert_int_equal(e.told[LW_CONN_FAILED], 1);
    err = lw_conn_error(e.c);
    assert_int_equal(err->code, LW_ECONNECT);
    assert_int_equal(err->stage, LW_STAGE_CONNECT);
    assert_int_equal(err->retry, LW_RETRY_OTHER_HOST);
    assert_int_equal(err->os_err, ECONNREFUSED);
    assert_says(err, "127.0.0.1");
    assert_says(err, "refused");
    close(fd);
    close_all(&w, &e);
}

static void
folder(char path[64])
{
    snprintf(path, 64, "/tmp/lw-net-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static void
ignore_accepted(void *ctx, int fd, const char *peer)
{
    *(int *)ctx = fd;
    assert_string_equal(peer, "unix");
}

static void
test_open__unix_path_connects(void **state)
{
    world w;
    end e;
    char dir[64], path[80], where[96];
    int fd = -1;
    lw_listener *l;
    lw_conn_opts o = { .path = path };

    folder(dir);
    snprintf(path, sizeof path, "%s/lmtp", dir);
    snprintf(where, sizeof where, "unix:%s", path);
    world_open(&w);
    assert_int_equal(lw_listener_open(&w.loop, NULL, where, ignore_accepted, &fd, &l, NULL), LW_OK);
    open_conn(&w, &e, &o);
    RUN_UNTIL(&w, is_told(&e) && fd >= 0);
    assert_int_equal(e.told[LW_CONN_OPEN], 1);
    assert_string_equal(lw_conn_address(e.c), path);
    assert_string_equal(lw_conn_local_address(e.c), "");
    close(fd);
    lw_listener_close(l);
    assert_int_equal(rmdir(dir), 0); /* the socket file went with its listener */
    close_all(&w, &e);
}

static void
test_open__unix_path_missing_or_too_long(void **state)
{
    world w;
    end e;
    char path[200] = "/tmp/lw-net-there-is-no-such-socket";
    lw_conn_opts o = { .path = path };
    lw_error err;

    world_open(&w);
    open_conn(&w, &e, &o);
    RUN_UNTIL(&w, is_told(&e));
    assert_int_equal(lw_conn_error(e.c)->code, LW_ECONNECT);
    assert_int_equal(lw_conn_error(e.c)->os_err, ENOENT);
    assert_says(lw_conn_error(e.c), path);
    end_free(&e);
    memset(path, '/', sizeof path - 1);
    path[108] = '\0';
    assert_int_equal(lw_conn_open(&w.loop, &o, end_cb, &e, &e.c, &err), LW_ECONFIG);
    assert_null(e.c);
    world_close(&w);
}

/* ---- names ------------------------------------------------------------------------------------------------ */

static void
test_name__is_looked_up_and_connected(void **state)
{
    world w;
    end e;
    fake f;
    lw_addr a;
    int fd = listen_on(&a, "127.0.0.1", 4);
    lw_conn_opts o = by_name(&f);

    add_address(&f, &a);
    world_open(&w);
    open_conn(&w, &e, &o);
    RUN_UNTIL(&w, is_told(&e));
    assert_int_equal(e.told[LW_CONN_OPEN], 1);
    assert_string_equal(f.asked, "race.test");
    assert_int_equal(f.port, 587);
    close(fd);
    close_all(&w, &e);
}

/* getaddrinfo itself, with a spelling of an address that it reads without asking anybody */
static void
test_name__getaddrinfo_is_asked(void **state)
{
    world w;
    end e;
    lw_addr a;
    int fd = listen_on(&a, "127.0.0.1", 4);
    lw_conn_opts o = { .host = "127.1", .port = lw_addr_port(&a) };

    world_open(&w);
    open_conn(&w, &e, &o);
    assert_int_equal(e.c->state, LW_CONN_S_RESOLVE);
    RUN_UNTIL(&w, is_told(&e));
    assert_int_equal(e.told[LW_CONN_OPEN], 1);
    assert_string_equal(lw_conn_address(e.c), "127.0.0.1");
    close(fd);
    close_all(&w, &e);
}

static const struct {
    const char *name, *word;
    int gai_err, os_err;
    lw_code code;
    lw_retry retry;
} lookups[] = {
    { "no such name", "no such host", EAI_NONAME, 0, LW_EHOST, LW_RETRY_NO },
    { "a name without addresses", "no such host", 0, 0, LW_EHOST, LW_RETRY_NO },
    { "no answer", "does not answer", EAI_AGAIN, 0, LW_EHOST, LW_RETRY_LATER },
    { "broken", "failed", EAI_FAIL, 0, LW_EHOST, LW_RETRY_LATER },
    { "system", "permission denied", EAI_SYSTEM, EACCES, LW_EHOST, LW_RETRY_LATER },
    { "memory", "out of memory", EAI_MEMORY, 0, LW_ENOMEM, LW_RETRY_LATER },
};

static void
test_name__not_found_one_sentence(void **state)
{
    for (size_t i = 0; i < LW_COUNT(lookups); i++) {
        world w;
        end e;
        fake f;
        lw_conn_opts o = by_name(&f);
        const lw_error *err;

        f.answer.gai_err = lookups[i].gai_err;
        f.answer.os_err = lookups[i].os_err;
        world_open(&w);
        open_conn(&w, &e, &o);
        RUN_UNTIL(&w, is_told(&e));
        err = lw_conn_error(e.c);
        if (e.told[LW_CONN_FAILED] != 1 || err->code != lookups[i].code ||
            err->retry != lookups[i].retry || err->stage != LW_STAGE_RESOLVE)
            fail_msg("%s: %s", lookups[i].name, err->text);
        assert_says(err, lookups[i].word);
        assert_says(err, "race.test");
        close_all(&w, &e);
    }
}

static void
test_name__longer_than_any(void **state)
{
    world w;
    char host[2000];
    lw_conn_opts o = { .host = host, .port = 25 };
    lw_conn *c;
    lw_error err;

    memset(host, 'a', sizeof host - 1);
    host[sizeof host - 1] = '\0';
    world_open(&w);
    assert_int_equal(lw_conn_open(&w.loop, &o, end_cb, NULL, &c, &err), LW_EHOST);
    assert_null(c);
    world_close(&w);
}

/* ---- the order ---------------------------------------------------------------------------------------------- */

static const struct {
    const char *before, *after;
} orders[] = {
    { "", "" }, { "4", "4" }, { "6", "6" }, { "66", "66" }, { "64", "64" }, { "46", "46" },
    { "6644", "6464" }, { "4466", "4646" }, { "66664", "64666" }, { "64444", "64444" },
    { "666444", "646464" }, { "446", "464" },
};

/* RFC 8305 4 */
static void
test_interleave__families_alternate_order_within_kept(void **state)
{
    for (size_t i = 0; i < LW_COUNT(orders); i++) {
        lw_lookup l = { .n = strlen(orders[i].before) };
        char have[16] = "";
        uint16_t last[2] = { 0, 0 };

        for (size_t k = 0; k < l.n; k++)
            assert_true(lw_addr_literal(&l.addrs[k], orders[i].before[k] == '4' ? "192.0.2.1"
                                                                                : "2001:db8::1",
                                        (uint16_t)(k + 1)));
        lw_addrs_interleave(&l);
        for (size_t k = 0; k < l.n; k++) {
            bool is_6 = l.addrs[k].u.sa.sa_family == AF_INET6;

            have[k] = is_6 ? '6' : '4';
            assert_true(lw_addr_port(&l.addrs[k]) > last[is_6]);
            last[is_6] = lw_addr_port(&l.addrs[k]);
        }
        assert_string_equal(have, orders[i].after);
    }
}

/* RFC 8305 5 */
/* ---- the race ------------------------------------------------------------------------------------------------- */

static void
test_race__refused_ones_are_passed_over_at_once(void **state)
{
    world w;
    end e;
    fake f;
    lw_addr bad, good;
    int refuser = refusing(&bad, "127.0.0.1"), fd = listen_on(&good, "127.0.0.1", 4);
    lw_conn_opts o = by_name(&f);

    for (int i = 0; i < 20; i++)
        add_address(&f, &bad);
    add_address(&f, &good);
    o.attempt_delay_ms = 3600000; /* nobody waits for this */
    world_open(&w);
    open_conn(&w, &e, &o);
    RUN_UNTIL(&w, is_told(&e));
    assert_int_equal(e.told[LW_CONN_OPEN], 1);
    assert_int_equal(lw_conn_port(e.c), lw_addr_port(&good));
    close(refuser);
    close(fd);
    close_all(&w, &e);
}

static void
test_race__silent_one_is_overtaken_after_the_delay(void **state)
{
    world w;
    end e;
    fake f;
    silent s;
    lw_addr good;
    int fd = listen_on(&good, "127.0.0.1", 4);
    lw_conn_opts o = by_name(&f);

    silent_open(&s);
    add_address(&f, &s.addr);
    add_address(&f, &s.addr);
    add_address(&f, &good);
    o.attempt_delay_ms = 10;
    world_open(&w);
    open_conn(&w, &e, &o);
    RUN_UNTIL(&w, is_told(&e));
    assert_int_equal(e.told[LW_CONN_OPEN], 1);
    assert_int_equal(lw_conn_port(e.c), lw_addr_port(&good));
    assert_int_equal(e.c->n_begun, 3);
    assert_int_equal(e.c->attempts[0].fd, -1); /* the losers are closed */
    assert_int_equal(e.c->attempts[1].fd, -1);
    silent_close(&s);
    close(fd);
    close_all(&w, &e);
}

/* the first answers within the delay: the second is never asked */
static void
test_race__second_not_asked_when_the_first_answers(void **state)
{
    world w;
    end e;
    fake f;
    lw_addr first, second;
    int fd1 = listen_on(&first, "127.0.0.1", 4), fd2 = listen_on(&second, "127.0.0.1", 4);
    lw_conn_opts o = by_name(&f);

    add_address(&f, &first);
    add_address(&f, &second);
    o.attempt_delay_ms = 3600000;
    world_open(&w);
    open_conn(&w, &e, &o);
    RUN_UNTIL(&w, is_told(&e));
    assert_int_equal(lw_conn_port(e.c), lw_addr_port(&first));
    assert_int_equal(e.c->n_begun, 1);
    fcntl(fd2, F_SETFL, O_NONBLOCK);
    assert_int_equal(accept(fd2, NULL, NULL), -1);
    close(fd1);
    close(fd2);
    close_all(&w, &e);
}

static void
test_race__all_failures_in_one_sentence(void **state)
{
    world w;
    end e;
    fake f;
    lw_addr a, b, other;
    int fd1 = refusing(&a, "127.0.0.1"), fd2 = refusing(&b, "127.0.0.2");
    lw_conn_opts o = by_name(&f);
    const lw_error *err;

    add_address(&f, &a);
    add_address(&f, &b);
    assert_true(lw_addr_literal(&other, "255.255.255.255", 25));
    add_address(&f, &other); /* nobody may connect to that */
    world_open(&w);
    open_conn(&w, &e, &o);
    RUN_UNTIL(&w, is_told(&e));
    err = lw_conn_error(e.c);
    assert_int_equal(err->code, LW_ECONNECT);
    assert_says(err, "race.test port 587");
    assert_says(err, "127.0.0.1: connection refused");
    assert_says(err, "127.0.0.2: connection refused");
    assert_says(err, "255.255.255.255: ");
    close(fd1);
    close(fd2);
    close_all(&w, &e);
}

static void
test_race__many_failures_are_counted(void **state)
{
    world w;
    end e;
    fake f;
    lw_addr a;
    int fd = refusing(&a, "127.0.0.1");
    lw_conn_opts o = by_name(&f);

    for (int i = 0; i < LW_ADDRS_MAX; i++)
        add_address(&f, &a);
    world_open(&w);
    open_conn(&w, &e, &o);
    RUN_UNTIL(&w, is_told(&e));
    assert_says(lw_conn_error(e.c), "26 addresses more");
    close(fd);
    close_all(&w, &e);
}

/* ---- time-outs ---------------------------------------------------------------------------------------------------- */

static void
test_timeout__while_connecting(void **state)
{
    world w;
    end e;
    fake f;
    silent s;
    lw_addr bad;
    int fd = refusing(&bad, "127.0.0.2");
    lw_conn_opts o = by_name(&f);
    const lw_error *err;

    silent_open(&s);
    add_address(&f, &bad);
    add_address(&f, &s.addr);
    o.timeout_ms = 3600000;
    world_open(&w);
    open_conn(&w, &e, &o);
    RUN_UNTIL(&w, e.c->n_failed == 1 && e.c->n_begun == 2);
    time_is_up(&e);
    RUN_UNTIL(&w, is_told(&e));
    err = lw_conn_error(e.c);
    assert_int_equal(err->code, LW_ETIMEOUT);
    assert_int_equal(err->stage, LW_STAGE_CONNECT);
    assert_says(err, "within 3600 s");
    assert_says(err, "127.0.0.1: no answer");
    assert_says(err, "127.0.0.2: connection refused");
    silent_close(&s);
    close(fd);
    close_all(&w, &e);
}

typedef struct sems {
    uv_sem_t begun, may_go_on, ended;
} sems;

static void
sems_open(sems *s, fake *f)
{
    uv_sem_init(&s->begun, 0);
    uv_sem_init(&s->may_go_on, 0);
    uv_sem_init(&s->ended, 0);
    f->begun = &s->begun;
    f->may_go_on = &s->may_go_on;
    f->ended = &s->ended;
}

/* the thread is let go and awaited, so that it is not cut off by the end of the test */
static void
sems_close(sems *s)
{
    uv_sem_post(&s->may_go_on);
    uv_sem_wait(&s->ended);
}

static void
test_timeout__while_looking_up(void **state)
{
    static sems s; /* the thread may outlive this function */
    static fake f;
    world w;
    end e;
    lw_conn_opts o = by_name(&f);

    sems_open(&s, &f);
    o.timeout_ms = 20;
    world_open(&w);
    open_conn(&w, &e, &o);
    RUN_UNTIL(&w, is_told(&e));
    assert_int_equal(lw_conn_error(e.c)->code, LW_ETIMEOUT);
    assert_int_equal(lw_conn_error(e.c)->stage, LW_STAGE_RESOLVE);
    assert_says(lw_conn_error(e.c), "name service");
    close_all(&w, &e); /* ends though the thread still hangs */
    sems_close(&s);
}

/* ---- closing at any time --------------------------------------------------------------------------------------------- */

static void
test_close__while_looking_up_waits_for_nobody(void **state)
{
    static sems s;
    static fake f;
    world w;
    end e;
    lw_conn_opts o = by_name(&f);

    sems_open(&s, &f);
    world_open(&w);
    open_conn(&w, &e, &o);
    uv_sem_wait(&s.begun); /* the thread hangs in the look-up now */
    close_all(&w, &e);     /* and the loop has ended */
    sems_close(&s);
}

static void
test_close__after_the_answer_before_the_loop_saw_it(void **state)
{
    static sems s;
    static fake f;
    world w;
    end e;
    lw_conn_opts o = by_name(&f);

    sems_open(&s, &f);
    assert_true(lw_addr_literal(&f.answer.addrs[0], "127.0.0.1", 1));
    f.answer.n = 1;
    world_open(&w);
    open_conn(&w, &e, &o);
    sems_close(&s);
    close_all(&w, &e);
    assert_int_equal(e.told[LW_CONN_FAILED] + e.told[LW_CONN_OPEN], 0);
}

static void
test_close__while_racing(void **state)
{
    world w;
    end e;
    silent s;
    lw_conn_opts o = { .host = "127.0.0.1" };

    silent_open(&s);
    o.port = lw_addr_port(&s.addr);
    world_open(&w);
    open_conn(&w, &e, &o);
    uv_run(&w.loop, UV_RUN_NOWAIT);
    close_all(&w, &e);
    silent_close(&s);
}

static void
test_close__inside_open_and_failed(void **state)
{
    for (int is_open = 0; is_open <= 1; is_open++) {
        world w;
        end e;
        lw_addr a;
        int fd = is_open ? listen_on(&a, "127.0.0.1", 4) : refusing(&a, "127.0.0.1");
        lw_conn_opts o = { .host = "127.0.0.1", .port = lw_addr_port(&a) };

        world_open(&w);
        open_conn(&w, &e, &o);
        e.close_when[LW_CONN_OPEN] = e.close_when[LW_CONN_FAILED] = true;
        RUN_UNTIL(&w, e.c == NULL);
        assert_int_equal(e.told[is_open ? LW_CONN_OPEN : LW_CONN_FAILED], 1);
        close(fd);
        close_all(&w, &e);
    }
}

static void
test_close__before_open_is_told(void **state)
{
    world w;
    end e;
    lw_addr a;
    int fd = listen_on(&a, "127.0.0.1", 4);
    lw_conn_opts o = { .host = "127.0.0.1", .port = lw_addr_port(&a) };

    world_open(&w);
    open_conn(&w, &e, &o);
    close_all(&w, &e);
    assert_false(is_told(&e));
    close(fd);
}

/* reading and writing before the connection is there, and after it has failed */
static void
test_early_and_late_calls__again_and_the_error(void **state)
{
    world w;
    end e;
    lw_addr a;
    int fd = refusing(&a, "127.0.0.1");
    lw_conn_opts o = { .host = "127.0.0.1", .port = lw_addr_port(&a) };
    lw_slice s = { "x", 1, LW_SLICE_COMMAND };
    char buf[4];
    size_t n;
    lw_code rc;

    world_open(&w);
    open_conn(&w, &e, &o);
    IN(lw_conn_watch(e.c, true, true));
    IN(rc = lw_conn_read(e.c, buf, sizeof buf, &n));
    assert_int_equal(rc, LW_AGAIN);
    IN(rc = lw_conn_write(e.c, &s, 1, &n));
    assert_int_equal(rc, LW_AGAIN);
    IN(lw_conn_shutdown(e.c));
    RUN_UNTIL(&w, is_told(&e));
    IN(rc = lw_conn_read(e.c, buf, sizeof buf, &n));
    assert_int_equal(rc, LW_ECONNECT);
    IN(rc = lw_conn_write(e.c, &s, 1, &n));
    assert_int_equal(rc, LW_ECONNECT);
    close(fd);
    close_all(&w, &e);
}

static void
test_open__out_of_memory_nothing_leaks(void **state)
{
    lw_addr a;
    int fd = listen_on(&a, "127.0.0.1", 64);
    lw_conn_opts o = { .host = "127.0.0.1", .port = lw_addr_port(&a) };
    bool is_open = false;

    for (int n = 0; !is_open; n++) {
        short_memory m = { .left = n };
        lw_alloc alloc = { short_resize, &m };
        lw_error err;
        world w;
        end e;
        lw_code rc;

        world_open(&w);
        end_init(&e);
        o.alloc = &alloc;
        IN(rc = lw_conn_open(&w.loop, &o, end_cb, &e, &e.c, &err));
        if (rc == LW_OK)
            RUN_UNTIL(&w, is_told(&e));
        assert_true(rc == LW_OK || rc == LW_ENOMEM);
        is_open = e.told[LW_CONN_OPEN] == 1;
        if (rc == LW_OK && !is_open)
            assert_int_equal(lw_conn_error(e.c)->code, LW_ENOMEM);
        close_all(&w, &e);
        assert_int_equal(m.held, 0);
    }
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open__literal_ipv4_connects),
        cmocka_unit_test(test_open__literal_ipv6_connects),
        cmocka_unit_test(test_open__literal_asks_no_name_service),
        cmocka_unit_test(test_open__localhost_is_this_machine),
        cmocka_unit_test(test_open__refused_one_sentence),
        cmocka_unit_test(test_open__unix_path_connects),
        cmocka_unit_test(test_open__unix_path_missing_or_too_long),
        cmocka_unit_test(test_name__is_looked_up_and_connected),
        cmocka_unit_test(test_name__getaddrinfo_is_asked),
        cmocka_unit_test(test_name__not_found_one_sentence),
        cmocka_unit_test(test_name__longer_than_any),
        cmocka_unit_test(test_interleave__families_alternate_order_within_kept),
        cmocka_unit_test(test_race__refused_ones_are_passed_over_at_once),
        cmocka_unit_test(test_race__silent_one_is_overtaken_after_the_delay),
        cmocka_unit_test(test_race__second_not_asked_when_the_first_answers),
        cmocka_unit_test(test_race__all_failures_in_one_sentence),
        cmocka_unit_test(test_race__many_failures_are_counted),
        cmocka_unit_test(test_timeout__while_connecting),
        cmocka_unit_test(test_timeout__while_looking_up),
        cmocka_unit_test(test_close__while_looking_up_waits_for_nobody),
        cmocka_unit_test(test_close__after_the_answer_before_the_loop_saw_it),
        cmocka_unit_test(test_close__while_racing),
        cmocka_unit_test(test_close__inside_open_and_failed),
        cmocka_unit_test(test_close__before_open_is_told),
        cmocka_unit_test(test_early_and_late_calls__again_and_the_error),
        cmocka_unit_test(test_open__out_of_memory_nothing_leaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
