/* SPDX-License-Identifier: MIT */
/*
 * smtp/command.h - command lines of SMTP and LMTP, parsed strictly
 *
 * Pure functions: a line without its CRLF in, values or a refusal out.  What they decode
 * goes to a store that the caller owns, so nothing is allocated.
 */
#ifndef LW_SMTP_COMMAND_H
#define LW_SMTP_COMMAND_H

#include <letterwing/server.h>

#include "base/base.h"

/** Every verb; the others are LW_VERB_UNKNOWN. */
#define LW_VERB_MAP(X)                                                                   \
    X(HELO) X(EHLO) X(LHLO) X(MAIL) X(RCPT) X(DATA) X(BDAT) X(RSET) X(VRFY) X(EXPN)      \
    X(HELP) X(NOOP) X(QUIT) X(AUTH) X(STARTTLS)

typedef enum lw_verb {
    LW_VERB_UNKNOWN,
#define LW_VERB_ENUM(name) LW_VERB_##name,
    LW_VERB_MAP(LW_VERB_ENUM)
#undef LW_VERB_ENUM
} lw_verb;

/** lw_command_verb - the verb of a line, any case; args = the rest without outer spaces */
lw_verb lw_command_verb(lw_span line, lw_span *args);

/** Why a command is refused; all text is static. */
typedef struct lw_refusal {
    int code;
    const char *enhanced;
    const char *text;
} lw_refusal;

/** What the parsers need to know about the session. */
typedef struct lw_command_rules {
    uint32_t caps;         /* offered now, LW_CAP_*                       */
    bool has_smtputf8;     /* RCPT: the transaction was begun with it     */
    uint64_t size_max;     /* 0 = no limit                                */
    uint64_t deliverby_min_s;
    uint64_t hold_max_s;
    const char *hold_max_until;
} lw_command_rules;

/** Where decoded, NUL-terminated text goes. */
typedef struct lw_store {
    char *ptr;
    size_t len, cap;
} lw_store;

/** lw_store_span - a NUL-terminated copy in the store, NULL if it is full */
char *lw_store_span(lw_store *store, lw_span s);
/** lw_store_xtext - s decoded from xtext in the store; NULL if malformed, full, or if the
 *  result holds a control or is not UTF-8 */
char *lw_store_xtext(lw_store *store, lw_span s);

/** lw_command_mail - MAIL's arguments; NULL = good, and *out is whole (its text in store) */
const lw_refusal *lw_command_mail(lw_span args, const lw_command_rules *rules, lw_store *store,
                                  lw_server_mail *out);
/** lw_command_rcpt - RCPT's arguments, likewise */
const lw_refusal *lw_command_rcpt(lw_span args, const lw_command_rules *rules, lw_store *store,
                                  lw_server_rcpt *out);
/** lw_command_bdat - "n" or "n LAST"; false if malformed */
bool lw_command_bdat(lw_span args, uint64_t *size, bool *is_last);
/** lw_command_is_base64 - well-formed base64 (RFC 4648 4), padded; empty counts */
bool lw_command_is_base64(lw_span s);

/* ---- command_path.c: RFC 5321 4.1.2 and 4.1.3, RFC 6531 3.3 ------------------------------ */

/** lw_mailbox_len - octets of the Mailbox at the start of s, 0 = none; octets above 0x7f
 *  count as letters (the caller has checked that they are UTF-8 and wanted) */
size_t lw_mailbox_len(lw_span s);
/** lw_path_take - the Path "<...>" at the start of *rest, moved behind it; *mailbox = what is
 *  inside without the source route, empty for "<>"; false if malformed */
bool lw_path_take(lw_span *rest, lw_span *mailbox);
/** lw_domain_hash - of an address's domain in any case, to count different ones (RFC 9422); two
 *  domains with one hash only make a limit wider */
uint64_t lw_domain_hash(const char *address);

/* ---- command_param.c: the parameters of MAIL and RCPT --------------------------------------- */

const lw_refusal *lw_param_mail(lw_span params, const lw_command_rules *rules, lw_store *store,
                                lw_server_mail *out);
const lw_refusal *lw_param_rcpt(lw_span params, const lw_command_rules *rules, lw_store *store,
                                lw_server_rcpt *out);

/** lw_is_utc_date_time - such as "2026-11-24T23:59:59Z" (RFC 4865 3, RFC 3339) */
bool lw_is_utc_date_time(lw_span s);
/** lw_date_time_is_later - a is behind b, to the second; both are such date-times */
bool lw_date_time_is_later(const char *a, const char *b);

#endif
