/* SPDX-License-Identifier: MIT */
/*
 * cli/sendmail.c - letterwing sendmail: what programs expect of sendmail(8)
 *
 * The message is taken whole before anything is connected: a caller that breaks off with an error
 * sends nothing.  There is no queue: a message was accepted by the server when this exits with 0,
 * and was not when it exits with anything else (69: not for all of its recipients).
 */
#include "cli/sendmail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- sender and recipients ------------------------------------------------------------------- */

size_t
sendmail_add_recipients(const sendmail_run *r, lw_message *m, const char *list)
{
    const char *with = r->conf.local_to != NULL ? r->conf.local_to : r->who.domain;
    char *full = NULL;
    size_t n = 0;

    if (lw_addresses_complete((lw_span){ list, strlen(list) }, with, &full, &n) != LW_OK) {
        (void) lw_message_to(m, list); /* its sentence says why not */
        return 1;
    }
    if (n > 0)
        (void) lw_message_to(m, full);
    lw_free(full);
    return n;
}

void
sendmail_set_sender(const sendmail_run *r, lw_message *m, const char *sender)
{
    char *full = NULL;

    if (sender[0] == '\0') {
        (void) lw_message_envelope_from(m, "");
        return;
    }
    if (lw_addresses_complete((lw_span){ sender, strlen(sender) }, r->who.domain, &full, NULL)
        == LW_OK)
        (void) lw_message_from(m, full);
    else
        (void) lw_message_from(m, sender);
    lw_free(full);
}

/*
 * -f, else what the administrator says, else what the message says, else who runs this.  Sendmail
 * would take login@host before the message's own; without a mail server on this host that
 * address does not exist.
 */
static const char *
find_sender(const sendmail_run *r, const sendmail_take *t)
{
    if (r->args.sender != NULL)
        return r->args.sender;
    if (r->conf.from != NULL)
        return r->conf.from;
    return sendmail_take_sender(t) != NULL ? sendmail_take_sender(t) : r->who.login;
}

static int
address(const sendmail_run *r, const sendmail_take *t, lw_message *m)
{
    const cli_list *found = sendmail_take_recipients(t), *given = &r->args.recipients;
    const lw_error *err = lw_message_error(m);
    size_t n = 0;

    sendmail_set_sender(r, m, find_sender(r, t));
    for (size_t i = 0; i < given->n; i++)
        n += sendmail_add_recipients(r, m, given->items[i]);
    for (size_t i = 0; i < found->n && r->args.from_header; i++)
        n += sendmail_add_recipients(r, m, found->items[i]);
    if (err->code != LW_OK)
        return cli_error(lw_exit_code(err), "%s", err->text);
    if (n == 0)
        return cli_error(EX_DATAERR, "no recipient: neither To, Cc or Bcc of the message nor an "
                                     "argument names one");
    return CLI_GO_ON;
}

/* ---- standard input ------------------------------------------------------------------------------ */

/** Finds the line that is a lone dot, whatever ends the lines. */
typedef struct dot_filter {
    bool is_off;
    bool in_line;    /* not at the beginning of a line       */
    bool has_dot;    /* the line is a dot so far, kept back  */
    bool is_done;
} dot_filter;

/* gives what stands before the end of the message; *in moves on */
static lw_span
next_run(dot_filter *f, lw_span *in)
{
    const char *p = in->ptr, *end = in->ptr + in->len;
    lw_span out;

    for (; p < end && !f->has_dot; p++) {
        f->has_dot = *p == '.' && !f->in_line;
        f->in_line = *p != '\n' && *p != '\r';
    }
    out = (lw_span){ in->ptr, (size_t) (p - in->ptr) - f->has_dot };
    *in = (lw_span){ p, (size_t) (end - p) };
    return out;
}

static int
take_block(dot_filter *f, sendmail_take *t, lw_span in)
{
    int rc = CLI_GO_ON;

    if (f->is_off)
        return sendmail_take_feed(t, in);
    while (in.len > 0 && !f->is_done && rc == CLI_GO_ON) {
        if (f->has_dot) {
            f->is_done = in.ptr[0] == '\n' || in.ptr[0] == '\r';
            f->has_dot = false;
            rc = f->is_done ? CLI_GO_ON : sendmail_take_feed(t, (lw_span){ ".", 1 });
        } else {
            rc = sendmail_take_feed(t, next_run(f, &in));
        }
    }
    return rc;
}

static int
take_stdin(const sendmail_run *r, sendmail_take *t)
{
    static char block[65536];
    dot_filter f = { .is_off = r->args.ignores_dots };
    ssize_t n = 1;
    int rc = CLI_GO_ON;

    while (n != 0 && !f.is_done && rc == CLI_GO_ON) {
        n = read(STDIN_FILENO, block, sizeof block);
        if (n < 0 && errno != EINTR)
            return cli_no_input(NULL, "-", errno);
        if (n > 0)
            rc = take_block(&f, t, (lw_span){ block, (size_t) n });
    }
    return rc == CLI_GO_ON ? sendmail_take_end(t) : rc;
}

/* ---- sending --------------------------------------------------------------------------------------- */

static int
send_it(sendmail_run *r, lw_message *m)
{
    lw_report *report = NULL;
    int rc;

    (void) lw_send_with(&r->opts, m, &report); /* the report tells */
    if (report == NULL)
        return cli_error(EX_OSERR, "out of memory");
    rc = lw_report_exit_code(report);
    if (rc != EX_OK)
        cli_error(rc, "%s", lw_report_text(report));
    lw_report_free(report);
    return rc;
}

static int
deliver(sendmail_run *r)
{
    sendmail_take_opts o = { .who = &r->who, .full_name = r->args.full_name,
                             .sender = r->args.sender != NULL ? r->args.sender : r->conf.from };
    sendmail_take *t = sendmail_take_new(&o);
    lw_message *m = lw_message_new();
    int rc = m == NULL ? cli_error(EX_OSERR, "out of memory") : take_stdin(r, t);

    if (rc == CLI_GO_ON) {
        sendmail_take_message(t, m);
        if ((rc = address(r, t, m)) == CLI_GO_ON)
            rc = send_it(r, m);
    }
    lw_message_free(m);
    sendmail_take_free(t);
    return rc;
}

/* ---- where to ------------------------------------------------------------------------------------- */

/* What the configuration says about its server, a login above all, is for that server only. */
static void
use_conf(sendmail_run *r)
{
    const sendmail_conf *c = &r->conf;

    r->connection.user = c->user;
    r->connection.password_from = c->password_from;
    r->connection.auth = c->auth;
    r->connection.ca = c->ca;
    r->connection.cert = c->cert;
    r->connection.key = c->key;
    r->connection.pin = c->tls_pin;
}

static int
find_server(sendmail_run *r)
{
    const char *url = getenv("LETTERWING_URL");

    r->server = r->args.via != NULL ? r->args.via
        : url != NULL && url[0] != '\0' ? url : r->conf.server;
    if (r->server == NULL)
        return cli_no_server("sendmail", "set LETTERWING_URL, or write \"server "
                                         "smtps://user@smtp.example.com\" into "
                                         "~/.config/letterwing/sendmail.conf or "
                                         "/etc/letterwing/sendmail.conf");
    if (strstr(r->server, "://") == NULL)
        return cli_error(EX_CONFIG, "sendmail: the server \"%s\" is no URL: write smtp://%s",
                         r->server, r->server);
    if (r->server == r->conf.server)
        use_conf(r);
    return CLI_GO_ON;
}

static int
open_connection(sendmail_run *r)
{
    lw_send_opts_init(&r->opts);
    r->opts.servers = &r->server;
    r->opts.n_servers = 1;
    r->opts.notify = r->args.notify;
    r->opts.ret = r->args.ret;
    r->opts.envid = r->args.envid;
    r->connection.ehlo = r->conf.ehlo;
    r->connection.timeout_ms = r->conf.timeout_ms;
    r->connection.verbose = r->args.verbose;
    r->connection.is_unattended = true;
    return cli_connection_open(&r->connection, r->server, &r->opts);
}

static int
run(sendmail_run *r)
{
    int rc;

    if ((rc = sendmail_conf_read(&r->conf)) != CLI_GO_ON || (rc = find_server(r)) != CLI_GO_ON)
        return rc;
    sendmail_who_init(&r->who, &r->conf);
    if ((rc = open_connection(r)) == CLI_GO_ON)
        rc = r->args.mode == SENDMAIL_SMTP ? sendmail_smtp(r) : deliver(r);
    rc = cli_connection_close(&r->connection, rc);
    /* Sendmail's 75 means "it is in the queue": PHP takes it for success */
    return rc == EX_TEMPFAIL && r->conf.later_code != 0 ? r->conf.later_code : rc;
}

/* what there is nothing to do for */
static int
idle(const sendmail_run *r)
{
    if (r->args.mode == SENDMAIL_QUEUE)
        puts("Mail queue is empty");
    else if (r->args.verbose > 0 || isatty(STDOUT_FILENO))
        puts("Nothing to do: there is no queue");
    return EX_OK;
}

int
cli_sendmail(int argc, char **argv)
{
    sendmail_run r = { .args = { .mode = SENDMAIL_DELIVER } };
    int rc = sendmail_parse(argc, argv, &r.args);

    if (rc == CLI_GO_ON)
        rc = r.args.mode == SENDMAIL_QUEUE || r.args.mode == SENDMAIL_IDLE ? idle(&r) : run(&r);
    sendmail_who_deinit(&r.who);
    sendmail_conf_free(&r.conf);
    cli_wipe((char *) r.args.via);
    cli_list_free(&r.args.recipients);
    return rc;
}
