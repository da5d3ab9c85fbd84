/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_compose.c - any values in a composed message: refused, or rendered legally
 *
 * The input is split at NUL octets: subject, text, HTML, a header's value, a file name, a type, an
 * unsubscribe address, a List-Id, a Message-ID, an invitation.
 * No value may begin a header line of its own, whatever it holds.
 */
#include "mime/mime_int.h"

#include <stdlib.h>

#define N_VALUES 10

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
        "List-Unsubscribe:", "List-Unsubscribe-Post:", "List-Id:", "In-Reply-To:", "References:",
        "Content-Type:", "Content-Transfer-Encoding:", " ", "\t",
    };

    for (size_t i = 0; i < LW_COUNT(names); i++)
        if (line.len >= strlen(names[i]) && memcmp(line.ptr, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* 8-bit octets only where the envelope says so, and never in the message's own header */
static void
check(lw_span all, bool may_be_8bit)
{
    bool in_header = true;

    while (all.len > 0) {
        size_t n = lw_span_find(all, '\n');
        must(n > 0 && n < all.len && all.ptr[n - 1] == '\r');
        lw_span line = { all.ptr, n - 1 };
        must(line.len <= LW_LINE_MAX && ((may_be_8bit && !in_header) || lw_span_is_ascii(line)));
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
    const char *v[N_VALUES] = { "", "", "", "", "", "", "", "", "", "" };
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
    if (n >= 7 && v[6][0] != '\0')
        lw_message_unsubscribe(m, v[6], NULL);
    if (n >= 8 && v[7][0] != '\0')
        lw_message_list_id(m, v[7]);
    if (n >= 9 && v[8][0] != '\0')
        lw_message_in_reply_to(m, v[8]);
    if (n >= 10 && v[9][0] != '\0')
        lw_message_calendar(m, v[9]);
    lw_message_flowed(m, size % 5 == 0);
    rc = lw_rendering_new(m, &o, &r, &e);
    must(rc == LW_OK || e.text[0] != '\0');
    /* the file is none that can be sent so, or a value was refused */
    must(rc == LW_OK || rc == LW_EMESSAGE || rc == lw_message_error(m)->code);
    if (rc == LW_OK && size % 3 > 0)
        must(lw_rendering_fit(r, LW_BODY_8BITMIME, &e) == LW_OK);
    if (rc == LW_OK) {
        lw_body *b = lw_rendering_body(r);
        while ((rc = b->next(b->ctx, &span)) == LW_OK)
            lw_buf_add(&all, span);
        lw_buf_add(&all, span);
        must(rc == LW_DONE && all.len == b->size);
        check(lw_buf_span(&all), lw_rendering_envelope(r)->body_type != LW_BODY_7BIT);
    }
    lw_rendering_free(r);
    lw_message_free(m);
    lw_buf_deinit(&all);
    lw_release(NULL, copy);
    return 0;
}
