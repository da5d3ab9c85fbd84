/* SPDX-License-Identifier: MIT */
/*
 * bulk/campaign_answers.c - what became of a row: the journal, who is told, and what is tried
 * again
 *
 * A row that is unsent (nothing of it left) does not say whether the row or the server is the
 * reason.  It is tried again as often as asked for, or never where it needs what the server does not
 * offer; then it has ended, and the campaign goes on.  It is the server, and the campaign ends, when
 *
 *   - a login, a host's name or TLS failed for good: the next row will meet it as well;
 *   - a row has no try left and so many answers in a row, of whatever rows, were the same: 64, or
 *     a window if that is more, for a lost connection takes up to a window of rows with it;
 *   - the run is over and none of its rows had another end.
 */
#include "bulk/campaign_int.h"

void
lw_campaign_tell(lw_campaign *c, const lw_row_event *ev)
{
    if (c->opts.tell != NULL)
        c->opts.tell(c->opts.ctx, ev);
}

lw_code
lw_campaign_fail(lw_campaign *c, lw_code code, const lw_error *why)
{
    if (c->failed == LW_OK) {
        c->failed = code;
        if (why != NULL)
            c->failure = *why;
        else
            lw_fail(&c->failure, code, LW_STAGE_NONE, "campaign: %s", lw_code_text(code));
    }
    return code;
}

/* ---- what waits to be tried again ------------------------------------------------------------- */

static void
put(lw_campaign *c, lw_slot *s, uint64_t pause_ms)
{
    lw_slots *q = &c->queues[s->attempt - 1];

    s->due_ms = lw_campaign_now_ns() / 1000000 + pause_ms;
    s->next = NULL;
    if (q->last == NULL)
        q->first = s;
    else
        q->last->next = s;
    q->last = s;
    c->waiting_bytes += s->bytes;
    c->counts.waiting++;
}

static lw_slot *
take_first(lw_campaign *c, lw_slots *q)
{
    lw_slot *s = q->first;

    q->first = s->next;
    if (q->first == NULL)
        q->last = NULL;
    c->waiting_bytes -= s->bytes;
    c->counts.waiting--;
    return s;
}

lw_slot *
lw_campaign_due(lw_campaign *c, uint64_t now_ms)
{
    for (size_t i = 0; i < c->opts.n_retries; i++) {
        if (c->queues[i].first != NULL && c->queues[i].first->due_ms <= now_ms) {
            lw_slot *s = take_first(c, &c->queues[i]);

            s->attempt++;
            return s;
        }
    }
    return NULL;
}

void
lw_campaign_put_back(lw_campaign *c, lw_slot *s)
{
    lw_message_free(s->message);
    s->message = NULL;
    s->attempt--;
    put(c, s, 0);
}

uint64_t
lw_campaign_next_due(const lw_campaign *c)
{
    uint64_t due = UINT64_MAX;

    for (size_t i = 0; i < c->opts.n_retries; i++)
        if (c->queues[i].first != NULL && c->queues[i].first->due_ms < due)
            due = c->queues[i].first->due_ms;
    return due;
}

/* What the server does not offer now it will not offer then. */
static bool
is_last_try(const lw_campaign *c, const lw_slot *s, const lw_error *why)
{
    return s->attempt > c->opts.n_retries ||
           (why != NULL && why->code == LW_ECAPABILITY);
}

static bool
may_wait(const lw_campaign *c, const lw_slot *s, lw_outcome outcome)
{
    size_t max = c->opts.max_retry_bytes > 0 ? c->opts.max_retry_bytes : LW_CAMPAIGN_RETRY_BYTES;

    return (outcome == LW_OUTCOME_DEFERRED || outcome == LW_OUTCOME_UNSENT) &&
           !c->is_stopped && c->failed == LW_OK && c->waiting_bytes + s->bytes <= max;
}

/* ---- answers -------------------------------------------------------------------------------------- */

static lw_mark
mark_of(lw_outcome outcome)
{
    switch (outcome) {
    case LW_OUTCOME_ACCEPTED: return LW_MARK_ACCEPTED;
    case LW_OUTCOME_REJECTED: return LW_MARK_REJECTED;
    case LW_OUTCOME_DEFERRED: return LW_MARK_DEFERRED;
    case LW_OUTCOME_UNSENT:
    case LW_OUTCOME_PENDING: return LW_MARK_UNSENT;
    case LW_OUTCOME_UNCERTAIN: return LW_MARK_UNCERTAIN;
    }
    return LW_MARK_UNCERTAIN;
}

static void
count(lw_campaign *c, lw_outcome outcome)
{
    uint64_t *n[] = { [LW_OUTCOME_PENDING] = &c->counts.unsent,
                      [LW_OUTCOME_ACCEPTED] = &c->counts.accepted,
                      [LW_OUTCOME_REJECTED] = &c->counts.rejected,
                      [LW_OUTCOME_DEFERRED] = &c->counts.deferred,
                      [LW_OUTCOME_UNSENT] = &c->counts.unsent,
                      [LW_OUTCOME_UNCERTAIN] = &c->counts.uncertain };

    ++*n[outcome];
}

/* what still waits is told as it stands */
static void
give_up(lw_campaign *c)
{
    for (size_t i = 0; i < LW_CAMPAIGN_RETRIES; i++) {
        while (c->queues[i].first != NULL) {
            lw_slot *s = take_first(c, &c->queues[i]);

            count(c, s->outcome);
            lw_campaign_tell(c, &(lw_row_event){
                .fate = LW_FATE_ENDED, .row = s->number, .line = s->line, .address = s->address,
                .outcome = s->outcome, .code = s->code, .enhanced = s->enhanced,
                .attempt = s->attempt, .text = "the run ended before it was tried again" });
            lw_slot_free(c, s);
        }
    }
}

static lw_code
note(lw_campaign *c, const lw_slot *s, lw_mark mark, int code)
{
    lw_entry e = { .mark = (unsigned char)mark, .print = (uint32_t)s->print,
                   .code = (uint16_t)code, .attempt = (unsigned char)s->attempt };
    lw_code rc = c->journal == NULL ? LW_OK : lw_journal_add(c->journal, s->number, e);

    return rc < 0 ? lw_campaign_fail(c, rc, NULL) : LW_OK;
}

/* Failures that the next row will meet as well.  From MAIL on a server lacks what this message needs:
 * room for its size, SMTPUTF8 for its address. */
static bool
is_everybodys(const lw_error *why)
{
    if (why->retry == LW_RETRY_LATER || why->reply_code / 100 == 4)
        return false;
    return why->code == LW_EAUTH || why->code == LW_ECONFIG || why->code == LW_ETLS ||
           why->code == LW_EHOST || why->code == LW_EUSAGE ||
           (why->code == LW_ECAPABILITY && why->stage < LW_STAGE_MAIL);
}

static bool
is_long_unsent(const lw_campaign *c)
{
    return c->n_unsent_in_row >= LW_CAMPAIGN_WINDOW &&
           c->n_unsent_in_row >= c->opts.window;
}

static void
judge_server(lw_campaign *c, const lw_slot *s, lw_outcome outcome, const lw_error *why)
{
    if (outcome != LW_OUTCOME_UNSENT) {
        c->n_unsent_in_row = 0;
        return;
    }
    c->n_unsent_in_row++;
    if (c->is_stopped || why == NULL || why->code == LW_ECANCELED)
        return;
    c->unsent_why = *why;
    if (is_everybodys(why) || (is_last_try(c, s, why) && is_long_unsent(c)))
        lw_campaign_fail(c, why->code, why);
}

static void
judge_run(lw_campaign *c)
{
    const lw_campaign_counts *n = &c->counts;

    if (n->unsent > 0 && n->accepted + n->rejected + n->deferred + n->uncertain == 0 &&
        !c->is_stopped && c->unsent_why.code < 0)
        lw_campaign_fail(c, c->unsent_why.code, &c->unsent_why);
}

static lw_code
settle(lw_campaign *c, lw_slot *s, lw_row_event *ev, const lw_error *why)
{
    lw_code rc = note(c, s, mark_of(ev->outcome), ev->code);
    bool again;

    judge_server(c, s, ev->outcome, why);
    again = !is_last_try(c, s, why) && may_wait(c, s, ev->outcome);
    ev->fate = again ? LW_FATE_RETRY : LW_FATE_SENT;
    lw_campaign_tell(c, ev);
    if (again) {
        s->outcome = ev->outcome;
        s->code = ev->code;
        s->enhanced = ev->enhanced;
        put(c, s, c->retry_ms[s->attempt - 1]);
    } else {
        count(c, ev->outcome);
        lw_slot_free(c, s);
    }
    return rc;
}

lw_code
lw_campaign_answer(lw_campaign *c, const lw_completion *done)
{
    lw_slot *s = done->tag;
    const lw_result *r = done->report == NULL ? NULL : lw_report_result(done->report, 0);
    const lw_error *why = done->report == NULL ? NULL : lw_report_error(done->report);
    lw_row_event ev = {
        .row = s->number, .line = s->line, .address = s->address, .attempt = s->attempt,
        .outcome = r == NULL ? LW_OUTCOME_UNSENT : r->outcome,
        .code = r == NULL ? 0 : r->code,
        .text = r == NULL || r->text == NULL ? "" : r->text,
        .seconds = (double)(done->ended_ns - done->began_ns) / 1e9,
    };

    if (r != NULL)
        ev.enhanced = r->enhanced;
    c->counts.in_flight--;
    return settle(c, s, &ev, why);
}

void
lw_campaign_end(lw_campaign *c)
{
    give_up(c);
    judge_run(c);
}

lw_code
lw_campaign_refused(lw_campaign *c, lw_slot *s, const lw_error *why)
{
    lw_code rc = note(c, s, LW_MARK_UNSENT, 0);

    c->counts.bad++;
    lw_campaign_tell(c, &(lw_row_event){ .fate = LW_FATE_BAD, .row = s->number, .line = s->line,
                                         .address = s->address, .text = why->text });
    if (c->opts.is_strict)
        lw_campaign_fail(c, why->code, why);
    lw_slot_free(c, s);
    return rc;
}
