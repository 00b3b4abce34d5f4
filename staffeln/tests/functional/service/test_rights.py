# SPDX-License-Identifier: Apache-2.0
"""The least rights in a database: ``etc/database`` tells, and this tries."""

from __future__ import annotations

import contextlib
import pathlib
import uuid
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy import exc

from staffeln.db import migration, session
from staffeln.domain import errors
from staffeln.tests.functional.db import databases, old_release
from staffeln.tests.functional.service import running
from staffeln.tests.servers import mariadb, postgresql

SCRIPTS = pathlib.Path(__file__).parents[4] / "etc" / "database"

DENIED = "command denied to user|permission denied"
"""How MariaDB and PostgreSQL refuse."""

OF_ROWS = ("SELECT", "INSERT", "UPDATE", "DELETE")

OF_UPGRADES = (
    "SELECT",
    "INSERT",
    "UPDATE",
    "CREATE",
    "ALTER",
    "DROP",
    "INDEX",
)
"""All rights of who makes the schema but DELETE: that is for the way back."""

LIVELY: dict[str, dict[str, object]] = {
    "conductor": {
        "backup_min_interval": 4,
        "retention_time": "3s",
        "retention_keep_last": 0,
        "report_period": 1,
    }
}
"""A day of a cloud in seconds: backups, deletes and reports."""

LIFE = (
    r"backup of volume \S+: running -> succeeded",
    r"delete of backup \S+ of volume \S+: running -> succeeded",
    r"Report \S+ of \d+ task\(s\) .* was delivered",
    r"Reconciliation: ",
)


class Place:
    """A database made by the script, with users of its own."""

    def __init__(self, server: mariadb.MariaDB | postgresql.PostgreSQL):
        self.server = server
        self.suffix = uuid.uuid4().hex[:8]
        self.name = f"staffeln_{self.suffix}"
        self.script = ""
        kind = "mariadb" if self.is_mariadb else "postgresql"
        self._password = f"of-{uuid.uuid4().hex}"
        text = (SCRIPTS / f"{kind}.sql").read_text()
        for found, ours in (
            ("CHANGE-ME", self._password),
            ("staffeln_api", self.user("reads")),
            ("staffeln_migration", self.user("makes")),
            ("'staffeln'@", f"'{self.user('runs')}'@"),
            ("ROLE staffeln ", f"ROLE {self.user('runs')} "),
            ("TO staffeln,", f"TO {self.user('runs')},"),
            ("TO staffeln;", f"TO {self.user('runs')};"),
            ("DATABASE staffeln ", f"DATABASE {self.name} "),
            ("ON staffeln.*", f"ON {self.name}.*"),
            ("\\connect staffeln\n", "\\connect\n"),
        ):
            text = text.replace(found, ours)
        self._run_script(text)

    @property
    def is_mariadb(self) -> bool:
        return isinstance(self.server, mariadb.MariaDB)

    def user(self, what: str) -> str:
        """One of the three users, by what it does."""
        return f"s_{what}_{self.suffix}"

    def _run_script(self, text: str) -> None:
        code = "\n".join(
            line for line in text.splitlines() if not line.startswith("--")
        )
        before, _, inside = code.partition("\\connect")
        for part, where in ((before, None), (inside, self.name)):
            for statement in filter(str.strip, part.split(";")):
                self.run(statement, where)

    def run(self, statement: str, database: str | None = None) -> None:
        """Run a statement as the administrator."""
        if isinstance(self.server, mariadb.MariaDB):
            self.server.run(statement, database)
        else:
            self.server.run(statement, database or "postgres")

    def url(self, what: str) -> str:
        """The URL by which a user connects."""
        return (
            f"{self.server.scheme}://{self.user(what)}:{self._password}"
            f"@127.0.0.1:{self.server.port}/{self.name}"
        )

    @contextlib.contextmanager
    def without(self, right: str, what: str) -> Iterator[None]:
        """Take a right from a user for a while."""
        user = self.user(what)
        if self.is_mariadb:
            on, user = f"{self.name}.*", f"'{user}'@'%'"
        else:
            on = "ALL TABLES IN SCHEMA public"
        self.run(f"REVOKE {right} ON {on} FROM {user}", self.name)
        try:
            yield
        finally:
            self.run(f"GRANT {right} ON {on} TO {user}", self.name)


class RightsSuite(running.ServiceCase):
    """The same on each database."""

    place: Place

    def refused(self, what: str, statement: str) -> None:
        """A user may not do this."""
        engine = sa.create_engine(self.place.url(what))
        self.addCleanup(engine.dispose)
        with engine.connect() as connection:
            error = self.assertRaises(
                exc.DBAPIError, connection.execute, sa.text(statement)
            )
        self.assertRegex(str(error), f"{DENIED}|must be owner")

    def made(self) -> None:
        """The schema, by the user that makes it."""
        self.make_schema(self.deployment(self.place.url("makes")))

    def test_a_cycle_with_these_rights_and_no_others(self) -> None:
        self.made()
        made = self.deployment(self.place.url("runs"), **LIVELY)
        made.start("conductor")
        for expression in LIFE:
            made.wait_for_log("conductor", expression)
        for command in ("pause", "resume"):
            done = made.run("cli", command, "backups")
            self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertEqual(0, made.stop("conductor"))
        self.assertNotRegex(made.log("conductor"), DENIED)
        self.assertNotIn(" ERROR ", made.log("conductor"))
        for statement in (
            "CREATE TABLE more (id INTEGER)",
            "ALTER TABLE tasks ADD more INTEGER",
            "DROP TABLE tasks",
            "CREATE INDEX more ON tasks (reason)",
        ):
            self.refused("runs", statement)

    def test_each_of_them_is_needed(self) -> None:
        self.made()
        made = self.deployment(self.place.url("runs"), **LIVELY)
        for right in OF_ROWS:
            made.log_file("conductor").unlink(missing_ok=True)
            with self.place.without(right, "runs"):
                made.start("conductor")
                made.wait_for_log("conductor", DENIED)
                made.kill()

    def test_the_api_reads_and_no_more(self) -> None:
        self.made()
        conductor = self.deployment(self.place.url("runs"))
        conductor.start("conductor")
        conductor.wait_for_log("conductor", "running -> succeeded", times=3)
        conductor.stop("conductor")
        rows = conductor.run("cli", "backup", "list", "-f", "value")
        managed = rows.stdout.split()[0]
        with self.place.without("SELECT", "reads"):
            self.assertEqual({"False"}, set(self.answers(managed)))
        self.assertEqual(["True", "False"], self.answers(managed))
        for statement in (
            "DELETE FROM tasks",
            "UPDATE deployment SET region = 'elsewhere'",
            "INSERT INTO brakes (kind, project_id, since) VALUES "
            "('backup', '', '2026-01-01')",
            "CREATE TABLE more (id INTEGER)",
            "DROP TABLE tasks",
        ):
            self.refused("reads", statement)

    def answers(self, managed: str) -> list[str]:
        """Of a new API: for nobody's backup, and for a managed one."""
        made = self.deployment(self.place.url("reads"))
        made.start("api")
        made.wait_for_log("api", "Booting worker")
        found = [made.check(each) for each in (running.NO_BACKUP, managed)]
        self.assertEqual(0, made.stop("api"))
        return found

    def test_a_database_of_an_earlier_release_is_adopted(self) -> None:
        engine = sa.create_engine(self.place.url("makes"))
        self.addCleanup(engine.dispose)
        old_release.make(engine, old_release.sample_rows())
        done = self.deployment(self.place.url("makes")).run(
            "db_manage", "upgrade", "--force"
        )
        self.assertEqual(0, done.returncode, done.stderr)
        again = self.deployment(self.place.url("runs"))
        self.assertEqual(0, again.run("cli", "backup", "list").returncode)

    def test_the_way_back(self) -> None:
        self.made()
        done = self.deployment(self.place.url("makes")).run(
            "db_manage", "export-2x", "--force"
        )
        self.assertEqual(0, done.returncode, done.stderr)


class TestMariaDb(RightsSuite):
    """On MariaDB."""

    def setUp(self) -> None:
        super().setUp()
        self.place = Place(mariadb.shared())

    def test_each_right_of_a_migration_is_needed(self) -> None:
        url = self.place.url("makes")
        for right in OF_UPGRADES:
            name = self.place.name
            self.place.run(f"DROP DATABASE {name}")
            self.place.run(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
            engine = sa.create_engine(mariadb.shared().url(name))
            old_release.make(engine, old_release.sample_rows())
            engine.dispose()
            with (
                self.place.without(right, "makes"),
                contextlib.closing(
                    session.connect(databases.configuration(url))
                ) as database,
            ):
                said = self.refusal(database)
            self.assertRegex(said, DENIED, right)

    def test_the_way_back_needs_the_right_to_delete(self) -> None:
        self.made()
        made = self.deployment(self.place.url("makes"))
        with self.place.without("DELETE", "makes"):
            done = made.run("db_manage", "export-2x", "--force")
        self.assertNotEqual(0, done.returncode)
        self.assertRegex(done.stderr, DENIED)

    def refusal(self, database: session.Database) -> str:
        """What an upgrade fails with; empty: it did not."""
        try:
            migration.upgrade(database, forced=True)
        except (errors.StaffelnError, exc.DBAPIError) as error:
            return str(error)
        return ""


class TestPostgreSql(RightsSuite):
    """On PostgreSQL."""

    def setUp(self) -> None:
        super().setUp()
        self.place = Place(postgresql.shared())


# No suite runs by itself.
del RightsSuite
