/* SPDX-License-Identifier: MIT */
/* cli/main.c - the table of commands */
#include "cli/cli.h"

#include <signal.h>
#include <string.h>

static int help(int argc, char **argv);
static int version(int argc, char **argv);

static const cli_command commands[] = {
    { "send", cli_send, "compose and send one message" },
    { "bulk", cli_bulk, "send a message to everybody in a list" },
    { "probe", cli_probe, "show what a server offers" },
    { "talk", cli_talk, "speak SMTP by hand, or from a script" },
    { "sink", cli_sink, "accept mail and show it: a server for tests" },
    { "lint", cli_lint, "say what receivers will hold against a message" },
    { "bounce", cli_bounce, "say what a delivery report reports" },
    { "dkim", cli_dkim, "make keys, sign messages, check signatures" },
    { "sendmail", cli_sendmail, "take the place of sendmail(8)" },
    { "help", help, "explain a command" },
    { "version", version, "print the version" },
};

static const cli_command *
find(const char *name)
{
    for (size_t i = 0; i < CLI_COUNT_OF(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static int
unknown(const char *name)
{
    const char *names[CLI_COUNT_OF(commands)];
    const char *near;

    for (size_t i = 0; i < CLI_COUNT_OF(commands); i++)
        names[i] = commands[i].name;
    near = cli_nearest(name, names, CLI_COUNT_OF(commands));
    if (near != NULL)
        return cli_error(EX_USAGE, "there is no command \"%s\": did you mean \"%s\"?", name,
                         near);
    return cli_error(EX_USAGE, "there is no command \"%s\": see letterwing --help", name);
}

static int
help(int argc, char **argv)
{
    char option[] = "--help";
    char *for_command[] = { argc > 1 ? argv[1] : NULL, option, NULL };
    const cli_command *c;

    if (argc < 2) {
        cli_help_all(commands, CLI_COUNT_OF(commands));
        return EX_OK;
    }
    if ((c = find(argv[1])) == NULL)
        return unknown(argv[1]);
    return c->run == help || c->run == version ? help(1, argv) : c->run(2, for_command);
}

static int
version(int argc, char **argv)
{
    printf("letterwing %s\n", lw_version());
    return EX_OK;
}

int
main(int argc, char **argv)
{
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const cli_command *c;

    signal(SIGPIPE, SIG_IGN); /* a closed standard output is an error like a full one */
    if (argc > 0 && strcmp(slash != NULL ? slash + 1 : argv[0], "sendmail") == 0)
        return cli_finish(cli_sendmail(argc, argv));
    if (argc < 2)
        return cli_error(EX_USAGE, "no command given: see letterwing --help");
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return cli_finish(version(1, argv));
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return cli_finish(help(1, argv));
    if ((c = find(argv[1])) == NULL)
        return unknown(argv[1]);
    return cli_finish(c->run(argc - 1, argv + 1));
}
