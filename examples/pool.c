/* SPDX-License-Identifier: MIT */
/*
 * pool.c - many messages over several connections, without waiting for each
 *
 *     pool URL ADDRESS...
 *
 * Each address gets a message of its own.  A job is the pool's once it was submitted; its
 * completion says what became of the recipient.  Here they are fetched with lw_pool_next(); a
 * program that must not keep anything sets job.done instead.
 */
#include <letterwing/letterwing.h>
#include <letterwing/pool.h>

#include <stdio.h>

static lw_message *
make_message(const char *to)
{
    lw_message *m = lw_message_new();

    lw_message_from(m, "Ann <ann@example.com>");
    lw_message_to(m, to);
    lw_message_subject(m, "One of many");
    lw_message_text(m, "Everybody gets a message of his own.\n");
    return m;
}

static void
print_completion(lw_completion *c)
{
    for (size_t i = 0; i < lw_report_n_results(c->report); i++) {
        const lw_result *r = lw_report_result(c->report, i);

        printf("%-10s %s\n", lw_outcome_name(r->outcome), r->address);
    }
    lw_report_free(c->report);
}

/* waits for room where there is none, and takes completions where they must be taken first */
static lw_code
submit(lw_pool *pool, lw_message *m, lw_error *err)
{
    lw_completion done;
    lw_job job;
    lw_code rc;

    lw_job_init(&job);
    job.message = m;
    while ((rc = lw_pool_submit_wait(pool, &job, NULL, err)) == LW_AGAIN)
        if (lw_pool_next(pool, LW_FOREVER, &done) == LW_OK)
            print_completion(&done);
    return rc;
}

static void
send_all(lw_pool *pool, char **addresses, int n)
{
    lw_completion done;
    lw_error err;

    for (int i = 0; i < n; i++) {
        lw_message *m = make_message(addresses[i]);

        if (submit(pool, m, &err) != LW_OK) {
            printf("not taken  %s: %s\n", addresses[i], err.text);
            lw_message_free(m); /* it is still ours */
        }
    }
    while (lw_pool_next(pool, LW_FOREVER, &done) == LW_OK)
        print_completion(&done);
}

int
main(int argc, char **argv)
{
    lw_send_opts send;
    lw_pool_opts opts;
    lw_pool *pool = NULL;
    lw_error err;

    if (argc < 3) {
        fprintf(stderr, "usage: pool URL ADDRESS...\n");
        return 64;
    }
    lw_send_opts_init(&send);
    send.servers = (const char *const *)&argv[1];
    send.n_servers = 1;
    lw_pool_opts_init(&opts);
    opts.send = &send;
    if (lw_pool_open(&opts, &pool, &err) != LW_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 69;
    }
    send_all(pool, argv + 2, argc - 2);
    lw_pool_close(pool);
    return 0;
}
