/* SPDX-License-Identifier: MIT */
/*
 * client/pool_rate.c - rates as pure arithmetic, and the table of domains
 *
 * A rate is one number, the time at which all that was taken is paid for (the "theoretical
 * arrival time" of the generic cell rate algorithm): taking n moves it n intervals on, and
 * taking is allowed while it is no further ahead of now than the slack.  So a timer of a
 * millisecond serves any rate, unused time is not saved up, and the mean is exact.
 *
 * Domains have one such number each.  An entry whose time is past says no more than an empty
 * one, so it can be given away; where all places that a domain may have are busy it shares one:
 * both are then slower than asked, and neither is faster.
 */
#include "client/pool_int.h"

#define INTERVAL_MAX_NS 1e12 /* one in a thousand seconds */

uint64_t
lw_rate_interval(double per_second)
{
    double interval;

    if (!(per_second > 0))
        return 0;
    interval = 1e9 / per_second;
    if (interval >= INTERVAL_MAX_NS)
        return (uint64_t)INTERVAL_MAX_NS;
    return interval < 1 ? 0 : (uint64_t)interval;
}

uint64_t
lw_rate_ready_at(uint64_t interval_ns, uint64_t tat_ns)
{
    return interval_ns == 0 || tat_ns <= LW_RATE_SLACK_NS ? 0 : tat_ns - LW_RATE_SLACK_NS;
}

void
lw_rate_take(uint64_t interval_ns, uint64_t *tat_ns, uint64_t now_ns, size_t n)
{
    uint64_t from = *tat_ns > now_ns ? *tat_ns : now_ns, cost;

    if (interval_ns == 0)
        return;
    if (__builtin_mul_overflow(interval_ns, n, &cost) ||
        __builtin_add_overflow(from, cost, tat_ns))
        *tat_ns = UINT64_MAX;
}

uint64_t
lw_rate_room(uint64_t interval_ns, uint64_t tat_ns, uint64_t now_ns)
{
    uint64_t from = tat_ns > now_ns ? tat_ns : now_ns, until = now_ns + LW_RATE_SLACK_NS;

    if (interval_ns == 0)
        return UINT64_MAX;
    return from > until ? 0 : (until - from) / interval_ns + 1;
}

/* ---- domains ---------------------------------------------------------------------------- */

lw_code
lw_domains_init(lw_domains *d, const lw_alloc *alloc, double per_second)
{
    *d = (lw_domains){ .interval_ns = lw_rate_interval(per_second) };
    if (d->interval_ns == 0)
        return LW_OK;
    if ((d->table = lw_zalloc_array(alloc, LW_DOMAINS, sizeof *d->table)) == NULL)
        return LW_ENOMEM;
    for (size_t i = 0; i < LW_DOMAINS; i++)
        lw_list_init(&d->table[i].behind);
    return LW_OK;
}

void
lw_domains_deinit(lw_domains *d, const lw_alloc *alloc)
{
    lw_release(alloc, d->table);
    d->table = NULL;
}

/* FNV-1a of what follows the last @, without case; never 0 */
static uint64_t
hash_domain(const char *address)
{
    const char *at = strrchr(address, '@'), *p = at == NULL ? address : at + 1;
    uint64_t h = 0xcbf29ce484222325;

    for (; *p != '\0'; p++)
        h = (h ^ (unsigned char)lw_lower(*p)) * 0x100000001b3;
    return h == 0 ? 1 : h;
}

static bool
is_free(const lw_pool_domain *e, uint64_t now_ns)
{
    return e->leader == NULL && e->behind.n == 0 && e->tat_ns <= now_ns;
}

lw_pool_domain *
lw_domains_find(lw_domains *d, const char *address, uint64_t now_ns)
{
    uint64_t hash = hash_domain(address), home = hash ^ (hash >> 32);
    lw_pool_domain *place = NULL;

    for (unsigned i = 0; i < LW_DOMAIN_PROBES; i++) {
        lw_pool_domain *e = &d->table[(home + i) % LW_DOMAINS];

        if (e->hash == hash)
            return e;
        if (place == NULL && is_free(e, now_ns))
            place = e;
    }
    if (place == NULL)
        return &d->table[home % LW_DOMAINS];
    place->hash = hash;
    return place;
}
