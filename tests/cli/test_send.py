# SPDX-License-Identifier: MIT
"""tests/cli/test_send.py - letterwing send against the sink and against scripted peers"""
import email
import email.policy
import hashlib
import json
import os
import re
import socket
import subprocess
import unittest

import harness
from harness import Case, LETTERWING, Peer, Sink, run, script

TO_BOB = ['-f', 'ann@example.com', '-t', 'bob@example.org']
TEXT = [*TO_BOB, '-s', 'x', '--text', 'x']


def parse(octets):
    return email.message_from_bytes(octets, policy=email.policy.default)


class Compose(Case):
    def send(self, *args, sink_args=(), **more):
        """(envelope, octets, what ran)"""
        with Sink(*sink_args) as sink:
            ran = run('send', '--via', sink.url, *args, **more)
            self.assertEqual(ran.code, 0, ran)
            envelope, octets = sink.one()
            return envelope, octets, ran

    def test_text_from_standard_input(self):
        _, octets, ran = self.send(*TO_BOB, stdin='Grüße\n.\n..\nlast')
        message = parse(octets)
        self.assertEqual(message.get_content().splitlines(), ['Grüße', '.', '..', 'last'])
        self.assertEqual(ran.err, '')
        self.assertEqual(len(ran.out.splitlines()), 1)

    def test_empty_standard_input(self):
        _, octets, _ = self.send(*TO_BOB, stdin='')
        self.assertEqual(parse(octets).get_content().strip(), '')

    def test_text_sources(self):
        path = self.file('t.txt', 'from a file\n')
        for given, want in [('literal', 'literal'), ('@' + path, 'from a file'),
                            ('-', 'from stdin'), ('@@home', '@home')]:
            with self.subTest(given):
                _, octets, _ = self.send(*TO_BOB, '--text', given, stdin='from stdin')
                self.assertEqual(parse(octets).get_content().strip(), want)

    def test_text_and_html(self):
        _, octets, _ = self.send(*TO_BOB, '-s', '测试邮件', '--text', 'plain', '--html', '<b>Hé</b>')
        message = parse(octets)
        self.assertEqual(message['Subject'], '测试邮件')
        self.assertEqual(message.get_content_type(), 'multipart/alternative')
        self.assertEqual(message.get_body(('plain',)).get_content().strip(), 'plain')
        self.assertEqual(message.get_body(('html',)).get_content().strip(), '<b>Hé</b>')

    def test_html_does_not_read_standard_input(self):
        _, octets, _ = self.send(*TO_BOB, '--html', '<p>x', stdin='not this')
        self.assertNotIn(b'not this', octets)

    def test_attachments(self):
        data = bytes(range(256)) * 300
        path = self.file('a;b.bin', data)
        other = self.file('c.txt', b'other')
        _, octets, _ = self.send(
            *TO_BOB, '--text', 'x', '-a', path, '-a',
            other + ';type=text/plain;charset=utf-8;name=Ünïcode 3.txt')
        first, second = parse(octets).iter_attachments()
        self.assertEqual(first.get_filename(), 'a;b.bin')
        self.assertEqual(first.get_payload(decode=True), data)
        self.assertEqual(second.get_filename(), 'Ünïcode 3.txt')
        self.assertEqual(second.get_content_type(), 'text/plain')
        self.assertEqual(second.get_payload(decode=True), b'other')

    def test_inline_picture(self):
        path = self.file('p.png', b'\x89PNG\r\n\x1a\n')
        _, octets, _ = self.send(*TO_BOB, '--html', '<img src="cid:pic@x">', '--inline',
                                 path + ';cid=pic@x')
        related = [p for p in parse(octets).walk() if p['Content-ID']]
        self.assertEqual([p['Content-ID'] for p in related], ['<pic@x>'])
        self.assertEqual(related[0].get_payload(decode=True), b'\x89PNG\r\n\x1a\n')

    def test_recipients(self):
        envelope, octets, _ = self.send(
            '-f', 'Ann <ann@example.com>', '-t', 'Bob <bob@example.org>, carl@example.org',
            '--to', 'dora@example.org', '--cc', 'Zoë <zoe@example.net>', '--bcc',
            'eve@example.net', '--reply-to', 'desk@example.com', 'last@example.org', '--text', 'x')
        self.assertEqual(envelope['from'], 'ann@example.com')
        self.assertEqual([r['address'] for r in envelope['recipients']], [
            'bob@example.org', 'carl@example.org', 'dora@example.org', 'last@example.org',
            'zoe@example.net', 'eve@example.net'])
        self.assertNotIn(b'eve@', octets)
        message = parse(octets)
        self.assertEqual(message['Cc'], 'Zoë <zoe@example.net>')
        self.assertEqual(message['Reply-To'], 'desk@example.com')
        self.assertEqual(message['From'], 'Ann <ann@example.com>')

    def test_headers(self):
        _, octets, _ = self.send(*TEXT, '-H', 'X-One: 1', '--header', 'X-Two:zwö')
        message = parse(octets)
        self.assertEqual((message['X-One'], message['X-Two']), ('1', 'zwö'))

    def test_envelope(self):
        envelope, _, _ = self.send(*TEXT, '--envelope-from', 'bounces@example.com', '--dsn',
                                   'success,FAILURE,delay', '--ret', 'hdrs', '--envid', 'id 42+=')
        self.assertEqual(envelope['from'], 'bounces@example.com')
        self.assertEqual(envelope['ret'], 'HDRS')
        self.assertEqual(envelope['envid'], 'id 42+=')
        self.assertEqual(envelope['recipients'][0]['notify'], ['success', 'failure', 'delay'])

    def test_null_sender_and_never(self):
        envelope, _, _ = self.send(*TEXT, '--envelope-from', '', '--dsn', 'never', '--ret', 'full')
        self.assertEqual(envelope['from'], '')
        self.assertEqual(envelope['ret'], 'FULL')
        self.assertEqual(envelope['recipients'][0]['notify'], ['never'])

    def test_ehlo_name(self):
        envelope, _, _ = self.send(*TEXT, '--ehlo', 'client.example.com')
        self.assertEqual(envelope['hello'], 'client.example.com')

    def test_ready_message_arrives_as_it_is(self):
        octets = (b'From: a@example.com\r\nTo: b@example.com\r\nSubject:  two  spaces \r\n'
                  b'X-Folded: a\r\n\tb\r\n\r\n.\r\n..\r\n.leading\r\nend\r\n')
        path = self.file('m.eml', octets)
        for args, stdin in ((['--message', path], b''), (['--message', '-'], octets)):
            with self.subTest(args):
                envelope, arrived, _ = self.send(*args, '--envelope-from', 'x@example.com',
                                                 stdin=stdin)
                self.assertEqual(arrived, octets)
                self.assertEqual(envelope['recipients'][0]['address'], 'b@example.com')

    def test_line_ends_of_a_ready_message(self):
        """A bare CR and a bare LF are ends of lines: nothing else of them can be sent."""
        path = self.file('m.eml', b'From: a@example.com\nTo: b@example.com\r\n\rbare\rcr\n\n.\rend')
        _, arrived, _ = self.send('--message', path)
        self.assertEqual(arrived, b'From: a@example.com\r\nTo: b@example.com\r\n\r\n'
                                  b'bare\r\ncr\r\n\r\n.\r\nend\r\n')

    def test_large_ready_message(self):
        lines = [hashlib.sha256(str(i).encode()).hexdigest().encode() for i in range(100000)]
        octets = b'From: a@example.com\r\nTo: b@example.com\r\n\r\n' + b'\r\n'.join(lines) + b'\r\n'
        path = self.file('m.eml', octets)
        for more in ((), ('--without', 'CHUNKING'), ('--without', 'PIPELINING')):
            with self.subTest(more):
                envelope, arrived, _ = self.send('--message', path, sink_args=more)
                self.assertTrue(arrived == octets)
                self.assertEqual(envelope['bdat'], 'CHUNKING' not in more)

    def test_lint_before_sending(self):
        with Sink() as sink:
            good = run('send', '--via', sink.url, *TEXT, '--lint')
            self.assertEqual((good.code, good.err), (0, ''), good)
            warned = run('send', '--via', sink.url, *TO_BOB, '-s', 'x', '--html', '<p>x',
                         '--no-text', '--lint')
            self.assertEqual(warned.code, 0, warned)
            self.assertIn('letterwing: lint: warning: ', re.sub(r'lint:\d+:', 'lint:', warned.err))
            self.assertEqual(len(sink.messages()), 2)
            evil = self.file('run.exe', b'MZ')
            for more in ([], ['--dry-run'], ['--json']):
                bad = run('send', '--via', sink.url, *TEXT, '-a', evil, '--lint', *more)
                self.assertEqual(bad.code, 65, bad)
                self.assertIn('run.exe', bad.err)
                self.assertIn('nothing was sent', bad.err)
                if more == ['--json']:
                    self.assertEqual(bad.json['error']['name'], 'EMESSAGE')
                else:
                    self.assertEqual(bad.out, '')
            self.assertEqual(len(sink.messages()), 2)

    def test_dry_run(self):
        ran = run('send', *TEXT, '--dry-run')  # needs no server
        self.assertEqual(ran.code, 0, ran)
        self.assertEqual(parse(ran.raw)['To'], 'bob@example.org')
        self.assertTrue(ran.raw.endswith(b'\r\n'))

    def test_dry_run_sends_nothing(self):
        with Sink() as sink:
            self.assertEqual(run('send', *TEXT, '--dry-run', '--via', sink.url).code, 0)
            self.assertEqual(sink.messages(), [])

    def test_dry_run_on_a_full_disk(self):
        with open('/dev/full', 'wb') as full:
            self.assert_fails(run('send', *TEXT, '--dry-run', stdout=full), 74, 'standard output')


class Outcomes(Case):
    def test_quiet(self):
        with Sink() as sink:
            ran = run('send', '--via', sink.url, *TEXT, '-q')
            self.assertEqual((ran.code, ran.out, ran.err), (0, '', ''))

    def test_partial(self):
        with Sink('--reject', 'bad@example.org') as sink:
            args = ['send', '--via', sink.url, *TEXT, 'bad@example.org', 'good@example.org']
            ran = run(*args)
            self.assert_fails(ran, 69, 'bad@example.org')
            self.assertEqual([line.split(':')[0] for line in ran.out.splitlines()],
                             ['bob@example.org', 'bad@example.org', 'good@example.org'])
            found = run(*args, '--json').json
            self.assertEqual(found['outcome'], 'partial')
            self.assertEqual([r['outcome'] for r in found['recipients']],
                             ['accepted', 'rejected', 'accepted'])
            refused = found['recipients'][1]
            self.assertEqual((refused['stage'], refused['code'], refused['enhanced']),
                             ('rcpt', 550, '5.1.1'))
            self.assertEqual(len(sink.messages()), 2)

    def test_all_rejected(self):
        with Sink('--reject', 'bob@example.org') as sink:
            self.assert_fails(run('send', '--via', sink.url, *TEXT), 67, 'bob@example.org')
            self.assertEqual(sink.messages(), [])

    def test_json(self):
        with Sink() as sink:
            ran = run('send', '--via', sink.url, *TEXT, '--json')
            found = ran.json
            self.assertEqual(found['outcome'], 'accepted')
            self.assertIsNone(found['error'])
            self.assertEqual(found['server']['host'], '127.0.0.1')
            self.assertEqual(found['server']['port'], sink.port)
            self.assertEqual(found['server']['address'], '127.0.0.1')
            self.assertIsNone(found['server']['auth'])
            self.assertTrue(found['server']['greeting'])
            self.assertEqual(found['recipients'][0]['outcome'], 'accepted')
            self.assertEqual(found['recipients'][0]['stage'], 'data')
            self.assertEqual(found['reply']['code'], 250)
            self.assertEqual(found['reply']['enhanced'], '2.0.0')
            self.assertGreater(found['flights'], 0)
            self.assertIsInstance(found['seconds'], float)
            envelope, octets = sink.one()
            self.assertEqual(found['size'], len(octets))
            self.assertEqual(found['message_id'], parse(octets)['Message-ID'])

    def test_json_of_failures(self):
        rows = [('bad address', ['-f', 'x', '-t', 'y', '--text', 'x'], 65, 'EADDRESS'),
                ('refused', TEXT, 69, 'ECONNECT')]
        with Peer(None) as peer:
            url = f'smtp://127.0.0.1:{peer.port}'
        for name, args, code, error in rows:
            with self.subTest(name):
                ran = run('send', '--via', url, *args, '--json')
                self.assertEqual(ran.code, code, ran)
                found = ran.json
                self.assertEqual(found['outcome'], 'unsent')
                self.assertEqual(found['error']['name'], error)
                self.assertTrue(found['error']['text'])
                for key in ('message_id', 'size', 'server', 'recipients', 'reply', 'flights',
                            'seconds'):
                    self.assertIn(key, found)

    def dialogue(self, *steps, code, outcome):
        with Peer(script(*steps)) as peer:
            ran = run('send', '--via', f'smtp://127.0.0.1:{peer.port}', *TEXT, '--json')
            self.assertEqual(ran.code, code, ran)
            self.assertEqual(ran.json['outcome'], outcome)
            return ran.json, peer.seen

    def test_deferred(self):
        found, seen = self.dialogue(b'220 hi\r\n', b'250 hi\r\n', b'250 ok\r\n',
                                    b'451 greylisted\r\n', b'221 bye\r\n', code=75,
                                    outcome='deferred')
        self.assertEqual(found['recipients'][0]['code'], 451)
        self.assertNotIn(b'DATA\r\n', seen)

    def test_message_rejected(self):
        def serve(peer, connection):
            lines = connection.makefile('rb')
            for reply in (b'220 hi\r\n', b'250 hi\r\n', b'250 ok\r\n', b'250 ok\r\n',
                          b'354 go\r\n'):
                connection.sendall(reply)
                lines.readline()
            while lines.readline() not in (b'.\r\n', b''):
                pass
            connection.sendall(b'552 5.3.4 too big\r\n')
            lines.readline()
            connection.sendall(b'221 bye\r\n')
        with Peer(serve) as peer:
            ran = run('send', '--via', f'smtp://127.0.0.1:{peer.port}', *TEXT)
            self.assert_fails(ran, 67, '552', 'too big')

    def test_uncertain(self):
        def serve(peer, connection):
            lines = connection.makefile('rb')
            for reply in (b'220 hi\r\n', b'250 hi\r\n', b'250 ok\r\n', b'250 ok\r\n',
                          b'354 go\r\n'):
                connection.sendall(reply)
                lines.readline()
            while lines.readline() not in (b'.\r\n', b''):
                pass
        with Peer(serve) as peer:
            ran = run('send', '--via', f'smtp://127.0.0.1:{peer.port}', *TEXT, '--json')
            self.assertEqual(ran.code, 75, ran)
            self.assertEqual(ran.json['outcome'], 'uncertain')

    def test_lost_before_the_data(self):
        self.dialogue(b'220 hi\r\n', b'250 hi\r\n', code=75, outcome='unsent')

    def test_garbage_reply(self):
        self.dialogue(b'220 hi\r\n', b'what?\r\n', code=76, outcome='unsent')

    def test_reply_that_is_not_utf8(self):
        found, _ = self.dialogue(b'220 hi\r\n', b'250 hi\r\n', b'250 ok\r\n',
                                 b'550 gr\xfc\xdfe\r\n', b'221 bye\r\n', code=67,
                                 outcome='rejected')
        self.assertIn('gr', found['recipients'][0]['text'])

    def test_servers_are_tried_in_order(self):
        with Peer(None) as peer:
            dead = f'smtp://127.0.0.1:{peer.port}'
        with Sink() as sink:
            ran = run('send', '--via', dead, '--via', sink.url, *TEXT, '--json')
            self.assertEqual(ran.code, 0, ran)
            self.assertEqual(ran.json['server']['port'], sink.port)

    def test_server_from_the_environment(self):
        with Sink() as sink:
            self.assertEqual(run('send', *TEXT, env={'LETTERWING_URL': sink.url}).code, 0)
            self.assertEqual(len(sink.messages()), 1)

    def test_lmtp(self):
        path = os.path.join(self.folder(), 'lmtp')
        with Sink('--lmtp', '--reject', 'bad@example.org', lmtp_path=path) as sink:
            ran = run('send', '--via', f'lmtp+unix://{path}', *TEXT, 'good@example.org', '--json')
            self.assertEqual(ran.code, 0, ran)
            self.assertEqual(len(ran.json['recipients']), 2)
            self.assertEqual(len(sink.messages()), 1)

    def test_size_known_before(self):
        with Sink('--size', '1000') as sink:
            path = self.file('big', b'x' * 100000)
            ran = run('send', '--via', sink.url, *TEXT, '-a', path)
            self.assertNotEqual(ran.code, 0)
            self.assert_fails(ran, ran.code, '1000')
            self.assertEqual(sink.messages(), [])

    def test_interrupted(self):
        with Peer(lambda peer, c: (peer.seen.append('in'), c.recv(1))) as peer:
            process = subprocess.Popen(
                [LETTERWING, 'send', '--via', f'smtp://127.0.0.1:{peer.port}', *TEXT, '-v'],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            first = process.stderr.readline()  # signals are caught from here on
            self.assertTrue(first)
            process.terminate()
            _, err = process.communicate(timeout=harness.PATIENCE)
            self.assertEqual(process.returncode, 75, err)
            self.assertTrue(err.splitlines()[-1].startswith(b'letterwing: '), err)


class Logins(Case):
    def login(self, sink, *args, scheme='tls', user='ann', **more):
        return run('send', '--via', f'{scheme}://{user}@127.0.0.1:{sink.port}', *TEXT, '--ca',
                   sink.ca, '--json', *args, **more)

    def test_password_sources(self):
        path = self.file('pass', 'secret\nsecond line\n')
        for name, args, more in [
                ('env', ['--password-from', 'env:LW_PASS'], {'env': {'LW_PASS': 'secret'}}),
                ('file', ['--password-from', 'file:' + path], {}),
                ('cmd', ['--password-from', 'cmd:printf "secret\\nmore\\n"'], {}),
                ('long cmd', ['--password-from', 'cmd:echo secret; seq 1 200000'], {}),
        ]:
            with self.subTest(name), Sink('--tls', '--auth', 'ann:secret') as sink:
                ran = self.login(sink, *args, **more)
                self.assertEqual(ran.code, 0, ran)
                self.assertEqual(sink.one()[0]['auth']['user'], 'ann')
        reader, writer = os.pipe()
        os.write(writer, b'secret\n')
        os.close(writer)
        with Sink('--tls', '--auth', 'ann:secret') as sink:
            ran = self.login(sink, '--password-from', f'fd:{reader}', pass_fds=[reader])
            self.assertEqual(ran.code, 0, ran)
        os.close(reader)

    def test_mechanisms(self):
        for mechanism in ('PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-1', 'SCRAM-SHA-256',
                          'SCRAM-SHA-256-PLUS'):
            with self.subTest(mechanism), Sink('--tls', '--auth', 'ann:s p@ss:wörd') as sink:
                ran = self.login(sink, '--auth', mechanism, '--password-from', 'env:P',
                                 env={'P': 's p@ss:wörd'})
                self.assertEqual(ran.code, 0, ran)
                self.assertEqual(ran.json['server']['auth'], mechanism)
                self.assertEqual(sink.one()[0]['auth'], {'mechanism': mechanism, 'user': 'ann'})

    def test_strongest_is_chosen(self):
        with Sink('--smtps', '--auth', 'ann:secret') as sink:
            ran = self.login(sink, '--password-from', 'env:P', env={'P': 'secret'}, scheme='smtps')
            self.assertEqual(ran.json['server']['auth'], 'SCRAM-SHA-256-PLUS')
            self.assertTrue(ran.json['server']['tls']['verified'])

    def test_user_option(self):
        with Sink('--tls', '--auth', 'ann@example.com:secret') as sink:
            ran = run('send', '--via', f'tls://127.0.0.1:{sink.port}', *TEXT, '--ca', sink.ca,
                      '--user', 'ann@example.com', '--password-from', 'env:P', env={'P': 'secret'})
            self.assertEqual(ran.code, 0, ran)

    def test_no_password_anywhere(self):
        with Sink('--tls', '--auth', 'ann:secret') as sink:
            ran = self.login(sink, start_new_session=True)
            self.assertEqual(ran.code, 78, ran)
            self.assertIn('--password-from', ran.err)

    def test_password_leaves_the_process_list(self):
        with Peer(lambda peer, c: c.recv(1)) as peer:
            process = subprocess.Popen(
                [LETTERWING, 'send', '--via', f'plain://ann:hunter2@127.0.0.1:{peer.port}', *TEXT,
                 '-v'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            process.stderr.readline()
            with open(f'/proc/{process.pid}/cmdline', 'rb') as f:
                shown = f.read()
            process.kill()
            process.communicate()
            self.assertNotIn(b'hunter2', shown)
            self.assertIn(b'ann:*******@', shown)


class Transcripts(Case):
    def test_text(self):
        path = os.path.join(self.folder(), 't')
        with Sink('--tls', '--auth', 'ann:secret', '--mechanisms', 'PLAIN') as sink:
            ran = run('send', '--via', f'tls://ann:secret@127.0.0.1:{sink.port}', *TEXT, '--ca',
                      sink.ca, '--transcript', path)
            self.assertEqual(ran.code, 0, ran)
        with open(path, encoding='utf-8') as f:
            text = f.read()
        self.assertIn(' C: EHLO ', text)
        self.assertIn(' C: STARTTLS', text)
        self.assertIn(' S: 220 ', text)
        self.assertIn('<redacted>', text)
        self.assertIn(' C: QUIT', text)
        self.assertNotIn('secret', text)
        self.assertNotIn('AGFubgBzZWNyZXQ=', text)

    def test_json_lines(self):
        path = os.path.join(self.folder(), 't.jsonl')
        with Sink() as sink:
            self.assertEqual(run('send', '--via', sink.url, *TEXT, '--transcript', path).code, 0)
        with open(path, encoding='utf-8') as f:
            lines = [json.loads(line) for line in f]
        self.assertLessEqual({line['direction'] for line in lines}, {'C', 'S', '*'})
        self.assertTrue(all(line['time'].endswith('Z') for line in lines))
        self.assertIn('QUIT', [line['text'] for line in lines])

    def test_on_standard_output(self):
        with Sink() as sink:
            ran = run('send', '--via', sink.url, *TEXT, '-q', '--transcript', '-')
            self.assertIn(' C: QUIT\n', ran.out)

    def test_verbose(self):
        with Sink() as sink:
            once = run('send', '--via', sink.url, *TO_BOB, '--text', 'the body', '-v')
            twice = run('send', '--via', sink.url, *TO_BOB, '--text', 'the body', '-v', '-v')
        self.assertIn(' C: QUIT\n', once.err)
        self.assertNotIn('the body', once.err)
        self.assertIn('the body', twice.err)

    def test_full_disk_while_sending(self):
        """RLIMIT_FSIZE stands for the full disk: the first line fits, the rest does not."""
        import resource
        import signal
        path = os.path.join(self.folder(), 't')

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        with Sink() as sink:
            ran = run('send', '--via', sink.url, *TEXT, '--transcript', path, preexec_fn=limit)
            self.assert_fails(ran, 74, path, 'not complete')
            self.assertIn('250', ran.out)  # the outcome is told all the same
            self.assertEqual(len(sink.messages()), 1)


if __name__ == '__main__':
    harness.main()
