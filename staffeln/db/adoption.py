# SPDX-License-Identifier: Apache-2.0
"""Adopting the database of an earlier release (2.x).

Its rows are copied into the tables of 3.0, then its tables are renamed, so
that a conductor of the earlier release that still runs fails instead of
working by other rules. Every step can be repeated after a crash: what was
copied before is recognised by its id.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa

from staffeln.db import clock, rows
from staffeln.domain import errors, model, task

OLD = ("backup_data", "queue_data", "report_timestamp")
ASIDE = "old_2x_"
"""What the names of the old tables begin with once they are put aside."""

QUIET_TIME = datetime.timedelta(minutes=10)
"""Old rows that changed later than that tell of a conductor that runs."""

INTERRUPTED = "interrupted by the upgrade"
HOLDER = "release-2.x"
"""Holds the running tasks until a conductor takes them over."""

_IDS = uuid.UUID("5b2e7843-5231-4c0f-8ee3-000000000001")
_LONGEST_ID = 64
_PLANNED, _RUNNING, _COMPLETED, _FAILED = range(4)

Tell = Callable[[str], None]


def old_tables(connection: sa.Connection) -> list[str]:
    """Which tables of the earlier release are there, not put aside."""
    names = set(sa.inspect(connection).get_table_names())
    return [name for name in OLD if name in names]


def adopt(connection: sa.Connection, present: list[str], tell: Tell) -> None:
    """Copy, then put the old tables aside.

    :param present: the old tables that are there.
    """
    at = clock.now(connection)
    if "backup_data" in present:
        _adopt_backups(connection, at, tell)
    if "queue_data" in present:
        _adopt_queue(connection, at, tell)
    for name in present:
        connection.execute(
            sa.text(f"ALTER TABLE {name} RENAME TO {ASIDE}{name}")
        )
        tell(f"old table {name} is kept as {ASIDE}{name}")


def refuse_while_in_use(connection: sa.Connection, present: list[str]) -> None:
    """:raises SchemaError: a conductor of that release seems to run."""
    now = clock.now(connection)
    for name in present:
        table = _reflected(connection, name)
        newest = connection.execute(
            sa.select(
                sa.func.max(table.c.updated_at),
                sa.func.max(table.c.created_at),
            )
        ).one()
        if any(
            _time(each, now - QUIET_TIME) > now - QUIET_TIME for each in newest
        ):
            raise errors.SchemaError(
                f"rows of {name} changed within the last "
                f"{int(QUIET_TIME.total_seconds() // 60)} minutes: stop all "
                "conductors of the earlier release and wait, or use --force"
            )


def _reflected(connection: sa.Connection, name: str) -> sa.Table:
    return sa.Table(name, sa.MetaData(), autoload_with=connection)


def _old_rows(
    connection: sa.Connection, name: str
) -> Iterator[dict[str, Any]]:
    """Rows oldest first; columns that the release had not yet are None."""
    table = _reflected(connection, name)
    for row in connection.execute(sa.select(table).order_by(table.c.id)).all():
        yield dict(row._mapping)


def _adopt_backups(
    connection: sa.Connection, at: datetime.datetime, tell: Tell
) -> None:
    known = _ids(connection, rows.BACKUPS)
    added = []
    for old in _old_rows(connection, "backup_data"):
        backup_id = _id(old.get("backup_id"))
        if backup_id is None:
            tell(f"backup_data row {old['id']} names no backup: left out")
        elif backup_id not in known:
            known.add(backup_id)
            added.append(_backup_values(old, backup_id, at))
    if added:
        connection.execute(sa.insert(rows.BACKUPS), added)
    tell(f"{len(added)} backup(s) adopted")


def _backup_values(
    old: dict[str, Any], backup_id: str, at: datetime.datetime
) -> dict[str, Any]:
    completed = old.get("backup_completed") == 1
    created_at = _time(old.get("created_at"), at)
    state = model.BackupState.UNWANTED
    if completed:
        state = model.BackupState.AVAILABLE
    return rows.backup_values(
        model.Backup(
            id=backup_id,
            project_id=_owner(old.get("project_id")),
            volume_id=_owner(old.get("volume_id")),
            server_id=_owner(old.get("instance_id")),
            state=state,
            incremental=_flag(old.get("incremental")),
            created_at=created_at,
            completed_at=created_at if completed else None,
            reason="" if completed else "to be removed by the release before",
            updated_at=at,
        )
    )


def _adopt_queue(
    connection: sa.Connection, at: datetime.datetime, tell: Tell
) -> None:
    known_tasks = _ids(connection, rows.TASKS)
    states = {
        row.id: row.state
        for row in connection.execute(
            sa.select(rows.BACKUPS.c.id, rows.BACKUPS.c.state)
        )
    }
    busy = set(connection.execute(sa.select(rows.TASKS.c.slot)).scalars())
    adopted = dropped = 0
    for old in _old_rows(connection, "queue_data"):
        if old.get("backup_status") == _PLANNED:
            dropped += 1
            continue
        work = _task_of(old, states, at)
        if work.id in known_tasks:
            continue
        _insert_task(connection, work, busy)
        backup = _backup_without_row(work, states, at)
        if backup is not None:
            states[backup.id] = backup.state.value
            connection.execute(
                sa.insert(rows.BACKUPS), rows.backup_values(backup)
            )
        adopted += 1
        if INTERRUPTED in work.reason:
            tell(
                f"volume {work.volume_id}: task {work.id} is failed: "
                f"{work.reason}"
            )
    tell(
        f"{adopted} task(s) adopted, {dropped} planned one(s) dropped: "
        "the next cycle plans them again"
    )


def _task_of(
    old: dict[str, Any], states: dict[str, str], at: datetime.datetime
) -> task.Task:
    backup_id = _id(old.get("backup_id"))
    state, reason = _state_of(old, backup_id, states)
    created_at = _time(old.get("created_at"), at)
    updated_at = _time(old.get("updated_at"), created_at)
    ended = state in task.ENDED
    incremental = _flag(old.get("incremental"))
    mode = task.Mode.INCREMENTAL if incremental else task.Mode.FULL
    return task.Task(
        id=str(uuid.uuid5(_IDS, f"queue_data {old['id']}")),
        kind=task.Kind.BACKUP,
        state=state,
        project_id=_owner(old.get("project_id")),
        volume_id=_owner(old.get("volume_id")),
        volume_name=old.get("volume_name") or "",
        server_id=_owner(old.get("instance_id")),
        server_name=old.get("instance_name") or "",
        mode=None if incremental is None else mode,
        backup_id=backup_id,
        reason=reason,
        attempt=1,
        # The timeout of what runs counts from the upgrade.
        attempted_at=created_at if ended else at,
        created_at=created_at,
        updated_at=updated_at if ended else at,
        claimed_by=None if ended else HOLDER,
        finished_at=updated_at if ended else None,
    )


def _state_of(
    old: dict[str, Any], backup_id: str | None, states: dict[str, str]
) -> tuple[task.State, str]:
    status = old.get("backup_status")
    if status == _COMPLETED:
        return task.State.SUCCEEDED, "completed by the release before"
    if status == _FAILED:
        words = old.get("reason") or "failed in the release before"
        return task.State.FAILED, str(words)
    if status != _RUNNING or backup_id is None:
        return task.State.FAILED, INTERRUPTED
    known = states.get(backup_id)
    if known is None:
        return task.State.RUNNING, "adopted from the release before"
    if known == model.BackupState.AVAILABLE.value:
        return task.State.SUCCEEDED, "completed by the release before"
    if known == model.BackupState.CREATING.value:
        return task.State.FAILED, f"{INTERRUPTED}; another task follows it"
    return task.State.FAILED, f"{INTERRUPTED}; its backup is removed"


def _insert_task(
    connection: sa.Connection, work: task.Task, busy: set[str]
) -> None:
    values = rows.task_values(work)
    if values["slot"] in busy:
        # Two backups of one volume run: both are followed to their ends.
        values["slot"] = None
    elif values["slot"]:
        busy.add(values["slot"])
    connection.execute(sa.insert(rows.TASKS), values)
    connection.execute(
        sa.insert(rows.EVENTS), rows.event_values(None, work, HOLDER)
    )


def _backup_without_row(
    work: task.Task, states: dict[str, str], at: datetime.datetime
) -> model.Backup | None:
    """The backup of a task that the earlier release kept no row for yet.

    What a task that has succeeded made had its row, and retention has
    removed both since.
    """
    if work.backup_id is None or work.backup_id in states:
        return None
    if work.state is task.State.SUCCEEDED:
        return None
    running = work.state is task.State.RUNNING
    return model.Backup(
        id=work.backup_id,
        project_id=work.project_id,
        volume_id=work.volume_id,
        volume_name=work.volume_name,
        server_id=work.server_id,
        server_name=work.server_name,
        task_id=work.id,
        attempt=work.attempt,
        state=model.BackupState.CREATING
        if running
        else model.BackupState.UNWANTED,
        incremental=None
        if work.mode is None
        else work.mode is task.Mode.INCREMENTAL,
        created_at=work.created_at,
        reason="" if running else work.reason,
        updated_at=at,
    )


def _ids(connection: sa.Connection, table: Any) -> set[str]:
    return set(connection.execute(sa.select(table.c.id)).scalars())


def _id(text: Any) -> str | None:
    """An id; the earlier release wrote the text NULL where there is none.

    What can be no id of Cinder's, by its length or its letters, is none.
    """
    stripped = str(text or "").strip()
    if stripped in ("", "NULL", "None") or not stripped.isascii():
        return None
    return stripped if len(stripped) <= _LONGEST_ID else None


def _owner(text: Any) -> str:
    """The id of a project, volume or server; empty where there is none."""
    return _id(text) or ""


def _flag(value: Any) -> bool | None:
    return None if value is None else bool(value)


def _time(value: Any, otherwise: datetime.datetime) -> datetime.datetime:
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value)
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None)
    return otherwise
