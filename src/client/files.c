/* SPDX-License-Identifier: MIT */
/*
 * client/files.c - files as sources of a message, the message as octets, keys from files
 *
 * mime/ makes no system call: it pulls through an lw_source.  A file is opened when the message
 * is rendered and read while it is sent; what is no regular file is refused, because it has no
 * size, might never end, and cannot be read twice.
 */
#include "client/client_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_MAX 65536 /* RSA of 8192 bits has 7,000 octets as PEM */
#define CERT_FILE_MAX ((size_t)1 << 20)

typedef struct file {
    const lw_alloc *alloc;
    int fd;        /* -1 = closed */
    char path[];
} file;

static lw_code
fail(const file *f, const char *what, int os_err, lw_error *err)
{
    char text[128] = "";

    lw_fail(err, LW_ESOURCE, LW_STAGE_COMPOSE, "%s: %s%s%s", f->path, what,
            os_err != 0 ? ": " : "",
            os_err != 0 ? strerror_r(os_err, text, sizeof text) : "");
    if (err != NULL)
        err->os_err = os_err;
    return LW_ESOURCE;
}

static void
close_file(void *ctx)
{
    file *f = ctx;

    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

static lw_code
open_file(void *ctx, uint64_t *size, lw_error *err)
{
    file *f = ctx;
    struct stat st;

    close_file(f);
    /* O_NONBLOCK: a FIFO that nobody writes must not hold us up before it is refused */
    if ((f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) < 0)
        return fail(f, "cannot be opened", errno, err);
    if (fstat(f->fd, &st) != 0)
        return fail(f, "cannot be read", errno, err);
    if (S_ISDIR(st.st_mode))
        return fail(f, "is a directory, not a file", 0, err);
    if (!S_ISREG(st.st_mode))
        return fail(f, "is no regular file", 0, err);
    *size = (uint64_t)st.st_size;
    return LW_OK;
}

static lw_code
read_file(void *ctx, char *buf, size_t cap, size_t *n, lw_error *err)
{
    file *f = ctx;
    ssize_t got;

    do
        got = read(f->fd, buf, cap);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return fail(f, "cannot be read", errno, err);
    *n = (size_t)got;
    return LW_OK;
}

static void
free_file(void *ctx)
{
    file *f = ctx;

    close_file(f);
    lw_release(f->alloc, f);
}

static lw_code
file_source(lw_message *m, const char *path, lw_source *out)
{
    const lw_alloc *alloc = lw_message_alloc(m);
    size_t n = strlen(path) + 1;
    file *f = lw_malloc(alloc, sizeof *f + n);
    lw_error err;

    if (f == NULL) {
        lw_fail(&err, LW_ENOMEM, LW_STAGE_COMPOSE, "out of memory");
        return lw_message_fail(m, &err);
    }
    f->alloc = alloc;
    f->fd = -1;
    memcpy(f->path, path, n);
    *out = (lw_source){ open_file, read_file, close_file, free_file, f };
    return LW_OK;
}

static lw_code
refuse_null(lw_message *m, const char *field)
{
    lw_error err;

    lw_fail(&err, LW_EUSAGE, LW_STAGE_COMPOSE, "%s: no path was given", field);
    return m == NULL ? LW_EUSAGE : lw_message_fail(m, &err);
}

lw_code
lw_message_attach_file_as(lw_message *m, const char *path, const lw_attachment *how)
{
    const char *name = path;
    char type[128];
    lw_source source;
    lw_code rc;

    if (m == NULL || path == NULL)
        return refuse_null(m, "attachment");
    if ((rc = file_source(m, path, &source)) < 0)
        return rc;
    if (how != NULL && how->name != NULL)
        name = how->name;
    if ((rc = lw_message_attach_guessed(m, source, path, how,
                                        lw_system_type(m, name, type, sizeof type))) < 0)
        free_file(source.ctx);
    return rc;
}

lw_code
lw_message_attach_file(lw_message *m, const char *path)
{
    return lw_message_attach_file_as(m, path, NULL);
}

lw_code
lw_message_raw_file(lw_message *m, const char *path)
{
    lw_source source;
    lw_code rc;

    if (m == NULL || path == NULL)
        return refuse_null(m, "message");
    if ((rc = file_source(m, path, &source)) < 0)
        return rc;
    if ((rc = lw_message_raw_source(m, source, path)) < 0)
        free_file(source.ctx);
    return rc;
}

/* ---- a descriptor of the caller's --------------------------------------------------------------- */

typedef struct descriptor {
    const lw_alloc *alloc;
    int fd;
    uint64_t pos;
} descriptor;

static lw_code
fail_fd(const descriptor *d, const char *what, int os_err, lw_error *err)
{
    char text[128] = "";

    lw_fail(err, LW_ESOURCE, LW_STAGE_COMPOSE, "descriptor %d: %s%s%s", d->fd, what,
            os_err != 0 ? ": " : "",
            os_err != 0 ? strerror_r(os_err, text, sizeof text) : "");
    if (err != NULL)
        err->os_err = os_err;
    return LW_ESOURCE;
}

static lw_code
open_fd(void *ctx, uint64_t *size, lw_error *err)
{
    descriptor *d = ctx;
    struct stat st;

    if (fstat(d->fd, &st) != 0)
        return fail_fd(d, "cannot be read", errno, err);
    if (!S_ISREG(st.st_mode))
        return fail_fd(d, "is no regular file", 0, err);
    d->pos = 0;
    *size = (uint64_t)st.st_size;
    return LW_OK;
}

static lw_code
read_fd(void *ctx, char *buf, size_t cap, size_t *n, lw_error *err)
{
    descriptor *d = ctx;
    ssize_t got;

    do
        got = pread(d->fd, buf, cap, (off_t)d->pos);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return fail_fd(d, "cannot be read", errno, err);
    d->pos += (uint64_t)got;
    *n = (size_t)got;
    return LW_OK;
}

static void
close_fd(void *ctx)
{
    (void)ctx; /* it is the caller's */
}

static void
free_fd(void *ctx)
{
    descriptor *d = ctx;

    lw_release(d->alloc, d);
}

/* LW_OK: *out has memory that free_fd() ends */
static lw_code
fd_source(lw_message *m, int fd, lw_source *out)
{
    descriptor *d;
    lw_error err;

    if (m == NULL)
        return LW_EUSAGE;
    if ((d = lw_malloc(lw_message_alloc(m), sizeof *d)) == NULL) {
        lw_fail(&err, LW_ENOMEM, LW_STAGE_COMPOSE, "out of memory");
        return lw_message_fail(m, &err);
    }
    *d = (descriptor){ lw_message_alloc(m), fd, 0 };
    *out = (lw_source){ open_fd, read_fd, close_fd, free_fd, d };
    return LW_OK;
}

lw_code
lw_message_raw_fd(lw_message *m, int fd)
{
    lw_source source;
    lw_code rc = fd_source(m, fd, &source);

    if (rc >= 0 && (rc = lw_message_raw_source(m, source, "the message")) < 0)
        free_fd(source.ctx);
    return rc;
}

lw_code
lw_message_attach_fd(lw_message *m, int fd, const lw_attachment *how)
{
    lw_source source;
    lw_code rc = fd_source(m, fd, &source);

    if (rc >= 0 && (rc = lw_message_attach_source(m, source, NULL, how)) < 0)
        free_fd(source.ctx);
    return rc;
}

/* ---- the message as octets ---------------------------------------------------------------------- */

static lw_code
write_body(lw_body *body, lw_code (*write)(void *ctx, const char *p, size_t n), void *ctx)
{
    lw_span span;
    lw_code rc, written;

    do {
        if ((rc = body->next(body->ctx, &span)) < 0)
            return rc;
        if (span.len > 0 && (written = write(ctx, span.ptr, span.len)) < 0)
            return written;
    } while (rc != LW_DONE);
    return LW_OK;
}

lw_code
lw_message_write(lw_message *m, lw_code (*write)(void *ctx, const char *p, size_t n), void *ctx,
                 lw_error *err)
{
    lw_outgoing out;
    lw_code rc;

    lw_error_clear(err);
    if ((rc = lw_outgoing_open(&out, m, err)) < 0)
        return rc;
    rc = write_body(lw_outgoing_body(&out), write, ctx);
    if (rc < 0 && err != NULL) {
        if (lw_outgoing_error(&out)->code < 0)
            *err = *lw_outgoing_error(&out);
        else
            lw_fail(err, rc, LW_STAGE_COMPOSE, "%s", lw_code_text(rc));
    }
    lw_outgoing_close(&out);
    return rc;
}

/* ---- keys and certificates ---------------------------------------------------------------------- */

/* a whole file of less than cap octets; LW_OK, or LW_ECONFIG and why */
static lw_code
read_key(const char *path, char *pem, size_t cap, size_t *n, lw_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), os_err;
    char text[128];
    ssize_t got = -1;

    *n = 0;
    while (fd >= 0 && *n < cap) {
        got = read(fd, pem + *n, cap - *n);
        if (got == 0 || (got < 0 && errno != EINTR))
            break;
        *n += got > 0 ? (size_t)got : 0;
    }
    os_err = got < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    if (os_err != 0)
        return lw_fail(err, LW_ECONFIG, LW_STAGE_COMPOSE, "cannot be read: %s",
                       strerror_r(os_err, text, sizeof text));
    if (*n == cap)
        return lw_fail(err, LW_ECONFIG, LW_STAGE_COMPOSE,
                       "%zu KiB and more is too large for a key or a certificate",
                       cap >> 10);
    return LW_OK;
}

/* the sentence of e, with the path behind its first word; other: a file that may be the
 * reason as well, NULL = none */
static lw_code
name_file(const char *word, const char *path, const char *other, const lw_error *e,
          lw_error *err)
{
    const char *why = e->text;

    if (strncmp(why, word, strlen(word)) == 0 && strncmp(why + strlen(word), ": ", 2) == 0)
        why += strlen(word) + 2;
    return lw_fail(err, e->code, LW_STAGE_COMPOSE, "%s: %s%s%s: %s", word, path,
                   other == NULL ? "" : " and ", other == NULL ? "" : other, why);
}

lw_code
lw_dkim_key_file(const lw_alloc *alloc, const char *path, lw_dkim_key **out, lw_error *err)
{
    char pem[KEY_FILE_MAX];
    lw_code rc;
    lw_error e;
    size_t n;

    if (out == NULL || path == NULL)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE, "dkim: no path was given");
    *out = NULL;
    lw_error_clear(&e);
    if ((rc = read_key(path, pem, sizeof pem, &n, &e)) == LW_OK)
        rc = lw_dkim_key_parse(alloc, (lw_span){ pem, n }, out, &e);
    lw_wipe(pem, sizeof pem);
    return rc == LW_OK ? LW_OK : name_file("dkim", path, NULL, &e, err);
}

/* Certificates come by the hundred; the buffer is malloc's and wiped, a key may be in it. */
static lw_code
read_certs(const char *path, lw_span *pem, lw_error *err)
{
    lw_error e;
    lw_code rc;
    char *p;

    *pem = LW_NO_SPAN;
    if (path == NULL)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE, "smime: no path was given");
    if ((p = lw_malloc(NULL, CERT_FILE_MAX)) == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "out of memory");
    *pem = (lw_span){ p, 0 };
    rc = read_key(path, p, CERT_FILE_MAX, &pem->len, &e);
    return rc == LW_OK ? LW_OK : name_file("smime", path, NULL, &e, err);
}

static void
drop_certs(lw_span pem)
{
    if (pem.ptr != NULL)
        lw_wipe((char *)pem.ptr, pem.len);
    lw_release(NULL, (char *)pem.ptr);
}

lw_code
lw_secure_smime_sign_file(lw_secure *s, const char *cert, const char *key, lw_error *err)
{
    lw_span certs, pem = LW_NO_SPAN;
    lw_error e;
    lw_code rc;

    if ((rc = read_certs(cert, &certs, err)) == LW_OK &&
        (key == NULL || (rc = read_certs(key, &pem, err)) == LW_OK) &&
        (rc = lw_secure_smime_sign(s, certs, pem, &e)) != LW_OK)
        rc = name_file("smime", cert, key, &e, err);
    drop_certs(certs);
    drop_certs(pem);
    return rc;
}

lw_code
lw_secure_smime_cert_file(lw_secure *s, const char *path, lw_error *err)
{
    lw_span certs;
    lw_error e;
    lw_code rc;

    if ((rc = read_certs(path, &certs, err)) == LW_OK &&
        (rc = lw_secure_smime_cert(s, certs, &e)) != LW_OK)
        rc = name_file("smime", path, NULL, &e, err);
    drop_certs(certs);
    return rc;
}
