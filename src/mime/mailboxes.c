/* SPDX-License-Identifier: MIT */
/*
 * mime/mailboxes.c - lists of mailboxes
 *
 * A mailbox is one block of memory that begins with the address; the name, if any, follows.
 */
#include "mime/mime_int.h"

void
lw_mailboxes_init(lw_mailboxes *l, const lw_alloc *alloc)
{
    *l = (lw_mailboxes){ .alloc = alloc };
}

void
lw_mailboxes_truncate(lw_mailboxes *l, size_t n)
{
    while (l->n > n)
        lw_release(l->alloc, l->items[--l->n].addr);
}

void
lw_mailboxes_deinit(lw_mailboxes *l)
{
    lw_mailboxes_truncate(l, 0);
    lw_release(l->alloc, l->items);
    l->items = NULL;
    l->cap = 0;
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
    if ((block = lw_malloc(l->alloc, addr.len + name.len + 2)) == NULL)
        return LW_ENOMEM;
    memcpy(block, addr.ptr, addr.len);
    block[addr.len] = '\0';
    if (name.len > 0)
        memcpy(block + addr.len + 1, name.ptr, name.len);
    block[addr.len + 1 + name.len] = '\0';
    l->items[l->n++] = (lw_mailbox){ name.len > 0 ? block + addr.len + 1 : NULL, block };
    return LW_OK;
}
