/* SPDX-License-Identifier: MIT */
/*
 * sasl/oauth.c - what XOAUTH2 and OAUTHBEARER share: the bearer token and the error that a
 * server sends as JSON in a challenge before it refuses (RFC 7628 3.2.2)
 */
#include "sasl/sasl_int.h"

lw_code
lw_oauth_begin(lw_sasl *s, bool user, lw_error *err)
{
    lw_code rc = lw_sasl_need(s, user, err);

    if (rc < 0)
        return rc;
    /* 0x01 separates the fields; no control belongs into a token, a user or a host */
    if (lw_span_has_ctl(lw_span_str(s->who->password)))
        return lw_fail(err, LW_EUSAGE, LW_STAGE_AUTH,
                       "the token for %s holds a control character (a line end?)", s->mech->name);
    if (lw_span_has_ctl(lw_span_str(s->who->user)) ||
        lw_span_has_ctl(lw_span_str(s->who->authzid)) ||
        lw_span_has_ctl(lw_span_str(s->who->host)))
        return lw_fail(err, LW_EUSAGE, LW_STAGE_AUTH,
                       "the user or host name for %s holds a control character", s->mech->name);
    return LW_OK;
}

lw_code
lw_oauth_refused(lw_sasl *s, lw_span challenge, lw_span reply, lw_buf *out)
{
    lw_print_safe(s->text, sizeof s->text, lw_span_trim(challenge));
    lw_buf_add(out, reply);
    return LW_OK;
}

bool
lw_oauth_token_fits(lw_span auth, const char *token)
{
    lw_span scheme = LW_LIT("Bearer ");

    if (!lw_span_starts_nocase(auth, scheme))
        return false;
    auth.ptr += scheme.len;
    auth.len -= scheme.len;
    return lw_sasl_same_secret(auth, token);
}

lw_code
lw_oauth_verdict(lw_sasl_server *s, bool fits, const char *error, lw_buf *out)
{
    if (s->n_steps > 0)
        return LW_EAUTH; /* the answer to the error, whatever it is */
    if (fits)
        return LW_DONE;
    lw_buf_add_str(out, error);
    return LW_AGAIN;
}
