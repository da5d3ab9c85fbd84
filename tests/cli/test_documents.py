#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/cli/test_documents.py - the examples of README, manual pages and --help, as they stand

Everything runs word for word, in a network, a mount and a user namespace of its own, where
mail.example.com is this machine and port 587 is free.  A command has a terminal, on which its
password is typed.  Each must end with 0, and each that sends must have something arrive.
"""
import contextlib
import fcntl
import os
import pty
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

import harness
from harness import LETTERWING, PATIENCE, run
from people import Smime, must

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HOSTS = '127.0.0.1 localhost mail.example.com smtp.example.com mx.example.org\n'
KEYS = {'rsa.pem': 'rsa', 'ed.pem': 'ed25519'}
NOT_A_COMMAND = ('keygen|record|sign|verify',)  # names four commands in one line
DIG = """#!/bin/sh
exec letterwing dkim record mail2026.pem
"""

MAIL = '''From: ann@example.com
To: bob@example.org
Subject: Hello
Date: Thu, 26 Nov 2026 08:00:00 +0000
Message-ID: <1@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Hello.
'''
PATCH = '''From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001
From: Ann <ann@example.com>
Date: Thu, 26 Nov 2026 08:00:00 +0000
Subject: [PATCH] readme: say more
To: bob@example.org

---
 README | 1 +
 1 file changed, 1 insertion(+)

diff --git a/README b/README
index e69de29..ce01362 100644
--- a/README
+++ b/README
@@ -0,0 +1 @@
+hello
'''


# ---- what the documents say ----------------------------------------------------------------

def commands(block):
    """The commands of a block of lines; a line that is indented deeper goes on with the last."""
    found = []
    for line in block:
        if not line.strip():
            continue
        if line[0] in ' \t' and found:
            found[-1] += '\n' + line
        else:
            found.append(line)
    return [c for c in found if not any(word in c for word in NOT_A_COMMAND)]


def text_of(*path):
    with open(os.path.join(ROOT, *path), encoding='utf-8') as f:
        return f.read()


def of_readme(name):
    """The indented blocks that begin with something to run."""
    blocks = re.findall(r'(?:^ {4}.*\n)+', text_of(name), re.M)
    blocks = [[line[4:] for line in block.splitlines()] for block in blocks]
    return [command for block in blocks for command in commands(block)
            if re.match(r"build/letterwing|echo .*\| build/letterwing", command)]


def of_page(name):
    """The fenced blocks of EXAMPLES in a manual page, without scdoc's backslashes."""
    examples = re.search(r'^# EXAMPLES?\n(.*?)^# ', text_of('docs', 'man', name), re.M | re.S)
    fenced = re.findall(r'^```\n(.*?)^```', examples[1], re.M | re.S) if examples else []
    return commands(re.sub(r'\\(.)', r'\1', ''.join(fenced)).splitlines())


def of_help(*words):
    """What stands under "Examples:" or "First steps:"."""
    examples = re.search(r'^(?:Examples|First steps):\n((?:  .*\n)+)', run(*words, '--help').out, re.M)
    return commands(line[2:] for line in examples[1].splitlines()) if examples else []


def names_in_help(*words):
    """The commands that a help lists."""
    return re.search(r'^Commands:\n((?:  .*\n)+)', run(*words, '--help').out, re.M)[1].split('\n')[:-1]


# ---- where they run ------------------------------------------------------------------------

def bring_loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        name_and_flags = struct.pack('16sh14x', b'lo', 1)  # IFF_UP
        fcntl.ioctl(s, 0x8914, name_and_flags)             # SIOCSIFFLAGS


class World:
    """A folder with the files that the examples name, and servers where they expect them."""

    def __init__(self, folder, certificate, smime):
        self.home = os.path.join(folder, 'home')
        self.mail = os.path.join(folder, 'mail')
        self.servers = []
        self.environ = {
            **os.environ, 'HOME': self.home, 'LETTERWING': os.path.abspath(LETTERWING),
            'LETTERWING_URL': 'smtp://127.0.0.1:2526', 'PASS': 'secret', 'TERM': 'dumb',
            'PATH': os.path.join(self.home, 'bin') + ':' + os.environ['PATH'],
            'GIT_CONFIG_GLOBAL': os.path.join(self.home, '.gitconfig')}
        self.write_files(smime, os.path.dirname(certificate))
        tls = ('--tls', '--cert', certificate, '--key', certificate[:-3] + 'key')
        login = ('--auth', 'ann:secret')
        self.serve('127.0.0.1:587', *tls, *login)
        self.serve('127.0.0.1:25', *tls)
        self.serve('127.0.0.1:465', '--smtps', *tls[1:], *login)
        self.serve('127.0.0.1:2525')
        self.serve('127.0.0.1:2526')
        self.serve('unix:/run/dovecot/lmtp', '--lmtp')

    def write_files(self, smime, keys):
        os.mkdir(self.mail)
        for folder in ('bin', 'build'):
            os.makedirs(os.path.join(self.home, folder))
            os.symlink(self.environ['LETTERWING'], os.path.join(self.home, folder, 'letterwing'))
        pem = {who: must('cat', smime.path(who + '.pem'), smime.path(who + '.key')).decode()
               for who in ('ann', 'bob')}
        for name, text in {
                'bin/dig': DIG, '.mailpass': 'secret\n', '0001.patch': PATCH,
                '.gitconfig': '[user]\nname=Ann\nemail=ann@example.com\n[sendemail]\nconfirm=never\n'
                              'to=bob@example.org\n',
                'people.csv': 'email,name\nbob@example.org,Bob\nzoe@example.net,Zoë\n',
                'letter.html': '<p>Hello {{name}}</p>', 't.txt': 'Hello {{name}}\n',
                'report.html': '<h1>Q3</h1>', 'q3.pdf': '%PDF-1.4\n', 'offer.txt': 'An offer.\n',
                'report.txt': 'Subject: report\n\nAll is well.\n',
                'ann.pem': pem['ann'], 'bob.pem': pem['bob'],
                **dict.fromkeys(('mail.eml', 'message.eml', 'saved.eml', 'message'), MAIL),
                **dict.fromkeys(('report.eml', 'returned.eml'), text_of('tests/fuzz/corpus/bounce/dsn')),
        }.items():
            with open(os.path.join(self.home, name), 'w', encoding='utf-8') as f:
                f.write(text)
        os.chmod(os.path.join(self.home, 'bin', 'dig'), 0o755)
        for key in KEYS:
            shutil.copy(os.path.join(keys, key), self.home)

    def serve(self, where, *more):
        server = subprocess.Popen([LETTERWING, 'sink', '--listen', where, '--save',
                                   os.path.join(self.mail, str(len(self.servers))), *more],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.servers.append(server)
        assert server.stdout.readline(), f'no sink at {where}'

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            server.communicate(timeout=PATIENCE)

    def arrived(self):
        return sum(name.endswith('.eml') for _, _, names in os.walk(self.mail) for name in names)

    def run(self, command):
        """Runs it on a terminal of its own: (exit code, what it showed)."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.home)
            os.execve('/bin/bash', ['bash', '-c', command], self.environ)
        if re.search(r'\btalk\b', command) and '|' not in command:
            os.write(terminal, b'QUIT\n')
        shown = b''
        is_running = ' sink ' in command  # until it is told to end
        with contextlib.suppress(OSError):  # EIO: the last process with this terminal ended
            while piece := os.read(terminal, 65536):
                shown += piece
                if re.search(rb'[Pp]assword[^\n]*: $', shown):
                    os.write(terminal, b'secret\n')
                if is_running and b'\n' in shown:
                    is_running = False
                    os.write(terminal, b'\x03')  # Ctrl-C
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode('utf-8', 'replace')


class Documents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix='lw-documents-')
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        hosts = os.path.join(cls.folder, 'hosts')
        with open(hosts, 'w', encoding='ascii') as f:
            f.write(HOSTS)
        must('mount', '--bind', hosts, '/etc/hosts')
        must('mount', '-t', 'tmpfs', 'none', '/run')
        os.mkdir('/run/dovecot')
        bring_loopback_up()
        cls.certificate = os.path.join(cls.folder, 'server.pem')
        names = ','.join('DNS:' + name for name in HOSTS.split()[2:])
        must('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=mail',
             '-addext', 'subjectAltName=' + names, '-keyout', cls.certificate[:-3] + 'key',
             '-out', cls.certificate)
        trusted = os.path.join(cls.folder, 'trusted')
        os.mkdir(trusted)
        shutil.copy(cls.certificate, trusted)
        must('openssl', 'rehash', trusted)
        must('mount', '--bind', trusted, os.path.realpath('/usr/lib/ssl/certs'))
        for key, kind in KEYS.items():
            must(LETTERWING, 'dkim', 'keygen', '--type', kind, os.path.join(cls.folder, key))
        cls.smime = Smime(cls.folder)
        for who, domain in (('ann', 'example.com'), ('bob', 'example.org')):
            cls.smime.domain = domain
            cls.smime.issue(who)

    def check(self, examples):
        self.assertTrue(examples)
        folder = tempfile.mkdtemp(dir=self.folder)
        with World(folder, self.certificate, self.smime) as world:
            for command in examples:
                with self.subTest(command):
                    before = world.arrived()
                    is_sink = ' sink ' in command
                    if is_sink and '2525' in command:
                        world.servers[3].terminate()
                        world.servers[3].wait(PATIENCE)
                    code, shown = world.run(command)
                    self.assertEqual(code, 0, shown)
                    if is_sink and '2525' in command:
                        world.serve('127.0.0.1:2525')
                    if re.search(r'letterwing (send|bulk|sendmail)\b', command) \
                            and '--dry-run' not in command:
                        self.assertGreater(world.arrived(), before, shown)

    def test_readme(self):
        self.check(of_readme('README.md'))

    def test_readme_in_chinese(self):
        self.check(of_readme('README.zh-CN.md'))

    def test_manual_pages(self):
        pages = sorted(os.listdir(os.path.join(ROOT, 'docs', 'man')))
        checked = 0
        for page in pages:
            if page.endswith(('.1.scd', '.8.scd')) and (examples := of_page(page)):
                with self.subTest(page):
                    self.check(examples)
                checked += 1
        self.assertGreaterEqual(checked, 5)

    def test_help(self):
        names = [line.split()[0] for line in names_in_help() if re.match(r'  \w', line)]
        self.assertIn('send', names)
        for name in ('', *names):
            with self.subTest(name):
                self.check_if_any(of_help(*name.split()))
        self.check([example for part in ('keygen', 'record', 'sign', 'verify')
                    for example in of_help('dkim', part)])

    def check_if_any(self, examples):
        if examples:
            self.check(examples)


def has_namespaces():
    done = subprocess.run(['unshare', '-rnm', 'mount', '--bind', '/etc/passwd', '/etc/hosts'],
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.returncode == 0


if __name__ == '__main__':
    if '--inside' in sys.argv:
        sys.argv.remove('--inside')
        harness.main()
    elif not has_namespaces():
        print('skipped: no user, network and mount namespaces here (unshare -rnm)')
        sys.exit(77)
    else:
        os.execvp('unshare', ['unshare', '-rnm', sys.executable, __file__, *sys.argv[1:], '--inside'])
