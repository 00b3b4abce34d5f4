# SPDX-License-Identifier: Apache-2.0
"""Observers are told everything, and cannot hurt who tells."""

from __future__ import annotations

from typing import Any

from staffeln.domain import task
from staffeln.tests import base
from staffeln.tests.unit.domain import samples
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
