/* SPDX-License-Identifier: MIT */
/*
 * letterwing/smtp.h - the client engine: SMTP and LMTP without any I/O
 *
 * Bytes in, bytes out, events pulled.  The engine owns no socket, reads no clock, calls
 * nobody back (but the body that it is given) and allocates in lw_smtp_new() only.  A
 * driver moves the bytes:
 *
 *     while ((want = lw_smtp_want(e)) != 0) {
 *         if (want & LW_WANT_EVENT) { lw_smtp_next(e, &ev); ...decide...; continue; }
 *         poll(socket, want & LW_WANT_READ, want & LW_WANT_WRITE, lw_smtp_deadline(e));
 *         lw_smtp_set_now(e, now);
 *         readable: recv, lw_smtp_feed (or lw_smtp_eof)
 *         writable: lw_smtp_out, writev, lw_smtp_sent
 *         neither: lw_smtp_tick(e, now);
 *     }
 *
 * Read and write at the same time, always: a peer may stop reading until its replies are
 * read (RFC 2920 3.1).  examples/poll_loop.c is a complete driver in plain poll().
 *
 * Sources: RFC 5321, 2033 (LMTP), 2920 (PIPELINING), 3030 (CHUNKING, BINARYMIME),
 * 1870 (SIZE), 6152 (8BITMIME), 6531 (SMTPUTF8), 2034/3463 (enhanced codes), 3461 (DSN),
 * 3207 (STARTTLS), 4954 (AUTH), 8689 (REQUIRETLS), 9422 (LIMITS), 2852 (DELIVERBY),
 * 4865 (FUTURERELEASE), 6710 (MT-PRIORITY).
 */
#ifndef LETTERWING_SMTP_H
#define LETTERWING_SMTP_H

#include <letterwing/base.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum lw_protocol { LW_PROTOCOL_SMTP, LW_PROTOCOL_LMTP } lw_protocol;

/* ---- capabilities: what the answer to EHLO offered -------------------------------- */

/** EHLO keywords: name, keyword. */
#define LW_CAP_MAP(X)                                                                    \
    X(PIPELINING, "PIPELINING")                                                          \
    X(SIZE, "SIZE")                                                                      \
    X(8BITMIME, "8BITMIME")                                                              \
    X(SMTPUTF8, "SMTPUTF8")                                                              \
    X(CHUNKING, "CHUNKING")                                                              \
    X(BINARYMIME, "BINARYMIME")                                                          \
    X(ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES")                                        \
    X(DSN, "DSN")                                                                        \
    X(STARTTLS, "STARTTLS")                                                              \
    X(AUTH, "AUTH")                                                                      \
    X(REQUIRETLS, "REQUIRETLS")                                                          \
    X(LIMITS, "LIMITS")                                                                  \
    X(DELIVERBY, "DELIVERBY")                                                            \
    X(FUTURERELEASE, "FUTURERELEASE")                                                    \
    X(MT_PRIORITY, "MT-PRIORITY")                                                        \
    X(VRFY, "VRFY")                                                                      \
    X(EXPN, "EXPN")                                                                      \
    X(HELP, "HELP")

enum {
#define LW_CAP_INDEX(name, keyword) LW_CAP_INDEX_##name,
    LW_CAP_MAP(LW_CAP_INDEX)
#undef LW_CAP_INDEX
    LW_CAP_COUNT
};
/** One bit per keyword: LW_CAP_PIPELINING, LW_CAP_8BITMIME, ... */
enum {
#define LW_CAP_BIT(name, keyword) LW_CAP_##name = 1 << LW_CAP_INDEX_##name,
    LW_CAP_MAP(LW_CAP_BIT)
#undef LW_CAP_BIT
    LW_CAP_NONE = 0
};

typedef struct lw_capabilities {
    uint32_t flags;             /* LW_CAP_* bits                                          */
    bool is_esmtp;              /* EHLO (or LHLO) was accepted, not only HELO             */
    uint64_t size_max;          /* octets; 0 = not said (RFC 1870 3)                      */
    uint32_t rcpt_max;          /* LIMITS RCPTMAX; 0 = not said (RFC 9422)                */
    uint32_t mail_max;          /* LIMITS MAILMAX                                         */
    uint32_t rcpt_domain_max;   /* LIMITS RCPTDOMAINMAX: different domains in this session */
    uint64_t deliverby_min_s;   /* DELIVERBY's smallest by-time; 0 = not said             */
    uint64_t hold_max_s;        /* FUTURERELEASE's longest interval; 0 = not said         */
    lw_span hold_max_until;     /* FUTURERELEASE's latest date-time, as sent              */
    lw_span auth;               /* mechanisms, separated by single spaces, as sent        */
    lw_span lines;              /* every line after the first, as sent, joined with '\n'  */
} lw_capabilities;

/* ---- envelope and body ------------------------------------------------------------- */

enum { LW_NOTIFY_NEVER = 1, LW_NOTIFY_SUCCESS = 2, LW_NOTIFY_FAILURE = 4, LW_NOTIFY_DELAY = 8 };
typedef enum lw_ret { LW_RET_UNSET, LW_RET_FULL, LW_RET_HDRS } lw_ret;
typedef enum lw_body_type { LW_BODY_7BIT, LW_BODY_8BITMIME, LW_BODY_BINARYMIME } lw_body_type;

/** One recipient of an envelope.  Set what you need, leave the rest zero. */
typedef struct lw_rcpt {
    const char *address; /* forward-path without <>: "bob@example.org", "\"a b\"@[192.0.2.1]" */
    unsigned notify;     /* LW_NOTIFY_* bits, 0 = not asked (RFC 3461 4.1)                */
    const char *orcpt;   /* "rfc822;bob@example.org", not encoded; NULL = not asked (4.2) */
    unsigned char state; /* the engine's own; set it to 0                                 */
} lw_rcpt;

/**
 * Who sends to whom, with what wishes.  The caller keeps it, and all that it points to,
 * unchanged from lw_smtp_submit() until its LW_EVENT_DONE (or until the engine is freed).
 */
typedef struct lw_envelope {
    const char *from;        /* reverse-path without <>; "" is the null reverse-path      */
    lw_rcpt *rcpts;
    size_t n_rcpts;
    lw_body_type body_type;  /* BODY= of RFC 6152 and 3030; sent when it is not 7BIT      */
    bool needs_smtputf8;     /* an address or a header is not ASCII (RFC 6531 3.4)        */
    bool require_tls;        /* REQUIRETLS (RFC 8689)                                     */
    lw_ret ret;              /* RET= (RFC 3461 4.3)                                       */
    const char *envid;       /* ENVID=, not encoded (RFC 3461 4.4); NULL = none           */
    const char *auth;        /* AUTH=, not encoded (RFC 4954 5); "" = "<>"; NULL = none   */
    int64_t deliver_by_s;    /* BY= seconds (RFC 2852); 0 = not asked                     */
    char deliver_by_mode;    /* 'N' or 'R'                                                */
    bool deliver_by_trace;
    uint64_t hold_for_s;     /* HOLDFOR= (RFC 4865); 0 = not asked                        */
    const char *hold_until;  /* HOLDUNTIL= date-time; NULL = not asked                    */
    bool has_priority;
    int priority;            /* MT-PRIORITY= -9..9 (RFC 6710)                             */
} lw_envelope;

/**
 * The octets of one message, pulled when the peer can take them.
 *
 * next: gives the next span, which stays valid until the following next or rewind on the
 * same body.  LW_OK: more may follow.  LW_DONE: this span (it may be empty) is the last.
 * Negative: the source failed; the transaction is aborted and its recipients are unsent.
 * With CHUNKING each span becomes one BDAT chunk: give spans as large as you can.
 * rewind: start again from the first octet (another transaction for further recipients,
 * another host); NULL = cannot.
 */
typedef struct lw_body {
    lw_code (*next)(void *ctx, lw_span *span);
    lw_code (*rewind)(void *ctx);
    void *ctx;
    uint64_t size;      /* octets as given by next, for SIZE=; LW_SIZE_UNKNOWN = not known */
    bool is_canonical;  /* promised: CR and LF occur only as CRLF, and the end is a CRLF  */
} lw_body;

/* ---- options ------------------------------------------------------------------------ */

/** Milliseconds to wait; 0 = the value of RFC 5321 4.5.3.2 (in brackets). */
typedef struct lw_smtp_timeouts {
    uint32_t greeting_ms;  /* initial 220                                [300,000] */
    uint32_t command_ms;   /* EHLO, STARTTLS, AUTH, RSET, VRFY, ...      [300,000] */
    uint32_t mail_ms;      /* MAIL                                       [300,000] */
    uint32_t rcpt_ms;      /* RCPT                                       [300,000] */
    uint32_t data_ms;      /* DATA to its 354                            [120,000] */
    uint32_t block_ms;     /* each piece of the data to be taken         [180,000] */
    uint32_t final_ms;     /* after the final dot or BDAT LAST           [600,000] */
    uint32_t quit_ms;      /* QUIT to its 221                             [10,000] */
    uint64_t total_ms;     /* the whole session; 0 = no limit                      */
} lw_smtp_timeouts;

typedef struct lw_smtp_opts {
    size_t size;              /* sizeof of this struct: set by lw_smtp_opts_init()         */
    const lw_alloc *alloc;    /* NULL = malloc; copied                                     */
    lw_protocol protocol;
    const char *ehlo_name;    /* copied; NULL = "[127.0.0.1]" (RFC 5321 4.1.3, 4.1.4)      */
    uint32_t max_transactions;/* that may wait in the engine, 1..65,535; 0 = 16            */
    uint32_t window;          /* transactions whose replies may be outstanding; 0 = 1      */
    uint32_t max_reply_bytes; /* one reply, all its lines; 0 = 16,384 (RFC 4954: 12,288)   */
    uint32_t max_capability_bytes; /* the answer to EHLO; 0 = 4,096                        */
    bool no_pipelining;       /* never use PIPELINING                                      */
    bool no_chunking;         /* never use BDAT                                            */
    lw_smtp_timeouts timeouts;
    bool is_by_hand;          /* never say EHLO unasked: after the greeting and after TLS the
                                 engine is READY, and lw_smtp_command() says what comes next */
    uint64_t window_bytes;    /* no further transaction begins while so many octets wait for
                                 their replies; one is always allowed; 0 = 4,194,304       */
    bool pipelining_works;    /* another session with this server has shown it: no reply is
                                 taken for a sign that commands got lost                   */
} lw_smtp_opts;

/** lw_smtp_opts_init - set all options to their defaults */
static inline void lw_smtp_opts_init(lw_smtp_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
}

/* ---- the engine ----------------------------------------------------------------------- */

typedef struct lw_smtp lw_smtp;

/**
 * lw_smtp_new - a client engine that waits for the greeting
 *
 * @opts    borrowed; strings in it are copied
 * @now_ms  the caller's monotonic clock, milliseconds
 * @out     out: the engine, NULL on failure; end it with lw_smtp_free()
 *
 * LW_OK, LW_ENOMEM, or LW_EUSAGE (a value out of range; ehlo_name with space or control).
 * This is the only call that allocates.
 */
LW_API LW_MUST_USE lw_code lw_smtp_new(const lw_smtp_opts *opts, uint64_t now_ms, lw_smtp **out);
/** lw_smtp_free - wipes and frees the engine; transactions not DONE get no event; NULL is fine */
LW_API void lw_smtp_free(lw_smtp *e);

/** What the engine waits for; a set of bits, 0 = closed and no event waits. */
enum {
    LW_WANT_READ = 1,   /* give it input: lw_smtp_feed, lw_smtp_eof                        */
    LW_WANT_WRITE = 2,  /* take its output: lw_smtp_out, lw_smtp_sent                      */
    LW_WANT_EVENT = 4,  /* lw_smtp_next has an event                                       */
    LW_WANT_TLS = 8,    /* do the TLS handshake, then lw_smtp_tls_done                     */
    LW_WANT_CALLER = 16 /* nothing to do: submit, command, auth, starttls or quit          */
};

/** lw_smtp_want - LW_WANT_* bits; changes only by calls on this engine.  READ is set in
 *  every state with a connection, WRITE beside it: serve both. */
LW_API unsigned lw_smtp_want(const lw_smtp *e);

typedef enum lw_slice_kind {
    LW_SLICE_COMMAND,  /* may be shown and logged                     */
    LW_SLICE_SECRET,   /* credentials: never show, never log          */
    LW_SLICE_BODY      /* octets of a message                         */
} lw_slice_kind;

typedef struct lw_slice {
    const char *ptr;
    size_t len;
    lw_slice_kind kind;
} lw_slice;

/**
 * lw_smtp_out - what is to be written, as a gather list
 *
 * @v  out: up to n slices, each of at least one octet, in order
 * @n  how many fit into v
 * Returns the number of slices set, 0 if there is nothing to write.  Body octets are not
 * copied.  The slices stay valid until the next call on this engine but lw_smtp_want,
 * lw_smtp_deadline and lw_smtp_capabilities.  Calling it may pull from bodies.
 */
LW_API int lw_smtp_out(lw_smtp *e, lw_slice *v, int n);
/** lw_smtp_sent - n octets of what lw_smtp_out showed have been given to the network */
LW_API void lw_smtp_sent(lw_smtp *e, size_t n);

/**
 * lw_smtp_feed - give the engine bytes that came from the server
 *
 * @p, @n   bytes in any split; borrowed for this call
 * @used    out: bytes consumed, 0..n; less than n only if an event waits
 *
 * LW_OK      all consumed
 * LW_AGAIN   take the waiting event with lw_smtp_next() first, then feed the rest
 * LW_EPROTO  the reply breaks the grammar, or bytes follow the 220 of STARTTLS: closed
 * LW_ELIMIT  reply longer than opts.max_reply_bytes: closed
 * LW_EREPLY  the server ended the session with a 421, or with a refusal out of turn: closed
 * LW_EUSAGE  the engine is closed
 * After an error the waiting events (RCPT and DONE of what was under way, CLOSED) tell the
 * rest.  Never blocks, allocates, reads the clock or calls back.
 * Source: RFC 5321 4.2, 4.5.3.1.5; RFC 3207 4.2.
 */
LW_API LW_MUST_USE lw_code lw_smtp_feed(lw_smtp *e, const void *p, size_t n, size_t *used);
/** lw_smtp_eof - the connection ended: every recipient under way gets its outcome by events,
 *  then CLOSED.  LW_OK after a 221, else LW_ELOST. */
LW_API lw_code lw_smtp_eof(lw_smtp *e);
/** lw_smtp_fail - the driver lost the connection for a reason of its own (TLS, errno,
 *  cancel): as lw_smtp_eof, with this code and text in the outcomes. */
LW_API void lw_smtp_fail(lw_smtp *e, lw_code code, const char *text);

/** lw_smtp_deadline - when lw_smtp_tick must be called at the latest; UINT64_MAX = never */
LW_API uint64_t lw_smtp_deadline(const lw_smtp *e);
/** lw_smtp_set_now - tell the time, and judge no deadline.  Before octets are fed, and before work
 *  is given to an engine that was idle: a reply that has come was in time, however late the driver
 *  woke, and no wait begins in the past */
LW_API void lw_smtp_set_now(lw_smtp *e, uint64_t now_ms);
/** lw_smtp_tick - tell the time when there is nothing to read.  LW_OK, or LW_ETIMEOUT: a deadline
 *  passed, the engine is closed */
LW_API lw_code lw_smtp_tick(lw_smtp *e, uint64_t now_ms);

typedef enum lw_event_kind {
    LW_EVENT_GREETING,  /* reply: the 220                                                  */
    LW_EVENT_READY,     /* EHLO was answered (again, after TLS): see lw_smtp_capabilities  */
    LW_EVENT_START_TLS, /* handshake now, then lw_smtp_tls_done                            */
    LW_EVENT_NO_TLS,    /* STARTTLS was refused (reply); the session goes on in clear      */
    LW_EVENT_CHALLENGE, /* 334: challenge (base64); lw_smtp_auth_answer or _cancel         */
    LW_EVENT_AUTH,      /* the login ended: code LW_OK or LW_EAUTH, and reply              */
    LW_EVENT_REPLY,     /* answer to lw_smtp_command                                       */
    LW_EVENT_RCPT,      /* the outcome of one recipient: exactly one per recipient         */
    LW_EVENT_DONE,      /* a transaction ended; all its RCPT events came before            */
    LW_EVENT_CLOSED     /* the session ended; code LW_OK after QUIT                        */
} lw_event_kind;

/** An event; what it points to stays valid until the next call on the engine. */
typedef struct lw_event {
    lw_event_kind kind;
    void *tag;           /* RCPT, DONE, REPLY: the caller's                                */
    size_t rcpt;         /* RCPT: index into the envelope's rcpts                          */
    lw_outcome outcome;  /* RCPT                                                           */
    lw_stage stage;      /* where it was decided, or failed                                */
    lw_code code;        /* LW_OK, or why not                                              */
    lw_reply reply;      /* code 0 = no reply was involved                                 */
    lw_span challenge;   /* CHALLENGE: base64 text                                         */
    const char *text;    /* what failed, where no reply says it; "" = nothing              */
    uint32_t dropped;    /* DONE: LW_CAP_* bits of wishes that the server does not offer and
                            that the RFC allows to drop (DSN, MT_PRIORITY, AUTH, DELIVERBY N) */
    unsigned n_transactions; /* DONE: MAIL commands used (recipients split by RCPTMAX, 452) */
} lw_event;

/** lw_smtp_next - take the waiting event.  LW_OK, or LW_DONE when none waits. */
LW_API LW_MUST_USE lw_code lw_smtp_next(lw_smtp *e, lw_event *ev);

/** lw_smtp_capabilities - the last EHLO's answer; empty before it and after STARTTLS until
 *  EHLO is answered again (RFC 3207 4.2: what was known before TLS is forgotten) */
LW_API const lw_capabilities *lw_smtp_capabilities(const lw_smtp *e);
/** lw_smtp_flights - how often the engine wrote after it had read: round trips waited for */
LW_API unsigned lw_smtp_flights(const lw_smtp *e);
/** What a session has shown of the server's PIPELINING. */
typedef enum lw_pipelining {
    LW_PIPELINING_UNTRIED, /* no group of commands has got all its replies                   */
    LW_PIPELINING_WORKS,   /* one has                                                        */
    LW_PIPELINING_ENDED,   /* the session was lost in its first group: by chance, or not     */
    LW_PIPELINING_FAILS    /* commands of the first group got lost: 503 to one whose predecessors
                              were accepted, or some were answered and the next one never was */
} lw_pipelining;
/** lw_smtp_pipelining - if it WORKS, the next sessions' opts.pipelining_works can be set; if it FAILS,
 *  or has ENDED twice, opts.no_pipelining is for this server */
LW_API lw_pipelining lw_smtp_pipelining(const lw_smtp *e);
/** lw_smtp_state_name - the state's name in src/smtp/states.def, for logs */
LW_API const char *lw_smtp_state_name(const lw_smtp *e);

/* ---- what a caller can ask for ---------------------------------------------------------- */

/** lw_smtp_starttls - send STARTTLS.  LW_OK; LW_ECAPABILITY: not offered (by hand it is sent all
 *  the same); LW_EUSAGE: not idle. */
LW_API LW_MUST_USE lw_code lw_smtp_starttls(lw_smtp *e);
/** lw_smtp_tls_done - TLS is up: capabilities are forgotten, EHLO is sent again.  Call it also
 *  (before any other call) on a connection with TLS from the first byte to permit REQUIRETLS. */
LW_API LW_MUST_USE lw_code lw_smtp_tls_done(lw_smtp *e);

/**
 * lw_smtp_auth - begin a login
 *
 * @mechanism  SASL name, copied
 * @initial    base64 of the initial response, borrowed until CHALLENGE or AUTH comes;
 *             {NULL, 0} = none, {"", 0} = an empty one (sent as "=")
 * The initial response goes with the command if the line stays within 512 octets, else
 * after the 334 (RFC 4954 4).  LW_OK; LW_EUSAGE: not idle, or a login was done already.
 */
LW_API LW_MUST_USE lw_code lw_smtp_auth(lw_smtp *e, const char *mechanism, lw_span initial);
/** lw_smtp_auth_answer - answer a CHALLENGE; base64, at most 12,288 octets, borrowed until the
 *  next event */
LW_API LW_MUST_USE lw_code lw_smtp_auth_answer(lw_smtp *e, lw_span response);
/** lw_smtp_auth_cancel - answer a CHALLENGE with "*"; the AUTH event follows */
LW_API LW_MUST_USE lw_code lw_smtp_auth_cancel(lw_smtp *e);

/**
 * lw_smtp_submit - queue one transaction
 *
 * @env, @body  the caller's, unchanged until DONE
 * @tag         comes back in the events
 *
 * LW_OK; LW_AGAIN: there is no room (lw_smtp_room); LW_EADDRESS: an address holds CR, LF, NUL,
 * a control or is too long (nothing was queued); LW_EUSAGE: no recipients, closed, quitting, or
 * a wish that no server could take (a priority of 10, HOLDFOR and HOLDUNTIL together).
 * May be called at any time after lw_smtp_new; the transaction starts when the engine is READY
 * and no login or STARTTLS is under way - so submit after the login.
 * Transactions run in order.  Recipients beyond the server's RCPTMAX, or answered 452 (or 552)
 * for being too many while others were accepted, go in further transactions of the same submit.
 * Beyond MAILMAX and RCPTDOMAINMAX, limits of the session, recipients are unsent with LW_ELIMIT:
 * another session can take them.  Of domains 64 are remembered, so a larger RCPTDOMAINMAX is 64.
 * So too where the server is Exim, which ends a session for too many RSETs (by default the eleventh
 * that follows a refused transaction): it gets 8, and no window in which there could be more.
 */
LW_API LW_MUST_USE lw_code lw_smtp_submit(lw_smtp *e, lw_envelope *env, lw_body *body, void *tag);
/** lw_smtp_room - how many transactions lw_smtp_submit takes now; 0 as well when closed or quitting.
 *  They leave in the order they came in: one that is DONE before an earlier one keeps its place
 *  until that one is DONE too, so there can be less room than max_transactions without those
 *  under way. */
LW_API uint32_t lw_smtp_room(const lw_smtp *e);

/**
 * lw_smtp_command - send one line by hand and give its reply as LW_EVENT_REPLY
 *
 * @line      a command without CRLF (VRFY, EXPN, HELP, NOOP, RSET, or anything); copied;
 *            at most 1,000 octets, no CR, LF, NUL
 * @n_replies how many replies follow, 0 (a line of data), 1, or more (LMTP)
 * EHLO, LHLO and HELO by hand refresh the capabilities.  Only when idle: LW_EUSAGE otherwise.
 */
LW_API LW_MUST_USE lw_code lw_smtp_command(lw_smtp *e, lw_span line, unsigned n_replies, void *tag);

/** lw_smtp_shown - how many octets of a line by hand may be shown: of an AUTH line what stands
 *  before the third word, which is a credential, however the words are set apart; else all.  (The
 *  answer to a 334 is one as a whole.) */
LW_API size_t lw_smtp_shown(lw_span line);

/** lw_smtp_quit - QUIT after everything submitted is done (in the last flight where RFC 2920
 *  allows it); CLOSED follows.  LW_OK, or LW_EUSAGE: closed, or a handshake or a challenge waits
 *  for the caller. */
LW_API lw_code lw_smtp_quit(lw_smtp *e);

/** lw_smtp_error - why the engine closed; code LW_OK if it did not fail */
LW_API const lw_error *lw_smtp_error(const lw_smtp *e);

#ifdef __cplusplus
}
#endif
#endif
