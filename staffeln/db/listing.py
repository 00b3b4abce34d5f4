# SPDX-License-Identifier: Apache-2.0
"""Reading tasks, their stories, and backups."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from staffeln.db import brakes, history, rows
from staffeln.domain import model, queue, task

_HELD = [each.value for each in task.HELD]
_LIVE = [each.value for each in task.LIVE]


def tasks(
    connection: sa.Connection,
    *,
    kind: task.Kind | None,
    states: Collection[task.State] | None,
    claimed_by: Collection[str] | None,
    project_id: str | None,
    volume_id: str | None,
    limit: int | None,
) -> list[task.Task]:
    """Tasks that fit all that is given, newest first."""
    table = rows.TASKS
    conditions = _equal(
        table,
        kind=None if kind is None else kind.value,
        project_id=project_id,
        volume_id=volume_id,
    )
    if states is not None:
        conditions.append(table.c.state.in_([each.value for each in states]))
    if claimed_by is not None:
        conditions.append(table.c.claimed_by.in_(list(claimed_by)))
    found = connection.execute(
        sa.select(*rows.TASK_COLUMNS)
        .where(*conditions)
        .order_by(
            table.c.created_at.desc(), table.c.rank.desc(), table.c.id.desc()
        )
        .limit(limit)
    )
    return [rows.task_of(row) for row in found]


def tasks_by_id(
    connection: sa.Connection, task_ids: Collection[str]
) -> list[task.Task]:
    """Those of these tasks that there are."""
    return [
        rows.task_of(row)
        for chunk in history.chunks(task_ids)
        for row in connection.execute(
            sa.select(*rows.TASK_COLUMNS).where(rows.TASKS.c.id.in_(chunk))
        )
    ]


def queued(connection: sa.Connection, now: datetime.datetime) -> queue.Queue:
    """How far the queue of backups that could be claimed reaches.

    What is served is at its front: it is no further back than what runs,
    nor than the first that waits of a project that is not paused.
    """
    table = rows.TASKS
    backups_of = table.c.kind == task.Kind.BACKUP.value
    found = connection.execute(
        sa.select(
            table.c.project_id,
            sa.func.min(table.c.rank).label("first"),
            sa.func.max(table.c.rank).label("last"),
        )
        .where(
            backups_of,
            table.c.state == task.State.PLANNED.value,
            sa.or_(table.c.not_before.is_(None), table.c.not_before <= now),
        )
        .group_by(table.c.project_id)
    ).all()
    running = connection.execute(
        sa.select(sa.func.max(table.c.rank)).where(
            backups_of, table.c.state.in_(_HELD)
        )
    ).scalar()
    paused = {
        each.project_id
        for each in brakes.brakes(connection)
        if each.kind is task.Kind.BACKUP
    }
    waiting = [row.first for row in found if row.project_id not in paused]
    front = max(running or 0, min(waiting, default=0))
    start, end = queue.bounds(front)
    back = connection.execute(
        sa.select(sa.func.max(table.c.rank)).where(
            backups_of,
            table.c.state == task.State.PLANNED.value,
            table.c.rank >= start,
            table.c.rank < end,
        )
    ).scalar()
    return queue.Queue(
        {row.project_id: row.last for row in found}, front, back
    )


def planned_backups(connection: sa.Connection) -> dict[str, str]:
    """Ids of planned backup tasks, by volume id."""
    table = rows.TASKS
    found = connection.execute(
        sa.select(table.c.volume_id, table.c.id).where(
            table.c.kind == task.Kind.BACKUP.value,
            table.c.state == task.State.PLANNED.value,
        )
    )
    return {row.volume_id: row.id for row in found}


def over_quota(
    connection: sa.Connection, project_id: str, size: int, limit: int
) -> list[task.Task]:
    """Some of a project's planned backups of volumes of that size on."""
    table = rows.TASKS
    found = connection.execute(
        sa.select(*rows.TASK_COLUMNS)
        .where(
            table.c.kind == task.Kind.BACKUP.value,
            table.c.state == task.State.PLANNED.value,
            table.c.project_id == project_id,
            table.c.volume_size >= size,
        )
        .limit(limit)
    )
    return [rows.task_of(row) for row in found]


def holders(connection: sa.Connection) -> set[str]:
    """Ids of all conductors that hold a task."""
    table = rows.TASKS
    found = connection.execute(
        sa.select(table.c.claimed_by)
        .where(
            # For the index: of ended tasks there are many more.
            table.c.kind.in_([each.value for each in task.Kind]),
            table.c.state.in_(_HELD),
            table.c.claimed_by.is_not(None),
        )
        .distinct()
    )
    return set(found.scalars())


def events(connection: sa.Connection, task_id: str) -> list[task.Event]:
    """The story of a task, oldest first."""
    table = rows.EVENTS
    found = connection.execute(
        sa.select(table).where(table.c.task_id == task_id).order_by(table.c.id)
    )
    return [rows.event_of(row) for row in found]


def backups(
    connection: sa.Connection,
    *,
    ids: Collection[str] | None,
    states: Collection[model.BackupState] | None,
    project_id: str | None,
    volume_id: str | None,
    limit: int | None,
) -> list[model.Backup]:
    """Backups that fit all that is given, newest first."""
    table = rows.BACKUPS
    conditions = _equal(table, project_id=project_id, volume_id=volume_id)
    if states is not None:
        conditions.append(table.c.state.in_([each.value for each in states]))
    query = (
        sa.select(*rows.BACKUP_COLUMNS)
        .where(*conditions)
        .order_by(table.c.created_at.desc(), table.c.id.desc())
        .limit(limit)
    )
    if ids is None:
        return [rows.backup_of(row) for row in connection.execute(query)]
    found = [
        rows.backup_of(row)
        for chunk in history.chunks(ids)
        for row in connection.execute(query.where(table.c.id.in_(chunk)))
    ]
    found.sort(key=lambda each: (each.created_at, each.id), reverse=True)
    return found[:limit]


def volumes_with_backups(
    connection: sa.Connection, *, after: str, limit: int
) -> list[str]:
    """Ids of volumes that there is a row of; read from an index."""
    volume_id = rows.BACKUPS.c.volume_id
    return list(
        connection.execute(
            sa.select(volume_id)
            .where(volume_id > after)
            .distinct()
            .order_by(volume_id)
            .limit(limit)
        ).scalars()
    )


def made_since(
    connection: sa.Connection, *, when: datetime.datetime
) -> list[datetime.datetime]:
    """Times at which backups were made, from then on."""
    table = rows.BACKUPS
    return list(
        connection.execute(
            sa.select(table.c.created_at).where(table.c.created_at >= when)
        ).scalars()
    )


def volume_record(
    connection: sa.Connection, volume_id: str
) -> model.VolumeRecord | None:
    """What is remembered of a volume."""
    row = connection.execute(
        sa.select(*rows.VOLUME_COLUMNS).where(
            rows.VOLUMES.c.volume_id == volume_id
        )
    ).first()
    return rows.record_of(row) if row else None


def volume_records(
    connection: sa.Connection, *, volume_ids: Collection[str]
) -> dict[str, model.VolumeRecord]:
    """What is remembered of these volumes."""
    return {
        row.volume_id: rows.record_of(row)
        for chunk in history.chunks(volume_ids)
        for row in connection.execute(
            sa.select(*rows.VOLUME_COLUMNS).where(
                rows.VOLUMES.c.volume_id.in_(chunk)
            )
        )
    }


def _equal(table: Any, **wanted: Any) -> list[sa.ColumnElement[bool]]:
    return [
        table.c[name] == value
        for name, value in wanted.items()
        if value is not None
    ]
