/* SPDX-License-Identifier: MIT */
/*
 * sasl/gsasl_load.c - finds libgsasl when it is first needed, and never lets it go
 *
 * Linking it would make every start pay for it, its GSS and its IDN library, though most
 * programs never use SCRAM.  That it was not found is not remembered: descriptors may have run
 * out for a moment.
 */
#include "sasl/gsasl_int.h"

#ifdef LW_HAVE_GSASL
#include <dlfcn.h>
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static lw_gsasl_api api; /* not changed any more once it is loaded */
static bool is_loaded;   /* under lock */

static bool
load(void)
{
    void *library = dlopen("libgsasl.so.18", RTLD_NOW | RTLD_LOCAL);

    if (library == NULL)
        return false;
#define FIND(name)                                                                       \
    if ((api.name = (__typeof__(api.name))dlsym(library, "gsasl_" #name)) == NULL)       \
        return false;
    LW_GSASL_FUNCTIONS(FIND)
#undef FIND
    return true;
}

const lw_gsasl_api *
lw_gsasl_load(void)
{
    bool is_there;

    pthread_mutex_lock(&lock);
    if (!is_loaded)
        is_loaded = load();
    is_there = is_loaded;
    pthread_mutex_unlock(&lock);
    return is_there ? &api : NULL;
}

bool
lw_gsasl_available(void)
{
    return lw_gsasl_load() != NULL;
}

const char *
lw_gsasl_problem(void)
{
    return "libgsasl.so.18 is not installed, or cannot be loaded at present";
}

#else

bool
lw_gsasl_available(void)
{
    return false;
}

const char *
lw_gsasl_problem(void)
{
    return "this library was built without it";
}

#endif
