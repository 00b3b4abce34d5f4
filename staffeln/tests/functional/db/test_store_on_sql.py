# SPDX-License-Identifier: Apache-2.0
"""The store on the three databases that Staffeln knows."""

from staffeln.db import migration
from staffeln.tests.functional.db import databases, sql_suite


class SqliteStoreTest(databases.Sqlite, sql_suite.SqlStoreSuite):
    def schema_url(self) -> str:
        url = self.new_url()
        migration.create_schema(self.connect(url))
        return url


class MariaDbStoreTest(databases.MariaDb, sql_suite.ServerStoreSuite):
    """MariaDB, with names and ids of any alphabet and case."""


class PostgreSqlStoreTest(databases.PostgreSql, sql_suite.ServerStoreSuite):
    """PostgreSQL, which forgives least."""
