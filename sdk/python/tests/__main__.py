"""Runs all tests and writes how many passed, failed and were skipped into the file that is named."""

import sys
import unittest

result = unittest.main(module=None, argv=["tests"], exit=False).result
bad = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
with open(sys.argv[1], "w", encoding="ascii") as counts:
    print(result.testsRun - bad - len(result.skipped), bad, len(result.skipped), file=counts)
sys.exit(not result.wasSuccessful())
