/* SPDX-License-Identifier: MIT */
/* smtp/reply.c - replies read from any split of bytes, within bounds (RFC 5321 4.2) */
#include "smtp/reply.h"

void
lw_reply_parser_init(lw_reply_parser *p, char *buf, size_t cap)
{
    *p = (lw_reply_parser){ .buf = buf, .cap = cap };
}

static void
begin_reply(lw_reply_parser *p)
{
    p->len = p->partial = 0;
    p->is_complete = false;
    memset(&p->reply, 0, sizeof p->reply);
}

/* What follows reads a line that ends with a NUL, so it need not look where the line ends: NUL is
 * neither digit nor dot.  One that comes within the line stops it all the same, and stays text. */

/* one number of an enhanced code: 1*3digit without leading zeros (RFC 3463 2); NULL = none */
static const char *
enhanced_number(const char *p, uint16_t *value)
{
    unsigned v = 0;
    size_t n = 0;

    for (; n < 3 && lw_is_digit(p[n]); n++)
        v = v * 10 + (unsigned)(p[n] - '0');
    *value = (uint16_t)v;
    return n == 0 ? NULL : p + n;
}

/* "2.1.5 " or "2.1.5" and the end, whose class fits the code: what is behind it; NULL = none */
static const char *
enhanced_code(const char *p, const char *end, int code, lw_enhanced *out)
{
    if ((p = enhanced_number(p, &out->klass)) == NULL || *p++ != '.' ||
        (p = enhanced_number(p, &out->subject)) == NULL || *p++ != '.' ||
        (p = enhanced_number(p, &out->detail)) == NULL || (*p != ' ' && p != end))
        return NULL;
    /* [RFC2034 4] "All status codes returned by the server must agree with the primary
     * response code" */
    if (out->klass != code / 100)
        return NULL;
    return p == end ? p : p + 1;
}

/* Reply-code = %x32-35 %x30-35 %x30-39; the second digit is taken as it comes */
static bool
reply_code(const char *p, int *code)
{
    if (p[0] < '2' || p[0] > '5' || !lw_is_digit(p[1]) || !lw_is_digit(p[2]))
        return false;
    *code = (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
    return true;
}

/* the text of the first line stays where it came, that of the others joins it */
static void
take_text(lw_reply_parser *p, lw_span text)
{
    if (p->reply.n_lines++ == 0) {
        p->begin = (size_t)(text.ptr - p->buf);
        p->len = p->begin;
    } else {
        p->buf[p->len++] = '\n';
        memmove(p->buf + p->len, text.ptr, text.len);
    }
    p->len += text.len;
    p->partial = 0;
}

static lw_code
not_a_reply(lw_span line, lw_error *err)
{
    char shown[80];

    lw_print_safe(shown, sizeof shown, line);
    return lw_fail(err, LW_EPROTO, LW_STAGE_NONE,
                   "the server sent \"%s\", which is no SMTP reply", shown);
}

/* take one whole line (without its end): code, separator, text behind what we have */
static lw_code
reply_line(lw_reply_parser *p, lw_span line, lw_error *err)
{
    const char *end = line.ptr + line.len, *text, *behind;
    lw_reply *r = &p->reply;
    lw_enhanced enhanced;
    bool is_last;
    int code;

    if (!reply_code(line.ptr, &code) ||
        (line.len > 3 && line.ptr[3] != ' ' && line.ptr[3] != '-'))
        return not_a_reply(line, err);
    /* [RFC5321 4.2.1] "In a multiline reply, the reply code on each of the lines MUST be the" */
    if (r->n_lines > 0 && r->code / 100 != code / 100)
        return lw_fail(err, LW_EPROTO, LW_STAGE_NONE,
                       "the server's reply says both %d and %d", r->code, code);
    is_last = line.len <= 3 || line.ptr[3] == ' ';
    text = line.len <= 4 ? end : line.ptr + 4;
    if ((behind = enhanced_code(text, end, code, &enhanced)) != NULL) {
        text = behind;
        if (r->enhanced.klass == 0)
            r->enhanced = enhanced;
    }
    r->code = code;
    take_text(p, (lw_span){ text, (size_t)(end - text) });
    if (!is_last)
        return r->n_lines < LW_REPLY_MAX_LINES
                   ? LW_AGAIN
                   : lw_fail(err, LW_ELIMIT, LW_STAGE_NONE,
                             "the server's reply has more than %d lines", LW_REPLY_MAX_LINES);
    r->text = (lw_span){ p->buf + p->begin, p->len - p->begin };
    p->is_complete = true;
    return LW_OK;
}

/* n octets of the line under way: whole in the input, or collected behind the text; an octet is left */
static lw_code
collect(lw_reply_parser *p, const char *ptr, size_t n, lw_error *err)
{
    if (p->len + p->partial + n + 1 > p->cap)
        return lw_fail(err, LW_ELIMIT, LW_STAGE_NONE,
                       "the server's reply is longer than %zu octets", p->cap);
    memcpy(p->buf + p->len + p->partial, ptr, n);
    p->partial += n;
    if (p->most < p->len + p->partial)
        p->most = p->len + p->partial;
    return LW_OK;
}

lw_code
lw_reply_feed(lw_reply_parser *p, lw_span in, size_t *used, lw_error *err)
{
    lw_code rc = LW_AGAIN;

    *used = 0;
    if (p->is_complete)
        begin_reply(p);
    while (rc == LW_AGAIN && *used < in.len) {
        const char *ptr = in.ptr + *used;
        size_t rest = in.len - *used;
        const char *lf = memchr(ptr, '\n', rest);
        size_t n = lf == NULL ? rest : (size_t)(lf - ptr);
        lw_span line;

        *used += lf == NULL ? n : n + 1;
        if ((rc = collect(p, ptr, n, err)) < 0)
            return rc;
        if (lf == NULL)
            return LW_AGAIN;
        line = (lw_span){ p->buf + p->len, p->partial };
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        p->buf[p->len + line.len] = '\0'; /* collect() has left room for it */
        rc = reply_line(p, line, err);
    }
    return rc;
}
