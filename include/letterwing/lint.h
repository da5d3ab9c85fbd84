/* SPDX-License-Identifier: MIT */
/*
 * letterwing/lint.h - what receivers will hold against a message
 *
 * Give the octets of a message in any split, then look at the findings: each has a severity, an
 * id that does not change, a place, one sentence, and the standard (or the custom) that it stands
 * on.  Nothing is looked up and no clock is read: the same octets give the same findings.
 */
#ifndef LETTERWING_LINT_H
#define LETTERWING_LINT_H

#include <letterwing/base.h>

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/** ERROR: receivers refuse it, or read something else than was meant.  WARNING: some do, or count
 *  it as a mark of spam.  NOTE: worth knowing. */
typedef enum lw_lint_severity {
    LW_LINT_NOTE,
    LW_LINT_WARNING,
    LW_LINT_ERROR
} lw_lint_severity;

/** lw_lint_severity_name - "error" for LW_LINT_ERROR; static text */
LW_API const char *lw_lint_severity_name(lw_lint_severity severity);

/** Every kind of finding: name, id, severity, the standard behind it. */
#define LW_LINT_MAP(X)                                                                       \
    X(MISSING_HEADER, "missing-header", ERROR, "RFC 5322 3.6")                               \
    X(MISSING_RECOMMENDED, "missing-recommended-header", WARNING, "RFC 5322 3.6")            \
    X(DUPLICATE_HEADER, "duplicate-header", ERROR, "RFC 5322 3.6")                           \
    X(BAD_HEADER_LINE, "bad-header-line", ERROR, "RFC 5322 2.2")                             \
    X(HEADER_CONTROL, "header-control", ERROR, "RFC 5322 2.2")                               \
    X(HEADER_UTF8, "header-utf8", WARNING, "RFC 6532 3.2")                                   \
    X(HEADER_8BIT, "header-8bit", ERROR, "RFC 6532 3.2")                                     \
    X(BAD_ADDRESS, "bad-address", ERROR, "RFC 5322 3.4")                                     \
    X(NO_SENDER, "no-sender", ERROR, "RFC 5322 3.6.2")                                       \
    X(BAD_DATE, "bad-date", ERROR, "RFC 5322 3.3")                                           \
    X(BAD_MESSAGE_ID, "bad-message-id", WARNING, "RFC 5322 3.6.4")                           \
    X(BCC_SHOWN, "bcc-shown", NOTE, "RFC 5322 3.6.3")                                        \
    X(BAD_ENCODED_WORD, "bad-encoded-word", WARNING, "RFC 2047 2")                           \
    X(LONG_LINE, "long-line", ERROR, "RFC 5322 2.1.1")                                       \
    X(BARE_CR, "bare-cr", ERROR, "RFC 5322 2.3")                                             \
    X(BARE_LF, "bare-lf", ERROR, "RFC 5322 2.3")                                             \
    X(LF_LINES, "lf-lines", NOTE, "RFC 5322 2.1")                                            \
    X(NUL, "nul", ERROR, "RFC 5322 4.1")                                                     \
    X(MISSING_MIME_VERSION, "missing-mime-version", WARNING, "RFC 2045 4")                   \
    X(BAD_MIME_VERSION, "bad-mime-version", WARNING, "RFC 2045 4")                           \
    X(UNDECLARED_8BIT, "undeclared-8bit", ERROR, "RFC 2045 6.2")                             \
    X(BAD_ENCODING, "bad-encoding", ERROR, "RFC 2045 6.4")                                   \
    X(BINARY, "binary", WARNING, "RFC 3030 3")                                               \
    X(BAD_ENCODED_BODY, "bad-encoded-body", ERROR, "RFC 2045 6")                             \
    X(BAD_CONTENT_TYPE, "bad-content-type", ERROR, "RFC 2045 5.1")                           \
    X(BAD_BOUNDARY, "bad-boundary", ERROR, "RFC 2046 5.1.1")                                 \
    X(TEXT_OUTSIDE_PARTS, "text-outside-parts", NOTE, "RFC 2046 5.1.1")                      \
    X(DEEP_NESTING, "deep-nesting", WARNING, "custom: readers stop at some depth")           \
    X(INVALID_UTF8, "invalid-utf8", ERROR, "RFC 3629 3")                                     \
    X(CHARSET, "charset", WARNING, "RFC 2045 5.2")                                           \
    X(HTML_ONLY, "html-only", WARNING, "RFC 2046 5.1.4")                                     \
    X(EMPTY, "empty", WARNING, "custom: counted as a mark of spam")                          \
    X(BLOCKED_ATTACHMENT, "blocked-attachment", ERROR, "custom: Gmail refuses it")           \
    X(RISKY_ATTACHMENT, "risky-attachment", WARNING, "custom: Outlook hides it")             \
    X(LARGE, "large", WARNING, "custom: many servers take 10 MB")                            \
    X(TOO_LARGE, "too-large", ERROR, "custom: most servers take 25 MB or less")              \
    X(LIST_UNSUBSCRIBE, "list-unsubscribe", ERROR, "RFC 2369 2")                             \
    X(ONE_CLICK, "one-click", ERROR, "RFC 8058 3.1")                                         \
    X(ONE_CLICK_MISSING, "one-click-missing", WARNING, "RFC 8058 3.1")                       \
    X(ONE_CLICK_UNSIGNED, "one-click-unsigned", ERROR, "RFC 8058 4")                         \
    X(ONE_CLICK_TO_SIGN, "one-click-to-sign", NOTE, "RFC 8058 4")                            \
    X(DKIM_SYNTAX, "dkim-syntax", ERROR, "RFC 6376 3.5")                                     \
    X(DKIM_FROM, "dkim-from", ERROR, "RFC 6376 5.4")                                         \
    X(DKIM_LENGTH, "dkim-length", WARNING, "RFC 6376 8.2")                                   \
    X(DKIM_SHA1, "dkim-sha1", ERROR, "RFC 8301 3.1")                                         \
    X(DKIM_ALIGNMENT, "dkim-alignment", WARNING, "RFC 7489 3.1.1")                           \
    X(MORE, "more", NOTE, "this linter")

typedef enum lw_lint_id {
#define LW_LINT_ENUM(name, id, severity, source) LW_LINT_##name,
    LW_LINT_MAP(LW_LINT_ENUM)
#undef LW_LINT_ENUM
} lw_lint_id;

typedef struct lw_lint_finding {
    lw_lint_id id;
    lw_lint_severity severity;
    const char *name;    /* the id as text: "missing-header"                                 */
    const char *source;  /* "RFC 5322 3.6", or "custom: ..." where no standard says it       */
    uint64_t line;       /* from 1; 0 = of the message as a whole                            */
    size_t part;         /* as in lw_read_part: 0 = the message itself                       */
    const char *header;  /* the field it is about; NULL = none                               */
    const char *text;    /* one sentence without line breaks, UTF-8                          */
} lw_lint_finding;

typedef struct lw_lint_opts {
    size_t size;               /* sizeof of this struct: set by lw_lint_opts_init()           */
    const lw_alloc *alloc;     /* NULL = malloc; copied                                       */
    size_t max_findings;       /* 0 = 200; the rest is counted by a last finding, MORE       */
    uint64_t large_bytes;      /* 0 = 10 MiB: LARGE if it is larger when sent                 */
    uint64_t too_large_bytes;  /* 0 = 25 MiB                                                  */
} lw_lint_opts;

/** lw_lint_opts_init - set all options to their defaults */
static inline void lw_lint_opts_init(lw_lint_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
}

typedef struct lw_lint lw_lint;

/** lw_lint_new - before the first octet.  LW_OK, LW_ENOMEM.  End it with lw_lint_free(). */
LW_API LW_MUST_USE lw_code lw_lint_new(const lw_lint_opts *opts, lw_lint **out);
LW_API void lw_lint_free(lw_lint *l);
/** lw_lint_feed - octets of the message, any split, all taken.  LW_OK, LW_ENOMEM, LW_ELIMIT (a header
 *  of more than 2 MiB, more than 100,000 parts). */
LW_API LW_MUST_USE lw_code lw_lint_feed(lw_lint *l, const void *p, size_t n);
/** lw_lint_end - the message is complete: all findings are there.  As lw_lint_feed. */
LW_API LW_MUST_USE lw_code lw_lint_end(lw_lint *l);
/** lw_lint_finding_at - finding i from 0 on, in the order of discovery; NULL behind the last.
 *  Valid until lw_lint_free(). */
LW_API const lw_lint_finding *lw_lint_finding_at(const lw_lint *l, size_t i);
/** lw_lint_count - how many of this severity, those among them that were too many to keep */
LW_API size_t lw_lint_count(const lw_lint *l, lw_lint_severity severity);

#ifdef __cplusplus
}
#endif
#endif
