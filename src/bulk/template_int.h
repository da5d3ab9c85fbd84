/* SPDX-License-Identifier: MIT */
/*
 * bulk/template_int.h - a template as its compiler leaves it and its renderer takes it
 *
 * A flat program: text, values, and jumps over sections.  Rows have no lists, so that nothing
 * loops and nothing recurs: rendering runs through the program once, forwards.
 */
#ifndef LW_BULK_TEMPLATE_INT_H
#define LW_BULK_TEMPLATE_INT_H

#include <letterwing/bulk.h>

#include "base/base.h"

typedef enum lw_template_op_kind {
    LW_OP_TEXT,    /* octets of the template             */
    LW_OP_VALUE,   /* of a field, escaped                */
    LW_OP_RAW,     /* of a field, as it is               */
    LW_OP_IF,      /* jump to `to` if the field is empty */
    LW_OP_UNLESS   /* jump to `to` if it is not          */
} lw_template_op_kind;

typedef struct lw_template_op {
    lw_template_op_kind kind;
    unsigned field;       /* all but TEXT                          */
    size_t at, len;       /* TEXT: in the template's own text      */
    size_t to;            /* IF, UNLESS: index of an op, forwards  */
} lw_template_op;

typedef struct lw_template_slot {
    lw_template_field field;
    size_t column;        /* of the rows, once bound               */
} lw_template_slot;

struct lw_template {
    lw_alloc alloc;
    char *name;
    lw_template_escape escape;
    char *text;           /* what was compiled                     */
    size_t text_len;
    lw_template_op *ops;
    size_t n_ops, cap_ops;
    lw_template_slot *slots;
    size_t n_slots, cap_slots;
    bool is_bound;
    lw_buf out;
};

#endif
