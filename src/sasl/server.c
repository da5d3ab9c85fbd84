/* SPDX-License-Identifier: MIT */
/*
 * sasl/server.c - the receiving side's exchange against one known user
 *
 * States: first step (a client-first mechanism without initial response is asked for it by an
 * empty challenge), steps of the mechanism, over (LW_DONE or LW_EAUTH, then always LW_EAUTH).
 * Sources: RFC 4422 5, RFC 4954 4.
 */
#include "sasl/sasl_int.h"

lw_code
lw_sasl_server_new(const lw_alloc *alloc, const char *mechanism, const lw_credentials *who,
                   lw_sasl_server **out)
{
    const lw_sasl_mechanism *m = lw_sasl_find(lw_span_str(mechanism));
    lw_sasl_server *s;
    lw_code rc;

    *out = NULL;
    if (m == NULL || (m->needs_gsasl && !lw_gsasl_available()))
        return LW_ECAPABILITY;
    if (m->needs_binding && !lw_sasl_has_binding(who))
        return LW_EUSAGE;
    if ((s = lw_zalloc(alloc, sizeof *s)) == NULL)
        return LW_ENOMEM;
    s->alloc = alloc;
    s->mech = m;
    s->who = who;
    s->result = LW_AGAIN;
    lw_buf_init(&s->raw, alloc, LW_SASL_RAW_MAX);
    lw_buf_init(&s->in, alloc, LW_SASL_RAW_MAX);
    lw_buf_init(&s->wire, alloc, LW_SASL_WIRE_MAX);
    if (m->server->begin != NULL && (rc = m->server->begin(s)) < 0) {
        lw_sasl_server_free(s);
        return rc;
    }
    *out = s;
    return LW_OK;
}

static void
wipe_all(lw_sasl_server *s)
{
    lw_sasl_wipe(&s->raw);
    lw_sasl_wipe(&s->in);
    lw_sasl_wipe(&s->wire);
}

static lw_code
step(lw_sasl_server *s, bool has_data, lw_span data, lw_span *challenge)
{
    lw_code rc;

    if (!has_data && !s->mech->server->speaks_first) {
        if (s->has_greeted)
            return LW_EAUTH;
        s->has_greeted = true;
        *challenge = LW_LIT("");
        return LW_AGAIN;
    }
    s->has_greeted = true;
    if ((rc = lw_sasl_decode(&s->in, data)) < 0)
        return rc;
    rc = s->mech->server->step(s, lw_buf_span(&s->in), &s->raw);
    s->n_steps++;
    if (rc != LW_AGAIN)
        return rc;
    if ((rc = lw_buf_finish(&s->raw)) < 0 || (rc = lw_sasl_encode(&s->wire, &s->raw)) < 0)
        return rc;
    *challenge = lw_buf_span(&s->wire);
    return LW_AGAIN;
}

lw_code
lw_sasl_server_step(lw_sasl_server *s, bool has_data, lw_span data, lw_span *challenge)
{
    lw_code rc;

    *challenge = LW_NO_SPAN;
    wipe_all(s);
    if (s->is_over)
        return LW_EAUTH;
    rc = step(s, has_data, data, challenge);
    s->is_over = rc != LW_AGAIN;
    s->result = rc;
    lw_sasl_wipe(&s->in);
    return rc;
}

const char *
lw_sasl_server_user(const lw_sasl_server *s)
{
    return s->result == LW_DONE && s->who->user != NULL ? s->who->user : "";
}

void
lw_sasl_server_free(lw_sasl_server *s)
{
    if (s == NULL)
        return;
    if (s->mech->server->end != NULL)
        s->mech->server->end(s);
    wipe_all(s);
    lw_buf_deinit(&s->raw);
    lw_buf_deinit(&s->in);
    lw_buf_deinit(&s->wire);
    lw_release(s->alloc, s);
}
