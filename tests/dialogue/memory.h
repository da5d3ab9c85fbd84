/* SPDX-License-Identifier: MIT */
/* tests/dialogue/memory.h - an allocator that counts, fails on demand, and can be frozen */
#ifndef LW_TESTS_DIALOGUE_MEMORY_H
#define LW_TESTS_DIALOGUE_MEMORY_H

#include <letterwing/base.h>

typedef struct memory {
    lw_alloc alloc;
    size_t n_calls, n_blocks;
    size_t fail_at;  /* this allocation gives NULL, counted from 0; SIZE_MAX = none */
    bool stays_bad;  /* and so does every later one                                 */
    bool is_frozen, was_broken;
} memory;

void memory_init(memory *m, size_t fail_at, bool stays_bad);
/** memory_freeze - from here on nothing may be allocated */
void memory_freeze(memory *m);
/** memory_verdict - NULL, or what the owner did wrong: a leak, an allocation when frozen */
const char *memory_verdict(const memory *m);

#endif
