/* SPDX-License-Identifier: MIT */
/*
 * A whole client session against a server that sends anything.
 *
 * The first octet chooses options, the second how the input is split; the rest is what the
 * server sends.  Always: one outcome for each recipient, DONE behind it, CLOSED at the end.
 */
#include <letterwing/smtp.h>

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGES = 3, RCPTS = 3 };

typedef struct text_body {
    int at;
} text_body;

typedef struct world {
    lw_smtp *e;
    lw_rcpt rcpts[MESSAGES][RCPTS];
    lw_envelope env[MESSAGES];
    text_body text[MESSAGES];
    lw_body body[MESSAGES];
    int outcomes[MESSAGES][RCPTS], done[MESSAGES], closed;
    bool submitted;
} world;

static lw_code
text_next(void *ctx, lw_span *span)
{
    static const char *const parts[] = { "Subject: x\r\n\r", "\n.\r\n", "..bare\nline\r", ".end" };
    text_body *t = ctx;

    *span = (lw_span){ parts[t->at], strlen(parts[t->at]) };
    return ++t->at == 4 ? LW_DONE : LW_OK;
}

static lw_code
text_rewind(void *ctx)
{
    ((text_body *)ctx)->at = 0;
    return LW_OK;
}

static void
submit_all(world *w)
{
    /* the server may have ended the session while the login's end was being told */
    if (lw_smtp_submit(w->e, &w->env[0], &w->body[0], &w->env[0]) == LW_EUSAGE)
        return;
    for (int i = 1; i < MESSAGES; i++)
        if (lw_smtp_submit(w->e, &w->env[i], &w->body[i], &w->env[i]) != LW_OK)
            abort();
    w->submitted = true;
    (void)lw_smtp_quit(w->e);
}

static void
take_event(world *w, const lw_event *ev, unsigned options)
{
    size_t i = (size_t)((lw_envelope *)ev->tag - w->env);

    if (w->closed > 0)
        abort();
    if (ev->kind == LW_EVENT_READY && !w->submitted) {
        if ((options & 1) == 0 || lw_smtp_starttls(w->e) != LW_OK) {
            if ((options & 2) == 0 ||
                lw_smtp_auth(w->e, "PLAIN", (lw_span){ "AGEAYg==", 8 }) != LW_OK)
                submit_all(w);
        }
    } else if (ev->kind == LW_EVENT_START_TLS) {
        if (lw_smtp_tls_done(w->e) != LW_OK)
            abort();
    } else if (ev->kind == LW_EVENT_CHALLENGE) {
        if ((options & 4 ? lw_smtp_auth_cancel(w->e)
                         : lw_smtp_auth_answer(w->e, (lw_span){ "YQ==", 4 })) != LW_OK)
            abort();
    } else if (ev->kind == LW_EVENT_NO_TLS || ev->kind == LW_EVENT_AUTH) {
        submit_all(w);
    } else if (ev->kind == LW_EVENT_RCPT) {
        if (w->done[i] || ++w->outcomes[i][ev->rcpt] > 1 || ev->outcome == LW_OUTCOME_PENDING)
            abort();
    } else if (ev->kind == LW_EVENT_DONE) {
        w->done[i]++;
    } else if (ev->kind == LW_EVENT_CLOSED) {
        w->closed++;
    }
}

static void
drain(world *w, unsigned options)
{
    lw_event ev;
    lw_slice v[3];
    int n;

    for (;;) {
        while (lw_smtp_next(w->e, &ev) == LW_OK)
            take_event(w, &ev, options);
        n = lw_smtp_out(w->e, v, 3);
        if (n == 0 && !(lw_smtp_want(w->e) & LW_WANT_EVENT))
            return;
        if (n > 0)
            lw_smtp_sent(w->e, options & 8 ? (v[0].len + 1) / 2 : v[0].len);
    }
}

static void
check_end(const world *w)
{
    if (w->closed != 1)
        abort();
    for (int i = 0; w->submitted && i < MESSAGES; i++) {
        if (w->done[i] != 1)
            abort();
        for (int k = 0; k < RCPTS; k++)
            if (w->outcomes[i][k] != 1)
                abort();
    }
}

static void
world_init(world *w, unsigned options)
{
    static const char *const names[RCPTS] = { "a@x.example", "b@y.example", "c@y.example" };
    lw_smtp_opts o;

    memset(w, 0, sizeof *w);
    lw_smtp_opts_init(&o);
    o.protocol = options & 16 ? LW_PROTOCOL_LMTP : LW_PROTOCOL_SMTP;
    o.window = options & 32 ? 8 : 1;
    o.max_reply_bytes = 1024;
    for (int i = 0; i < MESSAGES; i++) {
        for (int k = 0; k < RCPTS; k++)
            w->rcpts[i][k].address = names[k];
        w->env[i] = (lw_envelope){ .from = "", .rcpts = w->rcpts[i], .n_rcpts = RCPTS };
        w->body[i] = (lw_body){ text_next, text_rewind, &w->text[i], LW_SIZE_UNKNOWN, false };
    }
    if (lw_smtp_new(&o, 0, &w->e) != LW_OK)
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned options = size > 0 ? data[0] : 0;
    size_t part = size > 1 ? (size_t)data[1] + 1 : 1, at = 2;
    world w;

    world_init(&w, options);
    drain(&w, options);
    while (at < size && w.closed == 0) {
        size_t used = 0, take = part < size - at ? part : size - at;
        lw_code rc = lw_smtp_feed(w.e, data + at, take, &used);
        if (used > take || (rc == LW_OK && used != take && w.closed == 0 &&
                            !(lw_smtp_want(w.e) & LW_WANT_EVENT)))
            abort();
        at += used;
        drain(&w, options);
    }
    if (options & 64)
        (void)lw_smtp_eof(w.e);
    else
        (void)lw_smtp_tick(w.e, UINT64_MAX - 1);
    if (w.closed == 0 && lw_smtp_want(w.e) != 0 && !(lw_smtp_want(w.e) & LW_WANT_EVENT))
        (void)lw_smtp_eof(w.e);
    drain(&w, options);
    check_end(&w);
    lw_smtp_free(w.e);
    return 0;
}
