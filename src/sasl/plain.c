/* SPDX-License-Identifier: MIT */
/* sasl/plain.c - PLAIN (RFC 4616): authzid, user and password in one message */
#include "sasl/sasl_int.h"

static lw_code
plain_begin(lw_sasl *s, lw_error *err)
{
    return lw_sasl_need(s, true, err);
}

/* [RFC4616 2] "message   = [authzid] UTF8NUL authcid UTF8NUL passwd" */
static lw_code
plain_initial(lw_sasl *s, lw_buf *out, lw_error *err)
{
    lw_span authzid = lw_span_str(s->who->authzid), user = lw_span_str(s->who->user),
            password = lw_span_str(s->who->password);
    lw_code rc = lw_sasl_room(out, authzid.len + user.len + password.len + 2, err);

    if (rc < 0)
        return rc;
    lw_buf_add(out, authzid);
    lw_buf_add_char(out, '\0');
    lw_buf_add(out, user);
    lw_buf_add_char(out, '\0');
    lw_buf_add(out, password);
    return LW_OK;
}

static lw_code
plain_step(lw_sasl *s, lw_span challenge, lw_buf *out, lw_error *err)
{
    (void)challenge;
    (void)out;
    return lw_sasl_unexpected(s, err);
}

static lw_code
plain_serve(lw_sasl_server *s, lw_span response, lw_buf *out)
{
    lw_span rest = response, authzid, user;

    (void)out;
    if (!lw_span_token(&rest, '\0', &authzid) || !lw_span_token(&rest, '\0', &user))
        return LW_EAUTH;
    if (rest.ptr == NULL || lw_span_find(rest, '\0') != rest.len)
        return LW_EAUTH;
    if (authzid.len > 0 && !lw_sasl_same(authzid, s->who->user))
        return LW_EAUTH;
    if (!lw_sasl_same(user, s->who->user) || !lw_sasl_same_secret(rest, s->who->password))
        return LW_EAUTH;
    return LW_DONE;
}

const lw_sasl_client_ops lw_plain_client = {
    .begin = plain_begin, .initial = plain_initial, .step = plain_step
};
const lw_sasl_server_ops lw_plain_server = { .step = plain_serve };
