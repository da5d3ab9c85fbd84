/* SPDX-License-Identifier: MIT */
/* An engine that ends leaves nothing of a login in the memory that it gives back. */
#include "support/test.h"

#include <letterwing/smtp.h>

/* Memory whose blocks are looked into when they are given back, and whose pages of the engine that
 * were never used must not have been touched: they hold what they held when they were asked for. */
typedef struct watch {
    const char *secret;
    bool was_found;
    size_t n_untouched; /* octets given back with the pattern of fresh ones */
} watch;

enum { HEAD = 16, FRESH = 0x5a };

static void
look_into(watch *w, const char *block, size_t n)
{
    if (memmem(block, n, w->secret, strlen(w->secret)) != NULL)
        w->was_found = true;
    for (size_t i = 0; i < n; i++)
        w->n_untouched += block[i] == FRESH;
}

static void *
watched_resize(void *ctx, void *p, size_t n)
{
    char *old = p, *block = NULL;
    size_t had = 0;

    if (old != NULL)
        memcpy(&had, old - HEAD, sizeof had);
    if (n > 0) {
        block = (char *)malloc(HEAD + n) + HEAD;
        memcpy(block - HEAD, &n, sizeof n);
        memset(block, FRESH, n);
        if (old != NULL)
            memcpy(block, old, had < n ? had : n);
    }
    if (old != NULL) {
        look_into(ctx, old, had);
        free(old - HEAD);
    }
    return block;
}

static void
feed(lw_smtp *e, const char *text)
{
    size_t used;
    lw_event ev;

    while (*text != '\0') {
        assert_true(lw_smtp_feed(e, text, strlen(text), &used) >= 0);
        text += used;
        while (lw_smtp_next(e, &ev) == LW_OK)
            ;
    }
}

static void
drain(lw_smtp *e)
{
    lw_slice v[8];
    int n;

    while ((n = lw_smtp_out(e, v, 8)) > 0)
        for (int i = 0; i < n; i++)
            lw_smtp_sent(e, v[i].len);
}

static lw_smtp *
open_engine(const lw_alloc *alloc)
{
    lw_smtp_opts o;
    lw_smtp *e;

    lw_smtp_opts_init(&o);
    o.alloc = alloc;
    assert_int_equal(lw_smtp_new(&o, 0, &e), LW_OK);
    feed(e, "220 ready\r\n");
    drain(e);
    feed(e, "250-here\r\n250 AUTH PLAIN\r\n");
    return e;
}

static void
test_free__login_is_wiped(void **state)
{
    static const char secret[] = "AGFubgBzZWNyZXQ";
    watch w = { secret, false, 0 };
    lw_alloc alloc = { watched_resize, &w };

    (void)state;
    for (int moment = 0; moment < 3; moment++) {
        lw_smtp *e = open_engine(&alloc);
        assert_int_equal(lw_smtp_auth(e, "PLAIN", lw_span_str(secret)), LW_OK);
        if (moment > 0) /* else it ends with the command not sent */
            drain(e);
        if (moment > 1) {
            feed(e, "235 I heard AGFubgBzZWNyZXQ\r\n"); /* a server that says it again */
            assert_int_equal(lw_smtp_command(e, LW_LIT("NOOP"), 0, NULL), LW_OK);
            drain(e);
            feed(e, "250 AGFubgBzZWNyZXQ and on"); /* not a whole line */
        }
        lw_smtp_free(e);
        assert_false(w.was_found);
    }
}

static void
test_free__untouched_memory_stays_so(void **state)
{
    watch w = { "nothing", false, 0 };
    lw_alloc alloc = { watched_resize, &w };
    lw_smtp *e = open_engine(&alloc);

    (void)state;
    lw_smtp_free(e);
    assert_true(w.n_untouched > 16000); /* nearly all of the room for replies and commands */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_free__login_is_wiped),
        cmocka_unit_test(test_free__untouched_memory_stays_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
