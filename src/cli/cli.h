/* SPDX-License-Identifier: MIT */
/*
 * cli/cli.h - what the commands share
 *
 * The command line stands on the installed headers only.  main.c is a table of commands; each
 * command is one file with a page: its options as a table that parses, prints help and feeds
 * completions.  Shared parts: options.c, help.c, say.c (sentences for people, made safe for a
 * terminal), json_out.c, input.c (files and standard input), password.c, transcript.c,
 * connection.c (the options of every command that connects).
 */
#ifndef LW_CLI_CLI_H
#define LW_CLI_CLI_H

#include <letterwing/letterwing.h>

#include <jansson.h>
#include <stdio.h>
#include <sysexits.h>

#define CLI_COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define CLI_GO_ON (-1) /* no exit code: continue */

/* ---- commands and their options ----------------------------------------------------------- */

typedef enum cli_kind {
    CLI_HEADING, /* only help: a title above the options that follow                       */
    CLI_FLAG,    /* bool                                                                   */
    CLI_COUNT,   /* int: how often it was given                                            */
    CLI_TEXT,    /* const char *: the last one counts                                      */
    CLI_MAYBE,   /* const char *: --name, or --name=value; "" without one                  */
    CLI_SECRET,  /* char *: copied, and overwritten in the process list                    */
    CLI_LIST,    /* cli_list: all of them                                                  */
    CLI_URLS,    /* cli_list: all of them; passwords are overwritten in the process list   */
    CLI_NUMBER,  /* uint64_t: 1 or more                                                    */
    CLI_MAYBE_NUMBER, /* the same, 1 where no =N follows                                    */
    CLI_SECONDS, /* uint64_t: milliseconds, given as seconds, 0.001 or more                */
    CLI_END
} cli_kind;

typedef struct cli_option {
    cli_kind kind;
    char letter;      /* 0 = none */
    const char *name;
    const char *arg;  /* as help shows it; NULL for flags */
    const char *help; /* '\n' breaks lines */
    size_t offset;    /* into the command's struct */
} cli_option;

typedef struct cli_list {
    const char **items;
    size_t n;
} cli_list;

typedef struct cli_page {
    const char *name;
    const char *usage;  /* after "letterwing NAME" */
    const char *about;
    const cli_option *options;
    const char *examples;
} cli_page;

typedef struct cli_command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; gives the exit code */
    const char *summary;
} cli_command;

int cli_send(int argc, char **argv);
int cli_probe(int argc, char **argv);
int cli_talk(int argc, char **argv);
int cli_sink(int argc, char **argv);
int cli_dkim(int argc, char **argv);
int cli_sendmail(int argc, char **argv);
int cli_bounce(int argc, char **argv);
int cli_lint(int argc, char **argv);
int cli_bulk(int argc, char **argv);

/** cli_parse - fill the command's struct; positional gets what is no option.  CLI_GO_ON, or the
 *  exit code: EX_OK after --help, EX_USAGE after a sentence */
int cli_parse(const cli_page *page, int argc, char **argv, void *target, cli_list *positional);
/** cli_release - free what cli_parse allocated; passwords are wiped */
void cli_release(const cli_page *page, void *target);
void cli_list_add(cli_list *l, const char *item);
void cli_list_free(cli_list *l);
/** cli_copy - strdup() that ends the command when memory is out */
char *cli_copy(const char *s);
/** cli_one_url - the only positional argument, or $LETTERWING_URL, as a copy to be ended with
 *  cli_wipe(); CLI_GO_ON or an exit code after a sentence.  Frees the list. */
int cli_one_url(const cli_page *page, cli_list *positional, char **url);
/** cli_hide_url_password - a copy of url; its password in the original memory is overwritten */
char *cli_hide_url_password(char *url);
/** cli_url_has_user - a user stands in the URL, and whether a password does; url may be NULL */
bool cli_url_has_user(const char *url, bool *has_password);
/** cli_is - the n octets at s are this word, ASCII letters of either case */
bool cli_is(const char *s, size_t n, const char *word);
/** cli_check_word - a value that goes into a command must hold no control characters (NULL is
 *  fine); CLI_GO_ON or EX_USAGE */
int cli_check_word(const char *option, const char *value);
/** cli_parse_dsn - "success,failure" -> LW_NOTIFY_* bits; false if a word is unknown or never is
 *  not alone */
bool cli_parse_dsn(const char *s, unsigned *bits);
/** cli_parse_ret - "full" or "hdrs"; false for another word */
bool cli_parse_ret(const char *s, lw_ret *ret);
/** cli_parse_seconds - "1.5" -> 1500 ms; false if it is no number above 0 */
bool cli_parse_seconds(const char *s, uint64_t *ms);
/** cli_nearest - the candidate that word was probably meant to be, NULL = none is near */
const char *cli_nearest(const char *word, const char *const *candidates, size_t n);

void cli_help_page(const cli_page *page);
void cli_help_all(const cli_command *commands, size_t n);

/* ---- what people read ------------------------------------------------------------------------ */

/** cli_error - one sentence on standard error, made safe for a terminal; returns code */
int cli_error(int code, const char *fmt, ...) LW_PRINTF(2, 3);
/** cli_print - formatted text on f, made safe for a terminal but for '\n' */
void cli_print(FILE *f, const char *fmt, ...) LW_PRINTF(2, 3);
/** cli_print_span - octets on f, made safe, without a line end */
void cli_print_span(FILE *f, lw_span text);
/** cli_is_shown_whole - cli_print_span has nothing to replace in it */
bool cli_is_shown_whole(lw_span text);
/** cli_finish - flush standard output; code, or EX_IOERR (after a sentence) if that fails */
int cli_finish(int code);
/** cli_reply_status - "250 2.0.0 ", or "" without a code */
void cli_reply_status(char *dst, size_t cap, int code, lw_enhanced enhanced);
/** cli_time - "2026-11-24T00:12:33.123Z" */
void cli_time(char *dst, size_t cap, int64_t unix_ms);

/* ---- JSON ---------------------------------------------------------------------------------------- */

/** cli_json_text - a string, also of broken UTF-8; null for NULL */
json_t *cli_json_text(const char *text);
json_t *cli_json_span(lw_span text);
json_t *cli_json_enhanced(lw_enhanced e);
json_t *cli_json_error(const lw_error *err); /* null for LW_OK */
json_t *cli_json_tls(const lw_tls_facts *tls, bool with_chain);
/** cli_json_write - one object and a line end on f; frees it.  False if f failed. */
bool cli_json_write(FILE *f, json_t *object);

/* ---- input ----------------------------------------------------------------------------------------- */

#define CLI_INPUT_MAX ((size_t) 1 << 30)
/** cli_no_input - a file, or standard input ("-"), cannot be read; EX_NOINPUT after a sentence that
 *  begins with what (NULL = nothing).  A key, a certificate, a configuration is none: EX_CONFIG */
int cli_no_input(const char *what, const char *path, int os_err);
/** cli_read_file - a whole file ("-" = standard input), NUL-terminated; CLI_GO_ON or the exit code
 *  after a sentence that begins with what */
int cli_read_file(const char *what, const char *path, char **out, size_t *len);
/** cli_feed_file - the octets of a file ("-" = standard input), piece by piece, until the end or
 *  until feed fails (*rc); CLI_GO_ON, or EX_NOINPUT after a sentence that begins with what */
int cli_feed_file(const char *what, const char *path, lw_code (*feed)(void *, const char *, size_t),
                  void *ctx, lw_code *rc);
/** cli_value - the value of an option that takes S|@FILE|-; text only: NUL is refused */
int cli_value(const char *what, const char *given, const char *charset, char **out);
/** cli_read_text - a text file ("-" = standard input) as UTF-8; charset: NULL = UTF-8, or what a
 *  byte order mark says */
int cli_read_text(const char *what, const char *path, const char *charset, char **out);
/** cli_to_utf8 - what was read, from its character set; without a byte order mark.  On failure *out
 *  is freed and NULL.  path: for the sentence */
int cli_to_utf8(const char *what, const char *path, const char *charset, char **out, size_t *len);

/** cli_password - what --password-from says; *out is to be wiped and freed by the caller */
int cli_password(const char *source, char **out);
/** cli_ask_password - from the terminal, without echo; CLI_GO_ON, or EX_CONFIG if there is none */
int cli_ask_password(const char *user, char **out);
void cli_wipe(char *secret);

/* ---- transcripts -------------------------------------------------------------------------------------- */

typedef struct cli_transcript {
    FILE *file;        /* NULL = none */
    const char *path;
    bool is_jsonl, is_safe; /* is_safe: for a terminal */
    bool on_stderr;    /* -v */
    int failed;        /* errno of the first failure */
} cli_transcript;

/** cli_transcript_open - opens the file and writes its first line, so that a full disk is met
 *  before anything is sent */
int cli_transcript_open(cli_transcript *t, const char *path, int verbose);
void cli_transcript_line(void *t, const lw_transcript_line *line);
/** cli_transcript_close - code, or EX_IOERR after a sentence if the file is not complete and code
 *  was EX_OK */
int cli_transcript_close(cli_transcript *t, int code);

/* ---- options of every command that connects -------------------------------------------------------------- */

typedef struct cli_connection {
    const char *user, *password_from, *auth, *ca, *cert, *key, *pin, *ehlo, *transcript_path;
    uint64_t timeout_ms;
    int verbose;
    bool is_unattended; /* nobody is asked for a password */
    char *password;
    cli_transcript transcript;
    lw_cancel *cancel;
} cli_connection;

#define CLI_CONNECTION_OPTIONS(T, m)                                                        \
    { CLI_HEADING, 0, NULL, NULL, "Login and TLS", 0 },                                     \
    { CLI_TEXT, 0, "user", "U", "login name (else the URL's)", offsetof(T, m.user) },       \
    { CLI_TEXT, 0, "password-from", "WHERE",                                                \
      "env:NAME, file:PATH, cmd:COMMAND or fd:N", offsetof(T, m.password_from) },           \
    { CLI_TEXT, 0, "auth", "MECH[,MECH]", "use only these login mechanisms",                \
      offsetof(T, m.auth) },                                                                \
    { CLI_TEXT, 0, "ca", "FILE", "trust these certificates, not the system's",        \
      offsetof(T, m.ca) },                                                                  \
    { CLI_TEXT, 0, "cert", "FILE", "client certificate, PEM", offsetof(T, m.cert) },        \
    { CLI_TEXT, 0, "key", "FILE", "its key, PEM", offsetof(T, m.key) },                     \
    { CLI_TEXT, 0, "tls-pin", "sha256:X", "what the server's public key must hash to",  \
      offsetof(T, m.pin) },                                                                 \
    { CLI_HEADING, 0, NULL, NULL, "Session", 0 },                                           \
    { CLI_SECONDS, 0, "timeout", "S", "give up after so many seconds in all",               \
      offsetof(T, m.timeout_ms) },                                                          \
    { CLI_TEXT, 0, "ehlo", "NAME", "the name to greet with", offsetof(T, m.ehlo) },         \
    { CLI_TEXT, 0, "transcript", "FILE|-",                                                  \
      "write the dialogue there, secrets hidden; as JSON\nlines where the name ends in .jsonl",                  \
      offsetof(T, m.transcript_path) },                                                     \
    { CLI_COUNT, 'v', "verbose", NULL, "show the dialogue; twice: message octets too",      \
      offsetof(T, m.verbose) }

/** cli_connection_open - check, read the password, open the transcript, fill o (which borrows from
 *  c); SIGINT cancels from now on.  CLI_GO_ON or an exit code */
int cli_connection_open(cli_connection *c, const char *url, lw_send_opts *o);
/** cli_servers - --via, or else $LETTERWING_URL, for o; CLI_GO_ON or cli_no_server */
int cli_servers(const char *command, cli_list *via, lw_send_opts *o);
/** cli_no_server - none is named, neither on the command line nor where it is configured: EX_CONFIG
 *  after a sentence that ends with how to name one.  Where the URL is an argument (cli_one_url) its
 *  absence is wrong usage */
int cli_no_server(const char *command, const char *how);
/** cli_connection_close - wipe, close; code as from cli_transcript_close */
int cli_connection_close(cli_connection *c, int code);

#endif
