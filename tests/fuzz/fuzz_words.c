/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_words.c - any octets as a header's value: encoded words and parameters give
 * UTF-8 without controls, whatever a hook answers
 */
#include "mime/read_int.h"

#include <stdlib.h>

static void
must(bool holds)
{
    if (!holds)
        abort();
}

/* sets whose name begins with x: the octets themselves, in all the room that there is */
static bool
convert(void *ctx, lw_span charset, lw_span octets, char *dst, size_t cap, size_t *n)
{
    must(cap >= octets.len * 4);
    if (charset.ptr[0] != 'x')
        return false;
    for (*n = 0; octets.len > 0 && *n < cap; ++*n)
        dst[*n] = octets.ptr[*n % octets.len];
    return true;
}

static void
check(char *text)
{
    lw_span s = lw_span_str(text);

    must(lw_utf8_valid(s));
    for (size_t i = 0; i < s.len; i++)
        must(((unsigned char)s.ptr[i] >= 0x20 || s.ptr[i] == '\t') && s.ptr[i] != 0x7f);
    lw_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "name", "n", "" };
    lw_charset_hook hook = { size % 2 ? convert : NULL, NULL };
    lw_span in = { (const char *)data, size };
    char *text;

    must(lw_header_text(in, &hook, &text) == LW_OK);
    check(text);
    for (size_t i = 0; i < LW_COUNT(names); i++) {
        must(lw_header_param(in, names[i], &hook, &text) == LW_OK);
        if (text != NULL)
            check(text);
    }
    return 0;
}
