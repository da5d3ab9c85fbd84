/* SPDX-License-Identifier: MIT */
/*
 * client/cancel.c - the switch that ends blocking calls from another thread or a signal handler
 *
 * An eventfd that is written once and never read: it stays readable, so every call that watches
 * it, now or later, sees it.
 */
#include "client/client_int.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct lw_cancel {
    int fd;
    atomic_bool is_set;
};

lw_cancel *
lw_cancel_new(void)
{
    lw_cancel *c = lw_zalloc(&lw_alloc_default, sizeof *c);

    if (c == NULL)
        return NULL;
    if ((c->fd = lw_fd_above_stdio(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))) < 0) {
        lw_release(&lw_alloc_default, c);
        return NULL;
    }
    return c;
}

void
lw_cancel_now(lw_cancel *c)
{
    uint64_t one = 1;
    int was = errno;

    if (c == NULL || atomic_exchange(&c->is_set, true))
        return;
    while (write(c->fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    errno = was; /* a signal handler must leave it alone */
}

void
lw_cancel_free(lw_cancel *c)
{
    if (c == NULL)
        return;
    close(c->fd);
    lw_release(&lw_alloc_default, c);
}

int
lw_cancel_fd(const lw_cancel *c)
{
    return c->fd;
}

bool
lw_cancel_is_set(const lw_cancel *c)
{
    return c != NULL && atomic_load(&c->is_set);
}
