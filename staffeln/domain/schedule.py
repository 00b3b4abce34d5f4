# SPDX-License-Identifier: Apache-2.0
"""Is a volume due for a backup, and when not: until when?

The rules of due and not due, decided before anything else is asked about a
volume.
"""

from __future__ import annotations

import dataclasses
import datetime

from staffeln.domain import model, policies


@dataclasses.dataclass(frozen=True, slots=True)
class Due:
    """The volume is to be backed up now."""

    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class NotDue:
    """The volume is left alone.

    ``until`` is the time from which it is due again; None where that is
    not a question of time.
    """

    why: str
    until: datetime.datetime | None = None


def decide(
    history: model.History, policy: policies.Policy, now: datetime.datetime
) -> Due | NotDue:
    """Say whether a volume with this history is due.

    Due: no live task, no successful backup younger than
    ``backup_min_interval`` (0: always due), and not waiting after
    failures. Failed tasks do not count as backups.
    """
    if history.live_task is not None:
        return NotDue(f"a task for it is {history.live_task} already")
    last = history.last_success_at
    if last is not None:
        interval = policy.backup_min_interval
        free_at = last + interval
        # Without an interval a clock of Cinder's that is ahead holds nobody.
        if interval and now < free_at:
            return NotDue(
                f"its last backup of {words(last)} is younger than the "
                f"minimum interval, until {words(free_at)}",
                free_at,
            )
    again_at = retry_at(history.record, policy)
    if again_at is not None and now < again_at:
        failures = history.record.failures if history.record else 0
        which = f"{failures} tasks" if failures > 1 else "task"
        return NotDue(
            f"its last {which} failed, next try at {words(again_at)}",
            again_at,
        )
    if last is None:
        return Due("never backed up")
    return Due(f"last backup of {words(last)} is older than the interval")


def last_success_if_due(
    policy: policies.Policy, until: datetime.datetime
) -> datetime.datetime | None:
    """The latest last success that a volume can have which is due by then.

    None: any at all.
    """
    interval = policy.backup_min_interval
    return until - interval if interval else None


def retry_at(
    record: model.VolumeRecord | None, policy: policies.Policy
) -> datetime.datetime | None:
    """When a volume whose tasks keep failing is tried again.

    The wait doubles with each failure in a row, from ``failure_backoff``
    up to ``failure_backoff_max``. None: it is not waiting.
    """
    if record is None or record.failed_at is None or record.failures < 1:
        return None
    return record.failed_at + backoff(
        record.failures, policy.failure_backoff, policy.failure_backoff_max
    )


def backoff(
    tries: int, first: datetime.timedelta, longest: datetime.timedelta
) -> datetime.timedelta:
    """How long to wait after so many fruitless tries in a row."""
    doublings = min(max(tries, 1) - 1, 30)
    try:
        return min(first * int(2**doublings), longest)
    except OverflowError:
        return longest


def words(when: datetime.datetime) -> str:
    """A time as reasons show it: to the second, in UTC."""
    return when.strftime("%Y-%m-%d %H:%M:%SZ")
