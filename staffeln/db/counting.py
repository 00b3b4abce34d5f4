# SPDX-License-Identifier: Apache-2.0
"""Counting what there is; read from indexes alone."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from staffeln.db import brakes, breaker, clock, rows
from staffeln.domain import census, task

_PRESENT = [each.value for each in sorted(census.PRESENT)]


def census_of(connection: sa.Connection, most_projects: int) -> census.Census:
    """Count all that there is."""
    waiting = breaker.waiting(connection)
    return census.Census(
        taken_at=clock.now(connection),
        term=connection.execute(sa.select(rows.TERM.c.term)).scalar() or 0,
        conductors=connection.execute(
            sa.select(sa.func.count()).select_from(rows.CONDUCTORS)
        ).scalar_one(),
        tasks=_tasks(connection),
        projects=_projects(connection, most_projects),
        brakes=tuple(brakes.brakes(connection)),
        breaker_waits=waiting is not None and waiting.confirmed_at is None,
    )


def _tasks(connection: sa.Connection) -> tuple[census.TaskCount, ...]:
    table = rows.TASKS
    found = connection.execute(
        sa.select(table.c.kind, table.c.state, sa.func.count().label("number"))
        .group_by(table.c.kind, table.c.state)
        .order_by(table.c.kind, table.c.state)
    )
    return tuple(
        census.TaskCount(
            kind=task.Kind(row.kind),
            state=task.State(row.state),
            number=row.number,
        )
        for row in found
    )


def _projects(
    connection: sa.Connection, most: int
) -> tuple[census.ProjectCount, ...]:
    table = rows.BACKUPS
    number = sa.func.count().label("backups")
    size = sa.func.coalesce(sa.func.sum(table.c.size), 0).label("gigabytes")
    total = connection.execute(
        sa.select(number, size).where(table.c.state.in_(_PRESENT))
    ).one()
    found = connection.execute(
        sa.select(table.c.project_id, number, size)
        .where(table.c.state.in_(_PRESENT))
        .group_by(table.c.project_id)
        .order_by(number.desc(), table.c.project_id)
        .limit(most)
    )
    return census.largest(
        [_count(row, row.project_id) for row in found],
        _count(total, None),
        most,
    )


def _count(row: sa.Row[Any], project_id: str | None) -> census.ProjectCount:
    # Databases return sums as decimals.
    return census.ProjectCount(
        project_id=project_id,
        backups=int(row.backups),
        gigabytes=int(row.gigabytes),
    )
