/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_compose.c - any values in a composed message: refused, or rendered legally
 *
 * The input is split at NUL octets: subject, text, HTML, a header's value, a file name, a type.
 * No value may begin a header line of its own, whatever it holds.
 */
#include "mime/mime_int.h"

#include <stdlib.h>

#define N_VALUES 6

static void
must(bool holds)
{
    if (!holds)
        abort();
}

/* header names that a message as ours may have; a line that begins otherwise is injected */
static bool
is_known(lw_span line)
{
    static const char *const names[] = {
        "Date:", "From:", "To:", "Subject:", "Message-ID:", "X-Fuzz:", "MIME-Version:",
        "Content-Type:", "Content-Transfer-Encoding:", " ", "\t",
    };

    for (size_t i = 0; i < LW_COUNT(names); i++)
        if (line.len >= strlen(names[i]) && memcmp(line.ptr, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static void
check(lw_span all)
{
    bool in_header = true;

    while (all.len > 0) {
        size_t n = lw_span_find(all, '\n');
        must(n > 0 && n < all.len && all.ptr[n - 1] == '\r');
        lw_span line = { all.ptr, n - 1 };
        must(line.len <= LW_LINE_MAX && lw_span_is_ascii(line));
        must(lw_span_find(line, '\r') == line.len && lw_span_find(line, '\0') == line.len);
        must(!in_header || line.len == 0 || is_known(line));
        in_header = in_header && line.len > 0;
        all = (lw_span){ all.ptr + n + 1, all.len - n - 1 };
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = lw_span_dup(NULL, (lw_span){ (const char *)data, size });
    lw_message *m = lw_message_new();
    lw_render_opts o = { .now_s = 1 };
    const char *v[N_VALUES] = { "", "", "", "", "", "" };
    lw_rendering *r = NULL;
    lw_error e;
    lw_span span;
    lw_buf all;
    lw_code rc;
    size_t n = 0;

    if (copy == NULL || m == NULL)
        abort();
    for (size_t at = 0; at <= size && n < N_VALUES; at += strlen(copy + at) + 1)
        v[n++] = copy + at;
    lw_buf_init(&all, NULL, SIZE_MAX / 2);
    must(lw_message_from(m, "a@b.de") == LW_OK && lw_message_to(m, "c@d.de") == LW_OK);
    lw_message_subject(m, v[0]);
    if (v[1][0] != '\0')
        lw_message_text(m, v[1]);
    if (v[2][0] != '\0')
        lw_message_html(m, v[2]);
    lw_message_header(m, "X-Fuzz", v[3]);
    if (n >= 5)
        lw_message_attach_memory(m, data, size, &(lw_attachment){ .name = v[4],
            .type = v[5][0] != '\0' ? v[5] : NULL, .is_inline = size % 2 == 0 });
    rc = lw_rendering_new(m, &o, &r, &e);
    must(rc == LW_OK || (rc == lw_message_error(m)->code && e.text[0] != '\0'));
    if (rc == LW_OK) {
        lw_body *b = lw_rendering_body(r);
        while ((rc = b->next(b->ctx, &span)) == LW_OK)
            lw_buf_add(&all, span);
        lw_buf_add(&all, span);
        must(rc == LW_DONE && all.len == b->size);
        check(lw_buf_span(&all));
    }
    lw_rendering_free(r);
    lw_message_free(m);
    lw_buf_deinit(&all);
    lw_release(NULL, copy);
    return 0;
}
