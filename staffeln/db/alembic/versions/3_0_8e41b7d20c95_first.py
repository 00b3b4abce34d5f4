# SPDX-License-Identifier: Apache-2.0
"""Release 3.0: its tables, and what an earlier release has left in its own.

Every step can be repeated: MariaDB commits each change of a table by
itself, and a crash may come between any two.
"""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import context, op

from staffeln.db import adoption, clock, release_2x, schema_3_0

revision = "8e41b7d20c95"
down_revision = "5b2e78435231"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, then adopt, then put the old tables aside."""
    connection = op.get_bind()
    for table in schema_3_0.TABLES.sorted_tables:
        table.create(connection, checkfirst=True)
        for index in table.indexes:
            index.create(connection, checkfirst=True)
    old = release_2x.old_tables(connection)
    _first_rows(connection, adopted=bool(old))
    adoption.adopt(connection, old, context.config.attributes["tell"])


def _first_rows(connection: sa.Connection, *, adopted: bool) -> None:
    deployment, term = schema_3_0.DEPLOYMENT, schema_3_0.TERM
    if connection.execute(sa.select(deployment)).first() is None:
        connection.execute(
            sa.insert(deployment).values(
                id=1,
                uuid=str(uuid.uuid4()),
                created_at=clock.now(connection),
                adopted=adopted,
            )
        )
    elif adopted:
        # Back from 2.x, where export-2x had taken it.
        connection.execute(sa.update(deployment).values(adopted=True))
    if connection.execute(sa.select(term)).first() is None:
        connection.execute(sa.insert(term).values(id=1, term=0, seq=0))
