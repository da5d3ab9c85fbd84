# SPDX-License-Identifier: MIT
"""tests/cli/test_sendmail_callers.py - programs that call sendmail(8), with ours: what arrives

Each is given a sendmail that is a symbolic link to letterwing, as an administrator would put it
into /usr/sbin, and a home whose configuration names the sink.
"""
import email
import email.policy
import os
import shutil
import subprocess
import unittest

import harness
from harness import Case, LETTERWING, PATIENCE, Sink

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TEXT = 'Grüße, 你好.\n.\n..\n.leading\n\nFrom here on\n' + 'x' * 900 + '\nend\n'


def need(program):
    found = shutil.which(program)
    if found is None:
        raise unittest.SkipTest(f'{program} is missing (tools/install-deps)')
    return found


class Callers(Case):
    def setUp(self):
        self.home = self.folder()
        self.sendmail = os.path.join(self.home, 'sendmail')
        os.symlink(os.path.abspath(LETTERWING), self.sendmail)
        os.makedirs(os.path.join(self.home, '.config', 'letterwing'))
        self.sink = self.enterContext(Sink('--auth', 'ann:secret', '--require-auth',
                                           '--reject', 'no@example.org'))
        conf = os.path.join(self.home, '.config', 'letterwing', 'sendmail.conf')
        with open(os.open(conf, os.O_WRONLY | os.O_CREAT, 0o600), 'w', encoding='ascii') as f:
            f.write(f'server plain://ann:secret@127.0.0.1:{self.sink.port}\n'
                    'from-domain here.example\nexit-later 69\n')

    def call(self, *args, stdin='', code=0, mailrc='/dev/null', **more):
        environ = {k: v for k, v in os.environ.items()
                   if k not in ('LETTERWING_URL', 'EMAIL')}
        # s-nail changes HOME back to what the user database says
        environ.update(HOME=self.home, XDG_CONFIG_HOME=os.path.join(self.home, '.config'), LANG='C.UTF-8', LC_ALL='C.UTF-8', MAILRC=mailrc,
                       GIT_CONFIG_NOSYSTEM='1', GIT_AUTHOR_NAME='Ann Böll',
                       GIT_AUTHOR_EMAIL='ann@example.com', GIT_COMMITTER_NAME='Ann Böll',
                       GIT_COMMITTER_EMAIL='ann@example.com')
        done = subprocess.run(args, input=stdin.encode(), capture_output=True, env=environ,
                              timeout=PATIENCE, cwd=self.home, **more)
        self.assertEqual(done.returncode, code, done)
        return done.stdout.decode(), done.stderr.decode()

    def arrived(self):
        """(envelope, parsed message) of everything"""
        return [(envelope, email.message_from_bytes(octets, policy=email.policy.default))
                for envelope, octets in self.sink.messages()]

    def only(self, sender, recipients, **headers):
        """The only message, after a look at its envelope and these headers."""
        found = self.arrived()
        self.assertEqual(len(found), 1)
        envelope, message = found[0]
        self.assertEqual(envelope['from'], sender)
        self.assertEqual([r['address'] for r in envelope['recipients']], recipients)
        self.assertEqual(envelope['auth']['user'], 'ann')
        for name, value in headers.items():
            self.assertEqual(message[name.replace('_', '-')], value)
        for name in ('From', 'Date', 'Message-ID'):
            self.assertEqual(len(message.get_all(name, [])), 1, name)
        self.assertNotIn('Bcc', message)
        self.assertEqual(message.defects, [])
        return message

    def text_of(self, message):
        return message.get_body(('plain',)).get_content().replace('\r\n', '\n')

    # ---- PHP

    def php(self, code, *args, path_args='-t -i', **more):
        return self.call(need('php'), '-n', '-d', f'sendmail_path={self.sendmail} {path_args}',
                         '-r', code, '--', *args, **more)

    def test_php(self):
        self.php('$h = ["From" => "Ann <ann@example.com>", "Cc" => "carl@example.org",'
                 ' "Bcc" => "dora@example.org", "MIME-Version" => "1.0",'
                 ' "Content-Type" => "text/plain; charset=utf-8",'
                 ' "Content-Transfer-Encoding" => "8bit"];'
                 'exit(mail("Bob <bob@example.org>", "Hello", $argv[1], $h, "-fann@example.com")'
                 ' ? 0 : 1);', TEXT)
        message = self.only('ann@example.com',
                            ['bob@example.org', 'carl@example.org', 'dora@example.org'],
                            To='Bob <bob@example.org>', Subject='Hello', Cc='carl@example.org')
        self.assertEqual(self.text_of(message).rstrip('\n'), TEXT.rstrip('\n'))

    def test_php_tells_of_failure(self):
        out, err = self.php('var_dump(mail("no@example.org", "s", "t", "From: a@example.com"));')
        self.assertIn('bool(false)', out)
        self.assertIn('no@example.org', err)

    def test_php_argument_injection(self):
        """CVE-2016-10033, CVE-2016-10045: the fifth argument of mail() is the attacker's."""
        made = os.path.join(self.home, 'shell.php')
        code = ('mail("bob@example.org", "s", "<?php phpinfo(); ?>", "From: a@example.com",'
                ' $argv[1]); exit(0);')
        for fifth in (f'-fann@example.com -X{made}',
                      f'-f"attacker\\" -oQ/tmp/ -X{made} some"@email.com',
                      f"-f'attacker\\' -oQ/tmp/ -X{made} some'@email.com",
                      f'-OQueueDirectory=/tmp -X{made}', '-C/etc/passwd -X' + made,
                      f'-be ${{run{{/bin/touch {made}}}}}', f'-bs -X{made}',
                      '--via plain://127.0.0.1:1', '-oA/etc/passwd -D' + made):
            with self.subTest(fifth):
                out, err = self.php(code, fifth)
                self.assertFalse(os.path.exists(made))
                self.assertNotIn('root:', out + err)
        self.assertGreater(len(self.arrived()), 3)
        for envelope, message in self.arrived():
            self.assertEqual((message['Subject'], message['From']), ('s', 'a@example.com'))
            self.assertIn('bob@example.org', [r['address'] for r in envelope['recipients']])

    def test_php_header_injection(self):
        """PHP itself refuses a line break in To and Subject, or folds it; nothing gets out either
        way."""
        self.php('@mail("bob@example.org", "x\\r\\nBcc: evil@example.org", "t",'
                 ' "From: a@example.com"); exit(0);')
        for envelope, message in self.arrived():
            self.assertEqual([r['address'] for r in envelope['recipients']], ['bob@example.org'])
            self.assertNotIn('Bcc', message)

    # ---- git

    def patches(self):
        git = need('git')
        core = subprocess.run([git, '--exec-path'], capture_output=True, text=True, check=True)
        if not os.path.exists(os.path.join(core.stdout.strip(), 'git-send-email')):
            self.skipTest('git send-email is missing (tools/install-deps)')
        self.call(git, 'init', '-q', 'r')
        for i, name in enumerate(('first', 'zweite Änderung')):
            with open(os.path.join(self.home, 'r', 'file'), 'a', encoding='utf-8') as f:
                f.write(f'. {i}\n.\n' + name + '\n')
            self.call(git, '-C', 'r', 'add', 'file')
            self.call(git, '-C', 'r', 'commit', '-q', '-m', name)
        self.call(git, '-C', 'r', 'format-patch', '-q', '--root', '-o', '../patches')
        folder = os.path.join(self.home, 'patches')
        return git, sorted(os.path.join(folder, name) for name in os.listdir(folder))

    def check_patches(self, git, sender):
        found = self.arrived()
        self.assertEqual(len(found), 2)
        for i, (envelope, message) in enumerate(found):
            self.assertEqual(envelope['from'], sender)
            self.assertEqual([r['address'] for r in envelope['recipients']],
                             ['list@example.org', 'carl@example.org', 'ann@example.com'])
            self.assertEqual(message['From'].addresses[0].display_name, 'Ann Böll')
            self.assertTrue(message['Subject'].startswith(f'[PATCH {i + 1}/2]'))
        self.assertEqual(found[1][1]['In-Reply-To'], found[0][1]['Message-ID'])
        # what arrived still is the patches: they make the same files
        self.call(git, 'init', '-q', 's')
        for i in (1, 2):
            self.call(git, '-C', 's', 'am', '-q', os.path.join(self.sink.mail, f'0000{i}.eml'))
        with open(os.path.join(self.home, 'r', 'file'), 'rb') as a:
            with open(os.path.join(self.home, 's', 'file'), 'rb') as b:
                self.assertEqual(a.read(), b.read())

    def test_git_send_email(self):
        git, patches = self.patches()
        self.call(git, '-C', 'r', 'send-email', '-q', '--confirm=never', '--thread',
                  f'--smtp-server={self.sendmail}', '--to=list@example.org',
                  '--cc=carl@example.org', '--bcc=ann@example.com', '--suppress-cc=all', *patches)
        self.check_patches(git, 'ann@example.com')

    def test_git_send_email_by_command(self):
        git, patches = self.patches()
        self.call(git, '-C', 'r', 'send-email', '-q', '--confirm=never', '--thread',
                  f'--sendmail-cmd={os.path.abspath(LETTERWING)} sendmail',
                  '--envelope-sender=bounces@example.com', '--to=list@example.org',
                  '--cc=carl@example.org', '--bcc=ann@example.com', '--suppress-cc=all', *patches)
        self.check_patches(git, 'bounces@example.com')

    # ---- cron

    def test_cron(self):
        """The calls of Debian's cron, of cronie and of systemd-cron, with the headers they write."""
        for args in (('-FCronDaemon', '-i', '-B8BITMIME', '-oem', 'root'),
                     ('-FCronDaemon', '-i', '-odi', '-oem', '-oi', '-t', '-f', 'root'),
                     ('-i', '-B8BITMIME', 'root')):
            with self.subTest(args):
                before = len(self.sink.messages())
                self.call(self.sendmail, *args, stdin='From: root (Cron Daemon)\nTo: root\n'
                          'Subject: Cron <root@host> /usr/local/bin/job\nMIME-Version: 1.0\n'
                          'Content-Type: text/plain; charset=UTF-8\n'
                          'Content-Transfer-Encoding: 8bit\nX-Cron-Env: <SHELL=/bin/sh>\n'
                          'X-Cron-Env: <HOME=/root>\n\n' + TEXT)
                envelope, message = self.arrived()[before]
                self.assertEqual(envelope['from'], 'root@here.example')
                self.assertEqual([r['address'] for r in envelope['recipients']],
                                 ['root@here.example'])
                self.assertEqual(message['From'].addresses[0].addr_spec, 'root@here.example')
                self.assertEqual(message['To'], 'root@here.example')
                self.assertEqual(message.get_all('X-Cron-Env'),
                                 ['<SHELL=/bin/sh>', '<HOME=/root>'])
                self.assertEqual(self.text_of(message), TEXT)

    # ---- people's mail programs

    def test_mutt(self):
        self.check_mutt(need('mutt'))

    def test_neomutt(self):
        self.check_mutt(need('neomutt'))

    def check_mutt(self, mutt):
        picture = self.file('pic ture.png', bytes(range(256)) * 300)
        self.call(mutt, '-n', '-F', '/dev/null', '-e', f'set sendmail="{self.sendmail} -oem -oi"',
                  '-e', 'set from=ann@example.com realname="Ann Böll" use_envelope_from=yes copy=no',
                  '-e', 'set dsn_notify=failure dsn_return=hdrs use_8bitmime=yes',
                  '-s', 'Grüße', '-c', 'carl@example.org', '-b', 'dora@example.org', '-a', picture,
                  '--', 'Bob <bob@example.org>', stdin=TEXT, start_new_session=True)
        message = self.only('ann@example.com',
                            ['bob@example.org', 'carl@example.org', 'dora@example.org'],
                            Subject='Grüße', Cc='carl@example.org')
        self.assertEqual(message['From'].addresses[0].display_name, 'Ann Böll')
        self.assertEqual(self.text_of(message), TEXT)
        attached, = message.iter_attachments()
        self.assertEqual(attached.get_filename(), 'pic ture.png')
        self.assertEqual(attached.get_content(), bytes(range(256)) * 300)
        envelope = self.arrived()[0][0]
        self.assertEqual((envelope['ret'].lower(), envelope['recipients'][0]['notify']),
                         ('hdrs', ['failure']))

    def test_s_nail(self):
        paper = self.file('paper.bin', bytes(range(256)) * 300)
        nail = need('s-nail')
        self.call(nail, '-n', '-S', f'mta={self.sendmail}', '-S', 'sendwait', '-S', 'ttycharset=utf-8',
                  '-S', 'DEAD=/dev/null',
                  '-S', 'from=Ann <ann@example.com>', '-r', 'ann@example.com', '-s', 'Grüße',
                  '-c', 'carl@example.org', '-b', 'dora@example.org', '-a', paper,
                  'bob@example.org', stdin=TEXT, start_new_session=True)
        message = self.only('ann@example.com',
                            ['bob@example.org', 'carl@example.org', 'dora@example.org'],
                            Subject='Grüße', Cc='carl@example.org', To='bob@example.org')
        self.assertEqual(self.text_of(message), TEXT)
        attached, = message.iter_attachments()
        self.assertEqual(attached.get_content(), bytes(range(256)) * 300)

    def test_s_nail_tells_of_failure(self):
        nail = need('s-nail')
        done = self.call(nail, '-n', '-S', f'mta={self.sendmail}', '-S', 'sendwait', '-S', 'DEAD=/dev/null',
                         '-r', 'ann@example.com', '-s', 'x', 'no@example.org', stdin='hi\n', code=4,
                         start_new_session=True)
        self.assertIn('no@example.org', done[1])
        self.assertEqual(self.arrived(), [])

    # bsd-mailx: its package wants a mail server to be installed, so it is fetched without

    def bsd_mailx(self, *args, lines=(), **more):
        tool = os.path.join(ROOT, 'tools', 'fetch-servers')
        found = subprocess.run([tool, '--path', 'bsd-mailx'], capture_output=True, text=True)
        if found.returncode == 77:
            self.skipTest(found.stderr.strip())
        self.assertEqual(found.returncode, 0, found)
        rc = self.file('mailrc', '\n'.join([f'set sendmail={self.sendmail}', 'set sendwait', *lines, '']))
        return self.call(found.stdout.strip(), '-n', *args, mailrc=rc, start_new_session=True, **more)

    def test_bsd_mailx(self):
        self.bsd_mailx('-s', 'Grüße', '-r', 'ann@example.com', '-c', 'carl@example.org',
                       '-b', 'dora@example.org', '-a', 'X-Job: 42', 'bob@example.org', stdin=TEXT)
        message = self.only('ann@example.com', ['bob@example.org', 'carl@example.org', 'dora@example.org'],
                            Subject='Grüße', Cc='carl@example.org', To='bob@example.org', X_Job='42')
        self.assertEqual(self.text_of(message), TEXT)

    def test_bsd_mailx_of_cron(self):
        """as a script does it: nothing but a name of this machine"""
        self.bsd_mailx('-s', 'disk full', 'root', stdin='94 %\n')
        envelope, message = self.arrived()[0]
        self.assertEqual([r['address'] for r in envelope['recipients']], ['root@here.example'])
        self.assertEqual((message['Subject'], message['To']), ('disk full', 'root@here.example'))
        self.assertEqual(self.text_of(message), '94 %\n')

    def test_bsd_mailx_tells_of_failure(self):
        err = self.bsd_mailx('-s', 'x', '-r', 'ann@example.com', 'no@example.org', stdin='hi\n', code=1)[1]
        self.assertIn('no@example.org', err)
        self.assertEqual(self.arrived(), [])


if __name__ == '__main__':
    harness.main()
