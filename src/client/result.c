/* SPDX-License-Identifier: MIT */
/*
 * client/result.c - who is hit by a failure, and the sentence that tells it
 *
 * All policy on failures is in this file: whether another server may do better, which of many
 * outcomes decides on the whole, what the person who reads the error should do, and the exit
 * code.  Everything else only reports what happened.
 */
#include "client/client_int.h"

#include <stdio.h>
#include <sysexits.h>

/* ---- the host, or the message? ---------------------------------------------------------------- */

bool
lw_result_other_host(const lw_error *err)
{
    switch (err->code) {
    case LW_EHOST:
    case LW_ECONNECT:
    case LW_ETLS: return true;
    case LW_ELOST:
    case LW_ETIMEOUT:
    case LW_EPROTO:
    case LW_ELIMIT:
    case LW_EREPLY:
        /* RFC 5321 5.1: the next address or host, where no session came to be with this one */
        return err->stage <= LW_STAGE_STARTTLS && err->stage != LW_STAGE_NONE;
    case LW_OK:
    case LW_AGAIN:
    case LW_DONE:
    case LW_EUSAGE:
    case LW_ENOMEM:
    case LW_EBUG:
    case LW_ECANCELED:
    case LW_ECONFIG:
    case LW_EBUSY:
    case LW_EADDRESS:
    case LW_EMESSAGE:
    case LW_ESOURCE:
    case LW_EOUTPUT:
    case LW_ECAPABILITY:
    case LW_EAUTH: return false;
    }
    return false;
}

/* ---- does PIPELINING work? -------------------------------------------------------------------------- */

/* By evidence, and once it has worked by none: then a loss has another reason.  Commands that got
 * lost are enough; an end in the first group may be chance once, not twice. */
void
lw_result_note_pipelining(lw_pipelining_record *r, lw_pipelining shown)
{
    switch (shown) {
    case LW_PIPELINING_UNTRIED:
        return;
    case LW_PIPELINING_WORKS:
        r->works = true;
        return;
    case LW_PIPELINING_ENDED:
        r->n_ended++;
        break;
    case LW_PIPELINING_FAILS:
        r->n_ended += 2;
        break;
    }
    if (!r->works && r->n_ended >= 2)
        r->is_lock_step = true;
}

bool
lw_result_out_of_sequence(const lw_result *r)
{
    return r->outcome == LW_OUTCOME_UNSENT || (r->outcome == LW_OUTCOME_REJECTED && r->code == 503);
}

/* ---- now, or never? ------------------------------------------------------------------------------ */

static bool
is_passing_reply(const lw_error *err)
{
    return err->reply_code / 100 == 4;
}

bool
lw_result_is_lasting(const lw_error *err)
{
    switch (err->code) {
    case LW_ECONFIG:
    case LW_EUSAGE:
    case LW_EBUG:
    case LW_ECAPABILITY: return true;
    case LW_EHOST:
    case LW_ETLS:
    case LW_EREPLY: return err->retry != LW_RETRY_LATER && !is_passing_reply(err);
    case LW_EAUTH: return !is_passing_reply(err);
    case LW_OK:
    case LW_AGAIN:
    case LW_DONE:
    case LW_ENOMEM:
    case LW_ELIMIT:
    case LW_ECANCELED:
    case LW_EBUSY:
    case LW_EADDRESS:
    case LW_EMESSAGE:
    case LW_ESOURCE:
    case LW_EOUTPUT:
    case LW_ECONNECT:
    case LW_ELOST:
    case LW_ETIMEOUT:
    case LW_EPROTO: return false;
    }
    return false;
}

const lw_error *
lw_result_of_addresses(const lw_error *first, const lw_error *next)
{
    /* a server's own words tell more than that none was reached; "later" goes before "never" */
    return next->stage <= LW_STAGE_CONNECT || !lw_result_is_lasting(first) ? first : next;
}

bool
lw_result_may_pass(lw_code code)
{
    switch (code) {
    case LW_ENOMEM:
    case LW_ELIMIT:
    case LW_ECONNECT:
    case LW_ELOST:
    case LW_ETIMEOUT:
    case LW_ETLS:
    case LW_EPROTO:
    case LW_EREPLY: return true;
    case LW_OK:
    case LW_AGAIN:
    case LW_DONE:
    case LW_EUSAGE:
    case LW_EBUG:
    case LW_ECANCELED:
    case LW_ECONFIG:
    case LW_EBUSY:
    case LW_EADDRESS:
    case LW_EMESSAGE:
    case LW_ESOURCE:
    case LW_EOUTPUT:
    case LW_EHOST:
    case LW_ECAPABILITY:
    case LW_EAUTH: return false;
    }
    return false;
}

/* ---- sentences --------------------------------------------------------------------------------- */

static const char *
where(lw_stage stage)
{
    switch (stage) {
    case LW_STAGE_GREETING: return " at its greeting";
    case LW_STAGE_EHLO: return " at EHLO";
    case LW_STAGE_STARTTLS: return " at STARTTLS";
    case LW_STAGE_TLS: return " in the TLS handshake";
    case LW_STAGE_AUTH: return " during the login";
    case LW_STAGE_MAIL: return " at MAIL";
    case LW_STAGE_RCPT: return " at RCPT";
    case LW_STAGE_DATA: return " at DATA";
    case LW_STAGE_COMMAND: return " after a command";
    case LW_STAGE_QUIT: return " at QUIT";
    case LW_STAGE_NONE:
    case LW_STAGE_COMPOSE:
    case LW_STAGE_RESOLVE:
    case LW_STAGE_CONNECT: return "";
    }
    return "";
}

/* what speaks there, by its first octets, when it is not SMTP; NULL = cannot be told */
static const char *
foreign_speaker(const lw_link *l)
{
    const unsigned char *p = l->first;
    static const struct {
        const char *start, *meaning;
    } speakers[] = {
        { "HTTP/", "that is a web server (HTTP), no mail server: check host and port" },
        { "SSH-", "that is an SSH server, no mail server: check host and port" },
        { "* ", "that is an IMAP server, which gives mail out: check the port" },
        { "+OK", "that is a POP3 server, which gives mail out: check the port" },
    };

    /* a TLS record: alert or handshake, version 3.x */
    if (l->n_first >= 2 && (p[0] == 0x15 || p[0] == 0x16) && p[1] == 0x03)
        return "the server speaks TLS from the first byte: use smtps://";
    for (size_t i = 0; i < LW_COUNT(speakers); i++) {
        size_t n = strlen(speakers[i].start);

        if (l->n_first >= n && memcmp(p, speakers[i].start, n) == 0)
            return speakers[i].meaning;
    }
    return NULL;
}

static const char *
remedy(const lw_error *err)
{
    bool is_before_data = err->stage < LW_STAGE_DATA || err->stage == LW_STAGE_COMMAND;

    switch (err->code) {
    case LW_ETIMEOUT:
        return err->stage == LW_STAGE_GREETING
                   ? ": try again later; a server that speaks TLS from the first byte (port "
                     "465) also waits like this, and needs smtps://"
                   : is_before_data ? ": try again later" : "";
    case LW_ELOST: return is_before_data ? ": try again later" : "";
    case LW_EPROTO:
        return err->stage == LW_STAGE_GREETING ? ": is that a mail server?" : "";
    case LW_EREPLY:
        if (err->reply_code / 100 == 4)
            return ": try again later";
        return err->stage == LW_STAGE_GREETING ? ": it takes no mail from here" : "";
    default: return "";
    }
}

/* the failure is one of the dialogue: who, and where in it, makes the sentence clear */
static bool
is_of_dialogue(lw_code code)
{
    return code == LW_ELOST || code == LW_ETIMEOUT || code == LW_EPROTO || code == LW_EREPLY ||
           code == LW_ECANCELED;
}

/* what net/ and mime/ say names its host or file already */
static bool
is_complete(const lw_error *err)
{
    return err->stage == LW_STAGE_NONE || err->stage == LW_STAGE_COMPOSE ||
           err->stage == LW_STAGE_RESOLVE || err->stage == LW_STAGE_CONNECT ||
           (err->stage == LW_STAGE_TLS && err->code == LW_ETLS) || err->code == LW_ESOURCE;
}

void
lw_result_explain(lw_error *err, const char *server, const lw_link *link)
{
    char text[LW_ERROR_TEXT_MAX];
    const char *foreign = link == NULL || err->stage != LW_STAGE_GREETING ||
                                  err->code == LW_EREPLY
                              ? NULL : foreign_speaker(link);
    lw_error was = *err;

    if (is_complete(err))
        return;
    snprintf(text, sizeof text, "%s", err->text);
    if (foreign != NULL)
        lw_fail(err, LW_EPROTO, was.stage, "%s: %s", server, foreign);
    else if (is_of_dialogue(was.code))
        lw_fail(err, was.code, was.stage, "%s: %s%s%s", server, text, where(was.stage),
                remedy(&was));
    else
        lw_fail(err, was.code, was.stage, "%s: %s", server, text);
    err->retry = was.retry;
    err->reply_code = was.reply_code;
    err->enhanced = was.enhanced;
    err->os_err = was.os_err;
}

/* ---- one word on all ----------------------------------------------------------------------------- */

typedef struct tally {
    size_t n[LW_OUTCOME_UNCERTAIN + 1];
    size_t failed;
    const lw_result *worst;
} tally;

/* the order in which a failure matters to who asks "may I send again?" */
static const lw_outcome by_weight[] = { LW_OUTCOME_UNCERTAIN, LW_OUTCOME_UNSENT,
                                        LW_OUTCOME_PENDING, LW_OUTCOME_DEFERRED,
                                        LW_OUTCOME_REJECTED };

static unsigned
weight(lw_outcome outcome)
{
    for (unsigned i = 0; i < LW_COUNT(by_weight); i++)
        if (by_weight[i] == outcome)
            return LW_COUNT(by_weight) - i;
    return 0; /* accepted */
}

static tally
count(const lw_report *r)
{
    tally t = { .worst = NULL };

    for (size_t i = 0; i < r->n; i++) {
        const lw_result *one = &r->results[i];

        t.n[one->outcome]++;
        if (one->outcome == LW_OUTCOME_ACCEPTED)
            continue;
        t.failed++;
        if (t.worst == NULL || weight(one->outcome) > weight(t.worst->outcome))
            t.worst = one;
    }
    return t;
}

const char *
lw_report_outcome(const lw_report *r)
{
    tally t;

    if (r == NULL || r->n == 0)
        return lw_outcome_name(LW_OUTCOME_UNSENT);
    t = count(r);
    if (t.failed == 0)
        return lw_outcome_name(LW_OUTCOME_ACCEPTED);
    return t.n[LW_OUTCOME_ACCEPTED] > 0 ? "partial" : lw_outcome_name(t.worst->outcome);
}

/* A text of a fixed size that grows by pieces; what does not fit is cut.  Every message that is
 * accepted gets one, and printf took as long for it as all the rest of a report. */
typedef struct sentence {
    char *dst;
    size_t cap, len;
} sentence;

static void
say(sentence *s, lw_span text)
{
    size_t room = s->cap - 1 - s->len;

    if (text.len > room)
        text.len = room;
    memcpy(s->dst + s->len, text.ptr, text.len);
    s->len += text.len;
    s->dst[s->len] = '\0';
}

static void
say_number(sentence *s, uint64_t n)
{
    char digits[LW_UINT_DIGITS];

    say(s, (lw_span){ digits, lw_uint_write(digits, n) });
}

/* the code, the enhanced code and at most 299 octets of the text */
static void
say_reply(sentence *s, const lw_result *one)
{
    char text[300];

    if (one->code != 0) {
        say_number(s, (uint64_t)one->code);
        say(s, LW_LIT(" "));
    }
    if (one->code != 0 && one->enhanced.klass != 0) {
        say_number(s, one->enhanced.klass);
        say(s, LW_LIT("."));
        say_number(s, one->enhanced.subject);
        say(s, LW_LIT("."));
        say_number(s, one->enhanced.detail);
        say(s, LW_LIT(" "));
    }
    lw_print_safe(text, sizeof text, lw_span_str(one->text));
    say(s, lw_span_str(text));
}

/* the server's name, at most 200 octets of it */
static lw_span
server_name(const lw_report *r)
{
    const char *host = lw_report_server(r)->host;
    lw_span name = lw_span_str(host != NULL ? host : "the server");

    return (lw_span){ name.ptr, name.len < 200 ? name.len : 200 };
}

/* the failure is a refusal by the server: which recipient, where, and what it said */
static void
judge_refusal(lw_report *r, const tally *t)
{
    const lw_result *one = t->worst;
    char said[360] = "", many[80] = "";
    lw_span name = server_name(r);

    say_reply(&(sentence){ said, sizeof said, 0 }, one);
    if (r->n > 1)
        snprintf(many, sizeof many, "%zu of %zu recipients failed; ", t->failed, r->n);
    lw_fail(&r->error, LW_EREPLY, one->stage, "%s%.200s was %s by %.*s%s: %s%s", many,
            one->address, lw_outcome_name(one->outcome), (int)name.len, name.ptr,
            where(one->stage), said,
            one->outcome == LW_OUTCOME_DEFERRED ? ": try again later" : "");
    r->error.retry = one->outcome == LW_OUTCOME_DEFERRED ? LW_RETRY_LATER : LW_RETRY_NO;
    r->error.reply_code = one->code;
    r->error.enhanced = one->enhanced;
}

void
lw_result_tell_success(const lw_report *r, char *dst, size_t cap)
{
    sentence s = { dst, cap, 0 };

    say(&s, LW_LIT("accepted by "));
    say(&s, server_name(r));
    say(&s, LW_LIT(" for "));
    say_number(&s, r->n);
    say(&s, r->n == 1 ? LW_LIT(" recipient") : LW_LIT(" recipients"));
    if (!r->has_reply)
        return;
    say(&s, LW_LIT(": "));
    say_reply(&s, &r->reply);
}

void
lw_result_judge(lw_report *r)
{
    tally t = count(r);

    if (r->n > 0 && t.failed == 0) {
        lw_error_clear(&r->error);
        return;
    }
    /* a connection that was lost, a wish that was not granted: that is the reason, unless the
     * server itself refused */
    if (t.worst != NULL && (t.worst->outcome == LW_OUTCOME_REJECTED ||
                            t.worst->outcome == LW_OUTCOME_DEFERRED))
        judge_refusal(r, &t);
    else if (r->error.code == LW_OK)
        lw_fail(&r->error, LW_EBUG, LW_STAGE_NONE, "the message was not sent");
    if (t.worst != NULL && t.worst->outcome == LW_OUTCOME_UNCERTAIN)
        r->error.retry = LW_RETRY_NO; /* somebody must look first */
}

/* ---- exit codes ------------------------------------------------------------------------------------- */

static int
code_of_reply(const lw_error *err, int permanent)
{
    return err->reply_code / 100 == 4 ? EX_TEMPFAIL : permanent;
}

int
lw_exit_code(const lw_error *err)
{
    if (err == NULL)
        return EX_SOFTWARE;
    switch (err->code) {
    case LW_OK:
    case LW_AGAIN:
    case LW_DONE: return EX_OK;
    case LW_EUSAGE: return EX_USAGE;
    case LW_ENOMEM: return EX_OSERR;
    case LW_EBUG: return EX_SOFTWARE;
    case LW_ECANCELED:
    case LW_EBUSY: return EX_TEMPFAIL;
    case LW_ECONFIG: return EX_CONFIG;
    case LW_ELIMIT: return err->stage == LW_STAGE_COMPOSE ? EX_DATAERR : EX_PROTOCOL;
    case LW_EADDRESS:
    case LW_EMESSAGE: return EX_DATAERR;
    /* a file cannot be read; later it is a body that is not what it was */
    case LW_ESOURCE: return err->stage == LW_STAGE_COMPOSE ? EX_NOINPUT : EX_DATAERR;
    case LW_EOUTPUT: return EX_IOERR;
    case LW_EHOST: return EX_NOHOST;
    case LW_ECONNECT: return EX_UNAVAILABLE;
    case LW_ELOST:
    case LW_ETIMEOUT: return EX_TEMPFAIL;
    case LW_ETLS: return code_of_reply(err, EX_NOPERM);
    case LW_EPROTO: return EX_PROTOCOL;
    case LW_EREPLY: return code_of_reply(err, EX_UNAVAILABLE);
    case LW_ECAPABILITY: return EX_UNAVAILABLE;
    case LW_EAUTH: return code_of_reply(err, EX_NOPERM);
    }
    return EX_SOFTWARE;
}

int
lw_report_exit_code(const lw_report *r)
{
    tally t;

    if (r == NULL)
        return EX_OSERR;
    t = count(r);
    if (r->n == 0 || t.failed == 0)
        return lw_exit_code(&r->error);
    if (t.n[LW_OUTCOME_ACCEPTED] > 0)
        return EX_UNAVAILABLE;
    if (t.n[LW_OUTCOME_REJECTED] == r->n)
        return EX_NOUSER;
    if (t.n[LW_OUTCOME_DEFERRED] > 0 || t.n[LW_OUTCOME_UNCERTAIN] > 0)
        return EX_TEMPFAIL;
    return lw_exit_code(&r->error);
}
