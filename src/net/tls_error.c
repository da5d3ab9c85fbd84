/* SPDX-License-Identifier: MIT */
/*
 * net/tls_error.c - why TLS failed, in one sentence with the remedy
 *
 * A peer that does not speak TLS is known by its first octets, not by what OpenSSL makes of
 * them.
 */
#include "net/net_int.h"

#include <stdio.h>

#define ALERT(reason) ((reason) - SSL_AD_REASON_OFFSET)

static const char *
peer(const lw_tls *t)
{
    return t->is_server ? "client" : "server";
}

static lw_code fail(lw_tls *t, lw_code code, lw_retry retry, const char *fmt, ...)
    LW_PRINTF(4, 5);

static lw_code
fail(lw_tls *t, lw_code code, lw_retry retry, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    lw_vfail(t->err, code, LW_STAGE_TLS, fmt, ap);
    va_end(ap);
    t->err->retry = retry;
    return code;
}

/* ---- a certificate that is not accepted ------------------------------------------------------------- */

static const char *
remedy(const lw_tls *t)
{
    if (t->faults & 1u << LW_FAULT_PIN)
        return "if the server's key was changed on purpose, set the new pin";
    if (t->faults & (1u << LW_FAULT_SELF_SIGNED | 1u << LW_FAULT_ISSUER))
        return "if you know that it is genuine, give it or its issuer as the CA file (--ca)";
    if (t->faults & 1u << LW_FAULT_NAME)
        return "use the name that the certificate is for";
    if (t->faults & (1u << LW_FAULT_EXPIRED | 1u << LW_FAULT_NOT_YET))
        return "the server needs a new one, or this machine's clock is wrong";
    return "the server's administrator must mend it";
}

static lw_code
explain_certificate(lw_tls *t)
{
    return fail(t, LW_ETLS, LW_RETRY_NO, "the server %s cannot be trusted: %s; %s", t->host,
                t->problem, remedy(t));
}

/* ---- a peer that does not speak TLS ------------------------------------------------------------------ */

/* content types 20..24 and major version 3: RFC 8446, 5.1 */
static bool
looks_like_tls(const lw_tls *t)
{
    return t->first_len == 0 || (t->first[0] >= 20 && t->first[0] <= 24 &&
                                 (t->first_len < 2 || t->first[1] == 3));
}

static bool
looks_like_smtp(lw_span s)
{
    return s.len >= 4 && s.ptr[0] >= '2' && s.ptr[0] <= '5' && lw_is_digit(s.ptr[1]) &&
           lw_is_digit(s.ptr[2]) && (s.ptr[3] == ' ' || s.ptr[3] == '-');
}

/* the first line */
static void
show_first(const lw_tls *t, char *dst, size_t cap)
{
    lw_span s = { t->first, t->first_len };

    s.len = lw_span_find(s, '\n');
    if (s.len > 0 && s.ptr[s.len - 1] == '\r')
        s.len--;
    lw_print_safe(dst, cap, s);
}

static lw_code
explain_plain_text(lw_tls *t)
{
    lw_span first = { t->first, t->first_len };
    unsigned port = t->port;
    char said[LW_TLS_FIRST_MAX + 1];

    show_first(t, said, sizeof said);
    if (t->is_server)
        return fail(t, LW_ETLS, LW_RETRY_NO, "the client does not speak TLS here (it sent "
                    "\"%s\")", said);
    if (t->is_starttls)
        return fail(t, LW_ETLS, LW_RETRY_NO, "the server agreed to STARTTLS but then did not "
                    "speak TLS (it sent \"%s\")", said);
    if (looks_like_smtp(first))
        return fail(t, LW_ETLS, LW_RETRY_NO, "port %u speaks plain text first: use smtp:// "
                    "instead of smtps:// (it sent \"%s\")", port, said);
    if (lw_span_starts_nocase(first, LW_LIT("HTTP/")))
        return fail(t, LW_ETLS, LW_RETRY_NO, "port %u belongs to an HTTP server, not to a "
                    "mail server (it sent \"%s\")", port, said);
    return fail(t, LW_ETLS, LW_RETRY_NO, "port %u does not speak TLS (it sent \"%s\"); is it "
                "the right one?", port, said);
}

/* ---- everything else ---------------------------------------------------------------------------------- */

static lw_code
explain_lost(lw_tls *t)
{
    char text[64];

    if (t->os_err == 0)
        return fail(t, LW_ELOST, LW_RETRY_LATER,
                    "the %s closed the connection during the TLS handshake", peer(t));
    fail(t, LW_ELOST, LW_RETRY_LATER, "the connection was lost during the TLS handshake: %s",
         lw_os_text(t->os_err, text, sizeof text));
    t->err->os_err = t->os_err;
    return LW_ELOST;
}

/* the peer has sent a fatal alert */
static lw_code
explain_alert(lw_tls *t, int alert)
{
    const char *name = SSL_alert_desc_string_long(alert);

    switch (alert) {
    case SSL_AD_PROTOCOL_VERSION:
        return fail(t, LW_ETLS, LW_RETRY_NO, "the %s does not speak TLS 1.2 or newer; older "
                    "versions are not safe", peer(t));
    case TLS13_AD_CERTIFICATE_REQUIRED:
        return fail(t, LW_ETLS, LW_RETRY_NO, "the %s wants a client certificate: give one "
                    "(--cert, --key)", peer(t));
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
        return fail(t, LW_ETLS, LW_RETRY_NO, "the %s does not accept our certificate (alert: "
                    "%s)", peer(t), name);
    default:
        return fail(t, LW_ETLS, LW_RETRY_NO, "the %s ended TLS (alert: %s)", peer(t), name);
    }
}

static lw_code
explain_error(lw_tls *t)
{
    unsigned long e = ERR_peek_error();
    int reason = ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_GET_REASON(e) : 0;
    char text[128];

    if (reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256) {
        ERR_clear_error();
        return explain_alert(t, ALERT(reason));
    }
    if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_WRONG_SSL_VERSION ||
        reason == SSL_R_VERSION_TOO_LOW) {
        ERR_clear_error();
        return explain_alert(t, SSL_AD_PROTOCOL_VERSION);
    }
    return fail(t, LW_ETLS, LW_RETRY_NO, "TLS failed: %s", lw_tls_reason(text, sizeof text));
}

lw_code
lw_tls_explain(lw_tls *t, int ssl_err)
{
    lw_code rc;

    if (t->faults != 0 && !t->ctx->keep_unverified)
        rc = explain_certificate(t);
    else if (!looks_like_tls(t))
        rc = explain_plain_text(t);
    else if (t->is_eof || t->os_err != 0 || ssl_err == SSL_ERROR_SYSCALL)
        rc = explain_lost(t);
    else
        rc = explain_error(t);
    ERR_clear_error();
    return rc;
}

lw_code
lw_tls_lost(lw_tls *t, int ssl_err)
{
    char text[64];

    if (t->err->code >= 0 && ssl_err == SSL_ERROR_SSL) {
        explain_error(t);
    } else if (t->err->code >= 0) {
        fail(t, LW_ELOST, LW_RETRY_LATER, "the connection was lost: %s",
             t->os_err == 0 ? "TLS was cut off" : lw_os_text(t->os_err, text, sizeof text));
        t->err->stage = LW_STAGE_NONE;
        t->err->os_err = t->os_err;
    }
    ERR_clear_error();
    return t->err->code;
}
