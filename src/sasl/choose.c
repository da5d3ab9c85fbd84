/* SPDX-License-Identifier: MIT */
/*
 * sasl/choose.c - which mechanism: the best that both sides have and the credentials fit
 *
 * A mechanism of libgsasl is passed over when the library cannot be loaded, unless nothing
 * else is left: then it is chosen all the same, so that lw_sasl_new() can say what is missing.
 */
#include "sasl/sasl_int.h"

/* the credentials hold what the mechanism sends or proves */
static bool
suits(const lw_sasl_mechanism *m, const lw_credentials *who, bool is_named)
{
    bool has_user = who->user != NULL && who->user[0] != '\0';

    switch (m->kind) {
    case LW_SASL_CERTIFICATE:
        return who->has_client_cert && (is_named || who->password == NULL);
    case LW_SASL_PROOF:
        if (m->needs_binding && !lw_sasl_has_binding(who))
            return false;
        return has_user && who->password != NULL && !who->is_token;
    case LW_SASL_TOKEN:
        return has_user && who->password != NULL && (is_named || who->is_token);
    case LW_SASL_PASSWORD:
        return has_user && who->password != NULL && !who->is_token;
    }
    return false;
}

const char *
lw_sasl_choose(lw_span offered, const char *allowed, lw_span tried, const lw_credentials *who,
               bool may_show_secret)
{
    const char *without_library = NULL;

    for (size_t i = 0; i < lw_sasl_n_mechanisms; i++) {
        const lw_sasl_mechanism *m = &lw_sasl_mechanisms[i];
        lw_span name = lw_span_str(m->name);
        bool is_named = allowed != NULL && lw_sasl_lists(lw_span_str(allowed), ',', name);

        if (!lw_sasl_lists(offered, ' ', name) || lw_sasl_lists(tried, ' ', name))
            continue;
        if ((allowed != NULL && !is_named) || !suits(m, who, is_named))
            continue;
        if (!may_show_secret && lw_sasl_shows_secret(m->name))
            continue;
        if (!m->needs_gsasl || lw_gsasl_available())
            return m->name;
        if (without_library == NULL)
            without_library = m->name;
    }
    return without_library;
}

bool
lw_sasl_retry_helps(const char *failed, const char *next)
{
    const lw_sasl_mechanism *a = lw_sasl_find(lw_span_str(failed));
    const lw_sasl_mechanism *b = lw_sasl_find(lw_span_str(next));

    if (a == NULL || b == NULL)
        return false;
    /* A server that keeps only hashes fails every proof, though it offers it: the password
     * itself may pass.  The same secret in the same kind of exchange is only a second wrong
     * attempt towards a locked account. */
    return a->kind != b->kind;
}
