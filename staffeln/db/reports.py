# SPDX-License-Identifier: Apache-2.0
"""Reports: which tasks each one tells of, and what became of it."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from staffeln import ports
from staffeln.db import clock, history, rows
from staffeln.domain import errors, model, report, task

_ENDED = [state.value for state in task.ENDED]
_TASKS = rows.TASKS
_REPORTS = rows.REPORTS
_FRESHNESS = rows.FRESHNESS

_UNREPORTED = (_TASKS.c.report_id.is_(None), _TASKS.c.state.in_(_ENDED))
"""Tasks that have ended and that no report tells of."""


# -- what is due -------------------------------------------------------------


def due(
    connection: sa.Connection,
    now: datetime.datetime,
    period: datetime.timedelta,
) -> list[ports.DueReport]:
    """Projects whose oldest unreported task is that old; from an index."""
    created_until = now - period
    oldest = sa.func.min(_TASKS.c.created_at)
    # Of those alone that are old enough to be reported.
    ended = sa.func.min(
        sa.case(
            (_TASKS.c.created_at <= created_until, _TASKS.c.finished_at),
            else_=None,
        )
    )
    found = connection.execute(
        sa.select(
            _TASKS.c.project_id,
            oldest.label("oldest_at"),
            sa.type_coerce(ended, _TASKS.c.finished_at.type).label("ended_at"),
        )
        .where(*_UNREPORTED)
        .group_by(_TASKS.c.project_id)
        .having(oldest <= created_until)
        .order_by(oldest, _TASKS.c.project_id)
    )
    return [
        ports.DueReport(
            project_id=row.project_id,
            oldest_at=row.oldest_at,
            due_at=max(row.oldest_at + period, row.ended_at or row.oldest_at),
        )
        for row in found
    ]


# -- a report's life ---------------------------------------------------------


def open_report(
    connection: sa.Connection,
    report_id: str,
    audience: report.Audience,
    project_ids: Collection[str],
    now: datetime.datetime,
) -> int:
    """Make a report of all that ended and is unreported; how many tasks.

    0: there is none, and no report is made. One that is there already was
    made by a call whose answer was lost.
    """
    if there := _tasks_of(connection, report_id):
        return there
    count = sum(
        connection.execute(
            sa.update(_TASKS)
            .where(*_UNREPORTED, _TASKS.c.project_id.in_(chunk))
            .values(report_id=report_id)
        ).rowcount
        for chunk in history.chunks(project_ids)
    )
    if count:
        (project_id, *others) = project_ids
        connection.execute(
            sa.insert(_REPORTS).values(
                id=report_id,
                audience=audience.value,
                project_id="" if others else project_id,
                receiver="",
                created_at=now,
                attempted_at=now,
                attempts=1,
            )
        )
    return count


def _tasks_of(connection: sa.Connection, report_id: str) -> int:
    return int(
        connection.execute(
            sa.select(sa.func.count()).where(_TASKS.c.report_id == report_id)
        ).scalar_one()
    )


def not_done(connection: sa.Connection) -> list[ports.ReportRecord]:
    """Reports that were not delivered, or whose tasks are still there."""
    found = connection.execute(
        sa.select(_REPORTS)
        .where(_REPORTS.c.purged_at.is_(None))
        .order_by(_REPORTS.c.created_at, _REPORTS.c.id)
    )
    return [
        ports.ReportRecord(
            **{**row._mapping, "audience": report.Audience(row.audience)}
        )
        for row in found
    ]


def attempt(
    connection: sa.Connection, report_id: str, now: datetime.datetime
) -> bool:
    """Note that a report is about to be sent again; False: it must not be."""
    return (
        connection.execute(
            sa.update(_REPORTS)
            .where(
                _REPORTS.c.id == report_id, _REPORTS.c.delivered_at.is_(None)
            )
            .values(attempted_at=now, attempts=_REPORTS.c.attempts + 1)
        ).rowcount
        == 1
    )


def note_refused(connection: sa.Connection, report_id: str) -> None:
    """Count the last attempt as none: it surely reached nobody."""
    connection.execute(
        sa.update(_REPORTS)
        .where(
            _REPORTS.c.id == report_id,
            _REPORTS.c.delivered_at.is_(None),
            _REPORTS.c.attempts > 0,
        )
        .values(attempts=_REPORTS.c.attempts - 1)
    )


def finished(
    connection: sa.Connection, report_id: str, after: str, limit: int
) -> list[report.Finished]:
    """The next tasks that a report tells of, by id."""
    backups = rows.BACKUPS
    found = connection.execute(
        sa.select(
            *rows.TASK_COLUMNS,
            backups.c.incremental.label("its_incremental"),
            backups.c.created_at.label("its_created_at"),
        )
        .join_from(
            _TASKS, backups, backups.c.id == _TASKS.c.backup_id, isouter=True
        )
        .where(_TASKS.c.report_id == report_id, _TASKS.c.id > after)
        .order_by(_TASKS.c.id)
        .limit(limit)
    )
    return [_finished_of(dict(row._mapping)) for row in found]


def _finished_of(values: dict[str, Any]) -> report.Finished:
    incremental = values.pop("its_incremental")
    made_at = values.pop("its_created_at")
    return report.Finished(
        work=rows.task_from(values), incremental=incremental, made_at=made_at
    )


def dissolve(connection: sa.Connection, report_id: str) -> bool:
    """Let its tasks be told of by another one; False: it was delivered."""
    removed = connection.execute(
        sa.delete(_REPORTS).where(
            _REPORTS.c.id == report_id, _REPORTS.c.delivered_at.is_(None)
        )
    ).rowcount
    if removed:
        connection.execute(
            sa.update(_TASKS)
            .where(_TASKS.c.report_id == report_id)
            .values(report_id=None)
        )
    return removed == 1


def note_delivered(
    connection: sa.Connection, report_id: str, receiver: str
) -> bool:
    """Note who got it; False: it is gone, or was delivered before."""
    return (
        connection.execute(
            sa.update(_REPORTS)
            .where(
                _REPORTS.c.id == report_id, _REPORTS.c.delivered_at.is_(None)
            )
            .values(
                receiver=rows.storable("receiver", receiver),
                delivered_at=clock.now(connection),
            )
        ).rowcount
        == 1
    )


def purge(
    connection: sa.Connection, report_id: str, after: str, limit: int
) -> str | None:
    """Remove the next tasks of a delivered report, with their stories.

    One that still holds a seat stays: Cinder goes on with what it began.

    :param after: the id of the last task that was looked at.
    :returns: where to go on; None: all were looked at.
    """
    delivered = connection.execute(
        sa.select(_REPORTS.c.delivered_at).where(_REPORTS.c.id == report_id)
    ).scalar()
    if delivered is None:
        return None
    of_report = (_TASKS.c.report_id == report_id, _TASKS.c.id > after)
    last = connection.execute(
        sa.select(_TASKS.c.id)
        .where(*of_report)
        .order_by(_TASKS.c.id)
        .offset(limit - 1)
        .limit(1)
    ).scalar()
    connection.execute(
        sa.delete(_TASKS).where(
            *of_report,
            *([_TASKS.c.id <= last] if last is not None else []),
            _TASKS.c.run_slot.is_(None),
            _TASKS.c.project_slot.is_(None),
        )
    )
    if last is None:
        _note_purged(connection, report_id)
    return last


def _note_purged(connection: sa.Connection, report_id: str) -> None:
    """A report is done with when no task is left of it."""
    left = (
        sa.select(_TASKS.c.id).where(_TASKS.c.report_id == report_id).exists()
    )
    connection.execute(
        sa.update(_REPORTS)
        .where(_REPORTS.c.id == report_id, ~left)
        .values(purged_at=clock.now(connection))
    )


def forget(connection: sa.Connection, purged_until: datetime.datetime) -> int:
    """Remove rows of reports that are done with for long; how many."""
    return connection.execute(
        sa.delete(_REPORTS).where(_REPORTS.c.purged_at <= purged_until)
    ).rowcount


# -- how fresh all is --------------------------------------------------------


def note_cycle(connection: sa.Connection, cycle: model.Cycle) -> None:
    """Keep what a complete cycle came to."""
    _note(
        connection,
        cycle_at=cycle.ended_at,
        selected=cycle.selected,
        dropped=cycle.dropped,
        never_protected=cycle.never_protected,
        stale=cycle.stale,
        oldest_protection_at=cycle.oldest_protection_at,
    )


def note_retention(connection: sa.Connection, when: datetime.datetime) -> None:
    """Keep when a round of retention ended that nothing held back."""
    _note(connection, retention_at=when)


def _note(connection: sa.Connection, **values: Any) -> None:
    """Write the one row; it is made anew where somebody removed it."""
    written = connection.execute(
        sa.update(_FRESHNESS).where(_FRESHNESS.c.id == 1).values(**values)
    ).rowcount
    if not written:
        new = {"id": 1, "dropped": 0, "never_protected": 0, "stale": 0}
        connection.execute(sa.insert(_FRESHNESS).values({**new, **values}))


def freshness(connection: sa.Connection) -> model.Freshness:
    """What the last rounds left.

    :raises SchemaError: the row was removed.
    """
    row = connection.execute(
        sa.select(_FRESHNESS).where(_FRESHNESS.c.id == 1)
    ).one_or_none()
    if row is None:
        raise errors.SchemaError(
            "the table freshness has lost its row: nobody knows when the last "
            "rounds ended; the next one that is complete writes it anew"
        )
    values = dict(row._mapping)
    del values["id"]
    return model.Freshness(now=clock.now(connection), **values)
