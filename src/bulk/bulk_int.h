/* SPDX-License-Identifier: MIT */
/*
 * bulk/bulk_int.h - the bulk room from inside
 *
 *   siphash.c    a keyed hash: identities, check sums, addresses
 *   seen.c       which addresses were there already, in a few octets each
 *   journal.c    what was offered and what became of it, on disk
 *   journal_read.c  the same after a crash
 *   template.c, template_render.c, csv.c, mailing.c: see letterwing/bulk.h
 *   campaign.c   the loop: rows out, answers in
 *   campaign_rows.c  which row is next, and whether it may be sent
 *   campaign_answers.c  what became of it; what is tried again
 */
#ifndef LW_BULK_BULK_INT_H
#define LW_BULK_BULK_INT_H

#include <letterwing/bulk.h>

#include "base/base.h"

/* ---- a keyed hash ------------------------------------------------------------------------ */

typedef struct lw_sip_key {
    uint64_t k0, k1;
} lw_sip_key;

/** SipHash-2-4 of octets that come in pieces. */
typedef struct lw_sip {
    uint64_t v0, v1, v2, v3;
    uint64_t tail;     /* octets that make no word yet */
    uint64_t len;
    bool is_128;
} lw_sip;

void lw_sip_init(lw_sip *s, lw_sip_key key);
/** lw_sip_init_128 - for lw_sip_end_128 */
void lw_sip_init_128(lw_sip *s, lw_sip_key key);
void lw_sip_add(lw_sip *s, lw_span octets);
/** lw_sip_add_framed - with the length before it, so that no two sequences are the same */
void lw_sip_add_framed(lw_sip *s, lw_span octets);
uint64_t lw_sip_end(lw_sip *s);
void lw_sip_end_128(lw_sip *s, unsigned char out[16]);

/* ---- addresses seen ------------------------------------------------------------------------ */

struct lw_seen {
    lw_alloc alloc;
    lw_sip_key key;    /* nobody who writes a list knows it */
    uint64_t *slots;   /* 0 = free */
    size_t n, cap;     /* cap is 0 or a power of two */
};

/** lw_row_print - a hash of a row's values */
uint64_t lw_row_print(const lw_row *row);

/* ---- journal --------------------------------------------------------------------------------- */

typedef enum lw_mark {
    LW_MARK_NONE,      /* nothing is known of this row; on disk: a hole that was filled       */
    LW_MARK_OFFERED,   /* written and synced before the end of its data can leave             */
    LW_MARK_ACCEPTED,
    LW_MARK_REJECTED,
    LW_MARK_DEFERRED,
    LW_MARK_UNSENT,
    LW_MARK_UNCERTAIN,
    LW_MARK_SYNCED     /* of no row: all before it was synced before it was written           */
} lw_mark;

/** What the journal knows of a row. */
typedef struct lw_entry {
    uint32_t print;    /* of the row's content     */
    uint16_t code;     /* of the reply; 0 = none   */
    unsigned char mark;
    unsigned char attempt;
} lw_entry;

#define LW_JOURNAL_MAX_ROW UINT32_MAX

/** What a journal belongs to. */
typedef struct lw_identity {
    unsigned char mail[16]; /* templates and the options that shape messages    */
    unsigned char list[16]; /* the list's octets; all zero = it was not known   */
} lw_identity;

typedef struct lw_journal lw_journal;

/**
 * lw_journal_open - make the file, or read what it holds
 *
 * LW_OK; LW_ECONFIG: it is another campaign's, no journal, damaged, or used by another process;
 * LW_EOUTPUT: it cannot be opened, read or written; LW_ENOMEM.  err has the sentence.
 */
LW_MUST_USE lw_code lw_journal_open(const char *path, const lw_identity *identity,
                                    const lw_alloc *alloc, lw_journal **out, lw_error *err);
/** lw_journal_close - writes what waits; the result of that.  NULL is fine. */
lw_code lw_journal_close(lw_journal *j, lw_error *err);
/** lw_journal_row - what was known of a row when the journal was opened */
lw_entry lw_journal_row(const lw_journal *j, uint64_t row);
/** lw_journal_counts - rows by mark when the journal was opened; n holds LW_MARK_SYNCED numbers */
void lw_journal_counts(const lw_journal *j, uint64_t n[LW_MARK_SYNCED]);
/** lw_journal_reserve - disk space for n more records, so that outcomes can be written whatever
 *  happens.  LW_OK; LW_EOUTPUT: the disk is full */
LW_MUST_USE lw_code lw_journal_reserve(lw_journal *j, size_t n, lw_error *err);
/** lw_journal_add - a record; it waits until write, sync or close.  LW_OK, LW_ENOMEM */
LW_MUST_USE lw_code lw_journal_add(lw_journal *j, uint64_t row, lw_entry entry);
/** lw_journal_write - give what waits to the system: a killed process does not lose it */
LW_MUST_USE lw_code lw_journal_write(lw_journal *j, lw_error *err);
/** lw_journal_drop - forget what waits, as far as it was not written: it did not come true */
void lw_journal_drop(lw_journal *j);
/** lw_journal_sync - and to the disk: power loss does not */
LW_MUST_USE lw_code lw_journal_sync(lw_journal *j, lw_error *err);

/** lw_list_columns - the columns of a list for a sentence: "email, name"; the first ones where there are
 *  many */
#define LW_COLUMNS_SHOWN 300
void lw_list_columns(char list[LW_COLUMNS_SHOWN], const char *const *names, size_t n);

#endif
