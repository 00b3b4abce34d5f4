# SPDX-License-Identifier: Apache-2.0
"""Asking the same of many."""

from __future__ import annotations

import threading

from staffeln.domain import errors
from staffeln.status.parallel import AT_ONCE, ask_all
from staffeln.tests import base

LIMIT = 60.0


class AskAllTest(base.TestCase):
    def test_all_are_asked_once(self) -> None:
        ids = [str(number) for number in range(5 * AT_ONCE)]
        asked: list[str] = []

        def ask(one: str) -> int:
            asked.append(one)
            return int(one)

        found = ask_all(ids, ask, LIMIT)
        self.assertEqual({each: int(each) for each in ids}, found)
        self.assertEqual(sorted(ids), sorted(asked))

    def test_a_refusal_is_an_answer(self) -> None:
        refused = errors.NoRoleError("no")

        def ask(one: str) -> str:
            if one == "b":
                raise refused
            return one

        self.assertEqual(
            {"a": "a", "b": refused, "c": "c"}, ask_all("abc", ask, LIMIT)
        )

    def test_what_is_no_refusal_ends_it(self) -> None:
        def ask(_: str) -> str:
            raise ZeroDivisionError

        self.assertRaises(ZeroDivisionError, ask_all, "abc", ask, LIMIT)

    def test_time_that_is_up_leaves_the_rest(self) -> None:
        never = threading.Event()
        self.addCleanup(never.set)

        def ask(one: str) -> str:
            if one == "hangs":
                never.wait()
            return one

        found = ask_all(["a", "hangs"], ask, 0.5)
        self.assertEqual({"a": "a"}, found)

    def test_not_too_many_at_once(self) -> None:
        lock = threading.Lock()
        together = threading.Barrier(AT_ONCE)
        running = most = 0

        def ask(_: str) -> None:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            together.wait(LIMIT)
            with lock:
                running -= 1

        ask_all(map(str, range(2 * AT_ONCE)), ask, LIMIT)
        self.assertEqual(AT_ONCE, most)

    def test_nobody_is_asked_for_nothing(self) -> None:
        self.assertEqual({}, ask_all([], str, LIMIT))
