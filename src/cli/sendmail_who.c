/* SPDX-License-Identifier: MIT */
/*
 * cli/sendmail_who.c - this machine's user and domain, for what a message does not say
 *
 * The domain: from-domain of the configuration, else Debian's /etc/mailname, else the host's name
 * if it is a full one, else the host's name with ".localdomain", as Postfix does it.
 */
#include "cli/sendmail.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* letters, digits, '-' and '.', which is all that a domain of a machine has */
static bool
is_domain(const char *s)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    size_t n = strlen(s);

    return n > 0 && n < 254 && strspn(s, good) == n && s[0] != '.' && s[n - 1] != '.';
}

/* the first line of /etc/mailname */
static bool
read_mailname(char *dst, size_t cap)
{
    FILE *f = fopen("/etc/mailname", "re");
    bool is_good = f != NULL && fgets(dst, (int) cap, f) != NULL;

    if (f != NULL)
        fclose(f);
    if (is_good)
        dst[strcspn(dst, " \t\r\n")] = '\0';
    return is_good && is_domain(dst);
}

static void
find_domain(sendmail_who *w, const sendmail_conf *c)
{
    char name[200] = "";

    if (gethostname(name, sizeof name - 1) != 0 || !is_domain(name))
        snprintf(name, sizeof name, "localhost");
    snprintf(w->host, sizeof w->host, "%s%s", name,
             strchr(name, '.') != NULL ? "" : ".localdomain");
    if (c->from_domain != NULL)
        snprintf(w->domain, sizeof w->domain, "%s", c->from_domain);
    else if (!read_mailname(w->domain, sizeof w->domain))
        snprintf(w->domain, sizeof w->domain, "%s", w->host);
}

/* the first part of the GECOS field, where '&' stands for the login name with a capital */
static char *
full_name(const struct passwd *pw)
{
    char *out = NULL;
    size_t len = 0, n = strcspn(pw->pw_gecos, ",");
    FILE *f = open_memstream(&out, &len);

    if (f == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        char first = pw->pw_name[0];

        if (pw->pw_gecos[i] != '&')
            fputc(pw->pw_gecos[i], f);
        else
            fprintf(f, "%c%s", first >= 'a' && first <= 'z' ? first - 32 : first,
                    pw->pw_name[0] != '\0' ? pw->pw_name + 1 : "");
    }
    if (fclose(f) != 0 || out[0] == '\0') {
        free(out);
        return NULL;
    }
    return out;
}

/* a name that no header can hold (GECOS fields may be of any charset) would stop all mail */
static bool
is_fit(const char *name)
{
    lw_message *m = lw_message_new();
    bool is_good = m != NULL && lw_message_subject(m, name) == LW_OK;

    lw_message_free(m);
    return is_good;
}

void
sendmail_who_init(sendmail_who *w, const sendmail_conf *c)
{
    const struct passwd *pw = getpwuid(getuid());
    int n;

    find_domain(w, c);
    if (pw != NULL)
        n = asprintf(&w->login, "%s@%s", pw->pw_name, w->domain);
    else
        n = asprintf(&w->login, "user%u@%s", (unsigned) getuid(), w->domain);
    if (n < 0)
        exit(cli_error(EX_OSERR, "out of memory"));
    w->name = pw == NULL || pw->pw_gecos == NULL ? NULL : full_name(pw);
    if (w->name != NULL && !is_fit(w->name)) {
        free(w->name);
        w->name = NULL;
    }
}

void
sendmail_who_deinit(sendmail_who *w)
{
    free(w->login);
    free(w->name);
}
