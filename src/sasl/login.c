/* SPDX-License-Identifier: MIT */
/*
 * sasl/login.c - LOGIN (never standardised; draft-murchison-sasl-login): two prompts
 *
 * The prompts are "User Name" and "Password" in the draft, "Username:" and "Password:" in
 * most servers, and anything, even without base64, in some: only their order counts.
 */
#include "sasl/sasl_int.h"

static lw_code
login_begin(lw_sasl *s, lw_error *err)
{
    return lw_sasl_need(s, true, err);
}

static lw_code
login_step(lw_sasl *s, lw_span challenge, lw_buf *out, lw_error *err)
{
    lw_span answer;
    lw_code rc;

    (void)challenge;
    if (s->n_steps > 1)
        return lw_sasl_unexpected(s, err);
    answer = lw_span_str(s->n_steps == 0 ? s->who->user : s->who->password);
    if ((rc = lw_sasl_room(out, answer.len, err)) < 0)
        return rc;
    lw_buf_add(out, answer);
    return LW_OK;
}

/* The first step has no data, or the user name as an initial response. */
static lw_code
login_serve(lw_sasl_server *s, lw_span response, lw_buf *out)
{
    if (!s->has_user) {
        s->has_user = s->n_steps > 0 || response.len > 0;
        s->user_fits = lw_sasl_same(response, s->who->user);
        lw_buf_add(out, s->has_user ? LW_LIT("Password:") : LW_LIT("Username:"));
        return LW_AGAIN;
    }
    return lw_sasl_same_secret(response, s->who->password) && s->user_fits ? LW_DONE : LW_EAUTH;
}

const lw_sasl_client_ops lw_login_client = {
    .begin = login_begin, .step = login_step, .ignores_challenge = true
};
const lw_sasl_server_ops lw_login_server = { .step = login_serve, .speaks_first = true };
