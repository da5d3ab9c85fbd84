/* SPDX-License-Identifier: MIT */
/*
 * mime/lines.c - line ends of any kind become CRLF, whatever the split
 *
 * [RFC5321 2.3.8] "Conforming implementations MUST NOT recognize or generate any other character
 * or character sequence as a line terminator."  So a bare CR and a bare LF become CRLF here, and
 * no peer can see an end of data that we did not mean.
 */
#include "mime/mime_int.h"

/* A bounded look: where each line ends with CR alone, one for LF would see all the rest, a line
 * after a line. */
#define LOOK 1024

size_t
lw_lines_run(lw_span s)
{
    size_t n = lw_span_find((lw_span){ s.ptr, s.len < LOOK ? s.len : LOOK }, '\n');

    return lw_span_find((lw_span){ s.ptr, n }, '\r');
}

bool
lw_lines_encode(lw_lines *l, lw_span *src, bool at_end, char **dst, const char *dst_end)
{
    while (src->len > 0) {
        char c = src->ptr[0];
        size_t room = (size_t)(dst_end - *dst), n = 1;
        if (c == '\n' && l->after_cr) {
            l->after_cr = false;
        } else if (room < 2) {
            return false;
        } else if (c == '\r' || c == '\n') {
            memcpy(*dst, "\r\n", 2);
            *dst += 2;
            *l = (lw_lines){ .after_cr = c == '\r', .in_line = false };
        } else {
            n = lw_lines_run((lw_span){ src->ptr, src->len < room ? src->len : room });
            memcpy(*dst, src->ptr, n);
            *dst += n;
            *l = (lw_lines){ .after_cr = false, .in_line = true };
        }
        *src = (lw_span){ src->ptr + n, src->len - n };
    }
    if (!at_end || !l->in_line)
        return true;
    if (dst_end - *dst < 2)
        return false;
    memcpy(*dst, "\r\n", 2);
    *dst += 2;
    l->in_line = false;
    return true;
}
