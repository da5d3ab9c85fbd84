/* SPDX-License-Identifier: MIT */
/*
 * mime/mime.h - the message as other rooms see it: sources in, an envelope and octets out
 *
 * No system calls: files, clock and randomness come in through lw_source and lw_render_opts.
 * The parts: address.c (RFC 5322 3.4), header.c (folding, RFC 2047, 2231), encode.c (quoted-
 * printable, base64 in lines), message.c (what the setters keep), render.c (the header), parts.c
 * and part.c (bodies and attachments), plain.c (text made of HTML, flowed text), pull.c (pieces ->
 * spans), raw.c (a ready message), mediatype.c (file name -> type).
 * What reads (read*.c, bounce*.c, lint*.c) shows itself in letterwing/read.h, bounce.h and lint.h.
 */
#ifndef LW_MIME_MIME_H
#define LW_MIME_MIME_H

#include <letterwing/message.h>
#include <letterwing/smtp.h>

#include "base/base.h"

/* ---- addresses --------------------------------------------------------------------------- */

/** One mailbox: UTF-8; addr is "local@domain" in canonical form (quoted only if it must be). */
typedef struct lw_mailbox {
    char *name; /* decoded display name, NULL = none */
    char *addr;
} lw_mailbox;

/** Many mailboxes, all in an arena, and freed with it. */
typedef struct lw_mailboxes {
    lw_arena *arena;
    lw_mailbox *items;
    size_t n, cap;
} lw_mailboxes;

void lw_mailboxes_init(lw_mailboxes *l, lw_arena *arena);
/** lw_mailboxes_parse - add the members of an RFC 5322 address list (groups are flattened); field
 *  names the argument in the error.  Linear in the length; on failure l is unchanged. */
LW_MUST_USE lw_code lw_mailboxes_parse(lw_mailboxes *l, lw_span list, const char *field, lw_error *err);
/** lw_addr_check - one addr-spec for an envelope: RFC 5321 4.1.2 and the limits of 4.5.3.1 */
LW_MUST_USE lw_code lw_addr_check(lw_span addr, const char *field, lw_error *err);

/* ---- sources of octets ------------------------------------------------------------------- */

/** lw_message_attach_source, lw_message_raw_source - as the public calls; the source is moved in
 *  on success and stays the caller's on failure.  name: for errors and Content-Disposition. */
LW_MUST_USE lw_code lw_message_attach_source(lw_message *m, lw_source source, const char *name,
                                             const lw_attachment *how);
LW_MUST_USE lw_code lw_message_raw_source(lw_message *m, lw_source source, const char *name);
/** lw_message_attach_guessed - the same; guessed is the media type where how names none, NULL = by
 *  our own table */
LW_MUST_USE lw_code lw_message_attach_guessed(lw_message *m, lw_source source, const char *name,
                                              const lw_attachment *how, const char *guessed);
/** lw_message_types - room for the text of /etc/mime.types, read once a message; empty at first */
lw_buf *lw_message_types(lw_message *m);
/** lw_message_fail - keep a failure found outside (a file that cannot be opened) as the message's
 *  first; returns code */
lw_code lw_message_fail(lw_message *m, const lw_error *err);
const lw_alloc *lw_message_alloc(const lw_message *m);
/** lw_message_dkim_signer - what lw_message_dkim was given, NULL = not to be signed */
lw_dkim_signer *lw_message_dkim_signer(const lw_message *m);
/** lw_message_protection - what lw_message_secure was given, NULL = neither signed nor encrypted */
lw_secure *lw_message_protection(const lw_message *m);

/* ---- rendering: a message on its way out -------------------------------------------------- */

typedef struct lw_render_opts {
    int64_t now_s;             /* for Date, where the message has none                      */
    int zone_minutes;
    unsigned char random[32];  /* for Message-ID and boundaries                             */
    const char *host;          /* right side of Message-ID, see lw_message_wants_host       */
} lw_render_opts;

/** lw_message_wants_host - From's domain is not ASCII, so that Message-ID needs another */
bool lw_message_wants_host(const lw_message *m);
typedef struct lw_rendering lw_rendering;
/** lw_rendering_new - check everything, fix Date, Message-ID and boundaries, know the exact size.
 *  Opens every source once to know its size (a directory or unreadable file fails here).
 *  The message must live, unchanged, as long as the rendering. */
LW_MUST_USE lw_code lw_rendering_new(lw_message *m, const lw_render_opts *opts, lw_rendering **out,
                                     lw_error *err);
/** lw_rendering_fit - make it again for a peer that takes most: 8-bit text as it is, with binary
 *  files too.  The rendering begins as 7bit.  Message-ID, Date and boundaries stay; envelope and
 *  body keep their places, with a new body_type and size; rewound.  A ready message, and one with
 *  lw_message_only_7bit(), stay as they are.  After a failure the rendering can only be freed. */
LW_MUST_USE lw_code lw_rendering_fit(lw_rendering *r, lw_body_type most, lw_error *err);
void lw_rendering_free(lw_rendering *r);
/** lw_rendering_envelope - from, recipients (each address once), body_type, needs_smtputf8 */
lw_envelope *lw_rendering_envelope(lw_rendering *r);
/** lw_rendering_body - the octets: canonical line ends, size exact, can rewind */
lw_body *lw_rendering_body(lw_rendering *r);
/** lw_rendering_message_id - with <>; "" for a raw message that has none */
const char *lw_rendering_message_id(const lw_rendering *r);
/** lw_rendering_smtputf8 - does it need SMTPUTF8, and why: as lw_message_needs_smtputf8, of a ready
 *  message too */
bool lw_rendering_smtputf8(const lw_rendering *r, lw_error *why);
/** lw_rendering_error - why the body's next failed (attachment shrank, read error), else LW_OK */
const lw_error *lw_rendering_error(const lw_rendering *r);

#endif
