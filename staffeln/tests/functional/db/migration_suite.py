# SPDX-License-Identifier: Apache-2.0
"""What a migration has to keep, from every known starting point."""

from __future__ import annotations

import concurrent.futures
import datetime
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import autogenerate
from alembic.runtime.migration import MigrationContext

from staffeln.db import adoption, migration, models, schema_3_0, session
from staffeln.db.store import SqlStore
from staffeln.domain import errors, model, task
from staffeln.tests.functional.db import databases, old_release

LONG_AGO = datetime.datetime(2026, 1, 1)  # noqa: DTZ001  UTC by rule
STARTS = [
    *((revision, revision) for revision in old_release.REVISIONS),
    (old_release.REVISIONS[-1], old_release.EMPTY),
    (old_release.REVISIONS[-1], None),
    (old_release.REVISIONS[0], None),
]
"""Revision of the tables, and what alembic_version says."""


def backup_row(number: int, **changes: Any) -> dict[str, Any]:
    """A completed full backup in the old table."""
    return {
        "id": number,
        "created_at": LONG_AGO,
        "updated_at": LONG_AGO,
        "backup_id": f"backup-{number}",
        "project_id": "p1",
        "volume_id": f"volume-{number}",
        "instance_id": "server-1",
        "backup_completed": 1,
        "incremental": False,
        **changes,
    }


def queue_row(number: int, status: int, **changes: Any) -> dict[str, Any]:
    """A task in the old table."""
    return {
        "id": number,
        "created_at": LONG_AGO,
        "updated_at": LONG_AGO,
        "backup_id": f"made-by-{number}",
        "project_id": "p1",
        "volume_id": f"volume-{number}",
        "instance_id": "server-1",
        "volume_name": "dätä 📦",
        "instance_name": "sërver",
        "incremental": False,
        "backup_status": status,
        "reason": None,
        **changes,
    }


class CrashError(Exception):
    """The process ends here."""


class MigrationSuite(databases.DatabaseCase):
    """Inherit this with ``new_url``."""

    def setUp(self) -> None:
        super().setUp()
        self.told: list[str] = []

    def empty_database(self) -> session.Database:
        """A new database that is closed when the test ends."""
        return self.connect(self.new_url())

    def old_database(
        self,
        backups: list[dict[str, Any]] | None = None,
        queue: list[dict[str, Any]] | None = None,
    ) -> session.Database:
        """A database of 2.x with these rows."""
        database = self.empty_database()
        old_release.make(
            database.engine,
            {"backup_data": backups or [], "queue_data": queue or []},
            stamp=old_release.REVISIONS[-1],
        )
        return database

    def upgrade(self, database: session.Database, **options: Any) -> SqlStore:
        """Upgrade to the head, and make sure that it arrived."""
        migration.upgrade(database, tell=self.told.append, **options)
        migration.check(database)
        return SqlStore(database)

    def tables(self, database: session.Database) -> set[str]:
        return set(sa.inspect(database.engine).get_table_names())

    def adopted_tasks(self, store: SqlStore) -> list[task.Task]:
        return sorted(store.tasks(), key=lambda work: work.volume_id)

    # -- the schema --------------------------------------------------------

    def test_models_and_migrations_agree(self) -> None:
        database = self.empty_database()
        migration.create_schema(database)
        with database.engine.connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"compare_type": True}
            )
            self.assertEqual(
                [],
                autogenerate.compare_metadata(context, models.Base.metadata),
            )

    def test_create_schema_is_upgrade_head(self) -> None:
        created, upgraded = self.empty_database(), self.empty_database()
        migration.create_schema(created)
        migration.upgrade(upgraded)
        self.assertEqual(migration.head(), migration.version(created))
        self.assertEqual(self.shape(created), self.shape(upgraded))
        first, second = SqlStore(created), SqlStore(upgraded)
        self.assertFalse(first.deployment().adopted)
        self.assertNotEqual(first.deployment().uuid, second.deployment().uuid)

    def shape(self, database: session.Database) -> Any:
        """All tables, columns, keys and indexes."""
        found = sa.inspect(database.engine)
        return {
            name: (
                [
                    (each["name"], str(each["type"]), each["nullable"])
                    for each in found.get_columns(name)
                ],
                found.get_pk_constraint(name)["constrained_columns"],
                sorted(
                    (each["name"], tuple(each["column_names"]))
                    for each in found.get_indexes(name)
                ),
            )
            for name in sorted(found.get_table_names())
        }

    def test_upgrading_again_changes_nothing(self) -> None:
        database = self.empty_database()
        migration.create_schema(database)
        before = SqlStore(database).deployment()
        self.assertEqual(before, self.upgrade(database).deployment())

    def test_the_schema_is_made_in_an_empty_database_only(self) -> None:
        for database in (self.empty_database(), self.old_database()):
            if not self.tables(database):
                migration.create_schema(database)
            before = self.tables(database)
            error = self.assertRaises(
                errors.SchemaError, migration.create_schema, database
            )
            self.assertIn("staffeln-db-manage upgrade head", str(error))
            self.assertEqual(before, self.tables(database))

    def test_there_is_one_deployment_and_one_term(self) -> None:
        database = self.empty_database()
        migration.create_schema(database)
        with database.engine.connect() as connection:
            for table in (schema_3_0.DEPLOYMENT, schema_3_0.TERM):
                row = connection.execute(sa.select(table)).one()
                self.assertEqual(1, row.id)

    def test_upgrades_started_at_once_make_one_schema(self) -> None:
        url = self.new_url()
        old_release.make(
            self.connect(url).engine,
            {"backup_data": [backup_row(1)], "queue_data": [queue_row(1, 1)]},
        )
        databases = [self.connect(url) for _ in range(4)]
        gate = threading.Barrier(len(databases))

        def run(database: session.Database) -> str:
            gate.wait()
            return self.upgrade(database).deployment().uuid

        with concurrent.futures.ThreadPoolExecutor(len(databases)) as threads:
            uuids = set(threads.map(run, databases))
        self.assertEqual(1, len(uuids))
        store = SqlStore(databases[0])
        self.assertEqual(2, len(store.backups()))
        self.assertEqual(1, len(store.tasks()))

    # -- checks ------------------------------------------------------------

    def check_error(self, database: session.Database) -> str:
        error = self.assertRaises(
            errors.SchemaError, migration.check, database
        )
        self.assertEqual(1, len(str(error).splitlines()))
        return str(error)

    def test_the_check_says_what_to_do(self) -> None:
        upgrade = "run staffeln-db-manage upgrade head"
        empty = self.empty_database()
        self.assertIn(
            "run staffeln-db-manage create_schema", self.check_error(empty)
        )
        for revision, stamp in STARTS:
            old = self.empty_database()
            old_release.make(old.engine, {}, revision, stamp)
            self.assertIn("earlier release", self.check_error(old))
            self.assertIn(upgrade, self.check_error(old))
        migration.create_schema(empty)
        migration.check(empty)
        self.stamp(empty, old_release.REVISIONS[-1])
        self.assertIn(upgrade, self.check_error(empty))
        self.stamp(empty, "f00000000000")
        self.assertIn("newer release", self.check_error(empty))
        self.assertNotIn(upgrade, self.check_error(empty))
        self.assertRaises(errors.SchemaError, migration.upgrade, empty)

    def test_two_revisions_at_once_are_refused(self) -> None:
        database = self.old_database()
        with database.engine.begin() as connection:
            connection.execute(
                sa.text("INSERT INTO alembic_version VALUES ('two')")
            )
        before = self.tables(database)
        for refuses in (
            migration.check,
            migration.version,
            migration.upgrade,
        ):
            error = self.assertRaises(errors.SchemaError, refuses, database)
            self.assertIn("more than one revision", str(error))
        self.assertEqual(before, self.tables(database))

    def stamp(self, database: session.Database, revision: str) -> None:
        with database.engine.begin() as connection:
            connection.execute(
                sa.text("UPDATE alembic_version SET version_num = :it"),
                {"it": revision},
            )

    def test_a_revision_that_is_none_is_refused(self) -> None:
        database = self.empty_database()
        error = self.assertRaises(
            errors.SchemaError, migration.upgrade, database, "no-such"
        )
        self.assertIn("no-such", str(error))
        self.assertEqual(1, len(str(error).splitlines()))

    # -- adoption ----------------------------------------------------------

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
        self.assertFalse(self.tables(database) & set(adoption.OLD))

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
            {adoption.ASIDE + name for name in adoption.OLD}, aside
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
                "backup-2": "unwanted",
                "BACKUP-1x": "available",
                "same": "creating",
                "made-by-3": "creating",
                "made-by-5": "unwanted",
                "made-by-7": "unwanted",
            },
            {row.id: row.state for row in store.backups()},
        )
        self.assertEqual(
            Counter({"failed": 5, "running": 2}),
            Counter(work.state.value for work in store.tasks()),
        )
        self.assertEqual(
            4, sum("names no backup" in line for line in self.told)
        )

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

    # -- while it is in use, and after a crash -----------------------------

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
        """After each statement that writes, on a database of its own."""
        expected = self.outcome(self.old_and_new())
        statements = 0
        while True:
            database = self.old_and_new()
            with self.crash_after(database, statements) as crashed:
                migration.upgrade(database)
            if not crashed:
                break
            self.upgrade(database)
            self.assertEqual(expected, self.outcome(database))
            statements += 1
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
                (row.id, row.state, row.task_id) for row in store.backups()
            ),
            sorted((work.id, work.state, work.slot) for work in store.tasks()),
            sorted(len(store.events(work.id)) for work in store.tasks()),
        )

    @contextmanager
    def crash_after(
        self, database: session.Database, statements: int
    ) -> Iterator[list[str]]:
        """Crash before the next statement that writes.

        :returns: the statement it crashed at, once it did.
        """
        crashed: list[str] = []
        left = statements

        def count(
            _connection: Any, _cursor: Any, statement: str, *_rest: Any
        ) -> None:
            nonlocal left
            if statement.split()[0] not in _WRITING:
                return
            if left == 0:
                crashed.append(statement)
                raise CrashError(statement)
            left -= 1

        event = "before_cursor_execute"
        sa.event.listen(database.engine, event, count)
        try:
            yield crashed
        except (CrashError, errors.StoreError):
            if not crashed:
                raise
        finally:
            sa.event.remove(database.engine, event, count)


_WRITING = ("CREATE", "INSERT", "UPDATE", "DELETE", "ALTER")


def _ended(work: task.Task, now: datetime.datetime) -> Any:
    from staffeln import ports

    return ports.Change(
        before=work,
        after=task.advance(work, task.State.SUCCEEDED, now, "available"),
    )
