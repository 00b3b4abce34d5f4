# SPDX-License-Identifier: Apache-2.0
"""The suite of looks, for the one on SQL."""

from __future__ import annotations

import contextlib
import uuid
from typing import Any, ClassVar

import fixtures
import sqlalchemy as sa

from staffeln import ports
from staffeln.db import check, migration, rows, seen, session
from staffeln.db.store import SqlStore
from staffeln.domain import checking, errors
from staffeln.tests.functional.api import lookup_suite
from staffeln.tests.functional.db import databases, store_case
from staffeln.workflow import requests


def statements_of(door: check.SqlLookup) -> list[tuple[str, Any]]:
    """What a door sends from now on; a list that grows."""
    dialect: Any = door.engine.dialect
    found: list[tuple[str, Any]] = []
    execute = dialect.do_execute

    def note(cursor: Any, statement: str, parameters: Any, *more: Any) -> None:
        found.append((statement, parameters))
        execute(cursor, statement, parameters, *more)

    dialect.do_execute = note
    return found


class SqlLookupSuite(databases.DatabaseCase, lookup_suite.LookupSuite):
    database: session.Database
    url: str
    door: check.SqlLookup

    def new_store(self) -> ports.Store:
        self.url = self.schema_url()
        self.database = self.connect(self.url)
        return SqlStore(self.database)

    def schema_url(self) -> str:
        """The URL of a database with a schema and nothing else."""
        url = self.new_url()
        migration.create_schema(self.connect(url))
        return url

    def new_lookup(self) -> ports.Lookup:
        self.door = check.SqlLookup(databases.configuration(self.url))
        self.addCleanup(self.door.close)
        return self.door

    def statements(self) -> list[tuple[str, Any]]:
        """What is sent from now on; a list that grows."""
        return statements_of(self.door)

    def execute(self, statement: str) -> None:
        with self.database.engine.begin() as connection:
            connection.exec_driver_sql(statement)

    def test_one_statement_each(self) -> None:
        self.look()
        sent = self.statements()
        self.look("b1", "v1")
        self.assertEqual(1, len(sent), str(sent))

    def test_what_is_sent_is_no_statement(self) -> None:
        self.keep(self.row(1))
        for strange in ("' OR '1'='1", "%s", "%(x)s", "b1' --", "b1\\", "?"):
            found = self.look(strange, strange)
            self.assertIsNone(found.backup_state, strange)
            self.assertFalse(found.unsettled_volume, strange)

    def test_another_schema(self) -> None:
        self.addCleanup(
            self.execute,
            f"UPDATE alembic_version SET version_num = '{check.HEAD}'",
        )
        self.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        self.assertFalse(self.look().schema_is_current)

    def test_two_schemas(self) -> None:
        self.addCleanup(
            self.execute,
            "DELETE FROM alembic_version WHERE version_num = 'ffffffffffff'",
        )
        self.execute("INSERT INTO alembic_version VALUES ('ffffffffffff')")
        self.assertFalse(self.look().schema_is_current)

    def test_no_schema_known(self) -> None:
        self.addCleanup(
            self.execute,
            f"INSERT INTO alembic_version VALUES ('{check.HEAD}')",
        )
        self.execute("DELETE FROM alembic_version")
        self.assertFalse(self.look().schema_is_current)

    def test_an_empty_database(self) -> None:
        url = self.new_url()
        self.connect(url)
        with contextlib.closing(
            check.SqlLookup(databases.configuration(url))
        ) as empty:
            error = self.assertRaises(
                errors.StoreError, empty.look, "b1", None
            )
        self.assertNotIn("SELECT", str(error))

    def test_a_state_of_a_later_release(self) -> None:
        self.keep(self.row(1))
        self.execute("UPDATE backups SET state = 'archived'")
        self.assertRaises(errors.StoreError, self.look)

    def test_half_a_binding_is_none(self) -> None:
        """A service user without a name would be anybody's."""
        for column, value in (
            ("user_id", "''"),
            ("user_id", "NULL"),
            ("auth_url", "NULL"),
        ):
            self.execute(
                "UPDATE deployment SET auth_url = 'a', region = 'r', "
                "block_storage_url = 'b', user_id = 'u'"
            )
            self.assertIsNotNone(self.look().service_user)
            self.execute(f"UPDATE deployment SET {column} = {value}")
            self.assertIsNone(self.look().service_user, column)

    def test_a_restored_one_that_is_back_at_its_term_is_noticed(self) -> None:
        """Conductors take their terms anew within seconds."""
        memory = seen.SeenFile(self.home / seen.FILE)

        def strange() -> checking.Strange | None:
            return requests.recognised(
                self.door, memory, requests.NO_BACKUP, None
            )[1]

        self.store.bind_cloud(store_case.IDENTITY)
        for name in ("c1", "c2", "c3"):
            self.store.take_office(name)
            self.assertIsNone(strange(), name)
        self.execute("DELETE FROM scheduler_terms WHERE term > 2")
        self.execute("UPDATE scheduler_term SET term = 2, seq = 9")
        for _ in range(2):
            self.store.take_office("c3")
        self.assertEqual(4, self.look().age.term)
        found = strange()
        assert found
        self.assertIs(checking.Doubt.EXCHANGED, found.doubt)
        self.assertIn("from an older state", found.why)

    def test_a_term_of_while_nobody_asked_is_followed(self) -> None:
        self.store.bind_cloud(store_case.IDENTITY)
        for _ in range(3):
            # As after a start of the API each time.
            memory = seen.SeenFile(self.home / seen.FILE)
            _, strange = requests.recognised(
                self.door, memory, requests.NO_BACKUP, None
            )
            self.assertIsNone(strange)
            for name in ("c1", "c2"):
                self.store.take_office(name)

    def test_the_scheduler_s_writes_are_counted(self) -> None:
        before = self.look().age.seq
        self.plan(store_case.planned(1))
        self.assertGreater(self.look().age.seq, before)

    def test_no_term(self) -> None:
        self.addCleanup(
            self.execute,
            "INSERT INTO scheduler_term (id, term, seq) VALUES (1, 0, 0)",
        )
        self.execute("DELETE FROM scheduler_term")
        self.assertRaises(errors.StoreError, self.look)

    def test_no_deployment(self) -> None:
        with self.database.engine.connect() as connection:
            before = dict(
                connection.execute(sa.select(rows.DEPLOYMENT)).one()._mapping
            )
        self.execute("DELETE FROM deployment")

        def put_back() -> None:
            with self.database.engine.begin() as connection:
                connection.execute(sa.insert(rows.DEPLOYMENT), before)

        self.addCleanup(put_back)
        self.assertRaises(errors.StoreError, self.look)

    def test_many_threads_share_few_connections(self) -> None:
        self.keep(self.row(1))
        # It is about who gets which answer, and a busy machine is slow.
        for name in ("POOL_SHARE", "CONNECT_SHARE", "LONGEST"):
            self.useFixture(
                fixtures.MonkeyPatch(f"staffeln.db.prompt.{name}", 60)
            )
        self.lookup = self.new_lookup()

        def ask(number: int) -> bool:
            for _ in range(20):
                name = "b1" if number % 2 else str(uuid.uuid4())
                found = self.look(name).backup_state is not None
                if found != bool(number % 2):
                    return False
            return True

        self.assertEqual(12, sum(self.at_once(12, ask)))
        pool = self.door.engine.pool
        self.assertIsInstance(pool, sa.pool.QueuePool)
        self.assertLessEqual(pool.checkedin(), check.POOL_SIZE)  # type: ignore[attr-defined]

    def test_nothing_is_held_between_questions(self) -> None:
        self.look()
        self.execute("UPDATE deployment SET region = 'R'")
        self.keep(self.row(1))
        self.assertIsNotNone(self.look().backup_state)
        self.assertEqual(0, self.door.engine.pool.checkedout())  # type: ignore[attr-defined]


class ServerLookupSuite(SqlLookupSuite):
    """All tests of a class share one database: a schema takes its time."""

    shared: ClassVar[str | None] = None
    slow: str
    """A statement that would take long."""

    def schema_url(self) -> str:
        cls = type(self)
        if cls.shared is None:
            cls.shared = super().schema_url()
        databases.forget_everything(self.connect(cls.shared))
        return cls.shared

    def kill_all(self) -> None:
        """Let the server end all connections of the check."""
        raise NotImplementedError

    def test_a_lost_connection_is_made_anew(self) -> None:
        self.keep(self.row(1))
        self.look()
        self.kill_all()
        self.assertIsNotNone(self.look().backup_state)

    def test_a_wait_for_others_is_short(self) -> None:
        """A statement that takes too long is given up by the server."""
        self.look()
        with (
            self.door.engine.connect() as connection,
            self.assertRaisesRegex(sa.exc.DBAPIError, "."),
        ):
            connection.exec_driver_sql(self.slow)
