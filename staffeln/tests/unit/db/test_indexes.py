# SPDX-License-Identifier: Apache-2.0
"""No query of a cycle reads a whole table that grows with the cloud."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa

from staffeln import ports
from staffeln.db import retention
from staffeln.db.store import SqlStore
from staffeln.domain import model, report, task
from staffeln.tests import base
from staffeln.tests.unit.db import example
from staffeln.tests.unit.domain import samples

NOW = samples.NOW
GROWING = ("tasks", "task_events", "backups", "volumes", "reports")


class IndexTest(base.TestCase):
    """As SQLite plans them, which knows nothing of how full tables are."""

    def setUp(self) -> None:
        super().setUp()
        self.database = example.new_database(self.home / "staffeln.sqlite")
        self.addCleanup(self.database.close)
        self.store = SqlStore(self.database)
        self.store.write_plan(
            self.store.take_office("c1"),
            ports.PlanRecord(
                tasks=[
                    samples.backup_task("t1", volume_id="v1"),
                    samples.backup_task("t2", volume_id="v2"),
                ],
                adopted=[samples.backup("b1")],
            ),
            "c1",
        )

    def lines(self, call: Callable[[], Any]) -> list[str]:
        """Lines of the plans of all that a call reads."""
        found: list[tuple[str, Any]] = []

        def seen(_connection: Any, _cursor: Any, *what: Any) -> None:
            statement, parameters, _context, many = what
            if not many:
                found.append((statement, parameters))

        event = "before_cursor_execute"
        sa.event.listen(self.database.engine, event, seen)
        call()
        sa.event.remove(self.database.engine, event, seen)
        lines = []
        with self.database.engine.connect() as connection:
            for statement, parameters in found:
                if statement.split()[0] not in ("SELECT", "UPDATE", "DELETE"):
                    continue
                plan = connection.exec_driver_sql(
                    f"EXPLAIN QUERY PLAN {statement}", parameters
                )
                lines += [str(row[3]) for row in plan]
        self.assertNotEqual([], lines)
        return lines

    def scans(self, call: Callable[[], Any]) -> list[str]:
        """Lines of the plans that read a growing table without an index."""
        return self.whole(self.lines(call))

    def whole(self, lines: list[str]) -> list[str]:
        """Those of a plan that read a growing table without an index."""
        return [
            line
            for line in lines
            if line in {f"SCAN {name}" for name in GROWING}
        ]

    def test_a_scan_would_be_seen(self) -> None:
        def read_all() -> None:
            self.database.read(
                lambda connection: connection.execute(
                    sa.text("SELECT reason FROM backups")
                )
            )

        self.assertEqual(["SCAN backups"], self.scans(read_all))

    def test_planning(self) -> None:
        store = self.store
        plan = ports.PlanRecord(
            tasks=[samples.backup_task("t9", volume_id="v9")],
            cancelled=["t1"],
            cancel_reason="gone",
            governed=[samples.backup("b1", retention="1d")],
            adopted=[samples.backup("b2")],
            vanished=[samples.backup("b3")],
            records=[samples.record(volume_id="v1")],
            selected_volumes=1,
        )
        term = store.take_office("c1")
        for call in (
            lambda: store.histories(["v1", "v2"]),
            store.planned_backups,
            lambda: store.queued(NOW),
            store.unwanted_backups,
            lambda: store.write_plan(term, plan, "c1"),
        ):
            self.assertEqual([], self.scans(call))

    def test_the_last_backups_of_volumes(self) -> None:
        """The state alone would be nearly all backups, for each page."""
        lines = self.lines(lambda: self.store.histories(["v1", "v2"]))
        of_backups = [each for each in lines if " backups " in f"{each} "]
        self.assertNotEqual([], of_backups)
        for line in of_backups:
            self.assertIn("volume_id=?", line)

    def test_what_is_broken(self) -> None:
        row = samples.backup("b1", broken_since=NOW)
        for after in (None, row):
            (line, *more) = self.lines(partial(self.store.broken, after, 9))
            self.assertIn("INDEX ix_backups_broken (state=? AND bro", line)
            self.assertEqual([], more)

    def test_what_has_expired(self) -> None:
        """Their volumes alone are put in order, of one page."""
        for after, bounds in (
            (None, "expires_at<?"),
            (retention.Place(NOW, "b1"), "expires_at>? AND expires_at<?"),
        ):
            page = partial(
                retention.expired_volumes, now=NOW, after=after, at_once=9
            )
            lines = self.lines(partial(self.database.read, page))
            index = f"INDEX ix_backups_expiry (state=? AND {bounds})"
            self.assertEqual(
                [
                    f"SEARCH backups USING COVERING {index}",
                    f"SEARCH backups USING {index}",
                ],
                [each for each in lines if " backups " in f"{each} "],
            )
            self.assertNotIn("FOR ORDER BY", "\n".join(lines))

    def test_retention(self) -> None:
        store = self.store
        row = samples.backup("b1")
        governance = "COVERING INDEX ix_backups_governance"
        for call, expected in (
            (lambda: store.governances("", 9), governance),
            (
                lambda: store.shortened(("", ""), 9),
                "COVERING INDEX ix_backups_grace (grace>?)",
            ),
            (
                lambda: store.volumes_with_backups("", 9),
                "COVERING INDEX ix_backups_",
            ),
            (
                lambda: store.undated(NOW, "b1", 9),
                "INDEX ix_backups_expiry (state=? AND expires_at=? AND id>?)",
            ),
            (
                lambda: store.missing(NOW),
                "INDEX ix_backups_missing (state=? AND missing_since<?)",
            ),
            (
                lambda: store.forget_vanished(1, NOW),
                "INDEX ix_backups_missing (state=? AND missing_since<?)",
            ),
            (store.count_managed, "COVERING INDEX ix_backups_state"),
            (
                lambda: store.made_between(NOW, NOW, None, 9),
                "INDEX ix_backups_created_at (created_at>? AND created_at<?)",
            ),
            (
                lambda: store.made_between(NOW, NOW, row, 9),
                "INDEX ix_backups_created_at (created_at>? AND created_at<?)",
            ),
            (
                lambda: store.claimable(task.Kind.DELETE, NOW),
                "INDEX ix_tasks_claimable (kind=? AND state=?)",
            ),
            (
                lambda: store.claim("c1", task.Kind.DELETE, 9, NOW),
                "INDEX ix_tasks_claimable (kind=? AND state=?)",
            ),
        ):
            lines = self.lines(call)
            self.assertTrue(
                any(expected in line for line in lines), (expected, lines)
            )
            self.assertNotIn("TEMP B-TREE", "\n".join(lines))
            self.assertEqual([], self.whole(lines))

    def test_what_waits_and_what_lives(self) -> None:
        store = self.store
        self.store.write_plan(
            self.store.take_office("c1"),
            ports.PlanRecord(
                tasks=[
                    samples.backup_task(
                        "d1",
                        kind=task.Kind.DELETE,
                        backup_id="b1",
                        waits_for="b2",
                    )
                ]
            ),
            "c1",
        )
        for call, expected in (
            (lambda: store.live_tasks(["delete:b1"]), "(slot=?)"),
            (lambda: store.backups_of_volumes(["v1"]), "(volume_id=?)"),
            (
                store.release_waiting,
                "COVERING INDEX ix_tasks_waits_for (waits_for>?)",
            ),
        ):
            lines = self.lines(call)
            self.assertIn(expected, "\n".join(lines))
            self.assertEqual([], self.whole(lines))

    def test_working(self) -> None:
        store = self.store
        claimed = store.claim("c1", task.Kind.BACKUP, 1, NOW)
        moves = [
            ports.Change(
                before=each,
                after=task.advance(each, task.State.PLANNED, NOW, "back"),
            )
            for each in claimed
        ]
        for call in (
            lambda: store.claim("c1", task.Kind.BACKUP, 16, NOW),
            lambda: store.claim("c1", task.Kind.DELETE, 16, NOW),
            lambda: store.advance(moves, "c1"),
            lambda: store.tasks(claimed_by=["c1"], states=task.LIVE),
            store.holders,
            store.overdue,
            lambda: store.free_seats(["t1"]),
            lambda: store.claimable(task.Kind.BACKUP, NOW),
            lambda: store.cancel_over_quota("p1", 1, "413", NOW, "c1"),
        ):
            self.assertEqual([], self.scans(call))

    def test_reporting(self) -> None:
        store = self.store
        term = store.take_office("c1")
        for call, expected in (
            (
                lambda: store.due_reports(NOW, NOW - NOW),
                "COVERING INDEX ix_tasks_unreported (report_id=? AND state=?)",
            ),
            (
                lambda: store.open_report(
                    term, "r1", report.Audience.ALL, ["p1"], NOW
                ),
                "INDEX ix_tasks_unreported "
                "(report_id=? AND state=? AND project_id=?)",
            ),
            (
                lambda: list(store.finished("r1")),
                "INDEX ix_tasks_report_id (report_id=? AND id>?)",
            ),
            (
                store.reports_not_done,
                "INDEX ix_reports_purged_at (purged_at=?)",
            ),
            (
                lambda: store.forget_reports(term, NOW),
                "INDEX ix_reports_purged_at (purged_at<?)",
            ),
            (
                lambda: store.dissolve_report(term, "r1"),
                "INDEX sqlite_autoindex_reports_1 (id=?)",
            ),
            (
                lambda: store.purge_report(term, "r1"),
                "INDEX sqlite_autoindex_reports_1 (id=?)",
            ),
        ):
            lines = self.lines(call)
            self.assertTrue(
                any(expected in line for line in lines), (expected, lines)
            )
            self.assertEqual([], self.whole(lines))

    def test_looking(self) -> None:
        store = self.store
        for call in (
            lambda: store.get_task("t1"),
            lambda: store.tasks(limit=50),
            lambda: store.tasks(volume_id="v1"),
            lambda: store.events("t1"),
            lambda: store.get_backup("b1"),
            lambda: store.backups(limit=50),
            lambda: store.backups(volume_id="v1"),
            lambda: store.backups(states=[model.BackupState.CREATING]),
            lambda: store.volume_record("v1"),
        ):
            self.assertEqual([], self.scans(call))
