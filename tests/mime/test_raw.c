/* SPDX-License-Identifier: MIT */
/* tests/mime/test_raw.c - ready messages: unchanged but for line ends, and what cannot be sent */
#include "mime/support.h"
#include "support/guard.h"

#define HEAD "From: Ann <ann@example.com>\r\nTo: bob@example.org\r\n"

static guard g;

/* rendered whole, from memory against a guard page or from a source in chunks; NULL = error in e */
static char *
render_raw(lw_span in, size_t chunk, size_t *len, lw_envelope *env, char *rcpts, lw_error *e)
{
    lw_message *m = lw_message_new();
    lw_render_opts o = test_opts(1);
    lw_rendering *r;
    test_source s;
    lw_code rc;
    size_t spans;
    char *all = NULL;

    if (chunk == 0) {
        assert_int_equal(lw_message_raw_memory(m, guard_put(&g, in.ptr, in.len), in.len), LW_OK);
    } else {
        lw_source source = test_source_of(&s, in.ptr, in.len);
        s.chunk = chunk;
        assert_int_equal(lw_message_raw_source(m, source, "mail.eml"), LW_OK);
    }
    if ((rc = lw_rendering_new(m, &o, &r, e)) == LW_OK) {
        all = test_pull_all(r, len, &rc, &spans);
        assert_int_equal(rc, LW_DONE);
        assert_int_equal(*len, lw_rendering_body(r)->size);
        *env = *lw_rendering_envelope(r);
        rcpts[0] = '\0';
        for (size_t i = 0; i < env->n_rcpts; i++)
            snprintf(rcpts + strlen(rcpts), 1000 - strlen(rcpts), "%s%s", i > 0 ? " " : "", env->rcpts[i].address);
    } else {
        assert_int_equal(e->code, rc);
    }
    lw_rendering_free(r);
    lw_message_free(m);
    if (chunk > 0)
        assert_int_equal(s.n_open, 0);
    return all;
}

static void
test_raw__octets_and_recipients(void **state)
{
    static const struct {
        const char *name, *in, *want, *rcpts;
        lw_body_type type;
        bool utf8;
    } rows[] = {
        { "as it is", HEAD "\r\nHello\r\n", HEAD "\r\nHello\r\n", "bob@example.org", 0, false },
        { "lf", "From: a@b.de\nTo: c@d.de\n\nx\ny", "From: a@b.de\r\nTo: c@d.de\r\n\r\nx\r\ny\r\n", "c@d.de", 0, false },
        { "cr", "From: a@b.de\rTo: c@d.de\r\rx\ry", "From: a@b.de\r\nTo: c@d.de\r\n\r\nx\r\ny\r\n", "c@d.de", 0, false },
        { "mixed", HEAD "\n\rx\r\r\ny\n", HEAD "\r\n\r\nx\r\n\r\ny\r\n", "bob@example.org", 0, false },
        { "smuggling", HEAD "\r\nx\n.\nMAIL FROM:<>\n", HEAD "\r\nx\r\n.\r\nMAIL FROM:<>\r\n", "bob@example.org", 0, false },
        { "bcc goes", HEAD "Bcc: h@x.org,\r\n i@x.org\r\nX: y\r\n\r\nx", HEAD "X: y\r\n\r\nx\r\n",
          "bob@example.org h@x.org i@x.org", 0, false },
        { "bcc obsolete", HEAD "bCC : h@x.org\r\n\r\nx", HEAD "\r\nx\r\n", "bob@example.org h@x.org", 0, false },
        { "folded to", "From: a@b.de\r\nTo: \"x,\r\n y\" <c@d.de>,\r\n\te@f.de\r\nCC: c@D.de, g@h.de\r\n\r\n",
          "From: a@b.de\r\nTo: \"x,\r\n y\" <c@d.de>,\r\n\te@f.de\r\nCC: c@D.de, g@h.de\r\n\r\n",
          "c@d.de e@f.de g@h.de", 0, false },
        { "no body", HEAD, HEAD, "bob@example.org", 0, false },
        { "no body, no end", "From: a@b.de\r\nTo: c@d.de", "From: a@b.de\r\nTo: c@d.de\r\n", "c@d.de", 0, false },
        { "8 bit body", HEAD "\r\n\xe9\r\n", HEAD "\r\n\xe9\r\n", "bob@example.org", LW_BODY_8BITMIME, false },
        { "utf-8 header", HEAD "Subject: é\r\n\r\nx\r\n", HEAD "Subject: é\r\n\r\nx\r\n", "bob@example.org",
          LW_BODY_8BITMIME, true },
        { "latin-1 header", HEAD "Subject: \xe9\r\n\r\nx\r\n", HEAD "Subject: \xe9\r\n\r\nx\r\n", "bob@example.org",
          LW_BODY_8BITMIME, false },
        { "hidden group", "From: a@b.de\r\nTo: undisclosed-recipients:;\r\nBcc: h@x.org\r\n\r\n",
          "From: a@b.de\r\nTo: undisclosed-recipients:;\r\n\r\n", "h@x.org", 0, false },
        { "header-like body", HEAD "\r\nBcc: x\r\n", HEAD "\r\nBcc: x\r\n", "bob@example.org", 0, false },
    };
    char rcpts[1000];
    lw_envelope env;
    lw_error e;
    size_t len;

    for (size_t i = 0; i < LW_COUNT(rows); i++)
        for (size_t chunk = 0; chunk < 40; chunk++) {
            char *got = render_raw(lw_span_str(rows[i].in), chunk, &len, &env, rcpts, &e);
            if (got == NULL)
                fail_msg("%s by %zu: %s", rows[i].name, chunk, e.text);
            if (strcmp(got, rows[i].want) != 0 || strcmp(rcpts, rows[i].rcpts) != 0)
                fail_msg("%s by %zu: \"%s\" to %s", rows[i].name, chunk, got, rcpts);
            assert_int_equal(env.body_type, rows[i].type);
            assert_int_equal(env.needs_smtputf8, rows[i].utf8);
            free(got);
        }
}

#define MIXED HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
#define TEXT_PART "--b\r\n\r\ntext\r\n"
#define BINARY_PART "--b\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: binary\r\n\r\n"
#define OUTSIDE "a part is binary, and outside of it is a CR or LF that is not part of a CRLF: "     \
                "make it CRLF, or encode the part"
#define LONG100 "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
#define LONG1000 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100

/* RFC 2045 2.9: "any sequence of octets whatsoever"; what has none of it leaves as lines */
static void
test_raw__binary_parts_are_never_altered(void **state)
{
    static const struct {
        const char *name;
        lw_span in;
        bool is_binary; /* the same octets come out, else... */
        const char *want; /* this, or this failure */
    } rows[] = {
        { "bare LF", LW_LIT(MIXED TEXT_PART BINARY_PART "a\nb\r\n--b--\r\n"), true, NULL },
        { "bare CR", LW_LIT(MIXED BINARY_PART "a\rb\r\n--b\r\n\r\ntext\r\n--b--\r\n"), true, NULL },
        { "NUL", LW_LIT(MIXED BINARY_PART "a\0b\0\r\n--b--\r\n"), true, NULL },
        { "a long line", LW_LIT(MIXED BINARY_PART LONG1000 "\r\n--b--\r\n"), true, NULL },
        { "CR CR LF, LF CR, and the end in the middle", LW_LIT(MIXED BINARY_PART "\r\r\n\n\r\r\n--b--"), true, NULL },
        { "what DATA would take for its end", LW_LIT(MIXED BINARY_PART "\n.\r\n.\n\r\n--b--\r\n"), true, NULL },
        { "all of it", LW_LIT(HEAD "Content-Transfer-Encoding: BINARY\r\n\r\n\0\n\r"), true, NULL },
        { "all of it, no line end", LW_LIT(HEAD "Content-Transfer-Encoding: binary\r\n\r\nabc"), true, NULL },
        { "all of it, empty", LW_LIT(HEAD "Content-Transfer-Encoding: binary\r\n\r\n"), false,
          HEAD "Content-Transfer-Encoding: binary\r\n\r\n" },
        { "folded", LW_LIT(MIXED "--b\r\ncontent-transfer-encoding:\r\n\tBinary\r\n\r\n\n\r\n--b--\r\n"), true, NULL },
        { "with a comment", LW_LIT(MIXED "--b\r\nContent-Transfer-Encoding: (x) binary\r\n\r\n\n\r\n--b--\r\n"), true, NULL },
        { "in a message in it", LW_LIT(MIXED "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n"
          "Content-Transfer-Encoding: binary\r\n\r\n\0\n\r\n--b--\r\n"), true, NULL },
        { "Bcc goes, the rest stays", LW_LIT("From: a@b.de\r\nBcc: c@d.de\r\nContent-Transfer-Encoding: binary\r\n\r\n\n"),
          true, "From: a@b.de\r\nContent-Transfer-Encoding: binary\r\n\r\n\n" },
        { "clean lines need no BINARYMIME", LW_LIT(MIXED BINARY_PART "a\r\nb\r\n--b--\r\n"), false,
          MIXED BINARY_PART "a\r\nb\r\n--b--\r\n" },
        { "bare LF beside it only", LW_LIT(MIXED "--b\r\n\r\na\nb\r\n" BINARY_PART "a\r\n--b--\r\n"), false,
          MIXED "--b\r\n\r\na\r\nb\r\n" BINARY_PART "a\r\n--b--\r\n" },
        { "a file of this machine", LW_LIT("From: a@b.de\nTo: c@d.de\nContent-Transfer-Encoding: binary\n\nx\ny"), false,
          "From: a@b.de\r\nTo: c@d.de\r\nContent-Transfer-Encoding: binary\r\n\r\nx\r\ny\r\n" },
        { "text that tells of it", LW_LIT(HEAD "\r\nContent-Transfer-Encoding: binary\n\nx\n"), false,
          HEAD "\r\nContent-Transfer-Encoding: binary\r\n\r\nx\r\n" },
        { "NUL in text that tells of it", LW_LIT(HEAD "\r\nContent-Transfer-Encoding: binary\r\n\0\r\n"), false,
          "mail.eml: a NUL octet in line 5, column 1; mail cannot carry it" },
        { "NUL beside it", LW_LIT(MIXED "--b\r\n\r\na\0\r\n" BINARY_PART "a\n\r\n--b--\r\n"), false,
          "mail.eml: a NUL octet in line 7, column 2; mail cannot carry it" },
        { "NUL behind it", LW_LIT(MIXED BINARY_PART "a\n\r\n--b\r\n\r\n\0\r\n--b--\r\n"), false,
          "mail.eml: a NUL octet in line 13, column 1; mail cannot carry it" },
        { "a long line in text that tells of it", LW_LIT(HEAD "\r\nContent-Transfer-Encoding: binary\r\n" LONG1000 "\r\n"),
          false, "mail.eml: line 5 is 1000 octets long; SMTP allows 998" },
        { "NUL in a file of this machine", LW_LIT("From: a@b.de\nTo: c@d.de\nContent-Transfer-Encoding: binary\n\n\0\n"), false,
          "mail.eml: a NUL octet in line 5, column 1; mail cannot carry it" },
        { "a CR ends the empty line, and it", LW_LIT(HEAD "Content-Transfer-Encoding: binary\r\n\r"), false,
          HEAD "Content-Transfer-Encoding: binary\r\n\r\n" },
        { "a CR ends the field, and it", LW_LIT(HEAD "Content-Transfer-Encoding: binary\r"), false,
          HEAD "Content-Transfer-Encoding: binary\r\n" },
        { "a CR ends it, and a bare LF is in the part", LW_LIT(MIXED BINARY_PART "a\nb\r\n--b--\r"), false,
          "mail.eml: " OUTSIDE },
        { "a bare LF in a text beside it", LW_LIT(MIXED "--b\r\n\r\na\n.\nb\r\n" BINARY_PART "a\n\r\n--b--\r\n"),
          false, "mail.eml: " OUTSIDE },
        { "base64", LW_LIT(HEAD "Content-Transfer-Encoding: base64\r\n\r\n\0"), false,
          "mail.eml: a NUL octet in line 5, column 1; mail cannot carry it" },
    };
    char rcpts[1000];
    lw_envelope env;
    lw_error e;
    size_t len;

    for (size_t i = 0; i < LW_COUNT(rows); i++)
        for (size_t chunk = 0; chunk < 40; chunk++) {
            char *got = render_raw(rows[i].in, chunk, &len, &env, rcpts, &e);
            lw_span want = rows[i].want != NULL ? lw_span_str(rows[i].want) : rows[i].in;
            if (got == NULL && (chunk == 0 || strcmp(e.text, want.ptr) == 0))
                assert_non_null(strstr(want.ptr, "mail.eml:"));
            else if (got == NULL || !lw_span_eq((lw_span){ got, len }, want))
                fail_msg("%s by %zu: %s", rows[i].name, chunk, got == NULL ? e.text : got);
            else
                assert_int_equal(env.body_type, rows[i].is_binary ? LW_BODY_BINARYMIME : LW_BODY_7BIT);
            free(got);
        }
}

/* an attached message with binary parts is a file like others, never lines */
static void
test_attached__message_with_a_binary_part_is_a_file(void **state)
{
    static const char inner[] = MIXED BINARY_PART "a\nb\0\r\n--b--\r\n";

    for (int says_type = 0; says_type < 2; says_type++) {
        lw_message *m = lw_message_new();
        lw_attachment how = { .name = "m.eml", .type = says_type ? "message/rfc822" : NULL };
        lw_render_opts o = test_opts(1);
        lw_rendering *r;
        lw_error e;
        size_t len;
        assert_int_equal(lw_message_from(m, "a@b.example"), LW_OK);
        assert_int_equal(lw_message_to(m, "c@d.example"), LW_OK);
        assert_int_equal(lw_message_attach_memory(m, inner, sizeof inner - 1, &how), LW_OK);
        if (says_type) {
            assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_EMESSAGE);
            assert_string_equal(e.text, "m.eml: a message with a binary part can be attached as a file only "
                                        "(application/octet-stream)");
        } else {
            char *all = test_render(m, &len);
            assert_non_null(strstr(all, "Content-Type: application/octet-stream; name=m.eml\r\n"));
            assert_non_null(strstr(all, "Content-Transfer-Encoding: base64\r\n"));
            free(all);
        }
        lw_message_free(m);
    }
}

static void
test_raw__what_cannot_be_sent_is_said(void **state)
{
    static const struct {
        const char *name;
        lw_span in;
        lw_code code;
        const char *want;
    } rows[] = {
        { "empty", LW_LIT(""), LW_EMESSAGE, "mail.eml is empty" },
        { "blank line", LW_LIT("\r\nx"), LW_EMESSAGE, "mail.eml has no header: it begins with an empty line" },
        { "no header", LW_LIT("Hello Bob,\nhow are you?\n"), LW_EMESSAGE,
          "mail.eml has no header: line 1 \"Hello Bob,\" is not of the form Name: value" },
        { "folded first", LW_LIT(" From: a@b.de\n"), LW_EMESSAGE,
          "mail.eml has no header: line 1 \" From: a@b.de\" is not of the form Name: value" },
        { "mbox", LW_LIT("From ann@example.com Thu Jan  1 00:00:00 1970\nFrom: a@b.de\n\n"), LW_EMESSAGE,
          "mail.eml begins with the \"From \" line of a mailbox file, not with a header: remove that line" },
        { "no empty line", LW_LIT(HEAD "Hello\r\n"), LW_EMESSAGE,
          "mail.eml: line 3 \"Hello\" is no header line, and no empty line ended the header before it" },
        { "nul in body", LW_LIT(HEAD "\r\nx\r\nab\0c"), LW_EMESSAGE,
          "mail.eml: a NUL octet in line 5, column 3; mail cannot carry it" },
        { "nul in header", LW_LIT("Fr\0om: a@b.de\r\n"), LW_EMESSAGE,
          "mail.eml: a NUL octet in line 1, column 3; mail cannot carry it" },
        { "no from", LW_LIT("To: a@b.de\r\n\r\n"), LW_EMESSAGE,
          "from: no sender was given, and the message names none" },
        { "no to", LW_LIT("From: a@b.de\r\n\r\n"), LW_EMESSAGE, "to: no recipient was given" },
        { "bad to", LW_LIT("From: a@b.de\r\nTo: a@b.de, bob@\r\n\r\n"), LW_EADDRESS,
          "To: member 2 \"bob@\" at column 13: nothing after the @" },
    };
    char rcpts[1000];
    lw_envelope env;
    lw_error e;
    size_t len;

    for (size_t i = 0; i < LW_COUNT(rows); i++)
        for (size_t chunk = 1; chunk < 60; chunk += 3) {
            assert_null(render_raw(rows[i].in, chunk, &len, &env, rcpts, &e));
            if (e.code != rows[i].code || strcmp(e.text, rows[i].want) != 0)
                fail_msg("%s by %zu: %d %s", rows[i].name, chunk, e.code, e.text);
        }
    assert_null(render_raw(LW_LIT(""), 0, &len, &env, rcpts, &e));
    assert_string_equal(e.text, "the message is empty");
}

/* a line of n octets in the body of a message, or as its only line */
static char *
render_line(size_t n, bool in_body, lw_error *e)
{
    char *in = malloc(n + 100), *got, rcpts[1000];
    size_t head = in_body ? strlen(HEAD) + 2 : 0, len;
    lw_envelope env;

    memcpy(in, HEAD "\r\n", head);
    memset(in + head, 'x', n);
    got = render_raw((lw_span){ in, head + n }, 4096, &len, &env, rcpts, e);
    free(in);
    return got;
}

static void
test_raw__line_length_bounds(void **state)
{
    lw_error e;
    char *ok = render_line(998, true, &e);

    assert_non_null(ok);
    free(ok);
    assert_null(render_line(999, true, &e));
    assert_string_equal(e.text, "mail.eml: line 4 is 999 octets long; SMTP allows 998");
    assert_null(render_line(20 << 20, true, &e));
    assert_string_equal(e.text, "mail.eml: line 4 is 20971520 octets long; SMTP allows 998");
    assert_null(render_line(20 << 20, false, &e));
    assert_string_equal(e.text, "mail.eml: line 1 is 20971520 octets long; SMTP allows 998");
    assert_int_equal(e.code, LW_EMESSAGE);
}

static void
test_raw__header_size_bound(void **state)
{
    size_t cap = (1 << 20) + 4096, n = 0, len;
    char *in = malloc(cap), rcpts[1000];
    lw_envelope env;
    lw_error e;

    n += (size_t)snprintf(in, cap, HEAD);
    while (n + 50 < 1 << 20)
        n += (size_t)snprintf(in + n, cap - n, "X: 01234567890123456789\r\n");
    n += (size_t)snprintf(in + n, cap - n, "\r\nbody\r\n");
    char *got = render_raw((lw_span){ in, n }, 5000, &len, &env, rcpts, &e);
    assert_non_null(got);
    free(got);
    n -= 8;
    while (n < (1 << 20) + 100)
        n += (size_t)snprintf(in + n, cap - n, "X: 01234567890123456789\r\n");
    assert_null(render_raw((lw_span){ in, n }, 5000, &len, &env, rcpts, &e));
    assert_string_equal(e.text, "mail.eml: the header is longer than 1048576 octets");
    free(in);
}

static void
test_raw__given_recipients_win(void **state)
{
    static const char in[] = "From: not an address\r\nTo: nor this\r\nMessage-ID:\r\n <1@x>\r\n\r\nx\r\n";
    lw_render_opts o = test_opts(1);
    lw_message *m = lw_message_new();
    lw_rendering *r;
    lw_error e;

    assert_int_equal(lw_message_raw_memory(m, in, sizeof in - 1), LW_OK);
    assert_int_equal(lw_message_envelope_from(m, ""), LW_OK);
    assert_int_equal(lw_message_to(m, "x@y.de, z@y.de"), LW_OK);
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
    assert_int_equal(lw_rendering_envelope(r)->n_rcpts, 2);
    assert_string_equal(lw_rendering_envelope(r)->from, "");
    assert_string_equal(lw_rendering_message_id(r), "<1@x>");
    lw_rendering_free(r);
    assert_int_equal(lw_message_subject(m, "x"), LW_OK);
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_EUSAGE);
    assert_string_equal(e.text, "subject: a ready message is sent as it is, nothing can be added to it");
    assert_int_equal(lw_message_raw_memory(m, in, 1), LW_EUSAGE);
    lw_message_free(m);
}

static void
test_raw__file_that_changes_fails(void **state)
{
    static char in[100000] = HEAD "\r\n";
    lw_render_opts o = test_opts(1);
    lw_message *m = lw_message_new();
    test_source s;
    lw_rendering *r;
    lw_error e;
    lw_code rc;
    size_t len, spans, head = strlen(in);

    for (size_t i = head; i < sizeof in; i++)
        in[i] = i % 50 == 0 ? '\n' : 'x';
    assert_int_equal(lw_message_raw_source(m, test_source_of(&s, in, sizeof in), "mail.eml"), LW_OK);
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
    s.len = sizeof in - 1;
    free(test_pull_all(r, &len, &rc, &spans));
    assert_int_equal(rc, LW_ESOURCE);
    assert_string_equal(lw_rendering_error(r)->text,
                        "mail.eml became shorter while it was read (100000 octets were expected)");
    /* as long as before, but with more line ends: another message */
    s.len = sizeof in;
    in[sizeof in - 20] = '\n';
    lw_pull_rewind(r);
    free(test_pull_all(r, &len, &rc, &spans));
    assert_int_equal(rc, LW_ESOURCE);
    assert_string_equal(lw_rendering_error(r)->text, "mail.eml was changed while it was read");
    lw_rendering_free(r);
    s.fail_at = 10;
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_ESOURCE);
    assert_string_equal(e.text, "the disk is on fire");
    lw_message_free(m);
}

static void
test_raw__any_failing_request_leaks_nothing(void **state)
{
    static const char lines[] = HEAD "Bcc: c@d.de, e@f.de\r\nMessage-ID: <1@x>\r\n\r\nbody\r\n";
    static const char binary[] = MIXED BINARY_PART "a\nb\0\r\n--b--\r\n";
    const char *in = lines;
    size_t len = sizeof lines - 1;

    for (long n = 0;; n++) {
        test_memory t;
        test_source s;
        lw_render_opts o = test_opts(1);
        lw_rendering *r;
        lw_error e;
        test_memory_init(&t, n);
        lw_message *m = lw_message_new_with(&t.alloc);
        lw_code rc = lw_message_raw_source(m, test_source_of(&s, in, len), "mail.eml");
        rc = lw_rendering_new(m, &o, &r, &e);
        assert_int_equal(rc, t.has_failed ? LW_ENOMEM : LW_OK);
        lw_rendering_free(r);
        lw_message_free(m);
        assert_int_equal(t.n_out, 0);
        assert_int_equal(s.n_open, 0);
        if (!t.has_failed && in == binary)
            break;
        if (!t.has_failed) {
            in = binary;
            len = sizeof binary - 1;
            n = -1;
        }
    }
}

static int
setup(void **state)
{
    guard_open(&g, 4096);
    return 0;
}

static int
teardown(void **state)
{
    guard_close(&g);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raw__octets_and_recipients),
        cmocka_unit_test(test_raw__binary_parts_are_never_altered),
        cmocka_unit_test(test_attached__message_with_a_binary_part_is_a_file),
        cmocka_unit_test(test_raw__what_cannot_be_sent_is_said),
        cmocka_unit_test(test_raw__line_length_bounds),
        cmocka_unit_test(test_raw__header_size_bound),
        cmocka_unit_test(test_raw__given_recipients_win),
        cmocka_unit_test(test_raw__file_that_changes_fails),
        cmocka_unit_test(test_raw__any_failing_request_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
