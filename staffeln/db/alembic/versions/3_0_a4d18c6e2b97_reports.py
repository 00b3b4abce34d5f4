# SPDX-License-Identifier: Apache-2.0
"""Reports: which of them tells of a task, and how fresh all is.

Every step can be repeated, as in the revisions before.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "a4d18c6e2b97"
down_revision = "5e0d7c3a91f4"
branch_labels = None
depends_on = None

_ID = sa.String(64).with_variant(
    mysql.VARCHAR(64, charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
_NAME = sa.String(255).with_variant(
    mysql.VARCHAR(255, charset="utf8mb4"), "mysql"
)
_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql")
_TABLE: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}

_FRESHNESS = sa.Table(
    "freshness",
    sa.MetaData(),
    sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
    sa.Column("cycle_at", _TIME),
    sa.Column("retention_at", _TIME),
    sa.Column("selected", sa.Integer()),
    sa.Column("dropped", sa.Integer(), nullable=False),
    sa.Column("never_protected", sa.Integer(), nullable=False),
    sa.Column("stale", sa.Integer(), nullable=False),
    sa.Column("oldest_protection_at", _TIME),
    sa.PrimaryKeyConstraint("id", name="pk_freshness"),
    **_TABLE,
)

_INDEXES = (
    (
        "ix_tasks_unreported",
        "tasks",
        ["report_id", "state", "project_id", "created_at", "finished_at"],
    ),
    ("ix_tasks_report_id", "tasks", ["report_id", "id"]),
    (
        "ix_volumes_dropped_since",
        "volumes",
        ["dropped_since", "project_id", "volume_id"],
    ),
    ("ix_reports_purged_at", "reports", ["purged_at", "created_at"]),
    ("ix_backups_project_id", "backups", ["project_id", "state", "size"]),
    ("ix_backups_broken", "backups", ["state", "broken_since", "id"]),
)


def _columns() -> list[tuple[str, sa.Column[Any]]]:
    return [
        ("tasks", sa.Column("report_id", _ID)),
        (
            "reports",
            sa.Column(
                "audience",
                sa.String(32),
                nullable=False,
                server_default="all",
            ),
        ),
        ("reports", sa.Column("attempted_at", _TIME)),
        (
            "reports",
            sa.Column(
                "attempts",
                sa.Integer(),
                nullable=False,
                server_default="0",
            ),
        ),
        ("reports", sa.Column("purged_at", _TIME)),
        ("volumes", sa.Column("dropped_since", _TIME)),
        (
            "volumes",
            sa.Column("dropped_why", _NAME, nullable=False, server_default=""),
        ),
    ]


def upgrade() -> None:
    """Add what is new; what goes is a time that nothing ever wrote."""
    connection = op.get_bind()
    _FRESHNESS.create(connection, checkfirst=True)
    if connection.execute(sa.select(_FRESHNESS.c.id)).first() is None:
        connection.execute(
            sa.insert(_FRESHNESS).values(
                id=1, dropped=0, never_protected=0, stale=0
            )
        )
    shape = sa.inspect(connection)
    names = ("tasks", "reports", "volumes", "backups")
    present = {
        (name, each["name"])
        for name in names
        for each in shape.get_columns(name)
    }
    for name, column in _columns():
        if (name, column.name) not in present:
            op.add_column(name, column)
    if ("tasks", "reported_at") in present:
        op.drop_column("tasks", "reported_at")
    indexes = {
        each["name"] for name in names for each in shape.get_indexes(name)
    }
    for name, table_name, columns in _INDEXES:
        if name not in indexes:
            op.create_index(name, table_name, columns)
