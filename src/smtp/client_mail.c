/* SPDX-License-Identifier: MIT */
/*
 * smtp/client_mail.c - transactions: what is sent next, and what each reply means for them
 *
 * lw_smtp_next_step() decides from the state alone what may go out now; with PIPELINING that
 * is everything up to the next command that must be the last of its group:
 *
 *   [RFC2920 3.1] "The EHLO, DATA, VRFY, EXPN, TURN, QUIT, and NOOP commands can only appear
 *   as the last command in a group"
 *
 * BDAT carries its own length (RFC 3030 2), so with CHUNKING and PIPELINING the data goes in the
 * same flight as its MAIL and RCPT.
 *
 * A transaction that begins while replies to another are outstanding is preceded by RSET: if
 * the one before was refused, its leftovers cannot mix with ours.
 */
#include "smtp/client_int.h"

#include "smtp/command.h"

#include <stdio.h>

/* a body up to this size goes out before the replies to its RCPTs: a round trip saved is worth
 * more than the octets that a refusal would waste */
enum { EAGER_BODY_MAX = 1 << 20 };

static bool
can_pipeline(const lw_smtp *e)
{
    return (e->caps.flags & LW_CAP_PIPELINING) != 0 && !e->opts.no_pipelining;
}

/* ---- what goes out next -------------------------------------------------------------- */

static uint32_t
smaller_limit(uint32_t a, uint32_t b)
{
    return a == 0 ? b : b == 0 || a < b ? a : b;
}

/* index of the next recipient that this batch may still take, or n_rcpts */
static size_t
next_rcpt(const lw_smtp *e, const slot *s)
{
    uint32_t max = smaller_limit(e->caps.rcpt_max, e->learned_rcpt_max);
    size_t i = s->offered_end;

    if (max != 0 && s->n_offered >= max)
        return s->env->n_rcpts;
    while (i < s->env->n_rcpts && s->env->rcpts[i].state == RCPT_FINAL)
        i++;
    return i;
}

static bool
waits_for_replies(const lw_smtp *e, const slot *s)
{
    return !can_pipeline(e) && s->n_awaited > 0;
}

static bool
all_rcpts_answered(const slot *s)
{
    return s->n_answered == s->n_offered;
}

static bool
body_is_eager(const slot *s)
{
    return s->body->size != LW_SIZE_UNKNOWN && s->body->size <= EAGER_BODY_MAX;
}

static step
step_after_rcpts(const lw_smtp *e, const slot *s)
{
    if (!s->uses_bdat)
        return STEP_DATA;
    /* [RFC2033 4.3] "If there were no previously successful RCPT commands in the mail
     * transaction, then the BDAT LAST command returns zero replies.": servers do not agree on
     * that, so with LMTP the number of recipients taken is known before the data goes */
    if (!all_rcpts_answered(s) &&
        (!body_is_eager(s) || e->opts.protocol == LW_PROTOCOL_LMTP))
        return STEP_NONE;
    return s->n_queued == 0 ? STEP_CHUNK : STEP_NONE;
}

static bool
piece_is_left(const lw_smtp *e)
{
    return e->pump.rest.len > 0 || (e->pump.is_last && !e->pump.at_bol && !e->pump.keep);
}

/* With LMTP the replies to BDAT LAST are counted, and behind a chunk that was refused nobody can:
 * Dovecot sends one, others one for each recipient.
 *   [RFC3030 2] "The resulting state from a failed BDAT command is indeterminate." */
static bool
chunk_must_be_answered(const lw_smtp *e, const slot *s)
{
    return e->opts.protocol == LW_PROTOCOL_LMTP && s->n_awaited > 0;
}

static step
step_in_body(const lw_smtp *e, const slot *s)
{
    if (s->uses_bdat) {
        /* a chunk that was announced is finished whatever the replies say */
        if (piece_is_left(e))
            return STEP_BODY;
        if (waits_for_replies(e, s) || s->n_queued > 0 || chunk_must_be_answered(e, s))
            return STEP_NONE;
        return STEP_CHUNK;
    }
    if (!s->go_ahead)
        return STEP_NONE;
    if (s->n_taken == 0)
        return STEP_DOT;
    if (e->pump.rest.len > 0 || e->pump.is_last)
        return STEP_BODY;
    return s->n_queued == 0 ? STEP_BODY : STEP_NONE;
}

static step
step_of_slot(const lw_smtp *e, const slot *s)
{
    switch (s->phase) {
    case PHASE_MAIL:
        if (!can_pipeline(e) && e->n_await > 0)
            return STEP_NONE;
        return e->needs_reset ? STEP_RESET : STEP_MAIL;
    case PHASE_RCPT:
        return waits_for_replies(e, s) ? STEP_NONE : STEP_RCPT;
    case PHASE_DATA:
        return waits_for_replies(e, s) ? STEP_NONE : step_after_rcpts(e, s);
    case PHASE_BODY:
        return step_in_body(e, s);
    case PHASE_FREE:
    case PHASE_WAIT:
    case PHASE_SENT:
        break;
    }
    return STEP_NONE;
}

/* no reply under way can ask for a further batch of this transaction */
static bool
is_last_batch(const slot *s)
{
    return s->env->n_rcpts == 1 ||
           (all_rcpts_answered(s) && s->n_again == 0 && s->offered_end == s->env->n_rcpts);
}

/* [RFC2920 3.1] QUIT "can only appear as the last command in a group": it rides in the last
 * flight, right behind the data of the last transaction */
static bool
quit_may_follow(const lw_smtp *e)
{
    if (!e->quit_wanted || e->quit_sent || e->cur != NO_SLOT)
        return false;
    if (e->state == STATE_READY)
        return e->n_slots == 0;
    if (!can_pipeline(e))
        return false;
    for (uint32_t i = 0; i < e->n_slots; i++) {
        const slot *s = &e->slots[lw_ring(e->first_slot + i, e->opts.max_transactions)];
        if (s->phase != PHASE_FREE && (s->phase != PHASE_SENT || !is_last_batch(s)))
            return false;
    }
    return true;
}

step
lw_smtp_next_step(const lw_smtp *e)
{
    if (e->is_closing || e->has_event || !lw_smtp_out_room(e, 4) ||
        (e->state != STATE_MAIL && e->state != STATE_READY))
        return STEP_NONE;
    if (e->cur == NO_SLOT)
        return quit_may_follow(e) ? STEP_QUIT : STEP_NONE;
    return step_of_slot(e, &e->slots[e->cur]);
}

/* ---- making it ------------------------------------------------------------------------ */

/* nothing more goes out for the slot being made */
static void
leave_slot(lw_smtp *e, slot *s)
{
    s->phase = PHASE_SENT;
    s->n_octets = e->out_offset - s->began_at;
    e->octets_in_flight += s->n_octets;
    e->ending = e->cur;
    e->cur = NO_SLOT;
}

static void
make_reset(lw_smtp *e)
{
    lw_smtp_out_text(e, LW_LIT("RSET\r\n"));
    lw_smtp_await(e, AWAIT_RSET, NO_SLOT);
    e->needs_reset = false;
    e->n_resets_awaited++;
}

static void
make_mail(lw_smtp *e, slot *s)
{
    char *at = e->cmd + e->cmd_len;

    lw_smtp_out_text(e, (lw_span){ at, lw_smtp_write_mail(e, s, at) });
    lw_smtp_await(e, AWAIT_MAIL, e->cur);
    e->n_mails++;
    s->n_transactions++;
    s->phase = PHASE_RCPT;
}

/* nobody to send it to: leave without data, the transaction stays open at the server */
static bool
nobody_left(lw_smtp *e, slot *s)
{
    if (s->phase != PHASE_DATA || !all_rcpts_answered(s) || s->n_taken > 0)
        return false;
    s->needs_reset = true;
    leave_slot(e, s);
    return true;
}

/* the domain counts from now on; false: it is one too many, and e->text says so */
static bool
take_domain(lw_smtp *e, const char *address)
{
    uint64_t hash;

    if (e->caps.rcpt_domain_max == 0)
        return true;
    hash = lw_domain_hash(address);
    if (!lw_smtp_domain_fits(e, hash)) {
        snprintf(e->text, sizeof e->text,
                 "the server takes recipients of only %u domains in one session",
                 e->caps.rcpt_domain_max);
        return false;
    }
    for (uint32_t i = 0; i < e->n_domains; i++)
        if (e->domains[i] == hash)
            return true;
    e->domains[e->n_domains++] = hash;
    return true;
}

static void
make_rcpt(lw_smtp *e, slot *s)
{
    size_t i = next_rcpt(e, s);
    char *at = e->cmd + e->cmd_len;
    lw_rcpt *r;

    if (i == s->env->n_rcpts) {
        s->phase = PHASE_DATA;
        nobody_left(e, s);
        return;
    }
    r = &s->env->rcpts[i];
    s->offered_end = i + 1;
    if (!take_domain(e, r->address)) {
        lw_smtp_rcpt_unsent(e, e->cur, i, LW_ELIMIT);
        return;
    }
    lw_smtp_out_text(e, (lw_span){ at, lw_smtp_write_rcpt(e, r, at) });
    lw_smtp_await(e, AWAIT_RCPT, e->cur);
    r->state = RCPT_OFFERED;
    s->n_offered++;
    if (next_rcpt(e, s) == s->env->n_rcpts)
        s->phase = PHASE_DATA;
}

static void
make_data(lw_smtp *e, slot *s)
{
    lw_smtp_out_text(e, LW_LIT("DATA\r\n"));
    lw_smtp_await(e, AWAIT_DATA, e->cur);
    lw_pump_init(&e->pump, s->body, true, false);
    s->phase = PHASE_BODY;
}

/* the source failed before its end: nothing of it may be taken for a message */
static void
body_failed(lw_smtp *e, slot *s, lw_code code)
{
    s->is_failed = true;
    snprintf(e->text, sizeof e->text, "the message could not be read to its end");
    if (!s->uses_bdat) {
        /* data that was begun can only be ended by a dot, which would make it a message */
        lw_smtp_lose(e, code, LW_STAGE_DATA, "%s", e->text);
        return;
    }
    s->needs_reset = true;
    lw_smtp_sweep_unsent(e, e->cur, RCPT_ALL, LW_STAGE_DATA, code);
    leave_slot(e, s);
}

static bool
pull(lw_smtp *e, slot *s)
{
    lw_code rc;

    s->body_used = true;
    if ((rc = lw_pump_pull(&e->pump)) == LW_OK)
        return true;
    body_failed(e, s, rc);
    return false;
}

/* the chunk's octets are queued: its reply is awaited behind them */
static void
chunk_is_out(lw_smtp *e, slot *s)
{
    if (!e->pump.is_last) {
        lw_smtp_await(e, AWAIT_CHUNK, e->cur);
        return;
    }
    lw_smtp_out_ends_data(e, e->cur);
    lw_smtp_await(e, AWAIT_FINAL, e->cur);
    leave_slot(e, s);
}

/* BDAT for the chunk that the pump holds, written where commands are written */
static lw_span
bdat(lw_smtp *e)
{
    const lw_span end = e->pump.is_last ? LW_LIT(" LAST\r\n") : LW_LIT("\r\n");
    char *at = e->cmd + e->cmd_len;
    size_t n = sizeof "BDAT " - 1;

    memcpy(at, "BDAT ", n);
    n += lw_uint_write(at + n, lw_pump_length(&e->pump));
    memcpy(at + n, end.ptr, end.len);
    return (lw_span){ at, n + end.len };
}

static void
end_of_data(lw_smtp *e, slot *s)
{
    lw_smtp_out_ref(e, LW_LIT(".\r\n"), LW_SLICE_COMMAND);
    lw_smtp_out_ends_data(e, e->cur);
    lw_smtp_await(e, AWAIT_FINAL, e->cur);
    leave_slot(e, s);
}

static void
make_body(lw_smtp *e, slot *s)
{
    lw_span run, literal;

    if (!s->uses_bdat && e->pump.rest.len == 0 && !e->pump.is_last && !pull(e, s))
        return;
    if (lw_pump_piece(&e->pump, &run, &literal)) {
        lw_smtp_out_body(e, run, e->cur);
        lw_smtp_out_body(e, literal, e->cur);
    }
    if (piece_is_left(e))
        return;
    if (s->uses_bdat)
        chunk_is_out(e, s);
    else if (e->pump.is_last)
        end_of_data(e, s);
}

/* RFC 3030 2: one chunk for each span of the body; it announces its own length */
static void
make_chunk(lw_smtp *e, slot *s)
{
    if (s->is_failed) {
        leave_slot(e, s);
        return;
    }
    if (s->phase == PHASE_DATA) {
        lw_pump_init(&e->pump, s->body, false, s->env->body_type == LW_BODY_BINARYMIME);
        s->phase = PHASE_BODY;
    }
    if (!pull(e, s))
        return;
    lw_smtp_out_text(e, bdat(e));
    make_body(e, s);
}

void
lw_smtp_make_step(lw_smtp *e, step what)
{
    slot *s = e->cur == NO_SLOT ? NULL : lw_smtp_slot(e, e->cur);

    switch (what) {
    case STEP_NONE: break;
    case STEP_RESET: make_reset(e); break;
    case STEP_MAIL: make_mail(e, s); break;
    case STEP_RCPT: make_rcpt(e, s); break;
    case STEP_DATA: make_data(e, s); break;
    case STEP_CHUNK: make_chunk(e, s); break;
    case STEP_BODY: make_body(e, s); break;
    /* 354 although no recipient was taken: [RFC2920 3.1] "if the DATA command was accepted
     * the client SMTP should send a single dot" */
    case STEP_DOT: end_of_data(e, s); break;
    case STEP_QUIT: lw_smtp_make_quit(e); break;
    }
}

/* ---- what replies mean ------------------------------------------------------------------- */

static lw_code
odd_reply(lw_smtp *e, lw_stage stage, const lw_reply *r)
{
    return lw_smtp_lose(e, LW_EPROTO, stage, "the server answered %s with %d, which has no "
                        "meaning there", lw_stage_name(stage), r->code);
}

/* ---- does PIPELINING work? ------------------------------------------------------------------ */

/* Where an enhanced code says something else than X.5.1, "Invalid command: A mail transaction protocol
 * command was issued which was either out of sequence or unsupported" (RFC 3463 3.6), it is not
 * this case but a policy, such as a login that is missing. */
static bool
is_bad_sequence(const lw_reply *r)
{
    return r->code == 503 && (r->enhanced.klass == 0 ||
                              (r->enhanced.subject == 5 && r->enhanced.detail <= 1));
}

/* No further reply is needed to know what has become of anybody: none of this transaction can have
 * been accepted, and there is no other one under way. */
static bool
ends_without_harm(const lw_smtp *e, const slot *s)
{
    return e->n_in_flight == 1 && (all_rcpts_answered(s) || !s->body_used);
}

/* 503, "bad sequence of commands", to a command whose predecessors were accepted: the server has
 * not seen all of the group, and the session ends for that.  It may as well be a policy; so only where
 * the outcomes are true in either case. */
static void
doubt_sequence(lw_smtp *e, const slot *s, const lw_reply *r)
{
    if (e->has_group && e->pipelining == LW_PIPELINING_UNTRIED && is_bad_sequence(r) &&
        ends_without_harm(e, s))
        e->pipelining = LW_PIPELINING_FAILS;
}

/* [RFC2920 3.2] "MUST NOT flush or otherwise lose the contents of the TCP input buffer under any
 * circumstances whatsoever": a server that does answers the first commands of a group, and then
 * waits as we do.  The end of the data is no such sign: judging a message may take long. */
void
lw_smtp_doubt(lw_smtp *e, lw_code code)
{
    const awaited *a = lw_smtp_awaited(e);

    if (!e->has_group || e->pipelining != LW_PIPELINING_UNTRIED ||
        (code != LW_ETIMEOUT && code != LW_ELOST && code != LW_EREPLY && code != LW_EPROTO))
        return;
    e->pipelining = code == LW_ETIMEOUT && e->group_answered && a != NULL &&
                            (a->kind == AWAIT_RCPT || a->kind == AWAIT_DATA ||
                             a->kind == AWAIT_CHUNK)
                        ? LW_PIPELINING_FAILS
                        : LW_PIPELINING_ENDED;
}

static bool
is_refusal(const lw_reply *r)
{
    return r->code / 100 == 4 || r->code / 100 == 5;
}

/* the batch is refused as a whole: hand out the outcome, send no more than must be */
static lw_code
refuse_batch(lw_smtp *e, uint32_t i, lw_stage stage, const lw_reply *r)
{
    slot *s = lw_smtp_slot(e, i);

    if (s->is_failed)
        return LW_OK;
    s->is_failed = true;
    lw_smtp_sweep_reply(e, i, stage == LW_STAGE_MAIL ? RCPT_ALL : RCPT_BATCH, stage, r);
    /* [RFC2920 3.1] "the client cannot assume that the DATA command will be rejected just because
     * none of the RCPT TO commands worked": the answer to a DATA under way is waited for */
    if (e->cur == i && (s->phase == PHASE_RCPT || s->phase == PHASE_DATA ||
                        (s->phase == PHASE_BODY && !s->uses_bdat && stage == LW_STAGE_DATA)))
        leave_slot(e, s);
    return LW_OK;
}

static lw_code
reply_to_mail(lw_smtp *e, uint32_t i, const lw_reply *r)
{
    if (r->code / 100 == 2)
        return LW_OK;
    return is_refusal(r) ? refuse_batch(e, i, LW_STAGE_MAIL, r)
                         : odd_reply(e, LW_STAGE_MAIL, r);
}

/* [RFC5321 4.5.3.1.10] "Clients SHOULD treat a 552 code in this case as a temporary, rather
 * than permanent, failure".  Where an enhanced code says something else than X.5.3, "Too many
 * recipients" (RFC 3463 3.6), it is not this case but a full mailbox or disk. */
static bool
is_too_many(const slot *s, const lw_reply *r)
{
    bool may_be = r->enhanced.klass == 0 || (r->enhanced.subject == 5 && r->enhanced.detail == 3);

    return may_be && (r->code == 452 || r->code == 552) && s->n_taken > 0 &&
           s->body->rewind != NULL;
}

/* into a further transaction; and never again more at once to this server, or all that are
 * left would be offered, and put off, in each of them */
static void
put_off(lw_smtp *e, slot *s, lw_rcpt *rcpt)
{
    rcpt->state = RCPT_AGAIN;
    s->n_again++;
    e->learned_rcpt_max = s->n_taken;
}

static lw_code
reply_to_rcpt(lw_smtp *e, uint32_t i, const lw_reply *r)
{
    slot *s = lw_smtp_slot(e, i);
    lw_rcpt *rcpt;
    size_t at;

    s->n_answered++;
    if (s->is_failed) {
        s->n_taken += r->code / 100 == 2; /* although MAIL was refused */
        return LW_OK;
    }
    while (s->env->rcpts[s->reply_at].state != RCPT_OFFERED)
        s->reply_at++;
    at = s->reply_at++;
    rcpt = &s->env->rcpts[at];
    if (r->code / 100 == 2) {
        rcpt->state = RCPT_TAKEN;
        s->n_taken++;
        return LW_OK;
    }
    if (!is_refusal(r))
        return odd_reply(e, LW_STAGE_RCPT, r);
    /* with a recipient taken the server has not lost what came before; and it may get the data */
    if (s->n_taken == 0)
        doubt_sequence(e, s, r);
    if (is_too_many(s, r))
        put_off(e, s, rcpt);
    else
        lw_smtp_rcpt_final(e, i, at, LW_STAGE_RCPT, r);
    if (e->cur == i)
        nobody_left(e, s);
    return LW_OK;
}

static lw_code
reply_to_data(lw_smtp *e, uint32_t i, const lw_reply *r)
{
    slot *s = lw_smtp_slot(e, i);

    if (r->code == 354) {
        s->go_ahead = true;
        /* a dot would make an empty message of it for those that were taken; and with LMTP and
         * nobody taken it may have no reply */
        if (s->n_taken > 0 ? s->is_failed : e->opts.protocol == LW_PROTOCOL_LMTP)
            return odd_reply(e, LW_STAGE_DATA, r);
        return LW_OK;
    }
    if (!is_refusal(r))
        return odd_reply(e, LW_STAGE_DATA, r);
    if (!s->is_failed && s->n_taken > 0)
        doubt_sequence(e, s, r);
    s->needs_reset = true;
    if (s->is_failed && e->cur == i)
        leave_slot(e, s);
    return refuse_batch(e, i, LW_STAGE_DATA, r);
}

/* [RFC3030 2] "If a 5XX or 4XX code is received by the sender-SMTP in response to a BDAT
 * chunk, the transaction should be considered failed" */
static lw_code
reply_to_chunk(lw_smtp *e, uint32_t i, const lw_reply *r)
{
    if (r->code / 100 == 2)
        return LW_OK;
    if (!is_refusal(r))
        return odd_reply(e, LW_STAGE_DATA, r);
    lw_smtp_slot(e, i)->needs_reset = true;
    return refuse_batch(e, i, LW_STAGE_DATA, r);
}

/* [RFC2033 4.2] "the server returns one reply for each previously successful RCPT command" */
static lw_code
lmtp_final(lw_smtp *e, uint32_t i, const lw_reply *r)
{
    slot *s = lw_smtp_slot(e, i);

    if (s->is_failed || s->n_taken == 0)
        return LW_OK;
    while (s->env->rcpts[s->final_at].state != RCPT_TAKEN)
        s->final_at++;
    lw_smtp_rcpt_final(e, i, s->final_at++, LW_STAGE_DATA, r);
    return LW_OK;
}

static lw_code
reply_to_end(lw_smtp *e, uint32_t i, const lw_reply *r)
{
    slot *s = lw_smtp_slot(e, i);

    if (r->code / 100 == 3)
        return odd_reply(e, LW_STAGE_DATA, r);
    e->has_begun |= s->n_taken > 0 && r->code / 100 == 2;
    /* [RFC3030 2] "The resulting state from a failed BDAT command is indeterminate." */
    if (s->uses_bdat && r->code / 100 != 2)
        s->needs_reset = true;
    if (e->opts.protocol == LW_PROTOCOL_LMTP)
        return lmtp_final(e, i, r);
    if (!s->is_failed)
        lw_smtp_sweep_reply(e, i, RCPT_BATCH, LW_STAGE_DATA, r);
    return LW_OK;
}

lw_code
lw_smtp_mail_reply(lw_smtp *e, awaited_kind kind, uint32_t i, const lw_reply *r)
{
    if (lw_smtp_slot(e, i)->n_awaited == 0)
        e->ending = i;
    e->group_answered = true;
    switch (kind) {
    case AWAIT_MAIL: return reply_to_mail(e, i, r);
    case AWAIT_RCPT: return reply_to_rcpt(e, i, r);
    case AWAIT_DATA: return reply_to_data(e, i, r);
    case AWAIT_CHUNK: return reply_to_chunk(e, i, r);
    case AWAIT_FINAL: return reply_to_end(e, i, r);
    case AWAIT_GREETING:
    case AWAIT_EHLO:
    case AWAIT_HELO:
    case AWAIT_STARTTLS:
    case AWAIT_AUTH:
    case AWAIT_COMMAND:
    case AWAIT_RSET:
    case AWAIT_QUIT:
        break;
    }
    return LW_NEVER(true) ? LW_EBUG : LW_OK;
}

/* ---- how many RSETs a server bears ----------------------------------------------------------- */

/* Exim's smtp_accept_max_nonmail is 10 by default.  Its smtp_in.c counts the commands that belong to
 * no message over the whole session, but for one RSET behind each message, and at the eleventh says
 * 554 and ends the session.  Inside TLS it (4.96) says that in clear: the TLS breaks, and what has
 * left behind that RSET would be uncertain.  None can be saved: RSET is needed behind a transaction
 * that was refused, and in a window that is not known yet.  Two are left for other commands. */
enum { IDLE_RESETS_MAX = 8 };

/* the replies come in order: all that was before this RSET is known now */
void
lw_smtp_reset_was_taken(lw_smtp *e)
{
    e->n_resets_awaited--;
    if (!e->has_begun)
        e->n_idle_resets++;
    e->has_begun = false;
}

/* each RSET on its way may be counted: whether it is, the replies before it will tell */
bool
lw_smtp_reset_is_too_many(const lw_smtp *e)
{
    return e->counts_resets && (e->n_in_flight > 0 || e->needs_reset) &&
           e->n_idle_resets + e->n_resets_awaited >= IDLE_RESETS_MAX;
}

/* whose data is on its way, begun or announced but not sent to its end; NO_SLOT = nobody's */
static uint32_t
slot_in_data(lw_smtp *e)
{
    const awaited *a = lw_smtp_awaited(e);

    if (a != NULL)
        return a->kind == AWAIT_CHUNK || a->kind == AWAIT_FINAL ? a->slot : NO_SLOT;
    return e->cur != NO_SLOT && lw_smtp_slot(e, e->cur)->phase == PHASE_BODY ? e->cur : NO_SLOT;
}

bool
lw_smtp_early_reply(lw_smtp *e, const lw_reply *r)
{
    uint32_t i = slot_in_data(e);

    if (i == NO_SLOT || !is_refusal(r))
        return false;
    if (!lw_smtp_slot(e, i)->is_failed)
        lw_smtp_sweep_reply(e, i, RCPT_BATCH, LW_STAGE_DATA, r);
    return true;
}
