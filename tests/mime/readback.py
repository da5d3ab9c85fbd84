#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/mime/readback.py COMPOSER [ROUNDS [SEED]] - what we compose, read by Python's email package

Messages of all part combinations, character sets, address forms and sizes, for servers that take
7bit, 8bit or binary, from a seed; the reader is strict and must find the same addresses, subject,
headers, texts, file names and attachment octets.  The first messages have each combination of parts
once, and once more with a message attached; the others what the seed gives.
"""
import email
import email.policy
import inspect
import itertools
import random
import subprocess
import sys
from email.header import decode_header, make_header
from email.utils import getaddresses

WORDS = {
    'ascii': ['hello', 'world', 'report', 'a', 'of', 'meeting.', 'Q3', '(draft)', '"quoted"', 'x=y', '50%', 'a_b', "it's"],
    'latin': ['Grüße', 'café', 'naïve', 'Ångström', 'señor', 'and', 'plain'],
    'cjk': ['测试邮件', '报告', '日本語のメール', '한국어', '。', 'mixed'],
    'emoji': ['👍', '🎉🎉', '👩‍👩‍👧', 'ok', '𝄞'],
    'rtl': ['שלום', 'مرحبا', 'بالعالم', 'abc'],
    'hostile': ['=?UTF-8?Q?x?=', '=?', '?=', '=', '--', '.', 'From', '\\', '"', '<b@x>', 'a,b', ';', ':'],
}
DOMAINS = ['example.com', 'example.org', 'mail.example.net', '[192.0.2.1]', '[IPv6:2001:db8::1]']
LOCALS = ['ann', 'bob.smith', 'a+b', "o'neil", '"quoted local"', '"a,b"', 'x' * 64, '"a\\"b"']
TYPES = ['', 'application/pdf', 'image/png', 'application/x-thing', 'text/csv; header=present']

# which parts there are; an AMP page needs a text beside it
PARTS = ('text', 'html', 'amp', 'calendar', 'inline', 'attached')
COMBINATIONS = [c for c in itertools.product((False, True), repeat=len(PARTS)) if c[0] or c[1] or not c[2]]

# The repair of CVE-2023-27043 came with an option, on by default, that gives nothing at all for a
# list in which it only suspects something odd, such as a domain literal.
NOT_STRICT = {'strict': False} if 'strict' in inspect.signature(getaddresses).parameters else {}


class Mismatch(Exception):
    pass


def words(rng, low, high):
    kind = rng.choice(list(WORDS))
    return ' '.join(rng.choice(WORDS[kind]) for _ in range(rng.randint(low, high)))


def quoted(name):
    return '"' + name.replace('\\', '\\\\').replace('"', '\\"') + '"'


def mailbox(rng):
    """(how it is given, display name, address)"""
    address = rng.choice(LOCALS) + '@' + rng.choice(DOMAINS)
    if rng.random() < 0.3:
        return address, '', address
    name = words(rng, 1, rng.choice([2, 3, 20]))
    return f'{quoted(name)} <{address}>', name, address


def addresses(rng, most):
    boxes = [mailbox(rng) for _ in range(rng.randint(1, most))]
    return ', '.join(b[0] for b in boxes), [(b[1], b[2]) for b in boxes]


def body(rng):
    lines = []
    for _ in range(rng.choice([0, 1, 3, 40])):
        lines.append(words(rng, 0, rng.choice([1, 10, 60, 400])))
        if rng.random() < 0.1:
            lines[-1] += rng.choice([' ', '\t', '  ', '.'])
        if rng.random() < 0.1:
            lines[-1] = rng.choice(['.', '..', 'From ', '--', ' ']) + lines[-1]
    return rng.choice(['\n', '\r\n', '\n']).join(lines)


def file_name(rng):
    stem = words(rng, 1, rng.choice([1, 2, 12, 30])).replace('/', '')
    return stem + rng.choice(['.pdf', '.txt', '.png', ''])


def attachment(rng):
    return {'name': file_name(rng), 'type': rng.choice(TYPES), 'inline': rng.random() < 0.4,
            'data': rng.randbytes(rng.choice([0, 1, 56, 57, 58, 1000, 47880, 100000]))}


def combine(p, combination, rng):
    """the same message with these parts, and no others"""
    wanted = dict(zip(PARTS, combination))
    for name in ('text', 'html', 'amp', 'calendar'):
        if not wanted[name]:
            p.pop(name, None)
    for name, make in (('text', lambda: body(rng)), ('html', lambda: '<p>' + body(rng)),
                       ('amp', lambda: amp_page(rng)), ('calendar', lambda: invitation(rng))):
        if wanted[name] and name not in p:
            p[name] = make()
    kept = [a for a in p['attached'] if wanted['inline' if a['inline'] else 'attached']]
    for name, inline in (('inline', True), ('attached', False)):
        if wanted[name] and not any(a['inline'] == inline for a in kept):
            kept.append({**attachment(rng), 'inline': inline})
    p['attached'] = kept
    return p


def amp_page(rng):
    return '<!doctype html><html amp4email>' + words(rng, 1, 20)


def invitation(rng):
    return 'BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nSUMMARY:' + words(rng, 1, 9) + '\r\nEND:VCALENDAR\r\n'


def plan(rng, number=None):
    """a message to compose, as the reader shall find it; the first numbers have each combination"""
    p = {'attached': [attachment(rng) for _ in range(rng.choice([0, 0, 1, 1, 2, 5]))]}
    p['from'] = addresses(rng, 1)
    p['to'] = addresses(rng, rng.choice([1, 3, 40]))
    if rng.random() < 0.5:
        p['cc'] = addresses(rng, 3)
    if rng.random() < 0.3:
        p['reply-to'] = addresses(rng, 2)
    if rng.random() < 0.9:
        p['subject'] = words(rng, 1, rng.choice([1, 5, 40, 300]))
    if rng.random() < 0.3:
        p['header'] = words(rng, 1, 30)
    if rng.random() < 0.7:
        p['text'] = body(rng)
    if rng.random() < 0.5:
        p['html'] = '<p>' + body(rng)
    if rng.random() < 0.15 and ('text' in p or 'html' in p):
        p['amp'] = amp_page(rng)
    if rng.random() < 0.15:
        p['calendar'] = invitation(rng)
    p['fit'] = rng.choice('012')
    if number is not None and number < 2 * len(COMBINATIONS):
        combine(p, COMBINATIONS[number % len(COMBINATIONS)], rng)
    return p


def with_message(p, rng):
    """a message attached, which leaves without an encoding"""
    text = words(rng, 1, 40) if p['fit'] != '0' else 'ASCII\r\n.\r\n'
    p['message'] = ('From: a@b.example\r\nSubject: inner\r\nContent-Type: text/plain; charset=utf-8\r\n'
                    f'Content-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n').encode()
    return p


def items(p):
    for name in ('from', 'to', 'cc', 'reply-to'):
        if name in p:
            yield name, p[name][0].encode()
    for name in ('subject', 'text', 'html', 'amp', 'calendar'):
        if name in p:
            yield name, p[name].encode()
    if 'header' in p:
        yield 'header', b'X-Words:' + p['header'].encode()
    for a in p['attached']:
        head = f"{a['name']}\n{a['type']}\n{'inline' if a['inline'] else ''}\n"
        yield 'attach', head.encode() + a['data']
    if 'message' in p:
        yield 'attach', b'in.eml\nmessage/rfc822\n\n' + p['message']
    yield 'send', p['fit'].encode()


def ask(composer, p):
    for name, value in items(p):
        composer.stdin.write(f'{name} {len(value)}\n'.encode() + value)
    composer.stdin.flush()
    length = int(composer.stdout.readline())
    if length < 0:
        raise Mismatch('refused: ' + composer.stdout.readline().decode())
    return composer.stdout.read(length)


def same(what, got, want):
    if got != want:
        raise Mismatch(f'{what}:\n  got  {got!r}\n  want {want!r}')


def as_read(text):
    """a text as the reader gives it: \\n line ends, also behind the last line"""
    text = text.replace('\r\n', '\n')
    return text if not text or text.endswith('\n') else text + '\n'


def check_addresses(message, plain, p):
    for name in ('from', 'to', 'cc', 'reply-to'):
        want = p[name][1] if name in p else []
        header = message[name]
        got = [(a.display_name, str(a.addr_spec)) for a in header.addresses] if header else []
        # Before Python 3.14 this reader keeps the space between two encoded words of a phrase
        # (its issue 128110); so spaces count with its older reader only.
        same(name, [(n.replace(' ', ''), a) for n, a in got],
             [(n.replace(' ', ''), a) for n, a in want])
        if header:
            raw = plain.get(name).replace('\r\n', '')
            same(name + ' by getaddresses', [str(make_header(decode_header(n)))
                 for n, _ in getaddresses([raw], **NOT_STRICT)], [n for n, _ in want])


def parts_of(message):
    """all parts, but not those of a message in it"""
    yield message
    if message.is_multipart() and message.get_content_type() != 'message/rfc822':
        for part in message.iter_parts():
            yield from parts_of(part)


def check_message(inner, p):
    same('number of messages attached', len(inner), int('message' in p))
    for part in inner:
        same('name of the message', part.get_filename(), 'in.eml')
        same('encoding of the message', part['content-transfer-encoding'] in ('7bit', '8bit', 'binary'), True)
        same('the message', part.get_payload(0).as_bytes(policy=email.policy.SMTP), p['message'])


def check_parts(message, p):
    for kind, name in (('plain', 'text'), ('html', 'html'), ('x-amp-html', 'amp'), ('calendar', 'calendar')):
        part = next((x for x in parts_of(message) if x.get_content_type() == 'text/' + kind
                     and x.get_content_disposition() is None), None)
        if name in p:
            same(name, part.get_content().replace('\r\n', '\n'), as_read(p[name]))
        elif name != 'text':
            same(name, part, None)
        elif 'html' not in p:  # else it is made of the HTML
            same('text', part is None or part.get_content().strip() == '', True)
    files = [x for x in parts_of(message) if x.get_content_disposition() is not None]
    check_message([x for x in files if x.get_content_type() == 'message/rfc822'], p)
    files = [x for x in files if x.get_content_type() != 'message/rfc822']
    # those that HTML shows stand beside it, before the others
    want = sorted(p['attached'], key=lambda a: not (a['inline'] and 'html' in p))
    if 'calendar' in p:
        want.append({'name': 'invite.ics', 'type': 'application/ics', 'inline': False,
                     'data': p['calendar'].encode()})
    same('number of attachments', len(files), len(want))
    for part, a in zip(files, want):
        # get_filename() takes quotes away twice, so that a name of '"x"' would lose its own
        same('file name', part['content-disposition'].params.get('filename'), a['name'])
        same('name parameter', part.get_param('name', unquote=True) is not None, True)
        same('octets of ' + a['name'], part.get_payload(decode=True), a['data'])
        same('disposition', part.get_content_disposition(), 'inline' if a['inline'] else 'attachment')
        if a['type']:
            same('type', part.get_content_type(), a['type'].split(';')[0])


def check(raw, p):
    for line in raw.split(b'\r\n') if p['fit'] != '2' else []:
        if len(line) > 998 or b'\r' in line or b'\n' in line:
            raise Mismatch(f'illegal line {line[:80]!r}')
    message = email.message_from_bytes(raw, policy=email.policy.strict + email.policy.SMTP)
    for part in message.walk():
        same('defects', part.defects, [])
        if any(ord(c) > 126 for v in part.values() for c in getattr(v, 'raw', '')):
            raise Mismatch('8-bit header')
    check_addresses(message, email.message_from_bytes(raw), p)
    same('subject', str(message['subject'] or ''), p.get('subject', ''))
    same('X-Words', str(message['x-words'] or ''), p.get('header', ''))
    for name in ('date', 'message-id', 'mime-version'):
        same('number of ' + name, len(message.get_all(name)), 1)
    check_parts(message, p)


def main():
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 600
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    bad = 0
    with subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as composer:
        for i in range(rounds):
            rng = random.Random(f'{seed}:{i}')
            p = plan(rng, i)
            if len(COMBINATIONS) <= i < 2 * len(COMBINATIONS):
                with_message(p, rng)
            raw = b''
            try:
                raw = ask(composer, p)
                check(raw, p)
            except Mismatch as problem:
                bad += 1
                print(f'message {i} of seed {seed}: {problem}')
                if bad == 1:
                    sys.stdout.write(raw[:4000].decode(errors='replace'))
            if bad > 5:
                break
        composer.stdin.close()
    print(f'{rounds} messages, {bad} problem(s)')
    return bad > 0


if __name__ == '__main__':
    sys.exit(main())
