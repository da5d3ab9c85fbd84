/* SPDX-License-Identifier: MIT */
/* tests/mime/test_lint.c - each kind of finding, where it stands, and messages without any */
#include "mime/read_int.h"
#include "mime/support.h"

#include "support/guard.h"

#include <letterwing/lint.h>

#define CRLF "\r\n"
#define HEAD                                                                                 \
    "Date: Wed, 25 Nov 2026 10:00:00 +0000" CRLF "From: Ann <ann@example.com>" CRLF         \
    "To: bob@example.org" CRLF "Subject: x" CRLF "Message-ID: <1@example.com>" CRLF         \
    "MIME-Version: 1.0" CRLF
#define TEXT CRLF "hello" CRLF
#define RUN_10 "0123456789"
#define RUN_100 RUN_10 RUN_10 RUN_10 RUN_10 RUN_10 RUN_10 RUN_10 RUN_10 RUN_10 RUN_10
#define LONG_RUN RUN_100 RUN_100 RUN_100 RUN_100 RUN_100 RUN_100 RUN_100 RUN_100 RUN_100 RUN_100
#define MIXED "Content-Type: multipart/mixed; boundary=b" CRLF CRLF "--b" CRLF CRLF "hello" CRLF
#define LIST "List-Unsubscribe: <https://example.com/u?1>, <mailto:u@example.com>" CRLF
#define POST "List-Unsubscribe-Post: List-Unsubscribe=One-Click" CRLF
#define SIGNATURE(d, h) "DKIM-Signature: v=1; a=rsa-sha256; d=" d "; s=k;" CRLF "\th=" h "; bh=x; b=y" CRLF

/* findings as "id line part", one behind another; from malloc */
static char *
lint(const lw_lint_opts *o, lw_span in, size_t piece, lw_code *rc)
{
    const lw_lint_finding *f;
    lw_lint *l;
    lw_buf out;
    size_t n[3] = { 0, 0, 0 };

    lw_buf_init(&out, NULL, 1 << 20);
    *rc = lw_lint_new(o, &l);
    for (size_t at = 0; *rc >= 0 && at < in.len; at += piece)
        *rc = lw_lint_feed(l, in.ptr + at, in.len - at < piece ? in.len - at : piece);
    if (l != NULL)
        *rc = lw_lint_end(l);
    for (size_t i = 0; l != NULL && (f = lw_lint_finding_at(l, i)) != NULL; i++) {
        assert_true(f->text[0] != '\0' && strchr(f->text, '\n') == NULL);
        assert_true(f->source[0] != '\0');
        lw_buf_add_fmt(&out, "%s%s %llu", i > 0 ? ", " : "", f->name, (unsigned long long)f->line);
        if (f->part > 0)
            lw_buf_add_fmt(&out, " part %zu", f->part);
        n[f->severity]++;
    }
    for (int s = LW_LINT_NOTE; l != NULL && *rc >= 0 && s <= LW_LINT_ERROR; s++)
        assert_true(lw_lint_count(l, (lw_lint_severity)s) == n[s] || strstr(lw_buf_cstr(&out), "more "));
    lw_lint_free(l);
    lw_buf_add_str(&out, "");
    return lw_buf_take(&out);
}

static const struct {
    const char *name, *in, *want;
} rows[] = {
    { "good text", HEAD TEXT, "" },
    { "good alternative", HEAD "Content-Type: multipart/alternative; boundary=\"b c\"" CRLF CRLF
      "--b c" CRLF CRLF "x" CRLF "--b c" CRLF "Content-Type: text/html; charset=utf-8" CRLF
      "Content-Transfer-Encoding: quoted-printable" CRLF CRLF "gr=C3=BC=" CRLF "n" CRLF "--b c--" CRLF, "" },
    { "good newsletter", SIGNATURE("news.example.com", "From:List-Unsubscribe:List-Unsubscribe-Post")
      HEAD LIST POST TEXT, "" },
    { "nothing", "", "missing-header 0, missing-header 0, missing-recommended-header 0, "
      "missing-recommended-header 0, missing-recommended-header 0, empty 0" },
    { "no MIME-Version", "Date: 25 Nov 2026 10:00 GMT" CRLF "From: a@b.de" CRLF "Bcc: c@d.de" CRLF
      "Subject: x" CRLF "Message-ID: <1@x>" CRLF "Content-Type: text/plain" CRLF TEXT,
      "bcc-shown 3, missing-mime-version 0" },
    { "twice", HEAD "Subject: y" CRLF "from: b@b.de" CRLF "Subject: z" CRLF TEXT,
      "duplicate-header 7, duplicate-header 8, no-sender 0" },
    { "bad values", "Date: yesterday" CRLF "From: Ann <ann@>" CRLF "To: b@b.de c@c.de" CRLF "Subject: x"
      CRLF "Message-ID: 1@x" CRLF "MIME-Version: 2.0" CRLF "Sender: a@a.de, b@b.de" CRLF "Cc: " CRLF TEXT,
      "bad-date 1, bad-address 2, bad-address 3, bad-message-id 5, bad-mime-version 6, bad-address 7" },
    { "groups are fine", "Date: Wed, 25 Nov 2026 10:00:00 +0000" CRLF "From: a@a.de" CRLF
      "To: undisclosed-recipients:;" CRLF "Subject: x" CRLF "Message-ID: <1@x>" CRLF TEXT, "" },
    { "encoded words", HEAD "X-A: =?utf-8?x?a?=" CRLF "X-B: =?utf-8?q?a b?=" CRLF
      "X-C: =?utf-8?q?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa?=" CRLF
      "X-D: =?utf-8?q?good?= =?iso-8859-1?q?=FC?=" CRLF "X-E: =?x-odd?q?a?=" CRLF TEXT,
      "bad-encoded-word 7, bad-encoded-word 8, bad-encoded-word 9, bad-encoded-word 11" },
    { "8 bit in the header", HEAD "X-A: gr\xc3\xbcn" CRLF "X-B: gr\xfcn" CRLF TEXT,
      "header-utf8 7, header-8bit 8" },
    { "header lines", "From x" CRLF " y" CRLF HEAD "X: a\x01" CRLF "no field" CRLF CRLF "x" CRLF,
      "bad-header-line 1, bad-header-line 2, header-control 9, bad-header-line 10" },
    { "line ends", "Subject: x\r\nA: b\rC: d\n\r\nx\r\n", "missing-header 0, missing-header 0, "
      "missing-recommended-header 0, missing-recommended-header 0, bare-cr 2, bare-lf 3" },
    { "LF only", "Date: 25 Nov 2026 10:00:00 GMT\nFrom: a@b.de\nTo: b@b.de\nSubject: x\nMessage-ID: "
      "<1@x>\n\nx\n", "lf-lines 0" },
    { "8 bit undeclared", HEAD CRLF "gr\xc3\xbcn" CRLF, "undeclared-8bit 8, charset 8" },
    { "8 bit declared", HEAD "Content-Type: text/plain; charset=utf-8" CRLF
      "Content-Transfer-Encoding: 8bit" CRLF CRLF "gr\xc3\xbcn \xf0\x9f\x91\x8d" CRLF, "" },
    { "8 bit without character set", HEAD "Content-Transfer-Encoding: 8bit" CRLF CRLF "gr\xc3\xbcn" CRLF,
      "charset 9" },
    { "not UTF-8", HEAD "Content-Type: text/html; charset=UTF-8" CRLF "Content-Transfer-Encoding: base64"
      CRLF CRLF "4oI=" CRLF, "invalid-utf8 10, html-only 10" },
    { "binary", HEAD "Content-Type: text/plain; charset=utf-8" CRLF "Content-Transfer-Encoding: binary" CRLF
      TEXT, "binary 10" },
    { "binary has no lines", HEAD MIXED "--b" CRLF "Content-Type: image/png" CRLF "Content-Transfer-Encoding: "
      "binary" CRLF CRLF "\r\n\n\r\r\n\n" LONG_RUN "\r" CRLF "--b--" CRLF, "binary 16 part 2" },
    { "binary before a bare LF", HEAD MIXED "--b" CRLF "Content-Type: image/png" CRLF "Content-Transfer-Encoding: "
      "binary" CRLF CRLF "x\r\n\n--b--" CRLF, "binary 16 part 2, bare-lf 17" },
    { "binary at the end", HEAD "Content-Type: image/png" CRLF "Content-Transfer-Encoding: binary" CRLF CRLF
      "x\ny\r", "binary 10" },
    { "encodings", HEAD MIXED "--b" CRLF "Content-Transfer-Encoding: x-uuencode" CRLF CRLF "x" CRLF "--b"
      CRLF "Content-Transfer-Encoding: base64" CRLF CRLF "!!!!" CRLF "--b" CRLF "Content-Type: "
      "message/rfc822" CRLF "Content-Transfer-Encoding: base64" CRLF CRLF "eDogeQ==" CRLF "--b--" CRLF,
      "bad-encoding 13 part 2, bad-encoded-body 19 part 3, bad-encoding 24 part 4" },
    { "coded multipart", HEAD "Content-Transfer-Encoding: base64" CRLF MIXED "--b--" CRLF,
      "bad-encoding 1" },
    { "types", HEAD "Content-Type: text" CRLF TEXT, "bad-content-type 1" },
    { "no boundary", HEAD "Content-Type: multipart/mixed" CRLF TEXT, "bad-boundary 1" },
    { "not closed", HEAD MIXED, "bad-boundary 12" },
    { "never comes", HEAD "Content-Type: multipart/mixed; boundary=b" CRLF TEXT,
      "text-outside-parts 9, bad-boundary 10, empty 0" },
    { "odd boundaries", HEAD "Content-Type: multipart/mixed; boundary=\"a*aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"" CRLF CRLF "--a*aaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" CRLF TEXT "--a*aaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa--" CRLF, "bad-boundary 9, bad-boundary 9" },
    { "around the parts", HEAD "Content-Type: multipart/mixed; boundary=b" CRLF CRLF "hi" CRLF "--b" CRLF
      TEXT "--b--" CRLF "bye" CRLF, "text-outside-parts 9, text-outside-parts 14" },
    { "HTML only", HEAD MIXED "--b" CRLF "Content-Type: text/html" CRLF CRLF "<p>" CRLF "--b--" CRLF, "" },
    { "HTML only, alone", HEAD "Content-Type: text/html" CRLF TEXT, "html-only 9" },
    { "HTML attached", HEAD "Content-Type: text/html" CRLF "Content-Disposition: attachment" CRLF TEXT, "" },
    { "attachments", HEAD MIXED "--b" CRLF "Content-Type: application/pdf; name=\"a.exe.pdf\"" CRLF TEXT
      "--b" CRLF "Content-Disposition: attachment; filename=\"Setup.EXE. \"" CRLF TEXT
      "--b" CRLF "Content-Disposition: attachment; filename*=utf-8''%E2%82%AC.reg" CRLF TEXT
      "--b" CRLF "Content-Disposition: attachment; filename=exe" CRLF TEXT "--b--" CRLF,
      "blocked-attachment 19 part 3, risky-attachment 23 part 4" },
    { "unsubscribe, forms", HEAD "List-Unsubscribe: (c) <mailto:u@example.com?subject=x> , <https://a/b>"
      CRLF POST TEXT, "one-click-to-sign 8" },
    { "unsubscribe, no brackets", HEAD "List-Unsubscribe: https://example.com/u" CRLF TEXT,
      "list-unsubscribe 7" },
    { "unsubscribe, empty", HEAD "List-Unsubscribe:" CRLF TEXT, "list-unsubscribe 7" },
    { "unsubscribe, not closed", HEAD "List-Unsubscribe: <https://example.com/u" CRLF TEXT,
      "list-unsubscribe 7" },
    { "unsubscribe, no comma", HEAD "List-Unsubscribe: <https://a> <https://b>" CRLF TEXT,
      "list-unsubscribe 7" },
    { "unsubscribe, space", HEAD "List-Unsubscribe: <https://a b>" CRLF TEXT, "list-unsubscribe 7" },
    { "unsubscribe, no scheme", HEAD "List-Unsubscribe: <example.com>" CRLF TEXT, "list-unsubscribe 7" },
    { "unsubscribe, mailto without address", HEAD "List-Unsubscribe: <mailto:>" CRLF TEXT,
      "list-unsubscribe 7" },
    { "half one click: no Post", HEAD LIST TEXT, "one-click-missing 7" },
    { "no https at all", HEAD "List-Unsubscribe: <mailto:u@example.com>" CRLF TEXT, "one-click-missing 7" },
    { "half one click: only Post", HEAD POST TEXT, "one-click 7" },
    { "one click over http", HEAD "List-Unsubscribe: <http://a/b>" CRLF POST TEXT, "one-click 8" },
    { "one click, wrong value", HEAD LIST "List-Unsubscribe-Post: One-Click" CRLF TEXT,
      "one-click 8, one-click-to-sign 8" },
    { "one click not signed over", SIGNATURE("example.com", "From:List-Unsubscribe") HEAD LIST POST TEXT,
      "one-click-unsigned 10" },
    { "DKIM of another domain", SIGNATURE("example.net", "from") HEAD TEXT, "dkim-alignment 0" },
    { "DKIM of two, one aligned", SIGNATURE("esp.example", "from") SIGNATURE("EXAMPLE.com", "from") HEAD
      TEXT, "" },
    { "DKIM of the top", SIGNATURE("com", "from") HEAD TEXT, "dkim-alignment 0" },
    { "DKIM of a name that only ends so", SIGNATURE("badexample.com", "from") HEAD TEXT,
      "dkim-alignment 0" },
    { "DKIM malformed", HEAD "DKIM-Signature: v=1; a=rsa-sha1; d=example.com; h=To; l=5; b=" CRLF TEXT,
      "dkim-syntax 7, dkim-syntax 7, dkim-syntax 7, dkim-sha1 7, dkim-length 7, dkim-from 7" },
};

static void
test_lint__each_kind_of_finding_in_any_split(void **state)
{
    lw_lint_opts o;
    int n_bad = 0;

    lw_lint_opts_init(&o);
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_span in = lw_span_str(rows[i].in);
        guard g;
        guard_open(&g, in.len);
        in.ptr = guard_put(&g, in.ptr, in.len);
        for (size_t piece = 1; piece < 64; piece += piece < 5 ? 1 : 13) {
            lw_code rc;
            char *got = lint(&o, in, piece == 1 ? in.len + 1 : piece - 1, &rc);
            if (rc != LW_OK || strcmp(got, rows[i].want) != 0) {
                print_error("%s:\n  got  %s\n  want %s\n", rows[i].name, got, rows[i].want);
                n_bad++;
            }
            free(got);
        }
        guard_close(&g);
    }
    assert_int_equal(n_bad, 0);
}

static void
test_long_lines__and_nul_found(void **state)
{
    lw_lint_opts o;
    char in[4000], *got;
    lw_code rc;
    size_t len;

    lw_lint_opts_init(&o);
    len = (size_t)snprintf(in, sizeof in, HEAD "X: %0999d" CRLF CRLF "%0999d" CRLF "a_b" CRLF, 1, 1);
    *strchr(in, '_') = '\0';
    got = lint(&o, (lw_span){ in, len }, 100, &rc);
    assert_string_equal(got, "long-line 7, long-line 9, nul 10");
    free(got);
}

/* sizes are counted as sent: each LF gets a CR */
static void
test_size__at_each_bound_and_one_more(void **state)
{
    static const char head[] = "Date: 25 Nov 2026 10:00:00 GMT\nFrom: a@b.de\nTo: b@b.de\nSubject: x\n"
        "Message-ID: <1@x>\n\n";
    lw_span in = { head, sizeof head - 1 };
    uint64_t sent = in.len + 6;
    lw_lint_opts o;
    lw_code rc;
    char *got;

    lw_lint_opts_init(&o);
    for (int more = 0; more < 2; more++) {
        o.large_bytes = sent - (uint64_t)more;
        o.too_large_bytes = 1000;
        got = lint(&o, in, 7, &rc);
        assert_string_equal(got, more ? "empty 0, lf-lines 0, large 0" : "empty 0, lf-lines 0");
        free(got);
        o.large_bytes = 1;
        o.too_large_bytes = sent - (uint64_t)more;
        got = lint(&o, in, 7, &rc);
        assert_string_equal(got, more ? "empty 0, lf-lines 0, too-large 0" : "empty 0, lf-lines 0, large 0");
        free(got);
    }
}

static void
test_findings__more_than_kept_counted(void **state)
{
    lw_span in = LW_LIT("Date: a" CRLF "From: b" CRLF "To: c" CRLF);
    lw_lint_opts o;
    lw_code rc;
    char *got;

    lw_lint_opts_init(&o);
    o.max_findings = 2;
    got = lint(&o, in, 7, &rc);
    assert_string_equal(got, "bad-date 1, bad-address 2, more 0");
    free(got);
    o.max_findings = 6;
    got = lint(&o, in, 7, &rc);
    assert_string_equal(got, "bad-date 1, bad-address 2, bad-address 3, missing-recommended-header 0, "
                        "missing-recommended-header 0, empty 0");
    free(got);
}

static void
test_memory__out_at_each_step_no_leak(void **state)
{
    static const char *const names[] = { "good newsletter", "attachments", "DKIM malformed", "bad values",
                                         "encoded words" };

    for (size_t i = 0; i < LW_COUNT(names) * 2; i++) {
        const char *in = NULL, *want = NULL;
        bool more = true;
        for (size_t k = 0; k < LW_COUNT(rows); k++)
            if (strcmp(rows[k].name, names[i / 2]) == 0) {
                in = rows[k].in;
                want = rows[k].want;
            }
        for (long n = 0; more; n++) {
            test_memory m;
            lw_lint_opts o;
            lw_code rc;
            char *got;
            test_memory_init(&m, n);
            m.once = i % 2;
            lw_lint_opts_init(&o);
            o.alloc = &m.alloc;
            got = lint(&o, lw_span_str(in), 40, &rc);
            /* a malformed address may be found out before the missing memory is */
            if (rc == LW_ENOMEM ? !m.has_failed : rc != LW_OK || strcmp(got, want) != 0)
                fail_msg("%s, request %ld: %d, %s", names[i / 2], n, rc, got);
            free(got);
            assert_int_equal(m.n_out, 0);
            more = m.has_failed;
        }
    }
}

/* what this library composes is nothing that it warns of */
static void
test_lint__our_own_messages_clean(void **state)
{
    for (int kind = 0; kind < 8; kind++) {
        lw_message *m = lw_message_new();
        lw_lint_opts o;
        lw_code rc;
        size_t len;
        lw_message_from(m, "\"J\xc3\xb6rg, M\" <joerg@example.com>");
        lw_message_to(m, "bob@example.org, \xe6\xb5\x8b\xe8\xaf\x95 <c@example.org>");
        lw_message_subject(m, "gr\xc3\xbc\xc3\x9f\x65 \xf0\x9f\x91\x8d =?utf-8?q?x?= a long subject that must be folded");
        lw_message_text(m, kind & 1 ? "gr\xc3\xbcn\n" : "green\n");
        if (kind & 2)
            lw_message_html(m, "<p>gr\xc3\xbcn");
        if (kind & 4)
            lw_message_attach_memory(m, "\x00\xff\r\n", 4, &(lw_attachment){ .name = "\xe6\xb5\x8b.pdf" });
        char *all = test_render(m, &len), *got;
        lw_lint_opts_init(&o);
        got = lint(&o, (lw_span){ all, len }, 1000, &rc);
        if (rc != LW_OK || got[0] != '\0')
            fail_msg("kind %d: %s\n%s", kind, got, all);
        free(got);
        free(all);
        lw_message_free(m);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lint__each_kind_of_finding_in_any_split),
        cmocka_unit_test(test_long_lines__and_nul_found),
        cmocka_unit_test(test_size__at_each_bound_and_one_more),
        cmocka_unit_test(test_findings__more_than_kept_counted),
        cmocka_unit_test(test_memory__out_at_each_step_no_leak),
        cmocka_unit_test(test_lint__our_own_messages_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
