#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""letterwing against Dovecot: submission (handed on to Postfix) and LMTP."""

import os
import sys

from harness import (ANN, BOB, CAROL, NOBODY, CommonCases, ServerCase, letterwing, main,
                     ready_message, url)
from servers import Dovecot, Postfix


class TestDovecot(CommonCases, ServerCase):
    mechanisms = ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN")
    clear_port = None

    @classmethod
    def make(cls, certificates):
        cls.mailbox = cls.start(Postfix(certificates))
        cls.server = cls.start(Dovecot(certificates, cls.mailbox.ports["smtp"]))

    def lmtp(self, via, *args, to=(BOB,)):
        command = ["send", "--via", via, "--json", "-f", ANN]
        for address in to:
            command += ["-t", address]
        message = ready_message()
        command += ["--message", self.file("lmtp.eml", message)]
        return letterwing(*command, *args), message

    def assert_lmtp(self, via):
        """Dovecot's own Maildirs get it; one reply for each recipient."""
        result, message = self.lmtp(via, to=(BOB, NOBODY, CAROL))
        self.assert_result(result, 69, "partial")
        self.assert_outcomes(result, bob="accepted", nosuch="rejected", carol="accepted")
        for user in ("bob", "carol"):
            [mail] = self.server.take_mail(user)
            self.assertTrue(mail.endswith(b"\n" + message.replace(b"\r\n", b"\n")) or
                            mail.endswith(b"\n" + message.replace(b"\r\n", b"\n") + b"\n"),
                            mail[-2000:])

    def test_lmtp__tcp_each_recipient_has_its_own_reply(self):
        self.assert_lmtp(url(self.server, "lmtp", scheme="lmtp", options="?tls=none"))

    def test_lmtp__unix_socket_each_recipient_has_its_own_reply(self):
        link = os.path.join(self.folder.name, "lmtp")
        os.symlink(self.server.path("/run/dovecot/lmtp"), link)
        self.assert_lmtp("lmtp+unix://" + link)

    def test_login__token_by_xoauth2_and_oauthbearer(self):
        for mechanism in ("OAUTHBEARER", "XOAUTH2"):
            with self.subTest(mechanism=mechanism):
                result = self.send("--auth", mechanism, "--text", "x",
                                   password=self.server.token())
                self.assert_result(result, 0, "accepted")
                self.assertEqual(result.json["server"]["auth"], mechanism)
                self.mailbox.take_mail("bob")

    def test_login__token_that_is_no_good_sends_nothing(self):
        for mechanism in ("OAUTHBEARER", "XOAUTH2"):
            with self.subTest(mechanism=mechanism):
                result = self.send("--auth", mechanism, "--text", "x",
                                   password=self.server.token(lifetime_s=-60))
                self.assertEqual(result.code, 77, result)
        self.assert_nothing_arrived()

    def test_login__client_certificate_by_external(self):
        result = self.send("--auth", "EXTERNAL", "--cert", self.certificates.client_cert, "--key",
                           self.certificates.client_key, "--text", "x", password="")
        self.assert_result(result, 0, "accepted")
        self.assertEqual(result.json["server"]["auth"], "EXTERNAL")


if __name__ == "__main__":
    sys.exit(main(TestDovecot))
