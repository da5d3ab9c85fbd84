/* SPDX-License-Identifier: MIT */
/* cli/bulk.c - letterwing bulk: a message to everybody in a list */
#include "cli/bulk.h"

#include <stdlib.h>
#include <string.h>

#define AT(member) offsetof(cli_bulk_args, member)

static const cli_option options[] = {
    { CLI_HEADING, 0, NULL, NULL, "Server", 0 },
    { CLI_URLS, 0, "via", "URL", "as for letterwing send; several are tried in order", AT(via) },
    { CLI_NUMBER, 0, "connections", "N", "at most so many at a time; else 4", AT(connections) },
    { CLI_NUMBER, 0, "window", "N", "messages on their way over one connection; else 8;\n"
      "1 = each is answered before the next one", AT(window) },
    { CLI_FLAG, 0, "no-pipelining", NULL, "one command at a time", AT(no_pipelining) },
    { CLI_TEXT, 0, "rate", "N/s", "at most so many messages; 600/min and 1000/h too", AT(rate) },
    { CLI_TEXT, 0, "rate-per-domain", "N/s", "at most so many to one domain",
      AT(rate_per_domain) },
    { CLI_HEADING, 0, NULL, NULL, "Message, a template", 0 },
    { CLI_TEXT, 0, "template", "FILE.eml", "a ready message with {{fields}}", AT(template_file) },
    { CLI_TEXT, 'f', "from", "A", "who writes", AT(from) },
    { CLI_TEXT, 0, "reply-to", "A", "where answers go", AT(reply_to) },
    { CLI_TEXT, 0, "to-name", "S", "the recipient's name, such as '{{name}}'", AT(to_name) },
    { CLI_TEXT, 's', "subject", "S", "UTF-8", AT(subject) },
    { CLI_TEXT, 0, "text", "S|@FILE", "the text", AT(text) },
    { CLI_TEXT, 0, "html", "S|@FILE", "the text as HTML; values are escaped, but {{{x}}}\n"
      "as it is", AT(html) },
    { CLI_LIST, 'H', "header", "'N: V'", "one more header field", AT(headers) },
    { CLI_LIST, 'a', "attach", "FILE", "attach it; '{{file}}': each row's own", AT(attach) },
    { CLI_TEXT, 0, "unsubscribe", "URL", "one click ends the subscription (RFC 8058), as in\n"
      "'https://example.com/out?a={{email}}'", AT(unsubscribe) },
    { CLI_LIST, 0, "dkim", "D:S:KEYFILE", "sign, as for letterwing send", AT(dkim) },
    { CLI_TEXT, 0, "envelope-from", "A", "where failures are reported", AT(envelope_from) },
    { CLI_FLAG, 0, "verp", NULL, "with the recipient in it: a report says whose it is", AT(verp) },
    { CLI_HEADING, 0, NULL, NULL, "List", 0 },
    { CLI_TEXT, 'l', "list", "FILE|-", "CSV, whose first line names the columns; or\n"
      "JSON lines (.jsonl)", AT(list) },
    { CLI_TEXT, 0, "format", "csv|jsonl", "what it is, where its name does not say",
      AT(format) },
    { CLI_TEXT, 0, "to-field", "NAME", "the column with the address; else email", AT(to_field) },
    { CLI_TEXT, 0, "delimiter", "C", "between fields: , ; or tab; else found out",
      AT(delimiter) },
    { CLI_NUMBER, 0, "limit", "N", "send so many rows in this run", AT(limit) },
    { CLI_FLAG, 0, "keep-duplicates", NULL, "send each row, whatever its address",
      AT(keep_duplicates) },
    { CLI_FLAG, 0, "strict", NULL, "a bad row ends the run", AT(strict) },
    { CLI_HEADING, 0, NULL, NULL, "Run", 0 },
    { CLI_TEXT, 'j', "journal", "FILE", "note every row: the same command continues after\n"
      "Ctrl-C, a crash, or power loss", AT(journal) },
    { CLI_FLAG, 0, "resend-uncertain", NULL, "send again what may have arrived already",
      AT(resend_uncertain) },
    { CLI_TEXT, 0, "retry", "S,S,...", "pauses before what was deferred is tried again;\n"
      "else 60,300,900; no = never", AT(retry) },
    { CLI_TEXT, 0, "failures", "FILE.csv", "each row that was not accepted, and why",
      AT(failures) },
    CLI_CONNECTION_OPTIONS(cli_bulk_args, connection),
    { CLI_HEADING, 0, NULL, NULL, "Output", 0 },
    { CLI_MAYBE_NUMBER, 0, "dry-run", "[=N]", "check all rows, print the first message (N),\n"
      "send nothing", AT(dry_run) },
    { CLI_NUMBER, 0, "sample", "N", "save N messages, send nothing",
      AT(sample) },
    { CLI_TEXT, 0, "save", "DIR", "where --sample and --dry-run put them", AT(save) },
    { CLI_TEXT, 0, "report", "FILE.html", "a page about the run, with charts", AT(report) },
    { CLI_FLAG, 'q', "quiet", NULL, "no progress, no summary", AT(quiet) },
    { CLI_FLAG, 0, "json", NULL, "print the summary as one JSON object", AT(json) },
    { CLI_END, 0, NULL, NULL, NULL, 0 }
};

static const cli_page page = {
    "bulk", "--list FILE [OPTION...]",
    "Sends a message to everybody in a list.  {{column}} is the row's value;\n"
    "{{#column}}...{{/column}} stands where that is not empty, {{^column}}...\n"
    "{{/column}} where it is.",
    options,
    "  letterwing bulk --list people.csv --via smtps://ann@smtp.example.com \\\n"
    "      -f 'Ann <ann@example.com>' --to-name '{{name}}' -s 'Hello {{name}}' \\\n"
    "      --html @letter.html --journal spring.journal --failures failed.csv\n"
    "  letterwing bulk --list people.csv -f a@example.com --text @t.txt --dry-run\n"
};

/* ---- from arguments to the library's options -------------------------------------------------------- */

static int
check(const cli_bulk_args *a, const cli_list *positional)
{
    if (positional->n > 0)
        return cli_error(EX_USAGE, "bulk: \"%s\" is no option: the list is named with --list",
                         positional->items[0]);
    if (a->list == NULL)
        return cli_error(EX_USAGE, "bulk: no list: add --list people.csv");
    if (a->template_file == NULL && a->text == NULL && a->html == NULL)
        return cli_error(EX_USAGE, "bulk: no message: add --text, --html or --template");
    if (a->template_file != NULL && (a->text != NULL || a->html != NULL))
        return cli_error(EX_USAGE, "bulk: --template brings the text: --text and --html do not go "
                         "with it");
    if (a->sample > 0 && a->save == NULL)
        return cli_error(EX_USAGE, "bulk: --sample needs --save DIR");
    if (a->verp && a->envelope_from == NULL)
        return cli_error(EX_USAGE, "bulk: --verp needs --envelope-from");
    if (strcmp(a->list, "-") == 0 && ((a->text != NULL && strcmp(a->text, "-") == 0) ||
                                      (a->html != NULL && strcmp(a->html, "-") == 0)))
        return cli_error(EX_USAGE, "bulk: standard input can be read once");
    return CLI_GO_ON;
}

static int
read_letter(const cli_bulk_args *a, cli_letter *l)
{
    int rc;

    if (a->template_file != NULL)
        return cli_letter_read(l, a->template_file);
    if (a->text != NULL && (rc = cli_value("bulk: --text", a->text, NULL, &l->text)) != CLI_GO_ON)
        return rc;
    return a->html == NULL ? CLI_GO_ON : cli_value("bulk: --html", a->html, NULL, &l->html);
}

static const char *
first_of(const char *a, const char *b)
{
    return a != NULL ? a : b;
}

static void
add_all(cli_list *to, const cli_list *from)
{
    for (size_t i = 0; i < from->n; i++)
        cli_list_add(to, from->items[i]);
}

/* what the command line says goes before what the template says */
static int
make_mailing(const cli_bulk_args *a, cli_letter *l, cli_rows *list, lw_dkim_signer *signer,
             lw_mailing **out)
{
    lw_rows rows = cli_rows_rows(list);
    cli_list headers = { NULL, 0 };
    lw_mailing_opts o;
    lw_error err;
    size_t n;
    const char *const *columns = rows.columns(rows.ctx, &n);
    lw_code rc;

    lw_mailing_opts_init(&o);
    o.to_field = a->to_field;
    o.to_name = first_of(a->to_name, l->to_name);
    o.from = first_of(a->from, l->from);
    o.reply_to = first_of(a->reply_to, l->reply_to);
    o.subject = first_of(a->subject, l->subject);
    o.text = l->text;
    o.html = l->html;
    add_all(&headers, &l->headers);
    add_all(&headers, &a->headers);
    o.headers = headers.items;
    o.n_headers = headers.n;
    o.attach = a->attach.items;
    o.n_attach = a->attach.n;
    o.unsubscribe = a->unsubscribe;
    o.envelope_from = a->envelope_from;
    o.verp = a->verp;
    o.decorate = l->n_parts > 0 ? cli_letter_attach : NULL;
    o.decorate_ctx = l;
    if (l->n_parts > 0)
        cli_letter_identity(l, o.decoration);
    o.dkim = signer;
    if (o.from == NULL)
        return cli_error(EX_USAGE, "bulk: no sender: add --from ann@example.com");
    rc = lw_mailing_new(&o, columns, n, out, &err);
    cli_list_free(&headers);
    return rc == LW_OK ? CLI_GO_ON : cli_error(lw_exit_code(&err), "bulk: %s", err.text);
}

static int
send_all(cli_bulk_args *a, cli_rows *rows, lw_mailing *mailing)
{
    lw_send_opts o;
    int rc;

    lw_send_opts_init(&o);
    if ((rc = cli_servers("bulk", &a->via, &o)) != CLI_GO_ON)
        return rc;
    rc = cli_connection_open(&a->connection, a->via.items[0], &o);
    if (rc == CLI_GO_ON)
        rc = cli_bulk_run(a, rows, mailing, &o, a->connection.cancel);
    return cli_connection_close(&a->connection, rc);
}

int
cli_bulk(int argc, char **argv)
{
    cli_bulk_args a = { .list = NULL };
    cli_list positional = { NULL, 0 };
    cli_letter letter = { .from = NULL };
    cli_signer signer = { .n = 0 };
    cli_rows *rows = NULL;
    lw_mailing *mailing = NULL;
    lw_dkim_opts dkim;
    int rc = cli_parse(&page, argc, argv, &a, &positional);

    lw_dkim_opts_init(&dkim);
    if (rc != CLI_GO_ON || (rc = check(&a, &positional)) != CLI_GO_ON ||
        (rc = read_letter(&a, &letter)) != CLI_GO_ON ||
        (a.dkim.n > 0 && (rc = cli_signer_open(&signer, "bulk", &a.dkim, &dkim)) != CLI_GO_ON) ||
        (rc = cli_rows_open(&rows, &a)) != CLI_GO_ON ||
        (rc = make_mailing(&a, &letter, rows, signer.signer, &mailing)) != CLI_GO_ON)
        goto out;
    rc = a.dry_run > 0 || a.sample > 0 ? cli_bulk_dry_run(&a, rows, mailing)
                                       : send_all(&a, rows, mailing);
out:
    lw_mailing_free(mailing);
    cli_rows_close(rows);
    cli_letter_free(&letter);
    cli_signer_close(&signer);
    cli_list_free(&positional);
    cli_release(&page, &a);
    return rc;
}
