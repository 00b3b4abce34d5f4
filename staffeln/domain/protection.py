# SPDX-License-Identifier: Apache-2.0
"""Which volumes are not protected as they should be.

A backup that is not being made is somebody's news. ``Judging`` says of every
selected volume what its owner should hear of; ``dropped`` says why a volume
with backups is selected no longer.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from staffeln.domain import (
    chain,
    demand,
    model,
    plan,
    policies,
    report,
    retention,
    schedule,
    selection,
)

FAILING = 2
"""So many backups of a volume that failed in a row are worth a notice."""

LONGEST_VALUE = 40
"""Characters that are shown of a value that users write."""

_UNPROTECTED = frozenset({report.Topic.NEVER_PROTECTED, report.Topic.STALE})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """How the selected volumes are protected, after one plan."""

    notices: tuple[report.Notice, ...]
    demands: Mapping[str, demand.Demand]
    """What is to be made until the next cycle, by project."""
    selected: int
    never_protected: int
    stale: int
    protected_at: tuple[datetime.datetime, ...]
    """The last backup of each volume that has one."""

    @property
    def unprotected(self) -> list[report.Notice]:
        """Of volumes without a backup, then without one for long."""
        found = [each for each in self.notices if each.topic in _UNPROTECTED]
        return sorted(
            found, key=lambda it: it.topic is not report.Topic.NEVER_PROTECTED
        )

    @property
    def oldest_protection_at(self) -> datetime.datetime | None:
        """The oldest of all last backups; None: no volume has any."""
        return min(self.protected_at, default=None)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A volume that has backups and is selected no longer."""

    newest: model.Backup
    """Of its completed backups."""
    record: model.VolumeRecord
    """As it is to be remembered: with since when, and why."""
    is_new: bool
    """Whether no earlier cycle knew of it."""

    def notice(self) -> report.Notice:
        """What its owner hears of it."""
        return report.Notice(
            topic=report.Topic.DROPPED,
            project_id=self.newest.project_id,
            volume_id=self.newest.volume_id,
            volume_name=self.newest.volume_name,
            server_name=self.newest.server_name,
            since=self.record.dropped_since,
            why=self.record.dropped_why,
        )


# -- what is selected --------------------------------------------------------


class Judging:
    """Says how the volumes of a plan are protected, one after the other.

    So the past of each is needed only while it is looked at.
    """

    def __init__(
        self,
        inventory: model.Inventory,
        policy: policies.Policy,
        tolerance: policies.ProtectionPolicy,
        now: datetime.datetime,
        *,
        until: datetime.datetime,
    ) -> None:
        """:param until: when the next cycle begins: what is due by then
        counts in the forecast.
        """
        self._inventory = inventory
        self._policy = policy
        self._tolerance = tolerance
        self._now = now
        self._until = until
        self._notices: list[report.Notice] = []
        self._demands: defaultdict[str, demand.Demand] = defaultdict(
            demand.Demand
        )
        self._protected_at: list[datetime.datetime] = []
        self._selected = 0

    def look(
        self, decision: plan.VolumeDecision, history: model.History
    ) -> None:
        """Take a volume into account, by what was decided and its past."""
        self._selected += 1
        volume = decision.candidate.volume
        self._notices += _notices(
            decision, history, self._policy, self._tolerance, self._now
        )
        self._notices += _unreadable(decision.candidate, self._inventory)
        mode = demand.next_mode(decision, history, self._policy, self._until)
        if mode is not None:
            self._demands[volume.project_id] = self._demands[
                volume.project_id
            ].plus(volume.size, mode)
        if history.last_success_at is not None:
            self._protected_at.append(history.last_success_at)

    def found(self) -> Protection:
        """How all that were looked at are protected."""
        topics = Counter(each.topic for each in self._notices)
        return Protection(
            notices=tuple(self._notices),
            demands=dict(self._demands),
            selected=self._selected,
            never_protected=topics[report.Topic.NEVER_PROTECTED],
            stale=topics[report.Topic.STALE],
            protected_at=tuple(self._protected_at),
        )


def _notices(
    decision: plan.VolumeDecision,
    history: model.History,
    policy: policies.Policy,
    tolerance: policies.ProtectionPolicy,
    now: datetime.datetime,
) -> Iterator[report.Notice]:
    """One that says whether it is protected, and what else there is."""
    record = history.record
    last = history.last_success_at
    if last is None and not _is_young(decision, history, tolerance, now):
        why = "no whole backup is left" if history.chain else "never backed up"
        yield _notice(
            report.Topic.NEVER_PROTECTED, decision, _with(why, decision)
        )
    elif last is not None and now - last > tolerance.stale_after:
        why = f"its last backup is of {schedule.words(last)}"
        yield _notice(
            report.Topic.STALE, decision, _with(why, decision), since=last
        )
    elif _is_postponed_for_long(decision, tolerance, now):
        yield _notice(
            report.Topic.POSTPONED,
            decision,
            decision.why,
            since=decision.postponed_since,
        )
    elif record is not None and record.failures >= FAILING:
        yield _notice(
            report.Topic.FAILING,
            decision,
            f"its last {record.failures} backups failed",
            until=schedule.retry_at(record, policy),
        )
    if record and record.full_only_until and now < record.full_only_until:
        yield _notice(
            report.Topic.FULL_ONLY,
            decision,
            f"{chain.INCREMENTAL_FAILURES_TO_FULL_ONLY} incremental backups "
            "in a row failed",
            until=record.full_only_until,
        )


def _is_young(
    decision: plan.VolumeDecision,
    history: model.History,
    tolerance: policies.ProtectionPolicy,
    now: datetime.datetime,
) -> bool:
    """Whether it is too early to miss a backup: the first is on its way.

    A first backup that waits or runs has as long as any other one may be
    old; a volume that is in the way of its own may be so for an interval.
    """
    record = history.record
    if (
        history.chain
        or history.unreported_failures
        or (record is not None and record.failures)
    ):
        return False
    if history.live_since is not None:
        return now - history.live_since <= tolerance.stale_after
    if decision.what is plan.What.POSTPONE:
        return not _is_postponed_for_long(decision, tolerance, now)
    return decision.what is plan.What.BACK_UP


def _is_postponed_for_long(
    decision: plan.VolumeDecision,
    tolerance: policies.ProtectionPolicy,
    now: datetime.datetime,
) -> bool:
    since = decision.postponed_since
    return since is not None and now - since > tolerance.interval


def _with(why: str, decision: plan.VolumeDecision) -> str:
    """What is wrong, and what is done about it."""
    words = {
        plan.What.BACK_UP: "a backup is planned now",
        plan.What.FAIL: decision.why,
        plan.What.POSTPONE: f"postponed: {decision.why}",
        plan.What.SKIP: decision.why,
    }
    return f"{why}; {words[decision.what]}"


def _unreadable(
    candidate: model.Candidate, inventory: model.Inventory
) -> Iterator[report.Notice]:
    text = inventory.servers.get(candidate.server_id)
    if text is None or retention.is_readable(text):
        return
    yield report.Notice(
        topic=report.Topic.UNREADABLE,
        project_id=candidate.volume.project_id,
        volume_id=candidate.volume.id,
        volume_name=candidate.volume.name,
        server_name=candidate.server_name,
        why=f"{text[:LONGEST_VALUE]!r} of server {candidate.server_id} is no "
        "duration; the longer of the default and the last value that was "
        "one counts",
    )


def _notice(
    topic: report.Topic,
    decision: plan.VolumeDecision,
    why: str,
    *,
    since: datetime.datetime | None = None,
    until: datetime.datetime | None = None,
) -> report.Notice:
    volume = decision.candidate.volume
    return report.Notice(
        topic=topic,
        project_id=volume.project_id,
        volume_id=volume.id,
        volume_name=volume.name,
        server_name=decision.candidate.server_name,
        since=since,
        until=until,
        why=why,
    )


# -- what is selected no longer ----------------------------------------------


def dropped(
    history: model.History,
    newest: model.Backup,
    inventory: model.Inventory,
    rule: selection.Rule,
    now: datetime.datetime,
) -> Dropped | None:
    """What is to be said of a volume that is no candidate; None: nothing.

    Only for a complete inventory: by any other one nobody knows. Why it was
    dropped is what was seen when it was: it stays, whatever becomes of the
    server later.

    :param newest: the newest backup of the volume's chain.
    """
    if history.last_success_at is None:
        return None
    record = history.record or model.VolumeRecord(
        volume_id=newest.volume_id, project_id=newest.project_id
    )
    is_new = record.dropped_since is None
    if is_new:
        record = dataclasses.replace(
            record,
            dropped_since=now,
            dropped_why=why_dropped(newest, inventory, rule),
        )
    return Dropped(newest=newest, record=record, is_new=is_new)


def why_dropped(
    newest: model.Backup, inventory: model.Inventory, rule: selection.Rule
) -> str:
    """Why a volume is no candidate, as far as the inventory tells."""
    server = f"server {newest.server_id}"
    if newest.volume_id in inventory.opted_out_volumes:
        return f"its own metadata says {rule.backup_key}=false"
    if newest.volume_id in inventory.resting:
        return f"{server} was deleted; until it is reclaimed it may come back"
    if not newest.server_id:
        return "it is attached to no selected server"
    if newest.server_id not in inventory.servers:
        return f"{server} is not in Nova's list any more"
    if newest.server_id not in inventory.selected_servers:
        return f"{server} does not carry {rule.backup_key}=true any more"
    return (
        f"it is not attached to {server} any more, nor to another selected one"
    )


# -- what is kept for less long ----------------------------------------------


def announcement(
    rows: Iterable[model.Backup], now: datetime.datetime
) -> report.Notice | None:
    """What is announced of a volume's backups whose retention was shortened.

    Only those whose grace still runs; None: of none of them.
    """
    waiting = sorted(
        (
            (row.expires_at, row.id, row)
            for row in rows
            if row.grace
            and row.state is model.BackupState.AVAILABLE
            and row.expires_at is not None
            and row.expires_at > now
        )
    )
    if not waiting:
        return None
    expires_at, _, first = waiting[0]
    return report.Notice(
        topic=report.Topic.SHORTENED,
        project_id=first.project_id,
        volume_id=first.volume_id,
        volume_name=first.volume_name,
        server_name=first.server_name,
        until=expires_at,
        why=f"{len(waiting)} backup(s) are to be kept for {first.kept_for} "
        f"now; none of them goes before {schedule.words(expires_at)}",
    )
