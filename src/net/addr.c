/* SPDX-License-Identifier: MIT */
/* net/addr.c - socket addresses from text and to text; no name service */
#include "net/net_int.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <stdio.h>

const char *
lw_os_text(int os_err, char *dst, size_t cap)
{
    return uv_strerror_r(uv_translate_sys_error(os_err), dst, cap);
}

/* fe80::1%eth0 or fe80::1%2 */
static bool
literal_with_zone(struct sockaddr_in6 *in6, const char *host)
{
    char text[INET6_ADDRSTRLEN];
    uint64_t index;
    const char *zone = strchr(host, '%');

    if (zone == NULL || (size_t)(zone - host) >= sizeof text)
        return false;
    memcpy(text, host, (size_t)(zone - host));
    text[zone - host] = '\0';
    if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1)
        return false;
    if (!lw_span_uint(lw_span_str(zone + 1), UINT32_MAX, &index))
        index = if_nametoindex(zone + 1);
    in6->sin6_scope_id = (uint32_t)index;
    return true;
}

bool
lw_addr_literal(lw_addr *a, const char *host, uint16_t port)
{
    memset(a, 0, sizeof *a);
    if (inet_pton(AF_INET, host, &a->u.in4.sin_addr) == 1) {
        a->u.in4.sin_family = AF_INET;
        a->u.in4.sin_port = htons(port);
        a->len = sizeof a->u.in4;
        return true;
    }
    if (inet_pton(AF_INET6, host, &a->u.in6.sin6_addr) != 1 &&
        !literal_with_zone(&a->u.in6, host))
        return false;
    a->u.in6.sin6_family = AF_INET6;
    a->u.in6.sin6_port = htons(port);
    a->len = sizeof a->u.in6;
    return true;
}

bool
lw_addr_unix(lw_addr *a, const char *path)
{
    size_t len = strlen(path);

    memset(a, 0, sizeof *a);
    if (len == 0 || len >= sizeof a->u.un.sun_path)
        return false;
    a->u.un.sun_family = AF_UNIX;
    memcpy(a->u.un.sun_path, path, len);
    a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    return true;
}

static void
text_of_in6(const struct sockaddr_in6 *in6, char *dst, size_t cap)
{
    /* a client of a socket that takes both families is shown as what it is */
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], dst, (socklen_t)cap);
    else
        inet_ntop(AF_INET6, &in6->sin6_addr, dst, (socklen_t)cap);
}

void
lw_addr_text(const lw_addr *a, char *dst, size_t cap)
{
    dst[0] = '\0';
    if (a->len < sizeof(sa_family_t))
        return;
    if (a->u.sa.sa_family == AF_INET)
        inet_ntop(AF_INET, &a->u.in4.sin_addr, dst, (socklen_t)cap);
    else if (a->u.sa.sa_family == AF_INET6)
        text_of_in6(&a->u.in6, dst, cap);
    else if (a->u.sa.sa_family == AF_UNIX && a->len > offsetof(struct sockaddr_un, sun_path))
        snprintf(dst, cap, "%.*s", (int)(a->len - offsetof(struct sockaddr_un, sun_path)),
                 a->u.un.sun_path);
}

uint16_t
lw_addr_port(const lw_addr *a)
{
    if (a->len >= sizeof a->u.in4 && a->u.sa.sa_family == AF_INET)
        return ntohs(a->u.in4.sin_port);
    if (a->len >= sizeof a->u.in6 && a->u.sa.sa_family == AF_INET6)
        return ntohs(a->u.in6.sin6_port);
    return 0;
}
