/* SPDX-License-Identifier: MIT */
/*
 * sasl/gsasl_int.h - libgsasl through dlopen: the functions used, and one session of it
 *
 * The header is needed when building, the library only when such a mechanism is chosen.
 */
#ifndef LW_SASL_GSASL_INT_H
#define LW_SASL_GSASL_INT_H

#include "sasl/sasl_int.h"

#ifdef LW_HAVE_GSASL
#include <gsasl.h>

#define LW_GSASL_FUNCTIONS(X)                                                            \
    X(init)                                                                              \
    X(done)                                                                              \
    X(callback_set)                                                                      \
    X(callback_hook_set)                                                                 \
    X(callback_hook_get)                                                                 \
    X(property_set)                                                                      \
    X(property_set_raw)                                                                  \
    X(property_fast)                                                                     \
    X(client_start)                                                                      \
    X(server_start)                                                                      \
    X(step)                                                                              \
    X(finish)                                                                            \
    X(free)                                                                              \
    X(strerror)

typedef struct lw_gsasl_api {
#define LW_GSASL_MEMBER(name) __typeof__(gsasl_##name) *name;
    LW_GSASL_FUNCTIONS(LW_GSASL_MEMBER)
#undef LW_GSASL_MEMBER
} lw_gsasl_api;

/** lw_gsasl_load - the functions, NULL if the library is missing; safe from any thread */
const lw_gsasl_api *lw_gsasl_load(void);

/** One exchange.  A context of its own: two threads never share one. */
typedef struct lw_gsasl {
    const lw_gsasl_api *api;
    Gsasl *ctx;
    Gsasl_session *session;
    const lw_credentials *who;
    bool shows_binding; /* the callback may give it */
    bool is_server;
    int rc;             /* of the last step */
} lw_gsasl;

/** lw_gsasl_open - begin; g is zeroed or set, and lw_gsasl_close ends it in either case */
LW_MUST_USE lw_code lw_gsasl_open(lw_gsasl *g, const lw_sasl_mechanism *m,
                                  const lw_credentials *who, bool is_server);
/** lw_gsasl_step - one step; result in g->rc; LW_OK, LW_ENOMEM or LW_ELIMIT (out is full) */
LW_MUST_USE lw_code lw_gsasl_step(lw_gsasl *g, lw_span in, lw_buf *out);
void lw_gsasl_close(lw_gsasl *g);
#endif
#endif
