#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/cli/test_exit_codes.py - the same mistake has the same exit code, whatever the command"""
import os
import subprocess

import harness
from harness import LETTERWING, PATIENCE, Case, Ran, run

MESSAGE = ['-f', 'ann@example.com', '-t', 'bob@example.org', '-s', 'x']
VIA = ['--via', 'smtp://127.0.0.1:1']  # it does not come so far


class SameMistake(Case):
    def setUp(self):
        people = self.file('people.csv', 'email\na@example.org\n')
        self.key = os.path.join(self.folder(), 'key.pem')
        self.assertEqual(run('dkim', 'keygen', self.key).code, 0)
        self.bulk = ['bulk', '--list', people, *MESSAGE[:2], *VIA]
        self.sign = ['dkim', 'sign', '--dkim', f'example.com:s1:{self.key}']

    def table(self, code, rows, **more):
        for args in rows:
            with self.subTest(' '.join(args)):
                self.assert_fails(run(*args, **more), code)

    def test_input_file_that_cannot_be_read(self):
        for path in ('/nowhere/file', self.folder()):
            self.table(66, [
                ['send', *MESSAGE, *VIA, '--text', '@' + path],
                ['send', *MESSAGE, *VIA, '--html', '@' + path],
                ['send', *MESSAGE, *VIA, '--text', 'x', '-a', path],
                ['send', *MESSAGE, *VIA, '--text', 'x', '--inline', path],
                ['send', *MESSAGE[:4], *VIA, '--message', path],
                ['bulk', '--list', path, *MESSAGE[:2], '--text', 'x', *VIA],
                [*self.bulk, '--text', '@' + path],
                [*self.bulk, '--html', '@' + path],
                [*self.bulk, '--template', path],
                ['lint', path],
                ['bounce', path],
                ['dkim', 'verify', path],
                [*self.sign, path],
            ])

    def test_standard_input_that_cannot_be_read(self):
        for args in (['send', *MESSAGE, *VIA, '--text', '-'], ['send', *MESSAGE[:4], *VIA, '--message', '-'],
                     ['bulk', '--list', '-', *MESSAGE[:2], '--text', 'x', *VIA],
                     [*self.bulk, '--text', '-'], ['lint', '-'], ['bounce', '-'],
                     ['dkim', 'verify', '-'], [*self.sign, '-'],
                     ['sendmail', 'bob@example.org']):
            with self.subTest(' '.join(args)):
                folder = os.open('/', os.O_RDONLY)
                done = subprocess.run([LETTERWING, *args], stdin=folder, capture_output=True,
                                      env={**os.environ, 'LETTERWING_URL': VIA[1]}, timeout=PATIENCE)
                os.close(folder)
                self.assert_fails(Ran(done), 66, 'standard input', 'cannot be read: Is a directory')

    def test_key_or_certificate_or_password_that_cannot_be_read(self):
        path = '/nowhere/file'
        for begin in (['send', *MESSAGE, *VIA, '--text', 'x'], [*self.bulk, '--text', 'x']):
            self.table(78, [
                [*begin, '--ca', path],
                [*begin, '--cert', path],
                [*begin, '--user', 'u', '--password-from', 'file:' + path],
                [*begin, '--dkim', 'example.com:s1:' + path],
            ])
        self.table(78, [
            ['probe', VIA[1], '--ca', path],
            ['talk', VIA[1], '--ca', path],
            ['sink', '--tls', '--cert', path, '--key', path],
            ['dkim', 'sign', '--dkim', 'example.com:s1:' + path, '-'],
            ['dkim', 'verify', '--key', path, '-'],
            ['dkim', 'record', path],
            ['send', *MESSAGE, *VIA, '--text', 'x', '--smime-sign', path],
        ])

    def test_output_file_that_cannot_be_made(self):
        path = '/nowhere/file'
        self.table(73, [
            ['send', *MESSAGE, *VIA, '--text', 'x', '--transcript', path],
            [*self.bulk, '--text', 'x', '--transcript', path],
            [*self.bulk, '--text', 'x', '--journal', path],
            [*self.bulk, '--text', 'x', '--failures', path],
            [*self.bulk, '--text', 'x', '--report', path],
            ['sink', '--save', path, '--listen', '127.0.0.1:0'],
            ['dkim', 'keygen', path],
        ])

    def test_no_server(self):
        home = {'HOME': self.folder()}
        self.table(78, [['send', *MESSAGE, '--text', 'x'], [*self.bulk[:-2], '--text', 'x'],
                        ['sendmail', 'bob@example.org']], env=home)
        self.table(64, [['probe'], ['talk']], env=home)  # there it is the argument

    def test_wrong_usage(self):
        self.table(64, [[name, '--no-such-option'] for name in (
            'send', 'probe', 'talk', 'bulk', 'sink', 'sendmail', 'lint', 'bounce')])
        self.table(64, [['lint'], ['bounce'], ['dkim', 'verify'], ['dkim', 'sign'], ['bulk'], ['send']])


if __name__ == '__main__':
    harness.main()
