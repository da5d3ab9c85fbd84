/* SPDX-License-Identifier: MIT */
/*
 * tests/duel/test_cut.c - a peer that closes, stalls or babbles at every octet of a session
 *
 * Each session runs once whole; then, for every octet that the server says and every octet that
 * the client sends, once for each fault there.  round.c holds the claims: one outcome for each
 * recipient, uncertain exactly when the last octet of the data had been given away, nothing
 * stored that is called unsent, and both engines closed.
 */
#include "duel/duel.h"

#include "support/test.h"

typedef struct session {
    const char *name;
    uint32_t capabilities;
    lw_protocol protocol;
    unsigned messages, rcpts, window, refusals, longest_span;
    bool uses_tls, uses_auth;
} session;

#define BASICS (LW_CAP_ENHANCEDSTATUSCODES | LW_CAP_8BITMIME)

static const session sessions[] = {
    { .name = "plain", .capabilities = BASICS, .messages = 1, .rcpts = 2 },
    { .name = "pipelined", .capabilities = BASICS | LW_CAP_PIPELINING, .messages = 2, .rcpts = 3,
      .window = 2 },
    { .name = "one chunk", .capabilities = BASICS | LW_CAP_CHUNKING | LW_CAP_PIPELINING,
      .messages = 1, .rcpts = 1 },
    { .name = "chunks in a window",
      .capabilities = BASICS | LW_CAP_CHUNKING | LW_CAP_PIPELINING, .messages = 4, .rcpts = 2,
      .window = 4, .longest_span = 20 },
    { .name = "chunks in lock step", .capabilities = BASICS | LW_CAP_CHUNKING, .messages = 1,
      .rcpts = 2, .longest_span = 20 },
    { .name = "STARTTLS", .capabilities = BASICS | LW_CAP_STARTTLS | LW_CAP_PIPELINING,
      .messages = 1, .rcpts = 1, .uses_tls = true },
    { .name = "AUTH", .capabilities = BASICS | LW_CAP_AUTH, .messages = 1, .rcpts = 1,
      .uses_auth = true },
    { .name = "STARTTLS and AUTH", .capabilities = BASICS | LW_CAP_AUTH | LW_CAP_STARTTLS |
      LW_CAP_PIPELINING | LW_CAP_CHUNKING, .messages = 1, .rcpts = 1, .uses_auth = true,
      .uses_tls = true },
    { .name = "LMTP", .protocol = LW_PROTOCOL_LMTP, .capabilities = BASICS | LW_CAP_PIPELINING,
      .messages = 2, .rcpts = 3, .window = 2 },
    { .name = "LMTP with chunks", .protocol = LW_PROTOCOL_LMTP,
      .capabilities = BASICS | LW_CAP_PIPELINING | LW_CAP_CHUNKING, .messages = 2, .rcpts = 3,
      .window = 2, .longest_span = 30 },
    { .name = "refused here and there", .capabilities = BASICS | LW_CAP_PIPELINING,
      .messages = 4, .rcpts = 4, .window = 2, .refusals = 3 },
    { .name = "chunks refused here and there",
      .capabilities = BASICS | LW_CAP_PIPELINING | LW_CAP_CHUNKING, .messages = 4, .rcpts = 4,
      .window = 4, .refusals = 3, .longest_span = 30 },
    { .name = "LMTP refused here and there", .protocol = LW_PROTOCOL_LMTP,
      .capabilities = BASICS | LW_CAP_PIPELINING, .messages = 3, .rcpts = 4, .refusals = 3 },
};

static void
add_message(plan *p, const session *s, unsigned t)
{
    static const char text[] = "Subject: x\r\n\r\n.dot\r\n.\r\nbare\ncr\rend";
    plan_message *m = &p->messages[t];

    snprintf(m->from, sizeof m->from, "s%u@from.example", t);
    m->env = (lw_envelope){ .from = m->from, .rcpts = m->rcpts, .n_rcpts = s->rcpts };
    for (unsigned i = 0; i < s->rcpts; i++) {
        snprintf(m->address[i], sizeof m->address[i], "r%u.%u@d.example", t, i);
        m->rcpts[i].address = m->address[i];
    }
    plan_set_body(m, text, strlen(text), false);
    m->size_is_known = m->has_rewind = true;
    m->fails_at = SIZE_MAX;
    m->longest_span = s->longest_span != 0 ? s->longest_span : 1000;
}

static void
plan_session(plan *p, const session *s, fault_kind fault, uint64_t at)
{
    memset(p, 0, sizeof *p);
    lw_smtp_opts_init(&p->client);
    lw_smtp_server_opts_init(&p->server);
    p->dice.state = 4; /* the same refusals in each run */
    p->client.protocol = p->server.protocol = s->protocol;
    p->client.window = s->window != 0 ? s->window : 1;
    p->server.capabilities = s->capabilities;
    p->server.auth = "X-DUEL";
    p->refusals = s->refusals;
    p->uses_tls = s->uses_tls;
    p->uses_auth = s->uses_auth;
    p->submits_early = !s->uses_tls && !s->uses_auth;
    p->n_challenges = 1;
    plan_set_messages(p, s->messages);
    for (unsigned t = 0; t < s->messages; t++)
        add_message(p, s, t);
    p->pipe_cap[0] = p->pipe_cap[1] = PIPE_MAX;
    p->piece_max = PIPE_MAX;
    p->n_slices = 200;
    p->is_calm = true;
    p->fault = fault;
    p->fault_at = at;
}

static void
run_session(const session *s, fault_kind fault, uint64_t at)
{
    const char *problem;
    plan p;

    plan_session(&p, s, fault, at);
    problem = round_run(&p, NULL);
    plan_deinit(&p);
    if (problem != NULL)
        fail_msg("%s, fault %d at octet %llu: does not hold: %s", s->name, (int)fault,
                 (unsigned long long)at, problem);
    if (fault != FAULT_NONE && !round_seen.last_fault_struck)
        fail_msg("%s, fault %d at octet %llu never came", s->name, (int)fault,
                 (unsigned long long)at);
}

/* every octet, each fault of one side; counts say that the faults had different consequences */
static void
run_faults(fault_kind first, fault_kind last, bool is_server)
{
    round_counts before = round_seen;

    for (size_t i = 0; i < LW_COUNT(sessions); i++) {
        run_session(&sessions[i], FAULT_NONE, 0);
        uint64_t n = is_server ? round_seen.last_said : round_seen.last_sent;
        assert_true(n > 100);
        for (uint64_t at = 0; at < n; at++)
            for (fault_kind f = first; f <= last; f++)
                run_session(&sessions[i], f, at);
    }
    for (int o = LW_OUTCOME_ACCEPTED; o <= LW_OUTCOME_UNCERTAIN; o++)
        assert_true(round_seen.outcomes[o] > before.outcomes[o] + 100);
}

static void
test_cut__server_fails_at_every_octet_it_says(void **state)
{
    (void)state;
    run_faults(FAULT_SERVER_CLOSES, FAULT_SERVER_BABBLES, true);
}

static void
test_cut__client_fails_at_every_octet_it_sends(void **state)
{
    (void)state;
    run_faults(FAULT_CLIENT_CLOSES, FAULT_CLIENT_BABBLES, false);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut__server_fails_at_every_octet_it_says),
        cmocka_unit_test(test_cut__client_fails_at_every_octet_it_sends),
    };

    if (argc > 3) { /* session, fault, octet: shows what is said */
        plan p;
        plan_session(&p, &sessions[atoi(argv[1])], (fault_kind)atoi(argv[2]),
                     strtoull(argv[3], NULL, 10));
        const char *problem = round_run(&p, stdout);
        plan_deinit(&p);
        printf("%s\n", problem != NULL ? problem : "all claims hold");
        return problem != NULL;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
