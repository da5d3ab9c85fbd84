# SPDX-License-Identifier: MIT
"""The checks in tools/ find what they are there to find."""
import importlib.machinery
import importlib.util
import os
import sys
import unittest

TOOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'tools')
sys.path.insert(0, TOOLS)
sys.dont_write_bytecode = True
import csource


def load(name):
    loader = importlib.machinery.SourceFileLoader(name.replace('-', '_'), os.path.join(TOOLS, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


class Checks(unittest.TestCase):
    def test_functions_are_measured(self):
        text = 'static int\nadd(int a,\n    int b)\n{\n    /* } */\n    return a;\n}\n'
        self.assertEqual(list(csource.functions(text)), [('add', 2, 6)])

    def test_layers_refuse_siblings_and_inner_headers(self):
        layers = load('check-layers')
        rooms, libraries = layers.read_rules()
        for room, sign, header, allowed in (
                ('mime', '"', 'smtp/smtp.h', False), ('smtp', '"', 'base/base.h', True),
                ('client', '"', 'net/conn_int.h', False), ('client', '"', 'net/net.h', True),
                ('cli', '"', 'base/base.h', False), ('sink', '"', 'client/client.h', False),
                ('smtp', '<', 'uv.h', False), ('net', '<', 'uv.h', True),
                ('base', '<', 'ctype.h', False), ('smtp', '<', 'letterwing/send.h', False)):
            problem = layers.problem_in_room(room, rooms[room], libraries, sign, header)
            self.assertEqual(problem is None, allowed, (room, header))

    def test_banned_calls_are_found_outside_comments(self):
        banned = load('check-banned')
        text = '/* strcpy(a, b) */\nx = "exit(1)";\nstrcpy(a, b);\nm->free(p);\nfree (p);\n'
        self.assertEqual([p.split(':')[1] for p in banned.check_calls('src/smtp/x.c', text)],
                         ['3', '5'])
        self.assertEqual(len(list(banned.check_calls('src/cli/x.c', text))), 1)

    def test_sections_that_a_test_names_are_found(self):
        rfcs = load('rfcs.py')
        self.assertEqual(list(rfcs.named_sections('# RFC 5321 3.3, 4.5.2; RFC 2920 3.1\n# 250 is not 9')),
                         [(5321, '3.3'), (5321, '4.5.2'), (2920, '3.1')])
        self.assertEqual(list(rfcs.named_sections('[RFC5321 4.5.2] "a"')), [(5321, '4.5.2')])

    def test_quotes_stand_in_their_section(self):
        quotes = load('check-rfc-quotes')
        lines = ['1.  First', '', '   A server MUST', '   wait.', '2.  Second', '   Or not.']
        self.assertTrue(quotes.holds(quotes.section(lines, '1'), 'A server MUST wait.'))
        self.assertFalse(quotes.holds(quotes.section(lines, '2'), 'A server MUST wait.'))
        self.assertFalse(quotes.holds(quotes.section(lines, '1'), 'A server must wait.'))
        self.assertIsNone(quotes.section(lines, '3'))
        self.assertEqual(quotes.quote_after(' "any between "!" and "~" here" */'),
                         'any between "!" and "~" here')

    def test_summary_counts_cases_and_skips(self):
        summary = load('test-summary')
        out = '[       OK ] test_a\n[  FAILED  ] test_b\n[  SKIPPED ] test_c\n'
        counts = summary.count_cases(out, 'p')
        self.assertEqual((counts.passed, counts.failed, counts.skipped), (1, 1, 1))
        skipped = summary.count_test({'name': 's / t', 'result': 'SKIP', 'stdout': 'skipped: none'})
        self.assertEqual(skipped.skips, [('t', 'none')])
        timeout = summary.count_test({'name': 't', 'result': 'TIMEOUT'})
        self.assertEqual(timeout.failed, 1)


if __name__ == '__main__':
    unittest.main()
