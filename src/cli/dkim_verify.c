/* SPDX-License-Identifier: MIT */
/* cli/dkim_verify.c - letterwing dkim verify: signatures against records given by hand */
#include "cli/dkim.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct args {
    cli_list records, keys;
    uint64_t time_s;
    bool json;
} args;

#define AT(member) offsetof(args, member)

static const cli_option options[] = {
    { CLI_HEADING, 0, NULL, NULL, "Keys", 0 },
    { CLI_LIST, 0, "record", "[NAME] TXT", "what DNS says, in one argument: 'v=DKIM1; ...',\n"
      "\"strings\" as dig prints them, or a zone line; with\n"
      "NAME (SELECTOR._domainkey.DOMAIN) for that one only", AT(records) },
    { CLI_LIST, 0, "key", "[D:S:]FILE", "as if this PEM key, private or public, were\n"
      "published; with DOMAIN:SELECTOR for that one only", AT(keys) },
    { CLI_HEADING, 0, NULL, NULL, "Output", 0 },
    { CLI_NUMBER, 0, "time", "N", "judge t= and x= at this time, seconds since 1970", AT(time_s) },
    { CLI_FLAG, 0, "json", NULL, "print one JSON object", AT(json) },
    { CLI_END, 0, NULL, NULL, NULL, 0 }
};

static const cli_page page = {
    "dkim verify", "[OPTION...] FILE|-",
    "Checks every DKIM-Signature of a message and says which are good and why the\n"
    "others are not, in the words of RFC 8601. DNS is not asked: give the records.\n"
    "Exit codes: 0 one is good, 65 none is, 75 none is, but one lacks its record.",
    options,
    "  letterwing dkim verify --key example.com:mail2026:mail2026.pem signed.eml\n"
    "  letterwing dkim verify --json signed.eml \\\n"
    "      --record \"$(dig +short TXT mail2026._domainkey.example.com)\"\n"
};

/* ---- records by name -------------------------------------------------------------------- */

typedef struct record {
    char *name; /* SELECTOR._domainkey.DOMAIN; NULL = of any signature */
    char *text;
} record;

typedef struct records {
    record *items;
    size_t n;
} records;

/* takes both texts */
static void
add(records *r, char *name, char *text)
{
    record *grown = realloc(r->items, (r->n + 1) * sizeof *grown);

    if (grown == NULL) {
        cli_error(EX_OSERR, "out of memory");
        exit(EX_OSERR);
    }
    r->items = grown;
    r->items[r->n++] = (record){ name, text };
}

static void
free_records(records *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->items[i].name);
        lw_free(r->items[i].text);
    }
    free(r->items);
}

/* the strings of a TXT record, put together: "v=DKIM1; " "k=rsa; p=..."; \x is x (RFC 1035 5.1) */
static char *
join_strings(const char *s)
{
    char *out = cli_copy(s), *to = out;
    bool is_inside = false;

    for (; *s != '\0'; s++) {
        if (*s == '"')
            is_inside = !is_inside;
        else if (*s == '\\' && s[1] != '\0' && is_inside)
            *to++ = *++s;
        else if (is_inside)
            *to++ = *s;
    }
    *to = '\0';
    return out;
}

static void
add_record(records *r, const char *given)
{
    const char *quote = strchr(given, '"');
    size_t n = strcspn(given, " \t");
    char *name = NULL;

    if (memmem(given, n, "._domainkey.", 12) != NULL) {
        name = cli_copy(given);
        name[n > 0 && given[n - 1] == '.' ? n - 1 : n] = '\0';
        given += n;
    }
    add(r, name, quote != NULL ? join_strings(quote) : cli_copy(given));
}

static int
add_key(records *r, const char *spec)
{
    cli_key_name k;
    lw_dkim_key *key = NULL;
    char *name = NULL, *text;
    int rc = cli_key_name_parse(&k, page.name, spec, false);

    if (rc == CLI_GO_ON)
        rc = cli_key_open(page.name, k.file, &key);
    if (rc == CLI_GO_ON && lw_dkim_key_record(key, &text) != LW_OK)
        rc = cli_error(EX_OSERR, "out of memory");
    if (rc == CLI_GO_ON && k.domain != NULL) {
        size_t cap = strlen(k.domain) + strlen(k.selector) + 16;

        if ((name = malloc(cap)) == NULL)
            rc = cli_error(EX_OSERR, "out of memory");
        else
            snprintf(name, cap, "%s._domainkey.%s", k.selector, k.domain);
    }
    if (rc == CLI_GO_ON)
        add(r, name, text);
    lw_dkim_key_free(key);
    cli_key_name_deinit(&k);
    return rc;
}

/* name is SELECTOR._domainkey.DOMAIN of this signature, or of any */
static bool
is_named(const char *name, const lw_dkim_signature *s)
{
    char own[2048];

    snprintf(own, sizeof own, "%.*s._domainkey.%.*s", (int) s->selector.len, s->selector.ptr,
             (int) s->domain.len, s->domain.ptr);
    return name == NULL || cli_is(name, strlen(name), own);
}

/* ---- judging ------------------------------------------------------------------------------ */

/* a record that fits the signature tells more than one for another algorithm, which cannot judge it */
static bool
tells_more(const lw_dkim_result *r, const lw_dkim_result *than)
{
    return r->status == LW_DKIM_PASS || r->status == LW_DKIM_POLICY
        || (r->status == LW_DKIM_FAIL && than->status == LW_DKIM_PERMERROR);
}

/* by each record that may be meant until one passes: [RFC6376 6.1.2] "the Verifier can choose one
 * of the key records or may cycle through the key records" */
static lw_code
judge(lw_dkim_verifier *v, size_t i, const records *r, int64_t now, lw_dkim_result *out)
{
    const lw_dkim_signature *s = lw_dkim_verifier_signature(v, i);
    lw_code rc = lw_dkim_verifier_check(v, i, LW_DKIM_NO_ANSWER, (lw_span){ NULL, 0 }, now, out);
    lw_dkim_result one;
    bool is_first = true;

    for (size_t k = 0; rc == LW_OK && out->status != LW_DKIM_PASS && k < r->n; k++) {
        lw_span text = { r->items[k].text, strlen(r->items[k].text) };

        if (!is_named(r->items[k].name, s))
            continue;
        rc = lw_dkim_verifier_check(v, i, LW_DKIM_RECORD, text, now, &one);
        if (is_first || tells_more(&one, out))
            *out = one;
        is_first = false;
    }
    if (rc == LW_OK && out->status == LW_DKIM_TEMPERROR)
        snprintf(out->reason, sizeof out->reason, "no record was given for it");
    return rc;
}

static json_t *
number(int64_t n)
{
    return n < 0 ? json_null() : json_integer(n);
}

static json_t *
signature_json(const lw_dkim_signature *s, const lw_dkim_result *r)
{
    json_t *json = json_object();

    json_object_set_new(json, "status", json_string(lw_dkim_status_name(r->status)));
    json_object_set_new(json, "reason", r->reason[0] ? cli_json_text(r->reason) : json_null());
    json_object_set_new(json, "domain", cli_json_span(s->domain));
    json_object_set_new(json, "selector", cli_json_span(s->selector));
    json_object_set_new(json, "identity", s->identity.len > 0 ? cli_json_span(s->identity)
                                                              : json_null());
    json_object_set_new(json, "algorithm", s->is_valid
                        ? json_string(lw_dkim_algorithm_name(s->algorithm)) : json_null());
    json_object_set_new(json, "bits", r->key_bits > 0 ? json_integer(r->key_bits) : json_null());
    json_object_set_new(json, "time", number(s->time_s));
    json_object_set_new(json, "expires", number(s->expires_s));
    json_object_set_new(json, "testing", json_boolean(r->is_testing));
    return json;
}

static void
print_signature(const lw_dkim_signature *s, const lw_dkim_result *r)
{
    cli_print(stdout, "%-10s d=%.*s s=%.*s", lw_dkim_status_name(r->status), (int) s->domain.len,
              s->domain.len ? s->domain.ptr : "", (int) s->selector.len,
              s->selector.len ? s->selector.ptr : "");
    if (s->is_valid)
        cli_print(stdout, " %s", lw_dkim_algorithm_name(s->algorithm));
    if (r->key_bits > 0 && s->algorithm == LW_DKIM_RSA)
        cli_print(stdout, " %u bits", r->key_bits);
    if (r->is_testing)
        cli_print(stdout, " (the domain is testing: t=y)");
    cli_print(stdout, r->reason[0] ? "\n           %s\n" : "\n", r->reason);
}

static int
report(lw_dkim_verifier *v, const records *r, const args *a)
{
    int64_t now = a->time_s > 0 ? (int64_t) a->time_s : (int64_t) time(NULL);
    json_t *list = json_array();
    unsigned n_passed = 0, n_unknown = 0;
    size_t n = lw_dkim_verifier_n(v);
    lw_dkim_result result;

    for (size_t i = 0; i < n; i++) {
        const lw_dkim_signature *s = lw_dkim_verifier_signature(v, i);

        if (judge(v, i, r, now, &result) != LW_OK) {
            json_decref(list);
            return cli_error(EX_OSERR, "out of memory");
        }
        n_passed += result.status == LW_DKIM_PASS;
        n_unknown += result.status == LW_DKIM_TEMPERROR;
        if (a->json)
            json_array_append_new(list, signature_json(s, &result));
        else
            print_signature(s, &result);
    }
    if (a->json)
        cli_json_write(stdout, json_pack("{s:s, s:O}", "outcome", n == 0 ? "none"
                                         : n_passed > 0 ? "pass" : "fail", "signatures", list));
    else if (n == 0)
        cli_print(stdout, "none       the message has no DKIM-Signature\n");
    json_decref(list);
    return n_passed > 0 ? EX_OK : n_unknown > 0 ? EX_TEMPFAIL : EX_DATAERR;
}

static int
verify(const args *a, const records *r, const char *path)
{
    lw_dkim_verifier *v;
    lw_span message;
    char *text = NULL;
    lw_error e;
    int rc = cli_dkim_message(page.name, path, &text, &message.len);

    if (rc != CLI_GO_ON)
        return rc;
    message.ptr = text;
    if ((v = lw_dkim_verifier_new(NULL)) == NULL)
        rc = cli_error(EX_OSERR, "out of memory");
    else if (lw_dkim_verifier_feed(v, message, &e) != LW_OK || lw_dkim_verifier_end(v, &e) != LW_OK)
        rc = cli_error(lw_exit_code(&e), "dkim verify: %s", cli_dkim_why(page.name, &e));
    else
        rc = report(v, r, a);
    lw_dkim_verifier_free(v);
    free(text);
    return rc;
}

int
cli_dkim_verify(int argc, char **argv)
{
    args a = { .json = false };
    cli_list files = { NULL, 0 };
    records r = { NULL, 0 };
    int rc = cli_parse(&page, argc, argv, &a, &files);

    if (rc == CLI_GO_ON && files.n != 1)
        rc = cli_error(EX_USAGE, "dkim verify: name one message, or - for standard input");
    for (size_t i = 0; rc == CLI_GO_ON && i < a.records.n; i++)
        add_record(&r, a.records.items[i]);
    for (size_t i = 0; rc == CLI_GO_ON && i < a.keys.n; i++)
        rc = add_key(&r, a.keys.items[i]);
    if (rc == CLI_GO_ON)
        rc = verify(&a, &r, files.items[0]);
    free_records(&r);
    cli_list_free(&files);
    cli_release(&page, &a);
    return rc;
}
