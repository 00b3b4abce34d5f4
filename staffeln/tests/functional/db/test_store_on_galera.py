# SPDX-License-Identifier: Apache-2.0
"""The store's suite with every call on another node of a Galera cluster."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

import sqlalchemy as sa

from staffeln import ports
from staffeln.db import migration, rows, session
from staffeln.db.store import SqlStore
from staffeln.tests.functional.db import (
    databases,
    lasting_suite,
    moving_suite,
    planning_suite,
    reports_suite,
    retention_suite,
    store_case,
    throttle_suite,
    waiting_suite,
)


class InTurn:
    """Stores of one database; each call goes to the next one."""

    def __init__(self, stores: Sequence[SqlStore]) -> None:
        self._turns = itertools.cycle(stores)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            return getattr(next(self._turns), name)(*arguments, **named)

        return call


class GaleraStoreTest(
    databases.GaleraCluster,
    planning_suite.PlanningSuite,
    moving_suite.MovingSuite,
    throttle_suite.ThrottleSuite,
    retention_suite.RetentionSuite,
    lasting_suite.LastingSuite,
    reports_suite.ReportsSuite,
    waiting_suite.WaitingSuite,
):
    """All that writes; reading is the same as on one server."""

    urls: ClassVar[list[str]] = []
    database: session.Database

    def new_store(self) -> ports.Store:
        cls = type(self)
        if not cls.urls:
            cls.urls = self.new_urls()
            migration.create_schema(self.connect(cls.urls[0]))
        opened = [self.connect(url) for url in cls.urls]
        self.database = opened[0]
        databases.forget_everything(self.database)
        return cast("ports.Store", InTurn([SqlStore(each) for each in opened]))

    def mark_reported(self, task_id: str) -> None:
        with self.database.engine.begin() as connection:
            connection.execute(
                sa.insert(rows.REPORTS).values(
                    id="told",
                    audience="all",
                    project_id="p1",
                    receiver="",
                    created_at=store_case.NOW,
                    delivered_at=store_case.NOW,
                )
            )
            connection.execute(
                sa.update(rows.TASKS)
                .where(rows.TASKS.c.id == task_id)
                .values(report_id="told")
            )
