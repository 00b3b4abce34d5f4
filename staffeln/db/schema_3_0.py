# SPDX-License-Identifier: Apache-2.0
"""The tables as 3.0 made them, for its migration alone.

They stay as they are for ever; what later releases change is in later
revisions. What the services read and write is in ``models``.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

_ID = sa.String(64).with_variant(
    mysql.VARCHAR(64, charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
_SLOT = sa.String(100).with_variant(
    mysql.VARCHAR(100, charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
_WORD = sa.String(32)
_NAME = sa.String(255).with_variant(
    mysql.VARCHAR(255, charset="utf8mb4"), "mysql"
)
_PROSE = sa.Text().with_variant(mysql.TEXT(charset="utf8mb4"), "mysql")
_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TABLE: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def _column(
    name: str, kind: sa.types.TypeEngine[Any], *, null: bool = False
) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=null)


TABLES = sa.MetaData()

DEPLOYMENT = sa.Table(
    "deployment",
    TABLES,
    sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
    _column("uuid", _ID),
    _column("created_at", _TIME),
    _column("adopted", sa.Boolean()),
    _column("auth_url", _NAME, null=True),
    _column("region", _NAME, null=True),
    _column("block_storage_url", _NAME, null=True),
    _column("user_id", _ID, null=True),
    _column("selected_volumes", sa.Integer(), null=True),
    sa.PrimaryKeyConstraint("id", name="pk_deployment"),
    **_TABLE,
)
CONDUCTORS = sa.Table(
    "conductors",
    TABLES,
    _column("id", _ID),
    _column("host", _NAME),
    _column("pid", sa.Integer()),
    _column("backend", _NAME),
    _column("started_at", _TIME),
    _column("heartbeat_at", _TIME),
    sa.PrimaryKeyConstraint("id", name="pk_conductors"),
    **_TABLE,
)
TERM = sa.Table(
    "scheduler_term",
    TABLES,
    sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
    _column("term", _NUMBER),
    _column("seq", _NUMBER),
    _column("holder", _ID, null=True),
    _column("since", _TIME, null=True),
    sa.PrimaryKeyConstraint("id", name="pk_scheduler_term"),
    **_TABLE,
)
TASKS = sa.Table(
    "tasks",
    TABLES,
    _column("id", _ID),
    _column("kind", _WORD),
    _column("state", _WORD),
    _column("slot", _SLOT, null=True),
    _column("run_slot", sa.Integer(), null=True),
    _column("project_slot", sa.Integer(), null=True),
    _column("project_id", _ID),
    _column("volume_id", _ID),
    _column("volume_name", _NAME),
    _column("volume_size", sa.Integer()),
    _column("volume_status", _WORD),
    _column("server_id", _ID),
    _column("server_name", _NAME),
    _column("retention", _NAME, null=True),
    _column("mode", _WORD, null=True),
    _column("backup_id", _ID, null=True),
    _column("rank", sa.Integer()),
    _column("reason", _PROSE),
    _column("attempt", sa.Integer()),
    _column("attempted_at", _TIME, null=True),
    _column("unsettled", sa.Boolean()),
    _column("created_at", _TIME),
    _column("updated_at", _TIME),
    _column("not_before", _TIME, null=True),
    _column("claimed_by", _ID, null=True),
    _column("finished_at", _TIME, null=True),
    _column("reported_at", _TIME, null=True),
    sa.PrimaryKeyConstraint("id", name="pk_tasks"),
    sa.UniqueConstraint("slot", name="uq_tasks_slot"),
    sa.UniqueConstraint("run_slot", name="uq_tasks_run_slot"),
    sa.UniqueConstraint(
        "project_id",
        "project_slot",
        name="uq_tasks_project_id_project_slot",
    ),
    sa.Index("ix_tasks_claim", "kind", "state", "created_at", "rank", "id"),
    sa.Index("ix_tasks_claimed_by", "claimed_by", "state"),
    sa.Index("ix_tasks_volume_id", "volume_id", "created_at"),
    sa.Index("ix_tasks_created_at", "created_at", "rank", "id"),
    **_TABLE,
)
EVENTS = sa.Table(
    "task_events",
    TABLES,
    sa.Column("id", _NUMBER, nullable=False, autoincrement=True),
    _column("task_id", _ID),
    _column("at", _TIME),
    _column("from_state", _WORD, null=True),
    _column("to_state", _WORD),
    _column("reason", _PROSE),
    _column("conductor_id", _ID, null=True),
    _column("attempt", sa.Integer()),
    sa.PrimaryKeyConstraint("id", name="pk_task_events"),
    sa.ForeignKeyConstraint(
        ["task_id"],
        ["tasks.id"],
        name="fk_task_events_task_id",
        ondelete="CASCADE",
    ),
    sa.Index("ix_task_events_task_id", "task_id"),
    **_TABLE,
)
BACKUPS = sa.Table(
    "backups",
    TABLES,
    _column("id", _ID),
    _column("project_id", _ID),
    _column("volume_id", _ID),
    _column("volume_name", _NAME),
    _column("server_id", _ID),
    _column("server_name", _NAME),
    _column("task_id", _ID, null=True),
    _column("attempt", sa.Integer()),
    _column("state", _WORD),
    _column("incremental", sa.Boolean(), null=True),
    _column("created_at", _TIME),
    _column("completed_at", _TIME, null=True),
    _column("size", sa.Integer()),
    _column("retention", _NAME, null=True),
    _column("missing_since", _TIME, null=True),
    _column("reason", _PROSE),
    _column("updated_at", _TIME),
    sa.PrimaryKeyConstraint("id", name="pk_backups"),
    sa.Index("ix_backups_volume_id", "volume_id", "created_at"),
    sa.Index("ix_backups_state", "state"),
    sa.Index("ix_backups_created_at", "created_at", "id"),
    **_TABLE,
)
VOLUMES = sa.Table(
    "volumes",
    TABLES,
    _column("volume_id", _ID),
    _column("project_id", _ID),
    _column("failures", sa.Integer()),
    _column("failed_at", _TIME, null=True),
    _column("incremental_failures", sa.Integer()),
    _column("full_only_until", _TIME, null=True),
    _column("postponed_since", _TIME, null=True),
    sa.PrimaryKeyConstraint("volume_id", name="pk_volumes"),
    **_TABLE,
)
REPORTS = sa.Table(
    "reports",
    TABLES,
    _column("id", _ID),
    _column("project_id", _ID),
    _column("receiver", _PROSE),
    _column("created_at", _TIME),
    _column("delivered_at", _TIME, null=True),
    sa.PrimaryKeyConstraint("id", name="pk_reports"),
    sa.Index("ix_reports_project_id", "project_id", "created_at"),
    **_TABLE,
)
