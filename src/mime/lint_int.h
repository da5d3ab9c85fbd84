/* SPDX-License-Identifier: MIT */
/*
 * mime/lint_int.h - the linter: lint.c (events in, findings out), lint_header.c (fields),
 * lint_list.c (unsubscribing), lint_dkim.c (signatures that are there), lint_body.c (parts)
 */
#ifndef LW_MIME_LINT_INT_H
#define LW_MIME_LINT_INT_H

#include <letterwing/lint.h>

#include "mime/read_int.h"

#define LW_LINT_ONCE 16 /* fields that stand once: lint_header.c */
#define LW_LINT_SIGNATURES 16 /* more are not looked at */

/** A DKIM signature, as far as it matters here. */
typedef struct lw_lint_signature {
    char *domain;
    bool covers_list, covers_post;
} lw_lint_signature;

struct lw_lint {
    lw_alloc alloc;
    lw_arena arena; /* of the findings, and of what is remembered */
    lw_lint_opts opts;
    lw_code failed; /* sticks */
    lw_reader *reader;
    lw_lint_finding *findings;
    size_t n_findings, cap_findings;
    size_t n_by_severity[3], n_dropped;
    uint64_t line; /* of the event that is being looked at */
    size_t part;

    /* the header of the message */
    unsigned n_once[LW_LINT_ONCE];
    bool has_mime_field, has_sender;
    size_t n_from;
    char *from_domain; /* of the first From mailbox */
    bool has_unsubscribe, unsubscribe_ok, has_https, has_mailto, has_post;
    uint64_t unsubscribe_line, post_line;
    lw_lint_signature signatures[LW_LINT_SIGNATURES];
    size_t n_signatures;

    /* the bodies */
    bool has_text, has_html, has_other, has_octets;
    uint64_t body_line; /* where the body begins: its octets come in any pieces */
    uint64_t html_line;
    size_t html_part;
    bool checks_utf8, is_declared, told_charset; /* of the part that is being read */
    unsigned utf8_need;             /* octets that the character still wants */
    unsigned char utf8_low, utf8_high;
};

/** lw_lint_add - a finding at l->line and l->part; header may be empty */
void lw_lint_add(lw_lint *l, lw_lint_id id, lw_span header, const char *fmt, ...) LW_PRINTF(4, 5);
/** lw_lint_add_whole - the same about the message as a whole */
void lw_lint_add_whole(lw_lint *l, lw_lint_id id, const char *fmt, ...) LW_PRINTF(3, 4);
void lw_lint_no_memory(lw_lint *l);

void lw_lint_field(lw_lint *l, const lw_read_event *ev);
/** lw_lint_header_end - what only the whole header tells */
void lw_lint_header_end(lw_lint *l);
void lw_lint_unsubscribe(lw_lint *l, const lw_read_event *ev);
void lw_lint_one_click(lw_lint *l, const lw_read_event *ev);
void lw_lint_list_end(lw_lint *l);
void lw_lint_signature_field(lw_lint *l, const lw_read_event *ev);
void lw_lint_alignment(lw_lint *l);
void lw_lint_content(lw_lint *l, const lw_read_part *p);
void lw_lint_octets(lw_lint *l, lw_span s);
void lw_lint_part_end(lw_lint *l, const lw_read_part *p);
void lw_lint_bodies_end(lw_lint *l);

#endif
