/* SPDX-License-Identifier: MIT */
/* sasl/external.c - EXTERNAL (RFC 4422 appendix A): the client certificate says who it is */
#include "sasl/sasl_int.h"

static lw_code
external_begin(lw_sasl *s, lw_error *err)
{
    if (!s->who->has_client_cert)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_AUTH, "EXTERNAL needs a client certificate");
    return LW_OK;
}

/* [RFC4422 A.1] "external-initial-resp = authz-id-string" */
static lw_code
external_initial(lw_sasl *s, lw_buf *out, lw_error *err)
{
    lw_span authzid = lw_span_str(s->who->authzid);
    lw_code rc = lw_sasl_room(out, authzid.len, err);

    if (rc < 0)
        return rc;
    lw_buf_add(out, authzid);
    return LW_OK;
}

static lw_code
external_step(lw_sasl *s, lw_span challenge, lw_buf *out, lw_error *err)
{
    (void)challenge;
    (void)out;
    return lw_sasl_unexpected(s, err);
}

static lw_code
external_serve(lw_sasl_server *s, lw_span response, lw_buf *out)
{
    (void)out;
    if (!s->who->has_client_cert)
        return LW_EAUTH;
    return response.len == 0 || lw_sasl_same(response, s->who->user) ? LW_DONE : LW_EAUTH;
}

const lw_sasl_client_ops lw_external_client = {
    .begin = external_begin, .initial = external_initial, .step = external_step
};
const lw_sasl_server_ops lw_external_server = { .step = external_serve };
