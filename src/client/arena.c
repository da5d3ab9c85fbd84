/* SPDX-License-Identifier: MIT */
/*
 * client/arena.c - text that lives as long as its owner
 *
 * A report of 100,000 recipients holds as many addresses: they are kept by the block, so that
 * neither making nor freeing one costs an allocation for each.
 */
#include "client/client_int.h"

#define BLOCK_BYTES 1024
#define BLOCK_BYTES_MAX 65536

typedef struct lw_arena_block {
    struct lw_arena_block *next;
    size_t cap;
    char text[];
} block;

void
lw_arena_init(lw_arena *p, const lw_alloc *alloc)
{
    *p = (lw_arena){ .alloc = alloc };
}

void
lw_arena_deinit(lw_arena *p)
{
    while (p->blocks != NULL) {
        block *b = p->blocks;

        p->blocks = b->next;
        lw_release(p->alloc, b);
    }
    p->used = 0;
    p->lent_bytes = 0;
}

void
lw_arena_lend(lw_arena *p, char *room, size_t n)
{
    p->lent = room;
    p->lent_bytes = n;
}

/* each block is twice the one before, so that there are few of them */
static bool
add_block(lw_arena *p, size_t n)
{
    size_t cap = p->blocks == NULL ? BLOCK_BYTES : p->blocks->cap * 2, total;
    block *b;

    if (cap > BLOCK_BYTES_MAX)
        cap = BLOCK_BYTES_MAX;
    if (cap < n)
        cap = n;
    if (!lw_add_size(&total, sizeof *b, cap) || (b = lw_malloc(p->alloc, total)) == NULL)
        return false;
    b->next = p->blocks;
    b->cap = cap;
    p->blocks = b;
    p->used = 0;
    return true;
}

char *
lw_arena_room(lw_arena *p, size_t n)
{
    char *room = p->lent;

    if (n <= p->lent_bytes) {
        p->lent += n;
        p->lent_bytes -= n;
        return room;
    }
    if ((p->blocks == NULL || p->blocks->cap - p->used < n) && !add_block(p, n))
        return NULL;
    room = p->blocks->text + p->used;
    p->used += n;
    return room;
}

const char *
lw_arena_span(lw_arena *p, lw_span s)
{
    char *copy = s.len == SIZE_MAX ? NULL : lw_arena_room(p, s.len + 1);

    if (copy == NULL)
        return NULL;
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

const char *
lw_arena_str(lw_arena *p, const char *s)
{
    return s == NULL ? NULL : lw_arena_span(p, lw_span_str(s));
}
