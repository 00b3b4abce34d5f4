# SPDX-License-Identifier: Apache-2.0
"""Rows that match a simulated cloud: chains of backups, and running tasks."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks import history
from staffeln.db import rows, session
from staffeln.domain import durations, model, task

_KEPT = durations.parse("1y")
"""Nothing of it expires while it is measured."""

_BACKUPS = tuple(each.name for each in rows.BACKUPS.columns)
_TASKS = tuple(each.name for each in rows.TASKS.columns)


@dataclasses.dataclass(frozen=True, slots=True)
class Protected:
    """A volume of the cloud, and the server that it is attached to."""

    id: str
    name: str
    project_id: str
    size: int
    server_id: str
    server_name: str


@dataclasses.dataclass(frozen=True, slots=True)
class Running:
    """A backup that Cinder makes, for a task of ours."""

    backup_id: str
    volume: Protected
    created_at: datetime.datetime


def write_chains(
    database: session.Database,
    volumes: Iterable[Protected],
    links: int,
    newest_at: datetime.datetime,
) -> None:
    """Write so many backups of each volume, a day apart, with their tasks."""
    if not links:
        return

    def found() -> Iterator[tuple[Any, ...]]:
        serial = 0
        for volume in volumes:
            for number in range(links):
                created_at = newest_at - (links - 1 - number) * history.DAY
                yield _link(volume, serial, number > 0, created_at)
                serial += 1

    history.insert(database, "backups", _BACKUPS, found())
    history.write_tasks(database)
    history.learn(database)


def _link(
    volume: Protected,
    serial: int,
    incremental: bool,
    created_at: datetime.datetime,
) -> tuple[Any, ...]:
    completed_at = created_at + datetime.timedelta(minutes=5)
    return _backup(
        volume,
        id=history.its_id("backup", serial),
        task_id=history.its_id("task", serial),
        state=model.BackupState.AVAILABLE.value,
        incremental=incremental,
        created_at=created_at,
        completed_at=completed_at,
        expires_at=durations.after(created_at, _KEPT),
        updated_at=completed_at,
    )


def _backup(volume: Protected, **others: Any) -> tuple[Any, ...]:
    """A row of backups, in the order of the columns."""
    values = {
        **dict.fromkeys(_BACKUPS),
        "project_id": volume.project_id,
        "volume_id": volume.id,
        "volume_name": volume.name,
        "server_id": volume.server_id,
        "server_name": volume.server_name,
        "attempt": 1,
        "size": volume.size,
        "retention_known": True,
        "kept_for": str(_KEPT),
        "grace": "",
        "reason": "",
        **others,
    }
    return tuple(values.values())


def write_running(
    database: session.Database, running: Iterable[Running], conductor_id: str
) -> None:
    """Write tasks that a conductor has running, and their rows."""
    listed = list(running)
    ids = [history.its_id("task", number) for number in range(len(listed))]
    history.insert(
        database,
        "backups",
        _BACKUPS,
        (
            _backup(
                each.volume,
                id=each.backup_id,
                task_id=task_id,
                state=model.BackupState.CREATING.value,
                incremental=False,
                created_at=each.created_at,
                updated_at=each.created_at,
            )
            for each, task_id in zip(listed, ids, strict=True)
        ),
    )
    history.insert(
        database,
        "tasks",
        _TASKS,
        (
            _running_task(each, task_id, seat, conductor_id)
            for seat, (each, task_id) in enumerate(
                zip(listed, ids, strict=True), 1
            )
        ),
    )
    history.learn(database)


def _running_task(
    each: Running, task_id: str, seat: int, conductor_id: str
) -> tuple[Any, ...]:
    values = {
        **dict.fromkeys(_TASKS),
        "id": task_id,
        "kind": task.Kind.BACKUP.value,
        "state": task.State.RUNNING.value,
        "slot": task.backup_slot(each.volume.id),
        "run_slot": seat,
        "project_id": each.volume.project_id,
        "volume_id": each.volume.id,
        "volume_name": each.volume.name,
        "volume_size": each.volume.size,
        "volume_status": "in-use",
        "server_id": each.volume.server_id,
        "server_name": each.volume.server_name,
        "mode": task.Mode.FULL.value,
        "backup_id": each.backup_id,
        "rank": 0,
        "reason": "Cinder makes a full backup",
        "attempt": 1,
        "attempted_at": each.created_at,
        "unsettled": False,
        "created_at": each.created_at,
        "updated_at": each.created_at,
        "claimed_by": conductor_id,
    }
    return tuple(values.values())
