/* SPDX-License-Identifier: MIT */
/*
 * cli/sendmail_lines.c - lines of the body that are too long for SMTP are broken
 *
 * Programs that call sendmail(8) write HTML with a line of any length, and Sendmail and Postfix
 * have always broken it: a line end and a space go in, before the 998 octets of RFC 5322 2.1.1
 * are full.  The break stands behind the last "> " or " " that fits, or else between characters.
 * Only the line under way is kept.
 */
#include "cli/sendmail.h"

#include <string.h>

#define LINE_MAX_OCTETS 998

static const char line_break[] = "\r\n ";

/* where the line is broken best: behind a space or a tag, never inside a UTF-8 character */
static size_t
find_break(const char *line, size_t len)
{
    size_t at = len;

    while (at > len / 2 && line[at - 1] != ' ' && line[at - 1] != '>')
        at--;
    if (at > len / 2)
        return at;
    for (at = len; at > len - 3 && ((unsigned char) line[at] & 0xc0) == 0x80;)
        at--;
    return at;
}

static int
break_line(sendmail_lines *l, sendmail_spool *spool)
{
    size_t at = find_break(l->line, l->len - 1);
    int rc = sendmail_spool_add(spool, (lw_span){ l->line, at });

    if (rc == CLI_GO_ON)
        rc = sendmail_spool_add(spool, (lw_span){ line_break, 2 });
    l->line[0] = ' '; /* the line that follows begins with it */
    memmove(l->line + 1, l->line + at, l->len - at);
    l->len = l->len - at + 1;
    return rc;
}

static int
end_line(sendmail_lines *l, sendmail_spool *spool)
{
    int rc = sendmail_spool_add(spool, (lw_span){ l->line, l->len });

    l->len = 0;
    return rc;
}

int
sendmail_lines_add(sendmail_lines *l, sendmail_spool *spool, lw_span octets)
{
    int rc = CLI_GO_ON;

    for (size_t i = 0; i < octets.len && rc == CLI_GO_ON; i++) {
        char c = octets.ptr[i];

        if (c != '\n' && c != '\r' && l->len == LINE_MAX_OCTETS) {
            l->line[l->len++] = c; /* what is behind the break tells whether it may stand there */
            rc = break_line(l, spool);
            continue;
        }
        l->line[l->len++] = c;
        if (c == '\n' || c == '\r')
            rc = end_line(l, spool);
    }
    return rc;
}

int
sendmail_lines_end(sendmail_lines *l, sendmail_spool *spool)
{
    return end_line(l, spool);
}
