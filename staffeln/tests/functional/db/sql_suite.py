# SPDX-License-Identifier: Apache-2.0
"""The suite of stores, for the store on SQL."""

from __future__ import annotations

from typing import ClassVar

import sqlalchemy as sa

from staffeln import ports
from staffeln.db import migration, session
from staffeln.db.store import SqlStore
from staffeln.tests.functional.db import databases, suite


class SqlStoreSuite(databases.DatabaseCase, suite.StoreSuite):
    """The suite, with a schema that is made as operators make it."""

    database: session.Database

    def new_store(self) -> ports.Store:
        self.database = self.connect(self.schema_url())
        return SqlStore(self.database)

    def schema_url(self) -> str:
        """The URL of a database with a new schema and nothing else."""
        raise NotImplementedError

    def mark_reported(self, task_id: str) -> None:
        with self.database.engine.begin() as connection:
            connection.execute(
                sa.text("UPDATE tasks SET reported_at = :at WHERE id = :id"),
                {"at": suite.NOW, "id": task_id},
            )


class ServerStoreSuite(SqlStoreSuite):
    """On a server: one schema for all tests, emptied for each."""

    url: ClassVar[str | None] = None

    def schema_url(self) -> str:
        cls = type(self)
        if cls.url is None:
            url = self.new_url()
            migration.create_schema(self.connect(url))
            cls.url = url
        databases.forget_everything(self.connect(cls.url))
        return cls.url
