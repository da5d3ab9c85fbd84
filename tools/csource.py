# SPDX-License-Identifier: MIT
"""What the checks share: finding C files, and reading them without comments and strings."""
import glob
import os
import re

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def files(*folders, endings=('.c', '.h')):
    """Paths of the C files under the folders, relative to the top, sorted."""
    found = []
    for folder in folders:
        for path in glob.glob(os.path.join(TOP, folder, '**', '*'), recursive=True):
            if path.endswith(endings):
                found.append(os.path.relpath(path, TOP))
    return sorted(found)


def read(path):
    with open(os.path.join(TOP, path), encoding='utf-8') as f:
        return f.read()


def _blank(match):
    text = match.group(0)
    kept = '""' if text[0] == '"' else "' '" if text[0] == "'" else ' '
    return kept + '\n' * text.count('\n')


def code(text):
    """The text with comments and the insides of strings blanked; line numbers stay."""
    return TOKEN.sub(_blank, text)


def comments(text):
    """(line number, text without the comment's own signs) of each comment."""
    for match in TOKEN.finditer(text):
        if match.group(0).startswith('/*'):
            body = re.sub(r'\n[ \t]*\*(?!/) ?', '\n', match.group(0)[2:-2])
            yield text.count('\n', 0, match.start()) + 1, body


def functions(text):
    """(name, first line, number of lines) of each function defined in a file.

    Relies on the layout of .clang-format: the name and the closing brace stand in the
    first column.
    """
    start = None
    for number, line in enumerate(code(text).split('\n'), 1):
        head = re.match(r'(?:static inline .*?|static .*?|[a-z].*?[ *])?([a-z_]\w*)\(', line)
        if head and not line.rstrip().endswith((';', '}')) and not line.startswith((' ', '\t', '#')):
            start = (head.group(1), number)
        elif line.startswith('}'):
            if start and line.rstrip() == '}':
                yield start[0], start[1], number - start[1] + 1
            start = None
        elif line.rstrip().endswith(';') and start and not line.startswith((' ', '\t', '{')):
            start = None


def report(problems, good):
    """Prints the problems, or the good news; gives the exit status."""
    for problem in problems:
        print(problem)
    if problems:
        print(f'{len(problems)} problem(s)')
        return 1
    print(good)
    return 0
