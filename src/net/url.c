/* SPDX-License-Identifier: MIT */
/*
 * net/url.c - what --via says: a server as a URL (no I/O)
 *
 * scheme://[user[:password]@]host[:port][?option=value[&...]], RFC 3986 3 as far as mail needs
 * it.  Every refusal is one sentence; none of them shows what stands before the '@', because
 * that may be a password (a password with a raw '/' in it makes everything look misplaced).
 */
#include "net/net.h"

#include <arpa/inet.h>

#define URL_MAX 4096
#define HOST_MAX 253
#define UNIX_PATH_MAX_LEN 107 /* sun_path without its NUL */

typedef struct scheme {
    const char *name;
    lw_protocol protocol;
    lw_tls_mode tls;
    bool insecure_auth;
    uint16_t port;
} scheme;

/* [RFC8314 3.3] "(default port 465), a TLS handshake begins immediately" */
static const scheme schemes[] = {
    { "smtp", LW_PROTOCOL_SMTP, LW_TLS_REQUIRED, false, 587 },
    { "smtps", LW_PROTOCOL_SMTP, LW_TLS_IMPLICIT, false, 465 },
    { "lmtp", LW_PROTOCOL_LMTP, LW_TLS_OPPORTUNISTIC, false, 24 },
    { "lmtp+unix", LW_PROTOCOL_LMTP, LW_TLS_NONE, false, 0 },
    { "ssl", LW_PROTOCOL_SMTP, LW_TLS_IMPLICIT, false, 465 },
    { "tls", LW_PROTOCOL_SMTP, LW_TLS_REQUIRED, false, 587 },
    { "plain", LW_PROTOCOL_SMTP, LW_TLS_NONE, true, 25 },
};
static const char known_schemes[] = "smtp smtps lmtp lmtp+unix ssl tls plain";

typedef struct parser {
    const lw_alloc *alloc;
    const scheme *scheme;
    lw_url *url;
    lw_error *err;
    bool has_tls, has_insecure, has_pipelining;
} parser;

static lw_code
bad(const parser *p, const char *fmt, ...) LW_PRINTF(2, 3);

static lw_code
bad(const parser *p, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    lw_vfail(p->err, LW_ECONFIG, LW_STAGE_NONE, fmt, ap);
    va_end(ap);
    return LW_ECONFIG;
}

static lw_code
no_memory(const parser *p)
{
    return lw_fail(p->err, LW_ENOMEM, LW_STAGE_NONE, "out of memory for the server URL");
}

bool
lw_host_is_loopback(const char *host)
{
    struct in_addr a4;
    struct in6_addr a6;
    lw_span h = lw_span_str(host);

    if (lw_span_eq_nocase(h, LW_LIT("localhost")) ||
        lw_span_eq_nocase(h, LW_LIT("localhost.")))
        return true;
    if (host == NULL)
        return false;
    if (inet_pton(AF_INET, host, &a4) == 1)
        return ntohl(a4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, host, &a6) == 1 && IN6_IS_ADDR_LOOPBACK(&a6);
}

/* the octet that %XX at in.ptr[i] stands for, or -1 */
static int
percent_octet(lw_span in, size_t i)
{
    int hi, lo;

    if (in.len - i < 3)
        return -1;
    hi = lw_hex_value(in.ptr[i + 1]);
    lo = lw_hex_value(in.ptr[i + 2]);
    return hi < 0 || lo < 0 ? -1 : hi * 16 + lo;
}

/* Copy in, with %XX resolved; a control character may not come in that way either.  *out is
 * the URL's at once, so that lw_url_deinit wipes it after a failure. */
static lw_code
decode(const parser *p, lw_span in, const char *what, char **out)
{
    size_t n = 0;

    if ((*out = lw_zalloc(p->alloc, in.len + 1)) == NULL)
        return no_memory(p);
    for (size_t i = 0; i < in.len; i++) {
        int octet = (unsigned char)in.ptr[i];
        if (in.ptr[i] == '%') {
            if ((octet = percent_octet(in, i)) < 0)
                return bad(p, "the server URL has a %% in its %s that is not followed by two "
                           "hexadecimal digits: write a plain %% as %%25", what);
            i += 2;
        }
        if (octet < 0x20 || octet == 0x7f)
            return bad(p, "the server URL has a control character in its %s", what);
        (*out)[n++] = (char)octet;
    }
    return LW_OK;
}

static lw_code
parse_userinfo(parser *p, lw_span info)
{
    size_t colon = lw_span_find(info, ':');
    lw_code rc;

    if (colon == 0)
        return bad(p, "the server URL has no user name before the %s",
                   info.len > 0 ? "password" : "@");
    rc = decode(p, (lw_span){ info.ptr, colon }, "user name", &p->url->user);
    if (rc < 0 || colon == info.len)
        return rc;
    return decode(p, (lw_span){ info.ptr + colon + 1, info.len - colon - 1 }, "password",
                  &p->url->password);
}

static lw_code
parse_port(parser *p, lw_span s)
{
    uint64_t port;

    if (s.len == 0)
        return bad(p, "the server URL has a : but no port behind its host");
    for (size_t i = 0; i < s.len; i++)
        if (!lw_is_digit(s.ptr[i]))
            return bad(p, "the port in the server URL is not a number");
    /* [RFC2033 5] "it MUST NOT be used on the TCP service port 25." */
    if (p->scheme->protocol == LW_PROTOCOL_LMTP && lw_span_eq(s, LW_LIT("25")))
        return bad(p, "port 25 is for SMTP, not for LMTP: write smtp:// or another port");
    if (!lw_span_uint(s, 65535, &port) || port == 0)
        return bad(p, "the port %.*s in the server URL is not between 1 and 65535",
                   (int)(s.len > 40 ? 40 : s.len), s.ptr);
    p->url->port = (uint16_t)port;
    return LW_OK;
}

static bool
is_host_char(char c)
{
    return lw_is_alnum(c) || c == '-' || c == '.' || c == '_';
}

static bool
looks_like_ipv4(lw_span h)
{
    for (size_t i = 0; i < h.len; i++)
        if (!lw_is_digit(h.ptr[i]) && h.ptr[i] != '.')
            return false;
    return true;
}

static lw_code
check_name(const parser *p, lw_span h)
{
    if (h.len == 0)
        return bad(p, "the server URL has no host: write %s://host", p->scheme->name);
    if (h.len > HOST_MAX)
        return bad(p, "the host in the server URL is longer than %d characters", HOST_MAX);
    if (!lw_span_is_ascii(h))
        return bad(p, "the host in the server URL is not ASCII: write an internationalised "
                   "name in its xn-- form");
    for (size_t i = 0; i < h.len; i++) {
        if (!is_host_char(h.ptr[i]))
            return bad(p, "the host in the server URL has the character '%c', which no host "
                       "name has", h.ptr[i]);
        if (h.ptr[i] == '.' && (i == 0 || h.ptr[i - 1] == '.'))
            return bad(p, "the host in the server URL has an empty part between dots");
    }
    return LW_OK;
}

static lw_code
parse_name(parser *p, lw_span h)
{
    struct in_addr a4;
    lw_code rc;

    if ((rc = check_name(p, h)) < 0)
        return rc;
    if ((p->url->host = lw_span_dup(p->alloc, h)) == NULL)
        return no_memory(p);
    if (looks_like_ipv4(h) && inet_pton(AF_INET, p->url->host, &a4) != 1)
        return bad(p, "the host \"%.*s\" in the server URL is not an IPv4 address",
                   (int)h.len, h.ptr);
    return LW_OK;
}

/* what stands in [ ]: an IPv6 address, perhaps with a zone (fe80::1%eth0, or %25eth0) */
static lw_code
parse_ipv6(parser *p, lw_span h)
{
    struct in6_addr a6;
    char text[INET6_ADDRSTRLEN];
    size_t zone = lw_span_find(h, '%');
    lw_span id = { h.ptr + zone, h.len - zone };

    if (zone == 0 || zone >= sizeof text)
        return bad(p, "the server URL has no IPv6 address in its [ ]");
    memcpy(text, h.ptr, zone);
    text[zone] = '\0';
    if (inet_pton(AF_INET6, text, &a6) != 1)
        return bad(p, "what stands in [ ] in the server URL is not an IPv6 address");
    if (lw_span_starts_nocase(id, LW_LIT("%25")))
        id = (lw_span){ id.ptr + 2, id.len - 2 };
    for (size_t i = 1; i < id.len; i++)
        if (!is_host_char(id.ptr[i]))
            return bad(p, "the zone of the IPv6 address in the server URL is malformed");
    if (id.len == 1 || id.len > 32)
        return bad(p, "the zone of the IPv6 address in the server URL is malformed");
    if ((p->url->host = lw_zalloc(p->alloc, zone + id.len + 1)) == NULL)
        return no_memory(p);
    memcpy(p->url->host, text, zone);
    if (id.len > 0) {
        p->url->host[zone] = '%';
        memcpy(p->url->host + zone + 1, id.ptr + 1, id.len - 1);
    }
    return LW_OK;
}

static lw_code
parse_hostport(parser *p, lw_span s)
{
    size_t end, colon;
    lw_code rc;

    if (s.len > 0 && s.ptr[0] == '[') {
        if ((end = lw_span_find(s, ']')) == s.len)
            return bad(p, "the server URL has a [ without its ]");
        rc = parse_ipv6(p, (lw_span){ s.ptr + 1, end - 1 });
        s = (lw_span){ s.ptr + end + 1, s.len - end - 1 };
        if (rc < 0 || s.len == 0)
            return rc;
        if (s.ptr[0] != ':')
            return bad(p, "the server URL has something other than :port behind its ]");
        return parse_port(p, (lw_span){ s.ptr + 1, s.len - 1 });
    }
    colon = lw_span_find(s, ':');
    if (colon < s.len &&
        lw_span_find((lw_span){ s.ptr + colon + 1, s.len - colon - 1 }, ':') <
            s.len - colon - 1)
        return bad(p, "the server URL has more than one : in its host: an IPv6 address "
                   "stands in [ ], and a user name ends with @");
    if ((rc = parse_name(p, (lw_span){ s.ptr, colon })) < 0 || colon == s.len)
        return rc;
    return parse_port(p, (lw_span){ s.ptr + colon + 1, s.len - colon - 1 });
}

static lw_code
set_tls(parser *p, lw_span v)
{
    static const struct {
        const char *name;
        lw_tls_mode mode;
    } modes[] = { { "required", LW_TLS_REQUIRED },
                  { "opportunistic", LW_TLS_OPPORTUNISTIC },
                  { "none", LW_TLS_NONE } };

    if (p->has_tls)
        return bad(p, "the server URL has the option tls twice");
    p->has_tls = true;
    for (size_t i = 0; i < LW_COUNT(modes); i++) {
        if (!lw_span_eq_nocase(v, lw_span_str(modes[i].name)))
            continue;
        if (p->scheme->tls == LW_TLS_IMPLICIT)
            return bad(p, "%s:// is TLS from the first byte: leave tls=%s out, or write "
                       "smtp://", p->scheme->name, modes[i].name);
        if (modes[i].mode != p->scheme->tls && (lw_span_eq(lw_span_str(p->scheme->name),
                LW_LIT("tls")) || p->scheme->insecure_auth))
            return bad(p, "%s:// and tls=%s contradict each other: write smtp://",
                       p->scheme->name, modes[i].name);
        p->url->tls = modes[i].mode;
        return LW_OK;
    }
    return bad(p, "the option tls in the server URL is required, opportunistic or none");
}

static lw_code
yes_or_no(parser *p, const char *name, lw_span v, bool *seen, bool *yes)
{
    if (*seen)
        return bad(p, "the server URL has the option %s twice", name);
    *seen = true;
    *yes = lw_span_eq_nocase(v, LW_LIT("yes"));
    if (!*yes && !lw_span_eq_nocase(v, LW_LIT("no")))
        return bad(p, "the option %s in the server URL is yes or no", name);
    return LW_OK;
}

static lw_code
set_pipelining(parser *p, lw_span v)
{
    bool yes = true;
    lw_code rc = yes_or_no(p, "pipelining", v, &p->has_pipelining, &yes);

    p->url->no_pipelining = rc == LW_OK && !yes;
    return rc;
}

/* [RFC4422 3.1] "sasl-mech    = 1*20mech-char" */
static bool
is_mechanism(lw_span m)
{
    if (m.len < 1 || m.len > 20)
        return false;
    for (size_t i = 0; i < m.len; i++)
        if (!lw_is_alnum(m.ptr[i]) && m.ptr[i] != '-' && m.ptr[i] != '_')
            return false;
    return true;
}

static lw_code
set_auth(parser *p, lw_span v)
{
    lw_span rest = v, m;

    if (p->url->auth != NULL)
        return bad(p, "the server URL has the option auth twice");
    if (v.len == 0 || v.ptr[v.len - 1] == ',')
        return bad(p, "the option auth in the server URL is a list such as PLAIN,LOGIN");
    while (lw_span_token(&rest, ',', &m))
        if (!is_mechanism(m))
            return bad(p, "the option auth in the server URL is a list such as PLAIN,LOGIN");
    p->url->auth = lw_span_dup(p->alloc, v);
    return p->url->auth == NULL ? no_memory(p) : LW_OK;
}

/* shows the name if it looks like one: it may be a password that has slipped here */
static lw_code
unknown_option(const parser *p, lw_span name)
{
    size_t i = 0;

    while (i < name.len && (lw_is_alnum(name.ptr[i]) || name.ptr[i] == '-'))
        i++;
    return bad(p, "the server URL has the unknown option \"%.*s\" (known: tls, insecure-auth, "
               "pipelining, auth)", (int)(i < name.len || i > 40 ? 0 : i), name.ptr);
}

static lw_code
parse_options(parser *p, lw_span query)
{
    lw_span option;
    lw_code rc = LW_OK;

    while (rc == LW_OK && lw_span_token(&query, '&', &option)) {
        size_t eq = lw_span_find(option, '=');
        lw_span name = { option.ptr, eq };
        lw_span value = { option.ptr + eq, 0 };
        if (option.len == 0)
            continue;
        if (eq < option.len)
            value = (lw_span){ option.ptr + eq + 1, option.len - eq - 1 };
        if (lw_span_eq_nocase(name, LW_LIT("tls")))
            rc = set_tls(p, value);
        else if (lw_span_eq_nocase(name, LW_LIT("insecure-auth")))
            rc = yes_or_no(p, "insecure-auth", value, &p->has_insecure,
                           &p->url->insecure_auth);
        else if (lw_span_eq_nocase(name, LW_LIT("pipelining")))
            rc = set_pipelining(p, value);
        else if (lw_span_eq_nocase(name, LW_LIT("auth")))
            rc = set_auth(p, value);
        else
            rc = unknown_option(p, name);
    }
    return rc;
}

static lw_code
parse_unix_path(parser *p, lw_span path)
{
    lw_code rc;

    if (path.len == 0 || path.ptr[0] != '/')
        return bad(p, "lmtp+unix needs the absolute path of a socket: write "
                   "lmtp+unix:///path");
    if ((rc = decode(p, path, "path", &p->url->path)) < 0)
        return rc;
    if (strlen(p->url->path) > UNIX_PATH_MAX_LEN)
        return bad(p, "the socket path in the server URL is longer than %d octets",
                   UNIX_PATH_MAX_LEN);
    return LW_OK;
}

/* index of the first '/', '?' or '#' */
static size_t
authority_end(lw_span s)
{
    size_t i = 0;

    while (i < s.len && s.ptr[i] != '/' && s.ptr[i] != '?' && s.ptr[i] != '#')
        i++;
    return i;
}

static lw_code
parse_authority(parser *p, lw_span s)
{
    size_t at = s.len;
    lw_code rc;

    while (at > 0 && s.ptr[at - 1] != '@') /* the last one: a user may be ann@example.com */
        at--;
    if (at > 0 && (rc = parse_userinfo(p, (lw_span){ s.ptr, at - 1 })) < 0)
        return rc;
    return parse_hostport(p, (lw_span){ s.ptr + at, s.len - at });
}

static lw_code
parse_server(parser *p, lw_span s)
{
    size_t end = authority_end(s);
    lw_span rest = { s.ptr + end, s.len - end };
    lw_code rc;

    if (lw_span_find(rest, '@') < rest.len)
        return bad(p, "the server URL has a '/', '?' or '#' before its '@': in a user name or "
                   "password write %%2F, %%3F or %%23");
    if ((rc = parse_authority(p, (lw_span){ s.ptr, end })) < 0)
        return rc;
    if (rest.len > 0 && rest.ptr[0] == '/')
        rest = (lw_span){ rest.ptr + 1, rest.len - 1 };
    if (rest.len > 0 && rest.ptr[0] != '?')
        return bad(p, "the server URL has something behind its host and port that is no "
                   "?option=value");
    if (p->url->tls == LW_TLS_REQUIRED && lw_host_is_loopback(p->url->host) &&
        lw_span_eq(lw_span_str(p->scheme->name), LW_LIT("smtp")))
        p->url->tls = LW_TLS_OPPORTUNISTIC;
    return parse_options(p, rest.len > 0 ? (lw_span){ rest.ptr + 1, rest.len - 1 } : rest);
}

static lw_code
parse_unix(parser *p, lw_span s)
{
    size_t end = lw_span_find(s, '?');
    lw_span rest = { s.ptr + end, s.len - end };
    lw_code rc;

    if ((rc = parse_unix_path(p, (lw_span){ s.ptr, end })) < 0 || rest.len == 0)
        return rc;
    return parse_options(p, (lw_span){ rest.ptr + 1, rest.len - 1 });
}

/* host or host:port, which may be shown; ann:secret may not */
static bool
is_host_like(lw_span s)
{
    size_t i = 0;

    while (i < s.len && is_host_char(s.ptr[i]))
        i++;
    if (i > 0 && i < s.len && s.ptr[i] == ':')
        for (i++; i < s.len && lw_is_digit(s.ptr[i]);)
            i++;
    return s.len > 0 && i == s.len && s.len <= HOST_MAX;
}

/* finds "scheme://", leaves *s behind it */
static lw_code
parse_scheme(parser *p, lw_span *s)
{
    size_t colon = lw_span_find(*s, ':');
    lw_span name = { s->ptr, colon };

    if (s->len == 0)
        return bad(p, "the server URL is empty: write smtp://host");
    if (s->len - colon < 3 || memcmp(s->ptr + colon, "://", 3) != 0) {
        if (is_host_like(*s))
            return bad(p, "the server URL \"%.*s\" has no scheme: write smtp://%.*s",
                       (int)s->len, s->ptr, (int)s->len, s->ptr);
        return bad(p, "the server URL has no scheme: write smtp://host");
    }
    for (size_t i = 0; i < LW_COUNT(schemes); i++)
        if (lw_span_eq_nocase(name, lw_span_str(schemes[i].name)))
            p->scheme = &schemes[i];
    if (p->scheme == NULL)
        return bad(p, "the server URL has the unknown scheme \"%.*s\" (known: %s)",
                   (int)(name.len > 40 || lw_span_find(name, '@') < name.len ? 0 : name.len),
                   name.ptr, known_schemes);
    *s = (lw_span){ s->ptr + colon + 3, s->len - colon - 3 };
    return LW_OK;
}

static lw_code
parse(parser *p, lw_span s)
{
    lw_code rc;

    if (s.len > URL_MAX)
        return bad(p, "the server URL is longer than %d octets", URL_MAX);
    if (lw_span_has_ctl(s))
        return bad(p, "the server URL has a control character in it");
    if ((rc = parse_scheme(p, &s)) < 0)
        return rc;
    p->url->protocol = p->scheme->protocol;
    p->url->tls = p->scheme->tls;
    p->url->insecure_auth = p->scheme->insecure_auth;
    p->url->port = p->scheme->port;
    return p->scheme->port == 0 ? parse_unix(p, s) : parse_server(p, s);
}

lw_code
lw_url_parse(const lw_alloc *alloc, const char *text, lw_url *out, lw_error *err)
{
    parser p = { .alloc = lw_alloc_or_default(alloc), .url = out, .err = err };
    lw_code rc;

    memset(out, 0, sizeof *out);
    if ((rc = parse(&p, lw_span_str(text))) < 0)
        lw_url_deinit(p.alloc, out);
    return rc;
}

void
lw_url_deinit(const lw_alloc *alloc, lw_url *u)
{
    alloc = lw_alloc_or_default(alloc);
    lw_release(alloc, u->host);
    lw_release(alloc, u->path);
    lw_wipe_str(alloc, u->user);
    lw_wipe_str(alloc, u->password);
    lw_release(alloc, u->auth);
    memset(u, 0, sizeof *u);
}
