/* SPDX-License-Identifier: MIT */
/*
 * smtp/pump.h - a body on its way out: line ends made CRLF, dots stuffed, nothing copied
 *
 * Spans are pulled from an lw_body and cut into pieces: runs that go out as they stand, and
 * literals that stand between them.
 */
#ifndef LW_SMTP_PUMP_H
#define LW_SMTP_PUMP_H

#include <letterwing/smtp.h>

#include "base/base.h"

typedef struct lw_pump {
    lw_body *body;
    lw_span rest;      /* of the span pulled last                                      */
    bool is_last;      /* rest is the end of the body                                  */
    bool keep;         /* change nothing: BINARYMIME                                   */
    bool stuff;        /* DATA: a dot at the start of a line is doubled                */
    bool at_bol;       /* the next octet begins a line                                 */
    bool skip_lf;      /* a CR went out as CRLF: drop the LF that may follow           */
} lw_pump;

void lw_pump_init(lw_pump *p, lw_body *body, bool stuff, bool keep);
/** lw_pump_pull - the next span into rest (rest must be used up).  LW_OK, or the body's failure;
 *  LW_ESOURCE for a body that answers without giving anything */
LW_MUST_USE lw_code lw_pump_pull(lw_pump *p);
/** lw_pump_piece - the next run and the literal behind it; both may be empty.  False: rest is used
 *  up (after the last span, a missing line end has been given as a literal) */
bool lw_pump_piece(lw_pump *p, lw_span *run, lw_span *literal);
/** lw_pump_length - octets that the pieces of rest will have, without moving on */
uint64_t lw_pump_length(const lw_pump *p);

#endif
