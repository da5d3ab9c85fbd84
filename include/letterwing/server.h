/* SPDX-License-Identifier: MIT */
/*
 * letterwing/server.h - the server engine: the receiving side of SMTP and LMTP without I/O
 *
 * The mirror of letterwing/smtp.h: bytes in, bytes out, events pulled.  The engine parses
 * commands strictly and keeps the protocol's order; every decision (this sender, this
 * recipient, these credentials, this message) is the caller's: an event with needs_reply
 * set is answered with lw_smtp_server_reply() or lw_smtp_server_accept(), at any later time.
 * Until then nothing further is parsed, so input may stay with the caller (back-pressure).
 * Replies gather while commands of a group are parsed: feed all input there is, then write
 * (RFC 2920 3.2).  Tell the time with lw_smtp_server_tick() before feeding.
 *
 * What is strict: command lines end with CRLF (a bare LF gets 500 at once, and all up to the
 * next CRLF is part of that line), DATA ends with CRLF "." CRLF; octets above 0x7f only where
 * SMTPUTF8 permits them; parameters only as offered.  What is tolerated: spaces at the end of
 * a line, a space behind "FROM:" and "TO:", several spaces between parameters.
 * A chunk is swallowed in every state.  With LMTP a refused BDAT LAST gets a reply for each
 * accepted recipient, none if there is none (RFC 2033 4.3).  A refused BDAT LAST ends the
 * transaction; another refused BDAT wants RSET (or a last chunk) before the next MAIL.
 *
 * Sources: as letterwing/smtp.h.
 */
#ifndef LETTERWING_SERVER_H
#define LETTERWING_SERVER_H

#include <letterwing/base.h>
#include <letterwing/smtp.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lw_smtp_server_opts {
    size_t size;                 /* set by lw_smtp_server_opts_init()                       */
    const lw_alloc *alloc;       /* NULL = malloc; copied                                   */
    lw_protocol protocol;
    const char *name;            /* our domain in greeting and EHLO; copied; NULL = "localhost" */
    uint32_t capabilities;       /* LW_CAP_* offered; AUTH and STARTTLS when their state fits */
    const char *auth;            /* mechanisms offered, separated by spaces; copied; NULL = none */
    const char *auth_before_tls; /* those offered in clear while STARTTLS is offered; NULL = the same */
    bool tls_active;             /* TLS from the first byte: STARTTLS is not offered        */
    bool require_tls;            /* MAIL before TLS gets 530 5.7.0 (RFC 3207 4)             */
    bool require_auth;           /* MAIL before a login gets 530 5.7.0 (RFC 4954 6)         */
    uint64_t size_max;           /* SIZE's value; 0 = "SIZE" without one; larger gets 552   */
    uint32_t rcpt_max;           /* recipients a transaction; then 452 4.5.3; 0 = 100,000   */
    uint32_t limit_rcpt_max;     /* LIMITS RCPTMAX shown (and kept); 0 = not shown          */
    uint32_t limit_mail_max;     /* LIMITS MAILMAX; the next MAIL gets 421                  */
    uint32_t limit_rcpt_domain_max; /* LIMITS RCPTDOMAINMAX                                 */
    uint64_t deliverby_min_s;    /* DELIVERBY's value; 0 = none shown                       */
    uint64_t hold_max_s;         /* FUTURERELEASE interval; 0 = 864,000                     */
    const char *hold_max_until;  /* FUTURERELEASE date-time; NULL = "2099-12-31T23:59:59Z"  */
    uint32_t max_line_bytes;     /* a command line; 0 = 2,048; AUTH data may be 12,288      */
    uint32_t max_errors;         /* then 421; 0 = 100.  Counted are commands that the engine
                                    refuses itself and unknown ones, since the last accepted
                                    message; not what the caller refuses                    */
    uint64_t timeout_ms;         /* waiting for a command; 0 = 300,000 (RFC 5321 4.5.3.2.7) */
    bool reject_bare_lf;         /* a bare LF in the data: 550 5.6.0 instead of keeping it  */
} lw_smtp_server_opts;

static inline void lw_smtp_server_opts_init(lw_smtp_server_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
}

typedef struct lw_smtp_server lw_smtp_server;

typedef enum lw_server_event_kind {
    LW_SERVER_OPEN,       /* * a client connected: accept = 220, or 554, 421                */
    LW_SERVER_HELLO,      /* * EHLO, HELO or LHLO: text = its argument                      */
    LW_SERVER_START_TLS,  /*   the 220 has left: handshake now, then _tls_done              */
    LW_SERVER_AUTH,       /* * text = mechanism, data = initial response (base64), has_data;
                                 answer with _challenge, accept (235) or reply (535)        */
    LW_SERVER_AUTH_DATA,  /* * data = base64 answer to the challenge; "*" never gets here   */
    LW_SERVER_MAIL,       /* * mail                                                         */
    LW_SERVER_RCPT,       /* * rcpt                                                         */
    LW_SERVER_DATA,       /* * DATA or the first BDAT: accept = 354 (nothing is sent for BDAT) */
    LW_SERVER_BODY,       /*   data = octets of the message, dots unstuffed                 */
    LW_SERVER_MESSAGE,    /* * the message is complete: accept = 250; with LMTP one event for
                                 each accepted recipient, index = its place among them      */
    LW_SERVER_RESET,      /*   the transaction was dropped: RSET, EHLO, a failed BDAT, end  */
    LW_SERVER_VRFY,       /* * text = argument; mail.smtputf8 = the reply may hold UTF-8;
                                 accept = 252                                               */
    LW_SERVER_EXPN,       /* * likewise                                                     */
    LW_SERVER_HELP,       /* * text = argument; accept = 214                                */
    LW_SERVER_UNKNOWN,    /* * text = the line; accept = 500                                */
    LW_SERVER_QUIT,       /*   221 is on its way                                            */
    LW_SERVER_CLOSED      /*   nothing more comes; code says why                            */
} lw_server_event_kind;   /* * = needs_reply */

/** MAIL's parameters; an lw_envelope as the peer sent it, all text decoded from xtext. */
typedef struct lw_server_mail {
    const char *from;          /* reverse-path, "" = null                                   */
    uint64_t size;             /* SIZE=; 0 = not given                                      */
    lw_body_type body_type;
    bool smtputf8, require_tls;
    lw_ret ret;
    const char *envid;         /* NULL = not given                                          */
    const char *auth;          /* NULL = not given, "" = <>                                 */
    int64_t deliver_by_s;
    char deliver_by_mode;      /* 0 = not given                                             */
    bool deliver_by_trace;
    uint64_t hold_for_s;
    const char *hold_until;    /* NULL = not given                                          */
    bool has_priority;
    int priority;
} lw_server_mail;

typedef struct lw_server_rcpt {
    const char *address;       /* forward-path without <>; source routes are removed        */
    unsigned notify;           /* LW_NOTIFY_* bits                                          */
    const char *orcpt;         /* "type;address", decoded; NULL = not given                 */
} lw_server_rcpt;

typedef struct lw_server_event {
    lw_server_event_kind kind;
    bool needs_reply;
    lw_span text;
    lw_span data;
    bool has_data;             /* AUTH: an initial response came (it may be empty)          */
    bool is_bdat;              /* DATA: it was BDAT                                         */
    bool is_esmtp;             /* HELLO: it was EHLO or LHLO                                */
    size_t index;              /* RCPT: its place among the accepted ones, if it becomes one;
                                  MESSAGE with LMTP: the place of this one                  */
    lw_server_mail mail;
    lw_server_rcpt rcpt;
    lw_code code;              /* CLOSED: LW_OK after QUIT; LW_ELOST; LW_ETIMEOUT; LW_EPROTO:
                                  octets behind STARTTLS; LW_ELIMIT: too many errors or
                                  transactions; LW_ECANCELED: a 421 of the caller           */
} lw_server_event;

/**
 * lw_smtp_server_new - an engine for one connection; the event OPEN waits
 *
 * LW_OK, LW_ENOMEM, or LW_EUSAGE (name empty or with spaces, a name or list that is not
 * printable ASCII, hold_max_until no date-time, max_line_bytes below 512 or above 1 MiB,
 * limit_rcpt_domain_max above 4,096).  Allocates all that it will ever need: 13 KiB, 32 KiB
 * with mechanisms.  Not offered although asked for: STARTTLS under TLS, REQUIRETLS without,
 * AUTH without mechanisms, BINARYMIME without CHUNKING, SMTPUTF8 without 8BITMIME, LIMITS
 * without one.
 */
LW_API LW_MUST_USE lw_code lw_smtp_server_new(const lw_smtp_server_opts *opts, uint64_t now_ms,
                                              lw_smtp_server **out);
LW_API void lw_smtp_server_free(lw_smtp_server *e);
/** lw_smtp_server_want - LW_WANT_* bits (CALLER = an event waits for its reply); READ is not
 *  set while an event waits, a reply is owed or the output is full.  TLS: the START_TLS event
 *  was taken, do the handshake.  0 = closed and nothing to tell. */
LW_API unsigned lw_smtp_server_want(const lw_smtp_server *e);
LW_API int lw_smtp_server_out(lw_smtp_server *e, lw_slice *v, int n);
LW_API void lw_smtp_server_sent(lw_smtp_server *e, size_t n);
/** lw_smtp_server_feed - as lw_smtp_feed: LW_OK (all used; an event may wait), LW_AGAIN (an
 *  event waits, a reply is owed or the output is full: feed the rest later), LW_EPROTO (bytes
 *  after STARTTLS in the same flight are dropped with the session), LW_EUSAGE (closed, or after
 *  eof).  A BODY event's data points into p: take it before p goes. */
LW_API LW_MUST_USE lw_code lw_smtp_server_feed(lw_smtp_server *e, const void *p, size_t n,
                                               size_t *used);
/** lw_smtp_server_eof - nothing more will come.  An owed reply can still be given and what is
 *  in the output still leaves (the client may have closed its half only); then CLOSED.  LW_OK
 *  after QUIT, else LW_ELOST (or why the engine closes already). */
LW_API lw_code lw_smtp_server_eof(lw_smtp_server *e);
/** lw_smtp_server_next - take the waiting event.  LW_OK, or LW_DONE when none waits.  Its text
 *  stays valid until the next feed. */
LW_API LW_MUST_USE lw_code lw_smtp_server_next(lw_smtp_server *e, lw_server_event *ev);
/**
 * lw_smtp_server_reply - answer the event that needs a reply
 *
 * @code      2yz..5yz as fits the event; 421 also ends the session
 * @enhanced  such as "5.1.1", NULL = a fitting one or none; shown only where ENHANCEDSTATUSCODES
 *            is offered (never in the greeting and EHLO, RFC 2034 4)
 * @text      may hold '\n' for a multi-line reply; NULL = a default text.  Controls become
 *            "?", 8-bit octets too unless the transaction (or VRFY, EXPN) has SMTPUTF8; lines
 *            are folded at 480 octets.  In the greeting and the 250 to EHLO it stands behind our name.
 * LW_OK, or LW_EUSAGE: no reply is owed, a code that the event cannot have, an enhanced code
 * of another class, more than 4,096 octets; then the reply is still owed.
 * After 4yz or 5yz to OPEN the engine waits for QUIT (RFC 5321 3.1); 421 closes.
 */
LW_API LW_MUST_USE lw_code lw_smtp_server_reply(lw_smtp_server *e, int code, const char *enhanced,
                                                const char *text);
/** lw_smtp_server_accept - the event's usual positive answer, see lw_server_event_kind */
LW_API LW_MUST_USE lw_code lw_smtp_server_accept(lw_smtp_server *e);
/** lw_smtp_server_challenge - 334 with this base64 text, at most 12,288 octets; AUTH_DATA
 *  follows, or nothing if the client cancels (it got 501 then) */
LW_API LW_MUST_USE lw_code lw_smtp_server_challenge(lw_smtp_server *e, lw_span base64);
/** lw_smtp_server_tls_done - TLS is up: the client must say EHLO again */
LW_API LW_MUST_USE lw_code lw_smtp_server_tls_done(lw_smtp_server *e);
/** lw_smtp_server_close - 421 with this text now (shutting down, fault); CLOSED follows */
LW_API void lw_smtp_server_close(lw_smtp_server *e, const char *text);
/** lw_smtp_server_deadline - when tick must be called; UINT64_MAX while the caller is awaited */
LW_API uint64_t lw_smtp_server_deadline(const lw_smtp_server *e);
/** lw_smtp_server_tick - tell the time.  LW_OK, or LW_ETIMEOUT: the client was silent (or did
 *  not read) for timeout_ms; 421 is said and CLOSED follows.  Only whole commands and octets
 *  of messages count as signs of life. */
LW_API lw_code lw_smtp_server_tick(lw_smtp_server *e, uint64_t now_ms);

#ifdef __cplusplus
}
#endif
#endif
