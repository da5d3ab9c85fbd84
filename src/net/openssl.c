/* SPDX-License-Identifier: MIT */
/*
 * net/openssl.c - finds OpenSSL when TLS is first needed
 *
 * Whoever makes the first context calls lw_openssl_load(); all that uses OpenSSL has a context.
 * What libssl needs is searched too: the functions of libcrypto are found in it.
 */
#define LW_LATE_TABLE_ONLY
#include "net/net_int.h"
#include "late/late.h"

#include <openssl/opensslv.h>

#define TEXT_OF(x) #x
#define LIBRARY(version) "libssl.so." TEXT_OF(version)
#define NAME(name) #name,

lw_net_openssl_table lw_net_openssl;

static const char *const names[] = { LW_NET_OPENSSL_FUNCTIONS(NAME) };
static lw_late library = { LW_LATE(LIBRARY(OPENSSL_SHLIB_VERSION), names, lw_net_openssl) };

lw_code
lw_openssl_load(lw_error *err)
{
    return lw_late_load(&library, LW_STAGE_TLS, "TLS needs OpenSSL", err);
}
