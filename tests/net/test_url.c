/* SPDX-License-Identifier: MIT */
/* tests/net/test_url.c - server URLs, good and bad; no refusal shows a password */
#include "world.h"

#include "support/guard.h"

typedef struct good {
    const char *text;
    lw_protocol protocol;
    lw_tls_mode tls;
    bool insecure;
    const char *host;
    uint16_t port;
    const char *path, *user, *password, *auth;
} good;

#define SMTP LW_PROTOCOL_SMTP
#define LMTP LW_PROTOCOL_LMTP

static const good goods[] = {
    { "smtp://mail.example", SMTP, LW_TLS_REQUIRED, 0, "mail.example", 587, 0, 0, 0, 0 },
    { "SMTP://Mail.Example", SMTP, LW_TLS_REQUIRED, 0, "Mail.Example", 587, 0, 0, 0, 0 },
    { "smtp://mail.example/", SMTP, LW_TLS_REQUIRED, 0, "mail.example", 587, 0, 0, 0, 0 },
    { "smtp://mail.example:1", SMTP, LW_TLS_REQUIRED, 0, "mail.example", 1, 0, 0, 0, 0 },
    { "smtp://mail.example:65535", SMTP, LW_TLS_REQUIRED, 0, "mail.example", 65535, 0, 0, 0, 0 },
    { "smtp://mail.example:025", SMTP, LW_TLS_REQUIRED, 0, "mail.example", 25, 0, 0, 0, 0 },
    { "smtps://mail.example", SMTP, LW_TLS_IMPLICIT, 0, "mail.example", 465, 0, 0, 0, 0 },
    { "ssl://mail.example", SMTP, LW_TLS_IMPLICIT, 0, "mail.example", 465, 0, 0, 0, 0 },
    { "tls://mail.example", SMTP, LW_TLS_REQUIRED, 0, "mail.example", 587, 0, 0, 0, 0 },
    { "plain://mail.example", SMTP, LW_TLS_NONE, 1, "mail.example", 25, 0, 0, 0, 0 },
    { "lmtp://mail.example", LMTP, LW_TLS_OPPORTUNISTIC, 0, "mail.example", 24, 0, 0, 0, 0 },
    { "lmtp+unix:///run/lmtp", LMTP, LW_TLS_NONE, 0, NULL, 0, "/run/lmtp", 0, 0, 0 },
    { "lmtp+unix:///run/a%20b%25?tls=none", LMTP, LW_TLS_NONE, 0, NULL, 0, "/run/a b%", 0, 0, 0 },
    /* on this machine STARTTLS is taken when offered; tls:// insists */
    { "smtp://localhost", SMTP, LW_TLS_OPPORTUNISTIC, 0, "localhost", 587, 0, 0, 0, 0 },
    { "smtp://LOCALHOST.", SMTP, LW_TLS_OPPORTUNISTIC, 0, "LOCALHOST.", 587, 0, 0, 0, 0 },
    { "smtp://127.9.9.9:25", SMTP, LW_TLS_OPPORTUNISTIC, 0, "127.9.9.9", 25, 0, 0, 0, 0 },
    { "smtp://[::1]:25", SMTP, LW_TLS_OPPORTUNISTIC, 0, "::1", 25, 0, 0, 0, 0 },
    { "tls://localhost", SMTP, LW_TLS_REQUIRED, 0, "localhost", 587, 0, 0, 0, 0 },
    { "smtp://localhost?tls=required", SMTP, LW_TLS_REQUIRED, 0, "localhost", 587, 0, 0, 0, 0 },
    { "smtp://localhost.example", SMTP, LW_TLS_REQUIRED, 0, "localhost.example", 587, 0, 0, 0, 0 },
    /* addresses */
    { "smtp://192.0.2.1:2525", SMTP, LW_TLS_REQUIRED, 0, "192.0.2.1", 2525, 0, 0, 0, 0 },
    { "smtp://[2001:db8::1]", SMTP, LW_TLS_REQUIRED, 0, "2001:db8::1", 587, 0, 0, 0, 0 },
    { "smtps://[2001:DB8::1]:4465", SMTP, LW_TLS_IMPLICIT, 0, "2001:DB8::1", 4465, 0, 0, 0, 0 },
    { "smtp://[fe80::1%25eth0]:25", SMTP, LW_TLS_REQUIRED, 0, "fe80::1%eth0", 25, 0, 0, 0, 0 },
    { "smtp://[fe80::1%eth0]", SMTP, LW_TLS_REQUIRED, 0, "fe80::1%eth0", 587, 0, 0, 0, 0 },
    /* user and password */
    { "smtp://ann@mail.example", SMTP, LW_TLS_REQUIRED, 0, "mail.example", 587, 0, "ann", 0, 0 },
    { "smtp://ann:s3@mail.example", SMTP, LW_TLS_REQUIRED, 0, "mail.example", 587, 0, "ann", "s3",
      0 },
    { "smtp://ann:@mail.example", SMTP, LW_TLS_REQUIRED, 0, "mail.example", 587, 0, "ann", "", 0 },
    { "smtp://ann@a.example:p:w@mail.example:25", SMTP, LW_TLS_REQUIRED, 0, "mail.example", 25, 0,
      "ann@a.example", "p:w", 0 },
    { "smtp://%61nn:%2f%3F%23%40%3a%25@mail.example", SMTP, LW_TLS_REQUIRED, 0, "mail.example",
      587, 0, "ann", "/?#@:%", 0 },
    { "smtp://ann:p%C3%A4ss@mail.example", SMTP, LW_TLS_REQUIRED, 0, "mail.example", 587, 0, "ann",
      "p\xc3\xa4ss", 0 },
    /* options */
    { "smtp://mail.example?tls=none", SMTP, LW_TLS_NONE, 0, "mail.example", 587, 0, 0, 0, 0 },
    { "smtp://mail.example/?TLS=Opportunistic", SMTP, LW_TLS_OPPORTUNISTIC, 0, "mail.example", 587,
      0, 0, 0, 0 },
    { "smtp://mail.example?insecure-auth=yes&auth=PLAIN,LOGIN", SMTP, LW_TLS_REQUIRED, 1,
      "mail.example", 587, 0, 0, 0, "PLAIN,LOGIN" },
    { "plain://mail.example?insecure-auth=no", SMTP, LW_TLS_NONE, 0, "mail.example", 25, 0, 0, 0,
      0 },
    { "smtp://mail.example?&tls=required&", SMTP, LW_TLS_REQUIRED, 0, "mail.example", 587, 0, 0, 0,
      0 },
    { "plain://mail.example?tls=none", SMTP, LW_TLS_NONE, 1, "mail.example", 25, 0, 0, 0, 0 },
};

static void
assert_text(const char *name, const char *text, const char *have, const char *want)
{
    if ((have == NULL) != (want == NULL) || (have != NULL && strcmp(have, want) != 0))
        fail_msg("%s: %s is \"%s\" instead of \"%s\"", text, name, have == NULL ? "none" : have,
                 want == NULL ? "none" : want);
}

static void
test_url__good_parts_as_written(void **state)
{
    for (size_t i = 0; i < LW_COUNT(goods); i++) {
        const good *g = &goods[i];
        lw_error err = { .code = LW_OK };
        lw_url u;

        if (lw_url_parse(NULL, g->text, &u, &err) != LW_OK)
            fail_msg("%s: %s", g->text, err.text);
        if (u.protocol != g->protocol || u.tls != g->tls || u.insecure_auth != g->insecure ||
            u.port != g->port)
            fail_msg("%s: protocol %d, tls %d, insecure %d, port %u", g->text, u.protocol, u.tls,
                     u.insecure_auth, u.port);
        assert_text("host", g->text, u.host, g->host);
        assert_text("path", g->text, u.path, g->path);
        assert_text("user", g->text, u.user, g->user);
        assert_text("password", g->text, u.password, g->password);
        assert_text("auth", g->text, u.auth, g->auth);
        lw_url_deinit(NULL, &u);
        assert_null(u.host);
    }
}

static const struct {
    const char *text, *word;
} bads[] = {
    { "", "empty" },
    { "mail.example", "smtp://mail.example" },
    { "mail.example:25", "smtp://mail.example:25" },
    { "//mail.example", "no scheme" },
    { "smtp:mail.example", "no scheme" },
    { "smtp:/mail.example", "no scheme" },
    { "http://mail.example", "\"http\"" },
    { "smtpss://mail.example", "\"smtpss\"" },
    { "smtp+unix:///run/x", "\"smtp+unix\"" },
    { "://mail.example", "scheme" },
    { "smtp://", "no host" },
    { "smtp://:25", "no host" },
    { "smtp:///x", "no host" },
    { "smtp://ann@", "no host" },
    { "smtp://mail.example:", "no port" },
    { "smtp://mail.example:0", "port 0" },
    { "smtp://mail.example:00", "port 00" },
    { "smtp://mail.example:70000", "port 70000" },
    { "smtp://mail.example:65536", "65535" },
    { "smtp://mail.example:99999999999999999999999", "65535" },
    { "smtp://mail.example:-1", "not a number" },
    { "smtp://mail.example:25x", "not a number" },
    { "smtp://mail.example:+25", "not a number" },
    { "smtp://mail.example:25:26", "more than one" },
    { "smtp://::1", "more than one" },
    { "smtp://2001:db8::1:25", "[ ]" },
    { "smtp://[::1", "without its ]" },
    { "smtp://[]", "IPv6" },
    { "smtp://[mail.example]", "IPv6" },
    { "smtp://[127.0.0.1]", "IPv6" },
    { "smtp://[::1]25", ":port behind its ]" },
    { "smtp://[::1]:", "no port" },
    { "smtp://[::g]", "IPv6" },
    { "smtp://[fe80::1%]", "zone" },
    { "smtp://[fe80::1%25]", "zone" },
    { "smtp://[fe80::1%25e%20]", "zone" },
    { "smtp://[fe80::1%25abcdefghijklmnopqrstuvwxyzabcdefghijkl]", "zone" },
    { "smtp://1.2.3.4.5", "IPv4" },
    { "smtp://1.2.3", "IPv4" },
    { "smtp://256.1.1.1", "IPv4" },
    { "smtp://127.1", "IPv4" },
    { "smtp://mail..example", "empty part" },
    { "smtp://.mail.example", "empty part" },
    { "smtp://mail example", "character ' '" },
    { "smtp://mail\xc3\xa4.example", "ASCII" },
    { "smtp://mail.example\r\nRSET", "control" },
    { "smtp://mail.example\t", "control" },
    { "smtp://a%0d%0a@mail.example", "control" },
    { "smtp://a%00b@mail.example", "control" },
    { "smtp://a%@mail.example", "%25" },
    { "smtp://a%4@mail.example", "%25" },
    { "smtp://a%4g@mail.example", "%25" },
    { "smtp://@mail.example", "no user name" },
    { "smtp://:geheim@mail.example", "no user name" },
    { "smtp://mail.example/path", "behind its host" },
    { "smtp://mail.example#x", "behind its host" },
    { "smtp://mail.example?tls", "tls" },
    { "smtp://mail.example?tls=maybe", "required, opportunistic or none" },
    { "smtp://mail.example?tls=none&tls=none", "twice" },
    { "smtp://mail.example?insecure-auth=1", "yes or no" },
    { "smtp://mail.example?pipelining=never", "yes or no" },
    { "smtp://mail.example?pipelining=no&pipelining=yes", "twice" },
    { "smtp://mail.example?insecure-auth=no&insecure-auth=no", "twice" },
    { "smtp://mail.example?auth=", "PLAIN,LOGIN" },
    { "smtp://mail.example?auth=PLAIN,", "PLAIN,LOGIN" },
    { "smtp://mail.example?auth=PL%41IN", "PLAIN,LOGIN" },
    { "smtp://mail.example?auth=ABCDEFGHIJKLMNOPQRSTU", "PLAIN,LOGIN" },
    { "smtp://mail.example?auth=PLAIN&auth=PLAIN", "twice" },
    { "smtp://mail.example?timeout=3", "\"timeout\"" },
    { "smtps://mail.example?tls=none", "leave tls=none out" },
    { "tls://mail.example?tls=none", "contradict" },
    { "plain://mail.example?tls=required", "contradict" },
    { "lmtp+unix://run/lmtp", "lmtp+unix:///path" },
    { "lmtp+unix://", "lmtp+unix:///path" },
    { "lmtp+unix:///run/%0a", "control" },
    /* what may be a password is not shown, wherever it has slipped to */
    { "smtp://ann:geheim/1@mail.example", "%2F" },
    { "smtp://ann:geheim?1@mail.example", "%3F" },
    { "smtp://ann:geheim#1@mail.example", "%23" },
    { "smtp://ann:geheim@mail.example:0", "port 0" },
    { "smtp://ann:geheim%zz@mail.example", "password" },
    { "smtp://ann:geheim@", "no host" },
    { "ann:geheim@mail.example", "no scheme" },
    { "ann:geheim", "no scheme" },
    { "ann:geheim@mail.example://x", "scheme" },
    { "smtp://ann:geheim", "not a number" },
    { "smtp://ann:geheim%00@mail.example", "control" },
    { "smtp:ann:geheim@mail.example", "no scheme" },
    { "lmtp+unix:///run/lmtp?ann:geheim@mail", "unknown option \"\"" },
};

static void
test_url__bad_one_sentence_no_password(void **state)
{
    for (size_t i = 0; i < LW_COUNT(bads); i++) {
        lw_error err = { .code = LW_OK };
        lw_url u;

        if (lw_url_parse(NULL, bads[i].text, &u, &err) != LW_ECONFIG ||
            err.code != LW_ECONFIG)
            fail_msg("\"%s\" is taken", bads[i].text);
        if (strstr(err.text, bads[i].word) == NULL || strstr(err.text, "geheim") != NULL)
            fail_msg("\"%s\" for \"%s\", \"%s\" expected", err.text, bads[i].text, bads[i].word);
        assert_null(u.host);
        assert_null(u.user);
        assert_null(u.password);
    }
}

static void
repeat(char *dst, size_t n, char c)
{
    memset(dst, c, n);
    dst[n] = '\0';
}

static void
test_url__lengths_both_sides_of_the_bound(void **state)
{
    char text[8192], part[5000];
    lw_url u;

    for (size_t n = 253; n <= 254; n++) {
        repeat(part, n, 'a');
        snprintf(text, sizeof text, "smtp://%s", part);
        assert_int_equal(lw_url_parse(NULL, text, &u, NULL), n == 253 ? LW_OK : LW_ECONFIG);
        lw_url_deinit(NULL, &u);
    }
    for (size_t n = 106; n <= 107; n++) {
        repeat(part, n, 'a');
        snprintf(text, sizeof text, "lmtp+unix:///%s", part);
        assert_int_equal(lw_url_parse(NULL, text, &u, NULL), n == 106 ? LW_OK : LW_ECONFIG);
        lw_url_deinit(NULL, &u);
    }
    for (size_t n = 4096; n <= 4097; n++) {
        repeat(part, n - strlen("smtp://@b"), 'a');
        snprintf(text, sizeof text, "smtp://%s@b", part);
        assert_int_equal(strlen(text), n);
        assert_int_equal(lw_url_parse(NULL, text, &u, NULL), n == 4096 ? LW_OK : LW_ECONFIG);
        lw_url_deinit(NULL, &u);
    }
}

/* the final NUL stands at the end of a page: nothing behind it is read */
static void
test_url__at_the_edge_of_a_page_not_overread(void **state)
{
    guard g;
    lw_url u;

    guard_open(&g, 8192);
    for (size_t i = 0; i < LW_COUNT(goods); i++) {
        for (size_t n = 0; n <= strlen(goods[i].text); n++) {
            char cut[256];
            const char *at;

            memcpy(cut, goods[i].text, n);
            cut[n] = '\0';
            at = guard_put(&g, cut, n + 1);
            if (lw_url_parse(NULL, at, &u, NULL) == LW_OK)
                lw_url_deinit(NULL, &u);
        }
    }
    for (size_t i = 0; i < LW_COUNT(bads); i++)
        assert_int_equal(lw_url_parse(NULL, guard_put(&g, bads[i].text, strlen(bads[i].text) + 1),
                                      &u, NULL),
                         LW_ECONFIG);
    guard_close(&g);
}

/* ---- the n-th allocation fails ---------------------------------------------------------------- */

static void
test_url__out_of_memory_nothing_leaks(void **state)
{
    static const char *const texts[] = {
        "smtp://ann:s@mail.example?auth=PLAIN", "lmtp+unix:///run/x", "smtp://[::1%1]:2"
    };

    for (size_t i = 0; i < LW_COUNT(texts); i++) {
        lw_code rc = LW_ENOMEM;

        for (int n = 0; rc != LW_OK; n++) {
            short_memory m = { .left = n };
            lw_alloc alloc = { short_resize, &m };
            lw_url u;

            rc = lw_url_parse(&alloc, texts[i], &u, NULL);
            assert_true(rc == LW_OK || rc == LW_ENOMEM);
            lw_url_deinit(&alloc, &u);
            assert_int_equal(m.held, 0);
        }
    }
}

static void
test_loopback__names_and_addresses(void **state)
{
    static const char *const yes[] = { "localhost", "LocalHost", "localhost.", "127.0.0.1",
                                       "127.255.0.9", "::1", "0:0:0:0:0:0:0:1" };
    static const char *const no[] = { "localhost.example", "128.0.0.1", "::2", "", "mail.example",
                                      "127.0.0.1.example", "127.1" };

    for (size_t i = 0; i < LW_COUNT(yes); i++)
        if (!lw_host_is_loopback(yes[i]))
            fail_msg("%s is not", yes[i]);
    for (size_t i = 0; i < LW_COUNT(no); i++)
        if (lw_host_is_loopback(no[i]))
            fail_msg("%s is", no[i]);
    assert_false(lw_host_is_loopback(NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url__good_parts_as_written),
        cmocka_unit_test(test_url__bad_one_sentence_no_password),
        cmocka_unit_test(test_url__lengths_both_sides_of_the_bound),
        cmocka_unit_test(test_url__at_the_edge_of_a_page_not_overread),
        cmocka_unit_test(test_url__out_of_memory_nothing_leaks),
        cmocka_unit_test(test_loopback__names_and_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
