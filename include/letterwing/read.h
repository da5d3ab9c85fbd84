/* SPDX-License-Identifier: MIT */
/*
 * letterwing/read.h - read a message: octets in, parts, header fields and decoded bodies out
 *
 * The reader has no I/O and keeps no message in memory: give it octets in any split with
 * lw_reader_feed(), take what it found with lw_reader_next().  Of a part it tells, in order:
 * PART, its FIELDs, CONTENT (what the header says), then BODY octets (decoded), or the parts
 * inside it, then END.  Whatever is malformed has a defined reading and a DEFECT event; only memory
 * and the bounds of lw_reader_opts end it.  Lines may end with CRLF, LF or CR.
 *
 * Sources: RFC 5322, 2045-2047, 2231, 6532.  Not thread-safe per reader; no global state.
 */
#ifndef LETTERWING_READ_H
#define LETTERWING_READ_H

#include <letterwing/base.h>

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Character sets beyond those built in (UTF-8, US-ASCII, ISO-8859-1, windows-1252, and the ASCII
 * half of the other ISO-8859 and windows-125x sets).
 *
 * convert: octets of charset as UTF-8 into dst (cap octets, at least four for each octet given);
 * false if the set is unknown.  What is no UTF-8 in dst is replaced by U+FFFD.
 */
typedef struct lw_charset_hook {
    bool (*convert)(void *ctx, lw_span charset, lw_span octets, char *dst, size_t cap, size_t *n);
    void *ctx;
} lw_charset_hook;

/* ---- options ------------------------------------------------------------------------- */

typedef struct lw_reader_opts {
    size_t size;               /* sizeof of this struct: set by lw_reader_opts_init()        */
    const lw_alloc *alloc;     /* NULL = malloc; copied                                      */
    unsigned max_depth;        /* parts inside parts, 1..200; 0 = 50.  Deeper ones are not
                                  opened: their octets come as the BODY of the part around    */
    size_t max_parts;          /* 0 = 100,000; one more ends the reader with LW_ELIMIT        */
    size_t max_header_bytes;   /* the header of one part, 0 = 2 MiB; more: LW_ELIMIT          */
    bool enter_messages;       /* message/rfc822 and message/global are opened like a
                                  multipart, unless a transfer encoding hides them            */
    bool raw_bodies;           /* BODY octets as they stand, transfer encoding not undone     */
    bool is_flat;              /* one header, one body: nothing is opened and nothing decoded */
    lw_charset_hook charset;   /* convert may be NULL                                         */
} lw_reader_opts;

/** lw_reader_opts_init - set all options to their defaults */
static inline void lw_reader_opts_init(lw_reader_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
}

/* ---- what is found -------------------------------------------------------------------- */

/** What is malformed, and how it was read. */
#define LW_DEFECT_MAP(X)                                                                     \
    X(MBOX_FROM, "mbox-from", "the \"From \" line of a mailbox file before the header: skipped")  \
    X(STRAY_FOLD, "stray-fold", "a continuation line without a field before it: skipped")    \
    X(BAD_FIELD, "bad-field", "a line of the header that begins with a colon: skipped")      \
    X(NO_SEPARATOR, "no-separator", "no empty line between header and body: the body begins "\
      "with the first line that is no field")                                                \
    X(HEADER_8BIT, "header-8bit", "an octet above 127 in a header (RFC 6532 if it is UTF-8)")\
    X(HEADER_NOT_UTF8, "header-not-utf8", "a header is not UTF-8: broken octets became U+FFFD")   \
    X(HEADER_CTL, "header-control", "a control character in a header")                       \
    X(LONG_LINE, "long-line", "a line of more than 998 octets")                              \
    X(LONG_HEADER_LINE, "long-header-line", "a header line of more than 998 octets")         \
    X(NUL, "nul", "a NUL octet")                                                             \
    X(BODY_8BIT, "body-8bit", "an octet above 127 in a body declared as 7bit")               \
    X(BAD_WORD, "bad-word", "an encoded word that cannot be decoded: left as it is")         \
    X(BAD_TYPE, "bad-type", "a malformed Content-Type: read as the default")                 \
    X(BAD_ENCODING, "bad-encoding", "an unknown Content-Transfer-Encoding: not decoded")     \
    X(ENCODED_MULTIPART, "encoded-multipart", "a transfer encoding on a multipart: ignored") \
    X(ENCODED_MESSAGE, "encoded-message", "a transfer encoding on a message: not opened")    \
    X(NO_BOUNDARY, "no-boundary", "a multipart without a usable boundary: not opened")       \
    X(NO_PARTS, "no-parts", "a multipart whose boundary never comes")                        \
    X(NOT_CLOSED, "not-closed", "a multipart without its closing boundary")                  \
    X(PREAMBLE, "preamble", "text before the first part of a multipart: skipped")            \
    X(EPILOGUE, "epilogue", "text behind the last part of a multipart: skipped")             \
    X(TOO_DEEP, "too-deep", "parts nested deeper than max_depth: not opened")                \
    X(BAD_QP, "bad-quoted-printable", "malformed quoted-printable: kept as it stands")       \
    X(BAD_BASE64, "bad-base64", "malformed base64: what is not base64 was skipped")

typedef enum lw_defect {
#define LW_DEFECT_ENUM(name, id, text) LW_DEFECT_##name,
    LW_DEFECT_MAP(LW_DEFECT_ENUM)
#undef LW_DEFECT_ENUM
} lw_defect;

/** lw_defect_id - "mbox-from" for LW_DEFECT_MBOX_FROM; lw_defect_text - what it means; static */
LW_API const char *lw_defect_id(lw_defect defect);
LW_API const char *lw_defect_text(lw_defect defect);

/** What the header of a part says; text is NUL-terminated UTF-8. */
typedef struct lw_read_part {
    size_t number;           /* 0 = the message itself; parts count as they begin              */
    size_t parent;           /* number of the part around it; 0 for 0                          */
    unsigned depth;          /* 0 = the message itself                                         */
    const char *type;        /* "text/plain", lower case; where the header has none, or a
                                malformed one: text/plain, in a digest message/rfc822 (RFC 2046) */
    const char *charset;     /* lower case; NULL = none given                                  */
    const char *encoding;    /* transfer encoding, lower case; "7bit" where none is given      */
    const char *disposition; /* "attachment", lower case; NULL = none given                    */
    const char *name;        /* file name (filename of the disposition, or name of the type)   */
    const char *id;          /* Content-ID without <>; NULL = none                             */
    const char *content_type;        /* both as they stand, unfolded, for lw_header_param();   */
    const char *content_disposition; /* NULL = none                                            */
    bool has_parts;          /* a multipart, or a message that is opened: no BODY comes        */
    bool is_decoded;         /* BODY octets come without their transfer encoding               */
} lw_read_part;

typedef enum lw_read_kind {
    LW_READ_PART,     /* a part begins, its header follows: number, parent, depth are set     */
    LW_READ_FIELD,    /* a header field                                                       */
    LW_READ_CONTENT,  /* the header is complete: all of part is set                           */
    LW_READ_BODY,     /* octets of the body, one or more                                      */
    LW_READ_END,      /* the part ends                                                        */
    LW_READ_DEFECT    /* a defect, at most once of its kind a part                            */
} lw_read_kind;

/** One event; what it points to stays valid until the next call on the reader. */
typedef struct lw_read_event {
    lw_read_kind kind;
    const lw_read_part *part; /* the part that this is about                                   */
    uint64_t line;            /* of the input, from 1: where field, header or defect begins    */
    lw_span name;             /* FIELD: as it stands                                           */
    lw_span octets;           /* FIELD: the whole field as in the input, with its line ends    */
    lw_span raw;              /* FIELD: the value unfolded, not decoded, trimmed               */
    lw_span value;            /* FIELD: the value with encoded words decoded: UTF-8 without
                                 controls.  To read addresses, take raw: a decoded name may
                                 look like an address.                                         */
    lw_span body;             /* BODY                                                          */
    lw_defect defect;         /* DEFECT                                                        */
} lw_read_event;

/** What went through so far. */
typedef struct lw_read_counts {
    uint64_t octets, lines;              /* lines with an end                                 */
    uint64_t n_crlf, n_lf, n_cr;         /* line ends by kind, but those in binary parts   */
    uint64_t first_lf, first_cr;         /* line of the first of that kind, 0 = none          */
    uint64_t longest_line;               /* octets without line end                           */
    size_t n_parts;                      /* with the message itself                           */
} lw_read_counts;

/* ---- the reader ------------------------------------------------------------------------- */

typedef struct lw_reader lw_reader;

/** lw_reader_new - a reader before its first octet.  LW_OK, LW_ENOMEM, LW_EUSAGE (max_depth over
 *  200).  End it with lw_reader_free(). */
LW_API LW_MUST_USE lw_code lw_reader_new(const lw_reader_opts *opts, lw_reader **out);
/** lw_reader_free - at any time; NULL is fine */
LW_API void lw_reader_free(lw_reader *r);

/**
 * lw_reader_feed - give octets of the message
 *
 * @p, @n   octets in any split; borrowed for this call
 * @used    out: octets taken, 0..n; less than n only if an event waits, or after a failure
 *
 * LW_OK      all taken
 * LW_AGAIN   take the waiting events with lw_reader_next() first, then feed the rest
 * LW_ELIMIT  max_parts or max_header_bytes; LW_ENOMEM: the reader is closed, lw_reader_error()
 *            says more
 * LW_EUSAGE  after lw_reader_eof()
 * Time is linear in the octets, whatever they are.
 */
LW_API LW_MUST_USE lw_code lw_reader_feed(lw_reader *r, const void *p, size_t n, size_t *used);
/** lw_reader_eof - no more octets: the events up to the last END wait in lw_reader_next() */
LW_API void lw_reader_eof(lw_reader *r);
/** lw_reader_next - take an event.  LW_OK; LW_AGAIN: feed more; LW_DONE: the message has ended;
 *  or the failure that closed the reader. */
LW_API LW_MUST_USE lw_code lw_reader_next(lw_reader *r, lw_read_event *ev);
LW_API const lw_read_counts *lw_reader_counts(const lw_reader *r);
/** lw_reader_error - why the reader closed; code LW_OK if it did not */
LW_API const lw_error *lw_reader_error(const lw_reader *r);

/* ---- values of header fields --------------------------------------------------------------- */

/**
 * lw_header_text - an unfolded value with its encoded words decoded (RFC 2047)
 *
 * @out  UTF-8, NUL-terminated, without controls; free it with lw_free()
 *
 * Encoded words are found anywhere in the text, of any length; the octets of neighbours in one
 * character set are joined before they are decoded.  A word that cannot be decoded stays as it
 * is.  hook may be NULL.  LW_OK, LW_ENOMEM.
 */
LW_API LW_MUST_USE lw_code lw_header_text(lw_span value, const lw_charset_hook *hook, char **out);
/**
 * lw_header_param - a parameter of Content-Type, Content-Disposition and their like
 *
 * @value  the field's value, unfolded
 * @name   "charset", "filename", ...; ASCII case does not matter
 * @out    UTF-8, NUL-terminated, free with lw_free(); NULL if there is none of that name
 *
 * Reads RFC 2231 (continuations in any order, character sets), which goes before the plain form;
 * the plain form in quotes or not, and encoded words in it, which RFC 2047 forbids and many
 * write.  LW_OK (also if there is none), LW_ENOMEM.
 */
LW_API LW_MUST_USE lw_code lw_header_param(lw_span value, const char *name,
                                           const lw_charset_hook *hook, char **out);

#ifdef __cplusplus
}
#endif
#endif
