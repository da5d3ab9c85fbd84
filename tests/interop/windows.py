# SPDX-License-Identifier: MIT
"""A list for `letterwing bulk` in which every row has a text of its own and each tenth an address
that no server takes, and what must have arrived of it."""

import csv
import io
import os
import random

from fixture import DOMAIN, USERS

READERS = USERS[1:]
REFUSED_EVERY = 10
# Lines that show a message cut, mixed with its neighbour or stuffed wrongly.
LINES = (".", "..", ".dot", "", "From here", "RSET", "BDAT 5 LAST", "\t tab ", "Zo\u00eb \u6d4b\u8bd5",
         "plain words of an ordinary line", "= equals =3D", "x" * 300)


class Campaign:
    """Rows 1..count; rows[n] is (address, text)."""

    def __init__(self, count):
        self.rows = {n: (self.address(n), self.text(n)) for n in range(1, count + 1)}
        self.refused = {n for n in self.rows if n % REFUSED_EVERY == 0}
        self.taken = set(self.rows) - self.refused

    @staticmethod
    def address(n):
        if n % REFUSED_EVERY == 0:
            return "nosuch-%d@%s" % (n, DOMAIN)
        return "%s@%s" % (READERS[n % len(READERS)], DOMAIN)

    @staticmethod
    def text(n):
        """Up to some 4 kB, so that windows hold messages of different sizes."""
        chosen = random.Random(n)
        return "".join("%d %s\n" % (n, line) if chosen.random() < 0.2 else line + "\n"
                       for line in chosen.choices(LINES, k=chosen.randint(1, 60))) + "end %d\n" % n

    def list(self):
        """The CSV file's octets."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(("row", "email", "text"))
        for n, (address, text) in self.rows.items():
            writer.writerow((n, address, text))
        return out.getvalue().encode()


def row_of(mail):
    """The row's number in the header field that the test's template gives each message."""
    head = mail.split(b"\n\n", 1)[0]
    [value] = [line for line in head.split(b"\n") if line.startswith(b"X-Row: ")]
    return int(value[len(b"X-Row: "):])


def by_row(mails):
    """{row: [octets of each arrived copy]}"""
    found = {}
    for mail in mails:
        found.setdefault(row_of(mail), []).append(mail)
    return found


def split(mail):
    """What letterwing wrote: the head without what depends on the time and the server, the body."""
    head, body = mail.split(b"\n\n", 1)
    return b"\n".join(line for line in head.split(b"\n") if not line.startswith(
        (b"Date: ", b"Content-Transfer-Encoding: "))), body


def saved_messages(folder):
    """{row: octets} of what `bulk --sample --save` has put there."""
    mails = []
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as f:
            mails.append(f.read().replace(b"\r\n", b"\n"))
    return {row_of(mail): mail for mail in mails}


def outcomes(failures):
    """{row: (address, outcome, code)} of a --failures file."""
    with open(failures, newline="", encoding="utf-8") as f:
        return {int(line["row"]): (line["address"], line["outcome"], line["code"])
                for line in csv.DictReader(f)}
