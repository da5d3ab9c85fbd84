# SPDX-License-Identifier: MIT
"""python_smtplib.py - Python's smtplib as a client: one connection

    python3 python_smtplib.py PORT COUNT raw|compose|attach FILE [CA]
"""
import json
import smtplib
import sys
import time

SENDER, RECIPIENT = 'a@bench.test', 'b@bench.test'


def connect(port, ca):
    if ca is None:
        return smtplib.SMTP('127.0.0.1', port, local_hostname='bench.test')
    import ssl
    return smtplib.SMTP_SSL('127.0.0.1', port, local_hostname='bench.test',
                            context=ssl.create_default_context(cafile=ca))


def compose(kind, path):
    from email.message import EmailMessage
    message = EmailMessage()
    message['From'] = f'Alice Example <{SENDER}>'
    message['To'] = f'Bob Example <{RECIPIENT}>'
    message['Subject'] = 'benchmark message'
    with open(path, 'rb') as f:
        octets = f.read()
    if kind == 'compose':
        message.set_content(octets.decode())
    else:
        message.set_content('hello\n')
        message.add_attachment(octets, maintype='application', subtype='octet-stream',
                               filename='attachment.bin')
    return message


def main(port, count, kind, path, ca=None):
    began, cpu = time.monotonic(), time.process_time()
    session = connect(int(port), ca)
    if kind == 'raw':
        with open(path, 'rb') as f:
            octets = f.read()
    for _ in range(int(count)):
        if kind == 'raw':
            session.sendmail(SENDER, [RECIPIENT], octets)
        else:
            session.send_message(compose(kind, path))
    session.quit()
    print(json.dumps({'messages': int(count), 'seconds': time.monotonic() - began,
                      'cpu': time.process_time() - cpu}))


main(*sys.argv[1:])
