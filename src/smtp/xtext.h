/* SPDX-License-Identifier: MIT */
/* smtp/xtext.h - the encoding of ESMTP parameter values, RFC 3461 4 */
#ifndef LW_SMTP_XTEXT_H
#define LW_SMTP_XTEXT_H

#include "base/base.h"

/** lw_xtext_encode - s as xtext into dst (no NUL); its length, SIZE_MAX if cap is too small.
 *  Every octet has an encoding; three times s.len always suffices. */
size_t lw_xtext_encode(char *dst, size_t cap, lw_span s);
/** lw_xtext_decode - xtext into cap octets at dst (no NUL, s.len always suffices; dst may be
 *  s.ptr).  The result may hold any octet, NUL too.  False if malformed or too long. */
bool lw_xtext_decode(char *dst, size_t cap, lw_span s, size_t *n);

#endif
