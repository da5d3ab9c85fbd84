/* SPDX-License-Identifier: MIT */
/*
 * sink/mail.c - one transaction: its envelope, its octets, its end
 *
 * Invariant: sink->held_bytes is the sum of mail.data.len over all sessions and at most
 * opts.memory_max.
 */
#include "sink/sink_int.h"

#define KEEP_BYTES 262144u /* a larger buffer is given back after each message */

static void
free_strings(lw_sink_session *c)
{
    const lw_alloc *a = c->sink->alloc;
    lw_sink_mail *m = &c->mail;

    lw_release(a, (char *) m->mail.from);
    lw_release(a, (char *) m->mail.envid);
    lw_release(a, (char *) m->mail.auth);
    lw_release(a, (char *) m->mail.hold_until);
    for (size_t i = 0; i < m->n_rcpts; i++) {
        lw_release(a, (char *) m->rcpts[i].address);
        lw_release(a, (char *) m->rcpts[i].orcpt);
    }
    lw_release(a, m->rcpts);
}

void
lw_sink_mail_reset(lw_sink_session *c)
{
    lw_buf data = c->mail.data;

    free_strings(c);
    c->sink->held_bytes -= data.len;
    if (data.cap > KEEP_BYTES)
        lw_buf_deinit(&data);
    lw_buf_reset(&data);
    c->mail = (lw_sink_mail){ .data = data };
}

static bool
copy(const lw_alloc *a, const char **slot)
{
    const char *given = *slot;

    *slot = lw_strdup(a, given);
    return given == NULL || *slot != NULL;
}

lw_code
lw_sink_mail_begin(lw_sink_session *c, const lw_server_mail *mail)
{
    const lw_alloc *a = c->sink->alloc;
    lw_server_mail *m = &c->mail.mail;
    bool is_good;

    lw_sink_mail_reset(c);
    *m = *mail;
    is_good = copy(a, &m->from);
    is_good = copy(a, &m->envid) && is_good; /* each is copied or NULL: none stays borrowed */
    is_good = copy(a, &m->auth) && is_good;
    is_good = copy(a, &m->hold_until) && is_good;
    if (is_good)
        return LW_OK;
    lw_sink_mail_reset(c);
    return LW_ENOMEM;
}

static lw_code
grow_rcpts(lw_sink_session *c)
{
    lw_sink_mail *m = &c->mail;
    size_t cap = m->cap_rcpts == 0 ? 4 : m->cap_rcpts * 2, bytes;
    lw_server_rcpt *grown;

    if (m->n_rcpts < m->cap_rcpts)
        return LW_OK;
    if (!lw_mul_size(&bytes, cap, sizeof *grown)
        || (grown = lw_resize(c->sink->alloc, m->rcpts, bytes)) == NULL)
        return LW_ENOMEM;
    m->rcpts = grown;
    m->cap_rcpts = cap;
    return LW_OK;
}

lw_code
lw_sink_mail_rcpt(lw_sink_session *c, const lw_server_rcpt *rcpt)
{
    const lw_alloc *a = c->sink->alloc;
    lw_server_rcpt own = *rcpt;
    bool is_good;

    if (grow_rcpts(c) < 0)
        return LW_ENOMEM;
    is_good = copy(a, &own.address);
    is_good = copy(a, &own.orcpt) && is_good;
    if (!is_good) {
        lw_release(a, (char *) own.address);
        lw_release(a, (char *) own.orcpt);
        return LW_ENOMEM;
    }
    c->mail.rcpts[c->mail.n_rcpts++] = own;
    return LW_OK;
}

void
lw_sink_mail_octets(lw_sink_session *c, lw_span data)
{
    lw_sink_mail *m = &c->mail;
    lw_sink *s = c->sink;

    m->len += data.len;
    if (s->opts.discard || m->failed < 0)
        return;
    if (data.len > s->opts.memory_max - s->held_bytes) {
        m->failed = LW_ENOMEM;
        return;
    }
    lw_buf_add(&m->data, data);
    if ((m->failed = lw_buf_finish(&m->data)) == LW_OK)
        s->held_bytes += data.len;
}

static void
refuse(lw_sink_mail *m, int code, const char *text)
{
    m->code = code;
    m->text = text;
}

/* lw_captured of the transaction; borrows from the session */
static lw_captured
captured(lw_sink_session *c)
{
    const lw_tls_facts *tls = lw_conn_tls_facts(c->conn);
    lw_sink_mail *m = &c->mail;
    lw_captured out = {
        .number = c->sink->number + 1, .peer = c->peer,
        .hello = c->hello == NULL ? "" : c->hello,
        .is_esmtp = c->is_esmtp, .used_bdat = m->used_bdat, .used_tls = tls->active,
        .tls_version = tls->active ? tls->version : NULL,
        .auth_mechanism = c->auth_user == NULL ? NULL : c->mechanism,
        .auth_user = c->auth_user, .mail = m->mail, .rcpts = m->rcpts,
        .n_rcpts = m->n_rcpts, .len = (size_t) m->len,
    };
    if (!c->sink->opts.discard)
        out.data = m->data.len == 0 ? "" : m->data.ptr;
    return out;
}

static void
ask_caller(lw_sink_session *c, lw_captured *m)
{
    const char *text = NULL;
    int code;

    if (c->sink->opts.on_message == NULL)
        return;
    code = c->sink->opts.on_message(c->sink->opts.ctx, m, &text);
    if (code != 0)
        refuse(&c->mail, code >= 400 && code <= 599 ? code : 451, text);
}

void
lw_sink_mail_finish(lw_sink_session *c)
{
    lw_sink *s = c->sink;
    lw_captured m = captured(c);
    lw_buf path;
    lw_error err;

    if (c->mail.failed < 0) {
        lw_sink_note(c, "a message was refused: no room for its octets");
        refuse(&c->mail, 452, "no room for this message");
        return;
    }
    lw_buf_init(&path, s->alloc, 4096);
    if (s->opts.save_dir != NULL && lw_sink_save(s, &m, &path, &err) < 0) {
        lw_sink_note(c, "a message was refused: %s", err.text);
        refuse(&c->mail, 452, "the message cannot be stored");
    } else {
        ask_caller(c, &m);
        if (c->mail.code == 0)
            s->number++;
        else if (m.path != NULL)
            lw_sink_unsave(m.path);
    }
    lw_buf_deinit(&path);
}
