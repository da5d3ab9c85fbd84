/* SPDX-License-Identifier: MIT */
/* tests/dkim/test_key.c - keys: what is taken, refused, generated, written */
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

/* a key survives being written and parsed, and signs for its record */
static void
check_round_trip(lw_dkim_key *key)
{
    unsigned char digest[LW_DKIM_DIGEST] = "any thirty-two octets", sig[2][LW_DKIM_SIG_MAX];
    size_t len[2];
    char *pem, *record[2];
    lw_dkim_keyrecord k;
    lw_error e;

    assert_int_equal(lw_dkim_key_pem(key, &pem), LW_OK);
    lw_dkim_key *again = test_key(pem);
    assert_true(lw_dkim_key_can_sign(again));
    assert_int_equal(lw_dkim_key_algorithm(again), lw_dkim_key_algorithm(key));
    assert_int_equal(lw_dkim_key_bits(again), lw_dkim_key_bits(key));
    assert_int_equal(lw_dkim_key_record(key, &record[0]), LW_OK);
    assert_int_equal(lw_dkim_key_record(again, &record[1]), LW_OK);
    assert_string_equal(record[0], record[1]);
    for (int i = 0; i < 2; i++) /* twice: a context is used again */
        assert_int_equal(lw_dkim_key_sign(again, digest, sig[i], &len[i], &e), LW_OK);
    assert_int_equal(len[0], len[1]);
    assert_memory_equal(sig[0], sig[1], len[0]);
    assert_null(lw_dkim_record_parse(&k, lw_dkim_key_algorithm(key), lw_span_str(record[0])));
    assert_int_equal(lw_dkim_verify_digest(k.key, lw_dkim_key_algorithm(key), digest, sig[0], len[0]), 1);
    sig[0][5] ^= 1;
    assert_int_equal(lw_dkim_verify_digest(k.key, lw_dkim_key_algorithm(key), digest, sig[0], len[0]), 0);
    lw_dkim_record_deinit(&k);
    lw_dkim_key_free(again);
    lw_free(pem);
    lw_free(record[0]);
    lw_free(record[1]);
}

static void
test_parse__pkcs1_pkcs8_and_what_stands_before(void **state)
{
    lw_buf b;
    lw_dkim_key *key = test_key(rfc6376_key);
    char *record;

    assert_int_equal(lw_dkim_key_algorithm(key), LW_DKIM_RSA);
    assert_int_equal(lw_dkim_key_bits(key), 1024);
    assert_string_equal(lw_dkim_key_advice(key), "an RSA key of less than 2048 bits is weak: RFC 8301 asks for 2048");
    check_round_trip(key);
    lw_dkim_key_free(key);

    lw_buf_init(&b, NULL, 4096);
    lw_buf_add_str(&b, "# the key of football.example.com\r\n");
    lw_buf_add_str(&b, rfc8463_ed_key);
    key = test_key(lw_buf_cstr(&b));
    assert_int_equal(lw_dkim_key_algorithm(key), LW_DKIM_ED25519);
    assert_string_equal(lw_dkim_key_advice(key), "");
    assert_int_equal(lw_dkim_key_record(key, &record), LW_OK);
    assert_string_equal(record, rfc8463_ed_record);
    check_round_trip(key);
    lw_free(record);
    lw_dkim_key_free(key);
    lw_buf_deinit(&b);

    key = test_key(rfc8463_rsa_key);
    assert_int_equal(lw_dkim_key_record(key, &record), LW_OK);
    assert_string_equal(record, rfc8463_rsa_record);
    lw_free(record);
    lw_dkim_key_free(key);
}

static void
test_parse__public_key_has_a_record_and_signs_nothing(void **state)
{
    static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
        "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    lw_dkim_key *key = test_key(pem);
    lw_dkim_signer *s = lw_dkim_signer_new(NULL);
    lw_dkim_opts o;
    char *text;
    lw_error e;

    assert_false(lw_dkim_key_can_sign(key));
    assert_int_equal(lw_dkim_key_record(key, &text), LW_OK);
    assert_string_equal(text, rfc8463_ed_record);
    lw_free(text);
    assert_int_equal(lw_dkim_key_pem(key, &text), LW_EUSAGE);
    lw_dkim_opts_init(&o);
    o.domain = "example.com";
    o.selector = "s";
    o.key = key;
    assert_int_equal(lw_dkim_signer_add(s, &o, &e), LW_EUSAGE);
    assert_string_equal(e.text, "dkim: the key of example.com cannot sign: it is a public one");
    lw_dkim_signer_free(s);
    lw_dkim_key_free(key);
}

static void
test_parse__what_is_no_key_is_told(void **state)
{
    static const char rsa_512[] = "-----BEGIN PUBLIC KEY-----\n"
        "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBANzV/hU7mCXx+WK8emKbJiU98bIEZ01q\n"
        "BJgPokNkZDc53O8CVbahkPeqXBu69m4dFAyOvQUsC0ZXBWbCKzdNe4ECAwEAAQ==\n-----END PUBLIC KEY-----\n";
    static const struct {
        const char *name, *pem, *text;
    } rows[] = {
        { "empty", "", "dkim: there is no PEM key (-----BEGIN PRIVATE KEY-----)" },
        { "text", "hello\n", "dkim: there is no PEM key (-----BEGIN PRIVATE KEY-----)" },
        { "damaged", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
          "dkim: the PEM text holds no key, or a damaged one" },
        { "cut off", "-----BEGIN PRIVATE KEY-----\nAAAA\n", "dkim: the PEM text holds no key, or a damaged one" },
        { "EC", ec_key, "dkim: the key is an EC key, DKIM takes RSA and Ed25519" },
        { "encrypted", encrypted_key,
          "dkim: the key is encrypted: decrypt it with openssl pkey -in FILE -out PLAIN" },
        { "512 bits", rsa_512, "dkim: the RSA key has 512 bits, use 2048 (1024 at least, 8192 at most)" },
    };
    lw_dkim_key *key;
    lw_error e;

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        assert_int_equal(lw_dkim_key_parse(NULL, lw_span_str(rows[i].pem), &key, &e), LW_ECONFIG);
        assert_null(key);
        if (strcmp(e.text, rows[i].text) != 0)
            fail_msg("%s: %s", rows[i].name, e.text);
        assert_int_equal(ERR_peek_error(), 0);
    }
    static char big[(1 << 20) + 1];
    assert_int_equal(lw_dkim_key_parse(NULL, (lw_span){ big, sizeof big }, &key, &e), LW_ECONFIG);
    assert_string_equal(e.text, "dkim: more than 1 MiB is no key");
}

/* each beginning of a key is refused or is a key, and reads nothing behind its end */
static void
test_parse__cut_anywhere(void **state)
{
    size_t n = strlen(rfc8463_ed_key);

    for (size_t len = 0; len <= n; len++) {
        char *copy = lw_malloc(NULL, len);
        lw_dkim_key *key = NULL;
        lw_error e;

        memcpy(copy, rfc8463_ed_key, len);
        lw_code rc = lw_dkim_key_parse(NULL, (lw_span){ copy, len }, &key, &e);
        assert_true(rc == (len >= n - 1 ? LW_OK : LW_ECONFIG));
        lw_dkim_key_free(key);
        lw_free(copy);
    }
}

static void
test_generate__both_kinds_and_bounds(void **state)
{
    lw_dkim_key *key;
    lw_error e;

    assert_int_equal(lw_dkim_key_generate(NULL, LW_DKIM_ED25519, 0, &key, &e), LW_OK);
    assert_int_equal(lw_dkim_key_bits(key), 256);
    check_round_trip(key);
    lw_dkim_key_free(key);
    assert_int_equal(lw_dkim_key_generate(NULL, LW_DKIM_RSA, 0, &key, &e), LW_OK);
    assert_int_equal(lw_dkim_key_bits(key), 2048);
    assert_string_equal(lw_dkim_key_advice(key), "");
    check_round_trip(key);
    lw_dkim_key_free(key);
    assert_int_equal(lw_dkim_key_generate(NULL, LW_DKIM_RSA, 1024, &key, &e), LW_OK);
    lw_dkim_key_free(key);
    assert_int_equal(lw_dkim_key_generate(NULL, LW_DKIM_RSA, 1023, &key, &e), LW_EUSAGE);
    assert_null(key);
    assert_string_equal(e.text, "dkim: an RSA key has 1024 to 8192 bits");
    assert_int_equal(lw_dkim_key_generate(NULL, LW_DKIM_RSA, 8193, &key, &e), LW_EUSAGE);
    assert_int_equal(lw_dkim_key_generate(NULL, LW_DKIM_ED25519, 256, &key, &e), LW_EUSAGE);
    assert_string_equal(e.text, "dkim: an Ed25519 key has a fixed size");
}

static void
test_names__of_algorithms(void **state)
{
    assert_string_equal(lw_dkim_algorithm_name(LW_DKIM_RSA), "rsa-sha256");
    assert_string_equal(lw_dkim_algorithm_name(LW_DKIM_ED25519), "ed25519-sha256");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse__pkcs1_pkcs8_and_what_stands_before),
        cmocka_unit_test(test_parse__public_key_has_a_record_and_signs_nothing),
        cmocka_unit_test(test_parse__what_is_no_key_is_told),
        cmocka_unit_test(test_parse__cut_anywhere),
        cmocka_unit_test(test_generate__both_kinds_and_bounds),
        cmocka_unit_test(test_names__of_algorithms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
