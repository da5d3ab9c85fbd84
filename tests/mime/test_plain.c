/* SPDX-License-Identifier: MIT */
/* text made of HTML, and format=flowed */
#include "mime/support.h"
#include "support/guard.h"

static guard g;

/* HTML of n octets at the end of readable memory, as text */
static void
to_text(const char *html, size_t n, char *out, size_t cap)
{
    lw_buf b;

    lw_buf_init(&b, NULL, n * 16 + 4096);
    lw_html_to_text(&b, (lw_span){ guard_put(&g, html, n), n });
    if (lw_buf_finish(&b) < 0)
        fail_msg("HTML of %zu octets: more than the maximum", n);
    snprintf(out, cap, "%.*s", (int)b.len, b.len > 0 ? b.ptr : "");
    lw_buf_deinit(&b);
}

static const struct {
    const char *label, *html, *text;
} rows[] = {
    { "empty", "", "" },
    { "nothing to see", "<p>  </p><br><img src=x>", "" },
    { "plain", "hello", "hello\n" },
    { "white space", "  a \n\t b  <b> c</b>d ", "a b cd\n" },
    { "paragraphs", "<h1>T</h1><p>a</p>\n<p>b</p>", "T\n\na\n\nb\n" },
    { "lines", "a<br>b<br/><br>c<div>d</div>e", "a\nb\n\nc\nd\ne\n" },
    { "nested div", "<div><div><div>a</div></div></div><div>b</div>", "a\nb\n" },
    { "list", "x<ul><li>a</li><li>b</ul>y", "x\n\n- a\n- b\n\ny\n" },
    { "numbers", "<ol><li>a<li>b<p>c</ol>", "1. a\n2. b\n\n  c\n" },
    { "list in list", "<ul><li>a<ul><li>b</ul><li>c</ul>", "- a\n  - b\n- c\n" },
    { "table", "<table><tr><th>A</th><th>B</th></tr><tr><td>1<td>2</table>", "A | B\n1 | 2\n" },
    { "empty cells", "<table><tr><td><td>x<td></table>", "x\n" },
    { "link", "see <a href=\"https://x.example/p?a=1&amp;b=2\">here</a>.", "see here <https://x.example/p?a=1&b=2>.\n" },
    { "link shown", "<a href='https://x.example/'>x.example</a> <a href=mailto:a@b.de>a@b.de</a>", "x.example a@b.de\n" },
    { "link of a picture", "<a href=https://x.example/><img alt='Logo'></a>", "Logo <https://x.example/>\n" },
    { "link to a place", "<a href=#top>up</a><a href=javascript:x()>y</a>", "upy\n" },
    { "picture", "<img src=a alt=\"A &lt;b&gt;\" width=1>", "A <b>\n" },
    { "entities", "&lt;&AMP;&amp;&nbsp;&eacute;&#233;&#xe9;&#x1F600;&nosuch;&amp", "<&AMP;& ééé😀&nosuch;&amp\n" },
    { "bad entities", "&#0;&#xd800;&#x110000;&#;&#x;&;&", "&#0;\xef\xbf\xbd\xef\xbf\xbd&#;&#x;&;&\n" },
    { "quotation", "a<blockquote>b<br>c<blockquote>d</blockquote></blockquote>e", "a\n\n> b\n> c\n\n> > d\n\ne\n" },
    { "pre", "<pre>a  b\n  c\n</pre>d", "a  b\n  c\n\nd\n" },
    { "hidden", "<head><title>t</title><style>p{}</style></head><script>a<b</script>x<!-- y --><!doctype html>z", "xz\n" },
    { "hidden for ever", "a<style>b", "a\n" },
    { "comment for ever", "a<!-- b", "a\n" },
    { "less than", "1 < 2 <3 a<", "1 < 2 <3 a<\n" },
    { "open tag", "a <b", "a <b\n" },
    { "quoted >", "<a title=\"a>b\" href='https://x.example/'>c</a>", "c <https://x.example/>\n" },
    { "rule", "a<hr>b", "a\n--------------------\nb\n" },
    { "invisible", "a&shy;b&#8203;c\xef\xbb\xbf""d", "abcd\n" },
    { "controls", "a\x01" "b\x7f" "c", "abc\n" },
    { "chinese", "<p>测试</p><p>邮件</p>", "测试\n\n邮件\n" },
    { "not UTF-8", "a\xff\xc3(", "a(\n" },
};

static void
test_html__as_text(void **state)
{
    char got[2000];

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        to_text(rows[i].html, strlen(rows[i].html), got, sizeof got);
        if (strcmp(got, rows[i].text) != 0)
            fail_msg("%s: \"%s\"", rows[i].label, got);
    }
}

/* any prefix ends without reading beyond it, and within the bound */
static void
test_html__every_prefix_safe(void **state)
{
    char got[2000];

    for (size_t i = 0; i < LW_COUNT(rows); i++)
        for (size_t n = 0; n <= strlen(rows[i].html); n++)
            to_text(rows[i].html, n, got, sizeof got);
}

/* what grows most: deep lists and quotations, one character a line */
static void
test_html__growth_bounded(void **state)
{
    static const char *const tops[] = { "<blockquote>", "<ol>", "<ul>" };
    static const char *const units[] = { "<li>x", "x<br>", "<p>x", "<td>x", "<hr>", "<br>", "<" , "\"<='" };
    static char html[200000];

    for (size_t u = 0; u < LW_COUNT(units); u++) {
        size_t n = 0;
        for (size_t i = 0; i < 30; i++)
            n += (size_t)snprintf(html + n, sizeof html - n, "%s", tops[i % 3]);
        while (n + 16 < sizeof html)
            n += (size_t)snprintf(html + n, sizeof html - n, "%s", units[u]);
        lw_buf b;
        lw_buf_init(&b, NULL, n * 16 + 4096);
        lw_html_to_text(&b, (lw_span){ html, n });
        assert_int_equal(lw_buf_finish(&b), LW_OK);
        lw_buf_deinit(&b);
    }
}

static void
test_message__of_html_gets_text(void **state)
{
    static const struct {
        const char *html;
        bool is_wanted, has_text;
    } html[] = { { "<p>Hi", true, true }, { "<p>Hi", false, false }, { "<img src=x>", true, false } };
    size_t len;

    for (size_t i = 0; i < LW_COUNT(html); i++) {
        lw_message *m = lw_message_new();
        lw_message_from(m, "a@b.de");
        lw_message_to(m, "c@d.de");
        lw_message_html(m, html[i].html);
        lw_message_auto_text(m, html[i].is_wanted);
        char *all = test_render(m, &len);
        assert_int_equal(strstr(all, "multipart/alternative") != NULL, html[i].has_text);
        assert_int_equal(strstr(all, "\r\n\r\nHi\r\n") != NULL, html[i].has_text);
        free(all);
        /* what was made does not outlive its source */
        lw_message_html(m, "<p>Bye");
        lw_message_auto_text(m, true);
        all = test_render(m, &len);
        assert_non_null(strstr(all, "\r\n\r\nBye\r\n"));
        free(all);
        lw_message_text(m, "given");
        all = test_render(m, &len);
        assert_null(strstr(all, "\r\n\r\nBye\r\n"));
        assert_non_null(strstr(all, "\r\n\r\ngiven\r\n"));
        free(all);
        lw_message_free(m);
    }
}

#define W10 "123456789 "
#define W70 W10 W10 W10 W10 W10 W10 W10

static void
test_flowed__lines_broken_and_stuffed(void **state)
{
    static const struct {
        const char *label, *in, *out;
    } flows[] = {
        { "short", "a\r\n", "a\r\n" },
        { "no end", "a", "a\r\n" },
        { "long", W70 "ab c\r\n", W70 "\r\nab c\r\n" },
        { "just fits", W70 "ab\r\n", W70 "ab\r\n" },
        { "trailing spaces", "a  \r\n", "a\r\n" },
        { "stuffed", " a\r\nFrom b\r\nFromage\r\n", "  a\r\n From b\r\nFromage\r\n" },
        { "quoted", "> " W70 "abcdef\r\n", "> " W70 "\r\n> abcdef\r\n" },
        { "quoted twice, no space", ">>" W70 "abcdef\r\n", ">>" W70 "\r\n>> abcdef\r\n" },
        { "> behind a break in a quotation", "> " W70 "> b\r\n", "> " W70 "\r\n> > b\r\n" },
        { "quoted, trailing spaces", "> a  \r\n>> b \r\n> \r\n", "> a\r\n>> b\r\n>\r\n" },
        { "signature in a quotation", "> -- \r\n>-- \r\n", "> -- \r\n>-- \r\n" },
        { "signature", "-- \r\nme\r\n", "-- \r\nme\r\n" },
        { "no spaces", "测试邮件测试邮件测试邮件测试邮件测试邮件\r\n", "测试邮件测试邮件测试邮件测试邮件测试邮件\r\n" },
        { "From after a break", W70 "a From b\r\n", W70 "a \r\n From b\r\n" },
        { "empty lines", "\r\n\r\na\r\n", "\r\n\r\na\r\n" },
    };

    for (size_t i = 0; i < LW_COUNT(flows); i++) {
        lw_buf b;
        lw_buf_init(&b, NULL, 1000);
        size_t n = strlen(flows[i].in);
        lw_text_flow(&b, (lw_span){ guard_put(&g, flows[i].in, n), n });
        if (strcmp(lw_buf_cstr(&b), flows[i].out) != 0)
            fail_msg("%s: \"%s\"", flows[i].label, lw_buf_cstr(&b));
        lw_buf_deinit(&b);
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
        cmocka_unit_test(test_html__as_text),
        cmocka_unit_test(test_html__every_prefix_safe),
        cmocka_unit_test(test_html__growth_bounded),
        cmocka_unit_test(test_message__of_html_gets_text),
        cmocka_unit_test(test_flowed__lines_broken_and_stuffed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
