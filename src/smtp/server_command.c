/* SPDX-License-Identifier: MIT */
/*
 * smtp/server_command.c - verbs: order, policy, and the events they become
 *
 * Sources: RFC 5321 4.1 and 4.3, RFC 2033 4, RFC 3207 4, RFC 4954 4, RFC 9422 (LIMITS).
 */
#include "smtp/server_int.h"

enum {
    NEEDS_HELLO = 1,  /* 503 before EHLO                               */
    NEEDS_POLICY = 2, /* 530 while TLS or a login is required          */
    NO_ARGUMENT = 4,
    NEEDS_ARGUMENT = 8,
    MAY_BE_UTF8 = 16,
    NEEDS_TLS = 32    /* 530 while TLS is required                     */
};

static const lw_refusal out_of_order = { 503, "5.5.1", "Bad sequence of commands" };
static const lw_refusal not_here = { 502, "5.5.1", "Command not implemented" };

static void
refuse(lw_smtp_server *e, int code, const char *enhanced, const char *text)
{
    lw_server_refuse(e, &(lw_refusal){ code, enhanced, text });
}

static void
ask_with_text(lw_smtp_server *e, lw_server_event_kind kind, lw_span text)
{
    const char *copy;

    e->store.len = 0;
    copy = lw_store_span(&e->store, text);
    e->ev = (lw_server_event){ .text = { copy, copy != NULL ? text.len : 0 } };
    lw_server_ask(e, kind);
}

/* What the server offers to a client that said EHLO. */
static uint32_t
active_caps(const lw_smtp_server *e)
{
    return e->is_esmtp ? lw_server_caps(e) : 0;
}

static lw_command_rules
rules_of(const lw_smtp_server *e)
{
    return (lw_command_rules){ .caps = active_caps(e),
                               .has_smtputf8 = e->has_smtputf8,
                               .size_max = e->o.size_max,
                               .deliverby_min_s = e->o.deliverby_min_s,
                               .hold_max_s = e->o.hold_max_s,
                               .hold_max_until = e->o.hold_max_until };
}

/* ---- session ------------------------------------------------------------------------- */

static void
hello(lw_smtp_server *e, lw_verb verb, lw_span args)
{
    bool is_lmtp = e->o.protocol == LW_PROTOCOL_LMTP;

    /* [RFC2033 4.1] "commands.  The 500 reply code is recommended." */
    if (is_lmtp != (verb == LW_VERB_LHLO)) {
        refuse(e, 500, NULL, is_lmtp ? "This is LMTP: use LHLO" : "This is SMTP: use EHLO");
        return;
    }
    if (args.len == 0) {
        refuse(e, 501, NULL, "Syntax: EHLO domain");
        return;
    }
    ask_with_text(e, LW_SERVER_HELLO, args);
    e->ev.is_esmtp = verb != LW_VERB_HELO;
}

static void
starttls(lw_smtp_server *e)
{
    if (e->has_tls)
        refuse(e, 503, "5.5.1", "TLS is active already");
    else if ((active_caps(e) & LW_CAP_STARTTLS) == 0)
        lw_server_refuse(e, &not_here);
    else if (e->state != LW_SERVER_S_READY)
        lw_server_refuse(e, &out_of_order);
    else {
        (void)lw_server_say(e, 220, "2.0.0", "Ready to start TLS");
        lw_server_set_state(e, LW_SERVER_S_TLS_REPLY);
    }
}

static void
rset(lw_smtp_server *e)
{
    lw_server_drop(e);
    if (e->state != LW_SERVER_S_GREETED)
        lw_server_set_state(e, LW_SERVER_S_READY);
    (void)lw_server_say(e, 250, "2.0.0", "OK");
}

/* ---- login ------------------------------------------------------------------------------ */

static bool
is_in_list(const char *list, lw_span word)
{
    lw_span rest = lw_span_str(list), item;

    while (word.len > 0 && lw_span_token(&rest, ' ', &item)) {
        if (lw_span_eq_nocase(item, word))
            return true;
    }
    return false;
}

/* Why this AUTH command cannot begin a login. */
static const lw_refusal *
auth_refusal(const lw_smtp_server *e, lw_span mechanism, lw_span initial)
{
    static const lw_refusal again = { 503, "5.5.1", "Already authenticated" };
    static const lw_refusal tls_first = { 530, "5.7.0", "Must issue a STARTTLS command first" };
    static const lw_refusal unsafe = { 538, "5.7.11",
                                       "Encryption required for requested mechanism" };
    static const lw_refusal no_mechanism = { 504, "5.5.4",
                                             "Unrecognized authentication mechanism" };
    static const lw_refusal base64 = { 501, "5.5.2", "Invalid base64" };

    /* [RFC4954 4] "successful AUTH command completes, a server MUST reject any" */
    if (e->has_auth)
        return &again;
    /* [RFC4954 4] "The AUTH command is not permitted during a mail transaction." */
    if (e->state != LW_SERVER_S_READY)
        return &out_of_order;
    if (e->o.require_tls && !e->has_tls)
        return &tls_first;
    if ((e->o.capabilities & LW_CAP_AUTH) == 0 || !e->is_esmtp)
        return &not_here;
    if (!is_in_list(lw_server_mechanisms(e), mechanism))
        return is_in_list(e->o.auth, mechanism) && !e->has_tls ? &unsafe : &no_mechanism;
    /* [RFC4954 4] "MUST reject the AUTH command with a 501 reply (and an enhanced" */
    if (!lw_span_eq(initial, LW_LIT("=")) && !lw_command_is_base64(initial))
        return &base64;
    return NULL;
}

static void
auth(lw_smtp_server *e, lw_span args)
{
    lw_span mechanism = { args.ptr, lw_span_find(args, ' ') };
    lw_span initial = { args.ptr + mechanism.len, args.len - mechanism.len };
    const lw_refusal *why;
    const char *copy;

    initial = lw_span_trim(initial);
    if ((why = auth_refusal(e, mechanism, initial)) != NULL) {
        lw_server_refuse(e, why);
        return;
    }
    ask_with_text(e, LW_SERVER_AUTH, mechanism);
    e->ev.has_data = initial.len > 0;
    /* [RFC4954 4] "equals sign ("=").  This indicates that the response is" */
    if (lw_span_eq(initial, LW_LIT("=")))
        initial.len = 0;
    copy = lw_store_span(&e->store, initial);
    e->ev.data = (lw_span){ copy, copy != NULL ? initial.len : 0 };
}

void
lw_server_auth_line(lw_smtp_server *e, lw_span line)
{
    static const lw_refusal canceled = { 501, "5.7.0", "Authentication canceled" };
    static const lw_refusal base64 = { 501, "5.5.2", "Invalid base64" };
    const lw_refusal *why = NULL;

    /* [RFC4954 4] "If the server receives such a response, it MUST reject the" */
    if (lw_span_eq(line, LW_LIT("*")))
        why = &canceled;
    else if (!lw_command_is_base64(line))
        why = &base64;
    if (why != NULL) {
        lw_wipe(e->line, line.len);
        lw_server_set_state(e, LW_SERVER_S_READY);
        lw_server_refuse(e, why);
        return;
    }
    if (line.ptr != e->line && line.len > 0)
        memcpy(e->line, line.ptr, line.len);
    e->ev = (lw_server_event){ .data = { e->line, line.len }, .has_data = true };
    lw_server_ask(e, LW_SERVER_AUTH_DATA);
}

/* ---- transaction ---------------------------------------------------------------------------- */

static void
mail(lw_smtp_server *e, lw_span args)
{
    lw_command_rules rules = rules_of(e);
    const lw_refusal *why;

    if (e->state != LW_SERVER_S_READY) {
        refuse(e, 503, "5.5.1", "Nested MAIL command");
        return;
    }
    e->has_tried_mail = true;
    /* A client that was told MAILMAX and goes on would only collect refusals: the session ends,
     * and what it has left goes into the next one. */
    if (e->o.limit_mail_max != 0 && e->n_mails >= e->o.limit_mail_max) {
        (void)lw_server_say(e, 421, "4.7.0", "Too many transactions in this session");
        lw_server_begin_close(e, LW_ELIMIT);
        return;
    }
    e->n_mails++;
    e->store.len = 0;
    e->ev = (lw_server_event){ .index = 0 };
    why = lw_command_mail(args, &rules, &e->store, &e->ev.mail);
    if (why != NULL)
        lw_server_refuse(e, why);
    else
        lw_server_ask(e, LW_SERVER_MAIL);
}

/* RFC 9422: RCPTDOMAINMAX counts the different domains of a session. */
static bool
count_domain(lw_smtp_server *e, const char *address)
{
    uint64_t h;

    if (e->o.limit_rcpt_domain_max == 0)
        return true;
    h = lw_domain_hash(address);
    for (uint32_t i = 0; i < e->n_domains; i++) {
        if (e->domains[i] == h)
            return true;
    }
    if (e->n_domains == e->o.limit_rcpt_domain_max)
        return false;
    e->domains[e->n_domains++] = h;
    return true;
}

static void
rcpt(lw_smtp_server *e, lw_span args)
{
    /* [RFC5321 4.5.3.1.10] "commands and this limit is exhausted, it MUST use a response code of" */
    static const lw_refusal too_many = { 452, "4.5.3", "Too many recipients" };
    static const lw_refusal domains = { 452, "4.5.3", "Too many recipient domains" };
    lw_command_rules rules = rules_of(e);
    const lw_refusal *why;

    if (e->state != LW_SERVER_S_MAIL) {
        lw_server_refuse(e, &out_of_order);
        return;
    }
    e->store.len = 0;
    e->ev = (lw_server_event){ .index = e->n_rcpts };
    why = lw_command_rcpt(args, &rules, &e->store, &e->ev.rcpt);
    if (why == NULL && (e->n_rcpts >= e->o.rcpt_max ||
                        (e->o.limit_rcpt_max != 0 && e->n_rcpt_cmds >= e->o.limit_rcpt_max)))
        why = &too_many;
    e->n_rcpt_cmds++;
    if (why == NULL && !count_domain(e, e->ev.rcpt.address))
        why = &domains;
    if (why != NULL)
        lw_server_refuse(e, why);
    else
        lw_server_ask(e, LW_SERVER_RCPT);
}

static void
data(lw_smtp_server *e)
{
    if (e->state != LW_SERVER_S_MAIL) {
        /* [RFC3030 2] "DATA and BDAT commands cannot be used in the same transaction." */
        lw_server_refuse(e, &out_of_order);
    } else if (e->n_rcpts == 0) {
        /* [RFC2033 4.2] "RCPT commands in the mail transaction, the DATA command MUST fail" */
        bool is_503 = e->n_rcpt_cmds == 0 || e->o.protocol == LW_PROTOCOL_LMTP;

        refuse(e, is_503 ? 503 : 554, "5.5.1", "No valid recipients");
    } else if (e->body_type == LW_BODY_BINARYMIME) {
        /* [RFC3030 3] "BINARYMIME cannot be used with the DATA command." */
        refuse(e, 503, "5.5.1", "BINARYMIME needs BDAT");
    } else {
        e->ev = (lw_server_event){ .is_bdat = false };
        lw_server_ask(e, LW_SERVER_DATA);
    }
}

/* [RFC6531 3.7.4.2] "it indicates that the SMTP client can accept UTF-8 strings in replies to
 * those commands" */
static void
ask_about(lw_smtp_server *e, lw_server_event_kind kind, lw_span args)
{
    static const lw_span parameter = { " SMTPUTF8", 9 };
    bool has_utf8 = args.len > parameter.len && (active_caps(e) & LW_CAP_SMTPUTF8) != 0 &&
                    lw_span_eq_nocase((lw_span){ args.ptr + args.len - parameter.len,
                                                 parameter.len }, parameter);

    if (has_utf8)
        args.len -= parameter.len;
    ask_with_text(e, kind, lw_span_trim(args));
    e->ev.mail.smtputf8 = has_utf8;
}

/* ---- dispatch ---------------------------------------------------------------------------------- */

static unsigned
verb_flags(lw_verb verb)
{
    static const unsigned char flags[] = {
        [LW_VERB_MAIL] = NEEDS_HELLO | NEEDS_POLICY | NEEDS_ARGUMENT | MAY_BE_UTF8,
        [LW_VERB_RCPT] = NEEDS_HELLO | NEEDS_POLICY | NEEDS_ARGUMENT | MAY_BE_UTF8,
        [LW_VERB_DATA] = NEEDS_HELLO | NEEDS_POLICY | NO_ARGUMENT,
        [LW_VERB_RSET] = NO_ARGUMENT | NEEDS_TLS,
        [LW_VERB_VRFY] = NEEDS_POLICY | NEEDS_ARGUMENT | MAY_BE_UTF8,
        [LW_VERB_EXPN] = NEEDS_POLICY | NEEDS_ARGUMENT | MAY_BE_UTF8,
        [LW_VERB_HELP] = NEEDS_POLICY,
        [LW_VERB_QUIT] = NO_ARGUMENT,
        [LW_VERB_AUTH] = NEEDS_HELLO | NEEDS_ARGUMENT,
        [LW_VERB_STARTTLS] = NEEDS_HELLO | NO_ARGUMENT,
    };

    return (size_t)verb < LW_COUNT(flags) ? flags[verb] : 0;
}

/* Octets that no command may hold. */
static const lw_refusal *
octet_refusal(const lw_smtp_server *e, lw_span line, bool may_be_utf8)
{
    static const lw_refusal cr = { 500, "5.5.2", "Lines end with CR LF, not with CR alone" };
    static const lw_refusal control = { 501, "5.5.2", "Control character in a command" };
    static const lw_refusal high = { 501, "5.5.2", "Non-ASCII octet in a command" };
    unsigned char lowest = 0xff, all = 0;

    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.ptr[i];

        lowest = c < lowest ? c : lowest;
        lowest = c == 0x7f ? 0 : lowest;
        all |= c;
    }
    if (lowest < 0x20)
        return lw_span_find(line, '\r') < line.len ? &cr : &control;
    /* [RFC5321 4.1.2] "MUST reject that command with a 501 response (this rule," */
    if ((all & 0x80) != 0 && !(may_be_utf8 && (active_caps(e) & LW_CAP_SMTPUTF8) != 0 &&
                               lw_utf8_valid(line)))
        return &high;
    return NULL;
}

/* What stands against this command before it is looked at closely. */
static const lw_refusal *
common_refusal(const lw_smtp_server *e, unsigned flags, lw_span args)
{
    static const lw_refusal no_argument = { 501, "5.5.4", "No argument is allowed" };
    static const lw_refusal argument = { 501, "5.5.4", "An argument is needed" };
    static const lw_refusal hello_first = { 503, "5.5.1", "Send EHLO first" };
    static const lw_refusal tls_first = { 530, "5.7.0", "Must issue a STARTTLS command first" };
    static const lw_refusal login_first = { 530, "5.7.0", "Authentication required" };

    if ((flags & NO_ARGUMENT) != 0 && args.len > 0)
        return &no_argument;
    if ((flags & NEEDS_ARGUMENT) != 0 && args.len == 0)
        return &argument;
    if ((flags & NEEDS_HELLO) != 0 && e->state == LW_SERVER_S_GREETED)
        return &hello_first;
    /* [RFC3207 4] "to every command other than NOOP, EHLO, STARTTLS, or QUIT." */
    if ((flags & (NEEDS_POLICY | NEEDS_TLS)) != 0 && e->o.require_tls && !e->has_tls)
        return &tls_first;
    /* [RFC4954 6] "This response SHOULD be returned by any command other than AUTH," */
    if ((flags & NEEDS_POLICY) != 0 && e->o.require_auth && !e->has_auth)
        return &login_first;
    return NULL;
}

static void
dispatch(lw_smtp_server *e, lw_verb verb, lw_span args, lw_span line)
{
    switch (verb) {
    case LW_VERB_HELO:
    case LW_VERB_EHLO:
    case LW_VERB_LHLO:
        hello(e, verb, args);
        return;
    case LW_VERB_MAIL:
        mail(e, args);
        return;
    case LW_VERB_RCPT:
        rcpt(e, args);
        return;
    case LW_VERB_DATA:
        data(e);
        return;
    case LW_VERB_BDAT:
        lw_server_bdat(e, args);
        return;
    case LW_VERB_RSET:
        rset(e);
        return;
    case LW_VERB_VRFY:
        ask_about(e, LW_SERVER_VRFY, args);
        return;
    case LW_VERB_EXPN:
        ask_about(e, LW_SERVER_EXPN, args);
        return;
    case LW_VERB_HELP:
        ask_with_text(e, LW_SERVER_HELP, args);
        return;
    case LW_VERB_NOOP:
        (void)lw_server_say(e, 250, "2.0.0", "OK");
        return;
    case LW_VERB_QUIT:
        lw_server_quit(e);
        return;
    case LW_VERB_AUTH:
        auth(e, args);
        return;
    case LW_VERB_STARTTLS:
        starttls(e);
        return;
    case LW_VERB_UNKNOWN:
        ask_with_text(e, LW_SERVER_UNKNOWN, line);
        return;
    }
}

void
lw_server_command(lw_smtp_server *e, lw_span line)
{
    lw_span args;
    lw_verb verb;
    const lw_refusal *why;

    while (line.len > 0 && (line.ptr[line.len - 1] == ' ' || line.ptr[line.len - 1] == '\t'))
        line.len--;
    verb = lw_command_verb(line, &args);
    why = octet_refusal(e, line, (verb_flags(verb) & MAY_BE_UTF8) != 0);
    /* [RFC5321 3.1] "respond to any intervening commands with" 503 */
    if (e->state == LW_SERVER_S_REFUSED && verb != LW_VERB_QUIT)
        why = &out_of_order;
    if (why == NULL)
        why = common_refusal(e, verb_flags(verb), args);
    /* the octets behind a refused BDAT are still to be swallowed */
    if (why != NULL && !(verb == LW_VERB_BDAT && e->state != LW_SERVER_S_REFUSED))
        lw_server_refuse(e, why);
    else
        dispatch(e, verb, args, line);
}
