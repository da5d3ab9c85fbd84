# SPDX-License-Identifier: MIT
"""python_smtplib.py - Python's smtplib as a client: a thread for each connection

    python3 python_smtplib.py PORT COUNT CONNECTIONS raw|compose|attach FILE [CA]
"""
import json
import smtplib
import sys
import threading
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


def send(port, count, kind, path, ca):
    session = connect(port, ca)
    if kind == 'raw':
        with open(path, 'rb') as f:
            octets = f.read()
    for _ in range(count):
        if kind == 'raw':
            session.sendmail(SENDER, [RECIPIENT], octets)
        else:
            session.send_message(compose(kind, path))
    session.quit()


def send_all(count, connections, *what):
    """The number of messages of the threads that ended well."""
    sent = []

    def send_share(i):
        share = count // connections + (i < count % connections)
        send(what[0], share, *what[1:])
        sent.append(share)

    threads = [threading.Thread(target=send_share, args=(i,)) for i in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(sent)


def main(port, count, connections, kind, path, ca=None):
    began, cpu = time.monotonic(), time.process_time()
    sent = send_all(int(count), int(connections), int(port), kind, path, ca)
    print(json.dumps({'messages': sent, 'seconds': time.monotonic() - began,
                      'cpu': time.process_time() - cpu}))
    sys.exit(0 if sent == int(count) else 1)


main(*sys.argv[1:])
