/* SPDX-License-Identifier: MIT */
/*
 * client/channel.c - a link on its way from connecting to a usable session
 *
 *   CONNECTING -> HELLO -> [STARTTLS -> HANDSHAKE -> HELLO] -> [LOGIN] -> UP
 *
 * One step at a time: lw_channel_step() takes what the link has and returns when the loop must
 * run, so that a blocking session and a pool of thousands share this code.
 *
 * Where no session comes to be with one address of a name, the name's next one is tried: the
 * failure that is told is that of all of them.
 *
 * What a URL demands is decided here: without the TLS that it asks for nothing goes further,
 * and what was learned before TLS is asked again (the engine sees to that).  Opportunistic TLS is
 * for those who typed it, and for loopback (RFC 8314 3 wants it for nobody else).
 */
#include "client/client_int.h"

#include <stdio.h>

#define CONNECT_TIMEOUT_MS 30000

/* ---- life and looks ---------------------------------------------------------------------------- */

lw_code
lw_channel_init(lw_channel *c, lw_setup *setup, uv_loop_t *loop, lw_transcript *transcript)
{
    *c = (lw_channel){ .setup = setup, .url = setup->urls, .pipelining = setup->pipelining };
    lw_arena_init(&c->arena, setup->alloc);
    return lw_link_init(&c->link, loop, setup->alloc, transcript);
}

void
lw_channel_close(lw_channel *c)
{
    lw_login_free(c->login);
    c->login = NULL;
    if (c->link.engine != NULL)
        lw_result_note_pipelining(c->pipelining, lw_smtp_pipelining(c->link.engine));
    lw_link_disconnect(&c->link);
    c->phase = LW_CHANNEL_CLOSED;
}

static void
forget_passed_by(lw_channel *c)
{
    lw_release(c->setup->alloc, c->passed_by);
    c->passed_by = NULL;
    c->may_come_back = false;
}

/* they are about to change: reports that have them keep what they have */
static void
unshare_facts(lw_channel *c)
{
    lw_shared_facts_leave(c->shared);
    c->shared = NULL;
}

lw_shared_facts *
lw_channel_share_facts(lw_channel *c)
{
    if (c->shared == NULL)
        c->shared = lw_shared_facts_new(c->setup->alloc, &c->facts);
    return lw_shared_facts_join(c->shared);
}

void
lw_channel_deinit(lw_channel *c)
{
    if (c->setup == NULL)
        return;
    lw_channel_close(c);
    forget_passed_by(c);
    unshare_facts(c);
    lw_link_deinit(&c->link);
    lw_arena_deinit(&c->arena);
}

void
lw_channel_name(const lw_channel *c, char *dst, size_t cap)
{
    if (c->url->path != NULL)
        snprintf(dst, cap, "%s", c->url->path);
    else
        snprintf(dst, cap, "%s port %u", c->url->host, c->url->port);
}

lw_code
lw_channel_lost(lw_channel *c, lw_error *err)
{
    *err = *lw_smtp_error(c->link.engine);
    if (err->code == LW_OK)
        lw_fail(err, LW_ELOST, LW_STAGE_COMMAND, "the session has ended");
    return err->code;
}

bool
lw_channel_lost_commands(const lw_channel *c)
{
    return lw_smtp_pipelining(c->link.engine) == LW_PIPELINING_FAILS && !c->pipelining->works;
}

bool
lw_channel_pipelines(const lw_channel *c)
{
    return (lw_smtp_capabilities(c->link.engine)->flags & LW_CAP_PIPELINING) != 0 &&
           !c->is_lock_step;
}

void
lw_channel_explain(const lw_channel *c, lw_error *err)
{
    char name[300];

    lw_channel_name(c, name, sizeof name);
    lw_result_explain(err, name, &c->link);
}

/* ---- connecting ----------------------------------------------------------------------------------- */

/* The user said whom to trust, or wants TLS on the whole way: then nothing less will do.
 *   [RFC8689 2] "The certificate presented by the SMTP server either MUST be verified" */
static bool
insists(const lw_channel *c)
{
    const lw_send_opts *o = &c->setup->opts;

    return o->ca_file != NULL || o->tls_pin != NULL || o->require_tls;
}

static bool
is_tls_required(const lw_channel *c)
{
    return c->url->tls == LW_TLS_REQUIRED ||
           (c->url->tls == LW_TLS_OPPORTUNISTIC && insists(c));
}

/* Opportunistic TLS takes what it can get (RFC 7435 3), unless the user insists, or has something
 * to lose: a login. */
static bool
keeps_unverified(const lw_channel *c)
{
    bool has_secret = lw_channel_wants_login(c->setup, c->url) && !c->url->insecure_auth;

    return c->setup->is_probe ||
           (c->url->tls == LW_TLS_OPPORTUNISTIC && !insists(c) && !has_secret);
}

static void
take_tls_facts(lw_channel *c)
{
    if (c->link.conn != NULL)
        lw_facts_copy_tls(&c->arena, &c->facts.tls, lw_conn_tls_facts(c->link.conn));
}

static void
forget_facts(lw_channel *c)
{
    unshare_facts(c);
    lw_arena_deinit(&c->arena);
    lw_arena_init(&c->arena, c->setup->alloc);
    c->facts = (lw_server_facts){ .host = c->url->host != NULL ? c->url->host : c->url->path,
                                  .port = c->url->port };
    c->before_tls = c->after_tls = c->offered_auth = c->login_mechanism = c->login_text = NULL;
    c->login_code = 0;
}

/* rest: addresses to try in place of all of the name's; NULL = all.  Moved in on success */
static lw_code
open_at(lw_channel *c, const lw_url *url, struct lw_lookup *rest, lw_error *err)
{
    lw_conn_opts where = { .alloc = c->setup->alloc, .host = url->host, .port = url->port,
                           .path = url->path, .implicit_tls = url->tls == LW_TLS_IMPLICIT,
                           .timeout_ms = c->setup->opts.connect_timeout_ms, .rest = rest,
                           .lookup = c->setup->lookup, .lookup_ctx = c->setup->lookup_ctx };
    lw_code rc;

    lw_channel_close(c);
    if (c->setup->rotations != NULL)
        where.rotation = &c->setup->rotations[url - c->setup->urls];
    c->url = url;
    c->pipelining = &c->setup->pipelining[url - c->setup->urls];
    c->is_lock_step = c->setup->opts.no_pipelining || url->no_pipelining ||
                      c->pipelining->is_lock_step;
    forget_facts(c);
    if (where.timeout_ms == 0)
        where.timeout_ms = CONNECT_TIMEOUT_MS;
    if (where.implicit_tls &&
        (rc = lw_setup_tls(c->setup, keeps_unverified(c), &where.tls, err)) < 0)
        return rc;
    if ((rc = lw_link_open(&c->link, &where, err)) < 0)
        return rc;
    c->phase = LW_CHANNEL_CONNECTING;
    return LW_OK;
}

lw_code
lw_channel_open(lw_channel *c, const lw_url *url, lw_error *err)
{
    forget_passed_by(c);
    return open_at(c, url, NULL, err);
}

static void
engine_options(const lw_channel *c, lw_smtp_opts *o)
{
    const lw_setup *u = c->setup;

    lw_smtp_opts_init(o);
    o->alloc = u->alloc;
    o->protocol = c->url->protocol;
    o->ehlo_name = u->opts.ehlo_name != NULL ? u->opts.ehlo_name
                   : u->host_name[0] != '\0' ? u->host_name : NULL;
    o->max_transactions = u->max_transactions;
    o->window = u->opts.window;
    o->window_bytes = u->opts.window_bytes;
    o->no_pipelining = c->is_lock_step;
    o->pipelining_works = c->pipelining->works;
    o->no_chunking = u->opts.no_chunking;
    o->is_by_hand = u->is_bare;
    o->timeouts = u->opts.timeouts;
    o->timeouts.total_ms = 0; /* the owner keeps the time of the whole call */
}

static lw_code
step_connecting(lw_channel *c, lw_error *err)
{
    lw_code rc = lw_link_opened(&c->link, err);
    lw_smtp_opts how;

    if (rc == LW_AGAIN)
        return LW_AGAIN;
    take_tls_facts(c);
    if (lw_conn_address(c->link.conn)[0] != '\0')
        c->facts.address = lw_arena_str(&c->arena, lw_conn_address(c->link.conn));
    if (rc < 0)
        return rc;
    engine_options(c, &how);
    if ((rc = lw_link_begin(&c->link, &how, c->url->tls == LW_TLS_IMPLICIT, err)) < 0)
        return rc;
    c->phase = LW_CHANNEL_HELLO;
    return LW_OK;
}

/* ---- greeting, EHLO, and what comes then --------------------------------------------------------------- */

static void
take_capabilities(lw_channel *c)
{
    const lw_capabilities *caps = lw_smtp_capabilities(c->link.engine);
    const char **lines = c->facts.tls.active ? &c->after_tls : &c->before_tls;

    *lines = lw_arena_span(&c->arena, caps->lines);
    c->offered_auth = lw_arena_span(&c->arena, caps->auth);
}

static lw_code
be_up(lw_channel *c)
{
    lw_conn_settle(c->link.conn);
    forget_passed_by(c);
    c->phase = LW_CHANNEL_UP;
    c->is_fresh = true;
    unshare_facts(c); /* TLS and a login have come to them */
    return LW_OK;
}

static lw_code
begin_login(lw_channel *c, lw_error *err)
{
    lw_code rc = lw_login_begin(c, &c->login, err);

    c->phase = LW_CHANNEL_LOGIN;
    return rc;
}

lw_code
lw_channel_log_in(lw_channel *c, lw_error *err)
{
    return begin_login(c, err);
}

/* TLS is as it shall be: the login, if there is anything to log in with */
static lw_code
after_tls(lw_channel *c, lw_error *err)
{
    if (!c->setup->is_probe && lw_channel_wants_login(c->setup, c->url))
        return begin_login(c, err);
    return be_up(c);
}

static lw_code
fail_no_starttls(const lw_channel *c, const lw_reply *r, lw_error *err)
{
    char shown[200];

    if (r == NULL)
        return lw_fail(err, LW_ETLS, LW_STAGE_STARTTLS, "the server does not offer STARTTLS, "
                       "and nothing was sent in clear: use smtps:// if it has a TLS port%s",
                       insists(c) ? "" : ", or write ?tls=none if everybody on the way "
                                                "may read the message");
    lw_print_safe(shown, sizeof shown, r->text);
    lw_fail(err, LW_ETLS, LW_STAGE_STARTTLS, "the server refused STARTTLS with %d %s, and "
            "nothing was sent in clear", r->code, shown);
    err->reply_code = r->code;
    err->enhanced = r->enhanced;
    err->retry = r->code / 100 == 4 ? LW_RETRY_LATER : LW_RETRY_OTHER_HOST;
    return LW_ETLS;
}

/* The context is made before STARTTLS is said: behind its 220 there is no way back. */
static lw_code
ask_for_tls(lw_channel *c, lw_error *err)
{
    bool is_offered = (lw_smtp_capabilities(c->link.engine)->flags & LW_CAP_STARTTLS) != 0;
    lw_tls_ctx *ctx;
    lw_code rc;

    if (!is_offered)
        return is_tls_required(c) ? fail_no_starttls(c, NULL, err) : after_tls(c, err);
    if ((rc = lw_setup_tls(c->setup, keeps_unverified(c), &ctx, err)) < 0)
        return rc;
    rc = lw_smtp_starttls(c->link.engine);
    if (LW_NEVER(rc < 0))
        return lw_fail(err, LW_EBUG, LW_STAGE_STARTTLS, "STARTTLS cannot be said");
    c->phase = LW_CHANNEL_STARTTLS;
    return LW_OK;
}

/* EHLO was answered, in clear or under TLS */
static lw_code
be_ready(lw_channel *c, lw_error *err)
{
    bool wants_tls = c->url->tls == LW_TLS_REQUIRED || c->url->tls == LW_TLS_OPPORTUNISTIC;

    take_capabilities(c);
    c->round_trip_ms = uv_now(c->link.loop) - c->asked_ms;
    if (wants_tls && !c->facts.tls.active)
        return ask_for_tls(c, err);
    return after_tls(c, err);
}

static lw_code
step_hello(lw_channel *c, const lw_event *ev, lw_error *err)
{
    if (ev->kind == LW_EVENT_GREETING) {
        c->facts.greeting = lw_arena_span(&c->arena, ev->reply.text);
        c->asked_ms = uv_now(c->link.loop);
        return c->setup->is_bare ? be_up(c) : LW_OK;
    }
    return ev->kind == LW_EVENT_READY ? be_ready(c, err) : LW_OK;
}

/* ---- TLS ------------------------------------------------------------------------------------------------ */

lw_code
lw_channel_handshake(lw_channel *c, lw_error *err)
{
    lw_tls_ctx *ctx;
    lw_code rc = lw_setup_tls(c->setup, keeps_unverified(c), &ctx, err);

    c->phase = LW_CHANNEL_HANDSHAKE;
    return rc < 0 ? rc : lw_link_start_tls(&c->link, ctx, c->url->host, err);
}

static lw_code
step_starttls(lw_channel *c, const lw_event *ev, lw_error *err)
{
    if (ev->kind == LW_EVENT_START_TLS)
        return lw_channel_handshake(c, err);
    if (ev->kind != LW_EVENT_NO_TLS)
        return LW_OK;
    if (is_tls_required(c))
        return fail_no_starttls(c, &ev->reply, err);
    /* with 421 the session is over: the next look tells */
    return ev->reply.code == 421 ? LW_OK : after_tls(c, err);
}

static lw_code
step_handshake(lw_channel *c, lw_error *err)
{
    lw_code rc = lw_link_opened(&c->link, err);

    if (rc == LW_AGAIN)
        return LW_AGAIN;
    take_tls_facts(c);
    if (rc < 0)
        return rc;
    if ((rc = lw_link_secured(&c->link)) < 0)
        return lw_fail(err, rc, LW_STAGE_TLS, "TLS was not expected here");
    c->phase = LW_CHANNEL_HELLO;
    c->asked_ms = uv_now(c->link.loop);
    return c->setup->is_bare ? be_up(c) : LW_OK;
}

/* ---- the login -------------------------------------------------------------------------------------------- */

static lw_code
step_login(lw_channel *c, const lw_event *ev, lw_error *err)
{
    lw_code rc = lw_login_event(c->login, ev, err);

    if (rc == LW_AGAIN)
        return LW_OK;
    lw_login_free(c->login);
    c->login = NULL;
    return rc < 0 ? rc : be_up(c);
}

/* ---- the next address -------------------------------------------------------------------------------------- */

/* [RFC5321 4.1.1.10] "The sender MUST NOT intentionally close the transmission channel until it
 * sends a QUIT command" (its reply is not waited for: another address shall have its turn) */
static void
say_quit(lw_channel *c)
{
    lw_event ev;

    if (c->link.engine == NULL || lw_smtp_quit(c->link.engine) < 0)
        return;
    while (lw_link_poll(&c->link, &ev) == LW_OK)
        ;
}

static void
note_passed_by(lw_channel *c, const lw_error *err)
{
    lw_transcript_note(c->link.transcript, "%s", err->text);
    if (c->passed_by == NULL &&
        (c->passed_by = lw_zalloc(c->setup->alloc, sizeof *c->passed_by)) != NULL)
        *c->passed_by = *err;
    else if (c->passed_by != NULL)
        *c->passed_by = *lw_result_of_addresses(c->passed_by, err);
}

/* err, of the last address, becomes that of the name: it lasts if all do */
static void
speak_for_all(const lw_channel *c, lw_error *err)
{
    const lw_error last = *err, *all = &last, *other = &last;

    if (c->passed_by != NULL) {
        all = lw_result_of_addresses(c->passed_by, &last);
        other = all == &last ? c->passed_by : &last;
    }
    *err = *all;
    if (strcmp(all->text, other->text) != 0) {
        lw_fail(err, all->code, all->stage, "%s; another address: %s", all->text, other->text);
        err->retry = all->retry;
        err->reply_code = all->reply_code;
        err->enhanced = all->enhanced;
        err->os_err = all->os_err;
    }
    if (c->may_come_back && lw_result_is_lasting(err))
        err->retry = LW_RETRY_LATER;
}

/* [RFC5321 5.1] "the SMTP client MUST be able to try (and retry) each of the relevant addresses in
 * this list in order, until a delivery attempt succeeds"
 * true: the next one is being tried.  What may pass does not bring the client to one that did not
 * answer a moment ago; what lasts does, since it is told only when all addresses have said so. */
static bool
goes_on_elsewhere(lw_channel *c, lw_error *err)
{
    bool is_lasting = lw_result_is_lasting(err);
    struct lw_lookup *rest;
    lw_error none;

    if (c->link.conn == NULL || !lw_result_other_host(err))
        return false;
    c->may_come_back |= !is_lasting || lw_conn_some_failed(c->link.conn);
    rest = lw_conn_pass_by(c->link.conn, !is_lasting);
    if (rest == NULL) {
        speak_for_all(c, err);
        return false;
    }
    note_passed_by(c, err);
    say_quit(c);
    lw_error_clear(&none);
    if (open_at(c, c->url, rest, &none) < 0) {
        lw_release(c->setup->alloc, rest);
        return false;
    }
    lw_error_clear(err);
    return true;
}

/* ---- steps --------------------------------------------------------------------------------------------------- */

static lw_code
take_event(lw_channel *c, const lw_event *ev, lw_error *err)
{
    switch (c->phase) {
    case LW_CHANNEL_HELLO: return step_hello(c, ev, err);
    case LW_CHANNEL_STARTTLS: return step_starttls(c, ev, err);
    case LW_CHANNEL_LOGIN: return step_login(c, ev, err);
    case LW_CHANNEL_CLOSED:
    case LW_CHANNEL_CONNECTING:
    case LW_CHANNEL_HANDSHAKE:
    case LW_CHANNEL_UP: break;
    }
    return LW_OK;
}

/* LW_OK: something was done, go on; LW_AGAIN: the loop must run */
static lw_code
step(lw_channel *c, lw_error *err)
{
    lw_event ev;
    lw_code rc;

    if (c->phase == LW_CHANNEL_CONNECTING)
        return step_connecting(c, err);
    if (c->phase == LW_CHANNEL_HANDSHAKE && (rc = step_handshake(c, err)) != LW_AGAIN)
        return rc;
    if ((rc = lw_link_poll(&c->link, &ev)) == LW_OK)
        return take_event(c, &ev, err);
    return rc == LW_DONE ? lw_channel_lost(c, err) : rc;
}

lw_code
lw_channel_step(lw_channel *c, lw_error *err)
{
    lw_code rc;

    do {
        rc = LW_OK;
        while (rc == LW_OK && c->phase != LW_CHANNEL_UP && c->phase != LW_CHANNEL_CLOSED)
            rc = step(c, err);
        if (rc < 0)
            lw_channel_explain(c, err);
    } while (rc < 0 && goes_on_elsewhere(c, err));
    return rc < 0 ? err->code : rc;
}
