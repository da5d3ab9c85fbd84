/* SPDX-License-Identifier: MIT */
/* tests/mime/test_pull.c - sources: whole, slow, shrinking, growing, failing; rewinding */
#include "mime/support.h"

static char data[200000];

static lw_message *
with_source(test_source *s, size_t len)
{
    lw_message *m = lw_message_new();
    lw_source source = test_source_of(s, data, len);

    lw_message_from(m, "ann@example.com");
    lw_message_to(m, "bob@example.org");
    lw_message_text(m, "see the attachment");
    assert_int_equal(lw_message_attach_source(m, source, "/tmp/report.pdf", NULL), LW_OK);
    return m;
}

/* the attachment's octets in a rendered message */
static size_t
attached(const char *all, char *out)
{
    const char *p = strstr(strstr(all, "filename=report.pdf"), "\r\n\r\n") + 4;
    char *flat = malloc(strlen(p) + 1);
    size_t n = 0, got;

    for (; *p != '-'; p++)
        if (*p != '\r' && *p != '\n')
            flat[n++] = *p;
    assert_true(lw_base64_decode(out, (lw_span){ flat, n }, &got));
    free(flat);
    return got;
}

static void
test_source__any_size_and_read_length_comes_back(void **state)
{
    static const size_t sizes[] = { 0, 1, 56, 57, 58, 47879, 47880, 47881, 65520, 95760, 199999 };
    static const size_t chunks[] = { 0, 1, 7, 57, 1000, 40000 };
    char *out = malloc(sizeof data + 8);

    for (size_t i = 0; i < LW_COUNT(sizes); i++)
        for (size_t k = 0; k < LW_COUNT(chunks); k++) {
            test_source s;
            size_t len;
            lw_message *m = with_source(&s, sizes[i]);
            s.chunk = chunks[k];
            char *all = test_render(m, &len);
            assert_int_equal(attached(all, out), sizes[i]);
            assert_memory_equal(out, data, sizes[i]);
            assert_int_equal(s.n_open, 0);
            free(all);
            lw_message_free(m);
            assert_int_equal(s.n_freed, 1);
        }
    free(out);
}

static void
test_source__of_unknown_size_gives_unknown_size(void **state)
{
    test_source s;
    lw_render_opts o = test_opts(1);
    lw_message *m = with_source(&s, 100000);
    lw_rendering *r;
    lw_error e;
    lw_code rc;
    size_t len, spans;
    char *out = malloc(sizeof data);

    s.said = s.said_later = LW_SIZE_UNKNOWN;
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
    assert_true(lw_rendering_body(r)->size == LW_SIZE_UNKNOWN);
    char *all = test_pull_all(r, &len, &rc, &spans);
    assert_int_equal(rc, LW_DONE);
    assert_int_equal(attached(all, out), 100000);
    assert_memory_equal(out, data, 100000);
    free(all);
    free(out);
    lw_rendering_free(r);
    lw_message_free(m);
}

static void
test_source__that_changes_fails_and_never_ends_the_message(void **state)
{
    static const struct {
        const char *name;
        size_t said, said_later, len, fail_at;
        bool silent;
        const char *want;
    } rows[] = {
        { "shrinks", 100000, 100000, 99999, SIZE_MAX, false,
          "/tmp/report.pdf became shorter while it was read (100000 octets were expected)" },
        { "vanishes", 100000, 100000, 0, SIZE_MAX, false,
          "/tmp/report.pdf became shorter while it was read (100000 octets were expected)" },
        { "grows", 100000, 100000, 100001, SIZE_MAX, false,
          "/tmp/report.pdf became longer while it was read (100000 octets were expected)" },
        { "grows a lot", 1000, 1000, 150000, SIZE_MAX, false,
          "/tmp/report.pdf became longer while it was read (1000 octets were expected)" },
        { "shrank before", 100000, 99999, 99999, SIZE_MAX, false,
          "/tmp/report.pdf became shorter while it was read (100000 octets were expected)" },
        { "grew before", 100000, 100001, 100001, SIZE_MAX, false,
          "/tmp/report.pdf became longer while it was read (100000 octets were expected)" },
        { "fails at once", 100000, 100000, 100000, 0, false, "the disk is on fire" },
        { "fails late", 100000, 100000, 100000, 99999, false, "the disk is on fire" },
        { "fails at the end", 100000, 100000, 100000, 100000, false, "the disk is on fire" },
        { "fails silently", 100000, 100000, 100000, 5, true, "/tmp/report.pdf: cannot be read" },
    };

    for (size_t i = 0; i < LW_COUNT(rows); i++)
        for (size_t chunk = 0; chunk < 2000; chunk += 999) {
            test_source s;
            lw_render_opts o = test_opts(1);
            lw_message *m = with_source(&s, rows[i].len);
            lw_rendering *r;
            lw_error e;
            lw_span span;
            lw_code rc;
            size_t len, spans;
            s.said = rows[i].said;
            s.said_later = rows[i].said_later;
            s.fail_at = rows[i].fail_at;
            s.silent = rows[i].silent;
            s.chunk = chunk;
            assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
            lw_body *b = lw_rendering_body(r);
            free(test_pull_all(r, &len, &rc, &spans));
            if (rc != LW_ESOURCE || strcmp(lw_rendering_error(r)->text, rows[i].want) != 0)
                fail_msg("%s: %d %s", rows[i].name, rc, lw_rendering_error(r)->text);
            assert_true(len < b->size);
            /* it stays failed, and nothing stays open */
            assert_int_equal(b->next(b->ctx, &span), LW_ESOURCE);
            assert_int_equal(s.n_open, 0);
            /* a file that is whole again can be sent after a rewind */
            s.fail_at = SIZE_MAX;
            s.said_later = s.len = rows[i].said;
            assert_int_equal(b->rewind(b->ctx), LW_OK);
            assert_int_equal(lw_rendering_error(r)->code, LW_OK);
            free(test_pull_all(r, &len, &rc, &spans));
            assert_int_equal(rc, LW_DONE);
            assert_int_equal(len, b->size);
            lw_rendering_free(r);
            lw_message_free(m);
        }
}

static void
test_source__that_cannot_be_opened_fails_before_anything(void **state)
{
    test_source s;
    lw_render_opts o = test_opts(1);
    lw_message *m = with_source(&s, 10);
    lw_rendering *r;
    lw_error e;

    s.no_open = true;
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_ESOURCE);
    assert_string_equal(e.text, "no such file");
    s.silent = true;
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_ESOURCE);
    assert_string_equal(e.text, "/tmp/report.pdf: cannot be opened");
    lw_message_free(m);
}

static void
test_rendering__freed_in_the_middle_closes_the_source(void **state)
{
    test_source s;
    lw_render_opts o = test_opts(1);
    lw_message *m = with_source(&s, sizeof data);
    lw_rendering *r;
    lw_error e;
    lw_span span;

    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
    lw_body *b = lw_rendering_body(r);
    assert_int_equal(b->next(b->ctx, &span), LW_OK);
    assert_true(span.len > 60000);
    assert_int_equal(s.n_open, 1);
    lw_rendering_free(r);
    assert_int_equal(s.n_open, 0);
    lw_message_free(m);
}

/* a source that makes up its octets */
static uint64_t made, to_make;

static lw_code
endless_open(void *ctx, uint64_t *size, lw_error *err)
{
    made = 0;
    *size = to_make;
    return LW_OK;
}

static lw_code
endless_read(void *ctx, char *buf, size_t cap, size_t *n, lw_error *err)
{
    *n = to_make - made < cap ? (size_t)(to_make - made) : cap;
    memset(buf, 'x', *n);
    made += *n;
    return LW_OK;
}

static void
endless_close(void *ctx)
{
}

static void
test_source__of_256_mib_takes_no_memory(void **state)
{
    test_memory t;
    lw_render_opts o = test_opts(1);
    lw_rendering *r;
    lw_error e;
    lw_span span;
    lw_code rc;
    uint64_t len = 0;

    test_memory_init(&t, -1);
    lw_message *m = lw_message_new_with(&t.alloc);
    to_make = UINT64_C(256) << 20;
    lw_message_from(m, "ann@example.com");
    lw_message_to(m, "bob@example.org");
    lw_source source = { endless_open, endless_read, endless_close, NULL, NULL };
    assert_int_equal(lw_message_attach_source(m, source, "big", NULL), LW_OK);
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
    t.left = 0; /* pulling does not allocate */
    lw_body *b = lw_rendering_body(r);
    do {
        rc = b->next(b->ctx, &span);
        len += span.len;
        assert_true(span.len <= LW_OUT_MAX);
    } while (rc == LW_OK);
    assert_int_equal(rc, LW_DONE);
    assert_true(len == b->size);
    assert_false(t.has_failed);
    lw_rendering_free(r);
    lw_message_free(m);
    assert_int_equal(t.n_out, 0);
}

static void
test_size__exact_for_random_messages(void **state)
{
    srand(11);
    for (int round = 0; round < 300; round++) {
        size_t n = (size_t)rand() % 3000, len;
        char *text = malloc(n + 1);
        test_source s[4];
        lw_message *m = lw_message_new();
        for (size_t i = 0; i < n; i++)
            text[i] = (char)(rand() % 12 == 0 ? '\n' : rand() % 20 == 0 ? '=' : rand() % (round % 2 ? 5 : 94) + ' ');
        text[n] = '\0';
        lw_message_from(m, "ann@example.com");
        lw_message_to(m, "bob@example.org");
        if (rand() % 2)
            lw_message_text(m, text);
        if (rand() % 2)
            lw_message_html(m, text);
        for (int k = rand() % 4; k > 0; k--) {
            lw_source source = test_source_of(&s[k], data, (size_t)rand() % 100000);
            assert_int_equal(lw_message_attach_source(m, source, "é.x",
                &(lw_attachment){ .is_inline = rand() % 2 == 0 }), LW_OK);
        }
        free(test_render(m, &len));
        lw_message_free(m);
        free(text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_source__any_size_and_read_length_comes_back),
        cmocka_unit_test(test_source__of_unknown_size_gives_unknown_size),
        cmocka_unit_test(test_source__that_changes_fails_and_never_ends_the_message),
        cmocka_unit_test(test_source__that_cannot_be_opened_fails_before_anything),
        cmocka_unit_test(test_rendering__freed_in_the_middle_closes_the_source),
        cmocka_unit_test(test_source__of_256_mib_takes_no_memory),
        cmocka_unit_test(test_size__exact_for_random_messages),
    };
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 31 + i / 251);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
