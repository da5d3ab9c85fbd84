/* SPDX-License-Identifier: MIT */
/* cli/send.c - letterwing send: compose and send one message */
#include "cli/send.h"

#include <stdlib.h>
#include <string.h>

#define AT(member) offsetof(cli_send_args, member)

static const cli_option options[] = {
    { CLI_HEADING, 0, NULL, NULL, "Server", 0 },
    { CLI_URLS, 0, "via", "URL",
      "smtp://[user@]host[:port] (STARTTLS), smtps://\n"
      "(TLS from the first byte), lmtp://, plain:// (no\n"
      "TLS), lmtp+unix:///path; several are tried in\n"
      "order; without it $LETTERWING_URL", AT(via) },
    { CLI_HEADING, 0, NULL, NULL, "Message", 0 },
    { CLI_TEXT, 'f', "from", "A", "who writes: ann@example.com, or 'Ann <a@b.com>'",
      AT(from) },
    { CLI_LIST, 't', "to", "A", "who gets it; lists repeat, or use commas", AT(to) },
    { CLI_LIST, 0, "cc", "A", "who gets a copy", AT(cc) },
    { CLI_LIST, 0, "bcc", "A", "who gets a copy that nobody else sees", AT(bcc) },
    { CLI_LIST, 0, "reply-to", "A", "where answers go", AT(reply_to) },
    { CLI_TEXT, 's', "subject", "S", "UTF-8", AT(subject) },
    { CLI_TEXT, 0, "text", "S|@FILE|-", "the text; - reads standard input, which is also\n"
      "the text when none is given and nobody types there", AT(text) },
    { CLI_TEXT, 0, "html", "S|@FILE|-", "the text as HTML; both: the reader chooses", AT(html) },
    { CLI_LIST, 'a', "attach", "FILE", "attach it; FILE;type=T;name=N says how it is shown",
      AT(attach) },
    { CLI_LIST, 0, "inline", "FILE", "a picture of the HTML; FILE;cid=C: src=\"cid:C\"",
      AT(inlined) },
    { CLI_LIST, 'H', "header", "'N: V'", "one more header field", AT(headers) },
    { CLI_TEXT, 0, "sender", "A", "who sends it, where that is not --from", AT(sender) },
    { CLI_TEXT, 0, "in-reply-to", "ID", "the Message-ID that this answers: <...@...>",
      AT(in_reply_to) },
    { CLI_TEXT, 0, "references", "IDS", "the Message-IDs of the thread, oldest first",
      AT(references) },
    { CLI_TEXT, 0, "priority", "high|normal|low", "how urgent it is", AT(priority) },
    { CLI_TEXT, 0, "auto-submitted", "WORD",
      "auto-generated or auto-replied: a program sent it", AT(auto_submitted) },
    { CLI_TEXT, 0, "list-id", "S", "Name <list.example.com>", AT(list_id) },
    { CLI_LIST, 0, "unsubscribe", "URL", "https://... for one click; once more for mailto:",
      AT(unsubscribe) },
    { CLI_TEXT, 0, "feedback-id", "S", "campaign:customer:type:sender", AT(feedback_id) },
    { CLI_HEADING, 0, NULL, NULL, "Bodies", 0 },
    { CLI_FLAG, 0, "no-text", NULL, "make no text of --html where --text is not given",
      AT(no_text) },
    { CLI_FLAG, 0, "flowed", NULL, "write the text as format=flowed", AT(flowed) },
    { CLI_TEXT, 0, "markdown", "FILE|-", "text in Markdown, also as the HTML made of it",
      AT(markdown) },
    { CLI_TEXT, 0, "charset", "NAME", "of the files of --text, --html, --markdown, --amp,\n"
      "--calendar: latin1, gb18030, ...; without it UTF-8,\n"
      "or what a byte order mark says", AT(charset) },
    { CLI_TEXT, 0, "amp", "S|@FILE|-", "an AMP page, beside text or HTML", AT(amp) },
    { CLI_TEXT, 0, "calendar", "FILE|-", "an invitation (.ics, with a METHOD)", AT(calendar) },
    { CLI_FLAG, 0, "7bit", NULL, "encode for servers that take nothing else", AT(only_7bit) },
    { CLI_HEADING, 0, NULL, NULL, "Ready message", 0 },
    { CLI_TEXT, 0, "message", "FILE|-",
      "send this ready message (.eml) as it is", AT(message) },
    { CLI_LIST, 0, "set-header", "'N: V'", "write this field of the message anew",
      AT(set_headers) },
    { CLI_LIST, 0, "remove-header", "N", "remove this field of the message",
      AT(remove_headers) },
    { CLI_TEXT, 0, "resent-from", "A", "send it on: A does it, and --to, --cc, --bcc become\n"
      "Resent-To, Resent-Cc, Resent-Bcc", AT(resent_from) },
    { CLI_TEXT, 0, "resent-sender", "A", "who sends it on for --resent-from",
      AT(resent_sender) },
    { CLI_LIST, 0, "dkim", "D:S:KEYFILE", "sign it for domain D, selector S, with this private\n"
      "key (PEM); one RSA and one Ed25519 key are best", AT(dkim) },
    { CLI_HEADING, 0, NULL, NULL, "Signing and encrypting (header fields stay readable)", 0 },
    { CLI_TEXT, 0, "smime-sign", "CERT[:KEY]", "sign with this certificate and its key (PEM, both\n"
      "in one file or two)", AT(smime_sign) },
    { CLI_FLAG, 0, "smime-encrypt", NULL, "only the recipients can read it; each needs a\n"
      "--smime-cert", AT(smime_encrypt) },
    { CLI_LIST, 0, "smime-cert", "FILE", "certificates of recipients, found by their address",
      AT(smime_certs) },
    { CLI_TEXT, 0, "smime-cipher", "C", "aes-256-cbc (everybody reads it) or aes-256-gcm\n"
      "(S/MIME 4.0)", AT(smime_cipher) },
    { CLI_MAYBE, 0, "pgp-sign", "[=KEY]", "sign with gpg: this key, else that of --from",
      AT(pgp_sign) },
    { CLI_FLAG, 0, "pgp-encrypt", NULL, "only the recipients can read it; gpg has their keys",
      AT(pgp_encrypt) },
    { CLI_HEADING, 0, NULL, NULL, "Envelope", 0 },
    { CLI_TEXT, 0, "envelope-from", "A", "where failures are reported; '' = nowhere",
      AT(envelope_from) },
    { CLI_TEXT, 0, "dsn", "WHEN", "ask for reports: success,failure,delay or never", AT(dsn) },
    { CLI_TEXT, 0, "ret", "full|hdrs", "what a report of failure holds", AT(ret) },
    { CLI_TEXT, 0, "envid", "S", "what reports call this message", AT(envid) },
    { CLI_FLAG, 0, "require-tls", NULL, "every server on the way must use TLS",
      AT(require_tls) },
    { CLI_FLAG, 0, "no-pipelining", NULL, "one command at a time", AT(no_pipelining) },
    CLI_CONNECTION_OPTIONS(cli_send_args, connection),
    { CLI_HEADING, 0, NULL, NULL, "Output", 0 },
    { CLI_FLAG, 0, "lint", NULL, "say what receivers will hold against the message,\n"
      "and send nothing if that is an error", AT(lint) },
    { CLI_FLAG, 0, "dry-run", NULL, "print the message, send nothing", AT(dry_run) },
    { CLI_FLAG, 'q', "quiet", NULL, "say nothing but errors", AT(quiet) },
    { CLI_FLAG, 0, "json", NULL, "print the outcome as one JSON object", AT(json) },
    { CLI_END, 0, NULL, NULL, NULL, 0 }
};

static const cli_page page = {
    "send", "[OPTION...] [TO...]",
    "Composes one message, sends it, and says what became of every recipient.",
    options,
    "  echo 'The build is done.' | letterwing send -f ci@example.com \\\n"
    "      -s 'Build 42' --via smtp://mail.example.com ann@example.com\n"
    "  letterwing send --via smtps://ann@smtp.example.com \\\n"
    "      --password-from file:$HOME/.mailpass -f ann@example.com \\\n"
    "      -t bob@example.org -s Report --html @report.html -a q3.pdf -v\n"
    "  letterwing send --message saved.eml --via lmtp+unix:///run/dovecot/lmtp \\\n"
    "      bob@example.org\n"
    "  letterwing send --message saved.eml --resent-from mary@example.net \\\n"
    "      --via smtp://mail.example.com jane@example.org\n"
};

static int
fill_wishes(const cli_send_args *a, lw_send_opts *o)
{
    if (a->dsn != NULL && !cli_parse_dsn(a->dsn, &o->notify))
        return cli_error(EX_USAGE, "send: --dsn \"%s\" is not never, or some of success, "
                                   "failure, delay", a->dsn);
    if (a->ret != NULL && !cli_parse_ret(a->ret, &o->ret))
        return cli_error(EX_USAGE, "send: --ret \"%s\" is neither full nor hdrs", a->ret);
    o->envid = a->envid;
    o->require_tls = a->require_tls;
    o->no_pipelining = a->no_pipelining;
    return cli_check_word("envid", a->envid);
}

/* the message borrows the signer, which borrows its keys */
static int
sign_with(cli_send_args *a, lw_message *m)
{
    lw_dkim_opts o;
    int rc;

    if (a->dkim.n == 0)
        return CLI_GO_ON;
    lw_dkim_opts_init(&o);
    if ((rc = cli_signer_open(&a->signer, "send", &a->dkim, &o)) == CLI_GO_ON)
        (void) lw_message_dkim(m, a->signer.signer); /* fails for no message only */
    return rc;
}

static lw_code
write_stdout(void *ctx, const char *p, size_t n)
{
    return fwrite(p, 1, n, stdout) == n ? LW_OK : LW_EOUTPUT;
}

static int
dry_run(const cli_send_args *a, lw_message *m)
{
    lw_error err = { .code = LW_OK };
    lw_code rc = lw_message_write(m, write_stdout, NULL, &err);

    if (rc == LW_OK || rc == LW_EOUTPUT)
        return EX_OK; /* cli_finish() tells what is wrong with the output */
    return cli_tell_failure(a, lw_exit_code(&err), &err);
}

/* what it looks like to receivers, before it is sent or printed */
static int
check_message(const cli_send_args *a, lw_message *m)
{
    lw_error err = { .code = LW_ENOMEM, .text = "out of memory" };

    if (!a->lint || cli_lint_message(m, &err) >= 0)
        return CLI_GO_ON;
    return cli_tell_failure(a, lw_exit_code(&err), &err);
}

static int
send_it(cli_send_args *a, lw_message *m)
{
    lw_report *r = NULL;
    lw_send_opts o;
    lw_error err = { .code = LW_ENOMEM, .text = "out of memory" };
    int rc;

    lw_send_opts_init(&o);
    if ((rc = fill_wishes(a, &o)) != CLI_GO_ON ||
        (rc = cli_servers("send", &a->via, &o)) != CLI_GO_ON)
        return rc;
    if ((rc = cli_connection_open(&a->connection, a->via.items[0], &o)) == CLI_GO_ON) {
        (void) lw_send_with(&o, m, &r); /* the report tells */
        rc = r != NULL ? cli_tell_outcome(a, r) : cli_tell_failure(a, EX_OSERR, &err);
    }
    lw_report_free(r);
    return cli_connection_close(&a->connection, rc);
}

static int
check_output(const cli_send_args *a)
{
    const char *path = a->connection.transcript_path;

    if (a->json && a->dry_run)
        return cli_error(EX_USAGE, "send: --dry-run prints the message, --json the outcome: "
                                   "choose one");
    if (a->json && path != NULL && strcmp(path, "-") == 0)
        return cli_error(EX_USAGE, "send: --json and --transcript - both want standard "
                                   "output: give the transcript a file");
    return CLI_GO_ON;
}

int
cli_send(int argc, char **argv)
{
    cli_send_args a = { .from = NULL };
    lw_message *m = NULL;
    int rc = cli_parse(&page, argc, argv, &a, &a.to);

    if (rc != CLI_GO_ON || (rc = check_output(&a)) != CLI_GO_ON)
        goto out;
    if ((m = lw_message_new()) == NULL) {
        rc = cli_error(EX_OSERR, "out of memory");
        goto out;
    }
    if ((rc = cli_compose(&a, m)) != CLI_GO_ON || (rc = cli_protect(&a, m)) != CLI_GO_ON
        || (rc = sign_with(&a, m)) != CLI_GO_ON || (rc = check_message(&a, m)) != CLI_GO_ON)
        goto out;
    rc = a.dry_run ? dry_run(&a, m) : send_it(&a, m);
out:
    lw_message_free(m);
    cli_signer_close(&a.signer);
    lw_secure_free(a.secure);
    free(a.text_value);
    free(a.html_value);
    free(a.amp_value);
    free(a.calendar_value);
    free(a.markdown_value);
    free(a.raw);
    cli_release(&page, &a);
    return rc;
}
