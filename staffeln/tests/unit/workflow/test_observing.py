# SPDX-License-Identifier: Apache-2.0
"""Observers are told everything, and cannot hurt who tells."""

from __future__ import annotations

import datetime
from typing import Any

from staffeln.domain import durations, errors, task
from staffeln.tests import base
from staffeln.tests.unit.domain import samples
from staffeln.tests.unit.workflow import world
from staffeln.workflow.observing import NOBODY, Observers


class Listener:
    """Notes what it is told, or fails."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.told: list[Any] = []
        self.failure = failure

    def __getattr__(self, name: str) -> Any:
        def note(*values: Any, **named: Any) -> None:
            self.told.append((name, *values, *named.values()))
            if self.failure:
                raise self.failure

        return note


class WorldTest(base.TestCase):
    """What happens in a small world is told, once it is saved."""

    def setUp(self) -> None:
        super().setUp()
        self.listener = Listener()
        self.world = world.World(
            observer=Observers([self.listener]),
            keep_last=0,
            retention_time=durations.Duration(days=1),
        )

    def told(self, name: str) -> list[Any]:
        return [each[1:] for each in self.listener.told if each[0] == name]

    def moves(self, kind: task.Kind) -> list[tuple[str, str]]:
        return [
            (before or "new", work.state)
            for before, work in self.told("moved")
            if work.kind is kind
        ]

    def test_a_backup_and_its_end(self) -> None:
        self.world.protect()
        self.world.backup_cycle()
        self.assertEqual(
            [
                ("new", "planned"),
                ("planned", "claimed"),
                ("claimed", "starting"),
                ("starting", "running"),
                ("running", "succeeded"),
            ],
            self.moves(task.Kind.BACKUP),
        )
        self.world.pass_time(world.DAY * 2)
        self.world.retain()
        self.world.work()
        self.assertEqual(
            [("new", "planned"), ("planned", "claimed")],
            self.moves(task.Kind.DELETE)[:2],
        )
        ((seconds, complete),) = self.told("retention_ended")
        self.assertTrue(complete)
        self.assertGreaterEqual(seconds, 0)
        self.assertIsNotNone(self.world.store.freshness().retention_at)

    def test_every_move_that_is_told_was_saved(self) -> None:
        self.world.protect()
        self.world.backup_cycle("error")
        saved = [
            (event.from_state or "new", event.to_state)
            for work in self.world.store.tasks(kind=task.Kind.BACKUP)
            for event in self.world.store.events(work.id)
        ]
        self.assertEqual(sorted(saved), sorted(self.moves(task.Kind.BACKUP)))

    def test_a_cycle_and_whether_it_was_complete(self) -> None:
        self.world.protect()
        self.world.lead()
        self.incomplete()
        self.world.lead()
        self.assertEqual(
            [True, False],
            [cycle.complete for (cycle,) in self.told("cycle_ended")],
        )

    def test_a_round_that_was_held_back_is_not_complete(self) -> None:
        self.world.protect()
        self.world.backup_cycle()
        self.world.pass_time(world.DAY * 2)
        for hold in (self.incomplete, self.apart):
            hold()
            self.world.retain()
        self.assertEqual(
            [False, False],
            [complete for _, complete in self.told("retention_ended")],
        )
        self.assertIsNone(self.world.store.freshness().retention_at)

    def incomplete(self) -> None:
        self.world.cloud.fail(
            "server_pages", errors.NoAnswerError("Nova is away")
        )

    def apart(self) -> None:
        self.world.cloud.clock_error = datetime.timedelta(hours=1)

    def test_a_round_that_waits_for_a_yes_is_not_complete(self) -> None:
        self.world = world.World(
            observer=Observers([self.listener]),
            keep_last=0,
            small_round=0,
            retention_time=durations.Duration(days=1),
        )
        self.world.protect()
        self.world.backup_cycle()
        self.world.pass_time(world.DAY * 2)
        self.world.retain()
        ((_, complete),) = self.told("retention_ended")
        self.assertFalse(complete)


class ObserversTest(base.TestCase):
    def test_one_that_fails_keeps_nothing_from_the_others(self) -> None:
        bad, good = Listener(ValueError("a bug")), Listener()
        told = Observers([bad, good])
        work, cycle = samples.backup_task(), samples.cycle()
        told.moved(None, work)
        told.moved(task.State.PLANNED, work)
        told.cycle_ended(cycle)
        told.retention_ended(1.5, complete=False)
        told.report_sent("r", ("p",), ("a@b",))
        told.report_failed("r", ("p",))
        self.assertEqual(
            [
                ("moved", None, work),
                ("moved", task.State.PLANNED, work),
                ("cycle_ended", cycle),
                ("retention_ended", 1.5, False),
                ("report_sent", "r", ("p",), ("a@b",)),
                ("report_failed", "r", ("p",)),
            ],
            good.told,
        )
        self.assertEqual(bad.told, good.told)
        self.assertEqual(6, self.log.output.count("could not be told"))

    def test_nobody_is_told_nothing(self) -> None:
        NOBODY.moved(None, samples.backup_task())
