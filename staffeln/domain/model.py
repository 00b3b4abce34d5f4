# SPDX-License-Identifier: Apache-2.0
"""What Staffeln talks about: servers, volumes, backups, and its rounds.

All times are UTC without a zone; sizes of volumes are GiB, as in Cinder.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Mapping

from staffeln.domain import task

# -- what the cloud shows --------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CloudIdentity:
    """Which cloud, seen by whom: what a database is bound to."""

    auth_url: str
    region: str
    block_storage_url: str
    user_id: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BackupService:
    """One cinder-backup service."""

    host: str
    enabled: bool
    up: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A Nova server as a list shows it.

    ``readable`` is False where the list did not show enough of it: status
    UNKNOWN (its cell is down), no metadata, no attachments, no project.
    Such a server is unread, never untagged.
    """

    id: str
    name: str
    project_id: str
    status: str
    task_state: str | None
    metadata: Mapping[str, str]
    volume_ids: tuple[str, ...]
    readable: bool = True
    created_at: datetime.datetime | None = None
    """UTC; None: Nova does not tell, or not so that it can be read."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A Cinder volume as a list shows it."""

    id: str
    name: str
    project_id: str
    status: str
    size: int
    metadata: Mapping[str, str]
    server_ids: tuple[str, ...]
    """The servers that its attachments name."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CloudBackup:
    """A backup as Cinder shows it."""

    id: str
    project_id: str
    volume_id: str
    status: str
    incremental: bool
    created_at: datetime.datetime
    size: int
    metadata: Mapping[str, str]
    fail_reason: str | None = None
    user_id: str | None = None
    """Who made it; None: Cinder is older than 3.56, or does not tell."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BackupRequest:
    """What one create call asks of Cinder, in the volume's project."""

    project_id: str
    volume_id: str
    name: str
    incremental: bool
    force: bool
    metadata: Mapping[str, str]


# -- what a harvest yields -------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A volume to protect, with the server that speaks for it."""

    volume: Volume
    server_id: str
    server_name: str
    server_busy: bool
    """One of its selected servers has a task in Nova."""
    retention: str | None
    """The longest retention value that its servers carry, or None."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What is to be protected, and how much of the cloud was read."""

    candidates: tuple[Candidate, ...]
    complete: bool
    """Whether an absent volume is absent in truth."""
    lists_complete: bool = True
    """Whether all lists were read, whatever they show."""
    attachments_read: bool = False
    """Whether all volumes there are were held against the servers.

    Else only so many volumes were read as were to be protected.
    """
    gaps: tuple[str, ...] = ()
    """What makes it incomplete, a line each."""
    problems: tuple[str, ...] = ()
    """What was left out or not read, a line each: first the gaps."""
    servers: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    """The own retention value of every server that was read, by its id."""
    witnesses: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """A server that was listed, for a few projects, by the project."""
    shared: Mapping[str, tuple[str, ...]] = dataclasses.field(
        default_factory=dict
    )
    """Ids of the servers that were read, of volumes with several."""
    selected_servers: frozenset[str] = frozenset()
    """Ids of the servers that were read and are selected."""
    opted_out_volumes: frozenset[str] = frozenset()
    """Volumes of selected servers that their own metadata leave out."""
    still_selected: frozenset[str] = frozenset()
    """Volumes that are selected as well, and not among the candidates.

    Their server is soft-deleted, or Cinder's list does not show them.
    """
    resting: frozenset[str] = frozenset()
    """Those of them whose server is soft-deleted, as far as that was seen."""
    servers_seen: int = 0
    servers_selected: int = 0
    volumes_seen: int = 0

    def slim(self) -> Inventory:
        """What retention needs of it: of its candidates the ids alone."""
        return dataclasses.replace(
            self,
            candidates=(),
            still_selected=self.still_selected.union(
                each.volume.id for each in self.candidates
            ),
        )

    @property
    def opted_out(self) -> int:
        """How many volumes their own metadata leave out."""
        return len(self.opted_out_volumes)


# -- what Staffeln keeps ---------------------------------------------------

WHOLE = frozenset({"available", "restoring"})
"""Cinder's statuses of a backup that imply that the data are there."""

BROKEN = frozenset({"error", "error_deleting"})
"""Its statuses of a backup whose data may be lost."""


class BackupState(enum.StrEnum):
    """Where a managed backup stands."""

    CREATING = "creating"
    AVAILABLE = "available"
    UNWANTED = "unwanted"
    DELETING = "deleting"
    VANISHED = "vanished"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Governance:
    """What governs how long some backups of a volume are kept."""

    volume_id: str
    server_id: str
    retention: str | None
    retention_known: bool
    retention_valid: str | None
    kept_for: str
    grace: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What the rules of planning need to know of a backup in a chain."""

    id: str
    """Cinder's id of the backup."""
    project_id: str
    volume_id: str
    state: BackupState
    incremental: bool | None
    """As Cinder shows it; None where nobody knows."""
    created_at: datetime.datetime
    """Cinder's created_at."""
    broken_since: datetime.datetime | None = None
    """When Cinder was first seen to show it in a status of error."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Backup(Link):
    """The row of a managed backup."""

    volume_name: str = ""
    server_id: str = ""
    server_name: str = ""
    task_id: str | None = None
    """The task that made it; None where an earlier release did."""
    attempt: int = 0
    completed_at: datetime.datetime | None = None
    """When it was first seen to hold all data; None: it never was."""
    size: int = 0
    retention: str | None = None
    """The last retention value read from its server; None: it had none."""
    retention_known: bool = True
    """False: its server was never read, and ``retention`` says nothing."""
    retention_valid: str | None = None
    """The last value that was readable, where ``retention`` is not."""
    kept_for: str = ""
    """The retention time that governs it; empty: not decided yet."""
    grace: str = ""
    """The grace that a retention time which became shorter waits for."""
    expires_at: datetime.datetime | None = None
    """When it may go; None: not before its server was read, or is gone."""
    missing_since: datetime.datetime | None = None
    """When Cinder first answered 404 for it without a proof before."""
    reason: str = ""
    """Why it stands where it stands, in words."""
    updated_at: datetime.datetime | None = None

    @property
    def governance(self) -> Governance:
        """What governs how long it is kept."""
        return Governance(
            volume_id=self.volume_id,
            server_id=self.server_id,
            retention=self.retention,
            retention_known=self.retention_known,
            retention_valid=self.retention_valid,
            kept_for=self.kept_for,
            grace=self.grace,
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VolumeRecord:
    """What Staffeln remembers of a volume beyond the life of its tasks."""

    volume_id: str
    project_id: str
    failures: int = 0
    """Backup tasks that failed in a row."""
    failed_at: datetime.datetime | None = None
    """When the last of those failed."""
    incremental_failures: int = 0
    """Incrementals in a row that ended for a reason not the volume's."""
    full_only_until: datetime.datetime | None = None
    """No incremental before this time."""
    postponed_since: datetime.datetime | None = None
    """Since when the volume is due and cannot be backed up."""
    dropped_since: datetime.datetime | None = None
    """Since when it has backups and is selected no longer."""
    dropped_why: str = ""
    """Why it is not, in words."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the rules need to know of one volume's past."""

    live_task: task.State | None = None
    """The state of the volume's live backup task, if it has one."""
    live_since: datetime.datetime | None = None
    """When that task was planned."""
    last_success_at: datetime.datetime | None = None
    """Cinder's created_at of the newest completed backup there is."""
    chain: tuple[Link, ...] = ()
    """Completed backups from the last completed full on, oldest first.

    Those that Staffeln has learnt to be gone or broken are among them.
    """
    to_go: frozenset[str] = frozenset()
    """Ids of backups that a live task is to delete."""
    record: VolumeRecord | None = None
    unreported_failures: frozenset[str] = frozenset()
    """Reasons of failed tasks that nobody was told of yet."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """A round of retention that did nothing, for it was too large."""

    tripped_at: datetime.datetime
    would: int
    """How many backups it would have deleted or forgotten."""
    total: int
    """Of how many managed backups."""
    confirmed_at: datetime.datetime | None = None
    """When an operator agreed to that many."""

    def in_words(self) -> str:
        """What waits, and for whom."""
        waits = (
            f"{self.would} of {self.total} managed backups would be deleted "
            "or forgotten"
        )
        if self.confirmed_at is None:
            return f"{waits}: staffeln retention confirm lets it happen"
        return f"{waits}: confirmed, the next round does it"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Brake:
    """Work that an operator has paused."""

    kind: task.Kind
    project_id: str = ""
    """Empty: of all projects."""
    since: datetime.datetime

    def in_words(self) -> str:
        """Such as ``backups of project P are paused since ...``."""
        whose = f"project {self.project_id}" if self.project_id else "all"
        since = self.since.isoformat(" ", "seconds")
        return f"{self.kind}s of {whose} are paused since {since}Z"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One Staffeln database."""

    uuid: str
    identity: CloudIdentity | None
    """None until the first start binds it."""
    adopted: bool
    """Made from the database of an earlier release."""
    selected_volumes: int | None
    """How many volumes the last complete harvest selected."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """What one cycle of the scheduler came to."""

    ended_at: datetime.datetime
    seconds: float
    """How long it took."""
    term: int
    complete: bool
    """Whether the whole cloud was read."""
    selected: int
    """Volumes to protect."""
    dropped: int
    """Volumes with managed backups that are selected no longer."""
    never_protected: int
    """Those that were known for long enough to have a backup."""
    stale: int
    """Volumes whose last backup is older than is tolerated."""
    oldest_protection_at: datetime.datetime | None
    """The oldest of all last backups; None: no volume has any."""
    protected_at: tuple[datetime.datetime, ...] = ()
    """The last backup of each volume that has one, in no order."""
    planned: int = 0
    """Backups that are to be made."""
    failed_at_once: int = 0
    """Backups that failed without a try, such as for a volume's status."""
    postponed: int = 0
    """Volumes that are due and could not be planned."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """What the database tells of the last rounds, for a dead man's switch."""

    now: datetime.datetime
    cycle_at: datetime.datetime | None
    """When the last complete cycle ended; None: there was none."""
    retention_at: datetime.datetime | None
    """When the last round of retention ended that nothing held back."""
    selected: int | None
    dropped: int
    never_protected: int
    stale: int
    oldest_protection_at: datetime.datetime | None
