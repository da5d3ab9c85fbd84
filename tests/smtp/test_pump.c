/* SPDX-License-Identifier: MIT */
/* Bodies on their way out: line ends and dots, at every split, against a plain model. */
#include "support/guard.h"
#include "support/test.h"

#include "smtp/pump.h"

typedef struct source {
    const char *text;
    size_t len, at, first, then; /* size of the first span, and of the others */
    guard *page;
} source;

static lw_code
source_next(void *ctx, lw_span *span)
{
    source *s = ctx;
    size_t want = s->at == 0 ? s->first : s->then, left = s->len - s->at;
    size_t n = want < left ? want : left;

    *span = (lw_span){ guard_put(s->page, s->text + s->at, n), n };
    s->at += n;
    return s->at == s->len ? LW_DONE : LW_OK;
}

static size_t
pump_all(source *s, bool stuff, char *out)
{
    lw_body body = { source_next, NULL, s, s->len, false };
    lw_pump p;
    lw_span run, literal;
    size_t n = 0;

    lw_pump_init(&p, &body, stuff, false);
    do {
        assert_int_equal(lw_pump_pull(&p), LW_OK);
        size_t before = n, announced = (size_t)lw_pump_length(&p);
        while (lw_pump_piece(&p, &run, &literal)) {
            memcpy(out + n, run.ptr, run.len);
            n += run.len;
            memcpy(out + n, literal.ptr, literal.len);
            n += literal.len;
        }
        assert_int_equal(n - before, announced);
    } while (!p.is_last);
    return n;
}

/* the same, an octet at a time, without any cleverness */
static size_t
model(const char *in, size_t len, bool stuff, char *out)
{
    size_t n = 0;
    bool bol = true;

    for (size_t i = 0; i < len; i++) {
        if (in[i] == '\r' || in[i] == '\n') {
            if (in[i] == '\r' && i + 1 < len && in[i + 1] == '\n')
                i++;
            out[n++] = '\r';
            out[n++] = '\n';
            bol = true;
            continue;
        }
        if (bol && stuff && in[i] == '.')
            out[n++] = '.';
        out[n++] = in[i];
        bol = false;
    }
    if (!bol) {
        out[n++] = '\r';
        out[n++] = '\n';
    }
    return n;
}

static void
check(const char *text, size_t len, size_t first, size_t then)
{
    static char want[4096], got[4096];
    guard page;

    guard_open(&page, 4096);
    for (int stuff = 0; stuff < 2; stuff++) {
        source s = { text, len, 0, first, then, &page };
        size_t n = model(text, len, stuff, want), m = pump_all(&s, stuff, got);
        if (n != m || memcmp(want, got, n) != 0)
            fail_msg("\"%.*s\" in spans of %zu, %zu, stuff %d", (int)len, text, first, then, stuff);
    }
    guard_close(&page);
}

static void
test_pump__every_short_text_at_every_split(void **state)
{
    static const char letters[] = { '.', '\r', '\n', 'a' };
    char text[6];

    (void)state;
    for (size_t len = 0; len <= 6; len++)
        for (unsigned code = 0; code < 1u << 2 * len; code++) {
            for (size_t i = 0; i < len; i++)
                text[i] = letters[code >> 2 * i & 3];
            check(text, len, len, 1);
            for (size_t split = 1; split < len; split++)
                check(text, len, split, len);
            if (len > 1)
                check(text, len, 1, 1);
        }
}

static void
test_pump__canonical_chunk_is_one_piece(void **state)
{
    lw_body body = { source_next, NULL, NULL, 0, true };
    lw_pump p;
    lw_span run, literal;
    guard page;
    source s = { "a\r\n.\r\nb\r\n", 9, 0, 9, 9, &page };

    (void)state;
    guard_open(&page, 64);
    body.ctx = &s;
    lw_pump_init(&p, &body, false, false);
    assert_int_equal(lw_pump_pull(&p), LW_OK);
    assert_int_equal(lw_pump_length(&p), 9);
    assert_true(lw_pump_piece(&p, &run, &literal));
    assert_int_equal(run.len, 9);
    assert_int_equal(literal.len, 0);
    assert_false(lw_pump_piece(&p, &run, &literal));
    guard_close(&page);
}

static lw_code
gives_nothing(void *ctx, lw_span *span)
{
    (void)ctx;
    *span = LW_NO_SPAN;
    return LW_OK;
}

static void
test_pump__body_that_gives_nothing_ends(void **state)
{
    lw_body body = { gives_nothing, NULL, NULL, 0, false };
    lw_pump p;

    (void)state;
    lw_pump_init(&p, &body, true, false);
    assert_int_equal(lw_pump_pull(&p), LW_ESOURCE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pump__every_short_text_at_every_split),
        cmocka_unit_test(test_pump__canonical_chunk_is_one_piece),
        cmocka_unit_test(test_pump__body_that_gives_nothing_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
