# SPDX-License-Identifier: Apache-2.0
"""What the way back to release 2.x has to keep, and the way here again."""

from __future__ import annotations

import datetime
from typing import Any

import sqlalchemy as sa

from staffeln.db import export_2x, migration, release_2x, rows, session
from staffeln.db.store import SqlStore
from staffeln.domain import errors, model, report, task
from staffeln.tests.functional.db import migration_case, old_release
from staffeln.tests.functional.db.migration_case import (
    LONG_AGO,
    STARTS,
    backup_row,
    queue_row,
)

READ_BACKUPS = (
    "SELECT backup_id, project_id, volume_id, instance_id, "
    "backup_completed, incremental, created_at FROM backup_data ORDER BY id"
)
READ_QUEUE = (
    "SELECT backup_id, project_id, volume_id, instance_id, volume_name, "
    "instance_name, backup_status, incremental, reason "
    "FROM queue_data ORDER BY id"
)
"""As 2.x reads them."""


class ExportSuite(migration_case.MigrationCase):
    """Part of :class:`migration_suite.MigrationSuite`."""

    def export(self, database: session.Database, **options: Any) -> None:
        export_2x.export(database, self.told.append, **options)

    def read(self, database: session.Database, query: str) -> list[Any]:
        """As a reader of the old schema does: plain SQL."""
        with database.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    def come_back(self, database: session.Database) -> SqlStore:
        error = self.assertRaises(
            errors.SchemaError, migration.check, database
        )
        self.assertIn("an earlier release", str(error))
        return self.upgrade(database, forced=True)

    def known(self, store: SqlStore) -> Any:
        """What both releases know of backups and tasks."""
        return (
            sorted(
                (
                    row.id,
                    row.project_id,
                    row.volume_id,
                    row.server_id,
                    row.state,
                    row.incremental,
                    row.created_at,
                    row.retention,
                    row.retention_known,
                )
                for row in store.backups()
            ),
            sorted(
                (
                    work.volume_id,
                    work.backup_id or "",
                    work.state,
                    work.mode or "",
                    work.volume_name,
                    work.server_name,
                    work.slot,
                    work.claimed_by or "",
                )
                for work in store.tasks()
            ),
        )

    # -- there and back ------------------------------------------------------

    def test_every_sample_goes_back_and_comes_again(self) -> None:
        olds = old_release.sample_rows()
        for revision, stamp in STARTS:
            database = self.empty_database()
            old_release.make(database.engine, olds, revision, stamp)
            self.assert_goes_back(database, revision)

    def assert_goes_back(
        self, database: session.Database, revision: str
    ) -> None:
        """Adopted, exported, read as of old, and adopted again."""
        olds = old_release.sample_rows()
        age = old_release.REVISIONS.index(revision)
        store = self.upgrade(database)
        before, deployment = self.known(store), store.deployment()
        self.export(database)
        self.assertEqual(export_2x.LAST_OF_2X, migration.version(database))
        self.assert_backups_as_of_old(database, olds["backup_data"], age)
        self.assert_queue_as_of_old(database, olds["queue_data"], age)
        store = self.come_back(database)
        self.assertEqual(before, self.known(store))
        self.assertEqual(deployment, store.deployment())

    def assert_backups_as_of_old(
        self, database: session.Database, olds: list[dict[str, Any]], age: int
    ) -> None:
        found = {row[0]: row[1:6] for row in self.read(database, READ_BACKUPS)}
        for old in olds:
            incremental = old["incremental"] if age >= 1 else None
            self.assertEqual(
                (
                    old["project_id"],
                    old["volume_id"],
                    old["instance_id"],
                    old["backup_completed"],
                    incremental,
                ),
                found.pop(old["backup_id"]),
            )
        self.assertEqual({}, found)

    def assert_queue_as_of_old(
        self, database: session.Database, olds: list[dict[str, Any]], age: int
    ) -> None:
        found = {row[2]: row for row in self.read(database, READ_QUEUE)}
        self.assertEqual(len(olds), len(found))
        for old in olds:
            row = found[old["volume_id"]]
            status = old["backup_status"]
            # What was being started is a failure since the upgrade.
            status = 3 if status == 4 else status
            self.assertEqual(
                (
                    old["project_id"],
                    old["instance_id"],
                    old["volume_name"],
                    old["instance_name"],
                    status,
                ),
                (row[1], row[3], row[4], row[5], row[6]),
            )
            if old["backup_status"] in (1, 2):
                self.assertEqual(old["backup_id"], row[0])
            if status == 3 and old["backup_status"] == 3 and age >= 2:
                self.assertEqual(old["reason"], row[8])

    def test_what_is_kept_aside_is_all_there_was(self) -> None:
        database = self.old_database([backup_row(1)], [queue_row(2, 1)])
        self.upgrade(database)
        for number in ("", "_2"):
            self.export(database)
            for name, count in (("backups", 2), ("tasks", 1)):
                aside = f"{export_2x.ASIDE}{name}{number}"
                self.assertEqual(
                    [(count,)],
                    self.read(database, f"SELECT count(*) FROM {aside}"),
                )
            self.come_back(database)

    # -- after work of this release ------------------------------------------

    def test_what_this_release_did_goes_back_too(self) -> None:
        database = self.old_database(
            [backup_row(1), backup_row(2), backup_row(3, incremental=None)],
            [queue_row(4, 1), queue_row(5, 3, reason="no quota")],
        )
        self.work(self.upgrade(database))
        before = self.known(SqlStore(database))
        self.export(database, sender="s@example")
        backups = {row[0]: row[4] for row in self.read(database, READ_BACKUPS)}
        self.assertEqual(
            {
                "backup-1": 1,
                "backup-2": 0,
                "backup-3": 1,
                "made-by-5": 0,
                "new": 1,
            },
            backups,
        )
        queue = {
            row[2]: (row[0], row[6], row[8])
            for row in self.read(database, READ_QUEUE)
        }
        self.assertEqual(
            {
                "volume-4": ("made-by-4", 1, None),
                "volume-5": ("made-by-5", 3, "no quota"),
                "v-new": ("new", 2, None),
                "v-failed": ("NULL", 3, "w" * 255),
                "v-planned": ("NULL", 0, None),
                "v-starting": ("NULL", 4, None),
            },
            queue,
        )
        self.assertTrue(
            any("volume v-starting: task t-starting" in x for x in self.told)
        )
        self.assertIn(
            "left out: 0 cancelled task(s), and 1 delete(s), which 2.x plans "
            "by its own rules",
            self.told,
        )
        store = self.come_back(database)
        backups_now, tasks_now = self.known(store)
        kept = {row[0]: row for row in before[0]}
        # Its server is to be read again: 2.x keeps no value.
        self.assertEqual(set(kept), {row[0] for row in backups_now})
        for row in backups_now:
            if row[4] is not model.BackupState.UNWANTED:
                self.assertEqual(kept[row[0]][:7], row[:7])
        self.assertEqual(
            {"volume-4", "volume-5", "v-new", "v-failed", "v-starting"},
            {row[0] for row in tasks_now},
        )

    def insert(
        self, store: SqlStore, table: Any, added: list[dict[str, Any]]
    ) -> None:
        with store._database.engine.begin() as connection:
            for each in added:
                connection.execute(sa.insert(table), each)

    def work(self, store: SqlStore) -> None:
        """A new backup, a failure, a delete, and work under way."""
        now = store.now()

        def planned(name: str, **changes: Any) -> dict[str, Any]:
            return rows.task_values(
                task.Task(
                    **{
                        "id": f"t-{name}",
                        "kind": task.Kind.BACKUP,
                        "state": task.State.PLANNED,
                        "project_id": "p1",
                        "volume_id": f"v-{name}",
                        "volume_name": "n" * 200,
                        "server_id": "s1",
                        "mode": task.Mode.FULL,
                        "created_at": now,
                        "updated_at": now,
                        **changes,
                    }
                )
            )

        self.insert(
            store,
            rows.TASKS,
            [
                planned("planned"),
                planned(
                    "starting",
                    state=task.State.STARTING,
                    claimed_by="c1",
                    attempt=1,
                    unsettled=True,
                ),
                planned(
                    "new",
                    state=task.State.SUCCEEDED,
                    backup_id="new",
                    finished_at=now,
                ),
                planned(
                    "failed",
                    state=task.State.FAILED,
                    reason="w" * 400,
                    finished_at=now,
                ),
                planned(
                    "delete",
                    kind=task.Kind.DELETE,
                    mode=None,
                    volume_id="volume-2",
                    backup_id="backup-2",
                    cause=task.Cause.EXPIRED,
                ),
            ],
        )
        self.insert(store, rows.BACKUPS, [self.made(now)])
        with store._database.engine.begin() as connection:
            connection.execute(
                sa.update(rows.BACKUPS)
                .where(rows.BACKUPS.c.id == "backup-2")
                .values(state="deleting")
            )

    def made(self, now: datetime.datetime) -> dict[str, Any]:
        return {
            "id": "new",
            "project_id": "p1",
            "volume_id": "v-new",
            "volume_name": "",
            "server_id": "s1",
            "server_name": "",
            "task_id": "t-new",
            "attempt": 1,
            "state": "available",
            "incremental": False,
            "created_at": now,
            "completed_at": now,
            "size": 3,
            "retention": "1y",
            "retention_known": True,
            "kept_for": "1y",
            "grace": "",
            "reason": "",
            "updated_at": now,
        }

    # -- at once, and not while 2.x runs -------------------------------------

    def exported_just_now(self) -> session.Database:
        """Rows of both old tables that changed within the last minutes."""
        database = self.old_database(
            [backup_row(1), backup_row(2)],
            [queue_row(2, 1, backup_id="backup-2"), queue_row(3, 1)],
        )
        self.upgrade(database)
        self.export(database)
        return database

    def test_an_export_alone_keeps_nobody_from_coming_back(self) -> None:
        database = self.exported_just_now()
        self.upgrade(database)
        self.export(database)
        self.upgrade(database)

    def test_whatever_2_x_writes_after_an_export_is_seen(self) -> None:
        added = backup_row(77, created_at=None, updated_at=None)
        for written in (
            sa.update(export_2x.BACKUP_DATA)
            .where(export_2x.BACKUP_DATA.c.backup_id == "backup-1")
            .values(backup_completed=0),
            sa.delete(export_2x.BACKUP_DATA).where(
                export_2x.BACKUP_DATA.c.backup_id == "backup-1"
            ),
            sa.insert(export_2x.BACKUP_DATA).values(added),
            sa.update(export_2x.QUEUE_DATA).values(backup_status=2),
        ):
            with self.subTest(str(written)):
                database = self.exported_just_now()
                with database.engine.begin() as connection:
                    connection.execute(written)
                error = self.assertRaises(
                    errors.SchemaError, self.upgrade, database
                )
                self.assertIn(written.table.name, str(error))
                self.assertIn("--force", str(error))

    # -- refusals ------------------------------------------------------------

    def test_a_database_in_use_is_not_exported(self) -> None:
        database = self.old_database([backup_row(1)])
        store = self.upgrade(database)
        store.register_conductor("c1", "host-7", 1, "solo")
        error = self.assertRaises(errors.SchemaError, self.export, database)
        self.assertIn("host-7", str(error))
        self.assertIn("--force", str(error))
        migration.check(database)
        self.assertFalse(self.tables(database) & set(release_2x.OLD))
        self.export(database, forced=True)
        self.assertEqual([], self.come_back(database).conductors())

    def test_only_a_database_of_this_release_is_exported(self) -> None:
        for database in (self.empty_database(), self.old_database()):
            self.assertRaises(errors.SchemaError, self.export, database)

    def test_old_rows_that_are_there_stay(self) -> None:
        database = self.empty_database()
        migration.create_schema(database)
        export_2x.OLD_TABLES.create_all(database.engine)
        with database.engine.begin() as connection:
            connection.execute(sa.insert(export_2x.BACKUP_DATA), backup_row(1))
        error = self.assertRaises(errors.SchemaError, self.export, database)
        self.assertIn("backup_data", str(error))

    def test_a_new_database_can_go_back_as_well(self) -> None:
        """There an unset key meant all servers, so nobody guesses then."""
        database = self.empty_database()
        migration.create_schema(database)
        before = SqlStore(database).deployment()
        self.assertFalse(before.adopted)
        self.export(database)
        after = self.come_back(database).deployment()
        self.assertEqual(before.uuid, after.uuid)
        self.assertTrue(after.adopted)

    def test_a_crash_on_the_way_back_is_mended(self) -> None:
        statements = self.crash_everywhere(
            self.upgraded, self.export_what_is_whole, self.assert_went_back
        )
        self.assertGreater(statements, 10)

    def upgraded(self) -> session.Database:
        database = self.old_database(
            [backup_row(1), backup_row(2, backup_completed=0)],
            [queue_row(3, 1), queue_row(4, 2)],
        )
        self.upgrade(database)
        return database

    def export_what_is_whole(self, database: session.Database) -> None:
        """Also after a crash this release could go on instead."""
        migration.check(database)
        self.assertEqual(3, len(SqlStore(database).backups()))
        self.export(database)

    def assert_went_back(self, database: session.Database) -> None:
        self.assertEqual(
            [("backup-1", 1), ("backup-2", 0)],
            self.read(
                database,
                "SELECT backup_id, backup_completed FROM backup_data "
                "ORDER BY backup_id",
            ),
        )
        self.assertEqual(
            [(1,), (2,)],
            self.read(
                database,
                "SELECT backup_status FROM queue_data ORDER BY backup_status",
            ),
        )

    def test_reports_go_on_at_their_pace(self) -> None:
        database = self.old_database(queue=[queue_row(1, 2)])
        store = self.upgrade(database)
        term = store.take_office("c1")
        store.open_report(term, "r1", report.Audience.ALL, ["p1"], store.now())
        store.note_delivered("r1", "a@example")
        self.export(database, sender="s@example")
        ((created_at, sender),) = self.read(
            database, "SELECT created_at, sender FROM report_timestamp"
        )
        self.assertEqual("s@example", sender)
        if isinstance(created_at, str):
            created_at = datetime.datetime.fromisoformat(created_at)
        self.assertGreater(created_at, LONG_AGO)
