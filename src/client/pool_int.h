/* SPDX-License-Identifier: MIT */
/*
 * client/pool_int.h - the pool from inside
 *
 * Who does what:
 *   pool.c          life: options, threads, stop, close; the calls that wait
 *   pool_job.c      a job from lw_job to its completion: envelope, body, report
 *   pool_queue.c    jobs that wait: in order, until a time, for their domain's turn; ids
 *   pool_rate.c     rates as pure arithmetic; the table of domains
 *   pool_retry.c    policy: what is tried again, when, and what a failure to connect means
 *   pool_window.c   how many jobs make sense on a connection at once
 *   pool_line.c     one connection: a channel, and the jobs that are on it
 *   pool_worker.c   a loop with its lines: who gets work, what is opened, what is closed
 *
 * Threads: everything of a worker and its lines belongs to the worker's thread.  What belongs to
 * the pool is under pool->lock, marked so below.  A job belongs to the queue (under the lock),
 * or to one worker, or, finished, to the list of completions (under the lock).  No callback of
 * the caller's, and no engine, runs under the lock.
 *
 * Invariants, under the lock:
 *   1. queue.n_waiting = jobs in the waiting list, the heap and the domains' lists
 *   2. n_alive = n_waiting + jobs that workers have + canceled ones not yet told
 *   3. n_lines = the workers' n_lines in sum; so for n_connecting and n_up
 *   4. while jobs wait and all workers sleep, what lets one go on comes by itself: an event of a
 *      line, or the timer of the worker that looked last
 */
#ifndef LW_CLIENT_POOL_INT_H
#define LW_CLIENT_POOL_INT_H

#include <letterwing/pool.h>

#include "client/client_int.h"

#include <stdatomic.h>

/* ---- lists ------------------------------------------------------------------------------ */

typedef struct lw_node {
    struct lw_node *next, *prev;
} lw_node;

/** Nodes in order; a node is in one list or in none (next NULL). */
typedef struct lw_list {
    lw_node head;
    size_t n;
} lw_list;

void lw_list_init(lw_list *l);
void lw_list_push(lw_list *l, lw_node *node);        /* at the end                            */
void lw_list_push_first(lw_list *l, lw_node *node);
void lw_list_remove(lw_list *l, lw_node *node);
lw_node *lw_list_first(const lw_list *l);            /* NULL = empty                          */
lw_node *lw_list_last(const lw_list *l);
lw_node *lw_list_pop(lw_list *l);
/** lw_list_move - all of from behind what is in to */
void lw_list_move(lw_list *to, lw_list *from);

/* ---- rates ------------------------------------------------------------------------------ */

#define LW_RATE_SLACK_NS 20000000u
#define LW_DOMAINS 1024u
#define LW_DOMAIN_PROBES 8u

/** lw_rate_interval - nanoseconds for one, 0 = no limit */
uint64_t lw_rate_interval(double per_second);
/** lw_rate_ready_at - from when on one more may go; tat: when everything taken is paid for */
uint64_t lw_rate_ready_at(uint64_t interval_ns, uint64_t tat_ns);
/** lw_rate_room - how many may go now */
uint64_t lw_rate_room(uint64_t interval_ns, uint64_t tat_ns, uint64_t now_ns);
/** lw_rate_take - n have gone */
void lw_rate_take(uint64_t interval_ns, uint64_t *tat_ns, uint64_t now_ns, size_t n);

struct lw_pool_job;

/** What goes to one destination domain.  While a job leads, all others of the domain stand in
 *  line behind it. */
typedef struct lw_pool_domain {
    uint64_t hash, tat_ns;
    struct lw_pool_job *leader; /* is in the heap or waits; NULL = nobody is held up          */
    lw_list behind;
} lw_pool_domain;

typedef struct lw_domains {
    uint64_t interval_ns;       /* 0 = no limit, and no table                                 */
    lw_pool_domain *table;      /* LW_DOMAINS                                                 */
} lw_domains;

LW_MUST_USE lw_code lw_domains_init(lw_domains *d, const lw_alloc *alloc, double per_second);
void lw_domains_deinit(lw_domains *d, const lw_alloc *alloc);
/** lw_domains_find - the entry of this address's domain, a shared one if there is no other place */
lw_pool_domain *lw_domains_find(lw_domains *d, const char *address, uint64_t now_ns);

/* ---- jobs ------------------------------------------------------------------------------- */

typedef enum lw_job_place {
    LW_JOB_NOWHERE,    /* being made                                                          */
    LW_JOB_WAITING,    /* in the waiting list                                                 */
    LW_JOB_DELAYED,    /* in the heap                                                         */
    LW_JOB_BEHIND,     /* in its domain's list                                                */
    LW_JOB_CANCELED,   /* in the list of those that a worker must tell of                     */
    LW_JOB_WORKED,     /* a worker has it                                                     */
    LW_JOB_FINISHED    /* its completion waits to be fetched                                  */
} lw_job_place;

struct lw_line;

typedef struct lw_pool_job {
    /* what the queue touches, together: many jobs that have waited for long are taken at once */
    lw_node node;               /* first: the list that its place names                       */
    lw_job_place place;         /* under the lock                                             */
    lw_job_id id;
    uint64_t size_bytes;        /* as it counts in the queue                                  */
    lw_alloc alloc;
    size_t heap_at;
    uint64_t due_ms;            /* in the heap: not before                                    */
    lw_pool_domain *leads, *behind;
    lw_message *message;
    lw_outgoing out;            /* of message                                                 */
    lw_body *body, own_body;
    void (*body_free)(void *ctx);
    void *tag;
    void (*done)(void *ctx, const lw_completion *c);
    void *ctx;
    lw_envelope env;            /* of the recipients that the next attempt is for             */
    uint32_t *map;              /* their places in the report; NULL = the same                */
    size_t n_rcpts;             /* in all                                                     */
    lw_report *report;          /* NULL until its first attempt                               */
    unsigned n_begun, n_spent;  /* attempts; those that count against the policy              */
    unsigned flights_before;
    uint64_t began_ns, ended_ns; /* of its last attempt, as in its completion                */
    unsigned n_free_tries;      /* that failed, it may be, by the age of the connection       */
    bool is_first_on_line;      /* no other one was given to its connection before            */
    bool was_out_of_sequence;   /* tried again once because the server had lost commands      */
    bool is_offered;            /* the body may have been pulled                              */
    atomic_bool is_canceled;
} lw_pool_job;

/** lw_pool_job_new - from what the caller gave; on failure that stays the caller's */
LW_MUST_USE lw_code lw_pool_job_new(const lw_alloc *alloc, const lw_job *job, lw_pool_job **out,
                                    lw_error *err);
/** lw_pool_job_keep - the caller gets the message and body back */
void lw_pool_job_keep(lw_pool_job *j);
/** lw_pool_job_end - message, body and map are given back; the report stays */
void lw_pool_job_end(lw_pool_job *j);
/** lw_pool_job_free - with all that it has; NULL is fine */
void lw_pool_job_free(lw_pool_job *j);
/** lw_pool_job_completion - what is to be told of it; the report becomes the caller's */
lw_completion lw_pool_job_completion(lw_pool_job *j);
/** lw_pool_job_begin - ready for an attempt: report, wishes, body at its start */
LW_MUST_USE lw_code lw_pool_job_begin(lw_pool_job *j, const lw_send_opts *opts, uint64_t now_ns);
/** lw_pool_job_event - RCPT or DONE of its attempt */
void lw_pool_job_event(lw_pool_job *j, const lw_event *ev);
/** lw_pool_job_fail - it ends as it stands, for this reason; there is a report if there is memory */
void lw_pool_job_fail(lw_pool_job *j, const lw_error *err, uint64_t now_ns);
/** lw_pool_job_put_off_at_mail - 4yz to the MAIL of its last attempt */
bool lw_pool_job_put_off_at_mail(const lw_pool_job *j);
/** lw_pool_job_passed_mail - the server took the MAIL of its last attempt */
bool lw_pool_job_passed_mail(const lw_pool_job *j);
/** lw_pool_job_narrow - the envelope is for those that may be tried again, and if the server has lost
 *  commands for those it refused for that; false: nobody, or no memory to do it */
bool lw_pool_job_narrow(lw_pool_job *j, const lw_pool_retry *policy, bool out_of_sequence);

/* ---- policy ----------------------------------------------------------------------------- */

/** lw_pool_pause - before attempt n + 1, n >= 1 */
uint64_t lw_pool_pause(const lw_pool_retry *policy, unsigned n);
/** lw_pool_may_retry - this outcome may be tried again; reason: why the attempt was not whole */
bool lw_pool_may_retry(const lw_pool_retry *policy, lw_outcome outcome, lw_code reason);
/** lw_pool_say_canceled - why a job ends that was not sent */
void lw_pool_say_canceled(lw_error *err);

typedef enum lw_verdict {
    LW_VERDICT_FINISHED,
    LW_VERDICT_AT_ONCE,    /* the connection's age or limit was the reason: first in the queue */
    LW_VERDICT_LATER       /* after a pause                                                    */
} lw_verdict;

/** lw_pool_judge - after DONE: what becomes of the job, whose envelope is narrowed for it */
lw_verdict lw_pool_judge(lw_pool_job *j, struct lw_line *l);

/** One server that the pool may connect to; under the lock. */
typedef struct lw_pool_server {
    unsigned n_failures;        /* in a row; 0 = it was reached the last time                 */
    bool is_proven;             /* reached and logged in: more may be opened at once          */
    bool is_hopeless;           /* it failed in a way that does not pass                      */
    uint32_t n_connecting, n_up;
    uint32_t n_rounds;          /* failures that counted: lines begun before one do not again */
    uint64_t not_before_ms;
} lw_pool_server;

#define LW_NO_SERVER UINT32_MAX
#define LW_LIMIT_RAISE_MS 10000u

/* ---- the queue -------------------------------------------------------------------------- */

typedef struct lw_pool_queue {
    lw_list waiting;
    lw_pool_job **heap;         /* by due_ms                                                  */
    size_t n_heap, heap_cap;
    lw_domains domains;
    size_t n_waiting;
    uint64_t bytes;
    bool has_rates;
    uint64_t messages_ns, recipients_ns;         /* for one; 0 = no limit                     */
    uint64_t messages_tat_ns, recipients_tat_ns;
    struct lw_job_slot { lw_pool_job *job; uint32_t uses; uint32_t next_free; } *slots;
    uint32_t n_slots, slots_cap, first_free;
} lw_pool_queue;

LW_MUST_USE lw_code lw_queue_init(lw_pool_queue *q, const lw_alloc *alloc,
                                  const lw_pool_rates *rates);
void lw_queue_deinit(lw_pool_queue *q, const lw_alloc *alloc);
/** lw_queue_register - a job gets its id, and a place in the heap is sure for it */
LW_MUST_USE lw_code lw_queue_register(lw_pool_queue *q, const lw_alloc *alloc, lw_pool_job *j);
void lw_queue_unregister(lw_pool_queue *q, lw_pool_job *j);
lw_pool_job *lw_queue_find(const lw_pool_queue *q, lw_job_id id); /* NULL = none              */
void lw_queue_add(lw_pool_queue *q, lw_pool_job *j);
void lw_queue_add_first(lw_pool_queue *q, lw_pool_job *j);
void lw_queue_add_at(lw_pool_queue *q, lw_pool_job *j, uint64_t due_ms);
/** lw_queue_remove - wherever it waits */
void lw_queue_remove(lw_pool_queue *q, lw_pool_job *j);
/** lw_queue_ready - may a job be taken now?  Moves what is due.  false: *at_ms is when to ask again
 *  (unless something is added before), UINT64_MAX = never */
bool lw_queue_ready(lw_pool_queue *q, uint64_t now_ms, uint64_t *at_ms);
/** lw_queue_take - the next job that all rates allow; NULL = see lw_queue_ready */
lw_pool_job *lw_queue_take(lw_pool_queue *q, uint64_t now_ms);
/** lw_queue_take_all - everything that waits, whatever the rates say */
void lw_queue_take_all(lw_pool_queue *q, lw_list *to);
/** lw_queue_spend - an attempt of each job in the waiting list has failed; those that have none left
 *  go to spent */
void lw_queue_spend(lw_pool_queue *q, uint32_t attempts, lw_list *spent);

/* ---- windows ---------------------------------------------------------------------------- */

/** How many jobs make sense on a connection at once, as the last round has shown. */
typedef struct lw_window {
    uint32_t now, most;
    uint32_t wanted, n_done;    /* of the round under way; wanted 0 = there is none           */
    uint64_t began_ms, round_trip_ms;
} lw_window;

void lw_window_init(lw_window *w, uint32_t first, uint32_t most, uint64_t round_trip_ms);
/** lw_window_given - a job was added; n_jobs are on the line now */
void lw_window_given(lw_window *w, uint32_t n_jobs, uint64_t now_ms);
void lw_window_done(lw_window *w, uint64_t now_ms);

/* ---- lines ------------------------------------------------------------------------------ */

typedef enum lw_line_place {
    LW_LINE_CONNECTING,
    LW_LINE_IDLE,      /* up, nothing on it; the longest idle first                           */
    LW_LINE_ROOM,      /* up, and takes more                                                  */
    LW_LINE_FULL,
    LW_LINE_RESTING,   /* its own rate holds it back                                          */
    LW_LINE_ENDING,    /* takes no more; QUIT when its jobs are done                          */
    LW_LINE_QUITTING,
    LW_LINE_PLACES
} lw_line_place;

struct lw_pool_worker;

typedef struct lw_line {
    lw_node node;               /* first */
    struct lw_pool_worker *worker;
    lw_line_place place;
    lw_channel channel;
    lw_transcript transcript;
    uint32_t server, round;
    lw_window window;           /* jobs that make sense on it at once                         */
    bool is_proven;             /* its engine knows that PIPELINING works; before: one job    */
    uint32_t n_jobs;
    uint64_t n_given, n_done;   /* jobs in its life                                           */
    bool has_taken;             /* MAIL of one of them                                        */
    uint64_t max_given;
    uint64_t began_ms, up_ms, idle_ms;
    uint64_t tat_ns;            /* of its own rate                                            */
    unsigned flights;           /* counted already                                            */
    bool is_blamed;             /* one job bears the loss of the connection                   */
} lw_line;

/** lw_line_new - a line, in no list yet; NULL: no memory */
lw_line *lw_line_new(struct lw_pool_worker *w, uint32_t server, uint32_t round);
/** lw_line_open - begin to connect */
void lw_line_open(lw_line *l);
/** lw_line_run - do all that can be done now; afterwards it is in the right list, or freed */
void lw_line_run(lw_line *l);
/** lw_line_give - a job for this line; it may come back as finished at once */
void lw_line_give(lw_line *l, lw_pool_job *j);
/** lw_line_end - take no more; when nothing is on it: QUIT */
void lw_line_end(lw_line *l);
/** lw_line_cut - end it at once; the jobs on it get their outcomes.  It is freed */
void lw_line_cut(lw_line *l, const char *why);
/** lw_line_settle - into the list where it belongs now */
void lw_line_settle(lw_line *l);
/** lw_line_room - how many jobs it may be given now */
uint32_t lw_line_room(const lw_line *l);
/** lw_line_rests_until - when its own rate allows the next job, in ms */
uint64_t lw_line_rests_until(const lw_line *l);

/* ---- workers ---------------------------------------------------------------------------- */

#define LW_CONNECTING_MAX 64u    /* of one worker at a time: names are looked up on threads     */

typedef struct lw_pool_worker {
    struct lw_pool *pool;
    uint32_t index;
    uv_loop_t own_loop, *loop;
    uv_async_t async;
    uv_timer_t timer;
    uv_poll_t cancel_watch;     /* of the first worker                                        */
    int cancel_fd;
    uv_thread_t thread;
    bool has_loop, has_async, has_thread, has_cancel_watch, is_closed;
    unsigned n_handles;         /* that the loop has not closed                               */
    lw_setup setup;
    lw_list lines[LW_LINE_PLACES];
    lw_list finished;           /* to be told                                                 */
    lw_list again_now, again_later; /* back to the queue                                      */
    uint64_t timer_at_ms;
    uint64_t new_flights;
    uint64_t now_ns;            /* of when it woke, or took jobs since: one look for all of them */
    /* under the lock */
    uint32_t n_lines, n_connecting, n_room, n_idle;
    bool is_asleep;             /* nothing was sent to async since it last looked              */
    bool is_ended;              /* its handles are being closed                                */
    bool is_known;
    pthread_t who;              /* the thread that runs its loop                              */
} lw_pool_worker;

/** lw_worker_work - everything there is to do for this worker, and when to look again */
void lw_worker_work(lw_pool_worker *w);
/** lw_worker_flush - tell of what is finished, put back what is to be tried again */
void lw_worker_flush(lw_pool_worker *w);
/** lw_worker_came_up, _failed, _is_gone - what became of a line; the caller runs lw_worker_work */
void lw_worker_came_up(lw_line *l);
void lw_worker_failed(lw_line *l, const lw_error *err);
void lw_worker_is_gone(lw_line *l);
/** lw_worker_feed - jobs for a line, as many as it has room for; returns how many */
uint32_t lw_worker_feed(lw_line *l);
/** lw_worker_open - its loop and handles; on failure lw_worker_close it all the same */
LW_MUST_USE lw_code lw_worker_open(lw_pool_worker *w, lw_error *err);
/** lw_worker_start - its thread */
LW_MUST_USE lw_code lw_worker_start(lw_pool_worker *w);
/** lw_worker_cut_all - end all lines at once */
void lw_worker_cut_all(lw_pool_worker *w, const char *why);
/** lw_worker_close_handles - the loop must run once more */
void lw_worker_close_handles(lw_pool_worker *w);
/** lw_worker_close - after its thread has ended: everything that it had */
void lw_worker_close(lw_pool_worker *w);

/* ---- the pool --------------------------------------------------------------------------- */

/** What a call of the caller's may wait for. */
typedef enum lw_wait { LW_WAIT_ROOM, LW_WAIT_NEXT, LW_WAIT_DRAINED, LW_WAITS } lw_wait;

typedef enum lw_pool_state { LW_POOL_RUNS, LW_POOL_STOPS, LW_POOL_CLOSES } lw_pool_state;

struct lw_pool {
    lw_alloc alloc;
    lw_pool_opts opts;
    lw_send_opts send;          /* numbers only, the text is in each worker's setup           */
    uint64_t line_interval_ns;  /* of opts.rates.messages_per_connection                      */
    size_t n_servers;
    lw_pool_worker *workers;
    uint32_t n_workers, n_open;
    bool is_callers_loop;
    bool has_lock;
    unsigned n_conds;
    uv_mutex_t lock;
    uv_cond_t conds[LW_WAITS];
    atomic_int state;           /* lw_pool_state; set under the lock                           */
    /* under the lock */
    lw_pool_queue queue;
    lw_list canceled, finished;
    size_t n_alive;
    uint32_t n_waiters[LW_WAITS];
    bool was_canceled;          /* by send.cancel                                             */
    uint64_t stop_at_ms;        /* UINT64_MAX = not yet, or when all is answered              */
    lw_pool_server *servers;
    uint32_t next_server, next_worker; /* whose turn it is                                     */
    uint32_t n_lines, n_connecting, n_up, limit;
    uint32_t usual_window;      /* of a line, as the last one that came up had it             */
    uint64_t raise_at_ms;
    lw_pool_stats stats;
};

static inline bool
lw_pool_is_stopping(const lw_pool *p)
{
    return atomic_load_explicit(&((lw_pool *)(uintptr_t)p)->state, memory_order_relaxed) !=
           LW_POOL_RUNS;
}
/** lw_pool_wake - a worker that sleeps and could do something; false: there is none; lock held */
bool lw_pool_wake(lw_pool *p);
/** lw_pool_wake_all - every worker looks again; lock held */
void lw_pool_wake_all(lw_pool *p);
/** lw_pool_stop_locked - lw_pool_stop, patient: lw_pool_finish; of several the soonest end counts; lock
 *  held */
void lw_pool_stop_locked(lw_pool *p, lw_pool_state state, bool is_patient);
/** lw_pool_take_back - a job that waits was canceled: a worker tells it; lock held */
void lw_pool_take_back(lw_pool *p, lw_pool_job *j);
/** lw_pool_signal - something has changed: who waits for it is woken; lock held */
void lw_pool_signal(lw_pool *p);
/** lw_pool_free - when its workers are closed */
void lw_pool_free(lw_pool *p);
static inline uint64_t
lw_pool_now(void)
{
    return uv_hrtime() / 1000000; /* the clock of every loop */
}

/* pool_retry.c; lock held */
/** lw_pool_choose_server - for a new line; LW_NO_SERVER: none can be used now */
uint32_t lw_pool_choose_server(lw_pool *p, uint64_t now_ms);
/** lw_pool_may_open - this worker may open one more line now */
bool lw_pool_may_open(lw_pool *p, const lw_pool_worker *w, uint64_t now_ms);
/** lw_pool_next_chance - when time alone may let some worker open a line; UINT64_MAX = never */
uint64_t lw_pool_next_chance(lw_pool *p, uint64_t now_ms);
/** lw_pool_next_try - how long no server may be tried; 0 = one is up, or is being tried */
uint64_t lw_pool_next_try(const lw_pool *p, uint64_t now_ms);
/** lw_pool_server_failed - a line to this server did not come up.  What waits and has no hope goes
 *  to lost */
void lw_pool_server_failed(lw_pool *p, const lw_line *l, const lw_error *err, uint64_t now_ms,
                           lw_list *lost);
void lw_pool_server_is_up(lw_pool *p, const lw_line *l);
void lw_pool_server_is_gone(lw_pool *p, const lw_line *l, uint64_t now_ms);

#endif
