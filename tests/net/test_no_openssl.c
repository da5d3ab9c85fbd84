/* SPDX-License-Identifier: MIT */
/*
 * test_no_openssl.c - a machine without OpenSSL: TLS and DKIM say so in one sentence
 *
 * dlopen() of this program finds nothing.
 */
#include "support/test.h"

#define LW_LATE_TABLE_ONLY /* two rooms at once */
#include "dkim/dkim_int.h"
#include "net/net_int.h"

#include <dlfcn.h>

static unsigned n_asked;

void *
dlopen(const char *name, int flags)
{
    (void)name, (void)flags;
    n_asked++;
    return NULL;
}

static void
check_error(const lw_error *err, const char *text)
{
    assert_int_equal(err->code, LW_ECONFIG);
    assert_non_null(strstr(err->text, text));
    assert_non_null(strstr(err->text, "is not installed"));
}

static void
test_tls__says_what_is_missing(void **state)
{
    lw_tls_client_opts client = { .ca_file = NULL };
    lw_tls_ctx *ctx;
    lw_error err;

    (void)state;
    assert_int_equal(lw_tls_client_new(NULL, &client, &ctx, &err), LW_ECONFIG);
    check_error(&err, "libssl.so");
    assert_int_equal(lw_tls_server_new(NULL, NULL, NULL, NULL, &ctx, &err), LW_ECONFIG);
    check_error(&err, "libssl.so");
    assert_null(ctx);
}

static void
test_dkim_key__says_what_is_missing(void **state)
{
    const lw_span pem = LW_LIT("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n");
    lw_dkim_key *key;
    lw_error err;

    (void)state;
    assert_int_equal(lw_dkim_key_parse(NULL, pem, &key, &err), LW_ECONFIG);
    check_error(&err, "libcrypto.so");
    assert_int_equal(lw_dkim_key_generate(NULL, LW_DKIM_RSA, 0, &key, &err), LW_ECONFIG);
    check_error(&err, "libcrypto.so");
    assert_null(key);
}

static lw_code
sign_nothing(void *ctx, const unsigned char digest[32], unsigned char *sig, size_t cap,
             size_t *len)
{
    (void)ctx, (void)digest, (void)sig, (void)cap, (void)len;
    return LW_EUSAGE;
}

static void
test_dkim_objects__none_is_made_none_is_freed_wrongly(void **state)
{
    lw_dkim_keyrecord record = { .key = NULL };
    lw_dkim_key *key;

    (void)state;
    assert_null(lw_dkim_signer_new(NULL));
    assert_null(lw_dkim_verifier_new(NULL));
    lw_dkim_record_deinit(&record);
    assert_int_equal(lw_dkim_key_callback(NULL, LW_DKIM_RSA, sign_nothing, NULL, &key), LW_OK);
    lw_dkim_key_free(key);
}

static void
test_library__is_asked_for_once(void **state)
{
    (void)state;
    assert_int_equal(n_asked, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls__says_what_is_missing),
        cmocka_unit_test(test_dkim_key__says_what_is_missing),
        cmocka_unit_test(test_dkim_objects__none_is_made_none_is_freed_wrongly),
        cmocka_unit_test(test_library__is_asked_for_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
