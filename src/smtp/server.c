/* SPDX-License-Identifier: MIT */
/*
 * smtp/server.c - the server engine: life, events, output, time
 *
 * States and moves: server_states.def.  Invariants: server_int.h.  The other parts:
 * server_line.c (octets to lines), server_command.c (verbs), server_data.c (octets of
 * messages), server_reply.c (replies and the caller's answers).
 */
#include "smtp/server_int.h"

enum { DEFAULT_LINE = 2048, DEFAULT_ERRORS = 100, DEFAULT_RCPTS = 100000 };

void
lw_server_set_state(lw_smtp_server *e, lw_server_state to)
{
    static const uint32_t moves[][2] = {
#define MOVE(from, to_, why) { LW_SERVER_S_##from, LW_SERVER_S_##to_ },
#include "smtp/server_states.def"
    };
    bool is_listed = to == LW_SERVER_S_CLOSING && e->state != LW_SERVER_S_CLOSED;

    for (size_t i = 0; !is_listed && i < LW_COUNT(moves); i++)
        is_listed = moves[i][0] == (uint32_t)e->state && moves[i][1] == (uint32_t)to;
    if (LW_NEVER(!is_listed))
        return;
    e->state = to;
}

static void
check_server(const lw_smtp_server *e)
{
    lw_assert(e->owed < 0 || !lw_server_is_asking(e) || e->n_queue == 0);
    lw_assert(e->out_start <= e->out_len && e->out_len <= e->out_cap);
    lw_assert(e->line_len <= e->line_cap && e->store.len <= e->store.cap);
    lw_assert(e->n_rcpts == 0 || e->has_mail || e->state == LW_SERVER_S_BAD ||
              e->state == LW_SERVER_S_CHUNK || e->final_left > 0);
    (void)e;
}

/* ---- options ------------------------------------------------------------------------- */

static bool
is_word_list(const char *s, bool spaces, size_t max)
{
    size_t n = 0;

    for (; s[n] != '\0' && n <= max; n++) {
        if ((unsigned char)s[n] < 0x20 || (unsigned char)s[n] > 0x7e)
            return false;
        if (s[n] == ' ' && !spaces)
            return false;
    }
    return n <= max;
}

static void
set_defaults(lw_smtp_server_opts *o)
{
    if (o->name == NULL)
        o->name = "localhost";
    if (o->auth == NULL)
        o->auth = "";
    if (o->auth_before_tls == NULL)
        o->auth_before_tls = o->auth;
    if (o->rcpt_max == 0)
        o->rcpt_max = DEFAULT_RCPTS;
    if (o->hold_max_s == 0)
        o->hold_max_s = 864000;
    if (o->hold_max_until == NULL)
        o->hold_max_until = "2099-12-31T23:59:59Z";
    if (o->max_line_bytes == 0)
        o->max_line_bytes = DEFAULT_LINE;
    if (o->max_errors == 0)
        o->max_errors = DEFAULT_ERRORS;
    if (o->timeout_ms == 0)
        o->timeout_ms = 300000;
}

static bool
are_good(const lw_smtp_server_opts *o)
{
    return *o->name != '\0' && is_word_list(o->name, false, 255) &&
           is_word_list(o->auth, true, 1000) && is_word_list(o->auth_before_tls, true, 1000) &&
           lw_is_utc_date_time(lw_span_str(o->hold_max_until)) &&
           o->hold_max_s <= 999999999 && o->max_line_bytes >= 512 &&
           o->max_line_bytes <= 1u << 20 && o->limit_rcpt_domain_max <= LW_SERVER_DOMAINS_MAX;
}

/* ---- life ------------------------------------------------------------------------------ */

static const char *
keep(char **free_space, const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = memcpy(*free_space, s, n);

    *free_space += n;
    return copy;
}

static void
place_buffers(lw_smtp_server *e)
{
    char *p = (char *)(e + 1);
    lw_smtp_server_opts *o = &e->o;

    e->domains = (uint64_t *)(void *)p;
    p += o->limit_rcpt_domain_max * sizeof *e->domains;
    e->line = p;
    p += e->line_cap;
    e->store.ptr = p;
    p += e->store.cap;
    e->out = p;
    p += e->out_cap;
    o->name = keep(&p, o->name);
    o->auth = keep(&p, o->auth);
    o->auth_before_tls = keep(&p, o->auth_before_tls);
    o->hold_max_until = keep(&p, o->hold_max_until);
}

lw_code
lw_smtp_server_new(const lw_smtp_server_opts *opts, uint64_t now_ms, lw_smtp_server **out)
{
    lw_smtp_server head = { .now_ms = now_ms, .armed_ms = now_ms, .owed = -1 };
    lw_smtp_server *e;
    size_t total;

    if (out == NULL)
        return LW_EUSAGE;
    *out = NULL;
    if (lw_opts_copy(&head.o, sizeof head.o, opts) < 0)
        return LW_EUSAGE;
    set_defaults(&head.o);
    if (!are_good(&head.o))
        return LW_EUSAGE;
    head.alloc = *lw_alloc_or_default(head.o.alloc);
    head.has_tls = head.o.tls_active;
    head.out_reserve = LW_SERVER_REPLY_MAX;
    head.line_cap = head.o.max_line_bytes;
    if (*head.o.auth != '\0' || *head.o.auth_before_tls != '\0') {
        head.out_reserve = LW_SERVER_AUTH_MAX + 16;
        if (head.line_cap < LW_SERVER_AUTH_MAX + 2)
            head.line_cap = LW_SERVER_AUTH_MAX + 2;
    }
    head.store.cap = head.o.max_line_bytes + 64;
    head.out_cap = LW_SERVER_GROUP + head.out_reserve + LW_SERVER_LAST_WORDS;
    total = sizeof head + head.o.limit_rcpt_domain_max * sizeof(uint64_t) + head.line_cap +
            head.store.cap + head.out_cap + strlen(head.o.name) + strlen(head.o.auth) +
            strlen(head.o.auth_before_tls) + strlen(head.o.hold_max_until) + 4;
    if ((e = lw_malloc(&head.alloc, total)) == NULL)
        return LW_ENOMEM;
    *e = head;
    e->o.alloc = &e->alloc;
    place_buffers(e);
    lw_server_ask(e, LW_SERVER_OPEN);
    *out = e;
    return LW_OK;
}

void
lw_smtp_server_free(lw_smtp_server *e)
{
    lw_alloc alloc;

    if (e == NULL)
        return;
    lw_wipe(e->line, e->line_cap);
    lw_wipe(e->store.ptr, e->store.cap);
    alloc = e->alloc;
    lw_release(&alloc, e);
}

/* ---- what is offered --------------------------------------------------------------------- */

static bool
offers_starttls(const lw_smtp_server *e)
{
    return (e->o.capabilities & LW_CAP_STARTTLS) != 0 && !e->has_tls;
}

const char *
lw_server_mechanisms(const lw_smtp_server *e)
{
    if ((e->o.capabilities & LW_CAP_AUTH) == 0)
        return "";
    return offers_starttls(e) ? e->o.auth_before_tls : e->o.auth;
}

uint32_t
lw_server_caps(const lw_smtp_server *e)
{
    const lw_smtp_server_opts *o = &e->o;
    uint32_t caps = o->capabilities;

    /* [RFC3207 4.2] "A server MUST NOT return the STARTTLS" */
    if (!offers_starttls(e))
        caps &= ~(uint32_t)LW_CAP_STARTTLS;
    if (*lw_server_mechanisms(e) == '\0')
        caps &= ~(uint32_t)LW_CAP_AUTH;
    /* [RFC8689 2] "The session itself MUST employ TLS transmission." */
    if (!e->has_tls)
        caps &= ~(uint32_t)LW_CAP_REQUIRETLS;
    /* [RFC3030 3] "The BINARYMIME service extension can only be used with the" */
    if ((caps & LW_CAP_CHUNKING) == 0)
        caps &= ~(uint32_t)LW_CAP_BINARYMIME;
    /* RFC 6531 3.1: who offers SMTPUTF8 offers 8BITMIME */
    if ((caps & LW_CAP_8BITMIME) == 0)
        caps &= ~(uint32_t)LW_CAP_SMTPUTF8;
    if (o->limit_rcpt_max == 0 && o->limit_mail_max == 0 && o->limit_rcpt_domain_max == 0)
        caps &= ~(uint32_t)LW_CAP_LIMITS;
    return caps;
}

/* ---- events -------------------------------------------------------------------------------- */

static bool
needs_reply(lw_server_event_kind kind)
{
    switch (kind) {
    case LW_SERVER_OPEN:
    case LW_SERVER_HELLO:
    case LW_SERVER_AUTH:
    case LW_SERVER_AUTH_DATA:
    case LW_SERVER_MAIL:
    case LW_SERVER_RCPT:
    case LW_SERVER_DATA:
    case LW_SERVER_MESSAGE:
    case LW_SERVER_VRFY:
    case LW_SERVER_EXPN:
    case LW_SERVER_HELP:
    case LW_SERVER_UNKNOWN:
        return true;
    case LW_SERVER_START_TLS:
    case LW_SERVER_BODY:
    case LW_SERVER_RESET:
    case LW_SERVER_QUIT:
    case LW_SERVER_CLOSED:
        return false;
    }
    return false;
}

void
lw_server_queue(lw_smtp_server *e, lw_server_event_kind kind)
{
    if (LW_NEVER(e->n_queue == LW_SERVER_QUEUE))
        return;
    e->queue[e->n_queue++] = (unsigned char)kind;
}

void
lw_server_ask(lw_smtp_server *e, lw_server_event_kind kind)
{
    e->ev.kind = kind;
    e->ev.needs_reply = true;
    lw_server_queue(e, kind);
}

bool
lw_server_is_asking(const lw_smtp_server *e)
{
    if (e->owed >= 0)
        return true;
    for (unsigned i = 0; i < e->n_queue; i++) {
        if (needs_reply((lw_server_event_kind)e->queue[i]))
            return true;
    }
    return false;
}

lw_code
lw_smtp_server_next(lw_smtp_server *e, lw_server_event *ev)
{
    lw_server_event_kind kind;

    if (e == NULL || ev == NULL)
        return LW_EUSAGE;
    *ev = (lw_server_event){ .kind = LW_SERVER_CLOSED };
    if (e->n_queue == 0)
        return LW_DONE;
    kind = (lw_server_event_kind)e->queue[0];
    memmove(e->queue, e->queue + 1, --e->n_queue);
    if (needs_reply(kind) || kind == LW_SERVER_BODY)
        *ev = e->ev;
    ev->kind = kind;
    if (kind == LW_SERVER_CLOSED)
        ev->code = e->close_code;
    if (needs_reply(kind))
        e->owed = (int)kind;
    if (kind == LW_SERVER_BODY)
        lw_server_body_taken(e);
    check_server(e);
    return LW_OK;
}

void
lw_server_end_transaction(lw_smtp_server *e)
{
    e->has_mail = e->has_tried_mail = e->has_smtputf8 = false;
    e->n_rcpts = e->n_rcpt_cmds = 0;
    e->body_type = LW_BODY_7BIT;
    e->fail = NULL;
}

void
lw_server_drop(lw_smtp_server *e)
{
    if (e->has_mail)
        lw_server_queue(e, LW_SERVER_RESET);
    lw_server_end_transaction(e);
}

/* ---- input and output -------------------------------------------------------------------------- */

bool
lw_server_has_room(const lw_smtp_server *e)
{
    return e->out_cap - e->out_len >= e->out_reserve + LW_SERVER_LAST_WORDS;
}

void
lw_server_ask_message(lw_smtp_server *e)
{
    e->final_waits = !lw_server_has_room(e);
    if (e->final_waits)
        return;
    e->ev = (lw_server_event){ .index = e->final_index };
    lw_server_ask(e, LW_SERVER_MESSAGE);
}

bool
lw_server_can_take(const lw_smtp_server *e)
{
    return e->n_queue == 0 && e->owed < 0 && e->final_left == 0 && lw_server_has_room(e) &&
           e->state != LW_SERVER_S_OPEN && e->state < LW_SERVER_S_TLS_REPLY;
}

unsigned
lw_smtp_server_want(const lw_smtp_server *e)
{
    unsigned want = 0;

    if (e == NULL)
        return want;
    if (e->n_queue > 0)
        want |= LW_WANT_EVENT;
    else if (e->owed >= 0)
        want |= LW_WANT_CALLER;
    else if (e->state == LW_SERVER_S_TLS)
        want |= LW_WANT_TLS;
    if (e->out_len > e->out_start)
        want |= LW_WANT_WRITE;
    if (lw_server_can_take(e))
        want |= LW_WANT_READ;
    return want;
}

int
lw_smtp_server_out(lw_smtp_server *e, lw_slice *v, int n)
{
    if (e == NULL || v == NULL || n < 1 || e->out_len == e->out_start)
        return 0;
    v[0] = (lw_slice){ e->out + e->out_start, e->out_len - e->out_start, LW_SLICE_COMMAND };
    return 1;
}

static void
out_has_left(lw_smtp_server *e)
{
    e->out_start = e->out_len = 0;
    lw_server_pump(e);
    if (e->out_len > 0)
        return;
    if (e->state == LW_SERVER_S_TLS_REPLY) {
        lw_server_set_state(e, LW_SERVER_S_TLS);
        lw_server_queue(e, LW_SERVER_START_TLS);
    } else if (e->state == LW_SERVER_S_CLOSING) {
        lw_server_set_state(e, LW_SERVER_S_CLOSED);
        lw_server_queue(e, LW_SERVER_CLOSED);
    }
}

void
lw_smtp_server_sent(lw_smtp_server *e, size_t n)
{
    size_t waiting;

    if (e == NULL || n == 0)
        return;
    waiting = e->out_len - e->out_start;
    if (LW_NEVER(n > waiting))
        return;
    e->out_start += n;
    if (n == waiting) {
        out_has_left(e);
    } else if (e->out_start >= LW_SERVER_GROUP / 2) {
        memmove(e->out, e->out + e->out_start, waiting - n);
        e->out_len = waiting - n;
        e->out_start = 0;
    }
    if (e->final_waits)
        lw_server_ask_message(e);
    check_server(e);
}

lw_code
lw_smtp_server_feed(lw_smtp_server *e, const void *p, size_t n, size_t *used)
{
    const char *s = p;
    size_t i = 0;

    if (used == NULL)
        return LW_EUSAGE;
    *used = 0;
    if (e == NULL || (p == NULL && n > 0) || e->state == LW_SERVER_S_CLOSED || e->has_eof)
        return LW_EUSAGE;
    while (i < n && lw_server_can_take(e)) {
        if (e->state == LW_SERVER_S_DATA)
            i += lw_server_take_data(e, s + i, n - i);
        else if (e->state == LW_SERVER_S_CHUNK)
            i += lw_server_take_chunk(e, s + i, n - i);
        else
            i += lw_server_take_line(e, s + i, n - i);
    }
    check_server(e);
    if (e->state == LW_SERVER_S_CLOSING)
        i = n; /* what follows QUIT or a 421 is not read */
    *used = i;
    if (i == n)
        return LW_OK;
    if (e->state != LW_SERVER_S_TLS_REPLY && e->state != LW_SERVER_S_TLS)
        return LW_AGAIN;
    /* [RFC3207 4] "STARTTLS command must be the last command in a group": what is behind it
     * may have been put there by somebody else, so the session cannot be trusted. */
    *used = n;
    lw_server_begin_close(e, LW_EPROTO);
    return LW_EPROTO;
}

/* ---- the end ---------------------------------------------------------------------------------------- */

void
lw_server_begin_close(lw_smtp_server *e, lw_code code)
{
    unsigned n = 0;

    if (e->state == LW_SERVER_S_CLOSED || e->state == LW_SERVER_S_CLOSING)
        return;
    for (unsigned i = 0; i < e->n_queue; i++) {
        if (!needs_reply((lw_server_event_kind)e->queue[i]))
            e->queue[n++] = e->queue[i];
    }
    e->n_queue = n;
    e->owed = -1;
    e->final_left = 0;
    e->final_waits = false;
    e->close_code = code;
    e->armed_ms = e->now_ms;
    lw_server_drop(e);
    lw_server_set_state(e, LW_SERVER_S_CLOSING);
    if (e->out_len == e->out_start)
        out_has_left(e);
}

lw_code
lw_smtp_server_eof(lw_smtp_server *e)
{
    if (e == NULL)
        return LW_EUSAGE;
    if (e->state == LW_SERVER_S_CLOSED || e->state == LW_SERVER_S_CLOSING)
        return e->close_code;
    e->has_eof = true;
    if (!lw_server_is_asking(e) && e->final_left == 0 && !e->final_waits)
        lw_server_begin_close(e, LW_ELOST);
    return LW_ELOST;
}

/* Behind the 220 of STARTTLS comes TLS and nothing else: a client must take more in clear
 * for an attack.  [RFC3207 4] "After receiving a 220 response to a STARTTLS command, the client
 * MUST start the TLS negotiation before giving any other SMTP commands." */
static bool
may_say_goodbye(const lw_smtp_server *e)
{
    return e->state != LW_SERVER_S_TLS && e->state != LW_SERVER_S_TLS_REPLY;
}

void
lw_smtp_server_close(lw_smtp_server *e, const char *text)
{
    char first[256];

    if (e == NULL)
        return;
    if (e->state == LW_SERVER_S_CLOSED || e->state == LW_SERVER_S_CLOSING)
        return;
    lw_print_safe(first, sizeof first,
                  lw_span_str(text != NULL ? text : "Service not available"));
    if (may_say_goodbye(e))
        (void)lw_server_say(e, 421, "4.3.2", first);
    lw_server_begin_close(e, LW_ECANCELED);
}

lw_code
lw_smtp_server_tls_done(lw_smtp_server *e)
{
    if (e == NULL || e->state != LW_SERVER_S_TLS || e->n_queue > 0)
        return LW_EUSAGE;
    /* [RFC3207 4.2] "The server MUST discard any knowledge" */
    e->has_tls = true;
    e->has_auth = e->is_esmtp = false;
    lw_server_end_transaction(e);
    lw_wipe(e->line, e->line_len);
    e->line_len = 0;
    e->armed_ms = e->now_ms;
    lw_server_set_state(e, LW_SERVER_S_GREETED);
    return LW_OK;
}

/* ---- time --------------------------------------------------------------------------------------------- */

uint64_t
lw_smtp_server_deadline(const lw_smtp_server *e)
{
    if (e == NULL || e->state == LW_SERVER_S_CLOSED || lw_server_is_asking(e))
        return UINT64_MAX;
    if (e->o.timeout_ms > UINT64_MAX - e->armed_ms)
        return UINT64_MAX;
    return e->armed_ms + e->o.timeout_ms;
}

lw_code
lw_smtp_server_tick(lw_smtp_server *e, uint64_t now_ms)
{
    if (e == NULL)
        return LW_EUSAGE;
    if (now_ms > e->now_ms)
        e->now_ms = now_ms;
    if (e->now_ms < lw_smtp_server_deadline(e) || e->state == LW_SERVER_S_CLOSED)
        return LW_OK;
    if (e->state == LW_SERVER_S_CLOSING) {
        out_has_left(e); /* the peer does not read: what waits is lost */
        return LW_ETIMEOUT;
    }
    /* [RFC5321 4.5.3.2.7] "An SMTP server SHOULD have a timeout of at least 5 minutes" */
    if (may_say_goodbye(e))
        (void)lw_server_say(e, 421, "4.4.2", "Timeout, closing connection");
    lw_server_begin_close(e, LW_ETIMEOUT);
    return LW_ETIMEOUT;
}
