/* SPDX-License-Identifier: MIT */
/*
 * tests/mime/test_rfc.c - the examples of RFC 5322 A, 2047 8, 2231 and 6532, read and written
 *
 * Each is read as the RFC says; what can be written is given to our composer, and our reader has
 * to find in the result what the RFC says.  Lone fields and lists stand in test_address.c and
 * test_read_header.c.
 */
#include "mime/read_support.h"

#define HELLO "\nThis is a message just to say hello.\nSo, \"Hello\".\n"
#define HELLO_READ "is text/plain 7bit\nbody This is a message just to say hello.\\nSo, \"Hello\".\\n\nend 0\n"

typedef struct sample {
    const char *name, *message, *want;
} sample;

/* ---- RFC 5322 appendix A ------------------------------------------------------------------------- */

static const sample appendix_a[] = {
    { "A.1.1",
      "From: John Doe <jdoe@machine.example>\n"
      "To: Mary Smith <mary@example.net>\n"
      "Subject: Saying Hello\n"
      "Date: Fri, 21 Nov 1997 09:55:06 -0600\n"
      "Message-ID: <1234@local.machine.example>\n" HELLO,
      "part 0 in 0 depth 0\n"
      "1 From=John Doe <jdoe@machine.example>\n"
      "2 To=Mary Smith <mary@example.net>\n"
      "3 Subject=Saying Hello\n"
      "4 Date=Fri, 21 Nov 1997 09:55:06 -0600\n"
      "5 Message-ID=<1234@local.machine.example>\n" HELLO_READ },
    { "A.1.1 with a sender",
      "From: John Doe <jdoe@machine.example>\n"
      "Sender: Michael Jones <mjones@machine.example>\n"
      "To: Mary Smith <mary@example.net>\n"
      "Subject: Saying Hello\n"
      "Date: Fri, 21 Nov 1997 09:55:06 -0600\n"
      "Message-ID: <1234@local.machine.example>\n" HELLO,
      "part 0 in 0 depth 0\n"
      "1 From=John Doe <jdoe@machine.example>\n"
      "2 Sender=Michael Jones <mjones@machine.example>\n"
      "3 To=Mary Smith <mary@example.net>\n"
      "4 Subject=Saying Hello\n"
      "5 Date=Fri, 21 Nov 1997 09:55:06 -0600\n"
      "6 Message-ID=<1234@local.machine.example>\n" HELLO_READ },
    { "A.1.2",
      "From: \"Joe Q. Public\" <john.q.public@example.com>\n"
      "To: Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>\n"
      "Cc: <boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>\n"
      "Date: Tue, 1 Jul 2003 10:52:37 +0200\n"
      "Message-ID: <5678.21-Nov-1997@example.com>\n"
      "\nHi everyone.\n",
      "part 0 in 0 depth 0\n"
      "1 From=\"Joe Q. Public\" <john.q.public@example.com>\n"
      "2 To=Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>\n"
      "3 Cc=<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>\n"
      "4 Date=Tue, 1 Jul 2003 10:52:37 +0200\n"
      "5 Message-ID=<5678.21-Nov-1997@example.com>\n"
      "is text/plain 7bit\nbody Hi everyone.\\n\nend 0\n" },
    { "A.1.3",
      "From: Pete <pete@silly.example>\n"
      "To: A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;\n"
      "Cc: Undisclosed recipients:;\n"
      "Date: Thu, 13 Feb 1969 23:32:54 -0330\n"
      "Message-ID: <testabcd.1234@silly.example>\n"
      "\nTesting.\n",
      "part 0 in 0 depth 0\n"
      "1 From=Pete <pete@silly.example>\n"
      "2 To=A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;\n"
      "3 Cc=Undisclosed recipients:;\n"
      "4 Date=Thu, 13 Feb 1969 23:32:54 -0330\n"
      "5 Message-ID=<testabcd.1234@silly.example>\n"
      "is text/plain 7bit\nbody Testing.\\n\nend 0\n" },
    { "A.2 the reply",
      "From: Mary Smith <mary@example.net>\n"
      "To: John Doe <jdoe@machine.example>\n"
      "Reply-To: \"Mary Smith: Personal Account\" <smith@home.example>\n"
      "Subject: Re: Saying Hello\n"
      "Date: Fri, 21 Nov 1997 10:01:10 -0600\n"
      "Message-ID: <3456@example.net>\n"
      "In-Reply-To: <1234@local.machine.example>\n"
      "References: <1234@local.machine.example>\n"
      "\nThis is a reply to your hello.\n",
      "part 0 in 0 depth 0\n"
      "1 From=Mary Smith <mary@example.net>\n"
      "2 To=John Doe <jdoe@machine.example>\n"
      "3 Reply-To=\"Mary Smith: Personal Account\" <smith@home.example>\n"
      "4 Subject=Re: Saying Hello\n"
      "5 Date=Fri, 21 Nov 1997 10:01:10 -0600\n"
      "6 Message-ID=<3456@example.net>\n"
      "7 In-Reply-To=<1234@local.machine.example>\n"
      "8 References=<1234@local.machine.example>\n"
      "is text/plain 7bit\nbody This is a reply to your hello.\\n\nend 0\n" },
    { "A.2 the reply to the reply",
      "To: \"Mary Smith: Personal Account\" <smith@home.example>\n"
      "From: John Doe <jdoe@machine.example>\n"
      "Subject: Re: Saying Hello\n"
      "Date: Fri, 21 Nov 1997 11:00:00 -0600\n"
      "Message-ID: <abcd.1234@local.machine.test>\n"
      "In-Reply-To: <3456@example.net>\n"
      "References: <1234@local.machine.example> <3456@example.net>\n"
      "\nThis is a reply to your reply.\n",
      "part 0 in 0 depth 0\n"
      "1 To=\"Mary Smith: Personal Account\" <smith@home.example>\n"
      "2 From=John Doe <jdoe@machine.example>\n"
      "3 Subject=Re: Saying Hello\n"
      "4 Date=Fri, 21 Nov 1997 11:00:00 -0600\n"
      "5 Message-ID=<abcd.1234@local.machine.test>\n"
      "6 In-Reply-To=<3456@example.net>\n"
      "7 References=<1234@local.machine.example> <3456@example.net>\n"
      "is text/plain 7bit\nbody This is a reply to your reply.\\n\nend 0\n" },
    { "A.3 resent",
      "Resent-From: Mary Smith <mary@example.net>\n"
      "Resent-To: Jane Brown <j-brown@other.example>\n"
      "Resent-Date: Mon, 24 Nov 1997 14:22:01 -0800\n"
      "Resent-Message-ID: <78910@example.net>\n"
      "From: John Doe <jdoe@machine.example>\n"
      "To: Mary Smith <mary@example.net>\n"
      "Subject: Saying Hello\n"
      "Date: Fri, 21 Nov 1997 09:55:06 -0600\n"
      "Message-ID: <1234@local.machine.example>\n" HELLO,
      "part 0 in 0 depth 0\n"
      "1 Resent-From=Mary Smith <mary@example.net>\n"
      "2 Resent-To=Jane Brown <j-brown@other.example>\n"
      "3 Resent-Date=Mon, 24 Nov 1997 14:22:01 -0800\n"
      "4 Resent-Message-ID=<78910@example.net>\n"
      "5 From=John Doe <jdoe@machine.example>\n"
      "6 To=Mary Smith <mary@example.net>\n"
      "7 Subject=Saying Hello\n"
      "8 Date=Fri, 21 Nov 1997 09:55:06 -0600\n"
      "9 Message-ID=<1234@local.machine.example>\n" HELLO_READ },
    { "A.4",
      "Received: from x.y.test\n"
      "   by example.net\n"
      "   via TCP\n"
      "   with ESMTP\n"
      "   id ABC12345\n"
      "   for <mary@example.net>;  21 Nov 1997 10:05:43 -0600\n"
      "Received: from node.example by x.y.test; 21 Nov 1997 10:01:22 -0600\n"
      "From: John Doe <jdoe@node.example>\n"
      "To: Mary Smith <mary@example.net>\n"
      "Subject: Saying Hello\n"
      "Date: Fri, 21 Nov 1997 09:55:06 -0600\n"
      "Message-ID: <1234@local.node.example>\n" HELLO,
      "part 0 in 0 depth 0\n"
      "1 Received=from x.y.test   by example.net   via TCP   with ESMTP   id ABC12345   for "
      "<mary@example.net>;  21 Nov 1997 10:05:43 -0600\n"
      "7 Received=from node.example by x.y.test; 21 Nov 1997 10:01:22 -0600\n"
      "8 From=John Doe <jdoe@node.example>\n"
      "9 To=Mary Smith <mary@example.net>\n"
      "10 Subject=Saying Hello\n"
      "11 Date=Fri, 21 Nov 1997 09:55:06 -0600\n"
      "12 Message-ID=<1234@local.node.example>\n" HELLO_READ },
    { "A.5",
      "From: Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>\n"
      "To:A Group(Some people)\n"
      "     :Chris Jones <c@(Chris's host.)public.example>,\n"
      "         joe@example.org,\n"
      "  John <jdoe@one.test> (my dear friend); (the end of the group)\n"
      "Cc:(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;\n"
      "Date: Thu,\n"
      "      13\n"
      "        Feb\n"
      "          1969\n"
      "      23:32\n"
      "               -0330 (Newfoundland Time)\n"
      "Message-ID:              <testabcd.1234@silly.test>\n"
      "\nTesting.\n",
      "part 0 in 0 depth 0\n"
      "1 From=Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>\n"
      "2 To=A Group(Some people)     :Chris Jones <c@(Chris's host.)public.example>,         "
      "joe@example.org,  John <jdoe@one.test> (my dear friend); (the end of the group)\n"
      "6 Cc=(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;\n"
      "7 Date=Thu,      13        Feb          1969      23:32               -0330 "
      "(Newfoundland Time)\n"
      "13 Message-ID=<testabcd.1234@silly.test>\n"
      "is text/plain 7bit\nbody Testing.\\n\nend 0\n" },
    { "A.6.1",
      "From: Joe Q. Public <john.q.public@example.com>\n"
      "To: Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example\n"
      "Date: Tue, 1 Jul 2003 10:52:37 +0200\n"
      "Message-ID: <5678.21-Nov-1997@example.com>\n"
      "\nHi everyone.\n",
      "part 0 in 0 depth 0\n"
      "1 From=Joe Q. Public <john.q.public@example.com>\n"
      "2 To=Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example\n"
      "3 Date=Tue, 1 Jul 2003 10:52:37 +0200\n"
      "4 Message-ID=<5678.21-Nov-1997@example.com>\n"
      "is text/plain 7bit\nbody Hi everyone.\\n\nend 0\n" },
    { "A.6.2",
      "From: John Doe <jdoe@machine.example>\n"
      "To: Mary Smith <mary@example.net>\n"
      "Subject: Saying Hello\n"
      "Date: 21 Nov 97 09:55:06 GMT\n"
      "Message-ID: <1234@local.machine.example>\n" HELLO,
      "part 0 in 0 depth 0\n"
      "1 From=John Doe <jdoe@machine.example>\n"
      "2 To=Mary Smith <mary@example.net>\n"
      "3 Subject=Saying Hello\n"
      "4 Date=21 Nov 97 09:55:06 GMT\n"
      "5 Message-ID=<1234@local.machine.example>\n" HELLO_READ },
    { "A.6.3", /* the second line of To holds white space alone: no end of the header */
      "From  : John Doe <jdoe@machine(comment).  example>\n"
      "To    : Mary Smith\n"
      "  \n"
      "          <mary@example.net>\n"
      "Subject     : Saying Hello\n"
      "Date  : Fri, 21 Nov 1997 09(comment):   55  :  06 -0600\n"
      "Message-ID  : <1234   @   local(blah)  .machine .example>\n" HELLO,
      "part 0 in 0 depth 0\n"
      "1 From=John Doe <jdoe@machine(comment).  example>\n"
      "2 To=Mary Smith            <mary@example.net>\n"
      "5 Subject=Saying Hello\n"
      "6 Date=Fri, 21 Nov 1997 09(comment):   55  :  06 -0600\n"
      "7 Message-ID=<1234   @   local(blah)  .machine .example>\n" HELLO_READ },
};

static void
check_samples(const sample *rows, size_t n)
{
    lw_reader_opts o;
    lw_code rc;
    int bad = 0;

    lw_reader_opts_init(&o);
    for (size_t i = 0; i < n; i++) {
        char *got = read_all_ways(rows[i].name, &o, lw_span_str(rows[i].message), &rc);
        if (rc != LW_DONE || strcmp(got, rows[i].want) != 0) {
            print_error("%s:\n--- got\n%s--- want\n%s", rows[i].name, got, rows[i].want);
            bad++;
        }
        free(got);
    }
    assert_int_equal(bad, 0);
}

static void
test_messages__of_rfc5322_appendix_a_read(void **state)
{
    check_samples(appendix_a, LW_COUNT(appendix_a));
}

/* the fields "Name: value\n" of header, up to the first that is refused */
static lw_code
set_fields(lw_message *m, const char *header)
{
    lw_span rest = lw_span_str(header), line;
    lw_code rc = LW_OK;
    char field[1024];

    while (rc >= 0 && lw_span_token(&rest, '\n', &line) && line.len > 0) {
        assert_true(line.len < sizeof field);
        memcpy(field, line.ptr, line.len);
        field[line.len] = '\0';
        char *colon = strchr(field, ':');
        *colon = '\0';
        rc = lw_message_header(m, field, colon + 1);
    }
    return rc;
}

/* a message composed of the fields of header; NULL: refused, said in e */
static char *
compose(const char *header, lw_error *e)
{
    lw_message *m = lw_message_new();
    lw_code rc = set_fields(m, header);
    char *all = NULL;
    size_t len;

    if (rc >= 0)
        rc = lw_message_text(m, "Testing.");
    *e = *lw_message_error(m);
    if (rc >= 0)
        all = test_render(m, &len);
    lw_message_free(m);
    return all;
}

/* the fields of the header as the reader finds them, "Name=value\n"; without MIME-Version and Content- */
static char *
fields_read(const char *message)
{
    lw_reader_opts o;
    lw_read_event ev;
    lw_reader *r;
    size_t used;
    lw_buf out;

    lw_buf_init(&out, NULL, 1 << 20);
    lw_reader_opts_init(&o);
    assert_int_equal(lw_reader_new(&o, &r), LW_OK);
    for (lw_span in = lw_span_str(message); in.len > 0;) {
        lw_code rc = lw_reader_feed(r, in.ptr, in.len, &used);
        assert_true(rc == LW_OK || rc == LW_AGAIN);
        in = (lw_span){ in.ptr + used, in.len - used };
        while (lw_reader_next(r, &ev) == LW_OK) {
            assert_int_not_equal(ev.kind, LW_READ_DEFECT);
            if (ev.kind != LW_READ_FIELD || lw_span_eq(ev.name, LW_LIT("MIME-Version"))
                || lw_span_starts_nocase(ev.name, LW_LIT("Content-")))
                continue;
            lw_buf_add(&out, ev.name);
            lw_buf_add(&out, LW_LIT("="));
            lw_buf_add(&out, ev.value);
            lw_buf_add(&out, LW_LIT("\n"));
        }
    }
    lw_reader_free(r);
    return lw_buf_take(&out);
}

/* The writer's order is its own; groups are flattened, comments, routes and obsolete forms go. */
static const sample written[] = {
    { "A.1.1 with a sender",
      "From: John Doe <jdoe@machine.example>\n"
      "Sender: Michael Jones <mjones@machine.example>\n"
      "To: Mary Smith <mary@example.net>\n"
      "Subject: Saying Hello\n"
      "Date: Fri, 21 Nov 1997 09:55:06 -0600\n"
      "Message-ID: <1234@local.machine.example>\n",
      "Date=Fri, 21 Nov 1997 09:55:06 -0600\n"
      "From=John Doe <jdoe@machine.example>\n"
      "To=Mary Smith <mary@example.net>\n"
      "Subject=Saying Hello\n"
      "Message-ID=<1234@local.machine.example>\n"
      "Sender=Michael Jones <mjones@machine.example>\n" },
    { "A.1.2",
      "From: \"Joe Q. Public\" <john.q.public@example.com>\n"
      "To: Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>\n"
      "Cc: <boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>\n"
      "Date: Tue, 1 Jul 2003 10:52:37 +0200\n"
      "Message-ID: <5678.21-Nov-1997@example.com>\n",
      "Date=Tue, 1 Jul 2003 10:52:37 +0200\n"
      "From=\"Joe Q. Public\" <john.q.public@example.com>\n"
      "To=Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>\n"
      "Cc=boss@nil.test, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>\n"
      "Message-ID=<5678.21-Nov-1997@example.com>\n" },
    { "A.1.3 without the empty group",
      "From: Pete <pete@silly.example>\n"
      "To: A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;\n"
      "Date: Thu, 13 Feb 1969 23:32:54 -0330\n"
      "Message-ID: <testabcd.1234@silly.example>\n",
      "Date=Thu, 13 Feb 1969 23:32:54 -0330\n"
      "From=Pete <pete@silly.example>\n"
      "To=Ed Jones <c@a.test>, joe@where.test, John <jdoe@one.test>\n"
      "Message-ID=<testabcd.1234@silly.example>\n" },
    { "A.2 the reply to the reply",
      "To: \"Mary Smith: Personal Account\" <smith@home.example>\n"
      "From: John Doe <jdoe@machine.example>\n"
      "Subject: Re: Saying Hello\n"
      "Date: Fri, 21 Nov 1997 11:00:00 -0600\n"
      "Message-ID: <abcd.1234@local.machine.test>\n"
      "In-Reply-To: <3456@example.net>\n"
      "References: <1234@local.machine.example> <3456@example.net>\n",
      "Date=Fri, 21 Nov 1997 11:00:00 -0600\n"
      "From=John Doe <jdoe@machine.example>\n"
      "To=\"Mary Smith: Personal Account\" <smith@home.example>\n"
      "Subject=Re: Saying Hello\n"
      "Message-ID=<abcd.1234@local.machine.test>\n"
      "In-Reply-To=<3456@example.net>\n"
      "References=<1234@local.machine.example> <3456@example.net>\n" },
    { "A.5",
      "From: Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>\n"
      "To:A Group(Some people)     :Chris Jones <c@(Chris's host.)public.example>,"
      "joe@example.org,  John <jdoe@one.test> (my dear friend); (the end of the group)\n"
      "Date: Thu,  13  Feb  1969  23:32  -0330 (Newfoundland Time)\n"
      "Message-ID:              <testabcd.1234@silly.test>\n",
      "Date=Thu, 13 Feb 1969 23:32:00 -0330\n"
      "From=Pete <pete@silly.test>\n"
      "To=Chris Jones <c@public.example>, joe@example.org, John <jdoe@one.test>\n"
      "Message-ID=<testabcd.1234@silly.test>\n" },
    { "A.6.1",
      "From: Joe Q. Public <john.q.public@example.com>\n"
      "To: Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example\n"
      "Date: Tue, 1 Jul 2003 10:52:37 +0200\n"
      "Message-ID: <5678.21-Nov-1997@example.com>\n",
      "Date=Tue, 1 Jul 2003 10:52:37 +0200\n"
      "From=\"Joe Q. Public\" <john.q.public@example.com>\n"
      "To=Mary Smith <mary@example.net>, jdoe@test.example\n"
      "Message-ID=<5678.21-Nov-1997@example.com>\n" },
    { "A.6.3 addresses",
      "From: John Doe <jdoe@machine(comment).  example>\n"
      "To: Mary Smith              <mary@example.net>\n"
      "Date: Fri, 21 Nov 1997 09:55:06 -0600\n"
      "Message-ID: <1234@local.machine.example>\n",
      "Date=Fri, 21 Nov 1997 09:55:06 -0600\n"
      "From=John Doe <jdoe@machine.example>\n"
      "To=Mary Smith <mary@example.net>\n"
      "Message-ID=<1234@local.machine.example>\n" },
    /* RFC 2047 section 8: what is displayed, given to the writer, has to be displayed again */
    { "2047 8, the first",
      "From: Keith Moore <moore@cs.utk.edu>\n"
      "To: Keld Jørn Simonsen <keld@dkuug.dk>\n"
      "CC: André Pirard <PIRARD@vm1.ulg.ac.be>\n"
      "Subject: If you can read this you understand the example.\n"
      "Date: Tue, 1 Jul 2003 10:52:37 +0200\n"
      "Message-ID: <a@b.example>\n",
      "Date=Tue, 1 Jul 2003 10:52:37 +0200\n"
      "From=Keith Moore <moore@cs.utk.edu>\n"
      "To=Keld Jørn Simonsen <keld@dkuug.dk>\n"
      "Cc=André Pirard <PIRARD@vm1.ulg.ac.be>\n"
      "Subject=If you can read this you understand the example.\n"
      "Message-ID=<a@b.example>\n" },
    { "2047 8, the second",
      "From: Olle Järnefors <ojarnef@admin.kth.se>\n"
      "To: ietf-822@dimacs.rutgers.edu, ojarnef@admin.kth.se\n"
      "Subject: Time for ISO 10646?\n"
      "Date: Tue, 1 Jul 2003 10:52:37 +0200\n"
      "Message-ID: <a@b.example>\n",
      "Date=Tue, 1 Jul 2003 10:52:37 +0200\n"
      "From=Olle Järnefors <ojarnef@admin.kth.se>\n"
      "To=ietf-822@dimacs.rutgers.edu, ojarnef@admin.kth.se\n"
      "Subject=Time for ISO 10646?\n"
      "Message-ID=<a@b.example>\n" },
    { "2047 8, the third",
      "To: Dave Crocker <dcrocker@mordor.stanford.edu>\n"
      "Cc: ietf-822@dimacs.rutgers.edu, paf@comsol.se\n"
      "From: Patrik Fältström <paf@nada.kth.se>\n"
      "Subject: Re: RFC-HDR care and feeding\n"
      "Date: Tue, 1 Jul 2003 10:52:37 +0200\n"
      "Message-ID: <a@b.example>\n",
      "Date=Tue, 1 Jul 2003 10:52:37 +0200\n"
      "From=Patrik Fältström <paf@nada.kth.se>\n"
      "To=Dave Crocker <dcrocker@mordor.stanford.edu>\n"
      "Cc=ietf-822@dimacs.rutgers.edu, paf@comsol.se\n"
      "Subject=Re: RFC-HDR care and feeding\n"
      "Message-ID=<a@b.example>\n" },
    { "2047 8, the fourth: the comment is no name, and goes",
      "From: Nathaniel Borenstein <nsb@thumper.bellcore.com> (םולש ןב ילטפנ)\n"
      "To: Greg Vaudreuil <gvaudre@NRI.Reston.VA.US>, Ned Freed <ned@innosoft.com>, "
      "Keith Moore <moore@cs.utk.edu>\n"
      "Subject: Test of new header generator\n"
      "X-Comment: םולש ןב ילטפנ\n"
      "Date: Tue, 1 Jul 2003 10:52:37 +0200\n"
      "Message-ID: <a@b.example>\n",
      "Date=Tue, 1 Jul 2003 10:52:37 +0200\n"
      "From=Nathaniel Borenstein <nsb@thumper.bellcore.com>\n"
      "To=Greg Vaudreuil <gvaudre@NRI.Reston.VA.US>, Ned Freed <ned@innosoft.com>, "
      "Keith Moore <moore@cs.utk.edu>\n"
      "Subject=Test of new header generator\n"
      "Message-ID=<a@b.example>\n"
      "X-Comment=םולש ןב ילטפנ\n" },
};

static void
test_fields__of_the_rfcs_written_and_read_back(void **state)
{
    lw_error e;

    for (size_t i = 0; i < LW_COUNT(written); i++) {
        char *all = compose(written[i].message, &e), *got;
        if (all == NULL)
            fail_msg("%s: %s", written[i].name, e.text);
        got = fields_read(all);
        if (strcmp(got, written[i].want) != 0)
            fail_msg("%s:\n--- got\n%s--- want\n%s--- written\n%s", written[i].name, got,
                     written[i].want, all);
        free(got);
        free(all);
    }
}

/* What RFC 5322 4 has is to be read, never to be generated: where it cannot be put right, it is
 * refused. */
static void
test_fields__obsolete_ones_not_written(void **state)
{
    static const sample rows[] = {
        { "A.1.3, A.5 an empty group", "Cc: Undisclosed recipients:;\n",
          "cc: no address in \" Undisclosed recipients:;\"" },
        { "A.6.2 a year of two digits", "Date: 21 Nov 97 09:55:06 GMT\n",
          "date: \" 21 Nov 97 09:55:06 GMT\" is not a date as in \"Tue, 1 Jul 2025 10:52:37 +0200\"" },
        { "A.6.3 comments in a date", "Date: Fri, 21 Nov 1997 09(comment):   55  :  06 -0600\n",
          "date: \" Fri, 21 Nov 1997 09(comment):   55  :  06 -0600\" is not a date as in "
          "\"Tue, 1 Jul 2025 10:52:37 +0200\"" },
        { "A.6.3 spaces in an identifier", "Message-ID: <1234   @   local(blah)  .machine .example>\n",
          "message-id: \" <1234   @   local(blah)  .machine .example>\" is not of the form <left@right>" },
    };
    lw_error e;

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        assert_null(compose(rows[i].message, &e));
        if (strcmp(e.text, rows[i].want) != 0)
            fail_msg("%s:\n  got  %s\n  want %s", rows[i].name, e.text, rows[i].want);
    }
}

/* ---- RFC 2231: parameters as fields of a message, and names as we write them ----------------------- */

static void
test_parameters__of_rfc2231_read_from_a_message(void **state)
{
    static const sample rows[] = {
        { "3", "Content-Type: message/external-body; access-type=URL;\n URL*0=\"ftp://\";\n"
          " URL*1=\"cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar\"; name*0=a; name*1=\" b\"\n\n",
          "a b" },
        { "3, semantically identical", "Content-Type: message/external-body; access-type=URL;\n"
          "  URL=\"ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar\"; name=\"a b\"\n\n", "a b" },
        { "4, in the disposition", "Content-Disposition: attachment;\n"
          " filename*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A\n\n", "This is ***fun***" },
        { "4.1, in the disposition", "Content-Disposition: attachment;\n"
          " filename*0*=us-ascii'en'This%20is%20even%20more%20;\n"
          " filename*1*=%2A%2A%2Afun%2A%2A%2A%20;\n filename*2=\"isn't it!\"\n\n",
          "This is even more ***fun*** isn't it!" },
        { "4.1, the other way round", "Content-Disposition: attachment;\n filename*2=\"isn't it!\";\n"
          " filename*1*=%2A%2A%2Afun%2A%2A%2A%20;\n"
          " FILENAME*0*=us-ascii'en'This%20is%20even%20more%20\n\n",
          "This is even more ***fun*** isn't it!" },
        { "4, no language", "Content-Disposition: attachment; filename*=utf-8''%e2%82%ac\n\n", "€" },
        { "4, neither", "Content-Disposition: attachment; filename*=''a%20b\n\n", "a b" },
        { "the disposition goes first", "Content-Type: a/b; name=x\n"
          "Content-Disposition: attachment; filename*=utf-8'de'%c3%bc\n\n", "ü" },
    };
    lw_reader_opts o;

    lw_reader_opts_init(&o);
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        char name[200];
        lw_code rc;
        char *got = read_all_ways(rows[i].name, &o, lw_span_str(rows[i].message), &rc);
        snprintf(name, sizeof name, " name %s\n", rows[i].want);
        if (strstr(got, name) == NULL)
            fail_msg("%s: no \"%s\" in\n%s", rows[i].name, rows[i].want, got);
        free(got);
    }
}

/* As RFC 2231 wants it in the disposition, and in encoded words in the type, as Outlook does:
 * both give the name. */
static void
test_names__of_rfc2231_written_and_read_back(void **state)
{
    static const struct {
        const char *name, *how; /* how: what must stand in the header */
    } rows[] = {
        { "ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar",
          "filename=\"ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar\"" },
        { "This is ***fun***", "filename=\"This is ***fun***\"" },
        { "This is even more ***fun*** isn't it!",
          "filename=\"This is even more ***fun*** isn't it!\"" },
        { "ünüsual, isn't it; \"so\"%20*.txt",
          "filename*0*=UTF-8''%C3%BCn%C3%BCsual%2C%20isn%27t%20it%3B%20%22so%22%2520;\r\n filename*1*=" },
        { "Ein sehr langer Name, der über mehrere Zeilen geht – und noch weiter, bis er zu Ende ist.pdf",
          "filename*0*=UTF-8''Ein%20sehr%20langer%20Name%2C%20der%20" },
        { "测试文件测试文件测试文件测试文件测试文件测试文件测试文件.pdf", "filename*1*=%" },
        { "=?UTF-8?Q?looks_like_a_word?=", "filename*=UTF-8''%3D%3FUTF-8%3FQ%3F" },
    };

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_message *m = lw_message_new();
        lw_attachment how = { .name = rows[i].name, .type = "application/x-stuff" };
        char *all, *param, *field;
        size_t len;

        assert_int_equal(lw_message_from(m, "a@b.example"), LW_OK);
        assert_int_equal(lw_message_to(m, "c@d.example"), LW_OK);
        assert_int_equal(lw_message_attach_memory(m, "x", 1, &how), LW_OK);
        all = test_render(m, &len);
        if (strstr(all, rows[i].how) == NULL)
            fail_msg("no %s in\n%s", rows[i].how, all);
        const char *const fields[] = { "Content-Type: application", "Content-Disposition:" };
        const char *const params[] = { "name", "filename" };
        for (size_t k = 0; k < 2; k++) {
            lw_buf value;
            assert_non_null(field = strstr(all, fields[k]));
            field = strchr(field, ':') + 1;
            lw_buf_init(&value, NULL, 4096);
            for (; field[0] != '\r' || field[2] == ' '; field++)
                if (field[0] != '\r' && field[0] != '\n')
                    lw_buf_add_char(&value, field[0]);
            assert_int_equal(lw_header_param(lw_buf_span(&value), params[k], NULL, &param), LW_OK);
            assert_non_null(param);
            assert_string_equal(param, rows[i].name);
            lw_free(param);
            lw_buf_deinit(&value);
        }
        free(all);
        lw_message_free(m);
    }
}

/* ---- RFC 6532 ------------------------------------------------------------------------------------------ */

static const sample rfc6532[] = {
    { "3.2 (1) unstructured text", "Subject: Grüße, 世界\n\n",
      "part 0 in 0 depth 0\n1 Subject=Grüße, 世界\n! header-8bit in 0 line 1\nis text/plain 7bit\nend 0\n" },
    { "3.2 (2) atoms, (3) quoted strings, (4) domains",
      "From: Zoë \"Ł. ☃\" <阿Q@例子.example>\nMessage-ID: <ü@例子.example>\n\n",
      "part 0 in 0 depth 0\n1 From=Zoë \"Ł. ☃\" <阿Q@例子.example>\n! header-8bit in 0 line 1\n"
      "2 Message-ID=<ü@例子.example>\nis text/plain 7bit\nend 0\n" },
    { "3.2 ctext, dtext", "From: a@b.example (Ünsinn)\nTo: a@[x:ü]\n\n",
      "part 0 in 0 depth 0\n1 From=a@b.example (Ünsinn)\n! header-8bit in 0 line 1\n2 To=a@[x:ü]\n"
      "is text/plain 7bit\nend 0\n" },
    { "3.2 \"for\" of Received", "Received: from a by b for <ü@c.example>; 21 Nov 1997 10:05:43 -0600\n\n",
      "part 0 in 0 depth 0\n1 Received=from a by b for <ü@c.example>; "
      "21 Nov 1997 10:05:43 -0600\n! header-8bit in 0 line 1\nis text/plain 7bit\nend 0\n" },
    { "3.2 names of fields stay ASCII", "Subject: x\nÜber: y\n\nz\n",
      "part 0 in 0 depth 0\n1 Subject=x\nis text/plain 7bit\n! no-separator in 0 line 2\n"
      "! body-8bit in 0 line 2\nbody Über: y\\n\\nz\\n\nend 0\n" },
    { "3.2 no UTF-8", "Subject: \xfc\n\n",
      "part 0 in 0 depth 0\n1 Subject=\xef\xbf\xbd\n! header-8bit in 0 line 1\n"
      "! header-not-utf8 in 0 line 1\nis text/plain 7bit\nend 0\n" },
    { "3.6 a word decodes to what would be syntax: the raw value is the one to parse",
      "From: =?UTF-8?Q?a=2C_b=40c.de?= <x@y.example>\n\n",
      "part 0 in 0 depth 0\n1 From=a, b@c.de <x@y.example>\nis text/plain 7bit\nend 0\n" },
};

static void
test_messages__of_rfc6532_read(void **state)
{
    check_samples(rfc6532, LW_COUNT(rfc6532));
}

/* text of ours is encoded words whatever else the message needs; addresses stand as they are */
static void
test_fields__of_rfc6532_written_and_read_back(void **state)
{
    static const struct {
        const char *name, *header, *want, *read;
        bool utf8;
    } rows[] = {
        { "text alone", "From: Zoë <z@a.example>\nTo: b@c.example\nSubject: Grüße\n",
          "From: =?UTF-8?Q?Zo=C3=AB?= <z@a.example>\r\n", "From=Zoë <z@a.example>\n", false },
        { "a local part", "From: Zoë <zoë@a.example>\nTo: b@c.example\n",
          "From: =?UTF-8?Q?Zo=C3=AB?= <zoë@a.example>\r\n", "From=Zoë <zoë@a.example>\n", true },
        { "a quoted local part", "From: a@b.example\nTo: \"阿 Q\"@c.example\n",
          "To: \"阿 Q\"@c.example\r\n", "To=\"阿 Q\"@c.example\n", true },
        { "a field that holds addresses", "From: a@b.example\nTo: b@c.example\nReply-To: ü@c.example\n",
          "Reply-To: ü@c.example\r\n", "Reply-To=ü@c.example\n", true },
    };
    lw_error e;

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        lw_message *m = lw_message_new();
        char *all = compose(rows[i].header, &e), *got;
        if (all == NULL)
            fail_msg("%s: %s", rows[i].name, e.text);
        if (rows[i].utf8) { /* through a reader that may find header-8bit */
            lw_reader_opts o;
            lw_code rc;
            lw_reader_opts_init(&o);
            got = read_all_ways(rows[i].name, &o, lw_span_str(all), &rc);
            if (strstr(got, "header-8bit") == NULL || strstr(got, "not-utf8") != NULL)
                fail_msg("%s:\n%s", rows[i].name, got);
        } else
            got = fields_read(all);
        if (strstr(all, rows[i].want) == NULL || strstr(got, rows[i].read) == NULL)
            fail_msg("%s:\n%s\n%s", rows[i].name, all, got);
        free(got);
        assert_int_equal(set_fields(m, rows[i].header), LW_OK);
        assert_int_equal(lw_message_needs_smtputf8(m, NULL), rows[i].utf8);
        lw_message_free(m);
        free(all);
    }
}

/* 3.3: identifiers of ours are ASCII, and so are those that are given; 3.7: message/global */
static void
test_message__with_utf8_header_attached_as_global(void **state)
{
    static const char inner[] = "From: ü@a.example\r\nSubject: Grüße\r\n\r\nx\r\n";
    lw_message *m = lw_message_new();
    lw_attachment how = { .name = "m.u8msg", .type = "message/rfc822" };
    size_t len;
    lw_error e;

    assert_null(compose("From: a@b.example\nTo: c@d.example\nMessage-ID: <ü@b.example>\n", &e));
    assert_string_equal(e.text, "message-id: \" <ü@b.example>\" is not of the form <left@right>");
    assert_int_equal(lw_message_from(m, "ë@b.example"), LW_OK);
    assert_int_equal(lw_message_to(m, "c@d.example"), LW_OK);
    assert_int_equal(lw_message_attach_memory(m, inner, sizeof inner - 1, &how), LW_OK);
    char *all = test_render(m, &len);
    assert_non_null(strstr(all, "Content-Type: message/global; name=m.u8msg\r\n"));
    assert_non_null(strstr(all, "Content-Transfer-Encoding: base64\r\n"));
    /* an ASCII identifier, made from the ASCII domain */
    assert_non_null(strstr(all, "@b.example>\r\n"));
    free(all);
    lw_message_free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages__of_rfc5322_appendix_a_read),
        cmocka_unit_test(test_fields__of_the_rfcs_written_and_read_back),
        cmocka_unit_test(test_fields__obsolete_ones_not_written),
        cmocka_unit_test(test_parameters__of_rfc2231_read_from_a_message),
        cmocka_unit_test(test_names__of_rfc2231_written_and_read_back),
        cmocka_unit_test(test_messages__of_rfc6532_read),
        cmocka_unit_test(test_fields__of_rfc6532_written_and_read_back),
        cmocka_unit_test(test_message__with_utf8_header_attached_as_global),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
