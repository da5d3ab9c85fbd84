# SPDX-License-Identifier: MIT
"""tests/cli/test_sendmail.py - letterwing sendmail: arguments, hostile ones, what comes in, -bs"""
import email
import email.policy
import email.utils
import os
import pwd
import re
import socket
import subprocess

import harness
from harness import Case, LETTERWING, PATIENCE, Peer, Ran, Sink, script

HEADER = (b'From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: a test\r\n'
          b'Date: Tue, 24 Nov 2026 00:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n')
MESSAGE = HEADER + b'\r\nHello.\r\n'
LOGIN = pwd.getpwuid(os.getuid()).pw_name


class SendmailCase(Case):
    """Each test has a home of its own, with from-domain set, so that the machine's name and files
    do not matter."""

    def setUp(self):
        self.home = self.folder()
        self.write_conf('from-domain here.example\n')

    def write_conf(self, text, mode=0o600):
        folder = os.path.join(self.home, '.config', 'letterwing')
        os.makedirs(folder, exist_ok=True)
        self.conf = os.path.join(folder, 'sendmail.conf')
        with open(self.conf, 'wb') as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(self.conf, mode)

    def environment(self, url=None):
        environ = {k: v for k, v in os.environ.items()
                   if k not in ('LETTERWING_URL', 'XDG_CONFIG_HOME')}
        environ['HOME'] = self.home
        if url is not None:
            environ['LETTERWING_URL'] = url
        return environ

    def sendmail(self, *args, stdin=MESSAGE, url=None, name=None, **more):
        """name: how the program is called instead of `letterwing sendmail`"""
        command = [name] if name else [LETTERWING, 'sendmail']
        done = subprocess.run([*command, *args], input=stdin, capture_output=True,
                              timeout=PATIENCE, env=self.environment(url), **more)
        return Ran(done)

    def send(self, *args, stdin=MESSAGE, sink_args=(), **more):
        """(envelope, octets) of what arrived; nothing may have been said"""
        with Sink(*sink_args) as sink:
            ran = self.sendmail(*args, stdin=stdin, url=sink.url, **more)
            self.assertEqual((ran.code, ran.out, ran.err), (0, '', ''), args)
            return sink.one()

    def recipients(self, *args, stdin=MESSAGE, **more):
        envelope, _ = self.send(*args, stdin=stdin, **more)
        return [r['address'] for r in envelope['recipients']]


class Arguments(SendmailCase):
    def test_recipients(self):
        listed = (b'To: Bob <bob@example.org>, carl (x) ,\r\n d@example.net\r\n'
                  b'Cc: g: e@example.org, "f f"@example.org;\r\nBcc: hid@example.org\r\n'
                  b'Subject: x\r\n\r\n')
        in_header = ['bob@example.org', 'carl@here.example', 'd@example.net', 'e@example.org',
                     '"f f"@example.org', 'hid@example.org']
        rows = (
            (('x@example.org',), listed, ['x@example.org']),
            (('x@example.org', 'y@example.org'), listed, ['x@example.org', 'y@example.org']),
            (('x@example.org, y@example.org',), listed, ['x@example.org', 'y@example.org']),
            (('X <x@example.org>',), listed, ['x@example.org']),
            (('root',), listed, ['root@here.example']),
            (('-t',), listed, in_header),
            (('-t', 'x@example.org'), listed, ['x@example.org'] + in_header),
            (('-t', 'bob@example.org'), listed, in_header),
            (('-ti',), listed, in_header),
            (('-oi', '-ot'), listed, in_header),
            (('-o', 'i', '-o', 't'), listed, in_header),
            (('-i', '--', 'x@example.org'), listed, ['x@example.org']),
            (('--', '-x@example.org'), listed, ['-x@example.org']),
            (('--', '-t'), listed, ['-t@here.example']),
            (('-t',), b'To: undisclosed-recipients:;\r\nBcc: a@example.org\r\n\r\n',
             ['a@example.org']),
            (('-t',), b'To: a@example.org\r\nResent-To: b@example.org\r\n'
             b'Resent-Bcc: c@example.org\r\n\r\n', ['b@example.org', 'c@example.org']),
            (('-t',), b'to:a@example.org\nCC : b@example.org\n\n',
             ['a@example.org', 'b@example.org']),
        )
        for args, stdin, want in rows:
            with self.subTest(args=args):
                self.assertEqual(self.recipients(*args, stdin=stdin), want)

    def test_sender(self):
        rows = (  # arguments, header, sender
            (('-fann@example.com',), b'', 'ann@example.com'),
            (('-f', 'ann@example.com'), b'', 'ann@example.com'),
            (('-f', 'Ann <ann@example.com>'), b'', 'ann@example.com'),
            (('-rann@example.com',), b'', 'ann@example.com'),
            (('-r', 'ann'), b'', 'ann@here.example'),
            (('-if', 'ann'), b'', 'ann@here.example'),
            (('-ifann',), b'', 'ann@here.example'),
            (('-f', ''), b'', ''),
            (('-f<>',), b'', ''),
            (('-fann@example.com',), b'From: carl@example.org\r\n', 'ann@example.com'),
            ((), b'From: carl@example.org\r\n', 'carl@example.org'),
            ((), b'From: carl\r\n', 'carl@here.example'),
            ((), b'From: a@example.org, b@example.org\r\nSender: S <s@example.org>\r\n',
             's@example.org'),
            ((), b'From: a@example.org\r\nResent-From: r@example.org\r\n', 'r@example.org'),
            ((), b'From: a@example.org, b@example.org\r\n', LOGIN + '@here.example'),
            ((), b'', LOGIN + '@here.example'),
        )
        for args, header, want in rows:
            with self.subTest(args=args, header=header):
                envelope, _ = self.send(*args, 'bob@example.org', stdin=header + b'\r\nx\r\n')
                self.assertEqual(envelope['from'], want)

    def test_without_effect(self):
        """What Sendmail, Postfix and Exim have and what makes no difference here."""
        for args in (('-bm',), ('-b', 'm'), ('-oem',), ('-om',), ('-odb',), ('-odi',), ('-oee',),
                     ('-o', 'db'), ('-em',), ('-e', 'q'), ('-B7BIT',), ('-B', '8bitmime'), ('-n',),
                     ('-m',), ('-G',), ('-U',), ('-h', '3'), ('-L', 'tag'), ('-pESMTP',), ('-Ac',),
                     ('-Am',), ('-d0.1',), ('-OTimeout.queuereturn=1d',), ('-O', 'PrivacyOptions='),
                     ('-M', '1'), ('-i', '-i'), ('-imnosome',)):
            with self.subTest(args=args):
                self.assertEqual(self.recipients(*args, 'x@example.org'), ['x@example.org'])

    def test_delivery_reports(self):
        envelope, _ = self.send('-N', 'success,failure', '-R', 'hdrs', '-V', 'QQ+1=2',
                                'x@example.org')
        self.assertEqual(sorted(envelope['recipients'][0]['notify']), ['failure', 'success'])
        self.assertEqual((envelope['ret'].lower(), envelope['envid']), ('hdrs', 'QQ+1=2'))
        envelope, _ = self.send('-Nnever', 'x@example.org')
        self.assertEqual(envelope['recipients'][0]['notify'], ['never'])

    def test_wrong_usage(self):
        unknown = 'unknown option {}: see letterwing sendmail --help'
        behind = ('"{}" stands behind an address: options come first, and an address that begins with - after --')
        notify = '-N "{}" is not never, or some of success, failure, delay'
        mode = '-b{} cannot be done: there are -bm (send a message), -bs (speak SMTP) and -bp (show the queue)'
        for args, sentence in (
                ((), 'no recipient: name one, or use -t to take those of the message'),
                (('-Z', 'x@example.org'), unknown.format('-Z')),
                (('--frob', 'x@example.org'), unknown.format('--frob')),
                (('-', 'x@example.org'), unknown.format('-')),
                (('x@example.org', '-f', 'y@example.org'), behind.format('-f')),
                (('x@example.org', '--', 'y@example.org'), behind.format('--')),
                (('-t', '-f'), '-f needs a value'),
                (('-N', 'sometimes', 'x@example.org'), notify.format('sometimes')),
                (('-N', 'never,success', 'x@example.org'), notify.format('never,success')),
                (('-R', 'half', 'x@example.org'), '-R "half" is neither full nor hdrs'),
                (('-B', '9BIT', 'x@example.org'), '-B "9BIT" is neither 7BIT nor 8BITMIME'),
                (('-bd', '-q15m'), mode.format('d')),
                (('-be', '${run{/bin/id}}'), mode.format('e')),
                (('-bt',), mode.format('t')),
                (('-f', 'a@b.example\r\nRCPT TO:<x@y.example>', 'x@example.org'),
                 '-f "a@b.example??RCPT TO:<x@y.example>" holds a control character'),
                (('-F', 'Ann\nBcc: x@y.example', 'x@example.org'),
                 '-F "Ann?Bcc: x@y.example" holds a control character'),
                (('-V', 'a\x1bb', 'x@example.org'), '-V "a?b" holds a control character'),
                (('x@example.org\nBcc: y@example.org',),
                 'the address "x@example.org?Bcc: y@example.org" holds a control character'),
                (('-i', '--via', 'smtp://evil.example', 'x@example.org'), '--via must be the first argument'),
                (('-i', '--via=smtp://evil.example', 'x@example.org'), '--via must be the first argument'),
                (('--via',), '--via needs a value')):
            with self.subTest(args=args), Sink() as sink:
                self.assert_says(self.sendmail(*args, url=sink.url), 64, 'sendmail: ' + sentence)
                self.assertEqual(sink.messages(), [])

    def test_nothing_to_do(self):
        for args, out in ((('-q',), ''), (('-q30m',), ''), (('-bi',), ''),
                          (('-q', '-v'), 'Nothing to do: there is no queue\n'),
                          (('-bp',), 'Mail queue is empty\n')):
            with self.subTest(args=args):
                ran = self.sendmail(*args)
                self.assertEqual((ran.code, ran.out, ran.err), (0, out, ''))

    def test_help(self):
        ran = self.sendmail('--help')
        self.assertEqual(ran.code, 0)
        self.assertTrue(all(len(line) <= 80 for line in ran.out.splitlines()), ran.out)
        self.assertEqual(ran.out, harness.run('help', 'sendmail').out)
        self.assertIn('  sendmail ', harness.run('--help').out)

    def test_called_by_its_name(self):
        path = os.path.join(self.folder(), 'sendmail')
        os.symlink(os.path.abspath(LETTERWING), path)
        self.assertEqual(self.recipients('-i', 'x@example.org', name=path), ['x@example.org'])
        self.assert_fails(self.sendmail(name=path), 64, 'no recipient')

    def test_verbose_shows_the_dialogue(self):
        with Sink() as sink:
            ran = self.sendmail('-v', 'x@example.org', url=sink.url)
            self.assertEqual((ran.code, ran.out), (0, ''))
            self.assertIn('RCPT TO:<x@example.org>', ran.err)

    def test_via_first(self):
        with Sink() as sink:
            for args in (('--via', sink.url), ('--via=' + sink.url,)):
                self.assertEqual(self.sendmail(*args, '-i', 'x@example.org',
                                               url='smtp://127.0.0.1:1').code, 0)
            self.assertEqual(len(sink.messages()), 2)


class Hostile(SendmailCase):
    """CVE-2016-10033, CVE-2016-10045 and their like: the caller's arguments are the attacker's."""

    def test_no_argument_reads_writes_or_runs(self):
        folder = self.folder()
        made = os.path.join(folder, 'made')
        secret = self.file('secret', 'server smtp://127.0.0.1:1\ntop secret words\n')
        hook = self.file('hook', f'#!/bin/sh\ntouch {made}\n')
        os.chmod(hook, 0o755)
        for args in (('-X' + made,), ('-X', made), ('-OQueueDirectory=' + folder, '-X' + made),
                     ('-O', 'QueueDirectory=' + folder, '-X', made),
                     ('-oQ' + folder, '-X' + made), ('-C', secret), ('-C' + secret,),
                     ('-D', made), ('-D' + made,), ('-oA' + secret,), ('-oX' + made,), ('-T', hook),
                     ('-OLogLevel=99', '-L', made), ('-OSmtpGreetingMessage=' + made,),
                     ('-d0-99.100',), ('-p' + hook,), ('-A', secret), ('-Mlx', secret),
                     ('-tX' + made,), ('-f', '"a\\" -X' + made + ' "@example.com')):
            with self.subTest(args=args), Sink() as sink:
                ran = self.sendmail('-i', *args, 'x@example.org', url=sink.url)
                self.assertFalse(os.path.exists(made))
                self.assertEqual(os.listdir(folder), [])
                self.assertNotIn('secret words', ran.err + ran.out)
                self.assertEqual(ran.code, 0, ran)
                for _, octets in sink.messages():
                    self.assertEqual(octets, MESSAGE)
        for args in (('-be', '${readfile{' + secret + '}}'), ('-bd', '-X' + made),
                     ('-bv', '|' + hook), ('-bV',), ('-bh', '127.0.0.1'), ('-bs', '-X' + made),
                     ('-bp', '-C' + secret), ('-qff', '-X' + made), ('-bP',)):
            with self.subTest(args=args), Sink() as sink:
                ran = self.sendmail('-i', *args, url=sink.url, stdin=b'')
                self.assertEqual(os.listdir(folder), [])
                self.assertNotIn('secret words', ran.err + ran.out)
                self.assertEqual(sink.messages(), [])

    def test_pipes_files_and_includes_are_no_recipients(self):
        for address in ('|/bin/sh', '/etc/passwd', ':include:/etc/passwd', '"|id"', '\\root'):
            with self.subTest(address), Sink() as sink:
                ran = self.sendmail('-i', address, url=sink.url)
                for envelope, _ in sink.messages():
                    self.assertTrue(envelope['recipients'][0]['address'].endswith('@here.example'))
                self.assertIn(ran.code, (0, 64, 65))

    def test_header_injection(self):
        """A name for From may hold anything that is no control character."""
        name = 'Ann" <x@evil.example>, "B \\ Bcc: y@evil.example'
        envelope, octets = self.send('-F', name, 'x@example.org', stdin=b'\r\nhi\r\n')
        got = email.message_from_bytes(octets, policy=email.policy.default)
        self.assertEqual(len(got['From'].addresses), 1)
        self.assertEqual(got['From'].addresses[0].display_name, name)
        self.assertEqual(got['From'].addresses[0].addr_spec, LOGIN + '@here.example')
        self.assertEqual(envelope['from'], LOGIN + '@here.example')
        self.assertEqual(sorted(k.lower() for k in got.keys()), ['date', 'from', 'message-id'])

    def test_smuggling(self):
        """No line end and dot of any kind ends the message for the server."""
        for end in (b'\n.\n', b'\r.\r', b'\r\n.\r\n', b'\n.\r\n', b'\r\n.\n', b'\r.\r\n', b'\n.\r'):
            with self.subTest(end), Sink() as sink:
                stdin = HEADER + b'\r\nx' + end + b'MAIL FROM:<e@evil.example>\r\n'
                ran = self.sendmail('-i', 'x@example.org', stdin=stdin, url=sink.url)
                self.assertEqual(ran.code, 0, ran)
                self.assertEqual(sink.one()[1], HEADER + b'\r\nx\r\n.\r\nMAIL FROM:<e@evil.example>\r\n')

    def test_credentials_stay_with_their_server(self):
        """A login of the configuration is not sent to a server named elsewhere."""
        self.write_conf('server smtp://127.0.0.1:1\nuser ann\npassword-from cmd:echo secret\n'
                        'from-domain here.example\n')
        with Sink('--auth', 'ann:secret') as sink:
            self.assertEqual(self.sendmail('x@example.org', url=sink.url).code, 0)
            self.assertEqual(self.sendmail('--via', sink.url, 'x@example.org').code, 0)
            self.assertEqual([e['auth'] for e, _ in sink.messages()], [None, None])


class Input(SendmailCase):
    def body(self, stdin, *args):
        return self.send(*args, 'x@example.org', stdin=stdin)[1]

    def test_line_ends(self):
        for name, end in (('CRLF', b'\r\n'), ('LF', b'\n'), ('CR', b'\r')):
            with self.subTest(name):
                self.assertEqual(self.body(MESSAGE.replace(b'\r\n', end)), MESSAGE)
        mixed = HEADER.replace(b'\r\n', b'\n') + b'\r\n' + b'a\rb\nc\r\nd'
        self.assertEqual(self.body(mixed), HEADER + b'\r\na\r\nb\r\nc\r\nd\r\n')
        self.assertEqual(self.body(HEADER + b'\r\n\n\nx\n\n\n'), HEADER + b'\r\n\r\n\r\nx\r\n\r\n\r\n')

    def test_dots(self):
        rows = (  # the body as it comes, without -i, with -i
            (b'a\n.\nb\n', b'a\r\n', b'a\r\n.\r\nb\r\n'),
            (b'a\r\n.\r\nb\r\n', b'a\r\n', b'a\r\n.\r\nb\r\n'),
            (b'a\r.\rb\r', b'a\r\n', b'a\r\n.\r\nb\r\n'),
            (b'.\n', b'', b'.\r\n'),
            (b'a\n.', b'a\r\n', b'a\r\n.\r\n'),
            (b'..\n.a\n. \na.\n', b'..\r\n.a\r\n. \r\na.\r\n', b'..\r\n.a\r\n. \r\na.\r\n'),
        )
        for body, without, with_i in rows:
            with self.subTest(body):
                self.assertEqual(self.body(HEADER + b'\r\n' + body), HEADER + b'\r\n' + without)
                self.assertEqual(self.body(HEADER + b'\r\n' + body, '-i'),
                                 HEADER + b'\r\n' + with_i)

    def test_dots_however_it_is_split(self):
        stdin = HEADER + b'\r\n.a\r\n..\r\n.\r\nnot this\r\n'
        with Sink() as sink:
            for at in range(len(HEADER), len(stdin)):
                p = subprocess.Popen([LETTERWING, 'sendmail', 'x@example.org'],
                                     stdin=subprocess.PIPE, env=self.environment(sink.url))
                p.stdin.write(stdin[:at])
                p.stdin.flush()
                try:
                    p.stdin.write(stdin[at:])
                    p.stdin.close()
                except BrokenPipeError:
                    pass  # it has seen the end and has gone
                self.assertEqual(p.wait(PATIENCE), 0)
            for _, octets in sink.messages():
                self.assertEqual(octets, HEADER + b'\r\n.a\r\n..\r\n')

    def test_what_is_missing_is_added(self):
        octets = self.body(b'Subject: x\n\nhi\n', '-fann@example.com', '-F', 'Ann Böll')
        got = email.message_from_bytes(octets, policy=email.policy.default)
        self.assertEqual(got['From'].addresses[0].display_name, 'Ann Böll')
        self.assertEqual(got['From'].addresses[0].addr_spec, 'ann@example.com')
        self.assertIsNotNone(email.utils.parsedate_to_datetime(got['Date']).tzinfo)
        self.assertRegex(got['Message-ID'], r'^<[^<>@\s]+@example\.com>$')
        self.assertEqual((got['Subject'], got.get_content()), ('x', 'hi\r\n'))
        self.assertEqual(sorted(k.lower() for k in got.keys()),
                         ['date', 'from', 'message-id', 'subject'])

    def test_what_is_there_stays(self):
        odd = (b'from : Ann\r\n (x) <ann@example.com>\r\nDATE: Tue, 24 Nov 2026 00:00 GMT\r\n'
               b'Message-Id: <a@b>\r\nX-Odd:\r\n\tvalue \r\nSubject: =?utf-8?q?=C3=BC?=\r\n\r\n\r\n')
        self.assertEqual(self.body(odd), odd)

    def test_resent_gets_its_own(self):
        octets = self.body(b'Resent-To: x@example.org\r\n' + MESSAGE, '-F', 'R', '-fr@example.org')
        got = email.message_from_bytes(octets)
        self.assertEqual(got['Resent-From'], 'R <r@example.org>')
        self.assertIsNotNone(got['Resent-Date'])
        self.assertIsNotNone(got['Resent-Message-ID'])
        self.assertEqual((got['From'], got['Message-ID']), ('Ann <ann@example.com>', '<1@example.com>'))

    def test_bcc_and_return_path_are_removed(self):
        stdin = (b'Return-Path: <old@example.com>\r\n' + HEADER + b'Bcc: h@example.org,\r\n'
                 b' i@example.org\r\nbcc: j@example.org\r\nResent-Bcc: k@example.org\r\n'
                 b'Resent-From: r@example.org\r\nResent-Date: Tue, 24 Nov 2026 00:00:00 +0000\r\n'
                 b'Resent-Message-ID: <2@example.org>\r\n\r\nBcc: a text\r\n')
        octets = self.body(stdin, '-t')
        for hidden in (b'h@', b'i@', b'j@', b'k@', b'old@'):
            self.assertNotIn(hidden, octets)
        self.assertTrue(octets.endswith(b'\r\n\r\nBcc: a text\r\n'))

    def test_bare_names_get_a_domain(self):
        octets = self.body(b'From: root (Cron Daemon)\nTo: root, Ann <ann>\nCc: b@example.org\n'
                           b'Reply-To: <me>\nSubject: root\n\nroot\n')
        for line in (b'From: root@here.example (Cron Daemon)\r\n', b'Cc: b@example.org\r\n',
                     b'To: root@here.example, Ann <ann@here.example>\r\n', b'Subject: root\r\n',
                     b'Reply-To: <me@here.example>\r\n', b'\r\n\r\nroot\r\n'):
            self.assertIn(line, octets)

    def test_forms(self):
        rows = (
            ('empty', b'', b''),
            ('one line end', b'\n', b''),
            ('no header', b'just text\nmore\n', b'just text\r\nmore\r\n'),
            ('no header, with a colon later', b'see http://x.example\n', b'see http://x.example\r\n'),
            ('header only', b'Subject: x', b''),
            ('header only, folded', b'Subject: x\n y', b''),
            ('no line between', b'Subject: x\ntext\n', b'text\r\n'),
            ('mailbox line', b'From ann Tue Nov 24 00:00:00 2026\nSubject: x\n\nFrom me\n',
             b'From me\r\n'),
            ('fold without a field', b' odd\nSubject: x\n\nt\n', b't\r\n'),
        )
        for name, stdin, want in rows:
            with self.subTest(name):
                octets = self.body(stdin)
                header, _, body = octets.partition(b'\r\n\r\n')
                self.assertEqual(body, want)
                for line in header.split(b'\r\n'):
                    self.assertRegex(line, rb'^([!-9;-~]+:|[ \t])')
                got = email.message_from_bytes(octets)
                self.assertEqual(len(got.get_all('From')), 1)
                if b'Subject' in stdin:
                    self.assertIn(got['Subject'], ('x', 'x\r\n y', 'x\n y'))

    def test_what_mail_cannot_carry_is_refused(self):
        nul = ': a NUL octet in line {}, column {}; mail cannot carry it'
        for name, stdin, sentence in (
                ('NUL', HEADER + b'\r\na\0b\r\n', nul.format(7, 2)),
                ('NUL in the header', b'Subject: a\0b\r\n' + MESSAGE, nul.format(1, 11)),
                ('NUL in an address', b'Cc: a\0b\r\n' + MESSAGE, nul.format(1, 6)),
                ('long line in the header', b'X: ' + b'y' * 999 + b'\r\n' + MESSAGE,
                 ': line 1 is 1002 octets long; SMTP allows 998'),
                ('huge header', b'X: y\r\n' * 500_000 + MESSAGE,
                 ' cannot be read: line 349526: a header is longer than allowed'),
                ('endless field', b'X: ' + b'y' * 3_000_000,
                 ' cannot be read: line 1: a header is longer than allowed')):
            with self.subTest(name), Sink() as sink:
                self.assert_says(self.sendmail('x@example.org', stdin=stdin, url=sink.url), 65,
                                 'the message' + sentence)
                self.assertEqual(sink.messages(), [])

    def test_long_lines_are_broken(self):
        """As Sendmail and Postfix do: a line end and a space, not inside a character."""
        for name, line in (('fits', b'x' * 998), ('one too many', b'x' * 999),
                           ('20 MB', b'x' * 20_000_000), ('words', b'word ' * 5000),
                           ('tags', b'<td>cell</td>' * 3000), ('UTF-8', 'ü測'.encode() * 4000),
                           ('broken UTF-8', b'\x80' * 5000), ('dots', b'.' * 3000)):
            for end in (b'\r\n', b'\n', b''):
                with self.subTest(name, end=end):
                    octets = self.body(HEADER + b'\r\nbefore\r\n' + line + end, '-i')
                    lines = octets.partition(b'\r\n\r\n')[2].split(b'\r\n')
                    self.assertEqual((lines[0], lines[-1]), (b'before', b''))
                    self.assertEqual(b''.join([lines[1]] + [one[1:] for one in lines[2:-1]]), line)
                    self.assertTrue(all(one[:1] == b' ' for one in lines[2:-1]))
                    self.assertLessEqual(max(map(len, lines)), 998)
                    if name == 'UTF-8':
                        for one in lines:
                            one.decode()  # no character is cut
                    if name == 'words':
                        self.assertTrue(all(one.endswith(b' ') for one in lines[1:-2]))

    def test_recipients_that_are_wrong(self):
        none = 'no recipient: neither To, Cc or Bcc of the message nor an argument names one'
        for name, args, stdin, sentence in (
                ('none', ('-t',), b'Subject: x\n\nTo: x@example.org\n', none),
                ('empty group', ('-t',), b'To: no one:;\n\n', none),
                ('empty', ('-t',), b'', none),
                ('malformed', ('-t',), b'To: a@example.org, b@@example.org\n\n',
                 'to: member 2 "b@@example.org" at column 18: nothing after the @'),
                ('a phrase', ('-t',), b'To: my dear friend\n\n',
                 'to: member 1 "my dear friend" at column 1: there is no @ and no domain in it'),
                ('malformed argument', ('a@',), MESSAGE, 'to: member 1 "a@" at column 3: nothing after the @'),
                ('malformed sender', ('-f', 'a@', 'x@example.org'), MESSAGE,
                 'from: member 1 "a@" at column 3: nothing after the @')):
            with self.subTest(name), Sink() as sink:
                self.assert_says(self.sendmail(*args, stdin=stdin, url=sink.url), 65, sentence)
                self.assertEqual(sink.messages(), [])

    def test_large(self):
        """50 MB: through a file without a name; nothing is left behind, and memory stays small."""
        line = b'0123456789' * 7 + b'\r\n'
        body = line * (50_000_000 // len(line))
        tmp = self.folder()
        with open(LETTERWING, 'rb') as f:
            limit = [] if b'__asan_init' in f.read() else ['prlimit', '--data=16777216']
        with Sink() as sink:
            environ = {**self.environment(sink.url), 'TMPDIR': tmp}
            subprocess.run([*limit, LETTERWING, 'sendmail', '-i', 'x@example.org'], env=environ,
                           input=HEADER + b'\r\n' + body, check=True, timeout=PATIENCE)
            self.assertEqual(sink.one()[1], HEADER + b'\r\n' + body)
            self.assertEqual(os.listdir(tmp), [])

    def test_no_room(self):
        with Sink() as sink:
            environ = {**self.environment(sink.url), 'TMPDIR': '/nonexistent'}
            done = subprocess.run([LETTERWING, 'sendmail', '-i', 'x@example.org'],
                                  input=HEADER + b'\r\n' + b'x\r\n' * 1_000_000,
                                  capture_output=True, env=environ, timeout=PATIENCE)
            self.assert_says(Ran(done), 74,
                             'the message cannot be kept in /nonexistent: No such file or directory')
            self.assertEqual(sink.messages(), [])

    def test_input_that_cannot_be_read(self):
        with Sink() as sink:
            folder = os.open('/', os.O_RDONLY)
            done = subprocess.run([LETTERWING, 'sendmail', 'x@example.org'], stdin=folder,
                                  capture_output=True, env=self.environment(sink.url), timeout=PATIENCE)
            os.close(folder)
            self.assert_says(Ran(done), 66, 'standard input cannot be read: Is a directory')
            self.assertEqual(sink.messages(), [])

    def test_killed_while_reading(self):
        """Nothing is connected before the message is whole."""
        with Sink('-v') as sink:
            p = subprocess.Popen([LETTERWING, 'sendmail', '-t'], stdin=subprocess.PIPE,
                                 env=self.environment(sink.url))
            p.stdin.write(MESSAGE * 20000)  # more than a pipe holds: it is being read
            p.kill()
            p.wait(PATIENCE)
            p.stdin.close()
            _, err, _ = sink.stop()
            self.assertEqual((sink.messages(), err), ([], b''))


class Outcome(SendmailCase):
    def serve(self, *replies):
        """A server that answers EHLO and then with these, in order."""
        return Peer(script(b'220 x ESMTP\r\n', b'250 x\r\n', *replies))

    def run_against(self, peer, *args):
        with peer:
            return self.sendmail(*args, url=f'smtp://127.0.0.1:{peer.port}')

    def test_exit_codes(self):
        ok = b'250 ok\r\n'
        for reply, code, sentence in (
                (b'550 5.1.1 because\r\n', 67, 'rejected by 127.0.0.1 at RCPT: 550 5.1.1 because'),
                (b'450 4.2.0 because\r\n', 75, 'deferred by 127.0.0.1 at RCPT: 450 4.2.0 because: try again later')):
            with self.subTest(sentence):
                self.assert_says(self.run_against(self.serve(ok, reply, ok), 'x@example.org'), code,
                                 'x@example.org was ' + sentence)
        with Sink('--reject', 'x@example.org') as sink:
            sentence = 'x@example.org was rejected by 127.0.0.1 at RCPT: 550 5.1.1 no such user here'
            self.assert_says(self.sendmail('x@example.org', url=sink.url), 67, sentence)
            self.assert_says(self.sendmail('x@example.org', 'y@example.org', url=sink.url), 69,
                             '1 of 2 recipients failed; ' + sentence)
            self.assertEqual(len(sink.messages()), 1)

    def test_exit_later(self):
        """PHP takes 75 for "it is in the queue"."""
        self.write_conf('exit-later 69\n')
        ok = b'250 ok\r\n'
        peer = self.serve(ok, b'450 4.2.0 because\r\n', ok)
        self.assert_fails(self.run_against(peer, 'x@example.org'), 69, 'because')

    def test_no_server_there(self):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))  # bound, not listening: refused
            url = f'smtp://127.0.0.1:{s.getsockname()[1]}'
            self.assert_says(self.sendmail('x@example.org', url=url), 69, 'no connection to 127.0.0.1 port '
                             f'{s.getsockname()[1]}: 127.0.0.1: connection refused, nothing listens there')

    def test_no_server_named(self):
        self.assert_says(self.sendmail('x@example.org'), 78, 'sendmail: no server: set LETTERWING_URL, or write '
                         '"server smtps://user@smtp.example.com" into ~/.config/letterwing/sendmail.conf or '
                         '/etc/letterwing/sendmail.conf')
        self.assert_says(self.sendmail('x@example.org', url='mail.example.com'), 78, 'sendmail: the server '
                         '"mail.example.com" is no URL: write smtp://mail.example.com')

    def test_no_password(self):
        self.assert_says(self.sendmail('x@example.org', url='smtp://ann@127.0.0.1:1', start_new_session=True), 78,
                         'no password for ann@127.0.0.1:1: add password-from to sendmail.conf')


class Configuration(SendmailCase):
    def test_all_of_it(self):
        with Sink('--tls', '--auth', 'ann:secret', '--require-auth', '--require-tls') as sink:
            password = self.file('password', 'secret\n')
            os.chmod(password, 0o600)
            self.write_conf(f'# a comment\n\n  server\tsmtp://127.0.0.1:{sink.port}?tls=required  \r\n'
                            f'user ann\npassword-from file:{password}\nca {sink.ca}\n'
                            'auth PLAIN\ntimeout 60\nehlo me.example\nfrom-domain x.example\n'
                            'from Boss <boss@x.example>\nlocal-to admin@x.example')
            ran = self.sendmail('-t', 'root', stdin=b'To: postmaster, y@example.org\n'
                                b'Subject: to root\n\nhi\n')
            self.assertEqual((ran.code, ran.err), (0, ''), ran)
            envelope, octets = sink.one()
            self.assertEqual(envelope['auth'], {'mechanism': 'PLAIN', 'user': 'ann'})
            self.assertEqual(envelope['from'], 'boss@x.example')
            self.assertEqual([r['address'] for r in envelope['recipients']],
                             ['admin@x.example', 'y@example.org'])
            self.assertIn(b'From: Boss <boss@x.example>\r\n', octets)
            self.assertIn(b'To: postmaster@x.example, y@example.org\r\n', octets)

    def test_wrong_ones(self):
        later = ': exit-later "{}" is not a number from 1 to 255'
        for text, sentence in (
                ('serverr smtp://x\n', ':1: there is no key "serverr": did you mean "server"?'),
                ('\nfrobnicate 1\n', ':2: there is no key "frobnicate": see letterwing-sendmail(8)'),
                ('server\n', ':1: server needs a value'),
                ('server smtp://a\nserver smtp://b\n', ':2: server is set twice'),
                ('from a\x01b\n', ':1: the value of from holds a control character'),
                (b'from a\0b\n', ' is no configuration: there is a NUL octet in it'),
                (b'# ' + b'x' * 65534, ' is no configuration: it has 64 KiB or more'),
                ('timeout soon\n', ': timeout "soon" is not a number of seconds above 0'),
                ('local-to root\n', ': local-to "root" is no address: it has no @'),
                ('from-domain a@b\n', ': from-domain "a@b" is no domain: it has an @'),
                ('exit-later 0\n', later.format('0')), ('exit-later 256\n', later.format('256')),
                ('exit-later x\n', later.format('x'))):
            with self.subTest(text[:40]):
                self.write_conf(text)
                self.assert_says(self.sendmail('x@example.org'), 78, self.conf + sentence)
        self.write_conf('server smtp://127.0.0.1:1\nuser ann\n')
        self.assert_says(self.sendmail('x@example.org'), 78, 'no password for ann: add password-from to sendmail.conf')

    def test_permissions(self):
        public = self.file('password', 'secret\n')
        os.chmod(public, 0o644)
        secret_url = 'server smtp://ann:hush-hush@127.0.0.1:1\n'
        changed = '{0} can be changed by others: it is not used; chmod go-w {0}'
        secret = '{0} holds a password and can be read by others: chmod go-r {0}'
        for name, text, mode, sentence, path in (
                ('group may write', 'from a@b.example\n', 0o620, changed, self.conf),
                ('others may write', 'from a@b.example\n', 0o602, changed, self.conf),
                ('group may read a password', secret_url, 0o640, secret, self.conf),
                ('others may read a password', secret_url, 0o604, secret, self.conf),
                ('a password file for all', f'server smtp://ann@127.0.0.1:1\n'
                 f'password-from file:{public}\n', 0o600, secret, public)):
            with self.subTest(name):
                self.write_conf(text, mode)
                self.assert_says(self.sendmail('x@example.org'), 78, sentence.format(path))
        self.write_conf('from-domain here.example\n', 0o644)  # without a password: fine
        self.assertEqual(self.recipients('root'), ['root@here.example'])

    def test_kinds_of_file(self):
        os.unlink(self.conf)
        os.mkfifo(self.conf)
        self.assert_says(self.sendmail('x@example.org'), 78, f'{self.conf} is no configuration: it is no regular file')
        os.unlink(self.conf)
        os.mkdir(self.conf)
        self.assert_says(self.sendmail('x@example.org'), 78, f'{self.conf} is no configuration: it is no regular file')

    def test_xdg_config_home(self):
        other = os.path.join(self.folder(), 'letterwing')
        os.mkdir(other)
        with open(os.path.join(other, 'sendmail.conf'), 'w', encoding='ascii') as f:
            f.write('from-domain other.example\n')
        with Sink() as sink:
            environ = {**self.environment(sink.url), 'XDG_CONFIG_HOME': os.path.dirname(other)}
            subprocess.run([LETTERWING, 'sendmail', 'root'], input=MESSAGE, env=environ, check=True,
                           timeout=PATIENCE)
            self.assertEqual(sink.one()[0]['recipients'][0]['address'], 'root@other.example')

    def in_private_etc(self, mode, owner=0):
        """Runs it in a mount namespace whose /etc holds nothing but our file."""
        script_text = ('mount -t tmpfs none /etc && mkdir /etc/letterwing && cd /etc/letterwing && '
                       'printf "local-to sys@x.example\\nserver %s\\n" "$1" >sendmail.conf && '
                       f'chmod {mode:o} sendmail.conf && chown {owner} sendmail.conf && '
                       'exec "$0" sendmail root')
        environ = self.environment()
        environ['HOME'] = '/nonexistent'
        return lambda url: Ran(subprocess.run(
            ['unshare', '-rm', 'sh', '-c', script_text, os.path.abspath(LETTERWING), url],
            input=MESSAGE, capture_output=True, env=environ, timeout=PATIENCE))

    def test_system_file(self):
        trial = subprocess.run(['unshare', '-rm', 'mount', '-t', 'tmpfs', 'none', '/etc'],
                               capture_output=True)
        if trial.returncode != 0:
            self.skipTest('no mount namespaces here: ' + trial.stderr.decode().strip())
        with Sink() as sink:
            ran = self.in_private_etc(0o644)(sink.url)
            self.assertEqual((ran.code, ran.err), (0, ''), ran)
            self.assertEqual(sink.one()[0]['recipients'][0]['address'], 'sys@x.example')
        secret = 'smtp://ann:hush-hush@127.0.0.1:1'
        path = '/etc/letterwing/sendmail.conf'
        self.assert_says(self.in_private_etc(0o644)(secret), 78,
                         f'{path} holds a password and can be read by others: chmod o-r {path}')
        self.assert_says(self.in_private_etc(0o664)(secret), 78,
                         f'{path} can be changed by others: it is not used; chmod go-w {path}')
        self.assertNotEqual(self.in_private_etc(0o640)(secret).code, 78)


class ManualPage(Case):
    def test_names_every_key_and_letter(self):
        top = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
        with open(os.path.join(top, 'docs/man/letterwing-sendmail.8.scd'), encoding='utf-8') as f:
            page = f.read()
        with open(os.path.join(top, 'src/cli/sendmail_conf.c'), encoding='utf-8') as f:
            keys = re.findall(r'{ "([a-z-]+)", AT\(', f.read())
        with open(os.path.join(top, 'src/cli/sendmail_args.c'), encoding='utf-8') as f:
            letters = re.findall(r"{ '([A-Za-z])', (?:FLAG|VALUE|GLUED),", f.read())
        self.assertGreater(len(keys), 10)
        self.assertGreater(len(letters), 20)
        for key in keys:
            self.assertIn(f'*{key}*', page)
        for letter in letters:
            self.assertRegex(page, rf'\*-{letter}')


class Dialogue(SendmailCase):
    """-bs"""

    def talk(self, *lines, url, args=('-bs',)):
        return self.sendmail(*args, stdin=b''.join(line + b'\r\n' for line in lines), url=url)

    def test_messages(self):
        with Sink() as sink:
            ran = self.talk(b'EHLO me', b'MAIL FROM:<a@example.com>', b'RCPT TO:<x@example.org>',
                            b'RCPT TO:<y@example.org>', b'DATA', MESSAGE.rstrip(), b'..dot', b'.',
                            b'MAIL FROM:<>', b'RCPT TO:<z@example.org>', b'DATA', b'Bcc: h@x.example',
                            b'Subject: 2', b'', b'two', b'.', b'QUIT', url=sink.url)
            self.assertEqual((ran.code, ran.err), (0, ''), ran)
            codes = [line[:4] for line in ran.out.splitlines() if not line.startswith('250-')]
            self.assertEqual(codes, ['220 ', '250 ', '250 ', '250 ', '250 ', '354 ', '250 ', '250 ',
                                     '250 ', '354 ', '250 ', '221 '])
            (one, octets), (two, second) = sink.messages()
            self.assertEqual(one['from'], 'a@example.com')
            self.assertEqual([r['address'] for r in one['recipients']],
                             ['x@example.org', 'y@example.org'])
            self.assertEqual(octets, MESSAGE + b'.dot\r\n')
            self.assertEqual((two['from'], two['recipients'][0]['address']), ('', 'z@example.org'))
            got = email.message_from_bytes(second)
            self.assertEqual(got['From'], two['from'] or got['From'])
            self.assertEqual(sorted(k.lower() for k in got.keys()),
                             ['date', 'from', 'message-id', 'subject'])

    def last_reply(self, sink, *rcpts, body=(b'Subject: x', b'', b'hi')):
        ran = self.talk(b'EHLO me', b'MAIL FROM:<a@example.com>',
                        *(b'RCPT TO:<%s>' % r for r in rcpts), b'DATA', *body, b'.', b'QUIT',
                        url=sink.url)
        return ran.out.partition('\n354')[2].partition('\n')[2]

    def test_outcomes_become_replies(self):
        with Sink('--reject', 'x@example.org') as sink:
            self.assertRegex(self.last_reply(sink, b'y@example.org'), '^250 2.0.0 captured')
            self.assertRegex(self.last_reply(sink, b'x@example.org'), '^554 5.0.0 .*x@example.org')
            some = self.last_reply(sink, b'x@example.org', b'y@example.org')
            self.assertRegex(some, '(?s)^554-5.3.0 not sent to all.*<x@example.org> rejected.*'
                                   '554 5.3.0 <y@example.org> accepted')
            self.assertRegex(self.last_reply(sink, b'y@example.org', body=(b'X: ' + b'x' * 999, b'', b'')),
                             '^554 .*998')
            self.assertEqual(len(sink.messages()), 2)
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            sink.url = f'smtp://127.0.0.1:{s.getsockname()[1]}'
            self.assertRegex(self.last_reply(sink, b'y@example.org'), '^451 4.3.0 ')

    def test_dropped_transactions_send_nothing(self):
        with Sink() as sink:
            begin = (b'EHLO me', b'MAIL FROM:<a@example.com>', b'RCPT TO:<x@example.org>')
            for more in ((b'RSET', b'QUIT'), (b'QUIT',), (), (b'DATA', b'Subject: x', b'', b'hi'),
                         (b'DATA', b'Subject: x', b'', b'hi', b'. ', b'..')):
                with self.subTest(more):
                    self.assertEqual(self.talk(*begin, *more, url=sink.url).code, 0)
            self.assertEqual(sink.messages(), [])

    def test_rubbish(self):
        with Sink() as sink:
            ran = self.talk(b'FROB', b'MAIL FROM:x', b'RCPT TO:<a@b.example>', b'\0\xff' * 2000,
                            b'DATA', b'VRFY ann', b'EXPN ann', b'HELP', b'NOOP', b'QUIT', url=sink.url)
            self.assertEqual((ran.code, ran.err), (0, ''))
            self.assertRegex(ran.out.splitlines()[-1], '^221 ')
            ran = self.talk(*[b'FROB'] * 500, url=sink.url)
            self.assertEqual(ran.code, 76)
            self.assertEqual(sink.messages(), [])

    def test_smtplib_over_a_socket_pair(self):
        """A real client; a large message in many writes."""
        import smtplib
        body = HEADER + b'\r\n' + b'line of the text\r\n' * 200_000
        with Sink() as sink:
            ours, theirs = socket.socketpair()
            p = subprocess.Popen([LETTERWING, 'sendmail', '-bs'], stdin=theirs, stdout=theirs,
                                 env=self.environment(sink.url))
            theirs.close()

            class Client(smtplib.SMTP):
                def _get_socket(self, host, port, timeout):
                    return ours
            with Client('sendmail', 25, local_hostname='me') as client:
                client.sendmail('a@example.com', ['x@example.org'], body)
            self.assertEqual(p.wait(PATIENCE), 0)
            self.assertEqual(sink.one()[1], body)

    def test_output_that_fails(self):
        with Sink() as sink, open('/dev/full', 'wb') as full:
            done = subprocess.run([LETTERWING, 'sendmail', '-bs'], input=b'QUIT\r\n', stdout=full,
                                  env=self.environment(sink.url), timeout=PATIENCE)
            self.assertEqual(done.returncode, 74)


if __name__ == '__main__':
    harness.main()
