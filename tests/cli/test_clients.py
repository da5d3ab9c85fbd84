# SPDX-License-Identifier: MIT
"""tests/cli/test_clients.py - other people's clients against the sink: what arrives is what was sent"""
import os
import shutil
import smtplib
import ssl
import subprocess
import unittest

import harness
from harness import Case, Sink

MESSAGE = (b'From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: every client\r\n'
           b'Message-ID: <1@example.com>\r\nDate: Tue, 24 Nov 2026 00:00:00 +0000\r\n\r\n'
           b'.\r\n..\r\n.leading\r\n\r\n' + b'x' * 900 + b'\r\nend\r\n')


def need(program):
    for path in (None, '/usr/sbin'):
        found = shutil.which(program, path=path)
        if found:
            return found
    raise unittest.SkipTest(f'{program} is missing (tools/install-deps)')


def call(*args, stdin=b'', **more):
    done = subprocess.run(args, input=stdin, capture_output=True, timeout=harness.PATIENCE, **more)
    assert done.returncode == 0, done
    return done


def fetched(tool):
    """smtp-source comes with Postfix, which is unpacked beside the build, not installed."""
    fetch = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../tools/fetch-servers')
    done = subprocess.run([fetch, '--path', tool], capture_output=True, text=True)
    if done.returncode != 0:
        raise unittest.SkipTest(f'{tool} is missing (tools/fetch-servers): {done.stderr.strip()}')
    return done.stdout.strip()


class Clients(Case):
    WAYS = (  # name, options of the sink
        ('plain', ()),
        ('starttls and login', ('--tls', '--auth', 'ann:secret', '--require-tls',
                                '--require-auth')),
        ('tls and login', ('--smtps', '--auth', 'ann:secret', '--require-auth')),
        ('no pipelining', ('--without', 'PIPELINING,CHUNKING')),
    )

    def each(self, deliver):
        for name, args in self.WAYS:
            with self.subTest(name), Sink(*args) as sink:
                deliver(sink, args)
                envelope, octets = sink.one()
                self.assertEqual(octets, MESSAGE)
                self.assertEqual(envelope['from'], 'ann@example.com')
                self.assertEqual([r['address'] for r in envelope['recipients']],
                                 ['bob@example.org'])
                self.assertEqual(envelope['auth'] is not None, '--auth' in args)
                self.assertEqual(envelope['tls'] is not None,
                                 '--tls' in args or '--smtps' in args)

    def test_smtplib(self):
        def deliver(sink, args):
            context = ssl.create_default_context(
                cafile=sink.ca if os.path.exists(sink.ca) else None)
            if '--smtps' in args:
                client = smtplib.SMTP_SSL('127.0.0.1', sink.port, context=context)
            else:
                client = smtplib.SMTP('127.0.0.1', sink.port)
            with client:
                if '--tls' in args:
                    client.starttls(context=context)
                if '--auth' in args:
                    client.login('ann', 'secret')
                client.sendmail('ann@example.com', ['bob@example.org'], MESSAGE)
        self.each(deliver)

    def test_curl(self):
        curl = need('curl')

        def deliver(sink, args):
            scheme = 'smtps' if '--smtps' in args else 'smtp'
            more = ['--ssl-reqd'] if '--tls' in args else []
            if '--auth' in args:
                more += ['--user', 'ann:secret', '--cacert', sink.ca]
            call(curl, '-sS', '--url', f'{scheme}://127.0.0.1:{sink.port}', '--mail-from',
                 'ann@example.com', '--mail-rcpt', 'bob@example.org', '--upload-file', '-', *more,
                 stdin=MESSAGE)
        self.each(deliver)

    def test_msmtp(self):
        msmtp = need('msmtp')

        def deliver(sink, args):
            more = ['--tls=off']
            if '--auth' in args:
                more = ['--tls=on', f'--tls-trust-file={sink.ca}', '--auth=on', '--user=ann',
                        '--passwordeval=echo secret',
                        '--tls-starttls=' + ('off' if '--smtps' in args else 'on')]
            # msmtp wants local line ends
            call(msmtp, '--host=127.0.0.1', f'--port={sink.port}', '--from=ann@example.com',
                 '--file=/dev/null', *more, 'bob@example.org',
                 stdin=MESSAGE.replace(b'\r\n', b'\n'))
        self.each(deliver)

    def test_swaks(self):
        swaks = need('swaks')
        path = self.file('m.eml', MESSAGE[:-2])  # swaks adds a line end

        def deliver(sink, args):
            more = []
            if '--auth' in args:
                more = ['--auth-user', 'ann', '--auth-password', 'secret', '--tls-ca-path', sink.ca,
                        '--tls-on-connect' if '--smtps' in args else '--tls']
            call(swaks, '--server', '127.0.0.1', '--port', str(sink.port), '--from',
                 'ann@example.com', '--to', 'bob@example.org', '--data', '@' + path, *more)
        self.each(deliver)

    def test_swaks_mechanisms(self):
        swaks = need('swaks')
        for mechanism in ('PLAIN', 'LOGIN', 'CRAM-MD5'):
            with self.subTest(mechanism), Sink('--auth', 'ann:secret') as sink:
                call(swaks, '--server', '127.0.0.1', '--port', str(sink.port), '--from',
                     'ann@example.com', '--to', 'bob@example.org', '--auth', mechanism,
                     '--auth-user', 'ann', '--auth-password', 'secret')
                self.assertEqual(sink.one()[0]['auth'], {'mechanism': mechanism, 'user': 'ann'})

    def test_swaks_lmtp(self):
        swaks = need('swaks')
        path = os.path.join(self.folder(), 'lmtp')
        with Sink('--lmtp', lmtp_path=path) as sink:
            call(swaks, '--socket', path, '--protocol', 'LMTP', '--from', 'ann@example.com',
                 '--to', 'bob@example.org,carl@example.org')
            self.assertEqual(len(sink.one()[0]['recipients']), 2)

    def test_smtp_source(self):
        """A load generator: several sessions at once, several messages in each."""
        source = fetched('smtp-source')
        for name, args in (('plain', ()), ('no pipelining', ('--without', 'PIPELINING,CHUNKING'))):
            with self.subTest(name), Sink(*args) as sink:
                call(source, '-m', '60', '-s', '8', '-d', '-l', '3000', '-r', '3', '-f',
                     'ann@example.com', '-t', 'bob@example.org', f'127.0.0.1:{sink.port}')
                found = sink.messages()
                self.assertEqual(len(found), 60)
                for envelope, octets in found:
                    self.assertEqual(len(envelope['recipients']), 3)
                    self.assertGreaterEqual(len(octets), 3000)

    def test_openssl(self):
        openssl = need('openssl')
        with Sink('--tls') as sink:
            done = call(openssl, 's_client', '-starttls', 'smtp', '-connect',
                        f'127.0.0.1:{sink.port}', '-CAfile', sink.ca, '-verify_return_error',
                        '-verify_ip', '127.0.0.1', '-quiet', '-no_ign_eof', stdin=b'QUIT\r\n')
            self.assertIn(b'250', done.stdout + done.stderr)


if __name__ == '__main__':
    harness.main()
