/* SPDX-License-Identifier: MIT */
/*
 * tests/smtp/server_peer.h - drives a server engine with given input at given splits
 *
 * The caller of the engine is played by rules on the text of an event: an address that
 * begins with "no" is refused with 550, "later" with 451, a mechanism PLAIN with an initial
 * response is accepted, others are challenged once.  What happened is written down as text,
 * so that runs at different splits can be compared.
 */
#ifndef LW_TESTS_SERVER_PEER_H
#define LW_TESTS_SERVER_PEER_H

#include "support/test.h"

#include <letterwing/server.h>

#include <sys/mman.h>
#include <unistd.h>

typedef struct server_run {
    lw_smtp_server *e;
    char log[65536];    /* events, a line each                                */
    size_t log_len;
    char out[262144];   /* what the engine said                               */
    size_t out_len;
    char body[65536];   /* BODY data of the current message                   */
    size_t body_len;
    size_t drain;       /* octets taken from the output at a time, 0 = all    */
    bool refuse_data, refuse_message, is_mute;
    lw_code feed_code;
} server_run;

static inline void
note(server_run *r, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(r->log + r->log_len, sizeof r->log - r->log_len, fmt, ap);
    va_end(ap);
    assert_true(n >= 0 && (size_t)n < sizeof r->log - r->log_len);
    r->log_len += (size_t)n;
}

static inline void
decide(server_run *r, const lw_server_event *ev, const char *name)
{
    if (strncmp(name, "no", 2) == 0)
        assert_int_equal(lw_smtp_server_reply(r->e, 550, NULL, "No"), LW_OK);
    else if (strncmp(name, "later", 5) == 0)
        assert_int_equal(lw_smtp_server_reply(r->e, 451, "4.7.1", "Later\nplease"), LW_OK);
    else if (strncmp(name, "bye", 3) == 0)
        assert_int_equal(lw_smtp_server_reply(r->e, 421, NULL, NULL), LW_OK);
    else
        assert_int_equal(lw_smtp_server_accept(r->e), LW_OK);
    (void)ev;
}

static inline void
note_mail(server_run *r, const lw_server_mail *m)
{
    note(r, "MAIL <%s>", m->from);
    if (m->size != 0)
        note(r, " size=%llu", (unsigned long long)m->size);
    if (m->body_type != LW_BODY_7BIT)
        note(r, " body=%d", (int)m->body_type);
    note(r, "%s%s", m->smtputf8 ? " utf8" : "", m->require_tls ? " requiretls" : "");
    if (m->ret != LW_RET_UNSET)
        note(r, " ret=%d", (int)m->ret);
    if (m->envid != NULL)
        note(r, " envid=%s", m->envid);
    if (m->auth != NULL)
        note(r, " auth=%s", *m->auth == '\0' ? "<>" : m->auth);
    if (m->deliver_by_mode != 0)
        note(r, " by=%lld%c%s", (long long)m->deliver_by_s, m->deliver_by_mode,
             m->deliver_by_trace ? "T" : "");
    if (m->hold_for_s != 0)
        note(r, " hold=%llu", (unsigned long long)m->hold_for_s);
    if (m->hold_until != NULL)
        note(r, " until=%s", m->hold_until);
    if (m->has_priority)
        note(r, " priority=%d", m->priority);
    note(r, "\n");
}

static inline void
note_rcpt(server_run *r, const lw_server_event *ev)
{
    note(r, "RCPT %zu <%s>", ev->index, ev->rcpt.address);
    if (ev->rcpt.notify != 0)
        note(r, " notify=%u", ev->rcpt.notify);
    if (ev->rcpt.orcpt != NULL)
        note(r, " orcpt=%s", ev->rcpt.orcpt);
    note(r, "\n");
}

static inline void
on_message(server_run *r, const lw_server_event *ev)
{
    note(r, "MESSAGE %zu", ev->index);
    if (ev->index == 0) {
        note(r, " [");
        for (size_t i = 0; i < r->body_len; i++) {
            char c = r->body[i];
            note(r, c == '\r' ? "\\r" : c == '\n' ? "\\n" : c == '\0' ? "\\0" : "%c", c);
        }
        note(r, "]");
        r->body_len = 0;
    }
    note(r, "\n");
    if (r->refuse_message)
        assert_int_equal(lw_smtp_server_reply(r->e, 550, "5.7.1", "spam"), LW_OK);
    else
        assert_int_equal(lw_smtp_server_accept(r->e), LW_OK);
}

static inline void
on_auth(server_run *r, const lw_server_event *ev)
{
    note(r, "%s %.*s [%.*s]%s\n", ev->kind == LW_SERVER_AUTH ? "AUTH" : "AUTH_DATA",
         (int)ev->text.len, ev->text.ptr, (int)ev->data.len, ev->data.ptr,
         ev->has_data ? "" : " none");
    if (ev->kind == LW_SERVER_AUTH && !ev->has_data)
        assert_int_equal(lw_smtp_server_challenge(r->e, LW_LIT("")), LW_OK);
    else if (lw_span_eq(ev->data, LW_LIT("YmFk")))
        assert_int_equal(lw_smtp_server_reply(r->e, 535, NULL, NULL), LW_OK);
    else if (lw_span_eq(ev->data, LW_LIT("bW9yZQ==")))
        assert_int_equal(lw_smtp_server_challenge(r->e, LW_LIT("Z28=")), LW_OK);
    else
        assert_int_equal(lw_smtp_server_accept(r->e), LW_OK);
}

static inline void
on_event(server_run *r, const lw_server_event *ev)
{
    static const char *const names[] = { "OPEN", "HELLO", "START_TLS", "AUTH", "AUTH_DATA",
                                         "MAIL", "RCPT", "DATA", "BODY", "MESSAGE", "RESET",
                                         "VRFY", "EXPN", "HELP", "UNKNOWN", "QUIT", "CLOSED" };

    switch (ev->kind) {
    case LW_SERVER_OPEN:
        assert_int_equal(lw_smtp_server_accept(r->e), LW_OK);
        return;
    case LW_SERVER_MAIL:
        note_mail(r, &ev->mail);
        decide(r, ev, ev->mail.from);
        return;
    case LW_SERVER_RCPT:
        note_rcpt(r, ev);
        decide(r, ev, ev->rcpt.address);
        return;
    case LW_SERVER_DATA:
        note(r, "DATA%s\n", ev->is_bdat ? " bdat" : "");
        if (r->refuse_data)
            assert_int_equal(lw_smtp_server_reply(r->e, 451, NULL, "Not now"), LW_OK);
        else
            assert_int_equal(lw_smtp_server_accept(r->e), LW_OK);
        return;
    case LW_SERVER_BODY:
        assert_true(ev->data.len > 0 && r->body_len + ev->data.len <= sizeof r->body);
        memcpy(r->body + r->body_len, ev->data.ptr, ev->data.len);
        r->body_len += ev->data.len;
        return;
    case LW_SERVER_MESSAGE:
        on_message(r, ev);
        return;
    case LW_SERVER_AUTH:
    case LW_SERVER_AUTH_DATA:
        on_auth(r, ev);
        return;
    case LW_SERVER_RESET:
        r->body_len = 0;
        note(r, "RESET\n");
        return;
    case LW_SERVER_START_TLS:
        note(r, "START_TLS\n");
        assert_int_equal(lw_smtp_server_tls_done(r->e), LW_OK);
        return;
    case LW_SERVER_QUIT:
        note(r, "QUIT\n");
        return;
    case LW_SERVER_CLOSED:
        note(r, "CLOSED %s\n", lw_code_name(ev->code));
        return;
    case LW_SERVER_HELLO:
    case LW_SERVER_VRFY:
    case LW_SERVER_EXPN:
    case LW_SERVER_HELP:
    case LW_SERVER_UNKNOWN:
        note(r, "%s [%.*s]%s\n", names[ev->kind], (int)ev->text.len, ev->text.ptr,
             ev->is_esmtp ? " esmtp" : "");
        decide(r, ev, ev->kind == LW_SERVER_HELLO ? ev->text.ptr : "");
        return;
    }
}

/* Serves events and output until the engine wants input, time, or nothing. */
static inline void
serve(server_run *r)
{
    for (;;) {
        unsigned want = lw_smtp_server_want(r->e);
        lw_server_event ev;
        lw_slice v[2];

        if ((want & LW_WANT_EVENT) != 0) {
            assert_int_equal(lw_smtp_server_next(r->e, &ev), LW_OK);
            on_event(r, &ev);
        } else if ((want & LW_WANT_WRITE) != 0) {
            size_t n;

            assert_int_equal(lw_smtp_server_out(r->e, v, 2), 1);
            n = r->drain != 0 && r->drain < v[0].len ? r->drain : v[0].len;
            assert_true(n > 0 && r->out_len + n <= sizeof r->out);
            memcpy(r->out + r->out_len, v[0].ptr, n);
            r->out_len += n;
            lw_smtp_server_sent(r->e, n);
        } else {
            return;
        }
    }
}

/* Feeds n octets; false when the session is over. */
static inline bool
feed(server_run *r, const char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t used;

        r->feed_code = lw_smtp_server_feed(r->e, p + i, n - i, &used);
        assert_true(used <= n - i);
        i += used;
        serve(r);
        if (r->feed_code < 0)
            return false;
        if (lw_smtp_server_want(r->e) == 0)
            return false;
    }
    return true;
}

static inline void
run_open(server_run *r, const lw_smtp_server_opts *o, size_t drain)
{
    r->log_len = r->out_len = r->body_len = 0;
    r->feed_code = LW_OK;
    r->drain = drain;
    assert_int_equal(lw_smtp_server_new(o, 1000, &r->e), LW_OK);
    serve(r);
}

static inline void
run_close(server_run *r)
{
    (void)lw_smtp_server_eof(r->e);
    serve(r);
    assert_int_equal(lw_smtp_server_want(r->e), 0);
    lw_smtp_server_free(r->e);
    r->e = NULL;
    r->log[r->log_len] = r->out[r->out_len] = '\0';
}

/* The whole input in pieces of at most `piece` octets (0 = all at once); pieces are of random
 * length when seed is not 0.  Each piece ends at an unreadable page. */
static inline void
run_pieces(server_run *r, lw_span in, size_t piece, unsigned seed)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = (in.len / page + 1) * page;
    char *map = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                     -1, 0);

    assert_true(map != MAP_FAILED);
    assert_int_equal(mprotect(map + room, page, PROT_NONE), 0);
    for (size_t i = 0; i < in.len;) {
        size_t n = piece == 0 ? in.len : piece;

        if (seed != 0) {
            seed = seed * 1103515245u + 12345u;
            n = 1 + (seed >> 16) % piece;
        }
        if (n > in.len - i)
            n = in.len - i;
        memcpy(map + room - n, in.ptr + i, n);
        if (!feed(r, map + room - n, n))
            break;
        i += n;
    }
    munmap(map, room + page);
}

#endif
