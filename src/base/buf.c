/* SPDX-License-Identifier: MIT */
/* base/buf.c - growing buffers with a maximum; the first failure sticks (see base/base.h) */
#include "base/base.h"

#include <stdio.h>

void
lw_buf_init(lw_buf *b, const lw_alloc *alloc, size_t max)
{
    *b = (lw_buf){ .alloc = alloc, .max = max };
}

/* the maximum is reached before the room is: so it never grows */
void
lw_buf_init_over(lw_buf *b, char *room, size_t n)
{
    *b = (lw_buf){ .ptr = room, .cap = n, .max = n - 1 };
}

void
lw_buf_deinit(lw_buf *b)
{
    lw_release(b->alloc, b->ptr);
    b->ptr = NULL;
    b->len = b->cap = 0;
}

void
lw_buf_reset(lw_buf *b)
{
    b->len = 0;
    b->code = LW_OK;
}

/* room for n more octets and one NUL */
static bool
grow(lw_buf *b, size_t n)
{
    size_t need, cap;
    char *p;

    if (!lw_add_size(&need, b->len, n) || need > b->max) {
        b->code = LW_ELIMIT;
        return false;
    }
    if (!lw_add_size(&need, need, 1)) {
        b->code = LW_ELIMIT;
        return false;
    }
    cap = b->cap < 64 ? 64 : b->cap;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if ((p = lw_resize(b->alloc, b->ptr, cap)) == NULL) {
        b->code = LW_ENOMEM;
        return false;
    }
    b->ptr = p;
    b->cap = cap;
    return true;
}

char *
lw_buf_space(lw_buf *b, size_t n)
{
    if (b->code != LW_OK)
        return NULL;
    if (n > b->max - b->len || b->cap - b->len <= n) {
        if (!grow(b, n))
            return NULL;
    }
    return b->ptr + b->len;
}

void
lw_buf_used(lw_buf *b, size_t n)
{
    lw_assert(n < b->cap - b->len || n == 0);
    b->len += n;
}

void
lw_buf_add(lw_buf *b, lw_span s)
{
    char *p = lw_buf_space(b, s.len);
    if (p == NULL)
        return;
    if (s.len > 0)
        memcpy(p, s.ptr, s.len);
    b->len += s.len;
}

void
lw_buf_add_str(lw_buf *b, const char *s)
{
    lw_buf_add(b, lw_span_str(s));
}

void
lw_buf_add_char(lw_buf *b, char c)
{
    lw_buf_add(b, (lw_span){ &c, 1 });
}

void
lw_buf_add_uint(lw_buf *b, uint64_t n)
{
    char digits[LW_UINT_DIGITS];

    lw_buf_add(b, (lw_span){ digits, lw_uint_write(digits, n) });
}

void
lw_buf_add_fmt(lw_buf *b, const char *fmt, ...)
{
    va_list ap;
    char *p;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || (p = lw_buf_space(b, (size_t)n)) == NULL)
        return;
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

lw_code
lw_buf_finish(const lw_buf *b)
{
    return b->code;
}

lw_span
lw_buf_span(const lw_buf *b)
{
    return (lw_span){ b->ptr == NULL ? "" : b->ptr, b->len };
}

const char *
lw_buf_cstr(lw_buf *b)
{
    char *p = lw_buf_space(b, 0);
    if (p == NULL)
        return NULL;
    *p = '\0';
    return b->ptr;
}

char *
lw_buf_take(lw_buf *b)
{
    char *p = (char *)lw_buf_cstr(b);
    if (p == NULL) {
        lw_buf_deinit(b);
        return NULL;
    }
    b->ptr = NULL;
    b->len = b->cap = 0;
    return p;
}
