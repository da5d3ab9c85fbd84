/* SPDX-License-Identifier: MIT */
/*
 * nullpeer.c - an SMTP server that is never the bottleneck
 *
 *     nullpeer [-s FILE] [-d MS] [-o N] [-q] [-x LETTERS] [-t | -S] [-c CERT -k KEY]
 *
 *     -s FILE     live counters: unsigned 64-bit numbers in the order of struct counters
 *     -d MS       each reply leaves MS after the octets that caused it; octets go on being
 *                 read meanwhile: a long way, not a slow machine.  Handshakes are not late.
 *     -o N        greet nobody before N connections are open
 *     -q          acknowledge at once (TCP_QUICKACK): takes the delayed acknowledgement away
 *                 from a client that leaves Nagle's algorithm on and writes in two pieces
 *     -x LETTERS  do not offer: P PIPELINING, C CHUNKING, 8 8BITMIME, U SMTPUTF8, Z SIZE,
 *                 N DSN
 *     -t, -S      TLS from the first octet; offer STARTTLS
 *
 * Listens on a free port of 127.0.0.1 and prints its number.  One thread, epoll.  Ends when
 * its standard input does, or by SIGTERM, so that it cannot outlive who started it.
 */
#include "nullpeer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, PENDING_MAX = 64 << 20, EVENTS = 256 };

typedef struct conn {
    int fd;
    SSL *ssl;
    dialogue talk;
    bool is_closed; /* freed when no late reply is left */
    bool is_shaken; /* the handshake is done */
    bool waits_for_room; /* EPOLLOUT is asked for */
    unsigned n_late; /* replies on their way, and the greeting that is held back */
    struct conn *next_held;
    char *pending; /* what the socket did not take */
    size_t pending_len;
} conn;

/* A reply that is on its way. */
typedef struct late {
    uint64_t due_ns;
    conn *to;
    struct late *next;
    bool is_last;
    size_t len;
    char text[];
} late;

typedef struct peer {
    int epoll_fd, listen_fd, timer_fd;
    uint64_t delay_ns;
    bool tls_at_once, is_quick;
    offer offer;
    SSL_CTX *tls;
    counters *seen;
    uint64_t n_open, greets_at;
    conn *held; /* not greeted before greets_at are open */
    late *first, **end;
} peer;

static volatile sig_atomic_t has_to_stop;

static void
on_signal(int number)
{
    has_to_stop = number;
}

static void
die(const char *what)
{
    fprintf(stderr, "nullpeer: %s: %m\n", what);
    exit(1);
}

static uint64_t
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
watch(const peer *p, int op, int fd, uint32_t events, void *who)
{
    struct epoll_event e = { .events = events, .data.ptr = who };

    /* EPERM: a file, such as /dev/null as standard input, has no events and needs none. */
    if (epoll_ctl(p->epoll_fd, op, fd, &e) != 0 && errno != EPERM)
        die("epoll_ctl");
}

/* ---- connections --------------------------------------------------------------------- */

static void
close_conn(peer *p, conn *c)
{
    if (!c->is_closed) {
        c->is_closed = true;
        p->n_open--;
        SSL_free(c->ssl);
        c->ssl = NULL;
        close(c->fd);
    }
    if (c->n_late > 0)
        return;
    dialogue_deinit(&c->talk);
    free(c->pending);
    free(c);
}

/* Octets taken, 0 = no room now, -1 = lost. */
static ssize_t
write_some(conn *c, const char *p, size_t n)
{
    ssize_t done;

    if (c->ssl != NULL) {
        done = SSL_write(c->ssl, p, n > READ_BYTES ? READ_BYTES : (int)n);
        if (done > 0)
            return done;
        return SSL_get_error(c->ssl, (int)done) == SSL_ERROR_WANT_WRITE ? 0 : -1;
    }
    done = send(c->fd, p, n, MSG_NOSIGNAL);
    return done < 0 && errno == EAGAIN ? 0 : done;
}

static bool
keep_pending(const peer *p, conn *c, const char *text, size_t n)
{
    if (c->pending_len + n > PENDING_MAX)
        return false;
    if ((c->pending = realloc(c->pending, c->pending_len + n)) == NULL)
        die("memory");
    memcpy(c->pending + c->pending_len, text, n);
    c->pending_len += n;
    if (!c->waits_for_room)
        watch(p, EPOLL_CTL_MOD, c->fd, EPOLLIN | EPOLLOUT, c);
    c->waits_for_room = true;
    return true;
}

/* False: the connection is lost. */
static bool
send_text(const peer *p, conn *c, const char *text, size_t n)
{
    ssize_t done;

    while (n > 0 && c->pending_len == 0) {
        if ((done = write_some(c, text, n)) < 0)
            return false;
        if (done == 0)
            break;
        text += done;
        n -= (size_t)done;
    }
    return n == 0 || keep_pending(p, c, text, n);
}

static bool
send_pending(const peer *p, conn *c)
{
    ssize_t done = write_some(c, c->pending, c->pending_len);

    if (done < 0)
        return false;
    c->pending_len -= (size_t)done;
    memmove(c->pending, c->pending + done, c->pending_len);
    if (c->pending_len == 0) {
        watch(p, EPOLL_CTL_MOD, c->fd, EPOLLIN, c);
        c->waits_for_room = false;
    }
    return true;
}

/* ---- late replies ------------------------------------------------------------------------ */

static void
set_timer(const peer *p)
{
    struct itimerspec at = { .it_value = { 0, 0 } };

    if (p->first == NULL)
        return;
    at.it_value.tv_sec = (time_t)(p->first->due_ns / 1000000000u);
    at.it_value.tv_nsec = (long)(p->first->due_ns % 1000000000u);
    timerfd_settime(p->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void
send_late(peer *p, conn *c, const char *text, size_t n, bool is_last)
{
    late *l = malloc(sizeof *l + n);

    if (l == NULL)
        die("memory");
    l->due_ns = now_ns() + p->delay_ns;
    l->to = c;
    l->next = NULL;
    l->is_last = is_last;
    l->len = n;
    memcpy(l->text, text, n);
    c->n_late++;
    *p->end = l;
    p->end = &l->next;
    if (p->first == l)
        set_timer(p);
}

static void
send_due(peer *p)
{
    uint64_t now = now_ns(), expirations;
    late *l;

    if (read(p->timer_fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
        die("timer");
    while ((l = p->first) != NULL && l->due_ns <= now) {
        if ((p->first = l->next) == NULL)
            p->end = &p->first;
        l->to->n_late--;
        if (l->to->is_closed || !send_text(p, l->to, l->text, l->len) || l->is_last)
            close_conn(p, l->to);
        free(l);
    }
    set_timer(p);
}

/* ---- input --------------------------------------------------------------------------------- */

/* Sends what the dialogue has said; false: the connection is to be closed. */
static bool
reply(peer *p, conn *c)
{
    dialogue *d = &c->talk;
    size_t n = d->out_len;
    bool is_last = d->has_quit;

    if (n == 0)
        return true;
    p->seen->turns++;
    d->out_len = 0;
    if (p->delay_ns > 0) {
        send_late(p, c, d->out, n, is_last);
        return true;
    }
    return send_text(p, c, d->out, n) && !is_last;
}

static void
begin_tls(const peer *p, conn *c)
{
    c->talk.wants_tls = false;
    c->is_shaken = false;
    if ((c->ssl = SSL_new(p->tls)) == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
        die("TLS");
    SSL_set_accept_state(c->ssl);
}

/* 1 done, 0 not yet, -1 failed. */
static int
shake(peer *p, conn *c)
{
    int rc = SSL_do_handshake(c->ssl);

    if (rc != 1)
        return SSL_get_error(c->ssl, rc) == SSL_ERROR_WANT_READ ? 0 : -1;
    c->is_shaken = true;
    p->seen->handshakes++;
    if (p->tls_at_once)
        dialogue_greet(&c->talk);
    return 1;
}

/* After each read: the kernel forgets it by itself. */
static void
acknowledge(const peer *p, const conn *c)
{
    int on = 1;

    if (p->is_quick)
        setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

static bool
read_tls(peer *p, conn *c, char *buf)
{
    int n, why;

    ERR_clear_error();
    if (!c->is_shaken && (n = shake(p, c)) <= 0)
        return n == 0;
    while ((n = SSL_read(c->ssl, buf, READ_BYTES)) > 0)
        dialogue_feed(&c->talk, buf, (size_t)n);
    why = SSL_get_error(c->ssl, n);
    acknowledge(p, c);
    return reply(p, c) && why == SSL_ERROR_WANT_READ;
}

static bool
read_plain(peer *p, conn *c, char *buf)
{
    ssize_t n = recv(c->fd, buf, READ_BYTES, 0);

    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    acknowledge(p, c);
    dialogue_feed(&c->talk, buf, (size_t)n);
    if (!reply(p, c))
        return false;
    if (c->talk.wants_tls)
        begin_tls(p, c);
    return true;
}

static void
hold_greeting(peer *p, conn *c)
{
    c->n_late++;
    c->next_held = p->held;
    p->held = c;
}

static void
greet_held(peer *p)
{
    conn *c;

    while ((c = p->held) != NULL) {
        p->held = c->next_held;
        c->n_late--;
        if (c->is_closed || !reply(p, c))
            close_conn(p, c);
    }
}

static void
accept_all(peer *p)
{
    int fd, on = 1;
    conn *c;

    while ((fd = accept4(p->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >=
           0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if ((c = calloc(1, sizeof *c)) == NULL)
            die("memory");
        c->fd = fd;
        if (++p->n_open > p->seen->most_open)
            p->seen->most_open = p->n_open;
        dialogue_init(&c->talk, &p->offer, p->seen);
        watch(p, EPOLL_CTL_ADD, fd, EPOLLIN, c);
        if (p->tls_at_once)
            begin_tls(p, c);
        else
            dialogue_greet(&c->talk);
        if (p->n_open < p->greets_at)
            hold_greeting(p, c);
        else if (!reply(p, c))
            close_conn(p, c);
    }
    if (p->n_open >= p->greets_at) {
        p->greets_at = 0;
        greet_held(p);
    }
}

static void
serve(peer *p, conn *c, uint32_t events)
{
    static char buf[READ_BYTES];
    bool is_alive = true;

    /* Closed by an event of the same round, and kept for its late replies. */
    if (c->is_closed)
        return;
    if ((events & EPOLLOUT) && c->pending_len > 0)
        is_alive = send_pending(p, c);
    if (is_alive && (events & ~(uint32_t)EPOLLOUT))
        is_alive = c->ssl != NULL ? read_tls(p, c, buf) : read_plain(p, c, buf);
    if (!is_alive)
        close_conn(p, c);
}

static void
loop(peer *p)
{
    struct epoll_event events[EVENTS];
    bool is_due;
    int n;

    while (!has_to_stop) {
        n = epoll_wait(p->epoll_fd, events, EVENTS, -1);
        is_due = false;
        for (int i = 0; i < n; i++) {
            void *who = events[i].data.ptr;

            if (who == NULL)
                return; /* standard input has ended */
            if (who == &p->listen_fd)
                accept_all(p);
            else if (who == &p->timer_fd)
                is_due = true;
            else
                serve(p, who, events[i].events);
        }
        /* Last, because it may free a connection that an event of this round names. */
        if (is_due)
            send_due(p);
    }
}

/* ---- start ------------------------------------------------------------------------------------ */

static counters *
map_counters(const char *path)
{
    static counters own;
    void *at;
    int fd;

    if (path == NULL)
        return &own;
    if ((fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) < 0 ||
        ftruncate(fd, sizeof own) != 0)
        die(path);
    at = mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        die(path);
    close(fd);
    return at;
}

static void
leave_out(offer *o, const char *letters)
{
    o->no_pipelining = strchr(letters, 'P') != NULL;
    o->no_chunking = strchr(letters, 'C') != NULL;
    o->no_8bitmime = strchr(letters, '8') != NULL;
    o->no_smtputf8 = strchr(letters, 'U') != NULL;
    o->no_size = strchr(letters, 'Z') != NULL;
    o->no_dsn = strchr(letters, 'N') != NULL;
}

static void
load_certificate(peer *p, const char *cert, const char *key)
{
    if (cert == NULL || key == NULL ||
        (p->tls = SSL_CTX_new(TLS_server_method())) == NULL ||
        SSL_CTX_use_certificate_chain_file(p->tls, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(p->tls, key, SSL_FILETYPE_PEM) != 1) {
        fprintf(stderr, "nullpeer: -t and -S need -c CERT and -k KEY (PEM)\n");
        exit(1);
    }
    SSL_CTX_set_mode(p->tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static void
parse(peer *p, int argc, char **argv)
{
    const char *cert = NULL, *key = NULL, *path = NULL;
    int option;

    while ((option = getopt(argc, argv, "s:d:o:qx:tSc:k:")) != -1) {
        switch (option) {
        case 's':
            path = optarg;
            break;
        case 'd':
            p->delay_ns = strtoull(optarg, NULL, 10) * 1000000u;
            break;
        case 'o':
            p->greets_at = strtoull(optarg, NULL, 10);
            break;
        case 'q':
            p->is_quick = true;
            break;
        case 'x':
            leave_out(&p->offer, optarg);
            break;
        case 't':
            p->tls_at_once = true;
            break;
        case 'S':
            p->offer.starttls = true;
            break;
        case 'c':
            cert = optarg;
            break;
        case 'k':
            key = optarg;
            break;
        default:
            exit(64);
        }
    }
    p->seen = map_counters(path);
    if (p->tls_at_once || p->offer.starttls)
        load_certificate(p, cert, key);
}

static void
listen_on_loopback(peer *p)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t len = sizeof at;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->listen_fd < 0 ||
        bind(p->listen_fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(p->listen_fd, SOMAXCONN) != 0 ||
        getsockname(p->listen_fd, (struct sockaddr *)&at, &len) != 0)
        die("listen");
    watch(p, EPOLL_CTL_ADD, p->listen_fd, EPOLLIN, &p->listen_fd);
    printf("%u\n", ntohs(at.sin_port));
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    peer p = { .first = NULL };

    p.end = &p.first;
    parse(&p, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_signal);
    if ((p.epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0 ||
        (p.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) < 0)
        die("epoll");
    watch(&p, EPOLL_CTL_ADD, p.timer_fd, EPOLLIN, &p.timer_fd);
    watch(&p, EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, NULL);
    listen_on_loopback(&p);
    loop(&p);
    return 0;
}
