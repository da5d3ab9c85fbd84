/* SPDX-License-Identifier: MIT */
/*
 * encode.c - base64 in lines of 76, and nothing around it: what a composer cannot beat
 *
 *     encode loop|evp MIB COUNT
 *
 * loop: three octets at a time from a table; evp: OpenSSL's EVP_EncodeBlock(), a line a call.
 */
#include "bench.h"

#include <openssl/evp.h>
#include <string.h>

#define LINE 57

static size_t
by_loop(char *out, const unsigned char *in)
{
    static const char table[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < LINE; i += 3, out += 4) {
        unsigned w = (unsigned)in[i] << 16 | (unsigned)in[i + 1] << 8 | in[i + 2];

        out[0] = table[w >> 18];
        out[1] = table[w >> 12 & 63];
        out[2] = table[w >> 6 & 63];
        out[3] = table[w & 63];
    }
    return LINE / 3 * 4;
}

static size_t
by_openssl(char *out, const unsigned char *in)
{
    return (size_t)EVP_EncodeBlock((unsigned char *)out, in, LINE);
}

int
main(int argc, char **argv)
{
    static char out[80 * 1680];
    size_t (*line)(char *out, const unsigned char *in);
    unsigned char *in;
    stopwatch since;
    size_t n, seen = 0;
    long count;

    if (argc < 4)
        return 64;
    line = strcmp(argv[1], "evp") == 0 ? by_openssl : by_loop;
    n = (strtoul(argv[2], NULL, 10) << 20) / LINE * LINE;
    count = strtol(argv[3], NULL, 10);
    if ((in = malloc(n)) == NULL)
        return 1;
    for (size_t i = 0; i < n; i++)
        in[i] = (unsigned char)(i * 7);
    since = look_at_clock();
    for (long i = 0; i < count; i++)
        for (size_t at = 0, used = 0; at < n; at += LINE) {
            if (used > sizeof out - 100)
                used = 0;
            used += line(out + used, in + at);
            out[used++] = '\r';
            out[used++] = '\n';
            seen +=
                (unsigned char)out[used - 3]; /* so that none of it can be left out */
        }
    return seen == 0 ? 1 : print_result(since, count, count);
}
