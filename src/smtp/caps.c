/* SPDX-License-Identifier: MIT */
/* smtp/caps.c - what the 250 to EHLO offers (RFC 5321 4.1.1.1, and each extension's RFC) */
#include "smtp/client_int.h"

/* append one mechanism unless it is there already */
static void
add_mechanism(lw_capabilities *c, char *auth, size_t cap, lw_span name)
{
    lw_span rest = { auth, c->auth.len }, have;
    size_t len = c->auth.len;

    while (len > 0 && lw_span_token(&rest, ' ', &have))
        if (lw_span_eq_nocase(have, name))
            return;
    if (len + 1 + name.len > cap)
        return;
    if (len > 0)
        auth[len++] = ' ';
    memcpy(auth + len, name.ptr, name.len);
    c->auth = (lw_span){ auth, len + name.len };
}

static void
parse_auth(lw_capabilities *c, char *auth, size_t cap, lw_span args)
{
    lw_span name;

    while (lw_span_token(&args, ' ', &name))
        if (name.len > 0)
            add_mechanism(c, auth, cap, name);
}

/* LIMITS RCPTMAX=20 MAILMAX=5 (RFC 9422); a value that is no number is as if not given */
static void
parse_limits(lw_capabilities *c, lw_span args)
{
    lw_span item;

    while (lw_span_token(&args, ' ', &item)) {
        size_t eq = lw_span_find(item, '=');
        lw_span name = { item.ptr, eq };
        uint64_t v = 0;
        if (eq == item.len ||
            !lw_span_uint((lw_span){ item.ptr + eq + 1, item.len - eq - 1 }, UINT32_MAX, &v))
            continue;
        if (lw_span_eq_nocase(name, LW_LIT("RCPTMAX")))
            c->rcpt_max = (uint32_t)v;
        else if (lw_span_eq_nocase(name, LW_LIT("MAILMAX")))
            c->mail_max = (uint32_t)v;
        else if (lw_span_eq_nocase(name, LW_LIT("RCPTDOMAINMAX")))
            c->rcpt_domain_max = (uint32_t)v;
    }
}

/* FUTURERELEASE max-interval max-datetime (RFC 4865 4) */
static void
parse_hold(lw_capabilities *c, lw_span args)
{
    lw_span item;

    if (lw_span_token(&args, ' ', &item))
        (void)lw_span_uint(item, UINT32_MAX, &c->hold_max_s);
    if (lw_span_token(&args, ' ', &item))
        c->hold_max_until = item;
}

static void
parse_line(lw_capabilities *c, char *auth, size_t cap, lw_span line)
{
    static const lw_span keywords[LW_CAP_COUNT] = {
#define KEYWORD(name, keyword) [LW_CAP_INDEX_##name] = { keyword, sizeof keyword - 1 },
        LW_CAP_MAP(KEYWORD)
#undef KEYWORD
    };
    size_t n = 0, i = 0;
    lw_span keyword, args;

    /* the old spelling "AUTH=LOGIN" ends its keyword with '=' */
    while (n < line.len && line.ptr[n] != ' ' && line.ptr[n] != '=')
        n++;
    keyword = (lw_span){ line.ptr, n };
    args = n < line.len ? (lw_span){ line.ptr + n + 1, line.len - n - 1 } : LW_LIT("");
    while (i < LW_CAP_COUNT && !lw_span_eq_nocase(keyword, keywords[i]))
        i++;
    if (i == LW_CAP_COUNT)
        return;
    c->flags |= 1u << i;
    args = lw_span_trim(args);
    if (i == LW_CAP_INDEX_AUTH)
        parse_auth(c, auth, cap, args);
    else if (i == LW_CAP_INDEX_LIMITS)
        parse_limits(c, args);
    else if (i == LW_CAP_INDEX_FUTURERELEASE)
        parse_hold(c, args);
    else if (i == LW_CAP_INDEX_SIZE)
        (void)lw_span_uint(args, UINT64_MAX, &c->size_max);
    else if (i == LW_CAP_INDEX_DELIVERBY)
        (void)lw_span_uint(args, UINT32_MAX, &c->deliverby_min_s);
}

lw_code
lw_caps_parse(lw_capabilities *c, lw_span reply, char *text, char *auth, size_t cap)
{
    size_t first = lw_span_find(reply, '\n');
    lw_span rest, line;

    memset(c, 0, sizeof *c);
    c->is_esmtp = true;
    c->auth = c->lines = LW_LIT("");
    c->hold_max_until = LW_LIT("");
    if (first == reply.len)
        return LW_OK;
    rest = (lw_span){ reply.ptr + first + 1, reply.len - first - 1 };
    if (rest.len > cap)
        return LW_ELIMIT;
    memcpy(text, rest.ptr, rest.len);
    c->lines = rest = (lw_span){ text, rest.len };
    while (lw_span_token(&rest, '\n', &line))
        parse_line(c, auth, cap, lw_span_trim(line));
    return LW_OK;
}
