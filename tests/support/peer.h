/* SPDX-License-Identifier: MIT */
/*
 * peer.h - a mail server in a thread that misbehaves at a chosen octet of what it says
 *
 * It answers command by command, also when they come in one flight, and takes what DATA and BDAT
 * bring.  After `budget` octets it closes, falls silent, or talks nonsense.  A message counts as
 * stored when its data was complete, before the reply to it is said: what a client may believe
 * is then `uncertain` until that reply has come whole.
 */
#ifndef LW_TESTS_PEER_H
#define LW_TESTS_PEER_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

typedef enum peer_act { PEER_CLOSES, PEER_STALLS, PEER_RAVES } peer_act;

typedef struct peer {
    const char *ehlo;          /* "250-x\r\n250 PIPELINING\r\n": the answer to EHLO and LHLO   */
    size_t budget;             /* octets said before the act; SIZE_MAX = it behaves            */
    peer_act act;
    void (*on_stall)(void *ctx);
    void *ctx;
    unsigned close_after;      /* messages in one connection, then it closes; 0 = no limit     */
    const char *auth_reply;    /* to AUTH and to what follows a 334                            */
    bool always_asks;          /* whatever comes after AUTH gets auth_reply                    */
    size_t long_replies;       /* octets in the reply to RCPT; 0 = few                         */
    const char *mail_reply;    /* to MAIL; then it hangs up, whatever is on its way            */
    int listener;
    uint16_t port;
    pthread_t thread;
    atomic_uint stored, connections, closed;
    size_t said;               /* in this connection */
} peer;

typedef struct peer_talk {
    peer *p;
    int fd;
    char in[65536];
    size_t at, len;
} peer_talk;

static inline bool
peer_more(peer_talk *t)
{
    ssize_t n;

    if (t->at > 0) {
        memmove(t->in, t->in + t->at, t->len - t->at);
        t->len -= t->at;
        t->at = 0;
    }
    n = recv(t->fd, t->in + t->len, sizeof t->in - t->len, 0);
    if (n <= 0)
        return false;
    t->len += (size_t)n;
    return true;
}

/* the next line without its CRLF, valid until the next call; NULL = the client has gone */
static inline char *
peer_line(peer_talk *t)
{
    for (;;) {
        char *eol = memmem(t->in + t->at, t->len - t->at, "\r\n", 2), *line = t->in + t->at;

        if (eol != NULL) {
            *eol = '\0';
            t->at = (size_t)(eol - t->in) + 2;
            return line;
        }
        if (!peer_more(t))
            return NULL;
    }
}

static inline bool
peer_skip(peer_talk *t, size_t n)
{
    while (t->len - t->at < n) {
        n -= t->len - t->at;
        t->at = t->len;
        if (!peer_more(t))
            return false;
    }
    t->at += n;
    return true;
}

static inline void
peer_drain(peer_talk *t)
{
    while (recv(t->fd, t->in, sizeof t->in, 0) > 0)
        ;
}

/* false: the connection is over */
static inline bool
peer_say(peer_talk *t, const char *text)
{
    static const char nonsense[] = "\r\n\x01\xff\x80 what?\r\n2500 x\r\n";
    size_t n = strlen(text), left = t->p->budget - t->p->said;

    if (n > left)
        n = left;
    t->p->said += n;
    if (send(t->fd, text, n, MSG_NOSIGNAL) != (ssize_t)n)
        return false;
    if (n == strlen(text))
        return true;
    switch (t->p->act) {
    case PEER_CLOSES: break;
    case PEER_STALLS: t->p->on_stall(t->p->ctx); break;
    case PEER_RAVES: (void)send(t->fd, nonsense, sizeof nonsense - 1, MSG_NOSIGNAL); break;
    }
    if (t->p->act == PEER_CLOSES)
        shutdown(t->fd, SHUT_WR);
    peer_drain(t);
    return false;
}

/* many lines, which a line of a few hundred octets each makes up */
static inline bool
peer_say_long(peer_talk *t)
{
    char line[420];

    memset(line, 'x', sizeof line);
    memcpy(line, "250-", 4);
    memcpy(line + sizeof line - 3, "\r\n", 3);
    for (size_t n = 0; n < t->p->long_replies; n += sizeof line)
        if (!peer_say(t, line))
            return false;
    return peer_say(t, "250 ok\r\n");
}

static inline bool
peer_data(peer_talk *t)
{
    char *line;

    if (!peer_say(t, "354 go\r\n"))
        return false;
    while ((line = peer_line(t)) != NULL && strcmp(line, ".") != 0)
        ;
    if (line == NULL)
        return false;
    t->p->stored++;
    return peer_say(t, "250 2.0.0 stored\r\n");
}

static inline bool
peer_bdat(peer_talk *t, const char *line)
{
    size_t n = strtoul(line + 5, NULL, 10);
    bool is_last = strcasestr(line, "LAST") != NULL;

    if (!peer_skip(t, n))
        return false;
    if (is_last)
        t->p->stored++;
    return peer_say(t, is_last ? "250 2.0.0 stored\r\n" : "250 2.0.0 more\r\n");
}

static inline bool
peer_command(peer_talk *t, const char *line)
{
    const char *auth = t->p->auth_reply != NULL ? t->p->auth_reply : "535 5.7.8 no\r\n";

    if (strncasecmp(line, "EHLO", 4) == 0 || strncasecmp(line, "LHLO", 4) == 0)
        return peer_say(t, t->p->ehlo);
    if (strncasecmp(line, "AUTH", 4) == 0)
        return peer_say(t, auth);
    if (t->p->mail_reply != NULL && strncasecmp(line, "MAIL", 4) == 0) {
        (void)peer_say(t, t->p->mail_reply);
        return false;
    }
    if (t->p->always_asks)
        return peer_say(t, auth);
    if (t->p->long_replies > 0 && strncasecmp(line, "RCPT", 4) == 0)
        return peer_say_long(t);
    if (strcasecmp(line, "DATA") == 0)
        return peer_data(t);
    if (strncasecmp(line, "BDAT ", 5) == 0)
        return peer_bdat(t, line);
    if (strcasecmp(line, "QUIT") == 0) {
        (void)peer_say(t, "221 2.0.0 bye\r\n");
        return false;
    }
    return peer_say(t, "250 2.1.0 ok\r\n");
}

static inline void
peer_serve(peer *p, int fd)
{
    peer_talk t = { .p = p, .fd = fd };
    unsigned before = p->stored;
    char *line;

    p->said = 0;
    if (peer_say(&t, "220 peer ESMTP\r\n"))
        while ((line = peer_line(&t)) != NULL && peer_command(&t, line))
            if (p->close_after != 0 && p->stored - before >= p->close_after)
                break;
    close(fd);
}

static inline void *
peer_run(void *arg)
{
    static const int on = 1;
    peer *p = arg;
    int fd;

    while ((fd = accept(p->listener, NULL, NULL)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        p->connections++;
        peer_serve(p, fd);
        p->closed++;
    }
    return NULL;
}

static inline void
peer_start(peer *p)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;

    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->listener < 0 || bind(p->listener, (struct sockaddr *)&a, n) != 0 ||
        listen(p->listener, 16) != 0 ||
        getsockname(p->listener, (struct sockaddr *)&a, &n) != 0 ||
        pthread_create(&p->thread, NULL, peer_run, p) != 0)
        abort();
    p->port = ntohs(a.sin_port);
}

static inline void
peer_stop(peer *p)
{
    shutdown(p->listener, SHUT_RDWR);
    pthread_join(p->thread, NULL);
    close(p->listener);
}

#endif
