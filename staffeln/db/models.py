# SPDX-License-Identifier: Apache-2.0
"""The tables, as this release reads and writes them.

Times are UTC without a zone, to the microsecond. Ids compare byte by byte.
Migrations make the tables; a test holds both together.
"""

from __future__ import annotations

import datetime

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import mysql

ID = sa.String(64).with_variant(
    mysql.VARCHAR(64, charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
"""Ids of things in the cloud and of our own rows."""
SLOT = sa.String(100).with_variant(
    mysql.VARCHAR(100, charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
WORD = sa.String(32)
"""States, kinds, modes and statuses."""
NAME = sa.String(255).with_variant(
    mysql.VARCHAR(255, charset="utf8mb4"), "mysql"
)
"""What users name."""
VALUE = sa.String(255).with_variant(
    mysql.VARCHAR(255, charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
"""What users write and we compare."""
SPAN = sa.String(96).with_variant(
    mysql.VARCHAR(96, charset="ascii", collation="ascii_bin"), "mysql"
)
"""A duration that could be read; the longest has 84 characters."""
PROSE = sa.Text().with_variant(mysql.TEXT(charset="utf8mb4"), "mysql")
TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

TABLE = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


class Base(orm.DeclarativeBase):
    """What all models share."""

    metadata = sa.MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )


class Deployment(Base):
    """The one row that says which deployment this database is."""

    __tablename__ = "deployment"
    __table_args__ = TABLE

    id: orm.Mapped[int] = orm.mapped_column(
        sa.Integer, primary_key=True, autoincrement=False
    )
    """Always 1: so there cannot be two rows."""
    uuid: orm.Mapped[str] = orm.mapped_column(ID)
    created_at: orm.Mapped[datetime.datetime] = orm.mapped_column(TIME)
    adopted: orm.Mapped[bool] = orm.mapped_column(sa.Boolean)
    auth_url: orm.Mapped[str | None] = orm.mapped_column(NAME)
    region: orm.Mapped[str | None] = orm.mapped_column(NAME)
    block_storage_url: orm.Mapped[str | None] = orm.mapped_column(NAME)
    user_id: orm.Mapped[str | None] = orm.mapped_column(ID)
    selected_volumes: orm.Mapped[int | None] = orm.mapped_column(sa.Integer)
    reconciled_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(
        TIME
    )
    serves: orm.Mapped[str | None] = orm.mapped_column(WORD)
    """The revision that the release before needs, if it may work beside
    this one; revisions that only add something set it."""


class Conductor(Base):
    """A conductor that lives, or that did a moment ago."""

    __tablename__ = "conductors"
    __table_args__ = TABLE

    id: orm.Mapped[str] = orm.mapped_column(ID, primary_key=True)
    host: orm.Mapped[str] = orm.mapped_column(NAME)
    pid: orm.Mapped[int] = orm.mapped_column(sa.Integer)
    backend: orm.Mapped[str] = orm.mapped_column(NAME)
    started_at: orm.Mapped[datetime.datetime] = orm.mapped_column(TIME)
    heartbeat_at: orm.Mapped[datetime.datetime] = orm.mapped_column(TIME)


class SchedulerTerm(Base):
    """The one row with the term of the scheduler in office: the fence."""

    __tablename__ = "scheduler_term"
    __table_args__ = TABLE

    id: orm.Mapped[int] = orm.mapped_column(
        sa.Integer, primary_key=True, autoincrement=False
    )
    term: orm.Mapped[int] = orm.mapped_column(NUMBER)
    seq: orm.Mapped[int] = orm.mapped_column(NUMBER)
    holder: orm.Mapped[str | None] = orm.mapped_column(ID)
    since: orm.Mapped[datetime.datetime | None] = orm.mapped_column(TIME)


class PastTerm(Base):
    """Who was the scheduler when: one row for each term, also the present.

    What the scheduler wrote in a term names it in its events.
    """

    __tablename__ = "scheduler_terms"
    __table_args__ = TABLE

    term: orm.Mapped[int] = orm.mapped_column(
        NUMBER, primary_key=True, autoincrement=False
    )
    conductor_id: orm.Mapped[str] = orm.mapped_column(ID)
    began_at: orm.Mapped[datetime.datetime] = orm.mapped_column(TIME)


class Brake(Base):
    """Work that an operator has paused, of one project or of all."""

    __tablename__ = "brakes"
    __table_args__ = TABLE

    kind: orm.Mapped[str] = orm.mapped_column(WORD, primary_key=True)
    project_id: orm.Mapped[str] = orm.mapped_column(ID, primary_key=True)
    """Empty: of all projects."""
    since: orm.Mapped[datetime.datetime] = orm.mapped_column(TIME)


class Breaker(Base):
    """The one row of a round of retention that waits for a yes, if any."""

    __tablename__ = "breaker"
    __table_args__ = TABLE

    id: orm.Mapped[int] = orm.mapped_column(
        sa.Integer, primary_key=True, autoincrement=False
    )
    """Always 1: so there cannot be two rows."""
    tripped_at: orm.Mapped[datetime.datetime] = orm.mapped_column(TIME)
    would: orm.Mapped[int] = orm.mapped_column(sa.Integer)
    total: orm.Mapped[int] = orm.mapped_column(sa.Integer)
    confirmed_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(
        TIME
    )


class Task(Base):
    """A task; see :class:`staffeln.domain.task.Task`."""

    __tablename__ = "tasks"
    __table_args__ = (
        sa.UniqueConstraint("slot"),
        sa.UniqueConstraint("run_slot"),
        sa.UniqueConstraint("project_id", "project_slot"),
        # What may be claimed, in order of work; and, without looking at the
        # rows, what waits.
        sa.Index(
            "ix_tasks_claimable",
            "kind",
            "state",
            "rank",
            "created_at",
            "id",
            "waits_for",
        ),
        sa.Index("ix_tasks_claimed_by", "claimed_by", "state"),
        sa.Index("ix_tasks_volume_id", "volume_id", "created_at"),
        sa.Index("ix_tasks_created_at", "created_at", "rank", "id"),
        sa.Index("ix_tasks_waits_for", "waits_for"),
        # Which projects have news that nobody was told of, since when.
        sa.Index(
            "ix_tasks_unreported",
            "report_id",
            "state",
            "project_id",
            "created_at",
            "finished_at",
        ),
        # What one report tells of, a page after the other.
        sa.Index("ix_tasks_report_id", "report_id", "id"),
        TABLE,
    )

    id: orm.Mapped[str] = orm.mapped_column(ID, primary_key=True)
    kind: orm.Mapped[str] = orm.mapped_column(WORD)
    state: orm.Mapped[str] = orm.mapped_column(WORD)
    slot: orm.Mapped[str | None] = orm.mapped_column(SLOT)
    run_slot: orm.Mapped[int | None] = orm.mapped_column(sa.Integer)
    project_slot: orm.Mapped[int | None] = orm.mapped_column(sa.Integer)
    project_id: orm.Mapped[str] = orm.mapped_column(ID)
    volume_id: orm.Mapped[str] = orm.mapped_column(ID)
    volume_name: orm.Mapped[str] = orm.mapped_column(NAME)
    volume_size: orm.Mapped[int] = orm.mapped_column(sa.Integer)
    volume_status: orm.Mapped[str] = orm.mapped_column(WORD)
    server_id: orm.Mapped[str] = orm.mapped_column(ID)
    server_name: orm.Mapped[str] = orm.mapped_column(NAME)
    retention: orm.Mapped[str | None] = orm.mapped_column(NAME)
    mode: orm.Mapped[str | None] = orm.mapped_column(WORD)
    backup_id: orm.Mapped[str | None] = orm.mapped_column(ID)
    cause: orm.Mapped[str | None] = orm.mapped_column(WORD)
    waits_for: orm.Mapped[str | None] = orm.mapped_column(ID)
    rank: orm.Mapped[int] = orm.mapped_column(NUMBER)
    reason: orm.Mapped[str] = orm.mapped_column(PROSE)
    attempt: orm.Mapped[int] = orm.mapped_column(sa.Integer)
    attempted_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(
        TIME
    )
    unsettled: orm.Mapped[bool] = orm.mapped_column(sa.Boolean)
    created_at: orm.Mapped[datetime.datetime] = orm.mapped_column(TIME)
    updated_at: orm.Mapped[datetime.datetime] = orm.mapped_column(TIME)
    not_before: orm.Mapped[datetime.datetime | None] = orm.mapped_column(TIME)
    claimed_by: orm.Mapped[str | None] = orm.mapped_column(ID)
    finished_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(TIME)
    report_id: orm.Mapped[str | None] = orm.mapped_column(ID)
    """The report that tells of its end."""


class TaskEvent(Base):
    """One change of a task's state."""

    __tablename__ = "task_events"
    __table_args__ = (sa.Index("ix_task_events_task_id", "task_id"), TABLE)

    id: orm.Mapped[int] = orm.mapped_column(
        NUMBER, primary_key=True, autoincrement=True
    )
    task_id: orm.Mapped[str] = orm.mapped_column(
        ID,
        sa.ForeignKey(
            "tasks.id", ondelete="CASCADE", name="fk_task_events_task_id"
        ),
    )
    at: orm.Mapped[datetime.datetime] = orm.mapped_column(TIME)
    from_state: orm.Mapped[str | None] = orm.mapped_column(WORD)
    to_state: orm.Mapped[str] = orm.mapped_column(WORD)
    reason: orm.Mapped[str] = orm.mapped_column(PROSE)
    conductor_id: orm.Mapped[str | None] = orm.mapped_column(ID)
    attempt: orm.Mapped[int] = orm.mapped_column(sa.Integer)
    term: orm.Mapped[int | None] = orm.mapped_column(NUMBER)
    """The scheduler's term, of what a scheduler wrote."""


class Backup(Base):
    """A managed backup; see :class:`staffeln.domain.model.Backup`."""

    __tablename__ = "backups"
    __table_args__ = (
        sa.Index("ix_backups_volume_id", "volume_id", "created_at"),
        sa.Index("ix_backups_state", "state"),
        sa.Index("ix_backups_created_at", "created_at", "id"),
        # What Cinder does not know, and what has expired, in order.
        sa.Index("ix_backups_missing", "state", "missing_since", "id"),
        sa.Index("ix_backups_expiry", "state", "expires_at", "id"),
        # How many each project has, and of what size.
        sa.Index("ix_backups_project_id", "project_id", "state", "size"),
        # What Cinder shows in a status of error.
        sa.Index("ix_backups_broken", "state", "broken_since", "id"),
        # What waits for a grace, of which volumes.
        sa.Index("ix_backups_grace", "grace", "volume_id"),
        # What governs the backups of each volume, read from here alone.
        sa.Index(
            "ix_backups_governance",
            "volume_id",
            "server_id",
            "retention_known",
            "retention",
            "retention_valid",
            "kept_for",
            "grace",
        ),
        TABLE,
    )

    id: orm.Mapped[str] = orm.mapped_column(ID, primary_key=True)
    project_id: orm.Mapped[str] = orm.mapped_column(ID)
    volume_id: orm.Mapped[str] = orm.mapped_column(ID)
    volume_name: orm.Mapped[str] = orm.mapped_column(NAME)
    server_id: orm.Mapped[str] = orm.mapped_column(ID)
    server_name: orm.Mapped[str] = orm.mapped_column(NAME)
    task_id: orm.Mapped[str | None] = orm.mapped_column(ID)
    attempt: orm.Mapped[int] = orm.mapped_column(sa.Integer)
    state: orm.Mapped[str] = orm.mapped_column(WORD)
    incremental: orm.Mapped[bool | None] = orm.mapped_column(sa.Boolean)
    created_at: orm.Mapped[datetime.datetime] = orm.mapped_column(TIME)
    completed_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(
        TIME
    )
    size: orm.Mapped[int] = orm.mapped_column(sa.Integer)
    retention: orm.Mapped[str | None] = orm.mapped_column(VALUE)
    retention_known: orm.Mapped[bool] = orm.mapped_column(sa.Boolean)
    retention_valid: orm.Mapped[str | None] = orm.mapped_column(SPAN)
    kept_for: orm.Mapped[str] = orm.mapped_column(SPAN)
    grace: orm.Mapped[str] = orm.mapped_column(SPAN)
    expires_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(TIME)
    missing_since: orm.Mapped[datetime.datetime | None] = orm.mapped_column(
        TIME
    )
    broken_since: orm.Mapped[datetime.datetime | None] = orm.mapped_column(
        TIME
    )
    reason: orm.Mapped[str] = orm.mapped_column(PROSE)
    updated_at: orm.Mapped[datetime.datetime] = orm.mapped_column(TIME)


class Volume(Base):
    """What is remembered of a volume beyond the life of its tasks."""

    __tablename__ = "volumes"
    __table_args__ = (
        sa.Index(
            "ix_volumes_dropped_since",
            "dropped_since",
            "project_id",
            "volume_id",
        ),
        TABLE,
    )

    volume_id: orm.Mapped[str] = orm.mapped_column(ID, primary_key=True)
    project_id: orm.Mapped[str] = orm.mapped_column(ID)
    failures: orm.Mapped[int] = orm.mapped_column(sa.Integer)
    failed_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(TIME)
    incremental_failures: orm.Mapped[int] = orm.mapped_column(sa.Integer)
    full_only_until: orm.Mapped[datetime.datetime | None] = orm.mapped_column(
        TIME
    )
    postponed_since: orm.Mapped[datetime.datetime | None] = orm.mapped_column(
        TIME
    )
    dropped_since: orm.Mapped[datetime.datetime | None] = orm.mapped_column(
        TIME
    )
    dropped_why: orm.Mapped[str] = orm.mapped_column(NAME)


class Report(Base):
    """One message to people, and what became of it."""

    __tablename__ = "reports"
    __table_args__ = (
        # Those that are not done with.
        sa.Index("ix_reports_purged_at", "purged_at", "created_at"),
        sa.Index("ix_reports_project_id", "project_id", "created_at"),
        TABLE,
    )

    id: orm.Mapped[str] = orm.mapped_column(ID, primary_key=True)
    project_id: orm.Mapped[str] = orm.mapped_column(ID)
    """Empty: of several projects."""
    audience: orm.Mapped[str] = orm.mapped_column(WORD)
    receiver: orm.Mapped[str] = orm.mapped_column(PROSE)
    """Who got it, once it was delivered."""
    created_at: orm.Mapped[datetime.datetime] = orm.mapped_column(TIME)
    attempted_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(
        TIME
    )
    attempts: orm.Mapped[int] = orm.mapped_column(
        sa.Integer, server_default="0"
    )
    """Times that it may have been sent."""
    delivered_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(
        TIME
    )
    purged_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(TIME)


class Freshness(Base):
    """The one row with when the last rounds ended, and what they saw."""

    __tablename__ = "freshness"
    __table_args__ = TABLE

    id: orm.Mapped[int] = orm.mapped_column(
        sa.Integer, primary_key=True, autoincrement=False
    )
    """Always 1: so there cannot be two rows."""
    cycle_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(TIME)
    retention_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(
        TIME
    )
    selected: orm.Mapped[int | None] = orm.mapped_column(sa.Integer)
    dropped: orm.Mapped[int] = orm.mapped_column(sa.Integer)
    never_protected: orm.Mapped[int] = orm.mapped_column(sa.Integer)
    stale: orm.Mapped[int] = orm.mapped_column(sa.Integer)
    oldest_protection_at: orm.Mapped[datetime.datetime | None] = (
        orm.mapped_column(TIME)
    )
