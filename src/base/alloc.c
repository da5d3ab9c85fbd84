/* SPDX-License-Identifier: MIT */
/* base/alloc.c - memory through the owning object's allocator; sizes that cannot overflow */
#include "base/base.h"

#include <stdlib.h>

static void *
default_resize(void *ctx, void *p, size_t n)
{
    (void)ctx;
    if (n == 0) {
        free(p);
        return NULL;
    }
    return p == NULL ? malloc(n) : realloc(p, n);
}

const lw_alloc lw_alloc_default = { default_resize, NULL };

const lw_alloc *
lw_alloc_or_default(const lw_alloc *a)
{
    return a == NULL ? &lw_alloc_default : a;
}

void *
lw_malloc(const lw_alloc *a, size_t n)
{
    return lw_resize(a, NULL, n == 0 ? 1 : n);
}

void *
lw_zalloc(const lw_alloc *a, size_t n)
{
    void *p = lw_malloc(a, n);
    if (p != NULL)
        memset(p, 0, n);
    return p;
}

void *
lw_zalloc_array(const lw_alloc *a, size_t n, size_t size)
{
    size_t total;
    return lw_mul_size(&total, n, size) ? lw_zalloc(a, total) : NULL;
}

void *
lw_resize(const lw_alloc *a, void *p, size_t n)
{
    a = lw_alloc_or_default(a);
    return a->resize(a->ctx, p, n);
}

void
lw_release(const lw_alloc *a, void *p)
{
    if (p != NULL)
        lw_resize(a, p, 0);
}

char *
lw_strdup(const lw_alloc *a, const char *s)
{
    return s == NULL ? NULL : lw_span_dup(a, lw_span_str(s));
}

void
lw_wipe(void *p, size_t n)
{
    if (n == 0)
        return;
    memset(p, 0, n);
    __asm__ __volatile__("" : : "r"(p) : "memory");
}

void
lw_wipe_str(const lw_alloc *a, char *s)
{
    if (s == NULL)
        return;
    lw_wipe(s, strlen(s));
    lw_release(a, s);
}

bool
lw_add_size(size_t *sum, size_t a, size_t b)
{
    return !__builtin_add_overflow(a, b, sum);
}

bool
lw_mul_size(size_t *product, size_t a, size_t b)
{
    return !__builtin_mul_overflow(a, b, product);
}

void
lw_free(void *p)
{
    free(p);
}
