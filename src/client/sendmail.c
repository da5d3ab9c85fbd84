/* SPDX-License-Identifier: MIT */
/*
 * client/sendmail.c - the tutorial's function with its eight arguments, done right
 *
 * What the tutorial got wrong: it looked at no reply and went on after a refusal, put subject and
 * names as they came into the header, did not stuff dots, and showed the password.
 */
#include "client/client_int.h"

#include <stdio.h>

#define DIALOGUE_MAX ((size_t)4 << 20)
#define KEPT_FREE ((size_t)16 << 10) /* for a line, and the outcome behind all of them */

/* Octets of the server are made printable: the dialogue is a C string, and is shown to people.
 * When it is full, lines are left out, never the outcome. */
static void
add_line(void *ctx, const lw_transcript_line *line)
{
    static const char *const signs[] = { "C: ", "S: ", "* " };
    static const char left_out[] = "* the dialogue is too long: what follows is left out\n";
    char text[LW_TRANSCRIPT_LINE_MAX + 1];
    lw_buf *dialogue = ctx;

    if (dialogue->len > DIALOGUE_MAX - KEPT_FREE) {
        if (memcmp(dialogue->ptr + dialogue->len - strlen(left_out), left_out,
                   strlen(left_out)) != 0)
            lw_buf_add_str(dialogue, left_out);
        return;
    }
    lw_print_safe(text, sizeof text, line->text);
    lw_buf_add_str(dialogue, signs[line->direction]);
    lw_buf_add_str(dialogue, text);
    lw_buf_add_char(dialogue, '\n');
}

/* ---- the server ------------------------------------------------------------------------------ */

/* "smtp.example.com" takes STARTTLS when it is offered; a scheme says what it says.  A port of 0
 * leaves the scheme's own. */
static lw_code
write_url(lw_buf *url, const char *server, int port, lw_error *err)
{
    lw_span s = lw_span_str(server);
    bool has_scheme = server != NULL && strstr(server, "://") != NULL;
    bool is_bare_ipv6 = !has_scheme && s.len > 0 && s.ptr[0] != '[' &&
                        lw_span_find(s, ':') != s.len && strchr(strchr(server, ':') + 1, ':');

    if (port < 0 || port > 65535)
        return lw_fail(err, LW_ECONFIG, LW_STAGE_NONE, "the port %d is not between 1 and 65535",
                       port);
    lw_buf_add_str(url, has_scheme ? "" : "smtp://");
    lw_buf_add_str(url, is_bare_ipv6 ? "[" : "");
    lw_buf_add(url, s);
    lw_buf_add_str(url, is_bare_ipv6 ? "]" : "");
    if (port != 0)
        lw_buf_add_fmt(url, ":%d", port);
    lw_buf_add_str(url, has_scheme ? "" : "?tls=opportunistic");
    return lw_buf_cstr(url) == NULL ? lw_fail(err, LW_ENOMEM, LW_STAGE_NONE, "out of memory")
                                    : LW_OK;
}

/* ---- the sender -------------------------------------------------------------------------------- */

/* the domain that a server belongs to: its name without the label that says what it is for */
static lw_span
domain_of(const char *host)
{
    static const char *const roles[] = { "smtp.", "mail.", "smtps.", "submission.", "mx.",
                                         "relay.", "outgoing.", "out." };
    lw_span s = lw_span_str(host);

    for (size_t i = 0; i < LW_COUNT(roles); i++) {
        lw_span role = lw_span_str(roles[i]), rest = { s.ptr + role.len, s.len - role.len };

        if (lw_span_starts_nocase(s, role) && lw_span_find(rest, '.') < rest.len)
            return rest;
    }
    return s;
}

static lw_code
first_recipient(lw_buf *from, const char *to, lw_error *err)
{
    lw_arena arena;
    lw_mailboxes list;
    lw_code rc;

    lw_arena_init(&arena, &lw_alloc_default);
    lw_mailboxes_init(&list, &arena);
    rc = lw_mailboxes_parse(&list, lw_span_str(to), "to", err);
    if (rc >= 0 && list.n > 0)
        lw_buf_add_str(from, list.items[0].addr);
    lw_arena_deinit(&arena);
    return rc;
}

static lw_code
write_from(lw_buf *from, const char *url_text, const char *user, const char *to, lw_error *err)
{
    lw_url url;
    lw_code rc;

    if (user == NULL || user[0] == '\0')
        return first_recipient(from, to, err);
    lw_buf_add_str(from, user);
    if (lw_addr_check(lw_span_str(user), "user", NULL) >= 0)
        return LW_OK;
    if ((rc = lw_url_parse(NULL, url_text, &url, err)) < 0)
        return rc;
    lw_buf_add_char(from, '@');
    lw_buf_add(from, domain_of(url.host));
    lw_url_deinit(NULL, &url);
    return LW_OK;
}

/* ---- the message --------------------------------------------------------------------------------- */

typedef struct letter {
    const char *to, *subject, *html, *cc;
    lw_buf url, from;
} letter;

static lw_message *
compose(const letter *l, const char *from)
{
    lw_message *m = lw_message_new();

    if (m == NULL)
        return NULL;
    (void)lw_message_from(m, from);
    (void)lw_message_to(m, l->to);
    if (l->cc != NULL && l->cc[0] != '\0')
        (void)lw_message_cc(m, l->cc);
    (void)lw_message_subject(m, l->subject != NULL ? l->subject : "");
    (void)lw_message_html(m, l->html != NULL ? l->html : "");
    (void)lw_message_header(m, "X-Mailer", "Letterwing " LW_VERSION);
    return m;
}

static lw_report *
send_letter(letter *l, const char *user, const char *password, lw_buf *dialogue)
{
    const char *servers[] = { lw_buf_cstr(&l->url) };
    const char *from = lw_buf_cstr(&l->from);
    lw_message *m = from == NULL ? NULL : compose(l, from);
    lw_report *report = NULL;
    lw_send_opts o;

    if (m == NULL)
        return NULL;
    lw_send_opts_init(&o);
    o.servers = servers;
    o.n_servers = 1;
    if (user != NULL && user[0] != '\0') {
        o.user = user;
        o.password = password;
    }
    o.transcript = add_line;
    o.transcript_ctx = dialogue;
    (void)lw_send_with(&o, m, &report); /* the report tells */
    lw_message_free(m);
    return report;
}

char *
lw_sendmail(const char *server, int port, const char *user, const char *password,
            const char *to, const char *subject, const char *html, const char *cc)
{
    letter l = { .to = to, .subject = subject, .html = html, .cc = cc };
    lw_report *report = NULL;
    lw_buf dialogue;
    lw_error err;
    char *text;

    lw_buf_init(&dialogue, &lw_alloc_default, DIALOGUE_MAX);
    lw_buf_init(&l.url, &lw_alloc_default, 8192);
    lw_buf_init(&l.from, &lw_alloc_default, 8192);
    if (write_url(&l.url, server, port, &err) < 0 ||
        write_from(&l.from, lw_buf_cstr(&l.url), user, to, &err) < 0) {
        lw_buf_add_fmt(&dialogue, "* outcome: unsent: %s\n", err.text);
    } else {
        report = send_letter(&l, user, password, &dialogue);
        lw_buf_add_fmt(&dialogue, "* outcome: %s: %s\n", lw_report_outcome(report),
                       lw_report_text(report));
    }
    lw_report_free(report);
    lw_buf_deinit(&l.url);
    lw_buf_deinit(&l.from);
    text = lw_buf_take(&dialogue);
    lw_buf_deinit(&dialogue);
    return text;
}
