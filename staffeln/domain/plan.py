# SPDX-License-Identifier: Apache-2.0
"""What the scheduler would have done now, with reasons.

``decide`` is the decision for one candidate volume, by its past alone;
``make`` puts those of all candidates in their order of work, and tells which
planned tasks nobody needs any more. So the pasts of all volumes need not be
there at once.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
from collections.abc import Iterable, Mapping

from staffeln.domain import chain, model, queue, schedule, task

READY = frozenset({"available", "in-use"})
"""Volume statuses that Cinder accepts a backup in."""

PASSING = frozenset(
    {
        "backing-up",
        "attaching",
        "detaching",
        "reserved",
        "extending",
        "retyping",
        "restoring-backup",
        "maintenance",
    }
)
"""Volume statuses that pass by themselves: looked at again next cycle."""

_EMPTY_QUEUE = queue.Queue()


class What(enum.StrEnum):
    """What was decided for a volume."""

    BACK_UP = "back up"
    FAIL = "fail"
    POSTPONE = "postpone"
    SKIP = "skip"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VolumeDecision:
    """The decision for one candidate."""

    candidate: model.Candidate
    what: What
    why: str
    mode: task.Mode | None = None
    """Of the backup to make; None for all other decisions."""
    rank: int = 0
    """Place in the queue of backups; lower first."""
    last_success_at: datetime.datetime | None = None
    """When the last whole backup of the volume was made; None: there is
    none."""
    postponed_since: datetime.datetime | None = None
    """Since when a postponed volume is due."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All decisions of one cycle."""

    decisions: tuple[VolumeDecision, ...]
    """Backups first, in their order of work."""
    cancelled: tuple[str, ...]
    """Ids of planned tasks whose volume is no candidate any more."""

    def of(self, what: What) -> list[VolumeDecision]:
        """The decisions of one sort, in order."""
        return [each for each in self.decisions if each.what is what]


def make(
    decisions: Iterable[VolumeDecision],
    inventory: model.Inventory,
    planned: Mapping[str, str],
    waiting: queue.Queue = _EMPTY_QUEUE,
) -> Plan:
    """Make a plan of the decisions for all candidates of an inventory.

    :param planned: ids of planned backup tasks by volume id.
    :param waiting: how far the queue of planned tasks reaches.
    """
    backups: list[VolumeDecision] = []
    rest: list[VolumeDecision] = []
    for each in decisions:
        (backups if each.what is What.BACK_UP else rest).append(each)
    return Plan(
        decisions=(*in_order_of_work(backups, waiting), *rest),
        cancelled=_cancelled(inventory, planned),
    )


def decide(
    candidate: model.Candidate,
    history: model.History,
    policy: model.Policy,
    now: datetime.datetime,
    *,
    service_up: bool = True,
) -> VolumeDecision:
    """Decide for one volume.

    Due or not comes first; the state of the volume and of its server is
    asked last, and only for a due volume.
    """
    decided = functools.partial(
        VolumeDecision,
        candidate=candidate,
        last_success_at=history.last_success_at,
    )
    due = schedule.decide(history, policy, now)
    if isinstance(due, schedule.NotDue):
        return decided(what=What.SKIP, why=due.why)
    obstacle = _passing_obstacle(candidate, service_up)
    if obstacle:
        since = history.record.postponed_since if history.record else None
        return decided(
            what=What.POSTPONE, why=obstacle, postponed_since=since or now
        )
    if candidate.volume.status not in READY:
        why = wrong_status(candidate.volume.id, candidate.volume.status)
        if why in history.unreported_failures:
            why = f"{why}; a task failed for it already"
            return decided(what=What.SKIP, why=why)
        return decided(what=What.FAIL, why=why)
    choice = chain.choose_mode(
        history, candidate.volume.project_id, policy, now
    )
    return decided(
        what=What.BACK_UP,
        why=f"{due.why}; {choice.mode}: {choice.why}",
        mode=choice.mode,
    )


def wrong_status(volume_id: str, status: str) -> str:
    """The reason of a task that fails for its volume's status."""
    return f"volume {volume_id} is in {status} status"


def _passing_obstacle(candidate: model.Candidate, service_up: bool) -> str:
    if candidate.volume.status in PASSING:
        return wrong_status(candidate.volume.id, candidate.volume.status)
    if candidate.server_busy:
        return "a task of its server is under way in Nova"
    if not service_up:
        return "no cinder-backup service is up"
    return ""


def in_order_of_work(
    decisions: Iterable[VolumeDecision],
    waiting: queue.Queue = _EMPTY_QUEUE,
) -> list[VolumeDecision]:
    """Longest unprotected first, fair between projects.

    Each project's volumes are sorted by how long they have been without a
    backup; then every project's first comes before any project's second,
    and so on, as :mod:`staffeln.domain.queue` says.

    :param waiting: what is queued already.
    """

    def unprotected(each: VolumeDecision) -> tuple[str, str]:
        last = each.last_success_at
        return last.isoformat() if last else "", each.candidate.volume.id

    urgent = sorted(decisions, key=unprotected)
    places = queue.ranks(
        (each.candidate.volume.project_id for each in urgent), waiting
    )
    ranked = [
        dataclasses.replace(each, rank=rank)
        for each, rank in zip(urgent, places, strict=True)
    ]
    return sorted(ranked, key=lambda each: each.rank)


def _cancelled(
    inventory: model.Inventory, planned: Mapping[str, str]
) -> tuple[str, ...]:
    """Only a complete inventory proves that a volume is no candidate."""
    if not inventory.complete:
        return ()
    wanted = {each.volume.id for each in inventory.candidates}
    return tuple(
        task_id
        for volume_id, task_id in sorted(planned.items())
        if volume_id not in wanted
    )
