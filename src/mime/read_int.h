/* SPDX-License-Identifier: MIT */
/*
 * mime/read_int.h - what the reading half of this room shares, bottom up
 *
 * Character sets, encoded words, parameters, body decoders, and the reader that they serve.
 * Nothing here is needed to write a message.
 */
#ifndef LW_MIME_READ_INT_H
#define LW_MIME_READ_INT_H

#include <letterwing/read.h>

#include "mime/mime_int.h"

#define LW_READ_VALUE_MAX ((size_t)1 << 28) /* a decoded value; the input is bounded already */

/* ---- characters: charset.c -------------------------------------------------------------- */

/** lw_utf8_repair - s without controls (but HTAB), broken octets as U+FFFD; false if any was broken */
bool lw_utf8_repair(lw_buf *out, lw_span s);
/** lw_charset_add - octets of charset as UTF-8, as lw_utf8_repair gives it; hook may be NULL.
 *  False, and nothing added, if the set is unknown. */
bool lw_charset_add(lw_buf *out, lw_span charset, lw_span octets, const lw_charset_hook *hook);

/* ---- encoded words: words_decode.c --------------------------------------------------------- */

/** lw_words_decode - value with its encoded words decoded, as lw_header_text() tells.  False if a
 *  word had to be left as it is, or the rest is no UTF-8 (*is_utf8 false; may be NULL). */
bool lw_words_decode(lw_buf *out, lw_span value, const lw_charset_hook *hook, bool *is_utf8);

/* ---- parameters: param_read.c ---------------------------------------------------------------- */

/** lw_param_find - the parameter as lw_header_param() tells, appended to out; false = there is none */
bool lw_param_find(lw_buf *out, lw_span value, lw_span name, const lw_charset_hook *hook);
/** lw_param_skip - the value before the parameters, trimmed and without comments at its end */
lw_span lw_param_head(lw_span value);
/** lw_comment_skip - s behind white space and comments (RFC 5322 3.2.2) */
lw_span lw_comment_skip(lw_span s);

/* ---- body decoders: decode.c ------------------------------------------------------------------- */

typedef enum lw_decoding {
    LW_DECODING_NONE,
    LW_DECODING_QP,
    LW_DECODING_BASE64
} lw_decoding;

#define LW_DECODE_HELD 1024 /* the most that a decoder may hold back and give at once */

/** A decoder: stops and goes on anywhere. */
typedef struct lw_decoder {
    lw_decoding kind;
    bool is_bad;         /* something malformed was met                         */
    bool is_padded;      /* base64: a "=" ended the data                        */
    unsigned n_bits;     /* base64: characters of the quantum, 0..3             */
    uint32_t bits;
    size_t n_held;       /* quoted-printable: white space, or a "=" and what follows */
    char held[LW_DECODE_HELD];
} lw_decoder;

/** lw_decode - octets of one line to dst, which has room for s.len + LW_DECODE_HELD; returns octets
 *  written */
size_t lw_decode(lw_decoder *d, lw_span s, char *dst);
/** lw_decode_eol - the line's end, as it stands (CRLF, LF, CR); room for LW_DECODE_HELD */
size_t lw_decode_eol(lw_decoder *d, lw_span eol, char *dst);
/** lw_decode_end - what was held back at the end of the body; room for LW_DECODE_HELD */
size_t lw_decode_end(lw_decoder *d, char *dst);

/* ---- the reader: read.c (engine), read_header.c, read_body.c, read_part.c ------------------------- */

#define LW_BOUNDARY_MAX 512 /* RFC 2046 allows 70 */
#define LW_DELIMITER_MAX (2 + LW_BOUNDARY_MAX + 2 + 64) /* with dashes and white space */
#define LW_READ_OUT ((size_t)16384)
#define LW_READ_SLACK ((size_t)LW_DELIMITER_MAX + 2 * LW_DECODE_HELD + 8)
#define LW_N_DEFECTS 24
#define LW_DEPTH_MAX 200

/** A part that is open. */
typedef struct lw_frame {
    lw_read_part part;
    char *strings[8];      /* what part points to: owned; read_part.c names them      */
    char *encoding_raw, *id_raw;
    char *boundary;        /* a multipart's, NULL = none, or closed                   */
    size_t boundary_len;
    bool is_digest;        /* its parts are messages unless they say otherwise        */
    bool is_multipart;
    bool has_child;        /* a multipart: a boundary came                            */
    bool is_closed, has_ended;
    uint64_t line;         /* where it begins                                         */
    uint32_t defects;      /* bits: those told already                                */
} lw_frame;

typedef enum lw_read_state {
    LW_READING_HEADER,
    LW_READING_BODY,   /* of a part without parts                           */
    LW_READING_AROUND  /* before the first part or behind the last: dropped */
} lw_read_state;

struct lw_reader {
    lw_alloc alloc;
    lw_reader_opts opts;
    bool is_groups;        /* several headers behind one another, no body: bounce.c           */
    lw_error error;
    lw_read_counts counts;

    lw_frame *frames;      /* frames[n_frames - 1] is the innermost; room for max_depth + 2 */
    size_t n_frames, n_boundaries;
    lw_read_state state;

    lw_read_event event;   /* the one that waits, if has_event */
    bool has_event;
    uint32_t new_defects;  /* bits: waiting to be told         */
    uint64_t defect_lines[LW_N_DEFECTS];
    size_t n_to_close;     /* frames that have ended           */
    bool begins_part;      /* then another one begins          */
    bool at_eof, is_done;
    bool end_told, out_told; /* what the last event showed goes with the next call */
    bool has_group;        /* groups: a field was told since the last CONTENT    */

    uint64_t line;         /* the current one, from 1           */
    uint64_t line_len;
    enum { LW_CR_NONE, LW_CR_DROP, LW_CR_FIELD, LW_CR_BODY } cr; /* who gets an LF now */

    lw_buf field;          /* header lines of one field        */
    size_t line_start;     /* of the current line in it        */
    size_t header_bytes;
    uint64_t field_line;
    bool field_told;       /* the field was an event: drop it  */
    lw_buf unfolded, decoded;
    lw_buf line_again;     /* a header line that is body...    */
    lw_span replay;        /* ...and what of it is left        */

    char eol[2];           /* the line end that may belong to a delimiter */
    size_t eol_len;
    bool at_line_start;
    char line_head[LW_DELIMITER_MAX]; /* a line that may be a delimiter */
    size_t head_len;
    lw_decoder decoder;
    char *out;             /* decoded octets that wait, LW_READ_OUT */
    size_t out_len;
};

/** lw_reader_fail - close the reader; returns the code */
lw_code lw_reader_fail(lw_reader *r, lw_code code, const char *why);
/** lw_reader_new_groups - for message/delivery-status: groups of fields, CONTENT ends each */
LW_MUST_USE lw_code lw_reader_new_groups(const lw_reader_opts *opts, lw_reader **out);
/** lw_read_defect - tell a defect of the innermost part, once a part */
void lw_read_defect(lw_reader *r, lw_defect defect, uint64_t line);
/** lw_read_event_of - the event that waits now, about frame f */
void lw_read_event_of(lw_reader *r, lw_read_kind kind, const lw_frame *f);
static inline lw_frame *lw_read_top(lw_reader *r) { return &r->frames[r->n_frames - 1]; }
/** lw_read_is_binary - in the body of a part that is declared as binary */
bool lw_read_is_binary(lw_reader *r);
/** lw_read_line_end - count one, c is CR or LF; who gets the LF of a CRLF */
void lw_read_line_end(lw_reader *r, char c, int cr);

/** lw_read_header, lw_read_body - take octets; *in is moved on.  They stop where an event waits. */
void lw_read_header(lw_reader *r, lw_span *in);
void lw_read_body(lw_reader *r, lw_span *in);
/** lw_read_header_eof - the input ended in a header: one step further */
void lw_read_header_eof(lw_reader *r);
/** lw_read_body_eof - the input ended in a body: true if that was a boundary */
void lw_read_body_eof(lw_reader *r);
/** lw_read_boundary - the open multipart (its frame plus one) that line delimits, 0 = none;
 *  *closes: for the last time */
size_t lw_read_boundary(const lw_reader *r, lw_span line, bool *closes);

/** lw_frame_push - a part begins; lw_frame_pop - the innermost is gone */
void lw_frame_push(lw_reader *r);
void lw_frame_pop(lw_reader *r);
/** lw_frame_field - keep what the part needs of a field */
void lw_frame_field(lw_reader *r, lw_span name, lw_span raw);
/** lw_frame_content - the header is complete: know what the part is, set the state */
void lw_frame_content(lw_reader *r);

#endif
