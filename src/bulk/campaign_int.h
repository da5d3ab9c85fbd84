/* SPDX-License-Identifier: MIT */
/*
 * bulk/campaign_int.h - a campaign from inside
 *
 * A row that is read and may be sent gets a slot.  Slots are filled until half of the window is
 * free no longer, then written to the journal and synced together, then given to the pool, which
 * answers through lw_pool_next().  A slot whose row is to be tried again keeps the row's values
 * and waits in the queue of its attempt; all rows of one queue wait equally long, so that each
 * queue is in order of time.
 *
 * With a limit, rows that an earlier run tried and that have no end yet go behind those that no
 * run has tried: they are put aside as they are met, and have their turn when the list is
 * through.  Else the same deferred rows at its head would use up the limit of each run.
 */
#ifndef LW_BULK_CAMPAIGN_INT_H
#define LW_BULK_CAMPAIGN_INT_H

#include "bulk/bulk_int.h"

#define LW_CAMPAIGN_RETRIES 8
#define LW_CAMPAIGN_WINDOW 64
#define LW_CAMPAIGN_RETRY_BYTES ((size_t)64 << 20)

typedef struct lw_slot {
    struct lw_slot *next;     /* free, or waiting                                */
    uint64_t number, line;
    uint64_t print;
    unsigned attempt;         /* 1 for the first                                 */
    lw_message *message;      /* composed, not yet the pool's                    */
    uint64_t due_ms;          /* waiting: when                                   */
    lw_outcome outcome;       /* waiting: of its last attempt; and what was said */
    int code;
    lw_enhanced enhanced;
    lw_span *values;          /* the row: array and octets in one block          */
    size_t n_values, bytes;
    lw_span address;          /* in values                                       */
} lw_slot;

typedef struct lw_slots {
    lw_slot *first, *last;
} lw_slots;

struct lw_campaign {
    lw_alloc alloc;
    lw_campaign_opts opts;
    uint64_t retry_ms[LW_CAMPAIGN_RETRIES];
    lw_journal *journal;      /* NULL = none                                     */
    lw_seen *seen;
    lw_slot **batch;          /* filled, not yet offered: window of them         */
    size_t n_batch;
    lw_slots queues[LW_CAMPAIGN_RETRIES]; /* by attempts made - 1                */
    size_t waiting_bytes;
    lw_campaign_counts counts;
    uint64_t n_offered;       /* rows that were taken for this run: opts.limit   */
    lw_slots aside;           /* with a limit: rows that an earlier run tried    */
    uint64_t n_aside;
    size_t aside_bytes;
    uint64_t n_unsent_in_row; /* answers in a row that say that nothing left     */
    lw_error unsent_why;      /* of the last of them; code LW_OK = there was none */
    lw_code rows_say;         /* LW_OK: go on; LW_AGAIN: none now; LW_DONE: none */
    bool is_stopped;
    lw_code failed;           /* why it cannot go on                             */
    lw_error failure;
};

/** lw_campaign_next_row - the next row, in a slot of the batch: LW_OK; LW_AGAIN: it is not sent;
 *  LW_DONE: there is none, or none now; negative: the campaign ends */
LW_MUST_USE lw_code lw_campaign_next_row(lw_campaign *c);
/** lw_campaign_has_rows - opts.limit has not ended, and neither the list or what was put aside */
bool lw_campaign_has_rows(const lw_campaign *c);
/** lw_campaign_answer - a completion of the pool */
LW_MUST_USE lw_code lw_campaign_answer(lw_campaign *c, const lw_completion *done);
/** lw_campaign_refused - the pool did not take the slot's message: this row is bad */
LW_MUST_USE lw_code lw_campaign_refused(lw_campaign *c, lw_slot *s, const lw_error *why);
/** lw_campaign_fail - remember why it cannot go on, the first time; returns code */
lw_code lw_campaign_fail(lw_campaign *c, lw_code code, const lw_error *why);
void lw_campaign_tell(lw_campaign *c, const lw_row_event *ev);
/** lw_campaign_due - a slot whose time has come, out of its queue; NULL = none */
lw_slot *lw_campaign_due(lw_campaign *c, uint64_t now_ms);
/** lw_campaign_put_back - it was not offered after all, and waits as before */
void lw_campaign_put_back(lw_campaign *c, lw_slot *s);
/** lw_campaign_next_due - when the next one is; UINT64_MAX = none waits */
uint64_t lw_campaign_next_due(const lw_campaign *c);
/** lw_campaign_end - nothing is in flight, no row will be offered: what still waits to be tried
 *  again is told as it stands, and whether the server is the reason is judged; once more is fine */
void lw_campaign_end(lw_campaign *c);
lw_row lw_slot_row(const lw_slot *s);
void lw_slot_free(lw_campaign *c, lw_slot *s);
void lw_campaign_free_aside(lw_campaign *c);
uint64_t lw_campaign_now_ns(void);

#endif
