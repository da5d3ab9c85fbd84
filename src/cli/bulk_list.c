/* SPDX-License-Identifier: MIT */
/*
 * cli/bulk_list.c - the list of recipients: CSV by the library, JSON lines here (one object a line)
 *
 * A file is read twice: once to count its rows, to find the names that JSON lines use and to know
 * which list it is, then row by row while messages leave.  Standard input is read once.
 * Meanwhile a pipe or a terminal that has nothing now says so: it does not hold messages up.
 */
#include "cli/bulk.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES ((size_t) 1 << 20)
#define COLUMNS_MAX 1000
#define IN_BYTES ((size_t) 64 << 10)
#define NUMBER_BYTES 40

struct cli_rows {
    const char *name;
    int fd;
    bool is_jsonl, is_pass_one;
    uint64_t total;
    lw_digest digest;
    unsigned char identity[16];
    lw_csv *csv;
    lw_csv_opts csv_opts;
    /* JSON lines */
    char *in, *line;
    size_t in_at, in_len, line_len;
    uint64_t number, line_number;
    char *columns[COLUMNS_MAX];
    size_t n_columns;
    lw_span values[COLUMNS_MAX];
    char (*numbers)[NUMBER_BYTES];
    json_t *object;        /* that values point into                    */
    bool has_waiting;      /* a pipe's first row was read for its names */
    bool is_in_line;       /* LW_AGAIN came in the middle of one        */
    bool is_too_long;      /* that line                                 */
    bool may_pause;        /* LW_AGAIN where read() would wait          */
};

/* false: read() would wait */
static bool
has_octets_or_end(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, 0) != 0;
}

static lw_code
read_some(void *ctx, char *buf, size_t cap, size_t *n, lw_error *err)
{
    cli_rows *r = ctx;
    char why[128];
    ssize_t got;

    *n = 0;
    if (r->may_pause && !has_octets_or_end(r->fd))
        return LW_AGAIN;
    do
        got = read(r->fd, buf, cap);
    while (got < 0 && errno == EINTR);
    *n = got < 0 ? 0 : (size_t) got;
    if (got < 0) {
        memset(err, 0, sizeof *err);
        err->code = LW_ESOURCE;
        err->stage = LW_STAGE_COMPOSE;
        snprintf(err->text, sizeof err->text, "%s cannot be read: %s", r->name,
                 strerror_r(errno, why, sizeof why));
        return LW_ESOURCE;
    }
    if (r->is_pass_one)
        lw_digest_add(&r->digest, buf, *n);
    return LW_OK;
}

/* ---- JSON lines ---------------------------------------------------------------------------------- */

static lw_code
bad_row(lw_error *err, const char *what, const char *detail)
{
    memset(err, 0, sizeof *err);
    err->code = LW_EMESSAGE;
    err->stage = LW_STAGE_COMPOSE;
    snprintf(err->text, sizeof err->text, "%s%.200s", what, detail);
    return LW_EMESSAGE;
}

/* one line without its end; LW_AGAIN: not the whole of it yet; LW_EMESSAGE: it was too long, and is
 * skipped */
static lw_code
read_line(cli_rows *r, lw_error *err)
{
    bool has_any;
    lw_code rc;

    if (!r->is_in_line) {
        r->line_len = 0;
        r->is_too_long = false;
    }
    for (;;) {
        if (r->in_at == r->in_len) {
            r->in_at = 0;
            if ((rc = read_some(r, r->in, IN_BYTES, &r->in_len, err)) != LW_OK)
                return rc;
            if (r->in_len == 0)
                break;
        }
        r->is_in_line = true;
        char *from = r->in + r->in_at, *end = memchr(from, '\n', r->in_len - r->in_at);
        size_t n = (end == NULL ? r->in_len - r->in_at : (size_t) (end - from));

        if (n > LINE_MAX_BYTES - r->line_len)
            r->is_too_long = true;
        else
            memcpy(r->line + r->line_len, from, n);
        r->line_len += r->is_too_long ? 0 : n;
        r->in_at += n + (end != NULL);
        if (end != NULL)
            break;
    }
    has_any = r->is_in_line;
    r->is_in_line = false;
    r->line_number += has_any;
    if (r->is_too_long)
        return bad_row(err, "the line is longer than a row may be", "");
    return has_any ? LW_OK : LW_DONE;
}

static bool
is_blank(const cli_rows *r)
{
    for (size_t i = 0; i < r->line_len; i++)
        if (memchr(" \t\r", r->line[i], 3) == NULL)
            return false;
    return true;
}

/* text of a value; false: it is a list or an object */
static bool
value_text(cli_rows *r, size_t i, const json_t *v)
{
    char *number = r->numbers[i];

    r->values[i] = (lw_span){ "", 0 };
    if (v == NULL || json_is_null(v) || json_is_false(v))
        return true;
    if (json_is_string(v)) {
        r->values[i] = (lw_span){ json_string_value(v), json_string_length(v) };
        return true;
    }
    if (json_is_true(v))
        snprintf(number, NUMBER_BYTES, "true");
    else if (json_is_integer(v))
        snprintf(number, NUMBER_BYTES, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (json_is_real(v))
        snprintf(number, NUMBER_BYTES, "%.15g", json_real_value(v));
    else
        return false;
    r->values[i] = (lw_span){ number, strlen(number) };
    return true;
}

static bool
has_column(const cli_rows *r, const char *name)
{
    for (size_t i = 0; i < r->n_columns; i++)
        if (strcmp(r->columns[i], name) == 0)
            return true;
    return false;
}

static void
learn_columns(cli_rows *r)
{
    const char *name;
    json_t *value;

    json_object_foreach(r->object, name, value) {
        if (r->n_columns < COLUMNS_MAX && strlen(name) <= LW_TEMPLATE_NAME && !has_column(r, name))
            r->columns[r->n_columns++] = cli_copy(name);
    }
}

static lw_code
parse_line(cli_rows *r, lw_error *err)
{
    size_t skip = r->line_number == 1 && r->line_len >= 3 && memcmp(r->line, "\xef\xbb\xbf", 3) == 0
                      ? 3 : 0;
    json_error_t why;

    json_decref(r->object);
    r->object = json_loadb(r->line + skip, r->line_len - skip, JSON_REJECT_DUPLICATES, &why);
    if (r->object == NULL)
        return bad_row(err, "it is no JSON: ", why.text);
    return json_is_object(r->object) ? LW_OK : bad_row(err, "it is no JSON object", "");
}

static lw_code
fill_values(cli_rows *r, lw_error *err)
{
    for (size_t i = 0; i < r->n_columns; i++)
        if (!value_text(r, i, json_object_get(r->object, r->columns[i])))
            return bad_row(err, "a list or an object is the value of ", r->columns[i]);
    return LW_OK;
}

static lw_code
next_json(void *ctx, lw_row *row, lw_error *err)
{
    cli_rows *r = ctx;
    lw_code rc = LW_OK;

    if (!r->has_waiting) {
        do
            rc = read_line(r, err);
        while (rc == LW_OK && is_blank(r));
        if (rc == LW_DONE || rc == LW_AGAIN || (rc < 0 && rc != LW_EMESSAGE))
            return rc;
        r->number++;
        rc = rc == LW_OK ? parse_line(r, err) : rc;
    }
    r->has_waiting = false;
    *row = (lw_row){ .number = r->number, .line = r->line_number };
    if (rc == LW_OK && r->is_pass_one)
        learn_columns(r);
    if (rc < 0 || (rc = fill_values(r, err)) < 0)
        return rc;
    row->values = r->values;
    row->n = r->n_columns;
    return LW_OK;
}

static const char *const *
json_columns(void *ctx, size_t *n)
{
    cli_rows *r = ctx;

    *n = r->n_columns;
    return (const char *const *) r->columns;
}

/* a pipe's names are those of its first row */
static int
peek(cli_rows *r)
{
    lw_error err;
    lw_row row;
    lw_code rc;

    r->is_pass_one = true;
    rc = next_json(r, &row, &err);
    r->is_pass_one = false;
    if (rc == LW_DONE)
        return cli_error(EX_DATAERR, "%s: it is empty", r->name);
    if (rc < 0)
        return cli_error(EX_DATAERR, "%s line %llu: %s", r->name,
                         (unsigned long long) r->line_number, err.text);
    r->has_waiting = true;
    return CLI_GO_ON;
}

/* ---- both --------------------------------------------------------------------------------------------- */

/* The first line of a list whose name says nothing, such as a pipe's: an object instead of names. */
static bool
looks_like_json(const cli_rows *r)
{
    lw_rows rows = lw_csv_rows(r->csv);
    size_t n;
    const char *const *names = rows.columns(rows.ctx, &n);

    return n > 0 && names[0][0] == '{';
}

static int
begin(cli_rows *r)
{
    lw_error err = { .text = "" };

    r->in_at = r->in_len = 0;
    r->number = r->line_number = 0;
    if (r->is_jsonl)
        return CLI_GO_ON;
    lw_csv_close(r->csv);
    r->csv = NULL;
    if (lw_csv_open(&r->csv_opts, &r->csv, &err) == LW_OK)
        return !looks_like_json(r) ? CLI_GO_ON
                                   : cli_error(EX_DATAERR, "bulk: %s looks like JSON lines: add "
                                               "--format jsonl", r->name);
    return cli_error(lw_exit_code(&err), "bulk: %s%s", err.text,
                     strstr(err.text, "more than one") != NULL ? ", with --delimiter" : "");
}

/* a failures file as the list, also with further columns: its addresses are those of the first list */
static lw_code
next_failure(void *ctx, lw_row *row, lw_error *err)
{
    cli_rows *r = ctx;
    lw_rows rows = lw_csv_rows(r->csv);
    lw_code rc = rows.next(rows.ctx, row, err);

    if (rc != LW_OK)
        return rc;
    for (size_t i = 0; i < row->n; i++)
        r->values[i] = cli_bulk_cell(row->values[i]);
    row->values = r->values;
    return LW_OK;
}

static const char *const *
failure_columns(void *ctx, size_t *n)
{
    lw_rows rows = lw_csv_rows(((cli_rows *) ctx)->csv);

    return rows.columns(rows.ctx, n);
}

lw_rows
cli_rows_rows(cli_rows *r)
{
    lw_rows rows;

    if (r->is_jsonl)
        return (lw_rows){ next_json, json_columns, r };
    rows = lw_csv_rows(r->csv);
    return cli_bulk_are_failures(rows) ? (lw_rows){ next_failure, failure_columns, r }
                                       : rows;
}

/* counts the rows of a file, and knows its octets */
static int
look(cli_rows *r, bool is_strict)
{
    lw_error err = { .text = "" };
    lw_row row;
    lw_rows rows;
    lw_code rc;
    int code;

    r->is_pass_one = true;
    lw_digest_init(&r->digest);
    if ((code = begin(r)) != CLI_GO_ON)
        return code;
    rows = cli_rows_rows(r);
    while ((rc = rows.next(rows.ctx, &row, &err)) == LW_OK || rc == LW_EMESSAGE) {
        r->total++;
        if (rc == LW_EMESSAGE && is_strict)
            return cli_error(EX_DATAERR, "bulk: %s row %llu (line %llu): %s; nothing was sent",
                             r->name, (unsigned long long) row.number,
                             (unsigned long long) row.line, err.text);
    }
    if (rc < 0)
        return cli_error(lw_exit_code(&err), "bulk: %s", err.text);
    lw_digest_end(&r->digest, r->identity);
    r->is_pass_one = false;
    if (lseek(r->fd, 0, SEEK_SET) < 0)
        return cli_error(EX_IOERR, "bulk: %s cannot be read again", r->name);
    return begin(r);
}

static bool
ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);

    return n >= k && cli_is(s + n - k, k, end);
}

static int
choose_format(cli_rows *r, const cli_bulk_args *a)
{
    const char *d = a->delimiter;

    r->is_jsonl = ends_with(r->name, ".jsonl") || ends_with(r->name, ".ndjson");
    if (a->format != NULL && !cli_is(a->format, strlen(a->format), "csv") &&
        !cli_is(a->format, strlen(a->format), "jsonl"))
        return cli_error(EX_USAGE, "bulk: --format is csv or jsonl");
    if (a->format != NULL)
        r->is_jsonl = cli_is(a->format, strlen(a->format), "jsonl");
    lw_csv_opts_init(&r->csv_opts);
    r->csv_opts.read = read_some;
    r->csv_opts.ctx = r;
    r->csv_opts.name = r->name;
    if (d != NULL && strcmp(d, "tab") != 0 && strcmp(d, "\\t") != 0 && strlen(d) != 1)
        return cli_error(EX_USAGE, "bulk: --delimiter is one character, or tab");
    if (d != NULL)
        r->csv_opts.delimiter = strlen(d) == 1 ? d[0] : '\t';
    return CLI_GO_ON;
}

static int
open_file(cli_rows *r, const char *path)
{
    struct stat st;

    r->fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    r->name = r->fd == STDIN_FILENO ? "standard input" : path;
    if (r->fd < 0 || fstat(r->fd, &st) != 0)
        return cli_no_input("bulk: --list", path, errno);
    if (S_ISDIR(st.st_mode))
        return cli_no_input("bulk: --list", path, EISDIR);
    r->is_pass_one = S_ISREG(st.st_mode) && lseek(r->fd, 0, SEEK_CUR) == 0;
    return CLI_GO_ON;
}

int
cli_rows_open(cli_rows **out, const cli_bulk_args *a)
{
    cli_rows *r = *out = calloc(1, sizeof *r);
    int rc;

    if (r == NULL || (r->in = malloc(IN_BYTES)) == NULL ||
        (r->line = malloc(LINE_MAX_BYTES)) == NULL ||
        (r->numbers = calloc(COLUMNS_MAX, NUMBER_BYTES)) == NULL)
        return cli_error(EX_OSERR, "out of memory");
    r->fd = -1;
    if ((rc = open_file(r, a->list)) != CLI_GO_ON || (rc = choose_format(r, a)) != CLI_GO_ON)
        return rc;
    if (r->is_pass_one)
        return look(r, a->strict);
    if ((rc = begin(r)) != CLI_GO_ON)
        return rc;
    return r->is_jsonl ? peek(r) : CLI_GO_ON;
}

void
cli_rows_may_pause(cli_rows *r)
{
    r->may_pause = true;
}

uint64_t
cli_rows_total(const cli_rows *r)
{
    return r->total;
}

void
cli_rows_identity(const cli_rows *r, unsigned char out[16])
{
    memcpy(out, r->identity, sizeof r->identity);
}

void
cli_rows_close(cli_rows *r)
{
    if (r == NULL)
        return;
    lw_csv_close(r->csv);
    json_decref(r->object);
    for (size_t i = 0; i < r->n_columns; i++)
        free(r->columns[i]);
    if (r->fd > STDIN_FILENO)
        close(r->fd);
    free(r->numbers);
    free(r->line);
    free(r->in);
    free(r);
}
