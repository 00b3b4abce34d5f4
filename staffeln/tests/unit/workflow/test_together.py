# SPDX-License-Identifier: Apache-2.0
"""Moves of many threads: saved together, and judged one by one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import fixtures

from staffeln import ports
from staffeln.domain import errors, task
from staffeln.tests import base
from staffeln.tests.unit.domain import samples
from staffeln.workflow import together

PATIENCE = 60
"""Seconds after which a test gives up; nothing waits so long."""


def change(number: int) -> ports.Change:
    """A claim of a task."""
    before = task.Task(
        id=f"t{number}",
        kind=task.Kind.BACKUP,
        state=task.State.PLANNED,
        project_id="p1",
        volume_id=f"v{number}",
        created_at=samples.NOW,
        updated_at=samples.NOW,
    )
    after = task.advance(before, task.State.CLAIMED, samples.NOW, "why")
    return ports.Change(before=before, after=after)


class Database:
    """Remembers its transactions; the first waits until it is let go."""

    def __init__(self) -> None:
        self.transactions: list[list[str]] = []
        self.begun = threading.Event()
        self.let_go = threading.Event()
        self.refused: set[str] = set()
        self.overtaken: set[str] = set()
        self.failure: Exception | None = None

    def save(self, changes: Sequence[ports.Change]) -> list[task.Task]:
        first = not self.transactions
        self.transactions.append([each.before.id for each in changes])
        if first:
            self.begun.set()
            assert self.let_go.wait(PATIENCE)
        elif self.failure is not None:
            raise self.failure
        if self.refused.intersection(each.before.id for each in changes):
            raise errors.StoreRefusedError("a value that no database takes")
        return [
            each.after
            for each in changes
            if each.before.id not in self.overtaken
        ]


class TogetherTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.database = Database()
        self.addCleanup(self.database.let_go.set)
        self.together = together.Together(self.database.save)
        self.outcomes: dict[str, together.Outcome] = {}

    def save(self, number: int) -> None:
        wanted = change(number)
        try:
            outcome: together.Outcome = self.together.save(wanted)
        except Exception as error:  # noqa: BLE001  it is looked at later
            outcome = error
        self.outcomes[wanted.before.id] = outcome

    def thread(self, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work)
        thread.start()
        return thread

    def at_once(self, count: int) -> None:
        """One that writes, and all others while it does."""
        threads = [self.thread(lambda: self.save(0))]
        self.assertTrue(self.database.begun.wait(PATIENCE))
        threads += [
            self.thread(lambda number=number: self.save(number))  # type: ignore[misc]
            for number in range(1, count)
        ]
        waits = threading.Event()
        while len(self.together._waiting) < count - 1:
            waits.wait(0.001)
        self.database.let_go.set()
        for each in threads:
            each.join(PATIENCE)
        self.assertEqual(count, len(self.outcomes))

    def moved(self) -> set[str]:
        return {
            name
            for name, outcome in self.outcomes.items()
            if isinstance(outcome, task.Task) and outcome.id == name
        }

    def test_those_who_wait_are_one_transaction(self) -> None:
        self.at_once(16)
        self.assertEqual(
            [1, 15], [len(each) for each in self.database.transactions]
        )
        self.assertEqual(16, len(self.moved()))

    def test_no_transaction_is_too_large(self) -> None:
        self.useFixture(
            fixtures.MonkeyPatch("staffeln.workflow.together.MOST", 4)
        )
        self.at_once(12)
        self.assertEqual(
            [1, 4, 4, 3], [len(each) for each in self.database.transactions]
        )
        self.assertEqual(12, len(self.moved()))

    def test_each_is_told_of_its_own(self) -> None:
        self.database.overtaken = {"t0", "t3"}
        self.at_once(6)
        self.assertEqual({"t1", "t2", "t4", "t5"}, self.moved())
        self.assertIsNone(self.outcomes["t0"])
        self.assertIsNone(self.outcomes["t3"])

    def test_one_that_is_refused_harms_no_other(self) -> None:
        self.database.refused = {"t2"}
        self.at_once(6)
        self.assertEqual({"t0", "t1", "t3", "t4", "t5"}, self.moved())
        self.assertIsInstance(self.outcomes["t2"], errors.StoreRefusedError)

    def test_many_that_are_refused_harm_no_other(self) -> None:
        bad = {"t2", "t3", "t4", "t5", "t6", "t19"}
        self.database.refused = bad
        self.at_once(30)
        self.assertEqual({f"t{n}" for n in range(30)} - bad, self.moved())

    def test_where_the_database_goes_away_meanwhile_the_rest_is_left(
        self,
    ) -> None:
        asked: list[int] = []

        def save(changes: Sequence[ports.Change]) -> list[task.Task]:
            asked.append(len(changes))
            if len(changes) > 1:
                raise errors.StoreRefusedError("one of them")
            raise errors.StoreError("gone")

        outcomes = together.carry_out(save, [change(n) for n in range(8)])
        self.assertEqual([8, 4, 2, 1], asked)
        self.assertEqual([True] * 8, [*map(together.may_be_written, outcomes)])

    def test_what_may_be_written_is_not_written_again(self) -> None:
        self.database.failure = errors.StoreError("lost during a commit")
        self.at_once(8)
        self.assertEqual({"t0"}, self.moved())
        self.assertEqual(2, len(self.database.transactions))
        for number in range(1, 8):
            self.assertIs(self.database.failure, self.outcomes[f"t{number}"])

    def test_after_a_failure_others_go_on(self) -> None:
        self.database.let_go.set()
        self.database.failure = errors.StoreError("gone")
        self.save(0)
        self.save(1)
        self.database.failure = None
        self.save(2)
        self.assertEqual({"t0", "t2"}, self.moved())

    def test_nobody_waits_for_himself(self) -> None:
        saved = []

        def save(changes: Sequence[ports.Change]) -> list[task.Task]:
            if changes[0].before.id == "t1":
                saved.append(self.together.save(change(2)))
            return [each.after for each in changes]

        self.together = together.Together(save)
        self.save(1)
        self.assertEqual({"t1"}, self.moved())
        self.assertEqual(["t2"], [each.id for each in saved if each])
