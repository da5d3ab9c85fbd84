/* SPDX-License-Identifier: MIT */
/*
 * dkim.c - what a DKIM signature costs beyond one SHA-256 of the body and one signature
 *
 *     dkim floor|relaxed|simple rsa|ed25519 base64|words BYTES COUNT
 *
 * floor: EVP_DigestUpdate() over the body in pieces of 64 KiB and EVP_DigestSign() of a hash, and
 * nothing else.  The others sign with lw_dkim_signer in that canonicalization.  The bodies: lines
 * of base64 as an attachment has, lines of words.
 */
#include "bench.h"

#include <letterwing/dkim.h>

#include <openssl/evp.h>
#include <string.h>

#define PIECE 65536
#define HEAD                                                                           \
    "From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: Hi\r\n"            \
    "Date: Fri, 11 Jul 2003 21:00:37 -0700\r\nMessage-ID: <1@example.com>\r\n\r\n"

static const char base64_line[] =
    "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n";
static const char word_line[] =
    "The quick brown fox jumps over the lazy dog, and all of them go home in time.\r\n";

static void
die(const char *what)
{
    fprintf(stderr, "dkim: %s\n", what);
    exit(1);
}

static char *
make_body(const char *line, size_t len)
{
    size_t n = strlen(line);
    char *body = malloc(len + n);

    if (body == NULL)
        die("out of memory");
    for (size_t at = 0; at < len; at += n)
        memcpy(body + at, line, n);
    return body;
}

static void
hash_and_sign(EVP_PKEY *key, lw_span body)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new(), *sign = EVP_MD_CTX_new();
    const EVP_MD *with = EVP_PKEY_is_a(key, "RSA") ? EVP_sha256() : NULL;
    unsigned char digest[32], sig[1024];
    size_t n = sizeof sig;

    EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
    for (size_t at = 0; at < body.len; at += PIECE)
        EVP_DigestUpdate(ctx, body.ptr + at,
                         body.len - at < PIECE ? body.len - at : PIECE);
    EVP_DigestFinal_ex(ctx, digest, NULL);
    if (EVP_DigestSignInit(sign, NULL, with, NULL, key) != 1 ||
        EVP_DigestSign(sign, sig, &n, digest, sizeof digest) != 1)
        die("signing failed");
    EVP_MD_CTX_free(ctx);
    EVP_MD_CTX_free(sign);
}

static void
feed(lw_dkim_signer *s, lw_span octets)
{
    lw_error e;

    if (lw_dkim_sign_feed(s, octets, &e) != LW_OK)
        die(e.text);
}

static void
sign(lw_dkim_signer *s, lw_span body)
{
    lw_span fields;
    lw_error e;

    if (lw_dkim_sign_begin(s, 1700000000, &e) != LW_OK)
        die(e.text);
    feed(s, (lw_span){ HEAD, sizeof HEAD - 1 });
    for (size_t at = 0; at < body.len; at += PIECE)
        feed(s,
             (lw_span){ body.ptr + at, body.len - at < PIECE ? body.len - at : PIECE });
    if (lw_dkim_sign_finish(s, &fields, &e) != LW_OK)
        die(e.text);
}

static lw_dkim_signer *
make_signer(lw_dkim_algorithm algorithm, lw_dkim_canon canon)
{
    lw_dkim_signer *s = lw_dkim_signer_new(NULL);
    lw_dkim_opts o;
    lw_error e;

    lw_dkim_opts_init(&o);
    o.domain = "example.com";
    o.selector = "s1";
    o.header_canon = o.body_canon = canon;
    if (lw_dkim_key_generate(NULL, algorithm, 0, &o.key, &e) != LW_OK ||
        lw_dkim_signer_add(s, &o, &e) != LW_OK)
        die(e.text);
    return s;
}

static EVP_PKEY *
make_key(lw_dkim_algorithm algorithm)
{
    return algorithm == LW_DKIM_RSA ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
                                    : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

int
main(int argc, char **argv)
{
    lw_dkim_algorithm algorithm;
    lw_dkim_signer *s = NULL;
    EVP_PKEY *key = NULL;
    stopwatch since;
    lw_span body;
    long count;

    if (argc < 6)
        return 64;
    algorithm = strcmp(argv[2], "rsa") == 0 ? LW_DKIM_RSA : LW_DKIM_ED25519;
    body.len = strtoul(argv[4], NULL, 10);
    body.ptr =
        make_body(strcmp(argv[3], "words") == 0 ? word_line : base64_line, body.len);
    count = strtol(argv[5], NULL, 10);
    if (strcmp(argv[1], "floor") == 0)
        key = make_key(algorithm);
    else
        s = make_signer(algorithm, strcmp(argv[1], "simple") == 0 ? LW_DKIM_SIMPLE
                                                                  : LW_DKIM_RELAXED);
    since = look_at_clock();
    for (long i = 0; i < count; i++) {
        if (s == NULL)
            hash_and_sign(key, body);
        else
            sign(s, body);
    }
    return print_result(since, count, count);
}
