/* SPDX-License-Identifier: MIT */
/* sasl/mechanisms.c - the table of mechanisms, the best first, and questions about names */
#include "sasl/sasl_int.h"

#define SCRAM(name, plus)                                                                \
    { name, LW_SASL_PROOF, plus, true, &lw_scram_client, &lw_scram_server }

const lw_sasl_mechanism lw_sasl_mechanisms[] = {
    { "EXTERNAL", LW_SASL_CERTIFICATE, false, false, &lw_external_client, &lw_external_server },
    SCRAM("SCRAM-SHA-256-PLUS", true),
    SCRAM("SCRAM-SHA-1-PLUS", true),
    SCRAM("SCRAM-SHA-256", false),
    SCRAM("SCRAM-SHA-1", false),
    { "CRAM-MD5", LW_SASL_PROOF, false, true, &lw_cram_client, &lw_cram_server },
    { "OAUTHBEARER", LW_SASL_TOKEN, false, false, &lw_oauthbearer_client, &lw_oauthbearer_server },
    { "XOAUTH2", LW_SASL_TOKEN, false, false, &lw_xoauth2_client, &lw_xoauth2_server },
    { "PLAIN", LW_SASL_PASSWORD, false, false, &lw_plain_client, &lw_plain_server },
    { "LOGIN", LW_SASL_PASSWORD, false, false, &lw_login_client, &lw_login_server },
};
const size_t lw_sasl_n_mechanisms = LW_COUNT(lw_sasl_mechanisms);

const lw_sasl_mechanism *
lw_sasl_find(lw_span name)
{
    for (size_t i = 0; i < lw_sasl_n_mechanisms; i++)
        if (lw_span_eq_nocase(name, lw_span_str(lw_sasl_mechanisms[i].name)))
            return &lw_sasl_mechanisms[i];
    return NULL;
}

bool
lw_sasl_has_binding(const lw_credentials *who)
{
    return who->tls_exporter != NULL || (who->tls_unique != NULL && who->tls_unique_len > 0);
}

bool
lw_sasl_lists(lw_span list, char sep, lw_span name)
{
    lw_span word;

    while (lw_span_token(&list, sep, &word))
        if (lw_span_eq_nocase(lw_span_trim(word), name))
            return true;
    return false;
}

bool
lw_sasl_shows_secret(const char *mechanism)
{
    const lw_sasl_mechanism *m = lw_sasl_find(lw_span_str(mechanism));

    /* what is not known may show anything */
    return m == NULL || m->kind == LW_SASL_PASSWORD || m->kind == LW_SASL_TOKEN;
}

const char *
lw_sasl_server_available(bool with_plus)
{
    if (!lw_gsasl_available())
        return "OAUTHBEARER XOAUTH2 PLAIN LOGIN";
    if (with_plus)
        return "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 "
               "OAUTHBEARER XOAUTH2 PLAIN LOGIN";
    return "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 OAUTHBEARER XOAUTH2 PLAIN LOGIN";
}
