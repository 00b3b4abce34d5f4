# SPDX-License-Identifier: Apache-2.0
"""Rows of the tables as the domain's plain data, and back."""

from __future__ import annotations

import dataclasses
import enum
import functools
import operator
from typing import Any, cast

import sqlalchemy as sa

from staffeln import ports
from staffeln.db import models
from staffeln.domain import model, task


def _table(of: type[models.Base]) -> sa.Table[Any]:
    return cast("sa.Table[Any]", of.__table__)


TASKS = _table(models.Task)
EVENTS = _table(models.TaskEvent)
BACKUPS = _table(models.Backup)
VOLUMES = _table(models.Volume)
CONDUCTORS = _table(models.Conductor)
DEPLOYMENT = _table(models.Deployment)
TERM = _table(models.SchedulerTerm)
TERMS = _table(models.PastTerm)
BRAKES = _table(models.Brake)
BREAKER = _table(models.Breaker)
REPORTS = _table(models.Report)
FRESHNESS = _table(models.Freshness)

_TASK_FIELDS = tuple(each.name for each in dataclasses.fields(task.Task))
_BACKUP_FIELDS = tuple(each.name for each in dataclasses.fields(model.Backup))
_VOLUME_FIELDS = tuple(
    each.name for each in dataclasses.fields(model.VolumeRecord)
)
TASK_COLUMNS = [TASKS.c[name] for name in _TASK_FIELDS]
BACKUP_COLUMNS = [BACKUPS.c[name] for name in _BACKUP_FIELDS]
VOLUME_COLUMNS = [VOLUMES.c[name] for name in _VOLUME_FIELDS]

_LONGEST = {
    "reason": 4000,
    "volume_name": 255,
    "volume_status": 32,
    "server_name": 255,
    "retention": 255,
    "dropped_why": 255,
    "receiver": 4000,
}
"""Characters that are kept of texts that others write."""


_STATES = {each.value: each for each in model.BackupState}
"""Quicker than to call the class."""


def task_of(row: sa.Row[Any]) -> task.Task:
    """A task from a row of TASK_COLUMNS."""
    return task_from(dict(row._mapping))


def task_from(values: dict[str, Any]) -> task.Task:
    """A task from its columns."""
    values["kind"] = task.Kind(values["kind"])
    values["state"] = task.State(values["state"])
    if values["mode"] is not None:
        values["mode"] = task.Mode(values["mode"])
    if values["cause"] is not None:
        values["cause"] = task.Cause(values["cause"])
    return task.Task(**values)


def task_values(work: task.Task) -> dict[str, Any]:
    """All columns of a task; it holds its slot while it lives."""
    values = _fields(work)
    values["slot"] = work.slot if work.state in task.LIVE else None
    return values


def task_difference(before: task.Task, after: task.Task) -> dict[str, Any]:
    """The columns in which a task differs, but for its slot."""
    return {
        name: plain(name, value)
        for name in _TASK_FIELDS
        if (value := getattr(after, name)) != getattr(before, name)
    }


def event_values(
    before: task.State | None,
    work: task.Task,
    conductor_id: str,
    term: int | None,
) -> dict[str, Any]:
    """The event of a task that was moved, or made.

    :param term: the scheduler's, of what a scheduler writes.
    """
    return {
        "task_id": work.id,
        "at": work.updated_at,
        "from_state": before.value if before else None,
        "to_state": work.state.value,
        "reason": storable("reason", work.reason),
        "conductor_id": conductor_id,
        "attempt": work.attempt,
        "term": term,
    }


def event_of(row: sa.Row[Any]) -> task.Event:
    """An event from a row of the whole table."""
    return task.Event(
        task_id=row.task_id,
        at=row.at,
        from_state=task.State(row.from_state) if row.from_state else None,
        to_state=task.State(row.to_state),
        reason=row.reason,
        conductor_id=row.conductor_id,
        attempt=row.attempt,
        term=row.term,
    )


def identity_of(row: sa.Row[Any]) -> model.CloudIdentity | None:
    """The cloud that a row of the deployment is bound to; None: to none."""
    if row.auth_url is None:
        return None
    return model.CloudIdentity(
        auth_url=row.auth_url,
        region=row.region,
        block_storage_url=row.block_storage_url,
        user_id=row.user_id,
    )


def backup_of(row: sa.Row[Any]) -> model.Backup:
    """A backup from a row of BACKUP_COLUMNS."""
    values = dict(zip(_BACKUP_FIELDS, row, strict=True))
    values["state"] = _STATES[values["state"]]
    return model.Backup(**values)


def backup_values(backup: model.Backup) -> dict[str, Any]:
    """All columns of a backup."""
    return _fields(backup)


GOVERNANCE_COLUMNS = [
    BACKUPS.c[each.name] for each in dataclasses.fields(model.Governance)
]


def governance_of(row: sa.Row[Any]) -> model.Governance:
    """What governs backups, from a row of GOVERNANCE_COLUMNS."""
    return model.Governance(**row._mapping)


def breaker_of(row: sa.Row[Any]) -> model.Breaker:
    """A breaker from a row of the whole table."""
    values = dict(row._mapping)
    del values["id"]
    return model.Breaker(**values)


def record_of(row: sa.Row[Any]) -> model.VolumeRecord:
    """A volume's record from a row of VOLUME_COLUMNS."""
    return model.VolumeRecord(**row._mapping)


def record_values(record: model.VolumeRecord) -> dict[str, Any]:
    """All columns of a volume's record."""
    return _fields(record)


def conductor_of(row: sa.Row[Any]) -> ports.Conductor:
    """A conductor from a row of the whole table."""
    return ports.Conductor(**row._mapping)


def storable(name: str, text: str) -> str:
    """A text that others write, as every database takes it.

    No NUL, which PostgreSQL refuses, no halves of characters, which no
    driver can send, and no longer than the column.
    """
    if not text.isascii() or "\0" in text:
        whole = text.replace("\0", "").encode("utf-8", "replace")
        text = whole.decode("utf-8")
    return text[: _LONGEST[name]]


def _fields(thing: Any) -> dict[str, Any]:
    """A flat dataclass as column values."""
    kind: Any = type(thing)
    names, read = _names(kind)
    values = dict(zip(names, read(thing), strict=True))
    for name in names:
        value = values[name]
        if name in _LONGEST or isinstance(value, enum.Enum):
            values[name] = plain(name, value)
    return values


@functools.cache
def _names(of: Any) -> tuple[tuple[str, ...], operator.attrgetter[Any]]:
    """The fields of a dataclass, and what reads them all at once."""
    names = tuple(each.name for each in dataclasses.fields(of))
    return names, operator.attrgetter(*names)


def plain(name: str, value: Any) -> Any:
    """A field's value as its column has it."""
    if isinstance(value, enum.Enum):
        return value.value
    if value is not None and name in _LONGEST:
        return storable(name, value)
    return value
