/* SPDX-License-Identifier: MIT */
/*
 * client/transact.c - one transaction over a session, into a report
 *
 * A connection that died while it was idle costs nothing: as long as nothing can have been
 * accepted, the transaction goes over a new one, once.  What is `uncertain` is never sent again.
 */
#include "client/client_int.h"

/* why something was not sent, when no reply says it: the first sentence counts */
static void
keep_failure(lw_report *r, const lw_event *ev)
{
    if (ev->code < 0 && ev->reply.code == 0 && r->error.code == LW_OK)
        lw_fail(&r->error, ev->code, ev->stage, "%s",
                ev->text[0] != '\0' ? ev->text : lw_code_text(ev->code));
}

static void
take_event(lw_report *r, const lw_event *ev, const lw_outgoing *out)
{
    if (ev->kind == LW_EVENT_RCPT) {
        lw_report_rcpt(r, ev);
        keep_failure(r, ev);
    }
    if (ev->kind != LW_EVENT_DONE)
        return;
    lw_report_dropped(r, ev->dropped);
    keep_failure(r, ev);
    if (ev->code == LW_ESOURCE && out != NULL && lw_outgoing_error(out)->code < 0)
        r->error = *lw_outgoing_error(out); /* it names the file */
}

/* until DONE, or with QUIT on its way until the end */
static void
follow(lw_session *s, bool is_last, const lw_outgoing *out, lw_report *r)
{
    bool is_done = false;
    lw_event ev;

    while ((!is_done || is_last) && lw_session_next(s, &ev) == LW_OK) {
        take_event(r, &ev, out);
        is_done = is_done || ev.kind == LW_EVENT_DONE;
    }
    if (lw_smtp_error(lw_session_engine(s))->code < 0 && r->error.code < 0 &&
        r->error.code != LW_ESOURCE)
        (void)lw_channel_lost(&s->channel, &r->error);
}

static lw_code
submit(lw_session *s, lw_envelope *env, lw_body *body, lw_error *err)
{
    lw_code rc;

    for (size_t i = 0; i < env->n_rcpts; i++)
        env->rcpts[i].state = 0; /* it may have been used with another engine */
    if ((rc = lw_smtp_submit(lw_session_engine(s), env, body, NULL)) == LW_OK)
        return LW_OK;
    return lw_fail(err, rc < 0 ? rc : LW_EUSAGE, LW_STAGE_COMPOSE, "%s",
                   rc == LW_EADDRESS ? "an address or parameter of the envelope is malformed or "
                                       "too long"
                   : env->n_rcpts == 0 ? "the message has no recipient: add one with to, cc "
                                         "or bcc"
                                       : "the envelope cannot be sent");
}

/* what the peer can take is known only now */
static lw_code
fit(lw_session *s, const lw_outgoing *out, const lw_body *body, lw_report *r)
{
    lw_code rc;

    if (out == NULL)
        return LW_OK;
    rc = lw_outgoing_fit(out, lw_smtp_capabilities(lw_session_engine(s)),
                         s->setup.opts.no_chunking, &r->error);
    if (rc < 0 && r->error.code == LW_OK)
        lw_fail(&r->error, rc, LW_STAGE_COMPOSE, "message: %s", lw_code_text(rc));
    r->size = body->size;
    return rc;
}

/* "the server does not offer SMTPUTF8" becomes useful with the address that asks for it */
static void
explain_smtputf8(const lw_session *s, const lw_outgoing *out, lw_report *r)
{
    lw_error why, was = r->error;

    if (out == NULL || was.code != LW_ECAPABILITY || !lw_rendering_smtputf8(out->rendering, &why)
        || (lw_smtp_capabilities(lw_session_engine(s))->flags & LW_CAP_SMTPUTF8))
        return;
    lw_fail(&r->error, was.code, was.stage, "%.400s (%.200s)", was.text, why.text);
    r->error.retry = was.retry;
}

static void
attempt(lw_session *s, lw_envelope *env, lw_body *body, bool is_last,
        const lw_outgoing *out, lw_report *r)
{
    lw_smtp *engine = lw_session_engine(s);
    unsigned flights = s->channel.is_fresh ? 0 : lw_smtp_flights(engine);

    if (fit(s, out, body, r) < 0 || submit(s, env, body, &r->error) < 0)
        return;
    r->body_type = env->body_type;
    if (is_last)
        (void)lw_smtp_quit(engine);
    follow(s, is_last, out, r);
    r->flights = lw_smtp_flights(engine) - flights;
    explain_smtputf8(s, out, r);
    if (r->error.code < 0 && r->error.stage != LW_STAGE_COMPOSE)
        lw_channel_explain(&s->channel, &r->error);
}

/* nothing can have been accepted, and the reason is the age of the connection, not the message */
static bool
may_try_again(const lw_session *s, bool was_fresh, const lw_body *body, const lw_report *r)
{
    bool is_reason = r->error.code == LW_ELOST || r->error.code == LW_ELIMIT ||
                     r->error.reply_code == 421;

    return !was_fresh && is_reason && body->rewind != NULL && lw_report_all_unsent(r) &&
           uv_now(&s->loop) < s->deadline_ms;
}

static bool
connect_if_needed(lw_session *s, lw_report *r)
{
    if (s->channel.phase == LW_CHANNEL_UP && lw_link_is_alive(&s->channel.link))
        return true;
    lw_session_hang_up(s);
    return lw_session_connect(s, &r->error) >= 0;
}

void
lw_transact(lw_session *s, lw_envelope *env, lw_body *body, bool is_last,
            const lw_outgoing *out, lw_report *r)
{
    bool was_fresh;

    if (!connect_if_needed(s, r))
        return;
    was_fresh = s->channel.is_fresh;
    attempt(s, env, body, is_last, out, r);
    if (may_try_again(s, was_fresh, body, r) && body->rewind(body->ctx) == LW_OK) {
        lw_session_hang_up(s);
        lw_error_clear(&r->error);
        if (lw_session_connect(s, &r->error) >= 0)
            attempt(s, env, body, is_last, out, r);
    }
    s->channel.is_fresh = false;
    if (lw_session_engine(s) == NULL || lw_smtp_want(lw_session_engine(s)) == 0 || is_last)
        lw_session_hang_up(s);
}
