/* SPDX-License-Identifier: MIT */
/*
 * mime/scan.c - one look at a ready message: can it be sent as it is, and how large is it?
 *
 * States: the header (kept, at most LW_MIME_VALUE_MAX octets), then the body (only counted).  A
 * message of any size and any line length takes bounded memory.  RFC 5322 2.1, 2.2.
 */
#include "mime/scan.h"

void
lw_scan_init(lw_scan *s, const lw_alloc *alloc, const char *label)
{
    *s = (lw_scan){ .in_header = true, .label = label, .line = 1 };
    lw_buf_init(&s->header, alloc, LW_MIME_VALUE_MAX);
}

void
lw_scan_deinit(lw_scan *s)
{
    lw_buf_deinit(&s->header);
}

/* [RFC5322 2.2] "Header fields are lines beginning with a field name, followed by a colon"; white
 * space before the colon is obsolete (4.5) and taken */
static bool
is_field(lw_span line)
{
    size_t colon = lw_span_find(line, ':');
    lw_span name = { line.ptr, colon };

    if (colon == line.len)
        return false;
    while (name.len > 0 && (name.ptr[name.len - 1] == ' ' || name.ptr[name.len - 1] == '\t'))
        name.len--;
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] > '~')
            return false;
    return name.len > 0;
}

static lw_code
check_header_line(const lw_scan *s, lw_span line, lw_error *err)
{
    bool folded = line.ptr[0] == ' ' || line.ptr[0] == '\t';

    if (s->line > 1 && (folded || is_field(line)))
        return LW_OK;
    if (s->line == 1 && !folded && is_field(line))
        return LW_OK;
    if (s->line == 1 && lw_span_starts_nocase(line, LW_LIT("From ")))
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE,
                       "%s begins with the \"From \" line of a mailbox file, not with a header: "
                       "remove that line", s->label);
    if (s->line == 1)
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE,
                       "%s has no header: line 1 \"%.*s\" is not of the form Name: value",
                       s->label, (int)(line.len < 60 ? line.len : 60), line.ptr);
    return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE,
                   "%s: line %llu \"%.*s\" is no header line, and no empty line ended the header "
                   "before it", s->label, (unsigned long long)s->line,
                   (int)(line.len < 60 ? line.len : 60), line.ptr);
}

/* what only a binary part may hold is no failure yet where there may be one */
static lw_code
put_off(lw_scan *s, lw_error *err)
{
    if (s->in_header || !s->may_be_binary)
        return err->code;
    if (s->illegal.code == LW_OK)
        s->illegal = *err;
    lw_error_clear(err);
    return LW_OK;
}

static lw_code
end_line(lw_scan *s, lw_error *err)
{
    lw_code rc;

    /* [RFC5321 4.5.3.1.6] "The maximum total length of a text line including the <CRLF> is 1000
     * octets" */
    if (s->line_len > LW_LINE_MAX) {
        lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE,
                "%s: line %llu is %llu octets long; SMTP allows %d", s->label,
                (unsigned long long)s->line, (unsigned long long)s->line_len, LW_LINE_MAX);
        if ((rc = put_off(s, err)) < 0)
            return rc;
    }
    if (s->in_header) {
        lw_span all = lw_buf_span(&s->header);
        lw_span line = { all.ptr + s->line_start, all.len - s->line_start };
        if (line.len > 0 && (rc = check_header_line(s, line, err)) < 0)
            return rc;
        s->in_header = line.len > 0;
        lw_buf_add(&s->header, LW_LIT("\r\n"));
        s->line_start = s->header.len;
    } else {
        s->body_out += s->line_len + 2;
    }
    s->line++;
    s->line_len = 0;
    return LW_OK;
}

#define NO_MATCH SIZE_MAX

/* A line that begins with "Content-Transfer-Encoding: bi", or with a comment there, may declare a
 * binary part: then all of it is worth a reading.  The value may stand behind a fold. */
static void
look_for_binary(lw_scan *s, lw_span run)
{
    static const char field[] = "content-transfer-encoding:b";
    const size_t colon = sizeof field - 3;
    bool is_wsp = run.ptr[0] == ' ' || run.ptr[0] == '\t';

    if (s->line_len == 0 && !(is_wsp && s->matched != NO_MATCH && s->matched > colon))
        s->matched = 0;
    for (size_t i = 0; i < run.len && s->matched != NO_MATCH; i++) {
        char c = lw_lower(run.ptr[i]);
        if ((c == ' ' || c == '\t') && s->matched >= colon)
            continue;
        if (s->matched > colon && (c == '(' || (s->matched == colon + 2 && c == 'i')))
            s->may_be_binary = true;
        s->matched = s->matched < sizeof field - 1 && c == field[s->matched] ? s->matched + 1 : NO_MATCH;
    }
}

/* octets of one line */
static lw_code
take_run(lw_scan *s, lw_span run, lw_error *err)
{
    bool was_short = s->line_len <= LW_LINE_MAX;
    size_t nul = lw_span_find(run, '\0');

    look_for_binary(s, run);
    /* only BINARYMIME (RFC 3030) can carry it */
    if (nul < run.len) {
        lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE,
                "%s: a NUL octet in line %llu, column %llu; mail cannot carry it",
                s->label, (unsigned long long)s->line,
                (unsigned long long)(s->line_len + nul + 1));
        if (put_off(s, err) < 0)
            return LW_EMESSAGE;
    }
    s->line_len += run.len;
    if (!s->has_8bit_body && !s->in_header)
        s->has_8bit_body = !lw_span_is_ascii(run);
    if (!s->in_header || !was_short)
        return LW_OK;
    lw_buf_add(&s->header, run.len > LW_LINE_MAX + 1 ? (lw_span){ run.ptr, LW_LINE_MAX + 1 } : run);
    if (lw_buf_finish(&s->header) == LW_ELIMIT)
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE,
                       "%s: the header is longer than %zu octets", s->label, LW_MIME_VALUE_MAX);
    return lw_buf_finish(&s->header) < 0
        ? lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "%s: out of memory", s->label) : LW_OK;
}

/* the next octet ends a line in another way than the CRLF of mail, or the CR before it did */
static void
count_bare(lw_scan *s, char c)
{
    bool is_crlf = c == '\n' && s->after_cr;
    bool is_bare = (s->after_cr && c != '\n') || (c == '\n' && !s->after_cr);

    s->n_bare += is_bare;
    s->has_bare_header = s->has_bare_header
        || (is_bare && (s->in_header || s->total == s->header_in));
    s->ends_crlf = is_crlf;
}

lw_code
lw_scan_feed(lw_scan *s, lw_span in, lw_error *err)
{
    lw_code rc;

    while (in.len > 0) {
        char c = in.ptr[0];
        size_t n = 1;
        bool was_header = s->in_header;
        count_bare(s, c);
        if (c == '\n' && s->after_cr) {
            s->after_cr = false;
        } else if (c == '\r' || c == '\n') {
            if ((rc = end_line(s, err)) < 0)
                return rc;
            s->after_cr = c == '\r';
        } else {
            n = lw_lines_run(in);
            if ((rc = take_run(s, (lw_span){ in.ptr, n }, err)) < 0)
                return rc;
            s->after_cr = false;
        }
        s->total += n;
        if (was_header) {
            s->header_in = s->total;
            s->body_after_cr = s->after_cr;
        }
        in = (lw_span){ in.ptr + n, in.len - n };
    }
    return LW_OK;
}

lw_code
lw_scan_end(lw_scan *s, lw_error *err)
{
    lw_code rc;

    if (s->total == 0)
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "%s is empty", s->label);
    if (s->after_cr)
        count_bare(s, '\0'); /* a CR that ends it has no LF either */
    if (s->line_len > 0 && (rc = end_line(s, err)) < 0)
        return rc;
    if (s->header.len <= 2)
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE,
                       "%s has no header: it begins with an empty line", s->label);
    return lw_buf_finish(&s->header) < 0
        ? lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "%s: out of memory", s->label) : LW_OK;
}

bool
lw_scan_field(lw_span *rest, lw_scan_line *field)
{
    size_t end = 0, colon;

    if (rest->len <= 2)
        return false;
    do {
        end += lw_span_find((lw_span){ rest->ptr + end, rest->len - end }, '\n');
        end += end < rest->len;
    } while (end < rest->len && (rest->ptr[end] == ' ' || rest->ptr[end] == '\t'));
    field->whole = (lw_span){ rest->ptr, end };
    colon = lw_span_find(field->whole, ':');
    field->name = lw_span_trim((lw_span){ rest->ptr, colon });
    field->value = colon == end ? LW_NO_SPAN : (lw_span){ rest->ptr + colon + 1, end - colon - 1 };
    *rest = (lw_span){ rest->ptr + end, rest->len - end };
    return true;
}

lw_code
lw_scan_read(const lw_alloc *alloc, const lw_content *c,
             lw_code (*take)(void *ctx, lw_span piece, lw_error *err), void *ctx, lw_error *err)
{
    const char *label = c->label != NULL ? c->label : "the message";
    uint64_t size;
    size_t n = 1;
    lw_code rc;
    char *buf;

    if (!c->has_source)
        return take(ctx, c->memory, err);
    if ((rc = lw_content_open(c, &size, err)) < 0)
        return rc;
    if ((buf = lw_malloc(alloc, LW_IN_MAX)) == NULL)
        rc = lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "%s: out of memory", label);
    while (rc >= 0 && n > 0) {
        if ((rc = c->source.read(c->source.ctx, buf, LW_IN_MAX, &n, err)) < 0 && err->code == LW_OK)
            lw_fail(err, rc, LW_STAGE_COMPOSE, "%s: cannot be read", label);
        if (rc >= 0 && n > 0)
            rc = take(ctx, (lw_span){ buf, n }, err);
    }
    c->source.close(c->source.ctx);
    lw_release(alloc, buf);
    return rc;
}

static lw_code
feed_piece(void *ctx, lw_span piece, lw_error *err)
{
    return lw_scan_feed(ctx, piece, err);
}

lw_code
lw_scan_content(lw_scan *s, const lw_content *c, lw_error *err)
{
    lw_code rc = lw_scan_read(s->header.alloc, c, feed_piece, s, err);

    return rc < 0 ? rc : lw_scan_end(s, err);
}
