/* SPDX-License-Identifier: MIT */
/*
 * limit_attachment.c - how fast one attachment can leave: read, encode, write, and nothing else
 *
 *     limit_attachment -p PORT [-m data|bdat] [-T] FILE
 *
 * base64 by a table of 12 bits, no vector instructions ("the scalar limit"); 57 octets a line.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <string.h>
#include <unistd.h>

enum { LINE_IN = 57, LINE_OUT = 78, LINES = 4000, ROOM = 64 };

static int fd;
static SSL *ssl;
static uint16_t pairs[4096]; /* 12 bits -> two characters */

static void
die(const char *what)
{
    fprintf(stderr, "limit_attachment: %s: %m\n", what);
    exit(1);
}

static void
put(const char *p, size_t n)
{
    ssize_t done;

    while (n > 0) {
        done = ssl != NULL ? SSL_write(ssl, p, (int)n) : send(fd, p, n, MSG_NOSIGNAL);
        if (done <= 0)
            die("write");
        p += done;
        n -= (size_t)done;
    }
}

/* Waits for n replies, all positive. */
static void
expect(int n)
{
    static char text[4096];
    static size_t len;
    ssize_t got;
    char *lf;

    while (n > 0) {
        while (n > 0 && (lf = memchr(text, '\n', len)) != NULL) {
            if (text[0] != '2' && text[0] != '3')
                die(text);
            n -= text[3] != '-';
            len -= (size_t)(lf + 1 - text);
            memmove(text, lf + 1, len);
        }
        if (n == 0)
            return;
        got = ssl != NULL ? SSL_read(ssl, text + len, (int)(sizeof text - len))
                          : recv(fd, text + len, sizeof text - len, 0);
        if (got <= 0)
            die("read");
        len += (size_t)got;
    }
}

static void
say(const char *text, int n_replies)
{
    put(text, strlen(text));
    expect(n_replies);
}

static void
connect_to(uint16_t port, bool with_tls)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
    int on = 1;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* each block at once */
    if (!with_tls)
        return;
    ssl = SSL_new(SSL_CTX_new(TLS_client_method()));
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1)
        die("TLS");
}

static void
make_pairs(void)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (int i = 0; i < 4096; i++)
        memcpy(&pairs[i], (char[]){ digits[i >> 6], digits[i & 63] }, 2);
}

static char *
encode_three(const uint8_t *in, char *out)
{
    uint32_t v = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];

    memcpy(out, &pairs[v >> 12], 2);
    memcpy(out + 2, &pairs[v & 4095], 2);
    return out + 4;
}

/* A whole line: 9 x 6 octets from one load each (it reads two octets past them), and 3. */
static char *
encode_line(const uint8_t *in, char *out)
{
    uint64_t v;

    for (int i = 0; i < 9; i++, in += 6, out += 8) {
        memcpy(&v, in, 8);
        v = __builtin_bswap64(v);
        memcpy(out, &pairs[v >> 52], 2);
        memcpy(out + 2, &pairs[v >> 40 & 4095], 2);
        memcpy(out + 4, &pairs[v >> 28 & 4095], 2);
        memcpy(out + 6, &pairs[v >> 16 & 4095], 2);
    }
    out = encode_three(in, out);
    memcpy(out, "\r\n", 2);
    return out + 2;
}

static size_t
encode(const uint8_t *in, size_t n, char *out)
{
    char *at = out;
    size_t whole = 0;

    for (; n >= LINE_IN; in += LINE_IN, n -= LINE_IN)
        at = encode_line(in, at);
    for (; n >= 3; in += 3, n -= 3, whole++)
        at = encode_three(in, at);
    if (n > 0) {
        at = encode_three((uint8_t[]){ in[0], n > 1 ? in[1] : 0, 0 }, at);
        memset(at - (3 - n), '=', 3 - n);
    }
    if (n > 0 || whole > 0) {
        memcpy(at, "\r\n", 2);
        at += 2;
    }
    return (size_t)(at - out);
}

static size_t
read_block(int from, uint8_t *to, size_t size)
{
    size_t len = 0;
    ssize_t n;

    while (len < size && (n = read(from, to + len, size - len)) != 0) {
        if (n < 0)
            die("file");
        len += (size_t)n;
    }
    return len;
}

/* Sends the file; with chunks one reply is owed for each: gives their number. */
static int
send_file(const char *path, bool in_chunks)
{
    static uint8_t in[LINE_IN * LINES + 8];
    static char out[ROOM + LINE_OUT * (LINES + 1)];
    int from = open(path, O_RDONLY), n_chunks = 0, head;
    char text[ROOM];
    size_t n;

    if (from < 0)
        die(path);
    while ((n = read_block(from, in, LINE_IN * LINES)) > 0) {
        n = encode(in, n, out + ROOM);
        head = in_chunks ? snprintf(text, sizeof text, "BDAT %zu\r\n", n) : 0;
        memcpy(out + ROOM - head, text, (size_t)head);
        put(out + ROOM - head, n + (size_t)head);
        n_chunks++;
    }
    close(from);
    return n_chunks;
}

static void
send_message(const char *path, bool in_chunks)
{
    static const char header[] =
        "Subject: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    char text[ROOM];

    say("MAIL FROM:<a@bench.test>\r\nRCPT TO:<b@bench.test>\r\n", 2);
    if (!in_chunks) {
        say("DATA\r\n", 1);
        say(header, 0);
        send_file(path, false);
        say(".\r\n", 1);
        return;
    }
    snprintf(text, sizeof text, "BDAT %zu\r\n", sizeof header - 1);
    say(text, 0);
    say(header, 1);
    expect(send_file(path, true));
    say("BDAT 0 LAST\r\n", 1);
}

int
main(int argc, char **argv)
{
    bool in_chunks = false, with_tls = false;
    uint16_t port = 0;
    stopwatch since;
    int option;

    while ((option = getopt(argc, argv, "p:m:T")) != -1) {
        switch (option) {
        case 'p':
            port = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 'm':
            in_chunks = strcmp(optarg, "bdat") == 0;
            break;
        case 'T':
            with_tls = true;
            break;
        default:
            return 64;
        }
    }
    if (optind + 1 != argc)
        return 64;
    since = look_at_clock();
    make_pairs();
    connect_to(port, with_tls);
    expect(1);
    say("EHLO bench.test\r\n", 1);
    send_message(argv[optind], in_chunks);
    say("QUIT\r\n", 1);
    return print_result(since, 1, 1);
}
