# SPDX-License-Identifier: Apache-2.0
"""The past of volumes, for planning: few statements for many volumes."""

from __future__ import annotations

import dataclasses
import datetime
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from staffeln.db import rows
from staffeln.domain import model, task

T = TypeVar("T")

CHUNK = 500
"""Ids per statement: databases limit the values that one may have."""

_LIVE = [state.value for state in task.LIVE]
_NONE: frozenset[str] = frozenset()
_STATES = {each.value: each for each in model.BackupState}

_LINK_COLUMNS = [
    rows.BACKUPS.c[each.name] for each in dataclasses.fields(model.Link)
]


def chunks(ids: Collection[T]) -> Iterator[list[T]]:
    """The ids, or what has one each, in lists that one statement takes."""
    ordered = list(ids)
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]


def of_volumes(
    connection: sa.Connection,
    volume_ids: Sequence[str],
    chains_until: datetime.datetime | None,
) -> dict[str, model.History]:
    """The histories of one chunk of volumes; those without one left out.

    :param chains_until: a chain is read only where the last success was no
        later, or a task lives; None: everywhere.
    """
    live, to_go, failures = _tasks(connection, volume_ids)
    successes = _last_successes(connection, volume_ids)
    chains = _chains(
        connection,
        [
            volume_id
            for volume_id in volume_ids
            if chains_until is None
            or volume_id not in successes
            or successes[volume_id] <= chains_until
            or volume_id in live
        ],
    )
    records = _records(connection, volume_ids)
    known = set[str]().union(live, successes, chains, records, failures)
    return {
        volume_id: model.History(
            live_task=live[volume_id][0] if volume_id in live else None,
            live_since=live[volume_id][1] if volume_id in live else None,
            last_success_at=successes.get(volume_id),
            chain=tuple(chains.get(volume_id, ())),
            to_go=frozenset(
                link.id
                for link in chains.get(volume_id, ())
                if link.id in to_go
            )
            if to_go
            else _NONE,
            record=records.get(volume_id),
            unreported_failures=frozenset(failures.get(volume_id, ())),
        )
        for volume_id in known
    }


def _tasks(
    connection: sa.Connection, volume_ids: Sequence[str]
) -> tuple[
    dict[str, tuple[task.State, datetime.datetime]],
    set[str],
    dict[str, set[str]],
]:
    """What tasks say of volumes, by one statement.

    :returns: the state of each volume's live backup task, and since when it
        is there; ids of backups that a live task is to delete; reasons of
        failed backups that nobody was told of, by volume.
    """
    table, reports = rows.TASKS, rows.REPORTS
    found = connection.execute(
        sa.select(
            table.c.volume_id,
            table.c.kind,
            table.c.state,
            table.c.created_at,
            table.c.backup_id,
            sa.case(
                (table.c.state == task.State.FAILED.value, table.c.reason),
                else_="",
            ).label("reason"),
        )
        .join_from(
            table, reports, reports.c.id == table.c.report_id, isouter=True
        )
        .where(
            table.c.volume_id.in_(volume_ids),
            sa.or_(
                table.c.state.in_(_LIVE),
                sa.and_(
                    table.c.kind == task.Kind.BACKUP.value,
                    table.c.state == task.State.FAILED.value,
                    reports.c.delivered_at.is_(None),
                ),
            ),
        )
    )
    live: dict[str, tuple[task.State, datetime.datetime]] = {}
    to_go: set[str] = set()
    failures: defaultdict[str, set[str]] = defaultdict(set)
    for volume_id, kind, state, created_at, backup_id, reason in found:
        if kind == task.Kind.DELETE:
            to_go.add(backup_id)
        elif state == task.State.FAILED:
            failures[volume_id].add(reason)
        else:
            live[volume_id] = task.State(state), created_at
    return live, to_go, failures


def _last_successes(
    connection: sa.Connection, volume_ids: Sequence[str]
) -> dict[str, Any]:
    """By the volumes: SQLite would go through all backups of a state."""
    table = rows.BACKUPS
    is_whole = sa.and_(
        table.c.completed_at.is_not(None),
        table.c.state == model.BackupState.AVAILABLE.value,
        table.c.broken_since.is_(None),
    )
    found = connection.execute(
        sa.select(
            table.c.volume_id,
            sa.func.max(
                sa.case((is_whole, table.c.created_at), else_=sa.null())
            ).label("at"),
        )
        .where(table.c.volume_id.in_(volume_ids))
        .group_by(table.c.volume_id)
    )
    return {row.volume_id: row.at for row in found if row.at is not None}


def _chains(
    connection: sa.Connection, volume_ids: Sequence[str]
) -> dict[str, list[model.Link]]:
    """Completed backups from the last completed full on, oldest first.

    The last full counts whatever became of it later: where it is known to
    be gone, the rule has to see that what follows has nothing to build on,
    and an older chain is not built on again behind its back. What never was
    completed is no link. A row whose mode nobody knows counts as a full.
    """
    if not volume_ids:
        return {}
    table = rows.BACKUPS
    completed = (
        table.c.volume_id.in_(volume_ids),
        table.c.completed_at.is_not(None),
    )
    full = (
        sa.select(
            table.c.volume_id,
            sa.func.max(table.c.created_at).label("created_at"),
        )
        .where(
            *completed,
            sa.or_(
                table.c.incremental.is_(False), table.c.incremental.is_(None)
            ),
        )
        .group_by(table.c.volume_id)
        .subquery()
    )
    found = connection.execute(
        sa.select(*_LINK_COLUMNS)
        .join_from(
            table, full, full.c.volume_id == table.c.volume_id, isouter=True
        )
        .where(
            *completed,
            sa.or_(
                full.c.created_at.is_(None),
                table.c.created_at >= full.c.created_at,
            ),
        )
    )
    completed_links = sorted(map(_link, found), key=_in_chain_order)
    chains: defaultdict[str, list[model.Link]] = defaultdict(list)
    for link in completed_links:
        if not link.incremental:
            chains[link.volume_id].clear()
        chains[link.volume_id].append(link)
    return chains


def _link(row: Any) -> model.Link:
    """A link from a row of _LINK_COLUMNS."""
    its_id, project_id, volume_id, state, incremental, at, broken = row
    return model.Link(
        id=its_id,
        project_id=project_id,
        volume_id=volume_id,
        state=_STATES[state],
        incremental=incremental,
        created_at=at,
        broken_since=broken,
    )


def _in_chain_order(link: model.Link) -> tuple[Any, ...]:
    """By time; of one moment the full first, so that none is too few."""
    return link.created_at, bool(link.incremental), link.id


def _records(
    connection: sa.Connection, volume_ids: Sequence[str]
) -> dict[str, model.VolumeRecord]:
    found = connection.execute(
        sa.select(*rows.VOLUME_COLUMNS).where(
            rows.VOLUMES.c.volume_id.in_(volume_ids)
        )
    )
    return {row.volume_id: rows.record_of(row) for row in found}
