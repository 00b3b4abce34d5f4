# SPDX-License-Identifier: Apache-2.0
"""What Cinder shows of everything that this conductor has running."""

from __future__ import annotations

import dataclasses
import datetime

from staffeln import ports
from staffeln.domain import model, task


@dataclasses.dataclass(frozen=True, slots=True)
class Watched:
    """A running task with its backup's row, and what Cinder shows of it."""

    work: task.Task
    row: model.Backup
    ended: bool
    """Cinder says something of it other than that it is busy."""
    shown: model.CloudBackup | None
    """None of an ended one: Cinder answered 404."""


def running(
    store: ports.Store,
    engine: ports.Engine,
    conductor_id: str,
    kind: task.Kind,
    busy_status: str,
) -> list[Watched]:
    """One round over a conductor's running tasks of a kind.

    :param busy_status: Cinder's word for a backup that is worked on.
    :raises CloudError: the list of busy backups could not be read.
    """
    tasks = {
        work.backup_id: work
        for work in store.tasks(
            kind=kind,
            states=[task.State.RUNNING],
            claimed_by=[conductor_id],
        )
        if work.backup_id
    }
    if not tasks:
        return []
    rows = store.backups(ids=tasks.keys())
    if not rows:
        return []
    ours: list[datetime.datetime] = []
    if kind is task.Kind.BACKUP:
        # Of those that go the oldest may be as old as anything; and no page
        # shows what is gone.
        ours = store.made_since(min(row.created_at for row in rows))
    ended = engine.ended(rows, busy_status, ours)
    return [
        Watched(tasks[row.id], row, row.id in ended, ended.get(row.id))
        for row in rows
    ]
