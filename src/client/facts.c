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
