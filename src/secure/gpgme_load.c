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
#include <dlfcn.h>
#include <pthread.h>
#include <time.h>

lw_secure_gpgme_table lw_secure_gpgme;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *problem = "libgpgme.so.11 is not installed or too old";

static void
initialise(void)
{
    struct sigaction before;
    bool has_before = sigaction(SIGPIPE, NULL, &before) == 0;

    if (lw_secure_gpgme.gpgme_check_version_internal(
            "1.14.0", offsetof(struct _gpgme_signature, validity)) == NULL)
        problem = "libgpgme.so.11 is older than 1.14";
    else if (lw_secure_gpgme.gpgme_engine_check_version(GPGME_PROTOCOL_OpenPGP) != 0)
        problem = "the program gpg is not installed";
    else
        problem = NULL;
    if (has_before)
        sigaction(SIGPIPE, &before, NULL);
}

static void
load(void)
{
    void *library = dlopen("libgpgme.so.11", RTLD_NOW | RTLD_LOCAL);

    if (library == NULL)
        return;
#define FIND(name)                                                                       \
    lw_secure_gpgme.name = (__typeof__(lw_secure_gpgme.name))dlsym(library, #name);      \
    if (lw_secure_gpgme.name == NULL)                                                    \
        return;
    LW_SECURE_GPGME_FUNCTIONS(FIND)
#undef FIND
    initialise();
}

lw_code
lw_pgp_available(lw_error *err)
{
    if (pthread_once(&once, load) == 0 && problem == NULL)
        return LW_OK;
    return lw_secure_fail(err, LW_ECONFIG, "pgp: OpenPGP needs GPGME and gpg, and %s", problem);
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
