/* SPDX-License-Identifier: MIT */
/* late/late.c - binds a library when it is first needed: all of its functions, or none */
#include "late/late.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

/* One for all: loading is rare, and what is_loaded says must be true in every thread. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* false: dlerror() says why not */
static bool
bind_all(const lw_late *l, void *library)
{
    for (size_t i = 0; i < l->n; i++)
        if (dlsym(library, l->names[i]) == NULL)
            return false;
    for (size_t i = 0; i < l->n; i++) {
        /* POSIX: a function's address fits into a void pointer, as dlsym() gives it */
        void *address = dlsym(library, l->names[i]);

        memcpy((char *)l->table + i * sizeof address, &address, sizeof address);
    }
    return true;
}

/* EMFILE or ENFILE if no file can be opened at present, else 0: dlopen() keeps it to itself. */
static int
lacks_descriptors(void)
{
    int fd = open("/", O_PATH | O_CLOEXEC), os_err = fd < 0 ? errno : 0;

    if (fd >= 0)
        close(fd);
    return os_err == EMFILE || os_err == ENFILE ? os_err : 0;
}

static lw_code
not_loaded(const lw_late *l, lw_stage stage, const char *what, lw_error *err)
{
    const char *reason = dlerror();
    int os_err = lacks_descriptors();

    if (os_err == 0)
        return lw_fail(err, LW_ECONFIG, stage, "%s, and %s is not installed or too old (%s)", what,
                       l->library, reason == NULL ? "no reason given" : reason);
    lw_fail(err, LW_ENOMEM, stage, "%s, and %s cannot be opened: no file descriptor is free", what,
            l->library);
    if (err != NULL) {
        err->retry = LW_RETRY_LATER;
        err->os_err = os_err;
    }
    return LW_ENOMEM;
}

/* under the lock */
static lw_code
load(lw_late *l, lw_stage stage, const char *what, lw_error *err)
{
    void *library = dlopen(l->library, RTLD_NOW | RTLD_LOCAL);
    const char *problem;

    if (library == NULL || !bind_all(l, library))
        return not_loaded(l, stage, what, err);
    if (l->problem != NULL && (problem = l->problem()) != NULL)
        return lw_fail(err, LW_ECONFIG, stage, "%s, and %s", what, problem);
    l->is_loaded = true;
    return LW_OK;
}

lw_code
lw_late_load(lw_late *l, lw_stage stage, const char *what, lw_error *err)
{
    lw_code rc = LW_OK;

    pthread_mutex_lock(&lock);
    if (!l->is_loaded)
        rc = load(l, stage, what, err);
    pthread_mutex_unlock(&lock);
    return rc;
}
