# SPDX-License-Identifier: MIT
"""What the tools share that read RFC tags: [RFC5321 4.5.2] "quote" in comments."""
import re

import csource

TAG = re.compile(r'\[RFC ?(\d+) ([0-9A-Z][0-9A-Za-z.]*?)\]')
SECTION = r'(?:\d+(?:\.\d+)*|[A-Z]\.\d+)'
NAMED = re.compile(r'RFC (\d+) (' + SECTION + r'(?:(?:, | and )' + SECTION + r'(?![\w%]))*)')


def fold(text):
    # A word broken at its hyphen at the end of a line is one word.
    return re.sub(r'- ', '-', ' '.join(text.split()))


def quote_after(text):
    """The quote that follows a tag; quotes inside it come in pairs.  None when there is none."""
    start = text.find('"')
    if start < 0 or start > 80:
        return None
    for match in re.finditer(r'"(?=[\s.,;:)]|$)', text[start + 1:]):
        inside = text[start + 1:start + 1 + match.start()]
        if inside.count('"') % 2 == 0 and inside.strip():
            return inside
    return None


def tags(path):
    for line, comment in csource.comments(csource.read(path)):
        found = list(TAG.finditer(comment))
        for i, match in enumerate(found):
            end = found[i + 1].start() if i + 1 < len(found) else len(comment)
            here = line + comment.count('\n', 0, match.start())
            yield here, int(match.group(1)), match.group(2), quote_after(comment[match.end():end])


def script_head(text):
    return ''.join(line for line in text.splitlines(True) if line.startswith('#'))


def named_sections(text):
    """(rfc, section) of each "RFC 5321 3.3, 4.5.2" and each tag in a text."""
    for number, sections in NAMED.findall(' '.join(text.replace('#', ' ').split())):
        for section in re.findall(SECTION, sections):
            yield int(number), section
    for number, section in TAG.findall(text):
        yield int(number), section.rstrip('.')
