# SPDX-License-Identifier: Apache-2.0
"""The doctor where the database lets its user do too little."""

from __future__ import annotations

import contextlib
import uuid

import sqlalchemy as sa

from staffeln.db import inspection, models, session
from staffeln.tests.functional.db import databases
from staffeln.tests.functional.status import clinic
from staffeln.tests.servers import mariadb, postgresql

ROWS = [each.name for each in models.Base.metadata.sorted_tables]


class PoorUser(clinic.Clinic):
    """A database server, and a user of it that begins without any right."""

    password = "poor-word"

    def setUp(self) -> None:
        super().setUp()
        self.user = f"poor_{uuid.uuid4().hex[:8]}"
        url = sa.make_url(self.api.url)
        assert url.database
        self.database = url.database
        self.make_user()
        self.poor_url = url.set(
            username=self.user, password=self.password
        ).render_as_string(hide_password=False)
        self.configure(database={"connection": self.poor_url})

    def make_user(self) -> None:
        """Make it; it may see all tables."""
        raise NotImplementedError

    def give(self, rights: str) -> None:
        """Give it rights on all tables."""
        raise NotImplementedError

    def seen(self) -> list[object]:
        """All rows of all tables."""
        with self.store._database.engine.connect() as connection:
            return [
                connection.execute(sa.select(table)).all()
                for table in models.Base.metadata.sorted_tables
                if table.name != "conductors"
            ]

    def check(self) -> None:
        """What all kinds of servers have to do."""
        before = self.seen()
        found = self.only_bad("rights", "no-database-rights")
        self.assertIn("refuses INSERT, UPDATE, DELETE on ", found["what"])
        self.assertNotIn(self.password, str(found))
        self.give("INSERT, UPDATE")
        found = self.only_bad("rights", "no-database-rights")
        self.assertIn("refuses DELETE on ", found["what"])
        conf = databases.configuration(self.poor_url)
        with contextlib.closing(session.connect(conf)) as database:
            self.assertEqual(
                {f"DELETE on {name}" for name in ROWS},
                set(inspection.missing_rights(database)),
            )
        self.give("DELETE")
        self.assertEqual("ok", self.examine()["result"])
        self.assertEqual(before, self.seen())


class MariaDbRightsTest(PoorUser):
    def new_url(self) -> str:
        return mariadb.shared().create(f"test_{uuid.uuid4().hex}")

    def make_user(self) -> None:
        mariadb.shared().run(
            f"CREATE USER {self.user}@'%' IDENTIFIED BY '{self.password}'"
        )
        self.give("SELECT")

    def give(self, rights: str) -> None:
        mariadb.shared().run(
            f"GRANT {rights} ON {self.database}.* TO {self.user}@'%'"
        )

    def test_each_right_is_tried(self) -> None:
        self.check()

    def test_what_is_refused_is_nobody_elses_fault(self) -> None:
        server = mariadb.shared()
        server.run(f"REVOKE SELECT ON {self.database}.* FROM {self.user}@'%'")
        server.run(
            f"GRANT SELECT ON {self.database}.alembic_version "
            f"TO {self.user}@'%'"
        )
        checks = self.examine()["checks"]
        self.assertEqual("error", checks["rights"]["result"])
        self.assertEqual(
            [("not-checked", "managed-unread")],
            clinic.kinds(checks["policy"]),
        )
        for checked in checks.values():
            for each in checked["findings"]:
                if each["result"] != "ok":
                    self.assertNotEqual("", each["what_to_do"], each)


class PostgreSqlRightsTest(PoorUser):
    def new_url(self) -> str:
        return postgresql.shared().create(f"test_{uuid.uuid4().hex}")

    def make_user(self) -> None:
        postgresql.shared().run(
            f"CREATE ROLE {self.user} LOGIN PASSWORD '{self.password}'"
        )
        self.give("SELECT")

    def give(self, rights: str) -> None:
        postgresql.shared().run(
            f"GRANT {rights} ON ALL TABLES IN SCHEMA public TO {self.user}",
            self.database,
        )

    def test_each_right_is_tried(self) -> None:
        self.check()

    def test_a_server_that_is_only_read_from(self) -> None:
        self.give("INSERT, UPDATE, DELETE")
        postgresql.shared().run(
            f"ALTER ROLE {self.user} SET default_transaction_read_only = on"
        )
        self.only_bad("rights", "no-database-rights")
