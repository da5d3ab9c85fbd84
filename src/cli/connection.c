/* SPDX-License-Identifier: MIT */
/* cli/connection.c - login, TLS and session options; Ctrl-C */
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static lw_cancel *cancel_on_signal; /* set once, before the handlers are */

/* The first signal ends the call in order, so that the outcome is known and told; the second
 * one kills. */
static void
on_signal(int number)
{
    lw_cancel_now(cancel_on_signal);
}

static int
catch_signals(cli_connection *c)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int) SA_RESETHAND };

    if ((c->cancel = lw_cancel_new()) == NULL)
        return cli_error(EX_OSERR, "out of memory");
    cancel_on_signal = c->cancel;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return CLI_GO_ON;
}

/* the user in a URL: from start to at, password and all, and the host behind it up to end */
typedef struct url_login {
    const char *start, *at, *end;
} url_login;

static bool
find_user(const char *url, url_login *u)
{
    const char *scheme_end = url == NULL ? NULL : strstr(url, "://");

    if (scheme_end == NULL)
        return false;
    u->start = scheme_end + 3;
    u->end = u->start + strcspn(u->start, "/?#");
    for (u->at = u->end; u->at > u->start && *u->at != '@';)
        u->at--;
    return u->at > u->start;
}

bool
cli_url_has_user(const char *url, bool *has_password)
{
    url_login u;
    bool has_user = find_user(url, &u);

    *has_password = has_user && memchr(u.start, ':', (size_t) (u.at - u.start)) != NULL;
    return has_user;
}

static bool
needs_no_password(const cli_connection *c)
{
    return c->cert != NULL || (c->auth != NULL && cli_is(c->auth, strlen(c->auth), "EXTERNAL"));
}

/* Who logs in, for people: --user, or what stands before the password in the URL, and the host. */
static void
login_name(const cli_connection *c, const char *url, char *out, size_t cap)
{
    url_login u;

    if (c->user != NULL || !find_user(url, &u))
        snprintf(out, cap, "%s", c->user != NULL ? c->user : "the URL's user");
    else
        snprintf(out, cap, "%.*s@%.*s", (int) strcspn(u.start, ":@"), u.start,
                 (int) (u.end - u.at - 1), u.at + 1);
}

static int
get_password(cli_connection *c, const char *url)
{
    bool url_password, url_user = cli_url_has_user(url, &url_password);
    char name[320];

    if (c->password_from != NULL) {
        if (c->user == NULL && !url_user)
            return cli_error(EX_USAGE, "--password-from needs a user: add --user, or name "
                                       "one in the URL");
        return cli_password(c->password_from, &c->password);
    }
    if ((c->user == NULL && !url_user) || (url_password && c->user == NULL)
        || needs_no_password(c))
        return CLI_GO_ON;
    if (url_password)
        return CLI_GO_ON; /* --user overrides the name only */
    login_name(c, url, name, sizeof name);
    if (c->is_unattended)
        return cli_error(EX_CONFIG, "no password for %s: add password-from to sendmail.conf", name);
    return cli_ask_password(name, &c->password);
}

/* Files are read when TLS begins; that one is missing should be known before. */
static int
check_file(const char *option, const char *path)
{
    char text[128];

    if (path == NULL || access(path, R_OK) == 0)
        return CLI_GO_ON;
    return cli_error(EX_CONFIG, "--%s: %s cannot be read: %s", option, path,
                     strerror_r(errno, text, sizeof text));
}

static int
check_values(const cli_connection *c)
{
    int rc;

    if ((rc = check_file("ca", c->ca)) != CLI_GO_ON
        || (rc = check_file("cert", c->cert)) != CLI_GO_ON
        || (rc = check_file("key", c->key)) != CLI_GO_ON)
        return rc;
    if (c->key != NULL && c->cert == NULL)
        return cli_error(EX_USAGE, "--key needs --cert");
    return cli_check_word("ehlo", c->ehlo);
}

int
cli_connection_open(cli_connection *c, const char *url, lw_send_opts *o)
{
    int rc;

    if ((rc = check_values(c)) != CLI_GO_ON || (rc = get_password(c, url)) != CLI_GO_ON)
        return rc;
    if ((rc = cli_transcript_open(&c->transcript, c->transcript_path, c->verbose))
        != CLI_GO_ON)
        return rc;
    if ((rc = catch_signals(c)) != CLI_GO_ON)
        return rc;
    o->user = c->user;
    o->password = c->password;
    o->auth = c->auth;
    o->ca_file = c->ca;
    o->cert_file = c->cert;
    o->key_file = c->key;
    o->tls_pin = c->pin;
    o->ehlo_name = c->ehlo;
    o->timeout_ms = c->timeout_ms;
    o->cancel = c->cancel;
    o->transcript_bodies = c->verbose > 1;
    if (c->transcript.file != NULL || c->transcript.on_stderr) {
        o->transcript = cli_transcript_line;
        o->transcript_ctx = &c->transcript;
    }
    return CLI_GO_ON;
}

int
cli_no_server(const char *command, const char *how)
{
    return cli_error(EX_CONFIG, "%s: no server: %s", command, how);
}

int
cli_servers(const char *command, cli_list *via, lw_send_opts *o)
{
    const char *url = getenv("LETTERWING_URL");

    if (via->n == 0 && url != NULL && url[0] != '\0')
        cli_list_add(via, cli_copy(url));
    if (via->n == 0)
        return cli_no_server(command, "add --via smtp://mail.example.com, or set LETTERWING_URL");
    o->servers = via->items;
    o->n_servers = via->n;
    return CLI_GO_ON;
}

int
cli_connection_close(cli_connection *c, int code)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    cancel_on_signal = NULL;
    lw_cancel_free(c->cancel);
    cli_wipe(c->password);
    return cli_transcript_close(&c->transcript, code);
}
