/* SPDX-License-Identifier: MIT */
/*
 * bulk/journal_int.h - the journal's file, octet by octet
 *
 * Numbers are little-endian.  A header of 128 octets, then records of 16; nothing else.
 *
 *   header   0   8  "LWBULK1\n"
 *            8   8  seconds since 1970 when it was made
 *           16  16  identity of what is sent (templates and the options that shape messages)
 *           32  16  identity of the list; all zero = it came from a pipe
 *           48  16  key of the check sums below, random
 *           64  56  zero
 *          120   8  SipHash-2-4 of octets 0..119, key zero
 *
 *   record   0   1  mark: 0 none, 1 offered, 2 accepted, 3 rejected, 4 deferred, 5 unsent,
 *                   6 uncertain, 7 synced
 *            1   1  attempt: 1 for the first
 *            2   2  code of the reply, 0 = none
 *            4   4  number of the row, from 1; 0 for `synced`
 *            8   4  print: low 32 bits of SipHash-2-4 of the row's values
 *           12   4  low 32 bits of SipHash-2-4 of the record's place in the file (8 octets) and
 *                   its octets 0..11, with the header's key
 *
 * The rules that make it safe:
 *
 *   - `offered` is written and synced before the row's message is given to a connection.
 *   - An outcome is written as soon as it is known, and synced with the next group.
 *   - After a sync the next group begins with `synced`: all before it is on the disk for good.
 *   - What a crash can harm is therefore only what lies behind the last `synced`: missing
 *     records, at the end or between others, because a disk may write in any order.  Such holes
 *     are filled with mark 0 when the file is read.  A bad record before the last `synced` is
 *     damage of another kind, and the journal is refused.
 *   - `accepted` is never taken back.  For any other mark the last record of a row counts.
 *   - A row whose last mark is `offered` was on its way when the process ended: it is uncertain.
 *     It may have been accepted, or not even begun; all that were handed to the pool and have
 *     no outcome are such rows: that is the window.
 */
#ifndef LW_BULK_JOURNAL_INT_H
#define LW_BULK_JOURNAL_INT_H

#include "bulk/bulk_int.h"

#define LW_JOURNAL_HEADER 128
#define LW_JOURNAL_RECORD 16
#define LW_JOURNAL_CHUNK 4096 /* rows; a chunk of the table is made when one of them occurs */

struct lw_journal {
    lw_alloc alloc;
    char *path;
    int fd;
    lw_sip_key key;
    uint64_t end;             /* where the next record goes             */
    uint64_t reserved;        /* disk space up to here is ours          */
    char *wait;               /* records that are not written yet       */
    size_t wait_len, wait_cap;
    bool is_synced;           /* the next record goes behind `synced`   */
    bool has_failed;          /* a sync failed: nothing can be promised */
    lw_entry **chunks;        /* by row / LW_JOURNAL_CHUNK; NULL = none */
    size_t n_chunks;
};

/** A record taken apart. */
typedef struct lw_record {
    uint32_t row;
    lw_entry entry;
} lw_record;

void lw_journal_encode(const lw_journal *j, uint64_t at, lw_record r, char out[LW_JOURNAL_RECORD]);
bool lw_journal_decode(const lw_journal *j, uint64_t at, const char in[LW_JOURNAL_RECORD],
                       lw_record *r);
/** lw_journal_recover - read a file that has a header: fills table and end, mends holes */
LW_MUST_USE lw_code lw_journal_recover(lw_journal *j, const lw_identity *identity, lw_error *err);
/** lw_journal_is_torn_header - n octets are a header that a crash left half-written */
bool lw_journal_is_torn_header(const char *p, size_t n);
/** lw_journal_put - n octets at a place; LW_OK, LW_EOUTPUT */
LW_MUST_USE lw_code lw_journal_put(lw_journal *j, uint64_t at, const char *p, size_t n,
                                   lw_error *err);
LW_MUST_USE lw_code lw_journal_flush(lw_journal *j, lw_error *err);
/** lw_journal_header - the header of a new journal */
void lw_journal_header(const lw_identity *identity, lw_sip_key key, uint64_t now_s,
                       char out[LW_JOURNAL_HEADER]);

#define LW_JOURNAL_MAGIC "LWBULK1\n"

void lw_put_le(char *p, uint64_t value, unsigned n);
uint64_t lw_get_le(const char *p, unsigned n);

#endif
