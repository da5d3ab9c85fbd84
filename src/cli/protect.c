/* SPDX-License-Identifier: MIT */
/* cli/protect.c - from arguments to S/MIME or OpenPGP */
#include "cli/send.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
tell(const lw_error *e)
{
    return cli_error(lw_exit_code(e), "send: %s", e->text);
}

/* CERT or CERT:KEY; a file whose name has a colon is taken as it is */
static int
smime_sign(lw_secure *s, const char *spec)
{
    char *cert = cli_copy(spec), *key = access(spec, F_OK) == 0 ? NULL : strrchr(cert, ':');
    lw_error e;
    lw_code rc;

    if (key != NULL)
        *key++ = '\0';
    rc = lw_secure_smime_sign_file(s, cert, key, &e);
    free(cert);
    return rc == LW_OK ? CLI_GO_ON : tell(&e);
}

static int
smime_encrypt(lw_secure *s, const cli_send_args *a)
{
    bool is_gcm = a->smime_cipher != NULL && strcmp(a->smime_cipher, "aes-256-gcm") == 0;
    lw_error e;

    for (size_t i = 0; i < a->smime_certs.n; i++)
        if (lw_secure_smime_cert_file(s, a->smime_certs.items[i], &e) != LW_OK)
            return tell(&e);
    if (lw_secure_smime_encrypt(s, is_gcm ? LW_SMIME_AES_256_GCM : LW_SMIME_AES_256_CBC, &e) != LW_OK)
        return tell(&e);
    return CLI_GO_ON;
}

static int
check(const cli_send_args *a)
{
    const char *cipher = a->smime_cipher;

    if ((a->smime_sign != NULL || a->smime_encrypt) && (a->pgp_sign != NULL || a->pgp_encrypt))
        return cli_error(EX_USAGE, "send: a message is either S/MIME or OpenPGP: choose one");
    if (!a->smime_encrypt && (a->smime_certs.n > 0 || cipher != NULL))
        return cli_error(EX_USAGE, "send: --smime-cert and --smime-cipher go with --smime-encrypt");
    if (cipher != NULL && strcmp(cipher, "aes-256-cbc") != 0 && strcmp(cipher, "aes-256-gcm") != 0)
        return cli_error(EX_USAGE, "send: --smime-cipher \"%s\" is neither aes-256-cbc nor "
                                   "aes-256-gcm", cipher);
    return CLI_GO_ON;
}

static int
pgp(lw_secure *s, const cli_send_args *a)
{
    lw_error e;

    if (a->pgp_sign != NULL
        && lw_secure_pgp_sign(s, a->pgp_sign[0] == '\0' ? NULL : a->pgp_sign, &e) != LW_OK)
        return tell(&e);
    if (a->pgp_encrypt && lw_secure_pgp_encrypt(s, &e) != LW_OK)
        return tell(&e);
    return CLI_GO_ON;
}

/* where encrypted octets of a large message wait */
static int
use_temp_dir(lw_secure *s)
{
    const char *dir = getenv("TMPDIR");
    lw_error e;

    if (dir != NULL && dir[0] != '\0' && lw_secure_temp_dir(s, dir, &e) != LW_OK)
        return tell(&e);
    return CLI_GO_ON;
}

int
cli_protect(cli_send_args *a, lw_message *m)
{
    int rc;

    if ((rc = check(a)) != CLI_GO_ON)
        return rc;
    if (a->smime_sign == NULL && !a->smime_encrypt && a->pgp_sign == NULL && !a->pgp_encrypt)
        return CLI_GO_ON;
    if ((a->secure = lw_secure_new(NULL)) == NULL)
        return cli_error(EX_OSERR, "out of memory");
    if ((rc = use_temp_dir(a->secure)) != CLI_GO_ON
        || (a->smime_sign != NULL && (rc = smime_sign(a->secure, a->smime_sign)) != CLI_GO_ON)
        || (a->smime_encrypt && (rc = smime_encrypt(a->secure, a)) != CLI_GO_ON)
        || (rc = pgp(a->secure, a)) != CLI_GO_ON)
        return rc;
    (void) lw_message_secure(m, a->secure); /* fails for no message only */
    return CLI_GO_ON;
}
