# SPDX-License-Identifier: MIT
"""compose.py - Python's email package as a composer, to bytes that nobody gets

    python3 compose.py COUNT FILE
"""
import json
import sys
import time
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid


def compose(text):
    message = EmailMessage(policy=SMTP)
    message['From'] = 'Ann Example <ann@example.com>'
    message['To'] = 'Bob <bob@example.org>'
    message['Subject'] = 'The report of this week'
    message['Date'] = formatdate()
    message['Message-ID'] = make_msgid(domain='example.com')
    message['X-Campaign'] = '42'
    message.set_content(text)
    return message.as_bytes()


def main(count, path):
    with open(path) as f:
        text = f.read()
    began, cpu = time.monotonic(), time.process_time()
    octets = sum(len(compose(text)) for _ in range(int(count)))
    print(json.dumps({'messages': int(count), 'seconds': time.monotonic() - began,
                      'cpu': time.process_time() - cpu, 'octets': octets}))


main(*sys.argv[1:])
