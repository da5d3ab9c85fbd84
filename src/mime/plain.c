/* SPDX-License-Identifier: MIT */
/* mime/plain.c - the text/plain body: as it was set, flowed, or made from the HTML */
#include "mime/mime_int.h"

/* No tag of HTML grows more than this: <li> becomes a line end, quote marks, indentation and a
 * number; so the maximum is never reached but by a bug. */
#define GROWTH 16

static lw_code
derive(lw_message *m, bool from_html, lw_error *err)
{
    lw_span source = from_html ? (lw_span){ m->html.ptr, m->html.len }
        : (lw_span){ m->text.ptr, m->text.len };
    lw_buf plain, flowed;
    lw_code rc;

    lw_buf_init(&plain, &m->alloc, source.len * GROWTH + 4096);
    lw_buf_init(&flowed, &m->alloc, source.len * GROWTH * 2 + 4096);
    if (from_html) {
        lw_html_to_text(&plain, source);
        source = lw_buf_span(&plain);
    }
    if (m->is_flowed) {
        lw_text_flow(&flowed, source);
        source = lw_buf_span(&flowed);
    }
    if ((rc = lw_buf_finish(&plain)) < 0 || (rc = lw_buf_finish(&flowed)) < 0)
        lw_fail(err, rc, LW_STAGE_COMPOSE, "text: %s", lw_code_text(rc));
    else
        rc = lw_text_set(&m->derived, &m->alloc, source, "text", err);
    m->has_derived = rc >= 0;
    lw_buf_deinit(&plain);
    lw_buf_deinit(&flowed);
    return rc;
}

lw_code
lw_message_plain_text(lw_message *m, const lw_text **out, lw_error *err)
{
    bool from_html = m->text.ptr == NULL && m->html.ptr != NULL && !m->has_no_auto_text;
    lw_code rc;

    *out = &m->text;
    if (!from_html && (m->text.ptr == NULL || !m->is_flowed))
        return LW_OK;
    if (!m->has_derived && (rc = derive(m, from_html, err)) < 0)
        return rc;
    /* HTML of pictures alone has no text */
    if (!from_html || m->derived.len > 0)
        *out = &m->derived;
    return LW_OK;
}
