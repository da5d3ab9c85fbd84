# SPDX-License-Identifier: MIT
"""tests/cli/test_sink.py - letterwing sink as a command"""
import os
import resource
import signal
import smtplib
import socket
import subprocess
import unittest

import harness
from harness import Case, LETTERWING, Sink, run

MESSAGE = b'From: a@example.com\r\nTo: b@example.com\r\n\r\nbody\r\n'


def deliver(sink, octets=MESSAGE, to='b@example.com'):
    with smtplib.SMTP('127.0.0.1', sink.port) as client:
        client.sendmail('a@example.com', [to], octets)


class Output(Case):
    def test_lines(self):
        process = subprocess.Popen([LETTERWING, 'sink', '--count', '2', '--print'],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        first = process.stdout.readline().decode()
        self.assertRegex(first, r'^listening on smtp://127\.0\.0\.1:\d+\n$')
        port = int(first.rsplit(':', 1)[1])
        for to in ('b@example.com', 'c@example.com'):
            with smtplib.SMTP('127.0.0.1', port) as client:
                client.sendmail('a@example.com', [to], MESSAGE)
        out, err = process.communicate(timeout=harness.PATIENCE)
        self.assertEqual(process.returncode, 0, err)
        self.assertIn(f'1: <a@example.com> -> <b@example.com>, {len(MESSAGE)} octets', out.decode())
        self.assertIn('2: <a@example.com> -> <c@example.com>', out.decode())
        self.assertIn('\nbody\n', out.decode())

    def test_json(self):
        with Sink(save=False) as sink:
            deliver(sink)
            lines = sink.lines()
        self.assertEqual(len(lines), 1)
        found = lines[0]
        self.assertEqual(found['number'], 1)
        self.assertEqual(found['from'], 'a@example.com')
        self.assertEqual(found['recipients'], [
            {'address': 'b@example.com', 'notify': [], 'orcpt': None}])
        self.assertEqual(found['bytes'], len(MESSAGE))
        self.assertIsNone(found['path'])
        self.assertIsNone(found['tls'])

    def test_verbose(self):
        with Sink('-v', '--reject', 'bad@example.org') as sink:
            with smtplib.SMTP('127.0.0.1', sink.port) as client:
                client.ehlo()
                client.mail('a@example.com')
                self.assertEqual(client.rcpt('bad@example.org')[0], 550)
            _, err, _ = sink.stop()
        self.assertIn(b'connected', err)
        self.assertIn(b'<bad@example.org>', err)

    def test_signals_end_it(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                sink = Sink()
                client = smtplib.SMTP('127.0.0.1', sink.port)
                sink.process.send_signal(number)
                out, err = sink.process.communicate(timeout=harness.PATIENCE)
                self.assertEqual((sink.process.returncode, err), (0, b''))
                client.close()

    def test_full_standard_output(self):
        with open('/dev/full', 'wb') as full:
            ran = run('sink', stdout=full)
        self.assert_fails(ran, 74, 'standard output')


class Saving(Case):
    def test_octets_as_sent(self):
        octets = (b'A: b\r\n\r\n.\r\n..x\r\n' + bytes(range(1, 10)) + b'\x80\xff\r\n'
                  + b'long' * 5000 + b'\r\n')
        with Sink() as sink:
            deliver(sink, octets)
            envelope, arrived = sink.one()
            self.assertEqual(arrived, octets)
            self.assertEqual(os.path.basename(envelope['path'] or '00001.eml'), '00001.eml')
            self.assertEqual(sorted(os.listdir(sink.mail)), ['00001.eml', '00001.json'])

    def test_nothing_is_overwritten(self):
        folder = self.folder()
        with open(os.path.join(folder, '00007.eml'), 'wb') as f:
            f.write(b'mine')
        with Sink('--save', folder, save=False) as sink:
            deliver(sink)
        self.assertEqual(sorted(os.listdir(folder)), ['00007.eml', '00008.eml', '00008.json'])
        with open(os.path.join(folder, '00007.eml'), 'rb') as f:
            self.assertEqual(f.read(), b'mine')

    def test_full_disk(self):
        """RLIMIT_FSIZE stands for the full disk; nothing is acknowledged that is not stored."""
        folder = self.folder()

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))
        process = subprocess.Popen(
            [LETTERWING, 'sink', '--json', '--save', folder], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, preexec_fn=limit)
        port = harness.json.loads(process.stdout.readline())['port']
        big = self.file('big.eml', MESSAGE + b'x' * 70 + b'\r\n' + (b'y' * 70 + b'\r\n') * 1000)
        args = ['send', '--via', f'smtp://127.0.0.1:{port}', '--envelope-from', 'a@example.com']
        ran = run(*args, '--message', big)
        self.assert_fails(ran, 75, '452')
        self.assertEqual(os.listdir(folder), [])
        small = self.file('small.eml', MESSAGE)
        self.assertEqual(run(*args, '--message', small).code, 0)  # it goes on
        self.assertEqual(sorted(os.listdir(folder)), ['00001.eml', '00001.json'])
        process.terminate()
        out, err = process.communicate(timeout=harness.PATIENCE)
        self.assertEqual(process.returncode, 0)
        self.assertIn(b'refused', err)
        self.assertEqual(len(out.splitlines()), 1)

    def test_folder_is_made(self):
        path = os.path.join(self.folder(), 'new')
        with Sink('--save', path, save=False) as sink:
            self.assertEqual(run('send', '--via', sink.url, '-f', 'a@example.com', '-t',
                                 'b@example.com', '--text', 'x').code, 0)
        self.assertTrue(os.path.exists(os.path.join(path, '00001.eml')))

    def test_folder_that_cannot_be_used(self):
        path = self.file('file', b'')
        self.assert_fails(run('sink', '--save', path), 73, path)
        self.assert_fails(run('sink', '--save', path + '/x'), 73)


class Options(Case):
    def test_port_in_use(self):
        with Sink() as sink:
            ran = run('sink', '--listen', f'127.0.0.1:{sink.port}')
            self.assert_fails(ran, 69, str(sink.port))

    def test_port_option(self):
        with socket.create_server(('127.0.0.1', 0)) as free:
            port = free.getsockname()[1]
            ran = run('sink', '--port', str(port))
        self.assert_fails(ran, 69, str(port))

    def test_exclusive_options(self):
        for args in (['--tls', '--smtps'], ['--require-tls'], ['--require-auth'],
                     ['--key', 'x'], ['--port', '1', '--listen', '127.0.0.1:1']):
            with self.subTest(args):
                ran = run('sink', *args)
                self.assertIn(ran.code, (64, 78), ran)
                self.assert_fails(ran, ran.code)

    def test_without(self):
        with Sink('--without', 'chunking,PIPELINING') as sink:
            with smtplib.SMTP('127.0.0.1', sink.port) as client:
                client.ehlo()
                self.assertFalse(client.has_extn('CHUNKING'))
                self.assertFalse(client.has_extn('PIPELINING'))
                self.assertTrue(client.has_extn('SIZE'))

    def test_size(self):
        with Sink('--size', '2000') as sink:
            with smtplib.SMTP('127.0.0.1', sink.port) as client:
                client.ehlo()
                self.assertEqual(client.esmtp_features['size'], '2000')
                with self.assertRaises(smtplib.SMTPException):
                    client.sendmail('a@b.example', ['c@d.example'], b'x' * 3000)
            self.assertEqual(sink.messages(), [])

    def test_too_many_connections(self):
        with Sink('--connections', '1') as sink:
            with smtplib.SMTP('127.0.0.1', sink.port):
                with self.assertRaises(smtplib.SMTPConnectError) as caught:
                    smtplib.SMTP('127.0.0.1', sink.port)
                self.assertEqual(caught.exception.smtp_code, 421)

    def test_required_tls_and_login(self):
        with Sink('--tls', '--require-tls', '--auth', 'ann:secret', '--require-auth') as sink:
            with smtplib.SMTP('127.0.0.1', sink.port) as client:
                client.ehlo()
                self.assertEqual(client.mail('a@b.example')[0], 530)
                context = harness.ssl.create_default_context(cafile=sink.ca)
                context.check_hostname = False
                client.starttls(context=context)
                client.ehlo()
                self.assertEqual(client.mail('a@b.example')[0], 530)
                client.login('ann', 'secret')
                self.assertEqual(client.mail('a@b.example')[0], 250)

    def test_ipv6(self):
        process = subprocess.Popen([LETTERWING, 'sink', '--listen', '[::1]:0', '--once'],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        first = process.stdout.readline().decode()
        if not first:
            err = process.communicate()[1].decode()
            if 'assign' in err or 'family' in err:
                self.skipTest('no IPv6 loopback here')
            self.fail(err)
        url = first.split()[-1]
        self.assertTrue(url.startswith('smtp://[::1]:'), first)
        ran = run('send', '--via', url, '-f', 'a@b.example', '-t', 'c@d.example', '--text', 'x')
        self.assertEqual(ran.code, 0, ran)
        process.communicate(timeout=harness.PATIENCE)
        self.assertEqual(process.returncode, 0)


if __name__ == '__main__':
    harness.main()
