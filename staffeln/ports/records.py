# SPDX-License-Identifier: Apache-2.0
"""What is written to the database, and read of it, at once."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence

from staffeln.domain import model, report, task


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Conductor:
    """One worker process; its identity is a uuid per start."""

    id: str
    host: str
    pid: int
    backend: str
    """The coordination backend in use, without secrets."""
    started_at: datetime.datetime
    heartbeat_at: datetime.datetime


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One move of one task, with what is saved in the same transaction.

    It is carried out only if the task still is what ``before`` says
    (state, attempt and holder): compare and set, with one event.
    """

    before: task.Task
    after: task.Task
    still_busy: bool = False
    """The task ends, but Cinder goes on: it keeps its seat in the limits."""
    backup: model.Backup | None = None
    """A row to insert, or to bring up to date."""
    forget_backup: str | None = None
    """Id of a row to remove: its backup is proved gone."""
    record: model.VolumeRecord | None = None
    """What to remember of the volume from now on."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PlanRecord:
    """What a scheduler writes of what it planned, in one transaction."""

    tasks: Sequence[task.Task] = ()
    """New tasks: planned, or failed at once."""
    cancelled: Sequence[str] = ()
    """Ids of planned tasks that nobody needs any more."""
    cancel_reason: str = ""
    postponed: Sequence[str] = ()
    """Ids of planned tasks that nobody claims before ``postponed_until``."""
    postponed_until: datetime.datetime | None = None
    records: Sequence[model.VolumeRecord] = ()
    governed: Sequence[model.Backup] = ()
    """Backups whose retention changed; nothing else of them is written."""
    adopted: Sequence[model.Backup] = ()
    """Backups of ours that had no row; a row that is there stays."""
    vanished: Sequence[model.Backup] = ()
    """Rows whose backup is proved gone, as they were when it was proved."""
    returned: Sequence[model.Backup] = ()
    """Rows that are vanished, and whose backup Cinder lists as whole."""
    selected_volumes: int | None = None
    """The count of a complete harvest; None leaves the last one."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """How many tasks of a kind may run at once, over all conductors.

    A task takes a seat when it is claimed and leaves it when Cinder is done
    with it, however the task itself ended. 0 lifts a limit.
    """

    running: int = 0
    per_project: int = 0


NO_THROTTLE = Throttle()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DueReport:
    """A project that is to be told of tasks that have ended."""

    project_id: str
    oldest_at: datetime.datetime
    """When the oldest of those was created."""
    due_at: datetime.datetime
    """Since when they could have been reported."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ReportRecord:
    """A report: one message, and a fixed set of ended tasks."""

    id: str
    audience: report.Audience
    project_id: str
    """Empty: it is of several projects."""
    receiver: str
    """Who got it, in words; empty until it was delivered."""
    created_at: datetime.datetime
    attempted_at: datetime.datetime | None
    """When it was last about to be sent."""
    attempts: int
    """Times that it may have been sent, as far as anybody knows."""
    delivered_at: datetime.datetime | None
    purged_at: datetime.datetime | None
    """When the last of its tasks was removed."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One holding of the office of scheduler."""

    number: int
    conductor_id: str
    began_at: datetime.datetime
