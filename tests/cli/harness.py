# SPDX-License-Identifier: MIT
"""tests/cli/harness.py - what the tests of the command share

The command is the one named by $LETTERWING.  A Sink is `letterwing sink` as a process of its
own, on a port that the kernel chooses; what it captured is read from its --save folder.
main() runs unittest and prints TAP, so that every case is counted.
"""
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

LETTERWING = os.environ.get('LETTERWING', 'build/letterwing')
PATIENCE = 120  # seconds until a test counts as hanging; never asserted on


class Ran:
    """What a run of the command left: code, out, err."""

    def __init__(self, done):
        self.code = done.returncode
        self.raw = done.stdout
        self.out = done.stdout.decode('utf-8', 'replace')
        self.err = done.stderr.decode('utf-8', 'replace')

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f'exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}'


def run(*args, stdin=b'', env=None, stdout=subprocess.PIPE, **more):
    """Runs letterwing; bytes among args are passed as they are."""
    environ = {k: v for k, v in os.environ.items() if k != 'LETTERWING_URL'}
    environ.update(env or {})
    if isinstance(stdin, str):
        stdin = stdin.encode()
    done = subprocess.run([LETTERWING, *args], input=stdin, stdout=stdout,
                          stderr=subprocess.PIPE, env=environ, timeout=PATIENCE, **more)
    if done.stdout is None:
        done.stdout = b''
    return Ran(done)


class Sink:
    """A capture server: with Sink('--tls') as sink: ... sink.port, sink.messages()"""

    def __init__(self, *args, lmtp_path=None, save=True):
        self.folder = tempfile.mkdtemp(prefix='lw-cli-')
        self.mail = os.path.join(self.folder, 'mail')
        os.mkdir(self.mail)
        self.ca = os.path.join(self.folder, 'ca.pem')
        where = f'unix:{lmtp_path}' if lmtp_path else '127.0.0.1:0'
        command = [LETTERWING, 'sink', '--json', '--listen', where, *args]
        if save:
            command += ['--save', self.mail]
        if '--tls' in args or '--smtps' in args:
            command += ['--cert-out', self.ca]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(self.process.stderr.read().decode())
        first = json.loads(line)
        self.port = first['port']
        self.url = f'smtp://127.0.0.1:{self.port}'

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()
        shutil.rmtree(self.folder)

    def stop(self):
        """Ends it; what it printed besides the first line, its standard error, its exit code."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            self.out, self.err = self.process.communicate(timeout=PATIENCE)
        return self.out, self.err, self.process.returncode

    def lines(self):
        """Envelopes as printed; ends the sink."""
        out, _, _ = self.stop()
        return [json.loads(line) for line in out.splitlines()]

    def messages(self):
        """(envelope, octets) of everything saved, in order."""
        found = []
        for name in sorted(os.listdir(self.mail)):
            if name.endswith('.eml'):
                path = os.path.join(self.mail, name)
                with open(path, 'rb') as eml, open(path[:-4] + '.json', encoding='utf-8') as env:
                    found.append((json.load(env), eml.read()))
        return found

    def one(self):
        """The only message."""
        messages = self.messages()
        assert len(messages) == 1, f'{len(messages)} messages'
        return messages[0]


class Peer:
    """A server made of one function that gets each accepted socket; a thread a connection."""

    def __init__(self, serve, tls=None):
        self.serve = serve
        self.tls = tls
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.seen = []  # what serve() wants to tell the test
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.handle, args=(connection,), daemon=True).start()

    def handle(self, connection):
        with contextlib.suppress(OSError, ssl.SSLError, ValueError):
            with connection:
                if self.tls:
                    connection = self.tls.wrap_socket(connection, server_side=True)
                self.serve(self, connection)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def script(*steps):
    """A Peer's function: each step is (reply, expected start of the next line); the text before
    the first line is the greeting.  Lines that come are kept in peer.seen."""
    def serve(peer, connection):
        lines = connection.makefile('rb')
        for reply in steps:
            if reply is not None:
                connection.sendall(reply)
            line = lines.readline()
            if not line:
                return
            peer.seen.append(line)
    return serve


class Case(unittest.TestCase):
    maxDiff = None

    def folder(self):
        path = tempfile.mkdtemp(prefix='lw-cli-')
        self.addCleanup(shutil.rmtree, path)
        return path

    def file(self, name, content):
        path = os.path.join(self.folder(), name)
        with open(path, 'wb') as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return path

    def assert_fails(self, ran, code, *words):
        """The exit code, and one sentence on standard error that holds the words."""
        self.assertEqual(ran.code, code, ran)
        lines = [line for line in ran.err.splitlines() if not line.startswith('letterwing: note:')]
        self.assertEqual(len(lines), 1, ran)
        self.assertTrue(lines[0].startswith('letterwing: '), ran)
        for word in words:
            self.assertIn(word.lower(), lines[0].lower(), ran)

    def assert_says(self, ran, code, sentence):
        """The exit code, this sentence on standard error as it is, and nothing else."""
        self.assertEqual((ran.code, ran.err, ran.out), (code, f'letterwing: {sentence}\n', ''))


class Tap(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.n = 0

    def say(self, word, test, more=''):
        self.n += 1
        print(f'{word} {self.n} - {test.id().split(".", 1)[-1]}{more}', flush=True)

    def addSuccess(self, test):
        self.say('ok', test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say('ok', test, f' # SKIP {reason}')

    def fail(self, test, err):
        self.say('not ok', test)
        print(self._exc_info_to_string(err, test), file=sys.stderr, flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.fail(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self.fail(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.fail(subtest, err)


def main():
    names = sys.argv[1:] or None
    module = sys.modules['__main__']
    loader = unittest.defaultTestLoader
    suite = (loader.loadTestsFromNames(names, module) if names
             else loader.loadTestsFromModule(module))
    result = Tap()
    suite.run(result)
    print(f'1..{result.n}')
    sys.exit(0 if result.wasSuccessful() and result.n else 1)


# ---- certificates -----------------------------------------------------------------------------

def openssl(*args, cwd):
    subprocess.run(['openssl', *args], cwd=cwd, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=PATIENCE)


class Authority:
    """A certificate authority in a folder, made with openssl."""

    def __init__(self, folder):
        self.folder = folder
        self.ca = os.path.join(folder, 'ca.pem')
        openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
                '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '30', '-subj',
                '/CN=Test authority', cwd=folder)
        with open(os.path.join(folder, 'ca.conf'), 'w', encoding='ascii') as f:
            f.write('[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\n'
                    'new_certs_dir=.\ncertificate=ca.pem\nprivate_key=ca.key\n'
                    'default_md=sha256\npolicy=p\nunique_subject=no\ncopy_extensions=copy\n'
                    '[p]\ncommonName=supplied\n')
        open(os.path.join(folder, 'index.txt'), 'w', encoding='ascii').close()
        with open(os.path.join(folder, 'serial'), 'w', encoding='ascii') as f:
            f.write('01\n')

    def issue(self, name, alt, start='20200101000000Z', end='21200101000000Z'):
        """(certificate, key) for the subjectAltName alt, such as 'IP:127.0.0.1'."""
        openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
                '-keyout', f'{name}.key', '-out', f'{name}.csr', '-subj', f'/CN={name}',
                '-addext', f'subjectAltName={alt}', cwd=self.folder)
        openssl('ca', '-batch', '-config', 'ca.conf', '-in', f'{name}.csr', '-out',
                f'{name}.pem', '-startdate', start, '-enddate', end, '-notext', cwd=self.folder)
        return os.path.join(self.folder, f'{name}.pem'), os.path.join(self.folder, f'{name}.key')
