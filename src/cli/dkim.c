/* SPDX-License-Identifier: MIT */
/* cli/dkim.c - letterwing dkim: its actions; sign */
#include "cli/dkim.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- messages -------------------------------------------------------------------------- */

/* how many octets CRLF line ends take more: bare CR and bare LF each grow by one */
static size_t
count_bare(const char *p, size_t n)
{
    size_t bare = 0;

    for (size_t i = 0; i < n; i++) {
        bool is_pair = p[i] == '\r' && i + 1 < n && p[i + 1] == '\n';

        bare += !is_pair && (p[i] == '\r' || p[i] == '\n');
        i += is_pair;
    }
    return bare;
}

int
cli_dkim_message(const char *command, const char *path, char **out, size_t *len)
{
    char *in, *to;
    size_t n = 0;
    int rc = cli_read_file(command, path, &in, &n);

    if (rc != CLI_GO_ON)
        return rc;
    *len = n + count_bare(in, n);
    if ((*out = malloc(*len + 1)) == NULL) {
        free(in);
        return cli_error(EX_OSERR, "out of memory");
    }
    to = *out;
    for (size_t i = 0; i < n; i++) {
        if (in[i] != '\r' && in[i] != '\n') {
            *to++ = in[i];
            continue;
        }
        *to++ = '\r';
        *to++ = '\n';
        i += in[i] == '\r' && i + 1 < n && in[i + 1] == '\n';
    }
    free(in);
    return CLI_GO_ON;
}

/* ---- sign ---------------------------------------------------------------------------------- */

typedef struct sign_args {
    cli_list keys, headers;
    const char *identity, *canon;
    uint64_t lifetime_s, time_s;
} sign_args;

#define AT(member) offsetof(sign_args, member)

static const cli_option sign_options[] = {
    { CLI_HEADING, 0, NULL, NULL, "Signature", 0 },
    { CLI_LIST, 0, "dkim", "D:S:KEYFILE", "domain, selector and private key (PEM); several\n"
      "make several signatures", AT(keys) },
    { CLI_TEXT, 0, "identity", "I", "i=: @example.com, or an address in the domain",
      AT(identity) },
    { CLI_TEXT, 0, "canon", "H/B", "relaxed or simple for header and body; when not\n"
      "given relaxed/relaxed", AT(canon) },
    { CLI_NUMBER, 0, "expires", "S", "x=: good for so many seconds", AT(lifetime_s) },
    { CLI_LIST, 0, "sign-header", "N", "sign this field too, if it is there", AT(headers) },
    { CLI_NUMBER, 0, "time", "N", "t=: seconds since 1970, when not now", AT(time_s) },
    { CLI_END, 0, NULL, NULL, NULL, 0 }
};

static const cli_page sign_page = {
    "dkim sign", "--dkim DOMAIN:SELECTOR:KEYFILE [OPTION...] FILE|-",
    "Signs a message and prints it with its DKIM-Signature fields in front, line ends\n"
    "as CRLF: as it was signed, and as it must be sent.",
    sign_options,
    "  letterwing dkim sign --dkim example.com:mail2026:mail2026.pem \\\n"
    "      mail.eml >signed.eml\n"
    "  letterwing dkim sign --dkim example.com:rsa:rsa.pem \\\n"
    "      --dkim example.com:ed:ed.pem --expires 1209600 - <mail.eml\n"
};

static bool
read_canon(const char *s, size_t n, lw_dkim_canon *canon)
{
    *canon = cli_is(s, n, "simple") ? LW_DKIM_SIMPLE : LW_DKIM_RELAXED;
    return *canon == LW_DKIM_SIMPLE || cli_is(s, n, "relaxed");
}

static int
fill_opts(const sign_args *a, lw_dkim_opts *o)
{
    const char *slash = a->canon == NULL ? NULL : strchr(a->canon, '/');

    lw_dkim_opts_init(o);
    o->identity = a->identity;
    o->lifetime_s = a->lifetime_s;
    o->headers = a->headers.items;
    o->n_headers = a->headers.n;
    if (a->keys.n == 0)
        return cli_error(EX_USAGE, "dkim sign: no key: add --dkim DOMAIN:SELECTOR:KEYFILE");
    if (a->canon != NULL
        && (slash == NULL
            || !read_canon(a->canon, (size_t) (slash - a->canon), &o->header_canon)
            || !read_canon(slash + 1, strlen(slash + 1), &o->body_canon)))
        return cli_error(EX_USAGE, "dkim sign: --canon \"%s\" is not relaxed/relaxed, "
                                   "relaxed/simple, simple/relaxed or simple/simple", a->canon);
    return CLI_GO_ON;
}

static int
sign(const sign_args *a, lw_dkim_signer *signer, const char *path)
{
    int64_t now = a->time_s > 0 ? (int64_t) a->time_s : (int64_t) time(NULL);
    lw_span fields, message;
    char *text = NULL;
    lw_error e;
    lw_code code;
    int rc;

    if ((rc = cli_dkim_message(sign_page.name, path, &text, &message.len)) != CLI_GO_ON)
        return rc;
    message.ptr = text;
    if ((code = lw_dkim_sign_begin(signer, now, &e)) == LW_OK
        && (code = lw_dkim_sign_feed(signer, message, &e)) == LW_OK
        && (code = lw_dkim_sign_finish(signer, &fields, &e)) == LW_OK) {
        fwrite(fields.ptr, 1, fields.len, stdout); /* cli_finish() tells if it fails */
        fwrite(message.ptr, 1, message.len, stdout);
        rc = EX_OK;
    } else {
        rc = cli_error(lw_exit_code(&e), "dkim sign: %s", cli_dkim_why(sign_page.name, &e));
    }
    free(text);
    return rc;
}

int
cli_dkim_sign(int argc, char **argv)
{
    sign_args a = { .canon = NULL };
    cli_list files = { NULL, 0 };
    cli_signer s = { .signer = NULL };
    lw_dkim_opts o;
    int rc = cli_parse(&sign_page, argc, argv, &a, &files);

    if (rc == CLI_GO_ON && files.n != 1)
        rc = cli_error(EX_USAGE, "dkim sign: name one message, or - for standard input");
    if (rc == CLI_GO_ON && (rc = fill_opts(&a, &o)) == CLI_GO_ON)
        rc = cli_signer_open(&s, sign_page.name, &a.keys, &o);
    if (rc == CLI_GO_ON)
        rc = sign(&a, s.signer, files.items[0]);
    cli_signer_close(&s);
    cli_list_free(&files);
    cli_release(&sign_page, &a);
    return rc;
}

/* ---- the command ---------------------------------------------------------------------------- */

static const cli_command actions[] = {
    { "keygen", cli_dkim_keygen, "make a private key" },
    { "record", cli_dkim_record, "print the TXT record of a key" },
    { "sign", cli_dkim_sign, "sign a message" },
    { "verify", cli_dkim_verify, "check the signatures of a message" },
};

static int
help(void)
{
    printf("Usage: letterwing dkim ACTION [OPTION...]\n\n"
           "DKIM signatures: keys, DNS records, signing, checking. Nothing here asks DNS.\n\n"
           "Actions:\n");
    for (size_t i = 0; i < CLI_COUNT_OF(actions); i++)
        printf("  %-10s %s\n", actions[i].name, actions[i].summary);
    printf("\n  letterwing dkim ACTION --help explains one with its options and examples.\n"
           "  letterwing send --dkim DOMAIN:SELECTOR:KEYFILE signs what is sent.\n");
    return EX_OK;
}

int
cli_dkim(int argc, char **argv)
{
    const char *names[CLI_COUNT_OF(actions)], *near;

    if (argc < 2)
        return cli_error(EX_USAGE, "dkim: say keygen, record, sign or verify: see letterwing "
                                   "dkim --help");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help();
    for (size_t i = 0; i < CLI_COUNT_OF(actions); i++) {
        if (strcmp(actions[i].name, argv[1]) == 0)
            return actions[i].run(argc - 1, argv + 1);
        names[i] = actions[i].name;
    }
    if ((near = cli_nearest(argv[1], names, CLI_COUNT_OF(actions))) != NULL)
        return cli_error(EX_USAGE, "dkim: there is no action \"%s\": did you mean \"%s\"?", argv[1],
                         near);
    return cli_error(EX_USAGE, "dkim: there is no action \"%s\": keygen, record, sign or verify",
                     argv[1]);
}
