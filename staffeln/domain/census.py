# SPDX-License-Identifier: Apache-2.0
"""A count of all that the database holds, for those who watch it."""

from __future__ import annotations

import dataclasses
import datetime

from staffeln.domain import model, task


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TaskCount:
    """How many tasks of a kind are in a state."""

    kind: task.Kind
    state: task.State
    number: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProjectCount:
    """The managed backups of a project that are there or being made."""

    project_id: str | None
    """None: of all projects that are not named."""
    backups: int
    gigabytes: int
    """GiB, as Cinder charges them."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What there is at one moment."""

    taken_at: datetime.datetime
    term: int
    """The scheduler's that is in office, or was last."""
    conductors: int
    """How many have a row."""
    tasks: tuple[TaskCount, ...]
    """By kind and state; what there is none of is left out."""
    projects: tuple[ProjectCount, ...]
    """Those with the most backups first; the last one may be all others."""
    brakes: tuple[model.Brake, ...]
    breaker_waits: bool
    """A round of retention waits for a yes."""


PRESENT = frozenset(
    {
        model.BackupState.CREATING,
        model.BackupState.AVAILABLE,
        model.BackupState.UNWANTED,
        model.BackupState.DELETING,
    }
)
"""States of backups that Cinder has, as far as anybody knows."""


def largest(
    counts: list[ProjectCount], total: ProjectCount, most: int
) -> tuple[ProjectCount, ...]:
    """The projects with the most backups, and all others as one.

    :param counts: at least so many of those with the most, in no order.
    :param total: of all projects together.
    :param most: how many may be named.
    """
    named = sorted(
        counts, key=lambda each: (-each.backups, each.project_id or "")
    )[:most]
    backups = total.backups - sum(each.backups for each in named)
    gigabytes = total.gigabytes - sum(each.gigabytes for each in named)
    if backups <= 0:
        return tuple(named)
    return (
        *named,
        ProjectCount(
            project_id=None, backups=backups, gigabytes=max(0, gigabytes)
        ),
    )
