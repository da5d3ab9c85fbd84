/* SPDX-License-Identifier: MIT */
/*
 * client/session.c - a session: servers in order, greeting, EHLO, TLS, login; its life and end
 *
 * What a URL demands is decided here: without the TLS that it asks for nothing goes further,
 * and what was learned before TLS is asked again (the engine sees to that).  Opportunistic TLS is
 * for those who typed it, and for loopback (RFC 8314 3 wants it for nobody else).
 */
#include "client/client_int.h"

#include <stdio.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_MS 30000

/* ---- making ----------------------------------------------------------------------------------- */

void
lw_host_name(char *dst, size_t cap)
{
    lw_span name;

    if (gethostname(dst, cap) != 0)
        dst[0] = '\0';
    dst[cap - 1] = '\0';
    name = lw_span_str(dst);
    if (lw_span_find(name, '.') == name.len || lw_span_has_ctl(name) ||
        lw_span_find(name, ' ') < name.len || !lw_span_is_ascii(name))
        dst[0] = '\0';
}

/* the strings that must outlive the call which opens the session; false when memory is out */
static bool
copy_strings(lw_session *s)
{
    lw_send_opts *o = &s->opts;
    const char **texts[] = { &o->user, &o->auth, &o->ca_file, &o->cert_file, &o->key_file,
                             &o->tls_pin, &o->ehlo_name, &o->envid };

    for (size_t i = 0; i < LW_COUNT(texts); i++)
        if (*texts[i] != NULL && (*texts[i] = lw_arena_str(&s->arena, *texts[i])) == NULL)
            return false;
    s->password = lw_strdup(&s->alloc, o->password);
    if (o->password != NULL && s->password == NULL)
        return false;
    o->password = NULL;
    return true;
}

static lw_code
parse_urls(lw_session *s, const lw_send_opts *o, lw_error *err)
{
    if (o->n_servers == 0)
        return lw_fail(err, LW_ECONFIG, LW_STAGE_NONE, "no server was named");
    if ((s->urls = lw_zalloc_array(&s->alloc, o->n_servers, sizeof *s->urls)) == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "out of memory");
    while (s->n_urls < o->n_servers) {
        const char *text = o->servers[s->n_urls];
        lw_code rc = lw_url_parse(&s->alloc, text, &s->urls[s->n_urls++], err);

        if (rc < 0)
            return rc;
    }
    return LW_OK;
}

static lw_code
need_tls(lw_session *s, bool keeps_unverified, lw_error *err)
{
    lw_tls_client_opts o = { .ca_file = s->opts.ca_file, .cert_file = s->opts.cert_file,
                             .key_file = s->opts.key_file, .pin = s->opts.tls_pin,
                             .keep_unverified = keeps_unverified };

    if (s->tls != NULL && s->tls_keeps_unverified == keeps_unverified)
        return LW_OK;
    lw_tls_ctx_free(s->tls);
    s->tls_keeps_unverified = keeps_unverified;
    return lw_tls_client_new(&s->alloc, &o, &s->tls, err);
}

/* Certificates and pins that cannot be used are met before anything is connected; whoever has
 * none pays for TLS only when it begins. */
static lw_code
check_tls_options(lw_session *s, lw_error *err)
{
    const lw_send_opts *o = &s->opts;

    if (o->ca_file == NULL && o->cert_file == NULL && o->tls_pin == NULL)
        return LW_OK;
    return need_tls(s, s->is_probe, err);
}

lw_code
lw_session_new(const lw_send_opts *opts, lw_session **out, lw_error *err)
{
    const lw_alloc *alloc = lw_alloc_or_default(opts == NULL ? NULL : opts->alloc);
    lw_session *s;
    lw_code rc;

    *out = NULL;
    if (opts == NULL || opts->size != sizeof *opts)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_NONE,
                       "the options were not set by lw_send_opts_init()");
    if ((s = lw_zalloc(alloc, sizeof *s)) == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "out of memory");
    s->alloc = *alloc;
    s->opts = *opts;
    s->opts.alloc = &s->alloc;
    lw_arena_init(&s->arena, &s->alloc);
    lw_arena_init(&s->facts_arena, &s->alloc);
    lw_host_name(s->host_name, sizeof s->host_name);
    rc = lw_link_init(&s->link, &s->alloc, opts);
    if (rc < 0 || !copy_strings(s))
        rc = lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "out of memory or descriptors");
    if (rc < 0 || (rc = parse_urls(s, opts, err)) < 0 || (rc = check_tls_options(s, err)) < 0) {
        lw_session_close(s);
        return rc;
    }
    *out = s;
    return LW_OK;
}

void
lw_session_begin_call(lw_session *s)
{
    uv_update_time(&s->link.loop);
    s->link.deadline_ms = s->opts.timeout_ms == 0
                              ? UINT64_MAX
                              : uv_now(&s->link.loop) + s->opts.timeout_ms;
}

/* ---- looking ---------------------------------------------------------------------------------- */

const lw_url *
lw_session_url(const lw_session *s)
{
    return &s->urls[s->current];
}

void
lw_session_name(const lw_session *s, char *dst, size_t cap)
{
    const lw_url *url = lw_session_url(s);

    if (url->path != NULL)
        snprintf(dst, cap, "%s", url->path);
    else
        snprintf(dst, cap, "%s port %u", url->host, url->port);
}

const lw_server_facts *
lw_session_server(const lw_session *s)
{
    return &s->facts;
}

lw_code
lw_session_lost(lw_session *s, lw_error *err)
{
    *err = *lw_smtp_error(s->link.engine);
    if (err->code == LW_OK)
        lw_fail(err, LW_ELOST, LW_STAGE_COMMAND, "the session has ended");
    return err->code;
}

void
lw_session_explain(const lw_session *s, lw_error *err)
{
    char name[300];

    lw_session_name(s, name, sizeof name);
    lw_result_explain(err, name, &s->link);
}

/* ---- the beginning of a session ------------------------------------------------------------------ */

static bool
is_tls_required(const lw_session *s)
{
    /* who pins a key has no use for a connection without one */
    return lw_session_url(s)->tls == LW_TLS_REQUIRED ||
           (lw_session_url(s)->tls == LW_TLS_OPPORTUNISTIC && s->opts.tls_pin != NULL);
}

/* Opportunistic TLS takes what it can get (RFC 7435 3), unless the user said whom to trust, or
 * has something to lose: a login. */
static bool
keeps_unverified(const lw_session *s)
{
    const lw_url *url = lw_session_url(s);
    bool says_whom = s->opts.ca_file != NULL || s->opts.tls_pin != NULL;
    bool has_secret = lw_session_wants_login(s) && !url->insecure_auth;

    return s->is_probe || (url->tls == LW_TLS_OPPORTUNISTIC && !says_whom && !has_secret);
}

static void
take_tls_facts(lw_session *s)
{
    if (s->link.conn != NULL)
        lw_facts_copy_tls(&s->facts_arena, &s->facts.tls, lw_conn_tls_facts(s->link.conn));
}

static void
forget_facts(lw_session *s)
{
    const lw_url *url = lw_session_url(s);

    lw_arena_deinit(&s->facts_arena);
    lw_arena_init(&s->facts_arena, &s->alloc);
    s->facts = (lw_server_facts){ .host = url->host != NULL ? url->host : url->path,
                                  .port = url->port };
    s->before_tls = s->after_tls = s->offered_auth = s->login_mechanism = s->login_text = NULL;
    s->login_code = 0;
}

static void
take_capabilities(lw_session *s)
{
    const lw_capabilities *c = lw_smtp_capabilities(s->link.engine);
    const char **lines = s->facts.tls.active ? &s->after_tls : &s->before_tls;

    *lines = lw_arena_span(&s->facts_arena, c->lines);
    s->offered_auth = lw_arena_span(&s->facts_arena, c->auth);
}

/* greeting and EHLO, or EHLO again under TLS */
static lw_code
wait_until_ready(lw_session *s, lw_error *err)
{
    lw_event ev;
    lw_code rc;

    while ((rc = lw_link_next(&s->link, &ev)) == LW_OK) {
        if (ev.kind == LW_EVENT_GREETING)
            s->facts.greeting = lw_arena_span(&s->facts_arena, ev.reply.text);
        if (ev.kind != LW_EVENT_READY)
            continue;
        take_capabilities(s);
        return LW_OK;
    }
    if (rc == LW_AGAIN) /* EHLO is said by hand */
        return LW_OK;
    return lw_session_lost(s, err);
}

static lw_code
fail_no_starttls(const lw_session *s, const lw_reply *r, lw_error *err)
{
    char shown[200];

    if (r == NULL)
        return lw_fail(err, LW_ETLS, LW_STAGE_STARTTLS, "the server does not offer STARTTLS, "
                       "and nothing was sent in clear: use smtps:// if it has a TLS port, or "
                       "write ?tls=none if everybody on the way may read the message");
    lw_print_safe(shown, sizeof shown, r->text);
    lw_fail(err, LW_ETLS, LW_STAGE_STARTTLS, "the server refused STARTTLS with %d %s, and "
            "nothing was sent in clear", r->code, shown);
    err->reply_code = r->code;
    err->enhanced = r->enhanced;
    err->retry = r->code / 100 == 4 ? LW_RETRY_LATER : LW_RETRY_OTHER_HOST;
    return LW_ETLS;
}

lw_code
lw_session_handshake(lw_session *s, lw_error *err)
{
    lw_code rc = need_tls(s, keeps_unverified(s), err);

    if (rc >= 0)
        rc = lw_link_start_tls(&s->link, s->tls, lw_session_url(s)->host, err);
    take_tls_facts(s);
    return rc < 0 ? rc : wait_until_ready(s, err);
}

static lw_code
start_tls(lw_session *s, lw_error *err)
{
    lw_event ev;
    lw_code rc = lw_smtp_starttls(s->link.engine);

    if (rc == LW_ECAPABILITY)
        return is_tls_required(s) ? fail_no_starttls(s, NULL, err) : LW_OK;
    while (rc == LW_OK && lw_link_next(&s->link, &ev) == LW_OK) {
        if (ev.kind == LW_EVENT_START_TLS)
            return lw_session_handshake(s, err);
        if (ev.kind == LW_EVENT_NO_TLS)
            return is_tls_required(s) ? fail_no_starttls(s, &ev.reply, err) : LW_OK;
    }
    return lw_session_lost(s, err);
}

/* what the URL demands, once the server has greeted */
static lw_code
secure(lw_session *s, lw_error *err)
{
    switch (lw_session_url(s)->tls) {
    case LW_TLS_IMPLICIT:
    case LW_TLS_NONE: return LW_OK;
    case LW_TLS_REQUIRED:
    case LW_TLS_OPPORTUNISTIC: return start_tls(s, err);
    }
    return LW_OK;
}

static void
engine_options(const lw_session *s, lw_smtp_opts *o)
{
    lw_smtp_opts_init(o);
    o->alloc = &s->alloc;
    o->protocol = lw_session_url(s)->protocol;
    o->ehlo_name = s->opts.ehlo_name != NULL ? s->opts.ehlo_name
                   : s->host_name[0] != '\0' ? s->host_name : NULL;
    o->max_transactions = 1;
    o->window = s->opts.window;
    o->no_pipelining = s->opts.no_pipelining;
    o->no_chunking = s->opts.no_chunking;
    o->is_by_hand = s->is_bare;
    o->timeouts = s->opts.timeouts;
    o->timeouts.total_ms = 0; /* the link keeps the time of the whole call */
}

static lw_code
connect_link(lw_session *s, lw_error *err)
{
    const lw_url *url = lw_session_url(s);
    lw_conn_opts where = { .alloc = &s->alloc, .host = url->host, .port = url->port,
                           .path = url->path, .implicit_tls = url->tls == LW_TLS_IMPLICIT,
                           .timeout_ms = s->opts.connect_timeout_ms };
    lw_smtp_opts how;
    lw_code rc;

    if (where.timeout_ms == 0)
        where.timeout_ms = CONNECT_TIMEOUT_MS;
    if (where.implicit_tls && (rc = need_tls(s, keeps_unverified(s), err)) < 0)
        return rc;
    where.tls = s->tls;
    engine_options(s, &how);
    rc = lw_link_connect(&s->link, &where, &how, err);
    take_tls_facts(s);
    if (s->link.conn != NULL && lw_conn_address(s->link.conn)[0] != '\0')
        s->facts.address = lw_arena_str(&s->facts_arena, lw_conn_address(s->link.conn));
    return rc;
}

static lw_code
begin(lw_session *s, lw_error *err)
{
    lw_code rc;

    forget_facts(s);
    if ((rc = connect_link(s, err)) < 0 || (rc = wait_until_ready(s, err)) < 0 || s->is_bare)
        return rc;
    if ((rc = secure(s, err)) < 0 || s->is_probe)
        return rc;
    return lw_session_login(s, err);
}

/* one server, up to the login */
static lw_code
attempt(lw_session *s, lw_error *err)
{
    lw_code rc = begin(s, err);

    if (rc < 0)
        lw_session_explain(s, err);
    return rc;
}

static void
note_failure(lw_session *s, const lw_error *err)
{
    lw_transcript_note(&s->link.transcript, "%s", err->text);
    s->skipped = *err;
    lw_session_name(s, s->skipped_name, sizeof s->skipped_name);
}

lw_code
lw_session_connect(lw_session *s, lw_error *err)
{
    lw_error own;
    lw_code rc = LW_ECONFIG;

    err = err == NULL ? &own : err;
    lw_error_clear(&s->skipped);
    for (s->current = 0; s->current < s->n_urls; s->current++) {
        if ((rc = attempt(s, err)) >= 0) {
            s->is_fresh = s->is_up = true;
            return LW_OK;
        }
        lw_session_hang_up(s);
        if (!lw_result_other_host(err) || s->current + 1 == s->n_urls)
            return rc;
        note_failure(s, err);
    }
    return rc;
}

lw_code
lw_session_open(const lw_send_opts *opts, lw_session **out, lw_error *err)
{
    lw_error own;
    lw_code rc;

    *out = NULL;
    err = err == NULL ? &own : err;
    lw_error_clear(err);
    if ((rc = lw_session_new(opts, out, err)) < 0)
        return rc;
    lw_session_begin_call(*out);
    if ((rc = lw_session_connect(*out, err)) >= 0)
        return LW_OK;
    lw_session_close(*out);
    *out = NULL;
    return rc;
}

/* ---- the end ---------------------------------------------------------------------------------------- */

void
lw_session_hang_up(lw_session *s)
{
    lw_event ev;

    s->is_up = false;
    if (s->link.engine != NULL && !s->link.is_over && lw_smtp_quit(s->link.engine) == LW_OK)
        while (lw_link_next(&s->link, &ev) == LW_OK)
            ;
    lw_link_disconnect(&s->link);
}

void
lw_session_close(lw_session *s)
{
    lw_alloc alloc;

    if (s == NULL)
        return;
    alloc = s->alloc;
    lw_session_hang_up(s);
    lw_link_deinit(&s->link);
    lw_tls_ctx_free(s->tls);
    for (size_t i = 0; i < s->n_urls; i++)
        lw_url_deinit(&alloc, &s->urls[i]);
    lw_release(&alloc, s->urls);
    lw_arena_deinit(&s->arena);
    lw_arena_deinit(&s->facts_arena);
    lw_wipe_str(&alloc, s->password);
    lw_release(&alloc, s);
}
