# SPDX-License-Identifier: Apache-2.0
"""One-line errors, and transactions on a file that others use."""

from __future__ import annotations

import sqlite3
from unittest import mock

import fixtures
import sqlalchemy as sa
from oslo_config import cfg
from oslo_db import options as oslo_options

from staffeln.db import faults, options, rows, session
from staffeln.domain import errors
from staffeln.tests import base
from staffeln.tests.unit.db import example
from staffeln.tests.unit.domain import samples


class OneLineTest(base.TestCase):
    def test_only_the_first_line_of_the_drivers_words_is_told(self) -> None:
        driver = Exception("\nno  table\nLINE 1: SELECT 's3cret'\n")
        wrapped = sa.exc.DBAPIError("SELECT 's3cret'", {}, driver)
        self.assertEqual("no table", faults.in_one_line(wrapped))

    def test_an_error_without_words_has_a_name(self) -> None:
        self.assertEqual("KeyError()", faults.in_one_line(KeyError()))

    def test_long_words_are_cut(self) -> None:
        self.assertEqual(300, len(faults.in_one_line(Exception("x" * 999))))


class ConnectTest(base.TestCase):
    """What the options come to."""

    def setUp(self) -> None:
        super().setUp()
        self.path = self.home / "staffeln.sqlite"
        self.conf = cfg.ConfigOpts()
        options.register_opts(self.conf)
        self.conf([], project="staffeln", default_config_files=[])
        self.override("connection", f"sqlite:///{self.path}")

    def override(self, name: str, value: object) -> None:
        self.conf.set_override(name, value, group=options.GROUP)

    def test_looking_makes_no_file(self) -> None:
        error = self.assertRaises(
            errors.SchemaError, session.connect, self.conf
        )
        self.assertEqual(
            f"there is no database {self.path}: run staffeln-db-manage "
            "create_schema",
            str(error),
        )
        self.assertFalse(self.path.exists())

    def test_a_file_is_made_for_a_schema_and_for_one_user(self) -> None:
        session.connect(self.conf, create=True).close()
        self.assertEqual(0o600, self.path.stat().st_mode & 0o777)
        session.connect(self.conf).close()

    def test_every_option_that_is_listed_is_read(self) -> None:
        """All but those that make the URL reach oslo.db as they stand."""
        values: dict[str, object] = {
            "connection_recycle_time": 71,
            "max_pool_size": 3,
            "max_overflow": 4,
            "pool_timeout": 5,
            "mysql_sql_mode": "ANSI",
            "mysql_wsrep_sync_wait": 1,
            "connection_debug": 0,
            "connection_trace": True,
        }
        ((group, listed),) = options.list_opts()
        self.assertEqual("database", group)
        self.assertEqual(
            {"connection", "connection_parameters", *values},
            {option.dest for option in listed},
        )
        self.override("connection_parameters", "timeout=7")
        for name, value in values.items():
            self.override(name, value)
        context = mock.Mock()
        context.configure.side_effect = ImportError("that will do")
        self.useFixture(
            fixtures.MonkeyPatch(
                "staffeln.db.session.enginefacade.transaction_context",
                lambda: context,
            )
        )
        self.assertRaises(
            errors.ConfigurationError,
            session.connect,
            self.conf,
            create=True,
        )
        given = context.configure.call_args.kwargs
        self.assertEqual(values, {name: given[name] for name in values})
        self.assertEqual(
            f"sqlite:///{self.path}?timeout=7", given["connection"]
        )

    def test_our_default_is_a_file_and_stays_ours(self) -> None:
        ((_, listed),) = options.list_opts()
        self.assertEqual(options.DEFAULT_CONNECTION, listed[0].default)
        self.assertTrue(listed[0].secret)
        theirs = {o.dest: o for o in oslo_options.database_opts}
        self.assertIsNone(theirs["connection"].default)

    def test_an_engine_that_traces_and_has_parameters_works(self) -> None:
        self.override("connection_trace", True)
        self.override("connection_parameters", "timeout=7")
        database = session.connect(self.conf, create=True)
        self.addCleanup(database.close)
        self.assertEqual("7", database.engine.url.query["timeout"])
        found = database.read(
            lambda connection: connection.execute(sa.text("SELECT 1")).scalar()
        )
        self.assertEqual(1, found)


class SqliteTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.useFixture(
            fixtures.MonkeyPatch("staffeln.db.session.SQLITE_BUSY_TIMEOUT", 0)
        )
        self.path = self.home / "staffeln.sqlite"
        self.database = example.new_database(self.path)
        self.addCleanup(self.database.close)
        self.other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(self.other.close)
        self.pauses: list[float] = []

    def pause_with(self, last: int) -> None:
        """Wait no time; the other writer is done after so many pauses."""

        def pause(seconds: float) -> None:
            if not seconds:
                return  # oslo.db's, at the end of each connection
            self.pauses.append(seconds)
            if len(self.pauses) == last:
                self.other.execute("COMMIT")

        self.useFixture(
            fixtures.MonkeyPatch("staffeln.db.session.time.sleep", pause)
        )

    def seq(self) -> int:
        return int(
            self.other.execute("SELECT seq FROM scheduler_term").fetchone()[0]
        )

    @staticmethod
    def count(connection: sa.Connection) -> None:
        connection.execute(
            sa.update(rows.TERM).values(seq=rows.TERM.c.seq + 1)
        )

    def test_a_busy_file_is_tried_again(self) -> None:
        self.pause_with(last=3)
        self.other.execute("BEGIN IMMEDIATE")
        self.database.write(self.count)
        self.assertEqual((3, 1), (len(self.pauses), self.seq()))
        self.assertLess(self.pauses[0], self.pauses[-1] * 2)

    def test_patience_with_a_busy_file_ends(self) -> None:
        self.pause_with(last=1000)
        self.other.execute("BEGIN IMMEDIATE")
        error = self.assertRaises(
            errors.StoreError, self.database.write, self.count
        )
        self.assertEqual("the database: database is locked", str(error))
        self.assertEqual(session.MOST_TRIES - 1, len(self.pauses))
        self.assertLessEqual(max(self.pauses), session.LONGEST_PAUSE)

    def test_reading_waits_for_nobody(self) -> None:
        self.other.execute("BEGIN IMMEDIATE")
        self.other.execute("UPDATE scheduler_term SET seq = 9")
        found = self.database.read(
            lambda connection: connection.execute(
                sa.select(rows.TERM.c.seq)
            ).scalar_one()
        )
        self.assertEqual(0, found)

    def test_whatever_ends_a_transaction_undoes_it(self) -> None:
        def work(connection: sa.Connection) -> None:
            self.count(connection)
            raise KeyboardInterrupt

        self.assertRaises(KeyboardInterrupt, self.database.write, work)
        self.assertEqual(0, self.seq())
        self.database.write(self.count)
        self.assertEqual(1, self.seq())

    def test_foreign_keys_are_kept(self) -> None:
        error = self.assertRaises(
            errors.StoreError,
            self.database.write,
            lambda connection: connection.execute(
                sa.insert(rows.EVENTS),
                {
                    "task_id": "nobody",
                    "at": samples.NOW,
                    "to_state": "planned",
                    "reason": "",
                    "attempt": 0,
                },
            ),
        )
        self.assertIn("FOREIGN KEY", str(error))

    def test_the_log_is_written_ahead(self) -> None:
        mode = self.other.execute("PRAGMA journal_mode").fetchone()[0]
        self.assertEqual("wal", mode)
