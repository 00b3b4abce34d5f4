# SPDX-License-Identifier: Apache-2.0
"""A database that does not answer is asked by one at a time."""

from __future__ import annotations

import contextlib

from hypothesis import stateful
from hypothesis import strategies as st

from staffeln.db import fuse
from staffeln.tests import base


class FuseTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = 0.0
        self.fuse = fuse.Fuse(lambda: self.clock)

    def fail_once(self) -> None:
        with contextlib.suppress(ZeroDivisionError), self.fuse.question():
            raise ZeroDivisionError

    def assert_blown(self) -> None:
        with (
            self.assertRaises(fuse.BlownError),
            self.fuse.question(),
        ):
            self.fail("it was let through")

    def test_an_error_is_not_swallowed(self) -> None:
        with self.assertRaises(KeyboardInterrupt), self.fuse.question():
            raise KeyboardInterrupt

    def test_all_is_well(self) -> None:
        for _ in range(5):
            with self.fuse.question(), self.fuse.question():
                pass

    def test_a_failure_blows_it(self) -> None:
        self.fail_once()
        self.assert_blown()
        self.clock = fuse.FIRST_PAUSE
        with self.fuse.question():
            pass
        with self.fuse.question(), self.fuse.question():
            pass

    def test_one_at_a_time_tries(self) -> None:
        self.fail_once()
        self.clock = fuse.FIRST_PAUSE
        with self.fuse.question():
            self.clock += 10
            self.assert_blown()

    def test_the_pause_doubles_up_to_a_second(self) -> None:
        pauses = [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
        for pause in pauses:
            self.fail_once()
            self.clock += pause - 0.01
            self.assert_blown()
            self.clock += 0.011
        with self.fuse.question():
            pass
        self.fail_once()
        self.clock += fuse.FIRST_PAUSE
        with self.fuse.question():
            pass

    def test_an_answer_to_one_that_was_let_through_before_heals_it(
        self,
    ) -> None:
        with self.fuse.question():
            self.fail_once()
            self.assert_blown()
        with self.fuse.question():
            pass


class Crowd(stateful.RuleBasedStateMachine):
    """Questions that begin and end in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = 0.0
        self.fuse = fuse.Fuse(lambda: self.clock)
        self.open: list[tuple[contextlib.ExitStack, bool]] = []
        self.failed_in_a_row = 0
        self.failed_at = 0.0
        self.begun_while_blown = 0

    @stateful.rule()
    def begin(self) -> None:
        stack = contextlib.ExitStack()
        blown = self.failed_in_a_row > 0
        try:
            stack.enter_context(self.fuse.question())
        except fuse.BlownError:
            assert blown
            return
        if blown:
            assert self.clock >= self.failed_at + fuse.FIRST_PAUSE
            self.begun_while_blown += 1
            assert self.begun_while_blown == 1
        self.open.append((stack, blown))

    @stateful.precondition(lambda self: self.open)
    @stateful.rule(number=st.integers(0, 99), answered=st.booleans())
    def end(self, number: int, answered: bool) -> None:
        stack, blown = self.open.pop(number % len(self.open))
        self.begun_while_blown -= blown
        if answered:
            stack.close()
            self.failed_in_a_row = 0
        else:
            error = OSError()
            stack.__exit__(OSError, error, None)
            self.failed_in_a_row += 1
            self.failed_at = self.clock

    @stateful.rule(seconds=st.sampled_from([0.1, 0.5, 1.0]))
    def wait(self, seconds: float) -> None:
        self.clock += seconds

    def teardown(self) -> None:
        """It is never blown for ever."""
        while self.open:
            self.end(0, answered=False)
        self.clock += fuse.LONGEST_PAUSE
        with self.fuse.question():
            pass


CrowdTest = Crowd.TestCase
