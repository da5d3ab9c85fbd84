/* SPDX-License-Identifier: MIT */
/*
 * base/arena.c - memory that lives as long as its owner, by the block
 *
 * A message of 100,000 recipients, and its report, hold as many addresses: neither making nor
 * freeing one costs an allocation for each.  Each block is at least twice the one before, so that
 * n octets take log n of them and at most as much again lies unused.
 */
#include "base/base.h"

#define BLOCK_BYTES 1024
#define ALIGNMENT _Alignof(max_align_t)

typedef struct lw_arena_block {
    struct lw_arena_block *before;
    size_t cap;
    char room[];
} block;

void
lw_arena_init(lw_arena *a, const lw_alloc *alloc)
{
    *a = (lw_arena){ .alloc = alloc };
}

/* drop the blocks that came after this one */
static void
drop_until(lw_arena *a, const block *last)
{
    while (a->blocks != last) {
        block *b = a->blocks;

        a->blocks = b->before;
        lw_release(a->alloc, b);
    }
}

void
lw_arena_deinit(lw_arena *a)
{
    drop_until(a, NULL);
    lw_arena_init(a, a->alloc);
}

void
lw_arena_lend(lw_arena *a, char *room, size_t n)
{
    a->at = room;
    a->end = room + n;
}

void
lw_arena_rewind(lw_arena *a, const lw_arena *before)
{
    drop_until(a, before->blocks);
    *a = *before;
}

static bool
add_block(lw_arena *a, size_t n)
{
    size_t cap = BLOCK_BYTES, total;
    block *b;

    if (a->blocks != NULL && !lw_mul_size(&cap, a->blocks->cap, 2))
        return false;
    if (cap < n)
        cap = n;
    if (!lw_add_size(&total, sizeof *b, cap) ||
        (b = lw_malloc(a->alloc, total)) == NULL)
        return false;
    *b = (block){ .before = a->blocks, .cap = cap };
    a->blocks = b;
    lw_arena_lend(a, b->room, cap);
    return true;
}

char *
lw_arena_reserve(lw_arena *a, size_t n)
{
    return (size_t)(a->end - a->at) >= n || add_block(a, n) ? a->at : NULL;
}

char *
lw_arena_room(lw_arena *a, size_t n)
{
    char *room = lw_arena_reserve(a, n);

    if (room != NULL)
        a->at += n;
    return room;
}

void *
lw_arena_array(lw_arena *a, size_t n, size_t size)
{
    size_t bytes, total;
    char *room;

    if (!lw_mul_size(&bytes, n, size) || !lw_add_size(&total, bytes, ALIGNMENT) ||
        (room = lw_arena_room(a, total)) == NULL)
        return NULL;
    room += -(uintptr_t)room & (ALIGNMENT - 1);
    a->at = room + bytes;
    return memset(room, 0, bytes);
}

bool
lw_arena_grow(lw_arena *a, void **items, size_t n, size_t *cap, size_t size)
{
    size_t want = *cap == 0 ? 4 : *cap * 2;
    void *more;

    if (n < *cap)
        return true;
    if (*cap > SIZE_MAX / 2 || (more = lw_arena_array(a, want, size)) == NULL)
        return false;
    if (n > 0)
        memcpy(more, *items, n * size);
    *items = more;
    *cap = want;
    return true;
}

char *
lw_arena_span(lw_arena *a, lw_span s)
{
    char *copy = s.len == SIZE_MAX ? NULL : lw_arena_room(a, s.len + 1);

    if (copy == NULL)
        return NULL;
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

char *
lw_arena_str(lw_arena *a, const char *s)
{
    return s == NULL ? NULL : lw_arena_span(a, lw_span_str(s));
}

char *
lw_arena_replace(lw_arena *a, lw_arena_slot *slot, size_t n)
{
    size_t cap = n > slot->cap * 2 ? n : slot->cap * 2;
    char *room;

    if (n <= slot->cap)
        return slot->text;
    if (slot->cap > SIZE_MAX / 2 || (room = lw_arena_room(a, cap)) == NULL)
        return NULL;
    *slot = (lw_arena_slot){ room, cap };
    return room;
}
