/* SPDX-License-Identifier: MIT */
/*
 * dkim/openssl.c - finds OpenSSL when a key or a hash is first needed
 *
 * Whoever makes a key or a hash calls lw_dkim_openssl_load(); all that uses OpenSSL has one of them.
 */
#define LW_LATE_TABLE_ONLY
#include "dkim/dkim_int.h"
#include "late/late.h"

#include <openssl/opensslv.h>

#define TEXT_OF(x) #x
#define LIBRARY(version) "libcrypto.so." TEXT_OF(version)
#define NAME(name) #name,

lw_dkim_openssl_table lw_dkim_openssl;

static const char *const names[] = { LW_DKIM_OPENSSL_FUNCTIONS(NAME) };
static lw_late library = { LW_LATE(LIBRARY(OPENSSL_SHLIB_VERSION), names, lw_dkim_openssl) };

lw_code
lw_dkim_openssl_load(lw_error *err)
{
    return lw_late_load(&library, LW_STAGE_COMPOSE, "dkim: DKIM needs OpenSSL", err);
}
