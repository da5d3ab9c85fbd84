# SPDX-License-Identifier: MIT
"""tests/cli/test_protect.py - send --smime-* and --pgp-*, read back by openssl, gpg and Python's email

Every message goes through the capture server, and with a DKIM signature around it.
"""
import os
import tempfile
import unittest

import people
from harness import Case, Sink, main, run

TEXT = 'Hello\n-- \nFrom me\n\n.\n'
ODD_TEXTS = {'plain': 'x\n', 'empty': '', 'only line ends': '\n\n\n', 'spaces': ' \t\n  x  \n\t',
             'dots': '.\n..\n.x\n', 'mbox': 'From a\nFrom b', '8 bit': 'Grüße 测试\n',
             'long': 'y' * 998 + '\n', 'longer': 'z' * 5000 + '\n', 'no end': 'x'}


def content(part):
    return part.get_content().replace('\r\n', '\n')


HIDDEN = ('cat@example.com is a hidden recipient (in neither To nor Cc), and an encrypted message names everybody '
          'who can read it: send that copy as a message of its own')
CHANGED = ', which could be changed on the way: encode it as quoted-printable or base64'
NO_FILE = '/nowhere: cannot be read: No such file or directory'
TO_BOB = ('-f', 'Ann <ann@example.com>', '-t', 'bob@example.com', '-s', 'Grüße')


class Protected(Case):
    """What both kinds need: send through a sink, with DKIM outside."""

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.TemporaryDirectory(prefix='lw-pr-')
        cls.dkim = os.path.join(cls.dir.name, 'dkim.pem')
        made = run('dkim', 'keygen', '--type', 'ed25519', cls.dkim)
        assert made.code == 0, made

    @classmethod
    def tearDownClass(cls):
        cls.dir.cleanup()

    def send(self, *args, env=None, who=TO_BOB):
        """The one message that arrived, after its DKIM signature was verified."""
        with Sink() as sink:
            ran = run('send', '--via', sink.url, *who, '--dkim', f'example.com:s1:{self.dkim}', *args, env=env)
            self.assertEqual((ran.code, ran.err), (0, ''), ran)
            envelope, message = sink.one()
        checked = run('dkim', 'verify', '--key', self.dkim, '-', stdin=message)
        self.assertEqual(checked.code, 0, checked)
        self.assertNotIn(b'Hello', message.split(b'\r\n\r\n')[0])
        self.assertTrue(message.isascii())
        self.assertNotEqual(envelope.get('body'), '8BITMIME', envelope)
        people.parse(message)
        return message

    def assert_refused(self, code, sentence, *args, env=None, who=TO_BOB, text=('--text', TEXT)):
        """Nothing is sent, and this sentence says why."""
        with Sink() as sink:
            self.assert_says(run('send', '--via', sink.url, *who, *text, *args, env=env), code, sentence)
            self.assertEqual(sink.messages(), [])

    def assert_text(self, entity, text):
        """The entity is the composed text: read by Python, and none of it could be changed on its way."""
        parsed = people.parse(entity)
        want = text if text == '' or text.endswith('\n') else text + '\n'
        self.assertEqual(content(parsed.get_body(('plain',)))[:200], want[:200])
        self.assertTrue(content(parsed.get_body(('plain',))) == want)
        for line in entity.split(b'\r\n'):
            self.assertTrue(line.isascii() and len(line) <= 998 and not line.endswith((b' ', b'\t'))
                            and not line.startswith(b'From '), line)


class Smime(Protected):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ca = people.Smime(cls.dir.name)
        cls.ann = ':'.join(cls.ca.issue('ann'))
        cls.bob, _ = cls.ca.issue('bob')
        cls.cat, _ = cls.ca.issue('cat', usage='keyAgreement', key=(
            'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'))

    def test_signed__odd_texts_verify(self):
        for name, text in ODD_TEXTS.items():
            with self.subTest(name):
                message = self.send('--text', text, '--smime-sign', self.ann)
                entity = self.ca.verify(message)
                self.assertIsNotNone(entity, message)
                self.assert_text(entity, text)

    def test_signed__all_parts_arrive(self):
        octets = os.urandom(300000)
        message = self.send('--text', TEXT, '--html', '<p>Grüße</p>', '-a', self.file('报告.bin', octets),
                            '--smime-sign', self.ann)
        outer = people.parse(message)
        self.assertEqual(outer['Subject'], 'Grüße')
        self.assertEqual(outer.get_content_type(), 'multipart/signed')
        self.assertEqual((outer.get_param('micalg'), outer.get_param('protocol')),
                         ('sha-256', 'application/pkcs7-signature'))
        entity = people.parse(self.ca.verify(message))
        [attached] = entity.iter_attachments()
        self.assertEqual((attached.get_filename(), attached.get_content()), ('报告.bin', octets))
        self.assertIn('Grüße', entity.get_body(('html',)).get_content())

    def test_signed__changed_is_noticed(self):
        message = self.send('--text', 'one\n', '--smime-sign', self.ann)
        self.assertIsNotNone(self.ca.verify(message))
        changed = message.replace(b'one\r\n', b'two\r\n')
        self.assertNotEqual(changed, message)
        self.assertIsNone(self.ca.verify(changed))

    def test_signed__flowed_keeps_its_spaces(self):
        text = 'word ' * 40 + '\n'
        message = self.send('--html', '<p>' + text + '</p>', '--text', text, '--smime-sign', self.ann)
        self.assertIsNotNone(self.ca.verify(message))

    def test_signed__key_in_the_same_file(self):
        both = self.path_of_both()
        self.assertIsNotNone(self.ca.verify(self.send('--text', 'x', '--smime-sign', both)))

    def path_of_both(self):
        octets = b''
        for path in self.ann.split(':'):
            with open(path, 'rb') as f:
                octets += f.read()
        return self.file('both.pem', octets)

    def test_signed__ready_message(self):
        mail = self.file('m.eml', 'X-Mine: 1\nFrom: ann@example.com\nTo: bob@example.com\nMIME-Version: 1.0\n'
                                  'Content-Type: text/plain;\n charset=us-ascii\n\nReady.\n')
        message = self.send('--message', mail, '--smime-sign', self.ann, who=())
        self.assertIn(b'\r\nX-Mine: 1\r\nFrom: ann@example.com\r\n', message.split(b'\r\nContent-Type: multipart')[0])
        self.assertEqual(self.ca.verify(message),
                         b'Content-Type: text/plain;\r\n charset=us-ascii\r\n\r\nReady.\r\n')

    def test_encrypted__each_recipient_reads_it(self):
        octets = os.urandom(3000000)
        for cipher, kind in (('aes-256-cbc', 'enveloped-data'), ('aes-256-gcm', 'authEnveloped-data')):
            message = self.send('--cc', 'Cat <CAT@example.com>', '--text', TEXT, '-a', self.file('a.bin', octets),
                                '--smime-sign', self.ann, '--smime-encrypt', '--smime-cipher', cipher,
                                '--smime-cert', self.bob, '--smime-cert', self.cat)
            outer = people.parse(message)
            self.assertEqual((outer.get_content_type(), outer.get_param('smime-type'), outer.get_filename()),
                             ('application/pkcs7-mime', kind, 'smime.p7m'))
            self.assertEqual(outer['Content-Transfer-Encoding'], 'base64')
            for who in ('ann', 'bob', 'cat'):
                inside = self.ca.decrypt(message, who)
                entity = people.parse(self.ca.verify(inside))
                self.assertEqual(next(entity.iter_attachments()).get_content(), octets)
                self.assertEqual(content(entity.get_body(('plain',))), TEXT)

    def test_encrypted__others_do_not(self):
        self.ca.issue('eve')
        message = self.send('--text', TEXT, '--smime-encrypt', '--smime-cert', self.bob)
        self.assertIsNone(self.ca.decrypt(message, 'eve'))
        self.assert_text(self.ca.decrypt(message, 'bob'), TEXT)

    def test_encrypted__temporary_file_leaves_nothing(self):
        folder = self.folder()
        self.send('--text', TEXT, '-a', self.file('big', os.urandom(600000)), '--smime-encrypt', '--smime-cert',
                  self.bob, env={'TMPDIR': folder})
        self.assertEqual(os.listdir(folder), [])
        self.assert_refused(74, 'a temporary file in /nowhere cannot be made: No such file or directory',
                            '--smime-encrypt', '-a', self.file('big', os.urandom(600000)), '--smime-cert', self.bob,
                            env={'TMPDIR': '/nowhere'})

    def test_refused__binary_part(self):
        path = self.file('b.eml', b'From: ann@example.com\r\nTo: bob@example.com\r\n'
                                  b'Content-Transfer-Encoding: binary\r\n\r\na\nb\0')
        self.assert_refused(65, 'message: it has a binary part, so it can be neither signed nor encrypted as it is',
                            '--message', path, '--smime-sign', self.ann, who=(), text=())

    def test_refused__recipients(self):
        encrypt = ('--smime-encrypt', '--smime-cert', self.bob)
        for who, args in (('cat', ('--cc', 'cat@example.com', *encrypt)), ('bob', ('--smime-encrypt',))):
            self.assert_refused(78, f'smime: there is no certificate for {who}@example.com: nobody else may read it, '
                                'so nothing was sent', *args)
        self.assert_refused(65, HIDDEN, '--bcc', 'cat@example.com', '--smime-cert', self.cat, *encrypt)

    def test_refused__certificates(self):
        old, _ = self.ca.issue('bob', 'old', end='20210101000000Z')
        web, _ = self.ca.issue('bob', 'web', purpose='serverAuth')
        signs, _ = self.ca.issue('bob', 'signs', usage='digitalSignature')
        of_bob = 'the certificate of bob@example.com '
        no_mail = of_bob + 'is not for mail (its extended key usage is without emailProtection)'
        for cert, sentence in ((old, of_bob + 'expired on 2021-01-01'), (web, no_mail),
                               (signs, of_bob + 'is not for encrypting (by its key usage)')):
            self.assert_refused(78, 'smime: ' + sentence, '--smime-encrypt', '--smime-cert', cert)
        self.assert_refused(78, f'smime: {of_bob}expired on 2021-01-01', '--smime-sign', f'{old}:{old[:-3]}key',
                            who=('-f', 'bob@example.com', '-t', 'ann@example.com'))
        self.assert_refused(78, f'send: smime: {web} and {web[:-3]}key: {no_mail}',
                            '--smime-sign', f'{web}:{web[:-3]}key')
        self.assert_refused(78, f'smime: {of_bob}is not that of the sender, ann@example.com', '--smime-sign',
                            f'{self.bob}:{self.bob[:-3]}key')

    def test_refused__files(self):
        cert, key = self.ann.split(':')
        text, big = self.file('x', 'hello'), self.file('big', b'x' * (1 << 20))
        bob = self.bob[:-3] + 'key'
        no_cert = 'there is no PEM certificate (-----BEGIN CERTIFICATE-----)'
        no_key = 'there is no private key of ann@example.com (-----BEGIN PRIVATE KEY-----)'
        for sentence, *args in (
                (NO_FILE, '--smime-sign', '/nowhere'),
                (NO_FILE, '--smime-sign', f'{cert}:/nowhere'),
                (NO_FILE, '--smime-encrypt', '--smime-cert', '/nowhere'),
                (f'{text}: {no_cert}', '--smime-sign', text),
                (f'{key}: {no_cert}', '--smime-encrypt', '--smime-cert', key),
                (f'{cert}: {no_key}', '--smime-sign', cert),
                (f'{cert} and {text}: {no_key}', '--smime-sign', f'{cert}:{text}'),
                (f'{cert} and {bob}: the private key does not belong to the certificate of ann@example.com',
                 '--smime-sign', f'{cert}:{bob}'),
                (f'{big}: 1024 KiB and more is too large for a key or a certificate', '--smime-sign', big)):
            self.assert_refused(78, 'send: smime: ' + sentence, *args)

    def test_refused__eight_bit_that_cannot_be_encoded(self):
        mail = self.file('m.eml', 'From: ann@example.com\nTo: bob@example.com\n\nGrüße\n')
        self.assert_refused(65, 'line 3 of what shall be signed has octets that are not 7-bit' + CHANGED,
                            '--message', mail, '--smime-sign', self.ann, who=(), text=())

    def test_refused__use(self):
        self.assert_refused(64, 'send: --smime-cert and --smime-cipher go with --smime-encrypt', '--smime-cert', self.bob)
        self.assert_refused(64, 'send: --smime-cipher "rc2" is neither aes-256-cbc nor aes-256-gcm', '--smime-encrypt',
                            '--smime-cipher', 'rc2')
        self.assert_refused(64, 'send: a message is either S/MIME or OpenPGP: choose one', '--smime-sign', self.ann,
                            '--pgp-sign')

    def test_dry_run__same_checks(self):
        ran = run('send', '--dry-run', *TO_BOB, '--text', TEXT, '--smime-sign', self.ann)
        self.assert_text(self.ca.verify(ran.raw), TEXT)
        self.assert_says(run('send', '--dry-run', *TO_BOB, '--text', TEXT, '--smime-encrypt'), 78, 'smime: there is no '
                         'certificate for bob@example.com: nobody else may read it, so nothing was sent')


class Pgp(Protected):
    @classmethod
    def setUpClass(cls):
        if not people.has_gpg():
            raise unittest.SkipTest('gpg is missing (tools/install-deps)')
        super().setUpClass()
        cls.gpg = people.Gpg()
        cls.env = cls.gpg.env
        cls.fingerprints = {who: cls.gpg.make(who) for who in ('ann', 'bob', 'cat')}
        ran = run('send', '--dry-run', *TO_BOB, '--text', 'x', '--pgp-sign', env=cls.env)
        if 'built without OpenPGP' in ran.err:
            cls.tearDownClass()
            raise unittest.SkipTest('built without GPGME (libgpgme-dev, tools/install-deps)')

    @classmethod
    def tearDownClass(cls):
        cls.gpg.close()
        super().tearDownClass()

    def test_signed__odd_texts_verify(self):
        for name, text in ODD_TEXTS.items():
            with self.subTest(name):
                message = self.send('--text', text, '--pgp-sign', env=self.env)
                outer = people.parse(message)
                self.assertEqual((outer.get_content_type(), outer.get_param('protocol')),
                                 ('multipart/signed', 'application/pgp-signature'))
                signed, said = self.gpg.verify(message)
                self.assertIsNotNone(signed, said)
                self.assertIn('Good signature from "ann <ann@example.com>"', said)
                self.assert_text(signed, text)

    def test_signed__micalg_is_the_hash_of_the_signature(self):
        message = self.send('--text', 'x', '--pgp-sign', env=self.env)
        signature = message.split(b'signature.asc"')[1].split(b'\r\n\r\n', 1)[1]
        listed = self.gpg.run('--list-packets', stdin=signature.split(b'\r\n--=_')[0]).stdout
        number = {'pgp-sha256': b'digest algo 8,', 'pgp-sha512': b'digest algo 10,'}
        self.assertIn(number[people.parse(message).get_param('micalg')], listed)

    def test_signed__with_the_key_that_was_named(self):
        for key in (self.fingerprints['cat'], 'cat@example.com'):
            message = self.send('--text', 'x', f'--pgp-sign={key}', env=self.env)
            self.assertIn('Good signature from "cat', self.gpg.verify(message)[1])

    def test_signed__changed_is_noticed(self):
        message = self.send('--text', 'one', '--pgp-sign', env=self.env)
        self.assertIsNone(self.gpg.verify(message.replace(b'one\r\n', b'two\r\n'))[0])

    def test_encrypted__and_signed(self):
        octets = os.urandom(2000000)
        message = self.send('--cc', 'cat@example.com', '--text', TEXT, '-a', self.file('a.bin', octets),
                            '--pgp-sign', '--pgp-encrypt', env=self.env)
        outer = people.parse(message)
        self.assertEqual((outer.get_content_type(), outer.get_param('protocol')),
                         ('multipart/encrypted', 'application/pgp-encrypted'))
        self.assertEqual([part.get_content_type() for part in outer.iter_parts()],
                         ['application/pgp-encrypted', 'application/octet-stream'])
        inside, said = self.gpg.decrypt(message)
        self.assertIn('Good signature from "ann', said)
        for who in ('ann', 'bob', 'cat'):
            self.assertIn(f'"{who} <{who}@example.com>"', said)
        entity = people.parse(inside)
        self.assertEqual(next(entity.iter_attachments()).get_content(), octets)

    def test_encrypted__alone(self):
        message = self.send('--text', TEXT, '--pgp-encrypt', env=self.env)
        inside, said = self.gpg.decrypt(message)
        self.assertNotIn('Good signature', said)
        self.assert_text(inside, TEXT)

    def test_refused__keys(self):
        for who, how in (('old', 'expired'), ('far', 'trust'), ('shut', 'password')):
            self.make_special(who, how)
        far = self.gpg.fingerprint('far')
        for sentence, *args in (
                ('gpg has no key of dan@example.com: nothing was sent', '--cc', 'dan@example.com', '--pgp-encrypt'),
                ('gpg has no secret key of dan@example.com: nothing was sent', '--pgp-sign=dan@example.com'),
                ('the key of old@example.com is expired: nothing was sent', '--cc', 'old@example.com', '--pgp-encrypt'),
                (f'gpg does not trust the key {far} of a recipient: if it is his, say so with gpg --lsign-key; nothing '
                 'was sent', '--cc', 'far@example.com', '--pgp-encrypt'),
                ('gpg needs a password to sign, and none is asked for here: let gpg-agent know it, or use a key '
                 'without one', '--pgp-sign=shut@example.com')):
            self.assert_refused(78, 'pgp: ' + sentence, *args, env=self.env)
        self.assert_refused(78, 'pgp: gpg has no secret key of dan@example.com: nothing was sent', '--pgp-sign',
                            env=self.env, who=('-f', 'dan@example.com', '-t', 'bob@example.com'))
        self.assert_refused(65, HIDDEN, '--bcc', 'cat@example.com', '--pgp-encrypt', env=self.env)

    def test_refused__without_gpg(self):
        """GPGME looks for gpg with $PATH."""
        self.assert_refused(78, 'send: pgp: OpenPGP needs GPGME and gpg, and the program gpg is not installed',
                            '--pgp-sign', env={**self.env, 'PATH': '/nowhere'})

    def make_special(self, who, how):
        if how == 'password':
            self.gpg.make(who, password='secret')
            command = ('gpg-connect-agent', 'reloadagent', '/bye')
            people.must(*command, env=self.env)
            return
        other = people.Gpg()
        self.addCleanup(other.close)
        fingerprint = other.make(who, expires='never')
        if how == 'expired':
            done = other.run('--faked-system-time', '20200101T000000!', '--pinentry-mode', 'loopback', '--passphrase', '',
                             '--quick-gen-key', 'old2 <old@example.com>', 'rsa2048', 'default', '1d')
            assert done.returncode == 0, done.stderr
            done = other.run('--yes', '--delete-secret-and-public-key', fingerprint)
            assert done.returncode == 0, done.stderr
        exported = other.run('--export', f'<{who}@example.com>').stdout
        assert self.gpg.run('--import', stdin=exported).returncode == 0

    def test_refused__what_a_signature_would_not_survive(self):
        mail = self.file('m.eml', 'From: ann@example.com\nTo: bob@example.com\n\nx \n')
        for more in ((), ('--pgp-encrypt',)):
            self.assert_refused(65, 'line 3 of what shall be signed has a space at its end' + CHANGED, '--message', mail,
                                '--pgp-sign', *more, env=self.env, who=(), text=())

    def test_large__source_that_fails_is_named(self):
        self.assert_refused(66, '/nowhere/x: cannot be opened: No such file or directory', '-a', '/nowhere/x',
                            '--pgp-sign', env=self.env)


del Protected  # the cases of the two kinds only

if __name__ == '__main__':
    main()
