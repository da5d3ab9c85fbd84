/* SPDX-License-Identifier: MIT */
/*
 * client/setup.c - what all connections to be made share: options, URLs, TLS contexts, names
 *
 * Everything that can be wrong with options is found here, before anything is connected.
 */
#include "client/client_int.h"

#include <unistd.h>

void
lw_host_name(char *dst, size_t cap)
{
    lw_span name;

    if (gethostname(dst, cap) != 0)
        dst[0] = '\0';
    dst[cap - 1] = '\0';
    name = lw_span_str(dst);
    if (lw_span_find(name, '.') == name.len || lw_span_has_ctl(name) ||
        lw_span_find(name, ' ') < name.len || !lw_span_is_ascii(name))
        dst[0] = '\0';
}

lw_code
lw_setup_opts(lw_send_opts *o, const lw_send_opts *given, lw_error *err)
{
    if (lw_opts_copy(o, sizeof *o, given) < 0)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_NONE,
                       "the options were not set by lw_send_opts_init(), or are those of a newer "
                       "library");
    for (size_t i = 0; i < o->n_servers; i++)
        if (o->servers == NULL || o->servers[i] == NULL)
            return lw_fail(err, LW_EUSAGE, LW_STAGE_NONE, "a server is NULL");
    return LW_OK;
}

/* the strings must outlive the call that gives them; false when memory is out */
static bool
copy_strings(lw_setup *u)
{
    lw_send_opts *o = &u->opts;
    const char **texts[] = { &o->user, &o->auth, &o->ca_file, &o->cert_file, &o->key_file,
                             &o->tls_pin, &o->ehlo_name, &o->envid };

    for (size_t i = 0; i < LW_COUNT(texts); i++)
        if (*texts[i] != NULL && (*texts[i] = lw_arena_str(&u->arena, *texts[i])) == NULL)
            return false;
    u->password = lw_strdup(u->alloc, o->password);
    if (o->password != NULL && u->password == NULL)
        return false;
    o->password = NULL;
    return true;
}

static lw_code
parse_urls(lw_setup *u, const lw_send_opts *o, lw_error *err)
{
    if (o->n_servers == 0)
        return lw_fail(err, LW_ECONFIG, LW_STAGE_NONE, "no server was named");
    u->urls = lw_zalloc_array(u->alloc, o->n_servers, sizeof *u->urls);
    u->pipelining = lw_zalloc_array(u->alloc, o->n_servers, sizeof *u->pipelining);
    if (u->urls == NULL || u->pipelining == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "out of memory");
    while (u->n_urls < o->n_servers) {
        const char *text = o->servers[u->n_urls];
        lw_url *url = &u->urls[u->n_urls++];
        lw_code rc = lw_url_parse(u->alloc, text, url, err);

        if (rc < 0)
            return rc;
        if (url->tls == LW_TLS_NONE && url->path == NULL && o->tls_pin != NULL)
            return lw_fail(err, LW_ECONFIG, LW_STAGE_NONE, "a pin was given for the key of %s, "
                           "whose URL asks for no TLS", url->host);
    }
    u->opts.servers = NULL; /* the caller's; ours are in urls */
    u->opts.n_servers = 0;
    return LW_OK;
}

lw_code
lw_setup_tls(lw_setup *u, bool keeps_unverified, lw_tls_ctx **out, lw_error *err)
{
    lw_tls_client_opts o = { .ca_file = u->opts.ca_file, .cert_file = u->opts.cert_file,
                             .key_file = u->opts.key_file, .pin = u->opts.tls_pin,
                             .keep_unverified = keeps_unverified };
    lw_tls_ctx **ctx = &u->tls[keeps_unverified];
    lw_code rc = LW_OK;

    if (*ctx == NULL)
        rc = lw_tls_client_new(u->alloc, &o, ctx, err);
    *out = *ctx;
    return rc;
}

/* Certificates and pins that cannot be used are met before anything is connected; whoever has
 * none pays for TLS only when it begins. */
static lw_code
check_tls_options(lw_setup *u, lw_error *err)
{
    const lw_send_opts *o = &u->opts;
    lw_tls_ctx *ctx;

    if (o->ca_file == NULL && o->cert_file == NULL && o->tls_pin == NULL)
        return LW_OK;
    return lw_setup_tls(u, u->is_probe, &ctx, err);
}

lw_code
lw_setup_init(lw_setup *u, const lw_alloc *alloc, const lw_send_opts *opts, lw_error *err)
{
    lw_code rc;

    u->alloc = alloc;
    u->opts = *opts;
    u->opts.alloc = alloc;
    lw_arena_init(&u->arena, alloc);
    lw_host_name(u->host_name, sizeof u->host_name);
    if (!copy_strings(u))
        return lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "out of memory");
    if ((rc = parse_urls(u, opts, err)) < 0)
        return rc;
    return check_tls_options(u, err);
}

lw_code
lw_setup_rotate(lw_setup *u, uint32_t first)
{
    u->rotations = lw_zalloc_array(u->alloc, u->n_urls, sizeof *u->rotations);
    if (u->rotations == NULL)
        return LW_ENOMEM;
    for (size_t i = 0; i < u->n_urls; i++)
        u->rotations[i].next = first;
    return LW_OK;
}

void
lw_setup_deinit(lw_setup *u)
{
    if (u->alloc == NULL)
        return;
    for (size_t i = 0; i < LW_COUNT(u->tls); i++)
        lw_tls_ctx_free(u->tls[i]);
    for (size_t i = 0; i < u->n_urls; i++)
        lw_url_deinit(u->alloc, &u->urls[i]);
    lw_release(u->alloc, u->urls);
    lw_release(u->alloc, u->pipelining);
    lw_release(u->alloc, u->rotations);
    lw_arena_deinit(&u->arena);
    lw_wipe_str(u->alloc, u->password);
}
