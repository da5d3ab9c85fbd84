/* SPDX-License-Identifier: MIT */
/* tests/mime/test_address.c - address lists: RFC 5322 appendix A, RFC 6532, and what is wrong */
#include "mime/support.h"
#include "support/guard.h"

static guard g;

/* the list as "name <addr>|addr|...", or the error's text */
static void
describe(const char *list, size_t n, unsigned flags, char *out, size_t cap)
{
    lw_arena arena;
    lw_mailboxes l;
    lw_error e;
    size_t used = 0;

    lw_arena_init(&arena, NULL);
    lw_mailboxes_init(&l, &arena);
    out[0] = '\0';
    if (lw_mailboxes_parse_with(&l, (lw_span){ list, n }, "to", flags, &e) < 0)
        assert_true((size_t)snprintf(out, cap, "%s", e.text) < cap);
    for (size_t i = 0; i < l.n; i++)
        used += (size_t)snprintf(out + used, cap - used, l.items[i].name != NULL ? "%s%s <%s>" : "%s%s%s",
                                 i > 0 ? "|" : "", l.items[i].name != NULL ? l.items[i].name : "",
                                 l.items[i].addr);
    lw_arena_deinit(&arena);
}

typedef struct row {
    const char *name, *list, *want;
} row;

static void
check_rows(const row *rows, size_t n)
{
    char got[4096];
    int bad = 0;

    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(rows[i].list);
        describe(guard_put(&g, rows[i].list, len), len, 0, got, sizeof got);
        if (strcmp(got, rows[i].want) != 0) {
            print_error("%s:\n  got  %s\n  want %s\n", rows[i].name, got, rows[i].want);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

static void
test_list__of_rfc5322_appendix_a_parsed(void **state)
{
    static const row rows[] = {
        { "A.1.1 from", "John Doe <jdoe@machine.example>", "John Doe <jdoe@machine.example>" },
        { "A.1.1 to", "Mary Smith <mary@example.net>", "Mary Smith <mary@example.net>" },
        { "A.1.2 from", "\"Joe Q. Public\" <john.q.public@example.com>",
          "Joe Q. Public <john.q.public@example.com>" },
        { "A.1.2 to", "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
          "Mary Smith <mary@x.test>|jdoe@example.org|Who? <one@y.test>" },
        { "A.1.2 cc", "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
          "boss@nil.test|Giant; \"Big\" Box <sysservices@example.net>" },
        { "A.1.3 to", "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
          "Ed Jones <c@a.test>|joe@where.test|John <jdoe@one.test>" },
        { "A.5 from", "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
          "Pete <pete@silly.test>" },
        { "A.5 to", "A Group(Some people)\t:Chris Jones <c@(Chris's host.)public.example>,"
          "\tjoe@example.org,\tJohn <jdoe@one.test> (my dear friend); (the end of the group)",
          "Chris Jones <c@public.example>|joe@example.org|John <jdoe@one.test>" },
        { "A.5 cc", "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;",
          "to: no address in \"(Empty list)(start)Hidden recipients  :(nobody(that I know))\"" },
        { "A.6.1 from", "Joe Q. Public <john.q.public@example.com>",
          "Joe Q. Public <john.q.public@example.com>" },
        { "A.6.1 to", "Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
          "Mary Smith <mary@example.net>|jdoe@test.example" },
        { "A.6.3 from", "John Doe <jdoe@machine(comment).  example>",
          "John Doe <jdoe@machine.example>" },
        { "A.6.3 to", "Mary Smith \t\t  <mary@example.net>", "Mary Smith <mary@example.net>" },
    };
    check_rows(rows, LW_COUNT(rows));
}

static void
test_list__odd_but_right_forms_parsed(void **state)
{
    static const row rows[] = {
        { "needless quotes", "\"bob\"@example.org", "bob@example.org" },
        { "needed quotes", "\"bob smith\"@example.org", "\"bob smith\"@example.org" },
        { "quoted dots", "\"a..b\"@example.org", "\"a..b\"@example.org" },
        { "quoted at", "\"a@b\"@example.org", "\"a@b\"@example.org" },
        { "quoted quote", "\"a\\\"b\\\\\"@example.org", "\"a\\\"b\\\\\"@example.org" },
        { "empty quotes", "\"\"@example.org", "\"\"@example.org" },
        { "obsolete words", "\"a\".b . \"c\"@example.org", "a.b.c@example.org" },
        { "all atext", "!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~@example.org" },
        { "ipv4", "bob@[192.0.2.1]", "bob@[192.0.2.1]" },
        { "ipv6", "bob@[IPv6:2001:db8::1]", "bob@[IPv6:2001:db8::1]" },
        { "ipv6 full", "bob@[IPv6:1:2:3:4:5:6:7:8]", "bob@[IPv6:1:2:3:4:5:6:7:8]" },
        { "ipv6 ipv4", "bob@[IPv6:::ffff:192.0.2.1]", "bob@[IPv6:::ffff:192.0.2.1]" },
        { "literal spaces", "bob@[ 192.0.2.1 ]", "bob@[192.0.2.1]" },
        { "other literal", "bob@[x400:abc]", "bob@[x400:abc]" },
        { "underscore", "bob@my_host.example.org", "bob@my_host.example.org" },
        { "one label", "root@localhost", "root@localhost" },
        { "utf-8 name", "Zoë 张 <zoe@example.net>", "Zoë 张 <zoe@example.net>" },
        { "utf-8 address", "用户@例子.广告", "用户@例子.广告" },
        { "no space", "Bob<bob@example.org>", "Bob <bob@example.org>" },
        { "mixed phrase", "Bob \"the builder\" B. <bob@example.org>",
          "Bob the builder B. <bob@example.org>" },
        { "spaces around", "  bob@example.org  ", "bob@example.org" },
        { "trailing comma", "bob@example.org,", "bob@example.org" },
        { "comma in name", "\"Doe, J\" <j@example.org>,k@example.org",
          "Doe, J <j@example.org>|k@example.org" },
        { "empty group beside", "x:;, bob@example.org", "bob@example.org" },
        { "two groups", "a:b@c.de;, d: e@f.gh, i@j.kl ;", "b@c.de|e@f.gh|i@j.kl" },
        { "nested comment", "bob(a(b(c)d)e)@example.org", "bob@example.org" },
        { "tab in a name", "Bob\tB <bob@example.org>", "Bob B <bob@example.org>" },
    };
    check_rows(rows, LW_COUNT(rows));
}

static void
test_list__bad_member_named_with_position(void **state)
{
    static const row rows[] = {
        { "empty", "", "to: no address in \"\"" },
        { "spaces", "  ", "to: no address in \"  \"" },
        { "commas", " , ,", "to: no address in \" , ,\"" },
        { "bare", "bob", "to: member 1 \"bob\" at column 1: there is no @ and no domain in it" },
        { "bare second", "a@b.org, bob",
          "to: member 2 \"bob\" at column 10: there is no @ and no domain in it" },
        { "bare in angle", "Bob <bob>",
          "to: member 1 \"Bob <bob>\" at column 6: there is no @ and no domain in it" },
        { "no domain", "ann@example.com, bob@",
          "to: member 2 \"bob@\" at column 22: nothing after the @" },
        { "no local", "@example.org", "to: member 1 \"@example.org\" at column 1: nothing before the @" },
        { "two ats", "a@b@c.de", "to: member 1 \"a@b@c.de\" at column 4: unexpected text behind the "
          "address (is a comma missing?)" },
        { "dots", "a..b@c.de", "to: member 1 \"a..b@c.de\" at column 3: two dots in a row" },
        { "dot first", ".a@c.de", "to: member 1 \".a@c.de\" at column 1: a dot at the beginning" },
        { "dot last", "a.@c.de", "to: member 1 \"a.@c.de\" at column 3: a dot before the @" },
        { "domain dots", "a@c..de", "to: member 1 \"a@c..de\" at column 3: two dots in a row, or a dot "
          "at an end of the domain" },
        { "domain dot last", "a@c.de.", "to: member 1 \"a@c.de.\" at column 3: two dots in a row, or a "
          "dot at an end of the domain" },
        { "hyphen", "a@-c.de", "to: member 1 \"a@-c.de\" at column 3: a part of the domain begins or "
          "ends with a hyphen" },
        { "domain char", "a@c!d.de", "to: member 1 \"a@c!d.de\" at column 3: a character that is not "
          "allowed in a domain" },
        { "space", "a b@c.de", "to: member 1 \"a b@c.de\" at column 3: a space before the @" },
        { "no comma", "a@b.de c@d.de", "to: member 1 \"a@b.de c@d.de\" at column 8: unexpected text "
          "behind the address (is a comma missing?)" },
        { "semicolon", "a@b.de; c@d.de", "to: member 1 \"a@b.de\" at column 7: addresses are separated "
          "by commas, not semicolons" },
        { "open angle", "Bob <a@b.de", "to: member 1 \"Bob <a@b.de\" at column 12: the > is missing" },
        { "open angle, more", "Bob <a@b.de, c@d.de",
          "to: member 1 \"Bob <a@b.de\" at column 12: the > is missing" },
        { "empty angle", "Bob <>", "to: member 1 \"Bob <>\" at column 6: nothing between < and >" },
        { "stray angle", "a@b.de>", "to: member 1 \"a@b.de>\" at column 7: unexpected text behind the "
          "address (is a comma missing?)" },
        { "open quote", "\"Bob <a@b.de>", "to: member 1 \"\"Bob <a@b.de>\" at column 1: the quoted text "
          "is not closed: \" is missing" },
        { "open comment", "a@b.de (x", "to: member 1 \"a@b.de (x\" at column 8: the comment is not "
          "closed: ) is missing" },
        { "open group", "g: a@b.de", "to: member 1 \"a@b.de\" at column 10: the group is not closed: ; is "
          "missing" },
        { "group in group", "g: h: a@b.de;;", "to: member 1 \"h: a@b.de\" at column 4: a group inside a "
          "group" },
        { "group no name", ": a@b.de;", "to: member 1 \": a@b.de\" at column 1: a group without a name" },
        { "ipv4", "a@[1.2.3.256]", "to: member 1 \"a@[1.2.3.256]\" at column 3: [...] holds no IPv4 "
          "address" },
        { "ipv6 untagged", "a@[::1]", "to: member 1 \"a@[::1]\" at column 3: an IPv6 address is written "
          "[IPv6:...]" },
        { "ipv6", "a@[IPv6:1:2:3]", "to: member 1 \"a@[IPv6:1:2:3]\" at column 3: [IPv6:...] holds no "
          "IPv6 address" },
        { "open literal", "a@[1.2.3.4", "to: member 1 \"a@[1.2.3.4\" at column 3: the ] is missing" },
        { "line break", "a@b.de\r\nBcc: x@y.de", "to: a line break is not allowed (header injection), at "
          "column 7" },
        { "control", "a\001@b.de", "to: a control character is not allowed, at column 2" },
        { "latin-1", "Zo\353 <zoe@example.net>", "to: not valid UTF-8, at column 3" },
        { "columns are characters", "Zoë <zoe@example.net>, bob",
          "to: member 2 \"bob\" at column 24: there is no @ and no domain in it" },
        { "name alone in angle", "<bob@example.org> Bob", "to: member 1 \"<bob@example.org> Bob\" at "
          "column 19: unexpected text behind the address (is a comma missing?)" },
    };
    check_rows(rows, LW_COUNT(rows));
}

static void
test_list__nul_inside_refused(void **state)
{
    char got[256];

    describe("a@b.de\0,c@d.de", 14, 0, got, sizeof got);
    assert_string_equal(got, "to: a NUL octet is not allowed, at column 7");
}

static void
test_list__bad_member_leaves_list_as_it_was(void **state)
{
    lw_arena arena;
    lw_mailboxes l;
    lw_error e;

    lw_arena_init(&arena, NULL);
    lw_mailboxes_init(&l, &arena);
    assert_int_equal(lw_mailboxes_parse(&l, LW_LIT("a@b.de"), "to", &e), LW_OK);
    assert_int_equal(lw_mailboxes_parse(&l, LW_LIT("c@d.de, bob@"), "to", &e), LW_EADDRESS);
    assert_int_equal(l.n, 1);
    assert_int_equal(lw_mailboxes_parse_with(&l, LW_LIT("none:;"), "to", LW_LIST_MAY_BE_EMPTY, &e),
                     LW_OK);
    assert_int_equal(l.n, 1);
    lw_arena_deinit(&arena);
}

/* local part of a octets, domain of b octets */
static lw_code
check_sizes(size_t a, size_t b, lw_error *e)
{
    char addr[1024];

    memset(addr, 'x', a);
    addr[a] = '@';
    memset(addr + a + 1, 'y', b);
    for (size_t i = 50; i + 1 < b; i += 50)
        addr[a + 1 + i] = '.';
    return lw_addr_check((lw_span){ addr, a + 1 + b }, "to", e);
}

static void
test_limits__both_sides_of_each_bound(void **state)
{
    lw_error e;
    char label[80];

    assert_int_equal(check_sizes(64, 20, &e), LW_OK);
    assert_int_equal(check_sizes(65, 20, &e), LW_EADDRESS);
    assert_non_null(strstr(e.text, "more than 64 octets before the @"));
    assert_int_equal(check_sizes(1, 252, &e), LW_OK);
    assert_int_equal(check_sizes(1, 253, &e), LW_EADDRESS);
    assert_non_null(strstr(e.text, "longer than 254 octets"));
    assert_int_equal(check_sizes(1, 256, &e), LW_EADDRESS);
    assert_non_null(strstr(e.text, "longer than 255 octets"));
    for (int n = 63; n <= 64; n++) {
        snprintf(label, sizeof label, "a@%0*d.de", n, 0);
        assert_int_equal(lw_addr_check(lw_span_str(label), "to", &e), n == 63 ? LW_OK : LW_EADDRESS);
    }
}

static void
test_bare__nothing_but_an_address_taken(void **state)
{
    static const struct {
        const char *addr;
        bool ok;
    } rows[] = {
        { "bob@example.org", true }, { "\"b b\"@example.org", true }, { "bob@[192.0.2.1]", true },
        { "", false }, { "bob", false }, { " bob@example.org", false }, { "bob@example.org ", false },
        { "<bob@example.org>", false }, { "Bob <bob@example.org>", false },
        { "a@b.de,c@d.de", false }, { "bob(x)@example.org", false }, { "bob@example.org\n", false },
        { "bob@@example.org", false }, { "bob@example.org> SIZE=1", false },
    };
    lw_error e;

    for (size_t i = 0; i < LW_COUNT(rows); i++)
        if ((lw_addr_check(lw_span_str(rows[i].addr), "to", &e) == LW_OK) != rows[i].ok)
            fail_msg("\"%s\"", rows[i].addr);
}

/* whole: any prefix and any single changed octet of a good list ends without reading beyond it */
static void
test_list__every_prefix_and_change_safe(void **state)
{
    static const char list[] = "A (c(d)) \"q\\\"\" B. <@r.de:\"x y\".z@(e) ex.org>, g: u@[IPv6:::1]; , ü@ä.de";
    static const char marks[] = "\"\\()<>[]:;@,. \x80";
    char copy[sizeof list], got[1024];

    for (size_t n = 0; n < sizeof list; n++)
        describe(guard_put(&g, list, n), n, 0, got, sizeof got);
    for (size_t i = 0; i + 1 < sizeof list; i++)
        for (size_t k = 0; k + 1 < sizeof marks; k++) {
            memcpy(copy, list, sizeof list);
            copy[i] = marks[k];
            describe(guard_put(&g, copy, sizeof list - 1), sizeof list - 1, 0, got, sizeof got);
        }
}

/* work grows with length alone: deep comments, many members, long runs */
static void
test_list__large_inputs_parsed(void **state)
{
    size_t n = 200000;
    char *p = malloc(n * 8 + 16), *at = p;
    lw_arena arena;
    lw_mailboxes l;
    lw_error e;

    memset(p, '(', n);
    memset(p + n, ')', n);
    memcpy(p + 2 * n, "a@b.de", 6);
    lw_arena_init(&arena, NULL);
    lw_mailboxes_init(&l, &arena);
    assert_int_equal(lw_mailboxes_parse(&l, (lw_span){ p, 2 * n + 6 }, "to", &e), LW_OK);
    assert_int_equal(lw_mailboxes_parse(&l, (lw_span){ p, 2 * n - 1 }, "to", &e), LW_EADDRESS);
    for (size_t i = 0; i < n; i++, at += 7)
        memcpy(at, "a@b.de,", 7);
    assert_int_equal(lw_mailboxes_parse(&l, (lw_span){ p, n * 7 }, "to", &e), LW_OK);
    assert_int_equal(l.n, n + 1);
    lw_arena_deinit(&arena);
    free(p);
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
        cmocka_unit_test(test_list__of_rfc5322_appendix_a_parsed),
        cmocka_unit_test(test_list__odd_but_right_forms_parsed),
        cmocka_unit_test(test_list__bad_member_named_with_position),
        cmocka_unit_test(test_list__nul_inside_refused),
        cmocka_unit_test(test_list__bad_member_leaves_list_as_it_was),
        cmocka_unit_test(test_limits__both_sides_of_each_bound),
        cmocka_unit_test(test_bare__nothing_but_an_address_taken),
        cmocka_unit_test(test_list__every_prefix_and_change_safe),
        cmocka_unit_test(test_list__large_inputs_parsed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
