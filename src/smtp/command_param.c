/* SPDX-License-Identifier: MIT */
/*
 * smtp/command_param.c - the ESMTP parameters of MAIL and RCPT, each checked
 *
 * A parameter is a row in a table: keyword, the capability that brings it, its parser.
 * Unknown or not offered: 555 5.5.4.  Twice, or a wrong value: 501 5.5.4.
 */
#include "smtp/command.h"

typedef struct param_ctx {
    const lw_command_rules *rules;
    lw_store *store;
    lw_server_mail *mail;
    lw_server_rcpt *rcpt;
} param_ctx;

typedef struct param_row {
    lw_span keyword;
    uint32_t caps; /* any of these offers it */
    bool has_value;
    const lw_refusal *(*parse)(param_ctx *c, lw_span value);
} param_row;

static const lw_refusal unknown = { 555, "5.5.4", "Parameter not recognized or not offered" };
static const lw_refusal malformed = { 501, "5.5.4", "Syntax error in parameters" };
static const lw_refusal twice = { 501, "5.5.4", "Parameter given twice" };

static const lw_refusal *
parse_size(param_ctx *c, lw_span v)
{
    static const lw_refusal too_big = { 552, "5.3.4", "Message size exceeds fixed maximum" };
    uint64_t digit;

    /* [RFC1870 3] "size-value ::= 1*20DIGIT": 20 digits may not fit into 64 bits */
    if (v.len > 20)
        return &malformed;
    for (size_t i = 0; i < v.len; i++) {
        if (!lw_span_uint((lw_span){ v.ptr + i, 1 }, 9, &digit))
            return &malformed;
    }
    if (!lw_span_uint(v, UINT64_MAX, &c->mail->size))
        c->mail->size = UINT64_MAX;
    return c->rules->size_max != 0 && c->mail->size > c->rules->size_max ? &too_big : NULL;
}

static const lw_refusal *
parse_body(param_ctx *c, lw_span v)
{
    uint32_t needs = 0;

    if (lw_span_eq_nocase(v, LW_LIT("8BITMIME"))) {
        c->mail->body_type = LW_BODY_8BITMIME;
        needs = LW_CAP_8BITMIME;
    } else if (lw_span_eq_nocase(v, LW_LIT("BINARYMIME"))) {
        c->mail->body_type = LW_BODY_BINARYMIME;
        needs = LW_CAP_BINARYMIME;
    } else if (!lw_span_eq_nocase(v, LW_LIT("7BIT"))) {
        return &malformed;
    }
    return (c->rules->caps & needs) == needs ? NULL : &unknown;
}

static const lw_refusal *
parse_smtputf8(param_ctx *c, lw_span v)
{
    (void)v;
    c->mail->smtputf8 = true;
    return NULL;
}

static const lw_refusal *
parse_requiretls(param_ctx *c, lw_span v)
{
    (void)v;
    c->mail->require_tls = true;
    return NULL;
}

static const lw_refusal *
parse_ret(param_ctx *c, lw_span v)
{
    if (lw_span_eq_nocase(v, LW_LIT("FULL")))
        c->mail->ret = LW_RET_FULL;
    else if (lw_span_eq_nocase(v, LW_LIT("HDRS")))
        c->mail->ret = LW_RET_HDRS;
    else
        return &malformed;
    return NULL;
}

static const lw_refusal *
parse_envid(param_ctx *c, lw_span v)
{
    c->mail->envid = lw_store_xtext(c->store, v);
    return c->mail->envid == NULL ? &malformed : NULL;
}

static const lw_refusal *
parse_auth(param_ctx *c, lw_span v)
{
    char *mailbox;
    size_t len;

    if (lw_span_eq(v, LW_LIT("<>"))) {
        c->mail->auth = "";
        return NULL;
    }
    if ((mailbox = lw_store_xtext(c->store, v)) == NULL)
        return &malformed;
    c->mail->auth = mailbox;
    len = strlen(mailbox);
    return lw_mailbox_len((lw_span){ mailbox, len }) == len ? NULL : &malformed;
}

/* by-time ";" by-mode [by-trace] */
static const lw_refusal *
parse_by(param_ctx *c, lw_span v)
{
    static const lw_refusal too_soon = { 555, "5.5.4", "BY time is shorter than the minimum" };
    lw_span time = { v.ptr, lw_span_find(v, ';') };
    lw_span mode = { v.ptr + time.len, v.len - time.len };
    bool is_negative = time.len > 0 && *time.ptr == '-';
    uint64_t seconds;

    if (time.len > 0 && (*time.ptr == '-' || *time.ptr == '+'))
        time = (lw_span){ time.ptr + 1, time.len - 1 };
    if (time.len > 9 || !lw_span_uint(time, 999999999, &seconds))
        return &malformed;
    c->mail->deliver_by_trace = mode.len == 3 && lw_upper(mode.ptr[2]) == 'T';
    if (mode.len != 2 && !c->mail->deliver_by_trace)
        return &malformed;
    c->mail->deliver_by_mode = lw_upper(mode.ptr[1]);
    if (c->mail->deliver_by_mode != 'N' && c->mail->deliver_by_mode != 'R')
        return &malformed;
    c->mail->deliver_by_s = is_negative ? -(int64_t)seconds : (int64_t)seconds;
    if (c->mail->deliver_by_mode == 'N')
        return NULL;
    /* [RFC2852 4] "In the case of a by-mode of "R", a zero or negative by-time is a" */
    if (c->mail->deliver_by_s <= 0)
        return &malformed;
    return seconds < c->rules->deliverby_min_s ? &too_soon : NULL;
}

static const lw_refusal *
parse_holdfor(param_ctx *c, lw_span v)
{
    if (v.len > 9 || c->mail->hold_until != NULL ||
        !lw_span_uint(v, c->rules->hold_max_s, &c->mail->hold_for_s))
        return &malformed;
    return c->mail->hold_for_s == 0 || *v.ptr == '0' ? &malformed : NULL;
}

static bool
digits_between(const char *p, int n, unsigned lo, unsigned hi)
{
    uint64_t value;

    return lw_span_uint((lw_span){ p, (size_t)n }, hi, &value) && value >= lo;
}

/* An Internet date-time in UTC: 2026-11-24T23:59:59Z, a fraction of a second allowed. */
bool
lw_is_utc_date_time(lw_span s)
{
    size_t n = 19;

    if (s.len < 20 || s.ptr[4] != '-' || s.ptr[7] != '-' || lw_upper(s.ptr[10]) != 'T' ||
        s.ptr[13] != ':' || s.ptr[16] != ':')
        return false;
    if (!digits_between(s.ptr, 4, 0, 9999) || !digits_between(s.ptr + 5, 2, 1, 12) ||
        !digits_between(s.ptr + 8, 2, 1, 31) || !digits_between(s.ptr + 11, 2, 0, 23) ||
        !digits_between(s.ptr + 14, 2, 0, 59) || !digits_between(s.ptr + 17, 2, 0, 60))
        return false;
    if (s.ptr[n] == '.') {
        size_t first = ++n;

        while (n < s.len && lw_is_digit(s.ptr[n]))
            n++;
        if (n == first)
            return false;
    }
    return n + 1 == s.len && lw_upper(s.ptr[n]) == 'Z';
}

/* The first 19 octets have one form: their order as text is their order in time. */
bool
lw_date_time_is_later(const char *a, const char *b)
{
    int days = memcmp(a, b, 10);

    return days > 0 || (days == 0 && memcmp(a + 11, b + 11, 8) > 0);
}

static const lw_refusal *
parse_holduntil(param_ctx *c, lw_span v)
{
    if (!lw_is_utc_date_time(v) || c->mail->hold_for_s != 0)
        return &malformed;
    if (lw_date_time_is_later(v.ptr, c->rules->hold_max_until))
        return &malformed;
    c->mail->hold_until = lw_store_span(c->store, v);
    return c->mail->hold_until == NULL ? &malformed : NULL;
}

static const lw_refusal *
parse_priority(param_ctx *c, lw_span v)
{
    /* [RFC6710 4.1] "error in parameter" (with the 5.5.2 Enhanced Status Code" */
    static const lw_refusal wrong = { 501, "5.5.2", "Syntax error in MT-PRIORITY" };
    bool is_negative = v.len > 0 && *v.ptr == '-';
    uint64_t n;

    if (!lw_span_uint((lw_span){ v.ptr + is_negative, v.len - is_negative }, 9, &n) ||
        v.len != 1u + is_negative || (is_negative && n == 0))
        return &wrong;
    c->mail->has_priority = true;
    c->mail->priority = is_negative ? -(int)n : (int)n;
    return NULL;
}

static const lw_refusal *
parse_notify(param_ctx *c, lw_span v)
{
    static const struct {
        lw_span word;
        unsigned bit;
    } words[] = { { { "NEVER", 5 }, LW_NOTIFY_NEVER },
                  { { "SUCCESS", 7 }, LW_NOTIFY_SUCCESS },
                  { { "FAILURE", 7 }, LW_NOTIFY_FAILURE },
                  { { "DELAY", 5 }, LW_NOTIFY_DELAY } };
    lw_span word;

    while (lw_span_token(&v, ',', &word)) {
        size_t i = 0;

        while (i < LW_COUNT(words) && !lw_span_eq_nocase(word, words[i].word))
            i++;
        if (i == LW_COUNT(words))
            return &malformed;
        c->rcpt->notify |= words[i].bit;
    }
    /* [RFC3461 4.1] "a NOTIFY parameter; however, the NEVER keyword MUST appear by" */
    if ((c->rcpt->notify & LW_NOTIFY_NEVER) != 0 && c->rcpt->notify != LW_NOTIFY_NEVER)
        return &malformed;
    return NULL;
}

/* addr-type ";" xtext; the address of type "utf-8" may come as it is (RFC 6533 3). */
static const lw_refusal *
parse_orcpt(param_ctx *c, lw_span v)
{
    size_t n = lw_span_find(v, ';');
    lw_span type = { v.ptr, n }, address;
    char *text;

    if (n == 0 || n + 1 >= v.len || !lw_span_is_ascii(type))
        return &malformed;
    address = (lw_span){ v.ptr + n + 1, v.len - n - 1 };
    if ((text = lw_store_span(c->store, (lw_span){ v.ptr, n + 1 })) == NULL)
        return &malformed;
    c->store->len--; /* the address follows where the NUL is */
    c->rcpt->orcpt = text;
    if (lw_span_is_ascii(address))
        return lw_store_xtext(c->store, address) == NULL ? &malformed : NULL;
    if (!lw_span_eq_nocase(type, LW_LIT("utf-8")) || !c->rules->has_smtputf8)
        return &malformed;
    return lw_store_span(c->store, address) == NULL ? &malformed : NULL;
}

/* clang-format off */
static const param_row mail_rows[] = {
    { { "SIZE", 4 }, LW_CAP_SIZE, true, parse_size },
    { { "BODY", 4 }, LW_CAP_8BITMIME | LW_CAP_BINARYMIME, true, parse_body },
    { { "SMTPUTF8", 8 }, LW_CAP_SMTPUTF8, false, parse_smtputf8 },
    { { "REQUIRETLS", 10 }, LW_CAP_REQUIRETLS, false, parse_requiretls },
    { { "RET", 3 }, LW_CAP_DSN, true, parse_ret },
    { { "ENVID", 5 }, LW_CAP_DSN, true, parse_envid },
    { { "AUTH", 4 }, LW_CAP_AUTH, true, parse_auth },
    { { "BY", 2 }, LW_CAP_DELIVERBY, true, parse_by },
    { { "HOLDFOR", 7 }, LW_CAP_FUTURERELEASE, true, parse_holdfor },
    { { "HOLDUNTIL", 9 }, LW_CAP_FUTURERELEASE, true, parse_holduntil },
    { { "MT-PRIORITY", 11 }, LW_CAP_MT_PRIORITY, true, parse_priority },
};
static const param_row rcpt_rows[] = {
    { { "NOTIFY", 6 }, LW_CAP_DSN, true, parse_notify },
    { { "ORCPT", 5 }, LW_CAP_DSN, true, parse_orcpt },
};
/* clang-format on */

/* The next "keyword[=value]"; false at the end; keyword.len 0 = malformed. */
static bool
take_param(lw_span *rest, lw_span *keyword, lw_span *value)
{
    lw_span word;

    *rest = lw_span_trim(*rest);
    if (rest->len == 0)
        return false;
    word = (lw_span){ rest->ptr, lw_span_find(*rest, ' ') };
    *rest = (lw_span){ rest->ptr + word.len, rest->len - word.len };
    *keyword = (lw_span){ word.ptr, lw_span_find(word, '=') };
    *value = LW_NO_SPAN;
    if (keyword->len == word.len)
        return true;
    *value = (lw_span){ word.ptr + keyword->len + 1, word.len - keyword->len - 1 };
    /* [RFC5321 4.1.2] "any CHAR excluding "=", SP, and control" */
    if (value->len == 0 || lw_span_find(*value, '=') != value->len)
        keyword->len = 0;
    return true;
}

static const lw_refusal *
parse_params(lw_span rest, const param_row *rows, size_t n_rows, param_ctx *c)
{
    const lw_refusal *why;
    lw_span keyword, value;
    uint32_t seen = 0;

    while (take_param(&rest, &keyword, &value)) {
        size_t i = 0;

        if (keyword.len == 0)
            return &malformed;
        while (i < n_rows && !lw_span_eq_nocase(keyword, rows[i].keyword))
            i++;
        if (i == n_rows || (rows[i].caps & c->rules->caps) == 0)
            return &unknown;
        if ((seen & 1u << i) != 0)
            return &twice;
        seen |= 1u << i;
        if (rows[i].has_value != (value.ptr != NULL))
            return &malformed;
        if ((why = rows[i].parse(c, value)) != NULL)
            return why;
    }
    return NULL;
}

const lw_refusal *
lw_param_mail(lw_span params, const lw_command_rules *rules, lw_store *store,
              lw_server_mail *out)
{
    param_ctx c = { rules, store, out, NULL };
    const lw_refusal *why = parse_params(params, mail_rows, LW_COUNT(mail_rows), &c);

    if (why != NULL)
        return why;
    /* [RFC4865 5.2.2] "that the future message release time is farther in the future than" */
    if (out->hold_for_s != 0 && out->deliver_by_mode != 0 &&
        (int64_t)out->hold_for_s > out->deliver_by_s)
        return &malformed;
    return NULL;
}

const lw_refusal *
lw_param_rcpt(lw_span params, const lw_command_rules *rules, lw_store *store,
              lw_server_rcpt *out)
{
    param_ctx c = { rules, store, NULL, out };

    return parse_params(params, rcpt_rows, LW_COUNT(rcpt_rows), &c);
}
