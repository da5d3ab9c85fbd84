/* SPDX-License-Identifier: MIT */
/*
 * secure/secure.h - what other rooms see of secure: its public header
 *
 * The parts: secure.c (what is to be done), cert.c, entity.c (a message taken apart), people.c
 * (whose certificate is whose), smime.c (OpenSSL CMS), pgp.c (GPGME), spool.c (encrypted octets
 * that wait), secured.c (what is sent).
 */
#ifndef LW_SECURE_SECURE_H
#define LW_SECURE_SECURE_H

#include <letterwing/secure.h>

#endif
