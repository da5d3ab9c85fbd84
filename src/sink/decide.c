/* SPDX-License-Identifier: MIT */
/*
 * sink/decide.c - what a capture server answers: yes to nearly everything
 *
 * Refused are: recipients on the reject list, wrong credentials, connections beyond the
 * limit, and messages that cannot be kept.
 */
#include "sink/sink_int.h"

#include <stdio.h>

/* An answer that the engine calls wrong is our bug; the client gets 421 instead of silence. */
static void
check(lw_sink_session *c, lw_code rc)
{
    if (LW_NEVER(rc < 0)) {
        lw_sink_note(c, "an answer was refused by our own engine");
        lw_smtp_server_close(c->engine, "internal error");
    }
}

static void
reply(lw_sink_session *c, int code, const char *enhanced, const char *text)
{
    check(c, lw_smtp_server_reply(c->engine, code, enhanced, text));
}

static void
accept_event(lw_sink_session *c)
{
    check(c, lw_smtp_server_accept(c->engine));
}

static void
on_open(lw_sink_session *c)
{
    if (!c->is_refused) {
        accept_event(c);
        return;
    }
    lw_sink_note(c, "refused: too many connections");
    reply(c, 421, NULL, "too many connections");
}

static void
on_hello(lw_sink_session *c, const lw_server_event *ev)
{
    lw_release(c->sink->alloc, c->hello);
    c->hello = lw_span_dup(c->sink->alloc, ev->text);
    c->is_esmtp = ev->is_esmtp;
    accept_event(c);
}

static bool
is_rejected(lw_sink_session *c, const char *address)
{
    lw_span rest = lw_span_str(c->sink->opts.reject), one;

    while (lw_span_token(&rest, ',', &one)) {
        if (one.len > 0 && lw_span_eq_nocase(lw_span_trim(one), lw_span_str(address)))
            return true;
    }
    return false;
}

static void
on_rcpt(lw_sink_session *c, const lw_server_event *ev)
{
    if (is_rejected(c, ev->rcpt.address)) {
        lw_sink_note(c, "refused recipient <%s>", ev->rcpt.address);
        reply(c, 550, "5.1.1", "no such user here");
    } else if (lw_sink_mail_rcpt(c, &ev->rcpt) < 0) {
        reply(c, 452, "4.3.1", "out of memory");
    } else {
        accept_event(c);
    }
}

static void
on_mail(lw_sink_session *c, const lw_server_event *ev)
{
    if (c->sink->is_finishing)
        reply(c, 421, "4.3.2", "shutting down");
    else if (lw_sink_mail_begin(c, &ev->mail) < 0)
        reply(c, 452, "4.3.1", "out of memory");
    else
        accept_event(c);
}

static void
on_data(lw_sink_session *c, const lw_server_event *ev)
{
    c->mail.used_bdat = ev->is_bdat;
    accept_event(c);
}

/* LMTP asks once for each recipient; the message is stored and judged once. */
static void
on_message(lw_sink_session *c, const lw_server_event *ev)
{
    char text[64];
    size_t n_answers = c->sink->opts.protocol == LW_PROTOCOL_LMTP ? c->mail.n_rcpts : 1;

    if (c->mail.n_answered++ == 0)
        lw_sink_mail_finish(c);
    if (c->mail.code != 0) {
        reply(c, c->mail.code, NULL, c->mail.text);
    } else {
        snprintf(text, sizeof text, "captured as message %llu",
                 (unsigned long long) c->sink->number);
        reply(c, 250, "2.0.0", text);
    }
    if (c->mail.n_answered >= n_answers)
        lw_sink_mail_reset(c);
}

void
lw_sink_decide(lw_sink_session *c, const lw_server_event *ev)
{
    switch (ev->kind) {
    case LW_SERVER_OPEN: on_open(c); return;
    case LW_SERVER_HELLO: on_hello(c, ev); return;
    case LW_SERVER_AUTH: lw_sink_login_begin(c, ev); return;
    case LW_SERVER_AUTH_DATA: lw_sink_login_go_on(c, ev); return;
    case LW_SERVER_MAIL: on_mail(c, ev); return;
    case LW_SERVER_RCPT: on_rcpt(c, ev); return;
    case LW_SERVER_DATA: on_data(c, ev); return;
    case LW_SERVER_BODY: lw_sink_mail_octets(c, ev->data); return;
    case LW_SERVER_MESSAGE: on_message(c, ev); return;
    case LW_SERVER_RESET: lw_sink_mail_reset(c); return;
    case LW_SERVER_VRFY:
    case LW_SERVER_EXPN:
    case LW_SERVER_HELP:
    case LW_SERVER_UNKNOWN: accept_event(c); return;
    case LW_SERVER_CLOSED:
        lw_sink_note(c, ev->code < 0 ? "closed: %s" : "closed",
                     lw_code_text(ev->code));
        return;
    case LW_SERVER_START_TLS: /* session.c */
    case LW_SERVER_QUIT: return;
    }
}
