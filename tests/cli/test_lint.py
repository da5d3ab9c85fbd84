# SPDX-License-Identifier: MIT
"""tests/cli/test_lint.py - letterwing lint: what is printed, and the exit code of the worst"""
import harness
from harness import Case, Sink, run

GOOD = (b'Date: Wed, 25 Nov 2026 10:00:00 +0000\r\nFrom: Ann <ann@example.com>\r\n'
        b'To: bob@example.org\r\nSubject: x\r\nMessage-ID: <1@example.com>\r\n\r\nhello\r\n')
WARNING = GOOD.replace(b'Subject: x\r\n', b'')
ERROR = GOOD.replace(b'bob@example.org', b'bob@')


class Lint(Case):
    def test_exit_codes(self):
        for name, message, code, strict in [('good', GOOD, 0, 0), ('note', GOOD.replace(b'\r', b''), 0, 0),
                                            ('warning', WARNING, 0, 65), ('error', ERROR, 65, 65)]:
            with self.subTest(name):
                path = self.file('m.eml', message)
                self.assertEqual(run('lint', path).code, code)
                self.assertEqual(run('lint', '--strict', path).code, strict)
                self.assertEqual(run('lint', '--json', '-', stdin=message).code, code)

    def test_text(self):
        ran = run('lint', '-', stdin=GOOD)
        self.assertEqual((ran.out, ran.err), ('standard input: 0 errors, 0 warnings, 0 notes\n', ''))
        path = self.file('m.eml', ERROR)
        ran = run('lint', path)
        self.assertEqual(ran.err, '')
        first, last = ran.out.splitlines()
        self.assertEqual(first, f'{path}:3: error: To: member 1 "bob@" at column 5: nothing after '
                         'the @ [bad-address, RFC 5322 3.4]')
        self.assertEqual(last, f'{path}: 1 error, 0 warnings, 0 notes')

    def test_terminal_escapes_of_a_message(self):
        ran = run('lint', '-', stdin=GOOD.replace(b'bob@', b'\x1b]0;x\x07@').replace(b'Wed', b'\x1b[31m'))
        self.assertEqual(ran.code, 65, ran)
        self.assertIn('header-control', ran.out)
        self.assertNotIn('\x1b', ran.out)
        self.assertNotIn('\x07', ran.out)

    def test_json(self):
        path = self.file('m.eml', WARNING)
        found = run('lint', '--json', path).json
        self.assertEqual(found, {'file': path, 'worst': 'warning', 'errors': 0, 'warnings': 1, 'notes': 0,
                                 'findings': [{'severity': 'warning', 'id': 'missing-recommended-header',
                                               'line': None, 'part': 0, 'header': None,
                                               'text': 'there is no Subject', 'source': 'RFC 5322 3.6'}]})
        self.assertEqual(run('lint', '--json', '-', stdin=GOOD).json['worst'], None)

    def test_what_the_command_sends_is_clean(self):
        page = self.file('p.html', '<p>grün'.encode())
        picture = self.file('日.png', bytes(range(256)))
        # what a server took as binary is worth a warning, since another one may not; else nothing is
        for without, found in ((['--without', 'BINARYMIME'], set()), ([], {'binary'})):
            with Sink(*without) as sink:
                ran = run('send', '--via', sink.url, '-f', 'Jörg <j@example.com>', '-t', 'b@example.org',
                          '-s', 'grün', '--text', 'grün', '--html', '@' + page, '-a', picture)
                self.assertEqual(ran.code, 0, ran)
                _, message = sink.one()
            self.assertEqual(b'encoding: binary' in message.lower(), bool(found))
            ran = run('lint', '--json', '-', stdin=message)
            self.assertEqual({f['id'] for f in ran.json['findings']}, found, ran)

    def test_usage(self):
        missing = self.folder() + '/missing.eml'
        folder = self.folder()
        for args, code, sentence in (
                ((missing,), 66, f'{missing} cannot be read: No such file or directory'),
                ((folder,), 66, f'{folder} cannot be read: Is a directory'),
                ((), 64, 'name one file, or - for standard input'),
                (('a', 'b'), 64, 'name one file, or - for standard input'),
                (('--strct', 'x'), 64, 'unknown option --strct: did you mean --strict?'),
                (('-',), 65, 'standard input has a header of more than 2 MiB, or more than 100,000 parts')):
            self.assert_says(run('lint', *args, stdin=b'X: ' + b'x' * (2 << 20)), code, 'lint: ' + sentence)

    def test_full_disk(self):
        with open('/dev/full', 'wb') as full:
            ran = run('lint', '-', stdin=GOOD, stdout=full)
        self.assert_says(ran, 74, 'standard output cannot be written: No space left on device')


if __name__ == '__main__':
    harness.main()
