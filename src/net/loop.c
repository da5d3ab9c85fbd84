/* SPDX-License-Identifier: MIT */
/*
 * net/loop.c - loops and sockets stay away from descriptors 0 to 2
 *
 * A program may have closed its standard descriptors.  Whatever is opened next gets their
 * numbers: libuv aborts when it is to close one of them, and what the program prints would end
 * in the middle of a dialogue.
 */
#include "net/net.h"

#include <fcntl.h>
#include <unistd.h>

#define FIRST_FREE 3

int
lw_fd_above_stdio(int fd)
{
    int moved;

    if (fd < 0 || fd >= FIRST_FREE)
        return fd;
    moved = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE);
    close(fd);
    return moved;
}

/* fills the free ones among 0 to 2; gives how many */
static int
occupy(int taken[FIRST_FREE])
{
    int n = 0, fd;

    while ((fd = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && fd < FIRST_FREE)
        taken[n++] = fd;
    if (fd >= 0)
        close(fd);
    return n;
}

lw_code
lw_loop_init(uv_loop_t *loop)
{
    int taken[FIRST_FREE], n = occupy(taken);
    int rc = uv_loop_init(loop);

    while (n > 0)
        close(taken[--n]);
    return rc == 0 ? LW_OK : LW_ENOMEM;
}
