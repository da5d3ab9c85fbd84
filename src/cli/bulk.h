/* SPDX-License-Identifier: MIT */
/*
 * cli/bulk.h - inside the bulk command
 *
 *   bulk.c       options, help, what is made of them
 *   bulk_eml.c   a ready message as a template
 *   bulk_list.c  the list: CSV or JSON lines, from a file or standard input
 *   bulk_out.c   what is written to files: failures, samples, the report
 *   bulk_run.c   the run: pool, campaign, Ctrl-C
 *   bulk_show.c  what is shown: progress, the summary, JSON
 */
#ifndef LW_CLI_BULK_H
#define LW_CLI_BULK_H

#include "cli/cli.h"
#include "cli/dkim.h"

#include <letterwing/bulk.h>

#define CLI_BULK_RETRIES 8

typedef struct cli_bulk_args {
    cli_list via, headers, attach, dkim;
    const char *from, *reply_to, *subject, *text, *html, *template_file, *to_name;
    const char *list, *to_field, *delimiter, *format;
    const char *envelope_from, *unsubscribe;
    bool verp;
    uint64_t connections, window, limit, dry_run, sample;
    const char *rate, *rate_per_domain, *retry, *save;
    const char *journal, *failures, *report;
    bool resend_uncertain, keep_duplicates, strict, json, quiet, no_pipelining;
    cli_connection connection;
} cli_bulk_args;

/* ---- the template ---------------------------------------------------------------------------- */

typedef struct cli_part {
    char *data, *name, *type, *cid;
    size_t len;
    bool is_inline;
} cli_part;

/** What a ready message is made of; also the values of --text and --html. */
typedef struct cli_letter {
    char *from, *to_name, *reply_to, *subject, *text, *html;
    cli_list headers;      /* owned texts */
    cli_part *parts;       /* attachments */
    size_t n_parts;
} cli_letter;

/** cli_letter_read - take FILE.eml apart; CLI_GO_ON or an exit code after a sentence */
int cli_letter_read(cli_letter *l, const char *path);
void cli_letter_free(cli_letter *l);
/** cli_letter_attach - for lw_mailing_opts.decorate */
lw_code cli_letter_attach(void *letter, lw_message *m);
/** cli_letter_identity - of the parts that it attaches */
void cli_letter_identity(const cli_letter *l, unsigned char out[16]);

/* ---- the list ---------------------------------------------------------------------------------- */

typedef struct cli_rows cli_rows;
/** cli_rows_open - a file is read once before, to know its rows and its identity; CLI_GO_ON or an
 *  exit code after a sentence */
int cli_rows_open(cli_rows **out, const cli_bulk_args *a);
lw_rows cli_rows_rows(cli_rows *r);
/** cli_rows_may_pause - from now on a pipe or terminal that has nothing now gives LW_AGAIN */
void cli_rows_may_pause(cli_rows *r);
/** cli_rows_total - 0 = not known, it is a pipe */
uint64_t cli_rows_total(const cli_rows *r);
void cli_rows_identity(const cli_rows *r, unsigned char out[16]);
void cli_rows_close(cli_rows *r);

/* ---- files ----------------------------------------------------------------------------------------- */

/** Files that rows are written to; any of them may be NULL. */
typedef struct cli_bulk_files {
    FILE *failures, *report;
    const char *failures_path, *report_path;
    bool goes_on;          /* there is a journal with rows, and failures of its earlier runs */
    bool is_new_report;    /* made by this run, and nothing is in it yet */
    bool has_report;       /* the page of an earlier run stands there */
    int failures_err, report_err; /* the first errno of what could not be written */
} cli_bulk_files;

/** cli_bulk_files_open - before anything is sent; CLI_GO_ON or EX_CANTCREAT */
int cli_bulk_files_open(cli_bulk_files *f, const cli_bulk_args *a);
/** cli_bulk_failures_go_on - once the journal was taken: what earlier runs wrote, as far as this
 *  one does not tell it again; CLI_GO_ON or an exit code after a sentence */
int cli_bulk_failures_go_on(cli_bulk_files *f);
/** cli_bulk_are_failures - the first columns are those of a failures file */
bool cli_bulk_are_failures(lw_rows rows);
/** cli_bulk_cell - a cell of such a file, without the ' that it may have for spreadsheets */
lw_span cli_bulk_cell(lw_span cell);
/** cli_bulk_failure - one line of the failures file */
void cli_bulk_failure(cli_bulk_files *f, const lw_row_event *ev);
void cli_bulk_report(cli_bulk_files *f, const lw_tally *t, const lw_tally_about *about);
/** cli_bulk_files_close - code, or EX_IOERR after a sentence; 75 stays: the same command goes on */
int cli_bulk_files_close(cli_bulk_files *f, int code);
/** cli_bulk_dry_run - compose every row, print or save some, send nothing; an exit code */
int cli_bulk_dry_run(const cli_bulk_args *a, cli_rows *rows, lw_mailing *mailing);

/* ---- the run ------------------------------------------------------------------------------------------ */

/** Answers up to a moment. */
typedef struct cli_bulk_point {
    double seconds;
    uint64_t answers;
} cli_bulk_point;

/** How a run stands, for those who show it. */
typedef struct cli_bulk_state {
    const cli_bulk_args *args;
    lw_campaign_counts counts;
    uint64_t total;        /* 0 = not known                                        */
    double seconds;
    lw_tally *tally;
    int stops;             /* how often Ctrl-C was pressed                         */
    lw_error error;        /* why it ended early; code LW_OK = it did not          */
    double shown_at;       /* seconds; of the last progress line                   */
    bool has_line;         /* a progress line stands on the terminal               */
    bool in_trouble;       /* nothing can be sent, and that was said               */
    char trouble[LW_ERROR_TEXT_MAX]; /* why                                        */
    uint64_t next_try_ms;  /* in trouble: until it is tried again; 0 = it is being tried */
    double shown_try_at;   /* seconds; of the last line that said when             */
    cli_bulk_point older, newer; /* what the rate is taken from                    */
} cli_bulk_state;

int cli_bulk_run(const cli_bulk_args *a, cli_rows *rows, lw_mailing *mailing, lw_send_opts *send,
                 lw_cancel *cancel);
/** cli_bulk_rate - "20/s", "600/min", "1000/h"; false if it is none */
bool cli_bulk_rate(const char *text, double *per_second);

/* ---- what is shown --------------------------------------------------------------------------------------- */

void cli_bulk_progress(cli_bulk_state *s, bool is_last);
/** cli_bulk_say - a line of its own on standard error, below the progress line */
void cli_bulk_say(cli_bulk_state *s, const char *text);
/** cli_bulk_trouble - say it when rows come back unsent, once until something is answered;
 *  meanwhile progress is what keeps it and when the next try is */
void cli_bulk_trouble(cli_bulk_state *s, const lw_row_event *ev);
/** cli_bulk_unsent - rows that were never offered, or came back so */
uint64_t cli_bulk_unsent(const cli_bulk_state *s);
/** cli_bulk_is_idle - no row was offered: earlier runs had done what can be done */
bool cli_bulk_is_idle(const cli_bulk_state *s);
/** cli_bulk_note - how it ended, one sentence */
void cli_bulk_note(const cli_bulk_state *s, char *dst, size_t cap);
/** cli_bulk_summary - text or JSON; gives the exit code */
int cli_bulk_summary(cli_bulk_state *s);

#endif
