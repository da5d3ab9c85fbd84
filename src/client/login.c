/* SPDX-License-Identifier: MIT */
/*
 * client/login.c - a SASL exchange (RFC 4954), event by event; another mechanism where that helps
 *
 * The mechanisms themselves are in sasl/; here their answers travel.  A secret crosses only a way
 * that hides it (may_show_secret), or one that the user called good enough.
 */
#include "client/client_int.h"

#define TRIED_BYTES 256
#define CHALLENGES_MAX 16 /* in one exchange: SCRAM has two, none has more than three */

struct lw_login {
    lw_channel *c;
    lw_credentials who;
    unsigned char exporter[32], unique[64];
    char tried[TRIED_BYTES]; /* names, separated by spaces */
    const char *mechanism;
    lw_sasl *sasl;
    unsigned n_challenges;   /* in this exchange */
    bool is_canceled;        /* by us: the challenge was wrong */
    lw_error why;            /* then */
};

static const char *
user_of(const lw_setup *u, const lw_url *url)
{
    return u->opts.user != NULL ? u->opts.user : url->user;
}

static const char *
password_of(const lw_setup *u, const lw_url *url)
{
    return u->password != NULL ? u->password : url->password;
}

static const char *
allowed_of(const lw_channel *c)
{
    return c->setup->opts.auth != NULL ? c->setup->opts.auth : c->url->auth;
}

bool
lw_channel_wants_login(const lw_setup *u, const lw_url *url)
{
    const char *user = user_of(u, url);

    return (user != NULL && user[0] != '\0') || u->opts.auth != NULL || url->auth != NULL;
}

static bool
may_show_secret(const lw_channel *c)
{
    /* a Unix socket stays on this machine; TLS with anybody hides nothing from him */
    return c->url->insecure_auth || c->url->path != NULL ||
           (c->facts.tls.active && c->facts.tls.verified);
}

static void
fill_credentials(lw_login *g)
{
    const lw_channel *c = g->c;
    bool has_exporter = false, has_tls = c->facts.tls.active;
    size_t unique_len = 0;

    g->who = (lw_credentials){ .user = user_of(c->setup, c->url),
                               .password = password_of(c->setup, c->url),
                               .host = c->url->host, .port = c->url->port,
                               .has_client_cert = c->setup->opts.cert_file != NULL && has_tls,
                               .has_tls = has_tls };
    if (!has_tls || !lw_conn_channel_binding(c->link.conn, g->exporter, &has_exporter,
                                             g->unique, &unique_len))
        return;
    g->who.tls_exporter = has_exporter ? g->exporter : NULL;
    g->who.tls_unique = unique_len > 0 ? g->unique : NULL;
    g->who.tls_unique_len = unique_len;
}

static void
add_tried(lw_login *g, const char *mechanism)
{
    size_t used = strlen(g->tried), n = strlen(mechanism);

    if (used + n + 2 > sizeof g->tried)
        return; /* cannot be: all names that we know fit */
    if (used > 0)
        g->tried[used++] = ' ';
    memcpy(g->tried + used, mechanism, n + 1);
}

static const char *
choose(const lw_login *g, bool may_show)
{
    return lw_sasl_choose(lw_span_str(g->c->offered_auth), allowed_of(g->c),
                          lw_span_str(g->tried), &g->who, may_show);
}

/* no mechanism fits: one sentence that says why, and what to do */
static lw_code
fail_no_mechanism(const lw_login *g, lw_error *err)
{
    const lw_channel *c = g->c;
    const char *allowed = allowed_of(c);

    if (!may_show_secret(c) && choose(g, true) != NULL)
        return lw_fail(err, LW_EAUTH, LW_STAGE_AUTH,
                       "the password would go to a server whose certificate does not verify, and "
                       "was not sent: trust its certificate, or write ?insecure-auth=yes");
    if (g->who.user != NULL && g->who.password == NULL && !g->who.has_client_cert)
        return lw_fail(err, LW_EAUTH, LW_STAGE_AUTH, "there is a user to log in, but no "
                       "password");
    return lw_fail(err, LW_EAUTH, LW_STAGE_AUTH,
                   "no login mechanism fits: the server offers %s%s%s%s", c->offered_auth,
                   allowed != NULL ? ", allowed is " : "", allowed != NULL ? allowed : "",
                   allowed != NULL ? "" : " (OAuth2 is used only when it is named)");
}

/* what forbids any login here, whatever the mechanism */
static lw_code
check_way(const lw_channel *c, lw_error *err)
{
    bool is_in_clear = !c->facts.tls.active && !c->url->insecure_auth && c->url->path == NULL;

    if (c->offered_auth == NULL || c->offered_auth[0] == '\0')
        return lw_fail(err, LW_EAUTH, LW_STAGE_AUTH,
                       "the server offers no login%s: leave user and password out, or use its "
                       "submission port", c->facts.tls.active ? "" : " without TLS");
    /* even a login that does not show the password can be listened to, and guessed at leisure */
    if (is_in_clear)
        return lw_fail(err, LW_EAUTH, LW_STAGE_AUTH,
                       "the login would travel in clear, and was not sent: use smtps:// or "
                       "tls://, or write ?insecure-auth=yes if everybody on the way may read it");
    return LW_OK;
}

/* ---- one exchange ---------------------------------------------------------------------------- */

static lw_code
begin(lw_login *g, lw_error *err)
{
    lw_span initial = LW_NO_SPAN;
    lw_code rc;

    lw_sasl_free(g->sasl);
    g->sasl = NULL;
    g->is_canceled = false;
    g->n_challenges = 0;
    rc = lw_sasl_new(g->c->setup->alloc, g->mechanism, &g->who, &g->sasl, err);
    if (rc < 0 || (rc = lw_sasl_initial(g->sasl, &initial, err)) < 0)
        return rc;
    rc = lw_smtp_auth(g->c->link.engine, g->mechanism, initial);
    return rc < 0 ? lw_fail(err, rc, LW_STAGE_AUTH, "the login cannot begin") : LW_OK;
}

/* a challenge that is wrong ends the exchange; the sentence of the mechanism counts */
static lw_code
answer(lw_login *g, lw_span challenge, lw_error *err)
{
    lw_span response = LW_NO_SPAN;
    lw_code rc;

    /* [RFC4954 4] "If the server receives such a response, it MUST reject the AUTH command" */
    if (g->is_canceled || ++g->n_challenges > CHALLENGES_MAX) {
        lw_link_fail(&g->c->link, LW_EPROTO, "the server asks on and on in the login");
        return LW_OK;
    }
    if (lw_sasl_step(g->sasl, challenge, &response, &g->why) >= 0) {
        rc = lw_smtp_auth_answer(g->c->link.engine, response);
    } else {
        g->is_canceled = true;
        rc = lw_smtp_auth_cancel(g->c->link.engine);
    }
    return rc < 0 ? lw_fail(err, rc, LW_STAGE_AUTH, "the answer is too long for a login")
                  : LW_OK;
}

static void
remember_reply(lw_login *g, const lw_reply *r)
{
    lw_channel *c = g->c;

    c->login_mechanism = g->mechanism;
    c->login_code = r->code;
    c->login_text = lw_arena_span(&c->arena, r->text);
}

/* the server refused: what it said, here and in the error of its mechanism */
static lw_code
fail_refused(lw_login *g, const lw_reply *r, lw_error *err)
{
    const char *more = lw_sasl_server_text(g->sasl);
    char shown[300];

    lw_print_safe(shown, sizeof shown, r->text);
    lw_fail(err, LW_EAUTH, LW_STAGE_AUTH, "the server refused the login by %s: %d %s%s%s%s%s",
            g->mechanism, r->code, shown, more[0] != '\0' ? " (" : "", more,
            more[0] != '\0' ? ")" : "",
            r->code == 535 ? ": user or password is wrong, or this way to log in is closed"
                           : "");
    err->reply_code = r->code;
    err->enhanced = r->enhanced;
    err->retry = r->code / 100 == 4 ? LW_RETRY_LATER : LW_RETRY_NO;
    return LW_EAUTH;
}

/* the exchange is over: LW_OK, or why not */
static lw_code
finish(lw_login *g, const lw_event *ev, lw_error *err)
{
    remember_reply(g, &ev->reply);
    if (g->is_canceled) {
        *err = g->why;
        return LW_EAUTH;
    }
    return ev->code < 0 ? fail_refused(g, &ev->reply, err) : lw_sasl_accepted(g->sasl, err);
}

/* ---- one after the other ------------------------------------------------------------------------- */

/* after a refusal: the next mechanism that may change the answer, or NULL */
static const char *
next_mechanism(lw_login *g)
{
    const char *failed = g->mechanism, *next;
    int code = g->c->login_code;

    add_tried(g, failed);
    while ((next = choose(g, may_show_secret(g->c))) != NULL) {
        /* RFC 4954 4 and 6: 504 "mechanism not known", 534 "too weak" ask for another one */
        if (code == 504 || code == 534 || lw_sasl_retry_helps(failed, next))
            return next;
        add_tried(g, next);
    }
    return NULL;
}

/* LW_AGAIN: another mechanism is on its way; else rc, which ended the last one */
static lw_code
try_another(lw_login *g, lw_code rc, lw_error *err)
{
    const char *next;

    if (rc != LW_EAUTH || g->c->login_code / 100 != 5 || lw_smtp_want(g->c->link.engine) == 0 ||
        (next = next_mechanism(g)) == NULL)
        return rc;
    g->mechanism = next;
    rc = begin(g, err);
    return rc < 0 ? rc : LW_AGAIN;
}

lw_code
lw_login_event(lw_login *g, const lw_event *ev, lw_error *err)
{
    lw_code rc;

    if (ev->kind == LW_EVENT_CHALLENGE && (rc = answer(g, ev->challenge, err)) < 0)
        return rc;
    if (ev->kind != LW_EVENT_AUTH)
        return LW_AGAIN;
    if ((rc = finish(g, ev, err)) < 0)
        return try_another(g, rc, err);
    g->c->facts.auth = g->mechanism;
    return LW_OK;
}

lw_code
lw_login_begin(lw_channel *c, lw_login **out, lw_error *err)
{
    lw_login *g;
    lw_code rc = check_way(c, err);

    *out = NULL;
    c->login_code = 0;
    if (rc < 0)
        return rc;
    if ((g = lw_zalloc(c->setup->alloc, sizeof *g)) == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_AUTH, "out of memory for the login");
    g->c = c;
    fill_credentials(g);
    g->mechanism = choose(g, may_show_secret(c));
    if ((rc = g->mechanism == NULL ? fail_no_mechanism(g, err) : begin(g, err)) < 0) {
        lw_login_free(g);
        return rc;
    }
    *out = g;
    return LW_OK;
}

void
lw_login_free(lw_login *g)
{
    const lw_alloc *alloc;

    if (g == NULL)
        return;
    alloc = g->c->setup->alloc;
    lw_sasl_free(g->sasl);
    lw_wipe(g, sizeof *g);
    lw_release(alloc, g);
}
