/* SPDX-License-Identifier: MIT */
/* cli/bulk_run.c - the run: a pool, a campaign, Ctrl-C */
#include "cli/bulk.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STEP_MS 200
#define STOP_MS 5000
#define WINDOW_DEFAULT 8
#define IN_FLIGHT_MIN 64
#define IN_FLIGHT_MAX 65536
#define CONNECTIONS_DEFAULT 4

/* pauses before a deferred row is tried again: what greylisting asks for, then patience */
static const uint64_t default_retries[] = { 60000, 300000, 900000 };

/* ---- Ctrl-C ------------------------------------------------------------------------------------- */

static volatile sig_atomic_t n_stops;
static lw_cancel *cancel_on_second;

/* Once: what is in flight is finished.  Twice: no waiting for answers but a moment.  Three times:
 * the end.  SIGTERM counts once only: timeout(1) and others send it twice at a time. */
static void
on_signal(int number)
{
    if (number == SIGTERM && n_stops > 0)
        return;
    n_stops = n_stops + 1;
    if (n_stops == 2)
        lw_cancel_now(cancel_on_second);
    if (n_stops == 3)
        signal(number, SIG_DFL);
}

static void
catch_signals(lw_cancel *cancel)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

    n_stops = 0;
    cancel_on_second = cancel;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* ---- numbers given as text -------------------------------------------------------------------------- */

/* digits with decimals, no locale; gives where it ended, NULL = no number */
static const char *
read_number(const char *s, double *out)
{
    double unit = 1;
    bool has_digit = false, after_dot = false;

    for (*out = 0; (*s >= '0' && *s <= '9') || (*s == '.' && !after_dot); s++) {
        if (*s == '.') {
            after_dot = true;
            continue;
        }
        has_digit = true;
        unit = after_dot ? unit / 10 : unit;
        *out = after_dot ? *out + (*s - '0') * unit : *out * 10 + (*s - '0');
    }
    return has_digit && *out > 0 && *out < 1e9 ? s : NULL;
}

bool
cli_bulk_rate(const char *text, double *per_second)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = { { "", 1 }, { "/s", 1 }, { "/min", 60 }, { "/m", 60 }, { "/h", 3600 } };
    const char *end = read_number(text, per_second);

    for (size_t i = 0; end != NULL && i < CLI_COUNT_OF(units); i++) {
        if (strcmp(end, units[i].unit) == 0) {
            *per_second /= units[i].seconds;
            return true;
        }
    }
    return false;
}

static int
set_rate(const char *option, const char *text, double *rate)
{
    if (text == NULL || cli_bulk_rate(text, rate))
        return CLI_GO_ON;
    return cli_error(EX_USAGE, "bulk: --%s \"%s\" is no rate: write 20/s, 600/min or 1000/h", option,
                     text);
}

/* "60,300": seconds; "no" = never */
static int
set_retries(const char *text, uint64_t ms[CLI_BULK_RETRIES], size_t *n)
{
    double seconds;

    *n = 0;
    if (text == NULL) {
        memcpy(ms, default_retries, sizeof default_retries);
        *n = CLI_COUNT_OF(default_retries);
        return CLI_GO_ON;
    }
    if (strcmp(text, "no") == 0)
        return CLI_GO_ON;
    for (const char *p = text; p != NULL && *n < CLI_BULK_RETRIES;) {
        if ((p = read_number(p, &seconds)) == NULL || (*p != ',' && *p != '\0'))
            break;
        ms[(*n)++] = (uint64_t) (seconds * 1000);
        if (*p++ == '\0')
            return CLI_GO_ON;
    }
    return cli_error(EX_USAGE, "bulk: --retry \"%s\" is not a list of up to %d pauses in seconds, "
                     "such as 60,300,900, or no", text, CLI_BULK_RETRIES);
}

/* ---- what the library needs --------------------------------------------------------------------------- */

static uint64_t
connections_of(const cli_bulk_args *a)
{
    return a->connections > 0 ? a->connections : CONNECTIONS_DEFAULT;
}

/* Messages handed over and not answered: twice what the connections can have on their way, so
 * that none waits for rows; with a rate not more than it lets go in a second. */
static uint32_t
in_flight(const cli_bulk_args *a, double rate)
{
    uint64_t window = a->window > 0 ? a->window : WINDOW_DEFAULT;
    uint64_t n = 2 * connections_of(a) * window;

    n = n < IN_FLIGHT_MIN ? IN_FLIGHT_MIN : n > IN_FLIGHT_MAX ? IN_FLIGHT_MAX : n;
    if (rate > 0 && n > rate + 1)
        n = (uint64_t) rate + 1;
    return (uint32_t) (n < 2 ? 2 : n);
}

static int
open_pool(const cli_bulk_args *a, lw_send_opts *send, const double rates[2], lw_pool **pool)
{
    lw_pool_opts o;
    lw_error err;

    if (a->connections > 10000 || a->window > 1000)
        return cli_error(EX_USAGE, "bulk: --connections is at most 10000, --window at most 1000");
    lw_pool_opts_init(&o);
    send->window = a->window > 0 ? (uint32_t) a->window : WINDOW_DEFAULT;
    send->no_pipelining = a->no_pipelining;
    o.send = send;
    o.connections = (uint32_t) connections_of(a);
    o.rates.messages = rates[0];
    o.rates.recipients_per_domain = rates[1];
    o.retry.attempts = 1; /* the campaign tries again, so that the journal knows */
    o.max_waiting = IN_FLIGHT_MAX + 1;
    o.max_waiting_bytes = UINT64_MAX; /* the window bounds it */
    o.stop_ms = STOP_MS;
    if (lw_pool_open(&o, pool, &err) == LW_OK)
        return CLI_GO_ON;
    return cli_error(lw_exit_code(&err), "bulk: %s", err.text);
}

/* ---- the loop -------------------------------------------------------------------------------------------- */

typedef struct run {
    cli_bulk_state state;
    cli_bulk_files files;
    struct timespec began;
    double limit_s;        /* --timeout; 0 = none */
    lw_pool *pool;
    lw_campaign *campaign;
} run;

static double
seconds_of(const run *r)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) (now.tv_sec - r->began.tv_sec) + (double) (now.tv_nsec - r->began.tv_nsec) / 1e9;
}

static void
tell(void *ctx, const lw_row_event *ev)
{
    run *r = ctx;

    lw_tally_add(r->state.tally, ev, seconds_of(r));
    cli_bulk_failure(&r->files, ev);
    cli_bulk_trouble(&r->state, ev);
}

static int
open_campaign(run *r, cli_rows *rows, lw_mailing *mailing, double rate)
{
    const cli_bulk_args *a = r->state.args;
    uint64_t retries[CLI_BULK_RETRIES];
    lw_campaign_opts o;
    lw_error err;
    int code;

    lw_campaign_opts_init(&o);
    if ((code = set_retries(a->retry, retries, &o.n_retries)) != CLI_GO_ON)
        return code;
    o.rows = cli_rows_rows(rows);
    cli_rows_may_pause(rows);
    o.mailing = mailing;
    o.pool = r->pool;
    o.journal = a->journal;
    cli_rows_identity(rows, o.list);
    o.resend_uncertain = a->resend_uncertain;
    o.keep_duplicates = a->keep_duplicates;
    o.is_strict = a->strict;
    o.limit = a->limit;
    o.window = in_flight(a, rate);
    o.retry_ms = retries;
    o.tell = tell;
    o.ctx = r;
    if (lw_campaign_new(&o, &r->campaign, &err) == LW_OK)
        return CLI_GO_ON;
    return cli_error(err.code == LW_EOUTPUT ? EX_CANTCREAT : lw_exit_code(&err), "bulk: %s",
                     err.text);
}

static void
look(run *r)
{
    cli_bulk_state *s = &r->state;
    lw_pool_stats pool;

    s->counts = lw_campaign_count(r->campaign);
    s->seconds = seconds_of(r);
    if (!s->in_trouble)
        return;
    /* what the pool holds goes when a server may be tried; what waits here, when it is due */
    lw_pool_stats_get(r->pool, &pool);
    s->next_try_ms = pool.next_try_ms;
    if (s->counts.in_flight == 0 && s->counts.next_try_ms > s->next_try_ms)
        s->next_try_ms = s->counts.next_try_ms;
}

/* What waits for a connection goes back; what is on one is answered, if that is not late. */
static void
stop(run *r, bool is_late)
{
    cli_bulk_state *s = &r->state;

    s->stops = n_stops;
    lw_campaign_stop(r->campaign);
    if (is_late || s->stops > 1)
        lw_pool_stop(r->pool);
    else
        lw_pool_finish(r->pool);
    cli_bulk_say(s, s->stops > 1 ? "stopping now"
                    : is_late    ? "stopping: the time allowed is over"
                                 : "stopping: what is on its way is finished; once more stops now");
}

static void
go(run *r)
{
    cli_bulk_state *s = &r->state;
    bool is_late;
    lw_code rc;

    do {
        rc = lw_campaign_step(r->campaign, STEP_MS, &s->error);
        is_late = r->limit_s > 0 && s->seconds >= r->limit_s;
        if (is_late && n_stops == 0)
            on_signal(SIGTERM);
        if (n_stops > s->stops)
            stop(r, is_late);
        look(r);
        cli_bulk_progress(s, rc != LW_OK);
    } while (rc == LW_OK);
}

/* A page of zeros would tell less than the one that is there. */
static void
report(run *r)
{
    const cli_bulk_args *a = r->state.args;
    lw_tally_about about = { .title = a->subject, .counts = r->state.counts,
                             .total = r->state.total, .seconds = r->state.seconds,
                             .unix_s = (int64_t) time(NULL) };
    char note[LW_ERROR_TEXT_MAX + 400];

    if (r->files.has_report && cli_bulk_is_idle(&r->state)) {
        snprintf(note, sizeof note, "note: --report %.300s is left as it was: this run had "
                 "nothing to send", a->report);
        if (!a->quiet)
            cli_bulk_say(&r->state, note);
        return;
    }
    cli_bulk_note(&r->state, note, sizeof note);
    about.note = note;
    about.counts.unsent = cli_bulk_unsent(&r->state);
    cli_bulk_report(&r->files, r->state.tally, &about);
}

static int
finish(run *r)
{
    report(r);
    return cli_bulk_files_close(&r->files, cli_bulk_summary(&r->state));
}

/* the journal's last records; a failure counts where all went well before */
static void
close_campaign(run *r)
{
    lw_error err = { .code = LW_OK };

    if (lw_campaign_free(r->campaign, &err) < 0 && r->state.error.code == LW_OK)
        r->state.error = err;
    r->campaign = NULL;
}

int
cli_bulk_run(const cli_bulk_args *a, cli_rows *rows, lw_mailing *mailing, lw_send_opts *send,
             lw_cancel *cancel)
{
    run r = { .state = { .args = a, .total = cli_rows_total(rows) } };
    double rates[2] = { 0, 0 };
    int code;

    r.limit_s = (double) send->timeout_ms / 1000; /* of the run, not of a message */
    send->timeout_ms = 0;
    if ((code = set_rate("rate", a->rate, &rates[0])) != CLI_GO_ON ||
        (code = set_rate("rate-per-domain", a->rate_per_domain, &rates[1])) != CLI_GO_ON ||
        (code = cli_bulk_files_open(&r.files, a)) != CLI_GO_ON ||
        (code = open_pool(a, send, rates, &r.pool)) != CLI_GO_ON)
        goto out;
    clock_gettime(CLOCK_MONOTONIC, &r.began);
    if ((r.state.tally = lw_tally_new(NULL)) == NULL)
        code = cli_error(EX_OSERR, "out of memory");
    else
        code = open_campaign(&r, rows, mailing, rates[0]);
    if (code == CLI_GO_ON)
        code = cli_bulk_failures_go_on(&r.files);
    if (code != CLI_GO_ON)
        goto out;
    catch_signals(cancel);
    go(&r);
    close_campaign(&r);
    code = finish(&r);
out:
    lw_campaign_free(r.campaign, NULL);
    lw_pool_close(r.pool);
    lw_tally_free(r.state.tally);
    return cli_bulk_files_close(&r.files, code);
}
