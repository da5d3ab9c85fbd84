/* SPDX-License-Identifier: MIT */
/*
 * mime/lint.c - the reader's events become findings
 *
 * The reader finds what is malformed; the other files look at what is well-formed and still held
 * against a message.  Messages inside the message are not looked into.
 */
#include "mime/lint_int.h"

#include <stdio.h>

#define MAX_FINDINGS 200
#define LARGE (UINT64_C(10) << 20)
#define TOO_LARGE (UINT64_C(25) << 20)
#define SENTENCE_MAX 512

static const struct {
    const char *name, *source;
    lw_lint_severity severity;
} kinds[] = {
#define KIND(name, id, severity, source) { id, source, LW_LINT_##severity },
    LW_LINT_MAP(KIND)
#undef KIND
};

const char *
lw_lint_severity_name(lw_lint_severity severity)
{
    switch (severity) {
    case LW_LINT_NOTE: return "note";
    case LW_LINT_WARNING: return "warning";
    case LW_LINT_ERROR: return "error";
    }
    return "?";
}

/* ---- findings --------------------------------------------------------------------------------- */

void
lw_lint_no_memory(lw_lint *l)
{
    if (l->failed == LW_OK)
        l->failed = LW_ENOMEM;
}

static void
keep(lw_lint *l, const lw_lint_finding *f, lw_span header, const char *sentence)
{
    void *items = l->findings;
    char *text = lw_arena_str(&l->arena, sentence), *name = NULL;

    if (header.len > 0)
        name = lw_arena_span(&l->arena, header);
    if (text == NULL || (header.len > 0 && name == NULL)
        || !lw_arena_grow(&l->arena, &items, l->n_findings, &l->cap_findings, sizeof *l->findings)) {
        lw_lint_no_memory(l);
        return;
    }
    l->findings = items;
    l->findings[l->n_findings] = *f;
    l->findings[l->n_findings].header = name;
    l->findings[l->n_findings++].text = text;
}

static void
add(lw_lint *l, lw_lint_finding f, lw_span header, const char *fmt, va_list ap)
{
    char raw[SENTENCE_MAX], sentence[SENTENCE_MAX];
    int n = vsnprintf(raw, sizeof raw, fmt, ap);

    f.severity = kinds[f.id].severity;
    f.name = kinds[f.id].name;
    f.source = kinds[f.id].source;
    if (f.id != LW_LINT_MORE) {
        l->n_by_severity[f.severity]++;
        if (l->n_findings >= l->opts.max_findings) {
            l->n_dropped++;
            return;
        }
    }
    n = n < 0 ? 0 : (size_t)n >= sizeof raw ? (int)sizeof raw - 1 : n;
    lw_print_safe(sentence, sizeof sentence, (lw_span){ raw, (size_t)n });
    keep(l, &f, header, sentence);
}

void
lw_lint_add(lw_lint *l, lw_lint_id id, lw_span header, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(l, (lw_lint_finding){ .id = id, .line = l->line, .part = l->part }, header, fmt, ap);
    va_end(ap);
}

void
lw_lint_add_whole(lw_lint *l, lw_lint_id id, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(l, (lw_lint_finding){ .id = id }, LW_NO_SPAN, fmt, ap);
    va_end(ap);
}

/* ---- defects that the reader found ---------------------------------------------------------------- */

/* what a defect is to receivers; MORE = said elsewhere */
static lw_lint_id
id_of(lw_defect defect)
{
    switch (defect) {
    case LW_DEFECT_MBOX_FROM:
    case LW_DEFECT_STRAY_FOLD:
    case LW_DEFECT_BAD_FIELD:
    case LW_DEFECT_NO_SEPARATOR: return LW_LINT_BAD_HEADER_LINE;
    case LW_DEFECT_HEADER_CTL: return LW_LINT_HEADER_CONTROL;
    case LW_DEFECT_HEADER_8BIT:
    case LW_DEFECT_HEADER_NOT_UTF8:
    case LW_DEFECT_BAD_WORD: return LW_LINT_MORE; /* lint_header.c: each field of its own */
    case LW_DEFECT_LONG_LINE:
    case LW_DEFECT_LONG_HEADER_LINE: return LW_LINT_LONG_LINE;
    case LW_DEFECT_NUL: return LW_LINT_NUL;
    case LW_DEFECT_BODY_8BIT: return LW_LINT_UNDECLARED_8BIT;
    case LW_DEFECT_BAD_TYPE: return LW_LINT_BAD_CONTENT_TYPE;
    case LW_DEFECT_BAD_ENCODING:
    case LW_DEFECT_ENCODED_MULTIPART:
    case LW_DEFECT_ENCODED_MESSAGE: return LW_LINT_BAD_ENCODING;
    case LW_DEFECT_NO_BOUNDARY:
    case LW_DEFECT_NO_PARTS:
    case LW_DEFECT_NOT_CLOSED: return LW_LINT_BAD_BOUNDARY;
    case LW_DEFECT_PREAMBLE:
    case LW_DEFECT_EPILOGUE: return LW_LINT_TEXT_OUTSIDE_PARTS;
    case LW_DEFECT_TOO_DEEP: return LW_LINT_DEEP_NESTING;
    case LW_DEFECT_BAD_QP:
    case LW_DEFECT_BAD_BASE64: return LW_LINT_BAD_ENCODED_BODY;
    }
    return LW_LINT_MORE;
}

/* the sentence of a defect, where the reader's own is not about receivers */
static const char *
sentence_of(lw_defect defect)
{
    switch ((int)defect) {
    case LW_DEFECT_LONG_LINE:
        return "a line of more than 998 octets: servers refuse or break it";
    case LW_DEFECT_LONG_HEADER_LINE:
        return "a header line of more than 998 octets: it must be folded";
    case LW_DEFECT_BODY_8BIT:
        return "octets above 127 in a body that is declared as 7bit, or not declared at all";
    case LW_DEFECT_NO_PARTS: return "the boundary of the multipart never comes: it is empty";
    case LW_DEFECT_NOT_CLOSED: return "the multipart is not closed: it ends without --boundary--";
    case LW_DEFECT_NO_BOUNDARY: return "the multipart has no boundary, or an unusable one";
    case LW_DEFECT_PREAMBLE: return "text before the first part: no reader shows it";
    case LW_DEFECT_EPILOGUE: return "text behind the last part: no reader shows it";
    case LW_DEFECT_NO_SEPARATOR:
        return "a line that is no header field, and no empty line before it: the header ends here";
    case LW_DEFECT_NUL: return "a NUL octet: most servers refuse it";
    }
    return lw_defect_text(defect);
}

static void
see_defect(lw_lint *l, const lw_read_event *ev)
{
    lw_lint_id id = id_of(ev->defect);

    if (id != LW_LINT_MORE)
        lw_lint_add(l, id, LW_NO_SPAN, "%s", sentence_of(ev->defect));
}

/* ---- the message as a whole ------------------------------------------------------------------------- */

static void
check_line_ends(lw_lint *l, const lw_read_counts *c)
{
    l->part = 0;
    l->line = c->first_cr;
    if (c->n_cr > 0)
        lw_lint_add(l, LW_LINT_BARE_CR, LW_NO_SPAN, "%llu line(s) end with a bare CR: readers "
                    "differ about where lines end", (unsigned long long)c->n_cr);
    l->line = c->first_lf;
    if (c->n_lf > 0 && c->n_crlf > 0)
        lw_lint_add(l, LW_LINT_BARE_LF, LW_NO_SPAN, "%llu line(s) end with a bare LF, others with "
                    "CRLF: readers differ about where lines end", (unsigned long long)c->n_lf);
    else if (c->n_lf > 0)
        lw_lint_add_whole(l, LW_LINT_LF_LINES, "all lines end with LF, as in a local file: whoever "
                          "sends it must make them CRLF");
}

static void
check_size(lw_lint *l, const lw_read_counts *c)
{
    uint64_t sent = c->octets + c->n_lf + c->n_cr; /* each gets its other half */
    double mib = (double)sent / 1048576;

    if (sent > l->opts.too_large_bytes)
        lw_lint_add_whole(l, LW_LINT_TOO_LARGE, "%.1f MiB as it is sent: most servers refuse that", mib);
    else if (sent > l->opts.large_bytes)
        lw_lint_add_whole(l, LW_LINT_LARGE, "%.1f MiB as it is sent: many servers refuse that", mib);
}

static void
check_whole(lw_lint *l)
{
    const lw_read_counts *c = lw_reader_counts(l->reader);

    lw_lint_bodies_end(l);
    check_line_ends(l, c);
    check_size(l, c);
    if (l->n_dropped > 0)
        lw_lint_add_whole(l, LW_LINT_MORE, "%zu more finding(s) are counted but not kept", l->n_dropped);
}

/* ---- the calls ---------------------------------------------------------------------------------------- */

static void
see(lw_lint *l, const lw_read_event *ev)
{
    l->line = ev->line;
    l->part = ev->part->number;
    switch (ev->kind) {
    case LW_READ_PART: break;
    case LW_READ_FIELD: lw_lint_field(l, ev); break;
    case LW_READ_CONTENT:
        if (ev->part->number == 0)
            lw_lint_header_end(l);
        l->line = ev->line; /* where the body begins */
        lw_lint_content(l, ev->part);
        break;
    case LW_READ_BODY: lw_lint_octets(l, ev->body); break;
    case LW_READ_END: lw_lint_part_end(l, ev->part); break;
    case LW_READ_DEFECT: see_defect(l, ev); break;
    }
}

static lw_code
take(lw_lint *l)
{
    lw_read_event ev;
    lw_code rc = LW_OK;

    while (l->failed == LW_OK && (rc = lw_reader_next(l->reader, &ev)) == LW_OK)
        see(l, &ev);
    if (rc < 0 && l->failed == LW_OK)
        l->failed = rc;
    return l->failed;
}

lw_code
lw_lint_new(const lw_lint_opts *opts, lw_lint **out)
{
    const lw_alloc *alloc;
    lw_lint_opts given;
    lw_reader_opts o;
    lw_lint *l;
    lw_code rc;

    if (out == NULL)
        return LW_EUSAGE;
    *out = NULL;
    if ((rc = lw_opts_copy(&given, sizeof given, opts)) < 0)
        return rc;
    alloc = lw_alloc_or_default(given.alloc);
    if ((l = lw_zalloc(alloc, sizeof *l)) == NULL)
        return LW_ENOMEM;
    l->alloc = *alloc;
    lw_arena_init(&l->arena, &l->alloc);
    l->opts = given;
    l->opts.max_findings = given.max_findings == 0 ? MAX_FINDINGS : given.max_findings;
    l->opts.large_bytes = given.large_bytes == 0 ? LARGE : given.large_bytes;
    l->opts.too_large_bytes = given.too_large_bytes == 0 ? TOO_LARGE : given.too_large_bytes;
    lw_reader_opts_init(&o);
    o.alloc = &l->alloc;
    if ((rc = lw_reader_new(&o, &l->reader)) < 0) {
        lw_lint_free(l);
        return rc;
    }
    *out = l;
    return LW_OK;
}

void
lw_lint_free(lw_lint *l)
{
    lw_alloc alloc;

    if (l == NULL)
        return;
    alloc = l->alloc;
    lw_reader_free(l->reader);
    lw_arena_deinit(&l->arena);
    lw_release(&alloc, l);
}

lw_code
lw_lint_feed(lw_lint *l, const void *p, size_t n)
{
    const char *at = p;
    size_t used;

    if (l == NULL || (p == NULL && n > 0))
        return LW_EUSAGE;
    while (n > 0 && l->failed == LW_OK) {
        lw_code rc = lw_reader_feed(l->reader, at, n, &used);
        at += used;
        n -= used;
        if (rc < 0)
            l->failed = rc;
        else
            take(l);
    }
    return l->failed;
}

lw_code
lw_lint_end(lw_lint *l)
{
    if (l == NULL)
        return LW_EUSAGE;
    if (l->failed < 0)
        return l->failed;
    lw_reader_eof(l->reader);
    if (take(l) == LW_OK)
        check_whole(l);
    return l->failed;
}

const lw_lint_finding *
lw_lint_finding_at(const lw_lint *l, size_t i)
{
    return l != NULL && i < l->n_findings ? &l->findings[i] : NULL;
}

size_t
lw_lint_count(const lw_lint *l, lw_lint_severity severity)
{
    return l == NULL || (size_t)severity >= LW_COUNT(l->n_by_severity) ? 0
                                                                  : l->n_by_severity[severity];
}
