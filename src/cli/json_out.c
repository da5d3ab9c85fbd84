/* SPDX-License-Identifier: MIT */
/* cli/json_out.c - the pieces that the JSON of several commands is made of */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* jansson refuses what is not UTF-8; broken octets become '?' by the same rule as on a terminal,
 * but controls stay: JSON escapes them */
static json_t *
repaired(lw_span text)
{
    char *out = malloc(text.len + 1);
    json_t *json = NULL;
    size_t n = 0;

    if (out == NULL)
        return NULL;
    for (size_t at = 0; at < text.len;) {
        size_t len = 1;

        /* the longest prefix of at most four octets that jansson takes as one character */
        while (len <= 4 && at + len <= text.len) {
            if ((json = json_stringn(text.ptr + at, len)) != NULL)
                break;
            len++;
        }
        json_decref(json);
        if (json == NULL) {
            out[n++] = '?';
            at++;
            continue;
        }
        memcpy(out + n, text.ptr + at, len);
        n += len;
        at += len;
    }
    json = json_stringn(out, n);
    free(out);
    return json;
}

json_t *
cli_json_span(lw_span text)
{
    json_t *json;

    if (text.ptr == NULL)
        return json_string("");
    json = json_stringn(text.ptr, text.len);
    return json != NULL ? json : repaired(text);
}

json_t *
cli_json_text(const char *text)
{
    return text == NULL ? json_null() : cli_json_span((lw_span){ text, strlen(text) });
}

json_t *
cli_json_enhanced(lw_enhanced e)
{
    char text[32];

    if (e.klass == 0)
        return json_null();
    snprintf(text, sizeof text, "%u.%u.%u", e.klass, e.subject, e.detail);
    return json_string(text);
}

static const char *
retry_name(lw_retry retry)
{
    switch (retry) {
    case LW_RETRY_NO: return "no";
    case LW_RETRY_LATER: return "later";
    case LW_RETRY_OTHER_HOST: return "other_host";
    }
    return "no";
}

json_t *
cli_json_error(const lw_error *err)
{
    if (err->code == LW_OK)
        return json_null();
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:s}", "name", lw_code_name(err->code),
                     "stage", lw_stage_name(err->stage), "text", cli_json_text(err->text),
                     "code", err->reply_code ? json_integer(err->reply_code) : json_null(),
                     "enhanced", cli_json_enhanced(err->enhanced), "retry",
                     retry_name(err->retry));
}

static json_t *
chain(const lw_tls_facts *tls)
{
    json_t *list = json_array();
    char from[40], until[40];

    for (size_t i = 0; i < tls->n_chain; i++) {
        const lw_certificate *c = &tls->chain[i];

        cli_time(from, sizeof from, c->not_before * 1000);
        cli_time(until, sizeof until, c->not_after * 1000);
        json_array_append_new(list, json_pack("{s:o, s:o, s:s, s:s}", "subject",
                                              cli_json_text(c->subject), "issuer",
                                              cli_json_text(c->issuer), "not_before", from,
                                              "not_after", until));
    }
    return list;
}

json_t *
cli_json_tls(const lw_tls_facts *tls, bool with_chain)
{
    json_t *json;

    if (!tls->active && tls->n_chain == 0 && tls->problem == NULL)
        return json_null();
    json = json_pack("{s:o, s:o, s:b}", "version", cli_json_text(tls->version), "cipher",
                     cli_json_text(tls->cipher), "verified", tls->verified);
    if (tls->resumed)
        json_object_set_new(json, "resumed", json_true());
    if (with_chain || tls->problem != NULL)
        json_object_set_new(json, "problem", cli_json_text(tls->problem));
    if (with_chain)
        json_object_set_new(json, "chain", chain(tls));
    return json;
}

/* for a terminal: controls beyond those that JSON escapes (DEL, C1) must not reach it either */
static int
dump_safe(const json_t *object, FILE *f)
{
    char *text = json_dumps(object, JSON_INDENT(2) | JSON_ENSURE_ASCII);

    for (const char *p = text; p != NULL && *p != '\0'; p++) {
        if (*p == 0x7f)
            fputs("\\u007f", f);
        else
            fputc(*p, f);
    }
    free(text);
    return text == NULL || ferror(f) ? -1 : 0;
}

bool
cli_json_write(FILE *f, json_t *object)
{
    bool is_terminal = isatty(fileno(f));
    int rc = is_terminal ? dump_safe(object, f) : json_dumpf(object, f, JSON_COMPACT);

    json_decref(object);
    return rc == 0 && fputc('\n', f) != EOF;
}
