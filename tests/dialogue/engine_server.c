/* SPDX-License-Identifier: MIT */
/* tests/dialogue/engine_server.c - the server engine in a script: options, answers, events */
#include "dialogue/engine.h"

struct engine {
    const script *s;
    lw_smtp_server *smtp;
    uint64_t now_ms;
    bool has_question; /* the event given last wants an answer */
    bool is_closed;
};

/* ---- options ----------------------------------------------------------------------------- */

static bool
set_text(lw_smtp_server_opts *o, const words *w)
{
    const char *v = w->n == 2 ? w->v[1].ptr : NULL;

    if (v == NULL)
        return false;
    if (word_is(w, 0, "name"))
        o->name = v;
    else if (word_is(w, 0, "auth"))
        o->auth = v;
    else if (word_is(w, 0, "auth_before_tls"))
        o->auth_before_tls = v;
    else if (word_is(w, 0, "hold_until"))
        o->hold_max_until = v;
    else
        return false;
    return true;
}

static bool
set_number(lw_smtp_server_opts *o, const words *w)
{
    const struct { const char *name; uint32_t *small; uint64_t *big; } rows[] = {
        { "size", NULL, &o->size_max }, { "rcpt_max", &o->rcpt_max, NULL },
        { "limit_rcpt", &o->limit_rcpt_max, NULL }, { "limit_mail", &o->limit_mail_max, NULL },
        { "limit_rcpt_domain", &o->limit_rcpt_domain_max, NULL },
        { "by", NULL, &o->deliverby_min_s }, { "hold", NULL, &o->hold_max_s },
        { "max_line", &o->max_line_bytes, NULL }, { "max_errors", &o->max_errors, NULL },
        { "timeout", NULL, &o->timeout_ms },
    };
    uint64_t n;

    if (w->n != 2 || !parse_number(w->v[1].ptr, &n))
        return false;
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        if (!word_is(w, 0, rows[i].name))
            continue;
        if (rows[i].small != NULL)
            *rows[i].small = (uint32_t)n;
        else
            *rows[i].big = n;
        return true;
    }
    return false;
}

static bool
set_option(const script *s, lw_smtp_server_opts *o, const words *w)
{
    const char *why;

    if (word_is(w, 0, "offer")) {
        if ((why = parse_capabilities(w, 1, &o->capabilities)) != NULL)
            script_bad(s, 1, "%s", why);
    } else if (word_is(w, 0, "lmtp"))
        o->protocol = LW_PROTOCOL_LMTP;
    else if (word_is(w, 0, "tls"))
        o->tls_active = true;
    else if (word_is(w, 0, "require_tls"))
        o->require_tls = true;
    else if (word_is(w, 0, "require_auth"))
        o->require_auth = true;
    else if (word_is(w, 0, "reject_bare_lf"))
        o->reject_bare_lf = true;
    else
        return set_number(o, w) || set_text(o, w);
    return true;
}

static lw_code
server_open(const script *s, const lw_alloc *alloc, size_t step, engine **out)
{
    lw_smtp_server_opts o;
    engine *e;
    lw_code rc;

    (void)step;
    lw_smtp_server_opts_init(&o);
    o.alloc = alloc;
    o.name = "mx.example";
    for (size_t i = 0; i < s->n_options; i++)
        if (!set_option(s, &o, &s->options[i]))
            script_bad(s, 1, "the server engine has no such option: %s", s->options[i].v[0].ptr);
    if ((e = calloc(1, sizeof *e)) == NULL)
        abort();
    e->s = s;
    if ((rc = lw_smtp_server_new(&o, 0, &e->smtp)) != LW_OK) {
        free(e);
        e = NULL;
    }
    *out = e;
    return rc;
}

static void
server_close(engine *e)
{
    lw_smtp_server_free(e->smtp);
    free(e);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void
deliver_by_words(words *w, const lw_server_mail *m)
{
    if (m->deliver_by_mode != 0)
        words_add(w, "by=%lld;%c%s", (long long)m->deliver_by_s, m->deliver_by_mode,
                  m->deliver_by_trace ? "T" : "");
    if (m->hold_for_s != 0)
        words_add(w, "holdfor=%llu", (unsigned long long)m->hold_for_s);
    if (m->hold_until != NULL)
        words_add(w, "holduntil=%s", m->hold_until);
    if (m->has_priority)
        words_add(w, "priority=%d", m->priority);
}

static void
mail_words(words *w, const lw_server_mail *m)
{
    words_add(w, "<%s>", m->from);
    if (m->size != 0)
        words_add(w, "size=%llu", (unsigned long long)m->size);
    if (m->body_type != LW_BODY_7BIT)
        words_add(w, "body=%s", m->body_type == LW_BODY_8BITMIME ? "8bitmime" : "binarymime");
    if (m->smtputf8)
        words_add(w, "smtputf8");
    if (m->require_tls)
        words_add(w, "requiretls");
    if (m->ret != LW_RET_UNSET)
        words_add(w, "ret=%s", m->ret == LW_RET_FULL ? "full" : "hdrs");
    if (m->envid != NULL)
        words_add(w, "envid=%s", m->envid);
    if (m->auth != NULL)
        words_add(w, "auth=%s", m->auth[0] == '\0' ? "<>" : m->auth);
    deliver_by_words(w, m);
}

static void
rcpt_words(words *w, const lw_server_event *ev)
{
    static const char *const names[] = { "NEVER", "SUCCESS", "FAILURE", "DELAY" };
    bytes notify = { NULL, 0, 0 };

    words_add(w, "%zu", ev->index);
    words_add(w, "<%s>", ev->rcpt.address);
    for (size_t i = 0; i < LW_COUNT(names); i++)
        if (ev->rcpt.notify >> i & 1)
            bytes_printf(&notify, "%s%s", notify.len == 0 ? "" : ",", names[i]);
    if (notify.len > 0)
        words_add(w, "notify=%s", notify.ptr);
    if (ev->rcpt.orcpt != NULL)
        words_add(w, "orcpt=%s", ev->rcpt.orcpt);
    bytes_free(&notify);
}

static void
auth_words(words *w, const lw_server_event *ev)
{
    if (ev->kind == LW_SERVER_AUTH)
        words_add_octets(w, "", ev->text);
    if (ev->has_data)
        words_add_octets(w, "data=", ev->data);
}

static void
event_words(words *w, const lw_server_event *ev)
{
    static const char *const names[] = {
        [LW_SERVER_OPEN] = "open", [LW_SERVER_HELLO] = "hello",
        [LW_SERVER_START_TLS] = "start_tls", [LW_SERVER_AUTH] = "auth",
        [LW_SERVER_AUTH_DATA] = "auth_data", [LW_SERVER_MAIL] = "mail",
        [LW_SERVER_RCPT] = "rcpt", [LW_SERVER_DATA] = "data", [LW_SERVER_BODY] = "body",
        [LW_SERVER_MESSAGE] = "message", [LW_SERVER_RESET] = "reset",
        [LW_SERVER_VRFY] = "vrfy", [LW_SERVER_EXPN] = "expn", [LW_SERVER_HELP] = "help",
        [LW_SERVER_UNKNOWN] = "unknown", [LW_SERVER_QUIT] = "quit",
        [LW_SERVER_CLOSED] = "closed",
    };

    words_add(w, "%s", names[ev->kind]);
    switch (ev->kind) {
    case LW_SERVER_HELLO:
        words_add_octets(w, "", ev->text);
        if (ev->is_esmtp)
            words_add(w, "esmtp");
        break;
    case LW_SERVER_AUTH:
    case LW_SERVER_AUTH_DATA: auth_words(w, ev); break;
    case LW_SERVER_MAIL: mail_words(w, &ev->mail); break;
    case LW_SERVER_RCPT: rcpt_words(w, ev); break;
    case LW_SERVER_DATA:
        if (ev->is_bdat)
            words_add(w, "bdat");
        break;
    case LW_SERVER_BODY: words_add_octets(w, "", ev->data); break;
    case LW_SERVER_MESSAGE: words_add(w, "%zu", ev->index); break;
    case LW_SERVER_VRFY:
    case LW_SERVER_EXPN:
        words_add_octets(w, "", ev->text);
        if (ev->mail.smtputf8)
            words_add(w, "smtputf8");
        break;
    case LW_SERVER_HELP:
    case LW_SERVER_UNKNOWN: words_add_octets(w, "", ev->text); break;
    case LW_SERVER_CLOSED: words_add(w, "%s", lw_code_name(ev->code)); break;
    case LW_SERVER_OPEN:
    case LW_SERVER_START_TLS:
    case LW_SERVER_RESET:
    case LW_SERVER_QUIT: break;
    }
}

static bool
server_next(engine *e, words *w)
{
    lw_server_event ev;

    if (lw_smtp_server_next(e->smtp, &ev) != LW_OK)
        return false;
    e->has_question = ev.needs_reply;
    e->is_closed = e->is_closed || ev.kind == LW_SERVER_CLOSED;
    event_words(w, &ev);
    return true;
}

/* ---- answers ------------------------------------------------------------------------------------ */

/* CODE [ENHANCED] ["text"] */
static lw_code
reply(engine *e, const words *w, size_t at)
{
    const char *enhanced = NULL, *text = NULL;
    uint64_t code;

    if (at >= w->n || !parse_number(w->v[at].ptr, &code) || code > 999)
        return LW_ECONFIG;
    if (at + 1 < w->n && lw_is_digit(w->v[at + 1].ptr[0]) && strchr(w->v[at + 1].ptr, '.') != NULL)
        enhanced = w->v[++at].ptr;
    if (at + 1 < w->n)
        text = w->v[++at].ptr;
    return at + 1 == w->n ? lw_smtp_server_reply(e->smtp, (int)code, enhanced, text) : LW_ECONFIG;
}

static lw_code
give_answer(engine *e, const words *w)
{
    if (word_is(w, 0, "accept"))
        return lw_smtp_server_accept(e->smtp);
    if (word_is(w, 0, "challenge") && w->n == 2)
        return lw_smtp_server_challenge(e->smtp, (lw_span){ w->v[1].ptr, w->v[1].len });
    return reply(e, w, 0);
}

static bool
server_answer(engine *e, const words *action)
{
    if (!e->has_question)
        return action->n == 0;
    if (word_is(action, 0, "later"))
        return true;
    if (action->n == 0)
        return lw_smtp_server_accept(e->smtp) == LW_OK;
    return give_answer(e, action) == LW_OK;
}

/* ---- calls --------------------------------------------------------------------------------------- */

static const char *
tick(engine *e, const words *w, lw_code *rc)
{
    uint64_t ms;

    if (w->n != 2 || w->v[1].ptr[0] != '+' || !parse_number(w->v[1].ptr + 1, &ms))
        return "tick +MILLISECONDS";
    e->now_ms += ms;
    *rc = lw_smtp_server_tick(e->smtp, e->now_ms);
    return NULL;
}

static const char *
server_call(engine *e, const op *o, lw_code *rc)
{
    const words *w = &o->call;
    words rest = { w->v + 1, w->n - 1 };

    if (word_is(w, 0, "answer"))
        *rc = give_answer(e, &rest);
    else if (word_is(w, 0, "tls_done"))
        *rc = lw_smtp_server_tls_done(e->smtp);
    else if (word_is(w, 0, "eof"))
        *rc = lw_smtp_server_eof(e->smtp);
    else if (word_is(w, 0, "close"))
        lw_smtp_server_close(e->smtp, w->n > 1 ? w->v[1].ptr : NULL);
    else if (word_is(w, 0, "tick"))
        return tick(e, w, rc);
    else
        script_bad(e->s, o->line, "the server engine has no such call");
    return NULL;
}

/* ---- octets, and the end ------------------------------------------------------------------------- */

static unsigned
server_want(const engine *e)
{
    return lw_smtp_server_want(e->smtp);
}

static int
server_out(engine *e, lw_slice *v, int n)
{
    return lw_smtp_server_out(e->smtp, v, n);
}

static void
server_sent(engine *e, size_t n)
{
    lw_smtp_server_sent(e->smtp, n);
}

static lw_code
server_feed(engine *e, const char *p, size_t n, size_t *used)
{
    return lw_smtp_server_feed(e->smtp, p, n, used);
}

static const char *
server_verdict(const engine *e)
{
    if (e->is_closed && lw_smtp_server_want(e->smtp) != 0)
        return "the engine is closed and still wants something";
    return NULL;
}

const engine_kind server_kind = { server_open, server_close, server_want, server_out,
                                  server_sent, server_feed, server_next, server_answer,
                                  server_call, server_verdict };
