/* SPDX-License-Identifier: MIT */
/*
 * session.c - several messages over one connection, one recipient of them refused
 *
 *     session URL GOOD-ADDRESS BAD-ADDRESS
 *
 * A refused recipient stops neither the other recipients nor the next message; the report
 * says of each what became of it.
 */
#include <letterwing/letterwing.h>

#include <stdio.h>

static lw_message *
make_message(int number, const char *to)
{
    lw_message *m = lw_message_new();
    char subject[40];

    snprintf(subject, sizeof subject, "Message %d of 3", number);
    lw_message_from(m, "Ann <ann@example.com>");
    lw_message_to(m, to);
    lw_message_subject(m, subject);
    lw_message_text(m, "Several messages, one connection.\n");
    return m;
}

static void
print_report(int number, const lw_report *report)
{
    printf("message %d: %s\n", number, lw_report_outcome(report));
    for (size_t i = 0; i < lw_report_n_results(report); i++) {
        const lw_result *r = lw_report_result(report, i);

        printf("  %-10s %s: %d %s\n", lw_outcome_name(r->outcome), r->address, r->code, r->text);
    }
}

static void
send_three(lw_session *session, const char *good, const char *bad)
{
    char both[600];

    snprintf(both, sizeof both, "%s, %s", good, bad);
    for (int number = 1; number <= 3; number++) {
        lw_message *m = make_message(number, number == 2 ? both : good);
        lw_report *report = NULL;

        if (lw_session_send(session, m, &report) != LW_OK)
            printf("%s\n", lw_report_text(report));
        print_report(number, report);
        lw_report_free(report);
        lw_message_free(m);
    }
}

int
main(int argc, char **argv)
{
    lw_send_opts opts;
    lw_session *session = NULL;
    lw_error err;

    if (argc != 4) {
        fprintf(stderr, "usage: session URL GOOD-ADDRESS BAD-ADDRESS\n");
        return 64;
    }
    lw_send_opts_init(&opts);
    opts.servers = (const char *const *)&argv[1];
    opts.n_servers = 1;
    if (lw_session_open(&opts, &session, &err) != LW_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 69;
    }
    send_three(session, argv[2], argv[3]);
    lw_session_close(session);
    return 0;
}
