/* SPDX-License-Identifier: MIT */
/* cli/sink.c - letterwing sink: accept mail and show it */
#include "cli/cli.h"

#include <letterwing/sink.h>

#include <errno.h>
#include <signal.h>
#include <string.h>

typedef struct args {
    const char *listen, *name, *save, *cert, *key, *cert_out, *without, *mechanisms, *reject;
    char *auth;
    uint64_t port, size, count, connections;
    bool tls, smtps, lmtp, require_tls, require_auth, once, print, json, quiet;
    int verbose;
    /* while it runs */
    lw_sink *sink;
    uint64_t seen;
} args;

#define AT(member) offsetof(args, member)

static const cli_option options[] = {
    { CLI_HEADING, 0, NULL, NULL, "Where", 0 },
    { CLI_TEXT, 0, "listen", "WHERE",
      "127.0.0.1:2525, [::1]:25, unix:/path; port 0 is a\nfree one; without it 127.0.0.1:0",
      AT(listen) },
    { CLI_NUMBER, 'p', "port", "N", "port on 127.0.0.1, where --listen is not given", AT(port) },
    { CLI_FLAG, 0, "lmtp", NULL, "speak LMTP", AT(lmtp) },
    { CLI_HEADING, 0, NULL, NULL, "What it offers", 0 },
    { CLI_FLAG, 0, "tls", NULL, "offer STARTTLS, with a throw-away certificate", AT(tls) },
    { CLI_FLAG, 0, "smtps", NULL, "TLS from the first byte", AT(smtps) },
    { CLI_TEXT, 0, "cert", "FILE", "use this certificate, PEM", AT(cert) },
    { CLI_TEXT, 0, "key", "FILE", "its key, PEM", AT(key) },
    { CLI_TEXT, 0, "cert-out", "FILE", "write the certificate there (a client's --ca)",
      AT(cert_out) },
    { CLI_FLAG, 0, "require-tls", NULL, "refuse mail before TLS", AT(require_tls) },
    { CLI_SECRET, 0, "auth", "user:password", "offer a login for this user", AT(auth) },
    { CLI_TEXT, 0, "mechanisms", "\"M M\"", "offer these login mechanisms only",
      AT(mechanisms) },
    { CLI_FLAG, 0, "require-auth", NULL, "refuse mail before a login", AT(require_auth) },
    { CLI_TEXT, 0, "reject", "A[,A]", "refuse these recipients with 550", AT(reject) },
    { CLI_NUMBER, 0, "size", "N", "largest message in octets; else 67108864", AT(size) },
    { CLI_TEXT, 0, "without", "CAP[,CAP]", "do not offer these: CHUNKING, PIPELINING, ...",
      AT(without) },
    { CLI_TEXT, 0, "name", "NAME", "what it calls itself", AT(name) },
    { CLI_NUMBER, 0, "connections", "N", "at most so many at a time; else 1000",
      AT(connections) },
    { CLI_HEADING, 0, NULL, NULL, "What becomes of messages", 0 },
    { CLI_TEXT, 0, "save", "DIR",
      "keep each as DIR/00001.eml, octet by octet, and its\nenvelope as DIR/00001.json",
      AT(save) },
    { CLI_FLAG, 0, "print", NULL, "print each message", AT(print) },
    { CLI_FLAG, 0, "json", NULL, "print a JSON line for each", AT(json) },
    { CLI_NUMBER, 'n', "count", "N", "end after so many messages", AT(count) },
    { CLI_FLAG, 0, "once", NULL, "end after one message", AT(once) },
    { CLI_COUNT, 'v', "verbose", NULL, "tell of connections, logins, refusals too",
      AT(verbose) },
    { CLI_FLAG, 'q', "quiet", NULL, "print no line for messages", AT(quiet) },
    { CLI_END, 0, NULL, NULL, NULL, 0 }
};

static const cli_page page = {
    "sink", "[OPTION...]",
    "Accepts mail, shows what came, and sends none of it on: a server for tests.  The\n"
    "first line of output says where it listens.  Ctrl-C ends it.",
    options,
    "  letterwing sink --port 2525 --save /tmp/mail\n"
    "  letterwing sink --tls --cert-out ca.pem --auth ann:secret --json\n"
    "  letterwing sink --reject bob@example.org --without CHUNKING,PIPELINING -v\n"
};

/* ---- what came ------------------------------------------------------------------------------ */

static void
print_line(const lw_captured *m)
{
    cli_print(stdout, "%llu: <%s> ->", (unsigned long long) m->number, m->mail.from);
    for (size_t i = 0; i < m->n_rcpts && i < 10; i++)
        cli_print(stdout, "%s <%s>", i == 0 ? "" : ",", m->rcpts[i].address);
    if (m->n_rcpts > 10)
        printf(" and %zu more", m->n_rcpts - 10);
    printf(", %zu octets", m->len);
    if (m->used_tls)
        cli_print(stdout, ", %s", m->tls_version);
    if (m->auth_user != NULL)
        cli_print(stdout, ", login %s by %s", m->auth_user, m->auth_mechanism);
    if (m->path != NULL)
        cli_print(stdout, ", %s", m->path);
    putchar('\n');
}

static void
print_json(const lw_captured *m)
{
    char *json = lw_captured_json(m);

    if (json != NULL)
        puts(json);
    lw_free(json);
}

/* the octets as they are; on a terminal made safe, line by line */
static void
print_message(const lw_captured *m)
{
    const char *p = m->data, *end = m->data + m->len, *eol;

    for (; p < end; p = eol) {
        size_t n;

        eol = memchr(p, '\n', (size_t) (end - p));
        eol = eol == NULL ? end : eol + 1;
        n = (size_t) (eol - p);
        while (n > 0 && (p[n - 1] == '\n' || p[n - 1] == '\r'))
            n--;
        cli_print_span(stdout, (lw_span){ p, n });
        putchar('\n');
    }
    putchar('\n');
}

/* A message that could not be shown is refused, so that nothing is lost unseen. */
static int
on_message(void *ctx, const lw_captured *m, const char **text)
{
    args *a = ctx;

    if (a->json)
        print_json(m);
    else if (!a->quiet)
        print_line(m);
    if (a->print)
        print_message(m);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        *text = "the message cannot be shown";
        lw_sink_stop(a->sink);
        return 452;
    }
    if (a->count > 0 && ++a->seen >= a->count)
        lw_sink_finish(a->sink);
    return 0;
}

static void
on_note(void *ctx, const char *line)
{
    args *a = ctx;

    if (a->verbose > 0 || strstr(line, "a message was refused") != NULL)
        cli_print(stderr, "%s\n", line);
}

/* ---- options ----------------------------------------------------------------------------------- */

static bool
cap_bit(const char *word, size_t n, uint32_t *bits)
{
#define TRY(name, keyword)                                                                  \
    if (cli_is(word, n, keyword)) {                                                         \
        *bits |= (uint32_t) LW_CAP_##name;                                                  \
        return true;                                                                        \
    }
    LW_CAP_MAP(TRY)
#undef TRY
    return false;
}

static int
parse_without(const char *s, uint32_t *bits)
{
    size_t n;

    for (; s != NULL && *s != '\0'; s += n + (s[n] == ',')) {
        n = strcspn(s, ",");
        if (!cap_bit(s, n, bits))
            return cli_error(EX_USAGE, "sink: --without \"%.*s\" is no capability that it "
                                       "offers", (int) n, s);
    }
    return CLI_GO_ON;
}

static int
fill(args *a, lw_sink_opts *o, char listen[64])
{
    char *colon = a->auth == NULL ? NULL : strchr(a->auth, ':');

    if (a->auth != NULL && (colon == NULL || colon == a->auth))
        return cli_error(EX_USAGE, "sink: --auth wants user:password");
    if (a->port > 65535)
        return cli_error(EX_USAGE, "sink: --port %llu is not a port: 1 to 65535",
                         (unsigned long long) a->port);
    if (a->port > 0 && a->listen != NULL)
        return cli_error(EX_USAGE, "sink: --port or --listen, not both");
    if (a->auth != NULL) {
        *colon = '\0';
        o->user = a->auth;
        o->password = colon + 1;
    }
    snprintf(listen, 64, "127.0.0.1:%u", (unsigned) a->port);
    o->listen = a->listen != NULL ? a->listen : listen;
    o->name = a->name;
    o->protocol = a->lmtp ? LW_PROTOCOL_LMTP : LW_PROTOCOL_SMTP;
    o->starttls = a->tls || (a->cert != NULL && !a->smtps);
    o->implicit_tls = a->smtps;
    o->cert_file = a->cert;
    o->key_file = a->key;
    o->mechanisms = a->mechanisms;
    o->require_auth = a->require_auth;
    o->require_tls = a->require_tls;
    o->size_max = a->size;
    o->reject = a->reject;
    o->save_dir = a->save;
    o->max_connections = a->connections > UINT32_MAX ? UINT32_MAX : (uint32_t) a->connections;
    o->discard = a->save == NULL && !a->print;
    o->on_message = on_message;
    o->on_note = on_note;
    o->ctx = a;
    a->count = a->once ? 1 : a->count;
    return parse_without(a->without, &o->without);
}

static int
write_certificate(const args *a)
{
    const char *pem = lw_sink_certificate(a->sink);
    char text[128];
    FILE *f;
    bool is_good;

    if (a->cert_out == NULL)
        return CLI_GO_ON;
    if (pem == NULL)
        return cli_error(EX_USAGE, "sink: --cert-out needs --tls or --smtps");
    if ((f = fopen(a->cert_out, "we")) == NULL)
        return cli_error(EX_CANTCREAT, "sink: %s cannot be created: %s", a->cert_out,
                         strerror_r(errno, text, sizeof text));
    is_good = fputs(pem, f) != EOF;
    is_good = fclose(f) == 0 && is_good;
    return is_good ? CLI_GO_ON
                   : cli_error(EX_IOERR, "sink: %s cannot be written", a->cert_out);
}

/* ---- running -------------------------------------------------------------------------------------- */

static lw_sink *stop_on_signal; /* set once, before the handlers are */

static void
on_signal(int number)
{
    lw_sink_stop(stop_on_signal);
}

static void
announce(const args *a)
{
    const char *where = lw_sink_address(a->sink);
    const char *scheme = a->lmtp ? "lmtp" : a->smtps ? "smtps" : "smtp";

    if (a->json)
        cli_json_write(stdout, json_pack("{s:s, s:i}", "listening", where, "port",
                                         (int) lw_sink_port(a->sink)));
    else if (where[0] == '/' || strncmp(where, "unix:", 5) == 0)
        cli_print(stdout, "listening on %s+unix://%s\n", scheme,
                  where[0] == '/' ? where : where + 5);
    else
        cli_print(stdout, "listening on %s://%s\n", scheme, where);
    fflush(stdout);
}

static int
serve(args *a)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int) SA_RESETHAND };

    stop_on_signal = a->sink;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    announce(a);
    if (ferror(stdout))
        return EX_OK; /* cli_finish() tells */
    if (lw_sink_run(a->sink) < 0)
        return cli_error(EX_SOFTWARE, "sink: the server cannot run");
    return EX_OK; /* if standard output failed, cli_finish() tells */
}

int
cli_sink(int argc, char **argv)
{
    args a = { .listen = NULL };
    cli_list rest = { NULL, 0 };
    char listen[64];
    size_t auth_len;
    lw_sink_opts o;
    lw_error err;
    int rc = cli_parse(&page, argc, argv, &a, &rest);

    auth_len = a.auth == NULL ? 0 : strlen(a.auth);
    if (rc == CLI_GO_ON && rest.n > 0)
        rc = cli_error(EX_USAGE, "sink: \"%s\" is too much: see letterwing sink --help",
                       rest.items[0]);
    cli_list_free(&rest);
    lw_sink_opts_init(&o);
    if (rc == CLI_GO_ON)
        rc = fill(&a, &o, listen);
    if (rc == CLI_GO_ON && lw_sink_open(&o, &a.sink, &err) < 0)
        rc = cli_error(err.code == LW_EOUTPUT ? EX_CANTCREAT : lw_exit_code(&err),
                       "sink: %s", err.text);
    if (a.auth != NULL)
        explicit_bzero(a.auth, auth_len); /* the sink has its own copy */
    cli_release(&page, &a);
    if (rc == CLI_GO_ON && (rc = write_certificate(&a)) == CLI_GO_ON)
        rc = serve(&a);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    lw_sink_free(a.sink);
    return rc;
}
