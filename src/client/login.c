/* SPDX-License-Identifier: MIT */
/*
 * client/login.c - a SASL exchange over a link (RFC 4954), and another mechanism where that helps
 *
 * The mechanisms themselves are in sasl/; here their answers travel.  A secret crosses only a way
 * that hides it (lw_session_may_show_secret), or one that the user called good enough.
 */
#include "client/client_int.h"

#define TRIED_BYTES 256

typedef struct login {
    lw_session *s;
    lw_credentials who;
    unsigned char exporter[32], unique[64];
    char tried[TRIED_BYTES]; /* names, separated by spaces */
    const char *mechanism;
    lw_sasl *sasl;
    lw_error *err;
} login;

static const char *
user_of(const lw_session *s)
{
    return s->opts.user != NULL ? s->opts.user : lw_session_url(s)->user;
}

static const char *
password_of(const lw_session *s)
{
    return s->password != NULL ? s->password : lw_session_url(s)->password;
}

static const char *
allowed_of(const lw_session *s)
{
    return s->opts.auth != NULL ? s->opts.auth : lw_session_url(s)->auth;
}

bool
lw_session_wants_login(const lw_session *s)
{
    const char *user = user_of(s);

    return (user != NULL && user[0] != '\0') || allowed_of(s) != NULL;
}

bool
lw_session_may_show_secret(const lw_session *s)
{
    const lw_url *url = lw_session_url(s);

    /* a Unix socket stays on this machine; TLS with anybody hides nothing from him */
    return url->insecure_auth || url->path != NULL ||
           (s->facts.tls.active && s->facts.tls.verified);
}

static void
fill_credentials(login *g)
{
    const lw_session *s = g->s;
    bool has_exporter = false;
    size_t unique_len = 0;

    g->who = (lw_credentials){ .user = user_of(s), .password = password_of(s),
                               .host = lw_session_url(s)->host,
                               .port = lw_session_url(s)->port,
                               .has_client_cert = s->opts.cert_file != NULL &&
                                                  s->facts.tls.active,
                               .has_tls = s->facts.tls.active };
    if (!s->facts.tls.active ||
        !lw_conn_channel_binding(s->link.conn, g->exporter, &has_exporter, g->unique,
                                 &unique_len))
        return;
    g->who.tls_exporter = has_exporter ? g->exporter : NULL;
    g->who.tls_unique = unique_len > 0 ? g->unique : NULL;
    g->who.tls_unique_len = unique_len;
}

static void
add_tried(login *g, const char *mechanism)
{
    size_t used = strlen(g->tried), n = strlen(mechanism);

    if (used + n + 2 > sizeof g->tried)
        return; /* cannot be: all names that we know fit */
    if (used > 0)
        g->tried[used++] = ' ';
    memcpy(g->tried + used, mechanism, n + 1);
}

static const char *
choose(const login *g, bool may_show_secret)
{
    return lw_sasl_choose(lw_span_str(g->s->offered_auth), allowed_of(g->s),
                          lw_span_str(g->tried), &g->who, may_show_secret);
}

/* no mechanism fits: one sentence that says why, and what to do */
static lw_code
fail_no_mechanism(const login *g)
{
    const lw_session *s = g->s;

    if (s->offered_auth == NULL || s->offered_auth[0] == '\0')
        return lw_fail(g->err, LW_EAUTH, LW_STAGE_AUTH,
                       "the server offers no login%s: leave user and password out, or use its "
                       "submission port",
                       s->facts.tls.active ? "" : " without TLS");
    if (!lw_session_may_show_secret(s) && choose(g, true) != NULL)
        return lw_fail(g->err, LW_EAUTH, LW_STAGE_AUTH,
                       "the password would go to a server whose certificate does not verify, and "
                       "was not sent: trust its certificate, or write ?insecure-auth=yes");
    if (g->who.user != NULL && g->who.password == NULL && !g->who.has_client_cert)
        return lw_fail(g->err, LW_EAUTH, LW_STAGE_AUTH, "there is a user to log in, but no "
                       "password");
    return lw_fail(g->err, LW_EAUTH, LW_STAGE_AUTH,
                   "no login mechanism fits: the server offers %s%s%s%s", s->offered_auth,
                   allowed_of(s) != NULL ? ", allowed is " : "",
                   allowed_of(s) != NULL ? allowed_of(s) : "",
                   allowed_of(s) != NULL ? "" : " (OAuth2 is used only when it is named)");
}

/* ---- one exchange ---------------------------------------------------------------------------- */

static lw_code
begin(login *g)
{
    lw_span initial = LW_NO_SPAN;
    lw_code rc = lw_sasl_new(&g->s->alloc, g->mechanism, &g->who, &g->sasl, g->err);

    if (rc < 0 || (rc = lw_sasl_initial(g->sasl, &initial, g->err)) < 0)
        return rc;
    rc = lw_smtp_auth(g->s->link.engine, g->mechanism, initial);
    return rc < 0 ? lw_fail(g->err, rc, LW_STAGE_AUTH, "the login cannot begin") : LW_OK;
}

/* a challenge that is wrong ends the exchange; the sentence of the mechanism counts */
static lw_code
answer(login *g, lw_span challenge, bool *is_canceled)
{
    lw_span response = LW_NO_SPAN;
    lw_code rc = lw_sasl_step(g->sasl, challenge, &response, g->err);

    if (rc >= 0)
        return lw_smtp_auth_answer(g->s->link.engine, response);
    *is_canceled = true;
    return lw_smtp_auth_cancel(g->s->link.engine);
}

static void
remember_reply(login *g, const lw_reply *r)
{
    lw_session *s = g->s;

    s->login_mechanism = g->mechanism;
    s->login_code = r->code;
    s->login_text = lw_arena_span(&s->facts_arena, r->text);
}

/* the server refused: what it said, here and in the error of its mechanism */
static lw_code
fail_refused(login *g, const lw_reply *r)
{
    const char *more = lw_sasl_server_text(g->sasl);
    char shown[300];

    lw_print_safe(shown, sizeof shown, r->text);
    lw_fail(g->err, LW_EAUTH, LW_STAGE_AUTH, "the server refused the login by %s: %d %s%s%s%s%s",
            g->mechanism, r->code, shown, more[0] != '\0' ? " (" : "", more,
            more[0] != '\0' ? ")" : "",
            r->code == 535 ? ": user or password is wrong, or this way to log in is closed"
                           : "");
    g->err->reply_code = r->code;
    g->err->enhanced = r->enhanced;
    g->err->retry = r->code / 100 == 4 ? LW_RETRY_LATER : LW_RETRY_NO;
    return LW_EAUTH;
}

/* the exchange is over: LW_OK, or why not */
static lw_code
finish(login *g, const lw_event *ev, bool is_canceled)
{
    remember_reply(g, &ev->reply);
    if (is_canceled)
        return LW_EAUTH; /* g->err is set */
    if (ev->code < 0)
        return fail_refused(g, &ev->reply);
    return lw_sasl_accepted(g->sasl, g->err);
}

static lw_code
exchange(login *g)
{
    bool is_canceled = false;
    lw_event ev;
    lw_code rc;

    if ((rc = begin(g)) < 0)
        return rc;
    while ((rc = lw_link_next(&g->s->link, &ev)) == LW_OK) {
        if (ev.kind == LW_EVENT_AUTH)
            return finish(g, &ev, is_canceled);
        if (ev.kind == LW_EVENT_CHALLENGE && (rc = answer(g, ev.challenge, &is_canceled)) < 0)
            return lw_fail(g->err, rc, LW_STAGE_AUTH, "the answer is too long for a login");
    }
    return lw_session_lost(g->s, g->err);
}

/* ---- all of it --------------------------------------------------------------------------------- */

/* after a refusal: the next mechanism that may change the answer, or NULL */
static const char *
next_mechanism(login *g)
{
    const char *failed = g->mechanism, *next;
    int code = g->s->login_code;

    add_tried(g, failed);
    while ((next = choose(g, lw_session_may_show_secret(g->s))) != NULL) {
        /* RFC 4954 4 and 6: 504 "mechanism not known", 534 "too weak" ask for another one */
        if (code == 504 || code == 534 || lw_sasl_retry_helps(failed, next))
            return next;
        add_tried(g, next);
    }
    return NULL;
}

static bool
is_worth_another(const login *g, lw_code rc)
{
    return rc == LW_EAUTH && g->s->login_code / 100 == 5 &&
           lw_smtp_want(g->s->link.engine) != 0;
}

/* Even a login that does not show the password can be listened to, and guessed at leisure. */
static bool
is_in_clear(const lw_session *s)
{
    const lw_url *url = lw_session_url(s);

    return !s->facts.tls.active && !url->insecure_auth && url->path == NULL;
}

static lw_code
log_in(login *g)
{
    lw_code rc = LW_OK;

    if (is_in_clear(g->s) && g->s->offered_auth != NULL && g->s->offered_auth[0] != '\0')
        return lw_fail(g->err, LW_EAUTH, LW_STAGE_AUTH,
                       "the login would travel in clear, and was not sent: use smtps:// or "
                       "tls://, or write ?insecure-auth=yes if everybody on the way may read it");
    g->mechanism = choose(g, lw_session_may_show_secret(g->s));
    if (g->mechanism == NULL)
        return fail_no_mechanism(g);
    while (g->mechanism != NULL) {
        rc = exchange(g);
        lw_sasl_free(g->sasl);
        g->sasl = NULL;
        if (rc >= 0) {
            g->s->facts.auth = g->mechanism;
            return LW_OK;
        }
        if (!is_worth_another(g, rc))
            return rc;
        g->mechanism = next_mechanism(g);
    }
    return rc;
}

lw_code
lw_session_login(lw_session *s, lw_error *err)
{
    login g = { .s = s, .err = err };
    lw_code rc;

    if (!lw_session_wants_login(s))
        return LW_OK;
    s->login_code = 0;
    fill_credentials(&g);
    rc = log_in(&g);
    lw_sasl_free(g.sasl);
    lw_wipe(&g, sizeof g);
    return rc;
}
