/* SPDX-License-Identifier: MIT */
/*
 * tests/dialogue/run.c - one run of a script: octets in, octets out, events compared as they come
 *
 * Input lies against an unreadable page and is overwritten once the engine has used it.  Output
 * and events are compared at once, each with its own row in the script; a check then wants both
 * rows to have come exactly as far as the script says.
 */
#include "dialogue/run.h"

#include "dialogue/memory.h"
#include "support/guard.h"

#include <stdarg.h>
#include <unistd.h>

typedef struct run {
    const script *s;
    const manner *m;
    const engine_kind *kind;
    engine *e;
    memory memory;
    guard page;
    bytes pending;      /* input that the engine has not taken                  */
    size_t quota;       /* octets that the network still takes ("take N")       */
    size_t n_output, n_expects, body_at;
    size_t may_output, may_expects; /* bounds of the turn                       */
    int line;           /* of the op under way                                  */
    unsigned random;
    lw_code feed_code;
} run;

/* ---- saying what differs ----------------------------------------------------------------- */

static void
describe(const manner *m)
{
    static const char *const feeds[] = { "a turn at a time", "line by line", "octet by octet",
                                         "in random pieces", "turns at once" };

    fprintf(stderr, "  input %s", feeds[m->feed]);
    if (m->feed == FEED_RANDOM)
        fprintf(stderr, " (seed %u)", m->seed);
    if (m->drain == 0)
        fprintf(stderr, ", output taken whole\n");
    else
        fprintf(stderr, ", output taken %zu octets at a time\n", m->drain);
}

static _Noreturn void
fail(const run *r, int line, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "%s:%d: ", r->s->name, line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    describe(r->m);
    _exit(1);
}

static void
show_words(const char *before, const words *w)
{
    bytes b = { NULL, 0, 0 };

    words_show(&b, w);
    fprintf(stderr, "  %s %s\n", before, b.ptr == NULL ? "nothing" : b.ptr);
    bytes_free(&b);
}

static void
show_octets(const char *before, const char *p, size_t n)
{
    const char *lf = n == 0 ? NULL : memchr(p, '\n', n);
    bytes b = { NULL, 0, 0 };

    if (lf != NULL)
        n = (size_t)(lf - p) + 1;
    bytes_show(&b, p, n);
    fprintf(stderr, "  %s %s\n", before, n == 0 ? "nothing" : b.ptr);
    bytes_free(&b);
}

/* ---- output --------------------------------------------------------------------------------- */

/* same octets of the n at p were right, the next one is not */
static void
wrong_output(const run *r, const char *p, size_t same, size_t n)
{
    const script *s = r->s;
    int line = script_output_line(s, r->n_output);
    size_t from = r->n_output, back = same;

    if (r->n_output == r->may_output)
        line = r->line;
    while (from > 0 && s->output.ptr[from - 1] != '\n')
        from--;
    while (back > 0 && p[back - 1] != '\n')
        back--;
    show_octets("expected", s->output.ptr + from, r->may_output - from);
    show_octets("got     ", p + back, n - back);
    fail(r, line, "the engine says something else (from octet %zu of this line on)",
         r->n_output - from);
}

static void
compare_output(run *r, const lw_slice *v, size_t n)
{
    const script *s = r->s;
    char is_secret = v->kind == LW_SLICE_SECRET;

    size_t same = 0;

    while (same < n && r->n_output + same < r->may_output &&
           s->output.ptr[r->n_output + same] == v->ptr[same])
        same++;
    if (same < n) {
        r->n_output += same;
        wrong_output(r, v->ptr, same, v->len);
    }
    for (size_t i = 0; i < n; i++)
        if (s->secrets.ptr[r->n_output + i] != is_secret)
            fail(r, script_output_line(s, r->n_output + i),
                 is_secret ? "the engine takes octets for a secret that are none"
                           : "the engine does not take a secret for one");
    r->n_output += n;
}

static unsigned
next_random(run *r)
{
    r->random = r->random * 1103515245u + 12345u;
    return r->random >> 16;
}

/* some output leaves; false if there was none */
static bool
take_output(run *r)
{
    lw_slice v[3];
    int n = r->quota == 0 ? 0 : r->kind->out(r->e, v, 3);
    size_t total = 0;

    for (int i = 0; i < n; i++) {
        size_t part = v[i].len, room = r->quota - total;
        if (r->m->drain != 0 && r->m->drain - total < room)
            room = r->m->drain - total;
        part = part < room ? part : room;
        compare_output(r, &v[i], part);
        total += part;
    }
    if (n > 0)
        r->kind->sent(r->e, total);
    r->quota -= r->quota == SIZE_MAX ? 0 : total;
    return total > 0;
}

/* ---- events ------------------------------------------------------------------------------------ */

static void
wrong_event(const run *r, const words *got)
{
    const expectation *x = &r->s->expects[r->n_expects];
    bool is_early = r->n_expects >= r->may_expects;

    show_words("expected", is_early ? &(words){ NULL, 0 } : &x->event);
    show_words("got     ", got);
    fail(r, is_early ? r->line : x->line, is_early ? "an event that nobody expects here"
                                                   : "another event");
}

/* a body comes in any pieces: compared octet for octet with the expected ones, one after the other */
static void
compare_body(run *r, const words *got)
{
    const char *p = got->v[1].ptr;
    size_t n = got->v[1].len;

    while (n > 0) {
        const expectation *x = &r->s->expects[r->n_expects];
        size_t part;

        if (r->n_expects >= r->may_expects || !word_is(&x->event, 0, "body") || x->event.n != 2)
            wrong_event(r, got);
        part = x->event.v[1].len - r->body_at;
        part = n < part ? n : part;
        if (memcmp(x->event.v[1].ptr + r->body_at, p, part) != 0)
            wrong_event(r, got);
        p += part;
        n -= part;
        r->body_at += part;
        if (r->body_at == x->event.v[1].len) {
            r->body_at = 0;
            r->n_expects++;
        }
    }
}

/* what may come and did not, or came in part: of a body that is refused any beginning may be told */
static void
skip_maybe(run *r)
{
    if (!r->s->expects[r->n_expects].is_maybe)
        return;
    r->n_expects++;
    r->body_at = 0;
}

static const expectation *
compare_event(run *r, const words *got)
{
    const script *s = r->s;

    while (r->n_expects < r->may_expects && s->expects[r->n_expects].is_maybe &&
           !words_match(&s->expects[r->n_expects].event, got))
        skip_maybe(r);
    if (r->body_at > 0 || r->n_expects >= r->may_expects ||
        !words_match(&s->expects[r->n_expects].event, got))
        wrong_event(r, got);
    return &s->expects[r->n_expects++];
}

static bool
take_event(run *r)
{
    words got = { NULL, 0 };
    const expectation *x;
    bool is_there = r->kind->next(r->e, &got);

    if (is_there && word_is(&got, 0, "body")) {
        compare_body(r, &got);
    } else if (is_there) {
        x = compare_event(r, &got);
        if (!r->kind->answer(r->e, &x->action))
            fail(r, x->line, "the engine does not take this answer");
        if (word_is(&got, 0, "closed") && r->feed_code < 0 &&
            !word_is(&got, 1, lw_code_name(r->feed_code)))
            fail(r, x->line, "feed failed with %s, and the session with another code",
                 lw_code_name(r->feed_code));
    }
    words_free(&got);
    return is_there;
}

/* ---- moving ---------------------------------------------------------------------------------------- */

/* events until there is none, and output if it is to leave now */
static void
serve(run *r, bool with_output)
{
    for (;;) {
        if ((r->kind->want(r->e) & LW_WANT_EVENT) != 0) {
            if (!take_event(r))
                fail(r, r->line, "an event is wanted, and there is none");
        } else if (!with_output || (r->kind->want(r->e) & LW_WANT_WRITE) == 0 || !take_output(r)) {
            if ((r->kind->want(r->e) & LW_WANT_EVENT) == 0)
                return;
        }
    }
}

/* what waits goes in; it stays where the engine takes no more */
static void
feed_pending(run *r, bool with_output)
{
    unsigned n_stuck = 0;

    while (r->pending.len > 0 && r->kind->want(r->e) != 0) {
        size_t n = r->pending.len, used = 0;
        const char *p = guard_put(&r->page, r->pending.ptr, n);

        r->feed_code = r->kind->feed(r->e, p, n, &used);
        if (used > n)
            fail(r, r->line, "feed says that %zu of %zu octets were used", used, n);
        serve(r, with_output || used == 0);
        memset((char *)(uintptr_t)p, '#', n);
        memmove(r->pending.ptr, r->pending.ptr + used, n - used);
        r->pending.len = r->feed_code < 0 ? 0 : n - used;
        /* once more, now that the output has left; then the caller's answer is awaited */
        n_stuck = used == 0 ? n_stuck + 1 : 0;
        if (n_stuck == 2)
            return;
    }
    if (r->kind->want(r->e) == 0)
        r->pending.len = 0;
}

static void
settle(run *r)
{
    serve(r, true);
    feed_pending(r, true);
    serve(r, true);
}

static size_t
piece_of(run *r, size_t n)
{
    switch (r->m->feed) {
    case FEED_OCTETS: return 1;
    case FEED_RANDOM: return 1 + next_random(r) % (next_random(r) % 4 == 0 ? n : 1 + n / 8);
    case FEED_WHOLE:
    case FEED_LINES:
    case FEED_FLOOD: break;
    }
    return n;
}

static void
feed_input(run *r, const char *p, size_t n)
{
    while (n > 0) {
        size_t part = piece_of(r, n);
        bool now = r->m->feed != FEED_RANDOM || next_random(r) % 2 == 0;

        part = part < n ? part : n;
        bytes_add(&r->pending, p, part);
        feed_pending(r, now);
        p += part;
        n -= part;
    }
}

/* ---- ops --------------------------------------------------------------------------------------------- */

static const char *
set_quota(run *r, const words *w)
{
    uint64_t n;

    if (w->n != 2)
        return "take N, or take all";
    if (word_is(w, 1, "all"))
        r->quota = SIZE_MAX;
    else if (parse_number(w->v[1].ptr, &n))
        r->quota = (size_t)n;
    else
        return "take N, or take all";
    return NULL;
}

/* flights depend on the splits: only the fewest are stated */
static const char *
check_flights(const run *r, const op *o)
{
    lw_code rc = LW_OK;

    return r->m->feed == FEED_WHOLE ? r->kind->call(r->e, o, &rc) : NULL;
}

static bool
is_result_free(const op *o)
{
    return word_is(&o->call, 0, "tick") || word_is(&o->call, 0, "eof");
}

static void
do_call(run *r, const op *o)
{
    const char *why;
    lw_code rc = LW_OK, wanted = LW_OK;

    settle(r);
    if (word_is(&o->call, 0, "take"))
        why = set_quota(r, &o->call);
    else if (word_is(&o->call, 0, "flights"))
        why = check_flights(r, o);
    else if (word_is(&o->call, 0, "want"))
        why = check_want(r->kind->want(r->e), &o->call);
    else
        why = r->kind->call(r->e, o, &rc);
    if (why != NULL)
        fail(r, o->line, "%s", why);
    if (o->result.n > 0 && !parse_code(o->result.v[0].ptr, &wanted))
        fail(r, o->line, "-> needs the name of a result, such as EUSAGE");
    if (rc != wanted && !(o->result.n == 0 && is_result_free(o)))
        fail(r, o->line, "the call gives %s", lw_code_name(rc));
    settle(r);
}

static void
check(run *r, const op *o)
{
    const script *s = r->s;

    settle(r);
    while (r->n_expects < o->n_expects && s->expects[r->n_expects].is_maybe)
        skip_maybe(r);
    if (r->n_output < o->n_output) {
        show_octets("expected", s->output.ptr + r->n_output, o->n_output - r->n_output);
        fail(r, script_output_line(s, r->n_output), "the engine does not say this");
    }
    if (r->n_expects < o->n_expects) {
        show_words("expected", &s->expects[r->n_expects].event);
        fail(r, s->expects[r->n_expects].line, "this event does not come");
    }
}

/* the bounds of the turn that op i is in; a flood reaches to the next call */
static void
set_bounds(run *r, size_t i)
{
    const script *s = r->s;

    while (i < s->n_ops && (s->ops[i].kind != OP_CHECK ||
                            (r->m->feed == FEED_FLOOD && i + 1 < s->n_ops &&
                             s->ops[i + 1].kind == OP_INPUT)))
        i++;
    r->may_output = s->ops[i].n_output;
    r->may_expects = s->ops[i].n_expects;
}

/* input of this and the following ops that goes in at once; the index of the last */
static size_t
gather(run *r, size_t i, bytes *all)
{
    const script *s = r->s;

    bytes_add(all, s->ops[i].input.ptr, s->ops[i].input.len);
    if (r->m->feed == FEED_LINES)
        return i;
    while (i + 1 < s->n_ops) {
        size_t next = i + 1;
        if (r->m->feed == FEED_FLOOD && s->ops[next].kind == OP_CHECK && next + 1 < s->n_ops)
            next++;
        if (s->ops[next].kind != OP_INPUT)
            break;
        bytes_add(all, s->ops[next].input.ptr, s->ops[next].input.len);
        i = next;
    }
    return i;
}

static void
do_ops(run *r)
{
    for (size_t i = 0; i < r->s->n_ops; i++) {
        const op *o = &r->s->ops[i];
        bytes in = { NULL, 0, 0 };

        r->line = o->line;
        set_bounds(r, i);
        switch (o->kind) {
        case OP_INPUT:
            i = gather(r, i, &in);
            feed_input(r, in.ptr, in.len);
            break;
        case OP_CALL: do_call(r, o); break;
        case OP_CHECK: check(r, o); break;
        }
        bytes_free(&in);
    }
}

static size_t
longest_input(const script *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_ops; i++)
        n += s->ops[i].input.len;
    return n;
}

void
run_script(const script *s, const manner *m)
{
    run r = { .s = s, .m = m, .kind = s->is_server ? &server_kind : &client_kind,
              .quota = SIZE_MAX, .random = m->seed * 2654435761u + 1 };
    const char *why;

    memory_init(&r.memory, SIZE_MAX, false);
    guard_open(&r.page, longest_input(s));
    if (r.kind->open(s, &r.memory.alloc, m->drain, &r.e) != LW_OK)
        fail(&r, 1, "the engine does not take these options");
    memory_freeze(&r.memory);
    do_ops(&r);
    if ((why = r.kind->verdict(r.e)) != NULL)
        fail(&r, r.line, "%s", why);
    r.kind->close(r.e);
    if ((why = memory_verdict(&r.memory)) != NULL)
        fail(&r, r.line, "%s", why);
    guard_close(&r.page);
    bytes_free(&r.pending);
}
