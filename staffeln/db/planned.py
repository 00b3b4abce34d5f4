# SPDX-License-Identifier: Apache-2.0
"""New tasks with their first events, and how long planned ones wait.

No move of a task is among it: those are in :mod:`staffeln.db.changes`.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as oslo_exception

from staffeln.db import history, listing, retention, rows
from staffeln.domain import deletion, queue, task


def add_tasks(
    connection: sa.Connection,
    tasks: Sequence[task.Task],
    conductor_id: str,
    term: int,
) -> list[task.Task]:
    """Insert new tasks; one whose slot is taken is left out, and so is one
    that would cross a live task of its volume.

    Who holds which slot is asked first, so that the bulk insert goes
    through; where another writer came in between, by halves. Tasks that
    are there already were written by a call whose answer was lost: they
    are returned as they stand now.
    """
    there = listing.tasks_by_id(connection, [work.id for work in tasks])
    known = {work.id for work in there}
    new = [work for work in tasks if work.id not in known]
    crossing = _crossing(connection, new)
    taken = _taken_slots(
        connection, [work.slot for work in new if work.state in task.LIVE]
    )
    free = []
    for work in new:
        if work.state in task.LIVE:
            if work.slot in taken or work.id in crossing:
                continue
            taken.add(work.slot)
        free.append(work)
    added = _insert_tasks(connection, free)
    _add_first_events(
        connection, [work.id for work in added], conductor_id, term
    )
    return [*added, *there]


def _taken_slots(
    connection: sa.Connection, slots: Collection[str]
) -> set[str]:
    return {
        slot
        for chunk in history.chunks(slots)
        for slot in connection.execute(
            sa.select(rows.TASKS.c.slot).where(rows.TASKS.c.slot.in_(chunk))
        ).scalars()
    }


def _crossing(
    connection: sa.Connection, tasks: Sequence[task.Task]
) -> set[str]:
    """Ids of tasks that would cross a live one of their volume.

    Only where there is one of the other sort a volume's rows are read.
    """
    building = [work for work in tasks if task.may_build(work)]
    expiring = [work for work in tasks if work.cause is task.Cause.EXPIRED]
    live = [
        *_expiring(connection, {work.volume_id for work in building}),
        *retention.live_tasks(
            connection,
            {task.backup_slot(work.volume_id) for work in expiring},
        ),
    ]
    of_volumes: defaultdict[str, list[task.Task]] = defaultdict(list)
    for work in live:
        of_volumes[work.volume_id].append(work)
    found = retention.of_volumes(connection, of_volumes.keys())
    return {
        work.id
        for work in (*building, *expiring)
        if deletion.crosses(
            work, found.get(work.volume_id, ()), of_volumes[work.volume_id]
        )
    }


def _expiring(
    connection: sa.Connection, volume_ids: Collection[str]
) -> list[task.Task]:
    """Live deletes of expired backups of these volumes."""
    table = rows.TASKS
    return [
        rows.task_of(row)
        for chunk in history.chunks(volume_ids)
        for row in connection.execute(
            sa.select(*rows.TASK_COLUMNS).where(
                table.c.volume_id.in_(chunk),
                table.c.cause == task.Cause.EXPIRED.value,
                table.c.state.in_([each.value for each in task.LIVE]),
            )
        )
    ]


def _insert_tasks(
    connection: sa.Connection, tasks: Sequence[task.Task]
) -> list[task.Task]:
    if not tasks:
        return []
    try:
        with connection.begin_nested():
            connection.execute(
                sa.insert(rows.TASKS),
                _without_nothing([rows.task_values(each) for each in tasks]),
            )
    except oslo_exception.DBDuplicateEntry:
        if len(tasks) == 1:
            return []
    else:
        return list(tasks)
    middle = len(tasks) // 2
    return [
        *_insert_tasks(connection, tasks[:middle]),
        *_insert_tasks(connection, tasks[middle:]),
    ]


def _without_nothing(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without the columns that are NULL in all of them, for speed."""
    filled = [
        name
        for name in values[0]
        if any(each[name] is not None for each in values)
    ]
    return [{name: each[name] for name in filled} for each in values]


def _add_first_events(
    connection: sa.Connection,
    task_ids: Collection[str],
    conductor_id: str,
    term: int,
) -> None:
    """Insert one event for each task that this transaction has inserted.

    The database has all that they say already.
    """
    table, events = rows.TASKS, rows.EVENTS
    values = {
        events.c.task_id: table.c.id,
        events.c.at: table.c.updated_at,
        events.c.to_state: table.c.state,
        events.c.reason: table.c.reason,
        events.c.conductor_id: sa.literal(conductor_id),
        events.c.attempt: table.c.attempt,
        events.c.term: sa.literal(term),
    }
    for chunk in history.chunks(task_ids):
        connection.execute(
            sa.insert(events).from_select(
                list(values),
                sa.select(*values.values()).where(table.c.id.in_(chunk)),
            )
        )


def postpone(
    connection: sa.Connection,
    task_ids: Sequence[str],
    until: datetime.datetime | None,
) -> None:
    """Let nobody claim these before that; what was claimed is left."""
    table = rows.TASKS
    for chunk in history.chunks(task_ids):
        connection.execute(
            sa.update(table)
            .where(
                table.c.id.in_(chunk),
                table.c.state == task.State.PLANNED.value,
            )
            .values(not_before=until)
        )


def catch_up(connection: sa.Connection, project_id: str, front: int) -> None:
    """Let a project that was paused go on at the front of the queue.

    Else all that it has waiting would come before anybody else's.
    """
    table = rows.TASKS
    waiting = (
        table.c.kind == task.Kind.BACKUP.value,
        table.c.state == task.State.PLANNED.value,
        table.c.project_id == project_id,
    )
    first = connection.execute(
        sa.select(sa.func.min(table.c.rank)).where(*waiting)
    ).scalar()
    behind = 0 if first is None else queue.rounds_behind(first, front)
    if behind:
        connection.execute(
            sa.update(table).where(*waiting).values(rank=table.c.rank + behind)
        )
