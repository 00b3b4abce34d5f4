# SPDX-License-Identifier: Apache-2.0
"""What a migration has to keep: what an earlier release left."""

from __future__ import annotations

import datetime
from collections import Counter
from typing import Any

import sqlalchemy as sa

from staffeln.db import adoption, migration, release_2x, session
from staffeln.db.store import SqlStore
from staffeln.domain import errors, model, task
from staffeln.tests.functional.db import migration_case, old_release
from staffeln.tests.functional.db.migration_case import (
    LONG_AGO,
    STARTS,
    backup_row,
    queue_row,
)


class AdoptionSuite(migration_case.MigrationCase):
    """Part of :class:`migration_suite.MigrationSuite`."""

    # -- adoption ------------------------------------------------------------

    def test_every_known_database_is_adopted(self) -> None:
        rows = old_release.sample_rows()
        for revision, stamp in STARTS:
            database = self.empty_database()
            old_release.make(database.engine, rows, revision, stamp)
            self.assert_sample_adopted(database, revision)

    def assert_sample_adopted(
        self, database: session.Database, revision: str
    ) -> None:
        """The samples: what came out, told from the rows themselves."""
        rows = old_release.sample_rows()
        age = old_release.REVISIONS.index(revision)
        self.told.clear()
        store = self.upgrade(database)
        self.assertTrue(store.deployment().adopted)
        kept = {row.id: row for row in store.backups()}
        for old in rows["backup_data"]:
            row = kept.pop(old["backup_id"])
            done = old["backup_completed"] == 1
            self.assertEqual(
                (
                    old["project_id"],
                    old["volume_id"],
                    old["instance_id"],
                    old["created_at"],
                    old["created_at"] if done else None,
                    "available" if done else "unwanted",
                    old["incremental"] if age >= 1 else None,
                    None,
                ),
                (
                    row.project_id,
                    row.volume_id,
                    row.server_id,
                    row.created_at,
                    row.completed_at,
                    row.state,
                    row.incremental,
                    row.retention,
                ),
            )
        running = [
            old for old in rows["queue_data"] if old["backup_status"] == 1
        ]
        self.assertEqual({old["backup_id"] for old in running}, set(kept))
        self.assertEqual(
            {model.BackupState.CREATING}, {row.state for row in kept.values()}
        )
        self.assert_tasks_adopted(store, rows["queue_data"], age)
        self.assertFalse(self.tables(database) & set(release_2x.OLD))

    def assert_tasks_adopted(
        self, store: SqlStore, queue: list[dict[str, Any]], age: int
    ) -> None:
        tasks = {work.volume_id: work for work in store.tasks()}
        self.assertEqual(len(queue), len(tasks))
        states = {1: "running", 2: "succeeded", 3: "failed", 4: "failed"}
        interrupted = 0
        for old in queue:
            work = tasks[old["volume_id"]]
            status = old["backup_status"]
            self.assertEqual(states[status], work.state)
            self.assertEqual(old["volume_name"], work.volume_name)
            self.assertEqual(old["instance_name"], work.server_name)
            if status == 1:
                self.assertEqual(old["backup_id"], work.backup_id)
                self.assertLess(
                    store.now() - (work.attempted_at or LONG_AGO),
                    datetime.timedelta(minutes=5),
                )
            if status == 3 and age >= 2:
                self.assertEqual(old["reason"], work.reason)
            if status == 4:
                interrupted += 1
                self.assertEqual("interrupted by the upgrade", work.reason)
                self.assertIn(
                    f"volume {work.volume_id}: task {work.id} is failed: "
                    "interrupted by the upgrade; a backup of it that nobody "
                    "noted may be in Cinder",
                    self.told,
                )
            (event,) = store.events(work.id)
            self.assertEqual(work.state, event.to_state)
        self.assertEqual(3, interrupted)
        failures = store.histories(tasks)
        self.assertEqual(
            sum(old["backup_status"] in (3, 4) for old in queue),
            sum(len(past.unreported_failures) for past in failures.values()),
        )

    def test_old_tables_are_kept_aside(self) -> None:
        database = self.old_database([backup_row(1)], [queue_row(1, 2)])
        self.upgrade(database)
        aside = {
            name
            for name in self.tables(database)
            if name.startswith(adoption.ASIDE)
        }
        self.assertEqual(
            {adoption.ASIDE + name for name in release_2x.OLD}, aside
        )
        with database.engine.connect() as connection:
            count = connection.scalar(
                sa.text(f"SELECT count(*) FROM {adoption.ASIDE}backup_data")
            )
        self.assertEqual(1, count)

    def test_tables_kept_of_an_adoption_before_are_left(self) -> None:
        database = self.old_database([backup_row(1)])
        with database.engine.begin() as connection:
            for name in ("backup_data", "backup_data_2"):
                connection.execute(
                    sa.text(f"CREATE TABLE {adoption.ASIDE}{name} (kept INT)")
                )
        store = self.upgrade(database)
        self.assertEqual(["backup-1"], [row.id for row in store.backups()])
        self.assertIn(f"{adoption.ASIDE}backup_data_3", self.tables(database))
        with database.engine.connect() as connection:
            for name in ("backup_data", "backup_data_2"):
                connection.execute(
                    sa.text(f"SELECT kept FROM {adoption.ASIDE}{name}")
                )

    def test_running_tasks_go_to_the_first_conductor(self) -> None:
        database = self.old_database(queue=[queue_row(1, 1)])
        store = self.upgrade(database)
        (holder,) = store.holders()
        self.assertEqual(adoption.HOLDER, holder)
        running = store.tasks(claimed_by=[holder])
        taken = store.take_over(running, "c1", store.now(), "rescued")
        (done,) = store.advance([_ended(taken[0], store.now())], "c1")
        self.assertEqual(done, store.get_task(done.id))
        self.assertEqual(set(), store.holders())

    def test_two_running_backups_of_a_volume_are_both_followed(self) -> None:
        database = self.old_database(
            queue=[
                queue_row(1, 1, volume_id="v"),
                queue_row(2, 1, volume_id="v"),
            ]
        )
        store = self.upgrade(database)
        running = store.tasks(states=[task.State.RUNNING])
        self.assertEqual(
            {"made-by-1", "made-by-2"}, {work.backup_id for work in running}
        )
        self.assertEqual(2, len(store.backups()))
        taken = store.take_over(running, "c1", store.now(), "rescued")
        done = store.advance(
            [_ended(work, store.now()) for work in taken], "c1"
        )
        self.assertEqual(2, len(done))

    def test_planned_tasks_are_dropped(self) -> None:
        database = self.old_database(
            queue=[queue_row(1, 0, backup_id="NULL"), queue_row(2, 2)]
        )
        store = self.upgrade(database)
        self.assertEqual(
            ["volume-2"], [work.volume_id for work in store.tasks()]
        )
        self.assertTrue(
            any("1 planned task(s) dropped" in line for line in self.told)
        )

    def test_no_backup_is_forgotten_or_brought_back(self) -> None:
        """By the state of the task that made it, where it has no row."""
        database = self.old_database(
            [backup_row(9, backup_id="made-by-5")],
            [queue_row(number, number) for number in (1, 2, 3, 4)]
            + [queue_row(5, 1)],
        )
        store = self.upgrade(database)
        self.assertEqual(
            {
                "made-by-1": "creating",
                "made-by-3": "unwanted",
                "made-by-4": "unwanted",
                "made-by-5": "available",
            },
            {row.id: row.state for row in store.backups()},
        )
        self.assertEqual(
            Counter({"failed": 2, "succeeded": 2, "running": 1}),
            Counter(work.state.value for work in store.tasks()),
        )

    def test_what_is_to_be_removed_is_not_followed(self) -> None:
        database = self.old_database(
            [backup_row(1, backup_id="made-by-1", backup_completed=0)],
            [queue_row(1, 1)],
        )
        store = self.upgrade(database)
        (work,) = store.tasks()
        self.assertEqual(task.State.FAILED, work.state)
        (row,) = store.unwanted_backups()
        self.assertEqual("made-by-1", row.id)

    def test_odd_rows_do_not_stop_the_upgrade(self) -> None:
        nothing = {
            "created_at": None,
            "updated_at": None,
            "project_id": None,
            "volume_id": None,
            "instance_id": None,
            "incremental": None,
        }
        database = self.old_database(
            [
                backup_row(1),
                backup_row(2, **nothing, backup_completed=None),
                backup_row(3, backup_id=None),
                backup_row(4, backup_id="NULL"),
                backup_row(5, backup_id="x" * 100),
                backup_row(6, backup_id="bäckup"),
                backup_row(7, backup_id="BACKUP-1x"),
                backup_row(8, backup_id="../volumes/v", backup_completed=0),
                backup_row(9, backup_completed=2),
            ],
            [
                queue_row(1, 1, backup_id="same"),
                queue_row(2, 1, backup_id="same"),
                queue_row(3, 1, **nothing),
                queue_row(4, 1, backup_id="NULL"),
                queue_row(5, 7),
                queue_row(
                    6,
                    3,
                    backup_id=None,
                    volume_name=None,
                    instance_name=None,
                ),
                queue_row(7, 4, backup_status=None),
            ],
        )
        store = self.upgrade(database)
        self.assertEqual(
            {
                "backup-1": "available",
                "backup-2": "available",
                "backup-9": "available",
                "BACKUP-1x": "available",
                "same": "creating",
                "made-by-3": "creating",
                "made-by-5": "creating",
                "made-by-7": "creating",
            },
            {row.id: row.state for row in store.backups()},
        )
        self.assertEqual(
            Counter({"failed": 3, "running": 4}),
            Counter(work.state.value for work in store.tasks()),
        )
        self.assertEqual(
            5, sum("names no backup" in line for line in self.told)
        )
        for line in (
            "backup backup-2: whether it was completed is not known (None): "
            "it is kept",
            "backup backup-2: when it was made is not known: it counts as "
            "made now",
            "backup backup-9: whether it was completed is not known (2): it "
            "is kept",
        ):
            self.assertIn(line, self.told)

    def test_times_that_cannot_be_count_as_now(self) -> None:
        """Else a volume would have no backup until that time."""
        later = datetime.datetime(2099, 1, 1)  # noqa: DTZ001  UTC by rule
        database = self.old_database(
            [backup_row(1, created_at=later)],
            [
                queue_row(2, 1, created_at=later),
                queue_row(3, 2, updated_at=later),
            ],
        )
        error = self.assertRaises(
            errors.SchemaError, migration.upgrade, database
        )
        self.assertEqual(
            "a row of backup_data is of 2099-01-01 00:00:00, which is yet to "
            "come: make sure that no conductor of the earlier release runs, "
            "and use --force",
            str(error),
        )
        store = self.upgrade(database, forced=True)
        now = store.now()
        times = [row.created_at for row in store.backups()]
        for work in store.tasks():
            times += [work.created_at, work.finished_at or LONG_AGO]
        self.assertEqual([], [each for each in times if each > now])

    def test_a_table_of_something_else_is_refused(self) -> None:
        database = self.old_database([backup_row(1)])
        with database.engine.begin() as connection:
            connection.execute(
                sa.text("ALTER TABLE queue_data DROP COLUMN backup_status")
            )
        for forced in (False, True):
            error = self.assertRaises(
                errors.SchemaError, migration.upgrade, database, forced=forced
            )
            self.assertEqual(
                "table queue_data has no backup_status: it is not that of an "
                "earlier release",
                str(error),
            )
        self.assertIn("backup_data", self.tables(database))

    def test_a_chain_of_the_old_release_is_built_on(self) -> None:
        day = datetime.timedelta(days=1)
        database = self.old_database(
            [
                backup_row(
                    number,
                    volume_id="v",
                    created_at=LONG_AGO + number * day,
                    incremental=incremental,
                )
                for number, incremental in enumerate((None, False, True), 1)
            ]
        )
        past = self.upgrade(database).histories(["v"])["v"]
        self.assertEqual(
            ["backup-2", "backup-3"], [row.id for row in past.chain]
        )
        self.assertEqual(LONG_AGO + 3 * day, past.last_success_at)


def _ended(work: task.Task, now: datetime.datetime) -> Any:
    from staffeln import ports

    return ports.Change(
        before=work,
        after=task.advance(work, task.State.SUCCEEDED, now, "available"),
    )
