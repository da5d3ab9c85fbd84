/* SPDX-License-Identifier: MIT */
/*
 * cli/sendmail_spool.c - a message that waits until it is complete
 *
 * Up to 1 MiB in memory; more goes to a file in $TMPDIR or /tmp that never has a name, or has
 * lost it before the first octet is written, so that no other user meets it and nothing is left
 * behind.
 */
#include "cli/sendmail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK ((size_t) 1 << 20)

void
sendmail_spool_init(sendmail_spool *s)
{
    *s = (sendmail_spool){ .fd = -1 };
}

void
sendmail_spool_deinit(sendmail_spool *s)
{
    free(s->mem);
    if (s->fd >= 0)
        close(s->fd);
    sendmail_spool_init(s);
}

static int
fail(const char *folder)
{
    char text[128];

    return cli_error(EX_IOERR, "the message cannot be kept in %s: %s", folder,
                     strerror_r(errno, text, sizeof text));
}

static const char *
folder(void)
{
    const char *given = getenv("TMPDIR");

    return given != NULL && given[0] == '/' ? given : "/tmp";
}

static int
open_file(sendmail_spool *s)
{
    char name[4096];

    s->fd = open(folder(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->fd >= 0)
        return CLI_GO_ON;
    /* a file system that cannot */
    if ((size_t) snprintf(name, sizeof name, "%s/letterwing-XXXXXX", folder()) >= sizeof name)
        errno = ENAMETOOLONG;
    else if ((s->fd = mkostemp(name, O_CLOEXEC)) >= 0)
        unlink(name);
    return s->fd >= 0 ? CLI_GO_ON : fail(folder());
}

static int
flush(sendmail_spool *s)
{
    int rc;

    if (s->fd < 0 && (rc = open_file(s)) != CLI_GO_ON)
        return rc;
    for (size_t done = 0; done < s->len;) {
        ssize_t n = write(s->fd, s->mem + done, s->len - done);

        if (n < 0 && errno != EINTR)
            return fail(folder());
        done += n > 0 ? (size_t) n : 0;
    }
    s->len = 0;
    return CLI_GO_ON;
}

int
sendmail_spool_add(sendmail_spool *s, lw_span octets)
{
    int rc;

    if (s->mem == NULL && (s->mem = malloc(BLOCK)) == NULL)
        return cli_error(EX_OSERR, "out of memory");
    while (octets.len > 0) {
        size_t n = BLOCK - s->len < octets.len ? BLOCK - s->len : octets.len;

        memcpy(s->mem + s->len, octets.ptr, n);
        s->len += n;
        octets = (lw_span){ octets.ptr + n, octets.len - n };
        if (s->len == BLOCK && (rc = flush(s)) != CLI_GO_ON)
            return rc;
    }
    return CLI_GO_ON;
}

int
sendmail_spool_end(sendmail_spool *s)
{
    return s->fd < 0 ? CLI_GO_ON : flush(s);
}
