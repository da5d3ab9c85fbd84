/* SPDX-License-Identifier: MIT */
/* bulk/tally_int.h - sums over a campaign: tally.c gathers them, page.c draws them */
#ifndef LW_BULK_TALLY_INT_H
#define LW_BULK_TALLY_INT_H

#include "bulk/bulk_int.h"

#define LW_TALLY_DOMAINS 4096
#define LW_TALLY_SLOTS 8192      /* a table at most half full */
#define LW_TALLY_REFUSALS 256
#define LW_TALLY_TEXT 200
#define LW_TALLY_POINTS 240      /* of the rate; when they are used up, each holds twice as long */
#define LW_TALLY_STEPS 8         /* of latency, in each doubling      */
#define LW_TALLY_DOUBLINGS 32    /* from 1 microsecond to 71 minutes  */
#define LW_TALLY_BUCKETS (LW_TALLY_STEPS * LW_TALLY_DOUBLINGS)

typedef struct lw_tally_slot {
    char name[LW_TALLY_TEXT];
    lw_tally_counts counts;
} lw_tally_slot;

typedef struct lw_tally_text {
    char text[LW_TALLY_TEXT];
    int code;
    uint64_t n;
} lw_tally_text;

struct lw_tally {
    lw_alloc alloc;
    lw_tally_slot domains[LW_TALLY_DOMAINS + 1]; /* the last: others */
    size_t n_domains;
    uint16_t table[LW_TALLY_SLOTS];              /* 1 + index        */
    lw_tally_text refusals[LW_TALLY_REFUSALS + 1];
    size_t n_refusals;
    uint64_t accepted[LW_TALLY_POINTS], failed[LW_TALLY_POINTS];
    double point_s;
    size_t n_points;
    uint64_t latency[LW_TALLY_BUCKETS];
    uint64_t n_latencies;
};

/** lw_tally_bucket_s - where a bucket of latencies begins */
double lw_tally_bucket_s(size_t bucket);

#endif
