/* SPDX-License-Identifier: MIT */
/*
 * bulk/csv.c - rows from CSV, octet by octet, in bounded memory
 *
 * Own code because libcsv neither bounds a row nor says where one began, and gives up at the
 * first bad one.  The grammar is small:
 *
 *   START    a field begins          '"' -> QUOTED   delimiter, end of line: an empty field
 *   PLAIN    in a field              '"' stands for itself
 *   QUOTED   between quotes          '"' -> CLOSED
 *   CLOSED   behind a second quote   '"' -> QUOTED and one quote; CR only before LF
 *   SKIP     in a bad row            up to the end of the line
 *
 * A row's octets, without quotes and delimiters, stand one behind the other in `text`; `ends`
 * says where each field ends.
 */
#include <letterwing/bulk.h>

#include "base/base.h"

#define IN_BYTES ((size_t)64 << 10)
#define DEFAULT_ROW_BYTES ((size_t)1 << 20)
#define DEFAULT_COLUMNS 1000
#define COLUMN_NAME_MAX LW_TEMPLATE_NAME

typedef enum csv_state { START, PLAIN, QUOTED, CLOSED, SKIP } csv_state;

struct lw_csv {
    lw_alloc alloc;
    lw_csv_opts opts;
    char *name;
    char *in;
    size_t in_at, in_len;
    bool at_end;
    lw_code failed;           /* reading failed: the list is over    */
    lw_error failure;
    csv_state state;
    bool is_in_row;           /* it was begun, and goes on           */
    uint64_t line, row_line;  /* now; where the row began            */
    uint64_t number;
    lw_buf text;
    size_t *ends;
    size_t n_fields;          /* of the row so far                   */
    bool has_cr;              /* CLOSED: a CR came                   */
    bool has_nul;
    const char *wrong;        /* the row is bad: why                 */
    char **columns;
    size_t n_columns;
    lw_span *values;
};

/* ---- octets ---------------------------------------------------------------------------------- */

/* More octets behind those that are there.  LW_OK; LW_AGAIN: none now; LW_DONE: the end; or why
 * reading failed. */
static lw_code
fill_more(lw_csv *c)
{
    size_t n = 0;
    lw_code rc;

    if (c->failed < 0 || c->at_end)
        return c->failed < 0 ? c->failed : LW_DONE;
    rc = c->opts.read(c->opts.ctx, c->in + c->in_len, IN_BYTES - c->in_len, &n,
                      &c->failure);
    if (rc < 0)
        return c->failed = rc;
    if (rc == LW_AGAIN)
        return rc;
    c->at_end = n == 0;
    c->in_len += n;
    return c->at_end ? LW_DONE : LW_OK;
}

static lw_code
fill(lw_csv *c)
{
    c->in_at = c->in_len = 0;
    return fill_more(c);
}

/* ---- a row, octet by octet ---------------------------------------------------------------------- */

static void
bad(lw_csv *c, const char *why)
{
    if (c->wrong == NULL)
        c->wrong = why;
    c->state = SKIP;
}

/* One field too many does not end the reading: a line end in quotes may follow. */
static void
end_field(lw_csv *c)
{
    c->state = START;
    if (c->n_fields < c->opts.max_columns)
        c->ends[c->n_fields++] = c->text.len;
    else if (c->wrong == NULL)
        c->wrong = "it has more fields than there are columns";
}

static void
add(lw_csv *c, lw_span run)
{
    if (run.len > c->opts.max_row_bytes - c->text.len) {
        bad(c, c->state == QUOTED ? "a field in quotes makes it longer than a row may be: is the "
                                    "closing quote missing?"
                                  : "it is longer than a row may be");
        return;
    }
    c->has_nul = c->has_nul || memchr(run.ptr, '\0', run.len) != NULL;
    lw_buf_add(&c->text, run);
}

static void
take_closed(lw_csv *c, char ch)
{
    if (ch == '"' && !c->has_cr) {
        c->state = QUOTED;
        add(c, LW_LIT("\""));
    } else if (ch == c->opts.delimiter && !c->has_cr) {
        end_field(c);
    } else if (ch == '\r' && !c->has_cr) {
        c->has_cr = true;
    } else {
        bad(c, "octets behind a closing quote");
    }
}

/* the octets at hand that mean nothing but themselves in this state */
static lw_span
plain_run(const lw_csv *c)
{
    const char *from = c->in + c->in_at, *end = c->in + c->in_len, *p = from;
    char stop = c->state == QUOTED ? '"' : c->opts.delimiter;

    while (p < end && *p != stop && *p != '\n')
        p++;
    return (lw_span){ from, (size_t)(p - from) };
}

/* one octet, or the run that begins with it; in_at is moved on */
static void
take(lw_csv *c)
{
    char ch = c->in[c->in_at];

    if (c->state == START)
        c->state = ch == '"' || ch == c->opts.delimiter ? START : PLAIN;
    if (c->state == CLOSED) {
        take_closed(c, ch);
    } else if (ch == (c->state == QUOTED ? '"' : c->opts.delimiter)) {
        if (c->state == QUOTED)
            c->state = CLOSED;
        else if (c->state != SKIP)
            end_field(c);
    } else if (c->state == START) {
        c->state = QUOTED;
        c->has_cr = false;
    } else if (c->state != SKIP) {
        lw_span run = plain_run(c);

        run.len += run.len == 0; /* a line end in quotes */
        add(c, run);
        c->in_at += run.len - 1;
    }
    c->in_at++;
}

/* the last field of the row, at a line end or at the end of the list */
static void
end_row(lw_csv *c)
{
    size_t begin = c->n_fields == 0 ? 0 : c->ends[c->n_fields - 1];

    if (c->state == SKIP)
        return;
    if (c->state == QUOTED) {
        bad(c, "no closing quote");
        return;
    }
    if (c->state == PLAIN && c->text.len > begin && c->text.ptr[c->text.len - 1] == '\r')
        c->text.len--;
    end_field(c);
}

static void
begin_row(lw_csv *c)
{
    lw_buf_reset(&c->text);
    c->n_fields = 0;
    c->has_nul = c->has_cr = false;
    c->wrong = NULL;
    c->state = START;
    c->row_line = c->line;
}

/* true when the row is complete; at most the octets at hand are looked at */
static bool
scan(lw_csv *c)
{
    while (c->in_at < c->in_len) {
        if (c->in[c->in_at] == '\n') {
            c->line++;
            if (c->state != QUOTED) {
                c->in_at++;
                end_row(c);
                return true;
            }
        }
        take(c);
    }
    return false;
}

static bool
is_empty_line(const lw_csv *c)
{
    return c->wrong == NULL && c->n_fields <= 1 && c->text.len == 0;
}

/* to the end of the row that was begun, from where it is */
static lw_code
go_through_row(lw_csv *c)
{
    lw_code rc;

    while (!scan(c)) {
        if ((rc = fill(c)) == LW_OK)
            continue;
        if (rc != LW_DONE || (c->state == START && c->n_fields == 0))
            return rc;
        end_row(c);
        break;
    }
    return LW_OK;
}

/* LW_OK: a row, good or bad; LW_AGAIN: not the whole of it yet; LW_DONE; a failure */
static lw_code
read_row(lw_csv *c)
{
    lw_code rc;

    do {
        if (!c->is_in_row)
            begin_row(c);
        rc = go_through_row(c);
        c->is_in_row = rc == LW_AGAIN;
        if (rc != LW_OK)
            return rc;
    } while (is_empty_line(c));
    return lw_buf_finish(&c->text) == LW_ENOMEM ? LW_ENOMEM : LW_OK;
}

static lw_span
field(const lw_csv *c, size_t i)
{
    size_t from = i == 0 ? 0 : c->ends[i - 1];

    if (c->ends[i] == from)
        return LW_LIT(""); /* where all of them are empty there is no text yet */
    return (lw_span){ c->text.ptr + from, c->ends[i] - from };
}

/* ---- the first line: columns ------------------------------------------------------------------- */

static void
skip_mark(lw_csv *c)
{
    if (c->in_len >= 3 && memcmp(c->in, "\xef\xbb\xbf", 3) == 0)
        c->in_at = 3;
}

/** The first line, looked at as it comes: which delimiters occur outside quotes. */
typedef struct first_line {
    size_t at;
    bool is_quoted, is_complete;
    unsigned found;   /* bits, in the order of `candidates` */
} first_line;

static const char candidates[] = ",;\t";

static void
look(const lw_csv *c, first_line *f)
{
    for (; !f->is_complete && f->at < c->in_len; f->at++) {
        const char *which = memchr(candidates, c->in[f->at], sizeof candidates - 1);

        f->is_quoted = f->is_quoted != (c->in[f->at] == '"');
        f->is_complete = !f->is_quoted && c->in[f->at] == '\n';
        if (!f->is_quoted && which != NULL)
            f->found |= 1u << (which - candidates);
    }
}

/* as much of it as there is room for: a pipe may give it in pieces */
static first_line
read_first_line(lw_csv *c)
{
    first_line f = { .at = 0 };
    lw_code rc;

    do {
        look(c, &f);
        rc = f.is_complete || c->in_len == IN_BYTES ? LW_DONE : fill_more(c);
    } while (rc == LW_OK || rc == LW_AGAIN);
    return f;
}

static lw_code
choose_delimiter(lw_csv *c, unsigned found, lw_error *err)
{
    if (c->opts.delimiter != 0)
        return LW_OK;
    if ((found & (found - 1)) != 0)
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE,
                       "%s: more than one of comma, semicolon and tab stands in the first line: "
                       "say which one separates fields", c->name);
    c->opts.delimiter = found == 2 ? ';' : found == 4 ? '\t' : ',';
    return LW_OK;
}

static lw_code
add_column(lw_csv *c, lw_span name, lw_error *err)
{
    name = lw_span_trim(name);
    if (name.len == 0 || name.len > COLUMN_NAME_MAX || lw_span_has_ctl(name) ||
        !lw_utf8_valid(name))
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE,
                       "%s: the first line must name the columns, and column %zu %s", c->name,
                       c->n_columns + 1,
                       name.len == 0 ? "has no name"
                                     : "has a name that is no UTF-8, too long, or with controls");
    for (size_t i = 0; i < c->n_columns; i++)
        if (lw_span_eq(lw_span_str(c->columns[i]), name))
            return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "%s: two columns are named \"%s\"",
                           c->name, c->columns[i]);
    c->columns[c->n_columns] = lw_span_dup(&c->alloc, name);
    return c->columns[c->n_columns] == NULL ? LW_ENOMEM : (c->n_columns++, LW_OK);
}

static lw_code
read_columns(lw_csv *c, lw_error *err)
{
    first_line first = read_first_line(c);
    lw_code rc;

    skip_mark(c);
    if ((rc = choose_delimiter(c, first.found, err)) < 0)
        return rc;
    while ((rc = read_row(c)) == LW_AGAIN)
        ;
    if (rc == LW_DONE)
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "%s: it is empty: the first line must "
                       "name the columns", c->name);
    if (rc < 0)
        return rc;
    if (c->wrong != NULL || c->has_nul)
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "%s: the first line is bad: %s", c->name,
                       c->wrong != NULL ? c->wrong : "a NUL octet");
    c->columns = lw_zalloc_array(&c->alloc, c->n_fields, sizeof *c->columns);
    c->values = lw_zalloc_array(&c->alloc, c->n_fields, sizeof *c->values);
    if (c->columns == NULL || c->values == NULL)
        return LW_ENOMEM;
    for (size_t i = 0; i < c->n_fields; i++)
        if ((rc = add_column(c, field(c, i), err)) < 0)
            return rc;
    c->opts.max_columns = c->n_columns;
    return LW_OK;
}

/* ---- rows ------------------------------------------------------------------------------------------ */

static lw_code
check_row(lw_csv *c, lw_error *err)
{
    if (c->wrong == NULL && c->has_nul)
        c->wrong = "a NUL octet";
    if (c->wrong != NULL)
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "%s", c->wrong);
    if (c->n_fields != c->n_columns)
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "it has %zu field%s, and there %s "
                       "%zu column%s", c->n_fields, c->n_fields == 1 ? "" : "s",
                       c->n_columns == 1 ? "is" : "are", c->n_columns,
                       c->n_columns == 1 ? "" : "s");
    for (size_t i = 0; i < c->n_fields; i++) {
        c->values[i] = field(c, i);
        if (!lw_span_is_ascii(c->values[i]) && !lw_utf8_valid(c->values[i]))
            return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "column \"%s\" is not UTF-8",
                           c->columns[i]);
    }
    return LW_OK;
}

static lw_code
next_row(void *ctx, lw_row *row, lw_error *err)
{
    lw_csv *c = ctx;
    lw_code rc;

    if (c == NULL || row == NULL)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE, "list: a pointer is NULL");
    rc = c->failed < 0 ? c->failed : read_row(c);
    *row = (lw_row){ .values = NULL };
    if (rc == LW_ENOMEM)
        return lw_fail(err, rc, LW_STAGE_COMPOSE, "%s: out of memory", c->name);
    if (rc < 0 && err != NULL)
        *err = c->failure;
    if (rc != LW_OK)
        return rc;
    row->number = ++c->number;
    row->line = c->row_line;
    if ((rc = check_row(c, err)) < 0)
        return rc;
    row->values = c->values;
    row->n = c->n_columns;
    return LW_OK;
}

static const char *const *
columns(void *ctx, size_t *n)
{
    lw_csv *c = ctx;

    *n = c == NULL ? 0 : c->n_columns;
    if (c == NULL)
        return NULL;
    return (const char *const *)c->columns;
}

lw_rows
lw_csv_rows(lw_csv *c)
{
    return (lw_rows){ next_row, columns, c };
}

/* ---- life ------------------------------------------------------------------------------------------- */

static lw_code
set_up(lw_csv *c, lw_error *err)
{
    c->name = lw_strdup(&c->alloc, c->opts.name == NULL ? "list" : c->opts.name);
    c->in = lw_malloc(&c->alloc, IN_BYTES);
    c->ends = lw_zalloc_array(&c->alloc, c->opts.max_columns, sizeof *c->ends);
    lw_buf_init(&c->text, &c->alloc, c->opts.max_row_bytes);
    if (c->name == NULL || c->in == NULL || c->ends == NULL)
        return LW_ENOMEM;
    c->line = 1;
    return read_columns(c, err);
}

lw_code
lw_csv_open(const lw_csv_opts *opts, lw_csv **out, lw_error *err)
{
    const lw_alloc *alloc;
    lw_csv_opts o;
    lw_csv *c;
    lw_code rc;

    if (out == NULL)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE, "list: a pointer is NULL");
    *out = NULL;
    if (lw_opts_copy(&o, sizeof o, opts) < 0 || o.read == NULL || o.max_columns > 1000000 ||
        o.delimiter == '"' || o.delimiter == '\n' || o.delimiter == '\r')
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE, "list: options are out of range");
    alloc = lw_alloc_or_default(o.alloc);
    if ((c = lw_zalloc(alloc, sizeof *c)) == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "list: out of memory");
    c->alloc = *alloc;
    c->opts = o;
    if (c->opts.max_row_bytes == 0)
        c->opts.max_row_bytes = DEFAULT_ROW_BYTES;
    if (c->opts.max_columns == 0)
        c->opts.max_columns = DEFAULT_COLUMNS;
    rc = set_up(c, err);
    if (rc == LW_ENOMEM)
        lw_fail(err, rc, LW_STAGE_COMPOSE, "list: out of memory");
    if (rc < 0 && rc == c->failed && err != NULL)
        *err = c->failure;
    if (rc < 0) {
        lw_csv_close(c);
        return rc;
    }
    *out = c;
    return LW_OK;
}

void
lw_csv_close(lw_csv *c)
{
    if (c == NULL)
        return;
    lw_alloc alloc = c->alloc;
    for (size_t i = 0; i < c->n_columns; i++)
        lw_release(&alloc, c->columns[i]);
    lw_buf_deinit(&c->text);
    lw_release(&alloc, c->columns);
    lw_release(&alloc, c->values);
    lw_release(&alloc, c->ends);
    lw_release(&alloc, c->in);
    lw_release(&alloc, c->name);
    lw_release(&alloc, c);
}
