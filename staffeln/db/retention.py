# SPDX-License-Identifier: Apache-2.0
"""What retention and reconciliation read and write of backups."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from staffeln.db import history, rows
from staffeln.domain import model, task

_AVAILABLE = model.BackupState.AVAILABLE.value
_VANISHED = model.BackupState.VANISHED.value
_NOT_VANISHED = [
    each.value
    for each in model.BackupState
    if each is not model.BackupState.VANISHED
]


# -- of some volumes ---------------------------------------------------------


def of_volumes(
    connection: sa.Connection, volume_ids: Collection[str]
) -> dict[str, list[model.Backup]]:
    """All rows of these volumes."""
    table = rows.BACKUPS
    found: defaultdict[str, list[model.Backup]] = defaultdict(list)
    for chunk in history.chunks(volume_ids):
        for row in connection.execute(
            sa.select(*rows.BACKUP_COLUMNS).where(table.c.volume_id.in_(chunk))
        ):
            found[row.volume_id].append(rows.backup_of(row))
    return dict(found)


# -- what is due -------------------------------------------------------------


class Place(NamedTuple):
    """How far expired backups were looked at."""

    expires_at: datetime.datetime
    id: str


def expired_volumes(
    connection: sa.Connection,
    now: datetime.datetime,
    after: Place | None,
    at_once: int,
) -> tuple[list[str], Place | None]:
    """Volumes of the next expired backups, and how far that reaches.

    The database alone looks at the backups: there may be very many of each
    volume.

    :returns: None for the place where these are the last ones.
    """
    table = rows.BACKUPS
    conditions = [table.c.state == _AVAILABLE, table.c.expires_at <= now]
    if after is not None:
        # The first comparison alone is what an index can begin with.
        conditions += [
            table.c.expires_at >= after.expires_at,
            sa.or_(
                table.c.expires_at > after.expires_at,
                table.c.id > after.id,
            ),
        ]
    order = (table.c.state, table.c.expires_at, table.c.id)
    last = connection.execute(
        sa.select(table.c.expires_at, table.c.id)
        .where(*conditions)
        .order_by(*order)
        .offset(at_once - 1)
        .limit(1)
    ).first()
    some = (
        sa.select(table.c.volume_id)
        .where(*conditions)
        .order_by(*order)
        .limit(at_once)
        .subquery()
    )
    found = connection.execute(sa.select(some.c.volume_id).distinct())
    return list(found.scalars()), Place(*last) if last else None


def unwanted(
    connection: sa.Connection, after: str, limit: int | None
) -> list[model.Backup]:
    """Unwanted backups without a live delete task, by id.

    Without those either whose task is being looked up: it may adopt them.
    """
    table, tasks = rows.BACKUPS, rows.TASKS
    slot = sa.literal(task.delete_slot("")) + table.c.id
    removed = sa.select(tasks.c.id).where(tasks.c.slot == slot)
    looked_up = sa.select(tasks.c.id).where(
        tasks.c.id == table.c.task_id,
        tasks.c.kind == task.Kind.BACKUP.value,
        tasks.c.state == task.State.STARTING.value,
    )
    found = connection.execute(
        sa.select(*rows.BACKUP_COLUMNS)
        .where(
            table.c.state == model.BackupState.UNWANTED.value,
            table.c.id > after,
            ~removed.exists(),
            ~looked_up.exists(),
        )
        .order_by(table.c.id)
        .limit(limit)
    )
    return [rows.backup_of(row) for row in found]


def undated(
    connection: sa.Connection,
    created_before: datetime.datetime,
    after: str,
    limit: int,
) -> list[model.Backup]:
    """Available backups without an expiry whose server was never read."""
    table = rows.BACKUPS
    found = connection.execute(
        sa.select(*rows.BACKUP_COLUMNS)
        .where(
            table.c.state == _AVAILABLE,
            table.c.expires_at.is_(None),
            table.c.id > after,
            table.c.retention_known.is_(False),
            table.c.created_at <= created_before,
        )
        .order_by(table.c.id)
        .limit(limit)
    )
    return [rows.backup_of(row) for row in found]


def missing(
    connection: sa.Connection, since_before: datetime.datetime
) -> list[model.Backup]:
    """Available rows for which Cinder first answered 404 before that."""
    table = rows.BACKUPS
    found = connection.execute(
        sa.select(*rows.BACKUP_COLUMNS)
        .where(
            table.c.missing_since <= since_before,
            table.c.state == _AVAILABLE,
        )
        .order_by(table.c.missing_since, table.c.id)
    )
    return [rows.backup_of(row) for row in found]


def broken(
    connection: sa.Connection, after: model.Backup | None, limit: int
) -> list[model.Backup]:
    """Available backups that Cinder shows broken, by since when."""
    table = rows.BACKUPS
    conditions = [table.c.broken_since.is_not(None)]
    if after is not None:
        conditions = [
            table.c.broken_since >= after.broken_since,
            sa.or_(
                table.c.broken_since > after.broken_since,
                table.c.id > after.id,
            ),
        ]
    found = connection.execute(
        sa.select(*rows.BACKUP_COLUMNS)
        .where(*conditions, table.c.state == _AVAILABLE)
        .order_by(table.c.broken_since, table.c.id)
        .limit(limit)
    )
    return [rows.backup_of(row) for row in found]


def count_managed(connection: sa.Connection) -> int:
    """How many rows there are, without the vanished."""
    table = rows.BACKUPS
    return int(
        connection.execute(
            sa.select(sa.func.count()).where(table.c.state.in_(_NOT_VANISHED))
        ).scalar_one()
    )


def count_expired(connection: sa.Connection, now: datetime.datetime) -> int:
    """How many available rows' expiry has come; read from an index."""
    table = rows.BACKUPS
    return int(
        connection.execute(
            sa.select(sa.func.count()).where(
                table.c.state == _AVAILABLE, table.c.expires_at <= now
            )
        ).scalar_one()
    )


def live_tasks(
    connection: sa.Connection, slots: Collection[str]
) -> list[task.Task]:
    """The live tasks that hold these slots."""
    return [
        rows.task_of(row)
        for chunk in history.chunks(slots)
        for row in connection.execute(
            sa.select(*rows.TASK_COLUMNS).where(rows.TASKS.c.slot.in_(chunk))
        )
    ]


def _planned_deletes() -> tuple[sa.ColumnElement[bool], ...]:
    table = rows.TASKS
    return (
        table.c.kind == task.Kind.DELETE.value,
        table.c.state == task.State.PLANNED.value,
    )


def expiring_volumes(
    connection: sa.Connection, limit: int | None
) -> list[str]:
    """Volumes with a planned delete of a backup that expired."""
    table = rows.TASKS
    return list(
        connection.execute(
            sa.select(table.c.volume_id)
            .where(
                *_planned_deletes(),
                table.c.cause == task.Cause.EXPIRED.value,
            )
            .distinct()
            .limit(limit)
        ).scalars()
    )


def refused_deletes(connection: sa.Connection, limit: int) -> list[task.Task]:
    """Planned deletes that were tried in vain, by when they began."""
    table = rows.TASKS
    found = connection.execute(
        sa.select(*rows.TASK_COLUMNS)
        .where(*_planned_deletes(), table.c.attempt > 0)
        .order_by(table.c.created_at, table.c.id)
        .limit(limit)
    )
    return [rows.task_of(row) for row in found]


# -- what waits for what -----------------------------------------------------


def release(connection: sa.Connection, gone: Iterable[str]) -> int:
    """Let deletes go on that waited for these backups; how many."""
    table = rows.TASKS
    return sum(
        connection.execute(
            sa.update(table)
            .where(table.c.waits_for.in_(chunk))
            .values(waits_for=None)
        ).rowcount
        for chunk in history.chunks(list(gone))
    )


def waits_in_vain(connection: sa.Connection) -> bool:
    """Whether any delete waits for a backup that is gone already."""
    return bool(_waited_for_in_vain(connection, limit=1))


def release_waiting(connection: sa.Connection) -> int:
    """Let deletes go on whose dependents are gone already; how many."""
    released = 0
    while gone := _waited_for_in_vain(connection, limit=history.CHUNK):
        released += release(connection, gone)
    return released


def _waited_for_in_vain(connection: sa.Connection, limit: int) -> list[str]:
    """Backups that are gone, and that deletes wait for."""
    table, waits_for = rows.BACKUPS, rows.TASKS.c.waits_for
    # Of the one row: SQLite would go through all backups of a state.
    state = sa.func.coalesce(table.c.state, _VANISHED)
    return list(
        connection.execute(
            sa.select(waits_for)
            .join_from(
                rows.TASKS, table, table.c.id == waits_for, isouter=True
            )
            .where(waits_for > "", state == _VANISHED)
            .distinct()
            .limit(limit)
        ).scalars()
    )


# -- rows that come and go ---------------------------------------------------


def note_vanished(
    connection: sa.Connection,
    backups: Sequence[model.Backup],
    now: datetime.datetime,
) -> None:
    """Keep rows as vanished, if they still are as they were looked at."""
    table = rows.BACKUPS
    for each in backups:
        noted = connection.execute(
            sa.update(table)
            .where(
                table.c.id == each.id,
                table.c.state == each.state.value,
                table.c.missing_since == each.missing_since,
            )
            .values(
                state=_VANISHED,
                reason="Cinder does not know it any more",
                updated_at=now,
            )
        ).rowcount
        if noted:
            release(connection, [each.id])


def note_returned(
    connection: sa.Connection,
    backups: Sequence[model.Backup],
    now: datetime.datetime,
) -> None:
    """Make rows available again that are vanished still.

    What governs how long they are kept is as it was.
    """
    table = rows.BACKUPS
    for chunk in history.chunks([each.id for each in backups]):
        connection.execute(
            sa.update(table)
            .where(table.c.id.in_(chunk), table.c.state == _VANISHED)
            .values(
                state=_AVAILABLE,
                missing_since=None,
                broken_since=None,
                reason=model.RETURNED,
                updated_at=now,
            )
        )


def forget_vanished(
    connection: sa.Connection, missing_before: datetime.datetime
) -> int:
    """Remove rows that are vanished for long."""
    table = rows.BACKUPS
    return connection.execute(
        sa.delete(table).where(
            table.c.missing_since <= missing_before,
            table.c.state == _VANISHED,
        )
    ).rowcount


def made_between(
    connection: sa.Connection,
    first: datetime.datetime,
    last: datetime.datetime,
    after: model.Backup | None,
    limit: int,
) -> list[model.Backup]:
    """Rows of backups made after ``first`` until ``last``, newest first."""
    table = rows.BACKUPS
    conditions = []
    if after is not None:
        last = min(last, after.created_at)
        conditions = [
            sa.or_(
                table.c.created_at < after.created_at, table.c.id < after.id
            )
        ]
    found = connection.execute(
        sa.select(*rows.BACKUP_COLUMNS)
        .where(
            table.c.created_at > first,
            table.c.created_at <= last,
            *conditions,
        )
        .order_by(table.c.created_at.desc(), table.c.id.desc())
        .limit(limit)
    )
    return [rows.backup_of(row) for row in found]


def reconciled_at(connection: sa.Connection) -> datetime.datetime | None:
    """When rows and Cinder were last held against each other."""
    found: Any = connection.execute(
        sa.select(rows.DEPLOYMENT.c.reconciled_at)
    ).scalar()
    return found  # type: ignore[no-any-return]


def note_reconciled(
    connection: sa.Connection, when: datetime.datetime
) -> None:
    """Note that they were."""
    connection.execute(sa.update(rows.DEPLOYMENT).values(reconciled_at=when))
