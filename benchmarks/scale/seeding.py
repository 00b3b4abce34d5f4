# SPDX-License-Identifier: Apache-2.0
"""Rows that match a simulated cloud: chains of backups, and running tasks."""

from __future__ import annotations

import datetime
from typing import Any

import sqlalchemy as sa

from benchmarks import history
from benchmarks.cloud import scenery
from staffeln.db import rows, session
from staffeln.domain import durations, model, task

_KEPT = durations.parse("1y")
"""Nothing of it expires while it is measured."""

_BACKUPS = tuple(each.name for each in rows.BACKUPS.columns)
_TASKS = tuple(each.name for each in rows.TASKS.columns)


def write(
    database: session.Database, shape: scenery.Shape, conductor_id: str
) -> None:
    """Write all backups that a cloud has at its start, with their tasks.

    The database becomes that of the deployment that made them, whose last
    cycle has seen all its volumes.

    :param conductor_id: who has those that are in the making.
    """
    with database.engine.begin() as connection:
        connection.execute(
            sa.update(rows.DEPLOYMENT).values(
                uuid=shape.deployment,
                selected_volumes=len(shape.selected_volumes),
            )
        )
    completed = map(shape.backup, range(shape.completed))
    history.insert(
        database,
        "backups",
        _BACKUPS,
        (_completed(shape, each) for each in completed),
    )
    history.write_tasks(database)
    creating = range(shape.completed, shape.existing)
    history.insert(
        database,
        "backups",
        _BACKUPS,
        (_creating(shape, shape.backup(each)) for each in creating),
    )
    history.insert(
        database,
        "tasks",
        _TASKS,
        (
            _running(shape, shape.backup(each), seat, conductor_id)
            for seat, each in enumerate(creating, 1)
        ),
    )
    history.learn(database)


def _completed(
    shape: scenery.Shape, backup: scenery.Existing
) -> tuple[Any, ...]:
    completed_at = backup.created_at + datetime.timedelta(minutes=5)
    return _backup(
        shape,
        backup,
        state=model.BackupState.AVAILABLE.value,
        completed_at=completed_at,
        expires_at=durations.after(backup.created_at, _KEPT),
        updated_at=completed_at,
    )


def _creating(
    shape: scenery.Shape, backup: scenery.Existing
) -> tuple[Any, ...]:
    return _backup(
        shape,
        backup,
        state=model.BackupState.CREATING.value,
        updated_at=backup.created_at,
    )


def _backup(
    shape: scenery.Shape, backup: scenery.Existing, **others: Any
) -> tuple[Any, ...]:
    """A row of backups, in the order of the columns."""
    values = {
        **dict.fromkeys(_BACKUPS),
        **_of_volume(shape, backup.volume),
        "id": shape.backup_id(backup.number),
        "task_id": shape.task_id(backup.number),
        "attempt": 1,
        "incremental": backup.incremental,
        "created_at": backup.created_at,
        "size": shape.volume_size,
        "retention_known": True,
        "kept_for": str(_KEPT),
        "grace": "",
        "reason": "",
        **others,
    }
    return tuple(values.values())


def _of_volume(shape: scenery.Shape, volume: int) -> dict[str, Any]:
    """Columns that backups and tasks share."""
    server = shape.server_of(volume)
    return {
        "project_id": shape.project_id(shape.project_of_volume(volume)),
        "volume_id": shape.volume_id(volume),
        "volume_name": shape.volume_name(volume),
        "server_id": "" if server is None else shape.server_id(server),
        "server_name": "" if server is None else shape.server_name(server),
    }


def _running(
    shape: scenery.Shape,
    backup: scenery.Existing,
    seat: int,
    conductor_id: str,
) -> tuple[Any, ...]:
    of_volume = _of_volume(shape, backup.volume)
    values = {
        **dict.fromkeys(_TASKS),
        **of_volume,
        "id": shape.task_id(backup.number),
        "kind": task.Kind.BACKUP.value,
        "state": task.State.RUNNING.value,
        "slot": task.backup_slot(of_volume["volume_id"]),
        "run_slot": seat,
        "volume_size": shape.volume_size,
        "volume_status": "in-use",
        "mode": task.Mode.FULL.value,
        "backup_id": shape.backup_id(backup.number),
        "rank": 0,
        "reason": "Cinder makes a full backup",
        "attempt": 1,
        "attempted_at": backup.created_at,
        "unsettled": False,
        "created_at": backup.created_at,
        "updated_at": backup.created_at,
        "claimed_by": conductor_id,
    }
    return tuple(values.values())
