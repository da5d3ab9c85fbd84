# SPDX-License-Identifier: MIT
"""linear.py COMPOSE - composing takes work in proportion to parts, recipients, octets of a header

Counts instructions (valgrind, no clock) over a size that doubles twice, up to what is promised.
What the second doubling adds over what the first one added is 2 when linear, 4 when quadratic.
"""
import re
import shutil
import subprocess
import sys
import unittest

COMPOSE = sys.argv.pop(1)
MOST = 2.4


class Linear(unittest.TestCase):
    def count(self, kind, n):
        done = subprocess.run(['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null',
                               COMPOSE, kind, str(n)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return int(re.search(r'Collected : (\d+)', done.stderr).group(1))

    def check(self, kind, most):
        one, two, four = (self.count(kind, most // n) for n in (4, 2, 1))
        ratio = (four - two) / (two - one)
        self.assertLess(ratio, MOST, '%d %d %d instructions' % (one, two, four))
        print('# %s: %.0f instructions each, ratio %.2f' % (kind, (four - two) * 2 / most, ratio))

    def test_parts(self):
        self.check('parts', 10000)

    def test_recipients(self):
        self.check('recipients', 100000)

    def test_header(self):
        self.check('header', 1000000)


if __name__ == '__main__':
    if shutil.which('valgrind') is None:
        print('skipped: no valgrind')
        sys.exit(77)
    unittest.main()
