/* SPDX-License-Identifier: MIT */
/* cli/help.c - help from the tables: never more than 80 columns */
#include "cli/cli.h"

#include <string.h>

#define HELP_COLUMN 29 /* where explanations begin */

static void
print_lines(const char *text, int indent)
{
    for (const char *end; *text != '\0'; text = end) {
        end = strchr(text, '\n');
        end = end == NULL ? text + strlen(text) : end;
        printf("%.*s\n", (int) (end - text), text);
        if (*end == '\n' && *++end != '\0')
            printf("%*s", indent, "");
    }
}

static void
print_option(const cli_option *o)
{
    char left[80];
    int n;

    if (o->kind == CLI_HEADING) {
        printf("\n%s:\n", o->help);
        return;
    }
    n = snprintf(left, sizeof left, "  %s%c%s--%s%s%s", o->letter ? "-" : " ",
                 o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name,
                 o->arg && o->kind != CLI_MAYBE && o->kind != CLI_MAYBE_NUMBER ? " " : "",
                 o->arg ? o->arg : "");
    printf("%s", left);
    if (n + 2 > HELP_COLUMN)
        printf("\n%*s", HELP_COLUMN, "");
    else
        printf("%*s", HELP_COLUMN - n, "");
    print_lines(o->help, HELP_COLUMN);
}

void
cli_help_page(const cli_page *page)
{
    printf("Usage: letterwing %s %s\n\n%s\n", page->name, page->usage, page->about);
    for (const cli_option *o = page->options; o->kind != CLI_END; o++)
        print_option(o);
    printf("  -h, --help                 this text\n");
    printf("\nExamples:\n%s", page->examples);
}

void
cli_help_all(const cli_command *commands, size_t n)
{
    printf("Usage: letterwing COMMAND [OPTION...]\n\n"
           "Sends mail, and says what became of every recipient.\n\nCommands:\n");
    for (size_t i = 0; i < n; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    printf("\n  letterwing help COMMAND explains one with its options and examples.\n"
           "\nFirst steps:\n"
           "  letterwing send --via smtps://ann@smtp.example.com -f ann@example.com \\\n"
           "      -t bob@example.org -s 'Hello' --text 'How are you?' -v\n"
           "  letterwing sink --listen 127.0.0.1:2525      # in another terminal:\n"
           "  letterwing send --via smtp://127.0.0.1:2525 -f a@example.com --text Hello \\\n"
           "      b@example.com\n"
           "\nEnvironment:\n"
           "  LETTERWING_URL   the server, where --via is not given\n"
           "\nExit codes:\n"
           "  0 all accepted          64 wrong usage         65 bad message or address\n"
           "  66 input file missing   67 all rejected        68 no such host\n"
           "  69 server unusable, or  73, 74 output failed   75 try again later\n"
           "     some failed          76 protocol broken     77 login or TLS refused\n"
           "  78 configuration\n");
}
