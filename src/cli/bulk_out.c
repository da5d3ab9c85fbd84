/* SPDX-License-Identifier: MIT */
/* cli/bulk_out.c - what bulk writes to files: failures, dry runs and samples, the report */
#include "cli/bulk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- failures ------------------------------------------------------------------------------------ */

static int
cannot_write(const char *what, const char *path)
{
    char why[128];

    return cli_error(EX_CANTCREAT, "bulk: --%s %s cannot be written: %s", what, path,
                     strerror_r(errno, why, sizeof why));
}

static void
note_failure(int *err)
{
    if (*err == 0)
        *err = errno;
}

static const char *const columns[] = { "row", "line", "address", "outcome", "code", "enhanced",
                                       "reason" };
enum { COLUMN_ADDRESS = 2, COLUMN_OUTCOME = 3, COLUMN_REASON = 6 };

static bool
has_octets(const char *path)
{
    struct stat st;

    return path != NULL && stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
}

static int
begin_failures(cli_bulk_files *f)
{
    for (size_t i = 0; i < CLI_COUNT_OF(columns); i++)
        fprintf(f->failures, "%s%s", i > 0 ? "," : "", columns[i]);
    fputs("\r\n", f->failures);
    return fflush(f->failures) != 0 ? cannot_write("failures", f->failures_path) : CLI_GO_ON;
}

/* A run that continues has the failures of those before: cli_bulk_failures_go_on. */
int
cli_bulk_files_open(cli_bulk_files *f, const cli_bulk_args *a)
{
    int rc = CLI_GO_ON;

    f->failures_path = a->failures;
    f->report_path = a->report;
    f->goes_on = has_octets(a->journal) && has_octets(a->failures);
    if (a->failures != NULL) {
        f->failures = fopen(a->failures, f->goes_on ? "ae" : "we");
        if (f->failures == NULL)
            return cannot_write("failures", a->failures);
        rc = f->goes_on ? CLI_GO_ON : begin_failures(f);
    }
    if (rc != CLI_GO_ON || a->report == NULL)
        return rc;
    /* "a": a report that is there stays until there is another to take its place */
    f->is_new_report = access(a->report, F_OK) != 0;
    f->has_report = has_octets(a->report);
    f->report = fopen(a->report, "ae");
    return f->report == NULL ? cannot_write("report", a->report) : CLI_GO_ON;
}

/* A spreadsheet would compute it, or what stands behind the ' before it.  Some take = + - @ as East
 * Asian keyboards write them for the same: U+FF1D, FF0B, FF0D, FF20. */
static bool
is_like_formula(lw_span cell)
{
    static const char begins[] = "=+-@\t\r\n", wide[] = "\xef\xbc",
                      wide_ends[] = "\x9d\x8b\x8d\xa0";

    while (cell.len > 0 && cell.ptr[0] == '\'')
        cell = (lw_span){ cell.ptr + 1, cell.len - 1 };
    if (cell.len > 0 && memchr(begins, cell.ptr[0], sizeof begins - 1) != NULL)
        return true;
    return cell.len >= 3 && memcmp(cell.ptr, wide, sizeof wide - 1) == 0 &&
           memchr(wide_ends, cell.ptr[2], sizeof wide_ends - 1) != NULL;
}

/* One ' goes before what has some already, too: so that one is taken away again, and not another's */
lw_span
cli_bulk_cell(lw_span cell)
{
    bool is_marked = cell.len > 0 && cell.ptr[0] == '\'' && is_like_formula(cell);

    return is_marked ? (lw_span){ cell.ptr + 1, cell.len - 1 } : cell;
}

/* lists and servers are not trusted: no formulas, no control characters, UTF-8 */
static void
put_text(FILE *f, lw_span text)
{
    for (size_t at = 0, end; at < text.len; at = end + 1) {
        for (end = at; end < text.len && text.ptr[end] != '"' && text.ptr[end] != '\n';)
            end++;
        cli_print_span(f, (lw_span){ text.ptr + at, end - at });
        if (end < text.len)
            fputs(text.ptr[end] == '"' ? "\"\"" : "\n", f);
    }
}

static void
put_reason(FILE *f, lw_span text)
{
    fputs(is_like_formula(text) ? "\"'" : "\"", f);
    put_text(f, text);
    putc('"', f);
}

/* With a character replaced it would be another's: what stands before it makes it nobody's, for
 * when this file is a list. */
static void
put_address(FILE *f, lw_span text)
{
    fputs(!cli_is_shown_whole(text) ? "\"? " : is_like_formula(text) ? "\"'" : "\"", f);
    put_text(f, text);
    putc('"', f);
}

static const char *
outcome_of(const lw_row_event *ev)
{
    switch (ev->fate) {
    case LW_FATE_BAD: return "bad";
    case LW_FATE_DUPLICATE: return "duplicate";
    case LW_FATE_UNCERTAIN: return "uncertain";
    case LW_FATE_SENT:
    case LW_FATE_RETRY:
    case LW_FATE_ENDED:
    case LW_FATE_DONE: break;
    }
    return lw_outcome_name(ev->outcome);
}

/* written at once: a killed process does not lose it */
void
cli_bulk_failure(cli_bulk_files *f, const lw_row_event *ev)
{
    char enhanced[32] = "", code[16] = "";

    if (f->failures == NULL || ev->fate == LW_FATE_DONE || ev->fate == LW_FATE_RETRY ||
        (ev->fate == LW_FATE_SENT && ev->outcome == LW_OUTCOME_ACCEPTED))
        return;
    if (ev->code > 0)
        snprintf(code, sizeof code, "%d", ev->code);
    if (ev->enhanced.klass > 0)
        snprintf(enhanced, sizeof enhanced, "%u.%u.%u", ev->enhanced.klass, ev->enhanced.subject,
                 ev->enhanced.detail);
    fprintf(f->failures, "%llu,%llu,", (unsigned long long) ev->row, (unsigned long long) ev->line);
    put_address(f->failures, ev->address);
    fprintf(f->failures, ",%s,%s,%s,", outcome_of(ev), code, enhanced);
    put_reason(f->failures, (lw_span){ ev->text, strlen(ev->text) });
    fputs("\r\n", f->failures);
    if (fflush(f->failures) != 0)
        note_failure(&f->failures_err);
}

/* ---- failures of earlier runs --------------------------------------------------------------------- */

static lw_code
read_file(void *ctx, char *buf, size_t cap, size_t *n, lw_error *err)
{
    ssize_t got = read(*(const int *) ctx, buf, cap);

    *n = got < 0 ? 0 : (size_t) got;
    if (got < 0)
        err->code = LW_ESOURCE;
    return got < 0 ? LW_ESOURCE : LW_OK;
}

static bool
is_rejected(const lw_row *row)
{
    lw_span o = row->n > COLUMN_OUTCOME ? row->values[COLUMN_OUTCOME] : (lw_span){ "", 0 };

    return cli_is(o.ptr, o.len, lw_outcome_name(LW_OUTCOME_REJECTED));
}

static void
copy_row(FILE *to, const lw_row *row)
{
    for (size_t i = 0; i < row->n; i++) {
        if (i > 0)
            putc(',', to);
        if (i == COLUMN_ADDRESS)
            put_address(to, cli_bulk_cell(row->values[i]));
        else if (i == COLUMN_REASON)
            put_reason(to, cli_bulk_cell(row->values[i]));
        else
            fwrite(row->values[i].ptr, 1, row->values[i].len, to);
    }
    fputs("\r\n", to);
}

bool
cli_bulk_are_failures(lw_rows rows)
{
    size_t n;
    const char *const *names = rows.columns(rows.ctx, &n);

    for (size_t i = 0; i < n && i < CLI_COUNT_OF(columns); i++)
        if (strcmp(names[i], columns[i]) != 0)
            return false;
    return n >= CLI_COUNT_OF(columns);
}

static bool
has_our_columns(lw_rows rows)
{
    size_t n;

    (void) rows.columns(rows.ctx, &n);
    return n == CLI_COUNT_OF(columns) && cli_bulk_are_failures(rows);
}

/* the rejected rows of one file into another; a last line that a crash cut is left out */
static int
copy_rejected(const cli_bulk_files *f, int from, FILE *to)
{
    lw_csv_opts o;
    lw_csv *csv = NULL;
    lw_error err;
    lw_rows rows;
    lw_row row;
    lw_code rc;

    lw_csv_opts_init(&o);
    o.read = read_file;
    o.ctx = &from;
    o.delimiter = ',';
    if (lw_csv_open(&o, &csv, &err) < 0 || !has_our_columns(rows = lw_csv_rows(csv))) {
        lw_csv_close(csv);
        return cli_error(EX_CANTCREAT, "bulk: --failures %s: it is another file, not the failures "
                         "of this journal: name another one", f->failures_path);
    }
    while ((rc = rows.next(rows.ctx, &row, &err)) == LW_OK || rc == LW_EMESSAGE)
        if (rc == LW_OK && is_rejected(&row))
            copy_row(to, &row);
    lw_csv_close(csv);
    return rc == LW_DONE ? CLI_GO_ON : cannot_write("failures", f->failures_path);
}

/* What an earlier run rejected is not sent again and stays.  All else is told by this run, and
 * would stand there twice, or although it is accepted now. */
int
cli_bulk_failures_go_on(cli_bulk_files *f)
{
    char *path = f->goes_on ? realpath(f->failures_path, NULL) : NULL, *new_path = NULL;
    int from, code;

    if (path == NULL)
        return CLI_GO_ON;
    if (asprintf(&new_path, "%s.new", path) < 0)
        exit(cli_error(EX_OSERR, "out of memory"));
    fclose(f->failures);
    from = open(path, O_RDONLY | O_CLOEXEC);
    f->failures = fopen(new_path, "we");
    if (from < 0 || f->failures == NULL)
        code = cannot_write("failures", f->failures == NULL ? new_path : f->failures_path);
    else if ((code = begin_failures(f)) == CLI_GO_ON)
        code = copy_rejected(f, from, f->failures);
    if (code == CLI_GO_ON && (fflush(f->failures) != 0 || rename(new_path, path) != 0))
        code = cannot_write("failures", f->failures_path);
    if (code != CLI_GO_ON)
        unlink(new_path);
    if (from >= 0)
        close(from);
    free(new_path);
    free(path);
    return code;
}

/* ---- the report -------------------------------------------------------------------------------------- */

static lw_code
write_report(void *ctx, const char *p, size_t n)
{
    return fwrite(p, 1, n, ctx) == n ? LW_OK : LW_EOUTPUT;
}

void
cli_bulk_report(cli_bulk_files *f, const lw_tally *t, const lw_tally_about *about)
{
    if (f->report == NULL)
        return;
    f->is_new_report = false;
    /* what is no file, such as a pipe, has nothing to be emptied */
    if (ftruncate(fileno(f->report), 0) != 0 && errno != EINVAL)
        note_failure(&f->report_err);
    if (lw_tally_page(t, about, write_report, f->report) < 0)
        note_failure(&f->report_err);
}

/* true: it was written in whole, or is not wanted */
static bool
close_file(FILE **file, const char *option, const char *path, int *err)
{
    char why[128];

    if (*file != NULL && fclose(*file) != 0)
        note_failure(err);
    *file = NULL;
    if (*err == 0)
        return true;
    cli_error(EX_IOERR, "bulk: --%s %s is not complete: %s", option, path,
              strerror_r(*err, why, sizeof why));
    *err = 0;
    return false;
}

int
cli_bulk_files_close(cli_bulk_files *f, int code)
{
    bool has_report = f->report != NULL,
         all = close_file(&f->failures, "failures", f->failures_path, &f->failures_err);

    all &= close_file(&f->report, "report", f->report_path, &f->report_err);
    if (has_report && f->is_new_report) /* there was no run: no blank page */
        unlink(f->report_path);
    return all || code == EX_TEMPFAIL ? code : EX_IOERR;
}

/* ---- without sending ------------------------------------------------------------------------------------ */

typedef struct dry {
    const cli_bulk_args *a;
    cli_bulk_files files;
    uint64_t wanted, every, shown, good, bad, duplicates;
    lw_seen *seen;
} dry;

/* as a run would find it: of the rows with one address the first is sent that can be */
static bool
was_there(const dry *d, lw_span address)
{
    return !d->a->keep_duplicates && lw_seen_has(d->seen, address);
}

static void
remember(dry *d, lw_span address)
{
    if (!d->a->keep_duplicates && lw_seen_add(d->seen, address, NULL) < 0)
        exit(cli_error(EX_OSERR, "out of memory"));
}

static lw_code
write_to(void *ctx, const char *p, size_t n)
{
    return fwrite(p, 1, n, ctx) == n ? LW_OK : LW_EOUTPUT;
}

static int
save(const dry *d, const lw_row *row, lw_message *m)
{
    char path[4096];
    lw_error err;
    FILE *f;
    lw_code rc;

    snprintf(path, sizeof path, "%s/row-%06llu.eml", d->a->save, (unsigned long long) row->number);
    if ((f = fopen(path, "we")) == NULL)
        return cannot_write("save", path);
    rc = lw_message_write(m, write_to, f, &err);
    if (fclose(f) != 0 || rc == LW_EOUTPUT)
        return cannot_write("save", path);
    return rc < 0 ? cli_error(lw_exit_code(&err), "bulk: row %llu: %s",
                              (unsigned long long) row->number, err.text) : CLI_GO_ON;
}

static int
show(const dry *d, const lw_row *row, lw_message *m)
{
    lw_error err;

    if (d->a->save != NULL)
        return save(d, row, m);
    if (d->shown > 0)
        printf("\r\n");
    if (lw_message_write(m, write_to, stdout, &err) < 0)
        return cli_error(lw_exit_code(&err), "bulk: row %llu: %s",
                         (unsigned long long) row->number, err.text);
    return CLI_GO_ON;
}

static void
tell_bad(dry *d, const lw_row *row, lw_span address, const lw_error *err)
{
    cli_bulk_failure(&d->files, &(lw_row_event){ .fate = LW_FATE_BAD, .row = row->number,
                     .line = row->line, .address = address, .text = err->text });
    if (++d->bad <= 10)
        cli_error(0, "row %llu (line %llu): %s", (unsigned long long) row->number,
                  (unsigned long long) row->line, err->text);
    else if (d->bad == 11)
        cli_error(0, "... further bad rows are counted only");
}

/* what reading the row said, and the row */
static int
one_row(dry *d, lw_mailing *mailing, lw_code rc, const lw_row *row, lw_error *err)
{
    lw_span address = rc == LW_OK ? lw_mailing_address(mailing, row) : (lw_span){ "", 0 };
    lw_message *m = NULL;
    int code = CLI_GO_ON;

    if (was_there(d, address)) {
        d->duplicates++;
        cli_bulk_failure(&d->files, &(lw_row_event){ .fate = LW_FATE_DUPLICATE, .row = row->number,
                         .line = row->line, .address = address,
                         .text = "its address stands in an earlier row" });
        return CLI_GO_ON;
    }
    if (rc == LW_OK)
        rc = lw_mailing_compose(mailing, row, &m, err);
    if (rc < 0) {
        tell_bad(d, row, address, err);
        return CLI_GO_ON;
    }
    if (d->shown < d->wanted && d->good % d->every == 0) {
        code = show(d, row, m);
        d->shown++;
    }
    d->good++;
    remember(d, address);
    lw_message_free(m);
    return code;
}

static int
all_rows(dry *d, lw_rows rows, lw_mailing *mailing)
{
    lw_error err = { .text = "" };
    lw_row row;
    lw_code rc;
    int code = CLI_GO_ON;

    while (code == CLI_GO_ON && (d->a->limit == 0 || d->good < d->a->limit) &&
           ((rc = rows.next(rows.ctx, &row, &err)) == LW_OK || rc == LW_EMESSAGE))
        code = one_row(d, mailing, rc, &row, &err);
    if (code == CLI_GO_ON && !d->a->quiet)
        cli_print(stderr, "letterwing: nothing was sent: %llu messages can be made%s%s, %llu rows "
                  "are bad, %llu are duplicates\n", (unsigned long long) d->good,
                  d->a->save != NULL ? ", some are in " : "",
                  d->a->save != NULL ? d->a->save : "", (unsigned long long) d->bad,
                  (unsigned long long) d->duplicates);
    return code == CLI_GO_ON && d->bad > 0 ? EX_DATAERR : code == CLI_GO_ON ? EX_OK : code;
}

/* The failures of a run that has begun are left as they are. */
int
cli_bulk_dry_run(const cli_bulk_args *a, cli_rows *list, lw_mailing *mailing)
{
    dry d = { .a = a, .wanted = a->sample > 0 ? a->sample : a->dry_run, .every = 1,
              .seen = lw_seen_new(NULL) };
    uint64_t total = cli_rows_total(list);
    cli_bulk_args files = *a;
    int code;

    files.report = NULL;
    files.failures = has_octets(a->journal) ? NULL : a->failures;
    if (a->save != NULL && mkdir(a->save, 0777) != 0 && errno != EEXIST)
        return cannot_write("save", a->save);
    if (a->sample > 0 && total > a->sample)
        d.every = total / a->sample; /* from all over the list */
    if ((code = cli_bulk_files_open(&d.files, &files)) == CLI_GO_ON)
        code = all_rows(&d, cli_rows_rows(list), mailing);
    lw_seen_free(d.seen);
    return cli_bulk_files_close(&d.files, code);
}
