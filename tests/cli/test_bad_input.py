# SPDX-License-Identifier: MIT
"""tests/cli/test_bad_input.py - what must fail: the exit code, one clear sentence, nothing sent"""
import base64
import os
import ssl
import subprocess
import tempfile
import threading
import unittest

import harness
from harness import Authority, Case, LETTERWING, Peer, Sink, run, script

BASE = ['-f', 'ann@example.com', '-t', 'bob@example.org', '-s', 'x', '--text', 'x']
INJECTION = 'x\r\nBcc: eve@example.net'


def replaced(option, value):
    """BASE with one option's value changed, or added."""
    args = list(BASE)
    if option in args:
        args[args.index(option) + 1] = value
        return args
    return args + [option, value]


class Arguments(Case):
    """Each row: name, arguments, exit codes allowed, words of the sentence."""

    @classmethod
    def setUpClass(cls):
        cls.sink = Sink()

    @classmethod
    def tearDownClass(cls):
        cls.sink.__exit__()

    def tearDown(self):
        self.assertEqual(self.sink.messages(), [], 'something was sent')

    def table(self, rows):
        for name, args, codes, words in rows:
            with self.subTest(name):
                codes = codes if isinstance(codes, tuple) else (codes,)
                ran = run('send', '--via', self.sink.url, *args)
                self.assertIn(ran.code, codes, ran)
                self.assert_fails(ran, ran.code, *words)
                self.assertEqual(ran.out, '')

    def test_header_injection(self):
        for end in ('\r\n', '\n', '\r'):
            bad = INJECTION.replace('\r\n', end)
            self.table([
                (f'subject {end!r}', replaced('-s', bad), 65, ['subject']),
                (f'from {end!r}', replaced('-f', 'ann@example.com' + bad), 65, ['from']),
                (f'from name {end!r}', replaced('-f', f'"A{bad}" <ann@example.com>'), 65, ['from']),
                (f'to {end!r}', replaced('-t', 'bob@example.org' + bad), 65, ['to']),
                (f'cc {end!r}', replaced('--cc', 'bob@example.org' + bad), 65, ['cc']),
                (f'bcc {end!r}', replaced('--bcc', 'bob@example.org' + bad), 65, ['bcc']),
                (f'reply-to {end!r}', replaced('--reply-to', 'a@example.org' + bad), 65, ['reply']),
                (f'header value {end!r}', replaced('-H', 'X-A: ' + bad), 65, ['x-a']),
                (f'header name {end!r}', replaced('-H', f'X-A{end}Bcc: a@b.example'), (64, 65), []),
                (f'envelope-from {end!r}', replaced('--envelope-from', 'a@example.org' + bad), 65,
                 ['envelope']),
                (f'envid {end!r}', replaced('--envid', bad), (64, 65), ['envid']),
                (f'ehlo {end!r}', replaced('--ehlo', bad), (64, 78), ['ehlo']),
                (f'attachment name {end!r}', replaced('-a', f'/etc/hostname;name={bad}'), 65, []),
                (f'attachment type {end!r}', replaced('-a', f'/etc/hostname;type={bad}'), (64, 65),
                 []),
                (f'inline cid {end!r}', replaced('--inline', f'/etc/hostname;cid={bad}'), (64, 65),
                 []),
            ])
            ran = run('send', '--via', 'smtp://127.0.0.1' + bad, *BASE)
            self.assert_fails(ran, 78)

    def test_nul(self):
        path = self.file('nul.txt', b'before\0after\r\n')
        self.table([
            ('text', replaced('--text', '@' + path), 65, ['--text', 'nul', path]),
            ('html', replaced('--html', '@' + path), 65, ['--html', 'nul', path]),
        ])
        ran = run('send', '--via', self.sink.url, '-f', 'a@example.com', '-t', 'b@example.com',
                  stdin=b'a\0b')
        self.assert_fails(ran, 65, 'nul', 'standard input')

    def test_addresses(self):
        self.table([
            ('empty to', replaced('-t', ''), 65, []),
            ('empty from', replaced('-f', ''), 65, []),
            ('no at', replaced('-t', 'bob'), 65, ['bob']),
            ('no domain', replaced('-t', 'bob@'), 65, []),
            ('no local part', replaced('-t', '@example.org'), 65, []),
            ('two ats', replaced('-t', 'a@b@example.org'), 65, []),
            ('open bracket', replaced('-t', 'Bob <bob@example.org'), 65, []),
            ('space inside', replaced('-t', 'bo b@example.org'), 65, []),
            ('label too long', replaced('-t', 'b@' + 'x' * 64 + '.example'), 65, []),
            ('local part too long', replaced('-t', 'x' * 65 + '@example.org'), 65, []),
            ('one bad member', replaced('-t', 'bob@example.org, carl@, dora@example.org'), 65,
             ['carl']),
            ('bad positional', BASE + ['not an address'], 65, []),
            ('two senders', replaced('-f', 'a@example.org, b@example.org'), 65, ['from']),
        ])

    def test_options(self):
        self.table([
            ('unknown', BASE + ['--sbject', 'x'], 64, ['--sbject', 'did you mean --subject']),
            ('unknown with value', BASE + ['--sbject=x'], 64, ['--sbject', '--subject']),
            ('unknown, nothing near', BASE + ['--frobnicate'], 64, ['--frobnicate', '--help']),
            ('unknown letter', BASE + ['-Z'], 64, ['-Z']),
            ('value missing', BASE + ['--cc'], 64, ['--cc', 'value']),
            ('value for a flag', BASE + ['--quiet=yes'], 64, ['--quiet', 'no value']),
            ('dsn word', BASE + ['--dsn', 'sometimes'], 64, ['--dsn', 'sometimes']),
            ('dsn never and more', BASE + ['--dsn', 'never,delay'], 64, ['--dsn']),
            ('dsn empty', BASE + ['--dsn', ''], 64, ['--dsn']),
            ('ret', BASE + ['--ret', 'some'], 64, ['--ret']),
            ('timeout word', BASE + ['--timeout', 'soon'], 64, ['--timeout', 'soon']),
            ('timeout zero', BASE + ['--timeout', '0'], 64, ['--timeout']),
            ('timeout negative', BASE + ['--timeout', '-1'], 64, ['--timeout']),
            ('timeout huge', BASE + ['--timeout', '9' * 30], 64, ['--timeout']),
            ('header without colon', BASE + ['-H', 'X-A'], 64, ['X-A']),
            ('header of the composer', BASE + ['-H', 'Content-Type: text/plain'], (64, 65),
             ['content-type']),
            ('attachment without a name', BASE + ['-a', ';name=x'], 64, ['--attach']),
            ('ready message with subject', ['--message', 'x.eml', '-s', 'x', '-t', 'b@c.example'],
             64, ['--message']),
            ('json and transcript on stdout', BASE + ['--json', '--transcript', '-'], 64, []),
            ('json and dry run', BASE + ['--json', '--dry-run'], 64, []),
            ('text and html from stdin', ['-f', 'a@b.example', '-t', 'a@b.example', '--text', '-',
                                          '--html', '-'], 64, ['standard input']),
            ('no recipient', ['-f', 'a@example.org', '--text', 'x'], 64, ['recipient']),
            ('no sender', ['-t', 'a@example.org', '--text', 'x'], 64, ['--from']),
            ('password without user', BASE + ['--password-from', 'env:X'], 64, ['--user']),
            ('password itself', BASE + ['--user', 'u', '--password-from', 'secret'], 64, []),
        ])

    def test_the_password_is_not_repeated_in_an_error(self):
        ran = run('send', '--via', self.sink.url, *BASE, '--user', 'u', '--password-from',
                  'hunter2')
        self.assertNotIn('hunter2', ran.err)
        ran = run('send', '--via', 'smtp://u:hunter2@127.0.0.1:70000', *BASE)
        self.assertNotIn('hunter2', ran.err)
        for args, env in ((['send', '--via', 'u:hunter2@mail.example.com', *BASE], {}),
                          (['send', *BASE], {'LETTERWING_URL': 'u:hunter2@mail.example.com'}),
                          (['probe', 'u:hunter2@mail.example.com'], {}),
                          (['talk', 'u:hunter2@mail.example.com'], {})):
            with self.subTest(args):
                ran = run(*args, env=env)
                self.assert_fails(ran, 78, 'smtp://')
                self.assertNotIn('hunter2', ran.err + ran.out)

    def test_files(self):
        folder = self.folder()
        missing = os.path.join(folder, 'missing')
        rows = [
            ('attachment missing', BASE + ['-a', missing], 66, [missing]),
            ('attachment is a folder', BASE + ['-a', folder], 66, [folder]),
            ('inline missing', BASE + ['--inline', missing], 66, [missing]),
            ('text missing', replaced('--text', '@' + missing), 66, [missing]),
            ('text is a folder', replaced('--text', '@' + folder), 66, [folder]),
            ('message missing', ['--message', missing, '-f', 'a@b.example', '-t', 'b@c.example'],
             66, [missing]),
            ('message is a folder', ['--message', folder, '-f', 'a@b.example', '-t',
                                     'b@c.example'], 66, [folder]),
            ('password file missing', BASE + ['--user', 'u', '--password-from', f'file:{missing}'],
             78, [missing]),
            ('password variable missing', BASE + ['--user', 'u', '--password-from',
                                                  'env:LW_NOT_SET'], 78, ['LW_NOT_SET']),
            ('password command fails', BASE + ['--user', 'u', '--password-from', 'cmd:exit 3'],
             78, ['3']),
            ('password descriptor closed', BASE + ['--user', 'u', '--password-from', 'fd:77'],
             78, ['77']),
            ('transcript folder missing', BASE + ['--transcript', missing + '/t'], 73, [missing]),
            ('transcript on a full disk', BASE + ['--transcript', '/dev/full'], 74,
             ['/dev/full', 'nothing was sent']),
            ('ca missing', BASE + ['--ca', missing], 78, [missing]),
            ('certificate missing', BASE + ['--cert', missing], 78, [missing]),
            ('pin malformed', BASE + ['--tls-pin', 'sha256:xyz'], 78, []),
        ]
        self.table(rows)

    def test_unreadable_attachment(self):
        """root may read everything, so the right to do that is taken away first"""
        closed = self.file('closed', b'x')
        os.chmod(closed, 0)
        prefix = []
        if os.geteuid() == 0:
            prefix = ['setpriv', '--bounding-set', '-dac_override,-dac_read_search', '--']
        for option in (['-a', closed], ['--inline', closed], ['--text', '@' + closed]):
            with self.subTest(option[0]):
                done = subprocess.run([*prefix, LETTERWING, 'send', '--via', self.sink.url,
                                       *(BASE if option[0] != '--text' else BASE[:4]), *option],
                                      stdin=subprocess.DEVNULL, capture_output=True, text=True)
                self.assertEqual(done.returncode, 66, done)
                self.assertIn(closed, done.stderr)
                self.assertIn('ermission denied', done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1, done)

    def test_ready_messages(self):
        head = b'From: a@example.com\r\nTo: b@example.com\r\nSubject: x\r\n'
        to = ['-f', 'a@example.com', '-t', 'b@example.com']
        self.table([
            (name, ['--message', self.file('m.eml', content), *to], 65, words)
            for name, content, words in [
                ('NUL', head + b'\r\na\0b\r\n', ['nul']),
                ('no header', b'just a line of text\r\nand one more\r\n', ['header']),
                ('empty', b'', []),
                ('20 MB in one line', head + b'\r\n' + b'x' * 20_000_000 + b'\r\n',
                 ['line 5', '20000000', '998']),
                ('20 MB in one header', head + b'X: ' + b'x' * 20_000_000 + b'\r\n\r\nx\r\n',
                 ['line 4', '998']),
            ]])

    def test_urls(self):
        for name, url, words in [
            ('unknown scheme', 'gopher://127.0.0.1', ['gopher']),
            ('http', 'http://127.0.0.1', ['http']),
            ('no scheme', '127.0.0.1:25', ['smtp://']),
            ('port 0', 'smtp://127.0.0.1:0', ['0']),
            ('port 70000', 'smtp://127.0.0.1:70000', ['70000']),
            ('port is a word', 'smtp://127.0.0.1:mail', ['port']),
            ('no host', 'smtp://', []),
            ('unknown option', 'smtp://127.0.0.1?colour=red', ['colour']),
            ('bad value', 'smtp://127.0.0.1?tls=maybe', ['tls']),
        ]:
            with self.subTest(name):
                self.assert_fails(run('send', '--via', url, *BASE), 78, *words)
                self.assert_fails(run('probe', url), 78, *words)
                self.assert_fails(run('talk', url), 78, *words)

    def test_no_server(self):
        self.assert_fails(run('send', *BASE), 78, '--via', 'LETTERWING_URL')

    def test_commands(self):
        for args, words in [((), ['--help']), (('sned',), ['did you mean', 'send']),
                            (('--sned',), ['--sned']), (('probe',), ['probe']),
                            (('probe', 'smtp://a', 'smtp://b'), []), (('talk',), ['talk']),
                            (('sink', 'x'), ['x']), (('sink', '--auth', 'nocolon'), ['--auth']),
                            (('sink', '--without', 'FLYING'), ['FLYING']),
                            (('sink', '--port', '70000'), ['70000']),
                            (('sink', '--port', '0'), ['--port']),
                            (('help', 'sned'), ['send'])]:
            with self.subTest(' '.join(args)):
                self.assert_fails(run(*args), 64, *words)


class Servers(Case):
    """Servers that are no mail servers, or not the right ones."""

    def send(self, url, *more):
        return run('send', '--via', url, *BASE, *more)

    def test_http_server(self):
        def http(peer, connection):
            connection.sendall(b'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
        with Peer(http) as peer:
            self.assert_fails(self.send(f'smtp://127.0.0.1:{peer.port}'), 76, 'http')

    def test_http_server_that_waits(self):
        with Peer(lambda peer, c: c.recv(1)) as peer:
            ran = self.send(f'smtp://127.0.0.1:{peer.port}', '--timeout', '0.2')
            self.assert_fails(ran, 75, 'greeting')

    def test_silent_server(self):
        with Peer(lambda peer, c: threading.Event().wait(harness.PATIENCE)) as peer:
            for command in (['send', '--via'], ['probe'], ['talk']):
                args = [*command, f'smtp://127.0.0.1:{peer.port}', '--timeout', '0.2']
                ran = run(*args, *(BASE if command[0] == 'send' else []))
                self.assert_fails(ran, 75)

    def test_tls_server_met_in_clear(self):
        alert = b'\x15\x03\x01\x00\x02\x02\x46'
        with Peer(lambda peer, c: c.sendall(alert)) as peer:
            self.assert_fails(self.send(f'smtp://127.0.0.1:{peer.port}'), 76, 'smtps://')

    def test_plain_server_met_with_tls(self):
        with Sink() as sink:
            for command in (['send', '--via'], ['probe'], ['talk']):
                args = [*command, f'smtps://127.0.0.1:{sink.port}']
                ran = run(*args, *(BASE if command[0] == 'send' else []))
                self.assert_fails(ran, 77, 'smtp://')
            self.assertEqual(sink.messages(), [])

    def test_nobody_listens(self):
        with Peer(None) as peer:
            port = peer.port
        self.assert_fails(self.send(f'smtp://127.0.0.1:{port}'), 69, str(port))

    def test_closes_at_once(self):
        with Peer(lambda peer, c: None) as peer:
            self.assert_fails(self.send(f'smtp://127.0.0.1:{peer.port}'), 75)

    def test_busy(self):
        with Peer(script(b'421 4.3.2 come back later\r\n')) as peer:
            self.assert_fails(self.send(f'smtp://127.0.0.1:{peer.port}'), 75, 'come back later')

    def test_busy_at_starttls(self):
        with Peer(script(b'220 hi\r\n', b'250-hi\r\n250 STARTTLS\r\n',
                         b'421 4.3.2 come back later\r\n')) as peer:
            self.assert_fails(self.send(f'smtp://127.0.0.1:{peer.port}'), 75, 'come back later')

    def test_no_mail_here(self):
        with Peer(script(b'554 no mail here\r\n')) as peer:
            self.assert_fails(self.send(f'smtp://127.0.0.1:{peer.port}'), 69, 'no mail here')

    def test_wrong_password(self):
        with Sink('--auth', 'ann:secret') as sink:
            url = f'plain://ann:wrong@127.0.0.1:{sink.port}'
            ran = self.send(url)
            self.assert_fails(ran, 77, '535')
            self.assertNotIn('wrong', ran.err.replace('password is wrong', ''))
            self.assertEqual(sink.messages(), [])

    def test_token_refused_shows_what_the_server_says(self):
        """The 334 of XOAUTH2 and OAUTHBEARER holds JSON: it is decoded and told."""
        said = base64.b64encode(b'{"status":"invalid_token","scope":"mail.send"}')
        for mechanism in ('XOAUTH2', 'OAUTHBEARER'):
            with self.subTest(mechanism), Peer(script(
                    b'220 hi\r\n', b'250-hi\r\n250 AUTH %s\r\n' % mechanism.encode(),
                    b'334 %s\r\n' % said, b'535 5.7.8 not accepted\r\n', b'221 bye\r\n')) as peer:
                url = f'plain://ann:t0ken@127.0.0.1:{peer.port}'
                ran = self.send(url, '--auth', mechanism)
                self.assert_fails(ran, 77, '535', 'invalid_token', 'mail.send')
                self.assertNotIn('t0ken', ran.err)
                self.assertNotIn(said.decode(), ran.err)

    def test_login_not_offered(self):
        with Sink() as sink:
            self.assert_fails(self.send(f'plain://ann:x@127.0.0.1:{sink.port}'), 77)
            self.assertEqual(sink.messages(), [])

    def test_password_never_in_clear(self):
        with Sink('--auth', 'ann:secret', '--mechanisms', 'PLAIN LOGIN') as sink:
            ran = self.send(f'smtp://ann:secret@127.0.0.1:{sink.port}')
            self.assert_fails(ran, 77)
            self.assertEqual(sink.messages(), [])

    def test_tls_required_and_not_offered(self):
        with Sink() as sink:
            self.assert_fails(self.send(f'tls://127.0.0.1:{sink.port}'), 77, 'starttls', '?tls=none')
            insisting = self.send(sink.url, '--require-tls')
            self.assert_fails(insisting, 77)
            self.assertNotIn('tls=none', insisting.err)
            self.assertEqual(sink.messages(), [])

    def test_terminal_escapes_of_a_server(self):
        with Peer(script(b'554 \x1b]0;owned\x07 \xc2\x9b31m no\r\n')) as peer:
            ran = self.send(f'smtp://127.0.0.1:{peer.port}', '-v')
            self.assertEqual(ran.code, 69, ran)
            for octet in ('\x1b', '\x07', '\x9b'):
                self.assertNotIn(octet, ran.err + ran.out)


class Certificates(Case):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix='lw-cli-')
        cls.authority = Authority(cls.temporary.name)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def attempt(self, code, words, *sink_args, ca=True):
        more = ['--ca', self.authority.ca] if ca else []
        for kind, scheme in (('--tls', 'tls'), ('--smtps', 'smtps')):
            with self.subTest(scheme), Sink(kind, *sink_args) as sink:
                url = f'{scheme}://127.0.0.1:{sink.port}'
                ran = run('send', '--via', url, *BASE, *more)
                if code == 0:
                    self.assertEqual(ran.code, 0, ran)
                    self.assertEqual(len(sink.messages()), 1)
                    continue
                self.assert_fails(ran, code, *words)
                self.assertEqual(sink.messages(), [])
                looked = run('probe', url, *more, '--json')
                self.assertEqual(looked.code, code, looked)
                found = looked.json
                self.assertFalse(found['tls']['verified'])
                self.assertTrue(found['tls']['problem'])
                self.assertTrue(found['capabilities']['after_tls'], 'the look went on')
                self.assertTrue(found['tls']['chain'][0]['subject'])

    def issue(self, *args, **more):
        certificate, key = self.authority.issue(*args, **more)
        return ['--cert', certificate, '--key', key]

    def test_good(self):
        self.attempt(0, [], *self.issue('good', 'IP:127.0.0.1'))

    def test_expired(self):
        self.attempt(77, ['expired'], *self.issue('old', 'IP:127.0.0.1', '20200101000000Z',
                                                  '20210101000000Z'))

    def test_not_yet_valid(self):
        self.attempt(77, ['valid'], *self.issue('young', 'IP:127.0.0.1', '21000101000000Z',
                                                '21200101000000Z'))

    def test_wrong_host(self):
        self.attempt(77, ['127.0.0.1'], *self.issue('other', 'DNS:other.example'))

    def test_self_signed(self):
        self.attempt(77, ['self'], ca=False)

    def test_unknown_authority(self):
        self.attempt(77, [], *self.issue('stranger', 'IP:127.0.0.1'), ca=False)

    def test_wrong_pin(self):
        with Sink('--smtps') as sink:
            ran = run('send', '--via', f'smtps://127.0.0.1:{sink.port}', *BASE, '--ca', sink.ca,
                      '--tls-pin', 'sha256:' + '00' * 32)
            self.assert_fails(ran, 77, 'pin')
            self.assertEqual(sink.messages(), [])

    def test_old_tls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate, key = self.authority.issue('ancient', 'IP:127.0.0.1')
        context.load_cert_chain(certificate, key)
        context.set_ciphers('ALL:@SECLEVEL=0')
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        with Peer(script(b'220 hi\r\n'), tls=context) as peer:
            ran = run('send', '--via', f'smtps://127.0.0.1:{peer.port}', *BASE, '--ca',
                      self.authority.ca)
            self.assert_fails(ran, 77)
            self.assertEqual(peer.seen, [])


if __name__ == '__main__':
    harness.main()
