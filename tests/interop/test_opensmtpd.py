#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""letterwing against OpenSMTPD, which offers neither PIPELINING nor CHUNKING."""

import sys

from harness import CommonCases, DsnCases, ServerCase, main
from servers import OpenSMTPD


class TestOpenSMTPD(CommonCases, DsnCases, ServerCase):
    mechanisms = ("PLAIN", "LOGIN")
    has_chunking = False
    reported_envid = None    # takes ENVID, but leaves it out of its reports
    # It cannot be told to defer a recipient.
    test_recipient__deferred_and_refused_are_told_apart = None

    @classmethod
    def make(cls, certificates):
        cls.server = cls.start(OpenSMTPD(certificates))


if __name__ == "__main__":
    sys.exit(main(TestOpenSMTPD))
