/* SPDX-License-Identifier: MIT */
/*
 * A whole server session with a client that sends anything.
 *
 * The first octet chooses options and the caller's decisions.  The rest is fed whole and octet
 * by octet: what is said and told must be the same.  Always: BODY only in a message, MESSAGE or
 * RESET behind it, CLOSED at the end and nothing after it.
 */
#include <letterwing/server.h>

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ALL_CAPS = (1 << LW_CAP_COUNT) - 1 };

typedef struct world {
    lw_smtp_server *e;
    unsigned options;
    uint64_t said, told, body; /* hashes */
    bool in_message, has_closed;
    int n_rcpts;
} world;

static void
add(uint64_t *h, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *h = (*h ^ (unsigned char)p[i]) * 0x100000001b3u;
}

static void
must(bool ok)
{
    if (!ok)
        abort();
}

static void
decide(world *w, const char *text)
{
    char c = text != NULL ? text[0] : '\0';

    if (c == 'n')
        must(lw_smtp_server_reply(w->e, 550, "5.1.1", "a\nb") == LW_OK);
    else if (c == '4')
        must(lw_smtp_server_reply(w->e, 421, NULL, NULL) == LW_OK);
    else
        must(lw_smtp_server_accept(w->e) == LW_OK);
}

static void
on_event(world *w, const lw_server_event *ev)
{
    char kind = (char)ev->kind;

    must(!w->has_closed);
    /* of a message that is refused in the end, how much is shown depends on the split */
    if (ev->kind == LW_SERVER_BODY) {
        add(&w->body, ev->data.ptr, ev->data.len);
    } else {
        add(&w->told, &kind, 1);
        add(&w->told, ev->text.ptr, ev->text.len);
        add(&w->told, ev->data.ptr, ev->data.len);
    }
    switch (ev->kind) {
    case LW_SERVER_MAIL:
        must(!w->in_message);
        add(&w->told, ev->mail.from, strlen(ev->mail.from));
        decide(w, ev->mail.from);
        break;
    case LW_SERVER_RCPT:
        add(&w->told, ev->rcpt.address, strlen(ev->rcpt.address));
        decide(w, ev->rcpt.address);
        break;
    case LW_SERVER_DATA:
        if ((w->options & 1) != 0)
            must(lw_smtp_server_reply(w->e, 451, NULL, "later") == LW_OK);
        else
            must(lw_smtp_server_accept(w->e) == LW_OK);
        w->in_message = (w->options & 1) == 0;
        break;
    case LW_SERVER_BODY:
        must(w->in_message && ev->data.len > 0);
        break;
    case LW_SERVER_MESSAGE:
        must(w->in_message || ev->index > 0);
        w->in_message = false;
        add(&w->told, (const char *)&w->body, sizeof w->body);
        w->body = 0;
        decide(w, (w->options & 2) != 0 ? "n" : "");
        break;
    case LW_SERVER_RESET:
        w->in_message = false;
        w->body = 0;
        break;
    case LW_SERVER_AUTH:
    case LW_SERVER_AUTH_DATA:
        if (ev->data.len % 8 == 4)
            must(lw_smtp_server_challenge(w->e, (lw_span){ "AAAA", 4 }) == LW_OK);
        else
            decide(w, ev->data.len % 3 == 0 ? "n" : "");
        break;
    case LW_SERVER_START_TLS:
        must(lw_smtp_server_tls_done(w->e) == LW_OK);
        break;
    case LW_SERVER_CLOSED:
        w->has_closed = true;
        break;
    case LW_SERVER_QUIT:
        break;
    case LW_SERVER_OPEN:
    case LW_SERVER_HELLO:
    case LW_SERVER_VRFY:
    case LW_SERVER_EXPN:
    case LW_SERVER_HELP:
    case LW_SERVER_UNKNOWN:
        decide(w, ev->text.ptr);
        break;
    }
}

static void
serve(world *w)
{
    unsigned want;

    while (((want = lw_smtp_server_want(w->e)) & (LW_WANT_EVENT | LW_WANT_WRITE)) != 0) {
        lw_server_event ev;
        lw_slice v;

        if ((want & LW_WANT_EVENT) != 0) {
            must(lw_smtp_server_next(w->e, &ev) == LW_OK);
            on_event(w, &ev);
            continue;
        }
        must(lw_smtp_server_out(w->e, &v, 1) == 1 && v.len > 0);
        add(&w->said, v.ptr, v.len);
        lw_smtp_server_sent(w->e, v.len);
    }
    must((want & LW_WANT_CALLER) == 0);
}

static bool
run(world *w, const uint8_t *data, size_t size, size_t piece)
{
    lw_smtp_server_opts o;
    bool is_comparable = true;

    lw_smtp_server_opts_init(&o);
    o.protocol = (w->options & 4) != 0 ? LW_PROTOCOL_LMTP : LW_PROTOCOL_SMTP;
    o.capabilities = (w->options & 8) != 0 ? LW_CAP_NONE : ALL_CAPS;
    o.auth = "PLAIN LOGIN";
    o.tls_active = (w->options & 16) != 0;
    o.reject_bare_lf = (w->options & 32) != 0;
    o.size_max = (w->options & 64) != 0 ? 20 : 0;
    o.max_errors = 10;
    must(lw_smtp_server_new(&o, 0, &w->e) == LW_OK);
    serve(w);
    for (size_t i = 0; i < size;) {
        size_t used = 0, n = piece < size - i ? piece : size - i;
        lw_code rc = lw_smtp_server_feed(w->e, data + i, n, &used);

        must(used <= n);
        i += used;
        serve(w);
        if (rc == LW_EPROTO)
            is_comparable = false;
        if (rc < 0 || lw_smtp_server_want(w->e) == 0)
            break;
    }
    (void)lw_smtp_server_eof(w->e);
    serve(w);
    must(lw_smtp_server_want(w->e) == 0 && w->has_closed);
    lw_smtp_server_free(w->e);
    return is_comparable;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    world whole = { .options = size > 0 ? data[0] : 0 }, octets = whole;

    if (size < 2)
        return 0;
    if (run(&whole, data + 1, size - 1, size - 1) && run(&octets, data + 1, size - 1, 1))
        must(whole.said == octets.said && whole.told == octets.told);
    return 0;
}
