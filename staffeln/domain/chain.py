# SPDX-License-Identifier: Apache-2.0
"""Full or incremental? What the running chain of a volume says.

A chain is a full backup and the incrementals that depend on it, one after
the other, in the volume's own order (Cinder's created_at).
"""

from __future__ import annotations

import dataclasses
import datetime

from staffeln.domain import durations, model, policies, schedule, task

INCREMENTAL_FAILURES_TO_FULL_ONLY = 2
"""Incrementals failing in a row that make a volume full-only."""


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """The mode of the next backup and why."""

    mode: task.Mode
    why: str


def choose_mode(
    history: model.History,
    project_id: str,
    policy: policies.Policy,
    now: datetime.datetime,
) -> Choice:
    """Choose the mode of a volume's next backup.

    Each full is followed by at most ``full_backup_depth`` incrementals; 0
    means always full. Only completed backups count.

    :param project_id: the project that the volume is in now.
    """
    reason = _why_full(history, project_id, policy, now)
    if reason:
        return Choice(task.Mode.FULL, reason)
    number = len(history.chain)
    return Choice(
        task.Mode.INCREMENTAL,
        f"number {number} of {policy.full_backup_depth} after the full of "
        f"{schedule.words(history.chain[0].created_at)}",
    )


def _why_full(
    history: model.History,
    project_id: str,
    policy: policies.Policy,
    now: datetime.datetime,
) -> str:
    """The first reason for a full backup; empty when there is none."""
    chain = history.chain
    record = history.record
    if policy.full_backup_depth == 0:
        return "full_backup_depth is 0"
    if not chain:
        return "there is no full backup to build on"
    if chain[0].incremental:
        return "the first backup of the chain is not known"
    broken = [
        link for link in chain if link.state is not model.BackupState.AVAILABLE
    ]
    if broken:
        return f"backup {broken[0].id} of the chain is {broken[0].state}"
    lost = [link for link in chain if link.broken_since is not None]
    if lost:
        return f"backup {lost[0].id} of the chain is broken in Cinder"
    leaving = [link for link in chain if link.id in history.to_go]
    if leaving:
        return f"backup {leaving[0].id} of the chain is to be deleted"
    if any(link.project_id != project_id for link in chain):
        return "the volume changed its project"
    if record and record.full_only_until and now < record.full_only_until:
        return (
            f"{INCREMENTAL_FAILURES_TO_FULL_ONLY} incrementals in a row "
            "failed, full only until "
            f"{schedule.words(record.full_only_until)}"
        )
    if len(chain) - 1 >= policy.full_backup_depth:
        return f"the chain has its {policy.full_backup_depth} incremental(s)"
    return ""


def after_incremental_failure(
    record: model.VolumeRecord, policy: policies.Policy, now: datetime.datetime
) -> model.VolumeRecord:
    """Note that an incremental failed for no reason of the volume's own.

    After two in a row the volume is full-only for ``full_only_period``.
    """
    failures = record.incremental_failures + 1
    if failures < INCREMENTAL_FAILURES_TO_FULL_ONLY:
        return dataclasses.replace(record, incremental_failures=failures)
    return dataclasses.replace(
        record,
        incremental_failures=0,
        full_only_until=durations.after(now, policy.full_only_period),
    )


def after_success(
    record: model.VolumeRecord, incremental: bool
) -> model.VolumeRecord:
    """Note that a backup succeeded: failures in a row are forgotten."""
    return dataclasses.replace(
        record,
        failures=0,
        failed_at=None,
        postponed_since=None,
        incremental_failures=0 if incremental else record.incremental_failures,
    )


def after_failure(
    record: model.VolumeRecord, now: datetime.datetime
) -> model.VolumeRecord:
    """Note that a task failed."""
    return dataclasses.replace(
        record, failures=record.failures + 1, failed_at=now
    )
