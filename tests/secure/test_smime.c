/* SPDX-License-Identifier: MIT */
/* tests/secure/test_smime.c - messages signed and encrypted, read back by OpenSSL; what is refused */
#include "support.h"

static identity ann, bob, cat;

static void
check_sentence(const lw_error *e, lw_code code, const char *want)
{
    if (e->code != code || strcmp(e->text, want) != 0)
        fail_msg("%d\n  got  %s\n  want %s", (int)e->code, e->text, want);
}

/* an lw_secure that signs as id, if that is not NULL, and encrypts for the two if asked to */
static lw_secure *
make_secure(const identity *id, bool encrypts)
{
    lw_secure *s = lw_secure_new(NULL);
    lw_error e;

    assert_non_null(s);
    if (id != NULL)
        assert_int_equal(lw_secure_smime_sign(s, lw_span_str(id->cert_pem), lw_span_str(id->key_pem), &e),
                         LW_OK);
    if (encrypts) {
        assert_int_equal(lw_secure_smime_cert(s, lw_span_str(bob.cert_pem), &e), LW_OK);
        assert_int_equal(lw_secure_smime_encrypt(s, LW_SMIME_AES_256_CBC, &e), LW_OK);
    }
    return s;
}

static lw_rcpt to_bob[] = { { .address = "bob@example.com" } };

static lw_envelope
envelope(lw_rcpt *rcpts, size_t n)
{
    return (lw_envelope){ .from = "ann@example.com", .rcpts = rcpts, .n_rcpts = n,
                          .body_type = LW_BODY_8BITMIME };
}

/* the message as it leaves, NULL on failure; to be freed */
static char *
run(lw_secure *s, lw_span message, size_t max, lw_envelope *env, size_t *len, lw_error *err)
{
    lw_secured *b = NULL;
    seams in;
    lw_body body = open_seams(&in, message, max);
    char *out = NULL, *again;
    size_t len_again;
    lw_code rc, pulled;

    lw_error_clear(err);
    rc = lw_secure_body(s, &body, env, NOW, &b, err);
    assert_true((rc == LW_OK) == (b != NULL));
    assert_true(rc == LW_OK || (err->code == rc && err->text[0] != '\0'));
    if (rc == LW_OK) {
        out = pull(lw_secured_body(b), len, &pulled);
        assert_int_equal(pulled, LW_DONE);
        assert_int_equal(*len, lw_secured_body(b)->size);
        assert_int_equal(lw_secured_body(b)->rewind(lw_secured_body(b)->ctx), LW_OK);
        again = pull(lw_secured_body(b), &len_again, &pulled);
        assert_int_equal(pulled, LW_DONE);
        assert_int_equal(len_again, *len);
        assert_memory_equal(again, out, *len);
        free(again);
    }
    lw_secured_free(b);
    close_seams(&in);
    return out;
}

static lw_code
fails(lw_secure *s, const char *message, lw_envelope *env, lw_error *err)
{
    size_t len;
    char *out = run(s, lw_span_str(message), 1 << 16, env, &len, err);

    if (out != NULL)
        fail_msg("went through: %s", message);
    return err->code;
}

/* ---- signing ------------------------------------------------------------------------------------- */

#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X900 X100 X100 X100 X100 X100 X100 X100 X100 X100
#define X998 X900 X10 X10 X10 X10 X10 X10 X10 X10 X10 "xxxxxxxx"

/** in: the fields behind HEAD, and the rest; entity: what must be signed of it; outer: what must
 *  stand outside besides HEAD. */
static const struct {
    const char *name, *in, *entity, *outer;
} signed_cases[] = {
    { "text", "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "Content-Transfer-Encoding: 7bit\r\n\r\nHello\r\n",
      "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\nHello\r\n", "" },
    { "no type", "\r\nHello\r\n", "Content-Type: text/plain\r\n\r\nHello\r\n", "" },
    { "empty body", "Content-Type: text/html\r\n\r\n", "Content-Type: text/html\r\n\r\n", "" },
    { "no body", "", "Content-Type: text/plain\r\n\r\n", "" },
    { "line ends", "\r\n\r\n\r\n\r\n", "Content-Type: text/plain\r\n\r\n\r\n\r\n\r\n", "" },
    { "spaces, dots", "\r\n  \r\n.\r\n..\r\nx \t\r\n", "Content-Type: text/plain\r\n\r\n  \r\n.\r\n..\r\nx \t\r\n", "" },
    { "no last line end", "\r\nHello", "Content-Type: text/plain\r\n\r\nHello", "" },
    { "folded", "Content-Type:\r\n multipart/mixed;\r\n\tboundary=\"b\"\r\nX-Content-Y: 1\r\n z\r\n"
      "content-disposition: inline\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
      "Content-Type:\r\n multipart/mixed;\r\n\tboundary=\"b\"\r\ncontent-disposition: inline\r\n\r\n"
      "--b\r\n\r\nx\r\n--b--\r\n", "X-Content-Y: 1\r\n z\r\n" },
    { "998 octets", "\r\n" X998 "\r\n", "Content-Type: text/plain\r\n\r\n" X998 "\r\n", "" },
    { "8 bit outside", "X-Name: Zo\xc3\xab\r\n\r\nx\r\n", "Content-Type: text/plain\r\n\r\nx\r\n", "X-Name: Zo\xc3\xab\r\n" },
};

static void
test_sign__odd_messages_verify_whatever_the_split(void **state)
{
    static const size_t splits[] = { 1, 2, 3, 7, 64, 1 << 16 };
    lw_secure *s = make_secure(&ann, false);
    char in[4096], head[2048];
    lw_error e;
    size_t len;

    for (size_t i = 0; i < LW_COUNT(signed_cases) * LW_COUNT(splits); i++) {
        size_t row = i / LW_COUNT(splits);
        lw_envelope env = envelope(to_bob, 1);
        snprintf(in, sizeof in, HEAD "%s", signed_cases[row].in);
        snprintf(head, sizeof head, HEAD "%sMIME-Version: 1.0\r\nContent-Type: multipart/signed; "
                 "protocol=\"application/pkcs7-signature\";\r\n micalg=sha-256;\r\n boundary=\"=_",
                 signed_cases[row].outer);
        char *out = run(s, lw_span_str(in), splits[i % LW_COUNT(splits)], &env, &len, &e);
        if (out == NULL || strncmp(out, head, strlen(head)) != 0)
            fail_msg("%s: %s%s", signed_cases[row].name, e.text, out != NULL ? out : "");
        lw_span entity = verify_smime((lw_span){ out, len }, ann.x509);
        if (!lw_span_eq(entity, lw_span_str(signed_cases[row].entity)))
            fail_msg("%s: signed was %.*s", signed_cases[row].name, (int)entity.len, entity.ptr);
        assert_int_equal(env.body_type, strcmp(signed_cases[row].name, "8 bit outside") == 0
                         ? LW_BODY_8BITMIME : LW_BODY_7BIT);
        free(out);
    }
    lw_secure_free(s);
}

static void
test_sign__changed_or_of_another_is_noticed(void **state)
{
    lw_secure *s = make_secure(&ann, false);
    lw_envelope env = envelope(to_bob, 1);
    lw_error e;
    size_t len;
    char *out = run(s, LW_LIT(HEAD "\r\nHello\r\n"), 100, &env, &len, &e), *at = strstr(out, "Hello");

    assert_int_equal(verify_smime((lw_span){ out, len }, bob.x509).len, 0);
    assert_true(verify_smime((lw_span){ out, len }, ann.x509).len > 0);
    at[1] = 'a';
    assert_int_equal(verify_smime((lw_span){ out, len }, ann.x509).len, 0);
    free(out);
    lw_secure_free(s);
}

#define CHANGED ", which could be changed on the way: encode it as quoted-printable or base64"

static void
test_sign__what_could_be_changed_on_the_way_is_refused(void **state)
{
    static const struct {
        const char *message, *want;
    } rows[] = {
        { HEAD "\r\nx\r\nGr\xc3\xbc\xc3\x9f" "e\r\n",
          "line 4 of what shall be signed has octets that are not 7-bit" CHANGED },
        { HEAD "\r\nx" X998 "\r\n", "line 3 of what shall be signed has more than 998 octets" CHANGED },
        { HEAD "\r\nx\ny\r\n", "line 3 of what shall be signed has a bare LF" CHANGED },
        { HEAD "\r\nx\ry\r\n", "line 3 of what shall be signed has a bare CR" CHANGED },
        { HEAD "Content-Type: text/plain; name=\"\xc3\xbc\"\r\n\r\nx\r\n",
          "line 1 of what shall be signed has octets that are not 7-bit" CHANGED },
    };
    lw_secure *s = make_secure(&ann, false);
    lw_envelope env = envelope(to_bob, 1);
    lw_error e;
    size_t len;

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        fails(s, rows[i].message, &env, &e);
        check_sentence(&e, LW_EMESSAGE, rows[i].want);
        assert_int_equal(env.body_type, LW_BODY_8BITMIME);
    }
    assert_null(run(s, LW_LIT(HEAD "\r\nx\0y\r\n"), 4, &env, &len, &e));
    check_sentence(&e, LW_EMESSAGE, "line 3 of what shall be signed has a NUL" CHANGED);
    lw_secure_free(s);
}

static void
test_sign__source_that_changes_never_gives_a_whole_message(void **state)
{
    static const char first[] = HEAD "\r\nHello\r\n", second[] = HEAD "\r\nHallo\r\n";
    lw_secure *s = make_secure(&ann, false);
    lw_envelope env = envelope(to_bob, 1);
    lw_secured *b;
    lw_error e;
    lw_code rc;
    size_t len;
    seams in;
    lw_body body = open_seams(&in, lw_span_str(first), 5);

    assert_int_equal(lw_secure_body(s, &body, &env, NOW, &b, &e), LW_OK);
    in.changed = second;
    char *out = pull(lw_secured_body(b), &len, &rc);
    assert_int_equal(rc, LW_ESOURCE);
    assert_null(memmem(out, len, "pkcs7-signature;", 16));
    assert_string_equal(lw_secured_error(b)->text,
                        "the message changed after it was signed: was a file of it written to?");
    assert_int_equal(lw_secured_body(b)->next(lw_secured_body(b)->ctx, &(lw_span){ NULL, 0 }), LW_ESOURCE);
    in.len -= 3; /* now it is shorter */
    in.changed = NULL;
    lw_secured_body(b)->rewind(lw_secured_body(b)->ctx);
    free(out);
    out = pull(lw_secured_body(b), &len, &rc);
    assert_int_equal(rc, LW_ESOURCE);
    free(out);
    lw_secured_free(b);
    close_seams(&in);
    lw_secure_free(s);
}

static void
test_header__limit_from_both_sides(void **state)
{
    static const char end[] = "x\r\n\r\nHello\r\n";
    lw_secure *s = make_secure(&ann, false);
    lw_envelope env = envelope(to_bob, 1);
    size_t n = LW_SECURE_HEADER_MAX + 7, len; /* as long as may be, and its body */
    char *text = malloc(n + 1), *out;
    lw_error e;

    memset(text, 'x', n + 1);
    memcpy(text, HEAD "X-Long: ", sizeof HEAD - 1 + 8);
    memcpy(text + n - (sizeof end - 1), end, sizeof end - 1);
    out = run(s, (lw_span){ text, n }, n, &env, &len, &e);
    assert_non_null(out);
    assert_true(verify_smime((lw_span){ out, len }, ann.x509).len > 0);
    free(out);
    memset(text + n - (sizeof end - 1), 'x', sizeof end);
    memcpy(text + n + 1 - (sizeof end - 1), end, sizeof end - 1);
    assert_null(run(s, (lw_span){ text, n + 1 }, n + 1, &env, &len, &e));
    assert_int_equal(e.code, LW_ELIMIT);
    assert_string_equal(e.text, "the header is longer than 16777216 octets");
    free(text);
    lw_secure_free(s);
}

/* ---- certificates --------------------------------------------------------------------------------- */

static void
test_signer__unfit_is_refused_with_a_sentence(void **state)
{
    static const struct {
        wish w;
        const char *want;
    } rows[] = {
        { { .address = "ann@example.com", .usage = "keyEncipherment" },
          "smime: the certificate of ann@example.com is not for signing (by its key usage)" },
        { { .address = "ann@example.com", .purpose = "serverAuth" }, "smime: the certificate of ann@example.com "
          "is not for mail (its extended key usage is without emailProtection)" },
        { { .address = "ann@example.com", .key = "RSA 1024" },
          "smime: the RSA key of ann@example.com has 1024 bits, 2048 are needed" },
        { { .address = "ann@example.com", .key = "ED25519" },
          "smime: the key of ann@example.com is neither RSA nor EC, which is what readers of mail know" },
        { { .name = "Ann\x01X", .usage = "keyCertSign" },
          "smime: the certificate of Ann?X is not for signing (by its key usage)" },
    };
    lw_secure *s = lw_secure_new(NULL);
    lw_error e;

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        identity id = make_identity(&rows[i].w);
        assert_int_equal(lw_secure_smime_sign(s, lw_span_str(id.cert_pem), lw_span_str(id.key_pem), &e),
                         LW_ECONFIG);
        check_sentence(&e, LW_ECONFIG, rows[i].want);
        drop_identity(&id);
    }
    lw_secure_free(s);
}

static void
test_signer__pem_that_is_not_right(void **state)
{
    static char big[(1 << 20) + 1];
    char damaged[] = "-----BEGIN CERTIFICATE-----\nMIIB!!!!\n-----END CERTIFICATE-----\n", *both;
    char *encrypted = encrypted_key(ann.key);
    const struct {
        const char *cert, *key, *want;
    } rows[] = {
        { "", "", "smime: there is no PEM certificate (-----BEGIN CERTIFICATE-----)" },
        { "hello", "", "smime: there is no PEM certificate (-----BEGIN CERTIFICATE-----)" },
        { damaged, "", "smime: certificate 1 of the PEM text is damaged" },
        { ann.cert_pem, "", "smime: there is no private key of ann@example.com (-----BEGIN PRIVATE KEY-----)" },
        { ann.cert_pem, "hello", "smime: there is no private key of ann@example.com (-----BEGIN PRIVATE KEY-----)" },
        { ann.cert_pem, encrypted, "smime: the key of ann@example.com is encrypted: decrypt it with openssl pkey "
          "-in FILE -out PLAIN" },
        { ann.cert_pem, bob.key_pem,
          "smime: the private key does not belong to the certificate of ann@example.com" },
    };
    lw_secure *s = lw_secure_new(NULL);
    lw_error e;

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        assert_int_equal(lw_secure_smime_sign(s, lw_span_str(rows[i].cert), lw_span_str(rows[i].key), &e),
                         LW_ECONFIG);
        check_sentence(&e, LW_ECONFIG, rows[i].want);
    }
    both = malloc(strlen(ann.cert_pem) + sizeof damaged);
    sprintf(both, "%s%s", ann.cert_pem, damaged);
    assert_int_equal(lw_secure_smime_cert(s, lw_span_str(both), &e), LW_ECONFIG);
    assert_string_equal(e.text, "smime: certificate 2 of the PEM text is damaged");
    assert_int_equal(s->readers.n, 0);
    assert_int_equal(lw_secure_smime_cert(s, (lw_span){ big, sizeof big }, &e), LW_ECONFIG);
    check_sentence(&e, LW_ECONFIG, "smime: more than 1 MiB is no certificate and no key");
    free(both);
    free(encrypted);
    lw_secure_free(s);
}

static void
test_signer__time_and_sender_are_checked(void **state)
{
    identity old = make_identity(&(wish){ .address = "ann@example.com", .from_s = NOW - 2 * DAY, .until_s = NOW - DAY });
    identity young = make_identity(&(wish){ .address = "ann@example.com", .from_s = NOW + DAY, .until_s = NOW + 2 * DAY });
    identity nobody = make_identity(&(wish){ .name = "Ann" });
    identity capital = make_identity(&(wish){ .address = "Ann@Example.COM" });
    const struct {
        const identity *id;
        const char *words;
    } rows[] = {
        { &old, "smime: the certificate of ann@example.com expired on 2023-11-13" },
        { &young, "smime: the certificate of ann@example.com is not valid before 2023-11-15" },
        { &bob, "smime: the certificate of bob@example.com is not that of the sender, ann@example.com" },
        { &nobody, NULL },
        { &capital, NULL },
    };
    lw_envelope env = envelope(to_bob, 1);
    size_t len;
    lw_error e;

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_secure *s = make_secure(rows[i].id, false);
        char *out = run(s, LW_LIT(HEAD "\r\nx\r\n"), 100, &env, &len, &e);
        if (rows[i].words == NULL) {
            assert_true(verify_smime((lw_span){ out, len }, rows[i].id->x509).len > 0);
        } else {
            assert_int_equal(e.code, LW_ECONFIG);
            assert_string_equal(e.text, rows[i].words);
        }
        free(out);
        lw_secure_free(s);
    }
    drop_identity(&old);
    drop_identity(&young);
    drop_identity(&nobody);
    drop_identity(&capital);
}

static void
test_signer__chain_goes_with_it_each_once(void **state)
{
    char *all = malloc(strlen(ann.cert_pem) * 2 + strlen(bob.cert_pem) + strlen(ann.key_pem) + 1);
    lw_secure *s = lw_secure_new(NULL);
    lw_error e;

    sprintf(all, "%s%s%s%s", ann.cert_pem, bob.cert_pem, ann.cert_pem, ann.key_pem);
    assert_int_equal(lw_secure_smime_sign(s, lw_span_str(all), LW_NO_SPAN, &e), LW_OK);
    assert_int_equal(s->signer.n, 2);
    assert_int_equal(lw_secure_smime_sign(s, lw_span_str(all), LW_NO_SPAN, &e), LW_EUSAGE);
    lw_envelope env = envelope(to_bob, 1);
    size_t len;
    char *out = run(s, LW_LIT(HEAD "\r\nx\r\n"), 100, &env, &len, &e);
    assert_true(verify_smime((lw_span){ out, len }, ann.x509).len > 0);
    free(out);
    free(all);
    lw_secure_free(s);
}

/* ---- encrypting -------------------------------------------------------------------------------------- */

#define CC "From: ann@example.com\r\nTo: bob@example.com\r\nCc: group: Cat <CAT@example.com>;\r\n"
#define ENTITY "Content-Type: text/plain\r\n\r\nHello\r\n"

static void
assert_reads(lw_span message, const identity *id, const char *want)
{
    size_t len;
    char *text = decrypt_smime(message, id, &len);

    assert_non_null(text);
    assert_int_equal(len, strlen(want));
    assert_memory_equal(text, want, len);
    free(text);
}

static void
test_encrypt__who_is_meant_reads_it_and_nobody_else(void **state)
{
    lw_rcpt rcpts[] = { { .address = "bob@example.com" }, { .address = "cat@example.com" } };
    identity eve = make_identity(&(wish){ .address = "eve@example.com" });

    for (int cipher = 0; cipher < 2; cipher++) {
        lw_secure *s = make_secure(NULL, true);
        lw_envelope env = envelope(rcpts, 2);
        lw_error e;
        size_t len;
        assert_int_equal(lw_secure_smime_encrypt(s, (lw_smime_cipher)cipher, &e), LW_OK);
        assert_int_equal(lw_secure_smime_cert(s, lw_span_str(cat.cert_pem), &e), LW_OK);
        assert_int_equal(lw_secure_smime_cert(s, lw_span_str(ann.cert_pem), &e), LW_OK);
        assert_int_equal(lw_secure_smime_cert(s, lw_span_str(eve.cert_pem), &e), LW_OK);
        char *out = run(s, LW_LIT(CC "\r\nHello\r\n"), 3, &env, &len, &e);
        assert_non_null(strstr(out, cipher == LW_SMIME_AES_256_CBC ? "smime-type=enveloped-data;"
                               : "smime-type=authEnveloped-data;"));
        assert_reads((lw_span){ out, len }, &bob, ENTITY);
        assert_reads((lw_span){ out, len }, &cat, ENTITY);
        assert_reads((lw_span){ out, len }, &ann, ENTITY);
        assert_null(decrypt_smime((lw_span){ out, len }, &eve, &len));
        assert_null(strstr(out, "Hello"));
        assert_int_equal(env.body_type, LW_BODY_7BIT);
        free(out);
        lw_secure_free(s);
    }
    drop_identity(&eve);
}

static void
test_encrypt__signed_inside(void **state)
{
    lw_secure *s = make_secure(&ann, true);
    lw_envelope env = envelope(to_bob, 1);
    lw_error e;
    size_t len;
    char *out = run(s, LW_LIT(HEAD "\r\nHello\r\n"), 11, &env, &len, &e);
    char *inside = decrypt_smime((lw_span){ out, len }, &bob, &len);

    assert_non_null(inside);
    assert_true(lw_span_eq(verify_smime((lw_span){ inside, len }, ann.x509), LW_LIT(ENTITY)));
    free(inside);
    inside = decrypt_smime((lw_span){ out, strlen(out) }, &ann, &len); /* her own copy */
    assert_non_null(inside);
    free(inside);
    free(out);
    lw_secure_free(s);
}

static void
test_encrypt__eight_bit_is_fine_inside(void **state)
{
    lw_secure *s = make_secure(NULL, true);
    lw_envelope env = envelope(to_bob, 1);
    lw_error e;
    size_t len;
    char *out = run(s, LW_LIT(HEAD "\r\nGr\xc3\xbc\xc3\x9f" "e\r\n"), 100, &env, &len, &e);

    assert_reads((lw_span){ out, len }, &bob, "Content-Type: text/plain\r\n\r\nGr\xc3\xbc\xc3\x9f" "e\r\n");
    assert_int_equal(env.body_type, LW_BODY_7BIT);
    free(out);
    lw_secure_free(s);
}

/* what fits into memory by one octet, what does not, and much more */
static void
test_encrypt__large_goes_through_a_file(void **state)
{
    static const size_t sizes[] = { 100000, 196000, 197000, 3000000 };
    lw_secure *s = make_secure(NULL, true);
    lw_error e;
    size_t len, head = sizeof HEAD - 1;

    for (size_t i = 0; i < LW_COUNT(sizes); i++) {
        lw_envelope env = envelope(to_bob, 1);
        char *text = malloc(head + sizes[i] + 4), *out, *read;
        memcpy(text, HEAD "\r\n", head + 2);
        for (size_t k = 0; k < sizes[i]; k++)
            text[head + 2 + k] = k % 78 == 76 ? '\r' : k % 78 == 77 ? '\n' : (char)('a' + k % 23);
        out = run(s, (lw_span){ text, head + 2 + sizes[i] }, 50000, &env, &len, &e);
        assert_non_null(out);
        read = decrypt_smime((lw_span){ out, len }, &bob, &len);
        assert_int_equal(len, strlen("Content-Type: text/plain\r\n\r\n") + sizes[i]);
        assert_memory_equal(read + len - sizes[i], text + head + 2, sizes[i]);
        free(read);
        free(out);
        free(text);
    }
    assert_int_equal(lw_secure_temp_dir(s, "/nowhere", &e), LW_OK);
    lw_envelope env = envelope(to_bob, 1);
    char *text = calloc(1, 400000);
    memset(text, 'x', 399999);
    memcpy(text, HEAD "\r\n", head + 2);
    assert_int_equal(fails(s, text, &env, &e), LW_EOUTPUT);
    assert_string_equal(e.text, "a temporary file in /nowhere cannot be made: No such file or directory");
    free(text);
    lw_secure_free(s);
}

#define HIDDEN " is a hidden recipient (in neither To nor Cc), and an encrypted message names everybody who can " \
    "read it: send that copy as a message of its own"

static void
test_encrypt__recipients_that_cannot_be_served(void **state)
{
    lw_rcpt two[] = { { .address = "bob@example.com" }, { .address = "cat@example.com" } };
    identity old = make_identity(&(wish){ .address = "cat@example.com", .from_s = NOW - 2 * DAY, .until_s = NOW - DAY });
    identity signs = make_identity(&(wish){ .address = "cat@example.com", .usage = "digitalSignature" });
    identity rsa = make_identity(&(wish){ .address = "cat@example.com", .usage = "keyAgreement", .key = "RSA 2048" });
    const struct {
        const char *cert, *message, *want;
        lw_code code;
    } rows[] = {
        { NULL, CC "\r\nx\r\n", "smime: there is no certificate for cat@example.com: nobody else may read it, so "
          "nothing was sent", LW_ECONFIG },
        { old.cert_pem, CC "\r\nx\r\n", "smime: the certificate of cat@example.com expired on 2023-11-13", LW_ECONFIG },
        { signs.cert_pem, CC "\r\nx\r\n", "smime: the certificate of cat@example.com is not for encrypting (by its "
          "key usage)", LW_ECONFIG },
        { rsa.cert_pem, CC "\r\nx\r\n", "smime: the certificate of cat@example.com is not for encrypting (by its key "
          "usage)", LW_ECONFIG },
        { cat.cert_pem, HEAD "\r\nx\r\n", "cat@example.com" HIDDEN, LW_EMESSAGE },
        { cat.cert_pem, "From: a@b.c\r\nTo: bob@example.com, <\r\n\r\nx\r\n", "bob@example.com" HIDDEN,
          LW_EMESSAGE },
    };
    lw_error e;

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_secure *s = make_secure(NULL, true);
        lw_envelope env = envelope(two, 2);
        if (rows[i].cert != NULL)
            assert_int_equal(lw_secure_smime_cert(s, lw_span_str(rows[i].cert), &e), LW_OK);
        fails(s, rows[i].message, &env, &e);
        check_sentence(&e, rows[i].code, rows[i].want);
        lw_secure_free(s);
    }
    drop_identity(&old);
    drop_identity(&signs);
    drop_identity(&rsa);
}

/* alone he learns of nobody; and a good certificate behind an expired one is found */
static void
test_encrypt__hidden_recipient_alone_and_second_certificate(void **state)
{
    lw_rcpt one[] = { { .address = "cat@example.com" } };
    identity old = make_identity(&(wish){ .address = "cat@example.com", .from_s = NOW - 2 * DAY, .until_s = NOW - DAY });
    lw_secure *s = make_secure(NULL, true);
    lw_envelope env = envelope(one, 1);
    lw_error e;
    size_t len;

    assert_int_equal(lw_secure_smime_cert(s, lw_span_str(old.cert_pem), &e), LW_OK);
    assert_int_equal(lw_secure_smime_cert(s, lw_span_str(cat.cert_pem), &e), LW_OK);
    char *out = run(s, LW_LIT(HEAD "\r\nHello\r\n"), 100, &env, &len, &e);
    assert_reads((lw_span){ out, len }, &cat, ENTITY);
    size_t n;
    assert_null(decrypt_smime((lw_span){ out, len }, &bob, &n));
    free(out);
    drop_identity(&old);
    lw_secure_free(s);
}

static void
test_use__mistakes(void **state)
{
    lw_secure *s = lw_secure_new(NULL);
    lw_envelope env = envelope(to_bob, 1);
    lw_secured *b;
    lw_error e;
    seams in;
    lw_body body = open_seams(&in, LW_LIT(HEAD "\r\nx\r\n"), 10);
    identity anonymous = make_identity(&(wish){ .name = "Nobody" });

    assert_int_equal(lw_secure_body(s, &body, &env, NOW, &b, &e), LW_EUSAGE);
    check_sentence(&e, LW_EUSAGE, "neither signing nor encrypting was asked for");
    assert_null(b);
    assert_int_equal(lw_secure_smime_encrypt(s, (lw_smime_cipher)7, &e), LW_EUSAGE);
    check_sentence(&e, LW_EUSAGE, "smime: cipher 7 is neither LW_SMIME_AES_256_CBC nor LW_SMIME_AES_256_GCM");
    assert_int_equal(lw_secure_smime_encrypt(s, LW_SMIME_AES_256_CBC, &e), LW_OK);
    assert_int_equal(lw_secure_pgp_sign(s, NULL, &e), LW_EUSAGE);
    assert_string_equal(e.text, "a message is either S/MIME or OpenPGP: choose one");
    assert_int_equal(lw_secure_pgp_encrypt(s, &e), LW_EUSAGE);
    assert_int_equal(lw_secure_temp_dir(s, "", &e), LW_EUSAGE);
    check_sentence(&e, LW_EUSAGE, "folder for temporary files: nothing was given");
    assert_int_equal(lw_secure_temp_dir(NULL, "/tmp", &e), LW_EUSAGE);
    check_sentence(&e, LW_EUSAGE, "a pointer is NULL");
    assert_int_equal(lw_secure_smime_sign(s, lw_span_str(ann.cert_pem), lw_span_str(ann.key_pem), &e), LW_OK);
    assert_int_equal(lw_secure_smime_sign(s, lw_span_str(ann.cert_pem), lw_span_str(ann.key_pem), &e), LW_EUSAGE);
    check_sentence(&e, LW_EUSAGE, "smime: a certificate to sign with was given already");
    assert_int_equal(lw_secure_smime_cert(s, lw_span_str(anonymous.cert_pem), &e), LW_ECONFIG);
    assert_string_equal(e.text, "smime: the certificate of Nobody has no mail address");
    body.rewind = NULL;
    assert_int_equal(lw_secure_body(s, &body, &env, NOW, &b, &e), LW_EUSAGE);
    check_sentence(&e, LW_EUSAGE, "the message cannot be read twice, as signing needs");
    lw_secured_free(NULL);
    lw_secure_free(NULL);
    drop_identity(&anonymous);
    close_seams(&in);
    lw_secure_free(s);
}

static int
make_people(void **state)
{
    ann = make_identity(&(wish){ .address = "ann@example.com", .usage = "digitalSignature,keyAgreement",
                                 .purpose = "emailProtection" });
    bob = make_identity(&(wish){ .address = "bob@example.com", .key = "RSA 2048", .usage = "keyEncipherment,digitalSignature" });
    cat = make_identity(&(wish){ .address = "cat@example.com", .usage = "keyAgreement" });
    return 0;
}

static int
drop_people(void **state)
{
    drop_identity(&ann);
    drop_identity(&bob);
    drop_identity(&cat);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sign__odd_messages_verify_whatever_the_split),
        cmocka_unit_test(test_sign__changed_or_of_another_is_noticed),
        cmocka_unit_test(test_sign__what_could_be_changed_on_the_way_is_refused),
        cmocka_unit_test(test_sign__source_that_changes_never_gives_a_whole_message),
        cmocka_unit_test(test_header__limit_from_both_sides),
        cmocka_unit_test(test_signer__unfit_is_refused_with_a_sentence),
        cmocka_unit_test(test_signer__pem_that_is_not_right),
        cmocka_unit_test(test_signer__time_and_sender_are_checked),
        cmocka_unit_test(test_signer__chain_goes_with_it_each_once),
        cmocka_unit_test(test_encrypt__who_is_meant_reads_it_and_nobody_else),
        cmocka_unit_test(test_encrypt__signed_inside),
        cmocka_unit_test(test_encrypt__eight_bit_is_fine_inside),
        cmocka_unit_test(test_encrypt__large_goes_through_a_file),
        cmocka_unit_test(test_encrypt__recipients_that_cannot_be_served),
        cmocka_unit_test(test_encrypt__hidden_recipient_alone_and_second_certificate),
        cmocka_unit_test(test_use__mistakes),
    };
    return cmocka_run_group_tests(tests, make_people, drop_people);
}
