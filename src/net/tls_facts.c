/* SPDX-License-Identifier: MIT */
/* net/tls_facts.c - what was negotiated, the certificates, and what binds a login to the channel */
#include "net/net_int.h"

#include <stdio.h>
#include <time.h>

#define CHAIN_MAX 16
#define NAME_MAX_BYTES 256

/* ---- certificates ----------------------------------------------------------------------------------- */

void
lw_x509_name(const X509_NAME *name, char *dst, size_t cap)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long len = 0;

    if (bio != NULL &&
        X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >=
            0)
        len = BIO_get_mem_data(bio, &text);
    lw_print_safe(dst, cap, (lw_span){ text, len > 0 ? (size_t)len : 0 });
    BIO_free(bio);
}

static char *
dup_name(const lw_alloc *alloc, const X509_NAME *name)
{
    char text[NAME_MAX_BYTES];

    lw_x509_name(name, text, sizeof text);
    return lw_strdup(alloc, text);
}

static int64_t
unix_time(const ASN1_TIME *time)
{
    struct tm tm;

    return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static bool
add_certificate(lw_tls *t, X509 *cert)
{
    lw_certificate *c = &t->chain[t->n_chain];

    c->subject = dup_name(t->alloc, X509_get_subject_name(cert));
    c->issuer = dup_name(t->alloc, X509_get_issuer_name(cert));
    c->not_before = unix_time(X509_get0_notBefore(cert));
    c->not_after = unix_time(X509_get0_notAfter(cert));
    t->n_chain++;
    return c->subject != NULL && c->issuer != NULL;
}

static void
forget_chain(lw_tls *t)
{
    for (size_t i = 0; i < t->n_chain; i++) {
        lw_release(t->alloc, (void *)(uintptr_t)t->chain[i].subject);
        lw_release(t->alloc, (void *)(uintptr_t)t->chain[i].issuer);
    }
    lw_release(t->alloc, t->chain);
    t->chain = NULL;
    t->n_chain = 0;
    t->facts.chain = NULL;
    t->facts.n_chain = 0;
}

void
lw_tls_facts_chain(lw_tls *t, STACK_OF(X509) *chain)
{
    int n = chain == NULL ? 0 : sk_X509_num(chain);
    bool ok = true;

    forget_chain(t);
    n = n > CHAIN_MAX ? CHAIN_MAX : n;
    if (n <= 0 || (t->chain = lw_zalloc_array(t->alloc, (size_t)n, sizeof *t->chain)) == NULL)
        return;
    for (int i = 0; ok && i < n; i++)
        ok = add_certificate(t, sk_X509_value(chain, i));
    if (!ok) {
        forget_chain(t);
        return;
    }
    t->facts.chain = t->chain;
    t->facts.n_chain = t->n_chain;
}

void
lw_tls_facts_deinit(lw_tls *t)
{
    forget_chain(t);
}

/* A server's chain lacks the client's own certificate, a client's begins with the server's. */
static void
copy_peer_chain(lw_tls *t)
{
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(t->ssl), *whole;

    if (!t->is_server) {
        lw_tls_facts_chain(t, chain);
        return;
    }
    whole = sk_X509_new_null();
    if (whole != NULL && sk_X509_push(whole, SSL_get0_peer_certificate(t->ssl)) > 0) {
        for (int i = 0; i < sk_X509_num(chain); i++)
            sk_X509_push(whole, sk_X509_value(chain, i));
        lw_tls_facts_chain(t, whole);
    }
    sk_X509_free(whole);
}

/* ---- the handshake is done --------------------------------------------------------------------------- */

void
lw_tls_facts_done(lw_tls *t)
{
    lw_tls_facts *f = &t->facts;
    bool has_cert = SSL_get0_peer_certificate(t->ssl) != NULL;

    f->active = true;
    f->version = SSL_get_version(t->ssl);
    f->cipher = SSL_get_cipher_name(t->ssl);
    f->resumed = SSL_session_reused(t->ssl) == 1;
    /* a resumed session was verified when it was made, under the same policy */
    f->verified = has_cert && t->faults == 0 && SSL_get_verify_result(t->ssl) == X509_V_OK;
    if (t->n_chain == 0 && has_cert)
        copy_peer_chain(t);
    ERR_clear_error();
}

/* ---- channel binding ------------------------------------------------------------------------------------ */

/* [RFC9266 2] "The ASCII string "EXPORTER-Channel-Binding" with no terminating NUL" */
static bool
get_exporter(SSL *ssl, unsigned char exporter[32])
{
    static const char label[] = "EXPORTER-Channel-Binding";

    return SSL_version(ssl) >= TLS1_3_VERSION &&
           SSL_export_keying_material(ssl, exporter, 32, label, sizeof label - 1, NULL, 0, 0) == 1;
}

/* [RFC5929 3.1] "The first TLS Finished message sent": the client's in a full handshake, the
 * server's in a resumed one.  Without an extended master secret it binds to nothing that a
 * man in the middle could not arrange (RFC 7627). */
static size_t
get_unique(const lw_tls *t, unsigned char unique[64])
{
    bool is_ours = t->is_server == t->facts.resumed;

    if (SSL_version(t->ssl) != TLS1_2_VERSION || SSL_get_extms_support(t->ssl) != 1)
        return 0;
    return is_ours ? SSL_get_finished(t->ssl, unique, 64)
                   : SSL_get_peer_finished(t->ssl, unique, 64);
}

bool
lw_conn_channel_binding(lw_conn *c, unsigned char exporter[32], bool *has_exporter,
                        unsigned char unique[64], size_t *unique_len)
{
    *has_exporter = false;
    *unique_len = 0;
    if (c->tls == NULL || !c->tls->is_done)
        return false;
    *has_exporter = get_exporter(c->tls->ssl, exporter);
    *unique_len = get_unique(c->tls, unique);
    ERR_clear_error();
    return true;
}
