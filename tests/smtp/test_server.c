/* SPDX-License-Identifier: MIT */
/* tests/smtp/test_server.c - dialogues with the server engine, the same at every split */
#include "smtp/server_peer.h"

enum { ALL_CAPS = (1 << LW_CAP_COUNT) - 1 };

typedef struct dialogue {
    const char *name;
    void (*set)(lw_smtp_server_opts *o);
    const char *in;  /* what the client sends                                    */
    const char *out; /* what the server says, without greeting and EHLO's answer */
    const char *log; /* events                                                   */
} dialogue;

static server_run run_a, run_b;

static void
full(lw_smtp_server_opts *o)
{
    o->capabilities = ALL_CAPS & ~LW_CAP_STARTTLS;
    o->auth = "PLAIN LOGIN";
    o->size_max = 1000;
}

static void
plain(lw_smtp_server_opts *o)
{
    o->capabilities = LW_CAP_NONE;
}

static void
lmtp(lw_smtp_server_opts *o)
{
    full(o);
    o->protocol = LW_PROTOCOL_LMTP;
}

static void
strict_lf(lw_smtp_server_opts *o)
{
    full(o);
    o->reject_bare_lf = true;
}

static void
policy(lw_smtp_server_opts *o)
{
    full(o);
    o->capabilities = ALL_CAPS;
    o->auth_before_tls = "";
    o->require_tls = true;
    o->require_auth = true;
}

static void
limits(lw_smtp_server_opts *o)
{
    full(o);
    o->limit_rcpt_max = 2;
    o->limit_mail_max = 2;
    o->limit_rcpt_domain_max = 2;
}

static void
few_errors(lw_smtp_server_opts *o)
{
    full(o);
    o->max_errors = 2;
}

#define EHLO "EHLO c.example\r\n"
#define BEGIN EHLO "MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\n"
#define BEGUN "250 2.1.0 OK\r\n250 2.1.5 OK\r\n"
#define L_EHLO "HELLO [c.example] esmtp\n"
#define L_BEGIN L_EHLO "MAIL <a@b.c>\nRCPT 0 <d@e.f>\n"
#define QUITTED "221 2.0.0 localhost closing connection\r\n"
#define GO "354 End data with <CR><LF>.<CR><LF>\r\n"

/* clang-format off */
static const dialogue dialogues[] = {
    { "one message", full,
      BEGIN "DATA\r\nSubject: x\r\n\r\n..dot\r\nend\r\n.\r\nQUIT\r\n",
      BEGUN GO "250 2.0.0 OK\r\n" QUITTED,
      L_BEGIN "DATA\nMESSAGE 0 [Subject: x\\r\\n\\r\\n.dot\\r\\nend\\r\\n]\nQUIT\nCLOSED OK\n" },
    { "any case, outer spaces", full,
      EHLO "mail from: <a@b.c> \r\nrCpT tO:<d@e.f>\r\ndata  \r\n.\r\nquit\t\r\n",
      BEGUN GO "250 2.0.0 OK\r\n" QUITTED,
      L_BEGIN "DATA\nMESSAGE 0 []\nQUIT\nCLOSED OK\n" },
    { "two transactions in one flight", full,
      BEGIN "DATA\r\na\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<x@y>\r\nDATA\r\nb\r\n.\r\n",
      BEGUN GO "250 2.0.0 OK\r\n" BEGUN GO "250 2.0.0 OK\r\n",
      L_BEGIN "DATA\nMESSAGE 0 [a\\r\\n]\nMAIL <>\nRCPT 0 <x@y>\nDATA\nMESSAGE 0 [b\\r\\n]\nCLOSED ELOST\n" },
    { "dots at every place", full,
      BEGIN "DATA\r\n..\r\n...\r\n.a\r\n.\ra\r\n.\r.\r\n.\nx\r\n\n.\r\nb\r.\r\n.\r\n",
      BEGUN GO "250 2.0.0 OK\r\n",
      L_BEGIN "DATA\nMESSAGE 0 [.\\r\\n..\\r\\na\\r\\n\\ra\\r\\n\\r.\\r\\n\\nx\\r\\n\\n.\\r\\nb\\r.\\r\\n]\nCLOSED ELOST\n" },
    { "no end of data but CRLF.CRLF", full,
      BEGIN "DATA\r\na\n.\nb\n.\r\nc\r\n.\nd\r.\re\r\n.\rf\r\n.\r\n",
      BEGUN GO "250 2.0.0 OK\r\n",
      L_BEGIN "DATA\nMESSAGE 0 [a\\n.\\nb\\n.\\r\\nc\\r\\n\\nd\\r.\\re\\r\\n\\rf\\r\\n]\nCLOSED ELOST\n" },
    { "bare LF refused on wish", strict_lf,
      BEGIN "DATA\r\na\nb\r\n.\r\nNOOP\r\n",
      BEGUN GO "550 5.6.0 Message holds a bare LF\r\n250 2.0.0 OK\r\n",
      L_BEGIN "DATA\nRESET\nCLOSED ELOST\n" },
    { "order", full,
      "MAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\nNOOP\r\nRSET\r\n" EHLO
      "RCPT TO:<a@b>\r\nDATA\r\nMAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\nDATA\r\nAUTH PLAIN\r\nRCPT TO:<no@b>\r\nDATA\r\n",
      NULL,
      L_EHLO "MAIL <a@b>\nRCPT 0 <no@b>\nRESET\nCLOSED ELOST\n" },
    { "EHLO in a transaction resets it", full,
      BEGIN EHLO "DATA\r\n", NULL, L_BEGIN L_EHLO "RESET\nCLOSED ELOST\n" },
    { "a refused EHLO keeps it", full,
      BEGIN "EHLO no\r\nDATA\r\n.\r\n", BEGUN "550 No\r\n" GO "250 2.0.0 OK\r\n",
      L_BEGIN "HELLO [no] esmtp\nDATA\nMESSAGE 0 []\nCLOSED ELOST\n" },
    { "RSET drops the transaction", full,
      BEGIN "RSET\r\nRSET\r\nRCPT TO:<a@b>\r\n",
      BEGUN "250 2.0.0 OK\r\n250 2.0.0 OK\r\n503 5.5.1 Bad sequence of commands\r\n",
      L_BEGIN "RESET\nCLOSED ELOST\n" },
    { "refusals go on", full,
      EHLO "MAIL FROM:<later@b>\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<no@b>\r\nRCPT TO:<later@b>\r\nRCPT TO:<d@e>\r\n",
      "451-4.7.1 Later\r\n451 4.7.1 please\r\n250 2.1.0 OK\r\n550 5.1.1 No\r\n451-4.7.1 Later\r\n451 4.7.1 please\r\n250 2.1.5 OK\r\n",
      L_EHLO "MAIL <later@b>\nMAIL <a@b.c>\nRCPT 0 <no@b>\nRCPT 0 <later@b>\nRCPT 0 <d@e>\nRESET\nCLOSED ELOST\n" },
    { "421 ends the session", full,
      BEGIN "RCPT TO:<bye@b>\r\nNOOP\r\n",
      BEGUN "421 4.3.2 Service not available, closing connection\r\n",
      L_BEGIN "RCPT 1 <bye@b>\nRESET\nCLOSED ECANCELED\n" },
    { "chunks", full,
      BEGIN "BDAT 3\r\na.\nBDAT 0\r\nBDAT 6 LAST\r\n\r\n.\r\n.BDAT 0 LAST\r\nNOOP\r\n",
      BEGUN "250 2.0.0 3 octets received\r\n250 2.0.0 0 octets received\r\n250 2.0.0 OK\r\n"
      "503 5.5.1 Bad sequence of commands\r\n250 2.0.0 OK\r\n",
      L_BEGIN "DATA bdat\nMESSAGE 0 [a.\\n\\r\\n.\\r\\n.]\nCLOSED ELOST\n" },
    { "DATA after BDAT, RSET clears", full,
      BEGIN "BDAT 1\r\nxDATA\r\nRCPT TO:<a@b>\r\nRSET\r\nMAIL FROM:<a@b>\r\n",
      BEGUN "250 2.0.0 1 octets received\r\n503 5.5.1 Bad sequence of commands\r\n503 5.5.1 Bad sequence of commands\r\n250 2.0.0 OK\r\n250 2.1.0 OK\r\n",
      L_BEGIN "DATA bdat\nRESET\nMAIL <a@b>\nRESET\nCLOSED ELOST\n" },
    { "chunks out of order are swallowed", full,
      EHLO "BDAT 6\r\nQUIT\r\nMAIL FROM:<a@b.c>\r\nBDAT 6\r\nQUIT\r\nBDAT 6\r\nQUIT\r\nMAIL FROM:<x@y>\r\nBDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<x@y>\r\n",
      "503 5.5.1 Bad sequence of commands\r\n250 2.1.0 OK\r\n503 5.5.1 No valid recipients\r\n503 5.5.1 Bad sequence of commands\r\n503 5.5.1 Nested MAIL command\r\n503 5.5.1 Bad sequence of commands\r\n250 2.1.0 OK\r\n",
      L_EHLO "MAIL <a@b.c>\nRESET\nMAIL <x@y>\nRESET\nCLOSED ELOST\n" },
    { "all recipients refused in a BDAT flight", full,
      EHLO "MAIL FROM:<a@b.c>\r\nRCPT TO:<no@b>\r\nBDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<x@y>\r\nRCPT TO:<d@e>\r\nBDAT 1 LAST\r\nz",
      "250 2.1.0 OK\r\n550 5.1.1 No\r\n554 5.5.1 No valid recipients\r\n" BEGUN "250 2.0.0 OK\r\n",
      L_EHLO "MAIL <a@b.c>\nRCPT 0 <no@b>\nRESET\nMAIL <x@y>\nRCPT 0 <d@e>\nDATA bdat\nMESSAGE 0 [z]\nCLOSED ELOST\n" },
    { "BINARYMIME needs BDAT", full,
      EHLO "MAIL FROM:<a@b.c> BODY=BINARYMIME\r\nRCPT TO:<d@e.f>\r\nDATA\r\nBDAT 3 LAST\r\n\n\r.",
      BEGUN "503 5.5.1 BINARYMIME needs BDAT\r\n250 2.0.0 OK\r\n",
      L_EHLO "MAIL <a@b.c> body=2\nRCPT 0 <d@e.f>\nDATA bdat\nMESSAGE 0 [\\n\\r.]\nCLOSED ELOST\n" },
    { "no CHUNKING: the chunk is swallowed all the same", plain,
      BEGIN "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
      "250 OK\r\n250 OK\r\n502 BDAT is not implemented here\r\n250 OK\r\n",
      L_BEGIN "RESET\nCLOSED ELOST\n" },
    { "size declared beyond the limit", full,
      EHLO "MAIL FROM:<a@b> SIZE=1001\r\nMAIL FROM:<a@b> SIZE=99999999999999999999\r\nMAIL FROM:<a@b> SIZE=1000\r\n",
      "552 5.3.4 Message size exceeds fixed maximum\r\n552 5.3.4 Message size exceeds fixed maximum\r\n250 2.1.0 OK\r\n",
      L_EHLO "MAIL <a@b> size=1000\nRESET\nCLOSED ELOST\n" },
    { "LMTP: a reply for each accepted recipient", lmtp,
      "HELO x\r\nEHLO x\r\nLHLO c.example\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nRCPT TO:<no@b>\r\nRCPT TO:<g@h>\r\nDATA\r\nx\r\n.\r\n",
      NULL,
      L_EHLO "MAIL <a@b.c>\nRCPT 0 <d@e.f>\nRCPT 1 <no@b>\nRCPT 1 <g@h>\nDATA\nMESSAGE 0 [x\\r\\n]\nMESSAGE 1\nCLOSED ELOST\n" },
    { "LMTP: no recipient, DATA is 503, BDAT LAST silent", lmtp,
      "LHLO c.example\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<no@b>\r\nDATA\r\nBDAT 1 LAST\r\nxBDAT 1 LAST\r\nxNOOP\r\n",
      "250 2.1.0 OK\r\n550 5.1.1 No\r\n503 5.5.1 No valid recipients\r\n503 5.5.1 Bad sequence of commands\r\n250 2.0.0 OK\r\n",
      L_EHLO "MAIL <a@b.c>\nRCPT 0 <no@b>\nRESET\nCLOSED ELOST\n" },
    { "LMTP: failed chunks", lmtp,
      "LHLO c.example\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e>\r\nRCPT TO:<f@g>\r\nBDAT 1\r\nxDATA\r\nBDAT 2 LAST\r\nyzNOOP\r\n",
      "250 2.1.0 OK\r\n250 2.1.5 OK\r\n250 2.1.5 OK\r\n250 2.0.0 1 octets received\r\n503 5.5.1 Bad sequence of commands\r\n250 2.0.0 OK\r\n250 2.0.0 OK\r\n250 2.0.0 OK\r\n",
      L_EHLO "MAIL <a@b.c>\nRCPT 0 <d@e>\nRCPT 1 <f@g>\nDATA bdat\nMESSAGE 0 [xyz]\nMESSAGE 1\nCLOSED ELOST\n" },
    { "login", full,
      EHLO "AUTH PLAIN YmFk\r\nAUTH PLAIN =\r\nAUTH PLAIN\r\n",
      "535 5.7.8 Authentication credentials invalid\r\n235 2.7.0 Authentication successful\r\n503 5.5.1 Already authenticated\r\n",
      L_EHLO "AUTH PLAIN [YmFk]\nAUTH PLAIN []\nCLOSED ELOST\n" },
    { "login with challenges", full,
      EHLO "AUTH login\r\nbW9yZQ==\r\n\r\nNOOP\r\n",
      "334 \r\n334 Z28=\r\n235 2.7.0 Authentication successful\r\n250 2.0.0 OK\r\n",
      L_EHLO "AUTH login [] none\nAUTH_DATA  [bW9yZQ==]\nAUTH_DATA  []\nCLOSED ELOST\n" },
    { "login gone wrong", full,
      EHLO "AUTH LOGIN\r\n*\r\nAUTH LOGIN\r\n=AAA\r\nAUTH LOGIN\r\nAAA\r\nAUTH LOGIN\r\nNOOP\nx\r\nAUTH X\r\nAUTH PLAIN A\r\nAUTH\r\nNOOP\r\n",
      "334 \r\n501 5.7.0 Authentication canceled\r\n334 \r\n501 5.5.2 Invalid base64\r\n334 \r\n501 5.5.2 Invalid base64\r\n"
      "334 \r\n500 5.5.2 Lines end with CR LF, not with LF alone\r\n504 5.5.4 Unrecognized authentication mechanism\r\n501 5.5.2 Invalid base64\r\n501 5.5.4 An argument is needed\r\n250 2.0.0 OK\r\n",
      L_EHLO "AUTH LOGIN [] none\nAUTH LOGIN [] none\nAUTH LOGIN [] none\nAUTH LOGIN [] none\nCLOSED ELOST\n" },
    { "policy before TLS and login", policy,
      EHLO "MAIL FROM:<a@b>\r\nVRFY x\r\nNOOP\r\nRSET\r\nAUTH PLAIN =\r\nBDAT 2 LAST\r\nxyQUIT\r\n",
      "530 5.7.0 Must issue a STARTTLS command first\r\n530 5.7.0 Must issue a STARTTLS command first\r\n250 2.0.0 OK\r\n530 5.7.0 Must issue a STARTTLS command first\r\n"
      "530 5.7.0 Must issue a STARTTLS command first\r\n503 5.5.1 Bad sequence of commands\r\n" QUITTED,
      L_EHLO "QUIT\nCLOSED OK\n" },
    { "limits", limits,
      EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<a@x.y>\r\nRCPT TO:<a@X.Y>\r\nRCPT TO:<a@x.y>\r\nRSET\r\nMAIL FROM:<a@b>\r\nRCPT TO:<a@z>\r\nRCPT TO:<a@w>\r\nRSET\r\nMAIL FROM:<a@b>\r\n",
      "250 2.1.0 OK\r\n250 2.1.5 OK\r\n250 2.1.5 OK\r\n452 4.5.3 Too many recipients\r\n250 2.0.0 OK\r\n250 2.1.0 OK\r\n250 2.1.5 OK\r\n"
      "452 4.5.3 Too many recipient domains\r\n250 2.0.0 OK\r\n421 4.7.0 Too many transactions in this session\r\n",
      L_EHLO "MAIL <a@b>\nRCPT 0 <a@x.y>\nRCPT 1 <a@X.Y>\nRESET\nMAIL <a@b>\nRCPT 0 <a@z>\nRESET\nCLOSED ELIMIT\n" },
    { "too many errors", few_errors,
      EHLO "DATA\r\nFOO\r\nDATA\r\nNOOP\r\n",
      "503 5.5.1 Bad sequence of commands\r\n500 5.5.2 Command not recognized\r\n421 4.7.0 Too many errors, closing connection\r\n",
      L_EHLO "UNKNOWN [FOO]\nCLOSED ELIMIT\n" },
    { "broken lines", full,
      EHLO "NOOP\nNOOP\r\nNO\rOP\r\nNO\tOP\r\n\xff\r\n\r\nNOOP\r\n",
      "500 5.5.2 Lines end with CR LF, not with LF alone\r\n500 5.5.2 Lines end with CR LF, not with CR alone\r\n"
      "501 5.5.2 Control character in a command\r\n501 5.5.2 Non-ASCII octet in a command\r\n500 5.5.2 Command not recognized\r\n250 2.0.0 OK\r\n",
      L_EHLO "UNKNOWN []\nCLOSED ELOST\n" },
    { "questions", full,
      EHLO "VRFY a b\r\nEXPN list\r\nHELP\r\nHELP MAIL\r\nVRFY\r\nTURN\r\n",
      NULL, L_EHLO "VRFY [a b]\nEXPN [list]\nHELP []\nHELP [MAIL]\nUNKNOWN [TURN]\nCLOSED ELOST\n" },
    { "HELO offers nothing", full,
      "HELO c\r\nMAIL FROM:<a@b> SIZE=1\r\nSTARTTLS\r\nAUTH PLAIN =\r\nMAIL FROM:<a@b>\r\n",
      NULL, "HELLO [c]\nMAIL <a@b>\nRESET\nCLOSED ELOST\n" },
};
/* clang-format on */

static lw_smtp_server_opts
opts_of(const dialogue *d)
{
    lw_smtp_server_opts o;

    lw_smtp_server_opts_init(&o);
    d->set(&o);
    return o;
}

/* Behind the answer to the first EHLO that was accepted. */
static const char *
behind_hello(const char *out)
{
    const char *p = strstr(out, "250-localhost");

    if (p == NULL)
        p = strstr(out, "250 localhost");
    while (p != NULL && p[3] == '-')
        p = strstr(p, "\r\n") + 2;
    return p != NULL ? strstr(p, "\r\n") + 2 : out;
}

static void
test_server__dialogues_say_and_tell_what_they_should(void **state)
{
    for (size_t i = 0; i < LW_COUNT(dialogues); i++) {
        lw_smtp_server_opts o = opts_of(&dialogues[i]);

        print_message("dialogue: %s\n", dialogues[i].name);
        run_open(&run_a, &o, 0);
        run_pieces(&run_a, lw_span_str(dialogues[i].in), 0, 0);
        run_close(&run_a);
        assert_string_equal(run_a.log, dialogues[i].log);
        if (dialogues[i].out != NULL)
            assert_string_equal(behind_hello(run_a.out), dialogues[i].out);
    }
}

static void
compare_split(const dialogue *d, size_t piece, unsigned seed, size_t drain)
{
    lw_smtp_server_opts o = opts_of(d);

    run_open(&run_b, &o, drain);
    run_pieces(&run_b, lw_span_str(d->in), piece, seed);
    run_close(&run_b);
    if (strcmp(run_a.log, run_b.log) != 0 || strcmp(run_a.out, run_b.out) != 0)
        fail_msg("%s, pieces of %zu, seed %u:\n%s---\n%s---\n%s---\n%s", d->name, piece, seed,
                 run_a.log, run_b.log, run_a.out, run_b.out);
}

static void
test_server__every_split_gives_the_same(void **state)
{
    for (size_t i = 0; i < LW_COUNT(dialogues); i++) {
        lw_smtp_server_opts o = opts_of(&dialogues[i]);

        run_open(&run_a, &o, 0);
        run_pieces(&run_a, lw_span_str(dialogues[i].in), 0, 0);
        run_close(&run_a);
        for (size_t piece = 1; piece < 8; piece++)
            compare_split(&dialogues[i], piece, 0, piece);
        for (unsigned seed = 1; seed < 40; seed++)
            compare_split(&dialogues[i], 30, seed, seed % 5);
    }
}

static void
test_server__data_refused_by_the_caller(void **state)
{
    static const char in[] = BEGIN "DATA\r\nBDAT 6\r\nQUIT\r\nBDAT 1 LAST\r\nxNOOP\r\n";
    lw_smtp_server_opts o;

    lw_smtp_server_opts_init(&o);
    full(&o);
    for (size_t piece = 0; piece < 5; piece++) {
        run_a.refuse_data = true;
        run_open(&run_a, &o, 0);
        run_pieces(&run_a, lw_span_str(in), piece, 0);
        run_close(&run_a);
        run_a.refuse_data = false;
        assert_string_equal(behind_hello(run_a.out),
                            BEGUN "451 4.3.0 Not now\r\n451 4.3.0 Not now\r\n"
                                  "503 5.5.1 Bad sequence of commands\r\n250 2.0.0 OK\r\n");
        assert_string_equal(run_a.log, L_BEGIN "DATA\nDATA bdat\nRESET\nCLOSED ELOST\n");
    }
}

static void
test_server__message_too_big_is_swallowed(void **state)
{
    static char in[4096];
    lw_smtp_server_opts o;
    size_t n = 0;

    lw_smtp_server_opts_init(&o);
    full(&o);
    n = (size_t)snprintf(in, sizeof in, "%s", BEGIN "DATA\r\n");
    memset(in + n, 'x', 999);
    memcpy(in + n + 999, "\r\n.\r\nNOOP\r\n", 12);
    for (size_t piece = 0; piece < 1200; piece += 97) {
        run_open(&run_a, &o, 0);
        run_pieces(&run_a, lw_span_str(in), piece, 0);
        run_close(&run_a);
        assert_string_equal(behind_hello(run_a.out),
                            BEGUN GO "552 5.3.4 Message size exceeds fixed maximum\r\n"
                                     "250 2.0.0 OK\r\n");
        assert_string_equal(run_a.log, L_BEGIN "DATA\nRESET\nCLOSED ELOST\n");
    }
    memcpy(in + n + 998, "\r\n.\r\nNOOP\r\n", 12);
    run_open(&run_a, &o, 0);
    run_pieces(&run_a, lw_span_str(in), 0, 0);
    run_close(&run_a);
    assert_string_equal(behind_hello(run_a.out), BEGUN GO "250 2.0.0 OK\r\n250 2.0.0 OK\r\n");
}

static void
check_line_length(const char *before, size_t len, const char *reply)
{
    static char in[20000];
    lw_smtp_server_opts o;
    size_t n = strlen(before);

    lw_smtp_server_opts_init(&o);
    full(&o);
    memcpy(in, before, n);
    memset(in + n, 'A', len - 2);
    memcpy(in + n + len - 2, "\r\nNOOP\r\n", 9);
    for (size_t piece = 0; piece < 4; piece++) {
        run_open(&run_a, &o, 0);
        run_pieces(&run_a, lw_span_str(in), piece * 501, 0);
        run_close(&run_a);
        assert_string_equal(behind_hello(run_a.out), reply);
    }
}

static void
test_server__lines_are_bounded(void **state)
{
    check_line_length(EHLO, 2048, "500 5.5.2 Command not recognized\r\n250 2.0.0 OK\r\n");
    check_line_length(EHLO, 2049, "500 5.5.2 Line too long\r\n250 2.0.0 OK\r\n");
    check_line_length(EHLO, 9000, "500 5.5.2 Line too long\r\n250 2.0.0 OK\r\n");
    check_line_length(EHLO "AUTH LOGIN\r\n", 12290,
                      "334 \r\n235 2.7.0 Authentication successful\r\n250 2.0.0 OK\r\n");
    check_line_length(EHLO "AUTH LOGIN\r\n", 12291,
                      "334 \r\n500 5.5.6 Authentication exchange line too long\r\n"
                      "250 2.0.0 OK\r\n");
}

static void
test_server__starttls_resets_and_asks_again(void **state)
{
    static const char again[] = EHLO "STARTTLS\r\nAUTH PLAIN AAAA\r\n"
                                     "MAIL FROM:<a@b> REQUIRETLS\r\n";
    lw_smtp_server_opts o;

    lw_smtp_server_opts_init(&o);
    policy(&o);
    run_open(&run_a, &o, 0);
    assert_true(feed(&run_a, EHLO "STARTTLS x\r\nSTARTTLS\r\n", 38));
    assert_true(feed(&run_a, "MAIL FROM:<a@b>\r\n", 17));
    assert_true(feed(&run_a, again, sizeof again - 1));
    run_close(&run_a);
    assert_string_equal(run_a.log, L_EHLO "START_TLS\n" L_EHLO "AUTH PLAIN [AAAA]\n"
                                          "MAIL <a@b> requiretls\nRESET\nCLOSED ELOST\n");
    assert_non_null(strstr(run_a.out, "501 5.5.4 No argument is allowed\r\n220 2.0.0 Ready"));
    assert_non_null(strstr(run_a.out, "503 5.5.1 Send EHLO first\r\n250-localhost"));
    assert_non_null(strstr(run_a.out, "503 5.5.1 TLS is active already\r\n235"));
}

static void
test_server__octets_behind_starttls_end_the_session(void **state)
{
    lw_smtp_server_opts o;

    lw_smtp_server_opts_init(&o);
    policy(&o);
    run_open(&run_a, &o, 0);
    assert_false(feed(&run_a, EHLO "STARTTLS\r\nNOOP\r\n", 32));
    assert_int_equal(run_a.feed_code, LW_EPROTO);
    run_close(&run_a);
    assert_string_equal(run_a.log, L_EHLO "CLOSED EPROTO\n");
    assert_null(strstr(run_a.out, "250 2.0.0 OK"));
}

static void
test_server__ehlo_shows_what_the_options_say(void **state)
{
    lw_smtp_server_opts o;

    lw_smtp_server_opts_init(&o);
    limits(&o);
    o.deliverby_min_s = 60;
    o.name = "mx.example";
    run_open(&run_a, &o, 0);
    assert_true(feed(&run_a, EHLO, strlen(EHLO)));
    run_close(&run_a);
    assert_string_equal(run_a.out,
                        "220 mx.example ESMTP ready\r\n250-mx.example\r\n250-PIPELINING\r\n"
                        "250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n"
                        "250-BINARYMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n"
                        "250-AUTH PLAIN LOGIN\r\n250-LIMITS RCPTMAX=2 MAILMAX=2 "
                        "RCPTDOMAINMAX=2\r\n250-DELIVERBY 60\r\n250-FUTURERELEASE 864000 "
                        "2099-12-31T23:59:59Z\r\n250-MT-PRIORITY\r\n250-VRFY\r\n250-EXPN\r\n"
                        "250 HELP\r\n");
}

static void
test_server__time_runs_while_the_client_is_awaited_only(void **state)
{
    lw_smtp_server_opts o;
    lw_server_event ev;
    lw_smtp_server *e;
    size_t used;

    lw_smtp_server_opts_init(&o);
    assert_int_equal(lw_smtp_server_new(&o, 1000, &e), LW_OK);
    assert_true(lw_smtp_server_deadline(e) == UINT64_MAX);
    assert_int_equal(lw_smtp_server_next(e, &ev), LW_OK);
    assert_int_equal(lw_smtp_server_accept(e), LW_OK);
    assert_true(lw_smtp_server_deadline(e) == 301000);
    assert_int_equal(lw_smtp_server_tick(e, 200000), LW_OK);
    assert_int_equal(lw_smtp_server_feed(e, "NO", 2, &used), LW_OK);
    assert_true(lw_smtp_server_deadline(e) == 301000);
    assert_int_equal(lw_smtp_server_feed(e, "OP\r\n", 4, &used), LW_OK);
    assert_true(lw_smtp_server_deadline(e) == 500000);
    assert_int_equal(lw_smtp_server_tick(e, 499999), LW_OK);
    assert_int_equal(lw_smtp_server_tick(e, 500000), LW_ETIMEOUT);
    assert_int_equal(lw_smtp_server_tick(e, 500001), LW_OK);
    assert_int_equal(lw_smtp_server_want(e), LW_WANT_WRITE);
    assert_int_equal(lw_smtp_server_tick(e, 800000), LW_ETIMEOUT);
    assert_int_equal(lw_smtp_server_want(e), LW_WANT_EVENT);
    assert_int_equal(lw_smtp_server_next(e, &ev), LW_OK);
    assert_int_equal(ev.kind, LW_SERVER_CLOSED);
    assert_int_equal(ev.code, LW_ETIMEOUT);
    assert_int_equal(lw_smtp_server_want(e), 0);
    lw_smtp_server_free(e);
}

static void
test_server__refused_greeting_waits_for_quit(void **state)
{
    lw_smtp_server_opts o;
    lw_server_event ev;

    lw_smtp_server_opts_init(&o);
    assert_int_equal(lw_smtp_server_new(&o, 0, &run_a.e), LW_OK);
    run_a.log_len = run_a.out_len = 0;
    run_a.drain = 0;
    assert_int_equal(lw_smtp_server_next(run_a.e, &ev), LW_OK);
    assert_int_equal(lw_smtp_server_reply(run_a.e, 554, NULL, "No service"), LW_OK);
    assert_false(feed(&run_a, EHLO "BDAT 3\r\nQUIT\r\n", 30));
    run_close(&run_a);
    assert_string_equal(run_a.out, "554 localhost No service\r\n503 Bad sequence of commands\r\n"
                                   "503 Bad sequence of commands\r\n"
                                   "221 localhost closing connection\r\n");
    assert_string_equal(run_a.log, "QUIT\nCLOSED OK\n");
}

static void
test_server__answers_are_checked_and_made_harmless(void **state)
{
    static char longer[5000];
    lw_smtp_server_opts o;
    lw_server_event ev;
    size_t used;

    lw_smtp_server_opts_init(&o);
    full(&o);
    run_open(&run_a, &o, 0);
    assert_int_equal(lw_smtp_server_accept(run_a.e), LW_EUSAGE);
    assert_int_equal(lw_smtp_server_feed(run_a.e, EHLO "VRFY x\r\n", 24, &used), LW_AGAIN);
    assert_int_equal(used, 16);
    assert_int_equal(lw_smtp_server_accept(run_a.e), LW_EUSAGE); /* not taken yet */
    serve(&run_a);
    run_a.out_len = 0;
    assert_int_equal(lw_smtp_server_feed(run_a.e, "VRFY x\r\n", 8, &used), LW_OK);
    assert_int_equal(lw_smtp_server_next(run_a.e, &ev), LW_OK);
    assert_int_equal(lw_smtp_server_want(run_a.e), LW_WANT_CALLER);
    assert_int_equal(lw_smtp_server_reply(run_a.e, 354, NULL, NULL), LW_EUSAGE);
    assert_int_equal(lw_smtp_server_reply(run_a.e, 199, NULL, NULL), LW_EUSAGE);
    assert_int_equal(lw_smtp_server_reply(run_a.e, 600, NULL, NULL), LW_EUSAGE);
    assert_int_equal(lw_smtp_server_reply(run_a.e, 250, "5.0.0", NULL), LW_EUSAGE);
    assert_int_equal(lw_smtp_server_reply(run_a.e, 250, "2.0", NULL), LW_EUSAGE);
    assert_int_equal(lw_smtp_server_challenge(run_a.e, LW_LIT("AAAA")), LW_EUSAGE);
    memset(longer, 'x', sizeof longer - 1);
    assert_int_equal(lw_smtp_server_reply(run_a.e, 250, NULL, longer), LW_EUSAGE);
    assert_int_equal(lw_smtp_server_reply(run_a.e, 250, "2.1.5", "a\rb\r\n\x01\xc3\xbc\n"), LW_OK);
    run_close(&run_a);
    assert_string_equal(run_a.out, "250-2.1.5 a?b\r\n250-2.1.5 ???\r\n250 2.1.5 \r\n");
}

static void
test_server__long_answer_is_folded(void **state)
{
    static char text[1500];
    lw_smtp_server_opts o;
    lw_server_event ev;
    size_t used;

    lw_smtp_server_opts_init(&o);
    full(&o);
    run_open(&run_a, &o, 0);
    memset(text, 'x', 1200);
    assert_int_equal(lw_smtp_server_feed(run_a.e, "HELP\r\n", 6, &used), LW_OK);
    run_a.out_len = 0;
    assert_int_equal(lw_smtp_server_next(run_a.e, &ev), LW_OK);
    assert_int_equal(lw_smtp_server_reply(run_a.e, 214, NULL, text), LW_OK);
    run_close(&run_a);
    for (const char *p = run_a.out; *p != '\0'; p = strstr(p, "\r\n") + 2) {
        assert_true(strstr(p, "\r\n") - p <= 510);
        assert_memory_equal(p, "214", 3);
        assert_memory_equal(p + 4, "2.0.0 x", 7);
    }
}

static void
test_server__many_equal_final_replies_fit_a_small_buffer(void **state)
{
    static char in[60000];
    lw_smtp_server_opts o;
    size_t n, count = 0;

    lw_smtp_server_opts_init(&o);
    lmtp(&o);
    o.size_max = 1;
    n = (size_t)snprintf(in, sizeof in, "LHLO c\r\nMAIL FROM:<a@b>\r\n");
    for (int i = 0; i < 1000; i++)
        n += (size_t)snprintf(in + n, sizeof in - n, "RCPT TO:<a@b>\r\n");
    n += (size_t)snprintf(in + n, sizeof in - n, "DATA\r\nabc\r\n.\r\nNOOP\r\n");
    run_open(&run_a, &o, 0);
    run_pieces(&run_a, (lw_span){ in, n }, 0, 0);
    run_close(&run_a);
    for (const char *p = run_a.out; (p = strstr(p, "552 5.3.4")) != NULL; p++)
        count++;
    assert_int_equal(count, 1000);
    assert_string_equal(run_a.out + run_a.out_len - 14, "250 2.0.0 OK\r\n");
}

static void
test_server__eof_while_the_caller_decides_lets_it_answer(void **state)
{
    lw_smtp_server_opts o;
    lw_server_event ev;
    size_t used;

    lw_smtp_server_opts_init(&o);
    full(&o);
    run_open(&run_a, &o, 0);
    assert_true(feed(&run_a, BEGIN "DATA\r\nx\r\n", strlen(BEGIN) + 9));
    assert_int_equal(lw_smtp_server_feed(run_a.e, ".\r\n", 3, &used), LW_OK);
    assert_int_equal(lw_smtp_server_next(run_a.e, &ev), LW_OK);
    assert_int_equal(ev.kind, LW_SERVER_MESSAGE);
    assert_int_equal(lw_smtp_server_eof(run_a.e), LW_ELOST);
    assert_int_equal(lw_smtp_server_feed(run_a.e, "x", 1, &used), LW_EUSAGE);
    assert_int_equal(lw_smtp_server_want(run_a.e), LW_WANT_CALLER);
    assert_int_equal(lw_smtp_server_accept(run_a.e), LW_OK);
    run_close(&run_a);
    assert_string_equal(run_a.log, L_BEGIN "DATA\nCLOSED ELOST\n");
    assert_string_equal(run_a.out + run_a.out_len - 14, "250 2.0.0 OK\r\n");
}

static void
test_server__close_says_421_and_drops_what_waits(void **state)
{
    lw_smtp_server_opts o;
    size_t used;

    lw_smtp_server_opts_init(&o);
    full(&o);
    run_open(&run_a, &o, 0);
    assert_true(feed(&run_a, BEGIN, strlen(BEGIN)));
    assert_int_equal(lw_smtp_server_feed(run_a.e, "RCPT TO:<x@y>\r\n", 15, &used), LW_OK);
    lw_smtp_server_close(run_a.e, "Shutting down\r\n250 no");
    serve(&run_a);
    assert_int_equal(lw_smtp_server_want(run_a.e), 0);
    assert_int_equal(lw_smtp_server_accept(run_a.e), LW_EUSAGE);
    run_close(&run_a);
    assert_string_equal(run_a.log, L_BEGIN "RESET\nCLOSED ECANCELED\n");
    assert_string_equal(behind_hello(run_a.out),
                        BEGUN "421 4.3.2 Shutting down? 250 no\r\n");
}

static void
test_server__wrong_options_are_refused(void **state)
{
    lw_smtp_server_opts o;
    lw_smtp_server *e;

    for (int i = 0; i < 9; i++) {
        lw_smtp_server_opts_init(&o);
        o.size = i == 0 ? 0 : i == 1 ? sizeof o + 1 : sizeof o;
        o.name = i == 2 ? "" : i == 3 ? "a b" : i == 4 ? "a\r\nb" : NULL;
        o.auth = i == 5 ? "PLAIN\r\n" : NULL;
        o.max_line_bytes = i == 6 ? 511 : 0;
        o.hold_max_until = i == 7 ? "tomorrow" : NULL;
        o.limit_rcpt_domain_max = i == 8 ? 1u << 30 : 0;
        assert_int_equal(lw_smtp_server_new(&o, 0, &e), LW_EUSAGE);
        assert_null(e);
    }
    assert_int_equal(lw_smtp_server_new(NULL, 0, &e), LW_EUSAGE);
    lw_smtp_server_free(NULL);
}

static void *
no_memory(void *ctx, void *p, size_t n)
{
    return NULL;
}

static void
test_server__no_memory_is_said(void **state)
{
    static const lw_alloc none = { no_memory, NULL };
    lw_smtp_server_opts o;
    lw_smtp_server *e;

    lw_smtp_server_opts_init(&o);
    o.alloc = &none;
    assert_int_equal(lw_smtp_server_new(&o, 0, &e), LW_ENOMEM);
    assert_null(e);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server__dialogues_say_and_tell_what_they_should),
        cmocka_unit_test(test_server__every_split_gives_the_same),
        cmocka_unit_test(test_server__data_refused_by_the_caller),
        cmocka_unit_test(test_server__message_too_big_is_swallowed),
        cmocka_unit_test(test_server__lines_are_bounded),
        cmocka_unit_test(test_server__starttls_resets_and_asks_again),
        cmocka_unit_test(test_server__octets_behind_starttls_end_the_session),
        cmocka_unit_test(test_server__ehlo_shows_what_the_options_say),
        cmocka_unit_test(test_server__time_runs_while_the_client_is_awaited_only),
        cmocka_unit_test(test_server__refused_greeting_waits_for_quit),
        cmocka_unit_test(test_server__answers_are_checked_and_made_harmless),
        cmocka_unit_test(test_server__long_answer_is_folded),
        cmocka_unit_test(test_server__many_equal_final_replies_fit_a_small_buffer),
        cmocka_unit_test(test_server__eof_while_the_caller_decides_lets_it_answer),
        cmocka_unit_test(test_server__close_says_421_and_drops_what_waits),
        cmocka_unit_test(test_server__wrong_options_are_refused),
        cmocka_unit_test(test_server__no_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
