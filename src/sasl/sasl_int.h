/* SPDX-License-Identifier: MIT */
/*
 * sasl/sasl_int.h - inside the room: what a mechanism is
 *
 * A mechanism is one line of the table in mechanisms.c and two small sets of functions, the
 * client's and the server's.  They see raw octets; base64, bounds and wiping are done once,
 * in sasl.c and server.c.
 */
#ifndef LW_SASL_SASL_INT_H
#define LW_SASL_SASL_INT_H

#include "sasl/sasl.h"

/* [RFC4954 4] "12288 octets is considered to be a sufficient line length" */
#define LW_SASL_WIRE_MAX 12288
/** the same, before base64 */
#define LW_SASL_RAW_MAX (LW_SASL_WIRE_MAX / 4 * 3)
#define LW_SASL_TEXT_MAX 640

/** What a mechanism rests on: a second attempt helps only with another kind. */
typedef enum lw_sasl_kind {
    LW_SASL_CERTIFICATE, /* EXTERNAL                                      */
    LW_SASL_PROOF,       /* SCRAM, CRAM-MD5: the secret itself stays here */
    LW_SASL_TOKEN,       /* OAUTHBEARER, XOAUTH2                          */
    LW_SASL_PASSWORD     /* PLAIN, LOGIN                                  */
} lw_sasl_kind;

/** The client's half.  out is empty, and was wiped, at each call. */
typedef struct lw_sasl_client_ops {
    /** check the credentials, make s->state; may be NULL */
    lw_code (*begin)(lw_sasl *s, lw_error *err);
    /** the initial response; NULL = the server speaks first */
    lw_code (*initial)(lw_sasl *s, lw_buf *out, lw_error *err);
    /** answer a challenge; s->n_steps counts those before this one */
    lw_code (*step)(lw_sasl *s, lw_span challenge, lw_buf *out, lw_error *err);
    /** may the server's "accepted" be believed?  NULL = yes */
    lw_code (*accepted)(lw_sasl *s, lw_error *err);
    void (*end)(lw_sasl *s); /* may be NULL */
    bool ignores_challenge;  /* its text is for people: not even base64 is asked for */
} lw_sasl_client_ops;

/** The server's half.  LW_AGAIN: out goes to the client; LW_DONE; LW_EAUTH; LW_ENOMEM. */
typedef struct lw_sasl_server_ops {
    lw_code (*begin)(lw_sasl_server *s); /* may be NULL */
    lw_code (*step)(lw_sasl_server *s, lw_span response, lw_buf *out);
    void (*end)(lw_sasl_server *s); /* may be NULL */
    bool speaks_first;
} lw_sasl_server_ops;

typedef struct lw_sasl_mechanism {
    const char *name;
    lw_sasl_kind kind;
    bool needs_binding; /* a -PLUS name            */
    bool needs_gsasl;   /* served by libgsasl      */
    const lw_sasl_client_ops *client;
    const lw_sasl_server_ops *server;
} lw_sasl_mechanism;

struct lw_sasl {
    const lw_alloc *alloc;
    const lw_sasl_mechanism *mech;
    const lw_credentials *who;
    void *state; /* the mechanism's own */
    unsigned n_steps;
    bool has_begun; /* the initial response was given */
    lw_buf raw, in, wire;
    char text[LW_SASL_TEXT_MAX];
};

struct lw_sasl_server {
    const lw_alloc *alloc;
    const lw_sasl_mechanism *mech;
    const lw_credentials *who;
    void *state;
    unsigned n_steps;
    bool has_greeted; /* the empty challenge before a client-first mechanism was sent */
    bool is_over;
    bool has_user, user_fits; /* LOGIN: a first answer came; it named the known user */
    lw_code result; /* LW_DONE once logged in */
    lw_buf raw, in, wire;
};

/** The mechanisms, the best first. */
extern const lw_sasl_mechanism lw_sasl_mechanisms[];
extern const size_t lw_sasl_n_mechanisms;
/** lw_sasl_find - by name in any case, NULL = not known */
const lw_sasl_mechanism *lw_sasl_find(lw_span name);
/** lw_sasl_has_binding - the credentials carry channel binding data */
bool lw_sasl_has_binding(const lw_credentials *who);
/** lw_sasl_lists - name is among the words of list, whatever case */
bool lw_sasl_lists(lw_span list, char sep, lw_span name);

/** lw_sasl_wipe - empty the buffer, every octet of it zero */
void lw_sasl_wipe(lw_buf *b);
/** lw_sasl_room - room for n octets in an empty buffer, so that adding them leaves no copies */
LW_MUST_USE lw_code lw_sasl_room(lw_buf *b, size_t n, lw_error *err);
/** lw_sasl_decode - base64 text into an emptied buffer; LW_EAUTH if malformed or too long */
LW_MUST_USE lw_code lw_sasl_decode(lw_buf *to, lw_span text);
/** lw_sasl_encode - the octets of from as base64 into an emptied buffer */
LW_MUST_USE lw_code lw_sasl_encode(lw_buf *to, const lw_buf *from);
/** lw_sasl_same_secret - compare without telling by the time where they differ; NULL is never equal */
bool lw_sasl_same_secret(lw_span given, const char *known);
/** lw_sasl_same - an identity against a known one; NULL is never equal */
bool lw_sasl_same(lw_span given, const char *known);
/** lw_sasl_unexpected - the server goes on where the mechanism has ended: LW_EAUTH */
lw_code lw_sasl_unexpected(const lw_sasl *s, lw_error *err);
/** lw_sasl_need - LW_EUSAGE unless a user (if asked) and a password are there */
LW_MUST_USE lw_code lw_sasl_need(const lw_sasl *s, bool user, lw_error *err);

/* oauth.c: what XOAUTH2 and OAUTHBEARER share */
LW_MUST_USE lw_code lw_oauth_begin(lw_sasl *s, bool user, lw_error *err);
/** lw_oauth_refused - keep the error that the server sent; answer with reply */
LW_MUST_USE lw_code lw_oauth_refused(lw_sasl *s, lw_span challenge, lw_span reply, lw_buf *out);
/** lw_oauth_token_fits - an auth value "Bearer TOKEN" against the known token */
bool lw_oauth_token_fits(lw_span auth, const char *token);
/** lw_oauth_verdict - LW_DONE, or the error as a challenge (LW_AGAIN) and LW_EAUTH after it */
LW_MUST_USE lw_code lw_oauth_verdict(lw_sasl_server *s, bool fits, const char *error, lw_buf *out);

/* gsasl_load.c */
/** lw_gsasl_available - libgsasl is built in and could be loaded; loads it */
bool lw_gsasl_available(void);
/** lw_gsasl_problem - why not, a part of a sentence */
const char *lw_gsasl_problem(void);

extern const lw_sasl_client_ops lw_plain_client, lw_login_client, lw_external_client,
    lw_xoauth2_client, lw_oauthbearer_client, lw_scram_client, lw_cram_client;
extern const lw_sasl_server_ops lw_plain_server, lw_login_server, lw_external_server,
    lw_xoauth2_server, lw_oauthbearer_server, lw_scram_server, lw_cram_server;

#endif
