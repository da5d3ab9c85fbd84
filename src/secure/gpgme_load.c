/* SPDX-License-Identifier: MIT */
/*
 * secure/gpgme_load.c - finds GPGME when OpenPGP is first chosen, and never lets it go
 *
 * GPGME runs the program gpg.  It ignores SIGPIPE for the whole process once it is initialised; that
 * is for the program to decide and not for a library, so it is put back, and the signal is held off in
 * the calling thread while gpg is written to.
 */
#define LW_LATE_TABLE_ONLY
#include <signal.h>

#include "secure/pgp_int.h"

#ifdef LW_HAVE_GPGME
#include "late/late.h"

#include <pthread.h>
#include <time.h>

#define NAME(name) #name,

lw_secure_gpgme_table lw_secure_gpgme;

static const char *
initialise(void)
{
    struct sigaction before;
    bool has_before = sigaction(SIGPIPE, NULL, &before) == 0;
    const char *problem = NULL;

    if (lw_secure_gpgme.gpgme_check_version_internal(
            "1.14.0", offsetof(struct _gpgme_signature, validity)) == NULL)
        problem = "libgpgme.so.11 is older than 1.14";
    else if (lw_secure_gpgme.gpgme_engine_check_version(GPGME_PROTOCOL_OpenPGP) != 0)
        problem = "the program gpg is not installed";
    if (has_before)
        sigaction(SIGPIPE, &before, NULL);
    return problem;
}

static const char *const names[] = { LW_SECURE_GPGME_FUNCTIONS(NAME) };
static lw_late library = { LW_LATE("libgpgme.so.11", names, lw_secure_gpgme),
                           .problem = initialise };

lw_code
lw_pgp_available(lw_error *err)
{
    return lw_late_load(&library, LW_STAGE_COMPOSE, "pgp: OpenPGP needs GPGME and gpg", err);
}

/* ---- SIGPIPE -------------------------------------------------------------------------------------- */

void
lw_sigpipe_hold(lw_no_sigpipe *n)
{
    sigset_t pipe_only, pending;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigpending(&pending);
    n->was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_only, &n->before);
}

void
lw_sigpipe_release(const lw_no_sigpipe *n)
{
    static const struct timespec now = { 0, 0 };
    sigset_t pipe_only;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    if (!n->was_pending)
        sigtimedwait(&pipe_only, NULL, &now); /* takes ours away, if there is one */
    pthread_sigmask(SIG_SETMASK, &n->before, NULL);
}

#else

lw_code
lw_pgp_available(lw_error *err)
{
    return lw_secure_fail(err, LW_ECONFIG, "pgp: this library was built without OpenPGP (GPGME)");
}

#endif
