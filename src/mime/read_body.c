/* SPDX-License-Identifier: MIT */
/*
 * mime/read_body.c - body lines: boundaries are found, all else is decoded
 *
 * [RFC2046 5.1.1] "The CRLF preceding the boundary delimiter line is conceptually attached to the
 * boundary": a line end is held back until the next line has shown that it is no delimiter,
 * and so is the beginning of a line while it may be one.
 */
#include "mime/read_int.h"

/* A line delimits if it is the boundary, "--" for the last time, and white space.  More than the
 * letter of RFC 2046 asks, as nearly all readers do: a boundary may begin with another one. */
size_t
lw_read_boundary(const lw_reader *r, lw_span line, bool *closes)
{
    if (line.len < 3 || line.ptr[0] != '-' || line.ptr[1] != '-')
        return 0;
    for (size_t k = r->n_boundaries == 0 ? 0 : r->n_frames; k > 0; k--) {
        const lw_frame *f = &r->frames[k - 1];
        lw_span rest = { line.ptr + 2 + f->boundary_len, line.len - 2 - f->boundary_len };
        if (f->boundary == NULL || line.len < 2 + f->boundary_len
            || memcmp(line.ptr + 2, f->boundary, f->boundary_len) != 0)
            continue;
        *closes = rest.len >= 2 && rest.ptr[0] == '-' && rest.ptr[1] == '-';
        if (*closes)
            rest = (lw_span){ rest.ptr + 2, rest.len - 2 };
        if (lw_span_trim(rest).len == 0)
            return k;
    }
    return 0;
}

/* the line end before a boundary is one even behind binary octets */
static void
count_held(lw_reader *r)
{
    lw_read_counts *c = &r->counts;

    if (!lw_read_is_binary(r) || r->eol_len == 0)
        return;
    if (r->eol_len == 2)
        c->n_crlf++;
    else if (r->eol[0] == '\n' && c->n_lf++ == 0)
        c->first_lf = r->line - 1;
    else if (r->eol[0] == '\r' && c->n_cr++ == 0)
        c->first_cr = r->line - 1;
}

static void
take_boundary(lw_reader *r, size_t frame, bool closes)
{
    lw_frame *f = &r->frames[frame - 1];

    count_held(r);
    r->n_to_close = r->n_frames - frame;
    r->begins_part = !closes;
    f->has_child = true;
    if (closes) {
        f->is_closed = true;
        lw_release(&r->alloc, f->boundary);
        f->boundary = NULL;
        r->n_boundaries--;
    }
    r->state = LW_READING_AROUND;
    r->eol_len = r->head_len = 0;
    r->line_len = 0;
}

/* octets before the first part or behind the last */
static void
take_around(lw_reader *r, lw_span s)
{
    const lw_frame *f = lw_read_top(r);

    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] != ' ' && s.ptr[i] != '\t') {
            lw_read_defect(r, f->is_closed ? LW_DEFECT_EPILOGUE : LW_DEFECT_PREAMBLE, r->line);
            return;
        }
}

static void
look_for_defects(lw_reader *r, lw_span s)
{
    const lw_frame *f = lw_read_top(r);

    if (!(f->defects >> LW_DEFECT_NUL & 1) && !lw_read_is_binary(r) && lw_span_find(s, '\0') < s.len)
        lw_read_defect(r, LW_DEFECT_NUL, r->line);
    if (!(f->defects >> LW_DEFECT_BODY_8BIT & 1) && f->part.encoding[0] == '7'
        && !lw_span_is_ascii(s))
        lw_read_defect(r, LW_DEFECT_BODY_8BIT, r->line);
}

static void
take_data(lw_reader *r, lw_span s)
{
    if (r->state == LW_READING_AROUND) {
        take_around(r, s);
        return;
    }
    look_for_defects(r, s);
    r->out_len += lw_decode(&r->decoder, s, r->out + r->out_len);
    if (r->decoder.is_bad)
        lw_read_defect(r, r->decoder.kind == LW_DECODING_QP ? LW_DEFECT_BAD_QP
                       : LW_DEFECT_BAD_BASE64, r->line);
}

/* the line is no delimiter: what was held back is data */
static void
give_back(lw_reader *r)
{
    lw_span eol = { r->eol, r->eol_len }, head = { r->line_head, r->head_len };

    if (r->state == LW_READING_BODY && eol.len > 0)
        r->out_len += lw_decode_eol(&r->decoder, eol, r->out + r->out_len);
    take_data(r, head);
    r->eol_len = r->head_len = 0;
    r->at_line_start = false;
}

/* the beginning of a line, while it may be a delimiter; true: nothing more to do with in */
static bool
take_head(lw_reader *r, lw_span *in)
{
    size_t frame;
    bool closes;

    for (; in->len > 0; in->ptr++, in->len--) {
        char c = in->ptr[0];
        if (c == '\r' || c == '\n') {
            frame = lw_read_boundary(r, (lw_span){ r->line_head, r->head_len }, &closes);
            if (frame == 0)
                return false;
            in->ptr++;
            in->len--;
            take_boundary(r, frame, closes);
            lw_read_line_end(r, c, LW_CR_DROP);
            return true;
        }
        if ((r->head_len < 2 && c != '-') || r->head_len == LW_DELIMITER_MAX)
            return false;
        r->line_head[r->head_len++] = c;
        r->line_len++;
    }
    return true;
}

static size_t
run_len(lw_span s, size_t most)
{
    size_t n = 0, end = s.len < most ? s.len : most;

    while (n < end && s.ptr[n] != '\n' && s.ptr[n] != '\r')
        n++;
    return n;
}

void
lw_read_body(lw_reader *r, lw_span *in)
{
    size_t n;

    if (r->out_len >= LW_READ_OUT - LW_READ_SLACK) {
        lw_read_event_of(r, LW_READ_BODY, lw_read_top(r));
        return;
    }
    if (r->at_line_start) {
        if (r->n_boundaries == 0 || !take_head(r, in))
            give_back(r);
        return;
    }
    n = run_len(*in, LW_READ_OUT - LW_READ_SLACK - r->out_len);
    if (n > 0) {
        take_data(r, (lw_span){ in->ptr, n });
        r->line_len += n;
    } else {
        r->eol[0] = in->ptr[n++];
        r->eol_len = 1;
        r->at_line_start = true;
        lw_read_line_end(r, r->eol[0], LW_CR_BODY);
    }
    *in = (lw_span){ in->ptr + n, in->len - n };
}

void
lw_read_body_eof(lw_reader *r)
{
    bool closes;
    size_t frame = lw_read_boundary(r, (lw_span){ r->line_head, r->head_len }, &closes);

    if (frame > 0)
        take_boundary(r, frame, closes);
    else if (r->at_line_start)
        give_back(r);
}
