/* SPDX-License-Identifier: MIT */
/*
 * sasl/xoauth2.c - XOAUTH2, Google's and Microsoft's forerunner of OAUTHBEARER
 *
 * Source: developers.google.com/gmail/imap/xoauth2-protocol:
 * "user=" {User} "^Aauth=Bearer " {Access Token} "^A^A"; an error comes as a challenge and is
 * answered with an empty response.
 */
#include "sasl/sasl_int.h"

static lw_code
xoauth2_begin(lw_sasl *s, lw_error *err)
{
    return lw_oauth_begin(s, true, err);
}

static lw_code
xoauth2_initial(lw_sasl *s, lw_buf *out, lw_error *err)
{
    lw_span user = lw_span_str(s->who->user), token = lw_span_str(s->who->password);
    lw_code rc = lw_sasl_room(out, user.len + token.len + 32, err);

    if (rc < 0)
        return rc;
    lw_buf_add(out, LW_LIT("user="));
    lw_buf_add(out, user);
    lw_buf_add(out, LW_LIT("\001auth=Bearer "));
    lw_buf_add(out, token);
    lw_buf_add(out, LW_LIT("\001\001"));
    return LW_OK;
}

static lw_code
xoauth2_step(lw_sasl *s, lw_span challenge, lw_buf *out, lw_error *err)
{
    if (s->n_steps > 0)
        return lw_sasl_unexpected(s, err);
    return lw_oauth_refused(s, challenge, LW_LIT(""), out);
}

static bool
xoauth2_fits(const lw_credentials *who, lw_span response)
{
    lw_span user_key = LW_LIT("user="), auth_key = LW_LIT("auth="), user, auth, end;

    if (!lw_span_token(&response, '\001', &user) || !lw_span_token(&response, '\001', &auth) ||
        !lw_span_token(&response, '\001', &end) || end.len != 0 || response.len != 0)
        return false;
    if (!lw_span_starts_nocase(user, user_key) || !lw_span_starts_nocase(auth, auth_key))
        return false;
    user = (lw_span){ user.ptr + user_key.len, user.len - user_key.len };
    auth = (lw_span){ auth.ptr + auth_key.len, auth.len - auth_key.len };
    return lw_sasl_same(user, who->user) && lw_oauth_token_fits(auth, who->password);
}

static lw_code
xoauth2_serve(lw_sasl_server *s, lw_span response, lw_buf *out)
{
    return lw_oauth_verdict(s, xoauth2_fits(s->who, response),
                            "{\"status\":\"400\",\"schemes\":\"bearer\",\"scope\":\"mail\"}", out);
}

const lw_sasl_client_ops lw_xoauth2_client = {
    .begin = xoauth2_begin, .initial = xoauth2_initial, .step = xoauth2_step
};
const lw_sasl_server_ops lw_xoauth2_server = { .step = xoauth2_serve };
