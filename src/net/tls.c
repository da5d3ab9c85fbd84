/* SPDX-License-Identifier: MIT */
/*
 * net/tls.c - TLS contexts: what to trust, which certificate to show, what is allowed
 *
 * Nothing of OpenSSL is touched before the first context is made.  The trust store of the
 * system is looked up by hash, one file a certificate, because reading all of it takes longer
 * than sending a message.
 */
#include "net/net_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* ---- OpenSSL's errors ----------------------------------------------------------------------- */

const char *
lw_tls_reason(char *dst, size_t cap)
{
    unsigned long e = ERR_peek_error();
    const char *reason = e == 0 ? NULL : ERR_reason_error_string(e);

    if (ERR_SYSTEM_ERROR(e))
        lw_os_text(ERR_GET_REASON(e), dst, cap);
    else
        lw_print_safe(dst, cap, lw_span_str(reason == NULL ? "no details" : reason));
    ERR_clear_error();
    return dst;
}

static lw_code
no_memory(lw_error *err)
{
    ERR_clear_error();
    return lw_fail(err, LW_ENOMEM, LW_STAGE_TLS, "out of memory for TLS");
}

/* ---- files ------------------------------------------------------------------------------------ */

/* a file that cannot be opened is told with the system's reason, not with OpenSSL's */
static lw_code
check_readable(const char *what, const char *path, lw_error *err)
{
    char text[64];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int os_err = errno;

    if (fd >= 0) {
        close(fd);
        return LW_OK;
    }
    lw_fail(err, LW_ECONFIG, LW_STAGE_TLS, "the %s file %s cannot be read: %s", what, path,
            lw_os_text(os_err, text, sizeof text));
    if (err != NULL)
        err->os_err = os_err;
    return LW_ECONFIG;
}

static lw_code
bad_file(const char *what, const char *path, const char *remedy, lw_error *err)
{
    char reason[128];

    lw_tls_reason(reason, sizeof reason);
    return lw_fail(err, LW_ECONFIG, LW_STAGE_TLS, "the %s file %s cannot be used (%s): %s",
                   what, path, reason, remedy);
}

/* OpenSSL would ask on the terminal */
static int
no_passphrase(char *buf, int size, int rwflag, void *ctx)
{
    (void)buf, (void)size, (void)rwflag, (void)ctx;
    return -1;
}

lw_code
lw_tls_ctx_use_files(lw_tls_ctx *c, const char *cert, const char *key, lw_error *err)
{
    lw_code rc;

    if (key == NULL)
        key = cert;
    if ((rc = check_readable("certificate", cert, err)) < 0 ||
        (rc = check_readable("key", key, err)) < 0)
        return rc;
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(c->ssl, cert) != 1)
        return bad_file("certificate", cert, "it must hold certificates in PEM form, the "
                        "own one first", err);
    if (SSL_CTX_use_PrivateKey_file(c->ssl, key, SSL_FILETYPE_PEM) != 1)
        return bad_file("key", key, "it must hold the certificate's private key in PEM form, "
                        "without a passphrase", err);
    return LW_OK;
}

/* ---- whom to trust -------------------------------------------------------------------------------- */

static bool
is_hash_name(const char *name)
{
    for (size_t i = 0; i < 8; i++)
        if (lw_hex_value(name[i]) < 0)
            return false;
    return name[8] == '.' && lw_is_digit(name[9]);
}

/* holds a certificate under its hash */
static bool
is_hashed_dir(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    bool found = false;

    if (dir == NULL)
        return false;
    while (!found && (entry = readdir(dir)) != NULL)
        found = is_hash_name(entry->d_name);
    closedir(dir);
    return found;
}

/* where other systems keep one file with all certificates */
static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
};

/* A system without any store trusts nobody: the handshake says so. */
static void
trust_system(lw_tls_ctx *c)
{
    const char *file = X509_get_default_cert_file();

    if (is_hashed_dir(X509_get_default_cert_dir())) {
        SSL_CTX_load_verify_dir(c->ssl, X509_get_default_cert_dir());
    } else if (access(file, R_OK) == 0) {
        SSL_CTX_load_verify_file(c->ssl, file);
    } else {
        for (size_t i = 0; i < LW_COUNT(bundles); i++)
            if (access(bundles[i], R_OK) == 0 &&
                SSL_CTX_load_verify_file(c->ssl, bundles[i]) == 1)
                break;
    }
    ERR_clear_error();
}

static lw_code
trust_file(lw_tls_ctx *c, const char *path, lw_error *err)
{
    lw_code rc = check_readable("CA", path, err);

    if (rc < 0)
        return rc;
    ERR_clear_error();
    if (SSL_CTX_load_verify_file(c->ssl, path) != 1)
        return bad_file("CA", path, "it must hold certificates in PEM form", err);
    /* whatever stands in the file is trusted, a server's own certificate too */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(c->ssl), X509_V_FLAG_PARTIAL_CHAIN);
    if ((c->ca_file = lw_strdup(c->alloc, path)) == NULL)
        return no_memory(err);
    return LW_OK;
}

/* ---- contexts ---------------------------------------------------------------------------------------- */

static void
set_options(SSL_CTX *ssl)
{
    /* RFC 8314 asks for 1.1 at least; that has been given up since (RFC 8996) */
    SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 /* SMTP tells itself whether an end came too early */
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_read_ahead(ssl, 1); /* a record in one recv, not in two */
    SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
}

lw_code
lw_tls_ctx_make(const lw_alloc *alloc, bool is_server, lw_tls_ctx **out, lw_error *err)
{
    lw_tls_ctx *c;
    lw_code rc;

    *out = NULL;
    if ((rc = lw_openssl_load(err)) < 0)
        return rc;
    if ((c = lw_zalloc(alloc, sizeof *c)) == NULL)
        return no_memory(err);
    c->alloc_copy = *lw_alloc_or_default(alloc);
    c->alloc = &c->alloc_copy;
    c->refs = 1;
    c->bio = lw_tls_bio_method();
    c->ssl = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    if (c->bio == NULL || c->ssl == NULL) {
        lw_tls_ctx_free(c);
        return no_memory(err);
    }
    set_options(c->ssl);
    *out = c;
    return LW_OK;
}

/* OpenSSL's session callback: 1 = the session is ours now.  Only sessions without a fault are
 * kept, because a resumed one is not verified again.  In TLS 1.3 this runs after the handshake,
 * when the server's tickets are read. */
static int
on_session(SSL *ssl, SSL_SESSION *session)
{
    lw_tls *t = SSL_get_app_data(ssl);

    if (t == NULL || t->key == NULL || t->faults != 0)
        return 0;
    lw_session_save(t->ctx, t->key, session);
    return 1;
}

static lw_code
configure_client(lw_tls_ctx *c, const lw_tls_client_opts *o, lw_error *err)
{
    lw_code rc = LW_OK;

    c->keep_unverified = o->keep_unverified;
    SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(c->ssl, lw_tls_verify, NULL);
    SSL_CTX_set_session_cache_mode(c->ssl,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c->ssl, on_session);
    if (o->pin != NULL) {
        if ((rc = lw_pin_parse(o->pin, c->pin, err)) < 0)
            return rc;
        c->has_pin = true;
    }
    if (o->cert_file != NULL)
        rc = lw_tls_ctx_use_files(c, o->cert_file, o->key_file, err);
    if (rc < 0)
        return rc;
    if (o->ca_file != NULL)
        return trust_file(c, o->ca_file, err);
    trust_system(c);
    return LW_OK;
}

lw_code
lw_tls_client_new(const lw_alloc *alloc, const lw_tls_client_opts *opts, lw_tls_ctx **out,
                  lw_error *err)
{
    lw_tls_ctx *c;
    lw_code rc;

    *out = NULL;
    if (opts->cert_file == NULL && opts->key_file != NULL)
        return lw_fail(err, LW_ECONFIG, LW_STAGE_TLS,
                       "a key file is given but no certificate file");
    if ((rc = lw_tls_ctx_make(alloc, false, &c, err)) < 0)
        return rc;
    if ((rc = configure_client(c, opts, err)) < 0) {
        lw_tls_ctx_free(c);
        return rc;
    }
    *out = c;
    return LW_OK;
}

void
lw_tls_ctx_free(lw_tls_ctx *c)
{
    lw_alloc alloc;

    if (c == NULL || --c->refs > 0)
        return;
    alloc = c->alloc_copy;
    for (size_t i = 0; i < LW_SESSIONS_MAX; i++) {
        lw_release(&alloc, c->saved[i].key);
        SSL_SESSION_free(c->saved[i].session);
    }
    SSL_CTX_free(c->ssl);
    BIO_meth_free(c->bio);
    lw_release(&alloc, c->ca_file);
    lw_release(&alloc, c->pem);
    lw_wipe(c->record, sizeof c->record); /* a password went through it */
    lw_release(&alloc, c->spare);
    lw_release(&alloc, c);
}
