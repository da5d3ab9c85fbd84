/* SPDX-License-Identifier: MIT */
/*
 * tutorial.c - one function with eight arguments, as many a tutorial has it
 *
 *     tutorial SERVER PORT USER PASSWORD TO SUBJECT HTML CC
 *
 * SERVER is "smtp.example.com", "ssl://smtp.example.com", "tls://..." or "plain://...".  The
 * dialogue is printed; its last line says what became of the message.
 */
#include <letterwing/letterwing.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
main(int argc, char **argv)
{
    char *dialogue;
    bool accepted;

    if (argc != 9) {
        fprintf(stderr, "usage: tutorial SERVER PORT USER PASSWORD TO SUBJECT HTML CC\n");
        return 64;
    }
    dialogue = lw_sendmail(argv[1], (int)strtol(argv[2], NULL, 10), argv[3], argv[4], argv[5],
                           argv[6], argv[7], argv[8]);
    if (dialogue == NULL)
        return 71;
    fputs(dialogue, stdout);
    accepted = strstr(dialogue, "* outcome: accepted") != NULL;
    lw_free(dialogue);
    return accepted ? 0 : 1;
}
