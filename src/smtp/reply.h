/* SPDX-License-Identifier: MIT */
/*
 * smtp/reply.h - replies read from any split of bytes, within bounds
 */
#ifndef LW_SMTP_REPLY_H
#define LW_SMTP_REPLY_H

#include <letterwing/base.h>

#include "base/base.h"

#define LW_REPLY_MAX_LINES 1000

/** The reply being read.  buf holds the text of the lines so far, then the octets of a line
 *  that has not ended yet. */
typedef struct lw_reply_parser {
    char *buf;
    size_t cap;       /* of buf: text, line under way and all                             */
    size_t begin;     /* of the text: behind the codes of the first line                  */
    size_t len;       /* where the text so far ends, lines joined with '\n'               */
    size_t partial;   /* octets of the unfinished line, at buf + len                      */
    size_t most;      /* of buf that was ever written to                                  */
    bool is_complete; /* reply is valid; the next feed begins a new one                   */
    lw_reply reply;
} lw_reply_parser;

void lw_reply_parser_init(lw_reply_parser *p, char *buf, size_t cap);

/**
 * lw_reply_feed - read on
 *
 * @used  out: octets consumed; never more than the end of the first complete reply
 * LW_OK      p->reply is complete; its text lies in p->buf until the next call
 * LW_AGAIN   all consumed, the reply has not ended
 * LW_EPROTO  a line that is no reply line, or lines that contradict each other; err says which
 * LW_ELIMIT  more than cap octets or LW_REPLY_MAX_LINES lines
 *
 * What is taken, strictly and not: a line ends with LF, a CR before it is removed (bare LF is
 * taken); text is any octet; a line may hold the code alone; lines of one reply may differ in
 * the code's last two digits, then the last line's code counts, but not in the first digit.
 * Source: RFC 5321 4.2, 4.2.1; RFC 3463 2 (enhanced codes).
 */
LW_MUST_USE lw_code lw_reply_feed(lw_reply_parser *p, lw_span in, size_t *used, lw_error *err);

#endif
