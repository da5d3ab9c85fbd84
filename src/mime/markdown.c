/* SPDX-License-Identifier: MIT */
/*
 * mime/markdown.c - a body in Markdown: the source as text, and what libmd4c makes of it as HTML
 *
 * The library is found when the first such body comes, as in idn.c.
 */
#include "mime/mime_int.h"

#ifdef LW_HAVE_MD4C
#include "late/late.h"

#include <md4c-html.h>

static struct {
    int (*render)(const MD_CHAR *input, MD_SIZE size,
                  void (*output)(const MD_CHAR *, MD_SIZE, void *), void *ctx,
                  unsigned parser_flags, unsigned renderer_flags);
} md4c;

static const char *const names[] = { "md_html" };
static lw_late library = { LW_LATE("libmd4c-html.so.0", names, md4c) };

static void
add(const MD_CHAR *p, MD_SIZE n, void *out)
{
    lw_buf_add(out, (lw_span){ p, n });
}

static lw_code
to_html(lw_buf *out, const char *markdown, lw_error *err)
{
    size_t len = strlen(markdown);
    lw_code rc;

    rc = lw_late_load(&library, LW_STAGE_COMPOSE, "markdown: it needs libmd4c", err);
    if (rc < 0)
        return rc == LW_ECONFIG ? err->code = LW_ECAPABILITY : rc;
    if (len > LW_MARKDOWN_MAX)
        return lw_fail(err, LW_ELIMIT, LW_STAGE_COMPOSE, "markdown: longer than %zu octets",
                       LW_MARKDOWN_MAX);
    lw_buf_add(out, LW_LIT("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n"));
    if (md4c.render(markdown, (MD_SIZE)len, add, out, MD_DIALECT_GITHUB, 0) != 0)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "markdown: out of memory");
    lw_buf_add(out, LW_LIT("</body></html>\n"));
    if (lw_buf_cstr(out) != NULL)
        return LW_OK;
    rc = lw_buf_finish(out) < 0 ? lw_buf_finish(out) : LW_ENOMEM;
    return lw_fail(err, rc, LW_STAGE_COMPOSE, "markdown: %s", lw_code_text(rc));
}

#else

static lw_code
to_html(lw_buf *out, const char *markdown, lw_error *err)
{
    (void)out;
    (void)markdown;
    return lw_fail(err, LW_ECAPABILITY, LW_STAGE_COMPOSE,
                   "markdown: this library was built without libmd4c");
}

#endif

lw_code
lw_message_markdown(lw_message *m, const char *markdown)
{
    lw_buf html;
    lw_error e;
    lw_code rc = lw_message_not_null(m, markdown, "markdown");

    if (rc < 0 || (rc = lw_message_text(m, markdown)) < 0)
        return rc;
    lw_buf_init(&html, &m->alloc, LW_MARKDOWN_MAX * 8);
    if ((rc = to_html(&html, markdown, &e)) < 0)
        (void)lw_message_keep(m, rc, &e);
    else
        rc = lw_message_html(m, lw_buf_cstr(&html));
    lw_buf_deinit(&html);
    return rc;
}
