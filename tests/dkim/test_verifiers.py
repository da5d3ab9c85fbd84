#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/dkim/test_verifiers.py - what we sign, two other verifiers accept; what they sign, we do

The verifiers are dkimpy (Debian's python3-dkim with python3-nacl) and npm's mailauth.  Neither
asks DNS: the records of this test answer.  Messages are odd on purpose: empty bodies, line ends
only, spaces at line ends, no last line end, dots, lines of 998 octets, 8 bit, odd folding.
"""
import base64
import json
import os
import subprocess
import sys
import tempfile
import unittest

try:
    import dkim
    import nacl  # noqa: F401  (dkimpy needs it for Ed25519)
except ImportError:
    if os.environ.get('LW_DKIM_PYTHON') is None and os.access('/usr/bin/python3', os.X_OK):
        os.environ['LW_DKIM_PYTHON'] = 'tried'  # another python stands before Debian's in PATH
        os.execv('/usr/bin/python3', ['/usr/bin/python3', *sys.argv])
    print('skipped: python3-dkim or python3-nacl is missing (tools/install-deps)')
    sys.exit(77)

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'cli'))
from harness import Case, Sink, main, run  # noqa: E402

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


def fetch_mailauth():
    """The node_modules folder, or None and why."""
    tool = os.path.join(HERE, '..', '..', 'tools', 'fetch-npm')
    done = subprocess.run([tool, 'mailauth@4.9.5'], capture_output=True, text=True)
    return (done.stdout.strip(), '') if done.returncode == 0 else (None, done.stdout.strip())


MODULES, WHY_NOT = fetch_mailauth()


def mailauth(jobs):
    """One process for all jobs; a list of answers."""
    done = subprocess.run(['node', os.path.join(HERE, 'mailauth_check.js'), MODULES],
                          input=''.join(json.dumps(j) + '\n' for j in jobs), text=True,
                          capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def b64(message):
    return base64.b64encode(message).decode()


class Verifiers(Case):
    @classmethod
    def setUpClass(cls):
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

    def signed(self):
        for name, message in MESSAGES.items():
            for canon in CANONS:
                yield f'{name}, {canon}', self.sign(message, canon)

    def dns(self, name, timeout=5):
        return self.records.get(name.decode().rstrip('.'), '').encode()

    def dkimpy(self, message, i):
        try:
            return dkim.DKIM(message).verify(idx=i, dnsfunc=self.dns)
        except dkim.ValidationError:  # the body hash
            return False

    def assert_dkimpy(self, name, message):
        for i in range(2):
            self.assertTrue(self.dkimpy(message, i), f'{name}: signature {i}')

    def assert_mailauth(self, named):
        jobs = [{'message': b64(m), 'records': self.records} for _, m in named]
        for (name, _), answer in zip(named, mailauth(jobs), strict=True):
            self.assertEqual(answer, ['pass', 'pass'], name)

    def test_ours__dkimpy_accepts_all(self):
        for name, message in self.signed():
            with self.subTest(name):
                self.assert_dkimpy(name, message)

    @unittest.skipIf(MODULES is None, WHY_NOT)
    def test_ours__mailauth_accepts_all(self):
        self.assert_mailauth(list(self.signed()))

    def test_ours__options_are_accepted(self):
        message = self.sign(MESSAGES['plain'] + b'x\r\n', 'relaxed/relaxed', '--identity',
                            'ann b@mail.example.com', '--expires', '4000000000', '--sign-header',
                            'X-Mine')
        self.assertIn(b'i=ann=20b@mail.example.com;', message)
        self.assert_dkimpy('options', message)
        if MODULES is not None:
            self.assert_mailauth([('options', message)])

    def test_ours__changed_is_refused_by_them_and_us(self):
        message = self.sign(MESSAGES['plain'], 'relaxed/relaxed')
        for what, by in ((b'Hello', b'Hallo'), (b'Subject: Hi', b'Subject: Ho'),
                         (b'Date: Fri', b'Cc: eve@example.net\r\nDate: Fri')):
            changed = message.replace(what, by)
            self.assertNotEqual(changed, message)
            self.assertFalse(self.dkimpy(changed, 0))
            ran = self.verify(changed)
            self.assertEqual(ran.code, 65, ran)
            self.assertEqual([s['status'] for s in ran.json['signatures']], ['fail', 'fail'])

    def verify(self, message):
        records = [a for name, text in self.records.items() for a in ('--record', f'{name} {text}')]
        return run('dkim', 'verify', '--json', '--time', TIME, *records, '-', stdin=message)

    def test_theirs__we_accept_dkimpy(self):
        pem = open(self.keys['rsa'], 'rb').read()
        # dkimpy wants the seed of an Ed25519 key in base64: the end of the PKCS#8 octets
        der = base64.b64decode(''.join(open(self.keys['ed25519']).read().splitlines()[1:-1]))
        for name, message in MESSAGES.items():
            for canon in CANONS:
                halves = tuple(c.encode() for c in canon.split('/'))
                with self.subTest(f'{name}, {canon}'):
                    rsa = dkim.sign(message, b'rsa', b'example.com', pem, canonicalize=halves)
                    ed = dkim.sign(message, b'ed25519', b'example.com', base64.b64encode(der[-32:]),
                                   canonicalize=halves, signature_algorithm=b'ed25519-sha256')
                    ran = run('dkim', 'verify', '--json', '--key', 'example.com:rsa:' + self.keys['rsa'],
                              '--key', 'example.com:ed25519:' + self.keys['ed25519'], '-',
                              stdin=rsa + ed + message)
                    self.assertEqual([s['status'] for s in ran.json['signatures']], ['pass', 'pass'], ran)

    @unittest.skipIf(MODULES is None, WHY_NOT)
    def test_theirs__we_accept_mailauth(self):
        jobs, names = [], []
        for name, message in MESSAGES.items():
            for canon in CANONS:
                names.append((f'{name}, {canon}', message))
                jobs.append({'message': b64(message), 'canon': canon, 'sign': [
                    {'signingDomain': 'example.com', 'selector': kind, 'privateKey': open(path).read()}
                    for kind, path in self.keys.items()]})
        for (name, message), fields in zip(names, mailauth(jobs), strict=True):
            ran = self.verify(fields.encode() + message)
            self.assertEqual([s['status'] for s in ran.json['signatures']], ['pass', 'pass'], f'{name} {ran}')

    def test_sent__arrives_with_good_signatures(self):
        path = os.path.join(self.dir.name, '报告.bin')
        with open(path, 'wb') as f:
            f.write(os.urandom(1) * 300000)
        with Sink() as sink:
            ran = run('send', '--via', sink.url, '-f', 'Zoë <ann@example.com>', '-t', 'bob@example.org',
                      '-s', '测试', '--text', 'Hello\n.\n\n', '--html', '<p>Hello</p>', '-a', path,
                      '-H', 'List-Unsubscribe: <https://example.com/u>', *self.both)
            self.assertEqual(ran.code, 0, ran)
            _, message = sink.one()
        self.assertEqual(message.count(b'DKIM-Signature:'), 2)
        self.assert_dkimpy('sent', message)
        if MODULES is not None:
            self.assert_mailauth([('sent', message)])


if __name__ == '__main__':
    main()
