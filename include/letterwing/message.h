/* SPDX-License-Identifier: MIT */
/*
 * letterwing/message.h - compose a message
 *
 * Every setter checks its value where it enters: CR, LF and NUL are refused with the field's
 * name (no header injection), addresses are parsed.  A setter returns its result and the
 * message also keeps the first failure, so that calls may be written one after the other and
 * checked once, by lw_message_error() or by lw_send().  A message may be sent many times;
 * it is not thread-safe.  Nothing is read from attached files before the message is sent.
 *
 * Sources: RFC 5322, 2045-2047, 2231, 6532.
 */
#ifndef LETTERWING_MESSAGE_H
#define LETTERWING_MESSAGE_H

#include <letterwing/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lw_message lw_message;

/** lw_message_new - an empty message, NULL when out of memory; end it with lw_message_free() */
LW_API lw_message *lw_message_new(void);
/** lw_message_new_with - the same with the caller's allocator (copied; NULL = malloc) */
LW_API lw_message *lw_message_new_with(const lw_alloc *alloc);
LW_API void lw_message_free(lw_message *m);

/** lw_message_error - the first failure of a setter; code LW_OK = none.  Owned by the message. */
LW_API const lw_error *lw_message_error(const lw_message *m);

/* Addresses: RFC 5322 lists, "Ann <ann@example.com>, bob@example.org", UTF-8.  from sets one
 * mailbox (the last call counts); to, cc and bcc add.  Bcc never gets into the header.
 * LW_OK; LW_EADDRESS (the error names the position and the member); LW_ENOMEM. */
LW_API lw_code lw_message_from(lw_message *m, const char *mailbox);
LW_API lw_code lw_message_to(lw_message *m, const char *list);
LW_API lw_code lw_message_cc(lw_message *m, const char *list);
LW_API lw_code lw_message_bcc(lw_message *m, const char *list);
LW_API lw_code lw_message_reply_to(lw_message *m, const char *list);
/** lw_message_envelope_from - the reverse-path, where it is not From; "" = null (RFC 5321 4.5.5) */
LW_API lw_code lw_message_envelope_from(lw_message *m, const char *address);
/** lw_message_envelope_to - add a recipient to the envelope only; once one is added this way,
 *  to, cc and bcc are headers only */
LW_API lw_code lw_message_envelope_to(lw_message *m, const char *address);

/** lw_message_subject - UTF-8; encoded by RFC 2047 where needed */
LW_API lw_code lw_message_subject(lw_message *m, const char *subject);
/** lw_message_text / _html - the body; both together become multipart/alternative.  UTF-8, any
 *  line ends; copied. */
LW_API lw_code lw_message_text(lw_message *m, const char *text);
LW_API lw_code lw_message_html(lw_message *m, const char *html);
/** lw_message_header - add a header of the caller's own; UTF-8, unstructured.  LW_EUSAGE for a
 *  name that is not RFC 5322 ftext or that the composer owns (MIME-Version, Content-*). */
LW_API lw_code lw_message_header(lw_message *m, const char *name, const char *value);
/** lw_message_date - seconds since 1970 and the zone's offset; otherwise the time of sending */
LW_API lw_code lw_message_date(lw_message *m, int64_t unix_s, int offset_minutes);
/** lw_message_id - "<left@right>"; otherwise a unique one is made when the message is sent */
LW_API lw_code lw_message_id(lw_message *m, const char *message_id);

/** What is attached; set what you need, leave the rest zero. */
typedef struct lw_attachment {
    const char *name;       /* file name shown; NULL = the path's last part, or none         */
    const char *type;       /* "application/pdf"; NULL = by the name's extension              */
    const char *cid;        /* Content-ID without <>: makes it inline (multipart/related)    */
    bool is_inline;         /* inline even without cid; a cid is made from the name          */
} lw_attachment;

/** lw_message_attach_file - attach a file; opened and read while the message is sent */
LW_API lw_code lw_message_attach_file(lw_message *m, const char *path);
LW_API lw_code lw_message_attach_file_as(lw_message *m, const char *path, const lw_attachment *how);
/** lw_message_attach_memory - attach octets; borrowed until the message is freed */
LW_API lw_code lw_message_attach_memory(lw_message *m, const void *data, size_t len,
                                        const lw_attachment *how);

/** lw_message_raw_file / _raw_memory - send this ready message (RFC 5322 octets) unchanged but
 *  for line ends, instead of composing one.  Recipients: envelope_to, or to/cc/bcc calls, or,
 *  when there are none, the To, Cc and Bcc headers of the message.  A Bcc header is removed.
 *  memory is borrowed until the message is freed. */
LW_API lw_code lw_message_raw_file(lw_message *m, const char *path);
LW_API lw_code lw_message_raw_memory(lw_message *m, const void *data, size_t len);

/**
 * lw_message_write - the message as it would be sent (with Date, Message-ID, boundaries)
 *
 * @write  gets the octets in pieces; a negative result ends the call with it
 * LW_OK, the message's own first error, LW_ESOURCE, or what write returned.
 */
LW_API LW_MUST_USE lw_code lw_message_write(lw_message *m,
                                            lw_code (*write)(void *ctx, const char *p, size_t n),
                                            void *ctx, lw_error *err);

#ifdef __cplusplus
}
#endif
#endif
