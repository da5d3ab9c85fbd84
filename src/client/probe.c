/* SPDX-License-Identifier: MIT */
/*
 * client/probe.c - what a server offers, without sending anything
 *
 * A certificate that does not verify is reported and the look goes on, but no password is shown
 * to such a server.
 */
#include "client/client_int.h"

typedef struct probe {
    lw_probe p; /* first: what the caller sees */
    lw_alloc alloc;
    lw_arena arena;
} probe;

/* ---- lists ----------------------------------------------------------------------------------- */

/* the parts of text between separators, as an array; empty when there is no memory */
static const char *const *
split(probe *b, const char *text, char separator, size_t *n)
{
    lw_span rest = lw_span_str(text), one;
    size_t cap = 1, i = 0;
    const char **list;

    for (size_t at = 0; at < rest.len; at++)
        cap += rest.ptr[at] == separator;
    *n = 0;
    if (rest.len == 0 || (list = lw_zalloc_array(&b->alloc, cap, sizeof *list)) == NULL)
        return NULL;
    while (i < cap && lw_span_token(&rest, separator, &one))
        if ((list[i] = lw_arena_span(&b->arena, one)) != NULL)
            i++;
    *n = i;
    return list;
}

static void
take_facts(probe *b, const lw_session *s)
{
    const lw_channel *c = &s->channel;

    lw_facts_copy(&b->arena, &b->p.server, &c->facts);
    b->p.before_tls = split(b, c->before_tls, '\n', &b->p.n_before_tls);
    b->p.after_tls = split(b, c->after_tls, '\n', &b->p.n_after_tls);
    b->p.mechanisms = split(b, c->offered_auth, ' ', &b->p.n_mechanisms);
}

/* ---- questions --------------------------------------------------------------------------------- */

/* one command and its reply; *text stays with the probe */
static lw_code
ask(probe *b, lw_session *s, lw_span line, int *code, const char **text)
{
    lw_event ev;
    lw_code rc = lw_smtp_command(lw_session_engine(s), line, 1, NULL);

    if (rc < 0)
        return lw_fail(&b->p.error, rc, LW_STAGE_COMMAND, "the argument is too long, or has a "
                       "line break in it");
    while (lw_session_next(s, &ev) == LW_OK) {
        if (ev.kind != LW_EVENT_REPLY)
            continue;
        *code = ev.reply.code;
        *text = lw_arena_span(&b->arena, ev.reply.text);
        return LW_OK;
    }
    rc = lw_channel_lost(&s->channel, &b->p.error);
    lw_channel_explain(&s->channel, &b->p.error);
    return rc;
}

static lw_code
ask_about(probe *b, lw_session *s, const char *verb, const char *about, int *code,
          const char **text)
{
    lw_buf line;
    lw_code rc;

    if (about == NULL)
        return LW_OK;
    lw_buf_init(&line, &b->alloc, 1000);
    lw_buf_add_str(&line, verb);
    lw_buf_add_str(&line, about);
    rc = lw_buf_finish(&line);
    rc = rc < 0 ? lw_fail(&b->p.error, rc, LW_STAGE_COMMAND, "%s: the argument is too long", verb)
                : ask(b, s, lw_buf_span(&line), code, text);
    lw_buf_deinit(&line);
    return rc;
}

static lw_code
measure_round_trip(probe *b, lw_session *s)
{
    uint64_t began = uv_hrtime();
    const char *text;
    int code;
    lw_code rc = ask(b, s, LW_LIT("NOOP"), &code, &text);

    if (rc >= 0)
        b->p.round_trip_ms = (double)(uv_hrtime() - began) / 1e6;
    return rc;
}

static lw_code
try_login(probe *b, lw_session *s)
{
    lw_code rc;

    if (!lw_channel_wants_login(&s->setup, s->channel.url))
        return lw_fail(&b->p.error, LW_EAUTH, LW_STAGE_AUTH, "there is no user to log in: name "
                       "one in the URL or with the user option");
    b->p.login_tried = true;
    rc = lw_channel_log_in(&s->channel, &b->p.error);
    if (rc < 0)
        lw_channel_explain(&s->channel, &b->p.error);
    else
        rc = lw_session_settle(s, &b->p.error);
    b->p.login_ok = rc >= 0;
    b->p.login_mechanism = lw_arena_str(&b->arena, s->channel.login_mechanism);
    b->p.login_code = s->channel.login_code;
    b->p.login_text = lw_arena_str(&b->arena, s->channel.login_text);
    return rc;
}

static void
look(probe *b, const lw_probe_opts *o, lw_session *s)
{
    if (measure_round_trip(b, s) < 0)
        return;
    /* a refused login is an answer too: the other questions are asked all the same */
    if (o->login && s->channel.facts.tls.problem == NULL && try_login(b, s) < 0 &&
        lw_smtp_want(lw_session_engine(s)) == 0)
        return;
    if (ask_about(b, s, "VRFY ", o->vrfy, &b->p.vrfy_code, &b->p.vrfy_text) < 0)
        return;
    (void)ask_about(b, s, "EXPN ", o->expn, &b->p.expn_code, &b->p.expn_text);
}

static void
judge(probe *b, const lw_session *s)
{
    lw_error *err = &b->p.error;
    char name[300];

    if (err->code != LW_OK || s->channel.facts.tls.problem == NULL)
        return;
    lw_channel_name(&s->channel, name, sizeof name);
    lw_fail(err, LW_ETLS, LW_STAGE_TLS, "%s: the certificate does not verify: %s", name,
            s->channel.facts.tls.problem);
}

static void
run(probe *b, const lw_probe_opts *o)
{
    lw_session *s = NULL;

    if (lw_session_new(o->send, &s, &b->p.error) < 0)
        return;
    s->setup.is_probe = true;
    lw_session_begin_call(s);
    if (lw_session_connect(s, &b->p.error) >= 0) {
        look(b, o, s);
        judge(b, s);
    }
    take_facts(b, s);
    lw_session_close(s);
}

lw_code
lw_probe_run(const lw_probe_opts *opts, lw_probe **out)
{
    lw_probe_opts o;
    lw_send_opts send;
    probe *b;

    if (out == NULL)
        return LW_EUSAGE;
    *out = NULL;
    if (lw_opts_copy(&o, sizeof o, opts) < 0 || lw_opts_copy(&send, sizeof send, o.send) < 0)
        return LW_EUSAGE;
    if (send.n_servers > 1)
        send.n_servers = 1;
    o.send = &send;
    if ((b = lw_zalloc(send.alloc, sizeof *b)) == NULL)
        return LW_ENOMEM;
    b->alloc = *lw_alloc_or_default(send.alloc);
    lw_arena_init(&b->arena, &b->alloc);
    b->p.round_trip_ms = -1;
    run(b, &o);
    *out = &b->p;
    return b->p.error.code;
}

void
lw_probe_free(lw_probe *p)
{
    probe *b = (probe *)p;
    lw_alloc alloc;

    if (p == NULL)
        return;
    alloc = b->alloc;
    lw_release(&alloc, (void *)p->before_tls);
    lw_release(&alloc, (void *)p->after_tls);
    lw_release(&alloc, (void *)p->mechanisms);
    lw_arena_deinit(&b->arena);
    lw_release(&alloc, b);
}
