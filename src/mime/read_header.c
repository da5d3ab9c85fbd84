/* SPDX-License-Identifier: MIT */
/*
 * mime/read_header.c - header lines become fields
 *
 * A field is complete when the line behind it has begun with something else than white space.
 * Invariant: field holds whole lines up to line_start, then the line that is being read.  A
 * line that is no field ends the header and is read again as the first line of the body.
 */
#include "mime/read_int.h"

static size_t
run_len(lw_span s)
{
    size_t n = 0;

    while (n < s.len && s.ptr[n] != '\n' && s.ptr[n] != '\r')
        n++;
    return n;
}

/* [RFC5322 2.2] "A field name MUST be composed of printable US-ASCII characters (i.e.,
 * characters that have values between 33 and 126, inclusive), except colon"; white space before
 * the colon is obsolete (4.5) and taken */
static bool
is_field(lw_span line)
{
    size_t colon = lw_span_find(line, ':');
    lw_span name = lw_span_trim((lw_span){ line.ptr, colon });

    if (colon == line.len || name.len == 0 || name.ptr != line.ptr)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] > '~')
            return false;
    return true;
}

/* [RFC5322 2.2.3] "Unfolding is accomplished by simply removing any CRLF that is immediately
 * followed by WSP." */
static lw_span
unfold(lw_reader *r, lw_span s)
{
    lw_buf_reset(&r->unfolded);
    while (s.len > 0) {
        size_t n = run_len(s);
        lw_buf_add(&r->unfolded, (lw_span){ s.ptr, n });
        n += n < s.len;
        s = (lw_span){ s.ptr + n, s.len - n };
    }
    if (lw_buf_finish(&r->unfolded) < 0)
        lw_reader_fail(r, lw_buf_finish(&r->unfolded), "out of memory");
    return lw_span_trim(lw_buf_span(&r->unfolded));
}

static lw_span
decode(lw_reader *r, lw_span raw)
{
    bool is_ascii = lw_span_is_ascii(raw), is_utf8 = true, is_good;

    for (size_t i = 0; i < raw.len; i++)
        if (((unsigned char)raw.ptr[i] < 0x20 && raw.ptr[i] != '\t') || raw.ptr[i] == 0x7f) {
            lw_read_defect(r, LW_DEFECT_HEADER_CTL, r->field_line);
            break;
        }
    lw_buf_reset(&r->decoded);
    is_good = lw_words_decode(&r->decoded, raw, &r->opts.charset, &is_utf8);
    if (lw_buf_finish(&r->decoded) < 0)
        lw_reader_fail(r, lw_buf_finish(&r->decoded), "out of memory");
    if (!is_ascii)
        lw_read_defect(r, LW_DEFECT_HEADER_8BIT, r->field_line);
    if (!is_utf8)
        lw_read_defect(r, LW_DEFECT_HEADER_NOT_UTF8, r->field_line);
    if (!is_good && is_utf8)
        lw_read_defect(r, LW_DEFECT_BAD_WORD, r->field_line);
    return lw_buf_span(&r->decoded);
}

static void
tell_field(lw_reader *r)
{
    lw_span octets = lw_buf_span(&r->field);
    size_t colon = lw_span_find(octets, ':');
    lw_span raw = unfold(r, (lw_span){ octets.ptr + colon + 1, octets.len - colon - 1 });

    r->field_told = r->has_group = true;
    r->event.name = lw_span_trim((lw_span){ octets.ptr, colon });
    lw_frame_field(r, r->event.name, raw);
    r->event.octets = octets;
    r->event.raw = raw;
    r->event.value = decode(r, raw);
    lw_read_event_of(r, LW_READ_FIELD, lw_read_top(r));
    r->event.line = r->field_line;
}

/* the header has ended, if it was one of a part */
static void
end_header(lw_reader *r)
{
    if (!r->is_groups) {
        lw_frame_content(r);
    } else if (r->has_group) {
        r->has_group = false;
        r->header_bytes = 0;
        lw_read_event_of(r, LW_READ_CONTENT, lw_read_top(r));
    }
}

/* the line is dropped, but for a defect */
static void
drop_line(lw_reader *r, lw_defect defect)
{
    lw_read_defect(r, defect, r->line);
    r->field.len = r->line_start;
}

/* the line begins the body */
static void
read_again(lw_reader *r, lw_span line)
{
    lw_read_defect(r, LW_DEFECT_NO_SEPARATOR, r->line);
    lw_buf_reset(&r->line_again);
    lw_buf_add(&r->line_again, line);
    if (lw_buf_finish(&r->line_again) < 0)
        lw_reader_fail(r, LW_ENOMEM, "out of memory");
    r->replay = lw_buf_span(&r->line_again);
    r->line_len = 0;
    end_header(r);
}

/* one line is complete, n_eol octets of its end are there */
static void
end_line(lw_reader *r, size_t n_eol)
{
    lw_span all = lw_buf_span(&r->field), whole, line;
    bool closes, is_first = r->line == lw_read_top(r)->line;

    whole = line = (lw_span){ all.ptr + r->line_start, all.len - r->line_start };
    line.len -= n_eol;
    if (line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t')) {
        if (r->line_start == 0)
            drop_line(r, LW_DEFECT_STRAY_FOLD);
    } else if (line.len == 0) {
        r->field.len = r->line_start;
    } else if (is_field(line)) {
        r->field_line = r->line;
    } else if (is_first && r->counts.n_parts == 1 && lw_span_starts_nocase(line, LW_LIT("From "))) {
        drop_line(r, LW_DEFECT_MBOX_FROM);
    } else if ((line.ptr[0] == ':' || r->is_groups) && lw_read_boundary(r, line, &closes) == 0) {
        drop_line(r, LW_DEFECT_BAD_FIELD);
    } else {
        read_again(r, whole);
        return;
    }
    if (n_eol > 0)
        lw_read_line_end(r, whole.ptr[whole.len - 1], r->field.len == r->line_start ? LW_CR_DROP
                                                                                   : LW_CR_FIELD);
    if (line.len == 0)
        end_header(r);
    r->line_start = r->field.len;
}

/* what the field was told with is gone; false: the field before this line must be told first */
static bool
begin_line(lw_reader *r, char c)
{
    if (r->field_told) {
        lw_buf_reset(&r->field);
        r->line_start = 0;
        r->field_told = false;
    }
    if (r->field.len == r->line_start && r->field.len > 0 && c != ' ' && c != '\t') {
        tell_field(r);
        return false;
    }
    return true;
}

void
lw_read_header(lw_reader *r, lw_span *in)
{
    size_t n = run_len(*in);
    bool has_end = n == 0;

    if (!begin_line(r, in->ptr[0]))
        return;
    n += has_end;
    if (n > r->opts.max_header_bytes - r->header_bytes) {
        lw_reader_fail(r, LW_ELIMIT, "a header is longer than allowed");
        return;
    }
    r->header_bytes += n;
    lw_buf_add(&r->field, (lw_span){ in->ptr, n });
    if (lw_buf_finish(&r->field) < 0) {
        lw_reader_fail(r, LW_ENOMEM, "out of memory");
        return;
    }
    *in = (lw_span){ in->ptr + n, in->len - n };
    r->line_len += n - has_end;
    if (has_end)
        end_line(r, 1);
}

void
lw_read_header_eof(lw_reader *r)
{
    if (!begin_line(r, '\0'))
        return;
    if (r->field.len > r->line_start)
        end_line(r, 0);
    else
        end_header(r);
}
