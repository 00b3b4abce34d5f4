# SPDX-License-Identifier: Apache-2.0
"""The check's statement reads growing tables by unique keys only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from staffeln.tests.functional.api import plan_suite
from staffeln.tests.functional.db import databases


class SqlitePlanTest(databases.Sqlite, plan_suite.PlanSuite):
    unique = (
        r"SEARCH (backups|made|tasks|present|known) USING "
        r"((COVERING )?INDEX|INTEGER PRIMARY KEY) .*\(?\w+=\?"
    )

    def plan(
        self, connection: sa.Connection, statement: str, parameters: Any
    ) -> list[str]:
        found = connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN {statement}", parameters
        )
        return [
            row.detail
            for row in found
            if any(
                f" {name}" in row.detail
                for name in ("backups", "made", "tasks", "present", "known")
            )
        ]


class MariaDbPlanTest(databases.MariaDb, plan_suite.PlanSuite):
    unique = (
        "^(backups|made|tasks|present|known) (const|eq_ref|unique_subquery) "
        "(PRIMARY|uq_tasks_slot)"
    )

    def plan(
        self, connection: sa.Connection, statement: str, parameters: Any
    ) -> list[str]:
        with connection.begin():
            connection.exec_driver_sql(
                "ANALYZE TABLE tasks, backups, scheduler_terms"
            ).all()
        found = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        return [
            f"{row.table} {row.type} {row.key}"
            for row in found
            if row.table in ("backups", "made", "tasks", "present", "known")
        ]


class PostgreSqlPlanTest(databases.PostgreSql, plan_suite.PlanSuite):
    unique = (
        "^(backups|tasks|scheduler_terms) "
        "(pk_backups|backups_pkey|uq_tasks_slot|pk_scheduler_terms)$"
    )

    def plan(
        self, connection: sa.Connection, statement: str, parameters: Any
    ) -> list[str]:
        for name in ("tasks", "backups", "scheduler_terms"):
            connection.exec_driver_sql(f"ANALYZE {name}")
        found = connection.exec_driver_sql(
            f"EXPLAIN (FORMAT JSON) {statement}", parameters
        ).scalar_one()
        plan = found if isinstance(found, list) else json.loads(found)
        return [
            f"{node['Relation Name']} {node.get('Index Name')}"
            for node in _nodes(plan[0]["Plan"])
            if node.get("Relation Name")
            in ("tasks", "backups", "scheduler_terms")
        ]


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)
