/* SPDX-License-Identifier: MIT */
/*
 * letterwing/base.h - the words that every other header uses
 *
 * Result codes, text spans, the allocator, the stages of a session, the outcome of a
 * recipient, and the error that says all of it in one sentence.  Nothing here does I/O.
 */
#ifndef LETTERWING_BASE_H
#define LETTERWING_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LW_API __attribute__((visibility("default")))
#define LW_MUST_USE __attribute__((warn_unused_result))
#define LW_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define LW_API
#define LW_MUST_USE
#define LW_PRINTF(f, a)
#endif

#define LW_VERSION_MAJOR 0
#define LW_VERSION_MINOR 1
#define LW_VERSION_PATCH 0
#define LW_VERSION "0.1.0"

/** lw_version - the version of the library that runs, such as "0.1.0"; static text */
LW_API const char *lw_version(void);

/*
 * Every result code: name, value, text.  0 is success, positive is "fine, but", negative
 * is an error.  The tens are classes, so that a caller can decide by range:
 *   -1..-9    the program or this machine     -30..-39  the peer broke the protocol
 *   -10..-19  what the caller wants to send   -40..-49  the peer said no
 *   -20..-29  the network between
 */
#define LW_CODE_MAP(X)                                                                   \
    X(OK, 0, "success")                                                                  \
    X(AGAIN, 1, "not yet: ask again later")                                              \
    X(DONE, 2, "nothing more to come")                                                   \
    X(EUSAGE, -1, "the library was called wrongly")                                      \
    X(ENOMEM, -2, "out of memory")                                                       \
    X(ELIMIT, -3, "a configured limit was reached")                                      \
    X(EBUG, -4, "an internal invariant broke: please report this")                       \
    X(ECANCELED, -5, "canceled by the caller")                                           \
    X(ECONFIG, -6, "the configuration is wrong")                                         \
    X(EBUSY, -7, "another process works with it")                                        \
    X(EADDRESS, -10, "a mail address is malformed")                                      \
    X(EMESSAGE, -11, "the message cannot be sent as it is")                              \
    X(ESOURCE, -12, "a part of the message could not be read")                           \
    X(EOUTPUT, -13, "an output file could not be written")                               \
    X(EHOST, -20, "no such host")                                                        \
    X(ECONNECT, -21, "no connection")                                                    \
    X(ELOST, -22, "the connection was lost")                                             \
    X(ETIMEOUT, -23, "the peer did not answer in time")                                  \
    X(ETLS, -24, "TLS failed")                                                           \
    X(EPROTO, -30, "the peer broke the protocol")                                        \
    X(EREPLY, -40, "the peer refused")                                                   \
    X(ECAPABILITY, -41, "the peer does not offer what is needed")                        \
    X(EAUTH, -42, "login failed")

typedef enum lw_code {
#define LW_CODE_ENUM(name, value, text) LW_##name = value,
    LW_CODE_MAP(LW_CODE_ENUM)
#undef LW_CODE_ENUM
} lw_code;

/** lw_code_name - "EPROTO" for LW_EPROTO; "?" for a number that is no code; static text */
LW_API const char *lw_code_name(lw_code code);
/** lw_code_text - the short text of a code; static */
LW_API const char *lw_code_text(lw_code code);

/** Text or octets that somebody else owns.  Zero bytes may occur; not NUL-terminated. */
typedef struct lw_span {
    const char *ptr;
    size_t len;
} lw_span;

/**
 * lw_alloc - where an object takes its memory from
 *
 * resize behaves as realloc: (ctx, NULL, n) allocates, (ctx, p, 0) frees and returns NULL.
 * Every object keeps the allocator that made it; a NULL lw_alloc pointer means malloc.
 */
typedef struct lw_alloc {
    void *(*resize)(void *ctx, void *p, size_t n);
    void *ctx;
} lw_alloc;

/** A size that is not known beforehand. */
#define LW_SIZE_UNKNOWN UINT64_MAX

/** lw_free - frees what a function of this library returned and told you to free; NULL is fine */
LW_API void lw_free(void *p);

/** The stages of a session, in order; used in errors, outcomes and time-outs. */
#define LW_STAGE_MAP(X)                                                                  \
    X(NONE, "none")                                                                      \
    X(COMPOSE, "compose")                                                                \
    X(RESOLVE, "resolve")                                                                \
    X(CONNECT, "connect")                                                                \
    X(TLS, "tls")                                                                        \
    X(GREETING, "greeting")                                                              \
    X(EHLO, "ehlo")                                                                      \
    X(STARTTLS, "starttls")                                                              \
    X(AUTH, "auth")                                                                      \
    X(MAIL, "mail")                                                                      \
    X(RCPT, "rcpt")                                                                      \
    X(DATA, "data")                                                                      \
    X(COMMAND, "command")                                                                \
    X(QUIT, "quit")

typedef enum lw_stage {
#define LW_STAGE_ENUM(name, text) LW_STAGE_##name,
    LW_STAGE_MAP(LW_STAGE_ENUM)
#undef LW_STAGE_ENUM
} lw_stage;

/** lw_stage_name - "rcpt" for LW_STAGE_RCPT; static text */
LW_API const char *lw_stage_name(lw_stage stage);

/**
 * What became of one recipient.
 *
 * UNSENT: never offered, or the connection was lost before its data ended: sending again
 * is safe.  UNCERTAIN: the end of the data left this machine and no reply came: sending
 * again may duplicate.
 */
#define LW_OUTCOME_MAP(X)                                                                \
    X(PENDING, "pending")                                                                \
    X(ACCEPTED, "accepted")                                                              \
    X(REJECTED, "rejected")                                                              \
    X(DEFERRED, "deferred")                                                              \
    X(UNSENT, "unsent")                                                                  \
    X(UNCERTAIN, "uncertain")

typedef enum lw_outcome {
#define LW_OUTCOME_ENUM(name, text) LW_OUTCOME_##name,
    LW_OUTCOME_MAP(LW_OUTCOME_ENUM)
#undef LW_OUTCOME_ENUM
} lw_outcome;

/** lw_outcome_name - "accepted" for LW_OUTCOME_ACCEPTED; static text */
LW_API const char *lw_outcome_name(lw_outcome outcome);

/** What may help after a failure. */
typedef enum lw_retry {
    LW_RETRY_NO,         /* the same attempt will fail again               */
    LW_RETRY_LATER,      /* later, the same way                            */
    LW_RETRY_OTHER_HOST  /* now, at another host                           */
} lw_retry;

/** An enhanced status code, RFC 3463: klass 2, 4 or 5; all zero means absent. */
typedef struct lw_enhanced {
    uint16_t klass, subject, detail;
} lw_enhanced;

/**
 * One complete reply of a server.
 *
 * text: the lines without code and enhanced status, joined with '\n'; as the server sent
 * it (it may hold any octet but CR LF; escape it before showing it on a terminal).
 */
typedef struct lw_reply {
    int code;             /* 200..599, 0 = there was no reply            */
    lw_enhanced enhanced; /* given and matching the code's class, or 0   */
    lw_span text;
    unsigned n_lines;
} lw_reply;

#define LW_ERROR_TEXT_MAX 640

/** A failure, whole.  Plain data: copy it freely, nothing in it needs to be freed. */
typedef struct lw_error {
    lw_code code;
    lw_stage stage;
    lw_retry retry;
    int reply_code;       /* the peer's, 0 = none                         */
    lw_enhanced enhanced;
    int os_err;           /* errno value, 0 = none                        */
    char text[LW_ERROR_TEXT_MAX]; /* one sentence, NUL-terminated, printable UTF-8; no secrets */
} lw_error;

#ifdef __cplusplus
}
#endif
#endif
