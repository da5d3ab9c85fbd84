/* SPDX-License-Identifier: MIT */
/*
 * smtp/client.c - the client engine's life: options, feeding, time, events, the end
 *
 * The states and every allowed change are in states.def.  One reply is worked on at a time:
 * feed -> dispatch -> client_session.c or client_mail.c -> settle, which makes the next event
 * or starts the next transaction.  After is_closing only events are given out.
 */
#include "smtp/client_int.h"

/* ---- states ------------------------------------------------------------------------------ */

const char *
lw_smtp_state_name(const lw_smtp *e)
{
    static const char *const names[N_STATES] = {
#define STATE(name, meaning) [STATE_##name] = #name,
#include "smtp/states.def"
    };
    return e == NULL ? "none" : names[e->state];
}

static bool
may_move(state from, state to)
{
    switch ((unsigned)from << 8 | (unsigned)to) {
#define MOVE(from_, to_, why) case STATE_##from_ << 8 | STATE_##to_:
#include "smtp/states.def"
        return true;
    }
    return false;
}

void
lw_smtp_set_state(lw_smtp *e, state to)
{
    if (LW_NEVER(!may_move(e->state, to)))
        to = STATE_CLOSED;
    e->state = to;
    e->since_ms = e->now_ms;
}

/* the invariants of client_int.h */
static void
check_engine(lw_smtp *e)
{
#ifndef NDEBUG
    uint32_t awaited_by_slots = 0, awaited_in_all = 0, in_flight = 0, waiting = 0;

    assert(!e->sweep.is_active || e->has_event);
    assert(e->cmd_len <= CMD_BYTES && e->n_seg <= N_SEGMENTS);
    assert(e->cur == NO_SLOT || e->state == STATE_MAIL);
    assert(e->n_in_flight <= e->n_slots);
    /* counting costs as much as there is to count: it comes round as much more seldom */
    e->n_uncounted++;
    if (e->is_closing || e->n_uncounted < (e->n_slots + e->n_await) / 16)
        return;
    e->n_uncounted = 0;
    for (uint32_t i = 0; i < e->n_slots; i++) {
        const slot *s = &e->slots[lw_ring(e->first_slot + i, e->opts.max_transactions)];
        awaited_by_slots += s->n_awaited;
        in_flight += s->phase != PHASE_FREE && s->phase != PHASE_WAIT;
        waiting += s->phase == PHASE_WAIT;
    }
    for (uint32_t i = 0; i < e->n_await; i++) {
        const awaited *a = &e->await[lw_ring(e->await_first + i, e->await_cap)];
        awaited_in_all += a->slot == NO_SLOT ? 0 : a->count;
        assert(a->count > 0);
    }
    assert(awaited_by_slots == awaited_in_all);
    assert(in_flight == e->n_in_flight);
    assert(waiting == e->n_fresh + e->n_further);
#else
    (void)e;
#endif
}

/* ---- life ---------------------------------------------------------------------------------- */

/* 300 Mbit/s over 100 ms: what is on its way there at once */
#define WINDOW_BYTES ((uint64_t)4 << 20)

static uint32_t
or_default(uint32_t value, uint32_t fallback)
{
    return value == 0 ? fallback : value;
}

static void
default_timeouts(lw_smtp_timeouts *t)
{
    /* RFC 5321 4.5.3.2.1 to 4.5.3.2.6 */
    t->greeting_ms = or_default(t->greeting_ms, 300000);
    t->command_ms = or_default(t->command_ms, 300000);
    t->mail_ms = or_default(t->mail_ms, 300000);
    t->rcpt_ms = or_default(t->rcpt_ms, 300000);
    t->data_ms = or_default(t->data_ms, 120000);
    t->block_ms = or_default(t->block_ms, 180000);
    t->final_ms = or_default(t->final_ms, 600000);
    t->quit_ms = or_default(t->quit_ms, 10000);
}

static lw_code
take_options(lw_smtp *e, const lw_smtp_opts *opts)
{
    const char *name = opts->ehlo_name == NULL ? "[127.0.0.1]" : opts->ehlo_name;
    lw_span span = lw_span_str(name);

    e->opts = *opts;
    e->opts.ehlo_name = NULL;
    e->opts.alloc = &e->alloc;
    if (span.len == 0 || span.len >= sizeof e->ehlo_name || lw_span_has_ctl(span) ||
        lw_span_find(span, ' ') < span.len || opts->max_transactions > 65535)
        return LW_EUSAGE;
    memcpy(e->ehlo_name, name, span.len + 1);
    e->opts.max_transactions = or_default(opts->max_transactions, 16);
    e->opts.window = or_default(opts->window, 1);
    if (opts->window_bytes == 0)
        e->opts.window_bytes = WINDOW_BYTES;
    if (opts->pipelining_works)
        e->pipelining = LW_PIPELINING_WORKS;
    e->opts.max_reply_bytes = or_default(opts->max_reply_bytes, 16384);
    e->opts.max_capability_bytes = or_default(opts->max_capability_bytes, 4096);
    default_timeouts(&e->opts.timeouts);
    return LW_OK;
}

static lw_code
make_room(lw_smtp *e)
{
    char *reply;

    e->await_cap = e->opts.max_transactions * 6 + 4;
    reply = lw_malloc(&e->alloc, e->opts.max_reply_bytes);
    lw_reply_parser_init(&e->parser, reply, e->opts.max_reply_bytes);
    e->caps_text = lw_malloc(&e->alloc, e->opts.max_capability_bytes);
    e->caps_auth = lw_malloc(&e->alloc, e->opts.max_capability_bytes);
    e->await = lw_zalloc_array(&e->alloc, e->await_cap, sizeof *e->await);
    e->slots = lw_zalloc_array(&e->alloc, e->opts.max_transactions, sizeof *e->slots);
    if (reply == NULL || e->caps_text == NULL || e->caps_auth == NULL || e->await == NULL ||
        e->slots == NULL)
        return LW_ENOMEM;
    return LW_OK;
}

lw_code
lw_smtp_new(const lw_smtp_opts *opts, uint64_t now_ms, lw_smtp **out)
{
    const lw_alloc *alloc;
    lw_smtp_opts o;
    lw_smtp *e;
    lw_code rc;

    if (out == NULL)
        return LW_EUSAGE;
    *out = NULL;
    if ((rc = lw_opts_copy(&o, sizeof o, opts)) < 0)
        return rc;
    alloc = lw_alloc_or_default(o.alloc);
    if ((e = lw_malloc(alloc, sizeof *e)) == NULL)
        return LW_ENOMEM;
    memset(e, 0, offsetof(lw_smtp, text));
    e->text[0] = '\0';
    e->alloc = *alloc;
    e->cur = e->ending = NO_SLOT;
    e->now_ms = e->began_ms = e->since_ms = e->judged_ms = now_ms;
    e->caps.auth = e->caps.lines = e->caps.hold_max_until = LW_LIT("");
    e->has_waited = e->has_begun = true;
    if ((rc = take_options(e, &o)) != LW_OK || (rc = make_room(e)) != LW_OK) {
        lw_smtp_free(e);
        return rc;
    }
    lw_smtp_await(e, AWAIT_GREETING, NO_SLOT);
    *out = e;
    return LW_OK;
}

/* A login went through commands and replies.  What was never written to is not touched: a thousand
 * engines that end must not need more memory than they did while they lived. */
static void
wipe(lw_smtp *e)
{
    if (e->parser.most > 0)
        lw_wipe(e->parser.buf, e->parser.most);
    lw_wipe(e->cmd, e->cmd_most > e->cmd_len ? e->cmd_most : e->cmd_len);
    lw_wipe(e, offsetof(lw_smtp, seg));
}

void
lw_smtp_free(lw_smtp *e)
{
    lw_alloc alloc;

    if (e == NULL)
        return;
    alloc = e->alloc;
    lw_release(&alloc, e->caps_text);
    lw_release(&alloc, e->caps_auth);
    lw_release(&alloc, e->await);
    lw_release(&alloc, e->slots);
    char *reply = e->parser.buf;
    wipe(e);
    lw_release(&alloc, reply);
    lw_release(&alloc, e);
}

/* ---- events ---------------------------------------------------------------------------------- */

void
lw_smtp_put_event(lw_smtp *e, lw_event ev)
{
    if (LW_NEVER(e->has_event))
        return;
    e->ev = ev;
    e->has_event = true;
}

static void
tell_closed(lw_smtp *e)
{
    e->closed_told = true;
    lw_smtp_put_event(e, (lw_event){ .kind = LW_EVENT_CLOSED, .code = e->err.code,
                                     .stage = e->err.stage, .text = e->err.text });
}

/* one thing that may lead to an event; false when there is none */
static bool
settle_one(lw_smtp *e)
{
    uint32_t i = e->ending;

    if (e->sweep.is_active) {
        (void)lw_smtp_sweep_next(e);
        return true;
    }
    if (i != NO_SLOT) {
        e->ending = NO_SLOT;
        lw_smtp_end_batch(e, i);
        return true;
    }
    if (e->is_closing) {
        if (lw_smtp_abandon(e))
            return true;
        if (e->closed_told)
            return false;
        tell_closed(e);
        return true;
    }
    return lw_smtp_start_next(e);
}

void
lw_smtp_settle(lw_smtp *e)
{
    while (!e->has_event && settle_one(e))
        ;
    if (e->state == STATE_MAIL && e->cur == NO_SLOT && e->n_await == 0)
        lw_smtp_set_state(e, STATE_READY);
    check_engine(e);
}

lw_code
lw_smtp_next(lw_smtp *e, lw_event *ev)
{
    if (e == NULL || ev == NULL)
        return LW_EUSAGE;
    if (!e->has_event)
        return LW_DONE;
    *ev = e->ev;
    e->has_event = false;
    /* the next event must not disturb what this one points to: the parser is not touched */
    lw_smtp_settle(e);
    return LW_OK;
}

unsigned
lw_smtp_want(const lw_smtp *e)
{
    unsigned want = 0;

    if (e == NULL)
        return want;
    want = e->has_event ? LW_WANT_EVENT : 0;
    if (e->state == STATE_CLOSED)
        return want;
    want |= LW_WANT_READ;
    if (e->n_seg > 0 || lw_smtp_next_step(e) != STEP_NONE)
        want |= LW_WANT_WRITE;
    if (e->state == STATE_TLS)
        want = (want & LW_WANT_EVENT) | LW_WANT_TLS;
    else if (e->state == STATE_CHALLENGE ||
             (e->state == STATE_READY && (want & LW_WANT_WRITE) == 0))
        want |= LW_WANT_CALLER;
    return want;
}

/* ---- the end ----------------------------------------------------------------------------------- */

static lw_retry
advice(lw_code code, lw_stage stage)
{
    if (stage <= LW_STAGE_EHLO)
        return LW_RETRY_OTHER_HOST;
    return code == LW_ELOST || code == LW_ETIMEOUT || code == LW_EREPLY ? LW_RETRY_LATER
                                                                       : LW_RETRY_NO;
}

lw_code
lw_smtp_lose(lw_smtp *e, lw_code code, lw_stage stage, const char *fmt, ...)
{
    va_list ap;

    if (e->is_closing)
        return code;
    lw_smtp_doubt(e, code);
    if (code != LW_OK && e->err.code == LW_OK) {
        va_start(ap, fmt);
        lw_vfail(&e->err, code, stage, fmt, ap);
        va_end(ap);
        e->err.retry = advice(code, stage);
    }
    e->is_closing = true;
    e->cur = NO_SLOT;
    e->n_seg = e->n_await = 0;
    lw_smtp_set_state(e, STATE_CLOSED);
    return code;
}

static lw_code
lose_connection(lw_smtp *e, lw_code code, const char *what)
{
    lw_smtp_lose(e, code, lw_smtp_stage(e), "%s", what);
    lw_smtp_settle(e);
    return code;
}

lw_code
lw_smtp_eof(lw_smtp *e)
{
    if (e == NULL)
        return LW_EUSAGE;
    if (e->is_closing)
        return LW_OK;
    if (e->state == STATE_QUIT && e->n_slots == 0) {
        lw_smtp_lose(e, LW_OK, LW_STAGE_QUIT, "%s", "");
        lw_smtp_settle(e);
        return LW_OK;
    }
    return lose_connection(e, LW_ELOST, "the server closed the connection");
}

void
lw_smtp_fail(lw_smtp *e, lw_code code, const char *text)
{
    if (e != NULL && !e->is_closing)
        (void)lose_connection(e, code >= 0 ? LW_ELOST : code,
                              text == NULL ? "the connection was lost" : text);
}

lw_code
lw_smtp_quit(lw_smtp *e)
{
    if (e == NULL || e->is_closing || e->state == STATE_TLS || e->state == STATE_CHALLENGE)
        return LW_EUSAGE;
    e->quit_wanted = true;
    return LW_OK;
}

/* ---- input ----------------------------------------------------------------------------------------- */

static lw_stage
stage_of(awaited_kind kind)
{
    switch (kind) {
    case AWAIT_GREETING: return LW_STAGE_GREETING;
    case AWAIT_EHLO:
    case AWAIT_HELO: return LW_STAGE_EHLO;
    case AWAIT_STARTTLS: return LW_STAGE_STARTTLS;
    case AWAIT_AUTH: return LW_STAGE_AUTH;
    case AWAIT_COMMAND: return LW_STAGE_COMMAND;
    case AWAIT_RSET:
    case AWAIT_MAIL: return LW_STAGE_MAIL;
    case AWAIT_RCPT: return LW_STAGE_RCPT;
    case AWAIT_DATA:
    case AWAIT_CHUNK:
    case AWAIT_FINAL: return LW_STAGE_DATA;
    case AWAIT_QUIT: return LW_STAGE_QUIT;
    }
    return LW_STAGE_NONE;
}

lw_stage
lw_smtp_stage(lw_smtp *e)
{
    const awaited *a = lw_smtp_awaited(e);

    if (e->state == STATE_TLS)
        return LW_STAGE_TLS;
    if (e->state == STATE_CHALLENGE)
        return LW_STAGE_AUTH;
    if (a != NULL)
        return stage_of(a->kind);
    return e->cur != NO_SLOT ? LW_STAGE_DATA : LW_STAGE_COMMAND;
}

static lw_code
server_closes(lw_smtp *e, lw_stage stage, const lw_reply *r)
{
    char shown[400];

    lw_print_safe(shown, sizeof shown, r->text);
    lw_smtp_lose(e, LW_EREPLY, stage, "the server ended the session with %d %s", r->code,
                 shown);
    e->err.reply_code = r->code;
    e->err.enhanced = r->enhanced;
    return LW_EREPLY;
}

/* a reply to nothing that was sent: a refusal in the middle of the data, a farewell, or worse */
static lw_code
unexpected_reply(lw_smtp *e, const lw_reply *r)
{
    lw_stage stage = lw_smtp_stage(e);
    bool is_early = lw_smtp_early_reply(e, r);

    if (is_early || r->code / 100 == 4 || r->code / 100 == 5)
        return server_closes(e, is_early ? LW_STAGE_DATA : stage, r);
    return lw_smtp_lose(e, LW_EPROTO, stage,
                        "the server sent the reply %d before anything was asked", r->code);
}

/* RFC 2033 4.2: as many replies to the data as recipients were taken */
static void
await_each_final(lw_smtp *e, awaited *a)
{
    slot *s = lw_smtp_slot(e, a->slot);

    if (e->opts.protocol != LW_PROTOCOL_LMTP || s->finals_begun)
        return;
    s->finals_begun = true;
    if (s->n_taken > 1) {
        a->count += s->n_taken - 1;
        s->n_awaited += s->n_taken - 1;
    }
}

static lw_code
dispatch(lw_smtp *e, const lw_reply *r)
{
    awaited *a = lw_smtp_awaited(e), was;
    lw_code rc;

    if (a == NULL || a->sent_at > e->sent_offset)
        return unexpected_reply(e, r);
    if (a->kind == AWAIT_FINAL)
        await_each_final(e, a);
    was = *a;
    lw_smtp_answered(e);
    e->since_ms = e->now_ms;
    rc = was.slot == NO_SLOT ? lw_smtp_session_reply(e, was.kind, r)
                             : lw_smtp_mail_reply(e, was.kind, was.slot, r);
    /* [RFC5321 3.8] "This response code can be issued after the server receives any command" */
    if (r->code == 421 && !e->is_closing && rc >= 0)
        rc = server_closes(e, stage_of(was.kind), r);
    /* which command a further reply belongs to, nobody knows */
    if (e->pipelining == LW_PIPELINING_FAILS && !e->is_closing && rc >= 0)
        rc = lw_smtp_lose(e, LW_EPROTO, stage_of(was.kind), "the server answered 503 although what "
                          "came before was accepted: it loses commands that come together");
    return rc;
}

static lw_code
feed_reply(lw_smtp *e, lw_span in, size_t *used)
{
    lw_error err; /* set if it fails: to clear it for every reply would cost much */
    lw_code rc = lw_reply_feed(&e->parser, in, used, &err);

    if (rc == LW_AGAIN)
        return LW_OK;
    if (rc < 0) {
        lw_smtp_lose(e, rc, lw_smtp_stage(e), "%s", err.text);
    } else if ((rc = dispatch(e, &e->parser.reply)) >= 0 && e->state == STATE_TLS &&
               *used < in.len) {
        /* what came in clear behind the 220 must not be taken for TLS's own (RFC 3207 4.2) */
        e->has_event = false;
        rc = lw_smtp_lose(e, LW_EPROTO, LW_STAGE_STARTTLS,
                          "the server sent more in clear behind its 220 to STARTTLS: "
                          "somebody may be tampering with the connection");
    }
    lw_smtp_settle(e);
    return rc < 0 ? rc : LW_OK;
}

lw_code
lw_smtp_feed(lw_smtp *e, const void *p, size_t n, size_t *used)
{
    lw_code rc = LW_OK;

    if (used == NULL)
        return LW_EUSAGE;
    *used = 0;
    if (e == NULL || (p == NULL && n > 0) || e->is_closing)
        return LW_EUSAGE;
    if (n > 0 && !e->has_event && e->n_seg == 0 && lw_smtp_next_step(e) == STEP_NONE)
        e->has_waited = true;
    while (*used < n && rc == LW_OK) {
        size_t taken = 0;
        if (e->has_event)
            return LW_AGAIN;
        if (e->state == STATE_TLS) {
            rc = lw_smtp_lose(e, LW_EPROTO, LW_STAGE_STARTTLS,
                              "the server sent more in clear behind its 220 to STARTTLS");
            lw_smtp_settle(e);
            return rc;
        }
        rc = feed_reply(e, (lw_span){ (const char *)p + *used, n - *used }, &taken);
        *used += taken;
        if (rc == LW_OK && e->is_closing)
            break;
    }
    return rc;
}

/* ---- time -------------------------------------------------------------------------------------------- */

/* 0 = none, here and below */
static uint32_t
reply_timeout(const lw_smtp *e, awaited_kind kind)
{
    const lw_smtp_timeouts *t = &e->opts.timeouts;

    switch (kind) {
    case AWAIT_GREETING: return t->greeting_ms;
    case AWAIT_EHLO:
    case AWAIT_HELO:
    case AWAIT_STARTTLS:
    case AWAIT_AUTH:
    case AWAIT_COMMAND:
    case AWAIT_RSET: return t->command_ms;
    case AWAIT_MAIL: return t->mail_ms;
    case AWAIT_RCPT: return t->rcpt_ms;
    case AWAIT_DATA: return t->data_ms;
    case AWAIT_CHUNK:
    case AWAIT_FINAL: return t->final_ms;
    case AWAIT_QUIT: return t->quit_ms;
    }
    return 0;
}

static uint32_t
longer(uint32_t a_ms, uint32_t b_ms)
{
    return a_ms == 0 || b_ms == 0 ? 0 : a_ms > b_ms ? a_ms : b_ms;
}

/* A server that works on its reply need not read what comes behind the command: those octets may
 * wait as long as the reply.
 *   [RFC5321 4.5.3.2.6] "A spurious timeout at this point would be very wasteful" */
static uint32_t
stage_timeout(const lw_smtp *e)
{
    const lw_smtp_timeouts *t = &e->opts.timeouts;
    const awaited *first = e->n_await == 0 ? NULL : &e->await[e->await_first];
    uint32_t reply_ms = first == NULL ? 0 : reply_timeout(e, first->kind);

    if (e->state == STATE_TLS)
        return t->command_ms;
    if (first == NULL)
        return e->n_seg > 0 || e->cur != NO_SLOT ? t->block_ms : 0;
    if (e->n_seg == 0 || e->state != STATE_MAIL)
        return reply_ms;
    return first->sent_at <= e->sent_offset ? longer(t->block_ms, reply_ms) : t->block_ms;
}

uint64_t
lw_smtp_deadline(const lw_smtp *e)
{
    uint64_t at = UINT64_MAX, total;
    uint32_t stage;

    if (e == NULL || e->is_closing)
        return UINT64_MAX;
    total = e->opts.timeouts.total_ms;
    stage = stage_timeout(e);
    if (stage != 0)
        at = e->since_ms + stage;
    if (total != 0 && e->began_ms + total < at)
        at = e->began_ms + total;
    return at;
}

void
lw_smtp_set_now(lw_smtp *e, uint64_t now_ms)
{
    if (e != NULL)
        e->now_ms = now_ms;
}

lw_code
lw_smtp_tick(lw_smtp *e, uint64_t now_ms)
{
    if (e == NULL)
        return LW_EUSAGE;
    /* what was done since they were looked at put no deadline before it */
    if (now_ms == e->judged_ms)
        return LW_OK;
    e->now_ms = e->judged_ms = now_ms;
    if (now_ms < lw_smtp_deadline(e))
        return LW_OK;
    /* a 221 that does not come is no failure: everything was answered */
    if (e->state == STATE_QUIT && e->n_slots == 0)
        return lw_smtp_eof(e);
    return lose_connection(e, LW_ETIMEOUT, "the server did not answer in time");
}

/* ---- looking --------------------------------------------------------------------------------------------- */

const lw_capabilities *
lw_smtp_capabilities(const lw_smtp *e)
{
    return e == NULL ? NULL : &e->caps;
}

unsigned
lw_smtp_flights(const lw_smtp *e)
{
    return e == NULL ? 0 : e->flights;
}

lw_pipelining
lw_smtp_pipelining(const lw_smtp *e)
{
    return e == NULL ? LW_PIPELINING_UNTRIED : e->pipelining;
}

const lw_error *
lw_smtp_error(const lw_smtp *e)
{
    return e == NULL ? &lw_error_of_null : &e->err;
}
