/* SPDX-License-Identifier: MIT */
/*
 * sasl/scram.c - SCRAM-SHA-256(-PLUS), SCRAM-SHA-1(-PLUS) and CRAM-MD5 by libgsasl, both sides
 *
 * SCRAM in SMTP: initial response, server-first in a 334, client-final, then the server's
 * signature in a second 334 that is answered by an empty response, since a 235 carries no
 * data (RFC 4954 4).  A 235 before the signature was seen and verified is not believed.
 * Sources: RFC 5802, RFC 7677, RFC 2195, RFC 5929, RFC 9266.
 */
#include "sasl/gsasl_int.h"

#ifdef LW_HAVE_GSASL

/* A hostile server may ask for years of hashing; 600,000 is what careful sites use. */
#define MAX_ITERATIONS 1000000

static bool
is_scram(const lw_sasl *s)
{
    return lw_span_starts_nocase(lw_span_str(s->mech->name), LW_LIT("SCRAM-"));
}

static lw_code
client_begin(lw_sasl *s, lw_error *err)
{
    lw_code rc = lw_sasl_need(s, true, err);

    if (rc < 0)
        return rc;
    if (s->mech->needs_binding && !lw_sasl_has_binding(s->who))
        return lw_fail(err, LW_EUSAGE, LW_STAGE_AUTH, "%s needs TLS with channel binding",
                       s->mech->name);
    if ((s->state = lw_zalloc(s->alloc, sizeof(lw_gsasl))) == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_AUTH, "out of memory during the login");
    rc = lw_gsasl_open(s->state, s->mech, s->who, false);
    if (rc < 0)
        return lw_fail(err, rc, LW_STAGE_AUTH, "%s: %s", s->mech->name,
                       rc == LW_ENOMEM ? "out of memory" : "libgsasl does not support it");
    return LW_OK;
}

static lw_code
explain(const lw_sasl *s, const lw_gsasl *g, lw_error *err)
{
    if (g->rc == GSASL_SASLPREP_ERROR)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_AUTH,
                       "the user name or password holds characters that %s cannot carry",
                       s->mech->name);
    if (s->n_steps >= 1 && is_scram(s))
        return lw_fail(err, LW_EAUTH, LW_STAGE_AUTH,
                       "the server did not prove that it knows the password (%s: %s): it may "
                       "not be the server it claims to be",
                       s->mech->name, g->api->strerror(g->rc));
    return lw_fail(err, LW_EAUTH, LW_STAGE_AUTH, "the server's %s challenge is wrong: %s",
                   s->mech->name, g->api->strerror(g->rc));
}

static lw_code
advance(lw_sasl *s, lw_span in, lw_buf *out, lw_error *err)
{
    lw_gsasl *g = s->state;
    lw_code rc = lw_gsasl_step(g, in, out);

    if (rc == LW_ELIMIT)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_AUTH, "the %s response is too long",
                       s->mech->name);
    if (rc < 0)
        return lw_fail(err, rc, LW_STAGE_AUTH, "%s: %s", s->mech->name, lw_code_text(rc));
    if (g->rc != GSASL_OK && g->rc != GSASL_NEEDS_MORE)
        return explain(s, g, err);
    return LW_OK;
}

static lw_code
scram_initial(lw_sasl *s, lw_buf *out, lw_error *err)
{
    return advance(s, LW_NO_SPAN, out, err);
}

/* i= of the server-first message, if it is there, stays within bounds */
static bool
iterations_fit(lw_span message)
{
    lw_span attribute;
    uint64_t n;

    while (lw_span_token(&message, ',', &attribute))
        if (lw_span_starts_nocase(attribute, LW_LIT("i=")) &&
            !lw_span_uint((lw_span){ attribute.ptr + 2, attribute.len - 2 }, MAX_ITERATIONS, &n))
            return false;
    return true;
}

/* [RFC5802 7] server-error = "e=" server-error-value: the reason, before the refusal */
static lw_code
server_error(lw_sasl *s, lw_span challenge, lw_error *err)
{
    lw_print_safe(s->text, sizeof s->text, (lw_span){ challenge.ptr + 2, challenge.len - 2 });
    return lw_fail(err, LW_EAUTH, LW_STAGE_AUTH, "the server refused the %s login: %s",
                   s->mech->name, s->text);
}

static lw_code
scram_step(lw_sasl *s, lw_span challenge, lw_buf *out, lw_error *err)
{
    lw_gsasl *g = s->state;

    if (s->n_steps > 1 || (s->n_steps == 1 && g->rc == GSASL_OK))
        return lw_sasl_unexpected(s, err);
    if (memchr(challenge.ptr, '\0', challenge.len) != NULL)
        return lw_fail(err, LW_EAUTH, LW_STAGE_AUTH, "the server's %s challenge holds a NUL",
                       s->mech->name);
    if (s->n_steps == 1 && lw_span_starts_nocase(challenge, LW_LIT("e=")))
        return server_error(s, challenge, err);
    if (s->n_steps == 0 && !iterations_fit(challenge))
        return lw_fail(err, LW_EAUTH, LW_STAGE_AUTH,
                       "the server asks for more than 1,000,000 %s iterations", s->mech->name);
    return advance(s, challenge, out, err);
}

static lw_code
cram_step(lw_sasl *s, lw_span challenge, lw_buf *out, lw_error *err)
{
    if (s->n_steps > 0)
        return lw_sasl_unexpected(s, err);
    if (challenge.len == 0)
        return lw_fail(err, LW_EAUTH, LW_STAGE_AUTH, "the server's CRAM-MD5 challenge is empty");
    return advance(s, challenge, out, err);
}

/* [RFC5802 5] "If the two are different, the client MUST consider the authentication exchange
 * to be unsuccessful": all the more when the server left its signature out */
static lw_code
scram_accepted(lw_sasl *s, lw_error *err)
{
    const lw_gsasl *g = s->state;

    if (s->n_steps == 2 && g->rc == GSASL_OK)
        return LW_OK;
    return lw_fail(err, LW_EAUTH, LW_STAGE_AUTH,
                   "the server accepted the %s login without proving that it knows the password: "
                   "it may not be the server it claims to be",
                   s->mech->name);
}

static void
client_end(lw_sasl *s)
{
    if (s->state != NULL)
        lw_gsasl_close(s->state);
    lw_release(s->alloc, s->state);
}

static lw_code
server_begin(lw_sasl_server *s)
{
    if ((s->state = lw_zalloc(s->alloc, sizeof(lw_gsasl))) == NULL)
        return LW_ENOMEM;
    return lw_gsasl_open(s->state, s->mech, s->who, true);
}

/* The last output, the signature, is a challenge that wants an empty answer. */
static lw_code
server_step(lw_sasl_server *s, lw_span response, lw_buf *out)
{
    lw_gsasl *g = s->state;
    lw_code rc;

    if (s->n_steps > 0 && g->rc == GSASL_OK)
        return response.len == 0 ? LW_DONE : LW_EAUTH;
    if ((rc = lw_gsasl_step(g, response, out)) < 0)
        return rc;
    if (g->rc == GSASL_NEEDS_MORE)
        return LW_AGAIN;
    if (g->rc != GSASL_OK)
        return LW_EAUTH;
    return out->len > 0 ? LW_AGAIN : LW_DONE;
}

/* Only the known user may be acted for. */
static lw_code
scram_serve(lw_sasl_server *s, lw_span response, lw_buf *out)
{
    lw_gsasl *g = s->state;
    lw_code rc = server_step(s, response, out);
    const char *authzid = g->api->property_fast(g->session, GSASL_AUTHZID);

    if (rc > 0 && authzid != NULL && authzid[0] != '\0' && s->who->user != NULL &&
        strcmp(authzid, s->who->user) != 0)
        return LW_EAUTH;
    return rc;
}

static void
server_end(lw_sasl_server *s)
{
    if (s->state != NULL)
        lw_gsasl_close(s->state);
    lw_release(s->alloc, s->state);
}

const lw_sasl_client_ops lw_scram_client = {
    .begin = client_begin, .initial = scram_initial, .step = scram_step,
    .accepted = scram_accepted, .end = client_end
};
const lw_sasl_client_ops lw_cram_client = {
    .begin = client_begin, .step = cram_step, .end = client_end
};
const lw_sasl_server_ops lw_scram_server = {
    .begin = server_begin, .step = scram_serve, .end = server_end
};
const lw_sasl_server_ops lw_cram_server = {
    .begin = server_begin, .step = server_step, .end = server_end, .speaks_first = true
};

#else

/* never reached: lw_gsasl_available() is false */
const lw_sasl_client_ops lw_scram_client = { 0 }, lw_cram_client = { 0 };
const lw_sasl_server_ops lw_scram_server = { 0 }, lw_cram_server = { 0 };

#endif
