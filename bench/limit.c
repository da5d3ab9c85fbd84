/* SPDX-License-Identifier: MIT */
/*
 * limit.c - how fast the protocol lets anybody be: octets rendered beforehand, nothing checked
 * but the first digit of each reply
 *
 *     limit -p PORT [-m MODE] [-n MESSAGES] [-w WINDOW] [-c CONNECTIONS] [-T] FILE
 *
 *     -m lock   every command waits for its reply           4 waits a message
 *        data2  MAIL RCPT DATA | message . | MAIL ...       2 waits, one transaction at a time
 *        data   MAIL RCPT DATA | message . MAIL RCPT DATA   1 wait (RFC 2920 3.1)
 *        bdat   MAIL RCPT BDAT message, WINDOW messages in flight (RFC 3030 with 2920)
 *        reset  RSET MAIL RCPT BDAT message, the same: what a client needs that cannot know that
 *               the BDAT before will be taken (RFC 3030 2)
 *     -T        TLS from the first octet; the certificate is not looked at
 *
 * One thread, epoll.  FILE has CRLF line ends and no line that begins with a dot.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BLOCK_MESSAGES = 64, MODES = 5, EVENTS = 64 };
typedef enum mode { LOCK, DATA2, DATA, BDAT, RESET } mode;
static const char *const MODE_NAMES[MODES] = { "lock", "data2", "data", "bdat", "reset" };

typedef struct text {
    const char *ptr;
    size_t len;
} text;

#define TEXT(literal) ((text){ literal, sizeof(literal) - 1 })
static const text EHLO = { "EHLO bench.test\r\n", 17 }, QUIT = { "QUIT\r\n", 6 };
static const text ENVELOPE[] = {
    { "MAIL FROM:<a@bench.test>\r\n", 26 },
    { "RCPT TO:<b@bench.test>\r\n", 24 },
    { "DATA\r\n", 6 },
};
static const char ENVELOPE_ALL[] =
    "MAIL FROM:<a@bench.test>\r\nRCPT TO:<b@bench.test>\r\nDATA\r\n";

typedef struct plan {
    mode mode;
    bool has_window; /* BDAT */
    int n_replies;   /* to one message */
    uint16_t port;
    long n_messages, window, n_conns;
    SSL_CTX *tls;
    int epoll_fd;
    text last, next; /* message and dot; the same with the next envelope behind it */
    text block; /* BLOCK_MESSAGES whole BDAT transactions */
    size_t block_unit;
} plan;

typedef struct conn {
    int fd;
    SSL *ssl;
    enum { AT_GREETING, AT_EHLO, AT_MAIL, AT_QUIT, AT_END } at;
    bool waits_for_room;
    text out; /* what is being written */
    long quota, n_sent, n_done;
    int n_replies; /* of the present transaction */
    char in[8192];
    size_t in_len;
} conn;

static void
die(const char *what)
{
    fprintf(stderr, "limit: %s: %m\n", what);
    exit(1);
}

/* ---- octets -------------------------------------------------------------------------------- */

/* Octets moved, 0 = not now, -1 = the end. */
static ssize_t
tls_result(conn *c, int n)
{
    int why;

    if (n > 0)
        return n;
    why = SSL_get_error(c->ssl, n);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t
write_some(conn *c, text t)
{
    ssize_t n;

    if (c->ssl != NULL)
        return tls_result(c, SSL_write(c->ssl, t.ptr,
                                       t.len > 1 << 20 ? 1 << 20 : (int)t.len));
    n = send(c->fd, t.ptr, t.len, MSG_NOSIGNAL);
    return n < 0 && errno == EAGAIN ? 0 : n;
}

static ssize_t
read_some(conn *c)
{
    size_t room = sizeof c->in - c->in_len;
    ssize_t n;

    if (c->ssl != NULL)
        return tls_result(c, SSL_read(c->ssl, c->in + c->in_len, (int)room));
    n = recv(c->fd, c->in + c->in_len, room, 0);
    if (n < 0 && errno == EAGAIN)
        return 0;
    return n == 0 ? -1 : n;
}

static void
wait_for_room(const plan *p, conn *c, bool on)
{
    struct epoll_event e = { .events = EPOLLIN | (on ? EPOLLOUT : 0), .data.ptr = c };

    if (c->waits_for_room == on)
        return;
    c->waits_for_room = on;
    if (epoll_ctl(p->epoll_fd, EPOLL_CTL_MOD, c->fd, &e) != 0)
        die("epoll_ctl");
}

/* ---- the dialogue ---------------------------------------------------------------------------- */

/* With BDAT: as many transactions as the window has room for; refilled by quarters. */
static void
fill_window(const plan *p, conn *c)
{
    long room = p->window - (c->n_sent - c->n_done), left = c->quota - c->n_sent;

    if (room > left)
        room = left;
    if (room > BLOCK_MESSAGES)
        room = BLOCK_MESSAGES;
    if (room <= 0 || (room < left && room < p->window / 4))
        return;
    c->out = (text){ p->block.ptr, (size_t)room * p->block_unit };
    c->n_sent += room;
}

static void
write_all(const plan *p, conn *c)
{
    ssize_t n;

    for (;;) {
        if (c->out.len == 0 && c->at == AT_MAIL && p->has_window)
            fill_window(p, c);
        if (c->out.len == 0)
            break;
        if ((n = write_some(c, c->out)) < 0)
            die("write");
        if (n == 0)
            break;
        c->out.ptr += n;
        c->out.len -= (size_t)n;
    }
    wait_for_room(p, c, c->out.len > 0);
}

static void
begin_message(const plan *p, conn *c)
{
    if (c->n_done == c->quota) {
        c->at = AT_QUIT;
        c->out = QUIT;
    } else if (p->mode == LOCK)
        c->out = ENVELOPE[0];
    else if (!p->has_window)
        c->out = TEXT(ENVELOPE_ALL);
}

static void
end_message(const plan *p, conn *c)
{
    c->n_replies = 0;
    c->n_done++;
    if (p->mode != DATA || c->n_done == c->quota)
        begin_message(p, c);
}

/* A reply within a transaction; without BDAT: three to the envelope, one to the message. */
static void
answer_in_transaction(const plan *p, conn *c)
{
    int n = ++c->n_replies;

    if (n == p->n_replies)
        end_message(p, c);
    else if (n < 3 && p->mode == LOCK)
        c->out = ENVELOPE[n];
    else if (n == 3 && !p->has_window)
        c->out = p->mode == DATA && c->n_done + 1 < c->quota ? p->next : p->last;
}

static void
answer(const plan *p, conn *c, const char *line)
{
    if (line[0] != '2' && line[0] != '3') {
        fprintf(stderr, "limit: refused: %.60s\n", line);
        exit(1);
    }
    if (line[3] == '-')
        return;
    switch (c->at) {
    case AT_GREETING:
        c->at = AT_EHLO;
        c->out = EHLO;
        break;
    case AT_EHLO:
        c->at = AT_MAIL;
        begin_message(p, c);
        break;
    case AT_MAIL:
        answer_in_transaction(p, c);
        break;
    case AT_QUIT:
        c->at = AT_END;
        break;
    case AT_END:
        break;
    }
}

static void
answer_all(const plan *p, conn *c)
{
    char *at = c->in, *end = c->in + c->in_len, *lf;

    while ((lf = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        answer(p, c, at);
        at = lf + 1;
        if (!p->has_window)
            write_all(p, c);
    }
    c->in_len = (size_t)(end - at);
    memmove(c->in, at, c->in_len);
    write_all(p, c);
}

/* False: the dialogue has ended. */
static bool
serve(const plan *p, conn *c, uint32_t events)
{
    ssize_t n;

    if (events & EPOLLOUT)
        write_all(p, c);
    while (c->at != AT_END && (n = read_some(c)) != 0) {
        if (n < 0)
            die("closed early");
        c->in_len += (size_t)n;
        answer_all(p, c);
    }
    return c->at != AT_END;
}

/* ---- start -------------------------------------------------------------------------------------- */

static void
open_conn(const plan *p, conn *c)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(p->port) };
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
    int on = 1;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (p->tls != NULL) {
        if ((c->ssl = SSL_new(p->tls)) == NULL || SSL_set_fd(c->ssl, c->fd) != 1 ||
            SSL_connect(c->ssl) != 1)
            die("TLS");
    }
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0 ||
        epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, c->fd, &e) != 0)
        die("epoll_ctl");
}

static void
close_conn(conn *c)
{
    if (c->ssl != NULL)
        SSL_shutdown(c->ssl);
    SSL_free(c->ssl);
    close(c->fd);
}

static text
render(const char *format, const char *a, const char *b)
{
    char *out;
    int n = asprintf(&out, format, a, b);

    if (n < 0)
        die("memory");
    return (text){ out, (size_t)n };
}

static void
render_message(plan *p, const char *path)
{
    size_t len;
    char *message = load_file(path, &len), head[100], *block;
    int n = snprintf(head, sizeof head, "%s%s%sBDAT %zu LAST\r\n",
                     p->mode == RESET ? "RSET\r\n" : "", ENVELOPE[0].ptr, ENVELOPE[1].ptr, len);

    p->last = render("%s.\r\n", message, NULL);
    p->next = render("%s.\r\n%s", message, ENVELOPE_ALL);
    p->block_unit = (size_t)n + len;
    if ((block = malloc(p->block_unit * BLOCK_MESSAGES)) == NULL)
        die("memory");
    for (size_t i = 0; i < BLOCK_MESSAGES; i++) {
        memcpy(block + i * p->block_unit, head, (size_t)n);
        memcpy(block + i * p->block_unit + n, message, len);
    }
    p->block = (text){ block, p->block_unit * BLOCK_MESSAGES };
    free(message);
}

static mode
find_mode(const char *name)
{
    for (int i = 0; i < MODES; i++)
        if (strcmp(name, MODE_NAMES[i]) == 0)
            return (mode)i;
    exit(64);
}

static SSL_CTX *
make_tls(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (ctx == NULL)
        die("TLS");
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return ctx;
}

static void
parse(plan *p, int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "p:m:n:w:c:T")) != -1) {
        switch (option) {
        case 'p':
            p->port = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 'm':
            p->mode = find_mode(optarg);
            break;
        case 'n':
            p->n_messages = strtol(optarg, NULL, 10);
            break;
        case 'w':
            p->window = strtol(optarg, NULL, 10);
            break;
        case 'c':
            p->n_conns = strtol(optarg, NULL, 10);
            break;
        case 'T':
            p->tls = make_tls();
            break;
        default:
            exit(64);
        }
    }
    if (optind + 1 != argc || p->n_conns < 1)
        exit(64);
    p->has_window = p->mode == BDAT || p->mode == RESET;
    p->n_replies = p->mode == BDAT ? 3 : 4;
    render_message(p, argv[optind]);
}

static long
run(const plan *p)
{
    conn *conns = calloc((size_t)p->n_conns, sizeof *conns);
    struct epoll_event events[EVENTS];
    long alive = p->n_conns, done = 0;
    int n;

    for (long i = 0; i < p->n_conns; i++) {
        conns[i].quota = p->n_messages / p->n_conns + (i < p->n_messages % p->n_conns);
        open_conn(p, &conns[i]);
    }
    while (alive > 0) {
        n = epoll_wait(p->epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            conn *c = events[i].data.ptr;

            if (serve(p, c, events[i].events))
                continue;
            done += c->n_done;
            alive--;
            close_conn(c);
        }
    }
    free(conns);
    return done;
}

int
main(int argc, char **argv)
{
    plan p = { .mode = LOCK, .n_messages = 1, .window = 1, .n_conns = 1 };
    stopwatch since;

    signal(SIGPIPE, SIG_IGN);
    if ((p.epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
        die("epoll");
    parse(&p, argc, argv);
    since = look_at_clock();
    return print_result(since, p.n_messages, run(&p));
}
