/* SPDX-License-Identifier: MIT */
/*
 * cli/sendmail_smtp.c - sendmail -bs: SMTP on standard input and output
 *
 * The server engine speaks; each message is taken whole and sent on before it is answered, and
 * the answer is what became of it.  One reply stands for all recipients: 250 only if every one
 * was accepted.  If some were, the reply is 554 and names the others, so that nothing is
 * lost unseen and nothing is sent twice by a caller that tries again by itself.
 */
#include "cli/sendmail.h"

#include <letterwing/server.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REPLY_MAX 2000

typedef struct session {
    sendmail_run *run;
    lw_smtp_server *engine;
    char *from;
    cli_list rcpts;      /* owned */
    sendmail_take *take; /* NULL = no data yet */
    int take_failed;     /* CLI_GO_ON, or why the data cannot be kept */
    lw_code end;         /* why it closed */
    bool output_failed;
} session;

static uint64_t
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

static void
forget(session *s)
{
    free(s->from);
    s->from = NULL;
    for (size_t i = 0; i < s->rcpts.n; i++)
        free((char *) s->rcpts.items[i]);
    cli_list_free(&s->rcpts);
    sendmail_take_free(s->take);
    s->take = NULL;
}

/* ---- the outcome as a reply -------------------------------------------------------------------- */

static size_t
count(const lw_report *r, lw_outcome outcome)
{
    size_t n = 0;

    for (size_t i = 0; i < lw_report_n_results(r); i++)
        n += lw_report_result(r, i)->outcome == outcome;
    return n;
}

/* who got it and who did not, a line each */
static void
list_results(const lw_report *r, char *text)
{
    size_t used = (size_t) snprintf(text, REPLY_MAX, "not sent to all: do not send it to those again "
                                                     "that were accepted");

    for (size_t i = 0; i < lw_report_n_results(r) && used < REPLY_MAX - 400; i++) {
        const lw_result *one = lw_report_result(r, i);

        used += (size_t) snprintf(text + used, 400, "\n<%.200s> %s: %.100s", one->address,
                                  lw_outcome_name(one->outcome), one->text ? one->text : "");
        used = used < REPLY_MAX ? used : REPLY_MAX - 1;
    }
}

static void
answer(session *s, int code, const char *enhanced, const char *text)
{
    if (lw_smtp_server_reply(s->engine, code, enhanced, text) == LW_OK)
        return;
    /* a code or text that does not fit here: its class does */
    (void) !lw_smtp_server_reply(s->engine, code / 100 == 2 ? 250 : code / 100 == 5 ? 554 : 451,
                                 NULL, NULL);
}

static void
answer_report(session *s, const lw_report *r)
{
    const lw_result *reply = lw_report_reply(r);
    size_t n = lw_report_n_results(r), n_ok = count(r, LW_OUTCOME_ACCEPTED);
    size_t n_refused = count(r, LW_OUTCOME_REJECTED);
    char text[REPLY_MAX];

    if (n > 0 && n_ok == n) {
        answer(s, 250, "2.0.0", reply != NULL && reply->text != NULL ? reply->text : NULL);
    } else if (n_ok > 0) {
        list_results(r, text);
        answer(s, 554, "5.3.0", text);
    } else {
        bool is_final = n == 0 || n_refused == n || lw_report_exit_code(r) == EX_DATAERR;

        answer(s, is_final ? 554 : 451, is_final ? "5.0.0" : "4.3.0", lw_report_text(r));
    }
}

static void
send_on(session *s, lw_message *m)
{
    lw_report *report = NULL;
    const lw_error *err = lw_message_error(m);

    sendmail_take_message(s->take, m);
    sendmail_set_sender(s->run, m, s->from);
    for (size_t i = 0; i < s->rcpts.n; i++)
        (void) sendmail_add_recipients(s->run, m, s->rcpts.items[i]);
    if (err->code != LW_OK) {
        answer(s, 554, "5.6.0", err->text);
        return;
    }
    (void) lw_send_with(&s->run->opts, m, &report); /* the report tells */
    if (report == NULL)
        answer(s, 451, "4.3.0", "out of memory");
    else
        answer_report(s, report);
    lw_report_free(report);
}

static void
finish_message(session *s)
{
    lw_message *m = NULL;

    if (s->take_failed == CLI_GO_ON)
        s->take_failed = sendmail_take_end(s->take);
    if (s->take_failed == EX_DATAERR)
        answer(s, 554, "5.6.0", "the message cannot be sent as it is");
    else if (s->take_failed != CLI_GO_ON || (m = lw_message_new()) == NULL)
        answer(s, 452, "4.3.1", "the message cannot be kept");
    else
        send_on(s, m);
    lw_message_free(m);
    forget(s);
}

/* ---- events ------------------------------------------------------------------------------------ */

static void
begin_data(session *s)
{
    sendmail_take_opts o = { .who = &s->run->who, .sender = s->from,
                             .full_name = s->run->args.full_name };

    s->take = sendmail_take_new(&o);
    s->take_failed = CLI_GO_ON;
}

static void
take_event(session *s, const lw_server_event *ev)
{
    switch (ev->kind) {
    case LW_SERVER_MAIL:
        forget(s);
        s->from = cli_copy(ev->mail.from);
        break;
    case LW_SERVER_RCPT:
        cli_list_add(&s->rcpts, cli_copy(ev->rcpt.address));
        break;
    case LW_SERVER_DATA:
        begin_data(s);
        break;
    case LW_SERVER_BODY:
        if (s->take_failed == CLI_GO_ON)
            s->take_failed = sendmail_take_feed(s->take, ev->data);
        break;
    case LW_SERVER_RESET:
        forget(s);
        break;
    case LW_SERVER_MESSAGE:
        finish_message(s);
        break;
    case LW_SERVER_CLOSED:
        s->end = ev->code;
        break;
    case LW_SERVER_OPEN:
    case LW_SERVER_HELLO:
    case LW_SERVER_START_TLS:
    case LW_SERVER_AUTH:
    case LW_SERVER_AUTH_DATA:
    case LW_SERVER_VRFY:
    case LW_SERVER_EXPN:
    case LW_SERVER_HELP:
    case LW_SERVER_UNKNOWN:
    case LW_SERVER_QUIT:
        break;
    }
}

/* Every sender and recipient is accepted here: they are for the server to judge. */
static void
take_events(session *s)
{
    lw_server_event ev;

    while (lw_smtp_server_next(s->engine, &ev) == LW_OK) {
        take_event(s, &ev);
        if (ev.needs_reply && ev.kind != LW_SERVER_MESSAGE
            && lw_smtp_server_accept(s->engine) != LW_OK)
            lw_smtp_server_close(s->engine, NULL);
    }
}

static void
write_out(session *s)
{
    lw_slice v[8];

    while (!s->output_failed && lw_smtp_server_out(s->engine, v, 8) > 0) {
        ssize_t n = write(STDOUT_FILENO, v[0].ptr, v[0].len);

        if (n > 0)
            lw_smtp_server_sent(s->engine, (size_t) n);
        else if (n < 0 && errno != EINTR)
            s->output_failed = true;
    }
}

/* all of it, with events and full output between */
static void
feed(session *s, const char *p, size_t n)
{
    size_t used;

    while (n > 0 && !s->output_failed && lw_smtp_server_want(s->engine) & LW_WANT_READ) {
        if (lw_smtp_server_feed(s->engine, p, n, &used) == LW_EUSAGE)
            return; /* closed: what is behind QUIT is nothing */
        p += used;
        n -= used;
        take_events(s);
        if (!(lw_smtp_server_want(s->engine) & LW_WANT_READ))
            write_out(s);
    }
}

/* -1 = no input before the deadline, 0 = the end or an error */
static ssize_t
wait_and_read(const session *s, char *buf, size_t cap)
{
    struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
    uint64_t now = now_ms(), deadline = lw_smtp_server_deadline(s->engine);
    uint64_t left = deadline > now ? deadline - now : 0;
    ssize_t n;

    if (poll(&p, 1, left > 1000000 ? 1000000 : (int) left) == 0)
        return -1;
    do
        n = read(STDIN_FILENO, buf, cap);
    while (n < 0 && errno == EINTR);
    return n < 0 ? 0 : n;
}

static int
exit_code(const session *s)
{
    if (s->output_failed)
        return EX_IOERR;
    if (s->end == LW_ETIMEOUT)
        return EX_TEMPFAIL;
    return s->end == LW_OK || s->end == LW_ELOST ? EX_OK : EX_PROTOCOL;
}

static int
talk(session *s)
{
    static char block[65536];
    ssize_t n;

    take_events(s);
    write_out(s);
    while (!s->output_failed && lw_smtp_server_want(s->engine) != 0) {
        n = wait_and_read(s, block, sizeof block);
        (void) lw_smtp_server_tick(s->engine, now_ms());
        if (n > 0)
            feed(s, block, (size_t) n);
        else if (n == 0)
            (void) lw_smtp_server_eof(s->engine);
        take_events(s);
        write_out(s);
    }
    return exit_code(s);
}

int
sendmail_smtp(sendmail_run *r)
{
    session s = { .run = r };
    lw_smtp_server_opts o;
    int rc;

    lw_smtp_server_opts_init(&o);
    o.name = r->who.host;
    o.capabilities = LW_CAP_PIPELINING | LW_CAP_8BITMIME | LW_CAP_SMTPUTF8 | LW_CAP_SIZE
                     | LW_CAP_ENHANCEDSTATUSCODES;
    if (lw_smtp_server_new(&o, now_ms(), &s.engine) != LW_OK)
        return cli_error(EX_OSERR, "out of memory");
    rc = talk(&s);
    forget(&s);
    lw_smtp_server_free(s.engine);
    return rc;
}
