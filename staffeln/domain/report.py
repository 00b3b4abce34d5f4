# SPDX-License-Identifier: Apache-2.0
"""What people are told: finished tasks, quotas, and what needs a look.

Plain data; :mod:`staffeln.report` renders it. Everything that users name is
here as they named it: whoever shows it escapes it.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum

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
    fits: bool
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


class Topic(enum.StrEnum):
    """What a notice is about."""

    NEVER_PROTECTED = "never protected"
    STALE = "not protected for long"
    POSTPONED = "postponed"
    DROPPED = "not selected any more"
    FULL_ONLY = "full backups only"
    SHORTENED = "will be kept for less long"
    UNREADABLE = "retention cannot be read"
    HELD = "held by another backup"
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
class Member:
    """A user of a project who may be written to."""

    user_id: str
    name: str
    email: str
