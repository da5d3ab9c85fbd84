/* SPDX-License-Identifier: MIT */
/*
 * libcurl_multi.c - libcurl's multi interface as a client: many transfers in one thread
 *
 *     peer_libcurl_multi URL COUNT CONNECTIONS FILE [CA]
 *
 * CONNECTIONS handles at a time, each sends the ready message in FILE and is put back until COUNT
 * are sent; connections are kept.  curl_multi_socket_action() with epoll, which is what libcurl
 * advises for many connections.
 */
#include "../bench.h"

#include <curl/curl.h>
#include <string.h>
#include <sys/epoll.h>

enum { EVENTS = 64 };

typedef struct transfer {
    CURL *handle;
    size_t at;
} transfer;

typedef struct client {
    const char *url, *ca;
    char *text;
    size_t len;
    struct curl_slist *to;
    CURLM *multi;
    int epoll_fd;
    long wait_ms; /* libcurl's timer, -1 = none */
    double set_at;
    long left, sent, alive;
    bool has_failed;
} client;

static client c;

static size_t
read_text(char *to, size_t size, size_t count, void *ctx)
{
    transfer *t = ctx;
    size_t n = size * count;

    if (n > c.len - t->at)
        n = c.len - t->at;
    memcpy(to, c.text + t->at, n);
    t->at += n;
    return n;
}

static int
on_socket(CURL *h, curl_socket_t fd, int what, void *ctx, void *is_known)
{
    struct epoll_event e = { .events = (what & CURL_POLL_IN ? EPOLLIN : 0u) |
                                       (what & CURL_POLL_OUT ? EPOLLOUT : 0u),
                             .data.fd = fd };

    (void)h;
    (void)ctx;
    if (what == CURL_POLL_REMOVE)
        return epoll_ctl(c.epoll_fd, EPOLL_CTL_DEL, fd, NULL) == 0 ? 0 : -1;
    if (is_known == NULL)
        curl_multi_assign(c.multi, fd, &c);
    return epoll_ctl(c.epoll_fd, is_known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e) == 0 ? 0
                                                                                       : -1;
}

static int
on_timer(CURLM *multi, long wait_ms, void *ctx)
{
    (void)multi;
    (void)ctx;
    c.wait_ms = wait_ms;
    c.set_at = look_at_clock().wall;
    return 0;
}

static void
begin(transfer *t)
{
    CURL *h = t->handle = curl_easy_init();

    curl_easy_setopt(h, CURLOPT_URL, c.url);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_PRIVATE, t);
    curl_easy_setopt(h, CURLOPT_MAIL_FROM, "a@bench.test");
    curl_easy_setopt(h, CURLOPT_MAIL_RCPT, c.to);
    curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(h, CURLOPT_READFUNCTION, read_text);
    curl_easy_setopt(h, CURLOPT_READDATA, t);
    curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)c.len);
    if (c.ca != NULL)
        curl_easy_setopt(h, CURLOPT_CAINFO, c.ca);
}

static void
add(transfer *t)
{
    t->at = 0;
    c.left--;
    c.alive++;
    curl_multi_add_handle(c.multi, t->handle);
}

static void
take_results(void)
{
    CURLMsg *m;
    transfer *t;
    int n;

    while ((m = curl_multi_info_read(c.multi, &n)) != NULL) {
        if (m->data.result == CURLE_OK)
            c.sent++;
        else
            fprintf(stderr, "libcurl: %s\n", curl_easy_strerror(m->data.result));
        c.has_failed |= m->data.result != CURLE_OK;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        curl_multi_remove_handle(c.multi, t->handle);
        c.alive--;
        if (c.left > 0 && !c.has_failed)
            add(t);
    }
}

/* How long epoll may wait: until libcurl's timer is due. */
static int
wait_ms(void)
{
    double left_ms = (double)c.wait_ms - (look_at_clock().wall - c.set_at) * 1e3;

    return c.wait_ms < 0 ? 1000 : left_ms <= 0 ? 0 : (int)(left_ms + 0.999);
}

static void
loop(void)
{
    struct epoll_event events[EVENTS];
    int n, running;

    curl_multi_socket_action(c.multi, CURL_SOCKET_TIMEOUT, 0, &running);
    while (c.alive > 0) {
        n = epoll_wait(c.epoll_fd, events, EVENTS, wait_ms());
        for (int i = 0; i < n; i++) {
            uint32_t e = events[i].events;

            curl_multi_socket_action(
                c.multi, events[i].data.fd,
                (e & ~(uint32_t)EPOLLOUT ? CURL_CSELECT_IN : 0) |
                    (e & EPOLLOUT ? CURL_CSELECT_OUT : 0),
                &running);
        }
        if (c.wait_ms >= 0 && wait_ms() == 0) {
            c.wait_ms = -1;
            curl_multi_socket_action(c.multi, CURL_SOCKET_TIMEOUT, 0, &running);
        }
        take_results();
    }
}

static void
send_all(long n_conns)
{
    transfer *transfers = calloc((size_t)n_conns, sizeof *transfers);

    c.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    c.multi = curl_multi_init();
    c.to = curl_slist_append(NULL, "b@bench.test");
    curl_multi_setopt(c.multi, CURLMOPT_MAXCONNECTS, n_conns);
    curl_multi_setopt(c.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(c.multi, CURLMOPT_TIMERFUNCTION, on_timer);
    for (long i = 0; i < n_conns && c.left > 0; i++) {
        begin(&transfers[i]);
        add(&transfers[i]);
    }
    loop();
    for (long i = 0; i < n_conns; i++)
        curl_easy_cleanup(transfers[i].handle);
    curl_multi_cleanup(c.multi);
    curl_slist_free_all(c.to);
    free(transfers);
}

int
main(int argc, char **argv)
{
    stopwatch since;
    long count;

    if (argc < 5)
        return 64;
    c.url = argv[1];
    c.left = count = strtol(argv[2], NULL, 10);
    c.text = load_file(argv[4], &c.len);
    c.ca = argv[5];
    c.wait_ms = -1;
    curl_global_init(CURL_GLOBAL_ALL);
    since = look_at_clock();
    send_all(strtol(argv[3], NULL, 10));
    return print_result(since, count, c.sent);
}
