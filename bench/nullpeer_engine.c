/* SPDX-License-Identifier: MIT */
/*
 * nullpeer_engine.c - what the null peer says, by our own server engine
 *
 * The other half of nullpeer.c beside nullpeer_dialogue.c: a real parser that believes everybody.
 * It says how fast a server of this library is, and that no client gains from the bare one.
 * STARTTLS is not offered.
 */
#include "nullpeer.h"

#include <letterwing/server.h>
#include <stdlib.h>
#include <string.h>

static uint32_t
capabilities(const offer *o)
{
    return (o->no_pipelining ? 0u : LW_CAP_PIPELINING) |
           (o->no_chunking ? 0u : LW_CAP_CHUNKING) |
           (o->no_8bitmime ? 0u : LW_CAP_8BITMIME) |
           (o->no_smtputf8 ? 0u : LW_CAP_SMTPUTF8) | (o->no_size ? 0u : LW_CAP_SIZE) |
           (o->no_dsn ? 0u : LW_CAP_DSN) | LW_CAP_ENHANCEDSTATUSCODES;
}

void
dialogue_init(dialogue *d, const offer *what, counters *seen)
{
    lw_smtp_server_opts opts;

    memset(d, 0, sizeof *d);
    d->seen = seen;
    lw_smtp_server_opts_init(&opts);
    opts.name = "null.test";
    opts.capabilities = capabilities(what);
    if (lw_smtp_server_new(&opts, 0, &d->engine) != LW_OK)
        abort();
}

void
dialogue_deinit(dialogue *d)
{
    lw_smtp_server_free(d->engine);
    free(d->out);
}

static void
take_output(dialogue *d)
{
    lw_slice slices[4];
    int n;

    while ((n = lw_smtp_server_out(d->engine, slices, 4)) > 0) {
        size_t taken = 0;

        for (int i = 0; i < n; i++)
            taken += slices[i].len;
        if (d->out_len + taken > d->out_size) {
            d->out_size = 2 * (d->out_len + taken);
            if ((d->out = realloc(d->out, d->out_size)) == NULL)
                abort();
        }
        for (int i = 0; i < n; i++) {
            memcpy(d->out + d->out_len, slices[i].ptr, slices[i].len);
            d->out_len += slices[i].len;
        }
        lw_smtp_server_sent(d->engine, taken);
    }
}

static void
count(dialogue *d, const lw_server_event *ev)
{
    d->seen->commands += ev->needs_reply && ev->kind != LW_SERVER_MESSAGE;
    switch (ev->kind) {
    case LW_SERVER_OPEN:
        d->seen->sessions++;
        break;
    case LW_SERVER_BODY:
        d->seen->body_bytes += ev->data.len;
        break;
    case LW_SERVER_MESSAGE:
        d->seen->messages++;
        break;
    case LW_SERVER_UNKNOWN:
        d->seen->refused++;
        break;
    case LW_SERVER_QUIT:
    case LW_SERVER_CLOSED:
        d->has_quit = true;
        break;
    case LW_SERVER_HELLO:
    case LW_SERVER_START_TLS:
    case LW_SERVER_AUTH:
    case LW_SERVER_AUTH_DATA:
    case LW_SERVER_MAIL:
    case LW_SERVER_RCPT:
    case LW_SERVER_DATA:
    case LW_SERVER_RESET:
    case LW_SERVER_VRFY:
    case LW_SERVER_EXPN:
    case LW_SERVER_HELP:
        break;
    }
}

static void
answer_all(dialogue *d)
{
    lw_server_event ev;

    while (lw_smtp_server_next(d->engine, &ev) == LW_OK) {
        count(d, &ev);
        if (ev.needs_reply && lw_smtp_server_accept(d->engine) != LW_OK)
            abort();
    }
    take_output(d);
}

void
dialogue_greet(dialogue *d)
{
    answer_all(d);
}

void
dialogue_feed(dialogue *d, const char *p, size_t n)
{
    size_t used;
    lw_code rc;

    while (n > 0 && !d->has_quit) {
        rc = lw_smtp_server_feed(d->engine, p, n, &used);
        p += used;
        n -= used;
        answer_all(d);
        if (rc < 0) {
            d->has_quit = true;
            return;
        }
    }
}
