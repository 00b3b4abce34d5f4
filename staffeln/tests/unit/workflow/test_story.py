# SPDX-License-Identifier: Apache-2.0
"""What a cycle's log says at INFO: a story, however large the cloud is."""

from __future__ import annotations

import datetime
import logging

import fixtures

from staffeln.domain import durations, task
from staffeln.tests import base
from staffeln.tests.unit.domain import samples
from staffeln.tests.unit.workflow import world
from staffeln.workflow import planning, writer
from staffeln.workflow.tally import Tally


class TallyTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.tally = Tally()

    def moved(self, before: task.State | None, state: task.State) -> None:
        self.tally.moved(before, samples.backup_task(state=state))

    def test_what_ran_and_ended_is_counted_once(self) -> None:
        self.moved(task.State.STARTING, task.State.RUNNING)
        self.moved(task.State.RUNNING, task.State.SUCCEEDED)
        self.moved(task.State.RUNNING, task.State.FAILED)
        self.assertEqual(
            "1 backup(s) made, 1 failed, 0 deleted", self.tally.take()
        )
        self.assertEqual(
            "0 backup(s) made, 0 failed, 0 deleted", self.tally.take()
        )

    def test_what_never_ran_is_no_work_done(self) -> None:
        self.moved(None, task.State.FAILED)
        self.moved(None, task.State.PLANNED)
        self.assertEqual(
            "0 backup(s) made, 0 failed, 0 deleted", self.tally.take()
        )

    def test_deletes_are_apart(self) -> None:
        work = samples.backup_task(
            kind=task.Kind.DELETE, state=task.State.SUCCEEDED
        )
        self.tally.moved(task.State.RUNNING, work)
        self.assertTrue(self.tally.take().endswith(", 1 deleted"))


class StoryTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.world = world.World()
        self.said = self.useFixture(
            fixtures.FakeLogger(
                "staffeln",
                level=logging.INFO,
                format="%(levelname)s %(message)s",
            )
        )

    def lines(self) -> list[str]:
        return self.said.output.splitlines()

    def test_a_first_cycle_is_as_short_for_many_volumes(self) -> None:
        self.world.protect()
        self.world.lead()
        of_one = len(self.lines())
        other = world.World()
        for _ in range(planning.MOST_POSTPONED * 3):
            other.protect()
        before = len(self.lines())
        other.lead()
        self.assertEqual(of_one, len(self.lines()) - before)
        self.assertIn("60 x never backed up; full: ", self.said.output)

    def test_failures_at_once_are_named_and_then_counted(self) -> None:
        for _ in range(writer.MOST_FAILED + 5):
            self.world.protect(status="error")
        self.world.lead()
        named = [x for x in self.lines() if "new -> failed" in x]
        self.assertEqual(writer.MOST_FAILED, len(named))
        self.assertIn("WARNING 5 more tasks failed at once", self.said.output)

    def test_a_cycle_has_a_beginning_and_an_end(self) -> None:
        self.world.protect()
        self.world.lead()
        lines = self.lines()
        self.assertIn("INFO Cycle 1 of term 1 begins", lines)
        self.assertRegex(
            lines[-1],
            r"^INFO Cycle 1 of term 1 ended after \S+ s: 1 backup\(s\) "
            "planned, 0 of 1 volumes",
        )

    def test_a_round_of_retention_says_that_nothing_changes(self) -> None:
        self.world.protect()
        self.world.lead()
        self.world.retain()
        self.assertRegex(
            self.lines()[-1], "^INFO Retention in .* s: nothing changes"
        )
        self.world.retain()
        self.assertEqual("INFO Retention: nothing is due", self.lines()[-1])

    def test_why_backups_are_deleted_is_counted(self) -> None:
        keep = durations.Duration(days=1)
        self.world = world.World(keep_last=0, retention_time=keep)
        for _ in range(2):
            self.world.protect()
        self.world.backup_cycle()
        self.world.pass_time(datetime.timedelta(days=2))
        self.world.retain()
        lines = self.lines()
        self.assertIn(
            "INFO Reasons to delete: 2 x expired: kept for 1d", lines
        )
        self.assertRegex(lines[-1], "^INFO Retention in .*: 2 delete")
