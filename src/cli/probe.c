/* SPDX-License-Identifier: MIT */
/* cli/probe.c - letterwing probe: what a server offers */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

typedef struct args {
    const char *vrfy, *expn;
    bool login, json;
    cli_connection connection;
} args;

#define AT(member) offsetof(args, member)

static const cli_option options[] = {
    { CLI_HEADING, 0, NULL, NULL, "Questions", 0 },
    { CLI_FLAG, 0, "login", NULL, "try to log in", AT(login) },
    { CLI_TEXT, 0, "vrfy", "A", "ask whether this address exists", AT(vrfy) },
    { CLI_TEXT, 0, "expn", "A", "ask who is on this list", AT(expn) },
    CLI_CONNECTION_OPTIONS(args, connection),
    { CLI_HEADING, 0, NULL, NULL, "Output", 0 },
    { CLI_FLAG, 0, "json", NULL, "print one JSON object", AT(json) },
    { CLI_END, 0, NULL, NULL, NULL, 0 }
};

static const cli_page page = {
    "probe", "[OPTION...] URL",
    "Looks at a server without sending anything: its greeting, what it offers before\n"
    "and after TLS, its certificate and what is wrong with it, the login mechanisms,\n"
    "and how long a round trip takes.",
    options,
    "  letterwing probe smtp://smtp.example.com\n"
    "  letterwing probe smtps://ann@smtp.example.com --login --password-from env:PASS\n"
    "  letterwing probe smtp://mx.example.org:25 --vrfy bob@example.org --json\n"
};

/* ---- JSON ----------------------------------------------------------------------------------- */

static json_t *
texts(const char *const *items, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, cli_json_text(items[i]));
    return list;
}

static json_t *
answer(int code, const char *text)
{
    if (code == 0)
        return json_null();
    return json_pack("{s:i, s:o}", "code", code, "text", cli_json_text(text));
}

static json_t *
login_json(const lw_probe *p)
{
    if (!p->login_tried)
        return json_null();
    return json_pack("{s:o, s:b, s:o, s:o}", "mechanism", cli_json_text(p->login_mechanism),
                     "ok", p->login_ok, "code",
                     p->login_code ? json_integer(p->login_code) : json_null(), "text",
                     cli_json_text(p->login_text));
}

static bool
print_json(const lw_probe *p)
{
    json_t *json = json_object();

    json_object_set_new(json, "host", cli_json_text(p->server.host));
    json_object_set_new(json, "port", json_integer(p->server.port));
    json_object_set_new(json, "address", cli_json_text(p->server.address));
    json_object_set_new(json, "greeting", cli_json_text(p->server.greeting));
    json_object_set_new(json, "capabilities",
                        json_pack("{s:o, s:o}", "before_tls",
                                  texts(p->before_tls, p->n_before_tls), "after_tls",
                                  texts(p->after_tls, p->n_after_tls)));
    json_object_set_new(json, "auth", texts(p->mechanisms, p->n_mechanisms));
    json_object_set_new(json, "tls", cli_json_tls(&p->server.tls, true));
    json_object_set_new(json, "round_trip_ms",
                        p->round_trip_ms < 0 ? json_null() : json_real(p->round_trip_ms));
    json_object_set_new(json, "login", login_json(p));
    json_object_set_new(json, "vrfy", answer(p->vrfy_code, p->vrfy_text));
    json_object_set_new(json, "expn", answer(p->expn_code, p->expn_text));
    json_object_set_new(json, "error", cli_json_error(&p->error));
    return cli_json_write(stdout, json);
}

/* ---- text -------------------------------------------------------------------------------------- */

static void
row(const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0')
        cli_print(stdout, "%-14s %s\n", name, text);
}

static void
list(const char *name, const char *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        row(i == 0 ? name : "", items[i]);
}

static void
day(char *dst, size_t cap, int64_t unix_s)
{
    cli_time(dst, cap, unix_s * 1000);
    dst[strcspn(dst, "T")] = '\0';
}

static void
print_tls(const lw_tls_facts *tls)
{
    char from[40], until[40];

    if (tls->active)
        cli_print(stdout, "%-14s %s, %s\n", "TLS", tls->version, tls->cipher);
    else if (tls->problem == NULL)
        row("TLS", "none");
    for (size_t i = 0; i < tls->n_chain; i++) {
        const lw_certificate *c = &tls->chain[i];

        day(from, sizeof from, c->not_before);
        day(until, sizeof until, c->not_after);
        row(i == 0 ? "Certificate" : "  signed by", c->subject);
        cli_print(stdout, "%-14s   issued by %s\n%-14s   valid %s to %s\n", "", c->issuer, "",
                  from, until);
    }
    if (tls->problem != NULL)
        row("  problem", tls->problem);
    else if (tls->active)
        row("  verified", tls->verified ? "yes" : "no");
}

static void
print_answer(const char *name, int code, const char *text)
{
    if (code != 0)
        cli_print(stdout, "%-14s %d %s\n", name, code, text == NULL ? "" : text);
}

static void
print_login(const lw_probe *p)
{
    if (!p->login_tried)
        return;
    cli_print(stdout, "%-14s %s%s%s\n", "Login", p->login_ok ? "accepted" : "refused",
              p->login_mechanism ? " by " : "",
              p->login_mechanism ? p->login_mechanism : "");
    print_answer("", p->login_code, p->login_text);
}

static void
print_text(const lw_probe *p)
{
    const lw_server_facts *s = &p->server;

    if (s->port != 0)
        cli_print(stdout, "%-14s %s port %u\n", "Server", s->host, (unsigned) s->port);
    else
        row("Server", s->host);
    row("Address", s->address);
    row("Greeting", s->greeting);
    list(s->tls.active ? "Before TLS" : "Offers", p->before_tls, p->n_before_tls);
    print_tls(&s->tls);
    list("Under TLS", p->after_tls, p->n_after_tls);
    if (p->n_mechanisms > 0) {
        cli_print(stdout, "%-14s", "Mechanisms");
        for (size_t i = 0; i < p->n_mechanisms; i++)
            cli_print(stdout, " %s", p->mechanisms[i]);
        cli_print(stdout, "\n");
    }
    if (p->round_trip_ms >= 0)
        cli_print(stdout, "%-14s %.2f ms\n", "Round trip", p->round_trip_ms);
    print_login(p);
    print_answer("VRFY", p->vrfy_code, p->vrfy_text);
    print_answer("EXPN", p->expn_code, p->expn_text);
}

/* ---- the command --------------------------------------------------------------------------------- */

static int
look(args *a, const char *url)
{
    lw_probe_opts o;
    lw_send_opts send;
    lw_probe *p = NULL;
    int rc;

    lw_probe_opts_init(&o);
    lw_send_opts_init(&send);
    send.servers = &url;
    send.n_servers = 1;
    o.send = &send;
    o.login = a->login;
    o.vrfy = a->vrfy;
    o.expn = a->expn;
    rc = cli_connection_open(&a->connection, a->login ? url : NULL, &send);
    if (rc == CLI_GO_ON) {
        (void) lw_probe_run(&o, &p); /* the probe tells */
        if (p == NULL) {
            rc = cli_error(EX_OSERR, "out of memory");
        } else {
            if (a->json)
                print_json(p);
            else
                print_text(p);
            rc = lw_exit_code(&p->error);
            if (p->error.code != LW_OK)
                cli_error(rc, "%s", p->error.text);
        }
    }
    lw_probe_free(p);
    return cli_connection_close(&a->connection, rc);
}

int
cli_probe(int argc, char **argv)
{
    args a = { .vrfy = NULL };
    cli_list urls = { NULL, 0 };
    char *url = NULL;
    int rc = cli_parse(&page, argc, argv, &a, &urls);

    if (rc == CLI_GO_ON && (rc = cli_one_url(&page, &urls, &url)) == CLI_GO_ON)
        rc = look(&a, url);
    cli_wipe(url);
    cli_list_free(&urls);
    return rc;
}
