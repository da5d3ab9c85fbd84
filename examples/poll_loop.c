/* SPDX-License-Identifier: MIT */
/*
 * poll_loop.c - the engine without any of our I/O: a socket, poll(), and lw_smtp
 *
 *     poll_loop IPV4-ADDRESS PORT FROM TO <message
 *
 * This is all that a program with an event loop of its own needs.  No TLS and no login, to
 * stay short: LW_WANT_TLS and lw_smtp_auth() are where they come in.
 */
#include <letterwing/smtp.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { N_SLICES = 16, MESSAGE_MAX = 1 << 20 };

typedef struct mail {
    lw_envelope envelope;
    lw_rcpt rcpt;
    lw_body body;
    lw_span octets;
    lw_outcome outcome;
} mail;

static uint64_t
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The whole message is one span. */
static lw_code
next_span(void *ctx, lw_span *span)
{
    *span = ((mail *)ctx)->octets;
    return LW_DONE;
}

static lw_code
rewind_nothing(void *ctx)
{
    (void)ctx;
    return LW_OK;
}

static void
prepare(mail *m, const char *from, const char *to, lw_span octets)
{
    memset(m, 0, sizeof *m);
    m->octets = octets;
    m->rcpt.address = to;
    m->envelope.from = from;
    m->envelope.rcpts = &m->rcpt;
    m->envelope.n_rcpts = 1;
    m->body.next = next_span;
    m->body.rewind = rewind_nothing;
    m->body.ctx = m;
    m->body.size = octets.len;
}

/* What the program does with what happened. */
static lw_code
handle(lw_smtp *engine, mail *m, const lw_event *ev)
{
    switch (ev->kind) {
    case LW_EVENT_READY:
        return lw_smtp_submit(engine, &m->envelope, &m->body, m);
    case LW_EVENT_RCPT:
        m->outcome = ev->outcome;
        printf("%s: %s (%d %.*s)\n", m->rcpt.address, lw_outcome_name(ev->outcome),
               ev->reply.code, (int)ev->reply.text.len, ev->reply.text.ptr);
        return LW_OK;
    case LW_EVENT_DONE:
        return lw_smtp_quit(engine);
    case LW_EVENT_GREETING:
    case LW_EVENT_START_TLS:
    case LW_EVENT_NO_TLS:
    case LW_EVENT_CHALLENGE:
    case LW_EVENT_AUTH:
    case LW_EVENT_REPLY:
    case LW_EVENT_CLOSED:
        return LW_OK;
    }
    return LW_OK;
}

static lw_code
handle_all(lw_smtp *engine, mail *m)
{
    lw_event ev;

    while (lw_smtp_next(engine, &ev) == LW_OK) {
        lw_code code = handle(engine, m, &ev);

        if (code < 0)
            return code;
    }
    return LW_OK;
}

/* Bytes that came; what the engine did not take waits for an event to be handled. */
static lw_code
feed(lw_smtp *engine, mail *m, const char *p, size_t n)
{
    while (n > 0) {
        size_t used = 0;
        lw_code code = lw_smtp_feed(engine, p, n, &used);

        if (code < 0)
            return code;
        p += used;
        n -= used;
        if ((code = handle_all(engine, m)) < 0)
            return code;
    }
    return LW_OK;
}

static lw_code
read_some(lw_smtp *engine, mail *m, int fd)
{
    char buf[4096];
    ssize_t n = recv(fd, buf, sizeof buf, 0);

    if (n > 0)
        return feed(engine, m, buf, (size_t)n);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return LW_OK;
    return lw_smtp_eof(engine);
}

static void
write_some(lw_smtp *engine, int fd)
{
    lw_slice slices[N_SLICES];
    struct iovec iov[N_SLICES];
    struct msghdr msg = { .msg_iov = iov };
    int count = lw_smtp_out(engine, slices, N_SLICES);
    ssize_t n;

    for (int i = 0; i < count; i++)
        iov[i] = (struct iovec){ (void *)slices[i].ptr, slices[i].len };
    msg.msg_iovlen = (size_t)count;
    n = count > 0 ? sendmsg(fd, &msg, MSG_NOSIGNAL) : 0;
    if (n > 0)
        lw_smtp_sent(engine, (size_t)n);
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        lw_smtp_fail(engine, LW_ELOST, "the connection was lost while writing");
}

static int
wait_ms(const lw_smtp *engine)
{
    uint64_t deadline = lw_smtp_deadline(engine), now = now_ms();

    if (deadline == UINT64_MAX)
        return -1;
    return deadline <= now ? 0 : deadline - now > 60000 ? 60000 : (int)(deadline - now);
}

/* The loop: serve reading and writing at the same time, always. */
static void
run(lw_smtp *engine, mail *m, int fd)
{
    unsigned want;

    while ((want = lw_smtp_want(engine)) != 0) {
        struct pollfd p = { .fd = fd };

        if (want & LW_WANT_EVENT) {
            if (handle_all(engine, m) < 0)
                return;
            continue;
        }
        p.events = (short)((want & LW_WANT_READ ? POLLIN : 0) |
                           (want & LW_WANT_WRITE ? POLLOUT : 0));
        poll(&p, 1, wait_ms(engine));
        (void)lw_smtp_tick(engine, now_ms());
        if ((p.revents & (POLLIN | POLLHUP | POLLERR)) && read_some(engine, m, fd) < 0)
            continue; /* the engine closed; its last events tell the rest */
        if (p.revents & POLLOUT)
            write_some(engine, fd);
    }
}

static int
connect_to(const char *address, const char *port)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        perror(address);
        exit(69);
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

int
main(int argc, char **argv)
{
    static char octets[MESSAGE_MAX];
    lw_smtp_opts opts;
    lw_smtp *engine = NULL;
    mail m;
    int fd;

    if (argc != 5) {
        fprintf(stderr, "usage: poll_loop IPV4-ADDRESS PORT FROM TO <message\n");
        return 64;
    }
    prepare(&m, argv[3], argv[4], (lw_span){ octets, fread(octets, 1, sizeof octets, stdin) });
    lw_smtp_opts_init(&opts);
    fd = connect_to(argv[1], argv[2]);
    if (lw_smtp_new(&opts, now_ms(), &engine) != LW_OK)
        return 71;
    run(engine, &m, fd);
    if (lw_smtp_error(engine)->code != LW_OK)
        fprintf(stderr, "%s\n", lw_smtp_error(engine)->text);
    lw_smtp_free(engine);
    close(fd);
    return m.outcome == LW_OUTCOME_ACCEPTED ? 0 : 75;
}
