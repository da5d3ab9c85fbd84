/* SPDX-License-Identifier: MIT */
/* cli/outcome.c - what became of a message, for people and for programs */
#include "cli/send.h"

#include <string.h>

/* ---- JSON --------------------------------------------------------------------------------- */

static json_t *
result_json(const lw_result *r, bool with_address)
{
    json_t *json = json_object();

    if (with_address) {
        json_object_set_new(json, "address", cli_json_text(r->address));
        json_object_set_new(json, "outcome", json_string(lw_outcome_name(r->outcome)));
        json_object_set_new(json, "stage", json_string(lw_stage_name(r->stage)));
    }
    json_object_set_new(json, "code", r->code ? json_integer(r->code) : json_null());
    json_object_set_new(json, "enhanced", cli_json_enhanced(r->enhanced));
    json_object_set_new(json, "text", cli_json_text(r->text));
    return json;
}

static json_t *
server_json(const lw_server_facts *s)
{
    if (s == NULL || s->host == NULL)
        return json_null();
    return json_pack("{s:o, s:i, s:o, s:o, s:o, s:o}", "host", cli_json_text(s->host), "port",
                     (int) s->port, "address", cli_json_text(s->address), "tls",
                     cli_json_tls(&s->tls, false), "auth", cli_json_text(s->auth), "greeting",
                     cli_json_text(s->greeting));
}

static json_t *
results_json(const lw_report *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < lw_report_n_results(r); i++)
        json_array_append_new(list, result_json(lw_report_result(r, i), true));
    return list;
}

static json_t *
notes_json(const lw_report *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < lw_report_n_notes(r); i++)
        json_array_append_new(list, cli_json_text(lw_report_note(r, i)));
    return list;
}

static void
print_json(const lw_report *r)
{
    static const char *const bodies[] = { [LW_BODY_7BIT] = "7bit", [LW_BODY_8BITMIME] = "8bitmime",
                                          [LW_BODY_BINARYMIME] = "binarymime" };
    const lw_result *reply = lw_report_reply(r);
    const char *id = lw_report_message_id(r);
    json_t *json = json_object();

    json_object_set_new(json, "outcome", json_string(lw_report_outcome(r)));
    json_object_set_new(json, "message_id",
                        id == NULL || id[0] == '\0' ? json_null() : cli_json_text(id));
    json_object_set_new(json, "size", json_integer((json_int_t) lw_report_size(r)));
    json_object_set_new(json, "body", json_string(bodies[lw_report_body_type(r)]));
    json_object_set_new(json, "server", server_json(lw_report_server(r)));
    json_object_set_new(json, "recipients", results_json(r));
    json_object_set_new(json, "reply",
                        reply == NULL ? json_null() : result_json(reply, false));
    json_object_set_new(json, "flights", json_integer(lw_report_flights(r)));
    json_object_set_new(json, "seconds", json_real(lw_report_seconds(r)));
    json_object_set_new(json, "notes", notes_json(r));
    json_object_set_new(json, "error", cli_json_error(lw_report_error(r)));
    cli_json_write(stdout, json);
}

/* ---- text ----------------------------------------------------------------------------------- */

static void
print_result(const lw_result *r)
{
    char status[32];

    cli_reply_status(status, sizeof status, r->code, r->enhanced);
    cli_print(stdout, "%s: %s", r->address, lw_outcome_name(r->outcome));
    cli_print(stdout, " (%s%s)\n", status, r->text == NULL ? "" : r->text);
}

/* one sentence; with several recipients a line for each before it */
static void
print_text(const cli_send_args *a, const lw_report *r)
{
    const lw_error *err = lw_report_error(r);
    size_t n = lw_report_n_results(r);

    if (!a->quiet && n > 1) {
        for (size_t i = 0; i < n; i++)
            print_result(lw_report_result(r, i));
    } else if (!a->quiet && err->code == LW_OK) {
        cli_print(stdout, "%s\n", lw_report_text(r));
    }
    fflush(stdout);
    for (size_t i = 0; i < lw_report_n_notes(r) && !a->quiet; i++)
        cli_print(stderr, "letterwing: note: %s\n", lw_report_note(r, i));
}

int
cli_tell_outcome(const cli_send_args *a, const lw_report *r)
{
    if (a->json)
        print_json(r);
    else
        print_text(a, r);
    if (lw_report_error(r)->code != LW_OK)
        cli_error(EX_OK, "%s", lw_report_text(r));
    return lw_report_exit_code(r);
}

int
cli_tell_failure(const cli_send_args *a, int code, const lw_error *err)
{
    if (a->json) {
        json_t *json = json_pack("{s:s, s:n, s:i, s:n, s:[], s:n, s:i, s:f, s:[], s:o}",
                                 "outcome", "unsent", "message_id", "size", 0, "server",
                                 "recipients", "reply", "flights", 0, "seconds", 0.0,
                                 "notes", "error", cli_json_error(err));
        cli_json_write(stdout, json);
    }
    return cli_error(code, "%s", err->text);
}
