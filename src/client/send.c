/* SPDX-License-Identifier: MIT */
/*
 * client/send.c - messages over a session: render, put the wishes into the envelope, transact
 *
 * The message is rendered before anything is connected: a bad address or an attachment that
 * cannot be read costs no connection, and nothing of it can be half sent.
 */
#include "client/client_int.h"

#include <stdio.h>
#include <sys/random.h>
#include <time.h>

/* ---- rendering with this machine's clock and name -------------------------------------------------- */

static int
zone_minutes(time_t now)
{
    struct tm local;

    return localtime_r(&now, &local) == NULL ? 0 : (int)(local.tm_gmtoff / 60);
}

/* getrandom() of 32 octets does not fail once the kernel's pool is ready; if it ever does, the
 * clock still tells two messages of one process apart */
static void
fill_random(unsigned char *p, size_t n)
{
    uint64_t clock = uv_hrtime();

    if (getrandom(p, n, 0) == (ssize_t)n)
        return;
    memset(p, 0, n);
    memcpy(p, &clock, sizeof clock < n ? sizeof clock : n);
}

void
lw_render_now(lw_render_opts *o, const lw_message *m, char *host, size_t cap)
{
    time_t now = time(NULL);

    memset(o, 0, sizeof *o);
    o->now_s = now;
    o->zone_minutes = zone_minutes(now);
    fill_random(o->random, sizeof o->random);
    if (m == NULL || !lw_message_wants_host(m))
        return;
    lw_host_name(host, cap);
    o->host = host[0] != '\0' ? host : "localhost.localdomain";
}

/* ---- wishes ------------------------------------------------------------------------------------------- */

/* ORCPT: what a report of delivery will name, wherever the message is forwarded to (RFC 3461
 * 4.2).  An address that is not ASCII would need another address type (RFC 6533 3). */
static const char *
original_recipient(lw_arena *arena, const char *address)
{
    static const char type[] = "rfc822;";
    lw_span a = lw_span_str(address);
    char *copy;

    if (!lw_span_is_ascii(a) || (copy = lw_arena_room(arena, sizeof type + a.len)) == NULL)
        return NULL;
    memcpy(copy, type, sizeof type - 1);
    memcpy(copy + sizeof type - 1, a.ptr, a.len + 1);
    return copy;
}

void
lw_send_wishes(const lw_send_opts *o, lw_envelope *env, lw_arena *arena)
{
    env->ret = o->ret;
    env->envid = o->envid;
    env->require_tls = o->require_tls;
    if (o->notify == 0)
        return;
    for (size_t i = 0; i < env->n_rcpts; i++) {
        env->rcpts[i].notify = o->notify;
        env->rcpts[i].orcpt = original_recipient(arena, env->rcpts[i].address);
    }
}

/* ---- one message ---------------------------------------------------------------------------------------- */

/* LW_OK: *out and *report are set.  Otherwise *report, if there is memory for one, tells why */
static lw_code
render(const lw_alloc *alloc, lw_message *m, lw_outgoing *out, lw_report **report)
{
    lw_error err;
    lw_code rc;

    *report = NULL;
    lw_error_clear(&err);
    rc = lw_outgoing_open(out, m, &err);
    *report = lw_report_new(alloc, rc < 0 ? NULL : lw_rendering_envelope(out->rendering),
                            uv_hrtime());
    if (*report == NULL) {
        lw_outgoing_close(out);
        return LW_ENOMEM;
    }
    if (rc < 0) {
        (*report)->error = err;
        return rc;
    }
    (*report)->size = lw_outgoing_body(out)->size;
    (*report)->message_id =
        lw_arena_str(&(*report)->arena, lw_rendering_message_id(out->rendering));
    if ((*report)->message_id == NULL)
        (*report)->message_id = "";
    return LW_OK;
}

/* gives the report to who wants it */
static lw_code
hand_over(lw_report *r, lw_session *s, lw_report **report)
{
    lw_code rc;

    if (r == NULL)
        return LW_ENOMEM;
    lw_report_close_session(r, s);
    rc = r->error.code;
    if (report != NULL)
        *report = r;
    else
        lw_report_free(r);
    return rc;
}

static void
transact(lw_session *s, const lw_outgoing *out, bool is_last, lw_report *r)
{
    lw_envelope *env = lw_rendering_envelope(out->rendering);

    lw_send_wishes(&s->setup.opts, env, &r->arena);
    lw_transact(s, env, lw_outgoing_body(out), is_last, out, r);
}

lw_code
lw_session_send(lw_session *s, lw_message *m, lw_report **report)
{
    lw_outgoing out = { .rendering = NULL };
    lw_report *r;

    if (report != NULL)
        *report = NULL;
    if (s == NULL)
        return LW_EUSAGE;
    lw_session_begin_call(s);
    if (render(&s->alloc, m, &out, &r) == LW_OK)
        transact(s, &out, false, r);
    lw_outgoing_close(&out);
    return hand_over(r, s, report);
}

bool
lw_envelope_is_whole(const lw_envelope *env)
{
    if (env == NULL || env->from == NULL || (env->rcpts == NULL && env->n_rcpts > 0))
        return false;
    for (size_t i = 0; i < env->n_rcpts; i++)
        if (env->rcpts[i].address == NULL)
            return false;
    return true;
}

lw_code
lw_session_send_raw(lw_session *s, lw_envelope *env, lw_body *body, lw_report **report)
{
    lw_report *r;

    if (report != NULL)
        *report = NULL;
    if (s == NULL || body == NULL || !lw_envelope_is_whole(env))
        return LW_EUSAGE;
    lw_session_begin_call(s);
    if ((r = lw_report_new(&s->alloc, env, uv_hrtime())) != NULL) {
        r->size = body->size == LW_SIZE_UNKNOWN ? 0 : body->size;
        lw_transact(s, env, body, false, NULL, r);
    }
    return hand_over(r, s, report);
}

lw_code
lw_send_with(const lw_send_opts *opts, lw_message *m, lw_report **report)
{
    lw_outgoing out = { .rendering = NULL };
    lw_session *s = NULL;
    lw_send_opts o;
    lw_report *r;
    lw_code rc;

    if (report != NULL)
        *report = NULL;
    if (opts == NULL)
        return LW_EUSAGE;
    (void)!lw_opts_copy(&o, sizeof o, opts); /* if it fails all is zero, and no session is made */
    if (render(o.alloc, m, &out, &r) == LW_OK && lw_session_new(&o, &s, &r->error) == LW_OK) {
        lw_session_begin_call(s);
        transact(s, &out, true, r);
    }
    lw_outgoing_close(&out);
    rc = hand_over(r, s, report);
    lw_session_close(s);
    return rc;
}

lw_code
lw_send(const char *url, lw_message *m, lw_report **report)
{
    lw_send_opts opts;

    lw_send_opts_init(&opts);
    opts.servers = &url;
    opts.n_servers = 1;
    return lw_send_with(&opts, m, report);
}
