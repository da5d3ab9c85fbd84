/* SPDX-License-Identifier: MIT */
/* base/opts.c - option structs of callers that were built with an older header */
#include "base/base.h"

lw_code
lw_opts_copy(void *dst, size_t known, const void *given)
{
    size_t size = 0;

    memset(dst, 0, known);
    if (given != NULL)
        memcpy(&size, given, sizeof size);
    if (size < sizeof size || size > known)
        return LW_EUSAGE;
    memcpy(dst, given, size);
    memcpy(dst, &known, sizeof known);
    return LW_OK;
}
