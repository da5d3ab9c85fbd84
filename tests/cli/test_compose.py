# SPDX-License-Identifier: MIT
"""tests/cli/test_compose.py - what send composes for what a server takes, read by Python's email"""
import email
import email.policy
import os
import socket
import threading

import harness
from harness import Case, Peer, Sink, run

TO_BOB = ['-f', 'ann@example.com', '-t', 'bob@example.org']
ODD = bytes(range(256)) * 300 + b'\r\n.\r\n\r\0\n'


def parse(octets):
    return email.message_from_bytes(octets, policy=email.policy.default)


class Encodings(Case):
    def test_chosen_by_what_the_server_takes(self):
        path = self.file('odd.bin', ODD)
        text = 'Grüße, und noch etwas mehr Text dazu'
        for without, body, encodings in [
                ('', 'binarymime', ['8bit', 'binary']),
                ('BINARYMIME', '8bitmime', ['8bit', 'base64']),
                ('CHUNKING,BINARYMIME', '8bitmime', ['8bit', 'base64']),
                ('8BITMIME,BINARYMIME,SMTPUTF8', '7bit', ['quoted-printable', 'base64'])]:
            with self.subTest(without), Sink(*(['--without', without] if without else [])) as sink:
                ran = run('send', '--via', sink.url, *TO_BOB, '--text', text, '-a', path, '--json')
                self.assertEqual(ran.code, 0, ran)
                self.assertEqual(ran.json['body'], body)
                _, octets = sink.one()
                self.assertEqual(ran.json['size'], len(octets))
                message = parse(octets)
                parts = list(message.iter_parts())
                self.assertEqual([p['content-transfer-encoding'] for p in parts], encodings)
                self.assertEqual(parts[0].get_content().strip(), text)
                self.assertEqual(parts[1].get_payload(decode=True), ODD)

    def test_binary_message_sent_on_is_never_altered(self):
        path, key = self.file('odd.bin', ODD), os.path.join(self.folder(), 'key.pem')
        with Sink() as first, Sink() as second, Sink('--without', 'BINARYMIME') as poor:
            self.assertEqual(run('send', '--via', first.url, *TO_BOB, '--text', 'Grüße', '-a', path).code, 0)
            envelope, octets = first.one()
            self.assertEqual(envelope['body'], 'BINARYMIME')
            self.assertIn(ODD, octets)
            saved = self.file('saved.eml', octets)
            for args, stdin in ([saved], b''), (['-'], octets):
                ran = run('send', '--via', second.url, '--message', *args, '--json', stdin=stdin)
                self.assertEqual((ran.code, ran.json['body']), (0, 'binarymime'), ran)
            for envelope, again in second.messages():
                self.assertEqual(envelope['body'], 'BINARYMIME')
                self.assertEqual(again, octets)
            # where it cannot be taken as it is, nothing is sent
            self.assert_fails(run('send', '--via', poor.url, '--message', saved), 69,
                              'the message is binary, and the server does not offer BINARYMIME with CHUNKING')
            # DKIM hashes lines: octets that are none are refused, others stay behind the signature
            record = run('dkim', 'keygen', '--type', 'ed25519', key).out.strip()
            sign = ['--dkim', 'example.com:s:' + key]
            self.assert_fails(run('send', '--via', second.url, '--message', saved, *sign), 65,
                              'dkim: the body has a bare LF: bring line ends to CRLF before signing')
            no_ends = octets.replace(ODD, ODD.replace(b'\r', b'').replace(b'\n', b''))
            saved = self.file('saved.eml', no_ends)
            self.assert_fails(run('send', '--via', poor.url, '--message', saved, *sign), 69,
                              'the message is binary, and the server does not offer BINARYMIME with CHUNKING')
            ran = run('send', '--via', second.url, '--message', saved, *sign)
            self.assertEqual(ran.code, 0, ran)
            self.assertEqual(len(second.messages()), 3)
            envelope, signed = second.messages()[2]
            self.assertTrue(signed.startswith(b'DKIM-Signature: ') and signed.endswith(no_ends))
            self.assertEqual(run('dkim', 'verify', '--record', record, self.file('signed.eml', signed)).code, 0)
            self.assertEqual(poor.messages(), [])

    def test_smtputf8_is_explained(self):
        with Sink('--without', 'SMTPUTF8') as sink:
            ran = run('send', '--via', sink.url, '-f', 'ann@example.com', '-t', 'jörg@example.org',
                      '--text', 'x')
            self.assert_fails(ran, 69, 'does not offer SMTPUTF8',
                              'to: "jörg@example.org" is not ASCII before the @')
            self.assertEqual(sink.messages(), [])

    def test_domain_of_another_script_needs_none(self):
        with Sink('--without', 'SMTPUTF8') as sink:
            ran = run('send', '--via', sink.url, '-f', 'ann@example.com', '-t', 'Jörg <j@bücher.example>',
                      '--text', 'x')
            self.assertEqual(ran.code, 0, ran)
            envelope, octets = sink.one()
            self.assertEqual([r['address'] for r in envelope['recipients']], ['j@xn--bcher-kva.example'])
            self.assertEqual(parse(octets)['to'], 'Jörg <j@xn--bcher-kva.example>')

    def test_message_with_8bit_attached_needs_8bitmime(self):
        path = self.file('x.eml', 'From: a@b.de\nSubject: x\n\nGrüße\n')
        with Sink('--without', '8BITMIME,SMTPUTF8,BINARYMIME') as sink:
            ran = run('send', '--via', sink.url, *TO_BOB, '--text', 'x', '-a', path)
            self.assert_fails(ran, 69, 'does not offer 8BITMIME')
        with Sink() as sink:
            ran = run('send', '--via', sink.url, *TO_BOB, '--text', 'x', '-a', path)
            self.assertEqual(ran.code, 0, ran)
            inner = list(parse(sink.one()[1]).iter_parts())[1]
            self.assertEqual(inner.get_content_type(), 'message/rfc822')
            self.assertEqual(os.path.basename(path), inner.get_filename())


class Sources(Case):
    """a file that changes after it was looked at: nothing of the message arrives"""

    def through(self, sink, happen):
        """a peer that lets something happen before the greeting, then passes all octets on"""
        def pump(source, target, seen):
            while octets := source.recv(65536):
                seen.append(octets)
                target.sendall(octets)
            target.shutdown(socket.SHUT_WR)

        def serve(peer, connection):
            happen()
            with socket.create_connection(('127.0.0.1', sink.port)) as server:
                back = threading.Thread(target=pump, args=(server, connection, []), daemon=True)
                back.start()
                pump(connection, server, peer.seen)
                back.join()
        return Peer(serve)

    def changed(self, change, words, code=65, without='BINARYMIME', size=300000):
        path = self.file('big.bin', os.urandom(size))
        with Sink('--without', without) as sink, self.through(sink, lambda: change(path)) as peer:
            ran = run('send', '--via', f'smtp://127.0.0.1:{peer.port}', *TO_BOB, '--text', 'x', '-a', path,
                      '--json')
            self.assert_fails(ran, code, path, words)
            self.assertEqual(ran.json['outcome'], 'unsent')
            self.assertEqual(sink.messages(), [])
        said = b''.join(peer.seen)
        self.assertIn(b'RCPT TO', said)
        self.assertFalse(said.rstrip(b'\r\n').endswith(b'\r\n.'))
        self.assertNotIn(b'LAST', said)

    def test_file_that_shrinks(self):
        for without in ['BINARYMIME', 'CHUNKING,BINARYMIME', 'SMTPUTF8']:
            with self.subTest(without):
                self.changed(lambda path: os.truncate(path, 200000), 'became shorter', without=without)

    def test_file_that_grows(self):
        def grow(path):
            with open(path, 'ab') as f:
                f.write(b'more')
        for without in ['BINARYMIME', 'CHUNKING,BINARYMIME', 'SMTPUTF8']:
            with self.subTest(without):
                self.changed(grow, 'became longer', without=without)

    def test_file_that_disappears(self):
        for without in ['BINARYMIME', 'CHUNKING,BINARYMIME']:
            with self.subTest(without):
                self.changed(os.unlink, 'cannot be opened', code=66, without=without)

    def test_media_type_of_the_system(self):
        known = {'pdf': 'application/pdf', 'PNG': 'image/png', 'zip': 'application/zip', 'unknown': None}
        args = [x for e in known for x in ['-a', self.file('x.' + e, 'x')]]
        ran = run('send', *TO_BOB, '--text', 'x', *args, '--dry-run')
        parts = list(parse(ran.out.encode()).iter_parts())[1:]
        self.assertEqual([p.get_content_type() for p in parts],
                         [t or 'application/octet-stream' for t in known.values()])
        if os.path.exists('/etc/mime.types'):
            with open('/etc/mime.types') as f:
                pairs = [line.split()[:2] for line in f if not line.startswith('#') and len(line.split()) > 1]
            taken = [(t, e) for t, e in pairs if t.startswith('chemical/')][:3]
            for want, extension in taken:
                ran = run('send', *TO_BOB, '--text', 'x', '-a', self.file('x.' + extension, 'x'), '--dry-run')
                self.assertEqual(list(parse(ran.out.encode()).iter_parts())[1].get_content_type(), want)


class Message(Case):
    def sent(self, *args, sink_args=(), **more):
        with Sink(*sink_args) as sink:
            ran = run('send', '--via', sink.url, *args, **more)
            self.assertEqual(ran.code, 0, ran)
            envelope, octets = sink.one()
            return envelope, parse(octets), octets

    def test_headers(self):
        _, message, _ = self.sent(
            *TO_BOB, '--text', 'x', '--in-reply-to', '<1@x.example>', '--priority', 'high',
            '--auto-submitted', 'auto-generated', '--list-id', 'News <news.example.com>',
            '--unsubscribe', 'https://x.example/u?a==?b', '--unsubscribe', 'mailto:u@x.example',
            '--feedback-id', 'a:b:c:d', '--sender', 'Zoë <z@x.example>')
        for name, want in [('In-Reply-To', '<1@x.example>'), ('References', '<1@x.example>'),
                           ('X-Priority', '1 (Highest)'), ('Importance', 'High'),
                           ('Priority', 'urgent'), ('Auto-Submitted', 'auto-generated'),
                           ('List-Id', 'News <news.example.com>'),
                           ('List-Unsubscribe', '<https://x.example/u?a==?b>, <mailto:u@x.example>'),
                           ('List-Unsubscribe-Post', 'List-Unsubscribe=One-Click'),
                           ('Feedback-ID', 'a:b:c:d'), ('Sender', 'Zoë <z@x.example>')]:
            self.assertEqual(message.get_all(name), [want])

    def test_invitation(self):
        ics = 'BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nSUMMARY:Grüße\r\nEND:VCALENDAR\r\n'
        path = self.file('i.ics', ics.encode())
        _, message, _ = self.sent(*TO_BOB, '--text', 'x', '--calendar', path)
        body, attached = message.iter_parts()
        invitation = list(body.iter_parts())[1]
        self.assertEqual(invitation.get_content_type(), 'text/calendar')
        self.assertEqual(invitation.get_param('method'), 'REQUEST')
        self.assertEqual(invitation.get_content().replace('\r\n', '\n'), ics.replace('\r\n', '\n'))
        self.assertEqual(attached.get_filename(), 'invite.ics')
        self.assertEqual(attached.get_payload(decode=True), ics.encode())

    def test_text_of_html(self):
        html = '<p>Hi <a href="https://x.example/a">there</a><ul><li>one<li>two</ul>'
        _, message, _ = self.sent(*TO_BOB, '--html', html)
        self.assertEqual(message.get_body(('plain',)).get_content().replace('\r\n', '\n'),
                         'Hi there <https://x.example/a>\n\n- one\n- two\n')
        _, message, _ = self.sent(*TO_BOB, '--html', html, '--no-text')
        self.assertEqual(message.get_content_type(), 'text/html')

    def test_flowed(self):
        _, message, octets = self.sent(*TO_BOB, '--text', 'word ' * 40, '--flowed')
        self.assertEqual(message.get_param('format'), 'flowed')
        lines = message.get_content().splitlines()
        self.assertEqual(''.join(lines), ('word ' * 40).strip())
        self.assertTrue(all(len(line) <= 78 for line in lines))

    def test_markdown(self):
        path = self.file('m.md', '# Hé\n\n*x*\n'.encode())
        with Sink() as sink:
            ran = run('send', '--via', sink.url, *TO_BOB, '--markdown', path)
            if 'libmd4c' in ran.err:
                self.skipTest(ran.err.strip())
            self.assertEqual(ran.code, 0, ran)
            message = parse(sink.one()[1])
        self.assertEqual(message.get_body(('plain',)).get_content().replace('\r\n', '\n'), '# Hé\n\n*x*\n')
        self.assertIn('<h1>Hé</h1>', message.get_body(('html',)).get_content())

    def test_charset(self):
        text = 'Grüße'
        for octets, charset in [(text.encode('latin-1'), 'latin1'), (text.encode('utf-16'), None),
                                (b'\xfe\xff' + text.encode('utf-16-be'), None),
                                (text.encode('utf-8-sig'), None), (text.encode('utf-8-sig'), 'utf-8'),
                                (text.encode('utf-32'), None), ('测试'.encode('gb18030'), 'gb18030')]:
            with self.subTest(octets):
                path = self.file('t.txt', octets)
                _, message, _ = self.sent(*TO_BOB, '--text', '@' + path,
                                          *(['--charset', charset] if charset else []))
                self.assertEqual(message.get_content().strip(), text if len(octets) > 4 else '测试')

    def test_charset_wrong(self):
        path = self.file('t.txt', b'a\xffb')
        self.assert_fails(run('send', *TO_BOB, '--dry-run', '--text', '@' + path, '--charset', 'utf-16'), 65,
                          path, 'is not in the character set utf-16')
        self.assert_says(run('send', *TO_BOB, '--dry-run', '--text', '@' + path), 65,
                         f'--text: {path} is not UTF-8: convert it, or send it with --charset latin1, or '
                         'what it is')
        self.assert_fails(run('send', *TO_BOB, '--dry-run', '--text', '@' + path, '--charset', 'klingon'), 64,
                          '--charset "klingon" is not known here')

    def test_ready_message_changed(self):
        path = self.file('r.eml', b'From: a@b.de\r\nTo: c@d.de\r\nSubject: old\r\nX-A: 1\r\n\r\nbody\r\n')
        envelope, _, octets = self.sent('--message', path, '--set-header', 'Subject: Neü',
                                        '--set-header', 'To: bob@example.org', '--remove-header', 'x-a')
        self.assertEqual([r['address'] for r in envelope['recipients']], ['bob@example.org'])
        self.assertEqual(octets, b'From: a@b.de\r\nSubject: =?UTF-8?Q?Ne=C3=BC?=\r\n'
                                 b'To: bob@example.org\r\n\r\nbody\r\n')

    def test_ready_message_sent_on(self):
        hello = (b'From: John Doe <jdoe@machine.example>\r\nTo: Mary Smith <mary@example.net>\r\n'
                 b'Subject: Saying Hello\r\nBcc: secret@example.net\r\n'
                 b'Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n'
                 b'Message-ID: <1234@local.machine.example>\r\n\r\nHello, \xc3\xbc.\r\n')
        path, again = self.file('hello.eml', hello), self.file('again.eml', b'')
        with Sink() as sink:
            ran = run('send', '--via', sink.url, '--message', path, '--resent-from',
                      'Mary Smith <mary@example.net>', 'Jane Brown <j-brown@other.example>',
                      '--cc', 'carl@example.org', '--cc', 'cora@example.org', '--bcc', 'dora@example.org')
            self.assertEqual(ran.code, 0, ran)
            envelope, octets = sink.one()
            with open(again, 'wb') as f:
                f.write(octets)
            self.assertEqual(envelope['from'], 'mary@example.net')
            self.assertEqual([r['address'] for r in envelope['recipients']],
                             ['j-brown@other.example', 'carl@example.org', 'cora@example.org',
                              'dora@example.org'])
            block, rest = octets.split(b'From: John Doe', 1)
            self.assertEqual(b'From: John Doe' + rest, hello.replace(b'Bcc: secret@example.net\r\n', b''))
            self.assertEqual([line.split(b':')[0] for line in block.splitlines()],
                             [b'Resent-From', b'Resent-To', b'Resent-Cc', b'Resent-Date',
                              b'Resent-Message-ID'])
            message = parse(octets)
            self.assertEqual(message['resent-from'], 'Mary Smith <mary@example.net>')
            self.assertEqual(message['resent-to'], 'Jane Brown <j-brown@other.example>')
            self.assertEqual(message['resent-cc'], 'carl@example.org, cora@example.org')
            self.assertTrue(message['resent-message-id'].endswith('@example.net>'))
            # once more: a block of its own, before the other
            ran = run('send', '--via', sink.url, '--message', again, '--resent-from', 'x@example.org, y@example.org',
                      '--resent-sender', 'clerk@example.org', 'z@example.org')
            self.assertEqual(ran.code, 0, ran)
            envelope, twice = sink.messages()[1]
            self.assertEqual(envelope['from'], 'clerk@example.org')
            self.assertTrue(twice.endswith(octets))
            self.assertEqual(parse(twice).get_all('resent-from'),
                             ['x@example.org, y@example.org', 'Mary Smith <mary@example.net>'])
            self.assertEqual(parse(twice)['resent-sender'], 'clerk@example.org')

    def test_mistakes_sending_on(self):
        path = self.file('m.eml', 'From: a@b.de\nTo: c@d.de\n\nx\n')
        for args, code, why in [
                (['--resent-from', 'a@b.de', '--message', path], 64,
                 'send: --resent-from: to whom shall it be sent on? Name somebody, as in letterwing send ... '
                 'jane@example.org'),
                (['--resent-from', 'a@b.de', 'c@d.de'], 64,
                 'send: --resent-from sends a ready message on: name it with --message'),
                (['--resent-sender', 'a@b.de', '--message', path, 'c@d.de'], 64,
                 'send: --resent-sender goes with --resent-from'),
                (['--resent-from', 'a@b.de, e@f.de', '--message', path, 'c@d.de'], 65,
                 'resent-from: more than one sends it on, so resent-sender has to name who does it'),
                (['--resent-from', 'a', '--message', path, 'c@d.de'], 65,
                 'resent-from: member 1 "a" at column 1: there is no @ and no domain in it')]:
            with self.subTest(args):
                self.assert_fails(run('send', '--via', 'plain://127.0.0.1:1', *args), code, why)

    def test_mistakes(self):
        for args, words in [
                (['--priority', 'urgent'], ['--priority "urgent" is not high, normal or low']),
                (['--unsubscribe', 'mailto:a@b.de'], ['needs an https:// address']),
                (['--unsubscribe', 'https://a/', '--unsubscribe', 'https://b/'], ['one https:// and one']),
                (['--markdown', '/dev/null', '--html', 'x'], ['--markdown is both text and HTML']),
                (['--set-header', 'X: y'], ['change a ready message']),
                (['--text', '-', '--calendar', '-'], ['standard input can be read once'])]:
            with self.subTest(args):
                self.assert_fails(run('send', *TO_BOB, '--dry-run', *args), 64, *words)


if __name__ == '__main__':
    harness.main()
