/* SPDX-License-Identifier: MIT */
/*
 * mime/flowed.c - text as format=flowed (RFC 3676): paragraphs that a reader may wrap anew
 *
 * A line that is too long is broken behind a space, which stays at its end and says that the
 * next line goes on.  Lines of the source that end with a space lose it, or they would flow.  A
 * quoted line that is broken goes on with the same quotes.  Text without spaces (Chinese, URLs) is not broken.
 */
#include "mime/mime_int.h"

/* [RFC3676 4.2] "lines SHOULD be 78 characters or shorter, including any trailing white space and
 * also including any space added as part of stuffing" */
#define WIDTH 72

/* The narrowest that many quotes make it. */
#define NARROW 20

/* [RFC3676 4.4] "any unquoted lines which start with ">", and any lines which start with a space or
 * "From " MUST be space-stuffed."  A line of the source that starts with ">" is a quoted one. */
static void
stuff(lw_buf *out, lw_span line)
{
    if (line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '>'
                         || lw_span_starts_nocase(line, LW_LIT("From "))))
        lw_buf_add_char(out, ' ');
}

/* how many octets of s make the next line: up to and with the last space within width columns,
 * or the first one behind; all of it if there is none */
static size_t
break_at(lw_span s, size_t width)
{
    size_t columns = 0, found = 0;

    for (size_t i = 0; i < s.len; i++) {
        columns += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
        if (columns > width && found > 0)
            return found;
        /* not inside a run of spaces: the next line would begin with one; and no line of "-- ",
         * which would end the text there and begin a signature */
        if (s.ptr[i] == ' ' && i + 1 < s.len && s.ptr[i + 1] != ' '
            && !lw_span_eq((lw_span){ s.ptr, i + 1 }, LW_LIT("-- ")))
            found = i + 1;
    }
    return columns > width && found > 0 ? found : s.len;
}

/* [RFC3676 4.3] "There is a long-standing convention in Usenet news which also commonly appears in
 * Internet mail of using "-- " as the separator line": it keeps its space, behind quotes too */
static lw_span
without_end(lw_span text)
{
    while (!lw_span_eq(text, LW_LIT("-- ")) && text.len > 0 && text.ptr[text.len - 1] == ' ')
        text.len--;
    return text;
}

static void
begin_line(lw_buf *out, lw_span quotes, bool has_space, lw_span text)
{
    lw_buf_add(out, quotes);
    if (quotes.len == 0)
        stuff(out, text);
    else if (has_space && text.len > 0)
        lw_buf_add_char(out, ' ');
}

static void
flow_line(lw_buf *out, lw_span line)
{
    lw_span quotes = { line.ptr, 0 }, text;
    size_t width, n;
    bool has_space;

    while (quotes.len < line.len && line.ptr[quotes.len] == '>')
        quotes.len++;
    has_space = quotes.len > 0 && quotes.len < line.len && line.ptr[quotes.len] == ' ';
    n = quotes.len + has_space;
    text = without_end((lw_span){ line.ptr + n, line.len - n });
    width = n + NARROW < WIDTH ? WIDTH - n : NARROW;
    do {
        n = text.len > width ? break_at(text, width) : text.len;
        begin_line(out, quotes, has_space, text);
        lw_buf_add(out, (lw_span){ text.ptr, n });
        lw_buf_add(out, LW_LIT("\r\n"));
        text = (lw_span){ text.ptr + n, text.len - n };
        has_space = true;
    } while (text.len > 0);
}

void
lw_text_flow(lw_buf *out, lw_span text)
{
    while (text.len > 0) {
        size_t n = lw_span_find(text, '\n'), end = n;
        if (end > 0 && text.ptr[end - 1] == '\r')
            end--;
        flow_line(out, (lw_span){ text.ptr, end });
        n += n < text.len;
        text = (lw_span){ text.ptr + n, text.len - n };
    }
}
