/* SPDX-License-Identifier: MIT */
/*
 * test_no_openssl.c - a machine without OpenSSL: TLS and DKIM say so in one sentence
 *
 * dlopen() of this program finds nothing, until it is told to: a library that comes back is used.
 */
#include "support/test.h"

#define LW_LATE_TABLE_ONLY /* two rooms at once */
#include "dkim/dkim_int.h"
#include "net/net_int.h"

#include <dlfcn.h>
#include <errno.h>
#include <sys/resource.h>

static bool is_there;

void *
dlopen(const char *name, int flags)
{
    void *(*real)(const char *, int) = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");

    return is_there ? real(name, flags) : NULL;
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
check_no_descriptor(const lw_error *err, const char *text)
{
    assert_int_equal(err->code, LW_ENOMEM);
    assert_int_equal(err->retry, LW_RETRY_LATER);
    assert_int_equal(err->os_err, EMFILE);
    assert_non_null(strstr(err->text, text));
    assert_non_null(strstr(err->text, "no file descriptor is free"));
}

/* it is installed, but no file can be opened for a moment: that is neither told as its absence
 * nor remembered */
static void
test_library__out_of_descriptors_for_a_moment_is_found_afterwards(void **state)
{
    lw_tls_client_opts client = { .ca_file = NULL };
    struct rlimit before, none;
    lw_tls_ctx *ctx;
    lw_dkim_key *key;
    lw_code tls_rc, dkim_rc;
    lw_error tls_err, dkim_err;

    (void)state;
    is_there = true;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){ 0, before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    tls_rc = lw_tls_client_new(NULL, &client, &ctx, &tls_err);
    dkim_rc = lw_dkim_key_generate(NULL, LW_DKIM_ED25519, 0, &key, &dkim_err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(tls_rc, LW_ENOMEM);
    check_no_descriptor(&tls_err, "libssl.so");
    assert_int_equal(dkim_rc, LW_ENOMEM);
    check_no_descriptor(&dkim_err, "libcrypto.so");

    assert_int_equal(lw_tls_client_new(NULL, &client, &ctx, &tls_err), LW_OK);
    lw_tls_ctx_free(ctx);
    assert_int_equal(lw_dkim_key_generate(NULL, LW_DKIM_ED25519, 0, &key, &dkim_err), LW_OK);
    lw_dkim_key_free(key);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls__says_what_is_missing),
        cmocka_unit_test(test_dkim_key__says_what_is_missing),
        cmocka_unit_test(test_dkim_objects__none_is_made_none_is_freed_wrongly),
        cmocka_unit_test(test_library__out_of_descriptors_for_a_moment_is_found_afterwards),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
