/* SPDX-License-Identifier: MIT */
/*
 * secure/openssl.c - finds OpenSSL when a certificate is first read, and never lets it go
 *
 * See net/openssl.c for why.  lw_secure_smime_*() and lw_secure_body() call
 * lw_secure_openssl_load(); nothing reaches OpenSSL but through them.
 */
#define LW_LATE_TABLE_ONLY
#include "secure/secure_int.h"

#include <dlfcn.h>
#include <openssl/opensslv.h>
#include <pthread.h>

#define TEXT_OF(x) #x
#define LIBRARY(version) "libcrypto.so." TEXT_OF(version)

lw_secure_openssl_table lw_secure_openssl;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_loaded;

static void
load(void)
{
    void *library = dlopen(LIBRARY(OPENSSL_SHLIB_VERSION), RTLD_NOW | RTLD_LOCAL);

    if (library == NULL)
        return;
#define FIND(name)                                                                       \
    lw_secure_openssl.name = (__typeof__(lw_secure_openssl.name))dlsym(library, #name);      \
    if (lw_secure_openssl.name == NULL)                                                    \
        return;
    LW_SECURE_OPENSSL_FUNCTIONS(FIND)
#undef FIND
    is_loaded = true;
}

lw_code
lw_secure_openssl_load(lw_error *err)
{
    if (pthread_once(&once, load) == 0 && is_loaded)
        return LW_OK;
    return lw_secure_fail(err, LW_ECONFIG, "signing and encrypting need OpenSSL, and %s %s",
                        LIBRARY(OPENSSL_SHLIB_VERSION), "is not installed or too old");
}
