# SPDX-License-Identifier: MIT
"""tests/cli/test_dkim.py - letterwing dkim and send --dkim: what is printed, exit codes, sentences

That other people's verifiers agree is tested in tests/dkim/test_verifiers.py.
"""
import os
import stat
import subprocess

from harness import Case, Sink, main, run

# RFC 8463 Appendix A
ED_PEM = ('-----BEGIN PRIVATE KEY-----\n'
          'MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n'
          '-----END PRIVATE KEY-----\n')
ED_RECORD = 'v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo='
RSA_RECORD = ('v=DKIM1; k=rsa; p='
              'MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC0YvTiVToQapBS/t+cnYeWWNja3lOcxMjRFe9W'
              '4LNpD/Ml0yvNYH3wRye+byuuCrUOxlZ9JuE29jM7D7zedzWQRyN9NpLt9BySrKTTzCr7Gyd2525b'
              'CNnYHOBTLBJBzaEJAmhZDPFWHT4McK5JXYxzPpv7R2g+pPDwBsFmxPxRkwIDAQAB')
RFC8463 = '''DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
'''
MAIL = 'From: ann@example.com\nTo: bob@example.org\nSubject: Hi\n\nHello\n'


class Keygen(Case):
    def test_keygen__file_is_private_and_never_overwritten(self):
        for kind in ('rsa', 'ed25519'):
            path = os.path.join(self.folder(), 'key.pem')
            ran = run('dkim', 'keygen', '--type', kind, path)
            self.assertEqual((ran.code, ran.err), (0, ''), ran)
            self.assertTrue(ran.out.startswith(f'v=DKIM1; k={kind}; p='), ran)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            self.assertEqual(run('dkim', 'record', path).out, ran.out)
            self.assert_says(run('dkim', 'keygen', path), 73, f'dkim keygen: {path} exists, and a key is never '
                             'overwritten: name a new file')

    def test_keygen__openssl_reads_it(self):
        ran = run('dkim', 'keygen', '--bits', '3072', '-')
        self.assertEqual((ran.code, ran.err), (0, ''), ran)
        shown = subprocess.run(['openssl', 'pkey', '-noout', '-text'], input=ran.raw,
                               capture_output=True, check=True).stdout
        self.assertIn(b'3072 bit', shown)

    def test_keygen__bad_use(self):
        for args, code, sentence in (
                ((), 64, 'name one new file, or - for standard output'),
                (('a', 'b'), 64, 'name one new file, or - for standard output'),
                (('--type', 'dsa', '-'), 64, '--type "dsa" is neither rsa nor ed25519'),
                (('--bits', '512', '-'), 64, 'an RSA key has 1024 to 8192 bits: 2048 is a good size'),
                (('--type', 'ed25519', '--bits', '512', '-'), 64, 'an Ed25519 key has one size only: name none'),
                (('/nowhere/key.pem',), 73, '/nowhere/key.pem cannot be made: No such file or directory')):
            self.assert_says(run('dkim', 'keygen', *args), code, 'dkim keygen: ' + sentence)

    def test_keygen__short_key_is_advised_against(self):
        ran = run('dkim', 'keygen', '--bits', '1024', os.path.join(self.folder(), 'key.pem'))
        self.assertEqual(ran.code, 0)
        self.assertIn('RFC 8301 asks for 2048', ran.err)


class Record(Case):
    def test_record__forms(self):
        path = self.file('key.pem', ED_PEM)
        self.assertEqual(run('dkim', 'record', path).out, ED_RECORD + '\n')
        self.assertEqual(run('dkim', 'record', '--zone', f'example.com:s1:{path}').out,
                         f's1._domainkey.example.com. IN TXT ( "{ED_RECORD}" )\n')
        self.assertEqual(run('dkim', 'record', '--json', f'example.com:s1:{path}').json,
                         {'name': 's1._domainkey.example.com', 'record': ED_RECORD,
                          'algorithm': 'ed25519-sha256', 'bits': 256})
        self.assertIsNone(run('dkim', 'record', '--json', path).json['name'])

    def test_record__zone_strings_are_at_most_255_octets(self):
        path = os.path.join(self.folder(), 'key.pem')
        record = run('dkim', 'keygen', '--bits', '4096', path).out.strip()
        strings = run('dkim', 'record', '--zone', f'e.com:s:{path}').out.split('"')[1::2]
        self.assertEqual(''.join(strings), record)
        self.assertTrue(all(0 < len(s) <= 255 for s in strings))

    def test_record__bad_use(self):
        text, folder, big = self.file('x', 'hello'), self.folder(), self.file('big', b'x' * 65536)
        for args, code, sentence in (
                ((), 64, 'name one key file'),
                (('/nowhere',), 78, '/nowhere: cannot be read: No such file or directory'),
                ((text,), 78, f'{text}: there is no PEM key (-----BEGIN PRIVATE KEY-----)'),
                (('--zone', text), 64, f'"{text}" is not DOMAIN:SELECTOR:KEYFILE, as in '
                 'example.com:mail2026:mail2026.pem'),
                (('--zone', '--json', text), 64, '--zone and --json: choose one'),
                ((folder,), 78, f'{folder}: cannot be read: Is a directory'),
                ((big,), 78, f'{big}: 64 KiB and more is too large for a key or a certificate')):
            self.assert_says(run('dkim', 'record', *args), code, 'dkim record: ' + sentence)


class SignVerify(Case):
    def setUp(self):
        self.key = self.file('key.pem', ED_PEM)
        self.spec = f'example.com:s1:{self.key}'

    def sign(self, *args, stdin=MAIL):
        ran = run('dkim', 'sign', '--dkim', self.spec, '--time', '1700000000', *args, '-', stdin=stdin)
        self.assertEqual((ran.code, ran.err), (0, ''), ran)
        return ran.raw

    def test_sign__any_line_ends_give_the_same(self):
        want = self.sign()
        self.assertTrue(want.endswith(b'Subject: Hi\r\n\r\nHello\r\n'))
        self.assertEqual(self.sign(stdin=MAIL.replace('\n', '\r\n')), want)
        self.assertEqual(self.sign(stdin=MAIL.replace('\n', '\r')), want)
        self.assertEqual(run('dkim', 'sign', '--dkim', self.spec, '--time', '1700000000',
                             self.file('m.eml', MAIL)).raw, want)

    def test_sign__options_are_in_the_field(self):
        field = self.sign('--identity', '@mail.example.com', '--expires', '60', '--canon',
                          'simple/relaxed').decode()
        for part in ('c=simple/relaxed;', 'd=example.com;', 's=s1;', 't=1700000000;', 'x=1700000060;',
                     'i=@mail.example.com;'):
            self.assertIn(part, field)
        self.assertNotIn(' l=', field)

    def test_sign__bad_use(self):
        for args, code, sentence in (
                (('-',), 64, 'no key: add --dkim DOMAIN:SELECTOR:KEYFILE'),
                (('--dkim', self.key, '-'), 64, f'"{self.key}" is not DOMAIN:SELECTOR:KEYFILE, as in '
                 'example.com:mail2026:mail2026.pem'),
                (('--dkim', f'localhost:s:{self.key}', '-'), 64, '"localhost" is no domain such as example.com'),
                (('--dkim', f'e.com:s s:{self.key}', '-'), 64,
                 '"s s" is no selector: letters, digits, -, _ and dots'),
                (('--dkim', 'e.com:s:/nowhere', '-'), 78, '/nowhere: cannot be read: No such file or directory'),
                (('--dkim', self.spec, '--canon', 'relaxed', '-'), 64, '--canon "relaxed" is not '
                 'relaxed/relaxed, relaxed/simple, simple/relaxed or simple/simple'),
                (('--dkim', self.spec, '--identity', '@b.org', '-'), 64,
                 'identity "@b.org" is not in the domain "example.com"'),
                (('--dkim', self.spec, '--sign-header', 'X Y', '-'), 64,
                 '"X Y" cannot be signed: it is no header name of at most 76 characters'),
                (('--dkim', self.spec, '--expires', 'soon', '-'), 64,
                 '--expires "soon" is not a whole number above 0'),
                (('--dkim', self.spec), 64, 'name one message, or - for standard input'),
                (('--dkim', self.spec, '-'), 65, 'the message has no From, which every signature must cover'),
                (('--dkim', self.spec) * 17 + ('-',), 64, 'at most 16 signatures for a message'),
                (('--dkim', self.spec, '/nowhere'), 66, '/nowhere cannot be read: No such file or directory')):
            self.assert_says(run('dkim', 'sign', *args, stdin='To: b@c.de\n\nx\n'), code, 'dkim sign: ' + sentence)

    def test_verify__rfc_8463(self):
        for way in (('--record', ED_RECORD), ('--key', self.key),
                    ('--key', f'football.example.com:brisbane:{self.key}'),
                    ('--record', f'brisbane._domainkey.football.example.com {ED_RECORD}'),
                    ('--record', f'Brisbane._domainkey.Football.Example.Com. 3600 IN TXT ( "{ED_RECORD}" )'),
                    ('--record', '"v=DKIM1\\; k=ed25519\\; p=11qYAYKxCrfVS/7TyWQH" "Og7hcvPapiMlrwIaaPcHURo="'),
                    ('--record', 'v=DKIM1; p=', '--record', ED_RECORD)):
            ran = run('dkim', 'verify', *way, '-', stdin=RFC8463)
            self.assertEqual((ran.code, ran.out, ran.err),
                             (0, 'pass       d=football.example.com s=brisbane ed25519-sha256\n', ''), way)

    def test_verify__json(self):
        found = run('dkim', 'verify', '--json', '--key', self.key, '-', stdin=RFC8463).json
        self.assertEqual(found, {'outcome': 'pass', 'signatures': [{
            'status': 'pass', 'reason': None, 'domain': 'football.example.com', 'selector': 'brisbane',
            'identity': '@football.example.com', 'algorithm': 'ed25519-sha256', 'bits': 256,
            'time': 1528637909, 'expires': None, 'testing': False}]})

    def test_verify__what_is_not_good_is_told(self):
        changed = RFC8463.replace('Joe.\n', 'Jo.\n')
        ran = run('dkim', 'verify', '--record', ED_RECORD, '-', stdin=changed)
        self.assertEqual((ran.code, ran.out),
                         (65, 'fail       d=football.example.com s=brisbane ed25519-sha256\n'
                              '           the body is not the one that was signed\n'))
        for records in ((RSA_RECORD, ED_RECORD), (ED_RECORD, RSA_RECORD)):  # one is for another algorithm
            both = [word for record in records for word in ('--record', record)]
            self.assertEqual(run('dkim', 'verify', *both, '-', stdin=changed).out, ran.out)
        ran = run('dkim', 'verify', '-', stdin=RFC8463)
        self.assertEqual(ran.code, 75)
        self.assertIn('no record was given for it', ran.out)
        ran = run('dkim', 'verify', '--record', 'other._domainkey.football.example.com ' + ED_RECORD, '-',
                  stdin=RFC8463)
        self.assertEqual(ran.code, 75)
        ran = run('dkim', 'verify', '--json', '--record', ED_RECORD, '-', stdin=MAIL)
        self.assertEqual((ran.code, ran.json), (65, {'outcome': 'none', 'signatures': []}))
        ran = run('dkim', 'verify', '-', stdin=MAIL)
        self.assertEqual(ran.out, 'none       the message has no DKIM-Signature\n')
        expired = self.sign('--expires', '60')
        ran = run('dkim', 'verify', '--time', '1700000061', '--key', self.key, '--json', '-', stdin=expired)
        self.assertEqual((ran.code, ran.json['signatures'][0]['status']), (65, 'policy'))

    def test_verify__control_characters_do_not_reach_the_terminal(self):
        ran = run('dkim', 'verify', '--record', ED_RECORD, '-',
                  stdin=RFC8463.replace('d=football', 'd=foot\x1b[31mball'))
        self.assertEqual(ran.code, 65)
        self.assertNotIn('\x1b', ran.out)

    def test_verify__bad_use(self):
        for args, code, sentence in (
                ((), 64, 'name one message, or - for standard input'),
                (('--key', '/nowhere', '-'), 78, '/nowhere: cannot be read: No such file or directory'),
                (('/nowhere',), 66, '/nowhere cannot be read: No such file or directory'),
                (('--jsn', '-'), 64, 'unknown option --jsn: did you mean --json?')):
            self.assert_says(run('dkim', 'verify', *args, stdin=MAIL), code, 'dkim verify: ' + sentence)

    def test_actions__help_and_mistakes(self):
        self.assertIn('keygen', run('dkim', '--help').out)
        self.assertIn('keygen', run('help', 'dkim').out)
        for action in ('keygen', 'record', 'sign', 'verify'):
            ran = run('dkim', action, '--help')
            self.assertEqual(ran.code, 0)
            self.assertIn(f'Usage: letterwing dkim {action} ', ran.out)
            self.assertTrue(all(len(line) <= 80 for line in ran.out.splitlines()), ran)
        for args, sentence in (
                ((), 'say keygen, record, sign or verify: see letterwing dkim --help'),
                (('vrify',), 'there is no action "vrify": did you mean "verify"?'),
                (('xyzzyx',), 'there is no action "xyzzyx": keygen, record, sign or verify')):
            self.assert_says(run('dkim', *args), 64, 'dkim: ' + sentence)


class Send(Case):
    def setUp(self):
        self.key = self.file('key.pem', ED_PEM)
        self.spec = f'example.com:s1:{self.key}'

    def verify(self, message):
        ran = run('dkim', 'verify', '--key', self.key, '--json', '-', stdin=message)
        return [s['status'] for s in ran.json['signatures']]

    def test_send__signed_composed_and_ready(self):
        for what in (['-f', 'ann@example.com', '-t', 'bob@example.org', '--text', 'Hello'],
                     ['--message', self.file('m.eml', MAIL)]):
            with Sink() as sink:
                ran = run('send', '--via', sink.url, *what, '--dkim', self.spec, '--json')
                self.assertEqual(ran.code, 0, ran)
                _, message = sink.one()
            self.assertTrue(message.startswith(b'DKIM-Signature: v=1;'), message)
            self.assertEqual(self.verify(message), ['pass'])
            self.assertEqual(ran.json['size'], len(message))

    def test_send__dry_run_shows_the_signature(self):
        ran = run('send', '--dry-run', '-f', 'ann@example.com', '-t', 'b@example.org', '--text', 'x',
                  '--dkim', self.spec, '--dkim', self.spec)
        self.assertEqual(ran.code, 0, ran)
        self.assertEqual(self.verify(ran.raw), ['pass', 'pass'])

    def test_send__big_attachment_is_signed(self):
        path = self.file('big.bin', b'0123456789abcdef' * 200000)
        with Sink() as sink:
            ran = run('send', '--via', sink.url, '-f', 'ann@example.com', '-t', 'b@example.org',
                      '--text', 'x', '-a', path, '--dkim', self.spec)
            self.assertEqual(ran.code, 0, ran)
            _, message = sink.one()
        self.assertEqual(self.verify(message), ['pass'])

    def test_send__bad_keys_are_told_before_anything_is_connected(self):
        to = ('send', '--via', 'smtp://127.0.0.1:1', '-f', 'a@example.com', '-t', 'b@c.de', '--text', 'x')
        self.assert_says(run(*to, '--dkim', 'x'), 64, 'send: "x" is not DOMAIN:SELECTOR:KEYFILE, as in '
                         'example.com:mail2026:mail2026.pem')
        self.assert_says(run(*to, '--dkim', 'e.com:s:/nowhere'), 78,
                         'send: dkim: /nowhere: cannot be read: No such file or directory')
        public = self.file('public.pem', '-----BEGIN PUBLIC KEY-----\n'
                           'MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n'
                           '-----END PUBLIC KEY-----\n')
        self.assert_says(run(*to, '--dkim', f'e.com:s:{public}'), 64, 'send: dkim: the key of e.com cannot sign: '
                         'it is a public one, the private one is needed')


if __name__ == '__main__':
    main()
