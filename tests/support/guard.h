/* SPDX-License-Identifier: MIT */
/*
 * tests/support/guard.h - input flush against an unreadable page
 *
 * One octet read behind the input crashes the test, with or without sanitizers.
 */
#ifndef LW_TESTS_GUARD_H
#define LW_TESTS_GUARD_H

#include <sys/mman.h>
#include <unistd.h>

#include <string.h>

typedef struct guard {
    char *pages;
    size_t mapped, page;
} guard;

/* room for inputs of up to max octets */
static inline void
guard_open(guard *g, size_t max)
{
    g->page = (size_t)sysconf(_SC_PAGESIZE);
    g->mapped = (max / g->page + 2) * g->page;
    g->pages = mmap(NULL, g->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g->pages == MAP_FAILED ||
        mprotect(g->pages + g->mapped - g->page, g->page, PROT_NONE) != 0)
        _exit(99);
}

/* a copy of the n octets that ends where the unreadable page begins */
static inline const char *
guard_put(guard *g, const void *p, size_t n)
{
    char *at = g->pages + g->mapped - g->page - n;

    memcpy(at, p, n);
    return at;
}

static inline void
guard_close(guard *g)
{
    munmap(g->pages, g->mapped);
}

#endif
