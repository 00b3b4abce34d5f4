# SPDX-License-Identifier: Apache-2.0
"""The check's query on the three databases that Staffeln knows."""

from __future__ import annotations

import contextlib
import pathlib

import fixtures
import sqlalchemy as sa

from staffeln.db import check, fuse, migration, prompt, session, urls
from staffeln.domain import errors
from staffeln.tests.functional.api import sql_lookup_suite
from staffeln.tests.functional.db import databases


class SqliteLookupTest(databases.Sqlite, sql_lookup_suite.SqlLookupSuite):
    def test_a_file_that_is_not_there_is_not_made(self) -> None:
        path = self.home / "no # ? such.sqlite"
        door = check.SqlLookup(databases.configuration(f"sqlite:///{path}"))
        self.addCleanup(door.close)
        for _ in range(2):
            self.assertRaises(errors.StoreError, door.look, "b1", None)
        self.assertFalse(path.exists())

    def test_a_database_that_is_away_is_not_asked_each_time(self) -> None:
        door = check.SqlLookup(
            databases.configuration(f"sqlite:///{self.home}/none.sqlite")
        )
        self.addCleanup(door.close)
        for name in ("FIRST_PAUSE", "LONGEST_PAUSE"):
            self.useFixture(
                fixtures.MonkeyPatch(f"staffeln.db.fuse.{name}", 3600)
            )
        told = [
            type(self.assertRaises(errors.StoreError, door.look, "b1", None))
            for _ in range(3)
        ]
        self.assertEqual(
            [errors.StoreError, fuse.BlownError, fuse.BlownError], told
        )

    def test_a_file_put_in_its_place_is_read(self) -> None:
        for name in ("FIRST_PAUSE", "LONGEST_PAUSE"):
            self.useFixture(
                fixtures.MonkeyPatch(f"staffeln.db.fuse.{name}", 0)
            )
        before = self.look().deployment_uuid
        path = pathlib.Path(urls.normalised(self.url).database or "")
        path.rename(path.with_name("old.sqlite"))
        self.assertRaises(errors.StoreError, self.door.look, "b1", None)
        self.assertFalse(path.exists())
        migration.create_schema(self.connect(self.url))
        self.assertNotEqual(before, self.look().deployment_uuid)

    def test_memory_is_no_database(self) -> None:
        for url in ("sqlite://", "postgresql+nodriver://h/d", "no url"):
            self.assertRaises(
                errors.ConfigurationError,
                check.SqlLookup,
                databases.configuration(url),
            )

    def test_reads_while_another_writes(self) -> None:
        self.keep(self.row(1))
        with self.database.engine.connect() as connection:
            transaction = session.begin_writing(connection)
            connection.exec_driver_sql("DELETE FROM backups")
            self.assertIsNotNone(self.look().backup_state)
            transaction.rollback()

    def test_nothing_can_be_written(self) -> None:
        self.look()
        with self.door.engine.connect() as connection:
            self.assertRaises(
                sa.exc.DBAPIError,
                connection.exec_driver_sql,
                "DELETE FROM backups",
            )


class MariaDbLookupTest(databases.MariaDb, sql_lookup_suite.ServerLookupSuite):
    slow = "SELECT SLEEP(5), COUNT(*) FROM deployment"

    def limits(self, door: check.SqlLookup) -> tuple[float, int]:
        with door.engine.connect() as connection:
            row = connection.exec_driver_sql(
                "SELECT @@max_statement_time, @@wsrep_sync_wait"
            ).one()
        return float(row[0]), int(row[1])

    def test_limits_of_a_session(self) -> None:
        self.assertEqual((prompt.ANSWER_SHARE, 0), self.limits(self.door))

    def test_what_other_nodes_have_committed_is_seen(self) -> None:
        door = check.SqlLookup(
            databases.configuration(self.url, mysql_wsrep_sync_wait=7)
        )
        self.addCleanup(door.close)
        self.assertEqual((prompt.ANSWER_SHARE, 7), self.limits(door))

    def kill_all(self) -> None:
        with self.database.engine.connect() as connection:
            mine = connection.exec_driver_sql(
                "SELECT CONNECTION_ID()"
            ).scalar_one()
            others = connection.exec_driver_sql(
                "SELECT id FROM information_schema.processlist "
                f"WHERE db = DATABASE() AND id <> {mine}"
            ).all()
            for (number,) in others:
                with contextlib.suppress(sa.exc.DBAPIError):
                    connection.exec_driver_sql(f"KILL {number}")


class PostgreSqlLookupTest(
    databases.PostgreSql, sql_lookup_suite.ServerLookupSuite
):
    slow = "SELECT pg_sleep(5)"

    def kill_all(self) -> None:
        with self.database.engine.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() "
                "AND pid <> pg_backend_pid()"
            )
