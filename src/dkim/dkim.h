/* SPDX-License-Identifier: MIT */
/*
 * dkim/dkim.h - what other rooms see of dkim: its public header
 *
 * The parts: canon.c (RFC 6376 3.4), hash.c, fields.c (the header as fields), names.c (which are
 * signed), key.c, sign.c, body.c (a body signed on its way out), tags.c (RFC 6376 3.2),
 * signature.c and record.c (what tags mean), verify.c.
 */
#ifndef LW_DKIM_DKIM_H
#define LW_DKIM_DKIM_H

#include <letterwing/dkim.h>

#endif
