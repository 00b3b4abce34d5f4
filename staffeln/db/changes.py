# SPDX-License-Identifier: Apache-2.0
"""Writing moves of tasks: compare and set, with their events and rows."""

from __future__ import annotations

import dataclasses
import datetime
from collections import defaultdict
from collections.abc import (
    Collection,
    Hashable,
    Iterable,
    Mapping,
    Sequence,
)
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as oslo_exception
from sqlalchemy.dialects import mysql, postgresql, sqlite

from staffeln import ports
from staffeln.db import governing, history, listing, retention, rows
from staffeln.domain import deletion, model, queue, task

_INSERT: dict[str, Any] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Seat:
    """What a running backup takes of the limits; see ``claims``."""

    number: int
    of_project: int | None
    """None where projects have no limit."""


NO_SEATS: Mapping[str, Seat] = {}


def advance(
    connection: sa.Connection,
    changes: Sequence[ports.Change],
    conductor_id: str,
    seats: Mapping[str, Seat] = NO_SEATS,
    term: int | None = None,
) -> list[task.Task]:
    """Carry changes out; those that were overtaken are left.

    Those that set the same columns are one statement.

    :param seats: by task id, the seats that tasks take with their change; a
        change whose seat somebody else has taken meanwhile is left.
    :param term: of the scheduler, where it is one that moves them.
    """
    groups: defaultdict[Hashable, list[ports.Change]] = defaultdict(list)
    for change in changes:
        groups[_sameness(change)].append(change)
    carried_out = {
        id(change)
        for alike in groups.values()
        for chunk in history.chunks(alike)
        for change in _compare_and_set(connection, chunk, seats)
    }
    done = [change for change in changes if id(change) in carried_out]
    _put(
        connection,
        rows.BACKUPS,
        (
            {
                **rows.backup_values(each.backup),
                "updated_at": each.after.updated_at,
            }
            for each in done
            if each.backup is not None
        ),
        left_alone=governing.GOVERNED,
    )
    _forget(connection, [each.forget_backup for each in done])
    retention.release(connection, filter(None, map(_gone, done)))
    put_records(
        connection, [each.record for each in done if each.record is not None]
    )
    _add_events(
        connection,
        ((each.before.state, each.after) for each in done),
        conductor_id,
        term,
    )
    return [change.after for change in done]


def _forget(
    connection: sa.Connection, backup_ids: Iterable[str | None]
) -> None:
    """Remove rows of backups that are proved gone."""
    for chunk in history.chunks(list(filter(None, backup_ids))):
        connection.execute(
            sa.delete(rows.BACKUPS).where(rows.BACKUPS.c.id.in_(chunk))
        )


def _gone(change: ports.Change) -> str | None:
    """Id of the backup that is proved gone with a change."""
    row = change.backup
    if row is not None and row.state is model.BackupState.VANISHED:
        return row.id
    return change.forget_backup


def _sameness(change: ports.Change) -> Hashable:
    """What is equal for changes that one UPDATE can carry out.

    They set the same columns; what they set them to may differ.
    """
    before = change.before
    return (
        frozenset(_difference(change)),
        before.state,
        before.attempt,
        before.claimed_by,
    )


def _difference(change: ports.Change) -> dict[str, Any]:
    """The columns that a change writes.

    The slot is let go of by the move that ends a task. It is never taken
    here: of two live tasks for one volume, as an earlier release may have
    left them, one has none. The seat is let go of by whatever move leaves
    Cinder with nothing to do.
    """
    values = rows.task_difference(change.before, change.after)
    values["state"] = change.after.state.value
    if change.after.state in task.ENDED:
        values["slot"] = None
    if change.after.state not in task.HELD and not change.still_busy:
        values["run_slot"] = values["project_slot"] = None
    return values


def _compare_and_set(
    connection: sa.Connection,
    alike: Sequence[ports.Change],
    seats: Mapping[str, Seat],
) -> list[ports.Change]:
    """Write changes of the same columns; returns those that were in time.

    All at once. Where some were overtaken, or a seat was, that is taken
    back, and each half is tried by itself, down to a single one.
    """
    if not alike or _in_time(connection, alike, seats):
        return list(alike)
    if len(alike) == 1:
        return []
    middle = len(alike) // 2
    return [
        *_compare_and_set(connection, alike[:middle], seats),
        *_compare_and_set(connection, alike[middle:], seats),
    ]


def _in_time(
    connection: sa.Connection,
    alike: Sequence[ports.Change],
    seats: Mapping[str, Seat],
) -> bool:
    """Write all of these or none."""
    if len(alike) == 1 and not seats:
        return _update(connection, alike, seats) == 1
    attempt = connection.begin_nested()
    try:
        if _update(connection, alike, seats) == len(alike):
            attempt.commit()
            return True
    except oslo_exception.DBDuplicateEntry:
        pass
    attempt.rollback()
    return False


def _update(
    connection: sa.Connection,
    alike: Sequence[ports.Change],
    seats: Mapping[str, Seat],
) -> int:
    """Write to tasks that nobody moved since they were read."""
    table = rows.TASKS
    before = alike[0].before
    holder = table.c.claimed_by
    return connection.execute(
        sa.update(table)
        .where(
            table.c.id.in_([each.before.id for each in alike]),
            table.c.state == before.state.value,
            table.c.attempt == before.attempt,
            holder.is_(None)
            if before.claimed_by is None
            else holder == before.claimed_by,
        )
        .values(_values(alike, seats))
    ).rowcount


def _values(
    alike: Sequence[ports.Change], seats: Mapping[str, Seat]
) -> dict[str, Any]:
    """What is set: to the same in all rows, or in each to its own."""
    wanted = {
        each.before.id: _difference(each) | _seat(seats.get(each.before.id))
        for each in alike
    }
    first = next(iter(wanted.values()))
    return {
        name: value
        if all(values[name] == value for values in wanted.values())
        else _each_its_own(
            name, {key: values[name] for key, values in wanted.items()}
        )
        for name, value in first.items()
    }


def _each_its_own(name: str, values: Mapping[str, Any]) -> sa.Case[Any]:
    """The value of a column by the task's id."""
    column = rows.TASKS.c[name]
    return sa.case(
        {key: sa.literal(value, column.type) for key, value in values.items()},
        value=rows.TASKS.c.id,
    )


def _seat(seat: Seat | None) -> dict[str, Any]:
    """The columns of a seat."""
    if seat is None:
        return {}
    return {"run_slot": seat.number, "project_slot": seat.of_project}


def cancel(
    connection: sa.Connection,
    tasks: Sequence[task.Task],
    reason: str,
    now: datetime.datetime,
    conductor_id: str,
    term: int | None = None,
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
        term=term,
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


# -- new tasks -------------------------------------------------------------


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


def _add_events(
    connection: sa.Connection,
    moves: Iterable[tuple[task.State | None, task.Task]],
    conductor_id: str,
    term: int | None,
) -> None:
    """Insert one event per move, in one statement."""
    events = [
        rows.event_values(before, work, conductor_id, term)
        for before, work in moves
    ]
    if events:
        connection.execute(sa.insert(rows.EVENTS), events)


# -- backups and volumes -----------------------------------------------------


def note_missing(
    connection: sa.Connection,
    backup: model.Backup,
    since: datetime.datetime | None,
    now: datetime.datetime,
) -> bool:
    """Note since when Cinder answers 404, if the row's state is the same."""
    table = rows.BACKUPS
    return (
        connection.execute(
            sa.update(table)
            .where(
                table.c.id == backup.id, table.c.state == backup.state.value
            )
            .values(missing_since=since, updated_at=now)
        ).rowcount
        == 1
    )


def note_broken(
    connection: sa.Connection,
    backups: Sequence[model.Backup],
    since: datetime.datetime | None,
    now: datetime.datetime,
) -> None:
    """Note since when Cinder shows them in a status of error; None: whole."""
    table = rows.BACKUPS
    for chunk in history.chunks([each.id for each in backups]):
        connection.execute(
            sa.update(table)
            .where(
                table.c.id.in_(chunk),
                table.c.state == model.BackupState.AVAILABLE.value,
            )
            .values(broken_since=since, updated_at=now)
        )


def insert_backup(
    connection: sa.Connection, backup: model.Backup, now: datetime.datetime
) -> bool:
    """Insert a row; one that is there already stays as it is."""
    values = {**rows.backup_values(backup), "updated_at": now}
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(rows.BACKUPS).values(values))
    except oslo_exception.DBDuplicateEntry:
        return False
    return True


def put_records(
    connection: sa.Connection, records: Sequence[model.VolumeRecord]
) -> None:
    """Remember these of their volumes from now on."""
    _put(connection, rows.VOLUMES, map(rows.record_values, records))


def _put(
    connection: sa.Connection,
    table: Any,
    wanted: Iterable[dict[str, Any]],
    left_alone: Collection[str] = (),
) -> None:
    """Bring rows up to date, or insert them, in one statement.

    So another writer cannot come in between and insert the same. Of two
    values for one row the last one is kept.

    :param left_alone: columns that a row which is there keeps.
    """
    (key,) = table.primary_key.columns
    values = list({each[key.name]: each for each in wanted}.values())
    if not values:
        return
    names = [
        name
        for name in values[0]
        if name != key.name and name not in left_alone
    ]
    statement: Any
    if connection.dialect.name == "mysql":
        statement = mysql.insert(table)
        statement = statement.on_duplicate_key_update(
            {name: statement.inserted[name] for name in names}
        )
    else:
        insert = _INSERT[connection.dialect.name]
        statement = insert(table)
        statement = statement.on_conflict_do_update(
            index_elements=[key],
            set_={name: statement.excluded[name] for name in names},
        )
    connection.execute(statement, values)
