/* SPDX-License-Identifier: MIT */
/*
 * letterwing/secure.h - sign and encrypt messages: S/MIME (RFC 8551), OpenPGP/MIME (RFC 3156)
 *
 * An lw_secure says what shall be done to messages; it serves any number of them.  It works on the
 * message as it will leave, so it fits composed and ready messages alike, and runs before DKIM:
 *
 *     secure = lw_secure_new(NULL);
 *     lw_secure_smime_sign_file(secure, "ann.pem", NULL, &err);      (certificate and key)
 *     lw_secure_smime_cert_file(secure, "bob.pem", &err);            (one for each recipient)
 *     lw_secure_smime_encrypt(secure, LW_SMIME_AES_256_CBC, &err);
 *     lw_message_secure(message, secure);                            and lw_send() as ever
 *
 * What stays readable: all fields of the header but Content-*, so Subject and addresses.
 * What is held in memory: the header (at most LW_SECURE_HEADER_MAX) and a few buffers, never the
 * message.  Signing reads the message twice, once to hash it and once to send it.  Encrypting reads it
 * once; the result waits in memory up to LW_SECURE_MEMORY_MAX and from there on in a file without a
 * name, which holds encrypted octets only.  Doing both reads it twice before it is sent.
 *
 * S/MIME needs OpenSSL, OpenPGP needs GPGME and gpg; both are loaded when first used.  A password
 * is never asked for: keys of S/MIME are not encrypted, keys of gpg have none, or gpg-agent knows it.
 * Objects are used in one thread at a time; OpenSSL and GPGME take their own memory.
 */
#ifndef LETTERWING_SECURE_H
#define LETTERWING_SECURE_H

#include <letterwing/base.h>
#include <letterwing/message.h>
#include <letterwing/smtp.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LW_SECURE_HEADER_MAX ((size_t)16 << 20)  /* octets of a header                            */
#define LW_SECURE_MEMORY_MAX ((size_t)256 << 10) /* octets of an encrypted message kept in memory */
#define LW_SECURE_CERTS_MAX 1000                 /* certificates of recipients                    */

/** lw_secure_new - nothing is to be done yet; NULL when out of memory */
LW_API lw_secure *lw_secure_new(const lw_alloc *alloc);
LW_API void lw_secure_free(lw_secure *s);
/** lw_secure_temp_dir - where the file without a name is made; copied; "/tmp" unless set.  LW_OK,
 *  LW_EUSAGE (empty), LW_ENOMEM. */
LW_API LW_MUST_USE lw_code lw_secure_temp_dir(lw_secure *s, const char *path, lw_error *err);

/* ---- S/MIME ------------------------------------------------------------------------------------ */

typedef enum lw_smime_cipher {
    LW_SMIME_AES_256_CBC, /* EnvelopedData: what every reader of today can decrypt           */
    LW_SMIME_AES_256_GCM  /* AuthEnvelopedData: S/MIME 4.0, notices changes; few readers yet */
} lw_smime_cipher;

/**
 * lw_secure_smime_sign - sign with this certificate: multipart/signed, SHA-256
 *
 * @certs  PEM: the certificate, and behind it those that lead to its root (they go with it)
 * @key    PEM: its private key, not encrypted; len 0 = in certs
 *
 * LW_OK; LW_EUSAGE: signing is set already; LW_ECONFIG: no certificate, no key, the key is encrypted or
 * belongs to another certificate, is no RSA of 2048 bits or more and no EC, or the certificate is
 * not for signing mail (the sentence says which; also when OpenSSL is missing); LW_ENOMEM.
 */
LW_API LW_MUST_USE lw_code lw_secure_smime_sign(lw_secure *s, lw_span certs, lw_span key,
                                                lw_error *err);
/** lw_secure_smime_sign_file - the same from files of at most 1 MiB; key NULL = in cert */
LW_API LW_MUST_USE lw_code lw_secure_smime_sign_file(lw_secure *s, const char *cert,
                                                     const char *key, lw_error *err);
/** lw_secure_smime_cert - certificates (PEM) of recipients; each is for the mail addresses in it.
 *  LW_OK; LW_ECONFIG: there is none, or one without an address; LW_ELIMIT; LW_ENOMEM. */
LW_API LW_MUST_USE lw_code lw_secure_smime_cert(lw_secure *s, lw_span certs, lw_error *err);
LW_API LW_MUST_USE lw_code lw_secure_smime_cert_file(lw_secure *s, const char *path, lw_error *err);
/** lw_secure_smime_encrypt - encrypt every message for its recipients, and for the sender where
 *  a certificate of his is at hand.  LW_OK, LW_EUSAGE (OpenPGP was chosen before). */
LW_API LW_MUST_USE lw_code lw_secure_smime_encrypt(lw_secure *s, lw_smime_cipher cipher,
                                                   lw_error *err);

/* ---- OpenPGP ----------------------------------------------------------------------------------- */

/** lw_secure_pgp_sign - sign with this key of gpg's ring (a fingerprint or an address); NULL = the
 *  sender's.  LW_OK; LW_EUSAGE: S/MIME was chosen before; LW_ECONFIG: GPGME is missing; LW_ENOMEM. */
LW_API LW_MUST_USE lw_code lw_secure_pgp_sign(lw_secure *s, const char *key, lw_error *err);
/** lw_secure_pgp_encrypt - encrypt for all recipients, whose keys gpg must have and trust, and for the
 *  sender if he has one.  Results as of lw_secure_pgp_sign. */
LW_API LW_MUST_USE lw_code lw_secure_pgp_encrypt(lw_secure *s, lw_error *err);
/** lw_secure_pgp_home - the folder of gpg's keys; copied; gpg's own choice unless set */
LW_API LW_MUST_USE lw_code lw_secure_pgp_home(lw_secure *s, const char *path, lw_error *err);

/* ---- a message ---------------------------------------------------------------------------------- */

typedef struct lw_secured lw_secured;
/**
 * lw_secure_body - sign and encrypt one message
 *
 * @s      used until this call returns
 * @body   the whole message; must have rewind, and give the same octets again; borrowed until the
 *         result is freed
 * @env    its envelope: encryption is for these recipients.  What leaves is 7bit, and the envelope
 *         is made to say so, unless the header itself is not ASCII
 * @now_s  seconds since 1970: signing time, and when certificates must be valid
 * @out    out: end it with lw_secured_free()
 *
 * LW_OK; LW_ECONFIG: a certificate or key is missing, expired, of another purpose, or not the sender's;
 * LW_EMESSAGE: what shall be signed is not 7bit with lines of at most 998 octets (it could be
 * changed on its way: let the composer encode it), or a recipient whom no other may see (Bcc) is
 * among several: encrypted, the message would tell them of him; LW_EUSAGE: nothing was chosen, or
 * body cannot rewind; LW_EOUTPUT: the file without a name; what body's next returned; LW_ENOMEM.
 * Nothing has left then.  Blocks while it reads; never asks for a password.
 */
LW_API LW_MUST_USE lw_code lw_secure_body(lw_secure *s, lw_body *body, lw_envelope *env,
                                          int64_t now_s, lw_secured **out, lw_error *err);
/** lw_secured_body - what is to be sent; it can rewind.  Should a source give other octets than were
 *  signed, next fails with LW_ESOURCE before the end: no message with a broken signature is complete. */
LW_API lw_body *lw_secured_body(lw_secured *b);
/** lw_secured_error - why next failed; code LW_OK: it did not, or the source has the reason itself */
LW_API const lw_error *lw_secured_error(const lw_secured *b);
LW_API void lw_secured_free(lw_secured *b);

#ifdef __cplusplus
}
#endif
#endif
