#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""letterwing against Exim."""

import sys

from harness import CommonCases, DsnCases, ServerCase, main
from servers import Exim


class TestExim(CommonCases, DsnCases, ServerCase):
    mechanisms = ("CRAM-MD5", "PLAIN", "LOGIN")

    reported_envid = rb"order\+2B47\+3D11"    # Exim leaves the xtext as it came

    @classmethod
    def make(cls, certificates):
        cls.server = cls.start(Exim(certificates))


if __name__ == "__main__":
    sys.exit(main(TestExim))
