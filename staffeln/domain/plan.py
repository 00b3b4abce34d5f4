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

from staffeln.domain import chain, model, policies, queue, schedule, task

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

_NEVER = datetime.datetime.min  # noqa: DTZ901  all times are UTC without zone


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

    :param decisions: of each a copy is made; whoever keeps none of them needs
        memory for one.
    :param planned: ids of planned backup tasks by volume id.
    :param waiting: how far the queue of planned tasks reaches.
    """
    backups: list[VolumeDecision] = []
    rest: list[VolumeDecision] = []
    for each in decisions:
        (backups if each.what is What.BACK_UP else rest).append(each)
    del decisions
    bring_into_order(backups, waiting)
    return Plan(
        decisions=(*backups, *rest),
        cancelled=_cancelled(inventory, planned),
    )


def decide(
    candidate: model.Candidate,
    history: model.History,
    policy: policies.Policy,
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


def _last_success(decision: VolumeDecision) -> datetime.datetime:
    """When it was; long ago where there was none."""
    return decision.last_success_at or _NEVER


def bring_into_order(
    decisions: list[VolumeDecision], waiting: queue.Queue = _EMPTY_QUEUE
) -> None:
    """Longest unprotected first, fair between projects; each gets its rank.

    Each project's volumes are sorted by how long they have been without a
    backup; then every project's first comes before any project's second,
    and so on, as :mod:`staffeln.domain.queue` says.

    :param waiting: what is queued already.
    """
    decisions.sort(key=lambda each: each.candidate.volume.id)
    decisions.sort(key=_last_success)
    places = queue.ranks(
        (each.candidate.volume.project_id for each in decisions), waiting
    )
    for number, rank in enumerate(places):
        decisions[number] = dataclasses.replace(decisions[number], rank=rank)
    decisions.sort(key=lambda each: each.rank)


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
