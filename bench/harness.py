# SPDX-License-Identifier: MIT
"""The null peer, smtp-sink, the data, and one measured run of one program."""
import json
import os
import resource
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
# The order of struct counters in nullpeer.h.
COUNTERS = ('sessions', 'messages', 'body_bytes', 'commands', 'turns', 'chunks', 'handshakes',
            'refused', 'most_open')
MAXIMA = ('most_open',)     # not counted on: the most there ever was
CPUS = sorted(os.sched_getaffinity(0))
CLIENT_CPU, PEER_CPU = CPUS[0], CPUS[-1]

ATTACHMENT_MIB = 50
HEAD = ('From: a@bench.test\r\nTo: b@bench.test\r\nSubject: benchmark message\r\n'
        'Message-ID: <1@bench.test>\r\nDate: Mon, 23 Nov 2026 08:00:00 +0000\r\n\r\n')
LINE = 'The quick brown fox jumps over the lazy dog and counts the time it takes.\r\n'


class Missing(Exception):
    """A program that cannot run here, and why."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def raise_open_files():
    """As many open files as the system allows; gives the connections that leaves room for."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard - 100


def program(build, name):
    path = os.path.join(build, 'bench', name)
    if not os.path.exists(path):
        raise Missing('%s was not built: the library was not there when meson looked' % name)
    return path


def text_of(size):
    return (LINE * (size // len(LINE) + 1))[:size - 2] + '\r\n'


def write(path, data):
    with open(path, 'wb') as f:
        f.write(data if isinstance(data, bytes) else data.encode())
    return path


class Data:
    """The files that are sent, and a certificate; all in one folder."""

    def __init__(self, folder, attachment_mib=()):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.key, self.cert = folder + '/key.pem', folder + '/cert.pem'
        if not os.path.exists(self.cert):
            self.make_certificate()
        for size in (1024, 2048, 4096):
            message = HEAD + text_of(size - len(HEAD))
            write(self.message(size), message)
            write(self.unix_message(size), message.replace('\r\n', '\n'))
            write(self.body(size), text_of(size - len(HEAD)).replace('\r\n', '\n'))
        for mib in (ATTACHMENT_MIB, *attachment_mib):
            self.make_attachment(mib)

    def make_certificate(self):
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                        'ec_paramgen_curve:prime256v1', '-nodes', '-days', '3650', '-subj',
                        '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost',
                        '-keyout', self.key, '-out', self.cert],
                       check=True, stderr=subprocess.DEVNULL)

    def make_attachment(self, mib):
        path = self.attachment(mib)
        if os.path.exists(path) and os.path.getsize(path) == mib << 20:
            return
        with open(path, 'wb') as f:
            for _ in range(mib):
                f.write(os.urandom(1 << 20))

    def message(self, size):
        return '%s/message%d.eml' % (self.folder, size)

    def unix_message(self, size):
        return '%s/message%d.lf' % (self.folder, size)

    def body(self, size):
        return '%s/body%d.txt' % (self.folder, size)

    def attachment(self, mib):
        return '%s/attachment%d.bin' % (self.folder, mib)

    def people(self, n):
        """A list of n recipients in ten domains."""
        path = '%s/people%d.csv' % (self.folder, n)
        if not os.path.exists(path):
            with open(path + '.new', 'w') as f:
                f.write('email,name,city,vip\n')
                f.writelines('user%07d@example%d.test,Name %d,City %d,%s\n'
                             % (i, i % 10, i, i % 100, 'gold' if i % 2 else '') for i in range(n))
            os.rename(path + '.new', path)
        return path

    def letter(self):
        """A template of 2 KiB, with sections and fields."""
        return write(self.folder + '/letter.txt', 'Dear {{name}},\n\n{{#vip}}\nGold for you in '
                     '{{city}}.\n{{/vip}}\n' + text_of(2048).replace('\r\n', '\n'))

    def journal(self):
        """A path where there is none yet."""
        path = self.folder + '/bulk.journal'
        if os.path.exists(path):
            os.unlink(path)
        return path


class NullPeer:
    """bench/nullpeer.c as a process; ends with the block that it is used in."""

    def __init__(self, build, data, *options, cpu=None, name='nullpeer'):
        self.stats = '%s/counters.%d.%d' % (data.folder, os.getpid(), id(self))
        command = [program(build, name), '-s', self.stats, *options]
        if '-t' in options or '-S' in options:
            command += ['-c', data.cert, '-k', data.key]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if cpu is not None:
            os.sched_setaffinity(self.process.pid, {cpu})
        self.port = int(self.process.stdout.readline())

    def read(self):
        with open(self.stats, 'rb') as f:
            return dict(zip(COUNTERS, struct.unpack('=%dQ' % len(COUNTERS), f.read())))

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        os.unlink(self.stats)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Nobody:
    """The peer of a program that speaks to none: what it tells itself is all that is known."""
    port = 0

    def read(self):
        return None

    def close(self):
        pass

    __enter__, __exit__ = NullPeer.__enter__, NullPeer.__exit__


class SmtpSink:
    """Postfix's smtp-sink, the second opinion; it does not count."""

    def __init__(self, path, cpu=None):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            self.port = s.getsockname()[1]
        user = ['-u', 'nobody'] if os.geteuid() == 0 else []
        self.process = subprocess.Popen([path, *user, '127.0.0.1:%d' % self.port, '1000'],
                                        stderr=subprocess.DEVNULL)
        if cpu is not None:
            os.sched_setaffinity(self.process.pid, {cpu})
        self.wait_until_open()

    def wait_until_open(self):
        for _ in range(500):
            with socket.socket() as s:
                if s.connect_ex(('127.0.0.1', self.port)) == 0:
                    return
            time.sleep(0.01)
        raise Missing('smtp-sink did not listen')

    def read(self):
        return None

    def close(self):
        self.process.terminate()
        self.process.wait()

    __enter__, __exit__ = NullPeer.__enter__, NullPeer.__exit__


def json_lines(text):
    for line in text.splitlines():
        if line.startswith('{'):
            try:
                yield json.loads(line)
            except ValueError:
                pass


def measure(build, command, peer, n, cpu=None, stdin='/dev/null', env=None, limit_s=300):
    """Run a command once; what it took, with 'error' when not n messages arrived."""
    pin = ['-c', str(cpu)] if cpu is not None else []
    before = peer.read()
    done = subprocess.run([program(build, 'measure'), '-i', stdin, '-t', str(limit_s), *pin,
                           *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors='replace', env={**os.environ, **(env or {})})
    after = peer.read()
    taken = list(json_lines(done.stderr))[-1:]
    if not taken or 'wall' not in taken[0]:
        return {'error': done.stderr.strip()[-300:] or 'it did not start'}
    took = taken[0]
    own = [line for line in json_lines(done.stdout) if 'seconds' in line][-1:]
    took['seconds'] = own[0]['seconds'] if own else took['wall']
    took['own_cpu'] = own[0].get('cpu', took['cpu']) if own else took['cpu']
    took['messages'] = n
    if before is not None:
        took.update((name, after[name] - (0 if name in MAXIMA else before[name]))
                    for name in COUNTERS)
    if took.pop('status') != 0 or took['messages'] != n:
        said = '\n'.join(done.stderr.strip().split('\n')[:-1])
        took['error'] = '%d of %d messages arrived; %s' % (took['messages'], n, said.strip()[-300:])
    return took


def in_parallel(calls, workers):
    """Run the calls in threads, results in order: for loads that only wait."""
    results, todo = [None] * len(calls), list(enumerate(calls))
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                if not todo:
                    return
                i, call = todo.pop(0)
            results[i] = call()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
