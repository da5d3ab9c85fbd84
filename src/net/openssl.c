/* SPDX-License-Identifier: MIT */
/*
 * net/openssl.c - finds OpenSSL when TLS is first needed, and never lets it go
 *
 * Loading it takes longer than all the rest of sending a message in clear: twenty thousand
 * relocations.  Whoever makes the first context calls lw_openssl_load(); all that uses OpenSSL
 * has a context.  A failure is not remembered: a process that is out of descriptors for a moment
 * must not be without TLS for the rest of its life.
 */
#define LW_LATE_TABLE_ONLY
#include "net/net_int.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/opensslv.h>
#include <pthread.h>
#include <unistd.h>

#define TEXT_OF(x) #x
#define LIBRARY(version) "libssl.so." TEXT_OF(version)

lw_net_openssl_table lw_net_openssl;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_loaded; /* under lock */

/* All functions or none; false: dlerror() says why not. */
static bool
load(void)
{
    /* What libssl needs is searched too: the functions of libcrypto are found. */
    void *library = dlopen(LIBRARY(OPENSSL_SHLIB_VERSION), RTLD_NOW | RTLD_LOCAL);
    lw_net_openssl_table found;

    if (library == NULL)
        return false;
#define FIND(name)                                                                       \
    found.name = (__typeof__(found.name))dlsym(library, #name);                          \
    if (found.name == NULL)                                                              \
        return false;
    LW_NET_OPENSSL_FUNCTIONS(FIND)
#undef FIND
    lw_net_openssl = found;
    return true;
}

/* EMFILE or ENFILE if no file can be opened at present, else 0: dlopen() keeps it to itself. */
static int
lacks_descriptors(void)
{
    int fd = open("/", O_PATH | O_CLOEXEC), os_err = fd < 0 ? errno : 0;

    if (fd >= 0)
        close(fd);
    return os_err == EMFILE || os_err == ENFILE ? os_err : 0;
}

static lw_code
not_loaded(lw_error *err)
{
    const char *reason = dlerror();
    int os_err = lacks_descriptors();

    if (os_err == 0)
        return lw_fail(err, LW_ECONFIG, LW_STAGE_TLS, "TLS needs OpenSSL, and %s is not installed "
                       "or too old (%s)", LIBRARY(OPENSSL_SHLIB_VERSION),
                       reason == NULL ? "no reason given" : reason);
    lw_fail(err, LW_ENOMEM, LW_STAGE_TLS, "TLS needs OpenSSL, and %s cannot be opened: no file "
            "descriptor is free", LIBRARY(OPENSSL_SHLIB_VERSION));
    if (err != NULL) {
        err->retry = LW_RETRY_LATER;
        err->os_err = os_err;
    }
    return LW_ENOMEM;
}

lw_code
lw_openssl_load(lw_error *err)
{
    lw_code rc = LW_OK;

    pthread_mutex_lock(&lock);
    if (!is_loaded && !(is_loaded = load()))
        rc = not_loaded(err);
    pthread_mutex_unlock(&lock);
    return rc;
}
