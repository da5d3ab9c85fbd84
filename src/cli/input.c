/* SPDX-License-Identifier: MIT */
/* cli/input.c - files and standard input, read whole, with a limit */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
cli_no_input(const char *what, const char *path, int os_err)
{
    char why[128];

    return cli_error(EX_NOINPUT, "%s%s%s cannot be read: %s", what != NULL ? what : "",
                     what != NULL ? ": " : "", strcmp(path, "-") == 0 ? "standard input" : path,
                     strerror_r(os_err, why, sizeof why));
}

/* reads to the end into a growing, NUL-terminated buffer; 0 or an errno value */
static int
read_all(int fd, char **out, size_t *len)
{
    size_t cap = 65536, n = 0;
    char *buf = malloc(cap), *grown;
    ssize_t got = 0;

    while (buf != NULL) {
        got = read(fd, buf + n, cap - n - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t) got;
        if (cap - n > 1)
            continue;
        if (cap >= CLI_INPUT_MAX) {
            free(buf);
            return EFBIG;
        }
        if ((grown = realloc(buf, cap *= 2)) == NULL)
            free(buf);
        buf = grown;
    }
    if (buf == NULL)
        return ENOMEM;
    if (got < 0) {
        free(buf);
        return errno;
    }
    buf[n] = '\0';
    *out = buf;
    *len = n;
    return 0;
}

int
cli_read_file(const char *what, const char *path, char **out, size_t *len)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    int os_err = fd < 0 ? errno : read_all(fd, out, len);

    if (fd >= 0 && !is_stdin)
        close(fd);
    return os_err == 0 ? CLI_GO_ON : cli_no_input(what, path, os_err);
}

int
cli_feed_file(const char *what, const char *path, lw_code (*feed)(void *, const char *, size_t),
              void *ctx, lw_code *rc)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), os_err;
    char buf[65536];
    ssize_t got = 0;

    *rc = LW_OK;
    while (fd >= 0 && *rc >= 0) {
        got = read(fd, buf, sizeof buf);
        if (got > 0)
            *rc = feed(ctx, buf, (size_t) got);
        else if (got == 0 || errno != EINTR)
            break;
    }
    os_err = fd < 0 || got < 0 ? errno : 0;
    if (fd >= 0 && !is_stdin)
        close(fd);
    return os_err == 0 ? CLI_GO_ON : cli_no_input(what, path, os_err);
}

int
cli_read_text(const char *what, const char *path, const char *charset, char **out)
{
    const char *shown = strcmp(path, "-") == 0 ? "standard input" : path;
    size_t len;
    int rc;

    if ((rc = cli_read_file(what, path, out, &len)) != CLI_GO_ON
        || (rc = cli_to_utf8(what, shown, charset, out, &len)) != CLI_GO_ON)
        return rc;
    if (strlen(*out) == len)
        return CLI_GO_ON;
    free(*out);
    *out = NULL;
    return cli_error(EX_DATAERR,
                     "%s: %s holds a NUL octet and is no text: attach it instead", what, shown);
}

int
cli_value(const char *what, const char *given, const char *charset, char **out)
{
    if (strcmp(given, "-") == 0)
        return cli_read_text(what, given, charset, out);
    if (given[0] == '@' && given[1] != '@')
        return cli_read_text(what, given + 1, charset, out);
    *out = strdup(given[0] == '@' ? given + 1 : given); /* "@@x" is the text "@x" */
    return *out == NULL ? cli_error(EX_OSERR, "out of memory") : CLI_GO_ON;
}
