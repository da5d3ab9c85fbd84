/* SPDX-License-Identifier: MIT */
/*
 * mime/addrcheck.c - what SMTP takes as a domain and as an address literal
 *
 * RFC 5321 4.1.2 (Domain), 4.1.3 (address literals), RFC 6531 3.3 (U-labels).  Underscores
 * in labels are taken, because such hosts exist and get mail.
 */
#include "mime/mime_int.h"

static bool
is_ipv4(lw_span s)
{
    lw_span part;
    uint64_t v;
    int n = 0;

    for (lw_span rest = s; lw_span_token(&rest, '.', &part); n++)
        if (part.len > 3 || !lw_span_uint(part, 255, &v))
            return false;
    return n == 4;
}

/* how many 16-bit groups a run of ":"-separated hexadecimal holds, -1 = malformed */
static int
ipv6_groups(lw_span s, bool may_end_in_ipv4)
{
    lw_span part;
    int n = 0;

    if (s.len == 0)
        return 0;
    for (lw_span rest = s; lw_span_token(&rest, ':', &part);) {
        if (may_end_in_ipv4 && rest.ptr == NULL && is_ipv4(part))
            return n + 2;
        if (part.len < 1 || part.len > 4)
            return -1;
        for (size_t i = 0; i < part.len; i++)
            if (lw_hex_value(part.ptr[i]) < 0)
                return -1;
        n++;
    }
    return n;
}

static bool
is_ipv6(lw_span s)
{
    for (size_t i = 0; i + 1 < s.len; i++) {
        if (s.ptr[i] != ':' || s.ptr[i + 1] != ':')
            continue;
        int a = ipv6_groups((lw_span){ s.ptr, i }, false);
        int b = ipv6_groups((lw_span){ s.ptr + i + 2, s.len - i - 2 }, true);
        return a >= 0 && b >= 0 && a + b <= 7;
    }
    return ipv6_groups(s, true) == 8;
}

static const char *
literal_problem(lw_span s)
{
    size_t colon = lw_span_find(s, ':');

    if (s.len == 0)
        return "nothing between [ and ]";
    if (colon == s.len)
        return is_ipv4(s) ? NULL : "[...] holds no IPv4 address";
    if (lw_span_eq_nocase((lw_span){ s.ptr, colon }, LW_LIT("IPv6")))
        return is_ipv6((lw_span){ s.ptr + colon + 1, s.len - colon - 1 })
            ? NULL : "[IPv6:...] holds no IPv6 address";
    if (is_ipv6(s))
        return "an IPv6 address is written [IPv6:...]";
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~' || s.ptr[i] == '@' || s.ptr[i] == '[')
            return "[...] holds a character that is not allowed there";
    /* [RFC5321 4.1.3] "General-address-literal  = Standardized-tag" ":" 1*dcontent */
    return colon == 0 || colon + 1 == s.len ? "[...] holds no address" : NULL;
}

static const char *
label_problem(lw_span label)
{
    if (label.len == 0)
        return "two dots in a row, or a dot at an end of the domain";
    if (label.len > 63 && lw_span_is_ascii(label)) /* of a U-label the ASCII form counts: idn.c */
        return "a part of the domain is longer than 63 octets";
    if (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
        return "a part of the domain begins or ends with a hyphen";
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];
        if (!lw_is_alnum(c) && c != '-' && c != '_' && (unsigned char)c < 0x80)
            return "a character that is not allowed in a domain";
    }
    return NULL;
}

const char *
lw_addr_domain_problem(lw_span d)
{
    const char *problem = NULL;
    lw_span label;

    if (d.len == 0)
        return "nothing after the @";
    /* [RFC5321 4.5.3.1.2] "The maximum total length of a domain name or number is 255 octets." */
    if (d.len > LW_DOMAIN_MAX)
        return "the domain is longer than 255 octets";
    if (d.ptr[0] == '[')
        return literal_problem((lw_span){ d.ptr + 1, d.len - 2 });
    for (lw_span rest = d; problem == NULL && lw_span_token(&rest, '.', &label);)
        problem = label_problem(label);
    return problem;
}

bool
lw_addr_wants_quotes(lw_span local)
{
    bool after_dot = true;

    for (size_t i = 0; i < local.len; i++) {
        bool is_dot = local.ptr[i] == '.';
        if (is_dot ? after_dot : !lw_mime_is_atext(local.ptr[i]))
            return true;
        after_dot = is_dot;
    }
    return after_dot;
}

lw_span
lw_addr_domain(const char *addr)
{
    const char *at = strrchr(addr, '@');
    return lw_span_str(at == NULL ? NULL : at + 1);
}
