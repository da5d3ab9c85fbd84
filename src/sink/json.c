/* SPDX-License-Identifier: MIT */
/*
 * sink/json.c - a capture as one line of JSON (RFC 8259)
 *
 * Written by hand so that the library does not need a JSON library: nothing is parsed here.
 * Octets that are not UTF-8 become U+FFFD.
 */
#include "sink/sink_int.h"

#define JSON_MAX_BYTES (64u << 20) /* 100,000 recipients of 320 octets, escaped */

static void
add_escaped(lw_buf *b, lw_span s)
{
    uint32_t cp;
    size_t n;

    while (s.len > 0) {
        n = lw_utf8_next(s, &cp);
        if (n == 0)
            lw_buf_add_str(b, "\xef\xbf\xbd");
        else if (cp < 0x20 || (cp >= 0x7f && cp <= 0x9f)) /* C1 too: some terminals obey it */
            lw_buf_add_fmt(b, "\\u%04x", (unsigned) cp);
        else if (cp == '"' || cp == '\\')
            lw_buf_add_fmt(b, "\\%c", (char) cp);
        else
            lw_buf_add(b, (lw_span){ s.ptr, n });
        n = n == 0 ? 1 : n;
        s.ptr += n;
        s.len -= n;
    }
}

static void
add_string(lw_buf *b, const char *text)
{
    if (text == NULL) {
        lw_buf_add_str(b, "null");
        return;
    }
    lw_buf_add_char(b, '"');
    add_escaped(b, lw_span_str(text));
    lw_buf_add_char(b, '"');
}

static void
add_key(lw_buf *b, const char *name)
{
    if (b->len > 0 && b->ptr[b->len - 1] != '{')
        lw_buf_add_char(b, ',');
    lw_buf_add_fmt(b, "\"%s\":", name);
}

static void
key_string(lw_buf *b, const char *name, const char *text)
{
    add_key(b, name);
    add_string(b, text);
}

static void
key_uint(lw_buf *b, const char *name, uint64_t n)
{
    add_key(b, name);
    lw_buf_add_uint(b, n);
}

static void
key_bool(lw_buf *b, const char *name, bool value)
{
    add_key(b, name);
    lw_buf_add_str(b, value ? "true" : "false");
}

static const char *
body_name(lw_body_type type)
{
    switch (type) {
    case LW_BODY_7BIT: return "7BIT";
    case LW_BODY_8BITMIME: return "8BITMIME";
    case LW_BODY_BINARYMIME: return "BINARYMIME";
    }
    return NULL;
}

static const char *
ret_name(lw_ret ret)
{
    switch (ret) {
    case LW_RET_UNSET: return NULL;
    case LW_RET_FULL: return "FULL";
    case LW_RET_HDRS: return "HDRS";
    }
    return NULL;
}

static void
add_mail(lw_buf *b, const lw_server_mail *m)
{
    char mode[2] = { m->deliver_by_mode, '\0' };

    key_string(b, "from", m->from);
    key_uint(b, "size", m->size);
    key_string(b, "body", body_name(m->body_type));
    key_bool(b, "smtputf8", m->smtputf8);
    key_bool(b, "require_tls", m->require_tls);
    key_string(b, "ret", ret_name(m->ret));
    key_string(b, "envid", m->envid);
    key_string(b, "mail_auth", m->auth);
    if (mode[0] != '\0') {
        add_key(b, "deliver_by_seconds");
        lw_buf_add_fmt(b, "%lld", (long long) m->deliver_by_s);
        key_string(b, "deliver_by_mode", mode);
    }
    if (m->hold_for_s > 0)
        key_uint(b, "hold_for_seconds", m->hold_for_s);
    if (m->hold_until != NULL)
        key_string(b, "hold_until", m->hold_until);
    if (m->has_priority) {
        add_key(b, "priority");
        lw_buf_add_fmt(b, "%d", m->priority);
    }
}

static void
add_notify(lw_buf *b, unsigned notify)
{
    static const char *const names[] = { "never", "success", "failure", "delay" };
    bool is_first = true;

    add_key(b, "notify");
    lw_buf_add_char(b, '[');
    for (unsigned i = 0; i < LW_COUNT(names); i++) {
        if (!(notify & (1u << i)))
            continue;
        lw_buf_add_fmt(b, is_first ? "\"%s\"" : ",\"%s\"", names[i]);
        is_first = false;
    }
    lw_buf_add_char(b, ']');
}

static void
add_rcpts(lw_buf *b, const lw_captured *m)
{
    add_key(b, "recipients");
    lw_buf_add_char(b, '[');
    for (size_t i = 0; i < m->n_rcpts; i++) {
        lw_buf_add_str(b, i == 0 ? "{" : ",{");
        key_string(b, "address", m->rcpts[i].address);
        add_notify(b, m->rcpts[i].notify);
        key_string(b, "orcpt", m->rcpts[i].orcpt);
        lw_buf_add_char(b, '}');
    }
    lw_buf_add_char(b, ']');
}

char *
lw_captured_json(const lw_captured *m)
{
    lw_buf b;

    if (m == NULL || (m->rcpts == NULL && m->n_rcpts > 0))
        return NULL;
    lw_buf_init(&b, &lw_alloc_default, JSON_MAX_BYTES);
    lw_buf_add_char(&b, '{');
    key_uint(&b, "number", m->number);
    key_string(&b, "peer", m->peer);
    key_string(&b, "hello", m->hello);
    key_bool(&b, "esmtp", m->is_esmtp);
    key_bool(&b, "bdat", m->used_bdat);
    key_string(&b, "tls", m->used_tls ? m->tls_version : NULL);
    add_key(&b, "auth");
    if (m->auth_mechanism == NULL) {
        lw_buf_add_str(&b, "null");
    } else {
        lw_buf_add_char(&b, '{');
        key_string(&b, "mechanism", m->auth_mechanism);
        key_string(&b, "user", m->auth_user);
        lw_buf_add_char(&b, '}');
    }
    add_mail(&b, &m->mail);
    add_rcpts(&b, m);
    key_uint(&b, "bytes", m->len);
    key_string(&b, "path", m->path);
    lw_buf_add_char(&b, '}');
    return lw_buf_take(&b);
}
