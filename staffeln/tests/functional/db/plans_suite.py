# SPDX-License-Identifier: Apache-2.0
"""What retention reads of full tables, and how a database finds it."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import sqlalchemy as sa

from staffeln import ports
from staffeln.db import migration, retention, rows, session
from staffeln.db.store import SqlStore
from staffeln.domain import report, task
from staffeln.tests.functional.db import databases, plans_rows
from staffeln.tests.functional.db.plans_rows import HOUR, NOW

GROWING = ("tasks", "task_events", "backups", "volumes", "reports")
GOVERNANCE = "ix_backups_governance"
EXPIRY = "ix_backups_expiry"


@dataclasses.dataclass(frozen=True, slots=True)
class Access:
    """One line of a plan: a table, and how it is read."""

    table: str
    index: str | None
    """None: the whole table is read."""
    sorts: bool = False
    """What is found is put in order only after all of it was read."""


class PlansSuite(databases.DatabaseCase):
    """Inherit this with ``new_url`` and what asks for a plan."""

    url: ClassVar[str | None] = None
    """Of the one database that all tests of a class look at."""
    database: session.Database

    def setUp(self) -> None:
        super().setUp()
        cls = type(self)
        if cls.url is not None:
            self.database = self.connect(cls.url)
        else:
            url = self.new_url()
            self.database = self.connect(url)
            self.fill()
            cls.url = url
        self.store = SqlStore(self.database)

    def fill(self) -> None:
        migration.create_schema(self.database)
        with self.database.engine.begin() as connection:
            plans_rows.insert(connection, rows.BACKUPS, plans_rows.backups())
            plans_rows.insert(connection, rows.TASKS, plans_rows.tasks())
            connection.execute(
                sa.insert(rows.REPORTS), list(plans_rows.reports())
            )
            for number in range(plans_rows.VOLUMES // 2):
                connection.execute(
                    sa.update(rows.TASKS)
                    .where(
                        rows.TASKS.c.volume_id == plans_rows.volume_id(number),
                        rows.TASKS.c.state == task.State.SUCCEEDED.value,
                    )
                    .values(
                        report_id=plans_rows.report_id(
                            number // plans_rows.OF_A_REPORT
                        )
                    )
                )
        self.learn()

    def learn(self) -> None:
        """Let the database count what is in its tables."""
        raise NotImplementedError

    def plan_of(
        self, connection: sa.Connection, statement: str, parameters: Any
    ) -> list[Access]:
        """How the database would carry a statement out."""
        raise NotImplementedError

    def plans(self, call: Callable[[], Any]) -> list[Access]:
        """How it would carry out all that a call asks of large tables."""
        seen: list[tuple[str, Any]] = []

        def listen(_connection: Any, _cursor: Any, *what: Any) -> None:
            statement, parameters, _context, many = what
            if statement.split()[0] in ("SELECT", "UPDATE", "DELETE"):
                seen.append((statement, parameters[0] if many else parameters))

        event = "before_cursor_execute"
        sa.event.listen(self.database.engine, event, listen)
        call()
        sa.event.remove(self.database.engine, event, listen)
        with self.database.engine.connect() as connection:
            found = [
                access
                for statement, parameters in seen
                for access in self.plan_of(connection, statement, parameters)
            ]
        return [each for each in found if each.table in GROWING]

    def assert_uses(
        self,
        call: Callable[[], Any],
        *expected: str,
        in_order: bool = False,
    ) -> None:
        """Make sure that a call reads by these indexes, and only so.

        :param in_order: and that it reads in the order that it asks for.
        """
        found = self.plans(call)
        self.assertEqual(
            sorted(expected),
            sorted({str(each.index) for each in found}),
            str(found),
        )
        if in_order:
            self.assertFalse(any(each.sorts for each in found), str(found))

    # -- what governs --------------------------------------------------------

    def test_volumes_with_backups(self) -> None:
        for after in ("", plans_rows.volume_id(700)):
            (ids,) = self.plans(
                partial(self.store.volumes_with_backups, after, 100)
            )
            self.assertIn(ids.index, (GOVERNANCE, "ix_backups_volume_id"))
            self.assertFalse(ids.sorts)

    def test_what_governs(self) -> None:
        for after in ("", plans_rows.volume_id(700)):
            volumes, kinds = self.plans(
                partial(self.store.governances, after, 100)
            )
            self.assertIn(volumes.index, (GOVERNANCE, "ix_backups_volume_id"))
            self.assertFalse(volumes.sorts)
            self.assertEqual(GOVERNANCE, kinds.index)

    def test_what_waits_for_a_grace(self) -> None:
        for after in (("", ""), ("604800s", plans_rows.volume_id(700))):
            found = self.plans(partial(self.store.shortened, after, 100))
            for each in found:
                self.assertEqual("ix_backups_grace", each.index)
                self.assertFalse(each.sorts)

    def test_backups_of_volumes(self) -> None:
        wanted = [plans_rows.volume_id(number) for number in range(20)]
        (access,) = self.plans(lambda: self.store.backups_of_volumes(wanted))
        self.assertIn(access.index, (GOVERNANCE, "ix_backups_volume_id"))

    # -- what is due ---------------------------------------------------------

    def test_what_has_expired(self) -> None:
        self.assert_uses(lambda: self.store.count_expired(NOW), EXPIRY)
        self.assertNotEqual([], next(self.store.expired_volumes(NOW, 100)))
        self.assert_uses(
            lambda: next(self.store.expired_volumes(NOW, 100)), EXPIRY
        )
        self.assert_uses(
            lambda: list(
                itertools.islice(self.store.expired_volumes(NOW, 100), 3)
            ),
            EXPIRY,
        )

    def test_what_nobody_dated(self) -> None:
        self.assertEqual(50, len(self.store.undated(NOW, "", 50)))
        self.assert_uses(lambda: self.store.undated(NOW, "", 50), EXPIRY)
        self.assert_uses(
            lambda: self.store.undated(NOW, plans_rows.backup_id(40, 9), 50),
            EXPIRY,
        )

    def test_what_is_missing(self) -> None:
        self.assertNotEqual([], self.store.missing(NOW))
        missing = "ix_backups_missing"
        self.assert_uses(lambda: self.store.missing(NOW), missing)
        term = self.store.take_office("c1")
        self.assert_uses(
            lambda: self.store.forget_vanished(term, NOW - 9 * HOUR), missing
        )

    def test_what_is_broken(self) -> None:
        broken = "ix_backups_broken"
        (first, *_) = self.store.broken(None, 10)
        for after in (None, first):
            self.assert_uses(
                partial(self.store.broken, after, 10), broken, in_order=True
            )

    def test_how_many_there_are(self) -> None:
        (access,) = self.plans(self.store.count_managed)
        self.assertIn(
            access.index, ("ix_backups_state", "ix_backups_missing", EXPIRY)
        )

    def test_what_was_made_when(self) -> None:
        span = NOW - 20 * HOUR, NOW
        first = self.store.made_between(*span, None, 100)
        self.assertEqual(100, len(first))
        for last in (None, first[-1]):
            self.assert_uses(
                partial(self.store.made_between, *span, last, 100),
                "ix_backups_created_at",
                in_order=True,
            )

    def test_a_census(self) -> None:
        """All tasks count, which are few: those that nobody reported yet."""
        found = self.plans(lambda: self.store.census(10))
        self.assertEqual(
            {"ix_backups_project_id"},
            {each.index for each in found if each.table == "backups"},
            str(found),
        )

    # -- tasks ---------------------------------------------------------------

    def test_what_may_be_claimed(self) -> None:
        self.assert_uses(
            lambda: self.store.claimable(task.Kind.DELETE, NOW),
            "ix_tasks_claimable",
        )
        self.assert_uses(
            lambda: self.store.claimable(task.Kind.BACKUP, NOW),
            "ix_tasks_claimable",
        )

    def test_the_first_that_may_be_claimed(self) -> None:
        found = self.plans(
            lambda: self.store.claim("c1", task.Kind.DELETE, 8, NOW)
        )
        claimable = [
            each for each in found if each.index == "ix_tasks_claimable"
        ]
        self.assertNotEqual([], claimable)
        self.assertFalse(any(each.sorts for each in claimable), str(found))

    def test_a_claim_reads_no_whole_table(self) -> None:
        for kind in task.Kind:
            for running in (0, 20):
                found = self.plans(
                    partial(
                        self.store.claim,
                        "c1",
                        kind,
                        8,
                        NOW,
                        ports.Throttle(running=running),
                    )
                )
                self.assertNotIn(
                    None, {each.index for each in found}, str(found)
                )

    def test_live_tasks(self) -> None:
        slots = [
            task.delete_slot(plans_rows.backup_id(number, 9))
            for number in range(50)
        ]
        self.assertNotEqual([], self.store.live_tasks(slots))
        self.assert_uses(lambda: self.store.live_tasks(slots), "uq_tasks_slot")

    def test_what_waits(self) -> None:
        found = self.plans(self.store.release_waiting)
        self.assertIn("ix_tasks_waits_for", {each.index for each in found})
        self.assertNotIn(None, {each.index for each in found}, str(found))

    def test_what_waits_is_released_without_a_look_at_the_rest(self) -> None:
        """A server would lock all that it looks at."""
        gone = [plans_rows.backup_id(number, 9) for number in range(1, 40, 20)]
        self.assert_uses(
            lambda: self.database.write(
                lambda connection: retention.release(connection, gone)
            ),
            "ix_tasks_waits_for",
        )

    # -- reports -------------------------------------------------------------

    def test_what_is_due_to_be_reported(self) -> None:
        self.assert_uses(
            lambda: self.store.due_reports(NOW, HOUR), "ix_tasks_unreported"
        )

    def test_what_a_report_tells_of(self) -> None:
        found = list(self.store.finished(plans_rows.report_id(1)))
        self.assertLess(9, len(found))
        plan = self.plans(
            lambda: list(self.store.finished(plans_rows.report_id(1)))
        )
        self.assertNotIn(None, {each.index for each in plan}, str(plan))
        self.assertIn("ix_tasks_report_id", {each.index for each in plan})

    def test_a_reports_life(self) -> None:
        term = self.store.take_office("c1")
        for call in (
            lambda: self.store.open_report(
                term, "new", report.Audience.ALL, ["p9"], NOW
            ),
            lambda: self.store.attempt_report(term, "new", NOW),
            lambda: self.store.note_refused(term, "new"),
            lambda: self.store.dissolve_report(term, "new"),
            lambda: self.store.note_delivered(
                plans_rows.report_id(3), "p@example"
            ),
            lambda: self.store.purge_report(term, plans_rows.report_id(3)),
            lambda: self.store.forget_reports(
                term, NOW - (plans_rows.REPORTS - 9) * HOUR
            ),
            self.store.reports_not_done,
        ):
            found = self.plans(call)
            self.assertNotIn(None, {each.index for each in found}, str(found))

    def test_reasons_that_nobody_was_told_of(self) -> None:
        wanted = [plans_rows.volume_id(number) for number in range(20)]
        found = self.plans(lambda: self.store.histories(wanted))
        for each in found:
            if each.table in ("tasks", "reports"):
                self.assertIsNotNone(each.index, str(found))
