/* SPDX-License-Identifier: MIT */
/*
 * tests/net/tls_pair.h - a client and a server of our own with each other
 *
 * One folder a test program holds the files: ca.pem (a CA), good.pem (a certificate of it for
 * mail.example, with key) and what tests add.
 */
#ifndef LW_TESTS_NET_TLS_PAIR_H
#define LW_TESTS_NET_TLS_PAIR_H

#include "certs.h"

#define HOST "mail.example"

static char dir[64], ca_pem[96], good_pem[96];
static identity ca;

static inline int
open_folder(void **state)
{
    wish w = { "Test CA", NULL, -1, 30, true, NULL };
    identity good;

    (void)state;
    snprintf(dir, sizeof dir, "/tmp/lw-tls-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(ca_pem, sizeof ca_pem, "%s/ca.pem", dir);
    snprintf(good_pem, sizeof good_pem, "%s/good.pem", dir);
    ca = make_identity(&w);
    write_pem(ca_pem, &ca, false);
    w = (wish){ HOST, "DNS:" HOST, -1, 30, false, &ca };
    good = make_identity(&w);
    write_pem(good_pem, &good, true);
    drop_identity(&good);
    return 0;
}

static inline int
close_folder(void **state)
{
    (void)state;
    unlink(ca_pem);
    unlink(good_pem);
    drop_identity(&ca);
    return rmdir(dir);
}

typedef struct tls_pair {
    world w;
    lw_tls_ctx *cctx, *sctx;
    end client, server;
} tls_pair;

static inline void
contexts_open(tls_pair *p, const lw_tls_client_opts *o)
{
    lw_tls_client_opts none = { .ca_file = ca_pem };
    lw_error err = { .code = LW_OK };

    memset(p, 0, sizeof *p);
    if (lw_tls_client_new(NULL, o == NULL ? &none : o, &p->cctx, &err) < 0 ||
        lw_tls_server_new(NULL, HOST, good_pem, NULL, &p->sctx, &err) < 0)
        fail_msg("%s", err.text);
}

static inline void
contexts_close(tls_pair *p)
{
    lw_tls_ctx_free(p->cctx);
    lw_tls_ctx_free(p->sctx);
}

/* both ends begin */
static inline void
shake_hands(tls_pair *p, const char *host)
{
    lw_error err = { .code = LW_OK };
    lw_code rc;

    world_open(&p->w);
    pair_open(&p->w, &p->client, &p->server);
    IN(rc = lw_conn_start_tls(p->server.c, p->sctx, true, NULL, &err));
    assert_int_equal(rc, LW_OK);
    IN(rc = lw_conn_start_tls(p->client.c, p->cctx, false, host, &err));
    assert_int_equal(rc, LW_OK);
}

static inline bool
has_result(const end *e)
{
    return e->told[LW_CONN_TLS] + e->told[LW_CONN_FAILED] > 0;
}

static inline void
await_both(tls_pair *p)
{
    RUN_UNTIL(&p->w, has_result(&p->client) && has_result(&p->server));
}

static inline void
assert_both_up(tls_pair *p)
{
    if (p->client.told[LW_CONN_TLS] != 1)
        fail_msg("client: %s", lw_conn_error(p->client.c)->text);
    if (p->server.told[LW_CONN_TLS] != 1)
        fail_msg("server: %s", lw_conn_error(p->server.c)->text);
}

static inline void
hang_up(tls_pair *p)
{
    pair_close(&p->w, &p->client, &p->server);
}

/* the server speaks, the client reads: session tickets of TLS 1.3 come with that */
static inline void
talk(tls_pair *p)
{
    end_start_reading(&p->client);
    end_start_reading(&p->server);
    end_say(&p->server, "220 ready\r\n");
    RUN_UNTIL(&p->w, p->client.in.len >= 11);
    end_say(&p->client, "EHLO there\r\n");
    RUN_UNTIL(&p->w, p->server.in.len >= 12);
    assert_span(lw_buf_span(&p->client.in), "220 ready\r\n");
    assert_span(lw_buf_span(&p->server.in), "EHLO there\r\n");
}

static inline void
only_version(lw_tls_ctx *c, int version)
{
    SSL_CTX_set_min_proto_version(c->ssl, version);
    SSL_CTX_set_max_proto_version(c->ssl, version);
    /* what is older than 1.2 is not even possible at the usual level */
    if (version < TLS1_2_VERSION)
        SSL_CTX_set_cipher_list(c->ssl, "DEFAULT:@SECLEVEL=0");
}

static inline void
use_identity(lw_tls_ctx *c, const identity *id)
{
    assert_int_equal(SSL_CTX_use_certificate(c->ssl, id->cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(c->ssl, id->key), 1);
}

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

#endif
