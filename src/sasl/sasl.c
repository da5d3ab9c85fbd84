/* SPDX-License-Identifier: MIT */
/*
 * sasl/sasl.c - the client's exchange: base64, bounds, order of calls and wiping, for all
 * mechanisms
 *
 * Invariants: raw, in and wire hold one step's octets and are wiped before the next; a
 * mechanism is never stepped after it failed (n_steps only grows and each checks it).
 * Sources: RFC 4422 (SASL), RFC 4954 4 (SMTP).
 */
#include "sasl/sasl_int.h"

void
lw_sasl_wipe(lw_buf *b)
{
    if (b->ptr != NULL)
        lw_wipe(b->ptr, b->cap);
    lw_buf_reset(b);
}

lw_code
lw_sasl_room(lw_buf *b, size_t n, lw_error *err)
{
    (void)lw_buf_space(b, n);
    if (b->code == LW_ELIMIT)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_AUTH,
                       "user name and password are too long for a login (%zu octets)", n);
    if (b->code != LW_OK)
        return lw_fail(err, b->code, LW_STAGE_AUTH, "out of memory during the login");
    return LW_OK;
}

lw_code
lw_sasl_decode(lw_buf *to, lw_span text)
{
    size_t n = 0;
    char *p;

    lw_sasl_wipe(to);
    if (text.len > LW_SASL_WIRE_MAX)
        return LW_EAUTH;
    if ((p = lw_buf_space(to, text.len / 4 * 3)) == NULL)
        return LW_ENOMEM;
    if (!lw_base64_decode(p, text, &n))
        return LW_EAUTH;
    lw_buf_used(to, n);
    return LW_OK;
}

lw_code
lw_sasl_encode(lw_buf *to, const lw_buf *from)
{
    char *p;

    lw_sasl_wipe(to);
    if ((p = lw_buf_space(to, LW_BASE64_LEN(from->len))) == NULL)
        return lw_buf_finish(to);
    lw_buf_used(to, lw_base64_encode(p, from->ptr, from->len));
    return LW_OK;
}

bool
lw_sasl_same_secret(lw_span given, const char *known)
{
    size_t n = known == NULL ? 0 : strlen(known);
    unsigned differ = given.len != n;

    for (size_t i = 0; i < given.len; i++)
        differ |= (unsigned char)given.ptr[i] ^ (n == 0 ? 1u : (unsigned char)known[i % n]);
    return known != NULL && differ == 0;
}

bool
lw_sasl_same(lw_span given, const char *known)
{
    return known != NULL && lw_span_eq(given, lw_span_str(known));
}

lw_code
lw_sasl_unexpected(const lw_sasl *s, lw_error *err)
{
    return lw_fail(err, LW_EAUTH, LW_STAGE_AUTH,
                   "the server sent a further challenge after %s had ended", s->mech->name);
}

lw_code
lw_sasl_need(const lw_sasl *s, bool user, lw_error *err)
{
    if (user && (s->who->user == NULL || s->who->user[0] == '\0'))
        return lw_fail(err, LW_EUSAGE, LW_STAGE_AUTH, "%s needs a user name", s->mech->name);
    if (s->who->password == NULL)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_AUTH, "%s needs a %s", s->mech->name,
                       s->mech->kind == LW_SASL_TOKEN ? "token" : "password");
    return LW_OK;
}

static lw_code
check_mechanism(const lw_sasl_mechanism *m, lw_span name, lw_error *err)
{
    if (m == NULL)
        return lw_fail(err, LW_ECAPABILITY, LW_STAGE_AUTH,
                       "the login mechanism %.*s is not known here",
                       (int)(name.len > 40 ? 40 : name.len), name.ptr);
    if (m->needs_gsasl && !lw_gsasl_available())
        return lw_fail(err, LW_ECAPABILITY, LW_STAGE_AUTH, "%s needs libgsasl, but %s", m->name,
                       lw_gsasl_problem());
    return LW_OK;
}

lw_code
lw_sasl_new(const lw_alloc *alloc, const char *mechanism, const lw_credentials *who,
            lw_sasl **out, lw_error *err)
{
    lw_span name = lw_span_str(mechanism);
    const lw_sasl_mechanism *m = lw_sasl_find(name);
    lw_sasl *s;
    lw_code rc;

    *out = NULL;
    if ((rc = check_mechanism(m, name, err)) < 0)
        return rc;
    if ((s = lw_zalloc(alloc, sizeof *s)) == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_AUTH, "out of memory during the login");
    s->alloc = alloc;
    s->mech = m;
    s->who = who;
    lw_buf_init(&s->raw, alloc, LW_SASL_RAW_MAX);
    lw_buf_init(&s->in, alloc, LW_SASL_RAW_MAX);
    lw_buf_init(&s->wire, alloc, LW_SASL_WIRE_MAX);
    if (m->client->begin != NULL && (rc = m->client->begin(s, err)) < 0) {
        lw_sasl_free(s);
        return rc;
    }
    *out = s;
    return LW_OK;
}

/* s->raw as base64 */
static lw_code
give(lw_sasl *s, lw_span *response, lw_error *err)
{
    lw_code rc = lw_buf_finish(&s->raw);

    if (rc == LW_OK)
        rc = lw_sasl_encode(&s->wire, &s->raw);
    lw_sasl_wipe(&s->raw);
    if (rc != LW_OK)
        return lw_fail(err, rc, LW_STAGE_AUTH, "%s: %s", s->mech->name, lw_code_text(rc));
    *response = lw_buf_span(&s->wire);
    return LW_OK;
}

static void
wipe_all(lw_sasl *s)
{
    lw_sasl_wipe(&s->raw);
    lw_sasl_wipe(&s->in);
    lw_sasl_wipe(&s->wire);
}

lw_code
lw_sasl_initial(lw_sasl *s, lw_span *response, lw_error *err)
{
    lw_code rc;

    *response = LW_NO_SPAN;
    wipe_all(s);
    if (s->mech->client->initial == NULL)
        return LW_OK;
    if (s->has_begun)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_AUTH, "the initial response was given already");
    s->has_begun = true;
    if ((rc = s->mech->client->initial(s, &s->raw, err)) < 0)
        return rc;
    return give(s, response, err);
}

lw_code
lw_sasl_step(lw_sasl *s, lw_span challenge, lw_span *response, lw_error *err)
{
    const lw_sasl_client_ops *c = s->mech->client;
    lw_code rc;

    /* the caller did not ask for the initial response: an empty challenge asks for it */
    if (c->initial != NULL && !s->has_begun && challenge.len == 0)
        return lw_sasl_initial(s, response, err);
    *response = LW_NO_SPAN;
    wipe_all(s);
    if (!c->ignores_challenge && (rc = lw_sasl_decode(&s->in, challenge)) < 0)
        return lw_fail(err, rc, LW_STAGE_AUTH,
                       rc == LW_ENOMEM ? "%s: out of memory"
                       : challenge.len > LW_SASL_WIRE_MAX
                           ? "the server's %s challenge is longer than 12,288 octets"
                           : "the server's %s challenge is not base64",
                       s->mech->name);
    if (c->initial != NULL && !s->has_begun)
        return lw_fail(err, LW_EAUTH, LW_STAGE_AUTH,
                       "the server sent a challenge before %s had begun", s->mech->name);
    rc = c->step(s, lw_buf_span(&s->in), &s->raw, err);
    s->n_steps++;
    lw_sasl_wipe(&s->in);
    return rc < 0 ? rc : give(s, response, err);
}

lw_code
lw_sasl_accepted(lw_sasl *s, lw_error *err)
{
    return s->mech->client->accepted == NULL ? LW_OK : s->mech->client->accepted(s, err);
}

const char *
lw_sasl_server_text(const lw_sasl *s)
{
    return s->text;
}

void
lw_sasl_free(lw_sasl *s)
{
    if (s == NULL)
        return;
    if (s->mech->client->end != NULL)
        s->mech->client->end(s);
    wipe_all(s);
    lw_buf_deinit(&s->raw);
    lw_buf_deinit(&s->in);
    lw_buf_deinit(&s->wire);
    lw_release(s->alloc, s);
}
