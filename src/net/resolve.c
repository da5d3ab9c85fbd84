/* SPDX-License-Identifier: MIT */
/*
 * net/resolve.c - names to addresses, off the loop
 *
 * getaddrinfo blocks and cannot be interrupted, so it runs on a detached thread.  Loop and
 * thread share a job with two references; whoever lets go last frees it.  A connection that is
 * closed lets go at once and never waits for the name service.  The job is memory of malloc,
 * not of the connection's allocator, which may be gone when the thread comes back.
 *
 * A name service that is dead holds each of its threads for many seconds after the connection gave
 * up.  So at most LW_LOOKUPS_MAX threads of a process look names up; further jobs wait in turn, and
 * leave the queue when they are dropped.
 */
#include "net/net_int.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

struct lw_resolve {
    lw_resolve *next;       /* in the queue; under queue.lock                                */
    pthread_mutex_t lock;
    unsigned refs;          /* under lock                                                    */
    uv_async_t *async;      /* under lock; NULL = nobody waits                               */
    lw_lookup_fn fn;
    void *fn_ctx;
    uint16_t port;
    lw_lookup found;        /* the thread's until it has sent async, then the loop's         */
    char host[NI_MAXHOST];
};

/* of the process; all under lock */
static struct {
    pthread_mutex_t lock;
    pid_t owner;            /* threads and queue are this process's: a fork has none of them */
    unsigned n_threads;
    lw_resolve *first, *last;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER };

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

static void
look_up(lw_resolve *r)
{
    bool is_wanted;

    pthread_mutex_lock(&r->lock);
    is_wanted = r->async != NULL;
    pthread_mutex_unlock(&r->lock);
    if (!is_wanted) {
        let_go(r);
        return;
    }
    if (r->fn != NULL)
        r->fn(r->fn_ctx, r->host, r->port, &r->found);
    else
        ask_getaddrinfo(r->host, r->port, &r->found);
    pthread_mutex_lock(&r->lock);
    if (r->async != NULL)
        uv_async_send(r->async); /* under the lock: it is not closed meanwhile */
    pthread_mutex_unlock(&r->lock);
    let_go(r);
}

/* the job that waits longest; NULL: none does, and the thread that asks must end */
static lw_resolve *
next_job(void)
{
    lw_resolve *r;

    pthread_mutex_lock(&queue.lock);
    if ((r = queue.first) != NULL)
        queue.first = r->next;
    else
        queue.n_threads--;
    pthread_mutex_unlock(&queue.lock);
    return r;
}

static void *
thread_main(void *arg)
{
    for (lw_resolve *r = arg; r != NULL; r = next_job())
        look_up(r);
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

static void
join_queue(lw_resolve *r)
{
    r->next = NULL;
    if (queue.first == NULL)
        queue.first = r;
    else
        queue.last->next = r;
    queue.last = r;
}

/* false: it was not waiting any more */
static bool
leave_queue(lw_resolve *r)
{
    lw_resolve *before = NULL, *at;

    pthread_mutex_lock(&queue.lock);
    for (at = queue.first; at != NULL && at != r; at = at->next)
        before = at;
    if (at != NULL) {
        *(before == NULL ? &queue.first : &before->next) = r->next;
        if (queue.last == r)
            queue.last = before;
    }
    pthread_mutex_unlock(&queue.lock);
    return at != NULL;
}

/* a thread for the job, or a place in the queue; false: neither can be had */
static bool
hand_over(lw_resolve *r)
{
    bool is_taken = true;

    pthread_mutex_lock(&queue.lock);
    if (queue.owner != getpid()) {
        queue.owner = getpid();
        queue.n_threads = 0;
        queue.first = NULL;
    }
    if (queue.n_threads < LW_LOOKUPS_MAX && start_thread(r) == 0)
        queue.n_threads++;
    else if (queue.n_threads > 0)
        join_queue(r);
    else
        is_taken = false;
    pthread_mutex_unlock(&queue.lock);
    return is_taken;
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
    if (hand_over(r)) {
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
    if (leave_queue(r))
        let_go(r); /* what would have been the thread's */
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
