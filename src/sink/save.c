/* SPDX-License-Identifier: MIT */
/*
 * sink/save.c - captured messages as files: NNNNN.eml and NNNNN.json in one folder
 *
 * A file appears under its name whole or not at all: it is written under a hidden name,
 * closed, and linked; an existing file is never overwritten.  The .json comes first, so
 * that who waits for an .eml finds its envelope too.
 */
#include "sink/sink_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static lw_code
fail_os(lw_error *err, const char *what, const char *path)
{
    char text[128];
    int os_err = errno;
    lw_code rc = lw_fail(err, LW_EOUTPUT, LW_STAGE_NONE, "%s %s: %s", what, path,
                         strerror_r(os_err, text, sizeof text));

    if (err != NULL)
        err->os_err = os_err;
    return rc;
}

/* "00042.eml" -> 42, anything else -> 0 */
static uint64_t
file_number(const char *name)
{
    lw_span s = lw_span_str(name);
    size_t dot = lw_span_find(s, '.');
    uint64_t n;

    if (!lw_span_uint((lw_span){ s.ptr, dot }, 1000000000000u, &n))
        return 0;
    return n;
}

lw_code
lw_sink_save_check(lw_sink *s, lw_error *err)
{
    const char *path = s->opts.save_dir;
    struct dirent *entry;
    uint64_t n;
    DIR *dir = opendir(path);

    if (dir == NULL && errno == ENOENT && mkdir(path, 0777) == 0)
        dir = opendir(path);
    if (dir == NULL)
        return fail_os(err, "cannot use the folder", path);
    s->next_file = 1;
    while ((entry = readdir(dir)) != NULL) {
        if ((n = file_number(entry->d_name)) >= s->next_file)
            s->next_file = n + 1;
    }
    closedir(dir);
    if (access(path, W_OK | X_OK) != 0)
        return fail_os(err, "cannot write to the folder", path);
    return LW_OK;
}

static lw_code
write_all(int fd, lw_span s)
{
    ssize_t n;

    while (s.len > 0) {
        n = write(fd, s.ptr, s.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return LW_EOUTPUT;
        s.ptr += n;
        s.len -= (size_t) n;
    }
    return LW_OK;
}

/* a whole file under a name that nobody looks at; gone again if that fails.  LW_AGAIN: the name is
 * taken, by a process that was killed and had our number, or by one of another container. */
static lw_code
write_hidden(const char *path, lw_span content, lw_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    lw_code rc;

    if (fd < 0)
        return errno == EEXIST ? LW_AGAIN : fail_os(err, "cannot create", path);
    rc = write_all(fd, content);
    if (rc < 0)
        rc = fail_os(err, "cannot write", path);
    if (close(fd) != 0 && rc == LW_OK)
        rc = fail_os(err, "cannot write", path);
    if (rc < 0)
        unlink(path);
    return rc;
}

/* LW_AGAIN: the name is taken.  link() never overwrites; where a file system has no hard
 * links, rename() must do. */
static lw_code
publish(const char *hidden, const char *path, lw_error *err)
{
    if (link(hidden, path) == 0) {
        unlink(hidden);
        return LW_OK;
    }
    if (errno == EEXIST)
        return LW_AGAIN;
    if ((errno == EPERM || errno == ENOSYS || errno == EOPNOTSUPP)
        && access(path, F_OK) != 0 && rename(hidden, path) == 0)
        return LW_OK;
    return fail_os(err, "cannot write", path);
}

/* both files under the number s->next_file; LW_AGAIN: the number is taken */
static lw_code
save_numbered(lw_sink *s, lw_captured *m, lw_buf *path, lw_error *err)
{
    char hidden[4096], json_path[4096];
    char *json = NULL;
    int n;
    lw_code rc;

    lw_buf_reset(path);
    lw_buf_add_fmt(path, "%s/%05llu.eml", s->opts.save_dir,
                   (unsigned long long) s->next_file);
    m->path = lw_buf_cstr(path);
    n = snprintf(hidden, sizeof hidden, "%s/.%05llu.%ld.tmp", s->opts.save_dir,
                 (unsigned long long) s->next_file, (long) getpid());
    if (m->path == NULL || n < 0 || (size_t) n >= sizeof hidden)
        return lw_fail(err, LW_EOUTPUT, LW_STAGE_NONE, "the folder's name is too long");
    snprintf(json_path, sizeof json_path, "%s/%05llu.json", s->opts.save_dir,
             (unsigned long long) s->next_file);
    if ((json = lw_captured_json(m)) == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "out of memory");
    rc = write_hidden(hidden, lw_span_str(json), err);
    if (rc == LW_OK && (rc = publish(hidden, json_path, err)) != LW_OK)
        unlink(hidden);
    if (rc == LW_OK) {
        rc = write_hidden(hidden, (lw_span){ m->data, m->len }, err);
        if (rc == LW_OK && (rc = publish(hidden, m->path, err)) != LW_OK)
            unlink(hidden);
        if (rc != LW_OK)
            unlink(json_path);
    }
    lw_free(json);
    return rc;
}

lw_code
lw_sink_save(lw_sink *s, lw_captured *m, lw_buf *path, lw_error *err)
{
    lw_code rc;

    while ((rc = save_numbered(s, m, path, err)) == LW_AGAIN)
        s->next_file++;
    if (rc == LW_OK)
        s->next_file++;
    else
        m->path = NULL;
    return rc;
}

void
lw_sink_unsave(const char *path)
{
    char json_path[4096];
    size_t n = strlen(path);

    unlink(path);
    if (n < 4 || n + 2 > sizeof json_path)
        return;
    snprintf(json_path, sizeof json_path, "%.*s.json", (int) (n - 4), path);
    unlink(json_path);
}
