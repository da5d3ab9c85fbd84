# SPDX-License-Identifier: MIT
"""tests/cli/test_bounce.py - letterwing bounce: what is printed of a report, and exit codes"""
import harness
from harness import Case, run

REPORT = '''From: MAILER-DAEMON@mx.example.net
To: ann@example.com
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

Sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
Original-Envelope-Id: QQ314159
Arrival-Date: Wed, 25 Nov 2026 10:00:00 +0000

Final-Recipient: rfc822; bob@example.org
Original-Recipient: rfc822;robert@example.org
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.example.org
Diagnostic-Code: smtp; 550 5.1.1 no \x1b[31m such
 user

Final-Recipient: rfc822; carol@example.org
Action: delayed
Status: 4.4.1
Will-Retry-Until: Fri, 27 Nov 2026 10:00:00 +0000

--b
Content-Type: text/rfc822-headers

Message-ID: <1@example.com>
Subject: =?utf-8?q?gr=C3=BCn?=
From: Ann <ann@example.com>

--b--
'''

TEXT = '''Report         delivery status notification
Reported by    mx.example.net
Arrived        Wed, 25 Nov 2026 10:00:00 +0000
Envelope ID    QQ314159
Message-ID     <1@example.com>
From           Ann <ann@example.com>
Subject        grün

failed         bob@example.org  5.1.1
  why          550 5.1.1 no \ufffd[31m such user
  said by      mx.example.org
  sent to      robert@example.org

delayed        carol@example.org  4.4.1
  tries until  Fri, 27 Nov 2026 10:00:00 +0000
'''


class Bounce(Case):
    def test_text(self):
        path = self.file('report.eml', REPORT.encode())
        ran = run('bounce', path)
        self.assertEqual((ran.code, ran.out, ran.err), (0, TEXT, ''), ran)

    def test_standard_input_and_any_line_ends(self):
        for end in ('\n', '\r\n'):
            ran = run('bounce', '-', stdin=REPORT.replace('\n', end))
            self.assertEqual((ran.code, ran.out), (0, TEXT), ran)

    def test_json(self):
        found = run('bounce', '--json', self.file('report.eml', REPORT.encode())).json
        self.assertEqual(found['kind'], 'delivery')
        self.assertEqual(found['reporting_mta'], {'type': 'dns', 'text': 'mx.example.net'})
        self.assertEqual(found['envelope_id'], 'QQ314159')
        self.assertEqual(found['message']['message_id'], '<1@example.com>')
        bob, carol = found['recipients']
        self.assertEqual(bob['final'], {'type': 'rfc822', 'text': 'bob@example.org'})
        self.assertEqual(bob['original']['text'], 'robert@example.org')
        self.assertEqual([bob[k] for k in ('action', 'status', 'code', 'enhanced')],
                         ['failed', '5.1.1', 550, '5.1.1'])
        self.assertEqual([carol[k] for k in ('action', 'status', 'code', 'diagnostic')],
                         ['delayed', '4.4.1', None, None])

    def test_other_kinds(self):
        for kind, body in [('disposition', 'message/disposition-notification\n\nDisposition: a/b; read\n'),
                           ('feedback', 'message/feedback-report\n\nFeedback-Type: abuse\n')]:
            ran = run('bounce', '--json', '-', stdin='Content-Type: ' + body)
            self.assertEqual((ran.code, ran.json['kind']), (0, kind), ran)

    def test_no_report(self):
        path = self.file('mail.eml', b'Subject: x\n\nReporting-MTA: dns; a\n')
        self.assert_says(run('bounce', path), 65, f'bounce: {path} is not a delivery report')
        self.assert_says(run('bounce', '-'), 65, 'bounce: standard input is not a delivery report')
        self.assert_says(run('bounce', '-', stdin=b'X: ' + b'x' * (2 << 20)), 65, 'bounce: standard input has more than '
                         '10,000 recipients, 8 MiB of fields, or 2 MiB of header: no report is that large')

    def test_usage(self):
        missing = self.folder() + '/missing.eml'
        folder = self.folder()
        for args, code, sentence in (
                ((missing,), 66, f'{missing} cannot be read: No such file or directory'),
                ((folder,), 66, f'{folder} cannot be read: Is a directory'),
                ((), 64, 'name one file, or - for standard input'),
                (('a', 'b'), 64, 'name one file, or - for standard input'),
                (('--jsn', 'a'), 64, 'unknown option --jsn: did you mean --json?')):
            self.assert_says(run('bounce', *args), code, 'bounce: ' + sentence)

    def test_full_disk(self):
        with open('/dev/full', 'wb') as full:
            ran = run('bounce', '-', stdin=REPORT, stdout=full)
        self.assert_says(ran, 74, 'standard output cannot be written: No space left on device')


if __name__ == '__main__':
    harness.main()
