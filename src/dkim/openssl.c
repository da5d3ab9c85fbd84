/* SPDX-License-Identifier: MIT */
/*
 * dkim/openssl.c - finds OpenSSL when a key or a hash is first needed, and never lets it go
 *
 * See net/openssl.c for why, and why a failure is not remembered.  Whoever makes a key or a hash
 * calls lw_dkim_openssl_load(); all that uses OpenSSL has one of them.
 */
#define LW_LATE_TABLE_ONLY
#include "dkim/dkim_int.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/opensslv.h>
#include <pthread.h>
#include <unistd.h>

#define TEXT_OF(x) #x
#define LIBRARY(version) "libcrypto.so." TEXT_OF(version)

lw_dkim_openssl_table lw_dkim_openssl;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_loaded; /* under lock */

/* All functions or none; false: dlerror() says why not. */
static bool
load(void)
{
    void *library = dlopen(LIBRARY(OPENSSL_SHLIB_VERSION), RTLD_NOW | RTLD_LOCAL);
    lw_dkim_openssl_table found;

    if (library == NULL)
        return false;
#define FIND(name)                                                                       \
    found.name = (__typeof__(found.name))dlsym(library, #name);                          \
    if (found.name == NULL)                                                              \
        return false;
    LW_DKIM_OPENSSL_FUNCTIONS(FIND)
#undef FIND
    lw_dkim_openssl = found;
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
        return lw_dkim_fail(err, LW_ECONFIG, "DKIM needs OpenSSL, and %s is not installed or "
                            "too old (%s)", LIBRARY(OPENSSL_SHLIB_VERSION),
                            reason == NULL ? "no reason given" : reason);
    lw_dkim_fail(err, LW_ENOMEM, "DKIM needs OpenSSL, and %s cannot be opened: no file "
                 "descriptor is free", LIBRARY(OPENSSL_SHLIB_VERSION));
    if (err != NULL) {
        err->retry = LW_RETRY_LATER;
        err->os_err = os_err;
    }
    return LW_ENOMEM;
}

lw_code
lw_dkim_openssl_load(lw_error *err)
{
    lw_code rc = LW_OK;

    pthread_mutex_lock(&lock);
    if (!is_loaded && !(is_loaded = load()))
        rc = not_loaded(err);
    pthread_mutex_unlock(&lock);
    return rc;
}
