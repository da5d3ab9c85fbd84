/* SPDX-License-Identifier: MIT */
/*
 * net/rotation.c - several connections to one name: which of its addresses each begins with
 *
 * The resolver puts the addresses of a name into the same order each time, whatever the name
 * service does, so all connections would go to the first one.  With a rotation the next
 * connection begins with the next address of each family.  Which family goes first stays the
 * resolver's choice.  An address that failed, was overtaken in the race, or was passed by because
 * no session came to be there, comes last until LW_AVOIDED_MS are over: it is still tried when
 * nothing else is left.
 */
#include "net/net_int.h"

/* an IPv4 address as IPv6 writes it; the port is the same for all of a name.  false: neither */
static bool
ip_of(const lw_addr *a, unsigned char ip[LW_IP_BYTES])
{
    memset(ip, 0, LW_IP_BYTES);
    if (a->u.sa.sa_family == AF_INET6) {
        memcpy(ip, &a->u.in6.sin6_addr, LW_IP_BYTES);
        return true;
    }
    if (a->u.sa.sa_family != AF_INET)
        return false;
    ip[10] = ip[11] = 0xff;
    memcpy(ip + 12, &a->u.in4.sin_addr, 4);
    return true;
}

/* NULL = nothing is held against it */
static lw_avoided *
find(lw_rotation *r, const lw_addr *a)
{
    unsigned char ip[LW_IP_BYTES];

    if (!ip_of(a, ip))
        return NULL;
    for (size_t i = 0; i < LW_AVOIDED_MAX; i++)
        if (r->avoided[i].until_ms != 0 && memcmp(r->avoided[i].ip, ip, sizeof ip) == 0)
            return &r->avoided[i];
    return NULL;
}

void
lw_rotation_failed(lw_rotation *r, const lw_addr *a, uint64_t now_ms)
{
    unsigned char ip[LW_IP_BYTES];
    lw_avoided *to;

    if (r == NULL || !ip_of(a, ip))
        return;
    if ((to = find(r, a)) == NULL) {
        to = r->avoided; /* the one whose time is over first makes room */
        for (size_t i = 1; i < LW_AVOIDED_MAX; i++)
            if (r->avoided[i].until_ms < to->until_ms)
                to = &r->avoided[i];
    }
    memcpy(to->ip, ip, sizeof ip);
    to->until_ms = now_ms + LW_AVOIDED_MS;
}

void
lw_rotation_worked(lw_rotation *r, const lw_addr *a)
{
    lw_avoided *known = r == NULL ? NULL : find(r, a);

    if (known != NULL)
        known->until_ms = 0;
}

/* the n-th address of this family comes first, those before it last */
static void
turn_family(lw_lookup *l, sa_family_t family, uint32_t n)
{
    lw_addr in_turn[LW_ADDRS_MAX];
    size_t at[LW_ADDRS_MAX], count = 0;

    for (size_t i = 0; i < l->n; i++)
        if (l->addrs[i].u.sa.sa_family == family)
            at[count++] = i;
    for (size_t i = 0; i < count; i++)
        in_turn[i] = l->addrs[at[(i + n % count) % count]];
    for (size_t i = 0; i < count; i++)
        l->addrs[at[i]] = in_turn[i];
}

/* those that are avoided go to last, in order */
static void
split(lw_rotation *r, lw_lookup *l, lw_lookup *last, uint64_t now_ms)
{
    size_t n = 0;

    last->n = 0;
    for (size_t i = 0; i < l->n; i++) {
        const lw_avoided *known = find(r, &l->addrs[i]);

        if (known != NULL && now_ms < known->until_ms)
            last->addrs[last->n++] = l->addrs[i];
        else
            l->addrs[n++] = l->addrs[i];
    }
    l->n = n;
}

static void
append(lw_lookup *l, const lw_lookup *last)
{
    memcpy(&l->addrs[l->n], last->addrs, last->n * sizeof last->addrs[0]);
    l->n += last->n;
}

static void
turn(lw_lookup *l, uint32_t n)
{
    turn_family(l, AF_INET6, n);
    turn_family(l, AF_INET, n);
    lw_addrs_interleave(l);
}

void
lw_rotation_order(lw_rotation *r, lw_lookup *l, uint64_t now_ms)
{
    lw_lookup last;

    split(r, l, &last, now_ms);
    turn(l, r->next);
    turn(&last, r->next);
    r->next++;
    append(l, &last);
}

void
lw_rotation_rest(lw_rotation *r, lw_lookup *l, uint64_t now_ms, bool only_promising)
{
    lw_lookup last;

    if (r == NULL)
        return;
    split(r, l, &last, now_ms);
    if (!only_promising)
        append(l, &last);
}
