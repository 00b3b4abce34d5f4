# SPDX-License-Identifier: Apache-2.0
"""Migrations on the three databases that Staffeln knows."""

from __future__ import annotations

import shutil
from typing import Any

import sqlalchemy as sa

from staffeln.db import migration, models
from staffeln.tests.functional.db import (
    databases,
    migration_suite,
    old_release,
)
from staffeln.tests.servers import mariadb


class SqliteMigrationTest(databases.Sqlite, migration_suite.MigrationSuite):
    def test_the_samples_are_adopted_as_they_lie_there(self) -> None:
        samples = {
            "at-041d9a0f1159": old_release.REVISIONS[0],
            "create-schema-only": old_release.REVISIONS[-1],
            "head": old_release.REVISIONS[-1],
            "upgrade-failed-half-way": old_release.REVISIONS[-1],
        }
        for name, revision in samples.items():
            path = self.make_temp_dir() / "staffeln.sqlite"
            shutil.copy(old_release.SAMPLES / f"{name}.sqlite", path)
            self.assert_sample_adopted(
                self.connect(f"sqlite:///{path}"), revision
            )


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

    def test_the_sample_is_adopted_as_it_was_dumped(self) -> None:
        url = self.new_url()
        mariadb.shared().run(
            (old_release.SAMPLES / "head-mariadb.sql").read_text(),
            url.rpartition("/")[2],
        )
        self.assert_sample_adopted(
            self.connect(url), old_release.REVISIONS[-1]
        )


class PostgreSqlMigrationTest(
    databases.PostgreSql, migration_suite.MigrationSuite
):
    """PostgreSQL, whose changes of tables are part of a transaction."""
