/* SPDX-License-Identifier: MIT */
/*
 * tests/duel/test_load.c - many recipients and transactions: what a peer can make an engine do
 *
 * Both engines, one after the other in memory, in the ways that could cost more than linear:
 * refusals, limits that split, windows, losses.  The number of commands is counted and bounded.
 *
 *     test_load CASE N   one case with N items, for a profiler
 */
#include "support/test.h"

#include <letterwing/server.h>

typedef enum answer {
    ANSWER_YES,
    ANSWER_EVERY_OTHER,     /* 550 to each second recipient              */
    ANSWER_ONE_ONLY,        /* 452 to all but the first of a transaction */
    ANSWER_FULL,            /* the same as 452 4.2.2: a full mailbox     */
    ANSWER_NO_MAIL,         /* 550 to MAIL                               */
    ANSWER_NO_MESSAGE,      /* 554 to the data                           */
    ANSWER_CLOSES           /* 421 to the first message                  */
} answer;

typedef struct load_case {
    const char *name;
    uint32_t capabilities;
    lw_protocol protocol;
    bool is_messages;       /* N messages of one recipient, not one of N */
    uint32_t window, rcpt_max, domain_max;
    answer answer;
    unsigned chunk;         /* octets of a span; 0 = all in one          */
    unsigned n_commands;    /* at most, of those that events show, for each item */
} load_case;

#define PIPE LW_CAP_PIPELINING
#define BDAT (LW_CAP_PIPELINING | LW_CAP_CHUNKING)

static const load_case cases[] = {
    { "all taken", BDAT, .n_commands = 1 },
    { "every other refused", BDAT, .answer = ANSWER_EVERY_OTHER, .n_commands = 1 },
    { "one a transaction by 452", BDAT, .answer = ANSWER_ONE_ONLY, .n_commands = 5 },
    { "one a transaction by 452, DATA", PIPE, .answer = ANSWER_ONE_ONLY, .n_commands = 5 },
    { "one a transaction by 452, lock step", 0, .answer = ANSWER_ONE_ONLY, .n_commands = 5 },
    { "452 for full mailboxes", BDAT | LW_CAP_ENHANCEDSTATUSCODES, .answer = ANSWER_FULL,
      .n_commands = 1 },
    { "RCPTMAX 1", BDAT | LW_CAP_LIMITS, .rcpt_max = 1, .n_commands = 4 },
    { "RCPTDOMAINMAX 1", BDAT | LW_CAP_LIMITS, .domain_max = 1, .n_commands = 1 },
    { "RCPTDOMAINMAX 4096", BDAT | LW_CAP_LIMITS, .domain_max = 4096, .n_commands = 1 },
    { "MAIL refused", BDAT, .answer = ANSWER_NO_MAIL, .n_commands = 1 },
    { "message refused", BDAT, .answer = ANSWER_NO_MESSAGE, .n_commands = 1 },
    { "connection lost", BDAT, .answer = ANSWER_CLOSES, .n_commands = 1 },
    { "LMTP", BDAT, LW_PROTOCOL_LMTP, .n_commands = 2 },
    { "LMTP, message refused", BDAT, LW_PROTOCOL_LMTP, .answer = ANSWER_NO_MESSAGE,
      .n_commands = 2 },
    { "messages one by one", BDAT, .is_messages = true, .window = 1, .n_commands = 4 },
    { "messages in a window", BDAT, .is_messages = true, .window = 256, .n_commands = 4 },
    { "messages in a window, DATA", PIPE, .is_messages = true, .window = 256, .n_commands = 4 },
    { "messages refused in a window", BDAT, .is_messages = true, .window = 256,
      .answer = ANSWER_NO_MAIL, .n_commands = 4 },
    { "messages lost", BDAT, .is_messages = true, .window = 256, .answer = ANSWER_CLOSES,
      .n_commands = 4 },
    { "octets as chunks", BDAT, .chunk = 1, .n_commands = 3 },
};

enum { ADDRESS = 32 };

typedef struct load {
    const load_case *c;
    size_t n_messages, n_rcpts, n_submitted, n_done, n_outcomes, n_commands, n_taken, octets_at;
    lw_smtp *client;
    lw_smtp_server *server;
    char (*addresses)[ADDRESS];
    lw_rcpt *rcpts;
    lw_envelope *envs;
    lw_body body;
    char *text;
    size_t text_len;
    bool is_over;
} load;

static lw_code
text_next(void *ctx, lw_span *s)
{
    load *l = ctx;
    size_t n = l->c->chunk != 0 ? l->c->chunk : l->text_len;

    if (n > l->text_len - l->octets_at)
        n = l->text_len - l->octets_at;
    *s = (lw_span){ l->text + l->octets_at, n };
    l->octets_at += n;
    if (l->octets_at < l->text_len)
        return LW_OK;
    l->octets_at = 0; /* for the next message */
    return LW_DONE;
}

static lw_code
text_rewind(void *ctx)
{
    ((load *)ctx)->octets_at = 0;
    return LW_OK;
}

/* ---- the two callers -------------------------------------------------------------------------- */

static void
submit_more(load *l)
{
    while (l->n_submitted < l->n_messages &&
           lw_smtp_submit(l->client, &l->envs[l->n_submitted], &l->body, l) == LW_OK)
        l->n_submitted++;
    if (l->n_submitted == l->n_messages)
        (void)lw_smtp_quit(l->client);
}

static bool
client_events(load *l)
{
    lw_event ev;
    bool any = false;

    while (lw_smtp_next(l->client, &ev) == LW_OK) {
        any = true;
        l->n_outcomes += ev.kind == LW_EVENT_RCPT;
        l->n_done += ev.kind == LW_EVENT_DONE;
        l->is_over |= ev.kind == LW_EVENT_CLOSED;
        if (ev.kind == LW_EVENT_DONE && !l->is_over)
            submit_more(l);
    }
    return any;
}

static int
code_for(load *l, const lw_server_event *ev)
{
    answer a = l->c->answer;

    if (ev->kind == LW_SERVER_MAIL)
        l->n_taken = 0;
    if (ev->kind == LW_SERVER_MAIL && a == ANSWER_NO_MAIL)
        return 550;
    if (ev->kind == LW_SERVER_MESSAGE && a == ANSWER_NO_MESSAGE)
        return 554;
    if (ev->kind == LW_SERVER_MESSAGE && a == ANSWER_CLOSES)
        return 421;
    if (ev->kind != LW_SERVER_RCPT)
        return 0;
    if (a == ANSWER_EVERY_OTHER && l->n_commands % 2 == 0)
        return 550;
    if ((a == ANSWER_ONE_ONLY || a == ANSWER_FULL) && l->n_taken > 0)
        return 452;
    l->n_taken++;
    return 0;
}

static void
server_event(load *l, const lw_server_event *ev)
{
    const char *enhanced = l->c->answer == ANSWER_FULL ? "4.2.2" : NULL;
    int code;

    if (!ev->needs_reply)
        return;
    l->n_commands++;
    code = code_for(l, ev);
    if ((code == 0 ? lw_smtp_server_accept(l->server)
                   : lw_smtp_server_reply(l->server, code, enhanced, NULL)) != LW_OK)
        fail_msg("%s: the answer %d is refused", l->c->name, code);
}

static bool
server_events(load *l)
{
    lw_server_event ev;
    bool any = false;

    while (lw_smtp_server_next(l->server, &ev) == LW_OK) {
        any = true;
        server_event(l, &ev);
    }
    return any;
}

/* ---- between them --------------------------------------------------------------------------------- */

static bool
to_server(load *l)
{
    lw_slice v;
    size_t used = 0;

    if (l->is_over || lw_smtp_out(l->client, &v, 1) == 0)
        return false;
    (void)!lw_smtp_server_feed(l->server, v.ptr, v.len, &used);
    (void)server_events(l); /* BODY points into v */
    lw_smtp_sent(l->client, used);
    return used > 0;
}

static bool
to_client(load *l)
{
    lw_slice v;
    size_t used = 0;

    if (lw_smtp_server_out(l->server, &v, 1) == 0)
        return false;
    used = v.len;
    if (!l->is_over)
        (void)!lw_smtp_feed(l->client, v.ptr, v.len, &used);
    lw_smtp_server_sent(l->server, used);
    return used > 0;
}

static void
run(load *l)
{
    bool moved = true;

    submit_more(l);
    while (moved) {
        moved = to_server(l);
        moved |= server_events(l);
        moved |= to_client(l);
        moved |= client_events(l);
        if (lw_smtp_server_want(l->server) == 0 && !l->is_over) {
            (void)lw_smtp_eof(l->client);
            moved = true;
        }
    }
}

/* ---- setting up ---------------------------------------------------------------------------------------- */

static void
open_load(load *l, const load_case *c, size_t n)
{
    lw_smtp_opts o;
    lw_smtp_server_opts s;

    *l = (load){ .c = c, .n_messages = c->is_messages ? n : 1,
                 .n_rcpts = c->is_messages ? 1 : n };
    lw_smtp_opts_init(&o);
    lw_smtp_server_opts_init(&s);
    o.protocol = s.protocol = c->protocol;
    o.window = c->window;
    o.max_transactions = c->is_messages ? 65535 : 1;
    s.capabilities = c->capabilities;
    s.rcpt_max = UINT32_MAX;
    s.limit_rcpt_max = c->rcpt_max;
    s.limit_rcpt_domain_max = c->domain_max;
    s.max_errors = UINT32_MAX;
    assert_int_equal(lw_smtp_new(&o, 0, &l->client), LW_OK);
    assert_int_equal(lw_smtp_server_new(&s, 0, &l->server), LW_OK);
    l->addresses = calloc(n, sizeof *l->addresses);
    l->rcpts = calloc(n, sizeof *l->rcpts);
    l->envs = calloc(l->n_messages, sizeof *l->envs);
    l->text_len = c->chunk != 0 ? n : 30;
    l->text = malloc(l->text_len);
    if (l->addresses == NULL || l->rcpts == NULL || l->envs == NULL || l->text == NULL)
        abort();
    memset(l->text, 'x', l->text_len);
    for (size_t i = 0; i < n; i++) {
        snprintf(l->addresses[i], ADDRESS, "r@d%zu.example", i);
        l->rcpts[i].address = l->addresses[i];
    }
    for (size_t t = 0; t < l->n_messages; t++)
        l->envs[t] = (lw_envelope){ .from = "a@x.example", .n_rcpts = l->n_rcpts,
                                    .rcpts = l->rcpts + t * l->n_rcpts };
    l->body = (lw_body){ text_next, text_rewind, l, l->text_len, false };
}

static void
close_load(load *l)
{
    lw_smtp_free(l->client);
    lw_smtp_server_free(l->server);
    free(l->addresses);
    free(l->rcpts);
    free(l->envs);
    free(l->text);
}

static void
run_load(const load_case *c, size_t n)
{
    load l;

    open_load(&l, c, n);
    run(&l);
    if (!l.is_over || l.n_done != l.n_submitted || l.n_outcomes != l.n_done * l.n_rcpts)
        fail_msg("%s: %zu submitted, %zu done, %zu outcomes", c->name, l.n_submitted, l.n_done,
                 l.n_outcomes);
    if (l.n_commands > c->n_commands * n + 10)
        fail_msg("%s: %zu commands for %zu items", c->name, l.n_commands, n);
    close_load(&l);
}

static void
test_load__commands_grow_with_the_items_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < LW_COUNT(cases); i++)
        run_load(&cases[i], 2000);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load__commands_grow_with_the_items_only),
    };

    if (argc > 2) {
        size_t i = (size_t)atoi(argv[1]);
        if (i >= LW_COUNT(cases))
            return 1;
        printf("%s\n", cases[i].name);
        run_load(&cases[i], (size_t)atol(argv[2]));
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
