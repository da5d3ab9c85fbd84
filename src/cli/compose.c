/* SPDX-License-Identifier: MIT */
/* cli/compose.c - from arguments to a message */
#include "cli/send.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* one of "type=", "name=", "cid=" at s; NULL = none */
static const char *
key_at(const char *s)
{
    static const char *const keys[] = { "type=", "name=", "cid=" };

    for (size_t i = 0; i < CLI_COUNT_OF(keys); i++) {
        if (strncmp(s, keys[i], strlen(keys[i])) == 0)
            return keys[i];
    }
    return NULL;
}

/* FILE[;type=T][;name=N][;cid=C]: a ';' that no known key follows belongs to what is before
 * it, so "a;b.txt" and "text/plain;charset=utf-8" need no quoting.  Cuts spec in place. */
static void
parse_attachment(char *spec, lw_attachment *how)
{
    char *value;

    for (char *p = spec; (p = strchr(p, ';')) != NULL;) {
        const char *key = key_at(p + 1);

        if (key == NULL) {
            p++;
            continue;
        }
        *p = '\0';
        value = p + 1 + strlen(key);
        if (key[0] == 't')
            how->type = value;
        else if (key[0] == 'n')
            how->name = value;
        else
            how->cid = value;
        p = value;
    }
}

static int
attach(lw_message *m, const cli_list *list, bool is_inline)
{
    for (size_t i = 0; i < list->n; i++) {
        lw_attachment how = { .is_inline = is_inline };
        char *spec = strdup(list->items[i]);

        if (spec == NULL)
            return cli_error(EX_OSERR, "out of memory");
        parse_attachment(spec, &how);
        if (spec[0] == '\0') {
            free(spec);
            return cli_error(EX_USAGE, "send: --%s needs a file name",
                             is_inline ? "inline" : "attach");
        }
        (void) lw_message_attach_file_as(m, spec, &how); /* the message keeps a failure */
        free(spec);
    }
    return CLI_GO_ON;
}

static int
add_headers(lw_message *m, const cli_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        const char *line = list->items[i], *colon = strchr(line, ':'), *value;
        char *name;

        if (colon == NULL || colon == line)
            return cli_error(EX_USAGE, "send: --header \"%s\" is not 'Name: value'", line);
        name = strndup(line, (size_t) (colon - line));
        value = colon + 1;
        value += *value == ' ';
        if (name == NULL)
            return cli_error(EX_OSERR, "out of memory");
        (void) lw_message_header(m, name, value);
        free(name);
    }
    return CLI_GO_ON;
}

static void
add_all(lw_message *m, const cli_list *list, lw_code (*add)(lw_message *, const char *))
{
    for (size_t i = 0; i < list->n; i++)
        (void) add(m, list->items[i]);
}

/* standard input is the text when nothing else is and nobody types */
static const char *
text_source(const cli_send_args *a)
{
    struct stat st;

    if (a->text != NULL || a->html != NULL)
        return a->text;
    if (isatty(STDIN_FILENO) || fstat(STDIN_FILENO, &st) != 0)
        return NULL;
    return "-";
}

static int
compose_body(cli_send_args *a, lw_message *m)
{
    const char *source = text_source(a);
    int rc;

    if (source != NULL) {
        if ((rc = cli_value("--text", source, &a->text_value)) != CLI_GO_ON)
            return rc;
        (void) lw_message_text(m, a->text_value);
    }
    if (a->html != NULL) {
        if ((rc = cli_value("--html", a->html, &a->html_value)) != CLI_GO_ON)
            return rc;
        (void) lw_message_html(m, a->html_value);
    }
    if ((rc = attach(m, &a->inlined, true)) != CLI_GO_ON)
        return rc;
    return attach(m, &a->attach, false);
}

static int
compose_headers(cli_send_args *a, lw_message *m)
{
    if (a->from != NULL)
        (void) lw_message_from(m, a->from);
    add_all(m, &a->to, lw_message_to);
    add_all(m, &a->cc, lw_message_cc);
    add_all(m, &a->bcc, lw_message_bcc);
    add_all(m, &a->reply_to, lw_message_reply_to);
    if (a->subject != NULL)
        (void) lw_message_subject(m, a->subject);
    if (a->envelope_from != NULL)
        (void) lw_message_envelope_from(m, a->envelope_from);
    return add_headers(m, &a->headers);
}

static int
ready_message(cli_send_args *a, lw_message *m)
{
    int rc;

    if (strcmp(a->message, "-") != 0) {
        (void) lw_message_raw_file(m, a->message);
        return CLI_GO_ON;
    }
    if ((rc = cli_read_file("--message", "-", &a->raw, &a->raw_len)) != CLI_GO_ON)
        return rc;
    (void) lw_message_raw_memory(m, a->raw, a->raw_len);
    return CLI_GO_ON;
}

/* combinations that make no sense, before anything is read */
static int
check(const cli_send_args *a)
{
    bool composes = a->subject || a->text || a->html || a->attach.n || a->inlined.n
                    || a->headers.n || a->reply_to.n;
    int n_stdin = (a->text && strcmp(a->text, "-") == 0)
                  + (a->html && strcmp(a->html, "-") == 0);

    if (a->message != NULL && composes)
        return cli_error(EX_USAGE, "send: --message sends a ready message as it is; it goes "
                                   "with none of --subject, --text, --html, --attach, "
                                   "--inline, --header, --reply-to");
    if (n_stdin > 1)
        return cli_error(EX_USAGE, "send: standard input can be read once: --text or --html");
    if (a->message == NULL && a->to.n + a->cc.n + a->bcc.n == 0)
        return cli_error(EX_USAGE, "send: no recipient: name one, as in letterwing send "
                                   "bob@example.org");
    if (a->message == NULL && a->from == NULL)
        return cli_error(EX_USAGE, "send: no sender: add --from ann@example.com");
    return CLI_GO_ON;
}

int
cli_compose(cli_send_args *a, lw_message *m)
{
    const lw_error *err = lw_message_error(m);
    int rc;

    if ((rc = check(a)) != CLI_GO_ON || (rc = compose_headers(a, m)) != CLI_GO_ON)
        return rc;
    rc = a->message != NULL ? ready_message(a, m) : compose_body(a, m);
    if (rc != CLI_GO_ON)
        return rc;
    return err->code == LW_OK ? CLI_GO_ON : cli_tell_failure(a, lw_exit_code(err), err);
}
