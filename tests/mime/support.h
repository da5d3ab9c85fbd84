/* SPDX-License-Identifier: MIT */
/* tests/mime/support.h - render to memory, sources that misbehave */
#ifndef LW_TESTS_MIME_SUPPORT_H
#define LW_TESTS_MIME_SUPPORT_H

#include "support/memory.h"
#include "support/test.h"

#include "mime/mime_int.h"

/* ---- a source over memory ------------------------------------------------------------------- */

typedef struct test_source {
    const char *data;
    size_t len;          /* what reading gives        */
    uint64_t said;       /* what open says            */
    uint64_t said_later; /* what the second open says */
    size_t chunk;        /* octets a read gives; 0 = as many as fit */
    size_t fail_at;      /* read fails here; SIZE_MAX = never */
    bool silent;         /* without a sentence of its own */
    bool no_open;
    size_t pos;
    int n_open, n_opened, n_freed;
} test_source;

static inline lw_code
test_source_open(void *ctx, uint64_t *size, lw_error *err)
{
    test_source *s = ctx;

    if (s->no_open)
        return s->silent ? LW_ESOURCE
            : lw_fail(err, LW_ESOURCE, LW_STAGE_COMPOSE, "no such file");
    *size = s->n_opened > 0 ? s->said_later : s->said;
    s->pos = 0;
    s->n_open++;
    s->n_opened++;
    return LW_OK;
}

static inline lw_code
test_source_read(void *ctx, char *buf, size_t cap, size_t *n, lw_error *err)
{
    test_source *s = ctx;
    size_t k = s->len - s->pos;

    if (s->pos >= s->fail_at)
        return s->silent ? LW_ESOURCE
            : lw_fail(err, LW_ESOURCE, LW_STAGE_DATA, "the disk is on fire");
    if (k > cap)
        k = cap;
    if (s->chunk > 0 && k > s->chunk)
        k = s->chunk;
    if (k > s->fail_at - s->pos)
        k = s->fail_at - s->pos;
    if (k > 0)
        memcpy(buf, s->data + s->pos, k);
    s->pos += k;
    *n = k;
    return LW_OK;
}

static inline void
test_source_close(void *ctx)
{
    ((test_source *)ctx)->n_open--;
}

static inline void
test_source_free(void *ctx)
{
    ((test_source *)ctx)->n_freed++;
}

static inline lw_source
test_source_of(test_source *s, const char *data, size_t len)
{
    *s = (test_source){ .data = data, .len = len, .said = len, .said_later = len,
                        .fail_at = SIZE_MAX };
    return (lw_source){ test_source_open, test_source_read, test_source_close, test_source_free, s };
}

/* ---- rendering to memory ---------------------------------------------------------------------- */

static inline lw_render_opts
test_opts(unsigned seed)
{
    lw_render_opts o = { .now_s = 1700000000, .zone_minutes = 60, .host = "host.example" };

    for (size_t i = 0; i < sizeof o.random; i++) {
        seed = seed * 1103515245u + 12345u;
        o.random[i] = (unsigned char)(seed >> 16);
    }
    return o;
}

/* all octets of a rendering, NUL-terminated, from malloc; spans counts them */
static inline char *
test_pull_all(lw_rendering *r, size_t *len, lw_code *rc, size_t *spans)
{
    lw_body *b = lw_rendering_body(r);
    char *all = calloc(1, 1);
    lw_span s;

    *len = *spans = 0;
    do {
        *rc = b->next(b->ctx, &s);
        if (*rc < 0)
            break;
        all = realloc(all, *len + s.len + 1);
        assert_non_null(all);
        if (s.len > 0)
            memcpy(all + *len, s.ptr, s.len);
        *len += s.len;
        all[*len] = '\0';
        ++*spans;
    } while (*rc == LW_OK);
    return all;
}

/* message to octets, with what must hold of every rendering checked */
static inline char *
test_render(lw_message *m, size_t *len)
{
    lw_render_opts o = test_opts(1);
    lw_rendering *r;
    lw_error e;
    lw_code rc;
    size_t spans, again_len;

    if (lw_rendering_new(m, &o, &r, &e) < 0)
        fail_msg("rendering: %s", e.text);
    char *all = test_pull_all(r, len, &rc, &spans);
    assert_int_equal(rc, LW_DONE);
    assert_int_equal(lw_rendering_body(r)->size, *len);
    assert_true(lw_rendering_body(r)->is_canonical);
    assert_true(*len >= 2 && memcmp(all + *len - 2, "\r\n", 2) == 0);
    for (size_t i = 0, line = 0; i < *len; i++, line++) {
        if (all[i] == '\n')
            assert_true(i > 0 && all[i - 1] == '\r');
        if (all[i] == '\r') {
            assert_true(all[i + 1] == '\n');
            assert_true(line <= 998);
            line = (size_t)-2;
        }
    }
    assert_int_equal(lw_rendering_body(r)->rewind(r), LW_OK);
    char *again = test_pull_all(r, &again_len, &rc, &spans);
    assert_int_equal(again_len, *len);
    assert_memory_equal(again, all, *len);
    free(again);
    lw_rendering_free(r);
    return all;
}

#endif
