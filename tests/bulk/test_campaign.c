/* SPDX-License-Identifier: MIT */
/* tests/bulk/test_campaign.c - what a campaign tells of a row, from the completion that it gets */
#include "bulk/campaign_int.h"

#include "support/test.h"

/** A campaign over a pool that is given nothing, and what it told. */
typedef struct fixture {
    const char
        *rows; /* a letter each: '+' a row, '!' a bad one, '.' none now; then the end */
    uint64_t n_rows;
    lw_row_event told[8];
    size_t n_told;
    lw_campaign_opts o;
    lw_campaign *c;
} fixture;

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
    fixture *f = ctx;
    char kind = *f->rows;

    if (kind == '\0')
        return LW_DONE;
    f->rows++;
    if (kind == '.')
        return LW_AGAIN;
    *row = (lw_row){
        .number = ++f->n_rows, .line = f->n_rows + 1, .values = values, .n = 1
    };
    return kind == '+' ? LW_OK : lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "bad");
}

static void
keep_event(void *ctx, const lw_row_event *ev)
{
    fixture *f = ctx;

    assert_true(f->n_told < LW_COUNT(f->told));
    f->told[f->n_told++] = *ev;
}

static void
set_up(fixture *f, const char *rows)
{
    static const char *const server[] = { "smtp://127.0.0.1:25" };
    static const uint64_t at_once = 0;
    lw_send_opts send;
    lw_pool_opts pool;
    lw_mailing_opts mailing;
    lw_error err;

    *f = (fixture){ .rows = rows };
    lw_send_opts_init(&send);
    send.servers = server;
    send.n_servers = 1;
    lw_pool_opts_init(&pool);
    pool.send = &send;
    lw_mailing_opts_init(&mailing);
    mailing.from = "bob@example.com";
    mailing.text = "Hello";
    lw_campaign_opts_init(&f->o);
    f->o.rows = (lw_rows){ next_row, names, f };
    f->o.tell = keep_event;
    f->o.ctx = f;
    f->o.retry_ms = &at_once;
    f->o.n_retries = 1;
    f->o.is_strict = true;
    f->o.keep_duplicates = true; /* they all have one address */
    assert_int_equal(lw_mailing_new(&mailing, columns, 1, &f->o.mailing, &err), LW_OK);
    assert_int_equal(lw_pool_open(&pool, &f->o.pool, &err), LW_OK);
    assert_int_equal(lw_campaign_new(&f->o, &f->c, &err), LW_OK);
}

static void
tear_down(fixture *f)
{
    assert_int_equal(lw_campaign_free(f->c, NULL), LW_OK);
    lw_pool_close(f->o.pool);
    lw_mailing_free(f->o.mailing);
}

/* the next row, as if the pool had taken it, gets this completion */
static void
answer_next_row(fixture *f, lw_completion done)
{
    assert_int_equal(lw_campaign_next_row(f->c), LW_OK);
    done.tag = f->c->batch[0];
    lw_message_free(f->c->batch[0]->message);
    f->c->batch[0]->message = NULL;
    f->c->n_batch = 0;
    f->c->counts.in_flight = 1;
    assert_int_equal(lw_campaign_answer(f->c, &done), LW_OK);
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
        fixture f;

        set_up(&f, "+");
        answer_next_row(&f, (lw_completion){ .began_ns = cases[i].began_ns,
                                             .ended_ns = cases[i].ended_ns });
        assert_true(f.told[0].seconds == cases[i].seconds);
        tear_down(&f);
    }
}

/* no report: nothing of it left, and there is one more try */
static void
answer_unsent(fixture *f)
{
    answer_next_row(f, (lw_completion){ .report = NULL });
    assert_int_equal(f->told[0].fate, LW_FATE_RETRY);
}

static void
assert_ended_unsent(const fixture *f)
{
    const lw_row_event *last = &f->told[f->n_told - 1];

    assert_int_equal(last->fate, LW_FATE_ENDED);
    assert_int_equal(last->row, 1);
    assert_int_equal(last->attempt, 1);
    assert_int_equal(last->outcome, LW_OUTCOME_UNSENT);
    assert_int_equal(lw_campaign_count(f->c).unsent, 1);
}

static void
test_row_that_waits__run_is_stopped_told_as_it_stands(void **state)
{
    fixture f;

    (void)state;
    set_up(&f, "+");
    answer_unsent(&f);
    lw_campaign_stop(f.c);
    assert_int_equal(lw_campaign_step(f.c, 0, NULL), LW_DONE);
    assert_ended_unsent(&f);
    tear_down(&f);
}

/* its time had come, and the row behind it ended the run before both could leave */
static void
test_row_that_waits__batch_is_dropped_told_as_it_stands(void **state)
{
    fixture f;

    (void)state;
    set_up(&f, "+!");
    answer_unsent(&f);
    assert_int_equal(lw_campaign_step(f.c, 0, NULL), LW_EMESSAGE);
    assert_int_equal(f.n_told, 3);
    assert_int_equal(f.told[1].fate, LW_FATE_BAD);
    assert_ended_unsent(&f);
    tear_down(&f);
}

/* rows that were read leave, and the list is asked again */
static void
test_list_that_pauses__is_asked_again(void **state)
{
    fixture f;

    (void)state;
    set_up(&f, "+.+.");
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(lw_campaign_next_row(f.c), LW_OK);
        assert_int_equal(f.c->n_batch, i + 1);
        assert_int_equal(lw_campaign_next_row(f.c), LW_DONE);
    }
    assert_int_equal(lw_campaign_count(f.c).rows, 2);
    tear_down(&f);
}

/* how long a step took of a campaign that has no rows and waits for no answer */
static uint64_t
idle_step_ms(fixture *f, uint64_t timeout_ms)
{
    uint64_t began = lw_campaign_now_ns();

    assert_int_equal(lw_campaign_step(f->c, timeout_ms, NULL), LW_OK);
    return (lw_campaign_now_ns() - began) / 1000000;
}

static void
test_step__nothing_to_do_waits(void **state)
{
    fixture f;

    (void)state;
    set_up(&f, "+");
    f.c->retry_ms[0] = 3600000;
    answer_unsent(&f);
    assert_true(idle_step_ms(&f, 30) >= 30);
    tear_down(&f);
    set_up(&f, "..");
    assert_true(idle_step_ms(&f, 10) >= 10);
    assert_true(idle_step_ms(&f, 1000) >= 10);
    tear_down(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seconds__are_those_of_the_connection),
        cmocka_unit_test(test_row_that_waits__run_is_stopped_told_as_it_stands),
        cmocka_unit_test(test_row_that_waits__batch_is_dropped_told_as_it_stands),
        cmocka_unit_test(test_list_that_pauses__is_asked_again),
        cmocka_unit_test(test_step__nothing_to_do_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
