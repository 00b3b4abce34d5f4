# SPDX-License-Identifier: Apache-2.0
"""What a migration has to keep: what a revision of this release left."""

from __future__ import annotations

import datetime
from typing import Any

import sqlalchemy as sa

from staffeln.db import migration, schema_3_0, session
from staffeln.db.store import SqlStore
from staffeln.domain import model, report, task
from staffeln.tests.functional.db import migration_case
from staffeln.tests.functional.db.migration_case import (
    LONG_AGO,
    backup_row,
    queue_row,
)

BEFORE_RETENTION = "c1f9a40b62d7"
BEFORE_REPORTS = "5e0d7c3a91f4"


class ReleasedSuite(migration_case.MigrationCase):
    """Part of :class:`migration_suite.MigrationSuite`."""

    def database_before_retention(self) -> session.Database:
        """With what 2.x made, what it was making, and what 3.0 made."""
        database = self.old_database(
            [backup_row(1), backup_row(2, backup_completed=0)],
            [queue_row(3, 1)],
        )
        migration.upgrade(database, BEFORE_RETENTION)
        with database.engine.begin() as connection:
            connection.execute(
                sa.insert(schema_3_0.TASKS),
                [
                    _task("maker", kind="backup", state="succeeded"),
                    _task("d-done", kind="delete", state="succeeded"),
                    _task(
                        "d-live",
                        kind="delete",
                        state="planned",
                        slot="delete:backup-2",
                        backup_id="backup-2",
                    ),
                ],
            )
            connection.execute(
                sa.insert(schema_3_0.EVENTS),
                [
                    {
                        "task_id": "maker",
                        "at": LONG_AGO,
                        "from_state": None,
                        "to_state": "planned",
                        "reason": "",
                        "conductor_id": "c1",
                        "attempt": 0,
                    }
                ],
            )
            connection.execute(
                sa.insert(schema_3_0.BACKUPS),
                [
                    _backup("plain", retention=None),
                    _backup("own", retention="3Mon ä"),
                ],
            )
        return database

    def outcome_of_retention(self, database: session.Database) -> Any:
        store = self.upgrade(database)
        return (
            self.shape(database),
            sorted(
                (row.id, row.retention_known, row.retention, row.kept_for)
                for row in store.backups()
            ),
            sorted(
                (work.cause or "", work.slot, work.state)
                for work in store.tasks(kind=task.Kind.DELETE)
            ),
        )

    def test_what_no_server_was_read_for_is_not_known(self) -> None:
        database = self.database_before_retention()
        store = self.upgrade(database)
        known = {row.id: row.retention_known for row in store.backups()}
        self.assertEqual(
            {
                "backup-1": False,
                "backup-2": False,
                "made-by-3": False,
                "plain": True,
                "own": True,
            },
            known,
        )
        own = store.get_backup("own")
        assert own
        self.assertEqual("3Mon ä", own.retention)
        for row in store.backups():
            self.assertEqual(
                (None, "", "", None),
                (
                    row.retention_valid,
                    row.kept_for,
                    row.grace,
                    row.expires_at,
                ),
            )
        self.assertEqual({"backup-1"}, self.without_expiry(store, known))

    def without_expiry(
        self, store: SqlStore, known: dict[str, bool]
    ) -> set[str]:
        """What may expire only when its server was read."""
        found = store.undated(store.now(), "", 9)
        self.assertFalse(any(known[row.id] for row in found))
        return {row.id for row in found}

    def test_deletes_that_are_there_are_of_the_unwanted(self) -> None:
        store = self.upgrade(self.database_before_retention())
        deletes = store.tasks(kind=task.Kind.DELETE)
        self.assertEqual({"d-done", "d-live"}, {work.id for work in deletes})
        for work in deletes:
            self.assertEqual(task.Cause.UNWANTED, work.cause)
            self.assertIsNone(work.waits_for)
        for work in store.tasks(kind=task.Kind.BACKUP):
            self.assertIsNone(work.cause)
        (claimed,) = store.claim("c1", task.Kind.DELETE, 9, store.now())
        self.assertEqual("d-live", claimed.id)
        self.assertIsNone(store.breaker())
        self.assertIsNone(store.reconciled_at())
        self.assertEqual(
            {model.BackupState.UNWANTED},
            {row.state for row in store.backups(ids=["backup-2"])},
        )

    def test_a_crash_on_the_way_to_retention_is_mended(self) -> None:
        expected = self.outcome_of_retention(self.database_before_retention())
        statements = self.crash_everywhere(
            self.database_before_retention,
            migration.upgrade,
            lambda database: self.assertEqual(
                expected, self.outcome_of_retention(database)
            ),
        )
        self.assertGreater(statements, 10)

    # -- reports -------------------------------------------------------------

    def database_before_reports(self) -> session.Database:
        database = self.database_before_retention()
        migration.upgrade(database, BEFORE_REPORTS)
        with database.engine.begin() as connection:
            connection.execute(
                sa.insert(schema_3_0.VOLUMES).values(
                    volume_id="volume-1",
                    project_id="p1",
                    failures=2,
                    incremental_failures=1,
                )
            )
        return database

    def test_what_has_ended_is_told_of_once(self) -> None:
        """Tasks of all that came before, whoever made them."""
        store = self.upgrade(self.database_before_reports())
        (due,) = store.due_reports(store.now(), datetime.timedelta(days=1))
        self.assertEqual(("p1", LONG_AGO), (due.project_id, due.oldest_at))
        term = store.take_office("c1")
        told = store.open_report(
            term, "r1", report.Audience.ALL, ["p1"], store.now()
        )
        self.assertEqual(2, told)
        store.note_delivered("r1", "a@example")
        store.purge_report(term, "r1")
        self.assertEqual(
            {"planned", "running"}, {work.state for work in store.tasks()}
        )
        self.assertEqual(5, len(store.backups()))

    def test_volumes_are_selected_as_far_as_anybody_knows(self) -> None:
        store = self.upgrade(self.database_before_reports())
        record = store.volume_record("volume-1")
        assert record
        self.assertEqual(
            (2, 1, None, ""),
            (
                record.failures,
                record.incremental_failures,
                record.dropped_since,
                record.dropped_why,
            ),
        )
        self.assertIsNone(store.freshness().cycle_at)


def _task(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "slot": None,
        "project_id": "p1",
        "volume_id": "volume-1",
        "volume_name": "",
        "volume_size": 1,
        "volume_status": "",
        "server_id": "server-1",
        "server_name": "",
        "backup_id": None,
        "rank": 0,
        "reason": "",
        "attempt": 0,
        "unsettled": False,
        "created_at": LONG_AGO,
        "updated_at": LONG_AGO,
        **changes,
    }


def _backup(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "project_id": "p1",
        "volume_id": "volume-1",
        "volume_name": "",
        "server_id": "server-1",
        "server_name": "",
        "task_id": "maker",
        "attempt": 1,
        "state": "available",
        "incremental": False,
        "created_at": LONG_AGO,
        "completed_at": LONG_AGO,
        "size": 1,
        "reason": "",
        "updated_at": LONG_AGO,
        **changes,
    }
