/* SPDX-License-Identifier: MIT */
/*
 * net/tls_session.c - sessions to be resumed, by host and port, within one context
 *
 * The policy (whom to trust, the pin) is the context's, so a session is never used under
 * another policy than the one it was verified under.
 */
#include "net/net_int.h"

static void
forget(lw_tls_ctx *c, lw_saved_session *s)
{
    lw_release(c->alloc, s->key);
    SSL_SESSION_free(s->session);
    *s = (lw_saved_session){ NULL, NULL };
}

static lw_saved_session *
find(lw_tls_ctx *c, const char *key)
{
    for (size_t i = 0; i < LW_SESSIONS_MAX; i++)
        if (c->saved[i].key != NULL && strcmp(c->saved[i].key, key) == 0)
            return &c->saved[i];
    return NULL;
}

void
lw_session_save(lw_tls_ctx *c, const char *key, SSL_SESSION *session)
{
    lw_saved_session *s = find(c, key);

    if (s == NULL) {
        s = &c->saved[c->next_saved];
        c->next_saved = (c->next_saved + 1) % LW_SESSIONS_MAX;
    }
    forget(c, s);
    if ((s->key = lw_strdup(c->alloc, key)) == NULL) {
        SSL_SESSION_free(session);
        return;
    }
    s->session = session;
}

/* A ticket of TLS 1.3 is used once: who sees it twice knows that both are the same client (RFC
 * 8446, C.4).  The next one comes with the next connection. */
SSL_SESSION *
lw_session_find(lw_tls_ctx *c, const char *key)
{
    lw_saved_session *s = find(c, key);
    SSL_SESSION *session;

    if (s == NULL)
        return NULL;
    session = s->session;
    SSL_SESSION_up_ref(session);
    if (!SSL_SESSION_is_resumable(session) ||
        SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION)
        forget(c, s);
    return session;
}
