/* SPDX-License-Identifier: MIT */
/*
 * smtp/pump.c - a body on its way out: line ends made CRLF, dots stuffed, nothing copied
 *
 * CR, LF and CRLF each end a line and leave as CRLF, at any split of the input:
 * [RFC5321 2.3.8] "Conforming implementations MUST NOT recognize or generate any other
 * character or character sequence" as a line terminator; so no body can smuggle a second end
 * of data past a server that takes a bare LF for one.
 */
#include "smtp/pump.h"

void
lw_pump_init(lw_pump *p, lw_body *body, bool stuff, bool keep)
{
    *p = (lw_pump){ .body = body, .stuff = stuff, .keep = keep, .at_bol = true };
}

lw_code
lw_pump_pull(lw_pump *p)
{
    lw_assert(p->rest.len == 0);
    for (int tries = 0; tries < 16; tries++) {
        lw_span s = LW_NO_SPAN;
        lw_code rc = p->body->next(p->body->ctx, &s);
        if (rc < 0)
            return rc;
        if (rc == LW_OK && s.len == 0)
            continue;
        if (rc != LW_OK && rc != LW_DONE)
            return LW_ESOURCE;
        p->rest = s;
        p->is_last = rc == LW_DONE;
        return LW_OK;
    }
    return LW_ESOURCE;
}

/* octets of [from, end) up to a CR or LF that is not half of a CRLF; the end if none.
 * *bol tells whether the octet there begins a line */
static const char *
odd_line_end(const char *from, const char *line_end, const char *end)
{
    const char *cr = memchr(from, '\r', (size_t)(line_end - from));

    if (cr != NULL && cr + 1 != line_end)
        return cr;
    if (line_end == end)
        return cr;                       /* a CR that ends the span: what follows is unknown */
    return cr == NULL ? line_end : NULL; /* line_end is the LF */
}

/* octets of [from, end) up to a line that begins with a dot, where each LF ends a line: dots are
 * fewer than lines, and base64 has none */
static const char *
run_to_dot_line(lw_pump *p, const char *from, const char *end)
{
    const char *dot = from;

    while ((dot = memchr(dot, '.', (size_t)(end - dot))) != NULL) {
        if (dot > from)
            p->at_bol = dot[-1] == '\n';
        if (p->at_bol)
            return dot;
        dot++;
    }
    p->at_bol = end[-1] == '\n';
    return end;
}

/* how far the input can go out as it stands; p->at_bol tells about the octet there */
static const char *
plain_run(lw_pump *p, const char *from, const char *end)
{
    const char *at = from;

    if (p->body->is_canonical)
        return run_to_dot_line(p, from, end);
    while (at < end) {
        if (p->at_bol && p->stuff && *at == '.')
            return at;
        const char *lf = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = lf == NULL ? end : lf;
        const char *odd = odd_line_end(at, line_end, end);
        if (odd != NULL) {
            p->at_bol = p->at_bol && odd == at;
            return odd;
        }
        p->at_bol = lf != NULL;
        at = lf == NULL ? end : lf + 1;
    }
    return end;
}

static lw_span
whole_rest(lw_pump *p)
{
    lw_span s = p->rest;
    p->rest = LW_NO_SPAN;
    return s;
}

/* after the last octet: the line end that the body may lack */
static bool
missing_line_end(lw_pump *p, lw_span *literal)
{
    if (!p->is_last || p->at_bol || p->keep)
        return false;
    p->at_bol = true;
    *literal = LW_LIT("\r\n");
    return true;
}

static void
advance_rest(lw_pump *p, size_t n)
{
    p->rest = (lw_span){ p->rest.ptr + n, p->rest.len - n };
}

bool
lw_pump_piece(lw_pump *p, lw_span *run, lw_span *literal)
{
    const char *stop;

    *run = *literal = LW_LIT("");
    if (p->skip_lf && p->rest.len > 0) {
        p->skip_lf = false;
        if (p->rest.ptr[0] == '\n')
            advance_rest(p, 1);
    }
    if (p->rest.len == 0)
        return missing_line_end(p, literal);
    /* a chunk of canonical octets needs no look at all */
    if (p->keep || (!p->stuff && p->body->is_canonical)) {
        p->at_bol = true;
        *run = whole_rest(p);
        return true;
    }
    stop = plain_run(p, p->rest.ptr, p->rest.ptr + p->rest.len);
    *run = (lw_span){ p->rest.ptr, (size_t)(stop - p->rest.ptr) };
    advance_rest(p, run->len);
    if (p->rest.len == 0)
        return true;
    if (*stop == '.') {
        /* [RFC5321 4.5.2] "If it is a period, one additional period is inserted at the
         * beginning of the line." */
        p->at_bol = false;
        *literal = LW_LIT(".");
        return true;
    }
    p->skip_lf = *stop == '\r';
    p->at_bol = true;
    *literal = LW_LIT("\r\n");
    advance_rest(p, 1);
    return true;
}

uint64_t
lw_pump_length(const lw_pump *p)
{
    lw_pump copy = *p;
    lw_span run, literal;
    uint64_t n = 0;

    while (lw_pump_piece(&copy, &run, &literal))
        n += run.len + literal.len;
    return n;
}
