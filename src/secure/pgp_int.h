/* SPDX-License-Identifier: MIT */
/* secure/pgp_int.h - GPGME through dlopen: its header when building, the library when chosen */
#ifndef LW_SECURE_PGP_INT_H
#define LW_SECURE_PGP_INT_H

#include "secure/secure_int.h"

#ifdef LW_HAVE_GPGME
#include "secure/gpgme_late.h"

/** SIGPIPE kept from this thread: gpg may end before it has read all. */
typedef struct lw_no_sigpipe {
    sigset_t before;
    bool was_pending;
} lw_no_sigpipe;
void lw_sigpipe_hold(lw_no_sigpipe *n);
void lw_sigpipe_release(const lw_no_sigpipe *n);
#endif
#endif
