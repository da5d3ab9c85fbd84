/* SPDX-License-Identifier: MIT */
/*
 * bulk/seen.c - which addresses were there already
 *
 * An open-addressing table of 64-bit hashes, at most three quarters full, that doubles.  The
 * addresses are not kept.  Two different ones among n have the same hash with a chance of
 * n^2 / 2^65: for ten million rows 1 in 370,000; the later one is then reported as a duplicate.
 * The key keeps a list's author from arranging that.
 */
#include "bulk/bulk_int.h"

#include <sys/random.h>

#define FIRST_SLOTS 1024
#define PIECE 64

lw_seen *
lw_seen_new(const lw_alloc *alloc)
{
    lw_sip_key key;
    lw_seen *s;

    alloc = lw_alloc_or_default(alloc);
    if (getrandom(&key, sizeof key, 0) != (ssize_t)sizeof key
        || (s = lw_malloc(alloc, sizeof *s)) == NULL)
        return NULL;
    *s = (lw_seen){ .alloc = *alloc, .key = key };
    return s;
}

void
lw_seen_free(lw_seen *s)
{
    lw_alloc alloc;

    if (s == NULL)
        return;
    alloc = s->alloc;
    lw_release(&alloc, s->slots);
    lw_release(&alloc, s);
}

/* [RFC5321 4.1.2] "a host that expects to receive mail SHOULD avoid defining mailboxes where the
 * Local-part requires (or uses) the Quoted-string form or where the Local-part is case" sensitive:
 * addresses that differ in case only are one person's */
static uint64_t
hash(const lw_seen *s, lw_span address)
{
    char folded[PIECE];
    uint64_t h;
    lw_sip sip;

    lw_sip_init(&sip, s->key);
    while (address.len > 0) {
        size_t n = address.len < PIECE ? address.len : PIECE;

        for (size_t i = 0; i < n; i++)
            folded[i] = lw_lower(address.ptr[i]);
        lw_sip_add(&sip, (lw_span){ folded, n });
        address.ptr += n;
        address.len -= n;
    }
    h = lw_sip_end(&sip);
    return h == 0 ? 1 : h;
}

static uint64_t *
find(uint64_t *slots, size_t cap, uint64_t h)
{
    size_t i = (size_t)h & (cap - 1);

    while (slots[i] != 0 && slots[i] != h)
        i = (i + 1) & (cap - 1);
    return &slots[i];
}

static lw_code
grow(lw_seen *s)
{
    size_t cap = s->cap == 0 ? FIRST_SLOTS : s->cap * 2;
    uint64_t *slots = lw_zalloc_array(&s->alloc, cap, sizeof *slots);

    if (slots == NULL)
        return LW_ENOMEM;
    for (size_t i = 0; i < s->cap; i++)
        if (s->slots[i] != 0)
            *find(slots, cap, s->slots[i]) = s->slots[i];
    lw_release(&s->alloc, s->slots);
    s->slots = slots;
    s->cap = cap;
    return LW_OK;
}

bool
lw_seen_has(const lw_seen *s, lw_span address)
{
    return s != NULL && s->cap > 0 && (address.ptr != NULL || address.len == 0) &&
           *find(s->slots, s->cap, hash(s, address)) != 0;
}

lw_code
lw_seen_add(lw_seen *s, lw_span address, bool *was_there)
{
    uint64_t *slot;
    uint64_t h;
    lw_code rc;
    bool was;

    if (s == NULL || (address.ptr == NULL && address.len > 0))
        return LW_EUSAGE;
    if (s->n >= s->cap / 4 * 3 && (rc = grow(s)) < 0)
        return rc;
    h = hash(s, address);
    slot = find(s->slots, s->cap, h);
    was = *slot == h;
    s->n += !was;
    *slot = h;
    if (was_there != NULL)
        *was_there = was;
    return LW_OK;
}
