# SPDX-License-Identifier: Apache-2.0
"""Trying until it works."""

from __future__ import annotations

from staffeln.conductor import patience
from staffeln.domain import errors
from staffeln.tests import base


class PatienceTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.pauses: list[float] = []
        self.failures: list[Exception] = []
        self.stop_after = 100

    def attempt(self) -> str:
        if self.failures:
            raise self.failures.pop(0)
        return "done"

    def wait(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        return len(self.pauses) >= self.stop_after

    def until_done(self) -> str | None:
        return patience.until_done(
            "Testing", self.attempt, (errors.NotSentError,), self.wait
        )

    def test_what_works_at_once_is_not_waited_for(self) -> None:
        self.assertEqual("done", self.until_done())
        self.assertEqual([], self.pauses)

    def test_pauses_grow_and_each_try_is_one_line(self) -> None:
        self.failures = [errors.NotSentError("refused") for _ in range(9)]
        self.assertEqual("done", self.until_done())
        self.assertEqual([1, 2, 4, 8, 16, 32, 60, 60, 60], self.pauses)
        lines = self.log.output.strip().splitlines()
        self.assertEqual(9, len(lines))
        self.assertIn("Testing failed, next try in 1 s: refused", lines[0])

    def test_told_to_stop_it_ends_with_nothing(self) -> None:
        self.failures = [errors.NotSentError("refused") for _ in range(9)]
        self.stop_after = 2
        self.assertIsNone(self.until_done())

    def test_what_does_not_heal_is_raised(self) -> None:
        self.failures = [errors.WrongCloudError("another cloud")]
        self.assertRaises(errors.WrongCloudError, self.until_done)
