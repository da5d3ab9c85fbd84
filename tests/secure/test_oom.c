/* SPDX-License-Identifier: MIT */
/*
 * tests/secure/test_oom.c - the i-th allocation fails: nothing leaks, nothing half-done is given
 *
 * Once with the allocator of the object, once with OpenSSL's.
 */
#include "support.h"

#include "support/memory.h"

#include <openssl/crypto.h>

#define MESSAGE HEAD "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nHello\r\n"

static identity ann, bob;
static test_memory theirs;

static void *
theirs_malloc(size_t n, const char *file, int line)
{
    return n == 0 ? NULL : test_memory_resize(&theirs, NULL, n);
}

static void *
theirs_realloc(void *p, size_t n, const char *file, int line)
{
    return test_memory_resize(&theirs, p, n);
}

static void
theirs_free(void *p, const char *file, int line)
{
    test_memory_resize(&theirs, p, 0);
}

/* sets up, signs and encrypts; *out: the whole message, NULL on failure */
static lw_code
everything(const lw_alloc *alloc, char **out, size_t *len)
{
    lw_secure *s = lw_secure_new(alloc);
    lw_rcpt rcpts[] = { { .address = "bob@example.com" } };
    lw_envelope env = { .from = "", .rcpts = rcpts, .n_rcpts = 1 };
    lw_secured *b = NULL;
    lw_error e;
    lw_code rc, pulled;
    seams in;
    lw_body body = open_seams(&in, LW_LIT(MESSAGE), 20);

    *out = NULL;
    rc = s == NULL ? LW_ENOMEM
        : lw_secure_smime_sign(s, lw_span_str(ann.cert_pem), lw_span_str(ann.key_pem), &e);
    if (rc == LW_OK && (rc = lw_secure_smime_cert(s, lw_span_str(bob.cert_pem), &e)) == LW_OK &&
        (rc = lw_secure_smime_encrypt(s, LW_SMIME_AES_256_CBC, &e)) == LW_OK)
        rc = lw_secure_body(s, &body, &env, NOW, &b, &e);
    assert_true((rc == LW_OK) == (b != NULL));
    if (rc == LW_OK) {
        *out = pull(lw_secured_body(b), len, &pulled);
        assert_int_equal(pulled, LW_DONE);
    }
    lw_secured_free(b);
    lw_secure_free(s);
    close_seams(&in);
    return rc;
}

static bool
is_right(char *out, size_t len)
{
    size_t n = 0;
    char *inside = decrypt_smime((lw_span){ out, len }, &bob, &n);
    bool ok = inside != NULL && verify_smime((lw_span){ inside, n }, ann.x509).len > 0;

    free(inside);
    free(out);
    return ok;
}

static void
test_oom__each_allocation_of_ours(void **state)
{
    test_memory ours;
    size_t len;
    char *out;

    test_memory_init(&ours, -1);
    assert_int_equal(everything(&ours.alloc, &out, &len), LW_OK);
    assert_true(is_right(out, len));
    assert_int_equal(ours.n_out, 0);
    long n = ours.n_asked;
    assert_true(n > 15);
    for (long i = 0; i < 2 * n; i++) {
        test_memory_init(&ours, i / 2);
        ours.once = i % 2;
        lw_code rc = everything(&ours.alloc, &out, &len);
        if (rc != LW_ENOMEM || ours.n_out != 0)
            fail_msg("allocation %ld of %ld: %d, %ld live", i / 2, n, rc, ours.n_out);
    }
}

/* OpenSSL does not always tell that memory was the reason.  What must hold: a failure is a failure, what
 * is given is right, nothing leaks, and afterwards all is well again. */
static void
test_oom__each_allocation_of_openssl(void **state)
{
    unsigned n_failed = 0;
    size_t len;
    char *out;

    assert_int_equal(everything(NULL, &out, &len), LW_OK);
    free(out);
    theirs.n_asked = 0;
    assert_int_equal(everything(NULL, &out, &len), LW_OK);
    free(out);
    long n = theirs.n_asked, live = theirs.n_out;
    for (long i = 0; i < n; i += i < 300 ? 1 : 7) {
        theirs.left = i;
        theirs.once = true;
        lw_code rc = everything(NULL, &out, &len);
        theirs.left = -1;
        n_failed += rc < 0;
        if (rc != LW_OK && rc != LW_ENOMEM && rc != LW_ECONFIG)
            fail_msg("allocation %ld of %ld: %d", i, n, rc);
        if (rc == LW_OK && !is_right(out, len))
            fail_msg("allocation %ld of %ld: a broken message was given", i, n);
    }
    assert_true(n_failed > 100);
    assert_int_equal(everything(NULL, &out, &len), LW_OK);
    assert_true(is_right(out, len));
    print_message("%ld allocations, %u failures told, %ld blocks more\n", n, n_failed, theirs.n_out - live);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oom__each_allocation_of_ours),
        cmocka_unit_test(test_oom__each_allocation_of_openssl),
    };

    test_memory_init(&theirs, -1);
    if (CRYPTO_set_mem_functions(theirs_malloc, theirs_realloc, theirs_free) != 1)
        return 99;
    /* no ECDH: when memory is out, OpenSSL 3.0 crashes in EVP_KDF_CTX_new() */
    ann = make_identity(&(wish){ .address = "ann@example.com", .usage = "digitalSignature" });
    bob = make_identity(&(wish){ .address = "bob@example.com", .key = "RSA 2048" });
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    drop_identity(&ann);
    drop_identity(&bob);
    return failed;
}
