# SPDX-License-Identifier: Apache-2.0
"""What is about to be made in a project, and whether its quotas have room."""

from __future__ import annotations

import dataclasses
import datetime

from staffeln.domain import (
    chain,
    model,
    plan,
    policies,
    report,
    schedule,
    task,
)

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
    policy: policies.Policy,
    until: datetime.datetime,
) -> task.Mode | None:
    """The mode of a backup that waits or is due by then; None: none is.

    A backup that runs is in the quota's figures already.
    """
    if decision.mode is not None:
        return decision.mode
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


def forecast(wanted: Demand, quotas: report.Quotas | None) -> report.Forecast:
    """Hold what is to be made against a project's quotas."""
    why = (
        f"Waiting or due by then: {wanted.backups - wanted.incrementals} full "
        f"and {wanted.incrementals} incremental; Cinder charges the whole "
        "volume for each."
    )
    if quotas is None:
        fits = None
    else:
        lacking = [
            f"{number} {what} where {room} of {quota.limit} are free"
            for what, number, quota in (
                ("backups", wanted.backups, quotas.backups),
                ("GiB", wanted.gigabytes, quotas.gigabytes),
            )
            if (room := free(quota)) is not None and number > room
        ]
        fits = not lacking
        why += f" Too many: {', '.join(lacking)}." if lacking else ""
    return report.Forecast(
        backups=wanted.backups,
        gigabytes=wanted.gigabytes,
        fits=fits,
        why=why,
    )


def free(quota: report.Quota) -> int | None:
    """What is left of a quota, never less than 0; None: there is no limit."""
    if quota.limit < 0:
        return None
    return max(0, quota.limit - quota.in_use - quota.reserved)
