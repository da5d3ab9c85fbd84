/* SPDX-License-Identifier: MIT */
/*
 * cli/sendmail_take.c - what comes in becomes a complete message in a spool
 *
 * The header is kept until it is whole; then it goes to the spool with what was missing, without
 * Bcc and Return-Path, with bare names completed; the body follows octet by octet.  Nothing is
 * sent from here.  Memory: the header and sendmail_spool.c's block, whatever the message.
 */
#include "cli/sendmail.h"

#include <letterwing/read.h>

#include <stdlib.h>
#include <string.h>

typedef enum field {
    FIELD_FROM, FIELD_SENDER, FIELD_DATE, FIELD_ID, FIELD_TO, FIELD_CC, FIELD_BCC, FIELD_REPLY_TO,
    FIELD_RETURN_PATH, FIELD_OTHER
} field;

/** What is known of the plain fields, and of those that begin with "Resent-". */
typedef struct facts {
    bool is_there;               /* any of them                  */
    bool has_from, has_date, has_id;
    char *from, *sender;         /* first value, completed       */
    cli_list to;                 /* owned values of To, Cc, Bcc  */
} facts;

struct sendmail_take {
    sendmail_take_opts o;
    lw_reader *reader;
    FILE *header;                /* writes header_text */
    char *header_text;
    size_t header_len;
    facts plain, resent;
    sendmail_spool spool;
    sendmail_lines lines;
    int failed;                  /* CLI_GO_ON, or the exit code of a failure that was told */
};

static const struct {
    const char *name;
    field field;
    bool has_addresses;
} fields[] = {
    { "From", FIELD_FROM, true }, { "Sender", FIELD_SENDER, true }, { "Date", FIELD_DATE, false },
    { "Message-ID", FIELD_ID, false }, { "To", FIELD_TO, true }, { "Cc", FIELD_CC, true },
    { "Bcc", FIELD_BCC, true }, { "Reply-To", FIELD_REPLY_TO, true },
    { "Return-Path", FIELD_RETURN_PATH, false },
};

static int
out_of_memory(void)
{
    return cli_error(EX_OSERR, "out of memory");
}

/* ---- the fields of the header ------------------------------------------------------------------ */

static field
field_of(lw_span name, bool *is_resent, bool *has_addresses)
{
    *has_addresses = false;
    *is_resent = name.len > 7 && cli_is(name.ptr, 7, "Resent-");
    if (*is_resent)
        name = (lw_span){ name.ptr + 7, name.len - 7 };
    for (size_t i = 0; i < CLI_COUNT_OF(fields); i++) {
        if (cli_is(name.ptr, name.len, fields[i].name)) {
            *has_addresses = fields[i].has_addresses;
            return fields[i].field;
        }
    }
    return FIELD_OTHER;
}

static char *
copy_span(lw_span s)
{
    char *out = strndup(s.ptr, s.len);

    if (out == NULL)
        exit(out_of_memory());
    return out;
}

static void
keep_first(const sendmail_take *t, char **slot, lw_span value)
{
    size_t n = 0;
    char *out = NULL;

    if (*slot == NULL && lw_addresses_complete(value, t->o.who->domain, &out, &n) == LW_OK
        && n == 1)
        *slot = copy_span((lw_span){ out, strlen(out) });
    lw_free(out);
}

static void
learn(sendmail_take *t, field f, bool is_resent, lw_span value)
{
    facts *k = is_resent ? &t->resent : &t->plain;

    k->is_there = k->is_there || f != FIELD_OTHER;
    k->has_from = k->has_from || f == FIELD_FROM;
    k->has_date = k->has_date || f == FIELD_DATE;
    k->has_id = k->has_id || f == FIELD_ID;
    if (f == FIELD_TO || f == FIELD_CC || f == FIELD_BCC)
        cli_list_add(&k->to, copy_span(value));
    if (f == FIELD_FROM)
        keep_first(t, &k->from, value);
    if (f == FIELD_SENDER)
        keep_first(t, &k->sender, value);
}

/* a field as it stands, with a line end if the input ended in it */
static void
write_field(sendmail_take *t, lw_span octets)
{
    char last = octets.len > 0 ? octets.ptr[octets.len - 1] : '\n';

    fwrite(octets.ptr, 1, octets.len, t->header);
    if (last != '\n' && last != '\r')
        fputs("\r\n", t->header);
}

/* [RFC6409 4.2] "If the MSA examines or alters the message text in any way, except to add trace
 * header fields [SMTP-MTA], it MUST ensure that all domains in address header fields are fully
 * qualified." */
static void
write_addresses(sendmail_take *t, lw_span octets)
{
    const char *colon = memchr(octets.ptr, ':', octets.len);
    size_t at = colon == NULL ? octets.len : (size_t) (colon - octets.ptr) + 1;
    char *out = NULL;

    if (lw_addresses_complete((lw_span){ octets.ptr + at, octets.len - at }, t->o.who->domain,
                              &out, NULL) != LW_OK) {
        write_field(t, octets); /* a NUL: sending will say where */
        return;
    }
    fwrite(octets.ptr, 1, at, t->header);
    write_field(t, (lw_span){ out, strlen(out) });
    lw_free(out);
}

static void
take_field(sendmail_take *t, const lw_read_event *ev)
{
    bool is_resent, has_addresses;
    field f = field_of(ev->name, &is_resent, &has_addresses);

    learn(t, f, is_resent, ev->raw);
    /* [RFC5321 4.4] "A message-originating SMTP system SHOULD NOT send a message that already
     * contains a Return-path header field." */
    if (f == FIELD_BCC || (f == FIELD_RETURN_PATH && !is_resent))
        return;
    if (has_addresses)
        write_addresses(t, ev->octets);
    else
        write_field(t, ev->octets);
}

/* ---- what is missing ------------------------------------------------------------------------------ */

/* "name" <address>, as a mailbox that any name fits into */
static char *
mailbox(const char *name, const char *address)
{
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);

    if (f == NULL)
        exit(out_of_memory());
    fputc('"', f);
    for (; *name != '\0'; name++) {
        if (*name == '"' || *name == '\\')
            fputc('\\', f);
        fputc(*name, f);
    }
    fprintf(f, "\" <%s>", address);
    if (fclose(f) != 0)
        exit(out_of_memory());
    return out;
}

/* From of the composer: the sender as it was given if it has a name, else with the full name */
static char *
author(const sendmail_take *t)
{
    const char *sender = t->o.sender, *name = t->o.full_name;
    char *full = NULL, *out;

    sender = sender == NULL || sender[0] == '\0' ? t->o.who->login : sender;
    if (lw_addresses_complete((lw_span){ sender, strlen(sender) }, t->o.who->domain, &full, NULL)
        != LW_OK)
        exit(out_of_memory());
    name = name == NULL && strcmp(full, t->o.who->login) == 0 ? t->o.who->name : name;
    out = name == NULL || name[0] == '\0' || strchr(full, '<') != NULL
        ? copy_span((lw_span){ full, strlen(full) }) : mailbox(name, full);
    lw_free(full);
    return out;
}

static lw_code
write_memory(void *ctx, const char *p, size_t n)
{
    return fwrite(p, 1, n, ctx) == n ? LW_OK : LW_ENOMEM;
}

/* the composer's octets of a message that has nothing but what a header must have */
static int
compose(const char *from, char **text, size_t *len)
{
    lw_message *m = lw_message_new();
    FILE *f = open_memstream(text, len);
    lw_error err = { .code = LW_ENOMEM, .text = "out of memory" };
    lw_code rc = LW_ENOMEM;

    if (m != NULL && f != NULL) {
        (void) lw_message_from(m, from);
        (void) lw_message_to(m, "nobody@localhost");
        (void) lw_message_header(m, "Resent-From", from);
        (void) lw_message_text(m, "");
        rc = lw_message_write(m, write_memory, f, &err);
    }
    lw_message_free(m);
    if (f == NULL || fclose(f) != 0)
        rc = LW_ENOMEM;
    return rc == LW_OK ? CLI_GO_ON
                       : cli_error(rc == LW_ENOMEM ? EX_OSERR : EX_DATAERR, "%s", err.text);
}

/* behind a field: its line, and those that begin with white space */
static const char *
field_end(const char *p)
{
    do {
        p += strcspn(p, "\n");
        p += *p == '\n';
    } while (*p == ' ' || *p == '\t');
    return p;
}

/* the composer's field of that name, with prefix before it */
static void
copy_field(sendmail_take *t, const char *text, const char *name, const char *prefix)
{
    size_t n = strlen(name);

    for (const char *end, *p = text; *p != '\r' && *p != '\0'; p = end) {
        end = field_end(p);
        if ((size_t) (end - p) <= n || !cli_is(p, n, name) || p[n] != ':')
            continue;
        fprintf(t->header, "%s%.*s", prefix, (int) (end - p), p);
        return;
    }
}

/*
 * RFC 6409 8.2 and 8.3 let a submission add them; RFC 5322 3.6 wants From and Date in every
 * message.  A resent message gets those of its own kind, as 3.6.6 says:
 * [RFC5322 3.6.6] "When resent fields are used, the "Resent-From:" and "Resent-Date:" fields
 * MUST be sent."
 */
static int
add_missing(sendmail_take *t)
{
    const facts *k = t->resent.is_there ? &t->resent : &t->plain;
    const char *prefix = t->resent.is_there ? "Resent-" : "";
    char *from, *text = NULL;
    size_t len = 0;
    int rc;

    if (k->has_from && k->has_date && k->has_id)
        return CLI_GO_ON;
    from = author(t);
    if ((rc = compose(from, &text, &len)) == CLI_GO_ON) {
        if (!k->has_from)
            copy_field(t, text, t->resent.is_there ? "Resent-From" : "From", "");
        if (!k->has_date)
            copy_field(t, text, "Date", prefix);
        if (!k->has_id)
            copy_field(t, text, "Message-ID", prefix);
    }
    free(from);
    free(text);
    return rc;
}

static int
end_header(sendmail_take *t)
{
    int rc = add_missing(t);
    bool is_good;

    if (rc != CLI_GO_ON)
        return rc;
    fputs("\r\n", t->header);
    is_good = !ferror(t->header);
    is_good = fclose(t->header) == 0 && is_good;
    t->header = NULL;
    if (!is_good)
        return out_of_memory();
    rc = sendmail_spool_add(&t->spool, (lw_span){ t->header_text, t->header_len });
    free(t->header_text);
    t->header_text = NULL;
    return rc;
}

/* ---- the calls -------------------------------------------------------------------------------------- */

sendmail_take *
sendmail_take_new(const sendmail_take_opts *o)
{
    sendmail_take *t = calloc(1, sizeof *t);
    lw_reader_opts opts;

    if (t == NULL)
        exit(out_of_memory());
    t->o = *o;
    t->failed = CLI_GO_ON;
    sendmail_spool_init(&t->spool);
    lw_reader_opts_init(&opts);
    opts.is_flat = true;
    t->header = open_memstream(&t->header_text, &t->header_len);
    if (t->header == NULL || lw_reader_new(&opts, &t->reader) != LW_OK)
        exit(out_of_memory());
    return t;
}

static void
facts_free(facts *k)
{
    free(k->from);
    free(k->sender);
    for (size_t i = 0; i < k->to.n; i++)
        free((char *) k->to.items[i]);
    cli_list_free(&k->to);
}

void
sendmail_take_free(sendmail_take *t)
{
    if (t == NULL)
        return;
    if (t->header != NULL)
        fclose(t->header);
    free(t->header_text);
    lw_reader_free(t->reader);
    facts_free(&t->plain);
    facts_free(&t->resent);
    sendmail_spool_deinit(&t->spool);
    free(t);
}

static int
take_event(sendmail_take *t, const lw_read_event *ev)
{
    switch (ev->kind) {
    case LW_READ_FIELD:
        take_field(t, ev);
        return CLI_GO_ON;
    case LW_READ_CONTENT:
        return end_header(t);
    case LW_READ_BODY:
        return sendmail_lines_add(&t->lines, &t->spool, ev->body);
    case LW_READ_PART:
    case LW_READ_END:
    case LW_READ_DEFECT:
        return CLI_GO_ON; /* what cannot be sent, sending says */
    }
    return EX_SOFTWARE;
}

/* everything that waits; the reader's own failure too */
static int
drain(sendmail_take *t)
{
    const lw_error *err = lw_reader_error(t->reader);
    lw_read_event ev;

    while (t->failed == CLI_GO_ON && lw_reader_next(t->reader, &ev) == LW_OK)
        t->failed = take_event(t, &ev);
    if (t->failed == CLI_GO_ON && err->code < 0)
        t->failed = cli_error(err->code == LW_ENOMEM ? EX_OSERR : EX_DATAERR,
                              "the message cannot be read: %s", err->text);
    return t->failed;
}

int
sendmail_take_feed(sendmail_take *t, lw_span octets)
{
    size_t used;

    while (octets.len > 0 && t->failed == CLI_GO_ON) {
        if (lw_reader_feed(t->reader, octets.ptr, octets.len, &used) == LW_EUSAGE)
            return t->failed = cli_error(EX_SOFTWARE, "octets behind the end of the message");
        octets = (lw_span){ octets.ptr + used, octets.len - used };
        t->failed = drain(t);
    }
    return t->failed;
}

int
sendmail_take_end(sendmail_take *t)
{
    if (t->failed != CLI_GO_ON)
        return t->failed;
    lw_reader_eof(t->reader);
    if (drain(t) == CLI_GO_ON &&
        (t->failed = sendmail_lines_end(&t->lines, &t->spool)) == CLI_GO_ON)
        t->failed = sendmail_spool_end(&t->spool);
    return t->failed;
}

void
sendmail_take_message(const sendmail_take *t, lw_message *m)
{
    if (t->spool.fd >= 0)
        (void) lw_message_raw_fd(m, t->spool.fd);
    else
        (void) lw_message_raw_memory(m, t->spool.mem, t->spool.len);
}

/* RFC 5322 3.6.6 says nothing on envelopes; Sendmail and Postfix send a resent message to its
 * resent recipients only */
const cli_list *
sendmail_take_recipients(const sendmail_take *t)
{
    return t->resent.is_there ? &t->resent.to : &t->plain.to;
}

const char *
sendmail_take_sender(const sendmail_take *t)
{
    const facts *k = t->resent.is_there ? &t->resent : &t->plain;

    return k->sender != NULL ? k->sender : k->from;
}
