/* SPDX-License-Identifier: MIT */
/*
 * mime/flowed.c - text as format=flowed (RFC 3676): paragraphs that a reader may wrap anew
 *
 * A line that is too long is broken behind a space, which stays at its end and says that the
 * next line goes on.  Lines of the source that end with a space lose it, or they would flow.
 * Text without spaces (Chinese, URLs) is not broken.
 */
#include "mime/mime_int.h"

/* [RFC3676 4.2] "lines SHOULD be 78 characters or shorter, including any trailing white space and
 * also including any space added as part of stuffing" */
#define WIDTH 72

/* [RFC3676 4.4] "any unquoted lines which start with ">", and any lines which start with a space or
 * "From " MUST be space-stuffed."  A line of the source that starts with ">" is a quoted one. */
static void
stuff(lw_buf *out, lw_span line)
{
    if (line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '>'
                         || lw_span_starts_nocase(line, LW_LIT("From "))))
        lw_buf_add_char(out, ' ');
}

/* how many octets of s make the next line: up to and with the last space within WIDTH columns,
 * or the first one behind; all of it if there is none */
static size_t
break_at(lw_span s)
{
    size_t columns = 0, found = 0;

    for (size_t i = 0; i < s.len; i++) {
        columns += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
        if (columns > WIDTH && found > 0)
            return found;
        /* not inside a run of spaces: the next line would begin with one; and no line of "-- ",
         * which would end the text there and begin a signature */
        if (s.ptr[i] == ' ' && i + 1 < s.len && s.ptr[i + 1] != ' '
            && !lw_span_eq((lw_span){ s.ptr, i + 1 }, LW_LIT("-- ")))
            found = i + 1;
    }
    return columns > WIDTH && found > 0 ? found : s.len;
}

static void
flow_line(lw_buf *out, lw_span line)
{
    /* [RFC3676 4.3] "There is a long-standing convention in Usenet news which also commonly
     * appears in Internet mail of using "-- " as the separator line" */
    bool is_fixed = lw_span_eq(line, LW_LIT("-- ")) || (line.len > 0 && line.ptr[0] == '>');

    while (!is_fixed && line.len > 0 && line.ptr[line.len - 1] == ' ')
        line.len--;
    while (!is_fixed && line.len > WIDTH) {
        size_t n = break_at(line);
        if (n == line.len)
            break;
        stuff(out, line);
        lw_buf_add(out, (lw_span){ line.ptr, n });
        lw_buf_add(out, LW_LIT("\r\n"));
        line = (lw_span){ line.ptr + n, line.len - n };
    }
    if (!is_fixed)
        stuff(out, line);
    lw_buf_add(out, line);
    lw_buf_add(out, LW_LIT("\r\n"));
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
