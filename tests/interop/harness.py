# SPDX-License-Identifier: MIT
"""What the interop tests share: running the command, the cases every server must pass, TAP."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "dkim"))
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import judges  # noqa: E402
import people  # noqa: E402
import windows  # noqa: E402
from fixture import Certificates, DOMAIN, PASSWORD, SIZE_LIMIT, Skip  # noqa: E402

ANN, BOB, CAROL, ZOE = ("%s@%s" % (user, DOMAIN) for user in ("ann", "bob", "carol", "zoe"))
NOBODY = "nosuch@" + DOMAIN
COMMAND_SECONDS = 60
# How many messages the windows are tried with; 10000 takes minutes a server.
WINDOW_MESSAGES = int(os.environ.get("LW_INTEROP_MESSAGES", "100"))
# Lines that a careless sender breaks: dots, empty lines, UTF-8, a From line, a long line.
HARD_BODY = (".\r\n..\r\n.leading dot\r\n\r\nFrom the start of a line\r\nZo\u00eb \u6d4b\u8bd5\r\n"
             "trailing space \r\n\ttab\r\n" + "x" * 990 + "\r\n.\r\n\r\nlast line").encode()


class Result:
    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr.decode(errors="replace")
        try:
            self.json = json.loads(self.out)
        except ValueError:
            self.json = None

    def __str__(self):
        return "exit %d\n%s\n%s" % (self.code, self.out.decode(errors="replace")[-3000:], self.err)


def letterwing(*args, stdin=b"", env=None, seconds=COMMAND_SECONDS):
    command = os.environ.get("LETTERWING")
    if not command:
        raise Skip("LETTERWING does not name the command to test")
    return Result(subprocess.run([command] + list(args), input=stdin, capture_output=True,
                                 timeout=seconds, env=dict(os.environ, **(env or {}))))


def url(server, port, user=None, password=PASSWORD, scheme=None, options=""):
    login = "%s:%s@" % (quote(user), quote(password, safe="")) if user else ""
    scheme = scheme or ("smtps" if port == "smtps" else "smtp")
    return "%s://%slocalhost:%d%s" % (scheme, login, server.ports[port], options)


def ready_message(body=HARD_BODY, to=BOB, extra=""):
    head = "From: %s\r\nTo: %s\r\nSubject: ready\r\nMessage-ID: <1@letterwing.test>\r\n" \
           "Date: Tue, 24 Nov 2026 00:00:00 +0000\r\nMIME-Version: 1.0\r\n" \
           "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n" \
           "%s\r\n" % (ANN, to, extra)
    return head.encode() + body


def as_delivered(message):
    """The octets of a message as a Maildir keeps them: LF, and a last line that ends."""
    text = message.replace(b"\r\n", b"\n")
    return text if text.endswith(b"\n") else text + b"\n"


class ServerCase(unittest.TestCase):
    """The cases of one server; a test file derives from it and gives the class variables."""

    server = None            # started by make()
    mailbox = None           # the server whose Maildirs get the mail; None: server itself
    mechanisms = ()
    has_chunking = True
    clear_port = "smtp"      # takes mail without a login; None: there is none
    started = []

    @classmethod
    def make(cls, certificates):
        """Start what is needed; every server goes into cls.started as soon as it exists."""
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.addClassCleanup(cls.stop_all)
        cls.started = []
        cls.certificates = Certificates(cls.folder.name)
        cls.make(cls.certificates)
        cls.mailbox = cls.mailbox or cls.server

    @classmethod
    def start(cls, server):
        cls.started.append(server)
        return server.start()

    @classmethod
    def stop_all(cls):
        for server in reversed(cls.started):
            server.stop()

    def setUp(self):
        self.mailbox.clear_mail()

    # ---- helpers

    def send(self, *args, port="submission", user="ann", password=PASSWORD, to=(BOB,),
             options="", scheme=None, stdin=b"", message=None):
        """`letterwing send --json` to the server; message: octets of a ready one."""
        via = url(self.server, port, user, password, scheme, options)
        command = ["send", "--via", via, "--ca", self.certificates.ca, "--json", "-f", ANN]
        for address in to:
            command += ["-t", address]
        if message is not None:
            command += ["--message", self.file("message.eml", message)]
        return letterwing(*command, *args, stdin=stdin)

    def file(self, name, octets):
        path = os.path.join(self.folder.name, name)
        with open(path, "wb") as f:
            f.write(octets)
        return path

    def assert_result(self, result, code, outcome):
        self.assertEqual(result.code, code, result)
        self.assertIsNotNone(result.json, result)
        self.assertEqual(result.json["outcome"], outcome, result)

    def assert_outcomes(self, result, **expected):
        got = {r["address"].split("@")[0]: r["outcome"] for r in result.json["recipients"]}
        self.assertEqual(got, expected, result)

    def assert_arrived(self, message, user="bob"):
        [mail] = self.mailbox.take_mail(user)
        self.assertTrue(mail.endswith(b"\n" + as_delivered(message)),
                        "not what was sent:\n%r" % mail[-3000:])
        return mail

    def assert_nothing_arrived(self, *users):
        """The server has said no, so nothing is on its way."""
        for user in users or ("bob", "carol", "zoe"):
            self.assertEqual(self.mailbox.mail_files(user), [])

    def transcript(self, *args, **options):
        path = os.path.join(self.folder.name, "transcript")
        result = self.send("--transcript", path, *args, **options)
        with open(path, encoding="utf-8", errors="replace") as f:
            return result, f.read()

    def default(self):
        """Options of a send without login and TLS, where the server takes that."""
        if self.clear_port:
            return {"port": self.clear_port, "user": None, "options": "?tls=none"}
        return {"port": "submission"}


class CommonCases:
    """Mixed into each server's class."""

    def test_ready_message__every_port_arrives_byte_exact(self):
        message = ready_message()
        for port in self.server.port_names:
            if port in ("auth", "lmtp"):
                continue
            for tls in ("",) if port != self.clear_port else ("", "?tls=none", "?tls=required"):
                with self.subTest(port=port, tls=tls):
                    user = None if port == self.clear_port else "ann"
                    result = self.send(port=port, user=user, options=tls, message=message)
                    self.assert_result(result, 0, "accepted")
                    self.assert_arrived(message)

    def test_tls__facts_are_reported_as_verified(self):
        result = self.send("--text", "x")
        self.assert_result(result, 0, "accepted")
        self.assertTrue(result.json["server"]["tls"]["verified"], result)
        self.assertIn(result.json["server"]["tls"]["version"], ("TLSv1.2", "TLSv1.3"))
        self.mailbox.take_mail("bob")

    def test_tls__unknown_authority_sends_nothing(self):
        for port in ("submission", "smtps"):
            with self.subTest(port=port):
                via = url(self.server, port, "ann")
                result = letterwing("send", "--via", via, "--json", "-f", ANN, "--text", "x", BOB)
                self.assertEqual(result.code, 77, result)
                self.assertIn("certificate", result.err.lower())
        self.assert_nothing_arrived()

    def test_login__each_mechanism_is_taken(self):
        for mechanism in self.mechanisms:
            with self.subTest(mechanism=mechanism):
                result = self.send("--auth", mechanism, "--text", mechanism)
                self.assert_result(result, 0, "accepted")
                self.assertEqual(result.json["server"]["auth"], mechanism)
                self.mailbox.take_mail("bob")

    def test_login__the_strongest_is_chosen(self):
        result = self.send("--text", "x")
        self.assert_result(result, 0, "accepted")
        self.assertEqual(result.json["server"]["auth"], self.mechanisms[0])
        self.mailbox.take_mail("bob")

    def test_login__wrong_password_sends_nothing(self):
        result, transcript = self.transcript("--text", "x", password="wr0ng-pass")
        self.assertEqual(result.code, 77, result)
        self.assertEqual(result.json["outcome"], "unsent", result)
        self.assertIn("535", result.err)
        self.assertNotIn("wr0ng-pass", transcript + str(result))
        self.assertNotIn("MAIL FROM", transcript)
        self.assert_nothing_arrived()

    def test_recipient__refused_one_leaves_the_others(self):
        message = ready_message()
        result = self.send(to=(BOB, NOBODY, CAROL), message=message)
        self.assert_result(result, 69, "partial")
        self.assert_outcomes(result, bob="accepted", nosuch="rejected", carol="accepted")
        refused = result.json["recipients"][1]
        self.assertEqual((refused["code"], refused["stage"]), (550, "rcpt"), result)
        self.assertIn(NOBODY, result.err)
        for user in ("bob", "carol"):
            self.assert_arrived(message, user)

    def test_recipient__all_refused_sends_no_data(self):
        result = self.send("--text", "x", to=(NOBODY, "never@" + DOMAIN))
        self.assert_result(result, 67, "rejected")
        self.assert_nothing_arrived()

    def test_recipient__deferred_and_refused_are_told_apart(self):
        result = self.send("--text", "x", to=(BOB, "later@" + DOMAIN, NOBODY))
        self.assert_result(result, 69, "partial")
        self.assert_outcomes(result, bob="accepted", later="deferred", nosuch="rejected")
        self.mailbox.take_mail("bob")
        result = self.send("--text", "x", to=("later@" + DOMAIN,))
        self.assert_result(result, 75, "deferred")

    def test_size__too_large_is_refused_before_it_is_sent(self):
        big = self.file("big", os.urandom(SIZE_LIMIT))
        result, transcript = self.transcript("--text", "x", "-a", big)
        self.assertNotEqual(result.code, 0, result)
        self.assertNotIn("C: DATA", transcript)
        self.assertNotIn("C: BDAT", transcript)
        self.assert_nothing_arrived()

    def test_size__five_megabytes_arrive(self):
        octets = os.urandom(5 * 1024 * 1024 * 3 // 4)
        result = self.send("--text", "look", "-a", self.file("five.bin", octets))
        self.assert_result(result, 0, "accepted")
        [mail] = self.mailbox.take_mail("bob")
        self.assertEqual(attachments(mail), [("five.bin", octets)])

    def test_capabilities__are_used(self):
        result, transcript = self.transcript(message=ready_message(), **self.default())
        self.assert_result(result, 0, "accepted")
        self.assertEqual("C: BDAT" in transcript, self.has_chunking, transcript)
        self.mailbox.take_mail("bob")

    def test_windows__each_row_told_right_and_arrived_byte_exact(self):
        campaign = windows.Campaign(WINDOW_MESSAGES)
        taken, refused = len(campaign.taken), len(campaign.refused)
        failures = os.path.join(self.folder.name, "failures.csv")
        result = self.bulk(campaign, "--via", url(self.server, "submission", "ann"), "--ca",
                           self.certificates.ca, "--connections", "4", "--window", "16",
                           "--failures", failures, "--json")
        self.assertEqual(result.code, 69 if refused else 0, result)
        told = {name: result.json[name] for name in ("total", "accepted", "rejected", "deferred",
                                                     "unsent", "uncertain", "skipped")}
        self.assertEqual(told, dict.fromkeys(told, 0) | {
            "total": taken + refused, "accepted": taken, "rejected": refused}, result)
        self.assertEqual(windows.outcomes(failures), {
            n: (campaign.rows[n][0], "rejected", "550") for n in campaign.refused})
        self.mailbox.wait_delivered(30 + taken / 20)
        arrived = windows.by_row(mail for user in windows.READERS
                                 for mail in self.mailbox.take_mail(user, 0))
        self.assertEqual({n: len(copies) for n, copies in arrived.items()},
                         dict.fromkeys(campaign.taken, 1))
        self.assert_rows_are_as_made(campaign, {n: copies[0] for n, copies in arrived.items()})

    def bulk(self, campaign, *options):
        return letterwing("bulk", "--list", self.file("people.csv", campaign.list()), "-f", ANN,
                          "--keep-duplicates", "-s", "row {{row}}", "-H", "X-Row: {{row}}",
                          "--text", "{{text}}", *options,
                          seconds=COMMAND_SECONDS + WINDOW_MESSAGES / 2)

    def assert_rows_are_as_made(self, campaign, arrived):
        """The head is what a dry run makes of the row, the body is the row's text (all of these
        servers offer 8BITMIME, so nothing is encoded)."""
        folder = os.path.join(self.folder.name, "made")
        made = self.bulk(campaign, "--sample", str(len(campaign.rows)), "--save", folder)
        self.assertEqual(made.code, 0, made)
        saved = windows.saved_messages(folder)
        for n, mail in arrived.items():
            address, text = campaign.rows[n]
            head, body = windows.split(mail)
            self.assertEqual(body, text.encode(), "row %d" % n)
            self.assertTrue(head.endswith(b"\n" + windows.split(saved[n])[0]),
                            "row %d is not what was made:\n%r\n%r" % (n, mail, saved[n]))
            self.assertEqual(parse(mail)["To"], address)

    def test_composed__independent_reader_sees_what_was_meant(self):
        result = self.send("--cc", CAROL, "--bcc", ZOE, "-s", "\u6d4b\u8bd5\u90ae\u4ef6",
                           "--text", "plain \u00fc", "--html", "<h1>Zo\u00eb</h1>")
        self.assert_result(result, 0, "accepted")
        for user in ("bob", "carol", "zoe"):
            [mail] = self.mailbox.take_mail(user)
            parsed = parse(mail)
            self.assertEqual(parsed["Subject"], "\u6d4b\u8bd5\u90ae\u4ef6")
            self.assertEqual(parsed["Cc"], CAROL)
            self.assertIsNone(parsed["Bcc"])
            self.assertEqual(parsed.get_body(("plain",)).get_content().rstrip("\n"),
                             "plain \u00fc")
            self.assertIn("<h1>Zo\u00eb</h1>", parsed.get_body(("html",)).get_content())

    def test_dkim__signatures_are_good_after_the_trip(self):
        options, records = [], {}
        for kind in ("rsa", "ed25519"):
            key = os.path.join(self.folder.name, kind + ".pem")
            made = letterwing("dkim", "keygen", "--type", kind, key)
            self.assertEqual(made.code, 0, made)
            options += ["--dkim", "%s:%s:%s" % (DOMAIN, kind, key)]
            records["%s._domainkey.%s" % (kind, DOMAIN)] = made.out.decode().strip()
        trips = []
        for args in ({"message": ready_message()}, {"to": (BOB, CAROL)}):
            more = () if "message" in args else ("-s", "\u6d4b\u8bd5", "--text", ".\n\n", "--html",
                                                 "<p>Zo\u00eb</p>", "-a", self.file("x.bin", HARD_BODY))
            self.assert_result(self.send(*options, *more, **args), 0, "accepted")
            [mail] = self.mailbox.take_mail("bob")
            self.assertEqual(mail.count(b"DKIM-Signature: v=1;"), 2, mail)
            trips.append(mail.replace(b"\n", b"\r\n"))
        for judge in judges.dkimpy(), judges.mailauth():
            if judge.why_not:
                self.skipTest(judge.why_not)
            self.assertEqual(judge.verify(trips, records), [["pass", "pass"]] * 2, judge)

    def test_smime__signature_and_secret_are_good_after_the_trip(self):
        ca = people.Smime(self.folder.name, DOMAIN)
        signer, (reader, _) = ":".join(ca.issue("ann")), ca.issue("bob")
        for more in (), ("--smime-encrypt", "--smime-cert", reader):
            mail = self.protected("--smime-sign", signer, *more)
            signed = ca.decrypt(mail, "bob") if more else mail
            self.assert_is_protected_part(ca.verify(signed))

    def test_pgp__signature_and_secret_are_good_after_the_trip(self):
        if not people.has_gpg():
            self.skipTest("gpg is missing (tools/install-deps)")
        gpg = people.Gpg(DOMAIN)
        self.addCleanup(gpg.close)
        for who in "ann", "bob":
            gpg.make(who)
        with unittest.mock.patch.dict(os.environ, gpg.env):
            tried = letterwing("send", "--dry-run", "-f", ANN, "--text", "x", "--pgp-sign", BOB)
            if "built without" in tried.err:
                self.skipTest("built without GPGME (libgpgme-dev, tools/install-deps)")
            for more in (), ("--pgp-encrypt",):
                mail = self.protected("--pgp-sign", *more)
                octets, said = gpg.decrypt(mail) if more else gpg.verify(mail)
                self.assertIn("Good signature", said)
                self.assert_is_protected_part(octets)

    def protected(self, *options):
        """The message with a hard text and a hard attachment, as it arrived, with CRLF."""
        result = self.send("-s", "\u6d4b\u8bd5", "--text", HARD_BODY.decode(), "-a", self.file("x.bin", HARD_BODY),
                           *options)
        self.assert_result(result, 0, "accepted")
        [mail] = self.mailbox.take_mail("bob")
        return mail.replace(b"\n", b"\r\n")

    def assert_is_protected_part(self, entity):
        self.assertIsNotNone(entity)
        parsed = parse(entity)
        self.assertEqual(parsed.get_body(("plain",)).get_content().replace("\r\n", "\n").encode(),
                         as_delivered(HARD_BODY))
        self.assertEqual(attachments(entity), [("x.bin", HARD_BODY)])

    def test_probe__tells_what_the_server_offers(self):
        result = letterwing("probe", url(self.server, "submission", "ann"), "--ca",
                            self.certificates.ca, "--json", "--login")
        self.assertEqual(result.code, 0, result)
        after = [line.split()[0].upper() for line in result.json["capabilities"]["after_tls"]]
        self.assertIn("8BITMIME", after)
        self.assertEqual("CHUNKING" in after, self.has_chunking)
        self.assertTrue(result.json["login"]["ok"], result)
        self.assertTrue(result.json["tls"]["verified"], result)

    def test_talk__a_message_by_hand(self):
        lines = ["MAIL FROM:<%s>" % ANN, "RCPT TO:<%s>" % NOBODY, "RSET", "NOOP",
                 "MAIL FROM:<%s>" % ANN, "RCPT TO:<%s>" % BOB, "DATA",
                 "From: " + ANN, "To: " + BOB, "Subject: by hand", "", "typed", ".", "QUIT"]
        result = letterwing("talk", url(self.server, "submission", "ann"), "--ca",
                            self.certificates.ca, stdin="\n".join(lines).encode() + b"\n")
        self.assertIn(b"550", result.out, result)
        self.assertIn(b"221", result.out, result)
        [mail] = self.mailbox.take_mail("bob")
        self.assertIn(b"Subject: by hand\n", mail)
        self.assertTrue(mail.endswith(b"\ntyped\n"), mail)


class DsnCases:
    """For servers that send delivery reports."""

    reported_envid = rb"order\+47=11"    # how ENVID is shown in them; None: it is left out

    def test_dsn__success_comes_back_to_the_sender(self):
        result = self.send("--text", "x", "--dsn", "success,failure", "--ret", "hdrs",
                           "--envid", "order+47=11")
        self.assert_result(result, 0, "accepted")
        self.mailbox.take_mail("bob")
        [report] = self.mailbox.take_mail("ann")
        self.assertRegex(report, re.compile(rb"^Action: delivered", re.M))
        self.assertRegex(report, re.compile(rb"^Final-Recipient: rfc822; ?bob@", re.M))
        if self.reported_envid:
            self.assertRegex(report, re.compile(rb"^Original-Envelope-Id: %s$"
                                                % self.reported_envid, re.M | re.I))


def parse(mail):
    import email
    import email.policy
    return email.message_from_bytes(mail, policy=email.policy.default)


def attachments(mail):
    return [(part.get_filename(), part.get_payload(decode=True))
            for part in parse(mail).iter_attachments()]


class TapResult(unittest.TestResult):
    """Prints a TAP line per test, and the reason of a skip."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def line(self, word, test, tail=""):
        self.count += 1
        name = getattr(test, "_testMethodName", str(test))
        print("%s %d - %s%s" % (word, self.count, name, tail), flush=True)

    def stopTest(self, test):
        super().stopTest(test)
        problems = [text for kind in (self.errors, self.failures) for who, text in kind
                    if getattr(who, "test_case", who) is test]
        skips = [why for who, why in self.skipped if who is test]
        for text in problems:
            print("\n".join("# " + line for line in text.splitlines()))
        if problems:
            self.line("not ok", test)
        else:
            self.line("ok", test, " # SKIP " + skips[0] if skips else "")


def main(case):
    """Run the cases of a class: 0 passed, 1 failed, 77 skipped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if not os.environ.get("LETTERWING"):
        print("skipped: LETTERWING does not name the command to test")
        return 77
    result = TapResult()
    loader = unittest.TestLoader()
    if len(sys.argv) > 1:
        loader.testNamePatterns = ["*%s*" % pattern for pattern in sys.argv[1:]]
    try:
        loader.loadTestsFromTestCase(case).run(result)
    finally:
        case.doClassCleanups()
    for who, text in result.errors:
        if isinstance(who, unittest.suite._ErrorHolder):
            if "fixture.Skip: " in text:
                print("skipped: " + text.split("fixture.Skip: ")[-1].strip())
                return 77
            print(text)
            result.line("not ok", who)
    print("1..%d" % result.count)
    return 0 if result.wasSuccessful() else 1
