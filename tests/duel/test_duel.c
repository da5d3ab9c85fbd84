/* SPDX-License-Identifier: MIT */
/*
 * tests/duel/test_duel.c - many rounds of client against server, each from its own seed
 *
 *     test_duel                 the rounds of the test run
 *     test_duel FIRST COUNT     COUNT rounds from seed FIRST
 *     test_duel SEED            one round, with all that was said
 *     test_duel wide ...        the same with wide windows
 */
#include "duel/duel.h"

#include "support/test.h"

#include <signal.h>
#include <unistd.h>

enum { ROUNDS = 10000, WIDE_ROUNDS = 1000 };

typedef void (*plan_maker)(plan *p, uint64_t seed);

static volatile uint64_t seed_now;

/* an assertion or a sanitizer ends the process: say which seed it was */
static void
tell_seed(void)
{
    char text[64];
    int n = snprintf(text, sizeof text, "seed %llu\n", (unsigned long long)seed_now);

    if (write(STDERR_FILENO, text, (size_t)n) < 0)
        return;
}

static void
on_abort(int sig)
{
    tell_seed();
    signal(sig, SIG_DFL);
}

void __sanitizer_set_death_callback(void (*)(void)) __attribute__((weak));

static const char *
run_seed(plan_maker make, uint64_t seed, FILE *log)
{
    plan p;
    const char *problem;

    seed_now = seed;
    make(&p, seed);
    if (log != NULL)
        plan_print(&p, log);
    problem = round_run(&p, log);
    if (problem != NULL)
        fprintf(stderr, "seed %llu: does not hold: %s\n", (unsigned long long)seed, problem);
    plan_deinit(&p);
    return problem;
}

static void
test_duel__random_rounds_every_claim_holds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++)
        assert_null(run_seed(plan_init, seed, NULL));
    /* the rounds were not all alike */
    for (int o = LW_OUTCOME_ACCEPTED; o <= LW_OUTCOME_UNCERTAIN; o++)
        assert_true(round_seen.outcomes[o] > ROUNDS / 20);
    assert_true(round_seen.cut > ROUNDS / 20 && round_seen.tls > ROUNDS / 50);
    assert_true(round_seen.auth > ROUNDS / 50 && round_seen.bdat > ROUNDS / 5);
    assert_true(round_seen.lmtp > ROUNDS / 5 && round_seen.stored > ROUNDS);
}

static void
test_duel__wide_windows_every_claim_holds(void **state)
{
    static const lw_server_event_kind steps[] = { LW_SERVER_MAIL, LW_SERVER_RCPT, LW_SERVER_DATA,
                                                  LW_SERVER_MESSAGE };

    (void)state;
    round_seen = (round_counts){ .rounds = 0 };
    for (uint64_t seed = 1; seed <= WIDE_ROUNDS; seed++)
        assert_null(run_seed(plan_init_wide, seed, NULL));
    /* refused, and cut, at each step behind many others that were not answered */
    assert_true(round_seen.most_in_flight > WINDOW_MAX * 3 / 4);
    assert_true(round_seen.deep_rounds > WIDE_ROUNDS / 10);
    for (size_t i = 0; i < LW_COUNT(steps); i++)
        assert_true(round_seen.deep_refused[steps[i]] > WIDE_ROUNDS / 10);
    assert_true(round_seen.deep_421 > WIDE_ROUNDS / 100 && round_seen.deep_452 > WIDE_ROUNDS / 10);
    assert_true(round_seen.deep_cut > WIDE_ROUNDS / 50);
    for (int o = LW_OUTCOME_ACCEPTED; o <= LW_OUTCOME_UNCERTAIN; o++)
        assert_true(round_seen.outcomes[o] > WIDE_ROUNDS);
}

/* ---- flights: how often the client waits ------------------------------------------------------ */

typedef struct flight_case {
    const char *name;
    uint32_t capabilities;
    unsigned messages, window, rcpts;
    lw_protocol protocol;
    unsigned flights;
} flight_case;

/* EHLO is one flight.  Every message has 100 octets; QUIT is asked for from the start. */
static const flight_case flight_cases[] = {
    { "BDAT: all in the second flight, QUIT too", LW_CAP_PIPELINING | LW_CAP_CHUNKING, 1, 1, 1,
      LW_PROTOCOL_SMTP, 2 },
    { "BDAT: eight messages in one window, QUIT too", LW_CAP_PIPELINING | LW_CAP_CHUNKING, 8, 8,
      1, LW_PROTOCOL_SMTP, 2 },
    { "BDAT: a window of one waits for each message", LW_CAP_PIPELINING | LW_CAP_CHUNKING, 8, 1,
      1, LW_PROTOCOL_SMTP, 9 },
    { "BDAT: further recipients may be put off, so QUIT waits", LW_CAP_PIPELINING |
      LW_CAP_CHUNKING, 1, 1, 5, LW_PROTOCOL_SMTP, 3 },
    { "DATA: envelope, then data with QUIT", LW_CAP_PIPELINING, 1, 1, 1, LW_PROTOCOL_SMTP, 3 },
    { "DATA: dot, RSET, MAIL, RCPT, DATA in one flight", LW_CAP_PIPELINING, 8, 2, 1,
      LW_PROTOCOL_SMTP, 10 },
    { "DATA: a window of one", LW_CAP_PIPELINING, 8, 1, 1, LW_PROTOCOL_SMTP, 17 },
    { "LMTP: BDAT waits for the recipients", LW_CAP_PIPELINING | LW_CAP_CHUNKING, 1, 1, 1,
      LW_PROTOCOL_LMTP, 3 },
    { "lock step: MAIL, RCPT, RCPT, DATA, data, QUIT", 0, 1, 1, 2, LW_PROTOCOL_SMTP, 7 },
    { "lock step with BDAT: MAIL, RCPT, BDAT, QUIT", LW_CAP_CHUNKING, 1, 1, 1,
      LW_PROTOCOL_SMTP, 5 },
};

static void
plan_for_flights(plan *p, const flight_case *c)
{
    static const char text[] = "Subject: x\r\n\r\n..................................................."
                               "...............................\r\n";

    memset(p, 0, sizeof *p);
    lw_smtp_opts_init(&p->client);
    lw_smtp_server_opts_init(&p->server);
    p->client.protocol = p->server.protocol = c->protocol;
    p->client.window = c->window;
    p->server.capabilities = c->capabilities;
    plan_set_messages(p, c->messages);
    for (unsigned t = 0; t < c->messages; t++) {
        plan_message *m = &p->messages[t];
        snprintf(m->from, sizeof m->from, "s%u@from.example", t);
        m->env = (lw_envelope){ .from = m->from, .rcpts = m->rcpts, .n_rcpts = c->rcpts };
        for (unsigned i = 0; i < c->rcpts; i++) {
            snprintf(m->address[i], sizeof m->address[i], "r%u.%u@d.example", t, i);
            m->rcpts[i].address = m->address[i];
        }
        plan_set_body(m, text, strlen(text), false);
        m->size_is_known = m->has_rewind = true;
        m->fails_at = SIZE_MAX;
        m->longest_span = 1000000;
    }
    p->pipe_cap[0] = p->pipe_cap[1] = p->piece_max = PIPE_MAX;
    p->n_slices = 200;
    p->submits_early = p->is_calm = true;
}

static void
test_duel__each_kind_of_session_waits_no_more_than_the_rfcs_ask(void **state)
{
    (void)state;
    for (size_t i = 0; i < LW_COUNT(flight_cases); i++) {
        const flight_case *c = &flight_cases[i];
        plan p;
        plan_for_flights(&p, c);
        assert_null(round_run(&p, NULL));
        plan_deinit(&p);
        if (round_seen.last_flights != c->flights || round_seen.last_wire_flights != c->flights)
            fail_msg("%s: %u flights, %u on the wire, not %u", c->name, round_seen.last_flights,
                     round_seen.last_wire_flights, c->flights);
    }
}

static int
run_by_hand(int argc, char **argv)
{
    bool is_wide = strcmp(argv[1], "wide") == 0 && argc > 2;
    plan_maker make = is_wide ? plan_init_wide : plan_init;
    uint64_t first, count;
    int n_bad = 0;

    argc -= is_wide;
    argv += is_wide;
    first = strtoull(argv[1], NULL, 10);
    count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

    for (uint64_t i = 0; i < count; i++)
        n_bad += run_seed(make, first + i, argc > 2 ? NULL : stdout) != NULL;
    printf("%lu rounds, %lu turns, %d bad; accepted %lu rejected %lu deferred %lu unsent %lu "
           "uncertain %lu; cut %lu tls %lu auth %lu bdat %lu lmtp %lu stored %lu\n",
           round_seen.rounds, round_seen.turns, n_bad, round_seen.outcomes[1],
           round_seen.outcomes[2], round_seen.outcomes[3], round_seen.outcomes[4],
           round_seen.outcomes[5], round_seen.cut, round_seen.tls, round_seen.auth,
           round_seen.bdat, round_seen.lmtp, round_seen.stored);
    printf("in flight at most %u; of %lu rounds with more than %d: refused MAIL %lu RCPT %lu DATA "
           "%lu message %lu, 421 %lu 452 %lu, cut %lu\n", round_seen.most_in_flight,
           round_seen.deep_rounds, DEEP, round_seen.deep_refused[LW_SERVER_MAIL],
           round_seen.deep_refused[LW_SERVER_RCPT], round_seen.deep_refused[LW_SERVER_DATA],
           round_seen.deep_refused[LW_SERVER_MESSAGE], round_seen.deep_421, round_seen.deep_452,
           round_seen.deep_cut);
    return n_bad > 0;
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duel__each_kind_of_session_waits_no_more_than_the_rfcs_ask),
        cmocka_unit_test(test_duel__random_rounds_every_claim_holds),
        cmocka_unit_test(test_duel__wide_windows_every_claim_holds),
    };

    signal(SIGABRT, on_abort);
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(tell_seed);
    if (argc > 1)
        return run_by_hand(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
