/* SPDX-License-Identifier: MIT */
/*
 * letterwing/send.h - send messages, and say what became of every recipient
 *
 * The blocking calls: lw_send() for one message, lw_session_*() for several over one
 * connection, lw_sendmail() with the eight arguments of a tutorial, lw_probe() to see what a
 * server offers, lw_talk_*() to speak by hand.  They block the calling thread, never print,
 * never exit, raise no signal, keep no global state, and may run in any number of threads
 * (one object in one thread at a time).  lw_cancel_now() ends them from another thread.
 */
#ifndef LETTERWING_SEND_H
#define LETTERWING_SEND_H

#include <letterwing/base.h>
#include <letterwing/message.h>
#include <letterwing/smtp.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- cancel ------------------------------------------------------------------------- */

typedef struct lw_cancel lw_cancel;
/** lw_cancel_new - a switch that ends blocking calls; NULL when out of memory or descriptors */
LW_API lw_cancel *lw_cancel_new(void);
/** lw_cancel_now - end every call that was given c, now and later, with LW_ECANCELED.  May be
 *  called from any thread and from a signal handler. */
LW_API void lw_cancel_now(lw_cancel *c);
/** lw_cancel_free - after the calls, sessions and talks that were given c have ended */
LW_API void lw_cancel_free(lw_cancel *c);

/* ---- transcript ------------------------------------------------------------------------ */

typedef enum lw_direction {
    LW_TRANSCRIPT_CLIENT, /* "C:" sent by us        */
    LW_TRANSCRIPT_SERVER, /* "S:" sent by the peer  */
    LW_TRANSCRIPT_NOTE    /* "*"  what happened besides: connected, TLS, lost, body summary  */
} lw_direction;

/** One line of the dialogue, without its line end; secrets replaced by "<redacted>". */
typedef struct lw_transcript_line {
    uint64_t time_ms;      /* since the call began                                        */
    int64_t unix_ms;       /* wall clock                                                  */
    lw_direction direction;
    lw_span text;
} lw_transcript_line;

/* ---- options ----------------------------------------------------------------------------- */

typedef struct lw_send_opts {
    size_t size;                /* set by lw_send_opts_init().  A program that was built with
                                   an older, shorter struct gets defaults for the rest; one with
                                   a newer, longer one LW_EUSAGE.  So for all options       */
    const char *const *servers; /* URLs, tried in order on connection-level failure; of each
                                   all addresses                                           */
    size_t n_servers;
    const char *user;           /* overrides the URL's; NULL = the URL's                    */
    const char *password;
    const char *auth;           /* mechanisms allowed, comma-separated; NULL = all fit       */
    const char *ca_file;        /* trust this file's certificates only; NULL = system store  */
    const char *cert_file;      /* client certificate chain, PEM                            */
    const char *key_file;       /* its key, PEM; NULL = in cert_file                        */
    const char *tls_pin;        /* "sha256:HEX or BASE64" of the server's public key (SPKI);
                                   checked besides the chain; NULL = none                  */
    const char *ehlo_name;      /* NULL = this host's name if it is a full one, else its address */
    uint64_t timeout_ms;        /* the whole call; 0 = none but the stages'                 */
    uint64_t connect_timeout_ms;/* to a usable connection, all addresses; 0 = 30,000        */
    lw_smtp_timeouts timeouts;  /* by stage                                                 */
    bool no_pipelining;         /* as if no server offered it: one command at a time.  (A server
                                   that loses commands of a group is noticed, and the next
                                   connection to it does without by itself)                 */
    bool no_chunking;           /* never use BDAT                                           */
    uint32_t window;            /* transactions in flight on a connection of a pool, at most;
                                   0 = 8                                                    */
    unsigned notify;            /* LW_NOTIFY_* for every recipient                          */
    lw_ret ret;
    const char *envid;
    bool require_tls;           /* REQUIRETLS                                               */
    lw_cancel *cancel;          /* NULL = cannot be canceled                                */
    void (*transcript)(void *ctx, const lw_transcript_line *line); /* NULL = none           */
    void *transcript_ctx;
    bool transcript_bodies;     /* show message octets too, else one summary line           */
    const lw_alloc *alloc;      /* NULL = malloc                                            */
    uint64_t window_bytes;      /* no further transaction begins while so many octets wait for
                                   their replies; one is always allowed; 0 = 4,194,304      */
} lw_send_opts;

static inline void lw_send_opts_init(lw_send_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
}

/* ---- the report ------------------------------------------------------------------------------ */

/** What became of one recipient; text is owned by the report. */
typedef struct lw_result {
    const char *address;
    lw_outcome outcome;
    lw_stage stage;          /* the reply's stage: mail, rcpt, data; or where it was lost     */
    int code;                /* the reply's code; 0 = no reply                              */
    lw_enhanced enhanced;
    const char *text;        /* the reply's text, or why there is none; one of more than 1,024
                                octets is cut, and ends with " ..."                         */
} lw_result;

typedef struct lw_certificate {
    const char *subject, *issuer;
    int64_t not_before, not_after;   /* seconds since 1970                                  */
} lw_certificate;

typedef struct lw_tls_facts {
    bool active;
    const char *version, *cipher;    /* "TLSv1.3", "TLS_AES_256_GCM_SHA384"                 */
    bool verified;                   /* chain, time, host name (and pin, if one was set)    */
    bool resumed;
    const char *problem;             /* what is wrong with the certificate, NULL = nothing  */
    const lw_certificate *chain;     /* as the server sent it                               */
    size_t n_chain;
} lw_tls_facts;

/** Facts on the server of the last attempt. */
typedef struct lw_server_facts {
    const char *host;                /* as in the URL; the path for a Unix socket           */
    uint16_t port;
    const char *address;             /* "192.0.2.1", NULL = none was reached                */
    const char *greeting;            /* text of the 220, NULL = none came                   */
    const char *auth;                /* mechanism that succeeded, NULL = no login           */
    lw_tls_facts tls;
} lw_server_facts;

typedef struct lw_report lw_report;

/** lw_report_outcome - one word on all: "accepted", "partial" (some accepted), or the worst of
 *  the rest in the order uncertain, unsent, deferred, rejected */
LW_API const char *lw_report_outcome(const lw_report *r);
/** lw_report_error - why not all was accepted; code LW_OK when all was */
LW_API const lw_error *lw_report_error(const lw_report *r);
/** lw_report_text - one sentence for a person: what failed, where, what the peer said, what to
 *  do; or what was accepted.  Never NULL, also for a NULL report. */
LW_API const char *lw_report_text(const lw_report *r);
LW_API size_t lw_report_n_results(const lw_report *r);
LW_API const lw_result *lw_report_result(const lw_report *r, size_t i);
/** lw_report_reply - the reply that decided: the last one after the data, or the refusal */
LW_API const lw_result *lw_report_reply(const lw_report *r);
LW_API const lw_server_facts *lw_report_server(const lw_report *r);
LW_API const char *lw_report_message_id(const lw_report *r); /* with <>; "" = none           */
LW_API uint64_t lw_report_size(const lw_report *r);          /* octets of the message, before dots; 0 = not known */
/** lw_report_body_type - how its octets were encoded for this server: all 7bit, with 8-bit text, or
 *  with binary files */
LW_API lw_body_type lw_report_body_type(const lw_report *r);
LW_API unsigned lw_report_flights(const lw_report *r);       /* round trips waited for        */
LW_API double lw_report_seconds(const lw_report *r);
/** lw_report_exit_code - what a command should exit with (sysexits.h, see the man page) */
LW_API int lw_report_exit_code(const lw_report *r);
/** lw_exit_code - the same for a failure that has no report: lw_session_open, lw_talk_*, a probe */
LW_API int lw_exit_code(const lw_error *err);
/** lw_report_note / _n_notes - wishes dropped because the server does not offer them, one
 *  sentence each */
LW_API size_t lw_report_n_notes(const lw_report *r);
LW_API const char *lw_report_note(const lw_report *r, size_t i);
LW_API void lw_report_free(lw_report *r);

/* ---- send ---------------------------------------------------------------------------------------- */

/**
 * lw_send - send one message and wait for its outcome
 *
 * @url     smtp:// smtps:// lmtp:// lmtp+unix:///path ssl:// tls:// plain://, as the man page
 *          letterwing-url(7) tells
 * @m       the message; stays the caller's
 * @report  out, may be NULL: the outcome of every recipient, set also on failure (unless
 *          LW_ENOMEM); end it with lw_report_free()
 *
 * LW_OK only if every recipient was accepted; otherwise the class of what went wrong, see
 * lw_report_error().  LW_EREPLY: refused for some or all.  Sending again is safe for the
 * recipients that are `unsent` or `deferred`.
 */
LW_API lw_code lw_send(const char *url, lw_message *m, lw_report **report);
/** lw_send_with - the same, with all options; opts->servers names the servers */
LW_API lw_code lw_send_with(const lw_send_opts *opts, lw_message *m, lw_report **report);

/**
 * lw_sendmail - the tutorial's function, done right
 *
 * @server   "smtp.example.com" (STARTTLS when offered; a login in clear is refused), "ssl://..."
 *           (TLS from the first byte), "tls://..." (STARTTLS required), "plain://..." (no TLS,
 *           and a login in clear, because it was typed so)
 * @port     1..65,535; 0 = 465 for ssl://, 25 for plain://, else 587
 * @user     login name, also the sender's address when it is one; NULL or "" = no login
 * @password its password
 * @to       one or more addresses, comma-separated
 * @subject  UTF-8
 * @html     the body, UTF-8
 * @cc       comma-separated, NULL or "" = none; each gets its own RCPT
 *
 * Returns the dialogue, secrets redacted, one line per line, ending with a line "* outcome: ..."
 * that says what became of the message; free it with lw_free().  NULL only when out of memory.
 * The sender is user if that is an address, else user@ the server's domain; without a login
 * the first of to.
 */
LW_API char *lw_sendmail(const char *server, int port, const char *user, const char *password,
                         const char *to, const char *subject, const char *html, const char *cc);

/* ---- several messages over one connection ----------------------------------------------------------- */

typedef struct lw_session lw_session;
/** lw_session_open - connect, TLS, login.  LW_OK, or why not (err, may be NULL, has the sentence). */
LW_API LW_MUST_USE lw_code lw_session_open(const lw_send_opts *opts, lw_session **out, lw_error *err);
/** lw_session_send - one message; as lw_send.  A refused message leaves the session usable;
 *  after a lost connection the next call connects again. */
LW_API lw_code lw_session_send(lw_session *s, lw_message *m, lw_report **report);
/** lw_session_send_raw - one prepared transaction without composing: the fast path.  body must
 *  be able to rewind if it shall survive a reconnection.  Outcomes go to report. */
LW_API lw_code lw_session_send_raw(lw_session *s, lw_envelope *env, lw_body *body, lw_report **report);
/** lw_session_server - facts on the server of this session; owned by it, until its next call */
LW_API const lw_server_facts *lw_session_server(const lw_session *s);
/** lw_session_close - QUIT, wait for the answer within timeouts.quit_ms (whatever timeout_ms is),
 *  free; NULL is fine */
LW_API void lw_session_close(lw_session *s);

/* ---- probe: what a server offers ------------------------------------------------------------------------- */

typedef struct lw_probe_opts {
    size_t size;             /* set by lw_probe_opts_init()                                   */
    const lw_send_opts *send;/* servers[0], user, password, ca_file, ... as for sending       */
    bool login;              /* try to log in                                               */
    const char *vrfy;        /* ask VRFY for this, NULL = do not                            */
    const char *expn;        /* ask EXPN for this, NULL = do not                            */
} lw_probe_opts;
static inline void lw_probe_opts_init(lw_probe_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
}

/** Everything that was found; owned by the probe. */
typedef struct lw_probe {
    lw_server_facts server;
    const char *const *before_tls;   /* EHLO lines in clear; n_before_tls 0 with smtps://     */
    size_t n_before_tls;
    const char *const *after_tls;    /* EHLO lines under TLS                                */
    size_t n_after_tls;
    const char *const *mechanisms;   /* of AUTH, as last offered                            */
    size_t n_mechanisms;
    double round_trip_ms;            /* of one NOOP; < 0 = not measured                     */
    bool login_tried, login_ok;
    const char *login_mechanism;     /* NULL = none was tried                               */
    int login_code;
    const char *login_text;
    int vrfy_code, expn_code;        /* 0 = not asked                                       */
    const char *vrfy_text, *expn_text;
    lw_error error;                  /* code LW_OK: everything that was asked for worked    */
} lw_probe;

/** lw_probe_run - look at a server without sending anything.  A certificate that does not verify
 *  is reported (server.tls.problem, error) and the look goes on; but no login is sent then.
 *  LW_OK or probe->error.code; *out is set unless LW_ENOMEM or LW_EUSAGE (options missing, or
 *  not set by their _init); end it with lw_probe_free(). */
LW_API lw_code lw_probe_run(const lw_probe_opts *opts, lw_probe **out);
LW_API void lw_probe_free(lw_probe *p);

/* ---- talk: speak by hand --------------------------------------------------------------------------------------- */

typedef struct lw_talk lw_talk;
typedef struct lw_talk_reply {
    lw_reply reply;          /* valid until the next call on the talk                       */
    bool wants_data;         /* 354 or 334: the next lines are data                         */
    bool closed;             /* the session is over                                         */
} lw_talk_reply;
/** lw_talk_open - connect, greeting, EHLO, TLS and login as the URL says (servers[0]) */
LW_API LW_MUST_USE lw_code lw_talk_open(const lw_send_opts *opts, lw_talk **out, lw_error *err);
/** lw_talk_open_bare - connect (and TLS for smtps://) and read the greeting only: EHLO, STARTTLS
 *  and the login are spoken by hand */
LW_API LW_MUST_USE lw_code lw_talk_open_bare(const lw_send_opts *opts, lw_talk **out, lw_error *err);
/** lw_talk_say - send one line (no CRLF) and wait for its reply.  STARTTLS does the handshake.
 *  After a 354 lines are data and get no reply until "."; has_reply tells.  Afterwards, each
 *  line is a command again.  LW_OK, LW_EUSAGE (CR, LF, NUL, too long), or a network error. */
LW_API LW_MUST_USE lw_code lw_talk_say(lw_talk *t, lw_span line, bool *has_reply, lw_talk_reply *out,
                                       lw_error *err);
/** lw_talk_more - LMTP gives one reply per recipient after the data: the further ones.  LW_DONE:
 *  there is none */
LW_API LW_MUST_USE lw_code lw_talk_more(lw_talk *t, lw_talk_reply *out, lw_error *err);
LW_API const lw_server_facts *lw_talk_server(const lw_talk *t);
LW_API void lw_talk_close(lw_talk *t);

#ifdef __cplusplus
}
#endif
#endif
