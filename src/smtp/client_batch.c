/* SPDX-License-Identifier: MIT */
/*
 * smtp/client_batch.c - transactions from submit to DONE, in batches where the server takes
 * fewer recipients at once than there are
 *
 * A slot waits (PHASE_WAIT), is started when the window allows, is sent (client_mail.c), and
 * ends when nothing of it is left to send or to wait for.  Then recipients without an outcome
 * begin another batch, or DONE is told and the slot is free.
 */
#include "smtp/client_int.h"

#include "smtp/command.h"

#include <stdio.h>

static uint32_t
nth_slot(const lw_smtp *e, uint32_t n)
{
    return lw_ring(e->first_slot + n, e->opts.max_transactions);
}

uint32_t
lw_smtp_room(const lw_smtp *e)
{
    if (e == NULL || e->is_closing || e->quit_wanted)
        return 0;
    return e->opts.max_transactions - e->n_slots;
}

lw_code
lw_smtp_submit(lw_smtp *e, lw_envelope *env, lw_body *body, void *tag)
{
    lw_code rc;

    if (e == NULL || e->is_closing || e->quit_wanted || env == NULL || body == NULL ||
        body->next == NULL || env->n_rcpts == 0)
        return LW_EUSAGE;
    if (lw_smtp_room(e) == 0)
        return LW_AGAIN;
    if ((rc = lw_smtp_check_envelope(env)) != LW_OK)
        return rc;
    for (size_t i = 0; i < env->n_rcpts; i++)
        env->rcpts[i].state = RCPT_NEW;
    *lw_smtp_slot(e, nth_slot(e, e->n_slots++)) =
        (slot){ .env = env, .body = body, .tag = tag, .phase = PHASE_WAIT };
    e->n_fresh++;
    lw_smtp_settle(e);
    return LW_OK;
}

/* ---- start --------------------------------------------------------------------------- */

static void
refuse_slot(lw_smtp *e, uint32_t i, lw_code code)
{
    lw_smtp_slot(e, i)->phase = PHASE_SENT;
    e->n_in_flight++;
    lw_smtp_sweep_unsent(e, i, RCPT_ALL, LW_STAGE_MAIL, code);
    e->ending = i;
}

bool
lw_smtp_domain_fits(const lw_smtp *e, uint64_t hash)
{
    for (uint32_t i = 0; i < e->n_domains; i++)
        if (e->domains[i] == hash)
            return true;
    return e->n_domains < e->caps.rcpt_domain_max && e->n_domains < DOMAINS_MAX;
}

/* RCPTDOMAINMAX leaves at least one recipient that can be offered */
static bool
any_domain_fits(const lw_smtp *e, const slot *s)
{
    if (e->caps.rcpt_domain_max == 0)
        return true;
    for (size_t i = s->open; i < s->env->n_rcpts; i++)
        if (s->env->rcpts[i].state != RCPT_FINAL &&
            lw_smtp_domain_fits(e, lw_domain_hash(s->env->rcpts[i].address)))
            return true;
    return false;
}

/* may this transaction be begun at all?  A sentence in e->text if not */
static lw_code
check_slot(lw_smtp *e, slot *s)
{
    if (e->caps.mail_max != 0 && e->n_mails >= e->caps.mail_max) {
        snprintf(e->text, sizeof e->text,
                 "the server takes only %u transactions in one session", e->caps.mail_max);
        return LW_ELIMIT;
    }
    if (lw_smtp_reset_is_too_many(e)) {
        snprintf(e->text, sizeof e->text,
                 "the server would end the session: it takes only so many RSET in one");
        return LW_ELIMIT;
    }
    if (!any_domain_fits(e, s)) {
        snprintf(e->text, sizeof e->text,
                 "the server takes recipients of only %u domains in one session",
                 e->caps.rcpt_domain_max);
        return LW_ELIMIT;
    }
    if (s->body_used &&
        (s->body->rewind == NULL || s->body->rewind(s->body->ctx) != LW_OK)) {
        snprintf(e->text, sizeof e->text,
                 "further recipients need another transaction, and the message cannot be "
                 "read a second time");
        return LW_ESOURCE;
    }
    /* what holds for the first batch holds for all: nothing else can have been offered since */
    return s->n_transactions > 0 ? LW_OK : lw_smtp_check_wishes(e, s, &s->dropped);
}

static void
begin_batch(lw_smtp *e, uint32_t i)
{
    slot *s = lw_smtp_slot(e, i);

    s->offered_end = s->reply_at = s->final_at = s->open;
    s->n_offered = s->n_answered = s->n_taken = s->n_again = 0;
    s->go_ahead = s->is_failed = s->needs_reset = s->data_left = s->finals_begun = false;
    s->uses_bdat = (e->caps.flags & LW_CAP_CHUNKING) != 0 && !e->opts.no_chunking;
    s->phase = PHASE_MAIL;
    s->began_at = e->out_offset;
    s->n_octets = 0;
    e->cur = i;
    /* if the one before is refused, its leftovers must not mix with this one */
    if (e->n_in_flight++ > 0)
        e->needs_reset = true;
    if (e->state == STATE_READY)
        lw_smtp_set_state(e, STATE_MAIL);
}

/* the first slot that waits; there is one.  Those that never began are the last ones; only a
 * further batch, which is rare, must be searched for */
static uint32_t
next_waiting(lw_smtp *e)
{
    uint32_t n = e->n_slots - e->n_fresh;

    if (e->n_further > 0) {
        for (n = 0; n < e->n_slots && e->slots[nth_slot(e, n)].phase != PHASE_WAIT; n++)
            ;
        e->n_further--;
        return nth_slot(e, n);
    }
    e->n_fresh--;
    return nth_slot(e, n);
}

static bool
window_is_full(const lw_smtp *e)
{
    bool pipelines = (e->caps.flags & LW_CAP_PIPELINING) != 0 && !e->opts.no_pipelining;

    return e->n_in_flight >= (pipelines ? e->opts.window : 1) ||
           e->octets_in_flight >= e->opts.window_bytes;
}

bool
lw_smtp_start_next(lw_smtp *e)
{
    uint32_t n;
    lw_code rc;

    /* behind most replies nothing waits */
    if (e->n_fresh + e->n_further == 0 || e->cur != NO_SLOT || e->quit_sent ||
        window_is_full(e) || (e->state != STATE_READY && e->state != STATE_MAIL))
        return false;
    /* a reply may show that no RSET is needed, or that one was free */
    if (e->n_in_flight > 0 && lw_smtp_reset_is_too_many(e))
        return false;
    n = next_waiting(e);
    if ((rc = check_slot(e, lw_smtp_slot(e, n))) != LW_OK)
        refuse_slot(e, n, rc);
    else
        begin_batch(e, n);
    return true;
}

/* ---- end ------------------------------------------------------------------------------ */

static void
tell_done(lw_smtp *e, slot *s)
{
    lw_assert(s->n_queued == 0 || e->is_closing);
    lw_smtp_put_event(e, (lw_event){ .kind = LW_EVENT_DONE, .tag = s->tag, .code = s->code,
                                     .stage = LW_STAGE_DATA, .text = "", .dropped = s->dropped,
                                     .n_transactions = s->n_transactions });
    *s = (slot){ .phase = PHASE_FREE };
    while (e->n_slots > 0 && lw_smtp_slot(e, e->first_slot)->phase == PHASE_FREE) {
        e->first_slot = nth_slot(e, 1);
        e->n_slots--;
    }
}

void
lw_smtp_end_batch(lw_smtp *e, uint32_t i)
{
    slot *s = lw_smtp_slot(e, i);

    if (s->phase != PHASE_SENT || s->n_awaited > 0)
        return;
    e->n_in_flight--;
    e->octets_in_flight -= s->n_octets;
    s->n_octets = 0;
    if (e->has_group && s->n_transactions > 0 && e->pipelining == LW_PIPELINING_UNTRIED &&
        !e->is_closing)
        e->pipelining = LW_PIPELINING_WORKS;
    if (s->needs_reset)
        e->needs_reset = true;
    while (s->open < s->env->n_rcpts && s->env->rcpts[s->open].state == RCPT_FINAL)
        s->open++;
    if (s->open == s->env->n_rcpts) {
        tell_done(e, s);
        return;
    }
    s->phase = PHASE_WAIT;
    e->n_further++;
}

bool
lw_smtp_abandon(lw_smtp *e)
{
    uint32_t i = e->first_slot;
    slot *s = lw_smtp_slot(e, i);

    if (e->n_slots == 0)
        return false;
    if (s->phase == PHASE_WAIT)
        e->n_in_flight++;
    s->phase = PHASE_SENT;
    s->n_awaited = 0;
    lw_smtp_sweep_lost(e, i);
    e->ending = i;
    return true;
}
