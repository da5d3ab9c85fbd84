/* SPDX-License-Identifier: MIT */
/* tests/client/written.h - a message as it is written, and a file that changes meanwhile */
#ifndef LW_TESTS_WRITTEN_H
#define LW_TESTS_WRITTEN_H

#include "support/test.h"

#include <fcntl.h>
#include <unistd.h>

#define FILE_BYTES 400000

typedef struct written {
    lw_buf octets;
    const char *spoil; /* a file that is changed when the first octets have come */
} written;

static inline lw_code
written_take(void *ctx, const char *p, size_t n)
{
    written *w = ctx;

    if (w->spoil != NULL) {
        int fd = open(w->spoil, O_WRONLY);

        assert_int_equal(pwrite(fd, "!", 1, FILE_BYTES - 100), 1);
        close(fd);
        w->spoil = NULL;
    }
    lw_buf_add(&w->octets, (lw_span){ p, n });
    return LW_OK;
}

static inline void
written_make_file(char path[32])
{
    static char octets[FILE_BYTES];
    int fd;

    memcpy(path, "/tmp/lw-dkim-XXXXXX", sizeof "/tmp/lw-dkim-XXXXXX");
    fd = mkstemp(path);
    memset(octets, 'x', sizeof octets);
    assert_int_equal(write(fd, octets, sizeof octets), sizeof octets);
    close(fd);
}

#endif
