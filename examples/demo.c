/* SPDX-License-Identifier: MIT */
/*
 * demo.c - one message, both sides: what `make demo` shows
 *
 * Starts the capture server in this process on a free port of the loopback interface, with a
 * throw-away certificate and one user; sends an HTML message with a Chinese subject and a Cc
 * through STARTTLS and a login; shows the dialogue, what became of each recipient, and the
 * message as it arrived.  Nothing leaves this machine and nothing is left behind.
 */
#include <letterwing/letterwing.h>
#include <letterwing/sink.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { COLUMNS = 80, TEXT_COLUMN = 12 };

static const char html[] =
    "<!doctype html>\n"
    "<h1>你好, Bob!</h1>\n"
    "<p>This letter travelled through <b>STARTTLS</b> and a login.\n"
    "<p>.\n"
    "<p>A line with a single dot arrives as it was written:\n"
    ".\n"
    "<p>Ann\n";

/* ---- how it looks ------------------------------------------------------------------ */

static const char *bold = "", *faint = "", *green = "", *blue = "", *plain = "";

static void
choose_colours(void)
{
    if (!isatty(STDOUT_FILENO) || getenv("NO_COLOR") != NULL)
        return;
    bold = "\033[1m";
    faint = "\033[2m";
    green = "\033[32m";
    blue = "\033[36m";
    plain = "\033[0m";
}

static void
title(int number, const char *text)
{
    printf("\n%s%d  %s%s\n\n", bold, number, text, plain);
}

/* How many octets of text fit into so many columns, breaking after a space where it can.
 * Characters of three octets and more count as two columns, as CJK ones do. */
static size_t
fit(lw_span text, size_t columns)
{
    size_t i = 0, width = 0, space = 0;

    while (i < text.len) {
        unsigned char c = (unsigned char)text.ptr[i];
        size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

        width += len >= 3 ? 2 : 1;
        if (width > columns)
            return space > 0 ? space : i;
        i += len;
        if (c == ' ')
            space = i;
    }
    return text.len;
}

/* One line after a prefix; what does not fit is continued below, at the same column. */
static void
print_wrapped(const char *colour, lw_span text)
{
    size_t n = fit(text, COLUMNS - TEXT_COLUMN);

    printf("%s%.*s%s\n", colour, (int)n, text.ptr, plain);
    while (n < text.len) {
        text.ptr += n;
        text.len -= n;
        n = fit(text, COLUMNS - TEXT_COLUMN);
        printf("%*s%s%.*s%s\n", TEXT_COLUMN, "", colour, (int)n, text.ptr, plain);
    }
}

static void
print_dialogue_line(void *ctx, const lw_transcript_line *line)
{
    static const char *const signs[] = { "C:", "S:", "* " };
    const char *colours[] = { blue, "", faint };

    (void)ctx;
    printf("%s%4u.%03u%s %s ", faint, (unsigned)(line->time_ms / 1000),
           (unsigned)(line->time_ms % 1000), plain, signs[line->direction]);
    print_wrapped(colours[line->direction], line->text);
}

/* ---- the server's side -------------------------------------------------------------- */

typedef struct arrival {
    char *text;
    size_t len;
    char envelope[400];
    char how[200];
} arrival;

/* Runs on the server's thread, before the client gets its 250. */
static int
keep_message(void *ctx, const lw_captured *m, const char **text)
{
    arrival *a = ctx;
    int n = snprintf(a->envelope, sizeof a->envelope, "<%s> to", m->mail.from);

    for (size_t i = 0; i < m->n_rcpts && n > 0 && (size_t)n < sizeof a->envelope; i++)
        n += snprintf(a->envelope + n, sizeof a->envelope - (size_t)n, "%s <%s>",
                      i > 0 ? "," : "", m->rcpts[i].address);
    snprintf(a->how, sizeof a->how, "%s, %s, login of %s by %s",
             m->used_tls ? m->tls_version : "in clear", m->used_bdat ? "BDAT" : "DATA",
             m->auth_user != NULL ? m->auth_user : "nobody",
             m->auth_mechanism != NULL ? m->auth_mechanism : "nothing");
    a->text = malloc(m->len > 0 ? m->len : 1);
    if (a->text == NULL) {
        *text = "out of memory";
        return 451;
    }
    memcpy(a->text, m->data, m->len);
    a->len = m->len;
    return 0;
}

static lw_sink *
start_server(arrival *a)
{
    lw_sink_opts opts;
    lw_sink *sink = NULL;
    lw_error err;

    lw_sink_opts_init(&opts);
    opts.name = "localhost";
    opts.starttls = opts.require_tls = true;
    opts.user = "ann@example.com";
    opts.password = "correct horse";
    opts.require_auth = true;
    opts.on_message = keep_message;
    opts.ctx = a;
    if (lw_sink_open(&opts, &sink, &err) != LW_OK) {
        fprintf(stderr, "demo: %s\n", err.text);
        exit(70);
    }
    if (lw_sink_start(sink) != LW_OK) {
        fprintf(stderr, "demo: the server's thread does not start\n");
        exit(71);
    }
    return sink;
}

/* ---- the client's side -------------------------------------------------------------- */

/* The certificate in a file, for the client to trust it and nothing else. */
static void
write_certificate(const lw_sink *sink, char path[])
{
    const char *pem = lw_sink_certificate(sink);
    int fd = mkstemp(path);

    if (fd < 0 || write(fd, pem, strlen(pem)) != (ssize_t)strlen(pem)) {
        perror(path);
        exit(74);
    }
    close(fd);
}

static lw_message *
compose(void)
{
    lw_message *m = lw_message_new();

    lw_message_from(m, "Ann 安 <ann@example.com>");
    lw_message_to(m, "Bob <bob@example.org>");
    lw_message_cc(m, "\"Carla, née C.\" <carla@example.net>");
    lw_message_subject(m, "测试邮件: a letter with a Chinese subject");
    lw_message_html(m, html);
    return m;
}

static lw_code
send_message(const lw_sink *sink, const char *ca_file, lw_report **report)
{
    lw_message *m = compose();
    lw_send_opts opts;
    char url[64];
    const char *servers[] = { url };
    lw_code code;

    snprintf(url, sizeof url, "tls://localhost:%u", lw_sink_port(sink));
    lw_send_opts_init(&opts);
    opts.servers = servers;
    opts.n_servers = 1;
    opts.user = "ann@example.com";
    opts.password = "correct horse";
    opts.ca_file = ca_file;
    opts.transcript = print_dialogue_line;
    code = lw_send_with(&opts, m, report);
    lw_message_free(m);
    return code;
}

/* ---- what became of it ---------------------------------------------------------------- */

static void
print_outcomes(const lw_report *report)
{
    const lw_server_facts *server = lw_report_server(report);

    for (size_t i = 0; i < lw_report_n_results(report); i++) {
        const lw_result *r = lw_report_result(report, i);

        printf("   %s%-10s%s %-20s %d %s\n", green, lw_outcome_name(r->outcome), plain,
               r->address, r->code, r->text);
    }
    printf("\n   %llu octets, %u round trips from connecting to QUIT, %.0f ms\n",
           (unsigned long long)lw_report_size(report), lw_report_flights(report),
           lw_report_seconds(report) * 1000);
    if (server->tls.active)
        printf("   %s, %s, certificate %s\n", server->tls.version, server->tls.cipher,
               server->tls.verified ? "verified" : "NOT verified");
}

static void
print_arrival(const arrival *a)
{
    const char *p = a->text, *end = a->text + a->len;

    printf("   %s\n   %s\n\n", a->envelope, a->how);
    while (p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((eol != NULL ? eol : end) - p);

        if (len > 0 && p[len - 1] == '\r')
            len--;
        printf("   %s|%s %.*s\n", faint, plain, (int)len, p);
        p = eol != NULL ? eol + 1 : end;
    }
}

int
main(void)
{
    char ca_file[] = "/tmp/letterwing-demo-XXXXXX";
    arrival arrived = { 0 };
    lw_report *report = NULL;
    lw_sink *sink;
    lw_code code;

    choose_colours();
    sink = start_server(&arrived);
    write_certificate(sink, ca_file);
    printf("%sLetterwing %s%s: a message, sent and captured in one process\n", bold, lw_version(),
           plain);
    title(1, "A capture server");
    printf("   %s, STARTTLS with a throw-away certificate, one user\n", lw_sink_address(sink));
    title(2, "The dialogue   (C: the client  S: the server  *: what happened besides)");
    code = send_message(sink, ca_file, &report);
    unlink(ca_file);
    lw_sink_stop(sink);
    title(3, "What became of each recipient");
    if (code == LW_OK)
        print_outcomes(report);
    else
        printf("   %s\n", lw_report_text(report));
    if (arrived.text != NULL) {
        title(4, "How it arrived");
        print_arrival(&arrived);
    }
    printf("\nNext: build/letterwing send --help, and README.md\n");
    free(arrived.text);
    lw_report_free(report);
    lw_sink_free(sink);
    return code == LW_OK ? 0 : 1;
}
