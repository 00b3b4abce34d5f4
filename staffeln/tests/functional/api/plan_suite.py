# SPDX-License-Identifier: Apache-2.0
"""How a database carries the check's one statement out."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from staffeln.db import check, migration, rows
from staffeln.domain import task
from staffeln.tests.functional.api import sql_lookup_suite
from staffeln.tests.functional.db import databases
from staffeln.tests.unit.domain import samples

ROWS = 20_000
"""Of backups and of tasks: enough that a scan would cost more."""


class PlanSuite(databases.DatabaseCase):
    """Inherit this with ``new_url`` and ``plan``."""

    unique: str
    """A pattern of a line that reads by a unique key."""

    def setUp(self) -> None:
        super().setUp()
        self.url = self.new_url()
        self.database = self.connect(self.url)
        migration.create_schema(self.database)
        with self.database.engine.begin() as connection:
            connection.execute(
                sa.insert(rows.BACKUPS),
                [
                    rows.backup_values(
                        samples.backup(f"b{number}", updated_at=samples.NOW)
                    )
                    for number in range(ROWS)
                ],
            )
            connection.execute(
                sa.insert(rows.TERMS),
                [
                    {
                        "term": number,
                        "conductor_id": "c1",
                        "began_at": samples.NOW,
                    }
                    for number in range(ROWS)
                ],
            )
            connection.execute(sa.update(rows.TERM).values(term=ROWS - 1))
            connection.execute(
                sa.insert(rows.TASKS),
                [
                    rows.task_values(
                        samples.backup_task(
                            f"t{number}",
                            state=task.State.RUNNING,
                            volume_id=f"v{number}",
                            backup_id=f"b{number}",
                        )
                    )
                    for number in range(ROWS)
                ],
            )

    def plan(
        self, connection: sa.Connection, statement: str, parameters: Any
    ) -> list[str]:
        """Lines of how it is carried out."""
        raise NotImplementedError

    def test_the_look(self) -> None:
        door = check.SqlLookup(databases.configuration(self.url))
        self.addCleanup(door.close)
        seen = sql_lookup_suite.statements_of(door)
        found = door.look("b700", "v700", ROWS - 9)
        self.assertNotEqual("", found.age.holder)
        self.assertNotEqual("", found.age.known_holder)
        self.assertIsNotNone(found.backup_state)
        self.assertFalse(found.unsettled_volume)
        statement, parameters = seen[-1]
        with self.database.engine.connect() as connection:
            lines = self.plan(connection, statement, parameters)
        self.assertEqual(5, len(lines), str(lines))
        for line in lines:
            self.assertRegex(line, self.unique)
