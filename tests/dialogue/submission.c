/* SPDX-License-Identifier: MIT */
/* tests/dialogue/submission.c - a line "submit ..." becomes an envelope and a body */
#include "dialogue/engine.h"

enum { RCPTS_MAX = 256 };

struct submission {
    const script *s;
    int line;
    lw_envelope env;
    lw_rcpt rcpts[RCPTS_MAX];
    bool has_outcome[RCPTS_MAX];
    bool is_done;
    char *addresses[RCPTS_MAX];
    size_t group; /* recipients of the last to=, which notify= and orcpt= belong to */
    lw_span text;
    size_t at, step;
    bool is_broken; /* the body's source fails instead of ending */
    lw_body body;
};

/* ---- the body ---------------------------------------------------------------------------- */

static lw_code
body_next(void *ctx, lw_span *span)
{
    submission *m = ctx;
    size_t n = m->text.len - m->at;

    if (m->is_broken && n == 0)
        return LW_ESOURCE;
    if (m->step != 0 && n > m->step)
        n = m->step;
    *span = (lw_span){ m->text.ptr + m->at, n };
    m->at += n;
    return m->at == m->text.len && !m->is_broken ? LW_DONE : LW_OK;
}

static lw_code
body_rewind(void *ctx)
{
    ((submission *)ctx)->at = 0;
    return LW_OK;
}

/* ---- words -------------------------------------------------------------------------------- */

static bool
take_addresses(submission *m, const char *list)
{
    lw_span rest = lw_span_str(list), item;

    m->group = m->env.n_rcpts;
    while (lw_span_token(&rest, ',', &item)) {
        size_t i = m->env.n_rcpts++;
        if (i == RCPTS_MAX || (m->addresses[i] = calloc(1, item.len + 1)) == NULL)
            abort();
        if (item.len > 0)
            memcpy(m->addresses[i], item.ptr, item.len);
        m->rcpts[i].address = m->addresses[i];
    }
    return true;
}

static bool
take_notify(submission *m, const char *list)
{
    static const struct { lw_span word; unsigned bit; } rows[] = {
        { { "NEVER", 5 }, LW_NOTIFY_NEVER }, { { "SUCCESS", 7 }, LW_NOTIFY_SUCCESS },
        { { "FAILURE", 7 }, LW_NOTIFY_FAILURE }, { { "DELAY", 5 }, LW_NOTIFY_DELAY },
    };
    lw_span rest = lw_span_str(list), item;
    unsigned bits = 0;

    while (lw_span_token(&rest, ',', &item)) {
        size_t i = 0;
        while (i < LW_COUNT(rows) && !lw_span_eq(item, rows[i].word))
            i++;
        if (i == LW_COUNT(rows))
            return false;
        bits |= rows[i].bit;
    }
    for (size_t i = m->group; i < m->env.n_rcpts; i++)
        m->rcpts[i].notify = bits;
    return true;
}

/* by=120;R by=-5;NT */
static bool
take_by(submission *m, const char *v)
{
    char *end;

    m->env.deliver_by_s = strtoll(v, &end, 10);
    if (*end != ';' || (end[1] != 'N' && end[1] != 'R'))
        return false;
    m->env.deliver_by_mode = end[1];
    m->env.deliver_by_trace = end[2] == 'T';
    return true;
}

static bool
take_type(submission *m, const char *v)
{
    m->env.body_type = strcmp(v, "8bitmime") == 0 ? LW_BODY_8BITMIME : LW_BODY_BINARYMIME;
    return m->env.body_type == LW_BODY_8BITMIME || strcmp(v, "binarymime") == 0;
}

static bool
take_size(submission *m, const char *v)
{
    if (strcmp(v, "unknown") == 0)
        m->body.size = LW_SIZE_UNKNOWN;
    else
        return parse_number(v, &m->body.size);
    return true;
}

static bool
take_step(submission *m, const char *v, size_t any)
{
    uint64_t n;

    if (strcmp(v, "any") == 0)
        m->step = any;
    else if (parse_number(v, &n))
        m->step = (size_t)n;
    else
        return false;
    return true;
}

static bool
take_flag(submission *m, const char *name)
{
    if (strcmp(name, "smtputf8") == 0)
        m->env.needs_smtputf8 = true;
    else if (strcmp(name, "requiretls") == 0)
        m->env.require_tls = true;
    else if (strcmp(name, "canonical") == 0)
        m->body.is_canonical = true;
    else if (strcmp(name, "no_rewind") == 0)
        m->body.rewind = NULL;
    else if (strcmp(name, "source_fails") == 0)
        m->is_broken = true;
    else
        return false;
    return true;
}

static bool
take_envelope_word(submission *m, const words *w, size_t i)
{
    lw_envelope *env = &m->env;
    const char *v;
    uint64_t n;

    if ((v = word_value(w, i, "from")) != NULL)
        env->from = strcmp(v, "<>") == 0 ? "" : v;
    else if ((v = word_value(w, i, "ret")) != NULL)
        env->ret = strcmp(v, "full") == 0 ? LW_RET_FULL : LW_RET_HDRS;
    else if ((v = word_value(w, i, "envid")) != NULL)
        env->envid = v;
    else if ((v = word_value(w, i, "auth")) != NULL)
        env->auth = strcmp(v, "<>") == 0 ? "" : v;
    else if ((v = word_value(w, i, "holdfor")) != NULL && parse_number(v, &n))
        env->hold_for_s = n;
    else if ((v = word_value(w, i, "holduntil")) != NULL)
        env->hold_until = v;
    else if ((v = word_value(w, i, "priority")) != NULL) {
        env->has_priority = true;
        env->priority = (int)strtol(v, NULL, 10);
    } else
        return false;
    return true;
}

static bool
take_word(submission *m, const words *w, size_t i, size_t any_step)
{
    const char *v;

    if ((v = word_value(w, i, "to")) != NULL)
        return take_addresses(m, v);
    if ((v = word_value(w, i, "notify")) != NULL)
        return take_notify(m, v);
    if ((v = word_value(w, i, "orcpt")) != NULL) {
        for (size_t k = m->group; k < m->env.n_rcpts; k++)
            m->rcpts[k].orcpt = v;
        return true;
    }
    if ((v = word_value(w, i, "body")) != NULL) {
        m->text = (lw_span){ v, w->v[i].len - strlen("body=") };
        m->body.size = m->text.len;
        return true;
    }
    if ((v = word_value(w, i, "by")) != NULL)
        return take_by(m, v);
    if ((v = word_value(w, i, "type")) != NULL)
        return take_type(m, v);
    if ((v = word_value(w, i, "size")) != NULL)
        return take_size(m, v);
    if ((v = word_value(w, i, "step")) != NULL)
        return take_step(m, v, any_step);
    return take_envelope_word(m, w, i) || take_flag(m, w->v[i].ptr);
}

submission *
submission_new(const script *s, const op *o, size_t step)
{
    submission *m = calloc(1, sizeof *m);

    if (m == NULL)
        abort();
    m->s = s;
    m->line = o->line;
    m->text = LW_LIT("");
    m->body = (lw_body){ body_next, body_rewind, m, 0, false };
    m->env.rcpts = m->rcpts;
    for (size_t i = 1; i < o->call.n; i++)
        if (!take_word(m, &o->call, i, step))
            script_bad(s, o->line, "submit knows no %s", o->call.v[i].ptr);
    return m;
}

void
submission_free(submission *m)
{
    for (size_t i = 0; i < m->env.n_rcpts; i++)
        free(m->addresses[i]);
    free(m);
}

lw_code
submission_submit(submission *m, lw_smtp *e)
{
    return lw_smtp_submit(e, &m->env, &m->body, m);
}

/* ---- what became of it ------------------------------------------------------------------------ */

const char *
submission_outcome(submission *m, size_t rcpt)
{
    if (m == NULL || rcpt >= m->env.n_rcpts || m->has_outcome[rcpt] || m->is_done)
        return NULL;
    m->has_outcome[rcpt] = true;
    return m->addresses[rcpt];
}

bool
submission_done(submission *m)
{
    bool was_done = m == NULL || m->is_done;

    for (size_t i = 0; !was_done && i < m->env.n_rcpts; i++)
        was_done = !m->has_outcome[i];
    if (m != NULL)
        m->is_done = true;
    return !was_done;
}

bool
submission_is_done(const submission *m)
{
    return m->is_done;
}
