/* SPDX-License-Identifier: MIT */
/*
 * smtp/command_path.c - paths and mailboxes, RFC 5321 4.1.2 and 4.1.3
 *
 * Each function is named after its rule, reads at *p, and moves *p behind what it took;
 * false leaves *p anywhere.  Octets above 0x7f count as letters (RFC 6531 3.3): whether
 * they are UTF-8 and permitted is decided by the caller.
 */
#include "smtp/command.h"

enum { ATEXT = 1, LET_DIG = 2, QTEXT = 4, DCONTENT = 8 };

#define ANY (ATEXT | LET_DIG | QTEXT | DCONTENT)
#define SPECIAL (ATEXT | QTEXT | DCONTENT)
#define PLAIN (QTEXT | DCONTENT)

static const unsigned char octet_class[256] = {
    [' '] = QTEXT,
    ['!'] = SPECIAL, ['"'] = DCONTENT, ['#' ... '\''] = SPECIAL,
    ['('] = PLAIN, [')'] = PLAIN, ['*'] = SPECIAL, ['+'] = SPECIAL, [','] = PLAIN,
    ['-'] = SPECIAL, ['.'] = PLAIN, ['/'] = SPECIAL,
    ['0' ... '9'] = ANY, [':' ... '<'] = PLAIN, ['='] = SPECIAL, ['>'] = PLAIN,
    ['?'] = SPECIAL, ['@'] = PLAIN,
    ['A' ... 'Z'] = ANY, ['['] = QTEXT, [']'] = QTEXT, ['^' ... '`'] = SPECIAL,
    ['a' ... 'z'] = ANY, ['{' ... '~'] = SPECIAL,
    [0x80 ... 0xff] = ATEXT | LET_DIG | QTEXT,
};

static bool
take_char(const char **p, const char *end, char c)
{
    if (*p == end || **p != c)
        return false;
    ++*p;
    return true;
}

static size_t
take_class(const char **p, const char *end, unsigned mask)
{
    const char *start = *p;

    while (*p < end && (octet_class[(unsigned char)**p] & mask) != 0)
        ++*p;
    return (size_t)(*p - start);
}

/* Let-dig [Ldh-str] */
static bool
take_sub_domain(const char **p, const char *end)
{
    if (take_class(p, end, LET_DIG) == 0)
        return false;
    while (*p < end && **p == '-') {
        while (*p < end && **p == '-')
            ++*p;
        if (take_class(p, end, LET_DIG) == 0)
            return false;
    }
    return true;
}

static bool
take_domain(const char **p, const char *end)
{
    do {
        if (!take_sub_domain(p, end))
            return false;
    } while (take_char(p, end, '.'));
    return true;
}

/* Snum 3("." Snum): the whole of s */
static bool
is_ipv4(lw_span s)
{
    lw_span snum;
    uint64_t value;
    int n = 0;

    for (; lw_span_token(&s, '.', &snum); n++) {
        if (snum.len > 3 || !lw_span_uint(snum, 255, &value))
            return false;
    }
    return n == 4;
}

/* Groups of IPv6-hex between colons, a final IPv4 counting as two; -1 if malformed. */
static int
count_ipv6_groups(lw_span s, bool v4_may_end)
{
    int n = 0;

    if (s.len == 0)
        return 0;
    for (;;) {
        lw_span group = { s.ptr, lw_span_find(s, ':') };
        bool is_last = group.len == s.len;

        if (is_last && v4_may_end && is_ipv4(group))
            return n + 2;
        if (group.len == 0 || group.len > 4)
            return -1;
        for (size_t i = 0; i < group.len; i++) {
            if (lw_hex_value(group.ptr[i]) < 0)
                return -1;
        }
        n++;
        if (is_last)
            return n;
        s = (lw_span){ s.ptr + group.len + 1, s.len - group.len - 1 };
    }
}

static bool
is_ipv6(lw_span s)
{
    const char *gap = memmem(s.ptr, s.len, "::", 2);
    int left, right;

    if (gap == NULL)
        return count_ipv6_groups(s, true) == 8;
    left = count_ipv6_groups((lw_span){ s.ptr, (size_t)(gap - s.ptr) }, false);
    right = count_ipv6_groups((lw_span){ gap + 2, s.len - (size_t)(gap + 2 - s.ptr) }, true);
    /* [RFC5321 4.1.3] "No more than 6 groups in addition to the" */
    return left >= 0 && right >= 0 && left + right <= 6;
}

static bool
take_address_literal(const char **p, const char *end)
{
    lw_span s, tag;
    const char *start = ++*p, *tag_end = start;

    take_class(p, end, DCONTENT);
    s = (lw_span){ start, (size_t)(*p - start) };
    if (!take_char(p, end, ']'))
        return false;
    if (lw_span_starts_nocase(s, LW_LIT("IPv6:")))
        return is_ipv6((lw_span){ s.ptr + 5, s.len - 5 });
    tag = (lw_span){ s.ptr, lw_span_find(s, ':') };
    if (tag.len == s.len)
        return is_ipv4(s);
    return take_sub_domain(&tag_end, tag.ptr + tag.len) && tag_end == tag.ptr + tag.len &&
           tag.len + 1 < s.len;
}

static bool
take_quoted_string(const char **p, const char *end)
{
    ++*p;
    for (;;) {
        take_class(p, end, QTEXT);
        if (take_char(p, end, '"'))
            return true;
        if (!take_char(p, end, '\\') || *p == end)
            return false;
        if ((unsigned char)**p < 0x20 || (unsigned char)**p > 0x7e)
            return false;
        ++*p;
    }
}

static bool
take_local_part(const char **p, const char *end)
{
    if (*p < end && **p == '"')
        return take_quoted_string(p, end);
    do {
        if (take_class(p, end, ATEXT) == 0)
            return false;
    } while (take_char(p, end, '.'));
    return true;
}

static bool
take_mailbox(const char **p, const char *end)
{
    if (!take_local_part(p, end) || !take_char(p, end, '@') || *p == end)
        return false;
    return **p == '[' ? take_address_literal(p, end) : take_domain(p, end);
}

/* A-d-l ":" */
static bool
take_source_route(const char **p, const char *end)
{
    do {
        if (!take_char(p, end, '@') || !take_domain(p, end))
            return false;
    } while (take_char(p, end, ','));
    return take_char(p, end, ':');
}

size_t
lw_mailbox_len(lw_span s)
{
    const char *p = s.ptr;

    if (s.len == 0 || !take_mailbox(&p, s.ptr + s.len))
        return 0;
    return (size_t)(p - s.ptr);
}

bool
lw_path_take(lw_span *rest, lw_span *mailbox)
{
    const char *p = rest->ptr, *end = rest->ptr + rest->len, *start;

    if (rest->len == 0 || !take_char(&p, end, '<'))
        return false;
    /* [RFC5321 4.1.2] "MUST BE accepted, SHOULD NOT be" */
    if (p < end && *p == '@' && !take_source_route(&p, end))
        return false;
    start = p;
    if (!(start == rest->ptr + 1 && p < end && *p == '>') && !take_mailbox(&p, end))
        return false;
    *mailbox = (lw_span){ start, (size_t)(p - start) };
    if (!take_char(&p, end, '>'))
        return false;
    *rest = (lw_span){ p, (size_t)(end - p) };
    return true;
}

/* FNV-1a */
uint64_t
lw_domain_hash(const char *address)
{
    const char *at = strrchr(address, '@');
    uint64_t h = 0xcbf29ce484222325u;

    for (const char *p = at != NULL ? at + 1 : ""; *p != '\0'; p++)
        h = (h ^ (unsigned char)lw_lower(*p)) * 0x100000001b3u;
    return h;
}
