/* SPDX-License-Identifier: MIT */
/* smtp/reply.c - replies read from any split of bytes, within bounds (RFC 5321 4.2) */
#include "smtp/reply.h"

void
lw_reply_parser_init(lw_reply_parser *p, char *buf, size_t cap)
{
    *p = (lw_reply_parser){ .buf = buf, .cap = cap };
}

/* one number of an enhanced code: 1*3digit without leading zeros (RFC 3463 2) */
static bool
enhanced_number(lw_span *s, uint16_t *value)
{
    size_t n = 0;
    uint16_t v = 0;

    while (n < s->len && n < 4 && lw_is_digit(s->ptr[n]))
        v = (uint16_t)(v * 10 + (s->ptr[n++] - '0'));
    if (n == 0 || n > 3)
        return false;
    *s = (lw_span){ s->ptr + n, s->len - n };
    *value = v;
    return true;
}

static bool
take_char(lw_span *s, char c)
{
    if (s->len == 0 || s->ptr[0] != c)
        return false;
    *s = (lw_span){ s->ptr + 1, s->len - 1 };
    return true;
}

bool
lw_enhanced_parse(lw_span *text, int code, lw_enhanced *out)
{
    lw_span s = *text;
    lw_enhanced e;

    if (!enhanced_number(&s, &e.klass) || !take_char(&s, '.') ||
        !enhanced_number(&s, &e.subject) || !take_char(&s, '.') ||
        !enhanced_number(&s, &e.detail))
        return false;
    if (s.len > 0 && !take_char(&s, ' '))
        return false;
    /* [RFC2034 4] "All status codes returned by the server must agree with the primary
     * response code" */
    if (e.klass != code / 100)
        return false;
    *out = e;
    *text = s;
    return true;
}

static void
begin_reply(lw_reply_parser *p)
{
    p->len = p->partial = 0;
    p->is_complete = false;
    memset(&p->reply, 0, sizeof p->reply);
}

/* Reply-code = %x32-35 %x30-35 %x30-39; the second digit is taken as it comes */
static bool
reply_code(lw_span line, int *code)
{
    if (line.len < 3 || line.ptr[0] < '2' || line.ptr[0] > '5' ||
        !lw_is_digit(line.ptr[1]) || !lw_is_digit(line.ptr[2]))
        return false;
    *code = (line.ptr[0] - '0') * 100 + (line.ptr[1] - '0') * 10 + (line.ptr[2] - '0');
    return true;
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
    lw_reply *r = &p->reply;
    lw_enhanced enhanced = { 0, 0, 0 };
    bool is_last;
    int code;

    if (!reply_code(line, &code) ||
        (line.len > 3 && line.ptr[3] != ' ' && line.ptr[3] != '-'))
        return not_a_reply(line, err);
    /* [RFC5321 4.2.1] "In a multiline reply, the reply code on each of the lines MUST be the" */
    if (r->n_lines > 0 && r->code / 100 != code / 100)
        return lw_fail(err, LW_EPROTO, LW_STAGE_NONE,
                       "the server's reply says both %d and %d", r->code, code);
    is_last = line.len <= 3 || line.ptr[3] == ' ';
    line = line.len <= 4 ? LW_NO_SPAN : (lw_span){ line.ptr + 4, line.len - 4 };
    if (lw_enhanced_parse(&line, code, &enhanced) && r->enhanced.klass == 0)
        r->enhanced = enhanced;
    r->code = code;
    if (r->n_lines++ > 0)
        p->buf[p->len++] = '\n';
    if (line.len > 0)
        memmove(p->buf + p->len, line.ptr, line.len);
    p->len += line.len;
    p->partial = 0;
    if (!is_last)
        return r->n_lines < LW_REPLY_MAX_LINES
                   ? LW_AGAIN
                   : lw_fail(err, LW_ELIMIT, LW_STAGE_NONE,
                             "the server's reply has more than %d lines", LW_REPLY_MAX_LINES);
    r->text = (lw_span){ p->buf, p->len };
    p->is_complete = true;
    return LW_OK;
}

/* n octets of the line under way: whole in the input, or collected behind the text */
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
        rc = reply_line(p, line, err);
    }
    return rc;
}
