/* SPDX-License-Identifier: MIT */
/* one_call.c - compose a message and send it: one_call smtps://ann:secret@smtp.example.com */
#include <letterwing/letterwing.h>
#include <stdio.h>

int
main(int argc, char **argv)
{
    lw_message *m = lw_message_new();
    lw_report *report = NULL;

    lw_message_from(m, "Ann <ann@example.com>");
    lw_message_to(m, "bob@example.org, Zoë <zoe@example.net>");
    lw_message_subject(m, "测试邮件");
    lw_message_html(m, "<h1>Hello</h1>");
    lw_message_attach_file(m, argv[0]);

    lw_code code = lw_send(argc > 1 ? argv[1] : "", m, &report);
    fprintf(stderr, "%s\n", lw_report_text(report));
    lw_report_free(report);
    lw_message_free(m);
    return code == LW_OK ? 0 : 1;
}
