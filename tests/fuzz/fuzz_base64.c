/* SPDX-License-Identifier: MIT */
/* What base64 decodes, it encodes to the same text: decoding is strict. */
#include "base/base.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lw_span text = { (const char *)data, size };
    char *octets = malloc(size + 1);
    char *again = malloc(LW_BASE64_LEN(size + 1));
    size_t n = 0;

    if (octets == NULL || again == NULL)
        abort();
    if (lw_base64_decode(octets, text, &n)) {
        size_t len = lw_base64_encode(again, octets, n);

        if (len != size || memcmp(again, data, size) != 0)
            abort();
    }
    free(octets);
    free(again);
    return 0;
}
