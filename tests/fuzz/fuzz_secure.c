/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_secure.c - any message taken apart, and any text of certificates
 *
 * The first octet cuts the message into spans.  Whatever the cuts: the same header comes out, nothing
 * is added to it but a type, and what is called fit for signing is.
 */
#define LW_LATE_TABLE_ONLY
#include "secure/secure_int.h"

#include <stdlib.h>

typedef struct source {
    lw_span all;
    size_t at, max;
} source;

static void
must(bool holds)
{
    if (!holds)
        abort();
}

static lw_code
next(void *ctx, lw_span *span)
{
    source *s = ctx;
    size_t n = s->all.len - s->at < s->max ? s->all.len - s->at : s->max;

    *span = (lw_span){ s->all.ptr + s->at, n };
    s->at += n;
    return s->at == s->all.len ? LW_DONE : LW_OK;
}

static lw_code
take_apart(lw_entity *e, lw_span message, size_t max)
{
    source s = { .all = message, .max = max };
    lw_body body = { .next = next, .ctx = &s };
    lw_error err;

    lw_entity_init(e, NULL);
    return lw_entity_read(e, &body, &err);
}

static void
check_message(lw_span message, size_t max)
{
    lw_entity whole, cut;

    must(take_apart(&whole, message, message.len + 1) == LW_OK);
    must(take_apart(&cut, message, max) == LW_OK);
    must(whole.header_len == cut.header_len && whole.header_len <= message.len);
    must(lw_span_eq(lw_buf_span(&whole.outer), lw_buf_span(&cut.outer)));
    must(lw_span_eq(lw_buf_span(&whole.inner), lw_buf_span(&cut.inner)));
    must(whole.outer.len + whole.inner.len <= whole.header_len + strlen("Content-Type: text/plain\r\n"));
    must(whole.visible.n == cut.visible.n && whole.senders.n == cut.senders.n);
    lw_entity_deinit(&whole);
    lw_entity_deinit(&cut);
}

static void
check_lines(lw_span text, size_t max)
{
    lw_fragile whole = { .allows_spaces = false }, cut = whole;
    lw_error a, b;
    lw_code rc = lw_fragile_feed(&whole, text, &a), by_pieces = LW_OK;

    for (size_t at = 0; by_pieces >= 0 && at < text.len; at += max)
        by_pieces = lw_fragile_feed(&cut, (lw_span){ text.ptr + at, text.len - at < max ? text.len - at : max }, &b);
    must(rc == by_pieces);
    must(rc == LW_OK || strcmp(a.text, b.text) == 0);
    must(rc < 0 || lw_span_is_ascii(text));
    must(rc < 0 || memmem(text.ptr, text.len, " \r\n", 3) == NULL);
}

static void
check_certs(lw_span pem)
{
    lw_secure *s = lw_secure_new(NULL);
    lw_error e;
    lw_code rc = lw_secure_smime_cert(s, pem, &e);

    must(rc == LW_OK ? s->readers.n > 0 : e.text[0] != '\0' && s->readers.n == 0);
    rc = lw_secure_smime_sign(s, pem, LW_NO_SPAN, &e);
    must((rc == LW_OK) == (s->key != NULL));
    lw_secure_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    lw_span in = { (const char *)data + 1, size - 1 };
    size_t max = data[0] % 64 + 1;

    check_message(in, max);
    check_lines(in, max);
    check_certs(in);
    return 0;
}
