/* SPDX-License-Identifier: MIT */
/* sasl/oauthbearer.c - OAUTHBEARER (RFC 7628): a GS2 header and key/value pairs */
#include "sasl/sasl_int.h"

static lw_code
bearer_begin(lw_sasl *s, lw_error *err)
{
    return lw_oauth_begin(s, false, err);
}

/* [RFC5801 4] saslname: "=2C" for ",", "=3D" for "=" */
static void
add_saslname(lw_buf *out, lw_span name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == ',')
            lw_buf_add(out, LW_LIT("=2C"));
        else if (name.ptr[i] == '=')
            lw_buf_add(out, LW_LIT("=3D"));
        else
            lw_buf_add_char(out, name.ptr[i]);
    }
}

/* [RFC7628 3.1] "client-resp    = (gs2-header kvsep *kvpair kvsep) / kvsep" */
static lw_code
bearer_initial(lw_sasl *s, lw_buf *out, lw_error *err)
{
    const lw_credentials *who = s->who;
    lw_span user = lw_span_str(who->authzid != NULL ? who->authzid : who->user);
    lw_span host = lw_span_str(who->host), token = lw_span_str(who->password);
    lw_code rc = lw_sasl_room(out, 3 * user.len + host.len + token.len + 48, err);

    if (rc < 0)
        return rc;
    lw_buf_add(out, LW_LIT("n,"));
    if (user.len > 0) {
        lw_buf_add(out, LW_LIT("a="));
        add_saslname(out, user);
    }
    lw_buf_add(out, LW_LIT(",\001"));
    if (host.len > 0) {
        lw_buf_add(out, LW_LIT("host="));
        lw_buf_add(out, host);
        lw_buf_add_char(out, '\001');
    }
    if (who->port != 0) {
        lw_buf_add(out, LW_LIT("port="));
        lw_buf_add_uint(out, who->port);
        lw_buf_add_char(out, '\001');
    }
    lw_buf_add(out, LW_LIT("auth=Bearer "));
    lw_buf_add(out, token);
    lw_buf_add(out, LW_LIT("\001\001"));
    return LW_OK;
}

/* [RFC7628 3.2.3] "an additional client response consisting of a single %x01" */
static lw_code
bearer_step(lw_sasl *s, lw_span challenge, lw_buf *out, lw_error *err)
{
    if (s->n_steps > 0)
        return lw_sasl_unexpected(s, err);
    return lw_oauth_refused(s, challenge, LW_LIT("\001"), out);
}

/* a saslname against the known user, "=2C" and "=3D" undone */
static bool
saslname_fits(lw_span name, const char *user)
{
    size_t i = 0;

    if (user == NULL)
        return false;
    while (name.len > 0) {
        char c = name.ptr[0];
        size_t n = 1;
        if (c == '=') {
            n = 3;
            if (lw_span_starts_nocase(name, LW_LIT("=2C")))
                c = ',';
            else if (!lw_span_starts_nocase(name, LW_LIT("=3D")))
                return false;
        }
        if (user[i] == '\0' || user[i++] != c)
            return false;
        name.ptr += n;
        name.len -= n;
    }
    return user[i] == '\0';
}

/* the gs2-header: no channel binding ("n" or "y"), perhaps an authzid that must fit */
static bool
header_fits(lw_span header, const char *user)
{
    lw_span flag, authzid;

    if (!lw_span_token(&header, ',', &flag) || !lw_span_token(&header, ',', &authzid) ||
        header.ptr == NULL || header.len != 0)
        return false;
    if (!lw_span_eq(flag, LW_LIT("n")) && !lw_span_eq(flag, LW_LIT("y")))
        return false;
    if (authzid.len == 0)
        return true;
    if (!lw_span_starts_nocase(authzid, LW_LIT("a=")))
        return false;
    return saslname_fits((lw_span){ authzid.ptr + 2, authzid.len - 2 }, user);
}

static bool
bearer_fits(const lw_credentials *who, lw_span response)
{
    lw_span header, pair, key = LW_LIT("auth=");
    bool fits = false;

    if (!lw_span_token(&response, '\001', &header) || !header_fits(header, who->user))
        return false;
    /* [RFC7628 3.1] "Unknown key/value pairs MUST be ignored by the server." */
    while (lw_span_token(&response, '\001', &pair) && pair.len > 0)
        if (lw_span_starts_nocase(pair, key))
            fits = lw_oauth_token_fits((lw_span){ pair.ptr + key.len, pair.len - key.len },
                                       who->password);
    return fits && response.ptr != NULL && response.len == 0;
}

static lw_code
bearer_serve(lw_sasl_server *s, lw_span response, lw_buf *out)
{
    return lw_oauth_verdict(s, bearer_fits(s->who, response),
                            "{\"status\":\"invalid_token\",\"schemes\":\"bearer\","
                            "\"scope\":\"mail\"}",
                            out);
}

const lw_sasl_client_ops lw_oauthbearer_client = {
    .begin = bearer_begin, .initial = bearer_initial, .step = bearer_step
};
const lw_sasl_server_ops lw_oauthbearer_server = { .step = bearer_serve };
