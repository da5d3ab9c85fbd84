/* SPDX-License-Identifier: MIT */
/* tests/net/test_tls.c - certificates, pins, versions, client certificates, resumption, binding */
#include "tls_pair.h"

#include <openssl/ssl.h>

/* ---- verified -------------------------------------------------------------------------------------- */

static void
test_verify__good_certificate_facts_are_told(void **state)
{
    for (size_t i = 0; i < LW_COUNT(versions); i++) {
        tls_pair p;
        const lw_tls_facts *f;

        contexts_open(&p, NULL);
        only_version(p.sctx, versions[i]);
        shake_hands(&p, HOST);
        await_both(&p);
        assert_both_up(&p);
        talk(&p);
        f = lw_conn_tls_facts(p.client.c);
        assert_true(f->active && f->verified && !f->resumed);
        assert_string_equal(f->version, i == 0 ? "TLSv1.2" : "TLSv1.3");
        assert_non_null(f->cipher);
        assert_null(f->problem);
        assert_int_equal(f->n_chain, 1);
        assert_string_equal(f->chain[0].subject, "CN = " HOST);
        assert_string_equal(f->chain[0].issuer, "CN = Test CA");
        assert_int_equal(f->chain[0].not_after - f->chain[0].not_before, 31 * DAY_S);
        f = lw_conn_tls_facts(p.server.c);
        assert_true(f->active && !f->verified && f->n_chain == 0);
        hang_up(&p);
        contexts_close(&p);
    }
}

/* the sink's own certificate, trusted by its PEM text alone */
static void
test_throw_away__its_names_and_no_other(void **state)
{
    static const char *const hosts[] = { "sink.example", "localhost", "127.0.0.1", "::1",
                                         "SINK.example.", "other.example", "127.0.0.2" };
    char path[96];
    lw_tls_client_opts o = { .ca_file = path };
    lw_tls_ctx *own;

    assert_int_equal(lw_tls_server_new(NULL, "sink.example", NULL, NULL, &own, NULL), LW_OK);
    snprintf(path, sizeof path, "%s/own.pem", dir);
    write_text(path, lw_tls_ctx_pem(own));
    for (size_t i = 0; i < LW_COUNT(hosts); i++) {
        tls_pair p;
        lw_tls_ctx *good;

        contexts_open(&p, &o);
        good = p.sctx;
        p.sctx = own;
        shake_hands(&p, hosts[i]);
        await_both(&p);
        if (i < 5)
            assert_both_up(&p);
        else
            assert_int_equal(lw_conn_error(p.client.c)->code, LW_ETLS);
        hang_up(&p);
        p.sctx = good;
        contexts_close(&p);
    }
    lw_tls_ctx_free(own);
    unlink(path);
}

/* which name the server is asked for; an address is none (RFC 6066, 3) */
static void
test_start__server_learns_the_name(void **state)
{
    static const struct {
        const char *host, *seen;
    } names[] = { { HOST, HOST }, { HOST ".", HOST }, { "192.0.2.1", NULL }, { "::1", NULL },
                  { "fe80::1%eth0", NULL } };

    for (size_t i = 0; i < LW_COUNT(names); i++) {
        lw_tls_client_opts o = { .ca_file = ca_pem, .keep_unverified = true };
        const char *seen;
        tls_pair p;

        contexts_open(&p, &o);
        shake_hands(&p, names[i].host);
        await_both(&p);
        assert_both_up(&p);
        seen = SSL_get_servername(p.server.c->tls->ssl, TLSEXT_NAMETYPE_host_name);
        assert_int_equal(seen == NULL, names[i].seen == NULL);
        if (seen != NULL)
            assert_string_equal(seen, names[i].seen);
        assert_int_equal(lw_conn_tls_facts(p.client.c)->verified, names[i].seen != NULL);
        hang_up(&p);
        contexts_close(&p);
    }
}

/* RFC 6125 6.4.4: a certificate without any other name is for its common name */
static void
test_verify__names_that_are_right(void **state)
{
    static const struct {
        const char *subject, *names, *host;
    } rights[] = {
        { HOST, NULL, HOST },
        { "x", "DNS:MAIL.example", "mail.EXAMPLE" },
        { "x", "DNS:*.a.example", "mail.a.example" },
        { "x", "IP:192.0.2.1", "192.0.2.1" },
        { "x", "IP:2001:db8::1", "2001:DB8:0::1" },
        { "x", "IP:fe80::1", "fe80::1%eth0" },
    };

    for (size_t i = 0; i < LW_COUNT(rights); i++) {
        wish w = { rights[i].subject, rights[i].names, -1, 10, false, &ca };
        identity id = make_identity(&w);
        tls_pair p;

        contexts_open(&p, NULL);
        use_identity(p.sctx, &id);
        shake_hands(&p, rights[i].host);
        await_both(&p);
        assert_both_up(&p);
        assert_true(lw_conn_tls_facts(p.client.c)->verified);
        hang_up(&p);
        contexts_close(&p);
        drop_identity(&id);
    }
}

/* ---- not verified ---------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *subject, *names;
    long from_days, until_days;
    bool is_self_signed;
    const char *host, *words[3];
} faults[] = {
    { "expired", HOST, "DNS:" HOST, -10, -1, false, HOST, { "expired on 20" } },
    { "not yet valid", HOST, "DNS:" HOST, 2, 10, false, HOST, { "not valid before 20" } },
    { "self-signed", HOST, "DNS:" HOST, -1, 10, true, HOST, { "self-signed", "--ca" } },
    { "another host", HOST, "DNS:a.example,DNS:b.example,IP:192.0.2.1", -1, 10, false, HOST,
      { "is for a.example, b.example, 192.0.2.1 but not for " HOST } },
    { "common name only", "x.example", NULL, -1, 10, false, HOST, { "is for CN = x.example" } },
    { "another address", HOST, "IP:192.0.2.1,IP:2001:db8::1", -1, 10, false, "192.0.2.2",
      { "192.0.2.1, 2001:db8::1 but not for 192.0.2.2" } },
    { "an address is no name", HOST, "DNS:192.0.2.2", -1, 10, false, "192.0.2.2",
      { "not for 192.0.2.2" } },
    { "a wildcard is one label", HOST, "DNS:*.b.example", -1, 10, false, "a.c.b.example",
      { "is for *.b.example" } },
    { "a wildcard is no part", HOST, "DNS:m*.b.example", -1, 10, false, "mail.b.example",
      { "is for m*.b.example" } },
    { "a wildcard is not a top", HOST, "DNS:*.example", -1, 10, false, HOST,
      { "is for *.example" } },
    { "many names", HOST, "DNS:a,DNS:b,DNS:c,DNS:d,DNS:e,DNS:f,DNS:g", -1, 10, false, HOST,
      { "a, b, c, d, e and 2 more" } },
    { "everything at once", HOST, "DNS:a.example", -10, -1, true, HOST,
      { "self-signed", "expired on", "is for a.example" } },
};

static void
check_fault(size_t i, bool keep, int version)
{
    wish w = { faults[i].subject, faults[i].names, faults[i].from_days, faults[i].until_days,
               false, faults[i].is_self_signed ? NULL : &ca };
    lw_tls_client_opts o = { .ca_file = ca_pem, .keep_unverified = keep };
    identity id = make_identity(&w);
    const lw_tls_facts *f;
    tls_pair p;

    contexts_open(&p, &o);
    use_identity(p.sctx, &id);
    only_version(p.sctx, version);
    shake_hands(&p, faults[i].host);
    await_both(&p);
    f = lw_conn_tls_facts(p.client.c);
    if (f->problem == NULL || f->verified || f->n_chain != 1 || f->active != keep)
        fail_msg("%s: %s", faults[i].name, f->problem == NULL ? "no problem" : f->problem);
    assert_string_equal(f->chain[0].issuer,
                        faults[i].is_self_signed ? "CN = " HOST : "CN = Test CA");
    for (size_t k = 0; k < 3 && faults[i].words[k] != NULL; k++) {
        const char *text = keep ? f->problem : lw_conn_error(p.client.c)->text;
        if (strstr(text, faults[i].words[k]) == NULL &&
            (!keep || strstr(faults[i].words[k], "--") == NULL))
            fail_msg("%s: \"%s\" does not say \"%s\"", faults[i].name, text, faults[i].words[k]);
    }
    if (keep)
        assert_both_up(&p);
    else
        assert_int_equal(lw_conn_error(p.client.c)->code, LW_ETLS);
    assert_int_equal(lw_conn_error(p.client.c)->retry, LW_RETRY_NO);
    hang_up(&p);
    contexts_close(&p);
    drop_identity(&id);
}

static void
test_verify__faults_refused_and_named(void **state)
{
    for (size_t i = 0; i < LW_COUNT(faults); i++)
        check_fault(i, false, versions[i % 2]);
}

static void
test_probe__faults_named_but_kept(void **state)
{
    for (size_t i = 0; i < LW_COUNT(faults); i++)
        check_fault(i, true, versions[i % 2]);
}

static void
test_verify__client_s_refusal_reaches_the_server(void **state)
{
    wish w = { HOST, "DNS:" HOST, -1, 10, false, NULL };
    identity id = make_identity(&w);
    tls_pair p;

    contexts_open(&p, NULL);
    use_identity(p.sctx, &id);
    only_version(p.sctx, TLS1_2_VERSION);
    shake_hands(&p, HOST);
    await_both(&p);
    assert_int_equal(lw_conn_error(p.client.c)->stage, LW_STAGE_TLS);
    assert_int_equal(lw_conn_error(p.server.c)->code, LW_ETLS);
    assert_says(lw_conn_error(p.server.c), "the client does not accept our certificate");
    hang_up(&p);
    contexts_close(&p);
    drop_identity(&id);
}

static void
assert_harmless(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
}

/* a certificate may say anything, and a terminal obeys anything */
static void
test_verify__control_characters_do_not_come_through(void **state)
{
    static const char evil[] = "a.example\r\n\x1b[2J\0b.example";
    wish w = { "evil\r\n250 ok\x1b[2J", NULL, -1, 10, false, NULL };
    lw_tls_client_opts o = { .ca_file = ca_pem, .keep_unverified = true };
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = ASN1_STRING_type_new(V_ASN1_IA5STRING);
    identity id = make_identity(&w);
    const lw_tls_facts *f;
    tls_pair p;

    ASN1_STRING_set(value, evil, sizeof evil - 1);
    GENERAL_NAME_set0_value(name, GEN_DNS, value);
    sk_GENERAL_NAME_push(names, name);
    X509_add1_ext_i2d(id.cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT);
    assert_true(X509_sign(id.cert, id.key, EVP_sha256()) > 0);
    contexts_open(&p, &o);
    use_identity(p.sctx, &id);
    shake_hands(&p, "a.example");
    await_both(&p);
    f = lw_conn_tls_facts(p.client.c);
    assert_false(f->verified);
    assert_non_null(strstr(f->problem, "is for a.example? ?[2J?b.example "));
    assert_harmless(f->problem);
    assert_harmless(f->chain[0].subject);
    assert_harmless(f->chain[0].issuer);
    hang_up(&p);
    contexts_close(&p);
    drop_identity(&id);
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
}

static void
test_verify__unknown_issuer_is_named(void **state)
{
    wish root = { "Another CA", NULL, -1, 10, true, NULL };
    identity other = make_identity(&root);
    wish w = { HOST, "DNS:" HOST, -1, 10, false, &other };
    identity id = make_identity(&w);

    for (int with_root = 0; with_root <= 1; with_root++) {
        tls_pair p;

        contexts_open(&p, NULL);
        use_identity(p.sctx, &id);
        SSL_CTX_clear_chain_certs(p.sctx->ssl);
        if (with_root)
            assert_int_equal(SSL_CTX_add1_chain_cert(p.sctx->ssl, other.cert), 1);
        shake_hands(&p, HOST);
        await_both(&p);
        assert_says(lw_conn_error(p.client.c), "an issuer that is not trusted, \"CN = Another CA\"");
        assert_int_equal(lw_conn_tls_facts(p.client.c)->n_chain, 1 + with_root);
        hang_up(&p);
        contexts_close(&p);
    }
    drop_identity(&id);
    drop_identity(&other);
}

/* nobody of the system's store has signed the test's certificates */
static void
test_verify__system_store_does_not_know_ours(void **state)
{
    lw_tls_client_opts o = { .keep_unverified = false };
    tls_pair p;

    contexts_open(&p, &o);
    shake_hands(&p, HOST);
    await_both(&p);
    assert_says(lw_conn_error(p.client.c), "not trusted");
    hang_up(&p);
    contexts_close(&p);
}

static void
test_start__called_wrongly_refused(void **state)
{
    tls_pair p;
    lw_error err;
    lw_code rc;

    contexts_open(&p, NULL);
    shake_hands(&p, HOST);
    IN(rc = lw_conn_start_tls(p.client.c, p.cctx, false, HOST, &err));
    assert_int_equal(rc, LW_EUSAGE);
    hang_up(&p);
    world_open(&p.w);
    pair_open(&p.w, &p.client, &p.server);
    IN(rc = lw_conn_start_tls(p.client.c, p.cctx, false, NULL, &err));
    assert_int_equal(rc, LW_EUSAGE); /* whose certificate would that be? */
    IN(rc = lw_conn_start_tls(p.client.c, NULL, false, HOST, &err));
    assert_int_equal(rc, LW_EUSAGE);
    hang_up(&p);
    contexts_close(&p);
}

/* ---- pins --------------------------------------------------------------------------------------------------- */

static void
pin_texts(char hex[80], char base64[80])
{
    unsigned char pin[LW_PIN_BYTES];
    lw_tls_ctx *c;

    assert_int_equal(lw_tls_server_new(NULL, HOST, good_pem, NULL, &c, NULL), LW_OK);
    assert_true(lw_pin_of(SSL_CTX_get0_certificate(c->ssl), pin));
    lw_tls_ctx_free(c);
    strcpy(hex, "sha256:");
    for (size_t i = 0; i < LW_PIN_BYTES; i++)
        snprintf(hex + 7 + 2 * i, 3, "%02X", pin[i]);
    strcpy(base64, "SHA256:");
    base64[7 + lw_base64_encode(base64 + 7, pin, sizeof pin)] = '\0';
}

static void
check_pin(const char *pin, bool keep, bool is_right)
{
    lw_tls_client_opts o = { .ca_file = ca_pem, .pin = pin, .keep_unverified = keep };
    const lw_tls_facts *f;
    tls_pair p;

    contexts_open(&p, &o);
    shake_hands(&p, HOST);
    await_both(&p);
    f = lw_conn_tls_facts(p.client.c);
    assert_int_equal(f->verified, is_right);
    assert_int_equal(f->problem == NULL, is_right);
    if (!is_right && !keep) {
        assert_says(lw_conn_error(p.client.c), "does not have the pinned key, but sha256:");
        assert_says(lw_conn_error(p.client.c), "new pin");
    }
    hang_up(&p);
    contexts_close(&p);
}

static void
test_pin__right_in_every_spelling_wrong_refused(void **state)
{
    char hex[80], base64[80];

    pin_texts(hex, base64);
    check_pin(hex, false, true);
    check_pin(base64, false, true);
    base64[strlen(base64) - 1] = '\0'; /* without its '=' */
    check_pin(base64, false, true);
    hex[7] = hex[7] == '0' ? '1' : '0';
    check_pin(hex, false, false);
    check_pin(hex, true, false);
}

static void
test_pin__malformed_is_configuration(void **state)
{
    static const char *const pins[] = {
        "", "sha256:", "abc", "sha1:0123", "sha256:00",
        "sha256:00000000000000000000000000000000000000000000000000000000000000",
        "sha256:000000000000000000000000000000000000000000000000000000000000000g",
        "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=",
        "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "sha256:!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    };

    for (size_t i = 0; i < LW_COUNT(pins); i++) {
        lw_tls_client_opts o = { .ca_file = ca_pem, .pin = pins[i] };
        lw_error err = { .code = LW_OK };
        lw_tls_ctx *c;

        if (lw_tls_client_new(NULL, &o, &c, &err) != LW_ECONFIG || c != NULL)
            fail_msg("\"%s\" is taken", pins[i]);
        assert_says(&err, "pin");
    }
}

/* ---- files -------------------------------------------------------------------------------------------------------- */

static void
test_files__unreadable_or_wrong_one_sentence(void **state)
{
    char none[96], text[96];
    lw_tls_client_opts bad[] = {
        { .ca_file = none }, { .ca_file = text }, { .ca_file = dir }, { .cert_file = none },
        { .cert_file = text }, { .cert_file = ca_pem }, { .cert_file = good_pem, .key_file = none },
        { .cert_file = good_pem, .key_file = text }, { .key_file = good_pem },
    };
    static const char *const words[] = {
        "no such file", "PEM", "PEM", "no such file", "PEM", "private key", "no such file",
        "private key", "no certificate file",
    };

    snprintf(none, sizeof none, "%s/none.pem", dir);
    snprintf(text, sizeof text, "%s/text.pem", dir);
    write_text(text, "this is no certificate\n");
    for (size_t i = 0; i < LW_COUNT(bad); i++) {
        lw_error err = { .code = LW_OK };
        lw_tls_ctx *c;

        assert_int_equal(lw_tls_client_new(NULL, &bad[i], &c, &err), LW_ECONFIG);
        assert_null(c);
        assert_int_equal(err.stage, LW_STAGE_TLS);
        assert_says(&err, words[i]);
    }
    unlink(text);
}

/* a key with a passphrase is refused; OpenSSL would ask on the terminal and wait */
static void
test_files__passphrase_is_never_asked_for(void **state)
{
    char path[96];
    lw_error err;
    lw_tls_ctx *c;
    char asked[8];
    FILE *f;

    snprintf(path, sizeof path, "%s/locked.pem", dir);
    f = fopen(path, "w");
    assert_int_equal(PEM_write_PrivateKey(f, ca.key, EVP_aes_128_cbc(),
                                          (const unsigned char *)"geheim", 6, NULL, NULL),
                     1);
    fclose(f);
    assert_int_equal(lw_tls_server_new(NULL, HOST, good_pem, path, &c, &err), LW_ECONFIG);
    assert_says(&err, "without a passphrase");
    assert_int_equal(lw_tls_server_new(NULL, HOST, good_pem, NULL, &c, &err), LW_OK);
    assert_true(SSL_CTX_get_default_passwd_cb(c->ssl)(asked, sizeof asked, 0, NULL) < 0);
    lw_tls_ctx_free(c);
    unlink(path);
}

/* ---- versions ------------------------------------------------------------------------------------------------------ */

static void
test_version__old_server_or_client_refused(void **state)
{
    for (int is_server = 0; is_server <= 1; is_server++) {
        tls_pair p;
        end *ours, *old;

        contexts_open(&p, NULL);
        only_version(is_server ? p.sctx : p.cctx, TLS1_1_VERSION);
        shake_hands(&p, HOST);
        await_both(&p);
        old = is_server ? &p.server : &p.client;
        ours = is_server ? &p.client : &p.server;
        assert_int_equal(old->told[LW_CONN_FAILED], 1);
        assert_int_equal(lw_conn_error(ours->c)->code, LW_ETLS);
        assert_says(lw_conn_error(ours->c), "does not speak TLS 1.2 or newer");
        hang_up(&p);
        contexts_close(&p);
    }
}

/* ---- client certificates ------------------------------------------------------------------------------------------- */

static void
ask_for_certificate(lw_tls_ctx *c)
{
    assert_int_equal(SSL_CTX_load_verify_file(c->ssl, ca_pem), 1);
    SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

static void
test_client_certificate__given_and_seen(void **state)
{
    for (size_t i = 0; i < LW_COUNT(versions); i++) {
        lw_tls_client_opts o = { .ca_file = ca_pem, .cert_file = good_pem };
        const lw_tls_facts *f;
        tls_pair p;

        contexts_open(&p, &o);
        ask_for_certificate(p.sctx);
        only_version(p.sctx, versions[i]);
        shake_hands(&p, HOST);
        await_both(&p);
        assert_both_up(&p);
        talk(&p);
        f = lw_conn_tls_facts(p.server.c);
        assert_true(f->verified);
        assert_int_equal(f->n_chain, 1);
        assert_string_equal(f->chain[0].subject, "CN = " HOST);
        hang_up(&p);
        contexts_close(&p);
    }
}

/* with TLS 1.3 the client learns of it when its handshake is long done */
static void
test_client_certificate__missing_is_named(void **state)
{
    for (size_t i = 0; i < LW_COUNT(versions); i++) {
        tls_pair p;

        contexts_open(&p, NULL);
        ask_for_certificate(p.sctx);
        only_version(p.sctx, versions[i]);
        shake_hands(&p, HOST);
        await_both(&p);
        assert_int_equal(p.server.told[LW_CONN_FAILED], 1);
        if (versions[i] == TLS1_3_VERSION) {
            assert_int_equal(p.client.told[LW_CONN_TLS], 1);
            end_start_reading(&p.client);
            RUN_UNTIL(&p.w, p.client.failed < 0);
            assert_says(lw_conn_error(p.client.c), "wants a client certificate");
        }
        assert_int_equal(lw_conn_error(p.client.c)->code, LW_ETLS);
        hang_up(&p);
        contexts_close(&p);
    }
}

/* ---- resumption and channel binding ----------------------------------------------------------------------------------- */

/* RFC 9266 2; RFC 5929 3.1 */
static void
assert_bound(tls_pair *p, int version)
{
    unsigned char ce[32] = { 0 }, se[32] = { 1 }, cu[64] = { 0 }, su[64] = { 1 };
    bool has_ce, has_se;
    size_t cu_len, su_len;

    assert_true(lw_conn_channel_binding(p->client.c, ce, &has_ce, cu, &cu_len));
    assert_true(lw_conn_channel_binding(p->server.c, se, &has_se, su, &su_len));
    assert_int_equal(has_ce, version == TLS1_3_VERSION);
    assert_int_equal(has_se, has_ce);
    assert_int_equal(cu_len, version == TLS1_2_VERSION ? 12 : 0);
    assert_int_equal(su_len, cu_len);
    if (has_ce)
        assert_memory_equal(ce, se, sizeof ce);
    if (cu_len > 0) {
        /* the first Finished: the client's, or the server's when the session is resumed */
        const end *first = lw_conn_tls_facts(p->client.c)->resumed ? &p->server : &p->client;
        unsigned char finished[64];

        assert_int_equal(SSL_get_finished(first->c->tls->ssl, finished, sizeof finished), cu_len);
        assert_memory_equal(cu, finished, cu_len);
        assert_memory_equal(cu, su, cu_len);
    }
}

/* one connection; was it resumed? */
static bool
connect_once(tls_pair *p, const char *host, int version, bool with_shutdown)
{
    bool resumed;

    shake_hands(p, host);
    await_both(p);
    assert_both_up(p);
    talk(p);
    resumed = lw_conn_tls_facts(p->client.c)->resumed;
    assert_int_equal(lw_conn_tls_facts(p->server.c)->resumed, resumed);
    assert_true(lw_conn_tls_facts(p->client.c)->verified);
    assert_int_equal(lw_conn_tls_facts(p->client.c)->n_chain, 1);
    assert_bound(p, version);
    if (with_shutdown)
        IN(lw_conn_shutdown(p->client.c));
    hang_up(p);
    return resumed;
}

static void
test_resumption__second_connection_resumes(void **state)
{
    for (size_t i = 0; i < LW_COUNT(versions); i++) {
        tls_pair p;

        contexts_open(&p, NULL);
        only_version(p.sctx, versions[i]);
        assert_false(connect_once(&p, HOST, versions[i], true));
        for (int n = 0; n < 3; n++)
            assert_true(connect_once(&p, HOST, versions[i], true));
        /* OpenSSL forgets sessions of connections that were not shut down, unless told */
        assert_true(connect_once(&p, HOST, versions[i], false));
        assert_true(connect_once(&p, HOST, versions[i], false));
        contexts_close(&p);
    }
}

static void
test_resumption__never_for_another_host(void **state)
{
    wish w = { HOST, "DNS:" HOST ",DNS:b.example", -1, 10, false, &ca };
    identity id = make_identity(&w);
    tls_pair p;

    contexts_open(&p, NULL);
    use_identity(p.sctx, &id);
    assert_false(connect_once(&p, HOST, TLS1_3_VERSION, true));
    assert_false(connect_once(&p, "b.example", TLS1_3_VERSION, true));
    assert_true(connect_once(&p, HOST, TLS1_3_VERSION, true));
    contexts_close(&p);
    drop_identity(&id);
}

/* what was not verified must not come back as verified */
static void
test_resumption__never_of_an_unverified_one(void **state)
{
    for (size_t i = 0; i < LW_COUNT(versions); i++) {
        wish w = { HOST, "DNS:" HOST, -1, 10, false, NULL };
        lw_tls_client_opts o = { .ca_file = ca_pem, .keep_unverified = true };
        identity id = make_identity(&w);
        tls_pair p;

        contexts_open(&p, &o);
        use_identity(p.sctx, &id);
        only_version(p.sctx, versions[i]);
        for (int n = 0; n < 2; n++) {
            shake_hands(&p, HOST);
            await_both(&p);
            assert_both_up(&p);
            talk(&p);
            assert_false(lw_conn_tls_facts(p.client.c)->resumed);
            assert_false(lw_conn_tls_facts(p.client.c)->verified);
            assert_non_null(lw_conn_tls_facts(p.client.c)->problem);
            hang_up(&p);
        }
        contexts_close(&p);
        drop_identity(&id);
    }
}

static void
test_sessions__bounded_oldest_goes(void **state)
{
    lw_tls_client_opts o = { .ca_file = ca_pem };
    char key[32];
    lw_tls_ctx *c;
    SSL_SESSION *s;

    assert_int_equal(lw_tls_client_new(NULL, &o, &c, NULL), LW_OK);
    for (int i = 0; i <= LW_SESSIONS_MAX; i++) {
        unsigned char id[2] = { (unsigned char)i, 1 };

        snprintf(key, sizeof key, "host%d 25", i);
        s = SSL_SESSION_new();
        SSL_SESSION_set_protocol_version(s, TLS1_2_VERSION);
        SSL_SESSION_set1_id(s, id, sizeof id);
        lw_session_save(c, key, s);
    }
    assert_null(lw_session_find(c, "host0 25"));
    for (int i = 1; i <= LW_SESSIONS_MAX; i++) {
        snprintf(key, sizeof key, "host%d 25", i);
        s = lw_session_find(c, key);
        assert_non_null(s);
        SSL_SESSION_free(s);
    }
    lw_tls_ctx_free(c);
}

/* RFC 8446 C.4: a ticket that is seen twice tells that both are the same client */
static void
test_sessions__ticket_of_tls_1_3_is_used_once(void **state)
{
    for (size_t i = 0; i < LW_COUNT(versions); i++) {
        lw_tls_client_opts o = { .ca_file = ca_pem };
        SSL_SESSION *s = SSL_SESSION_new(), *again;
        lw_tls_ctx *c;

        assert_int_equal(lw_tls_client_new(NULL, &o, &c, NULL), LW_OK);
        SSL_SESSION_set_protocol_version(s, versions[i]);
        SSL_SESSION_set1_id(s, (const unsigned char *)"id", 2);
        lw_session_save(c, HOST " 25", s);
        s = lw_session_find(c, HOST " 25");
        again = lw_session_find(c, HOST " 25");
        assert_non_null(s);
        assert_int_equal(again != NULL, versions[i] == TLS1_2_VERSION);
        SSL_SESSION_free(s);
        SSL_SESSION_free(again);
        lw_tls_ctx_free(c);
    }
}

static void
test_binding__none_without_tls(void **state)
{
    unsigned char exporter[32], unique[64];
    bool has_exporter = true;
    size_t len = 1;
    world w;
    end a, b;

    world_open(&w);
    pair_open(&w, &a, &b);
    assert_false(lw_conn_channel_binding(a.c, exporter, &has_exporter, unique, &len));
    assert_false(has_exporter);
    assert_int_equal(len, 0);
    pair_close(&w, &a, &b);
}

/* the context goes first, the connections do not mind */
static void
test_context__lives_as_long_as_its_connections(void **state)
{
    tls_pair p;

    contexts_open(&p, NULL);
    shake_hands(&p, HOST);
    contexts_close(&p);
    await_both(&p);
    assert_both_up(&p);
    talk(&p);
    hang_up(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify__good_certificate_facts_are_told),
        cmocka_unit_test(test_throw_away__its_names_and_no_other),
        cmocka_unit_test(test_start__server_learns_the_name),
        cmocka_unit_test(test_verify__names_that_are_right),
        cmocka_unit_test(test_verify__faults_refused_and_named),
        cmocka_unit_test(test_probe__faults_named_but_kept),
        cmocka_unit_test(test_verify__client_s_refusal_reaches_the_server),
        cmocka_unit_test(test_verify__control_characters_do_not_come_through),
        cmocka_unit_test(test_verify__unknown_issuer_is_named),
        cmocka_unit_test(test_verify__system_store_does_not_know_ours),
        cmocka_unit_test(test_start__called_wrongly_refused),
        cmocka_unit_test(test_pin__right_in_every_spelling_wrong_refused),
        cmocka_unit_test(test_pin__malformed_is_configuration),
        cmocka_unit_test(test_files__unreadable_or_wrong_one_sentence),
        cmocka_unit_test(test_files__passphrase_is_never_asked_for),
        cmocka_unit_test(test_version__old_server_or_client_refused),
        cmocka_unit_test(test_client_certificate__given_and_seen),
        cmocka_unit_test(test_client_certificate__missing_is_named),
        cmocka_unit_test(test_resumption__second_connection_resumes),
        cmocka_unit_test(test_resumption__never_for_another_host),
        cmocka_unit_test(test_resumption__never_of_an_unverified_one),
        cmocka_unit_test(test_sessions__bounded_oldest_goes),
        cmocka_unit_test(test_sessions__ticket_of_tls_1_3_is_used_once),
        cmocka_unit_test(test_binding__none_without_tls),
        cmocka_unit_test(test_context__lives_as_long_as_its_connections),
    };

    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
