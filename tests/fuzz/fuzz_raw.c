/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_raw.c - ready messages: what is taken leaves canonical, in the size promised,
 * the same from memory and from a source that gives its octets in small pieces
 */
#include "mime/mime_int.h"

#include <stdlib.h>

typedef struct source {
    const uint8_t *data;
    size_t size, pos, piece;
} source;

static void
must(bool holds)
{
    if (!holds)
        abort();
}

static lw_code
source_open(void *ctx, uint64_t *size, lw_error *err)
{
    source *s = ctx;

    s->pos = 0;
    *size = s->piece % 2 == 0 ? s->size : LW_SIZE_UNKNOWN;
    return LW_OK;
}

static lw_code
source_read(void *ctx, char *buf, size_t cap, size_t *n, lw_error *err)
{
    source *s = ctx;
    size_t k = s->size - s->pos < s->piece ? s->size - s->pos : s->piece;

    *n = k < cap ? k : cap;
    if (*n > 0)
        memcpy(buf, s->data + s->pos, *n);
    s->pos += *n;
    return LW_OK;
}

static void
source_close(void *ctx)
{
}

/* the octets of the message, checked; code < 0 = it is refused */
static lw_code
render(lw_message *m, lw_buf *out)
{
    lw_render_opts o = { .now_s = 0 };
    lw_rendering *r;
    lw_error e;
    lw_span span;
    lw_code rc = lw_rendering_new(m, &o, &r, &e);

    if (rc < 0) {
        must(r == NULL && e.code == rc && e.text[0] != '\0');
        return rc;
    }
    lw_body *b = lw_rendering_body(r);
    do {
        rc = b->next(b->ctx, &span);
        must(rc >= 0);
        lw_buf_add(out, span);
    } while (rc == LW_OK);
    must(out->len == b->size && out->len >= 2);
    must(memcmp(out->ptr + out->len - 2, "\r\n", 2) == 0);
    for (size_t i = 0; i < out->len; i++) {
        must(out->ptr[i] != '\0');
        must(out->ptr[i] != '\n' || out->ptr[i - 1] == '\r');
        must(out->ptr[i] != '\r' || out->ptr[i + 1] == '\n');
    }
    lw_rendering_free(r);
    return LW_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lw_message *a = lw_message_new(), *b = lw_message_new();
    source s = { data, size, 0, size > 0 ? data[size - 1] % 64u + 1 : 1 };
    lw_source src = { source_open, source_read, source_close, NULL, &s };
    lw_buf from_memory, from_source;

    if (a == NULL || b == NULL)
        abort();
    lw_buf_init(&from_memory, NULL, SIZE_MAX / 2);
    lw_buf_init(&from_source, NULL, SIZE_MAX / 2);
    must(lw_message_raw_memory(a, data, size) == LW_OK);
    must(lw_message_raw_source(b, src, "fuzz") == LW_OK);
    must(render(a, &from_memory) == render(b, &from_source));
    must(lw_span_eq(lw_buf_span(&from_memory), lw_buf_span(&from_source)));
    lw_buf_deinit(&from_memory);
    lw_buf_deinit(&from_source);
    lw_message_free(a);
    lw_message_free(b);
    return 0;
}
