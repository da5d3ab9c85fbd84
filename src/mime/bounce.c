/* SPDX-License-Identifier: MIT */
/*
 * mime/bounce.c - a report found in a message
 *
 * The outer reader finds the parts; the octets of the machine-readable one and of the returned
 * header go, decoded, to an inner reader of their own.  RFC 6522 (multipart/report), 3464, 6533,
 * 8098, 5965.
 */
#include "mime/bounce_int.h"

#define MAX_RCPTS 10000
#define MAX_BYTES ((size_t)8 << 20)

const char *
lw_bounce_kind_name(lw_bounce_kind kind)
{
    switch (kind) {
#define NAME(name, text) case LW_BOUNCE_##name: return text;
        LW_BOUNCE_KIND_MAP(NAME)
#undef NAME
    }
    return "?";
}

const char *
lw_bounce_action_name(lw_bounce_action action)
{
    switch (action) {
#define NAME(name, text) case LW_BOUNCE_ACTION_##name: return text;
        LW_BOUNCE_ACTION_MAP(NAME)
#undef NAME
    }
    return "?";
}

static void
fail(lw_bounce *b, lw_code rc)
{
    if (rc < 0 && b->failed == LW_OK)
        b->failed = rc;
}

void
lw_bounce_keep(lw_bounce *b, const char **slot, lw_span s)
{
    if (*slot != NULL || b->failed < 0)
        return;
    if (s.len > b->opts.max_bytes - b->n_bytes) {
        fail(b, LW_ELIMIT);
        return;
    }
    if ((*slot = lw_arena_span(&b->arena, s)) == NULL)
        fail(b, LW_ENOMEM);
    else
        b->n_bytes += s.len;
}

/* ---- which part is what ------------------------------------------------------------------------ */

static lw_bounce_kind
kind_of(const char *type, bool *is_utf8)
{
    static const struct {
        const char *type;
        lw_bounce_kind kind;
        bool is_utf8;
    } kinds[] = {
        { "message/delivery-status", LW_BOUNCE_DELIVERY, false },
        { "message/global-delivery-status", LW_BOUNCE_DELIVERY, true },
        { "message/disposition-notification", LW_BOUNCE_DISPOSITION, false },
        { "message/global-disposition-notification", LW_BOUNCE_DISPOSITION, true },
        { "message/feedback-report", LW_BOUNCE_FEEDBACK, false },
    };

    for (size_t i = 0; i < LW_COUNT(kinds); i++)
        if (strcmp(type, kinds[i].type) == 0) {
            *is_utf8 = kinds[i].is_utf8;
            return kinds[i].kind;
        }
    return LW_BOUNCE_NONE;
}

static bool
is_original(const char *type)
{
    static const char *const types[] = { "message/rfc822", "message/global", "text/rfc822-headers",
                                         "message/global-headers", "text/rfc822-header",
                                         "message/rfc822-headers" };

    for (size_t i = 0; i < LW_COUNT(types); i++)
        if (strcmp(type, types[i]) == 0)
            return true;
    return false;
}

static void
open_inner(lw_bounce *b, lw_bounce_place place)
{
    lw_reader_opts o;

    lw_reader_opts_init(&o);
    o.alloc = &b->alloc;
    o.is_flat = true;
    o.charset = b->opts.charset;
    b->place = place;
    fail(b, place == LW_IN_STATUS ? lw_reader_new_groups(&o, &b->inner)
         : lw_reader_new(&o, &b->inner));
}

static void
see_part(lw_bounce *b, const lw_read_part *part)
{
    bool is_utf8 = false;
    lw_bounce_kind kind = kind_of(part->type, &is_utf8);

    if (part->has_parts)
        return;
    if (kind != LW_BOUNCE_NONE && !b->has_status) {
        b->has_status = true;
        b->report.kind = kind;
        b->report.is_utf8 = is_utf8;
        open_inner(b, LW_IN_STATUS);
    } else if (is_original(part->type) && !b->has_original) {
        b->has_original = true;
        open_inner(b, LW_IN_ORIGINAL);
    }
}

static void
take_inner(lw_bounce *b)
{
    lw_read_event ev;
    lw_code rc = LW_OK;

    while (b->failed == LW_OK && (rc = lw_reader_next(b->inner, &ev)) == LW_OK) {
        if (ev.kind == LW_READ_CONTENT && b->place == LW_IN_STATUS)
            b->in_rcpt = false;
        if (ev.kind == LW_READ_CONTENT && b->place == LW_IN_ORIGINAL)
            b->place = LW_IN_NOTHING; /* its body is of no interest */
        if (ev.kind == LW_READ_FIELD && b->place == LW_IN_STATUS)
            lw_bounce_field(b, &ev);
        if (ev.kind == LW_READ_FIELD && b->place == LW_IN_ORIGINAL)
            lw_bounce_original(b, &ev);
    }
    fail(b, rc);
}

static void
feed_inner(lw_bounce *b, lw_span s)
{
    size_t used;

    while (b->place != LW_IN_NOTHING && s.len > 0 && b->failed == LW_OK) {
        fail(b, lw_reader_feed(b->inner, s.ptr, s.len, &used));
        s = (lw_span){ s.ptr + used, s.len - used };
        take_inner(b);
    }
}

static void
close_inner(lw_bounce *b)
{
    if (b->inner == NULL)
        return;
    lw_reader_eof(b->inner);
    take_inner(b);
    lw_reader_free(b->inner);
    b->inner = NULL;
    b->place = LW_IN_NOTHING;
}

static lw_code
take_outer(lw_bounce *b)
{
    lw_read_event ev;
    lw_code rc = LW_OK;

    while (b->failed == LW_OK && (rc = lw_reader_next(b->outer, &ev)) == LW_OK) {
        if (ev.kind == LW_READ_CONTENT)
            see_part(b, ev.part);
        else if (ev.kind == LW_READ_BODY && b->inner != NULL)
            feed_inner(b, ev.body);
        else if (ev.kind == LW_READ_END)
            close_inner(b);
        else if (ev.kind == LW_READ_FIELD && ev.part->number == 0
                 && lw_span_eq_nocase(ev.name, LW_LIT("Subject")))
            lw_bounce_keep(b, &b->report.reporter_subject, ev.value);
    }
    fail(b, rc);
    return b->failed;
}

/* ---- the calls ------------------------------------------------------------------------------------- */

lw_code
lw_bounce_new(const lw_bounce_opts *opts, lw_bounce **out)
{
    const lw_alloc *alloc;
    lw_bounce_opts given;
    lw_reader_opts o;
    lw_bounce *b;
    lw_code rc;

    if (out == NULL)
        return LW_EUSAGE;
    *out = NULL;
    if ((rc = lw_opts_copy(&given, sizeof given, opts)) < 0)
        return rc;
    alloc = lw_alloc_or_default(given.alloc);
    if ((b = lw_zalloc(alloc, sizeof *b)) == NULL)
        return LW_ENOMEM;
    b->alloc = *alloc;
    lw_arena_init(&b->arena, &b->alloc);
    b->opts = given;
    b->opts.max_rcpts = given.max_rcpts == 0 ? MAX_RCPTS : given.max_rcpts;
    b->opts.max_bytes = given.max_bytes == 0 ? MAX_BYTES : given.max_bytes;
    lw_reader_opts_init(&o);
    o.alloc = &b->alloc;
    o.charset = given.charset;
    if ((rc = lw_reader_new(&o, &b->outer)) < 0) {
        lw_bounce_free(b);
        return rc;
    }
    *out = b;
    return LW_OK;
}

void
lw_bounce_free(lw_bounce *b)
{
    lw_alloc alloc;

    if (b == NULL)
        return;
    alloc = b->alloc;
    lw_reader_free(b->outer);
    lw_reader_free(b->inner);
    lw_arena_deinit(&b->arena);
    lw_release(&alloc, b);
}

lw_code
lw_bounce_feed(lw_bounce *b, const void *p, size_t n)
{
    const char *at = p;
    size_t used;

    if (b == NULL || (p == NULL && n > 0))
        return LW_EUSAGE;
    while (n > 0 && b->failed == LW_OK) {
        fail(b, lw_reader_feed(b->outer, at, n, &used));
        at += used;
        n -= used;
        if (b->failed == LW_OK)
            take_outer(b);
    }
    return b->failed;
}

lw_code
lw_bounce_end(lw_bounce *b, const lw_bounce_report **report)
{
    if (report == NULL)
        return LW_EUSAGE;
    *report = NULL;
    if (b == NULL)
        return LW_EUSAGE;
    if (b->failed < 0)
        return b->failed;
    lw_reader_eof(b->outer);
    if (take_outer(b) < 0)
        return b->failed;
    if (!b->has_status)
        return LW_EMESSAGE;
    *report = &b->report;
    return LW_OK;
}
