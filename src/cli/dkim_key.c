/* SPDX-License-Identifier: MIT */
/* cli/dkim_key.c - letterwing dkim keygen, record; keys named DOMAIN:SELECTOR:FILE */
#include "cli/dkim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- DOMAIN:SELECTOR:FILE ---------------------------------------------------------- */

/* the first n octets of s, NUL-terminated */
static char *
first(const char *s, size_t n)
{
    char *out = cli_copy(s);

    out[n] = '\0';
    return out;
}

int
cli_key_name_parse(cli_key_name *k, const char *command, const char *spec, bool needs_domain)
{
    const char *colon = strchr(spec, ':');
    const char *second = colon == NULL ? NULL : strchr(colon + 1, ':');

    *k = (cli_key_name){ .file = spec };
    if (second == NULL && needs_domain)
        return cli_error(EX_USAGE, "%s: \"%s\" is not DOMAIN:SELECTOR:KEYFILE, as in "
                                   "example.com:mail2026:mail2026.pem", command, spec);
    if (second == NULL)
        return CLI_GO_ON;
    k->domain = first(spec, (size_t) (colon - spec));
    k->selector = first(colon + 1, (size_t) (second - colon - 1));
    k->file = second + 1;
    return CLI_GO_ON;
}

void
cli_key_name_deinit(cli_key_name *k)
{
    free(k->domain);
    free(k->selector);
    *k = (cli_key_name){ NULL, NULL, NULL };
}

const char *
cli_dkim_why(const char *command, const lw_error *e)
{
    bool is_said = strncmp(command, "dkim ", 5) == 0 && strncmp(e->text, "dkim: ", 6) == 0;

    return e->text + (is_said ? 6 : 0);
}

int
cli_key_open(const char *command, const char *path, lw_dkim_key **key)
{
    lw_error e;

    if (lw_dkim_key_file(NULL, path, key, &e) != LW_OK)
        return cli_error(e.code == LW_ENOMEM ? EX_OSERR : EX_CONFIG, "%s: %s", command,
                         cli_dkim_why(command, &e));
    if (lw_dkim_key_advice(*key)[0] != '\0')
        cli_error(EX_OK, "%s: %s: %s", command, path, lw_dkim_key_advice(*key));
    return CLI_GO_ON;
}

static int
add(cli_signer *s, const char *command, const char *spec, const lw_dkim_opts *base)
{
    lw_dkim_opts o = *base;
    cli_key_name name;
    lw_error e;
    int rc = cli_key_name_parse(&name, command, spec, true);

    if (rc == CLI_GO_ON)
        rc = cli_key_open(command, name.file, &s->keys[s->n]);
    if (rc == CLI_GO_ON) {
        o.domain = name.domain;
        o.selector = name.selector;
        o.key = s->keys[s->n++];
        if (lw_dkim_signer_add(s->signer, &o, &e) != LW_OK)
            rc = cli_error(e.code == LW_ENOMEM ? EX_OSERR : EX_USAGE, "%s: %s", command,
                           cli_dkim_why(command, &e));
    }
    cli_key_name_deinit(&name);
    return rc;
}

int
cli_signer_open(cli_signer *s, const char *command, const cli_list *specs,
                const lw_dkim_opts *base)
{
    int rc = CLI_GO_ON;

    memset(s, 0, sizeof *s);
    if (specs->n > LW_DKIM_SIGNATURES_MAX)
        return cli_error(EX_USAGE, "%s: at most %d signatures for a message", command,
                         LW_DKIM_SIGNATURES_MAX);
    if ((s->signer = lw_dkim_signer_new(NULL)) == NULL)
        return cli_error(EX_OSERR, "out of memory");
    for (size_t i = 0; rc == CLI_GO_ON && i < specs->n; i++)
        rc = add(s, command, specs->items[i], base);
    return rc;
}

void
cli_signer_close(cli_signer *s)
{
    lw_dkim_signer_free(s->signer);
    for (size_t i = 0; i < s->n; i++)
        lw_dkim_key_free(s->keys[i]);
    memset(s, 0, sizeof *s);
}

/* ---- record ---------------------------------------------------------------------------- */

typedef struct record_args {
    bool zone, json;
} record_args;

static const cli_option record_options[] = {
    { CLI_HEADING, 0, NULL, NULL, "Output", 0 },
    { CLI_FLAG, 0, "zone", NULL, "as a line of a zone file, cut into strings of at\n"
      "most 255 octets; needs DOMAIN and SELECTOR", offsetof(record_args, zone) },
    { CLI_FLAG, 0, "json", NULL, "print one JSON object", offsetof(record_args, json) },
    { CLI_END, 0, NULL, NULL, NULL, 0 }
};

static const cli_page record_page = {
    "dkim record", "[OPTION...] [DOMAIN:SELECTOR:]KEYFILE",
    "Prints what DNS must say at SELECTOR._domainkey.DOMAIN, as a TXT record, so\n"
    "that signatures made with the key verify. KEYFILE is PEM, private or public.",
    record_options,
    "  letterwing dkim record mail2026.pem\n"
    "  letterwing dkim record --zone example.com:mail2026:mail2026.pem\n"
};

static void
print_zone(const cli_key_name *name, const char *record)
{
    size_t left = strlen(record);

    cli_print(stdout, "%s._domainkey.%s. IN TXT (", name->selector, name->domain);
    for (; left > 0; left -= left < 255 ? left : 255, record += 255)
        cli_print(stdout, " \"%.*s\"", (int) (left < 255 ? left : 255), record);
    cli_print(stdout, " )\n");
}

static void
print_record(const record_args *a, const cli_key_name *name, const lw_dkim_key *key,
             const char *record)
{
    char host[600];

    snprintf(host, sizeof host, "%.250s._domainkey.%.250s", name->selector ? name->selector : "",
             name->domain ? name->domain : "");
    if (a->json)
        cli_json_write(stdout, json_pack("{s:o, s:o, s:s, s:i}", "name",
                                         cli_json_text(name->domain ? host : NULL), "record",
                                         cli_json_text(record), "algorithm",
                                         lw_dkim_algorithm_name(lw_dkim_key_algorithm(key)),
                                         "bits", (int) lw_dkim_key_bits(key)));
    else if (a->zone)
        print_zone(name, record);
    else
        cli_print(stdout, "%s\n", record);
}

static int
record_of(const record_args *a, const cli_key_name *name, const lw_dkim_key *key)
{
    char *record;

    if (lw_dkim_key_record(key, &record) != LW_OK)
        return cli_error(EX_OSERR, "out of memory");
    print_record(a, name, key, record);
    lw_free(record);
    return EX_OK;
}

int
cli_dkim_record(int argc, char **argv)
{
    record_args a = { .zone = false };
    cli_list files = { NULL, 0 };
    cli_key_name name = { NULL, NULL, NULL };
    lw_dkim_key *key = NULL;
    int rc = cli_parse(&record_page, argc, argv, &a, &files);

    if (rc == CLI_GO_ON && files.n != 1)
        rc = cli_error(EX_USAGE, "dkim record: name one key file");
    if (rc == CLI_GO_ON && a.zone && a.json)
        rc = cli_error(EX_USAGE, "dkim record: --zone and --json: choose one");
    if (rc == CLI_GO_ON)
        rc = cli_key_name_parse(&name, record_page.name, files.items[0], a.zone);
    if (rc == CLI_GO_ON)
        rc = cli_key_open(record_page.name, name.file, &key);
    if (rc == CLI_GO_ON)
        rc = record_of(&a, &name, key);
    lw_dkim_key_free(key);
    cli_key_name_deinit(&name);
    cli_list_free(&files);
    return rc;
}

/* ---- keygen ------------------------------------------------------------------------------ */

typedef struct keygen_args {
    const char *type;
    uint64_t bits;
} keygen_args;

static const cli_option keygen_options[] = {
    { CLI_HEADING, 0, NULL, NULL, "Key", 0 },
    { CLI_TEXT, 0, "type", "rsa|ed25519", "rsa is understood by everyone (default); sign\n"
      "with one of each", offsetof(keygen_args, type) },
    { CLI_NUMBER, 0, "bits", "N", "size of an RSA key; 2048 when not given",
      offsetof(keygen_args, bits) },
    { CLI_END, 0, NULL, NULL, NULL, 0 }
};

static const cli_page keygen_page = {
    "dkim keygen", "[OPTION...] FILE|-",
    "Makes a private key, writes it to a new FILE that only you can read (PEM,\n"
    "PKCS#8), and prints the TXT record for it. - prints the key instead.",
    keygen_options,
    "  letterwing dkim keygen mail2026.pem\n"
    "  letterwing dkim keygen --type ed25519 mail2026ed.pem\n"
};

static int
write_key(const char *path, const char *pem)
{
    /* a key that is in use is never overwritten */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), os_err = errno;
    size_t n = strlen(pem);
    char text[128];
    bool ok;

    if (fd < 0 && os_err == EEXIST)
        return cli_error(EX_CANTCREAT, "dkim keygen: %s exists, and a key is never overwritten: "
                                       "name a new file", path);
    if (fd < 0)
        return cli_error(EX_CANTCREAT, "dkim keygen: %s cannot be made: %s", path,
                         strerror_r(os_err, text, sizeof text));
    ok = write(fd, pem, n) == (ssize_t) n && fsync(fd) == 0;
    os_err = errno;
    ok = close(fd) == 0 && ok;
    if (ok)
        return CLI_GO_ON;
    unlink(path);
    return cli_error(EX_IOERR, "dkim keygen: %s cannot be written: %s", path,
                     strerror_r(os_err, text, sizeof text));
}

static int
give_key(const lw_dkim_key *key, const char *path)
{
    static const record_args plain = { .zone = false };
    static const cli_key_name no_name = { NULL, NULL, NULL };
    char *pem;
    int rc;

    if (lw_dkim_key_pem(key, &pem) != LW_OK)
        return cli_error(EX_OSERR, "out of memory");
    if (strcmp(path, "-") == 0) {
        printf("%s", pem);
        rc = EX_OK;
    } else if ((rc = write_key(path, pem)) == CLI_GO_ON) {
        rc = record_of(&plain, &no_name, key);
    }
    cli_wipe(pem);
    return rc;
}

static int
generate(const keygen_args *a, const char *path)
{
    bool is_ed = a->type != NULL && strcmp(a->type, "ed25519") == 0;
    lw_dkim_key *key;
    lw_error e;
    int rc;

    if (a->type != NULL && !is_ed && strcmp(a->type, "rsa") != 0)
        return cli_error(EX_USAGE, "dkim keygen: --type \"%s\" is neither rsa nor ed25519", a->type);
    if (lw_dkim_key_generate(NULL, is_ed ? LW_DKIM_ED25519 : LW_DKIM_RSA,
                             a->bits > 1 << 20 ? 1 << 20 : (unsigned) a->bits, &key, &e) != LW_OK)
        return cli_error(e.code == LW_EUSAGE ? EX_USAGE : EX_OSERR, "dkim keygen: %s",
                         cli_dkim_why(keygen_page.name, &e));
    if (lw_dkim_key_advice(key)[0] != '\0')
        cli_error(EX_OK, "dkim keygen: %s", lw_dkim_key_advice(key));
    rc = give_key(key, path);
    lw_dkim_key_free(key);
    return rc;
}

int
cli_dkim_keygen(int argc, char **argv)
{
    keygen_args a = { .type = NULL };
    cli_list files = { NULL, 0 };
    int rc = cli_parse(&keygen_page, argc, argv, &a, &files);

    if (rc == CLI_GO_ON && files.n != 1)
        rc = cli_error(EX_USAGE, "dkim keygen: name one new file, or - for standard output");
    if (rc == CLI_GO_ON)
        rc = generate(&a, files.items[0]);
    cli_list_free(&files);
    return rc;
}
