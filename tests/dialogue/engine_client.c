/* SPDX-License-Identifier: MIT */
/* tests/dialogue/engine_client.c - the client engine in a script: options, calls, events */
#include "dialogue/engine.h"

struct engine {
    const script *s;
    lw_smtp *smtp;
    size_t step;
    uint64_t now_ms;
    submission **submissions;
    size_t n_submissions;
    bool is_closed;
    const char *broken; /* a promise that the engine did not keep */
};

/* ---- options ----------------------------------------------------------------------------- */

static uint32_t *
timeout_named(lw_smtp_timeouts *t, const char *name)
{
    static const struct { const char *name; size_t offset; } rows[] = {
        { "greeting", offsetof(lw_smtp_timeouts, greeting_ms) },
        { "command", offsetof(lw_smtp_timeouts, command_ms) },
        { "mail", offsetof(lw_smtp_timeouts, mail_ms) },
        { "rcpt", offsetof(lw_smtp_timeouts, rcpt_ms) },
        { "data", offsetof(lw_smtp_timeouts, data_ms) },
        { "block", offsetof(lw_smtp_timeouts, block_ms) },
        { "final", offsetof(lw_smtp_timeouts, final_ms) },
        { "quit", offsetof(lw_smtp_timeouts, quit_ms) },
    };

    for (size_t i = 0; i < LW_COUNT(rows); i++)
        if (strcmp(name, rows[i].name) == 0)
            return (uint32_t *)(void *)((char *)t + rows[i].offset);
    return NULL;
}

static bool
set_timeout(lw_smtp_opts *o, const words *w)
{
    uint64_t ms;
    uint32_t *stage;

    if (w->n != 3 || !parse_number(w->v[2].ptr, &ms))
        return false;
    if (word_is(w, 1, "total"))
        o->timeouts.total_ms = ms;
    else if ((stage = timeout_named(&o->timeouts, w->v[1].ptr)) != NULL)
        *stage = (uint32_t)ms;
    else
        return false;
    return true;
}

static bool
set_number(lw_smtp_opts *o, const words *w)
{
    uint64_t n;

    if (w->n != 2 || !parse_number(w->v[1].ptr, &n))
        return false;
    if (word_is(w, 0, "window"))
        o->window = (uint32_t)n;
    else if (word_is(w, 0, "window_bytes"))
        o->window_bytes = n;
    else if (word_is(w, 0, "max_transactions"))
        o->max_transactions = (uint32_t)n;
    else if (word_is(w, 0, "max_reply"))
        o->max_reply_bytes = (uint32_t)n;
    else if (word_is(w, 0, "max_capabilities"))
        o->max_capability_bytes = (uint32_t)n;
    else
        return false;
    return true;
}

static bool
set_option(lw_smtp_opts *o, bool *tls, const words *w)
{
    if (word_is(w, 0, "lmtp"))
        o->protocol = LW_PROTOCOL_LMTP;
    else if (word_is(w, 0, "no_pipelining"))
        o->no_pipelining = true;
    else if (word_is(w, 0, "pipelining_works"))
        o->pipelining_works = true;
    else if (word_is(w, 0, "no_chunking"))
        o->no_chunking = true;
    else if (word_is(w, 0, "tls"))
        *tls = true;
    else if (word_is(w, 0, "ehlo") && w->n == 2)
        o->ehlo_name = w->v[1].ptr;
    else if (word_is(w, 0, "timeout"))
        return set_timeout(o, w);
    else
        return set_number(o, w);
    return true;
}

static lw_code
client_open(const script *s, const lw_alloc *alloc, size_t step, engine **out)
{
    lw_smtp_opts o;
    bool tls = false;
    engine *e;
    lw_code rc;

    lw_smtp_opts_init(&o);
    o.alloc = alloc;
    o.ehlo_name = "client.example";
    for (size_t i = 0; i < s->n_options; i++)
        if (!set_option(&o, &tls, &s->options[i]))
            script_bad(s, 1, "the client engine has no such option: %s", s->options[i].v[0].ptr);
    if ((e = calloc(1, sizeof *e)) == NULL)
        abort();
    *e = (engine){ .s = s, .step = step };
    if ((rc = lw_smtp_new(&o, 0, &e->smtp)) == LW_OK && tls)
        rc = lw_smtp_tls_done(e->smtp);
    if (rc != LW_OK) {
        lw_smtp_free(e->smtp);
        free(e);
        e = NULL;
    }
    *out = e;
    return rc;
}

static void
client_close(engine *e)
{
    lw_smtp_free(e->smtp);
    for (size_t i = 0; i < e->n_submissions; i++)
        submission_free(e->submissions[i]);
    free(e->submissions);
    free(e);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void
rcpt_words(engine *e, words *w, const lw_event *ev)
{
    const char *address = submission_outcome(ev->tag, ev->rcpt);

    if (address == NULL)
        e->broken = "a recipient has two outcomes, or there is no such recipient";
    words_add(w, "%s", address == NULL ? "?" : address);
    words_add(w, "%s", lw_outcome_name(ev->outcome));
    if (ev->reply.code != 0)
        add_reply_words(w, &ev->reply);
    else
        words_add(w, "%s", lw_code_name(ev->code));
    words_add(w, "%s", lw_stage_name(ev->stage));
}

static void
flag_words(bytes *b, uint32_t flags)
{
    static const char *const names[] = {
#define NAME(name, keyword) [LW_CAP_INDEX_##name] = keyword,
        LW_CAP_MAP(NAME)
#undef NAME
    };

    for (size_t i = 0; i < LW_CAP_COUNT; i++)
        if (flags >> i & 1)
            bytes_printf(b, "%s%s", b->len == 0 ? "" : ",", names[i]);
}

static void
done_words(engine *e, words *w, const lw_event *ev)
{
    bytes dropped = { NULL, 0, 0 };

    if (!submission_done(ev->tag))
        e->broken = "DONE came twice, or before the outcome of each recipient";
    if (ev->code != LW_OK)
        words_add(w, "%s", lw_code_name(ev->code));
    if (ev->dropped != 0) {
        flag_words(&dropped, ev->dropped);
        words_add(w, "dropped=%s", dropped.ptr);
        bytes_free(&dropped);
    }
    words_add(w, "transactions=%u", ev->n_transactions);
    if (ev->n_transactions < 2)
        words_optional(w);
}

static void
closed_words(engine *e, words *w, const lw_event *ev)
{
    static const char *const advice[] = { "no", "later", "other-host" };
    const lw_error *err = lw_smtp_error(e->smtp);
    lw_reply reply = { .code = err->reply_code, .enhanced = err->enhanced, .text = LW_NO_SPAN };

    e->is_closed = true;
    if (err->code != ev->code)
        e->broken = "CLOSED and lw_smtp_error differ";
    words_add(w, "%s", lw_code_name(ev->code));
    if (err->reply_code != 0)
        add_reply_words(w, &reply);
    if (ev->code != LW_OK) {
        words_add(w, "%s", lw_stage_name(ev->stage));
        words_add(w, "retry=%s", advice[err->retry]);
        words_optional(w);
    }
}

static void
event_words(engine *e, words *w, const lw_event *ev)
{
    static const char *const names[] = {
        [LW_EVENT_GREETING] = "greeting", [LW_EVENT_READY] = "ready",
        [LW_EVENT_START_TLS] = "start_tls", [LW_EVENT_NO_TLS] = "no_tls",
        [LW_EVENT_CHALLENGE] = "challenge", [LW_EVENT_AUTH] = "auth",
        [LW_EVENT_REPLY] = "reply", [LW_EVENT_RCPT] = "rcpt", [LW_EVENT_DONE] = "done",
        [LW_EVENT_CLOSED] = "closed",
    };

    words_add(w, "%s", names[ev->kind]);
    switch (ev->kind) {
    case LW_EVENT_RCPT: rcpt_words(e, w, ev); break;
    case LW_EVENT_DONE: done_words(e, w, ev); break;
    case LW_EVENT_CLOSED: closed_words(e, w, ev); break;
    case LW_EVENT_CHALLENGE: words_add_octets(w, "", ev->challenge); return;
    case LW_EVENT_AUTH:
        words_add(w, "%s", lw_code_name(ev->code));
        add_reply_words(w, &ev->reply);
        break;
    case LW_EVENT_GREETING:
    case LW_EVENT_READY:
    case LW_EVENT_START_TLS:
    case LW_EVENT_NO_TLS:
    case LW_EVENT_REPLY: add_reply_words(w, &ev->reply); break;
    }
    words_add_octets(w, "text=", ev->reply.code != 0 ? ev->reply.text : lw_span_str(ev->text));
    words_optional(w);
}

static bool
client_next(engine *e, words *w)
{
    lw_event ev;

    if (lw_smtp_next(e->smtp, &ev) != LW_OK)
        return false;
    event_words(e, w, &ev);
    return true;
}

static bool
client_answer(engine *e, const words *action)
{
    (void)e;
    return action->n == 0;
}

/* ---- calls ------------------------------------------------------------------------------------- */

static lw_span
span_of(const words *w, size_t i)
{
    return i < w->n ? (lw_span){ w->v[i].ptr, w->v[i].len } : LW_NO_SPAN;
}

static lw_code
submit(engine *e, const op *o)
{
    submission *m = submission_new(e->s, o, e->step);
    lw_code rc = submission_submit(m, e->smtp);

    e->submissions = realloc(e->submissions, (e->n_submissions + 1) * sizeof(submission *));
    if (e->submissions == NULL)
        abort();
    if (rc == LW_OK)
        e->submissions[e->n_submissions++] = m;
    else
        submission_free(m);
    return rc;
}

static const char *
command(engine *e, const words *w, lw_code *rc)
{
    const char *value = word_value(w, 2, "replies");
    uint64_t replies = 1;

    if (w->n < 2 || (w->n == 3 && (value == NULL || !parse_number(value, &replies))) || w->n > 3)
        return "command LINE [replies=N]";
    *rc = lw_smtp_command(e->smtp, span_of(w, 1), (unsigned)replies, NULL);
    return NULL;
}

static const char *
tick(engine *e, const words *w, lw_code *rc)
{
    uint64_t ms;

    if (w->n != 2 || w->v[1].ptr[0] != '+' || !parse_number(w->v[1].ptr + 1, &ms))
        return "tick +MILLISECONDS";
    e->now_ms += ms;
    *rc = lw_smtp_tick(e->smtp, e->now_ms);
    return NULL;
}

static const char *
fail_by_hand(engine *e, const words *w)
{
    lw_code code;

    if (w->n != 3 || !parse_code(w->v[1].ptr, &code))
        return "fail CODE \"text\"";
    lw_smtp_fail(e->smtp, code, w->v[2].ptr);
    return NULL;
}

/* every capability that is known, a word each */
static void
caps_words(const lw_capabilities *c, words *w)
{
    const struct { const char *name; uint64_t value; } numbers[] = {
        { "size", c->size_max }, { "rcptmax", c->rcpt_max }, { "mailmax", c->mail_max },
        { "rcptdomainmax", c->rcpt_domain_max }, { "by", c->deliverby_min_s },
        { "hold", c->hold_max_s },
    };
    bytes flags = { NULL, 0, 0 };
    lw_span rest, item;

    bytes_add(&flags, "", 0);
    flag_words(&flags, c->flags);
    rest = (lw_span){ flags.ptr, flags.len };
    while (flags.len > 0 && lw_span_token(&rest, ',', &item))
        words_add_octets(w, "", item);
    for (size_t i = 0; i < LW_COUNT(numbers); i++)
        if (numbers[i].value != 0)
            words_add(w, "%s=%llu", numbers[i].name, (unsigned long long)numbers[i].value);
    if (c->hold_max_until.len > 0)
        words_add_octets(w, "until=", c->hold_max_until);
    if (c->auth.len > 0)
        words_add_octets(w, "auth=", c->auth);
    bytes_free(&flags);
}

/* "caps" and every word that the server offers, in any order */
static const char *
check_caps(const engine *e, const words *w)
{
    static char why[256];
    words got = { NULL, 0 };
    bytes shown = { NULL, 0, 0 };
    size_t n_found = 0;
    bool is_same;

    words_add(&got, "caps");
    caps_words(lw_smtp_capabilities(e->smtp), &got);
    for (size_t i = 0; i < got.n; i++)
        for (size_t k = 0; k < w->n; k++)
            n_found += word_is(w, k, got.v[i].ptr);
    is_same = n_found == got.n && got.n == w->n;
    words_show(&shown, &got);
    snprintf(why, sizeof why, "it is: %.200s", shown.ptr);
    bytes_free(&shown);
    words_free(&got);
    return is_same ? NULL : why;
}

static const char *
check_flights(const engine *e, const words *w)
{
    static char why[64];
    uint64_t n;

    if (w->n != 2 || !parse_number(w->v[1].ptr, &n))
        return "flights N";
    snprintf(why, sizeof why, "there were %u flights", lw_smtp_flights(e->smtp));
    return n == lw_smtp_flights(e->smtp) ? NULL : why;
}

static const char *
check_pipelining(const engine *e, const words *w)
{
    static const char *const names[] = { "untried", "works", "ended", "fails" };
    static char why[64];
    lw_pipelining is = lw_smtp_pipelining(e->smtp);

    if (w->n != 2)
        return "pipelining WORD";
    snprintf(why, sizeof why, "pipelining is %s", names[is]);
    return word_is(w, 1, names[is]) ? NULL : why;
}

static lw_code
auth(engine *e, const words *w)
{
    const char *initial = word_value(w, 2, "initial");
    lw_span s = initial == NULL ? LW_NO_SPAN : lw_span_str(initial);

    return lw_smtp_auth(e->smtp, w->n > 1 ? w->v[1].ptr : "", s);
}

static const char *
client_call(engine *e, const op *o, lw_code *rc)
{
    const words *w = &o->call;

    if (word_is(w, 0, "submit"))
        *rc = submit(e, o);
    else if (word_is(w, 0, "quit"))
        *rc = lw_smtp_quit(e->smtp);
    else if (word_is(w, 0, "starttls"))
        *rc = lw_smtp_starttls(e->smtp);
    else if (word_is(w, 0, "tls_done"))
        *rc = lw_smtp_tls_done(e->smtp);
    else if (word_is(w, 0, "auth"))
        *rc = auth(e, w);
    else if (word_is(w, 0, "answer"))
        *rc = lw_smtp_auth_answer(e->smtp, span_of(w, 1));
    else if (word_is(w, 0, "cancel"))
        *rc = lw_smtp_auth_cancel(e->smtp);
    else if (word_is(w, 0, "eof"))
        *rc = lw_smtp_eof(e->smtp);
    else if (word_is(w, 0, "command"))
        return command(e, w, rc);
    else if (word_is(w, 0, "tick"))
        return tick(e, w, rc);
    else if (word_is(w, 0, "fail"))
        return fail_by_hand(e, w);
    else if (word_is(w, 0, "caps"))
        return check_caps(e, w);
    else if (word_is(w, 0, "flights"))
        return check_flights(e, w);
    else if (word_is(w, 0, "pipelining"))
        return check_pipelining(e, w);
    else
        script_bad(e->s, o->line, "the client engine has no such call");
    return NULL;
}

/* ---- octets, and the end ------------------------------------------------------------------------- */

static unsigned
client_want(const engine *e)
{
    return lw_smtp_want(e->smtp);
}

static int
client_out(engine *e, lw_slice *v, int n)
{
    return lw_smtp_out(e->smtp, v, n);
}

static void
client_sent(engine *e, size_t n)
{
    lw_smtp_sent(e->smtp, n);
}

static lw_code
client_feed(engine *e, const char *p, size_t n, size_t *used)
{
    return lw_smtp_feed(e->smtp, p, n, used);
}

static const char *
client_verdict(const engine *e)
{
    if (e->broken != NULL || !e->is_closed)
        return e->broken;
    for (size_t i = 0; i < e->n_submissions; i++)
        if (!submission_is_done(e->submissions[i]))
            return "CLOSED came, and a transaction had no DONE";
    return lw_smtp_want(e->smtp) == 0 ? NULL : "the engine is closed and still wants something";
}

const engine_kind client_kind = { client_open, client_close, client_want, client_out,
                                  client_sent, client_feed, client_next, client_answer,
                                  client_call, client_verdict };
