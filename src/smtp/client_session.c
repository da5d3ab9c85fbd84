/* SPDX-License-Identifier: MIT */
/*
 * smtp/client_session.c - all that is no transaction: greeting, EHLO, STARTTLS, AUTH, commands
 * by hand, QUIT (RFC 5321 3.1, 4.1.1.1, 4.1.1.10; RFC 3207; RFC 4954)
 */
#include "smtp/client_int.h"

static bool
is_refusal(const lw_reply *r)
{
    return r->code / 100 == 4 || r->code / 100 == 5;
}

static lw_code
odd_reply(lw_smtp *e, lw_stage stage, const lw_reply *r)
{
    return lw_smtp_lose(e, LW_EPROTO, stage, "the server answered %s with %d, which has no "
                        "meaning there", lw_stage_name(stage), r->code);
}

/* the session cannot be used: remember the reply, end it as the RFC asks */
static lw_code
refused(lw_smtp *e, lw_stage stage, const lw_reply *r)
{
    char shown[400];

    lw_print_safe(shown, sizeof shown, r->text);
    lw_fail(&e->err, LW_EREPLY, stage, "the server refused with %d %s", r->code, shown);
    e->err.reply_code = r->code;
    e->err.enhanced = r->enhanced;
    e->err.retry = LW_RETRY_OTHER_HOST;
    lw_smtp_make_quit(e);
    return LW_OK;
}

void
lw_smtp_make_quit(lw_smtp *e)
{
    lw_smtp_out_text(e, LW_LIT("QUIT\r\n"));
    lw_smtp_await(e, AWAIT_QUIT, NO_SLOT);
    e->quit_sent = e->quit_wanted = true;
    lw_smtp_set_state(e, STATE_QUIT);
}

static void
send_hello(lw_smtp *e, lw_span verb, awaited_kind kind)
{
    lw_smtp_out_text(e, verb);
    lw_smtp_out_text(e, lw_span_str(e->ehlo_name));
    lw_smtp_out_text(e, LW_LIT("\r\n"));
    lw_smtp_await(e, kind, NO_SLOT);
}

void
lw_smtp_send_ehlo(lw_smtp *e)
{
    /* [RFC2033 4.1] "The HELO and EHLO commands of ESMTP are replaced by the LHLO command." */
    send_hello(e, e->opts.protocol == LW_PROTOCOL_LMTP ? LW_LIT("LHLO ") : LW_LIT("EHLO "),
               AWAIT_EHLO);
    lw_smtp_set_state(e, STATE_EHLO);
}

static void
tell_ready(lw_smtp *e, const lw_reply *r)
{
    lw_smtp_set_state(e, STATE_READY);
    lw_smtp_put_event(e, (lw_event){ .kind = LW_EVENT_READY, .stage = LW_STAGE_EHLO,
                                     .reply = *r, .text = "" });
}

static lw_code
reply_to_connect(lw_smtp *e, const lw_reply *r)
{
    /* [RFC5321 3.1] 554 instead of 220: "wait for the client to send a QUIT" */
    if (is_refusal(r))
        return refused(e, LW_STAGE_GREETING, r);
    if (r->code != 220)
        return odd_reply(e, LW_STAGE_GREETING, r);
    lw_smtp_put_event(e, (lw_event){ .kind = LW_EVENT_GREETING, .stage = LW_STAGE_GREETING,
                                     .reply = *r, .text = "" });
    if (e->opts.is_by_hand)
        lw_smtp_set_state(e, STATE_READY);
    else
        lw_smtp_send_ehlo(e);
    return LW_OK;
}

/* "250-mx.example Hello client.example [192.0.2.1]", HELP offered, and no enhanced codes: Exim, unless
 * an ACL of its own says something else; its greeting is changed more often.  Whoever else speaks
 * so only gets fewer transactions at once. */
static bool
speaks_like_exim(const lw_smtp *e, const lw_reply *r)
{
    lw_span rest = r->text, word;

    return (e->caps.flags & (LW_CAP_HELP | LW_CAP_ENHANCEDSTATUSCODES)) == LW_CAP_HELP &&
           lw_span_token(&rest, ' ', &word) && lw_span_token(&rest, ' ', &word) &&
           lw_span_eq_nocase(word, LW_LIT("Hello"));
}

static lw_code
take_capabilities(lw_smtp *e, const lw_reply *r)
{
    if (lw_caps_parse(&e->caps, r->text, e->caps_text, e->caps_auth,
                      e->opts.max_capability_bytes) == LW_OK) {
        e->counts_resets = speaks_like_exim(e, r);
        return LW_OK;
    }
    return lw_smtp_lose(e, LW_ELIMIT, LW_STAGE_EHLO, "the server's answer to EHLO is longer "
                        "than %u octets", e->opts.max_capability_bytes);
}

static lw_code
reply_to_ehlo(lw_smtp *e, const lw_reply *r)
{
    if (r->code / 100 == 2) {
        if (take_capabilities(e, r) == LW_OK)
            tell_ready(e, r);
        return e->err.code;
    }
    /* [RFC5321 3.2] "the client SHOULD be able to fall back and send HELO" */
    if (r->code / 100 == 5 && e->opts.protocol == LW_PROTOCOL_SMTP) {
        send_hello(e, LW_LIT("HELO "), AWAIT_HELO);
        lw_smtp_set_state(e, STATE_HELO);
        return LW_OK;
    }
    return is_refusal(r) ? refused(e, LW_STAGE_EHLO, r) : odd_reply(e, LW_STAGE_EHLO, r);
}

static void
forget_capabilities(lw_smtp *e)
{
    memset(&e->caps, 0, sizeof e->caps);
    e->caps.auth = e->caps.lines = e->caps.hold_max_until = LW_LIT("");
    e->counts_resets = false;
}

static lw_code
reply_to_helo(lw_smtp *e, const lw_reply *r)
{
    if (is_refusal(r))
        return refused(e, LW_STAGE_EHLO, r);
    if (r->code / 100 != 2)
        return odd_reply(e, LW_STAGE_EHLO, r);
    forget_capabilities(e);
    tell_ready(e, r);
    return LW_OK;
}

/* ---- STARTTLS ---------------------------------------------------------------------------- */

lw_code
lw_smtp_starttls(lw_smtp *e)
{
    if (e == NULL)
        return LW_EUSAGE;
    if (e->state != STATE_READY || e->n_await > 0 || e->n_slots > 0 || e->tls_active)
        return LW_EUSAGE;
    if ((e->caps.flags & LW_CAP_STARTTLS) == 0 && !e->opts.is_by_hand)
        return LW_ECAPABILITY;
    lw_smtp_out_text(e, LW_LIT("STARTTLS\r\n"));
    lw_smtp_await(e, AWAIT_STARTTLS, NO_SLOT);
    lw_smtp_set_state(e, STATE_STARTTLS);
    return LW_OK;
}

static lw_code
reply_to_starttls(lw_smtp *e, const lw_reply *r)
{
    bool ready = r->code == 220;

    if (!ready && !is_refusal(r))
        return odd_reply(e, LW_STAGE_STARTTLS, r);
    lw_smtp_set_state(e, ready ? STATE_TLS : STATE_READY);
    lw_smtp_put_event(e, (lw_event){ .kind = ready ? LW_EVENT_START_TLS : LW_EVENT_NO_TLS,
                                     .stage = LW_STAGE_STARTTLS, .reply = *r, .text = "",
                                     .code = ready ? LW_OK : LW_EREPLY });
    return LW_OK;
}

lw_code
lw_smtp_tls_done(lw_smtp *e)
{
    if (e == NULL)
        return LW_EUSAGE;
    if (e->state == STATE_GREETING && !e->tls_active) {
        e->tls_active = true;
        return LW_OK;
    }
    if (e->state != STATE_TLS)
        return LW_EUSAGE;
    e->tls_active = true;
    /* [RFC3207 4.2] "The client MUST discard any knowledge obtained from the server" */
    forget_capabilities(e);
    if (e->opts.is_by_hand)
        lw_smtp_set_state(e, STATE_READY);
    else
        lw_smtp_send_ehlo(e);
    return LW_OK;
}

/* ---- AUTH ---------------------------------------------------------------------------------- */

static void
send_secret_line(lw_smtp *e, lw_span secret)
{
    lw_smtp_out_ref(e, secret, LW_SLICE_SECRET);
    lw_smtp_out_text(e, LW_LIT("\r\n"));
    lw_smtp_await(e, AWAIT_AUTH, NO_SLOT);
}

static bool
is_mechanism(const char *s)
{
    size_t n = 0;

    /* RFC 4422 3.1 sasl-mech: 1 to 20 of A-Z 0-9 - _ */
    for (; s[n] != '\0'; n++)
        if (n >= 20 || !(lw_is_alnum(s[n]) || s[n] == '-' || s[n] == '_'))
            return false;
    return n > 0;
}

lw_code
lw_smtp_auth(lw_smtp *e, const char *mechanism, lw_span initial)
{
    size_t line;

    if (e == NULL || mechanism == NULL || (initial.ptr == NULL && initial.len > 0))
        return LW_EUSAGE;
    if (e->state != STATE_READY || e->n_await > 0 || e->n_slots > 0 || e->logged_in ||
        !is_mechanism(mechanism) || initial.len > AUTH_MAX_BYTES)
        return LW_EUSAGE;
    line = strlen("AUTH  \r\n") + strlen(mechanism) + initial.len;
    lw_smtp_out_text(e, LW_LIT("AUTH "));
    lw_smtp_out_text(e, lw_span_str(mechanism));
    e->auth_has_later = false;
    /* [RFC4954 4] "If use of the initial response argument would cause the AUTH command to
     * exceed this length, the client MUST NOT use the initial response parameter" */
    if (line > LINE_MAX_BYTES) {
        e->auth_later = initial;
        e->auth_has_later = true;
    } else if (initial.ptr != NULL) {
        lw_smtp_out_text(e, LW_LIT(" "));
        /* [RFC4954 4] "it MUST instead transmit the response as a single equals sign" */
        if (initial.len == 0)
            lw_smtp_out_text(e, LW_LIT("="));
        else
            lw_smtp_out_ref(e, initial, LW_SLICE_SECRET);
    }
    lw_smtp_out_text(e, LW_LIT("\r\n"));
    lw_smtp_await(e, AWAIT_AUTH, NO_SLOT);
    lw_smtp_set_state(e, STATE_AUTH);
    return LW_OK;
}

lw_code
lw_smtp_auth_answer(lw_smtp *e, lw_span response)
{
    if (e == NULL || (response.ptr == NULL && response.len > 0))
        return LW_EUSAGE;
    if (e->state != STATE_CHALLENGE || response.len > AUTH_MAX_BYTES ||
        lw_span_has_eol(response))
        return LW_EUSAGE;
    send_secret_line(e, response);
    lw_smtp_set_state(e, STATE_AUTH);
    return LW_OK;
}

lw_code
lw_smtp_auth_cancel(lw_smtp *e)
{
    if (e == NULL)
        return LW_EUSAGE;
    if (e->state != STATE_CHALLENGE)
        return LW_EUSAGE;
    lw_smtp_out_text(e, LW_LIT("*\r\n"));
    lw_smtp_await(e, AWAIT_AUTH, NO_SLOT);
    lw_smtp_set_state(e, STATE_AUTH);
    return LW_OK;
}

static lw_code
reply_to_auth(lw_smtp *e, const lw_reply *r)
{
    bool is_in = r->code / 100 == 2;

    if (r->code == 334 && e->auth_has_later) {
        e->auth_has_later = false;
        send_secret_line(e, e->auth_later);
        return LW_OK;
    }
    if (r->code == 334) {
        lw_smtp_set_state(e, STATE_CHALLENGE);
        lw_smtp_put_event(e, (lw_event){ .kind = LW_EVENT_CHALLENGE, .stage = LW_STAGE_AUTH,
                                         .reply = *r, .challenge = r->text, .text = "" });
        return LW_OK;
    }
    if (!is_in && !is_refusal(r))
        return odd_reply(e, LW_STAGE_AUTH, r);
    e->logged_in = is_in;
    e->auth_later = LW_NO_SPAN;
    lw_smtp_set_state(e, STATE_READY);
    lw_smtp_put_event(e, (lw_event){ .kind = LW_EVENT_AUTH, .stage = LW_STAGE_AUTH, .reply = *r,
                                     .code = is_in ? LW_OK : LW_EAUTH, .text = "" });
    return LW_OK;
}

/* ---- commands by hand ------------------------------------------------------------------------ */

static size_t
skip(lw_span s, size_t at, bool is_space)
{
    while (at < s.len && (s.ptr[at] == ' ' || s.ptr[at] == '\t') == is_space)
        at++;
    return at;
}

size_t
lw_smtp_shown(lw_span line)
{
    size_t verb = skip(line, 0, true), end = skip(line, verb, false);

    if (!lw_span_eq_nocase((lw_span){ line.ptr + verb, end - verb }, LW_LIT("AUTH")))
        return line.len;
    return skip(line, skip(line, skip(line, end, true), false), true);
}

static void
send_line(lw_smtp *e, lw_span line)
{
    size_t shown = e->last_was_334 ? 0 : lw_smtp_shown(line);
    lw_span copy;

    if (shown > 0)
        lw_smtp_out_text(e, (lw_span){ line.ptr, shown });
    copy = (lw_span){ e->cmd + e->cmd_len, line.len - shown };
    if (copy.len > 0) {
        memcpy(e->cmd + e->cmd_len, line.ptr + shown, copy.len);
        e->cmd_len += copy.len;
        lw_smtp_out_ref(e, copy, LW_SLICE_SECRET);
    }
    lw_smtp_out_text(e, LW_LIT("\r\n"));
}

static bool
is_hello(lw_span line)
{
    return lw_span_starts_nocase(line, LW_LIT("EHLO")) ||
           lw_span_starts_nocase(line, LW_LIT("LHLO")) ||
           lw_span_starts_nocase(line, LW_LIT("HELO"));
}

lw_code
lw_smtp_command(lw_smtp *e, lw_span line, unsigned n_replies, void *tag)
{
    if (e == NULL || (line.ptr == NULL && line.len > 0))
        return LW_EUSAGE;
    if (e->state != STATE_READY || e->n_await > 0 || e->n_slots > 0 || e->has_event ||
        line.len > 1000 || lw_span_has_eol(line))
        return LW_EUSAGE;
    if (!lw_smtp_out_room(e, 4))
        return LW_AGAIN;
    send_line(e, line);
    e->since_ms = e->now_ms;
    if (n_replies == 0)
        return LW_OK;
    e->command_tag = tag;
    e->command_left = n_replies;
    e->command_is_hello = is_hello(line);
    lw_smtp_await(e, AWAIT_COMMAND, NO_SLOT); /* the next one when this has come */
    lw_smtp_set_state(e, STATE_COMMAND);
    return LW_OK;
}

static lw_code
reply_to_command(lw_smtp *e, const lw_reply *r)
{
    e->last_was_334 = r->code == 334;
    if (e->command_is_hello && r->code / 100 == 2 && take_capabilities(e, r) != LW_OK)
        return e->err.code;
    if (--e->command_left > 0)
        lw_smtp_await(e, AWAIT_COMMAND, NO_SLOT);
    else
        lw_smtp_set_state(e, STATE_READY);
    lw_smtp_put_event(e, (lw_event){ .kind = LW_EVENT_REPLY, .tag = e->command_tag, .reply = *r,
                                     .stage = LW_STAGE_COMMAND, .text = "",
                                     .code = is_refusal(r) ? LW_EREPLY : LW_OK });
    return LW_OK;
}

static lw_code
reply_to_reset(lw_smtp *e, const lw_reply *r)
{
    lw_code rc;

    if (r->code / 100 == 2)
        lw_smtp_reset_was_taken(e);
    if (r->code / 100 == 2 || r->code == 421) /* the end of a session is told for all commands */
        return LW_OK;
    rc = lw_smtp_lose(e, LW_EREPLY, LW_STAGE_MAIL, "the server refused RSET with %d", r->code);
    e->err.reply_code = r->code;
    e->err.enhanced = r->enhanced;
    return rc;
}

lw_code
lw_smtp_session_reply(lw_smtp *e, awaited_kind kind, const lw_reply *r)
{
    switch (kind) {
    case AWAIT_GREETING: return reply_to_connect(e, r);
    case AWAIT_EHLO: return reply_to_ehlo(e, r);
    case AWAIT_HELO: return reply_to_helo(e, r);
    case AWAIT_STARTTLS: return reply_to_starttls(e, r);
    case AWAIT_AUTH: return reply_to_auth(e, r);
    case AWAIT_COMMAND: return reply_to_command(e, r);
    case AWAIT_RSET:
        return reply_to_reset(e, r);
    case AWAIT_QUIT: return lw_smtp_lose(e, LW_OK, LW_STAGE_QUIT, "%s", "");
    case AWAIT_MAIL:
    case AWAIT_RCPT:
    case AWAIT_DATA:
    case AWAIT_CHUNK:
    case AWAIT_FINAL:
        break;
    }
    return LW_NEVER(true) ? LW_EBUG : LW_OK;
}
