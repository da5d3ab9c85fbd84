/* SPDX-License-Identifier: MIT */
/*
 * net/tls_io.c - TLS on one socket: handshake, reading, writing
 *
 * OpenSSL reads from the socket itself, but writes into a buffer that is sent afterwards: a
 * flight of many slices becomes few records and one system call, and OpenSSL never has to be
 * called again with the same octets because the network was full.  What is in the buffer
 * counts as taken, as what is in the kernel's does.  Between flights a connection has no large
 * buffer: the context keeps one for whoever writes next, so that none is made for each flight.
 *
 * The buffers are the context's memory: one may outlive the connection that it was made for.
 *
 * Invariants: out_at <= out_len <= out_cap <= LW_TLS_OUT_MAX; before lw_tls_write adds records,
 * the buffer is empty; read_err is set once and stays.
 */
#include "net/net_int.h"

#include <errno.h>
#include <stdio.h>

#define OUT_FULL 65536u               /* no further record is begun behind this */
#define OUT_KEPT 4096u                /* a larger buffer goes to the context when it is empty */

/* ---- the socket as OpenSSL sees it ----------------------------------------------------------------- */

static void
give_out(lw_tls *t)
{
    lw_tls_ctx *ctx = t->ctx;

    if (ctx->spare_cap < t->out_cap) {
        lw_release(ctx->alloc, ctx->spare);
        ctx->spare = t->out;
        ctx->spare_cap = t->out_cap;
    } else {
        lw_release(ctx->alloc, t->out);
    }
    t->out = NULL;
    t->out_cap = 0;
}

static void
take_spare(lw_tls *t)
{
    lw_release(t->ctx->alloc, t->out);
    t->out = t->ctx->spare;
    t->out_cap = t->ctx->spare_cap;
    t->ctx->spare = NULL;
    t->ctx->spare_cap = 0;
}

static bool
reserve_out(lw_tls *t, size_t n)
{
    size_t need, cap = t->out_cap < 1024 ? 1024 : t->out_cap;
    char *p;

    if (!lw_add_size(&need, t->out_len, n) || need > LW_TLS_OUT_MAX)
        return false;
    if (need > t->out_cap && t->out_len == 0 && need <= t->ctx->spare_cap)
        take_spare(t);
    if (need <= t->out_cap)
        return true;
    while (cap < need)
        cap *= 2;
    cap = cap > LW_TLS_OUT_MAX ? LW_TLS_OUT_MAX : cap;
    if ((p = lw_resize(t->ctx->alloc, t->out, cap)) == NULL)
        return false;
    t->out = p;
    t->out_cap = cap;
    return true;
}

static int
bio_write(BIO *bio, const char *p, int n)
{
    lw_tls *t = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (n <= 0 || !reserve_out(t, (size_t)n))
        return -1;
    memcpy(t->out + t->out_len, p, (size_t)n);
    t->out_len += (size_t)n;
    return n;
}

static void
keep_first(lw_tls *t, const char *p, size_t n)
{
    size_t room = LW_TLS_FIRST_MAX - t->first_len;

    memcpy(t->first + t->first_len, p, n < room ? n : room);
    t->first_len += n < room ? n : room;
}

static int
bio_read(BIO *bio, char *p, int n)
{
    lw_tls *t = BIO_get_data(bio);
    ssize_t got;

    BIO_clear_retry_flags(bio);
    if (n <= 0)
        return 0;
    if (!t->is_done && lw_tls_has_output(t)) { /* the peer waits for it: no answer is there */
        BIO_set_retry_read(bio);
        return -1;
    }
    do
        got = recv(t->fd, p, (size_t)n, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        if (!t->is_done)
            keep_first(t, p, (size_t)got);
        return (int)got;
    }
    if (got == 0)
        t->is_eof = true;
    else if (errno == EAGAIN || errno == EWOULDBLOCK)
        BIO_set_retry_read(bio);
    else
        t->os_err = errno;
    return got == 0 ? 0 : -1;
}

static long
bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    const lw_tls *t = BIO_get_data(bio);

    (void)num, (void)ptr;
    if (cmd == BIO_CTRL_EOF)
        return t->is_eof;
    return cmd == BIO_CTRL_FLUSH; /* what is written waits in our own buffer */
}

BIO_METHOD *
lw_tls_bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "letterwing");

    if (m == NULL)
        return NULL;
    if (BIO_meth_set_write(m, bio_write) == 1 && BIO_meth_set_read(m, bio_read) == 1 &&
        BIO_meth_set_ctrl(m, bio_ctrl) == 1)
        return m;
    BIO_meth_free(m);
    return NULL;
}

static bool
set_bio(lw_tls *t)
{
    BIO *bio = BIO_new(t->ctx->bio);

    if (bio == NULL)
        return false;
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    return true;
}

/* ---- beginning and end ----------------------------------------------------------------------------------- */

/* A name that begins with a dot would be taken for every name below it, an empty one for none. */
static bool
is_checkable(const char *host)
{
    return host != NULL && host[0] != '\0' && host[0] != '.' && host[0] != '%' &&
           strlen(host) <= TLSEXT_MAXLEN_host_name;
}

/* the name without a final dot, the address without its zone */
static char *
checked_name(const lw_alloc *alloc, const char *host)
{
    lw_span s = lw_span_str(host);

    s.len = lw_span_find(s, '%');
    if (s.len > 1 && s.ptr[s.len - 1] == '.')
        s.len--;
    return lw_span_dup(alloc, s);
}

static bool
set_name(lw_tls *t)
{
    lw_addr a;

    if (lw_addr_literal(&a, t->host, 0))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), t->host) == 1;
    SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(t->ssl, t->host) == 1 &&
           SSL_set_tlsext_host_name(t->ssl, t->host) == 1;
}

static bool
set_key(lw_tls *t)
{
    lw_buf b;

    lw_buf_init(&b, t->alloc, 512);
    lw_buf_add_fmt(&b, "%s %u", t->host, (unsigned)t->port);
    t->key = lw_buf_take(&b);
    lw_buf_deinit(&b);
    return t->key != NULL;
}

static bool
set_up_client(lw_tls *t, const lw_tls_start *start)
{
    SSL_SESSION *session;

    if ((t->host = checked_name(t->alloc, start->host)) == NULL || !set_name(t) || !set_key(t))
        return false;
    if ((session = lw_session_find(t->ctx, t->key)) != NULL)
        SSL_set_session(t->ssl, session);
    SSL_SESSION_free(session);
    SSL_set_connect_state(t->ssl);
    return true;
}

lw_code
lw_tls_new(const lw_alloc *alloc, const lw_tls_start *start, lw_tls **out)
{
    lw_tls *t = lw_zalloc(alloc, sizeof *t);
    bool ok = t != NULL;

    *out = NULL;
    if (!start->is_server && !is_checkable(start->host)) {
        lw_release(alloc, t);
        return lw_fail(start->err, LW_EUSAGE, LW_STAGE_TLS, "TLS needs the server's name");
    }
    if (ok) {
        t->alloc = alloc;
        t->ctx = start->ctx;
        t->ctx->refs++;
        t->fd = start->fd;
        t->is_server = start->is_server;
        t->is_starttls = start->is_starttls;
        t->port = start->port;
        t->err = start->err;
        ERR_clear_error();
        ok = (t->ssl = SSL_new(t->ctx->ssl)) != NULL && SSL_set_app_data(t->ssl, t) == 1 &&
             set_bio(t);
    }
    if (ok && t->is_server)
        SSL_set_accept_state(t->ssl);
    else if (ok)
        ok = set_up_client(t, start);
    if (!ok) {
        lw_tls_free(t);
        ERR_clear_error();
        return lw_fail(start->err, LW_ENOMEM, LW_STAGE_TLS, "out of memory for TLS");
    }
    *out = t;
    return LW_OK;
}

void
lw_tls_free(lw_tls *t)
{
    if (t == NULL)
        return;
    /* Else OpenSSL takes the session for one that was cut off, and never resumes it. */
    if (t->ssl != NULL && t->is_done && t->read_err == 0)
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(t->ssl);
    lw_release(t->ctx->alloc, t->out);
    lw_tls_ctx_free(t->ctx);
    lw_tls_facts_deinit(t);
    lw_release(t->alloc, t->host);
    lw_release(t->alloc, t->key);
    lw_release(t->alloc, t);
}

/* ---- output ----------------------------------------------------------------------------------------------- */

static void
empty_out(lw_tls *t)
{
    t->out_at = t->out_len = 0;
    if (t->out_cap > OUT_KEPT)
        give_out(t);
}

static lw_code
out_lost(lw_tls *t, int os_err)
{
    char text[64];

    t->is_out_lost = true;
    empty_out(t);
    if (t->err->code < 0 || !t->is_done) /* a handshake finds the reason when it reads */
        return LW_ELOST;
    lw_fail(t->err, LW_ELOST, LW_STAGE_NONE, "the connection was lost: %s",
            lw_os_text(os_err, text, sizeof text));
    t->err->retry = LW_RETRY_LATER;
    t->err->os_err = os_err;
    return LW_ELOST;
}

lw_code
lw_tls_flush(lw_tls *t)
{
    if (t->is_out_lost) {
        empty_out(t);
        return LW_ELOST;
    }
    while (t->out_at < t->out_len) {
        ssize_t n = send(t->fd, t->out + t->out_at, t->out_len - t->out_at, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? LW_AGAIN : out_lost(t, errno);
        t->out_at += (size_t)n;
    }
    empty_out(t);
    if (t->is_shut)
        shutdown(t->fd, SHUT_WR);
    return LW_OK;
}

bool
lw_tls_has_output(const lw_tls *t)
{
    return t->out_at < t->out_len;
}

/* where in the slices the next record begins */
typedef struct cursor {
    const lw_slice *v;
    int count, i;
    size_t at;
} cursor;

static lw_span
rest_of_slice(const cursor *k)
{
    return (lw_span){ k->v[k->i].ptr + k->at, k->v[k->i].len - k->at };
}

static bool
has_more(cursor *k)
{
    while (k->i < k->count && k->at == k->v[k->i].len) {
        k->i++;
        k->at = 0;
    }
    return k->i < k->count;
}

/* The octets of the next record: of a long slice as they lie there, else gathered. */
static lw_span
next_record(lw_tls *t, cursor *k)
{
    lw_span s = rest_of_slice(k);
    char *record = t->ctx->record;
    size_t n = 0;

    if (s.len >= LW_RECORD_BYTES || k->i + 1 == k->count) {
        s.len = s.len > LW_RECORD_BYTES ? LW_RECORD_BYTES : s.len;
        k->at += s.len;
        return s;
    }
    while (n < LW_RECORD_BYTES && has_more(k)) {
        s = rest_of_slice(k);
        s.len = s.len > LW_RECORD_BYTES - n ? LW_RECORD_BYTES - n : s.len;
        memcpy(record + n, s.ptr, s.len);
        k->at += s.len;
        n += s.len;
    }
    return (lw_span){ record, n };
}

lw_code
lw_tls_write(lw_tls *t, const lw_slice *v, int count, size_t *n)
{
    cursor k = { .v = v, .count = count };
    lw_code rc = lw_tls_flush(t);

    if (rc != LW_OK)
        return rc;
    while (has_more(&k) && t->out_len < OUT_FULL) {
        lw_span s = next_record(t, &k);
        size_t taken = 0;

        ERR_clear_error();
        if (SSL_write_ex(t->ssl, s.ptr, s.len, &taken) != 1) {
            rc = lw_tls_lost(t, SSL_get_error(t->ssl, 0));
            break;
        }
        *n += taken;
        if (taken < s.len) /* it makes records as it likes: what is gathered would not fit */
            break;
    }
    if (*n == 0)
        return rc == LW_OK ? LW_AGAIN : rc;
    /* The records may have left with the first send() and the next one failed: whoever believes
     * that nothing left sends the message again.  The failure is the next call's. */
    (void)!lw_tls_flush(t);
    return LW_OK;
}

void
lw_tls_shutdown(lw_tls *t)
{
    if (t->is_shut || t->read_err != 0)
        return;
    ERR_clear_error();
    SSL_shutdown(t->ssl);
    ERR_clear_error();
    t->is_shut = true;
    (void)!lw_tls_flush(t); /* what is left goes when the network takes it */
}

/* ---- input -------------------------------------------------------------------------------------------------- */

bool
lw_tls_has_input(const lw_tls *t)
{
    return t->read_err != 0 || (t->may_have_input && SSL_has_pending(t->ssl));
}

static lw_code
read_failed(lw_tls *t)
{
    if (t->read_err == SSL_ERROR_ZERO_RETURN)
        return LW_DONE;
    return lw_tls_lost(t, t->read_err);
}

lw_code
lw_tls_read(lw_tls *t, char *buf, size_t cap, size_t *n)
{
    size_t got;
    int e;

    while (t->read_err == 0 && *n < cap) {
        ERR_clear_error();
        if (SSL_read_ex(t->ssl, buf + *n, cap - *n, &got) == 1) {
            *n += got;
            t->may_have_input = SSL_has_pending(t->ssl);
            if (!t->may_have_input)
                break;
            continue;
        }
        e = SSL_get_error(t->ssl, 0);
        t->may_have_input = false;
        if (e == SSL_ERROR_WANT_READ)
            break;
        t->read_err = e;
        if (e != SSL_ERROR_ZERO_RETURN)
            lw_tls_lost(t, e);
    }
    (void)!lw_tls_flush(t); /* answers to the peer's key updates, alerts */
    if (*n > 0)
        return LW_OK;
    return t->read_err == 0 ? LW_AGAIN : read_failed(t);
}

/* ---- handshake ------------------------------------------------------------------------------------------------ */

lw_code
lw_tls_handshake(lw_tls *t)
{
    int rc, e;

    ERR_clear_error();
    rc = SSL_do_handshake(t->ssl);
    e = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, rc);
    if (e != SSL_ERROR_NONE && e != SSL_ERROR_WANT_READ)
        lw_tls_explain(t, e); /* before anything else touches OpenSSL's error queue */
    (void)!lw_tls_flush(t);   /* alerts too; a failure is found when reading */
    if (e == SSL_ERROR_WANT_READ)
        return LW_AGAIN;
    if (e != SSL_ERROR_NONE)
        return t->err->code;
    t->is_done = true;
    t->may_have_input = true; /* the peer's first octets may have come with its last flight */
    lw_tls_facts_done(t);
    return LW_OK;
}
