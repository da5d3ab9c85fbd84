/* SPDX-License-Identifier: MIT */
/*
 * smtp/command.c - verbs, and the arguments of MAIL, RCPT and BDAT
 *
 * Where RFC 5321 4.1.1 is stricter than clients in the field: a space between "FROM:" and
 * "<" is tolerated, and more than one space between parameters.  Everything else is as
 * its grammar says.
 */
#include "smtp/command.h"

#include "smtp/xtext.h"

static const struct {
    lw_span name;
    lw_verb verb;
} verbs[] = {
#define VERB_ROW(name) { { #name, sizeof #name - 1 }, LW_VERB_##name },
    LW_VERB_MAP(VERB_ROW)
#undef VERB_ROW
};

lw_verb
lw_command_verb(lw_span line, lw_span *args)
{
    lw_span word = { line.ptr, lw_span_find(line, ' ') };

    *args = lw_span_trim((lw_span){ line.ptr + word.len, line.len - word.len });
    /* [RFC5321 4.1.1] "receivers SHOULD tolerate trailing white space before the terminating" */
    word = lw_span_trim(word);
    for (size_t i = 0; i < LW_COUNT(verbs); i++) {
        if (lw_span_eq_nocase(word, verbs[i].name))
            return verbs[i].verb;
    }
    return LW_VERB_UNKNOWN;
}

char *
lw_store_span(lw_store *store, lw_span s)
{
    char *text = store->ptr + store->len;

    if (s.len >= store->cap - store->len)
        return NULL;
    if (s.len > 0)
        memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    store->len += s.len + 1;
    return text;
}

char *
lw_store_xtext(lw_store *store, lw_span s)
{
    char *text = store->ptr + store->len;
    size_t n;

    if (store->cap == store->len ||
        !lw_xtext_decode(text, store->cap - store->len - 1, s, &n))
        return NULL;
    /* [RFC3461 4.4] "consist entirely of printable (graphic and white space)" */
    if (lw_span_has_ctl((lw_span){ text, n }) || !lw_utf8_valid((lw_span){ text, n }))
        return NULL;
    text[n] = '\0';
    store->len += n + 1;
    return text;
}

/* "FROM:" or "TO:" and the path behind it. */
static bool
take_keyed_path(lw_span *args, lw_span key, lw_span *mailbox)
{
    if (!lw_span_starts_nocase(*args, key))
        return false;
    *args = (lw_span){ args->ptr + key.len, args->len - key.len };
    while (args->len > 0 && *args->ptr == ' ')
        *args = (lw_span){ args->ptr + 1, args->len - 1 };
    return lw_path_take(args, mailbox) && (args->len == 0 || *args->ptr == ' ');
}

const lw_refusal *
lw_command_mail(lw_span args, const lw_command_rules *rules, lw_store *store,
                lw_server_mail *out)
{
    static const lw_refusal syntax = { 501, "5.1.7", "Syntax: MAIL FROM:<address>" };
    static const lw_refusal not_ascii = { 550, "5.6.7",
                                          "Non-ASCII sender address without SMTPUTF8" };
    const lw_refusal *why;
    lw_span path;

    *out = (lw_server_mail){ .from = NULL };
    if (!take_keyed_path(&args, LW_LIT("FROM:"), &path))
        return &syntax;
    if ((why = lw_param_mail(args, rules, store, out)) != NULL)
        return why;
    /* [RFC6531 3.5] "command requires an ASCII address, the reply-code 550 is returned" */
    if (!out->smtputf8 && !lw_span_is_ascii(path))
        return &not_ascii;
    out->from = lw_store_span(store, path);
    return out->from == NULL ? &syntax : NULL;
}

const lw_refusal *
lw_command_rcpt(lw_span args, const lw_command_rules *rules, lw_store *store,
                lw_server_rcpt *out)
{
    static const lw_refusal syntax = { 501, "5.1.3", "Syntax: RCPT TO:<address>" };
    static const lw_refusal not_ascii = { 553, "5.6.7",
                                          "Non-ASCII address needs SMTPUTF8 in MAIL" };
    static const lw_span key = { "TO:", 3 }, postmaster = { "<Postmaster>", 12 };
    lw_span rest, path;

    *out = (lw_server_rcpt){ .address = NULL };
    rest = args.len < key.len ? args : (lw_span){ args.ptr + key.len, args.len - key.len };
    rest = lw_span_trim(rest);
    /* RFC 5321 4.1.1.3: "Postmaster" without a domain is an address of its own */
    if (lw_span_starts_nocase(args, key) && lw_span_starts_nocase(rest, postmaster) &&
        (rest.len == postmaster.len || rest.ptr[postmaster.len] == ' ')) {
        path = (lw_span){ rest.ptr + 1, postmaster.len - 2 };
        args = (lw_span){ rest.ptr + postmaster.len, rest.len - postmaster.len };
    } else if (!take_keyed_path(&args, key, &path) || path.len == 0) {
        return &syntax;
    }
    /* [RFC6531 3.5] "address, the reply-code 553 is returned with the meaning" */
    if (!rules->has_smtputf8 && !lw_span_is_ascii(path))
        return &not_ascii;
    out->address = lw_store_span(store, path);
    return out->address == NULL ? &syntax : lw_param_rcpt(args, rules, store, out);
}

bool
lw_command_bdat(lw_span args, uint64_t *size, bool *is_last)
{
    lw_span number = { args.ptr, lw_span_find(args, ' ') };
    lw_span marker = lw_span_trim((lw_span){ args.ptr + number.len, args.len - number.len });

    *is_last = lw_span_eq_nocase(marker, LW_LIT("LAST"));
    return (marker.len == 0 || *is_last) && lw_span_uint(number, INT64_MAX, size);
}

bool
lw_command_is_base64(lw_span s)
{
    size_t n = s.len;

    if (n % 4 != 0)
        return false;
    /* [RFC4954 4] "anywhere other than the end of the string" */
    for (int pad = 0; pad < 2 && n > 0 && s.ptr[n - 1] == '='; pad++)
        n--;
    for (size_t i = 0; i < n; i++) {
        if (!lw_is_alnum(s.ptr[i]) && s.ptr[i] != '+' && s.ptr[i] != '/')
            return false;
    }
    return true;
}
