/* SPDX-License-Identifier: MIT */
/*
 * sink/sink_int.h - inside the capture server
 *
 * One lw_sink owns a loop, a listener and its sessions; one lw_sink_session is a connection
 * (lw_conn) with a server engine (lw_smtp_server) on it.  The parts: sink.c (life of the
 * server), config.c (its options), session.c (moves bytes between connection and engine),
 * decide.c (answers the engine's events), login.c (AUTH), mail.c (the envelope and octets of
 * one transaction), save.c (files), json.c (a capture as text).
 *
 * Everything runs on the loop's thread, except what is asked of an open lw_sink from outside.
 */
#ifndef LW_SINK_SINK_INT_H
#define LW_SINK_SINK_INT_H

#include <letterwing/sink.h>

#include "base/base.h"
#include "net/net.h"
#include "sasl/sasl.h"

#define SINK_READ_BYTES 65536u
#define SINK_SWEEP_MS 500u
#define SINK_HANDSHAKE_MS 30000u
#define SINK_LINGER_MS 2000u
#define SINK_FINISH_MS 5000u

typedef struct lw_sink_session lw_sink_session;

/** What one connection is doing. */
typedef enum lw_sink_phase {
    LW_SINK_HANDSHAKE, /* TLS is being set up: nothing is read or written by us            */
    LW_SINK_TALK,      /* the engine decides                                               */
    LW_SINK_LINGER     /* all is said; what the peer still sends is read and dropped, so that
                          our last reply is not lost to a reset                            */
} lw_sink_phase;

/** The transaction under way: envelope copied from events, octets collected. */
typedef struct lw_sink_mail {
    lw_server_mail mail;    /* its strings are own copies                                  */
    lw_server_rcpt *rcpts;  /* accepted ones; strings are own copies                       */
    size_t n_rcpts, cap_rcpts;
    lw_buf data;
    uint64_t len;           /* octets that came, also with discard                         */
    bool used_bdat;
    lw_code failed;         /* LW_ENOMEM, LW_ELIMIT: octets are missing                    */
    size_t n_answered;      /* LMTP: MESSAGE events answered                               */
    int code;               /* the verdict, 0 = not decided or accepted                    */
    const char *text;
} lw_sink_mail;

struct lw_sink_session {
    lw_sink *sink;
    lw_sink_session *prev, *next;
    lw_conn *conn;
    lw_smtp_server *engine;
    lw_sink_phase phase;
    uint64_t phase_deadline;    /* HANDSHAKE and LINGER: when we give up                   */
    bool is_refused;            /* one connection too many: 421                            */
    bool is_write_blocked;
    char *peer, *hello;
    bool is_esmtp;
    char *held;                 /* input that the engine could not take yet                */
    size_t held_len, held_at;
    lw_sasl_server *sasl;       /* an exchange under way                                   */
    char mechanism[32];
    char *auth_user;            /* logged in, by mechanism                                 */
    lw_credentials who;         /* what the exchange borrows                              */
    unsigned char exporter[32], unique[64];
    lw_sink_mail mail;
};

struct lw_sink {
    const lw_alloc *alloc;
    lw_alloc alloc_copy;
    lw_sink_opts opts;          /* defaults filled in; strings are own copies              */
    lw_smtp_server_opts engine_opts;
    char *auth_clear;           /* mechanisms offered before TLS                           */
    uv_loop_t loop;
    uv_async_t stop, finish;
    uv_timer_t sweep;
    uv_thread_t thread;
    uv_mutex_t join_lock;
    bool is_joined;             /* under join_lock                                         */
    bool has_loop, has_lock, is_used, has_thread, is_stopping;
    bool is_finishing;          /* no connections and transactions begin any more          */
    uint64_t finish_deadline;   /* when idle sessions are ended                            */
    lw_listener *listener;      /* the loop's thread's                                     */
    char *address;              /* what it listens on; not changed any more                */
    uint16_t port;
    lw_tls_ctx *tls;
    lw_sink_session *sessions;
    uint32_t n_sessions;
    uint64_t number;            /* messages captured                                       */
    uint64_t held_bytes;        /* octets of messages under way                            */
    uint64_t next_file;
    char read_buf[SINK_READ_BYTES];
};

/* sink.c */
/** lw_sink_session_gone - the last session may end a server that is finishing */
void lw_sink_session_gone(lw_sink *s);

/* config.c */
LW_MUST_USE lw_code lw_sink_configure(lw_sink *s, const lw_sink_opts *opts, lw_error *err);
void lw_sink_deconfigure(lw_sink *s);

/* session.c */
void lw_sink_accept(void *sink, int fd, const char *peer);
void lw_sink_pump(lw_sink_session *c);
/** lw_sink_session_end - close and free the session */
void lw_sink_session_end(lw_sink_session *c);
/** lw_sink_session_sweep - tell the time; may end the session */
void lw_sink_session_sweep(lw_sink_session *c, uint64_t now_ms);
/** lw_sink_note - one line for on_note, foreign octets made printable */
void lw_sink_note(lw_sink_session *c, const char *fmt, ...) LW_PRINTF(2, 3);

/* decide.c */
void lw_sink_decide(lw_sink_session *c, const lw_server_event *ev);

/* login.c */
void lw_sink_login_begin(lw_sink_session *c, const lw_server_event *ev);
void lw_sink_login_go_on(lw_sink_session *c, const lw_server_event *ev);
void lw_sink_login_reset(lw_sink_session *c);

/* mail.c */
LW_MUST_USE lw_code lw_sink_mail_begin(lw_sink_session *c, const lw_server_mail *mail);
LW_MUST_USE lw_code lw_sink_mail_rcpt(lw_sink_session *c, const lw_server_rcpt *rcpt);
void lw_sink_mail_octets(lw_sink_session *c, lw_span data);
/** lw_sink_mail_finish - store, ask the caller; sets mail.code and mail.text once */
void lw_sink_mail_finish(lw_sink_session *c);
void lw_sink_mail_reset(lw_sink_session *c);

/* save.c */
/** lw_sink_save_check - the folder exists and can be written; finds the next file number */
LW_MUST_USE lw_code lw_sink_save_check(lw_sink *s, lw_error *err);
/** lw_sink_save - write NNNNN.eml and NNNNN.json; m->path is set (NUL-terminated in path).  On
 *  failure nothing is left behind; LW_EOUTPUT with err */
LW_MUST_USE lw_code lw_sink_save(lw_sink *s, lw_captured *m, lw_buf *path, lw_error *err);
/** lw_sink_unsave - take a saved message away again */
void lw_sink_unsave(const char *path);

#endif
