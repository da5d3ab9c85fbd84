/* SPDX-License-Identifier: MIT */
/* each mechanism's two halves against each other, with right and wrong secrets */
#include "exchange.h"

static const unsigned char exporter[32] = { 1, 2, 3, 0, 5 }, other_exporter[32] = { 9 };
static const unsigned char unique[12] = { 7, 0, 7 };

static const char *const all[] = {
    "EXTERNAL", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1",
    "CRAM-MD5", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN",
};

static bool
is_plus(const char *name)
{
    return strstr(name, "-PLUS") != NULL;
}

static bool
is_here(const char *name)
{
    return strncmp(name, "SCRAM", 5) == 0 || strncmp(name, "CRAM", 4) == 0
               ? strstr(lw_sasl_server_available(false), "CRAM-MD5") != NULL
               : true;
}

static lw_credentials
ann(const char *mechanism)
{
    return (lw_credentials){ .user = "ann@example.com",
                             .password = "s=cr,t\xc3\xa9",
                             .host = "smtp.example.com",
                             .port = 587,
                             .has_client_cert = true,
                             .tls_exporter = is_plus(mechanism) ? exporter : NULL };
}

static void
test_exchange__right_secret_logs_in(void **state)
{
    (void)state;
    for (size_t i = 0; i < LW_COUNT(all); i++)
        for (int two = 0; two < 2; two++) {
            lw_credentials who = ann(all[i]);
            lw_exchange x;
            if (!is_here(all[i]))
                continue;
            x = exchange_run(NULL, all[i], &who, &who, two);
            if (x.server != LW_DONE || x.verdict != LW_OK)
                fail_msg("case %s (%d): server %s, client %s: %s", all[i], two,
                         lw_code_name(x.server), lw_code_name(x.verdict), x.err.text);
            assert_string_equal(x.user, "ann@example.com");
        }
}

static void
test_exchange__wrong_secret_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < LW_COUNT(all); i++)
        for (int two = 0; two < 2; two++) {
            lw_credentials who = ann(all[i]), server = ann(all[i]);
            lw_exchange x;
            if (!is_here(all[i]))
                continue;
            server.password = "other";
            server.has_client_cert = false;
            x = exchange_run(NULL, all[i], &who, &server, two);
            if (x.server != LW_EAUTH)
                fail_msg("case %s (%d): server %s", all[i], two, lw_code_name(x.server));
            assert_string_equal(x.user, "");
        }
}

static void
test_exchange__wrong_user_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < LW_COUNT(all); i++) {
        lw_credentials who = ann(all[i]), server = ann(all[i]);
        lw_exchange x;
        if (!is_here(all[i]))
            continue;
        server.user = "ann@example.co";
        who.authzid = i == 0 ? "ann@example.com" : NULL;
        x = exchange_run(NULL, all[i], &who, &server, false);
        if (x.server != LW_EAUTH)
            fail_msg("case %s: server %s", all[i], lw_code_name(x.server));
    }
}

static void
test_exchange__foreign_authzid_is_refused(void **state)
{
    static const char *const with_authzid[] = { "EXTERNAL",      "PLAIN",       "OAUTHBEARER",
                                                "SCRAM-SHA-256", "SCRAM-SHA-1" };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(with_authzid); i++) {
        lw_credentials who = ann(with_authzid[i]);
        lw_exchange x;
        if (!is_here(with_authzid[i]))
            continue;
        who.authzid = "bob@example.com";
        x = exchange_run(NULL, with_authzid[i], &who, &who, false);
        if (x.server != LW_EAUTH)
            fail_msg("case %s: server %s", with_authzid[i], lw_code_name(x.server));
        who.authzid = "ann@example.com";
        x = exchange_run(NULL, with_authzid[i], &who, &who, false);
        if (x.server != LW_DONE || x.verdict != LW_OK)
            fail_msg("case %s, own authzid: server %s", with_authzid[i], lw_code_name(x.server));
    }
}

static void
test_exchange__oauth_error_is_shown(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        lw_credentials who = ann("XOAUTH2"), server = who;
        lw_exchange x;
        server.password = "other";
        x = exchange_run(NULL, i ? "XOAUTH2" : "OAUTHBEARER", &who, &server, false);
        assert_int_equal(x.server, LW_EAUTH);
        assert_int_equal(x.n_challenges, 1);
        assert_non_null(strstr(x.server_text, "\"schemes\":\"bearer\""));
    }
}

static lw_code
scram(const char *mechanism, const lw_credentials *client, const lw_credentials *server)
{
    lw_exchange x = exchange_run(NULL, mechanism, client, server, false);

    return x.server == LW_DONE ? x.verdict : x.server;
}

static void
test_binding__must_be_the_same_at_both_ends(void **state)
{
    lw_credentials c = ann("PLAIN"), s = ann("PLAIN");

    (void)state;
    if (!is_here("SCRAM-SHA-256"))
        skip();
    c.tls_exporter = exporter;
    s.tls_exporter = other_exporter;
    assert_int_equal(scram("SCRAM-SHA-256-PLUS", &c, &s), LW_EAUTH);
    c.tls_exporter = s.tls_exporter = NULL;
    c.tls_unique = s.tls_unique = unique;
    c.tls_unique_len = s.tls_unique_len = sizeof unique;
    assert_int_equal(scram("SCRAM-SHA-256-PLUS", &c, &s), LW_OK);
    assert_int_equal(scram("SCRAM-SHA-1-PLUS", &c, &s), LW_OK);
    s.tls_unique_len = 11;
    assert_int_equal(scram("SCRAM-SHA-1-PLUS", &c, &s), LW_EAUTH);
}

/* The trap of libgsasl: binding data given with a plain name must not break the login. */
static void
test_binding__plain_name_on_a_channel_with_binding_logs_in(void **state)
{
    lw_credentials c = ann("PLAIN"), s = ann("PLAIN");

    (void)state;
    if (!is_here("SCRAM-SHA-256"))
        skip();
    c.tls_exporter = s.tls_exporter = exporter;
    assert_int_equal(scram("SCRAM-SHA-256", &c, &s), LW_OK);
    s.tls_exporter = NULL;
    assert_int_equal(scram("SCRAM-SHA-256", &c, &s), LW_OK);
}

/* A forger removed -PLUS from the list: the client says "y", the server knows better. */
static void
test_binding__stripped_offer_is_found_by_the_server(void **state)
{
    /* y,,n=ann@example.com,r=fyko+d2lbbFgONRv9qkxdawL */
    lw_span first = LW_LIT("eSwsbj1hbm5AZXhhbXBsZS5jb20scj1meWtvK2QybGJiRmdPTlJ2OXFreGRhd0w=");

    (void)state;
    if (!is_here("SCRAM-SHA-256"))
        skip();
    for (int has_binding = 0; has_binding < 2; has_binding++) {
        lw_credentials who = ann("PLAIN");
        lw_sasl_server *s;
        lw_span challenge;
        who.tls_exporter = has_binding ? exporter : NULL;
        assert_int_equal(lw_sasl_server_new(NULL, "SCRAM-SHA-256", &who, &s), LW_OK);
        assert_int_equal(lw_sasl_server_step(s, true, first, &challenge),
                         has_binding ? LW_EAUTH : LW_AGAIN);
        lw_sasl_server_free(s);
    }
}

static void
test_binding__missing_is_a_usage_error(void **state)
{
    lw_credentials who = ann("PLAIN");
    lw_sasl *c;
    lw_sasl_server *s;
    lw_error err;

    (void)state;
    if (!is_here("SCRAM-SHA-256"))
        skip();
    assert_int_equal(lw_sasl_new(NULL, "SCRAM-SHA-256-PLUS", &who, &c, &err), LW_EUSAGE);
    assert_null(c);
    assert_non_null(strstr(err.text, "channel binding"));
    assert_int_equal(lw_sasl_server_new(NULL, "SCRAM-SHA-1-PLUS", &who, &s), LW_EUSAGE);
    assert_null(s);
}

static void
test_new__credentials_that_do_not_fit(void **state)
{
    static const struct {
        const char *name, *mechanism, *user, *password, *says;
        lw_code code;
    } cases[] = {
        { "no user", "PLAIN", NULL, "p", "user name", LW_EUSAGE },
        { "empty user", "LOGIN", "", "p", "user name", LW_EUSAGE },
        { "no password", "PLAIN", "u", NULL, "password", LW_EUSAGE },
        { "no password for cram", "CRAM-MD5", "u", NULL, "password", LW_EUSAGE },
        { "no token", "XOAUTH2", "u", NULL, "token", LW_EUSAGE },
        { "token with separator", "XOAUTH2", "u", "a\001b", "control", LW_EUSAGE },
        { "token with line end", "OAUTHBEARER", "u", "a\n", "control", LW_EUSAGE },
        { "user with separator", "XOAUTH2", "u\001", "a", "control", LW_EUSAGE },
        { "no certificate", "EXTERNAL", NULL, NULL, "certificate", LW_EUSAGE },
        { "unknown", "DIGEST-MD5", "u", "p", "not known", LW_ECAPABILITY },
        { "no name", "", "u", "p", "not known", LW_ECAPABILITY },
    };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(cases); i++) {
        lw_credentials who = { .user = cases[i].user, .password = cases[i].password };
        lw_sasl *s = (lw_sasl *)1;
        lw_error err;
        lw_code rc;
        if (!is_here(cases[i].mechanism))
            continue;
        rc = lw_sasl_new(NULL, cases[i].mechanism, &who, &s, &err);
        if (rc != cases[i].code || s != NULL || strstr(err.text, cases[i].says) == NULL)
            fail_msg("case %s: %s, \"%s\"", cases[i].name, lw_code_name(rc), err.text);
        assert_int_equal(err.stage, LW_STAGE_AUTH);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchange__right_secret_logs_in),
        cmocka_unit_test(test_exchange__wrong_secret_is_refused),
        cmocka_unit_test(test_exchange__wrong_user_is_refused),
        cmocka_unit_test(test_exchange__foreign_authzid_is_refused),
        cmocka_unit_test(test_exchange__oauth_error_is_shown),
        cmocka_unit_test(test_binding__must_be_the_same_at_both_ends),
        cmocka_unit_test(test_binding__plain_name_on_a_channel_with_binding_logs_in),
        cmocka_unit_test(test_binding__stripped_offer_is_found_by_the_server),
        cmocka_unit_test(test_binding__missing_is_a_usage_error),
        cmocka_unit_test(test_new__credentials_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
