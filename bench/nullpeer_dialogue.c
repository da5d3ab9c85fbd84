/* SPDX-License-Identifier: MIT */
/*
 * nullpeer_dialogue.c - what the null peer says
 *
 * Every address, sender and message is accepted.  A command is known by its first four
 * letters and nothing else is parsed but the size of a chunk: the peer is never to be the
 * bottleneck of a measurement.
 */
#include "nullpeer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void
dialogue_init(dialogue *d, const offer *what, counters *seen)
{
    memset(d, 0, sizeof *d);
    d->offer = what;
    d->seen = seen;
}

void
dialogue_deinit(dialogue *d)
{
    free(d->out);
}

static void
say(dialogue *d, const char *text)
{
    size_t n = strlen(text);

    if (d->out_len + n > d->out_size) {
        d->out_size = 2 * (d->out_len + n);
        if ((d->out = realloc(d->out, d->out_size)) == NULL)
            abort();
    }
    memcpy(d->out + d->out_len, text, n);
    d->out_len += n;
}

void
dialogue_greet(dialogue *d)
{
    d->seen->sessions++;
    say(d, "220 null.test ESMTP\r\n");
}

static void
answer_ehlo(dialogue *d)
{
    const offer *o = d->offer;

    say(d, "250-null.test\r\n");
    if (!o->no_pipelining)
        say(d, "250-PIPELINING\r\n");
    if (!o->no_chunking)
        say(d, "250-CHUNKING\r\n");
    if (!o->no_8bitmime)
        say(d, "250-8BITMIME\r\n");
    if (!o->no_smtputf8)
        say(d, "250-SMTPUTF8\r\n");
    if (!o->no_size)
        say(d, "250-SIZE 10737418240\r\n");
    if (!o->no_dsn)
        say(d, "250-DSN\r\n");
    if (o->starttls)
        say(d, "250-STARTTLS\r\n");
    say(d, "250 ENHANCEDSTATUSCODES\r\n");
}

static void
end_message(dialogue *d)
{
    d->seen->messages++;
    d->at = AT_COMMAND;
    say(d, "250 2.0.0 Ok: taken\r\n");
}

static void
end_chunk(dialogue *d)
{
    if (d->at == AT_LAST_CHUNK) {
        end_message(d);
        return;
    }
    d->at = AT_COMMAND;
    say(d, "250 2.0.0 Ok\r\n");
}

static void
begin_chunk(dialogue *d, const char *arg, size_t n)
{
    char text[40], *end;

    snprintf(text, sizeof text, "%.*s", (int)n, arg);
    d->seen->chunks++;
    d->chunk_left = strtoull(text, &end, 10);
    d->at = strncasecmp(end, " LAST", 5) == 0 ? AT_LAST_CHUNK : AT_CHUNK;
    if (d->chunk_left == 0)
        end_chunk(d);
}

static void
begin_data(dialogue *d)
{
    /* A message may be empty: the dot may be the first octet. */
    memcpy(d->tail, "\r\n", 2);
    d->tail_len = 2;
    d->at = AT_DATA;
    say(d, "354 go ahead\r\n");
}

static bool
is_verb(const char *line, size_t n, const char *verb)
{
    return n >= 4 && strncasecmp(line, verb, 4) == 0;
}

/* One command, with its line end. */
static void
answer(dialogue *d, const char *line, size_t n)
{
    d->seen->commands++;
    if (is_verb(line, n, "MAIL") || is_verb(line, n, "RCPT"))
        say(d, "250 2.1.0 Ok\r\n");
    else if (is_verb(line, n, "BDAT") && n > 5)
        begin_chunk(d, line + 5, n - 5);
    else if (is_verb(line, n, "DATA"))
        begin_data(d);
    else if (is_verb(line, n, "EHLO"))
        answer_ehlo(d);
    else if (is_verb(line, n, "HELO"))
        say(d, "250 null.test\r\n");
    else if (is_verb(line, n, "RSET") || is_verb(line, n, "NOOP"))
        say(d, "250 2.0.0 Ok\r\n");
    else if (is_verb(line, n, "STAR") && d->offer->starttls) {
        d->wants_tls = true;
        say(d, "220 2.0.0 Ready\r\n");
    } else if (is_verb(line, n, "QUIT")) {
        d->has_quit = true;
        say(d, "221 2.0.0 Bye\r\n");
    } else {
        d->seen->refused++;
        say(d, "502 5.5.2 Not here\r\n");
    }
}

static size_t
feed_command(dialogue *d, const char *p, size_t n)
{
    const char *lf = memchr(p, '\n', n);
    size_t used = lf != NULL ? (size_t)(lf + 1 - p) : n;
    size_t kept = used;

    if (lf != NULL && d->line_len == 0) {
        answer(d, p, used);
        return used;
    }
    if (kept > sizeof d->line - d->line_len)
        kept = sizeof d->line -
               d->line_len; /* a longer one is cut: it is refused anyway */
    memcpy(d->line + d->line_len, p, kept);
    d->line_len += kept;
    if (lf != NULL) {
        kept = d->line_len;
        d->line_len = 0;
        answer(d, d->line, kept);
    }
    return used;
}

static void
keep_tail(dialogue *d, const char *p, size_t n)
{
    char joined[8];
    size_t len = d->tail_len;

    memcpy(joined, d->tail, len);
    if (n >= sizeof d->tail) {
        p += n - sizeof d->tail;
        n = sizeof d->tail;
        len = 0;
    }
    memcpy(joined + len, p, n);
    len += n;
    d->tail_len = len < sizeof d->tail ? len : sizeof d->tail;
    memcpy(d->tail, joined + len - d->tail_len, d->tail_len);
}

/* Where the end of the data stands in p, if it is whole or its rest is: octets up to it. */
static size_t
find_end(const dialogue *d, const char *p, size_t n)
{
    char joined[8];
    size_t head = n < 4 ? n : 4;
    const char *dot, *end = p + n;

    memcpy(joined, d->tail, d->tail_len);
    memcpy(joined + d->tail_len, p, head);
    dot = memmem(joined, d->tail_len + head, "\r\n.\r\n", 5);
    if (dot != NULL && (size_t)(dot + 5 - joined) > d->tail_len)
        return (size_t)(dot + 5 - joined) - d->tail_len;
    if (n < 5)
        return 0;
    /* Dots are rare, so that this is faster than looking for all five octets. */
    for (dot = p + 2; (dot = memchr(dot, '.', (size_t)(end - dot))) != NULL; dot++)
        if (end - dot >= 3 && memcmp(dot - 2, "\r\n.\r\n", 5) == 0)
            return (size_t)(dot + 3 - p);
    return 0;
}

static size_t
feed_data(dialogue *d, const char *p, size_t n)
{
    size_t used = find_end(d, p, n);

    if (used == 0) {
        keep_tail(d, p, n);
        d->seen->body_bytes += n;
        return n;
    }
    d->seen->body_bytes += used;
    end_message(d);
    return used;
}

static size_t
feed_chunk(dialogue *d, size_t n)
{
    size_t used = n < d->chunk_left ? n : (size_t)d->chunk_left;

    d->chunk_left -= used;
    d->seen->body_bytes += used;
    if (d->chunk_left == 0)
        end_chunk(d);
    return used;
}

void
dialogue_feed(dialogue *d, const char *p, size_t n)
{
    size_t used;

    while (n > 0 && !d->has_quit && !d->wants_tls) {
        if (d->at == AT_COMMAND)
            used = feed_command(d, p, n);
        else if (d->at == AT_DATA)
            used = feed_data(d, p, n);
        else
            used = feed_chunk(d, n);
        p += used;
        n -= used;
    }
}
