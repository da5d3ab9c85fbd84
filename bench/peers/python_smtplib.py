# SPDX-License-Identifier: MIT
"""python_smtplib.py - Python's smtplib as a client: a process for each connection

    python3 python_smtplib.py PORT COUNT CONNECTIONS raw|compose|attach FILE [CA]
"""
import json
import os
import resource
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


def send_in_processes(count, connections, *what):
    """The number of messages of the processes that ended well."""
    shares = {}
    for i in range(connections):
        share = count // connections + (i < count % connections)
        child = os.fork()
        if child == 0:
            send(what[0], share, *what[1:])
            os._exit(0)
        shares[child] = share
    return sum(shares[child] for child, status in (os.wait() for _ in list(shares))
               if status == 0)


def cpu_seconds():
    """Of this process and of those that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(r.ru_utime + r.ru_stime for r in used)


def main(port, count, connections, kind, path, ca=None):
    began, cpu, sent = time.monotonic(), cpu_seconds(), int(count)
    if connections == '1':
        send(int(port), sent, kind, path, ca)
    else:
        sent = send_in_processes(sent, int(connections), int(port), kind, path, ca)
    print(json.dumps({'messages': sent, 'seconds': time.monotonic() - began,
                      'cpu': cpu_seconds() - cpu}))
    sys.exit(0 if sent == int(count) else 1)


main(*sys.argv[1:])
