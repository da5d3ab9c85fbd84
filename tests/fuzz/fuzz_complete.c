/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_complete.c - any octets as an address list: completing adds domains and nothing
 * else, and a list that the parser takes as it is stays as it is
 */
#include "mime/mime_int.h"

#include <stdlib.h>

static void
must(bool holds)
{
    if (!holds)
        abort();
}

/* out without some of its "@x.test" is the input */
static void
check_additions(lw_span in, const char *out)
{
    static const char added[] = "@x.test";
    size_t at = 0;

    for (; *out != '\0'; out++) {
        if (at < in.len && in.ptr[at] == *out) {
            at++;
            continue;
        }
        must(strncmp(out, added, sizeof added - 1) == 0);
        out += sizeof added - 2;
    }
    must(at == in.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lw_span in = { (const char *)data, size };
    lw_arena arena;
    lw_mailboxes l;
    lw_error err;
    char *out;
    size_t n;

    if (lw_span_find(in, '\0') < size || memmem(data, size, "@x.test", 7) != NULL)
        return 0;
    must(lw_addresses_complete(in, "x.test", &out, &n) == LW_OK);
    check_additions(in, out);
    lw_arena_init(&arena, NULL);
    lw_mailboxes_init(&l, &arena);
    if (lw_mailboxes_parse_with(&l, in, "to", LW_LIST_MAY_BE_EMPTY, &err) == LW_OK) {
        must(strlen(out) == size);
        must(l.n == n);
    }
    lw_arena_deinit(&arena);
    lw_free(out);
    return 0;
}
