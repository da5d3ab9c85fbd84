/* SPDX-License-Identifier: MIT */
/*
 * bulk/journal_read.c - the journal's octets: how a record is made and checked, and what a file is
 * worth after a crash (journal_int.h has the format and its rules)
 */
#include "bulk/journal_int.h"

#include <errno.h>
#include <unistd.h>

#define READ_RECORDS 4096

void
lw_put_le(char *p, uint64_t value, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        p[i] = (char)(value >> (8 * i));
}

uint64_t
lw_get_le(const char *p, unsigned n)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < n; i++)
        value |= (uint64_t)(unsigned char)p[i] << (8 * i);
    return value;
}

/* ---- records ------------------------------------------------------------------------------------ */

static uint32_t
check_sum(const lw_journal *j, uint64_t at, const char *record)
{
    char place[8];
    lw_sip sip;

    lw_put_le(place, at, 8);
    lw_sip_init(&sip, j->key);
    lw_sip_add(&sip, (lw_span){ place, sizeof place });
    lw_sip_add(&sip, (lw_span){ record, 12 });
    return (uint32_t)lw_sip_end(&sip);
}

void
lw_journal_encode(const lw_journal *j, uint64_t at, lw_record r, char out[LW_JOURNAL_RECORD])
{
    out[0] = (char)r.entry.mark;
    out[1] = (char)r.entry.attempt;
    lw_put_le(out + 2, r.entry.code, 2);
    lw_put_le(out + 4, r.row, 4);
    lw_put_le(out + 8, r.entry.print, 4);
    lw_put_le(out + 12, check_sum(j, at, out), 4);
}

bool
lw_journal_decode(const lw_journal *j, uint64_t at, const char in[LW_JOURNAL_RECORD], lw_record *r)
{
    if (lw_get_le(in + 12, 4) != check_sum(j, at, in))
        return false;
    r->entry.mark = (unsigned char)in[0];
    r->entry.attempt = (unsigned char)in[1];
    r->entry.code = (uint16_t)lw_get_le(in + 2, 2);
    r->row = (uint32_t)lw_get_le(in + 4, 4);
    r->entry.print = (uint32_t)lw_get_le(in + 8, 4);
    return r->entry.mark <= LW_MARK_SYNCED &&
           (r->row != 0) == (r->entry.mark != LW_MARK_SYNCED && r->entry.mark != LW_MARK_NONE);
}

/* ---- the header ------------------------------------------------------------------------------------ */

static uint64_t
header_sum(const char *header)
{
    lw_sip sip;

    lw_sip_init(&sip, (lw_sip_key){ 0, 0 });
    lw_sip_add(&sip, (lw_span){ header, LW_JOURNAL_HEADER - 8 });
    return lw_sip_end(&sip);
}

void
lw_journal_header(const lw_identity *identity, lw_sip_key key, uint64_t now_s,
                  char out[LW_JOURNAL_HEADER])
{
    memset(out, 0, LW_JOURNAL_HEADER);
    memcpy(out, LW_JOURNAL_MAGIC, 8);
    lw_put_le(out + 8, now_s, 8);
    memcpy(out + 16, identity->mail, 16);
    memcpy(out + 32, identity->list, 16);
    lw_put_le(out + 48, key.k0, 8);
    lw_put_le(out + 56, key.k1, 8);
    lw_put_le(out + LW_JOURNAL_HEADER - 8, header_sum(out), 8);
}

/* No record can stand behind a header that was never synced.  Zeros are what a crash leaves of
 * octets that a file was extended by; anything else is somebody's file. */
bool
lw_journal_is_torn_header(const char *p, size_t n)
{
    size_t same = 0, zeros;

    while (same < n && same < 8 && p[same] == LW_JOURNAL_MAGIC[same])
        same++;
    zeros = same;
    while (zeros < n && p[zeros] == '\0')
        zeros++;
    if (zeros == n)
        return true;
    return same == 8 && (n < LW_JOURNAL_HEADER ||
                         lw_get_le(p + LW_JOURNAL_HEADER - 8, 8) != header_sum(p));
}

static lw_code
check_header(lw_journal *j, const char *h, size_t n, const lw_identity *identity, lw_error *err)
{
    const char *other = NULL;

    if (n < LW_JOURNAL_HEADER || memcmp(h, LW_JOURNAL_MAGIC, 8) != 0)
        return lw_fail(err, LW_ECONFIG, LW_STAGE_NONE, "journal %s: this file is no journal: name "
                       "another one", j->path);
    if (lw_get_le(h + LW_JOURNAL_HEADER - 8, 8) != header_sum(h))
        return lw_fail(err, LW_ECONFIG, LW_STAGE_NONE, "journal %s: its header is damaged", j->path);
    if (memcmp(h + 32, identity->list, 16) != 0)
        other = "list";
    if (memcmp(h + 16, identity->mail, 16) != 0)
        other = other == NULL ? "template (or other options of the message)" : "template and list";
    if (other != NULL)
        return lw_fail(err, LW_ECONFIG, LW_STAGE_NONE, "journal %s: it belongs to another %s: name "
                       "another journal, or go back to what it was begun with", j->path, other);
    j->key = (lw_sip_key){ lw_get_le(h + 48, 8), lw_get_le(h + 56, 8) };
    return LW_OK;
}

/* ---- the table of rows -------------------------------------------------------------------------------- */

static lw_entry *
entry_of(const lw_journal *j, uint64_t row)
{
    size_t chunk = (size_t)(row / LW_JOURNAL_CHUNK);

    if (chunk >= j->n_chunks || j->chunks[chunk] == NULL)
        return NULL;
    return &j->chunks[chunk][row % LW_JOURNAL_CHUNK];
}

static lw_entry *
make_entry(lw_journal *j, uint32_t row)
{
    size_t chunk = row / LW_JOURNAL_CHUNK;

    if (chunk >= j->n_chunks) {
        size_t n = chunk + 1 + chunk / 2;
        lw_entry **grown = lw_resize(&j->alloc, j->chunks, n * sizeof(lw_entry *));

        if (grown == NULL)
            return NULL;
        memset(grown + j->n_chunks, 0, (n - j->n_chunks) * sizeof *grown);
        j->chunks = grown;
        j->n_chunks = n;
    }
    if (j->chunks[chunk] == NULL)
        j->chunks[chunk] = lw_zalloc_array(&j->alloc, LW_JOURNAL_CHUNK, sizeof(lw_entry));
    return entry_of(j, row);
}

lw_entry
lw_journal_row(const lw_journal *j, uint64_t row)
{
    const lw_entry *e = j == NULL ? NULL : entry_of(j, row);

    return e == NULL ? (lw_entry){ .mark = LW_MARK_NONE } : *e;
}

void
lw_journal_counts(const lw_journal *j, uint64_t n[LW_MARK_SYNCED])
{
    memset(n, 0, LW_MARK_SYNCED * sizeof *n);
    for (size_t i = 0; i < j->n_chunks; i++)
        for (size_t k = 0; j->chunks[i] != NULL && k < LW_JOURNAL_CHUNK; k++)
            n[j->chunks[i][k].mark]++;
    n[LW_MARK_NONE] = 0;
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

/** Where reading stands. */
typedef struct reading {
    uint64_t at;             /* of the record looked at                    */
    uint64_t first_bad;      /* UINT64_MAX = none yet                      */
    uint64_t last_synced;    /* place of the last `synced`                 */
} reading;

static lw_code
damaged(const lw_journal *j, uint64_t at, lw_error *err)
{
    return lw_fail(err, LW_ECONFIG, LW_STAGE_NONE, "journal %s: it is damaged at octet %llu, and "
                   "not by a crash: it cannot say which rows were sent", j->path,
                   (unsigned long long)at);
}

static lw_code
take_record(lw_journal *j, const lw_record *r, uint64_t at, lw_error *err)
{
    lw_entry *e;

    if (r->row == 0)
        return LW_OK;
    if ((e = make_entry(j, r->row)) == NULL)
        return LW_ENOMEM;
    if (e->mark != LW_MARK_NONE && e->print != r->entry.print)
        return damaged(j, at, err);
    if (e->mark != LW_MARK_ACCEPTED)
        *e = r->entry;
    return LW_OK;
}

/* A hole gets a record that says nothing, so that it is no hole the next time. */
static lw_code
mend(lw_journal *j, uint64_t at, lw_error *err)
{
    char filled[LW_JOURNAL_RECORD];

    lw_journal_encode(j, at, (lw_record){ .row = 0 }, filled);
    return lw_journal_put(j, at, filled, sizeof filled, err);
}

/* The n octets at r->at, in whole records; only_look: find damage and the last `synced` before
 * anything is changed. */
static lw_code
read_records(lw_journal *j, reading *r, const char *p, size_t n, bool only_look, lw_error *err)
{
    lw_record record;
    lw_code rc = LW_OK;

    for (; n >= LW_JOURNAL_RECORD && rc == LW_OK; n -= LW_JOURNAL_RECORD) {
        bool is_good = lw_journal_decode(j, r->at, p, &record);

        if (only_look && !is_good)
            r->first_bad = r->at < r->first_bad ? r->at : r->first_bad;
        else if (only_look && record.entry.mark == LW_MARK_SYNCED)
            r->last_synced = r->at;
        else if (!only_look)
            rc = is_good ? take_record(j, &record, r->at, err) : mend(j, r->at, err);
        p += LW_JOURNAL_RECORD;
        r->at += LW_JOURNAL_RECORD;
    }
    return rc;
}

static lw_code
read_all(lw_journal *j, reading *r, bool only_look, lw_error *err)
{
    char *p = lw_malloc(&j->alloc, READ_RECORDS * LW_JOURNAL_RECORD);
    size_t have = 0;
    lw_code rc = p == NULL ? LW_ENOMEM : LW_OK;

    r->at = LW_JOURNAL_HEADER;
    while (rc == LW_OK) {
        ssize_t n = pread(j->fd, p + have, READ_RECORDS * LW_JOURNAL_RECORD - have,
                          (off_t)(r->at + have));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = lw_fail(err, LW_EOUTPUT, LW_STAGE_NONE, "journal %s: it cannot be read", j->path);
        if (n <= 0)
            break;
        have += (size_t)n;
        rc = read_records(j, r, p, have, only_look, err);
        memmove(p, p + have / LW_JOURNAL_RECORD * LW_JOURNAL_RECORD, have % LW_JOURNAL_RECORD);
        have %= LW_JOURNAL_RECORD;
    }
    lw_release(&j->alloc, p);
    return rc;
}

lw_code
lw_journal_recover(lw_journal *j, const lw_identity *identity, lw_error *err)
{
    reading r = { .first_bad = UINT64_MAX };
    char header[LW_JOURNAL_HEADER];
    ssize_t n = pread(j->fd, header, sizeof header, 0);
    lw_code rc;

    if ((rc = check_header(j, header, n < 0 ? 0 : (size_t)n, identity, err)) < 0 ||
        (rc = read_all(j, &r, true, err)) < 0)
        return rc;
    if (r.first_bad < r.last_synced)
        return damaged(j, r.first_bad, err);
    if ((rc = read_all(j, &r, false, err)) < 0)
        return rc;
    j->end = r.at; /* a torn last record is written over */
    return lw_journal_flush(j, err);
}
