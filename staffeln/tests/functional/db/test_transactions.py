# SPDX-License-Identifier: Apache-2.0
"""Transactions that a database gives up, or of which nobody knows."""

from __future__ import annotations

import pathlib
import subprocess
import sys
from typing import ClassVar

import fixtures
import sqlalchemy as sa

from staffeln.db import migration, session, urls
from staffeln.domain import errors
from staffeln.tests.functional.db import (
    counting,
    databases,
    transaction_suite,
)
from staffeln.tests.servers import mariadb, postgresql

PROCESSES = 6
TIMES = 100


class SqliteTransactionTest(
    databases.Sqlite, transaction_suite.TransactionCase
):
    def test_many_processes_write_at_once(self) -> None:
        running = [
            subprocess.Popen(
                [sys.executable, "-m", counting.__name__, self.url, str(TIMES)]
            )
            for _ in range(PROCESSES)
        ]
        self.assertEqual([0] * PROCESSES, [each.wait() for each in running])
        self.assertEqual(PROCESSES * TIMES, self.count())

    def test_a_file_put_in_its_place_is_the_database(self) -> None:
        path = pathlib.Path(urls.normalised(self.url).database or "")
        for _ in range(2):
            self.database.write(counting.count_one)
        path.rename(path.with_name("old.sqlite"))
        self.useFixture(
            fixtures.MonkeyPatch("staffeln.db.session.MOST_TRIES", 2)
        )
        error = self.assertRaises(
            errors.StoreError, self.database.write, counting.count_one
        )
        # It may come back: no fault of what was to be written.
        self.assertNotIsInstance(error, errors.StoreRefusedError)
        self.assertIn("file is gone", str(error))
        self.assertFalse(path.exists())
        migration.create_schema(self.connect(self.url))
        self.database.write(counting.count_one)
        self.assertEqual(1, self.count())
        self.database.close()
        self.database = self.connect(self.url)
        self.assertEqual(1, self.count())

    def test_the_files_are_closed_to_others(self) -> None:
        path = urls.normalised(self.url).database
        assert path
        self.database.write(counting.count_one)
        with self.database.engine.connect() as connection:
            connection.exec_driver_sql("SELECT * FROM scheduler_term")
            found = {
                each.name: each.stat().st_mode & 0o777
                for each in pathlib.Path(path).parent.iterdir()
            }
        self.assertEqual(
            {
                "staffeln.sqlite": 0o600,
                "staffeln.sqlite-wal": 0o600,
                "staffeln.sqlite-shm": 0o600,
            },
            found,
        )


class MariaDbTransactionTest(
    databases.MariaDb, transaction_suite.ServerTransactionSuite
):
    server = staticmethod(mariadb.shared)
    transient: ClassVar[list[str]] = [
        f"SIGNAL SQLSTATE '{state}' SET MYSQL_ERRNO = {number}"
        for state, number in (
            ("40001", 1213),
            ("HY000", 1205),
            ("HY000", 1020),
            ("08S01", 1047),
        )
    ]

    def test_a_silent_server_is_given_up(self) -> None:
        self.useFixture(
            fixtures.MonkeyPatch(
                "staffeln.db.limits._SILENCE",
                {"pymysql": {"read_timeout": "1"}},
            )
        )
        database = session.connect(databases.configuration(self.url))
        self.addCleanup(database.close)
        calls: list[str] = []

        def work(connection: sa.Connection) -> None:
            calls.append("")
            if len(calls) == 1:
                connection.exec_driver_sql("DO SLEEP(3)")
            counting.count_one(connection)

        database.write(work)
        self.assertEqual((2, 1), (len(calls), self.count()))


class PostgreSqlTransactionTest(
    databases.PostgreSql, transaction_suite.ServerTransactionSuite
):
    server = staticmethod(postgresql.shared)
    transient: ClassVar[list[str]] = [
        f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$"
        for state in ("40001", "40P01")
    ]
