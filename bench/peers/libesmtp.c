/* SPDX-License-Identifier: MIT */
/*
 * libesmtp.c - libESMTP as a client: a session, and a thread, for each connection
 *
 *     peer_libesmtp HOST:PORT COUNT CONNECTIONS FILE [CA]
 *
 * With CA: STARTTLS and TLS 1.2 (it cannot do TLS from the first octet, nor 1.3).
 */
#include "../bench.h"

#include <openssl/ssl.h>
/* The header shows smtp_starttls_set_ctx() only where OpenSSL still has this old macro. */
#ifndef SSL_SESSION_ASN1_VERSION
#define SSL_SESSION_ASN1_VERSION 1
#endif
#include <libesmtp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

static char *text;
static size_t text_len;
static const char *host, *ca;

typedef struct part {
    pthread_t thread;
    long count, sent;
} part;

/* The library asks twice a message: len NULL = begin again, else the next piece. */
static const char *
give(void **buf, int *len, void *arg)
{
    bool *is_given = *buf;

    (void)arg;
    if (is_given == NULL)
        *buf = is_given = calloc(1, sizeof *is_given); /* the library frees it */
    if (len == NULL) {
        *is_given = false;
        return NULL;
    }
    *len = *is_given ? 0 : (int)text_len;
    *is_given = true;
    return *len > 0 ? text : NULL;
}

static void
ignore_event(smtp_session_t session, int event, void *arg, ...)
{
    (void)session;
    (void)event;
    (void)arg;
}

static void
require_tls(smtp_session_t session)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (ctx == NULL || SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1)
        exit(1);
    /* With TLS 1.3 libESMTP 1.1.0 waits for ever: the session tickets make the connection
     * readable, it finds no reply there, and forgets that it wanted to write EHLO. */
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    smtp_starttls_enable(session, Starttls_REQUIRED);
    smtp_starttls_set_ctx(session, ctx);
}

static void
add_messages(smtp_session_t session, smtp_message_t *messages, long count)
{
    for (long i = 0; i < count; i++) {
        messages[i] = smtp_add_message(session);
        smtp_set_reverse_path(messages[i], "a@bench.test");
        smtp_add_recipient(messages[i], "b@bench.test");
        smtp_set_messagecb(messages[i], give, NULL);
    }
}

static long
count_accepted(smtp_message_t *messages, long count)
{
    const smtp_status_t *status;
    long sent = 0;

    for (long i = 0; i < count; i++) {
        status = smtp_message_transfer_status(messages[i]);
        if (status != NULL && status->code / 100 == 2)
            sent++;
    }
    return sent;
}

/* What one connection sends. */
static void *
send_part(void *ctx)
{
    part *p = ctx;
    smtp_message_t *messages = calloc((size_t)p->count, sizeof *messages);
    smtp_session_t session = smtp_create_session();
    char why[128];

    smtp_set_server(session, host);
    smtp_set_hostname(session, "bench.test");
    smtp_set_eventcb(session, ignore_event, NULL);
    if (ca != NULL)
        require_tls(session);
    add_messages(session, messages, p->count);
    if (!smtp_start_session(session))
        fprintf(stderr, "libesmtp: %s\n", smtp_strerror(smtp_errno(), why, sizeof why));
    p->sent = count_accepted(messages, p->count);
    free(messages);
    return NULL;
}

static long
send_all(long count, long n_conns)
{
    part *parts = calloc((size_t)n_conns, sizeof *parts);
    long sent = 0;

    for (long i = 0; i < n_conns; i++)
        parts[i].count = count / n_conns + (i < count % n_conns);
    if (n_conns == 1)
        send_part(&parts[0]);
    for (long i = 0; n_conns > 1 && i < n_conns; i++)
        if (pthread_create(&parts[i].thread, NULL, send_part, &parts[i]) != 0)
            exit(1);
    for (long i = 0; i < n_conns; i++) {
        if (n_conns > 1)
            pthread_join(parts[i].thread, NULL);
        sent += parts[i].sent;
    }
    free(parts);
    return sent;
}

int
main(int argc, char **argv)
{
    stopwatch since;
    long count, n_conns;

    if (argc < 5)
        return 64;
    signal(SIGPIPE, SIG_IGN);
    host = argv[1];
    count = strtol(argv[2], NULL, 10);
    n_conns = strtol(argv[3], NULL, 10);
    text = load_file(argv[4], &text_len);
    ca = argv[5];
    since = look_at_clock();
    return print_result(since, count, send_all(count, n_conns));
}
