/* SPDX-License-Identifier: MIT */
/*
 * net/net.h - names, connections and TLS on a libuv loop
 *
 * A connection (lw_conn) is a socket, perhaps with TLS on it, that never blocks and never
 * raises SIGPIPE.  It tells its owner when something can be done; the owner reads and writes
 * when it wants.  The parts: url.c (what --via says), resolve.c (names), rotation.c (their
 * addresses in turn), connect.c (Happy Eyeballs), conn.c (read, write, watch), listen.c (the
 * accepting side), tls.c (contexts), tls_io.c (handshake and octets), tls_verify.c
 * (certificates), tls_facts.c (what was negotiated), tls_error.c (why it failed).
 */
#ifndef LW_NET_NET_H
#define LW_NET_NET_H

#include <letterwing/send.h>
#include <letterwing/smtp.h>

#include "base/base.h"

#include <uv.h>

/* ---- loops ------------------------------------------------------------------------------------ */

/** lw_loop_init - uv_loop_init(), with no descriptor below 3.  LW_OK or LW_ENOMEM (descriptors too) */
LW_MUST_USE lw_code lw_loop_init(uv_loop_t *loop);
/** lw_fd_above_stdio - fd, or in place of 0 to 2 a copy above them; -1 when there is none left */
int lw_fd_above_stdio(int fd);

/* ---- URLs ------------------------------------------------------------------------------------- */

typedef enum lw_tls_mode {
    LW_TLS_REQUIRED,      /* STARTTLS, or nothing is sent                                   */
    LW_TLS_OPPORTUNISTIC, /* STARTTLS when offered                                          */
    LW_TLS_IMPLICIT,      /* from the first byte                                            */
    LW_TLS_NONE
} lw_tls_mode;

/** A server as a URL names it: smtp://[user[:pass]@]host[:port][?opt=value&...].
 *  Schemes: smtp (STARTTLS required; opportunistic on loopback), smtps = ssl, tls (as smtp with
 *  tls=required, also on loopback), plain (tls=none, insecure_auth), lmtp (opportunistic),
 *  lmtp+unix:///path.  Options: tls=required|opportunistic|none, insecure-auth=yes|no, pipelining=yes|no,
 *  auth=MECH[,MECH].  user and password are percent-decoded. */
typedef struct lw_url {
    lw_protocol protocol;
    lw_tls_mode tls;
    bool insecure_auth;   /* a login in clear is allowed                                    */
    bool no_pipelining;   /* as if the server did not offer PIPELINING                      */
    char *host;           /* without []; NULL for a Unix socket                             */
    uint16_t port;        /* default: smtp/tls 587 (25 on loopback is NOT assumed), smtps/ssl 465,
                             plain 25, lmtp 24                                              */
    char *path;           /* Unix socket; NULL otherwise                                    */
    char *user, *password, *auth; /* NULL = not given                                       */
} lw_url;

/** lw_url_parse - LW_OK, LW_ENOMEM, or LW_ECONFIG with a sentence that names what is wrong (unknown
 *  scheme or option, port 0 or 70000, empty host, control characters); never shows the password */
LW_MUST_USE lw_code lw_url_parse(const lw_alloc *alloc, const char *text, lw_url *out, lw_error *err);
void lw_url_deinit(const lw_alloc *alloc, lw_url *u);
/** lw_host_is_loopback - "localhost", 127.0.0.0/8, ::1 */
bool lw_host_is_loopback(const char *host);

/* ---- TLS contexts ---------------------------------------------------------------------------------- */

typedef struct lw_tls_ctx lw_tls_ctx;

typedef struct lw_tls_client_opts {
    const char *ca_file, *cert_file, *key_file, *pin; /* as in lw_send_opts                  */
    bool keep_unverified;  /* probe: finish the handshake and report what is wrong           */
} lw_tls_client_opts;
/** lw_tls_client_new - a client context; TLS 1.2 or newer.  Reads the files now: LW_ECONFIG with a
 *  sentence if one is unreadable or the pin is malformed.  Keeps sessions for resumption, by host
 *  and policy.  Not thread-safe: one context per thread. */
LW_MUST_USE lw_code lw_tls_client_new(const lw_alloc *alloc, const lw_tls_client_opts *opts,
                                      lw_tls_ctx **out, lw_error *err);
/** lw_tls_server_new - a server context; cert_file NULL: a throw-away certificate for name,
 *  localhost, 127.0.0.1 and ::1 is made, valid for 30 days.  key_file NULL: in cert_file.  Client
 *  certificates are not asked for */
LW_MUST_USE lw_code lw_tls_server_new(const lw_alloc *alloc, const char *name, const char *cert_file,
                                      const char *key_file, lw_tls_ctx **out, lw_error *err);
/** lw_tls_ctx_pem - the server's certificate as PEM text; owned by the context */
const char *lw_tls_ctx_pem(const lw_tls_ctx *c);
/** lw_tls_ctx_free - connections that use the context keep what they need of it */
void lw_tls_ctx_free(lw_tls_ctx *c);

/* ---- connections ---------------------------------------------------------------------------------------- */

typedef struct lw_conn lw_conn;

typedef enum lw_conn_event {
    LW_CONN_OPEN,     /* connected (and, with implicit TLS, the handshake is done)           */
    LW_CONN_TLS,      /* the handshake begun by lw_conn_start_tls is done                    */
    LW_CONN_READABLE, /* lw_conn_read will give something (octets, the end, an error)        */
    LW_CONN_WRITABLE, /* lw_conn_write will take something                                   */
    LW_CONN_FAILED    /* connecting or the handshake failed: lw_conn_error                   */
} lw_conn_event;

/** Called on the loop's thread, never from inside a lw_conn_* call.  The callback may call any
 *  lw_conn_* function, lw_conn_close too. */
typedef void (*lw_conn_cb)(void *ctx, lw_conn *c, lw_conn_event what);

/** lw_lookup_fn - find the addresses of a name; runs on a thread of its own and may block, also
 *  after the connection was closed: ctx must live as long */
struct lw_lookup;
typedef void (*lw_lookup_fn)(void *ctx, const char *host, uint16_t port, struct lw_lookup *found);

#define LW_IP_BYTES 16
#define LW_AVOIDED_MAX 8u
#define LW_AVOIDED_MS 60000u

/** Whose turn it is among the addresses of one name, for connections of one loop.  Zeroed, next any
 *  number; it must live as long as connections that have it are not closed. */
typedef struct lw_rotation {
    uint32_t next;
    struct lw_avoided {          /* comes last for a while                                   */
        unsigned char ip[LW_IP_BYTES];
        uint64_t until_ms;       /* 0 = nothing stands here                                  */
    } avoided[LW_AVOIDED_MAX];
} lw_rotation;

typedef struct lw_conn_opts {
    const lw_alloc *alloc;
    const char *host;            /* name or literal address; NULL = path                     */
    uint16_t port;
    const char *path;            /* Unix socket                                              */
    lw_tls_ctx *tls;             /* may be NULL if TLS will not be used                      */
    bool implicit_tls;
    uint64_t timeout_ms;         /* until LW_CONN_OPEN; 0 = 30,000                           */
    uint32_t attempt_delay_ms;   /* RFC 8305 5 Connection Attempt Delay; 0 = 250             */
    lw_rotation *rotation;       /* NULL = the resolver's order, each time                   */
    struct lw_lookup *rest;      /* from lw_conn_pass_by: tried in place of all of host's;
                                    moved in on success.  NULL = look host up               */
    lw_lookup_fn lookup;         /* NULL = getaddrinfo; tests give addresses of their own    */
    void *lookup_ctx;
} lw_conn_opts;

/** lw_conn_open - begin to connect: resolve, race the addresses (RFC 8305), TLS if implicit.  LW_OK:
 *  OPEN or FAILED follows; LW_ENOMEM, LW_EIO-like codes at once with err */
LW_MUST_USE lw_code lw_conn_open(uv_loop_t *loop, const lw_conn_opts *opts, lw_conn_cb cb, void *ctx,
                                 lw_conn **out, lw_error *err);
/** lw_conn_adopt - a connection from an accepted, non-blocking socket; fd is moved in on success */
LW_MUST_USE lw_code lw_conn_adopt(uv_loop_t *loop, const lw_alloc *alloc, int fd, lw_conn_cb cb,
                                  void *ctx, lw_conn **out);
/** lw_conn_start_tls - handshake as a client (host: SNI and name check; NULL only on a Unix socket,
 *  there it is localhost) or as a server; TLS or
 *  FAILED follows.  A plaintext SMTP banner met in the handshake is named in the error, with the
 *  remedy ("...port 587 speaks plain text first: use smtp://") */
LW_MUST_USE lw_code lw_conn_start_tls(lw_conn *c, lw_tls_ctx *ctx, bool as_server, const char *host,
                                      lw_error *err);
/** lw_conn_watch - which of READABLE and WRITABLE to report; level-triggered; both off at first */
void lw_conn_watch(lw_conn *c, bool read, bool write);
/** lw_conn_read - LW_OK with *n > 0; LW_AGAIN: nothing yet; LW_DONE: the peer ended; negative: lost,
 *  see lw_conn_error */
LW_MUST_USE lw_code lw_conn_read(lw_conn *c, char *buf, size_t cap, size_t *n);
/** lw_conn_write - the slices in order, as far as the network takes them.  LW_OK with *n > 0;
 *  LW_AGAIN: nothing taken; negative: lost.  After LW_AGAIN the same octets must come first again.
 *  After a failed write what the peer said before ("421 ...") can still be read */
LW_MUST_USE lw_code lw_conn_write(lw_conn *c, const lw_slice *v, int count, size_t *n);
/** lw_conn_settle - what listens there is of use: the rotation holds nothing against its address, and
 *  the name's other addresses are forgotten */
void lw_conn_settle(lw_conn *c);
/** lw_conn_pass_by - what listens there is of no use: for a while, connections that share the rotation
 *  come to its address last.  Returns the name's addresses that have not failed yet, for
 *  lw_conn_opts.rest or lw_release(); only_promising: without those that come last.  NULL: none are
 *  left, or nothing was reached, or it was settled */
struct lw_lookup *lw_conn_pass_by(lw_conn *c, bool only_promising);
/** lw_conn_some_failed - addresses that its race tried could not be reached */
bool lw_conn_some_failed(const lw_conn *c);
const lw_error *lw_conn_error(const lw_conn *c);
/** lw_conn_address - "192.0.2.1" or the Unix path of the peer reached, "" before; _port: its port */
const char *lw_conn_address(const lw_conn *c);
uint16_t lw_conn_port(const lw_conn *c);
/** lw_conn_local_address - our own address, for EHLO's address literal; "" if none */
const char *lw_conn_local_address(const lw_conn *c);
/** lw_conn_tls_facts - filled after a handshake, also a failed one as far as it is known */
const lw_tls_facts *lw_conn_tls_facts(const lw_conn *c);
/** lw_conn_channel_binding - tls-exporter (RFC 9266; 32 octets) if TLS 1.3, and tls-unique if 1.2;
 *  false if there is no TLS */
bool lw_conn_channel_binding(lw_conn *c, unsigned char exporter[32], bool *has_exporter,
                             unsigned char unique[64], size_t *unique_len);
/** lw_conn_shutdown - tell the peer that nothing more comes (TLS close_notify, so that the session
 *  may be resumed) */
void lw_conn_shutdown(lw_conn *c);
/** lw_conn_close - end and free; no callback follows; under TLS what the network has not taken is
 *  lost.  NULL is fine.  The loop must run once more to finish */
void lw_conn_close(lw_conn *c);

/* ---- listening ------------------------------------------------------------------------------------------- */

typedef struct lw_listener lw_listener;
/** lw_listener_open - "127.0.0.1:0", "[::1]:25", "unix:/path"; accepted gets a non-blocking fd and
 *  owns it; peer is its address as text */
LW_MUST_USE lw_code lw_listener_open(uv_loop_t *loop, const lw_alloc *alloc, const char *where,
                                     void (*accepted)(void *ctx, int fd, const char *peer), void *ctx,
                                     lw_listener **out, lw_error *err);
uint16_t lw_listener_port(const lw_listener *l);
const char *lw_listener_address(const lw_listener *l);
void lw_listener_close(lw_listener *l);

#endif
