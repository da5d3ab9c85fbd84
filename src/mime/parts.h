/* SPDX-License-Identifier: MIT */
/* mime/parts.h - what parts.c (structure) and part.c (one attachment) share */
#ifndef LW_MIME_PARTS_H
#define LW_MIME_PARTS_H

#include "mime/mime_int.h"

#define LW_LEVELS_MAX 3

/** The multiparts that are open, and the random part that their boundaries share. */
typedef struct lw_composer {
    lw_rendering *r;
    lw_buf *b;
    const lw_text *text;          /* the plain text: given, flowed, or made from the HTML */
    bool is_flowed;
    char token[LW_TOKEN_LEN + 1];
    unsigned n_made;              /* each boundary gets its own number */
    unsigned open[LW_LEVELS_MAX];
    unsigned depth;
} lw_composer;

/** lw_parts_use - a part leaves in this encoding: the envelope has to say so */
void lw_parts_use(lw_rendering *r, lw_encoding e);
/** lw_parts_attached - header and octets of what is attached; facts are found out once */
LW_MUST_USE lw_code lw_parts_attached(lw_composer *c, const lw_attached *a, lw_part_facts *facts,
                                      lw_error *err);

#endif
