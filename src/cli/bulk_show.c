/* SPDX-License-Identifier: MIT */
/* cli/bulk_show.c - what bulk shows: progress, the summary, JSON; and its exit code */
#include "cli/bulk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LINE_EVERY_S 5.0
#define TERMINAL_EVERY_S 0.2
#define TROUBLE_EVERY_S 60.0
#define RATE_OVER_S 5.0
#define TOP 5

static unsigned long long
ull(uint64_t n)
{
    return n;
}

/* rows that have their end in this run */
static uint64_t
settled(const lw_campaign_counts *c)
{
    return c->accepted + c->rejected + c->deferred + c->unsent + c->uncertain + c->bad +
           c->duplicates + c->done_before + c->uncertain_before;
}

/* where this run ends: behind --limit, or the list; 0 = not known */
static uint64_t
goal(const cli_bulk_state *s)
{
    const lw_campaign_counts *c = &s->counts;
    uint64_t most = s->args->limit + c->bad + c->duplicates + c->done_before + c->uncertain_before;

    return s->args->limit > 0 && most < s->total ? most : s->total;
}

/* rows that are known: of a pipe the journal may know rows that were not read again */
static uint64_t
all_rows(const cli_bulk_state *s)
{
    uint64_t done = settled(&s->counts), all = s->total > s->counts.rows ? s->total : s->counts.rows;

    return all > done ? all : done;
}

/* rows that this run never came to */
static uint64_t
unreached(const cli_bulk_state *s)
{
    return all_rows(s) - settled(&s->counts);
}

bool
cli_bulk_is_idle(const cli_bulk_state *s)
{
    const lw_campaign_counts *c = &s->counts;

    return c->done_before > 0 &&
           c->accepted + c->rejected + c->deferred + c->unsent + c->uncertain == 0;
}

uint64_t
cli_bulk_unsent(const cli_bulk_state *s)
{
    return s->counts.unsent + unreached(s);
}

/* ---- progress -------------------------------------------------------------------------------------- */

/* answers a second over the last five to ten seconds; since the beginning while there are none */
static double
rate_now(cli_bulk_state *s)
{
    cli_bulk_point now = { s->seconds, s->counts.accepted + s->counts.rejected };
    double seconds;

    if (now.seconds - s->newer.seconds >= RATE_OVER_S) {
        s->older = s->newer;
        s->newer = now;
    }
    seconds = now.seconds - s->older.seconds;
    return seconds > 0 ? (double) (now.answers - s->older.answers) / seconds : 0;
}

static void
duration(double seconds, char *dst, size_t cap)
{
    if (seconds < 100)
        snprintf(dst, cap, "%.0f s", seconds < 1 ? 1 : seconds);
    else if (seconds < 6000)
        snprintf(dst, cap, "%.0f min", seconds / 60);
    else
        snprintf(dst, cap, "%.1f h", seconds / 3600);
}

static void
time_left(const cli_bulk_state *s, double rate, char *dst, size_t cap)
{
    uint64_t done = settled(&s->counts);
    char left[16];

    dst[0] = '\0';
    if (goal(s) <= done || rate <= 0 || s->seconds < 1)
        return;
    duration((double) (goal(s) - done) / rate, left, sizeof left);
    snprintf(dst, cap, ", %s left", left);
}

/* a line that is rewritten must not wrap: the shorter one where the long one does not fit */
static void
progress_line(cli_bulk_state *s, size_t width, char *dst, size_t cap)
{
    const lw_campaign_counts *c = &s->counts;
    char left[40], of[32] = "";
    double rate = rate_now(s);
    unsigned long long done = settled(c), uncertain = c->uncertain + c->uncertain_before;
    int n;

    time_left(s, rate, left, sizeof left);
    if (s->total > 0)
        snprintf(of, sizeof of, "/%llu", ull(goal(s)));
    n = snprintf(dst, cap, "%llu%s done, %.0f/s: %llu accepted, %llu rejected, %llu deferred, "
                 "%llu uncertain", done, of, rate, ull(c->accepted), ull(c->rejected),
                 ull(c->deferred), uncertain);
    if (c->waiting > 0)
        n += snprintf(dst + n, cap - (size_t) n, ", %llu to try again", ull(c->waiting));
    n += snprintf(dst + n, cap - (size_t) n, "%s", left);
    if ((size_t) n < width)
        return;
    snprintf(dst, cap, "%llu%s %.0f/s acc %llu rej %llu def %llu unc %llu%s", done, of, rate,
             ull(c->accepted), ull(c->rejected), ull(c->deferred + c->waiting), uncertain, left);
    if (strlen(dst) >= width)
        dst[width - 1] = '\0';
}

/* what keeps it, cut where the line is too long for it, and when the next try is */
static void
trouble_line(const cli_bulk_state *s, size_t width, char *dst, size_t cap)
{
    char done[48], when[40] = "trying again", pause[16];
    size_t others;
    int room;

    if (s->total > 0)
        snprintf(done, sizeof done, "%llu/%llu done", ull(settled(&s->counts)), ull(goal(s)));
    else
        snprintf(done, sizeof done, "%llu done", ull(settled(&s->counts)));
    if (s->next_try_ms > 0) {
        duration((double) s->next_try_ms / 1000, pause, sizeof pause);
        snprintf(when, sizeof when, "next try in %s", pause);
    }
    others = strlen(done) + strlen(when) + 4;
    room = width > others + 1 ? (int) (width - others - 1) : 0;
    snprintf(dst, cap, "%s: %.*s; %s", done, room, s->trouble, when);
    if (strlen(dst) >= width)
        dst[width - 1] = '\0';
}

static bool
shows_trouble(const cli_bulk_state *s)
{
    return s->in_trouble && s->stops == 0;
}

/* Where lines stay: one for each further try, and now and then that it still waits. */
static bool
is_news(cli_bulk_state *s)
{
    double try_at = s->seconds + (double) s->next_try_ms / 1000, since = s->seconds - s->shown_at;
    bool is_other = try_at - s->shown_try_at > 1 || s->shown_try_at - try_at > 1;

    if (!shows_trouble(s))
        return since >= LINE_EVERY_S;
    if (since < LINE_EVERY_S || (!is_other && since < TROUBLE_EVERY_S))
        return false;
    s->shown_try_at = try_at;
    return true;
}

static size_t
terminal_width(void)
{
    struct winsize w;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col : 80;
}

void
cli_bulk_progress(cli_bulk_state *s, bool is_last)
{
    bool is_terminal = isatty(STDERR_FILENO);
    char line[LW_ERROR_TEXT_MAX + 160];
    size_t width;

    if (s->args->quiet || s->args->connection.verbose > 0)
        return;
    if (is_last && !is_terminal)
        return; /* the summary says it */
    if (!is_last && !(is_terminal ? s->seconds - s->shown_at >= TERMINAL_EVERY_S : is_news(s)))
        return;
    s->shown_at = s->seconds;
    width = is_terminal ? terminal_width() : sizeof line;
    if (shows_trouble(s) && !is_last)
        trouble_line(s, width, line, sizeof line);
    else
        progress_line(s, width, line, sizeof line);
    cli_print(stderr, "%s", is_terminal ? "" : "letterwing: ");
    if (is_terminal)
        fputs("\r", stderr);
    cli_print(stderr, "%s", line);
    fputs(is_terminal ? "\x1b[K" : "\n", stderr);
    s->has_line = is_terminal && !is_last;
    if (is_terminal && is_last)
        fputs("\n", stderr);
    fflush(stderr);
}

void
cli_bulk_say(cli_bulk_state *s, const char *text)
{
    cli_print(stderr, "%sletterwing: %s\n", s->has_line ? "\n" : "", text);
    s->has_line = false;
}

/* A server that is away is said once, when it goes: the line above would only stand still. */
void
cli_bulk_trouble(cli_bulk_state *s, const lw_row_event *ev)
{
    char text[LW_ERROR_TEXT_MAX + 80];
    bool is_trouble = ev->fate == LW_FATE_RETRY && ev->outcome == LW_OUTCOME_UNSENT && s->stops == 0;

    if (is_trouble && !s->in_trouble && !s->args->quiet) {
        snprintf(text, sizeof text, "note: %s; rows that were not sent are tried again", ev->text);
        cli_bulk_say(s, text);
    }
    if (is_trouble)
        snprintf(s->trouble, sizeof s->trouble, "%s", ev->text);
    if (is_trouble || (ev->fate <= LW_FATE_RETRY && ev->outcome != LW_OUTCOME_UNSENT))
        s->in_trouble = is_trouble;
}

/* ---- how it ended -------------------------------------------------------------------------------------- */

static bool
is_complete(const cli_bulk_state *s)
{
    const lw_campaign_counts *c = &s->counts;

    return s->error.code == LW_OK && s->stops == 0 && cli_bulk_unsent(s) == 0 && c->deferred == 0;
}

void
cli_bulk_note(const cli_bulk_state *s, char *dst, size_t cap)
{
    uint64_t uncertain = s->counts.uncertain + s->counts.uncertain_before;
    const char *go_on = s->args->journal != NULL
                            ? "run the same command again to continue"
                            : "without --journal a further run begins with the first row";
    uint64_t rejected = s->counts.rejected + s->counts.rejected_before;
    uint64_t again_n = s->counts.unsent + s->counts.deferred;
    char rejections[80] = "", again[80] = "";
    int n = 0;

    if (again_n > 0)
        snprintf(again, sizeof again, ", besides %llu that %s not sent or deferred",
                 ull(again_n), again_n == 1 ? "was" : "were");
    if (rejected > 0)
        snprintf(rejections, sizeof rejections, "; %llu %s rejected", ull(rejected),
                 rejected == 1 ? "was" : "were");
    if (is_complete(s))
        n = snprintf(dst, cap, "Every row of the list has been dealt with%s.",
                     rejections);
    else if (s->error.code != LW_OK)
        n = snprintf(dst, cap, "It stopped: %s; %s.", s->error.text, go_on);
    else if (s->stops > 0)
        n = snprintf(dst, cap, "It was stopped; %s.", go_on);
    else if (s->args->limit > 0 && unreached(s) > 0)
        n = snprintf(dst, cap, "--limit %llu was reached, and %llu of the list are left%s; %s.",
                     ull(s->args->limit), ull(unreached(s)), again, go_on);
    else
        n = snprintf(dst, cap, "Some rows were not sent or were deferred; %s.", go_on);
    if (s->counts.bad > 0 && n > 0 && (size_t) n < cap)
        n += snprintf(dst + n, cap - (size_t) n, " %llu %s bad: %.200s %s.", ull(s->counts.bad),
                      s->counts.bad == 1 ? "row is" : "rows are",
                      s->args->failures != NULL ? s->args->failures : "--failures FILE.csv",
                      s->args->failures != NULL ? "says which" : "would say which");
    if (uncertain > 0 && n > 0 && (size_t) n < cap)
        snprintf(dst + n, cap - (size_t) n, " %llu %s uncertain: no answer came after all of the "
                 "message had left; they may have arrived, and are sent again only with "
                 "--resend-uncertain.", ull(uncertain), uncertain == 1 ? "is" : "are");
}

/* 75 is what a script repeats the command for: the list is not through, or it is, and nothing was
 * refused for good. */
static int
exit_code(const cli_bulk_state *s)
{
    const lw_campaign_counts *c = &s->counts;
    uint64_t later = c->deferred + c->uncertain + c->uncertain_before + c->unsent;
    uint64_t rejected = c->rejected + c->rejected_before;
    uint64_t accepted = c->accepted + c->done_before - c->rejected_before;

    if (s->error.code != LW_OK)
        return lw_exit_code(&s->error);
    if (s->stops > 0 || unreached(s) > 0)
        return EX_TEMPFAIL;
    if (rejected > 0)
        return accepted + later > 0 ? EX_UNAVAILABLE : EX_NOUSER;
    if (later > 0)
        return EX_TEMPFAIL;
    return c->bad > 0 ? EX_DATAERR : EX_OK;
}

/* ---- the summary ------------------------------------------------------------------------------------------- */

static void
print_counts(const cli_bulk_state *s)
{
    const lw_campaign_counts *c = &s->counts;
    const struct {
        const char *name;
        uint64_t n;
    } lines[] = {
        { "accepted", c->accepted },   { "rejected", c->rejected },
        { "deferred", c->deferred },   { "uncertain", c->uncertain + c->uncertain_before },
        { "unsent", cli_bulk_unsent(s) }, { "bad rows", c->bad },
        { "duplicates", c->duplicates },
    };

    for (size_t i = 0; i < CLI_COUNT_OF(lines); i++)
        if (lines[i].n > 0 || i == 0)
            printf("%-12s %10llu\n", lines[i].name, ull(lines[i].n));
    if (c->done_before > 0)
        printf("%-12s %10llu  (%llu accepted, %llu rejected)\n", "done before", ull(c->done_before),
               ull(c->done_before - c->rejected_before), ull(c->rejected_before));
    printf("%-12s %10.1f", "seconds", s->seconds);
    if (s->seconds > 0)
        printf("  (%.0f messages a second)", (double) (c->accepted + c->rejected) / s->seconds);
    printf("\n");
}

static void
print_latency(const lw_tally *t)
{
    if (lw_tally_latency(t, 0.5) >= 0)
        printf("answers      half within %.1f ms, 95%% within %.1f ms, 99%% within %.1f ms\n",
               lw_tally_latency(t, 0.5) * 1e3, lw_tally_latency(t, 0.95) * 1e3,
               lw_tally_latency(t, 0.99) * 1e3);
}

/* the whole list: bounded, see lw_tally_domains */
static lw_tally_domain *
all_domains(const lw_tally *t, size_t *n)
{
    lw_tally_domain *d;

    *n = lw_tally_domains(t, NULL, 0);
    if ((d = calloc(*n + 1, sizeof *d)) == NULL)
        exit(cli_error(EX_OSERR, "out of memory"));
    *n = lw_tally_domains(t, d, *n);
    return d;
}

static lw_tally_refusal *
all_refusals(const lw_tally *t, size_t *n)
{
    lw_tally_refusal *r;

    *n = lw_tally_refusals(t, NULL, 0);
    if ((r = calloc(*n + 1, sizeof *r)) == NULL)
        exit(cli_error(EX_OSERR, "out of memory"));
    *n = lw_tally_refusals(t, r, *n);
    return r;
}

static void
print_domains(const lw_tally *t)
{
    size_t n;
    lw_tally_domain *d = all_domains(t, &n);

    if (n >= 2)
        printf("\n  accepted   rejected   deferred      other  by domain\n");
    for (size_t i = 0; i < n && i < TOP && n >= 2; i++) {
        const uint64_t *k = d[i].counts.n;

        cli_print(stdout, "%10llu %10llu %10llu %10llu  %s\n", ull(k[LW_OUTCOME_ACCEPTED]),
                  ull(k[LW_OUTCOME_REJECTED]), ull(k[LW_OUTCOME_DEFERRED]),
                  ull(k[LW_OUTCOME_UNSENT] + k[LW_OUTCOME_UNCERTAIN]), d[i].name);
    }
    if (n > TOP && strcmp(d[n - 1].name, "(others)") == 0)
        printf("%45sand more than %zu more domains\n", "", n - TOP - 1);
    else if (n > TOP)
        printf("%45sand %zu more domain%s\n", "", n - TOP, n == TOP + 1 ? "" : "s");
    free(d);
}

static void
print_refusals(const lw_tally *t)
{
    size_t n;
    lw_tally_refusal *r = all_refusals(t, &n);

    if (n > 0)
        printf("\nwhat was said where it was not accepted\n");
    for (size_t i = 0; i < n && i < TOP; i++) {
        printf("%10llu x ", ull(r[i].n));
        if (r[i].code > 0)
            printf("%d ", r[i].code);
        cli_print(stdout, "%s\n", r[i].text);
    }
    if (n > TOP)
        printf("%13sand %zu more text%s\n", "", n - TOP, n == TOP + 1 ? "" : "s");
    free(r);
}

static json_t *
latency_json(const lw_tally *t)
{
    if (lw_tally_latency(t, 0.5) < 0)
        return json_null();
    return json_pack("{s:f, s:f, s:f}", "p50", lw_tally_latency(t, 0.5), "p95",
                     lw_tally_latency(t, 0.95), "p99", lw_tally_latency(t, 0.99));
}

static json_t *
domains_json(const lw_tally *t)
{
    size_t n;
    lw_tally_domain *d = all_domains(t, &n);
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        json_t *one = json_pack("{s:o}", "domain", cli_json_text(d[i].name));

        for (int k = LW_OUTCOME_ACCEPTED; k <= LW_OUTCOME_UNCERTAIN; k++)
            json_object_set_new(one, lw_outcome_name((lw_outcome) k),
                                json_integer((json_int_t) d[i].counts.n[k]));
        json_array_append_new(list, one);
    }
    free(d);
    return list;
}

static json_t *
refusals_json(const lw_tally *t)
{
    size_t n;
    lw_tally_refusal *r = all_refusals(t, &n);
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:I, s:i, s:o}", "times", (json_int_t) r[i].n,
                                              "code", r[i].code, "text", cli_json_text(r[i].text)));
    free(r);
    return list;
}

static void
print_json(const cli_bulk_state *s)
{
    const lw_campaign_counts *c = &s->counts;

    cli_json_write(stdout, json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:o, s:o, s:o, s:o}",
        "total", (json_int_t) all_rows(s), "accepted", (json_int_t) c->accepted,
        "rejected", (json_int_t) c->rejected,
        "deferred", (json_int_t) c->deferred, "unsent", (json_int_t) cli_bulk_unsent(s),
        "uncertain", (json_int_t) (c->uncertain + c->uncertain_before),
        "skipped", (json_int_t) (c->bad + c->duplicates + c->done_before),
        "bad", (json_int_t) c->bad, "duplicates", (json_int_t) c->duplicates,
        "done_before", (json_int_t) c->done_before,
        "accepted_before", (json_int_t) (c->done_before - c->rejected_before),
        "rejected_before", (json_int_t) c->rejected_before, "seconds", s->seconds,
        "latency", latency_json(s->tally), "domains", domains_json(s->tally),
        "refusals", refusals_json(s->tally), "error", cli_json_error(&s->error)));
}

int
cli_bulk_summary(cli_bulk_state *s)
{
    char note[LW_ERROR_TEXT_MAX + 400];
    int code = exit_code(s);

    if (s->args->json)
        print_json(s);
    if (!s->args->json && !s->args->quiet) {
        print_counts(s);
        print_latency(s->tally);
        print_domains(s->tally);
        print_refusals(s->tally);
    }
    cli_bulk_note(s, note, sizeof note);
    if (code != EX_OK || s->counts.uncertain_before > 0)
        cli_error(code, "bulk: %s", note);
    return code;
}
