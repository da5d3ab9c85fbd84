/* SPDX-License-Identifier: MIT */
/*
 * tests/duel/round.c - two engines, two pipes, two callers, and what must be true of them
 *
 * Turn by turn each actor may do one small thing or rest, as the dice say.  Only when a turn
 * in which every actor had to act moved nothing is the round over; then both engines must
 * be closed.
 */
#include "duel/duel.h"

#include "base/base.h"

round_counts round_seen;

#define CLAIM(r, claim)                                                                  \
    do {                                                                                 \
        if (!(claim) && (r)->problem == NULL)                                            \
            (r)->problem = #claim;                                                       \
    } while (0)

static void
say(round_state *r, const char *fmt, ...)
{
    va_list ap;

    if (r->log == NULL)
        return;
    va_start(ap, fmt);
    fputs("   ", r->log);
    vfprintf(r->log, fmt, ap);
    fputc('\n', r->log);
    va_end(ap);
}

/* ---- bodies ---------------------------------------------------------------------------- */

static lw_code
source_next(void *ctx, lw_span *span)
{
    source *s = ctx;
    const plan_message *m = s->message;
    size_t left = m->n_octets - s->at, n;
    unsigned least = s->was_empty ? 1 : 0; /* empty spans, but never many in a row */

    free(s->span);
    s->span = NULL;
    if (s->at >= m->fails_at)
        return LW_ESOURCE;
    n = least + dice_below(s->dice, m->longest_span + 1 - least);
    if (n > left || s->is_calm)
        n = left;
    if (n > m->fails_at - s->at)
        n = m->fails_at - s->at;
    s->span = malloc(n > 0 ? n : 1);
    if (s->span == NULL)
        abort();
    memcpy(s->span, m->octets + s->at, n);
    s->at += n;
    s->was_empty = n == 0;
    *span = (lw_span){ s->span, n };
    if (s->at < m->n_octets)
        return LW_OK;
    return m->fails_at != SIZE_MAX || (!s->is_calm && dice_chance(s->dice, 8)) ? LW_OK : LW_DONE;
}

static lw_code
source_rewind(void *ctx)
{
    source *s = ctx;

    free(s->span);
    s->span = NULL;
    s->at = 0;
    return s->message->rewind_fails ? LW_ESOURCE : LW_OK;
}

static void
make_body(round_state *r, unsigned t)
{
    plan_message *m = &r->plan->messages[t];

    r->sources[t] = (source){ .message = m, .dice = r->dice, .is_calm = r->plan->is_calm };
    r->bodies[t] = (lw_body){ source_next, m->has_rewind ? source_rewind : NULL, &r->sources[t],
                              m->size_is_known ? m->n_octets : LW_SIZE_UNKNOWN,
                              m->is_canonical };
}

static bool
client_is_closed(const round_state *r)
{
    return strcmp(lw_smtp_state_name(r->client), "CLOSED") == 0;
}

/* ---- the client's caller ------------------------------------------------------------------ */

static void
submit_some(round_state *r)
{
    plan *p = r->plan;

    while (r->n_submitted < p->n_messages && !r->quit_asked) {
        unsigned t = r->n_submitted;
        lw_code rc;

        make_body(r, t);
        rc = lw_smtp_submit(r->client, &p->messages[t].env, &r->bodies[t], &p->messages[t]);
        if (rc == LW_EUSAGE && client_is_closed(r))
            return;
        if (rc == LW_AGAIN) {
            CLAIM(r, r->n_submitted > r->n_done);
            return;
        }
        CLAIM(r, rc == LW_OK);
        r->is_submitted[t] = true;
        r->n_submitted++;
        if (p->quits_early && dice_chance(r->dice, 3))
            r->quit_asked = true;
    }
    if (r->n_submitted == p->n_messages || r->quit_asked) {
        r->quit_asked = true;
        (void)lw_smtp_quit(r->client);
    }
}

static lw_span
draw_secret(round_state *r)
{
    static char text[12000];
    static const size_t lengths[] = { 0, 4, 60, 480, 520, 9000 };
    size_t n = lengths[dice_below(r->dice, 6)];

    memset(text, 'Q', sizeof text);
    return (lw_span){ text, n };
}

/* after EHLO, TLS, login or a command by hand: what comes next */
static void
go_on(round_state *r)
{
    plan *p = r->plan;
    lw_span secret = draw_secret(r);
    lw_code rc;

    if (client_is_closed(r))
        return;
    if (p->uses_tls && !r->tried_tls) {
        r->tried_tls = true;
        rc = lw_smtp_starttls(r->client);
        CLAIM(r, rc == LW_OK || (rc == LW_ECAPABILITY &&
                                 !(lw_smtp_capabilities(r->client)->flags & LW_CAP_STARTTLS)));
        if (rc == LW_OK)
            return;
    }
    if (p->asks_by_hand && !r->tried_hand) {
        static const char *const lines[] = { "NOOP", "VRFY bob", "HELP", "EXPN staff", "BOO x" };
        r->tried_hand = true;
        CLAIM(r, lw_smtp_command(r->client, lw_span_str(lines[dice_below(r->dice, 5)]), 1,
                                 NULL) == LW_OK);
        return;
    }
    if (p->uses_auth && !r->tried_auth &&
        (lw_smtp_capabilities(r->client)->flags & LW_CAP_AUTH) != 0) {
        r->tried_auth = true;
        CLAIM(r, lw_smtp_auth(r->client, "X-DUEL", dice_chance(r->dice, 3) ? LW_NO_SPAN : secret) ==
                     LW_OK);
        return;
    }
    r->may_submit = true;
}

static lw_outcome
outcome_of_code(int code)
{
    return code < 300   ? LW_OUTCOME_ACCEPTED
           : code < 500 ? LW_OUTCOME_DEFERRED
                        : LW_OUTCOME_REJECTED;
}

/* the one outcome of a recipient against what passed on the wire */
static void
check_outcome(round_state *r, const lw_event *ev, unsigned t)
{
    const verdict *v = &r->wire.verdicts[t][ev->rcpt];
    bool in_doubt = v->end_has_left && v->is_offered && !v->is_put_off;

    if (v->code != 0) {
        CLAIM(r, ev->outcome == outcome_of_code(v->code));
        CLAIM(r, ev->reply.code == v->code);
    } else if (ev->outcome == LW_OUTCOME_UNCERTAIN) {
        CLAIM(r, in_doubt);
    } else if (ev->outcome == LW_OUTCOME_UNSENT) {
        CLAIM(r, !in_doubt);
    } else {
        /* a farewell that came while the commands were still being written */
        CLAIM(r, ev->outcome != LW_OUTCOME_ACCEPTED);
        CLAIM(r, r->wire.farewell != 0 && ev->reply.code == r->wire.farewell);
    }
    CLAIM(r, ev->reply.code != 0 || ev->code < 0);
}

static void
take_rcpt(round_state *r, const lw_event *ev)
{
    unsigned t = (unsigned)((plan_message *)ev->tag - r->plan->messages);

    say(r, "* message %u recipient %zu: %s %d %.60s", t, ev->rcpt, lw_outcome_name(ev->outcome),
        ev->reply.code, ev->text);
    CLAIM(r, t < r->n_submitted && ev->rcpt < r->plan->messages[t].env.n_rcpts);
    if (r->problem != NULL)
        return;
    CLAIM(r, !r->is_done[t] && r->outcomes[t][ev->rcpt] == LW_OUTCOME_PENDING);
    CLAIM(r, ev->outcome != LW_OUTCOME_PENDING);
    r->outcomes[t][ev->rcpt] = ev->outcome;
    round_seen.outcomes[ev->outcome]++;
    check_outcome(r, ev, t);
}

static void
take_done(round_state *r, const lw_event *ev)
{
    unsigned t = (unsigned)((plan_message *)ev->tag - r->plan->messages);

    say(r, "* message %u done", t);
    CLAIM(r, t < r->n_submitted && !r->is_done[t]);
    if (r->problem != NULL)
        return;
    r->is_done[t] = true;
    r->n_done++;
    for (size_t i = 0; i < r->plan->messages[t].env.n_rcpts; i++)
        CLAIM(r, r->outcomes[t][i] != LW_OUTCOME_PENDING);
}

static bool
client_takes_event(round_state *r)
{
    lw_event ev;
    bool waits = (lw_smtp_want(r->client) & LW_WANT_EVENT) != 0;
    lw_code rc = lw_smtp_next(r->client, &ev);

    CLAIM(r, rc == (waits ? LW_OK : LW_DONE));
    if (rc != LW_OK)
        return false;
    CLAIM(r, r->n_client_closed == 0);
    switch (ev.kind) {
    case LW_EVENT_READY:
    case LW_EVENT_NO_TLS:
    case LW_EVENT_REPLY: go_on(r); break;
    case LW_EVENT_AUTH: r->may_submit = true; break;
    case LW_EVENT_CHALLENGE:
        CLAIM(r, client_is_closed(r) ||
                 (r->plan->cancels_auth ? lw_smtp_auth_cancel(r->client)
                                        : lw_smtp_auth_answer(r->client, draw_secret(r))) ==
                     LW_OK);
        break;
    case LW_EVENT_RCPT: take_rcpt(r, &ev); break;
    case LW_EVENT_DONE: take_done(r, &ev); break;
    case LW_EVENT_CLOSED:
        say(r, "* client closed: %s %s", lw_code_name(ev.code), ev.text);
        r->n_client_closed++;
        break;
    case LW_EVENT_GREETING:
    case LW_EVENT_START_TLS: break;
    }
    if (r->may_submit && r->n_client_closed == 0)
        submit_some(r);
    return true;
}

/* ---- the server's caller ------------------------------------------------------------------- */

static void
forget_transaction(round_state *r)
{
    r->has_transaction = false;
    r->n_rcpts = r->body_len = 0;
}

static void
check_mail(round_state *r, const lw_server_mail *m)
{
    const plan_message *pm;
    unsigned t = 0;

    CLAIM(r, !r->has_transaction);
    CLAIM(r, sscanf(m->from, "s%u@from.example", &t) == 1 && t < r->n_submitted);
    if (r->problem != NULL)
        return;
    pm = &r->plan->messages[t];
    r->about = (int)t;
    CLAIM(r, m->size == 0 || (pm->size_is_known && m->size == pm->n_octets));
    CLAIM(r, m->body_type == pm->env.body_type && m->smtputf8 == pm->env.needs_smtputf8);
    CLAIM(r, m->require_tls == pm->env.require_tls);
    CLAIM(r, m->envid == NULL || strcmp(m->envid, pm->env.envid) == 0);
    CLAIM(r, m->auth == NULL || strcmp(m->auth, pm->env.auth) == 0);
    CLAIM(r, m->ret == LW_RET_UNSET || m->ret == pm->env.ret);
    CLAIM(r, m->deliver_by_mode == 0 || (m->deliver_by_mode == pm->env.deliver_by_mode &&
                                         m->deliver_by_s == pm->env.deliver_by_s &&
                                         m->deliver_by_trace == pm->env.deliver_by_trace));
    CLAIM(r, m->hold_for_s == pm->env.hold_for_s);
    CLAIM(r, (m->hold_until == NULL) ==
             (pm->env.hold_until == NULL || pm->env.hold_for_s != 0));
    CLAIM(r, !m->has_priority || m->priority == pm->env.priority);
}

static void
check_rcpt(round_state *r, const lw_server_rcpt *rc)
{
    const plan_message *pm = &r->plan->messages[r->message];
    size_t i = 0;

    CLAIM(r, r->has_transaction);
    while (i < pm->env.n_rcpts && strcmp(pm->address[i], rc->address) != 0)
        i++;
    CLAIM(r, i < pm->env.n_rcpts);
    if (r->problem != NULL)
        return;
    r->about_rcpt = (int)i;
    CLAIM(r, r->stored[r->message][i] == 0);
    CLAIM(r, rc->notify == 0 || rc->notify == pm->rcpts[i].notify);
    CLAIM(r, rc->orcpt == NULL || strcmp(rc->orcpt, pm->orcpt[i]) == 0);
}

static void
add_body(round_state *r, lw_span s)
{
    CLAIM(r, r->has_transaction && r->n_rcpts > 0 && s.len > 0);
    if (r->body_len + s.len > r->body_cap) {
        r->body_cap = 2 * (r->body_len + s.len);
        if ((r->body = realloc(r->body, r->body_cap)) == NULL)
            abort();
    }
    memcpy(r->body + r->body_len, s.ptr, s.len);
    r->body_len += s.len;
}

static void
check_message(round_state *r)
{
    const plan_message *pm = &r->plan->messages[r->message];

    CLAIM(r, r->has_transaction && r->n_rcpts > 0);
    if (r->plan->fault == FAULT_CLIENT_BABBLES && r->has_struck)
        return;
    CLAIM(r, r->body_len == pm->n_expected);
    if (r->problem == NULL && r->body_len > 0)
        CLAIM(r, memcmp(r->body, pm->expected, r->body_len) == 0);
}

static int
refusal_of(round_state *r)
{
    static const int codes[] = { 450, 451, 452, 452, 421, 550, 552, 554, 553, 432 };
    int code = codes[dice_below(r->dice, 10)];

    return code == 421 && !dice_chance(r->dice, 3) ? 451 : code;
}

static void
count_refusal(const round_state *r, int code)
{
    if (wire_in_flight(&r->wire) <= DEEP)
        return;
    round_seen.deep_refused[r->kind]++;
    round_seen.deep_421 += code == 421;
    round_seen.deep_452 += code == 452;
}

static bool
refuses(round_state *r)
{
    unsigned n = r->plan->refusals;

    if (r->kind == LW_SERVER_OPEN || r->kind == LW_SERVER_HELLO)
        n *= 8;
    return n != 0 && dice_chance(r->dice, n);
}

static void
store(round_state *r)
{
    round_seen.stored++;
    if (r->plan->server.protocol == LW_PROTOCOL_LMTP) {
        r->stored[r->message][r->rcpts[r->event_index]]++;
        return;
    }
    for (size_t i = 0; i < r->n_rcpts; i++)
        r->stored[r->message][r->rcpts[i]]++;
}

/* what the answer means to the server's caller */
static void
note_answer(round_state *r, bool is_good, bool ends_session)
{
    if (r->kind == LW_SERVER_MAIL && is_good) {
        r->has_transaction = true;
        r->message = r->about;
    } else if (r->kind == LW_SERVER_RCPT && is_good) {
        CLAIM(r, r->n_rcpts == r->event_index && r->n_rcpts < RCPTS_MAX);
        if (r->problem == NULL)
            r->rcpts[r->n_rcpts++] = r->about_rcpt;
    } else if (r->kind == LW_SERVER_MESSAGE) {
        if (is_good)
            store(r);
        if (!ends_session && (r->plan->server.protocol == LW_PROTOCOL_SMTP ||
                              r->event_index + 1 == r->n_rcpts))
            forget_transaction(r);
    }
}

static void
server_decides(round_state *r)
{
    static const char *const texts[] = { NULL, "no", "two\nlines", "" };
    lw_server_event_kind kind = r->kind;
    lw_code rc;
    int code = 0;

    r->owes = false;
    if ((kind == LW_SERVER_AUTH || kind == LW_SERVER_AUTH_DATA) &&
        r->n_challenged < r->plan->n_challenges) {
        r->n_challenged++;
        CLAIM(r, lw_smtp_server_challenge(r->server, draw_secret(r)) == LW_OK);
        return;
    }
    if (refuses(r)) {
        code = refusal_of(r);
        count_refusal(r, code);
    }
    if (code == 0)
        rc = lw_smtp_server_accept(r->server);
    else
        rc = lw_smtp_server_reply(r->server, code, NULL, texts[dice_below(r->dice, 4)]);
    CLAIM(r, rc == LW_OK);
    note_answer(r, code == 0, code == 421);
}

static void
take_server_event(round_state *r, const lw_server_event *ev)
{
    CLAIM(r, r->n_server_closed == 0);
    switch (ev->kind) {
    case LW_SERVER_MAIL: check_mail(r, &ev->mail); break;
    case LW_SERVER_RCPT: check_rcpt(r, &ev->rcpt); break;
    case LW_SERVER_DATA:
        round_seen.bdat += ev->is_bdat;
        CLAIM(r, r->has_transaction && r->n_rcpts > 0 && r->body_len == 0);
        break;
    case LW_SERVER_BODY: add_body(r, ev->data); break;
    case LW_SERVER_MESSAGE: check_message(r); break;
    case LW_SERVER_RESET:
        CLAIM(r, r->has_transaction);
        forget_transaction(r);
        break;
    case LW_SERVER_CLOSED:
        say(r, "* server closed: %s", lw_code_name(ev->code));
        r->n_server_closed++;
        CLAIM(r, !r->has_transaction);
        break;
    case LW_SERVER_AUTH: round_seen.auth++; break;
    case LW_SERVER_OPEN:
    case LW_SERVER_HELLO:
    case LW_SERVER_START_TLS:
    case LW_SERVER_AUTH_DATA:
    case LW_SERVER_VRFY:
    case LW_SERVER_EXPN:
    case LW_SERVER_HELP:
    case LW_SERVER_UNKNOWN:
    case LW_SERVER_QUIT: break;
    }
}

static bool
server_takes_event(round_state *r)
{
    lw_server_event ev;
    bool waits = (lw_smtp_server_want(r->server) & LW_WANT_EVENT) != 0;
    lw_code rc;

    if (r->server_rests)
        return false;
    if (r->owes) {
        /* the engine may have closed over it */
        if ((lw_smtp_server_want(r->server) & LW_WANT_CALLER) == 0)
            r->owes = false;
        else if (r->late_turns > 0)
            r->late_turns--;
        else
            server_decides(r);
        return true;
    }
    rc = lw_smtp_server_next(r->server, &ev);
    CLAIM(r, rc == (waits ? LW_OK : LW_DONE));
    if (rc != LW_OK)
        return false;
    take_server_event(r, &ev);
    if (ev.needs_reply) {
        r->owes = true;
        r->kind = ev.kind;
        r->event_index = ev.index;
        r->late_turns = r->plan->lateness == 0 ? 0 : dice_below(r->dice, r->plan->lateness);
    }
    return true;
}

/* ---- the pipes -------------------------------------------------------------------------------- */

static void
tube_add(tube *p, const char *s, size_t n)
{
    memcpy(p->ptr + p->len, s, n);
    p->len += n;
}

static void
tube_drop(tube *p, size_t n)
{
    memmove(p->ptr, p->ptr + n, p->len - n);
    p->len -= n;
}

static size_t
piece(round_state *r, size_t most)
{
    size_t n = r->plan->is_calm ? most : 1 + dice_below(r->dice, r->plan->piece_max);

    return n < most ? n : most;
}

static void client_is_cut(round_state *r);

static const char babble[] = "\r\nHTTP/1.1 400 Bad Request\r\n\xff\0\n.\n";

static bool
faults_server(const plan *p)
{
    return p->fault >= FAULT_SERVER_CLOSES && p->fault <= FAULT_SERVER_BABBLES;
}

static bool
faults_client(const plan *p)
{
    return p->fault >= FAULT_CLIENT_CLOSES;
}

/* octets until the fault, at most n */
static size_t
before_fault(const round_state *r, bool is_mine, uint64_t passed, size_t n)
{
    if (!is_mine || r->has_struck || r->plan->fault_at - passed >= n)
        return n;
    return (size_t)(r->plan->fault_at - passed);
}

static void
server_fault_strikes(round_state *r)
{
    size_t used = 0, n = sizeof babble - 1;
    lw_code rc = LW_AGAIN;

    r->has_struck = true;
    say(r, "* the server fails");
    if (r->plan->fault != FAULT_SERVER_BABBLES) {
        r->plan->cut = r->plan->fault == FAULT_SERVER_CLOSES ? CUT_CLIENT_SEES_EOF
                                                             : CUT_CLIENT_TIMES_OUT;
        client_is_cut(r);
        return;
    }
    r->wire.is_babbling = true;
    for (size_t at = 0; rc == LW_AGAIN; at += used) {
        rc = lw_smtp_feed(r->client, babble + at, n - at, &used);
        wire_fed(&r->wire, babble + at, used);
        while (rc == LW_AGAIN && client_takes_event(r))
            ;
    }
    CLAIM(r, rc == LW_EPROTO || client_is_closed(r));
    r->client_gone = true;
}

static void
client_fault_strikes(round_state *r)
{
    r->has_struck = true;
    say(r, "* the client fails");
    if (r->plan->fault == FAULT_CLIENT_STALLS) {
        r->client_stalls = true;
        return;
    }
    r->plan->cut = CUT_CLIENT_SEES_EOF;
    client_is_cut(r);
    if (r->plan->fault == FAULT_CLIENT_BABBLES && r->to_server.cap - r->to_server.len > 64)
        tube_add(&r->to_server, babble, sizeof babble - 1);
}

/* the server's caller tells the time: nothing came for as long as it waits */
static bool
server_gives_up(round_state *r)
{
    uint64_t deadline = lw_smtp_server_deadline(r->server);

    if (!r->client_stalls || r->server_gone || r->to_server.len > 0 || deadline == UINT64_MAX)
        return false;
    CLAIM(r, lw_smtp_server_tick(r->server, deadline - 1) == LW_OK);
    CLAIM(r, lw_smtp_server_tick(r->server, deadline) == LW_ETIMEOUT);
    r->client_stalls = false;
    r->server_must_close = true;
    return true;
}

static bool
client_writes(round_state *r)
{
    static char gathered[PIPE_MAX];
    lw_slice v[200];
    size_t len = 0, room = r->to_server.cap - r->to_server.len;
    int n;

    if (room == 0 || r->client_gone || r->client_stalls || r->server_must_close)
        return false;
    if (faults_client(r->plan) && !r->has_struck && r->n_sent == r->plan->fault_at) {
        client_fault_strikes(r);
        return true;
    }
    n = lw_smtp_out(r->client, v, (int)r->plan->n_slices);
    if (n == 0) /* making the next command may have ended a transaction instead */
        return (lw_smtp_want(r->client) & LW_WANT_EVENT) != 0;
    room = before_fault(r, faults_client(r->plan), r->n_sent, piece(r, room));
    for (int i = 0; i < n; i++) {
        size_t part = v[i].len < room - len ? v[i].len : room - len;
        CLAIM(r, v[i].len > 0);
        memcpy(gathered + len, v[i].ptr, part);
        len += part;
    }
    lw_smtp_sent(r->client, len);
    r->n_sent += len;
    tube_add(&r->to_server, gathered, len);
    wire_sent(&r->wire, gathered, len);
    return len > 0;
}

/* a copy of exactly n octets, so that a read behind them is caught */
static char *
exact_copy(const tube *p, size_t n)
{
    char *copy = malloc(n);

    if (copy == NULL)
        abort();
    memcpy(copy, p->ptr, n);
    return copy;
}

static bool
client_reads(round_state *r)
{
    size_t n, used = 0;
    char *copy;
    lw_code rc;

    if (faults_server(r->plan) && !r->has_struck && !r->client_gone &&
        r->n_said == r->plan->fault_at) {
        server_fault_strikes(r);
        return true;
    }
    if (r->client_gone || r->to_client.len == 0 ||
        (lw_smtp_want(r->client) & (LW_WANT_READ | LW_WANT_TLS)) == 0)
        return false;
    n = before_fault(r, faults_server(r->plan), r->n_said, piece(r, r->to_client.len));
    copy = exact_copy(&r->to_client, n);
    rc = lw_smtp_feed(r->client, copy, n, &used);
    free(copy);
    CLAIM(r, used <= n && (rc == LW_OK || rc == LW_AGAIN || rc == LW_EREPLY));
    wire_fed(&r->wire, r->to_client.ptr, used);
    tube_drop(&r->to_client, used);
    r->n_said += used;
    return used > 0;
}

static bool
server_reads(round_state *r)
{
    size_t n, used = 0;
    char *copy;
    lw_code rc;

    bool wants = (lw_smtp_server_want(r->server) & LW_WANT_READ) != 0, has_moved = false;

    if (r->server_gone || r->server_rests || r->to_server.len == 0 || (!wants && !dice_chance(r->dice, 4)))
        return false;
    n = piece(r, r->to_server.len);
    copy = exact_copy(&r->to_server, n);
    rc = lw_smtp_server_feed(r->server, copy, n, &used);
    CLAIM(r, used <= n);
    CLAIM(r, rc == LW_OK || rc == LW_AGAIN || (rc == LW_EUSAGE && !wants) ||
             (rc == LW_EPROTO && r->plan->fault == FAULT_CLIENT_BABBLES && r->has_struck));
    tube_drop(&r->to_server, used);
    /* a BODY event points into what was fed */
    while (!r->owes && (lw_smtp_server_want(r->server) & LW_WANT_EVENT) != 0)
        has_moved |= server_takes_event(r);
    free(copy);
    return has_moved || used > 0;
}

static bool
server_writes(round_state *r)
{
    lw_slice v;
    size_t n;

    if (r->server_gone || lw_smtp_server_out(r->server, &v, 1) == 0)
        return false;
    n = piece(r, v.len);
    if (!r->client_gone) {
        size_t room = r->to_client.cap - r->to_client.len;
        n = n < room ? n : room;
        tube_add(&r->to_client, v.ptr, n);
    }
    lw_smtp_server_sent(r->server, n);
    return n > 0;
}

/* ---- connection, TLS, the end -------------------------------------------------------------------- */

static bool
tls_happens(round_state *r)
{
    if (r->client_gone || (lw_smtp_want(r->client) & LW_WANT_TLS) == 0 ||
        (lw_smtp_server_want(r->server) & LW_WANT_TLS) == 0)
        return false;
    CLAIM(r, r->to_client.len == 0 && r->to_server.len == 0);
    CLAIM(r, lw_smtp_tls_done(r->client) == LW_OK);
    CLAIM(r, lw_smtp_server_tls_done(r->server) == LW_OK);
    r->wire.has_tls = true;
    round_seen.tls++;
    return true;
}

static void
client_is_cut(round_state *r)
{
    uint64_t deadline = lw_smtp_deadline(r->client);

    say(r, "* cut");
    if (r->plan->cut == CUT_CLIENT_FAILS) {
        lw_smtp_fail(r->client, LW_ETLS, "the cable was cut");
    } else if (r->plan->cut == CUT_CLIENT_TIMES_OUT && deadline != UINT64_MAX) {
        CLAIM(r, lw_smtp_tick(r->client, deadline - 1) == LW_OK);
        CLAIM(r, lw_smtp_tick(r->client, deadline) != LW_AGAIN);
    } else {
        (void)lw_smtp_eof(r->client);
    }
    r->client_gone = true;
    if (r->plan->cut_loses)
        r->to_server.len = 0;
}

static bool
is_time_to_cut(const round_state *r)
{
    const plan *p = r->plan;

    return (p->cut_after != 0 && r->turns >= p->cut_after) ||
           (p->cut_after_ends != 0 && r->wire.n_ends >= p->cut_after_ends);
}

static bool
connection_ends(round_state *r)
{
    if (!r->is_cut && is_time_to_cut(r)) {
        r->is_cut = true;
        round_seen.cut++;
        round_seen.deep_cut += wire_in_flight(&r->wire) > DEEP;
        if (r->plan->cut == CUT_SERVER_CLOSES)
            lw_smtp_server_close(r->server, "going down");
        else if (!r->client_gone)
            client_is_cut(r);
        return true;
    }
    if (!r->client_gone && lw_smtp_want(r->client) == 0)
        r->client_gone = true;
    if (!r->client_gone && r->server_gone && r->to_client.len == 0) {
        (void)lw_smtp_eof(r->client);
        r->client_gone = true;
        return true;
    }
    if (!r->server_gone && lw_smtp_server_want(r->server) == 0) {
        r->server_gone = true;
        return true;
    }
    if (r->client_gone && !r->eof_told && r->to_server.len == 0) {
        r->eof_told = true;
        (void)lw_smtp_server_eof(r->server);
        return true;
    }
    return false;
}

typedef bool (*actor)(round_state *r);

static bool
take_turn(round_state *r, bool all_must)
{
    static const actor actors[] = { client_takes_event, client_writes, client_reads, server_reads,
                                    server_takes_event, server_writes, server_gives_up,
                                    tls_happens, connection_ends };
    bool has_moved = false;

    r->turns++;
    if (r->plan->is_bursty && !r->server_rests && r->turns_to_rest-- == 0)
        r->server_rests = true;
    for (size_t i = 0; i < sizeof actors / sizeof *actors && r->problem == NULL; i++)
        if (all_must || r->plan->is_calm || !dice_chance(r->dice, 3))
            has_moved |= actors[i](r);
    if (r->problem == NULL)
        r->problem = r->wire.problem;
    if (!has_moved && all_must && r->server_rests) {
        r->server_rests = false;
        r->turns_to_rest = dice_below(r->dice, 200);
        return true;
    }
    return has_moved;
}

/* accepted: stored once.  Uncertain: stored once or not.  All else: not stored. */
static void
check_end(round_state *r)
{
    CLAIM(r, lw_smtp_want(r->client) == 0 && r->n_client_closed == 1);
    CLAIM(r, lw_smtp_server_want(r->server) == 0 && r->n_server_closed == 1);
    for (unsigned t = 0; t < r->n_submitted; t++) {
        CLAIM(r, r->is_done[t]);
        for (size_t i = 0; i < r->plan->messages[t].env.n_rcpts; i++) {
            unsigned n = r->stored[t][i];
            lw_outcome o = r->outcomes[t][i];
            if (r->plan->fault == FAULT_CLIENT_BABBLES && r->has_struck)
                continue; /* what it babbled may have ended the data */
            CLAIM(r, n <= 1);
            CLAIM(r, o != LW_OUTCOME_ACCEPTED || n == 1);
            CLAIM(r, o == LW_OUTCOME_ACCEPTED || o == LW_OUTCOME_UNCERTAIN || n == 0);
        }
    }
    CLAIM(r, lw_smtp_flights(r->client) <= r->wire.flights);
}

static void *
zeros(size_t n, size_t size)
{
    void *p = calloc(n, size);

    if (p == NULL)
        abort();
    return p;
}

static void
make_room(round_state *r, size_t n)
{
    r->sources = zeros(n, sizeof *r->sources);
    r->bodies = zeros(n, sizeof *r->bodies);
    r->is_submitted = zeros(n, sizeof *r->is_submitted);
    r->is_done = zeros(n, sizeof *r->is_done);
    r->outcomes = zeros(n, sizeof *r->outcomes);
    r->stored = zeros(n, sizeof *r->stored);
}

static void
open_round(round_state *r)
{
    plan *p = r->plan;

    make_room(r, p->n_messages);
    r->to_server = (tube){ malloc(p->pipe_cap[0]), 0, p->pipe_cap[0] };
    r->to_client = (tube){ malloc(p->pipe_cap[1]), 0, p->pipe_cap[1] };
    if (r->to_server.ptr == NULL || r->to_client.ptr == NULL)
        abort();
    wire_init(&r->wire, p);
    r->wire.log = r->log;
    CLAIM(r, lw_smtp_new(&p->client, 0, &r->client) == LW_OK);
    CLAIM(r, lw_smtp_server_new(&p->server, 0, &r->server) == LW_OK);
    if (r->problem == NULL && p->server.tls_active)
        CLAIM(r, lw_smtp_tls_done(r->client) == LW_OK);
    if (r->problem == NULL && p->submits_early) {
        r->may_submit = true;
        submit_some(r);
    }
}

static void
close_round(round_state *r)
{
    lw_smtp_free(r->client);
    lw_smtp_server_free(r->server);
    wire_deinit(&r->wire);
    for (unsigned t = 0; t < r->plan->n_messages; t++)
        free(r->sources[t].span);
    free(r->sources);
    free(r->bodies);
    free(r->is_submitted);
    free(r->is_done);
    free(r->outcomes);
    free(r->stored);
    free(r->to_server.ptr);
    free(r->to_client.ptr);
    free(r->body);
    free(r);
}

const char *
round_run(plan *p, FILE *log)
{
    round_state *r = calloc(1, sizeof *r);
    const char *problem;

    if (r == NULL)
        abort();
    *r = (round_state){ .plan = p, .dice = &p->dice, .log = log };
    open_round(r);
    while (r->problem == NULL && (take_turn(r, false) || take_turn(r, true)))
        CLAIM(r, r->turns < 5000000);
    if (r->problem == NULL)
        check_end(r);
    problem = r->problem;
    round_seen.last_flights = lw_smtp_flights(r->client);
    round_seen.last_wire_flights = r->wire.flights;
    round_seen.last_said = r->n_said;
    round_seen.last_sent = r->n_sent;
    round_seen.last_fault_struck = r->has_struck;
    round_seen.rounds++;
    round_seen.deep_rounds += r->wire.most_in_flight > DEEP;
    if (r->wire.most_in_flight > round_seen.most_in_flight)
        round_seen.most_in_flight = r->wire.most_in_flight;
    round_seen.lmtp += p->client.protocol == LW_PROTOCOL_LMTP;
    round_seen.turns += r->turns;
    close_round(r);
    return problem;
}
