/* SPDX-License-Identifier: MIT */
/*
 * client/talk.c - speak SMTP by hand over a session
 *
 * States: command (every line has a reply), answer (after a 334: the line is a credential), data
 * (after a 354: lines without a reply, until a lone dot).  The engine keeps commands and replies
 * in step and hides credentials; TLS is done here, because it needs a handshake.
 */
#include "client/client_int.h"

#define LINE_MAX_BYTES 1000

struct lw_talk {
    lw_session *s;
    lw_arena texts;       /* of the last reply */
    bool in_data, is_answer;
    unsigned n_rcpts;    /* taken in this transaction: LMTP answers for each */
    unsigned n_more;     /* replies that are still to come */
};

/* ---- life -------------------------------------------------------------------------------------- */

static lw_code
open_talk(const lw_send_opts *opts, bool is_bare, lw_talk **out, lw_error *err)
{
    const lw_alloc *alloc;
    lw_send_opts send;
    lw_talk *t;
    lw_error own;
    lw_code rc;

    err = err == NULL ? &own : err;
    lw_error_clear(err);
    if (out == NULL)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_NONE, "there is nowhere to put the session");
    *out = NULL;
    if ((rc = lw_setup_opts(&send, opts, err)) < 0)
        return rc;
    alloc = lw_alloc_or_default(send.alloc);
    t = lw_zalloc(alloc, sizeof *t);
    if (t == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "out of memory");
    if (send.n_servers > 1)
        send.n_servers = 1;
    if ((rc = lw_session_new(&send, &t->s, err)) < 0) {
        lw_release(alloc, t);
        return rc;
    }
    lw_arena_init(&t->texts, &t->s->alloc);
    t->s->setup.is_bare = is_bare;
    lw_session_begin_call(t->s);
    if ((rc = lw_session_connect(t->s, err)) < 0) {
        lw_talk_close(t);
        return rc;
    }
    *out = t;
    return LW_OK;
}

lw_code
lw_talk_open(const lw_send_opts *opts, lw_talk **out, lw_error *err)
{
    return open_talk(opts, false, out, err);
}

lw_code
lw_talk_open_bare(const lw_send_opts *opts, lw_talk **out, lw_error *err)
{
    return open_talk(opts, true, out, err);
}

void
lw_talk_close(lw_talk *t)
{
    lw_alloc alloc;

    if (t == NULL)
        return;
    alloc = t->s->alloc;
    lw_arena_deinit(&t->texts);
    /* inside data there is no way to say QUIT: whoever closes now drops the message */
    lw_channel_close(&t->s->channel);
    lw_session_close(t->s);
    lw_release(&alloc, t);
}

const lw_server_facts *
lw_talk_server(const lw_talk *t)
{
    return t == NULL ? NULL : lw_session_server(t->s);
}

/* ---- replies ------------------------------------------------------------------------------------- */

static lw_code
lost(lw_talk *t, lw_error *err)
{
    lw_code rc = lw_channel_lost(&t->s->channel, err);

    lw_channel_explain(&t->s->channel, err);
    return rc;
}

/* a copy: what follows a reply (a handshake, the end) may need the engine */
static void
take_reply(lw_talk *t, const lw_reply *r, lw_talk_reply *out)
{
    const char *text;

    lw_arena_deinit(&t->texts);
    lw_arena_init(&t->texts, &t->s->alloc);
    text = lw_arena_span(&t->texts, r->text);
    out->reply = *r;
    out->reply.text = text == NULL ? LW_LIT("") : (lw_span){ text, r->text.len };
    out->wants_data = r->code == 354 || r->code == 334;
    out->closed = r->code == 221 || r->code == 421;
}

static lw_code
wait_for_reply(lw_talk *t, lw_talk_reply *out, lw_error *err)
{
    lw_event ev;

    while (lw_session_next(t->s, &ev) == LW_OK) {
        if (ev.kind != LW_EVENT_REPLY)
            continue;
        take_reply(t, &ev.reply, out);
        return LW_OK;
    }
    return lost(t, err);
}

/* ---- lines -------------------------------------------------------------------------------------------- */

static bool
is_verb(lw_span line, const char *verb)
{
    lw_span v = lw_span_str(verb);

    return lw_span_starts_nocase(line, v) &&
           (line.len == v.len || line.ptr[v.len] == ' ');
}

static lw_code
send_line(lw_talk *t, lw_span line, unsigned n_replies, lw_error *err)
{
    lw_code rc = lw_smtp_command(lw_session_engine(t->s), line, n_replies, NULL);

    if (rc == LW_OK)
        return LW_OK;
    if (lw_smtp_want(lw_session_engine(t->s)) == 0)
        return lost(t, err);
    return lw_fail(err, LW_EUSAGE, LW_STAGE_COMMAND, "a line has at most %d octets, and no CR, "
                   "LF or NUL in it", LINE_MAX_BYTES);
}

/* output that awaits no reply still has to leave */
static lw_code
push(lw_talk *t, lw_error *err)
{
    lw_event ev;
    lw_code rc;

    while ((rc = lw_session_next(t->s, &ev)) == LW_OK)
        ;
    return rc == LW_DONE ? lost(t, err) : LW_OK;
}

static lw_code
say_data(lw_talk *t, lw_span line, lw_error *err)
{
    char stuffed[LINE_MAX_BYTES + 1];
    lw_code rc;

    if (line.len > 0 && line.ptr[0] == '.' && line.len < sizeof stuffed) {
        /* [RFC5321 4.5.2] "If it is a period, one additional period is inserted at the beginning" */
        stuffed[0] = '.';
        memcpy(stuffed + 1, line.ptr, line.len);
        line = (lw_span){ stuffed, line.len + 1 };
    }
    rc = send_line(t, line, 0, err);
    return rc < 0 ? rc : push(t, err);
}

static lw_code
end_data(lw_talk *t, lw_talk_reply *out, lw_error *err)
{
    bool is_lmtp = t->s->channel.url->protocol == LW_PROTOCOL_LMTP;
    unsigned n = is_lmtp && t->n_rcpts > 0 ? t->n_rcpts : 1;
    lw_code rc = send_line(t, LW_LIT("."), n, err);

    if (rc < 0)
        return rc;
    t->in_data = false;
    t->n_more = n - 1;
    t->n_rcpts = 0;
    return wait_for_reply(t, out, err);
}

/* what a positive reply changes */
static void
follow(lw_talk *t, lw_span line, const lw_reply *r)
{
    t->in_data = r->code == 354;
    t->is_answer = r->code == 334;
    if (r->code / 100 != 2)
        return;
    if (is_verb(line, "RCPT"))
        t->n_rcpts++;
    else if (is_verb(line, "MAIL") || is_verb(line, "RSET") || is_verb(line, "LHLO"))
        t->n_rcpts = 0;
}

static lw_code
say_command(lw_talk *t, lw_span line, lw_talk_reply *out, lw_error *err)
{
    lw_code rc = send_line(t, line, 1, err);

    if (rc < 0 || (rc = wait_for_reply(t, out, err)) < 0)
        return rc;
    follow(t, t->is_answer ? LW_LIT("") : line, &out->reply);
    return LW_OK;
}

/* ---- STARTTLS -------------------------------------------------------------------------------------------- */

static lw_code
say_starttls(lw_talk *t, lw_talk_reply *out, lw_error *err)
{
    lw_event ev;
    lw_code rc;

    while (lw_session_next(t->s, &ev) == LW_OK) {
        if (ev.kind != LW_EVENT_START_TLS && ev.kind != LW_EVENT_NO_TLS)
            continue;
        take_reply(t, &ev.reply, out);
        if (ev.kind == LW_EVENT_NO_TLS)
            return LW_OK;
        rc = lw_channel_handshake(&t->s->channel, err);
        return rc < 0 ? rc : lw_session_settle(t->s, err);
    }
    return lost(t, err);
}

/* ---- the calls ---------------------------------------------------------------------------------------------- */

lw_code
lw_talk_say(lw_talk *t, lw_span line, bool *has_reply, lw_talk_reply *out, lw_error *err)
{
    bool is_command;
    lw_error own;
    lw_code rc;

    err = err == NULL ? &own : err;
    if (t == NULL || has_reply == NULL || out == NULL || (line.ptr == NULL && line.len > 0))
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMMAND, "a pointer is NULL");
    is_command = !t->in_data && !t->is_answer;
    *has_reply = true;
    if (lw_session_engine(t->s) == NULL || lw_smtp_want(lw_session_engine(t->s)) == 0)
        return lw_fail(err, LW_ELOST, LW_STAGE_COMMAND, "the session has ended");
    lw_session_begin_call(t->s);
    while (t->n_more > 0) /* replies that nobody asked for stand in the way */
        if ((rc = lw_talk_more(t, out, err)) < 0)
            return rc;
    memset(out, 0, sizeof *out);
    if (t->in_data && lw_span_eq(line, LW_LIT(".")))
        return end_data(t, out, err);
    if (t->in_data) {
        *has_reply = false;
        return say_data(t, line, err);
    }
    if (is_command && is_verb(line, "BDAT"))
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMMAND,
                       "BDAT needs octets that are no lines: use DATA by hand");
    if (is_command && lw_span_eq_nocase(lw_span_trim(line), LW_LIT("STARTTLS")) &&
        lw_smtp_starttls(lw_session_engine(t->s)) == LW_OK)
        return say_starttls(t, out, err);
    return say_command(t, line, out, err);
}

lw_code
lw_talk_more(lw_talk *t, lw_talk_reply *out, lw_error *err)
{
    lw_error own;

    if (t == NULL || out == NULL)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMMAND, "a pointer is NULL");
    if (t->n_more == 0)
        return LW_DONE;
    t->n_more--;
    return wait_for_reply(t, out, err == NULL ? &own : err);
}
