/* SPDX-License-Identifier: MIT */
/*
 * cli/sendmail.h - inside the sendmail command
 *
 * sendmail_args.c reads the arguments, sendmail_conf.c the configuration file,
 * sendmail_who.c knows this machine's user and domain, sendmail_take.c turns what comes in into
 * a complete message, sendmail_spool.c keeps it, sendmail_smtp.c speaks SMTP (-bs), sendmail.c
 * does the rest.
 */
#ifndef LW_CLI_SENDMAIL_H
#define LW_CLI_SENDMAIL_H

#include "cli/cli.h"

/* ---- arguments ------------------------------------------------------------------------------- */

typedef enum sendmail_mode {
    SENDMAIL_DELIVER, /* -bm: a message on standard input */
    SENDMAIL_SMTP,    /* -bs */
    SENDMAIL_QUEUE,   /* -bp */
    SENDMAIL_IDLE     /* -q, -bi: nothing to do */
} sendmail_mode;

typedef struct sendmail_args {
    sendmail_mode mode;
    bool from_header;       /* -t: recipients of the header too */
    bool ignores_dots;      /* -i */
    const char *via;        /* --via; NULL = not given */
    const char *sender;     /* -f, -r; "" = null; NULL = not given */
    const char *full_name;  /* -F */
    const char *envid;
    unsigned notify;
    lw_ret ret;
    int verbose;
    cli_list recipients;    /* as given */
} sendmail_args;

/** sendmail_parse - CLI_GO_ON, or the exit code: EX_OK after --help, EX_USAGE after a sentence */
int sendmail_parse(int argc, char **argv, sendmail_args *a);

/* ---- configuration ------------------------------------------------------------------------------ */

typedef struct sendmail_conf {
    char *server, *user, *password_from, *auth, *ca, *cert, *key, *tls_pin, *ehlo, *timeout;
    char *from, *from_domain, *local_to, *exit_later;
    int later_code;         /* exit code instead of 75 */
    uint64_t timeout_ms;
} sendmail_conf;

/** sendmail_conf_read - the user's file if there is one, else the system's, if there is one;
 *  CLI_GO_ON or an exit code after a sentence */
int sendmail_conf_read(sendmail_conf *c);
void sendmail_conf_free(sendmail_conf *c);

/* ---- who and where we are ------------------------------------------------------------------------ */

typedef struct sendmail_who {
    char domain[256];       /* what bare names get                                      */
    char host[256];         /* what -bs calls itself                                    */
    char *login;            /* login@domain                                             */
    char *name;             /* the user's full name, NULL = not known                   */
} sendmail_who;

void sendmail_who_init(sendmail_who *w, const sendmail_conf *c);
void sendmail_who_deinit(sendmail_who *w);

/* ---- taking a message ------------------------------------------------------------------------------ */

/** The complete message: in memory while it is small, then in a file without a name. */
typedef struct sendmail_spool {
    char *mem;
    size_t len;
    int fd;                 /* -1 = all of it is in mem */
} sendmail_spool;

void sendmail_spool_init(sendmail_spool *s);
void sendmail_spool_deinit(sendmail_spool *s);
/** sendmail_spool_add, sendmail_spool_end - CLI_GO_ON or an exit code after a sentence */
int sendmail_spool_add(sendmail_spool *s, lw_span octets);
int sendmail_spool_end(sendmail_spool *s);

/** The line of the body under way; all zero at first. */
typedef struct sendmail_lines {
    char line[1000];
    size_t len;
} sendmail_lines;

/** sendmail_lines_add, sendmail_lines_end - the body into the spool, lines that are too long
 *  broken; CLI_GO_ON or an exit code after a sentence */
int sendmail_lines_add(sendmail_lines *l, sendmail_spool *spool, lw_span octets);
int sendmail_lines_end(sendmail_lines *l, sendmail_spool *spool);

typedef struct sendmail_take sendmail_take;

typedef struct sendmail_take_opts {
    const sendmail_who *who;
    const char *sender;     /* mailbox or address for a missing From; NULL or "" = login   */
    const char *full_name;  /* for a missing From; NULL = the user's                       */
} sendmail_take_opts;

/** sendmail_take_new - ready for the first octet; never NULL */
sendmail_take *sendmail_take_new(const sendmail_take_opts *o);
void sendmail_take_free(sendmail_take *t);
/** sendmail_take_feed - octets of the message in any split; CLI_GO_ON or an exit code after a
 *  sentence */
int sendmail_take_feed(sendmail_take *t, lw_span octets);
/** sendmail_take_end - no more octets: the spool is complete */
int sendmail_take_end(sendmail_take *t);
/** sendmail_take_message - m sends what was taken, which must live as long as m */
void sendmail_take_message(const sendmail_take *t, lw_message *m);
/** sendmail_take_recipients - what To, Cc and Bcc say (of the Resent- fields if there are any),
 *  unfolded */
const cli_list *sendmail_take_recipients(const sendmail_take *t);
/** sendmail_take_sender - what Sender or From say, the Resent- ones first; NULL = nothing */
const char *sendmail_take_sender(const sendmail_take *t);

/* ---- sending ------------------------------------------------------------------------------------------ */

/** What is needed to send, whatever the message. */
typedef struct sendmail_run {
    sendmail_args args;
    sendmail_conf conf;
    sendmail_who who;
    cli_connection connection;
    const char *server;
    lw_send_opts opts;
} sendmail_run;

/** sendmail_add_recipients - the members of one list, bare names completed or, with local-to,
 *  replaced; gives how many there are.  The message keeps a failure. */
size_t sendmail_add_recipients(const sendmail_run *r, lw_message *m, const char *list);
/** sendmail_set_sender - the reverse-path, an address or a mailbox with a name; "" = null */
void sendmail_set_sender(const sendmail_run *r, lw_message *m, const char *sender);
/** sendmail_smtp - -bs on standard input and output; gives the exit code */
int sendmail_smtp(sendmail_run *r);

#endif
