# SPDX-License-Identifier: Apache-2.0
"""What every store has to keep: reports, and how fresh all is."""

from __future__ import annotations

import datetime
from typing import Any

from staffeln.domain import errors, model, report, task
from staffeln.tests.functional.db import store_case
from staffeln.tests.functional.db.store_case import (
    DAY,
    NOW,
    SECOND,
    planned,
    removal,
)

CYCLE = model.Cycle(
    ended_at=NOW,
    seconds=1.5,
    term=1,
    complete=True,
    selected=7,
    dropped=1,
    never_protected=2,
    stale=3,
    oldest_protection_at=NOW - DAY,
    protected_at=(NOW,),
)


class ReportsSuite(store_case.StoreCase):
    """Part of :class:`suite.StoreSuite`."""

    def end(
        self,
        number: int,
        state: task.State = task.State.FAILED,
        *,
        still_busy: bool = False,
        **changes: Any,
    ) -> task.Task:
        """A backup task that has ended; succeeded with its row."""
        running = self.run_one(number, **changes)
        row: dict[str, Any] = {}
        if state is task.State.SUCCEEDED:
            row["backup"] = self.row(number, incremental=True)
        ended = self.move(running, state, still_busy=still_busy, **row)
        assert ended
        return ended

    def open_one(self, name: str = "r1", *projects: str) -> int:
        return self.open_in(self.term, name, *(projects or ("p1",)))

    def open_in(self, term: int, name: str, *projects: str) -> int:
        return self.store.open_report(
            term, name, report.Audience.PROJECT, projects, NOW
        )

    def deliver(self, name: str = "r1", *projects: str) -> None:
        self.assertLess(0, self.open_one(name, *projects))
        self.assertTrue(self.store.note_delivered(name, "p@example"))

    def told(self, name: str = "r1") -> list[str]:
        return [each.work.id for each in self.store.finished(name)]

    def not_done(self) -> list[str]:
        return [each.id for each in self.store.reports_not_done()]

    def due(
        self, period: datetime.timedelta = DAY
    ) -> list[tuple[str, datetime.datetime]]:
        return [
            (each.project_id, each.oldest_at)
            for each in self.store.due_reports(NOW, period)
        ]

    # -- what is due ---------------------------------------------------------

    def test_a_project_is_due_by_its_oldest_unreported_task(self) -> None:
        self.end(1, project_id="pa", created_at=NOW - DAY)
        self.end(2, project_id="pa", created_at=NOW - DAY + SECOND)
        self.end(3, project_id="pb", created_at=NOW - 2 * DAY)
        self.end(4, project_id="pc", created_at=NOW - DAY + SECOND)
        self.assertEqual(
            [("pb", NOW - 2 * DAY), ("pa", NOW - DAY)], self.due()
        )
        self.open_one("r1", "pb")
        self.assertEqual([("pa", NOW - DAY)], self.due())
        self.assertEqual(
            ["pa", "pc"], [each for each, _ in self.due(DAY - SECOND)]
        )

    def test_only_what_has_ended_is_due(self) -> None:
        long_ago = NOW - 9 * DAY
        self.run_one(2, created_at=long_ago)
        self.plan(planned(1, created_at=long_ago))
        self.assertEqual([], self.due())
        self.plan(cancelled=["t1"], cancel_reason="gone")
        self.assertEqual([("p1", long_ago)], self.due())

    def test_every_kind_and_end_belongs_to_a_report(self) -> None:
        self.end(1)
        self.end(2, task.State.SUCCEEDED)
        self.plan(planned(3), removal(4), removal(5))
        self.plan(cancelled=["t3", "d5"], cancel_reason="gone")
        (claimed,) = self.claim(kind=task.Kind.DELETE)
        self.move(self.start(claimed), task.State.SUCCEEDED)
        self.run_one(6)
        self.assertEqual(5, self.open_one())
        self.assertEqual(["d4", "d5", "t1", "t2", "t3"], self.told())

    # -- a report's life -----------------------------------------------------

    def test_a_report_knows_of_each_backup(self) -> None:
        self.end(1)
        self.end(2, task.State.SUCCEEDED)
        self.open_one()
        failed, succeeded = self.store.finished("r1")
        self.assertEqual(task.State.FAILED, failed.work.state)
        self.assertEqual(self.in_store("t2"), succeeded.work)
        self.assertIs(True, succeeded.incremental)
        self.assertEqual(
            self.backup_in_store("b2").created_at, succeeded.made_at
        )

    def test_what_ends_later_belongs_to_the_next_one(self) -> None:
        self.end(1)
        self.assertEqual(1, self.open_one("r1"))
        self.end(2)
        self.assertEqual(["t1"], self.told("r1"))
        self.assertEqual(1, self.open_one("r2"))
        self.assertEqual(["t2"], self.told("r2"))
        self.assertEqual(["r1", "r2"], self.not_done())

    def test_there_is_no_report_of_nothing(self) -> None:
        self.run_one(1)
        self.assertEqual(0, self.open_one())
        self.assertEqual([], self.not_done())
        self.assertEqual([], self.told())

    def test_a_report_is_of_its_projects_alone(self) -> None:
        for number, project in enumerate(("pa", "pb", "pc"), 1):
            self.end(number, project_id=project)
        self.assertEqual(2, self.open_one("r1", "pa", "pb"))
        self.assertEqual(1, self.open_one("r2", "pc"))
        self.assertEqual(
            {"r1": "", "r2": "pc"},
            {
                each.id: each.project_id
                for each in self.store.reports_not_done()
            },
        )

    def test_opening_it_again_changes_nothing(self) -> None:
        """As when the answer to the first call was lost."""
        self.end(1)
        self.assertEqual(1, self.open_one())
        self.end(2)
        self.assertEqual(1, self.open_one())
        self.assertEqual(["t1"], self.told())

    def test_what_was_delivered_is_not_sent_again(self) -> None:
        self.end(1)
        self.open_one()
        self.assertTrue(self.store.attempt_report(self.term, "r1", NOW))
        self.assertTrue(self.store.note_delivered("r1", "a@example"))
        self.assertFalse(self.store.attempt_report(self.term, "r1", NOW))
        self.store.note_refused(self.term, "r1")
        self.assertFalse(self.store.dissolve_report(self.term, "r1"))
        self.assertFalse(self.store.note_delivered("r1", "b@example"))
        (known,) = self.store.reports_not_done()
        self.assertEqual("a@example", known.receiver)
        self.assertEqual(report.Audience.PROJECT, known.audience)
        self.assertEqual(NOW, known.created_at)
        self.assertIsNotNone(known.delivered_at)
        self.assertEqual(2, known.attempts)
        self.store.note_refused(self.term, "no such")
        self.assertFalse(self.store.attempt_report(self.term, "no such", NOW))
        self.assertFalse(self.store.note_delivered("no such", ""))

    def test_attempts_are_counted_but_for_those_that_were_refused(
        self,
    ) -> None:
        self.end(1)
        self.open_one()

        def attempts() -> tuple[int, datetime.datetime | None]:
            (known,) = self.store.reports_not_done()
            return known.attempts, known.attempted_at

        self.assertEqual((1, NOW), attempts())
        self.store.attempt_report(self.term, "r1", NOW + DAY)
        self.assertEqual((2, NOW + DAY), attempts())
        for left in (1, 0, 0):
            self.store.note_refused(self.term, "r1")
            self.assertEqual((left, NOW + DAY), attempts())

    def test_since_when_something_is_due(self) -> None:
        """Not before it ended; what is young does not count."""
        self.end(1, created_at=NOW - 9 * DAY)
        self.end(2, created_at=NOW)
        found = self.store.get_task("t1")
        assert found
        assert found.finished_at
        (due,) = self.store.due_reports(NOW, DAY)
        self.assertEqual(NOW - 9 * DAY, due.oldest_at)
        self.assertEqual(max(NOW - 8 * DAY, found.finished_at), due.due_at)
        self.assertEqual([], self.store.due_reports(NOW, 20 * DAY))

    def test_a_delivery_is_noted_whoever_is_the_scheduler(self) -> None:
        self.end(1)
        self.open_one()
        self.store.take_office("c2")
        self.assertTrue(self.store.note_delivered("r1", STRANGE_RECEIVER))

    def test_a_dissolved_report_leaves_its_tasks_to_the_next(self) -> None:
        self.end(1, created_at=NOW - DAY)
        self.open_one()
        self.assertEqual([], self.due())
        self.assertTrue(self.store.dissolve_report(self.term, "r1"))
        self.assertFalse(self.store.dissolve_report(self.term, "r1"))
        self.assertEqual([], self.not_done())
        self.assertEqual([("p1", NOW - DAY)], self.due())
        self.end(2)
        self.assertEqual(2, self.open_one("r2"))

    def test_a_delivered_report_purges_its_tasks_alone(self) -> None:
        self.end(1)
        self.end(2, task.State.SUCCEEDED)
        self.deliver()
        self.end(3)
        self.store.purge_report(self.term, "r1")
        self.assertEqual(["t3"], [each.id for each in self.store.tasks()])
        self.assertEqual([], self.store.events("t1"))
        self.assertNotEqual([], self.store.events("t3"))
        self.assertEqual("b2", self.backup_in_store("b2").id)
        self.assertEqual([], self.not_done())
        self.store.purge_report(self.term, "r1")

    def test_what_was_not_delivered_is_never_purged(self) -> None:
        self.end(1)
        self.open_one()
        self.store.purge_report(self.term, "r1")
        self.store.purge_report(self.term, "no such")
        self.assertEqual(["t1"], self.told())
        self.assertEqual(["r1"], self.not_done())

    def test_what_holds_a_seat_is_purged_once_it_is_free(self) -> None:
        self.end(1)
        self.plan(planned(2))
        (claimed,) = self.claim(running=4)
        running = self.move(self.start(claimed), task.State.RUNNING)
        assert running
        self.move(running, task.State.FAILED, still_busy=True)
        self.deliver()
        self.store.purge_report(self.term, "r1")
        self.assertEqual(["t2"], self.told())
        self.assertEqual(["t2"], [each.id for each in self.store.overdue()])
        self.assertEqual(["r1"], self.not_done())
        self.store.free_seats(["t2"])
        self.store.purge_report(self.term, "r1")
        self.assertIsNone(self.store.get_task("t2"))
        self.assertEqual([], self.not_done())

    def test_reports_that_are_done_with_are_forgotten(self) -> None:
        self.end(1)
        self.deliver("r1")
        self.end(2)
        self.deliver("r2")
        self.store.purge_report(self.term, "r1")
        now = self.store.now()
        self.assertEqual(0, self.store.forget_reports(self.term, now - DAY))
        self.assertEqual(1, self.store.forget_reports(self.term, now + DAY))
        self.assertEqual(["r2"], self.not_done())

    def test_nobody_was_told_until_it_was_delivered(self) -> None:
        self.end(1)
        self.assertEqual({"why"}, self.history().unreported_failures)
        self.open_one()
        self.assertEqual({"why"}, self.history().unreported_failures)
        self.store.note_delivered("r1", "")
        self.assertEqual(frozenset(), self.history().unreported_failures)

    def test_a_term_that_is_over_writes_nothing(self) -> None:
        self.end(1)
        self.end(2)
        self.open_one("r1")
        old, store = self.term, self.store
        store.take_office("c2")
        for call in (
            lambda: self.open_in(old, "r2", "p1"),
            lambda: store.attempt_report(old, "r1", NOW),
            lambda: store.note_refused(old, "r1"),
            lambda: store.dissolve_report(old, "r1"),
            lambda: store.purge_report(old, "r1"),
            lambda: store.forget_reports(old, NOW),
            lambda: store.note_cycle(old, CYCLE),
            lambda: store.note_retention(old, NOW),
        ):
            self.assertRaises(errors.OvertakenError, call)
        self.assertEqual(["r1"], self.not_done())
        self.assertIsNone(store.freshness().cycle_at)

    def test_two_schedulers_that_open_at_once_share_no_task(self) -> None:
        """Whoever is overtaken opens nothing."""
        for number in range(20):
            self.end(number)
        terms = [self.term, self.store.take_office("c2")]

        def open_it(number: int) -> bool:
            try:
                self.open_in(terms[number], f"r{number}", "p1")
            except errors.OvertakenError:
                return False
            return True

        self.assertEqual([False, True], self.at_once(2, open_it))
        self.assertEqual([], self.told("r0"))
        self.assertEqual(20, len(self.told("r1")))

    # -- how fresh all is ----------------------------------------------------

    def test_how_fresh_all_is(self) -> None:
        before = self.store.freshness()
        self.assertEqual(
            (None, None, None, 0, 0, 0, None),
            (
                before.cycle_at,
                before.retention_at,
                before.selected,
                before.dropped,
                before.never_protected,
                before.stale,
                before.oldest_protection_at,
            ),
        )
        self.store.note_cycle(self.term, CYCLE)
        self.store.note_retention(self.term, NOW + SECOND)
        found = self.store.freshness()
        self.assertEqual(
            (NOW, NOW + SECOND, 7, 1, 2, 3, NOW - DAY),
            (
                found.cycle_at,
                found.retention_at,
                found.selected,
                found.dropped,
                found.never_protected,
                found.stale,
                found.oldest_protection_at,
            ),
        )

    def test_a_cycle_that_read_not_all_says_nothing(self) -> None:
        self.store.note_cycle(self.term, CYCLE)
        self.store.note_cycle(
            self.term,
            model.Cycle(
                ended_at=NOW + DAY,
                seconds=1,
                term=1,
                complete=False,
                selected=0,
                dropped=0,
                never_protected=0,
                stale=0,
                oldest_protection_at=None,
            ),
        )
        found = self.store.freshness()
        self.assertEqual((NOW, 7), (found.cycle_at, found.selected))

    def test_what_is_remembered_of_a_dropped_volume(self) -> None:
        record = model.VolumeRecord(
            volume_id="v1",
            project_id="p1",
            dropped_since=NOW,
            dropped_why="no server carries the key",
        )
        self.plan(records=[record])
        self.assertEqual(record, self.store.volume_record("v1"))


STRANGE_RECEIVER = store_case.STRANGE_NAME * 30
