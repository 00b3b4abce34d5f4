# SPDX-License-Identifier: Apache-2.0
"""Which backups may go, and in which order.

A backup goes only when everything that depends on it goes before it.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from staffeln.domain import model, policies, schedule, task

_GOING = frozenset({model.BackupState.UNWANTED, model.BackupState.DELETING})


class What(enum.StrEnum):
    """What was decided for a backup."""

    DELETE = "delete"
    KEEP = "keep"
    GOING = "going"
    """It is on its way out for another reason than its age."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a backup, and why."""

    backup: model.Backup
    what: What
    why: str
    waits_for: str | None = None
    """A backup that depends on it and has to be gone first."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is to be known of a volume besides its backups."""

    selected: bool
    """Whether it is to be backed up further on."""
    growing: frozenset[str] = frozenset()
    """Projects in which a backup is under way that may build on others."""
    spared: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Projects whose backups do not expire, and why."""
    leaving: frozenset[str] = frozenset()
    """Backups that Cinder was asked to delete: nobody knows if it does."""


def judge(
    rows: Iterable[model.Backup],
    around: Circumstances,
    policy: policies.RetentionPolicy,
    now: datetime.datetime,
) -> list[Verdict]:
    """Decide for all backups of one volume; newest first in each project.

    A backup goes only when everything that depends on it goes before it.
    The parent of an incremental is a backup of the same project, so that
    the volumes of a transferred volume's projects are chains apart.

    :param rows: as :func:`governed` returns them; vanished ones get no
        verdict.
    """
    ordered = sorted(rows, key=_in_chain_order, reverse=True)
    newest = frozenset(
        _newest(ordered, around.leaving, policy) if around.selected else ()
    )
    of_projects: defaultdict[str, list[model.Backup]] = defaultdict(list)
    for row in ordered:
        of_projects[row.project_id].append(row)
    return [
        verdict
        for project_id, chains in of_projects.items()
        for verdict in _judge_chains(chains, project_id, newest, around, now)
    ]


def _in_chain_order(row: model.Backup) -> tuple[datetime.datetime, bool, str]:
    """By time; of one moment the full first."""
    return row.created_at, row.incremental is not False, row.id


def _newest(
    rows: Sequence[model.Backup],
    leaving: frozenset[str],
    policy: policies.RetentionPolicy,
) -> list[str]:
    """Broken backups must not end in no backups.

    The newest ones, up to so many that can be restored by all that is known:
    what is in doubt stays, and does not count.

    :param rows: the newest first.
    """
    sound = _sound(rows, leaving)
    kept: list[str] = []
    counted = 0
    for row in rows:
        if counted == policy.keep_last:
            break
        if (
            row.state is model.BackupState.AVAILABLE
            and row.completed_at is not None
        ):
            kept.append(row.id)
            counted += row.id in sound
    return kept


def _sound(
    rows: Sequence[model.Backup], leaving: frozenset[str]
) -> frozenset[str]:
    """Ids of those that are whole, as is all that they depend on."""
    found = set()
    chains: dict[str, bool] = {}
    """By project: whether the chain is whole as far as it was read."""
    for row in reversed(rows):
        if row.completed_at is None:
            continue
        whole = (
            row.state is model.BackupState.AVAILABLE
            and row.missing_since is None
            and row.broken_since is None
            and row.id not in leaving
        )
        if row.incremental is not False:
            # Of an unknown mode, it may be a full one.
            whole &= chains.get(row.project_id, row.incremental is None)
        chains[row.project_id] = whole
        if whole:
            found.add(row.id)
    return frozenset(found)


def may_be_built_on(
    rows: Iterable[model.Backup], project_id: str
) -> frozenset[str]:
    """Ids of what an incremental that is made now would depend on.

    From the newest backup of the project back to the full one that begins
    its chain.

    :param rows: all of one volume.
    """
    found = set()
    for row in sorted(rows, key=_in_chain_order, reverse=True):
        if row.project_id == project_id:
            found.add(row.id)
            if _begins_chain(row):
                break
    return frozenset(found)


def crosses(
    work: task.Task,
    rows: Iterable[model.Backup],
    live: Iterable[task.Task],
) -> bool:
    """Whether a new task and a live one of its volume must not meet.

    An incremental must not begin while what it would build on goes, nor
    the other way round: Cinder looks at both without a lock. Older chains
    come and go as they like.

    :param rows: all of the volume.
    :param live: the volume's live tasks.
    """
    if task.may_build(work):
        going = {
            each.backup_id for each in live if each.cause is task.Cause.EXPIRED
        }
        needed = may_be_built_on(rows, work.project_id)
        return not needed.isdisjoint(going)
    if work.cause is task.Cause.EXPIRED:
        rows = list(rows)
        return any(
            work.backup_id in may_be_built_on(rows, each.project_id)
            for each in live
            if task.may_build(each)
        )
    return False


def _judge_chains(
    rows: Sequence[model.Backup],
    project_id: str,
    newest: frozenset[str],
    around: Circumstances,
    now: datetime.datetime,
) -> Iterator[Verdict]:
    """Walk from the newest to the oldest, through one chain after the other.

    What stays holds all that it depends on: everything before it up to the
    full one of its chain. A backup whose mode nobody knows may depend on
    the one before it, and what follows may build on it.
    """
    holder = ""
    if project_id in around.growing:
        holder = "a backup that may build on it is under way"
    newer: str | None = None
    for row in rows:
        if row.state is not model.BackupState.VANISHED:
            own = _own_reason(row, project_id, newest, around, now)
            what, why = _decide(row, own, holder)
            yield Verdict(
                backup=row,
                what=what,
                why=why,
                waits_for=newer if what is What.DELETE else None,
            )
            if row.incremental is not False:
                if what is What.KEEP and own:
                    holder = f"backup {row.id} depends on it and stays: "
                    holder += own
                if what is not What.GOING or newer is None:
                    # One that goes anyway is no sign that those after it
                    # are gone.
                    newer = row.id
        if _begins_chain(row):
            holder, newer = "", None


def _decide(row: model.Backup, own: str, holder: str) -> tuple[What, str]:
    """What becomes of a backup, and why.

    :param own: why it stays, whatever depends on it.
    :param holder: why it stays for what depends on it.
    """
    if row.state in _GOING:
        return What.GOING, row.reason or f"it is {row.state}"
    if own or holder:
        return What.KEEP, own or holder
    return What.DELETE, _expired(row)


def _begins_chain(row: model.Backup) -> bool:
    """Whether what follows does not depend on what is before.

    One that vanished did begin its chain. A full one that never held all
    data did not: the backups after it build on the chain before it.
    """
    return row.incremental is False and (
        row.completed_at is not None
        or row.state is model.BackupState.AVAILABLE
    )


def _own_reason(
    row: model.Backup,
    project_id: str,
    newest: frozenset[str],
    around: Circumstances,
    now: datetime.datetime,
) -> str:
    """Why the backup itself stays, whatever depends on it; empty: no why."""
    if row.state is model.BackupState.CREATING:
        return "it is being made"
    if row.expires_at is None:
        if row.retention_known:
            return "its retention is not decided yet"
        return (
            f"its server {row.server_id or 'is not known, it'} was never "
            "read and is not proved gone"
        )
    if now < row.expires_at:
        return _until(row)
    if row.id in newest:
        return (
            f"expired {schedule.words(row.expires_at)}, but one of the "
            "newest of a selected volume (retention_keep_last)"
        )
    if project_id in around.spared:
        return around.spared[project_id]
    return ""


def _until(row: model.Backup) -> str:
    if row.expires_at is None:
        raise ValueError(f"backup {row.id} has no expiry")
    until = f"until {schedule.words(row.expires_at)}"
    if row.grace:
        return f"{until}: shortened to {row.kept_for}, after a grace"
    return f"{until}: kept for {row.kept_for}"


def _expired(row: model.Backup) -> str:
    if row.expires_at is None:
        raise ValueError(f"backup {row.id} has no expiry")
    return f"expired {schedule.words(row.expires_at)}: kept for {row.kept_for}"
