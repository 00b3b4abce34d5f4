# SPDX-License-Identifier: Apache-2.0
"""Claiming planned tasks: in their order, each once, within the limits.

A task that is claimed takes a *seat*: a number that no other task has, of
as many as may run at once, and likewise one of its project's. Those of
deletes are negative, so that both kinds have numbers of their own. Unique keys
keep the limits, on every database and every node of a cluster: of two
claims that take the same number one fails, and tries again with what is
free then.
"""

from __future__ import annotations

import bisect
import datetime
import math
import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from staffeln import ports
from staffeln.db import brakes, changes, rows
from staffeln.domain import task

_HELD = [each.value for each in task.HELD]
_ENDED = [each.value for each in task.ENDED]

UNLIMITED = 1 << 30
"""Seats where there is no limit: they are taken all the same, so that one
that is set later counts what runs already."""

_SIGN = {task.Kind.BACKUP: 1, task.Kind.DELETE: -1}
"""Of the numbers of a kind's seats."""

_FURTHEST = 7
"""How many times its share of the queue a claim looks beyond the first."""


def claimable(
    connection: sa.Connection, kind: task.Kind, now: datetime.datetime
) -> bool:
    """Whether any planned task waits whose time has come."""
    query = sa.select(rows.TASKS.c.id).where(*_planned(kind, now)).limit(1)
    return connection.execute(query).first() is not None


def claim(
    connection: sa.Connection,
    conductor_id: str,
    kind: task.Kind,
    limit: int,
    now: datetime.datetime,
    throttle: ports.Throttle,
    lost: int = 0,
    free: FreeSeats | None = None,
) -> tuple[bool, list[task.Task]]:
    """Claim the first planned tasks; those that others take are left.

    :param lost: how often others were faster. Where many claim at once all
        want the first tasks, and on a cluster one of them gets them: each
        time that others did, fewer are asked for, of more.
    :returns: whether there were any to be had, and those that were claimed.
    """
    paused = {
        each.project_id
        for each in brakes.brakes(connection)
        if each.kind is kind
    }
    if "" in paused or limit < 1:
        return False, []
    if free is None:
        free = FreeSeats()
    room = _Room(connection, kind, throttle, free)
    window = limit * (1 + min(lost, _FURTHEST))
    limit = max(1, limit >> lost)
    chosen = _choose(connection, kind, limit, window, now, paused, room)
    wanted = [
        ports.Change(
            before=work,
            after=task.advance(
                work,
                task.State.CLAIMED,
                now,
                work.reason,
                claimed_by=conductor_id,
            ),
        )
        for work, _ in chosen
    ]
    seats = {work.id: seat for work, seat in chosen}
    claimed = changes.advance(connection, wanted, conductor_id, seats)
    if len(claimed) < len(chosen):
        free.forget(kind)
    return bool(chosen), claimed


def _choose(
    connection: sa.Connection,
    kind: task.Kind,
    limit: int,
    window: int,
    now: datetime.datetime,
    left_out: set[str],
    room: _Room,
) -> list[tuple[task.Task, changes.Seat]]:
    """The first tasks that there is room for, with their seats.

    Tasks of a project without room are passed over; where they fill a page,
    it is read again without that project.

    :param window: how many of the first tasks are looked at; of more than
        the limit any are taken.
    """
    left_out = left_out | room.full_projects()
    chosen: dict[str, tuple[task.Task, changes.Seat]] = {}
    table = rows.TASKS
    while len(chosen) < limit:
        page = connection.execute(
            sa.select(*rows.TASK_COLUMNS)
            .where(
                *_planned(kind, now),
                table.c.project_id.not_in(sorted(left_out)),
            )
            .order_by(table.c.rank, table.c.created_at, table.c.id)
            .limit(window)
        ).all()
        if window > limit:
            page = random.sample(page, len(page))  # nosec
        passed_over = set()
        for work in map(rows.task_of, page):
            if work.id in chosen or len(chosen) == limit:
                continue
            if (seat := room.take(work.project_id)) is not None:
                chosen[work.id] = (work, seat)
            elif room.full:
                return list(chosen.values())
            else:
                passed_over.add(work.project_id)
        if not passed_over or len(page) < window:
            break
        # Those that were chosen of it are not lost: they stay chosen.
        left_out |= passed_over
    return list(chosen.values())


def _planned(
    kind: task.Kind, now: datetime.datetime
) -> list[sa.ColumnElement[bool]]:
    table = rows.TASKS
    return [
        table.c.kind == kind.value,
        table.c.state == task.State.PLANNED.value,
        table.c.waits_for.is_(None),
        sa.or_(table.c.not_before.is_(None), table.c.not_before <= now),
    ]


class FreeSeats:
    """Seats that were free when they were last read.

    With thousands that run, reading all their seats costs more than all else
    of a claim. This is no more than a hint: how many are taken is counted
    each time, and of two that take the same number the unique key lets one.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[task.Kind, int], list[int]] = {}

    def known(self, kind: task.Kind, limit: int) -> list[int]:
        """Numbers that may be free still; whoever takes one removes it."""
        return self._numbers.get((kind, limit), [])

    def learn(self, kind: task.Kind, limit: int, numbers: list[int]) -> None:
        """Keep what was just read."""
        self._numbers[kind, limit] = numbers

    def forget(self, kind: task.Kind) -> None:
        """Somebody else takes them as well: they are to be read anew."""
        for key in [each for each in self._numbers if each[0] is kind]:
            del self._numbers[key]


class _Numbers:
    """Some of the numbers that are free.

    :param free: in the order in which they are given away; those that are
        taken are removed from it.
    :param left: how many of them may be taken.
    """

    def __init__(self, free: list[int], left: int) -> None:
        self._free = free
        self._left = left

    @property
    def full(self) -> bool:
        """Whether no number is left."""
        return self._left < 1 or not self._free

    def take(self) -> int | None:
        """A number that is free; None: there is none.

        Any of them: two claims at once that both took the lowest would
        always be in each other's way.
        """
        if self.full:
            return None
        self._left -= 1
        return self._free.pop()


class _Any:
    """Numbers of very many, of which next to none are taken."""

    full = False

    def take(self) -> int:
        """One that is free for all that is likely."""
        return random.randint(1, UNLIMITED)  # nosec


def free_numbers(limit: int, taken: Sequence[int | None]) -> list[int]:
    """The free ones of the numbers from 1 to a limit, in any order.

    Tasks without a number, or with one above the limit (it was higher when
    they were claimed), count as well: so many of the highest numbers are
    not given away.
    """
    numbers = sorted(math.inf if n is None else n for n in taken)
    last = limit
    # All up to ``last`` and those above it are to be within the limit.
    while last + len(numbers) - bisect.bisect(numbers, last) > limit:
        last -= 1
    used = set(numbers)
    free = [number for number in range(1, last + 1) if number not in used]
    random.shuffle(free)
    return free


class _Room:
    """What the limits leave, as this transaction sees it."""

    def __init__(
        self,
        connection: sa.Connection,
        kind: task.Kind,
        throttle: ports.Throttle,
        free: FreeSeats,
    ) -> None:
        self._per_project = throttle.per_project
        self._sign = _SIGN[kind]
        self._of_projects: defaultdict[str, list[int | None]] = defaultdict(
            list
        )
        self._numbers: dict[str, _Numbers] = {}
        limit = throttle.running or UNLIMITED
        by_count = None
        if not self._per_project:
            by_count = _by_count(connection, kind, limit, free)
        self._all = by_count or self._by_number(connection, kind, limit, free)

    def _by_number(
        self,
        connection: sa.Connection,
        kind: task.Kind,
        limit: int,
        free: FreeSeats,
    ) -> _Numbers | _Any:
        """Read all seats that are taken."""
        taken = connection.execute(_seats(kind)).all()
        for row in taken:
            self._of_projects[row.project_id].append(row.project_slot)
        if limit == UNLIMITED:
            return _Any()
        numbers = free_numbers(
            limit,
            [row.run_slot and row.run_slot * self._sign for row in taken],
        )
        free.learn(kind, limit, numbers)
        return _Numbers(numbers, limit)

    @property
    def full(self) -> bool:
        """Whether nothing more may run at all."""
        return self._all.full

    def full_projects(self) -> set[str]:
        """Projects of which nothing more may run."""
        if not self._per_project:
            return set()
        return {
            project_id
            for project_id in self._of_projects
            if self._of(project_id).full
        }

    def take(self, project_id: str) -> changes.Seat | None:
        """A seat for a task of a project; None: there is none."""
        if self._all.full:
            return None
        of_project = None
        if self._per_project:
            of_project = self._of(project_id).take()
            if of_project is None:
                return None
        number = self._all.take()
        if number is None:
            return None
        return changes.Seat(number * self._sign, of_project)

    def _of(self, project_id: str) -> _Numbers:
        if project_id not in self._numbers:
            free = free_numbers(
                self._per_project, self._of_projects.get(project_id, [])
            )
            self._numbers[project_id] = _Numbers(free, len(free))
        return self._numbers[project_id]


def _by_count(
    connection: sa.Connection, kind: task.Kind, limit: int, free: FreeSeats
) -> _Numbers | _Any | None:
    """What is free, by how many seats are taken; None: that does not tell.

    Where tasks hold seats that are none of these, as after the limit was
    lowered, only the numbers tell.
    """
    if limit == UNLIMITED:
        return _Any()
    seats = _seats(kind).subquery()
    number = seats.c.run_slot * _SIGN[kind]
    row = connection.execute(
        sa.select(
            sa.func.count().label("taken"),
            sa.func.count(
                sa.case((sa.and_(number > 0, number <= limit), 1))
            ).label("within"),
        ).select_from(seats)
    ).one()
    known = free.known(kind, limit)
    if row.taken >= limit:
        return _Numbers([], 0)
    if row.within < row.taken or not known:
        return None
    return _Numbers(known, limit - row.taken)


def _seats(
    kind: task.Kind,
) -> sa.Select[Any] | sa.CompoundSelect[Any]:
    """All that runs, or that Cinder went on with after its task ended."""
    table = rows.TASKS
    columns = (table.c.project_id, table.c.run_slot, table.c.project_slot)
    held = sa.select(*columns).where(
        table.c.kind == kind.value, table.c.state.in_(_HELD)
    )
    if kind is not task.Kind.BACKUP:
        return held
    return sa.union_all(
        held,
        sa.select(*columns).where(
            table.c.run_slot > 0, table.c.state.in_(_ENDED)
        ),
    )


def overdue(connection: sa.Connection) -> list[task.Task]:
    """Ended tasks whose seat is still taken."""
    table = rows.TASKS
    found = connection.execute(
        sa.select(*rows.TASK_COLUMNS).where(
            table.c.run_slot > 0, table.c.state.in_(_ENDED)
        )
    )
    return [rows.task_of(row) for row in found]


def free_seats(connection: sa.Connection, task_ids: Sequence[str]) -> None:
    """Let go of the seats of tasks that have ended."""
    table = rows.TASKS
    connection.execute(
        sa.update(table)
        .where(table.c.id.in_(task_ids), table.c.state.in_(_ENDED))
        .values(run_slot=None, project_slot=None)
    )
