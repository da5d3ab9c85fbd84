/* SPDX-License-Identifier: MIT */
/* tests/dkim/support.c - see support.h */
#include "dkim/support.h"

lw_dkim_key *
test_key(const char *pem)
{
    lw_error e;
    lw_dkim_key *key;

    if (lw_dkim_key_parse(NULL, lw_span_str(pem), &key, &e) != LW_OK)
        fail_msg("%s", e.text);
    return key;
}

lw_dkim_opts
test_opts(lw_dkim_key *key, int canon)
{
    lw_dkim_opts o;

    lw_dkim_opts_init(&o);
    o.domain = "example.com";
    o.selector = "s1";
    o.key = key;
    o.header_canon = canon & 1 ? LW_DKIM_SIMPLE : LW_DKIM_RELAXED;
    o.body_canon = canon & 2 ? LW_DKIM_SIMPLE : LW_DKIM_RELAXED;
    return o;
}

lw_dkim_signer *
test_signer(const lw_dkim_opts *o, size_t n)
{
    lw_dkim_signer *s = lw_dkim_signer_new(NULL);
    lw_error e;

    for (size_t i = 0; i < n; i++)
        if (lw_dkim_signer_add(s, &o[i], &e) != LW_OK)
            fail_msg("%s", e.text);
    return s;
}

uint64_t
test_next(test_random *r, uint64_t below)
{
    uint64_t x = r->state += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (x ^ x >> 31) % below;
}

static lw_code
memory_next(void *ctx, lw_span *span)
{
    test_memory *m = ctx;
    size_t left = m->all.len - m->at, n = left;

    if (m->max_span > 0 && n > 0)
        n = (size_t)test_next(&m->random, m->max_span + 1);
    if (n > left)
        n = left;
    *span = (lw_span){ m->all.ptr + m->at, n };
    m->at += n;
    return m->at == m->all.len ? LW_DONE : LW_OK;
}

static lw_code
memory_rewind(void *ctx)
{
    test_memory *m = ctx;

    m->at = 0;
    m->n_rewinds++;
    return LW_OK;
}

lw_body
test_body(test_memory *m, lw_span all, size_t max_span, uint64_t seed)
{
    *m = (test_memory){ .all = all, .max_span = max_span, .random = { seed } };
    return (lw_body){ .next = memory_next, .rewind = memory_rewind, .ctx = m, .size = all.len,
                      .is_canonical = true };
}

char *
test_pull(lw_body *b, size_t *len, lw_code *rc)
{
    lw_buf out;
    lw_span s;

    lw_buf_init(&out, NULL, SIZE_MAX / 2);
    do {
        if ((*rc = b->next(b->ctx, &s)) >= 0)
            lw_buf_add(&out, s);
    } while (*rc == LW_OK);
    *len = out.len;
    return lw_buf_take(&out);
}

lw_dkim_result
test_verify(lw_span message, size_t i, const char *record, int64_t now_s, uint64_t seed)
{
    lw_dkim_verifier *v = lw_dkim_verifier_new(NULL);
    lw_dkim_result r = { .status = LW_DKIM_NEUTRAL };
    test_memory m;
    lw_body b = test_body(&m, message, seed == 0 ? 0 : 40, seed);
    lw_error e = { .code = LW_OK };
    lw_span s;
    lw_code rc;

    do {
        rc = b.next(b.ctx, &s);
        if (lw_dkim_verifier_feed(v, s, &e) != LW_OK)
            fail_msg("%s", e.text);
    } while (rc == LW_OK);
    if (lw_dkim_verifier_end(v, &e) != LW_OK)
        fail_msg("%s", e.text);
    assert_true(i < lw_dkim_verifier_n(v));
    assert_int_equal(lw_dkim_verifier_check(v, i, LW_DKIM_RECORD, lw_span_str(record), now_s, &r), LW_OK);
    lw_dkim_verifier_free(v);
    return r;
}

static void *
failing_resize(void *ctx, void *p, size_t n)
{
    test_failing *f = ctx;
    void *q;

    if (n == 0) {
        f->n_live -= p != NULL;
        free(p);
        return NULL;
    }
    f->n_calls++;
    if (f->countdown > 0 && --f->countdown == 0) {
        f->countdown = f->stays ? 1 : 0;
        return NULL;
    }
    q = realloc(p, n);
    f->n_live += p == NULL;
    return q;
}

lw_alloc
test_failing_alloc(test_failing *f)
{
    return (lw_alloc){ failing_resize, f };
}
