#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/dkim/test_verifiers.py - what we sign, two other verifiers accept; what they sign, we do

The verifiers are dkimpy (Debian's python3-dkim with python3-nacl) and npm's mailauth.  Neither
asks DNS: the records of this test answer.  Messages are odd on purpose: empty bodies, line ends
only, spaces at line ends, no last line end, dots, lines of 998 octets, 8 bit, odd folding.
"""
import os
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'cli'))
from harness import Case, Sink, main, run  # noqa: E402
import judges  # noqa: E402

HEAD = b'From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: Hi\r\n' \
       b'Date: Fri, 11 Jul 2003 21:00:37 -0700\r\nMessage-ID: <1@example.com>\r\n'
LONG = b''.join(bytes([97 + i]) * 998 + b'\r\n' for i in range(4))
MESSAGES = {
    'plain': HEAD + b'\r\nHello,\r\n\r\nbye.\r\n',
    'empty body': HEAD + b'\r\n',
    'line ends only': HEAD + b'\r\n\r\n\r\n\r\n',
    'spaces at line ends': HEAD + b'\r\nx \t\r\n  \r\n\r\ny \t z\r\n \r\n\t\r\n\r\n',
    'spaces only': HEAD + b'\r\n  \t \r\n \r\n',
    'no last line end': HEAD + b'\r\nHello',
    'dots': HEAD + b'\r\n.\r\n..\r\n.x\r\n.\r\n',
    '998 octets': HEAD + b'\r\n' + LONG,
    '998 octets in Subject': b'From: a@example.com\r\nSubject: ' + b's' * 980 + b'\r\n\r\nx\r\n',
    '8 bit': 'From: Zoë <ann@example.com>\r\nSubject: 测试\r\n\r\nÄÖÜ\r\n'.encode() + b'\xff\xfe\x80\r\n',
    'odd folding': b'From:\r\n ann@example.com\r\nSUBJECT:  a \t b\r\n \t c\r\n\t d  \r\nto: x@y.z\r\n\r\nx\r\n',
    'two of each': HEAD + b'To: second@example.org\r\nSubject: again\r\n\r\nx\r\n',
    'lists': HEAD + b'List-Unsubscribe: <https://example.com/u>\r\nList-Unsubscribe-Post: '
                    b'List-Unsubscribe=One-Click\r\nList-Id: <l.example.com>\r\n\r\nx\r\n',
    'mime': HEAD + b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
                   b'--b\r\n\r\ntext\r\n--b\r\nContent-Type: image/png\r\n'
                   b'Content-Transfer-Encoding: base64\r\n\r\n' + b'QUJD' * 19 + b'\r\n--b--\r\n',
}
CANONS = ['relaxed/relaxed', 'relaxed/simple', 'simple/relaxed', 'simple/simple']
TIME = '1700000000'


class Verifiers:
    """The same cases before each judge."""

    judge = None

    @classmethod
    def setUpClass(cls):
        if cls.judge.why_not:
            raise unittest.SkipTest(cls.judge.why_not)
        cls.dir = tempfile.TemporaryDirectory(prefix='lw-dkim-')
        cls.keys, cls.records = {}, {}
        for kind in ('rsa', 'ed25519'):
            path = os.path.join(cls.dir.name, kind + '.pem')
            made = run('dkim', 'keygen', '--type', kind, path)
            assert made.code == 0, made
            cls.keys[kind] = path
            cls.records[f'{kind}._domainkey.example.com'] = made.out.strip()
        cls.both = [a for kind in ('rsa', 'ed25519')
                    for a in ('--dkim', f'example.com:{kind}:{cls.keys[kind]}')]

    @classmethod
    def tearDownClass(cls):
        cls.dir.cleanup()

    def sign(self, message, canon, *more):
        ran = run('dkim', 'sign', *self.both, '--canon', canon, '--time', TIME, *more, '-',
                  stdin=message)
        self.assertEqual(ran.code, 0, ran)
        self.assertTrue(ran.raw.endswith(message), ran)
        return ran.raw

    def verify(self, message):
        records = [a for name, text in self.records.items() for a in ('--record', f'{name} {text}')]
        ran = run('dkim', 'verify', '--json', *records, '-', stdin=message)
        return [s['status'] for s in ran.json['signatures']]

    def assert_all_pass(self, named):
        """named: (what, message), each with two signatures."""
        answers = self.judge.verify([m for _, m in named], self.records)
        for (name, _), answer in zip(named, answers, strict=True):
            self.assertEqual(answer, ['pass', 'pass'], f'{name} before {self.judge}')

    def test_ours__odd_messages_are_accepted(self):
        self.assert_all_pass([(f'{name}, {canon}', self.sign(message, canon))
                              for name, message in MESSAGES.items() for canon in CANONS])

    def test_ours__options_are_accepted(self):
        message = self.sign(MESSAGES['plain'].replace(b'To:', b'X-Mine: 1\r\nTo:'), 'relaxed/relaxed',
                            '--identity', 'ann b@mail.example.com', '--expires', '4000000000',
                            '--sign-header', 'X-Mine')
        self.assertIn(b'i=ann=20b@mail.example.com;', message)
        self.assertIn(b'X-Mine:X-Mine;', message)
        self.assert_all_pass([('options', message)])

    def test_ours__changed_is_refused_by_them_and_us(self):
        message = self.sign(MESSAGES['plain'], 'relaxed/relaxed')
        changed = [message.replace(what, by) for what, by in (
            (b'Hello', b'Hallo'), (b'Subject: Hi', b'Subject: Ho'),
            (b'Date: Fri', b'Cc: eve@example.net\r\nDate: Fri'))]
        for one, answers in zip(changed, self.judge.verify(changed, self.records), strict=True):
            self.assertNotEqual(one, message)
            self.assertEqual(len(answers), 2)
            self.assertNotIn('pass', answers)
            self.assertEqual(self.verify(one), ['fail', 'fail'])

    def test_theirs__odd_messages_are_accepted_by_us(self):
        named = [(f'{name}, {canon}', message, canon) for name, message in MESSAGES.items()
                 for canon in CANONS]
        pems = {}
        for kind, path in self.keys.items():
            with open(path, encoding='ascii') as f:
                pems[kind] = f.read()
        fields = self.judge.sign([(m, c) for _, m, c in named], pems)
        for (name, message, _), signatures in zip(named, fields, strict=True):
            self.assertEqual(self.verify(signatures + message), ['pass', 'pass'],
                             f'{name} by {self.judge}: {signatures!r}')

    def test_sent__arrives_with_good_signatures(self):
        path = os.path.join(self.dir.name, '报告.bin')
        with open(path, 'wb') as f:
            f.write(bytes(range(256)) * 1200)
        with Sink() as sink:
            ran = run('send', '--via', sink.url, '-f', 'Zoë <ann@example.com>', '-t', 'bob@example.org',
                      '-s', '测试', '--text', 'Hello\n.\n\n', '--html', '<p>Hello</p>', '-a', path,
                      '-H', 'List-Unsubscribe: <https://example.com/u>', *self.both)
            self.assertEqual(ran.code, 0, ran)
            _, message = sink.one()
        self.assertEqual(message.count(b'DKIM-Signature:'), 2)
        self.assert_all_pass([('sent', message)])


class Dkimpy(Verifiers, Case):
    judge = judges.dkimpy()


class Mailauth(Verifiers, Case):
    judge = judges.mailauth()


if __name__ == '__main__':
    main()
