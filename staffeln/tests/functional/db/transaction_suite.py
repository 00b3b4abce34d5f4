# SPDX-License-Identifier: Apache-2.0
"""What becomes of transactions that a server gives up or loses."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from typing import ClassVar

import fixtures
import sqlalchemy as sa

from staffeln.db import migration, rows, session, urls
from staffeln.domain import errors
from staffeln.tests.functional.db import counting, databases
from staffeln.tests.servers import mariadb, postgresql


class TransactionCase(databases.DatabaseCase):
    """A database with a schema."""

    def setUp(self) -> None:
        super().setUp()
        self.url = self.new_url()
        self.database = self.connect(self.url)
        migration.create_schema(self.database)
        for name in ("FIRST_PAUSE", "LONGEST_PAUSE"):
            self.useFixture(
                fixtures.MonkeyPatch(f"staffeln.db.session.{name}", 0.001)
            )

    def count(self) -> int:
        """How far the counting went."""
        return self.database.read(
            lambda connection: int(
                connection.execute(sa.select(rows.TERM.c.seq)).scalar_one()
            )
        )


class ServerTransactionSuite(TransactionCase):
    """What both servers do; ``transient`` raises an error once in SQL."""

    transient: ClassVar[list[str]]
    server: ClassVar[Callable[[], mariadb.MariaDB | postgresql.PostgreSQL]]

    def kill_connections(self) -> int:
        """Close all our connections from the server's side."""
        name = urls.normalised(self.url).database
        assert name
        return type(self).server().kill_connections(name)

    def test_what_is_transient_is_run_again(self) -> None:
        for statement in self.transient:
            calls: list[str] = []

            def work(
                connection: sa.Connection,
                statement: str = statement,
                calls: list[str] = calls,
            ) -> None:
                counting.count_one(connection)
                calls.append("")
                if len(calls) < 3:
                    connection.exec_driver_sql(statement)

            before = self.count()
            self.database.write(work)
            self.assertEqual((3, before + 1), (len(calls), self.count()))

    def test_patience_ends(self) -> None:
        calls: list[str] = []

        def work(connection: sa.Connection) -> None:
            counting.count_one(connection)
            calls.append("")
            connection.exec_driver_sql(self.transient[0])

        error = self.assertRaises(errors.StoreError, self.database.write, work)
        self.assertEqual(session.MOST_TRIES, len(calls))
        self.assertNotIn("\n", str(error))
        self.assertEqual(0, self.count())

    def test_what_is_wrong_is_not_run_again(self) -> None:
        calls: list[str] = []

        def work(connection: sa.Connection) -> None:
            calls.append("")
            connection.execute(
                sa.text("SELECT :value FROM nowhere"), {"value": "my value"}
            )

        error = self.assertRaises(errors.StoreError, self.database.read, work)
        self.assertEqual(1, len(calls))
        self.assertIn("nowhere", str(error))
        self.assertNotIn("my value", str(error))
        self.assertNotIn("\n", str(error))

    def test_of_a_deadlock_both_go_on(self) -> None:
        self.assertEqual({"a": 2, "b": 2}, self.cross(lambda _: None))

    def test_of_a_deadlock_in_a_savepoint_both_go_on(self) -> None:
        self.assertEqual(
            {"a": 2, "b": 2},
            self.cross(lambda connection: connection.begin_nested()),
        )

    def cross(
        self, enter: Callable[[sa.Connection], object]
    ) -> dict[str, int]:
        """Two transactions that write two rows in opposite order."""
        self.database.write(
            lambda connection: connection.execute(
                sa.insert(rows.VOLUMES),
                [
                    {
                        "volume_id": name,
                        "project_id": "p",
                        "failures": 0,
                        "incremental_failures": 0,
                    }
                    for name in "ab"
                ],
            )
        )
        gate = threading.Barrier(2)
        failed: list[Exception] = []
        threads = [
            threading.Thread(
                target=self.write_both, args=(order, enter, gate, failed)
            )
            for order in ("ab", "ba")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], failed)
        return self.database.read(
            lambda connection: {
                row.volume_id: row.failures
                for row in connection.execute(sa.select(rows.VOLUMES))
            }
        )

    def write_both(
        self,
        order: str,
        enter: Callable[[sa.Connection], object],
        gate: threading.Barrier,
        failed: list[Exception],
    ) -> None:
        runs: list[str] = []

        def add_one(connection: sa.Connection, name: str) -> None:
            table = rows.VOLUMES
            connection.execute(
                sa.update(table)
                .where(table.c.volume_id == name)
                .values(failures=table.c.failures + 1)
            )

        def work(connection: sa.Connection) -> None:
            runs.append("")
            add_one(connection, order[0])
            if len(runs) == 1:
                gate.wait()
            nested = enter(connection)
            if isinstance(nested, sa.NestedTransaction):
                with nested:
                    add_one(connection, order[1])
            else:
                add_one(connection, order[1])

        try:
            self.database.write(work)
        except errors.StoreError as error:
            failed.append(error)

    def test_a_connection_that_died_while_it_rested_is_replaced(self) -> None:
        self.count()
        self.assertGreater(self.kill_connections(), 0)
        self.database.write(counting.count_one)
        self.assertEqual(1, self.count())

    def test_a_connection_lost_in_a_transaction_is_no_loss(self) -> None:
        calls: list[str] = []

        def work(connection: sa.Connection) -> None:
            counting.count_one(connection)
            calls.append("")
            if len(calls) == 1:
                self.kill_connections()
            counting.count_one(connection)

        self.database.write(work)
        self.assertEqual((2, 2), (len(calls), self.count()))

    def test_a_lost_commit_is_told_and_not_run_again(self) -> None:
        calls: list[str] = []

        def work(connection: sa.Connection) -> None:
            counting.count_one(connection)
            calls.append("")
            self.kill_connections()

        error = self.assertRaises(errors.StoreError, self.database.write, work)
        self.assertIn("went away during a commit", str(error))
        self.assertEqual(1, len(calls))
        self.assertIn(self.count(), (0, 1))

    def test_a_read_is_run_again_whose_commit_was_lost(self) -> None:
        calls: list[str] = []

        def work(connection: sa.Connection) -> int:
            calls.append("")
            found = connection.execute(sa.select(rows.TERM.c.id)).scalar_one()
            if len(calls) == 1:
                self.kill_connections()
            return int(found)

        self.assertEqual(1, self.database.read(work))
        self.assertEqual(2, len(calls))

    def test_who_stands_still_in_a_transaction_keeps_nobody_off(
        self,
    ) -> None:
        """Its process may be stopped, or its host be without power."""
        self.useFixture(fixtures.MonkeyPatch("staffeln.db.limits.IDLE", 1))
        stopped = session.connect(databases.configuration(self.url))
        self.addCleanup(stopped.close)
        wrote, goes_on = threading.Event(), threading.Event()
        calls: list[str] = []

        def work(connection: sa.Connection) -> None:
            calls.append("")
            counting.count_one(connection)
            wrote.set()
            goes_on.wait()
            counting.count_one(connection)

        with concurrent.futures.ThreadPoolExecutor(1) as threads:
            done = threads.submit(stopped.write, work)
            self.addCleanup(goes_on.set)
            wrote.wait()
            self.database.write(counting.count_one)
            self.assertEqual(1, self.count())
            goes_on.set()
            done.result()
        self.assertEqual((2, 3), (len(calls), self.count()))

    def test_a_commit_after_standing_still_writes_nothing(self) -> None:
        """The server has rolled back by then."""
        self.useFixture(fixtures.MonkeyPatch("staffeln.db.limits.IDLE", 1))
        stopped = session.connect(databases.configuration(self.url))
        self.addCleanup(stopped.close)

        def work(connection: sa.Connection) -> None:
            counting.count_one(connection)
            self.database.write(counting.count_one)

        error = self.assertRaises(errors.StoreError, stopped.write, work)
        self.assertIn("went away during a commit", str(error))
        self.assertEqual(1, self.count())

    def test_no_error_tells_the_password(self) -> None:
        url = urls.normalised(self.url)
        secret = "pa55-w0rd!"
        for wrong in (
            url.set(password=secret),
            url.set(port=1, password=secret),
            url.set(host="nowhere.invalid", password=secret),
            url.set(database="nowhere", password=secret),
            url.set(
                drivername=f"{url.get_backend_name()}+nodriver",
                password=secret,
            ),
        ):
            error = self.assertRaises(
                errors.StaffelnError,
                session.connect,
                databases.configuration(
                    wrong.render_as_string(hide_password=False)
                ),
            )
            self.assertNotIn(secret, str(error))
            self.assertNotIn("\n", str(error))
        self.assertNotIn(secret, self.log.output)
