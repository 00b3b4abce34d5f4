# SPDX-License-Identifier: Apache-2.0
"""The past of volumes, for planning: few statements for many volumes."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from staffeln.db import rows
from staffeln.domain import model, task

CHUNK = 500
"""Ids per statement: databases limit the values that one may have."""

_LIVE = [state.value for state in task.LIVE]


def chunks(ids: Collection[str]) -> Iterator[list[str]]:
    """The ids in lists that one statement takes."""
    ordered = list(ids)
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]


def of_volumes(
    connection: sa.Connection, volume_ids: Sequence[str]
) -> dict[str, model.History]:
    """The histories of one chunk of volumes; those without one left out."""
    live = _live_tasks(connection, volume_ids)
    successes = _last_successes(connection, volume_ids)
    chains = _chains(connection, volume_ids)
    to_go = _to_go(connection, chains)
    records = _records(connection, volume_ids)
    failures = _unreported_failures(connection, volume_ids)
    known = set[str]().union(live, successes, chains, records, failures)
    return {
        volume_id: model.History(
            live_task=live[volume_id][0] if volume_id in live else None,
            live_since=live[volume_id][1] if volume_id in live else None,
            last_success_at=successes.get(volume_id),
            chain=tuple(chains.get(volume_id, ())),
            to_go=to_go.intersection(
                link.id for link in chains.get(volume_id, ())
            ),
            record=records.get(volume_id),
            unreported_failures=frozenset(failures.get(volume_id, ())),
        )
        for volume_id in known
    }


def _live_tasks(
    connection: sa.Connection, volume_ids: Sequence[str]
) -> dict[str, tuple[task.State, datetime.datetime]]:
    """The state of each volume's live backup task, and since when it is."""
    table = rows.TASKS
    found = connection.execute(
        sa.select(table.c.volume_id, table.c.state, table.c.created_at).where(
            table.c.volume_id.in_(volume_ids),
            table.c.kind == task.Kind.BACKUP.value,
            table.c.state.in_(_LIVE),
        )
    )
    return {
        row.volume_id: (task.State(row.state), row.created_at) for row in found
    }


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
) -> dict[str, list[model.Backup]]:
    """Completed backups from the last completed full on, oldest first.

    The last full counts whatever became of it later: where it is known to
    be gone, the rule has to see that what follows has nothing to build on,
    and an older chain is not built on again behind its back. What never was
    completed is no link. A row whose mode nobody knows counts as a full.
    """
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
        sa.select(*rows.BACKUP_COLUMNS)
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
    completed_rows = sorted(map(rows.backup_of, found), key=_in_chain_order)
    chains: defaultdict[str, list[model.Backup]] = defaultdict(list)
    for backup in completed_rows:
        if not backup.incremental:
            chains[backup.volume_id].clear()
        chains[backup.volume_id].append(backup)
    return chains


def _to_go(
    connection: sa.Connection, chains: Mapping[str, Sequence[model.Backup]]
) -> frozenset[str]:
    """Ids of those links that a live task is to delete."""
    table = rows.TASKS
    slots = [
        task.delete_slot(link.id)
        for links in chains.values()
        for link in links
    ]
    return frozenset(
        backup_id
        for chunk in chunks(slots)
        for backup_id in connection.execute(
            sa.select(table.c.backup_id).where(table.c.slot.in_(chunk))
        ).scalars()
    )


def _in_chain_order(backup: model.Backup) -> tuple[Any, ...]:
    """By time; of one moment the full first, so that none is too few."""
    return backup.created_at, bool(backup.incremental), backup.id


def _records(
    connection: sa.Connection, volume_ids: Sequence[str]
) -> dict[str, model.VolumeRecord]:
    found = connection.execute(
        sa.select(*rows.VOLUME_COLUMNS).where(
            rows.VOLUMES.c.volume_id.in_(volume_ids)
        )
    )
    return {row.volume_id: rows.record_of(row) for row in found}


def _unreported_failures(
    connection: sa.Connection, volume_ids: Sequence[str]
) -> dict[str, set[str]]:
    table, reports = rows.TASKS, rows.REPORTS
    found = connection.execute(
        sa.select(table.c.volume_id, table.c.reason)
        .join_from(
            table, reports, reports.c.id == table.c.report_id, isouter=True
        )
        .where(
            table.c.volume_id.in_(volume_ids),
            table.c.kind == task.Kind.BACKUP.value,
            table.c.state == task.State.FAILED.value,
            reports.c.delivered_at.is_(None),
        )
    )
    reasons: defaultdict[str, set[str]] = defaultdict(set)
    for row in found:
        reasons[row.volume_id].add(row.reason)
    return reasons
