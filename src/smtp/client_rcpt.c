/* SPDX-License-Identifier: MIT */
/*
 * smtp/client_rcpt.c - what becomes of each recipient: exactly one RCPT event for each
 *
 * One cause (a reply, a lost connection) often decides on many recipients.  A sweep walks
 * over them and gives one event at a time, so that nothing is stored for each of them but
 * the state octet in the caller's lw_rcpt.
 */
#include "smtp/client_int.h"

#include <stdio.h>

lw_outcome
lw_smtp_outcome_of(int code)
{
    /* RFC 5321 4.2.1: 2yz completion, 4yz transient, 5yz permanent */
    if (code / 100 == 2)
        return LW_OUTCOME_ACCEPTED;
    return code / 100 == 4 ? LW_OUTCOME_DEFERRED : LW_OUTCOME_REJECTED;
}

static lw_event
cause_of_reply(lw_stage stage, const lw_reply *r)
{
    lw_outcome outcome = lw_smtp_outcome_of(r->code);

    return (lw_event){ .kind = LW_EVENT_RCPT, .outcome = outcome, .stage = stage, .reply = *r,
                       .code = outcome == LW_OUTCOME_ACCEPTED ? LW_OK : LW_EREPLY, .text = "" };
}

static void
begin_sweep(lw_smtp *e, uint32_t i, unsigned states, lw_event cause)
{
    slot *s = lw_smtp_slot(e, i);

    lw_assert(!e->sweep.is_active);
    cause.tag = s->tag;
    e->sweep = (sweep){ .is_active = true, .slot = i, .at = s->open, .states = states,
                        .end = states & RCPT_OPEN ? s->env->n_rcpts : s->offered_end,
                        .cause = cause };
}

void
lw_smtp_sweep_reply(lw_smtp *e, uint32_t i, unsigned states, lw_stage stage, const lw_reply *r)
{
    begin_sweep(e, i, states, cause_of_reply(stage, r));
}

void
lw_smtp_sweep_unsent(lw_smtp *e, uint32_t i, unsigned states, lw_stage stage, lw_code code)
{
    slot *s = lw_smtp_slot(e, i);

    if (s->code == LW_OK)
        s->code = code;
    begin_sweep(e, i, states,
                (lw_event){ .kind = LW_EVENT_RCPT, .outcome = LW_OUTCOME_UNSENT,
                            .stage = stage, .code = code, .text = e->text });
}

void
lw_smtp_rcpt_unsent(lw_smtp *e, uint32_t i, size_t rcpt, lw_code code)
{
    slot *s = lw_smtp_slot(e, i);

    if (s->code == LW_OK)
        s->code = code;
    s->env->rcpts[rcpt].state = RCPT_FINAL;
    lw_smtp_put_event(e, (lw_event){ .kind = LW_EVENT_RCPT, .tag = s->tag, .rcpt = rcpt,
                                     .outcome = LW_OUTCOME_UNSENT, .stage = LW_STAGE_RCPT,
                                     .code = code, .text = e->text });
}

void
lw_smtp_sweep_lost(lw_smtp *e, uint32_t i)
{
    slot *s = lw_smtp_slot(e, i);

    if (s->code == LW_OK)
        s->code = e->err.code;
    begin_sweep(e, i, RCPT_ALL,
                (lw_event){ .kind = LW_EVENT_RCPT, .outcome = LW_OUTCOME_UNSENT,
                            .stage = e->err.stage, .code = e->err.code, .text = e->err.text });
    e->sweep.is_lost = true;
}

static void
become_uncertain(lw_smtp *e, lw_event *ev)
{
    snprintf(e->text, sizeof e->text, "%.500s after the whole message was sent and before the server "
             "answered: it may have been accepted", e->err.text);
    ev->outcome = LW_OUTCOME_UNCERTAIN;
    ev->text = e->text;
}

bool
lw_smtp_sweep_next(lw_smtp *e)
{
    sweep *w = &e->sweep;
    slot *s = lw_smtp_slot(e, w->slot);

    while (w->at < w->end) {
        lw_rcpt *r = &s->env->rcpts[w->at];
        unsigned was = r->state;
        if ((w->states >> was & 1) == 0) {
            w->at++;
            continue;
        }
        r->state = RCPT_FINAL;
        lw_event ev = w->cause;
        ev.rcpt = w->at++;
        /* offered, and the end of its data has left: nobody knows whether it was taken */
        if (w->is_lost && s->data_left && (RCPT_BATCH >> was & 1) != 0)
            become_uncertain(e, &ev);
        lw_smtp_put_event(e, ev);
        return true;
    }
    w->is_active = false;
    return false;
}

void
lw_smtp_rcpt_final(lw_smtp *e, uint32_t i, size_t rcpt, lw_stage stage, const lw_reply *r)
{
    slot *s = lw_smtp_slot(e, i);
    lw_event ev = cause_of_reply(stage, r);

    s->env->rcpts[rcpt].state = RCPT_FINAL;
    ev.tag = s->tag;
    ev.rcpt = rcpt;
    lw_smtp_put_event(e, ev);
}
