/* SPDX-License-Identifier: MIT */
/*
 * tests/dkim/test_bad_input.c - each kind of bad input to DKIM: the code, the exact sentence
 *
 * Limits of a message stand in test_sign.c, key files in tests/cli/test_dkim.py, why a signature does
 * not pass in test_verify.c.
 */
#include "dkim/support.h"

#include <openssl/err.h>

static const char ec_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg2j9a656mUKeEFd5M\n"
    "9fJVMVtEeMDQ0VZ+KGsw6oVJg3+hRANCAAQqUQ0PS6Z+jWMnWaLoqiRppEy8N2zP\n"
    "5LkU4KCUo6Mxt2OiV887rgDOG4yyciPCG5Ahzcsho0daoiOMkRqLl0QV\n"
    "-----END PRIVATE KEY-----\n";
static const char encrypted_key[] =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAiN7GR0TU5SDwICCAAw\n"
    "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEJ2eKcqFQQatOCx9gEz0uIcEQOtf\n"
    "YOuJEUZ6rLqie3f0BGKEF+IMCaCMI0scgG7OPRIxWxJJaTgLOJtg5zo0iEk8j9pV\n"
    "x+VS0q1o3gb0MpARtSA=\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";

static const char rsa_512[] = "-----BEGIN PUBLIC KEY-----\n"
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBANzV/hU7mCXx+WK8emKbJiU98bIEZ01q\n"
    "BJgPokNkZDc53O8CVbahkPeqXBu69m4dFAyOvQUsC0ZXBWbCKzdNe4ECAwEAAQ==\n-----END PUBLIC KEY-----\n";
static const char public_key[] = "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";

static int n_bad;

static void
check(lw_code rc, const lw_error *e, lw_code code, const char *want)
{
    if (rc == code && e->code == code && strcmp(e->text, want) == 0)
        return;
    print_error("%d, %d\n  got  %s\n  want %s\n", (int)rc, (int)e->code, e->text, want);
    n_bad++;
}

/* ---- keys ------------------------------------------------------------------------ */

static void
test_keys__bad_ones_said(void **state)
{
    static char big[(1 << 20) + 1];
    static const struct {
        const char *pem, *want;
    } rows[] = {
        { "", "dkim: there is no PEM key (-----BEGIN PRIVATE KEY-----)" },
        { "hello\n", "dkim: there is no PEM key (-----BEGIN PRIVATE KEY-----)" },
        { "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
          "dkim: the PEM text holds no key, or a damaged one" },
        { "-----BEGIN PRIVATE KEY-----\nAAAA\n",
          "dkim: the PEM text holds no key, or a damaged one" },
        { ec_key, "dkim: the key is an EC key, DKIM takes RSA and Ed25519" },
        { encrypted_key,
          "dkim: the key is encrypted: decrypt it with openssl pkey -in FILE -out PLAIN" },
        { rsa_512,
          "dkim: the RSA key has 512 bits, use 2048 (1024 at least, 8192 at most)" },
    };
    lw_dkim_key *key;
    lw_error e;

    n_bad = 0;
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        key = NULL;
        check(lw_dkim_key_parse(NULL, lw_span_str(rows[i].pem), &key, &e), &e, LW_ECONFIG, rows[i].want);
        assert_null(key);
        assert_int_equal(ERR_peek_error(), 0);
    }
    check(lw_dkim_key_parse(NULL, (lw_span){ big, sizeof big }, &key, &e), &e, LW_ECONFIG,
          "dkim: more than 1 MiB is no key in PEM");
    check(lw_dkim_key_parse(NULL, (lw_span){ NULL, 1 }, &key, &e), &e, LW_EUSAGE, "dkim: a pointer is NULL");
    assert_int_equal(n_bad, 0);
}

static void
test_generate__bad_sizes_said(void **state)
{
    static const struct {
        lw_dkim_algorithm algorithm;
        unsigned bits;
        const char *want;
    } rows[] = {
        { LW_DKIM_RSA, 1023, "dkim: an RSA key has 1024 to 8192 bits: 2048 is a good size" },
        { LW_DKIM_RSA, 8193, "dkim: an RSA key has 1024 to 8192 bits: 2048 is a good size" },
        { LW_DKIM_ED25519, 256, "dkim: an Ed25519 key has one size only: name none" },
    };
    lw_dkim_key *key;
    lw_error e;

    n_bad = 0;
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        check(lw_dkim_key_generate(NULL, rows[i].algorithm, rows[i].bits, &key, &e), &e, LW_EUSAGE, rows[i].want);
        assert_null(key);
    }
    assert_int_equal(n_bad, 0);
}

/* ---- signatures ------------------------------------------------------------------ */

typedef enum key_kind { ED25519, PUBLIC, NONE } key_kind;

#define LONG_NAME "A2345678901234567890123456789012345678901234567890123456789012345678901234567"
#define NO_NAME "cannot be signed: it is no header name of at most 76 characters"

static void
test_options__bad_ones_said(void **state)
{
    static const struct {
        const char *domain, *selector, *identity, *header;
        key_kind key;
        const char *want;
    } rows[] = {
        { NULL, "s", NULL, NULL, ED25519, "dkim: \"\" is no domain such as example.com" },
        { "localhost", "s", NULL, NULL, ED25519, "dkim: \"localhost\" is no domain such as example.com" },
        { "a..b", "s", NULL, NULL, ED25519, "dkim: \"a..b\" is no domain such as example.com" },
        { "ex;ample.com", "s", NULL, NULL, ED25519, "dkim: \"ex;ample.com\" is no domain such as example.com" },
        { "exa\r\nmple.com", "s", NULL, NULL, ED25519, "dkim: \"exa? mple.com\" is no domain such as example.com" },
        { "b\xc3\xbc""cher.de", "s", NULL, NULL, ED25519,
          "dkim: \"b\xc3\xbc""cher.de\" is no domain such as example.com: write it as A-labels (xn--...)" },
        { "a.de", NULL, NULL, NULL, ED25519, "dkim: \"\" is no selector: letters, digits, -, _ and dots" },
        { "a.de", "s;x", NULL, NULL, ED25519, "dkim: \"s;x\" is no selector: letters, digits, -, _ and dots" },
        { "a.de", "s", "ann", NULL, ED25519, "dkim: identity \"ann\" is neither @domain nor an address" },
        { "a.de", "s", "a\nb@a.de", NULL, ED25519, "dkim: identity \"a b@a.de\" is neither @domain nor an address" },
        { "a.de", "s", "ann@b.de", NULL, ED25519, "dkim: identity \"ann@b.de\" is not in the domain \"a.de\"" },
        { "a.de", "s", "ann@ba.de", NULL, ED25519, "dkim: identity \"ann@ba.de\" is not in the domain \"a.de\"" },
        { "a.de", "s", NULL, NULL, NONE, "dkim: no key was given to sign for a.de" },
        { "a.de", "s", NULL, NULL, PUBLIC,
          "dkim: the key of a.de cannot sign: it is a public one, the private one is needed" },
        { "a.de", "s", NULL, "a b", ED25519, "dkim: \"a b\" " NO_NAME },
        { "a.de", "s", "@a.de", "X\r\nBcc", ED25519, "dkim: \"X? Bcc\" " NO_NAME },
        { "a.de", "s", NULL, "", ED25519, "dkim: \"\" " NO_NAME },
        { "a.de", "s", NULL, LONG_NAME, ED25519, "dkim: \"" LONG_NAME "\" " NO_NAME },
        { "a.de", "s", NULL, "dkim-signature", ED25519, "dkim: DKIM-Signature cannot be signed: it is what is made" },
    };
    lw_dkim_key *keys[] = { test_key(rfc8463_ed_key), test_key(public_key), NULL };
    lw_dkim_signer *s = lw_dkim_signer_new(NULL);
    lw_dkim_opts o;
    lw_error e;

    n_bad = 0;
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_dkim_opts_init(&o);
        o.domain = rows[i].domain;
        o.selector = rows[i].selector;
        o.identity = rows[i].identity;
        o.key = keys[rows[i].key];
        o.headers = &rows[i].header;
        o.n_headers = rows[i].header != NULL;
        check(lw_dkim_signer_add(s, &o, &e), &e, LW_EUSAGE, rows[i].want);
    }
    o = (lw_dkim_opts){ .size = 0 };
    check(lw_dkim_signer_add(s, &o, &e), &e, LW_EUSAGE,
          "dkim: no signer, or options that lw_dkim_opts_init() did not set");
    lw_dkim_signer_free(s);
    for (size_t i = 0; i < LW_COUNT(keys); i++)
        lw_dkim_key_free(keys[i]);
    assert_int_equal(n_bad, 0);
}

static void
test_signer__wrong_order_and_times_said(void **state)
{
    static const char no_message[] = "dkim: no message was begun, or it has failed: begin one first";
    lw_dkim_key *key = test_key(rfc8463_ed_key);
    lw_dkim_signer *s = lw_dkim_signer_new(NULL);
    lw_dkim_signed *b;
    lw_body once = { .next = NULL };
    test_memory m;
    lw_dkim_opts o[LW_DKIM_SIGNATURES_MAX];
    lw_span fields;
    lw_error e;

    n_bad = 0;
    check(lw_dkim_sign_begin(s, 1, &e), &e, LW_EUSAGE, "dkim: the signer has no key yet: add one first");
    lw_dkim_signer_free(s);
    for (size_t i = 0; i < LW_COUNT(o); i++)
        o[i] = test_opts(key, 0);
    s = test_signer(o, LW_COUNT(o));
    check(lw_dkim_signer_add(s, &o[0], &e), &e, LW_ELIMIT, "dkim: at most 16 signatures for a message");
    check(lw_dkim_sign_begin(s, -1, &e), &e, LW_EUSAGE,
          "dkim: the time -1 is not within 0 to 999999999999 seconds since 1970");
    check(lw_dkim_sign_begin(s, INT64_C(1000000000000), &e), &e, LW_EUSAGE,
          "dkim: the time 1000000000000 is not within 0 to 999999999999 seconds since 1970");
    check(lw_dkim_sign_feed(s, LW_LIT("x"), &e), &e, LW_EUSAGE, no_message);
    check(lw_dkim_sign_finish(s, &fields, &e), &e, LW_EUSAGE, no_message);
    assert_int_equal(lw_dkim_sign_begin(s, INT64_C(999999999999), &e), LW_OK);
    check(lw_dkim_sign_feed(s, (lw_span){ NULL, 1 }, &e), &e, LW_EUSAGE, "dkim: a pointer is NULL");
    once = test_body(&m, LW_LIT("From: a@b.de\r\n\r\nx\r\n"), 0, 0);
    once.rewind = NULL;
    check(lw_dkim_sign_body(s, &once, 1, &b, &e), &e, LW_EUSAGE,
          "dkim: the message cannot be read twice, as signing needs");
    lw_dkim_signer_free(s);
    lw_dkim_key_free(key);
    assert_int_equal(n_bad, 0);
}

/* ---- messages -------------------------------------------------------------------- */

#define NO_FROM "dkim: the message has no From, which every signature must cover"
#define BODY_LF "dkim: the body has a bare LF: bring line ends to CRLF before signing"
#define BODY_CR "dkim: the body has a bare CR: bring line ends to CRLF before signing"

/* whole and cut at random: the same sentence */
static void
test_messages__bad_ones_said(void **state)
{
    static const struct {
        const char *message, *want;
    } rows[] = {
        { "To: b@c.de\r\n\r\nx\r\n", NO_FROM },
        { "", NO_FROM },
        { "From: a@b.de\nTo: x\n\nx\n", "dkim: the header has a bare LF at octet 12: bring line ends to CRLF first" },
        { "From: a@b.de\rTo: x\r\n\r\n", "dkim: the header has a bare CR at octet 12: bring line ends to CRLF first" },
        { "From: a@b.de\r", "dkim: the message ends in the middle of a line end" },
        { "From: a@b.de\r\n\r\nx\ny\r\n", BODY_LF },
        { "From: a@b.de\r\n\r\n\nx", BODY_LF },
        { "From: a@b.de\r\n\r\nx\ry\r\n", BODY_CR },
        { "From: a@b.de\r\n\r\nx\r\r\n", BODY_CR },
        { "From: a@b.de\r\n\r\nx\r", BODY_CR },
        { "From: a@b.de\r\nnonsense\r\n\r\nx", "dkim: field 2 of the header is no header field: \"nonsense\"" },
        { " folded: x\r\nFrom: a@b.de\r\n\r\nx", "dkim: field 1 of the header is no header field: \" folded: x\"" },
    };
    lw_dkim_key *key = test_key(rfc8463_ed_key);
    lw_dkim_opts o = test_opts(key, 0);
    lw_dkim_signer *s = test_signer(&o, 1);
    lw_dkim_signed *b;
    test_memory m;
    lw_error e;

    n_bad = 0;
    for (size_t i = 0; i < LW_COUNT(rows); i++)
        for (uint64_t seed = 0; seed < 20; seed++) {
            lw_body in = test_body(&m, lw_span_str(rows[i].message), seed == 0 ? 0 : 3, seed);

            check(lw_dkim_sign_body(s, &in, 1, &b, &e), &e, LW_EMESSAGE, rows[i].want);
            assert_null(b);
        }
    lw_dkim_signer_free(s);
    lw_dkim_key_free(key);
    assert_int_equal(n_bad, 0);
}

static lw_code
fails(void *ctx, lw_span *span)
{
    return LW_ESOURCE;
}

static lw_code
cannot_rewind(void *ctx)
{
    return LW_ESOURCE;
}

static void
test_messages__sources_that_fail_said(void **state)
{
    lw_dkim_key *key = test_key(rfc8463_ed_key);
    lw_dkim_opts o = test_opts(key, 0);
    lw_dkim_signer *s = test_signer(&o, 1);
    lw_dkim_signed *b;
    test_memory m;
    lw_error e;
    lw_body in = test_body(&m, LW_LIT("From: a@b.de\r\n\r\nx\r\n"), 0, 0);

    n_bad = 0;
    in.rewind = cannot_rewind;
    check(lw_dkim_sign_body(s, &in, 1, &b, &e), &e, LW_ESOURCE,
          "dkim: the message could not be read again: a part of the message could not be read");
    in.next = fails;
    check(lw_dkim_sign_body(s, &in, 1, &b, &e), &e, LW_ESOURCE,
          "dkim: the message could not be read: a part of the message could not be read");
    lw_dkim_signer_free(s);
    lw_dkim_key_free(key);
    assert_int_equal(n_bad, 0);
}

static void
test_verifier__bad_messages_said(void **state)
{
    lw_dkim_verifier *v = lw_dkim_verifier_new(NULL);
    lw_error e;

    n_bad = 0;
    check(lw_dkim_verifier_feed(v, LW_LIT("From: a@b.de\n"), &e), &e, LW_EMESSAGE,
          "dkim: the header has a bare LF at octet 12: bring line ends to CRLF first");
    check(lw_dkim_verifier_feed(v, LW_LIT("x"), &e), &e, LW_EUSAGE,
          "dkim: the message has ended already: begin the next by a reset");
    lw_dkim_verifier_reset(v);
    assert_int_equal(lw_dkim_verifier_feed(v, LW_LIT("From: a@b.de\r"), &e), LW_OK);
    check(lw_dkim_verifier_end(v, &e), &e, LW_EMESSAGE, "dkim: the message ends in the middle of a line end");
    check(lw_dkim_verifier_end(v, &e), &e, LW_EUSAGE,
          "dkim: the message has ended already: begin the next by a reset");
    lw_dkim_verifier_free(v);
    assert_int_equal(n_bad, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys__bad_ones_said),
        cmocka_unit_test(test_generate__bad_sizes_said),
        cmocka_unit_test(test_options__bad_ones_said),
        cmocka_unit_test(test_signer__wrong_order_and_times_said),
        cmocka_unit_test(test_messages__bad_ones_said),
        cmocka_unit_test(test_messages__sources_that_fail_said),
        cmocka_unit_test(test_verifier__bad_messages_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
