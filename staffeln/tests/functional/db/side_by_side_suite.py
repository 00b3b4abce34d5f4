# SPDX-License-Identifier: Apache-2.0
"""A release and the one before it, at work on one schema.

There is no release after this one yet; what it may do to the schema is done
here by hand: a column and a table more, and another revision.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from staffeln import ports
from staffeln.db import check, migration, models, session
from staffeln.db.store import SqlStore
from staffeln.domain import errors, task
from staffeln.tests.functional.db import databases, migration_case
from staffeln.tests.functional.db.migration_case import (
    backup_row,
    queue_row,
)

NEXT = "f00000000000"
"""The revision of a release that nobody has made yet."""


class SideBySideSuite(migration_case.MigrationCase):
    """Part of :class:`migration_suite.MigrationSuite`."""

    def expanded(self, serves: str | None) -> tuple[session.Database, str]:
        """A database that a newer release has added something to.

        :param serves: what that release says whom it lets go on.
        """
        url = self.new_url()
        database = self.connect(url)
        migration.create_schema(database)
        with database.engine.begin() as connection:
            for table in ("tasks", "backups", "task_events", "deployment"):
                for column in (
                    "new_1 INTEGER",
                    "new_2 INTEGER NOT NULL DEFAULT 0",
                ):
                    connection.execute(
                        sa.text(f"ALTER TABLE {table} ADD COLUMN {column}")
                    )
            connection.execute(
                sa.text("CREATE TABLE new_table (id INTEGER PRIMARY KEY)")
            )
            connection.execute(
                sa.update(models.Deployment).values(serves=serves)
            )
        self.stamp(database, NEXT)
        return database, url

    def test_this_release_goes_on_where_a_newer_one_lets_it(self) -> None:
        database, _ = self.expanded(migration.head())
        migration.check(database)
        self.use(SqlStore(database))

    def test_it_does_not_where_it_is_not_let(self) -> None:
        for serves in (None, "another"):
            database, _ = self.expanded(serves)
            error = self.assertRaises(
                errors.SchemaError, migration.check, database
            )
            self.assertIn("newer release", str(error))

    def test_an_older_schema_is_never_enough(self) -> None:
        database, _ = self.expanded(migration.head())
        self.stamp(database, "a4d18c6e2b97")
        self.assertRaises(errors.SchemaError, migration.check, database)

    def test_the_api_answers_by_the_same_rule(self) -> None:
        for serves, current in (
            (migration.head(), True),
            (None, False),
            ("another", False),
        ):
            _, url = self.expanded(serves)
            lookup = check.SqlLookup(databases.configuration(url))
            self.addCleanup(lookup.close)
            self.assertIs(current, lookup.look("b", None).schema_is_current)

    def test_a_schema_of_2x_serves_nobody(self) -> None:
        database = self.old_database([backup_row(1)], [queue_row(2, 2)])
        self.assertRaises(errors.SchemaError, migration.check, database)

    def use(self, store: SqlStore) -> None:
        """What a conductor writes, on columns that it does not know."""
        store.register_conductor("c1", "host", 1, "solo")
        term = store.take_office("c1")
        now = store.now()
        work = task.Task(
            id="t1",
            kind=task.Kind.BACKUP,
            state=task.State.PLANNED,
            project_id="p1",
            volume_id="v1",
            mode=task.Mode.FULL,
            created_at=now,
            updated_at=now,
        )
        store.write_plan(term, ports.PlanRecord(tasks=[work]), "c1")
        (claimed,) = store.claim(
            "c1", task.Kind.BACKUP, 1, now, ports.Throttle()
        )
        self.assertEqual("t1", claimed.id)
        self.assertEqual(2, len(store.events("t1")))

    def test_what_the_models_leave_out_has_a_default(self) -> None:
        """Of columns that the schema has and the models have not."""
        database, _ = self.expanded(migration.head())
        found = sa.inspect(database.engine)
        for name, table in models.Base.metadata.tables.items():
            for each in found.get_columns(name):
                if each["name"] not in table.columns:
                    self.assertTrue(_may_be_left_out(each), each)


def _may_be_left_out(column: Any) -> bool:
    return bool(column["nullable"]) or column["default"] is not None
