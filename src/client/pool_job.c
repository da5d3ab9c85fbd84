/* SPDX-License-Identifier: MIT */
/*
 * client/pool_job.c - a job from lw_job to its completion: envelope, body, report
 *
 * A message is rendered, and signed, on the thread that submits it; an envelope is copied into
 * the job's own block of memory.  The report comes with the first attempt, so that a job that
 * waits stays small.  Each attempt's envelope holds only the recipients that it is for; `map`
 * says where in the report they stand.
 */
#include "client/pool_int.h"

#include <stdio.h>

#define UNKNOWN_SIZE_BYTES 65536 /* what a body of unknown size counts as in the queue */

/* ---- envelopes -------------------------------------------------------------------------- */

static bool
add_text(size_t *sum, const char *s)
{
    return s == NULL || lw_add_size(sum, *sum, strlen(s) + 1);
}

/* octets that the copy of an envelope needs behind the job; false: too many */
static bool
measure(const lw_envelope *env, size_t *sum)
{
    bool fits = lw_mul_size(sum, env->n_rcpts, sizeof *env->rcpts) &&
                env->n_rcpts <= UINT32_MAX && add_text(sum, env->from) &&
                add_text(sum, env->envid) && add_text(sum, env->auth) &&
                add_text(sum, env->hold_until);

    for (size_t i = 0; fits && i < env->n_rcpts; i++)
        fits = add_text(sum, env->rcpts[i].address) && add_text(sum, env->rcpts[i].orcpt);
    return fits;
}

static const char *
put_text(char **at, const char *s)
{
    size_t n = s == NULL ? 0 : strlen(s) + 1;
    char *copy = *at;

    if (n == 0)
        return NULL;
    memcpy(copy, s, n);
    *at += n;
    return copy;
}

static void
copy_envelope(lw_pool_job *j, const lw_envelope *env)
{
    lw_rcpt *rcpts = (lw_rcpt *)(void *)(j + 1);
    char *at = (char *)(rcpts + env->n_rcpts);

    j->env = *env;
    j->env.rcpts = rcpts;
    j->env.from = put_text(&at, env->from);
    j->env.envid = put_text(&at, env->envid);
    j->env.auth = put_text(&at, env->auth);
    j->env.hold_until = put_text(&at, env->hold_until);
    for (size_t i = 0; i < env->n_rcpts; i++) {
        rcpts[i] = env->rcpts[i];
        rcpts[i].address = put_text(&at, env->rcpts[i].address);
        rcpts[i].orcpt = put_text(&at, env->rcpts[i].orcpt);
    }
}

/* ---- making ----------------------------------------------------------------------------- */

static lw_code
check(const lw_job *job, lw_error *err)
{
    const lw_envelope *env = job->envelope;

    if ((job->message == NULL) == (env == NULL))
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE,
                       "a job is either a message, or an envelope and a body");
    if (env == NULL)
        return LW_OK;
    if (job->body.next == NULL || env->from == NULL || (env->rcpts == NULL && env->n_rcpts > 0))
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE, "the envelope or the body is not whole");
    if (env->n_rcpts == 0)
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "the message has no recipient");
    for (size_t i = 0; i < env->n_rcpts; i++)
        if (env->rcpts[i].address == NULL)
            return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE, "a recipient has no address");
    return LW_OK;
}

static lw_code
take_message(lw_pool_job *j, lw_message *m, lw_error *err)
{
    lw_code rc = lw_outgoing_open(&j->out, m, err);

    if (rc < 0)
        return rc;
    j->message = m;
    j->env = *lw_rendering_envelope(j->out.rendering);
    j->body = lw_outgoing_body(&j->out);
    return LW_OK;
}

static void
take_envelope(lw_pool_job *j, const lw_job *job)
{
    copy_envelope(j, job->envelope);
    j->own_body = job->body;
    j->body = &j->own_body;
    j->body_free = job->body_free;
}

lw_code
lw_pool_job_new(const lw_alloc *alloc, const lw_job *job, lw_pool_job **out, lw_error *err)
{
    size_t more = 0, total;
    lw_pool_job *j;
    lw_code rc;

    *out = NULL;
    if ((rc = check(job, err)) < 0)
        return rc;
    if ((job->envelope != NULL && !measure(job->envelope, &more)) ||
        !lw_add_size(&total, sizeof *j, more) || (j = lw_malloc(alloc, total)) == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "out of memory");
    memset(j, 0, sizeof *j);
    j->alloc = *alloc;
    j->tag = job->tag;
    j->done = job->done;
    j->ctx = job->ctx;
    atomic_init(&j->is_canceled, false);
    if (job->message == NULL) {
        take_envelope(j, job);
    } else if ((rc = take_message(j, job->message, err)) < 0) {
        lw_release(alloc, j);
        return rc;
    }
    j->n_rcpts = j->env.n_rcpts;
    j->size_bytes = j->body->size == LW_SIZE_UNKNOWN ? UNKNOWN_SIZE_BYTES : j->body->size;
    *out = j;
    return LW_OK;
}

void
lw_pool_job_keep(lw_pool_job *j)
{
    lw_outgoing_close(&j->out);
    j->message = NULL;
    j->body_free = NULL;
}

void
lw_pool_job_end(lw_pool_job *j)
{
    lw_outgoing_close(&j->out);
    lw_message_free(j->message);
    j->message = NULL;
    if (j->body_free != NULL)
        j->body_free(j->own_body.ctx);
    j->body_free = NULL;
    lw_release(&j->alloc, j->map);
    j->map = NULL;
}

void
lw_pool_job_free(lw_pool_job *j)
{
    lw_alloc alloc;

    if (j == NULL)
        return;
    alloc = j->alloc;
    lw_pool_job_end(j);
    lw_report_free(j->report);
    lw_release(&alloc, j);
}

lw_completion
lw_pool_job_completion(lw_pool_job *j)
{
    lw_completion c = { .id = j->id, .tag = j->tag, .report = j->report, .attempts = j->n_begun,
                        .began_ns = j->began_ns, .ended_ns = j->ended_ns };

    j->report = NULL;
    return c;
}

/* ---- attempts --------------------------------------------------------------------------- */

static bool
make_report(lw_pool_job *j, uint64_t now_ns)
{
    lw_report *r;

    if (j->report != NULL)
        return true;
    if ((r = j->report = lw_report_new(&j->alloc, &j->env, now_ns)) == NULL)
        return false;
    r->size = j->body->size == LW_SIZE_UNKNOWN ? 0 : j->body->size;
    if (j->message != NULL)
        r->message_id = lw_arena_str(&r->arena, lw_rendering_message_id(j->out.rendering));
    if (r->message_id == NULL)
        r->message_id = "";
    return true;
}

lw_code
lw_pool_job_begin(lw_pool_job *j, const lw_send_opts *opts, uint64_t now_ns)
{
    bool is_first = j->report == NULL;

    if (!make_report(j, now_ns))
        return LW_ENOMEM;
    if (is_first && j->message != NULL)
        lw_send_wishes(opts, &j->env, &j->report->arena);
    lw_error_clear(&j->report->error);
    j->n_begun++;
    j->n_spent++;
    if (j->is_offered && j->body->rewind(j->body->ctx) != LW_OK)
        return lw_fail(&j->report->error, LW_ESOURCE, LW_STAGE_DATA,
                       "the message cannot be read a second time");
    j->is_offered = true;
    return LW_OK;
}

void
lw_pool_job_event(lw_pool_job *j, const lw_event *ev)
{
    lw_event own = *ev;

    if (ev->kind == LW_EVENT_RCPT) {
        own.rcpt = j->map == NULL ? ev->rcpt : j->map[ev->rcpt];
        /* what may have been accepted once is not made certain by a failure later */
        if (j->report->results[own.rcpt].outcome == LW_OUTCOME_UNCERTAIN &&
            ev->outcome != LW_OUTCOME_ACCEPTED)
            return;
    }
    lw_report_event(j->report, &own, j->message == NULL ? NULL : &j->out);
}

void
lw_pool_job_fail(lw_pool_job *j, const lw_error *err, uint64_t now_ns)
{
    if (make_report(j, now_ns))
        j->report->error = *err;
}

bool
lw_pool_job_put_off_at_mail(const lw_pool_job *j)
{
    for (size_t i = 0; i < j->env.n_rcpts; i++) {
        const lw_result *r = &j->report->results[j->map == NULL ? i : j->map[i]];

        if (r->outcome == LW_OUTCOME_DEFERRED && r->stage == LW_STAGE_MAIL)
            return true;
    }
    return false;
}

bool
lw_pool_job_passed_mail(const lw_pool_job *j)
{
    const lw_result *r = &j->report->results[j->map == NULL ? 0 : j->map[0]];

    return r->outcome == LW_OUTCOME_ACCEPTED || r->stage == LW_STAGE_RCPT ||
           r->stage == LW_STAGE_DATA;
}

bool
lw_pool_job_narrow(lw_pool_job *j, const lw_pool_retry *policy, bool out_of_sequence)
{
    size_t n = 0;

    if (j->map == NULL) {
        if ((j->map = lw_zalloc_array(&j->alloc, j->n_rcpts, sizeof *j->map)) == NULL)
            return false;
        for (size_t i = 0; i < j->n_rcpts; i++)
            j->map[i] = (uint32_t)i;
    }
    for (size_t i = 0; i < j->env.n_rcpts; i++) {
        const lw_result *was = &j->report->results[j->map[i]];
        bool is_out = out_of_sequence && lw_result_out_of_sequence(was);

        if (!is_out && !lw_pool_may_retry(policy, was->outcome, j->report->error.code))
            continue;
        if (is_out) /* also if there will be no further attempt */
            lw_report_unsay(j->report, j->map[i]);
        j->env.rcpts[n] = j->env.rcpts[i];
        j->map[n++] = j->map[i];
    }
    j->env.n_rcpts = n;
    return n > 0;
}
