/* SPDX-License-Identifier: MIT */
/*
 * cli/sendmail_args.c - the arguments of sendmail(8), as its callers write them
 *
 * Letters may be joined (-ti), values glued or not (-fann, -f ann).  As with Sendmail and Postfix,
 * options end at the first address.  No option names a file that is read or written, a command
 * that is run, or a server: who can put arguments into a call (CVE-2016-10033, CVE-2016-10045:
 * -X, -C, -O QueueDirectory, -be) can choose sender and recipients and nothing more.  --via
 * names a server, so it counts only as the very first argument, before what a caller appends.
 */
#include "cli/sendmail.h"

#include <string.h>

typedef enum kind {
    FLAG,     /* no value */
    VALUE,    /* glued, or the next argument */
    GLUED     /* a value only if it is glued */
} kind;

typedef struct letter {
    char letter;
    kind kind;
    int (*take)(sendmail_args *a, const char *value); /* NULL = accepted, no effect */
    const char *arg, *help; /* NULL help = not shown */
} letter;

static int
take_t(sendmail_args *a, const char *value)
{
    a->from_header = true;
    return CLI_GO_ON;
}

static int
take_i(sendmail_args *a, const char *value)
{
    a->ignores_dots = true;
    return CLI_GO_ON;
}

static int
take_v(sendmail_args *a, const char *value)
{
    a->verbose = 1;
    return CLI_GO_ON;
}

static int
take_q(sendmail_args *a, const char *value)
{
    a->mode = SENDMAIL_IDLE;
    return CLI_GO_ON;
}

static int
take_f(sendmail_args *a, const char *value)
{
    a->sender = strcmp(value, "<>") == 0 ? "" : value;
    return CLI_GO_ON;
}

static int
take_F(sendmail_args *a, const char *value)
{
    a->full_name = value;
    return CLI_GO_ON;
}

static int
take_V(sendmail_args *a, const char *value)
{
    a->envid = value;
    return CLI_GO_ON;
}

static int
take_N(sendmail_args *a, const char *value)
{
    if (cli_parse_dsn(value, &a->notify))
        return CLI_GO_ON;
    return cli_error(EX_USAGE, "sendmail: -N \"%s\" is not never, or some of success, failure, "
                               "delay", value);
}

static int
take_R(sendmail_args *a, const char *value)
{
    if (cli_parse_ret(value, &a->ret))
        return CLI_GO_ON;
    return cli_error(EX_USAGE, "sendmail: -R \"%s\" is neither full nor hdrs", value);
}

/* what the body really is decides; a promise of 7BIT that is not kept would break it */
static int
take_B(sendmail_args *a, const char *value)
{
    size_t n = strlen(value);

    if (cli_is(value, n, "7BIT") || cli_is(value, n, "8BITMIME"))
        return CLI_GO_ON;
    return cli_error(EX_USAGE, "sendmail: -B \"%s\" is neither 7BIT nor 8BITMIME", value);
}

static int
take_b(sendmail_args *a, const char *value)
{
    static const struct {
        char letter;
        sendmail_mode mode;
    } modes[] = { { 'm', SENDMAIL_DELIVER }, { 's', SENDMAIL_SMTP }, { 'p', SENDMAIL_QUEUE },
                  { 'i', SENDMAIL_IDLE } };

    for (size_t i = 0; i < CLI_COUNT_OF(modes); i++) {
        if (value[0] == modes[i].letter && value[1] == '\0') {
            a->mode = modes[i].mode;
            return CLI_GO_ON;
        }
    }
    return cli_error(EX_USAGE, "sendmail: -b%s cannot be done: there are -bm (send a message), "
                               "-bs (speak SMTP) and -bp (show the queue)", value);
}

/* -oi and -ot are options of their own by another name; the rest tunes a daemon that is not here */
static int
take_o(sendmail_args *a, const char *value)
{
    if (strcmp(value, "i") == 0)
        return take_i(a, value);
    if (strcmp(value, "t") == 0)
        return take_t(a, value);
    return CLI_GO_ON;
}

static int
take_O(sendmail_args *a, const char *value)
{
    const char *equals = strchr(value, '=');

    if (equals != NULL && cli_is(value, (size_t) (equals - value), "IgnoreDots")
        && (equals[1] == 't' || equals[1] == 'T' || equals[1] == 'y' || equals[1] == 'Y'))
        return take_i(a, value);
    return CLI_GO_ON;
}

static const letter letters[] = {
    { 't', FLAG, take_t, "", "recipients: To, Cc and Bcc of the message, and the arguments" },
    { 'i', FLAG, take_i, "", "a line with a dot alone does not end the message" },
    { 'f', VALUE, take_f, " ADDRESS", "who sends; '' or '<>' = nobody gets reports of failure" },
    { 'r', VALUE, take_f, NULL, NULL },
    { 'F', VALUE, take_F, " NAME", "the sender's name, where the message has no From" },
    { 'B', VALUE, take_B, " TYPE", "7BIT or 8BITMIME; what the body is decides" },
    { 'N', VALUE, take_N, " WHEN", "ask for reports: success,failure,delay or never" },
    { 'R', VALUE, take_R, " WHAT", "full or hdrs: what a report of failure holds" },
    { 'V', VALUE, take_V, " ID", "what reports call this message" },
    { 'b', VALUE, take_b, "m|s|p", "m: send a message (the default); s: speak SMTP on standard\n"
      "input and output; p: show the queue, which is always empty" },
    { 'q', GLUED, take_q, "[...]", "run the queue: there is none" },
    { 'v', FLAG, take_v, "", "show the dialogue on standard error" },
    { 'o', VALUE, take_o, "X", "-oi is -i, -ot is -t; -oem, -odb, ... have no effect" },
    { 'O', VALUE, take_O, " NAME=VALUE", "IgnoreDots=true is -i; all others have no effect" },
    /* of Sendmail, Postfix and Exim; no effect */
    { 'A', VALUE, NULL, NULL, NULL }, { 'C', VALUE, NULL, NULL, NULL },
    { 'D', VALUE, NULL, NULL, NULL }, { 'G', FLAG, NULL, NULL, NULL },
    { 'I', FLAG, NULL, NULL, NULL }, { 'L', VALUE, NULL, NULL, NULL },
    { 'M', VALUE, NULL, NULL, NULL }, { 'T', VALUE, NULL, NULL, NULL },
    { 'U', FLAG, NULL, NULL, NULL }, { 'X', VALUE, NULL, NULL, NULL },
    { 'c', FLAG, NULL, NULL, NULL }, { 'd', GLUED, NULL, NULL, NULL },
    { 'e', VALUE, NULL, NULL, NULL }, { 'h', VALUE, NULL, NULL, NULL },
    { 'm', FLAG, NULL, NULL, NULL }, { 'n', FLAG, NULL, NULL, NULL },
    { 'p', VALUE, NULL, NULL, NULL }, { 's', FLAG, NULL, NULL, NULL },
};

static void
print_help(void)
{
    printf("Usage: letterwing sendmail [--via URL] [-OPTION...] [ADDRESS...]\n\n"
           "Does what programs expect of sendmail(8): sends the message on standard input,\n"
           "also when this program is called by the name sendmail.\n\n"
           "  --via URL     the server; only as the first argument.  Without it:\n"
           "                $LETTERWING_URL, ~/.config/letterwing/sendmail.conf,\n"
           "                /etc/letterwing/sendmail.conf\n");
    for (size_t i = 0; i < CLI_COUNT_OF(letters); i++) {
        const letter *l = &letters[i];
        const char *end = l->help == NULL ? NULL : strchr(l->help, '\n');

        if (l->help == NULL)
            continue;
        printf("  -%c%-12s", l->letter, l->arg);
        if (end != NULL)
            printf("%.*s\n%16s%s\n", (int) (end - l->help), l->help, "", end + 1);
        else
            printf("%s\n", l->help);
    }
    printf("  --            what follows is an address\n"
           "\nExamples:\n"
           "  printf 'To: ann@example.com\\nSubject: hello\\n\\nHello.\\n' |\n"
           "      letterwing sendmail -t -i\n"
           "  letterwing sendmail -f ci@example.com ann@example.com <report.txt\n"
           "  git -c sendemail.sendmailCmd='letterwing sendmail' send-email *.patch\n");
}

static const letter *
find(char c)
{
    for (size_t i = 0; i < CLI_COUNT_OF(letters); i++) {
        if (letters[i].letter == c)
            return &letters[i];
    }
    return NULL;
}

/* one argument of joined letters; *i moves on if it takes the next argument as well */
static int
parse_letters(int argc, char **argv, int *i, sendmail_args *a)
{
    for (const char *p = argv[*i] + 1; *p != '\0'; p++) {
        const letter *l = find(*p);
        const char *value = p + 1;
        int rc;

        if (l == NULL)
            return cli_error(EX_USAGE, "sendmail: unknown option -%c: see letterwing sendmail "
                                       "--help", *p);
        if (l->kind == VALUE && *value == '\0') {
            if (*i + 1 >= argc)
                return cli_error(EX_USAGE, "sendmail: -%c needs a value", *p);
            value = argv[++*i];
        }
        if (l->take != NULL && (rc = l->take(a, value)) != CLI_GO_ON)
            return rc;
        if (l->kind != FLAG)
            break;
    }
    return CLI_GO_ON;
}

static int
parse_via(int argc, char **argv, int *i, sendmail_args *a)
{
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        print_help();
        return EX_OK;
    }
    if (argc < 2 || strncmp(argv[1], "--via", 5) != 0 || (argv[1][5] != '=' && argv[1][5] != '\0'))
        return CLI_GO_ON;
    if (argv[1][5] == '\0' && argc < 3)
        return cli_error(EX_USAGE, "sendmail: --via needs a value");
    *i = argv[1][5] == '=' ? 2 : 3;
    a->via = cli_hide_url_password(argv[1][5] == '=' ? argv[1] + 6 : argv[2]);
    return CLI_GO_ON;
}

/* behind the options, and behind "--" if there is one */
static int
parse_addresses(int argc, char **argv, int i, sendmail_args *a)
{
    bool all_addresses = i < argc && strcmp(argv[i], "--") == 0;

    for (i += all_addresses; i < argc; i++) {
        if (argv[i][0] == '-' && !all_addresses)
            return cli_error(EX_USAGE, "sendmail: \"%s\" stands behind an address: options come "
                                       "first, and an address that begins with - after --",
                             argv[i]);
        cli_list_add(&a->recipients, argv[i]);
    }
    return CLI_GO_ON;
}

/* Addresses, names and ids end in headers and commands: a line break would begin another one. */
static int
check_text(const char *what, const char *value)
{
    for (const char *p = value; p != NULL && *p != '\0'; p++) {
        if ((unsigned char) *p < 0x20 || *p == 0x7f)
            return cli_error(EX_USAGE, "sendmail: %s \"%s\" holds a control character", what,
                             value);
    }
    return CLI_GO_ON;
}

static int
check(const sendmail_args *a)
{
    int rc;

    if ((rc = check_text("-f", a->sender)) != CLI_GO_ON
        || (rc = check_text("-F", a->full_name)) != CLI_GO_ON
        || (rc = check_text("-V", a->envid)) != CLI_GO_ON)
        return rc;
    for (size_t i = 0; i < a->recipients.n; i++) {
        if ((rc = check_text("the address", a->recipients.items[i])) != CLI_GO_ON)
            return rc;
    }
    if (a->mode == SENDMAIL_DELIVER && !a->from_header && a->recipients.n == 0)
        return cli_error(EX_USAGE, "sendmail: no recipient: name one, or use -t to take those of "
                                   "the message");
    return CLI_GO_ON;
}

int
sendmail_parse(int argc, char **argv, sendmail_args *a)
{
    int i = 1, rc;

    if ((rc = parse_via(argc, argv, &i, a)) != CLI_GO_ON)
        return rc;
    for (; i < argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--via", 5) == 0)
            return cli_error(EX_USAGE, "sendmail: --via must be the first argument");
        if (argv[i][1] == '-' || argv[i][1] == '\0')
            return cli_error(EX_USAGE, "sendmail: unknown option %s: see letterwing sendmail "
                                       "--help", argv[i]);
        if ((rc = parse_letters(argc, argv, &i, a)) != CLI_GO_ON)
            return rc;
    }
    if ((rc = parse_addresses(argc, argv, i, a)) != CLI_GO_ON)
        return rc;
    return check(a);
}
