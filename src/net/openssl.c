/* SPDX-License-Identifier: MIT */
/*
 * net/openssl.c - finds OpenSSL when TLS is first needed, and never lets it go
 *
 * Loading it takes longer than all the rest of sending a message in clear: twenty thousand
 * relocations.  Whoever makes the first context calls lw_openssl_load(); all that uses OpenSSL
 * has a context.
 */
#define LW_LATE_TABLE_ONLY
#include "net/net_int.h"

#include <dlfcn.h>
#include <openssl/opensslv.h>
#include <pthread.h>

#define TEXT_OF(x) #x
#define LIBRARY(version) "libssl.so." TEXT_OF(version)

lw_net_openssl_table lw_net_openssl;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_loaded;

static void
load(void)
{
    /* What libssl needs is searched too: the functions of libcrypto are found. */
    void *library = dlopen(LIBRARY(OPENSSL_SHLIB_VERSION), RTLD_NOW | RTLD_LOCAL);

    if (library == NULL)
        return;
#define FIND(name)                                                                       \
    lw_net_openssl.name = (__typeof__(lw_net_openssl.name))dlsym(library, #name);        \
    if (lw_net_openssl.name == NULL)                                                     \
        return;
    LW_NET_OPENSSL_FUNCTIONS(FIND)
#undef FIND
    is_loaded = true;
}

lw_code
lw_openssl_load(lw_error *err)
{
    if (pthread_once(&once, load) == 0 && is_loaded)
        return LW_OK;
    return lw_fail(err, LW_ECONFIG, LW_STAGE_TLS, "TLS needs OpenSSL, and %s %s",
                   LIBRARY(OPENSSL_SHLIB_VERSION), "is not installed or too old");
}
