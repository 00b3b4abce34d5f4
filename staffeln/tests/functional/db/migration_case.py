# SPDX-License-Identifier: Apache-2.0
"""Databases to migrate in a test, empty and of release 2.x."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from staffeln.db import migration, session
from staffeln.db.store import SqlStore
from staffeln.domain import errors, task
from staffeln.tests.functional.db import databases, old_release

LONG_AGO = datetime.datetime(2026, 1, 1)  # noqa: DTZ001  UTC by rule
STARTS = [
    *((revision, revision) for revision in old_release.REVISIONS),
    (old_release.REVISIONS[-1], old_release.EMPTY),
    (old_release.REVISIONS[-1], None),
    (old_release.REVISIONS[0], None),
]
"""Revision of the tables, and what alembic_version says."""

_WRITING = ("CREATE", "INSERT", "UPDATE", "DELETE", "ALTER")


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


class MigrationCase(databases.DatabaseCase):
    """A test of migrations; ``new_url`` says on what."""

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

    def everything(self, database: session.Database) -> Any:
        with database.engine.connect() as connection:
            return {
                name: connection.execute(sa.text(f"SELECT * FROM {name}"))
                .tuples()
                .all()
                for name in sorted(self.tables(database))
            }

    def spoil(self, database: session.Database, time: str) -> None:
        """Write a text where the time of backup-1 was."""
        with database.engine.begin() as connection:
            if connection.dialect.name == "mysql":
                connection.execute(sa.text("SET SESSION sql_mode = ''"))
            connection.execute(
                sa.text(
                    "UPDATE backup_data "
                    "SET created_at = :it, updated_at = :it WHERE id = 1"
                ),
                {"it": time},
            )

    def stamp(self, database: session.Database, revision: str) -> None:
        with database.engine.begin() as connection:
            connection.execute(
                sa.text("UPDATE alembic_version SET version_num = :it"),
                {"it": revision},
            )

    def crash_everywhere(
        self,
        make: Callable[[], session.Database],
        act: Callable[[session.Database], object],
        check: Callable[[session.Database], object],
    ) -> int:
        """Crash after each statement that writes, and go on from there.

        A database that a crash has changed is mended by acting again; one
        that is as it was, and that is each where changes of tables are part
        of a transaction, is crashed again at the next statement.

        :param check: of a database that was acted upon to the end.
        :returns: at how many statements it crashed.
        """
        database = make()
        statements = 0
        while True:
            before = self.everything(database)
            with self.crash_after(database, statements) as crashed:
                act(database)
            if not crashed:
                check(database)
                return statements
            statements += 1
            if self.everything(database) != before:
                # Only there each change of a table is committed by itself.
                self.assertEqual("mysql", database.engine.dialect.name)
                act(database)
                check(database)
                database.close()
                database = make()

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
