/* SPDX-License-Identifier: MIT */
/*
 * client/client_int.h - the client room from inside
 *
 * Who does what, from below:
 *   arena.c       text that lives as long as its owner
 *   cancel.c      the switch that ends a blocking call
 *   transcript.c  the dialogue as lines, secrets replaced
 *   link.c        one connection and its engine, moved until something happens
 *   facts.c       what is known of a server, as a copy that lasts
 *   login.c       a SASL exchange over a link
 *   session.c     servers in order, greeting, EHLO, TLS, login; its life
 *   result.c      who is hit by a failure, and the sentences that tell it
 *   report.c      what became of every recipient
 *   transact.c    one transaction over a session, into a report
 *   outgoing.c    a message rendered, and signed
 *   send.c        messages: render, transact
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

/* ---- text that lives as long as its owner -------------------------------------------------- */

/** Text by the block; nothing is freed before all of it. */
typedef struct lw_arena {
    const lw_alloc *alloc;
    struct lw_arena_block *blocks;
    size_t used;
} lw_arena;

void lw_arena_init(lw_arena *p, const lw_alloc *alloc);
void lw_arena_deinit(lw_arena *p);
/** lw_arena_room - n octets, not aligned, or NULL */
char *lw_arena_room(lw_arena *p, size_t n);
/** lw_arena_span, lw_arena_str - a NUL-terminated copy; NULL when out of memory (or s is NULL) */
const char *lw_arena_span(lw_arena *p, lw_span s);
const char *lw_arena_str(lw_arena *p, const char *s);

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
    uint64_t body_octets;       /* not told yet */
} lw_transcript;

void lw_transcript_init(lw_transcript *t, const lw_send_opts *o);
void lw_transcript_deinit(lw_transcript *t);
/** lw_transcript_sent - the first n octets of the slices have left */
void lw_transcript_sent(lw_transcript *t, const lw_slice *v, int count, size_t n);
void lw_transcript_came(lw_transcript *t, lw_span octets);
void lw_transcript_note(lw_transcript *t, const char *fmt, ...) LW_PRINTF(2, 3);
/** lw_transcript_flush - tell what has no line end yet: the connection is over */
void lw_transcript_flush(lw_transcript *t);

/* ---- a connection and its engine ----------------------------------------------------------------- */

#define LW_LINK_IN_BYTES 16384
#define LW_LINK_SLICES 64

/** One connection and its engine, moved by blocking calls until something happens. */
typedef struct lw_link {
    const lw_alloc *alloc;
    uv_loop_t loop;
    uv_timer_t timer;
    uv_poll_t cancel_watch;
    bool has_loop, has_cancel_watch;
    const lw_cancel *cancel;
    uint64_t deadline_ms;       /* of the whole call, UINT64_MAX = none                       */
    lw_transcript transcript;
    lw_conn *conn;              /* NULL = there is none                                       */
    lw_smtp *engine;
    lw_conn_event happened;     /* while connecting or in a handshake: what ended it          */
    bool has_happened, is_readable, is_write_blocked;
    bool is_over;               /* the engine was told that the connection has ended          */
    unsigned char first[8];     /* the first octets that came, to know what speaks there      */
    size_t n_first;
    char *in;                   /* input; the engine takes it event by event                  */
    size_t in_at, in_len;
} lw_link;

/** lw_link_init - a loop without a connection; LW_OK, LW_ENOMEM */
LW_MUST_USE lw_code lw_link_init(lw_link *l, const lw_alloc *alloc, const lw_send_opts *o);
void lw_link_deinit(lw_link *l);
/** lw_link_connect - connect (with TLS, if implicit) and make the engine.  On failure there is no
 *  connection, err has the sentence; facts are those of a failed handshake, if there was one */
LW_MUST_USE lw_code lw_link_connect(lw_link *l, const lw_conn_opts *where,
                                    const lw_smtp_opts *how, lw_error *err);
/** lw_link_start_tls - after START_TLS: the handshake.  On failure the engine is closed too */
LW_MUST_USE lw_code lw_link_start_tls(lw_link *l, lw_tls_ctx *ctx, const char *host,
                                      lw_error *err);
/**
 * lw_link_next - move octets until the engine has an event
 *
 * LW_OK     *ev, valid until the next call
 * LW_AGAIN  the engine waits for its caller: submit, answer, ask
 * LW_DONE   it is closed, and everything was told: see lw_smtp_error()
 */
LW_MUST_USE lw_code lw_link_next(lw_link *l, lw_event *ev);
/** lw_link_is_alive - a look without waiting: the idle connection is still there.  What the server
 *  said meanwhile (a 421) is taken */
bool lw_link_is_alive(lw_link *l);
/** lw_link_disconnect - end connection and engine, at once */
void lw_link_disconnect(lw_link *l);

/* ---- facts --------------------------------------------------------------------------------------- */

/** lw_facts_copy - with all text in the arena; what has no memory is left out */
void lw_facts_copy(lw_arena *arena, lw_server_facts *to, const lw_server_facts *from);
void lw_facts_copy_tls(lw_arena *arena, lw_tls_facts *to, const lw_tls_facts *from);

/* ---- session ----------------------------------------------------------------------------------------- */

struct lw_session {
    lw_alloc alloc;
    lw_send_opts opts;          /* strings are copies in arena; the password is not there      */
    lw_arena arena;             /* for the session's life                                     */
    char *password;             /* of the options; wiped at the end                           */
    char host_name[256];        /* this machine's, "" = it has no full one                    */
    lw_url *urls;               /* of opts.servers, parsed                                    */
    size_t n_urls, current;
    lw_link link;
    lw_tls_ctx *tls;            /* made when it is first needed, or when options name files   */
    bool tls_keeps_unverified;
    bool is_probe;              /* look at everything: a bad certificate does not stop us     */
    bool is_bare;               /* greeting only: the rest is said by hand                    */
    bool is_fresh;              /* nothing was sent over this connection yet                  */
    bool is_up;                 /* logged in, idle                                            */
    lw_arena facts_arena;       /* emptied with each connection                               */
    lw_server_facts facts;
    const char *before_tls, *after_tls, *offered_auth; /* answers to EHLO; NULL = none        */
    int login_code;             /* the last reply to AUTH                                     */
    const char *login_mechanism, *login_text;
    lw_error skipped;           /* why an earlier server was passed over, code LW_OK = none   */
    char skipped_name[300];
};

/** lw_session_new - parse and copy options; nothing is connected.  Ended by lw_session_close() */
LW_MUST_USE lw_code lw_session_new(const lw_send_opts *opts, lw_session **out, lw_error *err);
/** lw_session_connect - up to a usable session, trying the servers in order */
LW_MUST_USE lw_code lw_session_connect(lw_session *s, lw_error *err);
/** lw_session_hang_up - QUIT if that can be said, and end the connection */
void lw_session_hang_up(lw_session *s);
/** lw_session_begin_call - the time-out of a call begins now */
void lw_session_begin_call(lw_session *s);
/** lw_session_url - the server of the present or last attempt */
const lw_url *lw_session_url(const lw_session *s);
/** lw_session_name - "mail.example.com port 587", or a socket's path, for sentences */
void lw_session_name(const lw_session *s, char *dst, size_t cap);
/** lw_session_handshake - after START_TLS: TLS, and EHLO again unless that is said by hand */
LW_MUST_USE lw_code lw_session_handshake(lw_session *s, lw_error *err);
/** lw_session_lost - the error of a session whose engine closed */
lw_code lw_session_lost(lw_session *s, lw_error *err);
/** lw_session_explain - the sentence of an error, with the server's name and the remedy */
void lw_session_explain(const lw_session *s, lw_error *err);

/* login.c */
/** lw_session_login - after READY, if there is anything to log in with.  LW_OK, LW_EAUTH,
 *  LW_ECAPABILITY ... or what ended the session */
LW_MUST_USE lw_code lw_session_login(lw_session *s, lw_error *err);
bool lw_session_wants_login(const lw_session *s);
/** lw_session_may_show_secret - the way to the server hides a password */
bool lw_session_may_show_secret(const lw_session *s);

/* ---- results ------------------------------------------------------------------------------------------- */

/** lw_result_other_host - the failure is the host's: the next server may do better */
bool lw_result_other_host(const lw_error *err);
/** lw_result_explain - put the server's name in front of an engine's sentence and the remedy
 *  behind it; link: what came first, NULL = nothing is known */
void lw_result_explain(lw_error *err, const char *server, const lw_link *link);
/** lw_result_judge - from the outcomes of all recipients: the report's error */
void lw_result_judge(lw_report *r);

struct lw_report {
    lw_alloc alloc;
    lw_arena arena;
    lw_result *results;
    size_t n;
    lw_result reply;            /* the one that decided */
    bool has_reply;
    lw_error error;
    char text[LW_ERROR_TEXT_MAX + 64];
    lw_server_facts server;
    const char *message_id;
    uint64_t size;
    unsigned flights;
    uint64_t began_ns;
    double seconds;
    const char *notes[8];
    size_t n_notes;
};

/** lw_report_new - every recipient of env is `unsent` (env NULL: there is none yet); NULL when out
 *  of memory */
lw_report *lw_report_new(const lw_alloc *alloc, const lw_envelope *env);
/** lw_report_rcpt - an RCPT event */
void lw_report_rcpt(lw_report *r, const lw_event *ev);
/** lw_report_note_fmt - one more sentence; the ninth and later ones are left out */
void lw_report_note_fmt(lw_report *r, const char *fmt, ...) LW_PRINTF(2, 3);
/** lw_report_dropped - a note for each wish that the server does not offer */
void lw_report_dropped(lw_report *r, uint32_t caps);
/** lw_report_all_unsent - sending again is safe for every recipient */
bool lw_report_all_unsent(const lw_report *r);
/** lw_report_close - facts, time, the verdict */
void lw_report_close(lw_report *r, const lw_session *s);

/* ---- transactions ------------------------------------------------------------------------------------------ */

/** lw_render_now - clock, zone, randomness and host name for a rendering; host holds its text */
void lw_render_now(lw_render_opts *o, char *host, size_t cap);

/** A message on its way out; the message must live, unchanged, as long. */
typedef struct lw_outgoing {
    lw_rendering *rendering;
    lw_dkim_signed *dkim; /* NULL = not signed */
} lw_outgoing;

/** lw_outgoing_open - render now, and sign if the message has a signer; nothing to close if it fails */
LW_MUST_USE lw_code lw_outgoing_open(lw_outgoing *o, lw_message *m, lw_error *err);
void lw_outgoing_close(lw_outgoing *o);
lw_body *lw_outgoing_body(const lw_outgoing *o);
/** lw_outgoing_error - why the body's next failed, else LW_OK */
const lw_error *lw_outgoing_error(const lw_outgoing *o);

/** lw_transact - one envelope and body over s, connecting as needed; the outcomes go to r.  is_last:
 *  QUIT leaves with the message.  out: whose body it is, and can tell why its next failed; NULL = not known */
void lw_transact(lw_session *s, lw_envelope *env, lw_body *body, bool is_last,
                 const lw_outgoing *out, lw_report *r);
/** lw_host_name - this machine's full name, or "" if it has none with a dot */
void lw_host_name(char *dst, size_t cap);

#endif
