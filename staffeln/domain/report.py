# SPDX-License-Identifier: Apache-2.0
"""What people are told: finished tasks, quotas, and what needs a look.

Plain data; :mod:`staffeln.report` renders it. Everything that users name is
here as they named it: whoever shows it escapes it.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Iterator

from staffeln.domain import task

UNLIMITED = -1
"""Cinder's word for no limit."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """One limit of a project, as Cinder shows it."""

    limit: int
    """:data:`UNLIMITED`: there is none."""
    in_use: int
    reserved: int

    @property
    def taken(self) -> int:
        """What Cinder counts against the limit."""
        return self.in_use + self.reserved

    @property
    def rate(self) -> float | None:
        """How much of the limit is taken; 1.0: all. None: no such limit."""
        return self.taken / self.limit if self.limit > 0 else None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """A project's limits on backups."""

    backups: Quota
    """A number of them."""
    gigabytes: Quota
    """GiB of all of them."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What the volumes due in the next cycle would take of the quotas."""

    backups: int
    gigabytes: int
    fits: bool | None
    """None: nobody knows, for the quotas could not be read."""
    why: str
    """In words."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A task that has ended, with what Cinder showed of its backup."""

    work: task.Task
    incremental: bool | None = None
    """None: nobody knows, or there is none."""
    made_at: datetime.datetime | None = None
    """Cinder's created_at of the backup; None: there is none."""

    @property
    def at(self) -> datetime.datetime:
        """When it happened: the backup's own time, else the task's."""
        work = self.work
        return (
            self.made_at
            or work.attempted_at
            or work.finished_at
            or work.updated_at
        )

    @property
    def took(self) -> datetime.timedelta | None:
        """From the last attempt's call to the end; None: there was none."""
        if self.work.attempted_at is None or self.work.finished_at is None:
            return None
        return self.work.finished_at - self.work.attempted_at

    @property
    def mode(self) -> task.Mode | None:
        """What Cinder made, else what was asked for last."""
        if self.incremental is None:
            return self.work.mode
        return task.Mode.INCREMENTAL if self.incremental else task.Mode.FULL


class Topic(enum.StrEnum):
    """What a notice is about."""

    NEVER_PROTECTED = "never protected"
    STALE = "not protected for long"
    POSTPONED = "postponed"
    DROPPED = "not selected any more"
    FULL_ONLY = "full backups only"
    SHORTENED = "will be kept for less long"
    UNREADABLE = "retention cannot be read"
    FAILING = "failing again and again"
    HELD = "to be deleted, and not gone"
    BROKEN = "broken in Cinder"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something about a volume that is no task."""

    topic: Topic
    project_id: str
    volume_id: str
    volume_name: str = ""
    server_name: str = ""
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None
    why: str
    """In words."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """How many tasks ended in which way."""

    failed: int = 0
    succeeded: int = 0
    cancelled: int = 0
    """Backups that were not needed any more."""
    removed: int = 0
    """Deletes that did what they were to do."""
    not_removed: int = 0
    """Deletes that failed or were not needed any more."""
    gigabytes: int = 0
    """GiB of the volumes that were backed up, full or not."""

    @property
    def ended(self) -> int:
        """Backups that were tried to the end."""
        return self.failed + self.succeeded

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            **{
                each.name: getattr(self, each.name) + getattr(other, each.name)
                for each in dataclasses.fields(self)
            }
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProjectReport:
    """One project's part of a report."""

    project_id: str
    project_name: str | None
    """None: it could not be read."""
    quotas: Quotas | None
    """None: they could not be read."""
    forecast: Forecast | None = None
    failed: tuple[Finished, ...] = ()
    """Backups, newest first."""
    succeeded: tuple[Finished, ...] = ()
    cancelled: tuple[Finished, ...] = ()
    removed: tuple[Finished, ...] = ()
    """Deletes that ended, in whatever way."""
    notices: tuple[Notice, ...] = ()

    @property
    def totals(self) -> Totals:
        """The numbers of this project."""
        removed = sum(
            each.work.state is task.State.SUCCEEDED for each in self.removed
        )
        return Totals(
            failed=len(self.failed),
            succeeded=len(self.succeeded),
            cancelled=len(self.cancelled),
            removed=removed,
            not_removed=len(self.removed) - removed,
            gigabytes=sum(each.work.volume_size for each in self.succeeded),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one message says."""

    id: str
    created_at: datetime.datetime
    since: datetime.datetime
    """When the oldest task that it tells of was created."""
    projects: tuple[ProjectReport, ...]
    """By name, then id."""
    detailed: bool = False
    """For operators: with hosts and paths in reasons."""
    remarks: tuple[str, ...] = ()
    """About all: what is paused, what waits for a yes; a line each."""

    @property
    def totals(self) -> Totals:
        """The numbers of all its projects."""
        return sum((each.totals for each in self.projects), Totals())


class Audience(enum.StrEnum):
    """Whom a report is for."""

    ALL = "all"
    """The receivers of all projects' reports, or the log."""
    PROJECT = "project"
    """Those of one project."""
    OPERATORS = "operators"
    """The operators: it found no other reader."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that goes with a message."""

    name: str
    media_type: str
    content: bytes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A report as it is read."""

    subject: str
    """One line without control characters."""
    text: str
    html: str
    attachments: tuple[Attachment, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project as Keystone shows it."""

    id: str
    name: str
    enabled: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProjectList:
    """The projects of all domains, disabled ones as well."""

    projects: tuple[Project, ...] = ()
    complete: bool = True
    """Keystone cut nothing off: no other project has one of the names."""

    def __iter__(self) -> Iterator[Project]:
        return iter(self.projects)

    def __len__(self) -> int:
        return len(self.projects)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A user of a project who may be written to."""

    user_id: str
    name: str
    email: str
