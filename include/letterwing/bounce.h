/* SPDX-License-Identifier: MIT */
/*
 * letterwing/bounce.h - delivery reports read: what became of whom
 *
 * Give the octets of a message in any split, then ask for the report.  Reads delivery status
 * notifications (RFC 3464), also in the UTF-8 form of RFC 6533; message disposition
 * notifications (RFC 8098) and feedback reports (RFC 5965) are known by their kind, with the fields
 * that they share.  Missing and malformed fields are left out, not refused.
 */
#ifndef LETTERWING_BOUNCE_H
#define LETTERWING_BOUNCE_H

#include <letterwing/read.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LW_BOUNCE_KIND_MAP(X)                                                                \
    X(NONE, "none")                                                                          \
    X(DELIVERY, "delivery")       /* RFC 3464, 6533: a delivery status notification       */ \
    X(DISPOSITION, "disposition") /* RFC 8098: the recipient saw, deleted, ... it          */ \
    X(FEEDBACK, "feedback")       /* RFC 5965: a complaint                                */

typedef enum lw_bounce_kind {
#define LW_BOUNCE_KIND_ENUM(name, text) LW_BOUNCE_##name,
    LW_BOUNCE_KIND_MAP(LW_BOUNCE_KIND_ENUM)
#undef LW_BOUNCE_KIND_ENUM
} lw_bounce_kind;

/** lw_bounce_kind_name - "delivery" for LW_BOUNCE_DELIVERY; static text */
LW_API const char *lw_bounce_kind_name(lw_bounce_kind kind);

/** The action-value of RFC 3464 2.3.3; UNKNOWN: the field is missing or holds none of them. */
#define LW_BOUNCE_ACTION_MAP(X)                                                              \
    X(UNKNOWN, "unknown")                                                                    \
    X(FAILED, "failed")                                                                      \
    X(DELAYED, "delayed")                                                                    \
    X(DELIVERED, "delivered")                                                                \
    X(RELAYED, "relayed")                                                                    \
    X(EXPANDED, "expanded")

typedef enum lw_bounce_action {
#define LW_BOUNCE_ACTION_ENUM(name, text) LW_BOUNCE_ACTION_##name,
    LW_BOUNCE_ACTION_MAP(LW_BOUNCE_ACTION_ENUM)
#undef LW_BOUNCE_ACTION_ENUM
} lw_bounce_action;

/** lw_bounce_action_name - "failed" for LW_BOUNCE_ACTION_FAILED; static text */
LW_API const char *lw_bounce_action_name(lw_bounce_action action);

/** A value with its type, as in "rfc822; bob@example.org"; NULL = none.  type is lower case, "" where
 *  the field had no semicolon.  UTF-8 without controls; addresses of the type utf-8 are decoded
 *  (RFC 6533 3), and < > around an address are gone. */
typedef struct lw_bounce_value {
    const char *type, *text;
} lw_bounce_value;

/** One recipient.  Text that is NULL was not there. */
typedef struct lw_bounce_rcpt {
    lw_bounce_value original;     /* Original-Recipient: whom the sender named (ORCPT)       */
    lw_bounce_value final_rcpt;   /* Final-Recipient: whom the reporting MTA tried           */
    lw_bounce_action action;
    lw_enhanced status;           /* Status; klass 0 = missing or malformed                  */
    lw_bounce_value remote_mta;
    lw_bounce_value diagnostic;   /* Diagnostic-Code                                         */
    int reply_code;               /* the SMTP reply that the diagnostic begins with, or 0    */
    lw_enhanced reply_enhanced;   /* its enhanced code: often more precise than status      */
    const char *last_attempt;     /* date-time as it stands                                  */
    const char *will_retry_until; /* date-time as it stands                                  */
    const char *final_log_id;
} lw_bounce_rcpt;

typedef struct lw_bounce_report {
    lw_bounce_kind kind;
    bool is_utf8;                 /* message/global-...: the form of RFC 6533                */
    const char *envelope_id;      /* Original-Envelope-Id                                    */
    lw_bounce_value reporting_mta, dsn_gateway, received_from_mta;
    const char *arrival_date;     /* date-time as it stands                                  */
    const char *reporting_ua;     /* DISPOSITION                                             */
    const char *disposition;      /* DISPOSITION: "manual-action/MDN-sent-manually; displayed" */
    const char *feedback_type;    /* FEEDBACK: "abuse"                                       */
    const char *source_ip;        /* FEEDBACK                                                */
    const char *reporter_subject; /* of the report itself                                    */
    /* of the message that came back, from its header or what the report says of it */
    const char *message_id;       /* with <>                                                 */
    const char *from, *to, *subject, *date; /* decoded                                       */
    lw_bounce_rcpt *rcpts;        /* in the order of the report                              */
    size_t n_rcpts;
} lw_bounce_report;

typedef struct lw_bounce_opts {
    size_t size;                /* sizeof of this struct: set by lw_bounce_opts_init()       */
    const lw_alloc *alloc;      /* NULL = malloc; copied                                     */
    size_t max_rcpts;           /* 0 = 10,000; one more: LW_ELIMIT                           */
    size_t max_bytes;           /* of all fields that are kept, 0 = 8 MiB; more: LW_ELIMIT   */
    lw_charset_hook charset;    /* convert may be NULL                                       */
} lw_bounce_opts;

/** lw_bounce_opts_init - set all options to their defaults */
static inline void lw_bounce_opts_init(lw_bounce_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
}

typedef struct lw_bounce lw_bounce;

/** lw_bounce_new - before the first octet.  LW_OK, LW_ENOMEM.  End it with lw_bounce_free(). */
LW_API LW_MUST_USE lw_code lw_bounce_new(const lw_bounce_opts *opts, lw_bounce **out);
LW_API void lw_bounce_free(lw_bounce *b);
/** lw_bounce_feed - octets of the message, any split, all taken.  LW_OK; LW_ENOMEM, LW_ELIMIT: no
 *  report will come. */
LW_API LW_MUST_USE lw_code lw_bounce_feed(lw_bounce *b, const void *p, size_t n);
/**
 * lw_bounce_end - the message is complete
 *
 * @report  out: owned by b, until lw_bounce_free(); NULL unless LW_OK
 * LW_OK; LW_EMESSAGE: it is a message, but holds no report; LW_ENOMEM, LW_ELIMIT.
 */
LW_API LW_MUST_USE lw_code lw_bounce_end(lw_bounce *b, const lw_bounce_report **report);

#ifdef __cplusplus
}
#endif
#endif
