# SPDX-License-Identifier: Apache-2.0
"""The store on the three databases that Staffeln knows."""

from staffeln.db import migration
from staffeln.db.store import SqlStore
from staffeln.tests.functional.db import databases, sql_suite


class SqliteStoreTest(databases.Sqlite, sql_suite.SqlStoreSuite):
    def schema_url(self) -> str:
        url = self.new_url()
        migration.create_schema(self.connect(url))
        return url


class MariaDbStoreTest(databases.MariaDb, sql_suite.ServerStoreSuite):
    """MariaDB, with names and ids of any alphabet and case."""

    def test_a_url_of_the_release_before_takes_any_name(self) -> None:
        store = SqlStore(self.connect(f"{self.schema_url()}?charset=utf8"))
        store.register_conductor("c1", "höst 📦", 1, "file lock")
        self.assertEqual("höst 📦", store.conductors()[0].host)


class PostgreSqlStoreTest(databases.PostgreSql, sql_suite.ServerStoreSuite):
    """PostgreSQL, which forgives least."""
