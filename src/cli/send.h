/* SPDX-License-Identifier: MIT */
/* cli/send.h - inside the send command: its arguments, composing, telling the outcome */
#ifndef LW_CLI_SEND_H
#define LW_CLI_SEND_H

#include "cli/cli.h"
#include "cli/dkim.h"

typedef struct cli_send_args {
    cli_list via, to, cc, bcc, reply_to, attach, inlined, headers, dkim;
    cli_list smime_certs;
    const char *smime_sign, *smime_cipher, *pgp_sign;
    bool smime_encrypt, pgp_encrypt;
    const char *from, *subject, *text, *html, *message;
    const char *envelope_from, *dsn, *ret, *envid;
    cli_list set_headers, remove_headers, unsubscribe;
    const char *resent_from, *resent_sender;
    const char *sender, *in_reply_to, *references, *priority, *auto_submitted, *list_id;
    const char *feedback_id, *calendar, *amp, *markdown, *charset;
    bool no_text, flowed, only_7bit;
    bool require_tls, no_pipelining, lint, dry_run, quiet, json;
    cli_connection connection;
    /* what the options were turned into; borrowed by the message */
    char *text_value, *html_value, *amp_value, *calendar_value, *markdown_value, *raw;
    size_t raw_len;
    cli_signer signer;
    lw_secure *secure;
} cli_send_args;

/** cli_compose - the message of these arguments; CLI_GO_ON or an exit code after a sentence */
int cli_compose(cli_send_args *a, lw_message *m);
/** cli_protect - S/MIME or OpenPGP, where asked for; CLI_GO_ON or an exit code after a sentence */
int cli_protect(cli_send_args *a, lw_message *m);
/** cli_lint_message - errors and warnings of the message as it would be sent, on standard error;
 *  LW_OK, LW_EMESSAGE (there are errors), or why it cannot be composed */
lw_code cli_lint_message(lw_message *m, lw_error *err);
/** cli_tell_outcome - print the report as text or JSON; gives the exit code */
int cli_tell_outcome(const cli_send_args *a, const lw_report *r);
/** cli_tell_failure - a failure before there was a report; gives code */
int cli_tell_failure(const cli_send_args *a, int code, const lw_error *err);

#endif
