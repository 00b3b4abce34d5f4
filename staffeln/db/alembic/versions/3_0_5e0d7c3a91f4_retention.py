# SPDX-License-Identifier: Apache-2.0
"""Retention: what governs each backup, what waits for what, the breaker.

Every step can be repeated, as in the revisions before.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from staffeln.db import adoption

revision = "5e0d7c3a91f4"
down_revision = "c1f9a40b62d7"
branch_labels = None
depends_on = None

_ID = sa.String(64).with_variant(
    mysql.VARCHAR(64, charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
_VALUE = sa.String(255).with_variant(
    mysql.VARCHAR(255, charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
_SPAN = sa.String(96).with_variant(
    mysql.VARCHAR(96, charset="ascii", collation="ascii_bin"), "mysql"
)
_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql")
_TABLE: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
_TABLES = sa.MetaData()

sa.Table(
    "breaker",
    _TABLES,
    sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
    sa.Column("tripped_at", _TIME, nullable=False),
    sa.Column("would", sa.Integer(), nullable=False),
    sa.Column("total", sa.Integer(), nullable=False),
    sa.Column("confirmed_at", _TIME),
    sa.PrimaryKeyConstraint("id", name="pk_breaker"),
    **_TABLE,
)

_INDEXES = (
    (
        "ix_tasks_claimable",
        "tasks",
        ["kind", "state", "rank", "created_at", "id", "waits_for"],
    ),
    ("ix_tasks_waits_for", "tasks", ["waits_for"]),
    ("ix_backups_missing", "backups", ["state", "missing_since", "id"]),
    ("ix_backups_expiry", "backups", ["state", "expires_at", "id"]),
    (
        "ix_backups_governance",
        "backups",
        [
            "volume_id",
            "server_id",
            "retention_known",
            "retention",
            "retention_valid",
            "kept_for",
            "grace",
        ],
    ),
)


def _columns() -> list[tuple[str, sa.Column[Any]]]:
    return [
        ("deployment", sa.Column("reconciled_at", _TIME)),
        ("tasks", sa.Column("cause", sa.String(32))),
        ("tasks", sa.Column("waits_for", _ID)),
        (
            "backups",
            sa.Column(
                "retention_known",
                sa.Boolean(),
                nullable=False,
                server_default=sa.true(),
            ),
        ),
        ("backups", sa.Column("retention_valid", _SPAN)),
        (
            "backups",
            sa.Column("kept_for", _SPAN, nullable=False, server_default=""),
        ),
        (
            "backups",
            sa.Column("grace", _SPAN, nullable=False, server_default=""),
        ),
        ("backups", sa.Column("expires_at", _TIME)),
        ("backups", sa.Column("broken_since", _TIME)),
    ]


def upgrade() -> None:
    """Add what is new; of what was taken over no server was ever read."""
    connection = op.get_bind()
    for table in _TABLES.sorted_tables:
        table.create(connection, checkfirst=True)
    shape = sa.inspect(connection)
    present = {
        (name, each["name"])
        for name in ("deployment", "tasks", "backups")
        for each in shape.get_columns(name)
    }
    for name, column in _columns():
        if (name, column.name) not in present:
            op.add_column(name, column)
    _doubt_adopted()
    tasks = sa.table("tasks", sa.column("kind"), sa.column("cause"))
    op.execute(
        sa.update(tasks)
        .where(tasks.c.kind == "delete")
        .values(cause="unwanted")
    )
    if connection.dialect.name == "mysql":
        # Elsewhere values compare byte by byte as they are.
        op.alter_column(
            "backups",
            "retention",
            existing_type=sa.String(255),
            existing_nullable=True,
            type_=_VALUE,
        )
    indexes = {
        each["name"]
        for name in ("tasks", "backups")
        for each in shape.get_indexes(name)
    }
    for name, table_name, names in _INDEXES:
        if name not in indexes:
            op.create_index(name, table_name, names)
    if "ix_tasks_queue" in indexes:
        op.drop_index("ix_tasks_queue", "tasks")


def _doubt_adopted() -> None:
    """Of backups of the release before, and those it was making."""
    backups = sa.table(
        "backups",
        sa.column("task_id"),
        sa.column("attempt"),
        sa.column("retention_known", sa.Boolean()),
    )
    events = sa.table(
        "task_events",
        sa.column("task_id"),
        sa.column("from_state"),
        sa.column("conductor_id"),
    )
    adopted = sa.select(events.c.task_id).where(
        events.c.from_state.is_(None),
        events.c.conductor_id == adoption.HOLDER,
    )
    op.execute(
        sa.update(backups)
        .where(
            sa.or_(
                backups.c.task_id.is_(None),
                backups.c.attempt == 0,
                backups.c.task_id.in_(adopted),
            )
        )
        .values(retention_known=sa.false())
    )
