/* SPDX-License-Identifier: MIT */
/*
 * tests/dkim/test_oom.c - the i-th allocation fails: nothing leaks, nothing half-done is given
 *
 * Once with the allocator of the objects, once with OpenSSL's.  What OpenSSL keeps for the process
 * is warmed up first; its balance is looked at by the leak checker of the sanitizers.
 */
#include "dkim/support.h"

#include <openssl/crypto.h>

#define MESSAGE "From: a@b.de\r\nTo: c@d.de\r\nSubject: x\r\n\r\nbody\r\n"

static test_failing ours, theirs;

static void *
theirs_malloc(size_t n, const char *file, int line)
{
    lw_alloc a = test_failing_alloc(&theirs);
    return n == 0 ? NULL : a.resize(a.ctx, NULL, n);
}

static void *
theirs_realloc(void *p, size_t n, const char *file, int line)
{
    lw_alloc a = test_failing_alloc(&theirs);
    return a.resize(a.ctx, p, n);
}

static void
theirs_free(void *p, const char *file, int line)
{
    lw_alloc a = test_failing_alloc(&theirs);
    a.resize(a.ctx, p, 0);
}

static lw_code
add(lw_dkim_signer *s, lw_dkim_key *key, const char *selector)
{
    static const char *const extra[] = { "X-One", "X-Two" };
    lw_dkim_opts o;
    lw_error e;

    lw_dkim_opts_init(&o);
    o.domain = "b.de";
    o.selector = selector;
    o.identity = "@b.de";
    o.headers = extra;
    o.n_headers = 2;
    o.key = key;
    return lw_dkim_signer_add(s, &o, &e);
}

static lw_code
verify(const lw_alloc *alloc, lw_span message, const char *const records[2], lw_dkim_status status[2])
{
    lw_dkim_verifier *v = lw_dkim_verifier_new(alloc);
    lw_dkim_result r;
    lw_error e;
    lw_code rc;

    if (v == NULL)
        return LW_ENOMEM;
    if ((rc = lw_dkim_verifier_feed(v, message, &e)) == LW_OK)
        rc = lw_dkim_verifier_end(v, &e);
    for (size_t i = 0; rc == LW_OK && i < 2; i++) {
        assert_int_equal(lw_dkim_verifier_n(v), 2);
        rc = lw_dkim_verifier_check(v, i, LW_DKIM_RECORD, lw_span_str(records[i]), 1000, &r);
        status[i] = r.status;
    }
    lw_dkim_verifier_free(v);
    return rc;
}

/* sign and verify, everything that allocates but making keys */
static lw_code
sign_and_verify(const lw_alloc *alloc, lw_dkim_key *keys[2], char *records[2], lw_dkim_status status[2])
{
    lw_dkim_signer *s = lw_dkim_signer_new(alloc);
    lw_dkim_signed *b = NULL;
    test_memory m;
    lw_body in = test_body(&m, LW_LIT(MESSAGE), 7, 3);
    lw_error e;
    size_t len;
    lw_code rc, pulled;

    if (s == NULL)
        return LW_ENOMEM;
    if ((rc = add(s, keys[0], "s1")) == LW_OK && (rc = add(s, keys[1], "s2")) == LW_OK)
        rc = lw_dkim_sign_body(s, &in, 900, &b, &e);
    assert_true((rc == LW_OK) == (b != NULL));
    if (rc == LW_OK) {
        char *text = test_pull(lw_dkim_signed_body(b), &len, &pulled);
        assert_int_equal(pulled, LW_DONE);
        rc = verify(alloc, (lw_span){ text, len }, (const char *const *)records, status);
        lw_free(text);
    }
    lw_dkim_signed_free(b);
    lw_dkim_signer_free(s);
    return rc;
}

static lw_code
everything(const lw_alloc *alloc, lw_dkim_status status[2])
{
    lw_dkim_key *keys[2] = { NULL, NULL };
    char *records[2] = { NULL, NULL }, *pem = NULL;
    lw_error e;
    lw_code rc = lw_dkim_key_parse(alloc, lw_span_str(rfc8463_rsa_key), &keys[0], &e);

    if (rc == LW_OK)
        rc = lw_dkim_key_generate(alloc, LW_DKIM_ED25519, 0, &keys[1], &e);
    if (rc == LW_OK)
        rc = lw_dkim_key_pem(keys[1], &pem);
    for (int i = 0; rc == LW_OK && i < 2; i++)
        rc = lw_dkim_key_record(keys[i], &records[i]);
    if (rc == LW_OK)
        rc = sign_and_verify(alloc, keys, records, status);
    for (int i = 0; i < 2; i++) {
        lw_release(alloc, records[i]);
        lw_dkim_key_free(keys[i]);
    }
    lw_release(alloc, pem);
    return rc;
}

static void
test_oom__each_allocation_of_ours(void **state)
{
    lw_alloc alloc = test_failing_alloc(&ours);
    lw_dkim_status status[2] = { LW_DKIM_FAIL, LW_DKIM_FAIL };
    long n;

    ours = (test_failing){ .countdown = 0 };
    assert_int_equal(everything(&alloc, status), LW_OK);
    assert_int_equal(ours.n_live, 0);
    n = ours.n_calls;
    assert_true(n > 20);
    for (int stays = 0; stays < 2; stays++)
        for (long i = 1; i <= n; i++) {
            ours = (test_failing){ .countdown = i, .stays = stays };
            lw_code rc = everything(&alloc, status);
            if (rc != LW_ENOMEM || ours.n_live != 0)
                fail_msg("allocation %ld of %ld: %d, %ld live", i, n, rc, ours.n_live);
        }
}

/* OpenSSL often tells no more than that it failed: a damaged key and no memory look alike in places.
 * What must hold: it ends, a failure is a failure, and afterwards all is well again. */
static void
test_oom__each_allocation_of_openssl(void **state)
{
    lw_dkim_status status[2] = { LW_DKIM_FAIL, LW_DKIM_FAIL };
    long n;
    unsigned n_failed = 0;

    assert_int_equal(everything(NULL, status), LW_OK);
    theirs.n_calls = 0;
    assert_int_equal(everything(NULL, status), LW_OK);
    n = theirs.n_calls;
    assert_true(n > 100);
    for (long i = 1; i <= n; i += i < 200 ? 1 : 7) {
        status[0] = status[1] = LW_DKIM_TEMPERROR;
        theirs.countdown = i;
        lw_code rc = everything(NULL, status);
        theirs.countdown = 0;
        n_failed += rc < 0;
        if (rc != LW_OK && rc != LW_ENOMEM && rc != LW_ECONFIG)
            fail_msg("allocation %ld of %ld: %d", i, n, rc);
        if (rc == LW_OK)
            for (int k = 0; k < 2; k++)
                if (status[k] != LW_DKIM_PASS && status[k] != LW_DKIM_PERMERROR && status[k] != LW_DKIM_FAIL)
                    fail_msg("allocation %ld of %ld: signature %d: %s", i, n, k,
                             lw_dkim_status_name(status[k]));
    }
    print_message("%ld allocations, %u failures told\n", n, n_failed);
    assert_true(n_failed > 20);
    assert_int_equal(everything(NULL, status), LW_OK);
    assert_int_equal(status[0], LW_DKIM_PASS);
    assert_int_equal(status[1], LW_DKIM_PASS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oom__each_allocation_of_ours),
        cmocka_unit_test(test_oom__each_allocation_of_openssl),
    };
    if (CRYPTO_set_mem_functions(theirs_malloc, theirs_realloc, theirs_free) != 1)
        return 99;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
