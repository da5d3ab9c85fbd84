/* SPDX-License-Identifier: MIT */
/*
 * secure/openssl.c - finds OpenSSL when a certificate is first read
 *
 * lw_secure_smime_*() and lw_secure_body() call lw_secure_openssl_load(); nothing reaches OpenSSL but
 * through them.
 */
#define LW_LATE_TABLE_ONLY
#include "secure/secure_int.h"
#include "late/late.h"

#include <openssl/opensslv.h>

#define TEXT_OF(x) #x
#define LIBRARY(version) "libcrypto.so." TEXT_OF(version)
#define NAME(name) #name,

lw_secure_openssl_table lw_secure_openssl;

static const char *const names[] = { LW_SECURE_OPENSSL_FUNCTIONS(NAME) };
static lw_late library = { LW_LATE(LIBRARY(OPENSSL_SHLIB_VERSION), names, lw_secure_openssl) };

lw_code
lw_secure_openssl_load(lw_error *err)
{
    return lw_late_load(&library, LW_STAGE_COMPOSE, "signing and encrypting need OpenSSL", err);
}
