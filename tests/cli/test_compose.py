# SPDX-License-Identifier: MIT
"""tests/cli/test_compose.py - what send composes for what a server takes, read by Python's email"""
import email
import email.policy
import os

import harness
from harness import Case, Sink, run

TO_BOB = ['-f', 'ann@example.com', '-t', 'bob@example.org']
ODD = bytes(range(256)) * 300 + b'\r\n.\r\n\r\0\n'


def parse(octets):
    return email.message_from_bytes(octets, policy=email.policy.default)


class Encodings(Case):
    def test_chosen_by_what_the_server_takes(self):
        path = self.file('odd.bin', ODD)
        text = 'Grüße, und noch etwas mehr Text dazu'
        for without, body, encodings in [
                ('', 'binarymime', ['8bit', 'binary']),
                ('BINARYMIME', '8bitmime', ['8bit', 'base64']),
                ('CHUNKING,BINARYMIME', '8bitmime', ['8bit', 'base64']),
                ('8BITMIME,BINARYMIME,SMTPUTF8', '7bit', ['quoted-printable', 'base64'])]:
            with self.subTest(without), Sink(*(['--without', without] if without else [])) as sink:
                ran = run('send', '--via', sink.url, *TO_BOB, '--text', text, '-a', path, '--json')
                self.assertEqual(ran.code, 0, ran)
                self.assertEqual(ran.json['body'], body)
                _, octets = sink.one()
                self.assertEqual(ran.json['size'], len(octets))
                message = parse(octets)
                parts = list(message.iter_parts())
                self.assertEqual([p['content-transfer-encoding'] for p in parts], encodings)
                self.assertEqual(parts[0].get_content().strip(), text)
                self.assertEqual(parts[1].get_payload(decode=True), ODD)

    def test_smtputf8_is_explained(self):
        with Sink('--without', 'SMTPUTF8') as sink:
            ran = run('send', '--via', sink.url, '-f', 'ann@example.com', '-t', 'jörg@example.org',
                      '--text', 'x')
            self.assert_fails(ran, 69, 'does not offer SMTPUTF8',
                              'to: "jörg@example.org" is not ASCII before the @')
            self.assertEqual(sink.messages(), [])

    def test_domain_of_another_script_needs_none(self):
        with Sink('--without', 'SMTPUTF8') as sink:
            ran = run('send', '--via', sink.url, '-f', 'ann@example.com', '-t', 'Jörg <j@bücher.example>',
                      '--text', 'x')
            self.assertEqual(ran.code, 0, ran)
            envelope, octets = sink.one()
            self.assertEqual([r['address'] for r in envelope['recipients']], ['j@xn--bcher-kva.example'])
            self.assertEqual(parse(octets)['to'], 'Jörg <j@xn--bcher-kva.example>')

    def test_message_with_8bit_attached_needs_8bitmime(self):
        path = self.file('x.eml', 'From: a@b.de\nSubject: x\n\nGrüße\n')
        with Sink('--without', '8BITMIME,SMTPUTF8,BINARYMIME') as sink:
            ran = run('send', '--via', sink.url, *TO_BOB, '--text', 'x', '-a', path)
            self.assert_fails(ran, 69, 'does not offer 8BITMIME')
        with Sink() as sink:
            ran = run('send', '--via', sink.url, *TO_BOB, '--text', 'x', '-a', path)
            self.assertEqual(ran.code, 0, ran)
            inner = list(parse(sink.one()[1]).iter_parts())[1]
            self.assertEqual(inner.get_content_type(), 'message/rfc822')
            self.assertEqual(os.path.basename(path), inner.get_filename())


if __name__ == '__main__':
    harness.main()
