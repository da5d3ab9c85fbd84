/* SPDX-License-Identifier: MIT */
/*
 * dkim/hash.c - SHA-256 behind a buffer, the checksum of a second pass, and sentences
 *
 * [RFC8301 3.1] "Signers MUST sign using rsa-sha256."  SHA-256 is the only hash that DKIM has left.
 */
#include "dkim/dkim_int.h"

#include <stdio.h>

bool
lw_dkim_hash_init(lw_dkim_hash *h)
{
    h->n = h->held = 0;
    h->failed = false;
    h->limit = UINT64_MAX;
    h->md = NULL;
    h->ctx = NULL;
    if (lw_dkim_openssl_load(NULL) < 0)
        return false;
    h->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    h->ctx = EVP_MD_CTX_new();
    return h->md != NULL && h->ctx != NULL;
}

void
lw_dkim_hash_deinit(lw_dkim_hash *h)
{
    if (h->ctx != NULL)
        EVP_MD_CTX_free(h->ctx);
    if (h->md != NULL)
        EVP_MD_free(h->md);
    h->ctx = NULL;
    h->md = NULL;
}

void
lw_dkim_hash_begin(lw_dkim_hash *h, uint64_t limit)
{
    h->n = h->held = 0;
    h->limit = limit;
    h->failed = EVP_DigestInit_ex2(h->ctx, h->md, NULL) != 1;
}

/* OpenSSL does not survive an update behind a beginning that failed */
static void
update(lw_dkim_hash *h, const char *p, size_t n)
{
    if (!h->failed && n > 0 && EVP_DigestUpdate(h->ctx, p, n) != 1)
        h->failed = true;
}

static void
flush(lw_dkim_hash *h)
{
    update(h, h->buf, h->held);
    h->held = 0;
}

void
lw_dkim_hash_add(lw_dkim_hash *h, const char *p, size_t n)
{
    uint64_t left = h->n < h->limit ? h->limit - h->n : 0;

    h->n += n;
    if (n > left)
        n = (size_t)left;
    if (n > sizeof h->buf - h->held)
        flush(h);
    if (n > sizeof h->buf) {
        update(h, p, n);
    } else if (n > 0) {
        memcpy(h->buf + h->held, p, n);
        h->held += n;
    }
}

lw_code
lw_dkim_hash_end(lw_dkim_hash *h, unsigned char digest[LW_DKIM_DIGEST])
{
    flush(h);
    if (!h->failed && EVP_DigestFinal_ex(h->ctx, digest, NULL) != 1)
        h->failed = true;
    return h->failed ? LW_ENOMEM : LW_OK; /* a digest has no other way to fail */
}

/* ---- checksum ---------------------------------------------------------------------- */

/* Words of eight octets go round four lanes, so that no multiplication waits for the one before. */
#define BLOCK (8 * LW_DKIM_LANES)

static uint64_t
mix(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return sum ^ sum >> 32;
}

/* in this machine's order: a checksum leaves no process */
static uint64_t
load(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof word);
    return word;
}

static void
add_octet(lw_dkim_sum *s, char c)
{
    uint64_t *lane = &s->lanes[s->n / 8 % LW_DKIM_LANES];

    s->tail[s->n % 8] = c;
    if (++s->n % 8 == 0)
        *lane = mix(*lane, load(s->tail));
}

void
lw_dkim_sum_add(lw_dkim_sum *s, lw_span octets)
{
    const char *p = octets.ptr;
    size_t n = octets.len;
    uint64_t a, b, c, d;

    for (; n > 0 && s->n % BLOCK != 0; n--)
        add_octet(s, *p++);
    a = s->lanes[0], b = s->lanes[1], c = s->lanes[2], d = s->lanes[3];
    for (; n >= BLOCK; n -= BLOCK, p += BLOCK, s->n += BLOCK) {
        a = mix(a, load(p));
        b = mix(b, load(p + 8));
        c = mix(c, load(p + 16));
        d = mix(d, load(p + 24));
    }
    s->lanes[0] = a, s->lanes[1] = b, s->lanes[2] = c, s->lanes[3] = d;
    for (; n > 0; n--)
        add_octet(s, *p++);
}

bool
lw_dkim_sum_eq(const lw_dkim_sum *a, const lw_dkim_sum *b)
{
    return a->n == b->n && memcmp(a->lanes, b->lanes, sizeof a->lanes) == 0 &&
           memcmp(a->tail, b->tail, a->n % 8) == 0;
}

/* ---- errors ---------------------------------------------------------------------- */

lw_code
lw_dkim_fail(lw_error *err, lw_code code, const char *fmt, ...)
{
    char text[LW_ERROR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return lw_fail(err, code, LW_STAGE_COMPOSE, "dkim: %s", text);
}

lw_code
lw_dkim_no_memory(lw_error *err)
{
    return lw_dkim_fail(err, LW_ENOMEM, "out of memory");
}
