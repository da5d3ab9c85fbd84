/* SPDX-License-Identifier: MIT */
/*
 * tests/sasl/exchange.h - the client's half against the server's half, as SMTP carries them
 */
#ifndef LW_TESTS_SASL_EXCHANGE_H
#define LW_TESTS_SASL_EXCHANGE_H

#include "support/test.h"

#include "sasl/sasl.h"

/** How an exchange ended. */
typedef struct lw_exchange {
    lw_code client_new, server_new;
    lw_code client;  /* of the last step                        */
    lw_code server;  /* LW_DONE, LW_EAUTH, ...                  */
    lw_code verdict; /* lw_sasl_accepted, if the server said so */
    unsigned n_challenges;
    char user[64], server_text[200];
    lw_error err;
} lw_exchange;

/** exchange_run - one whole login; is_two_step: AUTH without its initial response first */
static inline lw_exchange
exchange_run(const lw_alloc *alloc, const char *mechanism, const lw_credentials *client,
             const lw_credentials *server, bool is_two_step)
{
    lw_exchange x = { .verdict = LW_EBUG, .client = LW_EBUG, .server = LW_EBUG };
    lw_sasl *c = NULL;
    lw_sasl_server *s = NULL;
    lw_span response = LW_NO_SPAN, initial, challenge;
    char *copy;

    if ((x.client_new = lw_sasl_new(alloc, mechanism, client, &c, &x.err)) != LW_OK)
        return x;
    if ((x.server_new = lw_sasl_server_new(alloc, mechanism, server, &s)) != LW_OK)
        goto out;
    if ((x.client = lw_sasl_initial(c, &initial, &x.err)) != LW_OK)
        goto out;
    response = is_two_step ? LW_NO_SPAN : initial;
    x.server = lw_sasl_server_step(s, response.ptr != NULL, response, &challenge);
    if (is_two_step && initial.ptr != NULL && x.server == LW_AGAIN) {
        assert_int_equal(challenge.len, 0);
        x.server = lw_sasl_server_step(s, true, initial, &challenge);
    }
    while (x.server == LW_AGAIN && x.n_challenges++ < 10) {
        if ((x.client = lw_sasl_step(c, challenge, &response, &x.err)) != LW_OK)
            goto out;
        /* as a wire would: the answer leaves its owner */
        copy = malloc(response.len + 1);
        assert_non_null(copy);
        memcpy(copy, response.ptr, response.len);
        x.server = lw_sasl_server_step(s, true, (lw_span){ copy, response.len }, &challenge);
        free(copy);
    }
    if (x.server == LW_DONE)
        x.verdict = lw_sasl_accepted(c, &x.err);
    snprintf(x.user, sizeof x.user, "%s", lw_sasl_server_user(s));
    snprintf(x.server_text, sizeof x.server_text, "%s", lw_sasl_server_text(c));
out:
    lw_sasl_free(c);
    lw_sasl_server_free(s);
    return x;
}

#endif
