# SPDX-License-Identifier: Apache-2.0
"""Migrations on the three databases that Staffeln knows."""

from __future__ import annotations

import pathlib
import shutil
from typing import Any

import sqlalchemy as sa

from staffeln.db import migration, models, session
from staffeln.tests.functional.db import (
    databases,
    migration_suite,
    old_release,
)
from staffeln.tests.functional.db.migration_case import backup_row
from staffeln.tests.servers import mariadb

SAMPLES = {
    "at-041d9a0f1159": old_release.REVISIONS[0],
    "create-schema-only": old_release.REVISIONS[-1],
    "head": old_release.REVISIONS[-1],
    "upgrade-failed-half-way": old_release.REVISIONS[-1],
}
"""Samples by the revision of their tables."""


class SqliteMigrationTest(databases.Sqlite, migration_suite.MigrationSuite):
    def test_the_samples_are_adopted_as_they_lie_there(self) -> None:
        for name, revision in SAMPLES.items():
            self.assert_sample_adopted(
                self.connect(f"sqlite:///{self.copied(name)}"), revision
            )

    def test_the_samples_go_back_as_they_lie_there(self) -> None:
        for name, revision in SAMPLES.items():
            self.assert_goes_back(
                self.connect(f"sqlite:///{self.copied(name)}"), revision
            )

    def test_a_rehearsal_leaves_the_samples_as_they_are(self) -> None:
        for name, revision in SAMPLES.items():
            path = self.copied(name)
            before = path.read_bytes()
            self.assert_rehearsed(
                session.connect(
                    databases.configuration(f"sqlite:///{path}"), touch=False
                ),
                revision,
            )
            self.assertEqual(before, path.read_bytes())
            self.assertEqual([path], list(path.parent.iterdir()))

    def test_texts_that_are_no_times_are_none(self) -> None:
        database = self.old_database([backup_row(1), backup_row(2)])
        self.spoil(database, "yesterday")
        store = self.upgrade(database)
        self.assertEqual(
            # It counts as made now, and so as the newest.
            ["backup-1", "backup-2"],
            [row.id for row in store.backups()],
        )

    def copied(self, name: str) -> pathlib.Path:
        """A copy of a sample in a folder of its own."""
        path = self.make_temp_dir() / "staffeln.sqlite"
        shutil.copy(old_release.SAMPLES / f"{name}.sqlite", path)
        return path


class MariaDbMigrationTest(databases.MariaDb, migration_suite.MigrationSuite):
    def test_ids_compare_by_bytes_and_times_have_microseconds(self) -> None:
        """Whatever the defaults of the database are."""
        url = self.new_url()
        name = url.rpartition("/")[2]
        mariadb.shared().run(f"ALTER DATABASE {name} CHARACTER SET latin1")
        database = self.connect(url)
        migration.create_schema(database)
        for table in models.Base.metadata.sorted_tables:
            shown = {
                each["name"]: each["type"]
                for each in sa.inspect(database.engine).get_columns(table.name)
            }
            for column in table.columns:
                there: Any = shown[column.name]
                where = f"{table.name}.{column.name}"
                if column.type in (models.ID, models.SLOT, models.VALUE):
                    self.assertEqual("utf8mb4_bin", there.collation, where)
                elif column.type is models.SPAN:
                    self.assertEqual("ascii_bin", there.collation, where)
                elif column.type is models.TIME:
                    self.assertEqual(6, there.fsp, where)
        with database.engine.connect() as connection:
            narrow = connection.scalars(
                sa.text(
                    "SELECT concat(table_name, '.', column_name) "
                    "FROM information_schema.columns "
                    "WHERE table_schema = :name "
                    "AND character_set_name <> 'utf8mb4'"
                ),
                {"name": name},
            ).all()
        self.assertEqual(
            [
                "alembic_version.version_num",
                "backups.grace",
                "backups.kept_for",
                "backups.retention_valid",
            ],
            sorted(narrow),
        )

    def test_the_time_zero_is_none(self) -> None:
        """What a MariaDB that is not strict makes of an empty text."""
        database = self.old_database([backup_row(1), backup_row(2)])
        self.spoil(database, "0000-00-00 00:00:00")
        self.rehearse(database)
        self.assertEqual(2, len(self.upgrade(database).backups()))

    def dumped(self) -> session.Database:
        """The sample, as it was dumped."""
        url = self.new_url()
        mariadb.shared().run(
            (old_release.SAMPLES / "head-mariadb.sql").read_text(),
            url.rpartition("/")[2],
        )
        return self.connect(url)

    def test_the_sample_is_adopted_as_it_was_dumped(self) -> None:
        self.assert_sample_adopted(self.dumped(), old_release.REVISIONS[-1])

    def test_the_sample_goes_back_as_it_was_dumped(self) -> None:
        self.assert_goes_back(self.dumped(), old_release.REVISIONS[-1])

    def test_the_sample_is_rehearsed_as_it_was_dumped(self) -> None:
        self.assert_rehearsed(self.dumped(), old_release.REVISIONS[-1])


class PostgreSqlMigrationTest(
    databases.PostgreSql, migration_suite.MigrationSuite
):
    """PostgreSQL, whose changes of tables are part of a transaction."""
