# SPDX-License-Identifier: Apache-2.0
"""What is about to be made in a project, and whether its quotas have room."""

from __future__ import annotations

import dataclasses
import datetime

from staffeln.domain import chain, model, plan, report, schedule, task

_NOT_CHARGED = frozenset({task.State.PLANNED, task.State.CLAIMED})
"""States of a task whose backup Cinder does not count in a quota yet."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is about to be made in a project."""

    backups: int = 0
    gigabytes: int = 0
    """Cinder charges the whole volume, for an incremental as well."""
    incrementals: int = 0
    """How many of them are to be incremental."""

    def plus(self, size: int, mode: task.Mode) -> Demand:
        """With one backup more.

        :param size: GiB of its volume.
        """
        return Demand(
            backups=self.backups + 1,
            gigabytes=self.gigabytes + size,
            incrementals=self.incrementals + (mode is task.Mode.INCREMENTAL),
        )


def next_mode(
    decision: plan.VolumeDecision,
    history: model.History,
    policy: model.Policy,
    until: datetime.datetime,
) -> task.Mode | None:
    """The mode of a backup that waits or is due by then; None: none is.

    A backup that runs is in the quota's figures already.
    """
    if decision.mode is not None:
        return decision.mode
    if decision.what is plan.What.FAIL:
        return None
    if history.live_task is not None:
        waits = history.live_task in _NOT_CHARGED
    else:
        waits = isinstance(
            schedule.decide(history, policy, until), schedule.Due
        ) and (
            decision.what is plan.What.POSTPONE
            or decision.candidate.volume.status in plan.READY
        )
    if not waits:
        return None
    return chain.choose_mode(
        history, decision.candidate.volume.project_id, policy, until
    ).mode


def forecast(demand: Demand, quotas: report.Quotas | None) -> report.Forecast:
    """Hold what is to be made against a project's quotas."""
    lacking = []
    if quotas is not None:
        lacking = [
            f"{what}: {wanted} wanted, {room} of {quota.limit} free"
            for what, wanted, quota in (
                ("backups", demand.backups, quotas.backups),
                ("GiB", demand.gigabytes, quotas.gigabytes),
            )
            if (room := free(quota)) is not None and wanted > room
        ]
    wanted = _in_words(demand)
    if quotas is None:
        why = f"{wanted}; the quotas could not be read"
    elif lacking:
        why = f"{wanted}; the quota has no room for all ({'; '.join(lacking)})"
    else:
        why = f"{wanted}; the quota has room for all"
    return report.Forecast(
        backups=demand.backups,
        gigabytes=demand.gigabytes,
        fits=not lacking,
        why=why,
    )


def free(quota: report.Quota) -> int | None:
    """What is left of a quota, never less than 0; None: there is no limit."""
    if quota.limit < 0:
        return None
    return max(0, quota.limit - quota.in_use - quota.reserved)


def _in_words(demand: Demand) -> str:
    return (
        f"{demand.backups} backup(s) wait or are due by the next cycle "
        f"({demand.backups - demand.incrementals} full, "
        f"{demand.incrementals} incremental) of {demand.gigabytes} GiB: "
        "Cinder charges whole volumes, for incrementals as well"
    )
