/* SPDX-License-Identifier: MIT */
/* sink/login.c - AUTH of the capture server: one known user, all mechanisms (RFC 4954) */
#include "sink/sink_int.h"

void
lw_sink_login_reset(lw_sink_session *c)
{
    lw_sasl_server_free(c->sasl);
    c->sasl = NULL;
}

static void
refuse(lw_sink_session *c, int code, const char *enhanced, const char *text)
{
    lw_sink_note(c, "login by %s refused: %s", c->mechanism, text);
    lw_sink_login_reset(c);
    if (lw_smtp_server_reply(c->engine, code, enhanced, text) < 0)
        lw_smtp_server_close(c->engine, "internal error");
}

static bool
is_offered(lw_sink_session *c, lw_span mechanism)
{
    bool in_clear = !lw_conn_tls_facts(c->conn)->active;
    const char *list = c->sink->engine_opts.auth;
    lw_span rest, word;

    if (in_clear && c->sink->auth_clear != NULL)
        list = c->sink->auth_clear;
    rest = lw_span_str(list);
    while (lw_span_token(&rest, ' ', &word)) {
        if (word.len > 0 && lw_span_eq_nocase(word, mechanism))
            return true;
    }
    return false;
}

/* what we know of the user and of the channel; the exchange borrows it from c */
static const lw_credentials *
credentials(lw_sink_session *c)
{
    lw_credentials *who = &c->who;
    bool has_exporter = false;

    *who = (lw_credentials){ .user = c->sink->opts.user, .password = c->sink->opts.password };
    who->has_tls = lw_conn_channel_binding(c->conn, c->exporter, &has_exporter, c->unique,
                                           &who->tls_unique_len);
    who->tls_exporter = who->has_tls && has_exporter ? c->exporter : NULL;
    who->tls_unique = who->has_tls && who->tls_unique_len > 0 ? c->unique : NULL;
    return who;
}

static void
step(lw_sink_session *c, bool has_data, lw_span data)
{
    lw_span challenge = LW_NO_SPAN;
    lw_code rc = lw_sasl_server_step(c->sasl, has_data, data, &challenge);

    if (rc == LW_AGAIN) {
        if (lw_smtp_server_challenge(c->engine, challenge) < 0)
            lw_smtp_server_close(c->engine, "internal error");
        return;
    }
    if (rc != LW_DONE) {
        refuse(c, 535, "5.7.8", "user or password is wrong");
        return;
    }
    lw_release(c->sink->alloc, c->auth_user);
    c->auth_user = lw_strdup(c->sink->alloc, lw_sasl_server_user(c->sasl));
    lw_sink_note(c, "login by %s: %s", c->mechanism, c->auth_user ? c->auth_user : "?");
    lw_sink_login_reset(c);
    if (lw_smtp_server_accept(c->engine) < 0)
        lw_smtp_server_close(c->engine, "internal error");
}

void
lw_sink_login_begin(lw_sink_session *c, const lw_server_event *ev)
{
    size_t n = ev->text.len;

    lw_sink_login_reset(c);
    c->mechanism[0] = '\0';
    if (n == 0 || n >= sizeof c->mechanism || !is_offered(c, ev->text)) {
        refuse(c, 504, "5.5.4", "this mechanism is not offered");
        return;
    }
    for (size_t i = 0; i < n; i++)
        c->mechanism[i] = lw_upper(ev->text.ptr[i]);
    c->mechanism[n] = '\0';
    if (lw_sasl_server_new(c->sink->alloc, c->mechanism, credentials(c), &c->sasl) < 0) {
        refuse(c, 454, "4.7.0", "this mechanism cannot be used now");
        return;
    }
    step(c, ev->has_data, ev->data);
}

void
lw_sink_login_go_on(lw_sink_session *c, const lw_server_event *ev)
{
    if (c->sasl == NULL)
        refuse(c, 535, "5.7.8", "no login is under way");
    else
        step(c, true, ev->data);
}
