/* SPDX-License-Identifier: MIT */
/* tests/bulk/test_campaign.c - what a campaign tells of a row, from the completion that it gets */
#include "bulk/campaign_int.h"

#include "support/test.h"

static const char *const columns[] = { "email" };

static const char *const *
names(void *ctx, size_t *n)
{
    (void)ctx;
    *n = 1;
    return columns;
}

static lw_code
next_row(void *ctx, lw_row *row, lw_error *err)
{
    static const lw_span values[] = { { "ann@example.org", 15 } };
    unsigned *n = ctx;

    (void)err;
    if (*n == 1)
        return LW_DONE;
    *row = (lw_row){ .number = ++*n, .line = 2, .values = values, .n = 1 };
    return LW_OK;
}

static void
keep_event(void *ctx, const lw_row_event *ev)
{
    *(lw_row_event *)ctx = *ev;
}

/* a campaign of one row, over a pool that is given nothing */
static lw_campaign *
campaign_of_one(lw_campaign_opts *o, unsigned *n_rows, lw_row_event *told)
{
    static const char *const server[] = { "smtp://127.0.0.1:25" };
    lw_send_opts send;
    lw_pool_opts pool;
    lw_mailing_opts mailing;
    lw_campaign *c;
    lw_error err;

    lw_send_opts_init(&send);
    send.servers = server;
    send.n_servers = 1;
    lw_pool_opts_init(&pool);
    pool.send = &send;
    lw_mailing_opts_init(&mailing);
    mailing.from = "bob@example.com";
    mailing.text = "Hello";
    lw_campaign_opts_init(o);
    o->rows = (lw_rows){ next_row, names, n_rows };
    o->tell = keep_event;
    o->ctx = told;
    assert_int_equal(lw_mailing_new(&mailing, columns, 1, &o->mailing, &err), LW_OK);
    assert_int_equal(lw_pool_open(&pool, &o->pool, &err), LW_OK);
    assert_int_equal(lw_campaign_new(o, &c, &err), LW_OK);
    return c;
}

static void
test_seconds__are_those_of_the_connection(void **state)
{
    static const struct {
        uint64_t began_ns, ended_ns;
        double seconds;
    } cases[] = { { 1000000000, 1250000000, 0.25 }, { 0, 0, 0 } };

    (void)state;
    for (size_t i = 0; i < LW_COUNT(cases); i++) {
        lw_row_event told = { .seconds = -1 };
        lw_campaign_opts o;
        unsigned n_rows = 0;
        lw_campaign *c = campaign_of_one(&o, &n_rows, &told);
        lw_completion done = { .began_ns = cases[i].began_ns, .ended_ns = cases[i].ended_ns };

        assert_int_equal(lw_campaign_next_row(c), LW_OK);
        done.tag = c->batch[0];
        c->n_batch = 0;
        c->counts.in_flight = 1;
        assert_int_equal(lw_campaign_answer(c, &done), LW_OK);
        assert_true(told.seconds == cases[i].seconds);
        assert_int_equal(lw_campaign_free(c, NULL), LW_OK);
        lw_pool_close(o.pool);
        lw_mailing_free(o.mailing);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seconds__are_those_of_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
