/* SPDX-License-Identifier: MIT */
/*
 * mime/mailboxes.c - lists of mailboxes
 *
 * The text of a mailbox is the address, then the name, if any.  It stands in chunks that double in
 * size, so that 100,000 recipients take a few allocations; what is dropped keeps its room until
 * the list ends.
 */
#include "mime/mime_int.h"

#define CHUNK_MIN ((size_t)192)
#define CHUNK_MAX ((size_t)65536)

typedef struct lw_mailbox_chunk {
    struct lw_mailbox_chunk *before;
    size_t used, cap;
    char text[];
} chunk;

void
lw_mailboxes_init(lw_mailboxes *l, const lw_alloc *alloc)
{
    *l = (lw_mailboxes){ .alloc = alloc };
    for (size_t i = 0; i < LW_COUNT(l->scratch); i++)
        lw_buf_init(&l->scratch[i], alloc, 0);
}

void
lw_mailboxes_truncate(lw_mailboxes *l, size_t n)
{
    if (l->n > n)
        l->n = n;
}

void
lw_mailboxes_deinit(lw_mailboxes *l)
{
    while (l->chunk != NULL) {
        chunk *before = l->chunk->before;
        lw_release(l->alloc, l->chunk);
        l->chunk = before;
    }
    for (size_t i = 0; i < LW_COUNT(l->scratch); i++)
        lw_buf_deinit(&l->scratch[i]);
    lw_release(l->alloc, l->items);
    l->items = NULL;
    l->n = l->cap = 0;
}

/* n octets of text, NULL when out of memory */
static char *
room(lw_mailboxes *l, size_t n)
{
    chunk *c = l->chunk;
    size_t cap = c == NULL ? CHUNK_MIN : c->cap < CHUNK_MAX / 2 ? c->cap * 2 : CHUNK_MAX;

    if (c == NULL || c->cap - c->used < n) {
        cap = cap < n ? n : cap;
        if ((c = lw_malloc(l->alloc, sizeof *c + cap)) == NULL)
            return NULL;
        *c = (chunk){ .before = l->chunk, .cap = cap };
        l->chunk = c;
    }
    c->used += n;
    return c->text + c->used - n;
}

bool
lw_array_room(const lw_alloc *alloc, void **items, size_t n, size_t *cap, size_t size)
{
    size_t bytes, want = *cap == 0 ? 4 : *cap * 2;
    void *p;

    if (n < *cap)
        return true;
    if (*cap > SIZE_MAX / 2 || !lw_mul_size(&bytes, want, size))
        return false;
    if ((p = lw_resize(alloc, *items, bytes)) == NULL)
        return false;
    *items = p;
    *cap = want;
    return true;
}

lw_code
lw_mailboxes_add(lw_mailboxes *l, lw_span name, lw_span addr)
{
    void *items = l->items;
    char *block;

    if (!lw_array_room(l->alloc, &items, l->n, &l->cap, sizeof *l->items))
        return LW_ENOMEM;
    l->items = items;
    if ((block = room(l, addr.len + name.len + 2)) == NULL)
        return LW_ENOMEM;
    memcpy(block, addr.ptr, addr.len);
    block[addr.len] = '\0';
    if (name.len > 0)
        memcpy(block + addr.len + 1, name.ptr, name.len);
    block[addr.len + 1 + name.len] = '\0';
    l->items[l->n++] = (lw_mailbox){ name.len > 0 ? block + addr.len + 1 : NULL, block };
    return LW_OK;
}
