# SPDX-License-Identifier: MIT
"""The command line of each program: a function from a job to an argument list.

A command may raise harness.Missing: the program cannot run here, or cannot do this job.
"""
import dataclasses

import harness
from harness import Missing
from tools import PYTHON

FROM, TO = 'a@bench.test', 'b@bench.test'
SINK_HEADER = 190       # smtp-source writes a header of its own, of some 190 octets


@dataclasses.dataclass
class Job:
    port: int
    count: int = 1          # messages
    tls: bool = False
    connections: int = 1
    size: int = 4096        # octets of a ready message or of a text
    mib: int = harness.ATTACHMENT_MIB


def url(job):
    return 'smtp%s://127.0.0.1:%d' % ('s' if job.tls else '', job.port)


class Commands:
    def __init__(self, tools, data):
        self.tools, self.data = tools, data

    def ca(self, job, *option):
        return [*option, self.data.cert] if job.tls else []

    def content(self, job, kind):
        """What a client is given as FILE, by what it does with it."""
        return {'raw': self.data.message(job.size), 'compose': self.data.body(job.size),
                'text': self.data.body(job.size),
                'attach': self.data.attachment(job.mib)}[kind]

    # ---- ours, and the limits

    def letterwing(self, *what):
        """Arguments may be functions of the job."""
        return lambda job: [self.tools.letterwing(), 'send', '--via', url(job),
                            *self.ca(job, '--ca'), '--ehlo', 'bench.test', '-f', FROM, '-t', TO,
                            *[w(job) if callable(w) else w for w in what]]

    def bulk(self, has_journal):
        """A template and a list of as many rows as messages; it tells its seconds by --json."""
        return lambda job: [self.tools.letterwing(), 'bulk', '--via', url(job), *self.ca(job, '--ca'),
                            '--list', self.data.people(job.count), '-f', 'Ann <%s>' % FROM,
                            '--to-name', '{{name}}', '-s', 'Hello {{name}}', '--text',
                            '@' + self.data.letter(), '--json', '-q',
                            *(['--journal', self.data.journal()] if has_journal else [])]

    def session(self, kind):
        return lambda job: [self.tools.ours('session'), url(job), str(job.count), kind,
                            self.content(job, kind), *self.ca(job)]

    def pool(self, *options):
        return lambda job: [self.tools.ours('pool'), url(job), str(job.count),
                            self.data.message(4096), 'connections', str(job.connections), *options,
                            *self.ca(job, 'ca')]

    def pool_holding(self):
        """As many connections as there are messages, open at once."""
        return lambda job: [self.tools.ours('pool'), url(job), '0', self.data.message(job.size),
                            'connections', str(job.connections), 'hold', str(job.connections)]

    def floor(self):
        return lambda job: [self.tools.ours('floor'), str(job.port), self.data.message(job.size)]

    def limit(self, mode, window=1):
        return lambda job: [self.tools.ours('limit'), '-p', str(job.port), '-m', mode, '-n',
                            str(job.count), '-w', str(window), '-c', str(job.connections),
                            *(['-T'] if job.tls else []), self.data.message(job.size)]

    def limit_attachment(self, mode):
        return lambda job: [self.tools.ours('limit_attachment'), '-p', str(job.port), '-m', mode,
                            *(['-T'] if job.tls else []), self.data.attachment(job.mib)]

    def compose(self):
        return lambda job: [self.tools.ours('compose'), 'small', str(job.count),
                            self.content(job, 'text')]

    def compose_attachment(self):
        return lambda job: [self.tools.ours('compose'), 'attachment', str(job.mib)]

    def encode(self, how):
        return lambda job: [self.tools.ours('encode'), how, str(job.mib), str(job.count)]

    def dkim(self, who, algorithm='ed25519', size=0):
        return lambda job: [self.tools.ours('dkim'), who, algorithm, 'base64',
                            str(size or job.mib << 20), str(job.count)]

    # ---- clients on other people's libraries: bench/peers

    def libcurl(self, kind='raw'):
        return lambda job: [self.tools.ours('peer_libcurl'), url(job) + '/bench.test',
                            str(job.count), *([] if kind == 'raw' else ['--' + kind]),
                            self.content(job, kind), *self.ca(job)]

    def libcurl_multi(self):
        return lambda job: [self.tools.ours('peer_libcurl_multi'), url(job) + '/bench.test',
                            str(job.count), str(job.connections), self.content(job, 'raw'),
                            *self.ca(job)]

    def libesmtp(self):
        return lambda job: [self.tools.ours('peer_libesmtp'), 'localhost:%d' % job.port,
                            str(job.count), str(job.connections), self.content(job, 'raw'),
                            *self.ca(job)]

    def smtplib(self, kind):
        return lambda job: [PYTHON, harness.HERE + '/peers/python_smtplib.py',
                            *self.script(job, kind)]

    def nodemailer(self, kind):
        return lambda job: [*self.tools.nodemailer(), *self.script(job, kind)]

    def python_email(self):
        return lambda job: [PYTHON, harness.HERE + '/peers/compose.py', str(job.count),
                            self.content(job, 'text')]

    def mail_composer(self):
        return lambda job: [*self.tools.nodemailer('compose.js'), str(job.count),
                            self.content(job, 'text')]

    def phpmailer(self, kind):
        return lambda job: [*self.tools.phpmailer(), *self.script(job, kind)]

    def script(self, job, kind):
        return [str(job.port), str(job.count), str(job.connections), kind, self.content(job, kind),
                *self.ca(job)]

    # ---- other people's programs

    def curl(self, *what):
        return lambda job: [self.tools.found('curl'), '-s', url(job) + '/bench.test',
                            *self.ca(job, '--cacert'), '--mail-from', FROM, '--mail-rcpt', TO,
                            *[w(job) if callable(w) else w for w in what]]

    def msmtp(self):
        return lambda job: [self.tools.found('msmtp'), '--host=127.0.0.1', '--port=%d' % job.port,
                            *(['--tls=on', '--tls-trust-file=' + self.data.cert] if job.tls else []),
                            '--from=' + FROM, '--domain=bench.test', TO]

    def swaks(self, *what):
        return lambda job: [self.tools.found('swaks'), '--server', '127.0.0.1:%d' % job.port,
                            *self.ca(job, '--tls-on-connect', '--tls-verify', '--tls-ca-path'),
                            '--from', FROM, '--to', TO, '--helo', 'bench.test', '--silent', '3',
                            *[w(job) if callable(w) else w for w in what]]

    def smtp_source(self):
        def command(job):
            if job.tls:
                raise Missing('it has no TLS')
            return [self.tools.postfix('smtp-source'), '-d', '-s', str(job.connections), '-m',
                    str(job.count), '-l', str(job.size - SINK_HEADER), '-f', FROM, '-t', TO,
                    'inet:127.0.0.1:%d' % job.port]
        return command
