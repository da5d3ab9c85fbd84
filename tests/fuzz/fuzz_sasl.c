/* SPDX-License-Identifier: MIT */
/*
 * Login exchanges with a peer that says anything, on either side.
 *
 * The first octet chooses mechanism and side; the rest, split at line feeds, is what the peer
 * says.  Nobody is logged in by a server that was not proved (SCRAM), and no client gets in
 * without the secret, which the input cannot hold.
 */
#include "sasl/sasl.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const mechanisms[] = {
    "PLAIN", "LOGIN", "EXTERNAL", "XOAUTH2", "OAUTHBEARER", "CRAM-MD5", "SCRAM-SHA-1",
    "SCRAM-SHA-256",
};

/* longer than an input of the fuzzer can guess */
static const char secret[] = "kQ7-0fVz2!pLw9#Tr5^bXn8@cHs4&yGd1*";

static void
must(bool holds)
{
    if (!holds)
        abort();
}

static bool
is_answer(lw_span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!lw_is_alnum(s.ptr[i]) && memchr("+/=", s.ptr[i], 3) == NULL)
            return false;
    return s.len <= 12288;
}

static void
be_client(const char *mechanism, lw_credentials *who, lw_span input)
{
    lw_sasl *s;
    lw_span line, response = LW_NO_SPAN;
    lw_error err;
    lw_code rc;

    if (lw_sasl_new(NULL, mechanism, who, &s, &err) != LW_OK)
        return;
    rc = lw_sasl_initial(s, &response, &err);
    while (rc == LW_OK && lw_span_token(&input, '\n', &line)) {
        must(is_answer(response));
        rc = lw_sasl_step(s, line, &response, &err);
        must(rc == LW_OK || rc == LW_EAUTH || rc == LW_ENOMEM || rc == LW_ELIMIT);
    }
    if (strncmp(mechanism, "SCRAM", 5) == 0)
        must(lw_sasl_accepted(s, &err) != LW_OK);
    must(!lw_span_has_ctl(lw_span_str(lw_sasl_server_text(s))));
    lw_sasl_free(s);
}

static void
be_server(const char *mechanism, lw_credentials *who, lw_span input)
{
    lw_sasl_server *s;
    lw_span line = LW_NO_SPAN, challenge;
    lw_code rc = LW_AGAIN;

    if (lw_sasl_server_new(NULL, mechanism, who, &s) != LW_OK)
        return;
    for (int n = 0; rc == LW_AGAIN && n < 20; n++) {
        bool has_data = lw_span_token(&input, '\n', &line);
        if (!has_data && n > 0)
            break;
        rc = lw_sasl_server_step(s, has_data, line, &challenge);
        must(rc == LW_AGAIN || rc == LW_EAUTH || rc == LW_DONE || rc == LW_ENOMEM ||
             rc == LW_ELIMIT);
        must(rc != LW_AGAIN || is_answer(challenge));
    }
    /* the certificate, not the input, is what EXTERNAL asks for */
    must(rc != LW_DONE || strcmp(mechanism, "EXTERNAL") == 0);
    (void)lw_sasl_server_user(s);
    lw_sasl_server_free(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned first = size > 0 ? data[0] : 0;
    const char *mechanism = mechanisms[first % LW_COUNT(mechanisms)];
    lw_credentials who = { .user = "ann", .password = secret, .host = "mail.example.com",
                           .port = 587, .has_tls = true, .has_client_cert = true,
                           .is_token = strstr(mechanism, "OAUTH") != NULL };
    lw_span input = { (const char *)data + 1, size > 0 ? size - 1 : 0 };

    if (size == 0)
        return 0;
    if ((first & 0x80) != 0)
        be_server(mechanism, &who, input);
    else
        be_client(mechanism, &who, input);
    return 0;
}
