/* SPDX-License-Identifier: MIT */
/*
 * floor.c - the least that a process can do to send one message
 *
 *     floor PORT FILE
 *
 * FILE is a message with CRLF line ends and no line that begins with a dot.  Every command
 * waits for its answer, as the simplest correct client would.  Linked statically: no loader,
 * no name service, no TLS.  What `letterwing send` takes is counted in multiples of this.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGE_MAX = 1 << 20 };

static void
die(const char *what)
{
    fprintf(stderr, "floor: %s: %m\n", what);
    exit(1);
}

/* Reads one reply, whole: the line whose fourth octet is a space ends it. */
static void
expect(int fd, char klass)
{
    char text[4096], *last;
    size_t len = 0;
    ssize_t n = -1;

    do {
        if ((n = recv(fd, text + len, sizeof text - 1 - len, 0)) <= 0)
            die("recv");
        len += (size_t)n;
        text[len] = '\0';
        last = len >= 2 ? memrchr(text, '\n', len - 1) : NULL;
        last = last != NULL ? last + 1 : text;
    } while (text[len - 1] != '\n' || last[3] != ' ');
    if (last[0] != klass)
        die(text);
}

static void
say(int fd, const char *text, size_t n, char klass)
{
    if (send(fd, text, n, 0) != (ssize_t)n)
        die("send");
    expect(fd, klass);
}

static size_t
load(const char *path, char *text)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = -1;

    if (fd < 0 || (n = read(fd, text, MESSAGE_MAX)) < 0)
        die(path);
    memcpy(text + n, ".\r\n", 3);
    return (size_t)n + 3;
}

static int
connect_to(const char *port)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("connect");
    return fd;
}

#define SAY(fd, text, klass) say(fd, text, sizeof(text) - 1, klass)

int
main(int argc, char **argv)
{
    static char message[MESSAGE_MAX + 3];
    size_t len;
    int fd;

    if (argc != 3)
        return 64;
    len = load(argv[2], message);
    fd = connect_to(argv[1]);
    expect(fd, '2');
    SAY(fd, "EHLO bench.test\r\n", '2');
    SAY(fd, "MAIL FROM:<a@bench.test>\r\n", '2');
    SAY(fd, "RCPT TO:<b@bench.test>\r\n", '2');
    SAY(fd, "DATA\r\n", '3');
    say(fd, message, len, '2');
    SAY(fd, "QUIT\r\n", '2');
    return 0;
}
