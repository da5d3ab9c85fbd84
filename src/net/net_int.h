/* SPDX-License-Identifier: MIT */
/*
 * net/net_int.h - inside the network room
 *
 * A connection (conn.c) owns its attempts to connect (connect.c), a look-up under way
 * (resolve.c) and, once TLS begins, an lw_tls (tls_io.c): a handshake, its input and its
 * output over a socket that the lw_tls borrows.
 */
#ifndef LW_NET_NET_INT_H
#define LW_NET_NET_INT_H

#include "net/net.h"
#include "net/openssl_late.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

/* ---- addresses (addr.c) ------------------------------------------------------------------ */

#define LW_ADDR_TEXT_MAX 128 /* the longest is a Unix path */

typedef struct lw_addr {
    socklen_t len;
    union {
        struct sockaddr sa;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } u;
} lw_addr;

/** lw_addr_literal - an IPv4 or IPv6 address as text, perhaps with a zone; no name service */
bool lw_addr_literal(lw_addr *a, const char *host, uint16_t port);
/** lw_addr_unix - false if the path does not fit */
bool lw_addr_unix(lw_addr *a, const char *path);
/** lw_addr_text - "192.0.2.1", "2001:db8::1", the Unix path, or "" */
void lw_addr_text(const lw_addr *a, char *dst, size_t cap);
uint16_t lw_addr_port(const lw_addr *a);
/** lw_os_text - a system error as text, in English and without any global state */
const char *lw_os_text(int os_err, char *dst, size_t cap);

/* ---- names (resolve.c) ---------------------------------------------------------------------- */

#define LW_ADDRS_MAX 32

/** What a name stands for. */
typedef struct lw_lookup {
    lw_addr addrs[LW_ADDRS_MAX];
    size_t n;
    int gai_err; /* of getaddrinfo, 0 = none                                                */
    int os_err;  /* errno with EAI_SYSTEM                                                   */
} lw_lookup;

typedef struct lw_resolve lw_resolve;

typedef struct lw_resolve_query {
    const char *host;
    uint16_t port;
    lw_lookup_fn fn;    /* NULL = getaddrinfo                                               */
    void *fn_ctx;
    uv_async_t *async;  /* is sent when the answer is there                                 */
} lw_resolve_query;

#define LW_LOOKUPS_MAX 32 /* threads of this process that look names up; more look-ups wait */
/** lw_resolve_start - look host up on another thread.  LW_EHOST: the name is too long; LW_ENOMEM:
 *  also when there is no thread and none can be had */
LW_MUST_USE lw_code lw_resolve_start(const lw_resolve_query *query, lw_resolve **out);
/** lw_resolve_found - the answer, once async was sent; valid until lw_resolve_drop */
const lw_lookup *lw_resolve_found(const lw_resolve *r);
/** lw_resolve_drop - not interested any more; before the async handle is closed.  NULL is fine */
void lw_resolve_drop(lw_resolve *r);
/** lw_addrs_interleave - the other family's first address second, and so on */
void lw_addrs_interleave(lw_lookup *l);

/* ---- turns (rotation.c) --------------------------------------------------------------------- */

typedef struct lw_avoided lw_avoided;
/** lw_rotation_order - the order of the next connection's race */
void lw_rotation_order(lw_rotation *r, lw_lookup *l, uint64_t now_ms);
/** lw_rotation_rest - those that come last behind the others, or not at all; r NULL is fine */
void lw_rotation_rest(lw_rotation *r, lw_lookup *l, uint64_t now_ms, bool only_promising);
/** lw_rotation_failed, _worked - what became of an address; r NULL is fine */
void lw_rotation_failed(lw_rotation *r, const lw_addr *a, uint64_t now_ms);
void lw_rotation_worked(lw_rotation *r, const lw_addr *a);

/* ---- OpenSSL (openssl.c) ------------------------------------------------------------------------ */

/** lw_openssl_load - have OpenSSL's functions.  LW_ECONFIG: it is not there, LW_ENOMEM: no file
 *  descriptor is free at present; then none of them may be called */
LW_MUST_USE lw_code lw_openssl_load(lw_error *err);

/* ---- TLS contexts (tls.c, tls_server.c, tls_pin.c, tls_session.c) ----------------------------- */

#define LW_PIN_BYTES 32
#define LW_SESSIONS_MAX 64
#define LW_RECORD_BYTES 16384 /* what one TLS record holds at most (RFC 8446, 5.1) */

typedef struct lw_saved_session {
    char *key; /* host and port */
    SSL_SESSION *session;
} lw_saved_session;

struct lw_tls_ctx {
    const lw_alloc *alloc;
    lw_alloc alloc_copy;
    unsigned refs;          /* the owner, and each lw_tls                                   */
    SSL_CTX *ssl;
    BIO_METHOD *bio;
    bool has_pin, keep_unverified;
    unsigned char pin[LW_PIN_BYTES];
    char *ca_file;          /* named in errors; NULL = system store                         */
    char *pem;              /* server: its certificate                                      */
    lw_saved_session saved[LW_SESSIONS_MAX];
    size_t next_saved;      /* the next place to be used again                              */
    char record[LW_RECORD_BYTES]; /* small slices are gathered here                         */
    char *spare;            /* the largest buffer for output that no connection needs now   */
    size_t spare_cap;
};

/** lw_tls_ctx_make - what client and server contexts have in common */
LW_MUST_USE lw_code lw_tls_ctx_make(const lw_alloc *alloc, bool is_server, lw_tls_ctx **out,
                                    lw_error *err);
/** lw_tls_ctx_use_files - certificate chain and key from PEM files (key NULL: in cert) */
LW_MUST_USE lw_code lw_tls_ctx_use_files(lw_tls_ctx *c, const char *cert, const char *key,
                                         lw_error *err);
/** lw_tls_reason - the first error OpenSSL has queued on this thread, as text; empties the queue */
const char *lw_tls_reason(char *dst, size_t cap);
/** lw_tls_bio_method - octets through the socket of an lw_tls (tls_io.c); NULL = no memory */
BIO_METHOD *lw_tls_bio_method(void);

LW_MUST_USE lw_code lw_pin_parse(const char *text, unsigned char pin[LW_PIN_BYTES], lw_error *err);
/** lw_pin_of - SHA-256 of the public key (SPKI) of a certificate */
bool lw_pin_of(X509 *cert, unsigned char pin[LW_PIN_BYTES]);

/** lw_session_save - takes session in */
void lw_session_save(lw_tls_ctx *c, const char *key, SSL_SESSION *session);
/** lw_session_find - to be used for one handshake; the caller frees it, NULL = none */
SSL_SESSION *lw_session_find(lw_tls_ctx *c, const char *key);

/* ---- TLS on one connection (tls_io.c, tls_verify.c, tls_facts.c, tls_error.c) ------------------- */

#define LW_TLS_OUT_MAX 98304u  /* octets of records that the network has not taken yet */
#define LW_TLS_FIRST_MAX 128   /* the peer's first octets, to know plain text by */
#define LW_PROBLEM_MAX 400

/** What is wrong with a certificate; several can be. */
typedef enum lw_fault {
    LW_FAULT_EXPIRED,
    LW_FAULT_NOT_YET,
    LW_FAULT_SELF_SIGNED,
    LW_FAULT_ISSUER,
    LW_FAULT_NAME,
    LW_FAULT_PIN,
    LW_FAULT_OTHER
} lw_fault;

typedef struct lw_tls {
    const lw_alloc *alloc;
    lw_tls_ctx *ctx;
    SSL *ssl;
    int fd;                 /* the connection's                                             */
    bool is_server, is_starttls;
    char *host;             /* client: the name that is checked                             */
    uint16_t port;
    char *key;              /* client: of the session cache                                 */
    bool is_done;           /* the handshake is                                             */
    bool is_shut;           /* our close_notify is written                                  */
    bool is_out_lost;       /* the network takes nothing any more                           */
    int read_err;           /* SSL_get_error of a reading that failed for good, 0 = none    */
    bool may_have_input;    /* SSL_read may give something without the network              */
    bool is_eof;
    int os_err;             /* of recv or send                                              */
    char *out;              /* records for the network: out[out_at..out_len)                 */
    size_t out_at, out_len, out_cap;
    char first[LW_TLS_FIRST_MAX];
    size_t first_len;
    unsigned faults;        /* bits 1 << lw_fault                                           */
    int first_fault;        /* X509_V_ERR_* of the first one                                */
    char problem[LW_PROBLEM_MAX];
    lw_tls_facts facts;
    lw_error *err;          /* the connection's                                             */
    size_t n_chain;         /* certificates in facts.chain, which is ours                   */
    lw_certificate *chain;
} lw_tls;

typedef struct lw_tls_start {
    lw_tls_ctx *ctx;
    int fd;
    bool is_server, is_starttls;
    const char *host;
    uint16_t port;
    lw_error *err; /* where failures of this lw_tls go, as long as it lives */
} lw_tls_start;

LW_MUST_USE lw_code lw_tls_new(const lw_alloc *alloc, const lw_tls_start *start, lw_tls **out);
void lw_tls_free(lw_tls *t);
/** lw_tls_handshake - LW_OK: done; LW_AGAIN: wait for the network; negative: t->err */
LW_MUST_USE lw_code lw_tls_handshake(lw_tls *t);
LW_MUST_USE lw_code lw_tls_read(lw_tls *t, char *buf, size_t cap, size_t *n);
LW_MUST_USE lw_code lw_tls_write(lw_tls *t, const lw_slice *v, int count, size_t *n);
/** lw_tls_flush - LW_OK: all is with the network; LW_AGAIN: not yet; negative: t->err */
LW_MUST_USE lw_code lw_tls_flush(lw_tls *t);
void lw_tls_shutdown(lw_tls *t);
bool lw_tls_has_input(const lw_tls *t);
bool lw_tls_has_output(const lw_tls *t);

/** lw_tls_verify - for SSL_CTX_set_cert_verify_callback: collects every fault */
int lw_tls_verify(X509_STORE_CTX *store, void *ctx);
/** lw_tls_facts_chain - copy what facts tell of the certificates; fewer when out of memory */
void lw_tls_facts_chain(lw_tls *t, STACK_OF(X509) *chain);
/** lw_tls_facts_done - after the handshake */
void lw_tls_facts_done(lw_tls *t);
void lw_tls_facts_deinit(lw_tls *t);
/** lw_x509_name - a name as UTF-8 text, controls replaced */
void lw_x509_name(const X509_NAME *name, char *dst, size_t cap);
/** lw_tls_explain - why the handshake failed: sets *t->err, returns its code.  ssl_err is SSL_get_error's */
lw_code lw_tls_explain(lw_tls *t, int ssl_err);
/** lw_tls_lost - why reading or writing failed after the handshake */
lw_code lw_tls_lost(lw_tls *t, int ssl_err);

/* ---- connections (conn.c, connect.c) --------------------------------------------------------------- */

typedef enum lw_conn_state {
    LW_CONN_S_RESOLVE,   /* a name is looked up                                             */
    LW_CONN_S_CONNECT,   /* attempts are running                                            */
    LW_CONN_S_HANDSHAKE, /* TLS is                                                          */
    LW_CONN_S_OPEN,
    LW_CONN_S_FAILED,    /* connecting or the handshake failed                              */
    LW_CONN_S_CLOSED     /* lw_conn_close was called; waits for its handles                 */
} lw_conn_state;

/** One address that is tried; the one that wins lends its handle to the connection. */
typedef struct lw_attempt {
    lw_conn *conn;
    uv_poll_t poll;
    int fd;          /* -1 = not begun, or given up                                         */
    bool has_poll;
    int os_err;      /* why it failed                                                       */
} lw_attempt;

struct lw_conn {
    const lw_alloc *alloc;
    lw_alloc alloc_copy;
    uv_loop_t *loop;
    lw_conn_cb cb;
    void *cb_ctx;
    lw_conn_state state;
    lw_error err;
    lw_code read_rc, write_rc; /* negative: that direction is lost.  What the peer said before
                                  can still be read when writing has failed                 */

    /* connecting */
    char *host, *path;
    uint16_t port;
    lw_tls_ctx *tls_ctx;     /* implicit TLS is with it                                      */
    bool implicit_tls;
    uint64_t timeout_ms;
    uint32_t attempt_delay_ms;
    lw_rotation *rotation;   /* NULL = none                                                  */
    lw_lookup *found;        /* addresses in the order of the race; when it is won, those that
                                have not failed; NULL = none                              */
    lw_attempt *attempts;    /* one for each                                                 */
    size_t n_attempts, n_begun, n_failed;
    lw_resolve *resolve;
    uv_async_t resolved;
    uv_timer_t deadline, next_attempt;

    /* connected */
    uv_poll_t *poll;         /* of the attempt that won                                      */
    int fd;
    int polled;              /* events asked of poll                                         */
    bool want_read, want_write, is_shut;
    lw_tls *tls;
    char address[LW_ADDR_TEXT_MAX], local[LW_ADDR_TEXT_MAX];

    uv_idle_t soon;          /* runs while something is to be told that no socket tells      */
    bool has_told;           /* an event waits for soon                                     */
    lw_conn_event told;
    unsigned n_handles;      /* not closed yet                                               */
    bool has_timers, has_async;
};

/* conn.c */
LW_MUST_USE lw_code lw_conn_make(uv_loop_t *loop, const lw_alloc *alloc, lw_conn_cb cb, void *ctx,
                                 lw_conn **out);
/** lw_conn_connected - the race is won: attempt's socket is the connection's */
void lw_conn_connected(lw_conn *c, lw_attempt *a);
/** lw_conn_fail - connecting failed with c->err set; FAILED is told soon */
void lw_conn_fail(lw_conn *c);
/** lw_conn_tell_now - what waits to be told, if anything does; from the loop's callbacks only */
void lw_conn_tell_now(lw_conn *c);
/** lw_conn_handle_closed - for uv_close, handle->data is the connection */
void lw_conn_handle_closed(uv_handle_t *h);

/* connect.c */
/** lw_race_end - close every socket, timer and look-up that the connection has */
void lw_race_end(lw_conn *c);

#endif
