/* SPDX-License-Identifier: MIT */
/*
 * dkim.c - what a DKIM signature costs beyond one SHA-256 of the body and one signature
 *
 *     dkim [MIB [ROUNDS]]
 *
 * CPU time, the best of ROUNDS.  The floor is EVP_DigestUpdate() over the body in pieces of 64 KiB
 * and EVP_DigestSign() of a hash; a ratio of 1.00 costs nothing on top.  The bodies: lines of base64 as
 * an attachment has, lines of words.  The small message is 1 KiB, in microseconds.
 */
#include <letterwing/dkim.h>

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PIECE 65536
#define HEAD                                                                           \
    "From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: Hi\r\n"            \
    "Date: Fri, 11 Jul 2003 21:00:37 -0700\r\nMessage-ID: <1@example.com>\r\n\r\n"

static const char base64_line[] =
    "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n";
static const char word_line[] =
    "The quick brown fox jumps over the lazy dog, and all of them go home in time.\r\n";

static double
cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

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

static double
floor_s(EVP_PKEY *key, const char *body, size_t len, int rounds)
{
    unsigned char digest[32], sig[1024];
    double best = 1e9;

    for (int i = 0; i < rounds; i++) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new(), *sign = EVP_MD_CTX_new();
        size_t n = sizeof sig;
        double t = cpu_s();

        EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
        for (size_t at = 0; at < len; at += PIECE)
            EVP_DigestUpdate(ctx, body + at, len - at < PIECE ? len - at : PIECE);
        EVP_DigestFinal_ex(ctx, digest, NULL);
        if (EVP_DigestSignInit(sign, NULL,
                               EVP_PKEY_is_a(key, "RSA") ? EVP_sha256() : NULL, NULL,
                               key) != 1 ||
            EVP_DigestSign(sign, sig, &n, digest, sizeof digest) != 1)
            die("signing failed");
        t = cpu_s() - t;
        best = t < best ? t : best;
        EVP_MD_CTX_free(ctx);
        EVP_MD_CTX_free(sign);
    }
    return best;
}

static double
ours_s(lw_dkim_signer *s, const char *body, size_t len, int rounds)
{
    double best = 1e9;
    lw_span fields;
    lw_error e;

    for (int i = 0; i < rounds; i++) {
        double t = cpu_s();

        if (lw_dkim_sign_begin(s, 1700000000, &e) != LW_OK ||
            lw_dkim_sign_feed(s, (lw_span){ HEAD, sizeof HEAD - 1 }, &e) != LW_OK)
            die(e.text);
        for (size_t at = 0; at < len; at += PIECE)
            if (lw_dkim_sign_feed(s,
                                  (lw_span){ body + at,
                                             len - at < PIECE ? len - at : PIECE },
                                  &e) != LW_OK)
                die(e.text);
        if (lw_dkim_sign_finish(s, &fields, &e) != LW_OK)
            die(e.text);
        t = cpu_s() - t;
        best = t < best ? t : best;
    }
    return best;
}

typedef struct keys {
    lw_dkim_key *ours;
    EVP_PKEY *theirs;
    const char *name;
} keys;

static keys
make_keys(lw_dkim_algorithm algorithm)
{
    keys k = { .name = algorithm == LW_DKIM_RSA ? "RSA-2048" : "Ed25519" };
    lw_error e;

    if (lw_dkim_key_generate(NULL, algorithm, 0, &k.ours, &e) != LW_OK)
        die(e.text);
    k.theirs = algorithm == LW_DKIM_RSA
                   ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
                   : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return k;
}

static void
measure(const keys *k, const char *what, const char *line, size_t len, int rounds)
{
    static const char *const names[] = { "relaxed", "simple" };
    char *body = make_body(line, len);
    double least = floor_s(k->theirs, body, len, rounds);

    for (int canon = 0; canon < 2; canon++) {
        lw_dkim_signer *s = lw_dkim_signer_new(NULL);
        lw_dkim_opts o;
        lw_error e;

        lw_dkim_opts_init(&o);
        o.domain = "example.com";
        o.selector = "s1";
        o.key = k->ours;
        o.header_canon = o.body_canon = (lw_dkim_canon)canon;
        if (s == NULL || lw_dkim_signer_add(s, &o, &e) != LW_OK)
            die("no signer");
        double t = ours_s(s, body, len, rounds);
        printf(
            "%-9s %-7s %-8s %10.1f us  floor %10.1f us  ratio %.2f  over it %8.1f us\n",
            k->name, what, names[canon], t * 1e6, least * 1e6, t / least,
            (t - least) * 1e6);
        lw_dkim_signer_free(s);
    }
    free(body);
}

int
main(int argc, char **argv)
{
    size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 50;
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 5;

    for (int algorithm = 0; algorithm < 2; algorithm++) {
        keys k = make_keys((lw_dkim_algorithm)algorithm);

        measure(&k, "base64", base64_line, mib << 20, rounds);
        measure(&k, "words", word_line, mib << 20, rounds);
        measure(&k, "small", word_line, 1024, rounds * 200);
        EVP_PKEY_free(k.theirs);
        lw_dkim_key_free(k.ours);
    }
    return 0;
}
