/* SPDX-License-Identifier: MIT */
/*
 * net/tls_verify.c - is this the server we want?  Chain, time, name, pin
 *
 * Verification goes on after the first fault, so that a person hears of all of them at once;
 * any fault at all means: not verified.
 */
#include "net/net_int.h"

#include <arpa/inet.h>
#include <stdio.h>

#define NAMES_MAX 5 /* names of a certificate that are told */

/* ---- words ---------------------------------------------------------------------------------------- */

static void
add_day(lw_buf *b, const ASN1_TIME *time)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(time, &tm) == 1)
        lw_buf_add_fmt(b, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    else
        lw_buf_add_str(b, "an unreadable date");
}

static void
add_shown(lw_buf *b, const void *ptr, size_t len)
{
    char text[128];

    lw_print_safe(text, sizeof text, (lw_span){ ptr, len });
    lw_buf_add_str(b, text);
}

static void
add_general_name(lw_buf *b, const GENERAL_NAME *name)
{
    char text[INET6_ADDRSTRLEN] = "an address";
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    const unsigned char *ptr = ASN1_STRING_get0_data(value);
    int len = ASN1_STRING_length(value);

    if (type == GEN_DNS) {
        add_shown(b, ptr, (size_t)len);
        return;
    }
    if (len == 4 || len == 16)
        inet_ntop(len == 4 ? AF_INET : AF_INET6, ptr, text, sizeof text);
    lw_buf_add_str(b, text);
}

static bool
is_host_name(const GENERAL_NAME *name)
{
    int type;

    GENERAL_NAME_get0_value(name, &type);
    return type == GEN_DNS || type == GEN_IPADD;
}

static void
add_subject(lw_buf *b, X509 *cert)
{
    char name[256];

    lw_x509_name(X509_get_subject_name(cert), name, sizeof name);
    lw_buf_add_str(b, name[0] == '\0' ? "nobody" : name);
}

static void
add_names(lw_buf *b, X509 *cert)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    int n = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (!is_host_name(name))
            continue;
        if (++n > NAMES_MAX)
            continue;
        lw_buf_add_str(b, n > 1 ? ", " : "");
        add_general_name(b, name);
    }
    if (n == 0)
        add_subject(b, cert);
    if (n > NAMES_MAX)
        lw_buf_add_fmt(b, " and %d more", n - NAMES_MAX);
    GENERAL_NAMES_free(names);
}

static void
add_issuer(lw_buf *b, X509 *cert)
{
    char name[256];

    lw_x509_name(X509_get_issuer_name(cert), name, sizeof name);
    lw_buf_add_fmt(b, "\"%s\"", name);
}

static void
add_pin(lw_buf *b, const unsigned char pin[LW_PIN_BYTES])
{
    for (size_t i = 0; i < LW_PIN_BYTES; i++)
        lw_buf_add_fmt(b, "%02x", pin[i]);
}

/* ---- faults ----------------------------------------------------------------------------------------- */

static lw_fault
fault_of(int error)
{
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return LW_FAULT_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return LW_FAULT_NOT_YET;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return LW_FAULT_SELF_SIGNED;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
        return LW_FAULT_ISSUER;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return LW_FAULT_NAME;
    default:
        return LW_FAULT_OTHER;
    }
}

static void
add_fault(lw_tls *t, lw_buf *b, lw_fault fault, X509_STORE_CTX *store)
{
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    X509 *cert = X509_STORE_CTX_get_current_cert(store);
    bool is_leaf = cert == NULL || X509_STORE_CTX_get_error_depth(store) == 0;

    cert = cert == NULL ? leaf : cert;
    if (!is_leaf && (fault == LW_FAULT_EXPIRED || fault == LW_FAULT_NOT_YET))
        lw_buf_add_str(b, "has an issuer whose certificate ");
    switch (fault) {
    case LW_FAULT_EXPIRED:
        lw_buf_add_str(b, "expired on ");
        add_day(b, X509_get0_notAfter(cert));
        return;
    case LW_FAULT_NOT_YET:
        lw_buf_add_str(b, "is not valid before ");
        add_day(b, X509_get0_notBefore(cert));
        return;
    case LW_FAULT_SELF_SIGNED:
        lw_buf_add_str(b, "is self-signed");
        return;
    case LW_FAULT_ISSUER:
        lw_buf_add_str(b, "has an issuer that is not trusted, ");
        add_issuer(b, cert);
        return;
    case LW_FAULT_NAME:
        lw_buf_add_str(b, "is for ");
        add_names(b, leaf);
        lw_buf_add_fmt(b, " but not for %s", t->host);
        return;
    case LW_FAULT_PIN:
        return; /* told by check_pin */
    case LW_FAULT_OTHER:
        lw_buf_add_fmt(b, "cannot be verified (%s)",
                       X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
        return;
    }
}

/* "the certificate is self-signed and expired on 2026-01-31" */
static void
append_problem(lw_tls *t, lw_span text)
{
    size_t len = strlen(t->problem);

    snprintf(t->problem + len, sizeof t->problem - len, "%s%.*s",
             len == 0 ? "the certificate " : " and ", (int)text.len, text.ptr);
}

static void
note(lw_tls *t, lw_fault fault, X509_STORE_CTX *store)
{
    lw_buf b;

    if (t->faults & 1u << fault)
        return;
    if (t->faults == 0)
        t->first_fault = X509_STORE_CTX_get_error(store);
    t->faults |= 1u << fault;
    lw_buf_init(&b, t->alloc, LW_PROBLEM_MAX);
    add_fault(t, &b, fault, store);
    if (b.len > 0)
        append_problem(t, lw_buf_span(&b));
    lw_buf_deinit(&b);
}

static lw_tls *
tls_of(X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());

    return SSL_get_app_data(ssl);
}

static int
on_fault(int ok, X509_STORE_CTX *store)
{
    if (!ok)
        note(tls_of(store), fault_of(X509_STORE_CTX_get_error(store)), store);
    return 1; /* go on: there may be more to tell */
}

static void
check_pin(lw_tls *t, X509_STORE_CTX *store)
{
    unsigned char pin[LW_PIN_BYTES] = { 0 };
    bool is_known = lw_pin_of(X509_STORE_CTX_get0_cert(store), pin);
    lw_buf b;

    if (is_known && CRYPTO_memcmp(pin, t->ctx->pin, sizeof pin) == 0)
        return;
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    note(t, LW_FAULT_PIN, store);
    lw_buf_init(&b, t->alloc, LW_PROBLEM_MAX);
    lw_buf_add_str(&b, "does not have the pinned key, but sha256:");
    add_pin(&b, pin);
    append_problem(t, lw_buf_span(&b));
    lw_buf_deinit(&b);
}

int
lw_tls_verify(X509_STORE_CTX *store, void *ctx)
{
    lw_tls *t = tls_of(store);

    (void)ctx;
    lw_tls_facts_chain(t, X509_STORE_CTX_get0_untrusted(store));
    X509_STORE_CTX_set_verify_cb(store, on_fault);
    if (X509_verify_cert(store) <= 0)
        note(t, LW_FAULT_OTHER, store);
    if (t->ctx->has_pin)
        check_pin(t, store);
    if (t->faults == 0)
        return 1;
    t->facts.problem = t->problem;
    X509_STORE_CTX_set_error(store, t->first_fault);
    return t->ctx->keep_unverified ? 1 : 0;
}
