/* SPDX-License-Identifier: MIT */
/*
 * net/resolve.c - names to addresses, off the loop
 *
 * getaddrinfo blocks and cannot be interrupted, so it runs on a detached thread.  Loop and
 * thread share a job with two references; whoever lets go last frees it.  A connection that is
 * closed lets go at once and never waits for the name service.  The job is memory of malloc,
 * not of the connection's allocator, which may be gone when the thread comes back.
 */
#include "net/net_int.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>

#include <errno.h>
#include <stdio.h>

struct lw_resolve {
    pthread_mutex_t lock;
    unsigned refs;          /* under lock                                                    */
    uv_async_t *async;      /* under lock; NULL = nobody waits                               */
    lw_lookup_fn fn;
    void *fn_ctx;
    uint16_t port;
    lw_lookup found;        /* the thread's until it has sent async, then the loop's         */
    char host[NI_MAXHOST];
};

static void
let_go(lw_resolve *r)
{
    bool is_last;

    pthread_mutex_lock(&r->lock);
    is_last = --r->refs == 0;
    pthread_mutex_unlock(&r->lock);
    if (!is_last)
        return;
    pthread_mutex_destroy(&r->lock);
    lw_release(&lw_alloc_default, r);
}

/* ---- on the thread --------------------------------------------------------------------------- */

static void
copy_addresses(const struct addrinfo *list, lw_lookup *found)
{
    for (const struct addrinfo *ai = list; ai != NULL && found->n < LW_ADDRS_MAX;
         ai = ai->ai_next) {
        lw_addr *a = &found->addrs[found->n];

        if ((ai->ai_family != AF_INET && ai->ai_family != AF_INET6) ||
            ai->ai_addrlen > sizeof a->u)
            continue;
        memcpy(&a->u, ai->ai_addr, ai->ai_addrlen);
        a->len = ai->ai_addrlen;
        found->n++;
    }
}

/* [RFC8305 4] "First, the client MUST sort the addresses received up to this point using
 * Destination Address Selection ([RFC6724], Section 6)": getaddrinfo does */
static void
ask_getaddrinfo(const char *host, uint16_t port, lw_lookup *found)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG };
    struct addrinfo *list = NULL;
    char service[8];

    snprintf(service, sizeof service, "%u", (unsigned)port);
    found->gai_err = getaddrinfo(host, service, &hints, &list);
    found->os_err = found->gai_err == EAI_SYSTEM ? errno : 0;
    if (found->gai_err != 0)
        return;
    copy_addresses(list, found);
    freeaddrinfo(list);
}

static void *
thread_main(void *arg)
{
    lw_resolve *r = arg;

    if (r->fn != NULL)
        r->fn(r->fn_ctx, r->host, r->port, &r->found);
    else
        ask_getaddrinfo(r->host, r->port, &r->found);
    pthread_mutex_lock(&r->lock);
    if (r->async != NULL)
        uv_async_send(r->async); /* under the lock: it is not closed meanwhile */
    pthread_mutex_unlock(&r->lock);
    let_go(r);
    return NULL;
}

/* The application's signal handlers must not run on a thread that it does not know of. */
static int
start_thread(lw_resolve *r)
{
    sigset_t all, before;
    pthread_attr_t attr;
    pthread_t thread;
    int rc;

    if ((rc = pthread_attr_init(&attr)) != 0)
        return rc;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread, &attr, thread_main, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return rc;
}

/* ---- on the loop ------------------------------------------------------------------------------- */

const lw_lookup *
lw_resolve_found(const lw_resolve *r)
{
    return &r->found;
}

lw_code
lw_resolve_start(const lw_resolve_query *query, lw_resolve **out)
{
    lw_resolve *r;

    *out = NULL;
    if (strlen(query->host) >= sizeof r->host)
        return LW_EHOST;
    if ((r = lw_zalloc(&lw_alloc_default, sizeof *r)) == NULL)
        return LW_ENOMEM;
    if (pthread_mutex_init(&r->lock, NULL) != 0) {
        lw_release(&lw_alloc_default, r);
        return LW_ENOMEM;
    }
    r->refs = 2;
    r->async = query->async;
    r->fn = query->fn;
    r->fn_ctx = query->fn_ctx;
    r->port = query->port;
    memcpy(r->host, query->host, strlen(query->host));
    if (start_thread(r) == 0) {
        *out = r;
        return LW_OK;
    }
    r->refs = 1;
    let_go(r);
    return LW_ENOMEM;
}

void
lw_resolve_drop(lw_resolve *r)
{
    if (r == NULL)
        return;
    pthread_mutex_lock(&r->lock);
    r->async = NULL;
    pthread_mutex_unlock(&r->lock);
    let_go(r);
}

/* ---- the order of the race ------------------------------------------------------------------------ */

/* index of the first address from at on that is of another family, or l->n */
static size_t
find_other(const lw_lookup *l, size_t at, sa_family_t family)
{
    while (at < l->n && l->addrs[at].u.sa.sa_family == family)
        at++;
    return at;
}

/* [RFC8305 4] "Whichever address family is first in the list should be followed by an address
 * of the other address family" */
void
lw_addrs_interleave(lw_lookup *l)
{
    for (size_t i = 1; i < l->n; i++) {
        size_t at = find_other(l, i, l->addrs[i - 1].u.sa.sa_family);
        lw_addr moved;

        if (at == l->n)
            return;
        moved = l->addrs[at];
        memmove(&l->addrs[i + 1], &l->addrs[i], (at - i) * sizeof l->addrs[0]);
        l->addrs[i] = moved;
    }
}
