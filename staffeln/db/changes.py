# SPDX-License-Identifier: Apache-2.0
"""Writing moves of tasks: compare and set, with their events and rows."""

from __future__ import annotations

import dataclasses
import datetime
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as oslo_exception

from staffeln import ports
from staffeln.db import backup_rows, history, retention, rows
from staffeln.domain import model, task


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
    backup_rows.put(
        connection,
        (
            (each.backup, each.after.updated_at)
            for each in done
            if each.backup is not None
        ),
    )
    backup_rows.forget(
        connection,
        [each.forget_backup for each in done if each.forget_backup],
    )
    retention.release(connection, filter(None, map(_gone, done)))
    backup_rows.put_records(
        connection, [each.record for each in done if each.record is not None]
    )
    _add_events(
        connection,
        ((each.before.state, each.after) for each in done),
        conductor_id,
        term,
    )
    return [change.after for change in done]


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
