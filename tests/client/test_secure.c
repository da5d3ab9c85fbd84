/* SPDX-License-Identifier: MIT */
/* tests/client/test_secure.c - messages that are S/MIME, written: signed, and never half right */
#include "support/test.h"

#include <letterwing/letterwing.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "client/written.h"

static char pem[32]; /* the path of a certificate with its key */

static int
make_certificate(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    FILE *f;

    X509_set_version(x509, X509_VERSION_3);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "emailAddress", MBSTRING_ASC,
                               (const unsigned char *)"ann@example.com", -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(x509));
    X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, key);
    assert_true(X509_sign(x509, key, EVP_sha256()) > 0);
    memcpy(pem, "/tmp/lw-secure-XXXXXX", sizeof "/tmp/lw-secure-XXXXXX");
    f = fdopen(mkstemp(pem), "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, x509), 1);
    assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(f), 0);
    X509_free(x509);
    EVP_PKEY_free(key);
    return 0;
}

static int
drop_certificate(void **state)
{
    return unlink(pem);
}

/* writes a message with the file attached, signed; the changed one changes half-way */
static lw_code
write_signed(const char *path, bool is_changed, written *w, lw_error *err)
{
    lw_message *m = lw_message_new();
    lw_secure *s = lw_secure_new(NULL);
    lw_code rc;

    assert_int_equal(lw_secure_smime_sign_file(s, pem, NULL, err), LW_OK);
    lw_message_from(m, "ann@example.com");
    lw_message_to(m, "bob@example.org");
    lw_message_text(m, "Hello\n");
    lw_message_attach_file(m, path);
    assert_int_equal(lw_message_secure(m, s), LW_OK);
    assert_int_equal(lw_message_secure(NULL, s), LW_ENOMEM);
    lw_buf_init(&w->octets, NULL, 1 << 22);
    w->spoil = is_changed ? path : NULL;
    rc = lw_message_write(m, written_take, w, err);
    lw_message_free(m);
    lw_secure_free(s);
    return rc;
}

static bool
holds(const written *w, const char *text)
{
    return memmem(w->octets.ptr, w->octets.len, text, strlen(text)) != NULL;
}

/* that the signature is good is seen by openssl in tests/cli/test_protect.py */
static void
test_write__signature_comes_last(void **state)
{
    char path[32];
    lw_error err;
    written w;

    written_make_file(path);
    assert_int_equal(write_signed(path, false, &w, &err), LW_OK);
    assert_true(holds(&w, "Content-Type: multipart/signed;") && holds(&w, "Content-Type: application/pkcs7-signature;"));
    lw_buf_deinit(&w.octets);
    unlink(path);
}

static void
test_write__file_changed_after_signing_is_an_error(void **state)
{
    char path[32];
    lw_error err;
    written w;

    written_make_file(path);
    assert_int_equal(write_signed(path, true, &w, &err), LW_ESOURCE);
    assert_non_null(strstr(err.text, "the message changed after it was signed"));
    assert_false(holds(&w, "Content-Type: application/pkcs7-signature;"));
    lw_buf_deinit(&w.octets);
    unlink(path);
}

static void
test_write__missing_file_is_named(void **state)
{
    lw_error err;
    written w;

    assert_int_equal(write_signed("/nowhere/x", false, &w, &err), LW_ESOURCE);
    assert_non_null(strstr(err.text, "/nowhere/x: cannot be opened"));
    assert_int_equal(w.octets.len, 0);
    lw_buf_deinit(&w.octets);
}

static void
test_files__no_path_and_no_file(void **state)
{
    lw_secure *s = lw_secure_new(NULL);
    lw_error err;

    assert_int_equal(lw_secure_smime_sign_file(s, NULL, NULL, &err), LW_EUSAGE);
    assert_int_equal(lw_secure_smime_cert_file(s, "/nowhere", &err), LW_ECONFIG);
    assert_string_equal(err.text, "smime: /nowhere: cannot be read: No such file or directory");
    assert_int_equal(lw_secure_smime_cert_file(s, "/tmp", &err), LW_ECONFIG);
    assert_string_equal(err.text, "smime: /tmp: cannot be read: Is a directory");
    lw_secure_free(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write__signature_comes_last),
        cmocka_unit_test(test_write__file_changed_after_signing_is_an_error),
        cmocka_unit_test(test_write__missing_file_is_named),
        cmocka_unit_test(test_files__no_path_and_no_file),
    };
    return cmocka_run_group_tests(tests, make_certificate, drop_certificate);
}
