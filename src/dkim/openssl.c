/* SPDX-License-Identifier: MIT */
/*
 * dkim/openssl.c - finds OpenSSL when a key or a hash is first needed, and never lets it go
 *
 * See net/openssl.c for why.  Whoever makes a key or a hash calls lw_dkim_openssl_load(); all that
 * uses OpenSSL has one of them.
 */
#define LW_LATE_TABLE_ONLY
#include "dkim/dkim_int.h"

#include <dlfcn.h>
#include <openssl/opensslv.h>
#include <pthread.h>

#define TEXT_OF(x) #x
#define LIBRARY(version) "libcrypto.so." TEXT_OF(version)

lw_dkim_openssl_table lw_dkim_openssl;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_loaded;

static void
load(void)
{
    void *library = dlopen(LIBRARY(OPENSSL_SHLIB_VERSION), RTLD_NOW | RTLD_LOCAL);

    if (library == NULL)
        return;
#define FIND(name)                                                                       \
    lw_dkim_openssl.name = (__typeof__(lw_dkim_openssl.name))dlsym(library, #name);      \
    if (lw_dkim_openssl.name == NULL)                                                    \
        return;
    LW_DKIM_OPENSSL_FUNCTIONS(FIND)
#undef FIND
    is_loaded = true;
}

lw_code
lw_dkim_openssl_load(lw_error *err)
{
    if (pthread_once(&once, load) == 0 && is_loaded)
        return LW_OK;
    return lw_dkim_fail(err, LW_ECONFIG, "DKIM needs OpenSSL, and %s %s",
                        LIBRARY(OPENSSL_SHLIB_VERSION), "is not installed or too old");
}
