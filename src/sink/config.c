/* SPDX-License-Identifier: MIT */
/* sink/config.c - the options of a capture server: copied, defaults filled in, checked */
#include "sink/sink_int.h"

static lw_code
copy_string(lw_sink *s, const char **slot)
{
    const char *given = *slot;

    if (given == NULL)
        return LW_OK;
    *slot = lw_strdup(s->alloc, given);
    return *slot == NULL ? LW_ENOMEM : LW_OK;
}

/* every string member, so that copying and freeing cannot differ */
static const size_t string_members[] = {
    offsetof(lw_sink_opts, listen),     offsetof(lw_sink_opts, name),
    offsetof(lw_sink_opts, cert_file),  offsetof(lw_sink_opts, key_file),
    offsetof(lw_sink_opts, user),       offsetof(lw_sink_opts, password),
    offsetof(lw_sink_opts, mechanisms), offsetof(lw_sink_opts, reject),
    offsetof(lw_sink_opts, save_dir),
};

static const char **
string_member(lw_sink *s, size_t i)
{
    return (const char **) ((char *) &s->opts + string_members[i]);
}

static lw_code
copy_strings(lw_sink *s)
{
    lw_code rc = LW_OK;

    for (size_t i = 0; i < LW_COUNT(string_members); i++) {
        if (rc == LW_OK)
            rc = copy_string(s, string_member(s, i));
        else
            *string_member(s, i) = NULL; /* still the caller's */
    }
    return rc;
}

static void
fill_defaults(lw_sink_opts *o)
{
    if (o->listen == NULL)
        o->listen = "127.0.0.1:0";
    if (o->name == NULL)
        o->name = "sink.letterwing.test";
    if (o->size_max == 0)
        o->size_max = 67108864;
    if (o->max_connections == 0)
        o->max_connections = 1000;
    if (o->timeout_ms == 0)
        o->timeout_ms = 300000;
    if (o->memory_max == 0)
        o->memory_max = 1073741824;
    if (o->capabilities == 0)
        o->capabilities = (UINT32_C(1) << LW_CAP_COUNT) - 1;
    o->capabilities &= ~o->without;
}

static lw_code
check(const lw_sink_opts *o, lw_error *err)
{
    if (o->starttls && o->implicit_tls)
        return lw_fail(err, LW_ECONFIG, LW_STAGE_NONE,
                       "STARTTLS and TLS from the first byte exclude each other: choose one");
    if (o->require_tls && !o->starttls && !o->implicit_tls)
        return lw_fail(err, LW_ECONFIG, LW_STAGE_NONE,
                       "TLS is required but not offered: add STARTTLS");
    if ((o->user == NULL) != (o->password == NULL))
        return lw_fail(err, LW_ECONFIG, LW_STAGE_NONE,
                       "a login needs both, user and password");
    if (o->require_auth && o->user == NULL)
        return lw_fail(err, LW_ECONFIG, LW_STAGE_NONE,
                       "a login is required but no user is known: give user and password");
    if (o->discard && o->save_dir != NULL)
        return lw_fail(err, LW_ECONFIG, LW_STAGE_NONE,
                       "messages cannot be discarded and saved: choose one");
    if (o->key_file != NULL && o->cert_file == NULL)
        return lw_fail(err, LW_ECONFIG, LW_STAGE_NONE,
                       "a key file needs its certificate file");
    return LW_OK;
}

/* the mechanisms of `list` that do not show the password: all that is offered in clear where
 * TLS could be had */
static char *
without_secrets(lw_sink *s, const char *list)
{
    lw_span rest = lw_span_str(list), word;
    lw_buf b;
    char name[32];

    lw_buf_init(&b, s->alloc, 4096);
    while (lw_span_token(&rest, ' ', &word)) {
        if (word.len == 0 || word.len >= sizeof name)
            continue;
        memcpy(name, word.ptr, word.len);
        name[word.len] = '\0';
        if (lw_sasl_shows_secret(name) || strstr(name, "-PLUS") != NULL)
            continue;
        if (b.len > 0)
            lw_buf_add_char(&b, ' ');
        lw_buf_add(&b, word);
    }
    return lw_buf_take(&b);
}

/* The engine's options; what differs between connections (tls_active) is set later. */
static lw_code
configure_engine(lw_sink *s)
{
    lw_smtp_server_opts *e = &s->engine_opts;
    bool has_tls = s->opts.starttls || s->opts.implicit_tls;

    lw_smtp_server_opts_init(e);
    e->alloc = s->alloc;
    e->protocol = s->opts.protocol;
    e->name = s->opts.name;
    e->capabilities = s->opts.capabilities;
    if (!s->opts.starttls)
        e->capabilities &= ~(uint32_t) LW_CAP_STARTTLS;
    if (!has_tls)
        e->capabilities &= ~(uint32_t) LW_CAP_REQUIRETLS;
    e->require_tls = s->opts.require_tls;
    e->require_auth = s->opts.require_auth;
    e->size_max = s->opts.size_max;
    e->timeout_ms = s->opts.timeout_ms;
    if (s->opts.user == NULL)
        return LW_OK;
    e->auth = s->opts.mechanisms;
    if (e->auth == NULL)
        e->auth = lw_sasl_server_available(has_tls);
    if (!s->opts.starttls)
        return LW_OK;
    s->auth_clear = without_secrets(s, e->auth);
    e->auth_before_tls = s->auth_clear;
    return s->auth_clear == NULL ? LW_ENOMEM : LW_OK;
}

lw_code
lw_sink_configure(lw_sink *s, const lw_sink_opts *opts, lw_error *err)
{
    lw_code rc;

    s->opts = *opts;
    fill_defaults(&s->opts);
    rc = copy_strings(s);
    if (rc == LW_OK && (rc = check(&s->opts, err)) < 0)
        return rc;
    if (rc == LW_OK)
        rc = configure_engine(s);
    if (rc < 0)
        return lw_fail(err, rc, LW_STAGE_NONE, "%s", lw_code_text(rc));
    return LW_OK;
}

void
lw_sink_deconfigure(lw_sink *s)
{
    lw_wipe_str(s->alloc, (char *) s->opts.password);
    s->opts.password = NULL;
    for (size_t i = 0; i < LW_COUNT(string_members); i++)
        lw_release(s->alloc, (char *) *string_member(s, i));
    lw_release(s->alloc, s->auth_clear);
}
