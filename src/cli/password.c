/* SPDX-License-Identifier: MIT */
/* cli/password.c - where --password-from points to; the first line counts */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define PASSWORD_MAX 65536 /* OAuth2 tokens are long */

void
cli_wipe(char *secret)
{
    volatile char *p = secret;

    if (secret == NULL)
        return;
    while (*p != '\0')
        *p++ = '\0';
    free(secret);
}

/* the first line of fd; false on a read error, a NUL, or nothing */
static bool
first_line(int fd, char **out)
{
    char *buf = calloc(1, PASSWORD_MAX);
    size_t n = 0, len;
    ssize_t got = 1;

    while (buf != NULL && n < PASSWORD_MAX - 1 && got != 0) {
        got = read(fd, buf + n, PASSWORD_MAX - 1 - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break;
        n += (size_t) got;
        if (memchr(buf, '\n', n) != NULL)
            break;
    }
    if (buf == NULL)
        return false;
    len = strcspn(buf, "\n");
    if (len > 0 && buf[len - 1] == '\r')
        len--;
    if (got < 0 || len == 0 || (len == strlen(buf) && len < n)) {
        explicit_bzero(buf, PASSWORD_MAX);
        free(buf);
        return false;
    }
    explicit_bzero(buf + len, PASSWORD_MAX - len);
    *out = buf;
    return true;
}

static int
from_env(const char *name, char **out)
{
    const char *value = getenv(name);

    if (value == NULL || value[0] == '\0')
        return cli_error(EX_CONFIG, "--password-from: the variable %s is not set", name);
    *out = strdup(value);
    return *out == NULL ? cli_error(EX_OSERR, "out of memory") : CLI_GO_ON;
}

static int
from_file(const char *path, char **out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is_good;
    char text[128];

    if (fd < 0)
        return cli_error(EX_CONFIG, "--password-from: %s cannot be read: %s", path,
                         strerror_r(errno, text, sizeof text));
    is_good = first_line(fd, out);
    close(fd);
    if (!is_good)
        return cli_error(EX_CONFIG, "--password-from: %s holds no password", path);
    return CLI_GO_ON;
}

/* runs it in a shell with its output in a pipe; its status as waitpid() gives it, -1 = it did
 * not run */
static int
first_line_of_command(const char *command, char **out, bool *is_good)
{
    char shell[] = "/bin/sh", option[] = "-c", *text = strdup(command);
    char *argv[] = { shell, option, text, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t usual;
    int pipe_ends[2], status = -1;
    pid_t pid;

    if (text == NULL || pipe2(pipe_ends, O_CLOEXEC) != 0) {
        free(text);
        return -1;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
    /* we ignore SIGPIPE; a command that prints more than one line must be stopped by it */
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    if (posix_spawn(&pid, shell, &actions, &attributes, argv, environ) != 0)
        pid = -1;
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_ends[1]);
    *is_good = pid > 0 && first_line(pipe_ends[0], out);
    close(pipe_ends[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    free(text);
    return status;
}

/* Who prints more than one line may be stopped by our closed pipe: that is no failure.  A shell
 * says it of its command as 128 and the signal's number. */
static bool
was_stopped(int status)
{
    return (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE) ||
           (WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGPIPE);
}

static int
from_command(const char *command, char **out)
{
    bool is_good = false;
    int status = first_line_of_command(command, out, &is_good);

    if (is_good && (status == 0 || was_stopped(status)))
        return CLI_GO_ON;
    if (is_good)
        cli_wipe(*out);
    *out = NULL;
    if (status != 0)
        return cli_error(EX_CONFIG, "--password-from: the command failed (status %d)",
                         WIFEXITED(status) ? WEXITSTATUS(status) : status);
    return cli_error(EX_CONFIG, "--password-from: the command printed no password");
}

static int
from_fd(const char *number, char **out)
{
    char *end;
    long fd = strtol(number, &end, 10);

    if (*number == '\0' || *end != '\0' || fd < 0 || fd > 1000000)
        return cli_error(EX_USAGE, "--password-from: fd:%s is no descriptor number", number);
    if (!first_line((int) fd, out))
        return cli_error(EX_CONFIG, "--password-from: descriptor %ld gave no password", fd);
    return CLI_GO_ON;
}

int
cli_password(const char *source, char **out)
{
    static const struct {
        const char *prefix;
        int (*get)(const char *, char **);
    } sources[] = {
        { "env:", from_env }, { "file:", from_file }, { "cmd:", from_command }, { "fd:", from_fd },
    };

    for (size_t i = 0; i < CLI_COUNT_OF(sources); i++) {
        size_t n = strlen(sources[i].prefix);

        if (strncmp(source, sources[i].prefix, n) == 0)
            return sources[i].get(source + n, out);
    }
    return cli_error(EX_USAGE, "--password-from: say env:NAME, file:PATH, cmd:COMMAND or "
                               "fd:N, not the password itself");
}

static struct termios before_prompt; /* for the handler */
static int prompt_fd = -1;

/* the terminal echoes again, then the signal does what it always does */
static void
on_prompt_signal(int number)
{
    tcsetattr(prompt_fd, TCSAFLUSH, &before_prompt);
    raise(number); /* the handler is gone: SA_RESETHAND */
}

static const int prompt_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };

static void
catch_prompt_signals(int fd, const struct termios *before, struct sigaction *old)
{
    struct sigaction action = { .sa_handler = on_prompt_signal,
                                .sa_flags = (int) (SA_RESETHAND | SA_NODEFER) };

    prompt_fd = fd;
    before_prompt = *before;
    for (size_t i = 0; i < CLI_COUNT_OF(prompt_signals); i++)
        sigaction(prompt_signals[i], &action, &old[i]);
}

static void
release_prompt_signals(const struct sigaction *old)
{
    for (size_t i = 0; i < CLI_COUNT_OF(prompt_signals); i++)
        sigaction(prompt_signals[i], &old[i], NULL);
}

int
cli_ask_password(const char *user, char **out)
{
    struct termios before, quiet;
    struct sigaction old[CLI_COUNT_OF(prompt_signals)];
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    bool is_good;

    if (fd < 0 || tcgetattr(fd, &before) != 0) {
        if (fd >= 0)
            close(fd);
        return cli_error(EX_CONFIG,
                         "no password for %s: use --password-from env:NAME, file:PATH, "
                         "cmd:COMMAND or fd:N", user);
    }
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t) ECHO;
    catch_prompt_signals(fd, &before, old);
    tcsetattr(fd, TCSAFLUSH, &quiet); /* before the prompt: what answers it must not be dropped */
    dprintf(fd, "Password of %s: ", user);
    is_good = first_line(fd, out);
    tcsetattr(fd, TCSAFLUSH, &before);
    release_prompt_signals(old);
    dprintf(fd, "\n");
    close(fd);
    return is_good ? CLI_GO_ON : cli_error(EX_CONFIG, "no password was typed");
}
