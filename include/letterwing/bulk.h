/* SPDX-License-Identifier: MIT */
/*
 * letterwing/bulk.h - many messages from one template and a list
 *
 * Templates in a subset of Mustache, rows from CSV (or from wherever a program has them), a
 * message for each row, and a campaign that sends them through a pool and keeps a journal, so
 * that it can be killed and run again.  Objects of this header are used by one thread at a
 * time; there is no global state.
 *
 * Sources: RFC 4180 (CSV); the Mustache specification, https://github.com/mustache/spec
 * (interpolation, sections, inverted, comments).
 */
#ifndef LETTERWING_BULK_H
#define LETTERWING_BULK_H

#include <letterwing/base.h>
#include <letterwing/message.h>
#include <letterwing/pool.h>

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- templates -------------------------------------------------------------------------- */

/** What {{x}} does to a value; {{{x}}} and {{&x}} leave it as it is. */
typedef enum lw_template_escape {
    LW_TEMPLATE_TEXT,  /* nothing                                                            */
    LW_TEMPLATE_HTML,  /* & < > " ' become entities                                          */
    LW_TEMPLATE_URL    /* all octets but unreserved ones (RFC 3986 2.3) become %XX           */
} lw_template_escape;

typedef struct lw_template_opts {
    size_t size;               /* set by lw_template_opts_init()                             */
    const lw_alloc *alloc;     /* NULL = malloc; copied                                      */
    const char *name;          /* for sentences: "letter.html"; NULL = "template"; copied    */
    lw_template_escape escape;
    size_t max_bytes;          /* of the text that is made; 0 = 16 MiB; more: LW_ELIMIT      */
} lw_template_opts;

/** lw_template_opts_init - set all options to their defaults */
static inline void lw_template_opts_init(lw_template_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
}

#define LW_TEMPLATE_DEPTH 32   /* sections inside sections          */
#define LW_TEMPLATE_FIELDS 256 /* different names in one template   */
#define LW_TEMPLATE_NAME 128   /* octets of a name                  */

/** A field that a template uses. */
typedef struct lw_template_field {
    const char *name;      /* owned by the template                                          */
    unsigned line, column; /* where it stands first, from 1; columns count characters        */
    bool is_required;      /* written somewhere outside a section of the same name: a row
                              where it is empty cannot be rendered                           */
} lw_template_field;

typedef struct lw_template lw_template;

/**
 * lw_template_new - compile a template
 *
 * {{x}} is the value of field x, escaped; {{{x}}} and {{&x}} as it is; {{#x}}...{{/x}} stands
 * if x is not empty, {{^x}}...{{/x}} if it is; {{.}} is the value of the section around it;
 * {{! ...}} is a comment.  A section, inverted section or comment alone on its line takes the
 * line with it.  Names may hold spaces ("First name") and dots.  Partials and other delimiters
 * are refused.
 *
 * @text  UTF-8 or not: octets outside of tags are copied; borrowed for this call
 *
 * LW_OK; LW_EMESSAGE: malformed, the error says line and column; LW_ELIMIT: too deep or too
 * many names; LW_ENOMEM.  End it with lw_template_free().
 */
LW_API LW_MUST_USE lw_code lw_template_new(const lw_template_opts *opts, lw_span text,
                                           lw_template **out, lw_error *err);
LW_API void lw_template_free(lw_template *t);

/** lw_template_n_fields, _field - the fields used, in the order of their first use */
LW_API size_t lw_template_n_fields(const lw_template *t);
LW_API const lw_template_field *lw_template_field_at(const lw_template *t, size_t i);

/**
 * lw_template_bind - say which column of a row each field is
 *
 * @names, @n  the columns in order; a name that occurs twice means the first of them
 *
 * LW_OK; LW_EMESSAGE: a field is no column; the error says where it stands and which columns
 * there are.  Binding again replaces the columns.
 */
LW_API LW_MUST_USE lw_code lw_template_bind(lw_template *t, const char *const *names, size_t n,
                                            lw_error *err);

/**
 * lw_template_render - the text for one row
 *
 * @values, @n  the values in the order of the columns; a value of length 0 is empty, and so are
 *              those behind n
 * @out         out: borrowed until the next call on this template
 *
 * LW_OK; LW_EMESSAGE: a required field is empty in this row, the error names it; LW_ELIMIT:
 * longer than max_bytes; LW_EUSAGE: not bound; LW_ENOMEM.
 */
LW_API LW_MUST_USE lw_code lw_template_render(lw_template *t, const lw_span *values, size_t n,
                                              lw_span *out, lw_error *err);

/* ---- rows --------------------------------------------------------------------------------- */

/** One row of a list; borrowed until the next row is asked for. */
typedef struct lw_row {
    uint64_t number;        /* from 1; bad rows count                                        */
    uint64_t line;          /* of the file, from 1: where the row begins; 0 = there are none */
    const lw_span *values;  /* in the order of the columns                                   */
    size_t n;               /* at most as many as there are columns                          */
} lw_row;

/**
 * Rows from wherever they are: lw_csv_rows(), or a program's own (a query, a queue).
 *
 * next: LW_OK: *row; LW_AGAIN: none now, and it is asked again soon: while it waits itself no
 * answer is taken; LW_DONE: no more; LW_EMESSAGE: this row is bad, its number and line are set,
 * err says why, and the next call goes on behind it; anything else ends the list.
 * columns: their names, known before the first row, and the same until the end.
 */
typedef struct lw_rows {
    lw_code (*next)(void *ctx, lw_row *row, lw_error *err);
    const char *const *(*columns)(void *ctx, size_t *n);
    void *ctx;
} lw_rows;

typedef struct lw_csv_opts {
    size_t size;               /* set by lw_csv_opts_init()                                  */
    const lw_alloc *alloc;     /* NULL = malloc; copied                                      */
    /** read: up to cap octets into buf.  LW_OK, *n = 0: the end; LW_AGAIN: none now, and so says
     *  next, which goes on in the row where it was; negative: the list ends with that */
    lw_code (*read)(void *ctx, char *buf, size_t cap, size_t *n, lw_error *err);
    void *ctx;
    const char *name;          /* for sentences: "people.csv"; NULL = "list"; copied         */
    char delimiter;            /* 0 = the one of , ; TAB that occurs in the first line       */
    size_t max_row_bytes;      /* 0 = 1 MiB; a longer row is bad                             */
    size_t max_columns;        /* 0 = 1,000                                                  */
} lw_csv_opts;

/** lw_csv_opts_init - set all options to their defaults */
static inline void lw_csv_opts_init(lw_csv_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
}

typedef struct lw_csv lw_csv;

/**
 * lw_csv_open - read the first line of a CSV list, which names the columns
 *
 * RFC 4180 in UTF-8: lines end with CRLF or LF, the last one may have no end; a byte order mark
 * is skipped; fields in quotes may hold delimiters, line ends, and quotes written twice.  A quote
 * inside a field that does not begin with one stands for itself.  Empty lines are no rows.  Bad
 * rows: too few or too many fields, octets behind a closing quote, no closing quote, NUL, no
 * UTF-8, too long.
 *
 * A read that says LW_AGAIN is asked again until the line is there: better it waits so long.
 *
 * LW_OK; LW_EMESSAGE: no first line, a bad one, a column that is empty or named twice, or more
 * than one possible delimiter; LW_ELIMIT; LW_ENOMEM; LW_EUSAGE; what read returned.
 * End it with lw_csv_close().
 */
LW_API LW_MUST_USE lw_code lw_csv_open(const lw_csv_opts *opts, lw_csv **out, lw_error *err);
/** lw_csv_rows - the rows behind the first line; valid as long as the list is open */
LW_API lw_rows lw_csv_rows(lw_csv *c);
LW_API void lw_csv_close(lw_csv *c);

/* ---- what was read, as a number --------------------------------------------------------------- */

/** A running 128-bit hash (SipHash-2-4): tells lists and templates apart, keeps no secret. */
typedef struct lw_digest {
    uint64_t opaque[8];
} lw_digest;
LW_API void lw_digest_init(lw_digest *d);
LW_API void lw_digest_add(lw_digest *d, const void *p, size_t n);
LW_API void lw_digest_end(lw_digest *d, unsigned char out[16]);

/* ---- addresses that were there already --------------------------------------------------------- */

/** A set of addresses, kept as 64-bit hashes under a key of its own: 11 to 22 octets each (32 for the
 *  moment in which it grows).  A campaign has one of its own. */
typedef struct lw_seen lw_seen;
/** lw_seen_new - an empty set; NULL: no memory, or no randomness for the key */
LW_API lw_seen *lw_seen_new(const lw_alloc *alloc);
LW_API void lw_seen_free(lw_seen *s);
/** lw_seen_has - the address (ASCII case aside) was added before, or, with a chance of n / 2^64 for the
 *  n-th, another one that has the same hash */
LW_API bool lw_seen_has(const lw_seen *s, lw_span address);
/** lw_seen_add - an address; *was_there, which may be NULL: what lw_seen_has() said of it.  LW_OK;
 *  LW_ENOMEM; LW_EUSAGE: NULL */
LW_API LW_MUST_USE lw_code lw_seen_add(lw_seen *s, lw_span address, bool *was_there);

/* ---- a message for each row ------------------------------------------------------------------- */

/**
 * What each row gets.  Texts are templates; NULL = none.  All is borrowed for the call of
 * lw_mailing_new() but dkim and decorate_ctx, which must live as long as the mailing.
 */
typedef struct lw_mailing_opts {
    size_t size;                 /* set by lw_mailing_opts_init()                            */
    const lw_alloc *alloc;       /* NULL = malloc; copied                                    */
    const char *to_field;        /* the column with the address; NULL = "email"              */
    const char *to_name;         /* the recipient's name; a name that comes out empty is none */
    const char *from, *reply_to, *subject, *text;
    const char *html;            /* {{x}} is escaped                                         */
    const char *const *headers;  /* "Name: value", each                                      */
    size_t n_headers;
    const char *const *attach;   /* paths; what comes out empty attaches nothing             */
    size_t n_attach;
    const char *unsubscribe;     /* "https://...": List-Unsubscribe with one click; {{x}} is
                                    percent-encoded                                          */
    const char *envelope_from;   /* one address, no template; NULL = From's                  */
    bool verp;                   /* the row's address goes into it: bounces@example.com
                                    becomes bounces+ann=example.org@example.com              */
    /** whatever else a message needs (attachments in memory, ...); NULL = nothing */
    lw_code (*decorate)(void *ctx, lw_message *m);
    void *decorate_ctx;
    lw_dkim_signer *dkim;        /* signs every message; NULL = none                         */
    unsigned char decoration[16];/* identity of what decorate adds (lw_digest); all zero = none */
} lw_mailing_opts;

/** lw_mailing_opts_init - set all options to their defaults */
static inline void lw_mailing_opts_init(lw_mailing_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
}

typedef struct lw_mailing lw_mailing;

/**
 * lw_mailing_new - compile the templates and check them against the columns
 *
 * @columns, @n  names of the columns, as lw_rows.columns gives them; copied
 *
 * LW_OK; LW_EMESSAGE: a template is malformed, or a field (or to_field) is no column: the error
 * says where; LW_EUSAGE: neither text nor html, or no from; LW_ELIMIT; LW_ENOMEM.
 * End it with lw_mailing_free().
 */
LW_API LW_MUST_USE lw_code lw_mailing_new(const lw_mailing_opts *opts, const char *const *columns,
                                          size_t n, lw_mailing **out, lw_error *err);
LW_API void lw_mailing_free(lw_mailing *m);
/** lw_mailing_identity - a hash of all that shapes messages */
LW_API void lw_mailing_identity(const lw_mailing *m, unsigned char out[16]);
/** lw_mailing_address - the row's address, as it stands in to_field, trimmed; may be empty */
LW_API lw_span lw_mailing_address(const lw_mailing *m, const lw_row *row);
/**
 * lw_mailing_compose - the message for one row
 *
 * @out  out: the caller's; the same row has the same Message-ID each time
 *
 * LW_OK; or why this row cannot be sent: LW_EADDRESS, LW_EMESSAGE, LW_ESOURCE, LW_ELIMIT; LW_ENOMEM.
 */
LW_API LW_MUST_USE lw_code lw_mailing_compose(lw_mailing *m, const lw_row *row, lw_message **out,
                                              lw_error *err);

/* ---- a campaign: rows, messages, a pool, a journal --------------------------------------------- */

/** What became of a row. */
typedef enum lw_fate {
    LW_FATE_SENT,       /* result has its outcome; it will not be tried again in this run     */
    LW_FATE_RETRY,      /* deferred or unsent, and it will be tried again in this run         */
    LW_FATE_BAD,        /* it cannot be sent: error says why                                  */
    LW_FATE_DUPLICATE,  /* its address stands in an earlier row                               */
    LW_FATE_DONE,       /* an earlier run got an answer for it (the journal)                  */
    LW_FATE_UNCERTAIN,  /* an earlier run ended while it was on its way (the journal)         */
    LW_FATE_ENDED       /* RETRY was told of it, and the run ends before: the outcome, code and
                           enhanced code are those of its last attempt                        */
} lw_fate;

/** What is told of a row; all borrowed for the call. */
typedef struct lw_row_event {
    lw_fate fate;
    uint64_t row, line;
    lw_span address;
    lw_outcome outcome;       /* SENT, RETRY; DONE: accepted or rejected                      */
    int code;                 /* of the reply, 0 = none                                       */
    lw_enhanced enhanced;
    const char *text;         /* the reply, or why; never NULL                                */
    unsigned attempt;
    double seconds;           /* SENT, RETRY: from when a connection had it to the answer, in
                                 this attempt; 0 = no connection had it                       */
} lw_row_event;

typedef struct lw_campaign_opts {
    size_t size;              /* set by lw_campaign_opts_init()                               */
    const lw_alloc *alloc;    /* NULL = malloc; copied                                        */
    lw_rows rows;
    lw_mailing *mailing;
    lw_pool *pool;            /* used by this campaign alone; its retry.attempts should be 1:
                                 the campaign tries again itself, so that the journal knows   */
    const char *journal;      /* path; NULL = none                                            */
    unsigned char list[16];   /* identity of the list: lw_digest of its octets; all zero = not
                                 known: then rows are compared one by one with the journal    */
    bool resend_uncertain;    /* send what an earlier run left uncertain: it may arrive twice  */
    bool keep_duplicates;
    bool is_strict;           /* a bad row ends the campaign                                  */
    uint64_t limit;           /* rows to send in this run; 0 = all.  Those that the journal has
                                 as tried, and that have no end, come behind all others       */
    /** Messages handed to the pool and not answered: the window.  When the process is killed,
     *  so many rows at most are uncertain.  0 = 64 */
    uint32_t window;
    const uint64_t *retry_ms; /* pauses before a deferred or unsent row is tried again        */
    size_t n_retries;         /* at most 8                                                    */
    size_t max_retry_bytes;   /* of rows kept for that; 0 = 64 MiB; others are not tried again */
    void (*tell)(void *ctx, const lw_row_event *ev);
    void *ctx;
} lw_campaign_opts;

/** lw_campaign_opts_init - set all options to their defaults */
static inline void lw_campaign_opts_init(lw_campaign_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
}

typedef struct lw_campaign_counts {
    uint64_t rows;             /* read so far                                                 */
    uint64_t accepted, rejected, deferred, unsent, uncertain; /* final in this run             */
    uint64_t bad, duplicates;
    uint64_t done_before;      /* accepted or rejected by earlier runs: all that the journal
                                  knows, also behind the row where this run is            */
    uint64_t uncertain_before; /* by earlier runs, all of them, and not sent again            */
    uint64_t in_flight;        /* handed to the pool, no answer yet                           */
    uint64_t waiting;          /* to be tried again                                           */
    uint64_t next_try_ms;      /* until the first of those is; 0 = none waits, or it is due   */
    uint64_t rejected_before;  /* of done_before                                              */
} lw_campaign_counts;

typedef struct lw_campaign lw_campaign;

/**
 * lw_campaign_new - open the journal, get ready; nothing is sent yet
 *
 * LW_OK; LW_ECONFIG: the journal is another campaign's, or damaged; LW_EBUSY: another process
 * works with it; LW_EOUTPUT: it cannot be written; LW_EUSAGE; LW_ENOMEM.  End it with lw_campaign_free().
 */
LW_API LW_MUST_USE lw_code lw_campaign_new(const lw_campaign_opts *opts, lw_campaign **out,
                                           lw_error *err);
/**
 * lw_campaign_step - go on for a while, at most about timeout_ms
 *
 * LW_OK    there is more to do
 * LW_DONE  everything has been told; after lw_campaign_stop(): what was in flight has
 * negative the campaign cannot go on (the server, the journal, the list); what was in flight has
 *          been told; running again with the same journal continues
 */
LW_API LW_MUST_USE lw_code lw_campaign_step(lw_campaign *c, uint64_t timeout_ms, lw_error *err);
/** lw_campaign_stop - offer no further row; steps go on until what is in flight has its outcome */
LW_API void lw_campaign_stop(lw_campaign *c);
LW_API lw_campaign_counts lw_campaign_count(const lw_campaign *c);
/** lw_campaign_free - writes what the journal still has to get; the result of that */
LW_API lw_code lw_campaign_free(lw_campaign *c, lw_error *err);

/* ---- numbers for people ------------------------------------------------------------------------- */

/** Outcomes, by LW_OUTCOME_*. */
typedef struct lw_tally_counts {
    uint64_t n[LW_OUTCOME_UNCERTAIN + 1];
} lw_tally_counts;

typedef struct lw_tally_domain {
    const char *name;          /* lower case; "(others)" beyond the first 4,096                */
    lw_tally_counts counts;
} lw_tally_domain;

typedef struct lw_tally_refusal {
    int code;
    const char *text;          /* without the recipient's address                            */
    uint64_t n;
} lw_tally_refusal;

/** Sums over the rows of a campaign, in bounded memory (about 1 MiB). */
typedef struct lw_tally lw_tally;
/** lw_tally_new - NULL when out of memory; end it with lw_tally_free() */
LW_API lw_tally *lw_tally_new(const lw_alloc *alloc);
LW_API void lw_tally_free(lw_tally *t);
/** lw_tally_add - what a campaign tells; now_s: seconds since it began */
LW_API void lw_tally_add(lw_tally *t, const lw_row_event *ev, double now_s);
/** lw_tally_domains, lw_tally_refusals - the most frequent first, "(others)" last, at most max;
 *  how many were set, or, where out is NULL, how many there are: at most 4,097 and 257.  Text is
 *  owned by the tally. */
LW_API size_t lw_tally_domains(const lw_tally *t, lw_tally_domain *out, size_t max);
LW_API size_t lw_tally_refusals(const lw_tally *t, lw_tally_refusal *out, size_t max);
/** lw_tally_latency - seconds from when a connection had a message to the answer that so many of
 *  all answered attempts stay below (fraction 0.5: the median), within an eighth; < 0: there was
 *  none */
LW_API double lw_tally_latency(const lw_tally *t, double fraction);

/** What the page says besides. */
typedef struct lw_tally_about {
    const char *title;         /* UTF-8; NULL = "Campaign"                                    */
    const char *note;          /* how it ended, one sentence; NULL = none                     */
    lw_campaign_counts counts;
    uint64_t total;            /* rows of the list; 0 = not known                             */
    double seconds;
    int64_t unix_s;            /* when it ended                                               */
} lw_tally_about;

/**
 * lw_tally_page - one HTML page: numbers, rate over time, domains, refusals, latencies
 *
 * Complete in itself: no scripts, nothing is fetched; charts are SVG.  @write gets the octets; a
 * negative result ends the call with it.
 */
LW_API LW_MUST_USE lw_code lw_tally_page(const lw_tally *t, const lw_tally_about *about,
                                         lw_code (*write)(void *ctx, const char *p, size_t n),
                                         void *ctx);

#ifdef __cplusplus
}
#endif
#endif
