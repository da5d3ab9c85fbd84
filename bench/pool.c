/* SPDX-License-Identifier: MIT */
/*
 * pool.c - our pool as a client: many messages over several connections
 *
 *     pool URL COUNT FILE [OPTION VALUE]...
 *
 *     connections N   threads N   window N   ca FILE
 *     chunking no     pipelining no       as if the server did not offer it
 *     hold N          after the messages: open N connections, say what one costs, end
 *
 * FILE is a ready message with CRLF line ends.  Each message is a job of its own, with an envelope
 * of its own, and each completion is looked at.
 */
#include "bench.h"

#include <letterwing/pool.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

typedef struct bench {
    lw_send_opts send;
    lw_pool_opts opts;
    lw_pool *pool;
    const char *text;
    size_t len;
    long n_hold;
    long accepted; /* by the pool's threads */
    pthread_mutex_t lock;
    char trouble[400];
} bench;

static lw_code
next_span(void *ctx, lw_span *span)
{
    const bench *b = ctx;

    *span = (lw_span){ b->text, b->len };
    return LW_DONE;
}

static lw_code
rewind_span(void *ctx)
{
    (void)ctx;
    return LW_OK;
}

static void
done(void *ctx, const lw_completion *c)
{
    bench *b = ctx;

    if (lw_report_error(c->report)->code == LW_OK) {
        __atomic_add_fetch(&b->accepted, 1, __ATOMIC_RELAXED);
    } else {
        pthread_mutex_lock(&b->lock);
        snprintf(b->trouble, sizeof b->trouble, "%s", lw_report_text(c->report));
        pthread_mutex_unlock(&b->lock);
    }
    lw_report_free(c->report);
}

static void
option(bench *b, const char *name, const char *value)
{
    uint32_t n = (uint32_t)strtoul(value, NULL, 10);

    if (strcmp(name, "connections") == 0)
        b->opts.connections = n;
    else if (strcmp(name, "threads") == 0)
        b->opts.threads = n;
    else if (strcmp(name, "window") == 0)
        b->send.window = n;
    else if (strcmp(name, "ca") == 0)
        b->send.ca_file = value;
    else if (strcmp(name, "chunking") == 0)
        b->send.no_chunking = true;
    else if (strcmp(name, "pipelining") == 0)
        b->send.no_pipelining = true;
    else if (strcmp(name, "hold") == 0) {
        b->n_hold = (long)n;
        b->opts.rates.messages_per_connection = 0.001;
    }
    else
        exit(64);
}

static lw_job
make_job(bench *b, lw_envelope *env, lw_rcpt *to)
{
    lw_job job;

    *to = (lw_rcpt){ .address = "b@bench.test" };
    *env = (lw_envelope){ .from = "a@bench.test", .rcpts = to, .n_rcpts = 1 };
    lw_job_init(&job);
    job.envelope = env;
    job.body = (lw_body){ .next = next_span,
                          .rewind = rewind_span,
                          .ctx = b,
                          .size = b->len,
                          .is_canonical = true };
    job.done = done;
    job.ctx = b;
    return job;
}

static void
send_all(bench *b, long count)
{
    lw_envelope env;
    lw_rcpt to;
    lw_job job = make_job(b, &env, &to);
    lw_error err;

    for (long i = 0; i < count; i++)
        if (lw_pool_submit_wait(b->pool, &job, NULL, &err) != LW_OK) {
            fprintf(stderr, "pool: %s\n", err.text);
            return;
        }
    (void)lw_pool_drain(b->pool);
}

/* ---- memory ------------------------------------------------------------------------------------- */

static long
resident_kib(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long pages = 0;

    if (f != NULL && fscanf(f, "%*d %ld", &pages) != 1)
        pages = 0;
    if (f != NULL)
        fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* one message for each connection: its own rate keeps it from a second one */
static void
hold(bench *b)
{
    long before = resident_kib(), n = b->n_hold;
    lw_pool_stats s = { .open = 0 };
    lw_envelope env;
    lw_rcpt to;
    lw_job job = make_job(b, &env, &to);
    lw_error err;

    for (long i = 0; i < n; i++)
        if (lw_pool_submit_wait(b->pool, &job, NULL, &err) != LW_OK)
            break;
    for (int tries = 0; tries < 6000 && (s.open < n || s.completed < (uint64_t)n); tries++) {
        usleep(10000);
        lw_pool_stats_get(b->pool, &s);
    }
    fprintf(stderr, "{\"open\":%u,\"kib\":%ld,\"kib_before\":%ld}\n", s.open, resident_kib(),
            before);
}

int
main(int argc, char **argv)
{
    bench b = { .lock = PTHREAD_MUTEX_INITIALIZER };
    stopwatch since;
    lw_error err;
    long count;

    if (argc < 4)
        return 64;
    count = strtol(argv[2], NULL, 10);
    b.text = load_file(argv[3], &b.len);
    lw_send_opts_init(&b.send);
    lw_pool_opts_init(&b.opts);
    b.opts.send = &b.send;
    b.send.servers = (const char *const *)&argv[1];
    b.send.n_servers = 1;
    b.send.ehlo_name = "bench.test";
    for (int i = 4; i + 1 < argc; i += 2)
        option(&b, argv[i], argv[i + 1]);
    since = look_at_clock();
    if (lw_pool_open(&b.opts, &b.pool, &err) != LW_OK) {
        fprintf(stderr, "pool: %s\n", err.text);
        return 1;
    }
    send_all(&b, count);
    if (b.n_hold > 0)
        hold(&b);
    lw_pool_close(b.pool);
    if (b.trouble[0] != '\0')
        fprintf(stderr, "pool: %s\n", b.trouble);
    return print_result(since, count + b.n_hold, b.accepted);
}
