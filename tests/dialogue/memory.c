/* SPDX-License-Identifier: MIT */
/* tests/dialogue/memory.c - allocations that fail, and every script under them */
#include "dialogue/memory.h"

#include "dialogue/run.h"

#include <unistd.h>

static void *
resize(void *ctx, void *p, size_t n)
{
    memory *m = ctx;
    size_t call;

    if (n == 0) {
        m->n_blocks -= p != NULL;
        free(p);
        return NULL;
    }
    m->was_broken = m->was_broken || m->is_frozen;
    call = m->n_calls++;
    if (call == m->fail_at || (m->stays_bad && call > m->fail_at))
        return NULL;
    m->n_blocks += p == NULL;
    return realloc(p, n);
}

void
memory_init(memory *m, size_t fail_at, bool stays_bad)
{
    *m = (memory){ .alloc = { resize, m }, .fail_at = fail_at, .stays_bad = stays_bad };
}

void
memory_freeze(memory *m)
{
    m->is_frozen = true;
}

const char *
memory_verdict(const memory *m)
{
    if (m->was_broken)
        return "the engine allocates after new";
    return m->n_blocks > 0 ? "the engine leaks" : NULL;
}

/* one attempt; false when the engine opened: it has no allocation number fail_at */
static bool
open_fails(const script *s, size_t fail_at, bool stays_bad)
{
    const engine_kind *kind = s->is_server ? &server_kind : &client_kind;
    engine *e = NULL;
    memory m;
    lw_code rc;

    memory_init(&m, fail_at, stays_bad);
    rc = kind->open(s, &m.alloc, 0, &e);
    if (rc == LW_OK)
        kind->close(e);
    if ((rc != LW_OK && rc != LW_ENOMEM) || (rc != LW_OK && e != NULL) || m.n_blocks > 0 ||
        (rc == LW_OK && m.n_calls > fail_at)) {
        fprintf(stderr, "%s:1: allocation %zu fails: new gives %s, %zu blocks are left\n",
                s->name, fail_at, lw_code_name(rc), m.n_blocks);
        _exit(1);
    }
    return rc != LW_OK;
}

unsigned
run_failing_memory(const script *s)
{
    unsigned n = 0;

    while (open_fails(s, n, false) && open_fails(s, n, true))
        n++;
    return 2 * n;
}
