/* SPDX-License-Identifier: MIT */
/* tests/client/test_dkim.c - messages with a signer, written: signed, and never half right */
#include "support/test.h"

#include <letterwing/letterwing.h>

#include "client/written.h"

static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";

/* writes a message with the file attached, signed; the changed one changes half-way */
static lw_code
write_signed(const char *path, bool is_changed, written *w, lw_error *err)
{
    lw_message *m = lw_message_new();
    lw_dkim_signer *s = lw_dkim_signer_new(NULL);
    lw_dkim_key *key;
    lw_dkim_opts o;
    lw_code rc;

    assert_int_equal(lw_dkim_key_parse(NULL, lw_span_str(pem), &key, err), LW_OK);
    lw_dkim_opts_init(&o);
    o.domain = "example.com";
    o.selector = "s1";
    o.key = key;
    assert_int_equal(lw_dkim_signer_add(s, &o, err), LW_OK);
    lw_message_from(m, "ann@example.com");
    lw_message_to(m, "bob@example.org");
    lw_message_text(m, "Hello\n");
    lw_message_attach_file(m, path);
    assert_int_equal(lw_message_dkim(m, s), LW_OK);
    assert_int_equal(lw_message_dkim(NULL, s), LW_ENOMEM);
    lw_buf_init(&w->octets, NULL, 1 << 22);
    w->spoil = is_changed ? path : NULL;
    rc = lw_message_write(m, written_take, w, err);
    lw_message_free(m);
    lw_dkim_signer_free(s);
    lw_dkim_key_free(key);
    return rc;
}

static void
test_write__signed_message_verifies(void **state)
{
    lw_dkim_verifier *v = lw_dkim_verifier_new(NULL);
    lw_dkim_result r;
    char path[32];
    lw_error err;
    written w;

    written_make_file(path);
    assert_int_equal(write_signed(path, false, &w, &err), LW_OK);
    assert_int_equal(lw_dkim_verifier_feed(v, lw_buf_span(&w.octets), &err), LW_OK);
    assert_int_equal(lw_dkim_verifier_end(v, &err), LW_OK);
    assert_int_equal(lw_dkim_verifier_n(v), 1);
    assert_int_equal(lw_dkim_verifier_check(v, 0, LW_DKIM_RECORD, lw_span_str(
        "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="), -1, &r), LW_OK);
    assert_int_equal(r.status, LW_DKIM_PASS);
    lw_dkim_verifier_free(v);
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
    assert_non_null(strstr(err.text, "dkim: the message changed after it was signed"));
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write__signed_message_verifies),
        cmocka_unit_test(test_write__file_changed_after_signing_is_an_error),
        cmocka_unit_test(test_write__missing_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
