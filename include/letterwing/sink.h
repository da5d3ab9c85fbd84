/* SPDX-License-Identifier: MIT */
/*
 * letterwing/sink.h - a server that accepts mail and shows what came: for tests
 *
 * Runs in the calling thread (lw_sink_run) or in one of its own (lw_sink_start), listens on
 * a free port when asked for port 0, and calls back with each message.  Never relays.
 */
#ifndef LETTERWING_SINK_H
#define LETTERWING_SINK_H

#include <letterwing/base.h>
#include <letterwing/server.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One captured message; everything in it is valid during the callback only. */
typedef struct lw_captured {
    uint64_t number;               /* 1, 2, ... in the order of completion                  */
    const char *peer;              /* "127.0.0.1:40312"                                     */
    const char *hello;             /* argument of EHLO                                      */
    bool is_esmtp, used_bdat, used_tls;
    const char *tls_version;       /* NULL = no TLS                                         */
    const char *auth_mechanism;    /* NULL = no login                                       */
    const char *auth_user;
    lw_server_mail mail;
    const lw_server_rcpt *rcpts;   /* those that were accepted                              */
    size_t n_rcpts;
    const char *data;              /* the octets, as sent (dots unstuffed)                  */
    size_t len;
    const char *path;              /* where it was saved; NULL = it was not                 */
} lw_captured;

/** lw_captured_json - everything but the octets as one line of JSON (see the man page); NULL when
 *  out of memory; free it with lw_free() */
LW_API char *lw_captured_json(const lw_captured *m);

typedef struct lw_sink_opts {
    size_t size;
    const char *listen;            /* "127.0.0.1:0" (default), "[::1]:2525", "unix:/path"    */
    const char *name;              /* in greeting; NULL = "sink.letterwing.test"            */
    lw_protocol protocol;
    bool starttls;                 /* offer STARTTLS                                        */
    bool implicit_tls;             /* TLS from the first byte                               */
    const char *cert_file, *key_file; /* PEM; NULL = a throw-away certificate is made       */
    const char *user, *password;   /* NULL = no login is offered                            */
    const char *mechanisms;        /* offered, spaces; NULL = all that are available        */
    bool require_auth, require_tls;
    uint32_t capabilities;         /* LW_CAP_* offered; 0 = all that we speak               */
    uint32_t without;              /* LW_CAP_* left out                                     */
    uint64_t size_max;             /* SIZE and bound of a message; 0 = 67,108,864           */
    const char *reject;            /* addresses refused with 550, comma-separated; NULL = none */
    const char *save_dir;          /* each message as NNNNN.eml, the octets as sent, and what
                                      lw_captured_json tells as NNNNN.json; nothing is
                                      acknowledged that is not stored; NULL = not saved     */
    uint32_t max_connections;      /* 0 = 1,000; further ones get 421                       */
    bool discard;                  /* keep no octets: data is NULL, len is counted          */
    /* decides on a message after it was read (and saved): return 0 to accept, or a code 4yz/5yz
       with *text set to static text.  Called on the sink's thread.  NULL = accept. */
    int (*on_message)(void *ctx, const lw_captured *m, const char **text);
    /* what happened besides: connections, refusals, failures; one line.  NULL = none */
    void (*on_note)(void *ctx, const char *line);
    void *ctx;
    const lw_alloc *alloc;         /* used from the sink's thread                           */
    uint64_t timeout_ms;           /* waiting for a client; 0 = 300,000                     */
    uint64_t memory_max;           /* octets of messages under way, all connections; then
                                      452 4.3.1; 0 = 1,073,741,824                          */
} lw_sink_opts;

static inline void lw_sink_opts_init(lw_sink_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
}

typedef struct lw_sink lw_sink;
/** lw_sink_open - listen.  LW_OK; LW_ECONFIG, LW_ECONNECT (address in use), LW_ETLS, LW_EOUTPUT
 *  (save_dir cannot be written), with the sentence in err. */
LW_API LW_MUST_USE lw_code lw_sink_open(const lw_sink_opts *opts, lw_sink **out, lw_error *err);
/** lw_sink_port - the port it listens on, 0 for a Unix socket */
LW_API uint16_t lw_sink_port(const lw_sink *s);
/** lw_sink_address - what it listens on as text, "127.0.0.1:2525" */
LW_API const char *lw_sink_address(const lw_sink *s);
/** lw_sink_certificate - the server's certificate as PEM text (for a client's ca_file), NULL = no TLS */
LW_API const char *lw_sink_certificate(const lw_sink *s);
/** lw_sink_run - serve until lw_sink_stop(); in the calling thread */
LW_API LW_MUST_USE lw_code lw_sink_run(lw_sink *s);
/** lw_sink_start - serve in a thread of its own */
LW_API LW_MUST_USE lw_code lw_sink_start(lw_sink *s);
/** lw_sink_stop - end lw_sink_run, or end and join the thread; from any thread; async-signal-safe
 *  for lw_sink_run */
LW_API void lw_sink_stop(lw_sink *s);
/** lw_sink_finish - as lw_sink_stop, in order: no connection is accepted and no transaction begins
 *  any more, sessions under way may end (an idle one within seconds), then lw_sink_run returns.
 *  Does not wait; from any thread or signal handler */
LW_API void lw_sink_finish(lw_sink *s);
LW_API void lw_sink_free(lw_sink *s);

#ifdef __cplusplus
}
#endif
#endif
