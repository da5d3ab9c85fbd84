/* SPDX-License-Identifier: MIT */
/*
 * session.c - our library as a client: many messages in one session
 *
 *     session URL COUNT raw|compose FILE [CA]
 *
 * raw      lw_session_send_raw(): FILE is a ready message with CRLF line ends
 * compose  lw_session_send(): a new message is described and composed each time, FILE is its text
 */
#include "bench.h"

#include <letterwing/letterwing.h>
#include <letterwing/smtp.h>
#include <string.h>

typedef struct ready {
    const char *text;
    size_t len;
} ready;

static lw_code
next_span(void *ctx, lw_span *span)
{
    const ready *r = ctx;

    *span = (lw_span){ r->text, r->len };
    return LW_DONE;
}

static lw_code
rewind_span(void *ctx)
{
    (void)ctx;
    return LW_OK;
}

static lw_code
send_ready(lw_session *s, ready *r, lw_report **report)
{
    lw_rcpt to = { .address = "b@bench.test" };
    lw_envelope env = { .from = "a@bench.test", .rcpts = &to, .n_rcpts = 1 };
    lw_body body = { .next = next_span,
                     .rewind = rewind_span,
                     .ctx = r,
                     .size = r->len,
                     .is_canonical = true };

    return lw_session_send_raw(s, &env, &body, report);
}

static lw_code
send_composed(lw_session *s, const ready *r, lw_report **report)
{
    lw_message *m = lw_message_new();
    lw_code rc;

    /* Each setter's failure is kept by the message and comes back from the send. */
    lw_message_from(m, "Alice Example <a@bench.test>");
    lw_message_to(m, "Bob Example <b@bench.test>");
    lw_message_subject(m, "benchmark message");
    lw_message_text(m, r->text);
    rc = lw_session_send(s, m, report);
    lw_message_free(m);
    return rc;
}

static long
send_all(lw_session *s, long count, bool composes, ready *r)
{
    lw_report *report = NULL;
    long sent = 0;
    lw_code rc;

    for (; sent < count; sent++) {
        rc = composes ? send_composed(s, r, &report) : send_ready(s, r, &report);
        if (rc != LW_OK) {
            fprintf(stderr, "session: %s\n", lw_report_text(report));
            lw_report_free(report);
            break;
        }
        lw_report_free(report);
    }
    return sent;
}

int
main(int argc, char **argv)
{
    lw_send_opts opts;
    lw_session *s = NULL;
    lw_error err;
    stopwatch since;
    ready r;
    long count, sent;

    if (argc < 5)
        return 64;
    count = strtol(argv[2], NULL, 10);
    r.text = load_file(argv[4], &r.len);
    lw_send_opts_init(&opts);
    opts.servers = (const char *const *)&argv[1];
    opts.n_servers = 1;
    opts.ehlo_name = "bench.test";
    opts.ca_file = argv[5];
    since = look_at_clock();
    if (lw_session_open(&opts, &s, &err) != LW_OK) {
        fprintf(stderr, "session: %s\n", err.text);
        return 1;
    }
    sent = send_all(s, count, strcmp(argv[3], "compose") == 0, &r);
    lw_session_close(s);
    return print_result(since, count, sent);
}
