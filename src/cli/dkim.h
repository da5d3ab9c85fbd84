/* SPDX-License-Identifier: MIT */
/* cli/dkim.h - what the dkim actions and send share: keys by DOMAIN:SELECTOR:FILE */
#ifndef LW_CLI_DKIM_H
#define LW_CLI_DKIM_H

#include "cli/cli.h"

/** DOMAIN:SELECTOR:FILE, taken apart; domain is NULL where only FILE was given. */
typedef struct cli_key_name {
    char *domain, *selector;
    const char *file;
} cli_key_name;

/** cli_key_name_parse - spec stays the caller's; deinit frees.  needs_domain: FILE alone is an
 *  error.  CLI_GO_ON or EX_USAGE */
int cli_key_name_parse(cli_key_name *k, const char *command, const char *spec, bool needs_domain);
void cli_key_name_deinit(cli_key_name *k);
/** cli_key_open - the key in a file; advice on it goes to standard error.  CLI_GO_ON or EX_CONFIG */
int cli_key_open(const char *command, const char *path, lw_dkim_key **key);

/** cli_dkim_why - the sentence of e, without the "dkim: " that the name of a dkim action has too */
const char *cli_dkim_why(const char *command, const lw_error *e);

/** A signer and the keys it borrows. */
typedef struct cli_signer {
    lw_dkim_signer *signer;
    lw_dkim_key *keys[LW_DKIM_SIGNATURES_MAX];
    size_t n;
} cli_signer;

/** cli_signer_open - one signature for each DOMAIN:SELECTOR:FILE; base has what they share.
 *  Close it in either case.  CLI_GO_ON or an exit code after a sentence */
int cli_signer_open(cli_signer *s, const char *command, const cli_list *specs,
                    const lw_dkim_opts *base);
void cli_signer_close(cli_signer *s);

/** cli_dkim_message - a whole message from a file or standard input, line ends as CRLF; to be
 *  freed.  CLI_GO_ON or an exit code after a sentence */
int cli_dkim_message(const char *command, const char *path, char **out, size_t *len);

int cli_dkim_keygen(int argc, char **argv);
int cli_dkim_record(int argc, char **argv);
int cli_dkim_sign(int argc, char **argv);
int cli_dkim_verify(int argc, char **argv);

#endif
