/* SPDX-License-Identifier: MIT */
/* mime/scan.h - one look at a ready message (see scan.c); used by raw.c and part.c */
#ifndef LW_MIME_SCAN_H
#define LW_MIME_SCAN_H

#include "mime/mime_int.h"

typedef struct lw_scan {
    const char *label;     /* for errors                                              */
    lw_buf header;         /* with CRLF line ends and the empty line, if there was one */
    size_t line_start;     /* of the current line in header                           */
    bool in_header, after_cr, has_8bit_body;
    uint64_t line, line_len;
    uint64_t total;        /* octets fed                                              */
    uint64_t header_in;    /* of them in the header                                   */
    bool body_after_cr;    /* the header ended with a CR whose LF may still come      */
    uint64_t body_out;     /* octets of the body with CRLF line ends                  */
    uint64_t n_bare;       /* CR or LF alone                                          */
    bool has_bare_header;  /* one of them in the header, or behind it                 */
    bool ends_crlf;        /* the last octets are CRLF                                */
    size_t matched;        /* of "Content-Transfer-Encoding: bi", see look_for_binary */
    bool may_be_binary;    /* it was found                                            */
    lw_error illegal;      /* then: what only a binary part may hold                  */
} lw_scan;

void lw_scan_init(lw_scan *s, const lw_alloc *alloc, const char *label);
void lw_scan_deinit(lw_scan *s);
/** lw_scan_feed - the next octets, in any split; LW_EMESSAGE says why it cannot be sent */
LW_MUST_USE lw_code lw_scan_feed(lw_scan *s, lw_span in, lw_error *err);
LW_MUST_USE lw_code lw_scan_end(lw_scan *s, lw_error *err);

/** lw_scan_content - all of a content, opened and read once; as feed and end.  err is not NULL. */
LW_MUST_USE lw_code lw_scan_content(lw_scan *s, const lw_content *c, lw_error *err);

/** lw_scan_settle - behind lw_scan_content: does a part that is declared as binary hold what would be
 *  altered if line ends were made CRLF?  (binary.c)  Else LW_EMESSAGE if the look put that off. */
LW_MUST_USE lw_code lw_scan_settle(const lw_scan *s, const lw_content *c, bool *is_binary,
                                   lw_error *err);
/** lw_scan_read - the octets of a source in pieces, to take */
LW_MUST_USE lw_code lw_scan_read(const lw_alloc *alloc, const lw_content *c,
                                 lw_code (*take)(void *ctx, lw_span piece, lw_error *err), void *ctx,
                                 lw_error *err);

/** One header field as it stands, with its folds and line end. */
typedef struct lw_scan_line {
    lw_span whole, name, value;
} lw_scan_line;
/** lw_scan_field - the next field of a scanned header, moved out of *rest */
bool lw_scan_field(lw_span *rest, lw_scan_line *field);

#endif
