/* SPDX-License-Identifier: MIT */
/*
 * sasl/gsasl.c - one exchange of libgsasl, either side: properties in, steps, wiping
 *
 * The callback gives identity and password.  A client gives channel binding data only with
 * a -PLUS name: libgsasl 2.2.0 fails a plain SCRAM that is offered them, and so cannot say
 * "I could, but you did not offer it" ("y", RFC 5802 6); ours says "n".  The server half
 * gives what it has, and refuses a "y" that it knows to be a forger's work.
 * Which binding: tls-unique belongs to TLS 1.2 and older, tls-exporter to 1.3 (RFC 9266 3);
 * a server on TLS 1.2 expects the former, so it wins where both are given.
 */
#include "sasl/gsasl_int.h"

#ifdef LW_HAVE_GSASL

/* binary property as base64 */
static int
set_base64(lw_gsasl *g, Gsasl_session *session, Gsasl_property p, const void *data, size_t n)
{
    char text[LW_BASE64_LEN(64)];

    if (n > 64)
        return GSASL_NO_CALLBACK;
    return g->api->property_set_raw(session, p, text, lw_base64_encode(text, data, n));
}

static int
set_text(lw_gsasl *g, Gsasl_session *session, Gsasl_property p, const char *text)
{
    return text == NULL ? GSASL_NO_CALLBACK : g->api->property_set(session, p, text);
}

/* The server tells the password of the one user it knows. */
static int
set_password(lw_gsasl *g, Gsasl_session *session)
{
    const char *user;

    if (g->is_server) {
        user = g->api->property_fast(session, GSASL_AUTHID);
        if (user == NULL || g->who->user == NULL || strcmp(user, g->who->user) != 0)
            return GSASL_NO_PASSWORD;
    }
    return set_text(g, session, GSASL_PASSWORD, g->who->password);
}

static int
answer(lw_gsasl *g, Gsasl_session *session, Gsasl_property p)
{
    const lw_credentials *who = g->who;
    bool is_unique = who->tls_unique != NULL && who->tls_unique_len > 0;

    if (p == GSASL_PASSWORD)
        return set_password(g, session);
    if (!g->is_server && p == GSASL_AUTHID)
        return set_text(g, session, p, who->user);
    if (!g->is_server && p == GSASL_AUTHZID)
        return set_text(g, session, p, who->authzid);
    if (g->shows_binding && p == GSASL_CB_TLS_UNIQUE && is_unique)
        return set_base64(g, session, p, who->tls_unique, who->tls_unique_len);
    if (g->shows_binding && p == GSASL_CB_TLS_EXPORTER && who->tls_exporter != NULL && !is_unique)
        return set_base64(g, session, p, who->tls_exporter, 32);
    return GSASL_NO_CALLBACK;
}

/* The context has the hook, not the session: some properties are asked for while it starts. */
static int
on_property(Gsasl *ctx, Gsasl_session *session, Gsasl_property p)
{
    return answer(lw_gsasl_load()->callback_hook_get(ctx), session, p);
}

lw_code
lw_gsasl_open(lw_gsasl *g, const lw_sasl_mechanism *m, const lw_credentials *who, bool is_server)
{
    int rc;

    *g = (lw_gsasl){ .api = lw_gsasl_load(), .who = who, .is_server = is_server };
    if (g->api == NULL)
        return LW_ECAPABILITY;
    g->shows_binding = m->needs_binding || is_server;
    if (g->api->init(&g->ctx) != GSASL_OK) {
        g->ctx = NULL;
        return LW_ENOMEM;
    }
    g->api->callback_hook_set(g->ctx, g);
    g->api->callback_set(g->ctx, on_property);
    rc = is_server ? g->api->server_start(g->ctx, m->name, &g->session)
                   : g->api->client_start(g->ctx, m->name, &g->session);
    if (rc == GSASL_OK)
        return LW_OK;
    g->session = NULL;
    return rc == GSASL_MALLOC_ERROR ? LW_ENOMEM : LW_ECAPABILITY;
}

lw_code
lw_gsasl_step(lw_gsasl *g, lw_span in, lw_buf *out)
{
    char *text = NULL;
    size_t n = 0;

    g->rc = g->api->step(g->session, in.len > 0 ? in.ptr : NULL, in.len, &text, &n);
    if (g->rc == GSASL_MALLOC_ERROR)
        return LW_ENOMEM;
    if (g->rc != GSASL_OK && g->rc != GSASL_NEEDS_MORE)
        return LW_OK;
    if (text != NULL) {
        lw_buf_add(out, (lw_span){ text, n });
        lw_wipe(text, n);
        g->api->free(text);
    }
    return lw_buf_finish(out);
}

/* libgsasl frees its copies of secrets without wiping them */
static void
wipe_property(lw_gsasl *g, Gsasl_property p)
{
    const char *text = g->api->property_fast(g->session, p);

    if (text != NULL)
        lw_wipe((char *)(uintptr_t)text, strlen(text));
}

void
lw_gsasl_close(lw_gsasl *g)
{
    if (g->session != NULL) {
        wipe_property(g, GSASL_PASSWORD);
        wipe_property(g, GSASL_SCRAM_SALTED_PASSWORD);
        wipe_property(g, GSASL_SCRAM_SERVERKEY);
        wipe_property(g, GSASL_SCRAM_STOREDKEY);
        g->api->finish(g->session);
    }
    if (g->ctx != NULL)
        g->api->done(g->ctx);
    *g = (lw_gsasl){ .api = g->api };
}

#else
typedef int lw_no_gsasl; /* a translation unit may not be empty */
#endif
