/* SPDX-License-Identifier: MIT */
/* cli/lint.c - letterwing lint: what receivers will hold against a message */
#include "cli/send.h"

#include <letterwing/lint.h>

typedef struct args {
    bool json, strict;
} args;

#define AT(member) offsetof(args, member)

static const cli_option options[] = {
    { CLI_HEADING, 0, NULL, NULL, "Judgement", 0 },
    { CLI_FLAG, 0, "strict", NULL, "fail on warnings too", AT(strict) },
    { CLI_HEADING, 0, NULL, NULL, "Output", 0 },
    { CLI_FLAG, 0, "json", NULL, "print one JSON object", AT(json) },
    { CLI_END, 0, NULL, NULL, NULL, 0 }
};

static const cli_page page = {
    "lint", "[OPTION...] FILE|-",
    "Reads a message and says what receivers will hold against it: headers that are\n"
    "missing, double or malformed, lines and octets that SMTP does not carry, parts\n"
    "that readers get wrong, half-set unsubscribing, attachments that providers\n"
    "block, its size.  Nothing is looked up and nothing is sent.\n"
    "Exit codes: 0 nothing, or notes and warnings; 65 errors (with --strict: warnings\n"
    "too); 64 wrong usage; 66 no such file.",
    options,
    "  letterwing lint message.eml\n"
    "  letterwing lint --strict --json - <message.eml | jq -r '.findings[].id'\n"
};

/* ---- JSON ------------------------------------------------------------------------------------- */

static json_t *
finding_json(const lw_lint_finding *f)
{
    return json_pack("{s:s, s:s, s:o, s:I, s:o, s:o, s:s}", "severity",
                     lw_lint_severity_name(f->severity), "id", f->name, "line",
                     f->line ? json_integer((json_int_t) f->line) : json_null(), "part",
                     (json_int_t) f->part, "header", cli_json_text(f->header), "text",
                     cli_json_text(f->text), "source", f->source);
}

static json_t *
worst_json(const lw_lint *l)
{
    for (int s = LW_LINT_ERROR; s >= LW_LINT_NOTE; s--)
        if (lw_lint_count(l, (lw_lint_severity) s) > 0)
            return json_string(lw_lint_severity_name((lw_lint_severity) s));
    return json_null();
}

static void
print_json(const lw_lint *l, const char *path)
{
    json_t *list = json_array();
    const lw_lint_finding *f;

    for (size_t i = 0; (f = lw_lint_finding_at(l, i)) != NULL; i++)
        json_array_append_new(list, finding_json(f));
    cli_json_write(stdout, json_pack(
        "{s:o, s:o, s:I, s:I, s:I, s:o}", "file", cli_json_text(path), "worst", worst_json(l),
        "errors", (json_int_t) lw_lint_count(l, LW_LINT_ERROR), "warnings",
        (json_int_t) lw_lint_count(l, LW_LINT_WARNING), "notes",
        (json_int_t) lw_lint_count(l, LW_LINT_NOTE), "findings", list));
}

/* ---- text --------------------------------------------------------------------------------------- */

/* file:line: severity: sentence [id, source], as compilers write */
static void
print_finding(FILE *out, const lw_lint_finding *f, const char *path)
{
    cli_print(out, "%s:", path);
    if (f->line > 0)
        cli_print(out, "%llu:", (unsigned long long) f->line);
    cli_print(out, " %s: ", lw_lint_severity_name(f->severity));
    if (f->header != NULL)
        cli_print(out, "%s: ", f->header);
    if (f->part > 0)
        cli_print(out, "part %zu: ", f->part);
    cli_print(out, "%s [%s, %s]\n", f->text, f->name, f->source);
}

static void
print_count(const char *before, size_t n, const char *what)
{
    cli_print(stdout, "%s%zu %s%s", before, n, what, n == 1 ? "" : "s");
}

static void
print_text(const lw_lint *l, const char *path)
{
    const lw_lint_finding *f;

    for (size_t i = 0; (f = lw_lint_finding_at(l, i)) != NULL; i++)
        print_finding(stdout, f, path);
    cli_print(stdout, "%s: ", path);
    print_count("", lw_lint_count(l, LW_LINT_ERROR), "error");
    print_count(", ", lw_lint_count(l, LW_LINT_WARNING), "warning");
    print_count(", ", lw_lint_count(l, LW_LINT_NOTE), "note");
    cli_print(stdout, "\n");
}

/* ---- the command ----------------------------------------------------------------------------------- */

static lw_code
feed(void *l, const char *p, size_t n)
{
    return lw_lint_feed(l, p, n);
}

static int
failure(lw_code rc, const char *path)
{
    if (rc == LW_ELIMIT)
        return cli_error(EX_DATAERR, "lint: %s has a header of more than 2 MiB, or more than 100,000 "
                                     "parts", path);
    return cli_error(EX_OSERR, "out of memory");
}

static int
verdict(const lw_lint *l, bool strict)
{
    bool fails = lw_lint_count(l, LW_LINT_ERROR) > 0
        || (strict && lw_lint_count(l, LW_LINT_WARNING) > 0);

    return fails ? EX_DATAERR : EX_OK;
}

static int
lint(const args *a, const char *path)
{
    const char *name = path[0] == '-' && path[1] == '\0' ? "standard input" : path;
    lw_lint_opts o;
    lw_lint *l;
    lw_code rc;
    int code;

    lw_lint_opts_init(&o);
    if (lw_lint_new(&o, &l) < 0)
        return failure(LW_ENOMEM, name);
    code = cli_feed_file(page.name, path, feed, l, &rc);
    if (code == CLI_GO_ON && rc >= 0)
        rc = lw_lint_end(l);
    if (code == CLI_GO_ON && rc < 0)
        code = failure(rc, name);
    if (code == CLI_GO_ON) {
        if (a->json)
            print_json(l, path);
        else
            print_text(l, name);
        code = verdict(l, a->strict);
    }
    lw_lint_free(l);
    return code;
}

/* ---- before sending ---------------------------------------------------------------------------------- */

/* errors and warnings on standard error; notes are for who asked for all of it */
static void
warn(const lw_lint *l)
{
    const lw_lint_finding *f;

    for (size_t i = 0; (f = lw_lint_finding_at(l, i)) != NULL; i++)
        if (f->severity != LW_LINT_NOTE)
            print_finding(stderr, f, "letterwing: lint");
}

lw_code
cli_lint_message(lw_message *m, lw_error *err)
{
    lw_lint_opts o;
    lw_lint *l;
    lw_code rc;

    lw_lint_opts_init(&o);
    if ((rc = lw_lint_new(&o, &l)) < 0)
        return rc;
    if ((rc = lw_message_write(m, feed, l, err)) >= 0)
        rc = lw_lint_end(l);
    if (rc >= 0) {
        warn(l);
        if (lw_lint_count(l, LW_LINT_ERROR) > 0) {
            *err = (lw_error){ .code = LW_EMESSAGE, .stage = LW_STAGE_COMPOSE };
            snprintf(err->text, sizeof err->text, "receivers will refuse this message or misread "
                     "it (--lint found %zu error%s): nothing was sent",
                     lw_lint_count(l, LW_LINT_ERROR),
                     lw_lint_count(l, LW_LINT_ERROR) == 1 ? "" : "s");
            rc = LW_EMESSAGE;
        }
    }
    lw_lint_free(l);
    return rc;
}

/* ---- the command line ---------------------------------------------------------------------------------- */

int
cli_lint(int argc, char **argv)
{
    args a = { .json = false };
    cli_list files = { NULL, 0 };
    int rc = cli_parse(&page, argc, argv, &a, &files);

    if (rc == CLI_GO_ON && files.n != 1)
        rc = cli_error(EX_USAGE, "lint: name one file, or - for standard input");
    if (rc == CLI_GO_ON)
        rc = lint(&a, files.items[0]);
    cli_list_free(&files);
    return rc;
}
