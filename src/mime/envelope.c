/* SPDX-License-Identifier: MIT */
/*
 * mime/envelope.c - who sends to whom: each address once, in the order given
 *
 * Two addresses are one if their local parts are equal and their domains are equal but for
 * ASCII case ([RFC5321 2.4]: "The local-part of a mailbox MUST BE treated as case sensitive").
 * A table with a random seed keeps this linear for any list.
 */
#include "mime/mime_int.h"

typedef struct seen_set {
    uint32_t *slots; /* index into rcpts, plus one; 0 = free */
    size_t mask;
    uint64_t seed;
} seen_set;

static uint64_t
mix(uint64_t h)
{
    h ^= h >> 32;
    h *= UINT64_C(0xd6e8feb86659fd93);
    return h ^ h >> 32;
}

static uint64_t
hash(uint64_t seed, const char *addr)
{
    size_t at = (size_t)(lw_addr_domain(addr).ptr - addr);
    uint64_t h = seed;

    for (size_t i = 0; addr[i] != '\0'; i++)
        h = mix(h + (unsigned char)(i < at ? addr[i] : lw_lower(addr[i])) + 1);
    return h;
}

static bool
is_same(const char *a, const char *b)
{
    lw_span da = lw_addr_domain(a), db = lw_addr_domain(b);
    size_t la = (size_t)(da.ptr - a), lb = (size_t)(db.ptr - b);

    return lw_span_eq((lw_span){ a, la }, (lw_span){ b, lb }) && lw_span_eq_nocase(da, db);
}

static bool
is_seen(seen_set *s, const lw_rcpt *rcpts, size_t n, const char *addr)
{
    size_t i = (size_t)hash(s->seed, addr) & s->mask;

    for (; s->slots[i] != 0; i = (i + 1) & s->mask)
        if (is_same(rcpts[s->slots[i] - 1].address, addr))
            return true;
    s->slots[i] = (uint32_t)n + 1;
    return false;
}

static void
add_list(lw_envelope *env, seen_set *s, const lw_mailboxes *l)
{
    for (size_t i = 0; i < l->n; i++) {
        const char *addr = l->items[i].addr;
        if (is_seen(s, env->rcpts, env->n_rcpts, addr))
            continue;
        env->rcpts[env->n_rcpts++].address = addr;
        if (!lw_span_is_ascii(lw_span_str(addr)))
            env->needs_smtputf8 = true;
    }
}

static const char *
sender(const lw_rendering *r)
{
    const lw_message *m = r->message;

    if (m->envelope_from.text != NULL)
        return m->envelope_from.text;
    if (m->from.n > 0)
        return m->from.items[0].addr;
    return m->resending != NULL ? lw_resending_sender(m->resending)->items[0].addr : r->found_from;
}

static lw_code
add_recipients(lw_rendering *r, size_t n, lw_error *err)
{
    const lw_message *m = r->message;
    const lw_resending *resent = m->resending;
    seen_set seen = { .mask = 7 };
    lw_arena scratch;
    char few[256];

    while (seen.mask < n * 2)
        seen.mask = seen.mask * 2 + 1;
    memcpy(&seen.seed, r->opts->random, sizeof seen.seed);
    lw_arena_init(&scratch, &r->alloc);
    lw_arena_lend(&scratch, few, sizeof few);
    seen.slots = lw_arena_array(&scratch, seen.mask + 1, sizeof *seen.slots);
    r->envelope.rcpts = lw_arena_array(&r->arena, n, sizeof *r->envelope.rcpts);
    if (seen.slots == NULL || r->envelope.rcpts == NULL) {
        lw_arena_deinit(&scratch);
        return lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "recipients: out of memory");
    }
    if (m->envelope_to.n > 0) {
        add_list(&r->envelope, &seen, &m->envelope_to);
    } else {
        add_list(&r->envelope, &seen, &m->to);
        add_list(&r->envelope, &seen, &m->cc);
        add_list(&r->envelope, &seen, &m->bcc);
        add_list(&r->envelope, &seen, &r->found);
        if (resent != NULL) {
            add_list(&r->envelope, &seen, &resent->to);
            add_list(&r->envelope, &seen, &resent->cc);
            add_list(&r->envelope, &seen, &resent->bcc);
        }
    }
    lw_arena_deinit(&scratch);
    return LW_OK;
}

lw_code
lw_render_envelope(lw_rendering *r, lw_error *err)
{
    const lw_message *m = r->message;
    const lw_resending *resent = m->resending;
    size_t n = resent != NULL ? resent->to.n + resent->cc.n + resent->bcc.n : 0;

    n = m->envelope_to.n > 0 ? m->envelope_to.n : n + m->to.n + m->cc.n + m->bcc.n + r->found.n;
    if ((r->envelope.from = sender(r)) == NULL)
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE,
                       "from: no sender was given, and the message names none");
    if (n == 0)
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "to: no recipient was given");
    if (n > UINT32_MAX / 4)
        return lw_fail(err, LW_ELIMIT, LW_STAGE_COMPOSE, "to: too many recipients");
    if (!lw_span_is_ascii(lw_span_str(r->envelope.from)))
        r->envelope.needs_smtputf8 = true;
    return add_recipients(r, n, err);
}
