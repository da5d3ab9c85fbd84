/* SPDX-License-Identifier: MIT */
/*
 * mime/read.c - the reader: octets in, events out
 *
 * One event waits at most; octets are taken only when none does.  What follows from octets that
 * were taken (defects, parts that end, a part that begins, a line to be read again) is done in
 * that order by advance() before more are taken.  Invariants: frames[0..n_frames) are the parts
 * that are open, n_to_close of them have ended; out has room for LW_READ_SLACK whenever body
 * octets are taken.  States: a header, a body, or around the parts of a multipart.
 */
#include "mime/read_int.h"

#define MAX_DEPTH 50
#define MAX_PARTS 100000
#define MAX_HEADER_BYTES ((size_t)2 << 20)

static_assert(LW_DEFECT_BAD_BASE64 + 1 == LW_N_DEFECTS, "each defect has a bit");

const char *
lw_defect_id(lw_defect defect)
{
    switch (defect) {
#define ID(name, id, text) case LW_DEFECT_##name: return id;
        LW_DEFECT_MAP(ID)
#undef ID
    }
    return "?";
}

const char *
lw_defect_text(lw_defect defect)
{
    switch (defect) {
#define TEXT(name, id, text) case LW_DEFECT_##name: return text;
        LW_DEFECT_MAP(TEXT)
#undef TEXT
    }
    return "?";
}

lw_code
lw_reader_fail(lw_reader *r, lw_code code, const char *why)
{
    if (r->error.code == LW_OK)
        lw_fail(&r->error, code, LW_STAGE_NONE, "line %llu: %s", (unsigned long long)r->line, why);
    return code;
}

void
lw_read_defect(lw_reader *r, lw_defect defect, uint64_t line)
{
    lw_frame *f = lw_read_top(r);
    uint32_t bit = UINT32_C(1) << defect;

    if (f->defects & bit)
        return;
    f->defects |= bit;
    r->new_defects |= bit;
    r->defect_lines[defect] = line;
}

void
lw_read_event_of(lw_reader *r, lw_read_kind kind, const lw_frame *f)
{
    r->has_event = true;
    r->event.kind = kind;
    r->event.part = &f->part;
    r->event.line = r->line;
    if (kind == LW_READ_BODY) {
        r->event.body = (lw_span){ r->out, r->out_len };
        r->out_told = true;
    }
}

/* [RFC2045 2.9] ""Binary data" refers to data where any sequence of octets whatsoever is
 * allowed."  So a CR or LF in it is no line end. */
bool
lw_read_is_binary(lw_reader *r)
{
    return r->state == LW_READING_BODY && r->n_frames > 0
        && lw_read_top(r)->part.encoding[0] == 'b' && lw_read_top(r)->part.encoding[1] == 'i';
}

static void
count_cr(lw_reader *r, int cr)
{
    if (cr == LW_CR_NONE || (cr == LW_CR_BODY && lw_read_is_binary(r)))
        return;
    if (r->counts.n_cr++ == 0)
        r->counts.first_cr = r->line - 1;
}

void
lw_read_line_end(lw_reader *r, char c, int cr)
{
    bool is_binary = cr == LW_CR_BODY && lw_read_is_binary(r);

    if (r->line_len > LW_LINE_MAX && !is_binary)
        lw_read_defect(r, cr == LW_CR_FIELD ? LW_DEFECT_LONG_HEADER_LINE : LW_DEFECT_LONG_LINE,
                       r->line);
    if (r->line_len > r->counts.longest_line)
        r->counts.longest_line = r->line_len;
    r->counts.lines++;
    if (c == '\n' && !is_binary && r->counts.n_lf++ == 0)
        r->counts.first_lf = r->line;
    if (c == '\r')
        r->cr = cr;
    r->line++;
    r->line_len = 0;
}

/* ---- what needs no octets -------------------------------------------------------------------- */

static void
tell_defect(lw_reader *r)
{
    int defect = __builtin_ctz(r->new_defects);

    r->new_defects &= r->new_defects - 1;
    lw_read_event_of(r, LW_READ_DEFECT, lw_read_top(r));
    r->event.defect = (lw_defect)defect;
    r->event.line = r->defect_lines[defect];
}

/* the innermost part has ended: its last octets, then its END, then it is gone (settle) */
static void
close_one(lw_reader *r)
{
    lw_frame *f = lw_read_top(r);

    if (r->out_len > 0) {
        lw_read_event_of(r, LW_READ_BODY, f);
    } else if (f->has_ended) {
        lw_read_event_of(r, LW_READ_END, f);
        r->end_told = true;
    } else {
        f->has_ended = true;
        if (f->boundary != NULL)
            lw_read_defect(r, f->has_child ? LW_DEFECT_NOT_CLOSED : LW_DEFECT_NO_PARTS, r->line);
        if (f->part.has_parts)
            return;
        r->out_len = lw_decode_end(&r->decoder, r->out);
        if (r->decoder.is_bad)
            lw_read_defect(r, r->decoder.kind == LW_DECODING_QP ? LW_DEFECT_BAD_QP
                           : LW_DEFECT_BAD_BASE64, r->line);
    }
}

/* the input has ended: one step towards the last END */
static void
end_step(lw_reader *r)
{
    r->cr = LW_CR_NONE;
    if (r->n_frames == 0) {
        r->is_done = true;
    } else if (r->state == LW_READING_HEADER && !(r->is_groups && r->field.len == 0 && !r->has_group)) {
        lw_read_header_eof(r);
    } else if (r->out_len > 0) {
        lw_read_event_of(r, LW_READ_BODY, lw_read_top(r));
    } else {
        if (r->line_len > LW_LINE_MAX && !lw_read_is_binary(r))
            lw_read_defect(r, LW_DEFECT_LONG_LINE, r->line);
        lw_read_body_eof(r);
        if (r->n_to_close == 0 && !r->begins_part)
            r->n_to_close = r->n_frames;
        r->counts.longest_line = r->line_len > r->counts.longest_line ? r->line_len
                                                                      : r->counts.longest_line;
    }
}

static void
take(lw_reader *r, lw_span *in)
{
    int cr = r->cr;

    r->cr = LW_CR_NONE;
    if (cr != LW_CR_NONE && in->ptr[0] == '\n') {
        r->counts.n_crlf += !(cr == LW_CR_BODY && lw_read_is_binary(r));
        if (cr == LW_CR_FIELD) {
            lw_buf_add_char(&r->field, '\n');
            r->line_start = r->field.len;
            r->header_bytes++;
            if (lw_buf_finish(&r->field) < 0)
                lw_reader_fail(r, LW_ENOMEM, "out of memory");
        } else if (cr == LW_CR_BODY && r->eol_len == 1) {
            r->eol[r->eol_len++] = '\n';
        }
        in->ptr++;
        in->len--;
        return;
    }
    count_cr(r, cr);
    if (r->state == LW_READING_HEADER)
        lw_read_header(r, in);
    else
        lw_read_body(r, in);
}

/* what the last event pointed to may go */
static void
settle(lw_reader *r)
{
    if (r->out_told)
        r->out_len = 0;
    if (r->end_told) {
        lw_frame_pop(r);
        r->n_to_close--;
    }
    r->out_told = r->end_told = false;
}

/* true: an event waits.  False: more octets are needed, or the reader has failed. */
static bool
advance(lw_reader *r)
{
    while (!r->has_event && r->error.code == LW_OK) {
        settle(r);
        if (r->new_defects != 0)
            tell_defect(r);
        else if (r->n_to_close > 0)
            close_one(r);
        else if (r->begins_part) {
            r->begins_part = false;
            lw_frame_push(r);
        } else if (r->replay.len > 0)
            take(r, &r->replay);
        else if (r->at_eof && !r->is_done)
            end_step(r);
        else
            break;
    }
    return r->has_event && r->error.code == LW_OK;
}

/* ---- the calls ---------------------------------------------------------------------------------- */

static lw_code
new_reader(const lw_reader_opts *opts, bool is_groups, lw_reader **out)
{
    const lw_alloc *alloc;
    lw_reader_opts o;
    lw_reader *r;

    if (out == NULL)
        return LW_EUSAGE;
    *out = NULL;
    if (lw_opts_copy(&o, sizeof o, opts) < 0 || o.max_depth > LW_DEPTH_MAX)
        return LW_EUSAGE;
    alloc = lw_alloc_or_default(o.alloc);
    if ((r = lw_zalloc(alloc, sizeof *r)) == NULL)
        return LW_ENOMEM;
    r->alloc = *alloc;
    r->opts = o;
    r->opts.max_depth = o.max_depth == 0 ? MAX_DEPTH : o.max_depth;
    r->opts.max_parts = o.max_parts == 0 ? MAX_PARTS : o.max_parts;
    r->opts.max_header_bytes = o.max_header_bytes == 0 ? MAX_HEADER_BYTES : o.max_header_bytes;
    r->is_groups = is_groups;
    r->begins_part = true;
    r->line = 1;
    lw_buf_init(&r->field, &r->alloc, r->opts.max_header_bytes + 1);
    lw_buf_init(&r->unfolded, &r->alloc, r->opts.max_header_bytes + 1);
    lw_buf_init(&r->line_again, &r->alloc, r->opts.max_header_bytes + 1);
    lw_buf_init(&r->decoded, &r->alloc, LW_READ_VALUE_MAX);
    r->frames = lw_zalloc_array(alloc, r->opts.max_depth + 2u, sizeof *r->frames);
    r->out = lw_malloc(alloc, LW_READ_OUT);
    if (r->frames == NULL || r->out == NULL) {
        lw_reader_free(r);
        return LW_ENOMEM;
    }
    *out = r;
    return LW_OK;
}

lw_code
lw_reader_new(const lw_reader_opts *opts, lw_reader **out)
{
    return new_reader(opts, false, out);
}

lw_code
lw_reader_new_groups(const lw_reader_opts *opts, lw_reader **out)
{
    return new_reader(opts, true, out);
}

void
lw_reader_free(lw_reader *r)
{
    lw_alloc alloc;

    if (r == NULL)
        return;
    alloc = r->alloc;
    while (r->n_frames > 0)
        lw_frame_pop(r);
    lw_buf_deinit(&r->field);
    lw_buf_deinit(&r->unfolded);
    lw_buf_deinit(&r->decoded);
    lw_buf_deinit(&r->line_again);
    lw_release(&alloc, r->frames);
    lw_release(&alloc, r->out);
    lw_release(&alloc, r);
}

lw_code
lw_reader_feed(lw_reader *r, const void *p, size_t n, size_t *used)
{
    lw_span in = { p, n };
    bool waits = false;

    if (used == NULL)
        return LW_EUSAGE;
    *used = 0;
    if (r == NULL || (p == NULL && n > 0) || r->at_eof)
        return LW_EUSAGE;
    while (in.len > 0 && !(waits = advance(r)) && r->error.code == LW_OK)
        take(r, &in);
    *used = n - in.len;
    r->counts.octets += *used;
    if (r->error.code != LW_OK)
        return r->error.code;
    return waits && in.len > 0 ? LW_AGAIN : LW_OK;
}

void
lw_reader_eof(lw_reader *r)
{
    if (r == NULL)
        return;
    count_cr(r, (int)r->cr);
    r->at_eof = true;
}

lw_code
lw_reader_next(lw_reader *r, lw_read_event *ev)
{
    if (r == NULL || ev == NULL)
        return LW_EUSAGE;
    if (!advance(r)) {
        if (r->error.code != LW_OK)
            return r->error.code;
        if (r->out_len == 0)
            return r->is_done ? LW_DONE : LW_AGAIN;
        lw_read_event_of(r, LW_READ_BODY, lw_read_top(r));
    }
    *ev = r->event;
    r->has_event = false;
    return LW_OK;
}

const lw_read_counts *
lw_reader_counts(const lw_reader *r)
{
    return r == NULL ? NULL : &r->counts;
}

const lw_error *
lw_reader_error(const lw_reader *r)
{
    return r == NULL ? &lw_error_of_null : &r->error;
}
