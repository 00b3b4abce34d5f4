# SPDX-License-Identifier: Apache-2.0
"""What a migration has to keep: databases in use, and crashes."""

from __future__ import annotations

import datetime
from typing import Any

from staffeln.db import migration, session
from staffeln.db.store import SqlStore
from staffeln.domain import errors
from staffeln.tests.functional.db import migration_case, old_release
from staffeln.tests.functional.db.migration_case import (
    backup_row,
    queue_row,
)


class CrashSuite(migration_case.MigrationCase):
    """Part of :class:`migration_suite.MigrationSuite`."""

    # -- while it is in use, and after a crash -------------------------------

    def test_a_database_in_use_is_left_as_it_is(self) -> None:
        now = SqlStore(self.empty_database()).now()
        young = now - datetime.timedelta(minutes=9)
        for backups, queue in (
            ([backup_row(1, updated_at=young)], []),
            ([], [queue_row(1, 0, created_at=young, updated_at=None)]),
        ):
            database = self.old_database(backups, queue)
            before = self.tables(database)
            error = self.assertRaises(
                errors.SchemaError, migration.upgrade, database
            )
            self.assertIn("--force", str(error))
            self.assertEqual(before, self.tables(database))
            self.assertEqual(
                old_release.REVISIONS[-1], migration.version(database)
            )
            self.upgrade(database, forced=True)

    def test_rows_of_eleven_minutes_ago_hold_nobody(self) -> None:
        now = SqlStore(self.empty_database()).now()
        old = now - datetime.timedelta(minutes=11)
        self.upgrade(self.old_database([backup_row(1, updated_at=old)]))

    def test_a_crash_anywhere_is_mended_by_going_on(self) -> None:
        expected = self.outcome(self.old_and_new())
        statements = self.crash_everywhere(
            self.old_and_new,
            migration.upgrade,
            lambda database: self.assertEqual(
                expected, self.outcome(database)
            ),
        )
        self.assertGreater(statements, 20)

    def old_and_new(self) -> session.Database:
        return self.old_database(
            [backup_row(1), backup_row(2, backup_completed=0)],
            [
                queue_row(1, 1, created_at=None, updated_at=None),
                *(queue_row(number, number) for number in (2, 3, 4)),
            ],
        )

    def outcome(self, database: session.Database) -> Any:
        """What an upgrade comes to, but for its time."""
        store = self.upgrade(database)
        return (
            self.shape(database),
            store.deployment().adopted,
            sorted(
                (row.id, row.state, row.task_id, row.retention_known)
                for row in store.backups()
            ),
            sorted((work.id, work.state, work.slot) for work in store.tasks()),
            sorted(len(store.events(work.id)) for work in store.tasks()),
        )
