# SPDX-License-Identifier: MIT
"""tests/cli/test_linear.py - reading takes time in proportion to the octets, whatever they are

Counts instructions (valgrind, no clock) of lint, bounce and send over inputs that double twice.  What the
second doubling adds over what the first one added is 2 when linear and 4 when quadratic.
"""
import re
import shutil
import subprocess
import sys

import harness
from harness import LETTERWING, Case, Peer

SIZE = 40000  # octets, about, of the smallest
MOST = 2.4

HEAD = (b'From: a@example.com\r\nTo: b@example.org\r\nDate: Wed, 25 Nov 2026 10:00:00 +0000\r\n'
        b'Message-ID: <1@x>\r\nMIME-Version: 1.0\r\n')
TAIL = b'\r\n\r\nx\r\n'


def repeated(before, unit, after=TAIL):
    return lambda size: HEAD + before + unit * (size // len(unit)) + after


def numbered(before, unit, after=TAIL):
    return lambda size: HEAD + before + b''.join(unit % i for i in range(size // len(unit))) + after


def inside_one_another(size):
    """50 multiparts that are open while lines come that nearly are their boundaries"""
    parts = b''.join(b'Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n' % (i, i) for i in range(50))
    return HEAD + parts + b'\r\n' + b'--b\r\n' * (size // 5)


MESSAGES = {
    'parts': repeated(b'Content-Type: multipart/mixed; boundary=b\r\n\r\n',
                      b'--b\r\nContent-Type: text/plain; name="a.txt"\r\n\r\nx\r\n', b'--b--\r\n'),
    'depth': inside_one_another,
    'fields': repeated(b'', b'X-A: b\r\n', b'\r\nx\r\n'),
    'one long field': repeated(b'Subject: ', b'word word\r\n '),
    'encoded words': repeated(b'Subject: ', b'=?utf-8?q?=C3=BC?=\r\n '),
    'broken words': repeated(b'Subject: ', b'=?a?q?'),
    'beginnings of words': repeated(b'Subject: ', b'=?'),
    'continued parameter': numbered(b'Content-Disposition: attachment', b';\r\n filename*%d*=%%E2%%82'),
    'open comments': repeated(b'Content-Type: text/plain', b'; x=y ('),
    'open quotes': repeated(b'Content-Type: text/plain', b'; x="a\\'),
    'addresses': repeated(b'Cc: ', b'Ann <ann@example.com>,\r\n ', b'x@y.de' + TAIL),
    'List-Unsubscribe': repeated(b'List-Unsubscribe: ', b'<https://a/b>,\r\n ', b'<mailto:a@b>' + TAIL),
    'DKIM-Signature': repeated(b'DKIM-Signature: h=', b'from:\r\n ', b'; a=b' + TAIL),
    'CR': lambda size: HEAD.replace(b'\r\n', b'\r') + b'\r' + b'x\r' * (size // 2),
    'quoted-printable': repeated(b'Content-Transfer-Encoding: quoted-printable\r\n\r\n', b'=C3=BC   =\r\n'),
    'white space': repeated(b'Content-Transfer-Encoding: quoted-printable\r\n\r\n', b' '),
    'base64': repeated(b'Content-Transfer-Encoding: base64\r\n\r\n', b'QUJD' * 19 + b'\r\n'),
}


def report(size):
    group = b'\r\nFinal-Recipient: rfc822; u@example.com\r\nDiagnostic-Code: smtp; 550 5.1.1 no\r\n'
    return (b'Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a\r\n'
            + group * (size // len(group)))


class Linear(Case):
    def count(self, args, message):
        done = subprocess.run(['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null', LETTERWING,
                               *args], input=message, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, timeout=harness.PATIENCE)
        found = re.search(rb'Collected : (\d+)', done.stderr)
        self.assertTrue(found, done.stderr.decode())
        return int(found.group(1))

    def check(self, args, make):
        one, two, four = (self.count(args, make(SIZE * n)) for n in (1, 2, 4))
        self.assertGreater(two, one)
        ratio = (four - two) / (two - one)
        self.assertLess(ratio, MOST, f'{one} {two} {four} instructions')
        print(f'# {(four - two) / SIZE / 2:.0f} instructions an octet, ratio {ratio:.2f}')

    def test_lint(self):
        for name, make in MESSAGES.items():
            with self.subTest(name):
                print(f'# {name}')
                self.check(['lint', '--json', '-'], make)

    def test_ready_message(self):
        """looked at before a connection is tried, and there is nobody to connect to"""
        with Peer(None) as peer:
            url = f'smtp://127.0.0.1:{peer.port}'
        for name in ('fields', 'CR', 'quoted-printable'):
            with self.subTest(name):
                self.check(['send', '--via', url, '--message', '-'], MESSAGES[name])

    def test_bounce(self):
        self.check(['bounce', '--json', '-'], report)


if __name__ == '__main__':
    if shutil.which('valgrind') is None:
        print('skipped: no valgrind')
        sys.exit(77)
    harness.main()
