/* SPDX-License-Identifier: MIT */
/* cli/compose.c - from arguments to a message */
#include "cli/send.h"

#include <stdio.h>
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
add_headers(lw_message *m, const char *option, const cli_list *list,
            lw_code (*add)(lw_message *, const char *, const char *))
{
    for (size_t i = 0; i < list->n; i++) {
        const char *line = list->items[i], *colon = strchr(line, ':'), *value;
        char *name;

        if (colon == NULL || colon == line)
            return cli_error(EX_USAGE, "send: --%s \"%s\" is not 'Name: value'", option, line);
        name = strndup(line, (size_t) (colon - line));
        value = colon + 1;
        value += *value == ' ';
        if (name == NULL)
            return cli_error(EX_OSERR, "out of memory");
        (void) add(m, name, value);
        free(name);
    }
    return CLI_GO_ON;
}

static int
change_ready(const cli_send_args *a, lw_message *m)
{
    for (size_t i = 0; i < a->remove_headers.n; i++)
        (void) lw_message_raw_header(m, a->remove_headers.items[i], NULL);
    return add_headers(m, "set-header", &a->set_headers, lw_message_raw_header);
}

static int
set_priority(lw_message *m, const char *word)
{
    static const char *const words[] = { "low", "normal", "high" };

    for (size_t i = 0; i < CLI_COUNT_OF(words); i++) {
        if (!cli_is(word, strlen(word), words[i]))
            continue;
        (void) lw_message_priority(m, (lw_priority) i);
        return CLI_GO_ON;
    }
    return cli_error(EX_USAGE, "send: --priority \"%s\" is not high, normal or low", word);
}

/* one https, and one mailto if there is a second */
static int
set_unsubscribe(lw_message *m, const cli_list *list)
{
    const char *https = NULL, *mailto = NULL;

    for (size_t i = 0; i < list->n; i++) {
        bool is_mailto = strlen(list->items[i]) > 7 && cli_is(list->items[i], 7, "mailto:");
        const char **slot = is_mailto ? &mailto : &https;

        if (*slot != NULL)
            return cli_error(EX_USAGE, "send: --unsubscribe takes one https:// and one mailto: "
                                       "address");
        *slot = list->items[i];
    }
    if (list->n > 0 && https == NULL)
        return cli_error(EX_USAGE, "send: --unsubscribe needs an https:// address for one "
                                   "click; mailto: alone goes with --header "
                                   "'List-Unsubscribe: <mailto:...>'");
    if (https != NULL)
        (void) lw_message_unsubscribe(m, https, mailto);
    return CLI_GO_ON;
}

static int
special_headers(const cli_send_args *a, lw_message *m)
{
    const struct {
        const char *value;
        lw_code (*set)(lw_message *, const char *);
    } texts[] = { { a->sender, lw_message_sender },
                  { a->in_reply_to, lw_message_in_reply_to },
                  { a->references, lw_message_references },
                  { a->auto_submitted, lw_message_auto_submitted },
                  { a->list_id, lw_message_list_id },
                  { a->feedback_id, lw_message_feedback_id } };
    int rc;

    for (size_t i = 0; i < CLI_COUNT_OF(texts); i++) {
        if (texts[i].value != NULL)
            (void) texts[i].set(m, texts[i].value);
    }
    if (a->priority != NULL && (rc = set_priority(m, a->priority)) != CLI_GO_ON)
        return rc;
    return set_unsubscribe(m, &a->unsubscribe);
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

    if (a->text != NULL || a->html != NULL || a->calendar != NULL || a->markdown != NULL)
        return a->text;
    if (isatty(STDIN_FILENO) || fstat(STDIN_FILENO, &st) != 0)
        return NULL;
    return "-";
}

static int
set_body(const cli_send_args *a, const char *option, const char *given, char **value,
         lw_message *m, lw_code (*set)(lw_message *, const char *))
{
    int rc;

    if (given == NULL)
        return CLI_GO_ON;
    if ((rc = cli_value(option, given, a->charset, value)) == CLI_GO_ON)
        (void) set(m, *value);
    return rc;
}

/* a file, though it has no @ before it */
static int
set_file(const cli_send_args *a, const char *option, const char *path, char **value,
         lw_message *m, lw_code (*set)(lw_message *, const char *))
{
    int rc;

    if (path == NULL)
        return CLI_GO_ON;
    if ((rc = cli_read_text(option, path, a->charset, value)) == CLI_GO_ON)
        (void) set(m, *value);
    return rc;
}

static int
compose_body(cli_send_args *a, lw_message *m)
{
    int rc;

    (void) lw_message_auto_text(m, !a->no_text);
    (void) lw_message_flowed(m, a->flowed);
    (void) lw_message_only_7bit(m, a->only_7bit);
    if ((rc = set_body(a, "--text", text_source(a), &a->text_value, m, lw_message_text)) != CLI_GO_ON
        || (rc = set_body(a, "--html", a->html, &a->html_value, m, lw_message_html)) != CLI_GO_ON
        || (rc = set_body(a, "--amp", a->amp, &a->amp_value, m, lw_message_amp)) != CLI_GO_ON
        || (rc = set_file(a, "--calendar", a->calendar, &a->calendar_value, m,
                          lw_message_calendar)) != CLI_GO_ON
        || (rc = set_file(a, "--markdown", a->markdown, &a->markdown_value, m,
                          lw_message_markdown)) != CLI_GO_ON
        || (rc = attach(m, &a->inlined, true)) != CLI_GO_ON)
        return rc;
    return attach(m, &a->attach, false);
}

/* the items with commas between, for free(); NULL = there are none, or out of memory */
static char *
joined(const cli_list *list)
{
    size_t n = 1;
    char *s, *p;

    for (size_t i = 0; i < list->n; i++)
        n += strlen(list->items[i]) + 2;
    if (list->n == 0 || (p = s = malloc(n)) == NULL)
        return NULL;
    for (size_t i = 0; i < list->n; i++)
        p += snprintf(p, n - (size_t) (p - s), "%s%s", i > 0 ? ", " : "", list->items[i]);
    return s;
}

static int
send_on(cli_send_args *a, lw_message *m)
{
    char *to = joined(&a->to), *cc = joined(&a->cc), *bcc = joined(&a->bcc);
    lw_resent how = { .from = a->resent_from, .sender = a->resent_sender, .to = to, .cc = cc,
                      .bcc = bcc };
    bool has_all = (to != NULL) == (a->to.n > 0) && (cc != NULL) == (a->cc.n > 0)
        && (bcc != NULL) == (a->bcc.n > 0);

    if (has_all)
        (void) lw_message_resent(m, &how);
    free(to);
    free(cc);
    free(bcc);
    return has_all ? CLI_GO_ON : cli_error(EX_OSERR, "send: out of memory");
}

static int
compose_headers(cli_send_args *a, lw_message *m)
{
    int rc;

    if (a->from != NULL)
        (void) lw_message_from(m, a->from);
    if (a->resent_from != NULL && (rc = send_on(a, m)) != CLI_GO_ON)
        return rc;
    if (a->resent_from == NULL) {
        add_all(m, &a->to, lw_message_to);
        add_all(m, &a->cc, lw_message_cc);
        add_all(m, &a->bcc, lw_message_bcc);
    }
    add_all(m, &a->reply_to, lw_message_reply_to);
    if (a->subject != NULL)
        (void) lw_message_subject(m, a->subject);
    if (a->envelope_from != NULL)
        (void) lw_message_envelope_from(m, a->envelope_from);
    if ((rc = special_headers(a, m)) != CLI_GO_ON)
        return rc;
    return add_headers(m, "header", &a->headers, lw_message_header);
}

static int
ready_message(cli_send_args *a, lw_message *m)
{
    int rc;

    if (strcmp(a->message, "-") != 0) {
        (void) lw_message_raw_file(m, a->message);
        return change_ready(a, m);
    }
    if ((rc = cli_read_file("--message", "-", &a->raw, &a->raw_len)) != CLI_GO_ON)
        return rc;
    (void) lw_message_raw_memory(m, a->raw, a->raw_len);
    return change_ready(a, m);
}

static bool
is_stdin(const char *value)
{
    return value != NULL && strcmp(value, "-") == 0;
}

static bool
has_special_header(const cli_send_args *a)
{
    return a->sender || a->in_reply_to || a->references || a->priority || a->auto_submitted
           || a->list_id || a->unsubscribe.n || a->feedback_id;
}

static int
check_ready(const cli_send_args *a)
{
    if (a->subject || a->text || a->html || a->attach.n || a->inlined.n || a->headers.n
        || a->reply_to.n || a->amp || a->calendar || a->markdown || has_special_header(a))
        return cli_error(EX_USAGE, "send: --message sends a ready message as it is; it goes "
                                   "with none of --subject, --text, --html, --attach, "
                                   "--inline, --header, --reply-to; its header is changed by "
                                   "--set-header and --remove-header");
    return CLI_GO_ON;
}

static int
check_resent(const cli_send_args *a)
{
    if (a->resent_sender != NULL && a->resent_from == NULL)
        return cli_error(EX_USAGE, "send: --resent-sender goes with --resent-from");
    if (a->resent_from == NULL)
        return CLI_GO_ON;
    if (a->message == NULL)
        return cli_error(EX_USAGE, "send: --resent-from sends a ready message on: name it with "
                                   "--message");
    if (a->to.n + a->cc.n + a->bcc.n == 0)
        return cli_error(EX_USAGE, "send: --resent-from: to whom shall it be sent on? Name "
                                   "somebody, as in letterwing send ... jane@example.org");
    return CLI_GO_ON;
}

/* combinations that make no sense, before anything is read */
static int
check(const cli_send_args *a)
{
    int rc;

    if ((rc = check_resent(a)) != CLI_GO_ON)
        return rc;
    if (is_stdin(a->text) + is_stdin(a->html) + is_stdin(a->amp) + is_stdin(a->calendar)
            + is_stdin(a->markdown) > 1)
        return cli_error(EX_USAGE, "send: standard input can be read once: --text or --html");
    if (a->markdown != NULL && (a->text != NULL || a->html != NULL))
        return cli_error(EX_USAGE, "send: --markdown is both text and HTML: give neither --text "
                                   "nor --html beside it");
    if (a->message != NULL)
        return check_ready(a);
    if (a->set_headers.n + a->remove_headers.n > 0)
        return cli_error(EX_USAGE, "send: --set-header and --remove-header change a ready "
                                   "message: name it with --message, or use --header");
    if (a->to.n + a->cc.n + a->bcc.n == 0)
        return cli_error(EX_USAGE, "send: no recipient: name one, as in letterwing send "
                                   "bob@example.org");
    if (a->from == NULL)
        return cli_error(EX_USAGE, "send: no sender: add --from ann@example.com");
    if (text_source(a) == NULL && a->html == NULL && a->calendar == NULL && a->markdown == NULL
        && a->attach.n + a->inlined.n == 0 && isatty(STDIN_FILENO))
        return cli_error(EX_USAGE, "send: there is no text: add --text, or pipe it in (--text - "
                                   "reads what you type, --text '' sends none)");
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
