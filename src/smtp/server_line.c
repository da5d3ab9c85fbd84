/* SPDX-License-Identifier: MIT */
/*
 * smtp/server_line.c - octets to command lines
 *
 * A line ends with CRLF and nothing else.  A bare LF is answered with 500 as soon as it is
 * seen, and everything up to the next CRLF belongs to that one broken line: a client that was
 * tricked into sending LF inside an argument gets one reply to what it takes for one command.
 * A line that is too long is skipped to its CRLF and answered there.  Lines that are whole
 * in the input are parsed in place.
 */
#include "smtp/server_int.h"

static size_t
line_max(const lw_smtp_server *e)
{
    return e->state == LW_SERVER_S_AUTH ? LW_SERVER_AUTH_MAX + 2 : e->o.max_line_bytes;
}

/* Whatever ends a login exchange early. */
static void
end_auth(lw_smtp_server *e)
{
    if (e->state == LW_SERVER_S_AUTH)
        lw_server_set_state(e, LW_SERVER_S_READY);
}

static void
line_is_too_long(lw_smtp_server *e)
{
    /* [RFC4954 4] "return an enhanced status code of 5.5.6 in this case." */
    static const lw_refusal exchange = { 500, "5.5.6", "Authentication exchange line too long" };
    static const lw_refusal command = { 500, "5.5.2", "Line too long" };
    bool is_auth = e->state == LW_SERVER_S_AUTH;

    end_auth(e);
    lw_server_refuse(e, is_auth ? &exchange : &command);
}

static void
line_is_broken(lw_smtp_server *e)
{
    static const lw_refusal bare = { 500, "5.5.2", "Lines end with CR LF, not with LF alone" };

    end_auth(e);
    lw_server_refuse(e, &bare);
}

/* Looks for the CRLF that ends a line which is not wanted. */
static size_t
skip_line(lw_smtp_server *e, const char *p, size_t n)
{
    size_t i = 0;

    while (i < n) {
        const char *lf = memchr(p + i, '\n', n - i);
        size_t at;

        if (lf == NULL)
            break;
        at = (size_t)(lf - p);
        if (at > 0 ? p[at - 1] == '\r' : e->skip_after_cr) {
            if (e->skip == LW_SKIP_TOO_LONG)
                line_is_too_long(e);
            e->skip = LW_SKIP_NONE;
            return at + 1;
        }
        i = at + 1;
    }
    e->skip_after_cr = p[n - 1] == '\r';
    return n;
}

static void
begin_skip(lw_smtp_server *e, lw_line_skip why)
{
    e->skip = why;
    e->skip_after_cr = why == LW_SKIP_TOO_LONG && e->line_len > 0 &&
                       e->line[e->line_len - 1] == '\r';
    lw_wipe(e->line, e->line_len);
    e->line_len = 0;
    if (why == LW_SKIP_BARE_LF)
        line_is_broken(e);
}

/* A whole line without its CRLF. */
static void
take_whole(lw_smtp_server *e, lw_span line)
{
    e->armed_ms = e->now_ms;
    if (e->state == LW_SERVER_S_AUTH)
        lw_server_auth_line(e, line);
    else
        lw_server_command(e, line);
}

size_t
lw_server_take_line(lw_smtp_server *e, const char *p, size_t n)
{
    const char *lf;
    size_t take;
    lw_span line;

    if (e->skip != LW_SKIP_NONE)
        return skip_line(e, p, n);
    lf = memchr(p, '\n', n);
    take = lf != NULL ? (size_t)(lf - p) + 1 : n;
    if (take > line_max(e) - e->line_len) {
        begin_skip(e, LW_SKIP_TOO_LONG);
        return 0;
    }
    if (lf != NULL && e->line_len == 0) {
        line = (lw_span){ p, take };
    } else {
        memcpy(e->line + e->line_len, p, take);
        e->line_len += take;
        if (lf == NULL)
            return take;
        line = (lw_span){ e->line, e->line_len };
    }
    if (line.len < 2 || line.ptr[line.len - 2] != '\r') {
        begin_skip(e, LW_SKIP_BARE_LF);
        return take;
    }
    e->line_len = 0;
    line.len -= 2;
    take_whole(e, line);
    return take;
}
