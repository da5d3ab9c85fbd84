/* SPDX-License-Identifier: MIT */
/* mime/bounce_int.h - delivery reports: bounce.c (which part is what), bounce_field.c (its fields) */
#ifndef LW_MIME_BOUNCE_INT_H
#define LW_MIME_BOUNCE_INT_H

#include <letterwing/bounce.h>

#include "mime/read_int.h"

typedef enum lw_bounce_place {
    LW_IN_NOTHING,
    LW_IN_STATUS,  /* the machine-readable part     */
    LW_IN_ORIGINAL /* the message that came back    */
} lw_bounce_place;

struct lw_bounce {
    lw_alloc alloc;
    lw_arena arena;           /* of all that the report points to         */
    lw_bounce_opts opts;
    lw_code failed;           /* sticks */
    lw_reader *outer, *inner; /* inner: of the part named by place, else NULL */
    lw_bounce_place place;
    bool has_status, has_original;
    lw_bounce_report report;
    size_t cap_rcpts;
    bool in_rcpt;             /* the last recipient's group has not ended */
    size_t n_bytes;           /* of its texts                             */
};

/** lw_bounce_field - a field of the machine-readable part; lw_bounce_original - one of the header
 *  that came back */
void lw_bounce_field(lw_bounce *b, const lw_read_event *ev);
void lw_bounce_original(lw_bounce *b, const lw_read_event *ev);
/** lw_bounce_keep - s as the report's; the first value of a slot counts */
void lw_bounce_keep(lw_bounce *b, const char **slot, lw_span s);

#endif
