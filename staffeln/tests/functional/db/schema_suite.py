# SPDX-License-Identifier: Apache-2.0
"""What a migration has to keep: the schema, and its check."""

from __future__ import annotations

import concurrent.futures
import threading

import sqlalchemy as sa
from alembic import autogenerate
from alembic.runtime.migration import MigrationContext

from staffeln.db import migration, models, schema_3_0, session
from staffeln.db.store import SqlStore
from staffeln.domain import errors
from staffeln.tests.functional.db import migration_case, old_release
from staffeln.tests.functional.db.migration_case import (
    STARTS,
    backup_row,
    queue_row,
)


class SchemaSuite(migration_case.MigrationCase):
    """Part of :class:`migration_suite.MigrationSuite`."""

    # -- the schema ----------------------------------------------------------

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

    # -- checks --------------------------------------------------------------

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

    def test_a_revision_that_is_none_is_refused(self) -> None:
        database = self.empty_database()
        error = self.assertRaises(
            errors.SchemaError, migration.upgrade, database, "no-such"
        )
        self.assertIn("no-such", str(error))
        self.assertEqual(1, len(str(error).splitlines()))
