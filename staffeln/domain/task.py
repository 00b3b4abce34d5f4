# SPDX-License-Identifier: Apache-2.0
"""A task and its life: the whole state machine in one table.

A task is one unit of work in SQL: back up this volume, or delete this
backup. Each try of its call is an *attempt*, numbered and saved before the
call is sent.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum

from staffeln.domain import errors


class Kind(enum.StrEnum):
    """What a task does."""

    BACKUP = "backup"
    DELETE = "delete"


class Mode(enum.StrEnum):
    """How a volume is backed up."""

    FULL = "full"
    INCREMENTAL = "incremental"


class Cause(enum.StrEnum):
    """Why a backup is to be deleted."""

    UNWANTED = "unwanted"
    """It holds nothing that anybody could want, or nobody knows of it."""
    EXPIRED = "expired"
    """It was kept for as long as was asked."""


class State(enum.StrEnum):
    """Where a task stands."""

    PLANNED = "planned"
    CLAIMED = "claimed"
    STARTING = "starting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


PROSE: dict[State, str] = {
    State.PLANNED: (
        "Written by the scheduler, or handed back. Any conductor moves it "
        "on by claiming it, once its not-before time has come and what it "
        "waits for is gone. Nobody needs to live for it to stay."
    ),
    State.CLAIMED: (
        "One conductor has it and has sent nothing yet. That conductor "
        "moves it on; when it dies any other one plans it again."
    ),
    State.STARTING: (
        "An attempt is saved and its call is sent, or about to be. The "
        "claiming conductor records the answer; when it dies, or when no "
        "clear answer came, the attempt is looked up in Cinder before "
        "anything else is sent."
    ),
    State.RUNNING: (
        "Cinder accepted the call and works. The conductor that holds the "
        "task polls; when it dies another one takes the polling over."
    ),
    State.SUCCEEDED: "Done. Kept until it was reported.",
    State.FAILED: "Ended with a reason. Kept until it was reported.",
    State.CANCELLED: (
        "Not needed any more before it began: the volume is no candidate, "
        "the project's quota was found full, or a backup that was to go is "
        "to be kept after all. Kept until reported."
    ),
}
"""Each state: who moves a task out of it, and who does if that one dies."""

TRANSITIONS: dict[State, frozenset[State]] = {
    State.PLANNED: frozenset({State.CLAIMED, State.CANCELLED}),
    State.CLAIMED: frozenset({State.STARTING, State.PLANNED}),
    State.STARTING: frozenset(
        {State.RUNNING, State.PLANNED, State.SUCCEEDED, State.FAILED}
    ),
    State.RUNNING: frozenset({State.SUCCEEDED, State.FAILED, State.PLANNED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}
"""The whole life of a task: from each state, where it may go.

``starting -> planned``: the attempt is known to have made nothing (a busy
volume, a refused delete, an attempt that was looked up and not found).
``running -> planned``: the next attempt, full instead of incremental; or a
delete that did not end. ``starting -> succeeded``: what was to be deleted
is gone already.
"""

LIVE = frozenset({State.PLANNED, State.CLAIMED, State.STARTING, State.RUNNING})
"""States in which a task holds its slot: no second one for its target."""

HELD = LIVE - {State.PLANNED}
"""States in which a conductor has it."""

ENDED = frozenset(State) - LIVE
"""States that no task leaves."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One row of work. Times are UTC without a zone."""

    id: str
    kind: Kind
    state: State
    project_id: str
    volume_id: str
    volume_name: str = ""
    volume_size: int = 0
    """Size of the volume in GiB when the task was planned."""
    volume_status: str = ""
    """Cinder's word for the volume when it was last looked at."""
    server_id: str = ""
    server_name: str = ""
    retention: str | None = None
    """The server's own retention value when the task was planned."""
    mode: Mode | None = None
    """Backups: what the next attempt asks for. Deletes: None."""
    backup_id: str | None = None
    """The backup in Cinder: made by this task, or to be deleted."""
    cause: Cause | None = None
    """Of a delete: why."""
    waits_for: str | None = None
    """Of a delete: a backup that depends on it and has to be gone first."""
    rank: int = 0
    """Place in the queue, see :mod:`staffeln.domain.queue`; lower first."""
    reason: str = ""
    """Why it stands where it stands, in words."""
    attempt: int = 0
    """Number of the last attempt; 0 when none was made."""
    attempted_at: datetime.datetime | None = None
    """When the last attempt was saved, just before its call."""
    unsettled: bool = False
    """An attempt may have made something in Cinder that is not recorded."""
    created_at: datetime.datetime
    updated_at: datetime.datetime
    not_before: datetime.datetime | None = None
    """A planned task is not claimed before this time."""
    claimed_by: str | None = None
    """The conductor that holds it."""
    finished_at: datetime.datetime | None = None

    @property
    def slot(self) -> str:
        """The name of what only one live task may hold at a time."""
        if self.kind is Kind.DELETE:
            return delete_slot(self.backup_id or "")
        return backup_slot(self.volume_id)


def may_build(task: Task) -> bool:
    """Whether a backup is to be made that may depend on one before it."""
    return task.kind is Kind.BACKUP and task.mode is not Mode.FULL


def backup_slot(volume_id: str) -> str:
    """What the one live backup task of a volume holds."""
    return f"backup:{volume_id}"


def delete_slot(backup_id: str) -> str:
    """What the one live delete task of a backup holds."""
    return f"delete:{backup_id}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change of a task's state: the line of its story."""

    task_id: str
    at: datetime.datetime
    from_state: State | None
    to_state: State
    reason: str
    conductor_id: str | None = None
    attempt: int = 0
    term: int | None = None
    """The term of the scheduler that wrote it; None: no scheduler did."""


def advance(
    task: Task,
    to_state: State,
    now: datetime.datetime,
    reason: str,
    **changes: object,
) -> Task:
    """Return the task moved to ``to_state``; the only way to move one.

    :param reason: why, in words; kept on the task and in its event.
    :param changes: other fields that change with it.
    :raises IllegalTransitionError: the table does not know the move.
    """
    if to_state not in TRANSITIONS[task.state]:
        raise errors.IllegalTransitionError(
            f"task {task.id} cannot go from {task.state} to {to_state}"
        )
    moved: dict[str, object] = {
        "state": to_state,
        "updated_at": now,
        "reason": reason,
    }
    if to_state is State.PLANNED:
        moved["claimed_by"] = None
    if to_state in ENDED:
        moved["finished_at"] = now
    return dataclasses.replace(task, **{**moved, **changes})  # type: ignore[arg-type]


def hand_over(
    task: Task, conductor_id: str, now: datetime.datetime, reason: str
) -> Task:
    """Return the task with another holder; its state stays."""
    return dataclasses.replace(
        task, claimed_by=conductor_id, updated_at=now, reason=reason
    )
