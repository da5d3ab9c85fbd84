/* SPDX-License-Identifier: MIT */
/* tests/smtp/test_command.c - paths, mailboxes and parameters, against a guard page */
#include "support/test.h"

#include "smtp/command.h"

#include <sys/mman.h>
#include <unistd.h>

enum { ALL_CAPS = (1 << LW_CAP_COUNT) - 1 };

static char *map;
static char store_octets[2048];

static int
map_pages(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return map == MAP_FAILED || mprotect(map + page, page, PROT_NONE) != 0;
}

static int
unmap_pages(void **state)
{
    return munmap(map, 2 * (size_t)sysconf(_SC_PAGESIZE));
}

/* A copy of s that ends at the unreadable page. */
static lw_span
guarded(const char *s)
{
    size_t n = strlen(s);
    char *p = map + (size_t)sysconf(_SC_PAGESIZE) - n;

    memcpy(p, s, n);
    return (lw_span){ p, n };
}

static lw_command_rules
all_rules(void)
{
    return (lw_command_rules){ .caps = ALL_CAPS,
                               .has_smtputf8 = true,
                               .size_max = 1000000,
                               .deliverby_min_s = 60,
                               .hold_max_s = 1000,
                               .hold_max_until = "2030-06-30T12:00:00Z" };
}

static const struct {
    const char *text;
    const char *mailbox; /* NULL = malformed */
} paths[] = {
    { "<>", "" },
    { "<a@b>", "a@b" },
    { "<a.b+c@d-e.f1>", "a.b+c@d-e.f1" },
    { "<!#$%&'*+-/=?^_`{|}~@x.y>", "!#$%&'*+-/=?^_`{|}~@x.y" },
    { "<\"a b\"@c>", "\"a b\"@c" },
    { "<\"a\\\"\\\\b>\"@c>", "\"a\\\"\\\\b>\"@c" },
    { "<\"\"@c>", "\"\"@c" },
    { "<@a:b@c>", "b@c" },
    { "<@a.b,@c.d:e@f>", "e@f" },
    { "<a@[192.0.2.1]>", "a@[192.0.2.1]" },
    { "<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]" },
    { "<a@[ipv6:::]>", "a@[ipv6:::]" },
    { "<a@[IPv6:1:2:3:4:5:6:7:8]>", "a@[IPv6:1:2:3:4:5:6:7:8]" },
    { "<a@[IPv6:::ffff:192.0.2.1]>", "a@[IPv6:::ffff:192.0.2.1]" },
    { "<a@[IPv6:1:2:3:4:5:6:192.0.2.1]>", "a@[IPv6:1:2:3:4:5:6:192.0.2.1]" },
    { "<a@[x-tag:content!]>", "a@[x-tag:content!]" },
    { "<zo\xc3\xab@b\xc3\xbc" "cher.example>", "zo\xc3\xab@b\xc3\xbc" "cher.example" },
    { "<a@1.2>", "a@1.2" },
    { "", NULL },
    { "<", NULL },
    { "a@b", NULL },
    { "<a@b", NULL },
    { "<a>", NULL },
    { "<@b>", NULL },
    { "<a@>", NULL },
    { "<a@b.>", NULL },
    { "<a@.b>", NULL },
    { "<a@b..c>", NULL },
    { "<a@-b>", NULL },
    { "<a@b->", NULL },
    { "<a@b_c>", NULL },
    { "<.a@b>", NULL },
    { "<a.@b>", NULL },
    { "<a..b@c>", NULL },
    { "<a b@c>", NULL },
    { "<a@b c>", NULL },
    { "<a@b@c>", NULL },
    { "<\"a@c>", NULL },
    { "<\"a\"b@c>", NULL },
    { "<\"a\\", NULL },
    { "<\"a\x01\"@c>", NULL },
    { "<a\x7f@c>", NULL },
    { "<@a>", NULL },
    { "<@a:>", NULL },
    { "<@a,b:c@d>", NULL },
    { "<a@[192.0.2]>", NULL },
    { "<a@[192.0.2.256]>", NULL },
    { "<a@[192.0.2.1.]>", NULL },
    { "<a@[0192.0.2.1]>", NULL },
    { "<a@[192.0.2.1>", NULL },
    { "<a@[]>", NULL },
    { "<a@[IPv6:1:2:3]>", NULL },
    { "<a@[IPv6:1:2:3:4:5:6:7:8:9]>", NULL },
    { "<a@[IPv6:1::2::3]>", NULL },
    { "<a@[IPv6:1:2:3:4::5:6:7:8]>", NULL },
    { "<a@[IPv6:12345::]>", NULL },
    { "<a@[IPv6:g::]>", NULL },
    { "<a@[IPv6:192.0.2.1::1]>", NULL },
    { "<a@[IPv6:]>", NULL },
    { "<a@[tag:]>", NULL },
    { "<a@[-:x]>", NULL },
};

static void
test_path__good_and_malformed_ones(void **state)
{
    for (size_t i = 0; i < LW_COUNT(paths); i++) {
        lw_span rest = guarded(paths[i].text), mailbox;
        bool is_good = lw_path_take(&rest, &mailbox);

        print_message("path: %s\n", paths[i].text);
        assert_int_equal(is_good, paths[i].mailbox != NULL);
        if (!is_good)
            continue;
        assert_span(mailbox, paths[i].mailbox);
        assert_int_equal(rest.len, 0);
    }
}

static void
test_path__every_prefix_is_malformed(void **state)
{
    for (size_t i = 0; i < LW_COUNT(paths) && paths[i].mailbox != NULL; i++) {
        char prefix[80] = "";

        for (size_t n = 0; n < strlen(paths[i].text); n++) {
            lw_span rest, mailbox;

            memcpy(prefix, paths[i].text, n);
            prefix[n] = '\0';
            rest = guarded(prefix);
            assert_false(lw_path_take(&rest, &mailbox));
        }
    }
}

static const struct {
    const char *args;
    int code;
    const char *enhanced;
} refused_mails[] = {
    { "FROM", 501, "5.1.7" },
    { "FROM:", 501, "5.1.7" },
    { "TO:<a@b>", 501, "5.1.7" },
    { "FROM:<a@b>SIZE=1", 501, "5.1.7" },
    { "FROM:<a@b> SIZE", 501, "5.5.4" },
    { "FROM:<a@b> SIZE=", 501, "5.5.4" },
    { "FROM:<a@b> SIZE=1k", 501, "5.5.4" },
    { "FROM:<a@b> SIZE=-1", 501, "5.5.4" },
    { "FROM:<a@b> SIZE=123456789012345678901", 501, "5.5.4" },
    { "FROM:<a@b> SIZE=1 size=1", 501, "5.5.4" },
    { "FROM:<a@b> SIZE=1000001", 552, "5.3.4" },
    { "FROM:<a@b> BODY=9BIT", 501, "5.5.4" },
    { "FROM:<a@b> BODY", 501, "5.5.4" },
    { "FROM:<a@b> SMTPUTF8=1", 501, "5.5.4" },
    { "FROM:<a@b> REQUIRETLS=1", 501, "5.5.4" },
    { "FROM:<a@b> RET=ALL", 501, "5.5.4" },
    { "FROM:<a@b> ENVID=a+b", 501, "5.5.4" },
    { "FROM:<a@b> ENVID=a+0Db", 501, "5.5.4" },
    { "FROM:<a@b> ENVID=a=b", 501, "5.5.4" },
    { "FROM:<a@b> AUTH=nobody", 501, "5.5.4" },
    { "FROM:<a@b> BY=60", 501, "5.5.4" },
    { "FROM:<a@b> BY=60;X", 501, "5.5.4" },
    { "FROM:<a@b> BY=60;RX", 501, "5.5.4" },
    { "FROM:<a@b> BY=0;R", 501, "5.5.4" },
    { "FROM:<a@b> BY=-9;R", 501, "5.5.4" },
    { "FROM:<a@b> BY=1234567890;N", 501, "5.5.4" },
    { "FROM:<a@b> BY=59;R", 555, "5.5.4" },
    { "FROM:<a@b> HOLDFOR=0", 501, "5.5.4" },
    { "FROM:<a@b> HOLDFOR=1001", 501, "5.5.4" },
    { "FROM:<a@b> HOLDUNTIL=2030-06-30T12:00:01Z", 501, "5.5.4" },
    { "FROM:<a@b> HOLDUNTIL=2030-06-30", 501, "5.5.4" },
    { "FROM:<a@b> HOLDUNTIL=2030-13-30T12:00:00Z", 501, "5.5.4" },
    { "FROM:<a@b> HOLDUNTIL=2029-06-30T12:00:00+01:00", 501, "5.5.4" },
    { "FROM:<a@b> HOLDFOR=9 HOLDUNTIL=2029-06-30T12:00:00Z", 501, "5.5.4" },
    { "FROM:<a@b> HOLDUNTIL=2029-06-30T12:00:00Z HOLDFOR=9", 501, "5.5.4" },
    { "FROM:<a@b> HOLDFOR=100 BY=99;R", 501, "5.5.4" },
    { "FROM:<a@b> MT-PRIORITY=10", 501, "5.5.2" },
    { "FROM:<a@b> MT-PRIORITY=-0", 501, "5.5.2" },
    { "FROM:<a@b> MT-PRIORITY=+1", 501, "5.5.2" },
    { "FROM:<a@b> NOTIFY=NEVER", 555, "5.5.4" },
    { "FROM:<a@b> X=1", 555, "5.5.4" },
    { "FROM:<a@b> =1", 501, "5.5.4" },
    { "FROM:<\xc3\xbc@b>", 550, "5.6.7" },
};

static void
test_mail__wrong_arguments_are_refused(void **state)
{
    lw_command_rules rules = all_rules();

    for (size_t i = 0; i < LW_COUNT(refused_mails); i++) {
        lw_store store = { store_octets, 0, sizeof store_octets };
        lw_server_mail mail;
        const lw_refusal *why;

        print_message("MAIL %s\n", refused_mails[i].args);
        why = lw_command_mail(guarded(refused_mails[i].args), &rules, &store, &mail);
        assert_non_null(why);
        assert_int_equal(why->code, refused_mails[i].code);
        assert_string_equal(why->enhanced, refused_mails[i].enhanced);
    }
}

static void
test_mail__parameters_need_their_capability(void **state)
{
    static const struct {
        const char *param;
        uint32_t cap;
    } cases[] = {
        { "SIZE=1", LW_CAP_SIZE }, { "BODY=8BITMIME", LW_CAP_8BITMIME },
        { "BODY=BINARYMIME", LW_CAP_BINARYMIME }, { "SMTPUTF8", LW_CAP_SMTPUTF8 },
        { "REQUIRETLS", LW_CAP_REQUIRETLS }, { "RET=HDRS", LW_CAP_DSN },
        { "ENVID=x", LW_CAP_DSN }, { "AUTH=<>", LW_CAP_AUTH }, { "BY=60;R", LW_CAP_DELIVERBY },
        { "HOLDFOR=9", LW_CAP_FUTURERELEASE }, { "MT-PRIORITY=3", LW_CAP_MT_PRIORITY },
    };

    for (size_t i = 0; i < LW_COUNT(cases); i++) {
        lw_command_rules rules = all_rules();
        lw_store store = { store_octets, 0, sizeof store_octets };
        lw_server_mail mail;
        const lw_refusal *why;
        char args[80];

        print_message("parameter: %s\n", cases[i].param);
        snprintf(args, sizeof args, "FROM:<a@b> %s", cases[i].param);
        assert_null(lw_command_mail(guarded(args), &rules, &store, &mail));
        rules.caps &= ~cases[i].cap;
        why = lw_command_mail(guarded(args), &rules, &store, &mail);
        assert_non_null(why);
        assert_int_equal(why->code, 555);
    }
}

static void
test_mail__all_parameters_together(void **state)
{
    static const char args[] =
        "from:  <@relay:a@b> size=5  BODY=binarymime SMTPUTF8 REQUIRETLS RET=full ENVID=x+2By "
        "AUTH=e+3Dmc2@example.com BY=-7;nt HOLDUNTIL=2030-06-30T12:00:00.5Z MT-PRIORITY=-9";
    lw_command_rules rules = all_rules();
    lw_store store = { store_octets, 0, sizeof store_octets };
    lw_server_mail mail;

    assert_null(lw_command_mail(guarded(args), &rules, &store, &mail));
    assert_string_equal(mail.from, "a@b");
    assert_int_equal(mail.size, 5);
    assert_int_equal(mail.body_type, LW_BODY_BINARYMIME);
    assert_true(mail.smtputf8 && mail.require_tls && mail.deliver_by_trace);
    assert_int_equal(mail.ret, LW_RET_FULL);
    assert_string_equal(mail.envid, "x+y");
    assert_string_equal(mail.auth, "e=mc2@example.com");
    assert_int_equal(mail.deliver_by_s, -7);
    assert_int_equal(mail.deliver_by_mode, 'N');
    assert_string_equal(mail.hold_until, "2030-06-30T12:00:00.5Z");
    assert_true(mail.has_priority);
    assert_int_equal(mail.priority, -9);
}

static const struct {
    const char *args;
    int code; /* 0 = good */
    const char *address;
    unsigned notify;
    const char *orcpt;
} rcpts[] = {
    { "TO:<a@b>", 0, "a@b", 0, NULL },
    { "to:<Postmaster>", 0, "Postmaster", 0, NULL },
    { "TO: <postMASTER> NOTIFY=DELAY", 0, "postMASTER", 8, NULL },
    { "TO:<a@b> NOTIFY=never", 0, "a@b", 1, NULL },
    { "TO:<a@b> NOTIFY=SUCCESS,FAILURE,DELAY", 0, "a@b", 14, NULL },
    { "TO:<a@b> ORCPT=rfc822;a+2Bx@b", 0, "a@b", 0, "rfc822;a+x@b" },
    { "TO:<a@b> ORCPT=utf-8;\xc3\xbc@b", 0, "a@b", 0, "utf-8;\xc3\xbc@b" },
    { "TO:<\xc3\xbc@b>", 0, "\xc3\xbc@b", 0, NULL },
    { "TO:<>", 501, NULL, 0, NULL },
    { "TO:<Postmasters>", 501, NULL, 0, NULL },
    { "TO:<Postmaster>x", 501, NULL, 0, NULL },
    { "TO", 501, NULL, 0, NULL },
    { "FROM:<a@b>", 501, NULL, 0, NULL },
    { "XX:<Postmaster>", 501, NULL, 0, NULL },
    { "TO:<a@b> NOTIFY=NEVER,DELAY", 501, NULL, 0, NULL },
    { "TO:<a@b> NOTIFY=,DELAY", 501, NULL, 0, NULL },
    { "TO:<a@b> NOTIFY=SOON", 501, NULL, 0, NULL },
    { "TO:<a@b> NOTIFY=DELAY NOTIFY=DELAY", 501, NULL, 0, NULL },
    { "TO:<a@b> ORCPT=a@b", 501, NULL, 0, NULL },
    { "TO:<a@b> ORCPT=rfc822;", 501, NULL, 0, NULL },
    { "TO:<a@b> ORCPT=;a", 501, NULL, 0, NULL },
    { "TO:<a@b> ORCPT=rfc822;a+0Ab", 501, NULL, 0, NULL },
    { "TO:<a@b> ORCPT=rfc822;\xc3\xbc", 501, NULL, 0, NULL },
    { "TO:<a@b> SIZE=1", 555, NULL, 0, NULL },
};

static void
test_rcpt__good_and_wrong_arguments(void **state)
{
    lw_command_rules rules = all_rules();

    for (size_t i = 0; i < LW_COUNT(rcpts); i++) {
        lw_store store = { store_octets, 0, sizeof store_octets };
        lw_server_rcpt rcpt;
        const lw_refusal *why;

        print_message("RCPT %s\n", rcpts[i].args);
        why = lw_command_rcpt(guarded(rcpts[i].args), &rules, &store, &rcpt);
        assert_int_equal(why != NULL ? why->code : 0, rcpts[i].code);
        if (why != NULL)
            continue;
        assert_string_equal(rcpt.address, rcpts[i].address);
        assert_int_equal(rcpt.notify, rcpts[i].notify);
        assert_int_equal(rcpt.orcpt != NULL, rcpts[i].orcpt != NULL);
        if (rcpt.orcpt != NULL)
            assert_string_equal(rcpt.orcpt, rcpts[i].orcpt);
    }
}

static void
test_rcpt__non_ascii_needs_smtputf8(void **state)
{
    lw_command_rules rules = all_rules();
    lw_store store = { store_octets, 0, sizeof store_octets };
    lw_server_rcpt rcpt;
    const lw_refusal *why;

    rules.has_smtputf8 = false;
    why = lw_command_rcpt(guarded("TO:<\xc3\xbc@b>"), &rules, &store, &rcpt);
    assert_non_null(why);
    assert_int_equal(why->code, 553);
    assert_string_equal(why->enhanced, "5.6.7");
}

static void
test_store__too_small_is_a_refusal(void **state)
{
    lw_command_rules rules = all_rules();
    lw_server_mail mail;

    for (size_t cap = 1; cap < 8; cap++) {
        lw_store store = { store_octets, 0, cap };

        assert_int_equal(lw_command_mail(guarded("FROM:<a@b> ENVID=xy"), &rules, &store,
                                         &mail) == NULL, cap >= 7);
        assert_true(store.len <= cap);
    }
}

static void
test_bdat__arguments(void **state)
{
    static const struct {
        const char *args;
        bool is_good, is_last;
        uint64_t size;
    } cases[] = {
        { "0", true, false, 0 }, { "12 LAST", true, true, 12 }, { "12  last", true, true, 12 },
        { "9223372036854775807", true, false, INT64_MAX },
        { "9223372036854775808", false, false, 0 }, { "", false, false, 0 },
        { "LAST", false, false, 0 }, { "1 FIRST", false, false, 0 },
        { "-1", false, false, 0 }, { "1LAST", false, false, 0 }, { "0x1", false, false, 0 },
    };

    for (size_t i = 0; i < LW_COUNT(cases); i++) {
        uint64_t size = 0;
        bool is_last = false;

        print_message("BDAT %s\n", cases[i].args);
        assert_int_equal(lw_command_bdat(guarded(cases[i].args), &size, &is_last),
                         cases[i].is_good);
        if (!cases[i].is_good)
            continue;
        assert_true(size == cases[i].size);
        assert_int_equal(is_last, cases[i].is_last);
    }
}

static void
test_verb__any_case_and_nothing_else(void **state)
{
    static const struct {
        const char *line;
        lw_verb verb;
        const char *args;
    } cases[] = {
        { "QUIT", LW_VERB_QUIT, "" }, { "qUiT", LW_VERB_QUIT, "" },
        { "STARTTLS", LW_VERB_STARTTLS, "" }, { "AUTH  PLAIN", LW_VERB_AUTH, "PLAIN" },
        { "MAILFROM:<>", LW_VERB_UNKNOWN, "" }, { "QUI", LW_VERB_UNKNOWN, "" },
        { "QUITS", LW_VERB_UNKNOWN, "" }, { "", LW_VERB_UNKNOWN, "" },
        { " QUIT", LW_VERB_UNKNOWN, "QUIT" },
    };

    for (size_t i = 0; i < LW_COUNT(cases); i++) {
        lw_span args;

        print_message("line: %s\n", cases[i].line);
        assert_int_equal(lw_command_verb(guarded(cases[i].line), &args), cases[i].verb);
        assert_span(args, cases[i].args);
    }
}

static void
test_base64__well_formed(void **state)
{
    assert_true(lw_command_is_base64(guarded("")));
    assert_true(lw_command_is_base64(guarded("AAAA")));
    assert_true(lw_command_is_base64(guarded("Aa+/")));
    assert_true(lw_command_is_base64(guarded("AA==")));
    assert_false(lw_command_is_base64(guarded("A===")));
    assert_false(lw_command_is_base64(guarded("=AAA")));
    assert_false(lw_command_is_base64(guarded("AAA")));
    assert_false(lw_command_is_base64(guarded("AAA=BBB=")));
    assert_false(lw_command_is_base64(guarded("AA A")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path__good_and_malformed_ones),
        cmocka_unit_test(test_path__every_prefix_is_malformed),
        cmocka_unit_test(test_mail__wrong_arguments_are_refused),
        cmocka_unit_test(test_mail__parameters_need_their_capability),
        cmocka_unit_test(test_mail__all_parameters_together),
        cmocka_unit_test(test_rcpt__good_and_wrong_arguments),
        cmocka_unit_test(test_rcpt__non_ascii_needs_smtputf8),
        cmocka_unit_test(test_store__too_small_is_a_refusal),
        cmocka_unit_test(test_bdat__arguments),
        cmocka_unit_test(test_verb__any_case_and_nothing_else),
        cmocka_unit_test(test_base64__well_formed),
    };

    return cmocka_run_group_tests(tests, map_pages, unmap_pages);
}
