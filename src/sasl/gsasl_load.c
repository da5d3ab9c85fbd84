/* SPDX-License-Identifier: MIT */
/*
 * sasl/gsasl_load.c - finds libgsasl when it is first needed
 *
 * Linking it would make every start pay for it, its GSS and its IDN library, though most
 * programs never use SCRAM.
 */
#include "sasl/gsasl_int.h"

#ifdef LW_HAVE_GSASL
#include "late/late.h"

#define NAME(name) "gsasl_" #name,

static lw_gsasl_api api; /* not changed any more once it is loaded */
static const char *const names[] = { LW_GSASL_FUNCTIONS(NAME) };
static lw_late library = { LW_LATE("libgsasl.so.18", names, api) };

const lw_gsasl_api *
lw_gsasl_load(void)
{
    return lw_late_load(&library, LW_STAGE_AUTH, "this login needs libgsasl", NULL) == LW_OK ? &api
                                                                                          : NULL;
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
