/* SPDX-License-Identifier: MIT */
/*
 * letterwing/pool.h - many messages over several connections, without waiting for each
 *
 *     lw_send_opts_init(&send);
 *     send.servers = &url;
 *     send.n_servers = 1;
 *     lw_pool_opts_init(&opts);
 *     opts.send = &send;
 *     lw_pool_open(&opts, &pool, &err);
 *     while (have more) {
 *         lw_job_init(&job);
 *         job.message = m;                     the pool's, once submitting succeeds
 *         job.done = tell;                     runs on a thread of the pool
 *         lw_pool_submit_wait(pool, &job, NULL, &err);
 *     }
 *     lw_pool_drain(pool);
 *     lw_pool_close(pool);
 *
 * Every job that was taken gets exactly one completion, with one outcome for each recipient.
 * Connections are opened when there is work for them, kept warm, renewed, and closed when they
 * have been idle.  A connection that dies while it is idle costs no message and no error.  One
 * that has taken messages and then answers 4yz to MAIL (OpenSMTPD: after 100) is taken to be at a
 * limit: another takes its place at once, and that costs its messages no attempt.  What
 * is `unsent` or `deferred` is tried again as the retry policy says; what is `uncertain` is never
 * sent again unless the policy asks for it.
 *
 * A server's name may have several addresses: connections begin with each of them in turn (of
 * IPv6 and IPv4 the resolver's choice goes first).  One that does not answer comes last for a
 * minute, and so does one where no session comes to be: that refuses in its greeting, at EHLO or
 * STARTTLS, or where TLS fails.  The connection goes on at the next address; that costs no attempt
 * and no pause.  The server has failed when all its addresses have.  lw_send() and sessions go on
 * at the next address too, but keep the resolver's order.
 *
 * Threads: the calls on a pool may be made from any thread, also from a completion, but for
 * lw_pool_close().  With threads of the library's own send->alloc and the allocator of
 * messages must be usable from several threads (malloc is).
 *
 * Memory: a job that waits costs its message, about 400 octets, and for each recipient about 60
 * and its address; a job on a connection about 4 KiB more; a connection without TLS under 40 KiB.
 */
#ifndef LETTERWING_POOL_H
#define LETTERWING_POOL_H

#include <letterwing/base.h>
#include <letterwing/message.h>
#include <letterwing/send.h>
#include <letterwing/smtp.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s;

/* ---- options ---------------------------------------------------------------------------- */

/** How often and when what may be sent again is sent again.  The n-th pause is first_ms times
 *  factor to the power n - 1, at most max_ms.  The same pauses are kept before a server that
 *  could not be reached is tried again. */
typedef struct lw_pool_retry {
    uint32_t attempts;     /* in all; 1 = never again                                    [3] */
    uint64_t first_ms;     /*                                                        [1,000] */
    uint32_t factor;       /*                                                            [4] */
    uint64_t max_ms;       /*                                                       [60,000] */
    bool uncertain;        /* also what may have been accepted: it may arrive twice  [false] */
} lw_pool_retry;

/** At most so many in a second, in the mean over 20 ms; 0 = no limit. */
typedef struct lw_pool_rates {
    double messages;                 /* of the pool                                          */
    double recipients;               /* of the pool                                          */
    double messages_per_connection;
    double recipients_per_domain;    /* of one destination domain; a message for several waits
                                        for the busiest, and counts for all.  1,024 domains
                                        are told apart at a time; when more are busy some share
                                        a limit: slower than asked, never faster             */
} lw_pool_rates;

/** Set what you need, leave the rest as lw_pool_opts_init() made it: the values in brackets.
 *  It grows at its end only; rates and retry never do. */
typedef struct lw_pool_opts {
    size_t size;                  /* set by lw_pool_opts_init()                              */
    /**
     * Servers, login, TLS, time-outs by stage, wishes (notify, ret, envid: for messages; an
     * envelope has its own).  Borrowed until lw_pool_open() returns, with all its strings.
     * timeout_ms is not used; cancel ends the pool as lw_pool_stop() does; transcript is called
     * on the pool's threads, with the lines of several connections mixed.
     *
     * window [0 = 8]: transactions that one connection may have unanswered, and with it the
     * number of messages that can become `uncertain` when that connection dies.  8 already
     * hides nearly all waiting (0.12 round trips a message); 64 gives the last factor of two.
     * 1 = each message is answered before the next one begins.  It is a maximum: what is used
     * follows the replies, so many as are answered in a round trip and 10 ms, and two; a
     * server's very first message goes alone, and a connection begins with 8.
     *
     * A server that offers PIPELINING and loses commands is found by what it answers (503 to RCPT
     * or DATA although what came before was accepted, and no enhanced code says that it is a policy;
     * no answer to the rest of a group; two sessions lost in their first group), as long as it has
     * never answered a group in whole.  Then its connections say one command at a time, and what
     * was refused for it is sent once more.  No message that may be accepted is given up for it.
     */
    const lw_send_opts *send;     /* must be set: it names the servers                       */
    bool spread;                  /* connections go to the servers in turn, else to the first
                                     that can be reached                             [false] */
    uint32_t connections;         /* at most                                             [4] */
    uint32_t threads;             /* of the library's, at most 64; ignored with a loop   [1] */
    struct uv_loop_s *loop;       /* run on this loop of the caller's, without a thread: the
                                     loop must run for anything to happen             [NULL] */
    uint64_t max_messages;        /* over one connection, then a new one; 0 = any number [0] */
    uint64_t max_age_ms;          /* of a connection, then a new one            [1,800,000] */
    uint64_t idle_ms;             /* after so long without work it is closed        [30,000] */
    uint32_t max_waiting;         /* jobs that wait, and completions not fetched    [10,000] */
    uint64_t max_waiting_bytes;   /* of their messages, as sent (files are not held in memory,
                                     but count); one job is always taken        [67,108,864] */
    uint64_t stop_ms;             /* how long lw_pool_stop and _close wait for the answers to
                                     what is on its way                             [10,000] */
    lw_pool_rates rates;
    lw_pool_retry retry;
} lw_pool_opts;

static inline void lw_pool_opts_init(lw_pool_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
    o->connections = 4;
    o->threads = 1;
    o->max_age_ms = 1800000;
    o->idle_ms = 30000;
    o->max_waiting = 10000;
    o->max_waiting_bytes = 67108864;
    o->stop_ms = 10000;
    o->retry.attempts = 3;
    o->retry.first_ms = 1000;
    o->retry.factor = 4;
    o->retry.max_ms = 60000;
}

/* ---- jobs ------------------------------------------------------------------------------- */

typedef struct lw_pool lw_pool;
typedef uint64_t lw_job_id;      /* never 0; not used again while the pool lives              */

/** What became of a job. */
typedef struct lw_completion {
    lw_job_id id;
    void *tag;             /* the job's                                                       */
    lw_report *report;     /* yours: lw_report_free().  One result for each recipient, in order.
                              NULL: there was no memory for it, and nothing was sent          */
    unsigned attempts;     /* transactions that were begun for it                             */
    /** Of the last of them, in nanoseconds of CLOCK_MONOTONIC: when a connection was given the
     *  message, and when its outcome was known.  What waits for a rate or a free connection waits
     *  before began_ns.  Both 0: no connection had it. */
    uint64_t began_ns, ended_ns;
} lw_completion;

/** One message for its recipients: message, or envelope and body. */
typedef struct lw_job {
    size_t size;                 /* set by lw_job_init()                                      */
    lw_message *message;         /* rendered, and signed, when it is submitted, on the caller's
                                    thread; the pool's once that succeeded: it is freed before
                                    the completion is told                                    */
    const lw_envelope *envelope; /* copied, with all its text                                 */
    lw_body body;                /* copied; read on a thread of the pool, its ctx must live until
                                    body_free or the completion.  Without rewind the job is
                                    never tried a second time                                 */
    void (*body_free)(void *ctx);/* is given body.ctx before the completion is told, on the
                                    pool's thread; also if it is canceled.  NULL = nothing    */
    void *tag;
    void (*done)(void *ctx, const lw_completion *c); /* on a thread of the pool, and on the one
                                    that runs its loop; it may submit, not close.  NULL =
                                    lw_pool_next() has it                                     */
    void *ctx;
} lw_job;

static inline void lw_job_init(lw_job *j)
{
    memset(j, 0, sizeof *j);
    j->size = sizeof *j;
}

/* ---- life ------------------------------------------------------------------------------- */

/**
 * lw_pool_open - a pool, its threads started; nothing is connected yet
 *
 * @opts  borrowed; strings in it are copied
 * @out   out: the pool, NULL on failure; end it with lw_pool_close()
 * @err   out, may be NULL: the sentence
 *
 * LW_OK; LW_EUSAGE: options not made by lw_pool_opts_init() or out of range; LW_ECONFIG: a URL, a
 * certificate file or a pin is wrong; LW_ENOMEM: also when no thread can be started.
 */
LW_API LW_MUST_USE lw_code lw_pool_open(const lw_pool_opts *opts, lw_pool **out, lw_error *err);

/**
 * lw_pool_stop - no more: begin nothing, wait for the answers to what is on its way
 *
 * What waits is completed as it stands: unsent, or as its last attempt ended.  What is on a
 * connection gets its true outcome; after opts.stop_ms the connection is cut, and its messages are
 * `uncertain` or `unsent`.  Returns at once; lw_pool_drain() waits for the end.  Submitting
 * gives LW_ECANCELED from now on.
 */
LW_API void lw_pool_stop(lw_pool *p);

/** lw_pool_finish - the same, but what is on a connection is answered within its own time-outs; a
 *  lw_pool_stop() afterwards puts an end to that */
LW_API void lw_pool_finish(lw_pool *p);

/**
 * lw_pool_drain - wait until no job waits, retries or is on a connection
 *
 * LW_OK: so it is, and all completions were told, or can be fetched without waiting;
 * LW_AGAIN: called on a thread of the pool, which cannot wait for itself;
 * LW_ECANCELED: send->cancel was used; everything has been told.
 */
LW_API lw_code lw_pool_drain(lw_pool *p);

/**
 * lw_pool_close - stop, say QUIT, wait for both within opts.stop_ms, free
 *
 * All completions are told before; those for lw_pool_next that were not fetched are dropped.
 * With a loop of the caller's: to be called on its thread; connections are cut at once, and the
 * loop must run once more to give back the memory.  NULL is fine.
 */
LW_API void lw_pool_close(lw_pool *p);

/* ---- work ------------------------------------------------------------------------------- */

/**
 * lw_pool_submit - hand over a job, without waiting
 *
 * @job  its strings and envelope are borrowed for the call
 * @id   out, may be NULL: to cancel it
 * @err  out, may be NULL: the sentence
 *
 * LW_OK         it is the pool's, message and body too
 * LW_AGAIN      opts.max_waiting or _bytes is reached: the job stays the caller's
 * LW_ECANCELED  the pool was stopped
 * LW_EUSAGE     neither or both of message and envelope, no recipients, a size not set
 * LW_EADDRESS, LW_EMESSAGE, LW_ESOURCE, LW_ENOMEM and others: as lw_send(), before anything is
 *               sent; the job stays the caller's
 */
LW_API LW_MUST_USE lw_code lw_pool_submit(lw_pool *p, const lw_job *job, lw_job_id *id, lw_error *err);
/** lw_pool_submit_wait - the same, waiting until there is room.  LW_AGAIN only where waiting would
 *  never end: on a thread of the pool, or when completions must be fetched with lw_pool_next() */
LW_API LW_MUST_USE lw_code lw_pool_submit_wait(lw_pool *p, const lw_job *job, lw_job_id *id,
                                               lw_error *err);

#define LW_FOREVER UINT64_MAX

/**
 * lw_pool_next - wait for a completion of a job that has no `done`
 *
 * @timeout_ms  0 = only look, LW_FOREVER = no limit
 * @out         out: the completion; its report is the caller's
 *
 * LW_OK; LW_AGAIN: none came in time (or waiting was needed on a thread of the pool); LW_DONE:
 * none is to come: every job was told of.
 */
LW_API LW_MUST_USE lw_code lw_pool_next(lw_pool *p, uint64_t timeout_ms, lw_completion *out);

/**
 * lw_pool_cancel - take a job back
 *
 * LW_OK     it waited: it completes now, as unsent or as its last attempt ended
 * LW_AGAIN  it is on a connection: it completes with its true outcome, and is not tried again
 * LW_DONE   it has completed, or there is no such job
 */
LW_API lw_code lw_pool_cancel(lw_pool *p, lw_job_id id);

typedef struct lw_pool_stats {
    uint64_t submitted, completed;      /* jobs                                               */
    uint64_t accepted, rejected, deferred, unsent, uncertain; /* recipients of completed jobs  */
    uint64_t retries;                   /* jobs put back to be tried again                    */
    uint64_t flights;                   /* round trips waited for                             */
    uint64_t connected, lost;           /* connections that came up; that ended without QUIT  */
    uint64_t waiting_bytes;
    uint32_t waiting;                   /* jobs, with those that wait for another attempt     */
    uint32_t in_flight;                 /* jobs on connections                                */
    uint32_t finished;                  /* completions not fetched                            */
    uint32_t connecting, open, idle;    /* connections; open ones with and without work       */
    uint32_t connection_limit;          /* at present: lower than asked where servers refuse  */
    uint64_t next_try_ms;               /* until one is tried again, where all servers failed the
                                           last time; 0 = one is up, or is being tried        */
} lw_pool_stats;

/** lw_pool_stats_get - a look at the pool; the numbers fit each other */
LW_API void lw_pool_stats_get(lw_pool *p, lw_pool_stats *out);

#ifdef __cplusplus
}
#endif
#endif
