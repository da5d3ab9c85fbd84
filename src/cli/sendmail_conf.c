/* SPDX-License-Identifier: MIT */
/*
 * cli/sendmail_conf.c - the configuration of the sendmail command
 *
 * One "key value" a line, "#" begins a comment line.  The user's file, if there is one, stands
 * for itself: nothing of the system's is added, so that a password never meets a server that
 * somebody else chose.  A file that others may change is refused (password-from may run a
 * command), and so is one with a password that others may read.  No library: each line is a key
 * and the rest, and nothing in it is expanded.
 */
#include "cli/sendmail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSTEM_FILE "/etc/letterwing/sendmail.conf"
#define FILE_MAX ((size_t) 65536)

typedef struct key {
    const char *name;
    size_t offset;
} key;

#define AT(member) offsetof(sendmail_conf, member)
static const key keys[] = {
    { "server", AT(server) }, { "user", AT(user) }, { "password-from", AT(password_from) },
    { "auth", AT(auth) }, { "ca", AT(ca) }, { "cert", AT(cert) }, { "key", AT(key) },
    { "tls-pin", AT(tls_pin) }, { "ehlo", AT(ehlo) }, { "timeout", AT(timeout) },
    { "from", AT(from) }, { "from-domain", AT(from_domain) }, { "local-to", AT(local_to) },
    { "exit-later", AT(exit_later) },
};

typedef struct reading {
    sendmail_conf *conf;
    const char *path;
    bool is_system;
    unsigned line;
} reading;

static char **
slot_of(sendmail_conf *c, const key *k)
{
    return (char **) (void *) ((char *) c + k->offset);
}

static int
unknown_key(const reading *r, const char *name)
{
    const char *names[CLI_COUNT_OF(keys)], *near;

    for (size_t i = 0; i < CLI_COUNT_OF(keys); i++)
        names[i] = keys[i].name;
    near = cli_nearest(name, names, CLI_COUNT_OF(keys));
    if (near != NULL)
        return cli_error(EX_CONFIG, "%s:%u: there is no key \"%s\": did you mean \"%s\"?",
                         r->path, r->line, name, near);
    return cli_error(EX_CONFIG, "%s:%u: there is no key \"%s\": see letterwing-sendmail(8)",
                     r->path, r->line, name);
}

/* both NUL-terminated and trimmed */
static int
set_key(const reading *r, const char *name, const char *value)
{
    size_t i = 0;
    char **slot;

    while (i < CLI_COUNT_OF(keys) && strcmp(keys[i].name, name) != 0)
        i++;
    if (i == CLI_COUNT_OF(keys))
        return unknown_key(r, name);
    slot = slot_of(r->conf, &keys[i]);
    if (*slot != NULL)
        return cli_error(EX_CONFIG, "%s:%u: %s is set twice", r->path, r->line, name);
    if (value[0] == '\0')
        return cli_error(EX_CONFIG, "%s:%u: %s needs a value", r->path, r->line, name);
    for (const char *p = value; *p != '\0'; p++) {
        if ((unsigned char) *p < 0x20 || *p == 0x7f)
            return cli_error(EX_CONFIG, "%s:%u: the value of %s holds a control character",
                             r->path, r->line, name);
    }
    *slot = cli_copy(value);
    return CLI_GO_ON;
}

static char *
skip_space(char *s)
{
    return s + strspn(s, " \t");
}

/* one line, NUL-terminated; cut in place */
static int
parse_line(const reading *r, char *line)
{
    char *name = skip_space(line), *value;
    size_t n = strlen(name);

    while (n > 0 && (name[n - 1] == ' ' || name[n - 1] == '\t' || name[n - 1] == '\r'))
        name[--n] = '\0';
    if (n == 0 || name[0] == '#')
        return CLI_GO_ON;
    value = name + strcspn(name, " \t");
    if (*value != '\0')
        *value++ = '\0';
    return set_key(r, name, skip_space(value));
}

static int
parse(reading *r, char *text)
{
    int rc = CLI_GO_ON;

    for (char *end; text != NULL && rc == CLI_GO_ON; text = end) {
        r->line++;
        if ((end = strchr(text, '\n')) != NULL)
            *end++ = '\0';
        rc = parse_line(r, text);
    }
    return rc;
}

/* ---- who may read and change it ------------------------------------------------------------- */

static int
check_owner(const char *path, const struct stat *st, bool is_system)
{
    if (st->st_uid != 0 && (is_system || st->st_uid != geteuid()))
        return cli_error(EX_CONFIG, "%s belongs to user %u, not to %s: it is not used", path,
                         (unsigned) st->st_uid, is_system ? "root" : "you or root");
    if (st->st_mode & (S_IWGRP | S_IWOTH))
        return cli_error(EX_CONFIG, "%s can be changed by others: it is not used; chmod go-w %s",
                         path, path);
    return CLI_GO_ON;
}

/* the system's file may be open to a group, so that services can send */
static int
check_secrecy(const char *path, const struct stat *st, bool is_system)
{
    mode_t open_to = st->st_mode & (is_system ? S_IROTH : S_IRGRP | S_IROTH);

    if (open_to == 0)
        return CLI_GO_ON;
    return cli_error(EX_CONFIG, "%s holds a password and can be read by others: chmod %s %s",
                     path, is_system ? "o-r" : "go-r", path);
}

static int
check_password_file(const reading *r)
{
    const char *from = r->conf->password_from;
    struct stat st;

    if (from == NULL || strncmp(from, "file:", 5) != 0 || stat(from + 5, &st) != 0)
        return CLI_GO_ON; /* what is missing is told when it is read */
    return check_secrecy(from + 5, &st, r->is_system);
}

/* ---- values ------------------------------------------------------------------------------------ */

static int
check_values(const reading *r)
{
    sendmail_conf *c = r->conf;

    if (c->timeout != NULL && !cli_parse_seconds(c->timeout, &c->timeout_ms))
        return cli_error(EX_CONFIG, "%s: timeout \"%s\" is not a number of seconds above 0",
                         r->path, c->timeout);
    if (c->local_to != NULL && strchr(c->local_to, '@') == NULL)
        return cli_error(EX_CONFIG, "%s: local-to \"%s\" is no address: it has no @", r->path,
                         c->local_to);
    if (c->from_domain != NULL && strchr(c->from_domain, '@') != NULL)
        return cli_error(EX_CONFIG, "%s: from-domain \"%s\" is no domain: it has an @", r->path,
                         c->from_domain);
    if (c->exit_later == NULL)
        return CLI_GO_ON;
    c->later_code = (int) strtol(c->exit_later, NULL, 10);
    if (strspn(c->exit_later, "0123456789") != strlen(c->exit_later) || c->later_code < 1
        || c->later_code > 255 || strlen(c->exit_later) > 3)
        return cli_error(EX_CONFIG, "%s: exit-later \"%s\" is not a number from 1 to 255",
                         r->path, c->exit_later);
    return CLI_GO_ON;
}

/* ---- the file ------------------------------------------------------------------------------------- */

/* all of it, NUL-terminated, into text; the number of octets, or -1 */
static ssize_t
read_whole(int fd, char *text)
{
    size_t n = 0;
    ssize_t got;

    while ((got = read(fd, text + n, FILE_MAX - n)) != 0) {
        if (got < 0 && errno != EINTR)
            return -1;
        n += got > 0 ? (size_t) got : 0;
    }
    text[n] = '\0';
    return (ssize_t) n;
}

/* reads all of it into text; why that is no configuration, NULL = it is one */
static const char *
problem_of(int fd, struct stat *st, char *text)
{
    bool is_there = fstat(fd, st) == 0;
    ssize_t n;

    if (is_there && !S_ISREG(st->st_mode))
        return "it is no regular file";
    if (!is_there || (n = read_whole(fd, text)) < 0)
        return "it cannot be read";
    if ((size_t) n == FILE_MAX)
        return "it has 64 KiB or more";
    return strlen(text) != (size_t) n ? "there is a NUL octet in it" : NULL;
}

static int
read_open(reading *r, int fd)
{
    char *text = calloc(1, FILE_MAX + 1);
    bool has_password = false;
    const char *problem;
    struct stat st;
    int rc;

    if (text == NULL) {
        rc = cli_error(EX_OSERR, "out of memory");
    } else if ((problem = problem_of(fd, &st, text)) != NULL) {
        rc = cli_error(EX_CONFIG, "%s is no configuration: %s", r->path, problem);
    } else if ((rc = check_owner(r->path, &st, r->is_system)) == CLI_GO_ON
               && (rc = parse(r, text)) == CLI_GO_ON) {
        (void) cli_url_has_user(r->conf->server, &has_password);
        rc = has_password ? check_secrecy(r->path, &st, r->is_system) : CLI_GO_ON;
    }
    if (text != NULL)
        explicit_bzero(text, FILE_MAX);
    free(text);
    if (rc == CLI_GO_ON && (rc = check_password_file(r)) == CLI_GO_ON)
        rc = check_values(r);
    return rc;
}

/* *found: there is such a file, good or bad */
static int
read_file(sendmail_conf *c, const char *path, bool is_system, bool *found)
{
    reading r = { .conf = c, .path = path, .is_system = is_system };
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc;
    char text[128];

    /* what this user cannot reach (a service's inherited HOME) is not this user's file */
    *found = fd >= 0 || (errno != ENOENT && errno != ENOTDIR && (is_system || errno != EACCES));
    if (fd < 0 && *found)
        return cli_error(EX_CONFIG, "%s cannot be read: %s", path,
                         strerror_r(errno, text, sizeof text));
    if (fd < 0)
        return CLI_GO_ON;
    rc = read_open(&r, fd);
    close(fd);
    return rc;
}

int
sendmail_conf_read(sendmail_conf *c)
{
    const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    char path[4096] = "";
    bool found = false;
    int n = 0, rc = CLI_GO_ON;

    if (base != NULL && base[0] == '/')
        n = snprintf(path, sizeof path, "%s/letterwing/sendmail.conf", base);
    else if (home != NULL && home[0] == '/')
        n = snprintf(path, sizeof path, "%s/.config/letterwing/sendmail.conf", home);
    if (n > 0 && (size_t) n < sizeof path)
        rc = read_file(c, path, false, &found);
    if (rc == CLI_GO_ON && !found)
        rc = read_file(c, SYSTEM_FILE, true, &found);
    return rc;
}

void
sendmail_conf_free(sendmail_conf *c)
{
    for (size_t i = 0; i < CLI_COUNT_OF(keys); i++)
        cli_wipe(*slot_of(c, &keys[i]));
    memset(c, 0, sizeof *c);
}
