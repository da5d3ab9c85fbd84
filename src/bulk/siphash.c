/* SPDX-License-Identifier: MIT */
/*
 * bulk/siphash.c - SipHash-2-4, 64 and 128 bits wide, of octets in pieces
 *
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", and their reference code.
 * Used where a list's author should not be able to choose a collision, and as a check sum.
 */
#include "bulk/bulk_int.h"

static uint64_t
rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static void
rounds(lw_sip *s, int n)
{
    for (; n > 0; n--) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v1;
        s->v0 += s->v3;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 = rotate(s->v2, 32);
    }
}

static void
take_word(lw_sip *s, uint64_t word)
{
    s->v3 ^= word;
    rounds(s, 2);
    s->v0 ^= word;
}

void
lw_sip_init(lw_sip *s, lw_sip_key key)
{
    *s = (lw_sip){
        .v0 = key.k0 ^ UINT64_C(0x736f6d6570736575),
        .v1 = key.k1 ^ UINT64_C(0x646f72616e646f6d),
        .v2 = key.k0 ^ UINT64_C(0x6c7967656e657261),
        .v3 = key.k1 ^ UINT64_C(0x7465646279746573),
    };
}

void
lw_sip_init_128(lw_sip *s, lw_sip_key key)
{
    lw_sip_init(s, key);
    s->v1 ^= 0xee;
    s->is_128 = true;
}

static uint64_t
little_endian(const char *p)
{
    uint64_t word = 0;

    for (unsigned i = 0; i < 8; i++)
        word |= (uint64_t)(unsigned char)p[i] << (8 * i);
    return word;
}

void
lw_sip_add(lw_sip *s, lw_span octets)
{
    const char *p = octets.ptr, *end = p + octets.len;

    while (p < end) {
        if (s->len % 8 == 0 && end - p >= 8) {
            take_word(s, little_endian(p));
            s->len += 8;
            p += 8;
            continue;
        }
        s->tail |= (uint64_t)(unsigned char)*p++ << (8 * (s->len % 8));
        if (++s->len % 8 == 0) {
            take_word(s, s->tail);
            s->tail = 0;
        }
    }
}

void
lw_sip_add_framed(lw_sip *s, lw_span octets)
{
    char len[8];

    for (unsigned i = 0; i < 8; i++)
        len[i] = (char)((uint64_t)octets.len >> (8 * i));
    lw_sip_add(s, (lw_span){ len, sizeof len });
    lw_sip_add(s, octets);
}

static uint64_t
finish(lw_sip *s)
{
    take_word(s, s->tail | s->len << 56);
    s->v2 ^= s->is_128 ? 0xee : 0xff;
    rounds(s, 4);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t
lw_sip_end(lw_sip *s)
{
    return finish(s);
}

void
lw_sip_end_128(lw_sip *s, unsigned char out[16])
{
    uint64_t half[2];

    half[0] = finish(s);
    s->v1 ^= 0xdd;
    rounds(s, 4);
    half[1] = s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
    for (unsigned i = 0; i < 16; i++)
        out[i] = (unsigned char)(half[i / 8] >> (8 * (i % 8)));
}
