# SPDX-License-Identifier: Apache-2.0
"""What a benchmark cannot be held with is one line, and exit code 2."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Callable

import fixtures

from benchmarks import arguments
from staffeln.tests import base


class TestArguments(base.TestCase):
    """Of each benchmark, and of their end."""

    def said_by(self, main: Callable[[], int]) -> tuple[object, str]:
        """Its exit code, and the last line that it says of what is wrong."""
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            left = self.assertRaises(SystemExit, arguments.leave, main)
        return left.code, said.getvalue().splitlines()[-1]

    def said_to(self, line: str) -> tuple[object, str]:
        """The same of a benchmark and its arguments."""
        name, *others = line.split()
        self.useFixture(fixtures.MonkeyPatch("sys.argv", [name, *others]))
        found = importlib.import_module(f"benchmarks.{name}")
        return self.said_by(found.main)

    def test_what_is_no_measurement(self) -> None:
        for line, said in (
            ("cycle --volumes 0", "--volumes: 0 is less than 1"),
            ("cycle --volumes 10 -5", "--volumes: -5 is less than 1"),
            ("cycle --chain -1", "--chain: -1 is less than 0"),
            ("polling --running 0", "--running: 0 is less than 1"),
            ("polling --running -1", "--running: -1 is less than 1"),
            ("startup --volumes 0", "--volumes: 0 is less than 1"),
            ("starts --few 0", "--few: 0 is less than 1"),
            ("starts --backups 7", "--backups: 7 is no multiple of 200"),
            ("starts --backups 0", "--backups: 0 is less than 1"),
            ("starts --workers 0", "--workers: 0 is less than 1"),
            ("starts --latency -5", "--latency: -5 is no time that passes"),
            ("starts --latency nan", "--latency: nan is no time that passes"),
            ("starts --latency x", "--latency: 'x' is no number"),
            ("checks --workers 0", "--workers: 0 is less than 1"),
            ("claims --tasks few", "--tasks: 'few' is no whole number"),
            ("claims no", "DATABASE: 'no' is not one of sqlite, mariadb,"),
            ("reports no", "DATABASE: 'no' is not one of sqlite, mariadb,"),
            ("retention no", "DATABASE: 'no' is not one of sqlite, mariadb,"),
            ("retention --backups 5", "--backups: 5 is no multiple of 10000"),
        ):
            code, told = self.said_to(line)
            self.assertEqual(2, code, line)
            self.assertIn(f"error: argument {said}", told)

    def test_one_that_is_interrupted(self) -> None:
        def main() -> int:
            raise KeyboardInterrupt

        self.assertEqual((130, "interrupted"), self.said_by(main))

    def test_one_that_is_interrupted_in_the_midst_of_something(self) -> None:
        def main() -> int:
            try:
                raise KeyboardInterrupt
            finally:
                raise ValueError("it cannot be undone")

        self.assertEqual((130, "interrupted"), self.said_by(main))

    def test_one_that_fails_says_how(self) -> None:
        def main() -> int:
            raise ValueError("no more room")

        error = self.assertRaises(ValueError, arguments.leave, main)
        self.assertEqual("no more room", str(error))

    def test_what_a_benchmark_comes_to(self) -> None:
        for code in (0, 1):
            left = self.assertRaises(
                SystemExit, arguments.leave, lambda code=code: code
            )
            self.assertEqual(code, left.code)
