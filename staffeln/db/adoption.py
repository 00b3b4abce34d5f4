# SPDX-License-Identifier: Apache-2.0
"""Adopting the database of an earlier release (2.x).

Its rows are copied into the tables of 3.0, then its tables are renamed, so
that a conductor of the earlier release that still runs fails instead of
working by other rules. Every step can be repeated after a crash: what was
copied before is recognised by its id.

It is part of one migration: it writes to the tables as 3.0 made them, and
the words of states stand here as they were then.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from staffeln.db import clock, release_2x
from staffeln.db.schema_3_0 import BACKUPS, EVENTS, TASKS

ASIDE = "old_2x_"
"""What the names of the old tables begin with once they are put aside."""

INTERRUPTED = "interrupted by the upgrade"
HOLDER = "release-2.x"
"""Holds the running tasks until a conductor takes them over."""

_IDS = uuid.UUID("5b2e7843-5231-4c0f-8ee3-000000000001")
_AN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_AT_ONCE = 500
_PLANNED, _RUNNING, _COMPLETED, _FAILED, _STARTING = range(5)
_TO_BE_REMOVED, _DONE = range(2)
_ENDED = ("succeeded", "failed")

Tell = Callable[[str], None]


def adopt(connection: sa.Connection, present: list[str], tell: Tell) -> None:
    """Copy, then put the old tables aside.

    :param present: the old tables that are there.
    :param tell: gets a line for each thing worth knowing.
    """
    at = clock.now(connection)
    if "backup_data" in present:
        _adopt_backups(connection, at, tell)
    if "queue_data" in present:
        _adopt_queue(connection, at, tell)
    taken = set(sa.inspect(connection).get_table_names())
    for name in present:
        aside = free_name(ASIDE + name, taken)
        connection.execute(sa.text(f"ALTER TABLE {name} RENAME TO {aside}"))
        tell(f"old table {name} is kept as {aside}")


def free_name(name: str, taken: set[str]) -> str:
    """A name for a table; one of an adoption before may be kept already."""
    numbered = (f"{name}_{number}" for number in itertools.count(2))
    return next(
        each for each in itertools.chain([name], numbered) if each not in taken
    )


# -- backups -----------------------------------------------------------------


def _adopt_backups(
    connection: sa.Connection, at: datetime.datetime, tell: Tell
) -> None:
    known = set(connection.execute(sa.select(BACKUPS.c.id)).scalars())
    added = []
    for old in release_2x.old_rows(connection, "backup_data"):
        backup_id = _id(old.get("backup_id"))
        if backup_id is None:
            tell(f"backup_data row {old['id']} names no backup: left out")
        elif backup_id not in known:
            known.add(backup_id)
            added.append(_backup(old, backup_id, at))
            for line in _doubts(old, backup_id, at):
                tell(line)
    insert(connection, BACKUPS, added)
    tell(f"{len(added)} backup(s) adopted")


def _backup(
    old: Mapping[str, Any], backup_id: str, at: datetime.datetime
) -> dict[str, Any]:
    # What is not known to be of no use is kept: nobody brings it back.
    completed = old.get("backup_completed") != _TO_BE_REMOVED
    created_at = _past(old["created_at"], at)
    return {
        "id": backup_id,
        **_whose(old),
        "task_id": None,
        "attempt": 0,
        "state": "available" if completed else "unwanted",
        "incremental": _flag(old.get("incremental")),
        "created_at": created_at,
        "completed_at": created_at if completed else None,
        "size": 0,
        "reason": "" if completed else "to be removed by the release before",
        "updated_at": at,
    }


def _doubts(
    old: Mapping[str, Any], backup_id: str, at: datetime.datetime
) -> Iterator[str]:
    completed = old.get("backup_completed")
    if completed not in (_TO_BE_REMOVED, _DONE):
        yield (
            f"backup {backup_id}: whether it was completed is not known "
            f"({completed!r}): it is kept"
        )
    if _past(old["created_at"], at) is at:
        yield (
            f"backup {backup_id}: when it was made is not known: it counts "
            "as made now"
        )


# -- tasks -------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _End:
    """What becomes of a task of the queue."""

    state: str
    reason: str


def _adopt_queue(
    connection: sa.Connection, at: datetime.datetime, tell: Tell
) -> None:
    known = set(connection.execute(sa.select(TASKS.c.id)).scalars())
    slots = set(connection.execute(sa.select(TASKS.c.slot)).scalars())
    backups = _backup_states(connection)
    tasks: list[dict[str, Any]] = []
    made: list[dict[str, Any]] = []
    dropped = 0
    for old in release_2x.old_rows(connection, "queue_data"):
        if old.get("backup_status") == _PLANNED:
            dropped += 1
            continue
        task = _task(old, backups, at)
        if task["id"] in known:
            continue
        if task["slot"] in slots:
            # Two backups of one volume run: both are followed to their ends.
            task["slot"] = None
        slots.add(task["slot"])
        tasks.append(task)
        if _has_no_row(task, backups):
            backup = _backup_of(task, _whose(old), at)
            backups[backup["id"]] = backup["state"]
            made.append(backup)
        if INTERRUPTED in task["reason"]:
            tell(_told_of(task))
    insert(connection, TASKS, tasks)
    insert(connection, EVENTS, [_event(task) for task in tasks])
    insert(connection, BACKUPS, made)
    tell(
        f"{len(tasks)} task(s) adopted with {len(made)} backup(s) that had "
        f"no row yet; {dropped} planned task(s) dropped: the next cycle plans "
        "them again"
    )


def _told_of(task: Mapping[str, Any]) -> str:
    line = (
        f"volume {task['volume_id']}: task {task['id']} is failed: "
        f"{task['reason']}"
    )
    if task["backup_id"] is None:
        line += "; a backup of it that nobody noted may be in Cinder"
    return line


def _backup_states(connection: sa.Connection) -> dict[str, str]:
    found = connection.execute(sa.select(BACKUPS.c.id, BACKUPS.c.state))
    return {row.id: row.state for row in found}


def _task(
    old: Mapping[str, Any],
    backups: Mapping[str, str],
    at: datetime.datetime,
) -> dict[str, Any]:
    backup_id = _id(old.get("backup_id"))
    end = _end(old, backup_id, backups)
    ended = end.state in _ENDED
    created_at = _past(old["created_at"], at)
    updated_at = _past(old["updated_at"] or created_at, at)
    whose = _whose(old)
    return {
        "id": _task_id(old),
        "kind": "backup",
        "state": end.state,
        "slot": None if ended else f"backup:{whose['volume_id']}",
        **whose,
        "volume_size": 0,
        "volume_status": "",
        "mode": {None: None, True: "incremental", False: "full"}[
            _flag(old.get("incremental"))
        ],
        "backup_id": backup_id,
        "rank": 0,
        "reason": end.reason,
        "attempt": 1,
        # The timeout of what runs counts from the upgrade.
        "attempted_at": created_at if ended else at,
        "unsettled": False,
        "created_at": created_at,
        "updated_at": updated_at if ended else at,
        "claimed_by": None if ended else HOLDER,
        "finished_at": updated_at if ended else None,
    }


def _task_id(old: Mapping[str, Any]) -> str:
    """The same after a crash; another one for a row of another queue."""
    seen = (old["id"], old.get("backup_id"), old.get("created_at"))
    return str(uuid.uuid5(_IDS, " ".join(map(str, seen))))


def _end(
    old: Mapping[str, Any],
    backup_id: str | None,
    backups: Mapping[str, str],
) -> _End:
    status = old.get("backup_status")
    if status == _COMPLETED:
        return _End("succeeded", "completed by the release before")
    if status == _FAILED:
        words = old.get("reason") or "failed in the release before"
        return _End("failed", str(words))
    if status == _STARTING or backup_id is None:
        return _End("failed", INTERRUPTED)
    if backup_id not in backups:
        words = "adopted from the release before"
        if status != _RUNNING:
            # Cinder knows what became of it.
            words += f", where its status was {status}"
        return _End("running", words)
    known = backups[backup_id]
    if known == "available":
        return _End("succeeded", "completed by the release before")
    if known == "creating":
        return _End("failed", f"{INTERRUPTED}; another task follows it")
    return _End("failed", f"{INTERRUPTED}; its backup is removed")


def _has_no_row(task: Mapping[str, Any], backups: Mapping[str, str]) -> bool:
    """Whether a task made a backup that the release before kept no row for.

    A task that succeeded had one: retention has removed it since.
    """
    return (
        task["state"] != "succeeded"
        and task["backup_id"] is not None
        and task["backup_id"] not in backups
    )


def _backup_of(
    task: Mapping[str, Any], whose: Mapping[str, str], at: datetime.datetime
) -> dict[str, Any]:
    running = task["state"] == "running"
    return {
        "id": task["backup_id"],
        **whose,
        "task_id": task["id"],
        "attempt": task["attempt"],
        "state": "creating" if running else "unwanted",
        "incremental": None
        if task["mode"] is None
        else task["mode"] == "incremental",
        "created_at": task["created_at"],
        "completed_at": None,
        "size": 0,
        "reason": "" if running else task["reason"],
        "updated_at": at,
    }


def _event(task: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "task_id": task["id"],
        "at": task["updated_at"],
        "from_state": None,
        "to_state": task["state"],
        "reason": task["reason"],
        "conductor_id": HOLDER,
        "attempt": task["attempt"],
    }


# -- rows and values ---------------------------------------------------------


def insert(
    connection: sa.Connection,
    table: sa.Table[Any],
    added: list[dict[str, Any]],
) -> None:
    """Insert rows, so many at a time that no statement is too long."""
    for start in range(0, len(added), _AT_ONCE):
        connection.execute(sa.insert(table), added[start : start + _AT_ONCE])


def _whose(old: Mapping[str, Any]) -> dict[str, str]:
    """Project, volume and server of a row of either old table."""
    return {
        "project_id": _id(old.get("project_id")) or "",
        "volume_id": _id(old.get("volume_id")) or "",
        "volume_name": old.get("volume_name") or "",
        "server_id": _id(old.get("instance_id")) or "",
        "server_name": old.get("instance_name") or "",
    }


def _id(text: Any) -> str | None:
    """An id; the earlier release wrote the text NULL where there is none.

    What can be no id of the cloud's, by length or letters, is none: it
    would be part of the addresses that are called.
    """
    stripped = str(text or "").strip()
    if stripped in ("NULL", "None") or not _AN_ID.fullmatch(stripped):
        return None
    return stripped


def _flag(value: Any) -> bool | None:
    return None if value is None else bool(value)


def _past(
    value: datetime.datetime | None, at: datetime.datetime
) -> datetime.datetime:
    """That time, unless it is none or yet to come: then this one."""
    return at if value is None or value > at else value
