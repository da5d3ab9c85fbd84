/* SPDX-License-Identifier: MIT */
/* tests/dkim/test_key.c - keys: what is taken, generated, written */
#include "dkim/support.h"

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
    lw_dkim_opts o = test_opts(key, 0);
    char *text;
    lw_error e;

    assert_false(lw_dkim_key_can_sign(key));
    assert_int_equal(lw_dkim_key_record(key, &text), LW_OK);
    assert_string_equal(text, rfc8463_ed_record);
    lw_free(text);
    assert_int_equal(lw_dkim_key_pem(key, &text), LW_EUSAGE);
    assert_int_equal(lw_dkim_signer_add(s, &o, &e), LW_EUSAGE);
    lw_dkim_signer_free(s);
    lw_dkim_key_free(key);
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
test_generate__both_kinds(void **state)
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
        cmocka_unit_test(test_parse__cut_anywhere),
        cmocka_unit_test(test_generate__both_kinds),
        cmocka_unit_test(test_names__of_algorithms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
