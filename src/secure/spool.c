/* SPDX-License-Identifier: MIT */
/*
 * secure/spool.c - encrypted octets that wait to be sent, encoded as they will leave
 *
 * Encrypting the same message again would give other octets, and DKIM, a second server and a second
 * attempt each read it once more: so the result is kept.  Small ones stay in memory; a large one goes
 * into a file that has no name, so that nothing is left behind however the program ends.
 */
#include "secure/secure_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_IN 57 /* octets of a base64 line of 76 characters */

struct lw_spool {
    lw_alloc alloc;
    lw_spool_form form;
    const char *dir;
    int fd;         /* -1 = all is in mem                          */
    char *mem;      /* LW_SECURE_MEMORY_MAX octets: all, or what waits for the file */
    size_t n_mem;
    uint64_t size;  /* octets as they will leave                   */
    uint64_t at;    /* of them read                                */
    unsigned char held[LINE_IN];
    size_t n_held;
    bool after_cr;
};

lw_spool *
lw_spool_new(const lw_alloc *alloc, lw_spool_form form, const char *dir)
{
    lw_spool *s = lw_zalloc(alloc, sizeof *s);

    if (s == NULL)
        return NULL;
    *s = (lw_spool){ .alloc = *lw_alloc_or_default(alloc), .form = form, .fd = -1,
                     .dir = dir == NULL ? "/tmp" : dir };
    if ((s->mem = lw_malloc(&s->alloc, LW_SECURE_MEMORY_MAX)) != NULL)
        return s;
    lw_spool_free(s);
    return NULL;
}

void
lw_spool_free(lw_spool *s)
{
    if (s == NULL)
        return;
    lw_alloc alloc = s->alloc;
    if (s->fd >= 0)
        close(s->fd);
    lw_release(&alloc, s->mem);
    lw_release(&alloc, s);
}

uint64_t
lw_spool_size(const lw_spool *s)
{
    return s->size;
}

/* ---- the file ------------------------------------------------------------------------------------ */

static lw_code
file_failed(const lw_spool *s, const char *what, lw_error *err)
{
    int os_err = errno;
    char text[128];

    lw_secure_fail(err, LW_EOUTPUT, "a temporary file in %s cannot be %s: %s", s->dir, what,
                   strerror_r(os_err, text, sizeof text));
    if (err != NULL)
        err->os_err = os_err;
    return LW_EOUTPUT;
}

/* without a name from the start; where the file system cannot do that, it loses it at once */
static int
open_nameless(const char *dir)
{
    char path[4096];
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), n;

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return fd;
    n = snprintf(path, sizeof path, "%s/letterwing-XXXXXX", dir);
    if (n < 0 || (size_t)n >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if ((fd = mkostemp(path, O_CLOEXEC)) >= 0)
        unlink(path);
    return fd;
}

static lw_code
flush(lw_spool *s, lw_error *err)
{
    size_t done = 0;
    ssize_t n;

    if (s->fd < 0 && (s->fd = open_nameless(s->dir)) < 0)
        return file_failed(s, "made", err);
    while (done < s->n_mem) {
        n = write(s->fd, s->mem + done, s->n_mem - done);
        if (n < 0 && errno != EINTR)
            return file_failed(s, "written", err);
        done += n > 0 ? (size_t)n : 0;
    }
    s->n_mem = 0;
    return LW_OK;
}

/* ---- writing -------------------------------------------------------------------------------------- */

static lw_code
put(lw_spool *s, const char *p, size_t n, lw_error *err)
{
    lw_code rc;

    s->size += n;
    while (n > 0) {
        size_t room = LW_SECURE_MEMORY_MAX - s->n_mem, run = n < room ? n : room;
        memcpy(s->mem + s->n_mem, p, run);
        s->n_mem += run;
        p += run;
        n -= run;
        if (n > 0 && (rc = flush(s, err)) < 0)
            return rc;
    }
    return LW_OK;
}

static lw_code
put_line(lw_spool *s, const void *p, size_t n, lw_error *err)
{
    char line[LW_BASE64_LEN(LINE_IN) + 2];
    size_t len = lw_base64_encode(line, p, n);

    memcpy(line + len, "\r\n", 2);
    return put(s, line, len + 2, err);
}

static lw_code
write_base64(lw_spool *s, lw_span in, lw_error *err)
{
    lw_code rc = LW_OK;

    while (rc >= 0 && in.len > 0) {
        size_t n = LINE_IN - s->n_held;
        if (in.len < n)
            n = in.len;
        memcpy(s->held + s->n_held, in.ptr, n);
        s->n_held += n;
        in = (lw_span){ in.ptr + n, in.len - n };
        if (s->n_held < LINE_IN)
            break;
        rc = put_line(s, s->held, LINE_IN, err);
        s->n_held = 0;
    }
    return rc;
}

static lw_code
write_lines(lw_spool *s, lw_span in, lw_error *err)
{
    lw_code rc = LW_OK;

    while (rc >= 0 && in.len > 0) {
        size_t n = lw_span_find(in, '\n');
        if (n > 0)
            s->after_cr = in.ptr[n - 1] == '\r';
        if ((rc = put(s, in.ptr, n, err)) < 0 || n == in.len)
            return rc;
        rc = put(s, &"\r\n"[s->after_cr], 2 - (size_t)s->after_cr, err);
        s->after_cr = false;
        in = (lw_span){ in.ptr + n + 1, in.len - n - 1 };
    }
    return rc;
}

lw_code
lw_spool_write(lw_spool *s, lw_span octets, lw_error *err)
{
    return s->form == LW_SPOOL_BASE64 ? write_base64(s, octets, err) : write_lines(s, octets, err);
}

lw_code
lw_spool_finish(lw_spool *s, lw_error *err)
{
    lw_code rc = LW_OK;

    if (s->n_held > 0)
        rc = put_line(s, s->held, s->n_held, err);
    s->n_held = 0;
    if (rc >= 0 && s->fd >= 0)
        rc = flush(s, err);
    lw_spool_rewind(s);
    return rc;
}

/* ---- reading -------------------------------------------------------------------------------------- */

void
lw_spool_rewind(lw_spool *s)
{
    s->at = 0;
}

lw_code
lw_spool_next(lw_spool *s, lw_span *span, lw_error *err)
{
    ssize_t n;

    *span = LW_LIT("");
    if (s->at >= s->size)
        return LW_DONE;
    if (s->fd < 0) {
        *span = (lw_span){ s->mem, s->n_mem };
        s->at = s->size;
        return LW_DONE;
    }
    do
        n = pread(s->fd, s->mem, LW_SECURE_MEMORY_MAX, (off_t)s->at);
    while (n < 0 && errno == EINTR);
    if (n <= 0) {
        errno = n == 0 ? EIO : errno;
        return file_failed(s, "read", err);
    }
    s->at += (uint64_t)n;
    *span = (lw_span){ s->mem, (size_t)n };
    return s->at >= s->size ? LW_DONE : LW_OK;
}
