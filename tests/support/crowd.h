/* SPDX-License-Identifier: MIT */
/*
 * crowd.h - a mail server in a thread that takes many connections, and misbehaves as told
 *
 * It answers command by command, also when they come in one flight.  A recipient's local part ends
 * in a number; when a message's data is complete, before the reply to it is said, that number's
 * count goes up: a client that says `unsent` of such a one has lied.
 *
 *   ok-7@x     taken                    defer-7@x  450 until it was refused `deferrals` times
 *   bad-7@x    550                      die-7@x    the connection is closed without a word
 *   seq-7@x    503, as its policy
 */
#ifndef LW_TESTS_CROWD_H
#define LW_TESTS_CROWD_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CROWD_CONNS = 64, CROWD_IDS = 4096, CROWD_RCPTS = 32, CROWD_IN = 65536,
       CROWD_DOMAINS = 8 };

typedef struct crowd_conn {
    int fd;
    size_t budget;            /* octets it may still say                                       */
    bool is_mute, has_mail;
    bool refuses_next;        /* 503 to the next RCPT                                          */
    bool is_full;             /* the last MAIL was refused                                     */
    bool is_open;             /* a transaction, until RSET or its message; only with nonmail_max */
    bool had_reset;           /* behind the last message, or the beginning                     */
    unsigned n_nonmail;       /* RSET that were counted                                        */
    bool is_late;             /* owes a reply, says it when the next connection comes, and ends */
    bool in_data;             /* lines of a message until the dot                              */
    size_t chunk;             /* octets of BDAT still to come                                  */
    bool chunk_is_last;
    unsigned n_stored;        /* messages                                                      */
    int rcpts[CROWD_RCPTS];   /* taken in this transaction                                     */
    int n_rcpts;
    char domains[CROWD_DOMAINS][32]; /* of all RCPT, only with domain_max                     */
    unsigned n_domains;
    char in[CROWD_IN];
    size_t len;
} crowd_conn;

typedef struct crowd {
    const char *ehlo;         /* the whole answer to EHLO                                      */
    const char *greeting;     /* NULL = 220; behind a 4yz it closes, behind a 5yz at QUIT      */
    const char *auth_reply;   /* NULL = 235                                                    */
    unsigned max_conns;       /* more at a time get a 421 at the greeting; 0 = no limit        */
    unsigned close_after;     /* messages, then the connection is closed; 0 = never            */
    unsigned mail_max;        /* messages of a connection, then MAIL gets 452; 0 = no limit    */
    unsigned mail_max_in_all; /* messages, then each MAIL gets 452; 0 = no limit               */
    unsigned nonmail_max;     /* RSET of a connection as Exim counts them, see crowd_reset()   */
    unsigned deferrals;       /* of each defer-N                                               */
    bool swallows;            /* what comes in one piece behind MAIL is lost: it offers PIPELINING only */
    bool leaves;              /* when a command was lost nobody listens any more               */
    void (*on_swallow)(void *ctx); /* before anything else is read; NULL = nothing             */
    void *swallow_ctx;
    bool refuses_first;       /* 503 to the first RCPT of each connection but the first        */
    unsigned drops;           /* so many messages are stored, and no word said: it closes     */
    int rcpt_max;             /* of a transaction, more get a 452; 0 = CROWD_RCPTS             */
    unsigned domain_max;      /* in a session, at most CROWD_DOMAINS; 0 = any number          */
    bool is_first_late;       /* the reply to the first message comes with the next connection */
    const char *address;      /* to listen on, NULL = 127.0.0.1                                */
    const char *farewell;     /* what crowd_hang_up says before                                */
    bool resets;              /* and whether it ends connections with a reset                  */
    bool is_silent;           /* answers nothing from the end of the second message on         */
    unsigned seed;            /* cuts each connection at a random octet of what it says; 0 = no */
    unsigned cut_below;       /* octets                                                        */
    /* what became of it */
    atomic_uint stored[CROWD_IDS], offered[CROWD_IDS];
    atomic_uint connections, messages, refused, most_conns, logins, unanswered;
    atomic_uint swallowed;    /* commands                                                      */
    atomic_uint closed;       /* connections, by us                                            */
    atomic_uint late_replies, over_domain_max, over_nonmail_max,
        over_mail_max;
    atomic_uint last_body;    /* of MAIL: 0 7BIT, or none; 1 8BITMIME, 2 BINARYMIME             */
    uint16_t port;
    bool has_left;
    int listener, wake[2];
    pthread_t thread;
    unsigned n_now;
    crowd_conn *conns[CROWD_CONNS];
    unsigned char n_deferred[CROWD_IDS];
} crowd;

static inline unsigned
crowd_random(crowd *c)
{
    c->seed = c->seed * 1103515245u + 12345u;
    return c->seed >> 8;
}

static inline bool
crowd_say(crowd_conn *k, const char *text)
{
    size_t n = strlen(text), m = n < k->budget ? n : k->budget;

    if (k->is_mute)
        return true;
    k->budget -= m;
    return send(k->fd, text, m, MSG_NOSIGNAL) == (ssize_t)m && m == n;
}

static inline int
crowd_number(const char *line)
{
    const char *at = strchr(line, '@'), *dash = strchr(line, '-');
    int n = dash == NULL || at == NULL || dash > at ? 0 : atoi(dash + 1);

    return n < 0 || n >= CROWD_IDS ? 0 : n;
}

/* false: it is one domain too many for this session */
static inline bool
crowd_domain_fits(const crowd *c, crowd_conn *k, const char *line)
{
    const char *at = strchr(line, '@');
    char domain[32] = "";

    if (c->domain_max == 0 || at == NULL)
        return true;
    (void)sscanf(at + 1, "%31[^>]", domain);
    for (unsigned i = 0; i < k->n_domains; i++)
        if (strcmp(k->domains[i], domain) == 0)
            return true;
    if (k->n_domains == c->domain_max)
        return false;
    memcpy(k->domains[k->n_domains++], domain, sizeof domain);
    return true;
}

static inline bool
crowd_rcpt(crowd *c, crowd_conn *k, const char *line)
{
    int n = crowd_number(line);

    if (k->is_full)
        return crowd_say(k, "503 5.5.1 MAIL first\r\n");
    c->offered[n]++;
    if (k->refuses_next || strstr(line, "<seq-") != NULL) {
        k->refuses_next = false;
        return crowd_say(k, "503 5.5.1 not over this connection\r\n");
    }
    if (strstr(line, "<die-") != NULL)
        return false;
    if (strstr(line, "<bad-") != NULL)
        return crowd_say(k, "550 5.1.1 no such user\r\n");
    if (strstr(line, "<defer-") != NULL && c->n_deferred[n] < c->deferrals) {
        c->n_deferred[n]++;
        return crowd_say(k, "450 4.2.1 later\r\n");
    }
    if (!crowd_domain_fits(c, k, line)) {
        c->over_domain_max++;
        return crowd_say(k, "550 5.7.1 too many domains\r\n");
    }
    if (k->n_rcpts == (c->rcpt_max != 0 ? c->rcpt_max : CROWD_RCPTS))
        return crowd_say(k, "452 4.5.3 too many\r\n");
    k->rcpts[k->n_rcpts++] = n;
    return crowd_say(k, "250 2.1.5 ok\r\n");
}

static inline bool
crowd_stored(crowd *c, crowd_conn *k)
{
    for (int i = 0; i < k->n_rcpts; i++)
        c->stored[k->rcpts[i]]++;
    c->messages++;
    k->is_open = k->had_reset = false;
    k->n_rcpts = 0;
    k->n_stored++;
    if (c->messages <= c->drops)
        return false;
    if (c->is_first_late && c->messages == 1) {
        k->is_late = true;
        return true;
    }
    if (c->is_silent && c->messages > 1) {
        k->is_mute = true;
        c->unanswered++;
    }
    return crowd_say(k, "250 2.0.0 stored\r\n") &&
           (c->close_after == 0 || k->n_stored < c->close_after);
}

static inline bool
crowd_bdat(crowd *c, crowd_conn *k, const char *line)
{
    k->chunk = strtoul(line + 5, NULL, 10);
    k->chunk_is_last = strcasestr(line, "LAST") != NULL;
    if (k->chunk > 0)
        return true;
    if (k->n_rcpts == 0)
        return crowd_say(k, "503 5.5.1 no recipients\r\n");
    return k->chunk_is_last ? crowd_stored(c, k) : crowd_say(k, "250 2.0.0 more\r\n");
}

static inline bool
crowd_is_full(const crowd *c, const crowd_conn *k)
{
    return (c->mail_max != 0 && k->n_stored >= c->mail_max) ||
           (c->mail_max_in_all != 0 && c->messages >= c->mail_max_in_all);
}

/* Exim's smtp_accept_max_nonmail: one RSET before each message is free, the others are counted for the
 * whole connection; one too many ends it, and what came behind it is not read */
static inline bool
crowd_reset(crowd *c, crowd_conn *k)
{
    k->is_open = false;
    if (c->nonmail_max == 0 || !k->had_reset) {
        k->had_reset = true;
        return true;
    }
    if (++k->n_nonmail <= c->nonmail_max)
        return true;
    c->over_nonmail_max++;
    (void)crowd_say(k, "554 Too many nonmail commands\r\n");
    return false;
}

/* MAIL or RSET */
static inline bool
crowd_begin(crowd *c, crowd_conn *k, const char *line)
{
    k->has_mail = strncasecmp(line, "MAIL", 4) == 0;
    if (!k->has_mail && !crowd_reset(c, k))
        return false;
    if (k->has_mail)
        c->last_body = strstr(line, "BODY=BINARYMIME") != NULL ? 2 : strstr(line, "BODY=8BITMIME") != NULL;
    if (k->has_mail && k->is_open && c->nonmail_max != 0)
        return crowd_say(k, "503 sender already given\r\n");
    k->n_rcpts = 0;
    k->is_full = k->has_mail && crowd_is_full(c, k);
    if (k->is_full) {
        c->over_mail_max++;
        return crowd_say(k, "452 4.5.3 too many messages\r\n");
    }
    k->is_open = k->has_mail;
    return crowd_say(k, "250 2.0.0 ok\r\n");
}

static inline bool
crowd_line(crowd *c, crowd_conn *k, char *line)
{
    if (k->in_data) {
        k->in_data = strcmp(line, ".") != 0;
        return k->in_data || crowd_stored(c, k);
    }
    if (strncasecmp(line, "EHLO", 4) == 0)
        return crowd_say(k, c->ehlo);
    if (strncasecmp(line, "AUTH", 4) == 0) {
        c->logins++;
        return crowd_say(k, c->auth_reply != NULL ? c->auth_reply : "235 2.7.0 welcome\r\n");
    }
    if (strncasecmp(line, "RCPT", 4) == 0)
        return crowd_rcpt(c, k, line);
    if (strncasecmp(line, "BDAT", 4) == 0)
        return crowd_bdat(c, k, line);
    if (strcasecmp(line, "DATA") == 0) {
        if (k->n_rcpts == 0)
            return crowd_say(k, "503 5.5.1 no recipients\r\n");
        k->in_data = true;
        return crowd_say(k, "354 go\r\n");
    }
    if (strcasecmp(line, "QUIT") == 0) {
        (void)crowd_say(k, "221 2.0.0 bye\r\n");
        return false;
    }
    return crowd_begin(c, k, line);
}

/* the next command in the piece is lost, those behind it are read */
static inline size_t
crowd_swallow(crowd *c, crowd_conn *k, size_t at)
{
    char *eol = memmem(k->in + at, k->len - at, "\r\n", 2);

    k->has_mail = false;
    if (eol == NULL)
        return at;
    c->swallowed++;
    if (c->leaves)
        c->has_left = shutdown(c->listener, SHUT_RDWR) == 0;
    if (c->on_swallow != NULL)
        c->on_swallow(c->swallow_ctx);
    return (size_t)(eol - k->in) + 2;
}

/* what stands in k->in; false: the connection is over */
static inline bool
crowd_eat(crowd *c, crowd_conn *k)
{
    size_t at = 0;
    bool goes_on = true;

    while (goes_on && at < k->len) {
        char *eol;

        if (k->chunk > 0) {
            size_t n = k->len - at < k->chunk ? k->len - at : k->chunk;

            at += n;
            k->chunk -= n;
            if (k->chunk > 0)
                continue;
            if (k->n_rcpts == 0)
                goes_on = crowd_say(k, "503 5.5.1 no recipients\r\n");
            else
                goes_on = k->chunk_is_last ? crowd_stored(c, k) : crowd_say(k, "250 more\r\n");
            continue;
        }
        if ((eol = memmem(k->in + at, k->len - at, "\r\n", 2)) == NULL)
            break;
        *eol = '\0';
        goes_on = crowd_line(c, k, k->in + at);
        at = (size_t)(eol - k->in) + 2;
        if (c->swallows && k->has_mail)
            at = crowd_swallow(c, k, at);
    }
    memmove(k->in, k->in + at, k->len - at);
    k->len -= at;
    return goes_on;
}

static inline void
crowd_close(crowd *c, int i)
{
    close(c->conns[i]->fd);
    free(c->conns[i]);
    c->conns[i] = NULL;
    c->n_now--;
    c->closed++;
}

static inline void
crowd_say_late_replies(crowd *c)
{
    for (int i = 0; i < CROWD_CONNS; i++)
        if (c->conns[i] != NULL && c->conns[i]->is_late) {
            (void)crowd_say(c->conns[i], "250 2.0.0 stored\r\n");
            c->late_replies++;
            crowd_close(c, i);
        }
}

static inline void
crowd_accept(crowd *c)
{
    static const int on = 1;
    int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC), i = 0;
    crowd_conn *k;

    if (fd < 0)
        return;
    crowd_say_late_replies(c);
    while (i < CROWD_CONNS && c->conns[i] != NULL)
        i++;
    c->connections++;
    if (i == CROWD_CONNS || (c->max_conns != 0 && c->n_now >= c->max_conns)) {
        c->refused++;
        (void)send(fd, "421 4.7.0 too many connections\r\n", 32, MSG_NOSIGNAL);
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if ((k = calloc(1, sizeof *k)) == NULL)
        abort();
    k->fd = fd;
    k->refuses_next = c->refuses_first && c->connections > 1;
    k->budget = c->seed == 0 ? SIZE_MAX : crowd_random(c) % c->cut_below;
    c->conns[i] = k;
    c->n_now++;
    if (c->n_now > c->most_conns)
        c->most_conns = c->n_now;
    if (!crowd_say(k, c->greeting != NULL ? c->greeting : "220 crowd ESMTP\r\n") ||
        (c->greeting != NULL && c->greeting[0] == '4'))
        crowd_close(c, i);
}

static inline void
crowd_read(crowd *c, int i)
{
    crowd_conn *k = c->conns[i];
    ssize_t n = recv(k->fd, k->in + k->len, sizeof k->in - k->len, 0);

    if (n <= 0) {
        crowd_close(c, i);
        return;
    }
    k->len += (size_t)n;
    if (!crowd_eat(c, k))
        crowd_close(c, i);
}

static inline void
crowd_end_all(crowd *c)
{
    static const struct linger at_once = { .l_onoff = 1 };

    for (int i = 0; i < CROWD_CONNS; i++) {
        if (c->conns[i] == NULL)
            continue;
        if (c->farewell != NULL)
            (void)crowd_say(c->conns[i], c->farewell);
        if (c->resets)
            setsockopt(c->conns[i]->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        crowd_close(c, i);
    }
}

/* false: the test wants it to end */
static inline bool
crowd_obey(crowd *c)
{
    char order = '\0';

    if (read(c->wake[0], &order, 1) != 1)
        abort();
    if (order == 'h')
        crowd_end_all(c);
    return order == 'h';
}

static inline void *
crowd_run(void *arg)
{
    crowd *c = arg;
    struct pollfd p[CROWD_CONNS + 2];
    int who[CROWD_CONNS + 2];

    for (;;) {
        nfds_t n = 2;

        p[0] = (struct pollfd){ .fd = c->wake[0], .events = POLLIN };
        p[1] = (struct pollfd){ .fd = c->has_left ? -1 : c->listener, .events = POLLIN };
        for (int i = 0; i < CROWD_CONNS; i++)
            if (c->conns[i] != NULL && !c->conns[i]->is_late) {
                who[n] = i;
                p[n++] = (struct pollfd){ .fd = c->conns[i]->fd, .events = POLLIN };
            }
        if (poll(p, n, -1) < 0)
            continue;
        for (nfds_t i = 2; i < n; i++)
            if (p[i].revents != 0)
                crowd_read(c, who[i]);
        if (p[1].revents != 0)
            crowd_accept(c);
        if (p[0].revents != 0 && !crowd_obey(c))
            break;
    }
    for (int i = 0; i < CROWD_CONNS; i++)
        if (c->conns[i] != NULL)
            crowd_close(c, i);
    return NULL;
}

/* to be freed */
static inline crowd *
crowd_new(const char *ehlo)
{
    crowd *c = calloc(1, sizeof *c);

    if (c == NULL)
        abort();
    c->ehlo = ehlo;
    return c;
}

/* a connection of the test's own, to be closed */
static inline int
crowd_dial(const crowd *c)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(c->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
        abort();
    return fd;
}

static inline void
crowd_start(crowd *c)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;

    if (c->address != NULL)
        a.sin_addr.s_addr = inet_addr(c->address);
    c->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->listener < 0 || pipe2(c->wake, O_CLOEXEC) != 0 ||
        bind(c->listener, (struct sockaddr *)&a, n) != 0 || listen(c->listener, 128) != 0 ||
        getsockname(c->listener, (struct sockaddr *)&a, &n) != 0 ||
        pthread_create(&c->thread, NULL, crowd_run, c) != 0)
        abort();
    c->port = ntohs(a.sin_port);
}

static inline void
crowd_stop(crowd *c)
{
    if (write(c->wake[1], "", 1) != 1)
        abort();
    pthread_join(c->thread, NULL);
    close(c->listener);
    close(c->wake[0]);
    close(c->wake[1]);
}

/* close every connection now, as farewell and resets say; back when that is done */
static inline void
crowd_hang_up(crowd *c)
{
    unsigned connections = c->connections;

    if (write(c->wake[1], "h", 1) != 1)
        abort();
    while (c->closed < connections)
        sched_yield();
}

#endif
