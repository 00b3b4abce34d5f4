# SPDX-License-Identifier: Apache-2.0
"""Many conductors: a fair queue, brakes, and who was the scheduler when.

Every step can be repeated, as in the revision before.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "c1f9a40b62d7"
down_revision = "8e41b7d20c95"
branch_labels = None
depends_on = None

_ID = sa.String(64).with_variant(
    mysql.VARCHAR(64, charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TABLE: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
_TABLES = sa.MetaData()

sa.Table(
    "scheduler_terms",
    _TABLES,
    sa.Column("term", _NUMBER, nullable=False, autoincrement=False),
    sa.Column("conductor_id", _ID, nullable=False),
    sa.Column("began_at", _TIME, nullable=False),
    sa.PrimaryKeyConstraint("term", name="pk_scheduler_terms"),
    **_TABLE,
)
sa.Table(
    "brakes",
    _TABLES,
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("project_id", _ID, nullable=False),
    sa.Column("since", _TIME, nullable=False),
    sa.PrimaryKeyConstraint("kind", "project_id", name="pk_brakes"),
    **_TABLE,
)

_QUEUE = ["kind", "state", "rank", "created_at", "id"]


def upgrade() -> None:
    """Add what is new; what goes is an index that nothing reads any more."""
    connection = op.get_bind()
    for table in _TABLES.sorted_tables:
        table.create(connection, checkfirst=True)
    shape = sa.inspect(connection)
    columns = {each["name"] for each in shape.get_columns("task_events")}
    if "term" not in columns:
        op.add_column("task_events", sa.Column("term", _NUMBER))
    if connection.dialect.name != "sqlite":
        # There a number is as large as it has to be.
        op.alter_column(
            "tasks",
            "rank",
            existing_type=sa.Integer(),
            existing_nullable=False,
            type_=sa.BigInteger(),
        )
    indexes = {each["name"] for each in shape.get_indexes("tasks")}
    if "ix_tasks_queue" not in indexes:
        op.create_index("ix_tasks_queue", "tasks", _QUEUE)
    if "ix_tasks_claim" in indexes:
        op.drop_index("ix_tasks_claim", "tasks")
