/* SPDX-License-Identifier: MIT */
/*
 * sasl/sasl.h - login mechanisms: challenge in, answer out; both sides, no I/O
 *
 * PLAIN, LOGIN, EXTERNAL, XOAUTH2 and OAUTHBEARER are ours, one file each; SCRAM and CRAM-MD5
 * come from libgsasl, loaded (gsasl_load.c) only when such a mechanism is chosen.  Everything that
 * crosses this header is base64 text as it stands on the wire.
 */
#ifndef LW_SASL_SASL_H
#define LW_SASL_SASL_H

#include "base/base.h"

/** Who logs in; borrowed while the exchange lasts. */
typedef struct lw_credentials {
    const char *user;          /* authentication identity; NULL = none                       */
    const char *password;      /* or the bearer token for XOAUTH2, OAUTHBEARER               */
    const char *authzid;       /* NULL = the user's own                                      */
    const char *host;          /* OAUTHBEARER's host= and port=                              */
    uint16_t port;
    bool is_token;             /* password is an OAuth2 token: only the two OAuth mechanisms */
    bool has_client_cert;      /* EXTERNAL makes sense                                       */
    bool has_tls;              /* mechanisms that show the secret are fine                   */
    const unsigned char *tls_exporter; /* 32 octets (RFC 9266), NULL = none                  */
    const unsigned char *tls_unique;   /* RFC 5929, TLS <= 1.2; NULL = none                  */
    size_t tls_unique_len;
} lw_credentials;

/** lw_sasl_choose - the strongest mechanism that both sides have
 *
 * @offered  the server's, separated by spaces
 * @allowed  comma-separated names the user permits, NULL = all that fit; XOAUTH2 and OAUTHBEARER
 *           are used only when named here or is_token is set
 * @tried    names already refused, separated by spaces; they are skipped
 * Order: EXTERNAL (with a certificate and no password), SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS,
 * SCRAM-SHA-256, SCRAM-SHA-1, CRAM-MD5, OAUTHBEARER, XOAUTH2, PLAIN, LOGIN.
 * Returns a static name, NULL if none fits.  may_show_secret: PLAIN, LOGIN, XOAUTH2 and
 * OAUTHBEARER are skipped when false.
 */
const char *lw_sasl_choose(lw_span offered, const char *allowed, lw_span tried,
                           const lw_credentials *who, bool may_show_secret);
/** lw_sasl_shows_secret - the mechanism sends the password or token itself */
bool lw_sasl_shows_secret(const char *mechanism);
/** lw_sasl_retry_helps - after a 535 of `failed`, can another mechanism change the answer?  Only where
 *  the secret is of another kind or the mechanism itself may be broken (SCRAM, CRAM -> PLAIN).  If
 *  not, add `next` to the tried ones and choose again: a later one may help */
bool lw_sasl_retry_helps(const char *failed, const char *next);

typedef struct lw_sasl lw_sasl;
/** lw_sasl_new - begin an exchange.  LW_OK; LW_ECAPABILITY: mechanism not known or libgsasl is
 *  missing; LW_EUSAGE: credentials lack what it needs; LW_ENOMEM */
LW_MUST_USE lw_code lw_sasl_new(const lw_alloc *alloc, const char *mechanism,
                                const lw_credentials *who, lw_sasl **out, lw_error *err);
/** lw_sasl_initial - the initial response, {NULL,0} if the mechanism has none; base64, owned by s,
 *  wiped at the next call */
LW_MUST_USE lw_code lw_sasl_initial(lw_sasl *s, lw_span *response, lw_error *err);
/** lw_sasl_step - answer a challenge.  LW_OK; LW_EAUTH: the challenge is wrong, malformed or the
 *  server failed to prove itself: cancel the exchange; the error says so */
LW_MUST_USE lw_code lw_sasl_step(lw_sasl *s, lw_span challenge, lw_span *response, lw_error *err);
/** lw_sasl_accepted - the server said 235: LW_OK, or LW_EAUTH if it has not proved itself yet (SCRAM) */
LW_MUST_USE lw_code lw_sasl_accepted(lw_sasl *s, lw_error *err);
/** lw_sasl_server_text - what the server told beside its reply (decoded error JSON of XOAUTH2 and
 *  OAUTHBEARER), "" = nothing; printable */
const char *lw_sasl_server_text(const lw_sasl *s);
void lw_sasl_free(lw_sasl *s);

/* ---- the receiving side, for the sink ---------------------------------------------------------- */

typedef struct lw_sasl_server lw_sasl_server;
/** lw_sasl_server_available - mechanisms that this build and machine can serve, separated by
 *  spaces; static.  with_plus: the SCRAM -PLUS ones too (TLS is active).  EXTERNAL is not named:
 *  add it where client certificates are asked for */
const char *lw_sasl_server_available(bool with_plus);
/** lw_sasl_server_new - one exchange against one known user: who->user and who->password (for the
 *  OAuth mechanisms the password is the token), has_client_cert for EXTERNAL.  Give channel binding
 *  data only if a -PLUS mechanism was offered: with them, a client that was made to believe there
 *  is none ("y") is refused (RFC 5802 6).  LW_OK; LW_ECAPABILITY; LW_EUSAGE; LW_ENOMEM */
LW_MUST_USE lw_code lw_sasl_server_new(const lw_alloc *alloc, const char *mechanism,
                                       const lw_credentials *who, lw_sasl_server **out);
/** lw_sasl_server_step - the client's base64 (has_data false: no initial response came).
 *  LW_AGAIN: send *challenge with 334; LW_DONE: logged in; LW_EAUTH: refuse (535) */
LW_MUST_USE lw_code lw_sasl_server_step(lw_sasl_server *s, bool has_data, lw_span data,
                                        lw_span *challenge);
/** lw_sasl_server_user - who logged in, after LW_DONE */
const char *lw_sasl_server_user(const lw_sasl_server *s);
void lw_sasl_server_free(lw_sasl_server *s);

#endif
