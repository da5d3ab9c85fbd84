/* SPDX-License-Identifier: MIT */
/*
 * smtp/envelope.c - an envelope as MAIL and RCPT lines: checked on entry, wishes held against
 * what the server offers, written without any chance to break out of the line
 *
 * Bounds: an address 320 octets, ENVID 100, ORCPT and AUTH 500, so that no line passes
 * CMD_LONGEST even where xtext makes three octets of one.
 */
#include "smtp/client_int.h"

#include "smtp/command.h"
#include "smtp/xtext.h"

#include <stdio.h>

enum { ADDRESS_MAX = 320, ENVID_MAX = 100, TYPED_ADDRESS_MAX = 500, DATE_TIME_MAX = 40,
       NINE_DIGITS = 999999999 };

/* octets of an address that need a look */
static const bool is_special[256] = {
    [0 ... ' '] = true, ['"'] = true, ['<'] = true, ['>'] = true, ['\\'] = true, [0x7f] = true
};

/* no controls; < > and SP only inside quotes: what stands between <> cannot leave them */
static bool
address_is_safe(const char *s, size_t max)
{
    bool quoted = false;
    size_t n = 0;

    for (;; n++) {
        while (!is_special[(unsigned char)s[n]])
            n++;
        if (s[n] == '\0')
            return !quoted && n <= max;
        if ((unsigned char)s[n] < ' ' || s[n] == 0x7f)
            return false;
        if (s[n] == '"')
            quoted = !quoted;
        else if (s[n] == '\\' && quoted && s[n + 1] >= ' ' && s[n + 1] != 0x7f)
            n++;
        else if (!quoted && s[n] != '\\')
            return false;
    }
}

static bool
text_is_safe(const char *s, size_t max, bool spaces)
{
    lw_span t = lw_span_str(s);

    if (s == NULL)
        return true;
    return t.len <= max && !lw_span_has_ctl(t) && (spaces || lw_span_find(t, ' ') == t.len);
}

static bool
rcpt_is_safe(const lw_rcpt *r)
{
    return r->address[0] != '\0' &&
           address_is_safe(r->address, ADDRESS_MAX) &&
           text_is_safe(r->orcpt, TYPED_ADDRESS_MAX, true);
}

/* what no server could take, whatever it offers */
static bool
wishes_are_sound(const lw_envelope *env)
{
    int64_t by = env->deliver_by_s;
    char mode = env->deliver_by_mode;

    if (env->has_priority && (env->priority < -9 || env->priority > 9))
        return false;
    if (mode != 0 && mode != 'N' && mode != 'R')
        return false;
    /* [RFC2852 4] "-999,999,999 seconds <= by-time <= +999,999,999 seconds" ... "In the case of
     * a by-mode of "R", a zero or negative by-time is a syntax error." */
    if (by < -NINE_DIGITS || by > NINE_DIGITS || (mode == 'R' && by <= 0))
        return false;
    /* [RFC4865 4.1] "MUST include one, and only one, hold-param with the MAIL command" */
    if (env->hold_for_s > NINE_DIGITS || (env->hold_for_s != 0 && env->hold_until != NULL))
        return false;
    return env->hold_until == NULL || lw_is_utc_date_time(lw_span_str(env->hold_until));
}

lw_code
lw_smtp_check_envelope(const lw_envelope *env)
{
    if (env->from == NULL || env->rcpts == NULL)
        return LW_EUSAGE;
    if (!address_is_safe(env->from, ADDRESS_MAX) ||
        !text_is_safe(env->envid, ENVID_MAX, true) ||
        !text_is_safe(env->auth, TYPED_ADDRESS_MAX, true) ||
        !text_is_safe(env->hold_until, DATE_TIME_MAX, false))
        return LW_EADDRESS;
    if (!wishes_are_sound(env))
        return LW_EUSAGE;
    for (size_t i = 0; i < env->n_rcpts; i++) {
        if (env->rcpts[i].address == NULL)
            return LW_EUSAGE;
        if (!rcpt_is_safe(&env->rcpts[i]))
            return LW_EADDRESS;
    }
    return LW_OK;
}

/* ---- wishes ------------------------------------------------------------------------ */

static bool
wants_dsn(const lw_envelope *env)
{
    if (env->ret != LW_RET_UNSET || env->envid != NULL)
        return true;
    for (size_t i = 0; i < env->n_rcpts; i++)
        if (env->rcpts[i].notify != 0 || env->rcpts[i].orcpt != NULL)
            return true;
    return false;
}

/* a by-time shorter than the server's minimum cannot be kept (RFC 2852 4) */
static const char *
missing_deliver_by(const lw_smtp *e, const lw_envelope *env, uint32_t *dropped)
{
    if (env->deliver_by_s == 0)
        return NULL;
    if ((e->caps.flags & LW_CAP_DELIVERBY) == 0) {
        if (env->deliver_by_mode == 'R')
            return "the server does not offer DELIVERBY, and mode R forbids to send without it";
        *dropped |= LW_CAP_DELIVERBY;
    } else if (env->deliver_by_mode == 'R' && env->deliver_by_s > 0 &&
               (uint64_t)env->deliver_by_s < e->caps.deliverby_min_s) {
        return "the time asked for with DELIVERBY is shorter than the server's minimum";
    }
    return NULL;
}

static const char *
missing_hold(const lw_smtp *e, const lw_envelope *env)
{
    if (env->hold_for_s == 0 && env->hold_until == NULL)
        return NULL;
    if ((e->caps.flags & LW_CAP_FUTURERELEASE) == 0)
        return "the server does not offer FUTURERELEASE, which was asked for";
    /* [RFC4865 4.1] "is earlier than or equal to the max-future-release-date-time advertised" */
    if ((e->caps.hold_max_s != 0 && env->hold_for_s > e->caps.hold_max_s) ||
        (env->hold_until != NULL && lw_is_utc_date_time(e->caps.hold_max_until) &&
         lw_date_time_is_later(env->hold_until, e->caps.hold_max_until.ptr)))
        return "the server does not hold a message for as long as was asked";
    return NULL;
}

/* what must not be left out; NULL = nothing is missing */
static const char *
missing_need(const lw_smtp *e, const lw_envelope *env)
{
    uint32_t have = e->caps.flags;

    if (env->needs_smtputf8 && !(have & LW_CAP_SMTPUTF8))
        return "an address or a header is not ASCII, and the server does not offer SMTPUTF8";
    if (env->body_type == LW_BODY_8BITMIME && !(have & LW_CAP_8BITMIME))
        return "the message has 8-bit text, and the server does not offer 8BITMIME";
    if (env->body_type == LW_BODY_BINARYMIME &&
        (!(have & LW_CAP_BINARYMIME) || !(have & LW_CAP_CHUNKING) || e->opts.no_chunking))
        return "the message is binary, and the server does not offer BINARYMIME with CHUNKING";
    if (env->require_tls && !e->tls_active)
        return "REQUIRETLS was asked for, and this connection has no TLS";
    if (env->require_tls && !(have & LW_CAP_REQUIRETLS))
        return "REQUIRETLS was asked for, and the server does not offer it";
    return missing_hold(e, env);
}

lw_code
lw_smtp_check_wishes(lw_smtp *e, const slot *s, uint32_t *dropped)
{
    const lw_envelope *env = s->env;
    const char *missing = missing_need(e, env);

    *dropped = 0;
    if (missing == NULL)
        missing = missing_deliver_by(e, env, dropped);
    if (missing != NULL) {
        snprintf(e->text, sizeof e->text, "%s", missing);
        return LW_ECAPABILITY;
    }
    /* the size is known, and so is the answer (RFC 1870 6.1): nothing needs to be sent */
    if (e->caps.size_max != 0 && s->body->size != LW_SIZE_UNKNOWN &&
        s->body->size > e->caps.size_max) {
        snprintf(e->text, sizeof e->text,
                 "the message has %llu octets, and the server takes at most %llu",
                 (unsigned long long)s->body->size, (unsigned long long)e->caps.size_max);
        return LW_ECAPABILITY;
    }
    if (wants_dsn(env) && !(e->caps.flags & LW_CAP_DSN))
        *dropped |= LW_CAP_DSN;
    if (env->has_priority && !(e->caps.flags & LW_CAP_MT_PRIORITY))
        *dropped |= LW_CAP_MT_PRIORITY;
    if (env->auth != NULL && !(e->caps.flags & LW_CAP_AUTH))
        *dropped |= LW_CAP_AUTH;
    return LW_OK;
}

/* ---- the lines --------------------------------------------------------------------- */

typedef struct line {
    char *ptr;
    size_t len;
} line;

static inline void
add(line *l, lw_span s)
{
    lw_assert(l->len + s.len <= CMD_LONGEST);
    memcpy(l->ptr + l->len, s.ptr, s.len);
    l->len += s.len;
}

static void
add_str(line *l, const char *s)
{
    add(l, lw_span_str(s));
}

static void
add_int(line *l, int64_t v)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%lld", (long long)v);
    add(l, (lw_span){ digits, (size_t)n });
}

static void
add_uint(line *l, uint64_t v)
{
    char digits[LW_UINT_DIGITS];

    add(l, (lw_span){ digits, lw_uint_write(digits, v) });
}

static void
add_xtext(line *l, const char *s)
{
    size_t n = lw_xtext_encode(l->ptr + l->len, CMD_LONGEST - l->len, lw_span_str(s));
    if (!LW_NEVER(n == SIZE_MAX))
        l->len += n;
}

/* RET: RFC 3461 4.3, ENVID: 4.4 */
static void
add_mail_dsn(line *l, const lw_envelope *env)
{
    if (env->ret != LW_RET_UNSET)
        add(l, env->ret == LW_RET_FULL ? LW_LIT(" RET=FULL") : LW_LIT(" RET=HDRS"));
    if (env->envid != NULL) {
        add(l, LW_LIT(" ENVID="));
        add_xtext(l, env->envid);
    }
}

/* RFC 2852 4, RFC 4865 4, RFC 6710 4 */
static void
add_mail_timing(line *l, const lw_envelope *env, uint32_t flags)
{
    if (env->deliver_by_s != 0 && flags & LW_CAP_DELIVERBY) {
        add(l, LW_LIT(" BY="));
        add_int(l, env->deliver_by_s);
        add(l, env->deliver_by_mode == 'R' ? LW_LIT(";R") : LW_LIT(";N"));
        if (env->deliver_by_trace)
            add(l, LW_LIT("T"));
    }
    if (env->hold_for_s != 0) {
        add(l, LW_LIT(" HOLDFOR="));
        add_uint(l, env->hold_for_s);
    } else if (env->hold_until != NULL) {
        add(l, LW_LIT(" HOLDUNTIL="));
        add_str(l, env->hold_until);
    }
    if (env->has_priority && flags & LW_CAP_MT_PRIORITY) {
        add(l, LW_LIT(" MT-PRIORITY="));
        add_int(l, env->priority);
    }
}

size_t
lw_smtp_write_mail(const lw_smtp *e, const slot *s, char *dst)
{
    const lw_envelope *env = s->env;
    uint32_t flags = e->caps.flags;
    line l = { dst, 0 };

    /* [RFC5321 3.3] "spaces are not permitted on either side of the colon" */
    add(&l, LW_LIT("MAIL FROM:<"));
    add_str(&l, env->from);
    add(&l, LW_LIT(">"));
    if (flags & LW_CAP_SIZE && s->body->size != LW_SIZE_UNKNOWN) {
        add(&l, LW_LIT(" SIZE="));
        add_uint(&l, s->body->size);
    }
    if (env->body_type != LW_BODY_7BIT)
        add(&l, env->body_type == LW_BODY_8BITMIME ? LW_LIT(" BODY=8BITMIME")
                                                   : LW_LIT(" BODY=BINARYMIME"));
    if (env->needs_smtputf8)
        add(&l, LW_LIT(" SMTPUTF8"));
    if (env->require_tls)
        add(&l, LW_LIT(" REQUIRETLS"));
    if (flags & LW_CAP_DSN)
        add_mail_dsn(&l, env);
    if (env->auth != NULL && flags & LW_CAP_AUTH) {
        add(&l, LW_LIT(" AUTH="));
        if (env->auth[0] == '\0')
            add(&l, LW_LIT("<>"));
        else
            add_xtext(&l, env->auth);
    }
    add_mail_timing(&l, env, flags);
    add(&l, LW_LIT("\r\n"));
    return l.len;
}

static void
add_notify(line *l, unsigned notify)
{
    static const struct { unsigned bit; const char *word; } words[] = {
        { LW_NOTIFY_SUCCESS, "SUCCESS" }, { LW_NOTIFY_FAILURE, "FAILURE" },
        { LW_NOTIFY_DELAY, "DELAY" },
    };
    const char *before = " NOTIFY=";

    /* [RFC3461 4.1] "the NEVER keyword MUST appear by itself" */
    if (notify & LW_NOTIFY_NEVER) {
        add(l, LW_LIT(" NOTIFY=NEVER"));
        return;
    }
    for (size_t i = 0; i < LW_COUNT(words); i++)
        if (notify & words[i].bit) {
            add_str(l, before);
            add_str(l, words[i].word);
            before = ",";
        }
}

/* RFC 3461 4.2: ORCPT=type;xtext */
static void
add_orcpt(line *l, const char *orcpt)
{
    size_t type = lw_span_find(lw_span_str(orcpt), ';');

    if (orcpt[type] == '\0')
        return;
    add(l, LW_LIT(" ORCPT="));
    add(l, (lw_span){ orcpt, type + 1 });
    add_xtext(l, orcpt + type + 1);
}

size_t
lw_smtp_write_rcpt(const lw_smtp *e, const lw_rcpt *r, char *dst)
{
    line l = { dst, 0 };

    add(&l, LW_LIT("RCPT TO:<"));
    add_str(&l, r->address);
    add(&l, LW_LIT(">"));
    if (e->caps.flags & LW_CAP_DSN) {
        add_notify(&l, r->notify);
        if (r->orcpt != NULL)
            add_orcpt(&l, r->orcpt);
    }
    add(&l, LW_LIT("\r\n"));
    return l.len;
}
