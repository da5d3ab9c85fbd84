# SPDX-License-Identifier: MIT
"""Who is measured: the command line of each program for each load.

A runner is ours, a limit (octets rendered beforehand, or the bare minimum), or a peer.  `command`
gets the job (port, count, TLS) and returns the argument list, or raises harness.Missing.
"""
import dataclasses
import functools
import os
import shutil
import subprocess
import sys
import typing

import harness
from harness import Missing

FROM, TO = 'a@bench.test', 'b@bench.test'
PYTHON = '/usr/bin/python3' if os.path.exists('/usr/bin/python3') else sys.executable


# A client that leaves Nagle's algorithm on and writes a message in two pieces waits 40 ms for a
# delayed acknowledgement.  That hides all else, so that it meets a peer that acknowledges at
# once, and by STARTTLS where there is TLS; its rows say so.
QUICK = '(peer acknowledges at once)'


@dataclasses.dataclass
class Runner:
    name: str
    kind: str                       # 'ours', 'limit', 'peer'
    command: typing.Callable        # job -> argument list
    peer: str = ''                  # 'quick': the null peer acknowledges at once, see QUICK
    count: int = 0                  # messages, 0 = as the load says
    stdin: typing.Callable = None   # job -> file for the standard input
    cpu: str = 'own'                # 'whole': it does not tell; its start is in the figure


@dataclasses.dataclass
class Job:
    port: int
    count: int
    tls: bool = False
    mib: int = 50


class Tools:
    """Where the programs are; looks once, and remembers why one is missing."""

    def __init__(self, build, data):
        self.build, self.data = build, data

    def ours(self, name):
        return harness.program(self.build, name)

    @functools.lru_cache(maxsize=None)
    def found(self, command):
        path = shutil.which(command)
        if path is None:
            raise Missing('there is no command %s (tools/install-deps bench)' % command)
        return path

    @functools.lru_cache(maxsize=None)
    def postfix(self, tool):
        done = subprocess.run([harness.TOP + '/tools/fetch-servers', '--path', tool],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Missing(done.stderr.strip().split('\n')[-1])
        return done.stdout.strip()

    @functools.lru_cache(maxsize=None)
    def node_modules(self):
        """nodemailer by npm, in the cache of this checkout, in the version that is pinned."""
        cache = os.environ.get('LW_CACHE') or harness.TOP + '/.cache'
        folder = os.path.join(cache, 'bench')
        self.found('node')
        os.makedirs(folder, exist_ok=True)
        shutil.copy(harness.HERE + '/peers/package.json', folder)
        done = subprocess.run([self.found('npm'), 'install', '--no-audit', '--no-fund',
                               '--prefer-offline', '--loglevel=error'], cwd=folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise Missing('npm install: ' + ' '.join(done.stdout.split())[-200:])
        return folder + '/node_modules'

    def fetch_all(self):
        """What has to be downloaded, before anything is measured; the rows tell what is missing."""
        for fetch in (self.node_modules, lambda: self.postfix('smtp-source'),
                      lambda: self.postfix('smtp-sink')):
            try:
                fetch()
            except Missing:
                pass

    def letterwing(self):
        path = os.path.join(self.build, 'letterwing')
        if not os.path.exists(path):
            raise Missing('the command was not built (jansson)')
        return path


def url(job, scheme='smtp'):
    return '%s%s://127.0.0.1:%d' % (scheme, 's' if job.tls else '', job.port)


def catalogue(tools):
    """All command lines, by name."""
    data = tools.data

    def ca(job, *option):
        return [*option, data.cert] if job.tls else []

    def letterwing(*what):
        def command(job):
            return [tools.letterwing(), 'send', '--via', url(job), *ca(job, '--ca'), '--ehlo',
                    'bench.test', '-f', FROM, '-t', TO, *[w(job) if callable(w) else w for w in what]]
        return command

    def session(kind, path):
        return lambda job: [tools.ours('session'), url(job), str(job.count), kind, path,
                            *ca(job)]

    def pool(*options):
        return lambda job: [tools.ours('pool'), url(job), str(job.count), data.message(4096),
                            *options, *ca(job, 'ca')]

    def limit(mode, window=1, connections=1):
        return lambda job: [tools.ours('limit'), '-p', str(job.port), '-m', mode, '-n',
                            str(job.count), '-w', str(window), '-c', str(connections), *(['-T'] if job.tls else []),
                            data.message(4096 if job.count > 1 else 2048)]

    def limit_attachment(mode):
        return lambda job: [tools.ours('limit_attachment'), '-p', str(job.port), '-m', mode,
                            *(['-T'] if job.tls else []), data.attachment(job.mib)]

    def curl(*what):
        return lambda job: [tools.found('curl'), '-s', url(job) + '/bench.test', *ca(job, '--cacert'),
                            '--mail-from', FROM, '--mail-rcpt', TO,
                            *[w(job) if callable(w) else w for w in what]]

    def libcurl(*what):
        return lambda job: [tools.ours('peer_libcurl'), url(job) + '/bench.test', str(job.count),
                            *[w(job) if callable(w) else w for w in what], *ca(job)]

    def libesmtp(path):
        return lambda job: [tools.ours('peer_libesmtp'), 'localhost:%d' % job.port, str(job.count),
                            path, *ca(job)]

    def msmtp(job):
        tls = ['--tls=on', '--tls-trust-file=' + data.cert] if job.tls else []
        return [tools.found('msmtp'), '--host=127.0.0.1', '--port=%d' % job.port, *tls,
                '--from=' + FROM, '--domain=bench.test', TO]

    def swaks(*what):
        def command(job):
            tls = ['--tls-on-connect', '--tls-verify', '--tls-ca-path', data.cert] if job.tls else []
            return [tools.found('swaks'), '--server', '127.0.0.1:%d' % job.port, *tls, '--from', FROM,
                    '--to', TO, '--helo', 'bench.test', '--silent', '3',
                    *[w(job) if callable(w) else w for w in what]]
        return command

    def smtplib(kind, path):
        return lambda job: [PYTHON, harness.HERE + '/peers/python_smtplib.py', str(job.port),
                            str(job.count), kind, path(job) if callable(path) else path, *ca(job)]

    def nodemailer(kind, path):
        def command(job):
            os.environ['NODE_PATH'] = tools.node_modules()
            return [tools.found('node'), harness.HERE + '/peers/nodemailer.js', str(job.port),
                    str(job.count), kind, path(job) if callable(path) else path, *ca(job)]
        return command

    def smtp_source(size, connections=1):
        def command(job):
            if job.tls:
                raise Missing('it has no TLS')
            return [tools.postfix('smtp-source'), '-d', '-s', str(connections), '-m', str(job.count), '-l', str(size), '-f',
                    FROM, '-t', TO, 'inet:127.0.0.1:%d' % job.port]
        return command

    def attachment(job):
        return data.attachment(job.mib)

    small, large = data.message(2048), data.message(4096)
    floor = Runner('static floor, lock step', 'limit',
                   lambda job: [tools.ours('floor'), str(job.port), small])
    # smtp-source writes a header of its own, of some 190 octets.
    cold = [
        Runner('letterwing send, composing', 'ours',
               letterwing('-s', 'benchmark message', '--text', '@' + data.body(2048))),
        Runner('letterwing send, ready message', 'ours', letterwing('--message', small)),
        Runner('a program with lw_session_send_raw', 'ours', session('raw', small)),
        Runner('libESMTP', 'peer', libesmtp(small), peer='quick'),
        Runner('smtp-source', 'peer', smtp_source(2048 - 190)),
        Runner('libcurl', 'peer', libcurl(small)),
        Runner('curl', 'peer', curl('-T', small)),
        Runner('msmtp', 'peer', msmtp, peer='quick', stdin=lambda job: data.unix_message(2048)),
        Runner('swaks', 'peer', swaks('--data', '@' + data.unix_message(2048))),
        Runner('Python smtplib', 'peer', smtplib('raw', small)),
        Runner('nodemailer', 'peer', nodemailer('raw', small)),
    ]
    return {
        'cold': [floor, *cold],
        'cold-tls': [Runner('bare OpenSSL, lock step', 'limit', limit('lock')), *cold],
        'session': [
            Runner('limit: lock step', 'limit', limit('lock')),
            Runner('limit: DATA, 2 waits', 'limit', limit('data2')),
            Runner('limit: DATA, 1 wait', 'limit', limit('data')),
            Runner('limit: BDAT, window 1', 'limit', limit('bdat')),
            Runner('limit: BDAT, window 64', 'limit', limit('bdat', 64), count=100000),
            Runner('lw_session_send_raw', 'ours', session('raw', large)),
            Runner('lw_session_send, composing', 'ours', session('compose', data.body(4096))),
            Runner('lw_pool, DATA', 'ours', pool('connections', '1', 'chunking', 'no')),
            Runner('lw_pool, BDAT, window 8', 'ours', pool('connections', '1'), count=100000),
            Runner('lw_pool, BDAT, window 64', 'ours',
                   pool('connections', '1', 'window', '64'), count=100000),
            Runner('libESMTP', 'peer', libesmtp(large), peer='quick'),
            Runner('smtp-source', 'peer', smtp_source(4096 - 190), cpu='whole'),
            Runner('libcurl easy', 'peer', libcurl(large)),
            Runner('Python smtplib, ready message', 'peer', smtplib('raw', large)),
            Runner('Python smtplib, composing', 'peer', smtplib('compose', data.body(4096)),
                   count=2000),
            Runner('nodemailer pooled, ready message', 'peer', nodemailer('raw', large), count=2000),
            Runner('nodemailer pooled, composing', 'peer', nodemailer('compose', data.body(4096)),
                   count=2000),
        ],
        'many': [
            Runner('limit: DATA, 1 wait', 'limit', limit('data', 1, 20)),
            Runner('limit: BDAT, window 64', 'limit', limit('bdat', 64, 20), count=200000),
            Runner('lw_pool, DATA', 'ours', pool('connections', '20', 'chunking', 'no')),
            Runner('lw_pool, BDAT, window 8', 'ours', pool('connections', '20'), count=200000),
            Runner('lw_pool, BDAT, window 64', 'ours',
                   pool('connections', '20', 'window', '64'), count=200000),
            Runner('smtp-source', 'peer', smtp_source(4096 - 190, 20), cpu='whole'),
        ],
        'attachment': [
            Runner('limit: encode and write, DATA', 'limit', limit_attachment('data')),
            Runner('limit: encode and write, BDAT', 'limit', limit_attachment('bdat')),
            Runner('letterwing send -a', 'ours',
                   letterwing('-s', 'attachment', '--text', 'hello', '-a', attachment)),
            Runner('nodemailer', 'peer', nodemailer('attach', attachment)),
            Runner('libcurl, curl_mime', 'peer', libcurl('--attach', attachment)),
            Runner('curl -F', 'peer', curl(
                '-H', 'Subject: attachment', '-H', 'From: ' + FROM, '-F', '=hello', '-F',
                lambda job: 'file=@%s;encoder=base64' % attachment(job))),
            Runner('Python email and smtplib', 'peer', smtplib('attach', attachment)),
            Runner('swaks --attach', 'peer', swaks('--body', 'hello', '--attach',
                                                   lambda job: '@' + attachment(job))),
        ],
    }
