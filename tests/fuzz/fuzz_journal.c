/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_journal.c - journals: any file, and files of good, damaged and torn records
 *
 * Input of the second kind, behind a first octet that is odd: eight octets a record, as
 * make_record() has them.  It is read with success exactly if nothing before the last `synced` is
 * damaged and no row has two prints; then it holds the last mark of each row, and reading it again
 * changes nothing.
 */
#include "bulk/journal_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_RECORDS 64
#define MAX_ROW 16

static const lw_identity ours = { "mail of ours...", "list of ours..." };
static const lw_sip_key key = { 1, 2 };

static void
must(bool holds)
{
    if (!holds)
        abort();
}

static int
file_of(const char *p, size_t n)
{
    int fd = memfd_create("journal", MFD_CLOEXEC);

    must(fd >= 0 && write(fd, p, n) == (ssize_t)n);
    return fd;
}

static lw_code
open_it(int fd, lw_journal **j)
{
    lw_error err = { .text = "" };
    char path[64];
    lw_code rc;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    rc = lw_journal_open(path, &ours, NULL, j, &err);
    must(rc == LW_OK || (rc == LW_ECONFIG && err.text[0] != '\0'));
    return rc;
}

/* a record, and one octet of it changed, if at all */
static void
make_record(const lw_journal *j, const uint8_t in[8], uint64_t at, char out[LW_JOURNAL_RECORD],
            lw_record *r, bool *is_good)
{
    r->entry = (lw_entry){ .mark = in[0] % (LW_MARK_SYNCED + 1), .attempt = in[1], .code = in[2],
                           .print = in[3] % 2 };
    r->row = r->entry.mark == LW_MARK_NONE || r->entry.mark == LW_MARK_SYNCED
                 ? 0 : 1 + in[4] % MAX_ROW;
    lw_journal_encode(j, at, *r, out);
    out[in[5] % LW_JOURNAL_RECORD] ^= (char)in[6];
    *is_good = in[6] == 0;
}

/* the table as journal_int.h says it: false = damaged */
static bool
expect(const lw_record *r, const bool *is_good, size_t n, lw_entry rows[MAX_ROW + 1])
{
    size_t n_safe = 0;

    for (size_t i = 0; i < n; i++)
        if (is_good[i] && r[i].entry.mark == LW_MARK_SYNCED)
            n_safe = i;
    for (size_t i = 0; i < n_safe; i++)
        if (!is_good[i])
            return false;
    for (size_t i = 0; i < n; i++) {
        lw_entry *e = &rows[r[i].row];

        if (!is_good[i] || r[i].row == 0)
            continue;
        if (e->mark != LW_MARK_NONE && e->print != r[i].entry.print)
            return false;
        if (e->mark != LW_MARK_ACCEPTED)
            *e = r[i].entry;
    }
    return true;
}

static void
check_records(const uint8_t *data, size_t size)
{
    static char file[LW_JOURNAL_HEADER + MAX_RECORDS * LW_JOURNAL_RECORD];
    lw_journal writer = { .key = key }, *j;
    lw_entry rows[MAX_ROW + 1] = { { .mark = LW_MARK_NONE } };
    lw_record records[MAX_RECORDS];
    bool is_good[MAX_RECORDS], holds;
    size_t n = 0, len = LW_JOURNAL_HEADER;
    int fd;

    lw_journal_header(&ours, key, 1, file);
    for (; size >= 8 && n < MAX_RECORDS; n++, len += LW_JOURNAL_RECORD, data += 8, size -= 8)
        make_record(&writer, data, len, file + len, &records[n], &is_good[n]);
    size = n > 0 && size < 8 ? size : 0; /* the rest says how much of the last record is lost */
    fd = file_of(file, len - size);
    n -= size > 0;
    holds = expect(records, is_good, n, rows);
    for (int again = 0; again < 2; again++) {
        must((open_it(fd, &j) == LW_OK) == holds);
        for (uint64_t row = 1; holds && row <= MAX_ROW; row++) {
            lw_entry e = lw_journal_row(j, row);

            must(memcmp(&e, &rows[row], sizeof e) == 0);
        }
        must(lw_journal_close(j, NULL) == LW_OK);
    }
    close(fd);
}

static void
check_any(const char *data, size_t size)
{
    uint64_t n[LW_MARK_SYNCED], again[LW_MARK_SYNCED];
    int fd = file_of(data, size);
    lw_journal *j;

    if (open_it(fd, &j) == LW_OK) {
        lw_journal_counts(j, n);
        must(lw_journal_close(j, NULL) == LW_OK && open_it(fd, &j) == LW_OK);
        lw_journal_counts(j, again);
        must(memcmp(n, again, sizeof n) == 0);
        lw_journal_close(j, NULL);
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] % 2 == 1)
        check_records(data + 1, size - 1);
    else if (size > 0)
        check_any((const char *)data + 1, size - 1);
    return 0;
}
