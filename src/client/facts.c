/* SPDX-License-Identifier: MIT */
/* client/facts.c - what is known of a server, as a copy that lasts */
#include "client/client_int.h"

static const char *
or_empty(const char *s)
{
    return s == NULL ? "" : s;
}

static void
copy_chain(lw_arena *arena, lw_tls_facts *to, const lw_tls_facts *from)
{
    lw_certificate *chain = lw_arena_array(arena, from->n_chain, sizeof *chain);

    to->chain = NULL;
    to->n_chain = 0;
    if (chain == NULL || from->n_chain == 0)
        return;
    for (size_t i = 0; i < from->n_chain; i++) {
        chain[i] = from->chain[i];
        chain[i].subject = or_empty(lw_arena_str(arena, from->chain[i].subject));
        chain[i].issuer = or_empty(lw_arena_str(arena, from->chain[i].issuer));
    }
    to->chain = chain;
    to->n_chain = from->n_chain;
}

void
lw_facts_copy_tls(lw_arena *arena, lw_tls_facts *to, const lw_tls_facts *from)
{
    *to = *from;
    to->version = lw_arena_str(arena, from->version);
    to->cipher = lw_arena_str(arena, from->cipher);
    to->problem = lw_arena_str(arena, from->problem);
    copy_chain(arena, to, from);
}

void
lw_facts_copy(lw_arena *arena, lw_server_facts *to, const lw_server_facts *from)
{
    to->host = lw_arena_str(arena, from->host);
    to->port = from->port;
    to->address = lw_arena_str(arena, from->address);
    to->greeting = lw_arena_str(arena, from->greeting);
    to->auth = lw_arena_str(arena, from->auth);
    lw_facts_copy_tls(arena, &to->tls, &from->tls);
}

/* ---- shared ----------------------------------------------------------------------------- */

lw_shared_facts *
lw_shared_facts_new(const lw_alloc *alloc, const lw_server_facts *from)
{
    lw_shared_facts *f = lw_zalloc(alloc, sizeof *f);

    if (f == NULL)
        return NULL;
    f->alloc = *lw_alloc_or_default(alloc);
    lw_arena_init(&f->arena, &f->alloc);
    lw_facts_copy(&f->arena, &f->facts, from);
    atomic_init(&f->n_owners, 1);
    return f;
}

lw_shared_facts *
lw_shared_facts_join(lw_shared_facts *f)
{
    if (f != NULL)
        atomic_fetch_add_explicit(&f->n_owners, 1, memory_order_relaxed);
    return f;
}

void
lw_shared_facts_leave(lw_shared_facts *f)
{
    lw_alloc alloc;

    if (f == NULL || atomic_fetch_sub_explicit(&f->n_owners, 1, memory_order_acq_rel) > 1)
        return;
    alloc = f->alloc;
    lw_arena_deinit(&f->arena);
    lw_release(&alloc, f);
}
