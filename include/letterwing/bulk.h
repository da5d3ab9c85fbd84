/* SPDX-License-Identifier: MIT */
/*
 * letterwing/bulk.h - many messages from one template and a list
 *
 * Templates in a subset of Mustache, rows from CSV (or from wherever a program has them).
 * Objects of this header are used by one thread at a time; there is no global state.
 *
 * Sources: RFC 4180 (CSV); the Mustache specification, https://github.com/mustache/spec
 * (interpolation, sections, inverted, comments).
 */
#ifndef LETTERWING_BULK_H
#define LETTERWING_BULK_H

#include <letterwing/base.h>

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
 * next: LW_OK: *row; LW_DONE: no more; LW_EMESSAGE: this row is bad, its number and line are
 * set, err says why, and the next call goes on behind it; anything else ends the list.
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
    /** read: up to cap octets into buf; *n = 0: the end; negative: the list ends with that */
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
 * LW_OK; LW_EMESSAGE: no first line, a bad one, a column that is empty or named twice, or more
 * than one possible delimiter; LW_ELIMIT; LW_ENOMEM; LW_EUSAGE; what read returned.
 * End it with lw_csv_close().
 */
LW_API LW_MUST_USE lw_code lw_csv_open(const lw_csv_opts *opts, lw_csv **out, lw_error *err);
/** lw_csv_rows - the rows behind the first line; valid as long as the list is open */
LW_API lw_rows lw_csv_rows(lw_csv *c);
LW_API void lw_csv_close(lw_csv *c);

#ifdef __cplusplus
}
#endif
#endif
