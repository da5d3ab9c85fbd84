/* SPDX-License-Identifier: MIT */
/*
 * tests/duel/wire.c - reads what passes between client and server, and knows the rules itself
 *
 * Fed with the octets that the client gave to the network and with those that it read.  Checks
 * that nothing is sent that was not offered, that groups of commands are as RFC 2920 and 3030
 * allow, and that windows and LIMITS are kept; notes which reply decided on which recipient.
 */
#include "duel/duel.h"

#include <strings.h>

#define RULE(w, claim)                                                                   \
    do {                                                                                 \
        if (!(claim) && (w)->problem == NULL)                                            \
            (w)->problem = "on the wire: " #claim;                                       \
    } while (0)

void
wire_init(wire *w, const plan *p)
{
    memset(w, 0, sizeof *w);
    w->plan = p;
    w->has_tls = p->server.tls_active;
    w->has_read = true;
    w->is_failed = calloc(p->n_messages, sizeof *w->is_failed);
    w->verdicts = calloc(p->n_messages, sizeof *w->verdicts);
    w->queue_cap = 64;
    w->queue = calloc(w->queue_cap, sizeof *w->queue);
    if (w->queue == NULL || w->is_failed == NULL || w->verdicts == NULL)
        abort();
    w->queue[w->n_queue++] = (asked){ ASKED_GREETING, 0, -1, -1 };
}

void
wire_deinit(wire *w)
{
    free(w->queue);
    free(w->is_failed);
    free(w->verdicts);
}

static void
ask(wire *w, asked_kind kind, int message, int rcpt)
{
    if (w->first + w->n_queue == w->queue_cap) {
        memmove(w->queue, w->queue + w->first, w->n_queue * sizeof *w->queue);
        w->first = 0;
        if (w->n_queue * 2 > w->queue_cap &&
            (w->queue = realloc(w->queue, (w->queue_cap *= 2) * sizeof *w->queue)) == NULL)
            abort();
    }
    w->queue[w->first + w->n_queue++] = (asked){ kind, w->n_transactions, message, rcpt };
}

static bool
offers(const wire *w, uint32_t cap)
{
    return (w->offered & cap) != 0;
}

static const plan_message *
message_of(const wire *w, int i)
{
    return &w->plan->messages[i];
}

/* RFC 2033 4.3: no reply at all to a last chunk that has no recipient */
static void
skip_unanswered(wire *w)
{
    while (w->plan->client.protocol == LW_PROTOCOL_LMTP && w->n_queue > 0 &&
           w->queue[w->first].kind == ASKED_END) {
        if (w->taken_of == w->queue[w->first].transaction && w->n_taken > 0)
            return;
        w->first++;
        w->n_queue--;
    }
}

/* ---- what the client sends ---------------------------------------------------------------- */

static bool
starts(const char *line, const char *word)
{
    return strncasecmp(line, word, strlen(word)) == 0;
}

static bool
has_param(const char *line, const char *keyword)
{
    const char *at = strrchr(line, '>'); /* AUTH=<> is the one parameter with a bracket */

    if (at != NULL && at > line + 6 && memcmp(at - 6, "AUTH=<", 6) == 0)
        at = strchr(line, '>');
    return at != NULL && strstr(at, keyword) != NULL;
}

unsigned
wire_in_flight(const wire *w)
{
    unsigned n = 0, last = 0;

    for (size_t i = w->first; i < w->first + w->n_queue; i++)
        if (w->queue[i].message >= 0 && w->queue[i].transaction != last) {
            last = w->queue[i].transaction;
            n++;
        }
    return n;
}

static void
check_param(wire *w, const char *line, const char *keyword, uint32_t cap)
{
    if (has_param(line, keyword) && !offers(w, cap)) {
        RULE(w, !"a parameter that was not offered");
    }
}

static void
check_wishes(wire *w, const char *line, const lw_envelope *env)
{
    check_param(w, line, " SIZE=", LW_CAP_SIZE);
    check_param(w, line, " BODY=8BITMIME", LW_CAP_8BITMIME);
    check_param(w, line, " BODY=BINARYMIME", LW_CAP_BINARYMIME);
    check_param(w, line, " SMTPUTF8", LW_CAP_SMTPUTF8);
    check_param(w, line, " REQUIRETLS", LW_CAP_REQUIRETLS);
    check_param(w, line, " RET=", LW_CAP_DSN);
    check_param(w, line, " ENVID=", LW_CAP_DSN);
    check_param(w, line, " AUTH=", LW_CAP_AUTH);
    check_param(w, line, " BY=", LW_CAP_DELIVERBY);
    check_param(w, line, " HOLD", LW_CAP_FUTURERELEASE);
    check_param(w, line, " MT-PRIORITY=", LW_CAP_MT_PRIORITY);
    /* what must not be left out is there */
    RULE(w, !env->needs_smtputf8 || has_param(line, " SMTPUTF8"));
    RULE(w, !env->require_tls || (w->has_tls && has_param(line, " REQUIRETLS")));
    RULE(w, env->body_type != LW_BODY_8BITMIME || has_param(line, " BODY=8BITMIME"));
    RULE(w, env->body_type != LW_BODY_BINARYMIME || has_param(line, " BODY=BINARYMIME"));
    RULE(w, (env->hold_for_s == 0 && env->hold_until == NULL) || has_param(line, " HOLD"));
    RULE(w, env->deliver_by_mode != 'R' || has_param(line, " BY="));
    /* what was offered and asked for is used */
    RULE(w, !offers(w, LW_CAP_DSN) || env->envid == NULL || has_param(line, " ENVID="));
    RULE(w, !offers(w, LW_CAP_MT_PRIORITY) || !env->has_priority || has_param(line, " MT-PR"));
}

static void
sent_mail(wire *w, const char *line)
{
    unsigned t, in_flight;

    skip_unanswered(w);
    RULE(w, sscanf(line, "MAIL FROM:<s%u@", &t) == 1 && t < w->plan->n_messages);
    if (w->problem != NULL)
        return;
    in_flight = wire_in_flight(w);
    RULE(w, in_flight < w->plan->client.window);
    if (in_flight + 1 > w->most_in_flight)
        w->most_in_flight = in_flight + 1;
    RULE(w, !w->is_open);
    w->is_open = true;
    w->n_transactions++;
    RULE(w, w->mail_max == 0 || w->n_transactions <= w->mail_max);
    w->message = (int)t;
    w->n_rcpts = 0;
    w->is_failed[t] = false;
    for (unsigned i = 0; i < RCPTS_MAX; i++)
        if (w->verdicts[t][i].code == 0)
            w->verdicts[t][i] = (verdict){ .code = 0 };
    check_wishes(w, line, &message_of(w, w->message)->env);
    ask(w, ASKED_MAIL, w->message, -1);
}

/* RFC 9422: a limit of the session, not of one transaction */
static void
count_domain(wire *w, const char *address)
{
    const char *domain = strrchr(address, '@') + 1;

    for (unsigned i = 0; i < w->n_domains; i++)
        if (strcasecmp(w->domains[i], domain) == 0)
            return;
    snprintf(w->domains[w->n_domains++], sizeof w->domains[0], "%s", domain);
    RULE(w, w->domain_max == 0 || w->n_domains <= w->domain_max);
}

static void
sent_rcpt(wire *w, const char *line)
{
    unsigned t, i;

    RULE(w, sscanf(line, "RCPT TO:<%*[\"]r%u.%u", &t, &i) == 2 ||
            sscanf(line, "RCPT TO:<r%u.%u", &t, &i) == 2);
    RULE(w, (int)t == w->message && i < message_of(w, w->message)->env.n_rcpts);
    if (w->problem != NULL)
        return;
    check_param(w, line, " NOTIFY=", LW_CAP_DSN);
    check_param(w, line, " ORCPT=", LW_CAP_DSN);
    RULE(w, !offers(w, LW_CAP_DSN) || message_of(w, (int)t)->rcpts[i].orcpt == NULL ||
            has_param(line, " ORCPT=rfc822;"));
    RULE(w, ++w->n_rcpts <= w->rcpt_max || w->rcpt_max == 0);
    /* it may have been on its way when its MAIL was refused */
    RULE(w, w->is_failed[t] || (w->verdicts[t][i].code == 0 && !w->verdicts[t][i].is_offered));
    count_domain(w, message_of(w, (int)t)->address[i]);
    w->verdicts[t][i].is_offered = true;
    ask(w, ASKED_RCPT, (int)t, (int)i);
}

static void
sent_bdat(wire *w, const char *line)
{
    unsigned long long n;
    int used = 0;

    RULE(w, offers(w, LW_CAP_CHUNKING) && !w->plan->client.no_chunking);
    RULE(w, sscanf(line, "BDAT %llu%n", &n, &used) == 1);
    RULE(w, line[used] == '\0' || strcmp(line + used, " LAST") == 0);
    w->chunk_is_last = line[used] != '\0';
    w->chunk_left = n;
    w->chunk_begins = true;
    w->sent = SENT_CHUNK;
}

static void
end_has_left(wire *w)
{
    const plan_message *m = message_of(w, w->message);

    for (size_t i = 0; i < m->env.n_rcpts; i++)
        w->verdicts[w->message][i].end_has_left |= w->verdicts[w->message][i].is_offered;
    w->is_open = false;
    w->n_ends++;
    ask(w, ASKED_END, w->message, -1);
    w->sent = SENT_LINE;
}

/* the last octet of a chunk, or the end of an empty one, has passed */
static void
chunk_ends(wire *w)
{
    if (w->chunk_is_last)
        end_has_left(w);
    else
        ask(w, ASKED_CHUNK, w->message, -1);
    w->sent = SENT_LINE;
}

static bool
is_8bit(const char *line)
{
    for (; *line != '\0'; line++)
        if ((unsigned char)*line > 0x7f)
            return true;
    return false;
}

static void
sent_session_line(wire *w, const char *line)
{
    asked_kind kind = ASKED_OTHER;

    if (starts(line, "EHLO ") || starts(line, "LHLO "))
        kind = ASKED_EHLO;
    else if (starts(line, "HELO "))
        kind = ASKED_HELLO;
    else if (starts(line, "STARTTLS"))
        kind = ASKED_STARTTLS;
    else if (starts(line, "AUTH "))
        kind = ASKED_AUTH;
    else if (starts(line, "QUIT"))
        kind = ASKED_QUIT;
    RULE(w, kind != ASKED_EHLO ||
            starts(line, "L") == (w->plan->client.protocol == LW_PROTOCOL_LMTP));
    RULE(w, kind != ASKED_STARTTLS || offers(w, LW_CAP_STARTTLS));
    RULE(w, kind != ASKED_AUTH || offers(w, LW_CAP_AUTH));
    RULE(w, kind != ASKED_AUTH || strlen(line) <= 510);
    w->must_wait = true;
    ask(w, kind, -1, -1);
}

static void
sent_line(wire *w, const char *line)
{
    if (w->log != NULL)
        fprintf(w->log, "C: %.200s\n", line);
    RULE(w, !is_8bit(line) || offers(w, LW_CAP_SMTPUTF8));
    if (starts(line, "MAIL ")) {
        sent_mail(w, line);
    } else if (starts(line, "RCPT ")) {
        sent_rcpt(w, line);
    } else if (starts(line, "DATA")) {
        RULE(w, message_of(w, w->message)->env.body_type != LW_BODY_BINARYMIME);
        w->must_wait = true;
        ask(w, ASKED_DATA, w->message, -1);
    } else if (starts(line, "BDAT ")) {
        sent_bdat(w, line);
    } else if (starts(line, "RSET")) {
        w->is_open = false;
        ask(w, ASKED_RSET, -1, -1);
    } else {
        sent_session_line(w, line);
    }
}

/* [RFC2920 3.1] DATA and the like "can only appear as the last command in a group"; and
 * without PIPELINING each command is a group of its own */
static void
line_begins(wire *w)
{
    bool pipelines = offers(w, LW_CAP_PIPELINING) && !w->plan->client.no_pipelining;

    RULE(w, !w->must_wait);
    RULE(w, pipelines || w->n_queue == 0);
}

static void
sent_octet(wire *w, char c)
{
    static const char end[] = "\r\n.\r\n";

    if (w->sent == SENT_CHUNK) {
        w->chunk_begins = false;
        if (--w->chunk_left == 0)
            chunk_ends(w);
    } else if (w->sent == SENT_DATA) {
        /* the line end before the dot may be that of the DATA command */
        w->data_match = c == end[w->data_match] ? w->data_match + 1 : c == '\r' ? 1 : 0;
        if (w->data_match == 5)
            end_has_left(w);
    } else {
        if (w->line_len == 0 && w->sent == SENT_LINE)
            line_begins(w);
        RULE(w, w->line_len + 1 < sizeof w->line);
        RULE(w, c != '\0' && (c == '\n') == (w->line_len > 0 && w->line[w->line_len - 1] == '\r'));
        if (w->problem != NULL)
            return;
        w->line[w->line_len++] = c;
        if (c != '\n')
            return;
        w->line[w->line_len - 2] = '\0';
        w->line_len = 0;
        if (w->sent == SENT_SECRET) {
            w->sent = SENT_LINE;
            w->must_wait = true;
            ask(w, ASKED_AUTH, -1, -1);
            return;
        }
        sent_line(w, w->line);
        if (w->sent == SENT_CHUNK && w->chunk_left == 0)
            chunk_ends(w);
    }
}

void
wire_sent(wire *w, const char *p, size_t n)
{
    if (n > 0 && w->has_read) {
        w->flights++;
        w->has_read = false;
    }
    for (size_t i = 0; i < n && w->problem == NULL; i++)
        sent_octet(w, p[i]);
}

/* ---- what the server says --------------------------------------------------------------------- */

static void
take_limits(wire *w, const char *args)
{
    const char *at;

    if ((at = strstr(args, " RCPTMAX=")) != NULL)
        w->rcpt_max = (unsigned)atoi(at + 9);
    if ((at = strstr(args, " MAILMAX=")) != NULL)
        w->mail_max = (unsigned)atoi(at + 9);
    if ((at = strstr(args, " RCPTDOMAINMAX=")) != NULL)
        w->domain_max = (unsigned)atoi(at + 15);
}

static void
take_keyword(wire *w, const char *line)
{
    static const char *const keywords[] = {
#define KEYWORD(name, keyword) keyword,
        LW_CAP_MAP(KEYWORD)
#undef KEYWORD
    };

    for (int i = 0; i < LW_CAP_COUNT; i++) {
        size_t n = strlen(keywords[i]);
        if (strncmp(line, keywords[i], n) == 0 && (line[n] == ' ' || line[n] == '\0'))
            w->offered |= 1u << i;
    }
    if (starts(line, "LIMITS"))
        take_limits(w, line);
}

static void
decide_all(wire *w, int message, int code, bool open_too)
{
    const plan_message *m = message_of(w, message);

    for (size_t i = 0; i < m->env.n_rcpts; i++) {
        verdict *v = &w->verdicts[message][i];
        if (v->code == 0 && !v->is_put_off && (open_too || v->is_offered))
            v->code = code;
    }
}

static void
answered_mail(wire *w, const asked *a, int code)
{
    if (code < 400)
        return;
    w->is_failed[a->message] = true;
    if (a->transaction == w->n_transactions)
        w->is_open = false;
    decide_all(w, a->message, code, true);
}

/* X.5.3, or no enhanced code at all */
static bool
says_too_many(const wire *w, int code)
{
    return (code == 452 || code == 552) &&
           (!w->has_enhanced || (w->subject == 5 && w->detail == 3));
}

static void
answered_rcpt(wire *w, const asked *a, int code)
{
    verdict *v = &w->verdicts[a->message][a->rcpt];

    if (w->taken_of != a->transaction) {
        w->taken_of = a->transaction;
        w->n_taken = 0;
    }
    w->n_taken += code < 300;
    if (w->is_failed[a->message])
        return;
    if (code < 300) {
        v->is_taken = true;
    } else if (says_too_many(w, code) && w->n_taken > 0 &&
               message_of(w, a->message)->has_rewind) {
        v->is_put_off = true;
    } else {
        v->code = code;
    }
}

/* RFC 2033 4.2 and 4.3: a reply for each recipient that was taken, in their order */
static void
answered_lmtp_end(wire *w, const asked *a, int code)
{
    const plan_message *m = message_of(w, a->message);
    size_t i = 0;

    if (w->ends_left == 0)
        w->ends_left = w->n_taken;
    if (--w->ends_left > 0) {
        w->queue[--w->first] = *a; /* another reply belongs to the same end */
        w->n_queue++;
    }
    if (w->is_failed[a->message])
        return;
    while (i < m->env.n_rcpts &&
           (w->verdicts[a->message][i].code != 0 || !w->verdicts[a->message][i].is_taken))
        i++;
    RULE(w, i < m->env.n_rcpts);
    if (w->problem == NULL)
        w->verdicts[a->message][i].code = code;
}

static void
answered(wire *w, const asked *a, int code)
{
    switch (a->kind) {
    case ASKED_MAIL: answered_mail(w, a, code); break;
    case ASKED_RCPT: answered_rcpt(w, a, code); break;
    case ASKED_DATA:
        if (code == 354) {
            w->sent = SENT_DATA;
            w->data_match = 2;
            break;
        }
        /* fall through */
    case ASKED_CHUNK:
        if (code >= 400 && !w->is_failed[a->message]) {
            w->is_failed[a->message] = true;
            decide_all(w, a->message, code, false);
        }
        break;
    case ASKED_END:
        if (w->plan->client.protocol == LW_PROTOCOL_LMTP)
            answered_lmtp_end(w, a, code);
        else if (!w->is_failed[a->message])
            decide_all(w, a->message, code, false);
        break;
    case ASKED_STARTTLS:
        if (code == 220) {
            w->offered = 0;
            w->rcpt_max = w->mail_max = w->domain_max = 0;
        }
        break;
    case ASKED_AUTH:
        if (code == 334)
            w->sent = SENT_SECRET;
        break;
    case ASKED_GREETING:
    case ASKED_HELLO:
    case ASKED_EHLO:
    case ASKED_OTHER:
    case ASKED_RSET:
    case ASKED_QUIT: break;
    }
}

static void
reply_came(wire *w, int code)
{
    asked a;

    skip_unanswered(w);
    if (w->n_queue == 0) {
        /* a farewell: it decides on data that is on its way */
        RULE(w, code >= 400);
        w->farewell = code;
        if (w->sent != SENT_LINE && w->n_transactions > 0 && w->problem == NULL &&
            !w->is_failed[w->message])
            decide_all(w, w->message, code, false);
        return;
    }
    if (code == 421)
        w->farewell = code;
    a = w->queue[w->first++];
    w->n_queue--;
    w->must_wait = w->must_wait && w->n_queue > 0;
    answered(w, &a, code);
    skip_unanswered(w);
}

static void
reply_line(wire *w, const char *line)
{
    bool is_ehlo = w->n_queue > 0 && w->queue[w->first].kind == ASKED_EHLO;
    int code = atoi(line);

    if (w->log != NULL)
        fprintf(w->log, "S: %.200s\n", line);
    w->is_over = w->is_babbling && (strlen(line) < 3 || code < 200 || code > 599);
    if (w->is_over)
        return;
    RULE(w, strlen(line) >= 3 && code >= 200 && code <= 599);
    if (w->problem != NULL)
        return;
    w->has_enhanced = (w->has_enhanced && w->reply_lines > 0) ||
                      sscanf(line, "%*3u%*[ -]%*u.%u.%u", &w->subject, &w->detail) == 2;
    if (is_ehlo && w->reply_lines > 0 && code == 250 && line[3] != '\0')
        take_keyword(w, line + 4);
    w->reply_lines++;
    if (line[3] == '-')
        return;
    w->reply_lines = 0;
    reply_came(w, code);
}

void
wire_fed(wire *w, const char *p, size_t n)
{
    w->has_read |= n > 0;
    for (size_t i = 0; i < n && w->problem == NULL && !w->is_over; i++) {
        RULE(w, w->reply_len + 1 < sizeof w->reply);
        w->reply[w->reply_len++] = p[i];
        if (p[i] != '\n')
            continue;
        RULE(w, w->reply_len >= 2 && w->reply[w->reply_len - 2] == '\r');
        w->reply[w->reply_len >= 2 ? w->reply_len - 2 : 0] = '\0';
        w->reply_len = 0;
        reply_line(w, w->reply);
    }
}
