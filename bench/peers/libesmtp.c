/* SPDX-License-Identifier: MIT */
/*
 * libesmtp.c - libESMTP as a client: all messages in one session
 *
 *     peer_libesmtp HOST:PORT COUNT FILE [CA]     with CA: STARTTLS and TLS 1.2 (it cannot
 *                                                 do TLS from the first octet, nor 1.3)
 */
#include "../bench.h"

#include <openssl/ssl.h>
/* The header shows smtp_starttls_set_ctx() only where OpenSSL still has this old macro. */
#ifndef SSL_SESSION_ASN1_VERSION
#define SSL_SESSION_ASN1_VERSION 1
#endif
#include <libesmtp.h>
#include <signal.h>
#include <string.h>

static char *text;
static size_t text_len;

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
require_tls(smtp_session_t session, const char *ca)
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

int
main(int argc, char **argv)
{
    smtp_message_t *messages;
    smtp_session_t session;
    stopwatch since;
    char why[128];
    long count;

    if (argc < 4)
        return 64;
    signal(SIGPIPE, SIG_IGN);
    count = strtol(argv[2], NULL, 10);
    text = load_file(argv[3], &text_len);
    messages = calloc((size_t)count, sizeof *messages);
    since = look_at_clock();
    session = smtp_create_session();
    smtp_set_server(session, argv[1]);
    smtp_set_hostname(session, "bench.test");
    smtp_set_eventcb(session, ignore_event, NULL);
    if (argc > 4)
        require_tls(session, argv[4]);
    add_messages(session, messages, count);
    if (!smtp_start_session(session))
        fprintf(stderr, "libesmtp: %s\n", smtp_strerror(smtp_errno(), why, sizeof why));
    return print_result(since, count, count_accepted(messages, count));
}
