/* SPDX-License-Identifier: MIT */
/*
 * smtp/server_data.c - the octets of messages: DATA with its dots, BDAT with its counts
 *
 * Only CRLF "." CRLF ends DATA; a line starts behind CRLF and nowhere else, so a bare LF or a
 * bare CR around a dot is text (no smuggling).  A dot at the start of a line is held back
 * until the next octet says what it is; nothing else is ever held, and BODY spans point into
 * the input.  A chunk's octets are swallowed whatever becomes of them (RFC 3030 2).
 */
#include "smtp/server_int.h"

static const lw_refusal too_big = { 552, "5.3.4", "Message size exceeds fixed maximum" };
static const lw_refusal bare_lf = { 550, "5.6.0", "Message holds a bare LF" };

void
lw_server_begin_body(lw_smtp_server *e)
{
    e->data_pos = LW_DATA_LINE_START;
    e->is_after_cr = false;
    e->body_size = 0;
    e->fail = NULL;
}

static bool
has_bare_lf(lw_span s, bool is_after_cr)
{
    for (size_t i = 0; i < s.len;) {
        const char *lf = memchr(s.ptr + i, '\n', s.len - i);
        size_t at;

        if (lf == NULL)
            return false;
        at = (size_t)(lf - s.ptr);
        if (at > 0 ? s.ptr[at - 1] != '\r' : !is_after_cr)
            return true;
        i = at + 1;
    }
    return false;
}

/* Octets of the message; those of one that will be refused are counted only. */
static void
take_body(lw_smtp_server *e, lw_span s)
{
    if (s.len > UINT64_MAX - e->body_size)
        e->body_size = UINT64_MAX;
    else
        e->body_size += s.len;
    if (e->fail == NULL && e->o.size_max != 0 && e->body_size > e->o.size_max)
        e->fail = &too_big;
    /* looked for in too big a message as well: the reply must not depend on the pieces */
    if ((e->fail == NULL || e->fail == &too_big) && e->o.reject_bare_lf &&
        e->body_type != LW_BODY_BINARYMIME && has_bare_lf(s, e->is_after_cr))
        e->fail = &bare_lf;
    e->is_after_cr = s.ptr[s.len - 1] == '\r';
    e->armed_ms = e->now_ms;
    if (e->fail != NULL)
        return;
    e->ev = (lw_server_event){ .kind = LW_SERVER_BODY, .data = s };
    lw_server_queue(e, LW_SERVER_BODY);
}

/* The last octet of the message is here. */
static void
end_message(lw_smtp_server *e)
{
    lw_server_set_state(e, LW_SERVER_S_END);
    e->final_index = 0;
    if (e->fail == NULL) {
        lw_server_ask_message(e);
        return;
    }
    lw_server_queue(e, LW_SERVER_RESET);
    e->final_left = e->o.protocol == LW_PROTOCOL_LMTP ? e->n_rcpts : 1;
    lw_server_pump(e);
}

/* ---- DATA ------------------------------------------------------------------------------ */

/* Octets before the next dot at the start of a line. */
static size_t
text_len(const lw_smtp_server *e, const char *p, size_t n)
{
    const char *dot;

    for (size_t from = 0; (dot = memchr(p + from, '.', n - from)) != NULL;) {
        size_t i = (size_t)(dot - p);
        bool is_first;

        if (i >= 2)
            is_first = p[i - 1] == '\n' && p[i - 2] == '\r';
        else if (i == 1)
            is_first = p[0] == '\n' && e->is_after_cr;
        else
            is_first = e->data_pos == LW_DATA_LINE_START;
        if (is_first)
            return i;
        from = i + 1;
    }
    return n;
}

static size_t
take_text(lw_smtp_server *e, const char *p, size_t n)
{
    size_t len = text_len(e, p, n);

    if (len > 0) {
        bool is_after_cr = len > 1 ? p[len - 2] == '\r' : e->is_after_cr;

        e->data_pos = p[len - 1] == '\n' && is_after_cr ? LW_DATA_LINE_START : LW_DATA_TEXT;
        take_body(e, (lw_span){ p, len });
        return len;
    }
    /* [RFC5321 4.1.1.4] "The mail data are terminated by a line containing only a period, that" */
    if (n >= 3 && p[1] == '\r' && p[2] == '\n') {
        end_message(e);
        return 3;
    }
    e->data_pos = LW_DATA_DOT;
    return 1;
}

size_t
lw_server_take_data(lw_smtp_server *e, const char *p, size_t n)
{
    switch (e->data_pos) {
    case LW_DATA_LINE_START:
    case LW_DATA_TEXT:
        return take_text(e, p, n);
    case LW_DATA_DOT:
        /* [RFC5321 4.5.2] "there are other characters on the line, the first character is" */
        e->data_pos = *p == '\r' ? LW_DATA_DOT_CR : LW_DATA_TEXT;
        return *p == '\r';
    case LW_DATA_DOT_CR:
        if (*p == '\n') {
            end_message(e);
            return 1;
        }
        e->data_pos = LW_DATA_TEXT;
        take_body(e, LW_LIT("\r")); /* it was text after all */
        return 0;
    }
    return 0;
}

/* ---- BDAT --------------------------------------------------------------------------------- */

/* RFC 2033 4.3: the last chunk gets as many replies as there were accepted recipients, even
 * none; what was no transaction at all gets one. */
static size_t
n_chunk_replies(const lw_smtp_server *e)
{
    bool is_per_rcpt = e->o.protocol == LW_PROTOCOL_LMTP && e->chunk_is_last;

    return is_per_rcpt && (e->n_rcpts > 0 || e->has_tried_mail) ? e->n_rcpts : 1;
}

/* The octets of a chunk that failed are gone: say so. */
static void
end_refused_chunk(lw_smtp_server *e)
{
    const lw_refusal *why = e->fail;
    size_t n = n_chunk_replies(e);
    bool was_transaction = e->has_mail || e->chunk_from == LW_SERVER_S_BAD;

    if (e->has_mail)
        lw_server_queue(e, LW_SERVER_RESET);
    e->has_mail = false;
    if (e->chunk_is_last && n > 1) {
        lw_server_set_state(e, LW_SERVER_S_END);
        e->final_left = n;
        lw_server_pump(e);
        return;
    }
    if (e->chunk_is_last) {
        lw_server_end_transaction(e);
        lw_server_set_state(e, e->chunk_from == LW_SERVER_S_GREETED ? LW_SERVER_S_GREETED
                                                                    : LW_SERVER_S_READY);
    } else {
        /* [RFC3030 2] "The resulting state from a failed BDAT command is indeterminate." */
        lw_server_set_state(e, was_transaction ? LW_SERVER_S_BAD : e->chunk_from);
        e->fail = NULL;
    }
    if (n > 0)
        lw_server_refuse(e, why);
}

static void
say_received(lw_smtp_server *e)
{
    char text[40] = "", digits[20];
    size_t i = sizeof digits, n;
    uint64_t left = e->chunk_size;

    do {
        digits[--i] = (char)('0' + left % 10);
    } while ((left /= 10) > 0);
    n = sizeof digits - i;
    memcpy(text, digits + i, n);
    memcpy(text + n, " octets received", sizeof " octets received");
    /* [RFC3030 2] "A 250 response MUST be sent to each successful BDAT data block within" */
    (void)lw_server_say(e, 250, "2.0.0", text);
}

static void
end_chunk(lw_smtp_server *e)
{
    if (e->fail != NULL) {
        end_refused_chunk(e);
    } else if (e->chunk_is_last) {
        end_message(e);
    } else {
        lw_server_set_state(e, LW_SERVER_S_CHUNKED);
        say_received(e);
    }
}

size_t
lw_server_take_chunk(lw_smtp_server *e, const char *p, size_t n)
{
    if (n > e->chunk_left)
        n = (size_t)e->chunk_left;
    if (n > 0) {
        e->chunk_left -= n;
        take_body(e, (lw_span){ p, n });
    }
    if (e->chunk_left == 0 && e->n_queue == 0)
        end_chunk(e);
    return n;
}

/* The end of a chunk comes behind the event of its last octets. */
void
lw_server_body_taken(lw_smtp_server *e)
{
    if (e->state == LW_SERVER_S_CHUNK && e->chunk_left == 0)
        end_chunk(e);
}

static void
begin_chunk(lw_smtp_server *e)
{
    lw_server_set_state(e, LW_SERVER_S_CHUNK);
    if (e->chunk_left == 0)
        end_chunk(e);
}

void
lw_server_chunk_answer(lw_smtp_server *e, const lw_refusal *why)
{
    lw_server_begin_body(e);
    e->fail = why;
    begin_chunk(e);
}

/* Why no chunk may come now. */
static const lw_refusal *
chunk_refusal(const lw_smtp_server *e)
{
    static const lw_refusal not_here = { 502, "5.5.1", "BDAT is not implemented here" };
    static const lw_refusal order = { 503, "5.5.1", "Bad sequence of commands" };
    static const lw_refusal no_rcpt = { 503, "5.5.1", "No valid recipients" };
    static const lw_refusal all_refused = { 554, "5.5.1", "No valid recipients" };

    if (!e->is_esmtp || (lw_server_caps(e) & LW_CAP_CHUNKING) == 0)
        return &not_here;
    if (e->state == LW_SERVER_S_CHUNKED)
        return NULL;
    if (e->state != LW_SERVER_S_MAIL)
        return &order;
    if (e->n_rcpts == 0)
        return e->n_rcpt_cmds > 0 ? &all_refused : &no_rcpt;
    return NULL;
}

void
lw_server_bdat(lw_smtp_server *e, lw_span args)
{
    static const lw_refusal syntax = { 501, "5.5.4", "Syntax: BDAT size [LAST]" };
    const lw_refusal *why;

    if (!lw_command_bdat(args, &e->chunk_size, &e->chunk_is_last)) {
        lw_server_refuse(e, &syntax);
        return;
    }
    e->chunk_left = e->chunk_size;
    e->chunk_from = e->state;
    if ((why = chunk_refusal(e)) != NULL) {
        e->fail = why;
        begin_chunk(e);
    } else if (e->state == LW_SERVER_S_CHUNKED) {
        begin_chunk(e);
    } else {
        e->ev = (lw_server_event){ .is_bdat = true };
        lw_server_ask(e, LW_SERVER_DATA);
    }
}
