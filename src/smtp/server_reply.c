/* SPDX-License-Identifier: MIT */
/*
 * smtp/server_reply.c - replies: how they are written, and what the caller's answers do
 *
 * Every reply goes to the one output buffer, so that those to a pipelined group leave
 * together (RFC 2920 3.2).  Text of the caller is made harmless here: controls become "?",
 * lines are folded at 480 octets, 8-bit octets stay only in a SMTPUTF8 transaction.
 */
#include "smtp/server_int.h"

enum { FOLD = 480 };

/* ---- writing ------------------------------------------------------------------------- */

typedef struct writer {
    char *p, *end;
    bool is_full;
} writer;

static void
put(writer *w, const char *s, size_t n)
{
    if ((size_t)(w->end - w->p) < n) {
        w->is_full = true;
        return;
    }
    memcpy(w->p, s, n);
    w->p += n;
}

static void
put_safe(writer *w, lw_span s, bool is_utf8)
{
    is_utf8 = is_utf8 && lw_utf8_valid(s);
    if ((size_t)(w->end - w->p) < s.len) {
        w->is_full = true;
        return;
    }
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool is_good = (c >= 0x20 && c < 0x7f) || c == '\t' || (c >= 0x80 && is_utf8);

        *w->p++ = is_good ? (char)c : '?';
    }
}

/* The next piece of text that fits one reply line. */
static lw_span
take_text_line(lw_span *rest)
{
    lw_span line = { rest->ptr, lw_span_find(*rest, '\n') };
    size_t skip = line.len + 1;

    if (line.len > FOLD) {
        line.len = FOLD;
        while (line.len > FOLD - 4 && ((unsigned char)line.ptr[line.len] & 0xc0) == 0x80)
            line.len--;
        skip = line.len;
    } else if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    if (skip > rest->len)
        *rest = LW_NO_SPAN;
    else
        *rest = (lw_span){ rest->ptr + skip, rest->len - skip };
    return line;
}

/* [RFC6531 3.7.4.2] "MUST NOT use UTF-8 strings in replies if the SMTP client does not
 * specifically allow such replies by transmitting this parameter" with VRFY and EXPN */
static bool
may_say_utf8(const lw_smtp_server *e)
{
    bool is_about = e->owed == LW_SERVER_VRFY || e->owed == LW_SERVER_EXPN;

    return is_about ? e->ev.mail.smtputf8 : e->has_smtputf8;
}

static bool
say_after(lw_smtp_server *e, int code, const char *enhanced, lw_span prefix, lw_span text)
{
    size_t room = e->out_cap - e->out_len;
    writer w = { e->out + e->out_len, NULL, false };
    char head[4] = { (char)('0' + code / 100), (char)('0' + code / 10 % 10),
                     (char)('0' + code % 10), '-' };

    w.end = w.p + (room < LW_SERVER_REPLY_MAX ? room : LW_SERVER_REPLY_MAX);
    /* [RFC2034 4] "These codes must appear in all 2xx, 4xx, and 5xx response lines other" */
    if ((e->o.capabilities & LW_CAP_ENHANCEDSTATUSCODES) == 0 || code / 100 == 3)
        enhanced = NULL;
    do {
        lw_span line = take_text_line(&text);

        if (text.ptr == NULL)
            head[3] = ' ';
        put(&w, head, sizeof head);
        if (enhanced != NULL) {
            put(&w, enhanced, strlen(enhanced));
            put(&w, " ", 1);
        }
        if (prefix.len > 0) {
            put(&w, prefix.ptr, prefix.len);
            put(&w, " ", line.len > 0);
            prefix.len = 0;
        }
        put_safe(&w, line, may_say_utf8(e));
        put(&w, "\r\n", 2);
    } while (text.ptr != NULL);
    if (w.is_full)
        return false;
    e->out_len = (size_t)(w.p - e->out);
    return true;
}

bool
lw_server_say(lw_smtp_server *e, int code, const char *enhanced, const char *text)
{
    return say_after(e, code, enhanced, LW_NO_SPAN, lw_span_str(text));
}

void
lw_server_refuse(lw_smtp_server *e, const lw_refusal *why)
{
    if (why->code < 500 || e->n_errors++ < e->o.max_errors) {
        (void)lw_server_say(e, why->code, why->enhanced, why->text);
        return;
    }
    (void)lw_server_say(e, 421, "4.7.0", "Too many errors, closing connection");
    lw_server_begin_close(e, LW_ELIMIT);
}

void
lw_server_quit(lw_smtp_server *e)
{
    (void)say_after(e, 221, "2.0.0", lw_span_str(e->o.name), LW_LIT("closing connection"));
    lw_server_drop(e);
    lw_server_queue(e, LW_SERVER_QUIT);
    lw_server_begin_close(e, LW_OK);
}

/* ---- the answer to EHLO ------------------------------------------------------------------ */

static void
put_number(writer *w, const char *before, uint64_t n)
{
    char digits[20];
    size_t i = sizeof digits;

    do {
        digits[--i] = (char)('0' + n % 10);
    } while ((n /= 10) > 0);
    put(w, before, strlen(before));
    put(w, digits + i, sizeof digits - i);
}

static void
put_limits(writer *w, const lw_smtp_server_opts *o)
{
    if (o->limit_rcpt_max != 0)
        put_number(w, " RCPTMAX=", o->limit_rcpt_max);
    if (o->limit_mail_max != 0)
        put_number(w, " MAILMAX=", o->limit_mail_max);
    if (o->limit_rcpt_domain_max != 0)
        put_number(w, " RCPTDOMAINMAX=", o->limit_rcpt_domain_max);
}

static void
put_capability(writer *w, const lw_smtp_server *e, uint32_t cap, const char *keyword)
{
    const lw_smtp_server_opts *o = &e->o;

    put(w, keyword, strlen(keyword));
    if (cap == LW_CAP_SIZE && o->size_max != 0) {
        put_number(w, " ", o->size_max);
    } else if (cap == LW_CAP_AUTH) {
        put(w, " ", 1);
        put(w, lw_server_mechanisms(e), strlen(lw_server_mechanisms(e)));
    } else if (cap == LW_CAP_LIMITS) {
        put_limits(w, o);
    } else if (cap == LW_CAP_DELIVERBY && o->deliverby_min_s != 0) {
        put_number(w, " ", o->deliverby_min_s);
    } else if (cap == LW_CAP_FUTURERELEASE) {
        put_number(w, " ", o->hold_max_s);
        put(w, " ", 1);
        put(w, o->hold_max_until, strlen(o->hold_max_until));
    }
}

/* The room is there: the list is bounded by the options' bounds. */
static bool
say_hello(lw_smtp_server *e, const char *text)
{
    static const struct {
        uint32_t bit;
        const char *keyword;
    } rows[] = {
#define ROW(name, keyword_) { LW_CAP_##name, keyword_ },
        LW_CAP_MAP(ROW)
#undef ROW
    };
    uint32_t caps = e->ev.is_esmtp ? lw_server_caps(e) : 0;
    writer w = { e->out + e->out_len, e->out + e->out_cap, false };
    char *last = w.p;
    lw_span greet = lw_span_str(text);

    if (greet.len > FOLD)
        greet.len = FOLD;
    put(&w, "250-", 4);
    put(&w, e->o.name, strlen(e->o.name));
    put(&w, " ", greet.len > 0);
    put_safe(&w, greet, false);
    put(&w, "\r\n", 2);
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        if ((caps & rows[i].bit) == 0)
            continue;
        last = w.p;
        put(&w, "250-", 4);
        put_capability(&w, e, rows[i].bit, rows[i].keyword);
        put(&w, "\r\n", 2);
    }
    if (LW_NEVER(w.is_full))
        return false;
    last[3] = ' ';
    e->out_len = (size_t)(w.p - e->out);
    return true;
}

/* ---- defaults -------------------------------------------------------------------------------- */

static const struct {
    int code;
    const char *enhanced, *text;
} usual[] = {
    { 211, "2.0.0", "System status" },
    { 214, "2.0.0", "See RFC 5321" },
    { 220, NULL, "ESMTP ready" },
    { 235, "2.7.0", "Authentication successful" },
    { 250, "2.0.0", "OK" },
    { 251, "2.1.5", "User not local; will forward" },
    { 252, "2.5.0", "Cannot VRFY user, but will accept message and attempt delivery" },
    { 354, NULL, "End data with <CR><LF>.<CR><LF>" },
    { 421, "4.3.2", "Service not available, closing connection" },
    { 432, "4.7.12", "A password transition is needed" },
    { 450, "4.2.1", "Mailbox unavailable" },
    { 451, "4.3.0", "Local error in processing" },
    { 452, "4.3.1", "Insufficient system storage" },
    { 454, "4.7.0", "Temporary authentication failure" },
    { 455, "4.5.4", "Server unable to accommodate parameters" },
    { 500, "5.5.2", "Command not recognized" },
    { 501, "5.5.4", "Syntax error in parameters" },
    { 502, "5.5.1", "Command not implemented" },
    { 503, "5.5.1", "Bad sequence of commands" },
    { 504, "5.5.4", "Command parameter not implemented" },
    { 530, "5.7.0", "Authentication required" },
    { 534, "5.7.9", "Authentication mechanism is too weak" },
    { 535, "5.7.8", "Authentication credentials invalid" },
    { 538, "5.7.11", "Encryption required for requested authentication mechanism" },
    { 550, "5.7.1", "Requested action not taken" },
    { 551, "5.1.6", "User not local" },
    { 552, "5.3.4", "Message too big" },
    { 553, "5.1.3", "Mailbox name not allowed" },
    { 554, "5.0.0", "Transaction failed" },
    { 555, "5.5.4", "Parameters not recognized or not implemented" },
};

static void
fill_in(lw_server_event_kind kind, int code, const char **enhanced, const char **text)
{
    static const char *const of_class[] = { "2.0.0", NULL, "4.0.0", "5.0.0" };
    const char *usual_enhanced = of_class[code / 100 - 2], *usual_text = "";

    for (size_t i = 0; i < LW_COUNT(usual); i++) {
        if (usual[i].code == code) {
            usual_enhanced = usual[i].enhanced;
            usual_text = usual[i].text;
        }
    }
    if (kind == LW_SERVER_MAIL && code == 250)
        usual_enhanced = "2.1.0";
    else if (kind == LW_SERVER_RCPT && code == 250)
        usual_enhanced = "2.1.5";
    else if (kind == LW_SERVER_RCPT && code == 550)
        usual_enhanced = "5.1.1";
    else if (kind == LW_SERVER_RCPT && code == 452)
        usual_enhanced = "4.5.3";
    if (*enhanced == NULL)
        *enhanced = usual_enhanced;
    if (*text == NULL)
        *text = usual_text;
}

static int
usual_code(lw_server_event_kind kind)
{
    switch (kind) {
    case LW_SERVER_OPEN:
        return 220;
    case LW_SERVER_AUTH:
    case LW_SERVER_AUTH_DATA:
        return 235;
    case LW_SERVER_DATA:
        return 354;
    case LW_SERVER_VRFY:
    case LW_SERVER_EXPN:
        return 252;
    case LW_SERVER_HELP:
        return 214;
    case LW_SERVER_UNKNOWN:
        return 500;
    case LW_SERVER_HELLO:
    case LW_SERVER_MAIL:
    case LW_SERVER_RCPT:
    case LW_SERVER_MESSAGE:
    case LW_SERVER_START_TLS:
    case LW_SERVER_BODY:
    case LW_SERVER_RESET:
    case LW_SERVER_QUIT:
    case LW_SERVER_CLOSED:
        return 250;
    }
    return 250;
}

/* ---- the caller's answers -------------------------------------------------------------------------- */

static bool
fits(lw_server_event_kind kind, int code)
{
    if (code >= 400 && code <= 599)
        return true;
    if (kind == LW_SERVER_DATA)
        return code == 354;
    if (kind == LW_SERVER_OPEN || kind == LW_SERVER_HELLO || kind == LW_SERVER_AUTH ||
        kind == LW_SERVER_AUTH_DATA)
        return code == usual_code(kind);
    return code >= 200 && code <= 299;
}

/* class "." 1*3digit "." 1*3digit, the class that of the code */
static bool
is_enhanced_of(const char *s, int code)
{
    lw_span rest = lw_span_str(s), part;
    uint64_t value;
    int n = 0;

    if (rest.len == 0 || s[0] != (char)('0' + code / 100) || code / 100 == 3)
        return false;
    for (; lw_span_token(&rest, '.', &part); n++) {
        if (part.len > (n == 0 ? 1u : 3u) || !lw_span_uint(part, 999, &value))
            return false;
    }
    return n == 3;
}

void
lw_server_pump(lw_smtp_server *e)
{
    if (e->final_left == 0)
        return;
    while (e->final_left > 0 &&
           e->out_cap - e->out_len >= e->out_reserve + LW_SERVER_LAST_WORDS) {
        (void)lw_server_say(e, e->fail->code, e->fail->enhanced, e->fail->text);
        e->final_left--;
    }
    if (e->final_left > 0)
        return;
    lw_server_end_transaction(e);
    lw_server_set_state(e, LW_SERVER_S_READY);
    if (e->has_eof)
        lw_server_begin_close(e, LW_ELOST);
}

static void
answer_message(lw_smtp_server *e, int code)
{
    if (code < 300)
        e->n_errors = 0;
    /* [RFC2033 4.2] "for each previously successful RCPT command in the mail transaction" */
    if (e->o.protocol == LW_PROTOCOL_LMTP && ++e->final_index < e->n_rcpts) {
        lw_server_ask_message(e);
        return;
    }
    lw_server_end_transaction(e);
    lw_server_set_state(e, LW_SERVER_S_READY);
}

static void
answer_auth(lw_smtp_server *e, int code)
{
    lw_wipe(e->line, e->line_cap);
    lw_wipe(e->store.ptr, e->store.len);
    e->has_auth = code < 300;
    if (e->state == LW_SERVER_S_AUTH)
        lw_server_set_state(e, LW_SERVER_S_READY);
}

static void
answer_open(lw_smtp_server *e, int code)
{
    /* RFC 5321 3.1: a server that says 554 "MUST still wait for the client to send a QUIT" */
    lw_server_set_state(e, code == 220 ? LW_SERVER_S_GREETED : LW_SERVER_S_REFUSED);
}

static void
take_effect(lw_smtp_server *e, lw_server_event_kind kind, int code)
{
    bool is_good = code < 400;

    if (kind == LW_SERVER_OPEN) {
        answer_open(e, code);
    } else if (kind == LW_SERVER_HELLO && is_good) {
        /* [RFC5321 4.1.4] "MUST clear all buffers and reset the state exactly as if a RSET" */
        lw_server_drop(e);
        e->is_esmtp = e->ev.is_esmtp;
        lw_server_set_state(e, LW_SERVER_S_READY);
    } else if (kind == LW_SERVER_MAIL && is_good) {
        e->has_mail = true;
        e->has_smtputf8 = e->ev.mail.smtputf8;
        e->body_type = e->ev.mail.body_type;
        lw_server_set_state(e, LW_SERVER_S_MAIL);
    } else if (kind == LW_SERVER_RCPT && is_good) {
        e->n_rcpts++;
    } else if (kind == LW_SERVER_DATA && is_good) {
        lw_server_begin_body(e);
        lw_server_set_state(e, LW_SERVER_S_DATA);
    } else if (kind == LW_SERVER_MESSAGE) {
        answer_message(e, code);
    } else if (kind == LW_SERVER_AUTH || kind == LW_SERVER_AUTH_DATA) {
        answer_auth(e, code);
    }
}

/* The caller's refusal of a chunk is said when its octets have been swallowed. */
static void
keep_for_later(lw_smtp_server *e, int code, const char *enhanced, const char *text)
{
    lw_span s = lw_span_str(text);

    e->store.len = 0;
    if (s.len > e->store.cap - 1)
        s.len = e->store.cap - 1;
    lw_print_safe(e->late_enhanced, sizeof e->late_enhanced, lw_span_str(enhanced));
    e->late = (lw_refusal){ code, e->late_enhanced, lw_store_span(&e->store, s) };
    lw_server_chunk_answer(e, &e->late);
}

static bool
say_answer(lw_smtp_server *e, lw_server_event_kind kind, int code, const char *enhanced,
           const char *text)
{
    lw_span name = lw_span_str(e->o.name);

    if (kind == LW_SERVER_HELLO)
        return code == 250 ? say_hello(e, text) : lw_server_say(e, code, NULL, text);
    if (kind == LW_SERVER_OPEN)
        return say_after(e, code, NULL, name, lw_span_str(text));
    return lw_server_say(e, code, enhanced, text);
}

static lw_code
answer(lw_smtp_server *e, int code, const char *enhanced, const char *text)
{
    lw_server_event_kind kind = (lw_server_event_kind)e->owed;
    static const lw_refusal nothing = { 500, "5.5.2", "Command not recognized" };

    if (kind == LW_SERVER_DATA && e->ev.is_bdat && code != 421) {
        e->owed = -1;
        if (code == 354)
            lw_server_chunk_answer(e, NULL);
        else
            keep_for_later(e, code, enhanced, text);
    } else if (kind == LW_SERVER_UNKNOWN && code >= 500 && e->n_errors >= e->o.max_errors) {
        e->owed = -1;
        lw_server_refuse(e, &nothing);
    } else {
        if (!say_answer(e, kind, code, enhanced, text))
            return LW_EUSAGE;
        e->owed = -1;
        if (code == 421)
            lw_server_begin_close(e, LW_ECANCELED);
        else
            take_effect(e, kind, code);
        e->n_errors += kind == LW_SERVER_UNKNOWN && code >= 500;
    }
    e->armed_ms = e->now_ms;
    if (e->has_eof && !lw_server_is_asking(e) && e->final_left == 0 && !e->final_waits)
        lw_server_begin_close(e, LW_ELOST);
    return LW_OK;
}

lw_code
lw_smtp_server_reply(lw_smtp_server *e, int code, const char *enhanced, const char *text)
{
    if (e == NULL || e->owed < 0 || !fits((lw_server_event_kind)e->owed, code) ||
        (enhanced != NULL && !is_enhanced_of(enhanced, code)))
        return LW_EUSAGE;
    /* the 250 to EHLO and HELO has no text but the caller's behind our name */
    if (e->owed == LW_SERVER_HELLO && code == 250 && text == NULL)
        text = "";
    fill_in((lw_server_event_kind)e->owed, code, &enhanced, &text);
    return answer(e, code, enhanced, text);
}

lw_code
lw_smtp_server_accept(lw_smtp_server *e)
{
    const char *text = NULL;

    if (e == NULL || e->owed < 0)
        return LW_EUSAGE;
    if (e->owed == LW_SERVER_OPEN && e->o.protocol == LW_PROTOCOL_LMTP)
        text = "LMTP ready";
    return lw_smtp_server_reply(e, usual_code((lw_server_event_kind)e->owed), NULL, text);
}

lw_code
lw_smtp_server_challenge(lw_smtp_server *e, lw_span base64)
{
    if (e == NULL || (base64.ptr == NULL && base64.len > 0) ||
        (e->owed != LW_SERVER_AUTH && e->owed != LW_SERVER_AUTH_DATA) ||
        base64.len > LW_SERVER_AUTH_MAX || !lw_command_is_base64(base64))
        return LW_EUSAGE;
    /* [RFC4954 4] "Note that there is still a space following the reply code, so" */
    memcpy(e->out + e->out_len, "334 ", 4);
    if (base64.len > 0)
        memcpy(e->out + e->out_len + 4, base64.ptr, base64.len);
    memcpy(e->out + e->out_len + 4 + base64.len, "\r\n", 2);
    e->out_len += base64.len + 6;
    e->owed = -1;
    e->armed_ms = e->now_ms;
    lw_server_set_state(e, LW_SERVER_S_AUTH);
    if (e->has_eof)
        lw_server_begin_close(e, LW_ELOST);
    return LW_OK;
}
