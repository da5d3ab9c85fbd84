/* SPDX-License-Identifier: MIT */
/*
 * mime/mime_int.h - what the files of this room share, bottom up
 *
 * The gate (every value that enters), addresses, header writing, encoders, the message that
 * the setters fill, and the rendering: a flat list of pieces that is pulled through one
 * buffer.  A piece is literal octets (headers, boundaries), or content with an encoder.
 */
#ifndef LW_MIME_MIME_INT_H
#define LW_MIME_MIME_INT_H

#include "mime/mime.h"

/* ---- the gate: gate.c -------------------------------------------------------------------- */

#define LW_MIME_VALUE_MAX ((size_t)1 << 20)  /* one header value                        */
#define LW_MIME_HEADER_MAX ((size_t)1 << 28) /* all headers and boundaries of a message */

/** lw_mime_gate - the one check of everything that gets into a header: valid UTF-8 without CR,
 *  LF, NUL or other controls (HTAB is fine); code is what a failure returns */
LW_MUST_USE lw_code lw_mime_gate(lw_span value, const char *field, lw_code code, lw_error *err);
enum {
    LW_OCTET_ODD = 1,  /* a control, but HTAB, CR and LF */
    LW_OCTET_EOL = 2,  /* CR or LF                       */
    LW_OCTET_HIGH = 4, /* above 127                      */
};
/** lw_mime_octets - what s holds beside HTAB and printable ASCII: LW_OCTET_* */
unsigned lw_mime_octets(lw_span s);
/** lw_mime_column - how many characters lie before offset, plus one */
size_t lw_mime_column(lw_span s, size_t offset);
/** lw_mime_is_atext - RFC 5322 3.2.3, and every octet of a UTF-8 sequence (RFC 6532 3.2) */
bool lw_mime_is_atext(char c);
/** lw_mime_is_token - a MIME token (RFC 2045 5.1), not empty */
bool lw_mime_is_token(lw_span s);

/* ---- addresses: address.c (grammar), addrcheck.c (what SMTP takes), mailboxes.c (lists) --- */

enum {
    LW_LIST_MAY_BE_EMPTY = 1, /* "undisclosed-recipients:;" of a ready message is no error */
};
LW_MUST_USE lw_code lw_mailboxes_parse_with(lw_mailboxes *l, lw_span list, const char *field,
                                            unsigned flags, lw_error *err);
/** lw_mailboxes_room - room for one more in the array; false when out of memory */
bool lw_mailboxes_room(lw_mailboxes *l);
/** lw_mailboxes_add - one more; name may be empty; copies both */
LW_MUST_USE lw_code lw_mailboxes_add(lw_mailboxes *l, lw_span name, lw_span addr);
/** lw_mailbox_write - a mailbox in room of lw_mailbox_size octets; name may overlap it */
size_t lw_mailbox_size(lw_span name, lw_span addr);
lw_mailbox lw_mailbox_write(char *room, lw_span name, lw_span addr);
#define LW_ADDR_MAX 254 /* RFC 5321 4.5.3.1.3: 256 with the punctuation around it */
/** lw_addr_parse - one addr-spec, nothing around it, in canonical form; allocates nothing */
LW_MUST_USE lw_code lw_addr_parse(lw_span s, const char *field, char addr[LW_ADDR_MAX + 1],
                                  lw_error *err);
/** lw_addr_domain - what follows the last @ */
lw_span lw_addr_domain(const char *addr);
/** lw_addr_wants_quotes - a decoded local part that is no dot-atom */
bool lw_addr_wants_quotes(lw_span local);
/** lw_addr_domain_problem - NULL if RFC 5321 4.1.2 takes this domain or address literal, else
 *  what is wrong with it; static text */
const char *lw_addr_domain_problem(lw_span domain);
#define LW_DOMAIN_MAX 255 /* RFC 5321 4.5.3.1.2 */
/** lw_idn_to_ascii - add the A-label form of a domain of at most LW_DOMAIN_MAX octets (idn.c).
 *  LW_OK; LW_DONE: libidn2 is not there, nothing was added; LW_EADDRESS: *problem tells (static
 *  text); LW_ENOMEM */
LW_MUST_USE lw_code lw_idn_to_ascii(lw_buf *out, lw_span domain, const char **problem);

/* ---- header fields: header.c (folding), words.c (RFC 2047), param.c (RFC 2231), date.c ----- */

#define LW_FOLD_COLUMN 78  /* RFC 5322 2.1.1: SHOULD be no more than 78 characters */
#define LW_WORD_LINE 76    /* RFC 2047 2: lines with an encoded-word               */
#define LW_LINE_MAX 998    /* RFC 5322 2.1.1: MUST be no more than 998 characters  */

/** One header field being written; col is the length of the current line. */
typedef struct lw_field_writer {
    lw_buf *b;
    size_t col;
    bool is_first;  /* nothing but the name yet         */
    bool has_words; /* the line holds an encoded word   */
} lw_field_writer;

/** lw_field_begin - "Name:"; lw_field_end - CRLF */
void lw_field_begin(lw_field_writer *w, lw_buf *b, lw_span name);
void lw_field_end(lw_field_writer *w);
/** lw_field_gap - white space before what has len octets, behind a fold if it would not fit;
 *  lw_field_fold - CRLF alone */
void lw_field_gap(lw_field_writer *w, lw_span space, size_t len);
void lw_field_fold(lw_field_writer *w);
/** lw_field_token - a piece that must not be broken, behind a space or a fold */
void lw_field_token(lw_field_writer *w, lw_span token);
/** lw_field_glue - appended to the token before it, never folded */
void lw_field_glue(lw_field_writer *w, lw_span s);
/** lw_field_text - an unstructured value (RFC 5322 2.2.1), encoded words where needed */
void lw_field_text(lw_field_writer *w, lw_span value);
/** lw_quoted_len - octets of s between quotes: each quote and backslash gets a backslash before it */
size_t lw_quoted_len(lw_span s);
/** lw_field_phrase - a display name: atoms, a quoted string, or encoded words */
void lw_field_phrase(lw_field_writer *w, lw_span name);
/** lw_field_verbatim - words that are never encoded, folded where they have spaces between them */
void lw_field_verbatim(lw_field_writer *w, lw_span value);
void lw_field_mailboxes(lw_field_writer *w, const lw_mailboxes *l);
/** lw_param_is_plain - short ASCII that no reader takes for an encoded word */
bool lw_param_is_plain(lw_span value);
/** lw_field_param - "; name=value", RFC 2231 where the value is not plain */
void lw_field_param(lw_field_writer *w, const char *name, lw_span value);
/** lw_field_param_words - "; name=value" with encoded words in the quoted string: not what RFC
 *  2047 5 allows, but what Outlook reads */
void lw_field_param_words(lw_field_writer *w, const char *name, lw_span value);
/** lw_field_date - RFC 5322 3.3 */
void lw_field_date(lw_field_writer *w, int64_t unix_s, int zone_minutes);

enum { LW_WORDS_PHRASE = 1, LW_WORDS_IN_QUOTES = 2 };
/** lw_words_encode - UTF-8 as encoded words, B or Q, whichever is shorter; each behind a space or
 *  fold (IN_QUOTES: the first behind nothing).  PHRASE narrows what Q may hold. */
void lw_words_encode(lw_field_writer *w, lw_span s, unsigned flags);
/** lw_date_parse - a date-time of RFC 5322 3.3 (zone names UT, GMT, EST.. of 4.3 too) */
bool lw_date_parse(lw_span s, int64_t *unix_s, int *zone_minutes);
/** lw_date_ok - the year has four digits and the zone is within a day */
bool lw_date_ok(int64_t unix_s, int zone_minutes);

/* ---- encoders: encode.c; text that knows its own shape: text.c ------------------------------ */

typedef enum lw_encoding {
    LW_ENCODING_7BIT,
    LW_ENCODING_8BIT,   /* lines as in 7bit, octets above 127 (RFC 6152)  */
    LW_ENCODING_BINARY, /* anything (RFC 3030)                            */
    LW_ENCODING_QP,
    LW_ENCODING_BASE64,
} lw_encoding;
const char *lw_encoding_name(lw_encoding e);

#define LW_BASE64_IN 57  /* octets a line of 76 characters holds */

/** lw_base64_lines_size - octets of n octets in base64 lines, without a CRLF at the end */
uint64_t lw_base64_lines_size(uint64_t n);
/** lw_base64_lines - src as base64 lines joined by CRLF, none at the end; n is a multiple of 57
 *  unless src is the last; dst holds lw_base64_lines_size(n).  Returns octets written. */
size_t lw_base64_lines(char *dst, const char *src, size_t n);

/** Where the quoted-printable encoder stands. */
typedef struct lw_qp {
    size_t pos; /* octets taken        */
    size_t col; /* of the current line */
} lw_qp;
#define LW_QP_STEP 6 /* the most that one octet can give: a soft break and =XX */
/** lw_qp_encode - canonical text (CRLF only) from where q stands; returns octets written, at most
 *  cap, of which less than LW_QP_STEP are left unused unless the text has ended */
size_t lw_qp_encode(lw_qp *q, lw_span text, char *dst, size_t cap);

/** Text of a body: canonical line ends, and what the choice of an encoding needs to know. */
typedef struct lw_text {
    char *ptr;   /* NULL = not set */
    size_t len;
    bool is_7bit, is_8bit;        /* can leave so; 7bit is 8bit too            */
    bool is_fragile;              /* 7bit, but some on the way would change it */
    uint64_t qp_size;             /* both 0 if it is 7bit: seldom asked for then */
    uint64_t base64_size;
} lw_text;
/** lw_text_encoding - how it leaves for a peer that takes most; must_survive: a signature depends on
 *  every octet */
lw_encoding lw_text_encoding(const lw_text *t, lw_body_type most, bool must_survive);
uint64_t lw_text_encoded_size(const lw_text *t, lw_encoding e);
/** lw_text_set - copy UTF-8 with any line ends; it gets CRLF line ends, also the last */
LW_MUST_USE lw_code lw_text_set(lw_text *t, const lw_alloc *alloc, lw_span s, const char *field,
                                lw_error *err);

/** lw_mediatype_by_name - by the extension; application/octet-stream if unknown; static text */
const char *lw_mediatype_by_name(lw_span name);

/* ---- the message: message.c, fields.c (custom headers), attach.c ------------------------------- */

/** A custom header; list is used instead of value where the field holds addresses. */
typedef struct lw_custom {
    const char *name, *value;
    lw_mailboxes list;
    bool is_list;
    bool is_verbatim; /* URIs and message identifiers: never encoded, folded at spaces */
    bool is_phrase;   /* List-Id: a phrase, then <...>                                 */
} lw_custom;

/** Octets from memory (borrowed) or from a source (owned). */
typedef struct lw_content {
    lw_span memory;
    lw_source source;
    bool has_source;
    const char *label; /* for errors: the path, or the name; NULL = none */
} lw_content;

typedef struct lw_attached {
    lw_content content;
    const char *name, *type, *cid; /* name and cid may be NULL */
    bool is_inline;
    bool is_message;         /* message/rfc822, if it turns out to be one       */
    bool has_type;           /* the caller said so: then it must be one         */
} lw_attached;

/** What lw_message_resent() was given. */
typedef struct lw_resending {
    lw_mailboxes from, sender, to, cc, bcc;
    const char *message_id; /* NULL = made when it is sent */
    bool has_date;
    int64_t date_s;
    int zone_minutes;
} lw_resending;

typedef struct lw_list_of_attached {
    lw_attached *items;
    size_t n, cap;
} lw_list_of_attached;

#define LW_MESSAGE_ROOM 1024 /* holds what a message to one recipient needs */

/** Names, addresses, values, and the arrays of them, stand in one arena; bodies do not.  What can be
 *  set again has a slot, so that setting it for ever does not take memory for ever. */
struct lw_message {
    lw_alloc alloc;
    lw_arena arena;
    lw_error error;
    lw_mailboxes from, to, cc, bcc, reply_to, envelope_to;
    lw_mailbox sender;      /* the one in from */
    lw_arena_slot sender_text, subject, message_id;
    lw_arena_slot envelope_from;  /* not set: From's */
    bool has_date;
    int64_t date_s;
    int zone_minutes;
    lw_text text, html, amp, calendar;
    lw_text derived;            /* from html, or text flowed; see lw_message_plain_text */
    bool has_derived;
    bool is_flowed, has_no_auto_text, is_7bit;
    char calendar_method[24];
    lw_custom *customs;
    size_t n_customs, cap_customs;
    bool adds_references;       /* In-Reply-To's, if there are none */
    lw_custom *changes;         /* of a ready message; neither value nor list: removed */
    size_t n_changes, cap_changes;
    lw_resending *resending;    /* of a ready message that is sent on; NULL = it is not */
    lw_list_of_attached attached;
    size_t n_inline;
    lw_buf types;               /* lw_message_types */
    bool is_raw;
    lw_content raw;
    lw_dkim_signer *dkim; /* for whoever sends it: nothing here looks into it */
    lw_secure *secure;    /* the same; text is then encoded so that it survives */
    char room[LW_MESSAGE_ROOM]; /* the arena's first; not initialised */
};

/** lw_message_keep - remember a setter's failure if it is the first; returns rc */
lw_code lw_message_keep(lw_message *m, lw_code rc, const lw_error *err);
/** lw_message_plain_text - the text/plain body: as set, flowed, or made from the HTML (plain.c); not
 *  set if there is none.  Made when first asked for. */
LW_MUST_USE lw_code lw_message_plain_text(lw_message *m, const lw_text **out, lw_error *err);
/** lw_html_to_text - HTML as plain text (html_text.c); linear, any octets */
void lw_html_to_text(lw_buf *out, lw_span html);
#define LW_MARKDOWN_MAX ((size_t)16 << 20)
/** lw_text_flow - canonical text as format=flowed (flowed.c, RFC 3676) */
void lw_text_flow(lw_buf *out, lw_span text);
/** lw_message_is_id - "<left@right>" of printable ASCII */
bool lw_message_is_id(lw_span s);
/** lw_message_not_null - a NULL argument is the caller's mistake, kept with the field's name */
lw_code lw_message_not_null(lw_message *m, const void *value, const char *field);
void lw_content_deinit(lw_content *c);
/** lw_resending_sender - whose first mailbox gets reports of failure */
const lw_mailboxes *lw_resending_sender(const lw_resending *s);

/* ---- rendering: render.c (structure), envelope.c, raw.c (ready message), pull.c ------------------- */

typedef enum lw_piece_kind {
    LW_PIECE_LITERAL,  /* octets of r->literal, from offset on             */
    LW_PIECE_COPY,     /* memory as it is                                  */
    LW_PIECE_QP,       /* memory, canonical text                           */
    LW_PIECE_BASE64,   /* memory or source                                 */
    LW_PIECE_LINES     /* memory or source with its line ends made CRLF; the last line gets one */
} lw_piece_kind;

typedef struct lw_piece {
    lw_piece_kind kind;
    size_t offset;              /* LITERAL                                            */
    lw_span memory;             /* content, unless it comes from a source             */
    const lw_content *content;  /* with a source; NULL = memory                       */
    uint64_t skip;              /* LINES: octets of the content before it begins      */
    bool after_cr;              /* LINES: the octet before it was a CR                */
    uint64_t size_in;           /* octets behind skip; LW_SIZE_UNKNOWN                */
    uint64_t size_out;          /* octets given; LW_SIZE_UNKNOWN                      */
} lw_piece;

/** Line ends of any kind become CRLF; the last line gets one if it has none. */
typedef struct lw_lines {
    bool after_cr;      /* the last octet taken was a CR    */
    bool in_line;       /* octets were given since the CRLF */
} lw_lines;
/** lw_lines_encode - from *src to dst, each moved on by what was done; at_end: src is all that is
 *  left.  False if dst has no room for the rest. */
bool lw_lines_encode(lw_lines *l, lw_span *src, bool at_end, char **dst, const char *dst_end);
/** lw_lines_run - how many octets of s are before the first CR or LF; it may stop earlier */
size_t lw_lines_run(lw_span s);

/* Whole base64 lines, 128 KiB of them: half as much costs a fifth of the speed over loopback. */
#define LW_OUT_MAX ((size_t)(76 + 2) * 1680)
#define LW_IN_MAX ((size_t)LW_BASE64_IN * 1680)

/** Where pulling stands. */
typedef struct lw_pull {
    size_t piece;          /* index of the current one                               */
    bool has_begun;        /* the current piece                                      */
    bool is_open;          /* its source                                             */
    bool at_end;           /* the source has given all                               */
    lw_span window;        /* octets of the content that wait                        */
    uint64_t n_in, n_out;  /* octets of the current piece: read behind skip, written */
    uint64_t skip;         /* octets still to be skipped                             */
    lw_lines lines;
    lw_qp qp;
} lw_pull;

/** What is known of an attachment once it was opened. */
typedef struct lw_part_facts {
    bool is_known;
    bool is_message, has_8bit, has_utf8_header;
    uint64_t size, size_out; /* size_out: of a message, with CRLF line ends */
} lw_part_facts;

#define LW_RENDERING_ROOM 768 /* holds what a message of text to one recipient needs */
#define LW_LITERAL_ROOM ((size_t)1024) /* holds most headers */

/** Its lists stand in an arena, which is emptied with it; octets do not. */
struct lw_rendering {
    lw_alloc alloc;
    lw_arena arena;
    lw_message *message;
    lw_render_opts kept;
    const lw_render_opts *opts; /* kept; its host only while lw_rendering_new runs */
    lw_body_type transport;     /* what the peer takes at most                     */
    bool is_encoded;            /* a part is quoted-printable or base64            */
    lw_part_facts *facts;       /* one per attachment                              */
    lw_envelope envelope;
    lw_mailboxes found;         /* recipients and sender read from a ready message */
    const char *found_from;     /* the ready message's own sender          */
    lw_body body;
    lw_buf literal;
    size_t flushed;             /* octets of literal that pieces have */
    lw_piece *pieces;
    size_t n_pieces, cap_pieces;
    const char *message_id;
    char *out, *in;
    size_t out_cap;
    lw_pull pull;
    lw_error error;
    char room[LW_RENDERING_ROOM]; /* the arena's first; not initialised */
};

/** lw_render_composed, lw_render_raw - fill literal, pieces, message_id, envelope flags */
LW_MUST_USE lw_code lw_render_composed(lw_rendering *r, lw_error *err);
LW_MUST_USE lw_code lw_render_raw(lw_rendering *r, lw_error *err);
/** lw_render_resent - the block of Resent- fields */
LW_MUST_USE lw_code lw_render_resent(lw_rendering *r);
/** lw_render_new_id - "<...@...>", unique, of the domain of addr; NULL when out of memory */
const char *lw_render_new_id(lw_rendering *r, const char *addr);
/** lw_render_mailboxes - a field of addresses; nothing where there are none */
void lw_render_mailboxes(lw_buf *b, lw_span name, const lw_mailboxes *l);
/** lw_render_custom - a header of the caller's own */
void lw_render_custom(lw_buf *b, const lw_custom *c);
/** lw_render_parts - the bodies and attachments (parts.c) */
LW_MUST_USE lw_code lw_render_parts(lw_rendering *r, lw_error *err);
#define LW_TOKEN_LEN 26 /* characters of a boundary's random part, 130 bits */
/** lw_random_text - n characters, each of the next 5 bits of random, and a NUL */
void lw_random_text(char *dst, size_t n, const unsigned char *random);
/** lw_render_envelope - from and recipients, each once */
LW_MUST_USE lw_code lw_render_envelope(lw_rendering *r, lw_error *err);
/** lw_render_piece - one more piece; literal octets written since the last one come first */
LW_MUST_USE lw_code lw_render_piece(lw_rendering *r, const lw_piece *piece);
/** lw_render_flush - the literal octets that no piece has yet */
LW_MUST_USE lw_code lw_render_flush(lw_rendering *r);
lw_code lw_pull_next(void *ctx, lw_span *span);
lw_code lw_pull_rewind(void *ctx);
/** lw_content_open - open the source and learn its size, with the label in the error */
LW_MUST_USE lw_code lw_content_open(const lw_content *c, uint64_t *size, lw_error *err);

#endif
