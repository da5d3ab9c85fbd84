/* SPDX-License-Identifier: MIT */
/*
 * cli/talk.c - letterwing talk: speak SMTP by hand, or from a script on standard input
 *
 * On a terminal there is a prompt; otherwise both sides are printed, "C:" and "S:".  A script
 * that ends inside the data of a message never completes it: the connection is dropped.
 */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct args {
    bool bare, json;
    cli_connection connection;
} args;

#define AT(member) offsetof(args, member)

static const cli_option options[] = {
    { CLI_HEADING, 0, NULL, NULL, "Options", 0 },
    { CLI_FLAG, 0, "bare", NULL, "connect only; type EHLO, STARTTLS, AUTH by hand",
      AT(bare) },
    { CLI_FLAG, 0, "json", NULL, "print replies as JSON lines", AT(json) },
    CLI_CONNECTION_OPTIONS(args, connection),
    { CLI_END, 0, NULL, NULL, NULL, 0 }
};

static const cli_page page = {
    "talk", "[OPTION...] URL",
    "Connects, does TLS and the login as the URL says, and then sends the lines that\n"
    "you type: HELO, EHLO, MAIL FROM:<a>, RCPT TO:<b>, DATA (end it with a single\n"
    "dot), RSET, VRFY, EXPN, HELP, NOOP, QUIT.  Dots that begin a line of the data\n"
    "need no doubling.  With standard input from a file or a pipe it runs a script\n"
    "and prints both sides; the exit code is then 0 if every reply was positive,\n"
    "75 if one was 4yz, 69 if one was 5yz.",
    options,
    "  letterwing talk smtp://mail.example.com\n"
    "  printf '%s\\n' 'VRFY bob' QUIT | letterwing talk smtp://127.0.0.1:2525\n"
    "  letterwing talk --bare plain://127.0.0.1:2525\n"
};

/* the conversation */
typedef struct chat {
    lw_talk *talk;
    bool is_prompting, is_json;
    bool in_data;     /* after a 354, until the lone dot      */
    bool is_secret;   /* after a 334: the line is a credential */
    bool is_over;
    int worst;        /* first digit 4 or 5 of the worst reply, 0 = none */
} chat;

static void
print_reply(const chat *c, const lw_reply *r)
{
    char status[32];
    const char *p = r->text.ptr, *end = p + r->text.len, *eol;

    if (c->is_json) {
        cli_json_write(stdout, json_pack("{s:s, s:i, s:o, s:o}", "direction", "S", "code",
                                         r->code, "enhanced", cli_json_enhanced(r->enhanced),
                                         "text", cli_json_span(r->text)));
        return;
    }
    do {
        eol = p == end ? NULL : memchr(p, '\n', (size_t) (end - p));
        cli_reply_status(status, sizeof status, r->code, r->enhanced);
        status[3] = eol != NULL ? '-' : ' ';
        cli_print(stdout, "%s%s", c->is_prompting ? "" : "S: ", status);
        cli_print_span(stdout, (lw_span){ p, (size_t) ((eol ? eol : end) - p) });
        fputc('\n', stdout);
        p = eol != NULL ? eol + 1 : end;
    } while (eol != NULL);
}

/* "AUTH PLAIN <redacted>": the argument after the mechanism is a credential */
static void
print_line(const chat *c, lw_span line)
{
    size_t shown = c->is_secret ? 0 : lw_smtp_shown(line);
    lw_span text = { line.ptr, shown };

    if (c->is_prompting || c->is_json)
        return;
    fputs("C: ", stdout);
    cli_print_span(stdout, text);
    fputs(shown < line.len ? "<redacted>\n" : "\n", stdout);
}

static void
take_reply(chat *c, const lw_talk_reply *r)
{
    print_reply(c, &r->reply);
    if (r->reply.code / 100 >= 4 && r->reply.code / 100 > c->worst)
        c->worst = r->reply.code / 100;
    c->in_data = r->wants_data && r->reply.code == 354;
    c->is_secret = r->wants_data && r->reply.code == 334;
    c->is_over = r->closed;
}

static lw_code
say(chat *c, lw_span line, lw_error *err)
{
    lw_talk_reply reply;
    bool has_reply = false;
    lw_code rc;

    print_line(c, line);
    rc = lw_talk_say(c->talk, line, &has_reply, &reply, err);
    if (rc < 0)
        return rc;
    while (rc == LW_OK && has_reply) {
        take_reply(c, &reply);
        if (c->is_over)
            return LW_OK;
        rc = lw_talk_more(c->talk, &reply, err);
    }
    return rc < 0 ? rc : LW_OK;
}

static int
converse(chat *c)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    lw_error err = { .code = LW_OK };
    lw_code rc;
    int code = EX_OK;

    while (!c->is_over) {
        if (c->is_prompting && !c->in_data)
            fputs("> ", stdout);
        fflush(stdout);
        if ((n = getline(&line, &cap, stdin)) < 0)
            break;
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            n--;
        if (n == 0 && !c->in_data && !c->is_secret)
            continue;
        rc = say(c, (lw_span){ line, (size_t) n }, &err);
        if (rc == LW_EUSAGE && c->is_prompting) {
            cli_error(EX_USAGE, "%s", err.text);
            continue;
        }
        if (rc < 0) {
            code = cli_error(lw_exit_code(&err), "%s", err.text);
            break;
        }
    }
    if (line != NULL)
        explicit_bzero(line, cap); /* it may have held a password */
    free(line);
    return code;
}

/* the end of the script: QUIT if the script did not say it; inside data nothing, so that the
 * message stays incomplete */
static int
end(chat *c)
{
    lw_error err;

    if (c->is_over || c->is_secret)
        return EX_OK;
    if (c->in_data)
        return cli_error(EX_DATAERR, "talk: the input ended inside the data of a message; "
                                     "the message was not sent");
    if (say(c, (lw_span){ "QUIT", 4 }, &err) < 0)
        return cli_error(lw_exit_code(&err), "%s", err.text);
    return EX_OK;
}

static int
talk(args *a, const char *url)
{
    chat c = { .is_json = a->json };
    lw_send_opts o;
    lw_error err;
    lw_code opened;
    int rc;

    c.is_prompting = !a->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    lw_send_opts_init(&o);
    o.servers = &url;
    o.n_servers = 1;
    if ((rc = cli_connection_open(&a->connection, a->bare ? NULL : url, &o)) != CLI_GO_ON)
        goto out;
    opened = a->bare ? lw_talk_open_bare(&o, &c.talk, &err) : lw_talk_open(&o, &c.talk, &err);
    if (opened < 0) {
        rc = cli_error(lw_exit_code(&err), "%s", err.text);
        goto out;
    }
    if (!a->json && lw_talk_server(c.talk)->greeting != NULL)
        cli_print(stdout, "%s220 %s\n", c.is_prompting ? "" : "S: ",
                  lw_talk_server(c.talk)->greeting);
    rc = converse(&c);
    if (rc == EX_OK)
        rc = end(&c);
    if (rc == EX_OK && !c.is_prompting && c.worst != 0)
        rc = c.worst == 4 ? EX_TEMPFAIL : EX_UNAVAILABLE;
    lw_talk_close(c.talk);
out:
    return cli_connection_close(&a->connection, rc);
}

int
cli_talk(int argc, char **argv)
{
    args a = { .bare = false };
    cli_list urls = { NULL, 0 };
    char *url = NULL;
    int rc = cli_parse(&page, argc, argv, &a, &urls);

    if (rc == CLI_GO_ON && (rc = cli_one_url(&page, &urls, &url)) == CLI_GO_ON)
        rc = talk(&a, url);
    cli_wipe(url);
    cli_list_free(&urls);
    return rc;
}
