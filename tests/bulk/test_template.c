/* SPDX-License-Identifier: MIT */
/*
 * tests/bulk/test_template.c - templates: the specification's examples, and hostile ones
 *
 * The cases named "spec: ..." are those of github.com/mustache/spec (interpolation, sections,
 * inverted, comments) that need no lists, by the names they have there; where the specification
 * writes nothing for a missing value, this library refuses the row.
 */
#include <letterwing/bulk.h>

#include "support/guard.h"
#include "support/memory.h"
#include "support/test.h"

#define COLUMNS 6
static const char *const columns[COLUMNS] = { "x", "y", "html", "no", "First name", "a.b" };
static const char *const row[COLUMNS] = { "X", "why", "& \" < > '", "", "Zoë", "dots" };

static void
values_of(lw_span v[COLUMNS])
{
    for (size_t i = 0; i < COLUMNS; i++)
        v[i] = lw_span_str(row[i]);
}

static lw_code
make(lw_template **t, lw_span text, lw_template_escape escape, size_t max, lw_error *err)
{
    lw_template_opts o;

    lw_template_opts_init(&o);
    o.escape = escape;
    o.max_bytes = max;
    o.name = "t";
    return lw_template_new(&o, text, t, err);
}

/* ---- what is written ------------------------------------------------------------------------ */

static const struct {
    const char *name, *text, *want;
    lw_template_escape escape;
} written[] = {
    { "spec: No Interpolation", "Hello from {Mustache}!\n", "Hello from {Mustache}!\n", 1 },
    { "spec: Basic Interpolation", "Hello, {{x}}!\n", "Hello, X!\n", 1 },
    { "braces beside a tag", "{{x}}{ {x} }", "X{ {x} }", 1 },
    { "spec: HTML Escaping", "These characters should be HTML escaped: {{html}}\n",
      "These characters should be HTML escaped: &amp; &quot; &lt; &gt; &#39;\n", 1 },
    { "spec: Triple Mustache", "These characters should not be HTML escaped: {{{html}}}\n",
      "These characters should not be HTML escaped: & \" < > '\n", 1 },
    { "spec: Ampersand", "These characters should not be HTML escaped: {{&html}}\n",
      "These characters should not be HTML escaped: & \" < > '\n", 1 },
    { "text is not escaped", "{{html}}", "& \" < > '", LW_TEMPLATE_TEXT },
    { "urls are percent-encoded", "?q={{html}}&n={{First name}}&r={{{x}}}",
      "?q=%26%20%22%20%3C%20%3E%20%27&n=Zo%C3%AB&r=X", LW_TEMPLATE_URL },
    { "spec: Interpolation - Surrounding Whitespace", "| {{x}} |", "| X |", 1 },
    { "spec: Triple Mustache - Surrounding Whitespace", "| {{{x}}} |", "| X |", 1 },
    { "spec: Ampersand - Surrounding Whitespace", "| {{&x}} |", "| X |", 1 },
    { "spec: Interpolation - Standalone", "  {{x}}\n", "  X\n", 1 },
    { "spec: Triple Mustache - Standalone", "  {{{x}}}\n", "  X\n", 1 },
    { "spec: Ampersand - Standalone", "  {{&x}}\n", "  X\n", 1 },
    { "spec: Interpolation With Padding", "|{{ x }}|", "|X|", 1 },
    { "spec: Triple Mustache With Padding", "|{{{ x }}}|", "|X|", 1 },
    { "spec: Ampersand With Padding", "|{{& x }}|", "|X|", 1 },
    { "spec: Dotted Names - Basic Interpolation", "\"{{a.b}}\"", "\"dots\"", 1 },
    { "names may hold spaces", "Dear {{First name}},", "Dear Zoë,", 1 },
    { "spec: Truthy", "\"{{#x}}This should be rendered.{{/x}}\"\n",
      "\"This should be rendered.\"\n", 1 },
    { "spec: Falsey", "\"{{#no}}This should not be rendered.{{/no}}\"\n", "\"\"\n", 1 },
    { "spec: Doubled", "{{#x}}\n* first\n{{/x}}\n* {{y}}\n{{#x}}\n* third\n{{/x}}\n",
      "* first\n* why\n* third\n", 1 },
    { "spec: Nested (Truthy)", "| A {{#x}}B {{#x}}C{{/x}} D{{/x}} E |", "| A B C D E |", 1 },
    { "spec: Nested (Falsey)", "| A {{#no}}B {{#no}}C{{/no}} D{{/no}} E |", "| A  E |", 1 },
    { "spec: Implicit Iterator - String", "{{#x}}({{.}}){{/x}}", "(X)", 1 },
    { "spec: Implicit Iterator - HTML Escaping", "{{#html}}({{.}}){{/html}}",
      "(&amp; &quot; &lt; &gt; &#39;)", 1 },
    { "spec: Implicit Iterator - Triple mustache", "{{#html}}({{{.}}}){{/html}}",
      "(& \" < > ')", 1 },
    { "spec: Dotted Names - Truthy", "\"{{#a.b}}Here{{/a.b}}\"", "\"Here\"", 1 },
    { "spec: Section - Surrounding Whitespace", " | {{#x}}\t|\t{{/x}} | \n", " | \t|\t | \n", 1 },
    { "spec: Section - Internal Whitespace", " | {{#x}} {{! Important Whitespace }}\n {{/x}} | \n",
      " |  \n  | \n", 1 },
    { "spec: Indented Inline Sections", " {{#x}}YES{{/x}}\n {{#x}}GOOD{{/x}}\n", " YES\n GOOD\n", 1 },
    { "spec: Section - Standalone Lines", "| This Is\n{{#x}}\n|\n{{/x}}\n| A Line\n",
      "| This Is\n|\n| A Line\n", 1 },
    { "spec: Section - Indented Standalone Lines", "| This Is\n  {{#x}}\n|\n  {{/x}}\n| A Line\n",
      "| This Is\n|\n| A Line\n", 1 },
    { "spec: Section - Standalone Line Endings", "|\r\n{{#x}}\r\n{{/x}}\r\n|", "|\r\n|", 1 },
    { "spec: Section - Standalone Without Previous Line", "  {{#x}}\n#{{/x}}\n/", "#\n/", 1 },
    { "spec: Section - Standalone Without Newline", "#{{#x}}\n/\n  {{/x}}", "#\n/\n", 1 },
    { "spec: Section - Padding", "|{{# x }}={{/ x }}|", "|=|", 1 },
    { "spec: Inverted Falsey", "\"{{^no}}This should be rendered.{{/no}}\"\n",
      "\"This should be rendered.\"\n", 1 },
    { "spec: Inverted Truthy", "\"{{^x}}This should not be rendered.{{/x}}\"\n", "\"\"\n", 1 },
    { "spec: Inverted Doubled", "{{^no}}\n* first\n{{/no}}\n* {{y}}\n{{^no}}\n* third\n{{/no}}\n",
      "* first\n* why\n* third\n", 1 },
    { "spec: Inverted Nested (Falsey)", "| A {{^no}}B {{^no}}C{{/no}} D{{/no}} E |",
      "| A B C D E |", 1 },
    { "spec: Inverted Nested (Truthy)", "| A {{^x}}B {{^x}}C{{/x}} D{{/x}} E |", "| A  E |", 1 },
    { "spec: Inverted - Standalone Lines", "| This Is\n{{^no}}\n|\n{{/no}}\n| A Line\n",
      "| This Is\n|\n| A Line\n", 1 },
    { "spec: Inverted - Padding", "|{{^ no }}={{/ no }}|", "|=|", 1 },
    { "spec: Comment Inline", "12345{{! Comment Block! }}67890\n", "1234567890\n", 1 },
    { "spec: Comment Multiline", "12345{{!\n  This is a\n  multi-line comment...\n}}67890\n",
      "1234567890\n", 1 },
    { "spec: Comment Standalone", "Begin.\n{{! Comment Block! }}\nEnd.\n", "Begin.\nEnd.\n", 1 },
    { "spec: Comment Indented Standalone", "Begin.\n  {{! Indented Comment Block! }}\nEnd.\n",
      "Begin.\nEnd.\n", 1 },
    { "spec: Comment Standalone Line Endings", "|\r\n{{! Standalone Comment }}\r\n|", "|\r\n|", 1 },
    { "spec: Comment Standalone Without Previous Line", "  {{! I'm Still Standalone }}\n!", "!", 1 },
    { "spec: Comment Standalone Without Newline", "!\n  {{! I'm Still Standalone }}", "!\n", 1 },
    { "spec: Comment Multiline Standalone", "Begin.\n{{!\nSomething's going on here...\n}}\nEnd.\n",
      "Begin.\nEnd.\n", 1 },
    { "spec: Comment Indented Multiline Standalone",
      "Begin.\n  {{!\n    Something's going on here...\n  }}\nEnd.\n", "Begin.\nEnd.\n", 1 },
    { "spec: Comment Indented Inline", "  12 {{! 34 }}\n", "  12 \n", 1 },
    { "spec: Comment Surrounding Whitespace", "12345 {{! Comment Block! }} 67890", "12345  67890", 1 },
    { "a comment may hold an opening tag", "a{{! {{x }}b", "ab", 1 },
    { "sections jump over what they hold", "{{#no}}{{x}}{{#x}}{{no}}{{/x}}{{/no}}.", ".", 1 },
    { "both ways", "{{#no}}n{{/no}}{{^no}}{{#x}}{{x}}{{/x}}{{/no}}", "X", 1 },
    { "empty section", "a{{#x}}{{/x}}b", "ab", 1 },
    { "empty template", "", "", 1 },
    { "single braces", "{x} }} { {", "{x} }} { {", 1 },
};

static void
test_template__written_as_the_specification_says(void **state)
{
    lw_span v[COLUMNS], out;
    guard g;

    guard_open(&g, 4096);
    values_of(v);
    for (size_t i = 0; i < LW_COUNT(written); i++) {
        size_t n = strlen(written[i].text);
        lw_template *t;
        lw_error err = { .text = "" };

        print_message("%s\n", written[i].name);
        assert_int_equal(make(&t, (lw_span){ guard_put(&g, written[i].text, n), n },
                              written[i].escape, 0, &err), LW_OK);
        assert_int_equal(lw_template_bind(t, columns, COLUMNS, &err), LW_OK);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(lw_template_render(t, v, COLUMNS, &out, &err), LW_OK);
            assert_span(out, written[i].want);
        }
        lw_template_free(t);
    }
    guard_close(&g);
}

/* ---- what is refused ---------------------------------------------------------------------- */

static const struct {
    const char *name, *text, *error;
} refused[] = {
    { "not closed", "a\nbé{{x", "t line 2 column 3: {{ without }}" },
    { "triple not closed", "{{{x}} ", "t line 1 column 1: {{{ without }}}" },
    { "comment not closed", "{{! x", "{{ without }}" },
    { "no name", "{{}}", "line 1 column 1: a tag without a name" },
    { "blank name", "{{#  }}", "a tag without a name" },
    { "brace in a name", "Dear {{x\n and {{y}}", "is a }} missing?" },
    { "closing brace in a name", "{{x}y}}", "a brace" },
    { "NUL-like control in a name", "{{a\tb}}", "control character" },
    { "partial", "{{> x}}", "line 1 column 1: partials" },
    { "delimiters", "{{=<% %>=}}", "delimiters are not supported" },
    { "section not closed", "\n\n {{#x}} {{#y}}{{/y}}", "line 3 column 2: this section is never closed: {{#x}}" },
    { "closed twice", "{{#x}}{{/x}}{{/x}}", "line 1 column 13: no section is open here: {{/x}}" },
    { "crossed", "{{#x}}{{#y}}{{/x}}{{/y}}", "line 1 column 13: this does not close the innermost section, which is {{#y}}" },
    { "dot outside", "{{.}}", "stands in no section" },
    { "dot as a section", "{{#x}}{{#.}}{{/.}}{{/x}}", "needs a field's name" },
};

static void
test_template__malformed_is_refused_with_line_and_column(void **state)
{
    guard g;

    guard_open(&g, 4096);
    for (size_t i = 0; i < LW_COUNT(refused); i++) {
        size_t n = strlen(refused[i].text);
        lw_template *t;
        lw_error err = { .text = "" };

        print_message("%s\n", refused[i].name);
        assert_int_equal(make(&t, (lw_span){ guard_put(&g, refused[i].text, n), n }, 1, 0, &err),
                         LW_EMESSAGE);
        assert_null(t);
        if (strstr(err.text, refused[i].error) == NULL)
            fail_msg("%s", err.text);
    }
    guard_close(&g);
}

static void
repeat(lw_buf *b, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        lw_buf_add_str(b, s);
}

static void
test_template__bounds_hold_on_both_sides(void **state)
{
    static const struct {
        size_t depth, fields, name;
        lw_code want;
    } cases[] = {
        { LW_TEMPLATE_DEPTH, 0, 0, LW_OK },   { LW_TEMPLATE_DEPTH + 1, 0, 0, LW_ELIMIT },
        { 0, LW_TEMPLATE_FIELDS, 0, LW_OK },  { 0, LW_TEMPLATE_FIELDS + 1, 0, LW_ELIMIT },
        { 0, 0, LW_TEMPLATE_NAME, LW_OK },    { 0, 0, LW_TEMPLATE_NAME + 1, LW_EMESSAGE },
    };

    for (size_t i = 0; i < LW_COUNT(cases); i++) {
        lw_template *t;
        lw_buf b;

        lw_buf_init(&b, &lw_alloc_default, 1 << 20);
        repeat(&b, "{{#x}}", cases[i].depth);
        repeat(&b, "{{/x}}", cases[i].depth);
        for (size_t k = 0; k < cases[i].fields; k++)
            lw_buf_add_fmt(&b, "{{f%zu}}", k);
        lw_buf_add_str(&b, cases[i].name > 0 ? "{{" : "");
        repeat(&b, "n", cases[i].name);
        lw_buf_add_str(&b, cases[i].name > 0 ? "}}" : "");
        assert_int_equal(make(&t, lw_buf_span(&b), 1, 0, NULL), cases[i].want);
        lw_template_free(t);
        lw_buf_deinit(&b);
    }
}

static void
test_template__text_longer_than_its_maximum_is_refused_for_that_row_only(void **state)
{
    lw_span v[COLUMNS], out;
    lw_template *t;
    lw_error err;

    values_of(v);
    assert_int_equal(make(&t, LW_LIT("12345{{y}}"), 0, 8, &err), LW_OK);
    assert_int_equal(lw_template_bind(t, columns, COLUMNS, &err), LW_OK);
    assert_int_equal(lw_template_render(t, v, COLUMNS, &out, &err), LW_OK);
    v[1] = LW_LIT("four");
    assert_int_equal(lw_template_render(t, v, COLUMNS, &out, &err), LW_ELIMIT);
    assert_non_null(strstr(err.text, "too long"));
    v[1] = LW_LIT("two");
    assert_int_equal(lw_template_render(t, v, COLUMNS, &out, &err), LW_OK);
    assert_span(out, "12345two");
    lw_template_free(t);
}

/* ---- columns ----------------------------------------------------------------------------------- */

static void
test_bind__unknown_field_is_refused_with_the_columns(void **state)
{
    lw_template *t;
    lw_error err;
    lw_span out, v[COLUMNS];

    values_of(v);
    assert_int_equal(make(&t, LW_LIT("a\n {{nmae}}"), 0, 0, &err), LW_OK);
    assert_int_equal(lw_template_render(t, v, COLUMNS, &out, &err), LW_EUSAGE);
    assert_int_equal(lw_template_bind(t, columns, COLUMNS, &err), LW_EMESSAGE);
    assert_string_equal(err.text, "t line 2 column 2: the list has no column \"nmae\"; its "
                                  "columns are: x, y, html, no, First name, a.b");
    assert_int_equal(lw_template_render(t, v, COLUMNS, &out, &err), LW_EUSAGE);
    lw_template_free(t);
}

static void
test_fields__listed_once_with_place_and_need(void **state)
{
    static const struct {
        const char *name;
        unsigned line, column;
        bool is_required;
    } want[] = { { "x", 1, 4, false }, { "y", 1, 15, true }, { "no", 2, 1, true } };
    lw_template *t;

    assert_int_equal(make(&t, LW_LIT("aé {{#x}}{{x}}{{y}}{{/x}}\n{{^no}}{{no}}{{/no}}"), 0, 0,
                          NULL), LW_OK);
    assert_int_equal(lw_template_n_fields(t), LW_COUNT(want));
    assert_null(lw_template_field_at(t, LW_COUNT(want)));
    for (size_t i = 0; i < LW_COUNT(want); i++) {
        const lw_template_field *f = lw_template_field_at(t, i);

        assert_string_equal(f->name, want[i].name);
        assert_int_equal(f->line, want[i].line);
        assert_int_equal(f->column, want[i].column);
        assert_int_equal(f->is_required, want[i].is_required);
    }
    lw_template_free(t);
}

static void
test_render__empty_required_field_is_an_error_not_a_space(void **state)
{
    lw_span v[COLUMNS], out;
    lw_template *t;
    lw_error err;

    values_of(v);
    assert_int_equal(make(&t, LW_LIT("Dear {{no}},"), 0, 0, &err), LW_OK);
    assert_int_equal(lw_template_bind(t, columns, COLUMNS, &err), LW_OK);
    assert_int_equal(lw_template_render(t, v, COLUMNS, &out, &err), LW_EMESSAGE);
    assert_non_null(strstr(err.text, "column \"no\" is empty, and t line 1 writes it"));
    v[3] = LW_LIT("there");
    assert_int_equal(lw_template_render(t, v, COLUMNS, &out, &err), LW_OK);
    assert_span(out, "Dear there,");
    /* a row that ends early has empty values */
    assert_int_equal(lw_template_render(t, v, 3, &out, &err), LW_EMESSAGE);
    lw_template_free(t);
}

/* ---- memory ---------------------------------------------------------------------------------------- */

static void
test_template__each_allocation_may_fail(void **state)
{
    lw_span v[COLUMNS], text = LW_LIT("{{#x}}{{y}}{{/x}} {{{html}}} {{First name}} {{a.b}}"), out;

    values_of(v);
    for (long n = 0, done = 0; !done; n++) {
        test_memory m;
        lw_template_opts o;
        lw_template *t;
        lw_code rc;

        test_memory_init(&m, n);
        lw_template_opts_init(&o);
        o.alloc = &m.alloc;
        rc = lw_template_new(&o, text, &t, NULL);
        if (rc == LW_OK && (rc = lw_template_bind(t, columns, COLUMNS, NULL)) == LW_OK)
            rc = lw_template_render(t, v, COLUMNS, &out, NULL);
        assert_true(rc == LW_OK || rc == LW_ENOMEM);
        assert_int_equal(rc == LW_ENOMEM, m.has_failed);
        done = rc == LW_OK;
        lw_template_free(t);
        assert_int_equal(m.n_out, 0);
        assert_true(n < 200);
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_template__written_as_the_specification_says),
        cmocka_unit_test(test_template__malformed_is_refused_with_line_and_column),
        cmocka_unit_test(test_template__bounds_hold_on_both_sides),
        cmocka_unit_test(test_template__text_longer_than_its_maximum_is_refused_for_that_row_only),
        cmocka_unit_test(test_bind__unknown_field_is_refused_with_the_columns),
        cmocka_unit_test(test_fields__listed_once_with_place_and_need),
        cmocka_unit_test(test_render__empty_required_field_is_an_error_not_a_space),
        cmocka_unit_test(test_template__each_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
