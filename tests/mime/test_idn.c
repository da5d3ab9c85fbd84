/* SPDX-License-Identifier: MIT */
/* domains in other scripts: A-labels where they spare us SMTPUTF8, and what libidn2 refuses */
#include "mime/support.h"

static bool
has_idn2(void)
{
    const char *problem;
    lw_buf b;
    lw_code rc;

    lw_buf_init(&b, NULL, 300);
    rc = lw_idn_to_ascii(&b, LW_LIT("ä.de"), &problem);
    lw_buf_deinit(&b);
    return rc == LW_OK;
}

static void
test_domain__of_unicode_becomes_a_labels(void **state)
{
    static const struct {
        const char *in, *want;
    } rows[] = {
        { "ann@münchen.example", "ann@xn--mnchen-3ya.example" },
        { "ann@MÜNCHEN.Example", "ann@xn--mnchen-3ya.example" },
        { "ann@mu\xcc\x88nchen.example", "ann@xn--mnchen-3ya.example" }, /* not composed */
        { "ann@straße.example", "ann@xn--strae-oqa.example" },         /* non-transitional */
        { "ann@例え.テスト", "ann@xn--r8jz45g.xn--zckzah" },
        { "ann@例子。测试", "ann@xn--fsqu00a.xn--0zwm56d" },             /* ideographic stop */
        { "ann@مثال.إختبار", "ann@xn--mgbh0fb.xn--kgbechtv" },
        { "\"a b\"@ü.example", "\"a b\"@xn--tda.example" },
        { "ann@xn--mnchen-3ya.example", "ann@xn--mnchen-3ya.example" },
        { "ann@EXAMPLE.com", "ann@EXAMPLE.com" },                      /* ASCII is not touched */
        { "ë@münchen.example", "ë@münchen.example" },                  /* UTF-8 anyway */
    };
    char addr[LW_ADDR_MAX + 1];
    lw_error e;

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        if (lw_addr_parse(lw_span_str(rows[i].in), "to", addr, &e) != LW_OK)
            fail_msg("%s: %s", rows[i].in, e.text);
        assert_string_equal(addr, rows[i].want);
    }
}

static void
test_domain__that_idna_refuses_named(void **state)
{
    static const struct {
        const char *in, *want;
    } rows[] = {
        { "ann@a☃b.example", NULL }, /* UTS 46 lets symbols through or not: either way, no crash */
        { "ann@-ü.example", "a part of the domain begins or ends with a hyphen" },
        { "ann@אa1א.example", "IDNA" },
        { "ann@ü\xe2\x80\x8e.example", "IDNA" },
        { "ann@äääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää.example",
          "a part of the domain is longer than 63 octets in its ASCII form" },
        { "ö@\xcc\x88.example", "IDNA" }, /* begins with a combining mark; the rest is UTF-8 */
    };
    char addr[LW_ADDR_MAX + 1];
    lw_error e;

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_code rc = lw_addr_parse(lw_span_str(rows[i].in), "to", addr, &e);
        if (rows[i].want == NULL)
            continue;
        if (rc != LW_EADDRESS || strstr(e.text, rows[i].want) == NULL)
            fail_msg("row %zu: %d %s", i, (int)rc, rc < 0 ? e.text : "");
        assert_non_null(strstr(e.text, "column 5") != NULL ? e.text : strstr(e.text, "column 3"));
    }
}

static void
test_message__with_unicode_domain_needs_no_smtputf8(void **state)
{
    lw_message *m = lw_message_new();
    lw_error why;
    size_t len;

    assert_int_equal(lw_message_from(m, "Zoë <zoe@bücher.example>"), LW_OK);
    assert_int_equal(lw_message_to(m, "b@例え.テスト, b@XN--R8JZ45G.xn--zckzah"), LW_OK);
    assert_int_equal(lw_message_text(m, "x"), LW_OK);
    assert_false(lw_message_needs_smtputf8(m, &why));
    char *all = test_render(m, &len);
    assert_non_null(strstr(all, "From: =?UTF-8?Q?Zo=C3=AB?= <zoe@xn--bcher-kva.example>\r\n"));
    assert_non_null(strstr(all, "@xn--bcher-kva.example>\r\n"));
    free(all);
    lw_message_free(m);
}

/* the field and the address are named */
static void
test_smtputf8__reason_known(void **state)
{
    static const struct {
        lw_code (*set)(lw_message *, const char *);
        const char *value, *why;
    } rows[] = {
        { lw_message_from, "ë@x.example", "from: \"ë@x.example\" is not ASCII before the @" },
        { lw_message_to, "a@b.de, 用户@x.example", "to: \"用户@x.example\" is not ASCII before the @" },
        { lw_message_bcc, "\"ö ö\"@x.example", "bcc: \"\"ö ö\"@x.example\" is not ASCII before the @" },
        { lw_message_envelope_from, "ß@x.example", "envelope-from: \"ß@x.example\" is not ASCII before the @" },
        { lw_message_envelope_to, "ß@x.example", "envelope-to: \"ß@x.example\" is not ASCII before the @" },
        { lw_message_reply_to, "ß@x.example", "reply-to: \"ß@x.example\" is not ASCII before the @" },
    };
    lw_error why;

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_message *m = lw_message_new();
        assert_int_equal(rows[i].set(m, rows[i].value), LW_OK);
        assert_true(lw_message_needs_smtputf8(m, &why));
        assert_string_equal(why.text, rows[i].why);
        assert_int_equal(why.code, LW_OK);
        assert_true(lw_message_needs_smtputf8(m, NULL));
        lw_message_free(m);
    }
    assert_false(lw_message_needs_smtputf8(NULL, &why));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_domain__of_unicode_becomes_a_labels),
        cmocka_unit_test(test_domain__that_idna_refuses_named),
        cmocka_unit_test(test_message__with_unicode_domain_needs_no_smtputf8),
        cmocka_unit_test(test_smtputf8__reason_known),
    };

    if (!has_idn2()) {
        printf("skipped: libidn2.so.0 is not there\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
