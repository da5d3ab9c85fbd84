/* SPDX-License-Identifier: MIT */
/* Replies: whole and octet by octet give the same results, and stay within their bounds. */
#include "smtp/reply.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CAP = 256, RESULTS = 64 };

typedef struct result {
    lw_code rc;
    int code;
    size_t len;
} result;

static size_t
read_all(const uint8_t *data, size_t size, size_t part, result *out)
{
    char buf[CAP];
    lw_reply_parser p;
    lw_error err;
    size_t at = 0, n = 0;

    lw_reply_parser_init(&p, buf, sizeof buf);
    while (at < size && n < RESULTS) {
        size_t used = 0, take = part < size - at ? part : size - at;
        lw_code rc = lw_reply_feed(&p, (lw_span){ (const char *)data + at, take }, &used, &err);
        if (used > take || (rc == LW_AGAIN && used != take))
            abort();
        at += used;
        if (rc == LW_AGAIN)
            continue;
        out[n++] = (result){ rc, rc < 0 ? 0 : p.reply.code, rc < 0 ? 0 : p.reply.text.len };
        if (rc < 0)
            break;
        if (p.reply.code < 200 || p.reply.code > 599 || p.reply.text.len >= CAP)
            abort();
    }
    return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    result whole[RESULTS], octets[RESULTS];
    size_t n = read_all(data, size, size == 0 ? 1 : size, whole);

    if (read_all(data, size, 1, octets) != n)
        abort();
    for (size_t i = 0; i < n; i++)
        if (whole[i].rc != octets[i].rc || whole[i].code != octets[i].code ||
            whole[i].len != octets[i].len)
            abort();
    return 0;
}
