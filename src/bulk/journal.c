/* SPDX-License-Identifier: MIT */
/*
 * bulk/journal.c - writing the journal: records wait, are written, are synced (journal_int.h has
 * the format and its rules)
 */
#include "bulk/journal_int.h"

#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define RESERVE_AHEAD ((uint64_t)256 << 10)

static lw_code
failed(const lw_journal *j, const char *what, int os_err, lw_error *err)
{
    char why[128];

    if (err == NULL)
        return LW_EOUTPUT;
    lw_fail(err, LW_EOUTPUT, LW_STAGE_NONE, "journal %s: it cannot be %s: %s%s", j->path, what,
            strerror_r(os_err, why, sizeof why),
            os_err == ENOSPC || os_err == EDQUOT
                ? ": make room" : "");
    err->os_err = os_err;
    return LW_EOUTPUT;
}

/* ---- octets on the disk ------------------------------------------------------------------------ */

lw_code
lw_journal_put(lw_journal *j, uint64_t at, const char *p, size_t n, lw_error *err)
{
    while (n > 0) {
        ssize_t done = pwrite(j->fd, p, n, (off_t)at);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return failed(j, "written", done < 0 ? errno : EIO, err);
        p += done;
        n -= (size_t)done;
        at += (uint64_t)done;
    }
    return LW_OK;
}

/* After a failed sync the system may have thrown the octets away and say LW_OK the next time:
 * nothing can be promised any more. */
lw_code
lw_journal_flush(lw_journal *j, lw_error *err)
{
    if (j->has_failed)
        return failed(j, "synced", EIO, err);
    while (fdatasync(j->fd) != 0) {
        if (errno == EINTR)
            continue;
        j->has_failed = true;
        return failed(j, "synced", errno, err);
    }
    return LW_OK;
}

/* how large the file may become at all */
static uint64_t
size_limit(void)
{
    struct rlimit l;

    return getrlimit(RLIMIT_FSIZE, &l) != 0 || l.rlim_cur == RLIM_INFINITY ? UINT64_MAX
                                                                           : l.rlim_cur;
}

lw_code
lw_journal_reserve(lw_journal *j, size_t n, lw_error *err)
{
    uint64_t want = j->end + j->wait_len + ((uint64_t)n + 1) * LW_JOURNAL_RECORD;
    uint64_t limit, upto = want + RESERVE_AHEAD;

    if (want <= j->reserved)
        return LW_OK;
    if (want > (limit = size_limit()))
        return failed(j, "written", EFBIG, err);
    upto = upto < limit ? upto : limit;
#ifdef FALLOC_FL_KEEP_SIZE
    if (fallocate(j->fd, FALLOC_FL_KEEP_SIZE, (off_t)j->end, (off_t)(upto - j->end)) != 0) {
        if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
            return failed(j, "written", errno, err);
        /* a file system without this: a full disk is met when it is written */
    }
#endif
    j->reserved = upto;
    return LW_OK;
}

/* ---- records -------------------------------------------------------------------------------------- */

static lw_code
wait_record(lw_journal *j, lw_record r)
{
    if (j->wait_cap - j->wait_len < LW_JOURNAL_RECORD) {
        size_t cap = j->wait_cap == 0 ? 64 * LW_JOURNAL_RECORD : j->wait_cap * 2;
        char *grown = lw_resize(&j->alloc, j->wait, cap);

        if (grown == NULL)
            return LW_ENOMEM;
        j->wait = grown;
        j->wait_cap = cap;
    }
    lw_journal_encode(j, j->end + j->wait_len, r, j->wait + j->wait_len);
    j->wait_len += LW_JOURNAL_RECORD;
    return LW_OK;
}

lw_code
lw_journal_add(lw_journal *j, uint64_t row, lw_entry entry)
{
    lw_code rc;

    lw_assert(row >= 1 && row <= LW_JOURNAL_MAX_ROW);
    if (j->is_synced) {
        rc = wait_record(j, (lw_record){ .entry = { .mark = LW_MARK_SYNCED } });
        if (rc < 0)
            return rc;
        j->is_synced = false;
    }
    return wait_record(j, (lw_record){ (uint32_t)row, entry });
}

lw_code
lw_journal_write(lw_journal *j, lw_error *err)
{
    lw_code rc;

    if (j->wait_len == 0)
        return LW_OK;
    if ((rc = lw_journal_put(j, j->end, j->wait, j->wait_len, err)) < 0)
        return rc;
    j->end += j->wait_len;
    j->wait_len = 0;
    return LW_OK;
}

lw_code
lw_journal_sync(lw_journal *j, lw_error *err)
{
    lw_code rc;

    if ((rc = lw_journal_write(j, err)) < 0 || (rc = lw_journal_flush(j, err)) < 0)
        return rc;
    j->is_synced = true;
    return LW_OK;
}

void
lw_journal_drop(lw_journal *j)
{
    j->wait_len = 0;
    if (ftruncate(j->fd, (off_t)j->end) != 0)
        return; /* then some of them stand there, and their rows will be uncertain */
    j->reserved = j->end;
}

/* ---- life --------------------------------------------------------------------------------------------- */

/* a new file's name must outlive a crash too */
static lw_code
sync_folder(const lw_journal *j, lw_error *err)
{
    const char *slash = strrchr(j->path, '/');
    size_t n = slash == NULL ? 1 : slash == j->path ? 1 : (size_t)(slash - j->path);
    char *folder = lw_span_dup(&j->alloc, slash == NULL ? LW_LIT(".") : (lw_span){ j->path, n });
    int fd, rc = 0;

    if (folder == NULL)
        return LW_ENOMEM;
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    lw_release(&j->alloc, folder);
    if (fd < 0)
        return LW_OK; /* it may be written, not read: the system's own time will do */
    if (fsync(fd) != 0 && errno != EINVAL)
        rc = errno;
    close(fd);
    return rc == 0 ? LW_OK : failed(j, "synced", rc, err);
}

static lw_code
begin(lw_journal *j, const lw_identity *identity, lw_error *err)
{
    char header[LW_JOURNAL_HEADER];
    lw_code rc;

    if (getrandom(&j->key, sizeof j->key, 0) != (ssize_t)sizeof j->key)
        return failed(j, "made", errno, err);
    lw_journal_header(identity, j->key, (uint64_t)time(NULL), header);
    if (ftruncate(j->fd, 0) != 0)
        return failed(j, "written", errno, err);
    if ((rc = lw_journal_put(j, 0, header, sizeof header, err)) < 0 ||
        (rc = lw_journal_flush(j, err)) < 0)
        return rc;
    j->end = LW_JOURNAL_HEADER;
    return sync_folder(j, err);
}

/* made anew, or read: by its size and first octets */
static lw_code
begin_or_recover(lw_journal *j, const lw_identity *identity, lw_error *err)
{
    char head[LW_JOURNAL_HEADER];
    struct stat st;
    ssize_t n;

    if (flock(j->fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? lw_fail(err, LW_EBUSY, LW_STAGE_NONE, "journal %s: another process works "
                             "with it: wait for its end", j->path)
                   : failed(j, "locked", errno, err);
    if (fstat(j->fd, &st) != 0)
        return failed(j, "read", errno, err);
    if (!S_ISREG(st.st_mode))
        return lw_fail(err, LW_ECONFIG, LW_STAGE_NONE, "journal %s: it is no file", j->path);
    if ((n = pread(j->fd, head, sizeof head, 0)) < 0)
        return failed(j, "read", errno, err);
    if (st.st_size <= LW_JOURNAL_HEADER && lw_journal_is_torn_header(head, (size_t)n))
        return begin(j, identity, err);
    return lw_journal_recover(j, identity, err);
}

lw_code
lw_journal_open(const char *path, const lw_identity *identity, const lw_alloc *alloc,
                lw_journal **out, lw_error *err)
{
    lw_journal *j = lw_zalloc(alloc, sizeof *j);
    lw_code rc;

    *out = NULL;
    if (j == NULL || (j->path = lw_strdup(alloc, path)) == NULL) {
        lw_release(alloc, j);
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "journal: out of memory");
    }
    j->alloc = *lw_alloc_or_default(alloc);
    j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    rc = j->fd < 0 ? failed(j, "opened", errno, err) : begin_or_recover(j, identity, err);
    if (rc < 0) {
        if (rc == LW_ENOMEM)
            lw_fail(err, rc, LW_STAGE_NONE, "journal %s: out of memory", path);
        lw_journal_close(j, NULL);
        return rc;
    }
    *out = j;
    return LW_OK;
}

lw_code
lw_journal_close(lw_journal *j, lw_error *err)
{
    lw_code rc = LW_OK;

    if (j == NULL)
        return LW_OK;
    lw_alloc alloc = j->alloc;
    if (j->fd >= 0 && j->end > 0)
        rc = lw_journal_sync(j, err);
    if (rc == LW_OK && j->fd >= 0 && j->reserved > j->end && ftruncate(j->fd, (off_t)j->end) != 0)
        rc = LW_OK; /* reserved space stays behind the end: harmless */
    if (j->fd >= 0)
        close(j->fd);
    for (size_t i = 0; i < j->n_chunks; i++)
        lw_release(&alloc, j->chunks[i]);
    lw_release(&alloc, j->chunks);
    lw_release(&alloc, j->wait);
    lw_release(&alloc, j->path);
    lw_release(&alloc, j);
    return rc;
}
