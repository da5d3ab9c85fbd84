/* SPDX-License-Identifier: MIT */
/* tests/duel/plan.c - one round, drawn from one seed */
#include "duel/duel.h"

/* ---- chance --------------------------------------------------------------------------- */

uint64_t
dice_roll(dice *d)
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

unsigned
dice_below(dice *d, unsigned n)
{
    unsigned value = 0;

    if (d->n_octets > 0) {
        for (unsigned left = n; left > 1 && d->n_octets > 0; left >>= 8) {
            value = value << 8 | *d->octets++;
            d->n_octets--;
        }
        return value % n;
    }
    return (unsigned)(dice_roll(d) % n);
}

bool
dice_chance(dice *d, unsigned n)
{
    return dice_below(d, n) == 0;
}

static unsigned
one_of(dice *d, const unsigned *choices, unsigned n)
{
    return choices[dice_below(d, n)];
}

#define ONE_OF(d, ...)                                                                   \
    one_of(d, (const unsigned[]){ __VA_ARGS__ },                                         \
           sizeof(const unsigned[]){ __VA_ARGS__ } / sizeof(unsigned))

/* ---- bodies ------------------------------------------------------------------------------ */

/* CR, LF and CRLF each end a line; the last line gets an end; nothing else changes */
static size_t
normalise(char *dst, const char *src, size_t n)
{
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        if (src[i] != '\r' && src[i] != '\n') {
            dst[len++] = src[i];
            continue;
        }
        if (src[i] == '\r' && i + 1 < n && src[i + 1] == '\n')
            i++;
        dst[len++] = '\r';
        dst[len++] = '\n';
    }
    if (len > 0 && dst[len - 1] != '\n') {
        dst[len++] = '\r';
        dst[len++] = '\n';
    }
    return len;
}

void
plan_set_body(plan_message *m, const char *octets, size_t n, bool is_binary)
{
    free(m->octets);
    free(m->expected);
    m->octets = malloc(n + 1);
    m->expected = malloc(2 * n + 3);
    if (m->octets == NULL || m->expected == NULL)
        abort();
    memcpy(m->octets, octets, n);
    m->n_octets = n;
    if (is_binary)
        memcpy(m->expected, octets, n);
    m->n_expected = is_binary ? n : normalise(m->expected, octets, n);
}

void
plan_set_messages(plan *p, unsigned n)
{
    p->n_messages = n;
    if ((p->messages = calloc(n, sizeof *p->messages)) == NULL)
        abort();
}

static size_t
body_length(dice *d)
{
    switch (dice_below(d, 12)) {
    case 0: return 0;
    case 1: return 1;
    case 2:
    case 3: return dice_below(d, 6);
    case 4: return dice_below(d, 6000);
    case 5: return d->octets == NULL && dice_chance(d, 10) ? 200000 : 3000;
    default: return dice_below(d, 300);
    }
}

static void
draw_body(plan_message *m, dice *d, size_t most)
{
    /* what end-of-data and line ends are made of, again and again */
    static const char *const bits[] = { "\r\n", "\r\n", "\n", "\r", ".", ".", "\r\n.\r\n", "a",
                                        "word ", "\n.\n", "\r.\r", "..", "\xc3\xa9", "\xff",
                                        "QUIT\r\n", "BDAT 9 LAST\r\n" };
    size_t n = body_length(d) % (most + 1), len = 0;
    char *text = malloc(n + 32);
    bool is_tame = dice_chance(d, 3), is_binary = m->env.body_type == LW_BODY_BINARYMIME;

    if (text == NULL)
        abort();
    while (len < n) {
        unsigned i = dice_below(d, is_tame ? 2 : sizeof bits / sizeof *bits);
        size_t k = strlen(bits[i]);
        if (is_tame || dice_chance(d, 2))
            text[len++] = (char)(is_binary && !is_tame ? dice_below(d, 256)
                                                       : 'a' + dice_below(d, 26));
        memcpy(text + len, bits[i], k);
        len += k;
        if (is_binary && dice_chance(d, 4))
            text[len++] = '\0';
    }
    plan_set_body(m, text, len, is_binary);
    m->is_canonical = !is_binary && m->n_octets == m->n_expected &&
                      memcmp(m->octets, m->expected, len) == 0 && dice_chance(d, 2);
    free(text);
    m->size_is_known = !dice_chance(d, 3);
    m->has_rewind = !dice_chance(d, 6);
    m->rewind_fails = dice_chance(d, 20);
    m->fails_at = dice_chance(d, 25) ? dice_below(d, (unsigned)len + 1) : SIZE_MAX;
    m->longest_span = ONE_OF(d, 1, 3, 17, 100, 5000, 1000000);
    if (len > 5000 && m->longest_span < 100)
        m->longest_span = 1000;
}

/* ---- envelopes ------------------------------------------------------------------------------ */

static void
draw_rcpt(plan_message *m, dice *d, unsigned t, unsigned i)
{
    static const char *const shapes[] = { "r%u.%u@d%u.example", "r%u.%u@d%u.example",
                                          "r%u.%u+x@d%u.example", "\"r%u.%u a>\\\"b\"@d%u.example",
                                          "r%u.%u@[192.0.2.%u]" };
    lw_rcpt *r = &m->rcpts[i];

    snprintf(m->address[i], sizeof m->address[i],
             m->env.needs_smtputf8 && dice_chance(d, 2) ? "r%u.%u-\xc3\xbc@d%u.\xc3\xa9.example"
                                                        : shapes[dice_below(d, 5)],
             t, i, dice_below(d, 4));
    r->address = m->address[i];
    if (!dice_chance(d, 4))
        return;
    r->notify = dice_chance(d, 3) ? LW_NOTIFY_NEVER : dice_below(d, 8) << 1;
    if (dice_chance(d, 2)) {
        snprintf(m->orcpt[i], sizeof m->orcpt[i], "rfc822;o%u+%u=x@old.example", t, i);
        r->orcpt = m->orcpt[i];
    }
}

static void
draw_wishes(lw_envelope *env, dice *d)
{
    env->body_type = dice_chance(d, 5) ? LW_BODY_BINARYMIME
                     : dice_chance(d, 3) ? LW_BODY_8BITMIME : LW_BODY_7BIT;
    env->needs_smtputf8 = dice_chance(d, 8);
    env->require_tls = dice_chance(d, 15);
    env->ret = dice_chance(d, 4) ? LW_RET_HDRS : dice_chance(d, 8) ? LW_RET_FULL : LW_RET_UNSET;
    env->envid = dice_chance(d, 5) ? "id+1=two three" : NULL;
    env->auth = dice_chance(d, 8) ? "ann+x@example.com" : dice_chance(d, 10) ? "" : NULL;
    if (dice_chance(d, 10)) {
        env->deliver_by_s = 100 + dice_below(d, 900);
        env->deliver_by_mode = dice_chance(d, 2) ? 'R' : 'N';
        env->deliver_by_trace = dice_chance(d, 2);
    } else if (dice_chance(d, 10)) {
        env->hold_for_s = dice_chance(d, 4) ? 999999 : 60;
    } else if (dice_chance(d, 12)) {
        env->hold_until = "2027-01-02T03:04:05Z";
    }
    env->has_priority = dice_chance(d, 8);
    env->priority = (int)dice_below(d, 19) - 9;
}

static void
draw_envelope(plan_message *m, dice *d, unsigned t, bool has_wishes)
{
    if (has_wishes)
        draw_wishes(&m->env, d);
    snprintf(m->from, sizeof m->from, "s%u@from.example", t);
    m->env.from = m->from;
    m->env.rcpts = m->rcpts;
    m->env.n_rcpts = dice_chance(d, 6) ? 1 + dice_below(d, RCPTS_MAX) : 1 + dice_below(d, 4);
    for (unsigned i = 0; i < m->env.n_rcpts; i++)
        draw_rcpt(m, d, t, i);
}

static void
draw_message(plan_message *m, dice *d, unsigned t)
{
    draw_envelope(m, d, t, !dice_chance(d, 3));
    draw_body(m, d, SIZE_MAX - 1);
}

/* ---- the two sides ---------------------------------------------------------------------------- */

static void
draw_client(plan *p, dice *d)
{
    lw_smtp_opts *o = &p->client;

    lw_smtp_opts_init(o);
    o->protocol = dice_chance(d, 4) ? LW_PROTOCOL_LMTP : LW_PROTOCOL_SMTP;
    o->ehlo_name = "client.example";
    o->max_transactions = ONE_OF(d, 1, 2, 16);
    o->window = ONE_OF(d, 1, 1, 2, 3, 8, 16);
    o->no_pipelining = dice_chance(d, 6);
    o->no_chunking = dice_chance(d, 6);
    p->uses_tls = dice_chance(d, 4);
    p->uses_auth = dice_chance(d, 4);
    p->submits_early = !p->uses_tls && !p->uses_auth && dice_chance(d, 2);
    p->quits_early = dice_chance(d, 3);
    p->asks_by_hand = !p->submits_early && dice_chance(d, 6);
    p->n_challenges = dice_below(d, 4);
    p->cancels_auth = dice_chance(d, 5);
}

static void
draw_server(plan *p, dice *d)
{
    lw_smtp_server_opts *o = &p->server;
    unsigned generous = dice_below(d, 4);

    lw_smtp_server_opts_init(o);
    o->protocol = p->client.protocol;
    o->name = "server.example";
    for (int i = 0; i < LW_CAP_COUNT; i++)
        if (dice_below(d, 4) < 1 + generous)
            o->capabilities |= 1u << i;
    o->auth = "PLAIN X-DUEL";
    o->auth_before_tls = dice_chance(d, 3) ? "" : NULL;
    o->tls_active = dice_chance(d, 8);
    o->require_tls = dice_chance(d, 25);
    o->require_auth = dice_chance(d, 25);
    o->reject_bare_lf = dice_chance(d, 3);
    o->size_max = dice_chance(d, 8) ? 1 + dice_below(d, 2000) : 0;
    o->rcpt_max = dice_chance(d, 8) ? 1 + dice_below(d, 6) : 0;
    o->limit_rcpt_max = dice_chance(d, 10) ? 1 + dice_below(d, 6) : 0;
    o->limit_mail_max = dice_chance(d, 12) ? 1 + dice_below(d, 4) : 0;
    o->limit_rcpt_domain_max = dice_chance(d, 12) ? 1 + dice_below(d, 3) : 0;
    o->deliverby_min_s = dice_chance(d, 4) ? 500 : 0;
    o->max_errors = dice_chance(d, 10) ? 1 + dice_below(d, 5) : 0;
}

static void
draw_round(plan *p)
{
    dice *d = &p->dice;

    draw_client(p, d);
    draw_server(p, d);
    p->uses_tls = p->uses_tls && !p->server.tls_active;
    plan_set_messages(p, 1 + dice_below(d, MESSAGES_MAX));
    for (unsigned t = 0; t < p->n_messages; t++)
        draw_message(&p->messages[t], d, t);
    p->refusals = ONE_OF(d, 0, 0, 3, 8, 30);
    p->lateness = ONE_OF(d, 0, 0, 2, 40);
    p->pipe_cap[0] = ONE_OF(d, 1, 7, 64, 64, 300, 300, 600, 600, 5000, PIPE_MAX);
    p->pipe_cap[1] = ONE_OF(d, 1, 7, 64, 64, 300, 300, 600, 600, 5000, PIPE_MAX);
    for (unsigned t = 0; t < p->n_messages; t++)
        if (p->messages[t].n_octets > 20000)
            p->pipe_cap[0] = PIPE_MAX;
    p->piece_max = ONE_OF(d, 1, 5, 60, 60, 60, 2000, 2000, PIPE_MAX);
    p->n_slices = ONE_OF(d, 1, 2, 16, 200);
    p->cut_after = dice_chance(d, 3) ? 1 + dice_below(d, ONE_OF(d, 30, 300, 3000)) : 0;
    p->cut_after_ends = dice_chance(d, 6) ? 1 + dice_below(d, 3) : 0;
    p->cut = dice_below(d, 4);
    p->cut_loses = dice_chance(d, 2);
}

/* ---- wide windows -------------------------------------------------------------------------- */

static void
draw_wide_sides(plan *p, dice *d)
{
    lw_smtp_opts *c = &p->client;
    lw_smtp_server_opts *s = &p->server;

    draw_client(p, d);
    draw_server(p, d);
    c->window = dice_chance(d, 2) ? 1 + dice_below(d, DEEP) : 1 + dice_below(d, WINDOW_MAX);
    c->max_transactions = c->window + dice_below(d, c->window + 1);
    c->window_bytes = dice_chance(d, 4) ? 1 + dice_below(d, 3000) : 0;
    c->no_pipelining = dice_chance(d, 20);
    c->no_chunking = dice_chance(d, 10);
    if (!dice_chance(d, 6))
        c->protocol = s->protocol = LW_PROTOCOL_SMTP;
    s->capabilities |= LW_CAP_PIPELINING | (dice_chance(d, 8) ? 0 : LW_CAP_CHUNKING);
    s->require_tls = s->require_auth = p->uses_tls = p->uses_auth = p->asks_by_hand = false;
    s->size_max = 0;
    if (!dice_chance(d, 4))
        s->limit_rcpt_domain_max = s->limit_rcpt_max = 0;
    s->max_errors = dice_chance(d, 10) ? 1 + dice_below(d, 60) : UINT32_MAX;
    s->limit_mail_max = dice_chance(d, 12) ? 1 + dice_below(d, WINDOW_MAX) : 0;
    p->quits_early = false;
}

static void
draw_wide_messages(plan *p, dice *d)
{
    unsigned n = 1 + p->client.window / 2 + dice_below(d, p->client.window + 8);

    plan_set_messages(p, n);
    for (unsigned t = 0; t < p->n_messages; t++) {
        plan_message *m = &p->messages[t];

        draw_envelope(m, d, t, dice_chance(d, 8));
        if (!dice_chance(d, 4))
            m->env.n_rcpts = 1;
        draw_body(m, d, 300);
        m->size_is_known = !dice_chance(d, 200);
        if (!dice_chance(d, 8))
            m->longest_span = 1000000;
        if (!dice_chance(d, 16))
            m->fails_at = SIZE_MAX;
    }
}

/* the pipes are long enough for the client to get ahead of the replies */
static void
draw_wide_round(plan *p)
{
    dice *d = &p->dice;

    draw_wide_sides(p, d);
    draw_wide_messages(p, d);
    p->refusals = ONE_OF(d, 0, 8, 30, 100, 300);
    p->lateness = ONE_OF(d, 0, 0, 2, 10);
    p->is_bursty = !dice_chance(d, 4);
    p->pipe_cap[0] = ONE_OF(d, 600, PIPE_MAX, PIPE_MAX, PIPE_MAX);
    p->pipe_cap[1] = ONE_OF(d, 64, 600, 5000, PIPE_MAX);
    p->piece_max = ONE_OF(d, 1000, PIPE_MAX, PIPE_MAX);
    p->n_slices = ONE_OF(d, 2, 16, 200);
    p->cut_after = dice_chance(d, 4) ? 1 + dice_below(d, ONE_OF(d, 100, 1000, 8000)) : 0;
    p->cut_after_ends = dice_chance(d, 4) ? 1 + dice_below(d, p->n_messages) : 0;
    p->cut = dice_below(d, 4);
    p->cut_loses = dice_chance(d, 2);
}

void
plan_init_wide(plan *p, uint64_t seed)
{
    *p = (plan){ .seed = seed, .dice = { .state = seed } };
    draw_wide_round(p);
}

void
plan_init(plan *p, uint64_t seed)
{
    *p = (plan){ .seed = seed, .dice = { .state = seed } };
    draw_round(p);
}

void
plan_init_from(plan *p, const unsigned char *octets, size_t n)
{
    *p = (plan){ .dice = { .octets = octets, .n_octets = n } };
    draw_round(p);
    /* a fuzzer needs many rounds more than it needs long ones */
    for (int i = 0; i < 2; i++)
        p->pipe_cap[i] = p->pipe_cap[i] < 100 ? 100 : p->pipe_cap[i];
    p->piece_max = p->piece_max < 50 ? 50 : p->piece_max;
    p->lateness = p->lateness > 2 ? 2 : p->lateness;
}

void
plan_deinit(plan *p)
{
    for (unsigned t = 0; t < p->n_messages; t++) {
        free(p->messages[t].octets);
        free(p->messages[t].expected);
    }
    free(p->messages);
}

void
plan_print(const plan *p, FILE *f)
{
    fprintf(f, "seed %llu: %s, %u messages, window %u of %u, capabilities %05x%s%s\n",
            (unsigned long long)p->seed, p->client.protocol == LW_PROTOCOL_LMTP ? "LMTP" : "SMTP",
            p->n_messages, p->client.window, p->client.max_transactions, p->server.capabilities,
            p->client.no_pipelining ? ", no pipelining" : "",
            p->client.no_chunking ? ", no chunking" : "");
    fprintf(f, "pipes %zu and %zu, pieces %u, one refusal in %u, lateness %u, cut after %u (%d)\n",
            p->pipe_cap[0], p->pipe_cap[1], p->piece_max, p->refusals, p->lateness, p->cut_after,
            (int)p->cut);
    for (unsigned t = 0; t < p->n_messages; t++)
        fprintf(f, "  message %u: %zu recipients, %zu octets, spans %u, BODY %d%s\n", t,
                p->messages[t].env.n_rcpts, p->messages[t].n_octets, p->messages[t].longest_span,
                (int)p->messages[t].env.body_type,
                p->messages[t].fails_at != SIZE_MAX ? ", fails" : "");
}
