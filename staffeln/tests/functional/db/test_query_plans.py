# SPDX-License-Identifier: Apache-2.0
"""The servers find what retention reads by indexes, in tables with rows.

What SQLite does is in ``staffeln.tests.unit.db.test_indexes``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from staffeln.tests.functional.db import databases, plans_suite
from staffeln.tests.functional.db.plans_suite import Access


class MariaDbPlansTest(databases.MariaDb, plans_suite.PlansSuite):
    def learn(self) -> None:
        with self.database.engine.connect() as connection:
            connection.exec_driver_sql(
                "ANALYZE TABLE tasks, backups, reports"
            ).all()

    def plan_of(
        self, connection: sa.Connection, statement: str, parameters: Any
    ) -> list[Access]:
        return [
            Access(row.table, row.key, "filesort" in (row.Extra or ""))
            for row in connection.exec_driver_sql(
                f"EXPLAIN {statement}", parameters
            )
            if row.table is not None
        ]


class PostgreSqlPlansTest(databases.PostgreSql, plans_suite.PlansSuite):
    def learn(self) -> None:
        """As autovacuum does: what is visible decides as well."""
        with self.database.engine.connect().execution_options(
            isolation_level="AUTOCOMMIT"
        ) as connection:
            for name in ("tasks", "backups", "reports"):
                # The server does not wait for its disk: as long as a commit
                # is not there, rows are not known to be visible to all.
                connection.exec_driver_sql("CHECKPOINT")
                connection.exec_driver_sql(f"VACUUM ANALYZE {name}")

    def plan_of(
        self, connection: sa.Connection, statement: str, parameters: Any
    ) -> list[Access]:
        plan = connection.exec_driver_sql(
            f"EXPLAIN (FORMAT JSON) {statement}", parameters
        ).scalar_one()
        return list(_accesses(plan[0]["Plan"], sorts=False, table=""))


def _accesses(
    node: Mapping[str, Any], *, sorts: bool, table: str
) -> Iterator[Access]:
    """What a node of a plan and those below it read."""
    sorts = sorts or node["Node Type"] in ("Sort", "Incremental Sort")
    table = node.get("Relation Name", table)
    if node["Node Type"] == "Seq Scan":
        yield Access(table, None, sorts)
    elif "Index Name" in node:
        yield Access(table, node["Index Name"], sorts)
    for below in node.get("Plans", ()):
        yield from _accesses(below, sorts=sorts, table=table)
