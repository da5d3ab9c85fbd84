/* SPDX-License-Identifier: MIT */
/* tests/bulk/test_mailing.c - a row's message: what goes where, hostile rows, memory that fails */
#include "bulk/bulk_int.h"

#include "support/memory.h"
#include "support/test.h"

static const char *const columns[] = { "email", "name", "file" };
#define N LW_COUNT(columns)

static void
options(lw_mailing_opts *o)
{
    static const char *const headers[] = { "X-Name: {{name}}" };

    lw_mailing_opts_init(o);
    o->from = "Ann <ann@example.com>";
    o->to_name = "{{#name}}{{name}}{{/name}}";
    o->subject = "Hi{{#name}} {{name}}{{/name}}";
    o->text = "Dear {{email}}\n";
    o->html = "<p>{{#name}}{{name}}{{/name}}</p>";
    o->headers = headers;
    o->n_headers = 1;
    o->unsubscribe = "https://example.com/?a={{email}}";
    o->envelope_from = "bounces@example.com";
    o->verp = true;
}

static lw_code
keep(void *ctx, const char *p, size_t n)
{
    lw_buf_add(ctx, (lw_span){ p, n });
    return lw_buf_finish(ctx);
}

static lw_row
row_of(lw_span v[N], const char *email, const char *name)
{
    v[0] = lw_span_str(email);
    v[1] = lw_span_str(name);
    v[2] = LW_NO_SPAN;
    return (lw_row){ .number = 7, .line = 8, .values = v, .n = N };
}

static const struct {
    const char *about, *email, *name;
    lw_code want;
    const char *holds; /* the message, or the error */
} cases[] = {
    { "plain", "bob@example.org", "Bob", LW_OK, "To: Bob <bob@example.org>\r\nSubject: Hi Bob\r\n" },
    { "trimmed", " bob@example.org ", "Bob", LW_OK, "To: Bob <bob@example.org>\r\n" },
    { "name with specials", "bob@example.org", "O\"Brien, \\Bob", LW_OK,
      "To: \"O\\\"Brien, \\\\Bob\" <bob@example.org>\r\n" },
    { "name that looks like addresses", "bob@example.org", "x <evil@a.example>, y", LW_OK,
      "To: \"x <evil@a.example>, y\" <bob@example.org>\r\n" },
    { "escaped in HTML", "bob@example.org", "<b>&", LW_OK, "<p>&lt;b&gt;&amp;</p>" },
    { "escaped in the URL", "b+x@example.org", "B", LW_OK,
      "List-Unsubscribe: <https://example.com/?a=b%2Bx%40example.org>\r\n" },
    { "no name", "bob@example.org", "", LW_EMESSAGE, "column \"name\" is empty" },
    { "no address", "", "B", LW_EADDRESS, "there is no address" },
    { "two addresses", "a@example.org, b@example.org", "B", LW_EADDRESS, "" },
    { "line break in a name", "bob@example.org", "B\r\nBcc: evil@a.example", LW_EADDRESS, "" },
    { "line break in an address", "bob@example.org\r\nDATA", "B", LW_EADDRESS, "" },
};

static void
test_compose__each_row_its_message_or_why_not(void **state)
{
    lw_mailing_opts o;
    lw_mailing *m;

    options(&o);
    assert_int_equal(lw_mailing_new(&o, columns, N, &m, NULL), LW_OK);
    for (size_t i = 0; i < LW_COUNT(cases); i++) {
        lw_error err = { .text = "" };
        lw_message *message;
        lw_span v[N];
        lw_row row = row_of(v, cases[i].email, cases[i].name);
        lw_buf text;

        print_message("%s\n", cases[i].about);
        lw_buf_init(&text, &lw_alloc_default, 1 << 20);
        assert_int_equal(lw_mailing_compose(m, &row, &message, &err), cases[i].want);
        if (message != NULL)
            assert_int_equal(lw_message_write(message, keep, &text, &err), LW_OK);
        if (strstr(message != NULL ? lw_buf_cstr(&text) : err.text, cases[i].holds) == NULL)
            fail_msg("%s", message != NULL ? lw_buf_cstr(&text) : err.text);
        assert_true(message != NULL || err.text[0] != '\0');
        lw_message_free(message);
        lw_buf_deinit(&text);
    }
    lw_mailing_free(m);
}

static void
test_identity__each_option_makes_another(void **state)
{
    unsigned char first[16], other[16];
    lw_mailing_opts o;
    lw_mailing *m;

    for (int i = 0; i < 10; i++) {
        options(&o);
        switch (i) {
        case 1: o.subject = "Hi"; break;
        case 2: o.text = "Dear {{email}}"; break;
        case 3: o.html = NULL; break;
        case 4: o.n_headers = 0; break;
        case 5: o.verp = false; break;
        case 6: o.from = "Ann <ann@example.org>"; break;
        case 7: o.unsubscribe = NULL; break;
        case 8: o.to_name = NULL; break;
        case 9: o.decoration[3] = 1; break;
        }
        assert_int_equal(lw_mailing_new(&o, columns, N, &m, NULL), LW_OK);
        lw_mailing_identity(m, i == 0 ? first : other);
        if (i > 0)
            assert_memory_not_equal(first, other, 16);
        lw_mailing_free(m);
    }
}

static void
test_mailing__what_is_missing_is_said(void **state)
{
    lw_mailing_opts o;
    lw_mailing *m;
    lw_error err;

    options(&o);
    o.to_field = "mail";
    assert_int_equal(lw_mailing_new(&o, columns, N, &m, &err), LW_EMESSAGE);
    assert_non_null(strstr(err.text, "no column \"mail\""));
    options(&o);
    o.from = NULL;
    assert_int_equal(lw_mailing_new(&o, columns, N, &m, &err), LW_EUSAGE);
    options(&o);
    static const char *const bad[] = { "no colon" };
    o.headers = bad;
    assert_int_equal(lw_mailing_new(&o, columns, N, &m, &err), LW_EMESSAGE);
    assert_non_null(strstr(err.text, "it has no colon"));
}

static void
test_mailing__each_allocation_may_fail(void **state)
{
    for (long n = 0, done = 0; !done; n++) {
        lw_message *message = NULL;
        lw_mailing *m = NULL;
        lw_mailing_opts o;
        test_memory mem;
        lw_span v[N];
        lw_row row = row_of(v, "bob@example.org", "王小明");
        lw_code rc;

        test_memory_init(&mem, n);
        options(&o);
        o.alloc = &mem.alloc;
        rc = lw_mailing_new(&o, columns, N, &m, NULL);
        if (rc == LW_OK)
            rc = lw_mailing_compose(m, &row, &message, NULL);
        assert_int_equal(rc, mem.has_failed ? LW_ENOMEM : LW_OK);
        done = rc == LW_OK;
        lw_message_free(message);
        lw_mailing_free(m);
        assert_int_equal(mem.n_out, 0);
        assert_true(n < 2000);
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compose__each_row_its_message_or_why_not),
        cmocka_unit_test(test_identity__each_option_makes_another),
        cmocka_unit_test(test_mailing__what_is_missing_is_said),
        cmocka_unit_test(test_mailing__each_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
