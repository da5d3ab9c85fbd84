# SPDX-License-Identifier: MIT
"""tests/cli/test_probe_talk.py - letterwing probe and letterwing talk"""
import contextlib
import json
import os
import pty
import signal
import subprocess
import termios
import unittest

import harness
from harness import Case, LETTERWING, Peer, Sink, run, script


class Probe(Case):
    def test_plain(self):
        with Sink() as sink:
            ran = run('probe', sink.url)
            self.assertEqual(ran.code, 0, ran)
            for word in ('Greeting', 'PIPELINING', 'CHUNKING', 'Round trip', str(sink.port)):
                self.assertIn(word, ran.out)
            self.assertTrue(all(len(line) <= 200 for line in ran.out.splitlines()))

    def test_json(self):
        with Sink('--tls', '--auth', 'ann:secret') as sink:
            ran = run('probe', f'tls://127.0.0.1:{sink.port}', '--json', '--ca', sink.ca,
                      '--vrfy', 'bob', '--expn', 'list')
            self.assertEqual(ran.code, 0, ran)
            found = ran.json
            self.assertEqual(found['port'], sink.port)
            self.assertEqual(found['address'], '127.0.0.1')
            self.assertIn('STARTTLS', found['capabilities']['before_tls'])
            self.assertNotIn('STARTTLS', found['capabilities']['after_tls'])
            self.assertIn('SCRAM-SHA-256-PLUS', found['auth'])
            self.assertTrue(found['tls']['verified'])
            self.assertTrue(found['tls']['version'].startswith('TLSv1.'))
            self.assertIsNone(found['tls']['problem'])
            self.assertTrue(found['tls']['chain'][0]['not_after'].endswith('Z'))
            self.assertGreaterEqual(found['round_trip_ms'], 0)
            self.assertIsNone(found['login'])
            self.assertEqual(found['vrfy']['code'], 252)
            self.assertEqual(found['expn']['code'], 252)
            self.assertIsNone(found['error'])

    def test_login(self):
        with Sink('--smtps', '--auth', 'ann:secret') as sink:
            for password, code, is_ok in (('secret', 0, True), ('wrong', 77, False)):
                with self.subTest(password):
                    ran = run('probe', f'smtps://ann:{password}@127.0.0.1:{sink.port}', '--login',
                              '--ca', sink.ca, '--json')
                    self.assertEqual(ran.code, code, ran)
                    self.assertEqual(ran.json['login']['ok'], is_ok)
                    self.assertTrue(ran.json['login']['mechanism'])

    def test_nothing_is_sent(self):
        with Sink() as sink:
            run('probe', sink.url)
            self.assertEqual(sink.messages(), [])

    def test_no_ehlo(self):
        with Peer(script(b'220 old\r\n', b'502 no\r\n', b'250 fine\r\n', b'250 ok\r\n',
                         b'221 bye\r\n')) as peer:
            ran = run('probe', f'smtp://127.0.0.1:{peer.port}', '--json')
            self.assertEqual(ran.code, 0, ran)
            self.assertEqual(ran.json['capabilities']['before_tls'], [])

    def test_server_from_the_environment(self):
        with Sink() as sink:
            self.assertEqual(run('probe', env={'LETTERWING_URL': sink.url}).code, 0)


class Talk(Case):
    def talk(self, sink, *lines, args=(), url=None):
        return run('talk', url or sink.url, *args, stdin='\n'.join(lines) + '\n')

    def test_every_command(self):
        with Sink() as sink:
            ran = self.talk(sink, 'HELO me.example', 'EHLO me.example', 'NOOP', 'HELP',
                            'MAIL FROM:<ann@example.com>', 'RSET', 'VRFY bob', 'EXPN list',
                            'MAIL FROM:<ann@example.com>', 'RCPT TO:<bob@example.org>', 'DATA',
                            'Subject: x', '', '.', 'QUIT')
            self.assertEqual(ran.code, 0, ran)
            codes = [line[3:6] for line in ran.out.splitlines()
                     if line.startswith('S: ') and line[6:7] == ' ']
            self.assertEqual(codes, ['220', '250', '250', '250', '214', '250', '250', '252', '252',
                                     '250', '250', '354', '250', '221'], ran)
            self.assertIn('C: MAIL FROM:<ann@example.com>', ran.out)
            envelope, octets = sink.one()
            self.assertEqual(octets, b'Subject: x\r\n\r\n')
            self.assertEqual(envelope['from'], 'ann@example.com')

    def test_dots_in_data(self):
        with Sink() as sink:
            ran = self.talk(sink, 'MAIL FROM:<>', 'RCPT TO:<bob@example.org>', 'DATA', 'A: b', '',
                            '..', '.a', '.')
            self.assertEqual(ran.code, 0, ran)
            self.assertEqual(sink.one()[1], b'A: b\r\n\r\n..\r\n.a\r\n')

    def test_quit_is_said_at_the_end(self):
        with Sink() as sink:
            self.assertIn('C: QUIT\nS: 221 ', self.talk(sink, 'NOOP').out)

    def test_input_that_ends_inside_data(self):
        with Sink() as sink:
            ran = self.talk(sink, 'MAIL FROM:<>', 'RCPT TO:<bob@example.org>', 'DATA', 'half')
            self.assertEqual(ran.code, 65, ran)
            self.assertIn('not sent', ran.err)
            self.assertEqual(sink.messages(), [])

    def test_refusals_show_in_the_exit_code(self):
        with Sink('--reject', 'bad@example.org') as sink:
            ran = self.talk(sink, 'MAIL FROM:<>', 'RCPT TO:<bad@example.org>')
            self.assertEqual(ran.code, 69, ran)
            self.assertIn('S: 550 5.1.1 ', ran.out)
            self.assertEqual(self.talk(sink, 'FLY').code, 69)
        with Peer(script(b'220 hi\r\n', b'250 hi\r\n', b'450 later\r\n', b'221 bye\r\n')) as peer:
            ran = self.talk(None, 'NOOP', url=f'smtp://127.0.0.1:{peer.port}')
            self.assertEqual(ran.code, 75, ran)

    def test_bare(self):
        with Sink() as sink:
            ran = self.talk(sink, 'EHLO me.example', 'QUIT', args=['--bare'])
            self.assertEqual(ran.code, 0, ran)
            self.assertIn('S: 250-PIPELINING', ran.out.replace('S: 250 PIPE', 'S: 250-PIPE'))

    def test_starttls_by_hand(self):
        with Sink('--tls') as sink:
            ran = self.talk(sink, 'EHLO me', 'STARTTLS', 'EHLO me', 'QUIT',
                            args=['--bare', '--ca', sink.ca])
            self.assertEqual(ran.code, 0, ran)
            self.assertEqual(ran.out.count('S: 250 '), 2, ran)

    def test_login_is_not_echoed(self):
        with Sink('--auth', 'ann:secret') as sink:
            url = f'plain://127.0.0.1:{sink.port}'
            ran = self.talk(sink, 'AUTH PLAIN AGFubgBzZWNyZXQ=', url=url)
            self.assertEqual(ran.code, 0, ran)
            self.assertIn('C: AUTH PLAIN <redacted>\nS: 235 ', ran.out)
            for line in (' AUTH PLAIN AGFubgBzZWNyZXQ=', 'auth\tplain\t AGFubgBzZWNyZXQ='):
                path = os.path.join(self.folder(), 't')
                ran = self.talk(sink, line, url=url, args=['--transcript', path])
                with open(path, encoding='utf-8') as f:
                    self.assertNotIn('AGFubgBzZWNyZXQ=', f.read() + ran.out + ran.err)
            ran = self.talk(sink, 'AUTH LOGIN', 'YW5u', 'c2VjcmV0', url=url)
            self.assertEqual(ran.code, 0, ran)
            self.assertNotIn('YW5u', ran.out)
            self.assertNotIn('c2VjcmV0', ran.out)

    def on_terminal(self, *args):
        """The command with a pseudo-terminal as its controlling one; its descriptor."""
        pid, fd = pty.fork()
        if pid == 0:
            os.execv(LETTERWING, [LETTERWING, *args])
        self.addCleanup(os.close, fd)
        return pid, fd

    def test_interrupted_password_prompt_echoes_again(self):
        with Sink('--auth', 'ann:secret') as sink:
            pid, fd = self.on_terminal('talk', f'plain://ann@127.0.0.1:{sink.port}')
            shown = b''
            while b'Password' not in shown:
                shown += os.read(fd, 1000)
            self.assertFalse(termios.tcgetattr(fd)[3] & termios.ECHO)
            os.kill(pid, signal.SIGINT)
            _, status = os.waitpid(pid, 0)
            self.assertTrue(os.WIFSIGNALED(status))
            self.assertTrue(termios.tcgetattr(fd)[3] & termios.ECHO)

    def test_json_on_a_terminal_is_harmless(self):
        with Peer(script(b'220 a\x7fb\xc2\x9b31m\r\n', b'250 hi\r\n', b'250 ok\r\n',
                         b'221 bye\r\n')) as peer:
            pid, fd = self.on_terminal('probe', '--json', f'smtp://127.0.0.1:{peer.port}')
            shown = b''
            with contextlib.suppress(OSError):
                while piece := os.read(fd, 10000):
                    shown += piece
            os.waitpid(pid, 0)
            self.assertIn(b'greeting', shown)
            for octets in (b'\x7f', b'\xc2\x9b', b'\x9b'):
                self.assertNotIn(octets, shown)

    def test_tls_and_login_done_for_you(self):
        with Sink('--tls', '--auth', 'ann:secret', '--require-auth', '--require-tls') as sink:
            ran = self.talk(sink, 'MAIL FROM:<>', 'RSET', args=['--ca', sink.ca],
                            url=f'tls://ann:secret@127.0.0.1:{sink.port}')
            self.assertEqual(ran.code, 0, ran)

    def test_json(self):
        with Sink() as sink:
            ran = self.talk(sink, 'NOOP', args=['--json'])
            found = [json.loads(line) for line in ran.out.splitlines()]
            self.assertEqual([line['code'] for line in found], [250, 221])

    def test_lost(self):
        with Peer(script(b'220 hi\r\n', b'250 hi\r\n')) as peer:
            ran = self.talk(None, 'NOOP', 'NOOP', url=f'smtp://127.0.0.1:{peer.port}')
            self.assertEqual(ran.code, 75, ran)


class Help(Case):
    def test_pages(self):
        for args in (['--help'], ['-h'], ['help'], ['send', '--help'], ['help', 'probe'],
                     ['talk', '-h'], ['sink', '--help']):
            with self.subTest(args):
                ran = run(*args)
                self.assertEqual(ran.code, 0, ran)
                self.assertEqual(ran.err, '')
                for line in ran.out.splitlines():
                    self.assertLessEqual(len(line), 80, line)

    def test_version(self):
        self.assertRegex(run('--version').out, r'^letterwing \d+\.\d+\.\d+\n$')
        self.assertEqual(run('version').out, run('--version').out)

    def test_every_option_of_the_design(self):
        """The command line is stable: names as the design fixes them."""
        page = run('send', '--help').out
        for option in ('--via -f,|--from -t,|--to --cc --bcc --reply-to -s,|--subject --text --html '
                       '-a,|--attach --inline -H,|--header --message --envelope-from --dsn --ret '
                       '--envid --require-tls --user --password-from --auth --ca --cert --key '
                       '--tls-pin --timeout --ehlo --dry-run --transcript -v, -q, --json').split():
            self.assertIn(option.replace('|', ' '), page)
        page = run('probe', '--help').out
        for option in ('--login', '--vrfy', '--expn', '--json'):
            self.assertIn(option, page)

    def test_full_disk(self):
        with open('/dev/full', 'wb') as full:
            ran = run('send', '--help', stdout=full)
        self.assert_fails(ran, 74, 'standard output')

    def test_closed_pipe(self):
        process = subprocess.Popen([LETTERWING, '--help'], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.stdout.close()
        process.stderr.read()
        process.stderr.close()
        self.assertIn(process.wait(timeout=harness.PATIENCE), (0, 74))


if __name__ == '__main__':
    harness.main()
