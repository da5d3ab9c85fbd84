# SPDX-License-Identifier: MIT
"""smoke.py BUILD Ours|Libcurl|Libesmtp|Scripts|Postfix|Report - every program of the bench sends a handful of messages
that are counted right

No time is looked at: this only holds that the bench measures what it says it measures.
"""
import math
import os
import re
import socket
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

import aims
import harness
import plot
import report
import tools
from commands import Commands, Job

BUILD = os.path.abspath(sys.argv.pop(1))
N = 5
ATTACHMENT = 200_001    # neither whole lines nor whole groups of three


class Smoke:
    """What the cases share; no test case itself."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.data = harness.Data(cls.scratch.name)
        cls.file = harness.write(cls.data.folder + '/attachment', os.urandom(ATTACHMENT))

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def run_against(self, program, arguments, n, *options, peer_name='nullpeer'):
        """What the null peer saw of a program; {port} in an argument is replaced."""
        if isinstance(program, str):
            program = [harness.program(BUILD, program)]
        with harness.NullPeer(BUILD, self.data, *options, name=peer_name) as peer:
            command = program + [a.replace('{port}', str(peer.port)) for a in arguments]
            took = harness.measure(BUILD, command, peer, n, limit_s=60)
        self.assertNotIn('error', took)
        self.assertEqual(took['refused'], 0)
        return took

    def check_alone(self, command, n):
        """A program that speaks to nobody; gives what it printed."""
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
        self.assertEqual(list(harness.json_lines(done.stdout))[-1]['messages'], n)
        return done.stdout

    def check_many(self, name, arguments, *options):
        took = self.run_against(name, arguments, N, *options)
        self.assertEqual(took['sessions'], 1)
        self.assertEqual(took['handshakes'], 1 if '-t' in options or '-S' in options else 0)
        self.assertGreater(took['body_bytes'], N * 4096 - 1)
        return took

    def check_seven(self, program, arguments, *options):
        """Five messages over each of seven connections."""
        took = self.run_against(program, arguments, N * 7, *options)
        self.assertEqual(took['sessions'], 7)
        return took


class Ours(Smoke, unittest.TestCase):
    def test_floor__one_message(self):
        took = self.run_against('floor', ['{port}', self.data.message(2048)], 1)
        self.assertEqual(took['body_bytes'], 2048 + len('.\r\n'))

    def test_limit__each_mode_counts_its_waits(self):
        # Turns of the peer: greeting, EHLO and QUIT, and those of the messages.
        for mode, turns in (('lock', 4 * N), ('data2', 2 * N), ('data', N + 1), ('bdat', N)):
            with self.subTest(mode):
                took = self.check_many('limit', ['-p', '{port}', '-m', mode, '-n', str(N),
                                                 self.data.message(4096)])
                self.assertEqual(took['turns'], 3 + turns)

    def test_limit__window_sends_all(self):
        # Commands: EHLO and QUIT, and those of the messages.
        for mode, commands in (('bdat', 3), ('reset', 4)):
            with self.subTest(mode):
                took = self.run_against('limit', ['-p', '{port}', '-m', mode, '-n', '1000', '-w',
                                                  '64', self.data.message(4096)], 1000)
                self.assertEqual((took['body_bytes'], took['commands']),
                                 (1000 * 4096, 2 + 1000 * commands))

    def test_limit__tls_and_many_connections(self):
        took = self.run_against('limit', ['-p', '{port}', '-m', 'data', '-n', '50', '-c', '7',
                                          '-T', self.data.message(4096)], 50, '-t')
        self.assertEqual((took['sessions'], took['handshakes']), (7, 7))

    def test_pool__windows_connections_and_tls(self):
        for n, sessions, options in ((N, 1, ('connections', '1', 'chunking', 'no')),
                                     (1000, 1, ('connections', '1', 'window', '64'))):
            with self.subTest(options):
                took = self.run_against('pool', ['smtp://127.0.0.1:{port}', str(n),
                                                 self.data.message(4096), *options], n)
                self.assertEqual((took['messages'], took['sessions']), (n, sessions))
        took = self.run_against('pool', ['smtps://127.0.0.1:{port}', '200', self.data.message(4096),
                                         'ca', self.data.cert], 200, '-t')
        self.assertEqual(took['messages'], 200)

    def test_pool__holds_connections_open(self):
        took = self.run_against('pool', ['smtp://127.0.0.1:{port}', '0', self.data.message(4096),
                                         'connections', '7', 'hold', '7'], 7)
        self.assertEqual((took['sessions'], took['most_open']), (7, 7))

    def test_bulk__each_row_once_with_and_without_a_journal(self):
        commands = Commands(tools.Tools(BUILD), self.data)
        for has_journal in (True, False):
            with self.subTest(has_journal), harness.NullPeer(BUILD, self.data) as peer:
                took = harness.measure(BUILD, commands.bulk(has_journal)(Job(peer.port, 300)), peer,
                                       300, limit_s=60)
                self.assertNotIn('error', took)
                self.assertGreater(took['body_bytes'], 300 * 2048)
        self.assertEqual(os.path.getsize(self.data.folder + '/bulk.journal') % 16, 0)

    def test_limit_attachment__encodes_all(self):
        lines = -(-ATTACHMENT // 57)
        encoded = -(-ATTACHMENT // 3) * 4 + 2 * lines
        header = len('Subject: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n')
        for mode, more in (('data', len('.\r\n')), ('bdat', 0)):
            with self.subTest(mode):
                took = self.run_against('limit_attachment', ['-p', '{port}', '-m', mode,
                                                             self.file], 1)
                self.assertEqual(took['body_bytes'], encoded + header + more)

    def test_session__raw_and_composed(self):
        for kind, path in (('raw', self.data.message(4096)), ('compose', self.data.body(4096))):
            with self.subTest(kind):
                took = self.check_many('session', ['smtp://127.0.0.1:{port}?tls=none', str(N), kind,
                                                   path])
                if kind == 'raw':
                    self.assertEqual(took['body_bytes'], N * 4096)

    def test_session__tls(self):
        self.check_many('session', ['smtps://127.0.0.1:{port}', str(N), 'raw',
                                    self.data.message(4096), self.data.cert], '-t')

    def test_session__without_extensions(self):
        took = self.check_many('session', ['smtp://127.0.0.1:{port}?tls=none', str(N), 'raw',
                                           self.data.message(4096)], '-x', 'PC8UZN')
        self.assertEqual(took['turns'], 3 + 4 * N)

    def test_engine_peer__counts_as_the_bare_one(self):
        for mode, turns in (('lock', 4 * N), ('data2', 2 * N), ('data', N + 1), ('bdat', N)):
            with self.subTest(mode):
                took = self.run_against('limit', ['-p', '{port}', '-m', mode, '-n', str(N),
                                                  self.data.message(4096)], N,
                                        peer_name='nullpeer_engine')
                self.assertEqual((took['turns'], took['body_bytes']), (3 + turns, N * 4096))

    def test_engine_peer__many_in_flight_and_tls(self):
        took = self.run_against('limit', ['-p', '{port}', '-m', 'bdat', '-n', '1000', '-w', '64',
                                          '-c', '7', '-T', self.data.message(4096)], 1000, '-t',
                                peer_name='nullpeer_engine')
        self.assertEqual((took['sessions'], took['body_bytes']), (7, 1000 * 4096))

    def test_null_peer__greets_when_all_are_open(self):
        took = self.run_against('limit', ['-p', '{port}', '-n', '50', '-c', '7',
                                          self.data.message(4096)], 50, '-o', '7')
        self.assertEqual((took['sessions'], took['most_open']), (7, 7))

    def test_compose_encode_dkim__do_as_many_as_they_say(self):
        for name, *arguments in (('compose', 'small', '5', self.data.body(4096)),
                                 ('compose', 'attachment', '5'),
                                 ('encode', 'loop', '1', '5'), ('encode', 'evp', '1', '5'),
                                 ('dkim', 'floor', 'rsa', 'base64', '1024', '5'),
                                 ('dkim', 'relaxed', 'rsa', 'words', '1024', '5'),
                                 ('dkim', 'simple', 'ed25519', 'base64', '100000', '5')):
            with self.subTest([name, *arguments]):
                said = self.check_alone([harness.program(BUILD, name), *arguments], 5)
                if name == 'compose':
                    self.assertGreater(int(re.search(r'(\d+) octets', said).group(1)), 4096)

    def test_null_peer__late_replies_come_all(self):
        took = self.check_many('limit', ['-p', '{port}', '-m', 'lock', '-n', str(N),
                                         self.data.message(4096)], '-d', '1')
        self.assertEqual(took['turns'], 3 + 4 * N)

    def test_null_peer__split_at_each_octet_same_counts(self):
        say = (b'EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n..\r\n.x\r\n\r\n.\n\r\n.\r\n'
               b'MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 5\r\n.\r\n\r\nBDAT 3 LAST\r\nabc'
               b'MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\nWHAT\r\nQUIT\r\n')
        for cut in range(len(say)):
            with harness.NullPeer(BUILD, self.data) as peer:
                with socket.create_connection(('127.0.0.1', peer.port)) as s:
                    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    answers = s.recv(1000)
                    s.sendall(say[:cut])
                    if b'\n' in say[:cut]:
                        answers += s.recv(1)    # the peer has read something of the first part
                    s.sendall(say[cut:])
                    while more := s.recv(1000):
                        answers += more
                seen = peer.read()
            self.assertEqual((seen['messages'], seen['chunks'], seen['refused']), (3, 2, 1), cut)
            self.assertTrue(answers.endswith(b'502 5.5.2 Not here\r\n221 2.0.0 Bye\r\n'), cut)


class Libcurl(Smoke, unittest.TestCase):
    def test_libcurl__plain_tls_and_composed(self):
        message = self.data.message(4096)
        self.check_many('peer_libcurl', ['smtp://127.0.0.1:{port}/bench.test', str(N), message])
        self.check_many('peer_libcurl', ['smtps://127.0.0.1:{port}/bench.test', str(N), message,
                                         self.data.cert], '-t')
        self.run_against('peer_libcurl', ['smtp://127.0.0.1:{port}/bench.test', '1', '--attach',
                                          self.file], 1)
        self.check_many('peer_libcurl', ['smtp://127.0.0.1:{port}/bench.test', str(N), '--text',
                                         self.data.body(4096)])


    def test_libcurl_multi__connections_and_tls(self):
        for scheme, more in (('smtp', ()), ('smtps', ('-t',))):
            with self.subTest(scheme):
                ca = [self.data.cert] if more else []
                took = self.check_seven('peer_libcurl_multi', [
                    scheme + '://127.0.0.1:{port}/bench.test', str(N * 7), '7',
                    self.data.message(4096), *ca], *more)
                self.assertEqual(took['most_open'], 7)
                self.assertEqual(took['body_bytes'], N * 7 * (4096 + len('.\r\n')))


class Libesmtp(Smoke, unittest.TestCase):
    def test_libesmtp__plain_and_starttls(self):
        message = self.data.message(4096)
        self.check_many('peer_libesmtp', ['127.0.0.1:{port}', str(N), '1', message], '-q')
        # It checks the certificate's names against the host that it was given.
        self.check_many('peer_libesmtp', ['localhost:{port}', str(N), '1', message, self.data.cert],
                        '-q', '-S')

    def test_libesmtp__a_thread_for_each_connection(self):
        took = self.check_seven('peer_libesmtp', [
            '127.0.0.1:{port}', str(N * 7), '7', self.data.message(4096)], '-q')
        self.assertEqual(took['body_bytes'], N * 7 * 4096)


class Postfix(Smoke, unittest.TestCase):
    def test_smtp_source__sends_all_over_seven(self):
        source = [tools.Tools(BUILD).postfix('smtp-source')]
        self.run_against(source, ['-d', '-s', '7', '-m', str(N * 7), '-l', '4000', '-f', 'a@b.test',
                                  '-t', 'c@d.test', 'inet:127.0.0.1:{port}'], N * 7)

    def test_smtp_sink__takes_what_a_session_sends(self):
        with harness.SmtpSink(tools.Tools(BUILD).postfix('smtp-sink')) as peer:
            took = harness.measure(BUILD, [
                harness.program(BUILD, 'session'), 'smtp://127.0.0.1:%d?tls=none' % peer.port,
                str(N), 'raw', self.data.message(4096)], peer, N, limit_s=60)
        self.assertNotIn('error', took)


class Scripts(Smoke, unittest.TestCase):
    """Clients in other languages: PORT COUNT CONNECTIONS KIND FILE [CA]."""

    def check_script(self, program, kinds, *tls):
        paths = {'raw': self.data.message(4096), 'compose': self.data.body(4096)}
        for kind in kinds:
            with self.subTest(kind):
                self.check_many(program, ['{port}', str(N), '1', kind, paths[kind]], '-q')
        first = [kinds[0], paths[kinds[0]]]
        self.check_many(program, ['{port}', str(N), '1', *first, self.data.cert], '-q', *tls)
        self.check_seven(program, ['{port}', str(N * 7), '7', *first], '-q')
        took = self.run_against(program, ['{port}', '1', '1', 'attach', self.file], 1)
        self.assertGreater(took['body_bytes'], ATTACHMENT * 4 // 3)

    def test_python_smtplib(self):
        self.check_script([tools.PYTHON, harness.HERE + '/peers/python_smtplib.py'],
                          ('raw', 'compose'), '-t')

    def test_composers__give_whole_messages(self):
        for command in ([tools.PYTHON, harness.HERE + '/peers/compose.py'],
                        tools.Tools(BUILD).nodemailer('compose.js')):
            with self.subTest(command):
                said = self.check_alone([*command, str(N), self.data.body(4096)], N)
                self.assertGreater(list(harness.json_lines(said))[-1]['octets'], N * 4096)

    def test_phpmailer(self):
        self.check_script(tools.Tools(BUILD).phpmailer(), ('compose',), '-S')

    def test_nodemailer(self):
        self.check_script(tools.Tools(BUILD).nodemailer(), ('raw', 'compose'), '-t')


class Report(unittest.TestCase):
    """Tables, aims and plots say what the figures say; the figures here are made up."""

    @staticmethod
    def load(**figures):
        """One load with a rate, by name and kind: ours, limit, peer."""
        return {'key': 'session', 'title': 'A & B', 'about': '', 'ratio_of': 'rate', 'x_title': '',
                'y_title': 'rate', 'metrics': [{'key': 'rate', 'title': 'messages/s', 'digits': 0,
                                                'more_is_better': True, 'x': None}],
                'rows': [{'name': name, 'kind': kind, 'note': '', 'median': {'rate': rate}}
                         for name, (kind, rate) in figures.items()]}

    def test_report__ratio_and_where_a_peer_is_better(self):
        load = self.load(mine=('ours', 200), slow=('peer', 50), quick=('peer', 400))
        lines = report.table(load)
        self.assertIn('| slow | 50 | 4.00 |', lines)
        self.assertIn('| quick | 400 | 0.50 |', lines)
        self.assertEqual(list(report.where_peers_win({'loads': [load]})),
                         ['- A & B, messages/s: quick has 400, we have 200.'])

    def test_aims__reached_and_not(self):
        for rate, word in ((400, 'yes'), (399, '**no**')):
            load = self.load(mine=('ours', rate), libcurl=('peer', 10))
            rows = [line for line in aims.table({'loads': [load]}) if '| libcurl |' in line]
            self.assertEqual(len(rows), 1)
            self.assertTrue(rows[0].endswith('| %s |' % word), rows)

    def test_plot__bars_grow_with_the_ratio(self):
        svg = plot.draw(self.load(mine=('ours', 100), half=('peer', 50), tenth=('peer', 10)))
        root = xml.etree.ElementTree.fromstring(svg)
        bars = [float(e.get('width')) for e in root.iter('{http://www.w3.org/2000/svg}rect')
                if e.get('width') != '100%']
        self.assertEqual(len(bars), 3)
        # both axes are logarithmic, and a bar has its rounding
        self.assertAlmostEqual(bars[2] / bars[1], math.log(10) / math.log(2), places=2)

    def test_plot__curve_without_a_figure_is_shorter(self):
        load = self.load(mine=('ours', 0), other=('peer', 0))
        load.update(x_title='x', metrics=[
            {'key': str(x), 'title': '', 'digits': 0, 'more_is_better': False, 'x': x}
            for x in (1, 10, 100)], ratio_of='1')
        load['rows'][0]['median'] = {'1': 5, '10': 6, '100': 7}
        load['rows'][1]['median'] = {'1': 5, '10': 6, '100': None}
        root = xml.etree.ElementTree.fromstring(plot.draw(load))
        dots = list(root.iter('{http://www.w3.org/2000/svg}circle'))
        self.assertEqual(len(dots), 5)


def why_skipped(whose):
    """None, or what is not here."""
    try:
        if whose in ('Libcurl', 'Libesmtp'):
            harness.program(BUILD, 'peer_' + whose.lower())
        if whose == 'Scripts':
            tools.Tools(BUILD).phpmailer(), tools.Tools(BUILD).nodemailer()
        if whose == 'Postfix':
            tools.Tools(BUILD).postfix('smtp-source')
    except harness.Missing as why:
        return str(why)
    return None


if __name__ == '__main__':
    reason = why_skipped(sys.argv[1])
    if reason:
        print('skipped: ' + reason)
        sys.exit(77)
    unittest.main()
