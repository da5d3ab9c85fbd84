/* SPDX-License-Identifier: MIT */
/*
 * client/client_int.h - the client room from inside
 *
 * Who does what, from below:
 *   cancel.c      the switch that ends a blocking call
 *   transcript.c  the dialogue as lines, secrets replaced
 *   link.c        one connection and its engine on a loop: octets in both directions
 *   facts.c       what is known of a server, as a copy that lasts
 *   setup.c       what all connections to be made share: options, names, TLS contexts
 *   login.c       a SASL exchange, event by event
 *   channel.c     a link from connecting to a usable session: greeting, EHLO, TLS, login
 *   session.c     blocking: servers in order, waiting, time and cancel
 *   result.c      who is hit by a failure, and the sentences that tell it
 *   report.c      what became of every recipient
 *   transact.c    one transaction over a session, into a report
 *   outgoing.c    a message rendered, protected, and signed
 *   pool*.c       many jobs over many channels (client/pool_int.h)
 *   send.c        messages: render, transact
 *   mediatypes.c  /etc/mime.types
 *   files.c       files as sources; lw_message_write
 *   sendmail.c, probe.c, talk.c  the calls of those names
 */
#ifndef LW_CLIENT_CLIENT_INT_H
#define LW_CLIENT_CLIENT_INT_H

#include <letterwing/send.h>

#include "base/base.h"
#include "dkim/dkim.h"
#include "mime/mime.h"
#include "net/net.h"
#include "sasl/sasl.h"
#include "secure/secure.h"

#include <stdatomic.h>

/* ---- cancel --------------------------------------------------------------------------------- */

/** lw_cancel_fd - readable once lw_cancel_now was called, for ever */
int lw_cancel_fd(const lw_cancel *c);
bool lw_cancel_is_set(const lw_cancel *c);

/* ---- transcript ------------------------------------------------------------------------------ */

#define LW_TRANSCRIPT_LINE_MAX 4096 /* longer lines are cut into pieces */

typedef struct lw_transcript {
    void (*line)(void *ctx, const lw_transcript_line *line); /* NULL = nobody listens */
    void *ctx;
    bool shows_bodies;
    uint64_t began_ms;          /* monotonic */
    lw_buf sent, came;          /* lines that have no end yet */
    bool is_after_secret;       /* "<redacted>" stands in sent already */
    bool hides_rest;            /* of a line that came: more of a challenge */
    uint64_t body_octets;       /* not told yet */
} lw_transcript;

/** lw_transcript_init - alloc must live as long as t */
void lw_transcript_init(lw_transcript *t, const lw_alloc *alloc, const lw_send_opts *o);
void lw_transcript_deinit(lw_transcript *t);
/** lw_transcript_sent - the first n octets of the slices have left */
void lw_transcript_sent(lw_transcript *t, const lw_slice *v, int count, size_t n);
void lw_transcript_came(lw_transcript *t, lw_span octets);
void lw_transcript_note(lw_transcript *t, const char *fmt, ...) LW_PRINTF(2, 3);
/** lw_transcript_flush - tell what has no line end yet: the connection is over */
void lw_transcript_flush(lw_transcript *t);

/* ---- a connection and its engine ----------------------------------------------------------------- */

#define LW_LINK_IN_BYTES 4096
#define LW_LINK_SLICES 128

/** One connection and its engine on a loop.  Nothing here waits: whoever owns the link polls it
 *  when it is woken. */
typedef struct lw_link {
    const lw_alloc *alloc;
    uv_loop_t *loop;
    uv_timer_t *timer;          /* the engine's deadline; lives until the loop has closed it  */
    uint64_t timer_at_ms;       /* while it is active                                         */
    lw_transcript *transcript;  /* the owner's                                                */
    void (*wake)(void *ctx);    /* on the loop: there may be something to poll; NULL = nobody */
    void *ctx;
    lw_conn *conn;              /* NULL = there is none                                       */
    lw_smtp *engine;            /* NULL until the connection is there                         */
    lw_conn_event happened;     /* what ended connecting or a handshake                       */
    bool has_happened, is_readable, is_write_blocked;
    uint64_t now_ms;            /* what the engine was told last                              */
    bool is_over;               /* the engine was told that the connection has ended          */
    unsigned char first[8];     /* the first octets that came, to know what speaks there      */
    size_t n_first;
    char *in;                   /* input; the engine takes it event by event                  */
    size_t in_at, in_len;
} lw_link;

/** lw_link_init - without a connection; LW_OK, LW_ENOMEM */
LW_MUST_USE lw_code lw_link_init(lw_link *l, uv_loop_t *loop, const lw_alloc *alloc,
                                 lw_transcript *transcript);
/** lw_link_deinit - the loop must run once more to finish */
void lw_link_deinit(lw_link *l);
/** lw_link_open - begin to connect (with TLS, if implicit); then lw_link_opened */
LW_MUST_USE lw_code lw_link_open(lw_link *l, const lw_conn_opts *where, lw_error *err);
/** lw_link_start_tls - after START_TLS: begin the handshake; then lw_link_opened */
LW_MUST_USE lw_code lw_link_start_tls(lw_link *l, lw_tls_ctx *ctx, const char *host,
                                      lw_error *err);
/** lw_link_opened - what became of it: LW_OK, LW_AGAIN (not yet), or why not */
LW_MUST_USE lw_code lw_link_opened(lw_link *l, lw_error *err);
/** lw_link_begin - the connection is there: make the engine */
LW_MUST_USE lw_code lw_link_begin(lw_link *l, const lw_smtp_opts *how, bool has_tls,
                                  lw_error *err);
/** lw_link_secured - the handshake is done: tell the engine */
LW_MUST_USE lw_code lw_link_secured(lw_link *l);
/**
 * lw_link_poll - move octets until the engine has an event or nothing can be moved
 *
 * LW_OK     *ev, valid until the next call
 * LW_AGAIN  nothing now: the loop must run, or (lw_link_is_idle) the owner must do something
 * LW_DONE   the engine is closed, and everything was told: see lw_smtp_error()
 */
LW_MUST_USE lw_code lw_link_poll(lw_link *l, lw_event *ev);
/** lw_link_is_idle - the engine waits for its caller: submit, answer, ask */
bool lw_link_is_idle(const lw_link *l);
/** lw_link_tell_time - give the engine the time of the loop.  Nobody does while a connection is idle:
 *  due before a command, or that has waited already when it is said */
void lw_link_tell_time(lw_link *l);
/** lw_link_is_alive - a look without waiting: the idle connection is still there, and knows the time */
bool lw_link_is_alive(lw_link *l);
/** lw_link_fail - end the engine for a reason of the owner's */
void lw_link_fail(lw_link *l, lw_code code, const char *text);
/** lw_link_disconnect - end connection and engine, at once */
void lw_link_disconnect(lw_link *l);

/* ---- facts --------------------------------------------------------------------------------------- */

/** lw_facts_copy - with all text in the arena; what has no memory is left out */
void lw_facts_copy(lw_arena *arena, lw_server_facts *to, const lw_server_facts *from);
void lw_facts_copy_tls(lw_arena *arena, lw_tls_facts *to, const lw_tls_facts *from);

/** One copy for all reports of a connection; it lives as long as the last of them. */
typedef struct lw_shared_facts {
    atomic_uint n_owners;       /* reports are freed by any thread                            */
    lw_alloc alloc;
    lw_arena arena;
    lw_server_facts facts;
} lw_shared_facts;

/** lw_shared_facts_new - a copy with one owner; NULL: no memory */
lw_shared_facts *lw_shared_facts_new(const lw_alloc *alloc, const lw_server_facts *from);
/** lw_shared_facts_join - one owner more; NULL is fine */
lw_shared_facts *lw_shared_facts_join(lw_shared_facts *f);
/** lw_shared_facts_leave - one less; the last one frees it; NULL is fine */
void lw_shared_facts_leave(lw_shared_facts *f);

/* ---- what connections share ------------------------------------------------------------------------ */

/** Whether a server does what it offers, as far as its sessions have shown. */
typedef struct lw_pipelining_record {
    bool works;                 /* once it did, no loss says anything against it              */
    bool is_lock_step;          /* the next connection does without                           */
    unsigned n_ended;           /* sessions lost in their first group, one after the other    */
} lw_pipelining_record;

/** The options of a session, or of a pool's thread: own copies, TLS contexts, this host's name. */
typedef struct lw_setup {
    const lw_alloc *alloc;
    lw_send_opts opts;          /* strings are copies in arena; the password is not there     */
    lw_arena arena;
    char *password;             /* of the options; wiped at the end                           */
    char host_name[256];        /* this machine's, "" = it has no full one                    */
    lw_url *urls;               /* of opts.servers, parsed                                    */
    size_t n_urls;
    lw_tls_ctx *tls[2];         /* made when first needed; [1] keeps what does not verify     */
    lw_pipelining_record *pipelining; /* of each URL                                          */
    lw_rotation *rotations;     /* of each URL; NULL = addresses in the resolver's order      */
    lw_lookup_fn lookup;        /* tests only; NULL = getaddrinfo                             */
    void *lookup_ctx;
    uint32_t max_transactions;  /* in one engine                                              */
    bool is_probe;              /* look at everything: a bad certificate does not stop us     */
    bool is_bare;               /* greeting only: the rest is said by hand                    */
} lw_setup;

/** lw_setup_opts - options as this library knows them.  LW_EUSAGE: NULL, never set, or a server is
 *  NULL */
LW_MUST_USE lw_code lw_setup_opts(lw_send_opts *o, const lw_send_opts *given, lw_error *err);
/** lw_setup_init - copy and check options, parse URLs.  On failure deinit it all the same. */
LW_MUST_USE lw_code lw_setup_init(lw_setup *u, const lw_alloc *alloc, const lw_send_opts *opts,
                                  lw_error *err);
/** lw_setup_rotate - connections to a name begin with its addresses in turn, this one first */
LW_MUST_USE lw_code lw_setup_rotate(lw_setup *u, uint32_t first);
void lw_setup_deinit(lw_setup *u);
/** lw_setup_tls - the context for a server with this policy */
LW_MUST_USE lw_code lw_setup_tls(lw_setup *u, bool keeps_unverified, lw_tls_ctx **out,
                                 lw_error *err);
/** lw_system_type - the media type of a file name by /etc/mime.types, into buf; NULL = not known.  The
 *  file is read once a message, when it is first asked for. */
const char *lw_system_type(lw_message *m, const char *name, char *buf, size_t cap);
/** lw_host_name - this machine's full name, or "" if it has none with a dot */
void lw_host_name(char *dst, size_t cap);

/* ---- channel ------------------------------------------------------------------------------------------- */

typedef enum lw_channel_phase {
    LW_CHANNEL_CLOSED,
    LW_CHANNEL_CONNECTING,
    LW_CHANNEL_HELLO,      /* greeting and EHLO                                               */
    LW_CHANNEL_STARTTLS,   /* STARTTLS was said                                               */
    LW_CHANNEL_HANDSHAKE,
    LW_CHANNEL_LOGIN,
    LW_CHANNEL_UP          /* usable                                                          */
} lw_channel_phase;

struct lw_login;

/** A link on its way from connecting to a usable session, step by step. */
typedef struct lw_channel {
    lw_setup *setup;
    const lw_url *url;          /* of the present or last attempt                             */
    lw_pipelining_record *pipelining; /* of that server                                       */
    bool is_lock_step;          /* as it was when this connection began                       */
    uint64_t asked_ms, round_trip_ms; /* when EHLO was said; until it was answered            */
    lw_link link;
    lw_channel_phase phase;
    struct lw_login *login;     /* while it lasts                                             */
    bool is_fresh;              /* nothing was sent over this connection yet                  */
    lw_error *passed_by;        /* what speaks for the addresses that were; NULL = none were  */
    bool may_come_back;         /* one of the name's addresses that failed                    */
    lw_arena arena;             /* of what follows; emptied with each connection              */
    lw_server_facts facts;
    lw_shared_facts *shared;    /* of facts, for reports; NULL = not made since they changed  */
    const char *before_tls, *after_tls, *offered_auth; /* answers to EHLO; NULL = none        */
    int login_code;             /* the last reply to AUTH                                     */
    const char *login_mechanism, *login_text;
} lw_channel;

LW_MUST_USE lw_code lw_channel_init(lw_channel *c, lw_setup *setup, uv_loop_t *loop,
                                    lw_transcript *transcript);
void lw_channel_deinit(lw_channel *c);
/** lw_channel_open - begin with this server; then lw_channel_step until it is not LW_AGAIN */
LW_MUST_USE lw_code lw_channel_open(lw_channel *c, const lw_url *url, lw_error *err);
/** lw_channel_step - go on, at the next address of the name where one is of no use.  LW_OK: usable;
 *  LW_AGAIN: the loop must run; else why not, with the sentence as lw_channel_explain leaves it */
LW_MUST_USE lw_code lw_channel_step(lw_channel *c, lw_error *err);
/** lw_channel_handshake - after START_TLS on a channel that is UP by hand: TLS; then step */
LW_MUST_USE lw_code lw_channel_handshake(lw_channel *c, lw_error *err);
/** lw_channel_log_in - on a channel that is UP: the login alone; then step */
LW_MUST_USE lw_code lw_channel_log_in(lw_channel *c, lw_error *err);
/** lw_channel_close - end the connection at once */
void lw_channel_close(lw_channel *c);
/** lw_channel_share_facts - for a report, which must leave them; NULL: no memory */
lw_shared_facts *lw_channel_share_facts(lw_channel *c);
/** lw_channel_name - "mail.example.com port 587", or a socket's path, for sentences */
void lw_channel_name(const lw_channel *c, char *dst, size_t cap);
/** lw_channel_lost - the error of an engine that has closed */
lw_code lw_channel_lost(lw_channel *c, lw_error *err);
/** lw_channel_lost_commands - what was refused may have been so because the server lost a part of the
 *  group: a connection without PIPELINING may do better */
bool lw_channel_lost_commands(const lw_channel *c);
/** lw_channel_pipelines - groups of commands go over this connection */
bool lw_channel_pipelines(const lw_channel *c);
/** lw_channel_explain - the sentence of an error, with the server's name and the remedy */
void lw_channel_explain(const lw_channel *c, lw_error *err);

/* ---- login ----------------------------------------------------------------------------------------------- */

typedef struct lw_login lw_login;
bool lw_channel_wants_login(const lw_setup *u, const lw_url *url);
/** lw_login_begin - choose a mechanism and say AUTH.  LW_OK; LW_EAUTH, LW_ECAPABILITY ... */
LW_MUST_USE lw_code lw_login_begin(lw_channel *c, lw_login **out, lw_error *err);
/** lw_login_event - an event of the engine.  LW_AGAIN: not done; LW_OK: logged in; else why not */
LW_MUST_USE lw_code lw_login_event(lw_login *g, const lw_event *ev, lw_error *err);
void lw_login_free(lw_login *g);

/* ---- session ------------------------------------------------------------------------------------------------ */

struct lw_session {
    lw_alloc alloc;
    lw_setup setup;
    uv_loop_t loop;
    uv_timer_t timer;
    uv_poll_t cancel_watch;
    bool has_loop, has_cancel_watch;
    uint64_t deadline_ms;       /* of the present call, UINT64_MAX = none                     */
    lw_transcript transcript;
    lw_channel channel;
    lw_error skipped;           /* why an earlier server was passed over, code LW_OK = none   */
    char skipped_name[300];
};

/** lw_envelope_is_whole - there is one, with a sender and with an address for each recipient */
bool lw_envelope_is_whole(const lw_envelope *env);
/** lw_session_new - parse and copy options; nothing is connected.  Ended by lw_session_close() */
LW_MUST_USE lw_code lw_session_new(const lw_send_opts *opts, lw_session **out, lw_error *err);
/** lw_session_connect - up to a usable session, trying the servers in order */
LW_MUST_USE lw_code lw_session_connect(lw_session *s, lw_error *err);
/** lw_session_settle - wait until the channel is up again (a handshake, a login) */
LW_MUST_USE lw_code lw_session_settle(lw_session *s, lw_error *err);
/**
 * lw_session_next - wait for an event of the engine
 *
 * LW_OK     *ev, valid until the next call
 * LW_AGAIN  the engine waits for its caller
 * LW_DONE   it is closed, and everything was told: lw_channel_lost() has the reason
 */
LW_MUST_USE lw_code lw_session_next(lw_session *s, lw_event *ev);
/** lw_session_hang_up - QUIT if that can be said, and end the connection */
void lw_session_hang_up(lw_session *s);
/** lw_session_begin_call - the time-out of a call begins now */
void lw_session_begin_call(lw_session *s);
/** lw_session_engine - NULL where there is none */
lw_smtp *lw_session_engine(const lw_session *s);

/* ---- results ------------------------------------------------------------------------------------------- */

/** lw_result_other_host - the failure is the host's: the next server may do better */
bool lw_result_other_host(const lw_error *err);
/** lw_result_of_addresses - of failures at two addresses of a name, the one that is the name's */
const lw_error *lw_result_of_addresses(const lw_error *first, const lw_error *next);
/** lw_result_is_lasting - connecting failed in a way that trying again does not help */
bool lw_result_is_lasting(const lw_error *err);
/** lw_result_may_pass - recipients that are unsent for this reason may be offered again */
bool lw_result_may_pass(lw_code code);
/** lw_result_note_pipelining - what a session has shown; to be told at its end, and before if it WORKS */
void lw_result_note_pipelining(lw_pipelining_record *r, lw_pipelining shown);
/** lw_result_out_of_sequence - it was not accepted, and may be for a server that has lost commands */
bool lw_result_out_of_sequence(const lw_result *r);
/** lw_result_explain - put the server's name in front of an engine's sentence and the remedy
 *  behind it; link: what came first, NULL = nothing is known */
void lw_result_explain(lw_error *err, const char *server, const lw_link *link);
/** lw_result_judge - from the outcomes of all recipients: the report's error */
void lw_result_judge(lw_report *r);
/** lw_result_tell_success - the sentence of a report without error, in dst */
void lw_result_tell_success(const lw_report *r, char *dst, size_t cap);

struct lw_report {
    lw_alloc alloc;
    lw_arena arena;
    lw_result *results;
    size_t n;
    lw_result reply;            /* the one that decided */
    bool has_reply;
    lw_shared_facts *server;    /* NULL = none was reached, or no memory */
    const char *success;        /* the sentence, once somebody has asked for it */
    const char *message_id;
    uint64_t size;
    lw_body_type body_type;
    unsigned flights;
    uint64_t began_ns;
    double seconds;
    const char *notes[8];
    size_t n_notes;
    lw_error error;             /* last: what is large and seldom needed is not touched */
};

/** lw_report_new - every recipient of env is `unsent` (env NULL: there is none yet); now_ns: uv_hrtime()
 *  of now, or of little before, where many are made; NULL when out of memory */
lw_report *lw_report_new(const lw_alloc *alloc, const lw_envelope *env, uint64_t now_ns);
struct lw_outgoing;
/** lw_report_event - RCPT or DONE; out: whose body it is, and can tell why its next failed; NULL =
 *  not known */
void lw_report_event(lw_report *r, const lw_event *ev, const struct lw_outgoing *out);
/** lw_report_note_fmt - one more sentence; the ninth and later ones are left out */
void lw_report_note_fmt(lw_report *r, const char *fmt, ...) LW_PRINTF(2, 3);
/** lw_report_dropped - a note for each wish that the server does not offer */
void lw_report_dropped(lw_report *r, uint32_t caps);
/** lw_report_unsay - recipient i is `unsent` again, for a second try: what came of the first does
 *  not count */
void lw_report_unsay(lw_report *r, size_t i);
/** lw_report_out_of_sequence - lw_result_out_of_sequence for every recipient */
bool lw_report_out_of_sequence(const lw_report *r);
/** lw_report_all_unsent - sending again is safe for every recipient */
bool lw_report_all_unsent(const lw_report *r);
bool lw_report_has_deferred(const lw_report *r);
/** lw_report_take_server - facts of the connection that it goes over */
void lw_report_take_server(lw_report *r, lw_channel *c);
/** lw_report_close - facts (NULL = none), time, the verdict */
void lw_report_close(lw_report *r, lw_channel *c, uint64_t now_ns);
/** lw_report_close_session - the same, and which server was passed over */
void lw_report_close_session(lw_report *r, lw_session *s);

/* ---- transactions ------------------------------------------------------------------------------------------ */

/** lw_render_now - clock, zone and randomness for a rendering, and the host's name if m needs it: it
 *  costs a system call; host holds its text */
void lw_render_now(lw_render_opts *o, const lw_message *m, char *host, size_t cap);

/** A message on its way out; the message must live, unchanged, as long. */
typedef struct lw_outgoing {
    lw_rendering *rendering;
    lw_secured *secured;  /* NULL = neither S/MIME nor OpenPGP */
    lw_dkim_signed *dkim; /* NULL = not signed by DKIM         */
} lw_outgoing;

/** lw_outgoing_open - render now, protect and sign as the message wants it; nothing to close if it fails */
LW_MUST_USE lw_code lw_outgoing_open(lw_outgoing *o, lw_message *m, lw_error *err);
void lw_outgoing_close(lw_outgoing *o);
lw_body *lw_outgoing_body(const lw_outgoing *o);
/** lw_outgoing_fit - encode it for what this peer takes, unless it is signed; rewound */
LW_MUST_USE lw_code lw_outgoing_fit(const lw_outgoing *o, const lw_capabilities *peer,
                                    bool no_chunking, lw_error *err);
/** lw_outgoing_error - why the body's next failed, else LW_OK */
const lw_error *lw_outgoing_error(const lw_outgoing *o);

/** lw_send_wishes - put the wishes of the options into a message's envelope; text goes to arena */
void lw_send_wishes(const lw_send_opts *o, lw_envelope *env, lw_arena *arena);
/** One envelope and body on a channel; out: whose body it is, NULL = not known. */
typedef struct lw_transaction {
    lw_envelope *env;
    lw_body *body;
    const lw_outgoing *out;
    lw_report *report;
    void *tag;
} lw_transaction;

/** lw_channel_submit - encode it for what the peer takes, and give it to the engine of a channel that
 *  is UP.  If that cannot be done, the report's error says why */
LW_MUST_USE lw_code lw_channel_submit(lw_channel *c, const lw_transaction *t);
/** lw_channel_finish - after DONE: make the report's error one that helps */
void lw_channel_finish(lw_channel *c, const lw_transaction *t);
/** lw_transact - one envelope and body over s, connecting as needed; the outcomes go to r.  is_last:
 *  QUIT leaves with the message.  out: whose body it is, and can tell why its next failed; NULL = not known */
void lw_transact(lw_session *s, lw_envelope *env, lw_body *body, bool is_last,
                 const lw_outgoing *out, lw_report *r);

#endif
