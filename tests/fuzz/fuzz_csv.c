/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_csv.c - lists: whole, and octet by octet with pauses, give the same rows; no
 * value is longer than a row may be, none holds a NUL or is no UTF-8; the list ends
 */
#include <letterwing/bulk.h>

#include "base/base.h"

#include <stdlib.h>

#define MAX_ROW 64

static void
must(bool holds)
{
    if (!holds)
        abort();
}

typedef struct source {
    lw_span left;
    size_t piece;
    bool has_paused; /* before this piece; only where pieces are octets */
} source;

static lw_code
read_piece(void *ctx, char *buf, size_t cap, size_t *n, lw_error *err)
{
    source *s = ctx;

    *n = 0;
    s->has_paused = s->piece == 1 && !s->has_paused;
    if (s->has_paused)
        return LW_AGAIN;
    *n = s->left.len < s->piece ? s->left.len : s->piece;
    *n = *n < cap ? *n : cap;
    memcpy(buf, s->left.ptr, *n);
    s->left.ptr += *n;
    s->left.len -= *n;
    return LW_OK;
}

static void
check_row(lw_buf *out, const lw_row *row, uint64_t number, size_t n_columns)
{
    size_t sum = 0;

    must(row->number == number && row->line > number && row->n == n_columns);
    for (size_t i = 0; i < row->n; i++) {
        sum += row->values[i].len;
        must(lw_utf8_valid(row->values[i]));
        must(row->values[i].len == 0 ||
             memchr(row->values[i].ptr, 0, row->values[i].len) == NULL);
        lw_buf_add(out, row->values[i]);
        lw_buf_add_char(out, '|');
    }
    must(sum <= MAX_ROW);
}

static void
read_all(lw_buf *out, lw_span text, size_t piece)
{
    source s = { text, piece, false };
    lw_error err = { .code = LW_OK };
    lw_csv_opts o;
    lw_csv *c;
    lw_row row;
    lw_code rc;
    lw_rows rows;
    size_t n;

    lw_csv_opts_init(&o);
    o.read = read_piece;
    o.ctx = &s;
    o.max_row_bytes = MAX_ROW;
    o.max_columns = 8;
    rc = lw_csv_open(&o, &c, &err);
    must(rc == LW_OK || (rc == LW_EMESSAGE && err.text[0] != '\0'));
    lw_buf_add_str(out, rc == LW_OK ? "" : err.text);
    if (rc < 0)
        return;
    rows = lw_csv_rows(c);
    rows.columns(rows.ctx, &n);
    for (uint64_t number = 1; (rc = rows.next(rows.ctx, &row, &err)) != LW_DONE; number++) {
        if (rc == LW_AGAIN) {
            number--;
            continue;
        }
        must(rc == LW_OK || (rc == LW_EMESSAGE && err.text[0] != '\0' && row.number == number));
        if (rc == LW_OK)
            check_row(out, &row, number, n);
        lw_buf_add_str(out, rc == LW_OK ? "\n" : err.text);
    }
    lw_csv_close(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lw_span text = { (const char *)data, size };
    lw_buf whole, apart;

    lw_buf_init(&whole, &lw_alloc_default, 1 << 24);
    lw_buf_init(&apart, &lw_alloc_default, 1 << 24);
    read_all(&whole, text, size + 1);
    read_all(&apart, text, 1);
    must(lw_buf_finish(&whole) == LW_OK);
    must(lw_span_eq(lw_buf_span(&whole), lw_buf_span(&apart)));
    lw_buf_deinit(&whole);
    lw_buf_deinit(&apart);
    return 0;
}
