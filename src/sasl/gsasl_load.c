/* SPDX-License-Identifier: MIT */
/*
 * sasl/gsasl_load.c - finds libgsasl when it is first needed, and never lets it go
 *
 * Linking it would make every start pay for it, its GSS and its IDN library, though most
 * programs never use SCRAM.
 */
#include "sasl/gsasl_int.h"

#ifdef LW_HAVE_GSASL
#include <dlfcn.h>
#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static lw_gsasl_api api;
static bool is_loaded;

static void
load(void)
{
    void *library = dlopen("libgsasl.so.18", RTLD_NOW | RTLD_LOCAL);

    if (library == NULL)
        return;
#define FIND(name)                                                                       \
    if ((api.name = (__typeof__(api.name))dlsym(library, "gsasl_" #name)) == NULL)       \
        return;
    LW_GSASL_FUNCTIONS(FIND)
#undef FIND
    is_loaded = true;
}

const lw_gsasl_api *
lw_gsasl_load(void)
{
    if (pthread_once(&once, load) != 0)
        return NULL;
    return is_loaded ? &api : NULL;
}

bool
lw_gsasl_available(void)
{
    return lw_gsasl_load() != NULL;
}

const char *
lw_gsasl_problem(void)
{
    return "libgsasl.so.18 is not installed";
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
