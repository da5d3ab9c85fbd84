/* SPDX-License-Identifier: MIT */
/*
 * mime/mailboxes.c - lists of mailboxes, whose text and whose array stand in an arena
 *
 * The text of a mailbox is the address, then the name, if any.
 */
#include "mime/mime_int.h"

void
lw_mailboxes_init(lw_mailboxes *l, lw_arena *arena)
{
    *l = (lw_mailboxes){ .arena = arena };
}

size_t
lw_mailbox_size(lw_span name, lw_span addr)
{
    return addr.len + name.len + 2;
}

lw_mailbox
lw_mailbox_write(char *room, lw_span name, lw_span addr)
{
    char *behind = room + addr.len + 1;

    if (name.len > 0)
        memmove(behind, name.ptr, name.len);
    behind[name.len] = '\0';
    memcpy(room, addr.ptr, addr.len);
    room[addr.len] = '\0';
    return (lw_mailbox){ .name = name.len > 0 ? behind : NULL, .addr = room };
}

bool
lw_mailboxes_room(lw_mailboxes *l)
{
    void *items = l->items;
    bool ok = lw_arena_grow(l->arena, &items, l->n, &l->cap, sizeof *l->items);

    l->items = items;
    return ok;
}

lw_code
lw_mailboxes_add(lw_mailboxes *l, lw_span name, lw_span addr)
{
    char *room;

    if (!lw_mailboxes_room(l) ||
        (room = lw_arena_room(l->arena, lw_mailbox_size(name, addr))) == NULL)
        return LW_ENOMEM;
    l->items[l->n++] = lw_mailbox_write(room, name, addr);
    return LW_OK;
}
