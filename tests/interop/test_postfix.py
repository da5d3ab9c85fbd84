#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""letterwing against Postfix, whose logins Dovecot checks."""

import sys

from harness import CommonCases, DsnCases, ServerCase, main
from servers import Dovecot, Postfix


class TestPostfix(CommonCases, DsnCases, ServerCase):
    mechanisms = ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN")

    @classmethod
    def make(cls, certificates):
        auth = cls.start(Dovecot(certificates))
        cls.server = cls.start(Postfix(certificates, auth))


if __name__ == "__main__":
    sys.exit(main(TestPostfix))
