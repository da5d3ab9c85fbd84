/* SPDX-License-Identifier: MIT */
/*
 * dkim/canon.c - the canonical forms of RFC 6376 3.4, streaming, in any split
 *
 * A body gives on its octets at once, but line ends only when something follows: so empty lines at
 * the end cost a counter.  A CR or LF that is not part of a CRLF is an octet like any other.
 */
#include "dkim/dkim_int.h"

static bool
is_wsp(char c)
{
    return c == ' ' || c == '\t';
}

/* line ends, and one space, that turned out not to be at the end */
static void
give_held(lw_dkim_body *b)
{
    for (; b->n_crlf > 0; b->n_crlf--)
        lw_dkim_hash_add(b->out, "\r\n", 2);
    if (b->after_wsp)
        lw_dkim_hash_add(b->out, " ", 1);
    b->after_wsp = false;
}

static void
give(lw_dkim_body *b, lw_span octets)
{
    if (octets.len == 0)
        return;
    give_held(b);
    lw_dkim_hash_add(b->out, octets.ptr, octets.len);
    b->has_content = true;
}

/* the CR that ended the octets before: part of a CRLF, or not */
static void
settle_cr(lw_dkim_body *b, lw_span *s)
{
    if (!b->after_cr || s->len == 0)
        return;
    b->after_cr = false;
    if (s->ptr[0] != '\n') {
        give(b, LW_LIT("\r"));
        return;
    }
    b->n_crlf++;
    b->after_wsp =
        false; /* [RFC6376 3.4.4] "Ignore all whitespace at the end of lines." */
    *s = (lw_span){ s->ptr + 1, s->len - 1 };
}

/* [RFC6376 3.4.3] 'the "simple" body canonicalization algorithm converts "*CRLF" at the end of the
 * body to a single "CRLF"': only what begins and ends a span needs a look */
static void
feed_simple(lw_dkim_body *b, lw_span s)
{
    uint64_t n_crlf = 0;
    bool after_cr;

    for (; s.len >= 2 && s.ptr[0] == '\r' && s.ptr[1] == '\n'; b->n_crlf++)
        s = (lw_span){ s.ptr + 2, s.len - 2 };
    if (s.len == 0)
        return;
    if ((after_cr = s.ptr[s.len - 1] == '\r'))
        s.len--;
    for (; s.len >= 2 && s.ptr[s.len - 2] == '\r' && s.ptr[s.len - 1] == '\n'; n_crlf++)
        s.len -= 2;
    give(b, s);
    b->n_crlf += n_crlf;
    b->after_cr = after_cr;
}

static bool
is_special(char c)
{
    return is_wsp(c) || c == '\r';
}

/* Eight octets at once: each has its high bit in a mask. */
#define ONES UINT64_C(0x0101010101010101)
#define HIGHS (ONES << 7)

static uint64_t
load(const char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

/* those below 0x21: SP, HTAB, CR, and other controls */
static uint64_t
low_octets(uint64_t v)
{
    return ~(((v & ~HIGHS) + ONES * (0x80 - 0x21)) | v) & HIGHS;
}

static uint64_t
spaces(uint64_t v)
{
    v ^= ONES * ' ';
    return ~(((v & ~HIGHS) + ONES * 0x7f) | v) & HIGHS;
}

/* From n on, where the first SP, HTAB or CR is. */
static size_t
find_special(lw_span s, size_t n)
{
    uint64_t low;

    while (s.len - n >= sizeof low) {
        if ((low = low_octets(load(s.ptr + n))) == 0) {
            n += sizeof low;
            continue;
        }
        n += (size_t)__builtin_ctzll(low) / 8;
        if (is_special(s.ptr[n]))
            return n;
        n++; /* another control */
    }
    while (n < s.len && !is_special(s.ptr[n]))
        n++;
    return n;
}

/* From n on, where something else begins than words with single spaces between them. */
static size_t
skip_words(lw_span s, size_t n)
{
    uint64_t v, low, before = 0; /* a space ended the eight before */

    for (; s.len - n >= sizeof v; n += sizeof v) {
        v = load(s.ptr + n);
        if ((low = low_octets(v)) != 0 &&
            (low != spaces(v) || (low & (low << 8 | before)) != 0))
            break;
        before = low >> 56;
    }
    return n - (before != 0); /* what follows that space has not been looked at */
}

/* The octets at the beginning that stay as they are, over line ends too: no WSP, or single spaces
 * between others; no CR but that of a CRLF that a line of neither begins behind. */
static size_t
run_length(lw_span s)
{
    size_t n = find_special(s, skip_words(s, 0)), width;

    while (n > 0 && n + 2 < s.len) {
        if (s.ptr[n] == ' ')
            width = 1;
        else if (s.ptr[n] == '\r' && s.ptr[n + 1] == '\n')
            width = 2;
        else
            break;
        if (is_special(s.ptr[n + width]))
            break;
        n = find_special(s, skip_words(s, n + width));
    }
    return n;
}

/* [RFC6376 3.4.4] "Reduce all sequences of WSP within a line to a single SP" */
static void
feed_relaxed(lw_dkim_body *b, lw_span s)
{
    while (s.len > 0) {
        size_t n = 1;

        if (b->after_cr) {
            settle_cr(b, &s);
            continue;
        }
        if (is_wsp(s.ptr[0]))
            b->after_wsp = true;
        else if (s.ptr[0] == '\r')
            b->after_cr = true;
        else
            give(b, (lw_span){ s.ptr, n = run_length(s) });
        s = (lw_span){ s.ptr + n, s.len - n };
    }
}

void
lw_dkim_body_feed(lw_dkim_body *b, lw_span octets)
{
    settle_cr(b, &octets);
    switch (b->canon) {
    case LW_DKIM_RELAXED:
        feed_relaxed(b, octets);
        break;
    case LW_DKIM_SIMPLE:
        feed_simple(b, octets);
        break;
    }
}

void
lw_dkim_body_end(lw_dkim_body *b)
{
    if (b->after_cr)
        give(b, LW_LIT("\r"));
    b->after_cr = false;
    /* [RFC6376 3.4.3] "a completely empty or missing body is canonicalized as a single "CRLF"";
     * [RFC6376 3.4.4] "If the body is non-empty but does not end with a CRLF, a CRLF is added." */
    if (b->has_content || b->canon == LW_DKIM_SIMPLE)
        lw_dkim_hash_add(b->out, "\r\n", 2);
}

/* ---- header fields --------------------------------------------------------------- */

/* [RFC6376 3.4.2] "Convert all header field names (not the header field values) to lowercase." */
static void
give_name(lw_span name, lw_dkim_hash *out)
{
    while (name.len > 0 && is_wsp(name.ptr[name.len - 1]))
        name.len--; /* "Delete any WSP characters remaining before and after the colon" */
    for (size_t i = 0; i < name.len; i++) {
        char c = lw_lower(name.ptr[i]);
        lw_dkim_hash_add(out, &c, 1);
    }
    lw_dkim_hash_add(out, ":", 1);
}

static bool
is_space(char c)
{
    return is_wsp(c) || c == '\r' || c == '\n';
}

/* unfolded: a CRLF stands here before WSP only, so it belongs to the run of space around it */
static void
give_value(lw_span value, lw_dkim_hash *out)
{
    bool is_first = true;

    while (value.len > 0) {
        size_t n = 0;

        for (; n < value.len && is_space(value.ptr[n]); n++)
            ;
        value = (lw_span){ value.ptr + n, value.len - n };
        if (value.len == 0)
            return; /* "Delete all WSP characters at the end of each unfolded header field" */
        if (n > 0 && !is_first)
            lw_dkim_hash_add(out, " ", 1);
        for (n = 0; n < value.len && !is_space(value.ptr[n]); n++)
            ;
        lw_dkim_hash_add(out, value.ptr, n);
        value = (lw_span){ value.ptr + n, value.len - n };
        is_first = false;
    }
}

void
lw_dkim_canon_field(lw_dkim_canon canon, lw_span field, lw_dkim_hash *out)
{
    size_t colon = lw_span_find(field, ':');

    if (canon == LW_DKIM_SIMPLE || colon == field.len) {
        lw_dkim_hash_add(out, field.ptr, field.len);
        return;
    }
    give_name((lw_span){ field.ptr, colon }, out);
    give_value((lw_span){ field.ptr + colon + 1, field.len - colon - 1 }, out);
}
