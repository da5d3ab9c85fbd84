/* SPDX-License-Identifier: MIT */
/*
 * tests/support/memory.h - memory that counts what is out, and fails from the n-th request on
 */
#ifndef LW_TESTS_MEMORY_H
#define LW_TESTS_MEMORY_H

#include <letterwing/base.h>

#include <stdlib.h>

typedef struct test_memory {
    lw_alloc alloc;
    long left;      /* requests that succeed; < 0 = all */
    bool once;      /* only one request fails           */
    bool has_failed;
    long n_asked;   /* requests                         */
    long n_out;     /* blocks not given back            */
} test_memory;

static inline void *
test_memory_resize(void *ctx, void *p, size_t n)
{
    test_memory *t = (test_memory *)ctx;

    if (n == 0) {
        t->n_out -= p != NULL;
        free(p);
        return NULL;
    }
    t->n_asked++;
    if (t->left == 0) {
        t->has_failed = true;
        if (t->once)
            t->left = -1;
        return NULL;
    }
    if (t->left > 0)
        t->left--;
    void *q = realloc(p, n);
    t->n_out += q != NULL && p == NULL;
    return q;
}

static inline void
test_memory_init(test_memory *t, long left)
{
    *t = (test_memory){ .left = left };
    t->alloc = (lw_alloc){ test_memory_resize, t };
}

#endif
