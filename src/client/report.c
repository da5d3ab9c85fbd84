/* SPDX-License-Identifier: MIT */
/*
 * client/report.c - what became of every recipient
 *
 * Made before anything is sent, with a place and an address for each recipient: from then on an
 * outcome can always be noted, also when memory is out (then only its text is missing).  A usual
 * report is one block of memory: results, addresses, and what the server said.
 */
#include "client/client_int.h"

#include <stdio.h>

#define TEXT_BYTES 128u /* replies: a usual report needs no more */
#define SUCCESS_BYTES 640u /* of the sentence: server, number, reply */

static const char no_text[] = "";

/* octets for n results and their addresses, and some for what the server says; false: too many */
static bool
measure(const lw_envelope *env, size_t n, size_t *total, size_t *text)
{
    *text = TEXT_BYTES;
    for (size_t i = 0; i < n; i++)
        if (!lw_add_size(text, *text, strlen(env->rcpts[i].address) + 1))
            return false;
    return lw_mul_size(total, n, sizeof(lw_result)) &&
           lw_add_size(total, *total, sizeof(lw_report)) && lw_add_size(total, *total, *text);
}

lw_report *
lw_report_new(const lw_alloc *alloc, const lw_envelope *env, uint64_t now_ns)
{
    size_t n = env == NULL ? 0 : env->n_rcpts, total, text;
    lw_report *r;

    alloc = lw_alloc_or_default(alloc);
    if (!measure(env, n, &total, &text) || (r = lw_malloc(alloc, total)) == NULL)
        return NULL;
    memset(r, 0, offsetof(lw_report, error));
    lw_error_clear(&r->error);
    r->alloc = *alloc;
    r->results = (lw_result *)(void *)(r + 1);
    lw_arena_init(&r->arena, &r->alloc);
    lw_arena_lend(&r->arena, (char *)(r->results + n), text);
    r->began_ns = now_ns;
    r->message_id = no_text;
    for (; r->n < n; r->n++)
        r->results[r->n] = (lw_result){
            .outcome = LW_OUTCOME_UNSENT,
            .text = no_text,
            .address = lw_arena_str(&r->arena, env->rcpts[r->n].address), /* there is room */
        };
    return r;
}

void
lw_report_free(lw_report *r)
{
    lw_alloc alloc;

    if (r == NULL)
        return;
    alloc = r->alloc;
    lw_shared_facts_leave(r->server);
    lw_arena_deinit(&r->arena);
    lw_release(&alloc, r);
}

#define TEXT_MAX 1024 /* octets of one reply: a report of many recipients stays small */
#define CUT " ..."

/* what is kept of a text that is too long; a character of UTF-8 is not cut in two */
static lw_span
shorten(lw_span text, char room[TEXT_MAX])
{
    size_t n = TEXT_MAX - (sizeof CUT - 1), begin = n;

    if (text.len <= TEXT_MAX)
        return text;
    while (begin > n - 3 && ((unsigned char)text.ptr[begin] & 0xc0) == 0x80)
        begin--;
    if (((unsigned char)text.ptr[begin] & 0xc0) != 0x80)
        n = begin;
    memcpy(room, text.ptr, n);
    memcpy(room + n, CUT, sizeof CUT - 1);
    return (lw_span){ room, n + sizeof CUT - 1 };
}

/* a thousand recipients often share one answer: it is kept once */
static const char *
keep_text(lw_report *r, lw_span text)
{
    char room[TEXT_MAX];
    const char *copy;

    text = shorten(text, room);
    if (r->has_reply && lw_span_eq(text, lw_span_str(r->reply.text)))
        return r->reply.text;
    copy = lw_arena_span(&r->arena, text);
    return copy == NULL ? "(out of memory for this text)" : copy;
}

/* the reply that decided: one after the data outweighs a refusal before it */
static void
keep_reply(lw_report *r, const lw_result *one)
{
    if (one->code == 0 || (r->has_reply && r->reply.stage == LW_STAGE_DATA &&
                           one->stage != LW_STAGE_DATA))
        return;
    r->reply = *one;
    r->has_reply = true;
}

static void
take_rcpt(lw_report *r, const lw_event *ev)
{
    lw_result *one;
    lw_span text = ev->reply.code != 0 ? ev->reply.text : lw_span_str(ev->text);

    if (LW_NEVER(ev->rcpt >= r->n))
        return;
    one = &r->results[ev->rcpt];
    one->outcome = ev->outcome;
    one->stage = ev->stage;
    one->code = ev->reply.code;
    one->enhanced = ev->reply.enhanced;
    one->text = keep_text(r, text);
    keep_reply(r, one);
}

/* why something was not sent, when no reply says it: the first sentence counts */
static void
keep_failure(lw_report *r, const lw_event *ev)
{
    if (ev->code < 0 && ev->reply.code == 0 && r->error.code == LW_OK)
        lw_fail(&r->error, ev->code, ev->stage, "%s",
                ev->text[0] != '\0' ? ev->text : lw_code_text(ev->code));
}

void
lw_report_event(lw_report *r, const lw_event *ev, const lw_outgoing *out)
{
    if (ev->kind == LW_EVENT_RCPT) {
        take_rcpt(r, ev);
        keep_failure(r, ev);
    }
    if (ev->kind != LW_EVENT_DONE)
        return;
    lw_report_dropped(r, ev->dropped);
    keep_failure(r, ev);
    if (ev->code == LW_ESOURCE && out != NULL && lw_outgoing_error(out)->code < 0)
        r->error = *lw_outgoing_error(out); /* it names the file */
}

void
lw_report_note_fmt(lw_report *r, const char *fmt, ...)
{
    char raw[LW_ERROR_TEXT_MAX], text[LW_ERROR_TEXT_MAX];
    va_list ap;

    if (r->n_notes == LW_COUNT(r->notes))
        return;
    va_start(ap, fmt);
    vsnprintf(raw, sizeof raw, fmt, ap);
    va_end(ap);
    lw_print_safe(text, sizeof text, lw_span_str(raw));
    if ((r->notes[r->n_notes] = lw_arena_str(&r->arena, text)) != NULL)
        r->n_notes++;
}

void
lw_report_dropped(lw_report *r, uint32_t caps)
{
    static const struct {
        uint32_t cap;
        const char *text;
    } wishes[] = {
        { LW_CAP_DSN, "the server does not offer DSN: no delivery reports were asked for" },
        { LW_CAP_MT_PRIORITY, "the server does not offer MT-PRIORITY: the priority was left out" },
        { LW_CAP_AUTH, "the server does not offer AUTH: the AUTH parameter was left out" },
        { LW_CAP_DELIVERBY, "the server does not offer DELIVERBY: the time was left out" },
    };

    for (size_t i = 0; i < LW_COUNT(wishes); i++)
        if (caps & wishes[i].cap)
            lw_report_note_fmt(r, "%s", wishes[i].text);
}

void
lw_report_unsay(lw_report *r, size_t i)
{
    lw_result *one = &r->results[i];

    if (r->has_reply && one->code != 0 && r->reply.code == one->code &&
        r->reply.stage == one->stage)
        r->has_reply = false;
    *one = (lw_result){ .outcome = LW_OUTCOME_UNSENT, .text = no_text, .address = one->address };
}

bool
lw_report_all_unsent(const lw_report *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->results[i].outcome != LW_OUTCOME_UNSENT)
            return false;
    return true;
}

bool
lw_report_out_of_sequence(const lw_report *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (!lw_result_out_of_sequence(&r->results[i]))
            return false;
    return true;
}

bool
lw_report_has_deferred(const lw_report *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->results[i].outcome == LW_OUTCOME_DEFERRED)
            return true;
    return false;
}

/* recipients that never came to a stage of their own share the fate of the whole */
static void
tell_the_rest(lw_report *r)
{
    const char *text = NULL;

    for (size_t i = 0; i < r->n; i++) {
        lw_result *one = &r->results[i];

        if (one->outcome != LW_OUTCOME_UNSENT || one->text[0] != '\0')
            continue;
        if (text == NULL)
            text = keep_text(r, lw_span_str(r->error.text));
        one->text = text;
        one->stage = r->error.stage;
    }
}

void
lw_report_take_server(lw_report *r, lw_channel *c)
{
    lw_shared_facts_leave(r->server);
    r->server = lw_channel_share_facts(c);
}

void
lw_report_close(lw_report *r, lw_channel *c, uint64_t now_ns)
{
    if (c != NULL)
        lw_report_take_server(r, c);
    tell_the_rest(r);
    lw_result_judge(r);
    /* another worker, whose look at the clock was later, may have begun it */
    r->seconds = now_ns > r->began_ns ? (double)(now_ns - r->began_ns) / 1e9 : 0;
}

void
lw_report_close_session(lw_report *r, lw_session *s)
{
    if (s != NULL && s->skipped.code != LW_OK)
        lw_report_note_fmt(r, "%s was passed over: %s", s->skipped_name, s->skipped.text);
    lw_report_close(r, s == NULL ? NULL : &s->channel, uv_hrtime());
}

/* ---- looking ------------------------------------------------------------------------------------ */

static const lw_error out_of_memory = { .code = LW_ENOMEM, .text = "out of memory" };

const lw_error *
lw_report_error(const lw_report *r)
{
    return r == NULL ? &out_of_memory : &r->error;
}

/* only when somebody asks: a pool's reports cost it much */
static const char *
success_of(lw_report *r)
{
    char *text;

    if (r->success != NULL)
        return r->success;
    if ((text = lw_arena_room(&r->arena, SUCCESS_BYTES)) == NULL)
        return "accepted";
    lw_result_tell_success(r, text, SUCCESS_BYTES);
    return r->success = text;
}

const char *
lw_report_text(const lw_report *r)
{
    if (r == NULL)
        return out_of_memory.text;
    if (r->n > 0 && r->error.code == LW_OK)
        return success_of((lw_report *)(uintptr_t)r);
    return r->error.text;
}

size_t
lw_report_n_results(const lw_report *r)
{
    return r == NULL ? 0 : r->n;
}

const lw_result *
lw_report_result(const lw_report *r, size_t i)
{
    return r == NULL || i >= r->n ? NULL : &r->results[i];
}

const lw_result *
lw_report_reply(const lw_report *r)
{
    return r == NULL || !r->has_reply ? NULL : &r->reply;
}

const lw_server_facts *
lw_report_server(const lw_report *r)
{
    static const lw_server_facts none;

    if (r == NULL)
        return NULL;
    return r->server == NULL ? &none : &r->server->facts;
}

const char *
lw_report_message_id(const lw_report *r)
{
    return r == NULL ? "" : r->message_id;
}

uint64_t
lw_report_size(const lw_report *r)
{
    return r == NULL || r->size == LW_SIZE_UNKNOWN ? 0 : r->size;
}

lw_body_type
lw_report_body_type(const lw_report *r)
{
    return r == NULL ? LW_BODY_7BIT : r->body_type;
}

unsigned
lw_report_flights(const lw_report *r)
{
    return r == NULL ? 0 : r->flights;
}

double
lw_report_seconds(const lw_report *r)
{
    return r == NULL ? 0 : r->seconds;
}

size_t
lw_report_n_notes(const lw_report *r)
{
    return r == NULL ? 0 : r->n_notes;
}

const char *
lw_report_note(const lw_report *r, size_t i)
{
    return r == NULL || i >= r->n_notes ? NULL : r->notes[i];
}
