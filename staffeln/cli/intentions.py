# SPDX-License-Identifier: Apache-2.0
"""What the next cycle would do, thing by thing, and what it comes to."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections import Counter
from collections.abc import Mapping, Sequence

from staffeln import ports
from staffeln.cli import layout, words
from staffeln.cli.fields import Field, attribute
from staffeln.domain import model, plan, task
from staffeln.workflow import planning

MOST_PROBLEMS = 20
"""Problems of a harvest that are printed."""


class Action(enum.StrEnum):
    """What would be done."""

    BACKUP = "backup"
    FAIL = "fail"
    POSTPONE = "postpone"
    SKIP = "skip"
    CANCEL = "cancel"
    DELETE = "delete"
    KEEP = "keep"


_ACTIONS = {
    plan.What.BACK_UP: Action.BACKUP,
    plan.What.FAIL: Action.FAIL,
    plan.What.POSTPONE: Action.POSTPONE,
    plan.What.SKIP: Action.SKIP,
}
_ORDER = list(Action)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Intention:
    """One line of the dry run."""

    action: Action
    mode: str | None = None
    """Of a backup to make, or to delete."""
    volume_id: str
    volume_name: str
    project_id: str
    server_id: str
    server_name: str
    size: int
    """GiB, of the volume or of the backup to delete."""
    task_id: str | None = None
    """The task to cancel."""
    backup_id: str | None = None
    """The backup to delete, or to keep though it has expired."""
    expires_at: datetime.datetime | None = None
    """When that backup's time is over; None: nobody knows, or it is
    unwanted."""
    reason: str


def of(drawn: planning.Drawn, store: ports.Store) -> list[Intention]:
    """What a drawn plan means, backups first, in their order of work.

    Reads what planned tasks there are.
    """
    decided = [_decided(each) for each in drawn.plan.decisions]
    decided.sort(key=lambda each: _ORDER.index(each.action))
    return [*decided, *_cancelled(drawn, store)]


def _decided(decision: plan.VolumeDecision) -> Intention:
    volume = decision.candidate.volume
    return Intention(
        action=_ACTIONS[decision.what],
        mode=decision.mode,
        volume_id=volume.id,
        volume_name=volume.name,
        project_id=volume.project_id,
        server_id=decision.candidate.server_id,
        server_name=decision.candidate.server_name,
        size=volume.size,
        reason=decision.why,
    )


def _cancelled(drawn: planning.Drawn, store: ports.Store) -> list[Intention]:
    if not drawn.plan.cancelled:
        return []
    cancelled = frozenset(drawn.plan.cancelled)
    planned = store.tasks(kind=task.Kind.BACKUP, states=[task.State.PLANNED])
    return [
        Intention(
            action=Action.CANCEL,
            mode=each.mode,
            volume_id=each.volume_id,
            volume_name=each.volume_name,
            project_id=each.project_id,
            server_id=each.server_id,
            server_name=each.server_name,
            size=each.volume_size,
            task_id=each.id,
            reason=planning.CANCEL_REASON,
        )
        for each in planned
        if each.id in cancelled
    ]


def removals(drawn: planning.Drawn, store: ports.Store) -> list[Intention]:
    """Unwanted backups that nobody is removing yet."""
    return [
        Intention(
            action=Action.DELETE,
            mode=MODES[backup.incremental],
            volume_id=backup.volume_id,
            volume_name=backup.volume_name,
            project_id=backup.project_id,
            server_id=backup.server_id,
            server_name=backup.server_name,
            size=backup.size,
            backup_id=backup.id,
            reason=planning.unwanted(backup, drawn.now).reason,
        )
        for backup in store.unwanted_backups()
    ]


MODES: Mapping[bool | None, str | None] = {
    True: task.Mode.INCREMENTAL,
    False: task.Mode.FULL,
    None: None,
}
"""What Cinder shows of a backup, in words; None: nobody knows."""


ALL: tuple[Field[Intention], ...] = tuple(
    attribute(each.name) for each in dataclasses.fields(Intention)
)


def _action(each: Intention) -> str:
    return f"{each.action}\n{each.mode}" if each.mode else f"{each.action}"


def _volume(each: Intention) -> str:
    """Its name, no wider than an id, and below it the id."""
    name = words.cut(words.plain(each.volume_name), len(each.volume_id))
    return "\n".join(filter(None, (name, words.plain(each.volume_id))))


def _reason(each: Intention) -> str:
    """The reason, with the id of the backup or task that is meant."""
    reason = words.plain(each.reason)
    for what, its_id in (("backup", each.backup_id), ("task", each.task_id)):
        if its_id and its_id not in reason:
            reason = f"{what} {its_id}: {reason}"
    return reason


def _whose(each: Intention) -> str:
    """The server's name and below it the project."""
    return (
        f"{words.plain(each.server_name) or words.NOTHING}\n"
        f"{words.plain(each.project_id)}"
    )


_WIDE = layout.Fitting(from_width=110)

BRIEF: tuple[Field[Intention], ...] = (
    Field(name="action", value=lambda each: each.action, text=_action),
    Field(name="volume", value=lambda each: each.volume_name, text=_volume),
    Field(
        name="server",
        value=lambda each: each.server_name,
        text=_whose,
        fitting=layout.Fitting(least=15, from_width=110),
    ),
    Field(
        name="size",
        value=lambda each: each.size,
        text=lambda each: f"{each.size} GiB",
        fitting=_WIDE,
    ),
    Field(
        name="reason",
        value=lambda each: each.reason,
        text=_reason,
        fitting=layout.Fitting(least=20, wraps=True),
    ),
)
"""What people see: two lines for a volume, so that ids stay whole."""


def summary(intentions: Sequence[Intention]) -> str:
    """What it comes to, in one line."""
    counts = Counter(each.action for each in intentions)
    backups = [each for each in intentions if each.action is Action.BACKUP]
    modes = Counter(each.mode for each in backups)
    return (
        f"{len(backups)} to back up ({modes[task.Mode.FULL]} full, "
        f"{modes[task.Mode.INCREMENTAL]} incremental; volumes of "
        f"{sum(each.size for each in backups)} GiB), "
        f"{counts[Action.FAIL]} to fail at once, "
        f"{counts[Action.POSTPONE]} postponed, "
        f"{counts[Action.SKIP]} not due, "
        f"{counts[Action.CANCEL]} to cancel, "
        f"{counts[Action.DELETE]} to delete"
    )


def harvest(inventory: model.Inventory) -> list[str]:
    """How much of the cloud was read, and what was not, a line each."""
    shown = inventory.problems[:MOST_PROBLEMS]
    more = len(inventory.problems) - len(shown)
    return [
        f"Harvest {'complete' if inventory.complete else 'INCOMPLETE'}: "
        f"{inventory.servers_selected} of {inventory.servers_seen} servers "
        f"selected, {len(inventory.candidates)} volumes to protect, "
        f"{inventory.opted_out} opted out",
        *(f"  {each}" for each in shown),
        *([f"  and {more} more"] if more else []),
    ]
