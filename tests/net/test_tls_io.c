/* SPDX-License-Identifier: MIT */
/*
 * tests/net/test_tls_io.c - octets through TLS, and peers that break it off
 *
 * Where what is on the wire matters, the test stands between client and server and passes the
 * octets on.
 */
#include "tls_pair.h"

#include <errno.h>

/* ---- a network that takes so much, and then is gone ------------------------------------------------ */

static size_t send_room = SIZE_MAX;

ssize_t
send(int fd, const void *p, size_t n, int flags)
{
    ssize_t sent;

    if (send_room == 0) {
        errno = ECONNRESET;
        return -1;
    }
    sent = sendto(fd, p, n > send_room ? send_room : n, flags, NULL, 0);
    if (sent > 0 && send_room != SIZE_MAX)
        send_room -= (size_t)sent;
    return sent;
}

/* ---- plain text and garbage met in the handshake -------------------------------------------------- */

/* a TCP server of the test's: the client connects with TLS from the first byte */
static int
dial(world *w, end *e, lw_tls_ctx *ctx, uint16_t *port)
{
    lw_addr a;
    int listener = listen_on(&a, "127.0.0.1", 1), fd;
    lw_conn_opts o = { .host = "127.0.0.1", .port = lw_addr_port(&a), .tls = ctx,
                       .implicit_tls = true };

    *port = o.port;
    open_conn(w, e, &o);
    fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    close(listener);
    return fd;
}

#define SAID(text) text, sizeof(text) - 1

static const struct {
    const char *said;
    size_t len;
    const char *words[3];
} strangers[] = {
    { SAID("220 mx.example ESMTP\r\n"), { "plain text first", "smtp://", "220 mx.example ESMTP" } },
    { SAID("220-mx.example\r\n220 x\r\n"), { "plain text first", "\"220-mx.example\"" } },
    { SAID("554 go away\r\n"), { "plain text first", "554 go away" } },
    { SAID("421 busy"), { "plain text first", "421 busy" } },
    { SAID("HTTP/1.1 400 Bad Request\r\n\r\n"), { "HTTP server", "HTTP/1.1 400 Bad Request" } },
    { SAID("SSH-2.0-OpenSSH\r\n"), { "does not speak TLS", "SSH-2.0-OpenSSH" } },
    { SAID("* OK IMAP4\r\n"), { "does not speak TLS", "right one" } },
    { SAID("\x01\x02\xff\x1b[31m\r\n"), { "does not speak TLS", "????[31m" } },
    { SAID("\x16\x03\x03\x00\x04\x02\x00\x00\x00"), { "TLS" } }, /* an empty ServerHello */
    { SAID("\x17\x03\x03\x00\x05hello"), { "TLS" } },             /* data before the handshake */
    { SAID("\x16\x03\x03\xff\xff garbage"), { "TLS" } },          /* a record too long */
    { SAID("\x15\x03\x03\x00\x02\x02\x28"), { "handshake failure" } }, /* an alert */
    { SAID("\x15\x03\x01\x00\x02\x02\x46"), { "TLS 1.2 or newer" } },
};

static void
test_handshake__stranger_is_named(void **state)
{
    for (size_t i = 0; i < LW_COUNT(strangers); i++) {
        tls_pair p;
        uint16_t port;
        char number[16];
        int fd;

        contexts_open(&p, NULL);
        world_open(&p.w);
        fd = dial(&p.w, &p.client, p.cctx, &port);
        assert_true(send(fd, strangers[i].said, strangers[i].len, 0) > 0);
        RUN_UNTIL(&p.w, p.client.told[LW_CONN_FAILED] == 1);
        assert_int_equal(lw_conn_error(p.client.c)->code, LW_ETLS);
        assert_int_equal(lw_conn_error(p.client.c)->stage, LW_STAGE_TLS);
        for (size_t k = 0; k < 3 && strangers[i].words[k] != NULL; k++)
            assert_says(lw_conn_error(p.client.c), strangers[i].words[k]);
        snprintf(number, sizeof number, "port %u", (unsigned)port);
        if (strangers[i].said[0] >= ' ')
            assert_says(lw_conn_error(p.client.c), number);
        assert_false(lw_conn_tls_facts(p.client.c)->active);
        close(fd);
        end_free(&p.client);
        world_close(&p.w);
        contexts_close(&p);
    }
}

static void
test_handshake__plain_text_after_starttls_is_named(void **state)
{
    tls_pair p;
    lw_code rc;

    for (int is_server = 0; is_server <= 1; is_server++) {
        contexts_open(&p, NULL);
        world_open(&p.w);
        pair_open(&p.w, &p.client, &p.server);
        end_say(&p.server, is_server ? "EHLO there\r\n" : "250 what?\r\n");
        IN(rc = lw_conn_start_tls(p.client.c, is_server ? p.sctx : p.cctx, is_server, HOST, NULL));
        assert_int_equal(rc, LW_OK);
        RUN_UNTIL(&p.w, has_result(&p.client));
        assert_int_equal(lw_conn_error(p.client.c)->code, LW_ETLS);
        assert_says(lw_conn_error(p.client.c),
                    is_server ? "the client does not speak TLS here (it sent \"EHLO there\")"
                              : "agreed to STARTTLS but then did not speak TLS");
        hang_up(&p);
        contexts_close(&p);
    }
}

static void
test_handshake__silent_server_times_out_with_a_hint(void **state)
{
    tls_pair p;
    lw_addr a;
    int listener = listen_on(&a, "127.0.0.1", 1);
    lw_conn_opts o = { .host = "127.0.0.1", .port = lw_addr_port(&a), .implicit_tls = true };

    contexts_open(&p, NULL);
    o.tls = p.cctx;
    world_open(&p.w);
    open_conn(&p.w, &p.client, &o);
    RUN_UNTIL(&p.w, p.client.c->state == LW_CONN_S_HANDSHAKE);
    time_is_up(&p.client);
    RUN_UNTIL(&p.w, p.client.told[LW_CONN_FAILED] == 1);
    assert_int_equal(lw_conn_error(p.client.c)->code, LW_ETIMEOUT);
    assert_int_equal(lw_conn_error(p.client.c)->stage, LW_STAGE_TLS);
    assert_says(lw_conn_error(p.client.c), "smtp://");
    close(listener);
    end_free(&p.client);
    world_close(&p.w);
    contexts_close(&p);
}

static void
on_accepted(void *ctx, int fd, const char *peer)
{
    tls_pair *p = ctx;
    lw_code rc;

    assert_string_equal(peer, "127.0.0.1");
    end_adopt(&p->w, &p->server, fd);
    IN(rc = lw_conn_start_tls(p->server.c, p->sctx, true, NULL, NULL));
    assert_int_equal(rc, LW_OK);
}

/* OPEN comes once, when the handshake is done; TLS is for STARTTLS */
static void
test_implicit__open_is_told_after_the_handshake(void **state)
{
    wish wished = { HOST, "IP:127.0.0.1", -1, 10, false, &ca };
    identity id = make_identity(&wished);
    lw_conn_opts o = { .host = "127.0.0.1", .implicit_tls = true };
    lw_listener *l;
    tls_pair p;
    lw_code rc;

    contexts_open(&p, NULL);
    use_identity(p.sctx, &id);
    world_open(&p.w);
    end_init(&p.client);
    end_init(&p.server);
    assert_int_equal(lw_listener_open(&p.w.loop, NULL, "127.0.0.1:0", on_accepted, &p, &l, NULL),
                     LW_OK);
    o.tls = p.cctx;
    o.port = lw_listener_port(l);
    IN(rc = lw_conn_open(&p.w.loop, &o, end_cb, &p.client, &p.client.c, NULL));
    assert_int_equal(rc, LW_OK);
    RUN_UNTIL(&p.w, p.client.told[LW_CONN_OPEN] + p.client.told[LW_CONN_FAILED] > 0);
    assert_int_equal(p.client.told[LW_CONN_OPEN], 1);
    assert_true(lw_conn_tls_facts(p.client.c)->verified);
    assert_false(uv_is_active((uv_handle_t *)&p.client.c->deadline));
    RUN_UNTIL(&p.w, has_result(&p.server));
    talk(&p);
    assert_int_equal(p.client.told[LW_CONN_OPEN] + p.client.told[LW_CONN_TLS], 1);
    lw_listener_close(l);
    hang_up(&p);
    contexts_close(&p);
    drop_identity(&id);
}

/* ---- names that would check nothing --------------------------------------------------------------- */

static void
test_start__name_that_checks_nothing_refused(void **state)
{
    static const char *const names[] = { "", ".", ".example", "%eth0" };
    tls_pair p;
    lw_error err;
    lw_code rc;

    contexts_open(&p, NULL);
    for (size_t i = 0; i < LW_COUNT(names); i++) {
        world_open(&p.w);
        pair_open(&p.w, &p.client, &p.server);
        IN(rc = lw_conn_start_tls(p.client.c, p.cctx, false, names[i], &err));
        assert_int_equal(rc, LW_EUSAGE);
        assert_says(&err, "name");
        hang_up(&p);
    }
    contexts_close(&p);
}

/* ---- the test between client and server ---------------------------------------------------------------- */

typedef struct between {
    tls_pair p;
    int to_client, to_server;
    size_t from_client, from_server; /* octets passed on                                     */
    size_t limit_client, limit_server; /* then that direction ends                          */
} between;

static void
between_open(between *b)
{
    int client[2], server[2];
    lw_code rc;

    world_open(&b->p.w);
    socket_pair(client);
    socket_pair(server);
    end_adopt(&b->p.w, &b->p.client, client[0]);
    end_adopt(&b->p.w, &b->p.server, server[0]);
    b->to_client = client[1];
    b->to_server = server[1];
    b->from_client = b->from_server = 0;
    b->limit_client = b->limit_server = SIZE_MAX;
    IN(rc = lw_conn_start_tls(b->p.server.c, b->p.sctx, true, NULL, NULL));
    assert_int_equal(rc, LW_OK);
    IN(rc = lw_conn_start_tls(b->p.client.c, b->p.cctx, false, HOST, NULL));
    assert_int_equal(rc, LW_OK);
}

/* passes on what is there, up to the limit, behind which both connections are cut */
static void
pass_on(between *b, int from, int to, size_t *passed, size_t limit)
{
    char buf[4096];
    size_t room = limit - *passed;
    ssize_t n = recv(from, buf, room < sizeof buf ? room : sizeof buf, MSG_DONTWAIT);

    if (n > 0) {
        assert_int_equal(send(to, buf, (size_t)n, MSG_NOSIGNAL), n);
        *passed += (size_t)n;
    }
    if (*passed >= limit && b->to_client >= 0) {
        close(b->to_client);
        close(b->to_server);
        b->to_client = b->to_server = -1;
    }
}

static void
between_turn(between *b)
{
    uv_run(&b->p.w.loop, UV_RUN_NOWAIT);
    if (b->to_client >= 0)
        pass_on(b, b->to_client, b->to_server, &b->from_client, b->limit_client);
    if (b->to_client >= 0)
        pass_on(b, b->to_server, b->to_client, &b->from_server, b->limit_server);
}

static void
between_close(between *b)
{
    if (b->to_client >= 0) {
        close(b->to_client);
        close(b->to_server);
    }
    hang_up(&b->p);
}

/* at most so many turns: nothing in here waits for time */
#define TURNS 2000

static void
between_run(between *b)
{
    for (int i = 0; i < TURNS && !(has_result(&b->p.client) && has_result(&b->p.server)); i++)
        between_turn(b);
    assert_true(has_result(&b->p.client) && has_result(&b->p.server));
}

static void
check_cut(const end *e)
{
    const lw_error *err = lw_conn_error(e->c);

    if (e->told[LW_CONN_TLS] == 1)
        return; /* it was done before the cut */
    assert_int_equal(e->told[LW_CONN_FAILED], 1);
    assert_int_equal(err->code, LW_ELOST);
    assert_int_equal(err->stage, LW_STAGE_TLS);
    assert_int_equal(err->retry, LW_RETRY_LATER);
    assert_says(err, "during the TLS handshake");
}

static bool
is_failed(const end *e)
{
    return e->told[LW_CONN_FAILED] == 1;
}

#define SIGNATURE_VARIES 12 /* octets by which one handshake may be shorter than another */

/* the network breaks behind each octet of either side's part of the handshake */
static void
test_handshake__cut_at_every_octet_is_lost(void **state)
{
    for (size_t v = 0; v < LW_COUNT(versions); v++) {
        between b;
        size_t total[2];

        contexts_open(&b.p, NULL);
        only_version(b.p.sctx, versions[v]);
        /* each handshake a whole one */
        SSL_CTX_set_session_cache_mode(b.p.cctx->ssl, SSL_SESS_CACHE_OFF);
        between_open(&b);
        for (int i = 0; i < TURNS && !b.p.client.c->tls->is_done; i++)
            between_turn(&b);
        total[1] = b.from_server; /* tickets of TLS 1.3 come later and are not needed */
        between_run(&b);
        assert_both_up(&b.p);
        total[0] = b.from_client;
        between_close(&b);
        for (int side = 0; side <= 1; side++) {
            /* each octet of the headers, then in steps: the rest is one record's inside */
            for (size_t n = 1; n + SIGNATURE_VARIES < total[side]; n += n < 100 ? 1 : 17) {
                between_open(&b);
                *(side == 0 ? &b.limit_client : &b.limit_server) = n;
                between_run(&b);
                check_cut(&b.p.client);
                check_cut(&b.p.server);
                if (!is_failed(&b.p.client) && !is_failed(&b.p.server))
                    fail_msg("side %d, cut behind %zu of %zu: nobody noticed", side, n,
                             total[side]);
                between_close(&b);
            }
        }
        contexts_close(&b.p);
    }
}

/* ---- records -------------------------------------------------------------------------------------------------- */

/* reads all that is there from fd; the number of TLS records in it */
static int
count_records(int fd, size_t *total)
{
    static unsigned char wire[1 << 20];
    size_t len = 0, at = 0;
    ssize_t n;
    int records = 0;

    while ((n = recv(fd, wire + len, sizeof wire - len, MSG_DONTWAIT)) > 0)
        len += (size_t)n;
    for (; at + 5 <= len; records++) {
        assert_int_equal(wire[at], 23);
        at += 5 + ((size_t)wire[at + 3] << 8 | wire[at + 4]);
    }
    assert_int_equal(at, len);
    *total = len;
    return records;
}

static void
test_write__many_slices_are_few_records(void **state)
{
    static const struct {
        const char *name;
        int count;
        size_t len;
        int records;
    } flights[] = {
        { "one", 1, 100, 1 },        { "a flight of commands", 60, 30, 1 },
        { "a record full", 16, 1024, 1 }, { "a record and an octet", 1, 16385, 2 },
        { "large and small", 3, 16384, 3 },   { "small ones of two records", 40, 800, 2 },
        { "empty ones between", 40, 0, 0 },
    };
    static char data[65536];
    between b;

    contexts_open(&b.p, NULL);
    between_open(&b);
    between_run(&b);
    for (int i = 0; i < 20; i++) /* tickets */
        between_turn(&b);
    for (size_t i = 0; i < LW_COUNT(flights); i++) {
        lw_slice v[64];
        size_t n, total;
        lw_code rc;
        int records;

        for (int k = 0; k < flights[i].count; k++)
            v[k] = (lw_slice){ data, flights[i].len, LW_SLICE_BODY };
        IN(rc = lw_conn_write(b.p.client.c, v, flights[i].count, &n));
        assert_int_equal(n, (size_t)flights[i].count * flights[i].len);
        assert_int_equal(rc, n > 0 ? LW_OK : LW_AGAIN);
        records = count_records(b.to_client, &total);
        if (records != flights[i].records)
            fail_msg("%s: %d records", flights[i].name, records);
        assert_true(total <= n + (size_t)records * 30);
    }
    between_close(&b);
    contexts_close(&b.p);
}

/* ---- octets, exactly ------------------------------------------------------------------------------------------- */

#define LARGE_BYTES (3u << 20)

typedef struct writer {
    const char *data;
    size_t at;
    uint32_t seed;
} writer;

/* slices from empty to several records; the same octets first again after LW_AGAIN, but never
 * the same slices */
static void
write_some(end *e, lw_conn_event what)
{
    writer *k = e->user;
    lw_slice v[70];
    size_t at = k->at, n;
    int count = 0;
    lw_code rc;

    if (what != LW_CONN_WRITABLE)
        return;
    while (count < 70 && at < LARGE_BYTES) {
        size_t len = next_random(&k->seed) % (next_random(&k->seed) % 8 == 0 ? 50000 : 500);

        len = len > LARGE_BYTES - at ? LARGE_BYTES - at : len;
        v[count++] = (lw_slice){ k->data + at, len, LW_SLICE_BODY };
        at += len;
    }
    IN(rc = lw_conn_write(e->c, v, count, &n));
    assert_true(rc == LW_OK || rc == LW_AGAIN);
    assert_true(n <= at - k->at && (n > 0) == (rc == LW_OK));
    k->at += n;
    IN(lw_conn_watch(e->c, e->is_reading, k->at < LARGE_BYTES));
}

static void
start_writing(end *e, writer *k)
{
    int small = 4096;

    setsockopt(e->c->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    e->user = k;
    e->on = write_some;
    IN(lw_conn_watch(e->c, e->is_reading, true));
}

/* both write at once, into small buffers, and read in odd sizes */
static void
test_write__large_both_ways_octet_by_octet(void **state)
{
    static char data[2][LARGE_BYTES];
    writer k[2] = { { .data = data[0], .seed = 3 }, { .data = data[1], .seed = 5 } };

    for (size_t i = 0; i < LARGE_BYTES; i++) {
        data[0][i] = (char)next_random(&k[0].seed);
        data[1][i] = (char)next_random(&k[1].seed);
    }
    for (size_t v = 0; v < LW_COUNT(versions); v++) {
        tls_pair p;

        contexts_open(&p, NULL);
        only_version(p.sctx, versions[v]);
        shake_hands(&p, HOST);
        await_both(&p);
        k[0].at = k[1].at = 0;
        p.client.read_max = 5001;
        end_start_reading(&p.client);
        end_start_reading(&p.server);
        start_writing(&p.client, &k[0]);
        start_writing(&p.server, &k[1]);
        RUN_UNTIL(&p.w, p.client.in.len == LARGE_BYTES && p.server.in.len == LARGE_BYTES);
        assert_memory_equal(p.server.in.ptr, data[0], LARGE_BYTES);
        assert_memory_equal(p.client.in.ptr, data[1], LARGE_BYTES);
        hang_up(&p);
        contexts_close(&p);
    }
}

/* what is decrypted already is told without the network: one octet at a time, all come */
static void
test_read__nothing_decrypted_stays_unseen(void **state)
{
    static char data[40000];
    lw_slice s = { data, sizeof data, LW_SLICE_BODY };
    tls_pair p;
    size_t n;
    lw_code rc;

    contexts_open(&p, NULL);
    shake_hands(&p, HOST);
    await_both(&p);
    IN(rc = lw_conn_write(p.client.c, &s, 1, &n));
    assert_int_equal(rc, LW_OK);
    assert_int_equal(n, sizeof data);
    p.server.read_max = 7;
    end_start_reading(&p.server);
    RUN_UNTIL(&p.w, p.server.in.len == sizeof data);
    IN(lw_conn_watch(p.server.c, false, false));
    hang_up(&p);
    contexts_close(&p);
}

/* what the peer sends right behind its last handshake flight */
static void
test_read__first_octets_come_with_the_handshake(void **state)
{
    between b;

    contexts_open(&b.p, NULL);
    between_open(&b);
    for (int i = 0; i < TURNS; i++) {
        uv_run(&b.p.w.loop, UV_RUN_NOWAIT);
        if (has_result(&b.p.client))
            break; /* its last flight is not passed on yet */
        between_turn(&b);
    }
    end_say(&b.p.client, "EHLO early\r\n");
    between_run(&b);
    end_start_reading(&b.p.server);
    for (int i = 0; i < TURNS && b.p.server.in.len < 12; i++)
        between_turn(&b);
    assert_span(lw_buf_span(&b.p.server.in), "EHLO early\r\n");
    between_close(&b);
    contexts_close(&b.p);
}

static void
test_read__no_busy_loop_on_half_a_record(void **state)
{
    between b;
    unsigned told;

    contexts_open(&b.p, NULL);
    between_open(&b);
    between_run(&b);
    for (int i = 0; i < 20; i++)
        between_turn(&b);
    end_start_reading(&b.p.server);
    end_say(&b.p.client, "EHLO there\r\n");
    b.limit_client = b.from_client + 10; /* half a record, then nothing */
    {
        char half[10];

        assert_int_equal(recv(b.to_client, half, sizeof half, 0), 10);
        assert_int_equal(send(b.to_server, half, sizeof half, 0), 10);
    }
    for (int i = 0; i < 20; i++)
        uv_run(&b.p.w.loop, UV_RUN_NOWAIT);
    told = b.p.server.told[LW_CONN_READABLE];
    assert_true(told <= 2);
    between_close(&b);
    contexts_close(&b.p);
}

/* ---- ends ------------------------------------------------------------------------------------------------------------ */

static void
test_shutdown__peer_reads_the_end(void **state)
{
    tls_pair p;

    contexts_open(&p, NULL);
    shake_hands(&p, HOST);
    await_both(&p);
    end_start_reading(&p.server);
    end_say(&p.client, "QUIT\r\n");
    IN(lw_conn_shutdown(p.client.c));
    RUN_UNTIL(&p.w, p.server.has_ended);
    assert_span(lw_buf_span(&p.server.in), "QUIT\r\n");
    end_say(&p.server, "221 bye\r\n"); /* the other direction is open */
    end_start_reading(&p.client);
    RUN_UNTIL(&p.w, p.client.in.len == 9);
    hang_up(&p);
    contexts_close(&p);
}

/* many servers just close; SMTP knows by itself whether something is missing */
static void
test_close__without_notice_is_an_end(void **state)
{
    tls_pair p;

    contexts_open(&p, NULL);
    shake_hands(&p, HOST);
    await_both(&p);
    talk(&p);
    end_close(&p.server);
    RUN_UNTIL(&p.w, p.client.has_ended);
    assert_int_equal(lw_conn_error(p.client.c)->code, LW_OK);
    hang_up(&p);
    contexts_close(&p);
}

static void
test_write__after_the_peer_is_gone_is_lost(void **state)
{
    lw_slice s = { "x", 1, LW_SLICE_COMMAND };
    tls_pair p;
    size_t n;
    lw_code rc;

    contexts_open(&p, NULL);
    shake_hands(&p, HOST);
    await_both(&p);
    end_close(&p.server);
    do
        IN(rc = lw_conn_write(p.client.c, &s, 1, &n));
    while (rc == LW_OK);
    assert_int_equal(rc, LW_ELOST);
    assert_int_equal(lw_conn_error(p.client.c)->code, LW_ELOST);
    assert_int_equal(lw_conn_error(p.client.c)->os_err, EPIPE);
    hang_up(&p);
    contexts_close(&p);
}

/* What left with the first send() has left, whatever the second one says: told as lost, a message
 * that was stored would be sent again. */
static void
test_write__lost_behind_a_part_is_told_by_the_next_call(void **state)
{
    static char data[2 * LW_RECORD_BYTES];
    lw_slice s = { data, sizeof data, LW_SLICE_BODY };
    tls_pair p;
    size_t n;
    lw_code rc;

    contexts_open(&p, NULL);
    shake_hands(&p, HOST);
    await_both(&p);
    send_room = LW_RECORD_BYTES + 1000;
    IN(rc = lw_conn_write(p.client.c, &s, 1, &n));
    assert_int_equal(rc, LW_OK);
    assert_int_equal(n, sizeof data);
    end_start_reading(&p.server);
    RUN_UNTIL(&p.w, p.server.in.len == LW_RECORD_BYTES);
    IN(rc = lw_conn_write(p.client.c, &s, 1, &n));
    assert_int_equal(rc, LW_ELOST);
    assert_int_equal(n, 0);
    assert_int_equal(lw_conn_error(p.client.c)->code, LW_ELOST);
    assert_int_equal(lw_conn_error(p.client.c)->os_err, ECONNRESET);
    send_room = SIZE_MAX;
    hang_up(&p);
    contexts_close(&p);
}

/* octets that were changed on the way */
static void
test_read__changed_record_is_an_error(void **state)
{
    between b;
    char wire[512];
    ssize_t n;

    contexts_open(&b.p, NULL);
    between_open(&b);
    between_run(&b);
    for (int i = 0; i < 20; i++)
        between_turn(&b);
    end_say(&b.p.client, "MAIL FROM:<a@b.test>\r\n");
    n = recv(b.to_client, wire, sizeof wire, 0);
    assert_true(n > 10);
    wire[9] ^= 1;
    assert_int_equal(send(b.to_server, wire, (size_t)n, 0), n);
    end_start_reading(&b.p.server);
    RUN_UNTIL(&b.p.w, b.p.server.failed < 0);
    assert_int_equal(b.p.server.failed, LW_ETLS);
    assert_int_equal(b.p.server.in.len, 0);
    between_close(&b);
    contexts_close(&b.p);
}

static void
test_close__inside_tls_and_failed_and_midway(void **state)
{
    tls_pair p;

    for (int turns = 0; turns <= 8; turns++) {
        contexts_open(&p, NULL);
        shake_hands(&p, HOST);
        for (int i = 0; i < turns; i++)
            uv_run(&p.w.loop, UV_RUN_NOWAIT);
        hang_up(&p);
        contexts_close(&p);
    }
    for (int is_good = 0; is_good <= 1; is_good++) {
        contexts_open(&p, NULL);
        shake_hands(&p, is_good ? HOST : "other.example");
        for (lw_conn_event what = LW_CONN_TLS; what <= LW_CONN_FAILED; what++)
            p.client.close_when[what] = p.server.close_when[what] = true;
        RUN_UNTIL(&p.w, p.client.c == NULL && p.server.c == NULL);
        assert_int_equal(p.client.told[is_good ? LW_CONN_TLS : LW_CONN_FAILED], 1);
        hang_up(&p);
        contexts_close(&p);
    }
}

/* TLS 1.3 may ask for new keys at any time, and wants an answer from whoever only reads */
static void
test_key_updates__answered_while_reading(void **state)
{
    tls_pair p;

    contexts_open(&p, NULL);
    only_version(p.sctx, TLS1_3_VERSION);
    shake_hands(&p, HOST);
    await_both(&p);
    talk(&p);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(SSL_key_update(p.client.c->tls->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        end_say(&p.client, "NOOP\r\n");
        RUN_UNTIL(&p.w, p.server.in.len == 12 + 6 * (size_t)(i + 1));
    }
    end_say(&p.server, "250 ok\r\n");
    RUN_UNTIL(&p.w, p.client.in.len == 11 + 8);
    hang_up(&p);
    contexts_close(&p);
}

/* ---- the n-th allocation fails ------------------------------------------------------------------------------------- */

static void
test_handshake__out_of_memory_nothing_leaks(void **state)
{
    bool is_up = false;

    for (int n = 0; !is_up; n++) {
        short_memory m = { .left = n };
        lw_alloc alloc = { short_resize, &m };
        tls_pair p;
        int fd[2];
        lw_code rc;

        contexts_open(&p, NULL);
        world_open(&p.w);
        socket_pair(fd);
        end_adopt(&p.w, &p.server, fd[1]);
        end_init(&p.client);
        IN(rc = lw_conn_adopt(&p.w.loop, &alloc, fd[0], end_cb, &p.client, &p.client.c));
        if (rc < 0)
            close(fd[0]);
        IN(assert_int_equal(lw_conn_start_tls(p.server.c, p.sctx, true, NULL, NULL), LW_OK));
        if (rc == LW_OK)
            IN(rc = lw_conn_start_tls(p.client.c, p.cctx, false, HOST, NULL));
        if (rc == LW_OK)
            RUN_UNTIL(&p.w, has_result(&p.client));
        else
            assert_int_equal(rc, LW_ENOMEM);
        /* facts that could not be copied do not stop anything: done means nothing failed */
        is_up = rc == LW_OK && p.client.told[LW_CONN_TLS] == 1 && m.left > 0;
        hang_up(&p);
        contexts_close(&p);
        assert_int_equal(m.held, 0);
    }
}

static void
test_contexts__out_of_memory_nothing_leaks(void **state)
{
    lw_tls_client_opts o = { .ca_file = ca_pem };

    for (int is_server = 0; is_server <= 1; is_server++) {
        lw_code rc = LW_ENOMEM;

        for (int n = 0; rc != LW_OK; n++) {
            short_memory m = { .left = n };
            lw_alloc alloc = { short_resize, &m };
            lw_tls_ctx *c;

            rc = is_server ? lw_tls_server_new(&alloc, "a.example", NULL, NULL, &c, NULL)
                           : lw_tls_client_new(&alloc, &o, &c, NULL);
            assert_true(rc == LW_OK || rc == LW_ENOMEM);
            assert_int_equal(c != NULL, rc == LW_OK);
            lw_tls_ctx_free(c);
            assert_int_equal(m.held, 0);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake__stranger_is_named),
        cmocka_unit_test(test_handshake__plain_text_after_starttls_is_named),
        cmocka_unit_test(test_handshake__silent_server_times_out_with_a_hint),
        cmocka_unit_test(test_implicit__open_is_told_after_the_handshake),
        cmocka_unit_test(test_start__name_that_checks_nothing_refused),
        cmocka_unit_test(test_handshake__cut_at_every_octet_is_lost),
        cmocka_unit_test(test_write__many_slices_are_few_records),
        cmocka_unit_test(test_write__large_both_ways_octet_by_octet),
        cmocka_unit_test(test_read__nothing_decrypted_stays_unseen),
        cmocka_unit_test(test_read__first_octets_come_with_the_handshake),
        cmocka_unit_test(test_read__no_busy_loop_on_half_a_record),
        cmocka_unit_test(test_shutdown__peer_reads_the_end),
        cmocka_unit_test(test_close__without_notice_is_an_end),
        cmocka_unit_test(test_write__after_the_peer_is_gone_is_lost),
        cmocka_unit_test(test_write__lost_behind_a_part_is_told_by_the_next_call),
        cmocka_unit_test(test_read__changed_record_is_an_error),
        cmocka_unit_test(test_close__inside_tls_and_failed_and_midway),
        cmocka_unit_test(test_key_updates__answered_while_reading),
        cmocka_unit_test(test_handshake__out_of_memory_nothing_leaks),
        cmocka_unit_test(test_contexts__out_of_memory_nothing_leaks),
    };

    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
