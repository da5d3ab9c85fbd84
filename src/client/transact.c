/* SPDX-License-Identifier: MIT */
/*
 * client/transact.c - one transaction over a session, into a report
 *
 * A connection that died while it was idle costs nothing: as long as nothing can have been
 * accepted, the transaction goes over a new one, once.  What is `uncertain` is never sent again.
 */
#include "client/client_int.h"

/* ---- one transaction into a channel, for sessions and pools ------------------------------------ */

/* what the peer can take is known only now */
static lw_code
fit(const lw_channel *c, const lw_transaction *t)
{
    lw_report *r = t->report;
    lw_code rc;

    if (t->out == NULL)
        return LW_OK;
    rc = lw_outgoing_fit(t->out, lw_smtp_capabilities(c->link.engine),
                         c->setup->opts.no_chunking, &r->error);
    if (rc < 0 && r->error.code == LW_OK)
        lw_fail(&r->error, rc, LW_STAGE_COMPOSE, "message: %s", lw_code_text(rc));
    r->size = t->body->size;
    t->env->body_type = lw_rendering_envelope(t->out->rendering)->body_type;
    return rc;
}

/* [RFC8689 2] "The certificate presented by the SMTP server either MUST be verified" */
static bool
is_way_safe(const lw_channel *c)
{
    return c->facts.tls.active && c->facts.tls.verified;
}

lw_code
lw_channel_submit(lw_channel *c, const lw_transaction *t)
{
    lw_envelope *env = t->env;
    lw_code rc;

    if (env->require_tls && !is_way_safe(c))
        return lw_fail(&t->report->error, LW_ETLS, LW_STAGE_MAIL, "REQUIRETLS was asked for, and "
                       "%s", c->facts.tls.active ? "the certificate does not verify"
                                                 : "this connection has no TLS");
    if ((rc = fit(c, t)) < 0)
        return rc;
    for (size_t i = 0; i < env->n_rcpts; i++)
        env->rcpts[i].state = 0; /* it may have been used with another engine */
    t->report->body_type = env->body_type;
    if ((rc = lw_smtp_submit(c->link.engine, env, t->body, t->tag)) == LW_OK)
        return LW_OK;
    return lw_fail(&t->report->error, rc < 0 ? rc : LW_EUSAGE, LW_STAGE_COMPOSE, "%s",
                   rc == LW_EADDRESS ? "an address or parameter of the envelope is malformed or "
                                       "too long"
                   : env->n_rcpts == 0 ? "the message has no recipient: add one with to, cc "
                                         "or bcc"
                                       : "the envelope cannot be sent");
}

/* "the server does not offer SMTPUTF8" becomes useful with the address that asks for it */
static void
explain_smtputf8(const lw_channel *c, const lw_transaction *t)
{
    lw_error why, was = t->report->error;

    if (t->out == NULL || was.code != LW_ECAPABILITY ||
        !lw_rendering_smtputf8(t->out->rendering, &why) ||
        (lw_smtp_capabilities(c->link.engine)->flags & LW_CAP_SMTPUTF8))
        return;
    lw_fail(&t->report->error, was.code, was.stage, "%.400s (%.200s)", was.text, why.text);
    t->report->error.retry = was.retry;
}

void
lw_channel_finish(lw_channel *c, const lw_transaction *t)
{
    lw_error *err = &t->report->error;

    if (lw_smtp_pipelining(c->link.engine) == LW_PIPELINING_WORKS)
        lw_result_note_pipelining(c->pipelining, LW_PIPELINING_WORKS);
    if (err->code >= 0)
        return;
    if (lw_smtp_error(c->link.engine)->code < 0 && err->code != LW_ESOURCE)
        (void)lw_channel_lost(c, err);
    explain_smtputf8(c, t);
    if (err->stage != LW_STAGE_COMPOSE)
        lw_channel_explain(c, err);
}

/* ---- over a session ------------------------------------------------------------------------------ */

/* until DONE, or with QUIT on its way until the end */
static void
follow(lw_session *s, bool is_last, const lw_transaction *t)
{
    bool is_done = false;
    lw_event ev;

    while ((!is_done || is_last) && lw_session_next(s, &ev) == LW_OK) {
        lw_report_event(t->report, &ev, t->out);
        is_done = is_done || ev.kind == LW_EVENT_DONE;
    }
}

static void
attempt(lw_session *s, bool is_last, const lw_transaction *t)
{
    lw_smtp *engine = lw_session_engine(s);
    unsigned flights = s->channel.is_fresh ? 0 : lw_smtp_flights(engine);

    if (lw_channel_submit(&s->channel, t) < 0)
        return;
    if (is_last)
        (void)lw_smtp_quit(engine);
    follow(s, is_last, t);
    t->report->flights = lw_smtp_flights(engine) - flights;
    lw_channel_finish(&s->channel, t);
}

/* nothing can have been accepted, and the reason is the age of the connection, or that the server
 * lost commands of a group: not the message */
static bool
may_try_again(const lw_session *s, bool was_fresh, const lw_body *body, const lw_report *r)
{
    bool is_reason = r->error.code == LW_ELOST || r->error.code == LW_ELIMIT ||
                     r->error.reply_code == 421;

    if (body->rewind == NULL || uv_now(&s->loop) >= s->deadline_ms)
        return false;
    if (lw_channel_lost_commands(&s->channel) && lw_report_out_of_sequence(r))
        return true;
    return !was_fresh && is_reason && lw_report_all_unsent(r);
}

/* whoever was refused as out of sequence is as good as new, also if the second try fails */
static void
begin_anew(lw_report *r)
{
    for (size_t i = 0; i < r->n; i++)
        lw_report_unsay(r, i);
    lw_error_clear(&r->error);
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
    lw_transaction t = { .env = env, .body = body, .out = out, .report = r };
    bool was_fresh;

    if (!connect_if_needed(s, r))
        return;
    was_fresh = s->channel.is_fresh;
    attempt(s, is_last, &t);
    if (may_try_again(s, was_fresh, body, r) && body->rewind(body->ctx) == LW_OK) {
        lw_session_hang_up(s);
        begin_anew(r);
        if (lw_session_connect(s, &r->error) >= 0)
            attempt(s, is_last, &t);
    }
    s->channel.is_fresh = false;
    if (lw_session_engine(s) == NULL || lw_smtp_want(lw_session_engine(s)) == 0 || is_last)
        lw_session_hang_up(s);
}
