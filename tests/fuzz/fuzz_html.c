/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_html.c - any octets as HTML: plain text within the bound, without controls
 *
 * What comes out is flowed too: unfolded, it holds what went in but for spaces.
 */
#include "mime/mime_int.h"

#include <stdlib.h>

static void
must(bool holds)
{
    if (!holds)
        abort();
}

/* octets that are no white space */
static size_t
weight(lw_span s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++)
        n += s.ptr[i] != ' ' && s.ptr[i] != '\r' && s.ptr[i] != '\n';
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lw_buf text, flowed;

    lw_buf_init(&text, NULL, size * 16 + 4096);
    lw_buf_init(&flowed, NULL, size * 32 + 4096);
    lw_html_to_text(&text, (lw_span){ (const char *)data, size });
    must(lw_buf_finish(&text) == LW_OK);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        must((c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t');
    }
    must(text.len == 0 || text.ptr[text.len - 1] == '\n');
    lw_text_flow(&flowed, lw_buf_span(&text));
    must(lw_buf_finish(&flowed) == LW_OK);
    must(weight(lw_buf_span(&flowed)) == weight(lw_buf_span(&text)));
    lw_buf_deinit(&text);
    lw_buf_deinit(&flowed);
    return 0;
}
