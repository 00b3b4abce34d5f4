# SPDX-License-Identifier: Apache-2.0
"""Writing moves of tasks: compare and set, with their events and rows."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy import exc

from staffeln import ports
from staffeln.db import history, rows
from staffeln.domain import model, task


def advance(
    connection: sa.Connection,
    changes: Sequence[ports.Change],
    conductor_id: str,
) -> list[task.Task]:
    """Carry changes out one by one; those that were overtaken are left."""
    done = [
        change for change in changes if _compare_and_set(connection, change)
    ]
    for change in done:
        if change.backup is not None:
            put_backup(connection, change.backup, change.after.updated_at)
        if change.forget_backup is not None:
            connection.execute(
                sa.delete(rows.BACKUPS).where(
                    rows.BACKUPS.c.id == change.forget_backup
                )
            )
    put_records(
        connection, [each.record for each in done if each.record is not None]
    )
    add_events(
        connection,
        ((each.before.state, each.after) for each in done),
        conductor_id,
    )
    return [change.after for change in done]


def _compare_and_set(connection: sa.Connection, change: ports.Change) -> bool:
    values = rows.task_values(change.after)
    del values["id"]
    return (
        connection.execute(
            sa.update(rows.TASKS)
            .where(*is_still(change.before))
            .values(values)
        ).rowcount
        == 1
    )


def is_still(work: task.Task) -> tuple[sa.ColumnElement[bool], ...]:
    """The task has been moved by nobody since it was read."""
    table = rows.TASKS
    return (
        table.c.id == work.id,
        table.c.state == work.state.value,
        table.c.attempt == work.attempt,
        table.c.claimed_by.is_(None)
        if work.claimed_by is None
        else table.c.claimed_by == work.claimed_by,
    )


def claim(
    connection: sa.Connection,
    conductor_id: str,
    kind: task.Kind,
    limit: int,
    now: datetime.datetime,
) -> list[task.Task]:
    """Claim the first planned tasks; those that others take are left."""
    table = rows.TASKS
    wanted = connection.execute(
        sa.select(*rows.TASK_COLUMNS)
        .where(
            table.c.kind == kind.value,
            table.c.state == task.State.PLANNED.value,
            sa.or_(table.c.not_before.is_(None), table.c.not_before <= now),
        )
        .order_by(table.c.created_at, table.c.rank, table.c.id)
        .limit(limit)
    ).all()
    claimed = []
    for row in wanted:
        before = rows.task_of(row)
        after = task.advance(
            before,
            task.State.CLAIMED,
            now,
            before.reason,
            claimed_by=conductor_id,
        )
        won = connection.execute(
            sa.update(table)
            .where(*is_still(before))
            .values(
                state=after.state.value,
                claimed_by=conductor_id,
                updated_at=now,
            )
        ).rowcount
        if won == 1:
            claimed.append(after)
    add_events(
        connection,
        ((task.State.PLANNED, work) for work in claimed),
        conductor_id,
    )
    return claimed


def add_tasks(
    connection: sa.Connection,
    tasks: Sequence[task.Task],
    conductor_id: str,
) -> list[task.Task]:
    """Insert new tasks; one whose slot is taken is left out.

    Who holds which slot is asked first, so that the bulk insert goes
    through; where another writer came in between, one by one.
    """
    taken: set[str] = set()
    slots = [work.slot for work in tasks if work.state in task.LIVE]
    for chunk in history.chunks(slots):
        taken.update(
            connection.execute(
                sa.select(rows.TASKS.c.slot).where(
                    rows.TASKS.c.slot.in_(chunk)
                )
            ).scalars()
        )
    free = [
        work
        for work in tasks
        if work.state not in task.LIVE or work.slot not in taken
    ]
    added = _insert_tasks(connection, free)
    add_events(connection, ((None, work) for work in added), conductor_id)
    return added


def _insert_tasks(
    connection: sa.Connection, tasks: Sequence[task.Task]
) -> list[task.Task]:
    if not tasks:
        return []
    try:
        with connection.begin_nested():
            connection.execute(
                sa.insert(rows.TASKS),
                [rows.task_values(work) for work in tasks],
            )
    except Exception as error:
        if not is_duplicate(error):
            raise
    else:
        return list(tasks)
    if len(tasks) == 1:
        return []
    middle = len(tasks) // 2
    return [
        *_insert_tasks(connection, tasks[:middle]),
        *_insert_tasks(connection, tasks[middle:]),
    ]


def is_duplicate(error: Exception) -> bool:
    """Whether a unique key refused a row."""
    from oslo_db import exception as oslo_exception

    return isinstance(
        error, oslo_exception.DBDuplicateEntry | exc.IntegrityError
    )


def cancel(
    connection: sa.Connection,
    tasks: Sequence[task.Task],
    reason: str,
    now: datetime.datetime,
    conductor_id: str,
) -> list[task.Task]:
    """Cancel planned tasks; those that were claimed meanwhile are left."""
    return advance(
        connection,
        [
            ports.Change(
                before=work,
                after=task.advance(work, task.State.CANCELLED, now, reason),
            )
            for work in tasks
            if work.state is task.State.PLANNED
        ],
        conductor_id,
    )


def add_events(
    connection: sa.Connection,
    moves: Iterable[tuple[task.State | None, task.Task]],
    conductor_id: str,
) -> None:
    """Insert one event per move, in one statement."""
    events = [
        rows.event_values(before, work, conductor_id) for before, work in moves
    ]
    if events:
        connection.execute(sa.insert(rows.EVENTS), events)


def put_backup(
    connection: sa.Connection, backup: model.Backup, now: datetime.datetime
) -> None:
    """Bring a row up to date, or insert it."""
    if not update_backup(connection, backup, now):
        connection.execute(
            sa.insert(rows.BACKUPS),
            {**rows.backup_values(backup), "updated_at": now},
        )


def update_backup(
    connection: sa.Connection, backup: model.Backup, now: datetime.datetime
) -> bool:
    """Bring an existing row up to date."""
    values = {**rows.backup_values(backup), "updated_at": now}
    del values["id"]
    return (
        connection.execute(
            sa.update(rows.BACKUPS)
            .where(rows.BACKUPS.c.id == backup.id)
            .values(values)
        ).rowcount
        == 1
    )


def put_records(
    connection: sa.Connection, records: Sequence[model.VolumeRecord]
) -> None:
    """Remember these of their volumes from now on."""
    table = rows.VOLUMES
    for record in records:
        values = rows.record_values(record)
        updated = connection.execute(
            sa.update(table)
            .where(table.c.volume_id == record.volume_id)
            .values(values)
        ).rowcount
        if not updated:
            connection.execute(sa.insert(table), values)
