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
typedef struct lw_dkim_signer lw_dkim_signer; /* letterwing/dkim.h */
typedef struct lw_secure lw_secure;           /* letterwing/secure.h */

/** lw_message_new - an empty message, NULL when out of memory; end it with lw_message_free() */
LW_API lw_message *lw_message_new(void);
/** lw_message_new_with - the same with the caller's allocator (copied; NULL = malloc) */
LW_API lw_message *lw_message_new_with(const lw_alloc *alloc);
LW_API void lw_message_free(lw_message *m);

/** lw_message_error - the first failure of a setter; code LW_OK = none.  Owned by the message;
 *  LW_ENOMEM for a NULL message.  A message that holds a failure is never sent. */
LW_API const lw_error *lw_message_error(const lw_message *m);

/*
 * Addresses: RFC 5322 lists such as "Ann <ann@example.com>, bob@example.org", in UTF-8 (RFC 6532),
 * with groups (flattened), quoted names and local parts, comments and obsolete forms; limits of
 * RFC 5321 4.5.3.1.  Every member needs an @ and a domain.  A list is taken whole or not at all.
 *
 * LW_OK
 * LW_EADDRESS  malformed, empty, or with a line break; the error names field, member and column:
 *              "to: member 2 "bob@" at column 22: nothing after the @"
 * LW_EUSAGE    NULL was given
 * LW_ENOMEM
 */
/** lw_message_from - the sender: one mailbox; a later call replaces it */
LW_API lw_code lw_message_from(lw_message *m, const char *mailbox);
/** lw_message_to, _cc, _bcc, _reply_to - add the members of a list.  Bcc is never written into
 *  the header; without To and Cc the header says "To: undisclosed-recipients:;". */
LW_API lw_code lw_message_to(lw_message *m, const char *list);
LW_API lw_code lw_message_cc(lw_message *m, const char *list);
LW_API lw_code lw_message_bcc(lw_message *m, const char *list);
LW_API lw_code lw_message_reply_to(lw_message *m, const char *list);
/** lw_message_envelope_from - the reverse-path, where it is not From; one bare address without
 *  name and <>, "" = null (RFC 5321 4.5.5) */
LW_API lw_code lw_message_envelope_from(lw_message *m, const char *address);
/** lw_message_envelope_to - add a recipient to the envelope only, one bare address; once one is
 *  added this way, to, cc and bcc are headers only */
LW_API lw_code lw_message_envelope_to(lw_message *m, const char *address);

/**
 * lw_message_needs_smtputf8 - can only a server with SMTPUTF8 (RFC 6531) take it?
 *
 * @why  out, may be NULL: code LW_OK and a sentence that names the field and the address; empty
 *       if it is not needed
 *
 * A domain that is not ASCII needs it only if libidn2 is missing or something else of the address
 * is not ASCII: otherwise it is stored, shown and sent in its ASCII form (xn--...).  Of a ready
 * message only what the calls added is looked at.
 */
LW_API bool lw_message_needs_smtputf8(const lw_message *m, lw_error *why);

/** lw_message_subject - UTF-8 without controls, at most 1 MiB; encoded by RFC 2047 where needed;
 *  a later call replaces it.  LW_EMESSAGE: a line break, a control, or no UTF-8. */
LW_API lw_code lw_message_subject(lw_message *m, const char *subject);
/** lw_message_text / _html - the body; both together become multipart/alternative.  UTF-8, any
 *  line ends; the last line gets an end; copied; a later call replaces it.  It leaves as 7bit if
 *  it is ASCII with lines of at most 998 octets; else as 8bit where the server takes that, or as
 *  quoted-printable or base64, whichever is shorter.  HTML alone gets a text made of it beside it
 *  (lw_message_auto_text).  LW_EMESSAGE: not UTF-8. */
LW_API lw_code lw_message_text(lw_message *m, const char *text);
LW_API lw_code lw_message_html(lw_message *m, const char *html);
/** lw_message_auto_text - shall HTML without a text get one?  (Links, lists, tables and quotations
 *  stay readable.)  Yes, unless this says no. */
LW_API lw_code lw_message_auto_text(lw_message *m, bool is_wanted);
/** lw_message_flowed - write the text as format=flowed (RFC 3676): its paragraphs are broken at 72
 *  columns and readers may wrap them anew.  No, unless this says yes. */
LW_API lw_code lw_message_flowed(lw_message *m, bool is_wanted);
/** lw_message_markdown - Markdown (GitHub's dialect) as both bodies: the source is the text, what
 *  libmd4c makes of it the HTML.  LW_ECAPABILITY: libmd4c-html is not there; LW_ELIMIT: longer than
 *  16 MiB. */
LW_API lw_code lw_message_markdown(lw_message *m, const char *markdown);
/** lw_message_amp - an AMP body (text/x-amp-html) between text and HTML, one of which is needed */
LW_API lw_code lw_message_amp(lw_message *m, const char *amp);
/** lw_message_calendar - an invitation (RFC 5545, 6047): it becomes the last alternative of the body,
 *  text/calendar with the METHOD that it holds, and the file invite.ics.  LW_EMESSAGE: it is not
 *  UTF-8, no VCALENDAR, or has no METHOD. */
LW_API lw_code lw_message_calendar(lw_message *m, const char *ics);
/** lw_message_only_7bit - compose for servers without 8BITMIME and BINARYMIME, whatever this one
 *  offers: then nobody on the way has to convert the message */
LW_API lw_code lw_message_only_7bit(lw_message *m, bool is_wanted);

/**
 * lw_message_header - add a header of the caller's own, after those that the composer writes
 *
 * @name   printable ASCII without colon, at most 76 characters
 * @value  UTF-8 without controls, at most 1 MiB; folded and encoded (RFC 2047) as it must be
 *
 * From, To, Cc, Reply-To, Subject, Date and Message-ID act as their own calls; Sender, Resent-*
 * and other fields that hold addresses are parsed as addresses.
 * LW_OK; LW_EUSAGE: the name is malformed, belongs to the composer (MIME-Version, Content-*),
 * would show hidden recipients (Bcc, Resent-Bcc), or may stand once only and is set already;
 * LW_EMESSAGE: a line break, a control or no UTF-8 in the value; LW_EADDRESS; LW_ENOMEM.
 */
LW_API lw_code lw_message_header(lw_message *m, const char *name, const char *value);
/** lw_message_sender - who sent it, where that is not From; one mailbox */
LW_API lw_code lw_message_sender(lw_message *m, const char *mailbox);
/** lw_message_in_reply_to - the Message-ID that this answers, "<left@right>"; References gets it too,
 *  unless it is given.  lw_message_references - the whole thread, oldest first, between spaces.
 *  LW_EMESSAGE: not of that form; LW_EUSAGE: set already. */
LW_API lw_code lw_message_in_reply_to(lw_message *m, const char *message_id);
LW_API lw_code lw_message_references(lw_message *m, const char *message_ids);
typedef enum lw_priority { LW_PRIORITY_LOW, LW_PRIORITY_NORMAL, LW_PRIORITY_HIGH } lw_priority;
/** lw_message_priority - X-Priority, Importance and Priority, for readers of any kind */
LW_API lw_code lw_message_priority(lw_message *m, lw_priority priority);
/** lw_message_auto_submitted - "auto-generated", "auto-replied" or "no" (RFC 3834): programs that
 *  answer by themselves then do not answer.  LW_EMESSAGE: another word. */
LW_API lw_code lw_message_auto_submitted(lw_message *m, const char *how);
/** lw_message_list_id - "Name <list.example.com>" (RFC 2919) */
LW_API lw_code lw_message_list_id(lw_message *m, const char *list_id);
/**
 * lw_message_unsubscribe - List-Unsubscribe with one click (RFC 8058): both headers, in one call
 *
 * @https   "https://..." that unsubscribes this recipient when it gets a POST
 * @mailto  a "mailto:..." beside it, NULL = none
 *
 * Signed messages have both headers in their signature, as RFC 8058 wants.
 * LW_OK; LW_EMESSAGE: no https or mailto address, longer than 900 octets, or with a space, a
 * control, < or >; LW_EUSAGE: NULL, or set already; LW_ENOMEM.
 */
LW_API lw_code lw_message_unsubscribe(lw_message *m, const char *https, const char *mailto);
/** lw_message_feedback_id - "campaign:customer:type:sender", what feedback loops count by */
LW_API lw_code lw_message_feedback_id(lw_message *m, const char *id);
/** lw_message_date - seconds since 1970 (years 1900 to 9999) and the zone's offset in minutes
 *  (less than a day); otherwise the time of sending.  LW_EMESSAGE: out of range. */
LW_API lw_code lw_message_date(lw_message *m, int64_t unix_s, int offset_minutes);
/** lw_message_id - "<left@right>"; otherwise a unique one is made when the message is sent.
 *  LW_EMESSAGE: not of that form. */
LW_API lw_code lw_message_id(lw_message *m, const char *message_id);

/** What is attached; set what you need, leave the rest zero.  All UTF-8 without controls; a name
 *  has at most 1,024 octets.  message/... and multipart/... cannot be attached with their type. */
typedef struct lw_attachment {
    const char *name;       /* file name shown; NULL = the path's last part, or none         */
    const char *type;       /* "application/pdf"; NULL = by the name's extension: /etc/mime.types
                               (for files), then a table of the common ones                    */
    const char *cid;        /* Content-ID without <>: makes it inline (multipart/related)    */
    bool is_inline;         /* inline even without cid; the cid is then the name, with octets
                               but letters, digits and . - _ + @ replaced by "_"            */
} lw_attachment;

/** lw_message_attach_file - attach a file; opened and read while the message is sent */
LW_API lw_code lw_message_attach_file(lw_message *m, const char *path);
LW_API lw_code lw_message_attach_file_as(lw_message *m, const char *path, const lw_attachment *how);
/** lw_message_attach_memory - attach octets; borrowed until the message is freed */
LW_API lw_code lw_message_attach_memory(lw_message *m, const void *data, size_t len,
                                        const lw_attachment *how);

/** lw_message_attach_fd - attach an open regular file, read from its first octet whatever its
 *  position; the descriptor is borrowed until the message is freed */
LW_API lw_code lw_message_attach_fd(lw_message *m, int fd, const lw_attachment *how);

/**
 * Octets of the caller's own making, pulled while the message is sent.
 *
 * open:  begin at the first octet; called again, after close, for another look or attempt: it has
 *        to give the same octets.  *size: how many, or LW_SIZE_UNKNOWN.
 * read:  at most cap octets to buf, *n of them; 0 = the end.  More or fewer than *size promised end
 *        the transaction: a truncated message never arrives.
 * close: after each open.  free: once, with the message; NULL = nothing to do.
 * A failure is a negative code, with a sentence in err if there is one to tell.
 */
typedef struct lw_source {
    lw_code (*open)(void *ctx, uint64_t *size, lw_error *err);
    lw_code (*read)(void *ctx, char *buf, size_t cap, size_t *n, lw_error *err);
    void (*close)(void *ctx);
    void (*free)(void *ctx);
    void *ctx;
} lw_source;
/** lw_message_attach_callback, lw_message_raw_callback - attach, or send as a ready message, what a
 *  source gives.  The source is copied and, on success, its free is the message's to call. */
LW_API lw_code lw_message_attach_callback(lw_message *m, const lw_source *source,
                                          const lw_attachment *how);
LW_API lw_code lw_message_raw_callback(lw_message *m, const lw_source *source);

/** lw_message_raw_file / _raw_memory - send this ready message (RFC 5322 octets) unchanged but
 *  for line ends, instead of composing one.  Where a part declared as binary holds what line ends
 *  would alter, every octet stays, and only a server with BINARYMIME (RFC 3030) can take it.
 *  Recipients: envelope_to, or to/cc/bcc calls, or, when there are none, the To, Cc and Bcc headers
 *  of the message.  A Bcc header is removed.  memory is borrowed until the message is freed. */
LW_API lw_code lw_message_raw_file(lw_message *m, const char *path);
LW_API lw_code lw_message_raw_memory(lw_message *m, const void *data, size_t len);
/** lw_message_raw_fd - the same from an open regular file, read from its first octet whatever its
 *  position; the descriptor is borrowed until the message is freed */
LW_API lw_code lw_message_raw_fd(lw_message *m, int fd);

/**
 * lw_addresses_complete - give the bare names of an address list a domain
 *
 * @list    an RFC 5322 list as it stands in a header or on a command line, folded or not
 * @domain  "example.com" is put behind each member without an @ ("root" becomes
 *          "root@example.com"); one with an @ takes its place ("root" becomes "ann@example.com")
 * @out     out: the list, NUL-terminated, all other octets as they were; free it with lw_free()
 * @n       out, may be NULL: how many members there are; 0 for "undisclosed-recipients:;"
 *
 * A member of several words without < is left as it is, and so is everything behind a quote or
 * comment that does not end: the calls that take a list say what is wrong with it.
 * LW_OK; LW_EUSAGE: no domain, a line break in it, or a NUL in the list; LW_ELIMIT: more than
 * 64 MiB; LW_ENOMEM.  Linear in the length.  Source: RFC 6409 4.2 (who submits completes).
 */
LW_API LW_MUST_USE lw_code lw_addresses_complete(lw_span list, const char *domain, char **out,
                                                 size_t *n);

/** lw_message_raw_header - write this field of the ready message anew (all of that name become one,
 *  behind the others), or remove it: value NULL.  Its body stays as it is; so LW_EUSAGE for
 *  MIME-Version and Content-*.  Checked and written as by lw_message_header(). */
LW_API lw_code lw_message_raw_header(lw_message *m, const char *name, const char *value);

/** A ready message that is sent on: by whom, and to whom; set what you need, leave the rest zero.
 *  Addresses as in lw_message_to(). */
typedef struct lw_resent {
    const char *from;          /* who sends it on                                             */
    const char *sender;        /* who does that for them; needed where from names several     */
    const char *to, *cc, *bcc; /* who gets it, one at least; bcc is never written             */
    const char *message_id;    /* of the sending on, "<left@right>"; NULL = a unique one      */
    bool has_date;             /* date_s and zone_minutes are set, as for lw_message_date();
                                  otherwise the time of sending                               */
    int64_t date_s;
    int zone_minutes;
} lw_resent;
/**
 * lw_message_resent - send the ready message on to somebody else (RFC 5322 3.6.6)
 *
 * One block of Resent-From, -Sender, -To, -Cc, -Date and -Message-ID is put before all other fields,
 * those of an earlier sending on among them; the message itself stays as it is, and answers go to
 * its author.  The envelope goes to the recipients named here (and to those of the to, cc and bcc
 * calls), or, where lw_message_envelope_to() was used, to these; failures are reported to sender or
 * from, unless lw_message_envelope_from() says otherwise.
 * LW_OK; LW_EADDRESS; LW_EMESSAGE: nobody gets it, or an identifier or a date is malformed;
 * LW_EUSAGE: NULL, or set already, and when it is sent: the message is composed, not ready.
 */
LW_API lw_code lw_message_resent(lw_message *m, const lw_resent *how);

/** lw_message_dkim - sign the message with this signer whenever it is sent or written; NULL = do
 *  not.  Borrowed until the message is freed; one signer may serve many messages of a thread.
 *  The message is read twice: once to be hashed, once to be sent; nothing of it is copied.  LW_OK;
 *  LW_ENOMEM: the message is NULL. */
LW_API lw_code lw_message_dkim(lw_message *m, lw_dkim_signer *signer);
/** lw_message_secure - sign or encrypt the message (S/MIME, OpenPGP) whenever it is sent or written,
 *  before DKIM; NULL = do not.  Borrowed until the message is freed.  Text then leaves in an encoding
 *  that nobody on the way changes.  LW_OK; LW_ENOMEM: the message is NULL. */
LW_API lw_code lw_message_secure(lw_message *m, lw_secure *secure);

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
