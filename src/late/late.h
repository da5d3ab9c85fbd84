/* SPDX-License-Identifier: MIT */
/*
 * late/late.h - libraries that are bound when they are first needed
 *
 * Loading OpenSSL takes longer than all the rest of sending a message in clear, and most programs
 * never use SCRAM, Markdown or OpenPGP: whoever needs such a library asks for it here, and is told
 * in one sentence when it is not to be had.
 */
#ifndef LW_LATE_LATE_H
#define LW_LATE_LATE_H

#include "base/base.h"

/** A library, its functions by name, and where their addresses go.  One static object a library. */
typedef struct lw_late {
    const char *library;      /* "libssl.so.3"                                              */
    const char *const *names; /* n names                                                    */
    void *table;              /* a struct of n function pointers, in this order             */
    size_t n;
    /* called once they are bound: what makes the library unfit, NULL = nothing.  May be NULL */
    const char *(*problem)(void);
    bool is_loaded;           /* late.c's own */
} lw_late;

/** LW_LATE - an initialiser; further members may follow behind it.  Does not compile where there is
 *  not a name for each pointer */
#define LW_LATE(library_, names_, table_)                                                \
    .library = library_, .names = names_, .table = &(table_),                            \
    .n = sizeof(table_) / sizeof(char[sizeof(table_) == LW_COUNT(names_) * sizeof(void *)  \
                                          ? sizeof(void *) : -1])

/**
 * lw_late_load - have the library's functions; it is never let go again
 *
 * @stage  of the error
 * @what   the beginning of the sentence: "TLS needs OpenSSL"
 *
 * LW_OK; LW_ECONFIG: it is not there, too old, or unfit; LW_ENOMEM: no descriptor is free (retry
 * later).  After a failure the table is as it was, and the next call tries again: a process that is
 * out of descriptors for a moment must not be without TLS for the rest of its life.  From any
 * thread.
 */
LW_MUST_USE lw_code lw_late_load(lw_late *l, lw_stage stage, const char *what, lw_error *err);

#endif
