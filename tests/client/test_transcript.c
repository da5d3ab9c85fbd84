/* SPDX-License-Identifier: MIT */
/* test_transcript.c - the dialogue as lines at every split; secrets never get in */
#include "support/test.h"

#include "client/client_int.h"

static char told[65536];

static void
keep_line(void *ctx, const lw_transcript_line *line)
{
    static const char signs[] = { 'C', 'S', '*' };
    size_t n = strlen(told);

    (void)ctx;
    snprintf(told + n, sizeof told - n, "%c %.*s\n", signs[line->direction],
             (int)line->text.len, line->text.ptr);
}

static void
init(lw_transcript *t, bool bodies)
{
    lw_send_opts o;

    lw_send_opts_init(&o);
    o.transcript = keep_line;
    o.transcript_bodies = bodies;
    lw_transcript_init(t, &lw_alloc_default, &o);
    told[0] = '\0';
}

static const lw_slice dialogue[] = {
    { "AUTH PLAIN ", 11, LW_SLICE_COMMAND }, { "AGFubgBzZWNyZXQ=", 16, LW_SLICE_SECRET },
    { "\r\n", 2, LW_SLICE_COMMAND },         { "MAIL FROM:<a>\r\nDATA\r\n", 21, LW_SLICE_COMMAND },
    { "one\r\n", 5, LW_SLICE_BODY },         { ".two\r\n", 6, LW_SLICE_BODY },
    { ".\r\n", 3, LW_SLICE_COMMAND },
};

/* the slices are sent in pieces of n octets */
static void
send_in_pieces(lw_transcript *t, size_t piece)
{
    lw_slice v[LW_COUNT(dialogue)];
    int first = 0, count = LW_COUNT(dialogue);

    memcpy(v, dialogue, sizeof v);
    while (first < count) {
        size_t left = piece;

        lw_transcript_sent(t, v + first, count - first, piece);
        while (first < count && v[first].len <= left)
            left -= v[first++].len;
        if (first < count) {
            v[first].ptr += left;
            v[first].len -= left;
        }
    }
}

static void
test_transcript__sent_at_each_split_same_lines(void **state)
{
    static const char brief[] = "C AUTH PLAIN <redacted>\nC MAIL FROM:<a>\nC DATA\n"
                                "* 11 octets of message data\nC .\n";
    static const char whole[] = "C AUTH PLAIN <redacted>\nC MAIL FROM:<a>\nC DATA\n"
                                "C one\nC .two\nC .\n";
    lw_transcript t;

    (void)state;
    for (size_t piece = 1; piece < 80; piece++) {
        init(&t, false);
        send_in_pieces(&t, piece);
        assert_string_equal(told, brief);
        lw_transcript_deinit(&t);
        init(&t, true);
        send_in_pieces(&t, piece);
        assert_string_equal(told, whole);
        lw_transcript_deinit(&t);
    }
}

static void
test_transcript__endless_line_is_cut(void **state)
{
    static char big[3 * LW_TRANSCRIPT_LINE_MAX + 10];
    lw_transcript t;
    size_t lines = 0;

    (void)state;
    memset(big, 'x', sizeof big);
    init(&t, false);
    for (size_t at = 0; at < sizeof big; at += 1000)
        lw_transcript_came(&t, (lw_span){ big + at, sizeof big - at < 1000 ? sizeof big - at
                                                                          : 1000 });
    lw_transcript_flush(&t);
    for (const char *p = told; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    assert_int_equal(lines, 4);
    assert_int_equal(strlen(told), sizeof big + 4 * 3);
    lw_transcript_deinit(&t);
}

static void
test_transcript__notes_are_printable(void **state)
{
    lw_transcript t;

    (void)state;
    init(&t, false);
    lw_transcript_note(&t, "%s", "a\033[31m\r\nb");
    assert_null(strchr(told, '\033'));
    assert_null(strchr(told, '\r'));
    lw_transcript_deinit(&t);
}

/* a SCRAM challenge is all that is needed to try passwords out */
static void
test_transcript__challenges_are_hidden(void **state)
{
    static char came[20000];
    const char *want = "S 250-hi\nS 334 <redacted>\nS 334 <redacted>\nS 334\nS 334 <redacted>\n"
                       "S 235 334 is no code here\n";
    lw_transcript t;

    (void)state;
    strcpy(came, "250-hi\r\n334 cj1mb28scz1iYXI=\r\n334 x\n334\r\n334 ");
    memset(came + strlen(came), 'A', 12288);
    strcat(came, "\r\n235 334 is no code here\r\n");
    for (size_t piece = 1; piece < 30; piece++) {
        init(&t, false);
        for (size_t at = 0, n; at < strlen(came); at += n) {
            n = strlen(came) - at < piece ? strlen(came) - at : piece;
            lw_transcript_came(&t, (lw_span){ came + at, n });
        }
        lw_transcript_flush(&t);
        assert_string_equal(told, want);
        lw_transcript_deinit(&t);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transcript__sent_at_each_split_same_lines),
        cmocka_unit_test(test_transcript__challenges_are_hidden),
        cmocka_unit_test(test_transcript__endless_line_is_cut),
        cmocka_unit_test(test_transcript__notes_are_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
