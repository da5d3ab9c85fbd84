/* SPDX-License-Identifier: MIT */
/*
 * with_sink.c - run a program beside a capture server and look at what arrived
 *
 *     with_sink [OPTION...] MESSAGES PROGRAM [ARGUMENT...]
 *
 *     --user U:P      offer a login to this user, and insist on it
 *     --tls           offer STARTTLS
 *     --reject A      refuse this recipient
 *     --arrives TEXT  TEXT must occur in a message that arrived (up to 8 times)
 *     --prints TEXT   TEXT must occur in the program's standard output (up to 8 times)
 *     --input FILE    the program's standard input
 *     --exit N        the program's exit status, 0 unless told
 *
 * In the arguments {host}, {port} and {ca} (a file with the server's certificate) are
 * replaced.  Succeeds when the program ended as expected and MESSAGES messages arrived.
 */
#include <letterwing/sink.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXTS_MAX = 8, ARGS_MAX = 64, OUTPUT_MAX = 1 << 20 };

typedef struct text_list {
    const char *items[TEXTS_MAX];
    bool seen[TEXTS_MAX];
    int n;
} text_list;

typedef struct run {
    lw_sink_opts sink;
    char user[100];
    text_list arrives, prints;
    const char *input;
    int exit_status;
    unsigned n_expected, n_arrived;
    char ca_file[64];
} run;

static void
die(const char *what, const char *why)
{
    fprintf(stderr, "with_sink: %s: %s\n", what, why);
    exit(99);
}

static void
add_text(text_list *l, const char *text)
{
    if (l->n == TEXTS_MAX)
        die(text, "too many texts");
    l->items[l->n++] = text;
}

static void
mark_seen(text_list *l, const char *p, size_t len)
{
    for (int i = 0; i < l->n; i++)
        if (memmem(p, len, l->items[i], strlen(l->items[i])) != NULL)
            l->seen[i] = true;
}

static bool
all_seen(const text_list *l, const char *where)
{
    bool ok = true;

    for (int i = 0; i < l->n; i++)
        if (!l->seen[i]) {
            fprintf(stderr, "with_sink: not in %s: %s\n", where, l->items[i]);
            ok = false;
        }
    return ok;
}

static int
on_message(void *ctx, const lw_captured *m, const char **text)
{
    run *r = ctx;

    (void)text;
    r->n_arrived++;
    mark_seen(&r->arrives, m->data, m->len);
    fprintf(stderr, "with_sink: message %u from <%s>, %zu recipients, %zu octets, %s\n",
            r->n_arrived, m->mail.from, m->n_rcpts, m->len, m->used_tls ? "TLS" : "no TLS");
    return 0;
}

static void
set_user(run *r, const char *user_and_password)
{
    char *colon;

    snprintf(r->user, sizeof r->user, "%s", user_and_password);
    if ((colon = strchr(r->user, ':')) == NULL)
        die("--user", "U:P is wanted");
    *colon = '\0';
    r->sink.user = r->user;
    r->sink.password = colon + 1;
    r->sink.require_auth = true;
}

/* Reads the options; gives the index of the first argument after them. */
static int
parse(run *r, int argc, char **argv)
{
    int i;

    lw_sink_opts_init(&r->sink);
    for (i = 1; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--tls") == 0)
            r->sink.starttls = true;
        else if (strcmp(argv[i], "--user") == 0)
            set_user(r, argv[++i]);
        else if (strcmp(argv[i], "--reject") == 0)
            r->sink.reject = argv[++i];
        else if (strcmp(argv[i], "--arrives") == 0)
            add_text(&r->arrives, argv[++i]);
        else if (strcmp(argv[i], "--prints") == 0)
            add_text(&r->prints, argv[++i]);
        else if (strcmp(argv[i], "--input") == 0)
            r->input = argv[++i];
        else if (strcmp(argv[i], "--exit") == 0)
            r->exit_status = (int)strtol(argv[++i], NULL, 10);
        else
            die(argv[i], "no such option");
    }
    if (i + 1 >= argc || argc - i > ARGS_MAX)
        die("usage", "[OPTION...] MESSAGES PROGRAM [ARGUMENT...]");
    r->n_expected = (unsigned)strtoul(argv[i++], NULL, 10);
    r->sink.on_message = on_message;
    r->sink.ctx = r;
    return i;
}

/* A copy of arg with {host}, {port} and {ca} replaced; the process ends soon, nobody frees it. */
static char *
fill_in(const char *arg, const char *port, const char *ca_file)
{
    const struct { const char *name, *value; } words[] = {
        { "{host}", "127.0.0.1" }, { "{port}", port }, { "{ca}", ca_file },
    };
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);

    while (f != NULL && *arg != '\0') {
        size_t i = 0;

        while (i < 3 && strncmp(arg, words[i].name, strlen(words[i].name)) != 0)
            i++;
        fputs(i < 3 ? words[i].value : (char[]){ *arg, '\0' }, f);
        arg += i < 3 ? strlen(words[i].name) : 1;
    }
    if (f == NULL || fclose(f) != 0)
        die("memory", "none");
    return out;
}

static void
write_certificate(run *r, const lw_sink *sink)
{
    const char *pem = lw_sink_certificate(sink);
    int fd;

    if (pem == NULL)
        return;
    snprintf(r->ca_file, sizeof r->ca_file, "/tmp/with_sink-XXXXXX");
    fd = mkstemp(r->ca_file);
    if (fd < 0 || write(fd, pem, strlen(pem)) != (ssize_t)strlen(pem))
        die(r->ca_file, strerror(errno));
    close(fd);
}

static pid_t
start(char **args, const char *input, int *output)
{
    int ends[2];
    pid_t pid = -1;

    if (pipe2(ends, O_CLOEXEC) != 0 || (pid = fork()) < 0)
        die("fork", strerror(errno));
    if (pid == 0) {
        int in = open(input != NULL ? input : "/dev/null", O_RDONLY);

        if (in < 0 || dup2(in, 0) < 0 || dup2(ends[1], 1) < 0)
            _exit(98);
        execvp(args[0], args);
        _exit(97);
    }
    close(ends[1]);
    *output = ends[0];
    return pid;
}

/* Reads all that the program prints, shows it, and gives its exit status. */
static int
follow(run *r, pid_t pid, int output)
{
    static char text[OUTPUT_MAX];
    size_t len = 0;
    ssize_t n;
    int status;

    while ((n = read(output, text + len, sizeof text - len)) > 0)
        len += (size_t)n;
    fwrite(text, 1, len, stdout);
    mark_seen(&r->prints, text, len);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int
run_beside(run *r, lw_sink *sink, char **argv)
{
    char *args[ARGS_MAX + 1], port[8];
    int n = 0, output, status;
    pid_t pid;

    snprintf(port, sizeof port, "%u", lw_sink_port(sink));
    for (; argv[n] != NULL; n++)
        args[n] = fill_in(argv[n], port, r->ca_file);
    args[n] = NULL;
    pid = start(args, r->input, &output);
    status = follow(r, pid, output);
    while (n > 0)
        free(args[--n]);
    close(output);
    return status;
}

int
main(int argc, char **argv)
{
    run r = { .exit_status = 0 };
    int first = parse(&r, argc, argv), status;
    lw_sink *sink = NULL;
    lw_error err;
    bool ok;

    if (lw_sink_open(&r.sink, &sink, &err) != LW_OK || lw_sink_start(sink) != LW_OK)
        die("sink", err.text);
    write_certificate(&r, sink);
    status = run_beside(&r, sink, argv + first);
    lw_sink_stop(sink);
    lw_sink_free(sink);
    if (r.ca_file[0] != '\0')
        unlink(r.ca_file);
    ok = all_seen(&r.arrives, "what arrived");
    ok = all_seen(&r.prints, "what was printed") && ok;
    if (status != r.exit_status)
        fprintf(stderr, "with_sink: exit status %d, expected %d\n", status, r.exit_status);
    if (r.n_arrived != r.n_expected)
        fprintf(stderr, "with_sink: %u messages arrived, expected %u\n", r.n_arrived,
                r.n_expected);
    return ok && status == r.exit_status && r.n_arrived == r.n_expected ? 0 : 1;
}
