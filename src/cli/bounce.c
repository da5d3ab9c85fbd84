/* SPDX-License-Identifier: MIT */
/* cli/bounce.c - letterwing bounce: what a delivery report says */
#include "cli/cli.h"

#include <letterwing/bounce.h>

typedef struct args {
    bool json;
} args;

static const cli_option options[] = {
    { CLI_HEADING, 0, NULL, NULL, "Output", 0 },
    { CLI_FLAG, 0, "json", NULL, "print one JSON object", offsetof(args, json) },
    { CLI_END, 0, NULL, NULL, NULL, 0 }
};

static const cli_page page = {
    "bounce", "[OPTION...] FILE|-",
    "Reads a message that came back and prints which recipients it is about, what\n"
    "became of each, and why: delivery status notifications (RFC 3464, 6533), and of\n"
    "read receipts (RFC 8098) and complaints (RFC 5965) what they share with those.\n"
    "Exit codes: 0 a report was found, 65 the message is none, 66 no such file.",
    options,
    "  letterwing bounce returned.eml\n"
    "  letterwing bounce --json - <returned.eml | jq -r '.recipients[].status'\n"
};

/* ---- JSON ------------------------------------------------------------------------------------- */

static json_t *
value_json(lw_bounce_value v)
{
    if (v.text == NULL)
        return json_null();
    return json_pack("{s:o, s:o}", "type", cli_json_text(v.type), "text", cli_json_text(v.text));
}

static json_t *
recipient_json(const lw_bounce_rcpt *r)
{
    json_t *json = json_object();

    json_object_set_new(json, "action", cli_json_text(lw_bounce_action_name(r->action)));
    json_object_set_new(json, "status", cli_json_enhanced(r->status));
    json_object_set_new(json, "final", value_json(r->final_rcpt));
    json_object_set_new(json, "original", value_json(r->original));
    json_object_set_new(json, "remote_mta", value_json(r->remote_mta));
    json_object_set_new(json, "diagnostic", value_json(r->diagnostic));
    json_object_set_new(json, "code", r->reply_code ? json_integer(r->reply_code) : json_null());
    json_object_set_new(json, "enhanced", cli_json_enhanced(r->reply_enhanced));
    json_object_set_new(json, "last_attempt", cli_json_text(r->last_attempt));
    json_object_set_new(json, "will_retry_until", cli_json_text(r->will_retry_until));
    json_object_set_new(json, "final_log_id", cli_json_text(r->final_log_id));
    return json;
}

static json_t *
message_json(const lw_bounce_report *r)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "message_id", cli_json_text(r->message_id),
                     "from", cli_json_text(r->from), "to", cli_json_text(r->to), "subject",
                     cli_json_text(r->subject), "date", cli_json_text(r->date));
}

static bool
print_json(const lw_bounce_report *r)
{
    json_t *json = json_object(), *list = json_array();

    for (size_t i = 0; i < r->n_rcpts; i++)
        json_array_append_new(list, recipient_json(&r->rcpts[i]));
    json_object_set_new(json, "kind", cli_json_text(lw_bounce_kind_name(r->kind)));
    json_object_set_new(json, "utf8", json_boolean(r->is_utf8));
    json_object_set_new(json, "subject", cli_json_text(r->reporter_subject));
    json_object_set_new(json, "reporting_mta", value_json(r->reporting_mta));
    json_object_set_new(json, "dsn_gateway", value_json(r->dsn_gateway));
    json_object_set_new(json, "received_from_mta", value_json(r->received_from_mta));
    json_object_set_new(json, "arrival_date", cli_json_text(r->arrival_date));
    json_object_set_new(json, "envelope_id", cli_json_text(r->envelope_id));
    json_object_set_new(json, "reporting_ua", cli_json_text(r->reporting_ua));
    json_object_set_new(json, "disposition", cli_json_text(r->disposition));
    json_object_set_new(json, "feedback_type", cli_json_text(r->feedback_type));
    json_object_set_new(json, "source_ip", cli_json_text(r->source_ip));
    json_object_set_new(json, "message", message_json(r));
    json_object_set_new(json, "recipients", list);
    return cli_json_write(stdout, json);
}

/* ---- text --------------------------------------------------------------------------------------- */

static void
row(const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0')
        cli_print(stdout, "%-14s %s\n", name, text);
}

static const char *
title(lw_bounce_kind kind)
{
    switch (kind) {
    case LW_BOUNCE_NONE: break;
    case LW_BOUNCE_DELIVERY: return "delivery status notification";
    case LW_BOUNCE_DISPOSITION: return "read receipt (message disposition notification)";
    case LW_BOUNCE_FEEDBACK: return "complaint (feedback report)";
    }
    return "none";
}

static void
print_recipient(const lw_bounce_rcpt *r)
{
    const char *address = r->final_rcpt.text != NULL ? r->final_rcpt.text
        : r->original.text != NULL ? r->original.text : "(no address)";

    cli_print(stdout, "\n%-14s %s", lw_bounce_action_name(r->action), address);
    if (r->status.klass != 0)
        cli_print(stdout, "  %u.%u.%u", r->status.klass, r->status.subject, r->status.detail);
    cli_print(stdout, "\n");
    row("  why", r->diagnostic.text);
    row("  said by", r->remote_mta.text);
    if (r->final_rcpt.text != NULL)
        row("  sent to", r->original.text);
    row("  tried", r->last_attempt);
    row("  tries until", r->will_retry_until);
    row("  log id", r->final_log_id);
}

static void
print_text(const lw_bounce_report *r)
{
    row("Report", title(r->kind));
    row("Reported by", r->reporting_mta.text);
    row("", r->reporting_ua);
    row("Gateway", r->dsn_gateway.text);
    row("Came from", r->received_from_mta.text);
    row("Arrived", r->arrival_date);
    row("Disposition", r->disposition);
    row("Complaint", r->feedback_type);
    row("Source", r->source_ip);
    row("Envelope ID", r->envelope_id);
    row("Message-ID", r->message_id);
    row("From", r->from);
    row("To", r->to);
    row("Subject", r->subject);
    row("Date", r->date);
    for (size_t i = 0; i < r->n_rcpts; i++)
        print_recipient(&r->rcpts[i]);
}

/* ---- the command ----------------------------------------------------------------------------------- */

static int
failure(lw_code rc, const char *path)
{
    const char *name = path[0] == '-' && path[1] == '\0' ? "standard input" : path;

    if (rc == LW_EMESSAGE)
        return cli_error(EX_DATAERR, "bounce: %s is not a delivery report", name);
    if (rc == LW_ELIMIT)
        return cli_error(EX_DATAERR, "bounce: %s has more than 10,000 recipients, 8 MiB of fields, or "
                                     "2 MiB of header: no report is that large", name);
    return cli_error(EX_OSERR, "out of memory");
}

static lw_code
feed(void *b, const char *p, size_t n)
{
    return lw_bounce_feed(b, p, n);
}

static int
report(const args *a, const char *path)
{
    const lw_bounce_report *r;
    lw_bounce_opts o;
    lw_bounce *b;
    lw_code rc;
    int code;

    lw_bounce_opts_init(&o);
    if (lw_bounce_new(&o, &b) < 0)
        return failure(LW_ENOMEM, path);
    code = cli_feed_file(page.name, path, feed, b, &rc);
    if (code == CLI_GO_ON && rc >= 0)
        rc = lw_bounce_end(b, &r);
    if (code == CLI_GO_ON && rc < 0)
        code = failure(rc, path);
    if (code == CLI_GO_ON) {
        if (a->json)
            print_json(r);
        else
            print_text(r);
        code = EX_OK;
    }
    lw_bounce_free(b);
    return code;
}

int
cli_bounce(int argc, char **argv)
{
    args a = { .json = false };
    cli_list files = { NULL, 0 };
    int rc = cli_parse(&page, argc, argv, &a, &files);

    if (rc == CLI_GO_ON && files.n != 1)
        rc = cli_error(EX_USAGE, "bounce: name one file, or - for standard input");
    if (rc == CLI_GO_ON)
        rc = report(&a, files.items[0]);
    cli_list_free(&files);
    return rc;
}
